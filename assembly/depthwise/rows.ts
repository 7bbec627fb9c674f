/**
 * Depthwise convolution of 8-bit integers under windows 3 or 5 wide, at strides of 1 and 2: the sums of
 * int8.ts.
 *
 * Rows of the input, in pairs from an even one on, come into a ring: two rows' pixels of a column stand side
 * by side as 16 bits for `i32x4.dot_i16x8_s`, in planes of 4 channels: [c / 4][columns][4][2], the padding
 * with them. Each pair of rows is brought there once, for all rows of outputs that see it; a window that
 * starts at an odd row meets weights that stand a row lower. Where the host has a byte dot product, they are
 * four rows' bytes from a multiple of four on.
 *
 * A tile is 7 neighbouring outputs of a row x 4 channels, over one group of rows after the other: the weights
 * of a group stay in registers, and each column is loaded once for all outputs that see it.
 *
 * Weights: for each 8 channels sums i32[8], sums of magnitudes i32[8] | for each 4 channels, for each first
 * row in a group, for each group, for each column of the window: i16[4][2] or i8[4][4]
 *
 * scratch: rows [16] | sums [7][8] | finishes [c / 8][32] | ends [c / 8][2][20] | held [8] | blank row |
 * ring [groups][c / 8 * 2] planes
 */
import { scratch } from '../arguments'
import { Finish, Igemm8 } from '../abi'
import { startSums, zeroOf } from '../dense/int8'
import { FINISH_BYTES, MAGIC, storeIntegers } from '../quantize'
import { FUSED } from '../simd'
import { groupsOf } from './pack8'

/** Outputs of a tile. */
const TILE: i32 = 7

/** How sums of 4 channels become bytes: first sums | factors | zero | span | low, and whether it holds. */
const END_BYTES: usize = 80

/** Sums times factors of less can be rounded without bounds before. */
const NEAR: f32 = 2097152

/** The width of a window, its stride, and whether a group of rows is four bytes. */
// @ts-ignore: decorator
@final class Three { @inline size(): i32 { return 3 } @inline stride(): i32 { return 1 }
  @inline words(): bool { return false } }
// @ts-ignore: decorator
@final class ThreeBy2 { @inline size(): i32 { return 3 } @inline stride(): i32 { return 2 }
  @inline words(): bool { return false } }
// @ts-ignore: decorator
@final class Five { @inline size(): i32 { return 5 } @inline stride(): i32 { return 1 }
  @inline words(): bool { return false } }
// @ts-ignore: decorator
@final class FiveBy2 { @inline size(): i32 { return 5 } @inline stride(): i32 { return 2 }
  @inline words(): bool { return false } }
// @ts-ignore: decorator
@final class WordsThree { @inline size(): i32 { return 3 } @inline stride(): i32 { return 1 }
  @inline words(): bool { return true } }
// @ts-ignore: decorator
@final class WordsThreeBy2 { @inline size(): i32 { return 3 } @inline stride(): i32 { return 2 }
  @inline words(): bool { return true } }
// @ts-ignore: decorator
@final class WordsFive { @inline size(): i32 { return 5 } @inline stride(): i32 { return 1 }
  @inline words(): bool { return true } }
// @ts-ignore: decorator
@final class WordsFiveBy2 { @inline size(): i32 { return 5 } @inline stride(): i32 { return 2 }
  @inline words(): bool { return true } }

/** The weights of tap t; any where there is no such tap. */
// @ts-ignore: decorator
@inline
function weight(t: i32, w0: v128, w1: v128, w2: v128, w3: v128, w4: v128): v128 {
  return t == 0 ? w0 : t == 1 ? w1 : t == 2 ? w2 : t == 3 ? w3 : w4
}

/** c and what a column adds to it under tap `t` of K; nothing where there is no such tap. */
// @ts-ignore: decorator
@inline
function tap(words: bool, K: i32, t: i32, d: v128, w: v128, c: v128): v128 {
  if (t < 0 || t >= K) return c
  return FUSED && words ? i32x4.relaxed_dot_i8x16_i7x16_add_s(w, d, c) : i32x4.add(c, i32x4.dot_i16x8_s(d, w))
}

/**
 * `count` outputs (7 at least) of a row, of 4 channels, from `groups` groups of rows: as bytes at y, or (y is
 * 0) 7 as sums at yStride, 32 bytes apart. The exits on negative `left` are never taken: see dense/tile.ts.
 */
