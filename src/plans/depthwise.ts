/**
 * The plan of a convolution with one filter per channel, or with few channels in a group
 * (assembly/depthwise/forward.ts).
 */

import type { Shape } from '../base/shape.js'
import type { Axis, Window } from '../core/window.js'
import type { DepthwiseGradient } from '../wasm/abi.js'
import { type Blocking, filterPanels, type Panels, packed } from './igemm.js'
import {
  type ConvJob,
  type FilterGradientJob,
  imageArgs,
  multiplyAdds,
  oppositeLayer,
  type PlaneLayer,
  windowArgs,
} from './layer.js'

/** Units that a layer falls into at least, where it has rows for them. */
const UNITS = 16
/**
 * Pixels a multiple of this many floats apart crowd into few sets of the first-level cache. Witness: bench,
 * i7x7x1024 and i14x14x512.
 */
const CROWDED = 256

interface GroupedBlocking extends Blocking {
  /** Output rows of one unit. */
  rows: number
  /** Whether rows are copied so that their pixels lie further apart, or have a channel for each filter. */
  skewed: boolean
}

export type GroupedKernel = 'depthwise' | 'grouped'

/** Columns of the table that a row of outputs sees. */
const columnsOf = ({ output, size, stride, dilation }: Axis): number =>
  (Math.max(output, 7) - 1) * stride + dilation * (size - 1) + 1

/**
 * Whether tables and copied rows keep in proportion to the image: they hold the padding between taps that
 * stand far apart, too.
 */
export const isNear = ([h, w]: Window): boolean =>
  columnsOf(w) <= 2 * w.input + 2 ** 16 && (h.size - 1) * h.dilation <= 2 * h.input + 64

export function blockGrouped(
  kernel: GroupedKernel,
  { n, axes: [h, w], inChannels: ic, outChannels: oc }: PlaneLayer,
): GroupedBlocking {
  const rows = Math.max(1, Math.floor(h.output / Math.ceil(UNITS / Math.max(1, n))))
  const columns = columnsOf(w)
  // Several filters of a channel see as many copies of it.
  const wide = kernel === 'depthwise' ? oc : ic
  const skewed = wide % CROWDED === 0 || wide > ic
  const ring = skewed ? ((h.size - 1) * h.dilation + 1) * (1 + w.input * (wide + 16)) : 0
  const table = h.size * (3 * w.size + columns) + 4
  return {
    rows,
    skewed,
    units: n * Math.ceil(h.output / rows),
    scratch: Math.max(ic, oc) + 4 + 28 + table + ring,
  }
}

/**
 * A filter by vectors of 4: [kh][kw][depth][oc] -> [group][filters of it / 4][kh][kw][depth][4]; depthwise
 * has no groups but vectors.
 */
export const groupedPanels = (
  kernel: GroupedKernel,
  filter: { shape: Shape; strides?: readonly number[] },
  groups: number,
): Panels => filterPanels(filter, kernel === 'grouped' ? groups : 1, 4)

/**
 * `'depthwise'` takes 4 channels at a time, each with its filter; `'grouped'` one channel at a time with 4
 * filters of its group.
 */
export function runGrouped(
  kernel: GroupedKernel,
  { engine, layer, x, filter, bias, y, clamp }: ConvJob,
  panels = groupedPanels(kernel, filter, layer.groups),
): void {
  const { inChannels: ic, outChannels: oc, groups, axes } = layer
  const [h, w] = axes
  const weights = packed(filter, panels)
  const block = blockGrouped(kernel, layer)
  engine.scratch(4 * block.scratch)

  engine.run({
    kernel,
    args: {
      x,
      w: weights,
      b: bias,
      y,
      // Named one by one: to spread them costs a small layer a tenth of its time.
      n: layer.n,
      ih: h.input,
      iw: w.input,
      oh: h.output,
      ow: w.output,
      kh: h.size,
      kw: w.size,
      strideH: h.stride,
      strideW: w.stride,
      dilationH: h.dilation,
      dilationW: w.dilation,
      beforeH: h.before,
      beforeW: w.before,
      ic,
      oc,
      low: clamp[0],
      high: clamp[1],
      groupIn: ic / groups,
      groupOut: oc / groups,
      rows: block.rows,
      skewed: Number(block.skewed),
    },
    units: block.units,
    work: multiplyAdds(layer),
  })
}

/** Units that a gradient falls into at least, where it has rows for them. */
const GRADIENT_UNITS = 16

type Addresses = Pick<DepthwiseGradient, 'x' | 'w' | 'dy' | 'to'>

function gradientArgs(addresses: Addresses, layer: PlaneLayer, rows: number): DepthwiseGradient {
  return {
    ...addresses,
    ...imageArgs(layer),
    ...windowArgs(layer),
    c: layer.inChannels,
    rows,
  }
}

/** dx of a layer with one filter per channel, of as many outputs as inputs. */
export function runDepthwiseInput(job: ConvJob): void {
  const { engine, layer, x, filter, y } = job
  const [h, w] = layer.axes
  const back = oppositeLayer(layer)
  if (h.stride === 1 && w.stride === 1 && back.axes[0].before >= 0 && back.axes[1].before >= 0) {
    const panels = groupedPanels('depthwise', filter, layer.groups)
    runGrouped(
      'depthwise',
      { ...job, layer: back },
      {
        ...panels,
        offset: (h.size - 1) * panels.tapHStride + (w.size - 1) * panels.tapWStride,
        tapHStride: -panels.tapHStride,
        tapWStride: -panels.tapWStride,
      },
    )
    return
  }
  const args = gradientArgs({ x: 0, w: filter.storage.pointer, dy: x, to: y }, layer, 0)
  const work = multiplyAdds(layer)
  engine.run({ kernel: 'depthwiseInputGradient', args, units: layer.n * h.input, work })
}

/**
 * Output rows that are summed up by themselves in the gradient of a filter, and how many such sums there
 * are.
 */
export function blockDepthwiseFilter({ n, axes: [h] }: PlaneLayer): { rows: number; splits: number } {
  const all = n * h.output
  const rows = Math.max(1, Math.ceil(all / GRADIENT_UNITS))
  return { rows, splits: Math.ceil(all / rows) }
}

/**
 * The filter's gradient in splits of the rows, which follow from the shapes alone: sums [splits, kh, kw, 1,
 * c].
 */
export function runDepthwiseFilter({ engine, layer, x, dy }: FilterGradientJob, sums: number): void {
  const { rows, splits } = blockDepthwiseFilter(layer)
  const args = gradientArgs({ x, w: 0, dy, to: sums }, layer, rows)
  const units = splits * Math.ceil(layer.inChannels / 16)
  engine.run({ kernel: 'depthwiseFilterGradient', args, units, work: multiplyAdds(layer) })
}
