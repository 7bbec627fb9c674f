/**
 * The plan of convolutions at stride 1 of 8-bit integers by Winograd's filtering, 3x3 or in pieces of that
 * (assembly/dense/winograd8.ts).
 */

import { rangeOf } from '../core/dtype.js'
import type { Window } from '../core/window.js'
import { type Blocking, productArgs, productOf } from './igemm.js'
import { args8, byDenseBytes, FINISH, keyOf, PAIR_ROWS, runDense8, zeroOf, zerosOf } from './int8.js'
import { type ByteTerms, type ConvJob, derive, type Filter, imageArgs, type PlaneLayer } from './layer.js'
import { TILE_FLOATS, TILING_FLOATS, tilesOf } from './winograd.js'

/** Bytes of transformed input and output that a unit works on. Witness: bench int8, 3x3 layers. */
const WORKSPACE_BYTES = 512 * 1024
/** Units that a layer falls into at least, where it has panels for them. */
const UNITS = 8

/** The largest sum of a tile of 4x4 and of 2x2 outputs that is exact. */
const MOST_SUM = { 4: 2 ** 25, 2: 2 ** 29 }

/** The largest number of a filter that is within 16 bits once a tile of 4x4 has transformed it: 144 times. */
const MOST_TAP = 227

/**
 * Products that its tiles have to save where the host multiplies four bytes at once, not two of 16 bits.
 * Witness: Node 26, over the tile 3x3 dilated by 4 at 33x33 (1.9) 0.6 x, 7x7 at 28x28 (2.4) 0.8, 5x5 at 27x27
 * (2.7) 0.93, 3x3 at 14x14 (3.1) 1.1.
 */
const LEAST_SAVING = 2.9

/** Outputs of a tile along each axis. */
type Tile = 4 | 2

/** Pieces of 3x3 of a window along an axis. */
const piecesAlong = (size: number): number => Math.ceil(size / 3)

/** Channels of all pieces of a window. */
const depthOf = (ic: number, size: number): number => piecesAlong(size) ** 2 * Math.ceil(ic / 8) * 8
const positionsOf = (tile: Tile): number => (tile + 2) ** 2

/** Words of the filter, transformed. */
export const transformed8Words = (
  { axes: [{ size }], inChannels, outChannels }: PlaneLayer,
  tile: Tile = 4,
): number => Math.ceil(outChannels / 8) * 8 * (1 + (positionsOf(tile) * depthOf(inChannels, size)) / 2)

/** Products by definition for each that tiles of 4x4 take. */
export const saving8Of = ([h, w]: Window): number =>
  (h.size * w.size * h.output * w.output) / (36 * piecesAlong(h.size) ** 2 * tilesOf([h, w], 4))

/** The same as in assembly/dense/winograd8.ts. */
const apart = (bytes: number): number => ((bytes + 63) & ~63) | 64

export interface Winograd8Blocking extends Blocking {
  tiles: number
  panels: number
}

export function blockWinograd8(
  { n, axes, inChannels: ic, outChannels: oc }: PlaneLayer,
  tile: Tile = 4,
): Winograd8Blocking {
  const positions = positionsOf(tile)
  const all = n * tilesOf(axes, tile)
  const allPanels = Math.ceil(oc / 8)
  const [{ size }] = axes
  const depth = depthOf(ic, size)
  const span = 3 * piecesAlong(size) + tile - 1
  const most = Math.floor(WORKSPACE_BYTES / (positions * (2 * depth + 32 * allPanels)) / PAIR_ROWS)
  const tiles = Math.min(Math.max(1, all), PAIR_ROWS * Math.max(2, most))
  const blocks = Math.ceil(all / tiles)
  const panels = Math.ceil(
    allPanels / Math.min(allPanels, Math.max(1, Math.ceil(UNITS / Math.max(1, blocks)))),
  )
  const bytes =
    48 * 16 +
    4 * TILING_FLOATS +
    span ** 2 * apart(depthOf(ic, 3)) +
    (8 + 4 * TILE_FLOATS) * tiles +
    16 +
    4 * FINISH * (2 * allPanels + 1) +
    positions * (apart(tiles * depth * 2) + apart(tiles * panels * 32))
  return { tiles, panels, units: blocks * Math.ceil(allPanels / panels), scratch: Math.ceil(bytes / 4) }
}

/**
 * The tile whose sums are exact for any x: by the sums of the positive and of the negative numbers of each
 * output channel. `undefined`: none is.
 */
