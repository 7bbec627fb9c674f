/**
 * Winograd's minimal filtering over 8-bit integers, exact: F(4x4, 3x3), and F(2x2, 3x3) where sums could be
 * too large for it.
 *
 *   s y = A' [ (G g G') * (B' d B) ] A      as in winograd.ts, with rows of G scaled to integers: s = 576
 *   or 4
 *
 * B of F(4x4) is that of winograd.ts, and so is A, but that its last 1 is 2.
 *
 *              |  6  0  0 |              | 2  0  0 |
 *              | -4 -4 -4 |              | 1  1  1 |         | 1  0 -1  0 |        | 1  1  1  0 |
 *   F(4x4): G= | -4  4 -4 |   F(2x2): G= | 1 -1  1 |    B' = | 0  1  1  0 |   A' = | 0  1 -1 -1 |
 *              |  1  2  4 |              | 0  0  2 |         | 0 -1  1  0 |
 *              |  1 -2  4 |                                  | 0  1  0 -1 |
 *              |  0  0 12 |
 *
 * Transformed bytes are at most 68 * 255 = 17340, filters of numbers up to 227 144 * 227 = 32688: both hold
 * in 16 bits. Sums run modulo 2^32, in which 576 y, once multiplied by the inverse of 9, is 64 y: exact for
 * |y| < 2^25, as 4 y of F(2x2) is for |y| < 2^29. That is known of the filter before (plans/winograd8.ts). A
 * zero point z in all of d is in B' d B at (1, 1) alone, 36 z or 4 z; so what it adds is taken off where the
 * sums of that position start.
 *
 * A larger window is a sum of 3x3 ones, its pieces, the last of which are filled up with zeros: tiles of what
 * each of them sees are side by side as if they were channels, and there is one sum of products.
 *
 * A filter: sums of (1, 1) i32[panels * 8] | words [positions][panels][pieces][ic / 2, in fours][8]
 *
 * scratch: grid [48][4] | Tiling | Tile [tiles] | patch [span][span][ic, in fours] | table [tiles][2]
 * | starts [panels + 1][32] | finishes [panels][32] | V [positions][tiles][pieces][ic / 2]
 * | M [positions][tiles][8 panels]
 */
import { frame, rolled, scratch } from '../arguments'
import { Finish, Igemm8, WinogradFilter8 } from '../abi'
import { copyBytes } from '../copy'
import { FINISH_BYTES, setFinish, storeIntegers } from '../quantize'
import { WIDE } from '../simd'
import { runPairs, runWide8, startSums, zeroOf } from './int8'
import { FEW_TILES, runTwoPairs } from './rolled'
import { PAIR_ROWS, Product } from './tile'
import {
  TILE_BYTES, TILING_BYTES, Tile, Tiling, isInside, placeTiles, tilesOf, tilingOf,
} from './winogradTiles'

/** The inverse of 9 modulo 2^32. */
const NINTH: i32 = 954437177

/** What transforms are made for: outputs of a tile along each axis, and whether x is signed. */
// @ts-ignore: decorator
@final class Four { @inline outputs(): i32 { return 4 } }
// @ts-ignore: decorator
@final class Two { @inline outputs(): i32 { return 2 } }
// @ts-ignore: decorator
@final class Signed { @inline eight(p: usize): v128 { return v128.load8x8_s(p) } }
// @ts-ignore: decorator
@final class Unsigned { @inline eight(p: usize): v128 { return v128.load8x8_u(p) } }

// @ts-ignore: decorator
@inline
function outputsOf<M>(): i32 {
  return changetype<M>(0).outputs()
}

// @ts-ignore: decorator
@inline
function eight<S>(p: usize): v128 {
  return changetype<S>(0).eight(p)
}

