/** Nodes to ask ONNX Runtime about (operators.test.ts): a case is a line. */
// biome-ignore-all format: tables

import { asFloat, floats, inputsOf, ints, type Line, product, SEED, scalar, shaped } from './inputs.js'

const { random, f, u8, i8, i32, i64, bool } = inputsOf(SEED)

const unary = 'Abs Neg Exp Sqrt Log Reciprocal Floor Ceil Round Sign Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf Relu Sigmoid Tanh Softplus Softsign HardSwish Mish Elu Celu Selu LeakyRelu HardSigmoid ThresholdedRelu Shrink Gelu'
const positive = ['Sqrt', 'Log', 'Reciprocal', 'Acosh']
const elementwise: Line[] = [
  ...unary.split(' ').flatMap((op): Line[] => {
    const [low, high] = op === 'Acosh' ? [1, 4] : positive.includes(op) ? [0.1, 4] : op.startsWith('A') && op !== 'Abs' ? [-0.9, 0.9] : [-4, 4]
    return [[2, 3, 4], [7], [1, 3, 5, 5], []].map((shape) => ({ op, inputs: [f(shape, low, high)], opset: 22 }))
  }),
  ...[0.3, 1.5].flatMap((alpha): Line[] => ['Elu', 'Celu', 'LeakyRelu', 'ThresholdedRelu', 'HardSigmoid', 'Selu'].map((op) => ({ op, inputs: [f([3, 5], -4,
    4)], attributes: { alpha: { float: alpha } } }))),
  { op: 'Selu', inputs: [f([9])], attributes: { gamma: { float: 2 }, alpha: { float: 3 } } },
  { op: 'Shrink', inputs: [f([9])], attributes: { lambd: { float: 0.4 }, bias: { float: 0.4 } } },
  { op: 'Gelu', inputs: [f([9])], attributes: { approximate: 'tanh' } },
  { op: 'Round', inputs: [floats(0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.4999, 0.49999997)] },
  ...['Abs', 'Neg', 'Sign', 'Relu'].map((op): Line => ({ op, inputs: [i32([3, 4])] })),
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'PRelu'].flatMap((op): Line[] =>
    [[[2, 3, 4, 5], [2, 3, 4, 5]], [[2, 3, 4, 5], [5]], [[2, 3, 4, 5], [3, 1, 1]], [[2, 3, 4, 5], []], [[3, 1], [1, 4]], [[], [2,
      3]], [[5], [2, 3, 4, 5]], [[1, 4, 1, 5], [2, 1, 3, 1]]].map(
      ([a, b]) => ({ op, inputs: [f(a!, op === 'Pow' ? 0.1 : -2), f(b!, op === 'Div' ? 0.5 : -2)] }),
    ),
  ),
  ...[-1, 0, 0.5, 1, 2, 3, 4, -0.5, 1.7].map((exponent): Line => ({ op: 'Pow', inputs: [f([2, 3, 4], exponent % 1 ? 0 : -2), scalar(floats(exponent))], fixed: true })),
  ...['Add', 'Sub', 'Mul', 'Div'].flatMap((op): Line[] => [i32, i64].map((make) => ({ op, inputs: [make([3, 4]), make([4], 1, 9)] }))),
  ...['Div', 'Mod'].map((op): Line => ({ op, inputs: [i32([4, 5]), shaped(i32([5], 1, 4), 5)] })),
  { op: 'Mod', inputs: [i32([4, 5]), i32([5], -5, -1)] },
  { op: 'Mod', inputs: [i64([4, 5]), i64([5], -5, -1)], attributes: { fmod: 1 } },
  { op: 'Mod', inputs: [f([4, 5]), f([5], 0.5, 2)], attributes: { fmod: 1 } },
  ...['Max', 'Min', 'Sum', 'Mean'].flatMap((op): Line[] => [[[2, 3]], [[2, 3], [2, 3]], [[2, 3], [3], [2, 1]], [[2, 3, 4, 5], [4, 1],
    [1]]].map((shapes) => ({ op, inputs: shapes.map((shape) => f(shape)) }))),
  ...['Max', 'Min'].flatMap((op): Line[] => [i32, i64, u8].map((make) => ({ op, inputs: [make([3, 4]), make([4])] }))),
  ...['And', 'Or', 'Xor'].flatMap((op): Line[] => [[[3, 4], [3, 4]], [[2, 3, 4], [4]], [[2, 1, 4], [3, 1]]].map((shapes) => ({ op,
    inputs: shapes.map((shape) => bool(shape)) }))),
  ...['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual'].flatMap((op): Line[] =>
    [[[3, 4], [3, 4]], [[2, 3, 4], [4]], [[2, 1, 4], [3, 1]]].flatMap(([a, b]) => [f, i32, i64].map((make): Line => ({ op, inputs: [make(a!, -2, 2), make(b!,
      -2, 2)] }))),
  ),
  { op: 'Not', inputs: [bool([3, 4])] },
  ...[f, i64, u8].flatMap((make): Line[] => [
    { op: 'Where', inputs: [bool([3, 4]), make([3, 4]), make([3, 4])] },
    { op: 'Where', inputs: [bool([3, 1]), make([4]), make([2, 1, 1])] },
    { op: 'Where', inputs: [bool([1]), make([4]), make([2, 1, 1])] },
  ]),
  ...product({ low: [undefined, -0.5], high: [undefined, 0.5] }).map(({ low, high }): Line => ({ op: 'Clip', inputs: [f([3, 4, 5, 6]),
    low === undefined ? undefined : scalar(floats(low)), high === undefined ? undefined : scalar(floats(high))] })),
  { op: 'Clip', inputs: [f([9]), scalar(floats(1)), scalar(floats(-1))], opset: 13 },
  { op: 'Clip', inputs: [i8([9]), shaped(i8([1], -9, -9)), undefined] },
  { op: 'Clip', inputs: [f([9])], attributes: { min: { float: -1 }, max: { float: 0.5 } }, opset: 6 },
  { op: 'IsInf', inputs: [floats(1, Infinity, -Infinity, NaN)], attributes: { detect_negative: 0 } },
  { op: 'IsNaN', inputs: [floats(1, Infinity, -Infinity, NaN)] },
  { op: 'BitwiseAnd', inputs: [i32([3, 4]), i32([4])] },
  { op: 'BitwiseOr', inputs: [i32([3, 4]), i32([4])] },
  { op: 'BitwiseXor', inputs: [i32([3, 4]), i32([4])] },
  { op: 'BitwiseNot', inputs: [i32([3, 4])] },
  ...['LEFT', 'RIGHT'].map((direction): Line => ({ op: 'BitShift', inputs: [u8([3, 4]), u8([4], 0, 7)], attributes: { direction } })),
  ...product({ to: [1, 6, 7, 2, 3, 9, 11], from: [f, i32, i64, u8, bool] as const }).map(({ to, from }): Line => ({ op: 'Cast',
    inputs: [to === 2 && from !== bool ? from([3, 4], 0, 9) : from([3, 4])], attributes: { to } })),
]

