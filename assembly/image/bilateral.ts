/** The bilateral filter. (C. Tomasi, R. Manduchi, Bilateral filtering for gray and color images, 1998) */
import { scratch } from '../arguments'
import { Filter } from '../abi'
import { madd } from '../simd'
import { extend, firstRow, put } from './rows'

/**
 * 2^t of t - 0 to -60, given t + 192: added to that, t stands in the low bits of the float. Between powers of
 * two a parabola, up to 0.2 % off.
 */
// @ts-ignore: decorator
@inline
function exp2(shifted: v128): v128 {
  // (t + 64) * 2^23 in the upper bits, less what the exponent of 192 leaves there; with 63 the bias is 127.
  const bits = i32x4.add(i32x4.shl(f32x4.max(shifted, f32x4.splat(132)), 7), i32x4.splat(0x9f800000))
  const m = v128.and(bits, i32x4.splat(0x7fffff)), part = f32x4.convert_i32x4_s(m)
  const parabola = madd(madd(part, f32x4.splat(4.7918e-15), f32x4.splat(7.94527e-8)), part, f32x4.splat(1))
  return f32x4.mul(parabola, i32x4.sub(bits, m))
}

/**
 * Unit: one output row. The mean of a window, each pixel by 2^(weights[ky][kx] + side * d^2), d the sum of
 * the channels' distances to the middle; taps of weights below -1000 are none. Of four channels the last
 * stays.
 *
 * scratch: kh rows in turn, a plane for each channel | the taps: address, weight
 */
export function bilateral(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  const w = args.w, c = args.c, kh = args.kh, kw = args.kw, left: usize = args.left << 2
  const colours = min(c, 3)
  const stride: usize = (w + kw + 7) << 2, rowStride = stride * colours
  const planes = scratch(), taps = planes + kh * rowStride
  const factor = f32x4.splat(args.side)
  let copied = 0
  for (let u = begin; u < end; u++) {
    const first = firstRow(args, u)
    for (copied = max(copied, first); copied < first + kh; copied++) {
      const row = load<usize>(args.rows + copied * 4)
      for (let k = 0; k < colours; k++) {
        const plane = planes + copied % kh * rowStride + k * stride
        let from = row + (k << 2)
        for (let to = plane + left, last = to + (w << 2); to < last; to += 4) {
          store<f32>(to, load<f32>(from))
          from += c << 2
        }
        extend(args, plane, 4)
      }
    }
    let tap = taps
    for (let ky = 0; ky < kh; ky++) {
      const row = planes + (first + ky) % kh * rowStride
      for (let kx = 0; kx < kw; kx++) {
        const weight = load<f32>(args.weights + ((ky * kw + kx) << 2))
        if (weight < -1000) continue
        store<usize>(tap, row + (kx << 2))
        store<f32>(tap, weight + 192, 4)
        tap += 8
      }
    }
    const middle = planes + (first + args.top) % kh * rowStride + left
    const image = load<usize>(args.rows + (first + args.top) * 4)
    let y = args.y + (u * w * c << 2)
    if (colours == 1) {
      for (let x = 0; x < w; x += 8) {
        const at: usize = x << 2
        const v0 = v128.load(middle + at), v1 = v128.load(middle + at, 16)
        let n0 = f32x4.splat(0), n1 = n0, s0 = n0, s1 = n0
        for (let t = taps; t < tap; t += 8) {
          const p = load<usize>(t) + at, weight = v128.load32_splat(t, 4)
          const d0 = f32x4.sub(v128.load(p), v0), d1 = f32x4.sub(v128.load(p, 16), v1)
          const w0 = exp2(madd(f32x4.mul(d0, d0), factor, weight))
          const w1 = exp2(madd(f32x4.mul(d1, d1), factor, weight))
          n0 = f32x4.add(n0, w0)
          n1 = f32x4.add(n1, w1)
          s0 = madd(d0, w0, s0)
          s1 = madd(d1, w1, s1)
        }
        put(y, f32x4.add(v0, f32x4.div(s0, n0)), w - x)
        if (w - x > 4) put(y + 16, f32x4.add(v1, f32x4.div(s1, n1)), w - x - 4)
        y += 32
      }
      continue
    }
    for (let x = 0; x < w; x += 4) {
      const at: usize = x << 2
      const v0 = v128.load(middle + at), v1 = v128.load(middle + stride + at)
      const v2 = v128.load(middle + 2 * stride + at)
      let n = f32x4.splat(0), s0 = n, s1 = n, s2 = n
      for (let t = taps; t < tap; t += 8) {
        const p = load<usize>(t) + at
        const d0 = f32x4.sub(v128.load(p), v0), d1 = f32x4.sub(v128.load(p + stride), v1)
        const d2 = f32x4.sub(v128.load(p + 2 * stride), v2)
        const d = f32x4.add(f32x4.add(f32x4.abs(d0), f32x4.abs(d1)), f32x4.abs(d2))
        const weight = exp2(madd(f32x4.mul(d, d), factor, v128.load32_splat(t, 4)))
        n = f32x4.add(n, weight)
        s0 = madd(d0, weight, s0)
        s1 = madd(d1, weight, s1)
        s2 = madd(d2, weight, s2)
      }
      s0 = f32x4.add(v0, f32x4.div(s0, n))
      s1 = f32x4.add(v1, f32x4.div(s1, n))
      s2 = f32x4.add(v2, f32x4.div(s2, n))
      for (let i = 0; i < min(4, w - x); i++) {
        store<f32>(y, f32x4.extract_lane(s0, 0))
        store<f32>(y, f32x4.extract_lane(s1, 0), 4)
        store<f32>(y, f32x4.extract_lane(s2, 0), 8)
        if (c == 4) store<f32>(y, load<f32>(image + (x + i) * 16, 12), 12)
        s0 = v128.shuffle<i32>(s0, s0, 1, 2, 3, 0)
        s1 = v128.shuffle<i32>(s1, s1, 1, 2, 3, 0)
        s2 = v128.shuffle<i32>(s2, s2, 1, 2, 3, 0)
        y += c << 2
      }
    }
  }
}