/** to[0..) = B' d, along one axis of a tile, 8 channels. */
// @ts-ignore: decorator
@inline
function transformIn<M>(
  d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, to: usize, stride: usize,
): void {
  if (outputsOf<M>() == 2) {
    v128.store(to, i16x8.sub(d0, d2))
    v128.store(to + stride, i16x8.add(d1, d2))
    v128.store(to + 2 * stride, i16x8.sub(d2, d1))
    v128.store(to + 3 * stride, i16x8.sub(d1, d3))
    return
  }
  const even = i16x8.sub(d4, i16x8.shl(d2, 2)), odd = i16x8.sub(d3, i16x8.shl(d1, 2))
  const outer = i16x8.sub(d4, d2), inner = i16x8.sub(d3, d1), twice = i16x8.add(inner, inner)
  v128.store(to, i16x8.add(i16x8.shl(i16x8.sub(d0, d2), 2), outer))
  v128.store(to + stride, i16x8.add(even, odd))
  v128.store(to + 2 * stride, i16x8.sub(even, odd))
  v128.store(to + 3 * stride, i16x8.add(outer, twice))
  v128.store(to + 4 * stride, i16x8.sub(outer, twice))
  v128.store(to + 5 * stride, i16x8.sub(i16x8.sub(d5, d3), i16x8.add(twice, twice)))
}

/** B' d B of a tile, 8 channels at a time. */
function inputTile<M, S>(
  from: usize, pixelStride: usize, rowStride: usize, depth: i32, grid: usize, to: usize,
  positionStride: usize,
): void {
  const m = outputsOf<M>(), size = m + 2, four: usize = m == 4 ? 4 : 0, five: usize = m == 4 ? 5 : 0
  for (let c = 0; c < depth; c += 8) {
    let p = from, g = grid
    for (let column = 0; column < size; column++) {
      const d0 = eight<S>(p), d1 = eight<S>(p + rowStride), d2 = eight<S>(p + 2 * rowStride),
        d3 = eight<S>(p + 3 * rowStride)
      const d4 = m == 4 ? eight<S>(p + four * rowStride) : d0,
        d5 = m == 4 ? eight<S>(p + five * rowStride) : d0
      transformIn<M>(d0, d1, d2, d3, d4, d5, g, size * 16)
      p += pixelStride
      g += 16
    }
    g = grid
    let v = to
    for (let row = 0; row < size; row++) {
      transformIn<M>(v128.load(g), v128.load(g, 16), v128.load(g, 32), v128.load(g, 48),
        v128.load(g + four * 16), v128.load(g + five * 16), v, positionStride)
      g += size * 16
      v += size * positionStride
    }
    from += 8
    to += 16
  }
}

/** to[0..m) = A' from[0..m + 2), along one axis, 4 channels; strides in bytes. */
// @ts-ignore: decorator
@inline
function transformOut(m: i32, from: usize, fromStride: usize, to: usize, toStride: usize): void {
  const m0 = v128.load(from), m1 = v128.load(from + fromStride), m2 = v128.load(from + 2 * fromStride),
    m3 = v128.load(from + 3 * fromStride)
  const sum = i32x4.add(m1, m2), difference = i32x4.sub(m1, m2)
  if (m == 2) {
    v128.store(to, i32x4.add(m0, sum))
    v128.store(to + toStride, i32x4.sub(difference, m3))
    return
  }
  const m4 = v128.load(from + 4 * fromStride), m5 = v128.load(from + 5 * fromStride)
  const sum2 = i32x4.add(m3, m4), difference2 = i32x4.sub(m3, m4)
  v128.store(to, i32x4.add(i32x4.add(m0, sum), sum2))
  v128.store(to + toStride, i32x4.add(difference, i32x4.shl(difference2, 1)))
  v128.store(to + 2 * toStride, i32x4.add(sum, i32x4.shl(sum2, 2)))
  v128.store(to + 3 * toStride, i32x4.add(difference, i32x4.shl(i32x4.add(i32x4.shl(difference2, 2), m5), 1)))
}

