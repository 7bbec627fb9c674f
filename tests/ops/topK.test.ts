import { describe, expect, it } from 'vitest'
import * as fb from '../../src/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'

/** NaN above all, and -0 is 0. */
const compare = (a: number, b: number) =>
  a === b ? 0 : a > b ? 1 : a < b ? -1 : Number(Number.isNaN(a)) - Number(Number.isNaN(b))

/** The places of the k largest (or smallest) in plain words: sorted whole, equal ones in their order. */
const places = (row: number[], k: number, largest: boolean) =>
  [...row.keys()]
    .sort((i, j) => (largest ? compare(row[j]!, row[i]!) : compare(row[i]!, row[j]!)) || i - j)
    .slice(0, k)

describe('topK', () => {
  inEveryBuild((engine) => {
    it('finds what sorting finds, with ties, NaN and infinities, along any axis, 400 random problems', () => {
      const random = new Random(20261142)
      const odd = [Number.NaN, Infinity, -Infinity, 0, -0, 1e-45, -1e-45, 3e38, -3e38]
      for (let round = 0; round < 400; round++) {
        engine().scope(() => {
          const [outer, n, inner] = [random.integer(1, 3), random.integer(1, 60), random.pick([1, 1, 2, 5])]
          const k = random.pick([0, 1, n, random.integer(0, n)])
          const largest = random.pick([true, false])
          const dtype = random.pick(['float32', 'int32'] as const)
          const data = Array.from({ length: outer * n * inner }, () =>
            dtype === 'int32'
              ? random.pick([-(2 ** 31), 2 ** 31 - 1, 0, random.integer(-3, 3)])
              : random.pick([...odd, random.integer(-4, 4), random.next()]),
          ).map((v) => (dtype === 'int32' ? v : Math.fround(v)))
          const x = engine().tensor(data, [outer, n, inner], { dtype })
          const { values, indices } = fb.topK(x, { k, axis: -2, largest })
          expect([values.dtype, indices.dtype, values.shape, indices.shape]).toEqual([
            dtype,
            'int32',
            [outer, k, inner],
            [outer, k, inner],
          ])
          const [gotValues, gotIndices] = [values.toArray(), indices.toArray()]
          for (let o = 0; o < outer; o++) {
            for (let i = 0; i < inner; i++) {
              const row = Array.from({ length: n }, (_, j) => data[(o * n + j) * inner + i]!)
              places(row, k, largest).forEach((place, j) => {
                const at = (o * k + j) * inner + i
                expect([gotIndices[at], gotValues[at]], `seed ${random.seed}, round ${round}`).toEqual([
                  place,
                  row[place],
                ])
              })
            }
          }
        })
      }
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([2, 3])
        expectComplaint(engine(), () => fb.topK(x, { k: 4 }), 'topK: k must be an integer from 0 to 3, got 4')
        expectComplaint(engine(), () => fb.topK(x, {} as never), 'topK: k must be', 'got undefined')
        expectComplaint(engine(), () => fb.topK(x, { k: 1, axis: 2 }), 'topK: axis must be an axis of x')
        expectComplaint(engine(), () => fb.topK(x, { k: 1, largest: 1 as never }), 'topK: largest must be')
        const bytes = engine().zeros([2], { dtype: 'uint8' })
        expectComplaint(
          engine(),
          () => fb.topK(bytes as never, { k: 1 }),
          'topK: x must be of float32 or int32',
        )
      })
    })
  })
})

describe('gatherElements and scatterElements', () => {
  inEveryBuild((engine) => {
    it('move what plain loops move, of every type, 200 random problems', () => {
      const random = new Random(20261143)
      for (let round = 0; round < 200; round++) {
        engine().scope(() => {
          const [outer, n, inner] = [random.integer(1, 3), random.integer(1, 9), random.pick([1, 3, 20])]
          const count = random.integer(0, n)
          const dtype = random.pick(['float32', 'int32', 'int8', 'uint8'] as const)
          const reduction =
            dtype === 'float32' || dtype === 'int32' ? random.pick(['none', 'add'] as const) : 'none'
          const integers = (length: number) => Array.from({ length }, () => random.integer(0, 100))
          const x = integers(outer * n * inner)
          const updates = integers(outer * count * inner)
          const indices = new Array<number>(updates.length)
          for (let o = 0; o < outer; o++)
            for (let i = 0; i < inner; i++) {
              const order = [...Array(n).keys()].sort(() => random.next() - 0.5)
              for (let j = 0; j < count; j++)
                indices[(o * count + j) * inner + i] =
                  reduction === 'add' ? random.integer(0, n - 1) : order[j]!
            }
          const gathered = updates.map((_, at) => {
            const [o, i] = [Math.floor(at / (count * inner)), at % inner]
            return x[(o * n + indices[at]!) * inner + i]!
          })
          const scattered = [...x]
          updates.forEach((update, at) => {
            const to = (Math.floor(at / (count * inner)) * n + indices[at]!) * inner + (at % inner)
            scattered[to] = update + (reduction === 'add' ? scattered[to]! : 0)
          })
          const table = engine().tensor(x, [outer, n, inner], { dtype })
          const where = engine().tensor(indices, [outer, count, inner], { dtype: 'int32' })
          const news = engine().tensor(updates, [outer, count, inner], { dtype })
          const about = `seed ${random.seed}, round ${round}`
          expect([...fb.gatherElements(table, where, { axis: 1 }).toArray()], about).toEqual(gathered)
          const y = fb.scatterElements(table, where, news, { axis: 1, reduction })
          expect([...y.toArray()], about).toEqual(scattered)
          expect(y.dtype).toBe(dtype)
        })
      }
    })

    it('say what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([2, 3])
        const ints = (data: number[], shape: number[]) => engine().tensor(data, shape, { dtype: 'int32' })
        const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        const far = ints([0, 1, 0, 3], [2, 2])
        complaint(
          () => fb.gatherElements(x, far, { axis: 1 }),
          'gatherElements: indices[1, 1] must be an integer from 0 to 2, got 3',
        )
        complaint(() => fb.gatherElements(x, far), 'indices must be [2, 3], but of any length along axis 0')
        complaint(() => fb.gatherElements(x, x as never), 'gatherElements: indices must be of int32')
        const twice = ints([0, 1, 2, 2], [2, 2])
        const updates = engine().zeros([2, 2])
        complaint(
          () => fb.scatterElements(x, twice, updates, { axis: 1 }),
          "scatterElements: indices[1, 1] must be one that did not come before, unless reduction is 'add', got 2",
        )
        complaint(() => fb.scatterElements(x, twice, x, { axis: 1 }), 'updates must be [2, 2], as indices')
        const sum = { axis: 1, reduction: 'sum' as never }
        complaint(
          () => fb.scatterElements(x, twice, updates, sum),
          "scatterElements: reduction must be 'none', 'add', 'mul', 'max' or 'min', got \"sum\"",
        )
      })
    })
  })
})
