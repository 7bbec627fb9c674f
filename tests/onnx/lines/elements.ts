import type { NodeParts, TensorParts } from '../../../src/onnx/file/write.js'
import {
  bits8,
  bool,
  f32,
  f64,
  i32,
  i64,
  type Line,
  reshaped,
  row,
  scalar,
  shaped,
  silu,
  sum,
  texts,
} from './line.js'

export const constants: Line[] = [
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
export const movement: Line[] = [
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
export const doubles: Line[] = [
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
export const booleans: Line[] = [
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
export const casts: Line[] = [
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
