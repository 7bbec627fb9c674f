/** Pictures by an affine map: each output pixel shows the input where its place is mapped to. */
import { Warp, WarpBorder } from '../abi'
import { madd } from '../simd'

/** Which of `size` elements stands at position i, or -1: a zero. */
function within(i: i32, size: i32, border: i32): i32 {
  if (i >= 0 && i < size) return i
  if (border == WarpBorder.zero) return -1
  if (border == WarpBorder.replicate) return i < 0 ? 0 : size - 1
  let period = size
  if (border == WarpBorder.reflect) period = 2 * size
  else if (border == WarpBorder.reflect101) period = max(1, 2 * size - 2)
  i %= period
  if (i < 0) i += period
  if (i < size) return i
  return (border == WarpBorder.reflect ? 2 * size - 1 : 2 * size - 2) - i
}

/** Four channels of a pixel as floats; those of fewer are what follows. */
@final
class Bytes {
  @inline bytes(): usize { return 1 }
  @inline four(p: usize): v128 {
    return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(p))))
  }
  @inline store(p: usize, v: v128, c: i32): void {
    const whole = i32x4.trunc_sat_f32x4_s(f32x4.nearest(v))
    const words = i16x8.narrow_i32x4_s(whole, whole)
    const bytes = i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0)
    if (c == 4) store<i32>(p, bytes)
    else if (c == 1) store<u8>(p, bytes)
    else {
      store<u16>(p, bytes)
      if (c == 3) store<u8>(p, bytes >> 16, 2)
    }
  }
}

@final
class Floats {
  @inline bytes(): usize { return 4 }
  @inline four(p: usize): v128 { return v128.load(p) }
  @inline store(p: usize, v: v128, c: i32): void {
    if (c >= 4) v128.store(p, v)
    else if (c == 1) store<f32>(p, f32x4.extract_lane(v, 0))
    else {
      v128.store64_lane(p, v, 0)
      if (c == 3) v128.store32_lane(p, v, 2, 8)
    }
  }
}

/** a + (b - a) * t */
// @ts-ignore: decorator
@inline
function between(a: v128, b: v128, t: v128): v128 {
  return madd(f32x4.sub(b, a), t, a)
}

/** The first output of [first, last) whose a * ox + start is inside of [0, most), or `last`. */
function firstInside(a: f32, start: f32, most: f32, first: i32, last: i32): i32 {
  while (first < last) {
    const x = a * <f32>first + start
    if (x >= 0 && x < most) return first
    // Nothing more comes, or the next is as far off as the distance over the step, less what rounding takes.
    const off: f32 = x < 0 ? -x : most - x
    if (!(a != 0 && off / a >= 0)) return last
    first += <i32>max<f32>(1, min<f32>(1e8, off / a - 2))
  }
  return last
}

/** Behind the last output of [first, last) that is inside. */
function lastInside(a: f32, start: f32, most: f32, first: i32, last: i32): i32 {
  if (a == 0 || first >= last) return last
  let end = last
  const way: f32 = a > 0 ? most - start : -start
  const guess = max<f32>(-1, min<f32>(1e8, way / a + 2))
  end = max(first, min(end, <i32>guess))
  while (end > first) {
    const x = a * <f32>(end - 1) + start
    if (x >= 0 && x < most) return end
    end--
  }
  return end
}

/** The place of an output, kept from what no picture reaches, and from NaN. */
// @ts-ignore: decorator
@inline
function kept(v: f32): f32 {
  return max<f32>(-1e9, min<f32>(1e9, v))
}

/** An output near an edge or beyond it. */
function edge<T>(args: Warp, image: usize, y: usize, px: f32, py: f32): void {
  const w = args.w, h = args.h, c = args.c, border = args.border
  const one = changetype<T>(0).bytes(), pixel = c * one, row = w * pixel
  const fx = Mathf.floor(px), fy = Mathf.floor(py)
  const tx = f32x4.splat(px - fx), ty = f32x4.splat(py - fy), zero = f32x4.splat(0)
  const x0 = within(<i32>fx, w, border), x1 = within(<i32>fx + 1, w, border)
  const y0 = within(<i32>fy, h, border), y1 = within(<i32>fy + 1, h, border)
  for (let k = 0; k < c; k += 4) {
    const at = image + k * one
    const a = x0 < 0 || y0 < 0 ? zero : changetype<T>(0).four(at + y0 * row + x0 * pixel)
    const b = x1 < 0 || y0 < 0 ? zero : changetype<T>(0).four(at + y0 * row + x1 * pixel)
    const d = x0 < 0 || y1 < 0 ? zero : changetype<T>(0).four(at + y1 * row + x0 * pixel)
    const e = x1 < 0 || y1 < 0 ? zero : changetype<T>(0).four(at + y1 * row + x1 * pixel)
    let v = between(between(a, b, tx), between(d, e, tx), ty)
    if (args.opaque > 0) {
      const alpha = f32x4.extract_lane(v, 3)
      if (alpha > 0) v = f32x4.replace_lane(f32x4.mul(v, f32x4.splat(args.opaque / alpha)), 3, alpha)
    }
    changetype<T>(0).store(y + k * one, v, min(4, c - k))
  }
}

