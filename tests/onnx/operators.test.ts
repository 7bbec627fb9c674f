/**
 * Operators that ONNX Runtime does not referee (tests/referee/operators.test.ts), being too new, too old, or
 * of types that it lacks: small nodes with the answers that the standard's definitions give. A node is a
 * line; each is run on inputs and on constants.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type ElementType, typeOfArray, type UserArray } from '../../src/onnx/file/types.js'
import { type GraphParts, type NodeParts, type TensorParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel, type ModelOutput } from '../../src/onnx/index.js'
import { operators } from '../../src/onnx/operators/index.js'
import { sequence } from '../../src/onnx/operators/sequence.js'
import { families } from '../referee/problems.js'
import { errorInUnits } from '../support/functions.js'

interface Line {
  op: string
  inputs: readonly (TensorParts | undefined)[]
  outputs: readonly TensorParts[]
  attributes?: NodeParts['attributes']
  opset?: number
}

const shaped = (shape: readonly number[], data: UserArray, type?: ElementType): TensorParts => ({
  shape,
  data,
  ...(type && { type }),
})
const row = (data: UserArray, type?: ElementType): TensorParts => shaped([data.length], data, type)
const f32 = (...values: number[]): TensorParts => row(Float32Array.from(values))
const f64 = (...values: number[]): TensorParts => row(Float64Array.from(values))
const i32 = (...values: number[]): TensorParts => row(Int32Array.from(values))
const i64 = (...values: number[]): TensorParts => row(BigInt64Array.from(values, BigInt))
const bool = (...values: number[]): TensorParts => row(Uint8Array.from(values), 'bool')
const bits8 = (type: ElementType, ...values: number[]): TensorParts => row(Uint8Array.from(values), type)
const texts = (...values: string[]): TensorParts => row(values)
const scalar = (tensor: TensorParts): TensorParts => ({ ...tensor, shape: [] })
const reshaped = (tensor: TensorParts, ...shape: number[]): TensorParts => ({ ...tensor, shape })

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v))
const silu = (v: number, alpha = 1) => v * sigmoid(alpha * v)
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

const constants: Line[] = [
  {
    op: 'Constant',
    inputs: [],
    attributes: { value: reshaped(i32(1, -2), 2, 1) },
    outputs: [reshaped(i32(1, -2), 2, 1)],
  },
  { op: 'Constant', inputs: [], attributes: { value_float: { float: 2.5 } }, outputs: [scalar(f32(2.5))] },
  { op: 'Constant', inputs: [], attributes: { value_int: -7 }, outputs: [scalar(i64(-7))] },
  {
    op: 'Constant',
    inputs: [],
    attributes: { value_floats: { floats: [0.5, -1] } },
    outputs: [f32(0.5, -1)],
  },
  { op: 'Constant', inputs: [], attributes: { value_ints: [3, 2, 1] }, outputs: [i64(3, 2, 1)] },
  { op: 'Constant', inputs: [], attributes: { value_string: 'élan' }, outputs: [scalar(texts('élan'))] },
  { op: 'Constant', inputs: [], attributes: { value_strings: ['a', ''] }, outputs: [texts('a', '')] },
  {
    op: 'ConstantOfShape',
    inputs: [i64(2, 1)],
    attributes: { value: i32(9) },
    outputs: [reshaped(i32(9, 9), 2, 1)],
  },
  {
    op: 'EyeLike',
    inputs: [reshaped(i32(5, 5, 5, 5, 5, 5), 2, 3)],
    attributes: { k: 1 },
    outputs: [reshaped(i32(0, 1, 0, 0, 0, 1), 2, 3)],
  },
]

/** 2 x 3: [[1, 2, 3], [4, 5, 6]]. */
const matrix = reshaped(f32(1, 2, 3, 4, 5, 6), 2, 3)
const movement: Line[] = [
  {
    op: 'Scatter',
    opset: 10,
    inputs: [matrix, reshaped(i64(2, 0), 1, 2), reshaped(f32(9, 8), 1, 2)],
    attributes: { axis: 1 },
    outputs: [reshaped(f32(8, 2, 9, 4, 5, 6), 2, 3)],
  },
  {
    op: 'GatherND',
    inputs: [reshaped(f32(1, 2, 3, 4, 5, 6, 7, 8), 2, 2, 2), reshaped(i64(1, -2), 2, 1)],
    attributes: { batch_dims: 1 },
    outputs: [reshaped(f32(3, 4, 5, 6), 2, 2)],
  },
  {
    op: 'GatherElements',
    inputs: [matrix, reshaped(i64(-1, 0), 2, 1)],
    attributes: { axis: 1 },
    outputs: [reshaped(f32(3, 4), 2, 1)],
  },
  { op: 'Gather', inputs: [texts('a', 'b', 'c'), i64(2, -3)], outputs: [texts('c', 'a')] },
  {
    op: 'Compress',
    inputs: [matrix, bool(0, 0, 0)],
    attributes: { axis: 1 },
    outputs: [shaped([2, 0], new Float32Array(0))],
  },
  { op: 'Compress', inputs: [matrix, bool(0, 1, 0, 1)], outputs: [f32(2, 4)] },
  {
    op: 'Compress',
    inputs: [matrix, bool(1, 0, 1)],
    attributes: { axis: 1 },
    outputs: [reshaped(f32(1, 3, 4, 6), 2, 2)],
  },
  {
    op: 'SpaceToDepth',
    inputs: [reshaped(f32(1, 2, 3, 4, 5, 6, 7, 8), 1, 1, 2, 4)],
    attributes: { blocksize: 2 },
    outputs: [reshaped(f32(1, 3, 2, 4, 5, 7, 6, 8), 1, 4, 1, 2)],
  },
  // One row of three goes, two columns of zeros come: 0 before and 1 behind of an odd rest.
  { op: 'CenterCropPad', opset: 18, inputs: [matrix, i64(1, 4)], outputs: [reshaped(f32(1, 2, 3, 0), 1, 4)] },
  {
    op: 'CenterCropPad',
    opset: 18,
    inputs: [matrix, i64(1)],
    attributes: { axes: [-1] },
    outputs: [reshaped(f32(2, 5), 2, 1)],
  },
  { op: 'Size', inputs: [matrix], outputs: [scalar(i64(6))] },
  { op: 'Range', inputs: [scalar(i64(5)), scalar(i64(-2)), scalar(i64(-3))], outputs: [i64(5, 2, -1)] },
  {
    op: 'Range',
    inputs: [scalar(f32(0)), scalar(f32(1)), scalar(f32(0.25))],
    outputs: [f32(0, 0.25, 0.5, 0.75)],
  },
  { op: 'Range', inputs: [scalar(i64(5)), scalar(i64(5)), scalar(i64(1))], outputs: [i64()] },
  // https://numpy.org: RandomState(0).uniform(size=6) is 0.549, 0.715, 0.603, 0.545, 0.424, 0.646.
  {
    op: 'Dropout',
    inputs: [f32(1, 2, 3, 4, 5, 6), scalar(f32(0.6)), scalar(bool(1))],
    attributes: { seed: 0 },
    outputs: [f32(0, 5, 7.5, 0, 0, 15), bool(0, 1, 1, 0, 0, 1)],
  },
  { op: 'Dropout', inputs: [f32(1, 2), scalar(f32(0)), scalar(bool(1))], outputs: [f32(1, 2), bool(1, 1)] },
  // Pictures of two channels, 2 x 3.
  {
    op: 'Crop',
    opset: 6,
    inputs: [reshaped(f32(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), 1, 2, 2, 3)],
    attributes: { border: [1, 0, 0, 1] },
    outputs: [reshaped(f32(2, 3, 8, 9), 1, 2, 1, 2)],
  },
  {
    op: 'Crop',
    opset: 6,
    inputs: [reshaped(f32(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), 1, 2, 2, 3)],
    attributes: { border: [1, 1, 0, 0], scale: [1, 1] },
    outputs: [reshaped(f32(5, 11), 1, 2, 1, 1)],
  },
  // The first version repeats one axis.
  {
    op: 'Tile',
    opset: 1,
    inputs: [matrix, f32(2), f32(0)],
    outputs: [reshaped(f32(1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6), 4, 3)],
  },
  {
    op: 'com.microsoft.FusedConvTranspose',
    inputs: [reshaped(f32(1, -2, 3, -4), 1, 1, 2, 2), reshaped(f32(5, -6), 1, 1, 1, 2)],
    attributes: { activation: 'LeakyRelu', activation_params: { floats: [0.5] } },
    outputs: [reshaped(f32(5, -8, 12, 15, -19, 24), 1, 1, 2, 3)],
  },
  // What it goes by: the mean and 1 / deviation of the sum, and the sum.
  {
    op: 'com.microsoft.SkipLayerNormalization',
    inputs: [reshaped(f32(1, 3), 1, 1, 2), reshaped(f32(1, 3), 1, 1, 2), f32(1, 2)],
    attributes: { epsilon: { float: 0 } },
    outputs: [
      reshaped(f32(-1, 2), 1, 1, 2),
      reshaped(f32(4), 1, 1, 1),
      reshaped(f32(0.5), 1, 1, 1),
      reshaped(f32(2, 6), 1, 1, 2),
    ],
  },
  {
    op: 'com.microsoft.SkipSimplifiedLayerNormalization',
    inputs: [reshaped(f32(1, 5), 1, 1, 2), reshaped(f32(0, 2), 1, 1, 2), f32(1, 2)],
    attributes: { epsilon: { float: 0 } },
    outputs: [reshaped(f32(0.2, 2.8), 1, 1, 2)],
  },
  {
    op: 'ImageScaler',
    opset: 6,
    inputs: [reshaped(f32(1, 2, 3, 4), 1, 2, 1, 2)],
    attributes: { scale: { float: 2 }, bias: { floats: [0.5, -1] } },
    outputs: [reshaped(f32(2.5, 4.5, 5, 7), 1, 2, 1, 2)],
  },
  {
    op: 'Affine',
    opset: 6,
    inputs: [f32(1, -2)],
    attributes: { alpha: { float: 3 }, beta: { float: 0.5 } },
    outputs: [f32(3.5, -5.5)],
  },
  {
    op: 'ScaledTanh',
    opset: 6,
    inputs: [f32(1, -2)],
    attributes: { alpha: { float: 3 }, beta: { float: 0.5 } },
    outputs: [f32(3 * Math.tanh(0.5), -3 * Math.tanh(1))],
  },
  {
    op: 'ParametricSoftplus',
    opset: 6,
    inputs: [f32(1, -2)],
    attributes: { alpha: { float: 3 }, beta: { float: 0.5 } },
    outputs: [f32(3 * Math.log1p(Math.exp(0.5)), 3 * Math.log1p(Math.exp(-1)))],
  },
  {
    // The largest of each window, 9 and 5, whose places count down the columns: column 0 row 1, column 1 row
    // 0.
    op: 'MaxPool',
    inputs: [reshaped(f32(1, 5, 2, 9, 3, 4), 1, 1, 2, 3)],
    attributes: { kernel_shape: [2, 2], storage_order: 1 },
    outputs: [reshaped(f32(9, 5), 1, 1, 1, 2), reshaped(i64(1, 2), 1, 1, 1, 2)],
  },
  {
    op: 'MaxUnpool',
    inputs: [reshaped(f32(7, 8), 1, 1, 1, 2), reshaped(i64(5, 2), 1, 1, 1, 2)],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    outputs: [reshaped(f32(0, 0, 8, 0, 0, 7, 0, 0), 1, 1, 2, 4)],
  },
  {
    // Places of the natural 2 x 4 in one of 3 x 5.
    op: 'MaxUnpool',
    inputs: [reshaped(f32(7, 8), 1, 1, 1, 2), reshaped(i64(5, 2), 1, 1, 1, 2), i64(1, 1, 3, 5)],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    outputs: [reshaped(f32(0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0), 1, 1, 3, 5)],
  },
]

