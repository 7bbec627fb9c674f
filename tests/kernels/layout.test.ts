import { describe, it } from 'vitest'
import { avgPool2d, concat, globalAvgPool2d, globalMaxPool2d, maxPool2d, pad, resize, slice, type Tensor, transpose } from '../../src/index.js'
import { inEveryBuild } from '../support/check.js'
import { expectSameInPieces } from '../support/kernels.js'
import { Random } from '../support/random.js'

const ops: Record<string, (x: Tensor) => Tensor> = {
  maxPool: (x) => maxPool2d(x, { size: 3, stride: 2, padding: 1 }),
  avgPool: (x) => avgPool2d(x, { size: [3, 2], stride: 1, padding: [2, 1], countIncludePad: true }),
  'maxPool, all': globalMaxPool2d,
  'avgPool, all': globalAvgPool2d,
  'copy, rows': (x) => concat([x, x]),
  'copy, fill': (x) => pad(x, { padding: [[1, 0], [0, 1], [1, 2], [2, 1]], value: 3 }), // biome-ignore format: a matrix
  'copy, scattered': (x) => slice(x, { step: [1, 2, 1, 3] }),
  'copy, transpose': (x) => transpose(x, [0, 3, 1, 2]),
  'copy, reversed': (x) => transpose(x),
  resizeNearest: (x) => resize(x, { size: [7, 9], method: 'nearest' }),
  resizeBilinear: (x) => resize(x, { size: [70, 5] }),
}

describe('pool, copy and resize kernels: the same bytes at every split of their units, and none elsewhere', () => {
  inEveryBuild((engine) => {
    for (const [name, op] of Object.entries(ops)) {
      it(name, () => {
        const random = new Random(20261130)
        for (let c = 1; c <= 37; c++) {
          const shape = [random.integer(1, 3), random.integer(3, 20), random.integer(3, 20), c]
          engine().scope(() => {
            const x = engine().tensor(random.floats(shape.reduce((a, b) => a * b)), shape)
            expectSameInPieces(engine(), random, () => op(x), `[${shape}]`)
          })
        }
      })
    }

    it('copy of more than one unit', () => {
      engine().scope(() => {
        const random = new Random(20261131)
        const x = engine().tensor(random.floats(300 * 517), [300, 517])
        for (const op of [() => transpose(x), () => concat([x, x]), () => slice(x, { step: [1, 2] })]) expectSameInPieces(engine(), random, op)
      })
    })
  })
})
