/** Layers whose weight is computed anew in each forward from what is learned. */
import { check, show } from '../../base/errors.js'
import { engineOf } from '../../core/engine.js'
import { checkInteger, checkNumber, checkOptions, MOST, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { div, mul } from '../../ops/arithmetic.js'
import { matmul } from '../../ops/matmul.js'
import { norm } from '../../ops/norms.js'
import { sum } from '../../ops/reduce.js'
import { slice } from '../../ops/slice.js'
import { Layer } from '../layer.js'
import { checkSeed, randomOf, type Seed } from '../random.js'
import { vectors, WeightedLayer } from './weights.js'

function weightOf(op: string, layer: WeightedLayer): Tensor {
  check(layer instanceof WeightedLayer, () => ({
    op,
    argument: 'layer',
    expected: 'a Linear or a convolution',
    got: show(layer),
  }))
  return layer.parameters[0]!
}

/** A weight [..., in, out] as a matrix [rows, out]. */
const matrixOf = (weight: Tensor): Tensor => weight.reshape([-1, weight.shape.at(-1)!])

/**
 * Weight normalisation: each output channel's weights by their length, times a gain to learn, which is that
 * length at first, so that nothing changes:
 *
 *   weight = gain * direction / |direction|
 *
 * `direction` is the layer's own weight; of a transposed convolution with groups, channels at the same place
 * in their groups share a gain. (Salimans & Kingma, "Weight normalization", 2016)
 * @example new WeightNorm(new Conv2d(engine, { inChannels: 3, outChannels: 16, size: 3 }))
 */
export class WeightNorm extends Layer {
  /** @param layer a Linear or a convolution, whose weight it computes */
  constructor(readonly layer: WeightedLayer) {
    const weight = weightOf('WeightNorm', layer)
    const { engine } = weight
    const gain = engine.scope(() => lengthsOf(weight))
    gain.name = 'gain'
    super([gain])
    this.gain = gain
  }

  private readonly gain: Tensor

  forward(x: Tensor): Tensor {
    const [direction, bias] = this.layer.parameters
    return x.engine.scope(() => {
      const weight = mul(direction!, div(this.gain, lengthsOf(direction!)))
      return this.layer.compute(x, weight, bias)
    })
  }
}

/** The length of each output channel's weights. */
const lengthsOf = (weight: Tensor): Tensor =>
  norm(weight, { axes: weight.shape.slice(1).map((_, axis) => axis) })

/** How a `SpectralNorm` measures. */
export interface SpectralNormOptions {
  /** Steps of the power iteration in each forward of training. Default 1. */
  iterations?: number
  /** Least length of a vector that is divided by. Default 1e-12. */
  epsilon?: number
  /** Where its first vector comes from. Default: the engine's generator. */
  seed?: Seed
}

const SPECTRAL_NORM: Names<SpectralNormOptions> = { iterations: true, epsilon: true, seed: true }

/** Steps before the first forward: as many as PyTorch takes. */
const FIRST_ITERATIONS = 15

/**
 * Spectral normalisation: the weight by its largest singular value, so that the layer stretches nothing by
 * more than 1, as the discriminator of a GAN wants it:
 *
 *   weight = W / s,  s = v W u,  u = W' v / |W' v|,  v = W u / |W u|
 *
 * with W the layer's own weight as a matrix [rows, outputs]. The vectors u and v follow by a step of the
 * power iteration in each forward of training, and are constants to the derivative; else they stay. (Miyato
 * et al., "Spectral normalization for generative adversarial networks", 2018)
 * @example new SpectralNorm(new Conv2d(engine, { inChannels: 1, outChannels: 32, size: 4, stride: 2 }))
 */
export class SpectralNorm extends Layer {
  private readonly iterations: number
  private readonly epsilon: number
  private readonly vectors: readonly [u: Tensor, v: Tensor]

  /** @param layer a Linear or a convolution, whose weight it computes */
  constructor(
    readonly layer: WeightedLayer,
    options: SpectralNormOptions = {},
  ) {
    const op = 'SpectralNorm'
    checkOptions(op, options, SPECTRAL_NORM)
    const { iterations = 1, epsilon = 1e-12, seed } = options
    checkInteger(iterations, 'iterations', 1, MOST, { op })
    checkNumber(epsilon, 'epsilon', (v) => v > 0, 'a positive number', { op })
    if (seed !== undefined) checkSeed(seed, op)
    const weight = weightOf(op, layer)
    const { engine } = weight
    const outputs = weight.shape.at(-1)!
    const rows = weight.size / outputs
    const random = randomOf(seed, engine)
    const [u] = vectors(engine, [1, outputs], { u: 0 }) as [Tensor]
    const [v] = vectors(engine, [1, rows], { v: 0 }) as [Tensor]
    u.set(Float32Array.from({ length: outputs }, () => random.normal()))
    super([], [u, v])
    this.vectors = [u, v]
    this.iterations = iterations
    this.epsilon = epsilon
    this.iterate(weight, FIRST_ITERATIONS)
  }

  forward(x: Tensor): Tensor {
    const [weight, bias] = this.layer.parameters
    const engine = engineOf('SpectralNorm', { x, weight: weight! })
    return engine.scope(() => {
      if (this.training) this.iterate(weight!, this.iterations)
      // Copies: the next forward of the same step writes over them.
      const [u, v] = engine.untaped(() => this.vectors.map((vector) => slice(vector))) as [Tensor, Tensor]
      const largest = sum(mul(matmul(v, matrixOf(weight!)), u))
      return this.layer.compute(x, div(weight!, largest), bias)
    })
  }

  private iterate(weight: Tensor, count: number): void {
    const { engine } = weight
    engine.untaped(() =>
      engine.scope(() => {
        const matrix = matrixOf(weight)
        let [u, v] = this.vectors
        for (let i = 0; i < count; i++) {
          v = this.unit(matmul(matrix, u.reshape([-1, 1])).reshape([1, -1]))
          u = this.unit(matmul(v, matrix))
        }
        this.vectors[0].set(u.toArray())
        this.vectors[1].set(v.toArray())
      }),
    )
  }

  private unit(vector: Tensor): Tensor {
    const length = norm(vector).toArray()[0]!
    return mul(vector, 1 / Math.max(length, this.epsilon))
  }
}
