/**
 * Rare operators (src/onnx/operators/rare) that ONNX Runtime does not referee (tests/referee/problemsRare.ts):
 * small nodes with the answers that their definitions give. A node is a line.
 */
// biome-ignore-all format: tables

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { typeOfArray } from '../../src/onnx/file/types.js'
import {
  inspectModel,
  loadModel,
  type ModelParts,
  type NodeParts,
  type TensorParts,
  writeModel,
} from '../../src/onnx/index.js'
import { channelsLast } from '../../src/onnx/operators/rare/channelsLast.js'
import { module } from '../../src/onnx/operators/rare/index.js'
import { families } from '../referee/problemsRare.js'
import { Random } from '../support/random.js'

interface Line {
  op: string
  inputs: readonly (TensorParts | undefined)[]
  outputs: readonly (TensorParts | undefined)[]
  attributes?: NodeParts['attributes']
  opset?: number
}

const of = (shape: readonly number[], ...values: number[]): TensorParts => ({
  shape,
  data: Float32Array.from(values),
})
const f32 = (...values: number[]) => of([values.length], ...values)
const scalar = (value: number) => of([], value)
const u8 = (...values: number[]): TensorParts => ({ shape: [values.length], data: Uint8Array.from(values) })
const i64 = (...values: number[]): TensorParts => ({
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
})
const i32 = (shape: readonly number[], ...values: number[]): TensorParts => ({ shape, data: Int32Array.from(values) })
const texts = (...data: string[]): TensorParts => ({ shape: [data.length], data })
const bool = (...values: number[]): TensorParts => ({ ...u8(...values), type: 'bool' })
const microsoft = (op: string) => `com.microsoft.${op}`
const training = (op: string) => `ai.onnx.preview.training.${op}`

const gelu = (v: number) => {
  // erf of Abramowitz and Stegun 7.1.26, within 1.5e-7.
  const t = 1 / (1 + (0.3275911 * Math.abs(v)) / Math.SQRT2)
  const terms = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429]
  const erf = 1 - terms.reduceRight((sum, term) => (sum + term) * t, 0) * Math.exp((-v * v) / 2)
  return (v * (1 + Math.sign(v) * erf)) / 2
}
const fast = (v: number) =>
  (v / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))
const silu = (v: number) => v / (1 + Math.exp(-v))
const softmax = (...values: number[]) => {
  const shares = values.map(Math.exp)
  return shares.map((v) => v / shares.reduce((a, b) => a + b))
}
/** (v - mean) / sqrt(variance) of all. */
const normal = (...values: number[]) => {
  const mean = values.reduce((a, b) => a + b) / values.length
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length
  return values.map((v) => (v - mean) / Math.sqrt(variance + 1e-5))
}

