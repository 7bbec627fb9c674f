/**
 * The register tile of the wide build: 6 pixels (5 over pairs of integers) by two panels, in loops of one
 * step. V8's pass for 256 bits makes one vector of the two halves of each panel, and so 12 sums, two vectors
 * of weights and one of x in 16 registers; without it there would be 24 sums. Tables and panels are those of
 * tile.ts, and so is the order in which each output is summed: both give the same bytes. doc/kernels.md,
 * "Joined vectors".
 */
import { TILE_ROWS } from '../simd'
import {
  BYTES, FLOATS, PAIRS, PAIR_ROWS, Product, finishRow, lessSum, mac, nextPanel, panelBytes, runTiles,
} from './tile'

// @ts-ignore: decorator
@inline
function tiles(p: Product, count: i32, table: usize, kind: i32, mr: i32): void {
  const step: usize = <usize>mr * 4
  const taps = p.taps, depth = p.depth, xOffset = p.xOffset, yOffset = p.yOffset
  const w = p.w, w1 = w + p.wStride, b = p.b, b1 = b + p.bStride
  for (; count > 0; count--) {
    let c00 = v128.load(b), c01 = v128.load(b, 16), d00 = v128.load(b1), d01 = v128.load(b1, 16)
    let c10 = c00, c11 = c01, c20 = c00, c21 = c01, c30 = c00, c31 = c01
    let c40 = c00, c41 = c01, c50 = c00, c51 = c01
    let d10 = d00, d11 = d01, d20 = d00, d21 = d01, d30 = d00, d31 = d01
    let d40 = d00, d41 = d01, d50 = d00, d51 = d01
    const sums: usize = kind == BYTES ? p.sums : 0
    if (sums) {
      const zeros = v128.load8x8_s(b, 120), zeros1 = v128.load8x8_s(b1, 120)
      const z0 = i32x4.extend_low_i16x8_s(zeros), z1 = i32x4.extend_high_i16x8_s(zeros)
      const z2 = i32x4.extend_low_i16x8_s(zeros1), z3 = i32x4.extend_high_i16x8_s(zeros1)
      c00 = lessSum(c00, z0, sums); c01 = lessSum(c01, z1, sums)
      d00 = lessSum(d00, z2, sums); d01 = lessSum(d01, z3, sums)
      c10 = lessSum(c10, z0, sums + 4); c11 = lessSum(c11, z1, sums + 4)
      d10 = lessSum(d10, z2, sums + 4); d11 = lessSum(d11, z3, sums + 4)
      c20 = lessSum(c20, z0, sums + 8); c21 = lessSum(c21, z1, sums + 8)
      d20 = lessSum(d20, z2, sums + 8); d21 = lessSum(d21, z3, sums + 8)
      c30 = lessSum(c30, z0, sums + 12); c31 = lessSum(c31, z1, sums + 12)
      d30 = lessSum(d30, z2, sums + 12); d31 = lessSum(d31, z3, sums + 12)
      c40 = lessSum(c40, z0, sums + 16); c41 = lessSum(c41, z1, sums + 16)
      d40 = lessSum(d40, z2, sums + 16); d41 = lessSum(d41, z3, sums + 16)
      if (mr > 5) {
        c50 = lessSum(c50, z0, sums + 20); c51 = lessSum(c51, z1, sums + 20)
        d50 = lessSum(d50, z2, sums + 20); d51 = lessSum(d51, z3, sums + 20) }
      p.sums = sums + step
    }
    let x = table + step, wp = w, wq = w1
    for (let t = taps; t; t--) {
      let a0: usize = load<u32>(x) + xOffset, a1: usize = load<u32>(x, 4) + xOffset
      let a2: usize = load<u32>(x, 8) + xOffset, a3: usize = load<u32>(x, 12) + xOffset
      let a4: usize = load<u32>(x, 16) + xOffset, a5: usize = mr > 5 ? load<u32>(x, 20) + xOffset : 0
      x += step
      let k = depth
      do {
        const p0 = v128.load(wp), p1 = v128.load(wp, 16), q0 = v128.load(wq), q1 = v128.load(wq, 16)
        { const a = v128.load32_splat(a0); c00 = mac(kind, a, p0, c00); c01 = mac(kind, a, p1, c01)
          d00 = mac(kind, a, q0, d00); d01 = mac(kind, a, q1, d01) }
        { const a = v128.load32_splat(a1); c10 = mac(kind, a, p0, c10); c11 = mac(kind, a, p1, c11)
          d10 = mac(kind, a, q0, d10); d11 = mac(kind, a, q1, d11) }
        { const a = v128.load32_splat(a2); c20 = mac(kind, a, p0, c20); c21 = mac(kind, a, p1, c21)
          d20 = mac(kind, a, q0, d20); d21 = mac(kind, a, q1, d21) }
        { const a = v128.load32_splat(a3); c30 = mac(kind, a, p0, c30); c31 = mac(kind, a, p1, c31)
          d30 = mac(kind, a, q0, d30); d31 = mac(kind, a, q1, d31) }
        { const a = v128.load32_splat(a4); c40 = mac(kind, a, p0, c40); c41 = mac(kind, a, p1, c41)
          d40 = mac(kind, a, q0, d40); d41 = mac(kind, a, q1, d41) }
        if (mr > 5) {
          const a = v128.load32_splat(a5); c50 = mac(kind, a, p0, c50); c51 = mac(kind, a, p1, c51)
          d50 = mac(kind, a, q0, d50); d51 = mac(kind, a, q1, d51) }
        a0 += 4
        a1 += 4
        a2 += 4
        a3 += 4
        a4 += 4
        if (mr > 5) a5 += 4
        wp += 32
        wq += 32
      } while (--k)
    }
    const left = p.columns - 8, next = panelBytes(kind, b1), low = p.low, high = p.high
    { const y = load<u32>(table) + yOffset; finishRow(kind, b, y, c00, c01, 8, low, high)
      finishRow(kind, b1, y + next, d00, d01, left, low, high) }
    { const y = load<u32>(table, 4) + yOffset; finishRow(kind, b, y, c10, c11, 8, low, high)
      finishRow(kind, b1, y + next, d10, d11, left, low, high) }
    { const y = load<u32>(table, 8) + yOffset; finishRow(kind, b, y, c20, c21, 8, low, high)
      finishRow(kind, b1, y + next, d20, d21, left, low, high) }
    { const y = load<u32>(table, 12) + yOffset; finishRow(kind, b, y, c30, c31, 8, low, high)
      finishRow(kind, b1, y + next, d30, d31, left, low, high) }
    { const y = load<u32>(table, 16) + yOffset; finishRow(kind, b, y, c40, c41, 8, low, high)
      finishRow(kind, b1, y + next, d40, d41, left, low, high) }
    if (mr > 5) {
      const y = load<u32>(table, 20) + yOffset; finishRow(kind, b, y, c50, c51, 8, low, high)
      finishRow(kind, b1, y + next, d50, d51, left, low, high) }
    table += (taps + 1) * step
  }
}

/** runTiles for two panels at once, of 9 to 16 columns. */
export function runWide(p: Product, pixels: i32, table: usize): void {
  const whole = pixels / TILE_ROWS, rest = pixels % TILE_ROWS
  tiles(p, whole, table, FLOATS, 6)
  if (!rest) return
  table += whole * TILE_ROWS * (p.taps + 1) * 4
  const left = p.columns - 8
  p.columns = 8
  runTiles(p, rest, table)
  nextPanel(p, 32, left)
  runTiles(p, rest, table)
}

/** Whole tiles over pairs of 16-bit integers: see runPairs of int8.ts. */
export function pairTiles(p: Product, count: i32, table: usize): void {
  tiles(p, count, table, PAIRS, PAIR_ROWS)
}

/** Whole tiles over bytes. */
export function byteTiles(p: Product, count: i32, table: usize): void {
  tiles(p, count, table, BYTES, TILE_ROWS)
}
