/** Pooling. */

import { check, FilterbankError, show } from '../base/errors.js'
import { sizeOf } from '../base/shape.js'
import { type ByteType, FLOATS } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, MOST, type Names } from '../core/options.js'
import { sameQuantization } from '../core/quantization.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import {
  type Axis,
  alongAxes,
  axisNames,
  type Context,
  type Pair,
  pair,
  slidingWindow,
  type Triple,
  triple,
  type Window,
  type Window3dOptions,
  type WindowOptions,
} from '../core/window.js'
import { runMapBytes, runPoolBytes, termsOf } from '../plans/bytes.js'
import { type PoolKernel, runPool, runPoolGradient } from '../plans/pool.js'
import { PoolBytesOp } from '../wasm/abi.js'
import {
  type ByteResultOptions,
  checkNoQuantization,
  FLOATS_AND_BYTES,
  type FloatOrByte,
  isByteTensor,
  type ResultQuantization,
  resultQuantization,
} from './byteResult.js'

/** What `maxPool2d` takes beside x. */
export interface MaxPool2dOptions extends WindowOptions, ByteResultOptions {
  /** Height and width of the window. */
  size: Pair
  /** Default: `size`. */
  stride?: Pair
  /**
   * Round the output up; a window that would start beyond the input and the padding before it is dropped.
   * Default false.
   */
  ceilMode?: boolean
}

/** What `avgPool2d` takes beside x. */
export interface AvgPool2dOptions extends MaxPool2dOptions {
  /** An average has no dilation but 1. */
  dilation?: 1
  /**
   * Divide by the padding under the window too. What `ceilMode` adds beyond the padding never counts. Default
   * false.
   */
  countIncludePad?: boolean
}

/** What `maxPool1d` takes beside x. */
export interface MaxPool1dOptions extends Pick<MaxPool2dOptions, 'ceilMode' | 'quantization'> {
  /** Length of the window. */
  size: number
  /** Default: `size`. */
  stride?: number
  /** As in `conv1d`; a pair is [before, after]. */
  padding?: 'same' | 'valid' | number | readonly [number, number]
  dilation?: number
}

/** What `avgPool1d` takes beside x. */
export interface AvgPool1dOptions
  extends Omit<MaxPool1dOptions, 'dilation'>,
    Pick<AvgPool2dOptions, 'dilation' | 'countIncludePad'> {}

/** What `maxPool3d` takes beside x. */
export interface MaxPool3dOptions extends Window3dOptions, Pick<MaxPool2dOptions, 'ceilMode'> {
  /** Depth, height and width of the window. */
  size: Triple
  /** Default: `size`. */
  stride?: Triple
}

/** What `avgPool3d` takes beside x. */
export interface AvgPool3dOptions
  extends Omit<MaxPool3dOptions, 'dilation'>,
    Pick<AvgPool2dOptions, 'dilation' | 'countIncludePad'> {}

const GLOBAL: Names<ByteResultOptions> = { quantization: true }
/** @internal */
export const MAX_POOL: Names<MaxPool2dOptions> = {
  quantization: true,
  size: true,
  stride: true,
  padding: true,
  dilation: true,
  ceilMode: true,
}
/** @internal */
export const AVG_POOL: Names<AvgPool2dOptions> = {
  quantization: true,
  size: true,
  stride: true,
  padding: true,
  dilation: true,
  ceilMode: true,
  countIncludePad: true,
}

/**
 * The largest value under a window, each channel by itself:
 *
 *   y[n, oy, ox, c] = max over ky, kx of x[n, oy * stride - before + ky * dilation, ox * stride - before + kx
 *   * dilation, c]
 *
 * Padding never wins: it is left out, and a window with nothing but padding gives -Infinity. A NaN under the
 * window gives NaN, as in PyTorch. Definition: ONNX MaxPool, PyTorch MaxPool2d.
 *
 * @param x [n, height, width, channels]; float32, or int8 or uint8 with a quantization, which gives the same
 *   type. The same for all pools but those of three axes
 * @param options size; stride as size, padding 'valid', dilation 1, ceilMode false; quantization: of an 8-bit
 *   result, default that of x
 * @returns [n, outHeight, outWidth, channels]
 * @throws FilterbankError for another rank, or a size, stride, dilation or padding that does not fit; nothing
 *   is allocated then
 * @example const halved = maxPool2d(x, { size: 2 })
 */