const numbers = [-2.5, -1, 0.25, 3]
const positive = [0.5, 1, 3, 4]
const lanes = reshaped(f64(...numbers, ...positive), 2, 4)
const onDoubles = (op: string, f: (v: number) => number, values = numbers): Line => ({
  op,
  inputs: [f64(...values)],
  outputs: [f64(...values.map(f))],
})
const reduced = (op: string, f: (values: number[]) => number): Line => ({
  op,
  inputs: [lanes, i64(1)],
  attributes: { keepdims: 0 },
  opset: 18,
  outputs: [f64(f(numbers), f(positive))],
})
/** float64 is computed on the host, by other functions than float32. */
const doubles: Line[] = [
  onDoubles('Abs', Math.abs),
  onDoubles('Neg', (v) => -v),
  onDoubles('Exp', Math.exp),
  onDoubles('Log', Math.log, positive),
  onDoubles('Sqrt', Math.sqrt, positive),
  onDoubles('Reciprocal', (v) => 1 / v),
  onDoubles('Floor', Math.floor),
  onDoubles('Ceil', Math.ceil),
  onDoubles('Sign', Math.sign),
  onDoubles('Relu', (v) => Math.max(v, 0)),
  onDoubles('Sin', Math.sin),
  onDoubles('Cos', Math.cos),
  { op: 'Round', inputs: [f64(0.5, 1.5, -2.5, 1.2)], outputs: [f64(0, 2, -2, 1)] },
  { op: 'IsNaN', inputs: [f64(Number.NaN, 1)], outputs: [bool(1, 0)] },
  { op: 'Sum', inputs: [f64(1, 2), f64(3, 4), f64(0.5, 0.5)], outputs: [f64(4.5, 6.5)] },
  { op: 'Mean', inputs: [f64(1, 2), f64(3, 4)], outputs: [f64(2, 3)] },
  { op: 'Pow', inputs: [f64(2, 9), f64(-1, 0.5)], outputs: [f64(0.5, 3)] },
  { op: 'Pow', inputs: [i32(2, -3), i32(5, 3)], outputs: [i32(32, -27)] },
  { op: 'Mod', inputs: [f64(-5, 5.5), f64(3, 3)], attributes: { fmod: 1 }, outputs: [f64(-2, 2.5)] },
  {
    op: 'Gemm',
    inputs: [reshaped(i32(1, 2, 3, 4), 2, 2), reshaped(i32(1, 0, 2, 1), 2, 2), i32(10, 20)],
    attributes: { alpha: { float: 2 }, beta: { float: 3 }, transA: 1 },
    // [[1, 3], [2, 4]] times [[1, 0], [2, 1]] is [[7, 3], [10, 4]].
    outputs: [reshaped(i32(44, 66, 50, 68), 2, 2)],
  },
  {
    op: 'Gemm',
    inputs: [reshaped(f64(1, 2), 1, 2), reshaped(f64(1, 2, 3, 4), 2, 2)],
    attributes: { transB: 1 },
    outputs: [reshaped(f64(5, 11), 1, 2)],
  },
  reduced('ReduceSum', sum),
  reduced('ReduceMean', (values) => sum(values) / 4),
  reduced('ReduceMax', (values) => Math.max(...values)),
  reduced('ReduceMin', (values) => Math.min(...values)),
  reduced('ReduceProd', (values) => values.reduce((a, b) => a * b)),
  reduced('ReduceL1', (values) => sum(values.map(Math.abs))),
  reduced('ReduceL2', (values) => Math.sqrt(sum(values.map((v) => v * v)))),
  reduced('ReduceLogSumExp', (values) => Math.log(sum(values.map(Math.exp)))),
  reduced('ReduceSumSquare', (values) => sum(values.map((v) => v * v))),
  {
    ...reduced('ReduceLogSum', sum),
    inputs: [reshaped(f64(0.25, 0.75, 3, 5), 2, 2), i64(1)],
    outputs: [f64(0, Math.log(8))],
  },
  // An infinity is the sum's logarithm, and not NaN.
  {
    ...reduced('ReduceLogSumExp', sum),
    inputs: [reshaped(f64(Infinity, 1, -Infinity, -Infinity), 2, 2), i64(1)],
    outputs: [f64(Infinity, -Infinity)],
  },
  ...(['ArgMax', 'ArgMin'] as const).flatMap((op): Line[] =>
    [0, 1].map((last) => ({
      op,
      inputs: [reshaped(f64(4, 1, 4, 1, 2, 2), 1, 6)],
      attributes: { axis: 1, select_last_index: last, keepdims: 0 },
      outputs: [i64(op === 'ArgMax' ? [0, 2][last]! : [1, 3][last]!)],
    })),
  ),
  ...([0, 1] as const).flatMap((exclusive): Line[] =>
    ([0, 1] as const).map((reverse) => ({
      op: 'CumProd',
      opset: 26,
      inputs: [f32(2, 3, 4), scalar(i64(0))],
      attributes: { exclusive, reverse },
      outputs: [
        f32(
          ...[
            [
              [2, 6, 24],
              [24, 12, 4],
            ],
            [
              [1, 2, 6],
              [12, 4, 1],
            ],
          ][exclusive]![reverse]!,
        ),
      ],
    })),
  ),
]

