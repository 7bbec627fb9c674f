/**
 * Winograd's minimal filtering F(4x4, 3x3): 36 products for a tile of 4x4 outputs where the definition takes 144.
 *
 *   y = A' [ (G g G') * (B' d B) ] A      d: 6x6 input, g: 3x3 filter, y: 4x4 output, * by element, summed over input channels
 *
 *        | 4  0 -5  0  1  0 |        |  1/4    0     0  |
 *        | 0 -4 -4  1  1  0 |        | -1/6  -1/6  -1/6 |        | 1  1  1  1  1  0 |
 *   B' = | 0  4 -4 -1  1  0 |    G = | -1/6   1/6  -1/6 |   A' = | 0  1 -1  2 -2  0 |
 *        | 0 -2 -1  2  1  0 |        | 1/24  1/12   1/6 |        | 0  1  1  4  4  0 |
 *        | 0  2 -1 -2  1  0 |        | 1/24 -1/12   1/6 |        | 0  1 -1  8 -8  1 |
 *        | 0  4  0 -5  0  1 |        |   0     0     1  |
 *
 * (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.) By element and summed over channels makes 36 matrix products,
 * one for each position in the 6x6 tile; they go through the register tile. A block of tiles is transformed, multiplied and transformed back
 * before the next one starts, so that its workspace stays in the second-level cache; of more groups than one, a few groups of a block.
 *
 * The transforms cost accuracy: |error| <= 30 k eps max|x| max|w| for k = 9 ic, eps = 2^-24, where the sum by definition has 1 for 30; on normal
 * data the relative error is 1e-6 to 4e-6 (tests/ops/winograd.test.ts). An infinity or NaN spreads over its whole tile.
 *
 * scratch: zeros [8] | grid [36][4] | patch [36][slice's ic] | table [tiles][2] | V [36][tiles][slice's ic] | M [36][tiles][8 panels]
 */
import { address, scratch, splat, word } from './arguments'
import { FILTER_CHANNELS, Winograd, WinogradFilter } from './calls'
import { copyFloats } from './layout'
import { TILE_ROWS, clamp, storeLanes } from './simd'
import { runTiles } from './tile'

/** to[0..6) = B' from[0..6), along one axis of a tile; strides in bytes. */
// @ts-ignore: decorator
@inline
function transformInstoreLanes(from: usize, fromStride: usize, to: usize, toStride: usize): void {
  const d0 = v128.load(from), d1 = v128.load(from + fromStride), d2 = v128.load(from + 2 * fromStride)
  const d3 = v128.load(from + 3 * fromStride), d4 = v128.load(from + 4 * fromStride), d5 = v128.load(from + 5 * fromStride)
  const four = f32x4.splat(4), five = f32x4.splat(5)
  v128.store(to, f32x4.add(f32x4.sub(f32x4.mul(four, d0), f32x4.mul(five, d2)), d4))
  const even = f32x4.sub(d4, f32x4.mul(four, d2)), odd = f32x4.sub(d3, f32x4.mul(four, d1))
  v128.store(to + toStride, f32x4.add(even, odd))
  v128.store(to + 2 * toStride, f32x4.sub(even, odd))
  const outer = f32x4.sub(d4, d2), inner = f32x4.sub(d3, d1), twice = f32x4.add(inner, inner)
  v128.store(to + 3 * toStride, f32x4.add(outer, twice))
  v128.store(to + 4 * toStride, f32x4.sub(outer, twice))
  v128.store(to + 5 * toStride, f32x4.add(f32x4.sub(f32x4.mul(four, d1), f32x4.mul(five, d3)), d5))
}

