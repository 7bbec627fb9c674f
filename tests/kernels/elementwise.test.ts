import { describe, expect, it } from 'vitest'
import * as fb from '../../src/index.js'
import { inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'

/** x [n, h, w, c]; v [c] */
const ops: Record<string, (x: fb.Tensor, v: fb.Tensor) => fb.Tensor> = {
  relu: (x) => fb.relu(x),
  gelu: (x) => fb.gelu(x),
  'add, the same shape': (x) => fb.add(x, x),
  'add, a number': (x) => fb.add(x, 2, { activation: 'silu' }),
  'add, a vector per channel': (x, v) => fb.add(v, x, { activation: 'relu6' }),
  'mul, a mask': (x) => fb.mul(x, fb.mean(x, { axes: -1, keepDims: true })),
  'sub, rows': (x) => fb.sub(x, fb.mean(x, { axes: 2, keepDims: true })),
  'div, both spread': (x, v) =>
    fb.div(fb.sum(x, { axes: 1, keepDims: true }), fb.add(fb.max(x, { axes: [2, 3], keepDims: true }), v)),
  prelu: (x, v) => fb.prelu(x, v),
  batchNorm: (x, v) => fb.batchNorm(x, { mean: v, variance: fb.relu(v), scale: v }),
  'sum, rows': (x) => fb.sum(x, { axes: -1 }),
  'sum, columns': (x) => fb.sum(x, { axes: [0, 1, 2] }),
  'max, apart': (x) => fb.max(x, { axes: [0, 2] }),
  'mean, all': (x) => fb.mean(x),
  'argmax, rows': (x) => fb.argmax(x, { axis: 3 }),
  'argmax, columns': (x) => fb.argmax(x, { axis: 1 }),
  'softmax, rows': (x) => fb.softmax(x),
  'softmax, columns': (x) => fb.logSoftmax(x, { axis: 1 }),
}

describe('elementwise and reducing kernels', () => {
  inEveryBuild((engine) => {
    for (const [name, op] of Object.entries(ops)) {
      it(`${name}: recorded, and replayed on other numbers`, () => {
        const random = new Random(20261202)
        engine().scope(() => {
          const x = engine().tensor(random.floats(420, 1, 2), [2, 5, 7, 6])
          const v = engine().tensor(random.floats(6, 1, 2), [6])
          const y = op(x, v)
          const { result, program } = engine().record(() =>
            engine().scope(() => fb.add(op(x, v), fb.mul(y, 0))),
          )
          x.set(random.floats(x.size, -4, 4))
          v.set(random.floats(v.size, 0.5, 1))
          program.run()
          expect(result.toArray()).toEqual(
            op(x, v)
              .toArray()
              .map((value) => value + 0),
          )
          program.dispose()
        })
      })
    }
  })
})
