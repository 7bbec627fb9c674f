/** Layers that convolve. */

import { check, show } from '../../base/errors.js'
import { sizeOf } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import { checkOptions, type Names, only } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { type Pair, pair, type Triple, triple } from '../../core/window.js'
import {
  type Conv1dOptions,
  type Conv2dOptions,
  type Conv3dOptions,
  conv1d,
  conv2d,
  conv3d,
} from '../../ops/conv/conv.js'
import { type ConvTranspose2dOptions, convTranspose2d } from '../../ops/conv/convTranspose.js'
import { positive, WeightedLayer, type WeightOptions, weights } from './weights.js'

/** Sizes and weights of a layer that convolves along two axes. */
export interface ConvOptions extends WeightOptions {
  inChannels: number
  outChannels: number
  /** Height and width of the window. */
  size: Pair
  /** Whether each output channel adds a number of its own. Default true. */
  bias?: boolean
}

/** Sizes and weights of a `Conv2d`, and all that `conv2d` takes. */
export interface Conv2dLayerOptions
  extends ConvOptions,
    Omit<Conv2dOptions, 'bias' | 'out' | 'quantization'> {}

/** Sizes and weights of a `Conv1d`, and all that `conv1d` takes. */
export interface Conv1dLayerOptions
  extends Omit<ConvOptions, 'size'>,
    Omit<Conv1dOptions, 'bias' | 'out' | 'quantization'> {
  /** Length of the window. */
  size: number
}

/** Sizes and weights of a `Conv3d`, and all that `conv3d` takes. */
export interface Conv3dLayerOptions extends Omit<ConvOptions, 'size'>, Omit<Conv3dOptions, 'bias' | 'out'> {
  /** Depth, height and width of the window. */
  size: Triple
}

/** What the op is given of them. */
const OF_CONV: Names<Omit<Conv2dOptions, 'bias' | 'out' | 'quantization'>> = {
  stride: true,
  padding: true,
  dilation: true,
  groups: true,
  activation: true,
  algorithm: true,
}
const CONV: Names<Conv2dLayerOptions> = {
  inChannels: true,
  outChannels: true,
  size: true,
  bias: true,
  initial: true,
  seed: true,
  ...OF_CONV,
}

/** Filter and bias of a convolution along as many axes as its window has. */
function convWeights(
  op: string,
  engine: Engine,
  window: readonly number[],
  options: Omit<ConvOptions, 'size'> & { groups?: number },
): Tensor[] {
  const { inChannels, outChannels, groups = 1, bias = true } = options
  const taps = sizeOf(window)
  const shape = [...window, inChannels / groups, outChannels]
  const fans = [(taps * inChannels) / groups, (taps * outChannels) / groups] as const
  return weights(engine, op, 'filter', shape, outChannels, fans, bias, options)
}

/** Throws unless the channels are positive, and the groups divide them. */
function checkChannels(
  op: string,
  { inChannels, outChannels, groups = 1 }: Omit<ConvOptions, 'size'> & { groups?: number },
): void {
  positive(op, { inChannels, outChannels, groups })
  check(inChannels % groups === 0 && outChannels % groups === 0, () => ({
    op,
    argument: 'groups',
    expected: `a divisor of ${inChannels} and ${outChannels} channels`,
    got: show(groups),
  }))
}

/**
 * `conv2d` with a filter of its own. Options: inChannels, outChannels, size, those of `conv2d`, bias true,
 * initial 'he', seed.
 * @example new Conv2d(engine, { inChannels: 3, outChannels: 16, size: 3, padding: 'same', activation: 'relu'
 *   })
 */
export class Conv2d extends WeightedLayer {
  constructor(
    engine: Engine,
    readonly options: Conv2dLayerOptions,
  ) {
    checkOptions('Conv2d', options, CONV)
    checkChannels('Conv2d', options)
    const window = pair(options.size, 'size', 1, { op: 'Conv2d', shapes: {} })
    super(convWeights('Conv2d', engine, window, options))
  }

  override compute(x: Tensor, filter: Tensor, bias?: Tensor): Tensor {
    return conv2d(x, filter, { ...only(this.options, OF_CONV), bias })
  }
}

/**
 * `conv1d` with a filter of its own: [n, width, inChannels] -> [n, outWidth, outChannels]. Options as of
 * `Conv2d`, with one number for each pair.
 * @example new Conv1d(engine, { inChannels: 8, outChannels: 16, size: 5, padding: 'same' })
 */
export class Conv1d extends WeightedLayer {
  constructor(
    engine: Engine,
    readonly options: Conv1dLayerOptions,
  ) {
    checkOptions<Conv1dLayerOptions>('Conv1d', options, CONV)
    checkChannels('Conv1d', options)
    positive('Conv1d', { size: options.size })
    super(convWeights('Conv1d', engine, [options.size], options))
  }

