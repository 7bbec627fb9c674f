/** Sums, largest values, and what divides by them: softmax and normalisation. */
import { describe, expect, it } from 'vitest'
import * as fb from '../../../src/index.js'
import * as nn from '../../../src/nn/index.js'
import { inEveryBuild } from '../../support/check.js'
import { distinct, expectGradients, tensorsOf } from '../../support/gradients.js'
import { Random } from '../../support/random.js'

describe('gradients', () => {
  inEveryBuild((engine) => {
    const { make, floats } = tensorsOf(engine)

    it('sum and mean over any axes', () => {
      const random = new Random(20261215)
      for (const op of [fb.sum, fb.mean]) {
        for (const axes of [undefined, 0, 1, -1, [0, 2], [0, 1], [0, 1, 2]]) {
          for (const keepDims of [false, true]) {
            engine().scope(() =>
              expectGradients(
                engine(),
                random,
                [floats(random, [3, 4, 5])],
                (x) => op(x!, { axes, keepDims }),
                { about: `${op.name} ${axes}` },
              ),
            )
          }
        }
      }
    })

    it('max and min over any axes, shared among equals', () => {
      const random = new Random(20261222)
      for (const op of [fb.max, fb.min]) {
        for (const axes of [undefined, 0, -1, [0, 2]]) {
          engine().scope(() =>
            expectGradients(
              engine(),
              random,
              [make(distinct(random, 60), [3, 4, 5])],
              (x) => op(x!, { axes }),
              { about: `${op.name} ${axes}` },
            ),
          )
        }
        engine().scope(() => {
          const x = engine().tensor([2, 2, 2, 2, 1, 3], [2, 3])
          const { gradients } = nn.valueAndGradients(() => fb.sum(op(x, { axes: 1 })), [x])
          const third = expect.closeTo(1 / 3, 6)
          expect([...gradients[0]!.toArray()]).toEqual([
            third,
            third,
            third,
            0,
            ...(op === fb.max ? [0, 1] : [1, 0]),
          ])
        })
      }
    })

    it('softmax and logSoftmax along any axis', () => {
      const random = new Random(20261216)
      for (const op of [fb.softmax, fb.logSoftmax]) {
        for (const axis of [0, 1, 2]) {
          engine().scope(() =>
            expectGradients(engine(), random, [floats(random, [3, 4, 5], -3, 3)], (x) => op(x!, { axis }), {
              about: `${op.name} ${axis}`,
            }),
          )
        }
      }
    })

    it('batchNorm, with respect to its statistics too', () => {
      const random = new Random(20261219)
      engine().scope(() => {
        const channels = (low: number, high: number) => floats(random, [5], low, high)
        const inputs = [
          floats(random, [2, 3, 5]),
          channels(-1, 1),
          channels(1, 2),
          channels(0.5, 2),
          channels(-1, 1),
        ]
        for (const activation of [undefined, 'tanh'] as const) {
          const options = { activation, epsilon: 0.01 }
          expectGradients(
            engine(),
            random,
            inputs,
            (x, mean, variance, scale, offset) =>
              fb.batchNorm(x!, { ...options, mean: mean!, variance: variance!, scale, offset }),
            { tolerance: 5e-3 },
          )
        }
        expectGradients(
          engine(),
          random,
          inputs.slice(0, 3),
          (x, mean, variance) => fb.batchNorm(x!, { mean: mean!, variance: variance! }),
          {
            tolerance: 5e-3,
          },
        )
      })
    })

    it('layerNorm and rmsNorm, over the last axes', () => {
      const random = new Random(20261224)
      for (const [shape, axis] of [
        [[5, 7], -1],
        [[2, 3, 8], -1],
        [[2, 3, 5], 1],
        [[6], 0],
      ] as const) {
        engine().scope(() => {
          const own = shape.slice(axis)
          const inputs = [
            floats(random, [...shape], -2, 3),
            floats(random, own, 0.5, 1.5),
            floats(random, own),
          ]
          const about = `[${shape}] ${axis}`
          expectGradients(
            engine(),
            random,
            inputs,
            (x, scale, offset) => fb.layerNorm(x!, { axis, scale, offset, epsilon: 0.1 }),
            { about },
          )
          expectGradients(
            engine(),
            random,
            inputs.slice(0, 2),
            (x, scale) => fb.rmsNorm(x!, { axis, scale, epsilon: 0.1 }),
            { about },
          )
          expectGradients(engine(), random, inputs.slice(0, 1), (x) => fb.layerNorm(x!, { axis }), {
            about,
            tolerance: 2e-2,
          })
        })
      }
    })

    it('groupNorm and instanceNorm, any number of pixels', () => {
      const random = new Random(20261225)
      for (const pixels of [[3, 4], [40, 41], [1, 1], [5], []]) {
        for (const [c, groups] of [
          [6, 3],
          [8, 1],
          [5, 5],
          [12, 2],
        ] as const) {
          engine().scope(() => {
            const inputs = [
              floats(random, [2, ...pixels, c], -2, 3),
              floats(random, [c], 0.5, 1.5),
              floats(random, [c]),
            ]
            const options = {
              about: `[${pixels}] ${c} channels, ${groups} groups`,
              tolerance: 5e-3,
              most: 12,
            }
            expectGradients(
              engine(),
              random,
              inputs,
              (x, scale, offset) => fb.groupNorm(x!, { groups, scale, offset, epsilon: 0.1 }),
              options,
            )
            expectGradients(
              engine(),
              random,
              inputs,
              (x, scale, offset) =>
                fb.groupNorm(x!, { groups, scale, offset, epsilon: 0.1, activation: 'tanh' }),
              options,
            )
            expectGradients(
              engine(),
              random,
              inputs.slice(0, 1),
              (x) => fb.instanceNorm(x!, { epsilon: 0.1 }),
              options,
            )
          })
        }
      }
    })
  })
})