/** Outputs whose four pixels are all inside, of bytes: at positions of 1 / 128 of a pixel. */
function bytesInside(args: Warp, image: usize, y: usize, first: i32, last: i32, left: f32, top: f32): void {
  const c = args.c, row = args.w * c
  const a = args.a * 128, d = args.d * 128
  left = left * 128 + 0.5
  top = top * 128 + 0.5
  const half = i32x4.splat(1 << 13)
  for (let ox = first; ox < last; ox++) {
    const px = <i32>(a * <f32>ox + left), py = <i32>(d * <f32>ox + top)
    const tx = px & 127, ty = py & 127
    const p = image + (py >> 7) * row + (px >> 7) * c, q = p + row
    if (c == 1) {
      const upper = <i32>load<u8>(p) * (128 - tx) + <i32>load<u8>(p, 1) * tx
      const lower = <i32>load<u8>(q) * (128 - tx) + <i32>load<u8>(q, 1) * tx
      store<u8>(y++, (upper * (128 - ty) + lower * ty + (1 << 13)) >> 14)
      continue
    }
    const down = i16x8.add(
      i16x8.mul(v128.load8x8_u(p), i16x8.splat(<i16>(128 - ty))),
      i16x8.mul(v128.load8x8_u(q), i16x8.splat(<i16>ty)),
    )
    const across = i32x4.splat(tx << 16 | (128 - tx))
    const pairs = c == 4
      ? v128.shuffle<i16>(down, down, 0, 4, 1, 5, 2, 6, 3, 7)
      : v128.shuffle<i16>(down, down, 0, 3, 1, 4, 2, 5, 3, 6)
    const whole = i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(pairs, across), half), 14)
    const words = i16x8.narrow_i32x4_s(whole, whole)
    const bytes = i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0)
    if (c == 4) store<i32>(y, bytes)
    else {
      store<u16>(y, bytes)
      store<u8>(y, bytes >> 16, 2)
    }
    y += c
  }
}

function nearestRows<T>(args: Warp, begin: i32, end: i32): void {
  const w = args.w, h = args.h, c = args.c, ow = args.ow, oh = args.oh, border = args.border
  const one = changetype<T>(0).bytes(), pixel = c * one, row = w * pixel
  let y = args.y + begin * ow * pixel
  for (let u = begin; u < end; u++) {
    const image = args.x + u / oh * h * row
    const left = args.b * <f32>(u % oh) + args.tx, top = args.e * <f32>(u % oh) + args.ty
    for (let ox = 0; ox < ow; ox++) {
      const ix = within(<i32>Mathf.floor(kept(args.a * <f32>ox + left) + 0.5), w, border)
      const iy = within(<i32>Mathf.floor(kept(args.d * <f32>ox + top) + 0.5), h, border)
      if (ix < 0 || iy < 0) memory.fill(y, 0, pixel)
      else memory.copy(y, image + iy * row + ix * pixel, pixel)
      y += pixel
    }
  }
}

function warpRows<T>(args: Warp, begin: i32, end: i32): void {
  const w = args.w, h = args.h, c = args.c, ow = args.ow, oh = args.oh
  const one = changetype<T>(0).bytes(), pixel = c * one, row = w * pixel
  const a = args.a, d = args.d
  for (let u = begin; u < end; u++) {
    const image = args.x + u / oh * h * row
    const oy = <f32>(u % oh)
    const left = args.b * oy + args.tx, top = args.e * oy + args.ty
    let y = args.y + u * ow * pixel
    // From first to last all four pixels around are inside.
    let first = firstInside(a, left, <f32>(w - 1), 0, ow)
    first = firstInside(d, top, <f32>(h - 1), first, ow)
    const last = lastInside(d, top, <f32>(h - 1), first, lastInside(a, left, <f32>(w - 1), first, ow))
    let ox = 0
    for (; ox < first; ox++) {
      edge<T>(args, image, y, kept(a * <f32>ox + left), kept(d * <f32>ox + top))
      y += pixel
    }
    if (one == 1 && (c == 1 || c == 3 || c == 4)) {
      bytesInside(args, image, y, first, last, left, top)
      y += max(0, last - first) * pixel
      ox = max(first, last)
    }
    for (; ox < last; ox++) {
      const px = a * <f32>ox + left, py = d * <f32>ox + top
      const ix = <i32>px, iy = <i32>py
      const tx = f32x4.splat(px - <f32>ix), ty = f32x4.splat(py - <f32>iy)
      let p = image + iy * row + ix * pixel, to = y
      for (let k = 0; k < c; k += 4) {
        const q = p + row
        const upper = between(changetype<T>(0).four(p), changetype<T>(0).four(p + pixel), tx)
        const lower = between(changetype<T>(0).four(q), changetype<T>(0).four(q + pixel), tx)
        changetype<T>(0).store(to, between(upper, lower, ty), min(4, c - k))
        p += 4 * one
        to += 4 * one
      }
      y += pixel
    }
    for (; ox < ow; ox++) {
      edge<T>(args, image, y, kept(a * <f32>ox + left), kept(d * <f32>ox + top))
      y += pixel
    }
  }
}

/** Unit: one output row. Between the four pixels around, or the nearest. */
export function warpAffine(call: usize, begin: i32, end: i32): void {
  const args = changetype<Warp>(call)
  if (args.nearest) {
    if (args.floats) nearestRows<Floats>(args, begin, end)
    else nearestRows<Bytes>(args, begin, end)
  } else if (args.floats) warpRows<Floats>(args, begin, end)
  else warpRows<Bytes>(args, begin, end)
}
