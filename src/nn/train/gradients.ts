/**
 * Reverse-mode differentiation. While a function runs, every op leaves a note on the tape: its output, its
 * inputs, what it needs to go back. Played backwards, each note turns the derivative of the loss with respect
 * to its output into those with respect to its inputs; where a value was used more than once they add up.
 * (Griewank & Walther, "Evaluating Derivatives", 2008, chapter 3.)
 */

import { check, show } from '../../base/errors.js'
import { type Shape, sameShape } from '../../base/shape.js'
import { type Engine, engineOf } from '../../core/engine.js'
import { checkOptions, type Names } from '../../core/options.js'
import type { Storage } from '../../core/storage.js'
import type { Tape } from '../../core/tensor.js'
import { type AnyTensor, Tensor } from '../../core/tensor.js'
import { add } from '../../ops/arithmetic.js'
import { slice } from '../../ops/slice.js'

type Tensors = Record<string, AnyTensor | undefined>

/** A tensor's storage and shape: a name that no scope knows of. */
interface Name {
  storage: Storage
  shape: Shape
}

interface Note {
  op: string
  outputs: Name[]
  inputs: [argument: string, storage: Storage][]
  kept: [argument: string, name: Name][]
  backward: (
    dys: readonly (Tensor | undefined)[],
    kept: Tensors,
  ) => { [name: string]: (() => Tensor) | undefined }
}

class Recorder implements Tape {
  private readonly notes: Note[] = []
  /** Values that the loss may depend on the parameters through, and what backward keeps beside them. */
  private readonly tracked = new Set<Storage>()
  private readonly kept = new Set<Storage>()

  constructor(
    private readonly engine: Engine,
    parameters: readonly Tensor[],
  ) {
    for (const { storage } of parameters) this.tracked.add(storage)
  }

  record<Inputs extends Tensors, Kept extends Tensors>(
    op: string,
    output: AnyTensor,
    inputs: Inputs,
    kept: Kept,
    backward: (dy: Tensor, kept: Kept) => { [name in keyof Inputs]?: () => Tensor },
  ): void {
    this.recordAll(op, [output], inputs, kept, ([dy], kept) => backward(dy!, kept))
  }

  recordAll<Inputs extends Tensors, Kept extends Tensors>(
    op: string,
    outputs: readonly AnyTensor[],
    inputs: Inputs,
    kept: Kept,
    backward: (dys: readonly (Tensor | undefined)[], kept: Kept) => { [name in keyof Inputs]?: () => Tensor },
  ): void {
    const used = Object.entries(inputs).flatMap(([argument, tensor]): Note['inputs'] =>
      tensor && this.tracked.has(tensor.storage) ? [[argument, tensor.storage]] : [],
    )
    if (used.length === 0) return
    const names = Object.entries(kept).flatMap(([argument, tensor]): Note['kept'] =>
      tensor ? [[argument, { storage: tensor.storage, shape: tensor.shape }]] : [],
    )
    for (const [, { storage }] of names) {
      storage.references++
      this.kept.add(storage)
    }
    for (const { storage } of outputs) this.tracked.add(storage)
    this.notes.push({
      op,
      outputs: outputs.map(({ storage, shape }) => ({ storage, shape })),
      inputs: used,
      kept: names,
      backward: backward as unknown as Note['backward'],
    })
  }

  holds(storage: Storage): boolean {
    return this.tracked.has(storage) || this.kept.has(storage)
  }

  /**
   * Derivatives of the loss by storage, once all notes are played. Those of values in between are freed on
   * the way.
   */
  play(loss: Tensor): Map<Storage, Tensor> {
    const derivatives = new Map<Storage, Tensor>([[loss.storage, this.engine.tensor([1], loss.shape)]])
    for (let note = this.notes.pop(); note; note = this.notes.pop()) {
      try {
        const wholes = note.outputs.map(({ storage }) => derivatives.get(storage))
        if (wholes.some((whole) => whole)) {
          for (const { storage } of note.outputs) derivatives.delete(storage)
          this.engine.scope(() => this.playNote(note!, wholes, derivatives))
        }
      } finally {
        release(note)
      }
    }
    return derivatives
  }

  private playNote(
    { op, outputs, inputs, kept, backward }: Note,
    wholes: readonly (Tensor | undefined)[],
    derivatives: Map<Storage, Tensor>,
  ): Tensor[] {
    const dys = wholes.map((whole, i) => whole?.reshape(outputs[i]!.shape))
    for (const whole of wholes) whole?.dispose()
    const tensors = Object.fromEntries(
      kept.map(([argument, { storage, shape }]) => [argument, new Tensor(this.engine, shape, storage)]),
    )
    const steps = backward(dys, tensors)
    return inputs.map(([argument, storage]) => {
      const step = steps[argument]
      check(step !== undefined, () => ({
        op,
        argument,
        expected: 'something that no derivative is wanted of',
        got: 'a value that depends on parameters',
      }))
      const given = step()
      // A name of its own: several inputs may be given the same tensor.
      const more = given.reshape(given.shape)
      const known = derivatives.get(storage)
      const sum = known ? accumulated(known, more) : more
      derivatives.set(storage, sum)
      return sum
    })
  }

