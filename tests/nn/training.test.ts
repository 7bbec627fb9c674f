import { describe, expect, it } from 'vitest'
import { createEngine, type Engine, mul, sub, type Tensor } from '../../src/index.js'
import {
  Activation,
  adam,
  adamW,
  BatchNorm2d,
  binaryCrossEntropy,
  Conv2d,
  ConvTranspose2d,
  clipByGlobalNorm,
  crossEntropy,
  DepthwiseConv2d,
  Dropout,
  Embedding,
  Flatten,
  Random as Generator,
  GlobalAvgPool2d,
  GroupNorm,
  huber,
  InstanceNorm2d,
  Layer,
  LayerNorm,
  Linear,
  MaxPool2d,
  meanAbsoluteError,
  meanSquaredError,
  Residual,
  Sequential,
  sgd,
  Upsample,
  valueAndGradients,
} from '../../src/nn/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { expectGradients } from '../support/gradients.js'
import { Random } from '../support/random.js'

const applied = (x: Tensor, kind: 'relu' | 'silu'): Tensor => new Activation(kind).forward(x)

const lenet = (engine: Engine, random = new Generator(1)) =>
  new Sequential(
    new Conv2d(engine, {
      inChannels: 1,
      outChannels: 8,
      size: 3,
      padding: 'same',
      activation: 'relu',
      seed: random,
    }),
    new MaxPool2d({ size: 2 }),
    new Conv2d(engine, {
      inChannels: 8,
      outChannels: 16,
      size: 3,
      padding: 'same',
      activation: 'relu',
      seed: random,
    }),
    new MaxPool2d({ size: 2 }),
    new Flatten(),
    new Linear(engine, { inFeatures: 16 * 3 * 3, outFeatures: 10, seed: random }),
  )

/** 32 random images of 12 x 12, and a random label for each. */
function data(engine: Engine): { x: Tensor; labels: Int32Array } {
  const random = new Random(7)
  return {
    x: engine.tensor(random.floats(32 * 144), [32, 12, 12, 1]),
    labels: Int32Array.from({ length: 32 }, () => random.integer(0, 9)),
  }
}

