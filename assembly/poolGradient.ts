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
          const share = changetype<F>(0).share(dy, counted)
          let left = i32x4.splat(-1), row = at + i * 4
          for (let r = rows; r; r--) {
            let tap = row
            for (let t = columns; t; t--) {
              const here = changetype<F>(0).here(x + tap, y, left, lanes)
              left = v128.andnot(left, here)
              const part = changetype<F>(0).part(share, here)
              storeLanes(dx + tap, f32x4.add(loadLanes(dx + tap, lanes), part), lanes)
              tap += tapStride
            }
            row += rowStride
          }
        }
        offset += pixel
      }
    }
  }
}

/** To the first of the values that are y, or NaN; `left` are the lanes in which none was yet. */
@final class ToLargest {
  @inline share(dy: v128, counted: i32): v128 {
    return dy
  }

  @inline here(x: usize, y: v128, left: v128, lanes: i32): v128 {
    const v = loadLanes(x, lanes)
    return v128.and(left, v128.or(f32x4.eq(v, y), f32x4.ne(v, v)))
  }

  @inline part(share: v128, here: v128): v128 {
    return v128.and(share, here)
  }
}

/** To all values, as much to each. */
@final class ToAll {
  @inline share(dy: v128, counted: i32): v128 {
    return f32x4.div(dy, f32x4.splat(<f32>counted))
  }

  @inline here(x: usize, y: v128, left: v128, lanes: i32): v128 {
    return left
  }

  @inline part(share: v128, here: v128): v128 {
    return share
  }
}
