/**
 * Any value in place of a number: a call works, or throws a FilterbankError and leaves memory as it was.
 * Never a trap, a RangeError or a TypeError.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FilterbankError, show } from '../src/base/errors.js'
import { MOST } from '../src/core/options.js'
import * as image from '../src/image/index.js'
import * as core from '../src/index.js'
import * as nn from '../src/nn/index.js'

/** Memory that each engine may take: so little that what fits is done soon. */
const MAXIMUM_BYTES = 2 ** 25
const FLOATS = MAXIMUM_BYTES / 4

const numbers = [
  ...[
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    -0,
    0,
    0.5,
    1.5,
    5e-324,
    1e-162,
    1e38,
    1e200,
    Number.MAX_VALUE,
  ],
  ...[
    -1,
    1,
    2,
    3,
    255,
    8191,
    8193,
    FLOATS,
    FLOATS + 1,
    2 ** 24,
    2 ** 30,
    MOST - 1,
    MOST,
    MOST + 1,
    2 ** 32,
    2 ** 32 + 1,
    2 ** 53,
    -(2 ** 31),
    -(2 ** 32),
  ],
]
const others = [
  '3',
  '',
  'toString',
  ['relu'],
  Object.create(null),
  null,
  true,
  3n,
  {},
  [],
  [2],
  [1, 2, 3],
  [[1, 1]],
  Symbol('s'),
  () => 1,
  new Date(0),
  new Float32Array(2),
]
const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...numbers) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(...others) },
  { weight: 1, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.integer() },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constantFrom<unknown>(...numbers),
      fc.constantFrom<unknown>(...numbers, ...others),
    ),
  },
)

type Attempt = (v: never, engine: core.Engine) => unknown

/** Every place that takes a number, by its name; the engine is empty before and after. */
const places: Record<string, Attempt> = {}
const place = (name: string, attempt: Attempt): void => {
  places[name] = attempt
}

// Inputs, made anew for each attempt, so that what ops keep beside them goes with them.
const photo = (engine: core.Engine) => engine.zeros([1, 5, 4, 2])
const small = (engine: core.Engine) => engine.zeros([1, 1, 1, 2])
const filter = (engine: core.Engine) => engine.zeros([3, 3, 2, 2])
const depthwise = (engine: core.Engine) => engine.zeros([3, 3, 1, 2])
const flat = (engine: core.Engine) => engine.zeros([2, 3])
const pixels = (): image.Pixels => ({ data: new Uint8ClampedArray(4 * 12), width: 4, height: 3 })

for (const option of ['stride', 'padding', 'dilation', 'groups'] as const) {
  place(`conv2d ${option}`, (v, e) => core.conv2d(photo(e), filter(e), { [option]: v }))
  place(`conv2d ${option}, padded`, (v, e) => core.conv2d(photo(e), filter(e), { padding: 2, [option]: v }))
  place(`conv2d ${option}, 'same'`, (v, e) =>
    core.conv2d(photo(e), filter(e), { padding: 'same', [option]: v }),
  )
  place(`conv2d ${option}, depthwise`, (v, e) =>
    core.conv2d(photo(e), depthwise(e), { padding: 2, groups: 2, [option]: v }),
  )
  place(`conv1d ${option}`, (v, e) => core.conv1d(e.zeros([1, 5, 2]), e.zeros([3, 2, 2]), { [option]: v }))
  place(`planConv2d ${option}`, (v) => core.planConv2d([1, 5, 4, 2], [3, 3, 2, 2], { [option]: v }))
}
place('planConv2d shapes', (v) => core.planConv2d([1, v, 4, 2], [3, v, 2, 2]))
for (const option of ['stride', 'padding', 'dilation', 'groups', 'outputPadding'] as const) {
  for (const [name, x] of Object.entries({ photo, small })) {
    place(`convTranspose2d ${option}, ${name}`, (v, e) =>
      core.convTranspose2d(x(e), filter(e), { [option]: v }),
    )
    place(`convTranspose2d ${option}, ${name}, 'same'`, (v, e) =>
      core.convTranspose2d(x(e), filter(e), { stride: 2, padding: 'same', [option]: v }),
    )
  }
}
for (const option of ['size', 'stride', 'padding', 'dilation'] as const) {
  for (const pool of [core.maxPool2d, core.avgPool2d]) {
    for (const more of [
      {},
      { ceilMode: true },
      { padding: 'same' },
      { padding: [2 ** 30, 3], stride: 2 ** 28 },
      { padding: 2 ** 30 - 10, size: 2 ** 29 },
    ] as const) {
      place(`${pool.name} ${option} ${show(more)}`, (v, e) =>
        pool(photo(e), { size: 2, ...more, [option]: v }),
      )
    }
  }
}
place('avgPool2d size, countIncludePad', (v, e) =>
  core.avgPool2d(photo(e), { size: v, padding: 1e9, stride: 1e9, countIncludePad: true }),
)
place('pad', (v, e) =>
  core.pad(photo(e), {
    padding: [
      [0, 0],
      [v, 1],
      [0, v],
      [1, 1],
    ],
  }),
)
place('pad padding', (v, e) => core.pad(photo(e), { padding: v }))
place('pad value', (v, e) =>
  core.pad(photo(e), {
    padding: [
      [0, 0],
      [1, 1],
      [0, 0],
      [0, 0],
    ],
    value: v,
  }),
)
for (const option of ['begin', 'end', 'step'] as const) {
  place(`slice ${option}`, (v, e) => core.slice(flat(e), { [option]: v }))
  place(`slice ${option}[1]`, (v, e) => core.slice(flat(e), { [option]: [1, v] }))
}
place('concat axis', (v, e) => core.concat([flat(e), flat(e)], { axis: v }))
place('gather indices', (v, e) => core.gather(flat(e), v))
place('gather indices[1]', (v, e) => core.gather(flat(e), [0, v]))
place('gather float indices', (v, e) => core.gather(flat(e), e.tensor([0, Number(show(v))], [2])))
for (const method of ['nearest', 'bilinear'] as const) {
  for (const alignCorners of [false, true])
    place(`resize size, ${method}, ${alignCorners}`, (v, e) =>
      core.resize(photo(e), { size: v, method, alignCorners }),
    )
  place(`resize size[1], ${method}`, (v, e) => core.resize(photo(e), { size: [1, v], method }))
}
for (const reduce of [core.sum, core.mean, core.max, core.min, core.argmax])
  place(`${reduce.name} axes`, (v, e) => reduce(flat(e), { axes: v }))
