/**
 * Pictures of bytes at half their size, exactly: the mean of two by two pixels, or a triangle's weights of
 * four by four, (1, 3, 3, 1) / 8 down and across, where beyond the edge is the edge. Halves round up.
 */
import { scratch } from '../arguments'
import { Resample } from '../abi'

/** The bytes' sum of two vectors, as 16-bit integers. */
// @ts-ignore: decorator
@inline
function addLow(a: v128, b: v128): v128 {
  return i16x8.add(i16x8.extend_low_i8x16_u(a), i16x8.extend_low_i8x16_u(b))
}

// @ts-ignore: decorator
@inline
function addHigh(a: v128, b: v128): v128 {
  return i16x8.add(i16x8.extend_high_i8x16_u(a), i16x8.extend_high_i8x16_u(b))
}

// @ts-ignore: decorator
@inline
function quarter(sum: v128): v128 {
  return i16x8.shr_u(i16x8.add(sum, i16x8.splat(2)), 2)
}

/** The means of four vectors' bytes. */
// @ts-ignore: decorator
@inline
function meansOf(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_u(
    quarter(i16x8.add(addLow(a, b), addLow(c, d))), quarter(i16x8.add(addHigh(a, b), addHigh(c, d))),
  )
}

/** The means of a row's four pixels each: `count` outputs of rows at a and b. */
function means(y: usize, a: usize, b: usize, c: i32, count: i32): void {
  let left = count
  if (c == 1) {
    for (; left >= 16; left -= 16) {
      const low = i16x8.add(
        i16x8.extadd_pairwise_i8x16_u(v128.load(a)), i16x8.extadd_pairwise_i8x16_u(v128.load(b)),
      )
      const high = i16x8.add(
        i16x8.extadd_pairwise_i8x16_u(v128.load(a, 16)), i16x8.extadd_pairwise_i8x16_u(v128.load(b, 16)),
      )
      v128.store(y, i8x16.narrow_i16x8_u(quarter(low), quarter(high)))
      a += 32
      b += 32
      y += 16
    }
  } else if (c == 4) {
    for (; left >= 4; left -= 4) {
      const p = v128.load(a), q = v128.load(a, 16), r = v128.load(b), s = v128.load(b, 16)
      const even = v128.shuffle<i32>(p, q, 0, 2, 4, 6), odd = v128.shuffle<i32>(p, q, 1, 3, 5, 7)
      const under = v128.shuffle<i32>(r, s, 0, 2, 4, 6), last = v128.shuffle<i32>(r, s, 1, 3, 5, 7)
      v128.store(y, meansOf(even, odd, under, last))
      a += 32
      b += 32
      y += 16
    }
  } else {
    // Four outputs have twelve bytes; what is written behind them is written again.
    for (; left >= 6; left -= 4) {
      const p = v128.load(a), q = v128.load(a, 8), r = v128.load(b), s = v128.load(b, 8)
      const even = v128.shuffle<i8>(p, q, 0, 1, 2, 6, 7, 8, 12, 13, 14, 26, 27, 28, 0, 0, 0, 0)
      const odd = v128.shuffle<i8>(p, q, 3, 4, 5, 9, 10, 11, 15, 24, 25, 29, 30, 31, 0, 0, 0, 0)
      const under = v128.shuffle<i8>(r, s, 0, 1, 2, 6, 7, 8, 12, 13, 14, 26, 27, 28, 0, 0, 0, 0)
      const last = v128.shuffle<i8>(r, s, 3, 4, 5, 9, 10, 11, 15, 24, 25, 29, 30, 31, 0, 0, 0, 0)
      v128.store(y, meansOf(even, odd, under, last))
      a += 24
      b += 24
      y += 12
    }
  }
  for (; left > 0; left--) {
    for (let k = 0; k < c; k++) {
      const sum = <i32>load<u8>(a) + load<u8>(a + c) + load<u8>(b) + load<u8>(b + c)
      store<u8>(y++, (sum + 2) >> 2)
      a++
      b++
    }
    a += c
    b += c
  }
}

