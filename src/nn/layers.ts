/** Layers: what has parameters, and computes one tensor from another. */

import { check, show } from '../base/errors.js'
import { type Shape, sameShape, sizeOf } from '../base/shape.js'
import { type Engine, engineOf } from '../core/engine.js'
import { checkNumbers } from '../core/numbers.js'
import { checkInteger, checkNumber, checkOptions, MOST, type Names, only } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { type Pair, pair } from '../core/window.js'
import { type Activation as ActivationKind, applyActivation } from '../ops/activation.js'
import { add } from '../ops/arithmetic.js'
import { batchNorm, batchNormTraining } from '../ops/batchNorm.js'
import { type Conv2dOptions, conv2d } from '../ops/conv/conv.js'
import { type ConvTranspose2dOptions, convTranspose2d } from '../ops/conv/convTranspose.js'
import { dropout } from '../ops/dropout.js'
import { gather } from '../ops/gather.js'
import { groupNorm } from '../ops/groupNorm.js'
import { layerNorm } from '../ops/layerNorm.js'
import { linear } from '../ops/matmul.js'
import {
  AVG_POOL,
  type AvgPool2dOptions,
  avgPool2d,
  globalAvgPool2d,
  MAX_POOL,
  type MaxPool2dOptions,
  maxPool2d,
} from '../ops/pool.js'
import { type ResizeOptions, resize } from '../ops/resize.js'
import { checkEpsilon } from '../plans/normalise.js'
import { type Initial, initializerOf } from './initializers.js'
import { type AnyLayer, Layer } from './layer.js'
import { checkSeed, ownRandom, type Random, randomOf, type Seed, settle } from './random.js'

/**
 * Layers one after the other. Names of parameters start with the index of their layer: `0.filter`. A layer
 * that stands in several places counts once.
 * @example const model = new Sequential(new Flatten(), new Linear(engine, { inFeatures: 784, outFeatures: 10
 *   }))
 */
export class Sequential extends Layer {
  readonly layers: readonly Layer[]

  constructor(...layers: Layer[]) {
    super()
    this.layers = layers
    for (const [tensor, name] of this.names) tensor.name = name
  }

  override inside(): [name: string, layer: AnyLayer][] {
    const layers: AnyLayer[] = [...this.layers]
    const others = super.inside().filter(([, layer]) => !layers.includes(layer))
    return [...layers.map((layer, i): [string, AnyLayer] => [`${i}`, layer]), ...others]
  }

  /** Frees what is between the layers. */
  forward(x: Tensor): Tensor {
    const first = x.reshape(x.shape)
    return this.layers.reduce((input, layer) => {
      try {
        return layer.forward(input)
      } finally {
        input.dispose()
      }
    }, first)
  }
}

/**
 * Layers one after the other, and their input added to what they give, which has to be of the same shape:
 * nothing is repeated to fit.
 * @example new Residual(new Conv2d(engine, { ... }), new BatchNorm2d(engine, { channels: 16 }))
 */
export class Residual extends Sequential {
  override forward(x: Tensor): Tensor {
    return x.engine.scope(() => {
      const y = super.forward(x)
      const shapes = { x: x.shape, y: y.shape }
      const hint = 'A layer of your own can add a projection of x'
      check(sameShape(y.shape, x.shape), () => ({
        op: 'Residual',
        argument: 'layers',
        expected: `such that y is of x's shape`,
        got: show(y.shape),
        shapes,
        hint,
      }))
      return add(y, x)
    })
  }
}

/** How a layer's weights begin. */
export interface WeightOptions {
  /** What the weights are at first. Default 'he'. */
  initial?: Initial
  /** Where they come from: a number, or a generator that goes on. Default: the engine's. */
  seed?: Seed
}

/** Sizes and weights of a layer that convolves. */
export interface ConvOptions extends WeightOptions {
  inChannels: number
  outChannels: number
  /** Height and width of the window. */
  size: Pair
  /** Whether each output channel adds a number of its own. Default true. */
  bias?: boolean
}

function positive(op: string, numbers: Record<string, unknown>): void {
  for (const [argument, value] of Object.entries(numbers)) checkInteger(value, argument, 1, MOST, { op })
}

