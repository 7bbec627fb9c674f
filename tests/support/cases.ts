/**
 * Every op on awkward shapes, a line each: what has to hold for all of them (tests/kernels/pieces.test.ts,
 * tests/ops/contract.test.ts) is checked by this table. A new op, or a new path through one, is a new line.
 */
import * as image from '../../src/image/index.js'
import * as fb from '../../src/index.js'
import * as nn from '../../src/nn/index.js'
import type { Random } from './random.js'

type Op = (...inputs: fb.Tensor[]) => fb.AnyTensor | { data: Uint8ClampedArray }

export interface Case {
  /** Shapes of the inputs, other ones at every call. */
  shapes: (random: Random) => fb.Shape[]
  /** May leave what it made on the way to the scope that it is called in. */
  op: Op
}

const image4 = (random: Random, channels = random.integer(1, 37), least = 1): number[] => [
  random.integer(1, 2),
  random.integer(least, 14),
  random.integer(least, 19),
  channels,
]

/** One image of any size, at least 3 x 3. */
const photo = (op: Op): Case => ({ shapes: (random) => [image4(random, undefined, 3)], op })
/** x, and a number per channel. */
const perChannel = (op: Op): Case => ({
  shapes: (random) => {
    const c = random.integer(1, 37)
    return [image4(random, c, 3), [c]]
  },
  op,
})
/** One image of 1, 3 or 4 channels. */
const picture = (op: Op): Case => ({ shapes: (random) => [image4(random, random.pick([1, 3, 4]), 3)], op })

const TURN = [
  [0.9, -0.4, 1.5],
  [0.3, 1.1, -2],
] as const

/** The same as bytes, the images of a batch below each other. */
const onBytes = (filter: (pixels: image.Pixels, options: image.FilterOptions) => image.OwnPixels): Case =>
  picture((x) => {
    const [n, h, width] = x!.shape as [number, number, number]
    return filter(
      { data: Uint8ClampedArray.from(x!.toArray(), (v) => 128 + v * 50), width, height: n * h },
      { engine: x!.engine },
    )
  })

/** x, filter, bias; `out` channels a group, any number by default. */
const convolution = (
  kernel: readonly [number, number],
  groups: number,
  op: Op,
  groupIn?: number,
  groupOut?: number,
): Case => ({
  shapes: (random) => {
    const ic = groups * (groupIn ?? random.integer(1, 20))
    const oc = groups * (groupOut ?? random.integer(1, 20))
    return [image4(random, ic, 3), [...kernel, ic / groups, oc], [oc]]
  },
  op,
})

const depthwise = (kernel: readonly [number, number], options: fb.Conv2dOptions): Case => ({
  shapes: (random) => {
    const c = random.integer(1, 37)
    return [image4(random, c, 3), [...kernel, 1, c], [c]]
  },
  op: (x, filter, bias) => fb.conv2d(x!, filter!, { ...options, bias: bias!, groups: x!.shape[3]! }),
})

const quantize = <D extends fb.ByteType = 'uint8'>(x: fb.Tensor, dtype?: D) =>
  fb.quantize(x, { scale: 0.01, zeroPoint: dtype === 'int8' ? 0 : 120, ...(dtype && { dtype }) })

/** x and filter as bytes; a result of float32 where no type is given. */
function ofBytes(
  kernel: readonly [number, number],
  groups: number,
  options: fb.Conv2dOptions,
  dtype?: fb.ByteType,
  groupIn?: number,
): Case {
  return convolution(
    kernel,
    groups,
    (x, filter, bias) =>
      fb.conv2d(quantize(x!), quantize(filter!, 'int8'), {
        ...options,
        bias: bias!,
        ...(dtype && { quantization: { scale: 0.05, zeroPoint: 100, dtype } }),
      }),
    groupIn,
  )
}

const depthwiseBytes = (kernel: readonly [number, number], options: fb.Conv2dOptions): Case => ({
  ...depthwise(kernel, options),
  op: (x, filter, bias) =>
    fb.conv2d(quantize(x!, 'int8'), quantize(filter!, 'int8'), {
      ...options,
      bias: bias!,
      groups: x!.shape[3]!,
      quantization: { scale: 0.05, zeroPoint: 10, dtype: 'uint8' },
    }),
})

/** x, and a grid that leaves the image here and there. */
const sampled = (op: (x: fb.Tensor, grid: fb.Tensor) => fb.Tensor): Case => ({
  shapes: (random) => {
    const x = image4(random)
    return [x, [x[0]!, random.integer(1, 9), random.integer(1, 20), 2]]
  },
  op: (x, grid) => op(x!, fb.mul(grid!, 1.7)),
})

const volumeShape = (random: Random, channels = random.integer(1, 19)): number[][] => [
  [random.integer(1, 2), random.integer(2, 5), random.integer(3, 7), random.integer(3, 9), channels],
]

