import { describe, expect, it } from 'vitest'
import { linear, matmul, type Tensor } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

describe('matmul and linear', () => {
  inEveryBuild((engine) => {
    it('agree exactly with the reference on small integers, at every tail size', () => {
      const random = new Random(3)
      for (const m of [1, 2, 3, 4, 5, 6, 7, 11, 31]) {
        for (const n of [1, 3, 4, 7, 8, 9, 16, 17]) {
          for (const k of [1, 2, 3, 4, 5, 8, 33]) {
            engine().scope(() => {
              const a = { shape: [m, k], data: random.integers(m * k) }
              const b = { shape: [k, n], data: random.integers(k * n) }
              const ta = engine().tensor(a.data, a.shape)
              const tb = engine().tensor(b.data, b.shape)
              expectValues(matmul(ta, tb), reference.matmul(a, b, []), 0, `${m} x ${k} x ${n}`)
              expectValues(linear(ta, tb), reference.matmul(a, b, []), 0, `${m} x ${k} x ${n}`)
            })
          }
        }
      }
    })

    it('broadcasts the axes before the last two', () => {
      const random = new Random(4)
      for (const [aBatch, bBatch, batch] of [
        [[3], [3], [3]],
        [[3], [], [3]],
        [[], [4], [4]],
        [[2, 1], [3], [2, 3]],
        [
          [1, 3],
          [2, 1],
          [2, 3],
        ],
        [[2, 2], [1], [2, 2]],
      ] as number[][][]) {
        engine().scope(() => {
          const aShape = [...aBatch!, 5, 4]
          const bShape = [...bBatch!, 4, 9]
          const a = { shape: aShape, data: random.integers(aShape.reduce((p, q) => p * q)) }
          const b = { shape: bShape, data: random.integers(bShape.reduce((p, q) => p * q)) }
          expectValues(
            matmul(engine().tensor(a.data, aShape), engine().tensor(b.data, bShape)),
            reference.matmul(a, b, batch!),
            0,
            `${aBatch} with ${bBatch}`,
          )
        })
      }
    })

    it('linear adds its bias, applies its activation, and keeps the axes before the last', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2, 3, 4, 5, 6], [1, 3, 2])
        const y = linear(x, engine().tensor([1, -1, 10, 1], [2, 2]), {
          bias: engine().tensor([0, 1], [2]),
          activation: 'relu',
        })
        expect(y.shape).toEqual([1, 3, 2])
        expect([...y.toArray()]).toEqual([21, 2, 43, 2, 65, 2])
      })
    })

    it('takes lengths of zero: no rows, no columns, and sums of nothing', () => {
      engine().scope(() => {
        expect(matmul(engine().zeros([0, 3]), engine().zeros([3, 2])).shape).toEqual([0, 2])
        expect([...matmul(engine().zeros([2, 0]), engine().zeros([0, 2])).toArray()]).toEqual([0, 0, 0, 0])
        expect(linear(engine().zeros([0, 3]), engine().zeros([3, 2])).shape).toEqual([0, 2])
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const a = engine().zeros([2, 3])
        const b = engine().zeros([4, 2])
        const [wide, deep, weight, bias] = [[2, 1, 3], [3, 3, 1], [3, 2], [3]].map((shape) =>
          engine().zeros(shape),
        ) as [Tensor, Tensor, Tensor, Tensor]
        const flat = a.reshape([6])
        expectComplaint(engine(), () => matmul(a, b), 'matmul: b must be [..., 3, n], got [4, 2]', 'a [2, 3]')
        expectComplaint(engine(), () => matmul(flat, b), 'matmul: a must be [..., m, k], got [6]')
        expectComplaint(engine(), () => matmul(wide, deep), 'matmul: b must be', 'broadcast')
        expectComplaint(engine(), () => linear(a, b), 'linear: x must be [..., 4], got [2, 3]')
        expectComplaint(engine(), () => linear(a, weight, { bias }), 'linear: bias must be [2], got [3]')
      })
    })
  })
})
