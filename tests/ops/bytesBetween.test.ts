/** What stands between convolutions of 8-bit integers, against the same of the numbers that they stand for. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as fb from '../../src/index.js'
import { Random } from '../support/random.js'

let engine: fb.Engine
beforeAll(async () => {
  engine = await fb.createEngine({ threads: 1 })
})
afterAll(() => engine.dispose())

const types = ['int8', 'uint8'] as const
const zeros = { int8: -7, uint8: 93 }

function bytes<D extends fb.ByteType>(random: Random, shape: number[], dtype: D, scale: number) {
  const x = engine.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.next() * 12 - 6),
    shape,
  )
  return fb.quantize(x, { scale, zeroPoint: zeros[dtype], dtype })
}

/** The largest difference between integers, in levels. */
function levels(y: fb.AnyTensor, numbers: fb.Tensor): number {
  const { scale, zeroPoint } = y.quantization as { scale: number; zeroPoint: number }
  const wanted = fb.quantize(numbers, { scale, zeroPoint, dtype: y.dtype as fb.ByteType }).toArray()
  const given = Array.from(y.toArray())
  return given.reduce((most, v, i) => Math.max(most, Math.abs(v - wanted[i]!)), 0)
}

const quantization = { scale: 0.07, zeroPoint: 12 }
const after = { relu: fb.relu, tanh: fb.tanh } as const

describe.each(types)('between convolutions of %s', (dtype) => {
  const random = new Random(5)
  const x = () => bytes(random, [2, 9, 7, random.pick([3, 16, 21, 40])], dtype, 0.043)

  it('functions are those of the numbers', () => {
    const functions = [
      fb.relu,
      fb.relu6,
      fb.sigmoid,
      fb.tanh,
      fb.silu,
      fb.hardSwish,
      fb.gelu,
      (v: fb.Tensor, options?: object) => fb.leakyRelu(v, { alpha: 0.2, ...options }),
      (v: fb.Tensor, options?: object) => fb.clamp(v, { low: -1, high: 2.5, ...options }),
    ] as unknown as ((v: fb.AnyTensor, options?: object) => fb.AnyTensor)[]
    for (const f of functions)
      for (const options of [{}, { quantization }]) {
        const v = x()
        const y = f(v, options)
        expect(y.dtype).toBe(dtype)
        expect(levels(y, f(fb.dequantize(v)) as fb.Tensor), `${f}`).toBe(0)
      }
  })

  it('sums, products and the like broadcast and clamp', () => {
    for (const [p, q] of [
      [
        [2, 5, 6, 20],
        [2, 5, 6, 20],
      ],
      [
        [2, 5, 6, 20],
        [2, 1, 1, 20],
      ],
      [[2, 5, 6, 3], [1]],
      [
        [5, 1, 4],
        [3, 1],
      ],
      [
        [2, 1, 3, 1, 9],
        [1, 4, 1, 5, 1],
      ],
    ] as const)
      for (const activation of [undefined, 'relu', 'tanh'] as const) {
        const [a, b] = [bytes(random, [...p], dtype, 0.05), bytes(random, [...q], dtype, 0.03)]
        for (const op of [fb.add, fb.mul, fb.sub, fb.div]) {
          const options = { quantization, ...(activation && { activation }) }
          const y = op(a, b, options)
          const floats = op(fb.dequantize(a), fb.dequantize(b), activation ? { activation } : {})
          expect(y.quantization).toEqual(quantization)
          expect(levels(y, floats)).toBeLessThanOrEqual(op === fb.add || op === fb.mul ? 1 : 0)
        }
        for (const op of [fb.maximum, fb.minimum]) {
          const options = { quantization, ...(activation && { activation }) }
          const floats = op(fb.dequantize(a), fb.dequantize(b))
          const wanted = activation === undefined ? floats : after[activation](floats)
          expect(levels(op(a, b, options), wanted)).toBe(0)
        }
      }
  })

  it('pools are those of the numbers', () => {
    for (const options of [
      { size: 2 },
      { size: 3, stride: 1, padding: 1 },
      { size: [3, 2], stride: 2, ceilMode: true },
    ] as fb.MaxPool2dOptions[])
      for (const given of [{}, { quantization }]) {
        const v = x()
        const numbers = fb.dequantize(v)
        expect(levels(fb.maxPool2d(v, { ...options, ...given }), fb.maxPool2d(numbers, options))).toBe(0)
        for (const countIncludePad of [false, true]) {
          const more = { ...options, countIncludePad } as fb.AvgPool2dOptions
          expect(
            levels(fb.avgPool2d(v, { ...more, ...given }), fb.avgPool2d(numbers, more)),
          ).toBeLessThanOrEqual(1)
        }
        expect(levels(fb.globalAvgPool2d(v, given), fb.globalAvgPool2d(numbers))).toBeLessThanOrEqual(1)
        expect(levels(fb.globalMaxPool2d(v, given), fb.globalMaxPool2d(numbers))).toBe(0)
      }
  })

  it('says what does not fit', () => {
    const v = x()
    const other = dtype === 'int8' ? 'uint8' : 'int8'
    const one = (scale: unknown, zeroPoint: unknown = 0) => ({ quantization: { scale, zeroPoint } as never })
    for (const scale of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => fb.relu(v, one(scale))).toThrow(/relu.*quantization.scale/s)
    for (const zero of [-129, 256, 0.5, Number.NaN])
      expect(() => fb.add(v, v, one(1, zero))).toThrow(/zeroPoint/)
    expect(() => fb.add(v, v, {} as never)).toThrow(/add.*quantization/s)
    expect(() => fb.add(v, bytes(random, [...v.shape], other, 1) as never, { quantization })).toThrow(
      /of u?int8/,
    )
    expect(() => fb.mul(v, fb.dequantize(v) as never, { quantization })).toThrow(/of int8 or uint8/)
    expect(() => fb.maxPool2d(fb.dequantize(v), { size: 2, quantization })).toThrow(/left out/)
    expect(() => fb.sigmoid(fb.dequantize(v), { quantization })).toThrow(/left out/)
    const scale = Array(v.shape[3]).fill(1)
    const along = fb.quantize(fb.dequantize(v), { scale, axis: -1, dtype })
    expect(() => fb.relu(along)).toThrow(/one scale/)
    expect(() => fb.maxPool2d(along, { size: 2 })).toThrow(/one scale/)
  })
})
