/** ONNX Runtime and our own loader answer as the model does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, mul, type Tensor } from '../../src/index.js'
import {
  Activation,
  AvgPool2d,
  BatchNorm2d,
  Conv2d,
  ConvTranspose2d,
  DepthwiseConv2d,
  Dropout,
  Embedding,
  Flatten,
  Random as Generator,
  GlobalAvgPool2d,
  GroupNorm,
  InstanceNorm2d,
  Layer,
  LayerNorm,
  Linear,
  MaxPool2d,
  type OnnxGraph,
  type OnnxValue,
  Residual,
  type SaveOnnxOptions,
  Sequential,
  saveOnnx,
  Upsample,
} from '../../src/nn/index.js'
import { loadModel } from '../../src/onnx/index.js'
import { expectExported } from '../support/exported.js'
import { Random } from '../support/random.js'

const SEED = Number(process.env.FILTERBANK_SEED ?? 20261121)
/** Random models; FILTERBANK_PROBLEMS=1000 for more. */
const MODELS = Number(process.env.FILTERBANK_PROBLEMS ?? 150)

const kinds = [
  'relu',
  'relu6',
  'leakyRelu',
  'elu',
  'selu',
  'gelu',
  'sigmoid',
  'hardSigmoid',
  'tanh',
  'silu',
  'hardSwish',
  'mish',
  'softplus',
] as const

class Scale extends Layer {
  forward(x: Tensor): Tensor {
    return mul(x, this.parameters[0]!)
  }
  override toOnnx(graph: OnnxGraph, x: OnnxValue): OnnxValue {
    const [factor] = this.parameters
    return graph.node('Mul', [
      x,
      graph.constant(
        'factor',
        factor!.toArray(),
        x.shape.length === 4 ? [factor!.size, 1, 1] : [factor!.size],
      ),
    ])
  }
}

/** A batch norm that has seen something. */
function seasoned(
  engine: Engine,
  random: Random,
  channels: number,
  activation: (typeof kinds)[number] | undefined,
): BatchNorm2d {
  const layer = new BatchNorm2d(engine, { channels, activation, epsilon: random.pick([1e-5, 1e-3]) })
  return scattered(layer, random)
}

function scattered<T extends Layer>(layer: T, random: Random): T {
  for (const tensor of [...layer.parameters, ...layer.state]) tensor.set(random.floats(tensor.size, 0.5, 1.5))
  return layer
}

