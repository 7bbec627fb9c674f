export { type BatchReport, type Data, type EpochReport, evaluate, type FitOptions, fit, type Loss, type Measured } from './fit.js'
export { valueAndGradients } from './gradients.js'
export { glorot, he, type Initial, type Initializer, orthogonal, uniform } from './initializers.js'
export {
  Activation,
  AvgPool2d,
  BatchNorm2d,
  type BatchNorm2dOptions,
  Conv2d,
  ConvTranspose2d,
  DepthwiseConv2d,
  Dropout,
  Flatten,
  GlobalAvgPool2d,
  Layer,
  Linear,
  MaxPool2d,
  Residual,
  Sequential,
  Upsample,
} from './layers.js'
export { binaryCrossEntropy, type CrossEntropyOptions, crossEntropy, huber, type Labels, meanAbsoluteError, meanSquaredError } from './losses.js'
export { type AdamOptions, adam, adamW, clipByGlobalNorm, type Optimizer, type RmsPropOptions, rmsProp, type SgdOptions, sgd } from './optimizers.js'
export { Random, type Seed } from './random.js'
export { constant, cosine, type Schedule, stepDecay, warmUp } from './schedules.js'
