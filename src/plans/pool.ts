/** Pooling: the plan of assembly/pool.ts and assembly/poolGradient.ts. */

import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Axis, Window } from '../core/window.js'
import { type Columns, POOL_BLOCK, type Pool, type PoolPlaces } from '../wasm/abi.js'

/** What becomes of the values under a window. */
export type PoolKernel = 'maxPool' | 'avgPool'

/**
 * Columns that are computed together have this many floats: they stay in the first-level cache. Witness:
 * bench, pooling.
 */
const COLUMN_FLOATS = 2048

/** y [n, outHeight, outWidth, c] of x [n, height, width, c]. */
export function runPool(
  kernel: PoolKernel,
  x: Tensor,
  y: Tensor,
  window: Window,
  countPadding: boolean,
): void {
  if (y.size === 0) return
  const { engine } = x
  const [h, w] = window
  const [n, , iw, c] = x.shape as [number, number, number, number]
  const rows = n * h.output
  const outputs = outputsTogether(kernel, window, c)
  // Where rows are few, as in a global pool, their channels are shared out too.
  const slices = rows < 16 && outputs < 2 ? 16 / rows : 1
  const channels = Math.max(1, Math.ceil(c / slices / 16)) * 16
  const columns = Math.min(iw, outputs * w.stride + (w.size - 1) * w.dilation + 1) * c
  engine.scratch(4 * (Math.max(columns, 2 * channels) + 4))
  const args = poolArgs(x, y, window, countPadding, channels, outputs)
  engine.run({ kernel, args, units: rows * Math.ceil(c / channels), work: y.size * h.size * w.size })
}

/**
 * Outputs of a row whose columns are computed together; 1: windows that have none in common, 0: the maximum
 * of 3 x 3 at step 2, column by column.
 */
function outputsTogether(kernel: PoolKernel, [h, w]: Window, c: number): number {
  const shared = (w.size - 1) * w.dilation + 1 - w.stride
  if (
    shared <= 0 ||
    h.size === 1 ||
    w.output === 1 ||
    c === 0 ||
    (kernel === 'avgPool' && h.size + w.size > POOL_BLOCK)
  )
    return 1
  if (
    kernel === 'maxPool' &&
    h.size === 3 &&
    w.size === 3 &&
    w.dilation === 1 &&
    w.stride === 2 &&
    w.before < 2 &&
    c % 8 === 0
  )
    return 0
  return Math.ceil(Math.max(COLUMN_FLOATS / c, 4 * shared, 2) / w.stride)
}

/** Units that a gradient falls into at least, where it has images and channels for them. */
const UNITS = 16

/** dx from dy. */
export function runPoolGradient(
  kernel: PoolKernel,
  dy: Tensor,
  { x, y, dx }: { x: Tensor; y: Tensor; dx: Tensor },
  window: Window,
  countPadding: boolean,
): void {
  const [n, , , c] = x.shape as [number, number, number, number]
  // Windows may overlap, so that an image is one unit; where images are few, their channels are shared out
  // too.
  const channels = Math.max(1, Math.ceil((c * Math.min(n, UNITS)) / UNITS / 16)) * 16
  const args = { ...poolArgs(x, y, window, countPadding, channels, 1), dy: dy.pointer, dx: dx.pointer }
  const work = x.size + y.size * window[0].size * window[1].size
  x.engine.run({ kernel: `${kernel}Gradient`, args, units: n * Math.ceil(c / channels), work })
}

/** Where the windows of a pool stand: what its blocks of floats and of bytes have in common. */
export function windowArgs(x: AnyTensor, y: AnyTensor, [h, w]: Window, countPadding: boolean) {
  const [, ih, iw, c] = x.shape as [number, number, number, number]
  return {
    x: x.pointer,
    y: y.pointer,
    ih,
    iw,
    c,
    oh: h.output,
    ow: w.output,
    tapsH: h.size,
    tapsW: w.size,
    stepH: h.stride,
    stepW: w.stride,
    firstH: -h.before,
    firstW: -w.before,
    tapStepH: h.dilation,
    tapStepW: w.dilation,
    afterH: h.after,
    afterW: w.after,
    countPadding: Number(countPadding),
  }
}

function poolArgs(
  x: Tensor,
  y: Tensor,
  window: Window,
  countPadding: boolean,
  channels: number,
  outputs: number,
): Pool {
  return {
    ...windowArgs(x, y, window, countPadding),
    channels,
    outputs,
  }
}

/** How far the places of neighbours along depth, height and width are apart, and those of two channels. */
export interface PlaceSteps {
  axes: readonly [number, number, number]
  plane: number
}

/** A window over depth, height and width, as kernels of one channel or all take it. */
const deepWindow = (d: Axis, h: Axis, w: Axis) => ({
  id: d.input,
  ih: h.input,
  iw: w.input,
  od: d.output,
  oh: h.output,
  ow: w.output,
  tapsD: d.size,
  tapsH: h.size,
  tapsW: w.size,
  stepD: d.stride,
  stepH: h.stride,
  stepW: w.stride,
  firstD: -d.before,
  firstH: -h.before,
  firstW: -w.before,
  tapStepD: d.dilation,
  tapStepH: h.dilation,
  tapStepW: w.dilation,
})

/**
 * x [planes, taps, outDepth * outHeight * outWidth], what each tap of a window saw at each place, added up to
 * y [planes, depth * height * width]: assembly/columns.ts.
 */
export function runColumns(x: Tensor, y: Tensor, [d, h, w]: readonly [Axis, Axis, Axis]): void {
  const args: Columns = { ...deepWindow(d, h, w), x: x.pointer, y: y.pointer }
  x.engine.run({ kernel: 'addColumns', args, units: y.shape[0]!, work: 2 * x.size + y.size })
}

/**
 * y and its places [n, outDepth, outHeight, outWidth, c] of x [n, depth, height, width, c]:
 * assembly/poolPlaces.ts.
 */
export function runMaxPoolPlaces(
  x: Tensor,
  y: Tensor,
  places: Tensor<'int32'>,
  [d, h, w]: readonly [Axis, Axis, Axis],
  { axes: [placeD, placeH, placeW], plane }: PlaceSteps,
): void {
  if (y.size === 0) return
  const [n, , , , c] = x.shape as [number, number, number, number, number]
  const args: PoolPlaces = {
    ...deepWindow(d, h, w),
    x: x.pointer,
    y: y.pointer,
    places: places.pointer,
    c,
    placeD,
    placeH,
    placeW,
    plane,
  }
  const units = n * d.output * h.output
  x.engine.run({ kernel: 'maxPoolPlaces', args, units, work: 2 * y.size * d.size * h.size * w.size })
}
