/** The filters of winograd.ts: transformed, G g G', and back. */
import { scratch } from '../arguments'
import { FILTER_CHANNELS, WinogradFilter } from '../abi'
import { copyFloats } from '../copy'

/** to[0..6) = G g, where taps that a window lacks are 0 and `end` is its last one. */
// @ts-ignore: decorator
@inline
function transformFilter(
  g0: v128, g1: v128, g2: v128, g3: v128, g4: v128, end: v128, to: usize, toStride: usize,
): void {
  const sixth = f32x4.splat(1.0 / 6.0), third = f32x4.splat(1.0 / 3.0)
  v128.store(to, f32x4.mul(g0, f32x4.splat(0.25)))
  const even = f32x4.mul(f32x4.add(f32x4.add(g0, g2), g4), sixth), odd = f32x4.mul(f32x4.add(g1, g3), sixth)
  v128.store(to + toStride, f32x4.neg(f32x4.add(even, odd)))
  v128.store(to + 2 * toStride, f32x4.sub(odd, even))
  const far = f32x4.add(f32x4.mul(g2, sixth), f32x4.mul(g4, f32x4.splat(2.0 / 3.0)))
  const outer = f32x4.add(f32x4.mul(g0, f32x4.splat(1.0 / 24.0)), far)
  const inner = f32x4.add(f32x4.mul(g1, f32x4.splat(1.0 / 12.0)), f32x4.mul(g3, third))
  v128.store(to + 3 * toStride, f32x4.add(outer, inner))
  v128.store(to + 4 * toStride, f32x4.sub(outer, inner))
  v128.store(to + 5 * toStride, end)
}

/**
 * Unit: one panel. filter [window][window][ic][oc], in any strides -> G g G' as panels [36][oc / 8][ic][8].
 *
 * scratch: columns [30][4] | block [36][FILTER_CHANNELS][8]
 */
export function winogradFilter(call: usize, begin: i32, end: i32): void {
  const args = changetype<WinogradFilter>(call)
  const ic = args.ic, oc = args.oc, window = args.window, none = f32x4.splat(0)
  const tapHStride: usize = args.tapHStride, tapWStride: usize = args.tapWStride
  const rowStride: usize = args.rowStride, columnStride: usize = args.columnStride
  const positionStride = ((oc + 7) / 8) * ic * 32
  const columns = scratch(), block = columns + 30 * 16
  for (let first = begin * ic; first < end * ic; ) {
    const panel = first / ic, i = first % ic
    const count = min(FILTER_CHANNELS, ic - i)
    for (let part = 0; part < 2 * count; part++) {
      const o = panel * 8 + (part & 1) * 4
      const from = args.filter + (i + (part >> 1)) * rowStride + o * columnStride
      const lanes = max(0, min(4, oc - o))
      for (let kx = 0; kx < window; kx++) {
        const column = from + kx * tapWStride
        const g0 = loadColumns(column, lanes, columnStride)
        const g1 = loadColumns(column + tapHStride, lanes, columnStride)
        const g2 = loadColumns(column + 2 * tapHStride, lanes, columnStride)
        let g3 = none, g4 = none
        if (window > 3) {
          g3 = loadColumns(column + 3 * tapHStride, lanes, columnStride)
          g4 = loadColumns(column + 4 * tapHStride, lanes, columnStride)
        }
        transformFilter(g0, g1, g2, g3, g4, window > 3 ? g4 : g2, columns + kx * 16, 80)
      }
      for (let row = 0; row < 6; row++) {
        const g = columns + row * 80, to = block + (row * 6 * FILTER_CHANNELS * 2 + part) * 16
        const g2 = v128.load(g, 32)
        let g3 = none, g4 = none
        if (window > 3) {
          g3 = v128.load(g, 48)
          g4 = v128.load(g, 64)
        }
        transformFilter(
          v128.load(g), v128.load(g, 16), g2, g3, g4, window > 3 ? g4 : g2, to, FILTER_CHANNELS * 32,
        )
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
 * A filter from its transformed panel, [window * window][ic][8]. With m = G g the elements of one of three
 * are 4 m0, 3 (m2 - m1) and m5, along each axis; of one of five the first and the last are the same,
 * g1 + g3 = 3 (m2 - m1), g0 + g2 + g4 = -3 (m1 + m2), and g1 + 4 g3 = 6 (m3 - m4).
 */
export function filterBack(panel: usize, positionStride: usize, ic: i32, window: i32, to: usize): void {
  const tapBytes: usize = ic * 32
  memory.fill(to, 0, window * window * tapBytes)
  for (let ky = 0; ky < window; ky++) {
    for (let kx = 0; kx < window; kx++) {
      const tap = to + (ky * window + kx) * tapBytes
      for (let position = 0; position < 36; position++) {
        const share = shareBack(window, ky, position / 6) * shareBack(window, kx, position % 6)
        if (share != 0) addShare(panel + position * positionStride, share, tap, tapBytes)
      }
    }
  }
}

function addShare(from: usize, share: f32, to: usize, bytes: usize): void {
  const shares = f32x4.splat(share)
  for (const end = to + bytes; to < end; to += 16) {
    v128.store(to, f32x4.add(v128.load(to), f32x4.mul(v128.load(from), shares)))
    from += 16
  }
}

/** The inverse of G, by element: the share of m[position] in g[tap]. */
function shareBack(window: i32, tap: i32, position: i32): f32 {
  if (tap == 0) return position == 0 ? 4 : 0
  if (tap == window - 1) return position == 5 ? 1 : 0
  if (window == 3) return position == 1 ? -3 : position == 2 ? 3 : 0
  // g2 = -3 (m1 + m2) - 4 m0 - m5
  if (tap == 2) return position == 0 ? -4 : position == 5 ? -1 : position < 3 ? -3 : 0
  // g3 = 2 (m3 - m4) - (m2 - m1), and g1 = 3 (m2 - m1) - g3
  const near: f32 = position == 1 ? -1 : position == 2 ? 1 : 0
  const far: f32 = position == 3 ? 1 : position == 4 ? -1 : 0
  return tap == 3 ? 2 * far - near : 4 * near - 2 * far
}
