/**
 * Attention as the standard has it: softmax(q k^T * scale + bias) v for each head, by the op of the house;
 * and what operators of com.microsoft (multiHead.ts) have in common with it. Heads of q that share one of k
 * stand next to each other: [n, kv heads, group * length, size] is the same memory.
 */

import { sameShape } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { tanh } from '../../ops/activation.js'
import { add, mul } from '../../ops/arithmetic.js'
import { type AttentionOptions, attention as attend, attentionOr, broadcastsTo } from '../../ops/attention.js'
import { equal, greater } from '../../ops/compare.js'
import { matmul } from '../../ops/matmul.js'
import { max } from '../../ops/reduce.js'
import { softmax } from '../../ops/softmax.js'
import { and, where } from '../../ops/where.js'
import { isFloat } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { indexesOf, move, permuted, whole } from '../run/move.js'
import type { Value } from '../run/value.js'
import { product } from './matrix.js'

/** What a query sees: bytes, 0 where it does not, or floats to add. */
export type Mask = Tensor<'uint8'> | Tensor

/** x [n, length, heads * size] as [n, heads, length, size]. */
export function splitHeads(call: Call, x: Value, heads: number, attribute: string): Value {
  const [n, length, all] = x.shape as [number, number, number]
  if (x.shape.length !== 3 || !heads || all % heads)
    call.fail(attribute, 'a divisor of the last of three axes', [heads, x.shape])
  return permuted(call, x.reshaped([n, length, heads, all / heads]), [0, 2, 1, 3])
}

/** y [n, heads, length, size] as [n, length, heads * size]. */
export function joinHeads(call: Call, y: Value): Value {
  const [n, heads, length, size] = y.shape as [number, number, number, number]
  return permuted(call, y, [0, 2, 1, 3]).reshaped([n, length, heads * size])
}

/** x behind what was there before, along the axis of places. */
export function behind(call: Call, past: Value | undefined, x: Value): Value {
  if (!past) return x.alias()
  const to = past.shape[2]!
  const next = whole(x.shape).map((box, i) => (i === 2 ? { ...box, to } : box))
  const parts = [
    { source: past, axes: whole(past.shape) },
    { source: x, axes: next },
  ]
  return move(call, x.shape.with(2, to + x.shape[2]!), parts, { layout: 'plain' })
}

/** The mask of the file over `total` keys: what is behind its end is hidden. */
export function maskOf(call: Call, mask: Value, total: number): Mask {
  const isBool = mask.type === 'bool'
  const asIs = (x: Value) => (isBool ? (x.typed() as Tensor<'uint8'>) : x.tensor())
  if (mask.shape.at(-1) === total || mask.shape.at(-1) === 1) return asIs(mask)
  const source = inEngine(call, mask)
  const fill = isBool ? 0 : Number.NEGATIVE_INFINITY
  return asIs(
    move(call, mask.shape.with(-1, total), [{ source, axes: whole(mask.shape) }], { fill, layout: 'plain' }),
  )
}

/** What both let pass. */
export function both(a: Mask | undefined, b: Tensor<'uint8'> | undefined): Mask | undefined {
  if (!a || !b) return a ?? b
  return a.dtype === 'uint8' ? and(a as Tensor<'uint8'>, b) : where(b, a as Tensor, Number.NEGATIVE_INFINITY)
}

/**
 * A mask [images, 1, length, keys]: whether query i of an image sees key j, which follows from attributes and
 * `from`.
 */
export function maskBy(
  call: Call,
  [images, length, keys]: readonly [images: number, length: number, keys: number],
  from: readonly Value[],
  sees: (image: number, i: number, j: number) => boolean,
): Tensor<'uint8'> {
  const shape = [images, 1, length, keys]
  const make = () => [Array.from(indexesOf(shape), ([image, , i, j]) => Number(sees(image!, i!, j!)))]
  return greater(call.tables(`mask ${shape}`, shape, from, make)[0]!.tensor(), 0)
}

/** A value that stands in the engine, constants too, so that what is made of it does. */
export const inEngine = (call: Call, x: Value): Value => call.tensor(x.type, x.asHeld().reshape(x.shape))

const attention: Operator = (call) => {
  const [given, k, v] = [0, 1, 2].map((i) => inEngine(call, call.input(i))) as [Value, Value, Value]
  const [pastKey, pastValue] = [4, 5].map((i) => call.inputs[i] && inEngine(call, call.inputs[i]))
  const headsOf = (x: Value, attribute: string) =>
    x.shape.length === 4 ? x : splitHeads(call, x, call.number(attribute, 0), attribute)
  const q = headsOf(given, 'q_num_heads')
  const key = behind(call, pastKey, headsOf(k, 'kv_num_heads'))
  const value = behind(call, pastValue, headsOf(v, 'kv_num_heads'))
  const [n, heads, length, size] = q.shape as [number, number, number, number]
  const [, kvHeads, total, keySize] = key.shape as [number, number, number, number]
  if (size !== keySize || heads % kvHeads || value.shape[2] !== total)
    call.fail('q, k, v', 'heads that fit', [q.shape, key.shape, value.shape])

  const [mask, lengths] = [call.inputs[3], call.inputs[6]]
  const isCausal = call.flag('is_causal')
  // Queries are the last of an image's own places, unless what came before is given.
  const own = lengths?.numbers
  const first = (image: number) => pastKey?.shape[2] ?? own![image]! - length
  const ends =
    own &&
    maskBy(
      call,
      [n, length, total],
      [lengths],
      (image, i, j) => j < own[image]! && (!isCausal || j <= first(image) + i),
    )
  const options: AttentionOptions = {
    mask: both(mask && maskOf(call, mask, total), ends),
    causal: isCausal && !own ? (pastKey?.shape[2] ?? 0) : false,
    scale: call.number('scale', 1 / Math.sqrt(size)),
    softcap: call.number('softcap', 0),
  }
  const tensors = [q.tensor(), key.tensor(), value.tensor()] as const
  const { y, seen } = call.node.outputs[3]
    ? bySteps(call, tensors, options)
    : { y: attend(...tensors, options), seen: undefined }
  const result = call.tensor(given.type, y)
  return [
    given.shape.length === 4 ? result : joinHeads(call, result),
    key,
    value,
    seen && call.tensor(given.type, seen),
  ]
}

