/** Which operators of a graph filterbank has. */
import { check, show } from '../../base/errors.js'
import type { Graph, OpenedGraph } from './graph.js'

type Nodes = Pick<Graph, 'nodes'>

/** The operators of a graph that filterbank lacks, each with the names of its nodes. */
export function missingOperators(graph: Nodes, known: (op: string) => boolean): Map<string, string[]> {
  const missing = new Map<string, string[]>()
  const visit = ({ nodes }: Nodes) => {
    for (const node of nodes) {
      if (!known(node.op)) missing.set(node.op, [...(missing.get(node.op) ?? []), node.name])
      for (const value of node.attributes.values())
        if (typeof value === 'object' && 'nodes' in value) visit(value)
    }
  }
  visit(graph)
  return missing
}

/**
 * Throws unless a graph can be run: all operators that filterbank lacks at once, or else the first of the
 * other problems.
 */
export function checkGraph(
  { graph, opset, own, problems }: OpenedGraph,
  known: (op: string) => boolean,
): void {
  const missing = missingOperators(graph, (op) => own.has(op) || known(op))
  check(missing.size === 0, () => ({
    op: 'loadModel',
    argument: 'model',
    expected: 'of operators that filterbank has',
    got: [...missing]
      .map(([op, names]) => `${op} (opset ${opset}: ${names.map(show).join(', ')})`)
      .join('; '),
  }))
  if (problems[0]) throw problems[0]
}
