import { describe, expect, it } from 'vitest'
import { conv2d } from '../../src/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

const pointwise = { stride: [1, 1], dilation: [1, 1] } as { stride: [number, number]; dilation: [number, number] }

describe("conv2d by Winograd's F(4x4, 3x3)", () => {
  inEveryBuild((engine) => {
    it('stays within its error bound at every tail of tiles, channels and panels', () => {
      const random = new Random(11)
      for (let problem = 0; problem < 60; problem++) {
        const [n, h, w] = [random.integer(1, 2), random.integer(1, 14), random.integer(1, 23)]
        const groups = random.pick([1, 1, 3])
        const [groupIn, groupOut] = groups === 1 ? [random.integer(1, 40), random.integer(1, 40)] : [4 * random.integer(1, 9), 8 * random.integer(1, 4)]
        const [ic, oc] = [groups * groupIn, groups * groupOut]
        const before = random.integer(1, 2)
        const x = { shape: [n, h, w, ic], data: random.floats(n * h * w * ic) }
        const filter = { shape: [3, 3, groupIn, oc], data: random.floats(9 * groupIn * oc) }
        const bias = { shape: [oc], data: random.floats(oc) }
        const padding = [[before, 1], [1, before]] as [[number, number], [number, number]] // biome-ignore format: a matrix
        const want = reference.conv2d(x, filter, bias, { ...pointwise, padding }, groups)
        engine().scope(() => {
          const got = conv2d(engine().tensor(x.data, x.shape), engine().tensor(filter.data, filter.shape), {
            bias: engine().tensor(bias.data, bias.shape),
            padding,
            groups,
            algorithm: 'winograd',
          })
          expect(got.shape).toEqual(want.shape)
          // |error| <= 30 k eps max|x| max|w| with k = 9 groupIn sums: 30 is the growth by the transforms, the sum by definition has 1.
          const bound = 30 * 9 * groupIn * 2 ** -24
          const values = got.toArray()
          for (let i = 0; i < values.length; i++) {
            if (Math.abs(values[i]! - want.data[i]!) > bound)
              expect.fail(`seed ${random.seed}, problem ${problem}, element ${i}: ${values[i]} for ${want.data[i]}, off by more than ${bound}`)
          }
        })
      }
    })

    it('has a relative error of at most 6e-6 (root mean square) on normal data', () => {
      const random = new Random(12)
      const normal = (length: number) => Float32Array.from({ length }, () => Array.from({ length: 12 }, () => random.next()).reduce((a, b) => a + b) - 6)
      const x = { shape: [1, 12, 12, 256], data: normal(12 * 12 * 256) }
      const filter = { shape: [3, 3, 256, 8], data: normal(9 * 256 * 8) }
      const want = reference.conv2d(x, filter, undefined, { ...pointwise, padding: [[1, 1], [1, 1]] }, 1) // biome-ignore format: a matrix
      engine().scope(() => {
        const got = conv2d(engine().tensor(x.data, x.shape), engine().tensor(filter.data, filter.shape), { padding: 1, algorithm: 'winograd' }).toArray()
        let error = 0
        let signal = 0
        for (let i = 0; i < got.length; i++) {
          error += (got[i]! - want.data[i]!) ** 2
          signal += want.data[i]! ** 2
        }
        expect(Math.sqrt(error / signal)).toBeLessThan(6e-6)
      })
    })

    it('spreads a NaN over its tile, where igemm keeps it to the windows that see it', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 12, 12, 16])
        const filter = engine().tensor(new Float32Array(9 * 16 * 16).fill(1), [3, 3, 16, 16])
        x.view[(1 * 12 + 1) * 16] = Number.NaN
        const pixels = (algorithm: 'igemm' | 'winograd') => {
          const values = conv2d(x, filter, { padding: 1, algorithm }).toArray()
          return Array.from({ length: 144 }, (_, pixel) => pixel).filter((pixel) => Number.isNaN(values[pixel * 16]))
        }
        const block = (rows: number, columns: number) => Array.from({ length: rows * columns }, (_, i) => Math.floor(i / columns) * 12 + (i % columns))
        expect(pixels('igemm')).toEqual(block(3, 3))
        expect(pixels('winograd')).toEqual(block(4, 4))
      })
    })

    it('follows a filter that changes, and clamps in the store', () => {
      engine().scope(() => {
        const x = engine().tensor(new Float32Array(25).fill(1), [1, 5, 5, 1])
        const filter = engine().tensor(new Float32Array(9).fill(1), [3, 3, 1, 1])
        expect(conv2d(x, filter, { algorithm: 'winograd' }).toArray()[0]).toBeCloseTo(9, 5)
        filter.set(new Float32Array(9).fill(-1))
        expect(conv2d(x, filter, { algorithm: 'winograd' }).toArray()[0]).toBeCloseTo(-9, 5)
        expect(conv2d(x, filter, { algorithm: 'winograd', activation: 'relu' }).toArray()[0]).toBe(0)
      })
    })

    it('is refused where it does not fit', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 8, 8, 4])
        const five = engine().zeros([5, 5, 4, 4])
        const three = engine().zeros([3, 3, 4, 4])
        expectComplaint(engine(), () => conv2d(x, five, { algorithm: 'winograd' }), 'conv2d: algorithm must be one that fits this layer, got "winograd"')
        expectComplaint(engine(), () => conv2d(x, three, { algorithm: 'winograd', stride: 2 }), 'algorithm')
        expectComplaint(engine(), () => conv2d(x, three, { algorithm: 'fft' as 'igemm' }), 'one of auto, gemm, igemm, winograd, depthwise, grouped, got "fft"')
      })
    })
  })
})
