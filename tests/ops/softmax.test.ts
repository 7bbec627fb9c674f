import { describe, expect, it } from 'vitest'
import { logSoftmax, softmax } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

describe('softmax', () => {
  inEveryBuild((engine) => {
    /**
     * x - m is off by half a unit, 2^-24 |x - m|, and so exp(x - m) relatively; exp, the sum and the product
     * add a few units more. With |x - m| <= 20, and exp(-d) d <= 1: 8 * 2^-24. The logarithm is off by units
     * of numbers up to 24.
     */
    const TOLERANCE = 8 * 2 ** -24
    const LOG_TOLERANCE = 4 * 24 * 2 ** -24

    it('agrees with the reference along every axis, at every length', () => {
      const random = new Random(20261126)
      // Rows from 64 on go one by one.
      for (const n of [...Array.from({ length: 21 }, (_, i) => i + 1), 63, 64, 65, 66, 67, 68, 79, 80, 95]) {
        for (const [shape, axis] of [
          [[5, n], -1],
          [[2, 3, n], 2],
          [[n, 5], 0],
          [[2, n, 3], -2],
          [[2, n, 17], 1],
          [[n], 0],
        ] as [number[], number][]) {
          engine().scope(() => {
            const x = {
              shape,
              data: random.floats(
                shape.reduce((a, b) => a * b),
                -10,
                10,
              ),
            }
            const input = engine().tensor(x.data, shape)
            const settled = axis < 0 ? axis + shape.length : axis
            expectValues(
              softmax(input, { axis }),
              reference.softmax(x, settled, false),
              TOLERANCE,
              `[${shape}] axis ${axis}:`,
            )
            expectValues(
              logSoftmax(input, { axis }),
              reference.softmax(x, settled, true),
              LOG_TOLERANCE,
              `log [${shape}] axis ${axis}:`,
            )
          })
        }
      }
    })

    it('takes long rows, and more rows than a unit', () => {
      const random = new Random(13)
      for (const shape of [
        [3, 50_001],
        [5000, 10],
        [1000, 4, 5],
      ]) {
        engine().scope(() => {
          const x = {
            shape,
            data: random.floats(
              shape.reduce((a, b) => a * b),
              -10,
              10,
            ),
          }
          if (shape[1]! > 100)
            return expect(
              softmax(engine().tensor(x.data, shape))
                .toArray()
                .reduce((a, b) => a + b),
            ).toBeCloseTo(3, 5)
          expectValues(
            softmax(engine().tensor(x.data, shape), { axis: 1 }),
            reference.softmax(x, 1, false),
            TOLERANCE,
          )
        })
      }
    })

    it('neither overflows nor loses the small', () => {
      engine().scope(() => {
        const x = engine().tensor(
          [1e30, 1e30, -1e30, -Infinity, 3e38, 3e38, 0, 1, 1000, 1001, 1002, 1003],
          [3, 4],
        )
        const y = softmax(x).toArray()
        expect([...y.slice(0, 8)]).toEqual([0.5, 0.5, 0, 0, 0.5, 0.5, 0, 0])
        expect(y[11]).toBeCloseTo(0.6439142599, 7)
        expect([...logSoftmax(x).toArray().slice(2, 4)]).toEqual([Math.fround(-2e30), -Infinity])
        // The same in rows that go one by one.
        for (const width of [64, 77]) {
          const wide = new Float32Array(3 * width).fill(-Infinity)
          for (let row = 0; row < 3; row++)
            wide.set(x.toArray().slice(4 * row, 4 * row + 4), row * width + (row === 1 ? width - 4 : 0))
          const long = engine().tensor(wide, [3, width])
          for (const op of [softmax, logSoftmax]) {
            const [expected, got] = [op(x).toArray(), op(long).toArray()]
            for (let row = 0; row < 3; row++) {
              const start = row * width + (row === 1 ? width - 4 : 0)
              expect([...got.slice(start, start + 4)]).toEqual([...expected.slice(4 * row, 4 * row + 4)])
            }
          }
        }
        const far = logSoftmax(engine().tensor([0, -200], [2])).toArray()
        expect([...far]).toEqual([0, -200])
      })
    })

    it('is NaN along an axis with a NaN or an Infinity, and there alone', () => {
      engine().scope(() => {
        const x = engine().tensor([1, Number.NaN, 1, Infinity, 1, 1, 2, 2, 2], [3, 3])
        for (const bad of [Number.NaN, Infinity]) {
          for (const place of [0, 40, 99]) {
            const long = new Float32Array(200).fill(1)
            long[100 + place] = bad
            for (const op of [softmax, logSoftmax]) {
              const rows = [...op(engine().tensor(long, [2, 100])).toArray()].map(Number.isNaN)
              expect(rows).toEqual(rows.map((_, i) => i >= 100))
            }
          }
        }
        for (const op of [softmax, logSoftmax]) {
          const rows = [...op(x).toArray()].map(Number.isNaN)
          expect(rows.slice(0, 3)).toEqual([true, true, true])
          expect(rows.slice(6)).toEqual([false, false, false])
          expect([...op(x, { axis: 0 }).toArray()].map(Number.isNaN)).toEqual([
            true,
            true,
            false,
            true,
            true,
            false,
            true,
            true,
            false,
          ])
        }
      })
    })

    it('works in place, and on nothing', () => {
      const random = new Random(15)
      for (const axis of [0, 1]) {
        for (const op of [softmax, logSoftmax]) {
          engine().scope(() => {
            const x = engine().tensor(random.floats(7 * 13, -5, 5), [7, 13])
            const wanted = op(x, { axis }).toArray()
            expect(op(x, { axis, out: x })).toBe(x)
            expect(x.toArray()).toEqual(wanted)
            const long = engine().tensor(random.floats(3 * 83, -5, 5), [3, 83])
            const same = op(long, { axis }).toArray()
            expect(op(long, { axis, out: long }).toArray()).toEqual(same)
            expect(op(engine().zeros([0, 3]), { axis }).shape).toEqual([0, 3])
            expect(op(engine().zeros([3, 0]), { axis }).shape).toEqual([3, 0])
          })
        }
      }
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const [x, scalar, other] = [engine().zeros([2, 3]), engine().zeros([]), engine().zeros([3])]
        expectComplaint(
          engine(),
          () => softmax(x, { axis: 2 }),
          'softmax: axis must be integers from -2 to 1, got [2] (x [2, 3])',
        )
        expectComplaint(engine(), () => logSoftmax(scalar), 'logSoftmax: axis must be none, for a scalar')
        expectComplaint(engine(), () => softmax(x, { out: other }), 'softmax: out must be [2, 3], got [3]')
      })
    })
  })
})
