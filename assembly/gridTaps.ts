/**
 * Images and volumes read at points of a grid by up to four elements along each axis: what gridSample.ts does
 * between two along two axes. Positions are those of gridSample.ts; between four, the convolution of Keys
 * with a = -0.75 (PyTorch's), where an element outside is the one that the padding says.
 *
 * scratch: along each of three axes, four of (byte offset, or -1 outside; weight), 8 bytes each
 */
import { scratch } from './arguments'
import { GridMethod, GridPadding, GridTaps } from './abi'
import { addScaled } from './resize'

/** Unit: `unit` output pixels. */
export function gridTaps(call: usize, begin: i32, end: i32): void {
  const args = changetype<GridTaps>(call)
  const bytes = <usize>args.c << 2
  const pixel = args.c << 2, row = args.iw * pixel, layer = args.ih * row
  const volume = <usize>args.id * layer
  const w = scratch(), h = w + 32, d = w + 64
  const taps: usize = args.method == GridMethod.nearest ? 1 : args.method == GridMethod.cubic ? 4 : 2
  const layers: usize = args.rank == 3 ? taps : 1
  store<i32>(d, 0)
  store<f32>(d, 1, 4)
  const last = min(args.n * args.pixels, end * args.unit)
  for (let p = begin * args.unit; p < last; p++) {
    const point = args.grid + <usize>p * args.rank * 4
    tapsAt(args, load<f32>(point), args.iw, pixel, w)
    tapsAt(args, load<f32>(point, 4), args.ih, row, h)
    if (args.rank == 3) tapsAt(args, load<f32>(point, 8), args.id, layer, d)
    const y = args.y + <usize>p * bytes
    memory.fill(y, 0, bytes)
    const image = args.x + <usize>(p / args.pixels) * volume
    for (let k = d; k < d + (layers << 3); k += 8) {
      for (let j = h; j < h + (taps << 3); j += 8) {
        if (load<i32>(k) < 0 || load<i32>(j) < 0) continue
        const line = image + load<i32>(k) + load<i32>(j)
        const outer = load<f32>(k, 4) * load<f32>(j, 4)
        for (let i = w; i < w + (taps << 3); i += 8) {
          const weight = outer * load<f32>(i, 4)
          // Weights of 0 would make NaN of an infinity that is not asked for.
          if (load<i32>(i) >= 0 && weight != 0) addScaled(y, line + load<i32>(i), weight, bytes)
        }
      }
    }
  }
}

/** What a position along an axis reads. */
function tapsAt(args: GridTaps, g: f32, length: i32, stride: i32, to: usize): void {
  const most: f64 = length - 1
  let position = args.alignCorners ? (<f64>g + 1) * 0.5 * most : ((<f64>g + 1) * <f64>length - 1) * 0.5
  if (args.method == GridMethod.cubic) {
    // Further out all is alike, and no number is outside.
    if (args.padding == GridPadding.reflection) position = folded(position, args.alignCorners, most)
    position = position >= -4 ? min(position, most + 4) : -4
    const first = floor(position), t = <f32>(position - first)
    for (let k = 0; k < 4; k++) {
      store<i32>(to + (k << 3), elementAt(args, <i32>first + k - 1, length, stride))
      store<f32>(to + (k << 3), keys(t + 1 - <f32>k), 4)
    }
    return
  }
  if (args.padding == GridPadding.reflection) position = folded(position, args.alignCorners, most)
  if (args.padding != GridPadding.zeros) position = position > 0 ? min(position, most) : 0
  position = position >= -2 ? min(position, most + 2) : -2
  if (args.method == GridMethod.nearest) {
    store<i32>(to, elementAt(args, <i32>nearest(position), length, stride))
    store<f32>(to, 1, 4)
    return
  }
  const first = floor(position), t = <f32>(position - first)
  store<i32>(to, elementAt(args, <i32>first, length, stride))
  store<f32>(to, 1 - t, 4)
  store<i32>(to, position >= most && t == 0 ? -1 : elementAt(args, <i32>first + 1, length, stride), 8)
  store<f32>(to, t, 12)
}

/** Mirrored at both ends of an axis, again and again. */
function folded(position: f64, align: i32, most: f64): f64 {
  const low: f64 = align ? 0 : -0.5, range = most - 2 * low
  if (range == 0) return 0
  const away = abs(position - low) % (2 * range)
  return low + (away > range ? 2 * range - away : away)
}

/** The byte offset of an element along an axis, or -1. */
function elementAt(args: GridTaps, index: i32, length: i32, stride: i32): i32 {
  if (index < 0 || index >= length) {
    if (args.padding == GridPadding.zeros) return -1
    const most = length - 1
    if (args.padding == GridPadding.reflection) index = <i32>nearest(folded(index, args.alignCorners, most))
    index = max(0, min(index, most))
  }
  return index * stride
}

/** How much an element counts that is `x` away. */
function keys(x: f32): f32 {
  const a: f32 = -0.75
  x = abs(x)
  return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
}
