/** LiteRT.js: XNNPACK in WebAssembly. In pages only. Tensors stay in its memory: a run copies nothing. */
import type * as Litert from '@litertjs/core'
import type { Numbers, Problem } from '../cases.js'
import type { ByteLayer, Contender } from '../contender.js'
import { type JoinedLayer, joined, type Network } from '../networks.js'
import { type Operator, type Value, writeTflite } from './tflite.js'

// BuiltinOperator, BuiltinOptions, Padding, ActivationFunctionType of the schema.
const OPERATOR = {
  ...{ add: 0, concat: 2, dequantize: 6, reshape: 22, transpose: 39, slice: 65 },
  ...{
    avgPool2d: 1,
    conv2d: 3,
    depthwise: 4,
    linear: 9,
    sigmoid: 14,
    maxPool2d: 17,
    relu: 19,
    relu6: 21,
    softmax: 25,
    tanh: 28,
    pad: 34,
    globalAvgPool2d: 40,
  },
  ...{ convTranspose2d: 67, elu: 111, hardSwish: 117, gelu: 150 },
}
const OPTIONS = {
  conv2d: 1,
  depthwise: 2,
  pool: 5,
  linear: 8,
  softmax: 9,
  concat: 10,
  add: 11,
  reshape: 17,
  pad: 22,
  transpose: 26,
  reducer: 27,
  transposed: 49,
}
const ACTIVATION = { none: 0, relu: 1, relu6: 3 }
const SAME = 0
const VALID = 1

/** @param litert loaded on one thread */
export function liteRt(litert: typeof Litert, version: string): Contender {
  return {
    name: 'LiteRT.js',
    version,
    async network(network, _, photo) {
      const bytes = networkOf(network)
      if (!bytes) return undefined
      const [n, c, h, w] = network.input
      const { output, dispose } = await open(bytes, channelsLast(photo, network.input), [n, h, w, c])
      return { run: output, dispose }
    },
    async bytes(problem, layer) {
      const { run, output, dispose } = await open(byteModel(problem, layer), Float32Array.of(0), [1])
      const { scale, zeroPoint } = layer.quantization.y
      return {
        run,
        output: async () => (await output()).map((value) => Math.round(value / scale) + zeroPoint),
        dispose,
      }
    },
    async prepare(problem, data) {
      const bytes = modelOf(problem, data)
      return bytes && open(bytes, data.x, problem.input)
    },
  }

  async function open(bytes: Uint8Array, numbers: Float32Array, shape: readonly number[]) {
    const model = await litert.loadAndCompile(bytes, { accelerator: 'wasm' })
    const x = new litert.Tensor(numbers, shape)
    const output = async () => {
      const [y] = (await model.run(x)) as [Litert.Tensor]
      const numbers = y.toTypedArray().slice()
      y.delete()
      return numbers
    }
    return {
      async run() {
        const [y] = (await model.run(x)) as [Litert.Tensor]
        y.delete()
      },
      output,
      dispose() {
        x.delete()
        model.delete()
      },
    }
  }
}

type Four = [number, number, number, number]
type Pair = [number, number]

/** A problem, or what a layer of a network has of one. */
type Layer = Pick<Problem, 'op'> &
  Partial<Problem> & {
    activation?: number
    /** Whether zeros around it change nothing. */
    padsZeros?: boolean
  }

/** The operators of a layer, in order; undefined where it has none. */
type LayerOf = (x: Value, layer: Layer, weight?: Value, bias?: Value) => Operator[] | undefined

/** The model of a layer; undefined where it has none. */
function modelOf(problem: Problem, data: Numbers): Uint8Array | undefined {
  const { op, filter, input } = problem
  const x = { shape: input }
  const bias = filter && { shape: [data.bias!.length], data: data.bias! }
  const weight = filter && weightOf(problem, data.filter!)
  const whole: Record<string, LayerOf> = { linear, convTranspose2d: transposed, globalAvgPool2d: globalPool }
  const layer = whole[op] ?? (filter || op.includes('Pool') ? sliding : elementwise)
  const operators = layer(x, problem, weight, bias)
  return operators && writeTflite(operators, x, operators.at(-1)!.output)
}