describe('training', () => {
  inEveryBuild((engine) => {
    it('learns 32 random labels by heart, and leaves nothing behind at any step', () => {
      engine().scope(() => {
        const { x, labels } = data(engine())
        const model = lenet(engine())
        const optimizer = adam(model.parameters, { learningRate: 3e-3 })
        const step = () => {
          const { value, gradients } = valueAndGradients(
            () => crossEntropy(model.forward(x), labels),
            model.parameters,
          )
          optimizer.step(gradients)
          return value
        }
        const first = step()
        expect(first).toBeGreaterThan(1.5)
        step()
        const after = engine().memory()
        let value = first
        for (let i = 0; i < 300 && value >= 0.01; i++) value = step()
        expect(value).toBeLessThan(0.01)
        expect(engine().memory()).toEqual(after)
      })
    })

    it('batch norm learns by the statistics of the batch, answers by the running ones', () => {
      const random = new Random(20261221)
      engine().scope(() => {
        const layer = new BatchNorm2d(engine(), { channels: 5, momentum: 0.5 })
        const x = engine().tensor(random.floats(2 * 3 * 4 * 5, -2, 3), [2, 3, 4, 5])
        const columns = Array.from({ length: 5 }, (_, c) => [...x.toArray()].filter((_, i) => i % 5 === c))
        const means = columns.map((values) => values.reduce((a, b) => a + b) / 24)
        const variances = columns.map(
          (values, c) => values.reduce((a, b) => a + (b - means[c]!) ** 2, 0) / 24,
        )
        layer.training = true
        const y = layer.forward(x).toArray()
        for (let i = 0; i < y.length; i++)
          expect(y[i]).toBeCloseTo((x.toArray()[i]! - means[i % 5]!) / Math.sqrt(variances[i % 5]! + 1e-5), 5)
        layer.state[0]!.toArray().forEach((v, c) => {
          expect(v).toBeCloseTo(means[c]! / 2, 5)
        })
        layer.state[1]!.toArray().forEach((v, c) => {
          expect(v).toBeCloseTo(0.5 + (0.5 * variances[c]! * 24) / 23, 5)
        })
        const [scale, offset] = layer.parameters.map((parameter) => parameter.set(random.floats(5, 0.5, 1.5)))
        for (const activation of [undefined, 'silu', 'relu'] as const) {
          const forward = new BatchNorm2d(engine(), { channels: 5, activation })
          forward.training = true
          Object.assign(forward, { parameters: [scale, offset] })
          expectGradients(engine(), random, [x, scale!, offset!], (v) => forward.forward(v!), {
            tolerance: 5e-3,
          })
          // Fused or after it, in training as well.
          layer.training = true
          const apart = activation ? applied(layer.forward(x), activation) : layer.forward(x)
          expect(Math.max(...sub(forward.forward(x), apart).toArray().map(Math.abs))).toBeLessThan(1e-6)
        }
        layer.training = false
        expectGradients(engine(), random, [x, scale!, offset!], (v) => layer.forward(v!), { tolerance: 5e-3 })
      })
    })

    it('residual, depthwise, transposed, pooled, dropped out: every layer learns, and own layers too', () => {
      class Scale extends Layer {
        constructor(private readonly factor: Tensor) {
          super([factor])
        }
        forward(x: Tensor): Tensor {
          return mul(x, this.factor)
        }
      }
      engine().scope(() => {
        const seed = new Generator(3)
        const model = new Sequential(
          new Conv2d(engine(), { inChannels: 1, outChannels: 6, size: 3, stride: 2, padding: 1, seed }),
          new BatchNorm2d(engine(), { channels: 6, activation: 'relu' }),
          new Residual(
            new DepthwiseConv2d(engine(), { channels: 6, size: 3, padding: 'same', seed }),
            new Activation('silu'),
          ),
          new ConvTranspose2d(engine(), { inChannels: 6, outChannels: 4, size: 2, stride: 2, seed }),
          new Scale(engine().tensor([1, 1, 1, 1], [4])),
          new Dropout({ rate: 0.2 }),
          new Upsample({ scale: 1.5, method: 'bilinear' }),
          new GlobalAvgPool2d(),
          new Linear(engine(), { inFeatures: 4, outFeatures: 10, initial: 'glorot', seed }),
        )
        expect(model.parameters.map(({ name }) => name)).toEqual([
          '0.filter',
          '0.bias',
          '1.scale',
          '1.offset',
          '2.0.filter',
          '2.0.bias',
          '3.filter',
          '3.bias',
          '4.parameter0',
          '8.weight',
          '8.bias',
        ])
        expect(model.state.map(({ name }) => name)).toEqual(['1.mean', '1.variance'])
        const { x, labels } = data(engine())
        const optimizer = sgd(model.parameters, { learningRate: 0.05, momentum: 0.9 })
        model.training = true
        expect(model.layers.every((layer) => layer.training)).toBe(true)
        const values: number[] = []
        let after = engine().memory()
        for (let i = 0; i < 60; i++) {
          const { value, gradients } = valueAndGradients(
            () => crossEntropy(model.forward(x), labels),
            model.parameters,
          )
          expect(clipByGlobalNorm(gradients, 5)).toBeGreaterThan(0)
          optimizer.step(gradients)
          values.push(value)
          if (i === 2) after = engine().memory()
        }
        expect(engine().memory()).toMatchObject({ live: after.live, tensors: after.tensors })
        const average = (part: number[]) => part.reduce((a, b) => a + b) / part.length
        expect(average(values.slice(-10))).toBeLessThan(average(values.slice(0, 10)))
        model.training = false
        const before = engine().memory()
        const answers = [model.forward(x), model.forward(x)]
        expect(answers[0]!.toArray()).toEqual(answers[1]!.toArray())
        expect(engine().memory().tensors).toBe(before.tensors + 2)
      })
    })

    it('learns through embeddings, layer, group and instance norm', () => {
      engine().scope(() => {
        const seed = new Generator(5)
        const model = new Sequential(
          new Embedding(engine(), { count: 7, features: 6, seed }),
          new LayerNorm(engine(), { features: 6 }),
          new GroupNorm(engine(), { channels: 6, groups: 2, activation: 'relu' }),
          new InstanceNorm2d(engine(), { channels: 6 }),
          new Flatten(),
          new LayerNorm(engine(), { features: [18] }),
          new Linear(engine(), { inFeatures: 18, outFeatures: 3, seed }),
        )
        expect(model.parameters.map(({ name }) => name).slice(0, 3)).toEqual([
          '0.table',
          '1.scale',
          '1.offset',
        ])
        // Words of three letters, by their first.
        const words = [0, 1, 5, 2, 6, 3, 4, 4, 1, 0, 6, 5, 2, 2, 2, 4, 0, 3]
        const x = engine().tensor(words, [6, 3])
        const labels = [0, 2, 1, 0, 2, 1]
        const optimizer = adam(model.parameters, { learningRate: 0.02 })
        let value = 0
        for (let i = 0; i < 60; i++) {
          const result = valueAndGradients(() => crossEntropy(model.forward(x), labels), model.parameters)
          optimizer.step(result.gradients)
          value = result.value
        }
        expect(value).toBeLessThan(0.05)
        const complains = (fn: () => unknown, part: string) => expectComplaint(engine(), fn, part)
        complains(
          () => new GroupNorm(engine(), { channels: 6, groups: 4 }),
          'GroupNorm: groups must be a divisor of 6 channels, got 4',
        )
        complains(
          () => new LayerNorm(engine(), { features: [3, 0] }),
          'LayerNorm: features must be a positive integer, got 0',
        )
        complains(
          () => new Embedding(engine(), { count: 0, features: 1 }),
          'Embedding: count must be a positive integer, got 0',
        )
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const wrong = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        const logits = engine().zeros([2, 3])
        const flat = engine().zeros([6])
        wrong(
          () => crossEntropy(logits, [0, 3]),
          'crossEntropy: labels[1] must be an integer from 0 to 2, got 3',
        )
        wrong(() => crossEntropy(logits, [0, -1]), 'labels[1]')
        wrong(() => crossEntropy(logits, [0, 0.5]), 'labels[1]')
        wrong(() => crossEntropy(logits, [0]), 'labels must be 2 integers')
        wrong(() => crossEntropy(logits, flat), 'labels must be [2, 3], got [6]')
        wrong(() => crossEntropy(flat, [0]), 'logits must be [n, classes]')
        wrong(
          () => crossEntropy(logits, [0, 1], { labelSmoothing: 2 }),
          'labelSmoothing must be a number from 0 to 1, got 2',
        )
        for (const loss of [binaryCrossEntropy, meanSquaredError, meanAbsoluteError, huber])
          wrong(() => loss(logits, flat), `${loss.name}: target must be`)
        wrong(() => huber(logits, logits, { delta: 0 }), 'delta must be a positive number')
        wrong(
          () => new Conv2d(engine(), { inChannels: 0, outChannels: 1, size: 3 }),
          'Conv2d: inChannels must be a positive integer, got 0',
        )
        wrong(
          () => new Conv2d(engine(), { inChannels: 3, outChannels: 4, size: 3, groups: 2 }),
          'groups must be a divisor',
        )
        wrong(
          () => new Conv2d(engine(), { inChannels: 3, outChannels: 4, size: 0 }),
          'size must be a positive integer',
        )
        wrong(
          () => new Linear(engine(), { inFeatures: 3, outFeatures: 4, initial: 'magic' as 'he' }),
          'initial must be one of he, glorot, uniform, orthogonal',
        )
        wrong(() => new Dropout({ rate: 1 }), 'Dropout: rate must be')
        wrong(() => adam([]), 'adam: parameters must be tensors, one at least')
        wrong(() => adam([logits], { beta1: 1 }), 'beta1 must be a number from 0 to less than 1')
        wrong(() => sgd([logits], { nesterov: true }), 'momentum must be above 0 with nesterov')
        const optimizer = sgd([logits], { learningRate: () => Number.NaN })
        wrong(() => optimizer.step([]), 'sgd.step: gradients must be 1 tensors')
        wrong(() => optimizer.step([flat]), 'gradients[0] must be [2, 3], got [6]')
        wrong(() => optimizer.step([logits]), 'learningRate must be a number, got NaN')
        optimizer.learningRate = '0.1' as never
        wrong(
          () => optimizer.step([logits]),
          'sgd.step: learningRate must be a number, or a function from step to number, got "0.1"',
        )
      })
    })
  })

  describe('the same bytes for the same seed on 1, 2 and 3 threads', () => {
    /** A way through every kernel that trains, with no length a multiple of a unit. */
    const zoo = (engine: Engine, seed = new Generator(6)) =>
      new Sequential(
        new Conv2d(engine, { inChannels: 1, outChannels: 18, size: 3, padding: 'same', bias: false, seed }),
        new BatchNorm2d(engine, { channels: 18, activation: 'relu6' }),
        new Residual(
          new Conv2d(engine, { inChannels: 18, outChannels: 18, size: 3, padding: 'same', seed }),
          new GroupNorm(engine, { channels: 18, groups: 3 }),
        ),
        new DepthwiseConv2d(engine, { channels: 18, size: 3, stride: 2, padding: 1, seed }),
        new InstanceNorm2d(engine, { channels: 18, activation: 'silu' }),
        new ConvTranspose2d(engine, { inChannels: 18, outChannels: 7, size: 4, stride: 2, padding: 1, seed }),
        new MaxPool2d({ size: 3, stride: 2 }),
        new Upsample({ scale: 1.5, method: 'bilinear' }),
        new Dropout({ rate: 0.2 }),
        new LayerNorm(engine, { features: 7 }),
        new GlobalAvgPool2d(),
        new Linear(engine, { inFeatures: 7, outFeatures: 10, seed }),
      )
    for (const simd of ['simd128', 'relaxed'] as const) {
      for (const [name, build] of Object.entries({ lenet, zoo })) {
        it(`${name}, ${simd}`, async () => {
          const results: Float32Array[][] = []
          for (const threads of [1, 2, 3]) {
            const engine = await createEngine({ simd, threads })
            engine.parallelWork = 0
            const { x, labels } = data(engine)
            const model = build(engine)
            model.training = true
            const optimizer = adamW(model.parameters)
            for (let i = 0; i < 5; i++)
              optimizer.step(
                valueAndGradients(() => crossEntropy(model.forward(x), labels), model.parameters).gradients,
              )
            results.push([...model.parameters, ...model.state].map((tensor) => tensor.toArray()))
            engine.dispose()
          }
          expect(results[1]).toEqual(results[0])
          expect(results[2]).toEqual(results[0])
        })
      }
    }
  })
})