/** Lower than any score: what a hidden one counts as, so that a row of nothing else has numbers to divide. */
const HIDDEN = -3.4028234663852886e38

/** The same as the op, with the matrix that the file asks to see. */
export function bySteps(
  call: Call,
  [q, k, v]: readonly [Tensor, Tensor, Tensor],
  { mask, causal, scale, softcap }: AttentionOptions,
): { y: Tensor; seen: Tensor } {
  const [n, heads, length, size] = q.shape as [number, number, number, number]
  const [, kvHeads, keys, valueSize] = v.shape as [number, number, number, number]
  const rows = [n, kvHeads, (heads / kvHeads) * length]
  const shape = [n, heads, length, keys]
  const turned = permuted(call, call.tensor('float32', k), [0, 1, 3, 2]).tensor()
  const raw = matmul(mul(q.reshape([...rows, size]), scale!), turned).reshape(shape)
  const capped = softcap ? mul(tanh(mul(raw, 1 / softcap)), softcap) : raw
  const first = Number(causal)
  const seen = causal === false ? undefined : maskBy(call, [1, length, keys], [], (_, i, j) => j <= first + i)
  const all = both(mask, seen)
  const biased = !all
    ? capped
    : all.dtype === 'uint8'
      ? where(all as Tensor<'uint8'>, capped, Number.NEGATIVE_INFINITY)
      : add(capped, all as Tensor)
  const shares = all ? sharesOf(biased) : softmax(biased)
  const y = matmul(shares.reshape([...rows, keys]), v).reshape([n, heads, length, valueSize])
  return { y, seen: [raw, capped, biased, shares][call.number('qk_matmul_output_mode', 0)] ?? raw }
}

/** softmax over the last axis; 0 for a row of which nothing is seen. */
function sharesOf(scores: Tensor): Tensor {
  const largest = max(scores, { axes: -1, keepDims: true })
  const sees = greater(largest, Number.NEGATIVE_INFINITY)
  return where(sees, softmax(where(sees, scores, HIDDEN)), 0)
}

/**
 * What `nameAttention` joins: softmax(q k^T * scale + mask) v of q [..., length, size] and k, v [..., keys,
 * size], with `low` where a score is not seen.
 */
const joined: Operator = (call) => {
  const [q, k, v] = [0, 1, 2].map((i) => call.input(i)) as [Value, Value, Value]
  const [given, sees] = [call.inputs[3], call.inputs[4]]
  const [scale, unseen] = [call.number('scale', 1), call.number('unseen', 0)]
  const added = () => (given ?? call.tables('zero', [1], [], () => [[0]])[0]!).tensor()
  const mask = sees ? where(sees.typed() as Tensor<'uint8'>, added(), call.number('low', 0)) : given?.tensor()
  const heads = [q, k, v].map(({ shape }) => shape.slice(0, -2))
  const rank = q.shape.length
  const [length, keys] = [q.shape.at(-2)!, k.shape.at(-2)!]
  const isOne =
    (rank === 3 || rank === 4) &&
    [k, v].every(({ shape }) => shape.length === rank) &&
    heads.every((shape) => sameShape(shape, heads[0]!)) &&
    q.shape.at(-1) === k.shape.at(-1) &&
    v.shape.at(-2) === keys &&
    (!mask || broadcastsTo(mask.shape, [...heads[0]!, length, keys]))
  const framed = (x: Value) => (rank === 3 ? x.tensor().reshape([1, ...x.shape]) : x.tensor())
  if (isOne && isFloat(q.type)) {
    const y = attentionOr(unseen, framed(q), framed(k), framed(v), { mask, scale })
    return call.tensor(q.type, y.reshape([...heads[0]!, length, v.shape.at(-1)!]))
  }
  const order = [...k.shape.keys()]
  const scores = mul(
    product(call, q, permuted(call, k, [...order.slice(0, -2), order.at(-1)!, order.at(-2)!])).tensor(),
    scale,
  )
  const shares = softmax(mask ? add(scores, mask) : scores)
  const seen = unseen === 0 ? where(equal(shares, shares), shares, 0) : shares
  return product(call, call.tensor(q.type, seen), v)
}

export const attending: Record<string, Operator> = { Attention: attention, 'filterbank.Attention': joined }
