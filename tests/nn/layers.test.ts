/** Layers against the ops and formulas that they are made of; each is saved, loaded and exported. */
import { describe, expect, it } from 'vitest'
import * as core from '../../src/index.js'
import {
  Activation,
  AvgPool1d,
  adam,
  BatchNorm2d,
  Conv1d,
  Conv2d,
  Conv3d,
  ConvTranspose2d,
  Flatten,
  GlobalAvgPool1d,
  type Layer,
  Linear,
  load,
  MaxPool1d,
  Parallel,
  Permute,
  Reshape,
  Residual,
  Sequential,
  SpectralNorm,
  save,
  fit as train,
  valueAndGradients,
  WeightNorm,
} from '../../src/nn/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { expectExported } from '../support/exported.js'
import { Random } from '../support/random.js'

const SEED = 20261129

/** Every layer in a model, and the shape of a sample. */
const models = (engine: core.Engine): Record<string, () => [model: Layer, shape: number[]]> => {
  const conv = (seed: number) => new Conv2d(engine, { inChannels: 2, outChannels: 3, size: 3, seed })
  return {
    Conv1d: () => [
      new Sequential(
        new Conv1d(engine, {
          inChannels: 4,
          outChannels: 6,
          size: 3,
          padding: 'same',
          groups: 2,
          activation: 'silu',
        }),
        new MaxPool1d({ size: 2 }),
        new BatchNorm2d(engine, { channels: 6 }),
        new AvgPool1d({ size: 3, stride: 1, padding: 'same' }),
        new GlobalAvgPool1d(),
        new Linear(engine, { inFeatures: 6, outFeatures: 3 }),
        new Activation('softmax'),
      ),
      [12, 4],
    ],
    Conv3d: () => [
      new Sequential(
        new Conv3d(engine, { inChannels: 2, outChannels: 3, size: [1, 3, 2], stride: [1, 2, 1] }),
        new Activation('relu'),
        new Flatten(),
      ),
      [3, 5, 6, 2],
    ],
    Parallel: () => [
      new Sequential(
        new Parallel([
          new Sequential(conv(1), new BatchNorm2d(engine, { channels: 3, activation: 'relu' })),
          new Parallel([conv(2), conv(3)], { merge: 'sum' }),
        ]),
        new Permute([0, 3, 1, 2]),
        new Reshape([6, -1]),
        new Activation('logSoftmax'),
      ),
      [5, 6, 2],
    ],
    WeightNorm: () => [
      new Sequential(
        new WeightNorm(new Conv2d(engine, { inChannels: 2, outChannels: 4, size: 3, padding: 'same' })),
        new BatchNorm2d(engine, { channels: 4 }),
        new WeightNorm(
          new ConvTranspose2d(engine, { inChannels: 4, outChannels: 4, groups: 2, size: 2, stride: 2 }),
        ),
        new Flatten(),
        new WeightNorm(new Linear(engine, { inFeatures: 4 * 100, outFeatures: 3 })),
      ),
      [5, 5, 2],
    ],
    SpectralNorm: () => [
      new Sequential(
        new SpectralNorm(new Conv2d(engine, { inChannels: 2, outChannels: 4, size: 3, padding: 'same' }), {
          seed: 3,
        }),
        new Residual(new SpectralNorm(new Conv1dOverRows(engine), {})),
        new SpectralNorm(new Linear(engine, { inFeatures: 4, outFeatures: 3 })),
      ),
      [5, 5, 2],
    ],
  }
}

/** A convolution of people's own is normalised too. */
class Conv1dOverRows extends Conv2d {
  constructor(engine: core.Engine) {
    super(engine, { inChannels: 4, outChannels: 4, size: [1, 3], padding: 'same' })
  }
}

/** The largest singular value of a matrix [rows, columns], by many steps of the power iteration in float64. */
function largestSingularValue(numbers: ArrayLike<number>, columns: number): number {
  const rows = numbers.length / columns
  let u = Array.from({ length: columns }, (_, i) => 1 + i / 7)
  let length = 1
  for (let step = 0; step < 500; step++) {
    const v = Array.from({ length: rows }, (_, i) =>
      u.reduce((sum, x, j) => sum + x * numbers[i * columns + j]!, 0),
    )
    const next = u.map((_, j) => v.reduce((sum, x, i) => sum + x * numbers[i * columns + j]!, 0))
    length = Math.hypot(...next)
    u = next.map((x) => x / length)
  }
  return Math.sqrt(length)
}

