/**
 * Pooling: the largest value or the mean under a window that slides, each channel by itself.
 *
 *   y[n][oy][ox][c] = max or mean over taps ky, kx of x[n][oy * stepH + firstH + ky * tapStepH][ox * stepW +
 *   firstW + kx * tapStepW][c]
 *
 * Taps outside of x are left out. Where windows overlap, the largest or the sum of each column is computed
 * once, for a run of outputs. Loads may reach up to three floats beyond a pixel; the lanes are not stored.
 *
 * scratch: columns under `outputs` windows [columns][channels], and room for a vector; or totals [channels]
 * (f64)
 */
import { scratch } from './arguments'
import { POOL_BLOCK, Pool } from './abi'
import { larger, storeLanes } from './simd'

/**
 * Unit: one output row, `channels` channels of it; units of the same row are neighbours. NaN wins; nothing
 * but padding gives -infinity.
 */
export function maxPool(call: usize, begin: i32, end: i32): void {
  pool<Largest>(call, begin, end)
}

/**
 * Unit: as of maxPool. Divides by the taps in x, with `countPadding` by those in x and its padding; nothing
 * but padding gives 0.
 */
export function avgPool(call: usize, begin: i32, end: i32): void {
  pool<Sum>(call, begin, end)
}

// @ts-ignore: decorator
@inline
function pool<F>(call: usize, begin: i32, end: i32): void {
  const args = changetype<Pool>(call)
  const mean = changetype<F>(0).mean
  const ih = args.ih, iw = args.iw, c = args.c, oh = args.oh, ow = args.ow
  const tapsH = args.tapsH, tapsW = args.tapsW
  const stepH = args.stepH, stepW = args.stepW, firstH = args.firstH, firstW = args.firstW
  const tapStepH = args.tapStepH, tapStepW = args.tapStepW
  const unitChannels = args.channels, outputs = args.outputs
  const slices = (c + unitChannels - 1) / unitChannels
  const x = args.x, y = args.y
  const pixelStride: usize = c * 4, rowStride: usize = tapStepH * iw * pixelStride
  const columns = scratch()

  for (let u = begin; u < end; u++) {
    const row = u / slices, channel = (u % slices) * unitChannels
    const channels = min(unitChannels, c - channel)
    const n = row / oh, iy = (row % oh) * stepH + firstH
    const ky = firstTap(iy, tapStepH), rows = max(0, endTap(iy, tapStepH, tapsH, ih) - ky)
    const source = x + ((n * ih + iy + ky * tapStepH) * iw * c + channel) * 4
    let to = y + (row * ow * c + channel) * 4
    let ox = 0, ix = firstW
    if (!mean && rows && outputs == 0) {
      fill(columns, channels, -Infinity)
      if (ix == 0) fold<F>(source, rows, 1, rowStride, 0, columns, channels)
      for (; ix + 3 <= iw; ix += 2, ox++, to += pixelStride) {
        next(columns, source + (ix + 1) * pixelStride, rows, rowStride, pixelStride, to, channels)
      }
    }
    while (ox < ow) {
      let from = source, last = ox + 1, rowsLeft = rows
      if (rows && outputs > 1) {
        last = min(ow, ox + outputs)
        const first = max(0, ix), end = min(iw, (last - 1) * stepW + firstW + (tapsW - 1) * tapStepW + 1)
        fold<F>(source + first * pixelStride, rows, 1, rowStride, 0, columns, ((end - first) * c + 3) & -4)
        from = columns - first * pixelStride
        rowsLeft = 1
      }
      for (; ox < last; ox++) {
        const kx = firstTap(ix, tapStepW), taps = max(0, endTap(ix, tapStepW, tapsW, iw) - kx)
        const count = rows * taps
        const window = from + (ix + kx * tapStepW) * pixelStride
        if (count == 0) fill(to, channels, mean ? 0 : -Infinity)
        else if (mean && rowsLeft * taps > POOL_BLOCK) {
          sumBlocks(window, rowsLeft, taps, rowStride, tapStepW * pixelStride, to, channels, columns)
        } else fold<F>(window, rowsLeft, taps, rowStride, tapStepW * pixelStride, to, channels)
        if (mean) {
          const lastH = ih + args.afterH, lastW = iw + args.afterW
          divide(
            to, channels,
            args.countPadding ? (min(iy + tapsH, lastH) - iy) * (min(ix + tapsW, lastW) - ix) : max(1, count),
          )
        }
        to += pixelStride
        ix += stepW
      }
    }
  }
}

/** The first tap at or after element 0 of a window that starts at element i. */
// @ts-ignore: decorator
@inline
export function firstTap(i: i32, tapStep: i32): i32 {
  return i < 0 ? (tapStep - 1 - i) / tapStep : 0
}

