/** An option whose name is not known is an error that names the near ones. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nearTo } from '../../src/core/options.js'
import * as core from '../../src/index.js'
import * as nn from '../../src/nn/index.js'
import { loadModel } from '../../src/onnx/index.js'
import { type Call, errorOf } from '../support/options.js'

let engine: core.Engine
let x: core.Tensor
let linear: nn.Linear
beforeAll(async () => {
  engine = await core.createEngine({ threads: 1 })
  x = engine.zeros([1, 4, 4, 2])
  linear = new nn.Linear(engine, { inFeatures: 2, outFeatures: 2 })
})
afterAll(() => engine.dispose())

const samples = { inputs: [1, 2], shape: [2], labels: [1] }
const onX =
  (op: (x: core.Tensor, options: never) => unknown): Call =>
  (options) =>
    op(x, options)
const conv: Call = (options) => new nn.Conv2d(engine, options)
const adam: Call = (options) => nn.adam(linear.parameters, options)

describe('a misspelt option', () => {
  it('is named with what may have been meant', async () => {
    const hintOf = async (call: Call, options: object) => (await errorOf(engine, call, options)).hint
    expect((await errorOf(engine, onX(core.sum), { axis: 1 })).message).toBe(
      'sum: axis must be one of its options: axes, keepDims, got 1. Did you mean axes?',
    )
    expect(await hintOf(onX(core.softmax), { axes: 1 })).toBe('Did you mean axis?')
    expect(await hintOf(onX(core.max), { keepdims: true })).toBe('Did you mean keepDims?')
    expect(await hintOf(conv, { inChannels: 1, outChannels: 1, size: 3, strides: 2 })).toBe(
      'Did you mean stride?',
    )
    expect(await hintOf(conv, { in_channels: 1 })).toBe('Did you mean inChannels?')
    expect(await hintOf(conv, { kernelSize: 3 })).toBe('Did you mean size?')
    expect(await hintOf(adam, { lr: 0.5 })).toBe('Did you mean learningRate?')
    expect(await hintOf(adam, { betas: [0.9, 0.99] })).toBe('Did you mean beta1 or beta2?')
    const optimizer = nn.sgd(linear.parameters)
    const fit: Call = (options) => nn.fit(linear, samples, options)
    expect(await hintOf(fit, { optimizer, epoch: 5 })).toBe('Did you mean epochs?')
    expect(await hintOf(fit, { optimizer, validationData: samples })).toBe('Did you mean validation?')
    expect(await hintOf(fit, { optimizer, batch_size: 5 })).toBe('Did you mean batchSize?')
    expect(await hintOf(onX(core.layerNorm), { eps: 1e-3 })).toBe('Did you mean epsilon?')
    expect(await hintOf((options) => nn.saveOnnx(linear, [2], options), { version: 13 })).toBe(undefined)
  })

  it('is one by inheritance too, and where its name is that of a method of every object', async () => {
    expect((await errorOf(engine, onX(core.sum), Object.create({ axis: 1 }))).argument).toBe('axis')
    expect((await errorOf(engine, onX(core.sum), { toString: 1 })).argument).toBe('toString')
    expect((await errorOf(engine, onX(core.sum), JSON.parse('{ "__proto__": 1 }'))).argument).toBe(
      '__proto__',
    )
    expect((await errorOf(engine, onX(core.sum), { ['x'.repeat(1e5)]: 1 })).hint).toBe(undefined)
  })

  it('is not one where it is known: undefined is the default, an object need have no prototype', () => {
    engine.scope(() => {
      expect(core.sum(x, { axes: undefined, keepDims: undefined }).shape).toEqual([])
      expect(core.sum(x, Object.assign(Object.create(null), { axes: -1 })).shape).toEqual([1, 4, 4])
    })
  })

  it('is not one of another kind', async () => {
    const said = async (call: Call, options: object) => (await errorOf(engine, call, options)).message
    const predict: Call = (options) => nn.predict(linear, samples, options)
    expect(await said(predict, { signal: 5 })).toBe('predict: signal must be an AbortSignal, got 5')
    expect(await said(predict, { onProgress: 'log' })).toBe(
      'predict: onProgress must be a function, got "log"',
    )
    const optimizer = nn.sgd(linear.parameters)
    const fit: Call = (options) => nn.fit(linear, samples, { ...(options as object), optimizer })
    expect(await said(fit, { onEpoch: {} })).toMatch(/^fit: onEpoch must be a function/)
    const load: Call = (options) => loadModel(engine, new Uint8Array(0), options)
    for (const name of ['dimensions', 'externalData'])
      expect(await said(load, { [name]: null })).toMatch(
        `loadModel: ${name} must be an object of them by name`,
      )
    await expect(
      nn.predict(linear, samples, { signal: undefined, onProgress: undefined }),
    ).resolves.toBeDefined()
    optimizer.dispose()
  })

  it('does not come from what layers hand on', () => {
    engine.scope(() => {
      const seed = 1
      const layers = [
        new nn.Conv2d(engine, {
          inChannels: 2,
          outChannels: 2,
          size: 1,
          stride: 1,
          bias: false,
          initial: 'he',
          seed,
          algorithm: 'auto',
        }),
        new nn.DepthwiseConv2d(engine, { channels: 2, size: 3, padding: 'same', seed }),
        new nn.ConvTranspose2d(engine, {
          inChannels: 2,
          outChannels: 2,
          size: 3,
          padding: 1,
          outputPadding: 0,
          seed,
        }),
        new nn.GroupNorm(engine, { channels: 2, groups: 1, epsilon: 1e-3, activation: 'relu' }),
        new nn.InstanceNorm2d(engine, { channels: 2 }),
        new nn.BatchNorm2d(engine, { channels: 2, momentum: 0.5 }),
        new nn.LayerNorm(engine, { features: 2 }),
        new nn.Linear(engine, { inFeatures: 2, outFeatures: 2, activation: 'tanh', seed }),
        new nn.AvgPool2d({ size: 1, countIncludePad: true }),
        new nn.MaxPool2d({ size: 1, ceilMode: true }),
        new nn.Upsample({ scale: 2 }),
        new nn.Dropout({ rate: 0.5, seed }),
      ]
      expect(new nn.Sequential(...layers).forward(x).shape).toEqual([1, 8, 8, 2])
    })
  })
})

describe('nearTo', () => {
  it('finds the same letters before other words, and those before few letters off', () => {
    expect(nearTo('Batch-Size', ['batchSize', 'size'])).toEqual(['batchSize'])
    expect(nearTo('dim', ['axis', 'out'])).toEqual(['axis'])
    expect(nearTo('paddign', ['padding', 'stride'])).toEqual(['padding'])
    expect(nearTo('sizes', ['size', 'stride'])).toEqual(['size'])
    expect(nearTo('nothing', ['axis', 'out'])).toEqual([])
    expect(nearTo('any', [])).toEqual([])
  })
})
