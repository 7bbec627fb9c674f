/**
 * Values of the graph, and how their axes stand in it. Each value may have several forms, whose axes stand in
 * other orders: a transpose is a form, and becomes a node where an operator asks for an order that there is
 * not.
 */

import { check, show } from '../../base/errors.js'
import { type Shape, sameShape, sizeOf } from '../../base/shape.js'
import type { ArrayOf, DType } from '../../core/dtype.js'
import type { ElementType } from '../../onnx/file/types.js'
import type { OnnxAttributes, OnnxGraph } from '../onnxGraph.js'
import { along, type Order, reordered } from '../reordered.js'

export type { Order }

/** One order in which a value stands in the graph. */
export interface Form {
  name: string
  order: Order
}

/** As here. */
export const inOrder = (rank: number): Order => Array.from({ length: rank }, (_, axis) => axis)

/** Channels right after the batch, as operators on images have them. */
export const channelsFirst = (rank: number): Order =>
  rank < 3 ? inOrder(rank) : [0, rank - 1, ...inOrder(rank).slice(1, -1)]

/** How inputs and outputs of models and of layers stand: images with channels first, others as here. */
export const portOrder = (rank: number): Order => (rank === 4 ? channelsFirst(4) : inOrder(rank))

/** What an error says of the op that is being written. */
export interface Spot {
  op: string
  place: string
}

/** The graph, and what all values of it share. */
export class Sheet {
  /** What is being written. */
  spot: Spot = { op: '', place: '' }
  /** Inputs of the model: where lengths of open axes can be read. */
  inputs: Value[] = []

  constructor(
    readonly graph: OnnxGraph,
    /** What the user calls the open axes, for errors. */
    readonly open: string,
    private readonly runs: number,
  ) {}

  node(op: string, inputs: readonly string[], attributes: OnnxAttributes = {}): string {
    return this.graph.emit(op, inputs, attributes)[0]!
  }

  integers(name: string, numbers: readonly number[]): string {
    const data = BigInt64Array.from(numbers, BigInt)
    return this.graph.initializer(this.graph.placed(name), { data, shape: [data.length] })
  }

  /** Numbers that no run makes others of. */
  constant(numbers: ArrayOf<DType>, shape: Shape, name?: string): Value {
    const shapes = Array.from({ length: this.runs }, () => shape)
    return new Value(this, { shapes, dtype: dtypeOf(numbers), numbers, name })
  }

  fails(expected: string, got: string, hint?: string): never {
    const { op, place } = this.spot
    check(false, () => ({
      op: 'saveOnnx',
      argument: `${op}${place ? ` of layer ${place}` : ''}`,
      expected,
      got,
      hint: hint ?? 'Give the layer a method toOnnx(graph, x)',
    }))
    throw new Error()
  }

  /** What all runs agree on; else it follows from an open axis. */
  same<T>(what: string, each: readonly T[]): T {
    const [first, ...rest] = each.map((one) => JSON.stringify(one))
    if (rest.some((one) => one !== first))
      this.fails(
        `one whose ${what} is the same for every length of ${this.open}`,
        `${each.map(show).join(' or ')}`,
        'Fix that length (openAxes), or give the layer a method toOnnx(graph, x)',
      )
    return each[0]!
  }

  /** The same numbers under another shape. */
  reshaped(value: Value, shapes: readonly Shape[]): Value {
    if (shapes.every((shape, run) => sameShape(shape, value.shapes[run]!))) return value
    const { numbers, dtype, mask, name } = value
    if (numbers) return new Value(this, { shapes, dtype, mask, numbers, name })
    return new Value(this, { shapes, dtype, mask }, () => {
      const from = value.rowMajor()
      const order = inOrder(shapes[0]!.length)
      const isFlat =
        order.length === 2 && from.order[0] === 0 && shapes.every(([n], run) => n === value.shapes[run]![0])
      if (isFlat) return { name: this.node('Flatten', [from.name], { axis: 1 }), order }
      const lengths = this.lengths(
        shapes,
        from.name,
        value.shapes.map((shape) => along(from.order, shape)),
      )
      return { name: this.node('Reshape', [from.name, lengths]), order }
    })
  }

  /**
   * The lengths of a shape, as Reshape takes them: 0 for one as long as that of `from`, -1 for one that
   * follows from the others.
   */
  lengths(shapes: readonly Shape[], from: string, fromShapes: readonly Shape[]): string {
    const [first] = shapes as [Shape]
    const fixed = (axis: number) => shapes.every((shape) => shape[axis] === first[axis])
    const parts = first.map((length, axis) =>
      fixed(axis) ? length : shapes.every((shape, run) => shape[axis] === fromShapes[run]![axis]) ? 0 : -1,
    )
    const empty = first.some((length, axis) => length === 0 && fixed(axis))
    if (!empty && parts.filter((part) => part < 0).length <= 1) return this.integers('lengths', parts)
    return this.allLengths(shapes, { name: from, shapes: fromShapes })
  }