/** y = a + 3 b + 3 c + d of bytes, as 16-bit integers, to the end of a vector. */
function weighDown(y: usize, a: usize, b: usize, c: usize, d: usize, count: usize): void {
  const three = i16x8.splat(3)
  for (let at: usize = 0; at < count; at += 16) {
    const p = v128.load(a + at), q = v128.load(b + at), r = v128.load(c + at), s = v128.load(d + at)
    v128.store(y, i16x8.add(addLow(p, s), i16x8.mul(addLow(q, r), three)))
    v128.store(y, i16x8.add(addHigh(p, s), i16x8.mul(addHigh(q, r), three)), 16)
    y += 32
  }
}

/** Outputs of pixels in turn: those before them, they, those behind, and the next. */
// @ts-ignore: decorator
@inline
function putAcross(y: usize, before: v128, first: v128, second: v128, behind: v128): void {
  const sum = i16x8.add(i16x8.add(before, behind), i16x8.mul(i16x8.add(first, second), i16x8.splat(3)))
  const bytes = i16x8.shr_u(i16x8.add(sum, i16x8.splat(32)), 6)
  v128.store64_lane(y, i8x16.narrow_i16x8_u(bytes, bytes), 0)
}

/** The same along a row, from the pixel before it on, to bytes. */
function weighAcross(y: usize, x: usize, c: i32, count: i32): void {
  let left = count
  if (c == 1) {
    for (; left >= 8; left -= 8) {
      const p = v128.load(x), q = v128.load(x, 16), r = v128.load(x, 4), s = v128.load(x, 20)
      putAcross(
        y,
        v128.shuffle<i16>(p, q, 0, 2, 4, 6, 8, 10, 12, 14),
        v128.shuffle<i16>(p, q, 1, 3, 5, 7, 9, 11, 13, 15),
        v128.shuffle<i16>(r, s, 0, 2, 4, 6, 8, 10, 12, 14),
        v128.shuffle<i16>(r, s, 1, 3, 5, 7, 9, 11, 13, 15),
      )
      x += 32
      y += 8
    }
  } else if (c == 4) {
    for (; left >= 2; left -= 2) {
      const p = v128.load(x), q = v128.load(x, 16), r = v128.load(x, 32)
      putAcross(
        y, v128.shuffle<i64>(p, q, 0, 2), v128.shuffle<i64>(p, q, 1, 3),
        v128.shuffle<i64>(q, r, 0, 2), v128.shuffle<i64>(q, r, 1, 3),
      )
      x += 32
      y += 8
    }
  } else {
    for (; left >= 3; left -= 2) {
      const p = v128.load(x), q = v128.load(x, 12), r = v128.load(x, 24)
      putAcross(
        y,
        v128.shuffle<i16>(p, q, 0, 1, 2, 8, 9, 10, 0, 0), v128.shuffle<i16>(p, q, 3, 4, 5, 11, 12, 13, 0, 0),
        v128.shuffle<i16>(q, r, 0, 1, 2, 8, 9, 10, 0, 0), v128.shuffle<i16>(q, r, 3, 4, 5, 11, 12, 13, 0, 0),
      )
      x += 24
      y += 6
    }
  }
  const step: usize = c << 1
  for (; left > 0; left--) {
    for (let k = 0; k < c; k++) {
      const ends = <i32>load<u16>(x) + load<u16>(x + 3 * step)
      const middle = <i32>load<u16>(x + step) + load<u16>(x + 2 * step)
      store<u8>(y++, (ends + 3 * middle + 32) >> 6)
      x += 2
    }
    x += step
  }
}

/**
 * Unit: one output row of ow pixels. `rows` has the first row that each sees, -1 where that is beyond the
 * edge; two by two pixels where `pairsDown` is 1, four by four where it is 2.
 *
 * scratch: a row of sums down the columns, with a pixel on either side
 */
export function halve(call: usize, begin: i32, end: i32): void {
  const args = changetype<Resample>(call)
  const c = args.c, count: usize = args.w * c, step: usize = c << 1
  const x = args.x, last = args.h - 1
  const sums = scratch(), right = sums + step + (count << 1)
  for (let u = begin; u < end; u++) {
    const first = load<i32>(args.rows + u * 4), y = args.y + u * args.ow * c
    const a = x + max(first, 0) * count, b = x + (first + 1) * count
    if (args.pairsDown == 1) {
      means(y, a, b, c, args.ow)
      continue
    }
    weighDown(sums + step, a, b, b + count, x + min(first + 3, last) * count, count)
    memory.copy(sums, sums + step, step)
    memory.copy(right, right - step, step)
    weighAcross(y, sums, c, args.ow)
  }
}
