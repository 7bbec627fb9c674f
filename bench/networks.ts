/**
 * The networks of the bench: the layers of the papers as torchvision has them, with seeded weights. As files
 * they look like what PyTorch exports for inference, batch normalisation folded into the convolutions, or
 * with nodes of its own.
 */
import { type NodeParts, type TensorParts, writeModel } from '../src/onnx/file/write.js'

/** [out, in / groups, height, width] */
type FilterShape = [out: number, groupIn: number, height: number, width: number]

export interface Conv {
  op: 'conv'
  x: number
  filter: Float32Array
  shape: FilterShape
  bias: Float32Array
  stride: number
  padding: number
  groups: number
  /** Batch normalisation by itself: scale, offset, mean, variance. */
  norm: Float32Array[] | undefined
}

export interface Linear {
  op: 'linear'
  x: number
  filter: Float32Array
  shape: [out: number, inputs: number]
  bias: Float32Array
}

export interface Pool {
  op: 'maxPool' | 'avgPool'
  x: number
  size: number
  stride: number
  padding: number
  ceil: boolean
}

export interface Plain {
  op: 'relu' | 'relu6' | 'tanh' | 'globalAvgPool' | 'flatten' | 'softmax'
  x: number
}

export interface Pairwise {
  op: 'add' | 'concat'
  x: [number, number]
}

type Operator = Conv | Linear | Pool | Plain | Pairwise

/** One layer; `x` and `y` number values, 0 is the input. */
export type Layer = Operator & { y: number }

/** A layer, and what `joined` took into it. */
export type JoinedLayer = Layer & { activation?: 'relu' | 'relu6' | undefined }

export interface Network {
  name: string
  /** [n, channels, height, width] */
  input: Size
  layers: Layer[]
}

type Size = readonly [n: number, channels: number, height: number, width: number]

const EPSILON = 1e-5

/** Uniform numbers that are the same everywhere: xorshift32. */
function numbers(seed: number) {
  let state = seed
  return (length: number, limit: number, centre = 0): Float32Array<ArrayBuffer> => {
    const data = new Float32Array(length)
    for (let i = 0; i < length; i++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      data[i] = centre + (state / 2 ** 31) * limit
    }
    return data
  }
}

/** What a layer gave. */
interface Value {
  id: number
  channels: number
}

interface ConvOptions {
  stride?: number
  padding?: number
  groups?: number
  norm?: boolean
  gain?: number
}

/** Takes layers down one after another. */
class Builder {
  readonly layers: Layer[] = []
  readonly random = numbers(20261121)

  constructor(readonly batchNorm: boolean) {}

  add(layer: Operator, channels: number): Value {
    const y = this.layers.length + 1
    this.layers.push({ ...layer, y })
    return { id: y, channels }
  }

  /** `gain` below 1 at the end of a residual branch keeps sums of many of them within bounds. */
  conv(x: Value, out: number, size: number, options: ConvOptions = {}): Value {
    const { stride = 1, padding = size >> 1, groups = 1, norm = this.batchNorm, gain = 1 } = options
    const shape: FilterShape = [out, x.channels / groups, size, size]
    const fan = shape[1] * size * size
    const filter = this.random(out * fan, gain * Math.sqrt(6 / fan))
    const bias = this.random(out, 0.1)
    const table = norm
      ? [this.random(out, 0.25, 1), bias, this.random(out, 0.1), this.random(out, 0.25, 1)]
      : undefined
    return this.add({ op: 'conv', x: x.id, filter, shape, bias, stride, padding, groups, norm: table }, out)
  }

  linear(x: Value, inputs: number, out: number): Value {
    const [filter, bias] = [this.random(out * inputs, Math.sqrt(6 / inputs)), this.random(out, 0.1)]
    return this.add({ op: 'linear', x: x.id, filter, shape: [out, inputs], bias }, out)
  }

  one(op: Plain['op'], x: Value): Value {
    return this.add({ op, x: x.id }, x.channels)
  }

  pool(
    op: Pool['op'],
    x: Value,
    size: number,
    stride = size,
    { padding = 0, ceil = false }: { padding?: number; ceil?: boolean } = {},
  ): Value {
    return this.add({ op, x: x.id, size, stride, padding, ceil }, x.channels)
  }

  sum(a: Value, b: Value): Value {
    return this.add({ op: 'add', x: [a.id, b.id] }, a.channels)
  }

  concat(a: Value, b: Value): Value {
    return this.add({ op: 'concat', x: [a.id, b.id] }, a.channels + b.channels)
  }
}

type Build = (net: Builder, x: Value) => Value

const relu: Build = (net, x) => net.one('relu', x)

