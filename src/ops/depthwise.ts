/** The plan of a convolution with one filter per channel, or with few channels in a group (assembly/depthwise.ts). */
import { Depthwise } from '../../assembly/calls.js'
import type { Tensor } from '../tensor.js'
import { gcd, type Window } from '../window.js'
import { packed } from './igemm.js'

/** Bytes that the ring may take: half of a 32 KB first-level cache where the image is narrow enough, but 16 channels at least. Witness: bench, depthwise layers. */
const RING_BYTES = 16384
/** Units that a layer falls into at least, where it has rows and channels for them. */
const UNITS = 8

/** `'depthwise'` takes 4 channels at a time, each with its filter; `'grouped'` one channel at a time with 4 filters of its group. */
export function runGrouped(
  kernel: 'depthwise' | 'grouped',
  x: Tensor,
  filter: Tensor,
  bias: Tensor | undefined,
  y: Tensor,
  { h, w }: Window,
  groups: number,
  clamp: readonly [number, number],
): void {
  const { engine } = x
  const [n, ih, iw, ic] = x.shape as [number, number, number, number]
  const [kh, kw, depth, oc] = filter.shape as [number, number, number, number]
  const planar = kernel === 'grouped'
  const groupOut = oc / groups
  const taps = kh * kw * depth
  // [kh][kw][depth][oc] -> [group][filters of it / 4][kh][kw][depth][4]; depthwise has no groups but vectors
  const weights = packed(filter.storage, {
    width: 4,
    groups: planar ? groups : 1,
    columns: planar ? groupOut : oc,
    tapsH: kh,
    tapsW: kw,
    depth,
    offset: 0,
    groupStride: planar ? groupOut : 0,
    tapHStride: kw * depth * oc,
    tapWStride: depth * oc,
    rowStride: oc,
    columnStride: 1,
  })
  const reach = h.dilation * (kh - 1) + 1
  const columns = w.output + Math.floor((w.dilation * (kw - 1)) / w.stride) + 10
  const common = gcd(w.stride, w.dilation)
  // Outputs are blocked by whole vectors or groups; each of them brings so many channels into the ring.
  const step = planar ? groupOut : 4
  const ringFloats = reach * w.stride * columns * (planar ? depth : 4)
  const block = Math.min(
    Math.ceil(oc / step) * step,
    step * Math.max(Math.ceil(16 / step), Math.min(Math.ceil(64 / step), Math.floor(RING_BYTES / 4 / ringFloats))),
  )
  const blocks = Math.ceil(oc / block)
  const rows = Math.max(Math.min(h.output, 2 * reach), Math.ceil(h.output / Math.ceil(UNITS / Math.max(1, n * blocks))))
  engine.scratch(4 * (block + (ringFloats * block) / step + 4 * taps))

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
  i32[call + Depthwise.groupOut] = groupOut
  i32[call + Depthwise.tapStep] = w.stride / common
  i32[call + Depthwise.runTaps] = w.dilation === common ? 3 : 1
  i32[call + Depthwise.columns] = columns
  i32[call + Depthwise.rows] = rows
  i32[call + Depthwise.block] = block
  engine.run(kernel, call, n * blocks * Math.ceil(h.output / rows), y.size * taps)
}
