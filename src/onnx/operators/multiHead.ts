/**
 * Attention as com.microsoft has it, by the op of the house. Definitions: ContribOperators.md of ONNX
 * Runtime.
 */

import { sameShape } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../../ops/arithmetic.js'
import { attention as attend } from '../../ops/attention.js'
import { equal } from '../../ops/compare.js'
import { concat } from '../../ops/concat.js'
import { where } from '../../ops/where.js'
import type { Call, Operator } from '../run/call.js'
import { move, moveBox, type Part, whole } from '../run/move.js'
import type { Value } from '../run/value.js'
import { behind, bySteps, inEngine, joinHeads, type Mask, maskBy, splitHeads } from './attention.js'
import { product as weighed } from './matrix.js'
import { anglesAt, anglesBy, turned } from './rotary.js'

/** Columns [from, from + length) of the last axis. */
export function columnsOf(call: Call, x: Value, from: number, length: number): Value {
  const last = x.shape.length - 1
  return moveBox(
    call,
    x,
    whole(x.shape).map((box, axis) => (axis === last ? { ...box, length, from } : box)),
  )
}

/** x [n, length, heads * size] with its share of a bias for each column, as [n, heads, length, size]. */
export function biasedHeads(
  call: Call,
  x: Value,
  bias: Value | undefined,
  from: number,
  heads: number,
): Value {
  if (x.shape.length === 4) return x
  const share = bias && columnsOf(call, bias, from, x.shape[2]!)
  const biased = share ? call.tensor(x.type, add(x.tensor(), share.tensor())) : x
  return splitHeads(call, biased, heads, 'num_heads')
}

/** x [n, length, heads, parts, size] as its parts, [n, heads, length, size] each. */
function unpacked(call: Call, x: Value): Value[] {
  const [n, length, heads, parts, size] = x.shape as [number, number, number, number, number]
  return Array.from({ length: parts }, (_, part) =>
    moveBox(call, x, [
      { length: n, axis: 0 },
      { length: heads, axis: 2 },
      { length, axis: 1 },
      { length: 1, axis: 3, from: part },
      { length: size, axis: 4 },
    ]).reshaped([n, heads, length, size]),
  )
}

/**
 * What hides keys, as floats to add: of integers 0 hides, in a mask [n, keys] or [n, length, keys]; a list
 * [n] says where an image's keys end, and n more where they begin. A list [3 n + 2] is that of packed images:
 * how many keys each has, then where its queries and its keys begin in all, which nobody needs here.
 */
export function paddingMask(call: Call, mask: Value, n: number, length: number, keys: number): Tensor {
  const hidden = call.number('mask_filter_value', -10000)
  const zero = call.tables('zero', [1], [], () => [[0]])[0]!.tensor()
  const { shape } = mask
  if (shape.length === 1) {
    if (![n, 2 * n, 3 * n + 2].includes(shape[0]!))
      call.fail('mask', `[${n}], [${2 * n}] or [${3 * n + 2}]`, shape)
    const ends = shape[0] === 3 * n + 2 ? mask.numbers.slice(0, n) : mask.numbers
    const seen = maskBy(
      call,
      [n, 1, keys],
      [mask],
      (image, _, j) => j < ends[image]! && j >= (ends[n + image] ?? 0),
    )
    return where(seen, zero, hidden)
  }
  const wanted = shape.length === 2 ? [n, 1, 1, keys] : [n, 1, length, keys]
  if (shape.length > 3 || shape.at(-1) !== keys)
    call.fail('mask', `[n], [n, keys] or [n, length, keys], with ${keys} keys`, shape)
  const isHidden = equal(mask.tensor().reshape(wanted), 0)
  return where(isHidden, hidden, zero)
}

/** The sum of what is there. */
export const sumOf = (a: Tensor | undefined, b: Tensor | undefined): Tensor | undefined =>
  a && b ? add(a, b) : (a ?? b)

