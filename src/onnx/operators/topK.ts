/** The largest and the smallest along an axis. */

import { sizeOf, stridesOf } from '../../base/shape.js'
import { SLICE, type Steps } from '../../base/turns.js'
import type { Tensor } from '../../core/tensor.js'
import { cast as castTo } from '../../ops/cast.js'
import { topK as largestOf } from '../../ops/topK.js'
import { isFloat, staysOnHost } from '../file/types.js'
import type { Operator } from '../run/call.js'
import { wide } from '../run/move.js'
import { Value } from '../run/value.js'
import { narrowed } from './longs.js'
import { axisIn } from './reduce.js'

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
function* fewLargest(
  from: Float64Array,
  { lines, n, stride, k, largest }: { lines: number; n: number; stride: number; k: number; largest: boolean },
  { values, places }: { values: Float64Array; places: Float64Array },
): Steps<void> {
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
  let looks = 0
  for (let line = 0; line < lines && k; line++) {
    const [outer, i] = [Math.floor(line / stride), line % stride]
    const first = outer * n * stride + i
    heap.fill(Number.NEGATIVE_INFINITY)
    // Behind all places, so that they leave first.
    for (let j = 0; j < k; j++) at[j] = n + k - j
    for (let j = 0; j < k; j++) sink(sign * from[first + j * stride]!, j, k)
    let least = heap[0]!
    looks += k
    for (let begin = k; begin < n; begin += SLICE) {
      const end = Math.min(n, begin + SLICE)
      for (let j = begin; j < end; j++) {
        const value = sign * from[first + j * stride]!
        if (value <= least) continue
        sink(value, j, k)
        least = heap[0]!
      }
      looks += end - begin
      if (looks < SLICE) continue
      looks = 0
      yield
    }
    for (let size = k; size > 0; size--) {
      const to = (outer * k + size - 1) * stride + i
      values[to] = from[first + at[0]! * stride]!
      places[to] = at[0]!
      sink(heap[size - 1]!, at[size - 1]!, size - 1)
    }
  }
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
    const [values, places] = [new Float64Array(lines * k), new Float64Array(lines * k)]
    const y = call.host(x.type, shape, function* (to) {
      yield* fewLargest(wide(x), { lines, n, stride, k, largest: isLargest }, { values, places })
      to.set(values)
    })
    return [y, call.host('int64', shape, places)]
  }
  // Whole numbers that int32 holds.
  if (!isFloat(x.type) && (!staysOnHost(x.type) || holdsInts(x.data as Float64Array))) {
    const found = largestOf(x.as('int32', 'plain') as Tensor<'int32'>, { k, axis, largest: isLargest })
    const y = x.dtype === 'int32' ? found.values : castTo(found.values, 'float32')
    const places = Value.inEngine(call.run, 'int64', shape, found.indices)
    return [Value.inEngine(call.run, x.type, shape, y), places]
  }
  const sign = isLargest ? 1 : -1
  const from = wide(x)
  const places = new Float64Array(sizeOf(shape))
  const values = call.host(x.type, shape, function* (y) {
    const lanes = n && x.size / n
    for (let lane = 0; lane < lanes; lane++) {
      const [o, i] = [Math.floor(lane / stride), lane % stride]
      const first = o * n * stride + i
      const order = yield* sorted(
        n,
        (a, b) => sign * compared(from[first + b * stride]!, from[first + a * stride]!) || a - b,
      )
      for (let j = 0; j < k; j++) {
        const at = o * k * stride + j * stride + i
        places[at] = order[j]!
        y[at] = from[first + order[j]! * stride]!
      }
    }
  })
  return [values, call.host('int64', shape, places)]
}

/** The numbers from 0 to before `n` in an order, of which no two are alike: runs of them, merged. */
function* sorted(n: number, compare: (a: number, b: number) => number): Steps<Int32Array> {
  let [from, to] = [Int32Array.from({ length: n }, (_, i) => i), new Int32Array(n)]
  for (let begin = 0; begin < n; begin += RUN) {
    from.subarray(begin, begin + RUN).sort(compare)
    yield
  }
  for (let length = RUN; length < n; length *= 2) {
    for (let begin = 0; begin < n; begin += 2 * length) {
      const middle = Math.min(n, begin + length)
      const end = Math.min(n, middle + length)
      for (let at = begin, i = begin, j = middle; at < end; at++) {
        const isLeft = j >= end || (i < middle && compare(from[i]!, from[j]!) < 0)
        to[at] = isLeft ? from[i++]! : from[j++]!
        if (at % SLICE === 0) yield
      }
    }
    ;[from, to] = [to, from]
  }
  return from
}

/** Numbers that are sorted at a time. */
const RUN = 1 << 12

/** Above 0 where a is larger than b; NaN is larger than all numbers. */
function compared(a: number, b: number): number {
  if (a === b) return 0
  return a > b ? 1 : a < b ? -1 : Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

export const largest: Record<string, Operator> = { TopK: topK }
