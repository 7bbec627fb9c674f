/** Luma of bytes. */
import { Gray } from '../abi'

/** 0.299, 0.587 and 0.114 (Rec. ITU-R BT.601) in 1 / 2^15; their sum is 2^15. */
const RED: i16 = 9798, GREEN: i16 = 19235, BLUE: i16 = 3735

/** Four RGBA pixels -> their luma in 32-bit integers. */
// @ts-ignore: decorator
@inline
function luma(pixels: v128): v128 {
  const weights = i16x8(RED, GREEN, BLUE, 0, RED, GREEN, BLUE, 0)
  const low = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(pixels), weights)
  const high = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(pixels), weights)
  const sum = i32x4.add(v128.shuffle<i32>(low, high, 0, 2, 4, 6), v128.shuffle<i32>(low, high, 1, 3, 5, 7))
  return i32x4.shr_u(i32x4.add(sum, i32x4.splat(1 << 14)), 15)
}

/** Four pixels of three bytes, as RGBA with any alpha. */
// @ts-ignore: decorator
@inline
function spread(v: v128): v128 {
  return v128.shuffle<i8>(v, v, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12)
}

/** Unit: one row of w pixels of 3 or 4 bytes -> w bytes, rounded. */
export function lumaBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<Gray>(call)
  const c = args.c
  let left = (end - begin) * args.w, x = args.x + begin * args.w * c, y = args.y + begin * args.w
  for (; left >= 16; left -= 16) {
    const step: usize = c << 2
    let a = v128.load(x), b = v128.load(x + step), d = v128.load(x + 2 * step), e = v128.load(x + 3 * step)
    if (c == 3) {
      a = spread(a)
      b = spread(b)
      d = spread(d)
      e = spread(e)
    }
    const low = i16x8.narrow_i32x4_s(luma(a), luma(b)), high = i16x8.narrow_i32x4_s(luma(d), luma(e))
    v128.store(y, i8x16.narrow_i16x8_u(low, high))
    x += step << 2
    y += 16
  }
  for (; left > 0; left--) {
    const red: i32 = load<u8>(x), green: i32 = load<u8>(x, 1), blue: i32 = load<u8>(x, 2)
    const sum = red * <i32>RED + green * <i32>GREEN + blue * <i32>BLUE
    store<u8>(y++, (sum + (1 << 14)) >> 15)
    x += c
  }
}
