/**
 * Attention of decoders as com.microsoft has it, place by place or in blocks, and what language models of
 * pictures and of states put before and behind it. Definitions: ContribOperators.md of ONNX Runtime.
 */
import { sizeOf } from '../../../base/shape.js'
import type { Tensor } from '../../../core/tensor.js'
import { sigmoid, silu, softplus } from '../../../ops/activation.js'
import { add, mul } from '../../../ops/arithmetic.js'
import { attention as attend } from '../../../ops/attention.js'
import { rmsNorm } from '../../../ops/layerNorm.js'
import { sum } from '../../../ops/reduce.js'
import type { Call, Operator } from '../../run/call.js'
import { move, moveBox, type Part, whole } from '../../run/move.js'
import type { Value } from '../../run/value.js'
import { bySteps, inEngine, joinHeads, maskBy, splitHeads } from '../attention.js'
import { biasedHeads, columnsOf, maskOption, paddingMask, scaleOption, sumOf } from '../multiHead.js'
import { anglesAt, anglesBy, turned } from '../rotary.js'

/** The first `count` places of x [n, heads, places, size]. */
const firstPlaces = (call: Call, x: Value, count: number): Value =>
  moveBox(
    call,
    x,
    x.shape.map((length, axis) => ({ length: axis === 2 ? count : length, axis })),
    { layout: 'plain' },
  )

/** A buffer [n, heads, places, size] with x from a place of each image on; longer where that is behind it. */
function written(call: Call, buffer: Value, x: Value, from: readonly number[]): Value {
  const [n, heads, length, size] = x.shape as [number, number, number, number]
  const places = Math.max(buffer.shape[2]!, Math.max(...from) + length)
  const parts: Part[] = [{ source: buffer, axes: whole(buffer.shape) }]
  for (let image = 0; image < n; image++) {
    const axes = [
      { length: 1, axis: 0, from: image, to: image },
      { length: heads, axis: 1 },
      { length, axis: 2, to: from[image]! },
      { length: size, axis: 3 },
    ]
    parts.push({ source: x, axes })
  }
  return move(call, [n, heads, places, size], parts, { layout: 'plain' })
}

/**
 * query, key, value, mask, attention_bias, past_key, past_value, past_sequence_length, beam_width,
 * cache_indirection, bias: one query of each image over keys that are given whole, or over a buffer of those
 * before and its own, which is put behind them.
 */
const decoderMasked: Operator = (call) => {
  const heads = call.number('num_heads', 0)
  const given = inEngine(call, call.input(0))
  const [keyIn, valueIn, mask, scores, pastKey, pastValue, bias] = [1, 2, 3, 4, 5, 6, 10].map(
    (i) => call.inputs[i] && inEngine(call, call.inputs[i]),
  )
  if (given.shape[1] !== 1) call.fail('query', '[n, 1, heads * size]', given.shape)
  if ((call.scalar(8) ?? 1) > 1) call.fail('beam_width', '1', call.scalar(8))
  const isPacked = !keyIn
  const width = isPacked ? given.shape[2]! / 3 : given.shape[2]!
  const query = isPacked ? columnsOf(call, given, 0, width) : given
  const q = biasedHeads(call, query, bias, 0, heads)
  const [n, , , size] = q.shape as [number, number, number, number]
  const all = (x: Value | undefined, from: number, name: string) =>
    biasedHeads(call, x ?? call.fail(name, 'given', 'none'), bias, from, heads)
  const own = (x: Value | undefined, from: number) =>
    biasedHeads(call, x ?? columnsOf(call, given, from, width), bias, from, heads)
  let present: Value[] = []
  let seen: [Value, Value]
  if (!pastKey) seen = [all(keyIn, width, 'key'), all(valueIn, 2 * width, 'value')]
  else {
    const isBuffer = call.flag('past_present_share_buffer')
    const past = isBuffer
      ? (call.scalar(7) ?? call.fail('past_sequence_length', 'given', 'none'))
      : pastKey.shape[2]!
    const put = (x: Value | undefined, own: Value) =>
      written(call, x ?? call.fail('past_value', 'given', 'none'), own, Array<number>(n).fill(past))
    present = [put(pastKey, own(keyIn, width)), put(pastValue, own(valueIn, 2 * width))]
    seen = [firstPlaces(call, present[0]!, past + 1), firstPlaces(call, present[1]!, past + 1)]
  }
  const keys = seen[0].shape[2]!
  const options = {
    ...maskOption(sumOf(mask && paddingMask(call, mask, n, 1, keys), scores?.tensor())),
    causal: false as const,
    scale: call.number('scale', 0) || 1 / Math.sqrt(size),
  }
  const tensors = [q.tensor(), seen[0].tensor(), seen[1].tensor()] as const
  const answer = call.node.outputs[3]
    ? bySteps(call, tensors, options)
    : { y: attend(...tensors, options), seen: undefined }
  const y = joinHeads(call, call.tensor(given.type, answer.y))
  return [y, present[0], present[1], answer.seen && call.tensor(given.type, answer.seen)]
}

