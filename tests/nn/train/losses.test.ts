/** Losses and the accuracy: values by definition, slopes, and logits far out. */
import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../../src/index.js'
import {
  accuracy,
  binaryCrossEntropy,
  crossEntropy,
  huber,
  meanAbsoluteError,
  meanSquaredError,
  valueAndGradients,
} from '../../../src/nn/index.js'
import { inEveryBuild } from '../../support/check.js'
import { expectGradients } from '../../support/gradients.js'
import { Random } from '../../support/random.js'

describe('training', () => {
  inEveryBuild((engine) => {
    it('losses: values and derivatives', () => {
      const random = new Random(20261220)
      engine().scope(() => {
        const logits = engine().tensor(random.floats(12, -2, 2), [3, 4])
        const labels = [2, 0, 3]
        const probabilities = (row: number) => {
          const values = [...logits.toArray().subarray(row * 4, row * 4 + 4)].map(Math.exp)
          const total = values.reduce((a, b) => a + b)
          return values.map((v) => v / total)
        }
        const want = (smoothing: number) =>
          labels.reduce(
            (total, label, row) =>
              total -
              probabilities(row).reduce(
                (sum, p, i) => sum + ((i === label ? 1 - smoothing : 0) + smoothing / 4) * Math.log(p),
                0,
              ),
            0,
          ) / 3
        const numberOf = (loss: Tensor) => loss.toArray()[0]!
        for (const labelSmoothing of [0, 0.1]) {
          expect(numberOf(crossEntropy(logits, labels, { labelSmoothing }))).toBeCloseTo(
            want(labelSmoothing),
            5,
          )
          const soft = engine().tensor([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1], [3, 4])
          expect(numberOf(crossEntropy(logits, soft, { labelSmoothing }))).toBeCloseTo(
            want(labelSmoothing),
            5,
          )
          expectGradients(engine(), random, [logits], (x) => crossEntropy(x!, labels, { labelSmoothing }))
        }
        const target = engine().tensor(random.floats(12, 0, 1), [3, 4])
        const [x, t] = [logits.toArray(), target.toArray()]
        const mean = (f: (a: number, b: number) => number) =>
          x.reduce((total, v, i) => total + f(v, t[i]!), 0) / 12
        const losses = {
          binaryCrossEntropy: [binaryCrossEntropy, mean((a, b) => Math.log1p(Math.exp(a)) - a * b)],
          meanSquaredError: [meanSquaredError, mean((a, b) => (a - b) ** 2)],
          meanAbsoluteError: [meanAbsoluteError, mean((a, b) => Math.abs(a - b))],
          huber: [
            (a: Tensor, b: Tensor) => huber(a, b, { delta: 0.7 }),
            mean((a, b) => (Math.abs(a - b) <= 0.7 ? (a - b) ** 2 / 2 : 0.7 * (Math.abs(a - b) - 0.35))),
          ],
        } as const
        for (const [name, [loss, value]] of Object.entries(losses)) {
          expect(numberOf(loss(logits, target)), name).toBeCloseTo(value, 5)
          // A step of a central difference may cross one kink.
          expectGradients(engine(), random, [logits, target], (a, b) => loss(a!, b!), {
            about: name,
            tolerance: 5e-3,
          })
        }
      })
    })

    it('losses and their slopes hold where a logit is sure, or infinite', () => {
      engine().scope(() => {
        const slopes = (loss: (x: Tensor) => Tensor, x: Tensor) => {
          const { value, gradients } = valueAndGradients(() => loss(x), [x])
          return [value, ...gradients[0]!.toArray()]
        }
        // Of one number, or of its last unit where it is among the smallest.
        const near = (got: number[], want: number[]) => {
          for (const [i, v] of got.entries())
            expect(Math.abs(v - want[i]!)).toBeLessThanOrEqual(1e-6 * Math.abs(want[i]!) + 2 ** -149)
        }
        for (const x of [-1000, -100, -20, -10, -1, 0, 1, 10, 20, 80]) {
          const logit = engine().tensor([x], [1])
          const [up, down] = [1 / (1 + Math.exp(-x)), 1 / (1 + Math.exp(x))]
          const softplus = (v: number) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))
          near(
            slopes((v) => binaryCrossEntropy(v, engine().tensor([1], [1])), logit),
            [softplus(-x), -down],
          )
          near(
            slopes((v) => binaryCrossEntropy(v, engine().tensor([0], [1])), logit),
            [softplus(x), up],
          )
        }
        const sure = engine().tensor([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], [2])
        expect(binaryCrossEntropy(sure, engine().tensor([1, 0], [2])).toArray()[0]).toBe(0)
        expect(binaryCrossEntropy(sure, engine().tensor([0, 0], [2])).toArray()[0]).toBe(
          Number.POSITIVE_INFINITY,
        )

        const masked = engine().tensor([1, 0, Number.NEGATIVE_INFINITY], [1, 3])
        const p = 1 / (1 + Math.exp(-1))
        near(
          slopes((x) => crossEntropy(x, [0]), masked),
          [-Math.log(p), p - 1, 1 - p, 0],
        )
        near(
          slopes((x) => crossEntropy(x, engine().tensor([0, 1, 0], [1, 3])), masked),
          [-Math.log(1 - p), p, -p, 0],
        )
        expect(crossEntropy(masked, [2]).toArray()[0]).toBe(Number.POSITIVE_INFINITY)
      })
    })

    it('accuracy takes any number of classes; a row with a NaN is wrong', () => {
      engine().scope(() => {
        const wide = engine().zeros([2, 200_000])
        wide.view[123_456] = 1
        wide.view[200_000 + 7] = 1
        expect(accuracy(wide.changed(), [123_456, 8])).toBe(0.5)
        expect(accuracy(engine().tensor([1, Number.NaN, 0, 0, -1, 0], [2, 3]), [0, 0])).toBe(0.5)
      })
    })
  })
})