export function maxPool2d<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: MaxPool2dOptions,
): Tensor<D> {
  checkOptions('maxPool2d', options, MAX_POOL)
  const context = contextOf('maxPool2d', x)
  return noted(
    'maxPool2d',
    x,
    pool('maxPool2d', 'maxPool', x, windowOf(x, options, context), false, options),
    options,
  )
}

/**
 * The mean of what is under a window, each channel by itself; windows as in `maxPool2d`. Padding is left out
 * of sum and count; with `countIncludePad` it counts as zeros. A window with nothing but padding gives 0.
 * Definition: ONNX AveragePool, PyTorch AvgPool2d.
 *
 * Sums up to 64 values in float32, in a fixed order (of windows that overlap, columns first); the sums of
 * more in float64.
 *
 * @param x [n, height, width, channels]
 * @param options size; stride as size, padding 'valid', ceilMode false, countIncludePad false
 * @returns [n, outHeight, outWidth, channels]
 * @throws FilterbankError for another rank, or a size, stride or padding that does not fit; nothing is
 *   allocated then
 * @example const smooth = avgPool2d(x, { size: 3, stride: 1, padding: 'same' })
 */
export function avgPool2d<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: AvgPool2dOptions,
): Tensor<D> {
  checkOptions('avgPool2d', options, AVG_POOL)
  const context = contextOf('avgPool2d', x)
  const window = windowOf(x, options, context)
  checkNoDilation(window, options.dilation, context)
  const y = pool('avgPool2d', 'avgPool', x, window, options.countIncludePad ?? false, options)
  return noted('avgPool2d', x, y, options)
}

/**
 * `maxPool2d` along one axis, as for sound or text. Definition: ONNX MaxPool, PyTorch MaxPool1d.
 *
 * @param x [n, width, channels]
 * @param options size; stride as size, padding 'valid', dilation 1, ceilMode false
 * @returns [n, outWidth, channels]
 * @throws FilterbankError as `maxPool2d` does
 * @example const halved = maxPool1d(features, { size: 2 })
 */
export function maxPool1d<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: MaxPool1dOptions,
): Tensor<D> {
  checkOptions('maxPool1d', options, MAX_POOL)
  return noted('maxPool1d', x, pool1d('maxPool1d', 'maxPool', x, options, false), options)
}

/**
 * `avgPool2d` along one axis. Definition: ONNX AveragePool, PyTorch AvgPool1d.
 *
 * @param x [n, width, channels]
 * @param options size; stride as size, padding 'valid', ceilMode false, countIncludePad false
 * @returns [n, outWidth, channels]
 * @throws FilterbankError as `avgPool2d` does
 * @example const smooth = avgPool1d(signal, { size: 5, stride: 1, padding: 'same' })
 */
export function avgPool1d<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: AvgPool1dOptions,
): Tensor<D> {
  checkOptions('avgPool1d', options, AVG_POOL)
  const y = pool1d('avgPool1d', 'avgPool', x, options, options.countIncludePad ?? false)
  return noted('avgPool1d', x, y, options)
}

/**
 * `maxPool2d` along three axes, as for video or volumes. Computed over height and width, and then over depth,
 * which comes to the same. Definition: ONNX MaxPool, PyTorch MaxPool3d.
 *
 * @param x [n, depth, height, width, channels]
 * @param options size; stride as size, padding 'valid', dilation 1, ceilMode false
 * @returns [n, outDepth, outHeight, outWidth, channels]
 * @throws FilterbankError as `maxPool2d` does
 * @example const halved = maxPool3d(frames, { size: [1, 2, 2] })
 */
export function maxPool3d(x: Tensor, options: MaxPool3dOptions): Tensor {
  checkOptions('maxPool3d', options, MAX_POOL)
  const y = pool3d('maxPool3d', 'maxPool', x, windowOf(x, options, contextOf('maxPool3d', x, 3)), false)
  return noted('maxPool3d', x, y, options)
}

