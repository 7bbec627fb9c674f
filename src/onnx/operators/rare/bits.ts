/**
 * Operators of com.microsoft on few bits whose scales are not known before the run, or which are not common.
 * Definitions: ContribOperators.md of ONNX Runtime.
 */
import { sizeOf } from '../../../base/shape.js'
import { add, mul } from '../../../ops/arithmetic.js'
import { layerNorm } from '../../../ops/layerNorm.js'
import { transpose } from '../../../ops/transpose.js'
import type { Call, Operator } from '../../run/call.js'
import { moveBox } from '../../run/move.js'
import type { Value } from '../../run/value.js'
import { zipInEngine } from '../broadcast.js'
import { countsOf } from '../contrib.js'
import { indexing } from '../indexing.js'
import { multiHead } from '../multiHead.js'
import { dequantizeLinear, dynamicQuantizeLinear, scaledSums } from '../quantize.js'
import { recurrence } from '../recurrent.js'

type Given = Value | undefined

/** Sums of products of whole numbers times both scales, and a bias. */
function scaledProduct(call: Call, factors: Given[], scales: [Value, Value], bias: Given): Value {
  const scale = zipInEngine(call, scales[0], scales[1], mul, 'float32')
  return scaledSums(call, [...factors, scale, bias], 'MatMulInteger')
}

/** A, B, their scales, their zero points, bias */
const matMulIntegerToFloat: Operator = (call) => {
  const [a, b, aScale, bScale, aZero, bZero, bias] = call.given(0, 1, 2, 3)
  return scaledProduct(call, [a, b, aZero, bZero], [aScale!, bScale!], bias)
}

/** A of floats, B, its scale and zero point, bias */
const dynamicQuantizeMatMul: Operator = (call) => {
  const [x, b, bScale, bZero, bias] = call.given(0, 1, 2)
  const [a, aScale, aZero] = dynamicQuantizeLinear(call.on([x])) as [Value, Value, Value]
  return scaledProduct(call, [a, b, aZero, bZero], [aScale, bScale!], bias)
}

/**
 * data, indices, scales, zero points: rows of a table of few bits, as floats. On the host, where the table
 * stays.
 */
const gatherBlockQuantized: Operator = (call) => {
  const [data, indices, scales, zeros] = [call.input(0), call.input(1), call.input(2), call.inputs[3]]
  const isPacked = data.type === 'uint8'
  const bits = isPacked ? call.number('bits', 4) : 4
  if (bits !== 4 && bits !== 8) call.fail('bits', '4 or 8', bits)
  const each = isPacked ? 8 / bits : 1
  const rank = data.shape.length
  const shape = data.shape.with(rank - 1, data.shape[rank - 1]! * each)
  const axis = call.axis(call.number('gather_axis', 0), rank)
  const along = call.axis(call.number('quantize_axis', 1), rank)
  const block = call.number('block_size', 128)
  if (!(block >= 16 && Number.isInteger(Math.log2(block))))
    call.fail('block_size', 'a power of 2 from 16', block)
  if (isPacked && along !== rank - 1) call.fail('quantize_axis', 'the last axis of packed numbers', along)
  if (axis === along) call.fail('gather_axis', 'another than quantize_axis', axis)
  const wanted = shape.with(along, Math.ceil(shape[along]! / block))
  if (scales.shape.join() !== wanted.join()) call.fail('scales', wanted.join(' x '), scales.shape)
  const read = (list: ArrayLike<number>, at: number, last: number, packedLast: number) => {
    if (each === 1) return list[at]!
    // Each row begins with a byte of its own.
    const [row, i] = [Math.floor(at / last), at % last]
    return (list[row * packedLast + Math.floor(i / each)]! >> ((i % each) * bits)) & ((1 << bits) - 1)
  }
  const [bytes, factors] = [data.data as Uint8Array, scales.data as Float64Array]
  const points = zeros?.data as Uint8Array | undefined
  const middle = isPacked ? 2 ** (bits - 1) : 0
  const n = shape[axis]!
  const inner = sizeOf(shape.slice(axis + 1))
  const list = indices.numbers.map((index) => {
    if (!(index >= -n && index < n)) call.fail('indices', `from ${-n} to ${n - 1}`, index)
    return index < 0 ? index + n : index
  })
  const behind = sizeOf(shape.slice(along + 1))
  const [length, blocks] = [shape[along]!, wanted[along]!]
  const [last, lastOfScales] = [shape[rank - 1]!, wanted[rank - 1]!]
  const packedScales = zeros?.shape.at(-1) ?? lastOfScales
  const y = [...shape.slice(0, axis), ...indices.shape, ...shape.slice(axis + 1)]
  return call.host(scales.type, y, (to) => {
    let at = 0
    for (let outer = 0; outer < sizeOf(shape.slice(0, axis)); outer++) {
      for (const index of list) {
        for (let i = 0; i < inner; i++) {
          const from = (outer * n + index) * inner + i
          const place = Math.floor(from / behind) % length
          const rows = Math.floor(from / (behind * length))
          const scale = (rows * blocks + Math.floor(place / block)) * behind + (from % behind)
          const zero = points ? read(points, scale, lastOfScales, packedScales) : middle
          to[at++] = (read(bytes, from, last, data.shape[rank - 1]!) - zero) * factors[scale]!
        }
      }
    }
  })
}

