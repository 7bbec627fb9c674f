/** Random numbers: other ones in each run; with a seed the same ones of each model that is loaded. */

import { bySlices } from '../../../base/turns.js'
import { type ElementType, typeOf } from '../../file/types.js'
import type { Node } from '../../graph/graph.js'
import type { Call, Operator } from '../../run/call.js'
import type { Value } from '../../run/value.js'

type Source = () => number

const seeded = new WeakMap<Node, Source>()

/** Numbers from 0 to 1 by a state of 32 bits. (Tommy Ettinger, "Mulberry32", 2017, in the public domain.) */
function mulberry(seed: number): Source {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Where the numbers of a node come from, which nothing but its seed decides. */
function sourceOf(call: Call): Source {
  // Nothing that is known before the run, so that it is never kept.
  call.run.hostReads = true
  if (!call.has('seed')) return Math.random
  let source = seeded.get(call.node)
  if (!source) {
    const [word] = new Int32Array(Float32Array.of(call.number('seed', 0)).buffer)
    source = mulberry(word!)
    seeded.set(call.node, source)
  }
  return source
}

/** From the normal distribution. (Box and Muller, 1958.) */
const normal = (next: Source): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())

const typeFor = (call: Call, otherwise: ElementType): ElementType => {
  const code = call.number('dtype', undefined)
  if (code === undefined) return otherwise
  return typeOf(code) ?? call.fail('dtype', 'a type of the standard', code)
}

const filled = (call: Call, shape: readonly number[], type: ElementType, next: Source): Value =>
  call.host(type, shape, (to) =>
    bySlices(
      to.length,
      (begin, end) => {
        for (let i = begin; i < end; i++) to[i] = next()
      },
      DRAWN,
    ),
  )

/** How many times longer than a sum it takes to draw a number. */
const DRAWN = 8

const drawn = {
  normal: (call: Call) => {
    const [mean, scale, next] = [call.number('mean', 0), call.number('scale', 1), sourceOf(call)]
    return () => mean + scale * normal(next)
  },
  uniform: (call: Call) => {
    const [low, high, next] = [call.number('low', 0), call.number('high', 1), sourceOf(call)]
    return () => low + (high - low) * next()
  },
}

const shaped =
  (kind: keyof typeof drawn): Operator =>
  (call) =>
    filled(call, call.numbers('shape', []), typeFor(call, 'float32'), drawn[kind](call))

const like =
  (kind: keyof typeof drawn): Operator =>
  (call) => {
    const x = call.input(0)
    return filled(call, x.shape, typeFor(call, x.type), drawn[kind](call))
  }

/** 1 with the probability that x has, else 0. */
const bernoulli: Operator = (call) => {
  const x = call.input(0)
  const [from, next] = [x.data as Float64Array, sourceOf(call)]
  let i = 0
  return filled(call, x.shape, typeFor(call, x.type), () => Number(next() < from[i++]!))
}

/** Classes by the logarithms of what they weigh, `sample_size` of each row. */
const multinomial: Operator = (call) => {
  const x = call.input(0)
  const [rows, classes] = x.shape as [number, number]
  if (x.shape.length !== 2 || !classes) call.fail('input 0', '[rows, classes]', x.shape)
  const [from, next] = [x.data as Float64Array, sourceOf(call)]
  const count = call.number('sample_size', 1)
  return call.host(typeFor(call, 'int32'), [rows, count], (to) => {
    for (let row = 0; row < rows; row++) {
      const own = Array.from(from.subarray(row * classes, (row + 1) * classes))
      const most = Math.max(...own)
      let sum = 0
      const sums = own.map((v) => {
        sum += Math.exp(v - most)
        return sum
      })
      for (let k = 0; k < count; k++) {
        const wanted = next() * sum
        to[row * count + k] = sums.findIndex((v) => wanted < v)
      }
    }
  })
}

export const chance: Record<string, Operator> = {
  Bernoulli: bernoulli,
  Multinomial: multinomial,
  RandomNormal: shaped('normal'),
  RandomNormalLike: like('normal'),
  RandomUniform: shaped('uniform'),
  RandomUniformLike: like('uniform'),
}
