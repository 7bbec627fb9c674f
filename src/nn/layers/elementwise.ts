/** Layers that take elements one by one. */
import { engineOf } from '../../core/engine.js'
import { checkNumber, checkOptions, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { type Activation as ActivationKind, applyActivation, fusedClamp } from '../../ops/activation.js'
import { dropout } from '../../ops/dropout.js'
import { logSoftmax, softmax } from '../../ops/softmax.js'
import { Layer } from '../layer.js'
import { checkSeed, ownRandom, type Random, type Seed, settle } from '../random.js'

/**
 * An activation by its name, `['leakyRelu', alpha]` or a clamp to [low, high]; `'softmax'` and `'logSoftmax'`
 * go along the last axis.
 * @example new Activation('silu')
 */
export class Activation extends Layer {
  constructor(readonly kind: ActivationKind | 'softmax' | 'logSoftmax') {
    super()
    if (kind !== 'softmax' && kind !== 'logSoftmax') fusedClamp(kind, { op: 'Activation', shapes: {} })
  }

  forward(x: Tensor): Tensor {
    if (this.kind === 'softmax') return softmax(x)
    if (this.kind === 'logSoftmax') return logSoftmax(x)
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
