/**
 * Just enough protobuf to write the ONNX models that referees and the bench's peers are asked: nodes over float32 and int64 tensors, one opset.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. JavaScript, because the bench runs as it is.
 */

/**
 * @typedef {{ name: string, shape?: readonly (number | string | undefined)[] }} Value float32, in or out of a graph; lengths may be names or unknown, of an output the rank too
 * @typedef {{ name: string, shape: readonly number[], data: Float32Array | BigInt64Array }} Constant
 * @typedef {{ op: string, inputs: string[], outputs: string[], attributes?: Record<string, number | string | readonly number[] | { float: number }> }} Node numbers are integers but for { float }
 */

const FLOAT = 1
const INT64 = 7
const utf8 = new TextEncoder()

/** The bytes of a message: the parts of its fields, one after another. */
function join(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function varint(value) {
  const bytes = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

const integer = (field, value) => join([varint(field << 3), varint(value)])
const bytes = (field, value) => join([varint((field << 3) | 2), varint(value.length), value])
const string = (field, value) => bytes(field, utf8.encode(value))
const float = (field, value) => join([varint((field << 3) | 5), new Uint8Array(Float32Array.of(value).buffer)])
const message = (field, ...parts) => bytes(field, join(parts.flat()))

/** AttributeProto: name, its value in the field of its type, the type. */
function attribute([name, value]) {
  if (typeof value === 'number') return [string(1, name), integer(3, value), integer(20, 2)]
  if (typeof value === 'string') return [string(1, name), string(4, value), integer(20, 3)]
  if (Array.isArray(value)) return [string(1, name), ...value.map((v) => integer(8, v)), integer(20, 7)]
  return [string(1, name), float(2, value.float), integer(20, 1)]
}

const node = ({ op, inputs, outputs, attributes = {} }) => [
  ...inputs.map((name) => string(1, name)),
  ...outputs.map((name) => string(2, name)),
  string(4, op),
  ...Object.entries(attributes).map((entry) => message(5, attribute(entry))),
]

const tensor = ({ name, shape, data }) => [
  ...shape.map((length) => integer(1, length)),
  integer(2, data instanceof Float32Array ? FLOAT : INT64),
  string(8, name),
  bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
]

/** ValueInfoProto: name, TypeProto { tensor_type { elem_type, shape { dim { dim_value } } } } */
const value = ({ name, shape }) => {
  const dimension = (length) => (length === undefined ? [] : [typeof length === 'string' ? string(2, length) : integer(1, length)])
  const lengths = shape ? [message(2, ...shape.map((length) => message(1, ...dimension(length))))] : []
  return [string(1, name), message(2, message(1, integer(1, FLOAT), ...lengths))]
}

/**
 * @param {{ nodes: Node[], inputs: Value[], outputs: Value[], constants?: Constant[] }} graph a constant that is also an input is that input's default
 * @returns {Uint8Array}
 */
export function writeModel({ nodes, inputs, outputs, constants = [] }, opset = 20) {
  const graph = [
    ...nodes.map((part) => message(1, node(part))),
    string(2, 'graph'),
    ...constants.map((part) => message(5, tensor(part))),
    ...inputs.map((part) => message(11, value(part))),
    ...outputs.map((part) => message(12, value(part))),
  ]
  return join([integer(1, 9), message(7, graph), message(8, integer(2, opset))])
}

/**
 * `y = operator(inputs...)`, without constants.
 * @param {string} op @param {readonly string[]} inputs
 * @param {readonly number[]} ranks those of the inputs in order, then of y
 * @param {Node['attributes']} attributes
 */
export function oneNode(op, inputs, ranks, attributes, opset = 20) {
  const value = (name, i) => ({ name, shape: Array(ranks[i]).fill(undefined) })
  return writeModel(
    { nodes: [{ op, inputs: [...inputs], outputs: ['y'], attributes }], inputs: inputs.map(value), outputs: [value('y', inputs.length)] },
    opset,
  )
}
