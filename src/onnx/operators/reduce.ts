/** Operators that go along axes: reductions, softmax and its kin, sorting, running sums. */

import { type Shape, sizeOf, stridesOf } from '../../base/shape.js'
import { SLICE, type Steps } from '../../base/turns.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import { clamp } from '../../ops/activation.js'
import { add, mul, sub } from '../../ops/arithmetic.js'
import { cast as castTo } from '../../ops/cast.js'
import { equal } from '../../ops/compare.js'
import { norm, prod } from '../../ops/norms.js'
import { argmax, max, mean, min, sum } from '../../ops/reduce.js'
import { cumprod, cumsumSingle } from '../../ops/scan.js'
import { logSoftmax, softmax } from '../../ops/softmax.js'
import { abs, exp, log } from '../../ops/unary.js'
import { WholeOp } from '../../wasm/abi.js'
import { isFloat } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { offsetsOf, wide } from '../run/move.js'
import { type Layout, lastAxis, lastShape, Value } from '../run/value.js'
import { reducesWholes, reduceWholes, scanWholes } from './longs.js'
import { MOST } from './powers.js'

/**
 * The axes of a reduction: an input in newer versions, an attribute in older; all where none are named, none
 * where the node says so.
 */
export function reducedAxes(call: Call, x: Value): number[] {
  const given = call.list(1, 'axes') ?? []
  if (given.length === 0) return call.flag('noop_with_empty_axes') ? [] : [...x.shape.keys()]
  return call.axes(given, x.shape.length)
}

/** What is made of the elements that a result sees. */
interface Fold {
  first: number
  /** What comes of it with those from `begin` to before `end`, in order. */
  over: (values: Float64Array, begin: number, end: number, sofar: number) => number
  end?: (result: number, count: number) => number
}

/** The same of elements one by one. */
const fold = (first: number, add: (sofar: number, v: number) => number, end?: Fold['end']): Fold => ({
  first,
  over: (values, begin, to, sofar) => {
    let result = sofar
    for (let i = begin; i < to; i++) result = add(result, values[i]!)
    return result
  },
  ...(end && { end }),
})

/** Each result from the elements that it sees, in order. */
function reduceOnHost(
  call: Call,
  x: Value,
  axes: readonly number[],
  { first: start, over, end = (result) => result }: Fold,
  type = x.type,
): Value {
  const { shape } = x
  const keeps = call.flag('keepdims', true)
  const reduced = new Set(axes)
  const inner = [...reduced].sort((a, b) => a - b)
  const outer = [...shape.keys()].filter((axis) => !reduced.has(axis))
  const strides = stridesOf(shape)
  const part = (list: number[], of: readonly number[]) => list.map((axis) => of[axis]!)
  const count = sizeOf(part(inner, shape))
  const result = keeps ? shape.map((length, axis) => (reduced.has(axis) ? 1 : length)) : part(outer, shape)
  return call.host(type, result, function* (y) {
    yield* x.settled()
    const from = wide(x)
    // What is side by side is seen where it stands.
    const isRow = inner[0] === undefined || inner[0] === outer.length
    const within = isRow ? undefined : offsetsOf(part(inner, shape), part(inner, strides))
    const own = new Float64Array(isRow ? 0 : count)
    const firsts = offsetsOf(part(outer, shape), part(outer, strides))
    let looks = 0
    for (let i = 0; i < y.length; i++) {
      const first = firsts[i]!
      const seen = within ? own : from.subarray(first, first + count)
      let sofar = start
      for (let begin = 0; begin < count; begin += SLICE) {
        const to = Math.min(count, begin + SLICE)
        if (within) for (let j = begin; j < to; j++) own[j] = from[first + within[j]!]!
        sofar = over(seen, begin, to, sofar)
        looks += to - begin
        if (looks < SLICE) continue
        looks = 0
        yield
      }
      y[i] = end(sofar, count)
      if (++looks >= SLICE) {
        looks = 0
        yield
      }
    }
  })
}

/** What a reduction leaves of the shape of x. */
const shapeWithout = (call: Call, { shape }: Value, axes: readonly number[]): Shape =>
  call.flag('keepdims', true)
    ? shape.map((length, axis) => (axes.includes(axis) ? 1 : length))
    : shape.filter((_, axis) => !axes.includes(axis))

/** A reduction on the host, and in the engine where there are floats to reduce. */
const reduction =
  (host: Fold, engine?: (x: Tensor, axes: number[]) => Tensor, whole?: WholeOp): Operator =>
  (call) => {
    const x = call.input(0)
    const axes = reducedAxes(call, x)
    const count = sizeOf(axes.map((axis) => x.shape[axis]!))
    if (whole !== undefined && axes.length && reducesWholes(x, whole))
      return reduceWholes(call, whole, x, axes, shapeWithout(call, x, axes))
    if (!engine || x.isHost || !isFloat(x.type) || count === 0 || axes.length === 0)
      return reduceOnHost(call, x, axes, host)
    return reduceInEngine(call, x, axes, engine)
  }

