import { describe, expect, it } from 'vitest'
import { argmax, max, mean, min, sum } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

const total = (values: number[]) => values.reduce((a, b) => a + b, 0)

/** Math.max and Math.min give NaN where there is one. */
const ops = {
  sum: [sum, total],
  mean: [mean, (values: number[]) => total(values) / values.length],
  max: [max, (values: number[]) => Math.max(...values)],
  min: [min, (values: number[]) => Math.min(...values)],
} satisfies Record<string, [typeof sum, (values: number[]) => number]>

const firstLargest = (values: number[]) => {
  const nan = values.findIndex(Number.isNaN)
  return nan >= 0 ? nan : values.indexOf(Math.max(...values))
}

describe('reductions', () => {
  inEveryBuild((engine) => {
    const size = (shape: number[]) => shape.reduce((a, b) => a * b, 1)

    it('agree with the reference over any axes, 500 random problems', () => {
      const random = new Random(20261125)
      for (let problem = 0; problem < 500; problem++) {
        const shape = Array.from({ length: random.integer(0, 5) }, () => random.pick([1, 2, 3, 4, 5, 8, 17]))
        const axes = [...shape.keys()].filter(() => random.next() < 0.5)
        const keepDims = random.next() < 0.5
        const x = { shape, data: random.integers(size(shape)) }
        const given = axes
          .map((axis) => (random.next() < 0.5 ? axis : axis - shape.length))
          .sort(() => random.next() - 0.5)
        const about = `seed ${random.seed}, problem ${problem}: x [${shape}] axes [${given}] keepDims ${keepDims}`
        engine().scope(() => {
          const input = engine().tensor(x.data, shape)
          for (const [name, [op, formula]] of Object.entries(ops)) {
            const y = op(input, { axes: given, keepDims })
            // Integers sum exactly; a mean rounds once for each run of neighbouring axes, of which there are
            // at most three.
            expectValues(
              y,
              reference.reduce(x, axes, keepDims, formula),
              name === 'mean' ? 3 * 4 * 2 ** -24 : 0,
              `${name}, ${about}:`,
            )
          }
        })
      }
    })

    it('have every length and every number of columns', () => {
      const random = new Random(9)
      for (let n = 1; n <= 35; n++) {
        for (const inner of [1, 2, 3, 5, 15, 16, 17, 20, 33]) {
          engine().scope(() => {
            const x = { shape: [3, n, inner], data: random.integers(3 * n * inner) }
            const input = engine().tensor(x.data, x.shape)
            for (const [op, formula] of [ops.sum, ops.max, ops.min])
              expectValues(op(input, { axes: 1 }), reference.reduce(x, [1], false, formula))
            expectValues(argmax(input, { axis: 1 }), reference.reduce(x, [1], false, firstLargest))
            expectValues(
              argmax(input, { axis: 1, keepDims: true }),
              reference.reduce(x, [1], true, firstLargest),
            )
            expectValues(argmax(input), reference.reduce(x, [0, 1, 2], false, firstLargest))
            expectValues(argmax(input, { axes: [1, -1] }), reference.reduce(x, [1, 2], false, firstLargest))
          })
        }
      }
    })

    it('go over all axes by default, and give a scalar', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2, 3, 4, 5, 6], [2, 3])
        for (const [op, want] of [
          [sum, 21],
          [mean, 3.5],
          [max, 6],
          [min, 1],
          [argmax, 5],
        ] as const) {
          expect(op(x).shape).toEqual([])
          expect(op(x).toArray()[0]).toBe(want)
          expect(op(x, { keepDims: true }).shape).toEqual([1, 1])
        }
        expect([...sum(x, { axes: [] }).toArray()]).toEqual([1, 2, 3, 4, 5, 6])
        expect(max(engine().tensor([7], [])).toArray()[0]).toBe(7)
      })
    })

    it('sums are off by half a unit, however long', () => {
      const random = new Random(11)
      const n = 300_000
      for (const shape of [
        [n, 1],
        [n / 20, 20],
        [n / 16, 16],
        [n / 3, 3],
      ]) {
        engine().scope(() => {
          const x = { shape, data: random.floats(n, 0, 1) }
          const rounded = (v: { shape: number[]; data: ArrayLike<number> }) => ({
            shape: v.shape,
            data: Float32Array.from(v.data),
          })
          expectValues(
            sum(engine().tensor(x.data, shape), { axes: 0 }),
            rounded(reference.reduce(x, [0], false, total)),
            0,
            `[${shape}]:`,
          )
        })
      }
    })

    it('pass NaN and infinities on', () => {
      for (const shape of [
        [40, 1],
        [40, 3],
        [40, 16],
      ] as const) {
        for (const special of [Number.NaN, Infinity, -Infinity]) {
          for (const place of [0, 1, 7, 16, 39]) {
            engine().scope(() => {
              const x = {
                shape: [...shape],
                data: Float32Array.from({ length: size([...shape]) }, (_, i) => i % 5),
              }
              x.data[place * shape[1]] = special
              const input = engine().tensor(x.data, shape)
              for (const [op, formula] of Object.values(ops))
                expectValues(op(input, { axes: 0 }), reference.reduce(x, [0], false, formula), 1e-6)
              expectValues(argmax(input, { axis: 0 }), reference.reduce(x, [0], false, firstLargest))
            })
          }
        }
      }
      engine().scope(() => {
        const twice = engine().tensor([1, Number.NaN, 5, Number.NaN, 5, 1, 2, 9], [8])
        expect(argmax(twice).toArray()[0]).toBe(1)
        expect(argmax(engine().tensor([-Infinity, -Infinity], [2])).toArray()[0]).toBe(0)
        const pair = engine().tensor([1, 2, Number.NaN, 2, 5, Number.NaN], [3, 2])
        expect([...argmax(pair, { axis: 0 }).toArray()]).toEqual([1, 2])
      })
    })

    it('over no elements: a sum is 0, the others complain; no outputs are fine', () => {
      engine().scope(() => {
        const x = engine().zeros([2, 0, 3])
        expect([...sum(x, { axes: 1 }).toArray()]).toEqual([0, 0, 0, 0, 0, 0])
        expect(sum(x).toArray()[0]).toBe(0)
        expect(max(x, { axes: 0 }).shape).toEqual([0, 3])
        expect(argmax(x, { axis: -1 }).shape).toEqual([2, 0])
        for (const [name, op] of Object.entries({ mean, max, min, argmax })) {
          expectComplaint(
            engine(),
            () => op(x, { axes: 1 }),
            `${name}: x must be of at least one element along the axes, got none (x [2, 0, 3])`,
          )
        }
      })
    })

    it('say what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([2, 3, 4])
        const scalar = engine().zeros([])
        const complains = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        complains(() => sum(x, { axes: 3 }), 'sum: axes must be integers from -3 to 2, got 3 (x [2, 3, 4])')
        complains(() => mean(x, { axes: [0, -4] }), 'mean: axes must be integers from -3 to 2, got [0, -4]')
        complains(() => max(x, { axes: [1, 0.5] }), 'max: axes must be integers from -3 to 2, got [1, 0.5]')
        complains(() => min(x, { axes: [1, -2] }), 'min: axes must be each axis once, got [1, -2]')
        complains(() => sum(x, { axes: '1' as never }), 'sum: axes', 'got "1"')
        complains(
          () => argmax(x, { axes: [0, 2] }),
          'argmax: axes must be one axis, or axes that are neighbours, got [0, 2]',
        )
        complains(() => sum(scalar, { axes: 0 }), 'sum: axes must be none, for a scalar, got 0')
      })
    })
  })
})
