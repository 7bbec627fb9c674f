/** A model's graph, checked and sorted: nodes with decoded attributes, constants, inputs, outputs. */
import { check, FilterbankError, show } from '../errors.js'
import type { Activation } from '../ops/activation.js'
import { decodeUtf8 } from '../utf8.js'
import type { AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto } from './schema.js'
import { decodeTensor, type ElementType, floatsOf, type HostTensor, typeOf } from './types.js'

/** A number, a text, lists of them, a constant or a graph; absent ones are undefined. */
export type AttributeValue = number | string | number[] | string[] | HostTensor | Graph

export interface Node {
  op: string
  /** As the file names it, else by its first output. */
  name: string
  /** Names of values; '' is an input or output that is left out. */
  inputs: string[]
  outputs: string[]
  attributes: Map<string, AttributeValue>
  /** What is done to its output, and the operators of the file that it does the work of: where nodes were joined (`fuse`). */
  activation?: Activation
  parts?: readonly string[]
}

/** What goes in or comes out: of an axis whose length is open, the name (or null where it has none). Without a shape the rank is open too. */
export interface Port {
  name: string
  type: ElementType
  shape?: readonly (number | string | null)[]
}

export interface Graph {
  nodes: Node[]
  constants: Map<string, HostTensor>
  inputs: Port[]
  outputs: Port[]
}

/** Bytes of an external data file. */
export type External = (location: string, offset: number, length: number | undefined) => Uint8Array

/** Kinds of attributes in the standard's numbering. */
function attributeValue(attribute: AttributeProto, external: External): AttributeValue {
  const { type } = attribute
  if (type === 1) return attribute.f
  if (type === 2) return attribute.i
  if (type === 3) return decodeUtf8(attribute.s ?? new Uint8Array())
  if (type === 4 && attribute.t) return constant(attribute.t, external)
  if (type === 5 && attribute.g) return graphOf(attribute.g, external)
  if (type === 6) return floatsOf(attribute.floats)
  if (type === 7) return attribute.ints
  if (type === 8) return attribute.strings.map((bytes) => decodeUtf8(bytes))
  throw new FilterbankError({
    op: 'loadModel',
    argument: `attribute ${show(attribute.name)}`,
    expected: 'numbers, strings, a tensor or a graph',
    got: `type ${type}`,
  })
}

function constant(proto: TensorProto, external: External): HostTensor {
  if (proto.dataLocation !== 1) return decodeTensor(proto)
  const entries = Object.fromEntries(proto.externalData.map(({ key, value }) => [key, value]))
  const { location, offset = '0', length } = entries
  check(location !== undefined, () => ({ op: 'loadModel', argument: `tensor ${show(proto.name)}`, expected: 'the location of its data', got: 'none' }))
  return decodeTensor(proto, external(location, Number(offset), length === undefined ? undefined : Number(length)))
}

function portOf({ name, type }: ValueInfoProto): Port {
  const tensor = type?.tensorType
  check(!type || tensor !== undefined, () => ({
    op: 'loadModel',
    argument: `value ${show(name)}`,
    expected: 'a tensor',
    got: 'a sequence, map or optional value',
  }))
  // A graph inside of a node need not say.
  const element = typeOf(tensor?.elemType || 1)
  check(element !== undefined, () => ({
    op: 'loadModel',
    argument: `value ${show(name)}`,
    expected: 'a type that filterbank knows',
    got: `type ${tensor?.elemType} of the ONNX standard`,
  }))
  const shape = lengthsOf(type)
  return { name, type: element, ...(shape && { shape }) }
}

/** The shape that the file gives for a value. */
export const lengthsOf = (type: ValueInfoProto['type']): Port['shape'] =>
  type?.tensorType?.shape?.dim.map(({ dimValue, dimParam }) => dimValue ?? (dimParam || null))

