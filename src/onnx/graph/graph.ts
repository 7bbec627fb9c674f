/** A model's graph, checked and sorted: nodes with decoded attributes, constants, inputs, outputs. */
import { FilterbankError, show } from '../../base/errors.js'
import { atOnce, fewByFew, type Steps } from '../../base/turns.js'
import { decodeUtf8 } from '../../base/utf8.js'
import type { Activation } from '../../ops/activation.js'
import { floatsOf } from '../file/decode.js'
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  TensorProto,
  TypeProto,
  ValueInfoProto,
} from '../file/schema.js'
import { type ElementType, type HostTensor, typeOf } from '../file/types.js'
import { inlineFunctions } from './functions.js'

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
  /**
   * What is done to its output, and the operators of the file that it does the work of: where nodes were
   * joined (`fuse`).
   */
  activation?: Activation
  parts?: readonly string[]
  /** Axes that its output has at least: those of the constants that it was joined with. */
  rank?: number
  /** Of a function of bytes what it does, by names of which some are its inputs. */
  body?: { inputs: readonly string[]; nodes: readonly Node[] }
}

/**
 * What goes in or comes out: of an axis whose length is open, the name (or null where it has none). Without a
 * shape the rank is open too.
 */
export interface Port {
  name: string
  type: ElementType
  shape?: readonly (number | string | null)[]
  /** Whether it is a sequence of tensors: an array of them, each of this type and shape. */
  sequence?: true
  /** Whether there may be nothing: null. */
  optional?: true
  /** The type of its keys where it is a map, whose values are of `type`: a plain object. */
  map?: ElementType
}

/**
 * The same as a file has it, be it of one of our types or not: 'sparse tensor', 'map', 'sequence' and
 * 'optional' of what is no tensor, 'type 14'.
 */
export interface FilePort extends Omit<Port, 'type'> {
  type: string
}

export interface Graph<P extends FilePort = Port> {
  nodes: Node[]
  constants: Map<string, HostTensor>
  inputs: P[]
  outputs: P[]
}

/**
 * What a graph is read with: how its tensors are, and what is found in it that cannot be run, once it is
 * known which operators are missing.
 */
interface Reading {
  tensorOf: (proto: TensorProto) => HostTensor
  problems: FilterbankError[]
}

/** What `read` gives; where that finds something wrong, it is a problem, and there is nothing. */
function tried<T>({ problems }: Reading, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof FilterbankError)) throw error
    problems.push(error)
    return undefined
  }
}

/** Kinds of attributes in the standard's numbering. */
function attributeValue(attribute: AttributeProto, reading: Reading): AttributeValue | undefined {
  const { type } = attribute
  if (type === 1) return attribute.f
  if (type === 2) return attribute.i
  if (type === 3) return decodeUtf8(attribute.s ?? new Uint8Array())
  if (type === 4 && attribute.t) {
    const { t } = attribute
    return tried(reading, () => reading.tensorOf(t))
  }
  if (type === 6) return floatsOf(attribute.floats)
  if (type === 7) return attribute.ints
  if (type === 8) return attribute.strings.map((bytes) => decodeUtf8(bytes))
  if (type === 13) return portOf({ name: attribute.name, type: attribute.tp! }, reading).type
  reading.problems.push(
    new FilterbankError({
      op: 'loadModel',
      argument: `attribute ${show(attribute.name)}`,
      expected: 'numbers, strings, a tensor or a graph',
      got: `type ${type}`,
    }),
  )
  return undefined
}

/** What a value may be beside a tensor, by the field of the file that says so. */
const kinds = {
  sequenceType: 'sequence',
  mapType: 'map',
  sparseTensorType: 'sparse tensor',
  optionalType: 'optional',
} as const

function portOf({ name, type }: ValueInfoProto, { problems }: Reading): FilePort {
  // Sequences of tensors, and optional ones of both, are the tensors that they hold.
  const optional = type?.optionalType
  const whole = optional?.elemType ?? type
  const sequence = whole?.sequenceType
  const item = sequence?.elemType ?? whole
  // A map is the tensors of its keys and of its values.
  const keys = item?.mapType?.valueType?.tensorType && typeOf(item.mapType.keyType)
  const held = keys ? item?.mapType?.valueType : item
  const kind = Object.entries(kinds).find(([field]) => held?.[field as keyof typeof kinds])?.[1]
  // A value inside of the graph, or of a graph inside of a node, need not say.
  const code = held?.tensorType?.elemType || 1
  const element = kind ?? typeOf(code)
  if (kind || !element) {
    const [expected, got] = kind
      ? ['a tensor', kind === 'optional' ? 'an optional value' : `a ${kind}`]
      : ['a type that filterbank knows', `type ${code} of the ONNX standard`]
    const argument = `value ${show(name)}`
    problems.push(new FilterbankError({ op: 'loadModel', argument, expected: expected!, got: got! }))
  }
  const shape = keys ? undefined : lengthsOf(held)
  return {
    name,
    type: element ?? `type ${code}`,
    ...(shape && { shape }),
    ...(sequence && { sequence: true }),
    ...(optional && { optional: true }),
    ...(keys && { map: keys }),
  }
}

