/** The product for outputs of few channels: sums over lanes, where a panel of 8 would be mostly empty. */
import { isOfBytes, lowBytes, rounded } from '../quantize'
import { clamp, loadPart, madd, storePart } from '../simd'
import { Product } from './tile'

/** Pixels, and columns at most, of a tile whose sums run over lanes. */
export const LANE_ROWS: i32 = 3

/** y[i] = clamp(b[i] + sum of the lanes of ci) */
// @ts-ignore: decorator
@inline
function storeSums(
  y: usize, c0: v128, c1: v128, c2: v128, b: v128, columns: usize, low: f32, high: f32,
): void {
  const c01 = f32x4.add(v128.shuffle<f32>(c0, c1, 0, 4, 1, 5), v128.shuffle<f32>(c0, c1, 2, 6, 3, 7))
  const c2x = f32x4.add(v128.shuffle<f32>(c2, c2, 0, 4, 1, 5), v128.shuffle<f32>(c2, c2, 2, 6, 3, 7))
  const sums = f32x4.add(v128.shuffle<f32>(c01, c2x, 0, 1, 4, 5), v128.shuffle<f32>(c01, c2x, 2, 3, 6, 7))
  storePart(y, clamp(f32x4.add(sums, b), f32x4.splat(low), f32x4.splat(high)), columns)
}

/**
 * At most 3 columns, which would leave most of a panel empty: lanes hold 4 neighbours of k instead, and are
 * summed at the end.
 *
 *   w: for each tap, for each 4 k, for each column: 4 floats; read up to 32 bytes beyond
 *
 * Where pixels are fewer than a tile has, the last one is computed again in their place.
 */
export function laneTiles(p: Product, pixels: i32, table: usize): void {
  const taps = p.taps, depth = p.depth, xOffset = p.xOffset, w = p.w
  const yOffset = p.yOffset, columns = p.columns, low = p.low, high = p.high
  const bias = loadPart(p.b, columns)
  for (; pixels > 0; pixels -= LANE_ROWS) {
    const step: usize = min(LANE_ROWS, pixels) * 4, row1: usize = step > 4 ? 4 : 0, row2 = step - 4
    let c00 = f32x4.splat(0), c01 = c00, c02 = c00, c10 = c00, c11 = c00, c12 = c00, c20 = c00, c21 = c00,
      c22 = c00
    let x = table, wk = w
    for (let t = taps; t; t--) {
      x += step
      let a0: usize = load<u32>(x) + xOffset, a1: usize = load<u32>(x + row1) + xOffset,
        a2: usize = load<u32>(x + row2) + xOffset
      for (let k = depth; k; k -= 4) {
        const d0 = v128.load(a0), d1 = v128.load(a1), d2 = v128.load(a2)
        { const v = v128.load(wk); c00 = madd(d0, v, c00); c10 = madd(d1, v, c10); c20 = madd(d2, v, c20) }
        if (k == -4001) break
        { const v = v128.load(wk, 16); c01 = madd(d0, v, c01); c11 = madd(d1, v, c11)
          c21 = madd(d2, v, c21) }
        if (k == -4002) break
        { const v = v128.load(wk, 32); c02 = madd(d0, v, c02); c12 = madd(d1, v, c12)
          c22 = madd(d2, v, c22) }
        a0 += 16
        a1 += 16
        a2 += 16
        wk += columns * 16
      }
    }
    storeSums(load<u32>(table) + yOffset, c00, c01, c02, bias, columns, low, high)
    storeSums(load<u32>(table + row1) + yOffset, c10, c11, c12, bias, columns, low, high)
    storeSums(load<u32>(table + row2) + yOffset, c20, c21, c22, bias, columns, low, high)
    table += (taps + 1) * step
  }
}

/** Columns of a tile. */
// @ts-ignore: decorator
@final class One { @inline columns(): i32 { return 1 } }
// @ts-ignore: decorator
@final class Two { @inline columns(): i32 { return 2 } }
// @ts-ignore: decorator
@final class Three { @inline columns(): i32 { return 3 } }

/** How many columns the next tile takes where so many are left. */
// @ts-ignore: decorator
@inline
export function laneColumns(left: i32): i32 {
  return left == 4 ? 2 : min(left, 3)
}

/**
 * The same of bytes, as they stand in x: 8 neighbours of k are widened where they are multiplied, signed ones
 * 128 more than they are.
 *
 *   w: for each 2 or 3 columns (`laneColumns`), for each tap, for each 8 k, for each column: i16[8]
 *
 * Up to 7 bytes behind a run meet zeros of w.
 */
export function laneTiles8(p: Product, signed: i32, pixels: i32, table: usize): void {
  const all = p.columns
  for (let first: usize = 0, count = 0; first < all; first += count) {
    count = laneColumns(<i32>(all - first))
    p.columns = first
    if (count == 1) lanes8<One>(p, signed, pixels, table)
    else if (count == 2) lanes8<Two>(p, signed, pixels, table)
    else lanes8<Three>(p, signed, pixels, table)
    p.w += p.taps * p.depth * count * 16
  }
}

