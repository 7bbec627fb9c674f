import * as fb from '../../../src/index.js'
import * as nn from '../../../src/nn/index.js'
import {
  attended,
  backwards,
  type Case,
  convolution,
  depthwise,
  gruCase,
  largeLstm,
  lstmCase,
  perChannel,
  photo,
  rnnCase,
  sampled,
  transposed,
} from './maker.js'

export const gradients: Record<string, Case> = {
  'gradients of gridSample': backwards(
    sampled((x, grid) => fb.gridSample(x, grid, { padding: 'border', alignCorners: true })),
  ),
  'gradients of topK': backwards(photo((x) => fb.topK(x!, { k: 2, axis: 1 }).values)),
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
  'gradients of conv2d, winograd, 5x5': backwards(
    convolution([5, 5], 1, (x, filter) => fb.conv2d(x!, filter!, { padding: 'same' }), 9, 12),
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
  'gradients of rnn': backwards(rnnCase),
  'gradients of lstm': backwards(lstmCase),
  'gradients of lstm, step by step': backwards(largeLstm),
  'gradients of gru': backwards(gruCase),
  'a step of adam': photo((x) => {
    const weight = fb.mul(x!, 2)
    nn.adam([weight]).step([fb.mul(x!, 1)])
    return weight
  }),
}
