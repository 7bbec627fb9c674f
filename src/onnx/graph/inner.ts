/** The graphs inside of nodes, joined as the one around them (`fuse`). */
import { atOnce, fewByFew, type Steps } from '../../base/turns.js'
import { fuse } from './fuse.js'
import type { Constants } from './fusion.js'
import { type AttributeValue, type FilePort, type Graph, graphsOf, type Node, readsOf } from './graph.js'

/**
 * The same graph with those inside of its nodes fused; constants that are new there are theirs. Names that a
 * graph has for itself hide those around it.
 */
export function* fuseInner<P extends FilePort>(graph: Graph<P>, around: Constants): Steps<Graph<P>> {
  const nodes: Node[] = []
  yield* fewByFew(graph.nodes, (node) => {
    if (graphsOf(node).length === 0) {
      nodes.push(node)
      return
    }
    const attributes = [...node.attributes].map(([name, value]): [string, AttributeValue] => [
      name,
      typeof value === 'object' && 'nodes' in value ? fused(value, around) : value,
    ])
    nodes.push({ ...node, attributes: new Map(attributes) })
  })
  return { ...graph, nodes }
}

function fused(graph: Graph, around: Constants): Graph {
  const constants = new Map(graph.constants)
  const nodes = graph.nodes.filter(({ op, attributes, outputs }) => {
    const value = op === 'Constant' ? attributes.get('value') : undefined
    if (typeof value !== 'object' || !('data' in value)) return true
    constants.set(outputs[0]!, value)
    return false
  })
  const own = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...nodes.flatMap(({ outputs }) => outputs),
    ...constants.keys(),
  ])
  // What `fuse` makes goes by the names of outputs, which may be those of nodes around.
  const known: Constants = (name) =>
    constants.get(name) ?? (own.has(name) || name.startsWith('filterbank ') ? undefined : around(name))
  const inner = atOnce(fuse(atOnce(fuseInner({ ...graph, nodes, constants }, known)), known))
  return passedOn({ ...inner, constants: new Map([...constants, ...inner.constants]) })
}

/** What Identity gives out is given out by the name that it has: a branch of nothing else needs no run. */
function passedOn(graph: Graph): Graph {
  const makers = new Map(
    graph.nodes.flatMap((node): [string, string][] =>
      node.op === 'Identity' && node.inputs[0] ? [[node.outputs[0]!, node.inputs[0]]] : [],
    ),
  )
  const outputs = graph.outputs.map((port) => {
    let { name } = port
    while (makers.has(name)) name = makers.get(name)!
    return { ...port, name }
  })
  const read = new Set([...graph.nodes.flatMap((node) => readsOf(node)), ...outputs.map(({ name }) => name)])
  const nodes = graph.nodes.filter(({ op, outputs }) => op !== 'Identity' || read.has(outputs[0]!))
  return { ...graph, nodes, outputs }
}
