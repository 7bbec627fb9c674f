export { type Complaint, FilterbankError } from './base/errors.js'
export type { Shape } from './base/shape.js'
export type { ArrayOf, ByteType, DType } from './core/dtype.js'
export { createEngine, type Engine, type EngineOptions } from './core/engine.js'
export type { Numbers } from './core/numbers.js'
export type { Quantization, TensorOptions } from './core/quantization.js'
export { type AnyTensor, type MemoryUse, Tensor } from './core/tensor.js'
export type { Padding, Pair, Triple, Window3dOptions, WindowOptions } from './core/window.js'
export { type Diagnosis, diagnose } from './diagnose.js'
export {
  type Activation,
  type ActivationOptions,
  type AlphaOptions,
  type ClampOptions,
  clamp,
  elu,
  type GeluOptions,
  gelu,
  type HardSigmoidOptions,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  mish,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from './ops/activation.js'
export {
  type ArithmeticOptions,
  add,
  type ByteArithmeticOptions,
  div,
  mul,
  type Numeric,
  sub,
} from './ops/arithmetic.js'
export { type AttentionOptions, attention } from './ops/attention.js'
export { type BatchNormOptions, batchNorm } from './ops/batchNorm.js'
export { maximum, minimum, mod, pow } from './ops/binary.js'
export type { ByteResultOptions, FloatOrByte, ResultQuantization } from './ops/byteResult.js'
export type { BytesOptions, OutputQuantization } from './ops/bytes.js'
export { cast } from './ops/cast.js'
export { equal, greater, greaterEqual, less, lessEqual, notEqual } from './ops/compare.js'
export { type ConcatOptions, concat } from './ops/concat.js'
export type { ConvAlgorithm } from './ops/conv/algorithms.js'
export {
  type Conv1dOptions,
  type Conv2dOptions,
  type Conv3dOptions,
  type ConvPlan,
  type ConvPlanOptions,
  conv1d,
  conv2d,
  conv3d,
  planConv2d,
} from './ops/conv/conv.js'
export { type ConvTranspose2dOptions, convTranspose2d } from './ops/conv/convTranspose.js'
export {
  type GatherElementsOptions,
  gatherElements,
  type ScatterElementsOptions,
  scatterElements,
} from './ops/elements.js'
export { type FlipOptions, flip } from './ops/flip.js'
export { type GatherOptions, gather, type Indices, type ScatterOptions, scatter } from './ops/gather.js'
export { type GatherNDOptions, gatherND, type ScatterNDOptions, scatterND } from './ops/gatherND.js'
export { type GridSampleOptions, gridSample } from './ops/gridSample.js'
export { type GroupNormOptions, groupNorm, type InstanceNormOptions, instanceNorm } from './ops/groupNorm.js'
export { type LayerNormOptions, layerNorm, type RmsNormOptions, rmsNorm } from './ops/layerNorm.js'
export { type LinearOptions, linear, type MatmulOptions, matmul } from './ops/matmul.js'
export { logSumExp, norm, prod, variance } from './ops/norms.js'
export { type OneHotOptions, oneHot } from './ops/oneHot.js'
export type { Operand } from './ops/operands.js'
export { type PadOptions, pad } from './ops/pad.js'
export {
  type AvgPool1dOptions,
  type AvgPool2dOptions,
  type AvgPool3dOptions,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  globalAvgPool2d,
  globalMaxPool2d,
  type MaxPool1dOptions,
  type MaxPool2dOptions,
  type MaxPool3dOptions,
  maxPool1d,
  maxPool2d,
  maxPool3d,
} from './ops/pool.js'
export { prelu } from './ops/prelu.js'
export { dequantize, type QuantizeOptions, quantize } from './ops/quantize.js'
export {
  gru,
  type LstmOptions,
  type LstmResult,
  lstm,
  type RecurrentOptions,
  type RecurrentResult,
  type RnnOptions,
  rnn,
} from './ops/recurrent.js'
export { type ArgmaxOptions, argmax, max, mean, min, type ReduceOptions, sum } from './ops/reduce.js'
export { type ResizeOptions, resize } from './ops/resize.js'
export { type CumsumOptions, cumsum } from './ops/scan.js'
export { type SliceOptions, slice } from './ops/slice.js'
export { type LogSoftmaxOptions, logSoftmax, type SoftmaxOptions, softmax } from './ops/softmax.js'
export { type SplitOptions, type StackOptions, split, stack } from './ops/stack.js'
export { tile } from './ops/tile.js'
export { type TopK, type TopKOptions, topK } from './ops/topK.js'
export { reshape, transpose } from './ops/transpose.js'
export {
  abs,
  ceil,
  cos,
  erf,
  exp,
  expm1,
  floor,
  log,
  log1p,
  neg,
  reciprocal,
  round,
  rsqrt,
  sign,
  sin,
  sqrt,
  square,
} from './ops/unary.js'
export { and, not, or, where, xor } from './ops/where.js'
export type { OutOptions } from './plans/elementwise.js'
export type { Build, WasmSource } from './wasm/load.js'