/** query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value */
const multiHeadAttention: Operator = (call) => {
  const heads = call.number('num_heads', 0)
  const given = inEngine(call, call.input(0))
  const [keyIn, valueIn, bias, mask, scores, pastKey, pastValue] = [1, 2, 3, 4, 5, 6, 7].map(
    (i) => call.inputs[i] && inEngine(call, call.inputs[i]),
  )
  let [q, k, v]: (Value | undefined)[] = [given, keyIn, valueIn]
  if (given.shape.length === 5) [q, k, v] = unpacked(call, given)
  else if (keyIn?.shape.length === 5) [k, v] = unpacked(call, keyIn)
  const part = (x: Value | undefined): Value =>
    x ?? call.fail('key and value', 'given, or packed with the query', 'none')
  const width = given.shape.length === 3 ? given.shape[2]! : 0
  // ONNX Runtime looks at the past only where the node has a present that takes it over.
  const hasPresent = call.node.outputs[1] || call.node.outputs[2]
  const [pastKeys, pastValues] = hasPresent ? [pastKey, pastValue] : []
  const query = biasedHeads(call, part(q), bias, 0, heads)
  const key = behind(call, pastKeys, biasedHeads(call, part(k), bias, width, heads))
  const value = behind(call, pastValues, biasedHeads(call, part(v), bias, 2 * width, heads))
  const [n, , length] = query.shape as [number, number, number]
  const keys = key.shape[2]!
  // What is added for a past that nobody looks at stands behind.
  const isLonger = !hasPresent && pastKey && scores && scores.shape.at(-1)! > keys
  const added = isLonger ? columnsOf(call, scores, 0, keys) : scores
  const options = {
    ...maskOption(sumOf(mask && paddingMask(call, mask, n, length, keys), added?.tensor())),
    causal: call.flag('unidirectional') ? (pastKeys?.shape[2] ?? 0) : false,
    ...scaleOption(call),
  }
  const tensors = [query.tensor(), key.tensor(), value.tensor()] as const
  // The fourth output is the scores before anything hides them.
  const { y, seen } = call.node.outputs[3]
    ? bySteps(call, tensors, { scale: 1 / Math.sqrt(query.shape[3]!), ...options })
    : { y: attend(...tensors, options), seen: undefined }
  const result = joinHeads(call, call.tensor(given.type, y))
  return [result, key, value, seen && call.tensor(given.type, seen)]
}

export const maskOption = (mask: Mask | undefined) => (mask ? { mask } : {})

/** 0 stands for the default, 1 / sqrt(size). */
export function scaleOption(call: Call): { scale?: number } {
  const scale = call.number('scale', 0)
  return scale ? { scale } : {}
}

/**
 * input [n, length, in], weights [in, q + k + v], bias, mask, past [2, n, heads, keys, size],
 * attention_bias
 */
const attention: Operator = (call) => {
  const heads = call.number('num_heads', 0)
  const [x, weights] = [call.input(0), call.input(1)]
  const [bias, mask, past, scores] = [2, 3, 4, 5].map((i) => call.inputs[i])
  const all = weights.shape[1]!
  const [a, b, c] = call.asMany('qkv_hidden_sizes', [all / 3, all / 3, all / 3]) as [number, number, number]
  // Constant weights are packed once, and the bias goes along.
  const along = weights.constant ? bias : undefined
  const product = weighed(call, x, weights, along)
  const projected = bias && !along ? call.tensor(x.type, add(product.tensor(), bias.tensor())) : product
  const part = (from: number, length: number) =>
    splitHeads(call, columnsOf(call, projected, from, length), heads, 'num_heads')
  const q = part(0, a)
  const [n, , length] = q.shape as [number, number, number]
  const present =
    past || call.node.outputs[1] ? stacked(call, past, projected, [n, length, heads, a, b, c]) : undefined
  const [key, value] = present
    ? halves(present.tensor())
    : ([part(a, b).tensor(), part(a + b, c).tensor()] as const)
  const keys = key.shape[2]!
  const y = attend(q.tensor(), key, value, {
    ...maskOption(sumOf(mask && paddingMask(call, mask, n, length, keys), scores?.tensor())),
    causal: call.flag('unidirectional') ? keys - length : false,
    ...scaleOption(call),
  })
  return [joinHeads(call, call.tensor(x.type, y)), present]
}

