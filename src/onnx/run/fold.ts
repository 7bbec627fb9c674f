/** What a graph computes the same every time is computed once, at load. */
import type { Graph, Node } from '../graph/graph.js'
import { isRandom } from '../operators/index.js'
import { constantsOf, type Scope, stepsOf } from './execute.js'
import type { Run, Value } from './value.js'

/** Runs at load what needs no input, and takes it out of the graph. */
export function foldConstants(graph: Graph, opset: number, run: Run): Map<string, Value> {
  const constants = constantsOf(graph, run)
  const foldable = graph.nodes.filter((node) => {
    const folds =
      !isRandom(node.op) &&
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
  try {
    for (const _ of stepsOf(part, scope, { run, opset, constants, inner: new Map(), keep: names }));
  } catch (error) {
    for (const value of constants.values()) value.dispose()
    throw error
  }
  const gone = new Set(foldable)
  graph.nodes = graph.nodes.filter((node) => !gone.has(node))
  return constants
}

/** Whether constant bytes are dequantised for operators that may take them as they are: `fuse` sees to it. */
const isFilterOfBytes = ({ op, outputs }: Node, graph: Graph): boolean =>
  op === 'DequantizeLinear' &&
  graph.nodes.every((reader) => !reader.inputs.includes(outputs[0]!) || TAKES_BYTES.has(reader.op))

const TAKES_BYTES = new Set(['Add', 'Concat', 'Conv', 'Gemm', 'MatMul', 'Mul'])
