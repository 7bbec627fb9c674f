/**
 * Functions that a model brings along: a node that names one is replaced by the nodes of its body. Source:
 * https://github.com/onnx/onnx/blob/main/docs/IR.md#functions
 */
import { check, FilterbankError, show } from '../../base/errors.js'
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  MOST_NODES,
  type ModelProto,
  type NodeProto,
} from '../file/schema.js'

/** Functions that are called in functions. */
const DEEPEST = 256

/** What is known where bodies are put in place of nodes. */
interface Inlining {
  functions: ReadonlyMap<string, FunctionProto>
  /** So far; each has a number for the names in its body. */
  calls: number
}

/** How the names and attributes of a body become those of the node that calls it. */
interface Call {
  node: NodeProto
  rename: (name: string) => string
  attributes: ReadonlyMap<string, AttributeProto>
}

const keyOf = (domain: string, name: string, overload: string): string =>
  JSON.stringify([domain === 'ai.onnx' ? '' : domain, name, overload])

/** The model's graph without calls of its functions. */
export function inlineFunctions({ graph, functions }: ModelProto & { graph: GraphProto }): GraphProto {
  if (functions.length === 0) return graph
  const known = new Map(functions.map((found) => [keyOf(found.domain, found.name, found.overload), found]))
  // Functions that call others twice each grow without bound.
  const nodes = nodesOf(graph.node, known, new Map(), [])
  check(nodes <= MOST_NODES, () => ({
    op: 'loadModel',
    argument: 'functions',
    expected: `at most ${MOST_NODES} nodes where they stand in place of their calls`,
    got: `${nodes}`,
  }))
  return inGraph(graph, { functions: known, calls: 0 })
}

const calledBy = ({ domain, opType, overload }: NodeProto, functions: Inlining['functions']) =>
  functions.get(keyOf(domain, opType, overload))

function fail({ name }: FunctionProto, expected: string, got: string): never {
  throw new FilterbankError({ op: 'loadModel', argument: `function ${show(name)}`, expected, got })
}

/** How many nodes these become; throws where a function calls itself. */
function nodesOf(
  nodes: readonly NodeProto[],
  functions: Inlining['functions'],
  found: Map<FunctionProto, number>,
  within: readonly FunctionProto[],
): number {
  let sum = 0
  for (const node of nodes) {
    const called = calledBy(node, functions)
    if (!called) {
      const inner = node.attribute.flatMap(({ g }) => g?.node ?? [])
      sum += 1 + nodesOf(inner, functions, found, within)
      continue
    }
    if (within.includes(called)) fail(called, 'one that does not call itself', 'one that does')
    if (within.length === DEEPEST) fail(called, `called at most ${DEEPEST} functions deep`, 'deeper')
    const known = found.get(called) ?? nodesOf(called.node, functions, found, [...within, called])
    found.set(called, known)
    sum += known + called.output.length
  }
  return sum
}

function inGraph(graph: GraphProto, inlining: Inlining): GraphProto {
  return { ...graph, node: graph.node.flatMap((node) => inNode(node, inlining)) }
}

function inNode(node: NodeProto, inlining: Inlining): NodeProto[] {
  const called = calledBy(node, inlining.functions)
  if (!called) {
    const attribute = node.attribute.map((item) => withGraphs(item, (graph) => inGraph(graph, inlining)))
    return [{ ...node, attribute }]
  }
  const { input, output } = called
  if (node.input.length > input.length || node.output.length > output.length)
    fail(
      called,
      `called with at most ${input.length} inputs and ${output.length} outputs`,
      `${node.input.length} and ${node.output.length} in node ${show(node.name || node.output[0])}`,
    )
  const call = callOf(node, called, `${node.name || node.output[0]}/${inlining.calls++}/`)
  const body = called.node.flatMap((item) => inNode(asCalled(item, call), inlining))
  // What comes out as it went in, or under two names.
  const passed = output.flatMap((name, i) => {
    const [from, to] = [call.rename(name), node.output[i]]
    return from && to && from !== to ? [identity(from, to)] : []
  })
  return [...body, ...passed]
}

/** Inputs and outputs get the names that the node has for them, all others one that nobody has. */
function callOf(
  node: NodeProto,
  { attribute, attributeProto, input, output }: FunctionProto,
  prefix: string,
) {
  const names = new Map<string, string>()
  output.forEach((name, i) => {
    if (node.output[i]) names.set(name, node.output[i])
  })
  input.forEach((name, i) => {
    names.set(name, node.input[i] ?? '')
  })
  const given = new Map(node.attribute.map((item) => [item.name, item]))
  const attributes = new Map(attributeProto.map((item) => [item.name, item]))
  for (const name of [...attribute, ...attributes.keys()]) {
    const item = given.get(name)
    if (item) attributes.set(name, item)
  }
  const rename = (name: string) => name && (names.get(name) ?? prefix + name)
  return { node, rename, attributes }
}

function asCalled(node: NodeProto, call: Call): NodeProto {
  const { attributes, rename } = call
  return {
    ...node,
    name: `${call.node.name || call.node.output[0]}/${node.name || node.opType}`,
    input: node.input.map(rename),
    output: node.output.map(rename),
    attribute: node.attribute.flatMap((item) => {
      if (!item.refAttrName) return [withGraphs(item, (graph) => graphAsCalled(graph, call))]
      // Without one the operator's own default holds.
      const given = attributes.get(item.refAttrName)
      return given ? [{ ...given, name: item.name }] : []
    }),
  }
}

const graphAsCalled = (graph: GraphProto, call: Call): GraphProto => {
  const renamed = <T extends { name: string }>(item: T): T => ({ ...item, name: call.rename(item.name) })
  return {
    ...graph,
    node: graph.node.map((node) => asCalled(node, call)),
    initializer: graph.initializer.map(renamed),
    input: graph.input.map(renamed),
    output: graph.output.map(renamed),
    valueInfo: graph.valueInfo.map(renamed),
  }
}

const withGraphs = (item: AttributeProto, change: (graph: GraphProto) => GraphProto): AttributeProto =>
  item.g ? { ...item, g: change(item.g) } : item

const identity = (from: string, to: string): NodeProto => ({
  input: [from],
  output: [to],
  name: to,
  opType: 'Identity',
  attribute: [],
  domain: '',
  overload: '',
})
