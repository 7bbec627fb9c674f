/** Layers of one's own as ONNX: every op of the core, several inputs and outputs, open axes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as core from '../../src/index.js'
import {
  type AnyLayer,
  BatchNorm2d,
  Conv2d,
  Layer,
  Linear,
  type OnnxGraph,
  type OnnxValue,
  Sequential,
  saveOnnx,
} from '../../src/nn/index.js'
import { operators } from '../../src/nn/onnx/operators/index.js'
import { inspectModel } from '../../src/onnx/index.js'
import { expectExported } from '../support/exported.js'
import { Random } from '../support/random.js'
import { type Case, cases } from './tracedCases.js'

type Tensor = core.Tensor

/** A layer that computes a function, with some tensors of its own. */
class Own extends Layer<never, Tensor | Tensor[]> {
  constructor(
    parameters: readonly Tensor[],
    private readonly compute: (x: Tensor, ...parameters: Tensor[]) => Tensor | Tensor[],
  ) {
    super(parameters)
  }
  forward(x: never): Tensor | Tensor[] {
    return this.compute(x, ...this.parameters)
  }
}

describe('a traced export', { timeout: 120_000 }, () => {
  let engine: core.Engine
  beforeAll(async () => {
    engine = await core.createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())

  const own = ({ parameters = [], compute }: Case, random: Random): AnyLayer => {
    const tensors = parameters.map((shape) => {
      const size = shape.reduce((a, b) => a * b, 1)
      return engine.tensor(random.floats(size, -1, 1), shape)
    })
    // A model has parameters.
    const last = tensors.length ? [] : [engine.tensor([0], [1])]
    return new Own([...tensors, ...last], compute) as AnyLayer
  }

  const seed = 20261129
  for (const [i, one] of cases(new Random(seed)).entries()) {
    it(`${i}: ${one.ops}, [${one.shape}]`, async () => {
      const random = new Random(seed + i)
      const model = own(one, random)
      const { numbers } = one
      for (const count of [1, 3])
        await expectExported(engine, model, [one.shape], random, {
          about: one.ops,
          n: count,
          ...(numbers && { numbers }),
        })
      for (const opset of [18, 23])
        await expectExported(engine, model, [one.shape], random, {
          about: `${one.ops}, opset ${opset}`,
          options: { opset, openAxes: {} },
          n: 1,
          ...(numbers && { numbers }),
        })
      model.dispose()
      expect(engine.memory().tensors).toBe(0)
    })
  }

  it('every op that can be written was', () => {
    const tried = new Set(cases(new Random(seed)).flatMap(({ ops }) => ops.split(' ')))
    const spelt: Record<string, string> = {
      convTranspose1d: 'convTranspose2d',
      convTranspose3d: 'convTranspose2d',
    }
    expect(Object.keys(operators).filter((op) => !tried.has(spelt[op] ?? op))).toEqual([])
  })

  /** A network as people write it: layers in fields, and whatever forward does. */
  class Attentive extends Layer<[Tensor, Tensor], [Tensor, Tensor]> {
    readonly embed: Linear
    readonly shared: Linear
    readonly heads = 2
    constructor(gpu: core.Engine) {
      super()
      this.embed = new Linear(gpu, { inFeatures: 3, outFeatures: 8, seed: 1 })
      this.shared = new Linear(gpu, { inFeatures: 8, outFeatures: 8, activation: 'gelu', seed: 2 })
    }
    forward([text, about]: [Tensor, Tensor]): [Tensor, Tensor] {
      const [count, length] = text.shape as [number, number]
      const x = this.shared.forward(this.shared.forward(this.embed.forward(text)))
      const apart = core.transpose(x.reshape([count, length, this.heads, 4]), [0, 2, 1, 3])
      const scores = core.softmax(core.matmul(apart, core.transpose(apart, [0, 1, 3, 2])))
      const mixed = core.transpose(core.matmul(scores, apart), [0, 2, 1, 3]).reshape([count, length, 8])
      const start = x.engine.zeros([count, 1, 8])
      const whole = core.concat([start, core.add(mixed, about.reshape([count, 1, 8]))], { axis: 1 })
      return [whole, core.mean(whole, { axes: 1 })]
    }
  }

  it('several inputs and outputs, lengths that are open, names, a shared layer once', async () => {
    const random = new Random(seed)
    const model = new Attentive(engine)
    const options = {
      inputs: ['text', 'about'],
      outputs: ['all', 'mean'],
      openAxes: { text: { 0: 'n', 1: 'length' }, about: { 0: 'n' } },
    }
    const shapes = [[5, 3], [8]]
    const bytes = await expectExported(engine, model, shapes, random, { about: 'as it was made', options })
    for (const length of [1, 7, 12])
      await expectExported(engine, model, shapes, random, {
        about: `length ${length}`,
        options,
        shapes: [[length, 3], [8]],
      })
    const { inputs, outputs, layers } = await inspectModel(bytes)
    expect(inputs).toEqual([
      { name: 'text', type: 'float32', shape: ['n', 'length', 3] },
      { name: 'about', type: 'float32', shape: ['n', 8] },
    ])
    expect(outputs).toMatchObject([{ name: 'all' }, { name: 'mean', shape: ['n', 8] }])
    // Both times the shared layer's weight is the same constant.
    expect(bytes.length).toBeLessThan(4 * (3 * 8 + 8 + 8 * 8 + 8) + 4000)
    expect(layers.filter(({ name }) => name?.startsWith('shared')).length).toBeGreaterThan(3)
    await expectExported(engine, model, shapes, random, {
      about: 'all fixed, opset 23',
      n: 1,
      options: { opset: 23, openAxes: {} },
    })
    model.dispose()
  })

  it('layers write their own operator where they know it, in whatever is around them', async () => {
    class Swapped extends Layer<Tensor, Tensor> {
      forward(x: Tensor): Tensor {
        return core.mul(x, x.toArray().length > 0 ? 2 : 1)
      }
      override toOnnx(graph: OnnxGraph, x: OnnxValue): OnnxValue {
        return graph.node('Add', [x, x])
      }
    }
    class Block extends Layer {
      readonly parts = { conv: new Conv2d(engine, { inChannels: 2, outChannels: 3, size: 3, seed: 1 }) }
      readonly norm = new BatchNorm2d(engine, { channels: 3, activation: 'relu' })
      readonly twice = new Swapped()
      forward(x: Tensor): Tensor {
        const y = this.norm.forward(this.parts.conv.forward(x))
        return core.add(this.twice.forward(y), core.relu(core.neg(y)))
      }
    }
    const random = new Random(seed)
    const model = new Sequential(new Block())
    const bytes = await expectExported(engine, model, [[6, 6, 2]], random, { about: 'block' })
    const { layers } = await inspectModel(bytes)
    expect(layers.map(({ op }) => op)).not.toContain('BatchNormalization')
    expect(layers.map(({ name }) => name)).toContain('0.parts.conv.Conv')
    model.dispose()
    expect(engine.memory().tensors).toBe(0)
  })

  it('says what it cannot write, where, and what to do', () => {
    const wrong = (compute: Case['compute'], options: object, ...said: string[]) => {
      const model = new Own([engine.tensor([2], [1])], compute)
      const before = engine.memory()
      for (const part of said) expect(() => saveOnnx(model, [4, 3], options)).toThrow(part)
      expect(engine.memory()).toMatchObject({ live: before.live, tensors: before.tensors })
      model.dispose()
    }
    const open = { openAxes: { input: { 0: 'n', 1: 'length' } } }
    wrong((x) => core.mul(x, x.toArray()[0]!), {}, 'saveOnnx: model must be', 'toArray()', 'toOnnx')
    wrong((x) => (x.shape[0]! > 1 ? core.relu(x) : core.neg(x)), {}, 'the same ops for every length of batch')
    wrong((x) => core.mul(x, x.shape[0]!), {}, 'saveOnnx: mul must be one whose b is the same')
    wrong(
      (x) =>
        core.add(
          x,
          x.engine.tensor(
            Float32Array.from({ length: x.shape[1]! }, (_, i) => i),
            [x.shape[1]!, 1],
          ),
        ),
      open,
      'saveOnnx: add',
      'numbers that change with it',
    )
    wrong((x) => core.topK(x, { k: x.shape[1]! >> 1, axis: 1 }).values, open, 'saveOnnx: topK', 'k')
    wrong(
      (x) => core.conv1d(x, x.engine.tensor(new Float32Array(9), [3, 3, 1]), { padding: 'same', stride: 3 }),
      open,
      'saveOnnx: conv1d',
      'padding',
      'openAxes',
    )
    wrong((x) => x, { inputs: ['a', 'b'] }, 'inputs must be 1 name')
    wrong((x) => x, { openAxes: { x: { 0: 'n' } } }, 'openAxes.x must be one of the inputs input')
    wrong(
      (x) => x,
      { openAxes: { input: { 3: 'n' } } },
      'openAxes.input[3] must be a name, of an axis from 0 to 2',
    )
    wrong((x) => x, { opset: 17 }, 'opset must be an integer from 18 to 23')
    const { matmul } = operators
    delete (operators as Record<string, unknown>)['matmul']
    wrong(
      (x) => core.matmul(x, core.transpose(x, [0, 2, 1])),
      {},
      'saveOnnx: matmul must be an op that ONNX has',
    )
    operators['matmul'] = matmul!
  })
})
