/**
 * The plan of a convolution with one filter per channel, or with few channels in a group
 * (assembly/depthwise/forward.ts).
 */

import type { Shape } from '../core/shape.js'
import type { Tensor } from '../core/tensor.js'
import { type Axis, opposite, type Window } from '../core/window.js'
import { NO_CLAMP } from '../ops/activation.js'
import { sum } from '../ops/reduce.js'
import type { DepthwiseGradient } from '../wasm/abi.js'
import { type Blocking, filterPanels, type Panels, packed } from './igemm.js'

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
  /** Whether rows are copied so that their pixels lie further apart. */
  skewed: boolean
}

type GroupedKernel = 'depthwise' | 'grouped'

/** Columns of the table that a row of outputs sees. */
const columnsOf = ({ output, size, stride, dilation }: Axis): number =>
  (Math.max(output, 7) - 1) * stride + dilation * (size - 1) + 1

/**
 * Whether tables and copied rows keep in proportion to the image: they hold the padding between taps that
 * stand far apart, too.
 */
export const isNear = ({ h, w }: Window): boolean =>
  columnsOf(w) <= 2 * w.input + 2 ** 16 && (h.size - 1) * h.dilation <= 2 * h.input + 64

export function blockGrouped(n: number, ic: number, oc: number, { h, w }: Window): GroupedBlocking {
  const rows = Math.max(1, Math.floor(h.output / Math.ceil(UNITS / Math.max(1, n))))
  const columns = columnsOf(w)
  const skewed = ic % CROWDED === 0
  const ring = skewed ? ((h.size - 1) * h.dilation + 1) * (1 + w.input * (ic + 16)) : 0
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
  filter: Pick<Tensor, 'shape' | 'strides'>,
  groups: number,
): Panels => filterPanels(filter, kernel === 'grouped' ? groups : 1, 4)

/**
 * `'depthwise'` takes 4 channels at a time, each with its filter; `'grouped'` one channel at a time with 4
 * filters of its group.
 */
export function runGrouped(
  kernel: GroupedKernel,
  x: Tensor,
  filter: Tensor,
  bias: Tensor | undefined,
  y: Tensor,
  window: Window,
  groups: number,
  clamp: readonly [number, number],
  panels = groupedPanels(kernel, filter, groups),
): void {
  const { engine } = x
  const { h, w } = window
  const [n, ih, iw, ic] = x.shape as [number, number, number, number]
  const [kh, kw, depth, oc] = filter.shape as [number, number, number, number]
  const weights = packed(filter, panels)
  const block = blockGrouped(n, ic, oc, window)
  engine.scratch(4 * block.scratch)

  engine.run({
    kernel,
    args: {
      x: x.pointer,
      w: weights,
      b: bias?.pointer ?? 0,
      y: y.pointer,
      n,
      ih,
      iw,
      ic,
      oh: h.output,
      ow: w.output,
      oc,
      kh,
      kw,
      strideH: h.stride,
      strideW: w.stride,
      dilationH: h.dilation,
      dilationW: w.dilation,
      beforeH: h.before,
      beforeW: w.before,
      low: clamp[0],
      high: clamp[1],
      groupIn: depth,
      groupOut: oc / groups,
      rows: block.rows,
      skewed: Number(block.skewed),
    },
    units: block.units,
    work: y.size * kh * kw * depth,
  })
}

/** Units that a gradient falls into at least, where it has rows for them. */
const GRADIENT_UNITS = 16

type Addresses = Pick<DepthwiseGradient, 'x' | 'w' | 'dy' | 'to'>

function gradientArgs(
  addresses: Addresses,
  n: number,
  c: number,
  { h, w: across }: Window,
  rows: number,
): DepthwiseGradient {
  return {
    ...addresses,
    n,
    ih: h.input,
    iw: across.input,
    c,
    oh: h.output,
    ow: across.output,
    kh: h.size,
    kw: across.size,
    strideH: h.stride,
    strideW: across.stride,
    dilationH: h.dilation,
    dilationW: across.dilation,
    beforeH: h.before,
    beforeW: across.before,
    rows,
  }
}

/** dx of a convolution with one filter per channel, of as many outputs as inputs. */
export function runDepthwiseInput(dy: Tensor, filter: Tensor, dx: Tensor, window: Window): void {
  const { engine } = dy
  const [n, ih, , c] = dx.shape as [number, number, number, number]
  const { h, w } = window
  const back = { h: opposite(h), w: opposite(w) }
  if (h.stride === 1 && w.stride === 1 && back.h.before >= 0 && back.w.before >= 0) {
    const panels = groupedPanels('depthwise', filter, c)
    const last = (h.size * w.size - 1) * c
    runGrouped('depthwise', dy, filter, undefined, dx, back, c, NO_CLAMP, {
      ...panels,
      offset: last,
      tapHStride: -panels.tapHStride,
      tapWStride: -panels.tapWStride,
    })
    return
  }
  const args = gradientArgs({ x: 0, w: filter.pointer, dy: dy.pointer, to: dx.pointer }, n, c, window, 0)
  engine.run({ kernel: 'depthwiseInputGradient', args, units: n * ih, work: dy.size * h.size * w.size })
}

/**
 * Its filter's gradient: sums of splits of the rows, which follow from the shapes alone, added up in their
 * order.
 */
export function depthwiseFilter(x: Tensor, dy: Tensor, shape: Shape, window: Window): Tensor {
  const { engine } = x
  const [n, , , c] = x.shape as [number, number, number, number]
  const all = n * window.h.output
  const rows = Math.max(1, Math.ceil(all / GRADIENT_UNITS))
  const splits = Math.ceil(all / rows)
  return engine.scope(() => {
    const sums = engine.empty([splits, ...shape])
    const args = gradientArgs({ x: x.pointer, w: 0, dy: dy.pointer, to: sums.pointer }, n, c, window, rows)
    const work = dy.size * window.h.size * window.w.size
    engine.run({ kernel: 'depthwiseFilterGradient', args, units: splits * Math.ceil(c / 16), work })
    return sum(sums, { axes: 0 })
  })
}
