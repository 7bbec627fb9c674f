/** The plan of a convolution of 8-bit integers with few channels in a group (assembly/depthwise/int8.ts). */

import { type Blocking, filterPanels, productArgs, productOf } from './igemm.js'
import { args8, FINISH, keyOf, zerosOf } from './int8.js'
import { type ConvJob, derive, imageArgs, multiplyAdds, type PlaneLayer } from './layer.js'

/** Units that a layer falls into at least, where it has rows for them. */
const UNITS = 16
/** Outputs of a tile, as in assembly/depthwise/tiles8.ts. */
export const TILE = 7

/** Output rows of one unit. */
export const rowsOf = ({ n, axes: [h] }: PlaneLayer): number =>
  Math.max(1, Math.floor(h.output / Math.ceil(UNITS / Math.max(1, n))))

/** How a layer falls into words: see assembly/depthwise/int8.ts. */
interface Runs {
  /** Taps of a run. */
  taps: 1 | 3 | 4
  /** Rows of words under a window, runs of each, and pairs of input channels. */
  high: number
  runs: number
  pairs: number
  /** Planes of a row of words. */
  planes: number
}

function runsOf({ axes: [h, w], inChannels, outChannels, groups }: PlaneLayer): Runs {
  const [groupIn, groupOut] = [inChannels / groups, outChannels / groups]
  const joins = w.dilation === 1 && w.stride <= 2 && w.size > 1
  const taps = !joins ? 1 : w.stride === 1 && [4, 7, 8].includes(w.size) ? 4 : 3
  const pairs = Math.ceil(groupIn / 2)
  return {
    taps,
    high: groupIn > 1 ? h.size : Math.ceil(h.size / 2),
    runs: Math.ceil(w.size / taps),
    pairs,
    planes: 4 * Math.ceil((pairs * (groupOut % 4 === 0 ? groups : Math.ceil(outChannels / 4))) / 4),
  }
}

/**
 * Whether what the channels of two planes see lies in one vector: see `bring` of assembly/depthwise/int8.ts.
 */
export function fitsGrouped8({ inChannels, outChannels, groups }: PlaneLayer): boolean {
  const [groupIn, groupOut] = [inChannels / groups, outChannels / groups]
  return groupIn <= (groups === 1 || groupOut % 4 === 0 ? 16 : groupOut === 1 ? 4 : 8)
}

/** Words of its filter. */
export function grouped8Words(layer: PlaneLayer): number {
  const { taps, high, runs, pairs } = runsOf(layer)
  return Math.ceil(layer.outChannels / 4) * high * pairs * runs * taps * 4
}

export function blockGrouped8(layer: PlaneLayer): Blocking & { rows: number } {
  const { n, axes, inChannels, outChannels, groups } = layer
  const [h, w] = axes
  const rows = rowsOf(layer)
  const { taps, high, runs, pairs, planes } = runsOf(layer)
  const reach = (high - 1) * h.dilation * (inChannels > groups ? 1 : 2) + 1
  // Rows that lie far apart are not kept.
  const slots = reach <= 4 * high ? reach : high
  const columns = (Math.max(w.output, TILE) - 1) * w.stride + (runs * taps - 1) * w.dilation + 1
  const plane = columns * 16 + 192
  const bytes =
    16 * TILE +
    4 * FINISH * Math.ceil(outChannels / 8) +
    16 * planes +
    4 * (high * pairs * runs + slots) +
    w.input * inChannels +
    slots * planes * plane +
    // What rounds the parts up, and what vectors read behind the last.
    192
  return { rows, units: n * Math.ceil(h.output / rows), scratch: Math.ceil(bytes / 4) }
}

export function runGrouped8({ engine, layer, x, filter, bias, y, clamp, terms }: ConvJob): void {
  const { inChannels, outChannels, groups } = layer
  const { x: from, filter: by } = terms!
  const panels = filterPanels(filter, 1)
  const { taps } = runsOf(layer)
  const words = grouped8Words(layer)
  const zeros = zerosOf(filter, terms!)
  const w = derive(filter, `grouped bytes ${taps} ${keyOf(by.zeroPoint)}`, words, (source, at) => {
    engine.run({
      kernel: 'packGrouped8',
      args: {
        ...panels,
        source,
        panels: at,
        inner: taps,
        signed: Number(by.dtype === 'int8'),
        each: 2,
        ...zeros,
      },
      units: Math.ceil(outChannels / 4),
      work: words * 2,
    })
  })
  const block = blockGrouped8(layer)
  engine.scratch(4 * block.scratch)
  const product = productArgs(productOf({ ...layer, groups: 1 }, { x, w, b: bias, y, clamp }), {
    pixels: block.rows,
    panels: outChannels / groups,
  })
  product.depth = inChannels / groups
  const own = {
    bytes: 0,
    padding: 0,
    zero: from.zeroPoint,
    finishes: 0,
    tile: taps,
    signed: Number(from.dtype === 'int8'),
  }
  engine.run({
    kernel: 'grouped8',
    args: args8(Object.assign(product, imageArgs(layer)), own, { filter, terms, clamp }),
    units: block.units,
    work: multiplyAdds(layer),
  })
}
