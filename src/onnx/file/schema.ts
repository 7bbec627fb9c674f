/**
 * The messages of an ONNX file as plain objects: a table of fields for each, read through pbf (and written by
 * `write`). Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Fields that nobody here
 * reads are skipped.
 */

import { PbfReader } from 'pbf'
import { type Complaint, check, FilterbankError } from '../../base/errors.js'
import { isArrayBuffer } from '../../base/realm.js'
import { atOnce, type Steps } from '../../base/turns.js'
import { decodeUtf8 } from '../../base/utf8.js'
import { foreignIn } from './foreign.js'

export interface TensorProto {
  dims: number[]
  dataType: number
  floatData: Uint8Array[]
  int32Data: number[]
  stringData: Uint8Array[]
  int64Data: number[]
  name: string
  rawData?: Uint8Array
  doubleData: Uint8Array[]
  uint64Data: number[]
  externalData: { key: string; value: string }[]
  dataLocation: number
}

export interface AttributeProto {
  name: string
  f: number
  i: number
  s?: Uint8Array
  t?: TensorProto
  g?: GraphProto
  floats: Uint8Array[]
  ints: number[]
  strings: Uint8Array[]
  tp?: TypeProto
  graphs: GraphProto[]
  type: number
  /** In the body of a function: the attribute of the function that this one is. */
  refAttrName: string
}

export interface NodeProto {
  input: string[]
  output: string[]
  name: string
  opType: string
  attribute: AttributeProto[]
  domain: string
  overload: string
}

export interface TypeProto {
  tensorType?: { elemType: number; shape?: { dim: { dimValue?: number; dimParam?: string }[] } }
  sequenceType?: { elemType?: TypeProto }
  mapType?: { keyType: number; valueType?: TypeProto }
  sparseTensorType?: object
  optionalType?: { elemType?: TypeProto }
}

export interface ValueInfoProto {
  name: string
  type?: TypeProto
}

export interface GraphProto {
  node: NodeProto[]
  name: string
  initializer: TensorProto[]
  sparseInitializer: object[]
  input: ValueInfoProto[]
  output: ValueInfoProto[]
  valueInfo: ValueInfoProto[]
}

export interface ModelProto {
  irVersion: number
  producerName: string
  graph?: GraphProto
  opsetImport: { domain: string; version: number }[]
  functions: FunctionProto[]
}

/** An operator that the model brings along, as nodes. */
export interface FunctionProto {
  name: string
  input: string[]
  output: string[]
  /** Names of attributes without a default, and those that have one. */
  attribute: string[]
  attributeProto: AttributeProto[]
  node: NodeProto[]
  domain: string
  overload: string
}

/**
 * `bytes[]` is a repeated field of bytes; `words` a repeated one of fixed width, packed or not, as the bytes
 * of its pieces.
 */
type Kind =
  | 'int'
  | 'float'
  | 'string'
  | 'bytes'
  | 'string[]'
  | 'bytes[]'
  | 'int[]'
  | 'words'
  | Message
  | [Message]
/** A kind of message: the name and kind of each field, by its number. */
export interface Message {
  [field: number]: [name: string, kind: Kind]
}

