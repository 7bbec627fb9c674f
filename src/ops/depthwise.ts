/** The plan of a convolution with one filter per channel, or with few channels in a group (assembly/depthwise.ts). */
import { Depthwise, DepthwiseGradient } from '../../assembly/calls.js'
import type { Engine } from '../engine.js'
import type { Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { type Axis, opposite, type Window } from '../window.js'
import { NO_CLAMP } from './activation.js'
import { type Blocking, filterPanels, type Panels, packed } from './igemm.js'
import { sum } from './reduce.js'

/** Units that a layer falls into at least, where it has rows for them. */
const UNITS = 16
/** Pixels a multiple of this many floats apart crowd into few sets of the first-level cache. Witness: bench, i7x7x1024 and i14x14x512. */
const CROWDED = 256

interface GroupedBlocking extends Blocking {
  /** Output rows of one unit. */
  rows: number
  /** Whether rows are copied so that their pixels lie further apart. */
  skewed: boolean
}

type GroupedKernel = 'depthwise' | 'grouped'

/** Columns of the table that a row of outputs sees. */
const columnsOf = ({ output, size, stride, dilation }: Axis): number => (Math.max(output, 7) - 1) * stride + dilation * (size - 1) + 1

/** Whether tables and copied rows keep in proportion to the image: they hold the padding between taps that stand far apart, too. */
export const isNear = ({ h, w }: Window): boolean => columnsOf(w) <= 2 * w.input + 2 ** 16 && (h.size - 1) * h.dilation <= 2 * h.input + 64

export function blockGrouped(n: number, ic: number, oc: number, { h, w }: Window): GroupedBlocking {
  const rows = Math.max(1, Math.floor(h.output / Math.ceil(UNITS / Math.max(1, n))))
  const columns = columnsOf(w)
  const skewed = ic % CROWDED === 0
  const ring = skewed ? ((h.size - 1) * h.dilation + 1) * (1 + w.input * (ic + 16)) : 0
  const table = h.size * (3 * w.size + columns) + 4
  return { rows, skewed, units: n * Math.ceil(h.output / rows), scratch: Math.max(ic, oc) + 4 + 28 + table + ring }
}

/** A filter by vectors of 4: [kh][kw][depth][oc] -> [group][filters of it / 4][kh][kw][depth][4]; depthwise has no groups but vectors. */
export const groupedPanels = (kernel: GroupedKernel, filter: Pick<Tensor, 'shape' | 'strides'>, groups: number): Panels =>
  filterPanels(filter, kernel === 'grouped' ? groups : 1, 4)

/** `'depthwise'` takes 4 channels at a time, each with its filter; `'grouped'` one channel at a time with 4 filters of its group. */
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
  const weights = packed(filter.storage, panels)
  const block = blockGrouped(n, ic, oc, window)
  engine.scratch(4 * block.scratch)

  const { i32, f32 } = engine
  const call = engine.call(Depthwise.length)
  i32[call + Depthwise.x] = x.pointer
  i32[call + Depthwise.w] = weights
  i32[call + Depthwise.b] = bias?.pointer ?? 0
  i32[call + Depthwise.y] = y.pointer
  i32[call + Depthwise.n] = n
  i32[call + Depthwise.ih] = ih
  i32[call + Depthwise.iw] = iw
  i32[call + Depthwise.ic] = ic
  i32[call + Depthwise.oh] = h.output
  i32[call + Depthwise.ow] = w.output
  i32[call + Depthwise.oc] = oc
  i32[call + Depthwise.kh] = kh
  i32[call + Depthwise.kw] = kw
  i32[call + Depthwise.strideH] = h.stride
  i32[call + Depthwise.strideW] = w.stride
  i32[call + Depthwise.dilationH] = h.dilation
  i32[call + Depthwise.dilationW] = w.dilation
  i32[call + Depthwise.beforeH] = h.before
  i32[call + Depthwise.beforeW] = w.before
  f32[call + Depthwise.low] = clamp[0]
  f32[call + Depthwise.high] = clamp[1]
  i32[call + Depthwise.groupIn] = depth
  i32[call + Depthwise.groupOut] = oc / groups
  i32[call + Depthwise.rows] = block.rows
  i32[call + Depthwise.skewed] = Number(block.skewed)
  engine.run(kernel, call, block.units, y.size * kh * kw * depth)
}

/** Units that a gradient falls into at least, where it has rows for them. */
const GRADIENT_UNITS = 16

function writeGradient(x: number, w: number, dy: number, to: number, n: number, c: number, { h, w: across }: Window, rows: number, engine: Engine): number {
  const { i32 } = engine
  const call = engine.call(DepthwiseGradient.length)
  i32[call + DepthwiseGradient.x] = x
  i32[call + DepthwiseGradient.w] = w
  i32[call + DepthwiseGradient.dy] = dy
  i32[call + DepthwiseGradient.to] = to
  i32[call + DepthwiseGradient.n] = n
  i32[call + DepthwiseGradient.ih] = h.input
  i32[call + DepthwiseGradient.iw] = across.input
  i32[call + DepthwiseGradient.c] = c
  i32[call + DepthwiseGradient.oh] = h.output
  i32[call + DepthwiseGradient.ow] = across.output
  i32[call + DepthwiseGradient.kh] = h.size
  i32[call + DepthwiseGradient.kw] = across.size
  i32[call + DepthwiseGradient.strideH] = h.stride
  i32[call + DepthwiseGradient.strideW] = across.stride
  i32[call + DepthwiseGradient.dilationH] = h.dilation
  i32[call + DepthwiseGradient.dilationW] = across.dilation
  i32[call + DepthwiseGradient.beforeH] = h.before
  i32[call + DepthwiseGradient.beforeW] = across.before
  i32[call + DepthwiseGradient.rows] = rows
  return call
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
  const call = writeGradient(0, filter.pointer, dy.pointer, dx.pointer, n, c, window, 0, engine)
  engine.run('depthwiseInputGradient', call, n * ih, dy.size * h.size * w.size)
}

/** Its filter's gradient: sums of splits of the rows, which follow from the shapes alone, added up in their order. */
export function depthwiseFilter(x: Tensor, dy: Tensor, shape: Shape, window: Window): Tensor {
  const { engine } = x
  const [n, , , c] = x.shape as [number, number, number, number]
  const all = n * window.h.output
  const rows = Math.max(1, Math.ceil(all / GRADIENT_UNITS))
  const splits = Math.ceil(all / rows)
  return engine.scope(() => {
    const sums = engine.empty([splits, ...shape])
    const call = writeGradient(x.pointer, 0, dy.pointer, sums.pointer, n, c, window, rows, engine)
    engine.run('depthwiseFilterGradient', call, splits * Math.ceil(c / 16), dy.size * window.h.size * window.w.size)
    return sum(sums, { axes: 0 })
  })
}
