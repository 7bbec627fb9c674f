/** What a graph computes the same every time is computed once, at load. */
import { fewByFew, type Steps } from '../../base/turns.js'
import { fitsEngine, type HostTensor, isFloat } from '../file/types.js'
import {
  type FreeNames,
  freeNames,
  freeNamesWithin,
  type Graph,
  graphsOf,
  type Node,
} from '../graph/graph.js'
import { isRandom } from '../operators/index.js'
import { constantsIn, type Scope, stepsOf } from './execute.js'
import type { Run, Value } from './value.js'

/**
 * Runs at load what needs no input, and takes it out of the graph.
 * @param turns whether large matrices that others read too stay as they are before a product with them
 *   transposed: `fuse` sees to it
 */
export function* foldConstants(
  graph: Graph,
  opset: number,
  run: Run,
  turns = false,
): Steps<Map<string, Value>> {
  const constants = yield* constantsIn(graph, run)
  // The values share what stands in the engine already.
  yield* fewByFew([...graph.constants.values()], giveBack)
  const filters = yield* filtersOfBytes(graph)
  const readers = yield* readersOf(graph)
  const turned = turns ? yield* turnedMatrices(graph, constants, readers) : filters
  const foldable: Node[] = []
  yield* fewByFew(graph.nodes, (node) => {
    const folds =
      !isRandom(node.op) &&
      !filters.has(node) &&
      !turned.has(node) &&
      ![...node.attributes.values()].some((value) => typeof value === 'object' && 'nodes' in value)
    if (!folds || !node.inputs.every((name) => !name || constants.has(name))) return
    for (const name of node.outputs) if (name) constants.set(name, undefined as never)
    foldable.push(node)
  })
  yield* fewByFew(foldable, (node) => {
    for (const name of node.outputs) constants.delete(name)
  })
  const scope: Scope = { values: new Map(constants) }
  const part: Graph = { nodes: foldable, constants: new Map(), inputs: [], outputs: [] }
  const names = new Set(foldable.flatMap(({ outputs }) => outputs))
  // What nobody reads any more goes, where it is much: names of the rest may be tapped.
  const drop = (name: string) => {
    const value = constants.get(name)
    if (readers.get(name) || !value || value.size < MUCH) return
    value.dispose()
    constants.delete(name)
    scope.values.delete(name)
  }
  yield* fewByFew([...constants.keys()], drop)
  let done = false
  try {
    for (const node of stepsOf(part, scope, { run, opset, constants, inner: new Map(), keep: names })) {
      yield
      if (!node) continue
      const { attributes, inputs } = node
      for (const value of attributes.values())
        if (typeof value === 'object' && 'data' in value) giveBack(value)
      for (const name of inputs) {
        readers.set(name, readers.get(name)! - 1)
        drop(name)
      }
    }
    done = true
  } finally {
    if (!done) for (const value of constants.values()) value.dispose()
  }
  const gone = new Set(foldable)
  graph.nodes = graph.nodes.filter((node) => !gone.has(node))
  return constants
}

/** How often each name is read. */
function* readersOf(graph: Graph): Steps<Map<string, number>> {
  const readers = new Map<string, number>()
  const note = (name: string) => readers.set(name, (readers.get(name) ?? 0) + 1)
  for (const { name } of graph.outputs) note(name)
  const free: FreeNames = new Map()
  yield* freeNamesWithin(graph, free)
  yield* fewByFew(graph.nodes, (node) => {
    for (const name of [...node.inputs, ...graphsOf(node).flatMap((inner) => freeNames(inner, free))])
      note(name)
  })
  return readers
}

const giveBack = ({ resident, words }: HostTensor): void => {
  resident?.dispose()
  words?.dispose()
}

/** Numbers of a constant that are given back once nobody needs them. */
const MUCH = 1 << 14

/** Nodes that make floats of bytes for operators that may take those as they are: `fuse` sees to it. */
function* filtersOfBytes(graph: Graph): Steps<ReadonlySet<Node>> {
  const nodes = graph.nodes.filter(({ op }) => op === 'DequantizeLinear')
  const made = new Map(nodes.map((node) => [node.outputs[0]!, node]))
  const filters = new Set(nodes)
  yield* fewByFew(graph.nodes, ({ op, inputs }) => {
    if (TAKES_BYTES.has(op)) return
    for (const name of inputs) {
      const maker = made.get(name)
      if (maker) filters.delete(maker)
    }
  })
  return filters
}

/** Transposes of large constants with other readers, for one product each. */
function* turnedMatrices(
  graph: Graph,
  constants: ReadonlyMap<string, Value>,
  readers: ReadonlyMap<string, number>,
): Steps<ReadonlySet<Node>> {
  const right = new Set<string>()
  yield* fewByFew(graph.nodes, ({ op, inputs }) => {
    if (op === 'MatMul') right.add(inputs[1]!)
  })
  const turned = new Set<Node>()
  yield* fewByFew(graph.nodes, (node) => {
    const [from, to] = [node.inputs[0]!, node.outputs[0]!]
    if (node.op !== 'Transpose' || !right.has(to) || readers.get(to) !== 1 || readers.get(from) === 1) return
    const x = constants.get(from)
    const perm = node.attributes.get('perm')
    const isTurned = perm === undefined || String(perm) === '1,0'
    if (x?.shape.length === 2 && x.size >= MUCH && isFloat(x.type) && fitsEngine(x.type) && isTurned)
      turned.add(node)
  })
  return turned
}

const TAKES_BYTES = new Set([
  ...['Add', 'Concat', 'Conv', 'ConvTranspose', 'Div', 'Gemm', 'MatMul', 'Max', 'Min', 'Mul', 'Sub', 'Where'],
])
