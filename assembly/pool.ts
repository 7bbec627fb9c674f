/**
 * Pooling: the largest value or the mean under a window that slides, each channel by itself.
 *
 *   y[n][oy][ox][c] = max or mean over taps ky, kx of x[n][oy * stepH + firstH + ky * tapStepH][ox * stepW + firstW + kx * tapStepW][c]
 *
 * Taps outside of x are left out. Loads may reach up to three floats beyond a pixel; the lanes are not stored.
 */
import { address, word } from './arguments'
import { Pool } from './calls'
import { storePart } from './simd'

/** Unit: one output row, `channels` channels of it; units of the same row are neighbours. NaN wins; nothing but padding gives -infinity. */
export function maxPool(call: usize, begin: i32, end: i32): void {
  pool<Largest>(call, begin, end)
}

/** Unit: as of maxPool. Divides by the taps in x, with `countPadding` by those in x and its padding; nothing but padding gives 0. */
export function avgPool(call: usize, begin: i32, end: i32): void {
  pool<Mean>(call, begin, end)
}

// @ts-ignore: decorator
@inline
function pool<F>(call: usize, begin: i32, end: i32): void {
  const ih = word(call, Pool.ih), iw = word(call, Pool.iw), c = word(call, Pool.c), oh = word(call, Pool.oh), ow = word(call, Pool.ow)
  const tapsH = word(call, Pool.tapsH), tapsW = word(call, Pool.tapsW)
  const stepH = word(call, Pool.stepH), stepW = word(call, Pool.stepW), firstH = word(call, Pool.firstH), firstW = word(call, Pool.firstW)
  const tapStepH = word(call, Pool.tapStepH), tapStepW = word(call, Pool.tapStepW)
  const lastH = ih + word(call, Pool.afterH), lastW = iw + word(call, Pool.afterW)
  const countPadding = word(call, Pool.countPadding)
  const unitChannels = word(call, Pool.channels)
  const slices = (c + unitChannels - 1) / unitChannels
  const x = address(call, Pool.x), y = address(call, Pool.y)
  const rowStride: usize = tapStepH * iw * c * 4, tapStride: usize = tapStepW * c * 4

  for (let u = begin; u < end; u++) {
    const row = u / slices, channel = (u % slices) * unitChannels
    const channels = min(unitChannels, c - channel)
    const n = row / oh, iy = (row % oh) * stepH + firstH
    const ky = firstTap(iy, tapStepH), rows = max(0, endTap(iy, tapStepH, tapsH, ih) - ky)
    const source = x + ((n * ih + iy + ky * tapStepH) * iw * c + channel) * 4
    let to = y + (row * ow * c + channel) * 4
    for (let ox = 0, ix = firstW; ox < ow; ox++, ix += stepW) {
      const kx = firstTap(ix, tapStepW), columns = max(0, endTap(ix, tapStepW, tapsW, iw) - kx)
      const counted = countPadding ? (min(iy + tapsH, lastH) - iy) * (min(ix + tapsW, lastW) - ix) : max(1, rows * columns)
      const from = source + (ix + kx * tapStepW) * c * 4
      let i = 0
      for (; i + 16 <= channels; i += 16) changetype<F>(0).pool16(from + i * 4, rows, columns, rowStride, tapStride, counted, to + i * 4)
      for (; i < channels; i += 4) changetype<F>(0).pool4(from + i * 4, rows, columns, rowStride, tapStride, counted, to + i * 4, channels - i)
      to += c * 4
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

@final class Largest {
  @inline pool16(x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, counted: i32, y: usize): void {
    largest16(x, rows, columns, rowStride, tapStride, y)
  }
  @inline pool4(x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, counted: i32, y: usize, channels: i32): void {
    largest4(x, rows, columns, rowStride, tapStride, y, channels)
  }
}

@final class Mean {
  @inline pool16(x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, counted: i32, y: usize): void {
    mean16(x, rows, columns, rowStride, tapStride, counted, y)
  }
  @inline pool4(x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, counted: i32, y: usize, channels: i32): void {
    mean4(x, rows, columns, rowStride, tapStride, counted, y, channels)
  }
}

/** 4 or 16 channels under one window; of 4, the first `channels` are stored. pmax keeps -infinity beside a NaN, so NaNs are collected apart: all bits set is one. */
// @ts-ignore: decorator
@inline
function largest(wide: bool, x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, y: usize, channels: i32): void {
  let m0 = f32x4.splat(-Infinity), m1 = m0, m2 = m0, m3 = m0
  let nan0 = i32x4.splat(0), nan1 = nan0, nan2 = nan0, nan3 = nan0
  for (; rows; rows--) {
    let p = x
    for (let t = columns; t; t--) {
      { const v = v128.load(p); m0 = f32x4.pmax(m0, v); nan0 = v128.or(nan0, f32x4.ne(v, v)) }
      if (wide) {
        { const v = v128.load(p, 16); m1 = f32x4.pmax(m1, v); nan1 = v128.or(nan1, f32x4.ne(v, v)) }
        { const v = v128.load(p, 32); m2 = f32x4.pmax(m2, v); nan2 = v128.or(nan2, f32x4.ne(v, v)) }
        { const v = v128.load(p, 48); m3 = f32x4.pmax(m3, v); nan3 = v128.or(nan3, f32x4.ne(v, v)) }
      }
      p += tapStride
    }
    x += rowStride
  }
  if (channels < 4) return storePart(y, v128.or(m0, nan0), channels)
  v128.store(y, v128.or(m0, nan0))
  if (wide) {
    v128.store(y, v128.or(m1, nan1), 16)
    v128.store(y, v128.or(m2, nan2), 32)
    v128.store(y, v128.or(m3, nan3), 48)
  }
}

function largest16(x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, y: usize): void {
  largest(true, x, rows, columns, rowStride, tapStride, y, 16)
}

function largest4(x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, y: usize, channels: i32): void {
  largest(false, x, rows, columns, rowStride, tapStride, y, channels)
}

/** Taps are summed in float32 this many at a time, and those sums in float64: the error of any window is at most 64 eps of the sum of magnitudes. */
const BLOCK: i32 = 64

// @ts-ignore: decorator
@inline
function addLow(total: v128, v: v128): v128 {
  return f64x2.add(total, f64x2.promote_low_f32x4(v))
}

// @ts-ignore: decorator
@inline
function addHigh(total: v128, v: v128): v128 {
  return f64x2.add(total, f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 0, 1)))
}

// @ts-ignore: decorator
@inline
function joined(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5)
}

