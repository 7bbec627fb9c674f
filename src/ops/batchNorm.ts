import { Normalise, ScaleShift } from '../../assembly/calls.js'
import { engineOf } from '../engine.js'
import { check, show } from '../errors.js'
import { sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import type { Context } from '../window.js'
import { type Activation, clampBackward, finishActivation, fusedClamp } from './activation.js'
import { mul, sub } from './arithmetic.js'
import { type OutOptions, produce } from './elementwise.js'
import { channelSums, mean as meanOver } from './reduce.js'

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

/** Floats in one unit, about, and at least in one run of the loop. */
const UNIT = 4096
const RUN = 64

/**
 * Batch normalisation with known statistics, over the last axis:
 *
 *   y = (x - mean) / sqrt(variance + epsilon) * scale + offset
 *
 * computed as x * s + t, where s = scale / sqrt(variance + epsilon) and t = offset - mean * s, each rounded from float64 anew at every call. Definition: ONNX BatchNormalization
 * outside of training.
 *
 * @param x [..., channels]
 * @param options mean and variance; scale 1, offset 0, epsilon 1e-5, no activation; out: a tensor of x's shape to write into, which may be x
 * @returns x's shape
 * @throws FilterbankError for statistics of another shape than [channels], or an epsilon that is negative or no number; nothing is allocated then
 * @example const y = batchNorm(x, { mean, variance, scale, offset, activation: 'relu' })
 */
export function batchNorm(x: Tensor, options: BatchNormOptions): Tensor {
  const { mean, variance, scale, offset, epsilon = 1e-5, activation, out } = options
  const statistics = { mean, variance, scale, offset }
  const engine = engineOf('batchNorm', { x, mean, variance }, { scale, offset, out })
  const shapes = { x: x.shape, mean: mean.shape, variance: variance.shape, scale: scale?.shape, offset: offset?.shape, out: out?.shape }
  const context: Context = { op: 'batchNorm', shapes }
  const channels = x.shape.at(-1) ?? 0
  check(x.shape.length > 0, () => ({ ...context, argument: 'x', expected: '[..., channels]', got: '[]' }))
  for (const [argument, tensor] of Object.entries(statistics)) {
    check(!tensor || sameShape(tensor.shape, [channels]), () => ({ ...context, argument, expected: `[${channels}]`, got: show(tensor?.shape) }))
  }
  check(typeof epsilon === 'number' && epsilon >= 0, () => ({ ...context, argument: 'epsilon', expected: 'a number of at least 0', got: show(epsilon) }))
  const [low, high] = fusedClamp(activation, context)

  // Few channels are repeated until they fill whole vectors and a run worth its loop.
  const copies = channels > 0 && channels < UNIT ? Math.ceil(RUN / channels / 4) * 4 : 1
  const period = channels * copies
  const y = produce(engine, x.shape, out, context, (y) => {
    if (x.size === 0) return
    const table = engine.allocate(2 * period * 4)
    try {
      const { f32, i32 } = engine
      const fold = engine.call(Normalise.length)
      i32[fold + Normalise.mean] = mean.pointer
      i32[fold + Normalise.variance] = variance.pointer
      i32[fold + Normalise.scale] = scale?.pointer ?? 0
      i32[fold + Normalise.offset] = offset?.pointer ?? 0
      f32[fold + Normalise.epsilon] = epsilon
      i32[fold + Normalise.channels] = channels
      i32[fold + Normalise.table] = table
      i32[fold + Normalise.copies] = copies
      engine.run('normalise', fold, channels, channels)

      const periods = Math.max(1, Math.floor(UNIT / period))
      const call = engine.call(ScaleShift.length)
      i32[call + ScaleShift.x] = x.pointer
      i32[call + ScaleShift.y] = y.pointer
      i32[call + ScaleShift.size] = x.size
      i32[call + ScaleShift.scale] = table
      i32[call + ScaleShift.shift] = table + period * 4
      i32[call + ScaleShift.period] = period
      i32[call + ScaleShift.periods] = periods
      f32[call + ScaleShift.low] = low
      f32[call + ScaleShift.high] = high
      engine.run('scaleShift', call, Math.ceil(x.size / period / periods), x.size)
    } finally {
      engine.free(table)
    }
  })
  const keptY = low === Number.NEGATIVE_INFINITY && high === Number.POSITIVE_INFINITY ? undefined : y
  engine.tape?.record('batchNorm', y, { x, ...statistics }, { x, mean, variance, scale, y: keptY }, (dy, kept) => {
    const dsum = kept.y ? clampBackward(dy, kept.y, [low, high]) : dy
    return statisticsBackward(dsum, kept.x, kept.mean, kept.variance, kept.scale, epsilon)
  })
  return finishActivation(activation, y)
}

/** 1 / sqrt(variance + epsilon), times a power of it and of scale as asked. */
function rateOf(variance: Tensor, epsilon: number, scale: Tensor | undefined, power: 1 | 2, factor = 1): Tensor {
  const scales = scale?.toArray()
  const rates = variance.toArray().map((v, c) => (factor * (scales?.[c] ?? 1)) / Math.sqrt(v + epsilon) ** power)
  return variance.engine.tensor(rates, variance.shape)
}

/** With h = (x - mean) / sqrt(variance + epsilon) and r = scale / sqrt(variance + epsilon): y = h * scale + offset, where the statistics are given. */
function statisticsBackward(dy: Tensor, x: Tensor, mean: Tensor, variance: Tensor, scale: Tensor | undefined, epsilon: number) {
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

export interface BatchNormTrainingOptions extends Pick<BatchNormOptions, 'scale' | 'offset' | 'epsilon' | 'activation'> {}

/**
 * `batchNorm` by the statistics of x itself: the mean of each channel, and the mean of the squares around it.
 *
 * @returns y, of x's shape; mean and variance, [channels]
 * @throws FilterbankError as batchNorm, and for an x without elements
 * @internal
 */
export function batchNormTraining(x: Tensor, options: BatchNormTrainingOptions): { y: Tensor; mean: Float32Array; variance: Float32Array } {
  const { scale, offset, epsilon = 1e-5, activation } = options
  const engine = engineOf('batchNorm', { x }, { scale, offset })
  const shapes = { x: x.shape, scale: scale?.shape, offset: offset?.shape }
  check(x.size > 0 && x.shape.length > 0, () => ({ op: 'batchNorm', argument: 'x', expected: '[..., channels], not empty', got: show(x.shape), shapes }))
  const { tape } = engine
  return engine.scope(() => {
    // What happens in here is recorded as one op.
    engine.tape = undefined
    try {
      const axes = x.shape.slice(1).map((_, axis) => axis)
      const average = meanOver(x, { axes })
      const centred = sub(x, average)
      const variance = meanOver(mul(centred, centred, { out: centred }), { axes })
      const y = batchNorm(x, { mean: average, variance, scale, offset, epsilon })
      tape?.record('batchNorm', y, { x, scale, offset }, { x, scale, average, variance }, (dy, kept) =>
        trainingBackward(dy, kept.x, kept.average, kept.variance, kept.scale, epsilon),
      )
      engine.tape = tape
      return { y: finishActivation(activation, y), mean: average.toArray(), variance: variance.toArray() }
    } finally {
      engine.tape = tape
    }
  })
}

/**
 * With h = (x - mean) / sqrt(variance + epsilon), over the n elements of each channel:
 *
 *   dscale = sum of dy * h,  doffset = sum of dy,  dx = scale / sqrt(variance + epsilon) * (dy - doffset / n - h * dscale / n)
 */
function trainingBackward(dy: Tensor, x: Tensor, mean: Tensor, variance: Tensor, scale: Tensor | undefined, epsilon: number) {
  const { engine } = dy
  const n = x.size / x.shape.at(-1)!
  const normalised = batchNorm(x, { mean, variance, epsilon })
  const products = mul(dy, normalised)
  const dscale = channelSums(products)
  products.dispose()
  const doffset = channelSums(dy)
  return {
    x: () =>
      engine.scope(() => {
        return mul(sub(sub(dy, mul(doffset, 1 / n)), mul(normalised, mul(dscale, 1 / n))), rateOf(variance, epsilon, scale, 1))
      }),
    scale: () => dscale,
    offset: () => doffset,
  }
}
