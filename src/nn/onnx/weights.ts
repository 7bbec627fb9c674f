/** Layers with weights, into which a batch norm that follows is multiplied. */

import type { Shape } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { pair, slidingWindow, transposedWindow } from '../../core/window.js'
import type { Activation as ActivationKind } from '../../ops/activation.js'
import type { Layer } from '../layer.js'
import type { Conv2d, ConvTranspose2d } from '../layers/conv.js'
import type { Linear } from '../layers/linear.js'
import type { BatchNorm2d } from '../layers/norm.js'
import type { OnnxGraph, OnnxValue } from '../onnxGraph.js'
import {
  activated,
  channelsLast,
  contextOf,
  float,
  padsOf,
  sizes,
  transposed,
  windowAttributes,
} from './values.js'

/**
 * What a batch norm right after a layer makes of its output: times `scale` plus `offset`, each channel by
 * itself.
 */
export interface Fold {
  scale: Float64Array
  offset: Float64Array
  activation: ActivationKind | undefined
}

export type Writer<T extends Layer> = (graph: OnnxGraph, layer: T, x: OnnxValue, fold?: Fold) => OnnxValue

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

export const conv: Writer<Conv2d> = (graph, { options, parameters: [filter, bias] }, x, fold) => {
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

export const convTranspose: Writer<ConvTranspose2d> = (
  graph,
  { options, parameters: [filter, bias] },
  x,
  fold,
) => {
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

export const linear: Writer<Linear> = (graph, { options, parameters: [weight, bias] }, x, fold) => {
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
export function foldOf({ options, parameters, state }: BatchNorm2d): Fold {
  const [scale, offset] = parameters.map((tensor) => tensor.toArray()) as [Float32Array, Float32Array]
  const [mean, variance] = state.map((tensor) => tensor.toArray()) as [Float32Array, Float32Array]
  const { epsilon = 1e-5, activation } = options
  const scales = Float64Array.from(scale, (value, c) => value / Math.sqrt(variance[c]! + epsilon))
  return { scale: scales, offset: scales.map((value, c) => offset[c]! - mean[c]! * value), activation }
}

export const batchNorm: Writer<BatchNorm2d> = (graph, layer, x) => {
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
