/**
 * Layer normalisation as files spell it out: d = x - mean(x), y = d / sqrt(mean(d^2) + epsilon), often times
 * a scale, plus an offset.
 */
import type { HostTensor } from '../file/types.js'
import { type Fusion, number, numbers } from './fusion.js'
import type { Node } from './graph.js'

/** Whether a node takes means along the last axis, and keeps it. */
function meansRows(node: Node | undefined, fusion: Fusion): node is Node {
  if (node?.op !== 'ReduceMean' || number(node, 'keepdims', 1) !== 1) return false
  const given = node.inputs[1] ? fusion.constant(node.inputs[1])?.data : numbers(node, 'axes')
  return given?.length === 1 && Number(given[0]) === -1
}

/** The node that makes a name, which nobody but `readers` reads. */
function makerFor(fusion: Fusion, name: string | undefined, op: string, readers: number): Node | undefined {
  const maker = fusion.maker(name)
  return maker?.op === op && fusion.readersOf(name!) === readers ? maker : undefined
}

/** Whether all numbers of a constant are this one: a file may have it as an integer. */
const isAll = (constant: HostTensor | undefined, value: number): boolean =>
  constant !== undefined && constant.data.length === 1 && Number(constant.data[0]) === value

/** The differences whose squares a name is, with the node: d^2 or d * d. */
function squared(name: string | undefined, fusion: Fusion): { d: string; node: Node } | undefined {
  const node = fusion.sole(name, 'Pow', 'Mul')
  if (!node) return undefined
  const [d, other] = node.inputs as [string, string]
  const squares = node.op === 'Pow' ? isAll(fusion.constant(other), 2) : d === other
  return squares ? { d, node } : undefined
}

/** d = x - mean(x) and the nodes that compute it; files may do so twice. */
function centredBy(d: string, fusion: Fusion): { x: string; mean: Node; sub: Node } | undefined {
  const sub = fusion.maker(d)
  const mean = sub?.op === 'Sub' ? fusion.maker(sub.inputs[1]) : undefined
  return sub && meansRows(mean, fusion) && mean.inputs[0] === sub.inputs[0]
    ? { x: sub.inputs[0]!, mean, sub }
    : undefined
}

/** A constant of one axis that a product or sum with `name` takes, and that node. */
function affine(op: string, name: string, fusion: Fusion): { node: Node; constant: string } | undefined {
  const node = fusion.isInner(name) ? fusion.readerOf(name) : undefined
  if (node?.op !== op || node.inputs.length !== 2 || node.activation) return undefined
  const constant = node.inputs[1 - node.inputs.indexOf(name)]!
  return fusion.constant(constant)?.shape.length === 1 ? { node, constant } : undefined
}

/** The rule of `fuse`: at the quotient, which takes all that stands before and behind it. */
export function nameLayerNorm(root: Node, fusion: Fusion): void {
  if (root.op !== 'Div') return
  const deviation = fusion.sole(root.inputs[1], 'Sqrt')
  const sum = fusion.sole(deviation?.inputs[0], 'Add')
  if (!deviation || !sum) return
  const at = sum.inputs.findIndex((input) => fusion.number(input) !== undefined)
  const epsilon = at < 0 ? undefined : fusion.number(sum.inputs[at])
  const variance = fusion.sole(sum.inputs[1 - at], 'ReduceMean')
  if (epsilon === undefined || !meansRows(variance, fusion)) return
  const square = squared(variance.inputs[0], fusion)
  const centre = square && centredBy(square.d, fusion)
  const own = root.inputs[0]!
  const other = own === square?.d ? centre : centredBy(own, fusion)
  if (!square || !centre || !other || other.x !== centre.x) return
  const subs = new Set([centre.sub, other.sub])
  const means = new Set([centre.mean, other.mean])
  // Of the differences, nobody else reads any; of the means the differences alone.
  const readers = (node: Node): number => Number(centre.sub === node) + Number(other.sub === node)
  for (const sub of subs) if (!makerFor(fusion, sub.outputs[0], 'Sub', readers(sub))) return
  for (const mean of means) {
    const count = [...subs].filter(({ inputs }) => inputs[1] === mean.outputs[0]).length
    if (!makerFor(fusion, mean.outputs[0], 'ReduceMean', count)) return
  }
  const before = [...means, ...subs, square.node, variance, sum, deviation]
  const scale = affine('Mul', root.outputs[0]!, fusion)
  const offset = scale && affine('Add', scale.node.outputs[0]!, fusion)
  const last = offset?.node ?? scale?.node ?? root
  const joined = [...before, ...(last === root ? [] : [root]), ...(offset ? [scale.node] : [])]
  fusion.replace(last, joined, {
    op: 'LayerNormalization',
    inputs: [centre.x, scale?.constant ?? '', offset?.constant ?? ''],
    attributes: new Map([
      ['axis', -1],
      ['epsilon', epsilon],
    ]),
  })
}