const conv: Line[] = [
  ...product({ rank: [1, 2, 3], groups: [1, 2], stride: [1, 2], dilation: [1, 2], pad: ['zero', 'some', 'SAME_UPPER', 'SAME_LOWER',
    'VALID'] }).flatMap(({ rank, groups, stride, dilation, pad }): Line[] => {
    if (pad.startsWith('SAME') && dilation > 1) return []
    const fill = <T>(v: T) => Array<T>(rank).fill(v)
    const attributes = { group: groups, strides: fill(stride), dilations: fill(dilation), ...(pad === 'some' ? { pads: Array.from({ length: 2 * rank }, (_,
      i) => i % 3) } : pad === 'zero' ? {} : { auto_pad: pad }) }
    return [{ op: 'Conv', inputs: [f([2, 4, ...[7, 8, 6].slice(0, rank)]), f([6, 4 / groups, ...[3, 2, 3].slice(0, rank)]),
      groups === 1 ? f([6]) : undefined], attributes }]
  }),
  ...product({ rank: [1, 2, 3], groups: [1, 2], stride: [1, 2, 3], dilation: [1, 2], pads: [0, 1], extra: [0, 1] }).flatMap(({ rank, groups, stride,
    dilation, pads, extra }): Line[] => {
    if (extra >= stride) return []
    const fill = <T>(v: T) => Array<T>(rank).fill(v)
    return [{ op: 'ConvTranspose', inputs: [f([2, 4, ...[4, 5, 3].slice(0, rank)]), f([4, 3, ...[3, 2, 3].slice(0, rank)]),
      groups === 1 ? f([3]) : undefined], attributes: { group: groups, strides: fill(stride), dilations: fill(dilation), pads: [...fill(pads), ...fill(0)],
        output_padding: fill(extra) } }]
  }),
  { op: 'ConvTranspose', inputs: [f([1, 1, 3, 3]), f([1, 2, 3, 3])], attributes: { strides: [3, 2], output_shape: [10, 8] } },
  { op: 'ConvTranspose', inputs: [f([1, 1, 3, 3]), f([1, 2, 3, 3])], attributes: { strides: [3, 2], output_shape: [10, 8], output_padding: [1, 1] } },
  { op: 'ConvTranspose', inputs: [f([1, 1, 3, 3]), f([1, 2, 3, 3])], attributes: { strides: [2, 2], auto_pad: 'SAME_UPPER' } },
  { op: 'ConvTranspose', inputs: [f([1, 1, 3, 3]), f([1, 2, 3, 3])], attributes: { strides: [2, 2], auto_pad: 'SAME_LOWER' } },
  { op: 'ConvTranspose', inputs: [f([1, 1, 3, 3]), f([1, 2, 3, 3])], attributes: { kernel_shape: [3, 3], strides: [3, 2], pads: [1, 2, 1, 2] } },
  ...product({ groups: [1, 2], offsets: [1, 2], stride: [1, 2], mask: [true, false] }).map(({ groups, offsets, stride, mask }): Line => {
    const side = stride === 1 ? 5 : 3
    return { op: 'DeformConv', inputs: [f([2, 4, 6, 6]), f([6, 4 / groups, 2, 2]), f([2, offsets * 8, side, side]), f([6]), mask ? f([2, offsets * 4, side,
      side]) : undefined], attributes: { group: groups, offset_group: offsets, strides: [stride, stride], kernel_shape: [2, 2] }, opset: 19 }
  }),
  { op: 'DeformConv', inputs: [f([1, 2, 6, 6]), f([3, 2, 3, 3]), f([1, 18, 6, 6]), undefined, f([1, 9, 6, 6])], attributes: { pads: [2, 2, 2, 2],
    dilations: [2, 2] }, opset: 19 },
  { op: 'Col2Im', inputs: [f([2, 12, 20]), ints(5, 6), ints(2, 2)], opset: 18 },
  { op: 'Col2Im', inputs: [f([1, 8, 12]), ints(5, 5), ints(2, 2)], attributes: { dilations: [2, 1] }, opset: 18 },
  { op: 'Col2Im', inputs: [f([1, 4, 49]), ints(6, 6), ints(2, 2)], attributes: { pads: [1, 1, 1, 1] }, opset: 18 },
  { op: 'Col2Im', inputs: [f([1, 10, 12]), ints(3, 4, 5), ints(1, 1, 5)], opset: 18 },
  { op: 'Col2Im', inputs: [f([2, 16, 18]), ints(3, 4, 4), ints(2, 2, 2)], opset: 18 },
]

