import { describe, expect, it } from 'vitest'
import { conv2d } from '../../src/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

const apart = (dilation: number) => ({
  stride: [1, 1] as [number, number],
  dilation: [dilation, dilation] as [number, number],
})
const pointwise = apart(1)

describe.each([3, 5])('conv2d by Winograd, windows of %i', (size) => {
  const taps = size ** 2
  const half = (size - 1) / 2
  const around = [
    [half, half],
    [half, half],
  ] as [[number, number], [number, number]]

  inEveryBuild((engine) => {
    it('stays within its error bound at every tail of tiles, channels and panels', () => {
      const random = new Random(11)
      for (let problem = 0; problem < 60; problem++) {
        const [n, h, w] = [random.integer(1, 2), random.integer(1, 14), random.integer(1, 23)]
        const groups = random.pick([1, 1, 3])
        const [groupIn, groupOut] =
          groups === 1
            ? [random.integer(1, 40), random.integer(1, 40)]
            : [4 * random.integer(1, 9), 8 * random.integer(1, 4)]
        const [ic, oc] = [groups * groupIn, groups * groupOut]
        const dilation = random.pick([1, 1, 2, 3])
        const before = dilation * half + random.integer(0, 1)
        const x = { shape: [n, h, w, ic], data: random.floats(n * h * w * ic) }
        const filter = { shape: [size, size, groupIn, oc], data: random.floats(taps * groupIn * oc) }
        const bias = { shape: [oc], data: random.floats(oc) }
        const padding = [
          [before, dilation * half],
          [dilation * half, before],
        ] as [[number, number], [number, number]]
        const want = reference.conv2d(x, filter, bias, { ...apart(dilation), padding }, groups)
        engine().scope(() => {
          const got = conv2d(engine().tensor(x.data, x.shape), engine().tensor(filter.data, filter.shape), {
            bias: engine().tensor(bias.data, bias.shape),
            padding,
            dilation,
            groups,
            algorithm: 'winograd',
          })
          expect(got.shape).toEqual(want.shape)
          // |error| <= 30 k eps max|x| max|w| with k = taps groupIn sums: 30 is the growth by the transforms,
          // the sum by definition has 1.
          const bound = 30 * taps * groupIn * 2 ** -24
          const values = got.toArray()
          for (let i = 0; i < values.length; i++) {
            if (Math.abs(values[i]! - want.data[i]!) > bound)
              expect.fail(
                `seed ${random.seed}, problem ${problem}, element ${i}: ${values[i]} for ${want.data[i]}, off by more than ${bound}`,
              )
          }
        })
      }
    })

    it('stays within it where filters come from memory', () => {
      const random = new Random(15)
      const [w, ic, oc] = [29, 348, 340]
      const x = { shape: [1, 1, w, ic], data: random.floats(w * ic) }
      // Outputs of a tile with such a number are summed by definition.
      x.data[5] = 1000
      const filter = { shape: [size, size, ic, oc], data: random.floats(taps * ic * oc) }
      const want = reference.conv2d(x, filter, undefined, { ...pointwise, padding: around }, 1)
      engine().scope(() => {
        const options = { padding: half, algorithm: 'winograd' } as const
        const tensors = [
          engine().tensor(x.data, x.shape),
          engine().tensor(filter.data, filter.shape),
        ] as const
        const got = conv2d(...tensors, options).toArray()
        for (let i = 0; i < got.length; i++) {
          const bound = 30 * taps * ic * 2 ** -24 * (i < 4 * oc ? 1000 : 1)
          const off = Math.abs(got[i]! - want.data[i]!)
          expect(off <= bound, `element ${i}: off by ${off}, bound ${bound}`).toBe(true)
        }
      })
    })

    it('has a relative error of at most 6e-6 (root mean square) on normal data', () => {
      const random = new Random(12)
      const normal = (length: number) =>
        Float32Array.from(
          { length },
          () => Array.from({ length: 12 }, () => random.next()).reduce((a, b) => a + b) - 6,
        )
      const x = { shape: [1, 12, 12, 256], data: normal(12 * 12 * 256) }
      const filter = { shape: [size, size, 256, 8], data: normal(taps * 256 * 8) }
      const want = reference.conv2d(x, filter, undefined, { ...pointwise, padding: around }, 1)
      engine().scope(() => {
        const got = conv2d(engine().tensor(x.data, x.shape), engine().tensor(filter.data, filter.shape), {
          padding: half,
          algorithm: 'winograd',
        }).toArray()
        let error = 0
        let signal = 0
        for (let i = 0; i < got.length; i++) {
          error += (got[i]! - want.data[i]!) ** 2
          signal += want.data[i]! ** 2
        }
        expect(Math.sqrt(error / signal)).toBeLessThan(6e-6)
      })
    })

    it('gives every output an accuracy by the numbers that it sees, whatever stands beside them', () => {
      const random = new Random(13)
      for (let problem = 0; problem < 40; problem++) {
        const [h, w] = [random.integer(1, 14), random.integer(1, 14)]
        const groups = random.pick([1, 1, 2])
        const [groupIn, groupOut] = groups === 1 ? [random.integer(1, 20), random.integer(1, 20)] : [8, 16]
        const ic = groups * groupIn
        const oc = groups * groupOut
        const dilation = random.pick([1, 1, 2])
        const x = { shape: [1, h, w, ic], data: random.floats(h * w * ic) }
        for (let spikes = random.integer(1, 3); spikes > 0; spikes--) {
          x.data[random.integer(0, x.data.length - 1)] = 10 ** random.integer(-30, 30)
        }
        const filter = { shape: [size, size, groupIn, oc], data: random.floats(taps * groupIn * oc) }
        const reach = [dilation * half, dilation * half] as [number, number]
        const padding = [reach, reach] as [[number, number], [number, number]]
        const geometry = { ...apart(dilation), padding }
        const want = reference.conv2d(x, filter, undefined, geometry, groups)
        // The same with sizes for numbers: what stands in its window is the most that an output may be off
        // by, times 30 eps and the 256 of a tile.
        const sizes = { shape: filter.shape, data: new Float32Array(filter.data.length).fill(1) }
        const seen = reference.conv2d(
          { ...x, data: x.data.map(Math.abs) },
          sizes,
          undefined,
          geometry,
          groups,
        )
        engine().scope(() => {
          const [input, weights] = [
            engine().tensor(x.data, x.shape),
            engine().tensor(filter.data, filter.shape),
          ]
          const got = conv2d(input, weights, { padding, dilation, groups, algorithm: 'winograd' }).toArray()
          for (let i = 0; i < got.length; i++) {
            // The largest number in the window is at most their sum.
            const bound = 256 * 30 * taps * groupIn * 2 ** -24 * seen.data[i]!
            if (!(Math.abs(got[i]! - want.data[i]!) <= bound)) {
              expect.fail(
                `seed ${random.seed}, problem ${problem}, element ${i}: ${got[i]} for ${want.data[i]}, off by more than ${bound}`,
              )
            }
          }
        })
      }
    })

    it('keeps a bright pixel, an infinity and a NaN to the outputs that see it', () => {
      engine().scope(() => {
        const filter = engine().tensor(new Float32Array(taps * 64).fill(0.125), [size, size, 8, 8])
        for (const spike of [100, 300, 1e4, 1e8, 1e30, Number.POSITIVE_INFINITY, Number.NaN]) {
          const x = engine().tensor(new Float32Array(16 * 16 * 8).fill(1), [1, 16, 16, 8])
          x.view[(6 * 16 + 6) * 8] = spike
          const y = conv2d(x.changed(), filter, { padding: half, algorithm: 'winograd' }).toArray()
          for (let row = half; row < 16 - half; row++) {
            for (let column = half; column < 16 - half; column++) {
              const sees = Math.abs(row - 6) <= half && Math.abs(column - 6) <= half
              const [got, want] = [y[(row * 16 + column) * 8]!, sees ? taps - 1 / 8 + spike / 8 : taps]
              if (Number.isFinite(want))
                expect(Math.abs(got - want) / want, `${spike} at ${row}, ${column}`).toBeLessThan(4e-6)
              else expect(got).toBe(want)
            }
          }
        }
      })
    })

    it('is finite where the sums by definition are, and exact where all that is seen is 0', () => {
      engine().scope(() => {
        const filter = engine().tensor(new Float32Array(taps * 64).fill(0.125), [size, size, 8, 8])
        const bias = engine().tensor([1, -2, 3, -4, 5, -6, 7, -8], [8])
        const large = conv2d(engine().tensor(new Float32Array(512).fill(1e37), [1, 8, 8, 8]), filter, {
          algorithm: 'winograd',
        }).toArray()
        for (const y of large) expect(Math.abs(y - taps * 1e37) / (taps * 1e37)).toBeLessThan(4e-6)
        const tiny = conv2d(engine().tensor(new Float32Array(512).fill(1e-37), [1, 8, 8, 8]), filter, {
          algorithm: 'winograd',
        }).toArray()
        for (const y of tiny) expect(Math.abs(y - taps * 1e-37) / (taps * 1e-37)).toBeLessThan(4e-6)
        // Bytes: 0 on the left, up to 255 on the right.
        const x = engine().zeros([1, 8, 8, 8])
        for (let i = 0; i < x.size; i++) if (Math.floor(i / 8) % 8 >= 4) x.view[i] = (i * 37) % 256
        const y = conv2d(x.changed(), filter, {
          padding: half,
          bias,
          activation: [-5, 6],
          algorithm: 'winograd',
        }).toArray()
        const clamped = [1, -2, 3, -4, 5, -5, 6, -5]
        for (let pixel = 0; pixel < 64; pixel++) {
          if (pixel % 8 < 4 - half) expect([...y.slice(pixel * 8, pixel * 8 + 8)]).toEqual(clamped)
        }
      })
    })

    it('follows a filter that changes, and clamps in the store', () => {
      engine().scope(() => {
        const x = engine().tensor(new Float32Array(25).fill(1), [1, 5, 5, 1])
        const filter = engine().tensor(new Float32Array(taps).fill(1), [size, size, 1, 1])
        expect(conv2d(x, filter, { algorithm: 'winograd' }).toArray()[0]).toBeCloseTo(taps, 5)
        filter.set(new Float32Array(taps).fill(-1))
        expect(conv2d(x, filter, { algorithm: 'winograd' }).toArray()[0]).toBeCloseTo(-taps, 5)
        expect(conv2d(x, filter, { algorithm: 'winograd', activation: 'relu' }).toArray()[0]).toBe(0)
      })
    })

    it('is refused where it does not fit', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 8, 8, 4])
        const oblong = engine().zeros([size, 8 - size, 4, 4])
        const square = engine().zeros([size, size, 4, 4])
        expectComplaint(
          engine(),
          () => conv2d(x, oblong, { algorithm: 'winograd' }),
          'conv2d: algorithm must be one that fits this layer, got "winograd"',
        )
        expectComplaint(engine(), () => conv2d(x, square, { algorithm: 'winograd', stride: 2 }), 'algorithm')
        expectComplaint(
          engine(),
          () => conv2d(x, square, { algorithm: 'fft' as 'igemm' }),
          'one of auto, depthwise, gemm, winograd, grouped, igemm, got "fft"',
        )
      })
    })
  })
})