const x = [-3, -0.5, 0, 2]
const booleans: Line[] = [
  { op: 'Swish', opset: 24, inputs: [f32(...x)], outputs: [f32(...x.map((v) => silu(v)))] },
  {
    op: 'Swish',
    opset: 24,
    inputs: [f32(...x)],
    attributes: { alpha: { float: 0.5 } },
    outputs: [f32(...x.map((v) => silu(v, 0.5)))],
  },
  {
    op: 'SwiGLU',
    opset: 25,
    inputs: [f32(...x), f32(1, 2, 3, -4)],
    outputs: [f32(...x.map((v, i) => silu(v) * [1, 2, 3, -4][i]!))],
  },
  {
    op: 'ThresholdedRelu',
    inputs: [f32(...x)],
    attributes: { alpha: { float: -0.6 } },
    outputs: [f32(0, -0.5, 0, 2)],
  },
  { op: 'Not', inputs: [bool(1, 0)], outputs: [bool(0, 1)] },
  { op: 'IsNaN', inputs: [f32(1, Number.NaN, Infinity)], outputs: [bool(0, 1, 0)] },
  { op: 'IsInf', inputs: [f32(1, Infinity, -Infinity)], outputs: [bool(0, 1, 1)] },
  {
    op: 'IsInf',
    inputs: [f32(1, Infinity, -Infinity)],
    attributes: { detect_positive: 0 },
    outputs: [bool(0, 0, 1)],
  },
  ...(['And', 'Or', 'Xor'] as const).map(
    (op): Line => ({
      op,
      inputs: [bool(0, 0, 1, 1), bool(0, 1, 0, 1)],
      outputs: [bool(...{ And: [0, 0, 0, 1], Or: [0, 1, 1, 1], Xor: [0, 1, 1, 0] }[op])],
    }),
  ),
  { op: 'BitwiseAnd', inputs: [i32(12, -1), i32(10, 7)], outputs: [i32(8, 7)] },
  { op: 'BitwiseOr', inputs: [i32(12, -8), i32(10, 7)], outputs: [i32(14, -1)] },
  { op: 'BitwiseXor', inputs: [i32(12, -1), i32(10, 7)], outputs: [i32(6, -8)] },
  { op: 'BitwiseNot', inputs: [i32(0, 5)], outputs: [i32(-1, -6)] },
  ...(['LEFT', 'RIGHT'] as const).map(
    (direction): Line => ({
      op: 'BitShift',
      inputs: [row(Uint8Array.of(200, 9)), row(Uint8Array.of(1, 2))],
      attributes: { direction },
      outputs: [row(direction === 'LEFT' ? Uint8Array.of(144, 36) : Uint8Array.of(100, 2))],
    }),
  ),
]