/** LeCun et al. 1998, with relu: [1, 1, 28, 28]. */
function lenet(net: Builder, x: Value): Value {
  x = net.pool('maxPool', relu(net, net.conv(x, 6, 5, { norm: false })), 2)
  x = net.pool('maxPool', relu(net, net.conv(x, 16, 5, { padding: 0, norm: false })), 2)
  x = relu(net, net.linear(net.one('flatten', x), 400, 120))
  return net.linear(relu(net, net.linear(x, 120, 84)), 84, 10)
}

/** Iandola et al. 2016, version 1.1. */
function squeezenet(net: Builder, x: Value): Value {
  const fire = (x: Value, squeeze: number, expand: number): Value => {
    const s = relu(net, net.conv(x, squeeze, 1, { norm: false }))
    return net.concat(
      relu(net, net.conv(s, expand, 1, { norm: false })),
      relu(net, net.conv(s, expand, 3, { norm: false })),
    )
  }
  const pool = (x: Value) => net.pool('maxPool', x, 3, 2, { ceil: true })
  x = pool(relu(net, net.conv(x, 64, 3, { stride: 2, padding: 0, norm: false })))
  x = pool(fire(fire(x, 16, 64), 16, 64))
  x = pool(fire(fire(x, 32, 128), 32, 128))
  x = fire(fire(fire(fire(x, 48, 192), 48, 192), 64, 256), 64, 256)
  x = relu(net, net.conv(x, 1000, 1, { norm: false }))
  return net.one('flatten', net.one('globalAvgPool', x))
}

/** Sandler et al. 2018. */
function mobilenetV2(net: Builder, x: Value): Value {
  const relu6 = (x: Value) => net.one('relu6', x)
  x = relu6(net.conv(x, 32, 3, { stride: 2 }))
  const stages = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ] as const
  for (const [expand, out, count, first] of stages) {
    for (let i = 0; i < count; i++) {
      const stride = i ? 1 : first
      const hidden = x.channels * expand
      let y = expand > 1 ? relu6(net.conv(x, hidden, 1)) : x
      y = relu6(net.conv(y, hidden, 3, { stride, groups: hidden }))
      y = net.conv(y, out, 1, { gain: 0.5 })
      x = stride === 1 && x.channels === out ? net.sum(x, y) : y
    }
  }
  x = net.one('globalAvgPool', relu6(net.conv(x, 1280, 1)))
  return net.linear(net.one('flatten', x), 1280, 1000)
}

/** He et al. 2015; with `bottleneck` the strides stand in the 3x3, as torchvision has them. */
function resnet(net: Builder, x: Value, blocks: readonly number[], bottleneck: boolean): Value {
  x = net.pool('maxPool', relu(net, net.conv(x, 64, 7, { stride: 2 })), 3, 2, { padding: 1 })
  for (const [stage, count] of blocks.entries()) {
    const width = 64 << stage
    const out = bottleneck ? 4 * width : width
    for (let i = 0; i < count; i++) {
      const stride = stage && !i ? 2 : 1
      let y = bottleneck ? relu(net, net.conv(x, width, 1)) : x
      y = relu(net, net.conv(y, width, 3, { stride }))
      y = net.conv(y, out, bottleneck ? 1 : 3, { gain: 0.3 })
      const shortcut = stride > 1 || x.channels !== out ? net.conv(x, out, 1, { stride }) : x
      x = relu(net, net.sum(y, shortcut))
    }
  }
  const features = x.channels
  return net.linear(net.one('flatten', net.one('globalAvgPool', x)), features, 1000)
}

/** Simonyan and Zisserman 2014, configuration D. */
function vgg16(net: Builder, x: Value, whole: boolean): Value {
  const stages = [
    [2, 64],
    [2, 128],
    [3, 256],
    [3, 512],
    [3, 512],
  ] as const
  for (const [count, width] of stages) {
    for (let i = 0; i < count; i++) x = relu(net, net.conv(x, width, 3, { norm: false }))
    x = net.pool('maxPool', x, 2)
  }
  if (!whole) return x
  x = relu(net, net.linear(net.one('flatten', x), 25088, 4096))
  return net.linear(relu(net, net.linear(x, 4096, 4096)), 4096, 1000)
}

const photo: Size = [1, 3, 224, 224]
const described: Record<string, { input: Size; build: Build }> = {
  'LeNet-5': { input: [1, 1, 28, 28], build: lenet },
  'SqueezeNet 1.1': { input: photo, build: squeezenet },
  MobileNetV2: { input: photo, build: mobilenetV2 },
  'ResNet-18': { input: photo, build: (net, x) => resnet(net, x, [2, 2, 2, 2], false) },
  'ResNet-50': { input: photo, build: (net, x) => resnet(net, x, [3, 4, 6, 3], true) },
  'VGG-16 features': { input: photo, build: (net, x) => vgg16(net, x, false) },
  'VGG-16': { input: photo, build: (net, x) => vgg16(net, x, true) },
}

export const networkNames = Object.keys(described)

