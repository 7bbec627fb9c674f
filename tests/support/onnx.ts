/**
 * ONNX models of one node, as bytes: what a referee needs to be asked. Every input is a graph input, so a model carries no weights.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */

type Attribute = number | string | readonly number[]

/** A protobuf message, or a part of one. */
type Bytes = number[]

function varint(value: number): Bytes {
  const bytes = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return [...bytes, value]
}
const integer = (field: number, value: number): Bytes => [...varint(field * 8), ...varint(value)]
const message = (field: number, ...parts: Bytes[]): Bytes => {
  const content = parts.flat()
  return [...varint(field * 8 + 2), ...varint(content.length), ...content]
}
const text = (field: number, value: string): Bytes => message(field, [...new TextEncoder().encode(value)])

const INT = 2
const STRING = 3
const INTS = 7
const FLOAT = 1

const attribute = (name: string, value: Attribute): Bytes =>
  typeof value === 'number'
    ? message(5, text(1, name), integer(3, value), integer(20, INT))
    : typeof value === 'string'
      ? message(5, text(1, name), text(4, value), integer(20, STRING))
      : message(5, text(1, name), ...value.map((item) => integer(8, item)), integer(20, INTS))

/** A float32 value of `rank` unknown lengths. */
const value = (field: number, name: string, rank: number): Bytes =>
  message(field, text(1, name), message(2, message(1, integer(1, FLOAT), message(2, ...Array.from({ length: rank }, () => message(1))))))

/** `y = operator(inputs...)`; `ranks` are those of the inputs in order, then of y. Integer and string attributes alone. */
export function oneNode(operator: string, inputs: readonly string[], ranks: readonly number[], attributes: Record<string, Attribute>, opset = 22): Uint8Array {
  const node = message(
    1,
    ...inputs.map((name) => text(1, name)),
    text(2, 'y'),
    text(4, operator),
    ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  )
  const graph = message(7, node, text(2, operator), ...inputs.map((name, i) => value(11, name, ranks[i]!)), value(12, 'y', ranks.at(-1)!))
  return Uint8Array.from([...integer(1, 10), graph, message(8, text(1, ''), integer(2, opset))].flat())
}