/** What s y is of, plus the bias. */
// @ts-ignore: decorator
@inline
function unscaled(m: i32, v: v128, bias: v128): v128 {
  const y = m == 2 ? i32x4.shr_s(v, 2) : i32x4.shr_s(i32x4.mul(v, i32x4.splat(NINTH)), 6)
  return i32x4.add(y, bias)
}

/** The outputs of a tile, panels [panel0, panel1), from its sums: those of panel0 at `from`. */
function outputTile<M>(
  args: Igemm8, tile: Tile, from: usize, positionStride: usize, grid: usize, finishes: usize, panel0: i32,
  panel1: i32,
): void {
  const m = outputsOf<M>(), size = m + 2, oc = args.oc, yBytes = args.finish == Finish.bytes ? 1 : 4
  const y = tile.y, rows = tile.rows, columns = tile.columns
  const yPixel: usize = args.tapStepH * oc * yBytes, yRow: usize = args.ow * yPixel
  for (let panel = panel0; panel < panel1; panel++) {
    const finish = finishes + panel * FINISH_BYTES, channels = min(8, oc - panel * 8)
    // A' along rows of the tile, for both halves of the channels: grid [row][column of m][8]
    for (let row = 0; row < size; row++) {
      const p = from + row * size * positionStride, g = grid + row * m * 32
      transformOut(m, p, positionStride, g, 32)
      transformOut(m, p + 16, positionStride, g + 16, 32)
    }
    const bias0 = v128.load(finish), bias1 = v128.load(finish, 16)
    for (let column = 0; column < columns; column++) {
      const g = grid + column * 32
      transformOut(m, g, m * 32, g, m * 32)
      transformOut(m, g + 16, m * 32, g + 16, m * 32)
      let to = y + panel * 8 * yBytes + column * yPixel
      for (let row = 0; row < rows; row++) {
        const p = g + row * m * 32
        storeIntegers(finish, to, unscaled(m, v128.load(p), bias0), unscaled(m, v128.load(p, 16), bias1),
          channels)
        to += yRow
      }
    }
    from += 32
  }
}

/** At least `bytes`, and an odd number of cache lines: neighbours so far apart use all sets of the cache. */
// @ts-ignore: decorator
@inline
function apart(bytes: i32): i32 {
  return (bytes + 63 & ~63) | 64
}

/**
 * Unit: `pixels` tiles of m x m outputs x `panels` panels of 8 output channels; units of the same tiles are
 * neighbours.
 */
