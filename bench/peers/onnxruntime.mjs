/**
 * ONNX Runtime, in WebAssembly and native: the same API, a model of one layer. Every call copies inputs in
 * and outputs out; to time the kernels by themselves a second model has its input as a default that stays
 * inside, and gives a single element of its output.
 */
import { writeModel } from '../../dist/nn.js'

/**
 * @param ort onnxruntime-web or onnxruntime-node, set to one thread @returns
 * {import('../compare.mjs').Contender}
 */
export function onnxruntime(ort, { name, version, native, provider }) {
  const session = (model) =>
    ort.InferenceSession.create(model, {
      executionProviders: [provider],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
    })
  return {
    name,
    version,
    native,
    reads: true,
    async network({ input }, bytes, photo) {
      const whole = await session(bytes)
      const feeds = { [whole.inputNames[0]]: new ort.Tensor('float32', photo, input) }
      return {
        run: async () => (await whole.run(feeds))[whole.outputNames[0]].data,
        dispose: () => whole.release(),
      }
    },
    async prepare(problem, data) {
      const layer = layerOf(problem, data)
      if (!layer) return
      const { nodes, constants, x, rank } = layer
      const port = { name: x.name, shape: x.shape }
      const whole = await session(
        writeModel({
          nodes,
          initializers: constants,
          inputs: [port],
          outputs: [{ name: 'y' }],
        }),
      )
      const cut = { op: 'Slice', inputs: ['y', 'starts', 'ends'], outputs: ['corner'] }
      const bounds = ['starts', 'ends'].map((name, i) => ({
        name,
        shape: [rank],
        data: new BigInt64Array(rank).fill(BigInt(i)),
      }))
      const inside = await session(
        writeModel({
          nodes: [...nodes, cut],
          initializers: [...constants, ...bounds, x],
          inputs: [port],
          outputs: [{ name: 'corner' }],
        }),
      )
      const feeds = { x: new ort.Tensor('float32', x.data, x.shape) }
      return {
        run: () => inside.run({}),
        runWithCopies: () => whole.run(feeds),
        async output() {
          const { y } = await whole.run(feeds)
          return layer.channelsFirst ? toChannelsLast(y.data, y.dims) : y.data
        },
        dispose() {
          whole.release()
          inside.release()
        },
      }
    },
  }
}

/** Nodes from x to y, with their constants. What slides a window wants channels first. */
function layerOf({ op, input, filter, window, stride, padding, dilation, outputPadding, groups }, data) {
  const node = (op, inputs, attributes, outputs = ['y']) => ({ op, inputs, outputs, attributes })
  const bias = filter && { name: 'b', shape: [data.bias.length], data: data.bias }
  if (op === 'linear') {
    const weight = { name: 'w', shape: filter, data: data.filter }
    return {
      nodes: [node('Gemm', ['x', 'w', 'b'])],
      constants: [weight, bias],
      rank: 2,
      x: { name: 'x', shape: input, data: data.x },
    }
  }
  const [n, h, w, c] = input
  const channelsFirst = {
    channelsFirst: true,
    rank: 4,
    x: { name: 'x', shape: [n, c, h, w], data: toChannelsFirst(data.x, input) },
  }
  const sliding = { kernel_shape: window, strides: stride, pads: [...padding, ...padding] }
  if (filter) {
    const [kh, kw, a, b] = filter
    const transposed = op === 'convTranspose2d'
    // Conv [out, in / groups, kh, kw], ConvTranspose [in, out / groups, kh, kw].
    const weight = {
      name: 'w',
      shape: transposed ? [a, b, kh, kw] : [b, a, kh, kw],
      data: permute(data.filter, filter, transposed ? [2, 3, 0, 1] : [3, 2, 0, 1]),
    }
    const attributes = {
      ...sliding,
      dilations: dilation,
      group: groups,
      ...(transposed ? { output_padding: outputPadding } : {}),
    }
    return {
      ...channelsFirst,
      nodes: [node(transposed ? 'ConvTranspose' : 'Conv', ['x', 'w', 'b'], attributes)],
      constants: [weight, bias],
    }
  }
  if (op === 'maxPool2d') return { ...channelsFirst, nodes: [node('MaxPool', ['x'], sliding)], constants: [] }
  if (op === 'avgPool2d')
    return { ...channelsFirst, nodes: [node('AveragePool', ['x'], sliding)], constants: [] }
  if (op === 'globalAvgPool2d')
    return { ...channelsFirst, nodes: [node('GlobalAveragePool', ['x'])], constants: [] }
  const bound = (name, number) => ({ name, shape: [], data: Float32Array.of(number) })
  const elementwise = {
    relu: [node('Relu', ['x'])],
    relu6: [node('Clip', ['x', 'low', 'high'])],
    sigmoid: [node('Sigmoid', ['x'])],
    tanh: [node('Tanh', ['x'])],
    gelu: [node('Gelu', ['x'])],
    silu: [node('Sigmoid', ['x'], {}, ['s']), node('Mul', ['x', 's'])],
    hardSwish: [node('HardSwish', ['x'])],
    elu: [node('Elu', ['x'])],
    leakyRelu: [node('LeakyRelu', ['x'])],
    softplus: [node('Softplus', ['x'])],
    softmax: [node('Softmax', ['x'], { axis: -1 })],
  }
  if (elementwise[op]) {
    const constants = op === 'relu6' ? [bound('low', 0), bound('high', 6)] : []
    return { nodes: elementwise[op], constants, rank: 4, x: { name: 'x', shape: input, data: data.x } }
  }
}

/** The numbers of `shape` with its axes in another order. */
function permute(data, shape, order) {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1))
  const [d0, d1, d2, d3] = order.map((axis) => shape[axis])
  const [s0, s1, s2, s3] = order.map((axis) => strides[axis])
  const result = new Float32Array(data.length)
  let at = 0
  for (let i = 0; i < d0; i++) {
    for (let j = 0; j < d1; j++) {
      for (let k = 0; k < d2; k++) {
        for (let l = 0; l < d3; l++) result[at++] = data[i * s0 + j * s1 + k * s2 + l * s3]
      }
    }
  }
  return result
}

const toChannelsFirst = (data, shape) => permute(data, shape, [0, 3, 1, 2])
const toChannelsLast = (data, shape) => permute(data, shape, [0, 2, 3, 1])
