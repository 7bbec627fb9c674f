import { describe, expect, it } from 'vitest'
import { Tensor } from '../../src/index.js'
import { type Kernel, kernelNames } from '../../src/wasm/kernels.js'
import { inner } from '../support/cases/inner.js'
import { cases } from '../support/cases.js'
import { inEveryBuild } from '../support/check.js'
import { expectSameInPieces } from '../support/kernels.js'
import { Random } from '../support/random.js'

const ROUNDS = 12

describe('kernels: the same bytes at every split and order of their units, and none elsewhere', () => {
  inEveryBuild(
    (engine) => {
      const seen = new Set<Kernel>()

      for (const [name, { shapes, op }] of Object.entries({ ...cases, ...inner })) {
        it(name, () => {
          for (let round = 0; round < ROUNDS; round++) {
            const random = new Random(20261121 + round)
            const inputs = shapes(random).map((shape) => ({
              shape,
              data: random.floats(shape.reduce((a, b) => a * b, 1)),
            }))
            const bytes = (numbers: ArrayBufferView) => Buffer.from(numbers.buffer as ArrayBuffer)
            const solve = (): Buffer => {
              const tensors = inputs.map(({ data, shape }) => engine().tensor(data, shape))
              const result = op(...tensors)
              for (const [i, { data }] of inputs.entries())
                expect(bytes(tensors[i]!.toArray()).equals(bytes(data)), `input ${i} is as it was`).toBe(true)
              return result instanceof Tensor ? bytes(result.toArray()) : Buffer.from(result.data)
            }
            expectSameInPieces(
              engine(),
              random,
              () => engine().scope(solve),
              `round ${round}, ${inputs.map(({ shape }) => `[${shape}]`)}`,
              seen,
            )
          }
        })
      }

      it('no kernel was left out', () => {
        expect([...kernelNames].filter((kernel) => !seen.has(kernel))).toEqual([])
      })
    },
    { threads: 1 },
  )
})