/**
 * A layer on bytes whose input stays inside; of the output the channels of its first pixel, as floats, which is
 * what LiteRT.js takes out. LiteRT's bytes are int8: those of ours less 128. Its input is a number that nothing
 * depends on, since it takes no model without one.
 */
function byteModel(problem: Problem, { x: numbers, filter, quantization }: ByteLayer): Uint8Array {
  const signed = ({ scale, zeroPoint }: { scale: number; zeroPoint: number }) => ({
    type: 'int8' as const,
    scales: [scale],
    zeroPoint: zeroPoint - 128,
  })
  const channels = problem.filter![3]!
  const x: Value = {
    shape: problem.input,
    data: Int8Array.from(numbers, (value) => value - 128),
    quantization: signed(quantization.x),
  }
  const { shape, data } = weightOf(problem, Float32Array.from(filter))
  const axis = problem.kind.startsWith('depthwise') ? 3 : 0
  const scales = new Array<number>(channels).fill(quantization.filter.scale)
  const weight: Value = {
    shape,
    data: Int8Array.from(data!),
    quantization: { type: 'int8', scales, zeroPoint: 0, axis },
  }
  const bias: Value = {
    shape: [channels],
    data: new Int32Array(channels),
    quantization: { type: 'int32', scales: scales.map((s) => s * quantization.x.scale), zeroPoint: 0 },
  }
  const layers = sliding(x, { ...problem, activation: ACTIVATION.relu }, weight, bias)!
  const last = layers.at(-1)!
  for (const { output } of layers)
    output.quantization = output === last.output ? signed(quantization.y) : x.quantization!
  const whole = (list: number[]): Value => ({ shape: [list.length], data: Int32Array.from(list) })
  const corner: Value = { shape: [1, 1, 1, channels], quantization: last.output.quantization! }
  const floats: Value = { shape: corner.shape }
  const steps: Operator[] = [
    ...layers,
    {
      code: OPERATOR.slice,
      inputs: [last.output, whole([0, 0, 0, 0]), whole([...corner.shape])],
      output: corner,
    },
    { code: OPERATOR.dequantize, inputs: [corner], output: floats },
  ]
  const unused: Value = { shape: [1] }
  return writeTflite(steps, unused, floats)
}

/** Filters as LiteRT has them: one after another, but those of depthwise layers side by side. */
function weightOf({ op, kind, filter: shape, window, input }: Problem, data: Float32Array): Value {
  const filter = shape as number[]
  if (op === 'linear') return { shape: filter.toReversed(), data: transpose(data, filter[0]!) }
  if (kind.startsWith('depthwise')) return { shape: [1, ...window, input[3]!], data }
  return { shape: [filter[3]!, ...window, filter[2]!], data: transpose(data, data.length / filter[3]!) }
}

/**
 * The model of a network of networks.mjs: channels last at its entry, the order of the ONNX file at its end.
 */
function networkOf({ input, layers }: Pick<Network, 'input' | 'layers'>): Uint8Array | undefined {
  // A converter would have folded it.
  if (layers.some((layer) => layer.op === 'conv' && layer.norm)) return undefined
  const [n, c, h, w] = input
  const x = { shape: [n, h, w, c] }
  const values = new Map<number, Value>([[0, x]])
  const operators = joined(layers, ['conv', 'linear', 'add']).flatMap((layer) => {
    const steps = stepsOf(
      layer,
      [layer.x].flat().map((id) => values.get(id)!),
    )
    values.set(layer.y, steps.at(-1)!.output)
    return steps
  })
  const y = operators.at(-1)!.output
  if (y.shape.length === 4) operators.push(channelsFirst(y))
  return writeTflite(operators, x, operators.at(-1)!.output)
}

