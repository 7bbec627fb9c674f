/**
 * ONNX Runtime, in WebAssembly and native: the same API, a model of one layer. Every call copies inputs in
 * and outputs out; to time the kernels by themselves a second model has its input as a default that stays
 * inside, and gives a single element of its output.
 */
import type * as Common from 'onnxruntime-common'
import { type NodeParts, type TensorParts, writeModel } from '../../src/onnx/file/write.js'
import { type Numbers, type Problem, sizeOf } from '../cases.js'
import type { ByteLayer, Contender } from '../contender.js'

/** onnxruntime-web or onnxruntime-node. */
export type Ort = typeof Common

interface Facts {
  name: string
  version: string
  native?: boolean
  provider: 'wasm' | 'cpu'
}

/** @param ort set to one thread */
export function onnxruntime(ort: Ort, { name, version, native = false, provider }: Facts): Contender {
  const session = (model: Uint8Array) =>
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
      const feeds = { [whole.inputNames[0]!]: new ort.Tensor('float32', photo, input) }
      return {
        run: async () => (await whole.run(feeds))[whole.outputNames[0]!]!.data as Float32Array,
        dispose: () => whole.release(),
      }
    },
    async bytes(problem, layer) {
      const inside = await session(byteModel(problem, layer))
      const [name] = inside.outputNames as [string]
      return {
        run: () => inside.run({}),
        // It has no relu, which takes it no time then.
        output: async () => {
          const { data } = (await inside.run({}))[name]!
          return (data as Uint8Array).map((value) => Math.max(value, layer.quantization.y.zeroPoint))
        },
        dispose: () => void inside.release(),
      }
    },
    async prepare(problem, data) {
      const layer = layerOf(problem, data)
      if (!layer) return undefined
      const { nodes, constants, x, rank } = layer
      const input = { name: x.name, shape: x.shape }
      const whole = await session(
        writeModel({ nodes, initializers: constants, inputs: [input], outputs: [{ name: 'y' }] }),
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
          inputs: [input],
          outputs: [{ name: 'corner' }],
        }),
      )
      const feeds = { x: new ort.Tensor('float32', x.data, x.shape) }
      return {
        run: () => inside.run({}),
        runWithCopies: () => whole.run(feeds),
        async output() {
          const y = (await whole.run(feeds))['y']!
          const numbers = y.data as Float32Array
          return layer.channelsFirst ? toChannelsLast(numbers, y.dims) : numbers
        },
        dispose() {
          whole.release()
          inside.release()
        },
      }
    },
  }
}

type Four = [number, number, number, number]
type Named = TensorParts & { name: string }

/** `x` is an input with its numbers; `channelsFirst`: it and y are [n, channels, height, width]. */
interface Layer {
  nodes: NodeParts[]
  constants: Named[]
  rank: number
  x: { name: 'x'; shape: readonly number[]; data: Float32Array }
  channelsFirst?: boolean
}

