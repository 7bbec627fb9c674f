/** Transpositions behind what leaves elements out: less is left to move then, and it lies side by side. */

import { type Fusion, number, numbers } from './fusion.js'
import type { AttributeValue, Node } from './graph.js'

/** What makes one number of many along axes that it names. */
const REDUCING = /^(Reduce\w+|Arg(Max|Min))$/

/** A reader on what is not turned yet: inputs behind the first, attributes, and the turn behind it. */
interface Turned {
  inputs: string[]
  attributes: Map<string, AttributeValue>
  perm: number[]
}

/** Axes of a list by where a transposition took them from. */
const before = (axes: Iterable<number>, perm: readonly number[]) =>
  Array.from(axes, (axis) => perm[axis < 0 ? axis + perm.length : axis] ?? -1)

/** The same axes in a constant of its own. */
function axesInput(name: string, perm: readonly number[], fusion: Fusion): string | undefined {
  const given = fusion.constant(name)
  if (!given || given.type === 'string') return undefined
  const { data, shape, type } = given
  const axes = before(data as Float64Array, perm)
  if (axes.includes(-1)) return undefined
  const turned = () => ({ type, shape, data: (data as Float64Array).map((_, i) => axes[i]!) })
  return fusion.constantNamed(`${name} before ${perm}`, turned)
}

/** How many axes indices have, where that is known without a run. */
function rankOf(name: string, fusion: Fusion): number | undefined {
  const maker = fusion.maker(name)
  const turn = maker?.op === 'Transpose' ? numbers(maker, 'perm').length : 0
  return fusion.constant(name)?.shape.length ?? (turn || undefined)
}

function turned(node: Node, perm: readonly number[], fusion: Fusion): Turned | undefined {
  const { op, attributes } = node
  const [, ...rest] = node.inputs
  if (op === 'Transpose') {
    const next = numbers(node, 'perm')
    if (next.length !== perm.length) return undefined
    return { inputs: [], attributes: new Map(), perm: before(next, perm) }
  }
  if (op === 'Slice') {
    const [starts, ends, axes, ...steps] = rest
    const own = axes && axesInput(axes, perm, fusion)
    return own ? { inputs: [starts!, ends!, own, ...steps], attributes, perm: [...perm] } : undefined
  }
  if (op === 'Gather') {
    const [axis] = before([number(node, 'axis', 0)], perm)
    const rank = rankOf(rest[0]!, fusion)
    if (axis === undefined || axis < 0 || rank === undefined) return undefined
    // The axes of the indices stand in the place of the one that they take from.
    const behind = perm.flatMap((from) =>
      from === axis
        ? Array.from({ length: rank }, (_, i) => axis + i)
        : [from < axis ? from : from - 1 + rank],
    )
    return { inputs: rest, attributes: new Map(attributes).set('axis', axis), perm: behind }
  }
  if (!REDUCING.test(op)) return undefined
  const isPlace = op.startsWith('Arg')
  const named = isPlace ? [number(node, 'axis', 0)] : numbers(node, 'axes')
  const own = rest[0] && axesInput(rest[0], perm, fusion)
  const axes = own ? [...(fusion.constant(own)!.data as Float64Array)] : before(named, perm)
  if ((rest[0] && !own) || axes.length === 0 || axes.includes(-1)) return undefined
  const moved = new Map(attributes)
  if (isPlace) moved.set('axis', axes[0]!)
  else if (!own) moved.set('axes', axes)
  const left = perm.filter((axis) => !axes.includes(axis))
  const rank = (axis: number) => axis - axes.filter((gone) => gone < axis).length
  const isKept = number(node, 'keepdims', 1) !== 0
  return { inputs: own ? [own] : [], attributes: moved, perm: isKept ? [...perm] : left.map(rank) }
}

/** A transposition that nobody reads but such nodes goes behind each of them. */
export function turnLater(node: Node, fusion: Fusion): void {
  const perm = node.op === 'Transpose' ? numbers(node, 'perm') : []
  const [x] = node.inputs
  const [output] = node.outputs as [string]
  if (!perm.length || !x || fusion.constant(x)) return
  const readers = fusion.allReadersOf(output)
  const all = readers.map((reader) =>
    reader.inputs.indexOf(output) === reader.inputs.lastIndexOf(output) && reader.inputs[0] === output
      ? turned(reader, perm, fusion)
      : undefined,
  )
  if (!readers.length || !all.every((one) => one !== undefined)) return
  readers.forEach((reader, i) => {
    const { inputs, attributes, perm } = all[i]!
    if (reader.op === 'Transpose') {
      const isPlain = perm.every((axis, i) => axis === i)
      const by = isPlain ? { op: 'Identity', attributes } : { attributes: attributes.set('perm', perm) }
      fusion.rewire(reader, [x], reader.outputs, [])
      Object.assign(reader, by)
      return
    }
    const outputs = reader.outputs.map((name) => name && `${name} before ${output}`)
    const behind = reader.outputs.flatMap((name, k) =>
      name
        ? [
            {
              op: 'Transpose',
              name,
              inputs: [outputs[k]!],
              outputs: [name],
              attributes: new Map<string, AttributeValue>([['perm', perm]]),
            },
          ]
        : [],
    )
    fusion.rewire(reader, [x, ...inputs], outputs, behind)
    reader.attributes = attributes
  })
  fusion.drop(node)
}