const entry: Message = { 1: ['key', 'string'], 2: ['value', 'string'] }
export const tensor: Message = {
  1: ['dims', 'int[]'],
  2: ['dataType', 'int'],
  4: ['floatData', 'words'],
  5: ['int32Data', 'int[]'],
  6: ['stringData', 'bytes[]'],
  7: ['int64Data', 'int[]'],
  8: ['name', 'string'],
  9: ['rawData', 'bytes'],
  10: ['doubleData', 'words'],
  11: ['uint64Data', 'int[]'],
  13: ['externalData', [entry]],
  14: ['dataLocation', 'int'],
}
const dimension: Message = { 1: ['dimValue', 'int'], 2: ['dimParam', 'string'] }
const tensorType: Message = { 1: ['elemType', 'int'], 2: ['shape', { 1: ['dim', [dimension]] }] }
const type: Message = {}
const container: Message = { 1: ['elemType', type] }
Object.assign(type, {
  1: ['tensorType', tensorType],
  4: ['sequenceType', container],
  5: ['mapType', { 1: ['keyType', 'int'], 2: ['valueType', type] }],
  8: ['sparseTensorType', {}],
  9: ['optionalType', container],
})
const value: Message = { 1: ['name', 'string'], 2: ['type', type] }
const graph: Message = {}
const attribute: Message = {
  1: ['name', 'string'],
  2: ['f', 'float'],
  3: ['i', 'int'],
  4: ['s', 'bytes'],
  5: ['t', tensor],
  6: ['g', graph],
  7: ['floats', 'words'],
  8: ['ints', 'int[]'],
  9: ['strings', 'bytes[]'],
  11: ['graphs', [graph]],
  14: ['tp', type],
  20: ['type', 'int'],
  21: ['refAttrName', 'string'],
}
const node: Message = {
  1: ['input', 'string[]'],
  2: ['output', 'string[]'],
  3: ['name', 'string'],
  4: ['opType', 'string'],
  5: ['attribute', [attribute]],
  7: ['domain', 'string'],
  8: ['overload', 'string'],
}
const functionMessage: Message = {
  1: ['name', 'string'],
  4: ['input', 'string[]'],
  5: ['output', 'string[]'],
  6: ['attribute', 'string[]'],
  7: ['node', [node]],
  10: ['domain', 'string'],
  11: ['attributeProto', [attribute]],
  13: ['overload', 'string'],
}
Object.assign(graph, {
  1: ['node', [node]],
  2: ['name', 'string'],
  5: ['initializer', [tensor]],
  11: ['input', [value]],
  12: ['output', [value]],
  13: ['valueInfo', [value]],
  15: ['sparseInitializer', [{}]],
})
export const model: Message = {
  1: ['irVersion', 'int'],
  2: ['producerName', 'string'],
  7: ['graph', graph],
  8: ['opsetImport', [{ 1: ['domain', 'string'], 2: ['version', 'int'] }]],
  25: ['functions', [functionMessage]],
}

/** Wire types of protobuf. */
const BYTES = 2
const FIXED32 = 5

/**
 * Graphs inside attributes of graphs: no real model comes near, and a crafted one must not exhaust the stack.
 */
const DEEPEST = 64

/**
 * Nodes that a model may have, those of graphs inside of nodes too: a few times those of the longest models
 * that are known. Of a million the loading would take minutes, in which nothing else runs, and gigabytes.
 */
export const MOST_NODES = 1 << 17

/** Inputs, outputs or attributes that a node may have: it runs at once. */
const MOST_OF_NODE = 1 << 14

/** What the reading ends with; `readAll` says it in words. */
class TooMany extends Error {}

/** Counts the nodes. */
class Reader extends PbfReader {
  private nodes = 0

  /** A list of a message has become so long. */
  note(name: string, length: number): void {
    if (name === 'node' && ++this.nodes > MOST_NODES) throw new TooMany(`at most ${MOST_NODES} nodes`)
    if (length > MOST_OF_NODE && (name === 'input' || name === 'output' || name === 'attribute'))
      throw new TooMany(`nodes of at most ${MOST_OF_NODE} inputs, outputs and attributes`)
  }
}

/**
 * Fields that are absent have the zero of their kind, as proto3 reads them; but those that may be absent on
 * purpose: messages, bytes, lengths of axes.
 */
function blank(message: Message): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [name, kind] of Object.values(message) as [string, Kind][]) {
    if (kind === 'int' || kind === 'float') result[name] = name === 'dimValue' ? undefined : 0
    else if (kind === 'string') result[name] = name === 'dimParam' ? undefined : ''
    else if (kind === 'words' || Array.isArray(kind) || String(kind).endsWith('[]')) result[name] = []
  }
  return result
}

/** The graph of a model is read in steps, and what is inside of its fields at once. */
const STEPPED = 2

/** Fields between two steps. */
const FEW = 256

const read = (message: Message, reader: Reader, end: number, depth: number): Record<string, unknown> =>
  atOnce(readInSteps(message, reader, end, depth))

