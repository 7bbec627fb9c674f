/**
 * Depthwise convolution of 8-bit integers: one filter per channel, exact in sums of 32 bits.
 *
 *   sum[oy][ox][c] = b[c] + sum over ky, kx of (x[oy * stride - before + ky * dilation][ox * stride -
 *   before + kx *
 *   dilation][c] - zero of x) * (w[ky][kx][c] - zero of w[c]);  then as in dense/int8.ts
 *
 * A tile is 4 neighbouring outputs of a row x 8 channels. Taps go in pairs as they come, whose bytes stand
 * side by side as 16 bits for `i32x4.dot_i16x8_s`. Tiles that cross an edge read a copy, with zero points
 * where there is nothing; rows above and below are one row of them. This is for windows that rows.ts does
 * not take.
 *
 * Weights: sums i32[8] of each 8 channels | for each 8 channels, for each pair: i16[4][2], i16[4][2]
 *
 * scratch: finishes [channels / 8][32] | row of zero points [iw][c] | rows [kh] | taps [kh * kw + 1] |
 * patch [kh][columns][c]
 */
import { scratch } from '../arguments'
import { Finish, Igemm8 } from '../abi'
import { copyBytes } from '../copy'
import { startSums, zeroOf } from '../dense/int8'
import { FINISH_BYTES, QUICK, isOfBytes, quickBytes, quicken, storeIntegers } from '../quantize'

/** Outputs of a tile. */
const TILE: i32 = 4

// @ts-ignore: decorator
@inline
function eight(signed: bool, p: usize): v128 {
  return signed ? v128.load8x8_s(p) : v128.load8x8_u(p)
}

/** Channels 0 to 3 of two pixels side by side. */
// @ts-ignore: decorator
@inline
function low(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
}

/** Channels 4 to 7. */
// @ts-ignore: decorator
@inline
function high(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
}

/**
 * 4 outputs of all channels, by the addresses of pairs of taps. The exits on negative i are never taken: see
 * dense/tile.ts.
 */
function anyWindow(
  args: Igemm8, signed: bool, taps: usize, pairs: i32, step: usize, w: usize, finish: usize, y: usize,
): void {
  let xOffset: usize = 0
  for (let left = args.ic; left > 0; left -= 8) {
    let l0 = v128.load(finish), h0 = v128.load(finish, 16), l1 = l0, h1 = h0, l2 = l0, h2 = h0, l3 = l0,
      h3 = h0
    let at = taps
    for (let i = pairs; i; i--) {
      let a = load<usize>(at) + xOffset, b = load<usize>(at, 4) + xOffset
      const wl = v128.load(w), wh = v128.load(w, 16)
      at += 8
      w += 32
      { const d = eight(signed, a), e = eight(signed, b)
        l0 = i32x4.add(l0, i32x4.dot_i16x8_s(low(d, e), wl))
        h0 = i32x4.add(h0, i32x4.dot_i16x8_s(high(d, e), wh)) }
      a += step; b += step
      if (i == -1) break
      { const d = eight(signed, a), e = eight(signed, b)
        l1 = i32x4.add(l1, i32x4.dot_i16x8_s(low(d, e), wl))
        h1 = i32x4.add(h1, i32x4.dot_i16x8_s(high(d, e), wh)) }
      a += step; b += step
      if (i == -2) break
      { const d = eight(signed, a), e = eight(signed, b)
        l2 = i32x4.add(l2, i32x4.dot_i16x8_s(low(d, e), wl))
        h2 = i32x4.add(h2, i32x4.dot_i16x8_s(high(d, e), wh)) }
      a += step; b += step
      if (i == -3) break
      { const d = eight(signed, a), e = eight(signed, b)
        l3 = i32x4.add(l3, i32x4.dot_i16x8_s(low(d, e), wl))
        h3 = i32x4.add(h3, i32x4.dot_i16x8_s(high(d, e), wh)) }
    }
    const outBytes: usize = isOfBytes(finish) ? 1 : 4, yStride: usize = args.ic * outBytes
    const pixels = min(args.ow, TILE)
    if (left >= 8 && load<i32>(finish, 112) == QUICK) {
      const f0 = v128.load(finish, 32), f1 = v128.load(finish, 48), zero = v128.load(finish, 96)
      const least = v128.load16_splat(finish, 116), most = v128.load16_splat(finish, 118)
      v128.store64_lane(y, quickBytes(l0, h0, f0, f1, zero, least, most), 0)
      if (pixels > 1) v128.store64_lane(y + yStride, quickBytes(l1, h1, f0, f1, zero, least, most), 0)
      if (pixels > 2) v128.store64_lane(y + 2 * yStride, quickBytes(l2, h2, f0, f1, zero, least, most), 0)
      if (pixels > 3) v128.store64_lane(y + 3 * yStride, quickBytes(l3, h3, f0, f1, zero, least, most), 0)
    } else {
      const channels = min(8, left)
      storeIntegers(finish, y, l0, h0, channels)
      if (pixels > 1) storeIntegers(finish, y + yStride, l1, h1, channels)
      if (pixels > 2) storeIntegers(finish, y + 2 * yStride, l2, h2, channels)
      if (pixels > 3) storeIntegers(finish, y + 3 * yStride, l3, h3, channels)
    }
    y += 8 * outBytes
    finish += FINISH_BYTES
    xOffset += 8
  }
}

