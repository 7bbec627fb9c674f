/** Models of which some fields are others than their maker wrote (samples.ts). */
import type { GraphProto, NodeProto, TypeProto } from '../../src/onnx/file/schema.js'
import { codeOf, type ElementType, toHost, typeOf, typeOfArray } from '../../src/onnx/file/types.js'
import type { TensorParts } from '../../src/onnx/file/write.js'
import {
  anyNumbers,
  anyShape,
  arrayOf,
  attributeOf,
  LENGTHS,
  REAL,
  TYPES,
  tensorProto,
  WHOLE,
} from './protos.js'
import { Random } from './random.js'
import { type Sample, sizeOf } from './samples.js'

interface Place {
  sample: Sample
  random: Random
  graphs: GraphProto[]
  nodes: NodeProto[]
  node: NodeProto
  /** The attributes that any operator has, and the operators. */
  names: readonly string[]
  operators: readonly { opType: string; domain: string }[]
}

const isTensor = (value: Sample['feeds'][string] | undefined): value is TensorParts =>
  value !== undefined && !Array.isArray(value)

/** What stands under a name of the outermost graph as numbers, and how it is replaced. */
function valueNamed(
  { sample }: Place,
  name: string,
):
  | {
      type: ElementType
      shape: readonly number[]
      numbers: number[]
      put: (type: ElementType, shape: readonly number[], numbers: readonly number[]) => void
    }
  | undefined {
  const { graph } = sample.proto
  const fed = sample.feeds[name]
  if (isTensor(fed)) {
    const type = fed.type ?? typeOfArray(fed.data)!
    return {
      type,
      shape: fed.shape,
      numbers: Array.from(toHost(type, fed.data) as Float32Array, Number),
      put: (type, shape, numbers) => {
        sample.feeds[name] = { type, shape, data: arrayOf(type, numbers) }
        const port = graph.input.find((port) => port.name === name)
        if (port) port.type = tensorType(type, shape)
      },
    }
  }
  const at = graph.initializer.findIndex((tensor) => tensor.name === name)
  const tensor = graph.initializer[at]
  const type = tensor && typeOf(tensor.dataType)
  if (!tensor?.rawData || !type || type === 'string' || /^u?int[24]$|^float4/.test(type)) return undefined
  const Array_ = arrayOf(type, []).constructor as unknown as {
    new (buffer: ArrayBuffer): Float32Array
    BYTES_PER_ELEMENT: number
  }
  if (tensor.rawData.length % Array_.BYTES_PER_ELEMENT) return undefined
  const data = new Array_(tensor.rawData.slice().buffer as ArrayBuffer)
  return {
    type,
    shape: tensor.dims,
    numbers: Array.from(toHost(type, data) as Float32Array, Number),
    put: (type, shape, numbers) => {
      graph.initializer[at] = { ...tensorProto(type, shape, numbers), name }
    },
  }
}

const tensorType = (type: ElementType, shape: readonly number[]): TypeProto => ({
  tensorType: { elemType: codeOf(type), shape: { dim: shape.map((dimValue) => ({ dimValue })) } },
})

/** The name of an input of the node that has a value of its own, and that. */
function someValue(place: Place) {
  const { node, random, sample } = place
  const own = [...Object.keys(sample.feeds), ...sample.proto.graph.initializer.map(({ name }) => name)]
  const names = own.filter((name) => node.input.includes(name))
  const name = random.pick(names.length ? names : own)
  return { name, value: name === undefined ? undefined : valueNamed(place, name) }
}

const resized = (numbers: readonly number[], size: number): number[] =>
  Array.from({ length: size }, (_, i) => numbers[i % Math.max(1, numbers.length)] ?? 1)

