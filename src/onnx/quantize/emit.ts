/** Networks with QuantizeLinear and DequantizeLinear around what is to work on bytes. */
import { sizeOf } from '../../base/shape.js'
import { type HostTensor, limit, roundToEven } from '../file/types.js'
import type { AttributeValue, Node } from '../graph/graph.js'
import { endOf, JOINING, type Layer, MOVING, type Wires, wiresOf } from './layers.js'
import type { Network } from './network.js'
import type { Range } from './range.js'

/** What is to be of bytes, and how. */
export interface Scheme {
  /** Layers on bytes; with `around`, what stands between them too. */
  layers: readonly Layer[]
  around: boolean
  ranges: ReadonlyMap<string, Range>
  perChannel: boolean
  weightBits: 7 | 8
  /** Added to the biases of layers, by their nodes' first outputs. */
  corrections?: ReadonlyMap<string, Float64Array>
}

interface Terms {
  scale: number
  zero: number
}

/** A scale of 255 steps over the range and zero. */
function termsOf([low, high]: Range): Terms {
  const [from, to] = [Math.min(0, low), Math.max(0, high)]
  const scale = Math.max(Math.fround((to - from) / 255), 2 ** -100)
  return { scale, zero: limit(Math.round(-from / scale), 0, 255) }
}

/** The name under which an activation is known as bytes. */
export const bytesOf = (name: string): string => `${name} quantized`

const node = (
  op: string,
  name: string,
  inputs: string[],
  outputs: string[],
  attributes: [string, AttributeValue][] = [],
): Node => ({
  op,
  name,
  inputs,
  outputs,
  attributes: new Map(attributes),
})

/** Weights as integers, with the least scales at which the bias is int32 too. */
export function quantizeWeight(
  { weight, bias, axis, channels }: Layer,
  { perChannel, weightBits }: Pick<Scheme, 'perChannel' | 'weightBits'>,
  xScale = 0,
): { data: Int8Array; scales: Float32Array; channelOf: (i: number) => number } {
  const most = 2 ** (weightBits - 1) - 1
  const inner = sizeOf(weight.shape.slice(axis + 1))
  const channelOf = (i: number) => Math.floor(i / inner) % channels
  const from = weight.data as Float32Array
  const largest = new Float64Array(channels)
  for (let i = 0; i < from.length; i++) {
    const c = channelOf(i)
    largest[c] = Math.max(largest[c]!, Math.abs(from[i]!))
  }
  if (!perChannel) largest.fill(Math.max(...largest))
  const scales = Float32Array.from(largest, (v, c) =>
    Math.max(v / most, 2 ** -100, xScale ? Math.abs(Number(bias?.data[c] ?? 0)) / (xScale * 2 ** 30) : 0),
  )
  if (!perChannel) scales.fill(Math.max(...scales))
  const data = Int8Array.from(from, (v, i) => limit(roundToEven(v / scales[channelOf(i)]!), -most, most))
  return { data, scales, channelOf }
}

export function quantized(network: Network, scheme: Scheme): Network {
  const wires = wiresOf(network)
  const writer = new Writer(network, scheme, wires)
  return writer.write()
}

class Writer {
  private readonly constants: Map<string, HostTensor>
  private readonly layers: Map<Node, Layer>
  /** Activations that are bytes, and as what. */
  private readonly terms = new Map<string, Terms>()
  /** Nodes that read bytes. */
  private readonly onBytes = new Set<Node>()
  private readonly nodes: Node[] = []

  constructor(
    private readonly network: Network,
    private readonly scheme: Scheme,
    private readonly wires: Wires,
  ) {
    this.constants = new Map(network.constants)
    this.layers = new Map(scheme.layers.map((layer) => [layer.node, layer]))
  }

  write(): Network {
    const { network, wires } = this
    for (const { node: reader, end } of this.layers.values()) {
      this.onBytes.add(reader)
      this.enter(reader.inputs[0]!)
      this.enter(end)
    }
    if (this.scheme.around) for (const each of network.nodes) this.join(each)
    for (const { name } of network.inputs) if (this.terms.has(name)) this.pair(name, name)
    for (const each of network.nodes) {
      const outputs = each.outputs.map((name) =>
        this.terms.has(name) && wires.out.has(name) ? `${name} float` : name,
      )
      const inputs = each.inputs.map((name) => (this.terms.has(name) ? this.floatOf(name) : name))
      const layer = this.layers.get(each)
      this.nodes.push({ ...each, outputs, inputs: layer ? this.weights(layer, inputs[0]!) : inputs })
      each.outputs.forEach((name, i) => {
        if (this.terms.has(name)) this.pair(name, outputs[i]!)
      })
    }
    return { ...network, nodes: this.nodes, constants: this.constants }
  }

  private enter(name: string): void {
    const range = this.scheme.ranges.get(name)
    if (range && !this.terms.has(name)) this.terms.set(name, termsOf(range))
  }

  /** A node all of whose inputs are bytes gives bytes. */
  private join(each: Node): void {
    const { terms, scheme, wires, network } = this
    if (each.outputs.length !== 1 || this.layers.has(each)) return
    const [y] = each.outputs as [string]
    if (MOVING.has(each.op)) {
      const from = terms.get(each.inputs[0]!)
      if (from && scheme.ranges.has(y)) terms.set(y, from)
    } else if (JOINING.has(each.op) && each.inputs.every((name) => terms.has(name))) {
      const end = each.op === 'Add' ? endOf(y, wires, network.constants) : y
      this.enter(end)
      // With the same scale a Concat moves bytes.
      const to = terms.get(end)
      if (to && each.op === 'Concat')
        for (const name of each.inputs) if (wires.readers.get(name)?.length === 1) terms.set(name, to)
    }
  }

