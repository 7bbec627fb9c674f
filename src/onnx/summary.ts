import type { Program } from '../program.js'
import type { Graph, Node } from './graph.js'
import type { Value } from './value.js'

/** One node of a model. */
export interface LayerSummary {
  op: string
  name: string
  /** Numbers in the constants that it reads. */
  parameters: number
  /** What it ran in the engine, as the names of kernels; none where it only names memory anew, or works on the host. */
  kernels: string[]
  /** Milliseconds that it took; undefined where the last run was not replayed. */
  milliseconds: number | undefined
}

interface Recorded {
  program: Program
  ends: Map<Node, number>
}

/** A line for each node; the times are those of one replay. */
export function describe(graph: Graph, constants: Map<string, Value>, recorded: Recorded | undefined): LayerSummary[] {
  let begin = 0
  return graph.nodes.map((node) => {
    const parameters = node.inputs.reduce((sum, name) => sum + (constants.get(name)?.size ?? 0), 0)
    const end = recorded?.ends.get(node) ?? begin
    const kernels = recorded ? [...new Set(recorded.program.kernels(begin, end))] : []
    const start = performance.now()
    recorded?.program.run(begin, end)
    const milliseconds = recorded && performance.now() - start
    begin = end
    return { op: node.op, name: node.name, parameters, kernels, milliseconds }
  })
}
