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
import { END_BYTES, Pairs, PairsBy2, TILE, Words, WordsBy2, tiles, tilesOfThree } from './tiles8'

/** Sums times factors of less can be rounded without bounds before. */
const NEAR: f32 = 2097152

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
  // Columns of the image.
  const x0 = max(0, firstW), x1 = max(x0, min(iw, firstW + columns)), left = x0 - firstW, right = x1 - firstW
  let started = false

  for (let u = begin; u < end; u++) {
    if (!started) {
      v128.store(rows, f32x4.splat(MAGIC), 48)
      store<usize>(rows, plane, 16)
      store<usize>(rows, half, 20)
      startSums(args, zeroOf(args), finishes, heads, 64, vectors, c)
      for (let v = 0; v < vectors; v++)
        store<u8>(quick + v, isQuick(args, finishes + v * FINISH_BYTES, heads + v * 64,
          ends + v * 2 * END_BYTES) && v * 8 + 8 <= c && ow >= TILE)
      memory.fill(held, 255, most * 4)
      memory.fill(blank, args.zeroAt ? load<u8>(args.zeroAt) : <u8>args.padding, xRow + 16)
      // The padding to the left and right, which rows leave as it is.
      for (let r: usize = 0; r < 16; r += 4) store<usize>(rows + r, blank)
      for (let g = 0; g < most; g++) {
        for (let x = 0; x < columns; x++) {
          if (x == left) x = right
          if (x < columns) bring(args, rows, ring + g * groupBytes + x * 16, 1, plane)
        }
      }
      started = true
    }
    const n = u / bands, row0 = u % bands * unitRows
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
        bring(args, rows, to + left * 16, right - left, plane)
      }
      for (let g = 0; g < groups; g++) store<usize>(rows + g * 4, ring + (first + g) % most * groupBytes)
      const y = args.y + (n * oh + oy) * ow * yPixel
      for (let v = 0; v < vectors; ) {
        const offset = 2 * v * plane, stop = ends + v * 2 * END_BYTES, to = y + v * (isBytes ? 8 : 32)
        const w = heads + vectors * 64 + 2 * v * half + start * phase
        let alike = 0
        while (v + alike < vectors && load<u8>(quick + v + alike)) alike++
        store<i32>(rows, alike ? 2 * alike : 1, 24)
        if (alike) {
          run(args, rows, offset, groups, w, stop, to, yPixel)
          v += alike
          continue
        }
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
        v++
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
      if (args.inStepW == 1) tilesOfThree<Words>(rows, offset, groups, w, end, y, yStride, count)
      else tilesOfThree<WordsBy2>(rows, offset, groups, w, end, y, yStride, count)
    } else if (args.inStepW == 1) tiles<Words>(rows, offset, groups, w, end, y, yStride, count)
    else tiles<WordsBy2>(rows, offset, groups, w, end, y, yStride, count)
  } else if (args.tapsW == 3) {
    if (args.inStepW == 1) tilesOfThree<Pairs>(rows, offset, groups, w, end, y, yStride, count)
    else tilesOfThree<PairsBy2>(rows, offset, groups, w, end, y, yStride, count)
  } else if (args.inStepW == 1) tiles<Pairs>(rows, offset, groups, w, end, y, yStride, count)
  else tiles<PairsBy2>(rows, offset, groups, w, end, y, yStride, count)
}
