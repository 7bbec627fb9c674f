/** The largest elements along an axis, with their places. */
import { scratch } from './arguments'
import { TopK } from './abi'
import { makeHeap, ordered, sink, sortHeap } from './heap'

/**
 * Unit: `unit` vectors along n. The largest first, of equal ones the earlier; NaN is above all numbers, -0 is
 * 0. A heap of k entries holds the largest seen so far, the smallest of them on top; taking that off again
 * and again leaves them in order.
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
    makeHeap(heap, k)
    for (let i = k; i < n; ) {
      if (inner == 1) {
        // Of most none of four is larger than the smallest of those found.
        const least = i32x4.splat(<i32>(load<i64>(heap) >> 32))
        while (i + 4 <= n && !v128.any_true(above(v128.load(from), least, integers, turn))) {
          i += 4
          from += 16
        }
      }
      for (let left = min(4, n - i); left > 0; left--) {
        const next = entry(from, i++, integers, turn)
        if (next > load<i64>(heap)) {
          store<i64>(heap, next)
          sink(heap, 0, k)
        }
        from += stride
      }
    }
    sortHeap(heap, k)
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

/** Lanes that are above `least`, or NaN; see `ordered`. */
// @ts-ignore: decorator
@inline
function above(v: v128, least: v128, integers: i32, turn: i32): v128 {
  const by = i32x4.splat(turn)
  if (integers) return i32x4.gt_s(v128.xor(v, by), least)
  const bits = f32x4.add(v, f32x4.splat(0))
  const key = v128.xor(bits, v128.and(i32x4.shr_s(bits, 31), i32x4.splat(i32.MAX_VALUE)))
  return v128.or(i32x4.gt_s(v128.xor(key, by), least), f32x4.ne(v, v))
}

/** `turn` -1: the other way round. */
// @ts-ignore: decorator
@inline
function entry(x: usize, place: i32, integers: i32, turn: i32): i64 {
  return <i64>((integers ? load<i32>(x) : ordered(load<f32>(x))) ^ turn) << 32 | <i64><u32>~place
}
