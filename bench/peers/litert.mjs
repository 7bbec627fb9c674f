/** LiteRT.js: XNNPACK in WebAssembly. In pages only. Tensors stay in its memory: a run copies nothing. */
import { writeTflite } from './tflite-writer.mjs'

// BuiltinOperator, BuiltinOptions, Padding of the schema.
const OPERATOR = {
  ...{ avgPool2d: 1, conv2d: 3, depthwise: 4, linear: 9, sigmoid: 14, maxPool2d: 17, relu: 19, relu6: 21, softmax: 25, tanh: 28, pad: 34, globalAvgPool2d: 40 },
  ...{ convTranspose2d: 67, elu: 111, hardSwish: 117, gelu: 150 },
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

/** The model of a layer; undefined where it has none. */
function modelOf(problem, data) {
  const { op, filter, input } = problem
  const x = { shape: input }
  const layer = { linear, convTranspose2d: transposed, globalAvgPool2d: globalPool }[op] ?? (filter || op.includes('Pool') ? sliding : elementwise)
  const operators = layer(x, problem, data)
  return operators && writeTflite(operators, x, operators.at(-1).output)
}

function linear(x, { filter: [from, to] }, data) {
  const weight = { shape: [to, from], data: transpose(data.filter, from) }
  return [{ code: OPERATOR.linear, inputs: [x, weight, biasOf(data)], output: { shape: [x.shape[0], to] }, options: { type: OPTIONS.linear, fields: [0] } }]
}

function elementwise(x, { op }) {
  // silu and softplus are no operators; leakyRelu's slope is left out here.
  if (!(op in OPERATOR)) return
  // softmax: beta 1, as the bits of a float.
  const options = op === 'softmax' ? { type: OPTIONS.softmax, fields: [0x3f800000] } : undefined
  return [{ code: OPERATOR[op], inputs: [x], output: { shape: x.shape }, options }]
}

function globalPool(x) {
  const [n, , , c] = x.shape
  const axes = { shape: [2], data: Int32Array.of(1, 2) }
  return [{ code: OPERATOR.globalAvgPool2d, inputs: [x, axes], output: { shape: [n, 1, 1, c] }, options: { type: OPTIONS.reducer, fields: [1] } }]
}

function transposed(x, { filter, window, stride, padding, outputPadding, groups }, data) {
  const [n, h, w, c] = x.shape
  const same = window.every((size, i) => size - stride[i] === 2 * padding[i]) && outputPadding.every((extra) => extra === 0)
  if (groups > 1 || (!same && padding.some((p) => p > 0))) return
  const [oh, ow] = [h, w].map((length, i) => (length - 1) * stride[i] + window[i] - 2 * padding[i])
  const y = { shape: [n, oh, ow, filter[3]] }
  const shape = { shape: [4], data: Int32Array.from(y.shape) }
  const weight = { shape: [filter[3], ...window, c], data: filtersFirst(data.filter, filter[3]) }
  const options = { type: OPTIONS.transposed, fields: [same ? SAME : VALID, stride[1], stride[0]] }
  return [{ code: OPERATOR.convTranspose2d, inputs: [shape, weight, x, biasOf(data)], output: y, options }]
}

/** Convolution and pooling. Padding that is not TensorFlow's goes into an operator of its own, which XNNPACK fuses where it can. */
function sliding(x, { op, kind, filter, window, stride, padding, dilation }, data) {
  const [n, h, w, c] = x.shape
  const reach = window.map((size, i) => dilation[i] * (size - 1) + 1)
  const [oh, ow] = [h, w].map((length, i) => Math.floor((length + 2 * padding[i] - reach[i]) / stride[i]) + 1)
  const unpadded = padding.every((p) => p === 0)
  const same = !unpadded && stride.every((s) => s === 1) && reach.every((r, i) => r - 1 === 2 * padding[i])
  const steps = []
  let from = x
  if (!unpadded && !same) {
    // Zeros are not the least of a maximum, nor left out of a mean.
    if (!filter) return
    const sides = { shape: [4, 2], data: Int32Array.from([0, 0, padding[0], padding[0], padding[1], padding[1], 0, 0]) }
    from = { shape: [n, h + 2 * padding[0], w + 2 * padding[1], c] }
    steps.push({ code: OPERATOR.pad, inputs: [x, sides], output: from, options: { type: OPTIONS.pad, fields: [] } })
  }
  const walk = [same ? SAME : VALID, stride[1], stride[0]]
  if (!filter) {
    const options = { type: OPTIONS.pool, fields: [...walk, window[1], window[0]] }
    return [{ code: OPERATOR[op], inputs: [x], output: { shape: [n, oh, ow, c] }, options }]
  }
  const spread = [0, dilation[1], dilation[0]]
  const [code, options, weight] = kind.startsWith('depthwise')
    ? [OPERATOR.depthwise, { type: OPTIONS.depthwise, fields: [...walk, 1, ...spread] }, { shape: [1, ...window, c], data: data.filter }]
    : [
        OPERATOR.conv2d,
        { type: OPTIONS.conv2d, fields: [...walk, ...spread] },
        { shape: [filter[3], ...window, filter[2]], data: filtersFirst(data.filter, filter[3]) },
      ]
  return [...steps, { code, inputs: [from, weight, biasOf(data)], output: { shape: [n, oh, ow, filter[3]] }, options }]
}

const biasOf = ({ bias }) => ({ shape: [bias.length], data: bias })

/** A matrix [rows, columns] -> [columns, rows] */
function transpose(data, rows) {
  const columns = data.length / rows
  return data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)])
}

/** [taps, in, out] -> [out, taps, in] */
const filtersFirst = (data, outChannels) => transpose(data, data.length / outChannels)
