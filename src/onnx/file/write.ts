/** Writes ONNX models: the same tables of fields that `schema` reads, the other way round. */
import { PbfWriter } from 'pbf'
import { check, show } from '../../base/errors.js'
import { type Shape, sizeOf } from '../../base/shape.js'
import { encodeUtf8 } from '../../base/utf8.js'
import { checkInteger, checkOptions, MOST, type Names } from '../../core/options.js'
import {
  type AttributeProto,
  type Message,
  type ModelProto,
  model,
  type NodeProto,
  type TensorProto,
  type TypeProto,
  type ValueInfoProto,
} from './schema.js'
import { bitsOf, codeOf, type ElementType, isUserArray, typeOfArray, type UserArray } from './types.js'

/**
 * Float32 unless it says otherwise. An open length is a name or null; without a shape the rank is open too.
 */
export interface PortParts {
  name: string
  type?: ElementType
  shape?: readonly (number | string | null)[]
  /** Whether it is a sequence of such tensors, and whether there may be none of it. */
  sequence?: boolean
  optional?: boolean
  /** The type of its keys, where it is a map to elements of `type`. */
  map?: ElementType
}

/**
 * A tensor in the file. Its type is that of the array, unless it says otherwise: 'float16' in a Uint16Array,
 * 'bool' in a Uint8Array.
 */
export interface TensorParts {
  type?: ElementType
  shape: Shape
  data: UserArray
}

/** Numbers by themselves are integers; a number with a fraction, or one that could have one, says so. */
export type AttributeParts =
  | number
  | string
  | readonly number[]
  | readonly string[]
  | { float: number }
  | { floats: readonly number[] }
  | TensorParts
  | GraphParts

/** A node as `writeModel` takes it. */
export interface NodeParts {
  /** Of another domain than the standard's with it before the name: 'com.microsoft.FusedMatMul'. */
  op: string
  /** Names of values; '' leaves one out. */
  inputs: readonly string[]
  outputs: readonly string[]
  name?: string
  /** Those that are undefined are left out. */
  attributes?: Readonly<Record<string, AttributeParts | undefined>>
}

/** A graph as `writeModel` takes it. */
export interface GraphParts {
  name?: string
  nodes: readonly NodeParts[]
  inputs: readonly PortParts[]
  outputs: readonly PortParts[]
  /** Constants; one that is also an input is that input's default. */
  initializers?: readonly (TensorParts & { name: string })[]
}

/** A model as `writeModel` takes it. */
export interface ModelParts extends GraphParts {
  /** Version of the operators. Default 20. */
  opset?: number
  /** The same of other domains: `{ 'ai.onnx.ml': 3 }`. Default 1. */
  domains?: Readonly<Record<string, number>>
}

const MODEL: Names<ModelParts> = {
  name: true,
  nodes: true,
  inputs: true,
  outputs: true,
  initializers: true,
  opset: true,
  domains: true,
}
const NODE: Names<NodeParts> = { op: true, inputs: true, outputs: true, name: true, attributes: true }
const PORT: Names<PortParts> = {
  name: true,
  type: true,
  shape: true,
  sequence: true,
  optional: true,
  map: true,
}
const TENSOR: Names<TensorParts & { name: string }> = { name: true, type: true, shape: true, data: true }

/**
 * The version of the file format that came with opset 15: old enough for every reader, new enough for all
 * that is written here.
 */
const IR_VERSION = 8

/**
 * Writes an ONNX model.
 *
 * @param parts its nodes (in any order), inputs, outputs and constants, as the file has them: images are [n,
 *   channels, height, width] there
 * @returns the bytes of the file
 * @throws FilterbankError where a tensor's numbers do not fit its shape or type, or an integer has a fraction
 * @example
 * writeModel({
 *   inputs: [{ name: 'x', shape: [1, 3, 224, 224] }],
 *   outputs: [{ name: 'y' }],
 *   initializers: [{ name: 'w', shape: [8, 3, 3, 3], data: weights }],
 *   nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attributes: { pads: [1, 1, 1, 1] } }],
 * })
 */
export function writeModel(parts: ModelParts): Uint8Array {
  checkOptions('writeModel', parts, MODEL)
  const { opset = 20, domains = {}, ...graph } = parts
  checkInteger(opset, 'opset', 1, MOST, { op: 'writeModel' })
  const proto: Given<ModelProto> = {
    irVersion: IR_VERSION,
    producerName: 'filterbank',
    graph: graphProto(graph),
    opsetImport: [
      { version: opset },
      ...domainsOf(graph.nodes).map((domain) => ({ domain, version: domains[domain] ?? 1 })),
    ],
  }
  const writer = new PbfWriter()
  write(model, proto, writer)
  return writer.finish()
}

/** What stands before the last dot of an operator's name. */
const domainOf = (op: string): string => op.slice(0, Math.max(0, op.lastIndexOf('.')))

const domainsOf = (nodes: readonly NodeParts[]): string[] =>
  [...new Set(nodes.map(({ op }) => domainOf(op)))].filter((domain) => domain !== '')

/** A message of which any field may be left out. */
type Given<T> = T extends Uint8Array
  ? T
  : T extends (infer Item)[]
    ? Given<Item>[]
    : T extends object
      ? { [K in keyof T]?: Given<T[K]> }
      : T

