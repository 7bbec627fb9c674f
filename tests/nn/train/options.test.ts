/** What fit, evaluate and predict take beside plain samples, and what they refuse. */
import { describe, expect, it } from 'vitest'
import { concat, createEngine, mean, mul, sum, type Tensor } from '../../../src/index.js'
import {
  accuracy,
  adam,
  binaryCrossEntropy,
  Conv2d,
  crossEntropy,
  type Data,
  evaluate,
  Flatten,
  Layer,
  Linear,
  meanSquaredError,
  predict,
  Residual,
  Sequential,
  saveOnnx,
  sgd,
  fit as train,
  valueAndGradients,
} from '../../../src/nn/index.js'

const numbers = (tensors: readonly Tensor[]) => tensors.map((tensor) => [...tensor.toArray()])

describe('modes of layers', () => {
  it('evaluate gives others their turn, and stops at a signal', async () => {
    using engine = await createEngine({ threads: 1 })
    const model = new Sequential(
      new Conv2d(engine, { inChannels: 1, outChannels: 16, size: 5, padding: 'same' }),
      new Flatten(),
      new Linear(engine, { inFeatures: 16 * 784, outFeatures: 2 }),
    )
    const many = { inputs: new Float32Array(64 * 784), shape: [28, 28, 1], labels: new Uint8Array(64) }
    const stop = new AbortController()
    const endless = function* () {
      for (;;) yield many
    }
    const timer = setTimeout(() => stop.abort())
    await expect(evaluate(model, endless, { signal: stop.signal })).rejects.toThrow('aborted')
    clearTimeout(timer)
    await expect(evaluate(model, many, { signal: AbortSignal.abort() })).rejects.toThrow('aborted')
    const validated = train(model, many, {
      optimizer: sgd(model.parameters),
      validation: endless,
      signal: AbortSignal.timeout(300),
    })
    await expect(validated).rejects.toThrow('timeout')
  })

  it('losses, metrics, labels and outputs that do not fit are errors; those that fit are measured', async () => {
    using engine = await createEngine({ threads: 1 })
    const linear = (inFeatures: number, outFeatures: number) =>
      new Linear(engine, { inFeatures, outFeatures, seed: 1 })
    const one = new Sequential(linear(2, 1))
    const optimizer = adam(one.parameters, { learningRate: 0.1 })
    const inputs = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i * i))
    const labels = Array.from({ length: 64 }, (_, i) => Number(inputs[2 * i]! > 0))
    const targets = { inputs, shape: [2], targets: labels, targetShape: [1] }
    await expect(train(one, targets, { optimizer })).rejects.toThrow(
      'fit: loss must be given for a model of one output',
    )
    await expect(evaluate(one, { inputs, shape: [2], labels })).rejects.toThrow(
      'evaluate: loss must be given',
    )
    await expect(
      train(new Sequential(linear(2, 2)), { inputs, shape: [2], targets: inputs }, { optimizer }),
    ).rejects.toThrow('targets that are no probabilities')
    for (const yesNo of [targets, { inputs, shape: [2], labels }]) {
      const history = await train(one, yesNo, {
        optimizer,
        loss: binaryCrossEntropy,
        epochs: 20,
        metrics: { mean: (y) => mean(y) },
      })
      expect(history.at(-1)!.accuracy).toBeGreaterThan(0.9)
      expect(Number.isFinite(history.at(-1)!.metrics['mean'])).toBe(true)
    }
    await expect(
      train(one, targets, { optimizer, loss: meanSquaredError, metrics: { y: (y) => y } }),
    ).rejects.toThrow('metrics.y must be what gives a number')
    const wrong = (change: object, said: string) =>
      expect(train(one, { inputs, shape: [2], labels, ...change } as Data, { optimizer })).rejects.toThrow(
        said,
      )
    await wrong(
      { labels: labels.map((label) => [label, 1 - label]) },
      'data.labels[0] must be an integer of at least 0, got [',
    )
    await wrong({ labels: labels.map(String) }, 'data.labels[0] must be an integer of at least 0, got "')
    await wrong(
      { labels: BigInt64Array.from(labels, BigInt) },
      'data.labels[0] must be an integer of at least 0, got ',
    )
    await wrong(
      { inputs: labels.map((label) => [label, 1]) },
      'data.inputs must be numbers, one sample after the other',
    )
    await wrong(
      { labels: undefined, targets: labels },
      'data.targets must be 128 numbers, 2 for each of 64 samples',
    )
    expect(accuracy(engine.tensor([1, -1, 2], [3, 1]), [1, 0, 0])).toBeCloseTo(2 / 3)
    expect(() =>
      new Residual(new Conv2d(engine, { inChannels: 4, outChannels: 1, size: 1 })).forward(
        engine.zeros([1, 2, 2, 4]),
      ),
    ).toThrow('such that y is of')
    const tied = linear(2, 2)
    const twice = new Sequential(tied, tied)
    expect([...twice.names.values()]).toEqual(['0.weight', '0.bias'])
    await train(twice, { inputs, shape: [2], labels }, { optimizer: adam(twice.parameters) })
    expect(saveOnnx(twice, [2]).length).toBeGreaterThan(0)
    const heads = [linear(2, 2), linear(2, 2)] as const
    const both = heads.flatMap(({ parameters }) => parameters)
    const { gradients } = valueAndGradients(
      () => sum(heads[0].forward(engine.tensor([1, 2], [1, 2]))),
      both,
      { allowUnused: true },
    )
    expect(numbers(gradients)).toEqual([
      [1, 1, 2, 2],
      [1, 1],
      [0, 0, 0, 0],
      [0, 0],
    ])
  })

  it('stops early with the best weights; weights classes and samples; moves groups by their own rates; takes several inputs and labels for pixels', async () => {
    using engine = await createEngine({ threads: 1 })
    const linear = (inFeatures: number, outFeatures: number) =>
      new Linear(engine, { inFeatures, outFeatures, seed: 1 })
    const inputs = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i * i))
    const data = { inputs, shape: [2], labels: Array.from({ length: 64 }, (_, i) => i % 2) }
    const model = new Sequential(linear(2, 4), linear(4, 2))
    let kept: number[][] = []
    const losses = [5, 3, 4, 6, 2]
    let calls = 0
    const history = await train(model, data, {
      optimizer: sgd(model.parameters, { learningRate: 0.1 }),
      epochs: 5,
      metrics: { given: () => losses[Math.floor(calls++ / 2)]! },
      earlyStopping: { patience: 2, metric: 'given', better: 'lower' },
      onEpoch: ({ epoch }) => {
        if (epoch === 2) kept = numbers(model.parameters)
      },
    })
    expect(history.length).toBe(4)
    expect(numbers(model.parameters)).toEqual(kept)
    expect(
      (await train(model, data, { optimizer: sgd(model.parameters), epochs: 9, onEpoch: () => false }))
        .length,
    ).toBe(1)
    const endless = function* () {
      for (;;) yield data
    }
    expect(
      (await train(model, endless, { optimizer: sgd(model.parameters), epochs: 2, stepsPerEpoch: 3 })).length,
    ).toBe(2)
    const batches: (number | undefined)[] = []
    await train(model, data, {
      optimizer: sgd(model.parameters),
      batchSize: 20,
      dropLast: true,
      onBatch: ({ batches: of }) => batches.push(of),
    })
    expect(batches).toEqual([3, 3, 3])

    const [first, second] = model.layers as [Linear, Linear]
    const before = [numbers(first.parameters), numbers(second.parameters)]
    await train(model, data, {
      optimizer: sgd([{ parameters: first.parameters, learningRate: 0 }, { parameters: second.parameters }]),
    })
    expect(numbers(first.parameters)).toEqual(before[0])
    expect(numbers(second.parameters)).not.toEqual(before[1])

    const logits = engine.tensor([1, 2, 3, 0, 1, 0.5, -1, 2, 0], [3, 3])
    const of = (loss: Tensor) => loss.toArray()[0]!
    const single = [0, 2, 1].map(
      (label, i) =>
        of(
          crossEntropy(logits.reshape([3, 3]), [0, 2, 1], {
            sampleWeights: [0, 1, 2].map((j) => Number(i === j)),
          }),
        ) *
          3 +
        0 * label,
    )
    expect(of(crossEntropy(logits, [0, 2, 1]))).toBeCloseTo((single[0]! + single[1]! + single[2]!) / 3, 5)
    expect(of(crossEntropy(logits, [0, 2, 1], { classWeights: [1, 5, 2] }))).toBeCloseTo(
      (single[0]! + 2 * single[1]! + 5 * single[2]!) / 3,
      5,
    )
    expect(
      of(meanSquaredError(engine.tensor([1, 2], [2, 1]), engine.zeros([2, 1]), { sampleWeights: [1, 0.5] })),
    ).toBeCloseTo((1 + 2) / 2)
    const alone = async (sampleWeights: number[] | undefined, some: Partial<Data> = {}) =>
      (await evaluate(model, { ...data, ...some, sampleWeights: sampleWeights! })).loss
    expect(await alone(Array.from({ length: 64 }, (_, i) => Number(i === 0)))).toBeCloseTo(
      (await alone(undefined, { inputs: inputs.slice(0, 2), labels: [0] })) / 64,
      5,
    )
    await expect(
      evaluate(model, { ...data, sampleWeights: new Float32Array(64) }, { loss: (y) => mean(y) }),
    ).rejects.toThrow('takes sampleWeights as its third')

    class Two extends Layer<readonly [Tensor, Tensor], readonly Tensor[]> {
      readonly head = linear(4, 2)
      forward([a, b]: readonly [Tensor, Tensor]) {
        const y = this.head.forward(concat([a, b], { axis: 1 }))
        return [y, mul(y, 2)]
      }
    }
    const two = new Two()
    const pairs = {
      inputs: [inputs.slice(0, 8), inputs.slice(8, 16)],
      shape: [[2], [2]],
      targets: [inputs.slice(0, 8), inputs.slice(0, 8)],
      targetShape: [[2], [2]],
    }
    const sumOf = (outputs: readonly Tensor[], expected: readonly (Int32Array | Tensor)[]) =>
      sum(
        mul(
          meanSquaredError(outputs[0]!, expected[0] as Tensor),
          meanSquaredError(outputs[1]!, expected[1] as Tensor),
        ),
      )
    expect((await train(two, pairs, { optimizer: sgd(two.parameters), loss: sumOf })).length).toBe(1)
    const answers = await predict(two, pairs)
    expect(answers.map(({ shape }) => shape)).toEqual([
      [4, 2],
      [4, 2],
    ])

    const pixels = new Sequential(
      new Conv2d(engine, { inChannels: 1, outChannels: 3, size: 3, padding: 'same', seed: 1 }),
    )
    const images = {
      inputs: Float32Array.from({ length: 128 }, (_, i) => (i % 3) - 1),
      shape: [4, 4, 1],
      labels: Array.from({ length: 128 }, (_, i) => i % 3),
    }
    const learned = await train(pixels, images, {
      optimizer: adam(pixels.parameters, { learningRate: 0.1 }),
      epochs: 40,
    })
    expect(learned.at(-1)!.accuracy).toBeGreaterThan(0.9)
    expect(of(crossEntropy(engine.zeros([2, 4, 4, 3]), images.labels.slice(0, 32)))).toBeCloseTo(
      Math.log(3),
      5,
    )
  })
})