function stepsOf(layer: JoinedLayer, inputs: Value[]): Operator[] {
  const [x] = inputs as [Value]
  const pair = (length: number): Pair => [length, length]
  const activation = ACTIVATION[layer.activation ?? 'none']
  const windowOf = ({ stride, padding }: { stride: number; padding: number }) => ({
    stride: pair(stride),
    padding: pair(padding),
    dilation: pair(1),
    activation,
  })
  switch (layer.op) {
    case 'conv': {
      const { op, shape, filter, bias, groups } = layer
      const [out, depth, ...sides] = shape
      const kind = groups > 1 ? 'depthwise' : 'dense'
      const weight =
        kind === 'dense'
          ? { shape: [out, ...sides, depth], data: channelsLast(filter, shape) }
          : { shape: [1, ...sides, out], data: transpose(filter, out) }
      const offset = { shape: [bias.length], data: bias }
      return sliding(x, { ...windowOf(layer), op, kind, window: sides }, weight, offset)!
    }
    case 'linear': {
      const { op, shape, filter, bias } = layer
      return linear(x, { op, activation }, { shape, data: filter }, { shape: [bias.length], data: bias })
    }
    case 'flatten': {
      const [n, h, w, c] = x.shape as Four
      const first = h * w > 1 ? [channelsFirst(x)] : []
      const flat = { shape: [n, h * w * c] }
      const lengths = { shape: [2], data: Int32Array.from(flat.shape) }
      return [
        ...first,
        {
          code: OPERATOR.reshape,
          inputs: [first[0]?.output ?? x, lengths],
          output: flat,
          options: { type: OPTIONS.reshape, fields: [] },
        },
      ]
    }
    case 'globalAvgPool':
      return globalPool(x)
    case 'maxPool':
    case 'avgPool': {
      // Behind relu zeros are no more than any number: padding of the networks here.
      const padsZeros = layer.op === 'maxPool'
      return sliding(x, { ...windowOf(layer), op: `${layer.op}2d`, window: pair(layer.size), padsZeros })!
    }
    case 'add': {
      const options = { type: OPTIONS.add, fields: [activation] }
      return [{ code: OPERATOR.add, inputs, output: { shape: x.shape }, options }]
    }
    case 'concat': {
      const channels = inputs.reduce((sum, { shape }) => sum + shape[3]!, 0)
      const output = { shape: [...x.shape.slice(0, 3), channels] }
      return [{ code: OPERATOR.concat, inputs, output, options: { type: OPTIONS.concat, fields: [3] } }]
    }
    default:
      return elementwise(x, { op: layer.op })!
  }
}

/** [n, h, w, c] -> [n, c, h, w] */
function channelsFirst(x: Value): Operator {
  const [n, h, w, c] = x.shape as Four
  const order = { shape: [4], data: Int32Array.of(0, 3, 1, 2) }
  return {
    code: OPERATOR.transpose,
    inputs: [x, order],
    output: { shape: [n, c, h, w] },
    options: { type: OPTIONS.transpose, fields: [] },
  }
}

function linear(x: Value, { activation = 0 }: Layer, weight?: Value, bias?: Value): Operator[] {
  const output = { shape: [x.shape[0]!, weight!.shape[0]!] }
  return [
    {
      code: OPERATOR.linear,
      inputs: [x, weight!, bias!],
      output,
      options: { type: OPTIONS.linear, fields: [activation] },
    },
  ]
}

function elementwise(x: Value, { op }: Layer): Operator[] | undefined {
  // silu and softplus are no operators; leakyRelu's slope is left out here.
  if (!(op in OPERATOR)) return undefined
  // softmax: beta 1, as the bits of a float.
  const options = op === 'softmax' ? { type: OPTIONS.softmax, fields: [0x3f800000] } : undefined
  return [{ code: OPERATOR[op as keyof typeof OPERATOR], inputs: [x], output: { shape: x.shape }, options }]
}

function globalPool(x: Value): Operator[] {
  const [n, , , c] = x.shape as Four
  const axes = { shape: [2], data: Int32Array.of(1, 2) }
  return [
    {
      code: OPERATOR.globalAvgPool2d,
      inputs: [x, axes],
      output: { shape: [n, 1, 1, c] },
      options: { type: OPTIONS.reducer, fields: [1] },
    },
  ]
}