// @ts-ignore: decorator
@inline
function mean(wide: bool, x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, counted: i32, y: usize, channels: i32): void {
  const zero = f32x4.splat(0)
  let s0 = zero, s1 = zero, s2 = zero, s3 = zero
  let low0 = zero, low1 = zero, low2 = zero, low3 = zero, high0 = zero, high1 = zero, high2 = zero, high3 = zero
  let room = BLOCK
  const blocks = rows * columns > BLOCK
  for (; rows; rows--) {
    let p = x
    for (let left = columns; left; ) {
      const taps = min(left, room)
      for (let t = taps; t; t--) {
        s0 = f32x4.add(s0, v128.load(p))
        if (wide) {
          s1 = f32x4.add(s1, v128.load(p, 16))
          s2 = f32x4.add(s2, v128.load(p, 32))
          s3 = f32x4.add(s3, v128.load(p, 48))
        }
        p += tapStride
      }
      left -= taps
      room -= taps
      if (!room) {
        room = BLOCK
        if (blocks) {
          low0 = addLow(low0, s0); high0 = addHigh(high0, s0); s0 = zero
          if (wide) {
            low1 = addLow(low1, s1); high1 = addHigh(high1, s1); s1 = zero
            low2 = addLow(low2, s2); high2 = addHigh(high2, s2); s2 = zero
            low3 = addLow(low3, s3); high3 = addHigh(high3, s3); s3 = zero
          }
        }
      }
    }
    x += rowStride
  }
  if (blocks) {
    s0 = joined(addLow(low0, s0), addHigh(high0, s0))
    if (wide) {
      s1 = joined(addLow(low1, s1), addHigh(high1, s1))
      s2 = joined(addLow(low2, s2), addHigh(high2, s2))
      s3 = joined(addLow(low3, s3), addHigh(high3, s3))
    }
  }
  const divisor = f32x4.splat(<f32>counted)
  if (channels < 4) return storePart(y, f32x4.div(s0, divisor), channels)
  v128.store(y, f32x4.div(s0, divisor))
  if (wide) {
    v128.store(y, f32x4.div(s1, divisor), 16)
    v128.store(y, f32x4.div(s2, divisor), 32)
    v128.store(y, f32x4.div(s3, divisor), 48)
  }
}

function mean16(x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, counted: i32, y: usize): void {
  mean(true, x, rows, columns, rowStride, tapStride, counted, y, 16)
}

function mean4(x: usize, rows: i32, columns: i32, rowStride: usize, tapStride: usize, counted: i32, y: usize, channels: i32): void {
  mean(false, x, rows, columns, rowStride, tapStride, counted, y, channels)
}
