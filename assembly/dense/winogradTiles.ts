/** Where the tiles of Winograd's filtering are, of floats and of bytes: winograd.ts, winograd8.ts. */

/** An image as it is tiled. Strides are bytes. */
@unmanaged
export class Tiling {
  x: usize; y: usize
  ih: i32; iw: i32; oh: i32; ow: i32
  /** The row and the column of the input that the first tap of the first output reads. */
  firstH: i32; firstW: i32
  dilation: i32
  /** Outputs of a tile along each axis, and the pixels that it reads. */
  size: i32; span: i32
  xPixelStride: i32; yPixelStride: i32
}

/** The image of a kernel's arguments, where what the two kernels differ in is still to be said. */
export function tilingOf<Args>(args: Args, to: usize): Tiling {
  const tiling = changetype<Tiling>(to)
  tiling.x = args.x
  tiling.y = args.y
  tiling.ih = args.ih
  tiling.iw = args.iw
  tiling.oh = args.oh
  tiling.ow = args.ow
  tiling.size = args.tile
  return tiling
}

export const TILING_BYTES: usize = offsetof<Tiling>() + 15 & ~15

/** A tile: what it reads and writes. */
@unmanaged
export class Tile {
  /** Addresses of channel 0 of its first pixel, which need not lie in the image, and of its first output. */
  x: usize; y: usize
  /** Where its first pixel is. */
  iy: i32; ix: i32
  /** Outputs that it has; one without any has neither rows nor columns. */
  rows: i32; columns: i32
  /** 1: the tile before is beside it. */
  beside: i32
  /** What becomes of it, where it matters: see winogradFate.ts. */
  fate: i32
}

export const TILE_BYTES: usize = offsetof<Tile>()

/** Tiles along an axis of one phase. */
// @ts-ignore: decorator
@inline
function tilesAlong(tiling: Tiling, outputs: i32): i32 {
  const step = tiling.size * tiling.dilation
  return (outputs + step - 1) / step
}

/**
 * Tiles of an image. Under dilation outputs at the same place modulo dilation see the same of the input: each
 * such phase is tiled as an image by itself, and phases follow each other.
 */
export function tilesOf(tiling: Tiling): i32 {
  return tiling.dilation * tiling.dilation * tilesAlong(tiling, tiling.oh) * tilesAlong(tiling, tiling.ow)
}

/** Finds `count` tiles from the one of number `first` on. */
export function placeTiles(tiling: Tiling, first: i32, count: i32, places: usize): void {
  const d = tiling.dilation, step = tiling.size * d
  const tilesH = tilesAlong(tiling, tiling.oh), tilesW = tilesAlong(tiling, tiling.ow)
  let column = first % tilesW, rest = first / tilesW
  let row = rest % tilesH
  rest /= tilesH
  let phaseW = rest % d, phaseH = rest / d % d, n = rest / d / d
  for (const end = places + count * TILE_BYTES; places < end; places += TILE_BYTES) {
    const tile = changetype<Tile>(places)
    const oy = row * step + phaseH, ox = column * step + phaseW
    const iy = oy + tiling.firstH, ix = ox + tiling.firstW
    tile.x = tiling.x + ((n * tiling.ih + iy) * tiling.iw + ix) * tiling.xPixelStride
    tile.y = tiling.y + ((n * tiling.oh + oy) * tiling.ow + ox) * tiling.yPixelStride
    tile.iy = iy
    tile.ix = ix
    const rows = outputsFrom(tiling, oy, tiling.oh), columns = outputsFrom(tiling, ox, tiling.ow)
    tile.rows = columns ? rows : 0
    tile.columns = rows ? columns : 0
    tile.beside = column > 0
    tile.fate = 0
    if (++column < tilesW) continue
    column = 0
    if (++row < tilesH) continue
    row = 0
    if (++phaseW < d) continue
    phaseW = 0
    if (++phaseH < d) continue
    phaseH = 0
    n++
  }
}

/** Outputs of a tile along an axis, of which its first is number `first` of so many. */
// @ts-ignore: decorator
@inline
function outputsFrom(tiling: Tiling, first: i32, outputs: i32): i32 {
  const d = tiling.dilation
  if (d == 1) return min(tiling.size, outputs - first)
  return first < outputs ? min(tiling.size, (outputs - first + d - 1) / d) : 0
}

/** Whether all pixels of a tile lie in the image. */
// @ts-ignore: decorator
@inline
export function isInside(tiling: Tiling, tile: Tile): bool {
  const reach = (tiling.span - 1) * tiling.dilation, iy = tile.iy, ix = tile.ix
  return iy >= 0 && ix >= 0 && iy + reach < tiling.ih && ix + reach < tiling.iw
}
