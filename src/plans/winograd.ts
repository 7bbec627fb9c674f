/** The plan of 3x3 and 5x5 convolutions at stride 1 by Winograd's filtering (assembly/dense/winograd.ts). */

import type { Axis, Window } from '../core/window.js'
import { FILTER_CHANNELS } from '../wasm/abi.js'
import type { Blocking } from './igemm.js'
import { type ConvJob, derive, type Filter, imageArgs, type PlaneLayer } from './layer.js'

/**
 * Bytes of transformed input and output that a unit works on, so that they stay in the second-level cache.
 * Filters that are far larger than that cache stream by once per unit: then units are larger, so that there
 * are fewer. Witness: bench, 3x3 layers (512 channels at 28x28: 92 -> 143 GFLOP/s).
 */
const WORKSPACE_BYTES = 512 * 1024
const LARGE_FILTERS = 16 * 1024 * 1024
const LARGE_WORKSPACE_BYTES = 8 * 1024 * 1024
/** Units that a layer falls into at least, where it has panels for them. */
const UNITS = 8
/**
 * Output channels that are worked on together where there are more groups than one, in whole groups. Witness:
 * bench, resnext50 stage4.
 */
const SLICE = 64

const POSITIONS = 36
/** Floats of what the kernels note of an image and of a tile: see assembly/dense/winogradTiles.ts. */
export const TILING_FLOATS = 16
export const TILE_FLOATS = 8
/** Floats between neighbours, at most, that keep them in other sets of the cache. */
const GAP = 32

/** Outputs of a tile of 6 inputs along an axis. */
const tileOf = (size: number): number => 7 - size

/**
 * Tiles of an image, of `tile` outputs along each axis; under dilation outputs at the same place modulo
 * dilation are tiled as an image by themselves.
 */
export function tilesOf([h, w]: Window, tile = tileOf(h.size)): number {
  const along = ({ output, dilation }: Axis): number => dilation * Math.ceil(output / (tile * dilation))
  return along(h) * along(w)
}

/** Products by definition for each that its tiles take: 4 of 3x3 windows where all tiles are full. */
export const savingOf = ([h, w]: Window): number =>
  (h.size * w.size * h.output * w.output) / (POSITIONS * tilesOf([h, w]))

/** Floats of the filters, transformed; `ic` of a group. */
export const transformedFloats = (ic: number, oc: number): number => POSITIONS * Math.ceil(oc / 8) * 8 * ic

/**
 * The filters, transformed: once, and again only after they were written. With `backward` they are those of
 * the input's gradient: turned by half a circle, with input and output channels exchanged.
 */
function transformed(filter: Filter, backward: boolean): number {
  const { engine } = filter
  const [size, , filterIn, filterOut] = filter.shape as [number, number, number, number]
  const [ic, oc] = backward ? [filterOut, filterIn] : [filterIn, filterOut]
  return derive(
    filter,
    backward ? 'winograd backward' : 'winograd',
    transformedFloats(ic, oc),
    (source, panels) => {
      engine.scratch(4 * (POSITIONS * 8 * FILTER_CHANNELS + 6 * 5 * 4))
      const [tapH, tapW, row, column] = filter.strides.map((stride) => stride * 4) as [
        number,
        number,
        number,
        number,
      ]
      engine.run({
        kernel: 'winogradFilter',
        args: {
          filter: source + (backward ? (size - 1) * (tapH + tapW) : 0),
          tapHStride: backward ? -tapH : tapH,
          tapWStride: backward ? -tapW : tapW,
          rowStride: backward ? column : row,
          columnStride: backward ? row : column,
          panels,
          ic,
          oc,
          window: size,
        },
        units: Math.ceil(oc / 8),
        work: POSITIONS * ic * oc,
      })
    },
  )
}

interface WinogradBlocking extends Blocking {
  /** Tiles of outputs and panels of one unit. */
  tiles: number
  panels: number
}

export function blockWinograd(
  rows: number,
  { n, axes: [h, w], inChannels: ic, outChannels: oc, groups }: PlaneLayer,
): WinogradBlocking {
  const all = n * tilesOf([h, w])
  const allPanels = Math.ceil(oc / 8)
  // Slices of whole groups see no others' inputs; those of one group see all of them, and take what outputs
  // the threads want.
  const together = groups === 1 ? 1 : Math.min(groups, Math.max(1, Math.floor(SLICE / (oc / groups))))
  const slicePanels = (allPanels / groups) * together
  const depth = Math.ceil(((ic / groups) * together) / 4) * 4
  const workspace =
    4 * transformedFloats(ic / groups, oc) < LARGE_FILTERS ? WORKSPACE_BYTES : LARGE_WORKSPACE_BYTES
  const most = Math.floor(workspace / (4 * POSITIONS * (depth + slicePanels * 8)) / rows)
  const tiles = Math.min(Math.max(1, all), rows * Math.max(2, most))
  const blocks = Math.ceil(all / tiles)
  const shares = groups === 1 ? Math.min(allPanels, Math.max(1, Math.ceil(UNITS / Math.max(1, blocks)))) : 1
  const panels = Math.ceil(slicePanels / shares)
  const measured = TILING_FLOATS + 18 * 4 + tiles * TILE_FLOATS + 160
  const filter = h.size * w.size * (ic / groups) * 8
  const workspaceFloats = POSITIONS * (tiles * (depth + slicePanels * 8) + 2 * GAP) + filter
  const scratch = 8 + POSITIONS * 4 + measured + POSITIONS * (depth + GAP) + tiles * 2 + 4 + workspaceFloats
  return { tiles, panels, units: blocks * Math.ceil(allPanels / panels), scratch }
}

/** `backward`: the layer is the opposite of another one, whose filter this is. */
export function runWinograd({ engine, layer, x, filter, bias, y, clamp }: ConvJob, backward = false): void {
  const {
    n,
    axes: [h, w],
    inChannels: ic,
    outChannels: oc,
    groups,
  } = layer
  const panels = transformed(filter, backward)
  const block = blockWinograd(engine.tileRows, layer)
  engine.scratch(4 * block.scratch)

  engine.run({
    kernel: 'winograd',
    args: {
      x,
      w: panels,
      b: bias,
      y,
      ...imageArgs(layer),
      ic,
      oc,
      groups,
      beforeH: h.before,
      beforeW: w.before,
      low: clamp[0],
      high: clamp[1],
      tiles: block.tiles,
      panels: block.panels,
      tile: tileOf(h.size),
      dilation: h.dilation,
    },
    units: block.units,
    work: (2 * n * h.output * w.output * oc * ic) / groups,
  })
}
