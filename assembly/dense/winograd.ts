/**
 * Winograd's minimal filtering, F(4x4, 3x3) and F(2x2, 5x5): 36 products for a tile of 4x4 outputs where the
 * definition takes 144, or of 2x2 outputs where it takes 100.
 *
 *   y = A' [ (G g G') * (B' d B) ] A
 *
 * d: 6x6 input, g: filter, y: output, * by element, summed over input channels. Of 3x3 windows:
 *
 *        | 4  0 -5  0  1  0 |        |  1/4    0     0  |
 *        | 0 -4 -4  1  1  0 |        | -1/6  -1/6  -1/6 |        | 1  1  1  1  1  0 |
 *   B' = | 0  4 -4 -1  1  0 |    G = | -1/6   1/6  -1/6 |   A' = | 0  1 -1  2 -2  0 |
 *        | 0 -2 -1  2  1  0 |        | 1/24  1/12   1/6 |        | 0  1  1  4  4  0 |
 *        | 0  2 -1 -2  1  0 |        | 1/24 -1/12   1/6 |        | 0  1 -1  8 -8  1 |
 *        | 0  4  0 -5  0  1 |        |   0     0     1  |
 *
 * Rows of G and columns of A' are powers of the points 0, 1, -1, 2, -2 and infinity. Of 5x5 windows, whose
 * tiles are as large, B' is the same, G has two more columns, and A' the first two of its rows:
 *
 *       |  1/4    0     0     0     0  |
 *       | -1/6  -1/6  -1/6  -1/6  -1/6 |
 *   G = | -1/6   1/6  -1/6   1/6  -1/6 |   A' = | 1  1  1  1  1  0 |
 *       | 1/24  1/12   1/6   1/3   2/3 |        | 0  1 -1  2 -2  1 |
 *       | 1/24 -1/12   1/6  -1/3   2/3 |
 *       |   0     0     0     0     1  |
 *
 * (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.) By element and summed over
 * channels makes 36 matrix products, one for each position in the 6x6 tile; they go through the register
 * tile. A block of tiles is transformed, multiplied and transformed back before the next one starts, so that
 * its workspace stays in the second-level cache; of more groups than one, a few groups of a block.
 *
 * The transforms cost accuracy, and share a tile's largest number among all its outputs: |error| <= 30 k eps
 * max|x| max|w| for k = 9 or 25 ic, eps = 2^-24, where max|x| is that of the 6x6 tile and the sum by
 * definition has 1 for 30; on normal data the relative error is 1e-6 to 4e-6 (tests/ops/winograd.test.ts). So
 * that a bright pixel does not spoil outputs that do not see it, every output must see a number of at least
 * 1/256 of its tile's largest (bytes do): a tile where one does not, or whose largest number is infinite,
 * NaN, or so far from 1 that the transforms could leave float32's range, is summed by definition, with
 * filters that are won back from the transformed ones. Outputs that see zeros alone are exactly their bias.
 *
 * scratch: zeros [8] | Tiling | grid [36][4] | sizes [6][3][4] | Tile [tiles] |
 *          addresses [16][10] or [4][26] | patch [36][slice's ic] | table [tiles][2] |
 *          V [36][tiles][slice's ic] | M [36][tiles][8 of a slice's panels] |
 *          filter [9 or 25][ic of a group][8]
 */
import { frame, rolled, scratch } from '../arguments'
import { Winograd } from '../abi'
import { bringIn, copyFloats } from '../copy'
import { TILE_ROWS, WIDE, clamp, storeLanes } from '../simd'
import { FEW_TILES, runTwoPanels } from './rolled'
import { Product, plainProduct, runTiles } from './tile'
import { runWide } from './wide'
import { DIRECT, even, fateOf, measure } from './winogradFate'
import { filterBack } from './winogradFilter'
import {
  TILE_BYTES, TILING_BYTES, Tile, Tiling, isInside, placeTiles, tilesOf, tilingOf,
} from './winogradTiles'