  override compute(x: Tensor, filter: Tensor, bias?: Tensor): Tensor {
    return conv1d(x, filter, { ...only<Omit<Conv1dLayerOptions, 'bias'>>(this.options, OF_CONV), bias })
  }
}

/**
 * `conv3d` with a filter of its own: [n, depth, height, width, inChannels]. Options as of `Conv2d`, with
 * three numbers where it takes two.
 * @example new Conv3d(engine, { inChannels: 1, outChannels: 8, size: 3, stride: [1, 2, 2], padding: 'same' })
 */
export class Conv3d extends WeightedLayer {
  constructor(
    engine: Engine,
    readonly options: Conv3dLayerOptions,
  ) {
    checkOptions<Conv3dLayerOptions>('Conv3d', options, CONV)
    checkChannels('Conv3d', options)
    const window = triple(options.size, 'size', 1, { op: 'Conv3d', shapes: {} })
    super(convWeights('Conv3d', engine, window, options))
  }

  override compute(x: Tensor, filter: Tensor, bias?: Tensor): Tensor {
    return conv3d(x, filter, { ...only<Omit<Conv3dLayerOptions, 'bias'>>(this.options, OF_CONV), bias })
  }
}

/** As of a `Conv2d`, which has as many groups, inputs and outputs as channels. */
export interface DepthwiseConv2dOptions
  extends Omit<Conv2dLayerOptions, 'inChannels' | 'outChannels' | 'groups'> {
  channels: number
}

const { inChannels: _in, outChannels: _out, groups: _groups, ...OF_DEPTHWISE } = CONV
const DEPTHWISE: Names<DepthwiseConv2dOptions> = { channels: true, ...OF_DEPTHWISE }

/**
 * One filter per channel: `conv2d` with as many groups as channels. Options as of Conv2d, with `channels` for
 * inChannels and outChannels.
 * @example new DepthwiseConv2d(engine, { channels: 32, size: 3, padding: 'same' })
 */
export class DepthwiseConv2d extends Conv2d {
  constructor(engine: Engine, options: DepthwiseConv2dOptions) {
    checkOptions('DepthwiseConv2d', options, DEPTHWISE)
    const { channels, ...rest } = options
    positive('DepthwiseConv2d', { channels })
    super(engine, { ...rest, inChannels: channels, outChannels: channels, groups: channels })
  }
}

/** Sizes and weights of a `ConvTranspose2d`, and all that `convTranspose2d` takes. */
export interface ConvTranspose2dLayerOptions
  extends ConvOptions,
    Omit<ConvTranspose2dOptions, 'bias' | 'quantization'> {}

/** What `convTranspose2d` is given of them. */
const OF_CONV_TRANSPOSE: Names<Omit<ConvTranspose2dOptions, 'bias' | 'quantization'>> = {
  stride: true,
  padding: true,
  dilation: true,
  outputPadding: true,
  groups: true,
  activation: true,
}
const CONV_TRANSPOSE: Names<ConvTranspose2dLayerOptions> = {
  inChannels: true,
  outChannels: true,
  size: true,
  bias: true,
  initial: true,
  seed: true,
  stride: true,
  padding: true,
  dilation: true,
  outputPadding: true,
  groups: true,
  activation: true,
}

/**
 * `convTranspose2d` with a filter of its own. Options: inChannels, outChannels, size, those of
 * `convTranspose2d`, bias true, initial 'he', seed.
 * @example new ConvTranspose2d(engine, { inChannels: 32, outChannels: 16, size: 4, stride: 2, padding: 1 })
 */
export class ConvTranspose2d extends WeightedLayer {
  constructor(
    engine: Engine,
    readonly options: ConvTranspose2dLayerOptions,
  ) {
    checkOptions('ConvTranspose2d', options, CONV_TRANSPOSE)
    const { inChannels, outChannels, size, groups = 1, bias = true } = options
    checkChannels('ConvTranspose2d', options)
    const [kh, kw] = pair(size, 'size', 1, { op: 'ConvTranspose2d', shapes: {} })
    const [sh, sw] = pair(options.stride ?? 1, 'stride', 1, { op: 'ConvTranspose2d', shapes: {} })
    // An output sees one tap of every stride.
    const fanIn = Math.max(1, (kh * kw * inChannels) / groups / (sh * sw))
    super(
      weights(
        engine,
        'ConvTranspose2d',
        'filter',
        [kh, kw, inChannels, outChannels / groups],
        outChannels,
        [fanIn, (kh * kw * outChannels) / groups],
        bias,
        options,
      ),
    )
  }

  override compute(x: Tensor, filter: Tensor, bias?: Tensor): Tensor {
    return convTranspose2d(x, filter, { ...only(this.options, OF_CONV_TRANSPOSE), bias })
  }
}
