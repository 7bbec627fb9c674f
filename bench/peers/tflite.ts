/**
 * TensorFlow Lite models, as flatbuffers. Field numbers: github.com/tensorflow/tensorflow,
 * tensorflow/compiler/mlir/lite/schema/schema.fbs.
 */
import { Builder } from 'flatbuffers'

type Data = Float32Array | Int32Array | Int8Array

/** With data a constant. */
export interface Value {
  shape: readonly number[]
  data?: Data
  /** Of 8 bits, or of 32 for a bias; scales of more than one are those along `axis`. */
  quantization?: { type: 'int8' | 'int32'; scales: readonly number[]; zeroPoint: number; axis?: number }
}

export interface Operator {
  code: number
  inputs: Value[]
  output: Value
  /** Which member of BuiltinOptions, its fields from 0 on. */
  options?: { type: number; fields: number[] } | undefined
}

type Field = [field: number, type: 'Offset' | 'Int32' | 'Int8', value: number]

const FLOAT32 = 0
const INT32 = 2
const INT8 = 9
/** Constants lie at multiples of this many bytes. */
const ALIGNMENT = 16

/** @param operators in order */
export function writeTflite(operators: readonly Operator[], input: Value, output: Value): Uint8Array {
  const values = [...new Set([input, ...operators.flatMap(({ inputs, output }) => [...inputs, output])])]
  const indices = (list: readonly Value[]) => integers(list.map((value) => values.indexOf(value)))
  const codes = [...new Set(operators.map(({ code }) => code))]
  const b = new Builder(values.reduce((sum, { data }) => sum + (data?.byteLength ?? 0), 4096))

  const vector = (items: readonly number[], add: (item: number) => void) => {
    b.startVector(4, items.length, 4)
    for (const item of items.toReversed()) add(item)
    return b.endVector()
  }
  const integers = (items: readonly number[]) => vector(items, (item) => b.addInt32(item))
  const offsets = (items: readonly number[]) => vector(items, (item) => b.addOffset(item))
  const bytes = ({ buffer, byteOffset, byteLength }: Data) => {
    b.prep(ALIGNMENT, byteLength)
    return b.createByteVector(new Uint8Array(buffer, byteOffset, byteLength))
  }
  /** A table of [field number, 'Offset', 'Int32' or 'Int8', value]. */
  const table = (...fields: Field[]) => {
    b.startObject((fields.at(-1)?.[0] ?? -1) + 1)
    for (const [field, type, value] of fields) b[`addField${type}`](field, value, 0)
    return b.endObject()
  }

  // Buffer 0 is empty: that of values without data.
  const constants = values.filter((value): value is Value & { data: Data } => value.data !== undefined)
  const buffers = [
    table(),
    ...constants.map(({ data }) => bytes(data)).map((data) => table([0, 'Offset', data])),
  ]
  const quantizationOf = ({ quantization }: Value): Field[] => {
    if (!quantization) return []
    const { scales, zeroPoint, axis = 0 } = quantization
    b.startVector(4, scales.length, 4)
    for (const scale of scales.toReversed()) b.addFloat32(scale)
    const scaleList = b.endVector()
    b.startVector(8, scales.length, 8)
    for (const _ of scales) b.addInt64(BigInt(zeroPoint))
    const zeros = b.endVector()
    return [[4, 'Offset', table([2, 'Offset', scaleList], [3, 'Offset', zeros], [6, 'Int32', axis])]]
  }
  const typeOf = ({ data, quantization }: Value): number => {
    if (quantization) return quantization.type === 'int8' ? INT8 : INT32
    return data instanceof Int32Array ? INT32 : FLOAT32
  }
  const tensors = values.map((value, i) => {
    const shape = integers(value.shape)
    const name = b.createString(`value${i}`)
    return table(
      [0, 'Offset', shape],
      [1, 'Int8', typeOf(value)],
      [2, 'Int32', (constants as Value[]).indexOf(value) + 1],
      [3, 'Offset', name],
      ...quantizationOf(value),
    )
  })
  const nodes = operators.map(({ code, inputs, output, options }) => {
    const [from, to] = [indices(inputs), indices([output])]
    const settings = options && table(...options.fields.map((value, field): Field => [field, 'Int32', value]))
    const chosen: Field[] = options
      ? [
          [3, 'Int8', options.type],
          [4, 'Offset', settings!],
        ]
      : []
    return table([0, 'Int32', codes.indexOf(code)], [1, 'Offset', from], [2, 'Offset', to], ...chosen)
  })
  const opcodes = codes.map((code) =>
    table([0, 'Int8', Math.min(code, 127)], [2, 'Int32', 1], [3, 'Int32', code]),
  )
  const [all, inputs, outputs, steps] = [
    offsets(tensors),
    indices([input]),
    indices([output]),
    offsets(nodes),
  ]
  const graph = table([0, 'Offset', all], [1, 'Offset', inputs], [2, 'Offset', outputs], [3, 'Offset', steps])
  const [codeList, graphs, bufferList] = [offsets(opcodes), offsets([graph]), offsets(buffers)]
  b.finish(
    table([0, 'Int32', 3], [1, 'Offset', codeList], [2, 'Offset', graphs], [4, 'Offset', bufferList]),
    'TFL3',
  )
  return b.asUint8Array()
}
