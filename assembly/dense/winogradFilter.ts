/** The filters of winograd.ts: transformed, G g G', and back. */
import { scratch } from '../arguments'
import { FILTER_CHANNELS, WinogradFilter } from '../abi'
import { copyFloats } from '../copy'

/** to[0..6) = G from[0..3) */
// @ts-ignore: decorator
@inline
function transformFilter(g0: v128, g1: v128, g2: v128, to: usize, toStride: usize): void {
  const sixth = f32x4.splat(1.0 / 6.0)
  v128.store(to, f32x4.mul(g0, f32x4.splat(0.25)))
  const even = f32x4.mul(f32x4.add(g0, g2), sixth), odd = f32x4.mul(g1, sixth)
  v128.store(to + toStride, f32x4.neg(f32x4.add(even, odd)))
  v128.store(to + 2 * toStride, f32x4.sub(odd, even))
  const outer = f32x4.add(f32x4.mul(g0, f32x4.splat(1.0 / 24.0)), f32x4.mul(g2, sixth))
  const inner = f32x4.mul(g1, f32x4.splat(1.0 / 12.0))
  v128.store(to + 3 * toStride, f32x4.add(outer, inner))
  v128.store(to + 4 * toStride, f32x4.sub(outer, inner))
  v128.store(to + 5 * toStride, g2)
}

/**
 * Unit: one panel. filter [3][3][ic][oc], in any strides -> G g G' as panels [36][oc / 8][ic][8].
 *
 * scratch: columns [18][4] | block [36][FILTER_CHANNELS][8]
 */
export function winogradFilter(call: usize, begin: i32, end: i32): void {
  const args = changetype<WinogradFilter>(call)
  const ic = args.ic, oc = args.oc
  const tapHStride: usize = args.tapHStride, tapWStride: usize = args.tapWStride
  const rowStride: usize = args.rowStride, columnStride: usize = args.columnStride
  const positionStride = ((oc + 7) / 8) * ic * 32
  const columns = scratch(), block = columns + 18 * 16
  for (let first = begin * ic; first < end * ic; ) {
    const panel = first / ic, i = first % ic
    const count = min(FILTER_CHANNELS, ic - i)
    for (let part = 0; part < 2 * count; part++) {
      const o = panel * 8 + (part & 1) * 4
      const from = args.filter + (i + (part >> 1)) * rowStride + o * columnStride
      const lanes = max(0, min(4, oc - o))
      for (let kx = 0; kx < 3; kx++) {
        const column = from + kx * tapWStride
        const g0 = loadColumns(column, lanes, columnStride)
        const g1 = loadColumns(column + tapHStride, lanes, columnStride)
        const g2 = loadColumns(column + 2 * tapHStride, lanes, columnStride)
        transformFilter(g0, g1, g2, columns + kx * 16, 48)
      }
      for (let row = 0; row < 6; row++) {
        const g = columns + row * 48, to = block + (row * 6 * FILTER_CHANNELS * 2 + part) * 16
        transformFilter(v128.load(g), v128.load(g, 16), v128.load(g, 32), to, FILTER_CHANNELS * 32)
      }
    }
    const to = args.panels + first * 32
    for (let position = 0; position < 36; position++) {
      copyFloats(block + position * FILTER_CHANNELS * 32, to + position * positionStride, count * 8)
    }
    first += count
  }
}

// @ts-ignore: decorator
@inline
function loadColumns(p: usize, lanes: i32, columnStride: usize): v128 {
  let v = f32x4.splat(0)
  if (lanes > 0) v = v128.load32_zero(p)
  if (lanes > 1) v = v128.load32_lane(p + columnStride, v, 1)
  if (lanes > 2) v = v128.load32_lane(p + 2 * columnStride, v, 2)
  if (lanes > 3) v = v128.load32_lane(p + 3 * columnStride, v, 3)
  return v
}

/**
 * A filter from its transformed panel: with m = G g its elements are 4 m0, 3 (m2 - m1) and m5, along each
 * axis. to[9][ic][8]
 */
export function filterBack(panel: usize, positionStride: usize, ic: i32, to: usize): void {
  const four = f32x4.splat(4), three = f32x4.splat(3), tapStride: usize = ic * 32
  for (let i = 0; i < 2 * ic; i++) {
    for (let kx = 0; kx < 3; kx++) {
      const m0 = columnBack(panel, positionStride, kx)
      const m1 = columnBack(panel + 6 * positionStride, positionStride, kx)
      const m2 = columnBack(panel + 12 * positionStride, positionStride, kx)
      const m5 = columnBack(panel + 30 * positionStride, positionStride, kx)
      const at = to + kx * tapStride
      v128.store(at, f32x4.mul(four, m0))
      v128.store(at + 3 * tapStride, f32x4.mul(three, f32x4.sub(m2, m1)))
      v128.store(at + 6 * tapStride, m5)
    }
    panel += 16
    to += 16
  }
}

// @ts-ignore: decorator
@inline
function columnBack(row: usize, positionStride: usize, kx: i32): v128 {
  if (kx == 0) return f32x4.mul(f32x4.splat(4), v128.load(row))
  if (kx == 2) return v128.load(row + 5 * positionStride)
  return f32x4.mul(
    f32x4.splat(3), f32x4.sub(v128.load(row + 2 * positionStride), v128.load(row + positionStride)),
  )
}
