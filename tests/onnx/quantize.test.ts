/** quantizeModel: what it writes runs here and in ONNX Runtime alike, loses little, and runs on bytes. */

import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { atOnce } from '../../src/base/turns.js'
import { createEngine, type Engine } from '../../src/index.js'
import { readModel } from '../../src/onnx/file/schema.js'
import {
  loadModel,
  type ModelParts,
  type NodeParts,
  quantizeModel,
  type TensorParts,
  writeModel,
} from '../../src/onnx/index.js'
import { Histogram } from '../../src/onnx/quantize/range.js'

let engine: Engine
beforeAll(async () => {
  engine = await createEngine({ threads: 1 })
})
afterAll(() => engine.dispose())

/** Numbers about as normal as the sum of four even ones. */
function noise(seed: number) {
  let state = seed
  const even = () => {
    state = (state * 1103515245 + 12345) % 2147483648
    return state / 2147483648 - 0.5
  }
  return (length: number, size = 1) =>
    Float32Array.from({ length }, () => size * (even() + even() + even() + even()))
}

type Constants = (TensorParts & { name: string })[]

/** Convolutions with normalisation, a clamp, a depthwise one, a residual, pooling and a product. */
function network(opset: number, spread = 1): ModelParts {
  const random = noise(5)
  const initializers: Constants = [
    { name: 'w1', shape: [8, 3, 3, 3], data: random(216, 0.3) },
    { name: 'scale', shape: [8], data: random(8).map((v) => 1 + Math.abs(v)) },
    { name: 'offset', shape: [8], data: random(8) },
    { name: 'mean', shape: [8], data: random(8, 0.2) },
    { name: 'variance', shape: [8], data: random(8).map((v) => 0.5 + Math.abs(v)) },
    { name: 'w2', shape: [8, 1, 3, 3], data: random(72, 0.5).map((v, i) => (i < 9 ? spread * v : v)) },
    { name: 'b2', shape: [8], data: random(8) },
    { name: 'w3', shape: [8, 8, 1, 1], data: random(64, 0.5) },
    { name: 'w4', shape: [5, 128], data: random(640, 0.2) },
    { name: 'b4', shape: [5], data: random(5) },
  ]
  const clip: NodeParts =
    opset < 11
      ? { op: 'Clip', inputs: ['n'], outputs: ['r1'], attributes: { min: { float: 0 }, max: { float: 6 } } }
      : { op: 'Relu', inputs: ['n'], outputs: ['r1'] }
  const nodes: NodeParts[] = [
    { op: 'Conv', name: 'first', inputs: ['x', 'w1'], outputs: ['c1'], attributes: { pads: [1, 1, 1, 1] } },
    { op: 'BatchNormalization', inputs: ['c1', 'scale', 'offset', 'mean', 'variance'], outputs: ['n'] },
    clip,
    {
      op: 'Conv',
      name: 'depthwise',
      inputs: ['r1', 'w2', 'b2'],
      outputs: ['c2'],
      attributes: { pads: [1, 1, 1, 1], group: 8 },
    },
    { op: 'Relu', inputs: ['c2'], outputs: ['r2'] },
    { op: 'Conv', name: 'pointwise', inputs: ['r2', 'w3'], outputs: ['c3'] },
    { op: 'Add', inputs: ['c3', 'r1'], outputs: ['sum'] },
    { op: 'MaxPool', inputs: ['sum'], outputs: ['p'], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
    { op: 'Flatten', inputs: ['p'], outputs: ['f'] },
    { op: 'Gemm', name: 'last', inputs: ['f', 'w4', 'b4'], outputs: ['y'], attributes: { transB: 1 } },
  ]
  return {
    opset,
    nodes,
    initializers,
    inputs: [{ name: 'x', shape: ['n', 3, 8, 8] }],
    outputs: [{ name: 'y', shape: ['n', 5] }],
  }
}

function samplesOf(count: number, seed: number) {
  const random = noise(seed)
  return Array.from({ length: count }, () => ({ x: { data: random(192), shape: [1, 3, 8, 8] } }))
}

async function outputsOf(bytes: Uint8Array, data: Float32Array, shape: number[]) {
  using model = await loadModel(engine, bytes)
  const ours = model.run({ x: { data, shape } }).y!.toArray() as Float32Array
  const session = await InferenceSession.create(bytes)
  const theirs = (await session.run({ x: new OnnxTensor('float32', data, shape) })).y!.data as Float32Array
  return { ours, theirs, session }
}

const errorOf = (got: Float32Array, wanted: Float32Array) =>
  Math.sqrt(
    got.reduce((sum, v, i) => sum + (v - wanted[i]!) ** 2, 0) / wanted.reduce((sum, v) => sum + v * v, 0),
  )

describe('quantizeModel', () => {
  it.each([8, 13, 20])('writes a model of opset %i that ONNX Runtime runs alike, on bytes', async (opset) => {
    const source = writeModel(network(opset))
    const { bytes, report } = await quantizeModel(engine, source, samplesOf(16, 1))
    expect(report.layers.map(({ type }) => type)).toEqual(Array(4).fill('int8'))
    expect(report.error).toBeLessThan(0.05)
    const [{ x }] = samplesOf(1, 99) as [ReturnType<typeof samplesOf>[number]]
    const float = await outputsOf(source, x.data, x.shape)
    const { ours, theirs } = await outputsOf(bytes, x.data, x.shape)
    const level = (Math.max(...float.ours) - Math.min(...float.ours, 0)) / 128
    for (let i = 0; i < ours.length; i++) expect(Math.abs(ours[i]! - theirs[i]!)).toBeLessThan(level)
    expect(errorOf(ours, float.ours)).toBeLessThan(0.08)
    using model = await loadModel(engine, bytes)
    for (let i = 0; i < 2; i++) model.run({ x })
    const convolutions = model.summary().filter(({ op }) => op.includes('Conv'))
    expect(convolutions.map(({ type }) => type)).toEqual(['uint8', 'uint8', 'uint8'])
  })

  it('keeps operators of other domains, with the versions of these', async () => {
    const { nodes, outputs: _, ...rest } = network(13)
    const scaler: NodeParts = {
      op: 'ai.onnx.ml.Scaler',
      inputs: ['y'],
      outputs: ['z'],
      attributes: { offset: { floats: [1] }, scale: { floats: [2] } },
    }
    const domains = { 'ai.onnx.ml': 3 }
    const source = writeModel({ ...rest, nodes: [...nodes, scaler], outputs: [{ name: 'z' }], domains })
    const { bytes } = await quantizeModel(engine, source, samplesOf(8, 1))
    expect(atOnce(readModel(bytes, 'test')).opsetImport).toContainEqual({ domain: 'ai.onnx.ml', version: 3 })
    using model = await loadModel(engine, bytes)
    expect(model.run(samplesOf(1, 9)[0]!)['z']!.toArray()).toHaveLength(5)
  })

  it('takes every method, one scale for all channels, 7 bits, and samples one by one', async () => {
    const source = writeModel(network(20))
    for (const method of ['minmax', 'percentile', 'entropy'] as const) {
      const { report } = await quantizeModel(engine, source, samplesOf(8, 2), { method })
      expect(report.method).toBe(method)
      expect(report.error).toBeLessThan(0.2)
    }
    async function* stream() {
      yield* samplesOf(8, 3)
    }
    const done: number[] = []
    const onProgress = (news: { done: number }) => void done.push(news.done)
    const options = { perChannel: false, weightBits: 7, onProgress } as const
    const { bytes } = await quantizeModel(engine, source, stream(), options)
    expect(done.at(-1)).toBe(1)
    expect(done).toEqual(done.toSorted((a, b) => a - b))
    await InferenceSession.create(bytes)
  })

  it('loses less with a scale for each channel, and leaves in float what loses too much', async () => {
    const source = writeModel(network(20, 60))
    const options = { method: 'minmax', tolerance: Number.MAX_VALUE } as const
    const each = await quantizeModel(engine, source, samplesOf(8, 4), options)
    const all = await quantizeModel(engine, source, samplesOf(8, 4), { ...options, perChannel: false })
    expect(each.report.error).toBeLessThan(all.report.error)
    const strict = await quantizeModel(engine, source, samplesOf(8, 4), { tolerance: 1e-4 })
    const left = strict.report.layers.filter(({ type }) => type === 'float32')
    expect(left.length).toBeGreaterThan(0)
    for (const { reason } of left) expect(reason).toMatch(/^with it the error is [\d.]+ %, without [\d.]+ %$/)
    await InferenceSession.create(strict.bytes)
  })

  it('quantises products dynamically', async () => {
    const random = noise(6)
    const source = writeModel({
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['h'] },
        { op: 'Tanh', inputs: ['h'], outputs: ['t'] },
        { op: 'Gemm', inputs: ['t', 'v', 'b'], outputs: ['y'], attributes: { transB: 1 } },
      ],
      inputs: [{ name: 'x', shape: ['n', 16] }],
      outputs: [{ name: 'y', shape: ['n', 4] }],
      initializers: [
        { name: 'w', shape: [16, 12], data: random(192, 0.4) },
        { name: 'v', shape: [4, 12], data: random(48) },
        { name: 'b', shape: [4], data: random(4) },
      ],
    })
    const samples = Array.from({ length: 8 }, () => ({ x: { data: random(16), shape: [1, 16] } }))
    for (const perChannel of [true, false]) {
      const { bytes, report } = await quantizeModel(engine, source, samples, { perChannel })
      expect(report).toMatchObject({ method: 'dynamic', layers: [{ type: 'int8' }, { type: 'int8' }] })
      const data = random(48)
      const float = await outputsOf(source, data, [3, 16])
      const { ours, theirs } = await outputsOf(bytes, data, [3, 16])
      expect(errorOf(ours, theirs)).toBeLessThan(0.01)
      expect(errorOf(ours, float.ours)).toBeLessThan(0.03)
    }
  })

  it('refuses samples that are too few, constant or not finite, and options that are none', async () => {
    const source = writeModel(network(20))
    const quantize = (samples: unknown, options = {}) =>
      quantizeModel(engine, source, samples as never, options)
    await expect(quantize(samplesOf(7, 1))).rejects.toThrow(/samples.*8 at least, got 7.*Give 8 real inputs/s)
    await expect(quantize(5)).rejects.toThrow('an array or async iterable of inputs by name')
    const filled = (value: (i: number) => number) =>
      samplesOf(8, 1).map(({ x }) => ({ x: { ...x, data: x.data.map((_, i) => value(i)) } }))
    await expect(quantize(filled(() => 2))).rejects.toThrow('inputs that differ, got constant ones')
    await expect(quantize(filled((i) => i))).rejects.toThrow('inputs that differ, got 8 times the same')
    const broken = samplesOf(8, 1)
    broken[3]!.x.data[5] = Number.NaN
    await expect(quantize(broken)).rejects.toThrow(/samples\[3\].*NaN or infinity/)
    const [good] = samplesOf(1, 1)
    for (const [sample, message] of [
      [{ z: good!.x }, 'samples[1] must be inputs by the names "x", got ["z"]'],
      [new Float32Array(3), 'samples[1] must be inputs by the names "x", got Float32Array of length 3'],
      [{ x: null }, 'samples[1] "x" must be numbers, a tensor or { data, shape }, got null'],
      [{ x: { image: {} } }, 'samples[1] "x" must be numbers'],
    ] as const)
      await expect(quantize([good, sample])).rejects.toThrow(message)
    await expect(quantize(samplesOf(8, 1), { method: 'best' })).rejects.toThrow('method')
    await expect(quantize(samplesOf(8, 1), { weightBits: 4 })).rejects.toThrow('7 or 8')
    await expect(quantize(samplesOf(8, 1), { bits: 4 })).rejects.toThrow('bits')
    await expect(
      quantize(samplesOf(8, 1), { signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough')
  })
})

describe('ranges of activations', () => {
  it('leave out what is rare, but for minmax', () => {
    const histogram = new Histogram()
    histogram.add(noise(8)(100_000))
    histogram.add([1000])
    expect(histogram.range('minmax')[1]).toBe(1000)
    expect(histogram.range('percentile')[1]).toBeLessThan(4)
    expect(histogram.add([Number.POSITIVE_INFINITY])).toBe(false)
  })
})
