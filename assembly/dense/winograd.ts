/**
 * Winograd's minimal filtering F(4x4, 3x3): 36 products for a tile of 4x4 outputs where the definition takes
 * 144.
 *
 *   y = A' [ (G g G') * (B' d B) ] A
 *
 * d: 6x6 input, g: 3x3 filter, y: 4x4 output, * by element, summed over input channels.
 *
 *        | 4  0 -5  0  1  0 |        |  1/4    0     0  |
 *        | 0 -4 -4  1  1  0 |        | -1/6  -1/6  -1/6 |        | 1  1  1  1  1  0 |
 *   B' = | 0  4 -4 -1  1  0 |    G = | -1/6   1/6  -1/6 |   A' = | 0  1 -1  2 -2  0 |
 *        | 0 -2 -1  2  1  0 |        | 1/24  1/12   1/6 |        | 0  1  1  4  4  0 |
 *        | 0  2 -1 -2  1  0 |        | 1/24 -1/12   1/6 |        | 0  1 -1  8 -8  1 |
 *        | 0  4  0 -5  0  1 |        |   0     0     1  |
 *
 * (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.) By element and summed over
 * channels makes 36 matrix products, one for each position in the 6x6 tile; they go through the register
 * tile. A block of tiles is transformed, multiplied and transformed back before the next one starts, so that
 * its workspace stays in the second-level cache; of more groups than one, a few groups of a block.
 *
 * The transforms cost accuracy, and share a tile's largest number among all its outputs: |error| <= 30 k eps
 * max|x| max|w| for k = 9 ic, eps = 2^-24, where max|x| is that of the 6x6 tile and the sum by definition has
 * 1 for 30; on normal data the relative error is 1e-6 to 4e-6 (tests/ops/winograd.test.ts). So that a bright
 * pixel does not spoil outputs that do not see it, every output must see a number of at least 1/256 of its
 * tile's largest (bytes do): a tile where one does not, or whose largest number is infinite, NaN, or so far
 * from 1 that the transforms could leave float32's range, is summed by definition, with filters that are won
 * back from the transformed ones. Outputs that see zeros alone are exactly their bias.
 *
 * scratch: zeros [8] | grid [36][4] | sizes [6][3][4] | fates [tiles] | addresses [16][10] | patch
 * [36][slice's ic] | table [tiles][2] |
 *          V [36][tiles][slice's ic] | M [36][tiles][8 of a slice's panels] | filter [9][ic of a group][8]
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
 * Unit: `tiles` tiles of 4x4 outputs x `panels` panels of 8 output channels; units of the same tiles are
 * neighbours.
 */
