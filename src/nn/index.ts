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
export { type AnyLayer, Layer, type Tensors } from './layer.js'
export {
  Activation,
  AvgPool2d,
  BatchNorm2d,
  type BatchNorm2dOptions,
  Conv2d,
  type ConvOptions,
  ConvTranspose2d,
  DepthwiseConv2d,
  Dropout,
  Embedding,
  Flatten,
  GlobalAvgPool2d,
  GroupNorm,
  InstanceNorm2d,
  LayerNorm,
  Linear,
  MaxPool2d,
  Residual,
  Sequential,
  Upsample,
  type WeightOptions,
} from './layers.js'
export { type OnnxGraph, type OnnxValue, saveOnnx } from './onnx/layers.js'
export { Random, type Seed } from './random.js'
export { load, type SaveOptions, save } from './save.js'
export {
  type Augment,
  type Batches,
  type ClassLabels,
  type Data,
  flip,
  type Inputs,
  readIdx,
  type SeveralData,
  type Source,
  shift,
} from './train/data.js'
export {
  accuracy,
  type BatchReport,
  type EarlyStopping,
  type EpochReport,
  type EvaluateOptions,
  type ExpectedOf,
  evaluate,
  type FitOptions,
  fit,
  type Measured,
  type MeasureOptions,
  type Metric,
  type ProgressOptions,
  predict,
} from './train/fit.js'
export { type GradientOptions, valueAndGradients } from './train/gradients.js'
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
  type AdamOptions,
  adam,
  adamW,
  clipByGlobalNorm,
  type Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  type ParametersOrGroups,
  type RmsPropOptions,
  rmsProp,
  type SgdOptions,
  sgd,
} from './train/optimizers.js'
export { constant, cosine, type Schedule, stepDecay, warmUp } from './train/schedules.js'
