/**
 * Elements of one type as those of another: toward zero where they lose a fraction, to the nearest end of the
 * range beyond it (or by their lowest bits), and NaN to 0. IEEE halves are rounded to even.
 */
import { scratch } from './arguments'
import { Cast, Element, SELECT_BLOCK } from './abi'

/** Four elements as four 32-bit integers, or as floats where S is. `at`: which four of sixteen. */
// @ts-ignore: decorator
@inline
function loadFour<S>(x: usize, at: usize): v128 {
  if (sizeof<S>() == 4) return v128.load(x + at * 16)
  const v = v128.load32_zero(x + at * 4)
  return isSigned<S>()
    ? i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v))
    : i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v))
}

// @ts-ignore: decorator
@inline
function convert<S, D>(v: v128): v128 {
  if (isFloat<D>()) return f32x4.convert_i32x4_s(v)
  return isFloat<S>() ? i32x4.trunc_sat_f32x4_s(v) : v
}

/** `count` elements, a multiple of 16. Narrowing saturates, from 32 to 16 bits and from there to 8. */
function castRun<S, D>(x: usize, y: usize, count: i32): void {
  for (; count > 0; count -= 16) {
    const v0 = convert<S, D>(loadFour<S>(x, 0)), v1 = convert<S, D>(loadFour<S>(x, 1))
    const v2 = convert<S, D>(loadFour<S>(x, 2)), v3 = convert<S, D>(loadFour<S>(x, 3))
    if (sizeof<D>() == 4) {
      v128.store(y, v0)
      v128.store(y, v1, 16)
      v128.store(y, v2, 32)
      v128.store(y, v3, 48)
    } else {
      const low = i16x8.narrow_i32x4_s(v0, v1), high = i16x8.narrow_i32x4_s(v2, v3)
      v128.store(y, isSigned<D>() ? i8x16.narrow_i16x8_s(low, high) : i8x16.narrow_i16x8_u(low, high))
    }
    x += 16 * sizeof<S>()
    y += 16 * sizeof<D>()
  }
}

/** Whole numbers of four floats, by their lowest bits: 0 from 2^31 on, as of -2^31 and below. */
// @ts-ignore: decorator
@inline
function lowestBits(x: usize, at: usize): v128 {
  const v = i32x4.trunc_sat_f32x4_s(v128.load(x + at * 16))
  return v128.and(v128.and(v, i32x4.splat(0xff)), i32x4.ne(v, i32x4.splat(0x7fffffff)))
}

/** The same of floats as bytes that wrap, signed or not. */
function wrapRun(x: usize, y: usize, count: i32): void {
  for (; count > 0; count -= 16) {
    const low = i16x8.narrow_i32x4_s(lowestBits(x, 0), lowestBits(x, 1))
    v128.store(y, i8x16.narrow_i16x8_u(low, i16x8.narrow_i32x4_s(lowestBits(x, 2), lowestBits(x, 3))))
    x += 64
    y += 16
  }
}

/** Four halves, in the low half of each lane, as floats. */
// @ts-ignore: decorator
@inline
function widenHalves(h: v128): v128 {
  const size = i32x4.shl(v128.and(h, i32x4.splat(0x7fff)), 13)
  // The exponent's bias is 112 more, and that of infinities and NaN twice that. Of numbers below 2^-14 the
  // fraction counts multiples of 2^-24, which are what is left of 2^-14 and as much.
  const infinite = i32x4.gt_s(size, i32x4.splat(0x0f7fffff))
  const normal = i32x4.add(size, v128.bitselect(i32x4.splat(0x70000000), i32x4.splat(0x38000000), infinite))
  const least = i32x4.splat(0x38800000)
  const small = f32x4.sub(i32x4.add(size, least), least)
  const y = v128.bitselect(small, normal, i32x4.lt_s(size, i32x4.splat(0x00800000)))
  return v128.or(y, i32x4.shl(v128.and(h, i32x4.splat(0x8000)), 16))
}

