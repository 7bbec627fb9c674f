import { describe, expect, it } from 'vitest'
import { avgPool3d, conv2d, conv3d, maxPool3d } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import type { Values } from '../support/reference.js'
import * as reference from '../support/reference.js'

const product = (shape: number[]) => shape.reduce((a, b) => a * b)

/** A window over x, or undefined where none fits. */
function randomVolume(random: Random, input: number[], size: number[], most = 2) {
  const three = (low: number, high: number) =>
    [0, 1, 2].map(() => random.integer(low, high)) as [number, number, number]
  const [stride, dilation] = [three(1, 3), three(1, 2)]
  const padding = size.map((taps): [number, number] => [
    random.integer(0, Math.min(most, taps - 1)),
    random.integer(0, Math.min(most, taps - 1)),
  ]) as [[number, number], [number, number], [number, number]]
  const fits = size.every(
    (taps, i) => input[i]! + padding[i]![0] + padding[i]![1] > dilation[i]! * (taps - 1),
  )
  return fits ? { stride, dilation, padding } : undefined
}

describe('conv3d', () => {
  inEveryBuild((engine) => {
    it('agrees exactly with the reference on small integers, random problems', () => {
      const random = new Random(20261129)
      let solved = 0
      for (let problem = 0; problem < 120; problem++) {
        const groups = random.pick([1, 1, 2, 3, 5])
        const [groupIn, groupOut] = problem % 4 ? [random.integer(1, 9), random.integer(1, 9)] : [1, 1]
        const size = problem % 5 ? [0, 1, 2].map(() => random.integer(1, 3)) : [1, 3, 2]
        const input = [random.integer(1, 6), random.integer(1, 7), random.integer(1, 8)]
        const geometry = randomVolume(random, input, size)
        if (!geometry) continue
        solved++
        const shapes = [
          [random.integer(0, 2), ...input, groups * groupIn],
          [...size, groupIn, groups * groupOut],
          [groups * groupOut],
        ]
        const [x, filter, bias] = shapes.map((shape) => ({
          shape,
          data: random.integers(product(shape)),
        })) as unknown as [Values, Values, Values]
        engine().scope(() => {
          const tensors = [x, filter, bias].map(({ data, shape }) =>
            engine().tensor([...Array.from(data)], shape),
          )
          const isExact = { algorithm: 'igemm', activation: [-40, 60] } as const
          const y = conv3d(tensors[0]!, tensors[1]!, { ...geometry, groups, bias: tensors[2]!, ...isExact })
          const want = reference.conv3d(x, filter, bias, geometry, groups)
          const clamped = Float64Array.from(want.data, (v) => Math.min(60, Math.max(-40, v)))
          const about = `problem ${problem}: x [${x.shape}] filter [${filter.shape}] ${JSON.stringify(geometry)} groups ${groups}:`
          expectValues(y, { shape: want.shape, data: clamped }, 0, about)
          const auto = conv3d(tensors[0]!, tensors[1]!, { ...geometry, groups, bias: tensors[2]! })
          expectValues(auto, want, 1e-3, `auto, ${about}`)
        })
      }
      expect(solved).toBeGreaterThan(60)
    })

    it("takes 'same', numbers and `out`, and is conv2d where the window is one plane deep", () => {
      const random = new Random(5)
      engine().scope(() => {
        const x = engine().tensor(random.integers(2 * 4 * 5 * 6 * 3), [2, 4, 5, 6, 3])
        const filter = engine().tensor(random.integers(27 * 3 * 4), [3, 3, 3, 3, 4])
        const y = conv3d(x, filter, { padding: 'same', stride: 2 })
        expect(y.shape).toEqual([2, 2, 3, 3, 4])
        const out = engine().zeros(y.shape)
        expect(conv3d(x, filter, { padding: 'same', stride: [2, 2, 2], out })).toBe(out)
        expect(out.toArray()).toEqual(y.toArray())
        const flat = engine().tensor(random.integers(9 * 3 * 4), [1, 3, 3, 3, 4])
        expect(conv3d(x, flat, { padding: [0, 1, 1] }).toArray()).toEqual(
          conv2d(x.reshape([8, 5, 6, 3]), flat.reshape([3, 3, 3, 4]), { padding: 1 }).toArray(),
        )
      })
    })

    it('follows a filter that changes', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2], [1, 2, 1, 1, 1])
        const filter = engine().tensor([10, 1], [2, 1, 1, 1, 1])
        expect([...conv3d(x, filter).toArray()]).toEqual([12])
        filter.set([3, 1])
        expect([...conv3d(x, filter).toArray()]).toEqual([5])
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 4, 4, 4, 2])
        const filter = engine().zeros([3, 3, 3, 2, 2])
        const [flat, taps] = [x.reshape([4, 4, 4, 2]), filter.reshape([27, 2, 2])]
        const complains = (options: object, part: string) =>
          expectComplaint(engine(), () => conv3d(x, filter, options), 'conv3d', part)
        complains(
          { stride: [1, 2] },
          'stride must be a positive integer or [depth, height, width] of such, got [1, 2]',
        )
        complains({ padding: [1, 2] }, '[[front, back], [top, bottom], [left, right]], got [1, 2]')
        complains({ dilation: [3, 1, 1] }, "a window that reaches over 7 to fit the input's depth 4")
        complains({ algorithm: 'depthwise' }, 'algorithm must be one that fits this layer')
        expectComplaint(
          engine(),
          () => conv3d(flat, filter),
          'x must be [n, depth, height, width, channels], got rank 4',
        )
        expectComplaint(
          engine(),
          () => conv3d(x, taps),
          'filter must be [depth, height, width, inChannels / groups, outChannels], got rank 3',
        )
      })
    })
  })
})