/** Weights of a name and a shape, and zeros for the bias. */
function weights(
  engine: Engine,
  op: string,
  name: string,
  shape: Shape,
  outputs: number,
  fanIn: number,
  fanOut: number,
  bias: boolean,
  options: WeightOptions,
): Tensor[] {
  const { initial = 'he', seed } = options
  if (seed !== undefined) checkSeed(seed, op)
  const initialize = initializerOf(initial, op)
  const random = randomOf(seed, engine)
  // The memory first: what does not fit is not to be drawn.
  const weight = engine.upload(shape, (pointer) => {
    const data = initialize(random, shape, fanIn, fanOut)
    checkNumbers(data, shape, op)
    engine.f32.set(data, pointer / 4)
  })
  weight.name = name
  if (!bias) return [weight]
  try {
    const zeros = engine.zeros([outputs])
    zeros.name = 'bias'
    return [weight, zeros]
  } catch (error) {
    weight.dispose()
    throw error
  }
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
        (kh * kw * inChannels) / groups,
        (kh * kw * outChannels) / groups,
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
        fanIn,
        (kh * kw * outChannels) / groups,
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

/** Sizes and weights of a `Linear`. */
export interface LinearLayerOptions extends WeightOptions {
  inFeatures: number
  outFeatures: number
  /** Whether each output adds a number of its own. Default true. */
  bias?: boolean
  /** Applied to the output. Default: none. */
  activation?: ActivationKind
}

const LINEAR: Names<LinearLayerOptions> = {
  inFeatures: true,
  outFeatures: true,
  bias: true,
  activation: true,
  initial: true,
  seed: true,
}

/**
 * `linear` with a weight of its own. Options: inFeatures, outFeatures, activation, bias true, initial 'he',
 * seed.
 * @example new Linear(engine, { inFeatures: 128, outFeatures: 10 })
 */
export class Linear extends Layer {
  constructor(
    engine: Engine,
    readonly options: LinearLayerOptions,
  ) {
    checkOptions('Linear', options, LINEAR)
    const { inFeatures, outFeatures, bias = true } = options
    positive('Linear', { inFeatures, outFeatures })
    super(
      weights(
        engine,
        'Linear',
        'weight',
        [inFeatures, outFeatures],
        outFeatures,
        inFeatures,
        outFeatures,
        bias,
        options,
      ),
    )
  }

  forward(x: Tensor): Tensor {
    const [weight, bias] = this.parameters
    return linear(x, weight!, { activation: this.options.activation, bias })
  }
}

/** Tensors of one value each, by their names. */
function vectors(engine: Engine, shape: Shape, values: Record<string, number>): Tensor[] {
  return engine.scope(() =>
    Object.entries(values).map(([name, value]) => {
      const tensor = engine.upload(
        shape,
        (pointer) => void engine.f32.fill(value, pointer / 4, pointer / 4 + sizeOf(shape)),
      )
      tensor.name = name
      return tensor
    }),
  )
}

/** What `BatchNorm2d` takes. */
export interface BatchNorm2dOptions {
  channels: number
  /** Added to the variance. Default 1e-5. */
  epsilon?: number
  /** How much of the running statistics a batch replaces. Default 0.1. */
  momentum?: number
  activation?: ActivationKind
}

const BATCH_NORM: Names<BatchNorm2dOptions> = {
  channels: true,
  epsilon: true,
  momentum: true,
  activation: true,
}

/**
 * Batch normalisation over the last axis, with a scale (1 at first) and an offset (0) to learn. In training
 * by the statistics of the batch, which the running ones follow (its variance over n - 1, as in PyTorch);
 * else by the running ones. One number for each channel has no variance: such a batch (the last sample of an
 * epoch, without height and width) is taken by the running statistics in training too, and they stay as they
 * are. (Ioffe & Szegedy, 2015)
 * @example new BatchNorm2d(engine, { channels: 16, activation: 'relu' })
 */
export class BatchNorm2d extends Layer {
  constructor(
    engine: Engine,
    readonly options: BatchNorm2dOptions,
  ) {
    checkOptions('BatchNorm2d', options, BATCH_NORM)
    const { channels, epsilon = 1e-5, momentum = 0.1 } = options
    positive('BatchNorm2d', { channels })
    checkEpsilon(epsilon, { op: 'BatchNorm2d' })
    checkNumber(momentum, 'momentum', (v) => v >= 0 && v <= 1, 'a number from 0 to 1', { op: 'BatchNorm2d' })
    const named = vectors(engine, [channels], { scale: 1, offset: 0, mean: 0, variance: 1 })
    super(named.slice(0, 2), named.slice(2))
  }

  forward(x: Tensor): Tensor {
    const [scale, offset] = this.parameters
    const [mean, variance] = this.state
    const { epsilon, momentum = 0.1, activation } = this.options
    const n = x.size / (x.shape.at(-1) ?? 1)
    if (!this.training || n === 1)
      return batchNorm(x, { mean: mean!, variance: variance!, scale, offset, epsilon, activation })
    const batch = batchNormTraining(x, { scale, offset, epsilon, activation })
    const follow = (running: Tensor, value: Float32Array, factor: number) => {
      running.set(running.toArray().map((old, i) => old + momentum * (factor * value[i]! - old)))
    }
    follow(mean!, batch.mean, 1)
    follow(variance!, batch.variance, n / (n - 1))
    return batch.y
  }
}

/** What a `LayerNorm` is over. */
export interface LayerNormLayerOptions {
  /** Length of the last axis, or lengths of the last axes. */
  features: number | Shape
  /** Added to the variance. Default 1e-5. */
  epsilon?: number
}

const LAYER_NORM: Names<LayerNormLayerOptions> = { features: true, epsilon: true }

/**
 * `layerNorm` with a scale (1 at first) and an offset (0) to learn, over the last axis or, where `features`
 * is a shape, over as many.
 * @example new LayerNorm(engine, { features: 64 })
 */
export class LayerNorm extends Layer {
  constructor(
    engine: Engine,
    readonly options: LayerNormLayerOptions,
  ) {
    checkOptions('LayerNorm', options, LAYER_NORM)
    const { features, epsilon = 1e-5 } = options
    checkEpsilon(epsilon, { op: 'LayerNorm' })
    const shape = [features].flat()
    for (const features of shape) positive('LayerNorm', { features })
    super(vectors(engine, shape, { scale: 1, offset: 0 }))
  }

  forward(x: Tensor): Tensor {
    const [scale, offset] = this.parameters
    return layerNorm(x, { axis: -scale!.shape.length, scale, offset, epsilon: this.options.epsilon })
  }
}

/** What a `GroupNorm` is over. */
export interface GroupNormLayerOptions {
  channels: number
  /** Channels are taken together in this many groups, of neighbours. */
  groups: number
  /** Added to the variance. Default 1e-5. */
  epsilon?: number
  /** Applied to the output. Default: none. */
  activation?: ActivationKind
}

/** As of a `GroupNorm` of as many groups as channels. */
export interface InstanceNormLayerOptions extends Omit<GroupNormLayerOptions, 'groups'> {}

const GROUP_NORM: Names<GroupNormLayerOptions> = {
  channels: true,
  groups: true,
  epsilon: true,
  activation: true,
}
const INSTANCE_NORM: Names<InstanceNormLayerOptions> = { channels: true, epsilon: true, activation: true }

/**
 * `groupNorm` with a scale (1 at first) and an offset (0) to learn.
 * @example new GroupNorm(engine, { channels: 64, groups: 8, activation: 'relu' })
 */
export class GroupNorm extends Layer {
  constructor(
    engine: Engine,
    readonly options: GroupNormLayerOptions,
  ) {
    checkOptions('GroupNorm', options, GROUP_NORM)
    const { channels, groups, epsilon = 1e-5 } = options
    checkEpsilon(epsilon, { op: 'GroupNorm' })
    positive('GroupNorm', { channels, groups })
    check(channels % groups === 0, () => ({
      op: 'GroupNorm',
      argument: 'groups',
      expected: `a divisor of ${channels} channels`,
      got: show(groups),
    }))
    super(vectors(engine, [channels], { scale: 1, offset: 0 }))
  }

  forward(x: Tensor): Tensor {
    const [scale, offset] = this.parameters
    const { groups, epsilon, activation } = this.options
    return groupNorm(x, { groups, epsilon, activation, scale, offset })
  }
}

/**
 * `instanceNorm` with a scale and an offset to learn: GroupNorm with a group per channel.
 * @example new InstanceNorm2d(engine, { channels: 64 })
 */
export class InstanceNorm2d extends GroupNorm {
  constructor(engine: Engine, options: InstanceNormLayerOptions) {
    checkOptions('InstanceNorm2d', options, INSTANCE_NORM)
    super(engine, { ...options, groups: options.channels })
  }
}

/** Sizes and weights of an `Embedding`. */
export interface EmbeddingOptions extends WeightOptions {
  /** Rows of the table: indices go from 0 to one less. */
  count: number
  /** Numbers of each row. */
  features: number
}

const EMBEDDING: Names<EmbeddingOptions> = { count: true, features: true, initial: true, seed: true }

/**
 * A vector to learn for each of `count` things: x of their indices -> [...shape of x, features]. Options:
 * count, features, initial 'he', seed.
 * @example new Embedding(engine, { count: 1000, features: 32 })
 */
export class Embedding extends Layer {
  constructor(engine: Engine, options: EmbeddingOptions) {
    checkOptions('Embedding', options, EMBEDDING)
    const { count, features } = options
    positive('Embedding', { count, features })
    super(
      weights(engine, 'Embedding', 'table', [count, features], features, features, features, false, options),
    )
  }

  forward(x: Tensor): Tensor {
    return gather(this.parameters[0]!, x)
  }
}

/** @example new MaxPool2d({ size: 2 }) */
export class MaxPool2d extends Layer {
  constructor(readonly options: MaxPool2dOptions) {
    checkOptions('MaxPool2d', options, MAX_POOL)
    super()
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.options)
  }
}

