/** The plan of a convolution of 8-bit integers with one filter per channel (assembly/depthwise/int8.ts). */

import { type Blocking, filterPanels, productArgs, productOf } from './igemm.js'
import { FINISH, finishArgs, keyOf, scalesOf, zeroOf, zerosOf } from './int8.js'
import { type ConvJob, derive, imageArgs, multiplyAdds, type PlaneLayer } from './layer.js'

/** Units that a layer falls into at least, where it has rows for them. */
const UNITS = 16
/** Outputs of a tile, as in assembly/depthwise/int8.ts. */
const TILE = 4

/** Words of a filter in pairs. */
export const depthwise8Words = ({ axes: [h, w], inChannels: c }: PlaneLayer): number =>
  Math.ceil(c / 8) * 8 * (1 + Math.ceil((h.size * w.size) / 2))

export function blockDepthwise8({ n, axes: [h, w], inChannels: c }: PlaneLayer): Blocking & { rows: number } {
  const rows = Math.max(1, Math.floor(h.output / Math.ceil(UNITS / Math.max(1, n))))
  const columns = (TILE - 1) * w.stride + (w.size - 1) * w.dilation + 1
  const bytes =
    Math.ceil(c / 8) * FINISH * 4 +
    w.input * c +
    4 * (h.size + h.size * w.size + 1) +
    h.size * columns * c +
    // What rounds the parts up, and what vectors read behind the last.
    128
  return { rows, units: n * Math.ceil(h.output / rows), scratch: Math.ceil(bytes / 4) }
}

export function runDepthwise8({ engine, layer, x, filter, bias, y, clamp, terms }: ConvJob): void {
  const { inChannels: c } = layer
  const { x: from, filter: by, y: to } = terms!
  const panels = filterPanels(filter, 1)
  const zeros = zerosOf(filter, terms!)
  const words = depthwise8Words(layer)
  const w = derive(filter, `depthwise bytes ${keyOf(by.zeroPoint)}`, words, (source, at) => {
    engine.run({
      kernel: 'packDepthwise8',
      args: {
        ...panels,
        source,
        panels: at,
        inner: 1,
        signed: Number(by.dtype === 'int8'),
        bytes: 0,
        ...zeros,
      },
      units: Math.ceil(c / 8),
      work: words * 2,
    })
  })
  const scales = to ? scalesOf(filter, terms!) : { scales: 0, wScale: 1 }
  const block = blockDepthwise8(layer)
  engine.scratch(4 * block.scratch)
  engine.run({
    kernel: 'depthwise8',
    args: {
      ...productArgs(productOf({ ...layer, groups: 1 }, { x, w, b: bias, y, clamp }), {
        pixels: block.rows,
        panels: 0,
      }),
      ...finishArgs(terms!, clamp),
      ...scales,
      ...imageArgs(layer),
      bytes: 0,
      ...zeroOf(terms!),
      finishes: 0,
      tile: 0,
      signed: Number(from.dtype === 'int8'),
    },
    units: block.units,
    work: multiplyAdds(layer),
  })
}