/** to[0..6) = G from[0..3) */
// @ts-ignore: decorator
@inline
function transformFilter(g0: v128, g1: v128, g2: v128, to: usize, toStride: usize): void {
  const sixth = f32x4.splat(1.0 / 6.0)
  v128.store(to, f32x4.mul(g0, f32x4.splat(0.25)))
  const even = f32x4.mul(f32x4.add(g0, g2), sixth), odd = f32x4.mul(g1, sixth)
  v128.store(to + toStride, f32x4.neg(f32x4.add(even, odd)))
  v128.store(to + 2 * toStride, f32x4.sub(odd, even))
  const outer = f32x4.add(f32x4.mul(g0, f32x4.splat(1.0 / 24.0)), f32x4.mul(g2, sixth)), inner = f32x4.mul(g1, f32x4.splat(1.0 / 12.0))
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
  const ic = word(call, WinogradFilter.ic), oc = word(call, WinogradFilter.oc)
  const tapHStride: usize = word(call, WinogradFilter.tapHStride), tapWStride: usize = word(call, WinogradFilter.tapWStride)
  const rowStride: usize = word(call, WinogradFilter.rowStride), columnStride: usize = word(call, WinogradFilter.columnStride)
  const positionStride = ((oc + 7) / 8) * ic * 32
  const columns = scratch(), block = columns + 18 * 16
  for (let first = begin * ic; first < end * ic; ) {
    const panel = first / ic, i = first % ic
    const count = min(FILTER_CHANNELS, ic - i)
    for (let part = 0; part < 2 * count; part++) {
      const o = panel * 8 + (part & 1) * 4
      const from = address(call, WinogradFilter.filter) + (i + (part >> 1)) * rowStride + o * columnStride
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
    const to = address(call, WinogradFilter.panels) + first * 32
    for (let position = 0; position < 36; position++) copyFloats(block + position * FILTER_CHANNELS * 32, to + position * positionStride, count * 8)
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

/** Unit: `tiles` tiles of 4x4 outputs x `panels` panels of 8 output channels; units of the same tiles are neighbours. */
export function winograd(call: usize, begin: i32, end: i32): void {
  const oc = word(call, Winograd.oc), groups = word(call, Winograd.groups), groupIn = word(call, Winograd.ic) / groups
  const tilesH = (word(call, Winograd.oh) + 3) / 4, tilesW = (word(call, Winograd.ow) + 3) / 4
  const allTiles = word(call, Winograd.n) * tilesH * tilesW
  const tiles = word(call, Winograd.tiles), unitPanels = word(call, Winograd.panels)
  const allPanels = (oc + 7) / 8, groupPanels = allPanels / groups
  const slices = (allPanels + unitPanels - 1) / unitPanels
  const w = address(call, Winograd.w)
  const none = f32x4.splat(-Infinity), all = f32x4.splat(Infinity)

  const zeros = scratch()
  memory.fill(zeros, 0, 32)
  const grid = zeros + 32
  // One group is transformed once for all its slices; of more than one, a slice holds whole groups.
  const slicePanels = groups > 1 ? unitPanels : allPanels
  const depth = (slicePanels / groupPanels * groupIn + 3) & ~3
  const patch = grid + 36 * 16
  const table = patch + 36 * apart(depth * 4)
  const v = table + ((tiles * 8 + 15) & ~15)
  const mTileStride = unitPanels * 32, vStride = apart(tiles * depth * 4), mStride = apart(tiles * mTileStride)
  const m = v + 36 * vStride
  let transformed = -1

  for (let u = begin; u < end; u++) {
    const block = u / slices
    const firstTile = block * tiles, count = min(tiles, allTiles - firstTile)
    const panel0 = (u % slices) * unitPanels, panel1 = min(panel0 + unitPanels, allPanels)
    if (block != transformed || groups > 1) {
      const first = groups > 1 ? panel0 / groupPanels * groupIn : 0, last = groups > 1 ? panel1 / groupPanels * groupIn : groupIn
      for (let t = 0; t < count; t++) inputTile(call, firstTile + t, first, last, patch, grid, v + t * depth * 4, vStride)
      for (let t = 0; t < count; t++) {
        const row = t % TILE_ROWS, first = t - row
        const entry = table + first * 8 + row * 4
        store<usize>(entry, m + t * mTileStride)
        store<usize>(entry + min(TILE_ROWS, count - first) * 4, v + t * depth * 4)
      }
      transformed = block
    }
    for (let position = 0; position < 36; position++) {
      for (let panel = panel0; panel < panel1; panel++) {
        const wp = w + (position * allPanels + panel) * groupIn * 32
        const xOffset = position * vStride + (groups > 1 ? (panel - panel0) / groupPanels * groupIn * 4 : 0)
        const yOffset = position * mStride + (panel - panel0) * 32
        runTiles(count, table, 1, groupIn, xOffset, wp, zeros, yOffset, 8, none, all)
      }
    }
    for (let t = 0; t < count; t++) outputTile(call, firstTile + t, panel0 * 8, min(oc, panel1 * 8), grid, m + t * mTileStride, mStride)
  }
}

/** At least `bytes`, and an odd number of cache lines: neighbours so far apart use all sets of the cache. */
// @ts-ignore: decorator
@inline
function apart(bytes: i32): i32 {
  return (bytes + 63 & ~63) | 64
}

/** B' d B of one tile, channels [first, last): to[position][channel - first]. */
function inputTile(call: usize, tile: i32, first: i32, last: i32, patch: usize, grid: usize, to: usize, positionStride: usize): void {
  const ih = word(call, Winograd.ih), iw = word(call, Winograd.iw), ic = word(call, Winograd.ic)
  const tilesH = (word(call, Winograd.oh) + 3) / 4, tilesW = (word(call, Winograd.ow) + 3) / 4
  const n = tile / (tilesH * tilesW), ty = (tile / tilesW) % tilesH, tx = tile % tilesW
  const iy = ty * 4 - word(call, Winograd.beforeH), ix = tx * 4 - word(call, Winograd.beforeW)
  const image = address(call, Winograd.x) + n * ih * iw * ic * 4
  const channels = last - first, depth = (channels + 3) & ~3
  let from = image + ((iy * iw + ix) * ic + first) * 4
  let pixelStride = ic * 4, rowStride = iw * pixelStride
  // Pixels a multiple of 1 KB apart crowd into few sets of the cache.
  if (iy < 0 || ix < 0 || iy + 6 > ih || ix + 6 > iw || depth != channels || pixelStride % 1024 == 0) {
    const stride = apart(depth * 4)
    memory.fill(patch, 0, 36 * stride)
    for (let row = max(0, -iy); row < min(6, ih - iy); row++) {
      for (let column = max(0, -ix); column < min(6, iw - ix); column++) {
        copyFloats(from + row * rowStride + column * pixelStride, patch + (row * 6 + column) * stride, channels)
      }
    }
    from = patch
    pixelStride = stride
    rowStride = 6 * pixelStride
  }
  for (let c = 0; c < depth; c += 4) {
    for (let row = 0; row < 6; row++) transformInstoreLanes(from + row * rowStride, pixelStride, grid + row * 96, 16)
    for (let column = 0; column < 6; column++) transformInstoreLanes(grid + column * 16, 96, to + column * positionStride, 6 * positionStride)
    from += 16
    to += 16
  }
}

/** y = clamp(b + A' m A) of one tile, channels [first, last), from[position][channel - first]. */
function outputTile(call: usize, tile: i32, first: i32, last: i32, grid: usize, from: usize, positionStride: usize): void {
  const oh = word(call, Winograd.oh), ow = word(call, Winograd.ow), oc = word(call, Winograd.oc)
  const tilesH = (oh + 3) / 4, tilesW = (ow + 3) / 4
  const n = tile / (tilesH * tilesW), ty = (tile / tilesW) % tilesH, tx = tile % tilesW
  const rows = min(4, oh - ty * 4), columns = min(4, ow - tx * 4)
  const low = splat(call, Winograd.low), high = splat(call, Winograd.high)
  const b = address(call, Winograd.b)
  const rowStride = ow * oc * 4
  let y = address(call, Winograd.y) + (((n * oh + ty * 4) * ow + tx * 4) * oc + first) * 4
  for (let c = first; c < last; c += 4) {
    const lanes = min(4, last - c)
    for (let row = 0; row < 6; row++) {
      // A' along the row: 6 positions -> 4 columns.
      const m = from + row * 6 * positionStride, to = grid + row * 64
      const m1 = v128.load(m + positionStride), m2 = v128.load(m + 2 * positionStride), m3 = v128.load(m + 3 * positionStride), m4 = v128.load(m + 4 * positionStride)
      const sum = f32x4.add(m1, m2), difference = f32x4.sub(m1, m2), sum2 = f32x4.add(m3, m4), difference2 = f32x4.sub(m3, m4)
      v128.store(to, f32x4.add(f32x4.add(v128.load(m), sum), sum2))
      v128.store(to, f32x4.add(difference, f32x4.add(difference2, difference2)), 16)
      v128.store(to, f32x4.add(sum, f32x4.mul(f32x4.splat(4), sum2)), 32)
      v128.store(to, f32x4.add(f32x4.add(difference, f32x4.mul(f32x4.splat(8), difference2)), v128.load(m + 5 * positionStride)), 48)
    }
    const bias = b ? v128.load(b + c * 4) : f32x4.splat(0)
    for (let column = 0; column < columns; column++) {
      // A' along the column: 6 rows -> 4 rows.
      const m = grid + column * 16, to = y + column * oc * 4
      const m1 = v128.load(m, 64), m2 = v128.load(m, 128), m3 = v128.load(m, 192), m4 = v128.load(m, 256)
      const sum = f32x4.add(m1, m2), difference = f32x4.sub(m1, m2), sum2 = f32x4.add(m3, m4), difference2 = f32x4.sub(m3, m4)
      storeLanes(to, clamp(f32x4.add(bias, f32x4.add(f32x4.add(v128.load(m), sum), sum2)), low, high), lanes)
      if (rows > 1) storeLanes(to + rowStride, clamp(f32x4.add(bias, f32x4.add(difference, f32x4.add(difference2, difference2))), low, high), lanes)
      if (rows > 2) storeLanes(to + 2 * rowStride, clamp(f32x4.add(bias, f32x4.add(sum, f32x4.mul(f32x4.splat(4), sum2))), low, high), lanes)
      if (rows > 3) storeLanes(to + 3 * rowStride, clamp(f32x4.add(bias, f32x4.add(f32x4.add(difference, f32x4.mul(f32x4.splat(8), difference2)), v128.load(m, 320))), low, high), lanes)
    }
    from += 16
    y += 16
  }
}