/** Layers one after the other that fit an image of `shape`, and what it becomes. */
function body(
  engine: Engine,
  random: Random,
  shape: [number, number, number],
  depth: number,
): { layers: Layer[]; shape: [number, number, number] } {
  let [h, w, c] = shape
  const seed = new Generator(random.integer(0, 1e9))
  const activation = () =>
    random.next() < 0.5
      ? random.pick([...kinds, [-0.5, 0.75] as const, [Number.NEGATIVE_INFINITY, 1] as const])
      : undefined
  const layers: Layer[] = []
  const choices: (() => Layer)[] = [
    () => {
      const groups = random.pick([1, 1, c])
      return new Conv2d(engine, {
        inChannels: c,
        outChannels: groups * random.integer(1, 4),
        size: [random.integer(1, 3), random.integer(1, 4)],
        stride: random.integer(1, 2),
        dilation: random.integer(1, 2),
        padding: random.pick([
          'same',
          2,
          [3, 2],
          [
            [2, 3],
            [3, 4],
          ],
        ] as const),
        groups,
        bias: random.next() < 0.5,
        activation: activation(),
        seed,
      })
    },
    () =>
      new DepthwiseConv2d(engine, { channels: c, size: 3, padding: 'same', activation: activation(), seed }),
    () => {
      const groups = random.pick([1, 1, c])
      const stride = random.integer(1, 3)
      return new ConvTranspose2d(engine, {
        inChannels: c,
        outChannels: groups * random.integer(1, 3),
        size: random.integer(1, 4),
        stride,
        padding: random.pick(['valid', 'same'] as const),
        outputPadding: random.integer(0, stride - 1),
        groups,
        bias: random.next() < 0.5,
        activation: activation(),
        seed,
      })
    },
    () => seasoned(engine, random, c, random.pick([undefined, 'relu', 'silu'])),
    () =>
      new MaxPool2d({
        size: random.integer(1, 3),
        stride: random.integer(1, 2),
        padding: 'same',
        ceilMode: random.next() < 0.3,
      }),
    () => new AvgPool2d({ size: 2, padding: random.pick([0, 1]), countIncludePad: random.next() < 0.5 }),
    () => new Upsample({ scale: random.pick([2, 1.5, 3]), method: random.pick(['nearest', 'bilinear']) }),
    () => new Activation(random.pick(kinds)),
    () => new Dropout({ rate: 0.5 }),
    () =>
      scattered(
        new GroupNorm(engine, {
          channels: c,
          groups: random.pick([1, c]),
          epsilon: 1e-3,
          activation: random.pick([undefined, 'relu']),
        }),
        random,
      ),
    () => scattered(new InstanceNorm2d(engine, { channels: c, epsilon: 1e-3 }), random),
    () =>
      scattered(
        new LayerNorm(engine, { features: random.pick([c, [w, c], [h, w, c]]), epsilon: 1e-3 }),
        random,
      ),
    () =>
      new Linear(engine, {
        inFeatures: c,
        outFeatures: random.integer(1, 5),
        activation: activation(),
        seed,
      }),
    () => new Scale([engine.tensor(random.floats(c), [c])]),
    () =>
      new Residual(
        new Conv2d(engine, { inChannels: c, outChannels: c, size: 3, padding: 'same', seed }),
        seasoned(engine, random, c, undefined),
      ),
    () =>
      new Sequential(
        new Conv2d(engine, { inChannels: c, outChannels: 3, size: 1, seed }),
        seasoned(engine, random, 3, 'relu'),
      ),
  ]
  while (layers.length < depth) {
    const layer = random.pick(
      h * w > 1500 ? choices.slice(3, 6) : h > 2 && w > 2 ? choices : choices.slice(6),
    )()
    layers.push(layer)
    ;[, h, w, c] = engine.scope(() => layer.forward(engine.zeros([1, h, w, c])).shape) as [
      number,
      number,
      number,
      number,
    ]
  }
  return { layers, shape: [h, w, c] }
}

