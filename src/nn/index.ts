export { type AttributeParts, type GraphParts, type ModelParts, type NodeParts, type PortParts, type TensorParts, writeModel } from '../onnx/write.js'
export { type Augment, type Batches, type Data, flip, readIdx, type Source, shift } from './data.js'
export { accuracy, type BatchReport, type EpochReport, type EvaluateOptions, evaluate, type FitOptions, fit, type Measured, type Metric } from './fit.js'
export { valueAndGradients } from './gradients.js'
export { glorot, he, type Initial, type Initializer, orthogonal, uniform } from './initializers.js'
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
  Layer,
  LayerNorm,
  Linear,
  MaxPool2d,
  Residual,
  Sequential,
  Upsample,
  type WeightOptions,
} from './layers.js'
export { binaryCrossEntropy, type CrossEntropyOptions, crossEntropy, huber, type Labels, meanAbsoluteError, meanSquaredError } from './losses.js'
export { type OnnxGraph, type OnnxValue, saveOnnx } from './onnx.js'
export {
  type AdamOptions,
  adam,
  adamW,
  clipByGlobalNorm,
  type Optimizer,
  type OptimizerOptions,
  type RmsPropOptions,
  rmsProp,
  type SgdOptions,
  sgd,
} from './optimizers.js'
export { Random, type Seed } from './random.js'
export { load, type SaveOptions, save } from './save.js'
export { constant, cosine, type Schedule, stepDecay, warmUp } from './schedules.js'