const lines: Line[] = [
  { op: microsoft('BiasSplitGelu'), inputs: [of([1, 4], 1, 2, 3, -1), f32(1, 0, 0, 0)], outputs: [of([1, 2], 2 * gelu(3), 2 * gelu(-1))] },
  { op: microsoft('BiasSoftmax'), inputs: [of([2, 1, 2], 1, 2, 3, 4), of([1, 2], 0, 1)], attributes: { axis: 2, is_inner_broadcast: 0 }, outputs: [of([2, 1, 2], ...softmax(1, 3), ...softmax(3, 5))] },
  { op: microsoft('BiasDropout'), inputs: [of([1, 2], 1, 2), f32(10, 20), of([1, 2], 100, 200)], outputs: [of([1, 2], 111, 222)] },
  { op: microsoft('GemmFastGelu'), inputs: [of([1, 2], 1, 2), of([2, 1], 0.5, 0.25), f32(-1.5)], outputs: [of([1, 1], fast(-0.5))] },
  // An end of a text is no part of what follows it: 4 * 3 ^ 2 * 5, 5 * 3 ^ 4 * 5, 6 * 3 ^ 2 * 5, all by 7.
  { op: microsoft('NGramHashMapping'), inputs: [i32([1, 3], 4, 5, 6), i32([2], 3, 5), i32([1], 7)], attributes: { max_ngram_size: 2, n_head_per_ngram: 1, pad_id: 2, eos_token_id: 5 }, outputs: [i32([1, 3, 1], 6, 6, 3), i32([1, 1], 6)] },
  { op: microsoft('ComplexMul'), inputs: [of([1, 2], 1, 2), of([1, 2], 3, 4)], outputs: [of([1, 2], -5, 10)] },
  { op: microsoft('ComplexMulConj'), inputs: [of([1, 2], 1, 2), of([1, 2], 3, 4)], outputs: [of([1, 2], 11, 2)] },
  { op: microsoft('GroupNorm'), inputs: [of([1, 1, 2, 2], 1, 5, 3, 9), f32(1, 2), f32(0, 1)], attributes: { groups: 2 }, outputs: [of([1, 1, 2, 2], ...[normal(1, 3)[0]!, 2 * normal(5, 9)[0]! + 1, normal(1, 3)[1]!, 2 * normal(5, 9)[1]! + 1])] },
  { op: microsoft('GroupNorm'), inputs: [of([1, 2, 1, 2], 1, 3, 5, 9), f32(1, 2), f32(0, 1)], attributes: { groups: 2, channels_last: 0, activation: 1 }, outputs: [of([1, 2, 1, 2], ...[...normal(1, 3), ...normal(5, 9).map((v) => 2 * v + 1)].map(silu))] },
  { op: microsoft('SkipGroupNorm'), inputs: [of([1, 1, 2, 2], 1, 5, 3, 9), f32(1, 2), f32(0, 1), of([1, 2], 10, 20), f32(1, 2)], attributes: { groups: 2 }, outputs: [of([1, 1, 2, 2], ...[normal(1, 3)[0]!, 2 * normal(5, 9)[0]! + 1, normal(1, 3)[1]!, 2 * normal(5, 9)[1]! + 1]), of([1, 1, 2, 2], 12, 27, 14, 31)] },
  { op: microsoft('QLinearReduceMean'), inputs: [{ ...u8(10, 20, 30, 41), shape: [2, 2] }, scalar(0.5), { ...u8(10), shape: [] }, scalar(0.25), { ...u8(3), shape: [] }], attributes: { axes: [1], keepdims: 0 }, outputs: [u8(13, 54)] },
  { op: microsoft('QLinearWhere'), inputs: [bool(1, 0), u8(10, 20), scalar(0.5), { ...u8(10), shape: [] }, u8(7, 9), scalar(1), { ...u8(1), shape: [] }, scalar(0.5), { ...u8(5), shape: [] }], outputs: [u8(5, 21)] },
  { op: microsoft('MulInteger'), inputs: [u8(10, 255), { ...u8(3), shape: [] }, u8(2, 200), { ...u8(4), shape: [] }], outputs: [{ shape: [2], data: Int32Array.of(-14, 49392) }] },
  { op: microsoft('TorchEmbedding'), inputs: [of([3, 2], 1, 2, 3, 4, 5, 6), i64(2, 0)], outputs: [of([2, 2], 5, 6, 1, 2)] },
  { op: microsoft('MatMulInteger16'), inputs: [{ shape: [1, 2], data: Int16Array.of(300, -2) }, { shape: [2, 1], data: Int16Array.of(200, 1000) }], outputs: [{ shape: [1, 1], data: Int32Array.of(58000) }] },
  { op: 'Scale', opset: 7, inputs: [f32(1, 2)], attributes: { scale: { float: 3 } }, outputs: [f32(3, 6)] },
  { op: 'DynamicSlice', opset: 7, inputs: [of([2, 3], 1, 2, 3, 4, 5, 6), i64(1), i64(3), i64(1)], outputs: [of([2, 2], 2, 3, 5, 6)] },
  // 1 + 2 w + 3 w^2 with w = exp(-2 pi i / 3) and such; back again. Of five places the middle has a pair, of four none.
  ...[of([1, 4], 1, 2, 3, 5), of([2, 2], 1, 2, 3, 5)].flatMap((x): Line[] => {
    const bins = x.shape[1]! === 4 ? of([1, 3, 2], 11, 0, -2, 3, -3, 0) : of([2, 2, 2], 3, 0, -1, 0, 8, 0, -2, 0)
    const parts = { ...x, shape: [...x.shape, 1] }
    return [
      { op: microsoft('Rfft'), inputs: [x], attributes: { signal_ndim: 1 }, outputs: [bins] },
      { op: microsoft('Irfft'), inputs: [bins], attributes: { signal_ndim: 1 }, outputs: [x] },
      { op: 'DFT', opset: 17, inputs: [bins], attributes: { onesided: 1, inverse: 1 }, outputs: [parts] },
    ]
  }),
  { op: 'DFT', opset: 20, inputs: [of([3, 2], 1, 0, 0, 0, 0, 0), { ...i64(5), shape: [] }, { ...i64(0), shape: [] }], attributes: { onesided: 1, inverse: 1 }, outputs: [of([5, 1], 0.2, 0.2, 0.2, 0.2, 0.2)] },
  { op: 'DFT', opset: 20, inputs: [of([3, 1, 2], 0, 0, 1, 2, 0, 0), undefined, { ...i64(0), shape: [] }], attributes: { onesided: 1, inverse: 1 }, outputs: [of([4, 1, 1], 0.5, -1, -0.5, 1)] },
  // Of a bias that is no row: element by element, as onnxruntime-web has it.
  { op: microsoft('FastGelu'), inputs: [of([2, 2], 1, 2, 3, 4), f32(0, 1, -1)], outputs: [of([2, 2], fast(1), fast(3), fast(2), fast(4))] },
  ...(['com.ms.internal.nhwc.Conv', microsoft('NhwcFusedConv')] as const).map((op): Line => ({
    op, inputs: [of([1, 2, 1, 2], 1, 10, 2, -30), of([1, 2, 2, 1], 1, 2, 3, 4), f32(5)], attributes: { activation: 'Relu', kernel_shape: [2, 1] }, outputs: [of([1, 1, 1, 1], 0)],
  })),
  { op: microsoft('NhwcConv'), inputs: [of([1, 2, 1, 2], 1, 10, 2, -30), of([1, 2, 2, 1], 1, 2, 3, 4), f32(5)], outputs: [of([1, 1, 1, 1], 5 + 1 + 4 + 30 - 120)] },
  { op: microsoft('IsAllFinite'), inputs: [f32(1, 2), f32(Number.NaN)], outputs: [{ ...bool(0), shape: [] }] },
  { op: microsoft('IsAllFinite'), inputs: [f32(1, 2), f32(Number.NaN)], attributes: { isinf_only: 1 }, outputs: [{ ...bool(1), shape: [] }] },
  { op: 'TensorScatter', opset: 24, inputs: [of([2, 3, 1], 1, 2, 3, 4, 5, 6), of([2, 1, 1], 9, 8), i64(2, 0)], outputs: [of([2, 3, 1], 1, 2, 9, 8, 5, 6)] },
  { op: 'TensorScatter', opset: 24, inputs: [of([1, 3, 1], 1, 2, 3), of([1, 2, 1], 9, 8), i64(2)], attributes: { mode: 'circular' }, outputs: [of([1, 3, 1], 8, 2, 9)] },
  { op: 'StringNormalizer', opset: 10, inputs: [texts('Monday', 'Tuesday', 'mondaY')], attributes: { case_change_action: 'UPPER', stopwords: ['monday'] }, outputs: [texts('TUESDAY')] },
  { op: 'StringNormalizer', opset: 10, inputs: [texts('monday')], attributes: { case_change_action: 'LOWER', stopwords: ['monday'] }, outputs: [texts('')] },
  ...(['mean', 'sum'] as const).map((reduction): Line => ({
    op: 'NegativeLogLikelihoodLoss', inputs: [of([3, 2], -1, -2, -3, -4, -5, -6), i64(1, 0, 1), f32(2, 0.5)], attributes: { reduction, ignore_index: 7 },
    outputs: [scalar(reduction === 'sum' ? 1 + 6 + 3 : 10 / 3)],
  })),
  { op: 'NegativeLogLikelihoodLoss', inputs: [of([1, 2, 2], -1, -2, -3, -4), { ...i64(1, -1), shape: [1, 2] }], attributes: { reduction: 'none', ignore_index: -1 }, outputs: [of([1, 2], 3, 0)] },
  { op: 'SoftmaxCrossEntropyLoss', inputs: [of([1, 2], 0, 0), i64(1)], outputs: [scalar(Math.log(2)), of([1, 2], -Math.log(2), -Math.log(2))] },
  { op: training('Adagrad'), inputs: [scalar(0.5), { ...i64(1), shape: [] }, f32(1), f32(3), f32(16)], attributes: { decay_factor: { float: 1 }, epsilon: { float: 0 } }, outputs: [f32(1 - (0.25 * 3) / 5), f32(25)] },
  { op: training('Adam'), inputs: [scalar(0.5), { ...i64(0), shape: [] }, f32(1), f32(4), f32(2), f32(8)], attributes: { alpha: { float: 0.5 }, beta: { float: 0.5 }, epsilon: { float: 0 } }, outputs: [f32(1 - 1.5 / Math.sqrt(12)), f32(3), f32(12)] },
  ...['standard', 'nesterov'].map((mode): Line => ({
    op: training('Momentum'), inputs: [scalar(0.5), { ...i64(1), shape: [] }, f32(1, 2), f32(3, 4), f32(5, 6)], attributes: { alpha: { float: 0.5 }, beta: { float: 2 }, norm_coefficient: { float: 0 }, mode },
    outputs: [mode === 'standard' ? f32(1 - 4.25, 2 - 5.5) : f32(1 - 3.625, 2 - 4.75), f32(8.5, 11)],
  })),
]

