/** `softmax` and `resize` of 8-bit integers, against the same of the numbers that they stand for. */
import { describe, expect, it } from 'vitest'
import * as fb from '../../src/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'
import { resize as referenceResize } from '../support/resize.js'

const ranges = { int8: [-128, 127], uint8: [0, 255] } as const

/** Random bytes, as plain numbers. */
function integers(random: Random, shape: readonly number[], dtype: fb.ByteType, least = 0): number[] {
  const [low, high] = ranges[dtype]
  return Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.integer(low + least, high))
}

const zeroOf = (random: Random, dtype: fb.ByteType) => random.integer(ranges[dtype][0], ranges[dtype][1])

/** What `numbers` are as bytes, before they are rounded. */
const exactly = (
  numbers: ArrayLike<number>,
  { scale, zeroPoint }: fb.ResultQuantization,
  dtype: fb.ByteType,
) =>
  Array.from(numbers, (v) => {
    const [low, high] = ranges[dtype]
    return Math.min(high, Math.max(low, v / Math.fround(scale) + zeroPoint))
  })

/** The furthest that bytes are from numbers, in levels. */
const furthest = (bytes: ArrayLike<number>, numbers: ArrayLike<number>): number =>
  Array.from(bytes).reduce((most, v, i) => Math.max(most, Math.abs(v - numbers[i]!)), 0)

