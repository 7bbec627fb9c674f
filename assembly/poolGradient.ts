/** The gradients of pooling: dy goes back to the values under each window. */
import { PoolGradient } from './abi'
import { endTap, firstTap } from './pool'
import { loadLanes, storeLanes } from './simd'

/**
 * Unit: one image, `channels` channels of it. dy goes to the first of the largest values under each window,
 * in row-major order; a NaN is larger than all.
 */
export function maxPoolGradient(call: usize, begin: i32, end: i32): void {
  poolGradient<ToLargest>(call, begin, end)
}

/**
 * Unit: as of maxPoolGradient. dy goes to all values under the window, divided by what forward divided by.
 */
export function avgPoolGradient(call: usize, begin: i32, end: i32): void {
  poolGradient<ToAll>(call, begin, end)
}

// @ts-ignore: decorator
@inline
function poolGradient<F>(call: usize, begin: i32, end: i32): void {
  const args = changetype<PoolGradient>(call)
  const ih = args.ih, iw = args.iw, c = args.c, oh = args.oh, ow = args.ow
  const tapsH = args.tapsH, tapsW = args.tapsW
  const stepH = args.stepH, stepW = args.stepW, firstH = args.firstH, firstW = args.firstW
  const tapStepH = args.tapStepH, tapStepW = args.tapStepW
  const lastH = ih + args.afterH, lastW = iw + args.afterW
  const countPadding = args.countPadding
  const unitChannels = args.channels
  const slices = (c + unitChannels - 1) / unitChannels
  const pixel: usize = c * 4, rowStride: usize = tapStepH * iw * c * 4, tapStride: usize = tapStepW * c * 4

  for (let u = begin; u < end; u++) {
    const n = u / slices, channel = (u % slices) * unitChannels
    const channels = min(unitChannels, c - channel)
    const inOffset: usize = (n * ih * iw * c + channel) * 4
    const x = args.x + inOffset, dx = args.dx + inOffset
    for (let p = 0; p < ih * iw; p++) memory.fill(dx + p * pixel, 0, channels * 4)
    let offset: usize = (n * oh * ow * c + channel) * 4
    for (let oy = 0, iy = firstH; oy < oh; oy++, iy += stepH) {
      const ky = firstTap(iy, tapStepH), rows = max(0, endTap(iy, tapStepH, tapsH, ih) - ky)
      for (let ox = 0, ix = firstW; ox < ow; ox++, ix += stepW) {
        const kx = firstTap(ix, tapStepW), columns = max(0, endTap(ix, tapStepW, tapsW, iw) - kx)
        const counted = countPadding
          ? (min(iy + tapsH, lastH) - iy) * (min(ix + tapsW, lastW) - ix)
          : max(1, rows * columns)
        const at: usize = ((iy + ky * tapStepH) * iw + ix + kx * tapStepW) * c * 4
        for (let i = 0; i < channels; i += 4) {
          const lanes = min(4, channels - i)
          const y = loadLanes(args.y + offset + i * 4, lanes), dy = loadLanes(args.dy + offset + i * 4, lanes)
          changetype<F>(0).spread(
            x + at + i * 4, dx + at + i * 4, y, dy, rows, columns, rowStride, tapStride, counted, lanes,
          )
        }
        offset += pixel
      }
    }
  }
}

@final class ToLargest {
  @inline spread(
    x: usize, dx: usize, y: v128, dy: v128, rows: i32, columns: i32, rowStride: usize, tapStride: usize,
    counted: i32, lanes: i32,
  ): void {
    let left = i32x4.splat(-1)
    for (; rows; rows--) {
      let offset: usize = 0
      for (let t = columns; t; t--) {
        const v = loadLanes(x + offset, lanes)
        const here = v128.and(left, v128.or(f32x4.eq(v, y), f32x4.ne(v, v)))
        left = v128.andnot(left, here)
        storeLanes(dx + offset, f32x4.add(loadLanes(dx + offset, lanes), v128.and(dy, here)), lanes)
        offset += tapStride
      }
      x += rowStride
      dx += rowStride
    }
  }
}

@final class ToAll {
  @inline spread(
    x: usize, dx: usize, y: v128, dy: v128, rows: i32, columns: i32, rowStride: usize, tapStride: usize,
    counted: i32, lanes: i32,
  ): void {
    const share = f32x4.div(dy, f32x4.splat(<f32>counted))
    for (; rows; rows--) {
      let offset: usize = 0
      for (let t = columns; t; t--) {
        storeLanes(dx + offset, f32x4.add(loadLanes(dx + offset, lanes), share), lanes)
        offset += tapStride
      }
      dx += rowStride
    }
  }
}