const pool: Line[] = [
  ...product({ op: ['MaxPool', 'AveragePool', 'LpPool'], rank: [1, 2, 3], stride: [1, 2], dilation: [1, 2], ceil: [0, 1], pads: ['zero', 'one', 'SAME_UPPER',
    'SAME_LOWER', 'VALID'] }).flatMap(({ op, rank, stride, dilation, ceil, pads }): Line[] => {
    const fill = <T>(v: T) => Array<T>(rank).fill(v)
    if (pads.startsWith('SAME') && dilation > 1) return []
    const attributes = { kernel_shape: [3, 2, 3].slice(0, rank), strides: fill(stride), dilations: fill(dilation), ceil_mode: ceil,
      ...(pads === 'one' ? { pads: fill(1).concat(fill(0)) } : pads === 'zero' ? {} : { auto_pad: pads }) }
    const inputs = [f([2, 3, ...[9, 8, 7].slice(0, rank)])]
    return op === 'AveragePool' ? [0, 1].map((count_include_pad): Line => ({ op, inputs, attributes: { ...attributes, count_include_pad },
      opset: 19 })) : [{ op, inputs, attributes, outputs: op === 'MaxPool' ? random.pick([1, 2]) : 1, opset: 18 }]
  }),
  { op: 'MaxPool', inputs: [u8([1, 2, 5, 5])], attributes: { kernel_shape: [3, 3], strides: [2, 2] } },
  { op: 'MaxPool', inputs: [i8([1, 2, 5, 5])], attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } },
  { op: 'MaxPool', inputs: [f([1, 2, 5, 5])], attributes: { kernel_shape: [2, 2], storage_order: 1 }, outputs: 2 },
  { op: 'MaxPool', inputs: [f([2, 9, 7, 4])], attributes: { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1], storage_order: 1 }, outputs: 2 },
  { op: 'MaxPool', inputs: [u8([2, 6, 7, 4])], attributes: { kernel_shape: [3, 2], dilations: [2, 1] }, outputs: 2 },
  { op: 'LpPool', inputs: [f([1, 2, 5, 5])], attributes: { kernel_shape: [2, 2], p: 3 } },
  ...['GlobalMaxPool', 'GlobalAveragePool', 'GlobalLpPool'].flatMap((op): Line[] => [[2, 3, 7], [2, 3, 5, 6], [2, 3, 4, 3, 2]].map((shape) => ({ op,
    inputs: [f(shape)] }))),
  { op: 'GlobalLpPool', inputs: [f([2, 3, 5])], attributes: { p: 1 } },
  { op: 'MaxUnpool', inputs: [f([1, 1, 2, 2]), shaped(ints(5, 7, 13, 15), 1, 1, 2, 2)], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
]

const shapes = [[2, 6], [2, 6, 5], [2, 6, 5, 4], [2, 6, 3, 4, 2]]
const norm: Line[] = [
  ...shapes.flatMap((shape): Line[] => [
    { op: 'BatchNormalization', inputs: [f(shape), f([6]), f([6]), f([6]), f([6], 0.2, 2)], attributes: { epsilon: { float: 0.01 } }, opset: 15 },
    { op: 'BatchNormalization', inputs: [f(shape), f([6]), f([6]), f([6]), f([6], 0.2, 2)], opset: 9 },
    ...(shape.length > 2 ? [{ op: 'InstanceNormalization', inputs: [f(shape), f([6]), f([6])], tolerance: 1e-4 }] : []),
    ...(shape.length > 2 ? [{ op: 'GroupNormalization', inputs: [f(shape), f([6]), f([6])], attributes: { num_groups: 3 }, opset: 21, tolerance: 1e-4 }] : []),
    ...(shape.length > 2 ? [{ op: 'GroupNormalization', inputs: [f(shape), f([3]), f([3])], attributes: { num_groups: 3, epsilon: { float: 0.1 } },
      opset: 18, tolerance: 1e-4 }] : []),
    ...(shape.length === 4 ? [{ op: 'LRN', inputs: [f(shape)], attributes: { size: 3 } }, { op: 'LRN', inputs: [f(shape)], attributes: { size: 5,
      alpha: { float: 0.3 }, beta: { float: 0.5 }, bias: { float: 2 } } }] : []),
    ...shape.flatMap((_, axis): Line[] => {
      const scales = shape.slice(axis)
      return [
        { op: 'LayerNormalization', inputs: [f(shape), f(scales), f(scales)], attributes: { axis }, outputs: 3, opset: 17, tolerance: 1e-4 },
        { op: 'LayerNormalization', inputs: [f(shape), f(scales)], attributes: { axis: axis - shape.length, epsilon: { float: 0.1 } }, opset: 17,
          tolerance: 1e-4 },
        { op: 'RMSNormalization', inputs: [f(shape), f(scales)], attributes: { axis }, opset: 23, tolerance: 1e-4 },
        ...[1, 2].map((p): Line => ({ op: 'LpNormalization', inputs: [f(shape)], attributes: { axis, p } })),
        ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((op): Line[] => [13, 11, 6].map((opset) => ({ op, inputs: [f(shape)], attributes: { axis }, opset }))),
      ]
    }),
    ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((op): Line[] => [13, 11].map((opset) => ({ op, inputs: [f(shape)], opset }))),
  ]),
  { op: 'MeanVarianceNormalization', inputs: [f([2, 3, 4, 5])], tolerance: 1e-4 },
  ...[[0, 3, 4, 5], [2, 0, 4, 5]].flatMap((shape): Line[] => [{ op: 'LpNormalization', inputs: [f(shape)], attributes: { axis: 1 } }, { op: 'MeanVarianceNormalization', inputs: [f(shape)] }, { op: 'LRN', inputs: [f(shape)], attributes: { size: 3 } }]),
  { op: 'MeanVarianceNormalization', inputs: [f([2, 3, 4, 5])], attributes: { axes: [0, 2] }, tolerance: 1e-4 },
  { op: 'MeanVarianceNormalization', inputs: [f([2, 3, 4, 5])], attributes: { axes: [1, 2, 3] }, tolerance: 1e-4 },
]

