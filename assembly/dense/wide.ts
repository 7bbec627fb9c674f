/**
 * The register tile of the wide build: 6 pixels (5 over pairs of integers) by two panels, in loops of one
 * step. V8's pass for 256 bits makes one vector of the two halves of each panel, and so 12 sums, two vectors
 * of weights and one of x in 16 registers; without it there would be 24 sums. Tables and panels are those of
 * tile.ts, and so is the order in which each output is summed: both give the same bytes. doc/kernels.md,
 * "Joined vectors".
 */
import { TILE_ROWS } from '../simd'
import {
  BYTES, FLOATS, PAIRS, PAIR_ROWS, Product, finishRow, mac, nextPanel, panelBytes, runTiles,
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
    if (kind == BYTES) {
      const own = p.startStep, other = p.startStride
      let s = p.starts
      c00 = v128.load(s); c01 = v128.load(s, 16); d00 = v128.load(s + other); d01 = v128.load(s + other, 16)
      s += own
      c10 = v128.load(s); c11 = v128.load(s, 16); d10 = v128.load(s + other); d11 = v128.load(s + other, 16)
      s += own
      c20 = v128.load(s); c21 = v128.load(s, 16); d20 = v128.load(s + other); d21 = v128.load(s + other, 16)
      s += own
      c30 = v128.load(s); c31 = v128.load(s, 16); d30 = v128.load(s + other); d31 = v128.load(s + other, 16)
      s += own
      c40 = v128.load(s); c41 = v128.load(s, 16); d40 = v128.load(s + other); d41 = v128.load(s + other, 16)
      s += own
      c50 = v128.load(s); c51 = v128.load(s, 16); d50 = v128.load(s + other); d51 = v128.load(s + other, 16)
      p.starts = s + own
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
