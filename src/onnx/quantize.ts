/** The way to `quantizeModel`, whose code is fetched when it is called. */
import type { Engine } from '../core/engine.js'
import type { ModelSource } from './file/load.js'
import type { Quantized, QuantizeOptions, Sample } from './quantize/options.js'

/**
 * Makes an 8-bit model of a float one by running it on samples (static post-training quantisation): an ONNX
 * file of QuantizeLinear and DequantizeLinear that ONNX Runtime runs too, with int8 weights and uint8
 * activations. Layers whose loss is too large stay in float.
 *
 * @param source a model of opset 7 or later, as `loadModel` takes it
 * @param samples what `model.run` takes, for 8 runs or more: real inputs, as they will come
 * @param options method: what measures best; perChannel true; weightBits 8; tolerance 0.1; data files
 *   beside the model; no progress, no signal
 * @throws FilterbankError for samples that are too few or constant, numbers that are not finite, a model
 *   without a float layer of constant weights, and an operator that opset 13 has no equal of
 * @example const { bytes, report } = await quantizeModel(engine, 'model.onnx', samples)
 */
export async function quantizeModel(
  engine: Engine,
  source: ModelSource,
  samples: Iterable<Sample> | AsyncIterable<Sample>,
  options: QuantizeOptions = {},
): Promise<Quantized> {
  const { quantize } = await import('./quantize/index.js')
  return quantize(engine, source, samples, options)
}
