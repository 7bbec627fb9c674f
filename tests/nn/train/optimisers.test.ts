/** Optimisers, schedules, initialisers and clipping, by their definitions. */
import { describe, expect, it } from 'vitest'
import { add, type Tensor } from '../../../src/index.js'
import {
  adam,
  adamW,
  clipByGlobalNorm,
  constant,
  cosine,
  Random as Generator,
  Linear,
  meanSquaredError,
  orthogonal,
  rmsProp,
  sgd,
  stepDecay,
  valueAndGradients,
  warmUp,
} from '../../../src/nn/index.js'
import { inEveryBuild } from '../../support/check.js'

describe('training', () => {
  inEveryBuild((engine) => {
    it('every optimiser makes the loss smaller, as its definition says', () => {
      const target = [3, -1, 0.5, 2, -4]
      const rules: Record<
        string,
        {
          make: (w: Tensor[]) => ReturnType<typeof sgd>
          step: (w: number, g: number, s: { m: number; v: number }, t: number) => number
        }
      > = {
        sgd: { make: (w) => sgd(w, { learningRate: 0.1 }), step: (w, g) => w - 0.1 * g },
        'sgd, momentum': {
          make: (w) => sgd(w, { learningRate: 0.05, momentum: 0.9, weightDecay: 0.01 }),
          step: (w, g, s) => {
            s.m = 0.9 * s.m + g + 0.01 * w
            return w - 0.05 * s.m
          },
        },
        'sgd, nesterov': {
          make: (w) => sgd(w, { learningRate: 0.05, momentum: 0.9, nesterov: true }),
          step: (w, g, s) => {
            s.m = 0.9 * s.m + g
            return w - 0.05 * (g + 0.9 * s.m)
          },
        },
        rmsProp: {
          make: (w) => rmsProp(w, { learningRate: 0.05 }),
          step: (w, g, s) => {
            s.v = 0.99 * s.v + 0.01 * g * g
            return w - (0.05 * g) / (Math.sqrt(s.v) + 1e-8)
          },
        },
        adam: {
          make: (w) => adam(w, { learningRate: 0.1, weightDecay: 0.02 }),
          step: (w, g, s, t) => {
            const d = g + 0.02 * w
            s.m = 0.9 * s.m + 0.1 * d
            s.v = 0.999 * s.v + 0.001 * d * d
            return w - (0.1 * (s.m / (1 - 0.9 ** t))) / (Math.sqrt(s.v / (1 - 0.999 ** t)) + 1e-8)
          },
        },
        adamW: {
          make: (w) => adamW(w, { learningRate: 0.1, weightDecay: 0.02 }),
          step: (w, g, s, t) => {
            s.m = 0.9 * s.m + 0.1 * g
            s.v = 0.999 * s.v + 0.001 * g * g
            return (
              w * (1 - 0.1 * 0.02) -
              (0.1 * (s.m / (1 - 0.9 ** t))) / (Math.sqrt(s.v / (1 - 0.999 ** t)) + 1e-8)
            )
          },
        },
      }
      for (const [name, { make, step }] of Object.entries(rules)) {
        engine().scope(() => {
          // Two parameters, the second of more than one unit.
          const parameters = [engine().zeros([5]), engine().zeros([5000])]
          const targets = [
            engine().tensor(target, [5]),
            engine().tensor(
              Float32Array.from({ length: 5000 }, (_, i) => target[i % 5]!),
              [5000],
            ),
          ]
          const optimizer = make(parameters)
          const want = target.map(() => 0)
          const states = target.map(() => ({ m: 0, v: 0 }))
          let last = Number.POSITIVE_INFINITY
          for (let t = 1; t <= 40; t++) {
            const { value, gradients } = valueAndGradients(() => {
              const [a, b] = parameters.map((w, i) => meanSquaredError(w, targets[i]!)) as [Tensor, Tensor]
              return add(a, b)
            }, parameters)
            if (t === 1) last = value
            optimizer.step(gradients)
            for (let i = 0; i < 5; i++)
              want[i] = step(want[i]!, (2 / 5) * (want[i]! - target[i]!), states[i]!, t)
          }
          const got = parameters[0]!.toArray()
          for (let i = 0; i < 5; i++)
            expect(Math.abs(got[i]! - want[i]!), `${name} ${i}: ${got[i]}, expected ${want[i]}`).toBeLessThan(
              2e-4 * Math.max(1, Math.abs(want[i]!)),
            )
          const big = parameters[1]!.toArray()
          for (let i = 0; i < 5000; i++) expect(Math.sign(big[i]!), name).toBe(Math.sign(target[i % 5]!))
          expect(
            engine().scope(() => meanSquaredError(parameters[0]!, targets[0]!).toArray()[0]!),
          ).toBeLessThan(last)
        })
      }
    })

    it('means that are as long as a beta near 1 says: what a gradient adds to them is 1 - beta', () => {
      engine().scope(() => {
        for (const long of [0.99999, 0.9999999, 0.999999999]) {
          const step = (make: (w: Tensor[]) => ReturnType<typeof sgd>) => {
            const w = engine().tensor([0, 0], [2])
            using optimizer = make([w])
            for (let i = 0; i < 3; i++) optimizer.step([engine().tensor([0.5, -2], [2])])
            return [...w.toArray()]
          }
          // The same gradient in every step: Adam's means are it and its square.
          const adams = step((w) => adam(w, { learningRate: 0.01, beta1: long, beta2: long }))
          expect(adams).toEqual([expect.closeTo(-0.03, 7), expect.closeTo(0.03, 7)])
          const roots = step((w) => rmsProp(w, { learningRate: 1e-6, decay: long, epsilon: 0 }))
          const sum = [1, 2, 3].reduce((sum, t) => sum + 1e-6 / Math.sqrt(1 - long ** t), 0)
          for (const [i, sign] of [-1, 1].entries()) expect(roots[i]! / (sign * sum)).toBeCloseTo(1, 5)
        }
      })
    })

    it('initialisers, schedules, clipping', () => {
      engine().scope(() => {
        const layer = (initial: 'he' | 'glorot' | 'uniform', seed: number) =>
          new Linear(engine(), { inFeatures: 200, outFeatures: 100, initial, seed }).parameters[0]!.toArray()
        const variance = (values: Float32Array) =>
          values.reduce((total, v) => total + v * v, 0) / values.length
        expect(variance(layer('he', 1)) * 100).toBeCloseTo(1, 1)
        expect(variance(layer('glorot', 1)) * 150).toBeCloseTo(1, 1)
        expect(variance(layer('uniform', 1)) * 600).toBeCloseTo(1, 1)
        expect(layer('he', 1)).toEqual(layer('he', 1))
        expect(layer('he', 1)).not.toEqual(layer('he', 2))
        for (const shape of [
          [7, 4],
          [2, 2, 1, 9],
          [13, 13],
        ]) {
          const columns = shape.at(-1)!
          const rows = shape.reduce((a, b) => a * b) / columns
          const w = orthogonal(new Generator(4), shape, 1, 1)
          const vectors =
            rows >= columns
              ? Array.from({ length: columns }, (_, c) =>
                  Array.from({ length: rows }, (_, r) => w[r * columns + c]!),
                )
              : Array.from({ length: rows }, (_, r) => [...w.subarray(r * columns, (r + 1) * columns)])
          vectors.forEach((a, i) => {
            vectors.forEach((b, j) => {
              expect(a.reduce((total, v, k) => total + v * b[k]!, 0)).toBeCloseTo(i === j ? 1 : 0, 5)
            })
          })
        }
        const gradients = [engine().tensor([3, 0], [2]), engine().tensor([0, 4], [2])]
        expect(clipByGlobalNorm(gradients, 10)).toBe(5)
        expect(clipByGlobalNorm(gradients, 1)).toBe(5)
        expect(gradients.flatMap((gradient) => [...gradient.toArray()])).toEqual(
          [0.6, 0, 0, 0.8].map((v) => expect.closeTo(v, 6)),
        )
      })
      expect([0, 9].map(constant(0.3))).toEqual([0.3, 0.3])
      expect([0, 9, 10, 25].map(stepDecay(1, { every: 10, factor: 0.5 }))).toEqual([1, 1, 0.5, 0.25])
      expect(
        [0, 5, 10, 99].map(cosine(2, { steps: 10, last: 1 })).map((v) => Math.round(v * 1e6) / 1e6),
      ).toEqual([2, 1.5, 1, 1])
      expect([0, 1].map(cosine(2, { steps: 0, last: 1 }))).toEqual([1, 1])
      expect([0, 1].map(warmUp(constant(2), { steps: 0 }))).toEqual([2, 2])
      expect(() => stepDecay(1, {} as { every: number })).toThrow(
        'stepDecay: every must be a positive integer, got undefined',
      )
      expect(() => cosine(1, { steps: Number.NaN })).toThrow(
        'cosine: steps must be an integer of at least 0, got NaN',
      )
      expect(() => warmUp(constant(1), { steps: -1 })).toThrow(
        'warmUp: steps must be an integer of at least 0, got -1',
      )
      expect([0, 1, 2, 3].map(warmUp(stepDecay(1, { every: 1, factor: 0.5 }), { steps: 2 }))).toEqual([
        0.5, 1, 1, 0.5,
      ])
    })

    it('clips gradients of any size, and leaves infinite ones', () => {
      engine().scope(() => {
        for (const size of [1e-38, 1e-30, 1e-22, 1e19, 1e25, 1e38]) {
          const gradients = [engine().tensor([3 * size, 0], [2]), engine().tensor([0, 0, 2 * size], [3])]
          const length = Math.hypot(3, 2) * size
          expect(clipByGlobalNorm(gradients, size) / length).toBeCloseTo(1, 6)
          const [a, b] = gradients.map((gradient) => gradient.toArray())
          expect(a![0]! / size).toBeCloseTo(3 / Math.hypot(3, 2), 5)
          expect(b![2]! / size).toBeCloseTo(2 / Math.hypot(3, 2), 5)
        }
        const far = [engine().tensor([Number.NEGATIVE_INFINITY, 1], [2])]
        expect(clipByGlobalNorm(far, 1)).toBe(Number.POSITIVE_INFINITY)
        expect([...far[0]!.toArray()]).toEqual([Number.NEGATIVE_INFINITY, 1])
        expect(clipByGlobalNorm([engine().tensor([Number.NaN, 1], [2])], 1)).toBeNaN()
        expect(clipByGlobalNorm([engine().zeros([2])], 1)).toBe(0)
      })
    })
  })
})