/**
 * `avgPool2d` along three axes: the mean over height and width, and then the mean of those over depth.
 * Definition: ONNX AveragePool, PyTorch AvgPool3d.
 *
 * @param x [n, depth, height, width, channels]
 * @param options size; stride as size, padding 'valid', ceilMode false, countIncludePad false
 * @returns [n, outDepth, outHeight, outWidth, channels]
 * @throws FilterbankError as `avgPool2d` does
 * @example const smooth = avgPool3d(volume, { size: 3, stride: 1, padding: 'same' })
 */
export function avgPool3d(x: Tensor, options: AvgPool3dOptions): Tensor {
  checkOptions('avgPool3d', options, AVG_POOL)
  const context = contextOf('avgPool3d', x, 3)
  const axes = windowOf(x, options, context)
  checkNoDilation(axes, options.dilation, context)
  return noted(
    'avgPool3d',
    x,
    pool3d('avgPool3d', 'avgPool', x, axes, options.countIncludePad ?? false),
    options,
  )
}

/**
 * The largest value of each channel; NaN where there is one.
 *
 * @param x [n, height, width, channels]
 * @returns [n, 1, 1, channels]
 * @throws FilterbankError for another rank, or an image without pixels
 * @example const strongest = globalMaxPool2d(features)
 */
export function globalMaxPool2d<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ByteResultOptions = {},
): Tensor<D> {
  checkOptions('globalMaxPool2d', options, GLOBAL)
  const window = wholeOf(x, contextOf('globalMaxPool2d', x))
  return noted('globalMaxPool2d', x, pool('globalMaxPool2d', 'maxPool', x, window, false, options))
}

/**
 * The mean of each channel, summed as by `avgPool2d`.
 *
 * @param x [n, height, width, channels]
 * @returns [n, 1, 1, channels]
 * @throws FilterbankError for another rank, or an image without pixels
 * @example const logits = linear(globalAvgPool2d(features).reshape([1, -1]), weight)
 */
export function globalAvgPool2d<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ByteResultOptions = {},
): Tensor<D> {
  checkOptions('globalAvgPool2d', options, GLOBAL)
  const window = wholeOf(x, contextOf('globalAvgPool2d', x))
  return noted('globalAvgPool2d', x, pool('globalAvgPool2d', 'avgPool', x, window, false, options))
}

/** Tells what was pooled, once for the passes that it is made of. */
function noted<T extends AnyTensor>(op: string, x: T, y: T, options?: object): T {
  x.engine.trace?.note(op, y, { x }, options)
  return y
}

function contextOf(op: string, x: AnyTensor, rank: 1 | 2 | 3 = 2): Context {
  engineOf(op, { x }, {}, rank === 3 ? FLOATS : FLOATS_AND_BYTES)
  const context = { op, shapes: { x: x.shape } }
  if (x.shape.length === rank + 2) return context
  throw new FilterbankError({
    ...context,
    argument: 'x',
    expected: `[n, ${axisNames(rank).join(', ')}, channels]`,
    got: `rank ${x.shape.length}`,
  })
}

const imageSize = (x: AnyTensor): [number, number] => [x.shape[1]!, x.shape[2]!]

function windowOf(x: AnyTensor, options: MaxPool2dOptions, context: Context): Window
function windowOf(x: AnyTensor, options: MaxPool3dOptions, context: Context): [Axis, Axis, Axis]
function windowOf(
  x: AnyTensor,
  options: MaxPool2dOptions | MaxPool3dOptions,
  context: Context,
): readonly Axis[] {
  const size = (x.shape.length === 4 ? pair : triple)(options.size, 'size', 1, context)
  check(sizeOf(size) <= MOST, () => ({
    ...context,
    argument: 'size',
    expected: `a window of at most ${MOST} elements`,
    got: show(options.size),
  }))
  return slidingWindow<readonly number[]>(x.shape.slice(1, -1), size, options, context, size)
}

function checkNoDilation(axes: readonly Axis[], given: unknown, context: Context): void {
  check(
    axes.every(({ dilation }) => dilation === 1),
    () => ({ ...context, argument: 'dilation', expected: '1', got: show(given) }),
  )
}

function wholeOf(x: AnyTensor, context: Context): Window {
  const size = imageSize(x)
  check(size[0] > 0 && size[1] > 0, () => ({
    ...context,
    argument: 'x',
    expected: 'an image of at least one pixel',
    got: show(size),
  }))
  return slidingWindow(size, size, {}, context)
}

