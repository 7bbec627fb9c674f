/** The product for outputs of few channels: sums over lanes, where a panel of 8 would be mostly empty. */
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