const matrix: Line[] = [
  ...[[[3], [3]], [[3, 4], [4]], [[4], [4, 2]], [[3, 4], [4, 2]], [[2, 3, 4], [4, 5]], [[2, 3, 4], [2, 4, 5]], [[2, 1, 3, 4], [5, 4, 2]], [[5, 3, 4], [2, 1,
    4, 6]], [[2, 3, 4], [4]], [[1, 4], [3, 4, 7]]].flatMap(([a, b]): Line[] => [
    { op: 'MatMul', inputs: [f(a!), f(b!)] },
    { op: 'MatMul', inputs: [i32(a!), i32(b!)] },
  ]),
  ...product({ transA: [0, 1], transB: [0, 1], c: [undefined, [], [1], [5], [3, 1], [1, 5], [3, 5]] as const, scaled: [false, true] }).map(({ transA, transB,
    c, scaled }): Line => ({
    op: 'Gemm',
    inputs: [f(transA ? [4, 3] : [3, 4]), f(transB ? [5, 4] : [4, 5]), c && f(c)],
    attributes: { transA, transB, ...(scaled && { alpha: { float: 0.5 }, beta: { float: 2 } }) },
    opset: 13,
  })),
  { op: 'Gemm', inputs: [f([1, 7]), f([7, 1]), f([1])] },
  ...Object.entries({
    'ij,jk->ik': [[3, 4], [4, 5]], 'ij,jk': [[3, 4], [4, 5]], 'bij,bjk->bik': [[2, 3, 4], [2, 4, 5]], 'i,i->': [[5], [5]], 'i,i': [[5], [5]],
      'i,j->ij': [[3], [4]], 'ij->ji': [[3, 4]], 'ji': [[3, 4]], 'ij->': [[3, 4]], 'ij->i': [[3, 4]],
    'ii->i': [[4, 4]], 'ii': [[4, 4]], 'iji->j': [[3, 4, 3]], '...ij,...jk->...ik': [[2, 3, 4], [2, 4, 5]], '...ii->...i': [[2, 3, 3]],
      'bhid,bhjd->bhij': [[2, 3, 4, 5], [2, 3, 6, 5]], 'bij,bjk,bkl->bil': [[2, 3, 4], [2, 4, 5], [2, 5, 2]], 'b i d, b j d -> b i j': [[2, 3, 4], [2, 5, 4]],
    'nchw,kc->nkhw': [[2, 3, 4, 5], [6, 3]], 'ij,ij->ij': [[3, 4], [3, 4]], 'ijk,k->ij': [[2, 3, 4], [4]], '...,...->...': [[3, 4], [3, 4]],
      'i...->...i': [[3, 4, 5]],
    'nhwc->nchw': [[2, 3, 4, 5]], 'abcd->db': [[2, 3, 4, 5]], 'bld,dn->bldn': [[2, 3, 4], [4, 5]], 'bld,bln,bld->bldn': [[2, 3, 4], [2, 3, 5], [2, 3, 4]],
      'bn,bn->b': [[3, 4], [3, 4]], 'ab,bc,cd->da': [[3, 4], [4, 5], [5, 2]], 'a,b,c->cab': [[2], [3], [4]], 'abc,dbe->a': [[2, 3, 4], [5, 3, 2]],
      'cij,cjk->cik': [[1, 3, 4], [2, 4, 5]], 'ij,jk->k': [[3, 4], [1, 5]], '...ij,jk->...ki': [[2, 3, 4], [4, 5]], 'ab,ab,ab->': [[3, 4], [3, 4], [3, 4]],
  }).map(([equation, shapes]): Line => ({ op: 'Einsum', inputs: shapes.map((shape) => f(shape)), attributes: { equation } })),
]

const reduce: Line[] = [
  ...product({ op: ['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp',
    'ReduceSumSquare'], shape: [[3, 2, 2], [2, 3, 4, 5], [7]], axes: [undefined, [0], [1], [-1], [0, 1], [-2, -1], [0, -1]] as const, keepdims: [0,
      1] }).flatMap(({ op, shape, axes, keepdims }): Line[] =>
    shape.length === 1 && axes && (axes.length > 1 || axes[0] === 1) ? [] : [
      { op, inputs: [f(shape, op === 'ReduceLogSum' ? 0.1 : -2), ...(axes ? [ints(...axes)] : [])], attributes: { keepdims }, opset: 18 },
      { op, inputs: [f(shape, op === 'ReduceLogSum' ? 0.1 : -2)], attributes: { keepdims, ...(axes && { axes: [...axes] }) }, opset: 11 },
    ],
  ),
  ...['ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceSumSquare', 'ReduceProd'].map((op): Line => ({ op, inputs: [i32([3, 4, 2]), ints(1)],
    opset: 18 })),
  ...['ReduceSum', 'ReduceMean', 'ReduceL2', 'ReduceMax'].flatMap((op): Line[] => [{ op, inputs: [f([2, 3, 4]), ints()],
    attributes: { noop_with_empty_axes: 1 }, opset: 18 }, { op, inputs: [f([2, 3, 4])], attributes: { noop_with_empty_axes: 1 }, opset: 18 }, { op,
      inputs: [f([2, 3, 4]), ints()], opset: 18 }]),
  ...['ReduceSum', 'ReduceL1', 'ReduceL2', 'ReduceProd', 'ReduceSumSquare'].flatMap((op): Line[] => [0, 1].map((keepdims) => ({ op, inputs: [f([2, 0, 4]),
    ints(1)], attributes: { keepdims }, opset: 18 }))),
  ...product({ op: ['ArgMax', 'ArgMin'], axis: [0, 1, -1, undefined], keepdims: [0, 1], select_last_index: [0, 1] }).map(({ op, axis, keepdims,
    select_last_index }): Line => ({ op, inputs: [asFloat(i32([3, 4, 5], -2, 2))], attributes: { keepdims, select_last_index,
      ...(axis !== undefined && { axis }) }, opset: 13 })),
  { op: 'ArgMax', inputs: [i32([3, 4, 5])], attributes: { axis: 1 } },
  ...product({ exclusive: [0, 1], reverse: [0, 1], axis: [0, 1, -1] }).flatMap(({ exclusive, reverse, axis }): Line[] => [f, i32,
    i64].map((make) => ({ op: 'CumSum', inputs: [make([2, 3, 4]), scalar(ints(axis))], attributes: { exclusive, reverse } }))),
  ...product({ largest: [0, 1], axis: [0, 1, -1], k: [1, 2] }).flatMap(({ largest, axis, k }): Line[] => [f, i32, i64].map((make) => ({ op: 'TopK',
    inputs: [make([2, 3, 4]), ints(k)], attributes: { largest, axis }, outputs: 2 }))),
  { op: 'TopK', inputs: [f([2, 7])], attributes: { k: 3 }, outputs: 2, opset: 6 },
  { op: 'TopK', inputs: [u8([3, 9]), ints(4)], outputs: 2 },
  { op: 'TopK', inputs: [{ ...i64([3, 9]), data: BigInt64Array.from(random.integers(27), (v) => BigInt(v) * 2n ** 40n) }, ints(4)], outputs: 2 },
]

