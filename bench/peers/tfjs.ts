/** TensorFlow.js on its WebAssembly backend. Tensors stay in its memory: a run copies nothing. */
import type * as Tensorflow from '@tensorflow/tfjs-core'
import type { Numbers, Problem } from '../cases.js'
import type { Contender } from '../compare.js'
import { type JoinedLayer, joined } from '../networks.js'

type Tf = typeof Tensorflow
type Tensor = Tensorflow.Tensor
type Tensor4D = Tensorflow.Tensor4D
/** What a library's own types leave to its caller: an input that is an image, and a matrix. */
type Operation = (...inputs: Tensor[]) => Tensor

/** @param tf its wasm backend ready and set to one thread */
export function tfjs(tf: Tf): Contender {
  return {
    name: 'tfjs-wasm',
    version: tf.version_core,
    network(network, _, photo) {
      const { input, layers } = network
      const [n, c, h, w] = input
      const kept: Tensor[] = []
      const keep = <T extends Tensor>(tensor: T): T => {
        kept.push(tensor)
        return tensor
      }
      const x = keep(tf.tidy(() => tf.transpose(tf.tensor(photo, [n, c, h, w]), [0, 2, 3, 1])))
      const steps = joined(layers, ['conv', 'linear']).map((layer) => ({
        layer,
        call: layerOf(tf, layer, keep),
      }))
      const last = layers.at(-1)!.y
      const run = async () => {
        const y = tf.tidy(() => {
          const values = new Map<number, Tensor>([[0, x]])
          for (const { layer, call } of steps)
            values.set(layer.y, call(...[layer.x].flat().map((id) => values.get(id)!)))
          const result = values.get(last)!
          return result.rank === 4 ? tf.transpose(result, [0, 3, 1, 2]) : result
        })
        const numbers = await y.data<'float32'>()
        y.dispose()
        return numbers
      }
      return { run, dispose: () => tf.dispose(kept) }
    },
    prepare(problem, data) {
      const { kind, input } = problem
      // It has no groups.
      if (kind === 'grouped') return undefined
      const tensors: Tensors = { x: tf.tensor(data.x, input) }
      if (data.filter) {
        tensors['filter'] = filterOf(tf, problem, data.filter)
        tensors['bias'] = tf.tensor1d(data.bias!)
      }
      const call = callOf(tf, problem, tensors)
      if (!call) return undefined
      const run = () => tf.tidy(call)
      return {
        run: () => run().dispose(),
        output() {
          const y = run()
          const numbers = y.dataSync<'float32'>()
          y.dispose()
          return numbers
        },
        dispose: () => tf.dispose(tensors),
      }
    },
  }
}

type Tensors = Record<string, Tensor>

/** The filter in the shape that the op wants. */
function filterOf(
  tf: Tf,
  { op, kind, filter: shape }: Problem,
  data: NonNullable<Numbers['filter']>,
): Tensor {
  const filter = shape!
  const [kh, kw, one, channels] = filter as [number, number, number, number]
  if (kind.startsWith('depthwise')) return tf.tensor(data, [kh, kw, channels, one])
  if (op === 'convTranspose2d') return tf.tidy(() => tf.transpose(tf.tensor(data, filter), [0, 1, 3, 2]))
  return tf.tensor(data, filter)
}

/** Zeros on both sides of height and width, as tfjs takes them. */
const sidesOf = ([top, left]: readonly [number, number]): [Side, Side, Side, Side] => [
  [0, 0],
  [top, top],
  [left, left],
  [0, 0],
]
type Side = [number, number]

function callOf(tf: Tf, problem: Problem, tensors: Tensors): (() => Tensor) | undefined {
  const { op, kind, input, filter, window, stride, padding, dilation, outputPadding } = problem
  const { bias } = tensors
  const [x, w] = [tensors['x'], tensors['filter']] as [Tensor4D, Tensor4D]
  const pad = padding[0] === padding[1] ? padding[0] : sidesOf(padding)
  if (op === 'linear') return () => tf.fused.matMul({ a: x, b: w, bias: bias! })
  if (op === 'conv2d') {
    const conv = kind.startsWith('depthwise') ? tf.fused.depthwiseConv2d : tf.fused.conv2d
    return () => conv({ x, filter: w, strides: stride, pad: pad as number, dilations: dilation, bias: bias! })
  }
  if (op === 'convTranspose2d') {
    const length = (i: 0 | 1) =>
      (input[i + 1]! - 1) * stride[i] + window[i] - 2 * padding[i] + outputPadding[i]
    const shape: [number, number, number, number] = [input[0]!, length(0), length(1), filter![3]!]
    return () => tf.add(tf.conv2dTranspose(x, w, shape, stride, pad as number), bias!)
  }
  const calls: Record<string, () => Tensor> = {
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

/** A layer of networks.ts as a function of its inputs. `keep` holds what outlives a run. */
function layerOf(tf: Tf, layer: JoinedLayer, keep: <T extends Tensor>(tensor: T) => T): Operation {
  const { activation } = layer
  switch (layer.op) {
    case 'conv': {
      const { filter, shape, bias, stride, padding, groups, norm } = layer
      const depthwise = groups > 1
      // [out, in / groups, h, w] -> [h, w, in, out]; one filter for each channel: [h, w, channels, 1]
      const order = depthwise ? [2, 3, 0, 1] : [2, 3, 1, 0]
      const w = keep(tf.tidy(() => tf.transpose(tf.tensor(filter, shape), order))) as Tensor4D
      const b = norm ? undefined : keep(tf.tensor1d(bias))
      const options = {
        filter: w,
        strides: stride,
        pad: padding ? sidesOf([padding, padding]) : ('valid' as const),
        ...(b && { bias: b, ...(activation && { activation }) }),
      }
      // Its types leave out that sides may be given one by one.
      const fused = (depthwise ? tf.fused.depthwiseConv2d : tf.fused.conv2d) as (given: object) => Tensor4D
      const conv = (x: Tensor) => fused({ x, ...options })
      if (!norm) return conv as Operation
      const [scale, offset, mean, variance] = norm.map((table) => keep(tf.tensor1d(table))) as [
        Tensorflow.Tensor1D,
        Tensorflow.Tensor1D,
        Tensorflow.Tensor1D,
        Tensorflow.Tensor1D,
      ]
      return ((x: Tensor) => {
        const y = tf.batchNorm(conv(x), mean, variance, offset, scale, 1e-5)
        return activation ? tf[activation](y) : y
      }) as Operation
    }
    case 'linear': {
      const w = keep(tf.tidy(() => tf.transpose(tf.tensor(layer.filter, layer.shape))))
      const b = keep(tf.tensor1d(layer.bias))
      return (a) => tf.fused.matMul({ a: a!, b: w, bias: b, ...(activation && { activation }) })
    }
    case 'maxPool':
    case 'avgPool': {
      const { op, size, stride, padding } = layer
      const pad = padding ? sidesOf([padding, padding]) : 'valid'
      return (x) => tf[op](x as Tensor4D, size, stride, pad)
    }
    // The file's order of numbers: channels first.
    case 'flatten':
      return (x) => tf.reshape(tf.transpose(x!, [0, 3, 1, 2]), [x!.shape[0]!, -1])
    case 'globalAvgPool':
      return (x) => tf.mean(x!, [1, 2], true)
    case 'add':
      return (a, b) => tf.add(a!, b!)
    case 'concat':
      return (a, b) => tf.concat([a!, b!], 3)
    default:
      return (x) => tf[layer.op as 'relu'](x!)
  }
}