const graphProto = ({
  name = 'graph',
  nodes,
  inputs,
  outputs,
  initializers = [],
}: GraphParts): Given<ModelProto['graph']> => ({
  node: nodes.map(nodeProto),
  name,
  initializer: initializers.map((tensor) => {
    checkOptions('writeModel', tensor, TENSOR)
    return tensorProto(tensor, tensor.name)
  }),
  input: inputs.map(portProto),
  output: outputs.map(portProto),
})

function nodeProto(node: NodeParts): Given<NodeProto> {
  checkOptions('writeModel', node, NODE)
  const { op, inputs, outputs, name, attributes = {} } = node
  return {
    input: [...inputs],
    output: [...outputs],
    ...(name && { name }),
    ...(domainOf(op) && { domain: domainOf(op) }),
    opType: op.slice(op.lastIndexOf('.') + 1),
    attribute: Object.entries(attributes).flatMap(([key, value]) =>
      value === undefined ? [] : [attributeProto(key, value)],
    ),
  }
}

function portProto(port: PortParts): Given<ValueInfoProto> {
  checkOptions('writeModel', port, PORT)
  const { name, type = 'float32', shape, sequence, optional, map } = port
  const tensor: TypeProto = {
    tensorType: {
      elemType: codeOf(type),
      ...(shape && {
        shape: {
          dim: shape.map((length) =>
            typeof length === 'number' ? { dimValue: length } : length ? { dimParam: length } : {},
          ),
        },
      }),
    },
  }
  const item: TypeProto = map ? { mapType: { keyType: codeOf(map), valueType: tensor } } : tensor
  const held: TypeProto = sequence ? { sequenceType: { elemType: item } } : item
  return { name, type: optional ? { optionalType: { elemType: held } } : held } as Given<ValueInfoProto>
}

/** The value stands in the field of its kind; `type` numbers the kinds. */
function attributeProto(name: string, value: AttributeParts): Given<AttributeProto> {
  if (typeof value === 'number') return { name, i: integer(name, value), type: 2 }
  if (typeof value === 'string') return { name, s: encodeUtf8(value), type: 3 }
  if (isList(value)) {
    if (value.some((item) => typeof item === 'string'))
      return { name, strings: value.map((item) => encodeUtf8(String(item))), type: 8 }
    return { name, ints: value.map((item) => integer(name, item as number)), type: 7 }
  }
  if ('float' in value) return { name, f: value.float, type: 1 }
  if ('floats' in value) return { name, floats: [bytesOf(Float32Array.from(value.floats))], type: 6 }
  if ('nodes' in value) return { name, g: graphProto(value), type: 5 }
  return { name, t: tensorProto(value), type: 4 }
}

/** `Array.isArray` does not know read-only ones. */
const isList = (value: AttributeParts): value is readonly number[] | readonly string[] => Array.isArray(value)

function integer(name: string, value: number): number {
  check(Number.isInteger(value), () => ({
    op: 'writeModel',
    argument: `attribute ${show(name)}`,
    expected: 'an integer, or { float } or { floats }',
    got: show(value),
  }))
  return value
}

function tensorProto({ type, shape, data }: TensorParts, name?: string): Given<TensorProto> {
  const complaint = { op: 'writeModel', argument: `tensor ${show(name ?? '')}` }
  const element = type ?? typeOfArray(data)
  check(element !== undefined && isUserArray(element, data), () => ({
    ...complaint,
    expected: `an array of ${element ?? 'a type that ONNX has'}`,
    got: show(data),
  }))
  check(data.length === sizeOf(shape), () => ({
    ...complaint,
    expected: `${sizeOf(shape)} elements`,
    got: `${data.length}`,
    shapes: { shape },
  }))
  return {
    dims: [...shape],
    dataType: codeOf(element),
    ...(name && { name }),
    ...(Array.isArray(data)
      ? { stringData: data.map((text) => encodeUtf8(text)) }
      : { rawData: packed(element as ElementType, bytesOf(data)) }),
  }
}

/** Elements of less than a byte share one, the first in its low bits. */
function packed(type: ElementType, bytes: Uint8Array): Uint8Array {
  const bits = type === 'string' ? 8 : bitsOf(type)
  if (bits >= 8) return bytes
  const each = 8 / bits
  const result = new Uint8Array(Math.ceil(bytes.length / each))
  for (const [i, byte] of bytes.entries())
    result[Math.floor(i / each)]! |= (byte & ((1 << bits) - 1)) << (bits * (i % each))
  return result
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Exclude<UserArray, string[]>): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** The fields of `value` that are given, in the order of their numbers. */
function write(message: Message, value: object, writer: PbfWriter): void {
  for (const [key, [name, kind]] of Object.entries(message)) {
    const field = Number(key)
    const given = (value as Record<string, unknown>)[name]
    if (given === undefined) continue
    if (kind === 'int') writer.writeVarintField(field, given as number)
    else if (kind === 'float') writer.writeFloatField(field, given as number)
    else if (kind === 'string') writer.writeStringField(field, given as string)
    else if (kind === 'bytes') writer.writeBytesField(field, given as Uint8Array)
    else if (kind === 'string[]') for (const item of given as string[]) writer.writeStringField(field, item)
    else if (kind === 'int[]') for (const item of given as number[]) writer.writeVarintField(field, item)
    else if (kind === 'bytes[]' || kind === 'words')
      for (const item of given as Uint8Array[]) writer.writeBytesField(field, item)
    else {
      const [inner, items] = Array.isArray(kind) ? [kind[0], given as object[]] : [kind, [given as object]]
      for (const item of items) writer.writeMessage(field, (part, into) => write(inner, part, into), item)
    }
  }
}
