/** Products of matrices, and the layers that are made of them. */
import { describe, it } from 'vitest'
import * as fb from '../../../src/index.js'
import { inEveryBuild } from '../../support/check.js'
import { expectGradients, tensorsOf } from '../../support/gradients.js'
import { Random } from '../../support/random.js'

describe('gradients', () => {
  inEveryBuild((engine) => {
    const { make, floats } = tensorsOf(engine)

    it('matmul, over every broadcast of the axes before', () => {
      const random = new Random(20261213)
      for (const [a, b] of [
        [
          [3, 4],
          [4, 5],
        ],
        [
          [2, 3, 4],
          [4, 9],
        ],
        [
          [2, 3, 4],
          [2, 4, 5],
        ],
        [
          [3, 4],
          [2, 4, 5],
        ],
        [
          [2, 1, 3, 4],
          [3, 4, 1],
        ],
        [
          [1, 17],
          [17, 1],
        ],
        [
          [300, 7],
          [7, 11],
        ],
      ] as const) {
        engine().scope(() => {
          expectGradients(
            engine(),
            random,
            [floats(random, [...a]), floats(random, [...b])],
            (x, y) => fb.matmul(x!, y!),
            { about: `[${a}] [${b}]`, tolerance: 5e-3 },
          )
        })
      }
    })

    it('linear, with bias and activation', () => {
      const random = new Random(20261214)
      for (const [rows, depth, columns] of [
        [[3], 4, 5],
        [[2, 3], 17, 9],
        [[], 6, 3],
        [[600], 3, 2],
      ] as const) {
        for (const activation of [undefined, 'softplus'] as const) {
          engine().scope(() => {
            const inputs = [
              floats(random, [...rows, depth]),
              floats(random, [depth, columns]),
              floats(random, [columns]),
            ]
            expectGradients(
              engine(),
              random,
              inputs,
              (x, weight, bias) => fb.linear(x!, weight!, { bias, activation }),
              { tolerance: 5e-3 },
            )
          })
        }
      }
      engine().scope(() => {
        const inputs = [
          make(random.integers(12), [3, 4]),
          make(random.integers(20), [4, 5]),
          make(
            random.integers(5).map((v) => v + 0.5),
            [5],
          ),
        ]
        expectGradients(
          engine(),
          random,
          inputs,
          (x, weight, bias) => fb.linear(x!, weight!, { bias, activation: 'relu' }),
          { tolerance: 1e-5 },
        )
      })
    })

    it('rnn, lstm and gru, in one note', () => {
      const random = new Random(20261208)
      for (const [op, gates] of [
        [fb.rnn, 1],
        [fb.lstm, 4],
        [fb.gru, 3],
      ] as const) {
        engine().scope(() => {
          const inputs = [[2, 3, 4], [4, gates * 6], [6, gates * 6], [gates * 6]].map((shape) =>
            floats(random, shape),
          )
          expectGradients(engine(), random, inputs, (x, inputWeight, stateWeight, bias) => {
            const options = { inputWeight: inputWeight!, stateWeight: stateWeight!, bias: bias! }
            const { output, state } = op(x!, options)
            return fb.add(output, state.reshape([2, 1, 6]))
          })
        })
      }
    })
  })
})
