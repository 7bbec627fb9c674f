/** Layers: what has parameters, and computes one tensor from another. */
import { type Engine, engineOf } from '../engine.js'
import { check, show } from '../errors.js'
import { type Activation as ActivationKind, applyActivation } from '../ops/activation.js'
import { add, mul } from '../ops/arithmetic.js'
import { batchNorm, batchNormTraining } from '../ops/batchNorm.js'
import { type Conv2dOptions, conv2d } from '../ops/conv2d.js'
import { type ConvTranspose2dOptions, convTranspose2d } from '../ops/convTranspose2d.js'
import { gather } from '../ops/gather.js'
import { groupNorm } from '../ops/groupNorm.js'
import { layerNorm } from '../ops/layerNorm.js'
import { linear } from '../ops/matmul.js'
import { type AvgPool2dOptions, avgPool2d, globalAvgPool2d, type MaxPool2dOptions, maxPool2d } from '../ops/pool.js'
import { type ResizeOptions, resize } from '../ops/resize.js'
import { type Shape, sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { type Pair, pair } from '../window.js'
import { type Initial, initializerOf } from './initializers.js'
import type { OnnxGraph, OnnxValue } from './onnx.js'
import { Random, randomOf, type Seed } from './random.js'

/**
 * A layer of one's own extends this: `forward` computes a new tensor and leaves x alone. What it learns is listed in `parameters`; what else is saved with a
 * model stands in `state` (running statistics) and `generators` (where its random numbers come from).
 *
 * @example
 * class Scale extends Layer {
 *   constructor(private factor: Tensor) { super([factor]) }
 *   forward(x: Tensor) { return mul(x, this.factor) }
 * }
 */
export abstract class Layer {
  /** Whether it learns: dropout drops and batch norm takes the statistics of the batch. */
  training = false
  /** What this layer calls its tensors: by this name they are saved. In a layer around it the same tensor has a longer one. */
  readonly names: ReadonlyMap<Tensor, string>

  /** @param parameters the tensors that it learns. @param state tensors that it keeps beside them. @param generators its own randomness */
  constructor(
    readonly parameters: readonly Tensor[] = [],
    readonly state: readonly Tensor[] = [],
    readonly generators: readonly Random[] = [],
  ) {
    const named = (tensors: readonly Tensor[], kind: string) => tensors.map((tensor, i): [Tensor, string] => [tensor, tensor.name ?? `${kind}${i}`])
    this.names = new Map([...named(parameters, 'parameter'), ...named(state, 'state')])
  }

  /** A new tensor from x. */
  abstract forward(x: Tensor): Tensor

  /**
   * What `saveOnnx` writes for a layer of one's own: nodes that compute the same from x. Images are [n, channels, height, width] in the graph.
   * @example toOnnx(graph, x) { return graph.node('Mul', [x, graph.constant('factor', this.factor.toArray(), [channels, 1, 1])]) }
   */
  toOnnx?(graph: OnnxGraph, x: OnnxValue): OnnxValue

  /** Gives parameters and state back. */
  dispose(): void {
    for (const tensor of [...this.parameters, ...this.state]) tensor.dispose()
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose()
  }
}

/**
 * Layers one after the other. Names of parameters start with the index of their layer: `0.filter`.
 * @example const model = new Sequential(new Flatten(), new Linear(engine, { inFeatures: 784, outFeatures: 10 }))
 */
export class Sequential extends Layer {
  readonly layers: readonly Layer[]

  constructor(...layers: Layer[]) {
    for (const [i, { names }] of layers.entries()) for (const [tensor, name] of names) tensor.name = `${i}.${name}`
    const all = <T>(pick: (layer: Layer) => readonly T[]) => layers.flatMap(pick)
    super(all((layer) => layer.parameters), all((layer) => layer.state), all((layer) => layer.generators)) // biome-ignore format: one line
    this.layers = layers
    trainTogether(this, layers)
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

/** Makes `training` of a layer that of the layers in it. */
function trainTogether(whole: Layer, layers: readonly Layer[]): void {
  let training = false
  Object.defineProperty(whole, 'training', {
    enumerable: true,
    get: () => training,
    set: (value: boolean) => {
      training = value
      for (const layer of layers) layer.training = value
    },
  })
}

/**
 * Layers one after the other, and their input added to what they give.
 * @example new Residual(new Conv2d(engine, { ... }), new BatchNorm2d(engine, { channels: 16 }))
 */
export class Residual extends Layer {
  private readonly inner: Sequential

  constructor(...layers: Layer[]) {
    const inner = new Sequential(...layers)
    super(inner.parameters, inner.state, inner.generators)
    this.inner = inner
    trainTogether(this, [inner])
  }

  get layers(): readonly Layer[] {
    return this.inner.layers
  }

  forward(x: Tensor): Tensor {
    return x.engine.scope(() => add(this.inner.forward(x), x))
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
  for (const [argument, value] of Object.entries(numbers)) {
    check(Number.isInteger(value) && (value as number) > 0, () => ({ op, argument, expected: 'a positive integer', got: show(value) }))
  }
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
  const data = initializerOf(initial, op)(randomOf(seed, engine), shape, fanIn, fanOut)
  const weight = engine.tensor(data, shape)
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

/**
 * `conv2d` with a filter of its own. Options: inChannels, outChannels, size, those of `conv2d`, bias true, initial 'he', seed.
 * @example new Conv2d(engine, { inChannels: 3, outChannels: 16, size: 3, padding: 'same', activation: 'relu' })
 */
export class Conv2d extends Layer {
  constructor(
    engine: Engine,
    readonly options: ConvOptions & Omit<Conv2dOptions, 'bias' | 'out'>,
  ) {
    const { inChannels, outChannels, size, groups = 1, bias = true } = options
    positive('Conv2d', { inChannels, outChannels, groups })
    check(inChannels % groups === 0 && outChannels % groups === 0, () => ({ op: 'Conv2d', argument: 'groups', expected: `a divisor of ${inChannels} and ${outChannels} channels`, got: show(groups) })) // biome-ignore format: one line
    const [kh, kw] = pair(size, 'size', 1, { op: 'Conv2d', shapes: {} })
    const shape = [kh, kw, inChannels / groups, outChannels]
    super(weights(engine, 'Conv2d', 'filter', shape, outChannels, (kh * kw * inChannels) / groups, (kh * kw * outChannels) / groups, bias, options))
  }

  forward(x: Tensor): Tensor {
    const [filter, bias] = this.parameters
    return conv2d(x, filter!, { ...this.options, bias })
  }
}

/**
 * One filter per channel: `conv2d` with as many groups as channels. Options as of Conv2d, with `channels` for inChannels and outChannels.
 * @example new DepthwiseConv2d(engine, { channels: 32, size: 3, padding: 'same' })
 */
export class DepthwiseConv2d extends Conv2d {
  constructor(
    engine: Engine,
    options: { channels: number } & Omit<ConvOptions & Conv2dOptions, 'bias' | 'out' | 'inChannels' | 'outChannels' | 'groups'> & { bias?: boolean },
  ) {
    const { channels } = options
    positive('DepthwiseConv2d', { channels })
    super(engine, { ...options, inChannels: channels, outChannels: channels, groups: channels })
  }
}

/**
 * `convTranspose2d` with a filter of its own. Options: inChannels, outChannels, size, those of `convTranspose2d`, bias true, initial 'he', seed.
 * @example new ConvTranspose2d(engine, { inChannels: 32, outChannels: 16, size: 4, stride: 2, padding: 1 })
 */
export class ConvTranspose2d extends Layer {
  constructor(
    engine: Engine,
    readonly options: ConvOptions & Omit<ConvTranspose2dOptions, 'bias'>,
  ) {
    const { inChannels, outChannels, size, groups = 1, bias = true } = options
    positive('ConvTranspose2d', { inChannels, outChannels, groups })
    check(inChannels % groups === 0 && outChannels % groups === 0, () => ({ op: 'ConvTranspose2d', argument: 'groups', expected: `a divisor of ${inChannels} and ${outChannels} channels`, got: show(groups) })) // biome-ignore format: one line
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
    return convTranspose2d(x, filter!, { ...this.options, bias })
  }
}

/**
 * `linear` with a weight of its own. Options: inFeatures, outFeatures, activation, bias true, initial 'he', seed.
 * @example new Linear(engine, { inFeatures: 128, outFeatures: 10 })
 */
export class Linear extends Layer {
  constructor(
    engine: Engine,
    readonly options: WeightOptions & { inFeatures: number; outFeatures: number; bias?: boolean; activation?: ActivationKind },
  ) {
    const { inFeatures, outFeatures, bias = true } = options
    positive('Linear', { inFeatures, outFeatures })
    super(weights(engine, 'Linear', 'weight', [inFeatures, outFeatures], outFeatures, inFeatures, outFeatures, bias, options))
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
      const tensor = engine.tensor(new Float32Array(sizeOf(shape)).fill(value), shape)
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

/**
 * Batch normalisation over the last axis, with a scale (1 at first) and an offset (0) to learn. In training by the statistics of the batch, which the running
 * ones follow (its variance over n - 1, as in PyTorch); else by the running ones. (Ioffe & Szegedy, 2015)
 * @example new BatchNorm2d(engine, { channels: 16, activation: 'relu' })
 */
export class BatchNorm2d extends Layer {
  constructor(
    engine: Engine,
    readonly options: BatchNorm2dOptions,
  ) {
    const { channels, momentum = 0.1 } = options
    positive('BatchNorm2d', { channels })
    check(momentum >= 0 && momentum <= 1, () => ({ op: 'BatchNorm2d', argument: 'momentum', expected: 'a number from 0 to 1', got: show(momentum) }))
    const named = vectors(engine, [channels], { scale: 1, offset: 0, mean: 0, variance: 1 })
    super(named.slice(0, 2), named.slice(2))
  }

  forward(x: Tensor): Tensor {
    const [scale, offset] = this.parameters
    const [mean, variance] = this.state
    const { epsilon, momentum = 0.1, activation } = this.options
    if (!this.training) return batchNorm(x, { mean: mean!, variance: variance!, scale, offset, epsilon, activation })
    const batch = batchNormTraining(x, { scale, offset, epsilon, activation })
    const n = x.size / x.shape.at(-1)!
    const follow = (running: Tensor, value: Float32Array, factor: number) => {
      running.set(running.toArray().map((old, i) => old + momentum * (factor * value[i]! - old)))
    }
    follow(mean!, batch.mean, 1)
    follow(variance!, batch.variance, n > 1 ? n / (n - 1) : 1)
    return batch.y
  }
}

/**
 * `layerNorm` with a scale (1 at first) and an offset (0) to learn, over the last axis or, where `features` is a shape, over as many.
 * @example new LayerNorm(engine, { features: 64 })
 */
export class LayerNorm extends Layer {
  constructor(
    engine: Engine,
    readonly options: { features: number | Shape; epsilon?: number },
  ) {
    const shape = [options.features].flat()
    for (const features of shape) positive('LayerNorm', { features })
    super(vectors(engine, shape, { scale: 1, offset: 0 }))
  }

  forward(x: Tensor): Tensor {
    const [scale, offset] = this.parameters
    return layerNorm(x, { axis: -scale!.shape.length, scale, offset, epsilon: this.options.epsilon })
  }
}

/**
 * `groupNorm` with a scale (1 at first) and an offset (0) to learn.
 * @example new GroupNorm(engine, { channels: 64, groups: 8, activation: 'relu' })
 */
export class GroupNorm extends Layer {
  constructor(
    engine: Engine,
    readonly options: { channels: number; groups: number; epsilon?: number; activation?: ActivationKind },
  ) {
    const { channels, groups } = options
    positive('GroupNorm', { channels, groups })
    check(channels % groups === 0, () => ({ op: 'GroupNorm', argument: 'groups', expected: `a divisor of ${channels} channels`, got: show(groups) }))
    super(vectors(engine, [channels], { scale: 1, offset: 0 }))
  }

  forward(x: Tensor): Tensor {
    const [scale, offset] = this.parameters
    return groupNorm(x, { ...this.options, scale, offset })
  }
}

/**
 * `instanceNorm` with a scale and an offset to learn: GroupNorm with a group per channel.
 * @example new InstanceNorm2d(engine, { channels: 64 })
 */
export class InstanceNorm2d extends GroupNorm {
  constructor(engine: Engine, options: { channels: number; epsilon?: number; activation?: ActivationKind }) {
    super(engine, { ...options, groups: options.channels })
  }
}

/**
 * A vector to learn for each of `count` things: x of their indices -> [...shape of x, features]. Options: count, features, initial 'he', seed.
 * @example new Embedding(engine, { count: 1000, features: 32 })
 */
export class Embedding extends Layer {
  constructor(engine: Engine, options: WeightOptions & { count: number; features: number }) {
    const { count, features } = options
    positive('Embedding', { count, features })
    super(weights(engine, 'Embedding', 'table', [count, features], features, features, features, false, options))
  }

  forward(x: Tensor): Tensor {
    return gather(this.parameters[0]!, x)
  }
}

/** @example new MaxPool2d({ size: 2 }) */
export class MaxPool2d extends Layer {
  constructor(readonly options: MaxPool2dOptions) {
    super()
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.options)
  }
}

/** @example new AvgPool2d({ size: 2 }) */
export class AvgPool2d extends Layer {
  constructor(readonly options: AvgPool2dOptions) {
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

/**
 * Images larger by a whole or broken factor; nearest by default.
 * @example new Upsample({ scale: 2, method: 'bilinear' })
 */
export class Upsample extends Layer {
  constructor(readonly options: { scale: number; method?: ResizeOptions['method'] }) {
    super()
    const { scale } = options
    check(scale > 0 && Number.isFinite(scale), () => ({ op: 'Upsample', argument: 'scale', expected: 'a positive number', got: show(scale) }))
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

/**
 * In training, each element is 0 with probability `rate`, and the others are divided by 1 - rate; else nothing happens. (Srivastava et al., 2014)
 * @example new Dropout({ rate: 0.5, seed: 1 })
 */
export class Dropout extends Layer {
  constructor(readonly options: { rate: number; seed?: Seed }) {
    const { rate, seed = 0 } = options
    check(rate >= 0 && rate < 1, () => ({ op: 'Dropout', argument: 'rate', expected: 'a number from 0 to less than 1', got: show(rate) }))
    super([], [], [seed instanceof Random ? seed : new Random(seed)])
  }

  forward(x: Tensor): Tensor {
    const { rate } = this.options
    const engine = engineOf('Dropout', { x })
    if (!this.training || rate === 0) return x.reshape(x.shape)
    const kept = 1 / (1 - rate)
    const random = this.generators[0]!
    return engine.scope(() => mul(x, engine.tensor(Float32Array.from({ length: x.size }, () => (random.next() < rate ? 0 : kept)), x.shape))) // biome-ignore format: one line
  }
}