function transposed(x: Value, problem: Layer, weight?: Value, bias?: Value): Operator[] | undefined {
  const { filter, window, stride, padding, outputPadding, groups } = problem as Problem
  const [n, h, w] = x.shape as Four
  const same =
    window.every((size, i) => size - stride[i]! === 2 * padding[i]!) &&
    outputPadding.every((extra) => extra === 0)
  if (groups > 1 || (!same && padding.some((p) => p > 0))) return undefined
  const [oh, ow] = [h, w].map((length, i) => (length - 1) * stride[i]! + window[i]! - 2 * padding[i]!) as Pair
  const y = { shape: [n, oh, ow, filter![3]!] }
  const shape = { shape: [4], data: Int32Array.from(y.shape) }
  const options = { type: OPTIONS.transposed, fields: [same ? SAME : VALID, stride[1], stride[0]] }
  return [{ code: OPERATOR.convTranspose2d, inputs: [shape, weight!, x, bias!], output: y, options }]
}

/**
 * Convolution and pooling. Padding that is not TensorFlow's goes into an operator of its own, which XNNPACK
 * fuses where it can.
 */
function sliding(x: Value, layer: Layer, weight?: Value, bias?: Value): Operator[] | undefined {
  const { op, kind = '', activation = 0, padsZeros = !op.includes('Pool') } = layer
  const { window, stride, padding, dilation } = layer as Problem
  const [n, h, w, c] = x.shape as Four
  const reach = window.map((size, i) => dilation[i]! * (size - 1) + 1)
  const [oh, ow] = [h, w].map(
    (length, i) => Math.floor((length + 2 * padding[i]! - reach[i]!) / stride[i]!) + 1,
  ) as Pair
  const unpadded = padding.every((p) => p === 0)
  const same = !unpadded && stride.every((s) => s === 1) && reach.every((r, i) => r - 1 === 2 * padding[i]!)
  const steps: Operator[] = []
  let from = x
  if (!unpadded && !same) {
    // Zeros are not the least of a maximum, nor left out of a mean.
    if (!padsZeros) return undefined
    const sides = {
      shape: [4, 2],
      data: Int32Array.from([0, 0, padding[0], padding[0], padding[1], padding[1], 0, 0]),
    }
    from = { shape: [n, h + 2 * padding[0], w + 2 * padding[1], c] }
    steps.push({
      code: OPERATOR.pad,
      inputs: [x, sides],
      output: from,
      options: { type: OPTIONS.pad, fields: [] },
    })
  }
  const walk = [same ? SAME : VALID, stride[1], stride[0]]
  if (!weight) {
    const options = { type: OPTIONS.pool, fields: [...walk, window[1], window[0]] }
    return [
      ...steps,
      {
        code: OPERATOR[op as keyof typeof OPERATOR],
        inputs: [from],
        output: { shape: [n, oh, ow, c] },
        options,
      },
    ]
  }
  const spread = [activation, dilation[1], dilation[0]]
  const depthwise = kind.startsWith('depthwise')
  const options = depthwise
    ? { type: OPTIONS.depthwise, fields: [...walk, 1, ...spread] }
    : { type: OPTIONS.conv2d, fields: [...walk, ...spread] }
  const output = { shape: [n, oh, ow, weight.shape[depthwise ? 3 : 0]!] }
  return [
    ...steps,
    {
      code: depthwise ? OPERATOR.depthwise : OPERATOR.conv2d,
      inputs: [from, weight, bias!],
      output,
      options,
    },
  ]
}

/** A matrix [rows, columns] -> [columns, rows] */
function transpose(data: Float32Array, rows: number): Float32Array {
  const columns = data.length / rows
  return data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!)
}

/** [n, c, h, w] -> [n, h, w, c] */
function channelsLast(
  data: Float32Array,
  [n, c, h, w]: readonly [number, number, number, number],
): Float32Array {
  const size = c * h * w
  const result = new Float32Array(data.length)
  for (let i = 0; i < n; i++) result.set(transpose(data.subarray(i * size, (i + 1) * size), c), i * size)
  return result
}
