import * as fb from '../../../src/index.js'
import {
  type Case,
  convolution,
  depthwise,
  depthwiseBytes,
  image4,
  ofBytes,
  photo,
  quantize,
  transposed,
  volume,
} from './maker.js'

export const convolutions: Record<string, Case> = {
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
  'conv2d, winograd, 5x5': convolution(
    [5, 5],
    1,
    (x, filter, bias) => fb.conv2d(x!, filter!, { bias: bias!, padding: [2, 1], algorithm: 'winograd' }),
    13,
    10,
  ),
  'conv2d, winograd, dilated': convolution([3, 3], 1, (x, filter, bias) =>
    fb.conv2d(x!, filter!, { bias: bias!, padding: 3, dilation: 2, algorithm: 'winograd' }),
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
  'conv2d, bytes, to 1 channel': ofBytes([3, 3], 1, { padding: 1 }, 'int8', undefined, 1),
  'conv2d, bytes, to 3 channels': ofBytes([1, 3], 1, { padding: 1, dilation: 2 }, 'uint8', undefined, 3),
  'conv2d, bytes, 64 to 4 channels': ofBytes([3, 3], 1, { padding: 1, stride: 2 }, undefined, 64, 4),
  'conv2d, bytes, groups': ofBytes([3, 2], 3, { padding: 1, groups: 3, dilation: [1, 2] }, 'uint8'),
  'conv2d, bytes, 4 channels in a group': ofBytes([3, 3], 5, { padding: 1, groups: 5 }, 'int8', 4, 4),
  'conv2d, bytes, 3 channels in a group': ofBytes([4, 7], 4, { padding: 3, groups: 4 }, 'uint8', 3, 2),
  'conv2d, bytes, two filters each': ofBytes([3, 3], 7, { padding: 1, stride: 2, groups: 7 }, 'uint8', 1, 2),
  'conv2d, bytes, from 1 channel': ofBytes([5, 5], 1, { padding: 3, dilation: 2 }, undefined, 1),
  'conv2d, bytes, winograd': ofBytes([3, 3], 1, { padding: 1, algorithm: 'winograd' }, 'int8'),
  'conv2d, bytes, winograd, 5x5': ofBytes([5, 5], 1, { padding: 2, algorithm: 'winograd' }, 'int8'),
  'conv2d, bytes, winograd, dilated': ofBytes(
    [3, 3],
    1,
    { padding: 2, dilation: 2, algorithm: 'winograd' },
    'uint8',
  ),
  'conv2d, bytes, depthwise 3x3': depthwiseBytes([3, 3], { padding: 1 }),
  'conv2d, bytes, depthwise 3x3, stride 2': depthwiseBytes([3, 3], { padding: 'same', stride: 2 }),
  'conv2d, bytes, depthwise 5x5': depthwiseBytes([5, 5], { padding: 2 }),
  'conv2d, bytes, depthwise 5x5, stride 2': depthwiseBytes([5, 5], { padding: 2, stride: 2 }),
  'conv2d, bytes, depthwise 7x7': depthwiseBytes([7, 7], { padding: 3 }),
  'conv2d, bytes, depthwise 3x3, dilated by 5': depthwiseBytes([3, 3], { padding: 5, dilation: 5 }),
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
  ...Object.fromEntries(
    ([fb.sub, fb.div, fb.maximum, fb.minimum] as const).map((op) => [
      `${op.name} of bytes`,
      photo((x) =>
        op(quantize(x!, 'int8'), fb.globalMaxPool2d(quantize(x!, 'int8')), {
          quantization: { scale: 0.02, zeroPoint: 9 },
        }),
      ),
    ]),
  ),
  'mul of bytes': photo((x) =>
    fb.mul(quantize(x!), fb.globalMaxPool2d(quantize(x!)), { quantization: { scale: 0.02, zeroPoint: 9 } }),
  ),
  'maxPool2d of bytes': photo((x) => fb.maxPool2d(quantize(x!, 'int8'), { size: 3, stride: 2, padding: 1 })),
  'avgPool2d of bytes': photo((x) => fb.avgPool2d(quantize(x!), { size: 3, stride: 1, padding: 1 })),
  'globalAvgPool2d of bytes': photo((x) => fb.globalAvgPool2d(quantize(x!))),
  'softmax of bytes': photo((x) => fb.softmax(quantize(x!, 'int8'))),
  'softmax of bytes, columns': photo((x) => fb.softmax(quantize(x!), { axis: 1 })),
  'softmax of bytes, few columns': photo((x) => fb.softmax(quantize(x!), { axis: 2 })),
  'softmax of bytes, long rows': photo((x) => fb.softmax(quantize(x!.reshape([1, x!.size])))),
  'softmax of bytes, far apart': photo((x) =>
    fb.softmax(fb.quantize(x!, { scale: 0.3, zeroPoint: 9 }), {
      quantization: { scale: 0.001, zeroPoint: 1 },
    }),
  ),
  'resize of bytes, nearest': photo((x) => fb.resize(quantize(x!), { size: [7, 9], method: 'nearest' })),
  'resize of bytes, bilinear': photo((x) => fb.resize(quantize(x!, 'int8'), { size: [20, 5] })),
  'resize of bytes, bicubic, another scale': photo((x) =>
    fb.resize(quantize(x!), {
      size: [5, 20],
      method: 'bicubic',
      antialias: true,
      quantization: { scale: 0.01, zeroPoint: 90 },
    }),
  ),
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
  'matmul of bytes whose zero points are off the middle': {
    shapes: (random) => {
      const [m, k, n] = [random.integer(1, 40), 4 * random.integer(1, 20), random.integer(3, 40)]
      return [
        [m, k],
        [k, n],
      ]
    },
    op: (a, b) =>
      fb.matmul(quantize(a!), quantize(b!), {
        quantization: { scale: 0.1, zeroPoint: 7, dtype: 'uint8' },
      }),
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
}