const resize: Line[] = [
  ...product({ mode: ['nearest', 'linear', 'cubic'], transform: ['half_pixel', 'half_pixel_symmetric', 'pytorch_half_pixel', 'align_corners', 'asymmetric'],
    size: [[1, 1, 8, 6], [1, 1, 3, 2], [1, 1, 7, 9], [1, 1, 4, 4], [1, 1, 1, 1]], by: ['scales', 'sizes'] }).filter(({ transform, size,
      by }) => !(by === 'scales' && transform === 'align_corners' && size[3] === 9)).map(({ mode, transform, size, by }): Line => ({
    op: 'Resize',
    inputs: by === 'scales' ? [f([1, 1, 4, 5]), undefined, floats(...size.map((length, i) => length / [1, 1, 4, 5][i]!))] : [f([1, 1, 4, 5]), undefined,
      undefined, ints(...size)],
    attributes: { mode, coordinate_transformation_mode: transform },
    opset: 19,
  })),
  ...product({ transform: ['half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'], nearest: ['round_prefer_floor', 'round_prefer_ceil', 'floor',
    'ceil'], size: [[1, 2, 8, 10], [1, 2, 3, 3], [1, 2, 6, 7]] }).map(({ transform, nearest, size }): Line => ({ op: 'Resize', inputs: [f([1, 2, 4, 5]),
      undefined, undefined, ints(...size)], attributes: { mode: 'nearest', coordinate_transformation_mode: transform, nearest_mode: nearest }, opset: 13 })),
  ...product({ mode: ['linear', 'cubic'], size: [[1, 1, 8, 6], [1, 1, 3, 2], [1, 1, 7, 9], [1, 1, 2, 2]], exclude_outside: [0, 1], antialias: [0,
    1] }).map(({ mode, size, exclude_outside, antialias }): Line => ({ op: 'Resize', inputs: [f([1, 1, 6, 7]), undefined, undefined, ints(...size)],
      attributes: { mode, antialias, ...(mode === 'cubic' && { exclude_outside, cubic_coeff_a: { float: -0.5 } }) }, opset: 18 })),
  ...product({ scale: [0.6, 0.8, 1.3, 2.5, 1.999], mode: ['nearest', 'linear', 'cubic'], transform: ['half_pixel', 'asymmetric',
    'pytorch_half_pixel'] }).map(({ scale, mode, transform }): Line => ({ op: 'Resize', inputs: [f([1, 1, 5, 6]), undefined, floats(1, 1, scale, scale)],
      attributes: { mode, coordinate_transformation_mode: transform }, opset: 13 })),
  ...product({ mode: ['nearest', 'linear', 'cubic'], transform: ['tf_crop_and_resize'] }).flatMap(({ mode, transform }): Line[] => [[0, 0, 0.4, 0.6, 1, 1,
    0.6, 0.8], [0, 0, -0.1, 0.2, 1, 1, 1.2, 0.9]].map((region) => ({ op: 'Resize', inputs: [f([1, 1, 4, 5]), floats(...region), undefined, ints(1, 1, 3, 3)],
      attributes: { mode, coordinate_transformation_mode: transform, extrapolation_value: { float: 10 } }, opset: 13 }))),
  // Of an axis that keeps its length the region says nothing.
  ...['nearest', 'linear', 'cubic'].map((mode): Line => ({ op: 'Resize', inputs: [f([2, 3, 4, 5]), floats(0, 0.5, 0, 0.2, 2, 1.5, 2, 0.9), floats(1, 1, 1, 2)],
      attributes: { mode, coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: { float: 10 } }, opset: 13 })),
  ...product({ axes: [[2, 3], [3, 2]], policy: ['stretch', 'not_larger', 'not_smaller'], mode: ['nearest', 'linear'] }).map(({ axes, policy,
    mode }): Line => ({ op: 'Resize', inputs: [f([1, 2, 4, 5]), undefined, undefined, ints(7, 8)], attributes: { axes, mode,
      keep_aspect_ratio_policy: policy }, opset: 18 })),
  { op: 'Resize', inputs: [f([1, 2, 4, 5]), undefined, floats(1.5, 2)], attributes: { axes: [2, 3], mode: 'linear' }, opset: 18 },
  { op: 'Resize', inputs: [f([2, 3, 4]), undefined, undefined, ints(2, 3, 9)], attributes: { mode: 'linear' }, opset: 13 },
  { op: 'Resize', inputs: [f([4, 5]), undefined, undefined, ints(7, 9)], attributes: { mode: 'linear' }, opset: 13 },
  { op: 'Resize', inputs: [f([1, 2, 3, 4, 5]), undefined, undefined, ints(1, 2, 5, 6, 7)], attributes: { mode: 'linear' }, opset: 13 },
  { op: 'Resize', inputs: [f([1, 2, 3, 4, 5]), undefined, undefined, ints(1, 2, 6, 8, 10)], attributes: { mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }, opset: 13 },
  { op: 'Resize', inputs: [f([1, 2, 4, 5]), floats(1, 1, 2, 2)], opset: 10 },
  { op: 'Resize', inputs: [f([1, 2, 4, 5]), floats(1, 1, 2.5, 1.5)], attributes: { mode: 'linear' }, opset: 10 },
  { op: 'Resize', inputs: [i32([1, 2, 4, 5]), undefined, undefined, ints(1, 2, 6, 7)], opset: 13 },
  { op: 'Resize', inputs: [u8([1, 2, 4, 5]), undefined, undefined, ints(1, 2, 8, 10)], opset: 13 },
  ...['nearest', 'linear'].map((mode): Line => ({ op: 'Upsample', inputs: [f([1, 2, 4, 5]), floats(1, 1, 2, 3)], attributes: { mode }, opset: 9 })),
  { op: 'Upsample', inputs: [f([1, 2, 4, 5])], attributes: { scales: { floats: [1, 1, 2, 2] } }, opset: 7 },
  ...product({ mode: ['bilinear', 'nearest', 'bicubic'], padding_mode: ['zeros', 'border', 'reflection'], align_corners: [0, 1] }).flatMap(({ mode,
    padding_mode, align_corners }): Line[] => [
    { op: 'GridSample', inputs: [f([2, 3, 5, 4]), f([2, 4, 6, 2], -1.4, 1.4)], attributes: { mode, padding_mode, align_corners }, opset: 16, tolerance: 1e-4 },
    { op: 'GridSample', inputs: [f([2, 3, 5, 4]), f([2, 4, 6, 2], -3, 3)], attributes: { mode: mode.replace('bilinear', 'linear').replace('bicubic',
      'cubic'), padding_mode, align_corners }, opset: 20, tolerance: 1e-4 },
    ...(mode === 'bicubic' ? [] : [{ op: 'GridSample', inputs: [f([2, 3, 5, 4, 3]), f([2, 2, 4, 6, 3], -1.4, 1.4)],
      attributes: { mode: mode.replace('bilinear', 'linear'), padding_mode, align_corners }, opset: 20, tolerance: 1e-4 }]),
  ]),
  ...product({ align_corners: [0, 1] }).flatMap(({ align_corners }): Line[] => [
    { op: 'AffineGrid', inputs: [f([2, 2, 3]), ints(2, 3, 5, 6)], attributes: { align_corners }, opset: 20 },
    { op: 'AffineGrid', inputs: [f([2, 3, 4]), ints(2, 3, 4, 5, 6)], attributes: { align_corners }, opset: 20 },
  ]),
  ...product({ mode: ['avg', 'max'], coordinate_transformation_mode: ['half_pixel', 'output_half_pixel'], sampling_ratio: [0, 2, 9] }).map(({ mode,
    coordinate_transformation_mode, sampling_ratio }): Line => ({
    op: 'RoiAlign',
    // The last three are far larger than the image, outside of it, and turned over.
    inputs: [f([2, 5, 8, 8]), shaped(floats(0, 0, 5, 6, 2, 1, 14, 15, -1, -2, 9, 20, -90, -60, 300, 200, 40, 40, 60, 50, 9, 8, 3, 2), 6, 4),
      ints(0, 1, 0, 1, 1, 0)],
    attributes: { mode, coordinate_transformation_mode, sampling_ratio, spatial_scale: { float: 0.5 }, output_height: 3, output_width: 4 },
    opset: 16,
  })),
  { op: 'RoiAlign', inputs: [f([1, 2, 8, 8]), shaped(floats(0, 0, 5, 6), 1, 4), ints(0)], attributes: { output_height: 3, output_width: 3,
    sampling_ratio: 2 }, opset: 10 },
  ...product({ centre: [0, 1], most: [undefined, 0, 2, 10], overlap: [undefined, 0.3, 0.7], least: [undefined, 0.4] }).map(({ centre, most, overlap,
    least }): Line => ({
    op: 'NonMaxSuppression',
    inputs: [f([2, 12, 4], 0, 1), f([2, 3, 12], 0, 1), most === undefined ? undefined : ints(most), overlap === undefined ? undefined : floats(overlap),
      least === undefined ? undefined : floats(least)],
    attributes: { center_point_box: centre },
  })),
  // Batch after batch: few stay of many, whose scores are often the same.
  ...product({ most: [3, 40, 500], overlap: [0.01, 0.3], centre: [0, 1] }).map(({ most, overlap, centre }): Line => ({
    op: 'NonMaxSuppression',
    inputs: [f([2, 203, 4], 0, 1), { ...f([2, 3, 203]), data: Float32Array.from(random.integers(2 * 3 * 203, 0, 30), (v) => v / 30) }, ints(most), floats(overlap), floats(0.2)],
    attributes: { center_point_box: centre },
  })),
  ...[[3, 4, 2], [10, 7, 9], [20, 10, 3]].flatMap((want): Line[] => [
    { op: 'CenterCropPad', inputs: [f([20, 8, 3]), ints(...want)], opset: 18 },
    { op: 'CenterCropPad', inputs: [f([20, 8, 3]), ints(want[0]!, want[1]!)], attributes: { axes: [0, -2] }, opset: 18 },
  ]),
]

