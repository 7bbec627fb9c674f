/** Steps of several batches; training that goes on, on any number of threads, and leaves nothing behind. */
import { describe, expect, it } from 'vitest'
import { createEngine, type Engine, mul, type Tensor } from '../../../src/index.js'
import {
  adam,
  BatchNorm2d,
  Conv1d,
  Dropout,
  GlobalAvgPool1d,
  Layer,
  Linear,
  load,
  MaxPool1d,
  Parallel,
  Sequential,
  SpectralNorm,
  save,
  sgd,
  fit as train,
  WeightNorm,
} from '../../../src/nn/index.js'
import { Random } from '../../support/random.js'

const random = new Random(20261129)
const data = {
  inputs: random.floats(22 * 12 * 3),
  shape: [12, 3],
  labels: Int32Array.from({ length: 22 }, () => random.integer(0, 3)),
}

const network = (engine: Engine, seed: number) =>
  new Sequential(
    new SpectralNorm(new Conv1d(engine, { inChannels: 3, outChannels: 8, size: 3, padding: 'same', seed }), {
      seed,
    }),
    new BatchNorm2d(engine, { channels: 8, activation: 'relu' }),
    new MaxPool1d({ size: 2 }),
    new Parallel(
      [1, 2].map(
        (more) =>
          new WeightNorm(
            new Conv1d(engine, {
              inChannels: 8,
              outChannels: 8,
              size: 3,
              padding: 'same',
              seed: seed + more,
            }),
          ),
      ),
      { merge: 'sum' },
    ),
    new Dropout({ rate: 0.2 }),
    new GlobalAvgPool1d(),
    new Linear(engine, { inFeatures: 8, outFeatures: 4, seed }),
  )

const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i])

describe('accumulate', () => {
  it('is one step of a large batch', async () => {
    using engine = await createEngine({ threads: 1 })
    const weights = async (options: { batchSize: number; accumulate?: number; clipNorm?: number }) => {
      const model = new Sequential(new Linear(engine, { inFeatures: 36, outFeatures: 4, seed: 1 }))
      using optimizer = sgd(model.parameters, { learningRate: 0.5 })
      const steps: number[] = []
      const flat = { ...data, shape: [36] }
      await train(model, flat, {
        ...options,
        optimizer,
        epochs: 2,
        onBatch: ({ batch }) => void steps.push(batch),
      })
      const numbers = model.parameters.map((tensor) => tensor.toArray())
      const { steps: taken } = optimizer
      model.dispose()
      return { numbers, taken, steps }
    }
    const compare = async (batchSize: number, accumulate: number, steps: number[], clipNorm?: number) => {
      const large = await weights({ batchSize: batchSize * accumulate, ...(clipNorm && { clipNorm }) })
      const small = await weights({ batchSize, accumulate, ...(clipNorm && { clipNorm }) })
      expect(small.taken).toBe(large.taken)
      expect(small.steps).toEqual(steps)
      for (const [i, numbers] of large.numbers.entries())
        for (const [j, value] of numbers.entries()) expect(small.numbers[i]![j]).toBeCloseTo(value, 5)
    }
    // 22 samples are batches of 4, 4, 4, and 4, 4, 2: the rest of an epoch is a step too.
    await compare(4, 3, [3, 6, 3, 6])
    await compare(4, 3, [3, 6, 3, 6], 0.1)
    // 8, 8, and 6: a batch that is left alone.
    await compare(8, 2, [2, 3, 2, 3])
    await compare(22, 4, [1, 1])
    expect(engine.memory().tensors).toBe(0)
  })

  it('goes on in the middle of an epoch to the same bytes, and within a step from its start', async () => {
    using engine = await createEngine({ threads: 1 })
    const settings = { batchSize: 3, accumulate: 2, seed: 9 }
    const start = (seed: number) => {
      const model = network(engine, seed)
      return { model, optimizer: adam(model.parameters, { learningRate: 0.01 }) }
    }
    const whole = start(1)
    await train(whole.model, data, { ...settings, optimizer: whole.optimizer, epochs: 2 })
    const first = start(1)
    const stop = new AbortController()
    let samples = 0
    // The signal comes with the last sample of the third batch: one step is taken, another is begun.
    const augment = [
      (sample: Float32Array) => {
        if (++samples === 9) stop.abort()
        return sample
      },
    ]
    await expect(
      train(first.model, data, {
        ...settings,
        optimizer: first.optimizer,
        augment,
        signal: stop.signal,
        epochs: 2,
      }),
    ).rejects.toThrow()
    expect(first.optimizer.steps).toBe(1)
    const second = start(2)
    load(save(first.model, { optimizer: first.optimizer }), second.model, { optimizer: second.optimizer })
    await train(second.model, data, { ...settings, optimizer: second.optimizer, epochs: 2 })
    const [a, b] = [whole, second].map(({ model, optimizer }) => save(model, { optimizer })) as [
      Uint8Array,
      Uint8Array,
    ]
    expect(same(a, b)).toBe(true)
    for (const { model, optimizer } of [whole, first, second])
      for (const each of [model, optimizer]) each.dispose()
    expect(engine.memory().tensors).toBe(0)
  })
})

describe('training', () => {
  it('gives the same bytes on 1, 2 and 3 threads', async () => {
    const files: Uint8Array[] = []
    for (const threads of [1, 2, 3]) {
      using engine = await createEngine({ threads })
      ;(engine as Engine & { parallelWork: number }).parallelWork = 0
      const model = network(engine, 3)
      using optimizer = adam(model.parameters)
      await train(model, data, { optimizer, epochs: 2, batchSize: 4, accumulate: 2, clipNorm: 1 })
      files.push(save(model, { optimizer }))
      model.dispose()
    }
    for (const file of files) expect(same(file, files[0]!)).toBe(true)
  })

  it('leaves nothing behind after 1,000 steps', { timeout: 120_000 }, async () => {
    using engine = await createEngine({ threads: 1 })
    const model = network(engine, 3)
    const optimizer = adam(model.parameters)
    await train(model, data, { optimizer, epochs: 2, batchSize: 4 })
    const before = engine.memory()
    await train(model, data, { optimizer, epochs: 167, batchSize: 4 })
    expect(optimizer.steps).toBeGreaterThan(1000)
    expect(engine.memory()).toMatchObject({ live: before.live, tensors: before.tensors })
    for (const each of [model, optimizer]) each.dispose()
    expect(engine.memory().tensors).toBe(0)
  })

  it("names the layer whose output is no number, within layers of one's own too", async () => {
    using engine = await createEngine({ threads: 1 })
    class Block extends Layer {
      readonly parts = [new Linear(engine, { inFeatures: 3, outFeatures: 3, seed: 1 }), new Huge()]
      forward(x: Tensor): Tensor {
        return this.parts[1]!.forward(this.parts[0]!.forward(x))
      }
    }
    class Huge extends Layer {
      forward(x: Tensor): Tensor {
        return mul(mul(x, 1e30), 1e30)
      }
    }
    const model = new Sequential(new Block(), new Linear(engine, { inFeatures: 3, outFeatures: 2, seed: 2 }))
    using optimizer = sgd(model.parameters)
    const before = model.parameters.map((tensor) => tensor.toArray())
    const some = { inputs: [1, 2, 3], shape: [3], labels: [1] }
    await expect(train(model, some, { optimizer })).rejects.toThrow(
      'The first output that is not finite is that of layer 0.parts.1',
    )
    expect(model.parameters.map((tensor) => tensor.toArray())).toEqual(before)
    model.dispose()
    expect(engine.memory().tensors).toBe(0)
  })
})
