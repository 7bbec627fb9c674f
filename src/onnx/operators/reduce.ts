/** Operators that go along axes: reductions, softmax and its kin, sorting, running sums. */

import { type Shape, sizeOf, stridesOf } from '../../base/shape.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import { clamp } from '../../ops/activation.js'
import { add, mul, sub } from '../../ops/arithmetic.js'
import { cast as castTo } from '../../ops/cast.js'
import { equal } from '../../ops/compare.js'
import { norm, prod } from '../../ops/norms.js'
import { argmax, max, mean, min, sum } from '../../ops/reduce.js'
import { cumprod, cumsumSingle } from '../../ops/scan.js'
import { logSoftmax, softmax } from '../../ops/softmax.js'
import { topK as largestOf } from '../../ops/topK.js'
import { abs, exp, log } from '../../ops/unary.js'
import { WholeOp } from '../../wasm/abi.js'
import { isFloat, staysOnHost } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { offsetsOf } from '../run/move.js'
import { type Layout, lastAxis, lastShape, Value } from '../run/value.js'
import { narrowed, reducesWholes, reduceWholes, scanWholes } from './longs.js'
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

/** Each result from the elements that it sees, in order. */
function reduceOnHost(
  call: Call,
  x: Value,
  axes: readonly number[],
  f: (values: Float64Array) => number,
  type = x.type,
): Value {
  const { shape } = x
  const keeps = call.flag('keepdims', true)
  const inner = axes.toSorted((a, b) => a - b)
  const outer = [...shape.keys()].filter((axis) => !axes.includes(axis))
  const strides = stridesOf(shape)
  const part = (list: number[], of: readonly number[]) => list.map((axis) => of[axis]!)
  const from = x.data as Float64Array
  const within = offsetsOf(part(inner, shape), part(inner, strides))
  const seen = new Float64Array(within.length)
  const result = keeps ? shape.map((length, axis) => (axes.includes(axis) ? 1 : length)) : part(outer, shape)
  return call.host(type, result, (y) => {
    offsetsOf(part(outer, shape), part(outer, strides)).forEach((first, i) => {
      for (let j = 0; j < seen.length; j++) seen[j] = from[first + within[j]!]!
      y[i] = f(seen)
    })
  })
}

/** What a reduction leaves of the shape of x. */
const shapeWithout = (call: Call, { shape }: Value, axes: readonly number[]): Shape =>
  call.flag('keepdims', true)
    ? shape.map((length, axis) => (axes.includes(axis) ? 1 : length))
    : shape.filter((_, axis) => !axes.includes(axis))

/** A reduction on the host, and in the engine where there are floats to reduce. */
const reduction =
  (
    host: (values: Float64Array) => number,
    engine?: (x: Tensor, axes: number[]) => Tensor,
    whole?: WholeOp,
  ): Operator =>
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

function total(values: Float64Array): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum
}
/** The largest, or with a sign of -1 the smallest; NaN where one is. */
const extreme =
  (sign: number) =>
  (values: Float64Array): number => {
    let most = Number.NEGATIVE_INFINITY
    for (let i = 0; i < values.length; i++) {
      const v = sign * values[i]!
      if (v > most || Number.isNaN(v)) most = v
    }
    return sign * most
  }
const largest = extreme(1)
const smallest = extreme(-1)
const kept = { keepDims: true }

/** log(sum(exp(x))) from the largest, so that nothing overflows. */
function logSumExp(values: Float64Array): number {
  const top = largest(values)
  return Number.isFinite(top) ? top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0)) : top
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
    const find = (values: Float64Array) =>
      values.reduce(
        (best, v, i) => (sign * (v - values[best]!) > 0 || (last && v === values[best]) ? i : best),
        0,
      )
    return reduceOnHost(call, x, [axis], find, 'int64')
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
 * Works out y on the host in lanes along an axis of `shape`: `visit` gets the place of each one's elements,
 * in order.
 */