function describedAs(name: string) {
  const found = described[name]
  if (!found) throw new Error(`no network ${name}: ${networkNames.join(', ')}`)
  return found
}

/** `batchNorm`: batch normalisation by itself, not folded into the convolutions. */
export function network(
  name: string,
  { batchNorm = false }: { batchNorm?: boolean | undefined } = {},
): Network {
  const { input, build } = describedAs(name)
  const net = new Builder(batchNorm)
  build(net, { id: 0, channels: input[1] })
  return { name, input, layers: net.layers }
}

/**
 * Layers with the activation behind them taken in where they are one of `ops`, and nobody else reads what
 * comes between.
 */
export function joined(layers: readonly Layer[], ops: readonly Layer['op'][]): JoinedLayer[] {
  const readers = (id: number) => layers.filter(({ x }) => [x].flat().includes(id))
  const taken = new Set<Layer>()
  return layers.flatMap((layer) => {
    if (taken.has(layer)) return []
    const [next, more] = readers(layer.y)
    if (!ops.includes(layer.op) || more || !next || (next.op !== 'relu' && next.op !== 'relu6'))
      return [layer]
    taken.add(next)
    return [{ ...layer, y: next.y, activation: next.op }]
  })
}

/** Noise for a photo. */
export const photoFor = ({ input }: { input: Size }): Float32Array<ArrayBuffer> =>
  numbers(7)(
    input.reduce((size, length) => size * length, 1),
    1,
  )

/** The input of a network by name, without its layers. */
export const photoOf = (name: string) => ({
  input: describedAs(name).input,
  data: photoFor(describedAs(name)),
})

/** Its ONNX file: input `x`, output `y`. */
export function toOnnx({ name, input, layers }: Network): Uint8Array {
  const nodes: NodeParts[] = []
  const initializers: (TensorParts & { name: string })[] = [
    { name: 'low', shape: [], data: Float32Array.of(0) },
    { name: 'high', shape: [], data: Float32Array.of(6) },
  ]
  const last = layers.at(-1)!.y
  const named = (id: number) => (id === 0 ? 'x' : id === last ? 'y' : `v${id}`)
  const constant = (name: string, data: Float32Array, shape: readonly number[] = [data.length]) => {
    initializers.push({ name, shape, data })
    return name
  }
  for (const layer of layers) {
    const inputs = [layer.x].flat().map(named)
    const outputs = [named(layer.y)]
    const node = (op: string, attributes: NodeParts['attributes'] = {}, more: string[] = []) =>
      nodes.push({ op, inputs: [...inputs, ...more], outputs, attributes })
    const all = (length: number) => Array(4).fill(length)
    if (layer.op === 'conv') {
      const { filter, shape, bias, stride, padding, groups, norm } = layer
      const attributes = {
        kernel_shape: shape.slice(2),
        strides: [stride, stride],
        pads: all(padding),
        dilations: [1, 1],
        group: groups,
      }
      const weight = constant(`${outputs[0]}.weight`, filter, shape)
      if (norm) {
        const sum = `${outputs[0]}.conv`
        nodes.push({ op: 'Conv', inputs: [...inputs, weight], outputs: [sum], attributes })
        const tables = ['scale', 'offset', 'mean', 'variance'].map((part, i) =>
          constant(`${outputs[0]}.${part}`, norm[i]!),
        )
        nodes.push({
          op: 'BatchNormalization',
          inputs: [sum, ...tables],
          outputs,
          attributes: { epsilon: { float: EPSILON } },
        })
      } else node('Conv', attributes, [weight, constant(`${outputs[0]}.bias`, bias)])
    } else if (layer.op === 'linear') {
      node('Gemm', { transB: 1 }, [
        constant(`${outputs[0]}.weight`, layer.filter, layer.shape),
        constant(`${outputs[0]}.bias`, layer.bias),
      ])
    } else if (layer.op === 'maxPool' || layer.op === 'avgPool') {
      const { size, stride, padding, ceil } = layer
      const attributes = {
        kernel_shape: [size, size],
        strides: [stride, stride],
        pads: all(padding),
        ceil_mode: Number(ceil),
      }
      node(layer.op === 'maxPool' ? 'MaxPool' : 'AveragePool', attributes)
    } else if (layer.op === 'relu6') node('Clip', {}, ['low', 'high'])
    else if (layer.op === 'concat') node('Concat', { axis: 1 })
    else if (layer.op === 'flatten') node('Flatten', { axis: 1 })
    else
      node(
        { relu: 'Relu', tanh: 'Tanh', add: 'Add', globalAvgPool: 'GlobalAveragePool', softmax: 'Softmax' }[
          layer.op
        ],
      )
  }
  return writeModel({
    name,
    opset: 17,
    nodes,
    inputs: [{ name: 'x', shape: input }],
    outputs: [{ name: 'y' }],
    initializers,
  })
}
