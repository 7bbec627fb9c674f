/** classify: against softmax of the engine, on what models answer here and in a worker. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, softmax } from '../../src/index.js'
import { loadModel, writeModel } from '../../src/onnx/index.js'
import { classify } from '../../src/tasks/index.js'
import { createWorker } from '../../src/worker/index.js'
import { expectComplaint } from '../support/check.js'

const logits = [0.5, -2, 3.25, 3.25, 1]
const labels = ['ant', 'bee', 'cat', 'dog', 'elk']
const bytes = writeModel({
  nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
  inputs: [{ name: 'x', shape: [2, 5] }],
  outputs: [{ name: 'y' }],
})

describe('classify', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())

  it('gives the scores of softmax, the likeliest first, of equal ones the lower class', () => {
    const wanted = engine.scope(() => softmax(engine.tensor(logits, [1, 5])).toArray())
    const found = classify(logits, { labels })
    expect(found.map(({ label }) => label)).toEqual(['cat', 'dog', 'elk', 'ant', 'bee'])
    expect(found.map(({ index }) => index)).toEqual([2, 3, 4, 0, 1])
    for (const { index, score } of found) expect(score).toBeCloseTo(wanted[index]!, 6)
    expect(classify(logits, { top: 1 })).toEqual([{ index: 2, label: '2', score: found[0]!.score }])
    expect(classify(logits, { threshold: 0.1 })).toHaveLength(2)
  })

  it('leaves probabilities as they are, and takes sigmoids where each class may be', () => {
    const probabilities = [0.125, 0.5, 0.375]
    expect(classify(probabilities).map(({ score }) => score)).toEqual([0.5, 0.375, 0.125])
    const [best] = classify(probabilities, { activation: 'softmax' })
    expect(best!.score).toBeLessThan(0.5)
    expect(classify([0, 100, -1000], { activation: 'sigmoid' }).map(({ score }) => score)).toEqual([
      1, 0.5, 0,
    ])
    expect(classify([0], { activation: 'sigmoid' })).toEqual([{ index: 0, label: '0', score: 0.5 }])
  })

  it('is finite for logits that overflow', () => {
    expect(classify([1000, 0], { top: 1 })).toEqual([{ index: 0, label: '0', score: 1 }])
    // As float16 has them beyond 65504.
    expect(classify([3, Number.POSITIVE_INFINITY, 5], { top: 1 })).toEqual([
      { index: 1, label: '1', score: 1 },
    ])
    expect(classify([0, Number.NEGATIVE_INFINITY]).map(({ score }) => score)).toEqual([1, 0])
  })

  it('takes tensors, outputs of a model, and those of a worker, one of a batch', async () => {
    const batch = Float32Array.from([...logits, ...logits.toReversed()])
    const wanted = classify(logits.toReversed())
    const x = engine.tensor(batch, [2, 5, 1, 1])
    expect(classify(x, { item: 1 })).toEqual(wanted)
    x.dispose()
    using model = await loadModel(engine, bytes)
    expect(classify(model.run({ x: batch })['y']!, { item: 1 })).toEqual(wanted)
    using worker = await createWorker({ threads: 1 })
    const remote = await worker.loadModel(bytes)
    expect(classify((await remote.run({ x: batch }))['y']!, { item: 1 })).toEqual(wanted)
    expect(classify({ data: batch, shape: [2, 5] }, { item: 0 })).toEqual(classify(logits))
  })

  it('says what is wrong', () => {
    expectComplaint(
      engine,
      () => classify(new Float32Array(10) as never, { labels }),
      'labels',
      '10 names',
      '5 of them',
    )
    expectComplaint(engine, () => classify({ data: new Float32Array(10), shape: [2, 5] }), 'item', '[2, 5]')
    expectComplaint(
      engine,
      () => classify({ data: new Float32Array(10), shape: [2, 5] }, { item: 2 }),
      'item',
      '2',
    )
    expectComplaint(engine, () => classify({ data: new Float32Array(9), shape: [2, 5] }), 'scores', '9')
    expectComplaint(engine, () => classify([1, Number.NaN]), 'scores', 'NaN for class 1')
    expectComplaint(engine, () => classify([1, 2], { labels: ['a', 1] as never }), 'labels', '2 names')
    expectComplaint(engine, () => classify([1]), 'activation', 'single class')
    expectComplaint(engine, () => classify([]), 'scores', 'one class')
    expectComplaint(engine, () => classify('cat' as never), 'scores', '"cat"')
    expectComplaint(
      engine,
      () => classify({ shape: [1], data: [1n] } as never, { activation: 'none' }),
      'scores',
    )
    expectComplaint(engine, () => classify(BigInt64Array.of(1n, 2n) as never), 'scores', 'BigInt64Array')
    expectComplaint(engine, () => classify(logits, { activation: 'relu' as never }), 'activation', 'softmax')
    expectComplaint(engine, () => classify(logits, { top: 0 }), 'top', '0')
  })
})