function tileFor(filter: Filter, { x, filter: { dtype, zeroPoint } }: ByteTerms): Tile | undefined {
  const { engine, storage, shape, strides } = filter
  const key = `sums ${keyOf(zeroPoint)}`
  const [size, , ic, oc] = shape as [number, number, number, number]
  const sums = storage.derive(key, 3 * oc, (to) => {
    engine.checkUpload()
    const bytes = dtype === 'int8' ? new Int8Array(engine.u8.buffer) : engine.u8
    const from = storage.pointer
    for (let o = 0; o < oc; o++) {
      const zero = typeof zeroPoint === 'number' ? zeroPoint : zeroPoint[o]!
      let [positive, negative, largest] = [0, 0, 0]
      for (let tap = 0; tap < size ** 2; tap++) {
        let at = from + Math.floor(tap / size) * strides[0]! + (tap % size) * strides[1]! + o * strides[3]!
        for (let i = 0; i < ic; i++, at += strides[2]!) {
          const value = bytes[at]! - zero
          if (value > 0) positive += value
          else negative -= value
          largest = Math.max(largest, Math.abs(value))
        }
      }
      engine.f32.set([positive, negative, largest], to / 4 + 3 * o)
    }
  })
  // Whatever the zero point: sums are largest where it is the least or the most.
  const less = x.zeroAt ? rangeOf(x.dtype)![0] : x.zeroPoint
  const [low, high] = rangeOf(x.dtype)!.map((bound) => bound - less) as [number, number]
  let [most, largest] = [0, 0]
  for (let o = 0; o < oc; o++) {
    const [positive, negative, greatest] = engine.f32.subarray(
      sums / 4 + 3 * o,
      sums / 4 + 3 * o + 3,
    ) as unknown as [number, number, number]
    most = Math.max(most, high * positive - low * negative, high * negative - low * positive)
    largest = Math.max(largest, greatest)
  }
  if (most < MOST_SUM[4] && largest <= MOST_TAP) return 4
  return most < MOST_SUM[2] ? 2 : undefined
}

function transformed8(filter: Filter, layer: PlaneLayer, terms: ByteTerms, tile: Tile): number {
  const { engine } = filter
  const [size, , ic, oc] = filter.shape as [number, number, number, number]
  const zeros = zerosOf(filter, terms)
  const key = `winograd bytes ${tile} ${keyOf(terms.filter.zeroPoint)}`
  return derive(filter, key, transformed8Words(layer, tile), (source, panels) => {
    engine.scratch(4 * 18)
    const [tapHStride, tapWStride, rowStride, columnStride] = filter.strides as [
      number,
      number,
      number,
      number,
    ]
    engine.run({
      kernel: 'winogradFilter8',
      args: {
        filter: source,
        panels,
        tapHStride,
        tapWStride,
        rowStride,
        columnStride,
        ic,
        oc,
        tile,
        signed: Number(terms.filter.dtype === 'int8'),
        window: size,
        ...zeros,
      },
      units: Math.ceil(oc / 8),
      work: positionsOf(tile) * depthOf(ic, size) * oc,
    })
  })
}

export function runWinograd8(job: ConvJob): void {
  const { engine, layer, x, filter, bias, y, clamp } = job
  const terms = job.terms!
  const dotsBytes = byDenseBytes(engine, terms, layer.inChannels)
  const pays = !dotsBytes || saving8Of(layer.axes) >= LEAST_SAVING
  const tile = pays ? tileFor(filter, terms) : undefined
  // Tiles of 2x2 save 2.25 products at most.
  if (!tile || (dotsBytes && tile === 2)) {
    runDense8(job)
    return
  }
  const w = transformed8(filter, layer, terms, tile)
  const block = blockWinograd8(layer, tile)
  engine.scratch(4 * block.scratch)
  const { n, axes, inChannels, outChannels } = layer
  const cut = { pixels: block.tiles, panels: block.panels }
  const product = productArgs(productOf(layer, { x, w, b: bias, y, clamp }), cut)
  const own = {
    bytes: 0,
    ...zeroOf(terms.x),
    finishes: 0,
    tile,
    signed: Number(terms.x.dtype === 'int8'),
  }
  engine.run({
    kernel: 'winograd8',
    args: args8(Object.assign(product, imageArgs(layer)), own, { filter, terms, clamp }),
    units: block.units,
    work: 2 * n * axes[0].output * axes[1].output * outChannels * depthOf(inChannels, axes[0].size),
  })
}