function inLanes(
  call: Call,
  x: Value,
  shape: Shape,
  axis: number,
  visit: (from: Float64Array, y: Float64Array, places: number[]) => void,
): Value {
  const stride = stridesOf(shape)[axis]!
  const lane = Array.from({ length: shape[axis]! }, (_, i) => i * stride)
  const from = x.data as Float64Array
  return call.host(x.type, x.shape, (y) => {
    for (let first = 0; first < y.length; first++) {
      if (Math.floor(first / stride) % lane.length === 0)
        visit(
          from,
          y,
          lane.map((at) => first + at),
        )
    }
  })
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
  return inLanes(call, x, shape, axis, (from, y, places) => {
    y[places.reduce((best, at) => (from[at]! > from[best]! ? at : best))] = 1
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
  const from = x.data as Float64Array
  const stride = stridesOf(x.shape)[axis]!
  const n = x.shape[axis]!
  const step = reverse ? -stride : stride
  return call.host(x.type, x.shape, (y) => {
    for (let first = 0; first < y.length; first++) {
      if (Math.floor(first / stride) % n) continue
      let running = multiplies ? 1 : 0
      for (let k = 0, at = first + (reverse ? (n - 1) * stride : 0); k < n; k++, at += step) {
        const next = multiplies ? running * from[at]! : running + from[at]!
        y[at] = exclusive ? running : next
        running = next
      }
    }
  })
}

function holdsInts(numbers: Float64Array): boolean {
  for (let i = 0; i < numbers.length; i++)
    if (!(numbers[i]! >= -(2 ** 31) && numbers[i]! < 2 ** 31)) return false
  return true
}

/** More of the largest are found by the kernel, which sorts. */
const FEW = 128

/**
 * The k largest numbers of each line of x, or the smallest, on the host: a heap of those found so far, with
 * the least on top, and of equal ones the last. `stride`: from one number of a line to the next.
 */
function fewLargest(
  from: Float64Array,
  { lines, n, stride, k, largest }: { lines: number; n: number; stride: number; k: number; largest: boolean },
): { values: Float64Array; places: Float64Array } {
  const [values, places] = [new Float64Array(lines * k), new Float64Array(lines * k)]
  const [heap, at] = [new Float64Array(k), new Int32Array(k)]
  const sign = largest ? 1 : -1
  /** Puts a number where the heap of `size` has a gap at its top. */
  const sink = (value: number, place: number, size: number) => {
    let i = 0
    for (let child = 1; child < size; child = 2 * i + 1) {
      const next = child + 1
      const isNext =
        next < size && (heap[next]! < heap[child]! || (heap[next] === heap[child] && at[next]! > at[child]!))
      const least = isNext ? next : child
      if (heap[least]! > value || (heap[least] === value && at[least]! < place)) break
      heap[i] = heap[least]!
      at[i] = at[least]!
      i = least
    }
    heap[i] = value
    at[i] = place
  }
  for (let line = 0; line < lines && k; line++) {
    const [outer, i] = [Math.floor(line / stride), line % stride]
    const first = outer * n * stride + i
    heap.fill(Number.NEGATIVE_INFINITY)
    // Behind all places, so that they leave first.
    for (let j = 0; j < k; j++) at[j] = n + k - j
    for (let j = 0; j < k; j++) sink(sign * from[first + j * stride]!, j, k)
    let least = heap[0]!
    for (let j = k; j < n; j++) {
      const value = sign * from[first + j * stride]!
      if (value <= least) continue
      sink(value, j, k)
      least = heap[0]!
    }
    for (let size = k; size > 0; size--) {
      const to = (outer * k + size - 1) * stride + i
      values[to] = from[first + at[0]! * stride]!
      places[to] = at[0]!
      sink(heap[size - 1]!, at[size - 1]!, size - 1)
    }
  }
  return { values, places }
}

const topK: Operator = (call) => {
  const x = call.input(0)
  if (x.type === 'string') call.fail('input 0', 'numbers', x.type)
  const k = call.inputs[1] ? (call.inputs[1].data[0] as number) : call.number('k', 1)
  const axis = call.ownAxis(x.shape.length, -1)
  const isLargest = call.flag('largest', true)
  const n = x.shape[axis]!
  if (!(k >= 0 && k <= n)) call.fail('k', `from 0 to ${n}`, k)
  const shape = x.shape.with(axis, k)
  // Values of the engine are floats, of which larger indices are none.
  if (!x.isHost && isFloat(x.type) && n <= 2 ** 24) {
    const { layout } = x
    const found = largestOf(x.tensor(layout), { k, axis: axisIn(x, axis), largest: isLargest })
    return [
      Value.inEngine(call.run, x.type, shape, found.values, layout),
      Value.inEngine(call.run, 'int64', shape, castTo(found.indices, 'float32'), layout),
    ]
  }
  const stride = stridesOf(x.shape)[axis]!
  const narrow = x.type === 'int64' && !x.constant && x.onHost ? narrowed(x) : undefined
  if (narrow) {
    const found = largestOf(narrow, { k, axis, largest: isLargest })
    return [found.values, found.indices].map((tensor) => Value.inEngine(call.run, 'int64', shape, tensor))
  }
  if (x.onHost && !x.inEngine && !isFloat(x.type) && k <= FEW) {
    const lines = n ? x.size / n : 0
    const found = fewLargest(x.data as Float64Array, { lines, n, stride, k, largest: isLargest })
    const y = call.host(x.type, shape, (to) => to.set(found.values))
    return [y, call.host('int64', shape, found.places)]
  }
  // Whole numbers that int32 holds.
  if (!isFloat(x.type) && (!staysOnHost(x.type) || holdsInts(x.data as Float64Array))) {
    const found = largestOf(x.as('int32', 'plain') as Tensor<'int32'>, { k, axis, largest: isLargest })
    const y = x.dtype === 'int32' ? found.values : castTo(found.values, 'float32')
    const places = Value.inEngine(call.run, 'int64', shape, found.indices)
    return [Value.inEngine(call.run, x.type, shape, y), places]
  }
  const sign = isLargest ? 1 : -1
  const from = x.data as Float64Array
  const places = new Float64Array(sizeOf(shape))
  const values = call.host(x.type, shape, (y) => {
    const outer = sizeOf(x.shape.slice(0, axis))
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < stride; i++) {
        const first = o * n * stride + i
        const order = Array.from({ length: n }, (_, j) => j).sort(
          (a, b) => sign * compared(from[first + b * stride]!, from[first + a * stride]!) || a - b,
        )
        for (let j = 0; j < k; j++) {
          const at = o * k * stride + j * stride + i
          places[at] = order[j]!
          y[at] = from[first + order[j]! * stride]!
        }
      }
    }
  })
  return [values, call.host('int64', shape, places)]
}

