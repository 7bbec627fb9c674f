/**
 * Rotary position embedding: pairs of each head's first numbers turned by an angle that grows with the place.
 * (Su et al., "RoFormer", 2021)
 */

import type { Tensor } from '../../core/tensor.js'
import { add, mul, sub } from '../../ops/arithmetic.js'
import { concat } from '../../ops/concat.js'
import { slice } from '../../ops/slice.js'
import { transpose } from '../../ops/transpose.js'
import type { Call, Operator } from '../run/call.js'
import type { Value } from '../run/value.js'
import { joinHeads, splitHeads } from './attention.js'
import { rowsOf } from './indexing.js'

/** Cosines and sines [n or 1, length, half] of the angles at each place. */
export interface Angles {
  cos: Tensor
  sin: Tensor
}

/** Rows of both tables [places, half] for the place of each token. */
export function anglesAt(cos: Value, sin: Value, places: Value, shape: readonly [number, number]): Angles {
  const half = cos.shape[1]!
  const rows = (table: Value) => rowsOf(table, places).reshape([...shape, half])
  return { cos: rows(cos), sin: rows(sin) }
}

/** The same where places follow from `from`, on the host. */
export function anglesBy(
  call: Call,
  cos: Value,
  sin: Value,
  [n, length]: readonly [number, number],
  from: readonly Value[],
  placeOf: (image: number, i: number) => number,
): Angles {
  const half = cos.shape[1]!
  const rows = ({ data }: Value) =>
    Array.from({ length: n * length * half }, (_, at) => {
      const token = Math.floor(at / half)
      return Number(data[placeOf(Math.floor(token / length), token % length) * half + (at % half)])
    })
  const tables = call.tables(`angles ${[n, length]}`, [n, length, half], [cos, sin, ...from], () => [
    rows(cos),
    rows(sin),
  ])
  return { cos: tables[0]!.tensor(), sin: tables[1]!.tensor() }
}

/** x [n, heads, length, size] with its first 2 * half numbers turned; the others stay. */
export function turned(x: Tensor, { cos, sin }: Angles, isInterleaved: boolean): Tensor {
  const [n, heads, length, size] = x.shape as [number, number, number, number]
  const [images, , half] = cos.shape as [number, number, number]
  const dim = 2 * half
  const part = (from: Tensor, begin: number, end: number) =>
    slice(from, { begin: [0, 0, 0, begin], end: [n, heads, length, end] })
  const [c, s] = [cos, sin].map((table) => table.reshape([images, 1, length, half])) as [Tensor, Tensor]
  const head = dim === size ? x : part(x, 0, dim)
  // Neighbours that are pairs, as pairs of halves.
  const apart = isInterleaved
    ? transpose(head.reshape([n * heads * length, half, 2]), [0, 2, 1]).reshape([n, heads, length, dim])
    : head
  const [re, im] = [part(apart, 0, half), part(apart, half, dim)]
  const joined = concat([sub(mul(re, c), mul(im, s)), add(mul(re, s), mul(im, c))], { axis: -1 })
  const back = isInterleaved
    ? transpose(joined.reshape([n * heads * length, 2, half]), [0, 2, 1]).reshape([n, heads, length, dim])
    : joined
  return dim === size ? back : concat([back, part(x, dim, size)], { axis: -1 })
}

/** Whether the tables are of this width and the numbers of a head enough. */
function checkWidth(call: Call, width: number | undefined, size: number): void {
  const half = (call.number('rotary_embedding_dim', 0) || size) / 2
  if (width !== half || 2 * half > size) call.fail('cos and sin', `of ${half} numbers a place`, [width])
}

function embed(call: Call, x: Value, angles: (n: number, length: number) => Angles): Value {
  const isFlat = x.shape.length === 3
  const size = x.shape.at(-1)! / (isFlat ? call.number('num_heads', 0) || 1 : 1)
  const split = isFlat ? splitHeads(call, x, x.shape[2]! / size, 'num_heads') : x
  const [n, , length] = split.shape as [number, number, number]
  const tables = angles(n, length)
  checkWidth(call, tables.cos.shape[2], size)
  const y = call.tensor(x.type, turned(split.tensor(), tables, call.flag('interleaved')))
  return isFlat ? joinHeads(call, y) : y
}

/**
 * x, cos, sin, and places [n, length] where the tables are [places, half]; else they are [n, length, half].
 */
const rotaryEmbedding: Operator = (call) => {
  const [x, cos, sin, places] = [call.input(0), call.input(1), call.input(2), call.inputs[3]]
  const perPlace = places ? [undefined, undefined] : [undefined, undefined, undefined]
  call.shaped('cos', cos, perPlace)
  call.shaped('sin', sin, perPlace)
  return embed(call, x, (n, length) =>
    places ? anglesAt(cos, sin, places, [n, length]) : { cos: cos.tensor(), sin: sin.tensor() },
  )
}

/**
 * Of com.microsoft: x, places [n, length] or the first one [1], cos, sin; heads of whatever size the tables
 * say. `scale` does nothing, as in ONNX Runtime on every kind of machine.
 */
const rotaryOfTables: Operator = (call) => {
  const [x, places, cos, sin] = [call.input(0), call.input(1), call.input(2), call.input(3)]
  const isFlat = x.shape.length === 3
  const heads = call.number('num_heads', 0) || (isFlat ? x.shape[2]! / (2 * cos.shape[1]!) : x.shape[1]!)
  const split = isFlat ? splitHeads(call, x, heads, 'num_heads') : x
  const [n, , length] = split.shape as [number, number, number]
  const first = () => Number(places.data[0])
  const angles =
    places.size === 1 && n * length > 1
      ? anglesBy(call, cos, sin, [n, length], [places], (_, i) => first() + i)
      : anglesAt(cos, sin, places, [n, length])
  const y = call.tensor(x.type, turned(split.tensor(), angles, call.flag('interleaved')))
  return isFlat ? joinHeads(call, y) : y
}

export const rotary: Record<string, Operator> = {
  RotaryEmbedding: rotaryEmbedding,
  'com.microsoft.RotaryEmbedding': rotaryOfTables,
}
