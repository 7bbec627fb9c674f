/**
 * Ways to work on each element by itself, with NumPy's broadcasting: in the engine, in the layout that the
 * operands have, or on the host.
 */

import { broadcastShapes, broadcastStrides, type Shape, sameShape } from '../../base/shape.js'
import type { DType } from '../../core/dtype.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import type { ArithmeticOptions } from '../../ops/arithmetic.js'
import { type OutOptions, runUnary } from '../../plans/elementwise.js'
import type { UnaryOp } from '../../wasm/abi.js'
import { type ElementType, type HostArray, isFloat } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { offsetsOf } from '../run/move.js'
import { type Layout, lastShape, Value } from '../run/value.js'

type Numbers = Float64Array

/** Every element of one value through `f` on the host. */
export function mapOnHost(call: Call, x: Value, f: (v: number) => number, type: ElementType = x.type): Value {
  const from = x.data as Numbers
  return call.host(type, x.shape, (to) => {
    for (let i = 0; i < to.length; i++) to[i] = f(from[i]!)
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
  const [a, b, c] = values.map((value) => value.data as Numbers) as [Numbers, Numbers, Numbers]
  const [p, q, r] = values.map((value) => broadcastStrides(value.shape, shape)) as [
    number[],
    number[],
    number[],
  ]
  const inner = shape.at(-1) ?? 1
  const step = (strides: number[] | undefined) => strides?.at(-1) ?? 0
  const steps = [step(p), step(q), step(r)] as const
  const rows = shape.slice(0, -1)
  const [firstA, firstB, firstC] = [p, q, r].map(
    (strides) => strides && offsetsOf(rows, strides.slice(0, -1)),
  )
  const to = call.room(type, shape) as unknown[]
  for (let row = 0, i = 0; i < to.length; row++) {
    let j = firstA![row]!
    let k = firstB![row]!
    let l = firstC ? firstC[row]! : 0
    for (let n = inner; n > 0; n--) {
      to[i++] = f(a[j]!, b[k]!, c?.[l] as number)
      j += steps[0]
      k += steps[1]
      l += steps[2]
    }
  }
  return Value.onHost(call.run, type, shape, to as unknown as HostArray)
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
