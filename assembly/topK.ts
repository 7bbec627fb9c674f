/** The largest elements along an axis, with their places. */
import { scratch } from './arguments'
import { TopK } from './abi'

/**
 * Unit: `unit` vectors along n. The largest first, of equal ones the earlier; NaN is above all numbers, -0 is
 * 0. A heap of k entries holds the largest seen so far, the smallest of them on top; taking that off again
 * and again leaves them in order.
 *
 * An entry has the element in its high word, as an integer in the same order, and in its low word what is
 * smaller for later places: no two are equal.
 *
 * scratch: entries [k] of 8 bytes
 */
export function topK(call: usize, begin: i32, end: i32): void {
  const args = changetype<TopK>(call)
  const n = args.n, k = args.k, inner = args.inner
  const integers = args.integers, turn = args.smallest ? -1 : 0
  const stride = <usize>inner << 2
  const heap = scratch()
  const last = min(args.vectors, end * args.unit)
  for (let v = begin * args.unit; v < last; v++) {
    const outer = v / inner, column = v - outer * inner
    const x = args.x + (<usize>(outer * n * inner + column) << 2)
    const offset = <usize>(outer * k * inner + column) << 2
    let from = x
    for (let i = 0; i < k; i++) {
      store<i64>(heap + (<usize>i << 3), entry(from, i, integers, turn))
      from += stride
    }
    for (let i = (k >> 1) - 1; i >= 0; i--) sink(heap, i, k)
    for (let i = k; i < n; i++) {
      const next = entry(from, i, integers, turn)
      if (next > load<i64>(heap)) {
        store<i64>(heap, next)
        sink(heap, 0, k)
      }
      from += stride
    }
    for (let left = k - 1; left > 0; left--) {
      const end = heap + (<usize>left << 3), smallest = load<i64>(heap)
      store<i64>(heap, load<i64>(end))
      store<i64>(end, smallest)
      sink(heap, 0, left)
    }
    let values = args.values + offset, indices = args.indices + offset
    for (let i = 0; i < k; i++) {
      const place = ~<i32>load<i64>(heap + (<usize>i << 3))
      store<i32>(values, load<i32>(x + <usize>place * stride))
      store<i32>(indices, place)
      values += stride
      indices += stride
    }
  }
}

/** `turn` -1: the other way round. */
// @ts-ignore: decorator
@inline
function entry(x: usize, place: i32, integers: i32, turn: i32): i64 {
  return <i64>((integers ? load<i32>(x) : ordered(load<f32>(x))) ^ turn) << 32 | <i64><u32>~place
}

/** An integer that is larger where v is. */
// @ts-ignore: decorator
@inline
function ordered(v: f32): i32 {
  if (v != v) return i32.MAX_VALUE
  const bits = reinterpret<i32>(v + 0)
  return bits ^ ((bits >> 31) & i32.MAX_VALUE)
}

/** Puts entry `i` of a heap of `count` where it belongs: below no larger one. */
function sink(heap: usize, i: i32, count: i32): void {
  const moved = load<i64>(heap + (<usize>i << 3))
  while (true) {
    let child = 2 * i + 1
    if (child >= count) break
    let least = load<i64>(heap + (<usize>child << 3))
    if (child + 1 < count) {
      const other = load<i64>(heap + (<usize>child << 3), 8)
      if (other < least) {
        least = other
        child++
      }
    }
    if (least >= moved) break
    store<i64>(heap + (<usize>i << 3), least)
    i = child
  }
  store<i64>(heap + (<usize>i << 3), moved)
}