place('argmax axis', (v, e) => core.argmax(flat(e), { axis: v }))
for (const op of [core.softmax, core.logSoftmax]) place(`${op.name} axis`, (v, e) => op(flat(e), { axis: v }))
for (const op of [core.layerNorm, core.rmsNorm]) {
  for (const option of ['axis', 'epsilon'])
    place(`${op.name} ${option}`, (v, e) => op(flat(e), { [option]: v }))
}
for (const option of ['groups', 'epsilon'])
  place(`groupNorm ${option}`, (v, e) => core.groupNorm(photo(e), { groups: 1, [option]: v }))
place('instanceNorm epsilon', (v, e) => core.instanceNorm(photo(e), { epsilon: v }))
place('batchNorm epsilon', (v, e) =>
  core.batchNorm(flat(e), { mean: e.zeros([3]), variance: e.zeros([3]), epsilon: v }),
)
place('leakyRelu alpha', (v, e) => core.leakyRelu(flat(e), { alpha: v }))
place('elu alpha', (v, e) => core.elu(flat(e), { alpha: v }))
place('hardSigmoid beta', (v, e) => core.hardSigmoid(flat(e), { beta: v }))
for (const option of ['low', 'high']) place(`clamp ${option}`, (v, e) => core.clamp(flat(e), { [option]: v }))
for (const option of ['algorithm', 'activation'])
  place(`conv2d ${option}`, (v, e) => core.conv2d(photo(e), filter(e), { [option]: v }))
place('linear activation', (v, e) => core.linear(flat(e), e.zeros([3, 2]), { activation: v }))
place('add a number', (v, e) => core.add(flat(e), v))
place('div by it', (v, e) => core.div(v, flat(e)))
place('transpose axes', (v, e) => core.transpose(flat(e), v))
place('transpose axes[1]', (v, e) => core.transpose(flat(e), [0, v]))
place('reshape shape', (v, e) => core.reshape(flat(e), v))
place('reshape shape[0]', (v, e) => core.reshape(flat(e), [v, -1]))
place('engine.zeros shape', (v, e) => e.zeros(v))
place('engine.zeros shape[0]', (v, e) => e.zeros([v]))
place('engine.zeros shape[0] of none', (v, e) => e.zeros([v, 0]))
place('engine.zeros two lengths', (v, e) => e.zeros([v, v]))
place('engine.tensor shape', (v, e) => e.tensor([1, 2], [v, 2]))
place('ops on no elements', (v, e) => {
  const nothing = e.zeros([v, 5, 4, 0])
  return [
    core.maxPool2d(nothing, { size: 2 }),
    core.resize(nothing, { size: v }),
    core.sum(nothing),
    core.softmax(nothing),
    core.relu(nothing),
    image.boxBlur(nothing, 3),
  ]
})

