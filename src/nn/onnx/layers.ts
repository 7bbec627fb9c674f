/**
 * A model as an ONNX file. Images are [n, height, width, channels] here and [n, channels, height, width]
 * there, so that filters change their order, and flattening goes through a transpose; values of other ranks
 * are the same.
 */

import { check, show } from '../../base/errors.js'
import { type Shape, sizeOf } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import { checkOptions, isShape, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import {
  type Axis,
  type Context,
  pair,
  slidingWindow,
  transposedWindow,
  type Window,
} from '../../core/window.js'
import { type AttributeParts, writeModel } from '../../onnx/file/write.js'
import type { Activation as ActivationKind } from '../../ops/activation.js'
import { transpose } from '../../ops/transpose.js'
import { type Layer, Mode } from '../layer.js'
import {
  Activation,
  AvgPool2d,
  BatchNorm2d,
  Conv2d,
  ConvTranspose2d,
  Dropout,
  Embedding,
  Flatten,
  GlobalAvgPool2d,
  GroupNorm,
  LayerNorm,
  Linear,
  MaxPool2d,
  Residual,
  Sequential,
  Upsample,
} from '../layers.js'
import { OnnxGraph, type OnnxValue } from '../onnxGraph.js'

/** An input that is left out. */
const none: OnnxValue = { name: '', shape: [] }

/**
 * What a batch norm right after a layer makes of its output: times `scale` plus `offset`, each channel by
 * itself.
 */
interface Fold {
  scale: Float64Array
  offset: Float64Array
  activation: ActivationKind | undefined
}

type Writer<T extends Layer> = (graph: OnnxGraph, layer: T, x: OnnxValue, fold?: Fold) => OnnxValue

/** The type's number in the format. */
const INT64 = 7

const float = (value: number) => ({ float: value })

/** Operators that are activations by themselves. */
const activations: Record<string, [op: string, attributes?: Record<string, AttributeParts>]> = {
  relu: ['Relu'],
  leakyRelu: ['LeakyRelu', { alpha: float(0.01) }],
  elu: ['Elu', { alpha: float(1) }],
  selu: ['Selu'],
  gelu: ['Gelu'],
  sigmoid: ['Sigmoid'],
  hardSigmoid: ['HardSigmoid', { alpha: float(1 / 6), beta: float(0.5) }],
  tanh: ['Tanh'],
  hardSwish: ['HardSwish'],
  mish: ['Mish'],
  softplus: ['Softplus'],
}

function activated(graph: OnnxGraph, x: OnnxValue, activation: ActivationKind | undefined): OnnxValue {
  if (activation === undefined) return x
  if (activation === 'silu') return graph.node('Mul', [x, graph.node('Sigmoid', [x])])
  if (typeof activation === 'string' && activation !== 'relu6')
    return graph.node(activations[activation]![0], [x], activations[activation]![1])
  const [low, high] = (activation === 'relu6' ? [0, 6] : activation) as readonly [number, number]
  const bound = (name: string, value: number) =>
    Number.isFinite(value) ? graph.constant(name, Float32Array.of(value), []) : none
  return graph.node('Clip', [x, bound('low', low), bound('high', high)])
}

/** The numbers of a tensor with its axes in another order. */
const transposed = (tensor: Tensor, axes: readonly number[]): Float32Array =>
  tensor.engine.scope(() => transpose(tensor, axes).toArray())

const turn = (graph: OnnxGraph, x: OnnxValue, axes: readonly number[]): OnnxValue =>
  graph.node('Transpose', [x], { perm: axes })

/** A value of four axes with its channels last in the graph too, for `fn`, and back. */
function channelsLast(graph: OnnxGraph, x: OnnxValue, fn: (x: OnnxValue) => OnnxValue): OnnxValue {
  return x.shape.length === 4 ? turn(graph, fn(turn(graph, x, [0, 2, 3, 1])), [0, 3, 1, 2]) : fn(x)
}

const sizes = (x: OnnxValue): [number, number] => [x.shape[1]!, x.shape[2]!]

const contextOf = (op: string, x: OnnxValue): Context => ({ op, shapes: { x: x.shape } })

/** A window's attributes, but for its pads. */
const windowAttributes = ([h, w]: Window): Record<string, AttributeParts> => ({
  kernel_shape: [h.size, w.size],
  strides: [h.stride, w.stride],
  dilations: [h.dilation, w.dilation],
})

const padsOf = ([h, w]: Window, after: (axis: Axis) => number = (axis) => axis.after): number[] => [
  h.before,
  w.before,
  after(h),
  after(w),
]

/** Weights and bias with what follows them multiplied in; `channelOf` tells which output a weight adds to. */
function weighted(
  graph: OnnxGraph,
  name: string,
  weights: Float32Array,
  shape: Shape,
  bias: Tensor | undefined,
  fold: Fold | undefined,
  channelOf: (i: number) => number,
) {
  const folded = fold ? weights.map((value, i) => value * fold.scale[channelOf(i)]!) : weights
  const given = bias?.toArray()
  const sums = fold
    ? Float32Array.from(fold.offset, (offset, c) => (given?.[c] ?? 0) * fold.scale[c]! + offset)
    : given
  return [graph.constant(name, folded, shape), ...(sums ? [graph.constant('bias', sums, [sums.length])] : [])]
}

const conv: Writer<Conv2d> = (graph, { options, parameters: [filter, bias] }, x, fold) => {
  const [kh, kw, inside, outside] = filter!.shape as [number, number, number, number]
  const window = slidingWindow(sizes(x), [kh, kw], options, contextOf('Conv2d', x))
  const shape = [outside, inside, kh, kw]
  const weights = weighted(graph, 'filter', transposed(filter!, [3, 2, 0, 1]), shape, bias, fold, (i) =>
    Math.floor(i / (inside * kh * kw)),
  )
  const y = graph.node('Conv', [x, ...weights], {
    ...windowAttributes(window),
    pads: padsOf(window),
    group: options.groups ?? 1,
  })
  return activated(graph, y, fold ? fold.activation : options.activation)
}

const convTranspose: Writer<ConvTranspose2d> = (graph, { options, parameters: [filter, bias] }, x, fold) => {
  const [kh, kw, inside, perGroup] = filter!.shape as [number, number, number, number]
  const { groups = 1 } = options
  const window = transposedWindow(sizes(x), [kh, kw], options, contextOf('ConvTranspose2d', x))
  const channelOf = (i: number) => {
    const input = Math.floor(i / (perGroup * kh * kw))
    return Math.floor(input / (inside / groups)) * perGroup + (Math.floor(i / (kh * kw)) % perGroup)
  }
  const weights = weighted(
    graph,
    'filter',
    transposed(filter!, [2, 3, 0, 1]),
    [inside, perGroup, kh, kw],
    bias,
    fold,
    channelOf,
  )
  const extra = pair(options.outputPadding ?? 0, 'outputPadding', 0, contextOf('ConvTranspose2d', x))
  const y = graph.node('ConvTranspose', [x, ...weights], {
    ...windowAttributes(window),
    // Less than no padding after is more output.
    pads: padsOf(window, (axis) => Math.max(0, axis.after)),
    output_padding: window.map((axis, i) => extra[i]! + Math.max(0, -axis.after)),
    group: groups,
  })
  return activated(graph, y, fold ? fold.activation : options.activation)
}

const linear: Writer<Linear> = (graph, { options, parameters: [weight, bias] }, x, fold) => {
  const [inside, outside] = weight!.shape as [number, number]
  const [w, b] = weighted(
    graph,
    'weight',
    weight!.toArray(),
    [inside, outside],
    bias,
    fold,
    (i) => i % outside,
  )
  const product = (x: OnnxValue) => {
    if (x.shape.length === 2) return graph.node('Gemm', b ? [x, w!, b] : [x, w!])
    const y = graph.node('MatMul', [x, w!])
    return b ? graph.node('Add', [y, b]) : y
  }
  return activated(graph, channelsLast(graph, x, product), fold ? fold.activation : options.activation)
}

/** A batch norm by its running statistics, as a scale and an offset: what `batchNorm` computes. */
function foldOf({ options, parameters, state }: BatchNorm2d): Fold {
  const [scale, offset] = parameters.map((tensor) => tensor.toArray()) as [Float32Array, Float32Array]
  const [mean, variance] = state.map((tensor) => tensor.toArray()) as [Float32Array, Float32Array]
  const { epsilon = 1e-5, activation } = options
  const scales = Float64Array.from(scale, (value, c) => value / Math.sqrt(variance[c]! + epsilon))
  return { scale: scales, offset: scales.map((value, c) => offset[c]! - mean[c]! * value), activation }
}

const batchNorm: Writer<BatchNorm2d> = (graph, layer, x) => {
  const { epsilon = 1e-5, activation } = layer.options
  if (x.shape.length === 4 || x.shape.length === 2) {
    const vectors = [...layer.parameters, ...layer.state].map((tensor, i) =>
      graph.constant(['scale', 'offset', 'mean', 'variance'][i]!, tensor.toArray(), tensor.shape),
    )
    return activated(
      graph,
      graph.node('BatchNormalization', [x, ...vectors], { epsilon: float(epsilon) }),
      activation,
    )
  }
  const fold = foldOf(layer)
  const vector = (name: 'scale' | 'offset') =>
    graph.constant(name, Float32Array.from(fold[name]), [fold[name].length])
  return activated(
    graph,
    graph.node('Add', [graph.node('Mul', [x, vector('scale')]), vector('offset')]),
    activation,
  )
}

/** Over the last axes: those of an image stand last in the graph for that. */
const layerNorm: Writer<LayerNorm> = (graph, { options, parameters }, x) =>
  channelsLast(graph, x, (y) => {
    const vectors = parameters.map((tensor, i) =>
      graph.constant(['scale', 'offset'][i]!, tensor.toArray(), tensor.shape),
    )
    return graph.node('LayerNormalization', [y, ...vectors], {
      axis: -parameters[0]!.shape.length,
      epsilon: float(options.epsilon ?? 1e-5),
    })
  })

/** Each group as one channel of an instance norm, which every runtime has; then scale and offset. */
const groupNorm: Writer<GroupNorm> = (graph, layer, x) => {
  const { channels, groups, epsilon = 1e-5, activation } = layer.options
  // [n, length, channels] has its channels last in the graph too.
  const last = x.shape.length === 3
  const first = last ? turn(graph, x, [0, 2, 1]) : x
  const lengths = graph.constant('groups', BigInt64Array.of(0n, BigInt(groups), -1n), [3])
  const vector = (name: string, value: number) =>
    graph.constant(name, new Float32Array(groups).fill(value), [groups])
  const joined = graph.node('Reshape', [first, lengths])
  const normal = graph.node('InstanceNormalization', [joined, vector('one', 1), vector('zero', 0)], {
    epsilon: float(epsilon),
  })
  const apart = graph.node('Reshape', [normal, graph.node('Shape', [first])])
  const each = [channels, ...first.shape.slice(2).map(() => 1)]
  const [scale, offset] = layer.parameters.map((tensor, i) =>
    graph.constant(['scale', 'offset'][i]!, tensor.toArray(), each),
  )
  const y = activated(graph, graph.node('Add', [graph.node('Mul', [apart, scale!]), offset!]), activation)
  return last ? turn(graph, y, [0, 2, 1]) : y
}

/** Indices are floats here. */
const embedding: Writer<Embedding> = (graph, { parameters: [table] }, x) => {
  const rows = x.shape.length === 4 ? turn(graph, x, [0, 2, 3, 1]) : x
  const y = graph.node(
    'Gather',
    [graph.constant('table', table!.toArray(), table!.shape), graph.node('Cast', [rows], { to: INT64 })],
    { axis: 0 },
  )
  return x.shape.length === 3 ? turn(graph, y, [0, 3, 1, 2]) : y
}

const pool =
  (op: string): Writer<MaxPool2d | AvgPool2d> =>
  (graph, { options }, x) => {
    const size = pair(options.size, 'size', 1, contextOf(op, x))
    const { countIncludePad } = options as AvgPool2d['options']
    const window = slidingWindow(
      sizes(x),
      size,
      { ...options, stride: options.stride ?? size },
      contextOf(op, x),
    )
    return graph.node(op, [x], {
      ...windowAttributes(window),
      pads: padsOf(window),
      ceil_mode: Number(options.ceilMode ?? false),
      count_include_pad: countIncludePad ? 1 : undefined,
    })
  }

const upsample: Writer<Upsample> = (graph, { options: { scale, method = 'nearest' } }, x) => {
  const size = sizes(x).map((length) => Math.max(1, Math.floor(length * scale)))
  // All four lengths, the batch among them: ONNX Runtime 1.30 refuses `axes` beside a Transpose.
  const whole = graph.node(
    'Concat',
    [
      graph.node('Shape', [x], { end: 2 }),
      graph.constant(
        'size',
        BigInt64Array.from(size, (length) => BigInt(length)),
        [2],
      ),
    ],
    { axis: 0 },
  )
  const mode = method === 'nearest' ? 'nearest' : 'linear'
  return graph.node('Resize', [x, none, none, whole], { mode, coordinate_transformation_mode: 'half_pixel' })
}

/** In the order of the numbers here. */
function flattened(graph: OnnxGraph, x: OnnxValue): OnnxValue {
  const [, h, w, c] = x.shape
  const ordered = x.shape.length !== 4 || c === 1 || (h === 1 && w === 1)
  return graph.node('Flatten', [ordered ? x : turn(graph, x, [0, 2, 3, 1])], { axis: 1 }, [
    1,
    sizeOf(x.shape),
  ])
}

/** The layer, by its own word or ours; the shape of its output is what it really gives. */
function written(graph: OnnxGraph, layer: Layer, x: OnnxValue, engine: Engine, fold?: Fold): OnnxValue {
  const inside = (inner: Layer, i: number, value: OnnxValue, more?: Fold) => {
    const { place } = graph
    graph.place = place ? `${place}.${i}` : `${i}`
    try {
      return written(graph, inner, value, engine, more)
    } finally {
      graph.place = place
    }
  }
  const own = layer.toOnnx?.(graph, x)
  if (
    !own &&
    (layer.forward === Sequential.prototype.forward || layer.forward === Residual.prototype.forward)
  ) {
    const { layers } = layer as Sequential
    let y = x
    for (let i = 0; i < layers.length; i++) {
      const next = layers[i + 1]
      const folds =
        graph.foldBatchNorm &&
        next instanceof BatchNorm2d &&
        !next.toOnnx &&
        foldable.has(layers[i]!.forward) &&
        plain(layers[i]!)
      y = inside(layers[i]!, i, y, folds ? foldOf(next) : undefined)
      if (folds) i++
    }
    return layer instanceof Residual ? graph.node('Add', [y, x]) : y
  }
  const shape = engine.scope(() => layer.forward(engine.zeros(x.shape)).shape)
  if (own) return { ...own, shape }
  const writer = writers.get(layer.forward)
  check(writer !== undefined, () => ({
    op: 'saveOnnx',
    argument: graph.place ? `layer ${graph.place}` : 'model',
    expected: `one of filterbank's, or with a method toOnnx(graph, x)`,
    got: show(layer),
  }))
  return { ...writer(graph, layer, x, fold), shape }
}

const plain = (layer: Layer): boolean => (layer as Conv2d).options.activation === undefined

/** Layers are known by what they compute: a class that adds a constructor alone is still one of these. */
const writers = new Map<Layer['forward'], Writer<never>>([
  [Conv2d.prototype.forward, conv],
  [ConvTranspose2d.prototype.forward, convTranspose],
  [Linear.prototype.forward, linear],
  [BatchNorm2d.prototype.forward, batchNorm],
  [LayerNorm.prototype.forward, layerNorm],
  [GroupNorm.prototype.forward, groupNorm],
  [Embedding.prototype.forward, embedding],
  [MaxPool2d.prototype.forward, pool('MaxPool')],
  [AvgPool2d.prototype.forward, pool('AveragePool')],
  [
    GlobalAvgPool2d.prototype.forward,
    (graph, _, x) => graph.node('Flatten', [graph.node('GlobalAveragePool', [x])], { axis: 1 }),
  ],
  [Upsample.prototype.forward, upsample],
  [Flatten.prototype.forward, (graph, _, x) => flattened(graph, x)],
  [Activation.prototype.forward, (graph, { kind }: Activation, x) => activated(graph, x, kind)],
  [Dropout.prototype.forward, (_graph, _layer, x) => x],
]) as Map<Layer['forward'], Writer<Layer>>

const foldable = new Set<Layer['forward']>([
  Conv2d.prototype.forward,
  ConvTranspose2d.prototype.forward,
  Linear.prototype.forward,
])

/** Lengths of a shape here, as the graph has them. */
const ported = ([, ...rest]: Shape): (number | string)[] => [
  'batch',
  ...(rest.length === 3 ? [rest[2]!, rest[0]!, rest[1]!] : rest),
]

/** How `saveOnnx` writes a model. */
export interface SaveOnnxOptions {
  /**
   * Whether a batch norm right after a convolution or a linear layer becomes part of its weights. Default
   * true.
   */
  foldBatchNorm?: boolean
}

const SAVE_ONNX: Names<SaveOnnxOptions> = { foldBatchNorm: true }

/**
 * Writes what a model computes outside of training as an ONNX file (opset 20) with one input, `input`, and
 * one output, `output`, of any batch. Images are [batch, channels, height, width] there, values of other
 * ranks as here.
 *
 * @param inputShape of one sample, as in `fit`: [height, width, channels], or [features]
 * @param options foldBatchNorm true: a batch norm right after a convolution or a linear layer becomes part of
 *   its weights
 * @throws FilterbankError for a layer of one's own that has no `toOnnx` (its place is named), and for an
 *   input that the model does not take
 * @example writeFileSync('digits.onnx', saveOnnx(model, [28, 28, 1]))
 */
export function saveOnnx(model: Layer, inputShape: Shape, options: SaveOnnxOptions = {}): Uint8Array {
  const op = 'saveOnnx'
  checkOptions(op, options, SAVE_ONNX)
  const { foldBatchNorm = true } = options
  check(model?.parameters?.length > 0, () => ({
    op,
    argument: 'model',
    expected: 'a layer with parameters',
    got: show(model),
  }))
  check(isShape(inputShape) && inputShape.length > 0 && sizeOf(inputShape) > 0, () => ({
    op,
    argument: 'inputShape',
    expected: 'that of one sample: lengths of at least 1',
    got: show(inputShape),
  }))
  const { engine } = model.parameters[0]!
  const graph = new OnnxGraph(foldBatchNorm)
  const x: OnnxValue = { name: 'input', shape: [1, ...inputShape] }
  return new Mode(model, false).run(() => {
    const y = written(graph, model, x, engine)
    graph.nodes.push({ op: 'Identity', name: 'output', inputs: [y.name], outputs: ['output'] })
    return writeModel({
      opset: 20,
      nodes: graph.nodes,
      initializers: graph.initializers,
      inputs: [{ name: 'input', shape: ported(x.shape) }],
      outputs: [{ name: 'output', shape: ported(y.shape) }],
    })
  })
}
