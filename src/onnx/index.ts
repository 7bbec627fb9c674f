/** `filterbank/onnx`: loads ONNX models, runs them, and makes 8-bit ones of them. */

export {
  type CachedModel,
  type CacheReport,
  cachedModels,
  evictModels,
  type ModelCache,
} from './file/cache.js'
export type { DataSource, ModelSource, Progress, SettledSource } from './file/load.js'
export type { ElementType, HostArray, UserArray } from './file/types.js'
export {
  type AttributeParts,
  type GraphParts,
  type ModelParts,
  type NodeParts,
  type PortParts,
  type TensorParts,
  writeModel,
} from './file/write.js'
export type { FilePort } from './graph/graph.js'
export { type InspectOptions, inspectModel, type ModelFacts } from './graph/inspect.js'
export { type LoadOptions, loadModel } from './load.js'
export type { LayerReport, Quantized, QuantizeOptions, QuantizeReport, Sample } from './quantize/options.js'
export { quantizeModel } from './quantize.js'
export type { Model, Port, RunAsyncOptions, RunOptions } from './run/model.js'
export type {
  AnyModelOutputs,
  ModelInput,
  ModelInputs,
  ModelMap,
  ModelOutput,
  ModelOutputs,
  PictureInput,
} from './run/ports.js'
export type { LayerSummary } from './run/summary.js'