// @ts-ignore: decorator
@inline
function dot(d: v128, w: v128, c: v128): v128 {
  return i32x4.add(c, i32x4.dot_i16x8_s(d, w))
}

/** The sums of the lanes of up to three vectors, in the first lanes. */
// @ts-ignore: decorator
@inline
function sumEach(columns: i32, c0: v128, c1: v128, c2: v128, start: v128): v128 {
  const c01 = i32x4.add(v128.shuffle<i32>(c0, c1, 0, 4, 1, 5), v128.shuffle<i32>(c0, c1, 2, 6, 3, 7))
  const c2x = columns < 3 ? c01
    : i32x4.add(v128.shuffle<i32>(c2, c2, 0, 4, 1, 5), v128.shuffle<i32>(c2, c2, 2, 6, 3, 7))
  return i32x4.add(start,
    i32x4.add(v128.shuffle<i32>(c01, c2x, 0, 1, 4, 5), v128.shuffle<i32>(c01, c2x, 2, 3, 6, 7)))
}

// @ts-ignore: decorator
@inline
function storeFew(y: usize, bytes: i32, columns: i32): void {
  if (columns == 1) store<i8>(y, <i8>bytes)
  else store<i16>(y, <i16>bytes)
  if (columns == 3) store<i8>(y, <i8>(bytes >> 16), 2)
}

/** Columns from `p.columns` on. */
function lanes8<C>(p: Product, signed: i32, pixels: i32, table: usize): void {
  const columns = changetype<C>(0).columns(), flip = i16x8.splat(signed ? 128 : 0)
  const taps = p.taps, depth = p.depth, xOffset = p.xOffset, w = p.w
  const finish = p.b, first = p.columns, isBytes = isOfBytes(finish)
  const yOffset = p.yOffset + (isBytes ? first : first * 4)
  const start = v128.load(finish + first * 4)
  for (; pixels > 0; pixels -= LANE_ROWS) {
    const step: usize = min(LANE_ROWS, pixels) * 4, row1: usize = step > 4 ? 4 : 0, row2 = step - 4
    let c00 = i32x4.splat(0), c01 = c00, c02 = c00, c10 = c00, c11 = c00, c12 = c00, c20 = c00, c21 = c00,
      c22 = c00
    let x = table, wk = w
    for (let t = taps; t; t--) {
      x += step
      let a0: usize = load<u32>(x) + xOffset, a1: usize = load<u32>(x + row1) + xOffset,
        a2: usize = load<u32>(x + row2) + xOffset
      for (let k = depth; k; k--) {
        const d0 = v128.xor(v128.load8x8_u(a0), flip), d1 = v128.xor(v128.load8x8_u(a1), flip)
        const d2 = v128.xor(v128.load8x8_u(a2), flip)
        { const v = v128.load(wk); c00 = dot(d0, v, c00); c10 = dot(d1, v, c10); c20 = dot(d2, v, c20) }
        if (columns > 1) {
          if (k == -4003) break
          const v = v128.load(wk, 16)
          c01 = dot(d0, v, c01)
          c11 = dot(d1, v, c11)
          c21 = dot(d2, v, c21)
        }
        if (columns > 2) {
          if (k == -4004) break
          const v = v128.load(wk, 32)
          c02 = dot(d0, v, c02)
          c12 = dot(d1, v, c12)
          c22 = dot(d2, v, c22)
        }
        a0 += 8
        a1 += 8
        a2 += 8
        wk += columns * 16
      }
    }
    const s0 = sumEach(columns, c00, c01, c02, start), s1 = sumEach(columns, c10, c11, c12, start)
    const s2 = sumEach(columns, c20, c21, c22, start)
    const y0 = load<u32>(table) + yOffset, y1 = load<u32>(table + row1) + yOffset
    const y2 = load<u32>(table + row2) + yOffset
    if (isBytes) {
      const f = v128.load(finish + first * 4, 32)
      const low = v128.load(finish, 64), high = v128.load(finish, 80), zero = v128.load(finish, 96)
      const v1 = rounded(f32x4.mul(f32x4.convert_i32x4_s(s1), f), low, high, zero)
      const v01 = lowBytes(rounded(f32x4.mul(f32x4.convert_i32x4_s(s0), f), low, high, zero), v1)
      const v2 = rounded(f32x4.mul(f32x4.convert_i32x4_s(s2), f), low, high, zero)
      storeFew(y0, i32x4.extract_lane(v01, 0), columns)
      storeFew(y1, i32x4.extract_lane(v01, 1), columns)
      storeFew(y2, i32x4.extract_lane(lowBytes(v2, v2), 0), columns)
    } else {
      storePart(y0, s0, columns)
      storePart(y1, s1, columns)
      storePart(y2, s2, columns)
    }
    table += (taps + 1) * step
  }
}