/** Unit: `pixels` output rows of one image. */
export function depthwise8(call: usize, begin: i32, end: i32): void {
  const args = changetype<Igemm8>(call)
  const ih = args.ih, iw = args.iw, oh = args.oh, ow = args.ow, c = args.ic
  const kh = args.tapsH, kw = args.tapsW, stepH = args.inStepH, stepW = args.inStepW
  const dilationH = args.tapStepH, dilationW = args.tapStepW, firstH = args.tapFirstH, firstW = args.tapFirstW
  const signed = <bool>args.signed, unitRows = args.pixels, bands = (oh + unitRows - 1) / unitRows
  const vectors = (c + 7) / 8, pairs = (kh * kw + 1) / 2
  const columns = (TILE - 1) * stepW + (kw - 1) * dilationW + 1
  const heads = args.w, w = heads + vectors * 32, zero = zeroOf(args)
  const yPixel: usize = c * (args.finish == Finish.bytes ? 1 : 4)
  const xRow: usize = iw * c

  const finishes = scratch(), blank = finishes + vectors * FINISH_BYTES
  const rows = blank + ((xRow + 31) & ~15), taps = rows + ((kh * 4 + 15) & ~15)
  const patch = taps + ((kh * kw * 4 + 4 + 15) & ~15), patchRow: usize = columns * c
  const patchRows = rows
  let started = false

  for (let u = begin; u < end; u++) {
    if (!started) {
      startSums(args, zero, finishes, heads, 32, vectors, c)
      if (args.finish == Finish.bytes) quicken(finishes, vectors, kh * kw, <i32>args.low, <i32>args.high)
      memory.fill(blank, <u8>zero, xRow + 16)
      started = true
    }
    const n = u / bands, row0 = u % bands * unitRows
    for (let oy = row0; oy < min(oh, row0 + unitRows); oy++) {
      for (let rest = ow; rest > 0; rest -= TILE) {
        // The last tile of a row starts early, so that it ends with the row.
        const ox = max(0, min(ow - rest, ow - TILE)), ix = ox * stepW + firstW
        const isInside = ix >= 0 && ix + columns <= iw
        for (let ky = 0; ky < kh; ky++) {
          const iy = oy * stepH + firstH + ky * dilationH
          let from = <u32>iy < <u32>ih ? args.x + (n * ih + iy) * xRow : blank
          if (isInside) from += ix * c
          else {
            const to = patch + ky * patchRow, x0 = max(0, ix), x1 = min(iw, ix + columns)
            memory.fill(to, <u8>zero, patchRow)
            if (x1 > x0) copyBytes(from + x0 * c, to + (x0 - ix) * c, (x1 - x0) * c)
            from = to
          }
          store<usize>(patchRows + ky * 4, from)
        }
        pointTaps(kh, kw, dilationW * c, rows, taps)
        anyWindow(args, signed, taps, pairs, stepW * c, w, finishes,
          args.y + ((n * oh + oy) * ow + ox) * yPixel)
      }
    }
  }
}

/** The addresses of taps in pairs; one that is not there meets a weight of 0. */
function pointTaps(kh: i32, kw: i32, step: usize, rows: usize, to: usize): void {
  for (let i = 0; i < (kh * kw + 1) / 2 * 2; i++) {
    const t = i < kh * kw ? i : 0
    store<usize>(to + i * 4, load<usize>(rows + t / kw * 4) + t % kw * step)
  }
}