function expectNear(got: Float32Array, wanted: Float32Array): void {
  for (const [i, value] of got.entries()) expect(Math.abs(value - wanted[i]!)).toBeLessThan(1e-4)
}

describe('layers', () => {
  inEveryBuild((engine) => {
    it('learn, are saved and loaded, and exported, to come back equal', { timeout: 120_000 }, async () => {
      for (const [name, make] of Object.entries(models(engine()))) {
        const [[model, shape], [other]] = [make(), make()]
        const random = new Random(SEED)
        const size = shape.reduce((a, b) => a * b, 1)
        const x = engine().tensor(random.floats(4 * size), [4, ...shape])
        const answers = engine().scope(() => model.forward(x).shape.slice(1))
        const targets = random.floats(4 * answers.reduce((a, b) => a * b, 1))
        const data = { inputs: x.toArray(), shape, targets, targetShape: answers }
        const loss = (y: core.Tensor, wanted: core.Tensor | Int32Array) =>
          core.mean(core.square(core.sub(y, wanted as core.Tensor)))
        using optimizer = adam(model.parameters, { learningRate: 0.01 })
        const history = await train(model, data, { optimizer, epochs: 6, batchSize: 2, loss })
        expect(history.at(-1)!.loss, name).toBeLessThan(history[0]!.loss)
        load(save(model), other)
        const [a, b] = engine().scope(() => [model.forward(x).toArray(), other.forward(x).toArray()])
        expect(b, name).toEqual(a)
        await expectExported(engine(), other, [shape], random, { about: name, tolerance: 2e-5 })
        for (const each of [model, other, x]) each.dispose()
      }
      expect(engine().memory().tensors).toBe(0)
    })

    it('WeightNorm: gain * v / |v|, as its layer at first; both learn', () => {
      const e = engine()
      const random = new Random(SEED)
      const conv = new Conv2d(e, { inChannels: 2, outChannels: 3, size: 2, seed: 1 })
      const x = e.tensor(random.floats(2 * 5 * 5 * 2), [2, 5, 5, 2])
      const before = e.scope(() => conv.forward(x).toArray())
      const model = new WeightNorm(conv)
      expect([...model.names.values()]).toEqual(['gain', 'layer.filter', 'layer.bias'])
      const after = e.scope(() => model.forward(x).toArray())
      expectNear(after, before)
      // The length of the direction does not matter.
      const [gain, direction] = model.parameters as [core.Tensor, core.Tensor]
      direction.set(direction.toArray().map((v) => 3 * v))
      gain.set(gain.toArray().map((v) => 2 * v))
      const longer = e.scope(() => model.forward(x).toArray())
      const bias = conv.parameters[1]!.toArray()
      expectNear(
        longer,
        before.map((value, i) => 2 * (value - bias[i % 3]!) + bias[i % 3]!),
      )
      const { gradients } = valueAndGradients(
        () => core.mean(core.square(model.forward(x))),
        model.parameters,
      )
      // Nothing is gained along the direction: its derivative stands upright on it.
      const [, d] = gradients.map((gradient) => gradient.toArray()) as [Float32Array, Float32Array]
      const v = direction.toArray()
      for (let c = 0; c < 3; c++) {
        const along = v.reduce((sum, value, i) => sum + (i % 3 === c ? value * d[i]! : 0), 0)
        expect(Math.abs(along)).toBeLessThan(1e-5)
      }
      for (const each of [model, x, ...gradients]) each.dispose()
    })

    it('SpectralNorm: by the largest singular value; the same layer twice in a step', () => {
      const e = engine()
      const random = new Random(SEED)
      for (const make of [
        () => new Linear(e, { inFeatures: 7, outFeatures: 5, bias: false, seed: 4 }),
        () => new Conv2d(e, { inChannels: 3, outChannels: 6, size: 2, bias: false, seed: 4 }),
      ]) {
        const layer = make()
        const weight = layer.parameters[0]!
        const model = new SpectralNorm(layer, { iterations: 40, seed: 2 })
        model.training = true
        const x = e.tensor(random.floats(4 * 4 * (weight.shape.at(-2) ?? 0)), [1, 4, 4, weight.shape.at(-2)!])
        const flat = layer instanceof Linear ? x.reshape([16, 7]) : x.reshape(x.shape)
        const s = largestSingularValue(weight.toArray(), weight.shape.at(-1)!)
        const [plain, normal] = e.scope(() => [layer.forward(flat).toArray(), model.forward(flat).toArray()])
        expectNear(
          normal!,
          plain!.map((value) => value / s),
        )
        const before = model.state.map((tensor) => tensor.toArray())
        model.training = false
        e.scope(() => void model.forward(flat))
        expect(model.state.map((tensor) => tensor.toArray())).toEqual(before)
        model.training = true
        const { gradients } = valueAndGradients(
          () => core.sub(core.mean(core.square(model.forward(flat))), core.mean(model.forward(flat))),
          model.parameters,
        )
        for (const each of [model, x, flat, ...gradients]) each.dispose()
      }
      expect(e.memory().tensors).toBe(0)
    })

    it('say what does not fit', () => {
      const e = engine()
      const linear = new Linear(e, { inFeatures: 2, outFeatures: 2 })
      const x = e.tensor([1, 2], [1, 2])
      const uneven = new Parallel([linear, new Reshape([1, 2])], { merge: 'sum' })
      // Packs its weight.
      linear.forward(x).dispose()
      expectComplaint(
        e,
        () => new WeightNorm(new Activation('relu') as never),
        'WeightNorm: layer must be a Linear or a convolution',
      )
      expectComplaint(
        e,
        () => new SpectralNorm(linear, { iterations: 0 }),
        'SpectralNorm: iterations must be',
      )
      expectComplaint(e, () => new Parallel([]), 'Parallel: branches must be an array of at least one layer')
      expectComplaint(
        e,
        () => new Parallel([linear], { merge: 'mean' as never }),
        "Parallel: merge must be 'concat' or 'sum'",
      )
      expectComplaint(
        e,
        () => uneven.forward(x),
        'Parallel: branches must be such that all give [1, 2], got [1, 1, 2]',
      )
      expectComplaint(e, () => new Reshape([-1, -1]), 'Reshape: shape must be lengths of at least 0')
      expectComplaint(
        e,
        () => new Permute([1, 0]),
        'Permute: axes must be the axes from 0 on in some order, 0 first',
      )
      expectComplaint(
        e,
        () => new Conv1d(e, { inChannels: 3, outChannels: 2, size: 0 }),
        'Conv1d: size must be',
      )
      expectComplaint(
        e,
        () => new Conv3d(e, { inChannels: 3, outChannels: 2, size: 1, groups: 2 }),
        'Conv3d: groups must be a divisor of 3 and 2 channels',
      )
      for (const each of [linear, x]) each.dispose()
      expect(e.memory().tensors).toBe(0)
    })
  })
})

