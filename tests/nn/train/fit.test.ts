import { describe, expect, it } from 'vitest'
import { createEngine, type Engine, mul, sub, type Tensor } from '../../../src/index.js'
import {
  type Augment,
  adam,
  type BatchReport,
  Conv2d,
  type Data,
  Dropout,
  evaluate,
  Flatten,
  flip,
  Random as Generator,
  GlobalAvgPool2d,
  Layer,
  Linear,
  MaxPool2d,
  meanSquaredError,
  Residual,
  readIdx,
  Sequential,
  type Source,
  sgd,
  shift,
  fit as train,
} from '../../../src/nn/index.js'
import { expectComplaint, inEveryBuild } from '../../support/check.js'
import { Random } from '../../support/random.js'

/** Bars that lie, stand or fall, anywhere in a noisy picture. */
function bars(samples: number, seed: number): Data {
  const random = new Random(seed)
  const inputs = random.floats(samples * 100, 0, 0.5)
  const labels = Int32Array.from({ length: samples }, () => random.integer(0, 2))
  labels.forEach((label, n) => {
    const [row, column] = [random.integer(2, 7), random.integer(2, 7)]
    for (let t = -2; t <= 2; t++)
      inputs[n * 100 + (row + (label === 0 ? 0 : t)) * 10 + column + (label === 1 ? 0 : t)] = 1
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
      const measured = await evaluate(model, test, { batchSize: 7 })
      expect(measured.accuracy).toBe(history.at(-1)!.validation!.accuracy)
      expect(measured.loss).toBeCloseTo(history.at(-1)!.validation!.loss, 4)

      const line = new Sequential(
        new Flatten(),
        new Linear(engine(), { inFeatures: 100, outFeatures: 3, initial: 'glorot', seed: 1 }),
      )
      const slow = sgd(line.parameters, { learningRate: 0.1 })
      await train(line, learned, { optimizer: slow, epochs: 12 })
      expect((await evaluate(line, test)).accuracy).toBeLessThan(0.8)
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
      const stopped = train(model, data, {
        optimizer,
        epochs: 9,
        batchSize: 20,
        signal: controller.signal,
        onBatch: ({ epoch }) => {
          if (epoch === 2) controller.abort()
        },
      })
      await expect(stopped).rejects.toThrow('aborted')
      expect(optimizer.steps).toBe(5)
      expect(model.training).toBe(false)
      const wrong = async (change: object, options: object, ...parts: string[]) => {
        for (const part of parts)
          await expect(train(model, { ...data, ...change }, { optimizer, ...options })).rejects.toThrow(part)
      }
      await wrong(
        { inputs: data.inputs.slice(1) },
        {},
        'fit: data must be 4000 numbers for its shape, got 3999',
      )
      await wrong(
        { labels: Int32Array.from({ length: 40 }, (_, i) => (i === 33 ? 3 : 0)) },
        {},
        'fit: labels[33] must be an integer from 0 to 2, got 3',
      )
      await wrong({ labels: [] }, {}, 'fit: data.labels must be integers, one per sample')
      await wrong({}, { batchSize: 0 }, 'fit: batchSize must be a positive integer, got 0')
      await wrong({}, { epochs: 1.5 }, 'fit: epochs must be a positive integer, got 1.5')
      await wrong({}, { optimizer: undefined }, 'fit: optimizer must be')
      await wrong(
        { inputs: Float32Array.from(data.inputs, () => Number.NaN) },
        {},
        'fit: loss must be a finite number, got NaN in step 6',
        'An input of this batch is not finite',
      )
      expect(engine().memory()).toMatchObject({ live: before.live, tensors: before.tensors })
      model.dispose()
      optimizer.dispose()
    })

    it('takes batches from anything that can be iterated, anew for every epoch', async () => {
      const data = bars(50, 6)
      const part = (from: number, to: number): Data => ({
        ...data,
        inputs: (data.inputs as Float32Array).slice(from * 100, to * 100),
        labels: (data.labels as Int32Array).slice(from, to),
      })
      async function* stream() {
        for (let from = 0; from < 50; from += 20) yield part(from, Math.min(50, from + 20))
      }
      const run = async (source: Source) => {
        const model = network(engine())
        const optimizer = adam(model.parameters)
        const reports: BatchReport[] = []
        try {
          const history = await train(model, source, {
            optimizer,
            epochs: 2,
            validation: source,
            onBatch: (report) => reports.push(report),
          })
          return {
            history,
            reports,
            weights: model.parameters.flatMap((parameter) => [...parameter.toArray()]),
          }
        } finally {
          model.dispose()
          optimizer.dispose()
        }
      }
      const streamed = await run(stream)
      expect(streamed.reports.map(({ batch, batches }) => [batch, batches])).toEqual(
        [1, 2, 3, 1, 2, 3].map((batch) => [batch, undefined]),
      )
      expect(await run([part(0, 20), part(20, 40), part(40, 50)])).toEqual(streamed)
      await expect(run(stream())).rejects.toThrow('data must be batches anew for every epoch, got none')
    })

    it('learns to give targets, and measures what it is told to', async () => {
      const random = new Random(8)
      const inputs = random.floats(60 * 3)
      const targets = Float32Array.from(
        { length: 120 },
        (_, i) => (i % 2 ? 2 : -1) * inputs[Math.floor(i / 2) * 3]!,
      )
      const data: Data = { inputs, shape: [3], targets, targetShape: [2] }
      const model = new Sequential(new Linear(engine(), { inFeatures: 3, outFeatures: 2, seed: 1 }))
      const optimizer = adam(model.parameters, { learningRate: 0.1 })
      const worst = (output: Tensor, expected: Int32Array | Tensor) =>
        Math.max(
          ...sub(output, expected as Tensor)
            .toArray()
            .map(Math.abs),
        )
      const history = await train(model, data, {
        optimizer,
        epochs: 60,
        batchSize: 20,
        loss: meanSquaredError,
        metrics: { worst },
      })
      expect(history.at(-1)!.loss).toBeLessThan(1e-3)
      expect(history.at(-1)!.accuracy).toBeNaN()
      const measured = await evaluate(model, data, {
        batchSize: 60,
        loss: meanSquaredError,
        metrics: { worst },
      })
      expect(measured.metrics['worst']).toBeGreaterThan(0)
      expect(measured.metrics['worst']).toBeLessThan(0.1)
      expect(engine().memory().tensors).toBe(4 + 2)
      model.dispose()
      optimizer.dispose()
    })

    it('flips and shifts', () => {
      const image = Float32Array.from([1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60])
      const shape = [2, 3, 2]
      const random = new Generator(1)
      const seen = (augment: Augment) =>
        new Set(Array.from({ length: 200 }, () => augment(image, shape, random).join()))
      expect(seen(flip())).toEqual(new Set([image.join(), '3,30,2,20,1,10,6,60,5,50,4,40']))
      expect(seen(flip({ horizontal: false, vertical: true }))).toEqual(
        new Set([image.join(), '4,40,5,50,6,60,1,10,2,20,3,30']),
      )
      expect(seen(flip({ vertical: true })).size).toBe(4)
      const shifted = seen(shift({ pixels: 1, fill: 9 }))
      expect(shifted.size).toBe(9)
      expect(shifted).toContain('9,9,9,9,9,9,9,9,1,10,2,20')
      expect(shifted).toContain('5,50,6,60,9,9,9,9,9,9,9,9')
      expectComplaint(
        engine(),
        () => shift({ pixels: -1 }),
        'shift: pixels must be an integer of at least 0, got -1',
      )
    })

    it('lets others have their turn: a signal that a timer gives stops it', async () => {
      const model = network(engine())
      const optimizer = sgd(model.parameters)
      const before = engine().memory().tensors
      await expect(
        train(model, bars(40, 9), { optimizer, epochs: 100_000, signal: AbortSignal.timeout(100) }),
      ).rejects.toThrow('timeout')
      expect(engine().memory().tensors).toBe(before)
      model.dispose()
      optimizer.dispose()
    })

    it('says which layer made a loss that is not finite, and what else is wrong', async () => {
      const data = bars(40, 10)
      const poison = engine().tensor([Number.POSITIVE_INFINITY], [1])
      class Break extends Layer {
        forward(x: Tensor): Tensor {
          return mul(x, poison)
        }
      }
      const inner = new Residual(
        new Conv2d(engine(), { inChannels: 1, outChannels: 1, size: 1 }),
        new Break(),
      )
      const model = new Sequential(
        inner,
        new Flatten(),
        new Linear(engine(), { inFeatures: 100, outFeatures: 3 }),
      )
      const optimizer = adam(model.parameters)
      const before = engine().memory().tensors
      const wrong = async (source: unknown, options: object, ...said: string[]) => {
        for (const part of said)
          await expect(train(model, source as Data, { optimizer, ...options })).rejects.toThrow(part)
        expect(engine().memory().tensors).toBe(before)
      }
      await wrong(data, {}, 'got NaN in step 1. The first output that is not finite is that of layer 0.1')
      expect(optimizer.steps).toBe(0)
      await wrong(data, { seed: Number.NaN }, 'seed must be an integer, got NaN')
      await wrong(data, { seed: 0.7 }, 'seed must be an integer, got 0.7')
      await wrong(
        { ...data, labels: BigInt64Array.of(0n, 1n) },
        {},
        'labels[0] must be an integer of at least 0, got 0n',
      )
      await wrong(
        { ...data, labels: ['cat', 'dog'] },
        {},
        'labels[0] must be an integer of at least 0, got "cat"',
      )
      await wrong(
        {
          ...data,
          labels: [
            [1, 0],
            [0, 1],
          ],
        },
        {},
        'labels[0] must be an integer of at least 0, got [1, 0]',
      )
      await wrong(undefined, {}, 'fit: data must be { inputs, shape, labels }, or batches of that')
      await wrong([], {}, 'batches anew for every epoch, got none')
      await wrong(
        [{ ...data, shape: [10, 10, 2] }],
        {},
        'fit: data must be 8000 numbers for its shape, got 4000',
      )
      await wrong([7], {}, 'data (batch 1) must be { inputs, shape, labels }')
      await wrong(
        { ...data, shape: undefined },
        {},
        'data.shape must be lengths of at least 1, got undefined',
      )
      await wrong(
        { ...data, labels: undefined, targets: [1, 2, 3] },
        {},
        'data.targets must be 100 numbers per sample, got [1, 2, 3]. targetShape, the shape of one sample of them,',
      )
      await wrong(
        { ...data, labels: [] },
        {},
        'data.labels must be integers, one per sample (or data.targets, 100 numbers per sample)',
      )
      await wrong(data, { loss: (output: Tensor) => output }, 'loss must be one number')
      await wrong(data, { augment: [() => new Float32Array(3)] }, 'augment must be what gives 100 numbers')
      await wrong(
        data,
        { loss: () => engine().zeros([]) },
        'one that does not reach parameters[0] (0.0.filter)',
      )
      for (const each of [model, optimizer, poison]) each.dispose()
    })
  })

  it('gives the same bytes on any number of threads, with dropout and augmentation', async () => {
    const results: Float32Array[][] = []
    for (const threads of [1, 2, 3]) {
      const engine = await createEngine({ simd: 'simd128', threads })
      engine.parallelWork = 0
      const model = new Sequential(
        ...network(engine).layers.slice(0, -1),
        new Dropout({ rate: 0.2 }),
        new Linear(engine, { inFeatures: 6, outFeatures: 3 }),
      )
      await train(model, bars(50, 11), {
        optimizer: adam(model.parameters),
        epochs: 2,
        batchSize: 16,
        seed: 4,
        augment: [flip(), shift({ pixels: 2 })],
      })
      results.push(model.parameters.map((parameter) => parameter.toArray()))
      engine.dispose()
    }
    expect(results[1]).toEqual(results[0])
    expect(results[2]).toEqual(results[0])
  })
})