describe('a rare node gives what its definition says', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  const nodeModel = ({ op, inputs, outputs, attributes, opset = 22 }: Line): Uint8Array => {
    const port = (tensor: TensorParts, name: string) => ({
      name,
      type: tensor.type ?? typeOfArray(tensor.data)!,
      shape: tensor.shape,
    })
    const parts: ModelParts = {
      opset,
      nodes: [
        {
          op,
          inputs: inputs.map((x, i) => (x ? `x${i}` : '')),
          outputs: outputs.map((y, i) => (y ? `y${i}` : '')),
          attributes,
        },
      ],
      inputs: inputs.flatMap((x, i) => (x ? [port(x, `x${i}`)] : [])),
      outputs: outputs.flatMap((y, i) => (y ? [port(y, `y${i}`)] : [])),
    }
    return writeModel(parts)
  }
  const feedsOf = ({ inputs }: Line) =>
    Object.fromEntries(
      inputs.flatMap((x, i) => (x ? [[`x${i}`, { data: x.data, shape: x.shape }] as const] : [])),
    )

  for (const [i, line] of lines.entries()) {
    it(`${i}: ${line.op} ${JSON.stringify(line.attributes ?? {})}`, async () => {
      using model = await loadModel(engine, nodeModel(line))
      // The second run records, the third replays.
      for (let round = 0; round < 3; round++) {
        const got = model.run(feedsOf(line))
        for (const [k, wanted] of line.outputs.entries()) {
          const y = got[`y${k}`]!
          expect(y.shape, `output ${k}, run ${round}`).toEqual(wanted!.shape)
          if (Array.isArray(wanted!.data)) expect(y.toArray()).toEqual(wanted!.data)
          else
            for (const [at, v] of Array.from(wanted!.data as Float32Array).entries())
              expect(Number(y.toArray()[at]), `output ${k}, run ${round}`).toBeCloseTo(v, 5)
        }
      }
    })
  }

  /** The transform of rows of complex numbers, as the definition has it. */
  function transformed(x: Float32Array, n: number, parts: number, sign: number): Float64Array {
    const y = new Float64Array((x.length / parts) * 2)
    for (let row = 0; row < x.length / parts / n; row++) {
      for (let k = 0; k < n; k++) {
        for (let i = 0; i < n; i++) {
          const angle = (sign * 2 * Math.PI * ((i * k) % n)) / n
          const [re, im] = [x[(row * n + i) * parts]!, parts === 2 ? x[(row * n + i) * 2 + 1]! : 0]
          y[(row * n + k) * 2]! += re * Math.cos(angle) - im * Math.sin(angle)
          y[(row * n + k) * 2 + 1]! += re * Math.sin(angle) + im * Math.cos(angle)
        }
      }
    }
    return y
  }

  const random = new Random(77)
  // 1 to primes, in one step, in two and in three: 256 places are one.
  for (const n of [1, 2, 3, 17, 256, 257, 600, 1009, 1024, 2187]) {
    it(`transforms ${n} numbers to float32's accuracy`, async () => {
      for (const parts of [1, 2]) {
        for (const inverse of [0, 1]) {
          const x = random.floats(2 * n * parts)
          const line: Line = {
            op: 'DFT',
            opset: 17,
            inputs: [of([2, n, parts], ...x)],
            outputs: [of([2, n, 2])],
            attributes: { inverse },
          }
          const wanted = transformed(x, n, parts, inverse ? 1 : -1).map((v) => v / (inverse ? n : 1))
          const largest = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
          using model = await loadModel(engine, nodeModel({ ...line, outputs: [of([2, n, 2], ...wanted)] }))
          for (let round = 0; round < 3; round++) {
            const y = model.run(feedsOf(line))['y0']!.toArray() as Float32Array
            const error = wanted.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i]!)), 0)
            // Products of up to 256 terms add up at most 4 units of the largest at a time.
            expect(error / largest, `${parts} parts, inverse ${inverse}`).toBeLessThan(3e-6)
          }
        }
      }
    })
  }

  it('transforms frames of a complex signal, as those of each by itself', async () => {
    const [x, window] = [random.floats(40 * 2), random.floats(12)]
    const line: Line = {
      op: 'STFT',
      opset: 17,
      inputs: [of([1, 40, 2], ...x), { ...i64(7), shape: [] }, of([12], ...window), { ...i64(12), shape: [] }],
      outputs: [of([1, 5, 12, 2], ...Array(120).fill(0))],
      attributes: { onesided: 0 },
    }
    const frames = [0, 1, 2, 3, 4].flatMap((frame) =>
      Array.from({ length: 24 }, (_, i) => x[frame * 14 + i]! * window[i >> 1]!),
    )
    const wanted = transformed(Float32Array.from(frames), 12, 2, -1)
    using model = await loadModel(engine, nodeModel(line))
    for (let round = 0; round < 3; round++) {
      const y = model.run(feedsOf(line))['y0']!
      expect(y.shape).toEqual([1, 5, 12, 2])
      wanted.forEach((v, i) => {
        expect(y.toArray()[i]).toBeCloseTo(v, 5)
      })
    }
  })

  it('draws other numbers in each run, and with a seed the same ones of each model', async () => {
    const shape = [2000]
    const draw = (op: string, attributes: NodeParts['attributes']): Line => ({
      op,
      inputs: /Like|Bernoulli/.test(op) ? [of(shape, ...Array(2000).fill(0.25))] : [],
      outputs: [of(shape, ...Array(2000).fill(0))],
      attributes: { ...(/Like|Bernoulli/.test(op) ? {} : { shape }), ...attributes },
    })
    const mean = (list: readonly number[]) => list.reduce((a, b) => a + b) / list.length
    const kinds = [
      ['RandomNormal', { mean: { float: 3 }, scale: { float: 2 } }, 3, 2],
      ['RandomNormalLike', {}, 0, 1],
      ['RandomUniform', { low: { float: -1 }, high: { float: 3 } }, 1, 4 / Math.sqrt(12)],
      ['RandomUniformLike', {}, 0.5, 1 / Math.sqrt(12)],
      ['Bernoulli', {}, 0.25, Math.sqrt(0.1875)],
    ] as const
    for (const [op, attributes, average, deviation] of kinds) {
      const runs = async (given: NodeParts['attributes']) => {
        const line = draw(op, given)
        using model = await loadModel(engine, nodeModel(line))
        return [1, 2, 3].map(() => [...(model.run(feedsOf(line))['y0']!.toArray() as Float32Array)])
      }
      const [first, second, third] = await runs(attributes)
      expect(first, op).not.toEqual(second)
      expect(second, op).not.toEqual(third)
      // Five standard errors: once in a million runs it is more.
      expect(Math.abs(mean(first!) - average), op).toBeLessThan((5 * deviation) / Math.sqrt(2000))
      const spread = Math.sqrt(mean(first!.map((v) => (v - average) ** 2)))
      expect(Math.abs(spread / deviation - 1), op).toBeLessThan(0.2)
      const seeded = { ...attributes, seed: { float: 1.5 } }
      expect(await runs(seeded), op).toEqual(await runs(seeded))
    }
    const sampled: Line = {
      op: 'Multinomial',
      inputs: [of([1, 3], Math.log(0.5), Number.NEGATIVE_INFINITY, Math.log(0.5))],
      outputs: [{ shape: [1, 2000], data: new Int32Array(2000) }],
      attributes: { sample_size: 2000 },
    }
    using model = await loadModel(engine, nodeModel(sampled))
    const classes = [...(model.run(feedsOf(sampled))['y0']!.toArray() as Int32Array)]
    expect(new Set(classes)).toEqual(new Set([0, 2]))
    expect(Math.abs(mean(classes) - 1)).toBeLessThan(5 / Math.sqrt(2000))
  })

  // ONNX Runtime 1.30 wants the buffers of past and present to be one, which the referee's models have no way to say.
  // Of images of other lengths it reads the scores at strides that they were not written at
  // (sparse_attention_base.h: by total_sequence_length there, by the image's own length here), so that all
  // but the first head of a shorter first image is wrong there.
  it.each([
    [0, 0],
    [20, 20],
    [20, 13],
  ])('lets blocks of queries see the blocks of keys of their row, after %i and %i', async (past, pastOfSecond) => {
    const before = [past, pastOfSecond]
    const random = new Random(past)
    const length = past ? 1 : 40
    const floats = (...shape: number[]) => of(shape, ...random.floats(shape.reduce((a, b) => a * b)))
    const rows = [[0], [0, 1], [1, 2], [0, 2, 3]]
    const layouts = [rows, rows.map((_, row) => Array.from({ length: row + 1 }, (_, i) => i))]
    const ends = layouts.flatMap((all) => [0, ...all.map((_, i) => all.slice(0, i + 1).flat().length)])
    const names = layouts.flatMap((all) => [...all.flat(), ...Array(10 - all.flat().length).fill(-1)])
    const [q, k, v] = [floats(2, length, 64), floats(2, length, 32), floats(2, length, 32)]
    const buffers = [floats(2, 2, 64, 16), floats(2, 2, 64, 16)]
    const total = past + length
    const heads = { num_heads: 4, kv_num_heads: 2 }
    const sparse: Line = {
      op: microsoft('SparseAttention'),
      inputs: [q, k, v, ...buffers, i32([2, 5], ...ends), i32([2, 10], ...names), i32([1], total), i32([2], total, pastOfSecond + length)],
      outputs: [q, ...buffers],
      attributes: { ...heads, sparse_block_size: 16 },
    }
    const pasts = buffers.map(({ data }) =>
      of([2, 2, past, 16], ...Array.from({ length: 4 }, (_, head) => [...(data as Float32Array).slice(head * 1024, head * 1024 + past * 16)]).flat()),
    )
    const bias = Array.from({ length: 2 * 4 * length * total }, (_, at) => {
      const [unit, i, j] = [Math.floor(at / (length * total)), Math.floor(at / total) % length, at % total]
      return layouts[unit % 2]![Math.floor((before[unit >> 2]! + i) / 16)]!.includes(Math.floor(j / 16)) ? 0 : Number.NEGATIVE_INFINITY
    })
    const dense: Line = {
      op: microsoft('GroupQueryAttention'),
      inputs: [q, k, v, ...pasts, i32([2], total - 1, pastOfSecond + length - 1), i32([], total), undefined, undefined, undefined, of([2, 4, length, total], ...bias)],
      outputs: [q, ...pasts],
      attributes: heads,
    }
    const run = async (line: Line) => {
      using model = await loadModel(engine, nodeModel(line))
      return [1, 2, 3].map(() => model.run(feedsOf(line))).at(-1)!
    }
    const [got, wanted] = [await run(sparse), await run(dense)]
    wanted['y0']!.toArray().forEach((value, i) => {
      expect(got['y0']!.toArray()[i]).toBeCloseTo(value as number, 5)
    })
    const present = got['y1']!.toArray() as Float32Array
    const keys = wanted['y1']!.toArray() as Float32Array
    for (let head = 0; head < 4; head++) {
      const own = (before[head >> 1]! + length) * 16
      expect(present.slice(head * 1024, head * 1024 + own)).toEqual(keys.slice(head * total * 16, head * total * 16 + own))
      expect(present.slice(head * 1024 + own, (head + 1) * 1024)).toEqual((buffers[0]!.data as Float32Array).slice(head * 1024 + own, (head + 1) * 1024))
    }
  })

  it('says what does not fit', async () => {
    const failing: [Line, RegExp][] = [
      [{ op: 'DFT', opset: 17, inputs: [of([2, 4, 3], ...Array(24).fill(0))], outputs: [of([1], 0)] }, /DFT.*\[\.\.\., 1 or 2\], got \[2, 4, 3\]/],
      [{ op: 'DFT', opset: 17, inputs: [of([2, 4, 2], ...Array(16).fill(0))], outputs: [of([1], 0)], attributes: { onesided: 1 } }, /onesided must be 0/],
      [{ op: 'STFT', opset: 17, inputs: [of([1, 8, 1], ...Array(8).fill(0)), { ...i64(0), shape: [] }, f32(1, 1)], outputs: [of([1], 0)] }, /frame_step must be at least 1, got 0/],
      [{ op: 'STFT', opset: 17, inputs: [of([1, 2, 1], 0, 0), { ...i64(1), shape: [] }, f32(1, 1, 1)], outputs: [of([1], 0)] }, /frame_length must be from 1 to 2, got 3/],
      [{ op: 'RegexFullMatch', opset: 20, inputs: [texts('a')], outputs: [bool(1)], attributes: { pattern: '(' } }, /a regular expression, got/],
      [{ op: 'StringConcat', opset: 20, inputs: [f32(1), texts('a')], outputs: [texts('a')] }, /input 0 must be texts, got float32/],
      [{ op: microsoft('Inverse'), inputs: [of([2, 2], 1, 2, 2, 4)], outputs: [of([2, 2], 0, 0, 0, 0)] }, /matrices that have an inverse, got matrix 0/],
      [{ op: microsoft('LinearAttention'), inputs: [of([1, 1, 2], 1, 2), of([1, 1, 2], 1, 2), of([1, 1, 2], 1, 2)], outputs: [of([1], 0), of([1], 0)], attributes: { q_num_heads: 1, kv_num_heads: 1, update_rule: 'linear', state_window: 2 } }, /state_window must be 0, got 2/],
      [{ op: microsoft('CausalConvWithState'), inputs: [of([1, 1, 2], 1, 2), of([1, 1, 2], 1, 2)], outputs: [of([1], 0), of([1], 0)], attributes: { dilation: 2 } }, /dilation must be 1, got 2/],
      [{ op: microsoft('MoE'), inputs: [of([1, 1], 1), of([1, 1], 1), of([1, 1, 1], 1), undefined, of([1, 1, 1], 1)], outputs: [of([1], 0)], attributes: { activation_type: 'sine' } }, /activation_type must be one of relu.*got "?sine/],
      [{ op: microsoft('Tokenizer'), inputs: [texts('a')], outputs: [texts('a')], attributes: { separators: ['('] } }, /separators must be a regular expression, got/],
      [{ op: microsoft('NGramHashMapping'), inputs: [{ ...i64(4), shape: [1, 1] }, i64(2 ** 53, 5), i64(7)], outputs: [i64(0)], attributes: { max_ngram_size: 2, n_head_per_ngram: 1, pad_id: 2 } }, /multipliers must be whole numbers below 2\^53/],
      [{ op: microsoft('WordConvEmbedding'), inputs: [{ shape: [1, 2], data: Int32Array.of(3, 0) }, of([1, 1, 2, 1], 1, 1), f32(0), of([2, 1], 1, 1)], outputs: [of([1], 0)] }, /Sequence must be numbers from 0 to 1, got 3/],
      [{ op: 'NegativeLogLikelihoodLoss', inputs: [of([1, 2], 0, 0), i64(2)], outputs: [scalar(0)] }, /classes from 0 to 1, got 2/],
      [{ op: microsoft('GatherBlockQuantized'), inputs: [{ ...u8(1, 2), shape: [1, 2] }, i64(3), of([1, 1], 1)], outputs: [of([1], 0)], attributes: { block_size: 16 } }, /indices must be from -1 to 0, got 3/],
    ]
    for (const [line, message] of failing) {
      using model = await loadModel(engine, nodeModel(line))
      expect(() => model.run(feedsOf(line)), line.op).toThrow(message)
    }
  })

  it('is not missing to inspectModel; what nobody has is', async () => {
    const inspect = async (op: string) =>
      (await inspectModel(nodeModel({ op, inputs: [f32(1)], outputs: [f32(1)] }))).unsupported
    for (const op of ['STFT', 'ai.onnx.ml.Scaler', microsoft('GatherBlockQuantized')])
      expect(await inspect(op)).toEqual([])
    for (const op of ['Wavelet', 'ai.onnx.ml.Oracle']) expect(await inspect(op)).toEqual([{ op, nodes: ['y0'] }])
  })
})

it('every rare operator is tried here or refereed', () => {
  const chance = ['RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike', 'Bernoulli', 'Multinomial']
  const tried = new Set([
    ...[...Object.values(families).flat(), ...lines].map(({ op }) => op),
    ...chance,
    microsoft('SparseAttention'),
  ])
  expect(Object.keys(module.operators).filter((op) => !tried.has(op) && !Object.hasOwn(channelsLast, op))).toEqual([])
})