/** Numbers of a constant of few bits [directions, rows, columns] by scales for each, or each column of it. */
function unpackedWeights(
  call: Call,
  use: string,
  [w, scale, zero]: [Value, Value, Given],
  order: readonly number[],
): Value {
  const [directions, rows, columns] = w.shape as [number, number, number]
  const from = [w, scale, ...(zero ? [zero] : [])]
  const [table] = call.tables(use, w.shape, from, () => {
    const [q, s, z] = [
      w.data as Float64Array,
      scale.data as Float64Array,
      zero?.data as Float64Array | undefined,
    ]
    const each = scale.size / directions
    return [
      Float32Array.from({ length: w.size }, (_, i) => {
        const at = Math.floor(i / (rows * columns)) * each + (each > 1 ? i % columns : 0)
        return (q[i]! - (z?.[z.length === 1 ? 0 : at] ?? 0)) * s[at]!
      }),
    ]
  })
  const key = `${use} ${order}`
  const turned = table!.form(key, () => transpose(table!.tensor(), order))
  return call.tensor('float32', turned.reshape(turned.shape))
}

/** LSTM whose weights are of few bits; its inputs stay floats, and are bytes in ONNX Runtime. */
const dynamicQuantizeLstm: Operator = (call) => {
  const [x, w, r, bias, lengths, h, c, peep, wScale, wZero, rScale, rZero] = call.given(0, 1, 2, 8, 10)
  const order = [0, 2, 1]
  const input = unpackedWeights(call, 'input', [w!, wScale!, wZero], order)
  const state = unpackedWeights(call, 'state', [r!, rScale!, rZero], order)
  return recurrence['LSTM']!(call.on([x, input, state, bias, lengths, h, c, peep]))
}

/** Attention of bytes: input, weights, bias, both scales, mask, both zero points, past */
const qAttention: Operator = (call) => {
  const [x, w, bias, xScale, wScale, mask, xZero, wZero, past] = call.given(0, 1, 2, 3, 4)
  const floats = dequantizeLinear(call.on([x, xScale, xZero])) as Value
  const last = call.on([w, wScale, wZero], { axis: 1 })
  const weights = dequantizeLinear(last) as Value
  return multiHead['com.microsoft.Attention']!(call.on([floats, weights, bias, mask, past]))
}

/** (a - zero) * (b - zero), as int32 */
const mulInteger: Operator = (call) => {
  const [a, aZero, b, bZero] = call.given(0, 2)
  const centred = (x: Given, zero: Given): Value =>
    zero
      ? zipInEngine(call, x!, zero, (p, q) => add(p, typeof q === 'number' ? -q : mul(q, -1)), 'float32')
      : x!.alias('float32')
  return zipInEngine(call, centred(a, aZero), centred(b, bZero), mul, 'int32')
}

/**
 * EmbedLayerNormalization of bytes: ids, segments, words, places, kinds, scale, offset, mask, then the scales
 * of the five tables and their zero points. Rows are taken as bytes.
 */
const qEmbedLayerNorm: Operator = (call) => {
  const [ids, places] = [call.input(0), call.input(3)]
  const [segments, kinds] = [call.inputs[1], call.inputs[4]]
  const [n, length] = ids.shape as [number, number]
  const floats = (x: Value, table: number) =>
    (dequantizeLinear(call.on([x, call.input(8 + table), call.inputs[13 + table]])) as Value).tensor()
  const rows = (table: Value, indices: Value) =>
    indexing.Gather!(call.on([table, indices], { axis: 0 })) as Value
  const first = moveBox(call, places, [
    { length, axis: 0 },
    { length: places.shape[1]!, axis: 1 },
  ])
  let total = add(floats(rows(call.input(2), ids), 0), floats(first, 1))
  if (segments && kinds) total = add(total, floats(rows(kinds, segments), 2))
  const y = layerNorm(total, {
    scale: floats(call.input(5), 3),
    offset: floats(call.input(6), 4),
    epsilon: call.number('epsilon', 1e-12),
  })
  return [call.tensor('float32', y), countsOf(call, call.inputs[7], n)]
}

export const bits: Record<string, Operator> = Object.fromEntries(
  Object.entries({
    DynamicQuantizeLSTM: dynamicQuantizeLstm,
    DynamicQuantizeMatMul: dynamicQuantizeMatMul,
    GatherBlockQuantized: gatherBlockQuantized,
    MatMulIntegerToFloat: matMulIntegerToFloat,
    MulInteger: mulInteger,
    QAttention: qAttention,
    QEmbedLayerNormalization: qEmbedLayerNorm,
  }).map(([name, run]) => [`com.microsoft.${name}`, run]),
)
