/** 8-bit integers: ops on them against plain loops over integers, on every path, and what is refused. */
import { describe, expect, it } from 'vitest'
import * as fb from '../../src/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import {
  elements,
  inEveryWay,
  product,
  randomBytes,
  randomOutput,
  randomProblem,
  TYPES,
  tensorOf,
} from '../support/randomBytes.js'
import { type Bytes, factorOf, quantized, RANGES, requantized, sumsOf } from '../support/referenceBytes.js'

describe('8-bit integers', () => {
  inEveryBuild((engine) => {
    const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)

    it('quantize and dequantize as defined: ties to even, saturated, along any axis', () => {
      const random = new Random(20261201)
      engine().scope(() => {
        const ties = engine().tensor([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 1e9, -1e9, Number.NaN], [9])
        expect([...fb.quantize(ties, { scale: 1, zeroPoint: 3, dtype: 'int8' }).toArray()]).toEqual([
          3, 5, 5, 3, 1, 1, 127, -128, -128,
        ])
        expect(fb.quantize(ties, { scale: 1 }).dtype).toBe('uint8')
        for (let problem = 0; problem < 60; problem++) {
          const shape = [
            random.integer(1, 3),
            random.integer(1, 5),
            random.integer(1, 40),
            random.integer(1, 9),
          ]
          const axis = random.pick([undefined, 0, 1, 2, 3, -1])
          const dtype = random.pick(TYPES)
          const count = axis === undefined ? 1 : shape.at(axis)!
          const scales = Array.from({ length: count }, () => 0.01 + random.next())
          const zeros = elements(random, dtype, count)
          const terms =
            axis === undefined
              ? { scale: scales[0]!, zeroPoint: zeros[0]! }
              : { scale: scales, zeroPoint: zeros, axis }
          const data = random.floats(product(shape), -90, 90)
          const q = fb.quantize(engine().tensor(data, shape), { ...terms, dtype })
          const inner = axis === undefined ? data.length : product(shape.slice((axis + 4) % 4)) / count
          const index = (i: number) => Math.floor(i / inner) % count
          expect([...q.toArray()]).toEqual(
            Array.from(data, (v, i) => quantized(v, scales[index(i)]!, zeros[index(i)]!, dtype)),
          )
          expect(fb.dequantize(q).toArray()).toEqual(
            Float32Array.from(q.toArray(), (v, i) =>
              Math.fround((v - zeros[index(i)]!) * Math.fround(scales[index(i)]!)),
            ),
          )
        }
        const plain = engine().tensor([0, 255], [2], { dtype: 'uint8' })
        expect([...fb.dequantize(plain).toArray()]).toEqual([0, 255])
      })
    })

    it('conv2d by every algorithm that fits is the sums of integers, to the byte', () => {
      const random = new Random(20261202)
      const ran = new Map<string, number>()
      for (let problem = 0; problem < 120; problem++) {
        const { x, w, bias, geometry } = randomProblem(random)
        const y = randomOutput(random, product(w.shape) / w.shape.at(-1)!)
        const sums = sumsOf(x, w, bias, geometry)
        const want = requantized(
          sums.data,
          (o) => factorOf(x, w, o, y.quantization.scale),
          w.shape.at(-1)!,
          y,
        )
        const plan = { ...geometry, dtype: x.dtype }
        engine().scope(() => {
          for (const algorithm of fb.planConv2d(x.shape, w.shape, plan).fits) {
            inEveryWay(engine(), () => {
              ran.set(algorithm, (ran.get(algorithm) ?? 0) + 1)
              const result = fb.conv2d(tensorOf(engine(), x), tensorOf(engine(), w), {
                ...geometry,
                algorithm,
                bias: bias && engine().tensor(bias, [bias.length], { dtype: 'int32' }),
                quantization: { ...y.quantization, dtype: y.dtype },
              })
              const about = `problem ${problem}, ${algorithm}: x [${x.shape}] filter [${w.shape}] ${JSON.stringify(geometry)}`
              expect([result.shape, result.dtype, result.quantization], about).toEqual([
                sums.shape,
                y.dtype,
                y.quantization,
              ])
              expect([...result.toArray()], about).toEqual(want)
            })
          }
        })
      }
      for (const name of ['depthwise', 'winograd', 'grouped', 'gemm', 'igemm'])
        expect(ran.get(name) ?? 0, name).toBeGreaterThan(5)
    })

    it('fuse bias of either type, clamps and other activations, and give float32 without a quantization', () => {
      const random = new Random(20261203)
      for (let problem = 0; problem < 30; problem++) {
        const { x, w, geometry } = randomProblem(random)
        const y = randomOutput(random, product(w.shape) / w.shape.at(-1)!)
        const channels = w.shape.at(-1)!
        const floats = random.floats(channels, -3, 3)
        engine().scope(() => {
          const [a, b] = [tensorOf(engine(), x), tensorOf(engine(), w)]
          const bias = engine().tensor(floats, [channels])
          // A float32 bias is one in units of the sums, rounded.
          const inSums = Array.from(floats, (v, o) => quantizedSum(v / factorOf(x, w, o)))
          const sums = sumsOf(x, w, inSums, geometry).data
          const clamp = [-0.7, 1.9] as const
          const { scale, zeroPoint } = y.quantization
          const bounds = clamp.map((v) => quantized(v, scale, zeroPoint, y.dtype))
          const quantization = { ...y.quantization, dtype: y.dtype }
          expect([
            ...fb.conv2d(a, b, { ...geometry, bias, activation: clamp, quantization }).toArray(),
          ]).toEqual(requantized(sums, (o) => factorOf(x, w, o, scale), channels, y, bounds[0], bounds[1]))
          const plain = sumsOf(x, w, undefined, geometry).data
          const numbers = Float32Array.from(plain, (sum, i) => {
            const v = Math.fround(Math.fround(sum) * factorOf(x, w, i % channels))
            return Math.min(6, Math.max(0, Math.fround(v + floats[i % channels]!)))
          })
          const float = fb.conv2d(a, b, { ...geometry, bias, activation: 'relu6' })
          expect(float.toArray()).toEqual(numbers)
          const tanh = fb.conv2d(a, b, { ...geometry, bias, activation: 'tanh', quantization })
          expect(tanh.toArray()).toEqual(
            fb.quantize(fb.conv2d(a, b, { ...geometry, bias, activation: 'tanh' }), quantization).toArray(),
          )
        })
      }
      function quantizedSum(v: number) {
        const near = Math.round(Math.fround(v))
        return near - Math.fround(v) === 0.5 && near % 2 !== 0 ? near - 1 : near
      }
    })

    it('largest sums of either sign are exact, by Winograd where it is and by definition else', () => {
      const random = new Random(20261204)
      for (const channels of [8, 130, 600])
        for (const pick of [() => 1, () => 0, () => random.integer(0, 1)])
          for (const [xType, wType] of [
            ['uint8', 'int8'],
            ['int8', 'uint8'],
          ] as const) {
            const many = (length: number, dtype: Bytes['dtype'], choose: () => number) =>
              Array.from({ length }, () => RANGES[dtype][choose()]!)
            const x: Bytes = {
              shape: [1, 5, 6, channels],
              dtype: xType,
              data: many(30 * channels, xType, () => 1),
              quantization: { scale: 1, zeroPoint: RANGES[xType][0] },
            }
            const w: Bytes = {
              shape: [3, 3, channels, 9],
              dtype: wType,
              data: many(81 * channels, wType, pick),
              quantization: { scale: 1, zeroPoint: wType === 'int8' ? 0 : 128 },
            }
            const geometry = { stride: 1, dilation: 1, padding: 1, groups: 1 }
            const y = { dtype: 'int8' as const, quantization: { scale: 300 * channels * 9, zeroPoint: 3 } }
            const want = requantized(
              sumsOf(x, w, undefined, geometry).data,
              (o) => factorOf(x, w, o, y.quantization.scale),
              9,
              y,
            )
            engine().scope(() => {
              for (const algorithm of ['winograd', 'igemm'] as const)
                expect([
                  ...fb
                    .conv2d(tensorOf(engine(), x), tensorOf(engine(), w), {
                      padding: 1,
                      algorithm,
                      quantization: { ...y.quantization, dtype: y.dtype },
                    })
                    .toArray(),
                ]).toEqual(want)
            })
          }
    })

    it('filters whose zero point is off the middle are exact up to their largest numbers', () => {
      const random = new Random(20261205)
      for (const wZero of [28, 30, 128, 200, 255])
        for (const channels of [3, 24]) {
          const taps = 9 * channels
          // Whole patches of the largest numbers of either sign, which the filter's transform makes larger.
          const pick = random.pick([() => 0, () => 255, () => random.pick([0, 255])])
          const x: Bytes = {
            shape: [1, 9, 11, channels],
            dtype: 'uint8',
            data: Array.from({ length: 99 * channels }, () => random.integer(0, 255)),
            quantization: { scale: 1, zeroPoint: random.integer(0, 255) },
          }
          const w: Bytes = {
            shape: [3, 3, channels, 10],
            dtype: 'uint8',
            data: Array.from({ length: taps * 10 }, pick),
            quantization: { scale: 1, zeroPoint: wZero },
          }
          const sums = sumsOf(x, w, undefined, { stride: 1, dilation: 1, padding: 1, groups: 1 })
          engine().scope(() => {
            for (const algorithm of ['winograd', 'igemm'] as const) {
              const about = `zero point ${wZero}, ${channels} channels, ${algorithm}`
              const [a, b] = [tensorOf(engine(), x), tensorOf(engine(), w)]
              const quantization = { scale: taps * 255, zeroPoint: 128, dtype: 'uint8' } as const
              expect([...fb.conv2d(a, b, { padding: 1, algorithm, quantization }).toArray()], about).toEqual(
                requantized(sums.data, () => factorOf(x, w, 0, taps * 255), 10, {
                  dtype: 'uint8',
                  quantization,
                }),
              )
            }
          })
        }
    })

    it('hosts that take both operands as signed get other words, and the same sums', () => {
      // Bytes of 0 to 127 mean the same on every host: x is chosen so that its words are such.
      const { byteDot } = engine()
      if (byteDot === 'none') return
      const random = new Random(20261206)
      for (let problem = 0; problem < 60; problem++) {
        const { x, w, bias, geometry } = randomProblem(random)
        const data = Array.from(x.data, () => random.integer(0, 127) + (x.dtype === 'uint8' ? 128 : 0))
        const zeroPoint = random.integer(0, 127) + (x.dtype === 'uint8' ? 128 : 0)
        const own = { ...x, data, quantization: { ...x.quantization, zeroPoint } }
        const y = randomOutput(random, product(w.shape) / w.shape.at(-1)!)
        const sums = sumsOf(own, w, bias, geometry).data
        const want = requantized(sums, (o) => factorOf(own, w, o, y.quantization.scale), w.shape.at(-1)!, y)
        Object.assign(engine(), { byteDot: 'signed' })
        try {
          engine().scope(() => {
            const isDepthwise = x.shape[3] === geometry.groups && w.shape[3] === geometry.groups
            for (const algorithm of isDepthwise ? (['igemm', 'depthwise'] as const) : (['igemm'] as const)) {
              const result = fb.conv2d(tensorOf(engine(), own), tensorOf(engine(), w), {
                ...geometry,
                algorithm,
                bias: bias && engine().tensor(bias, [bias.length], { dtype: 'int32' }),
                quantization: { ...y.quantization, dtype: y.dtype },
              })
              expect([...result.toArray()], `problem ${problem}, ${algorithm}`).toEqual(want)
            }
          })
        } finally {
          Object.assign(engine(), { byteDot })
        }
      }
    })

    it('convTranspose2d, linear and matmul', () => {
      const random = new Random(20261205)
      for (let problem = 0; problem < 30; problem++) {
        engine().scope(() => {
          const [depth, rows] = [random.integer(1, 30), random.integer(1, 14)]
          const columns = random.integer(1, random.pick([5, 20]))
          const x = randomBytes(random, [2, rows, depth])
          const w = randomBytes(random, [depth, columns], true)
          const y = randomOutput(random, depth)
          const quantization = { ...y.quantization, dtype: y.dtype }
          const asImage = (m: Bytes, shape: number[]): Bytes => ({ ...m, shape })
          const geometry = { stride: 1, dilation: 1, padding: 0, groups: 1 }
          const sums = sumsOf(
            asImage(x, [1, 1, 2 * rows, depth]),
            asImage(w, [1, 1, depth, columns]),
            undefined,
            geometry,
          )
          const want = requantized(sums.data, (o) => factorOf(x, w, o, y.quantization.scale), columns, y)
          const [a, b] = [tensorOf(engine(), x), tensorOf(engine(), w)]
          expect([...fb.linear(a, b, { quantization }).toArray()]).toEqual(want)
          expect([...fb.matmul(a, b, { quantization }).toArray()]).toEqual(want)
          const batch = randomBytes(random, [2, depth, columns])
          const each = fb.matmul(a, tensorOf(engine(), batch), { quantization }).toArray()
          const size = rows * columns
          for (const i of [0, 1]) {
            const part = {
              ...x,
              data: (x.data as number[]).slice(i * rows * depth),
              shape: [1, 1, rows, depth],
            }
            const by = {
              ...batch,
              data: (batch.data as number[]).slice(i * depth * columns),
              shape: [1, 1, depth, columns],
            }
            expect([...each.slice(i * size, (i + 1) * size)]).toEqual(
              requantized(
                sumsOf(part, by, undefined, geometry).data,
                (o) => factorOf(x, batch, o, y.quantization.scale),
                columns,
                y,
              ),
            )
          }

          const image = randomBytes(random, [1, random.integer(3, 6), random.integer(3, 6), depth])
          const filter = randomBytes(random, [3, random.integer(1, 3), depth, columns], true)
          const options = { stride: random.integer(1, 3), padding: random.integer(0, 1) }
          // In float32 without rounding: what both stand for, without their scales.
          const less = (m: Bytes) =>
            engine().tensor(
              Array.from(
                m.data,
                (v, i) =>
                  v -
                  ([m.quantization.zeroPoint].flat() as number[])[
                    m.quantization.axis === undefined ? 0 : i % columns
                  ]!,
              ),
              m.shape,
            )
          const exact = fb.convTranspose2d(less(image), less(filter), options)
          const spread = fb.convTranspose2d(tensorOf(engine(), image), tensorOf(engine(), filter), {
            ...options,
            quantization,
          })
          expect(spread.shape).toEqual(exact.shape)
          expect([...spread.toArray()]).toEqual(
            requantized(
              Int32Array.from(exact.toArray()),
              (o) => factorOf(image, filter, o, y.quantization.scale),
              columns,
              y,
            ),
          )
        })
      }
    })

    it('write into a tensor, and take empty batches', () => {
      engine().scope(() => {
        const plain = { scale: 1, zeroPoint: 0 }
        const x = engine().tensor([1, 2, 3, 4], [1, 2, 2, 1], { dtype: 'uint8', quantization: plain })
        const w = engine().tensor([1], [1, 1, 1, 1], { dtype: 'int8', quantization: plain })
        const quantization = { scale: 0.5, zeroPoint: 1 }
        const out = engine().zeros([1, 2, 2, 1], { dtype: 'uint8', quantization })
        expect(fb.conv2d(x, w, { quantization, out })).toBe(out)
        expect([...out.toArray()]).toEqual([3, 5, 7, 9])
        const none = engine().zeros([0, 4, 4, 3], { dtype: 'int8', quantization: plain })
        const three = engine().zeros([3, 3, 3, 8], { dtype: 'int8', quantization: plain })
        expect(fb.conv2d(none, three, { quantization }).shape).toEqual([0, 2, 2, 8])
      })
    })

    it('refuse what stands for nothing', () => {
      engine().scope(() => {
        const floats = engine().zeros([1, 3, 3, 2])
        const [four, two, odd] = [
          engine().zeros([1, 1, 2, 3]),
          engine().zeros([2, 3]),
          engine().zeros([3], { dtype: 'uint8' }),
        ]
        const x = engine().zeros([1, 3, 3, 2], { dtype: 'uint8', quantization: { scale: 0.5, zeroPoint: 1 } })
        const quantization = { scale: 1, zeroPoint: 0 }
        const w = engine().zeros([1, 1, 2, 3], { dtype: 'int8', quantization })
        const without = engine().zeros([1, 1, 2, 3], { dtype: 'int8' })
        complaint(
          () => fb.conv2d(x, without, { quantization }),
          'conv2d: filter must be of a quantization, got int8 without one',
        )
        const [rows, columns] = [without.reshape([3, 2]), w.reshape([2, 3])]
        complaint(() => fb.linear(rows, columns), 'linear: x must be of a quantization, got int8 without one')
        complaint(
          () => fb.add(without, without, { quantization }),
          'add: a must be of a quantization, got int8 without one',
        )
        for (const scale of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1' as unknown as number]) {
          complaint(
            () => fb.quantize(floats, { scale }),
            'quantize: quantization.scale must be a finite number above 0',
          )
          complaint(
            () => fb.conv2d(x, w, { quantization: { scale, zeroPoint: 0 } }),
            'conv2d: quantization.scale must be a finite number above 0',
          )
        }
        complaint(
          () => fb.quantize(floats, { scale: 1, zeroPoint: 256 }),
          'zeroPoint must be an integer from 0 to 255, got 256',
        )
        complaint(
          () => fb.quantize(floats, { scale: 1, zeroPoint: -1 }),
          'zeroPoint must be an integer from 0 to 255',
        )
        complaint(
          () => fb.quantize(floats, { scale: 1, dtype: 'int32' as 'int8' }),
          'dtype must be int8 or uint8',
        )
        complaint(
          () => fb.quantize(floats, { scale: [1, 2, 3], axis: 3 }),
          'quantization.scale must be 2 numbers',
        )
        complaint(() => fb.quantize(x as never, { scale: 1 }), 'quantize: x must be of float32')
        complaint(() => fb.dequantize(floats as never), 'dequantize: x must be of int8 or uint8')
        complaint(
          () => fb.conv2d(x, four as never),
          'filter must be of int8 or uint8, got a tensor of float32',
        )
        complaint(
          () => fb.conv2d(floats, w as never),
          'filter must be of float32, as x, got a tensor of int8',
        )
        complaint(
          () => fb.conv2d(floats, four, { quantization }),
          'quantization must be left out where x is float32',
        )
        complaint(
          () => fb.conv2d(x, w, { quantization: { ...quantization, zeroPoint: 300 } }),
          'zeroPoint must be an integer from 0 to 255',
        )
        complaint(
          () => fb.conv2d(x, w, { quantization: { ...quantization, dtype: 'float32' as 'int8' } }),
          'quantization.dtype must be int8 or uint8',
        )
        complaint(
          () => fb.conv2d(x, w, { quantization: { ...quantization, axis: 3 } as never }),
          'axis must be one of its options: scale, zeroPoint, dtype',
        )
        complaint(() => fb.conv2d(x, w, { quantization: { scale: 1e-45, zeroPoint: 0 } }), 'a finite factor')
        const byRow = engine().zeros([1, 1, 2, 3], {
          dtype: 'int8',
          quantization: { scale: [1, 2], zeroPoint: [0, 0], axis: 2 },
        })
        complaint(
          () => fb.conv2d(x, byRow, { quantization }),
          'filter must be of one scale and zero point, or one for each index along axis 3',
        )
        const byChannel = engine().zeros([1, 3, 3, 2], {
          dtype: 'uint8',
          quantization: { scale: [1, 2], zeroPoint: [0, 0], axis: 3 },
        })
        complaint(() => fb.conv2d(byChannel, w, { quantization }), 'x must be of one scale and zero point')
        complaint(() => fb.linear(x, two as never), 'linear: weight must be of int8 or uint8')
        complaint(() => fb.matmul(x, floats as never), 'matmul: b must be')
        complaint(() => fb.conv2d(x, w, { bias: odd as never }), 'bias must be of float32 or int32')
        complaint(
          () => fb.conv2d(x, w, { algorithm: 'direct' as never }),
          'algorithm must be one of auto, depthwise, winograd, grouped, gemm, igemm',
        )
      })
    })
  })
})
