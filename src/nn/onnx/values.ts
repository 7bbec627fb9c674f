/**
 * What writers of layers share. Images are [n, height, width, channels] here and [n, channels, height, width]
 * in the graph; values of other ranks are the same.
 */

import type { Tensor } from '../../core/tensor.js'
import type { Axis, Context, Window } from '../../core/window.js'
import type { AttributeParts } from '../../onnx/file/write.js'
import type { Activation as ActivationKind } from '../../ops/activation.js'
import { transpose } from '../../ops/transpose.js'
import type { OnnxGraph, OnnxValue } from '../onnxGraph.js'

/** An input that is left out. */
export const none: OnnxValue = { name: '', shape: [] }

export const float = (value: number) => ({ float: value })

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

export function activated(graph: OnnxGraph, x: OnnxValue, activation: ActivationKind | undefined): OnnxValue {
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
export const transposed = (tensor: Tensor, axes: readonly number[]): Float32Array =>
  tensor.engine.scope(() => transpose(tensor, axes).toArray())

export const turn = (graph: OnnxGraph, x: OnnxValue, axes: readonly number[]): OnnxValue =>
  graph.node('Transpose', [x], { perm: axes })

/** A value of four axes with its channels last in the graph too, for `fn`, and back. */
export function channelsLast(graph: OnnxGraph, x: OnnxValue, fn: (x: OnnxValue) => OnnxValue): OnnxValue {
  return x.shape.length === 4 ? turn(graph, fn(turn(graph, x, [0, 2, 3, 1])), [0, 3, 1, 2]) : fn(x)
}

export const sizes = (x: OnnxValue): [number, number] => [x.shape[1]!, x.shape[2]!]

export const contextOf = (op: string, x: OnnxValue): Context => ({ op, shapes: { x: x.shape } })

/** A window's attributes, but for its pads. */
export const windowAttributes = ([h, w]: Window): Record<string, AttributeParts> => ({
  kernel_shape: [h.size, w.size],
  strides: [h.stride, w.stride],
  dilations: [h.dilation, w.dilation],
})

export const padsOf = ([h, w]: Window, after: (axis: Axis) => number = (axis) => axis.after): number[] => [
  h.before,
  w.before,
  after(h),
  after(w),
]
