/**
 * Attention as the standard has it: softmax(q k^T * scale + bias) v for each head; and the rotary embedding
 * that goes before it. Heads of q that share one of k stand next to each other: [n, kv heads, group * length,
 * size] is the same memory.
 */

import type { Shape } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { clamp, tanh } from '../../ops/activation.js'
import { add, mul } from '../../ops/arithmetic.js'
import { matmul } from '../../ops/matmul.js'
import { max } from '../../ops/reduce.js'
import { softmax } from '../../ops/softmax.js'
import type { Call, Operator } from '../run/call.js'
import { indexesOf, move, permuted, whole } from '../run/move.js'
import type { Value } from '../run/value.js'
import { mapOnHost } from './broadcast.js'

/** x [n, length, heads * size] or [n, heads, length, size] as [n, heads, length, size]. */
function headsOf(call: Call, x: Value, attribute: string): Value {
  if (x.shape.length === 4) return x
  const heads = call.number(attribute, 0)
  const [n, length, all] = x.shape as [number, number, number]
  if (x.shape.length !== 3 || !heads || all % heads)
    call.fail(attribute, 'a divisor of the last of three axes', [heads, x.shape])
  return permuted(call, x.reshaped([n, length, heads, all / heads]), [0, 2, 1, 3])
}

/** x behind what was there before, along the axis of places. */
function behind(call: Call, past: Value | undefined, x: Value): Value {
  if (!past) return x.alias()
  const to = past.shape[2]!
  const next = whole(x.shape).map((box, i) => (i === 2 ? { ...box, to } : box))
  const parts = [
    { source: past, axes: whole(past.shape) },
    { source: x, axes: next },
  ]
  return move(call, x.shape.with(2, to + x.shape[2]!), parts, { layout: 'plain' })
}

/** The mask of the file as numbers to add, -Infinity where it hides and behind its end. */
function maskBias(call: Call, mask: Value, total: number): Tensor {
  const isBool = mask.type === 'bool'
  const shape = mask.shape.with(-1, total)
  if (!isBool && mask.shape.at(-1) === total) return mask.tensor()
  const longer = (x: Value) =>
    move(call, shape, [{ source: x, axes: whole(x.shape) }], {
      fill: Number.NEGATIVE_INFINITY,
      layout: 'plain',
    })
  if (!isBool) return longer(inEngine(call, mask)).tensor()
  return mask.form(`bias ${shape}`, () =>
    longer(mapOnHost(call, mask, (seen) => (seen ? 0 : Number.NEGATIVE_INFINITY), 'float32')).tensor(),
  )
}

/** Hides, for query i, the keys behind `end(image, i)`: [images, 1, length, total]. */
function endBias(shape: Shape, end: (image: number, i: number) => number): number[] {
  return Array.from(indexesOf(shape), ([image, , i, j]) =>
    j! < end(image!, i!) ? 0 : Number.NEGATIVE_INFINITY,
  )
}

/** Lower than any score: what a hidden one counts as, so that a row of nothing else has numbers to divide. */
const HIDDEN = -3e38

/** A value that stands in the engine, constants too, so that what is made of it does. */
const inEngine = (call: Call, x: Value): Value => call.tensor(x.type, x.tensor().reshape(x.shape))

