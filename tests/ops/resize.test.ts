import { describe, expect, it } from 'vitest'
import { type ResizeOptions, resize } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'
import { resize as referenceResize } from '../support/resize.js'

describe('resize', () => {
  inEveryBuild((engine) => {
    it('nearest agrees exactly with the reference, 300 random problems', () => {
      const random = new Random(20261127)
      for (let problem = 0; problem < 300; problem++) {
        const shape = [
          random.integer(0, 2),
          random.integer(1, 12),
          random.integer(1, 12),
          random.integer(1, 18),
        ]
        const size: [number, number] = [random.integer(1, 25), random.integer(1, 25)]
        const alignCorners = random.next() < 0.5
        const x = { shape, data: random.floats(shape.reduce((a, b) => a * b)) }
        engine().scope(() => {
          const y = resize(engine().tensor(x.data, shape), { size, method: 'nearest', alignCorners })
          const about = `seed ${random.seed}, problem ${problem}: [${shape}] to ${size} alignCorners ${alignCorners}:`
          expectValues(y, reference.resize(x, size, 'nearest', alignCorners), 0, about)
        })
      }
    })

    it('bilinear agrees with the reference, 300 random problems', () => {
      const random = new Random(20261128)
      for (let problem = 0; problem < 300; problem++) {
        const shape = [
          random.integer(0, 2),
          random.integer(1, 12),
          random.integer(1, 12),
          random.integer(1, 18),
        ]
        const size: [number, number] = [random.integer(1, 25), random.integer(1, 25)]
        const alignCorners = random.next() < 0.5
        const x = { shape, data: random.floats(shape.reduce((a, b) => a * b)) }
        engine().scope(() => {
          const y = resize(engine().tensor(x.data, shape), { size, alignCorners })
          const about = `seed ${random.seed}, problem ${problem}: [${shape}] to ${size} alignCorners ${alignCorners}:`
          // Both weights and the three sums round: 2 + 2 + 2 times on values up to 1.
          expectValues(y, reference.resize(x, size, 'bilinear', alignCorners), 6 * 2 ** -24, about)
        })
      }
    })

    it('every rule, method and filter agrees with its definition, 300 random problems', () => {
      const random = new Random(20261130)
      for (let problem = 0; problem < 300; problem++) {
        const shape = [1, random.integer(1, 12), random.integer(1, 12), random.integer(1, 9)]
        const size: [number, number] = [random.integer(1, 25), random.integer(1, 25)]
        const options: ResizeOptions = {
          size,
          method: random.pick(['nearest', 'bilinear', 'bicubic']),
          coordinates: random.pick([
            'half_pixel',
            'align_corners',
            'asymmetric',
            'pytorch_half_pixel',
            'half_pixel_symmetric',
            'tf_half_pixel_for_nn',
            'tf_crop_and_resize',
          ]),
          nearestMode: random.pick(['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil']),
          antialias: random.next() < 0.5,
          excludeOutside: random.next() < 0.5,
          cubicCoefficient: -0.5,
          region: [-0.25, 0.125, 0.75, 1.25],
          extrapolation: 7,
        }
        const x = { shape, data: random.floats(shape.reduce((a, b) => a * b)) }
        engine().scope(() => {
          const y = resize(engine().tensor(x.data, shape), options)
          const about = `problem ${problem}: [${shape}] ${JSON.stringify(options)}:`
          // Cubic weights are up to 1.3 in size, and their sums of four up to 1.6, along both axes; with
          // antialias there are up to 24 of them.
          expectValues(y, referenceResize(x, options), options.method === 'nearest' ? 0 : 3e-6, about)
        })
      }
    })

    it('bilinear is exact where the weights are', () => {
      const random = new Random(20261129)
      for (const [size, alignCorners] of [
        [[10, 12], false],
        [[20, 24], false],
        [[9, 11], true],
        [[5, 6], false],
        [[5, 6], true],
      ] as [[number, number], boolean][]) {
        engine().scope(() => {
          const x = { shape: [2, 5, 6, 3], data: random.integers(180) }
          expectValues(
            resize(engine().tensor(x.data, x.shape), { size, alignCorners }),
            reference.resize(x, size, 'bilinear', alignCorners),
          )
        })
      }
    })

    it('rounds ties down and keeps the edges', () => {
      engine().scope(() => {
        const x = engine().tensor([0, 1, 2, 3, 4, 5], [1, 1, 6, 1])
        const along = (width: number, options: Partial<ResizeOptions> = {}) => [
          ...resize(x, { size: [1, width], ...options }).toArray(),
        ]
        expect(along(3, { method: 'nearest' })).toEqual([0, 2, 4])
        expect(along(2, { method: 'nearest' })).toEqual([1, 4])
        expect(along(3)).toEqual([0.5, 2.5, 4.5])
        expect(along(11, { alignCorners: true, method: 'nearest' })).toEqual([
          0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5,
        ])
        expect(along(12).slice(0, 4)).toEqual([0, 0.25, 0.75, 1.25])
        expect(along(1, { alignCorners: true })).toEqual([0])
        expect(resize(x, { size: 2 }).shape).toEqual([1, 2, 2, 1])
      })
    })

    it('takes NaN and infinity as IEEE says', () => {
      engine().scope(() => {
        const x = engine().tensor([Number.NaN, 1, 2, Number.POSITIVE_INFINITY], [1, 1, 4, 1])
        expect([...resize(x, { size: [1, 8], method: 'nearest' }).toArray()]).toEqual([
          Number.NaN,
          Number.NaN,
          1,
          1,
          2,
          2,
          Number.POSITIVE_INFINITY,
          Number.POSITIVE_INFINITY,
        ])
        expect([...resize(x, { size: [2, 2] }).toArray()]).toEqual([
          Number.NaN,
          Number.POSITIVE_INFINITY,
          Number.NaN,
          Number.POSITIVE_INFINITY,
        ])
        expect(resize(x, { size: [1, 4] }).toArray()).toEqual(x.toArray())
        expect([...resize(x, { size: [1, 7], alignCorners: true }).toArray()].slice(2)).toEqual([
          1,
          1.5,
          2,
          Number.POSITIVE_INFINITY,
          Number.POSITIVE_INFINITY,
        ])
      })
    })

    it('writes nothing beyond its output, at every channel and column tail', () => {
      engine().scope(() => {
        for (let c = 1; c <= 9; c++) {
          for (let width = 1; width <= 9; width++) {
            const x = engine().tensor(new Float32Array(4 * c).fill(2), [1, 2, 2, c])
            const y = resize(x, { size: [3, width] })
            const z = resize(x, { size: [1, width], method: 'nearest' })
            expect(y.toArray()).toEqual(new Float32Array(3 * width * c).fill(2))
            expect(z.toArray()).toEqual(new Float32Array(width * c).fill(2))
            expect(x.toArray()).toEqual(new Float32Array(4 * c).fill(2))
          }
        }
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 8, 8, 3])
        const flat = engine().zeros([8, 8, 3])
        const none = engine().zeros([1, 8, 0, 3])
        const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        for (const size of [0, -4, 2.5, [4, 0], [4], undefined]) {
          complaint(
            () => resize(x, { size: size as number }),
            'resize: size must be a positive integer or [height, width] of such, got',
            '(x [1, 8, 8, 3])',
          )
        }
        complaint(
          () => resize(x, { size: 4, method: 'cubic' as 'nearest' }),
          "resize: method must be 'nearest', 'bilinear' or 'bicubic', got \"cubic\"",
        )
        complaint(
          () => resize(flat, { size: 4 }),
          'resize: x must be [n, height, width, channels], got rank 3',
        )
        complaint(
          () => resize(none, { size: 4 }),
          'resize: x must be an image of at least one pixel, got [8, 0]',
        )
      })
    })
  })
})