/** One more than the last tap before element `length`. */
// @ts-ignore: decorator
@inline
export function endTap(i: i32, tapStep: i32, taps: i32, length: i32): i32 {
  return i + (taps - 1) * tapStep < length ? taps : max(0, (length - i + tapStep - 1) / tapStep)
}

@final
class Largest {
  // @ts-ignore: decorator
  @inline get mean(): bool { return false }
  // @ts-ignore: decorator
  @inline join(a: v128, b: v128): v128 { return larger(a, b) }
}

@final
class Sum {
  // @ts-ignore: decorator
  @inline get mean(): bool { return true }
  // @ts-ignore: decorator
  @inline join(a: v128, b: v128): v128 { return f32x4.add(a, b) }
}

/** The three taps of a window's column. */
// @ts-ignore: decorator
@inline
function column(x: usize, row1: usize, row2: usize): v128 {
  return larger(larger(v128.load(x), v128.load(x + row1)), v128.load(x + row2))
}

/**
 * A window whose second column is at x. The largest of its first is in `kept`, where that of its third goes:
 * the first of the window two columns on. At the edge a row is taken twice.
 */
function next(
  kept: usize, x: usize, rows: i32, rowStride: usize, pixelStride: usize, y: usize, channels: i32,
): void {
  const row1: usize = rows > 1 ? rowStride : 0, row2: usize = rows > 2 ? 2 * rowStride : 0
  for (; channels > 0; channels -= 8) {
    const b0 = column(x, row1, row2), c0 = column(x + pixelStride, row1, row2)
    const b1 = column(x + 16, row1, row2), c1 = column(x + pixelStride + 16, row1, row2)
    v128.store(y, larger(larger(v128.load(kept), b0), c0))
    v128.store(kept, c0)
    v128.store(y, larger(larger(v128.load(kept, 16), b1), c1), 16)
    v128.store(kept, c1, 16)
    kept += 32
    x += 32
    y += 32
  }
}

/**
 * y[i] = largest or sum over a window's taps of x[i + ky * rowStride + kx * tapStride], of `count` floats.
 */
function fold<F>(
  x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, y: usize, count: i32,
): void {
  const back = rowStride - (columns - 1) * tapStride
  for (; count >= 16; count -= 16) {
    let m0 = v128.load(x), m1 = v128.load(x, 16), m2 = v128.load(x, 32), m3 = v128.load(x, 48)
    let p = x, column = columns, row = rows
    while (true) {
      if (--column) p += tapStride
      else if (--row) {
        column = columns
        p += back
      } else break
      m0 = changetype<F>(0).join(m0, v128.load(p))
      m1 = changetype<F>(0).join(m1, v128.load(p, 16))
      m2 = changetype<F>(0).join(m2, v128.load(p, 32))
      m3 = changetype<F>(0).join(m3, v128.load(p, 48))
    }
    v128.store(y, m0)
    v128.store(y, m1, 16)
    v128.store(y, m2, 32)
    v128.store(y, m3, 48)
    x += 64
    y += 64
  }
  for (; count > 0; count -= 4) {
    let m = v128.load(x)
    let p = x, column = columns, row = rows
    while (true) {
      if (--column) p += tapStride
      else if (--row) {
        column = columns
        p += back
      } else break
      m = changetype<F>(0).join(m, v128.load(p))
    }
    storeLanes(y, m, min(4, count))
    x += 16
    y += 16
  }
}

/**
 * y = sums of more than POOL_BLOCK taps, to POOL_BLOCK eps of the sum of magnitudes. totals: room for `count`
 * float64.
 */
function sumBlocks(
  x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, y: usize, count: i32, totals: usize,
): void {
  memory.fill(totals, 0, count * 8)
  const step = max(1, POOL_BLOCK / columns)
  for (let row = 0; row < rows; row += step) {
    for (let column = 0; column < columns; column += POOL_BLOCK) {
      fold<Sum>(
        x + row * rowStride + column * tapStride, min(step, rows - row), min(POOL_BLOCK, columns - column),
        rowStride, tapStride, y, count,
      )
      for (let i = 0; i < count; i++) {
        const total = totals + i * 8
        store<f64>(total, load<f64>(total) + load<f32>(y + i * 4))
      }
    }
  }
  for (let i = 0; i < count; i++) store<f32>(y + i * 4, <f32>load<f64>(totals + i * 8))
}

function divide(y: usize, count: i32, by: i32): void {
  const divisor = f32x4.splat(<f32>by)
  for (; count > 0; count -= 4, y += 16) storeLanes(y, f32x4.div(v128.load(y), divisor), min(4, count))
}

function fill(y: usize, count: i32, value: f32): void {
  for (; count > 0; count--, y += 4) store<f32>(y, value)
}
