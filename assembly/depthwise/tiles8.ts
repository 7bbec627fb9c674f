/**
 * The tile of rows.ts: 7 neighbouring outputs of a row x 4 channels, over one group of rows after the other.
 * The weights of a group stay in registers, and each column is loaded once for all outputs that see it.
 *
 * How sums of 4 channels become bytes (`end`): first sums | factors | zero | span | low, 16 bytes each; zero
 * is less `low` and the bits of MAGIC.
 *
 * `rows`: addresses of groups [4] | bytes from a plane to the next | from its weights to the next | planes |
 * 0 | 0 [4] | MAGIC [4]
 */
import { FUSED } from '../simd'

/** Outputs of a tile. */
export const TILE: i32 = 7

/** Of an `end`. */
export const END_BYTES: usize = 80

/** Whether a group of rows is four bytes, and the stride of a window. */
// @ts-ignore: decorator
@final export class Pairs { @inline words(): bool { return false } @inline stride(): i32 { return 1 } }
// @ts-ignore: decorator
@final export class PairsBy2 { @inline words(): bool { return false } @inline stride(): i32 { return 2 } }
// @ts-ignore: decorator
@final export class Words { @inline words(): bool { return true } @inline stride(): i32 { return 1 } }
// @ts-ignore: decorator
@final export class WordsBy2 { @inline words(): bool { return true } @inline stride(): i32 { return 2 } }

/** The weights of tap t; any where there is no such tap. */
// @ts-ignore: decorator
@inline
function weight(t: i32, w0: v128, w1: v128, w2: v128, w3: v128, w4: v128): v128 {
  return t == 0 ? w0 : t == 1 ? w1 : t == 2 ? w2 : t == 3 ? w3 : w4
}

/** c and what a column adds to it under tap `t`; nothing where there is no such tap. */
// @ts-ignore: decorator
@inline
function tap(words: bool, t: i32, d: v128, w: v128, c: v128): v128 {
  if (t < 0 || t > 4) return c
  return FUSED && words ? i32x4.relaxed_dot_i8x16_i7x16_add_s(w, d, c) : i32x4.add(c, i32x4.dot_i16x8_s(d, w))
}

/** The sums of a tile, 32 bytes apart. */
// @ts-ignore: decorator
@inline
function putSums(y: usize, c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128, c6: v128): void {
  v128.store(y, c0); v128.store(y, c1, 32); v128.store(y, c2, 64); v128.store(y, c3, 96)
  v128.store(y, c4, 128); v128.store(y, c5, 160); v128.store(y, c6, 192)
}

/** The bytes of a tile, four outputs in p and three in q. */
// @ts-ignore: decorator
@inline
export function putBytes(y: usize, stride: usize, p: v128, q: v128): void {
  v128.store32_lane(y, p, 0)
  v128.store32_lane(y += stride, p, 1)
  v128.store32_lane(y += stride, p, 2)
  v128.store32_lane(y += stride, p, 3)
  v128.store32_lane(y += stride, q, 0)
  v128.store32_lane(y += stride, q, 1)
  v128.store32_lane(y += stride, q, 2)
}

/**
 * `count` outputs (7 at least) of a row under windows 5 wide, of planes of 4 channels one after the other,
 * from `groups` groups of rows: as bytes at y, or (y is 0) 7 as sums at yStride, 32 bytes apart. The exits on
 * negative `left` are never taken: see dense/tile.ts.
 */