function tiles<W>(
  rows: usize, offset: usize, groups: i32, weights: usize, end: usize, y: usize, yStride: usize, count: i32,
): void {
  const K = changetype<W>(0).size(), S = changetype<W>(0).stride(), words = changetype<W>(0).words()
  const last = 6 * S + K
  while (true) {
    let c0 = v128.load(end), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0
    let row = rows, w = weights
    for (let left = groups; left > 0; left--) {
      const x = load<usize>(row) + offset
      const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32)
      const w3 = K > 3 ? v128.load(w, 48) : w2, w4 = K > 3 ? v128.load(w, 64) : w2
      row += 4
      w += K * 16
      { const d = v128.load(x)
        c0 = tap(words, K, 0 - 0 * S, d, weight(0 - 0 * S, w0, w1, w2, w3, w4), c0) }
      { const d = v128.load(x, 16)
        c0 = tap(words, K, 1 - 0 * S, d, weight(1 - 0 * S, w0, w1, w2, w3, w4), c0)
        c1 = tap(words, K, 1 - 1 * S, d, weight(1 - 1 * S, w0, w1, w2, w3, w4), c1) }
      if (left == -5002) break
      { const d = v128.load(x, 32)
        c0 = tap(words, K, 2 - 0 * S, d, weight(2 - 0 * S, w0, w1, w2, w3, w4), c0)
        c1 = tap(words, K, 2 - 1 * S, d, weight(2 - 1 * S, w0, w1, w2, w3, w4), c1)
        c2 = tap(words, K, 2 - 2 * S, d, weight(2 - 2 * S, w0, w1, w2, w3, w4), c2) }
      { const d = v128.load(x, 48)
        c0 = tap(words, K, 3 - 0 * S, d, weight(3 - 0 * S, w0, w1, w2, w3, w4), c0)
        c1 = tap(words, K, 3 - 1 * S, d, weight(3 - 1 * S, w0, w1, w2, w3, w4), c1)
        c2 = tap(words, K, 3 - 2 * S, d, weight(3 - 2 * S, w0, w1, w2, w3, w4), c2)
        c3 = tap(words, K, 3 - 3 * S, d, weight(3 - 3 * S, w0, w1, w2, w3, w4), c3) }
      if (left == -5004) break
      { const d = v128.load(x, 64)
        c0 = tap(words, K, 4 - 0 * S, d, weight(4 - 0 * S, w0, w1, w2, w3, w4), c0)
        c1 = tap(words, K, 4 - 1 * S, d, weight(4 - 1 * S, w0, w1, w2, w3, w4), c1)
        c2 = tap(words, K, 4 - 2 * S, d, weight(4 - 2 * S, w0, w1, w2, w3, w4), c2)
        c3 = tap(words, K, 4 - 3 * S, d, weight(4 - 3 * S, w0, w1, w2, w3, w4), c3)
        c4 = tap(words, K, 4 - 4 * S, d, weight(4 - 4 * S, w0, w1, w2, w3, w4), c4) }
      { const d = v128.load(x, 80)
        c1 = tap(words, K, 5 - 1 * S, d, weight(5 - 1 * S, w0, w1, w2, w3, w4), c1)
        c2 = tap(words, K, 5 - 2 * S, d, weight(5 - 2 * S, w0, w1, w2, w3, w4), c2)
        c3 = tap(words, K, 5 - 3 * S, d, weight(5 - 3 * S, w0, w1, w2, w3, w4), c3)
        c4 = tap(words, K, 5 - 4 * S, d, weight(5 - 4 * S, w0, w1, w2, w3, w4), c4)
        c5 = tap(words, K, 5 - 5 * S, d, weight(5 - 5 * S, w0, w1, w2, w3, w4), c5) }
      if (left == -5006) break
      { const d = v128.load(x, 96)
        c1 = tap(words, K, 6 - 1 * S, d, weight(6 - 1 * S, w0, w1, w2, w3, w4), c1)
        c2 = tap(words, K, 6 - 2 * S, d, weight(6 - 2 * S, w0, w1, w2, w3, w4), c2)
        c3 = tap(words, K, 6 - 3 * S, d, weight(6 - 3 * S, w0, w1, w2, w3, w4), c3)
        c4 = tap(words, K, 6 - 4 * S, d, weight(6 - 4 * S, w0, w1, w2, w3, w4), c4)
        c5 = tap(words, K, 6 - 5 * S, d, weight(6 - 5 * S, w0, w1, w2, w3, w4), c5)
        c6 = tap(words, K, 6 - 6 * S, d, weight(6 - 6 * S, w0, w1, w2, w3, w4), c6) }
      { const d = v128.load(x, 112)
        c2 = tap(words, K, 7 - 2 * S, d, weight(7 - 2 * S, w0, w1, w2, w3, w4), c2)
        c3 = tap(words, K, 7 - 3 * S, d, weight(7 - 3 * S, w0, w1, w2, w3, w4), c3)
        c4 = tap(words, K, 7 - 4 * S, d, weight(7 - 4 * S, w0, w1, w2, w3, w4), c4)
        c5 = tap(words, K, 7 - 5 * S, d, weight(7 - 5 * S, w0, w1, w2, w3, w4), c5)
        c6 = tap(words, K, 7 - 6 * S, d, weight(7 - 6 * S, w0, w1, w2, w3, w4), c6) }
      if (left == -5008) break
      { const d = v128.load(x, 128)
        c2 = tap(words, K, 8 - 2 * S, d, weight(8 - 2 * S, w0, w1, w2, w3, w4), c2)
        c3 = tap(words, K, 8 - 3 * S, d, weight(8 - 3 * S, w0, w1, w2, w3, w4), c3)
        c4 = tap(words, K, 8 - 4 * S, d, weight(8 - 4 * S, w0, w1, w2, w3, w4), c4)
        c5 = tap(words, K, 8 - 5 * S, d, weight(8 - 5 * S, w0, w1, w2, w3, w4), c5)
        c6 = tap(words, K, 8 - 6 * S, d, weight(8 - 6 * S, w0, w1, w2, w3, w4), c6) }
      if (last > 9) { const d = v128.load(x, 144)
        c3 = tap(words, K, 9 - 3 * S, d, weight(9 - 3 * S, w0, w1, w2, w3, w4), c3)
        c4 = tap(words, K, 9 - 4 * S, d, weight(9 - 4 * S, w0, w1, w2, w3, w4), c4)
        c5 = tap(words, K, 9 - 5 * S, d, weight(9 - 5 * S, w0, w1, w2, w3, w4), c5)
        c6 = tap(words, K, 9 - 6 * S, d, weight(9 - 6 * S, w0, w1, w2, w3, w4), c6) }
      if (last > 10 && left == -5010) break
      if (last > 10) { const d = v128.load(x, 160)
        c3 = tap(words, K, 10 - 3 * S, d, weight(10 - 3 * S, w0, w1, w2, w3, w4), c3)
        c4 = tap(words, K, 10 - 4 * S, d, weight(10 - 4 * S, w0, w1, w2, w3, w4), c4)
        c5 = tap(words, K, 10 - 5 * S, d, weight(10 - 5 * S, w0, w1, w2, w3, w4), c5)
        c6 = tap(words, K, 10 - 6 * S, d, weight(10 - 6 * S, w0, w1, w2, w3, w4), c6) }
      if (last > 11) { const d = v128.load(x, 176)
        c4 = tap(words, K, 11 - 4 * S, d, weight(11 - 4 * S, w0, w1, w2, w3, w4), c4)
        c5 = tap(words, K, 11 - 5 * S, d, weight(11 - 5 * S, w0, w1, w2, w3, w4), c5) }
      if (last > 12 && left == -5012) break
      if (last > 12) { const d = v128.load(x, 192)
        c4 = tap(words, K, 12 - 4 * S, d, weight(12 - 4 * S, w0, w1, w2, w3, w4), c4)
        c5 = tap(words, K, 12 - 5 * S, d, weight(12 - 5 * S, w0, w1, w2, w3, w4), c5)
        c6 = tap(words, K, 12 - 6 * S, d, weight(12 - 6 * S, w0, w1, w2, w3, w4), c6) }
      if (last > 13) { const d = v128.load(x, 208)
        c5 = tap(words, K, 13 - 5 * S, d, weight(13 - 5 * S, w0, w1, w2, w3, w4), c5)
        c6 = tap(words, K, 13 - 6 * S, d, weight(13 - 6 * S, w0, w1, w2, w3, w4), c6) }
      if (last > 14 && left == -5014) break
      if (last > 14) { const d = v128.load(x, 224)
        c5 = tap(words, K, 14 - 5 * S, d, weight(14 - 5 * S, w0, w1, w2, w3, w4), c5)
        c6 = tap(words, K, 14 - 6 * S, d, weight(14 - 6 * S, w0, w1, w2, w3, w4), c6) }
      if (last > 15) { const d = v128.load(x, 240)
        c6 = tap(words, K, 15 - 6 * S, d, weight(15 - 6 * S, w0, w1, w2, w3, w4), c6) }
      if (last > 16 && left == -5016) break
      if (last > 16) { const d = v128.load(x, 256)
        c6 = tap(words, K, 16 - 6 * S, d, weight(16 - 6 * S, w0, w1, w2, w3, w4), c6) }
    }
    if (!y) {
      v128.store(yStride, c0); v128.store(yStride, c1, 32); v128.store(yStride, c2, 64)
      v128.store(yStride, c3, 96); v128.store(yStride, c4, 128); v128.store(yStride, c5, 160)
      v128.store(yStride, c6, 192)
      return
    }
    const factor = v128.load(end, 16), zero = v128.load(end, 32), magic = v128.load(rows, 48)
    const span = v128.load(end, 48), low = v128.load(end, 64)
    const p = bounded(nearest(c0, c1, factor, magic, zero), nearest(c2, c3, factor, magic, zero), span, low)
    let to = y
    v128.store32_lane(to, p, 0)
    v128.store32_lane(to += yStride, p, 1)
    v128.store32_lane(to += yStride, p, 2)
    v128.store32_lane(to += yStride, p, 3)
    const q = bounded(nearest(c4, c5, factor, magic, zero), nearest(c6, c6, factor, magic, zero), span, low)
    v128.store32_lane(to += yStride, q, 0)
    v128.store32_lane(to += yStride, q, 1)
    v128.store32_lane(to += yStride, q, 2)
    count -= TILE
    if (count <= 0) return
    // The last tile of a row starts early, so that it ends with the row.
    const step = min(count, TILE)
    offset += step * S * 16
    y += step * yStride
  }
}