  private floatOf(name: string): string {
    return this.wires.out.has(name) ? name : `${name} dequantized`
  }

  private constant(name: string, tensor: HostTensor): string {
    this.constants.set(name, tensor)
    return name
  }

  /** `from` to bytes, and back under the name that readers take. */
  private pair(name: string, from: string): void {
    const { scale, zero } = this.terms.get(name)!
    const given = [
      this.constant(`${name} scale`, { type: 'float32', shape: [], data: Float32Array.of(scale) }),
      this.constant(`${name} zero point`, { type: 'uint8', shape: [], data: Uint8Array.of(zero) }),
    ]
    const q = bytesOf(name)
    this.nodes.push(
      node('QuantizeLinear', `${name} to bytes`, [from, ...given], [q]),
      node('DequantizeLinear', `${name} from bytes`, [q, ...given], [this.floatOf(name)]),
    )
  }

  /** The inputs of a layer: weights of int8, a bias of int32 in units of the sums. */
  private weights(layer: Layer, x: string): string[] {
    const { scheme } = this
    const { weight, bias, axis, channels, node: of } = layer
    const title = of.outputs[0]!
    const xScale = this.terms.get(of.inputs[0]!)!.scale
    const { data, scales } = quantizeWeight(layer, scheme, xScale)
    const { perChannel } = scheme
    const [shape, count] = perChannel ? [[channels], channels] : [[], 1]
    const along: [string, AttributeValue][] = perChannel ? [['axis', axis]] : []
    const dequantize = (
      part: string,
      q: HostTensor,
      scale: Float32Array,
      attributes: [string, AttributeValue][],
    ) => {
      const zeros = q.type === 'int8' ? new Int8Array(count) : new Int32Array(count)
      const inputs = [
        this.constant(`${title} ${part} quantized`, q),
        this.constant(`${title} ${part} scale`, { type: 'float32', shape, data: scale.slice(0, count) }),
        this.constant(`${title} ${part} zero point`, { type: q.type, shape, data: zeros }),
      ]
      this.nodes.push(node('DequantizeLinear', `${title} ${part}`, inputs, [`${title} ${part}`], attributes))
      return `${title} ${part}`
    }
    const w = dequantize('weight', { type: 'int8', shape: weight.shape, data }, scales, along)
    const correction = scheme.corrections?.get(title)
    if (!bias && (!correction || of.op === 'MatMul')) return [x, w]
    const units = scales.map((scale) => Math.fround(scale * xScale))
    const sums = Int32Array.from(units, (unit, c) =>
      limit(
        roundToEven((Number(bias?.data[c] ?? 0) + (correction?.[c] ?? 0)) / unit),
        -(2 ** 31) + 1,
        2 ** 31 - 1,
      ),
    )
    const b = dequantize(
      'bias',
      { type: 'int32', shape: [channels], data: sums },
      units,
      perChannel ? [['axis', 0]] : [],
    )
    return [x, w, b]
  }
}

/** Products whose inputs are quantised in each run, by the range that they have there. */
export function dynamic(
  network: Network,
  { layers, perChannel, weightBits }: Pick<Scheme, 'layers' | 'perChannel' | 'weightBits'>,
): Network {
  const chosen = new Map(layers.map((layer) => [layer.node, layer]))
  const constants = new Map(network.constants)
  const made = new Map<string, [string, string, string]>()
  const constant = (name: string, tensor: HostTensor) => {
    constants.set(name, tensor)
    return name
  }
  const nodes = network.nodes.flatMap((each) => {
    const layer = chosen.get(each)
    if (!layer) return [each]
    const [x] = each.inputs as [string]
    const [y] = each.outputs as [string]
    const { weight, bias, axis, channels } = layer
    const { data, scales, channelOf } = quantizeWeight(layer, { perChannel, weightBits })
    const [rows] = axis === 1 ? weight.shape : [weight.shape[1]!]
    // [in, out], as a product takes it.
    const matrix = new Int8Array(data.length)
    data.forEach((v, i) => {
      matrix[axis === 1 ? i : (i % rows!) * channels + channelOf(i)] = v
    })
    const w = constant(`${y} weight`, { type: 'int8', shape: [rows!, channels], data: matrix })
    const s = constant(
      `${y} weight scale`,
      perChannel
        ? { type: 'float32', shape: [channels], data: scales }
        : { type: 'float32', shape: [], data: scales.slice(0, 1) },
    )
    const zero = constant(`${y} weight zero point`, { type: 'int8', shape: [], data: Int8Array.of(0) })
    const steps: Node[] = []
    let bytes = made.get(x)
    if (!bytes) {
      bytes = [bytesOf(x), `${x} scale`, `${x} zero point`]
      made.set(x, bytes)
      steps.push(node('DynamicQuantizeLinear', `${x} to bytes`, [x], bytes))
    }
    const [q, scale, point] = bytes
    const last = bias ? `${y} product` : y
    steps.push(
      node('MatMulInteger', each.name, [q, w, point, zero], [`${y} sums`]),
      node('Cast', `${y} as float`, [`${y} sums`], [`${y} float`], [['to', 1]]),
      node('Mul', `${y} scales`, [scale, s], [`${y} scale`]),
      node('Mul', `${y} scaled`, [`${y} float`, `${y} scale`], [last]),
    )
    if (bias)
      steps.push(
        node('Add', `${y} biased`, [last, constant(`${y} bias`, { ...bias, shape: [channels] })], [y]),
      )
    return steps
  })
  return { ...network, nodes, constants }
}
