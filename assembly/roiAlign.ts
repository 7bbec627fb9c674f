/**
 * Regions of images, each divided into the same number of parts, of which each is the mean or the largest of
 * samples that are read between pixels. (He et al., "Mask R-CNN", 2017.)
 *
 * Float32 in the order in which ONNX Runtime counts, without fused multiply-adds: the same bytes.
 *
 * scratch: samples of a part, up to SAMPLES at a time: byte offsets of four pixels, and their weights
 */
import { scratch } from './arguments'
import { ROI_SAMPLES, RoiAlign } from './abi'
import { storeLanes } from './simd'

/** Bytes of a sample. */
const SAMPLE: usize = 32

/** Unit: one region. */
export function roiAlign(call: usize, begin: i32, end: i32): void {
  const args = changetype<RoiAlign>(call)
  const oh = args.oh, ow = args.ow
  const image = <usize>args.ih * args.iw * args.c << 2
  for (let region = begin; region < end; region++) {
    const box = args.boxes + (<usize>region << 4)
    const scale = args.scale, shift = args.shift
    const left = load<f32>(box) * scale - shift, top = load<f32>(box, 4) * scale - shift
    let width = load<f32>(box, 8) * scale - shift - left, height = load<f32>(box, 12) * scale - shift - top
    if (args.widens) {
      width = max<f32>(width, 1)
      height = max<f32>(height, 1)
    }
    const partH = height / <f32>oh, partW = width / <f32>ow
    const x = args.x + <usize>load<i32>(args.images + (<usize>region << 2)) * image
    for (let py = 0; py < oh; py++) {
      for (let px = 0; px < ow; px++) {
        const y = args.y + (<usize>((region * oh + py) * ow + px) * args.c << 2)
        part(args, x, y, top + <f32>py * partH, partH, left + <f32>px * partW, partW)
      }
    }
  }
}

/** As many samples as there are pixels; of a region that ends before it begins fewer than none. */
function samplesOf(length: f32): i32 {
  const count = ceil(length)
  return count == count ? <i32>max<f32>(-1e9, min<f32>(1e9, count)) : 0
}

/** The first sample that may lie at -1 or behind it, of samples whose places rise. */
// @ts-ignore: decorator
@inline
function firstInside(start: f32, length: f32, count: i32): i32 {
  if (!(start < -1) || !(length > 0)) return 0
  const index = floor((-1 - <f64>start) / <f64>length * <f64>count) - 2
  return index > 0 ? <i32>min(index, <f64>count) : 0
}

/** One part, which begins at (y, x) and is so high and wide. */
function part(args: RoiAlign, image: usize, to: usize, y: f32, height: f32, x: f32, width: f32): void {
  const down = args.samples > 0 ? args.samples : samplesOf(height)
  const across = args.samples > 0 ? args.samples : samplesOf(width)
  const c = args.c, ih = <f32>args.ih, iw = <f32>args.iw, isMax = args.largest
  const pixel = c << 2, line = args.iw * pixel
  const samples = scratch()
  let count = 0, first = true, outside = false
  const firstX = firstInside(x, width, across), firstY = firstInside(y, height, down)
  if (firstX > 0 || firstY > 0) outside = true
  for (let j = firstY; j < down; j++) {
    const sy = y + (<f32>j + 0.5) * height / <f32>down
    if (!(sy >= -1 && sy <= ih)) {
      outside = true
      if (!(sy <= ih) && height > 0) break
      continue
    }
    for (let i = firstX; i < across; i++) {
      const sx = x + (<f32>i + 0.5) * width / <f32>across
      if (!(sx >= -1 && sx <= iw)) {
        outside = true
        if (!(sx <= iw) && width > 0) break
        continue
      }
      const sample = samples + <usize>count * SAMPLE
      let v = max<f32>(sy, 0), u = max<f32>(sx, 0)
      let upper = <i32>v, left = <i32>u
      let lower = upper + 1, right = left + 1
      if (upper >= args.ih - 1) {
        upper = lower = args.ih - 1
        v = <f32>upper
      }
      if (left >= args.iw - 1) {
        left = right = args.iw - 1
        u = <f32>left
      }
      const ly: f32 = v - <f32>upper, lx: f32 = u - <f32>left, hy: f32 = <f32>1 - ly, hx: f32 = <f32>1 - lx
      store<i32>(sample, upper * line + left * pixel)
      store<i32>(sample, upper * line + right * pixel, 4)
      store<i32>(sample, lower * line + left * pixel, 8)
      store<i32>(sample, lower * line + right * pixel, 12)
      store<f32>(sample, hy * hx, 16)
      store<f32>(sample, hy * lx, 20)
      store<f32>(sample, ly * hx, 24)
      store<f32>(sample, ly * lx, 28)
      if (++count == ROI_SAMPLES) {
        gather(samples, count, image, to, c, isMax, first)
        count = 0
        first = false
      }
    }
  }
  gather(samples, count, image, to, c, isMax, first)
  // What lies outside is 0.
  if (isMax && outside) raise(to, c)
  if (!isMax) divide(to, c, max<f32>(<f32>down * <f32>across, 1))
}