/** The shape that the file gives for a value; exporters write -1 for a length that they leave open, too. */
export const lengthsOf = (type: TypeProto | undefined): Port['shape'] =>
  type?.tensorType?.shape?.dim.map(({ dimValue = -1, dimParam }) =>
    dimValue < 0 ? dimParam || null : dimValue,
  )

/** An operator by its domain and its name in it; those of the standard have the name alone. */
export const operatorName = (domain: string, name: string): string =>
  domain && domain !== 'ai.onnx' ? `${domain}.${name}` : name

/** What stands for a tensor that cannot be read. */
const absentTensor = ({ dims, dataType }: TensorProto): HostTensor => ({
  type: typeOf(dataType) ?? 'float32',
  shape: dims,
  data: new Float32Array(),
})

function* graphOf(proto: GraphProto, reading: Reading): Steps<Graph<FilePort>> {
  const { problems } = reading
  const sparse = proto.sparseInitializer.length
  if (sparse)
    problems.push(
      new FilterbankError({
        op: 'loadModel',
        argument: 'model',
        expected: 'dense constants',
        got: `${sparse} sparse ones`,
      }),
    )
  const constants = new Map<string, HostTensor>()
  yield* fewByFew(proto.initializer, (tensor) => {
    constants.set(tensor.name, tried(reading, () => reading.tensorOf(tensor)) ?? absentTensor(tensor))
  })
  const nodes: Node[] = []
  let looks = 0
  for (const { opType, domain, name, input, output, attribute } of proto.node) {
    const attributes = new Map<string, AttributeValue>()
    for (const item of attribute) {
      const isGraph = item.type === 5 && item.g
      const value = isGraph ? ((yield* graphOf(item.g!, reading)) as Graph) : attributeValue(item, reading)
      if (value !== undefined) attributes.set(item.name, value)
      if (++looks % 256 === 0) yield
    }
    nodes.push({
      op: operatorName(domain, opType),
      name: name || output.find((out) => out) || opType,
      inputs: input,
      outputs: output,
      attributes,
    })
    if (++looks % 256 === 0) yield
  }
  // Before version 4 of the file format constants are inputs too: defaults, which nobody here may replace.
  const inputs = proto.input.filter(({ name }) => !constants.has(name)).map((port) => portOf(port, reading))
  return { nodes, constants, inputs, outputs: proto.output.map((port) => portOf(port, reading)) }
}

/** A graph as a file has it. */
export interface OpenedGraph {
  graph: Graph<FilePort>
  opset: number
  problems: readonly FilterbankError[]
  /** The operators that it brings along, where its functions do not stand in place of their calls. */
  own: ReadonlySet<string>
}

/**
 * The graph of a model, the version of the operators that it is written for, and what keeps it from running
 * beside operators that are missing: where there is anything, the graph is not sorted or inlined for sure.
 */
export function* openGraph(
  model: ModelProto & { graph: GraphProto },
  tensorOf: Reading['tensorOf'],
): Steps<OpenedGraph> {
  const problems: FilterbankError[] = []
  const reading = { tensorOf, problems }
  const inlined = tried(reading, () => inlineFunctions(model))
  const graph = yield* graphOf(inlined ?? model.graph, reading)
  const opset = model.opsetImport.find(({ domain }) => !domain || domain === 'ai.onnx')?.version ?? 1
  try {
    yield* sort(graph, () => false)
  } catch (error) {
    if (!(error instanceof FilterbankError)) throw error
    problems.push(error)
  }
  const own = inlined ? [] : model.functions.map(({ domain, name }) => operatorName(domain, name))
  return { graph, opset, problems, own: new Set(own) }
}

/** What graphs take from those around them, as far as it was found; nobody changes them in between. */
export type FreeNames = Map<Graph, readonly string[]>

/** Names that a node reads: its inputs, and what the graphs inside it take from outside. */
export const readsOf = (node: Node, known?: FreeNames): string[] => [
  ...node.inputs.filter((name) => name),
  ...graphsOf(node).flatMap((graph) => freeNames(graph, known)),
]

