/**
 * Images read at points of a grid, and backward. A point (x, y) of the grid is a place in the image where
 * -1 and 1 are the outer edges of its outer pixels, or with `alignCorners` their centres:
 *
 *   position = ((g + 1) * length - 1) / 2,  or  (g + 1) / 2 * (length - 1)
 *
 * With `alignCorners` 2 a point is (y, x), in pixels.
 *
 * scratch: places along w and h [2] of (byte offset of the pixel at or before the position, that of the next,
 * or -1 for those outside; the fraction between them; how the position changes with g), 16 bytes each
 */
import { scratch } from './arguments'
import { GridPadding, GridSample } from './abi'
import { addScaled } from './resize'
import { loadPart, sumLanes } from './simd'

/** Unit: `unit` output pixels. */
export function gridSample(call: usize, begin: i32, end: i32): void {
  const args = changetype<GridSample>(call)
  const bytes = <usize>args.c << 2
  const w = scratch(), h = w + 16
  const last = min(args.n * args.pixels, end * args.unit)
  for (let p = begin * args.unit; p < last; p++) {
    places(args, p, w, h)
    const y = args.y + <usize>p * bytes
    memory.fill(y, 0, bytes)
    const image = args.x + imageOffset(args, p)
    for (let tap = 0; tap < 4; tap++) {
      const offset = offsetOf(w, h, tap), weight = weightOf(w, h, tap)
      // Weights of 0 would make NaN of an infinity that is not asked for.
      if (offset >= 0 && weight != 0) addScaled(y, image + offset, weight, bytes)
    }
  }
}

/** Unit: one image. dy goes to the pixels that the output was read from, by their weights. */
export function gridSampleGradient(call: usize, begin: i32, end: i32): void {
  const args = changetype<GridSample>(call)
  const bytes = <usize>args.c << 2, size = <usize>(args.ih * args.iw) * bytes
  const w = scratch(), h = w + 16
  for (let n = begin; n < end; n++) {
    const image = args.to + <usize>n * size
    memory.fill(image, 0, size)
    const last = (n + 1) * args.pixels
    for (let p = n * args.pixels; p < last; p++) {
      places(args, p, w, h)
      for (let tap = 0; tap < 4; tap++) {
        const offset = offsetOf(w, h, tap), weight = weightOf(w, h, tap)
        if (offset >= 0 && weight != 0) addScaled(image + offset, args.y + <usize>p * bytes, weight, bytes)
      }
    }
  }
}

/** Unit: `unit` output pixels. The derivative of each point, of bilinear reading. */
export function gridGradient(call: usize, begin: i32, end: i32): void {
  const args = changetype<GridSample>(call)
  const bytes = <usize>args.c << 2
  const w = scratch(), h = w + 16
  const last = min(args.n * args.pixels, end * args.unit)
  for (let p = begin * args.unit; p < last; p++) {
    places(args, p, w, h)
    const image = args.x + imageOffset(args, p), dy = args.y + <usize>p * bytes
    let across: f32 = 0, down: f32 = 0
    for (let tap = 0; tap < 4; tap++) {
      const offset = offsetOf(w, h, tap)
      if (offset < 0) continue
      const value = product(image + offset, dy, bytes)
      const right = tap & 1, lower = tap >> 1
      across += (right ? value : -value) * shareOf(h, lower)
      down += (lower ? value : -value) * shareOf(w, right)
    }
    const to = args.to + (<usize>p << 3)
    store<f32>(to, across * load<f32>(w, 12))
    store<f32>(to, down * load<f32>(h, 12), 4)
  }
}

// @ts-ignore: decorator
@inline
function imageOffset(args: GridSample, p: i32): usize {
  return <usize>(p / args.pixels * args.ih * args.iw * args.c) << 2
}

/** Where output pixel p reads. */
function places(args: GridSample, p: i32, w: usize, h: usize): void {
  const point = args.grid + (<usize>p << 3), pixelStride = args.c << 2
  const turned: usize = args.alignCorners == 2 ? 4 : 0
  place(args, load<f32>(point + turned), args.iw, pixelStride, w)
  place(args, load<f32>(point + (4 - turned)), args.ih, args.iw * pixelStride, h)
}

function place(args: GridSample, g: f32, length: i32, stride: i32, entry: usize): void {
  const padding = args.padding, align = args.alignCorners
  const most: f64 = length - 1
  let slope: f64 = align == 2 ? 1 : align ? 0.5 * most : 0.5 * <f64>length
  let position = align == 2 ? <f64>g : align ? (<f64>g + 1) * slope : (<f64>g + 1) * slope - 0.5
  if (padding == GridPadding.reflection) {
    // A mirror at both ends: the image and its mirror image come again and again.
    const low: f64 = align ? 0 : -0.5, range = most - 2 * low
    const away = range == 0 ? 0 : abs(position - low) % (2 * range)
    if ((position < low) != (away > range)) slope = -slope
    position = low + (away > range ? 2 * range - away : away)
  }
  if (padding == GridPadding.zeros) {
    // Places further out are as good as these, and so is none (NaN).
    if (!(position >= -2)) position = -2
    else if (position > most + 2) position = most + 2
  } else if (!(position > 0) || position >= most) {
    position = position > 0 ? most : 0
    slope = 0
  }
  const first = args.nearest ? nearest(position) : floor(position)
  const index = <i32>first
  store<i32>(entry, offsetAlong(index, length, stride))
  store<i32>(entry, args.nearest ? -1 : offsetAlong(index + 1, length, stride), 4)
  store<f32>(entry, args.nearest ? 0 : <f32>(position - first), 8)
  store<f32>(entry, <f32>slope, 12)
}

// @ts-ignore: decorator
@inline
function offsetAlong(index: i32, length: i32, stride: i32): i32 {
  return index >= 0 && index < length ? index * stride : -1
}

/** The pixel of tap 0 to 3: upper left, upper right, lower left, lower right; -1 outside. */
// @ts-ignore: decorator
@inline
function offsetOf(w: usize, h: usize, tap: i32): i32 {
  const x = load<i32>(w + ((tap & 1) << 2)), y = load<i32>(h + ((tap >> 1) << 2))
  return x < 0 || y < 0 ? -1 : x + y
}

/** How much the first (0) or the second (1) of two places counts. */
// @ts-ignore: decorator
@inline
function shareOf(entry: usize, second: i32): f32 {
  return second ? load<f32>(entry, 8) : 1 - load<f32>(entry, 8)
}

// @ts-ignore: decorator
@inline
function weightOf(w: usize, h: usize, tap: i32): f32 {
  return shareOf(w, tap & 1) * shareOf(h, tap >> 1)
}

/** The sum of a * b over `bytes`. */
function product(a: usize, b: usize, bytes: usize): f32 {
  let sum = f32x4.splat(0)
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) sum = f32x4.add(sum, f32x4.mul(v128.load(a + i), v128.load(b + i)))
  const left = (bytes - i) >> 2
  if (left) sum = f32x4.add(sum, f32x4.mul(loadPart(a + i, left), loadPart(b + i, left)))
  return sumLanes(sum)
}
