import { describe, expect, it } from 'vitest'
import { convTranspose2d } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

describe('convTranspose2d', () => {
  inEveryBuild((engine) => {
    it('agrees exactly with the reference on small integers, 300 random problems', () => {
      const random = new Random(7)
      let solved = 0
      for (let problem = 0; problem < 300; problem++) {
        const groups = random.pick([1, 1, 2, 3])
        const ic = groups * random.pick([1, 2, 4, 5, 17])
        const groupOut = random.pick([1, 3, 8, 9])
        const size: [number, number] = [random.integer(1, 5), random.integer(1, 5)]
        const dilation: [number, number] = [random.integer(1, 3), random.integer(1, 2)]
        const stride: [number, number] = [random.integer(1, 4), random.integer(1, 3)]
        const padding: [[number, number], [number, number]] = [
          [random.integer(0, 2), random.integer(0, 3)],
          [random.integer(0, 3), random.integer(0, 2)],
        ]
        const outputPadding: [number, number] = [
          random.integer(0, Math.max(stride[0], dilation[0]) - 1),
          random.integer(0, Math.max(stride[1], dilation[1]) - 1),
        ]
        const xShape = [random.integer(1, 2), random.integer(1, 6), random.integer(1, 9), ic]
        const output = (axis: 0 | 1) =>
          (xShape[axis + 1]! - 1) * stride[axis] +
          dilation[axis] * (size[axis] - 1) +
          1 +
          outputPadding[axis] -
          padding[axis][0] -
          padding[axis][1]
        if (output(0) < 1 || output(1) < 1) continue
        const filterShape = [...size, ic, groupOut]
        const x = { shape: xShape, data: random.integers(xShape.reduce((a, b) => a * b)) }
        const filter = { shape: filterShape, data: random.integers(filterShape.reduce((a, b) => a * b)) }
        const bias = random.pick([
          undefined,
          { shape: [groups * groupOut], data: random.integers(groups * groupOut) },
        ])
        const geometry = { stride, dilation, padding }
        solved++
        engine().scope(() => {
          const y = convTranspose2d(
            engine().tensor(x.data, x.shape),
            engine().tensor(filter.data, filter.shape),
            {
              ...geometry,
              outputPadding,
              groups,
              bias: bias && engine().tensor(bias.data, bias.shape),
            },
          )
          const about = `seed ${random.seed}, problem ${problem}: x [${xShape}] filter [${filterShape}] ${JSON.stringify(geometry)} output padding ${outputPadding} groups ${groups}:`
          expectValues(
            y,
            reference.convTranspose2d(x, filter, bias, geometry, outputPadding, groups),
            0,
            about,
          )
        })
      }
      expect(solved).toBeGreaterThan(200)
    })

    it("gives input x stride with padding 'same'", () => {
      engine().scope(() => {
        for (const [size, stride] of [
          [4, 2],
          [3, 2],
          [2, 2],
          [3, 1],
          [1, 3],
          [2, 3],
          [5, 4],
        ] as const) {
          const y = convTranspose2d(engine().zeros([1, 5, 7, 2]), engine().zeros([size, size, 2, 3]), {
            stride,
            padding: 'same',
          })
          expect(y.shape).toEqual([1, 5 * stride, 7 * stride, 3])
        }
      })
    })

    it('clamps in the store, and takes an empty batch', () => {
      engine().scope(() => {
        const filter = engine().tensor([1, -1], [1, 1, 1, 2])
        expect([
          ...convTranspose2d(engine().tensor([-3, 9], [1, 1, 2, 1]), filter, {
            activation: 'relu6',
          }).toArray(),
        ]).toEqual([0, 3, 6, 0])
        expect(convTranspose2d(engine().zeros([0, 3, 3, 1]), filter).shape).toEqual([0, 3, 3, 2])
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 4, 4, 6])
        const filter = engine().zeros([3, 3, 6, 4])
        const wrong = (...args: Parameters<typeof convTranspose2d>) => ({
          toSay: (...parts: string[]) =>
            expectComplaint(engine(), () => convTranspose2d(...args), 'convTranspose2d: ', ...parts),
        })
        wrong(x.reshape([4, 4, 6]), filter).toSay('x must be [n, height, width, channels], got rank 3')
        wrong(x, engine().zeros([3, 3, 5, 4])).toSay(
          'filter must be one of 6 input channels, got 5',
          'x [1, 4, 4, 6]',
        )
        wrong(x, filter, { groups: 4 }).toSay('groups must be a divisor of 6 input channels, got 4')
        wrong(x, filter, { stride: 0 }).toSay('stride must be a positive integer', 'got 0')
        wrong(x, filter, { stride: 2, outputPadding: 2 }).toSay(
          'outputPadding must be smaller than stride [2, 2] or dilation [1, 1], got [2, 2]',
        )
        wrong(x, filter, { padding: 9 }).toSay('padding must be', 'height')
        wrong(x, filter, { bias: engine().zeros([5]) }).toSay('bias must be [4], got [5]')
        wrong(x, filter, { activation: 'swoosh' as 'relu' }).toSay('activation must be', 'relu6', '"swoosh"')
      })
    })
  })
})
