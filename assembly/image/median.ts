/** The median of a 3x3 or 5x5 window, by networks of minima and maxima. */
import { Filter } from '../abi'
import { downAcross, put } from './rows'

// One instruction each; where an operand is NaN, the first one.
// @ts-ignore: decorator
@inline
function low(a: v128, b: v128): v128 {
  return f32x4.pmin(a, b)
}

// @ts-ignore: decorator
@inline
function high(a: v128, b: v128): v128 {
  return f32x4.pmax(a, b)
}

// @ts-ignore: decorator
@inline
function middle(a: v128, b: v128, c: v128): v128 {
  return high(low(a, b), low(high(a, b), c))
}

/**
 * scratch: smallest, middle and largest of each column. The median of nine is that of the largest of the
 * smallest, the middle of the middles, and the smallest of the largest.
 */
@final
class Median3 {
  @inline planes(): i32 {
    return 3
  }

  @inline down(args: Filter, rows: usize, plane: usize, stride: usize, count: i32): void {
    let r0 = load<usize>(rows), r1 = load<usize>(rows, 4), r2 = load<usize>(rows, 8)
    for (; count > 0; count -= 4) {
      const a = v128.load(r0), b = v128.load(r1), c = v128.load(r2)
      const ab = low(a, b), ba = high(a, b)
      v128.store(plane, low(ab, c))
      v128.store(plane + stride, high(ab, low(ba, c)))
      v128.store(plane + 2 * stride, high(ba, c))
      r0 += 16
      r1 += 16
      r2 += 16
      plane += 16
    }
  }

  @inline across(args: Filter, plane: usize, stride: usize, pixel: usize, y: usize, count: i32): void {
    let a = plane, b = plane + stride, c = plane + 2 * stride
    for (; count > 0; count -= 4) {
      const most = high(high(v128.load(a), v128.load(a + pixel)), v128.load(a + 2 * pixel))
      const mid = middle(v128.load(b), v128.load(b + pixel), v128.load(b + 2 * pixel))
      const least = low(low(v128.load(c), v128.load(c + pixel)), v128.load(c + 2 * pixel))
      put(y, middle(most, mid, least), count)
      a += 16
      b += 16
      c += 16
      y += 16
    }
  }
}

/**
 * scratch: the columns sorted: their smallest values, ..., their largest. Rank alone rules out six of the 25
 * from above and six from below; the exchanges that the other 13 need were found by search: 88 minima and
 * maxima, checked by the zero-one principle on all 6^5 inputs with sorted columns
 * (tests/image/median.test.ts).
 */
@final
class Median5 {
  @inline planes(): i32 {
    return 5
  }

  @inline down(args: Filter, rows: usize, plane: usize, stride: usize, count: i32): void {
    let at: usize = 0
    const r0 = load<usize>(rows), r1 = load<usize>(rows, 4), r2 = load<usize>(rows, 8)
    const r3 = load<usize>(rows, 12), r4 = load<usize>(rows, 16)
    for (; count > 0; count -= 4) {
      let a = v128.load(r0 + at), b = v128.load(r1 + at), c = v128.load(r2 + at), d = v128.load(r3 + at)
      let e = v128.load(r4 + at)
      let t = low(a, b); b = high(a, b); a = t
      t = low(d, e); e = high(d, e); d = t
      t = low(c, e); e = high(c, e); c = t
      t = low(c, d); d = high(c, d); c = t
      t = low(a, d); d = high(a, d); a = t
      t = low(a, c); c = high(a, c); a = t
      t = low(b, e); e = high(b, e); b = t
      t = low(b, d); d = high(b, d); b = t
      t = low(b, c); c = high(b, c); b = t
      v128.store(plane + at, a)
      v128.store(plane + stride + at, b)
      v128.store(plane + 2 * stride + at, c)
      v128.store(plane + 3 * stride + at, d)
      v128.store(plane + 4 * stride + at, e)
      at += 16
    }
  }