for (const [name, of] of Object.entries({ tensor: photo, bytes: pixels })) {
  const on =
    (attempt: (photo: core.Tensor | image.Pixels, v: never, options: object) => unknown): Attempt =>
    (v, e) =>
      attempt(of(e), v, name === 'bytes' ? { engine: e } : {})
  place(
    `boxBlur size, ${name}`,
    on((x, v, options) => image.boxBlur(x, v, options)),
  )
  place(
    `median size, ${name}`,
    on((x, v, options) => image.median(x, v, options)),
  )
  place(
    `gaussianBlur sigma, ${name}`,
    on((x, v, options) => image.gaussianBlur(x, v, options)),
  )
  place(
    `gaussianBlur size, ${name}`,
    on((x, v, options) => image.gaussianBlur(x, 1, { ...options, size: v })),
  )
  place(
    `filter2d kernel, ${name}`,
    on((x, v, options) => image.filter2d(x, v, options)),
  )
  place(
    `filter2d kernel[0][1], ${name}`,
    on((x, v, options) => image.filter2d(x, [[1, v]], options)),
  )
  place(
    `lowPass sigma, ${name}`,
    on((x, v, options) => image.lowPass(x, { ...options, sigma: v })),
  )
  place(
    `highPass sigma, ${name}`,
    on((x, v, options) => image.highPass(x, { ...options, sigma: v })),
  )
  place(
    `sharpen amount, ${name}`,
    on((x, v, options) => image.sharpen(x, { ...options, amount: v })),
  )
  for (const option of ['sigma', 'amount', 'threshold']) {
    place(
      `unsharpMask ${option}, ${name}`,
      on((x, v, options) => image.unsharpMask(x, { ...options, [option]: v })),
    )
  }
}
for (const option of ['width', 'height']) {
  place(`pixels ${option}`, (v, e) => image.boxBlur({ ...pixels(), [option]: v }, 3, { engine: e }))
  place(`fromImageData ${option}`, (v, e) => image.fromImageData(e, { ...pixels(), [option]: v }))
}
for (const option of ['mean', 'std', 'channels'])
  place(`fromImageData ${option}`, (v, e) => image.fromImageData(e, pixels(), { [option]: v }))
for (const option of ['clip', 'scale', 'gap', 'columns', 'image'])
  place(`featureMaps ${option}`, (v, e) => image.featureMaps(photo(e), { [option]: v }))
for (const option of ['clip', 'scale', 'gap', 'columns', 'limit'])
  place(`filterSheet ${option}`, (v, e) => image.filterSheet(filter(e), { [option]: v }))

const made = (layer: nn.Layer) => [layer.parameters, layer.state]
for (const option of ['inChannels', 'outChannels', 'size', 'groups', 'stride', 'seed', 'initial']) {
  const some = { inChannels: 2, outChannels: 2, size: 3, [option]: 0 }
  place(`Conv2d ${option}`, (v, e) => made(new nn.Conv2d(e, { ...some, [option]: v })))
  place(`ConvTranspose2d ${option}`, (v, e) => made(new nn.ConvTranspose2d(e, { ...some, [option]: v })))
}
for (const option of ['channels', 'size', 'seed'])
  place(`DepthwiseConv2d ${option}`, (v, e) =>
    made(new nn.DepthwiseConv2d(e, { channels: 2, size: 3, [option]: v })),
  )
for (const option of ['inFeatures', 'outFeatures', 'seed'])
  place(`Linear ${option}`, (v, e) => made(new nn.Linear(e, { inFeatures: 2, outFeatures: 2, [option]: v })))
place('Linear, both', (v, e) => made(new nn.Linear(e, { inFeatures: v, outFeatures: v })))
for (const option of ['channels', 'epsilon', 'momentum'])
  place(`BatchNorm2d ${option}`, (v, e) => made(new nn.BatchNorm2d(e, { channels: 2, [option]: v })))
for (const option of ['features', 'epsilon'])
  place(`LayerNorm ${option}`, (v, e) => made(new nn.LayerNorm(e, { features: 2, [option]: v })))
for (const option of ['channels', 'groups', 'epsilon'])
  place(`GroupNorm ${option}`, (v, e) => made(new nn.GroupNorm(e, { channels: 2, groups: 1, [option]: v })))
place('InstanceNorm2d channels', (v, e) => made(new nn.InstanceNorm2d(e, { channels: v })))
for (const option of ['count', 'features'])
  place(`Embedding ${option}`, (v, e) => made(new nn.Embedding(e, { count: 2, features: 2, [option]: v })))
