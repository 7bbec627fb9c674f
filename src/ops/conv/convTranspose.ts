/**
 * Transposed convolution along one, two and three axes: the backward of a convolution as an op of its own.
 */

import { stridesOf } from '../../base/shape.js'
import { ANY, type ByteType, FLOATS } from '../../core/dtype.js'
import { engineOf } from '../../core/engine.js'
import { checkOptions, type Names } from '../../core/options.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import type { AxesOptions, Context, Pair, WindowOptions } from '../../core/window.js'
import { NO_CLAMP } from '../../plans/elementwise.js'
import type { Layer } from '../../plans/layer.js'
import { type FilterView, planeFilter, planeLayer } from '../../plans/planes.js'
import { type Activation, clampBackward, finishActivation, fusedClamp } from '../activation.js'
import { byteOp, checkFloats, makeBytes, type OutputQuantization } from '../bytes.js'
import { channelSums } from '../reduce.js'
import { CONV_DTYPES, igemm, igemm8, runLayer } from './algorithms.js'
import { checkBias, inputShape, type Rank, transposedLayerOf } from './geometry.js'
import { filterGradient, inputGradient } from './gradients.js'

/** What `convTranspose2d` takes beside x and the filter. */
export interface ConvTranspose2dOptions extends WindowOptions {
  /** As of `conv2d`. */
  bias?: Tensor | Tensor<'int32'>
  /** As of `conv2d`. */
  quantization?: OutputQuantization
  /**
   * Rows and columns added at the bottom and right of the output; smaller than stride or dilation. Default 0.
   */
  outputPadding?: Pair
  /**
   * Input and output channels fall into this many groups of neighbours that do not see each other. Default 1.
   */
  groups?: number
  activation?: Activation
}

const CONV_TRANSPOSE: Names<ConvTranspose2dOptions> = {
  stride: true,
  padding: true,
  dilation: true,
  bias: true,
  outputPadding: true,
  groups: true,
  activation: true,
  quantization: true,
}

/**
 * Spreads every pixel over a window, the transpose of what `conv2d` does (also called deconvolution or
 * fractionally strided convolution):
 *
 *   y[n, iy * stride - before + ky * dilation, ix * stride - before + kx * dilation, o] += x[n, iy, ix, i] *
 *   filter[ky, kx, i, o]
 *
 * then bias and activation. Output height and width: (input - 1) * stride + dilation * (size - 1) + 1 +
 * outputPadding - before - after; with padding `'same'`: input * stride. Definition: ONNX ConvTranspose.
 *
 * Computed without scattering: outputs at the same place modulo stride (a phase) see the same taps, so each
 * phase is a small convolution. (Shi et al., "Is the deconvolution layer the same as a convolutional layer?",
 * 2016.)
 *
 * 8-bit integers as in `conv2d`; scale and zero point of a filter of one group may differ along its
 * outChannels.
 *
 * @param x [n, height, width, inChannels]
 * @param filter [windowHeight, windowWidth, inChannels, outChannels / groups]
 * @param options stride 1, padding 'valid', outputPadding 0, dilation 1, groups 1, no bias, no activation
 * @returns [n, outHeight, outWidth, outChannels]
 * @throws FilterbankError for ranks, channels, groups, strides or paddings that do not fit; nothing is
 *   allocated then
 * @example const larger = convTranspose2d(x, filter, { stride: 2, padding: 1 })
 */
export function convTranspose2d<D extends ByteType = ByteType>(
  x: Tensor<ByteType>,
  filter: Tensor<ByteType>,
  options: ConvTranspose2dOptions & { quantization: OutputQuantization<D> },
): Tensor<D>
/** The same with a float32 result. */
export function convTranspose2d(
  x: Tensor<ByteType>,
  filter: Tensor<ByteType>,
  options?: ConvTranspose2dOptions,
): Tensor
/** The same of float32. */
export function convTranspose2d(x: Tensor, filter: Tensor, options?: ConvTranspose2dOptions): Tensor
export function convTranspose2d(
  x: AnyTensor,
  filter: AnyTensor,
  options: ConvTranspose2dOptions = {},
): AnyTensor {
  checkOptions('convTranspose2d', options, CONV_TRANSPOSE)
  return convolveTransposed(2, x, filter, options)
}

interface TransposedOptions
  extends Omit<ConvTranspose2dOptions, keyof WindowOptions | 'outputPadding'>,
    AxesOptions {
  outputPadding?: number | readonly number[]
}

/** `convTranspose2d` along any number of axes. @internal */
export function convolveTransposed(
  rank: Rank,
  x: AnyTensor,
  filter: AnyTensor,
  options: TransposedOptions,
): AnyTensor {
  const { bias } = options
  const op = `convTranspose${rank}d`
  const engine = engineOf(op, { x }, {}, rank === 3 ? FLOATS : CONV_DTYPES)
  engineOf(op, { x, filter }, { bias }, ANY)
  const context: Context = { op, shapes: { x: x.shape, filter: filter.shape, bias: bias?.shape } }
  if (x.dtype === 'float32') checkFloats(x, { filter, bias }, options, context)
  const layer = transposedLayerOf(x.shape, filter.shape, rank, options, context)
  checkBias(bias, layer.inChannels, context)
  if (x.dtype === 'float32')
    return transposedFloats(
      op,
      layer,
      { x, filter, bias } as Floats,
      fusedClamp(options.activation, context),
      options,
    )
  const axis = layer.groups === 1 ? filter.shape.length - 1 : undefined
  const given = byteOp({ x, filter, name: 'filter', axis }, options, inputShape(layer), context)
  const y = makeBytes(given, (to, finish) =>
    igemm8.inputGradient({
      engine,
      layer: planeLayer(layer, 'backward'),
      x: x.pointer,
      filter: planeFilter(asConvolved(filter), layer, 'backward'),
      y: to,
      ...finish,
    }),
  )
  engine.tape?.record(op, y, { x, filter, bias }, {}, () => ({}))
  return y
}

interface Floats {
  x: Tensor
  filter: Tensor
  bias: Tensor | undefined
}

function transposedFloats(
  op: string,
  layer: Layer,
  { x, filter, bias }: Floats,
  clamp: readonly [number, number],
  options: { activation?: Activation },
): Tensor {
  const { engine } = x
  const { activation } = options
  const y = inputGradient(igemm, layer, x, asConvolved(filter), { bias, clamp })
  engine.trace?.note(op, y, { x, filter, bias }, options)
  engine.tape?.record(
    op,
    y,
    { x, filter, bias },
    { x, filter, y: clamp === NO_CLAMP ? undefined : y },
    (dy, kept) => {
      const dsum = kept.y ? clampBackward(dy, kept.y, clamp) : dy
      return {
        x: () =>
          engine.make(kept.x.shape, (dx) =>
            runLayer(igemm, layer, planeLayer(layer), dsum, asConvolved(kept.filter), dx),
          ),
        filter: () =>
          engine.scope(() =>
            filterGradient(igemm, layer, dsum, kept.x, asConvolved(kept.filter)).reshape(kept.filter.shape),
          ),
        bias: () => channelSums(dsum),
      }
    },
  )
  return finishActivation(activation, y)
}

/** A filter [...window, inChannels, outChannels / groups] as that of the convolution that takes y to x. */
function asConvolved({ engine, storage, shape, strides = stridesOf(shape) }: FilterView): FilterView {
  const swapped = (list: readonly number[]) => [...list.slice(0, -2), list.at(-1)!, list.at(-2)!]
  return { engine, storage, shape: swapped(shape), strides: swapped(strides) }
}