/** Where an axis is as a value stands. */
export const axisIn = ({ layout, shape }: Value, axis: number): number =>
  layout === 'plain' ? axis : lastAxis(axis, shape.length)

function reduceInEngine(
  call: Call,
  x: Value,
  axes: readonly number[],
  f: (x: Tensor, axes: number[]) => Tensor,
  type = x.type,
): Value {
  const here = axes.map((axis) => axisIn(x, axis))
  return reducedValue(call, x, here, (kept) => f(x.tensor(x.layout), here).reshape(kept), type)
}

/** What `use` gives, of x's shape with lengths of 1 along these axes, as x stands. */
export function reducedValue(
  call: Call,
  x: Value,
  axes: readonly number[],
  use: (shape: Shape) => AnyTensor,
  type = x.type,
): Value {
  const isReduced = (axis: number) => axes.includes(axisIn(x, axis))
  const shape = x.shape.map((length, axis) => (isReduced(axis) ? 1 : length))
  const { layout } = x
  const y = Value.inEngine(call.run, type, shape, use(layout === 'plain' ? shape : lastShape(shape)), layout)
  return call.flag('keepdims', true) ? y : y.reshaped(x.shape.filter((_, axis) => !isReduced(axis)))
}

const total = fold(0, (sum, v) => sum + v)
const squares = fold(0, (sum, v) => sum + v * v)

/** The largest, or with a sign of -1 the smallest; NaN where one is. */
const extreme = (sign: number): Fold =>
  fold(Number.NEGATIVE_INFINITY * sign, (most, v) => (sign * v > sign * most || Number.isNaN(v) ? v : most))
const largest = extreme(1)
const smallest = extreme(-1)
const kept = { keepDims: true }

/** log(sum(exp(x))) from the largest, so that nothing overflows. */
const logSumExp: Fold = {
  first: Number.NEGATIVE_INFINITY,
  over: (values, begin, end, sofar) => {
    const next = largest.over(values, begin, end, Number.NEGATIVE_INFINITY)
    if (!Number.isFinite(next)) return next > sofar || Number.isNaN(next) ? next : sofar
    if (sofar === Number.POSITIVE_INFINITY || Number.isNaN(sofar)) return sofar
    const top = Math.max(next, sofar)
    let sum = Math.exp(sofar - top)
    for (let i = begin; i < end; i++) sum += Math.exp(values[i]! - top)
    return top + Math.log(sum)
  },
}

/** The largest element's place along an axis, or with a sign of -1 the smallest's. */
const place =
  (sign: number): Operator =>
  (call) => {
    const x = call.input(0)
    const last = call.flag('select_last_index')
    const axis = call.ownAxis(x.shape.length, 0)
    const op = sign < 0 ? WholeOp.argmin : WholeOp.argmax
    if (reducesWholes(x, op)) return reduceWholes(call, op, x, [axis], shapeWithout(call, x, [axis]))
    if (!x.isHost && isFloat(x.type) && !last)
      return reduceInEngine(
        call,
        x,
        [axis],
        (t, axes) => argmax(sign < 0 ? mul(t, sign) : t, { axes, ...kept }),
        'int64',
      )
    const over: Fold['over'] = (values, begin, end, sofar) => {
      let best = sofar
      for (let i = begin; i < end; i++)
        if (sign * (values[i]! - values[best]!) > 0 || (last && values[i] === values[best])) best = i
      return best
    }
    return reduceOnHost(call, x, [axis], { first: 0, over }, 'int64')
  }

/** Along one axis; where `isOld` along all axes from `axis` on, as one. */
function along(call: Call, x: Value, isOld = call.opset < 13): { axis: number; shape: Shape } {
  const axis = call.ownAxis(x.shape.length, isOld ? 1 : -1)
  return isOld
    ? { axis: 1, shape: [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))] }
    : { axis, shape: x.shape }
}

/** `use` of the tensor that `form` gives of x, as `along` says. */
export function mapAlong<T extends AnyTensor>(
  call: Call,
  x: Value,
  isOld: boolean,
  form: (layout: Layout) => T,
  use: (x: T, axis: number) => AnyTensor,
): Value {
  const { axis, shape } = along(call, x, isOld)
  if (shape === x.shape && x.layout === 'last')
    return Value.inEngine(call.run, x.type, shape, use(form('last'), axisIn(x, axis)), 'last')
  return call.tensor(x.type, use(form('plain').reshape(shape) as T, axis)).reshaped(x.shape)
}

const softmaxWith =
  (engine: (x: Tensor, options: { axis: number }) => Tensor): Operator =>
  (call) => {
    const x = call.input(0)
    if (x.shape.length === 0) return call.host(x.type, [], Float32Array.of(engine === softmax ? 1 : 0))
    return mapAlong(
      call,
      x,
      call.opset < 13,
      (layout) => x.tensor(layout),
      (t, axis) => engine(t, { axis }),
    )
  }

/**
 * Goes through lanes along an axis of `shape`, slice by slice: `visit` is told where a lane begins, and which
 * of its elements to see to. Those of a lane come in order.
 */
