/** Which operators of a graph filterbank has. */
import { check, show } from '../../base/errors.js'
import { fewByFew, inTurns, type Steps } from '../../base/turns.js'
import { operators } from '../operators/index.js'
import { type Graph, graphsOf, type Node, type OpenedGraph } from './graph.js'

type Nodes = Pick<Graph, 'nodes'>

/**
 * The operators of a graph that the tables lack, each with the names of its nodes. Those of the domain
 * filterbank come of joined nodes, not of files: they have what no attribute of a file says.
 */
function* missingIn(graph: Nodes, own: ReadonlySet<string>): Steps<Map<string, string[]>> {
  const missing = new Map<string, string[]>()
  const look = (node: Node) => {
    const isOurs = node.op.startsWith('filterbank.')
    if (!own.has(node.op) && (isOurs || !Object.hasOwn(operators, node.op))) {
      const names = missing.get(node.op)
      if (names) names.push(node.name)
      else missing.set(node.op, [node.name])
    }
    for (const { nodes } of graphsOf(node)) for (const inner of nodes) look(inner)
  }
  yield* fewByFew(graph.nodes, look)
  return missing
}

const isLearned = (op: string): boolean => op.startsWith('ai.onnx.ml.')

/** Fetches the modules that may have operators which the table lacks. */
async function fetchOperators(missing: readonly string[]): Promise<void> {
  const modules: Promise<{ add: () => void }>[] = []
  if (missing.some(isLearned)) modules.push(import('../operators/learned/index.js'))
  if (missing.some((op) => !isLearned(op))) modules.push(import('../operators/rare/index.js'))
  for (const { add } of await Promise.all(modules)) add()
}

/**
 * The operators of a graph that neither filterbank has nor the model brings, with the names of their nodes.
 * Those that are in modules of their own are there afterwards.
 */
export async function missingOperators(
  graph: Nodes,
  own: ReadonlySet<string>,
): Promise<Map<string, string[]>> {
  const missing = await inTurns(missingIn(graph, own))
  if (missing.size === 0) return missing
  await fetchOperators([...missing.keys()])
  return inTurns(missingIn(graph, own))
}

/** Nodes run at once; what decodes pictures in a host gives a promise. */
const DECODED_BEFORE =
  'Decode pictures before the run: make the output of ImageDecoder an input of the model, and give it the pixels ' +
  '(uint8, [height, width, channels]), from readPicture of filterbank/node, or from a canvas.'

/**
 * Throws unless a graph can be run: all operators that filterbank lacks at once, or else the first of the
 * other problems.
 */
export async function checkGraph({ graph, opset, own, problems }: OpenedGraph): Promise<void> {
  const missing = await missingOperators(graph, own)
  check(missing.size === 0, () => ({
    op: 'loadModel',
    argument: 'model',
    expected: 'of operators that filterbank has',
    got: [...missing]
      .map(([op, names]) => `${op} (opset ${opset}: ${names.map(show).join(', ')})`)
      .join('; '),
    ...(missing.has('ImageDecoder') && { hint: DECODED_BEFORE }),
  }))
  if (problems[0]) throw problems[0]
}
