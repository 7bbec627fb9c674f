/** Layers whose weight is a matrix. */
import type { Engine } from '../../core/engine.js'
import { checkOptions, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import type { Activation as ActivationKind } from '../../ops/activation.js'
import { gather } from '../../ops/gather.js'
import { linear } from '../../ops/matmul.js'
import { Layer } from '../layer.js'
import { positive, WeightedLayer, type WeightOptions, weights } from './weights.js'

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
export class Linear extends WeightedLayer {
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
        [inFeatures, outFeatures],
        bias,
        options,
      ),
    )
  }

  override compute(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
    return linear(x, weight, { activation: this.options.activation, bias })
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
      weights(
        engine,
        'Embedding',
        'table',
        [count, features],
        features,
        [features, features],
        false,
        options,
      ),
    )
  }

  forward(x: Tensor): Tensor {
    return gather(this.parameters[0]!, x)
  }
}
