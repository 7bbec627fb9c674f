import { describe, expect, it } from 'vitest'
import type { Engine } from '../../src/index.js'
import {
  adam,
  Conv2d,
  type Data,
  evaluate,
  Flatten,
  Random as Generator,
  GlobalAvgPool2d,
  Linear,
  MaxPool2d,
  Sequential,
  sgd,
  fit as train,
} from '../../src/nn/index.js'
import { inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'

/** Bars that lie, stand or fall, anywhere in a noisy picture. */
function bars(samples: number, seed: number): Data {
  const random = new Random(seed)
  const inputs = random.floats(samples * 100, 0, 0.5)
  const labels = Int32Array.from({ length: samples }, () => random.integer(0, 2))
  labels.forEach((label, n) => {
    const [row, column] = [random.integer(2, 7), random.integer(2, 7)]
    for (let t = -2; t <= 2; t++) inputs[n * 100 + (row + (label === 0 ? 0 : t)) * 10 + column + (label === 1 ? 0 : t)] = 1
  })
  return { inputs, shape: [10, 10, 1], labels }
}

const network = (engine: Engine, seed = new Generator(2)) =>
  new Sequential(
    new Conv2d(engine, { inChannels: 1, outChannels: 6, size: 3, activation: 'relu', seed }),
    new MaxPool2d({ size: 2 }),
    new Conv2d(engine, { inChannels: 6, outChannels: 6, size: 3, activation: 'relu', seed }),
    new GlobalAvgPool2d(),
    new Linear(engine, { inFeatures: 6, outFeatures: 3, seed }),
  )

describe('fit', () => {
  inEveryBuild((engine) => {
    it('learns what a linear classifier cannot, tells how it goes, and leaves nothing behind', async () => {
      const [learned, test] = [bars(600, 1), bars(200, 2)]
      const model = network(engine())
      const optimizer = adam(model.parameters, { learningRate: 0.01 })
      const batches: number[] = []
      const history = await train(model, learned, {
        optimizer,
        epochs: 12,
        batchSize: 50,
        validation: test,
        seed: 3,
        onBatch: ({ loss }) => batches.push(loss),
      })
      expect(batches.length).toBe(12 * 12)
      expect(history.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
      expect(history.at(-1)!.loss).toBeLessThan(history[0]!.loss)
      expect(history.at(-1)!.validation!.accuracy).toBeGreaterThan(0.95)
      const measured = evaluate(model, test, { batchSize: 7 })
      expect(measured.accuracy).toBe(history.at(-1)!.validation!.accuracy)
      expect(measured.loss).toBeCloseTo(history.at(-1)!.validation!.loss, 4)

      const line = new Sequential(new Flatten(), new Linear(engine(), { inFeatures: 100, outFeatures: 3, initial: 'glorot', seed: 1 }))
      const slow = sgd(line.parameters, { learningRate: 0.1 })
      await train(line, learned, { optimizer: slow, epochs: 12 })
      expect(evaluate(line, test).accuracy).toBeLessThan(0.8)
      for (const each of [model, optimizer, line, slow]) each.dispose()
      expect(engine().memory().tensors).toBe(0)
    })

    it('gives the same bytes for the same seed, others for another, with a smaller last batch', async () => {
      const data = bars(45, 4)
      const run = async (seed: number) => {
        const model = network(engine())
        const optimizer = adam(model.parameters)
        await train(model, data, { optimizer, epochs: 2, batchSize: 20, seed, clipNorm: 1 })
        const weights = model.parameters.flatMap((parameter) => [...parameter.toArray()])
        model.dispose()
        optimizer.dispose()
        return weights
      }
      const first = await run(1)
      expect(await run(1)).toEqual(first)
      expect(await run(2)).not.toEqual(first)
    })

    it('stops at a signal between steps, and says what is wrong, with everything freed', async () => {
      const data = bars(40, 5)
      const model = network(engine())
      const optimizer = adam(model.parameters)
      const controller = new AbortController()
      await train(model, data, { optimizer, batchSize: 20 })
      const before = engine().memory()
      const stopped = train(model, data, { optimizer, epochs: 9, batchSize: 20, signal: controller.signal, onBatch: ({ epoch }) => { if (epoch === 2) controller.abort() } }) // biome-ignore format: one line
      await expect(stopped).rejects.toThrow('aborted')
      expect(optimizer.steps).toBe(5)
      expect(model.training).toBe(false)
      const wrong = async (change: object, options: object, ...parts: string[]) => {
        for (const part of parts) await expect(train(model, { ...data, ...change }, { optimizer, ...options })).rejects.toThrow(part)
      }
      await wrong({ inputs: data.inputs.slice(1) }, {}, 'fit: data must be 4000 numbers for its shape, got 3999')
      await wrong({ labels: Int32Array.from(data.labels, () => 3) }, {}, 'fit: labels[0] must be an integer from 0 to 2, got 3')
      await wrong({ labels: [] }, {}, 'fit: data.labels must be integers, one per sample')
      await wrong({}, { batchSize: 0 }, 'fit: batchSize must be a positive integer, got 0')
      await wrong({}, { epochs: 1.5 }, 'fit: epochs must be a positive integer, got 1.5')
      await wrong({}, { optimizer: undefined }, 'fit: optimizer must be')
      await wrong({ inputs: Float32Array.from(data.inputs, () => Number.NaN) }, {}, 'fit: loss must be a finite number, got NaN in step 6', 'layer 0')
      expect(engine().memory()).toMatchObject({ live: before.live, tensors: before.tensors })
      model.dispose()
      optimizer.dispose()
    })
  })
})