/** What may be changed: each is a kind of mistake. */
const changes: Record<string, (place: Place) => void> = {
  'attribute: other value': ({ node, random }) => {
    if (!node.attribute.length) return
    const at = random.integer(0, node.attribute.length - 1)
    const { name, type, ints, refAttrName } = node.attribute[at]!
    // Of a list mostly one number.
    const one = ints.length && random.next() < 0.7
    const other = attributeOf(type || 2, name, random)
    node.attribute[at] = {
      ...other,
      ...(one && { ints: ints.with(random.integer(0, ints.length - 1), random.pick(WHOLE)) }),
      ...(random.next() < 0.5 && { refAttrName }),
    }
  },
  'attribute: longer or shorter list': ({ node, random }) => {
    const lists = node.attribute.filter(({ type }) => type > 5)
    if (!lists.length) return
    const item = random.pick(lists)
    const longer = random.next() < 0.5
    item.ints = longer ? [...item.ints, ...item.ints.slice(0, 1)] : item.ints.slice(1)
    item.strings = longer ? [...item.strings, ...item.strings.slice(0, 1)] : item.strings.slice(1)
    item.floats = longer ? [...item.floats, ...item.floats] : []
  },
  'attribute: other type': ({ node, random }) => {
    if (!node.attribute.length) return
    const at = random.integer(0, node.attribute.length - 1)
    node.attribute[at] = attributeOf(
      random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13]),
      node.attribute[at]!.name,
      random,
    )
  },
  'attribute: missing': ({ node, random }) => {
    if (node.attribute.length) node.attribute.splice(random.integer(0, node.attribute.length - 1), 1)
  },
  'attribute: one more': ({ names, node, random }) => {
    node.attribute.push(attributeOf(random.integer(1, 8), random.pick(names), random))
  },
  'input: missing': ({ node, random }) => {
    if (node.input.length)
      node.input.splice(random.next() < 0.7 ? -1 : random.integer(0, node.input.length - 1), 1)
  },
  'input: left out': ({ node, random }) => {
    if (node.input.length) node.input[random.integer(0, node.input.length - 1)] = ''
  },
  'input: one more': ({ node, random, sample }) => {
    node.input.push(random.pick([...Object.keys(sample.feeds), '', 'nobody', node.output[0] ?? '']))
  },
  'input: another': ({ node, random, sample }) => {
    if (!node.input.length) return
    const names = [...Object.keys(sample.feeds), ...sample.proto.graph.initializer.map(({ name }) => name)]
    node.input[random.integer(0, node.input.length - 1)] = random.pick(names) ?? ''
  },
  'inputs: swapped': ({ node, random }) => {
    const [a, b] = [0, 0].map(() => random.integer(0, Math.max(0, node.input.length - 1)))
    ;[node.input[a!], node.input[b!]] = [node.input[b!] ?? '', node.input[a!] ?? '']
  },
  'output: missing, left out or one more': ({ node, random }) => {
    const way = random.integer(0, 2)
    if (way === 0) node.output.pop()
    else if (way === 1) node.output[0] = ''
    else node.output.push('more')
  },
  'value: other type': (place) => {
    const { value } = someValue(place)
    value?.put(place.random.pick(TYPES), value.shape, value.numbers)
  },
  'value: other shape': (place) => {
    const { random } = place
    const { value } = someValue(place)
    if (!value) return
    const { length } = value.shape
    const at = random.integer(0, Math.max(0, length - 1))
    const shape = random.pick([
      () => anyShape(random),
      () => value.shape.with(at, random.pick(LENGTHS)),
      () => [1, ...value.shape],
      () => [...value.shape, 1],
      () => value.shape.slice(1),
      () => value.shape.toReversed(),
      () => [],
      () => [0],
      () => value.shape.map(() => 1),
      () => Array<number>(random.integer(0, 9)).fill(1),
    ])
    const made = length || random.next() < 0.5 ? (length ? shape() : anyShape(random)) : [1]
    value.put(value.type, made, resized(value.numbers, sizeOf(made)))
  },
  'value: other numbers': (place) => {
    const { random } = place
    const { value } = someValue(place)
    if (!value) return
    const isWhole = !/float/.test(value.type)
    const numbers = value.numbers.map((v) =>
      random.next() < 0.4 || value.numbers.length < 3 ? random.pick(isWhole ? WHOLE : REAL) : v,
    )
    value.put(value.type, value.shape, numbers)
  },
  'value: constant': (place) => {
    const { name, value } = someValue(place)
    const { feeds, proto } = place.sample
    if (!value || !(name! in feeds)) return
    const { graph } = proto
    graph.initializer.push({ ...tensorProto(value.type, value.shape, value.numbers), name: name! })
    graph.input = graph.input.filter((port) => port.name !== name)
    delete feeds[name!]
  },
  'constant: dims that are not its numbers': ({ random, sample }) => {
    const { initializer } = sample.proto.graph
    if (!initializer.length) return
    const tensor = random.pick(initializer)
    tensor.dims = random.pick([
      () => anyShape(random),
      () => [...tensor.dims, random.pick(WHOLE)],
      () => tensor.dims.map(() => random.pick(WHOLE)),
    ])()
  },
  'constant: type that is not its numbers': ({ random, sample }) => {
    const { initializer } = sample.proto.graph
    if (initializer.length)
      random.pick(initializer).dataType = random.pick([...Array(27).keys(), -1, 2 ** 40])
  },
  'port: other type or shape': ({ random, sample }) => {
    const { input, output } = sample.proto.graph
    const ports = [...input, ...output]
    if (!ports.length) return
    const port = random.pick(ports)
    const type = random.pick([
      (): TypeProto => tensorType(random.pick(TYPES), anyShape(random)),
      (): TypeProto => ({ sequenceType: { elemType: tensorType(random.pick(TYPES), anyShape(random)) } }),
      (): TypeProto => ({ optionalType: { elemType: tensorType(random.pick(TYPES), anyShape(random)) } }),
      (): TypeProto => ({
        mapType: { keyType: random.integer(0, 12), valueType: tensorType(random.pick(TYPES), []) },
      }),
      (): TypeProto => ({ tensorType: { elemType: random.pick([0, 99, -1]) } }),
      (): TypeProto => ({ sparseTensorType: {} }),
      (): TypeProto => ({
        tensorType: { elemType: 1, shape: { dim: [{ dimValue: random.pick(WHOLE) }, { dimParam: 'n' }] } },
      }),
      () => undefined,
    ])()
    if (type) port.type = type
    else delete port.type
  },
  'port: missing, another or twice': ({ graphs, random }) => {
    const graph = random.pick(graphs)
    const list = random.pick([graph.input, graph.output])
    const way = random.integer(0, 3)
    if (way === 0) list.pop()
    else if (way === 1 && list[0]) list.push({ ...list[0] })
    else if (way === 2 && list[0]) list[0] = { ...list[0], name: 'nobody' }
    else list.push({ name: 'more', type: tensorType('float32', [2]) })
  },
  'opset: another': ({ random, sample }) => {
    const { opsetImport } = sample.proto
    if (opsetImport.length)
      random.pick(opsetImport).version = random.pick([
        -1,
        0,
        1,
        2,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        17,
        18,
        19,
        20,
        22,
        24,
        26,
        99,
        2 ** 40,
      ])
    if (random.next() < 0.1) opsetImport.length = 0
  },
  'operator: another': ({ node, operators, random }) => {
    Object.assign(node, random.pick(operators))
  },
  'operator: other domain or name': ({ node, random }) => {
    if (random.next() < 0.7)
      node.domain = random.pick(['', 'ai.onnx', 'com.microsoft', 'filterbank', 'ai.onnx.ml', 'own'])
    else node.opType = random.pick(['', 'Nothing', 'constructor', '__proto__', 'toString'])
  },
  'function: other fields': ({ random, sample }) => {
    const { functions } = sample.proto
    if (!functions.length) return
    const own = random.pick(functions)
    random.pick([
      () => own.attribute.push(random.pick(['slope', 'axis', ''])),
      () => own.attribute.pop(),
      () => own.attributeProto.pop(),
      () =>
        own.attributeProto.push(
          attributeOf(random.integer(0, 9), random.pick(['slope', 'axis', 'more']), random),
        ),
      () => own.input.push('a'),
      () => own.input.pop(),
      () => own.output.push('b'),
      () => own.output.pop(),
      () => own.node.push({ ...own.node[0]!, opType: own.name, domain: own.domain, output: ['again'] }),
      () => own.node.pop(),
    ])()
  },
  'run: other inputs': ({ random, sample }) => {
    const [name] = Object.keys(sample.feeds)
    if (name === undefined) return
    const shape = anyShape(random)
    const type = random.pick(TYPES)
    sample.feeds[name] = { type, shape, data: arrayOf(type, anyNumbers(random, sizeOf(shape))) }
  },
}

