import { describe, expect, it } from 'vitest'
import { concat, pad, reshape, slice, transpose } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

const randomShape = (random: Random, rank: number): number[] =>
  Array.from({ length: rank }, () => random.pick([0, 1, 1, 2, 3, 4, 5, 7, 8, 17]))

const counted = (shape: number[]): { shape: number[]; data: Float32Array } => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i + 1),
})

function shuffled(random: Random, rank: number): number[] {
  const order = Array.from({ length: rank }, (_, i) => i)
  for (let i = rank - 1; i > 0; i--) {
    const j = random.integer(0, i)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

/** Values that arithmetic would change. */
const specials = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-45, 3.4028234e38]

describe('moving data', () => {
  inEveryBuild((engine) => {
    const tensor = ({ shape, data }: { shape: number[]; data: Float32Array }) => engine().tensor(data, shape)
    const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)

    it('concat agrees with the reference, 300 random problems', () => {
      const random = new Random(20261123)
      for (let problem = 0; problem < 300; problem++) {
        const rank = random.integer(1, 5)
        const shape = randomShape(random, rank)
        const axis = random.integer(0, rank - 1)
        const parts = Array.from({ length: random.integer(1, 4) }, () =>
          counted(shape.map((n, i) => (i === axis ? random.integer(0, 9) : n))),
        )
        engine().scope(() => {
          const y = concat(parts.map(tensor), { axis: random.pick([axis, axis - rank]) })
          expectValues(
            y,
            reference.concat(parts, axis),
            0,
            `problem ${problem}: ${JSON.stringify(parts.map((part) => part.shape))} axis ${axis}:`,
          )
        })
      }
    })

    it('pad agrees with the reference, 300 random problems', () => {
      const random = new Random(20261124)
      for (let problem = 0; problem < 300; problem++) {
        const x = counted(randomShape(random, random.integer(0, 5)))
        const padding = x.shape.map((): [number, number] => [
          random.pick([0, 0, 1, 2, 5]),
          random.pick([0, 0, 1, 3, 4]),
        ])
        const value = random.pick([undefined, -1.5, Number.NaN, Number.NEGATIVE_INFINITY])
        engine().scope(() => {
          expectValues(
            pad(tensor(x), { padding, value }),
            reference.pad(x, padding, value ?? 0),
            0,
            `problem ${problem}: [${x.shape}] ${JSON.stringify(padding)}:`,
          )
        })
      }
    })

    it('slice agrees with the reference, 300 random problems', () => {
      const random = new Random(20261125)
      for (let problem = 0; problem < 300; problem++) {
        const x = counted(randomShape(random, random.integer(0, 5)))
        const begin = x.shape.map((length) => random.integer(0, length))
        const end = x.shape.map((length, i) => random.integer(begin[i]!, length))
        const step = x.shape.map(() => random.pick([1, 1, 2, 3]))
        const negative = (indexes: number[]) =>
          indexes.map((index, i) =>
            index < x.shape[i]! && random.next() < 0.3 ? index - x.shape[i]! : index,
          )
        engine().scope(() => {
          const y = slice(tensor(x), { begin: negative(begin), end: negative(end), step })
          expectValues(
            y,
            reference.slice(x, begin, end, step),
            0,
            `problem ${problem}: [${x.shape}] from ${begin} to ${end} by ${step}:`,
          )
        })
      }
    })

    it('transpose agrees with the reference, 400 random problems', () => {
      const random = new Random(20261126)
      for (let problem = 0; problem < 400; problem++) {
        const x = counted(randomShape(random, random.integer(0, 6)))
        const axes = shuffled(random, x.shape.length)
        engine().scope(() => {
          expectValues(
            transpose(tensor(x), axes),
            reference.transpose(x, axes),
            0,
            `problem ${problem}: [${x.shape}] axes ${axes}:`,
          )
        })
      }
    })

    it('transposes matrices of every tail size, and larger than a unit', () => {
      for (const [rows, columns] of [
        ...Array.from({ length: 400 }, (_, i) => [1 + (i % 20), 1 + Math.floor(i / 20)]),
        [1000, 130],
        [3, 50_000],
        [50_000, 3],
      ] as [number, number][]) {
        engine().scope(() => {
          const x = counted([rows, columns])
          expectValues(transpose(tensor(x)), reference.transpose(x, [1, 0]))
        })
      }
    })

    it('moves every bit pattern as it is', () => {
      engine().scope(() => {
        const data = Float32Array.from({ length: 6 * 12 }, (_, i) => specials[i % 6]!)
        const x = engine().tensor(data, [6, 12])
        expect(transpose(transpose(x)).toArray()).toEqual(data)
        expect(concat([slice(x, { end: [6, 5] }), slice(x, { begin: [0, 5] })]).toArray()).toEqual(data)
      })
    })

    it('counts axes and indexes from the end, and has the defaults that it says', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2, 3, 4, 5, 6], [2, 3])
        expect(slice(x).toArray()).toEqual(x.toArray())
        expect(slice(x, { begin: [-1, 0] }).toArray()).toEqual(Float32Array.of(4, 5, 6))
        expect(slice(x, { end: [2, -1] }).toArray()).toEqual(Float32Array.of(1, 2, 4, 5))
        expect(concat([x, x]).shape).toEqual([2, 6])
        expect(transpose(x).toArray()).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6))
        expect(transpose(x, [-1, -2]).shape).toEqual([3, 2])
      })
    })

    it('reshape shares the numbers', () => {
      engine().scope(() => {
        const x = engine().zeros([2, 3])
        const y = reshape(x, [-1])
        x.set([1, 2, 3, 4, 5, 6])
        x.dispose()
        expect(y.toArray()).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
        complaint(
          () => reshape(y, [4]),
          'reshape: shape must be lengths of at least 0 (one may be -1) with 6 elements in all, got [4] (x [6])',
        )
        complaint(() => reshape(x, [6]), 'reshape: x must be alive')
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([2, 3, 4])
        const y = engine().zeros([2, 3, 5])
        const scalar = engine().zeros([])
        complaint(() => concat([]), 'concat: tensors must be an array of at least one tensor, got []')
        complaint(
          () => concat(x as never),
          'concat: tensors must be an array of at least one tensor, got an object (Tensor)',
        )
        complaint(() => concat([x, 3 as never]), 'concat: tensors[1] must be a tensor, got 3')
        complaint(
          () => concat([x, y], { axis: 0 }),
          'concat: tensors[1] must be [any, 3, 4], got [2, 3, 5] (tensors[0] [2, 3, 4], tensors[1] [2, 3, 5])',
        )
        complaint(() => concat([x, scalar]), 'concat: tensors[1] must be [2, 3, any], got []')
        complaint(() => concat([scalar]), 'concat: tensors[0] must be of rank 1 or more')
        for (const axis of [3, -4, 0.5])
          complaint(
            () => concat([x, y], { axis }),
            `concat: axis must be an axis of x: an integer from -3 to 2, got ${axis}`,
          )
        complaint(
          () => pad(x, { padding: [[1, 1]] }),
          'pad: padding must be 3 pairs [before, after] of integers of at least 0',
          '(x [2, 3, 4])',
        )
        complaint(() => pad(scalar, { padding: [[1, 1]] }), 'pad: padding must be 0 pairs')
        complaint(
          () =>
            pad(x, {
              padding: [
                [1, 1],
                [0, -1],
                [0, 0],
              ],
            }),
          'pad: padding must be',
          'got [[1, 1], [0, -1], [0, 0]]',
        )
        complaint(
          () =>
            pad(x, {
              padding: [
                [0, 0],
                [0, 0],
                [0, 0],
              ],
              value: '1' as never,
            }),
          'pad: value must be a number, got "1"',
        )
        complaint(
          () => slice(x, { begin: [0, 0] }),
          'slice: begin must be an array of 3 integers, one per axis of x, got [0, 0]',
        )
        complaint(
          () => slice(x, { end: [2, 3, 5] }),
          'slice: end[2] must be an integer from -4 to 4, got 5 (x [2, 3, 4])',
        )
        complaint(
          () => slice(x, { begin: [0, 0.5, 0] }),
          'slice: begin[1] must be an integer from -3 to 3, got 0.5',
        )
        complaint(
          () => slice(x, { begin: [0, 2, 0], end: [2, 1, 4] }),
          'slice: end[1] must be at or after begin[1] = 2, got 1',
        )
        complaint(() => slice(x, { step: [1, 0, 1] }), 'slice: step[1] must be a positive integer, got 0')
        complaint(
          () => transpose(x, [0, 1]),
          'transpose: axes must be the 3 axes of x in some order, got [0, 1]',
        )
        complaint(
          () => transpose(x, [0, 1, 1]),
          'transpose: axes must be the 3 axes of x in some order, got [0, 1, 1]',
        )
        complaint(
          () => transpose(x, [0, 1, 3]),
          'transpose: axes[2] must be an axis of x: an integer from -3 to 2, got 3',
        )
      })
    })
  })
})