/** Names that a graph inside of a node takes from those around it. */
export const freeNames = (graph: Graph, known: FreeNames = new Map()): readonly string[] =>
  atOnce(freeNamesOf(graph, known))

function* freeNamesOf(graph: Graph, known: FreeNames): Steps<readonly string[]> {
  const found = known.get(graph)
  if (found) return found
  yield* freeNamesWithin(graph, known)
  const own = new Set(graph.constants.keys())
  for (const { name } of graph.inputs) own.add(name)
  const read = new Set(graph.outputs.map(({ name }) => name))
  yield* fewByFew(graph.nodes, (node) => {
    for (const name of node.outputs) own.add(name)
    for (const name of readsOf(node, known)) read.add(name)
  })
  const free = [...read].filter((name) => !own.has(name))
  known.set(graph, free)
  return free
}

/** Finds what the graphs inside of a graph's nodes take from outside, in steps. */
export function* freeNamesWithin({ nodes }: Pick<Graph<FilePort>, 'nodes'>, known: FreeNames): Steps<void> {
  let looks = 0
  for (const node of nodes) {
    for (const inner of graphsOf(node)) yield* freeNamesOf(inner, known)
    if (++looks % 256 === 0) yield
  }
}

export const graphsOf = (node: Node): Graph[] =>
  [...node.attributes.values()].filter(
    (value): value is Graph => typeof value === 'object' && 'nodes' in value,
  )

/**
 * Puts every node after those that it reads from, and checks that there is such an order: nothing dangles,
 * nothing goes in circles, no name is given twice. A graph inside of a node may use names of the graphs
 * around for values of its own, as ONNX Runtime lets it where they are made later.
 */
function* sort(
  graph: Graph<FilePort>,
  outer: (name: string) => boolean,
  free: FreeNames = new Map(),
): Steps<void> {
  const fail = (argument: string, expected: string, got: string): never => {
    throw new FilterbankError({ op: 'loadModel', argument, expected, got })
  }
  const makers = new Map<string, Node>()
  const own = new Set(graph.constants.keys())
  for (const { name } of graph.inputs) {
    if (own.has(name)) fail(`input ${show(name)}`, 'named once', 'two of this name')
    own.add(name)
  }
  const read = new Set<string>()
  yield* freeNamesWithin(graph, free)
  yield* fewByFew(graph.nodes, (node) => {
    for (const name of readsOf(node, free)) read.add(name)
    for (const name of node.outputs) {
      if (!name) continue
      if (makers.has(name) || own.has(name))
        fail(`value ${show(name)}`, 'made once', `a second time by node ${show(node.name)}`)
      // Of two values that stand under it nobody could say which is meant.
      if (read.has(name) && outer(name))
        fail(
          `value ${show(name)}`,
          'made once',
          `once around the graph that reads it and then makes it again by node ${show(node.name)}`,
        )
      makers.set(name, node)
    }
  })
  const isGiven = (name: string) => own.has(name) || outer(name)
  const sorted: Node[] = []
  const state = new Map<Node, 'open' | 'done'>()
  // A stack of its own, since graphs may be thousands of nodes deep.
  for (const first of graph.nodes) {
    const stack = [first]
    for (let looks = 1; stack.length; looks++) {
      if (looks % 256 === 0) yield
      const node = stack.at(-1)!
      if (state.get(node) === 'done') {
        stack.pop()
        continue
      }
      const waiting = readsOf(node, free).flatMap((name) => {
        const maker = makers.get(name)
        if (!maker && !isGiven(name))
          fail(`node ${show(node.name)}`, 'one whose inputs exist', `${show(name)}, which nothing makes`)
        return maker && state.get(maker) !== 'done' ? [maker] : []
      })
      if (waiting.length === 0) {
        state.set(node, 'done')
        sorted.push(node)
        stack.pop()
        if (sorted.length % 256 === 0) yield
      } else {
        state.set(node, 'open')
        const again = waiting.find((maker) => state.get(maker) === 'open')
        if (again) fail('model', 'a graph without circles', `one through node ${show(again.name)}`)
        for (const maker of waiting) stack.push(maker)
      }
    }
  }
  for (const { name } of graph.outputs) {
    if (!makers.has(name) && !isGiven(name))
      fail(`output ${show(name)}`, 'made by a node', 'none that makes it')
  }
  graph.nodes = sorted
  yield
  const holding = sorted.filter((node) => graphsOf(node).length > 0)
  if (holding.length === 0) return
  // What graphs inside may use is asked for outwards: a set for each of thousands of them costs squares.
  const known = (name: string) => isGiven(name) || makers.has(name)
  for (const node of holding) for (const inner of graphsOf(node)) yield* sort(inner, known, free)
}