/** Sums of two pixels as what they round to, plus zero, of 16 bits. */
// @ts-ignore: decorator
@inline
function nearest(a: v128, b: v128, factor: v128, magic: v128, zero: v128): v128 {
  const p = i32x4.add(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(a), factor), magic), zero)
  const q = i32x4.add(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(b), factor), magic), zero)
  return i16x8.narrow_i32x4_s(p, q)
}

/** 16 of them as bytes: they are less `low`, so that what is too little is 0. */
// @ts-ignore: decorator
@inline
function bounded(a: v128, b: v128, span: v128, low: v128): v128 {
  return i8x16.add(i8x16.min_u(i8x16.narrow_i16x8_u(a, b), span), low)
}

/** Whether no input brings sums of 8 channels near where adding MAGIC fails; then how they end. */
function isQuick(args: Igemm8, finish: usize, head: usize, end: usize): bool {
  const low = <i32>args.low, high = <i32>args.high
  let fits = args.finish == Finish.bytes
  for (let half: usize = 0; half < 32; half += 16) {
    const start = v128.load(finish + half), factor = v128.load(finish + half, 32)
    const size = f32x4.mul(f32x4.convert_i32x4_s(v128.load(head + half, 32)), f32x4.splat(255))
    const reach = f32x4.mul(f32x4.add(f32x4.abs(f32x4.convert_i32x4_s(start)), size), factor)
    fits = fits && i32x4.all_true(f32x4.lt(reach, f32x4.splat(NEAR)))
    v128.store(end, start)
    v128.store(end, factor, 16)
    v128.store(end, i32x4.splat(args.yZero - low - reinterpret<i32>(MAGIC)), 32)
    v128.store(end, i8x16.splat(<i8>(high - low)), 48)
    v128.store(end, i8x16.splat(<i8>low), 64)
    end += END_BYTES
  }
  return fits
}

