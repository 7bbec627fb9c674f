export {
  type AttributeParts,
  type GraphParts,
  type ModelParts,
  type NodeParts,
  type PortParts,
  type TensorParts,
  writeModel,
} from '../onnx/file/write.js'
export { glorot, he, type Initial, type Initializer, orthogonal, uniform } from './initializers.js'
export { type AnyLayer, Layer, type OnnxOf, type Tensors } from './layer.js'
export {
  type CacheOptions,
  KeyCache,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  PositionalEncoding,
  type PositionalEncodingOptions,
  TransformerBlock,
  type TransformerBlockOptions,
} from './layers/attention.js'
export {
  Conv1d,
  type Conv1dLayerOptions,
  Conv2d,
  type Conv2dLayerOptions,
  Conv3d,
  type Conv3dLayerOptions,
  type ConvOptions,
  ConvTranspose2d,
  type ConvTranspose2dLayerOptions,
  DepthwiseConv2d,
  type DepthwiseConv2dOptions,
} from './layers/conv.js'
export { Activation, Dropout, type DropoutOptions } from './layers/elementwise.js'
export { Embedding, type EmbeddingOptions, Linear, type LinearLayerOptions } from './layers/linear.js'
export {
  BatchNorm2d,
  type BatchNorm2dOptions,
  GroupNorm,
  type GroupNormLayerOptions,
  InstanceNorm2d,
  type InstanceNormLayerOptions,
  LayerNorm,
  type LayerNormLayerOptions,
} from './layers/norm.js'
export {
  AvgPool1d,
  AvgPool2d,
  GlobalAvgPool1d,
  GlobalAvgPool2d,
  MaxPool1d,
  MaxPool2d,
} from './layers/pool.js'
export {
  Gru,
  Lstm,
  RecurrentLayer,
  type RecurrentLayerOptions,
  Rnn,
  type RnnLayerOptions,
} from './layers/recurrent.js'
export { SpectralNorm, type SpectralNormOptions, WeightNorm } from './layers/reparametrize.js'
export { Parallel, type ParallelOptions, Residual, Sequential } from './layers/sequential.js'
export { Flatten, Permute, Reshape, Upsample, type UpsampleOptions } from './layers/shape.js'
export { WeightedLayer, type WeightOptions } from './layers/weights.js'
export { type SaveOnnxOptions, saveOnnx } from './onnx/save.js'
export type { OnnxAttributes, OnnxGraph, OnnxValue } from './onnxGraph.js'
export { Random, type Seed } from './random.js'
export type { SavedType } from './safetensors.js'
export { type FileOptions, type LoadOptions, type LoadReport, load, type SaveOptions, save } from './save.js'
export { type Augment, type FlipOptions, flip, type ShiftOptions, shift } from './train/augment.js'
export { clipByGlobalNorm } from './train/clip.js'
export type { Batches, ClassLabels, Data, Inputs, SeveralData, Source } from './train/data.js'
export type { EarlyStopping } from './train/earlyStopping.js'
export { type EvaluateOptions, evaluate, type ProgressOptions, predict } from './train/evaluate.js'
export { type BatchReport, type FitOptions, fit } from './train/fit.js'
export { type GradientOptions, valueAndGradients } from './train/gradients.js'
export { readIdx } from './train/idx.js'
export {
  binaryCrossEntropy,
  type CrossEntropyOptions,
  crossEntropy,
  type HuberOptions,
  huber,
  type Labels,
  type LossWeights,
  meanAbsoluteError,
  meanSquaredError,
  type SampleWeights,
} from './train/losses.js'
export {
  accuracy,
  type CountedMetric,
  type EpochReport,
  type ExpectedOf,
  type Measured,
  type MeasureOptions,
  type Metric,
} from './train/measure.js'
export {
  ConfusionMatrix,
  confusionMatrix,
  f1Score,
  meanIou,
  type TopKAccuracyOptions,
  topKAccuracy,
} from './train/metrics.js'
export type { Optimizer, ParameterGroup, ParametersOrGroups } from './train/optimizer.js'
export {
  type AdamOptions,
  adam,
  adamW,
  type OptimizerOptions,
  type RmsPropOptions,
  rmsProp,
  type SgdOptions,
  sgd,
} from './train/optimizers.js'
export {
  type CosineOptions,
  constant,
  cosine,
  type Schedule,
  type StepDecayOptions,
  stepDecay,
  type WarmUpOptions,
  warmUp,
} from './train/schedules.js'
