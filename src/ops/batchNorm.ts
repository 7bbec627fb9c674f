import { Normalise, ScaleShift } from '../../assembly/calls.js'
import { engineOf } from '../engine.js'
import { check, show } from '../errors.js'
import { sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import type { Context } from '../window.js'
import { type Activation, finishActivation, fusedClamp } from './activation.js'
import { type OutOptions, produce } from './elementwise.js'

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
  return produce(engine, x.shape, out, context, (y) => {
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
    finishActivation(activation, y)
  })
}
