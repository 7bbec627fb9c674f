/**
 * The other register tile: 2 pixels by two panels, 2 x 16 outputs, in a loop of one step whose pointers move.
 *
 * It is for compilers to which an address with an offset is dear: JavaScriptCore makes one instruction of a
 * splat load without, and three of one with, so that the unrolled tile of tile.ts has 80 % of this one's
 * speed there, which in turn has 80 to 90 % of the unrolled one's in V8 and SpiderMonkey. Tables and panels
 * are those of tile.ts, and so is the order in which each output is summed: both give the same bytes.
 * Witness: bench/run.ts --tiles.
 */
import { TILE_ROWS, clamp } from '../simd'
import { FLOATS, PAIRS, PAIR_ROWS, Product, finishRow, mac, nextPanel, panelBytes, tile1 } from './tile'

/**
 * Blocks of as many tiles of Winograd's or fewer are better off with the unrolled one: their weights come
 * from afar, and it reads them once for 5 tiles, not for 2. Witness: bench/run.ts --tiles, 3x3 layers at 14
 * and 28.
 */
export const FEW_TILES: i32 = 20

// @ts-ignore: decorator
@inline
function finishRows(p: Product, kind: i32, y: usize, c0: v128, c1: v128, c2: v128, c3: v128): void {
  const columns = p.columns, low = p.low, high = p.high
  if (kind == FLOATS && columns == 16) {
    const least = f32x4.splat(low), most = f32x4.splat(high)
    v128.store(y, clamp(c0, least, most))
    v128.store(y, clamp(c1, least, most), 16)
    v128.store(y, clamp(c2, least, most), 32)
    v128.store(y, clamp(c3, least, most), 48)
  } else {
    const b = p.b, next = b + p.bStride
    finishRow(kind, b, y, c0, c1, 8, low, high)
    finishRow(kind, next, y + panelBytes(kind, next), c2, c3, columns - 8, low, high)
  }
}

/** `pixels` pixels, whose tables stand one after the other, by two panels of 9 to 16 columns. */
// @ts-ignore: decorator
@inline
function twoPanels(p: Product, pixels: usize, table: usize, kind: i32): void {
  const taps = p.taps, depth = p.depth, xOffset = p.xOffset, yOffset = p.yOffset
  const w = p.w, w1 = w + p.wStride, b = p.b, b1 = b + p.bStride
  const group: usize = kind == FLOATS ? TILE_ROWS : PAIR_ROWS
  // A pixel alone in its group is summed in the order of tile1.
  const lone = kind == FLOATS && pixels % group == 1
  const paired = pixels - usize(lone)
  // The next pixel's addresses, in a group of `rows` whose taps lie as far apart; `left` from its start on.
  let entry = table, left = paired, rows = min(left, group), row: usize = 0
  while (left) {
    const entry0 = entry, step0 = rows * 4
    entry += 4
    if (++row == rows) {
      entry += taps * step0
      left -= rows
      rows = min(left, group)
      row = 0
    }
    // The last one of an odd number is computed twice.
    let entry1 = entry0, step1 = step0
    if (left) {
      entry1 = entry
      step1 = rows * 4
      entry += 4
      if (++row == rows) {
        entry += taps * step1
        left -= rows
        rows = min(left, group)
        row = 0
      }
    }
    let c00 = v128.load(b), c01 = v128.load(b, 16), c02 = v128.load(b1), c03 = v128.load(b1, 16)
    let c10 = c00, c11 = c01, c12 = c02, c13 = c03
    let x0 = entry0 + step0, x1 = entry1 + step1, wp = w, wq = w1, t = taps
    do {
      let a0: usize = load<u32>(x0) + xOffset, a1: usize = load<u32>(x1) + xOffset
      x0 += step0
      x1 += step1
      const end = wp + depth * 32
      do {
        const p0 = v128.load(wp), p1 = v128.load(wp, 16), q0 = v128.load(wq), q1 = v128.load(wq, 16)
        { const a = v128.load32_splat(a0)
          c00 = mac(kind, a, p0, c00); c01 = mac(kind, a, p1, c01)
          c02 = mac(kind, a, q0, c02); c03 = mac(kind, a, q1, c03) }
        { const a = v128.load32_splat(a1)
          c10 = mac(kind, a, p0, c10); c11 = mac(kind, a, p1, c11)
          c12 = mac(kind, a, q0, c12); c13 = mac(kind, a, q1, c13) }
        a0 += 4
        a1 += 4
        wp += 32
        wq += 32
      } while (wp != end)
    } while (--t)
    finishRows(p, kind, load<u32>(entry0) + yOffset, c00, c01, c02, c03)
    finishRows(p, kind, load<u32>(entry1) + yOffset, c10, c11, c12, c13)
  }
  if (lone) {
    const left = p.columns - 8
    p.columns = 8
    tile1(p, entry)
    nextPanel(p, 32, left)
    tile1(p, entry)
  }
}

/** Of floats: as runTiles of tile.ts, for two panels. */
export function runTwoPanels(p: Product, pixels: usize, table: usize): void {
  twoPanels(p, pixels, table, FLOATS)
}

/** Of words of 16 bits: as runPairs of int8.ts, for two panels. */
export function runTwoPairs(p: Product, pixels: usize, table: usize): void {
  twoPanels(p, pixels, table, PAIRS)
}