export function tiles<W>(
  rows: usize, offset: usize, groups: i32, weights: usize, end: usize, y: usize, yStride: usize, count: i32,
): void {
  const S = changetype<W>(0).stride(), words = changetype<W>(0).words()
  const last = 6 * S + 5
  for (let vectors = load<i32>(rows, 24); vectors > 0; vectors--) {
    let at = offset, start = y, rest = count
    while (true) {
      let c0 = v128.load(end), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0
      let row = rows, w = weights
      for (let left = groups; left > 0; left--) {
        const x = load<usize>(row) + at
        const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32)
        const w3 = v128.load(w, 48), w4 = v128.load(w, 64)
        row += 4
        w += 80
        { const d = v128.load(x)
          c0 = tap(words, 0 - 0 * S, d, weight(0 - 0 * S, w0, w1, w2, w3, w4), c0) }
        { const d = v128.load(x, 16)
          c0 = tap(words, 1 - 0 * S, d, weight(1 - 0 * S, w0, w1, w2, w3, w4), c0)
          c1 = tap(words, 1 - 1 * S, d, weight(1 - 1 * S, w0, w1, w2, w3, w4), c1) }
        if (left == -5002) break
        { const d = v128.load(x, 32)
          c0 = tap(words, 2 - 0 * S, d, weight(2 - 0 * S, w0, w1, w2, w3, w4), c0)
          c1 = tap(words, 2 - 1 * S, d, weight(2 - 1 * S, w0, w1, w2, w3, w4), c1)
          c2 = tap(words, 2 - 2 * S, d, weight(2 - 2 * S, w0, w1, w2, w3, w4), c2) }
        { const d = v128.load(x, 48)
          c0 = tap(words, 3 - 0 * S, d, weight(3 - 0 * S, w0, w1, w2, w3, w4), c0)
          c1 = tap(words, 3 - 1 * S, d, weight(3 - 1 * S, w0, w1, w2, w3, w4), c1)
          c2 = tap(words, 3 - 2 * S, d, weight(3 - 2 * S, w0, w1, w2, w3, w4), c2)
          c3 = tap(words, 3 - 3 * S, d, weight(3 - 3 * S, w0, w1, w2, w3, w4), c3) }
        if (left == -5004) break
        { const d = v128.load(x, 64)
          c0 = tap(words, 4 - 0 * S, d, weight(4 - 0 * S, w0, w1, w2, w3, w4), c0)
          c1 = tap(words, 4 - 1 * S, d, weight(4 - 1 * S, w0, w1, w2, w3, w4), c1)
          c2 = tap(words, 4 - 2 * S, d, weight(4 - 2 * S, w0, w1, w2, w3, w4), c2)
          c3 = tap(words, 4 - 3 * S, d, weight(4 - 3 * S, w0, w1, w2, w3, w4), c3)
          c4 = tap(words, 4 - 4 * S, d, weight(4 - 4 * S, w0, w1, w2, w3, w4), c4) }
        { const d = v128.load(x, 80)
          c1 = tap(words, 5 - 1 * S, d, weight(5 - 1 * S, w0, w1, w2, w3, w4), c1)
          c2 = tap(words, 5 - 2 * S, d, weight(5 - 2 * S, w0, w1, w2, w3, w4), c2)
          c3 = tap(words, 5 - 3 * S, d, weight(5 - 3 * S, w0, w1, w2, w3, w4), c3)
          c4 = tap(words, 5 - 4 * S, d, weight(5 - 4 * S, w0, w1, w2, w3, w4), c4)
          c5 = tap(words, 5 - 5 * S, d, weight(5 - 5 * S, w0, w1, w2, w3, w4), c5) }
        if (left == -5006) break
        { const d = v128.load(x, 96)
          c1 = tap(words, 6 - 1 * S, d, weight(6 - 1 * S, w0, w1, w2, w3, w4), c1)
          c2 = tap(words, 6 - 2 * S, d, weight(6 - 2 * S, w0, w1, w2, w3, w4), c2)
          c3 = tap(words, 6 - 3 * S, d, weight(6 - 3 * S, w0, w1, w2, w3, w4), c3)
          c4 = tap(words, 6 - 4 * S, d, weight(6 - 4 * S, w0, w1, w2, w3, w4), c4)
          c5 = tap(words, 6 - 5 * S, d, weight(6 - 5 * S, w0, w1, w2, w3, w4), c5)
          c6 = tap(words, 6 - 6 * S, d, weight(6 - 6 * S, w0, w1, w2, w3, w4), c6) }
        { const d = v128.load(x, 112)
          c2 = tap(words, 7 - 2 * S, d, weight(7 - 2 * S, w0, w1, w2, w3, w4), c2)
          c3 = tap(words, 7 - 3 * S, d, weight(7 - 3 * S, w0, w1, w2, w3, w4), c3)
          c4 = tap(words, 7 - 4 * S, d, weight(7 - 4 * S, w0, w1, w2, w3, w4), c4)
          c5 = tap(words, 7 - 5 * S, d, weight(7 - 5 * S, w0, w1, w2, w3, w4), c5)
          c6 = tap(words, 7 - 6 * S, d, weight(7 - 6 * S, w0, w1, w2, w3, w4), c6) }
        if (left == -5008) break
        { const d = v128.load(x, 128)
          c2 = tap(words, 8 - 2 * S, d, weight(8 - 2 * S, w0, w1, w2, w3, w4), c2)
          c3 = tap(words, 8 - 3 * S, d, weight(8 - 3 * S, w0, w1, w2, w3, w4), c3)
          c4 = tap(words, 8 - 4 * S, d, weight(8 - 4 * S, w0, w1, w2, w3, w4), c4)
          c5 = tap(words, 8 - 5 * S, d, weight(8 - 5 * S, w0, w1, w2, w3, w4), c5)
          c6 = tap(words, 8 - 6 * S, d, weight(8 - 6 * S, w0, w1, w2, w3, w4), c6) }
        if (last > 9) { const d = v128.load(x, 144)
          c3 = tap(words, 9 - 3 * S, d, weight(9 - 3 * S, w0, w1, w2, w3, w4), c3)
          c4 = tap(words, 9 - 4 * S, d, weight(9 - 4 * S, w0, w1, w2, w3, w4), c4)
          c5 = tap(words, 9 - 5 * S, d, weight(9 - 5 * S, w0, w1, w2, w3, w4), c5)
          c6 = tap(words, 9 - 6 * S, d, weight(9 - 6 * S, w0, w1, w2, w3, w4), c6) }
        if (last > 10 && left == -5010) break
        if (last > 10) { const d = v128.load(x, 160)
          c3 = tap(words, 10 - 3 * S, d, weight(10 - 3 * S, w0, w1, w2, w3, w4), c3)
          c4 = tap(words, 10 - 4 * S, d, weight(10 - 4 * S, w0, w1, w2, w3, w4), c4)
          c5 = tap(words, 10 - 5 * S, d, weight(10 - 5 * S, w0, w1, w2, w3, w4), c5)
          c6 = tap(words, 10 - 6 * S, d, weight(10 - 6 * S, w0, w1, w2, w3, w4), c6) }
        if (last > 11) { const d = v128.load(x, 176)
          c4 = tap(words, 11 - 4 * S, d, weight(11 - 4 * S, w0, w1, w2, w3, w4), c4)
          c5 = tap(words, 11 - 5 * S, d, weight(11 - 5 * S, w0, w1, w2, w3, w4), c5) }
        if (last > 12 && left == -5012) break
        if (last > 12) { const d = v128.load(x, 192)
          c4 = tap(words, 12 - 4 * S, d, weight(12 - 4 * S, w0, w1, w2, w3, w4), c4)
          c5 = tap(words, 12 - 5 * S, d, weight(12 - 5 * S, w0, w1, w2, w3, w4), c5)
          c6 = tap(words, 12 - 6 * S, d, weight(12 - 6 * S, w0, w1, w2, w3, w4), c6) }
        if (last > 13) { const d = v128.load(x, 208)
          c5 = tap(words, 13 - 5 * S, d, weight(13 - 5 * S, w0, w1, w2, w3, w4), c5)
          c6 = tap(words, 13 - 6 * S, d, weight(13 - 6 * S, w0, w1, w2, w3, w4), c6) }
        if (last > 14 && left == -5014) break
        if (last > 14) { const d = v128.load(x, 224)
          c5 = tap(words, 14 - 5 * S, d, weight(14 - 5 * S, w0, w1, w2, w3, w4), c5)
          c6 = tap(words, 14 - 6 * S, d, weight(14 - 6 * S, w0, w1, w2, w3, w4), c6) }
        if (last > 15) { const d = v128.load(x, 240)
          c6 = tap(words, 15 - 6 * S, d, weight(15 - 6 * S, w0, w1, w2, w3, w4), c6) }
        if (last > 16 && left == -5016) break
        if (last > 16) { const d = v128.load(x, 256)
          c6 = tap(words, 16 - 6 * S, d, weight(16 - 6 * S, w0, w1, w2, w3, w4), c6) }
      }
      if (!y) {
        putSums(yStride, c0, c1, c2, c3, c4, c5, c6)
        return
      }
      const factor = v128.load(end, 16), zero = v128.load(end, 32), magic = v128.load(rows, 48)
      const span = v128.load(end, 48), low = v128.load(end, 64)
      const p = bounded(nearest(c0, c1, factor, magic, zero), nearest(c2, c3, factor, magic, zero), span, low)
      const q = bounded(nearest(c4, c5, factor, magic, zero), nearest(c6, c6, factor, magic, zero), span, low)
      putBytes(start, yStride, p, q)
      rest -= TILE
      if (rest <= 0) break
      // The last tile of a row starts early, so that it ends with the row.
      const step = min(rest, TILE)
      at += step * S * 16
      start += step * yStride
    }
    offset += load<usize>(rows, 16)
    weights += load<usize>(rows, 20)
    end += END_BYTES
    y += 4
  }
}

