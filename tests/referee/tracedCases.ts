/** Functions of tensors that are written as ONNX (traced.test.ts): every op of the core in one at least. */
import * as core from '../../src/index.js'
import type { Random } from '../support/random.js'

type Tensor = core.Tensor

export interface Case {
  /** Ops that it is about. */
  ops: string
  shape: readonly number[]
  /** Shapes of parameters. */
  parameters?: readonly (readonly number[])[]
  compute: (x: Tensor, ...parameters: Tensor[]) => Tensor | Tensor[]
  numbers?: (size: number) => ArrayLike<number>
}

const all: typeof core = core
const image = [4, 6, 3]
const n = (x: Tensor) => x.shape[0]!
const unary =
  'abs ceil cos erf exp expm1 floor neg round sign sin square relu relu6 leakyRelu elu selu gelu sigmoid hardSigmoid tanh silu hardSwish mish softplus'

const positive = (random: Random) => (size: number) => random.floats(size, 0.5, 2)
const whole = (random: Random, most: number) => (size: number) =>
  Float32Array.from({ length: size }, () => random.integer(0, most))

/** What is traced, a line each; every op that ONNX has is in one. */
export const cases = (random: Random): Case[] => [
  ...unary.split(' ').map((op) => ({
    ops: op,
    shape: image,
    compute: (x: Tensor) => (all[op as keyof typeof core] as (x: Tensor) => Tensor)(x),
  })),
  ...(['log', 'log1p', 'sqrt', 'rsqrt', 'reciprocal'] as const).map((op) => ({
    ops: op,
    shape: image,
    compute: (x: Tensor) => all[op](x),
    numbers: positive(random),
  })),
  {
    ops: 'activation',
    shape: image,
    compute: (x) => core.gelu(core.leakyRelu(x, { alpha: 0.3 }), { approximate: 'tanh' }),
  },
  {
    ops: 'activation',
    shape: [5],
    compute: (x) =>
      core.add(core.clamp(x, { low: -0.5 }), core.elu(x, { alpha: 2 }), { activation: 'hardSwish' }),
  },
  { ops: 'prelu', shape: image, parameters: [[3]], compute: (x, slope) => core.prelu(x, slope) },
  {
    ops: 'add sub mul div',
    shape: image,
    parameters: [[6, 1], [3]],
    compute: (x, a, b) => core.div(core.sub(core.mul(x, a), core.add(b, core.sub(1, x))), 3),
  },
  { ops: 'add', shape: [4, 1], parameters: [[3, 1, 1, 6]], compute: (x, a) => core.add(x, a) },
  {
    ops: 'pow maximum minimum mod',
    shape: image,
    parameters: [[3]],
    numbers: positive(random),
    compute: (x, a) => core.mod(core.maximum(core.pow(x, 1.5), core.minimum(a, x)), 0.4),
  },
  { ops: 'mod', shape: image, compute: (x) => core.mod(x, -0.3) },
  {
    ops: 'equal notEqual less lessEqual greater greaterEqual and or xor not where cast',
    shape: image,
    parameters: [[3]],
    compute: (x, a) => {
      const odd = core.xor(
        core.and(core.greater(x, a), core.lessEqual(x, 0.5)),
        core.not(core.or(core.less(x, -0.2), core.equal(x, 0))),
      )
      const more = core.and(core.greaterEqual(x, core.neg(a)), core.notEqual(x, 0.25))
      return core.where(odd, x, core.cast(more, 'float32'))
    },
  },
  {
    ops: 'cast where',
    shape: [7],
    compute: (x) =>
      core.add(
        core.cast(core.cast(core.mul(x, 300), 'uint8'), 'float32'),
        core.cast(core.mod(core.cast(core.mul(x, 9), 'int32'), 4), 'float32'),
      ),
  },
  {
    ops: 'where',
    shape: image,
    parameters: [[6, 1]],
    compute: (x, a) => core.where(core.greater(a, 0), core.relu(x), 2),
  },
  {
    ops: 'transpose matmul softmax',
    shape: [6, 8],
    parameters: [[2, 8, 5]],
    compute: (x, w) => core.softmax(core.matmul(x.reshape([n(x), 1, 6, 8]), w), { axis: 2 }),
  },
  {
    ops: 'transpose matmul',
    shape: [2, 6, 8],
    compute: (x) => core.matmul(x, core.transpose(x, [0, 1, 3, 2])),
  },
  {
    ops: 'transpose reshape',
    shape: image,
    compute: (x) => core.transpose(x, [0, 3, 2, 1]).reshape([n(x), 3, 24]),
  },
  {
    ops: 'transpose concat',
    shape: image,
    compute: (x) =>
      core.concat([core.transpose(core.transpose(x, [0, 2, 1, 3]), [0, 2, 1, 3]), core.neg(x)], {
        axis: 2,
      }),
  },
  {
    ops: 'stack split',
    shape: image,
    compute: (x) => core.stack(core.split(x, { axis: 1, parts: 2 }), { axis: 1 }),
  },
  { ops: 'split', shape: image, compute: (x) => core.split(x, { sizes: [1, 2] }) },
  {
    ops: 'slice',
    shape: image,
    compute: (x) => core.slice(x, { begin: [0, 1, 0, 1], end: [n(x), 4, 6, 3], step: [1, 2, 3, 1] }),
  },
  { ops: 'slice', shape: [5, 3], compute: (x) => core.slice(x, { begin: [0, -1, 0] }) },
  {
    ops: 'pad',
    shape: image,
    compute: (x) =>
      core.pad(x, {
        padding: [
          [0, 0],
          [1, 2],
          [0, 3],
          [1, 0],
        ],
        value: 0.5,
      }),
  },
  {
    ops: 'tile flip',
    shape: image,
    compute: (x) => core.flip(core.tile(x, [1, 2, 1, 3]), { axes: [1, 3] }),
  },
  {
    ops: 'gather',
    shape: [4],
    parameters: [[9, 3]],
    numbers: whole(random, 8),
    compute: (x, table) => core.gather(table, x),
  },
  { ops: 'gather', shape: image, compute: (x) => core.gather(x, [2, 0, 2, 1], { axis: 3 }) },
  {
    ops: 'scatter',
    shape: image,
    parameters: [[4, 2, 3]],
    compute: (x, updates) =>
      core.scatter(x, [1, 5], core.tile(updates.reshape([1, 4, 2, 3]), [n(x), 1, 1, 1]), { axis: 2 }),
  },
  {
    ops: 'scatter',
    shape: [5, 3],
    compute: (x) =>
      core.scatter(core.transpose(x, [1, 0, 2]), [1, 1, 4, 0, 2], core.transpose(x, [1, 0, 2]), {
        reduction: 'add',
      }),
  },
  {
    ops: 'topK gatherElements scatterElements',
    shape: image,
    compute: (x) => {
      const { values, indices } = core.topK(x, { k: 2, axis: 1 })
      return [
        values,
        core.gatherElements(core.neg(x), indices, { axis: 1 }),
        core.scatterElements(x, indices, core.mul(values, 0), { axis: 1, reduction: 'add' }),
        core.cast(indices, 'float32'),
      ]
    },
  },
  {
    ops: 'gatherND scatterND',
    shape: [4, 3],
    compute: (x) => {
      const { engine } = x
      const at = engine.tensor([1, 2, -1, 0], [2, 2], { dtype: 'int32' })
      const rows = engine.tensor([2, 0], [2, 1], { dtype: 'int32' })
      // [4, 3, n]: the batch is open.
      const t = core.transpose(x, [1, 2, 0])
      const own = engine.tensor([3, -1, 4, 1, -5, 9], [3, 2])
      const at6 = engine.tensor([2, 1, 0, 0, -1, 0], [3, 2], { dtype: 'int32' })
      const back = (y: Tensor) => {
        const last = y.shape.length - 1
        return core.transpose(y, [last, ...Array(last).keys()])
      }
      return [
        back(core.gatherND(t, rows)),
        back(core.gatherND(core.exp(t), at)),
        back(core.scatterND(t, rows, core.neg(core.gatherND(t, rows)))),
        core.add(
          x.reshape([x.shape[0]!, 2, 6]),
          core.scatterND(own, at6, core.gatherND(own, at6), { reduction: 'mul' }).reshape([6]),
        ),
      ]
    },
  },
  { ops: 'topK', shape: [9], compute: (x) => core.topK(x, { k: 3, largest: false }).values },
  {
    ops: 'oneHot argmax',
    shape: [6, 5],
    compute: (x) => core.oneHot(core.argmax(x, { axis: -1, dtype: 'int32' }), { depth: 5 }),
  },
  {
    ops: 'argmax',
    shape: image,
    compute: (x) => [
      core.argmax(core.relu(x), { axis: 1 }),
      core.argmax(x, { axes: [1, 2] }),
      core.argmax(x, { axes: [1, 2, 3], keepDims: true }),
    ],
  },
  {
    ops: 'cumsum',
    shape: image,
    compute: (x) => core.cumsum(core.cumsum(x, { axis: 1, reverse: true }), { axis: 2, exclusive: true }),
  },
  {
    ops: 'sum mean max min prod norm',
    shape: image,
    compute: (x) => [
      core.sum(x, { axes: [1, 3] }),
      core.mean(core.relu(x), { axes: 3 }),
      core.max(x, { axes: [2], keepDims: true }),
      core.min(x, { axes: [1, 2] }),
      core.prod(x, { axes: [1, 2, 3] }),
      core.norm(x, { axes: -1 }),
    ],
  },
  {
    ops: 'variance logSumExp',
    shape: image,
    compute: (x) => [core.variance(x, { axes: [1, 2] }), core.logSumExp(x, { axes: 3 })],
  },
  {
    ops: 'softmax logSoftmax',
    shape: image,
    compute: (x) => [core.softmax(x), core.logSoftmax(core.relu(x), { axis: 1 })],
  },
  {
    ops: 'layerNorm rmsNorm',
    shape: image,
    parameters: [[6, 3], [6, 3], [3]],
    compute: (x, scale, offset, last) => [
      core.layerNorm(x, { axis: 2, scale, offset }),
      core.layerNorm(x),
      core.rmsNorm(x, { scale: last }),
      core.layerNorm(x, { axis: 1, epsilon: 0.1 }),
    ],
  },
  {
    ops: 'groupNorm instanceNorm',
    shape: [5, 4, 6],
    parameters: [[6], [6]],
    compute: (x, scale, offset) => [
      core.groupNorm(x, { groups: 3, scale }),
      core.instanceNorm(x, { scale, offset, activation: 'relu' }),
    ],
  },
  {
    ops: 'groupNorm',
    shape: [6],
    parameters: [[6]],
    compute: (x, scale) => core.groupNorm(x, { groups: 2, scale }),
  },
  {
    ops: 'batchNorm',
    shape: image,
    parameters: [[3], [3]],
    numbers: positive(random),
    compute: (x, mean, spread) =>
      core.batchNorm(x, { mean, variance: core.square(spread), activation: 'tanh' }),
  },
  {
    ops: 'batchNorm',
    shape: [7, 3],
    parameters: [[3]],
    compute: (x, spread) =>
      core.batchNorm(core.linear(x, core.matmul(spread.reshape([3, 1]), spread.reshape([1, 3]))), {
        mean: spread,
        variance: core.square(spread),
        offset: spread,
      }),
  },
  {
    ops: 'linear',
    shape: [2, 5, 4],
    parameters: [[4, 3], [3]],
    compute: (x, w, bias) => core.linear(x, w, { bias, activation: 'gelu' }),
  },
  {
    ops: 'lstm',
    shape: [7, 3],
    parameters: [[3, 16], [4, 16], [16], [16], [1, 4], [1, 4]],
    compute: (x, inputWeight, stateWeight, bias, stateBias, first, firstCell) => {
      const [initial, initialCell] = [core.tile(first!, [n(x), 1]), core.tile(firstCell!, [n(x), 1])]
      const weights = { inputWeight: inputWeight!, stateWeight: stateWeight! }
      const one = core.lstm(x, { ...weights, bias, stateBias, initial, initialCell })
      const two = core.lstm(one.output, {
        inputWeight: stateWeight!,
        stateWeight: stateWeight!,
        reverse: true,
      })
      return [one.output, one.state, one.cell, two.output, two.state]
    },
  },
  {
    ops: 'gru rnn',
    shape: [7, 3],
    parameters: [[3, 12], [4, 12], [12], [3, 4], [4, 4]],
    compute: (x, inputWeight, stateWeight, stateBias, w, u) => {
      const { output } = core.gru(x, { inputWeight, stateWeight, stateBias, reverse: true })
      const { state } = core.rnn(x, { inputWeight: w!, stateWeight: u!, activation: 'relu' })
      return [
        output,
        state,
        core.rnn(x, { inputWeight: w!, stateWeight: u!, lengths: Array(n(x)).fill(5) }).output,
      ]
    },
  },
  {
    ops: 'attention',
    shape: [6, 8],
    parameters: [[6, 6]],
    compute: (x, mask) => {
      const q = core.transpose(x.reshape([n(x), 6, 4, 2]), [0, 2, 1, 3])
      const k = core.transpose(core.neg(x).reshape([n(x), 6, 4, 2]), [0, 2, 1, 3])
      const few = core.slice(k, { end: [n(x), 2, 6, 2] })
      return [
        core.attention(q, k, q, { causal: true }),
        core.attention(q, few, few, { mask, softcap: 2, scale: 0.3 }),
        core.attention(q, k, k, { mask: core.greater(mask!, 0.4), causal: 2 }),
        core.attention(q, k, k),
      ]
    },
  },
  {
    ops: 'conv1d',
    shape: [9, 4],
    parameters: [[3, 2, 6], [6]],
    compute: (x, w, bias) =>
      core.conv1d(x, w, {
        bias,
        groups: 2,
        stride: 2,
        padding: [2, 1],
        dilation: 2,
        activation: [-0.2, 0.4],
      }),
  },
  {
    ops: 'conv2d',
    shape: [6, 7, 3],
    parameters: [[3, 2, 3, 4]],
    compute: (x, w) => core.conv2d(x, core.mul(w, 0.5), { padding: 'same', stride: 2, activation: 'silu' }),
  },
  {
    ops: 'conv3d',
    shape: [4, 5, 6, 2],
    parameters: [[2, 3, 1, 2, 3]],
    compute: (x, w) => core.conv3d(x, w, { stride: [1, 2, 1], padding: 1 }),
  },
  {
    ops: 'conv2d',
    shape: [5, 5, 2],
    parameters: [[2, 18]],
    compute: (x, w) =>
      core.conv2d(x, core.linear(core.mean(x, { axes: [0, 1, 2] }).reshape([1, 2]), w).reshape([3, 3, 2, 1])),
  },
  {
    ops: 'convTranspose2d',
    shape: [3, 4, 4],
    parameters: [[3, 3, 4, 2], [4]],
    compute: (x, w, bias) =>
      core.convTranspose2d(x, w, { bias, groups: 2, stride: 2, padding: 1, outputPadding: 1 }),
  },
  {
    ops: 'maxPool2d avgPool2d globalAvgPool2d globalMaxPool2d',
    shape: [7, 8, 2],
    compute: (x) => [
      core.maxPool2d(x, { size: [2, 3], stride: 2, padding: 1, ceilMode: true }),
      core.avgPool2d(x, { size: 3, stride: 1, padding: 'same' }),
      core.globalAvgPool2d(x),
      core.globalMaxPool2d(x),
    ],
  },
  {
    ops: 'maxPool2d avgPool2d', // whose last window would start beyond the input
    shape: [8, 7, 2],
    parameters: [[64, 3]],
    compute: (x, w) => {
      const largest = core.maxPool2d(x, { size: 1, stride: 2, padding: 'same', ceilMode: true })
      const means = core.avgPool2d(x, { size: 1, stride: 2, ceilMode: true })
      return core.linear(core.concat([largest, means]).reshape([-1, 64]), w)
    },
  },
  {
    ops: 'maxPool1d avgPool1d',
    shape: [9, 4],
    compute: (x) => [
      core.maxPool1d(x, { size: 3, stride: 2, padding: [1, 2], dilation: 2 }),
      core.avgPool1d(x, { size: 2, padding: 1, countIncludePad: true }),
    ],
  },
  {
    ops: 'maxPool3d avgPool3d',
    shape: [4, 6, 5, 2],
    compute: (x) => [
      core.maxPool3d(x, { size: [1, 2, 2] }),
      core.avgPool3d(x, { size: 2, stride: 1, padding: 1, countIncludePad: true }),
    ],
  },
  {
    ops: 'resize',
    shape: [3, 4, 2],
    compute: (x) => [
      core.resize(x, { size: [5, 9] }),
      core.resize(x, { size: [6, 8], method: 'nearest' }),
      core.resize(x, { size: [5, 7], alignCorners: true }),
      core.resize(x, { size: [7, 5], method: 'bicubic', cubicCoefficient: -0.5 }),
      core.resize(x, { size: [5, 7], method: 'nearest', coordinates: 'asymmetric', nearestMode: 'floor' }),
      core.resize(x, { size: [2, 3], antialias: true }),
      core.resize(x, {
        size: [2, 3],
        coordinates: 'tf_crop_and_resize',
        region: [0.2, 0, 1.2, 1],
        extrapolation: 3,
      }),
    ],
  },
  {
    ops: 'gridSample',
    shape: [5, 5, 2],
    compute: (x) => core.gridSample(core.neg(x), x, { padding: 'border' }),
  },
]
