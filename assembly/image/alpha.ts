/**
 * Filters of pictures that are transparent in places: what cannot be seen must not colour what can.
 *
 * F filters alpha * colour and alpha. Where the weights are not negative, F(alpha * colour) / F(alpha) is the
 * mean of what is there, each pixel as much as it is opaque. (T. Porter, T. Duff, Compositing digital images,
 * 1984; H. Knutsson, C.-F. Westin, Normalized convolution, 1993.) Where they are, that has poles; there, what
 * a neighbour lacks is given the colour x of the pixel itself: F(alpha * colour) + x * (sum - F(alpha)).
 */
import { Alpha, AlphaMode, SharedBits } from '../abi'
import { madd } from '../simd'

/** Unit: all of it. The bits that all vectors of 16 bytes have. */
export function sharedBits(call: usize, begin: i32, end: i32): void {
  const args = changetype<SharedBits>(call)
  let x = args.x, bits = i32x4.splat(-1)
  for (let left = args.vectors; left > 0; left--) {
    bits = v128.and(bits, v128.load(x))
    x += 16
  }
  v128.store(args.y, bits)
}

// @ts-ignore: decorator
@inline
function alphaOf(pixel: v128): v128 {
  return v128.shuffle<f32>(pixel, pixel, 3, 3, 3, 3)
}

/** Unit: a row. y = red, green and blue times alpha, and alpha. */
export function premultiply(call: usize, begin: i32, end: i32): void {
  const args = changetype<Alpha>(call)
  const from = args.x, to = args.y
  for (let at = begin * args.w << 4, last = end * args.w << 4; at < last; at += 16) {
    const pixel = v128.load(from + at), times = f32x4.mul(pixel, alphaOf(pixel))
    v128.store(to + at, v128.shuffle<f32>(times, pixel, 0, 1, 2, 7))
  }
}

/** What a filter gives at a pixel, as the head of this file has it. */
// @ts-ignore: decorator
@inline
function unweighed(x: v128, filtered: v128, sum: v128, change: bool): v128 {
  const seen = alphaOf(filtered)
  if (change) return madd(x, f32x4.sub(sum, seen), filtered)
  return v128.bitselect(
    f32x4.div(f32x4.mul(filtered, sum), seen), f32x4.mul(x, sum), f32x4.gt(seen, f32x4.splat(0)),
  )
}

/**
 * Unit: a row. What filters give of what `premultiply` gave; of two, the root of the sum of their squares.
 * Where it is to be blended: keep * x + gain * that, but x where they differ by less than `threshold`. To
 * fill: x where it is not transparent.
 */
export function unweigh(call: usize, begin: i32, end: i32): void {
  const args = changetype<Alpha>(call)
  const sum = f32x4.splat(args.sum), keep = f32x4.splat(args.keep), gain = f32x4.splat(args.gain)
  const threshold = f32x4.splat(args.threshold)
  const mode = args.mode, other = args.other, blend = args.blend, alpha = args.alpha
  for (let at = begin * args.w << 4, last = end * args.w << 4; at < last; at += 16) {
    const x = v128.load(args.x + at), filtered = v128.load(args.filtered + at)
    let y = mode == AlphaMode.change ? unweighed(x, filtered, sum, true) : unweighed(x, filtered, sum, false)
    if (mode == AlphaMode.fill) y = v128.bitselect(x, y, f32x4.gt(alphaOf(x), f32x4.splat(0)))
    if (other) {
      const z = unweighed(x, v128.load(other + at), sum, true)
      y = f32x4.sqrt(madd(y, y, f32x4.mul(z, z)))
    }
    if (blend) {
      const mixed = madd(x, keep, f32x4.mul(y, gain))
      y = v128.bitselect(x, mixed, f32x4.lt(f32x4.abs(f32x4.sub(x, y)), threshold))
    }
    v128.store(args.y + at, v128.shuffle<f32>(y, alpha ? filtered : x, 0, 1, 2, 7))
  }
}
