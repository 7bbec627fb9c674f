/** TensorFlow.js on its WebAssembly backend. Tensors stay in its memory: a run copies nothing. */

/** @param tf @tensorflow/tfjs-core, its wasm backend ready and set to one thread @returns {import('../compare.mjs').Contender} */
export function tfjs(tf) {
  return {
    name: 'tfjs-wasm',
    version: tf.version_core,
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

function callOf(tf, { op, kind, input, filter, window, stride, padding, dilation, outputPadding }, { x, filter: w, bias }) {
  const [top, left] = padding
  const pad = top === left ? top : [[0, 0], [top, top], [left, left], [0, 0]] // biome-ignore format: a matrix
  if (op === 'linear') return () => tf.fused.matMul({ a: x, b: w, bias })
  if (kind.startsWith('depthwise')) return () => tf.fused.depthwiseConv2d({ x, filter: w, strides: stride, pad, dilations: dilation, bias })
  if (op === 'conv2d') return () => tf.fused.conv2d({ x, filter: w, strides: stride, pad, dilations: dilation, bias })
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
