/**
 * Elements of one type as those of another: toward zero where they lose a fraction, to the nearest end of the
 * range beyond it, and NaN to 0.
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

// @ts-ignore: decorator
@inline
function castUnits<S, D>(call: usize, begin: i32, end: i32): void {
  const args = changetype<Cast>(call)
  const size = args.size, room = scratch()
  for (let u = begin; u < end; u++) {
    const first = u * SELECT_BLOCK, count = min(SELECT_BLOCK, size - first), whole = count & -16
    const x = args.x + <usize>first * sizeof<S>(), y = args.y + <usize>first * sizeof<D>()
    castRun<S, D>(x, y, whole)
    const left = <usize>(count - whole)
    if (left) {
      memory.copy(room, x + <usize>whole * sizeof<S>(), left * sizeof<S>())
      castRun<S, D>(room, room + 64, 16)
      memory.copy(y + <usize>whole * sizeof<D>(), room + 64, left * sizeof<D>())
    }
  }
}

// @ts-ignore: decorator
@inline
function castTo<D>(call: usize, begin: i32, end: i32): void {
  const args = changetype<Cast>(call)
  switch (args.from) {
    case Element.float32: if (!isFloat<D>()) castUnits<f32, D>(call, begin, end); return
    case Element.int32: return castUnits<i32, D>(call, begin, end)
    case Element.int8: return castUnits<i8, D>(call, begin, end)
    case Element.uint8: return castUnits<u8, D>(call, begin, end)
  }
}

/** Unit: SELECT_BLOCK elements. scratch: the last up to 15 of x [64 bytes] | of y [64 bytes] */
export function cast(call: usize, begin: i32, end: i32): void {
  const args = changetype<Cast>(call)
  switch (args.to) {
    case Element.float32: return castTo<f32>(call, begin, end)
    case Element.int32: return castTo<i32>(call, begin, end)
    case Element.int8: return castTo<i8>(call, begin, end)
    case Element.uint8: return castTo<u8>(call, begin, end)
  }
}