const cast = (
  from: TensorParts,
  to: TensorParts,
  code: number,
  attributes: NodeParts['attributes'] = {},
): Line => ({
  op: 'Cast',
  opset: 24,
  inputs: [from],
  attributes: { to: code, ...attributes },
  outputs: [to],
})
const casts: Line[] = [
  cast(
    f32(1.5, -0.1, 1e9, Number.NaN, Infinity, -Infinity),
    texts('1.5', '-0.1', '1000000000', 'NaN', 'INF', '-INF'),
    8,
  ),
  cast(i32(-7, 0), texts('-7', '0'), 8),
  cast(texts('1.5', '-inf', 'NaN', 'INF', '1e3'), f32(1.5, -Infinity, Number.NaN, Infinity, 1000), 1),
  cast(texts('-7', '12'), i64(-7, 12), 7),
  // Infinity and what is too large become the largest number, or not: NaN, or the type's own infinity.
  cast(f32(1, 3.3, -500, Number.NaN, Infinity), bits8('float8e4m3fn', 0x38, 0x45, 0xfe, 0x7f, 0x7e), 17),
  cast(f32(1, -500, Infinity), bits8('float8e4m3fn', 0x38, 0x7f, 0x7f), 17, { saturate: 0 }),
  cast(f32(1, -1e6, Infinity), bits8('float8e5m2', 0x3c, 0xfb, 0x7b), 19),
  cast(f32(1, -1e6, Infinity), bits8('float8e5m2', 0x3c, 0xfc, 0x7c), 19, { saturate: 0 }),
  cast(f32(3, 5, 0.1, 1e9), bits8('float8e8m0', 129, 130, 124, 157), 24),
  cast(f32(3, 5, 0.1, 1e9), bits8('float8e8m0', 128, 129, 123, 156), 24, { round_mode: 'down' }),
  cast(f32(3, 5, 0.1, 1e9), bits8('float8e8m0', 129, 129, 124, 157), 24, { round_mode: 'nearest' }),
  cast(f32(Number.NaN, Infinity, 1), bits8('float8e8m0', 255, 255, 127), 24, { saturate: 0 }),
  cast(bits8('float8e5m2', 0x3c, 0xfc, 0x7e), f32(1, -Infinity, Number.NaN), 1),
  // -5 is halfway between -4, which is even, and -6.
  cast(f32(1.1, 8, -0.2, -5), row(Uint8Array.of(2, 7, 8, 14), 'float4e2m1'), 23),
  cast(i32(-9, 7, 8), row(Int8Array.of(7, 7, -8), 'int4'), 22),
  cast(i32(-1, 5), row(Uint8Array.of(3, 1), 'uint2'), 25),
  cast(f32(1, 3.140625, -Infinity), row(Uint16Array.of(0x3f80, 0x4049, 0xff80), 'bfloat16'), 16),
  // Halfway between two of them: to the even one.
  cast(
    f32(1 + 2 ** -8, 1 + 3 * 2 ** -8, Number.NaN),
    row(Uint16Array.of(0x3f80, 0x3f82, 0x7fc0), 'bfloat16'),
    16,
  ),
  cast(row(Uint16Array.of(0x3f80, 0xc000), 'bfloat16'), f32(1, -2), 1),
  { op: 'CastLike', inputs: [f32(1.7, -1.7), i32(0)], outputs: [i32(1, -1)] },
  { op: 'CastLike', inputs: [i32(0, 5), bool(1)], outputs: [bool(0, 1)] },
  {
    op: 'QuantizeLinear',
    inputs: [f32(2, 6.6, -1000, 0.2), scalar(f32(2)), scalar(bits8('float8e4m3fn', 0))],
    outputs: [bits8('float8e4m3fn', 0x38, 0x45, 0xfe, 0x1d)],
  },
  {
    op: 'QuantizeLinear',
    inputs: [f32(3, -100, 5.5), scalar(f32(2)), scalar(row(Int8Array.of(1), 'int4'))],
    outputs: [row(Int8Array.of(3, -8, 4), 'int4')],
  },
  {
    op: 'DequantizeLinear',
    inputs: [bits8('float8e4m3fn', 0x38, 0x45, 0xfe), scalar(f32(2))],
    outputs: [f32(2, 6.5, -896)],
  },
  { op: 'DequantizeLinear', inputs: [i32(7, -1), scalar(f32(0.5)), scalar(i32(3))], outputs: [f32(2, -2)] },
]

