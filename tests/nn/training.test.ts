import { describe, expect, it } from 'vitest'
import { add, createEngine, type Engine, mul, sub, type Tensor } from '../../src/index.js'
import {
  Activation,
  accuracy,
  adam,
  adamW,
  BatchNorm2d,
  binaryCrossEntropy,
  Conv2d,
  ConvTranspose2d,
  clipByGlobalNorm,
  constant,
  cosine,
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
  orthogonal,
  Residual,
  rmsProp,
  Sequential,
  sgd,
  stepDecay,
  Upsample,
  valueAndGradients,
  warmUp,
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

    it('every optimiser makes the loss smaller, as its definition says', () => {
      const target = [3, -1, 0.5, 2, -4]
      const rules: Record<
        string,
        {
          make: (w: Tensor[]) => ReturnType<typeof sgd>
          step: (w: number, g: number, s: { m: number; v: number }, t: number) => number
        }
      > = {
        sgd: { make: (w) => sgd(w, { learningRate: 0.1 }), step: (w, g) => w - 0.1 * g },
        'sgd, momentum': {
          make: (w) => sgd(w, { learningRate: 0.05, momentum: 0.9, weightDecay: 0.01 }),
          step: (w, g, s) => {
            s.m = 0.9 * s.m + g + 0.01 * w
            return w - 0.05 * s.m
          },
        },
        'sgd, nesterov': {
          make: (w) => sgd(w, { learningRate: 0.05, momentum: 0.9, nesterov: true }),
          step: (w, g, s) => {
            s.m = 0.9 * s.m + g
            return w - 0.05 * (g + 0.9 * s.m)
          },
        },
        rmsProp: {
          make: (w) => rmsProp(w, { learningRate: 0.05 }),
          step: (w, g, s) => {
            s.v = 0.99 * s.v + 0.01 * g * g
            return w - (0.05 * g) / (Math.sqrt(s.v) + 1e-8)
          },
        },
        adam: {
          make: (w) => adam(w, { learningRate: 0.1, weightDecay: 0.02 }),
          step: (w, g, s, t) => {
            const d = g + 0.02 * w
            s.m = 0.9 * s.m + 0.1 * d
            s.v = 0.999 * s.v + 0.001 * d * d
            return w - (0.1 * (s.m / (1 - 0.9 ** t))) / (Math.sqrt(s.v / (1 - 0.999 ** t)) + 1e-8)
          },
        },
        adamW: {
          make: (w) => adamW(w, { learningRate: 0.1, weightDecay: 0.02 }),
          step: (w, g, s, t) => {
            s.m = 0.9 * s.m + 0.1 * g
            s.v = 0.999 * s.v + 0.001 * g * g
            return (
              w * (1 - 0.1 * 0.02) -
              (0.1 * (s.m / (1 - 0.9 ** t))) / (Math.sqrt(s.v / (1 - 0.999 ** t)) + 1e-8)
            )
          },
        },
      }
      for (const [name, { make, step }] of Object.entries(rules)) {
        engine().scope(() => {
          // Two parameters, the second of more than one unit.
          const parameters = [engine().zeros([5]), engine().zeros([5000])]
          const targets = [
            engine().tensor(target, [5]),
            engine().tensor(
              Float32Array.from({ length: 5000 }, (_, i) => target[i % 5]!),
              [5000],
            ),
          ]
          const optimizer = make(parameters)
          const want = target.map(() => 0)
          const states = target.map(() => ({ m: 0, v: 0 }))
          let last = Number.POSITIVE_INFINITY
          for (let t = 1; t <= 40; t++) {
            const { value, gradients } = valueAndGradients(() => {
              const [a, b] = parameters.map((w, i) => meanSquaredError(w, targets[i]!)) as [Tensor, Tensor]
              return add(a, b)
            }, parameters)
            if (t === 1) last = value
            optimizer.step(gradients)
            for (let i = 0; i < 5; i++)
              want[i] = step(want[i]!, (2 / 5) * (want[i]! - target[i]!), states[i]!, t)
          }
          const got = parameters[0]!.toArray()
          for (let i = 0; i < 5; i++)
            expect(Math.abs(got[i]! - want[i]!), `${name} ${i}: ${got[i]}, expected ${want[i]}`).toBeLessThan(
              2e-4 * Math.max(1, Math.abs(want[i]!)),
            )
          const big = parameters[1]!.toArray()
          for (let i = 0; i < 5000; i++) expect(Math.sign(big[i]!), name).toBe(Math.sign(target[i % 5]!))
          expect(
            engine().scope(() => meanSquaredError(parameters[0]!, targets[0]!).toArray()[0]!),
          ).toBeLessThan(last)
        })
      }
    })

    it('losses: values and derivatives', () => {
      const random = new Random(20261220)
      engine().scope(() => {
        const logits = engine().tensor(random.floats(12, -2, 2), [3, 4])
        const labels = [2, 0, 3]
        const probabilities = (row: number) => {
          const values = [...logits.toArray().subarray(row * 4, row * 4 + 4)].map(Math.exp)
          const total = values.reduce((a, b) => a + b)
          return values.map((v) => v / total)
        }
        const want = (smoothing: number) =>
          labels.reduce(
            (total, label, row) =>
              total -
              probabilities(row).reduce(
                (sum, p, i) => sum + ((i === label ? 1 - smoothing : 0) + smoothing / 4) * Math.log(p),
                0,
              ),
            0,
          ) / 3
        const numberOf = (loss: Tensor) => loss.toArray()[0]!
        for (const labelSmoothing of [0, 0.1]) {
          expect(numberOf(crossEntropy(logits, labels, { labelSmoothing }))).toBeCloseTo(
            want(labelSmoothing),
            5,
          )
          const soft = engine().tensor([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1], [3, 4])
          expect(numberOf(crossEntropy(logits, soft, { labelSmoothing }))).toBeCloseTo(
            want(labelSmoothing),
            5,
          )
          expectGradients(engine(), random, [logits], (x) => crossEntropy(x!, labels, { labelSmoothing }))
        }
        const target = engine().tensor(random.floats(12, 0, 1), [3, 4])
        const [x, t] = [logits.toArray(), target.toArray()]
        const mean = (f: (a: number, b: number) => number) =>
          x.reduce((total, v, i) => total + f(v, t[i]!), 0) / 12
        const losses = {
          binaryCrossEntropy: [binaryCrossEntropy, mean((a, b) => Math.log1p(Math.exp(a)) - a * b)],
          meanSquaredError: [meanSquaredError, mean((a, b) => (a - b) ** 2)],
          meanAbsoluteError: [meanAbsoluteError, mean((a, b) => Math.abs(a - b))],
          huber: [
            (a: Tensor, b: Tensor) => huber(a, b, { delta: 0.7 }),
            mean((a, b) => (Math.abs(a - b) <= 0.7 ? (a - b) ** 2 / 2 : 0.7 * (Math.abs(a - b) - 0.35))),
          ],
        } as const
        for (const [name, [loss, value]] of Object.entries(losses)) {
          expect(numberOf(loss(logits, target)), name).toBeCloseTo(value, 5)
          // A step of a central difference may cross one kink.
          expectGradients(engine(), random, [logits, target], (a, b) => loss(a!, b!), {
            about: name,
            tolerance: 5e-3,
          })
        }
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

    it('initialisers, schedules, clipping', () => {
      engine().scope(() => {
        const layer = (initial: 'he' | 'glorot' | 'uniform', seed: number) =>
          new Linear(engine(), { inFeatures: 200, outFeatures: 100, initial, seed }).parameters[0]!.toArray()
        const variance = (values: Float32Array) =>
          values.reduce((total, v) => total + v * v, 0) / values.length
        expect(variance(layer('he', 1)) * 100).toBeCloseTo(1, 1)
        expect(variance(layer('glorot', 1)) * 150).toBeCloseTo(1, 1)
        expect(variance(layer('uniform', 1)) * 600).toBeCloseTo(1, 1)
        expect(layer('he', 1)).toEqual(layer('he', 1))
        expect(layer('he', 1)).not.toEqual(layer('he', 2))
        for (const shape of [
          [7, 4],
          [2, 2, 1, 9],
          [13, 13],
        ]) {
          const columns = shape.at(-1)!
          const rows = shape.reduce((a, b) => a * b) / columns
          const w = orthogonal(new Generator(4), shape, 1, 1)
          const vectors =
            rows >= columns
              ? Array.from({ length: columns }, (_, c) =>
                  Array.from({ length: rows }, (_, r) => w[r * columns + c]!),
                )
              : Array.from({ length: rows }, (_, r) => [...w.subarray(r * columns, (r + 1) * columns)])
          vectors.forEach((a, i) => {
            vectors.forEach((b, j) => {
              expect(a.reduce((total, v, k) => total + v * b[k]!, 0)).toBeCloseTo(i === j ? 1 : 0, 5)
            })
          })
        }
        const gradients = [engine().tensor([3, 0], [2]), engine().tensor([0, 4], [2])]
        expect(clipByGlobalNorm(gradients, 10)).toBe(5)
        expect(clipByGlobalNorm(gradients, 1)).toBe(5)
        expect(gradients.flatMap((gradient) => [...gradient.toArray()])).toEqual(
          [0.6, 0, 0, 0.8].map((v) => expect.closeTo(v, 6)),
        )
      })
      expect([0, 9].map(constant(0.3))).toEqual([0.3, 0.3])
      expect([0, 9, 10, 25].map(stepDecay(1, { every: 10, factor: 0.5 }))).toEqual([1, 1, 0.5, 0.25])
      expect(
        [0, 5, 10, 99].map(cosine(2, { steps: 10, last: 1 })).map((v) => Math.round(v * 1e6) / 1e6),
      ).toEqual([2, 1.5, 1, 1])
      expect([0, 1].map(cosine(2, { steps: 0, last: 1 }))).toEqual([1, 1])
      expect([0, 1].map(warmUp(constant(2), { steps: 0 }))).toEqual([2, 2])
      expect(() => stepDecay(1, {} as { every: number })).toThrow(
        'stepDecay: every must be a positive integer, got undefined',
      )
      expect(() => cosine(1, { steps: Number.NaN })).toThrow(
        'cosine: steps must be an integer of at least 0, got NaN',
      )
      expect(() => warmUp(constant(1), { steps: -1 })).toThrow(
        'warmUp: steps must be an integer of at least 0, got -1',
      )
      expect([0, 1, 2, 3].map(warmUp(stepDecay(1, { every: 1, factor: 0.5 }), { steps: 2 }))).toEqual([
        0.5, 1, 1, 0.5,
      ])
    })

    it('losses and their slopes hold where a logit is sure, or infinite', () => {
      engine().scope(() => {
        const slopes = (loss: (x: Tensor) => Tensor, x: Tensor) => {
          const { value, gradients } = valueAndGradients(() => loss(x), [x])
          return [value, ...gradients[0]!.toArray()]
        }
        // Of one number, or of its last unit where it is among the smallest.
        const near = (got: number[], want: number[]) => {
          for (const [i, v] of got.entries())
            expect(Math.abs(v - want[i]!)).toBeLessThanOrEqual(1e-6 * Math.abs(want[i]!) + 2 ** -149)
        }
        for (const x of [-1000, -100, -20, -10, -1, 0, 1, 10, 20, 80]) {
          const logit = engine().tensor([x], [1])
          const [up, down] = [1 / (1 + Math.exp(-x)), 1 / (1 + Math.exp(x))]
          const softplus = (v: number) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))
          near(
            slopes((v) => binaryCrossEntropy(v, engine().tensor([1], [1])), logit),
            [softplus(-x), -down],
          )
          near(
            slopes((v) => binaryCrossEntropy(v, engine().tensor([0], [1])), logit),
            [softplus(x), up],
          )
        }
        const sure = engine().tensor([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], [2])
        expect(binaryCrossEntropy(sure, engine().tensor([1, 0], [2])).toArray()[0]).toBe(0)
        expect(binaryCrossEntropy(sure, engine().tensor([0, 0], [2])).toArray()[0]).toBe(
          Number.POSITIVE_INFINITY,
        )

        const masked = engine().tensor([1, 0, Number.NEGATIVE_INFINITY], [1, 3])
        const p = 1 / (1 + Math.exp(-1))
        near(
          slopes((x) => crossEntropy(x, [0]), masked),
          [-Math.log(p), p - 1, 1 - p, 0],
        )
        near(
          slopes((x) => crossEntropy(x, engine().tensor([0, 1, 0], [1, 3])), masked),
          [-Math.log(1 - p), p, -p, 0],
        )
        expect(crossEntropy(masked, [2]).toArray()[0]).toBe(Number.POSITIVE_INFINITY)
      })
    })

    it('clips gradients of any size, and leaves infinite ones', () => {
      engine().scope(() => {
        for (const size of [1e-38, 1e-30, 1e-22, 1e19, 1e25, 1e38]) {
          const gradients = [engine().tensor([3 * size, 0], [2]), engine().tensor([0, 0, 2 * size], [3])]
          const length = Math.hypot(3, 2) * size
          expect(clipByGlobalNorm(gradients, size) / length).toBeCloseTo(1, 6)
          const [a, b] = gradients.map((gradient) => gradient.toArray())
          expect(a![0]! / size).toBeCloseTo(3 / Math.hypot(3, 2), 5)
          expect(b![2]! / size).toBeCloseTo(2 / Math.hypot(3, 2), 5)
        }
        const far = [engine().tensor([Number.NEGATIVE_INFINITY, 1], [2])]
        expect(clipByGlobalNorm(far, 1)).toBe(Number.POSITIVE_INFINITY)
        expect([...far[0]!.toArray()]).toEqual([Number.NEGATIVE_INFINITY, 1])
        expect(clipByGlobalNorm([engine().tensor([Number.NaN, 1], [2])], 1)).toBeNaN()
        expect(clipByGlobalNorm([engine().zeros([2])], 1)).toBe(0)
      })
    })

    it('accuracy takes any number of classes; a row with a NaN is wrong', () => {
      engine().scope(() => {
        const wide = engine().zeros([2, 200_000])
        wide.view[123_456] = 1
        wide.view[200_000 + 7] = 1
        expect(accuracy(wide.changed(), [123_456, 8])).toBe(0.5)
        expect(accuracy(engine().tensor([1, Number.NaN, 0, 0, -1, 0], [2, 3]), [0, 0])).toBe(0.5)
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