// ONNX Runtime wants to know the lengths of a Resize before the run.
for (const line of resize) if (line.op === 'Resize') line.fixed = true

const movement: Line[] = [
  ...product({ mode: ['constant', 'edge', 'reflect', 'wrap'], pads: [[0, 0, 1, 2, 0, 0, 2, 1], [1, 0, 0, 0, 0, 2, 0, 0], [0, 0, -1, -1, 0, 0, 0, -1], [0, 0,
    2, -1, 0, 0, 0, 2], [0, 1, 1, 3, 0, 1, 1, 3]] }).flatMap(({ mode, pads }): Line[] => [
    ...(mode === 'constant' ? [{ op: 'Pad', inputs: [f([2, 3, 4, 5]), ints(...pads), scalar(floats(1.5))], attributes: { mode }, opset: 19 }] : []),
    { op: 'Pad', inputs: [f([2, 3, 4, 5]), ints(...pads)], attributes: { mode }, opset: 19 },
    { op: 'Pad', inputs: [i32([2, 3, 4, 5]), ints(...pads)], attributes: { mode }, opset: 19 },
    ...(mode === 'wrap' ? [] : [{ op: 'Pad', inputs: [f([2, 3, 4, 5])], attributes: { mode, pads, value: { float: 0.5 } }, opset: 6 }]),
  ]),
  ...['constant', 'edge', 'reflect', 'wrap'].flatMap((mode): Line[] => [[1, 3], [-1, 1], [3, -3]].map((axes) => ({ op: 'Pad', inputs: [f([2, 3, 4, 5]),
    ints(1, 0, 2, 2), undefined, ints(...axes)], attributes: { mode }, opset: 19 }))),
  ...[[0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2], [3, 2, 1, 0], [1, 0, 3, 2], undefined].flatMap((perm): Line[] => [f, i64].map((make) => ({ op: 'Transpose',
    inputs: [make([2, 3, 4, 5])], attributes: perm ? { perm } : {} }))),
  ...product({ axis: [0, 1, 2, -1] }).flatMap(({ axis }): Line[] => [f, i64, u8].map((make) => ({ op: 'Concat', inputs: [make([2, 3, 4]), make([2, 3, 4]),
    make([2, 3, 4])], attributes: { axis } }))),
  ...product({ axis: [0, 1, 2, -1] }).flatMap(({ axis }): Line[] => [
    { op: 'Split', inputs: [f([4, 6, 8])], attributes: { axis, num_outputs: 2 }, outputs: 2, opset: 18 },
    { op: 'Split', inputs: [f([4, 6, 8]), ints(1, [4, 6, 8].at(axis)! - 1)], attributes: { axis }, outputs: 2, opset: 18 },
    { op: 'Split', inputs: [f([4, 6, 8])], attributes: { axis, split: [1, [4, 6, 8].at(axis)! - 1] }, outputs: 2, opset: 11 },
    { op: 'Split', inputs: [f([7, 7, 7])], attributes: { axis, num_outputs: 3 }, outputs: 3, opset: 18 },
  ]),
  ...[
    [[0], [2], undefined, undefined], [[1, 0], [3, 2], [1, 2], undefined], [[-3], [-1], [2], undefined], [[4], [0], [2], [-1]], [[-1], [-1000], [2], [-2]],
      [[0, 0, 0], [10, 10, 10], [0, 1, 2], [2, 1, 3]], [[3], [1], [2], undefined], [[0], [9e15], [-1], [2]], [[4, 3], [-1000, -1000], [-1, -2], [-1, -1]],
  ].flatMap((parts): Line[] => [f, i64].map((make) => ({ op: 'Slice', inputs: [make([3, 4, 5]), ...parts.map((part) => part && ints(...part))] }))),
  { op: 'Slice', inputs: [f([3, 4, 5])], attributes: { starts: [0, 1], ends: [2, -1], axes: [0, 2] }, opset: 6 },
  ...[[1, 2, 3], [2, 1, 1], [0, 1, 1]].flatMap((repeats): Line[] => [f, i64].map((make) => ({ op: 'Tile', inputs: [make([2, 3, 4]), ints(...repeats)] }))),
  ...[[2, 3, 4], [3, 1], [1], [2, 1, 3, 4], [5, 1, 1, 1]].map((wanted): Line => ({ op: 'Expand', inputs: [f([3, 1]), ints(...wanted)] })),
  ...[[24], [4, -1], [0, 0, 4], [0, -1], [2, 1, 12], [-1, 2, 2]].map((wanted): Line => ({ op: 'Reshape', inputs: [f([2, 3, 4]), ints(...wanted)] })),
  { op: 'Reshape', inputs: [f([0, 3, 4]), ints(3, 4, 0)], attributes: { allowzero: 1 } },
  { op: 'Reshape', inputs: [f([2, 3])], attributes: { shape: [3, -1] }, opset: 1 },
  ...[0, 1, 2, 3, 4, -1, -3].map((axis): Line => ({ op: 'Flatten', inputs: [f([2, 3, 4, 5])], attributes: { axis } })),
  { op: 'Squeeze', inputs: [f([1, 3, 1, 5]), ints(0)] }, { op: 'Squeeze', inputs: [f([1, 3, 1, 5]), ints(-2)] }, { op: 'Squeeze', inputs: [f([1, 3, 1,
    5])] }, { op: 'Squeeze', inputs: [f([1, 3, 1, 5])], attributes: { axes: [0, 2] }, opset: 11 },
  { op: 'Unsqueeze', inputs: [f([3, 5]), ints(0, 3)] }, { op: 'Unsqueeze', inputs: [f([3, 5]), ints(-1, 1)] }, { op: 'Unsqueeze', inputs: [f([3, 5])],
    attributes: { axes: [1, 0] }, opset: 11 },
  ...product({ axis: [0, 1, 2, -1] }).flatMap(({ axis }): Line[] => [
    ...[f, i64].flatMap((make): Line[] => [{ op: 'Gather', inputs: [make([3, 4, 5]), ints(0, 2, -1)], attributes: { axis } }, { op: 'Gather',
      inputs: [make([3, 4, 5]), shaped(ints(0, 2, -1, 1), 2, 2)], attributes: { axis } }, { op: 'Gather', inputs: [make([3, 4, 5]), scalar(ints(-2))],
        attributes: { axis } }]),
    { op: 'GatherElements', inputs: [f([3, 4, 5]), i64([3, 4, 5].map((length, i) => (i === (axis + 3) % 3 ? 2 : length)), -3, 2)], attributes: { axis } },
    ...['none', 'add', 'mul', 'max', 'min'].map((reduction): Line => {
      // Without a reduction a place that is written twice is left open.
      const shape = [3, 4, 5].map((length, i) => (i === (axis + 3) % 3 ? (reduction === 'none' ? 1 : 2) : length))
      return { op: 'ScatterElements', inputs: [f([3, 4, 5]), i64(shape, -3, 2), f(shape)], attributes: { axis, reduction }, opset: 18 }
    }),
  ]),
  { op: 'GatherND', inputs: [f([2, 3, 4]), shaped(ints(0, 1, 1, 2), 2, 2)] }, { op: 'GatherND', inputs: [f([2, 3, 4]), shaped(ints(0, -1), 2, 1)] },
    { op: 'GatherND', inputs: [f([2, 3, 4]), shaped(ints(0, 1, 3, 1, 2, -1), 2, 3)] },
  { op: 'GatherND', inputs: [f([2, 3, 4]), shaped(ints(1, 0), 2, 1)], attributes: { batch_dims: 1 } }, { op: 'GatherND', inputs: [i64([2, 3, 4]),
    shaped(ints(1, 0, 2, 1), 2, 2, 1)], attributes: { batch_dims: 1 } },
  ...['none', 'add', 'mul', 'max', 'min'].flatMap((reduction): Line[] => [
    { op: 'ScatterND', inputs: [f([4, 4, 3]), shaped(ints(0, 2), 2, 1), f([2, 4, 3])], attributes: { reduction }, opset: 18 },
    { op: 'ScatterND', inputs: [f([8]), shaped(ints(4, 3, 1, -1), 4, 1), f([4])], attributes: { reduction }, opset: 18 },
    { op: 'ScatterND', inputs: [f([4, 4, 3]), shaped(ints(0, 2, 1, 3), 2, 2), f([2, 3])], attributes: { reduction }, opset: 18 },
  ]),
  ...['DCR', 'CRD'].map((mode): Line => ({ op: 'DepthToSpace', inputs: [f([2, 12, 3, 4])], attributes: { blocksize: 2, mode } })),
  { op: 'SpaceToDepth', inputs: [f([2, 3, 4, 6])], attributes: { blocksize: 2 } },
  ...[[0, 2], [1, 3], [-2, -1], [2, 1], [-9, 9]].map(([start, end]): Line => ({ op: 'Shape', inputs: [f([2, 3, 4])], attributes: { start: start!,
    end: end! }, opset: 15 })),
  { op: 'Size', inputs: [f([2, 3, 4])] },
  { op: 'Range', inputs: [scalar(floats(1)), scalar(floats(5)), scalar(floats(0.7))] }, { op: 'Range', inputs: [scalar(ints(10)), scalar(ints(-6)),
    scalar(ints(-3))] },
  { op: 'ConstantOfShape', inputs: [ints(2, 3)] },
  ...[-1, 0, 1].map((axis): Line => ({ op: 'OneHot', inputs: [i64([2, 3], -5, 5), scalar(ints(4)), floats(2, 5)], attributes: { axis } })),
  { op: 'NonZero', inputs: [i32([3, 4], -1, 1)] }, { op: 'NonZero', inputs: [f([2, 3])] }, { op: 'NonZero', inputs: [bool([2, 3, 4])] },
  ...[-1, 0, 2].flatMap((k): Line[] => [{ op: 'EyeLike', inputs: [f([3, 5])], attributes: { k } }, { op: 'EyeLike', inputs: [i32([4, 3])], attributes: { k,
    dtype: 1 } }]),
  ...product({ upper: [0, 1], k: [undefined, -7, -1, 0, 1, 2, 9] }).flatMap(({ upper, k }): Line[] => [[4, 5], [2, 3, 3]].map((shape) => ({ op: 'Trilu',
    inputs: [f(shape), ...(k === undefined ? [] : [scalar(ints(k))])], attributes: { upper }, opset: 14 }))),
  { op: 'Identity', inputs: [f([2, 3])] }, { op: 'Dropout', inputs: [f([2, 3])], outputs: 2, opset: 13 },
  { op: 'ReverseSequence', inputs: [f([4, 3, 2]), ints(2, 4, 1)] }, { op: 'ReverseSequence', inputs: [f([3, 4, 2]), ints(2, 4, 1)],
    attributes: { time_axis: 1, batch_axis: 0 } },
  { op: 'Compress', inputs: [f([3, 4]), { type: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }], attributes: { axis: 0 } }, { op: 'Compress',
    inputs: [f([3, 4]), { type: 'bool', shape: [5], data: Uint8Array.of(1, 0, 1, 1, 0) }] },
  // More than a few runs of what is kept.
  ...[f, i32, i64, u8].map((make): Line => ({ op: 'Compress', inputs: [make([2, 80]), { type: 'bool', shape: [80], data: Uint8Array.from({ length: 80 },
    (_, i) => Number(i % 3 !== 1)) }], attributes: { axis: 1 } })),
]

export const families: Record<string, Line[]> = { elementwise, conv, pool, norm, matrix, reduce, resize, movement }