/** @example new AvgPool2d({ size: 2 }) */
export class AvgPool2d extends Layer {
  constructor(readonly options: AvgPool2dOptions) {
    checkOptions('AvgPool2d', options, AVG_POOL)
    super()
  }

  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.options)
  }
}

/** The mean of each channel: [n, height, width, channels] -> [n, channels]. */
export class GlobalAvgPool2d extends Layer {
  forward(x: Tensor): Tensor {
    return x.engine.scope(() => globalAvgPool2d(x).reshape([x.shape[0]!, x.shape[3]!]))
  }
}

/** How an `Upsample` resizes. */
export interface UpsampleOptions {
  /** Height and width are multiplied by it, and rounded down. */
  scale: number
  /** As of `resize`. Default 'nearest'. */
  method?: ResizeOptions['method']
}

const UPSAMPLE: Names<UpsampleOptions> = { scale: true, method: true }

/**
 * Images larger by a whole or broken factor; nearest by default.
 * @example new Upsample({ scale: 2, method: 'bilinear' })
 */
export class Upsample extends Layer {
  constructor(readonly options: UpsampleOptions) {
    checkOptions('Upsample', options, UPSAMPLE)
    super()
    checkNumber(options.scale, 'scale', (v) => v > 0 && v < Number.POSITIVE_INFINITY, 'a positive number', {
      op: 'Upsample',
    })
  }