/** Statistics of channels [1, 3, 5, 7] and [2, 2, 2, 6]: means 4 and 3, variances 5 and 3. */
const batch = reshaped(f32(1, 3, 2, 2, 5, 7, 2, 6), 2, 2, 2)
const normal = (v: number, mean: number, variance: number) => (v - mean) / Math.sqrt(variance + 1e-5)
const learning: Line[] = [
  {
    op: 'BatchNormalization',
    opset: 15,
    inputs: [batch, f32(1, 2), f32(0, 10), f32(0, 1), f32(1, 1)],
    attributes: { training_mode: 1, momentum: { float: 0.75 } },
    outputs: [
      reshaped(
        f32(
          ...[1, 3, 2, 2, 5, 7, 2, 6].map((v, i) => (i % 4 < 2 ? normal(v, 4, 5) : 2 * normal(v, 3, 3) + 10)),
        ),
        2,
        2,
        2,
      ),
      f32(1, 1.5),
      f32(2, 1.5),
    ],
  },
]

const leaky = (v: number) => (v < 0 ? 0.3 * v : v)
const gates: [name: string, f: (v: number) => number, alpha?: number, beta?: number][] = [
  ['Sigmoid', sigmoid],
  ['Tanh', Math.tanh],
  ['Relu', (v) => Math.max(v, 0)],
  ['LeakyRelu', leaky, 0.3],
  ['ThresholdedRelu', (v) => (v > 0.4 ? v : 0), 0.4],
  ['ScaledTanh', (v) => 2 * Math.tanh(0.5 * v), 2, 0.5],
  ['HardSigmoid', (v) => Math.min(Math.max(0.3 * v + 0.4, 0), 1), 0.3, 0.4],
  ['Elu', (v) => (v < 0 ? 0.7 * Math.expm1(v) : v), 0.7],
  ['Softsign', (v) => v / (1 + Math.abs(v))],
  ['Softplus', (v) => Math.log1p(Math.exp(v))],
  ['Affine', (v) => 0.7 * v - 0.1, 0.7, -0.1],
]
/** Two steps of one unit: f(0.5 x), then f(0.5 x + 0.25 h). */
const recurrent: Line[] = gates.map(([name, f, alpha, beta]) => {
  const steps = [1.5, -2].reduce<number[]>(
    (done, v) => done.concat(f(0.5 * v + 0.25 * (done.at(-1) ?? 0))),
    [],
  )
  return {
    op: 'RNN',
    inputs: [reshaped(f32(1.5, -2), 2, 1, 1), reshaped(f32(0.5), 1, 1, 1), reshaped(f32(0.25), 1, 1, 1)],
    attributes: {
      hidden_size: 1,
      activations: [name],
      ...(alpha !== undefined && { activation_alpha: { floats: [alpha] } }),
      ...(beta !== undefined && { activation_beta: { floats: [beta] } }),
    },
    outputs: [reshaped(f32(...steps), 2, 1, 1, 1), reshaped(f32(steps[1]!), 1, 1, 1)],
  }
})