describe('maxPool1d and avgPool1d', () => {
  it('are the pools of images of one row', async () => {
    using e = await core.createEngine({ threads: 1 })
    const random = new Random(SEED)
    for (let i = 0; i < 20; i++) {
      const [width, channels] = [random.integer(4, 20), random.integer(1, 9)]
      const x = e.tensor(random.floats(2 * width * channels), [2, width, channels])
      const [size, stride, before, after] = [
        3,
        random.integer(1, 3),
        random.integer(0, 2),
        random.integer(0, 2),
      ]
      const one = { size, stride, padding: [before, after] as const, ceilMode: i % 2 === 0 }
      const two = {
        ...one,
        size: [1, size] as const,
        stride: [1, stride] as const,
        padding: [
          [0, 0],
          [before, after],
        ] as const,
      }
      const row = x.reshape([2, 1, width, channels])
      expect(core.maxPool1d(x, one).toArray()).toEqual(core.maxPool2d(row, two).toArray())
      expect(core.avgPool1d(x, one).toArray()).toEqual(core.avgPool2d(row, two).toArray())
    }
    const [image, row] = [e.zeros([1, 2, 3, 4]), e.zeros([1, 9, 3])]
    expectComplaint(
      e,
      () => core.maxPool1d(image, { size: 2 }),
      'maxPool1d: x must be [n, width, channels], got rank 4',
    )
    expectComplaint(
      e,
      () => core.avgPool1d(row, { size: 2, dilation: 2 as never }),
      'avgPool1d: dilation must be 1',
    )
  })
})
