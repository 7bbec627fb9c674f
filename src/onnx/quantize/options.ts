/** What `quantizeModel` takes and tells. */
import type { DataSource } from '../file/load.js'
import type { ModelInput } from '../run/ports.js'

/** Inputs of one run, by name, as `model.run` takes numbers and tensors: no pictures, sequences and maps. */
export type Sample = Record<string, ModelInput>

/** How `quantizeModel` goes about it. */
export interface QuantizeOptions {
  /** The model's data files by the names that it has for them, as for `loadModel`. Default: beside it. */
  externalData?: Record<string, DataSource>
  /**
   * Where the ranges of activations come from: 'minmax', all that was seen; 'percentile', all but one number
   * in ten thousand; 'entropy', the range whose histogram loses least (Kullback and Leibler's divergence).
   * 'dynamic': each run finds them, for matrix products alone, and samples only tell the error. Default:
   * 'dynamic' for models of matrix products without convolutions, else what measures best of the others.
   */
  method?: 'minmax' | 'percentile' | 'entropy' | 'dynamic'
  /** Whether each output channel of weights has a scale of its own. Default true. */
  perChannel?: boolean
  /** Bits of the weights: 7 where ONNX Runtime's sums of pairs would saturate (AVX2). Default 8. */
  weightBits?: 7 | 8
  /**
   * The error at the outputs, relative to their size (root mean squares), beyond which layers are left in
   * float, the worst first. Default 0.1.
   */
  tolerance?: number
  /** Told how far it is, from 0 to 1, and what it does. */
  onProgress?: (progress: { done: number; stage: string }) => void
  /** Stops it between two runs. */
  signal?: AbortSignal
}

/** What became of one convolution or product. */
export interface LayerReport {
  name: string
  op: string
  /** What its weights are in the new file. */
  type: 'int8' | 'float32'
  /** Why it is left in float; undefined where it is not. */
  reason: string | undefined
  /** The error at the outputs where it alone is of bytes, relative to their size (root mean squares). */
  error: number
  /** Of weights and bias. */
  bytesBefore: number
  bytesAfter: number
  /** Times as fast as in float, by `summary` here; undefined where the layer does not stand by itself. */
  speedup: number | undefined
}

/** What `quantizeModel` measured. */
export interface QuantizeReport {
  method: 'minmax' | 'percentile' | 'entropy' | 'dynamic'
  /** Whether cross-layer equalisation and bias correction made the error smaller, and were done. */
  equalized: boolean
  biasCorrected: boolean
  /** Of the whole model at its outputs, relative to their size (root mean squares). */
  error: number
  samples: number
  bytesBefore: number
  bytesAfter: number
  layers: LayerReport[]
}

/** What `quantizeModel` gives. */
export interface Quantized {
  /** The file. */
  bytes: Uint8Array
  report: QuantizeReport
}
