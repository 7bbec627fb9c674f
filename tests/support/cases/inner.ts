/**
 * Kernels that no public op runs, a line each: beside the table of ../cases.ts, which browsers run too. By plans alone:
 * dist/every-kernel.js has these beside the tensors of dist/index.js.
 */
import * as fb from '../../../src/index.js'
import { runSuppress } from '../../../src/plans/suppress.js'
import type { Case } from './maker.js'

export const inner: Record<string, Case> = {
  'terms of quantising in the run': {
    shapes: (random) => [[random.integer(1, 9), random.integer(1, 40)]],
    op: (x) => {
      const { engine } = x!
      const [low, high, scale, number] = [fb.min(x!), fb.max(x!), engine.zeros([]), engine.zeros([])]
      const zero = engine.zeros([], { dtype: 'int32' })
      engine.run({
        kernel: 'quantizeTerms',
        args: {
          low: low.pointer,
          high: high.pointer,
          scale: scale.pointer,
          zero: zero.pointer,
          number: number.pointer,
        },
        units: 1,
      })
      return fb.concat([scale, fb.cast(zero, 'float32'), number].map((part) => fb.reshape(part, [-1])))
    },
  },
  suppress: {
    shapes: (random) => {
      const [images, n] = [random.integer(1, 3), random.pick([1, 5, 40, 300])]
      return [
        [images, n, 4],
        [images, random.integer(1, 4), n],
      ]
    },
    op: (boxes, scores) => {
      const { engine } = boxes!
      const [images, classes, n] = scores!.shape as [number, number, number]
      const most = Math.ceil(n / 2)
      const places = engine.zeros([images * classes, most], { dtype: 'int32' })
      const counts = engine.zeros([images * classes], { dtype: 'int32' })
      const rules = { centred: n % 2 === 0, overlap: 0.4, least: -0.5 }
      runSuppress({ boxes: boxes!, scores: scores!, places, counts, ...rules })
      return fb.concat([fb.reshape(places, [-1]), counts])
    },
  },
}
