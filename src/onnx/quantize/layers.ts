/** The layers of a network that have weights, and what may work on bytes around them. */
import { sizeOf } from '../../base/shape.js'
import type { HostTensor } from '../file/types.js'
import { number } from '../graph/fusion.js'
import { type Node, readsOf } from '../graph/graph.js'
import type { Network } from './network.js'

/** A convolution or product by constant weights. */
export interface Layer {
  node: Node
  weight: HostTensor
  bias: HostTensor | undefined
  /** Of the weight: that of output channels, and the number of those. */
  axis: number
  channels: number
  /** What it gives, behind the clamp that follows. */
  end: string
}

/** Who makes and who reads each name. */
export interface Wires {
  makers: Map<string, Node>
  readers: Map<string, Node[]>
  /** Names that are given out. */
  out: Set<string>
}

export function wiresOf({ nodes, outputs }: Network): Wires {
  const readers = new Map<string, Node[]>()
  for (const node of nodes)
    for (const name of new Set(readsOf(node))) readers.set(name, [...(readers.get(name) ?? []), node])
  return {
    makers: new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const))),
    readers,
    out: new Set(outputs.map(({ name }) => name)),
  }
}

/** The only reader of a name that nobody else is to see. */
export function soleReader(name: string, { readers, out }: Wires): Node | undefined {
  const found = readers.get(name) ?? []
  return found.length === 1 && !out.has(name) ? found[0] : undefined
}

/** What `name` becomes where a clamp by constants follows. */
export function endOf(name: string, wires: Wires, constants: ReadonlyMap<string, HostTensor>): string {
  const next = soleReader(name, wires)
  const clamps =
    next?.op === 'Relu' ||
    (next?.op === 'Clip' && next.inputs.slice(1).every((bound) => !bound || constants.has(bound)))
  return clamps ? next!.outputs[0]! : name
}

export function layersOf(network: Network, wires: Wires): Layer[] {
  const { constants } = network
  return network.nodes.flatMap((node) => {
    const weight = constants.get(node.inputs[1] ?? '')
    const bias = constants.get(node.inputs[2] ?? '')
    if (weight?.type !== 'float32' || sizeOf(weight.shape) === 0 || constants.has(node.inputs[0]!)) return []
    if (node.inputs[2] && bias?.type !== 'float32') return []
    const rank = weight.shape.length
    const axis = axisOf(node, rank)
    if (axis === undefined) return []
    const channels = weight.shape[axis]!
    if (bias && sizeOf(bias.shape) !== channels) return []
    return [{ node, weight, bias, axis, channels, end: endOf(node.outputs[0]!, wires, constants) }]
  })
}

function axisOf(node: Node, rank: number): number | undefined {
  if (node.op === 'Conv') return rank === 3 || rank === 4 ? 0 : undefined
  if (rank !== 2) return undefined
  if (node.op === 'MatMul') return 1
  const plain = number(node, 'alpha', 1) === 1 && number(node, 'beta', 1) === 1 && !number(node, 'transA', 0)
  return node.op === 'Gemm' && plain ? 1 - number(node, 'transB', 0) : undefined
}

/** Operators that move bytes as they are: what comes out has the range of what goes in. */
export const MOVING = new Set([
  'MaxPool',
  'Reshape',
  'Flatten',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'Identity',
])
/** Operators whose result has a range of its own. */
export const JOINING = new Set(['Add', 'Concat', 'AveragePool', 'GlobalAveragePool'])