  dispose(): void {
    for (const note of this.notes) release(note)
    this.notes.length = 0
  }
}

function release(note: Note): void {
  for (const [, { storage }] of note.kept) storage.release()
}

/** The sum of two derivatives; into the first, unless another name shares its numbers. */
function accumulated(known: Tensor, more: Tensor): Tensor {
  const other = more.reshape(known.shape)
  if (known.storage.references === 1) return add(known, other, { out: known })
  const sum = add(known, other)
  known.dispose()
  return sum
}

/** What `valueAndGradients` lets pass. */
export interface GradientOptions {
  /**
   * Whether the loss may do without some of the parameters. Default false: such a parameter is an error that
   * names it.
   */
  allowUnused?: boolean
}

const GRADIENTS: Names<GradientOptions> = { allowUnused: true }

/**
 * Runs `fn`, which computes a loss from tensors, and gives the loss and its derivatives with respect to
 * `parameters`.
 *
 * Tensors made inside are freed on return, but those that the loss needs stay until its derivatives are
 * there: `dispose`, `using` and `engine.scope` inside give up the name only. Writing to a tensor that the
 * loss depends on (`set`, `view`, `out`) is an error inside of `fn`.
 *
 * @param fn returns a tensor of one element. It must not be async, and must not call `valueAndGradients`:
 *   there are no derivatives of derivatives
 * @param parameters any tensors that `fn` uses
 * @param options allowUnused false: whether the loss may do without some of the parameters, whose derivatives
 *   are 0 then (one of two heads, a layer left out)
 * @returns value: the loss; gradients: tensors of the shapes of `parameters`, in their order, which
 *   `optimizer.step` frees
 * @throws FilterbankError where the loss is not one number, or does not depend on a parameter (which is
 *   named); everything made is freed then
 * @example const { value, gradients } = valueAndGradients(() => crossEntropy(model.forward(x), labels),
 *   model.parameters)
 */
export function valueAndGradients(
  fn: () => Tensor,
  parameters: readonly Tensor[],
  options: GradientOptions = {},
): { value: number; gradients: Tensor[] } {
  const op = 'valueAndGradients'
  checkOptions(op, options, GRADIENTS)
  const { allowUnused = false } = options
  check(Array.isArray(parameters) && parameters.length > 0, () => ({
    op,
    argument: 'parameters',
    expected: 'tensors, one at least',
    got: show(parameters),
  }))
  const engine = engineOf(
    op,
    Object.fromEntries(parameters.map((parameter, i) => [nameOf(parameter, i), parameter])),
  )
  const twice = parameters.findIndex(
    (parameter, i) => parameters.findIndex(({ storage }) => storage === parameter.storage) < i,
  )
  check(twice < 0, () => ({
    op,
    argument: nameOf(parameters[twice]!, twice),
    expected: 'listed once',
    got: 'the same numbers twice',
  }))
  check(engine.tape === undefined, () => ({
    op,
    argument: 'fn',
    expected: 'free of valueAndGradients',
    got: 'a call inside a call: there are no derivatives of derivatives',
  }))

  const recorder = new Recorder(engine, parameters)
  engine.tape = recorder
  try {
    return engine.scope(() => {
      const loss = engine.scope(fn)
      engine.tape = undefined
      check(loss instanceof Tensor, () => ({
        op,
        argument: 'fn',
        expected: 'a function that returns the loss, a tensor',
        got: show(loss),
      }))
      engineOf(op, { 'parameters[0]': parameters[0]!, loss })
      check(loss.size === 1, () => ({
        op,
        argument: 'loss',
        expected: 'one number',
        got: show(loss.shape),
        hint: 'Reduce it by mean or sum',
      }))
      const derivatives = recorder.play(loss)
      const missing = parameters.flatMap((parameter, i) =>
        derivatives.has(parameter.storage) ? [] : [nameOf(parameter, i)],
      )
      const hint = 'allowUnused takes their derivatives as 0'
      check(allowUnused || missing.length === 0, () => ({
        op,
        argument: 'loss',
        expected: 'one that depends on every parameter',
        got: `one that does not reach ${missing.join(', ')}`,
        hint,
      }))
      const gradients = parameters.map(({ storage, shape }) => {
        const derivative = derivatives.get(storage)
        return derivative ? ownOf(derivative, shape) : engine.zeros(shape)
      })
      return { value: loss.toArray()[0]!, gradients }
    })
  } finally {
    engine.tape = undefined
    recorder.dispose()
  }
}

const nameOf = (parameter: Tensor, i: number): string =>
  parameter?.name ? `parameters[${i}] (${parameter.name})` : `parameters[${i}]`

/** A derivative as a tensor whose numbers are nobody else's. */
function ownOf(derivative: Tensor, shape: Shape): Tensor {
  const tensor = sameShape(derivative.shape, shape) ? derivative : derivative.reshape(shape)
  if (tensor !== derivative) derivative.dispose()
  return tensor.storage.references === 1 ? tensor : slice(tensor)
}