for (const option of ['size', 'stride'])
  place(`MaxPool2d ${option}`, (v, e) => new nn.MaxPool2d({ size: 2, [option]: v }).forward(photo(e)))
place('Upsample scale', (v, e) => new nn.Upsample({ scale: v }).forward(photo(e)))
for (const option of ['rate', 'seed']) {
  place(`Dropout ${option}`, (v, e) =>
    Object.assign(new nn.Dropout({ rate: 0.5, [option]: v }), { training: true }).forward(flat(e)),
  )
}
place('Random', (v) => new nn.Random(v).next())
for (const make of [nn.sgd, nn.rmsProp, nn.adam, nn.adamW]) {
  for (const option of [
    'learningRate',
    'weightDecay',
    ...(make === nn.sgd
      ? ['momentum']
      : make === nn.rmsProp
        ? ['decay', 'epsilon']
        : ['beta1', 'beta2', 'epsilon']),
  ]) {
    place(`${make.name} ${option}`, (v, e) => {
      const optimizer = make([flat(e)], { [option]: v })
      optimizer.step([flat(e)])
      return optimizer.state
    })
  }
}
place('clipByGlobalNorm maximum', (v, e) => nn.clipByGlobalNorm([flat(e)], v))
place('crossEntropy labels', (v, e) => nn.crossEntropy(flat(e), v))
place('crossEntropy labels[1]', (v, e) => nn.crossEntropy(flat(e), [0, v]))
place('crossEntropy labelSmoothing', (v, e) => nn.crossEntropy(flat(e), [0, 1], { labelSmoothing: v }))
place('huber delta', (v, e) => nn.huber(flat(e), flat(e), { delta: v }))
place('accuracy labels', (v, e) => nn.accuracy(flat(e), v))
place('constant', (v) => nn.constant(v)(1))
for (const option of ['every', 'factor'])
  place(`stepDecay ${option}`, (v) => nn.stepDecay(0.1, { every: 2, [option]: v })(3))
for (const option of ['steps', 'last'])
  place(`cosine ${option}`, (v) => nn.cosine(0.1, { steps: 2, [option]: v })(3))
place('warmUp steps', (v) => nn.warmUp(nn.constant(1), { steps: v })(3))
place('warmUp schedule', (v) => nn.warmUp(v, { steps: 2 }))
place('boxBlur border', (v, e) => image.boxBlur(photo(e), 3, { border: v }))
for (const option of ['pixels', 'fill'])
  place(`shift ${option}`, (v) =>
    nn.shift({ pixels: 1, [option]: v })(new Float32Array(4), [2, 2, 1], new nn.Random(1)),
  )
place('saveOnnx inputShape', (v, e) => nn.saveOnnx(new nn.Linear(e, { inFeatures: 2, outFeatures: 2 }), v))
place('writeModel opset', (v) => nn.writeModel({ nodes: [], inputs: [], outputs: [], opset: v }))

function attemptWith(engine: core.Engine, name: string, v: unknown): void {
  const { live, tensors } = engine.memory()
  try {
    engine.scope(() => void places[name]!(v as never, engine))
  } catch (error) {
    if (!(error instanceof FilterbankError)) expect.fail(`${name} with ${show(v)}: ${(error as Error).stack}`)
    expect(engine.memory().live, `${name} with ${show(v)}: ${error.message}`).toBe(live)
  }
  expect(engine.memory().tensors, `${name} with ${show(v)}`).toBe(tensors)
}

describe('any value in place of a number', () => {
  let engine: core.Engine
  beforeAll(async () => {
    engine = await core.createEngine({ threads: 1, maximumBytes: MAXIMUM_BYTES })
  })
  afterAll(() => engine.dispose())

  it.each(Object.keys(places))('%s', (name) => {
    for (const v of [...numbers, ...others]) attemptWith(engine, name, v)
    fc.assert(
      fc.property(value, (v) => attemptWith(engine, name, v)),
      { numRuns: 25 },
    )
  })

  it('createEngine makes an engine, or throws a FilterbankError', async () => {
    const attempt = async (options: object) => {
      try {
        const engine = await core.createEngine(options)
        engine.dispose()
      } catch (error) {
        if (!(error instanceof FilterbankError)) expect.fail(`${show(options)}: ${(error as Error).stack}`)
      }
    }
    for (const v of [...numbers, ...others]) {
      await attempt({ threads: 1, maximumBytes: v })
      // Workers of an engine that does start take time: numbers of them are tested elsewhere.
      if (v !== 2 && v !== 3) await attempt({ threads: v })
    }
  })
})