export function winograd8(call: usize, begin: i32, end: i32): void {
  const args = changetype<Igemm8>(call)
  const m = args.tile, size = m + 2, positions = size * size, signed = args.signed
  const ih = args.ih, iw = args.iw, ic = args.ic, oc = args.oc, d = args.tapStepH
  const tiles = args.pixels, unitPanels = args.panels, allPanels = (oc + 7) / 8
  const slices = (allPanels + unitPanels - 1) / unitPanels
  const along = piecesAlong(args.tapsH), pieces = along * along, span = 3 * along + m - 1
  const depth = (ic + 7) & ~7, words = pieces * depth / 2, panelBytes: usize = words * 32
  const byTwo = rolled(), heads = args.w, w = heads + allPanels * 32, zeroPoint = zeroOf(args)

  const grid = scratch(), places = grid + 48 * 16 + TILING_BYTES
  const tiling = tilingOf(args, grid + 48 * 16)
  tiling.firstH = args.tapFirstH
  tiling.firstW = args.tapFirstW
  tiling.dilation = d
  tiling.span = span
  tiling.xPixelStride = ic
  tiling.yPixelStride = oc * (args.finish == Finish.bytes ? 1 : 4)
  const allTiles = args.n * tilesOf(tiling)
  const patchStride: usize = apart(depth), patch = places + tiles * TILE_BYTES
  const table = patch + span * span * patchStride
  const starts = table + ((tiles * 8 + 15) & ~15), finishes = starts + (allPanels + 1) * FINISH_BYTES
  const v = finishes + allPanels * FINISH_BYTES
  const vTile: usize = words * 4, vStride: usize = apart(tiles * vTile)
  const mTile: usize = unitPanels * 32, mStride: usize = apart(tiles * mTile)
  const sums = v + positions * vStride
  const p = changetype<Product>(frame())
  p.taps = 1
  p.depth = words
  p.wStride = panelBytes
  let transformed = -1

  for (let u = begin; u < end; u++) {
    const block = u / slices
    const first = block * tiles, count = min(tiles, allTiles - first)
    const panel0 = (u % slices) * unitPanels, panel1 = min(panel0 + unitPanels, allPanels)
    if (transformed < 0) {
      // Sums of all positions start at 0, those of (1, 1) less what the zero point adds.
      const zero = i32x4.splat(-zeroPoint * (m == 4 ? 36 : 4))
      for (let panel = 0; panel <= allPanels; panel++) {
        const start = starts + panel * FINISH_BYTES
        setFinish(start, 0, 0, 0, Finish.sums)
        for (let half: usize = 0; half < 32; half += 16) {
          v128.store(start + half, panel == allPanels ? i32x4.splat(0)
            : i32x4.mul(zero, v128.load(heads + panel * 32 + half)))
        }
      }
      startSums(args, 0, finishes, heads, 32, allPanels, oc)
    }
    if (block != transformed) {
      placeTiles(tiling, first, count, places)
      for (let t = 0; t < count; t++) {
        const tile = changetype<Tile>(places + t * TILE_BYTES), iy = tile.iy, ix = tile.ix
        const to = v + t * vTile
        const row = t % PAIR_ROWS, entry = table + (t - row) * 8 + row * 4
        store<usize>(entry, sums + t * mTile)
        store<usize>(entry + min(PAIR_ROWS, count - t + row) * 4, to)
        if (tile.rows == 0) continue
        let from = tile.x, pixelStride: usize = d * ic, rowStride: usize = iw * pixelStride
        if (!isInside(tiling, tile)) {
          memory.fill(patch, <u8>zeroPoint, span * span * patchStride)
          for (let row = 0; row < span; row++) {
            if (iy + row * d < 0 || iy + row * d >= ih) continue
            for (let column = 0; column < span; column++) {
              if (ix + column * d < 0 || ix + column * d >= iw) continue
              copyBytes(from + row * rowStride + column * pixelStride,
                patch + (row * span + column) * patchStride, ic)
            }
          }
          from = patch
          pixelStride = patchStride
          rowStride = span * patchStride
        }
        for (let piece = 0; piece < pieces; piece++) {
          const p = from + 3 * (piece / along * rowStride + piece % along * pixelStride)
          const v = to + piece * depth * 2
          if (m == 4) {
            if (signed) inputTile<Four, Signed>(p, pixelStride, rowStride, depth, grid, v, vStride)
            else inputTile<Four, Unsigned>(p, pixelStride, rowStride, depth, grid, v, vStride)
          } else if (signed) inputTile<Two, Signed>(p, pixelStride, rowStride, depth, grid, v, vStride)
          else inputTile<Two, Unsigned>(p, pixelStride, rowStride, depth, grid, v, vStride)
        }
      }
      transformed = block
    }
    const most = WIDE || byTwo && count > FEW_TILES ? 2 : 1
    for (let position = 0; position < positions; position++) {
      const isCentre = position == size + 1
      p.xOffset = position * vStride
      p.bStride = isCentre ? FINISH_BYTES : 0
      for (let panel = panel0, panels = 0; panel < panel1; panel += panels) {
        panels = min(most, panel1 - panel)
        p.w = w + (position * allPanels + panel) * panelBytes
        p.b = starts + (isCentre ? panel : allPanels) * FINISH_BYTES
        p.yOffset = position * mStride + (panel - panel0) * 32
        p.columns = panels * 8
        if (panels == 1) runPairs(p, count, table)
        else if (WIDE) runWide8(p, count, table, 0)
        else runTwoPairs(p, count, table)
      }
    }
    for (let t = 0; t < count; t++) {
      const tile = changetype<Tile>(places + t * TILE_BYTES), from = sums + t * mTile
      if (m == 4) outputTile<Four>(args, tile, from, mStride, grid, finishes, panel0, panel1)
      else outputTile<Two>(args, tile, from, mStride, grid, finishes, panel0, panel1)
    }
  }
}