  forward(x: Tensor): Tensor {
    const { scale, method = 'nearest' } = this.options
    const size = (axis: number) => Math.max(1, Math.floor((x.shape[axis] ?? 0) * scale))
    return resize(x, { size: [size(1), size(2)], method })
  }
}

/** All axes but the first as one: [n, ...] -> [n, size]. */
export class Flatten extends Layer {
  forward(x: Tensor): Tensor {
    return x.reshape([x.shape[0] ?? 1, sizeOf(x.shape.slice(1))])
  }
}

/** @example new Activation('silu') */
export class Activation extends Layer {
  constructor(readonly kind: ActivationKind) {
    super()
  }

  forward(x: Tensor): Tensor {
    return applyActivation('Activation', x, this.kind)
  }
}

/** What a `Dropout` drops. */
export interface DropoutOptions {
  /** The share that is dropped, from 0 to less than 1. */
  rate: number
  /** Where its random numbers come from. Default: a stream of its own. */
  seed?: Seed
}

const DROPOUT: Names<DropoutOptions> = { rate: true, seed: true }

/**
 * In training, each element is 0 with probability `rate`, and the others are divided by 1 - rate; else
 * nothing happens. (Srivastava et al., 2014)
 *
 * Without a seed each layer has one of its own, which follows from how many of the engine drop already; in
 * `fit`, what it drops follows from the seed of `fit`, the step, and the layer's place in the model.
 * @example new Dropout({ rate: 0.5, seed: 1 })
 */
export class Dropout extends Layer {
  private readonly random: Random

  constructor(readonly options: DropoutOptions) {
    checkOptions('Dropout', options, DROPOUT)
    const { rate, seed } = options
    checkNumber(rate, 'rate', (v) => v >= 0 && v < 1, 'a number from 0 to less than 1', { op: 'Dropout' })
    if (seed !== undefined) checkSeed(seed, 'Dropout')
    const random = ownRandom(seed)
    super([], [], [random])
    this.random = random
  }

  forward(x: Tensor): Tensor {
    const { rate } = this.options
    const engine = engineOf('Dropout', { x })
    if (!this.training || rate === 0) return x.reshape(x.shape)
    settle(this.random, engine)
    return dropout(x, rate, [this.random.bits(), this.random.bits()])
  }
}
