import { describe, expect, it } from 'vitest'
import { add, div, mul, sub, type Tensor } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

const ops = {
  add: [add, (a, b) => a + b],
  sub: [sub, (a, b) => a - b],
  mul: [mul, (a, b) => a * b],
  div: [div, (a, b) => Math.fround(a / b)],
} satisfies Record<string, [typeof add, (a: number, b: number) => number]>

describe('arithmetic', () => {
  inEveryBuild((engine) => {
    const size = (shape: number[]) => shape.reduce((a, b) => a * b, 1)

    it('broadcasts as NumPy does, exactly on integers, 600 random problems', () => {
      const random = new Random(20261124)
      for (let problem = 0; problem < 600; problem++) {
        const [name, [op, formula]] = random.pick(Object.entries(ops))
        const rank = random.integer(0, 5)
        const shape = Array.from({ length: rank }, () => random.pick([0, 1, 2, 3, 4, 5, 7, 8, 17]))
        // Either operand lacks leading axes, or has length 1 where the other has more.
        const narrowed = () =>
          shape
            .map((length) => (random.next() < 0.4 ? 1 : length))
            .slice(random.next() < 0.3 ? random.integer(0, rank) : 0)
        const [aShape, bShape] = random.next() < 0.3 ? [shape, narrowed()] : [narrowed(), narrowed()]
        const a = { shape: aShape, data: random.integers(size(aShape)) }
        const b = { shape: bShape, data: random.integers(size(bShape), 1, 9) }
        engine().scope(() => {
          const y = op(engine().tensor(a.data, a.shape), engine().tensor(b.data, b.shape))
          expectValues(
            y,
            reference.zip(a, b, formula),
            0,
            `seed ${random.seed}, problem ${problem}: ${name} [${aShape}] [${bShape}]:`,
          )
        })
      }
    })

    it('has every way to lie in memory, over several blocks', () => {
      const random = new Random(5)
      const pairs: [number[], number[]][] = [
        [[9000], [9000]],
        [[9000], []],
        [[3000, 3], [3]],
        [
          [3000, 3],
          [3000, 1],
        ],
        [[3, 3000], [3000]],
        [
          [5, 3000],
          [5, 1],
        ],
        [[70, 129], [129]],
        [
          [8, 20, 60],
          [8, 1, 60],
        ],
        [
          [8, 1, 60],
          [1, 20, 60],
        ],
        [
          [8, 20, 1],
          [20, 60],
        ],
        [
          [2000, 1],
          [1, 5],
        ],
        [
          [17, 1, 23, 1],
          [1, 5, 1, 7],
        ],
      ]
      for (const [p, q] of pairs) {
        for (const [aShape, bShape] of [
          [p, q],
          [q, p],
        ] as const) {
          engine().scope(() => {
            const a = { shape: aShape, data: random.integers(size(aShape)) }
            const b = { shape: bShape, data: random.integers(size(bShape)) }
            const y = sub(engine().tensor(a.data, aShape), engine().tensor(b.data, bShape))
            expectValues(y, reference.zip(a, b, ops.sub[1]), 0, `[${aShape}] - [${bShape}]:`)
          })
        }
      }
    })

    it('takes a number on either side', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2, 4, 8, 16], [5])
        expect([...sub(x, 1).toArray()]).toEqual([0, 1, 3, 7, 15])
        expect([...sub(1, x).toArray()]).toEqual([0, -1, -3, -7, -15])
        expect([...div(16, x).toArray()]).toEqual([16, 8, 4, 2, 1])
        expect([...mul(x, Infinity).toArray()]).toEqual(Array(5).fill(Infinity))
        expect(add(engine().tensor([2], []), 3).toArray()[0]).toBe(5)
      })
    })

    it('lets infinities and NaN through', () => {
      engine().scope(() => {
        const a = engine().tensor([Infinity, 0, 1, -1, Number.NaN, -Infinity], [6])
        const b = engine().tensor([Infinity, 0, 0, 0, 1, 2], [6])
        expect([...div(a, b).toArray()]).toEqual([
          Number.NaN,
          Number.NaN,
          Infinity,
          -Infinity,
          Number.NaN,
          -Infinity,
        ])
        expect([...sub(a, b, { activation: 'relu' }).toArray()]).toEqual([Number.NaN, 0, 1, 0, Number.NaN, 0])
      })
    })

    it('ends with an activation, and writes where it is told', () => {
      const random = new Random(7)
      engine().scope(() => {
        const a = { shape: [3, 41], data: random.integers(123) }
        const b = { shape: [41], data: random.integers(41) }
        const [x, bias] = [engine().tensor(a.data, a.shape), engine().tensor(b.data, b.shape)]
        expectValues(
          add(x, bias, { activation: 'relu' }),
          reference.zip(a, b, (p, q) => Math.max(0, p + q)),
        )
        expectValues(
          add(x, bias, { activation: [-1, 2] }),
          reference.zip(a, b, (p, q) => Math.min(2, Math.max(-1, p + q))),
        )
        expectValues(
          add(x, bias, { activation: 'tanh' }),
          reference.zip(a, b, (p, q) => Math.tanh(p + q)),
          4e-7,
        )
        expect(add(bias, x, { out: x })).toBe(x)
        expectValues(x, reference.zip(a, b, ops.add[1]))
        expect(mul(x, x, { out: x })).toBe(x)
        expectValues(
          x,
          reference.zip(a, b, (p, q) => (p + q) ** 2),
        )
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const [a, b] = [engine().zeros([2, 3]), engine().zeros([2])]
        const complains = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        complains(
          () => add(a, b),
          'add: b must be of a shape that broadcasts with [2, 3], got [2] (a [2, 3], b [2])',
        )
        complains(() => mul(2, 3 as unknown as Tensor), 'mul: a must be a tensor where b is none, got 2')
        complains(() => div(a, '2' as never), 'div: b must be a tensor, got "2"')
        complains(() => sub(a, 1, { out: b }), 'sub: out must be [2, 3], got [2]')
      })
    })
  })
})