/** x [n, d, h, w, c], filter and bias. */
const volume = (op: Op, groups = 1): Case => ({
  shapes: (random) => {
    const [ic, oc] = [groups * random.integer(1, 7), groups * random.integer(1, 9)]
    return [...volumeShape(random, ic), [2, 3, 3, ic / groups, oc], [oc]]
  },
  op,
})

/** All derivatives of the sum of squares of what the op gives. */
const backwards = ({ shapes, op }: Case): Case => ({
  shapes,
  op: (...inputs) => {
    const loss = () => {
      const y = op(...inputs) as fb.Tensor
      // Inputs that the op leaves out are reached all the same.
      return inputs.reduce((total, input) => fb.add(total, fb.sum(input)), fb.sum(fb.mul(y, y)))
    }
    return fb.concat(nn.valueAndGradients(loss, inputs).gradients.map((gradient) => gradient.reshape([-1])))
  },
})

/** q, and k and v of fewer heads; a mask for each key. */
const attended = (length: readonly [least: number, most: number], op: Op): Case => ({
  shapes: (random) => {
    const [n, heads, keys, size] = [
      random.integer(1, 2),
      random.integer(1, 2),
      random.integer(1, 150),
      random.integer(1, 20),
    ]
    return [
      [n, heads * 2, random.integer(...length), size],
      [n, heads, keys, size],
      [n, heads, keys, random.integer(1, 20)],
      [n, 1, 1, keys],
    ]
  },
  op,
})

/** x, filter [kh, kw, in, out / groups], bias. */
const transposed = (kernel: readonly [number, number], options: fb.ConvTranspose2dOptions): Case => ({
  shapes: (random) => {
    const groups = options.groups ?? 1
    const ic = groups * random.integer(1, 9)
    const groupOut = random.integer(1, 17)
    return [image4(random, ic, 2), [...kernel, ic, groupOut], [groupOut * groups]]
  },
  op: (x, filter, bias) => fb.convTranspose2d(x!, filter!, { ...options, bias: bias! }),
})

/** Sequences, weights and biases, and initial states of all; lengths, one of them 0, follow from the shapes. */
const sequences = (
  gates: number,
  op: (x: fb.Tensor, options: fb.LstmOptions) => fb.RecurrentResult & { cell?: fb.Tensor },
  hiddenOf = (random: Random) => random.integer(1, 37),
  batchOf = (random: Random) => random.integer(1, 19),
): Case => ({
  shapes: (random) => {
    const [n, steps, width] = [batchOf(random), random.integer(1, 4), random.integer(1, 9)]
    const hidden = hiddenOf(random)
    const columns = gates * hidden
    const shapes = [[n, steps, width], [width, columns], [hidden, columns], [columns], [columns], [n, hidden]]
    return gates === 4 ? [...shapes, [n, hidden]] : shapes
  },
  op: (x, inputWeight, stateWeight, bias, stateBias, initial, cell) => {
    const [n, steps] = x!.shape as [number, number]
    const lengths = Int32Array.from({ length: n }, (_, row) => (row * 3 + steps) % (steps + 1))
    const weights = {
      inputWeight: inputWeight!,
      stateWeight: stateWeight!,
      bias: bias!,
      stateBias: stateBias!,
    }
    const named = { ...weights, initial: initial!, ...(cell && { initialCell: cell }) }
    const results = [
      op(x!, { ...named, lengths }),
      op(x!, { inputWeight: inputWeight!, stateWeight: stateWeight!, reverse: n % 2 === 0 }),
    ]
    return fb.concat(results.flatMap((result) => Object.values(result).map((each) => each.reshape([-1]))))
  },
})

const rnnCase = sequences(1, (x, options) => fb.rnn(x, { ...options, activation: 'relu' }))
const gruCase = sequences(3, fb.gru)
const lstmCase = sequences(4, fb.lstm)
const largeLstm = sequences(
  4,
  fb.lstm,
  (random) => random.integer(256, 265),
  (random) => random.integer(1, 3),
)

