/** LiteRT.js: XNNPACK in WebAssembly. In pages only. Tensors stay in its memory: a run copies nothing. */
import { writeTflite } from './tflite-writer.mjs'

// BuiltinOperator, BuiltinOptions, Padding of the schema.
const OPERATOR = {
  ...{ avgPool2d: 1, conv2d: 3, depthwise: 4, linear: 9, sigmoid: 14, maxPool2d: 17, relu: 19, relu6: 21, softmax: 25, tanh: 28, pad: 34, globalAvgPool2d: 40 },
  ...{ convTranspose2d: 67, leakyRelu: 98, elu: 111, hardSwish: 117, gelu: 150 },
}
const OPTIONS = { conv2d: 1, depthwise: 2, pool: 5, linear: 8, softmax: 9, pad: 22, reducer: 27, transposed: 49 }
const SAME = 0
const VALID = 1

/** @param litert @litertjs/core, loaded on one thread @returns {import('../compare.mjs').Contender} */
export function liteRt(litert, version) {
  return {
    name: 'LiteRT.js',
    version,
    async prepare(problem, data) {
      const bytes = modelOf(problem, data)
      if (!bytes) return
      const model = await litert.loadAndCompile(bytes, { accelerator: 'wasm' })
      const x = new litert.Tensor(data.x, problem.input)
      const output = async () => {
        const [y] = await model.run(x)
        const numbers = y.toTypedArray().slice()
        y.delete()
        return numbers
      }
      return {
        async run() {
          const [y] = await model.run(x)
          y.delete()
        },
        output,
        dispose() {
          x.delete()
          model.delete()
        },
      }
    },
  }
}

/** The model of a layer; undefined where it has none. Its padding is TensorFlow's: any other goes into an operator of its own, which XNNPACK fuses where it can. */
function modelOf(problem, data) {
  const { op, kind, input, filter, window, stride, padding, dilation, outputPadding, groups } = problem
  const x = { shape: input }
  if (op === 'linear') {
    const weight = { shape: [filter[1], filter[0]], data: transpose(data.filter, filter[0]) }
    const y = { shape: [input[0], filter[1]] }
    return writeTflite([{ code: OPERATOR.linear, inputs: [x, weight, biasOf(data)], output: y, options: { type: OPTIONS.linear, fields: [0] } }], x, y)
  }
  if (!filter && !op.includes('Pool')) {
    if (!(op in OPERATOR)) return
    const y = { shape: input }
    // softmax: beta 1, as the bits of a float.
    const options = op === 'softmax' ? { type: OPTIONS.softmax, fields: [0x3f800000] } : undefined
    return op === 'leakyRelu' ? undefined : writeTflite([{ code: OPERATOR[op], inputs: [x], output: y, options }], x, y)
  }
  const [n, h, w, c] = input
  if (op === 'globalAvgPool2d') {
    const y = { shape: [n, 1, 1, c] }
    const axes = { shape: [2], data: Int32Array.of(1, 2) }
    return writeTflite([{ code: OPERATOR.globalAvgPool2d, inputs: [x, axes], output: y, options: { type: OPTIONS.reducer, fields: [1] } }], x, y)
  }
  if (op === 'convTranspose2d') {
    const same = window.every((size, i) => size - stride[i] === 2 * padding[i]) && outputPadding.every((extra) => extra === 0)
    if (groups > 1 || (!same && padding.some((p) => p > 0))) return
    const length = (i) => (input[i + 1] - 1) * stride[i] + window[i] - 2 * padding[i]
    const y = { shape: [n, length(0), length(1), filter[3]] }
    const shape = { shape: [4], data: Int32Array.from(y.shape) }
    const weight = { shape: [filter[3], ...window, c], data: filtersFirst(data.filter, filter[3]) }
    const options = { type: OPTIONS.transposed, fields: [same ? SAME : VALID, stride[1], stride[0]] }
    return writeTflite([{ code: OPERATOR.convTranspose2d, inputs: [shape, weight, x, biasOf(data)], output: y, options }], x, y)
  }
  const reach = window.map((size, i) => dilation[i] * (size - 1) + 1)
  const output = [h, w].map((length, i) => Math.floor((length + 2 * padding[i] - reach[i]) / stride[i]) + 1)
  const unpadded = padding.every((p) => p === 0)
  const same = !unpadded && stride.every((s) => s === 1) && reach.every((r, i) => r - 1 === 2 * padding[i])
  const steps = []
  let from = x
  if (!unpadded && !same) {
    // Zeros are not the least of a maximum, nor left out of a mean.
    if (!filter) return
    const sides = { shape: [4, 2], data: Int32Array.from([0, 0, padding[0], padding[0], padding[1], padding[1], 0, 0]) }
    const padded = { shape: [n, h + 2 * padding[0], w + 2 * padding[1], c] }
    steps.push({ code: OPERATOR.pad, inputs: [x, sides], output: padded, options: { type: OPTIONS.pad, fields: [] } })
    from = padded
  }
  const rule = same ? SAME : VALID
  if (!filter) {
    const y = { shape: [n, ...output, c] }
    const options = { type: OPTIONS.pool, fields: [rule, stride[1], stride[0], window[1], window[0]] }
    return writeTflite([{ code: OPERATOR[op], inputs: [from], output: y, options }], x, y)
  }
  const y = { shape: [n, ...output, filter[3]] }
  const isDepthwise = kind.startsWith('depthwise')
  const weight = isDepthwise
    ? { shape: [1, ...window, c], data: data.filter }
    : { shape: [filter[3], ...window, filter[2]], data: filtersFirst(data.filter, filter[3]) }
  const options = isDepthwise
    ? { type: OPTIONS.depthwise, fields: [rule, stride[1], stride[0], 1, 0, dilation[1], dilation[0]] }
    : { type: OPTIONS.conv2d, fields: [rule, stride[1], stride[0], 0, dilation[1], dilation[0]] }
  steps.push({ code: isDepthwise ? OPERATOR.depthwise : OPERATOR.conv2d, inputs: [from, weight, biasOf(data)], output: y, options })
  return writeTflite(steps, x, y)
}

const biasOf = ({ bias }) => ({ shape: [bias.length], data: bias })

/** A matrix [rows, columns] -> [columns, rows] */
function transpose(data, rows) {
  const columns = data.length / rows
  return data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)])
}

/** [taps, in, out] -> [out, taps, in] */
const filtersFirst = (data, outChannels) => transpose(data, data.length / outChannels)