function pool<T extends AnyTensor>(
  op: string,
  kernel: PoolKernel,
  given: T,
  window: Window,
  countPadding: boolean,
  { quantization }: ByteResultOptions = {},
): T {
  if (isByteTensor(given))
    return poolOfBytes(op, kernel, given as Tensor<ByteType>, window, countPadding, quantization) as T
  const x = given as Tensor
  checkNoQuantization(op, x, quantization)
  const { engine } = x
  const [h, w] = window
  const [n, , , c] = x.shape as [number, number, number, number]
  const y = engine.make([n, h.output, w.output, c], (y) => runPool(kernel, x, y, window, countPadding))
  const kept = { x, y }
  // The derivative of the maximum goes to the largest value under its window, to the first of several in
  // row-major order, as in PyTorch; a NaN is larger than all. That of the mean to all under it, divided as
  // the sum was.
  engine.tape?.record(op, y, { x }, kept, (dy, { x, y }) => ({
    x: () => engine.make(x.shape, (dx) => runPoolGradient(kernel, dy, { x, y, dx }, window, countPadding)),
  }))
  return y as T
}

/** Of 8-bit integers: the largest, brought to another scale; or the mean of what they stand for. */
function poolOfBytes(
  op: string,
  kernel: PoolKernel,
  x: Tensor<ByteType>,
  window: Window,
  countPadding: boolean,
  given: ResultQuantization | undefined,
): Tensor<ByteType> {
  const { engine, dtype } = x
  const [h, w] = window
  const shape = [x.shape[0]!, h.output, w.output, x.shape[3]!]
  const own = x.quantization ?? { scale: 1, zeroPoint: 0 }
  const quantization = resultQuantization(op, { x }, shape, given, own)
  const how =
    kernel === 'maxPool'
      ? PoolBytesOp.largest
      : op === 'globalAvgPool2d'
        ? PoolBytesOp.wholeMean
        : PoolBytesOp.mean
  const y = engine.make(
    shape,
    (y) => {
      runPoolBytes(how, x, y, window, countPadding)
      if (kernel === 'maxPool' && !sameQuantization(quantization, own))
        runMapBytes(y, y, [-1, 0, 0], termsOf(x))
    },
    { dtype, quantization },
  )
  engine.tape?.record(op, y, { x }, {}, () => ({}))
  return y
}

/** As an image of one row. */
function pool1d<T extends AnyTensor>(
  op: string,
  kernel: PoolKernel,
  x: T,
  options: MaxPool1dOptions,
  countPadding: boolean,
): T {
  const context = contextOf(op, x, 1)
  const [n, width, c] = x.shape as [number, number, number]
  const [size] = alongAxes(options.size, 1, 'size', 1, context) as [number]
  const [w] = slidingWindow<readonly number[]>(
    [width],
    [size],
    { ...options, stride: options.stride ?? size },
    context,
  ) as readonly Axis[]
  if (kernel === 'avgPool') checkNoDilation([w!], options.dilation, context)
  const row: Axis = { input: 1, output: 1, size: 1, stride: 1, dilation: 1, before: 0, after: 0 }
  return x.engine.scope(
    () =>
      pool(op, kernel, x.reshape([n, 1, width, c]), [row, w!], countPadding, options).reshape([
        n,
        w!.output,
        c,
      ]) as T,
  )
}

/** Over the planes of x, and then over depth, with every pixel of a plane by itself. */
function pool3d(
  op: string,
  kernel: PoolKernel,
  x: Tensor,
  [depth, h, w]: readonly [Axis, Axis, Axis],
  countPadding: boolean,
): Tensor {
  const [n, d, ih, iw, c] = x.shape as [number, number, number, number, number]
  const pixels = h.output * w.output
  const each: Axis = { input: pixels, output: pixels, size: 1, stride: 1, dilation: 1, before: 0, after: 0 }
  return x.engine.scope(() => {
    const planes = pool(op, kernel, x.reshape([n * d, ih, iw, c]), [h, w], countPadding)
    const y = pool(op, kernel, planes.reshape([n, d, pixels, c]), [depth, each], countPadding)
    return y.reshape([n, depth.output, h.output, w.output, c])
  })
}