/** Pieces of a window along an axis. */
// @ts-ignore: decorator
@inline
function piecesAlong(taps: i32): i32 {
  return (taps + 2) / 3
}

/** Row `row` of G times g, along one axis of a filter. */
// @ts-ignore: decorator
@inline
function rowOfG(m: i32, row: i32, g0: i32, g1: i32, g2: i32): i32 {
  if (m == 2) return row == 0 ? 2 * g0 : row == 1 ? g0 + g1 + g2 : row == 2 ? g0 - g1 + g2 : 2 * g2
  switch (row) {
    case 0: return 6 * g0
    case 1: return -4 * (g0 + g1 + g2)
    case 2: return -4 * (g0 - g1 + g2)
    case 3: return g0 + 2 * g1 + 4 * g2
    case 4: return g0 - 2 * g1 + 4 * g2
    default: return 12 * g2
  }
}

/**
 * Unit: one panel. A filter [window][window][ic][oc] of bytes in any strides, less its zero points -> G g G'
 * of its pieces
 */
export function winogradFilter8(call: usize, begin: i32, end: i32): void {
  const args = changetype<WinogradFilter8>(call)
  const m = args.tile, size = m + 2, ic = args.ic, oc = args.oc, zeros = args.zeros
  const panels = (oc + 7) / 8, depth = (ic + 7) & ~7, along = piecesAlong(args.window)
  const rows = along * along * depth, panelBytes: usize = rows * 16
  const columns = scratch()
  for (let panel = begin; panel < end; panel++) {
    for (let column = 0; column < 8; column++) {
      const o = panel * 8 + column, used = o < oc
      const zero = !used ? 0 : zeros ? load<i32>(zeros + o * 4) : args.zero
      let sum = 0
      for (let k = 0; k < rows; k++) {
        const channel = k % depth, ky = k / depth / along * 3, kx = k / depth % along * 3
        const from = args.filter + channel * args.rowStride + o * args.columnStride
        for (let tap = 0; tap < 3; tap++) {
          const reach = used && channel < ic && kx + tap < args.window ? args.window - ky : 0
          const p = from + ky * args.tapHStride + (kx + tap) * args.tapWStride
          const g0 = reach > 0 ? tapAt(args, p) - zero : 0
          const g1 = reach > 1 ? tapAt(args, p + args.tapHStride) - zero : 0
          const g2 = reach > 2 ? tapAt(args, p + 2 * args.tapHStride) - zero : 0
          for (let row = 0; row < size; row++)
            store<i32>(columns + (row * 3 + tap) * 4, rowOfG(m, row, g0, g1, g2))
        }
        let to = args.panels + panels * 32 + panel * panelBytes + (k >> 1) * 32 + column * 4 + (k & 1) * 2
        for (let row = 0; row < size; row++) {
          const c = columns + row * 12
          for (let i = 0; i < size; i++) {
            const value = rowOfG(m, i, load<i32>(c), load<i32>(c, 4), load<i32>(c, 8))
            if (row == 1 && i == 1) sum += value
            store<i16>(to, <i16>value)
            to += panels * panelBytes
          }
        }
      }
      store<i32>(args.panels + o * 4, sum)
    }
  }
}

// @ts-ignore: decorator
@inline
function tapAt(args: WinogradFilter8, p: usize): i32 {
  return args.signed ? <i32>load<i8>(p) : <i32>load<u8>(p)
}
