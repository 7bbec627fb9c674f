/**
 * What a model's forward does, op by op. A value is known by its storage, as on the tape: a reshape needs no
 * note, and a tensor may be disposed as soon as its op is noted. What follows from constants alone is a
 * constant.
 */

import { check, show } from '../../base/errors.js'
import type { Shape } from '../../base/shape.js'
import type { ArrayOf, DType } from '../../core/dtype.js'
import type { Engine } from '../../core/engine.js'
import type { Storage } from '../../core/storage.js'
import { type AnyTensor, Tensor, type Trace } from '../../core/tensor.js'
import { between } from '../forwards.js'
import type { AnyLayer, Tensors } from '../layer.js'

/** Where a value comes from: an input of the model, an op, or, where it has numbers, nothing. */
export interface Source {
  readonly shape: Shape
  readonly dtype: DType
  readonly numbers?: ArrayOf<DType>
  /** Of a constant: what the model calls it. */
  readonly name?: string
}

/** A value as an op takes it: the source, under a shape of its own. */
export interface Use {
  source: Source
  shape: Shape
}

/** One op, or a layer that writes itself. */
export interface Note {
  op: string
  /** The layer that called it, such as `blocks.0.conv`. */
  place: string
  inputs: Readonly<Record<string, Use | number>>
  options: object
  outputs: Source[]
  layer?: AnyLayer
}

const listOf = <T>(one: T | readonly T[]): readonly T[] =>
  Array.isArray(one) ? (one as readonly T[]) : [one as T]

/** One run of `forward` on some inputs. */
export class Recorder implements Trace {
  readonly notes: Note[] = []
  readonly inputs: Source[]
  readonly outputs: Use[]
  private readonly known = new Map<Storage, { source: Source; version: number }>()
  /** Written by an op that has not told what it did. */
  private readonly untold = new Set<Storage>()
  private place = ''

  /**
   * @param names of parameters and state. @param first an earlier run, whose constants need no second copy
   */
  constructor(
    private readonly engine: Engine,
    model: AnyLayer,
    inputs: readonly Tensor[],
    private readonly names: ReadonlyMap<Storage, string>,
    private readonly first?: Recorder,
  ) {
    this.inputs = inputs.map((tensor) => this.enter(tensor))
    const run = () =>
      engine.scope((): Use[] | Use => {
        const x = (inputs.length > 1 ? inputs : inputs[0]) as never
        const y = model.forward(x) as Tensors
        return Array.isArray(y) ? y.map((tensor) => this.use(tensor)) : this.use(y as Tensor)
      })
    engine.trace = this
    try {
      const given = between(model, (layer, place, x, forward) => this.within(layer, place, x, forward), run)
      this.outputs = [...listOf(given)]
    } finally {
      engine.trace = undefined
    }
  }

  note(
    op: string,
    outputs: AnyTensor | readonly AnyTensor[],
    inputs: Readonly<Record<string, AnyTensor | number | undefined>>,
    options: object = {},
  ): void {
    const written = listOf(outputs)
    const over = new Set(written.map(({ storage }) => storage))
    const uses = Object.entries(inputs).flatMap(([name, operand]): [string, Use | number][] =>
      operand === undefined ? [] : [[name, typeof operand === 'number' ? operand : this.use(operand, over)]],
    )
    for (const storage of over) this.untold.delete(storage)
    if (uses.every(([, use]) => typeof use === 'number' || use.source.numbers)) {
      for (const storage of over) this.known.delete(storage)
      return
    }
    const sources = written.map((tensor) => this.enter(tensor))
    this.notes.push({ op, place: this.place, inputs: Object.fromEntries(uses), options, outputs: sources })
  }

  made(tensor: AnyTensor): void {
    this.untold.add(tensor.storage)
  }

  given(tensor: AnyTensor): void {
    this.untold.delete(tensor.storage)
  }

  read(tensor: AnyTensor): void {
    const known = this.known.get(tensor.storage)
    const follows = known?.version === tensor.storage.version && !known.source.numbers
    check(!follows && !this.untold.has(tensor.storage), () => ({
      op: 'saveOnnx',
      argument: this.argument,
      expected: 'one whose forward leaves numbers in tensors',
      got: 'toArray() of a value that follows from the input',
      hint: 'Ops of tensors can be written; else give the layer a method toOnnx(graph, x)',
    }))
  }

