import * as fb from '../../../src/index.js'
import * as nn from '../../../src/nn/index.js'
import {
  attended,
  type Case,
  gruCase,
  largeLstm,
  lstmCase,
  perChannel,
  photo,
  rnnCase,
  sampled,
  volumeShape,
} from './maker.js'

export const elements: Record<string, Case> = {
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
  rnn: rnnCase,
  lstm: lstmCase,
  'lstm, step by step': largeLstm,
  gru: gruCase,
}
