/** What samples pictures: pools, resizing, grids. */
import { describe, expect, it } from 'vitest'
import * as fb from '../../../src/index.js'
import * as nn from '../../../src/nn/index.js'
import { inEveryBuild } from '../../support/check.js'
import { distinct, expectGradients, tensorsOf } from '../../support/gradients.js'
import { Random } from '../../support/random.js'

const product = (shape: number[]) => shape.reduce((a, b) => a * b, 1)

describe('gradients', () => {
  inEveryBuild((engine) => {
    const { make, floats } = tensorsOf(engine)

    it('gridSample: to the images, and to the points where they are off the kinks', () => {
      const random = new Random(20261141)
      for (const padding of ['zeros', 'border', 'reflection'] as const) {
        for (const alignCorners of [false, true]) {
          for (const method of ['bilinear', 'nearest'] as const) {
            engine().scope(() => {
              const [h, w] = [5, 4]
              const x = floats(random, [2, h, w, 5])
              // Positions from 1.5 pixels outside, at least 0.15 from whole and half ones.
              const at = (n: number) => random.integer(-3, 2 * n) / 2 + 0.25 + (random.next() - 0.5) / 10
              const g = (p: number, n: number) => (alignCorners ? (2 * p) / (n - 1) - 1 : (2 * p + 1) / n - 1)
              const data = Float32Array.from({ length: 2 * 3 * 2 * 2 }, (_, i) =>
                i % 2 ? g(at(h), h) : g(at(w), w),
              )
              const options = { padding, alignCorners, method }
              expectGradients(
                engine(),
                random,
                [x, make(data, [2, 3, 2, 2])],
                (x, grid) => fb.gridSample(x!, grid!, options),
                { about: `${padding} ${alignCorners} ${method}` },
              )
            })
          }
        }
      }
    })

    it('resize, larger and smaller, by either method', () => {
      const random = new Random(20261223)
      for (const method of ['nearest', 'bilinear'] as const) {
        for (const alignCorners of [false, true]) {
          for (const size of [
            [7, 9],
            [2, 3],
            [1, 1],
            [10, 4],
          ] as const) {
            for (const c of [1, 3, 5, 8]) {
              engine().scope(() => {
                const x = floats(random, [2, 5, 4, c])
                expectGradients(engine(), random, [x], (v) => fb.resize(v!, { size, method, alignCorners }), {
                  about: `${method} ${size} ${c}`,
                })
              })
            }
          }
        }
      }
    })

    it('pools, random problems', () => {
      const random = new Random(20261218)
      let solved = 0
      for (let problem = 0; problem < 160; problem++) {
        const c = random.pick([1, 3, 4, 5, 16, 19])
        const shape = [random.integer(1, 3), random.integer(1, 7), random.integer(1, 7), c]
        const size: [number, number] = [random.integer(1, 3), random.integer(1, 3)]
        const options = {
          size,
          stride: random.integer(1, 3),
          padding: random.integer(0, 1),
          ceilMode: random.next() < 0.5 && size[0] > 1 && size[1] > 1,
        }
        if (shape[1]! + 2 * options.padding < size[0] || shape[2]! + 2 * options.padding < size[1]) continue
        if (Math.min(...size) <= options.padding) continue
        solved++
        const about = `problem ${problem}: [${shape}] ${JSON.stringify(options)}`
        engine().scope(() => {
          const x = make(distinct(random, product(shape)), shape)
          expectGradients(engine(), random, [x], (v) => fb.maxPool2d(v!, { ...options, dilation: 1 }), {
            about,
            tolerance: 1e-4,
          })
          expectGradients(
            engine(),
            random,
            [x],
            (v) => fb.avgPool2d(v!, { ...options, countIncludePad: problem % 2 === 0 }),
            { about, tolerance: 5e-3 },
          )
        })
      }
      expect(solved).toBeGreaterThan(60)
      engine().scope(() => {
        const x = make(distinct(random, 2 * 5 * 6 * 7), [2, 5, 6, 7])
        expectGradients(
          engine(),
          random,
          [x],
          (v) => fb.maxPool2d(v!, { size: 2, stride: 1, dilation: [2, 3] }),
          { tolerance: 1e-4 },
        )
        expectGradients(engine(), random, [x], (v) => fb.globalAvgPool2d(v!), { tolerance: 5e-3 })
        expectGradients(engine(), random, [x], (v) => fb.globalMaxPool2d(v!), { tolerance: 1e-4 })
      })
    })

    it('max pooling: to the first of equals, and to a NaN', () => {
      engine().scope(() => {
        const gradient = (data: number[]) => {
          const x = engine().tensor(data, [1, 2, 2, 1])
          return [
            ...nn.valueAndGradients(() => fb.sum(fb.maxPool2d(x, { size: 2 })), [x]).gradients[0]!.toArray(),
          ]
        }
        expect(gradient([1, 5, 5, 5])).toEqual([0, 1, 0, 0])
        expect(gradient([7, Number.NaN, 9, Number.NaN])).toEqual([0, 1, 0, 0])
      })
    })
  })
})
