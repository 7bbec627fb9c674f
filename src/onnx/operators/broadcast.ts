/**
 * Ways to work on each element by itself, with NumPy's broadcasting: in the engine, in the layout that the
 * operands have, or on the host.
 */

import { broadcastShapes, broadcastStrides, type Shape, sameShape, sizeOf } from '../../base/shape.js'
import { bySlices, SLICE } from '../../base/turns.js'
import type { DType } from '../../core/dtype.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import type { ArithmeticOptions } from '../../ops/arithmetic.js'
import { type OutOptions, runUnary } from '../../plans/elementwise.js'
import type { UnaryOp } from '../../wasm/abi.js'
import { type ElementType, isFloat } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { offsetsOf } from '../run/move.js'
import { type Layout, lastShape, Value } from '../run/value.js'

type Numbers = Float64Array

/**
 * Every element of one value through `f` on the host. By way of float64, so that the loop sees numbers of one
 * type whatever types a model has.
 */
export function mapOnHost(call: Call, x: Value, f: (v: number) => number, type: ElementType = x.type): Value {
  if (x.size <= FEW) {
    const few = x.data as Numbers
    return call.host(type, x.shape, (to) => {
      for (let i = 0; i < to.length; i++) to[i] = f(few[i]!)
    })
  }
  return call.host(type, x.shape, function* (to) {
    yield* x.settled()
    const from = x.data as Numbers
    const slice = new Float64Array(Math.min(to.length, SLICE))
    yield* bySlices(to.length, (begin, end) => {
      const length = end - begin
      slice.set(from.subarray(begin, end))
      for (let i = 0; i < length; i++) slice[i] = f(slice[i]!)
      to.set(length < slice.length ? slice.subarray(0, length) : slice, begin)
    })
  })
}

/** The common shape of all, or an error. */
export function commonShape(call: Call, shapes: readonly Shape[]): Shape {
  return shapes.reduce(
    (shape, next) => broadcastShapes(shape, next) ?? call.fail('inputs', 'of shapes that broadcast', shapes),
    [] as Shape,
  )
}

/** Elements of up to three values, broadcast, through `f` on the host. */
export function zipOnHost(
  call: Call,
  values: readonly Value[],
  type: ElementType,
  f: (a: number, b: number, c: number) => unknown,
): Value {
  const shape = commonShape(
    call,
    values.map((value) => value.shape),
  )
  if (sizeOf(shape) <= FEW) return zipFew(call, values, type, shape, f)
  return call.host(type, shape, function* (to) {
    for (const value of values) yield* value.settled()
    const length = Math.min(to.length, SLICE)
    const [a, b, c] = values.map((value) => spread(value, shape, length)) as [Spread, Spread, Spread?]
    const results = type === 'string' ? undefined : new Float64Array(length)
    const texts = to as unknown as unknown[]
    yield* bySlices(to.length, (begin, end) => {
      const [p, q, r] = [a(begin, end), b(begin, end), c?.(begin, end)]
      if (results) {
        const count = end - begin
        for (let i = 0; i < count; i++) results[i] = f(p[i]!, q[i]!, r?.[i] as number) as number
        to.set(count < length ? results.subarray(0, count) : results, begin)
      } else
        for (let i = begin; i < end; i++) texts[i] = f(p[i - begin]!, q[i - begin]!, r?.[i - begin] as number)
    })
  })
}

/** Numbers that are not worth the arrays that slices take. */
const FEW = 256

/** The same of few elements. */
function zipFew(
  call: Call,
  values: readonly Value[],
  type: ElementType,
  shape: Shape,
  f: (a: number, b: number, c: number) => unknown,
): Value {
  const [a, b, c] = values.map((value) => value.data as Numbers) as [Numbers, Numbers, Numbers?]
  const places = values.map((value) =>
    sameShape(value.shape, shape) ? undefined : offsetsOf(shape, broadcastStrides(value.shape, shape)),
  )
  const at = (value: number, i: number) => places[value]?.[i] ?? i
  return call.host(type, shape, (to) => {
    const results = to as unknown as unknown[]
    for (let i = 0; i < to.length; i++) results[i] = f(a[at(0, i)]!, b[at(1, i)]!, c?.[at(2, i)] as number)
  })
}

/** The elements of a value that stand from one place on to another of a shape that it is broadcast to. */
type Spread = (begin: number, end: number) => ArrayLike<number>

/** The same of a value, at most `length` at a time: numbers as float64, of whatever type they are. */
function spread(value: Value, shape: Shape, length: number): Spread {
  const data = value.data as Numbers
  const slice = value.type === 'string' ? (new Array(length) as unknown as Numbers) : new Float64Array(length)
  if (data.length === 1) {
    slice.fill(data[0]!)
    return () => slice
  }
  if (value.size === sizeOf(shape))
    return (begin, end) => {
      if (value.type === 'string') return data.slice(begin, end)
      slice.set(data.subarray(begin, end))
      return slice
    }
  const from = value.type === 'string' || data instanceof Float64Array ? data : new Float64Array(data)
  const strides = broadcastStrides(value.shape, shape)
  const rows = offsetsOf(shape.slice(0, -1), strides.slice(0, -1))
  const [inner, step] = [shape.at(-1)!, strides.at(-1)!]
  return (begin, end) => {
    let row = Math.floor(begin / inner)
    let column = begin % inner
    for (let i = 0; i < end - begin; row++, column = 0) {
      for (let at = rows[row]! + column * step; column < inner && i < end - begin; column++, at += step)
        slice[i++] = from[at]!
    }
    return slice
  }
}

