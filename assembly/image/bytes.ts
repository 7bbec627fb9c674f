/** Images: bytes to floats and back. */
import { FromBytes, ToBytes } from '../abi'
import { madd } from '../simd'
import { put } from './rows'

/**
 * Unit: one row of w pixels. RGBA bytes -> 1 (gray), 3 or 4 floats of each pixel: byte * scale + shift.
 * Packed: a byte for each float.
 */
export function fromBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<FromBytes>(call)
  const c = args.c, packed = args.packed
  const first = begin * args.w, pixels = end * args.w - first
  let from = args.bytes + first * (packed ? c : 4)
  let to = args.y + first * c * 4
  if (c == 1 && !packed) {
    const shift = f32x4.splat(args.shiftR)
    const red = f32x4.splat(args.scaleR), green = f32x4.splat(args.scaleG), blue = f32x4.splat(args.scaleB)
    const byte = i32x4.splat(255)
    for (let left = pixels; left > 0; left -= 4) {
      const four = v128.load(from)
      const r = f32x4.convert_i32x4_s(v128.and(four, byte))
      const g = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(four, 8), byte))
      const b = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(four, 16), byte))
      put(to, madd(b, blue, madd(g, green, madd(r, red, shift))), left)
      from += 16
      to += 16
    }
    return
  }
  const scale = v128.load(call, offsetof<FromBytes>('scaleR'))
  const shift = v128.load(call, offsetof<FromBytes>('shiftR'))
  const step = packed ? 4 : c
  let left = pixels * c
  if (packed) {
    for (; left >= 16; left -= 16) {
      const bytes = v128.load(from)
      const low = i16x8.extend_low_i8x16_u(bytes), high = i16x8.extend_high_i8x16_u(bytes)
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), scale))
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), scale), 16)
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), scale), 32)
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), scale), 48)
      from += 16
      to += 64
    }
  }
  // A fourth float where there are three is overwritten by the next pixel.
  for (; left > 0; left -= step) {
    put(
      to,
      madd(
        f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(from)))),
        scale, shift,
      ),
      left,
    )
    from += 4
    to += step * 4
  }
}

/**
 * x * 255 as integers from 0 to 255, rounded to the nearest (ties to even, as Uint8ClampedArray does, by
 * adding 1.5 * 2^23), NaN to 0.
 */
// @ts-ignore: decorator
@inline
function scaled(x: v128): v128 {
  const within = f32x4.pmin(f32x4.splat(255), f32x4.pmax(f32x4.splat(0), f32x4.mul(x, f32x4.splat(255))))
  return v128.and(f32x4.add(within, f32x4.splat(12582912)), i32x4.splat(255))
}

/** Sixteen floats, each `pixel` bytes after the one four before, as bytes. */
// @ts-ignore: decorator
@inline
function bytesOf(from: usize, pixel: usize): v128 {
  const two = i16x8.narrow_i32x4_s(scaled(v128.load(from)), scaled(v128.load(from + pixel)))
  return i8x16.narrow_i16x8_u(
    two, i16x8.narrow_i32x4_s(scaled(v128.load(from + 2 * pixel)), scaled(v128.load(from + 3 * pixel))),
  )
}

/**
 * Unit: one row of w pixels. 1 (gray), 3 or 4 floats of each pixel -> RGBA bytes: round(x * 255) within 0 to
 * 255. Packed: a byte for each float.
 */
export function toBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<ToBytes>(call)
  const c = args.c, packed = args.packed
  const first = begin * args.w, pixels = end * args.w - first
  let from = args.x + first * c * 4
  let to = args.bytes + first * (packed ? c : 4)
  if (c == 1 && !packed) {
    const repeat = i32x4.splat(0x010101), opaque = i32x4.splat(0xff000000)
    for (let left = pixels; left > 0; left -= 4) {
      put(to, v128.or(i32x4.mul(scaled(v128.load(from)), repeat), opaque), left)
      from += 16
      to += 16
    }
    return
  }
  let alpha = args.alpha
  if (alpha) alpha += first * 4
  const pixel: usize = packed ? 16 : c * 4
  const colours = i32x4.splat(pixel == 16 ? -1 : 0xffffff)
  let left = packed ? pixels * c >> 2 : pixels
  for (; left > 0; left -= 4) {
    put(to, v128.bitselect(bytesOf(from, pixel), alpha ? v128.load(alpha) : i32x4.splat(-1), colours), left)
    from += 4 * pixel
    to += 16
    if (alpha) alpha += 16
  }
  if (!packed) return
  // Up to three bytes are left of whole fours.
  from += left * 16
  to += left * 4
  for (left = pixels * c & 3; left > 0; left--) {
    store<u8>(to++, i32x4.extract_lane(scaled(v128.load32_splat(from)), 0))
    from += 4
  }
}