function* readInSteps(
  message: Message,
  reader: Reader,
  end: number,
  depth: number,
): Steps<Record<string, unknown>> {
  const corrupt = (why: string) => new RangeError(`${why} at byte ${reader.pos}`)
  if (depth > DEEPEST) throw corrupt('messages nested too deep')
  const result = blank(message)
  /** Where the length-delimited field that comes next ends. */
  const endOfField = () => {
    if (reader.type !== BYTES) throw corrupt('a field of another type than the standard says')
    const length = reader.readVarint()
    if (!(length <= end - reader.pos)) throw corrupt('a field longer than what holds it')
    return reader.pos + length
  }
  const take = (bytes: number) => {
    const from = reader.pos
    reader.pos = bytes
    return reader.buf.subarray(from, bytes)
  }
  let fields = 0
  for (let field = reader.nextField(end); field; field = reader.nextField(end)) {
    if (depth < STEPPED && ++fields % FEW === 0) yield
    const known = message[field]
    if (!known) continue
    const [name, kind] = known
    if (kind === 'int') result[name] = reader.readVarint(true)
    else if (kind === 'float') result[name] = reader.readFloat()
    else if (kind === 'bytes') result[name] = take(endOfField())
    else if (kind === 'string') result[name] = decodeUtf8(take(endOfField()))
    else if (kind === 'bytes[]') (result[name] as Uint8Array[]).push(take(endOfField()))
    else if (kind === 'string[]')
      reader.note(name, (result[name] as string[]).push(decodeUtf8(take(endOfField()))))
    else if (kind === 'words')
      (result[name] as Uint8Array[]).push(
        take(reader.type === BYTES ? endOfField() : reader.pos + (reader.type === FIXED32 ? 4 : 8)),
      )
    else if (kind === 'int[]') {
      const list = result[name] as number[]
      if (reader.type !== BYTES) list.push(reader.readVarint(true))
      else for (const last = endOfField(); reader.pos < last; ) list.push(reader.readVarint(true))
    } else {
      const last = endOfField()
      const part = Array.isArray(kind) ? kind[0] : kind
      const inner =
        depth + 1 < STEPPED
          ? yield* readInSteps(part, reader, last, depth + 1)
          : read(part, reader, last, depth + 1)
      if (!Array.isArray(kind)) result[name] = inner
      else reader.note(name, (result[name] as object[]).push(inner))
    }
    if (reader.pos > end) throw corrupt('a field that ends beyond what holds it')
  }
  if (reader.pos !== end) throw corrupt('a field that ends beyond what holds it')
  return result
}

function* readAll<T>(
  message: Message,
  bytes: Uint8Array,
  op: string,
  expected: string,
  size = bytes.length,
): Steps<T> {
  try {
    // Browsers refuse to decode text out of shared memory.
    const own = isArrayBuffer(bytes.buffer) ? bytes : new Uint8Array(bytes)
    return (yield* readInSteps(message, new Reader(own), own.length, 0)) as T
  } catch (error) {
    if (error instanceof TooMany)
      throw new FilterbankError({
        op,
        argument: 'model',
        expected: `of ${error.message}`,
        got: `more, in ${size} bytes`,
      })
    throw new FilterbankError(
      {
        op,
        argument: 'bytes',
        expected,
        ...described(bytes, size, `that are not: ${(error as Error).message}`),
      },
      { cause: error },
    )
  }
}

/** What came instead of the right bytes: what it looks like, or else what is wrong with it. */
function described(bytes: Uint8Array, size: number, otherwise: string): Pick<Complaint, 'got' | 'hint'> {
  const foreign = foreignIn(bytes)
  if (!foreign) return { got: `${size} bytes ${otherwise}` }
  return { got: `${foreign.name} (${size} bytes)`, hint: foreign.hint }
}

/**
 * The model in the bytes of a file. Tensors are views of the bytes.
 * @param size how long the file was, where parts of it were cut out
 */
export function* readModel(
  bytes: Uint8Array,
  op = 'loadModel',
  size = bytes.length,
): Steps<ModelProto & { graph: GraphProto }> {
  const expected = 'those of a whole ONNX file'
  const result = yield* readAll<ModelProto>(model, bytes, op, expected, size)
  const { graph: found, opsetImport } = result
  check(found !== undefined && opsetImport.length > 0, () => ({
    op,
    argument: 'bytes',
    expected,
    ...described(bytes, size, `without ${found ? 'a version of the operators' : 'a graph'}`),
  }))
  return { ...result, graph: found }
}

/** A message that is a file of its own, as the standard's test data are. */
export const readMessage = <T>(message: Message, bytes: Uint8Array): T =>
  atOnce(readAll<T>(message, bytes, 'readMessage', 'those of an ONNX message'))

/** The same of a tensor. */
export const readTensor = (bytes: Uint8Array): TensorProto =>
  atOnce(readAll<TensorProto>(tensor, bytes, 'readTensor', 'those of an ONNX tensor'))
