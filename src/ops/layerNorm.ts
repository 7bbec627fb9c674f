import { sizeOf } from '../base/shape.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { checkAffine } from '../plans/normalise.js'
import { axisOf } from './axis.js'
import { rowsNormalised } from './normalise.js'

/** What `rmsNorm` takes beside x. */
export interface RmsNormOptions {
  /** The first of the axes that are taken together: it and all behind it. Default -1, the last alone. */
  axis?: number
  /** Of the shape of those axes, default all 1. */
  scale?: Tensor
  /** Added to the variance. Default 1e-5. */
  epsilon?: number
}

/** What `layerNorm` takes beside x. */
export interface LayerNormOptions extends RmsNormOptions {
  /** Of the shape of those axes, default all 0. */
  offset?: Tensor
}

const RMS_NORM: Names<RmsNormOptions> = { axis: true, scale: true, epsilon: true }
const LAYER_NORM: Names<LayerNormOptions> = { axis: true, scale: true, offset: true, epsilon: true }

/**
 * Layer normalisation: each vector along the last axis (or the last ones), by its own mean and variance:
 *
 *   y = (x - mean) / sqrt(variance + epsilon) * scale + offset,  variance = mean of (x - mean)^2
 *
 * Mean and variance are summed in float64. Definition: Ba, Kiros & Hinton, "Layer normalization", 2016; ONNX
 * LayerNormalization.
 *
 * @param x any shape but []
 * @param options axis -1, scale 1, offset 0, epsilon 1e-5
 * @returns x's shape
 * @throws FilterbankError for an axis that x does not have, a scale or offset of another shape, or an epsilon
 *   that is negative; nothing is allocated then
 * @example const y = layerNorm(tokens, { scale, offset })
 */
export function layerNorm(x: Tensor, options: LayerNormOptions = {}): Tensor {
  checkOptions('layerNorm', options, LAYER_NORM)
  return normaliseRows('layerNorm', x, options, true)
}

/**
 * Layer normalisation without the mean: y = x / sqrt(mean of x^2 + epsilon) * scale. Options and errors as of
 * `layerNorm`, without `offset`. Definition: Zhang & Sennrich, "Root mean square layer normalization", 2019;
 * ONNX RMSNormalization.
 * @example const y = rmsNorm(tokens, { scale })
 */
export function rmsNorm(x: Tensor, options: RmsNormOptions = {}): Tensor {
  checkOptions('rmsNorm', options, RMS_NORM)
  return normaliseRows('rmsNorm', x, options, false)
}

function normaliseRows(
  op: string,
  x: Tensor,
  { axis = -1, scale, offset, epsilon = 1e-5 }: LayerNormOptions,
  centre: boolean,
): Tensor {
  const engine = engineOf(op, { x }, { scale, offset })
  const context = { op, shapes: { x: x.shape, scale: scale?.shape, offset: offset?.shape } }
  const first = axisOf(axis, x.shape.length, context)
  const shape = x.shape.slice(first)
  checkAffine({ scale, offset, epsilon }, shape, context)
  const y = rowsNormalised(op, x, sizeOf(shape), 1, { scale, offset, epsilon }, centre)
  engine.trace?.note(op, y, { x, scale, offset }, { axis: first, epsilon })
  return y
}