function graphOf(proto: GraphProto, external: External): Graph {
  const unknown = { expected: 'dense constants', got: `${proto.sparseInitializer.length} sparse ones` }
  check(proto.sparseInitializer.length === 0, () => ({ op: 'loadModel', argument: 'model', ...unknown }))
  const constants = new Map(proto.initializer.map((tensor) => [tensor.name, constant(tensor, external)]))
  const nodes = proto.node.map(({ opType, domain, name, input, output, attribute }) => ({
    op: domain && domain !== 'ai.onnx' ? `${domain}.${opType}` : opType,
    name: name || output.find((out) => out) || opType,
    inputs: input,
    outputs: output,
    attributes: new Map(attribute.map((item) => [item.name, attributeValue(item, external)])),
  }))
  // Before version 4 of the file format constants are inputs too: defaults, which nobody here may replace.
  const inputs = proto.input.filter(({ name }) => !constants.has(name)).map(portOf)
  return { nodes, constants, inputs, outputs: proto.output.map(portOf) }
}

/** The graph of a model, and the version of the operators that it is written for. */
export function openGraph(model: ModelProto & { graph: GraphProto }, external: External): { graph: Graph; opset: number } {
  const graph = graphOf(model.graph, external)
  const opset = model.opsetImport.find(({ domain }) => !domain || domain === 'ai.onnx')?.version ?? 1
  sort(graph, new Set())
  return { graph, opset }
}

/** Names that a node reads: its inputs, and what the graphs inside it take from outside. */
export function readsOf(node: Node): string[] {
  const inner = graphsOf(node).flatMap((graph) => {
    const own = new Set([...graph.constants.keys(), ...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)])
    return [...graph.nodes.flatMap(readsOf), ...graph.outputs.map(({ name }) => name)].filter((name) => !own.has(name))
  })
  return [...node.inputs.filter((name) => name), ...inner]
}

export const graphsOf = (node: Node): Graph[] => [...node.attributes.values()].filter((value): value is Graph => typeof value === 'object' && 'nodes' in value)

/** Puts every node after those that it reads from, and checks that there is such an order: nothing dangles, nothing goes in circles, no name is given twice. */
function sort(graph: Graph, outer: ReadonlySet<string>): void {
  const fail = (argument: string, expected: string, got: string): never => {
    throw new FilterbankError({ op: 'loadModel', argument, expected, got })
  }
  const makers = new Map<string, Node>()
  const given = new Set([...outer, ...graph.constants.keys(), ...graph.inputs.map(({ name }) => name)])
  for (const node of graph.nodes) {
    for (const name of node.outputs) {
      if (!name) continue
      if (makers.has(name) || given.has(name)) fail(`value ${show(name)}`, 'made once', `a second time by node ${show(node.name)}`)
      makers.set(name, node)
    }
  }
  const sorted: Node[] = []
  const state = new Map<Node, 'open' | 'done'>()
  // A stack of its own, since graphs may be thousands of nodes deep.
  for (const first of graph.nodes) {
    const stack = [first]
    while (stack.length) {
      const node = stack.at(-1)!
      if (state.get(node) === 'done') {
        stack.pop()
        continue
      }
      const waiting = readsOf(node).flatMap((name) => {
        const maker = makers.get(name)
        if (!maker && !given.has(name)) fail(`node ${show(node.name)}`, 'one whose inputs exist', `${show(name)}, which nothing makes`)
        return maker && state.get(maker) !== 'done' ? [maker] : []
      })
      if (waiting.length === 0) {
        state.set(node, 'done')
        sorted.push(node)
        stack.pop()
      } else {
        state.set(node, 'open')
        const again = waiting.find((maker) => state.get(maker) === 'open')
        if (again) fail('model', 'a graph without circles', `one through node ${show(again.name)}`)
        stack.push(...waiting)
      }
    }
  }
  for (const { name } of graph.outputs) {
    if (!makers.has(name) && !given.has(name)) fail(`output ${show(name)}`, 'made by a node', 'none that makes it')
  }
  graph.nodes = sorted
  const known = new Set([...given, ...makers.keys()])
  for (const node of sorted) for (const inner of graphsOf(node)) sort(inner, known)
}
