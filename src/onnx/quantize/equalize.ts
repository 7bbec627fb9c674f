/** What makes weights lose less: Nagel et al., Data-free quantization through weight equalization, 2019. */
import { sizeOf } from '../../base/shape.js'
import type { HostTensor } from '../file/types.js'
import { number } from '../graph/fusion.js'
import { quantizeWeight, type Scheme } from './emit.js'
import { type Layer, layersOf, soleReader, type Wires, wiresOf } from './layers.js'
import type { Network } from './network.js'

/** Scales beyond these come from channels that do nothing. */
const MOST = 1e3

/** What follows a layer through Relu alone, which positive factors pass. */
function nextOf(layer: Layer, layers: readonly Layer[], wires: Wires): Layer | undefined {
  let reader = soleReader(layer.node.outputs[0]!, wires)
  if (reader?.op === 'Relu') reader = soleReader(reader.outputs[0]!, wires)
  const next = layers.find(({ node }) => node === reader)
  const isConv = layer.node.op === 'Conv' && next?.node.op === 'Conv'
  return isConv && next!.weight.shape.length === layer.weight.shape.length ? next : undefined
}

/** The largest |weight| of each input channel; [out, in / groups, ...] */
function perInput(
  { weight, node, channels }: Layer,
  inputs: number,
): { largest: Float64Array; inputOf: (i: number) => number } {
  const [, columns] = weight.shape as [number, number]
  const plane = sizeOf(weight.shape.slice(2))
  const each = channels / number(node, 'group', 1)
  const inputOf = (i: number) =>
    Math.floor(Math.floor(i / (columns * plane)) / each) * columns + (Math.floor(i / plane) % columns)
  const largest = new Float64Array(inputs)
  ;(weight.data as Float32Array).forEach((v, i) => {
    largest[inputOf(i)] = Math.max(largest[inputOf(i)]!, Math.abs(v))
  })
  return { largest, inputOf }
}

/**
 * Cross-layer equalisation: w1 / s, b1 / s and w2 s with s = sqrt(r1 / r2), r the largest weights of a channel on
 * both sides; undefined where no convolution follows another.
 */
export function equalized(network: Network): Network | undefined {
  const constants = new Map(network.constants)
  const wires = wiresOf(network)
  let changed = false
  const nodes = network.nodes.map((node) => ({ ...node, inputs: [...node.inputs] }))
  const copies = new Map(network.nodes.map((node, i) => [node, nodes[i]!]))
  const enter = (layer: Layer, at: number, tensor: HostTensor) => {
    const name = `${layer.node.outputs[0]} equalized ${at}`
    constants.set(name, tensor)
    copies.get(layer.node)!.inputs[at] = name
  }
  const layers = layersOf(network, wires)
  for (const first of layers) {
    const second = nextOf(first, layers, wires)
    if (!second) continue
    const { channels } = first
    const run = first.weight.data.length / channels
    const { largest, inputOf } = perInput(second, channels)
    const scales = Float64Array.from({ length: channels }, (_, c) => {
      const own = (first.weight.data as Float32Array).subarray(c * run, (c + 1) * run)
      const s = Math.sqrt(own.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / largest[c]!)
      return s > 1 / MOST && s < MOST ? s : 1
    })
    const scaled = (tensor: HostTensor, factor: (i: number) => number): HostTensor => ({
      type: tensor.type,
      shape: tensor.shape,
      data: (tensor.data as Float32Array).map((v, i) => v * factor(i)),
    })
    first.weight = scaled(first.weight, (i) => 1 / scales[Math.floor(i / run)]!)
    enter(first, 1, first.weight)
    if (first.bias) {
      first.bias = scaled(first.bias, (i) => 1 / scales[i]!)
      enter(first, 2, first.bias)
    }
    second.weight = scaled(second.weight, (i) => scales[inputOf(i)]!)
    enter(second, 1, second.weight)
    changed = true
  }
  return changed ? { ...network, nodes, constants } : undefined
}

/** What rounding the weights takes from the mean of each output: sum of (w - wq) E[x], by layer. */
export function corrections(
  layers: readonly Layer[],
  means: ReadonlyMap<string, Float64Array>,
  scheme: Pick<Scheme, 'perChannel' | 'weightBits'>,
): Map<string, Float64Array> {
  return new Map(
    layers.flatMap((layer) => {
      const { node, weight, axis, channels } = layer
      const mean = means.get(node.inputs[0]!)
      if (!mean) return []
      const { data, scales, channelOf } = quantizeWeight(layer, scheme)
      const inner = sizeOf(weight.shape.slice(axis + 1))
      const inputOf =
        node.op === 'Conv'
          ? perInput(layer, mean.length).inputOf
          : (i: number) => (axis === 1 ? Math.floor(i / channels) : i % inner)
      const sums = new Float64Array(channels)
      data.forEach((q, i) => {
        sums[channelOf(i)]! +=
          ((weight.data[i] as number) - q * scales[channelOf(i)]!) * (mean[inputOf(i)] ?? 0)
      })
      return [[node.outputs[0]!, sums] as const]
    }),
  )
}