/** One head of one number: keys 1, 2, 3 with values 10, 20, 30, of which the first `seen` count. */
const attended = (seen: number) => {
  const weights = [1, 2, 3].slice(0, seen).map(Math.exp)
  return sum(weights.map((w, i) => w * (i + 1) * 10)) / sum(weights)
}
const attention: Line[] = [0, 1].map((causal) => {
  const keys = f32(1, 2, 3, 1, 2, 3)
  return {
    op: 'Attention',
    opset: 24,
    inputs: [
      reshaped(f32(1, 1, 1, 1), 2, 1, 2, 1),
      reshaped(keys, 2, 1, 3, 1),
      reshaped(f32(10, 20, 30, 10, 20, 30), 2, 1, 3, 1),
      undefined,
      undefined,
      undefined,
      i64(2, 3),
    ],
    attributes: { is_causal: causal },
    // Queries are the last of two places, and of three.
    outputs: [reshaped(f32(...(causal ? [1, 2, 2, 3] : [2, 2, 3, 3]).map(attended)), 2, 1, 2, 1)],
  }
})

/** Which ONNX Runtime has for one type alone, or under another name. */
const contrib: Line[] = [
  {
    op: 'com.microsoft.QuantizeLinear',
    inputs: [f32(3, -300, 5.5), scalar(f32(2)), scalar(row(Int8Array.of(1), 'int8'))],
    outputs: [row(Int8Array.of(3, -128, 4), 'int8')],
  },
  {
    op: 'com.microsoft.DequantizeLinear',
    inputs: [row(Int8Array.of(-97, 62, 2), 'int8'), scalar(f32(0.5)), scalar(row(Int8Array.of(1), 'int8'))],
    outputs: [f32(-49, 30.5, 0.5)],
  },
  {
    op: 'com.microsoft.BiasAdd',
    inputs: [reshaped(f32(1, 2, 3, 4), 1, 2, 2), f32(10, 20), reshaped(f32(0.5, 0, 0, -4), 1, 2, 2)],
    outputs: [reshaped(f32(11.5, 22, 13, 20), 1, 2, 2)],
  },
  {
    op: 'com.microsoft.SimplifiedLayerNormalization',
    inputs: [reshaped(f32(1, 7, 3, -4), 2, 2), f32(1, 2)],
    attributes: { epsilon: { float: 0 } },
    outputs: [reshaped(f32(0.2, 2.8, 3 / Math.sqrt(12.5), -8 / Math.sqrt(12.5)), 2, 2)],
  },
]