/**
 * Keys and values [2, n, heads, places, size]: those of the past, and behind them the columns of
 * `projected` [n, length, q + k + v] that are k and v.
 */
function stacked(
  call: Call,
  past: Value | undefined,
  projected: Value,
  [n, length, heads, q, k, v]: readonly [number, number, number, number, number, number],
): Value {
  const size = k / heads
  if (v !== k) call.fail('qkv_hidden_sizes', 'keys and values of one size, for a past', [q, k, v])
  if (!Number.isInteger(size)) call.fail('num_heads', 'a divisor of the columns', heads)
  const before = past?.shape[3] ?? 0
  if (past && !sameShape(past.shape, [2, n, heads, before, size]))
    call.fail('past', `[2, ${n}, ${heads}, places, ${size}]`, past.shape)
  const to = (i: number): Part => ({
    source: projected.reshaped([n, length, (q + k + v) / size, size]),
    axes: [
      { length: 1, to: i },
      { length: n, axis: 0 },
      { length: heads, axis: 2, from: (q + i * k) / size },
      { length, axis: 1, to: before },
      { length: size, axis: 3 },
    ],
  })
  const parts = [...(past ? [{ source: past, axes: whole(past.shape) }] : []), to(0), to(1)]
  return move(call, [2, n, heads, before + length, size], parts, { layout: 'plain' })
}

/** x[0] and x[1], in memory of x. */
function halves(x: Tensor): [Tensor, Tensor] {
  const shape = x.shape.slice(1)
  const bytes = x.storage.bytes / 2
  return [x.engine.lend(x.pointer, shape, 'float32'), x.engine.lend(x.pointer + bytes, shape, 'float32')]
}

/**
 * query, key, value, past_key, past_value, seqlens_k, total_sequence_length, cos_cache, sin_cache,
 * position_ids, attention_bias, head_sink: heads that share keys, whose image `i` has seqlens_k[i] + 1 keys
 * in all. With smooth_softmax or a sink some of each share goes nowhere.
 */
const groupQueryAttention: Operator = (call) => {
  const [heads, kvHeads] = [call.number('num_heads', 0), call.number('kv_num_heads', 0)]
  const given = inEngine(call, call.input(0))
  const [keyIn, valueIn, pastKey, pastValue, scores] = [1, 2, 3, 4, 10].map((i) => call.inputs[i])
  const refused = ['k_quant_type', 'v_quant_type'].find((name) => call.has(name) && call.number(name, 1))
  if (refused) call.fail(refused, 'left out', 'given')
  const unknown = Object.entries(LATER).find(([, i]) => call.inputs[i])
  if (unknown) call.fail(unknown[0], 'left out', 'given')
  if (call.flag('sliding_window_cache')) call.fail('sliding_window_cache', '0', 1)
  if (call.node.outputs[3]) call.fail('output 3', 'left out', 'scores')
  const sink = call.inputs[11]
  const isSmooth = call.flag('smooth_softmax') || sink !== undefined
  if (sink && sink.size !== heads) call.fail('head_sink', `${heads} numbers`, sink.shape)
  const size = keyIn ? given.shape[2]! / heads : given.shape[2]! / (heads + 2 * kvHeads)
  const part = (from: number, count: number) =>
    splitHeads(call, columnsOf(call, given, from * size, count * size), count, 'num_heads')
  let [q, k, v] = keyIn
    ? ([
        splitHeads(call, given, heads, 'num_heads'),
        splitHeads(call, inEngine(call, keyIn), kvHeads, 'kv_num_heads'),
        splitHeads(call, inEngine(call, valueIn ?? keyIn), kvHeads, 'kv_num_heads'),
      ] as const)
    : ([part(0, heads), part(heads, kvHeads), part(heads + kvHeads, kvHeads)] as const)
  const [n, , length] = q.shape as [number, number, number]
  const total = call.scalar(6) === undefined ? length : Number(call.scalar(6))
  const counts = [call.input(5), ...(call.inputs[6] ? [call.inputs[6]] : [])]
  // A first prompt may be padded behind its end; later ones stand behind what there was.
  const before = call.input(5).numbers.map((last) => (total === length ? 0 : last + 1 - length))
  if (call.flag('do_rotary')) {
    const [cos, sin, places] = [call.input(7), call.input(8), call.inputs[9]]
    const shape = [n, length] as const
    const own = (image: number, i: number) => before[image]! + i
    const angles = places ? anglesAt(cos, sin, places, shape) : anglesBy(call, cos, sin, shape, counts, own)
    const isInterleaved = call.flag('rotary_interleaved')
    ;[q, k] = [q, k].map((x) => call.tensor(x.type, turned(x.tensor(), angles, isInterleaved))) as [
      Value,
      Value,
    ]
  }
  const [key, value] = [
    appended(call, pastKey, k, before, total),
    appended(call, pastValue, v, before, total),
  ]
  const keys = key.shape[2]!
  const window = call.number('local_window_size', -1)
  const isPlain = !isSmooth && window < 0 && before.every((first) => first === before[0])
  const seen = isSmooth ? keys + 1 : keys
  const mask = isPlain
    ? undefined
    : maskBy(call, [n, length, seen], counts, (image, i, j) => {
        const own = before[image]! + i
        return j === keys || (j <= own && (window < 0 || j > own - window))
      })
  const bias = isSmooth ? biasWithSink(call, scores, sink, [n, heads, length, keys]) : scores?.tensor()
  const [k2, v2] = isSmooth ? [withZeros(call, key), withZeros(call, value)] : [key, value]
  const y = attend(q.tensor(), k2.tensor(), v2.tensor(), {
    ...maskOption(mask && bias ? where(mask, bias, Number.NEGATIVE_INFINITY) : (mask ?? bias)),
    causal: isPlain ? before[0]! : false,
    softcap: call.number('softcap', 0),
    ...scaleOption(call),
  })
  return [joinHeads(call, call.tensor(given.type, y)), key, value]
}