/** Column i. An offset is a literal: it costs no addition then. */
// @ts-ignore: decorator
@inline
function column(i: i32, x: usize): v128 {
  return i == 0 ? v128.load(x) : i == 1 ? v128.load(x, 16) : i == 2 ? v128.load(x, 32)
    : i == 3 ? v128.load(x, 48) : i == 4 ? v128.load(x, 64) : i == 5 ? v128.load(x, 80)
    : i == 6 ? v128.load(x, 96) : i == 7 ? v128.load(x, 112) : i == 8 ? v128.load(x, 128)
    : i == 9 ? v128.load(x, 144) : i == 10 ? v128.load(x, 160) : i == 11 ? v128.load(x, 176)
    : i == 12 ? v128.load(x, 192) : i == 13 ? v128.load(x, 208) : i == 14 ? v128.load(x, 224)
    : i == 15 ? v128.load(x, 240) : v128.load(x, 256)
}

/** c and what columns a, b and d add to it. */
// @ts-ignore: decorator
@inline
function three(words: bool, a: v128, b: v128, d: v128, w0: v128, w1: v128, w2: v128, c: v128): v128 {
  return tap(words, 0, d, w2, tap(words, 0, b, w1, tap(words, 0, a, w0, c)))
}

/**
 * The same as `tiles` under windows 3 wide, of two groups at most, an output at a time: without a loop over
 * groups, which V8 would look at its stack in.
 */