describe('8-bit integers', () => {
  inEveryBuild((engine) => {
    it('softmax is that of the numbers, within two thirds of a level', () => {
      const random = new Random(31)
      for (let problem = 0; problem < 300; problem++) {
        const dtype = random.pick(['int8', 'uint8'] as const)
        const n = random.pick([1, 2, 7, 10, 15, 16, 17, 33, 64, 100, 1000])
        const [shape, axis] = random.pick([
          [[3, n], 1],
          [[35, n], 1],
          [[11, n, 5], 1],
          [[2, n, 3], 1],
          [[n, 21], 0],
          [[2, n, 16], 1],
        ] as [number[], number][])
        const [low] = ranges[dtype]
        const scale = random.pick([0.001, 0.02, 0.11, 0.25, 0.3, 1, 40])
        const options = random.pick([
          {},
          { quantization: { scale: 1 / 100, zeroPoint: low + 20 } },
          { quantization: { scale: 1 / 4000, zeroPoint: low, dtype } },
        ]) as fb.SoftmaxOptions
        // Many of one value too, where each error counts as often.
        const least = random.pick([0, 0, 255 - random.integer(0, 40)])
        const data = integers(random, shape, dtype, least)
        data[random.integer(0, data.length - 1)] = ranges[dtype][1]
        const zeroPoint = zeroOf(random, dtype)
        engine().scope(() => {
          const x = engine().tensor(data, shape, { dtype, quantization: { scale, zeroPoint } })
          const y = fb.softmax(x, { axis, ...options })
          const { scale: to, zeroPoint: zero } = y.quantization as fb.ResultQuantization
          if (!options.quantization) expect([to, zero]).toEqual([1 / 256, low])
          const numbers = {
            shape,
            data: Float64Array.from(data, (q) => (q - zeroPoint) * Math.fround(scale)) as never,
          }
          const wanted = exactly(
            reference.softmax(numbers, axis, false).data,
            { scale: to, zeroPoint: zero },
            dtype,
          )
          expect(y.dtype).toBe(dtype)
          expect(
            furthest(y.toArray(), wanted),
            `problem ${problem}: [${shape}] ${axis} ${scale}`,
          ).toBeLessThan(2 / 3)
        })
      }
    })

    it('softmax writes into out, which may be x, and over many units', () => {
      const random = new Random(32)
      for (const shape of [
        [1100, 37],
        [700, 12],
        [2, 70, 900],
        [150, 40, 3],
      ])
        for (const scale of [0.1, 0.4])
          engine().scope(() => {
            const quantization = { scale, zeroPoint: 7 }
            const x = engine().tensor(integers(random, shape, 'int8'), shape, { dtype: 'int8', quantization })
            for (const axis of [0, 1]) {
              const y = fb.softmax(x, { axis, quantization })
              const own = fb.slice(x, {})
              expect(fb.softmax(own, { axis, quantization, out: own })).toBe(own)
              const want = y.toArray()
              expect(own.toArray().findIndex((v, i) => v !== want[i])).toBe(-1)
            }
          })
    })

    it('resize is that of the numbers, within half a level', () => {
      const random = new Random(33)
      for (let problem = 0; problem < 120; problem++) {
        const dtype = random.pick(['int8', 'uint8'] as const)
        const shape = [
          random.integer(1, 2),
          random.integer(1, 12),
          random.integer(1, 12),
          random.pick([1, 2, 3, 4, 8, 11, 16, 21, 40]),
        ] as [number, number, number, number]
        const times = random.pick([0, 0.25, 0.5, 2, 4, 8, 16])
        const size = [1, 2].map((i) =>
          times ? Math.max(1, Math.round(shape[i]! * times)) : random.integer(1, 25),
        ) as [number, number]
        const settings: fb.ResizeOptions = {
          size,
          method: random.pick(['nearest', 'bilinear', 'bicubic']),
          coordinates: random.pick(['half_pixel', 'align_corners', 'asymmetric', 'tf_half_pixel_for_nn']),
          nearestMode: random.pick(['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil']),
          antialias: random.next() < 0.4,
          excludeOutside: random.next() < 0.4,
        }
        const from = { scale: 0.05, zeroPoint: zeroOf(random, dtype) }
        const quantization = random.pick([undefined, { scale: 0.08, zeroPoint: zeroOf(random, dtype) }])
        const data = integers(random, shape, dtype)
        engine().scope(() => {
          const x = engine().tensor(data, shape, { dtype, quantization: from })
          const y = fb.resize(x, { ...settings, ...(quantization && { quantization }) })
          const to = quantization ?? from
          expect(y.quantization).toEqual(to)
          const numbers = { shape, data: Float64Array.from(data, (q) => q - from.zeroPoint) as never }
          const ratio = Math.fround(from.scale) / Math.fround(to.scale)
          const means = Array.from(referenceResize(numbers, settings).data, (v) => v * ratio)
          const wanted = exactly(means, { scale: 1, zeroPoint: to.zeroPoint }, dtype)
          const about = `problem ${problem}: [${shape}] ${JSON.stringify(settings)}`
          // The weights and sums of float32 are off by that much of 255 levels.
          expect(furthest(y.toArray(), wanted), about).toBeLessThan(0.5 + 2 ** -12)
        })
      }
    })

    it('resize rounds halves to the even number of steps, in 16 bits and in floats', () => {
      engine().scope(() => {
        // The mean of two neighbours, by half sizes and by a scale that needs floats.
        for (const zeroPoint of [0, 1, 128])
          for (const c of [1, 20]) {
            const data = Array.from({ length: 256 * c }, (_, i) => (Math.floor(i / c) * 89) % 256)
            const x = engine().tensor(data, [1, 1, 256, c], {
              dtype: 'uint8',
              quantization: { scale: 0.5, zeroPoint },
            })
            const even = (v: number) => {
              const near = Math.round(v)
              return near - v === 0.5 && near % 2 ? near - 1 : near
            }
            const wanted = Array.from({ length: 128 }, (_, o) => {
              const [a, b] = [data[2 * o * c]!, data[(2 * o + 1) * c]!]
              return even((a + b) / 2 - zeroPoint) + zeroPoint
            })
            const halved = fb.resize(x, { size: [1, 128] }).toArray()
            // The same, but that no 16th is what the rows weigh.
            const tall = fb.resize(x, { size: [11, 128], method: 'bilinear' }).toArray()
            expect(Array.from({ length: 128 }, (_, o) => halved[o * c])).toEqual(wanted)
            expect(Array.from({ length: 128 }, (_, o) => tall[o * c])).toEqual(wanted)
            const floats = fb.dequantize(x)
            const same = fb.quantize(fb.resize(floats, { size: [1, 128] }), { scale: 0.5, zeroPoint })
            expect(halved).toEqual(same.toArray())
          }
      })
    })

    it('resize of bytes that stand for themselves leaves them so, regions show what is asked for outside', () => {
      engine().scope(() => {
        const x = engine().tensor([10, 20, 30, 40], [1, 2, 2, 1], { dtype: 'uint8' })
        expect(fb.resize(x, { size: 4, method: 'nearest' }).quantization).toBeUndefined()
        const options = { coordinates: 'tf_crop_and_resize', region: [0, 0, 2, 2], size: 3 } as const
        for (const method of ['nearest', 'bilinear'] as const) {
          const y = fb.resize(x, { ...options, method, extrapolation: 7 })
          expect(Array.from(y.toArray())).toEqual(
            [10, 7, 7, 7, 7, 7, 7, 7, 7].with(1, 20).with(3, 30).with(4, 40),
          )
        }
      })
    })

    it('says what does not fit', () => {
      const bytes = (quantization?: fb.Quantization) =>
        engine().tensor([1, 2, 3, 4], [1, 2, 2, 1], { dtype: 'int8', ...(quantization && { quantization }) })
      const floats = engine().tensor([1, 2, 3, 4], [1, 2, 2, 1])
      const x = bytes({ scale: 1, zeroPoint: 0 })
      const along = bytes({ scale: [1], zeroPoint: [0], axis: 3 })
      const plain = bytes()
      for (const [op, ofBytes, options] of [
        ['softmax', fb.softmax, {}],
        ['resize', fb.resize, { size: 3 }],
      ] as const) {
        const run =
          (tensor: fb.AnyTensor, more = {}) =>
          () =>
            (ofBytes as (x: never, options: never) => unknown)(
              tensor as never,
              { ...options, ...more } as never,
            )
        const one = (scale: number, zeroPoint: number, dtype?: string) => ({
          quantization: { scale, zeroPoint, ...(dtype && { dtype }) },
        })
        expectComplaint(engine(), run(x, one(0, 0)), op, 'quantization.scale')
        expectComplaint(engine(), run(x, one(Number.NaN, 0)), op, 'quantization.scale')
        expectComplaint(engine(), run(x, one(1, 200)), op, 'quantization.zeroPoint')
        expectComplaint(engine(), run(x, one(1, 0, 'uint8')), op, 'quantization.dtype', 'int8')
        expectComplaint(engine(), run(along), op, 'one scale')
        expectComplaint(engine(), run(floats, one(1, 0)), op, 'left out')
      }
      expectComplaint(engine(), () => fb.logSoftmax(x as never), 'logSoftmax', 'dequantize(x)')
      expectComplaint(engine(), () => fb.logSoftmax(plain as never), 'logSoftmax', 'cast(x, dtype)')
      expectComplaint(engine(), () => fb.softmax(x, { out: plain }), 'softmax', 'quantization')
      expectComplaint(engine(), () => fb.softmax(plain), 'softmax: x must be of a quantization')
      for (const tensor of [floats, x, along, plain]) tensor.dispose()
    })
  })
})
