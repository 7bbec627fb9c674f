import { describe, expect, it } from 'vitest'
import { avgPool2d, globalAvgPool2d, globalMaxPool2d, maxPool2d } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

/** A pooling problem at random that leaves output; with `ceilMode` no padding is as large as the window. */
function randomGeometry(
  random: Random,
  [ih, iw]: [number, number],
  dilated: boolean,
): reference.PoolGeometry | undefined {
  const size: [number, number] = [random.integer(1, 4), random.integer(1, 5)]
  const dilation: [number, number] = dilated ? [random.integer(1, 3), random.integer(1, 2)] : [1, 1]
  const ceilMode = random.next() < 0.5
  const reach = size.map((taps, axis) => dilation[axis]! * (taps - 1) + 1) as [number, number]
  const side = (axis: 0 | 1) => random.integer(0, ceilMode ? reach[axis] - 1 : reach[axis] + 1)
  const padding: reference.PoolGeometry['padding'] = [
    [side(0), side(0)],
    [side(1), side(1)],
  ]
  if (ih + padding[0][0] + padding[0][1] < reach[0] || iw + padding[1][0] + padding[1][1] < reach[1])
    return undefined
  return { size, stride: [random.integer(1, 4), random.integer(1, 3)], dilation, padding, ceilMode }
}

const rounded = ({ shape, data }: reference.Values): reference.Values => ({
  shape,
  data: Float32Array.from(data),
})