export function tilesOfThree<W>(
  rows: usize, offset: usize, groups: i32, weights: usize, end: usize, y: usize, yStride: usize, count: i32,
): void {
  const S = changetype<W>(0).stride(), words = changetype<W>(0).words()
  for (let vectors = load<i32>(rows, 24); vectors > 0; vectors--) {
    let at = offset, start = y, rest = count
    while (true) {
      const first = v128.load(end)
      let c0 = first, c1 = first, c2 = first, c3 = first, c4 = first, c5 = first, c6 = first
      while (true) {
        {
          const x = load<usize>(rows) + at
          const w0 = v128.load(weights), w1 = v128.load(weights, 16), w2 = v128.load(weights, 32)
          let a = column(0, x), b = column(1, x), d = column(2, x)
          c0 = three(words, a, b, d, w0, w1, w2, c0)
          a = S == 1 ? b : d; b = S == 1 ? d : column(3, x); d = column(1 * S + 2, x)
          c1 = three(words, a, b, d, w0, w1, w2, c1)
          if (groups == -5001) break
          a = S == 1 ? b : d; b = S == 1 ? d : column(5, x); d = column(2 * S + 2, x)
          c2 = three(words, a, b, d, w0, w1, w2, c2)
          a = S == 1 ? b : d; b = S == 1 ? d : column(7, x); d = column(3 * S + 2, x)
          c3 = three(words, a, b, d, w0, w1, w2, c3)
          if (groups == -5003) break
          a = S == 1 ? b : d; b = S == 1 ? d : column(9, x); d = column(4 * S + 2, x)
          c4 = three(words, a, b, d, w0, w1, w2, c4)
          a = S == 1 ? b : d; b = S == 1 ? d : column(11, x); d = column(5 * S + 2, x)
          c5 = three(words, a, b, d, w0, w1, w2, c5)
          if (groups == -5005) break
          a = S == 1 ? b : d; b = S == 1 ? d : column(13, x); d = column(6 * S + 2, x)
          c6 = three(words, a, b, d, w0, w1, w2, c6)
        }
        if (groups == 1) break
        {
          const x = load<usize>(rows, 4) + at
          const w0 = v128.load(weights, 48), w1 = v128.load(weights, 64), w2 = v128.load(weights, 80)
          let a = column(0, x), b = column(1, x), d = column(2, x)
          c0 = three(words, a, b, d, w0, w1, w2, c0)
          a = S == 1 ? b : d; b = S == 1 ? d : column(3, x); d = column(1 * S + 2, x)
          c1 = three(words, a, b, d, w0, w1, w2, c1)
          if (groups == -5004) break
          a = S == 1 ? b : d; b = S == 1 ? d : column(5, x); d = column(2 * S + 2, x)
          c2 = three(words, a, b, d, w0, w1, w2, c2)
          a = S == 1 ? b : d; b = S == 1 ? d : column(7, x); d = column(3 * S + 2, x)
          c3 = three(words, a, b, d, w0, w1, w2, c3)
          if (groups == -5006) break
          a = S == 1 ? b : d; b = S == 1 ? d : column(9, x); d = column(4 * S + 2, x)
          c4 = three(words, a, b, d, w0, w1, w2, c4)
          a = S == 1 ? b : d; b = S == 1 ? d : column(11, x); d = column(5 * S + 2, x)
          c5 = three(words, a, b, d, w0, w1, w2, c5)
          if (groups == -5008) break
          a = S == 1 ? b : d; b = S == 1 ? d : column(13, x); d = column(6 * S + 2, x)
          c6 = three(words, a, b, d, w0, w1, w2, c6)
        }
        break
      }
      if (!y) {
        putSums(yStride, c0, c1, c2, c3, c4, c5, c6)
        return
      }
      const factor = v128.load(end, 16), zero = v128.load(end, 32), magic = v128.load(rows, 48)
      const span = v128.load(end, 48), low = v128.load(end, 64)
      const p = bounded(nearest(c0, c1, factor, magic, zero), nearest(c2, c3, factor, magic, zero), span, low)
      const q = bounded(nearest(c4, c5, factor, magic, zero), nearest(c6, c6, factor, magic, zero), span, low)
      putBytes(start, yStride, p, q)
      rest -= TILE
      if (rest <= 0) break
      const step = min(rest, TILE)
      at += step * S * 16
      start += step * yStride
    }
    offset += load<usize>(rows, 16)
    weights += load<usize>(rows, 20)
    end += END_BYTES
    y += 4
  }
}

/** Sums of two pixels as what they round to, plus zero, of 16 bits. */
// @ts-ignore: decorator
@inline
export function nearest(a: v128, b: v128, factor: v128, magic: v128, zero: v128): v128 {
  const p = i32x4.add(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(a), factor), magic), zero)
  const q = i32x4.add(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(b), factor), magic), zero)
  return i16x8.narrow_i32x4_s(p, q)
}

/** 16 of them as bytes: they are less `low`, so that what is too little is 0. */
// @ts-ignore: decorator
@inline
export function bounded(a: v128, b: v128, span: v128, low: v128): v128 {
  return i8x16.add(i8x16.min_u(i8x16.narrow_i16x8_u(a, b), span), low)
}