const attention: Operator = (call) => {
  const [given, k, v] = [0, 1, 2].map((i) => inEngine(call, call.input(i))) as [Value, Value, Value]
  const [pastKey, pastValue] = [4, 5].map((i) => call.inputs[i] && inEngine(call, call.inputs[i]))
  const q = headsOf(call, given, 'q_num_heads')
  const key = behind(call, pastKey, headsOf(call, k, 'kv_num_heads'))
  const value = behind(call, pastValue, headsOf(call, v, 'kv_num_heads'))
  const [n, heads, length, size] = q.shape as [number, number, number, number]
  const [, kvHeads, total, keySize] = key.shape as [number, number, number, number]
  const valueSize = value.shape[3]!
  if (size !== keySize || heads % kvHeads || value.shape[2] !== total)
    call.fail('q, k, v', 'heads that fit', [q.shape, key.shape, value.shape])
  const rows = [n, kvHeads, (heads / kvHeads) * length]
  const shape = [n, heads, length, total]

  const transposed = permuted(call, key, [0, 1, 3, 2]).tensor()
  const scale = call.number('scale', 1 / Math.sqrt(size))
  const raw = matmul(mul(q.tensor().reshape([...rows, size]), scale), transposed).reshape(shape)
  const cap = call.number('softcap', 0)
  const capped = cap ? mul(tanh(mul(raw, 1 / cap)), cap) : raw

  const [mask, lengths] = [call.inputs[3], call.inputs[6]]
  const biases = mask ? [maskBias(call, mask, total)] : []
  const causal = call.flag('is_causal')
  if (lengths) {
    // Queries are the last of an image's own places, unless what came before is given.
    const own = lengths.numbers
    const first = (image: number) => pastKey?.shape[2] ?? own[image]! - length
    const bias = endBias([n, 1, length, total], (image, i) =>
      causal ? Math.min(own[image]!, first(image) + i + 1) : own[image]!,
    )
    biases.push(call.host('float32', [n, 1, length, total], Float32Array.from(bias)).tensor())
  } else if (causal) {
    const first = pastKey?.shape[2] ?? 0
    const all = [1, 1, length, total]
    biases.push(
      call
        .tables(`causal ${[first, length, total]}`, all, [], () => [
          endBias(all, (_, i) => first + i + 1),
        ])[0]!
        .tensor(),
    )
  }
  const biased = biases.reduce((scores, bias) => add(scores, bias), capped)
  const attended = biases.length ? shares(biased) : softmax(biased)
  const y = matmul(attended.reshape([...rows, total]), value.tensor()).reshape([n, heads, length, valueSize])

  const result = call.tensor(given.type, y)
  const seen = [raw, capped, biased, attended][call.number('qk_matmul_output_mode', 0)] ?? raw
  return [
    given.shape.length === 4
      ? result
      : permuted(call, result, [0, 2, 1, 3]).reshaped([n, length, heads * valueSize]),
    key,
    value,
    call.tensor(given.type, seen.reshape(shape)),
  ]
}

/** softmax over the last axis; 0 for a row of which nothing is seen. */
function shares(scores: Tensor): Tensor {
  const raised = clamp(scores, { low: HIDDEN })
  // 1 where the largest score is a real one: any other is far from HIDDEN.
  const sees = clamp(add(max(raised, { axes: -1, keepDims: true }), -HIDDEN), { low: 0, high: 1 })
  return mul(softmax(raised), sees)
}

/** Pairs of each head's first numbers turned by an angle that grows with the place, on the host. */
const rotaryEmbedding: Operator = (call) => {
  const [x, cos, sin, places] = [call.input(0), call.input(1), call.input(2), call.inputs[3]]
  const isFlat = x.shape.length === 3
  const [n, a, b, c] = x.shape as [number, number, number, number]
  const heads = isFlat ? call.number('num_heads', 0) : a
  const [length, size] = isFlat ? [a, b / heads] : [b, c]
  if (!Number.isInteger(size)) call.fail('num_heads', 'a divisor of the last of three axes', [heads, x.shape])
  const half = (call.number('rotary_embedding_dim', 0) || size) / 2
  const [step, apart] = call.flag('interleaved') ? [2, 1] : [1, half]
  const [cosine, sine, from] = [cos.data, sin.data, x.data] as [Float64Array, Float64Array, Float64Array]
  const place = places?.data as Float64Array | undefined
  return call.host(x.type, x.shape, (y) => {
    y.set(from)
    for (const [image, head, t] of indexesOf([n, heads, length]) as Iterable<[number, number, number]>) {
      const first =
        (isFlat ? (image * length + t) * heads + head : (image * heads + head) * length + t) * size
      const row = (place ? place[image * length + t]! : image * length + t) * half
      for (let i = 0; i < half; i++) {
        const p = first + i * step
        const [re, im] = [from[p]!, from[p + apart]!]
        y[p] = cosine[row + i]! * re - sine[row + i]! * im
        y[p + apart] = sine[row + i]! * re + cosine[row + i]! * im
      }
    }
  })
}

export const attending: Record<string, Operator> = { Attention: attention, RotaryEmbedding: rotaryEmbedding }