const lines: Record<string, Line[]> = {
  constants,
  movement,
  doubles,
  booleans,
  casts,
  learning,
  recurrent,
  attention,
  contrib,
}

describe('a node gives what its definition says', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  const port = (tensor: TensorParts, name: string) => ({
    name,
    type: tensor.type ?? typeOfArray(tensor.data)!,
    shape: tensor.shape,
  })

  for (const [family, members] of Object.entries(lines)) {
    for (const [i, { op, opset = 21, attributes, inputs, outputs }] of members.entries()) {
      it(`${family} ${i}: ${op} ${JSON.stringify(attributes ?? {})}`, async () => {
        const named = inputs.flatMap((tensor, k) => (tensor ? [{ ...tensor, name: `x${k}` }] : []))
        const ends = outputs.map((tensor, k) => port(tensor, `y${k}`))
        const node = {
          op,
          inputs: inputs.map((tensor, k) => (tensor ? `x${k}` : '')),
          outputs: ends.map(({ name }) => name),
          attributes,
        }
        const check = (got: Record<string, ModelOutput>, about: string) =>
          outputs.forEach((wanted, k) => {
            const y = got[`y${k}`]!
            expect([y.type, ...y.shape], about).toEqual([port(wanted, '').type, ...wanted.shape])
            expectNumbers(y.data, wanted.data, `${about}: output ${k}`)
          })
        using onInputs = await loadModel(
          engine,
          writeModel({
            opset,
            nodes: [node],
            inputs: named.map((tensor) => port(tensor, tensor.name)),
            outputs: ends,
          }),
        )
        const feeds = Object.fromEntries(named.map(({ name, data, shape }) => [name, { data, shape }]))
        // The second run records, the third replays.
        for (let round = 0; round < 3; round++) check(onInputs.run(feeds), `run ${round}`)
        using onConstants = await loadModel(
          engine,
          writeModel({ opset, nodes: [node], inputs: [], outputs: ends, initializers: named }),
        )
        check(onConstants.run({}), 'of constants')
      })
    }
  }

  it('in a graph: which branch, with what stands around it', async () => {
    const branch = (op: string): GraphParts => ({
      nodes: [{ op, inputs: ['x', 'two'], outputs: ['z'] }],
      inputs: [],
      outputs: [{ name: 'z' }],
    })
    const bytes = writeModel({
      nodes: [
        {
          op: 'If',
          inputs: ['sure'],
          outputs: ['y'],
          attributes: { then_branch: branch('Mul'), else_branch: branch('Add') },
        },
      ],
      inputs: [port(bool(1), 'sure'), { name: 'x', shape: [2] }],
      outputs: [{ name: 'y' }],
      initializers: [{ name: 'two', ...scalar(f32(2)) }],
    })
    using model = await loadModel(engine, bytes)
    for (let round = 0; round < 3; round++) {
      for (const sure of [1, 0]) {
        const y = model.run({ sure: { data: Uint8Array.of(sure), shape: [1] }, x: [3, 5] })['y']!
        expect([...y.toArray()]).toEqual(sure ? [6, 10] : [5, 7])
      }
    }
  })

  it('in a graph whose nodes stand in any order', async () => {
    const nodes = [
      { op: 'Add', inputs: ['c', 'b'], outputs: ['y'] },
      { op: 'Mul', inputs: ['b', 'a'], outputs: ['c'] },
      { op: 'Neg', inputs: ['a'], outputs: ['b'] },
      { op: 'Abs', inputs: ['x'], outputs: ['a'] },
    ]
    using model = await loadModel(
      engine,
      writeModel({ nodes, inputs: [{ name: 'x', shape: [3] }], outputs: [{ name: 'y' }] }),
    )
    // -|x| |x| - |x|
    expect([...model.run({ x: [-2, 0.5, 3] })['y']!.toArray()]).toEqual([-6, -0.75, -12])
  })

  it('of plain numbers for any type of an input', async () => {
    for (const type of [
      'int8',
      'uint8',
      'int16',
      'int32',
      'int64',
      'uint64',
      'float16',
      'float64',
      'bool',
    ] as const) {
      const nodes = [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }]
      using model = await loadModel(
        engine,
        writeModel({ nodes, inputs: [{ name: 'x', type, shape: [2] }], outputs: [{ name: 'y', type }] }),
      )
      const y = model.run({ x: [1, 0] })['y']!
      expect([y.type, ...[...y.toArray()].map(Number)]).toEqual([type, 1, 0])
    }
  })

  it('of yes and no in the engine: comparisons and what is made of them', async () => {
    const pairs = [
      ['Less', 'a', 'b', 'less'],
      ['Greater', 'a', 'zero', 'positive'],
      ['And', 'less', 'positive', 'both'],
      ['Or', 'less', 'positive', 'either'],
      ['Xor', 'less', 'positive', 'one'],
    ] as const
    const bytes = writeModel({
      nodes: [
        ...pairs.map(([op, left, right, y]) => ({ op, inputs: [left, right], outputs: [y] })),
        { op: 'Not', inputs: ['both'], outputs: ['not both'] },
        { op: 'Where', inputs: ['either', 'a', 'b'], outputs: ['chosen'] },
      ],
      inputs: ['a', 'b'].map((name) => ({ name, shape: [4] })),
      outputs: [
        ...['both', 'either', 'one', 'not both'].map((name) => ({ name, type: 'bool' as const })),
        { name: 'chosen' },
      ],
      initializers: [{ name: 'zero', ...scalar(f32(0)) }],
    })
    using model = await loadModel(engine, bytes)
    const wanted = {
      both: [0, 1, 0, 0],
      either: [1, 1, 1, 0],
      one: [1, 0, 1, 0],
      'not both': [1, 0, 1, 1],
      chosen: [-1, 1, 3, -3],
    }
    for (let round = 0; round < 3; round++) {
      const outputs = model.run({ a: [-1, 1, 3, -2], b: [0, 2, 1, -3] })
      expect(
        Object.fromEntries(Object.entries(outputs).map(([name, y]) => [name, [...y.toArray()].map(Number)])),
      ).toEqual(wanted)
    }
  })

  it('of a constant without a value, and of a branch without a graph: says so', async () => {
    const bare = (op: string, inputs: string[]) => ({
      nodes: [{ op, inputs, outputs: ['y'] }],
      inputs: [],
      outputs: [{ name: 'y' }],
    })
    await expect(
      loadModel(engine, writeModel(bare('Constant', []))).then((model) => model.run({})),
    ).rejects.toThrow(/value must be a dense constant/)
    const parts = { ...bare('If', ['sure']), initializers: [{ name: 'sure', ...scalar(bool(1)) }] }
    await expect(loadModel(engine, writeModel(parts)).then((model) => model.run({}))).rejects.toThrow(
      /then_branch must be a graph, got none/,
    )
  })
})

