/**
 * Backwards through a convolution with one filter per channel, ix = ox * stride - before + kx * dilation, the
 * same along h:
 *
 *   dw[ky][kx][c] = sum over n, oy, ox of x[n][iy][ix][c] * dy[n][oy][ox][c]
 *   dx[n][iy][ix][c] = sum over the taps that reach it of dy[n][oy][ox][c] * w[ky][kx][c]
 *
 * One tap of one row at a time, over the columns where it lies inside x, 16 channels (a cache line) side by
 * side.
 */
import { DepthwiseGradient } from '../abi'
import { loadLanes, madd, storeLanes } from '../simd'

const WIDTH: i32 = 16

/** The first output column whose tap, `first` columns from the window's place, lies inside x. */
// @ts-ignore: decorator
@inline
function firstColumn(first: i32, stride: i32): i32 {
  return first < 0 ? (stride - 1 - first) / stride : 0
}

/** One more than the last. */
// @ts-ignore: decorator
@inline
function endColumn(first: i32, stride: i32, iw: i32, ow: i32): i32 {
  return first < iw ? min(ow, (iw - 1 - first) / stride + 1) : 0
}

/** Unit: `rows` output rows x 16 channels; units of the same rows are neighbours. */
export function depthwiseFilterGradient(call: usize, begin: i32, end: i32): void {
  const args = changetype<DepthwiseGradient>(call)
  const ih = args.ih, iw = args.iw, c = args.c
  const oh = args.oh, ow = args.ow
  const kh = args.kh, kw = args.kw
  const strideH = args.strideH, strideW = args.strideW
  const rows = args.rows, allRows = args.n * oh
  const slices = (c + WIDTH - 1) / WIDTH
  const pixel: usize = c * 4
  for (let u = begin; u < end; u++) {
    const split = u / slices, channel = (u % slices) * WIDTH, channels = min(WIDTH, c - channel)
    const sums = args.to + split * kh * kw * pixel + channel * 4
    for (let t = 0; t < kh * kw; t++) memory.fill(sums + t * pixel, 0, channels * 4)
    for (let row = split * rows; row < min(allRows, (split + 1) * rows); row++) {
      const n = row / oh, oy = row % oh
      const dyRow = args.dy + row * ow * pixel + channel * 4
      for (let ky = 0; ky < kh; ky++) {
        const iy = oy * strideH + ky * args.dilationH - args.beforeH
        if (<u32>iy >= <u32>ih) continue
        const xRow = args.x + (n * ih + iy) * iw * pixel + channel * 4
        for (let kx = 0; kx < kw; kx++) {
          const first = kx * args.dilationW - args.beforeW
          const ox = firstColumn(first, strideW), count = endColumn(first, strideW, iw, ow) - ox
          if (count > 0) {
            sumProducts(
              xRow + (ox * strideW + first) * pixel, strideW * pixel, dyRow + ox * pixel, pixel, count,
              channels, sums + (ky * kw + kx) * pixel,
            )
          }
        }
      }
    }
  }
}

/** sums[c] += sum over `count` columns of x[c] * dy[c] */
function sumProducts(
  x: usize, xStride: usize, dy: usize, dyStride: usize, count: i32, channels: i32, sums: usize,
): void {
  if (channels == WIDTH) {
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0
    for (; count; count--) {
      s0 = madd(v128.load(x), v128.load(dy), s0)
      s1 = madd(v128.load(x, 16), v128.load(dy, 16), s1)
      s2 = madd(v128.load(x, 32), v128.load(dy, 32), s2)
      s3 = madd(v128.load(x, 48), v128.load(dy, 48), s3)
      x += xStride
      dy += dyStride
    }
    v128.store(sums, f32x4.add(v128.load(sums), s0))
    v128.store(sums, f32x4.add(v128.load(sums, 16), s1), 16)
    v128.store(sums, f32x4.add(v128.load(sums, 32), s2), 32)
    v128.store(sums, f32x4.add(v128.load(sums, 48), s3), 48)
    return
  }
  for (let i = 0; i < channels; i += 4) {
    const lanes = min(4, channels - i), at = i * 4
    let s = f32x4.splat(0)
    let from = x + at, by = dy + at
    for (let left = count; left; left--) {
      s = madd(loadLanes(from, lanes), loadLanes(by, lanes), s)
      from += xStride
      by += dyStride
    }
    storeLanes(sums + at, f32x4.add(loadLanes(sums + at, lanes), s), lanes)
  }
}

/** Unit: one input row. */
export function depthwiseInputGradient(call: usize, begin: i32, end: i32): void {
  const args = changetype<DepthwiseGradient>(call)
  const ih = args.ih, iw = args.iw, c = args.c
  const oh = args.oh, ow = args.ow
  const kh = args.kh, kw = args.kw
  const strideH = args.strideH, strideW = args.strideW
  const pixel: usize = c * 4
  for (let row = begin; row < end; row++) {
    const n = row / ih, iy = row % ih
    const dxRow = args.to + row * iw * pixel
    memory.fill(dxRow, 0, iw * pixel)
    for (let channel = 0; channel < c; channel += WIDTH) {
      const channels = min(WIDTH, c - channel)
      for (let ky = 0; ky < kh; ky++) {
        const distance = iy + args.beforeH - ky * args.dilationH
        const oy = distance / strideH
        if (distance < 0 || oy >= oh || oy * strideH != distance) continue
        const dyRow = args.dy + (n * oh + oy) * ow * pixel + channel * 4
        for (let kx = 0; kx < kw; kx++) {
          const first = kx * args.dilationW - args.beforeW
          const ox = firstColumn(first, strideW), count = endColumn(first, strideW, iw, ow) - ox
          const w = args.w + (ky * kw + kx) * pixel + channel * 4
          if (count > 0) {
            addProducts(
              dyRow + ox * pixel, pixel, w, dxRow + (ox * strideW + first) * pixel + channel * 4,
              strideW * pixel, count, channels,
            )
          }
        }
      }
    }
  }
}

/** dx[c] += dy[c] * w[c], for `count` columns */
function addProducts(
  dy: usize, dyStride: usize, w: usize, dx: usize, dxStride: usize, count: i32, channels: i32,
): void {
  if (channels == WIDTH) {
    const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48)
    for (; count; count--) {
      v128.store(dx, madd(v128.load(dy), w0, v128.load(dx)))
      v128.store(dx, madd(v128.load(dy, 16), w1, v128.load(dx, 16)), 16)
      v128.store(dx, madd(v128.load(dy, 32), w2, v128.load(dx, 32)), 32)
      v128.store(dx, madd(v128.load(dy, 48), w3, v128.load(dx, 48)), 48)
      dy += dyStride
      dx += dxStride
    }
    return
  }
  for (let i = 0; i < channels; i += 4) {
    const lanes = min(4, channels - i), at = i * 4
    const factor = loadLanes(w + at, lanes)
    let from = dy + at, to = dx + at
    for (let left = count; left; left--) {
      storeLanes(to, madd(loadLanes(from, lanes), factor, loadLanes(to, lanes)), lanes)
      from += dyStride
      to += dxStride
    }
  }
}