/** The layout for values that are broadcast to `shape`: that of those that have its rank. */
export const layoutOf = (values: readonly Value[], shape: Shape): Layout =>
  shape.length > 2 && values.some((value) => value.shape.length === shape.length && value.layout === 'last')
    ? 'last'
    : 'plain'

/**
 * An operand's tensor of a type among others of `rank` axes in one layout; a number where it is a single
 * known one.
 */
export function operand<D extends DType>(
  value: Value,
  rank: number,
  layout: Layout,
  dtype: D,
): Tensor<D> | number {
  if (value.constant && value.size === 1 && value.isHost && rank >= value.shape.length)
    return value.data[0] as number
  return tensorOf(value, rank, layout, dtype)
}

/** The same, but a tensor in any case. */
export function tensorOf<D extends DType>(value: Value, rank: number, layout: Layout, dtype: D): Tensor<D> {
  if (layout === 'plain' || value.shape.length === rank) return value.as(dtype, layout) as Tensor<D>
  return value.form(`last of ${rank} as ${dtype}`, () => {
    const padded = value.reshaped([...Array(rank - value.shape.length).fill(1), ...value.shape])
    const tensor = padded.as(dtype, 'last')
    return tensor.reshape(tensor.shape)
  }) as Tensor<D>
}

/**
 * A function of the engine of two operands; `options` say where its result may be written, and the activation
 * of it.
 */
export type Binary<D extends DType = 'float32', R extends DType = D> = (
  a: Tensor<D> | number,
  b: Tensor<D> | number,
  options?: ArithmeticOptions,
) => Tensor<R>

/** In the engine as float32, in the layout of the operands that have the rank of the result. */
export const zipInEngine = (call: Call, a: Value, b: Value, f: Binary, type = a.type): Value =>
  zipAs(call, 'float32', a, b, f, type)

/** The same of operands of a type. */
export function zipAs<D extends DType>(
  call: Call,
  dtype: D,
  a: Value,
  b: Value,
  f: Binary<D, DType>,
  type = a.type,
): Value {
  const shape = commonShape(call, [a.shape, b.shape])
  const rank = shape.length
  const layout = layoutOf([a, b], shape)
  let [p, q] = [operand(a, rank, layout, dtype), operand(b, rank, layout, dtype)]
  if (typeof p === 'number' && typeof q === 'number') p = a.as(dtype, 'plain') as Tensor<D>
  const wanted = layout === 'plain' ? shape : lastShape(shape)
  const out = [[a, p] as const, [b, q] as const].flatMap(
    ([value, tensor]) => call.over(value, tensor, wanted) ?? [],
  )[0]
  // Functions that no activation is joined to take none.
  const { activation } = call.node
  const y = f(p, q, { out: out as Tensor | undefined, ...(activation && { activation }) })
  // A single element on one side may have had more axes than the other side has.
  return Value.inEngine(call.run, type, shape, sameShape(y.shape, wanted) ? y : y.reshape(wanted), layout)
}

/** y = f(x) in the engine, in whichever layout x is; `out` says where it may be written. */
export function mapInEngine(
  call: Call,
  x: Value,
  f: (x: Tensor, options: OutOptions) => AnyTensor,
  type = x.type,
): Value {
  const { layout } = x
  const tensor = x.tensor(layout)
  return Value.inEngine(
    call.run,
    type,
    x.shape,
    f(tensor, { out: call.over(x, tensor, tensor.shape) }),
    layout,
  )
}

/** A function of one number on the host; `engine`, where there is a kernel, for floats. */
export function unary(
  host: (v: number, call: Call) => number,
  engine?: (x: Tensor, options: OutOptions, call: Call) => AnyTensor,
  type?: ElementType,
  long?: (call: Call, x: Value) => Value,
): Operator {
  return (call) => {
    const x = call.input(0)
    if (long && x.type === 'int64' && !x.constant) return long(call, x)
    if (engine && !x.isHost && (isFloat(x.type) || x.type === 'bool'))
      return mapInEngine(call, x, (tensor, options) => engine(tensor, options, call), type)
    return mapOnHost(call, x, (v) => host(v, call), type)
  }
}

/** A kernel's function that has no name of its own, since it is part of others. */
export const kernelOf =
  (op: UnaryOp) =>
  (x: Tensor, { out }: OutOptions = {}): Tensor => {
    if (!out) return x.engine.make(x.shape, (y) => runUnary(op, x, y, 0, 0))
    runUnary(op, x, out, 0, 0)
    return out.changed()
  }