  /** Each length of a shape, read where it can be. */
  allLengths(shapes: readonly Shape[], from?: { name: string; shapes: readonly Shape[] }): string {
    const places = [
      ...(from ? [from] : []),
      ...this.inputs.map((input) => {
        const { name, order } = input.any()
        return { name, shapes: input.shapes.map((shape) => along(order, shape)) }
      }),
    ]
    const pieces = shapes[0]!.map((length, axis) => {
      if (shapes.every((shape) => shape[axis] === length)) return this.integers('length', [length])
      for (const place of places) {
        const at = place.shapes[0]!.findIndex((_, i) =>
          shapes.every((shape, run) => shape[axis] === place.shapes[run]![i]),
        )
        if (at >= 0) return this.node('Shape', [place.name], { start: at, end: at + 1 })
      }
      return this.fails(
        `one whose lengths are those of ${this.open}, or fixed`,
        `length ${shapes.map((shape) => shape[axis]).join(' or ')} of ${shapes.map(show).join(' or ')}`,
      )
    })
    return pieces.length === 1 ? pieces[0]! : this.node('Concat', pieces, { axis: 0 })
  }
}

const dtypeOf = (numbers: ArrayOf<DType>): DType =>
  numbers instanceof Float32Array
    ? 'float32'
    : numbers instanceof Int32Array
      ? 'int32'
      : numbers instanceof Int8Array
        ? 'int8'
        : 'uint8'

interface Known {
  /** In each run. */
  shapes: readonly Shape[]
  dtype: DType
  /** Whether it is of ONNX's bool, as uint8 here. */
  mask?: boolean | undefined
  /** Of a constant. */
  numbers?: ArrayOf<DType> | undefined
  name?: string | undefined
}

const IDS: Record<DType, number> = { float32: 1, uint8: 2, int8: 3, int32: 6 }
const BOOL = 9

/** The number that the format has for a type. */
export const idOf = (dtype: DType): number => IDS[dtype]

export class Value {
  readonly shapes: readonly Shape[]
  readonly dtype: DType
  readonly mask: boolean
  readonly numbers: ArrayOf<DType> | undefined
  readonly name: string | undefined
  private readonly forms: Form[] = []
  private other: Value | undefined

  constructor(
    readonly sheet: Sheet,
    { shapes, dtype, mask = false, numbers, name }: Known,
    private readonly make?: () => Form,
  ) {
    this.shapes = shapes
    this.dtype = dtype
    this.mask = mask
    this.numbers = numbers
    this.name = name
  }

  /** As of the first run. */
  get shape(): Shape {
    return this.shapes[0]!
  }

  get rank(): number {
    return this.shape.length
  }

  /** Whether it is one number whatever the open lengths. */
  get isOne(): boolean {
    return this.shapes.every((shape) => sizeOf(shape) === 1)
  }

  /** The orders in which it stands. */
  get orders(): readonly Order[] {
    return this.forms.map(({ order }) => order)
  }

  add(form: Form): this {
    this.forms.push(form)
    return this
  }

  /** A form that there is, the first of them. */
  any(): Form {
    if (this.forms.length === 0)
      this.forms.push(this.make?.() ?? { name: this.constant(inOrder(this.rank)), order: inOrder(this.rank) })
    return this.forms[0]!
  }

  /** Its name in this order of axes. */
  as(order: Order): string {
    const there = this.forms.find((form) => sameShape(form.order, order))
    if (there) return there.name
    if (this.numbers) {
      const name = this.constant(order)
      this.forms.push({ name, order })
      return name
    }
    const from = this.any()
    if (sameShape(from.order, order)) return from.name
    const perm = order.map((axis) => from.order.indexOf(axis))
    const name = this.sheet.node('Transpose', [from.name], { perm })
    this.forms.push({ name, order })
    return name
  }

  /** A form whose numbers lie as here: only axes of length 1 stand elsewhere. */
  rowMajor(): Form {
    const long = (axis: number) => this.shapes.some((shape) => shape[axis] !== 1)
    const lies = ({ order }: Form) =>
      order.filter(long).every((axis, i, all) => i === 0 || all[i - 1]! < axis)
    this.any()
    const order = inOrder(this.rank)
    return this.forms.find(lies) ?? { name: this.as(order), order }
  }

  /** As ONNX's bool, or as numbers. */
  asMask(mask: boolean): Value {
    if (this.mask === mask || this.dtype !== 'uint8') return this
    const { shapes, dtype, numbers, name } = this
    if (numbers) return new Value(this.sheet, { shapes, dtype, mask, numbers, name })
    this.other ??= new Value(this.sheet, { shapes, dtype, mask }, () => {
      const { name, order } = this.any()
      return { name: this.sheet.node('Cast', [name], { to: mask ? BOOL : idOf(dtype) }), order }
    })
    return this.other
  }

  private constant(order: Order): string {
    const { numbers, sheet, shape, mask, name } = this
    const data = reordered(numbers!, shape, order)
    const type: ElementType | undefined = mask ? 'bool' : undefined
    return sheet.graph.initializer(name ?? sheet.graph.placed('constant'), {
      data: mask ? (data as Uint8Array).map((v) => Number(v !== 0)) : data,
      shape: along(order, shape),
      ...(type && { type }),
    })
  }
}