function* inLanes(
  shape: Shape,
  axis: number,
  visit: (first: number, begin: number, end: number) => void,
): Steps<void> {
  const n = shape[axis]!
  const stride = stridesOf(shape)[axis]!
  const lanes = n && sizeOf(shape) / n
  let looks = 0
  for (let lane = 0; lane < lanes; lane++) {
    const first = Math.floor(lane / stride) * n * stride + (lane % stride)
    for (let begin = 0; begin < n; begin += SLICE) {
      const end = Math.min(n, begin + SLICE)
      visit(first, begin, end)
      looks += end - begin
      if (looks < SLICE) continue
      looks = 0
      yield
    }
  }
}

const hardmax: Operator = (call) => {
  const x = call.input(0)
  const { axis, shape } = along(call, x)
  const n = shape[axis]!
  if (!x.isHost && isFloat(x.type) && x.size > 0 && n <= 2 ** 24) {
    const places = call.tables(
      'places',
      shape.map((_, i) => (i === axis ? n : 1)),
      [],
      () => [Array(n).keys()],
    )
    const found = argmax(x.tensor().reshape(shape), { axes: [axis], ...kept })
    const y = castTo(equal(found, places[0]!.tensor()), 'float32')
    return call.tensor(x.type, y).reshaped(x.shape)
  }
  const stride = stridesOf(shape)[axis]!
  return call.host(x.type, x.shape, function* (y) {
    const from = wide(x)
    let best = 0
    yield* inLanes(shape, axis, (first, begin, end) => {
      if (begin === 0) best = first
      for (let i = begin; i < end; i++) if (from[first + i * stride]! > from[best]!) best = first + i * stride
      if (end === n) y[best] = 1
    })
  })
}

const cumulative: Operator = (call) => {
  const x = call.input(0)
  const axis = call.axis(call.scalar(1) ?? call.fail('axis', 'given', 'none'), x.shape.length)
  const [exclusive, reverse] = [call.flag('exclusive'), call.flag('reverse')]
  const multiplies = call.node.op === 'CumProd'
  if (!x.isHost && isFloat(x.type)) {
    const { layout } = x
    const [tensor, along] = [x.tensor(layout), axisIn(x, axis)]
    // Phases that a sine is taken of show where sums are rounded.
    const y = (multiplies ? cumprod : cumsumSingle)(tensor, along, exclusive, reverse)
    return Value.inEngine(call.run, x.type, x.shape, y, layout)
  }
  if (!multiplies && /^int(32|64)$/.test(x.type) && !(x.constant && x.isHost))
    return scanWholes(call, x, axis, exclusive, reverse)
  const stride = stridesOf(x.shape)[axis]!
  const n = x.shape[axis]!
  const step = reverse ? -stride : stride
  return call.host(x.type, x.shape, function* (y) {
    const from = wide(x)
    const sums = y.BYTES_PER_ELEMENT === 8 ? y : new Float64Array(y.length)
    let running = 0
    yield* inLanes(x.shape, axis, (first, begin, end) => {
      if (begin === 0) running = multiplies ? 1 : 0
      for (let k = begin, at = first + (reverse ? n - 1 - begin : begin) * stride; k < end; k++, at += step) {
        const next = multiplies ? running * from[at]! : running + from[at]!
        sums[at] = exclusive ? running : next
        running = next
      }
    })
    if (sums !== y) y.set(sums)
  })
}

export const reduce: Record<string, Operator> = {
  ReduceSum: reduction(total, (x, axes) => sum(x, { axes, ...kept }), WholeOp.sum),
  ReduceMean: reduction({ ...total, end: (sum, count) => sum / count }, (x, axes) =>
    mean(x, { axes, ...kept }),
  ),
  ReduceMax: reduction(largest, (x, axes) => max(x, { axes, ...kept }), WholeOp.max),
  ReduceMin: reduction(smallest, (x, axes) => min(x, { axes, ...kept }), WholeOp.min),
  ReduceProd: reduction(
    fold(1, (product, v) => product * v),
    (x, axes) => prod(x, { axes, ...kept }),
    WholeOp.prod,
  ),
  ReduceL1: reduction(
    fold(0, (sum, v) => sum + Math.abs(v)),
    (x, axes) => sum(abs(x), { axes, ...kept }),
  ),
  ReduceL2: reduction({ ...squares, end: Math.sqrt }, (x, axes) => norm(x, { axes, ...kept })),
  ReduceLogSum: reduction({ ...total, end: Math.log }, (x, axes) => log(sum(x, { axes, ...kept }))),
  ReduceLogSumExp: reduction(logSumExp, (x, axes) => {
    const top = clamp(max(x, { axes, ...kept }), { low: -MOST, high: MOST })
    return add(log(sum(exp(sub(x, top)), { axes, ...kept })), top)
  }),
  ReduceSumSquare: reduction(squares, (x, axes) => sum(mul(x, x), { axes, ...kept })),
  ArgMax: place(1),
  ArgMin: place(-1),
  Softmax: softmaxWith(softmax),
  LogSoftmax: softmaxWith(logSoftmax),
  Hardmax: hardmax,
  CumSum: cumulative,
  CumProd: cumulative,
}