/** 8 channels of two pixels side by side as 16 bits. */
// @ts-ignore: decorator
@inline
function storePair(signed: bool, a: usize, b: usize, to: usize, plane: usize): void {
  const p = signed ? v128.load8x8_s(a) : v128.load8x8_u(a), q = signed ? v128.load8x8_s(b) : v128.load8x8_u(b)
  v128.store(to, v128.shuffle<i16>(p, q, 0, 8, 1, 9, 2, 10, 3, 11))
  v128.store(to + plane, v128.shuffle<i16>(p, q, 4, 12, 5, 13, 6, 14, 7, 15))
}

/** Two rows' pixels side by side, in planes of 4 channels. */
// @ts-ignore: decorator
@inline
function bringPair(signed: bool, a: usize, b: usize, to: usize, pixels: i32, c: i32, plane: usize): void {
  for (; pixels > 0; pixels--) {
    let at = to, left = c
    for (; left >= 16; left -= 16) {
      storePair(signed, a, b, at, plane)
      at += 2 * plane
      storePair(signed, a + 8, b + 8, at, plane)
      at += 2 * plane
      a += 16
      b += 16
    }
    for (; left > 0; left -= 8) {
      storePair(signed, a, b, at, plane)
      at += 2 * plane
      a += min(8, left)
      b += min(8, left)
    }
    to += 16
  }
}