/** Inputs that ONNX Runtime's CPU has no kernel for either. */
const LATER = { k_scale: 12, v_scale: 13, q_norm_weight: 14, k_norm_weight: 15 }

/** A key more, whose score is 0, or its value: what a share goes to that no place gets. */
const withZeros = (call: Call, x: Value): Value => behind(call, x, call.zeros(x.type, x.shape.with(2, 1)))

/** What is added to the scores of keys, and to that of the one behind them the number of its head. */
function biasWithSink(
  call: Call,
  scores: Value | undefined,
  sink: Value | undefined,
  shape: readonly [number, number, number, number],
): Tensor {
  const [n, heads, length] = shape
  const zeros = (keys: number) => call.zeros('float32', [n, heads, length, keys]).tensor()
  const own = scores ? add(zeros(shape[3]), scores.tensor()) : zeros(shape[3])
  const last = sink ? add(zeros(1), sink.tensor().reshape([heads, 1, 1])) : zeros(1)
  return concat([own, last], { axis: 3 })
}

/** Of each image `before` places of the past, and x behind them. */
function appended(
  call: Call,
  past: Value | undefined,
  x: Value,
  before: readonly number[],
  total: number,
): Value {
  const [n, heads, length, size] = x.shape as [number, number, number, number]
  const room = past?.shape[2] ?? 0
  if (before.every((first) => first === room))
    return behind(call, room ? past && inEngine(call, past) : undefined, x)
  const shape = [n, heads, Math.max(room, total), size]
  const box = (source: Value, image: number, count: number, to: number): Part => ({
    source,
    axes: [
      { length: 1, axis: 0, from: image, to: image },
      { length: heads, axis: 1 },
      { length: count, axis: 2, to },
      { length: size, axis: 3 },
    ],
  })
  const held = past && inEngine(call, past)
  const parts = before.flatMap((first, image) => [
    ...(held && first ? [box(held, image, first, 0)] : []),
    box(x, image, length, first),
  ])
  return move(call, shape, parts, { layout: 'plain' })
}

export const multiHead: Record<string, Operator> = {
  'com.microsoft.Attention': attention,
  'com.microsoft.GroupQueryAttention': groupQueryAttention,
  'com.microsoft.MultiHeadAttention': multiHeadAttention,
}
