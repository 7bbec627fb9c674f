import { describe, expect, it } from 'vitest'
import { batchNorm } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

describe('batchNorm', () => {
  inEveryBuild((engine) => {
    it('normalises each channel, whatever their number', () => {
      const random = new Random(20261127)
      for (const channels of [...Array(34).keys(), 63, 64, 65, 127, 1000, 1001, 4095, 4096, 5000]) {
        engine().scope(() => {
          const shape = [2, channels > 100 ? 2 : 37, channels]
          const x = {
            shape,
            data: random.floats(
              shape.reduce((a, b) => a * b),
              -4,
              4,
            ),
          }
          const [mean, scale, offset] = [
            random.floats(channels, -2, 2),
            random.floats(channels, -2, 2),
            random.floats(channels, -2, 2),
          ]
          const variance = random.floats(channels, 0.25, 2)
          const vector = (data: Float32Array) => engine().tensor(data, [channels])
          const y = batchNorm(engine().tensor(x.data, shape), {
            mean: vector(mean),
            variance: vector(variance),
            scale: vector(scale),
            offset: vector(offset),
          })
          // |x s| <= 16 and |t| <= 10: s, t, the product and the sum are each off by half a unit of at most
          // 32.
          const wanted = reference.build(shape, (...index) => {
            const c = index[2]!
            return (
              ((reference.at(x, index) - mean[c]!) / Math.sqrt(variance[c]! + 1e-5)) * scale[c]! + offset[c]!
            )
          })
          expectValues(y, wanted, 4 * 16 * 2 ** -24, `${channels} channels:`)
        })
      }
    })

    it('has defaults, an epsilon, an activation, and writes where it is told', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2, 3, 4, -5, 6], [3, 2])
        const statistics = { mean: engine().tensor([1, 2], [2]), variance: engine().tensor([3, 0], [2]) }
        expectValues(batchNorm(x, { ...statistics, epsilon: 1 }), {
          shape: [3, 2],
          data: [0, 0, 1, 2, -3, 4],
        })
        expectValues(batchNorm(x, { ...statistics, epsilon: 1, activation: [-1, 3] }), {
          shape: [3, 2],
          data: [0, 0, 1, 2, -1, 3],
        })
        expectValues(
          batchNorm(x, { ...statistics, epsilon: 1, activation: 'tanh' }),
          { shape: [3, 2], data: [0, 0, 1, 2, -3, 4].map(Math.tanh) },
          2e-7,
        )
        expect([...batchNorm(x, { ...statistics, epsilon: 0 }).toArray()].filter(Number.isNaN)).toHaveLength(
          3,
        )
        expect(batchNorm(x, { ...statistics, epsilon: 1, out: x })).toBe(x)
        expect([...x.toArray()]).toEqual([0, 0, 1, 2, -3, 4])
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([2, 3])
        const [two, three, scalar] = [engine().zeros([2]), engine().zeros([3]), engine().zeros([])]
        const complains = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        complains(
          () => batchNorm(x, { mean: three, variance: two }),
          'batchNorm: variance must be [3], got [2]',
          'x [2, 3], mean [3], variance [2]',
        )
        complains(
          () => batchNorm(x, { mean: three } as never),
          'batchNorm: variance must be a tensor, got undefined',
        )
        complains(
          () => batchNorm(x, { mean: three, variance: three, epsilon: -1 }),
          'batchNorm: epsilon must be a number of at least 0, got -1',
        )
        complains(
          () => batchNorm(scalar, { mean: three, variance: three }),
          'batchNorm: x must be [..., channels], got []',
        )
        complains(
          () => batchNorm(x, { mean: three, variance: three, out: three }),
          'batchNorm: out must be [2, 3], got [3]',
        )
      })
    })
  })
})