/** Four rows' bytes, their top bits flipped or not. */
function bringWords(rows: usize, flips: i32, to: usize, pixels: i32, c: i32, plane: usize): void {
  let a = load<usize>(rows), b = load<usize>(rows, 4), d = load<usize>(rows, 8), e = load<usize>(rows, 12)
  const flip = i8x16.splat(flips ? -128 : 0)
  for (; pixels > 0; pixels--) {
    let at = to
    for (let left = c; left > 0; left -= 8) {
      const p = v128.shuffle<i8>(v128.load64_zero(a), v128.load64_zero(b),
        0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
      const q = v128.shuffle<i8>(v128.load64_zero(d), v128.load64_zero(e),
        0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
      v128.store(at, v128.xor(v128.shuffle<i16>(p, q, 0, 8, 1, 9, 2, 10, 3, 11), flip))
      v128.store(at + plane, v128.xor(v128.shuffle<i16>(p, q, 4, 12, 5, 13, 6, 14, 7, 15), flip))
      at += 2 * plane
      const step: usize = min(8, left)
      a += step; b += step; d += step; e += step
    }
    to += 16
  }
}

/** Unit: `pixels` output rows of one image. */
export function depthwiseRows8(call: usize, begin: i32, end: i32): void {
  const args = changetype<Igemm8>(call)
  const ih = args.ih, iw = args.iw, oh = args.oh, ow = args.ow, c = args.ic, kh = args.tapsH, kw = args.tapsW
  const firstW = args.tapFirstW, firstH = args.tapFirstH, stepH = args.inStepH, stepW = args.inStepW
  const isWords = <bool>args.bytes, each = isWords ? 4 : 2, most = groupsOf(kh, each, each - 1)
  const unitRows = args.pixels, bands = (oh + unitRows - 1) / unitRows, vectors = (c + 7) / 8
  const heads = args.w, phase: usize = most * kw * 16, half: usize = each * phase
  const isBytes = args.finish == Finish.bytes
  const yPixel: usize = c * (isBytes ? 1 : 4), xRow: usize = iw * c
  // Groups are counted from a row above all windows on.
  const above = max(0, -firstH) + 3 & ~3, keys = (above + firstH + oh * stepH + kh) / each + 1
  const columns = (max(ow, TILE) - 1) * stepW + kw
  // Planes do not lie a multiple of 128 bytes apart: their lines would crowd into few sets of a cache.
  const plane: usize = (columns * 16 + 127 & ~127) + 64, groupBytes: usize = vectors * 2 * plane

  const rows = scratch(), sums = rows + 64, finishes = sums + TILE * 32
  const ends = finishes + vectors * FINISH_BYTES, quick = ends + vectors * 2 * END_BYTES
  const held = quick + (vectors + 15 & ~15), blank = held + (most * 4 + 15 & ~15)
  const ring = blank + (xRow + 31 & ~15)
  let started = false

  for (let u = begin; u < end; u++) {
    if (!started) {
      v128.store(rows, f32x4.splat(MAGIC), 48)
      startSums(args, zeroOf(args), finishes, heads, 64, vectors, c)
      for (let v = 0; v < vectors; v++)
        store<u8>(quick + v, isQuick(args, finishes + v * FINISH_BYTES, heads + v * 64,
          ends + v * 2 * END_BYTES) && v * 8 + 8 <= c && ow >= TILE)
      memory.fill(held, 255, most * 4)
      memory.fill(blank, args.zeroAt ? load<u8>(args.zeroAt) : <u8>args.padding, xRow + 16)
      // The padding to the left and right, as pixels of it: rows leave it as it is.
      for (let g = 0; g < most; g++) {
        store<usize>(rows, blank); store<usize>(rows, blank, 4); store<usize>(rows, blank, 8)
        store<usize>(rows, blank, 12)
        for (let x = 0; x < columns; x += iw)
          bring(args, rows, ring + g * groupBytes + x * 16, min(iw, columns - x), plane)
      }
      started = true
    }
    const n = u / bands, row0 = u % bands * unitRows
    const x0 = max(0, firstW), x1 = min(iw, firstW + columns)
    for (let oy = row0; oy < min(oh, row0 + unitRows); oy++) {
      const top = oy * stepH + firstH + above, first = top / each, start = top % each
      const groups = groupsOf(kh, each, start)
      for (let g = first; g < first + groups; g++) {
        const slot = g % most, to = ring + slot * groupBytes, key = n * keys + g
        if (load<i32>(held + slot * 4) == key) continue
        store<i32>(held + slot * 4, key)
        for (let r = 0; r < each; r++) {
          const iy = g * each + r - above
          store<usize>(rows + r * 4, <u32>iy < <u32>ih ? args.x + (n * ih + iy) * xRow + x0 * c : blank)
        }
        if (x1 > x0) bring(args, rows, to + (x0 - firstW) * 16, x1 - x0, plane)
      }
      for (let g = 0; g < groups; g++) store<usize>(rows + g * 4, ring + (first + g) % most * groupBytes)
      const y = args.y + (n * oh + oy) * ow * yPixel
      for (let v = 0; v < vectors; v++) {
        const offset = 2 * v * plane, stop = ends + v * 2 * END_BYTES, to = y + v * (isBytes ? 8 : 32)
        const w = heads + vectors * 64 + (2 * v) * half + start * phase
        if (load<u8>(quick + v)) {
          run(args, rows, offset, groups, w, stop, to, yPixel)
          run(args, rows, offset + plane, groups, w + half, stop + END_BYTES, to + 4, yPixel)
        } else {
          for (let left = ow; left > 0; left -= TILE) {
            const ox = max(0, min(ow - left, ow - TILE)), from = offset + ox * stepW * 16
            run(args, rows, from, groups, w, stop, 0, sums)
            run(args, rows, from + plane, groups, w + half, stop + END_BYTES, 0, sums + 16)
            for (let i = 0; i < min(ow, TILE); i++) {
              const sum = sums + i * 32
              storeIntegers(finishes + v * FINISH_BYTES, to + (ox + i) * yPixel, v128.load(sum),
                v128.load(sum, 16), min(8, c - v * 8))
            }
          }
        }
      }
    }
  }
}

/** `pixels` pixels of the rows whose addresses stand at `rows` as a group. */
function bring(args: Igemm8, rows: usize, to: usize, pixels: i32, plane: usize): void {
  const c = args.ic, signed = args.signed
  if (FUSED && args.bytes) bringWords(rows, signed, to, pixels, c, plane)
  else if (signed) bringPair(true, load<usize>(rows), load<usize>(rows, 4), to, pixels, c, plane)
  else bringPair(false, load<usize>(rows), load<usize>(rows, 4), to, pixels, c, plane)
}

function run(
  args: Igemm8, rows: usize, offset: usize, groups: i32, w: usize, end: usize, y: usize, yStride: usize,
): void {
  const count = args.ow
  if (FUSED && args.bytes) {
    if (args.tapsW == 3) {
      if (args.inStepW == 1) tiles<WordsThree>(rows, offset, groups, w, end, y, yStride, count)
      else tiles<WordsThreeBy2>(rows, offset, groups, w, end, y, yStride, count)
    } else if (args.inStepW == 1) tiles<WordsFive>(rows, offset, groups, w, end, y, yStride, count)
    else tiles<WordsFiveBy2>(rows, offset, groups, w, end, y, yStride, count)
  } else if (args.tapsW == 3) {
    if (args.inStepW == 1) tiles<Three>(rows, offset, groups, w, end, y, yStride, count)
    else tiles<ThreeBy2>(rows, offset, groups, w, end, y, yStride, count)
  } else if (args.inStepW == 1) tiles<Five>(rows, offset, groups, w, end, y, yStride, count)
  else tiles<FiveBy2>(rows, offset, groups, w, end, y, yStride, count)
}