export const kinds = Object.keys(changes)

/** A kind of change, and what decides where and how. */
export type Change = readonly [kind: string, seed: number]

export const graphsIn = (graph: GraphProto): GraphProto[] => [
  graph,
  ...graph.node.flatMap(({ attribute }) => attribute.flatMap(({ g }) => (g ? graphsIn(g) : []))),
]

/** All names of attributes and operators of some samples. */
export function known(all: readonly Sample[]): Pick<Place, 'names' | 'operators'> {
  const nodes = all.flatMap(({ proto }) => graphsIn(proto.graph).flatMap(({ node }) => node))
  const operators = new Map(nodes.map(({ domain, opType }) => [`${domain}.${opType}`, { opType, domain }]))
  const names = new Set(nodes.flatMap(({ attribute }) => attribute.map(({ name }) => name)))
  return { names: [...names], operators: [...operators.values()] }
}

/** The sample with these changes. */
export function changed(from: Sample, list: readonly Change[], all: ReturnType<typeof known>): Sample {
  const sample = structuredClone(from)
  for (const [kind, seed] of list) {
    const random = new Random(seed)
    const graphs = graphsIn(sample.proto.graph)
    const nodes = [
      ...graphs.flatMap(({ node }) => node),
      ...sample.proto.functions.flatMap(({ node }) => node),
    ]
    if (!nodes.length) return sample
    const node = random.next() < 0.7 ? nodes[0]! : random.pick(nodes)
    changes[kind]!({ sample, random, graphs, nodes, node, ...all })
  }
  return sample
}