describe('readIdx', () => {
  it('reads every type of number, and says what is wrong', () => {
    const file = (type: number, shape: number[], ...bytes: number[]) =>
      Uint8Array.from([0, 0, type, shape.length, ...shape.flatMap((n) => [0, 0, n >> 8, n & 255]), ...bytes])
    expect(readIdx(file(8, [2, 1, 2], 1, 2, 254, 255))).toEqual({
      shape: [2, 1, 2],
      data: Uint8Array.of(1, 2, 254, 255),
    })
    expect(readIdx(file(9, [2], 1, 255)).data).toEqual(Int8Array.of(1, -1))
    expect(readIdx(file(11, [2], 1, 2, 255, 254)).data).toEqual(Int16Array.of(258, -2))
    expect(readIdx(file(12, [1], 0, 1, 0, 1)).data).toEqual(Int32Array.of(65537))
    expect(readIdx(file(13, [1], 0x3f, 0xc0, 0, 0)).data).toEqual(Float32Array.of(1.5))
    expect(readIdx(file(14, [1], 0xc0, 0, 0, 0, 0, 0, 0, 0)).data).toEqual(Float64Array.of(-2))
    const wrong = (bytes: unknown, part: string) => expect(() => readIdx(bytes as Uint8Array)).toThrow(part)
    wrong([0, 0, 8], 'readIdx: bytes must be a Uint8Array')
    wrong(new Uint8Array(2), 'bytes must be an idx file, got 2 bytes')
    wrong(file(7, [1], 1), 'bytes must be an idx file, got something else')
    wrong(Uint8Array.of(0x1f, 0x8b, 8, 0, 0), 'It is packed by gzip: unpack it first')
    wrong(file(8, [2, 3], 1, 2, 3, 4, 5), 'bytes must be 18 bytes, got 17')
    wrong(file(8, [2, 3]).subarray(0, 9), 'bytes must be 12 bytes, got 9')
  })
})