/**
 * query, key, value, past_key, past_value, block_row_indices, block_col_indices, total_sequence_length,
 * key_total_sequence_lengths, cos_cache, sin_cache: each block of queries sees the blocks of keys that its
 * row names, one layout for all heads or several in turn.
 */
const sparseAttention: Operator = (call) => {
  const [heads, kvHeads] = [call.number('num_heads', 0), call.number('kv_num_heads', 0)]
  const block = call.number('sparse_block_size', 0)
  const given = inEngine(call, call.input(0))
  const [keyIn, valueIn] = [call.inputs[1], call.inputs[2]]
  const [rows, columns, lengths] = [call.input(5), call.input(6), call.input(8)]
  const size = given.shape[2]! / (keyIn ? heads : heads + 2 * kvHeads)
  const part = (from: number, count: number) =>
    splitHeads(call, columnsOf(call, given, from * size, count * size), count, 'num_heads')
  const own = (x: Value | undefined, from: number) =>
    x ? splitHeads(call, inEngine(call, x), kvHeads, 'kv_num_heads') : part(from, kvHeads)
  let q = keyIn ? splitHeads(call, given, heads, 'num_heads') : part(0, heads)
  let k = own(keyIn, heads)
  const v = own(valueIn, heads + kvHeads)
  const [n, , length] = q.shape as [number, number, number]
  const total = call.scalar(7) ?? length
  const before = lengths.numbers.map((all) => (total === length ? 0 : all - length))
  if (call.flag('do_rotary')) {
    const [cos, sin] = [call.input(9), call.input(10)]
    const place = (image: number, i: number) => before[image]! + i
    const angles = anglesBy(call, cos, sin, [n, length], [lengths, call.input(7)], place)
    const isInterleaved = call.flag('rotary_interleaved')
    q = call.tensor(q.type, turned(q.tensor(), angles, isInterleaved))
    k = call.tensor(k.type, turned(k.tensor(), angles, isInterleaved))
  }
  const key = written(call, inEngine(call, call.input(3)), k, before)
  const value = written(call, inEngine(call, call.input(4)), v, before)
  const layouts = rows.shape[0]!
  const [ends, names] = [rows.numbers, columns.numbers]
  const [perLayout, mostNames] = [rows.shape[1]!, columns.shape[1]!]
  const sees = (layout: number, i: number, j: number): boolean => {
    const row = layout * perLayout + Math.floor(i / block)
    const first = layout * mostNames
    return names.slice(first + ends[row]!, first + ends[row + 1]!).includes(Math.floor(j / block))
  }
  const from = [rows, columns, lengths, call.input(7)]
  const mask = maskBy(call, [n * heads, length, total], from, (unit, i, j) => {
    const place = before[Math.floor(unit / heads)]! + i
    return j <= place && sees((unit % heads) % layouts, place, j)
  }).reshape([n, heads, length, total])
  const [allKeys, allValues] = [firstPlaces(call, key, total), firstPlaces(call, value, total)]
  const y = attend(q.tensor(), allKeys.tensor(), allValues.tensor(), { mask, ...scaleOption(call) })
  return [joinHeads(call, call.tensor(given.type, y)), key, value]
}