/** Samples joined to what `to` has, or if they are the first to nothing. */
function gather(
  samples: usize, count: i32, image: usize, to: usize, c: i32, isMax: i32, first: bool,
): void {
  const end = samples + <usize>count * SAMPLE
  let channel = 0
  for (; channel + 16 <= c; channel += 16) {
    const from = image + (<usize>channel << 2), y = to + (<usize>channel << 2)
    let sum0 = startOf(y, first), sum1 = startOf(y + 16, first)
    let sum2 = startOf(y + 32, first), sum3 = startOf(y + 48, first)
    for (let sample = samples; sample < end; sample += SAMPLE) {
      const p = from + load<u32>(sample), q = from + load<u32>(sample, 4)
      const r = from + load<u32>(sample, 8), s = from + load<u32>(sample, 12)
      const starts = first && sample == samples
      sum0 = joined(sum0, sample, p, q, r, s, isMax, starts)
      sum1 = joined(sum1, sample, p + 16, q + 16, r + 16, s + 16, isMax, starts)
      sum2 = joined(sum2, sample, p + 32, q + 32, r + 32, s + 32, isMax, starts)
      sum3 = joined(sum3, sample, p + 48, q + 48, r + 48, s + 48, isMax, starts)
    }
    v128.store(y, sum0)
    v128.store(y, sum1, 16)
    v128.store(y, sum2, 32)
    v128.store(y, sum3, 48)
  }
  for (; channel < c; channel += 4) {
    const from = image + (<usize>channel << 2), y = to + (<usize>channel << 2)
    let sum = startOf(y, first)
    for (let sample = samples; sample < end; sample += SAMPLE) {
      sum = joined(
        sum, sample, from + load<u32>(sample), from + load<u32>(sample, 4), from + load<u32>(sample, 8),
        from + load<u32>(sample, 12), isMax, first && sample == samples,
      )
    }
    storeLanes(y, sum, min(4, c - channel))
  }
}

// @ts-ignore: decorator
@inline
function startOf(y: usize, first: bool): v128 {
  return first ? f32x4.splat(0) : v128.load(y)
}

/** With the four pixels of a sample, by their weights. */
// @ts-ignore: decorator
@inline
function joined(
  to: v128, sample: usize, p: usize, q: usize, r: usize, s: usize, isMax: i32, starts: bool,
): v128 {
  const a = weighed(p, sample, 16), b = weighed(q, sample, 20)
  const c = weighed(r, sample, 24), d = weighed(s, sample, 28)
  if (!isMax) return f32x4.add(to, f32x4.add(f32x4.add(f32x4.add(a, b), c), d))
  const most = f32x4.max(f32x4.max(f32x4.max(a, b), c), d)
  return starts ? most : f32x4.max(to, most)
}

// @ts-ignore: decorator
@inline
function weighed(from: usize, sample: usize, weight: usize): v128 {
  return f32x4.mul(v128.load32_splat(sample + weight), v128.load(from))
}

/** At least 0. */
function raise(y: usize, count: i32): void {
  for (; count > 0; count -= 4, y += 16) {
    storeLanes(y, f32x4.max(v128.load(y), f32x4.splat(0)), min(4, count))
  }
}

function divide(y: usize, count: i32, by: f32): void {
  const divisor = f32x4.splat(by)
  for (; count > 0; count -= 4, y += 16) storeLanes(y, f32x4.div(v128.load(y), divisor), min(4, count))
}
