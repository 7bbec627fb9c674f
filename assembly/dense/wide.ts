/**
 * The register tile of the wide build: 6 pixels (5 over pairs of integers) by two panels, in loops of one
 * step. V8's pass for 256 bits makes one vector of the two halves of each panel, and so 12 sums, two vectors
 * of weights and one of x in 16 registers; without it there would be 24 sums. Tables and panels are those of
 * tile.ts, and so is the order in which each output is summed: both give the same bytes. doc/kernels.md,
 * "Joined vectors".
 */
import { TILE_ROWS } from '../simd'
import { BYTES, FLOATS, PAIRS, PAIR_ROWS, finishRow, mac, runTiles } from './tile'

// @ts-ignore: decorator
@inline
function tiles(
  kind: i32, mr: i32, count: i32, table: usize, taps: usize, depth: usize, xOffset: usize, w: usize,
  w1: usize, b: usize, b1: usize, yOffset: usize, yNext: usize, columns: usize, low: f32, high: f32,
): void {
  const step: usize = <usize>mr * 4
  for (; count > 0; count--) {
    let c00 = v128.load(b), c01 = v128.load(b, 16), d00 = v128.load(b1), d01 = v128.load(b1, 16)
    let c10 = c00, c11 = c01, c20 = c00, c21 = c01, c30 = c00, c31 = c01
    let c40 = c00, c41 = c01, c50 = c00, c51 = c01
    let d10 = d00, d11 = d01, d20 = d00, d21 = d01, d30 = d00, d31 = d01
    let d40 = d00, d41 = d01, d50 = d00, d51 = d01
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
    finish(kind, b, b1, load<u32>(table) + yOffset, yNext, c00, c01, d00, d01, columns, low, high)
    finish(kind, b, b1, load<u32>(table, 4) + yOffset, yNext, c10, c11, d10, d11, columns, low, high)
    finish(kind, b, b1, load<u32>(table, 8) + yOffset, yNext, c20, c21, d20, d21, columns, low, high)
    finish(kind, b, b1, load<u32>(table, 12) + yOffset, yNext, c30, c31, d30, d31, columns, low, high)
    finish(kind, b, b1, load<u32>(table, 16) + yOffset, yNext, c40, c41, d40, d41, columns, low, high)
    if (mr > 5)
      finish(kind, b, b1, load<u32>(table, 20) + yOffset, yNext, c50, c51, d50, d51, columns, low, high)
    table += (taps + 1) * step
  }
}

/** A row of two panels, the second of which has `columns` and lies `yNext` bytes further on. */
// @ts-ignore: decorator
@inline
function finish(
  kind: i32, b: usize, b1: usize, y: usize, yNext: usize, c0: v128, c1: v128, d0: v128, d1: v128,
  columns: usize, low: f32, high: f32,
): void {
  finishRow(kind, b, y, c0, c1, 8, low, high)
  finishRow(kind, b1, y + yNext, d0, d1, columns, low, high)
}

/**
 * runTiles for two panels at once, the second at w1, whose sums start at b1 and whose outputs, `columns` of
 * them, follow those of the first.
 */
export function runWide(
  pixels: i32, table: usize, taps: usize, depth: usize, xOffset: usize, w: usize, w1: usize, b: usize,
  b1: usize, yOffset: usize, columns: usize, low: f32, high: f32,
): void {
  const whole = pixels / TILE_ROWS, rest = pixels % TILE_ROWS
  tiles(FLOATS, 6, whole, table, taps, depth, xOffset, w, w1, b, b1, yOffset, 32, columns, low, high)
  if (!rest) return
  table += whole * TILE_ROWS * (taps + 1) * 4
  runTiles(rest, table, taps, depth, xOffset, w, b, yOffset, 8, low, high)
  runTiles(rest, table, taps, depth, xOffset, w1, b1, yOffset + 32, columns, low, high)
}

/**
 * Whole tiles over pairs of 16-bit integers: see runPairs of int8.ts. `yNext`: bytes of a panel's outputs.
 */
export function pairTiles(
  count: i32, table: usize, taps: usize, depth: usize, xOffset: usize, w: usize, w1: usize, b: usize,
  b1: usize, yOffset: usize, yNext: usize, columns: usize,
): void {
  tiles(PAIRS, PAIR_ROWS, count, table, taps, depth, xOffset, w, w1, b, b1, yOffset, yNext, columns, 0, 0)
}

/** Whole tiles over bytes. */
export function byteTiles(
  count: i32, table: usize, taps: usize, depth: usize, xOffset: usize, w: usize, w1: usize, b: usize,
  b1: usize, yOffset: usize, yNext: usize, columns: usize,
): void {
  tiles(BYTES, TILE_ROWS, count, table, taps, depth, xOffset, w, w1, b, b1, yOffset, yNext, columns, 0, 0)
}
