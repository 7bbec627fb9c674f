/** Layers that convolve. */

import { check, show } from '../../base/errors.js'
import type { Engine } from '../../core/engine.js'
import { checkOptions, type Names, only } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { type Pair, pair } from '../../core/window.js'
import { type Conv2dOptions, conv2d } from '../../ops/conv/conv.js'
import { type ConvTranspose2dOptions, convTranspose2d } from '../../ops/conv/convTranspose.js'
import { Layer } from '../layer.js'
import { positive, type WeightOptions, weights } from './weights.js'

/** Sizes and weights of a layer that convolves. */
export interface ConvOptions extends WeightOptions {
  inChannels: number
  outChannels: number
  /** Height and width of the window. */
  size: Pair
  /** Whether each output channel adds a number of its own. Default true. */
  bias?: boolean
}

/** Sizes and weights of a `Conv2d`, and all that `conv2d` takes. */
export interface Conv2dLayerOptions extends ConvOptions, Omit<Conv2dOptions, 'bias' | 'out'> {}

/** What `conv2d` is given of them. */
const OF_CONV2D: Names<Omit<Conv2dOptions, 'bias' | 'out'>> = {
  stride: true,
  padding: true,
  dilation: true,
  groups: true,
  activation: true,
  algorithm: true,
}
const CONV2D: Names<Conv2dLayerOptions> = {
  inChannels: true,
  outChannels: true,
  size: true,
  bias: true,
  initial: true,
  seed: true,
  stride: true,
  padding: true,
  dilation: true,
  groups: true,
  activation: true,
  algorithm: true,
}

/**
 * `conv2d` with a filter of its own. Options: inChannels, outChannels, size, those of `conv2d`, bias true,
 * initial 'he', seed.
 * @example new Conv2d(engine, { inChannels: 3, outChannels: 16, size: 3, padding: 'same', activation: 'relu'
 *   })
 */
export class Conv2d extends Layer {
  constructor(
    engine: Engine,
    readonly options: Conv2dLayerOptions,
  ) {
    checkOptions('Conv2d', options, CONV2D)
    const { inChannels, outChannels, size, groups = 1, bias = true } = options
    positive('Conv2d', { inChannels, outChannels, groups })
    check(inChannels % groups === 0 && outChannels % groups === 0, () => ({
      op: 'Conv2d',
      argument: 'groups',
      expected: `a divisor of ${inChannels} and ${outChannels} channels`,
      got: show(groups),
    }))
    const [kh, kw] = pair(size, 'size', 1, { op: 'Conv2d', shapes: {} })
    const shape = [kh, kw, inChannels / groups, outChannels]
    super(
      weights(
        engine,
        'Conv2d',
        'filter',
        shape,
        outChannels,
        [(kh * kw * inChannels) / groups, (kh * kw * outChannels) / groups],
        bias,
        options,
      ),
    )
  }

  forward(x: Tensor): Tensor {
    const [filter, bias] = this.parameters
    return conv2d(x, filter!, { ...only(this.options, OF_CONV2D), bias })
  }
}

/** As of a `Conv2d`, which has as many groups, inputs and outputs as channels. */
export interface DepthwiseConv2dOptions
  extends Omit<Conv2dLayerOptions, 'inChannels' | 'outChannels' | 'groups'> {
  channels: number
}

const DEPTHWISE: Names<DepthwiseConv2dOptions> = {
  channels: true,
  size: true,
  bias: true,
  initial: true,
  seed: true,
  stride: true,
  padding: true,
  dilation: true,
  activation: true,
  algorithm: true,
}

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
export interface ConvTranspose2dLayerOptions extends ConvOptions, Omit<ConvTranspose2dOptions, 'bias'> {}

/** What `convTranspose2d` is given of them. */
const OF_CONV_TRANSPOSE: Names<Omit<ConvTranspose2dOptions, 'bias'>> = {
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
export class ConvTranspose2d extends Layer {
  constructor(
    engine: Engine,
    readonly options: ConvTranspose2dLayerOptions,
  ) {
    checkOptions('ConvTranspose2d', options, CONV_TRANSPOSE)
    const { inChannels, outChannels, size, groups = 1, bias = true } = options
    positive('ConvTranspose2d', { inChannels, outChannels, groups })
    check(inChannels % groups === 0 && outChannels % groups === 0, () => ({
      op: 'ConvTranspose2d',
      argument: 'groups',
      expected: `a divisor of ${inChannels} and ${outChannels} channels`,
      got: show(groups),
    }))
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

  forward(x: Tensor): Tensor {
    const [filter, bias] = this.parameters
    return convTranspose2d(x, filter!, { ...only(this.options, OF_CONV_TRANSPOSE), bias })
  }
}
