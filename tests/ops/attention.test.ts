import { describe, expect, it } from 'vitest'
import { attention, createEngine, mul, sum, type Tensor } from '../../src/index.js'
import { valueAndGradients } from '../../src/nn/index.js'
import * as reference from '../support/attention.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { expectGradients } from '../support/gradients.js'
import { Random } from '../support/random.js'
import type { Values } from '../support/reference.js'

const product = (shape: number[]) => shape.reduce((a, b) => a * b, 1)

describe('attention', () => {
  inEveryBuild((engine) => {
    const floats = (random: Random, shape: number[], range = 1): Values => ({
      shape,
      data: random.floats(product(shape), -range, range),
    })
    const tensor = ({ data, shape }: Values): Tensor => engine().tensor(data as Float32Array, shape)

    /**
     * Scores are at most 3 * size * scale = 3 * sqrt(size) and off by size * 2^-24 of their terms; exp takes that
     * relatively, and values are below 1: a few hundred units for the sizes here.
     */
    const TOLERANCE = 500 * 2 ** -24

    it('agrees with the definition: heads that share keys, lengths, sizes and values of any number', () => {
      const random = new Random(20261129)
      for (let trial = 0; trial < 60; trial++) {
        const kvHeads = random.integer(1, 3)
        const [n, heads] = [random.integer(1, 2), kvHeads * random.integer(1, 3)]
        const [length, keys] = [random.pick([1, 2, 5, 13, 64, 67]), random.pick([1, 3, 8, 40, 128, 131])]
        const [size, valueSize] = [random.integer(1, 21), random.integer(1, 21)]
        const q = floats(random, [n, heads, length, size], 3)
        const k = floats(random, [n, kvHeads, keys, size])
        const v = floats(random, [n, kvHeads, keys, valueSize])
        const causal = random.pick([undefined, undefined, 0, keys - 1, 2])
        const scale = random.pick([undefined, 0.3, -1])
        const softcap = random.pick([0, 0, 1.5])
        engine().scope(() => {
          const y = attention(tensor(q), tensor(k), tensor(v), {
            causal: causal ?? false,
            scale,
            softcap,
          } as never)
          const about = `seed ${random.seed} trial ${trial} q [${q.shape}] k [${k.shape}] causal ${causal}:`
          expectValues(y, reference.attention(q, k, v, { causal, scale, softcap }), TOLERANCE, about)
        })
      }
    })

    it('takes masks of bytes and of floats, of whatever shape broadcasts', () => {
      const random = new Random(20261130)
      const [n, heads, length, keys] = [2, 4, 9, 133]
      const [q, k, v] = [
        floats(random, [n, heads, length, 8], 3),
        floats(random, [n, 2, keys, 8]),
        floats(random, [n, 2, keys, 5]),
      ]
      const shapes = [
        [n, heads, length, keys],
        [heads, 1, keys],
        [n, 1, 1, keys],
        [length, keys],
        [keys],
        [length, 1],
        [n, 1, length, 1],
        [],
      ]
      for (const shape of shapes) {
        for (const isBoolean of [true, false]) {
          for (const causal of [undefined, 100]) {
            const mask = {
              shape,
              data: isBoolean
                ? Uint8Array.from({ length: product(shape) }, () => random.pick([0, 1, 1, 255]))
                : Float32Array.from({ length: product(shape) }, () =>
                    random.pick([-Infinity, 0, 0.5, random.next() * 4 - 2]),
                  ),
            }
            engine().scope(() => {
              const given = isBoolean
                ? engine().tensor(mask.data, shape, { dtype: 'uint8' })
                : engine().tensor(mask.data, shape)
              const y = attention(tensor(q), tensor(k), tensor(v), { mask: given, causal: causal ?? false })
              expectValues(
                y,
                reference.attention(q, k, v, { mask, isBoolean, causal }),
                TOLERANCE,
                `mask [${shape}] ${isBoolean ? 'uint8' : 'float32'} causal ${causal}:`,
              )
            })
          }
        }
      }
    })

    it('gives 0 to a query that sees nothing, and a derivative of 0', () => {
      engine().scope(() => {
        const x = (seed: number, shape: number[]) => tensor(floats(new Random(seed), shape))
        for (const length of [1, 6]) {
          const [q, k, v] = [x(1, [1, 1, length, 4]), x(2, [1, 1, 7, 4]), x(3, [1, 1, 7, 4])]
          for (const mask of [
            engine().zeros([length, 7], { dtype: 'uint8' }),
            engine().tensor(new Float32Array(7).fill(-Infinity), [7]),
          ]) {
            const { value, gradients } = valueAndGradients(() => sum(attention(q, k, v, { mask })), [q, k, v])
            expect(value).toBe(0)
            for (const gradient of gradients)
              expect(new Set(gradient.toArray().map(Math.abs))).toEqual(new Set([0]))
          }
        }
      })
    })

    it('stays finite where scores are huge, and tells of NaN and infinities', () => {
      engine().scope(() => {
        for (const length of [1, 9]) {
          const q = engine().tensor(new Float32Array(length * 4).fill(1e18), [1, 1, length, 4])
          const k = engine().tensor(
            Float32Array.from({ length: 36 }, (_, i) => (i < 4 ? 1e19 : -1e19)),
            [1, 1, 9, 4],
          )
          const v = engine().tensor(
            Float32Array.from({ length: 36 }, (_, i) => i),
            [1, 1, 9, 4],
          )
          expect([...attention(q, k, v).toArray().subarray(0, 4)]).toEqual([0, 1, 2, 3])
          const broken = engine().tensor(
            Float32Array.from({ length: 36 }, (_, i) => (i === 35 ? Number.NaN : 0)),
            [1, 1, 9, 4],
          )
          expect(attention(q, broken, v).toArray().every(Number.isNaN)).toBe(true)
          // What a mask hides is not seen.
          const mask = engine().tensor([1, 1, 1, 1, 1, 1, 1, 1, 0], [9], { dtype: 'uint8' })
          expect(attention(q, broken, v, { mask }).toArray().some(Number.isNaN)).toBe(false)
        }
      })
    })

    it('gives nothing of nothing, and zeros where there are no keys', () => {
      engine().scope(() => {
        const zeros = (...shape: number[]) => engine().zeros(shape)
        expect(attention(zeros(0, 2, 3, 4), zeros(0, 2, 5, 4), zeros(0, 2, 5, 4)).shape).toEqual([0, 2, 3, 4])
        expect(attention(zeros(1, 2, 0, 4), zeros(1, 2, 5, 4), zeros(1, 2, 5, 4)).shape).toEqual([1, 2, 0, 4])
        expect(attention(zeros(1, 2, 3, 4), zeros(1, 2, 5, 4), zeros(1, 2, 5, 0)).shape).toEqual([1, 2, 3, 0])
        const [q, k, v] = [zeros(1, 2, 3, 4), zeros(1, 2, 0, 4), zeros(1, 2, 0, 5)]
        const { gradients } = valueAndGradients(() => sum(attention(q, k, v)), [q, k, v])
        expect([...attention(q, k, v).toArray()]).toEqual(new Array(30).fill(0))
        expect(gradients.map(({ shape }) => shape)).toEqual([q, k, v].map(({ shape }) => shape))
      })
    })

    it('has derivatives for q, k, v and a float mask', () => {
      const random = new Random(20261201)
      for (const [length, keys, group, causal, softcap] of [
        [3, 5, 1, false, 0],
        [7, 70, 2, false, 2],
        [66, 66, 1, true, 0],
        [3, 9, 3, 6, 0],
      ] as const) {
        engine().scope(() => {
          const q = tensor(floats(random, [2, 2 * group, length, 5], 2))
          const [k, v] = [tensor(floats(random, [2, 2, keys, 5])), tensor(floats(random, [2, 2, keys, 3]))]
          for (const shape of [
            [2 * group, length, keys],
            [2, 1, 1, keys],
            [length, 1],
          ]) {
            expectGradients(
              engine(),
              random,
              [q, k, v, tensor(floats(random, shape))],
              (q, k, v, mask) => attention(q!, k!, v!, { mask: mask!, causal, softcap }),
              { about: `length ${length} mask [${shape}]`, most: 12 },
            )
          }
          const bytes = Uint8Array.from({ length: keys }, (_, i) => Number(i % 3 > 0))
          const mask = engine().tensor(bytes, [keys], { dtype: 'uint8' })
          expectGradients(engine(), random, [q, k, v], (q, k, v) => attention(q!, k!, v!, { mask, causal }))
          // One tensor as all three.
          expectGradients(engine(), random, [k], (x) => attention(x!, x!, x!))
        })
      }
    })

    it('refuses what does not fit before anything is allocated', () => {
      engine().scope(() => {
        const zeros = (...shape: number[]) => engine().zeros(shape)
        const [q, k, v] = [zeros(1, 4, 3, 8), zeros(1, 2, 5, 8), zeros(1, 2, 5, 6)]
        const refuses = (call: () => unknown, ...parts: string[]) =>
          expectComplaint(engine(), call, 'attention: ', ...parts)
        const [flat, other, three, longer] = [
          zeros(4, 3, 8),
          zeros(1, 2, 5, 7),
          zeros(1, 3, 5, 8),
          zeros(1, 2, 6, 6),
        ]
        refuses(() => attention(flat, k, v), 'q must be [n, heads, length, size]')
        refuses(() => attention(q, other, v), 'k must be [1, kvHeads, keys, 8]', '[1, 2, 5, 7]')
        refuses(() => attention(q, three, v), 'number of heads divides 4')
        refuses(() => attention(q, k, longer), 'v must be [1, 2, 5, valueSize]')
        const mask = engine().zeros([4, 5], { dtype: 'uint8' })
        refuses(() => attention(q, k, v, { mask }), 'mask must be one that broadcasts to [1, 4, 3, 5]')
        const ints = engine().zeros([3, 5], { dtype: 'int32' })
        refuses(() => attention(q, k, v, { mask: ints as never }), 'mask must be of float32 or uint8')
        refuses(() => attention(q, k, v, { causal: -1 }), 'causal')
        refuses(() => attention(q, k, v, { scale: Number.NaN }), 'scale')
        refuses(() => attention(q, k, v, { softcap: -1 }), 'softcap')
      })
    })
  })

  it('takes 4,096 tokens of 64 forwards and backwards within 64 MB, and gives its memory back', async () => {
    const engine = await createEngine({ maximumBytes: 64 * 2 ** 20, threads: 1 })
    const random = new Random(4096)
    const make = () => engine.tensor(random.floats(4096 * 64), [1, 1, 4096, 64])
    const [q, k, v] = [make(), make(), make()]
    const before = engine.memory().tensors
    const { value, gradients } = valueAndGradients(() => {
      const y = attention(q, k, v)
      return sum(mul(y, y))
    }, [q, k, v])
    expect(value).toBeGreaterThan(0)
    expect(gradients.every((gradient) => gradient.toArray().every(Number.isFinite))).toBe(true)
    for (const gradient of gradients) gradient.dispose()
    expect(engine.memory().tensors).toBe(before)
    expect(engine.memory().peak).toBeLessThan(64 * 2 ** 20)
    engine.dispose()
  })
})