describe('pooling along three axes', () => {
  inEveryBuild((engine) => {
    it('agrees with the reference, random problems', () => {
      const random = new Random(20261130)
      let solved = 0
      for (let problem = 0; problem < 80; problem++) {
        const size = [0, 1, 2].map(() => random.integer(1, 3)) as [number, number, number]
        const input = [random.integer(1, 5), random.integer(1, 6), random.integer(1, 6)]
        const geometry = randomVolume(random, input, size)
        if (!geometry) continue
        solved++
        const shape = [random.integer(0, 2), ...input, random.integer(1, 9)]
        const x = { shape, data: random.integers(product(shape)) }
        engine().scope(() => {
          const tensor = engine().tensor(x.data, shape)
          const about = `problem ${problem}: x [${shape}] size ${size} ${JSON.stringify(geometry)}`
          const largest = reference.pool3d(x, size, geometry, (values) => Math.max(...values))
          expectValues(maxPool3d(tensor, { ...geometry, size }), largest, 0, about)
          const flat = { ...geometry, dilation: [1, 1, 1] }
          for (const countIncludePad of [false, true]) {
            const mean = reference.pool3d(
              x,
              size,
              flat,
              (values, taps) =>
                values.reduce((a, b) => a + b, 0) / (countIncludePad ? taps : Math.max(1, values.length)),
            )
            const { stride, padding } = geometry
            const y = avgPool3d(tensor, { stride, padding, size, countIncludePad })
            expectValues(y, mean, 1e-5, `${about} countIncludePad ${countIncludePad}`)
          }
        })
      }
      expect(solved).toBeGreaterThan(40)
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 4, 4, 4, 2])
        const flat = x.reshape([4, 4, 4, 2])
        expectComplaint(
          engine(),
          () => maxPool3d(x, { size: [2, 2] as never }),
          'maxPool3d: size must be a positive integer or [depth, height, width] of such, got [2, 2]',
        )
        expectComplaint(
          engine(),
          () => avgPool3d(x, { size: 2, dilation: 2 as never }),
          'avgPool3d: dilation must be 1',
        )
        expectComplaint(
          engine(),
          () => maxPool3d(flat, { size: 2 }),
          'maxPool3d: x must be [n, depth, height, width, channels], got rank 4',
        )
      })
    })
  })
})