/** Above 0 where a is larger than b; NaN is larger than all numbers. */
function compared(a: number, b: number): number {
  if (a === b) return 0
  return a > b ? 1 : a < b ? -1 : Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

export const reduce: Record<string, Operator> = {
  ReduceSum: reduction(total, (x, axes) => sum(x, { axes, ...kept }), WholeOp.sum),
  ReduceMean: reduction(
    (values) => total(values) / values.length,
    (x, axes) => mean(x, { axes, ...kept }),
  ),
  ReduceMax: reduction(largest, (x, axes) => max(x, { axes, ...kept }), WholeOp.max),
  ReduceMin: reduction(smallest, (x, axes) => min(x, { axes, ...kept }), WholeOp.min),
  ReduceProd: reduction(
    (values) => values.reduce((product, v) => product * v, 1),
    (x, axes) => prod(x, { axes, ...kept }),
    WholeOp.prod,
  ),
  ReduceL1: reduction(
    (values) => values.reduce((sum, v) => sum + Math.abs(v), 0),
    (x, axes) => sum(abs(x), { axes, ...kept }),
  ),
  ReduceL2: reduction(
    (values) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0)),
    (x, axes) => norm(x, { axes, ...kept }),
  ),
  ReduceLogSum: reduction(
    (values) => Math.log(total(values)),
    (x, axes) => log(sum(x, { axes, ...kept })),
  ),
  ReduceLogSumExp: reduction(logSumExp, (x, axes) => {
    const top = clamp(max(x, { axes, ...kept }), { low: -MOST, high: MOST })
    return add(log(sum(exp(sub(x, top)), { axes, ...kept })), top)
  }),
  ReduceSumSquare: reduction(
    (values) => values.reduce((sum, v) => sum + v * v, 0),
    (x, axes) => sum(mul(x, x), { axes, ...kept }),
  ),
  ArgMax: place(1),
  ArgMin: place(-1),
  Softmax: softmaxWith(softmax),
  LogSoftmax: softmaxWith(logSoftmax),
  Hardmax: hardmax,
  CumSum: cumulative,
  CumProd: cumulative,
  TopK: topK,
}
