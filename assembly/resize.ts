/**
 * Images of another size, from the pixel nearest to each output pixel or from the four around it.
 *
 * Along an axis, output o stands at input position (o * step + first) / units: whole numbers, so that
 * positions are exact and ties are ties. Half-pixel centres, aligned corners and the rounding of nearest are
 * all in these three.
 *
 * scratch: table [ow] of (byte offset of the pixel at or before the position, that of the next, fraction
 * between them)
 */
import { scratch } from './arguments'
import { Resize, ResizeGradient } from './abi'
import { loadPart, madd, storePart } from './simd'

/** Unit: `rows` output rows. The pixel at floor(position). */
export function resizeNearest(call: usize, begin: i32, end: i32): void {
  resize<Nearest>(call, begin, end)
}

/**
 * Unit: `rows` output rows. The pixels at floor(position) and the next weigh 1 - fraction and fraction, first
 * along w, then along h.
 */
export function resizeBilinear(call: usize, begin: i32, end: i32): void {
  resize<Bilinear>(call, begin, end)
}

// @ts-ignore: decorator
@inline
function resize<F>(call: usize, begin: i32, end: i32): void {
  const args = changetype<Resize>(call)
  const ih = args.ih, oh = args.oh, unitRows = args.rows
  const xPixelStride = args.c * 4
  const xRowStride = args.iw * xPixelStride, yRowStride = args.ow * xPixelStride
  const table = scratch(), tableEnd = table + args.ow * 12
  for (let entry = table, o = 0; entry < tableEnd; entry += 12, o++) {
    point(entry, o, args.stepW, args.firstW, args.unitsW, args.iw, xPixelStride)
  }
  const row = tableEnd
  const last = min(end * unitRows, args.n * oh)
  for (let r = begin * unitRows; r < last; r++) {
    point(row, r % oh, args.stepH, args.firstH, args.unitsH, ih, xRowStride)
    const image = args.x + (r / oh) * ih * xRowStride
    const y = args.y + r * yRowStride
    changetype<F>(0).row(
      image + load<u32>(row), image + load<u32>(row, 4), load<f32>(row, 8), table, tableEnd, y, xPixelStride,
    )
  }
}

/**
 * Writes where output o reads: the offsets of two neighbours, and how far it is from one to the other. On a
 * pixel and beyond an edge both are the same one, halfway: no weight is 0, which would make NaN of an
 * infinity that is not asked for.
 */
function point(entry: usize, o: i32, step: i32, first: i32, units: i32, length: i32, stride: usize): void {
  const position = max<i64>(0, <i64>o * step + first)
  const index = min(<i32>(position / units), length - 1), rest = <i32>(position % units)
  const between = rest != 0 && index < length - 1
  store<u32>(entry, index * stride)
  store<u32>(entry, (index + i32(between)) * stride, 4)
  store<f32>(entry, between ? <f32>rest / <f32>units : 0.5, 8)
}

@final class Nearest {
  @inline row(
    upper: usize, lower: usize, down: f32, table: usize, tableEnd: usize, y: usize, pixelStride: usize,
  ): void { nearestRow(upper, table, tableEnd, y, pixelStride) }
}

@final class Bilinear {
  @inline row(
    upper: usize, lower: usize, down: f32, table: usize, tableEnd: usize, y: usize, pixelStride: usize,
  ): void { bilinearRow(upper, lower, down, table, tableEnd, y, pixelStride) }
}

function nearestRow(x: usize, table: usize, tableEnd: usize, y: usize, pixelStride: usize): void {
  const rowEnd = y + (tableEnd - table) / 12 * pixelStride
  for (let entry = table; entry < tableEnd; entry += 12) {
    const from = x + load<u32>(entry)
    for (let i: usize = 0; i < pixelStride; i += 16) storeWithin(y + i, v128.load(from + i), rowEnd)
    y += pixelStride
  }
}

function bilinearRow(
  upper: usize, lower: usize, down: f32, table: usize, tableEnd: usize, y: usize, pixelStride: usize,
): void {
  const rowEnd = y + (tableEnd - table) / 12 * pixelStride
  const weightLower = f32x4.splat(down), weightUpper = f32x4.splat(1 - down)
  for (let entry = table; entry < tableEnd; entry += 12) {
    const left: usize = load<u32>(entry), right: usize = load<u32>(entry, 4)
    const weightRight = v128.load32_splat(entry, 8), weightLeft = f32x4.sub(f32x4.splat(1), weightRight)
    for (let i: usize = 0; i < pixelStride; i += 16) {
      const above = madd(
        v128.load(upper + right + i), weightRight, f32x4.mul(v128.load(upper + left + i), weightLeft),
      )
      const below = madd(
        v128.load(lower + right + i), weightRight, f32x4.mul(v128.load(lower + left + i), weightLeft),
      )
      storeWithin(y + i, madd(below, weightLower, f32x4.mul(above, weightUpper)), rowEnd)
    }
    y += pixelStride
  }
}

/**
 * Writes v, but nothing at or beyond `end`. Lanes behind the last channel land in the next pixel of the row,
 * which is written after.
 */
// @ts-ignore: decorator
@inline
function storeWithin(p: usize, v: v128, end: usize): void {
  if (p + 16 <= end) v128.store(p, v)
  else storePart(p, v, (end - p) >> 2)
}

/**
 * Unit: one image. Backward: dy goes to the pixels that the output read, by their weights. x is dx here,
 * y is dy; `bilinear` 0: to the nearest alone.
 */
export function resizeGradient(call: usize, begin: i32, end: i32): void {
  const args = changetype<ResizeGradient>(call)
  const ih = args.ih, oh = args.oh, bilinear = args.bilinear
  const xPixelStride = args.c * 4
  const xRowStride = args.iw * xPixelStride
  const table = scratch(), tableEnd = table + args.ow * 12, row = tableEnd
  for (let entry = table, o = 0; entry < tableEnd; entry += 12, o++) {
    point(entry, o, args.stepW, args.firstW, args.unitsW, args.iw, xPixelStride)
  }
  for (let n = begin; n < end; n++) {
    const dx = args.x + n * ih * xRowStride
    memory.fill(dx, 0, ih * xRowStride)
    let dy = args.y + n * oh * args.ow * xPixelStride
    for (let oy = 0; oy < oh; oy++) {
      point(row, oy, args.stepH, args.firstH, args.unitsH, ih, xRowStride)
      const upper = dx + load<u32>(row), lower = dx + load<u32>(row, 4), down = load<f32>(row, 8)
      for (let entry = table; entry < tableEnd; entry += 12) {
        const left: usize = load<u32>(entry), right: usize = load<u32>(entry, 4), across = load<f32>(entry, 8)
        if (bilinear) {
          addScaled(upper + left, dy, (1 - down) * (1 - across), xPixelStride)
          addScaled(upper + right, dy, (1 - down) * across, xPixelStride)
          addScaled(lower + left, dy, down * (1 - across), xPixelStride)
          addScaled(lower + right, dy, down * across, xPixelStride)
        } else addScaled(upper + left, dy, 1, xPixelStride)
        dy += xPixelStride
      }
    }
  }
}

/** to += from * weight, over `bytes`. */
// @ts-ignore: decorator
@inline
export function addScaled(to: usize, from: usize, weight: f32, bytes: usize): void {
  const w = f32x4.splat(weight)
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, madd(v128.load(from + i), w, v128.load(to + i)))
  const left = (bytes - i) >> 2
  if (left) storePart(to + i, madd(loadPart(from + i, left), w, loadPart(to + i, left)), left)
}
