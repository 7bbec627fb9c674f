import { check, show } from '../base/errors.js'
import { sameShape } from '../base/shape.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { NO_CLAMP, type OutOptions, produce } from '../plans/elementwise.js'
import { checkAffine, checkEpsilon, type Geometry, runNormalise } from '../plans/normalise.js'
import { type Activation, clampBackward, finishActivation, fusedClamp } from './activation.js'
import { mul } from './arithmetic.js'
import { normalised } from './normalise.js'
import { channelSums } from './reduce.js'

/** What `batchNorm` takes beside x. */
export interface BatchNormOptions extends OutOptions {
  /** [channels] */
  mean: Tensor
  /** [channels] */
  variance: Tensor
  /** [channels], default all 1. */
  scale?: Tensor
  /** [channels], default all 0. */
  offset?: Tensor
  /** Added to the variance. Default 1e-5. */
  epsilon?: number
  activation?: Activation
}

const BATCH_NORM: Names<BatchNormOptions> = {
  mean: true,
  variance: true,
  scale: true,
  offset: true,
  epsilon: true,
  activation: true,
  out: true,
}

/**
 * Batch normalisation with known statistics, over the last axis:
 *
 *   y = (x - mean) * (scale / sqrt(variance + epsilon)) + offset
 *
 * where the factor is rounded from float64. Definition: ONNX BatchNormalization outside of training.
 *
 * @param x [..., channels]
 * @param options mean and variance; scale 1, offset 0, epsilon 1e-5, no activation; out: a tensor of x's
 *   shape to write into, which may be x
 * @returns x's shape
 * @throws FilterbankError for statistics of another shape than [channels], or an epsilon that is negative or
 *   no number; nothing is allocated then
 * @example const y = batchNorm(x, { mean, variance, scale, offset, activation: 'relu' })
 */
export function batchNorm(x: Tensor, options: BatchNormOptions): Tensor {
  checkOptions('batchNorm', options, BATCH_NORM)
  const { mean, variance, scale, offset, epsilon = 1e-5, activation, out } = options
  const statistics = { mean, variance, scale, offset }
  const engine = engineOf('batchNorm', { x, mean, variance }, { scale, offset, out })
  const shapes = {
    x: x.shape,
    mean: mean.shape,
    variance: variance.shape,
    scale: scale?.shape,
    offset: offset?.shape,
    out: out?.shape,
  }
  const context: Context = { op: 'batchNorm', shapes }
  const channels = x.shape.at(-1) ?? 0
  check(x.shape.length > 0, () => ({ ...context, argument: 'x', expected: '[..., channels]', got: '[]' }))
  for (const [argument, tensor] of Object.entries(statistics)) {
    check(!tensor || sameShape(tensor.shape, [channels]), () => ({
      ...context,
      argument,
      expected: `[${channels}]`,
      got: show(tensor?.shape),
    }))
  }
  checkEpsilon(epsilon, context)
  const clamp = fusedClamp(activation, context)

  const y = produce(engine, x.shape, out, context, (y) => {
    if (x.size > 0) runNormalise(x, y, geometryOf(x), { mean, variance }, { scale, offset, epsilon }, clamp)
  })
  engine.trace?.note('batchNorm', y, { x, ...statistics }, { epsilon, activation })
  const keptY = clamp === NO_CLAMP ? undefined : y
  engine.tape?.record(
    'batchNorm',
    y,
    { x, ...statistics },
    { x, mean, variance, scale, y: keptY },
    (dy, kept) => {
      const dsum = kept.y ? clampBackward(dy, kept.y, clamp) : dy
      return statisticsBackward(dsum, kept.x, kept.mean, kept.variance, kept.scale, epsilon)
    },
  )
  return finishActivation(activation, y)
}

/** 1 / sqrt(variance + epsilon), times a power of it and of scale as asked. */
function rateOf(
  variance: Tensor,
  epsilon: number,
  scale: Tensor | undefined,
  power: 1 | 2,
  factor = 1,
): Tensor {
  const scales = scale?.toArray()
  const rates = variance
    .toArray()
    .map((v, c) => (factor * (scales?.[c] ?? 1)) / Math.sqrt(v + epsilon) ** power)
  return variance.engine.tensor(rates, variance.shape)
}

/**
 * With h = (x - mean) / sqrt(variance + epsilon) and r = scale / sqrt(variance + epsilon): y = h * scale +
 * offset, where the statistics are given.
 */
function statisticsBackward(
  dy: Tensor,
  x: Tensor,
  mean: Tensor,
  variance: Tensor,
  scale: Tensor | undefined,
  epsilon: number,
) {
  const { engine } = dy
  const ofScale = () => engine.scope(() => channelSums(mul(dy, batchNorm(x, { mean, variance, epsilon }))))
  return {
    x: () => engine.scope(() => mul(dy, rateOf(variance, epsilon, scale, 1))),
    scale: ofScale,
    offset: () => channelSums(dy),
    mean: () => engine.scope(() => mul(channelSums(dy), rateOf(variance, epsilon, scale, 1, -1))),
    variance: () => engine.scope(() => mul(ofScale(), rateOf(variance, epsilon, scale, 2, -0.5))),
  }
}

export interface BatchNormTrainingOptions
  extends Pick<BatchNormOptions, 'scale' | 'offset' | 'epsilon' | 'activation'> {}

/**
 * `batchNorm` by the statistics of x itself: the mean of each channel, and the mean of the squares around it.
 *
 * @returns y, of x's shape; mean and variance, [channels]
 * @throws FilterbankError as batchNorm, and for an x without elements
 * @internal
 */
export function batchNormTraining(
  x: Tensor,
  options: BatchNormTrainingOptions,
): { y: Tensor; mean: Float32Array; variance: Float32Array } {
  const { scale, offset, epsilon = 1e-5, activation } = options
  const engine = engineOf('batchNorm', { x }, { scale, offset })
  const shapes = { x: x.shape, scale: scale?.shape, offset: offset?.shape }
  check(x.size > 0 && x.shape.length > 0, () => ({
    op: 'batchNorm',
    argument: 'x',
    expected: '[..., channels], not empty',
    got: show(x.shape),
    shapes,
  }))
  checkAffine({ scale, offset, epsilon }, x.shape.slice(-1), { op: 'batchNorm', shapes })
  return engine.scope(() => {
    const { y, statistics } = normalised(
      'batchNorm',
      x,
      geometryOf(x),
      { scale, offset, epsilon },
      activation,
    )
    const numbers = statistics.toArray()
    const channels = x.shape.at(-1)!
    return { y, mean: numbers.subarray(0, channels), variance: numbers.subarray(channels, 2 * channels) }
  })
}

/** One outer, a group per channel. */
const geometryOf = (x: Tensor): Geometry => {
  const c = x.shape.at(-1)!
  return { outer: 1, pixels: x.size / c, c, groups: c }
}