/** Nodes from x to y, with their constants. What slides a window wants channels first. */
function layerOf(problem: Problem, data: Numbers): Layer | undefined {
  const { op, input, filter, window, stride, padding, dilation, outputPadding, groups } = problem
  const node = (
    op: string,
    inputs: string[],
    attributes: NodeParts['attributes'] = {},
    outputs = ['y'],
  ): NodeParts => ({ op, inputs, outputs, attributes })
  const bias = (): Named => ({ name: 'b', shape: [data.bias!.length], data: data.bias! })
  if (op === 'linear') {
    const weight = { name: 'w', shape: filter!, data: data.filter! }
    return {
      nodes: [node('Gemm', ['x', 'w', 'b'])],
      constants: [weight, bias()],
      rank: 2,
      x: { name: 'x', shape: input, data: data.x },
    }
  }
  const [n, h, w, c] = input as Four
  const channelsFirst: Omit<Layer, 'nodes' | 'constants'> = {
    channelsFirst: true,
    rank: 4,
    x: { name: 'x', shape: [n, c, h, w], data: toChannelsFirst(data.x, input) },
  }
  const sliding = { kernel_shape: window, strides: stride, pads: [...padding, ...padding] }
  if (filter) {
    const [kh, kw, a, b] = filter as Four
    const transposed = op === 'convTranspose2d'
    // Conv [out, in / groups, kh, kw], ConvTranspose [in, out / groups, kh, kw].
    const weight = {
      name: 'w',
      shape: transposed ? [a, b, kh, kw] : [b, a, kh, kw],
      data: permute(data.filter!, filter, transposed ? [2, 3, 0, 1] : [3, 2, 0, 1]),
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
      constants: [weight, bias()],
    }
  }
  if (op === 'maxPool2d') return { ...channelsFirst, nodes: [node('MaxPool', ['x'], sliding)], constants: [] }
  if (op === 'avgPool2d')
    return { ...channelsFirst, nodes: [node('AveragePool', ['x'], sliding)], constants: [] }
  if (op === 'globalAvgPool2d')
    return { ...channelsFirst, nodes: [node('GlobalAveragePool', ['x'])], constants: [] }
  const bound = (name: string, number: number): Named => ({ name, shape: [], data: Float32Array.of(number) })
  const elementwise: Record<string, NodeParts[]> = {
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
  const nodes = elementwise[op]
  const constants = op === 'relu6' ? [bound('low', 0), bound('high', 6)] : []
  return nodes && { nodes, constants, rank: 4, x: { name: 'x', shape: input, data: data.x } }
}

/** The numbers of `shape` with its axes in another order. */
function permute(data: Float32Array, shape: readonly number[], order: Four): Float32Array<ArrayBuffer> {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)))
  const [d0, d1, d2, d3] = order.map((axis) => shape[axis]) as Four
  const [s0, s1, s2, s3] = order.map((axis) => strides[axis]) as Four
  const result = new Float32Array(data.length)
  let at = 0
  for (let i = 0; i < d0; i++) {
    for (let j = 0; j < d1; j++) {
      for (let k = 0; k < d2; k++) {
        for (let l = 0; l < d3; l++) result[at++] = data[i * s0 + j * s1 + k * s2 + l * s3]!
      }
    }
  }
  return result
}

const toChannelsFirst = (data: Float32Array, shape: readonly number[]) => permute(data, shape, [0, 3, 1, 2])
const toChannelsLast = (data: Float32Array, shape: readonly number[]) => permute(data, shape, [0, 2, 3, 1])

/** QLinearConv whose input stays inside, and the channels of its first pixel. */
function byteModel(
  { input, filter: shape, padding, stride, dilation, groups }: Problem,
  { x, filter, quantization }: ByteLayer,
): Uint8Array {
  const [n, h, width, c] = input as [number, number, number, number]
  const [kh, kw, depth, oc] = shape as [number, number, number, number]
  const channelsFirst = new Uint8Array(x.length)
  for (let i = 0; i < x.length; i++) channelsFirst[(i % c) * h * width + Math.floor(i / c)] = x[i]!
  const outFirst = new Int8Array(filter.length)
  for (let i = 0; i < filter.length; i++)
    outFirst[((i % oc) * depth + (Math.floor(i / oc) % depth)) * kh * kw + Math.floor(i / oc / depth)] =
      filter[i]!
  const number = (name: string, data: TensorParts['data']) => ({ name, shape: [], data })
  const corner = (name: string, to: number[]) => ({
    name,
    shape: [4],
    data: BigInt64Array.from(to, (end) => BigInt(end)),
  })
  return writeModel({
    nodes: [
      {
        op: 'QLinearConv',
        inputs: ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz'],
        outputs: ['y'],
        attributes: {
          pads: [...padding, ...padding],
          strides: stride,
          dilations: dilation,
          group: groups,
        },
      },
      { op: 'Slice', inputs: ['y', 'from', 'to'], outputs: ['corner'] },
    ],
    initializers: [
      { name: 'x', shape: [n, c, h, width], data: channelsFirst },
      { name: 'w', shape: [oc, depth, kh, kw], data: outFirst },
      number('xs', Float32Array.of(quantization.x.scale)),
      number('xz', Uint8Array.of(quantization.x.zeroPoint)),
      number('ws', Float32Array.of(quantization.filter.scale)),
      number('wz', Int8Array.of(0)),
      number('ys', Float32Array.of(quantization.y.scale)),
      number('yz', Uint8Array.of(quantization.y.zeroPoint)),
      corner('from', [0, 0, 0, 0]),
      corner('to', [1, oc, 1, 1]),
    ],
    inputs: [{ name: 'x', type: 'uint8', shape: [n, c, h, width] }],
    outputs: [{ name: 'corner', type: 'uint8' }],
  })
}