// What runs graphs is tried in inner.test.ts and segments.test.ts, others in sequence.test.ts and blocks.test.ts;
// what only `fuse` writes, in referee/bytesBetween.test.ts.
it('every operator is tried here or refereed', () => {
  const tried = new Set([...Object.values(lines), ...Object.values(families)].flat().map(({ op }) => op))
  const elsewhere = [
    ...['If', 'Loop', 'Scan', 'com.microsoft.MatMulNBits', 'com.microsoft.NhwcMaxPool'],
    'filterbank.QLinearActivation',
    ...Object.keys(sequence),
  ]
  expect(
    Object.keys(operators)
      .filter((op) => !tried.has(op))
      .sort(),
  ).toEqual(elsewhere.sort())
})

/** Whole numbers, texts and bits alike; floats within a few units of float32. */
function expectNumbers(got: UserArray, wanted: UserArray, about: string): void {
  expect(got.constructor, about).toBe(wanted.constructor)
  expect(got.length, about).toBe(wanted.length)
  if (!(wanted instanceof Float32Array || wanted instanceof Float64Array))
    expect([...got], about).toEqual([...wanted])
  else
    for (const [i, v] of wanted.entries())
      expect(
        errorInUnits(got[i] as number, v),
        `${about}: element ${i} is ${got[i]}, expected ${v}`,
      ).toBeLessThan(9)
}
