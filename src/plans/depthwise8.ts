/** The plan of a convolution of 8-bit integers with one filter per channel (assembly/depthwise/rows.ts). */

import { blockGrouped8, grouped8Words, rowsOf, runGrouped8, TILE } from './grouped8.js'
import { type Blocking, filterPanels, productArgs, productOf } from './igemm.js'
import { args8, byBytes, FINISH, keyOf, paddingOf, zeroOf, zerosOf } from './int8.js'
import { type ConvJob, derive, imageArgs, multiplyAdds, type PlaneLayer } from './layer.js'

/**
 * Whether rows come in groups: see assembly/depthwise/rows.ts. They do not where padding makes most of a row,
 * since they are kept with it.
 */
const byRows = ({ axes: [h, w] }: PlaneLayer): boolean =>
  (w.size === 3 || w.size === 5) &&
  h.size <= w.size &&
  w.stride <= 2 &&
  h.dilation === 1 &&
  w.dilation === 1 &&
  w.output * w.stride <= 4 * w.input + 64

/** The most groups of `each` rows that a window sees. */
const groupsOf = (kh: number, each: number): number => Math.floor((kh + 2 * each - 2) / each)

/** Words of a filter, the sums of 8 channels before them among those. */
export function depthwise8Words(layer: PlaneLayer): number {
  if (!byRows(layer)) return grouped8Words(layer)
  const [h, w] = layer.axes
  const words = (each: number): number => each * groupsOf(h.size, each) * w.size * 8
  return Math.ceil(layer.inChannels / 8) * (16 + Math.max(words(2), words(4)))
}

export function blockDepthwise8(layer: PlaneLayer): Blocking & { rows: number } {
  if (!byRows(layer)) return blockGrouped8(layer)
  const { n, axes, inChannels: c } = layer
  const [h, w] = axes
  const rows = rowsOf(layer)
  const vectors = Math.ceil(c / 8)
  const columns = (Math.max(w.output, TILE) - 1) * w.stride + w.size
  const plane = columns * 16 + 192
  const bytes =
    vectors * FINISH * 4 +
    64 +
    32 * TILE +
    vectors * 161 +
    4 * h.size +
    w.input * c +
    groupsOf(h.size, 2) * vectors * 2 * plane +
    // What rounds the parts up, and what vectors read behind the last.
    128
  return { rows, units: n * Math.ceil(h.output / rows), scratch: Math.ceil(bytes / 4) }
}

export function runDepthwise8(job: ConvJob): void {
  const { engine, layer, x, filter, bias, y, clamp, terms } = job
  if (!byRows(layer)) {
    runGrouped8(job)
    return
  }
  const { inChannels: c } = layer
  const { x: from, filter: by } = terms!
  const panels = filterPanels(filter, 1)
  const zeros = zerosOf(filter, terms!)
  const words = depthwise8Words(layer)
  const isWords = byBytes(engine, terms!)
  // Rows of a group: two as 16 bits, or four as bytes.
  const each = isWords ? 4 : 2
  const w = derive(filter, `depthwise bytes ${each} ${keyOf(by.zeroPoint)}`, words, (source, at) => {
    engine.run({
      kernel: 'packDepthwise8',
      args: {
        ...panels,
        source,
        panels: at,
        inner: panels.depth,
        signed: Number(by.dtype === 'int8'),
        each,
        ...zeros,
      },
      units: Math.ceil(c / 8),
      work: words * 2,
    })
  })
  const block = blockDepthwise8(layer)
  const isSigned = from.dtype === 'int8'
  engine.scratch(4 * block.scratch)
  const cut = { pixels: block.rows, panels: 0 }
  const product = productArgs(productOf({ ...layer, groups: 1 }, { x, w, b: bias, y, clamp }), cut)
  const own = {
    bytes: Number(isWords),
    padding: isWords && from.zeroAt ? paddingOf(engine, from).padding : zeroOf(from).padding,
    zero: (isWords ? paddingOf(engine, from) : zeroOf(from)).zero,
    finishes: 0,
    tile: 0,
    // Of bytes as words: whether their top bits flip.
    signed: Number(isWords ? isSigned !== (engine.byteDot === 'signed') : isSigned),
  }
  engine.run({
    kernel: 'depthwiseRows8',
    args: args8(Object.assign(product, imageArgs(layer)), own, { filter, terms, clamp }),
    units: block.units,
    work: multiplyAdds(layer),
  })
}
