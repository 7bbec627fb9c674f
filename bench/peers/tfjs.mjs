/** TensorFlow.js on its WebAssembly backend. Tensors stay in its memory: a run copies nothing. */
import { joined } from '../networks.mjs'

/**
 * @param tf @tensorflow/tfjs-core, its wasm backend ready and set to one thread @returns
 * {import('../compare.mjs').Contender}
 */
export function tfjs(tf) {
  return {
    name: 'tfjs-wasm',
    version: tf.version_core,
    network(network, _, photo) {
      const { input, layers } = network
      const [n, c, h, w] = input
      const kept = []
      const keep = (tensor) => {
        kept.push(tensor)
        return tensor
      }
      const x = keep(tf.tidy(() => tf.transpose(tf.tensor(photo, [n, c, h, w]), [0, 2, 3, 1])))
      const steps = joined(layers, ['conv', 'linear']).map((layer) => ({
        layer,
        call: layerOf(tf, layer, keep),
      }))
      const last = layers.at(-1).y
      const run = async () => {
        const y = tf.tidy(() => {
          const values = new Map([[0, x]])
          for (const { layer, call } of steps)
            values.set(layer.y, call(...[layer.x].flat().map((id) => values.get(id))))
          const result = values.get(last)
          return result.rank === 4 ? tf.transpose(result, [0, 3, 1, 2]) : result
        })
        const numbers = await y.data()
        y.dispose()
        return numbers
      }
      return { run, dispose: () => tf.dispose(kept) }
    },
    prepare(problem, data) {
      const { kind, input } = problem
      // It has no groups.
      if (kind === 'grouped') return
      const tensors = { x: tf.tensor(data.x, input) }
      if (data.filter) {
        tensors.filter = filterOf(tf, problem, data.filter)
        tensors.bias = tf.tensor1d(data.bias)
      }
      const call = callOf(tf, problem, tensors)
      const run = () => tf.tidy(call)
      return {
        run: () => run().dispose(),
        output() {
          const y = run()
          const numbers = y.dataSync()
          y.dispose()
          return numbers
        },
        dispose: () => tf.dispose(tensors),
      }
    },
  }
}

/** The filter in the shape that the op wants. */
function filterOf(tf, { op, kind, filter }, data) {
  const [kh, kw, one, channels] = filter
  if (kind.startsWith('depthwise')) return tf.tensor(data, [kh, kw, channels, one])
  if (op === 'convTranspose2d') return tf.tidy(() => tf.transpose(tf.tensor(data, filter), [0, 1, 3, 2]))
  return tf.tensor(data, filter)
}

function callOf(
  tf,
  { op, kind, input, filter, window, stride, padding, dilation, outputPadding },
  { x, filter: w, bias },
) {
  const [top, left] = padding
  const pad =
    top === left
      ? top
      : [
          [0, 0],
          [top, top],
          [left, left],
          [0, 0],
        ]
  if (op === 'linear') return () => tf.fused.matMul({ a: x, b: w, bias })
  if (kind.startsWith('depthwise'))
    return () => tf.fused.depthwiseConv2d({ x, filter: w, strides: stride, pad, dilations: dilation, bias })
  if (op === 'conv2d')
    return () => tf.fused.conv2d({ x, filter: w, strides: stride, pad, dilations: dilation, bias })
  if (op === 'convTranspose2d') {
    const length = (i) => (input[i + 1] - 1) * stride[i] + window[i] - 2 * padding[i] + outputPadding[i]
    const shape = [input[0], length(0), length(1), filter[3]]
    return () => tf.add(tf.conv2dTranspose(x, w, shape, stride, pad), bias)
  }
  const calls = {
    maxPool2d: () => tf.maxPool(x, window, stride, pad),
    avgPool2d: () => tf.avgPool(x, window, stride, pad),
    globalAvgPool2d: () => tf.mean(x, [1, 2], true),
    relu: () => tf.relu(x),
    relu6: () => tf.relu6(x),
    sigmoid: () => tf.sigmoid(x),
    tanh: () => tf.tanh(x),
    gelu: () => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
    silu: () => tf.mul(x, tf.sigmoid(x)),
    hardSwish: () => tf.mul(x, tf.mul(tf.relu6(tf.add(x, 3)), 1 / 6)),
    elu: () => tf.elu(x),
    leakyRelu: () => tf.leakyRelu(x, 0.01),
    softplus: () => tf.softplus(x),
    softmax: () => tf.softmax(x),
  }
  return calls[op]
}

/** A layer of networks.mjs as a function of its inputs. `keep` holds what outlives a run. */
function layerOf(tf, layer, keep) {
  const { op, filter, shape, bias, stride, padding, groups, activation, norm, size } = layer
  if (op === 'conv') {
    const depthwise = groups > 1
    // [out, in / groups, h, w] -> [h, w, in, out]; one filter for each channel: [h, w, channels, 1]
    const w = keep(
      tf.tidy(() => tf.transpose(tf.tensor(filter, shape), depthwise ? [2, 3, 0, 1] : [2, 3, 1, 0])),
    )
    const b = norm ? undefined : keep(tf.tensor1d(bias))
    const pad = [
      [0, 0],
      [padding, padding],
      [padding, padding],
      [0, 0],
    ]
    const options = {
      filter: w,
      strides: stride,
      pad: padding ? pad : 'valid',
      bias: b,
      activation: norm ? undefined : activation,
    }
    const conv = depthwise
      ? (x) => tf.fused.depthwiseConv2d({ x, ...options })
      : (x) => tf.fused.conv2d({ x, ...options })
    if (!norm) return conv
    const [scale, offset, mean, variance] = norm.map((table) => keep(tf.tensor1d(table)))
    return (x) => {
      const y = tf.batchNorm(conv(x), mean, variance, offset, scale, 1e-5)
      return activation ? tf[activation](y) : y
    }
  }
  if (op === 'linear') {
    const w = keep(tf.tidy(() => tf.transpose(tf.tensor(filter, shape))))
    const b = keep(tf.tensor1d(bias))
    return (x) => tf.fused.matMul({ a: x, b: w, bias: b, activation })
  }
  // The file's order of numbers: channels first.
  if (op === 'flatten') return (x) => tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [x.shape[0], -1])
  const sides = padding
    ? [
        [0, 0],
        [padding, padding],
        [padding, padding],
        [0, 0],
      ]
    : 'valid'
  const calls = {
    maxPool: (x) => tf.maxPool(x, size, stride, sides),
    avgPool: (x) => tf.avgPool(x, size, stride, sides),
    globalAvgPool: (x) => tf.mean(x, [1, 2], true),
    add: (a, b) => tf.add(a, b),
    concat: (a, b) => tf.concat([a, b], 3),
  }
  return calls[op] ?? tf[op]
}