  private get argument(): string {
    return this.place ? `layer ${this.place}` : 'model'
  }

  private enter(tensor: AnyTensor): Source {
    const { shape, dtype, storage } = tensor
    check(!tensor.quantization, () => ({
      op: 'saveOnnx',
      argument: this.argument,
      expected: 'one of numbers without a quantization',
      got: show(tensor),
    }))
    const source: Source = { shape, dtype }
    this.known.set(storage, { source, version: storage.version })
    return source
  }

  /** A tensor as an op takes it; `over`: storages that the same op has written since. */
  private use(tensor: AnyTensor, over?: ReadonlySet<Storage>): Use {
    check(tensor instanceof Tensor, () => ({
      op: 'saveOnnx',
      argument: this.argument,
      expected: 'one whose forward gives tensors',
      got: show(tensor),
    }))
    const { storage, shape } = tensor
    const known = this.known.get(storage)
    const overwritten = over?.has(storage) === true
    if (known && (known.version === storage.version || overwritten)) return { source: known.source, shape }
    check(!this.untold.has(storage) && !overwritten, () => ({
      op: 'saveOnnx',
      argument: this.argument,
      expected: 'one whose forward is made of ops that tell what they do',
      got: overwritten ? 'a constant that is written over' : 'a value of another op',
      hint: 'Give the layer a method toOnnx(graph, x)',
    }))
    const before = this.first?.known.get(storage)
    const source: Source =
      before?.version === storage.version && before.source.numbers ? before.source : this.constantOf(tensor)
    this.known.set(storage, { source, version: storage.version })
    return { source, shape }
  }

  private constantOf(tensor: AnyTensor): Source {
    const { shape, dtype } = tensor
    const name = this.names.get(tensor.storage) ?? tensor.name
    const numbers = this.unheard(() => tensor.toArray())
    return { shape, dtype, numbers, ...(name && { name }) }
  }

  private unheard<T>(fn: () => T): T {
    const { trace } = this.engine
    this.engine.trace = undefined
    try {
      return fn()
    } finally {
      this.engine.trace = trace
    }
  }

  /** Runs a layer's forward; what it writes itself is one note. */
  private within(layer: AnyLayer, place: string, x: unknown, forward: () => Tensors): Tensors {
    const outer = this.place
    this.place = place
    try {
      if (!layer.toOnnx) return forward()
      const given = listOf(x as Tensor | Tensor[])
      const uses = given.map((tensor, i): [string, Use] => [`x${i}`, this.use(tensor)])
      const y = this.unheard(forward)
      const outputs = listOf(y as Tensor | Tensor[]).map((tensor) => this.enter(tensor))
      const options = { several: Array.isArray(x) }
      this.notes.push({ op: 'toOnnx', place, inputs: Object.fromEntries(uses), options, outputs, layer })
      return y
    } finally {
      this.place = outer
    }
  }
}

/** Whether two runs did the same, but for lengths and numbers. */
export function sameWay(a: Recorder, b: Recorder): boolean {
  const order = new Map<Source, number>()
  const other = new Map<Source, number>()
  const enter = (to: Map<Source, number>, sources: readonly Source[]) => {
    for (const source of sources) if (!to.has(source)) to.set(source, to.size)
  }
  const alike = (p: Use | number | undefined, q: Use | number | undefined): boolean => {
    if (typeof p !== 'object' || typeof q !== 'object') return typeof p === typeof q
    const same = Boolean(p.source.numbers) === Boolean(q.source.numbers)
    const rank = p.shape.length === q.shape.length
    return same && rank && (p.source.numbers !== undefined || order.get(p.source) === other.get(q.source))
  }
  enter(order, a.inputs)
  enter(other, b.inputs)
  return (
    a.notes.length === b.notes.length &&
    a.notes.every((note, i) => {
      const twin = b.notes[i]!
      const names = Object.keys(note.inputs)
      const fits =
        note.op === twin.op &&
        note.layer === twin.layer &&
        names.length === Object.keys(twin.inputs).length &&
        names.every((name) => alike(note.inputs[name], twin.inputs[name]))
      enter(order, note.outputs)
      enter(other, twin.outputs)
      return fits
    }) &&
    a.outputs.length === b.outputs.length &&
    a.outputs.every((use, i) => alike(use, b.outputs[i]))
  )
}
