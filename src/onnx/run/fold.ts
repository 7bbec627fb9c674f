/** What a graph computes the same every time is computed once, at load. */
import { freeNames, type Graph, graphsOf, type Node } from '../graph/graph.js'
import { constantsOf, type Scope, stepsOf } from './execute.js'
import type { Run, Value } from './value.js'

/** Runs at load what needs no input, and takes it out of the graph. */
export function foldConstants(graph: Graph, opset: number, run: Run): Map<string, Value> {
  const constants = constantsOf(graph, run)
  // The values share what stands in the engine already.
  for (const { resident } of graph.constants.values()) resident?.dispose()
  const foldable = graph.nodes.filter((node) => {
    const folds =
      !NEVER_FOLDED.has(node.op) &&
      !isFilterOfBytes(node, graph) &&
      ![...node.attributes.values()].some((value) => typeof value === 'object' && 'nodes' in value)
    return (
      folds &&
      node.inputs.every((name) => !name || constants.has(name)) &&
      node.outputs.every((name) => !name || constants.set(name, undefined as never))
    )
  })
  for (const node of foldable) for (const name of node.outputs) constants.delete(name)
  const scope: Scope = { values: new Map(constants) }
  const part: Graph = { nodes: foldable, constants: new Map(), inputs: [], outputs: [] }
  const names = new Set(foldable.flatMap(({ outputs }) => outputs))
  const readers = readersOf(graph)
  // What nobody reads any more goes, where it is much: names of the rest may be tapped.
  const drop = (name: string) => {
    const value = constants.get(name)
    if (readers.get(name) || !value || value.size < MUCH) return
    value.dispose()
    constants.delete(name)
    scope.values.delete(name)
  }
  for (const name of constants.keys()) drop(name)
  try {
    for (const node of stepsOf(part, scope, { run, opset, constants, inner: new Map(), keep: names })) {
      if (!node) continue
      const { attributes, inputs } = node
      for (const value of attributes.values())
        if (typeof value === 'object' && 'resident' in value) value.resident?.dispose()
      for (const name of inputs) {
        readers.set(name, readers.get(name)! - 1)
        drop(name)
      }
    }
  } catch (error) {
    for (const value of constants.values()) value.dispose()
    throw error
  }
  const gone = new Set(foldable)
  graph.nodes = graph.nodes.filter((node) => !gone.has(node))
  return constants
}

/** How often each name is read. */
function readersOf(graph: Graph): Map<string, number> {
  const readers = new Map<string, number>()
  const names = [
    ...graph.nodes.flatMap((node) => [...node.inputs, ...graphsOf(node).flatMap(freeNames)]),
    ...graph.outputs.map(({ name }) => name),
  ]
  for (const name of names) readers.set(name, (readers.get(name) ?? 0) + 1)
  return readers
}

/** Numbers of a constant that are given back once nobody needs them. */
const MUCH = 1 << 14

/** Whether constant bytes are dequantised for operators that may take them as they are: `fuse` sees to it. */
const isFilterOfBytes = ({ op, outputs }: Node, graph: Graph): boolean =>
  op === 'DequantizeLinear' &&
  graph.nodes.every((reader) => !reader.inputs.includes(outputs[0]!) || TAKES_BYTES.has(reader.op))

const TAKES_BYTES = new Set(['Add', 'Concat', 'Conv', 'Gemm', 'MatMul', 'Mul'])

/** What is not the same every time. */
const NEVER_FOLDED = new Set([
  'RandomNormal',
  'RandomUniform',
  'RandomNormalLike',
  'RandomUniformLike',
  'Bernoulli',
  'Multinomial',
])