describe('pooling', () => {
  inEveryBuild((engine) => {
    it('agrees exactly with the reference on small integers, 600 random problems', () => {
      const random = new Random(20261122)
      for (let problem = 0; problem < 600; problem++) {
        const shape = [
          random.integer(0, 3),
          random.integer(1, 9),
          random.integer(1, 12),
          random.pick([1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 19, 33, 70]),
        ]
        const mean = problem % 2 === 1
        const geometry = randomGeometry(random, [shape[1]!, shape[2]!], !mean)
        if (!geometry) continue
        const x = { shape, data: random.integers(shape.reduce((a, b) => a * b)) }
        const countIncludePad = random.next() < 0.5
        const about = `seed ${random.seed}, problem ${problem}: x [${shape}] ${JSON.stringify(geometry)} countIncludePad ${countIncludePad}:`
        engine().scope(() => {
          const input = engine().tensor(x.data, shape)
          if (mean) {
            const { dilation, ...options } = geometry
            expectValues(
              avgPool2d(input, { ...options, countIncludePad }),
              rounded(reference.avgPool2d(x, geometry, countIncludePad)),
              0,
              about,
            )
          } else expectValues(maxPool2d(input, geometry), reference.maxPool2d(x, geometry), 0, about)
        })
      }
    })

    it('has every channel tail, in pools and global pools', () => {
      const random = new Random(3)
      for (let c = 0; c <= 36; c++) {
        engine().scope(() => {
          const x = { shape: [2, 3, 5, c], data: random.integers(30 * c) }
          const input = engine().tensor(x.data, x.shape)
          const none: reference.PoolGeometry['padding'] = [
            [0, 0],
            [0, 0],
          ]
          const geometry: reference.PoolGeometry = {
            size: [2, 2],
            stride: [1, 2],
            dilation: [1, 1],
            padding: none,
            ceilMode: false,
          }
          const whole: reference.PoolGeometry = { ...geometry, size: [3, 5] }
          expectValues(maxPool2d(input, geometry), reference.maxPool2d(x, geometry))
          expectValues(
            avgPool2d(input, { size: 2, stride: [1, 2] }),
            rounded(reference.avgPool2d(x, geometry, false)),
          )
          expectValues(globalMaxPool2d(input), reference.maxPool2d(x, whole))
          expectValues(globalAvgPool2d(input), rounded(reference.avgPool2d(x, whole, false)))
        })
      }
    })

    it('takes its stride from its size, and padding same as TensorFlow does', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1])
        expect(maxPool2d(x, { size: [1, 2] }).toArray()).toEqual(Float32Array.of(2, 5, 8))
        expect(maxPool2d(x, { size: 2, padding: 'same' }).toArray()).toEqual(Float32Array.of(5, 6, 8, 9))
        expect(avgPool2d(x, { size: 2, padding: 'same' }).toArray()).toEqual(Float32Array.of(3, 4.5, 7.5, 9))
        expect(avgPool2d(x, { size: 2, padding: 'same', countIncludePad: true }).toArray()).toEqual(
          Float32Array.of(3, 2.25, 3.75, 2.25),
        )
        expect(avgPool2d(x, { size: 2, ceilMode: true, countIncludePad: true }).toArray()).toEqual(
          Float32Array.of(3, 4.5, 7.5, 9),
        )
      })
    })

    it('gives -Infinity or 0 for a window with nothing but padding', () => {
      engine().scope(() => {
        const x = engine().tensor([-3], [1, 1, 1, 1])
        expect(maxPool2d(x, { size: 1, padding: [0, 1] }).toArray()).toEqual(
          Float32Array.of(Number.NEGATIVE_INFINITY, -3, Number.NEGATIVE_INFINITY),
        )
        expect(avgPool2d(x, { size: 1, padding: [0, 1] }).toArray()).toEqual(Float32Array.of(0, -3, 0))
        expect(maxPool2d(x, { size: 3, padding: 1 }).toArray()).toEqual(Float32Array.of(-3))
      })
    })

    it('lets NaN and infinity through, in every channel and under every tap', () => {
      for (const c of [1, 4, 7, 16, 21]) {
        for (let tap = 0; tap < 6; tap++) {
          for (const special of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
            engine().scope(() => {
              for (let channel = 0; channel < c; channel += 5) {
                const data = new Float32Array(6 * c).fill(-2)
                data[tap * c + channel] = special
                const x = engine().tensor(data, [1, 2, 3, c])
                const largest = maxPool2d(x, { size: [2, 3] }).toArray()
                const mean = avgPool2d(x, { size: [2, 3] }).toArray()
                for (let i = 0; i < c; i++) {
                  expect(largest[i]).toBe(
                    i === channel && special !== Number.NEGATIVE_INFINITY ? special : -2,
                  )
                  expect(mean[i]).toBe(i === channel ? special : -2)
                }
                expect(globalMaxPool2d(x).toArray()).toEqual(largest)
                expect(globalAvgPool2d(x).toArray()).toEqual(mean)
              }
            })
          }
        }
      }
    })

    it('keeps the accuracy of a mean over many pixels', () => {
      engine().scope(() => {
        for (const shape of [
          [1, 1000, 700, 1],
          [1, 1, 300_000, 3],
          [1, 20_000, 1, 17],
        ]) {
          const c = shape[3]!
          const data = new Random(11).floats(
            shape.reduce((a, b) => a * b),
            0,
            1,
          )
          const sums = new Float64Array(c)
          for (let i = 0; i < data.length; i++) sums[i % c]! += data[i]!
          const mean = { shape: [1, 1, 1, c], data: sums.map((sum) => (sum * c) / data.length) }
          expectValues(globalAvgPool2d(engine().tensor(data, shape)), mean, 64 * 2 ** -24)
        }
      })
    })

    it('gives nothing for a batch of nothing', () => {
      engine().scope(() => {
        const x = engine().zeros([0, 8, 8, 3])
        expect(maxPool2d(x, { size: 2 }).shape).toEqual([0, 4, 4, 3])
        expect(globalAvgPool2d(x).shape).toEqual([0, 1, 1, 3])
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 8, 8, 4])
        const flat = engine().zeros([8, 8, 4])
        const noRows = engine().zeros([1, 0, 8, 4])
        const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        for (const size of [0, -1, 1.5, [2, 0], [1, 2, 3], '2', undefined]) {
          complaint(
            () => maxPool2d(x, { size: size as number }),
            'maxPool2d: size must be a positive integer or [height, width]',
            '(x [1, 8, 8, 4])',
          )
        }
        complaint(
          () => maxPool2d(x, { size: 2, stride: 0 }),
          'maxPool2d: stride must be a positive integer',
          'got 0',
        )
        complaint(
          () => maxPool2d(x, { size: 2, dilation: 0.5 }),
          'maxPool2d: dilation must be a positive integer',
          'got 0.5',
        )
        complaint(() => avgPool2d(x, { size: 2, dilation: 2 as 1 }), 'avgPool2d: dilation must be 1, got 2')
        complaint(() => avgPool2d(x, { size: 2, padding: -1 }), 'avgPool2d: padding must be', 'got -1')
        complaint(
          () => avgPool2d(x, { size: 9 }),
          "avgPool2d: padding must be enough for a window that reaches over 9 to fit the input's height 8",
        )
        complaint(
          () => maxPool2d(flat, { size: 2 }),
          'maxPool2d: x must be [n, height, width, channels], got rank 3',
        )
        complaint(
          () => globalAvgPool2d(flat),
          'globalAvgPool2d: x must be [n, height, width, channels], got rank 3',
        )
        complaint(
          () => globalMaxPool2d(noRows),
          'globalMaxPool2d: x must be an image of at least one pixel, got [0, 8]',
        )
        flat.dispose()
        complaint(
          () => maxPool2d(flat, { size: 2 }),
          'maxPool2d: x must be alive, got a disposed tensor [8, 8, 4]',
        )
      })
    })
  })
})