/**
 * x, places [3, n, length], cos, sin: as RotaryEmbedding, but each pair is turned by the place in time, down
 * or across, as sections of the pairs say.
 */
const rotaryOfThree: Operator = (call) => {
  const [x, places, cos, sin] = [call.input(0), call.input(1), call.input(2), call.input(3)]
  const sections = call.numbers('mrope_section', [])
  const half = cos.shape[1]!
  if (sections.length !== 3 || sections.reduce((a, b) => a + b, 0) !== half)
    call.fail('mrope_section', `three lengths of ${half} in all`, sections)
  const isFlat = x.shape.length === 3
  const heads = call.number('num_heads', 0) || (isFlat ? x.shape[2]! / (2 * half) : x.shape[1]!)
  const split = isFlat ? splitHeads(call, inEngine(call, x), heads, 'num_heads') : x
  const [n, , length] = split.shape as [number, number, number]
  const streams = Array.from({ length: half }, (_, i) => {
    if (call.number('mrope_layout', 0) === 0)
      return i < sections[0]! ? 0 : i < sections[0]! + sections[1]! ? 1 : 2
    const stream = i % 3
    return stream && i < sections[stream]! * 3 ? stream : 0
  })
  const chosen = call
    .tables('streams', [3, 1, 1, half], [], () => [
      Array.from({ length: 3 * half }, (_, i) => Number(streams[i % half] === Math.floor(i / half))),
    ])[0]!
    .tensor()
  const all = anglesAt(cos, sin, places, [3 * n, length])
  const own = (table: Tensor) => sum(mul(table.reshape([3, n, length, half]), chosen), { axes: 0 })
  const angles = { cos: own(all.cos), sin: own(all.sin) }
  const scale = call.number('scale', 1)
  const result = turned(split.tensor(), angles, call.flag('interleaved'))
  const y = call.tensor(x.type, scale === 1 ? result : mul(result, scale))
  return isFlat ? joinHeads(call, y) : y
}

/** x / sqrt(mean of squares + epsilon) * scale * silu(gate), of as many numbers as the scale has. */
const gatedRmsNorm: Operator = (call) => {
  const [x, scale, gate] = [call.input(0), call.input(1), call.input(2)]
  const rows = sizeOf(x.shape) / scale.size
  if (x.shape.at(-1)! % scale.size) call.fail('scale', 'of a length that divides rows', scale.shape)
  const epsilon = call.number('epsilon', 1e-5)
  const y = rmsNorm(x.tensor().reshape([rows, scale.size]), { scale: scale.tensor(), epsilon })
  return call.tensor(x.type, mul(y.reshape(x.shape), silu(gate.tensor())))
}

/** a, dt_bias, decay_scale, b: how a state of LinearAttention decays, and how much comes in. */
const linearAttentionGate: Operator = (call) => {
  const [a, bias, scale, b] = [call.input(0), call.input(1), call.input(2), call.inputs[3]]
  const decay = mul(softplus(add(a.tensor(), bias.tensor())), scale.tensor())
  return [call.tensor(a.type, decay), b && call.tensor(b.type, sigmoid(b.tensor()))]
}

/** X + Y * gate, of which there is one for each row. */
const gatedAdd: Operator = (call) => {
  const [x, y, gate] = [call.input(0), call.input(1), call.input(2)]
  if (gate.shape.join() !== x.shape.with(-1, 1).join())
    call.fail('gate', `[${x.shape.with(-1, 1)}]`, gate.shape)
  return call.tensor(x.type, add(x.tensor(), mul(y.tensor(), gate.tensor())))
}

export const decoding: Record<string, Operator> = {
  'com.microsoft.DecoderMaskedMultiHeadAttention': decoderMasked,
  'com.microsoft.GatedAdd': gatedAdd,
  'com.microsoft.GatedRMSNorm': gatedRmsNorm,
  'com.microsoft.LinearAttentionGate': linearAttentionGate,
  'com.microsoft.MRotaryEmbedding': rotaryOfThree,
  'com.microsoft.SparseAttention': sparseAttention,
}
