/** Measures of all samples, against counts by hand. */
import { describe, expect, it } from 'vitest'
import { createEngine } from '../../../src/index.js'
import {
  accuracy,
  clipByGlobalNorm,
  confusionMatrix,
  evaluate,
  f1Score,
  Linear,
  meanIou,
  Sequential,
  topKAccuracy,
} from '../../../src/nn/index.js'
import { expectComplaint } from '../../support/check.js'
import { Random } from '../../support/random.js'

describe('metrics', () => {
  it('count what was taken for what', async () => {
    using engine = await createEngine({ threads: 1 })
    engine.scope(() => {
      const rows = [
        [3, 1, 0], // 0, as it is
        [0, 2, 1], // 0 taken for 1
        [0, 5, 1], // 1
        [0, 1, 4], // 1 taken for 2
        [0, 1, 4], // 2
        [Number.NaN, 1, 4], // nothing
      ]
      const output = engine.tensor(rows.flat(), [6, 3])
      const matrix = confusionMatrix(output, [0, 0, 1, 1, 2, 2])
      expect([...matrix.counts]).toEqual([1, 1, 0, 0, 1, 1, 0, 0, 1])
      expect(matrix.accuracy).toBeCloseTo(3 / 5)
      expect(matrix.precision).toEqual([1, 1 / 2, 1 / 2])
      expect(matrix.recall).toEqual([1 / 2, 1 / 2, 1])
      expect(matrix.f1).toBeCloseTo((2 / 3 + 1 / 2 + 2 / 3) / 3)
      expect(matrix.meanIou).toBeCloseTo((1 / 2 + 1 / 3 + 1 / 2) / 3)
      // Pixels, yes and no by one logit, and a class that nothing is of.
      expect([...confusionMatrix(engine.tensor([1, -1, 0.5, 2], [1, 2, 2, 1]), [1, 1, 0, 1]).counts]).toEqual(
        [0, 1, 1, 2],
      )
      expect(confusionMatrix(engine.tensor([1, 0, 0, 0, 1, 0], [1, 1, 2, 3]), [0, 1]).f1).toBe(1)
      expectComplaint(engine, () => confusionMatrix(output, [0, 1]), 'confusionMatrix: labels')
      expectComplaint(engine, () => confusionMatrix(output, [0, 1, 2, 3, 0, 1]), 'confusionMatrix: labels[3]')
      const top = topKAccuracy({ k: 2 })
      expect(top(engine.tensor([1, 2, 3, 3, 3, 1, 0, 0, 0], [3, 3]), Int32Array.of(1, 1, 2))).toBeCloseTo(
        2 / 3,
      )
      expectComplaint(engine, () => topKAccuracy({ k: 0 }), 'topKAccuracy: k must be')
      expectComplaint(engine, () => top(null as never, Int32Array.of(1)), 'topKAccuracy: output must be')
      expectComplaint(engine, () => accuracy([1, 2] as never, [0]), 'accuracy: output must be')
      expectComplaint(engine, () => confusionMatrix(3 as never, [0]), 'confusionMatrix: output must be')
      expectComplaint(
        engine,
        () => clipByGlobalNorm(output as never, 1),
        'gradients must be an array of tensors',
      )
    })
  })

  it('are those of all batches together, not the mean of each', async () => {
    using engine = await createEngine({ threads: 1 })
    const random = new Random(1)
    const model = new Sequential(new Linear(engine, { inFeatures: 4, outFeatures: 3, seed: 1 }))
    const data = {
      inputs: random.floats(50 * 4),
      shape: [4],
      labels: Int32Array.from({ length: 50 }, () => random.integer(0, 2)),
    }
    const metrics = { f1: f1Score(), iou: meanIou(), top2: topKAccuracy({ k: 2 }) }
    const measured = await evaluate(model, data, { batchSize: 7, metrics })
    const x = engine.tensor(data.inputs, [50, 4])
    const output = model.forward(x)
    const { f1, meanIou: iou, accuracy } = confusionMatrix(output, data.labels)
    expect(measured.metrics['f1']).toBe(f1)
    expect(measured.metrics['iou']).toBe(iou)
    expect(measured.accuracy).toBeCloseTo(accuracy)
    expect(measured.metrics['top2']).toBeCloseTo(topKAccuracy({ k: 2 })(output, data.labels) as number)
    for (const each of [model, x, output]) each.dispose()
    expect(engine.memory().tensors).toBe(0)
  })
})
