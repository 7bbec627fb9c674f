/** Layers that normalise. */

import { check, show } from '../../base/errors.js'
import type { Shape } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import { checkNumber, checkOptions, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import type { Activation as ActivationKind } from '../../ops/activation.js'
import { batchNorm, batchNormTraining } from '../../ops/batchNorm.js'
import { groupNorm } from '../../ops/groupNorm.js'
import { layerNorm } from '../../ops/layerNorm.js'
import { checkEpsilon } from '../../plans/normalise.js'
import { Layer } from '../layer.js'
import { positive, vectors } from './weights.js'

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
