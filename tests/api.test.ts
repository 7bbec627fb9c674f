/** The public names of ops, with the options that each takes: a name or an option that goes breaks users. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as fb from '../src/index.js'
import { valueAndGradients } from '../src/nn/index.js'

const ops = { ...fb }

let engine: fb.Engine
beforeAll(async () => {
  engine = await fb.createEngine({ threads: 1 })
})
afterAll(() => engine.dispose())

const x = () => engine.tensor([0.5, -1.25, 2, 3, -0.75, 1.5], [2, 3])
const ints = () => engine.tensor([5, -3, 2, 7, 0, 1], [2, 3], { dtype: 'int32' })
const mask = () => engine.tensor([1, 0, 1, 0, 0, 1], [2, 3], { dtype: 'uint8' })

/** Of one tensor of float32, each with a derivative. */
const unary = [
  'abs',
  'neg',
  'exp',
  'log',
  'log1p',
  'expm1',
  'sqrt',
  'rsqrt',
  'square',
  'reciprocal',
  'sign',
  'floor',
  'ceil',
  'round',
  'sin',
  'cos',
  'erf',
] as const
const binary = ['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum', 'mod'] as const
const comparisons = ['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual'] as const
const logic = ['and', 'or', 'xor'] as const
const reductions = ['sum', 'mean', 'max', 'min', 'norm', 'prod', 'logSumExp', 'variance'] as const

const weightsOf = (gates: number) => ({
  inputWeight: engine.tensor(
    Float32Array.from({ length: 6 * gates }, (_, i) => (i + 1) / 8),
    [3, 2 * gates],
  ),
  stateWeight: engine.zeros([2, 2 * gates]),
})

/** What gives a tensor of float32 that has a derivative with respect to x [2, 3]. */
const derived: Record<string, (x: fb.Tensor) => fb.Tensor> = {
  ...Object.fromEntries(unary.map((name) => [name, (x: fb.Tensor) => ops[name](x)])),
  ...Object.fromEntries(
    binary.flatMap((name) => [
      [`${name}, two tensors`, (x: fb.Tensor) => (ops[name] as typeof fb.sub)(fb.abs(x), fb.add(x, 2))],
      [`${name}, a number behind`, (x: fb.Tensor) => (ops[name] as typeof fb.sub)(x, 2)],
      [`${name}, a number in front`, (x: fb.Tensor) => (ops[name] as typeof fb.sub)(2, x)],
    ]),
  ),
  ...Object.fromEntries(
    reductions.flatMap((name) => [
      [name, (x: fb.Tensor) => ops[name](x)],
      [`${name}, axes, keepDims`, (x: fb.Tensor) => ops[name](x, { axes: [-1], keepDims: true })],
    ]),
  ),
  'where, a tensor and a number': (x) => fb.where(mask(), x, 0),
  'where, a number and a tensor': (x) => fb.where(mask(), 0, x),
  cumsum: (x) => fb.cumsum(x, { axis: 0, exclusive: false, reverse: true }),
  rnn: (x) => fb.rnn(x.reshape([1, 2, 3]), { ...weightsOf(1), activation: 'relu' }).output,
  lstm: (x) => fb.lstm(x.reshape([1, 2, 3]), { ...weightsOf(4), lengths: [1] }).cell,
  gru: (x) => fb.gru(x.reshape([2, 1, 3]), { ...weightsOf(3), reverse: true }).state,
  'topK, values': (x) => fb.topK(x, { k: 2, axis: -1 }).values,
  scatter: (x) => fb.scatter(x, [1], engine.zeros([1, 3])),
  'scatter, added': (x) => fb.scatter(engine.zeros([4, 3]), [3, 3], x, { axis: 0, reduction: 'add' }),
  gather: (x) => fb.gather(x, [2, 0], { axis: 1 }),
  gatherND: (x) => fb.gatherND(x, engine.tensor([0, -1], [2, 1], { dtype: 'int32' })),
  scatterND: (x) =>
    fb.scatterND(x, engine.tensor([0], [1, 1], { dtype: 'int32' }), engine.zeros([1, ...x.shape.slice(1)])),
  gatherElements: (x) =>
    fb.gatherElements(x, engine.tensor([1, 2], [2, 1], { dtype: 'int32' }), { axis: -1 }),
  scatterElements: (x) =>
    fb.scatterElements(x, engine.tensor([1, 2], [2, 1], { dtype: 'int32' }), engine.zeros([2, 1]), {
      axis: 1,
      reduction: 'none',
    }),
  flip: (x) => fb.flip(x, { axes: [0, 1] }),
  tile: (x) => fb.tile(x, [2, 1]),
  stack: (x) => fb.stack([x, x], { axis: 1 }),
  'split, sizes': (x) => fb.split(x, { axis: 1, sizes: [1, 2] })[1]!,
  'split, parts': (x) => fb.split(x, { axis: 0, parts: 2 })[0]!,
  attention: (x) =>
    fb.attention(x.reshape([1, 1, 2, 3]), x.reshape([1, 1, 2, 3]), x.reshape([1, 1, 2, 3]), {
      causal: true,
      scale: 1,
      softcap: 2,
    }),
  gridSample: (x) =>
    fb.gridSample(x.reshape([1, 2, 3, 1]), engine.tensor([0.1, 0.2], [1, 1, 1, 2]), {
      method: 'bilinear',
      padding: 'border',
      alignCorners: true,
    }),
}

describe('public names', () => {
  it.each(Object.entries(derived))('%s has a derivative', (_, op) => {
    engine.scope(() => {
      const input = x()
      const { gradients } = valueAndGradients(() => fb.sum(op(input)), [input])
      expect(op(input).dtype).toBe('float32')
      expect(gradients[0]!.shape).toEqual(input.shape)
    })
  })

  it.each(comparisons)('%s gives bytes, of every type, one operand being a number or not', (name) => {
    engine.scope(() => {
      for (const y of [ops[name](x(), x()), ops[name](ints(), 3), ops[name](1, mask())])
        expect([y.dtype, y.shape]).toEqual(['uint8', [2, 3]])
    })
  })

  it.each(logic)('%s is of masks', (name) => {
    engine.scope(() => {
      const y = ops[name](mask(), fb.not(mask()))
      expect([y.dtype, [...y.toArray()]]).toEqual(['uint8', Array(6).fill(Number(name !== 'and'))])
    })
  })

  it('cast, tensors of a type, indices', () => {
    engine.scope(() => {
      expect(
        engine.zeros([1], { dtype: 'int8', quantization: { scale: 0.5, zeroPoint: 3 } }).quantization,
      ).toEqual({
        scale: 0.5,
        zeroPoint: 3,
      })
      expect(engine.tensor([1], [1]).dtype).toBe('float32')
      expect([...fb.cast(x(), 'int32').toArray()]).toEqual([0, -1, 2, 3, 0, 1])
      const { values, indices } = fb.topK(ints(), { k: 1 })
      expect([values.dtype, [...values.toArray()], indices.dtype, [...indices.toArray()]]).toEqual([
        'int32',
        [5, 7],
        'int32',
        [0, 0],
      ])
      expect(fb.argmax(x(), { axis: -1, dtype: 'int32' }).dtype).toBe('int32')
      expect(fb.oneHot(fb.abs(ints()), { depth: 8 }).shape).toEqual([2, 3, 8])
      expect(fb.oneHot([1, 0], { depth: 2, engine }).shape).toEqual([2, 2])
    })
  })
})