describe('saveOnnx', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine()
  })
  afterAll(() => engine.dispose())

  const expectAlike = (
    model: Layer,
    shape: readonly number[],
    random: Random,
    about: string,
    options: SaveOnnxOptions = {},
  ): Promise<Uint8Array> => expectExported(engine, model, [shape], random, { about, options })

  it(`answers as the model does: ${MODELS} random models, batch norm folded and not`, {
    timeout: 600_000,
  }, async () => {
    for (let i = 0; i < MODELS; i++) {
      const random = new Random(SEED + i)
      const input: [number, number, number] = [
        random.integer(4, 9),
        random.integer(4, 9),
        random.integer(1, 4),
      ]
      const { layers, shape } = body(engine, random, input, random.integer(1, 6))
      if (random.next() < 0.7) {
        layers.push(random.pick([() => new Flatten(), () => new GlobalAvgPool2d()])())
        if (random.next() < 0.5) layers.push(new Activation(random.pick(kinds)), new Dropout({ rate: 0.1 }))
        const features = layers.some((layer) => layer instanceof Flatten)
          ? shape[0] * shape[1] * shape[2]
          : shape[2]
        if (random.next() < 0.3) layers.push(seasoned(engine, random, features, undefined))
        layers.push(
          new Linear(engine, { inFeatures: features, outFeatures: 5, seed: i }),
          seasoned(engine, random, 5, 'tanh'),
        )
      }
      const model = new Sequential(...layers)
      if (model.parameters.length > 0)
        await expectAlike(model, input, random, `model ${SEED + i}`, { foldBatchNorm: random.next() < 0.5 })
      model.dispose()
    }
    expect(engine.memory().tensors).toBe(0)
  })

  it('every activation, on images and on features; rank 3 passes as it is', {
    timeout: 120_000,
  }, async () => {
    const random = new Random(SEED)
    for (const kind of [...kinds, [-0.5, 0.75] as const]) {
      const model = new Sequential(
        new Linear(engine, { inFeatures: 3, outFeatures: 4, activation: kind }),
        seasoned(engine, random, 4, undefined),
      )
      await expectAlike(model, [3], random, `${kind}`)
      await expectAlike(model, [5, 3], random, `${kind}, rank 3`)
      await expectAlike(model, [2, 5, 3], random, `${kind}, images`)
      model.dispose()
    }
  })

  it('norms and embeddings on values of any rank', { timeout: 120_000 }, async () => {
    const random = new Random(SEED)
    for (const shape of [[6], [5, 6], [3, 4, 6]]) {
      const norm = () =>
        scattered(new GroupNorm(engine, { channels: 6, groups: 2, epsilon: 0.1, activation: 'silu' }), random)
      const model = new Sequential(norm(), scattered(new LayerNorm(engine, { features: 6 }), random), norm())
      await expectAlike(model, shape, random, `rank ${shape.length + 1}`)
      model.dispose()
      const indices = new Sequential(
        new Activation([0, 0]),
        new Embedding(engine, { count: 9, features: 4 }),
        new Linear(engine, { inFeatures: 4, outFeatures: 2 }),
      )
      await expectAlike(indices, shape, random, `embedding of rank ${shape.length + 1}`)
      indices.dispose()
    }
  })

  it('folds batch norm where it is asked to, and names what it writes', async () => {
    const random = new Random(SEED)
    class Network extends Sequential {
      constructor(gpu: Engine) {
        super(
          new Conv2d(gpu, { inChannels: 2, outChannels: 3, size: 3 }),
          seasoned(gpu, random, 3, 'relu'),
          new Flatten(),
          new Linear(gpu, { inFeatures: 27, outFeatures: 2 }),
        )
      }
    }
    const model = new Network(engine)
    const nodes = async (foldBatchNorm: boolean) => {
      const loaded = await loadModel(
        engine,
        await expectAlike(model, [5, 5, 2], random, `fold ${foldBatchNorm}`, { foldBatchNorm }),
      )
      const { inputs, outputs } = loaded
      const names = loaded.summary().flatMap(({ op }) => op.split(' '))
      loaded.dispose()
      return { names, inputs, outputs }
    }
    const folded = await nodes(true)
    expect(folded.names.filter((name) => name !== 'Identity').join(' ')).toBe(
      'Conv Relu Transpose Flatten Gemm',
    )
    expect(folded.inputs).toEqual([{ name: 'input', type: 'float32', shape: ['batch', 2, 5, 5] }])
    expect(folded.outputs).toMatchObject([{ name: 'output' }])
    expect((await nodes(false)).names.join(' ')).toContain('BatchNormalization')
    model.dispose()
  })

  it('says which layer it cannot write, and what input a model does not take', () => {
    class Own extends Layer {
      forward(x: Tensor): Tensor {
        return mul(x, mul(this.parameters[0]!, x.toArray()[0]!))
      }
    }
    const own = new Own([engine.tensor([2], [1])])
    const model = new Sequential(new Activation('relu'), new Residual(own))
    const before = engine.memory()
    const wrong = (fn: () => unknown, ...said: string[]) => {
      for (const part of said) expect(fn).toThrow(part)
      expect(engine.memory()).toMatchObject({ live: before.live, tensors: before.tensors })
    }
    wrong(
      () => saveOnnx(model, [4, 4, 1]),
      'saveOnnx: layer 1.0 must be one whose forward leaves numbers in tensors',
      'toOnnx(graph, x)',
    )
    wrong(() => saveOnnx(own, [4, 4, 1]), 'saveOnnx: model must be')
    wrong(
      () => saveOnnx(new Activation('relu'), [4, 4, 1]),
      'saveOnnx: model must be a layer with parameters',
    )
    wrong(() => saveOnnx(model, []), 'saveOnnx: inputShape must be that of one sample')
    const linear = new Linear(engine, { inFeatures: 3, outFeatures: 2 })
    expect(() => saveOnnx(linear, [4])).toThrow('linear: ')
    linear.dispose()
    model.dispose()
  })
})