export const cases: Record<string, Case> = {
  'conv2d 1x1': convolution([1, 1], 1, (x, filter, bias) =>
    fb.conv2d(x!, filter!, { bias: bias!, activation: 'relu' }),
  ),
  'conv2d 3x3': convolution([3, 3], 1, (x, filter, bias) =>
    fb.conv2d(x!, filter!, { bias: bias!, padding: 'same', algorithm: 'igemm' }),
  ),
  'conv2d 3x3, stride 2, dilated': convolution([3, 3], 1, (x, filter, bias) =>
    fb.conv2d(x!, filter!, { bias: bias!, padding: 3, stride: 2, dilation: [2, 3] }),
  ),
  'conv2d 7x5, few channels': convolution(
    [7, 5],
    1,
    (x, filter, bias) => fb.conv2d(x!, filter!, { bias: bias!, padding: [4, 2], stride: [2, 1] }),
    3,
  ),
  'conv2d, groups': convolution([3, 2], 3, (x, filter, bias) =>
    fb.conv2d(x!, filter!, { bias: bias!, padding: 1, groups: 3, activation: 'relu6' }),
  ),
  'conv2d, two outputs': convolution(
    [3, 4],
    1,
    (x, filter, bias) => fb.conv2d(x!, filter!, { bias: bias!, padding: 2, stride: [1, 2] }),
    12,
    2,
  ),
  'conv2d, winograd': convolution([3, 3], 1, (x, filter, bias) =>
    fb.conv2d(x!, filter!, { bias: bias!, padding: 1, algorithm: 'winograd' }),
  ),
  'conv2d, winograd, groups': convolution(
    [3, 3],
    11,
    (x, filter, bias) =>
      fb.conv2d(x!, filter!, { bias: bias!, padding: [1, 2], groups: 11, algorithm: 'winograd' }),
    4,
    16,
  ),
  'conv2d, depthwise 3x3': depthwise([3, 3], { padding: 1 }),
  'conv2d, depthwise 3x3, stride 2': depthwise([3, 3], { padding: 'same', stride: 2, activation: 'relu' }),
  'conv2d, depthwise 5x5': depthwise([5, 5], { padding: 2 }),
  'conv2d, depthwise 7x7': depthwise([7, 7], { padding: 3, stride: [1, 2] }),
  'conv2d, depthwise 2x4, dilated': depthwise([2, 4], { padding: 3, dilation: [1, 2] }),
  'conv2d, depthwise, 512 channels': {
    shapes: () => [[2, 5, 9, 512], [3, 3, 1, 512], [512]],
    op: (x, filter, bias) =>
      fb.conv2d(x!, filter!, { bias: bias!, padding: 2, dilation: [2, 1], groups: 512 }),
  },
  'conv2d, few channels in a group': convolution(
    [3, 4],
    3,
    (x, filter, bias) =>
      fb.conv2d(x!, filter!, { bias: bias!, padding: 2, dilation: [1, 2], groups: 3, algorithm: 'grouped' }),
    5,
    3,
  ),
  'conv2d, depthwise, two filters each': convolution(
    [3, 3],
    5,
    (x, filter, bias) => fb.conv2d(x!, filter!, { bias: bias!, padding: 1, groups: 5 }),
    1,
    2,
  ),
  'conv2d, bytes': ofBytes([3, 3], 1, { padding: 1, stride: 2, activation: [-0.5, 1] }, 'int8'),
  'conv2d, bytes, 1x1 to float32': ofBytes([1, 1], 1, { activation: 'relu' }),
  'conv2d, bytes, 3 channels': ofBytes([5, 3], 1, { padding: 2, stride: [1, 2] }, 'uint8', 3),
  'conv2d, bytes, groups': ofBytes([3, 2], 3, { padding: 1, groups: 3, dilation: [1, 2] }, 'uint8'),
  'conv2d, bytes, winograd': ofBytes([3, 3], 1, { padding: 1, algorithm: 'winograd' }, 'int8'),
  'conv2d, bytes, depthwise 3x3': depthwiseBytes([3, 3], { padding: 1 }),
  'conv2d, bytes, depthwise 3x3, stride 2': depthwiseBytes([3, 3], { padding: 'same', stride: 2 }),
  'conv2d, bytes, depthwise 5x5': depthwiseBytes([5, 5], { padding: 2 }),
  'conv2d, bytes, depthwise 2x4, dilated': depthwiseBytes([2, 4], { padding: 3, dilation: [1, 2] }),
  'quantize and dequantize along an axis': photo((x) => {
    const scale = Array.from({ length: x!.shape[3]! }, (_, i) => 0.01 + i / 999)
    return fb.dequantize(fb.quantize(x!, { scale, axis: -1, dtype: 'int8' }))
  }),
  'quantize, dequantize': photo((x) => fb.dequantize(fb.quantize(x!, { scale: 0.01, zeroPoint: 99 }))),
  'relu of bytes': photo((x) => fb.relu(quantize(x!))),
  'sigmoid of bytes': photo((x) => fb.sigmoid(quantize(x!, 'int8'))),
  'add of bytes': photo((x) =>
    fb.add(quantize(x!), quantize(x!), { quantization: { scale: 0.02, zeroPoint: 9 } }),
  ),
  'mul of bytes': photo((x) =>
    fb.mul(quantize(x!), fb.globalMaxPool2d(quantize(x!)), { quantization: { scale: 0.02, zeroPoint: 9 } }),
  ),
  'maxPool2d of bytes': photo((x) => fb.maxPool2d(quantize(x!, 'int8'), { size: 3, stride: 2, padding: 1 })),
  'avgPool2d of bytes': photo((x) => fb.avgPool2d(quantize(x!), { size: 3, stride: 1, padding: 1 })),
  'globalAvgPool2d of bytes': photo((x) => fb.globalAvgPool2d(quantize(x!))),
  'matmul of bytes': {
    shapes: (random) => {
      const [m, k, n] = [random.integer(1, 20), random.integer(1, 40), random.integer(1, 20)]
      return [
        [2, m, k],
        [2, k, n],
      ]
    },
    op: (a, b) =>
      fb.matmul(quantize(a!), quantize(b!, 'int8'), { quantization: { scale: 0.1, zeroPoint: 7 } }),
  },
  conv1d: {
    shapes: (random) => {
      const c = random.integer(1, 9)
      return [
        [random.integer(1, 2), random.integer(3, 40), c],
        [3, c, random.integer(1, 17)],
      ]
    },
    op: (x, filter) => fb.conv1d(x!, filter!, { padding: 1 }),
  },
  conv3d: volume((x, filter, bias) => fb.conv3d(x!, filter!, { bias: bias!, padding: 'same' })),
  'conv3d, stride 2, dilated, groups': volume(
    (x, filter, bias) =>
      fb.conv3d(x!, filter!, {
        bias: bias!,
        padding: [2, 1, 2],
        stride: [2, 1, 2],
        dilation: [1, 2, 1],
        groups: 3,
      }),
    3,
  ),
  'convTranspose2d 4x4, stride 2': transposed([4, 4], { stride: 2, padding: 1 }),
  'convTranspose2d 3x2, stride 3x1, output padding': transposed([3, 2], {
    stride: [3, 1],
    outputPadding: [2, 0],
  }),
  'convTranspose2d, dilated, groups': transposed([2, 3], { dilation: 2, groups: 2, padding: 1 }),
  'convTranspose2d, three outputs': {
    shapes: (random) => [image4(random, 8, 2), [4, 3, 8, 3], [3]],
    op: (x, filter, bias) => fb.convTranspose2d(x!, filter!, { stride: 2, padding: 1, bias: bias! }),
  },
  matmul: {
    shapes: (random) => {
      const k = random.integer(1, 40)
      return [
        [random.integer(1, 20), k],
        [k, random.integer(1, 30)],
      ]
    },
    op: (a, b) => fb.matmul(a!, b!),
  },
  'linear, one row': {
    shapes: (random) => {
      const [k, n] = [random.integer(1, 40), random.integer(1, 70)]
      return [[k], [k, n], [n]]
    },
    op: (x, weight, bias) => fb.linear(x!, weight!, { bias: bias! }),
  },
  linear: {
    shapes: (random) => {
      const [k, n] = [random.integer(1, 40), random.integer(1, 30)]
      return [[random.integer(1, 9), k], [k, n], [n]]
    },
    op: (x, weight, bias) => fb.linear(x!, weight!, { bias: bias!, activation: 'relu' }),
  },

  maxPool2d: photo((x) => fb.maxPool2d(x!, { size: 3, stride: 2, padding: 1 })),
  'maxPool2d, dilated, ceil': photo((x) =>
    fb.maxPool2d(x!, { size: 2, stride: [1, 3], dilation: 2, ceilMode: true }),
  ),
  avgPool2d: photo((x) =>
    fb.avgPool2d(x!, { size: [3, 2], stride: 1, padding: [2, 1], countIncludePad: true }),
  ),
  maxPool1d: {
    shapes: (random) => [[2, random.integer(5, 40), random.integer(1, 20)]],
    op: (x) => fb.maxPool1d(x!, { size: 3, stride: 2, padding: [1, 0] }),
  },
  avgPool1d: {
    shapes: (random) => [[2, random.integer(5, 40), random.integer(1, 20)]],
    op: (x) => fb.avgPool1d(x!, { size: 2, stride: 1, padding: 'same' }),
  },
  maxPool3d: { shapes: volumeShape, op: (x) => fb.maxPool3d(x!, { size: 3, stride: [1, 2, 2], padding: 1 }) },
  avgPool3d: { shapes: volumeShape, op: (x) => fb.avgPool3d(x!, { size: [2, 3, 2], stride: 1, padding: 1 }) },
  globalMaxPool2d: photo((x) => fb.globalMaxPool2d(x!)),
  globalAvgPool2d: photo((x) => fb.globalAvgPool2d(x!)),

  concat: photo((x) => fb.concat([x!, x!])),
  'concat, rows': photo((x) => fb.concat([x!, x!, x!], { axis: 1 })),
  pad: photo((x) =>
    fb.pad(x!, {
      padding: [
        [1, 0],
        [0, 1],
        [1, 2],
        [2, 1],
      ],
      value: 3,
    }),
  ),
  slice: photo((x) => fb.slice(x!, { step: [1, 2, 1, 3] })),
  transpose: photo((x) => fb.transpose(x!)),
  'transpose, many units': { shapes: () => [[300, 517]], op: (x) => fb.transpose(x!) },
  'transpose to NCHW': photo((x) => fb.transpose(x!, [0, 3, 1, 2])),
  reshape: photo((x) => fb.reshape(x!, [-1])),
  'resize, nearest': photo((x) => fb.resize(x!, { size: [7, 9], method: 'nearest' })),
  'resize, bilinear': photo((x) => fb.resize(x!, { size: [20, 5] })),

  relu: photo((x) => fb.relu(x!)),
  gelu: photo((x) => fb.gelu(x!)),
  'softplus, many units': { shapes: () => [[3, 7001]], op: (x) => fb.softplus(x!) },
  'add, the same shape': photo((x) => fb.add(x!, x!)),
  'add, a number': photo((x) => fb.add(x!, 2, { activation: 'silu' })),
  'add, a number per channel': perChannel((x, v) => fb.add(v!, x!, { activation: 'relu6' })),
  'mul, a mask': photo((x) => fb.mul(x!, fb.mean(x!, { axes: -1, keepDims: true }))),
  'sub, rows': photo((x) => fb.sub(x!, fb.mean(x!, { axes: 2, keepDims: true }))),
  'div, both spread': perChannel((x, v) =>
    fb.div(fb.sum(x!, { axes: 1, keepDims: true }), fb.add(fb.max(x!, { axes: [2, 3], keepDims: true }), v!)),
  ),
  prelu: perChannel((x, v) => fb.prelu(x!, v!)),
  batchNorm: perChannel((x, v) => fb.batchNorm(x!, { mean: v!, variance: fb.relu(v!), scale: v! })),
  'layerNorm, rows': perChannel((x, v) => fb.layerNorm(x!, { scale: v!, offset: v! })),
  'layerNorm, all of a sample': photo((x) => fb.layerNorm(x!, { axis: 1 })),
  rmsNorm: perChannel((x, v) => fb.rmsNorm(x!, { scale: v! })),
  instanceNorm: perChannel((x, v) => fb.instanceNorm(x!, { scale: v!, offset: v!, activation: 'relu' })),
  'groupNorm, many splits': {
    shapes: () => [[2, 40, 40, 12]],
    op: (x) => fb.groupNorm(x!, { groups: 3, activation: 'silu' }),
  },
  'groupNorm, single pixels': { shapes: () => [[9, 12]], op: (x) => fb.groupNorm(x!, { groups: 3 }) },
  gather: photo((x) => fb.gather(x!, [x!.shape[0]! - 1, 0, 0])),
  'gather, channels': photo((x) =>
    fb.gather(x!, x!.engine.tensor([0, x!.shape[3]! - 1], [2, 1], { dtype: 'int32' }), { axis: -1 }),
  ),
  'gather, bytes': photo((x) => fb.gather(fb.cast(x!, 'uint8'), [1, 0, 1], { axis: 1 })),
  scatter: photo((x) => fb.scatter(x!, [2, 0], fb.gather(x!, [1, 1], { axis: 1 }), { axis: 1 })),
  'scatter, added': photo((x) =>
    fb.scatter(x!, [2, 0, 2], fb.gather(x!, [1, 1, 0], { axis: 2 }), { axis: 2, reduction: 'add' }),
  ),
  'cast to int32': photo((x) => fb.cast(fb.mul(x!, 1e5), 'int32')),
  'cast to int8 and uint8': photo((x) =>
    fb.concat([fb.cast(fb.cast(fb.mul(x!, 300), 'int8'), 'uint8'), fb.cast(fb.mul(x!, 300), 'uint8')]),
  ),
  'cast to float32': photo((x) => fb.cast(fb.cast(fb.mul(x!, 100), 'int8'), 'float32')),
  'transpose, bytes': photo((x) => fb.transpose(fb.cast(fb.mul(x!, 100), 'int8'))),
  'transpose, bytes, channels first': photo((x) =>
    fb.transpose(fb.cast(fb.mul(x!, 100), 'int8'), [0, 3, 1, 2]),
  ),
  'pad and slice, bytes': photo((x) =>
    fb.slice(
      fb.pad(fb.cast(fb.mul(x!, 100), 'int8'), {
        padding: [
          [0, 1],
          [2, 0],
          [0, 3],
          [1, 1],
        ],
        value: -7,
      }),
      { begin: [0, 1, 0, 1] },
    ),
  ),
  dropout: photo((x) => {
    const layer = new nn.Dropout({ rate: 0.4, seed: 5 })
    layer.training = true
    return layer.forward(x!)
  }),
  flip: photo((x) => fb.flip(x!, { axes: [1, -1] })),
  'flip, bytes': photo((x) => fb.flip(fb.cast(fb.mul(x!, 100), 'int8'))),
  tile: photo((x) => fb.tile(fb.cast(x!, 'int32'), [1, 2, 3, 2])),
  stack: photo((x) => fb.stack([x!, fb.mul(x!, 2)], { axis: -1 })),
  split: photo((x) => fb.split(x!, { sizes: [1, x!.shape[1]! - 1], axis: 1 })[1]!),
  where: perChannel((x, v) => fb.where(fb.less(x!, 0), v!, x!)),
  'where, a number': photo((x) => fb.where(fb.greater(x!, 0.1), x!, -1)),
  'where, bytes': photo((x) =>
    fb.where(fb.less(fb.mean(x!, { axes: -1, keepDims: true }), 0), fb.cast(fb.mul(x!, 100), 'int8'), 3),
  ),
  comparisons: perChannel((x, v) =>
    fb.or(
      fb.xor(fb.less(x!, v!), fb.greaterEqual(0.3, x!)),
      fb.and(fb.lessEqual(v!, x!), fb.not(fb.notEqual(x!, v!))),
    ),
  ),
  'comparisons of integers': perChannel((x, v) => {
    const [p, q] = [fb.cast(fb.mul(x!, 3), 'int32'), fb.cast(fb.mul(v!, 3), 'int32')]
    return fb.add(fb.cast(fb.concat([fb.equal(p, q), fb.greater(p, q), fb.less(p, 1)]), 'int32'), 1)
  }),
  'arithmetic of integers': perChannel((x, v) => {
    const [p, q] = [fb.cast(fb.mul(x!, 1e5), 'int32'), fb.cast(fb.mul(v!, 3), 'int32')]
    return fb.sub(fb.mul(p, q), fb.div(p, q))
  }),
  'functions of one tensor': photo((x) =>
    fb.add(fb.expm1(fb.abs(x!)), fb.add(fb.log1p(fb.square(x!)), fb.sign(fb.neg(x!)))),
  ),
  'functions of two tensors': perChannel((x, v) =>
    fb.add(fb.pow(fb.abs(x!), v!), fb.add(fb.mod(x!, v!), fb.maximum(fb.minimum(x!, v!), 0.1))),
  ),
  'functions of integers': perChannel((x, v) => {
    const [p, q] = [fb.cast(fb.mul(x!, 1e5), 'int32'), fb.cast(fb.mul(v!, 30), 'int32')]
    return fb.add(fb.maximum(fb.mod(p, q), fb.neg(q)), fb.minimum(fb.abs(p), q))
  }),
  'topK, rows': photo((x) => fb.topK(x!, { k: Math.ceil(x!.shape[3]! / 2) }).values),
  'topK, columns': photo((x) => fb.topK(x!, { k: 3, axis: 1, largest: false }).indices),
  'topK of integers': photo((x) => fb.topK(fb.cast(fb.mul(x!, 3), 'int32'), { k: 2, axis: 2 }).indices),
  gatherND: photo((x) => {
    const corners = x!.engine.tensor([0, -1, 0, 0, 0, -1], [3, 2], { dtype: 'int32' })
    return fb.gatherND(fb.cast(x!, 'int8'), corners)
  }),
  scatterND: photo((x) => {
    const corners = x!.engine.tensor([0, -1, 0, 0, 0, -1], [3, 2], { dtype: 'int32' })
    return fb.scatterND(x!, corners, fb.gatherND(x!, corners), { reduction: 'mul' })
  }),
  'resize, bicubic': photo((x) => fb.resize(x!, { size: [20, 5], method: 'bicubic' })),
  'resize, antialiased': photo((x) => fb.resize(x!, { size: [3, 20], antialias: true })),
  'resize, region': photo((x) =>
    fb.resize(x!, { size: [7, 9], coordinates: 'tf_crop_and_resize', region: [-0.2, 0.1, 0.7, 1.3] }),
  ),
  gatherElements: photo((x) =>
    fb.gatherElements(fb.cast(x!, 'int8'), fb.topK(x!, { k: 2, axis: 1 }).indices, { axis: 1 }),
  ),
  scatterElements: photo((x) => {
    const { values, indices } = fb.topK(x!, { k: 2, axis: 1 })
    return fb.scatterElements(x!, indices, fb.neg(values), { axis: 1, reduction: 'add' })
  }),
  'scatterElements, bytes': photo((x) => {
    const { values, indices } = fb.topK(x!, { k: 3, axis: 2 })
    return fb.scatterElements(fb.cast(x!, 'uint8'), indices, fb.cast(values, 'uint8'), { axis: 2 })
  }),
  gridSample: sampled((x, grid) => fb.gridSample(x, grid)),
  'gridSample, nearest, reflection': sampled((x, grid) =>
    fb.gridSample(x, grid, { method: 'nearest', padding: 'reflection' }),
  ),
  'gradients of gridSample': backwards(
    sampled((x, grid) => fb.gridSample(x, grid, { padding: 'border', alignCorners: true })),
  ),
  'gradients of topK': backwards(photo((x) => fb.topK(x!, { k: 2, axis: 1 }).values)),
  'cumsum, rows': photo((x) => fb.cumsum(x!)),
  'cumsum, columns': photo((x) => fb.cumsum(x!, { axis: 1, exclusive: true, reverse: true })),
  'cumsum of integers': photo((x) => fb.cumsum(fb.cast(fb.mul(x!, 100), 'int32'), { axis: 2 })),
  'prod, norm, variance, logSumExp': photo((x) =>
    fb.stack([
      fb.prod(x!, { axes: [0, 3] }),
      fb.norm(x!, { axes: [0, 3] }),
      fb.variance(x!, { axes: [0, 3] }),
      fb.logSumExp(x!, { axes: [0, 3] }),
    ]),
  ),
  'argmax, columns, as integers': photo((x) => fb.argmax(x!, { axis: 1, dtype: 'int32' })),
  'sum, rows': photo((x) => fb.sum(x!, { axes: -1 })),
  'sum, columns': photo((x) => fb.sum(x!, { axes: [0, 1, 2] })),
  'max, apart': photo((x) => fb.max(x!, { axes: [0, 2] })),
  'mean, all': photo((x) => fb.mean(x!)),
  'argmax, rows': photo((x) => fb.argmax(x!, { axis: 3 })),
  'argmax, columns': photo((x) => fb.argmax(x!, { axis: 1 })),
  'softmax, rows': photo((x) => fb.softmax(x!)),
  'softmax, columns': photo((x) => fb.logSoftmax(x!, { axis: 1 })),

  'attention, one row': attended([1, 1], (q, k, v, mask) => fb.attention(q!, k!, v!, { mask: mask! })),
  'attention, many rows': attended([3, 99], (q, k, v, mask) =>
    fb.attention(q!, k!, v!, { mask: mask!, causal: 9, softcap: 3 }),
  ),
  'gradients of attention': backwards(
    attended([1, 99], (q, k, v, mask) => fb.attention(q!, k!, v!, { mask: mask!, causal: 20, softcap: 9 })),
  ),

  'gradients of conv2d': backwards(
    convolution([3, 3], 1, (x, filter, bias) =>
      fb.conv2d(x!, filter!, { bias, padding: 1, dilation: [1, 2] }),
    ),
  ),
  'gradients of conv2d, few channels': backwards(
    convolution([3, 3], 1, (x, filter, bias) => fb.conv2d(x!, filter!, { bias, activation: [-2, 2] }), 1),
  ),
  'gradients of conv2d, 1x1': backwards(
    convolution([1, 1], 1, (x, filter, bias) => fb.conv2d(x!, filter!, { bias, activation: 'tanh' })),
  ),
  'gradients of conv2d, groups, stride 2': backwards(
    convolution([2, 3], 3, (x, filter) => fb.conv2d(x!, filter!, { groups: 3, stride: 2, padding: 'same' })),
  ),
  'gradients of conv2d, winograd': backwards(
    convolution([3, 3], 1, (x, filter, bias) => fb.conv2d(x!, filter!, { bias, padding: 'same' }), 16, 17),
  ),
  'gradients of depthwise': backwards(depthwise([3, 3], { padding: 1 })),
  'gradients of depthwise, stride 2': backwards(
    depthwise([3, 2], {
      padding: [
        [3, 0],
        [1, 1],
      ],
      stride: [2, 1],
    }),
  ),
  'gradients of convTranspose2d': backwards(transposed([4, 3], { stride: 2, padding: 1 })),
  'gradients of matmul': backwards(photo((x) => fb.matmul(x!, fb.transpose(x!, [0, 1, 3, 2])))),
  'gradients of linear': backwards(
    perChannel((x, v) =>
      fb.linear(x!, v!.reshape([-1, 1]), { bias: fb.sum(v!, { keepDims: true }), activation: 'relu' }),
    ),
  ),
  'gradients of maxPool2d': backwards(photo((x) => fb.maxPool2d(x!, { size: 3, stride: 2, padding: 1 }))),
  'gradients of avgPool2d': backwards(
    photo((x) => fb.avgPool2d(x!, { size: 2, stride: 1, padding: 1, countIncludePad: true })),
  ),
  'gradients of batchNorm': backwards(
    perChannel((x, v) => fb.batchNorm(x!, { mean: v!, variance: fb.mul(v!, v!), scale: v! })),
  ),
  'gradients of layerNorm': backwards(perChannel((x, v) => fb.layerNorm(x!, { scale: v!, offset: v! }))),
  'gradients of rmsNorm': backwards(perChannel((x, v) => fb.rmsNorm(x!, { scale: v! }))),
  'gradients of groupNorm': backwards({
    shapes: (random) => [[2, 30, 30, 6 * random.integer(1, 4)], [1]],
    op: (x, v) =>
      fb.groupNorm(x!, {
        groups: 3,
        scale: fb.mul(fb.mean(x!, { axes: [0, 1, 2] }), v!),
        activation: [-1, 1],
      }),
  }),
  'gradients of gather': backwards(photo((x) => fb.gather(fb.transpose(x!), [0, 0, 0]))),
  'gradients of gather and scatter along axes': backwards(
    photo((x) =>
      fb.scatter(fb.gather(x!, [1, 0, 1], { axis: 2 }), [2, 0], fb.gather(x!, [0, 0], { axis: 2 }), {
        axis: 2,
      }),
    ),
  ),
  'gradients of flip, tile, stack and split': backwards(
    photo((x) => fb.split(fb.tile(fb.stack([x!, fb.flip(x!)]), [1, 2, 1, 1, 1]), { axis: 0, parts: 2 })[1]!),
  ),
  'gradients of where': backwards(perChannel((x, v) => fb.where(fb.less(x!, v!), v!, x!))),
  'gradients of gelu and softmax': backwards(photo((x) => fb.softmax(fb.gelu(x!)))),
  'gradients of prelu and logSoftmax': backwards(
    perChannel((x, v) => fb.logSoftmax(fb.prelu(x!, v!), { axis: 1 })),
  ),
  'gradients of concat, pad and slice': backwards(
    photo((x) =>
      fb.slice(
        fb.pad(fb.concat([x!, x!]), {
          padding: [
            [0, 0],
            [1, 2],
            [0, 1],
            [3, 0],
          ],
        }),
        { begin: [0, 1, 0, 2] },
      ),
    ),
  ),
  'gradients of max and min': backwards(
    photo((x) => fb.add(fb.max(x!, { axes: 1, keepDims: true }), fb.min(x!, { axes: -1, keepDims: true }))),
  ),
  'gradients of resize': backwards(
    photo((x) => fb.resize(fb.resize(x!, { size: [5, 9] }), { size: 7, method: 'nearest' })),
  ),
  rnn: rnnCase,
  lstm: lstmCase,
  'lstm, step by step': largeLstm,
  gru: gruCase,
  'gradients of rnn': backwards(rnnCase),
  'gradients of lstm': backwards(lstmCase),
  'gradients of lstm, step by step': backwards(largeLstm),
  'gradients of gru': backwards(gruCase),

  'a step of adam': photo((x) => {
    const weight = fb.mul(x!, 2)
    nn.adam([weight]).step([fb.mul(x!, 1)])
    return weight
  }),

  filter2d: picture((x) =>
    image.filter2d(
      x!,
      [
        [1, -2, 3, 0.1],
        [4, 5, -6, 0.2],
        [7, 8, 9, 0.3],
      ],
      { border: 'wrap' },
    ),
  ),
  gaussianBlur: picture((x) => image.gaussianBlur(x!, 0.8)),
  boxBlur: picture((x) => image.boxBlur(x!, 3, { border: 'replicate' })),
  'boxBlur, wide': picture((x) => image.boxBlur(x!, [5, 11])),
  unsharpMask: picture((x) => image.unsharpMask(x!, { sigma: 0.7 })),
  sobel: picture((x) => image.sobel(x!)),
  'scharr, one direction': picture((x) => image.scharr(x!, { direction: 'x' })),
  laplacian: picture((x) => image.laplacian(x!)),
  emboss: picture((x) => image.emboss(x!)),
  median: picture((x) => image.median(x!, 3)),
  'median 5x5': picture((x) => image.median(x!, 5)),
  'filter2d on bytes': onBytes((pixels, options) =>
    image.filter2d(
      pixels,
      [
        [1, 0.1, -2],
        [4, 0.5, -3],
      ],
      options,
    ),
  ),
  'gaussianBlur on bytes': onBytes((pixels, options) =>
    image.gaussianBlur(pixels, 1, { border: 'wrap', ...options }),
  ),
  dilate: picture((x) => image.dilate(x!, [5, 3], { border: 'wrap' })),
  'erode on bytes': onBytes((pixels, options) => image.erode(pixels, [3, 7], options)),
  'median on bytes': onBytes((pixels, options) => image.median(pixels, 7, options)),
  'resize on bytes': onBytes((pixels, options) => image.resize(pixels, [9, 13], options)),
  'nearest on bytes': onBytes((pixels, options) =>
    image.resize(pixels, [9, 13], { method: 'nearest', ...options }),
  ),
  warpAffine: picture((x) => image.warpAffine(x!, TURN, { size: [6, 9] })),
  'warpAffine on bytes': onBytes((pixels, options) => image.warpAffine(pixels, TURN, options)),
  bilateral: picture((x) => image.bilateral(x!, { size: 5 })),
  canny: onBytes((pixels, options) => image.canny(pixels, 0.1, 0.3, options)),
  'threshold on bytes': onBytes((pixels, options) => image.threshold(pixels, 'otsu', options)),
  'threshold by the mean on bytes': onBytes((pixels, options) => image.threshold(pixels, 'mean', options)),
  'toLab of colours': {
    shapes: (random) => [[2, random.integer(1, 9), random.integer(1, 17), random.pick([3, 4])]],
    op: (x) => image.toLab(x!),
  },
  'gaussianBlur of clouds': {
    shapes: (random) => [[1, random.integer(1, 9), random.integer(1, 17), 4]],
    op: (x) => {
      const [, height, width] = x!.shape as number[]
      const data = Uint8ClampedArray.from(x!.toArray(), (v) => 128 + v * 50)
      return image.gaussianBlur({ data, width: width!, height: height! }, 1, { engine: x!.engine })
    },
  },
  toImageData: {
    shapes: (random) => [image4(random, random.pick([1, 3, 4])).with(0, 1)],
    op: (x) => image.toImageData(x!),
  },
  fromImageData: {
    shapes: (random) => [[1, random.integer(1, 9), random.integer(1, 17), 4]],
    op: (x) => {
      const [, height, width] = x!.shape as number[]
      const bytes = Uint8ClampedArray.from(x!.toArray(), (v) => v * 255)
      return image.fromImageData(
        x!.engine,
        { data: bytes, width: width!, height: height! },
        { channels: 'rgb', mean: [0.1, 0.2, 0.3], std: 2 },
      )
    },
  },
}