  @inline across(args: Filter, plane: usize, stride: usize, pixel: usize, y: usize, count: i32): void {
    let a = plane, b = plane + stride, c = plane + 2 * stride, d = plane + 3 * stride, e = plane + 4 * stride
    let t: v128
    for (; count > 0; count -= 4) {
      let a0 = v128.load(a), a1 = v128.load(a + pixel), a2 = v128.load(a + 2 * pixel)
      let a3 = v128.load(a + 3 * pixel), a4 = v128.load(a + 4 * pixel)
      t = low(a0, a1); a1 = high(a0, a1); a0 = t
      t = low(a3, a4); a4 = high(a3, a4); a3 = t
      t = low(a2, a4); a4 = high(a2, a4); a2 = t
      a3 = high(a2, a3)
      a3 = high(a0, a3)
      t = low(a1, a4); a4 = high(a1, a4); a1 = t
      a3 = high(a1, a3)
      let b0 = v128.load(b), b1 = v128.load(b + pixel), b2 = v128.load(b + 2 * pixel)
      let b3 = v128.load(b + 3 * pixel), b4 = v128.load(b + 4 * pixel)
      t = low(b0, b3); b3 = high(b0, b3); b0 = t
      t = low(b0, b2); b2 = high(b0, b2); b0 = t
      t = low(b1, b3); b3 = high(b1, b3); b1 = t
      b1 = high(b0, b1)
      t = low(b2, b4); b4 = high(b2, b4); b2 = t
      b2 = high(b1, b2)
      t = low(b3, b4); b4 = high(b3, b4); b3 = t
      t = low(b2, b3); b3 = high(b2, b3); b2 = t
      let c0 = v128.load(c), c1 = v128.load(c + pixel), c2 = v128.load(c + 2 * pixel)
      let c3 = v128.load(c + 3 * pixel), c4 = v128.load(c + 4 * pixel)
      t = low(c0, c1); c1 = high(c0, c1); c0 = t
      t = low(c3, c4); c4 = high(c3, c4); c3 = t
      t = low(c2, c4); c4 = high(c2, c4); c2 = t
      t = low(c2, c3); c3 = high(c2, c3); c2 = t
      t = low(c0, c3); c3 = high(c0, c3); c0 = t
      c2 = high(c0, c2)
      c1 = low(c1, c4)
      t = low(c1, c3); c3 = high(c1, c3); c1 = t
      t = low(c1, c2); c2 = high(c1, c2); c1 = t
      let d0 = v128.load(d), d1 = v128.load(d + pixel), d2 = v128.load(d + 2 * pixel)
      let d3 = v128.load(d + 3 * pixel), d4 = v128.load(d + 4 * pixel)
      t = low(d0, d1); d1 = high(d0, d1); d0 = t
      t = low(d3, d4); d4 = high(d3, d4); d3 = t
      t = low(d2, d3); d3 = high(d2, d3); d2 = t
      t = low(d0, d3); d3 = high(d0, d3); d0 = t
      t = low(d0, d2); d2 = high(d0, d2); d0 = t
      d1 = low(d1, d4)
      d1 = low(d1, d3)
      t = low(d1, d2); d2 = high(d1, d2); d1 = t
      let e0 = v128.load(e), e1 = v128.load(e + pixel), e2 = v128.load(e + 2 * pixel)
      let e3 = v128.load(e + 3 * pixel), e4 = v128.load(e + 4 * pixel)
      t = low(e0, e3); e3 = high(e0, e3); e0 = t
      t = low(e0, e2); e2 = high(e0, e2); e0 = t
      e1 = low(e1, e3)
      t = low(e0, e1); e1 = high(e0, e1); e0 = t
      e2 = low(e2, e4)
      e1 = low(e1, e2)
      c1 = high(a4, c1)
      b2 = high(a3, b2)
      b4 = low(b4, c3)
      t = low(b3, c2); c2 = high(b3, c2); b3 = t
      b4 = low(b4, d1)
      t = low(b4, c2); c2 = high(b4, c2); b4 = t
      b4 = high(b2, b4)
      c2 = low(c2, d2)
      t = low(c1, c2); c2 = high(c1, c2); c1 = t
      d0 = high(b4, d0)
      t = low(d0, b3); b3 = high(d0, b3); d0 = t
      c2 = low(c2, b3)
      t = low(c1, e0); e0 = high(c1, e0); c1 = t
      d0 = high(c1, d0)
      c2 = low(c2, e0)
      t = low(d0, e1); e1 = high(d0, e1); d0 = t
      c2 = high(d0, c2)
      c2 = low(c2, e1)
      put(y, c2, count)
      a += 16
      b += 16
      c += 16
      d += 16
      e += 16
      y += 16
    }
  }
}

/** Unit: one output row. The median of a 3x3 or 5x5 window. What NaN gives is not defined. */
export function median(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  if (args.kh == 3) downAcross<Median3>(call, begin, end)
  else downAcross<Median5>(call, begin, end)
}