export function winograd(call: usize, begin: i32, end: i32): void {
  const args = changetype<Winograd>(call)
  const oc = args.oc, groups = args.groups, groupIn = args.ic / groups
  const tilesH = (args.oh + 3) / 4, tilesW = (args.ow + 3) / 4
  const allTiles = args.n * tilesH * tilesW
  const tiles = args.tiles, unitPanels = args.panels
  const allPanels = (oc + 7) / 8, groupPanels = allPanels / groups
  const slices = (allPanels + unitPanels - 1) / unitPanels
  const w = args.w, byTwo = rolled(), streamed = 36 * allPanels * groupIn * 8 > STREAMED / 4

  const zeros = scratch()
  memory.fill(zeros, 0, 32)
  const grid = zeros + 32
  // One group is transformed once for all its slices; of more than one, a slice holds whole groups.
  const slicePanels = groups > 1 ? unitPanels : allPanels
  const depth = (slicePanels / groupPanels * groupIn + 3) & ~3
  const sizes = grid + 36 * 16, fates = sizes + 18 * 16
  const addresses = fates + ((tiles * 4 + 15) & ~15)
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
      for (let t = 0; t < count; t++) {
        const seen = see(args, firstTile + t, first, last, patch)
        const fate = fateOfTile(args, firstTile + t, seen, t > 0, sizes, grid)
        if (fate != DIRECT) transformTile(seen, grid, v + t * depth * 4, vStride)
        store<i32>(fates + t * 4, fate)
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
      const fate = load<i32>(fates + t * 4), last = min(oc, panel1 * 8)
      if (fate == DIRECT) direct++
      else outputTile(args, firstTile + t, panel0 * 8, last, grid, m + t * mTileStride, mStride)
      if (fate > 0) biasAlone(args, firstTile + t, fate, panel0 * 8, last)
    }
    for (let panel = panel0; direct && panel < panel1; panel++) {
      filterBack(w + panel * groupIn * 32, allPanels * groupIn * 32, groupIn, filter)
      for (let t = 0; t < count; t++) {
        if (load<i32>(fates + t * 4) == DIRECT) {
          directTile(args, firstTile + t, panel, patch, addresses, filter, zeros)
        }
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

/** Where the input of a tile starts. */
// @ts-ignore: decorator
@inline
function tileRow(args: Winograd, tile: i32): i32 {
  const tilesH = (args.oh + 3) / 4, tilesW = (args.ow + 3) / 4
  return (tile / tilesW) % tilesH * 4
}

// @ts-ignore: decorator
@inline
function tileColumn(args: Winograd, tile: i32): i32 {
  return tile % ((args.ow + 3) / 4) * 4
}

/** Address of channel 0 of pixel (iy, ix) of the image that a tile belongs to, which need not lie in it. */
// @ts-ignore: decorator
@inline
function pixelAt(args: Winograd, tile: i32, iy: i32, ix: i32): usize {
  const tilesH = (args.oh + 3) / 4, tilesW = (args.ow + 3) / 4
  const ih = args.ih, iw = args.iw
  return args.x + ((tile / (tilesH * tilesW) * ih + iy) * iw + ix) * args.ic * 4
}

/** Copies the 6x6 pixels of a tile, channels [first, last), zeros where there are none. */
function gather(args: Winograd, tile: i32, first: i32, last: i32, patch: usize, stride: usize): void {
  const ih = args.ih, iw = args.iw
  const iy = tileRow(args, tile) - args.beforeH, ix = tileColumn(args, tile) - args.beforeW
  const pixelStride = args.ic * 4
  const from = pixelAt(args, tile, iy, ix) + first * 4
  memory.fill(patch, 0, 36 * stride)
  for (let row = max(0, -iy); row < min(6, ih - iy); row++) {
    for (let column = max(0, -ix); column < min(6, iw - ix); column++) {
      copyFloats(from + (row * iw + column) * pixelStride, patch + (row * 6 + column) * stride, last - first)
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
function see(args: Winograd, tile: i32, first: i32, last: i32, patch: usize): Seen {
  const ih = args.ih, iw = args.iw
  const iy = tileRow(args, tile) - args.beforeH, ix = tileColumn(args, tile) - args.beforeW
  const channels = last - first, depth = (channels + 3) & ~3
  let from = pixelAt(args, tile, iy, ix) + first * 4
  let pixelStride = args.ic * 4, rowStride = iw * pixelStride
  // Pixels a multiple of 1 KB apart crowd into few sets of the cache.
  if (iy < 0 || ix < 0 || iy + 6 > ih || ix + 6 > iw || depth != channels || pixelStride % 1024 == 0) {
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
function fateOfTile(args: Winograd, tile: i32, seen: Seen, next: bool, sizes: usize, grid: usize): i32 {
  const oy = tileRow(args, tile), ox = tileColumn(args, tile)
  const rows = min(4, args.oh - oy), columns = min(4, args.ow - ox)
  const channels = seen.channels, depth = seen.depth, groupIn = args.ic / args.groups
  const from = seen.from, pixelStride = seen.pixelStride, rowStride = seen.rowStride
  let fate = 0
  if (channels == groupIn) {
    measure(from, pixelStride, rowStride, depth, rows, next && ox > 0, sizes)
    if (!even(sizes, columns)) fate = fateOf(from, pixelStride, rowStride, depth, rows, columns, grid)
  } else {
    for (let c = 0; c < channels && fate == 0; c += groupIn) {
      measure(from + c * 4, pixelStride, rowStride, groupIn, rows, false, sizes)
      if (
        !even(sizes, columns) && fateOf(from + c * 4, pixelStride, rowStride, groupIn, rows, columns, grid)
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

/** y = clamp(b) of the outputs of a tile that a mask names, channels [first, last). */
function biasAlone(args: Winograd, tile: i32, mask: i32, first: i32, last: i32): void {
  const ow = args.ow, oc = args.oc, b = args.b
  const low = f32x4.splat(args.low), high = f32x4.splat(args.high)
  for (let output = 0; output < 16; output++) {
    if (mask >> output & 1) {
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
function outputAt(args: Winograd, tile: i32, output: i32): usize {
  const tilesH = (args.oh + 3) / 4, tilesW = (args.ow + 3) / 4
  const oh = args.oh, ow = args.ow
  const row = (tile / (tilesH * tilesW)) * oh + tileRow(args, tile) + output / 4
  return args.y + (row * ow + tileColumn(args, tile) + output % 4) * args.oc * 4
}

/** y = clamp(b + x w) of one tile and one panel, by definition. */
function directTile(
  args: Winograd, tile: i32, panel: i32, patch: usize, addresses: usize, filter: usize, zeros: usize,
): void {
  const oc = args.oc, groups = args.groups, groupIn = args.ic / groups
  const rows = min(4, args.oh - tileRow(args, tile)), columns = min(4, args.ow - tileColumn(args, tile))
  const first = panel / ((oc + 7) / 8 / groups) * groupIn, stride = apart(groupIn * 4)
  gather(args, tile, first, first + groupIn, patch, stride)
  const count = rows * columns
  let entry = addresses
  for (let begin = 0; begin < count; begin += TILE_ROWS) {
    const end = min(count, begin + TILE_ROWS)
    for (let part = -1; part < 9; part++) {
      for (let pixel = begin; pixel < end; pixel++) {
        const row = pixel / columns, column = pixel % columns
        const corner = (row + part / 3) * 6 + column + part % 3
        store<usize>(entry, part < 0 ? outputAt(args, tile, row * 4 + column) : patch + corner * stride)
        entry += 4
      }
    }
  }
  const b = args.b, p = changetype<Product>(frame())
  p.taps = 9
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
  args: Winograd, tile: i32, first: i32, last: i32, grid: usize, from: usize, positionStride: usize,
): void {
  const oh = args.oh, ow = args.ow, oc = args.oc
  const tilesH = (oh + 3) / 4, tilesW = (ow + 3) / 4
  const n = tile / (tilesH * tilesW), ty = (tile / tilesW) % tilesH, tx = tile % tilesW
  const rows = min(4, oh - ty * 4), columns = min(4, ow - tx * 4)
  const low = f32x4.splat(args.low), high = f32x4.splat(args.high)
  const b = args.b
  const rowStride = ow * oc * 4
  let y = args.y + (((n * oh + ty * 4) * ow + tx * 4) * oc + first) * 4
  for (let c = first; c < last; c += 4) {
    const lanes = min(4, last - c)
    for (let row = 0; row < 6; row++) {
      // A' along the row: 6 positions -> 4 columns.
      const m = from + row * 6 * positionStride, to = grid + row * 64
      const m1 = v128.load(m + positionStride), m2 = v128.load(m + 2 * positionStride)
      const m3 = v128.load(m + 3 * positionStride), m4 = v128.load(m + 4 * positionStride)
      const sum = f32x4.add(m1, m2), difference = f32x4.sub(m1, m2), sum2 = f32x4.add(m3, m4)
      const difference2 = f32x4.sub(m3, m4)
      v128.store(to, f32x4.add(f32x4.add(v128.load(m), sum), sum2))
      v128.store(to, f32x4.add(difference, f32x4.add(difference2, difference2)), 16)
      v128.store(to, f32x4.add(sum, f32x4.mul(f32x4.splat(4), sum2)), 32)
      v128.store(
        to,
        f32x4.add(
          f32x4.add(difference, f32x4.mul(f32x4.splat(8), difference2)), v128.load(m + 5 * positionStride),
        ),
        48,
      )
    }
    const bias = b ? v128.load(b + c * 4) : f32x4.splat(0)
    for (let column = 0; column < columns; column++) {
      // A' along the column: 6 rows -> 4 rows.
      const m = grid + column * 16, to = y + column * oc * 4
      const m1 = v128.load(m, 64), m2 = v128.load(m, 128), m3 = v128.load(m, 192), m4 = v128.load(m, 256)
      const sum = f32x4.add(m1, m2), difference = f32x4.sub(m1, m2), sum2 = f32x4.add(m3, m4)
      const difference2 = f32x4.sub(m3, m4)
      storeLanes(to, clamp(f32x4.add(bias, f32x4.add(f32x4.add(v128.load(m), sum), sum2)), low, high), lanes)
      if (rows > 1) {
        storeLanes(
          to + rowStride,
          clamp(f32x4.add(bias, f32x4.add(difference, f32x4.add(difference2, difference2))), low, high),
          lanes,
        )
      }
      if (rows > 2) {
        storeLanes(
          to + 2 * rowStride,
          clamp(f32x4.add(bias, f32x4.add(sum, f32x4.mul(f32x4.splat(4), sum2))), low, high), lanes,
        )
      }
      if (rows > 3) {
        storeLanes(
          to + 3 * rowStride,
          clamp(
            f32x4.add(
              bias,
              f32x4.add(f32x4.add(difference, f32x4.mul(f32x4.splat(8), difference2)), v128.load(m, 320)),
            ),
            low, high,
          ),
          lanes,
        )
      }
    }
    from += 16
    y += 16
  }
}