/**
 * Bytes of transformed filters that come from memory: each panel is read before the tiles that share it.
 * Witness: bench, 3x3 512 channels at 14x14 and 28x28; of 9 MB (256 channels) it costs more than it brings.
 */
const STREAMED: i32 = 16 << 20

/** to[0..6) = B' from[0..6), along one axis of a tile; strides in bytes. */
// @ts-ignore: decorator
@inline
function transformInstoreLanes(from: usize, fromStride: usize, to: usize, toStride: usize): void {
  const d0 = v128.load(from), d1 = v128.load(from + fromStride), d2 = v128.load(from + 2 * fromStride)
  const d3 = v128.load(from + 3 * fromStride), d4 = v128.load(from + 4 * fromStride)
  const d5 = v128.load(from + 5 * fromStride)
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

/**
 * Unit: `tiles` tiles of outputs x `panels` panels of 8 output channels; units of the same tiles are
 * neighbours.
 */
export function winograd(call: usize, begin: i32, end: i32): void {
  const args = changetype<Winograd>(call)
  const oc = args.oc, groups = args.groups, groupIn = args.ic / groups
  const tiles = args.tiles, unitPanels = args.panels
  const allPanels = (oc + 7) / 8, groupPanels = allPanels / groups
  const slices = (allPanels + unitPanels - 1) / unitPanels
  const w = args.w, byTwo = rolled(), streamed = 36 * allPanels * groupIn * 8 > STREAMED / 4

  const zeros = scratch()
  memory.fill(zeros, 0, 32)
  const tiling = tilingOf(args, zeros + 32)
  tiling.firstH = -args.beforeH
  tiling.firstW = -args.beforeW
  tiling.dilation = args.dilation
  tiling.span = 6
  tiling.xPixelStride = args.ic * 4
  tiling.yPixelStride = oc * 4
  const allTiles = args.n * tilesOf(tiling)
  const grid = zeros + 32 + TILING_BYTES
  // One group is transformed once for all its slices; of more than one, a slice holds whole groups.
  const slicePanels = groups > 1 ? unitPanels : allPanels
  const depth = (slicePanels / groupPanels * groupIn + 3) & ~3
  const sizes = grid + 36 * 16, places = sizes + 18 * 16
  const addresses = places + tiles * TILE_BYTES
  const patch = addresses + 160 * 4
  const table = patch + 36 * apart(depth * 4)
  const v = table + ((tiles * 8 + 15) & ~15)
  const vStride = apart(tiles * depth * 4)
  const m = v + 36 * vStride, filter = m + 36 * apart(tiles * slicePanels * 32)
  let transformed = -1

  for (let u = begin, next = u; u < end; u = next) {
    const block = u / slices
    const firstTile = block * tiles, count = min(tiles, allTiles - firstTile)
    // Units of the same tiles are one: their filters would push V out of the cache between them.
    next = groups > 1 ? u + 1 : min(end, (block + 1) * slices)
    const panel0 = (u % slices) * unitPanels, panel1 = min(panel0 + (next - u) * unitPanels, allPanels)
    const mTileStride = (panel1 - panel0) * 32, mStride = apart(tiles * mTileStride)
    if (block != transformed || groups > 1) {
      const first = groups > 1 ? panel0 / groupPanels * groupIn : 0
      const last = groups > 1 ? panel1 / groupPanels * groupIn : groupIn
      placeTiles(tiling, firstTile, count, places)
      for (let t = 0; t < count; t++) {
        const tile = changetype<Tile>(places + t * TILE_BYTES)
        if (tile.rows == 0) continue
        const seen = see(args, tiling, tile, first, last, patch)
        tile.fate = fateOfTile(args, tile, seen, t > 0, sizes, grid)
        if (tile.fate != DIRECT) transformTile(seen, grid, v + t * depth * 4, vStride)
      }
      transformed = block
    }
    for (let t = 0; t < count; t++) {
      const row = t % TILE_ROWS, first = t - row
      const entry = table + first * 8 + row * 4
      store<usize>(entry, m + t * mTileStride)
      store<usize>(entry + min(TILE_ROWS, count - first) * 4, v + t * depth * 4)
    }
    const p = plainProduct(1, groupIn, groupIn * 32, zeros)
    for (let position = 0; position < 36; position++) {
      for (let panel = panel0, panels = 0; panel < panel1; panel += panels) {
        const pair = panel + 1 < panel1 && (panel + 1) % groupPanels != 0
        panels = pair && (WIDE || byTwo && count > FEW_TILES) ? 2 : 1
        p.w = w + (position * allPanels + panel) * groupIn * 32
        p.xOffset = position * vStride + (groups > 1 ? (panel - panel0) / groupPanels * groupIn * 4 : 0)
        p.yOffset = position * mStride + (panel - panel0) * 32
        p.columns = panels * 8
        if (streamed && count > TILE_ROWS) bringIn(p.w, groupIn * panels * 32, sizes)
        if (panels == 1) runTiles(p, count, table)
        else if (WIDE) runWide(p, count, table)
        else runTwoPanels(p, count, table)
      }
    }
    let direct = 0
    for (let t = 0; t < count; t++) {
      const tile = changetype<Tile>(places + t * TILE_BYTES), last = min(oc, panel1 * 8)
      if (tile.fate == DIRECT) direct++
      else outputTile(args, tile, panel0 * 8, last, grid, m + t * mTileStride, mStride)
      if (tile.fate > 0) biasAlone(args, tile, panel0 * 8, last)
    }
    for (let panel = panel0; direct && panel < panel1; panel++) {
      filterBack(w + panel * groupIn * 32, allPanels * groupIn * 32, groupIn, 7 - args.tile, filter)
      for (let t = 0; t < count; t++) {
        const tile = changetype<Tile>(places + t * TILE_BYTES)
        if (tile.fate == DIRECT) directTile(args, tile, panel, patch, addresses, filter, zeros)
      }
    }
  }
}

/** At least `bytes`, and an odd number of cache lines: neighbours so far apart use all sets of the cache. */
// @ts-ignore: decorator
@inline
function apart(bytes: i32): i32 {
  return (bytes + 63 & ~63) | 64
}

/** Copies the 6x6 pixels of a tile, channels [first, last), zeros where there are none. */
function gather(args: Winograd, tile: Tile, first: i32, last: i32, patch: usize, stride: usize): void {
  const ih = args.ih, iw = args.iw, d = args.dilation, pixelStride = args.ic * 4
  const iy = tile.iy, ix = tile.ix, from = tile.x + first * 4
  memory.fill(patch, 0, 36 * stride)
  for (let row = 0; row < 6; row++) {
    const y = row * d
    if (iy + y < 0 || iy + y >= ih) continue
    for (let column = 0; column < 6; column++) {
      const x = column * d
      if (ix + x < 0 || ix + x >= iw) continue
      copyFloats(from + (y * iw + x) * pixelStride, patch + (row * 6 + column) * stride, last - first)
    }
  }
}

/** The 6x6 pixels of a tile as transforms read them. */
@unmanaged
class Seen {
  from: usize; pixelStride: usize; rowStride: usize
  channels: i32
  /** Channels, up to a multiple of 4. */
  depth: i32
}

/** Finds the pixels of a tile, channels [first, last): where they stand, or a copy of them in `patch`. */
function see(args: Winograd, tiling: Tiling, tile: Tile, first: i32, last: i32, patch: usize): Seen {
  const channels = last - first, depth = (channels + 3) & ~3
  let from = tile.x + first * 4, pixelStride = args.dilation * args.ic * 4, rowStride = args.iw * pixelStride
  // Pixels a multiple of 1 KB apart crowd into few sets of the cache.
  if (!isInside(tiling, tile) || depth != channels || pixelStride % 1024 == 0) {
    const stride = apart(depth * 4)
    gather(args, tile, first, last, patch, stride)
    from = patch
    pixelStride = stride
    rowStride = 6 * pixelStride
  }
  const seen = changetype<Seen>(frame() + offsetof<Product>())
  seen.from = from
  seen.pixelStride = pixelStride
  seen.rowStride = rowStride
  seen.channels = channels
  seen.depth = depth
  return seen
}

/** The fate of a tile. `next`: that of the tile before was asked right before. */
function fateOfTile(args: Winograd, tile: Tile, seen: Seen, next: bool, sizes: usize, grid: usize): i32 {
  const size = args.tile, rows = tile.rows, columns = tile.columns
  const channels = seen.channels, depth = seen.depth, groupIn = args.ic / args.groups
  const from = seen.from, pixelStride = seen.pixelStride, rowStride = seen.rowStride
  let fate = 0
  if (channels == groupIn) {
    measure(from, pixelStride, rowStride, depth, rows, size, next && tile.beside, sizes)
    if (!even(sizes, columns)) fate = fateOf(from, pixelStride, rowStride, depth, rows, columns, size, grid)
  } else {
    for (let c = 0; c < channels && fate == 0; c += groupIn) {
      measure(from + c * 4, pixelStride, rowStride, groupIn, rows, size, false, sizes)
      if (
        !even(sizes, columns) &&
        fateOf(from + c * 4, pixelStride, rowStride, groupIn, rows, columns, size, grid)
      ) {
        fate = DIRECT
      }
    }
  }
  return fate
}

/** B' d B of one tile: to[position][channel] */
function transformTile(seen: Seen, grid: usize, to: usize, positionStride: usize): void {
  const pixelStride = seen.pixelStride, rowStride = seen.rowStride
  let from = seen.from
  for (let c = seen.depth; c > 0; c -= 4) {
    for (let row = 0; row < 6; row++) {
      transformInstoreLanes(from + row * rowStride, pixelStride, grid + row * 96, 16)
    }
    for (let column = 0; column < 6; column++) {
      transformInstoreLanes(grid + column * 16, 96, to + column * positionStride, 6 * positionStride)
    }
    from += 16
    to += 16
  }
}

/** y = clamp(b) of the outputs of a tile that see zeros alone, channels [first, last). */
function biasAlone(args: Winograd, tile: Tile, first: i32, last: i32): void {
  const b = args.b
  const low = f32x4.splat(args.low), high = f32x4.splat(args.high)
  for (let output = 0; output < args.tile * args.tile; output++) {
    if (tile.fate >> output & 1) {
      const y = outputAt(args, tile, output)
      for (let c = first; c < last; c += 4) {
        storeLanes(y + c * 4, clamp(b ? v128.load(b + c * 4) : f32x4.splat(0), low, high), min(4, last - c))
      }
    }
  }
}

/** Address of channel 0 of an output of a tile, counted row by row. */
// @ts-ignore: decorator
@inline
function outputAt(args: Winograd, tile: Tile, output: i32): usize {
  const size = args.tile
  return tile.y + (output / size * args.ow + output % size) * args.dilation * args.oc * 4
}

/** y = clamp(b + x w) of one tile and one panel, by definition. */
function directTile(
  args: Winograd, tile: Tile, panel: i32, patch: usize, addresses: usize, filter: usize, zeros: usize,
): void {
  const oc = args.oc, groups = args.groups, groupIn = args.ic / groups
  const size = args.tile, window = 7 - size, taps = window * window
  const rows = tile.rows, columns = tile.columns
  const first = panel / ((oc + 7) / 8 / groups) * groupIn, stride = apart(groupIn * 4)
  gather(args, tile, first, first + groupIn, patch, stride)
  const count = rows * columns
  let entry = addresses
  for (let begin = 0; begin < count; begin += TILE_ROWS) {
    const end = min(count, begin + TILE_ROWS)
    for (let part = -1; part < taps; part++) {
      for (let pixel = begin; pixel < end; pixel++) {
        const row = pixel / columns, column = pixel % columns
        const corner = (row + part / window) * 6 + column + part % window
        store<usize>(entry, part < 0 ? outputAt(args, tile, row * size + column) : patch + corner * stride)
        entry += 4
      }
    }
  }
  const b = args.b, p = changetype<Product>(frame())
  p.taps = taps
  p.depth = groupIn
  p.xOffset = 0
  p.w = filter
  p.b = b ? b + panel * 32 : zeros
  p.yOffset = panel * 32
  p.columns = min(8, oc - panel * 8)
  p.low = args.low
  p.high = args.high
  runTiles(p, count, addresses)
}

/** y = clamp(b + A' m A) of one tile, channels [first, last), from[position][channel - first]. */
function outputTile(
  args: Winograd, tile: Tile, first: i32, last: i32, grid: usize, from: usize, positionStride: usize,
): void {
  const size = args.tile, rows = tile.rows, columns = tile.columns
  if (rows == 0) return
  const low = f32x4.splat(args.low), high = f32x4.splat(args.high)
  const b = args.b
  const pixelStride = args.dilation * args.oc * 4, rowStride = args.ow * pixelStride
  let y = tile.y + first * 4
  for (let c = first; c < last; c += 4) {
    const lanes = min(4, last - c)
    for (let row = 0; row < 6; row++) {
      // A' along the row: 6 positions -> 4 or 2 columns.
      const m = from + row * 6 * positionStride, to = grid + row * 64
      const m1 = v128.load(m + positionStride), m2 = v128.load(m + 2 * positionStride)
      const m3 = v128.load(m + 3 * positionStride), m4 = v128.load(m + 4 * positionStride)
      const sum = f32x4.add(m1, m2), difference = f32x4.sub(m1, m2), sum2 = f32x4.add(m3, m4)
      const difference2 = f32x4.sub(m3, m4), m5 = v128.load(m + 5 * positionStride)
      v128.store(to, f32x4.add(f32x4.add(v128.load(m), sum), sum2))
      const second = f32x4.add(difference, f32x4.add(difference2, difference2))
      if (size == 2) {
        v128.store(to, f32x4.add(second, m5), 16)
        continue
      }
      v128.store(to, second, 16)
      v128.store(to, f32x4.add(sum, f32x4.mul(f32x4.splat(4), sum2)), 32)
      v128.store(to, f32x4.add(f32x4.add(difference, f32x4.mul(f32x4.splat(8), difference2)), m5), 48)
    }
    const bias = b ? v128.load(b + c * 4) : f32x4.splat(0)
    for (let column = 0; column < columns; column++) {
      // A' along the column: 6 rows -> 4 or 2 rows.
      const m = grid + column * 16
      let to = y + column * pixelStride
      const m1 = v128.load(m, 64), m2 = v128.load(m, 128), m3 = v128.load(m, 192), m4 = v128.load(m, 256)
      const sum = f32x4.add(m1, m2), difference = f32x4.sub(m1, m2), sum2 = f32x4.add(m3, m4)
      const difference2 = f32x4.sub(m3, m4), m5 = v128.load(m, 320)
      storeLanes(to, clamp(f32x4.add(bias, f32x4.add(f32x4.add(v128.load(m), sum), sum2)), low, high), lanes)
      if (rows == 1) continue
      to += rowStride
      let value = f32x4.add(difference, f32x4.add(difference2, difference2))
      if (size == 2) value = f32x4.add(value, m5)
      storeLanes(to, clamp(f32x4.add(bias, value), low, high), lanes)
      if (rows == 2) continue
      to += rowStride
      value = f32x4.add(sum, f32x4.mul(f32x4.splat(4), sum2))
      storeLanes(to, clamp(f32x4.add(bias, value), low, high), lanes)
      if (rows == 3) continue
      value = f32x4.add(f32x4.add(difference, f32x4.mul(f32x4.splat(8), difference2)), m5)
      storeLanes(to + rowStride, clamp(f32x4.add(bias, value), low, high), lanes)
    }
    from += 16
    y += 16
  }
}