/** The halves nearest to four floats, in the low half of each lane. */
// @ts-ignore: decorator
@inline
function narrowToHalves(x: v128): v128 {
  const size = v128.and(x, i32x4.splat(0x7fffffff))
  // A half keeps 10 of 23 bits; what it loses rounds to even.
  const odd = v128.and(i32x4.shr_u(size, 13), i32x4.splat(1))
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(size, odd), i32x4.splat(0xfff - 0x38000000)), 13)
  // Below 2^-14 halves are 2^-24 apart, as floats from 0.5 to 1 are.
  const half = i32x4.splat(0x3f000000)
  const small = i32x4.sub(f32x4.add(size, half), half)
  let y = v128.bitselect(small, normal, i32x4.lt_s(size, i32x4.splat(0x38800000)))
  // From 65520 on, and NaN.
  y = v128.bitselect(i32x4.splat(0x7c00), y, i32x4.gt_s(size, i32x4.splat(0x477fefff)))
  y = v128.bitselect(i32x4.splat(0x7e00), y, i32x4.gt_s(size, i32x4.splat(0x7f800000)))
  return v128.or(y, v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000)))
}

function widenRun(x: usize, y: usize, count: i32): void {
  for (; count > 0; count -= 8) {
    const h = v128.load(x)
    v128.store(y, widenHalves(i32x4.extend_low_i16x8_u(h)))
    v128.store(y, widenHalves(i32x4.extend_high_i16x8_u(h)), 16)
    x += 16
    y += 32
  }
}

function narrowRun(x: usize, y: usize, count: i32): void {
  for (; count > 0; count -= 8) {
    v128.store(y, i16x8.narrow_i32x4_u(narrowToHalves(v128.load(x)), narrowToHalves(v128.load(x, 16))))
    x += 32
    y += 16
  }
}

// @ts-ignore: decorator
@inline
function isSame<S, D>(): bool {
  return sizeof<S>() == sizeof<D>() && isFloat<S>() == isFloat<D>() && isSigned<S>() == isSigned<D>()
}

/** From another type. */
function castTo<D>(from: i32, x: usize, y: usize, count: i32): void {
  switch (from) {
    case Element.float32: if (!isSame<f32, D>()) castRun<f32, D>(x, y, count); return
    case Element.int32: if (!isSame<i32, D>()) castRun<i32, D>(x, y, count); return
    case Element.int8: if (!isSame<i8, D>()) castRun<i8, D>(x, y, count); return
    case Element.uint8: if (!isSame<u8, D>()) castRun<u8, D>(x, y, count); return
  }
}

/** `count` elements, a multiple of 16. */
function castSome(call: usize, x: usize, y: usize, count: i32): void {
  const args = changetype<Cast>(call)
  const from = args.from
  if (from == Element.float16) return widenRun(x, y, count)
  if (args.wraps) return wrapRun(x, y, count)
  switch (args.to) {
    case Element.float16: return narrowRun(x, y, count)
    case Element.float32: return castTo<f32>(from, x, y, count)
    case Element.int32: return castTo<i32>(from, x, y, count)
    case Element.int8: return castTo<i8>(from, x, y, count)
    case Element.uint8: return castTo<u8>(from, x, y, count)
  }
}

function bytesOf(element: i32): usize {
  return element == Element.float16 ? 2 : element >= Element.int8 ? 1 : 4
}

/** Unit: SELECT_BLOCK elements. scratch: the last up to 15 of x [64 bytes] | of y [64 bytes] */
export function cast(call: usize, begin: i32, end: i32): void {
  const args = changetype<Cast>(call)
  const size = args.size, room = scratch()
  const xBytes = bytesOf(args.from), yBytes = bytesOf(args.to)
  for (let u = begin; u < end; u++) {
    const first = u * SELECT_BLOCK, count = min(SELECT_BLOCK, size - first), whole = count & -16
    const x = args.x + <usize>first * xBytes, y = args.y + <usize>first * yBytes
    castSome(call, x, y, whole)
    const left = <usize>(count - whole)
    if (left) {
      memory.copy(room, x + <usize>whole * xBytes, left * xBytes)
      castSome(call, room, room + 64, 16)
      memory.copy(y + <usize>whole * yBytes, room + 64, left * yBytes)
    }
  }
}
