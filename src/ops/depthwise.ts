/** The plan of a convolution with one filter per channel, or with few channels in a group (assembly/depthwise.ts). */
import { Depthwise, DepthwiseGradient } from '../../assembly/calls.js'
import type { Engine } from '../engine.js'
import type { Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { gcd, opposite, type Window } from '../window.js'
import { NO_CLAMP } from './activation.js'
import { type Blocking, type Panels, packed } from './igemm.js'
import { sum } from './reduce.js'

/** Bytes that the ring may take: half of a 32 KB first-level cache where the image is narrow enough, but 16 channels at least. Witness: bench, depthwise layers. */
const RING_BYTES = 16384
/** Units that a layer falls into at least, where it has rows and channels for them. */
const UNITS = 8

interface GroupedBlocking extends Blocking {
  /** Columns of one phase in the ring. */
  columns: number
  /** Output rows and channels of one unit. */
  rows: number
  channels: number
}

type GroupedKernel = 'depthwise' | 'grouped'

export function blockGrouped(kernel: GroupedKernel, n: number, depth: number, oc: number, groups: number, { h, w }: Window): GroupedBlocking {
  const reach = h.dilation * (h.size - 1) + 1
  const columns = w.output + Math.floor((w.dilation * (w.size - 1)) / w.stride) + 10
  // Outputs are blocked by whole vectors or groups; each of them brings so many floats into the ring.
  const planar = kernel === 'grouped'
  const step = planar ? oc / groups : 4
  const ring = reach * w.stride * columns * (planar ? depth : 4)
  const channels = Math.min(
    Math.ceil(oc / step) * step,
    step * Math.max(Math.ceil(16 / step), Math.min(Math.ceil(64 / step), Math.floor(RING_BYTES / 4 / ring))),
  )
  const blocks = Math.ceil(oc / channels)
  const rows = Math.max(Math.min(h.output, 2 * reach), Math.ceil(h.output / Math.ceil(UNITS / Math.max(1, n * blocks))))
  const scratch = channels + (ring * channels) / step + 4 * h.size * w.size * depth
  return { columns, rows, channels, units: n * blocks * Math.ceil(h.output / rows), scratch }
}

/** A filter by vectors of 4: [kh][kw][depth][oc] -> [group][filters of it / 4][kh][kw][depth][4]; depthwise has no groups but vectors. */
export const groupedPanels = (kernel: GroupedKernel, [kh, kw, depth, oc]: Shape, groups: number): Panels => ({
  width: 4,
  groups: kernel === 'grouped' ? groups : 1,
  columns: kernel === 'grouped' ? oc! / groups : oc!,
  tapsH: kh!,
  tapsW: kw!,
  depth: depth!,
  offset: 0,
  groupStride: kernel === 'grouped' ? oc! / groups : 0,
  tapHStride: kw! * depth! * oc!,
  tapWStride: depth! * oc!,
  rowStride: oc!,
  columnStride: 1,
})

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
  panels = groupedPanels(kernel, filter.shape, groups),
): void {
  const { engine } = x
  const { h, w } = window
  const [n, ih, iw, ic] = x.shape as [number, number, number, number]
  const [kh, kw, depth, oc] = filter.shape as [number, number, number, number]
  const weights = packed(filter.storage, panels)
  const block = blockGrouped(kernel, n, depth, oc, groups, window)
  engine.scratch(4 * block.scratch)
  const common = gcd(w.stride, w.dilation)

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
  i32[call + Depthwise.tapStep] = w.stride / common
  i32[call + Depthwise.runTaps] = w.dilation === common ? 3 : 1
  i32[call + Depthwise.columns] = block.columns
  i32[call + Depthwise.rows] = block.rows
  i32[call + Depthwise.block] = block.channels
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
    const panels = groupedPanels('depthwise', filter.shape, c)
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
