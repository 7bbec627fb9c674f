/** Ops that take more than float32: moves of bytes, comparisons, logic, integers, casts. */
import { describe, expect, it } from 'vitest'
import * as fb from '../../src/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
const ranges = {
  float32: [-9, 9],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int8: [-128, 127],
  uint8: [0, 255],
} as const
const dtypes = ['float32', 'int32', 'int8', 'uint8'] as const

describe('ops of any type', () => {
  inEveryBuild((engine) => {
    const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
    const filled = (random: Random, shape: readonly number[], dtype: fb.DType) =>
      engine().tensor(
        Array.from({ length: count(shape) }, () => random.integer(...(ranges[dtype] as [number, number]))),
        shape,
        { dtype },
      )

    it('moves of bytes give what the same moves of floats give, 400 random problems', () => {
      const random = new Random(20261129)
      const lengths = [1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 70]
      const moves: ((x: fb.AnyTensor, random: Random) => fb.AnyTensor)[] = [
        (x, r) =>
          fb.transpose(
            x,
            r.pick([
              [2, 1, 0],
              [0, 2, 1],
              [1, 0, 2],
              [1, 2, 0],
              [2, 0, 1],
            ]),
          ),
        (x, r) =>
          fb.slice(x, {
            begin: x.shape.map((n) => r.integer(0, n - 1)),
            step: x.shape.map(() => r.integer(1, 3)),
          }),
        (x, r) =>
          fb.pad(x, {
            padding: x.shape.map((): [number, number] => [r.integer(0, 3), r.integer(0, 5)]),
            value: 7,
          }),
        (x, r) => fb.concat([x, fb.flip(x), x], { axis: r.integer(0, 2) }),
        (x, r) => fb.flip(x, { axes: r.integer(0, 2) }),
        (x, r) => fb.tile(x, [r.integer(1, 3), r.integer(1, 3), r.integer(1, 3)]),
        (x, r) => fb.stack([x, x], { axis: r.integer(0, 3) }),
        (x, r) => fb.split(x, { axis: 2, sizes: [x.shape[2]! - 1, 1] })[r.integer(0, 1)]!,
        (x, r) => fb.gather(x, [x.shape[1]! - 1, 0, r.integer(0, x.shape[1]! - 1)], { axis: 1 }),
        (x, r) =>
          fb.scatter(x, [r.integer(0, x.shape[2]! - 1)], fb.slice(x, { end: [...x.shape.slice(0, 2), 1] }), {
            axis: 2,
          }),
        (x, r) =>
          fb.where(fb.equal(fb.slice(x, { end: [1, 1, x.shape[2]!] }), r.integer(0, 3)), fb.flip(x), x),
      ]
      for (let problem = 0; problem < 400; problem++) {
        const shape = [random.integer(1, 5), random.pick(lengths), random.pick(lengths)]
        const data = Int8Array.from(
          { length: count(shape) },
          () => random.integer(0, 9) * random.integer(-13, 13),
        )
        const move = moves[problem % moves.length]!
        engine().scope(() => {
          const [bytes, words, floats] = (['int8', 'int32', 'float32'] as const).map((dtype) => {
            const y = move(engine().tensor(data, shape, { dtype }), new Random(problem))
            expect(y.dtype).toBe(dtype)
            return { shape: y.shape, data: [...y.toArray()] }
          })
          expect(bytes, `${problem}: [${shape}]`).toEqual(floats)
          expect(words, `${problem}: [${shape}]`).toEqual(floats)
        })
      }
    })

    it('a quantization follows its axis', () => {
      engine().scope(() => {
        const quantization = { scale: [0.5, 0.25, 2], zeroPoint: [1, 2, 3], axis: 1 }
        const x = engine().zeros([2, 3, 4], { dtype: 'uint8', quantization })
        const whole = engine().zeros([2, 3], { dtype: 'uint8', quantization: { scale: 0.5, zeroPoint: 9 } })
        expect(fb.transpose(x).quantization).toEqual(quantization)
        expect(fb.transpose(x, [1, 0, 2]).quantization).toEqual({ ...quantization, axis: 0 })
        expect(fb.slice(x, { begin: [0, 0, 1], step: [1, 2, 1] }).quantization).toEqual({
          scale: [0.5, 2],
          zeroPoint: [1, 3],
          axis: 1,
        })
        expect(fb.flip(x, { axes: 1 }).quantization).toEqual({
          scale: [2, 0.25, 0.5],
          zeroPoint: [3, 2, 1],
          axis: 1,
        })
        expect(fb.tile(x, [1, 2, 1]).quantization).toEqual({
          scale: [0.5, 0.25, 2, 0.5, 0.25, 2],
          zeroPoint: [1, 2, 3, 1, 2, 3],
          axis: 1,
        })
        expect(fb.stack([x, x]).quantization).toEqual({ ...quantization, axis: 2 })
        expect(fb.split(x, { axis: 1, sizes: [1, 2] })[1]!.quantization).toEqual({
          scale: [0.25, 2],
          zeroPoint: [2, 3],
          axis: 1,
        })
        expect(fb.gather(x, [2, 0], { axis: 1 }).quantization).toEqual({
          scale: [2, 0.5],
          zeroPoint: [3, 1],
          axis: 1,
        })
        expect(fb.gather(x, engine().zeros([2, 2], { dtype: 'int32' }), { axis: 0 }).quantization).toEqual({
          ...quantization,
          axis: 2,
        })
        expect(fb.concat([x, x], { axis: 0 }).quantization).toEqual(quantization)
        expect(fb.concat([x, x], { axis: 1 }).quantization).toEqual({
          scale: [0.5, 0.25, 2, 0.5, 0.25, 2],
          zeroPoint: [1, 2, 3, 1, 2, 3],
          axis: 1,
        })
        expect(fb.cast(x, 'int8').quantization).toBeUndefined()
        expect(fb.cast(x, 'uint8').quantization).toEqual(quantization)
        // What a border stands for is 0, unless an element is named.
        expect([
          ...fb
            .pad(whole, {
              padding: [
                [1, 0],
                [0, 0],
              ],
            })
            .toArray(),
        ]).toEqual([9, 9, 9, 0, 0, 0, 0, 0, 0])
        complaint(
          () =>
            fb.pad(x, {
              padding: [
                [1, 0],
                [0, 0],
                [0, 0],
              ],
            }),
          'pad: value must be given where the zero points of x differ',
        )
        complaint(
          () =>
            fb.pad(x, {
              padding: [
                [0, 0],
                [1, 0],
                [0, 0],
              ],
              value: 1,
            }),
          'pad: padding[1] must be [0, 0] along the axis of the quantization',
        )
        const other = engine().zeros([2, 3], { dtype: 'uint8', quantization: { scale: 0.25, zeroPoint: 9 } })
        const ints = engine().zeros([2, 3], { dtype: 'int8' })
        for (const op of [fb.concat, fb.stack])
          complaint(
            () => op([whole, other]),
            'tensors[1] must be of the quantization of those before it',
            'scale 0.5',
            'scale 0.25',
          )
        complaint(
          () => fb.concat([whole, ints as never]),
          'concat: tensors[1] must be of uint8, as those before it, got a tensor of int8',
        )
      })
    })

    it('cast: toward zero, saturating, NaN to 0, between all types', () => {
      const random = new Random(20261130)
      const odd = [
        Number.NaN,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        0.9,
        -0.9,
        127.9,
        -128.9,
        255.5,
        2 ** 31,
        -(2 ** 31) - 1,
        1e30,
        16777217,
      ]
      for (const from of dtypes) {
        for (const to of dtypes) {
          for (const size of [0, 1, 15, 16, 17, 4096, 4099]) {
            const data = Array.from({ length: size }, (_, i) =>
              from === 'float32' && i % 2
                ? random.pick(odd)
                : random.integer(...(ranges[from] as [number, number])),
            )
            engine().scope(() => {
              const x = engine().tensor(data, [size], { dtype: from })
              const y = fb.cast(x, to)
              const [low, high] =
                to === 'float32' ? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] : ranges[to]
              const whole = (v: number) =>
                Number.isNaN(v) ? 0 : Math.min(high, Math.max(low, Math.trunc(v))) + 0
              expect(y.dtype).toBe(to)
              expect([...y.toArray()]).toEqual(
                [...x.toArray()].map((v) => (to === 'float32' ? Math.fround(v) : whole(v))),
              )
            })
          }
        }
      }
      using x = engine().zeros([2])
      complaint(
        () => fb.cast(x, 'int64' as never),
        'cast: dtype must be float32, int32, int8 or uint8, got "int64"',
      )
    })

    it('comparisons give bytes, of every type and broadcast', () => {
      const random = new Random(20261131)
      const { equal, notEqual, less, lessEqual, greater, greaterEqual } = fb
      const comparisons = { equal, notEqual, less, lessEqual, greater, greaterEqual }
      const all = {
        equal: (a: number, b: number) => a === b,
        notEqual: (a: number, b: number) => a !== b,
        less: (a: number, b: number) => a < b,
        lessEqual: (a: number, b: number) => a <= b,
        greater: (a: number, b: number) => a > b,
        greaterEqual: (a: number, b: number) => a >= b,
      }
      for (const [name, truth] of Object.entries(all)) {
        const op = comparisons[name as keyof typeof all]
        for (const dtype of dtypes) {
          for (const size of [1, 7, 16, 37, 5000]) {
            engine().scope(() => {
              const some = () =>
                Array.from({ length: size }, () =>
                  random.pick([0, 1, 2, 3, dtype === 'float32' ? Number.NaN : 100]),
                )
              const [p, q] = [some(), some()]
              const [a, b] = [p, q].map((data) => engine().tensor(data, [size], { dtype })) as [
                fb.AnyTensor,
                fb.AnyTensor,
              ]
              const y = op(a, b)
              expect([y.dtype, [...y.toArray()]]).toEqual(['uint8', p.map((v, i) => Number(truth(v, q[i]!)))])
              expect([...op(a, 2).toArray()]).toEqual(p.map((v) => Number(truth(v, 2))))
              expect([...op(2, a).toArray()]).toEqual(p.map((v) => Number(truth(2, v))))
              const table = op(a.reshape([size, 1]), engine().tensor([0, 1, 2], [3], { dtype }))
              expect(table.shape).toEqual([size, 3])
              expect([...table.toArray()]).toEqual(
                p.flatMap((v) => [0, 1, 2].map((w) => Number(truth(v, w)))),
              )
            })
          }
        }
      }
      engine().scope(() => {
        const [x, ints] = [engine().zeros([2]), engine().zeros([2], { dtype: 'int32' })]
        complaint(
          () => fb.less(x, ints as never),
          'less: b must be of float32, as those before it, got a tensor of int32',
        )
        complaint(
          () => fb.less(ints, 0.5),
          'less: b must be an integer from -2147483648 to 2147483647, as int32 holds, got 0.5',
        )
        complaint(() => fb.less(1, 2), 'less: a must be a tensor where b is none, got 1')
      })
    })

    it('logic and choices, broadcast', () => {
      engine().scope(() => {
        const a = engine().tensor([0, 1, 0, 9], [4], { dtype: 'uint8' })
        const b = engine().tensor([0, 0, 255, 2], [4], { dtype: 'uint8' })
        expect([...fb.and(a, b).toArray()]).toEqual([0, 0, 0, 1])
        expect([...fb.or(a, b).toArray()]).toEqual([0, 1, 1, 1])
        expect([...fb.xor(a, b).toArray()]).toEqual([0, 1, 1, 0])
        expect([...fb.not(a).toArray()]).toEqual([1, 0, 1, 0])
        expect([...fb.and(a.reshape([4, 1]), b).toArray()].map((v) => v)).toEqual([
          0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1,
        ])
        const x = engine().tensor([1, 2, 3, Number.NaN], [4])
        expect([...fb.where(fb.equal(x, x), x, 0).toArray()]).toEqual([1, 2, 3, 0])
        expect([...fb.where(a, 7, x).toArray()]).toEqual([1, 7, 3, 7])
        expect(fb.where(a.reshape([4, 1]), x, 5).shape).toEqual([4, 4])
        const large = filled(new Random(5), [3, 5000], 'int32')
        const mask = fb.greater(large, 0)
        expect(fb.where(mask, large, 0).toArray()).toEqual(large.toArray().map((v) => Math.max(0, v)))
        complaint(() => fb.where(x as never, x, 0), 'where: mask must be of uint8, got a tensor of float32')
        complaint(
          () => fb.where(a, x, b as never),
          'where: b must be of float32, as those before it, got a tensor of uint8',
        )
        complaint(() => fb.where(a, b, 256), 'where: b must be an integer from 0 to 255')
        complaint(() => fb.where(a, 1, 2 as never), 'where: a must be a tensor where b is none')
        complaint(() => fb.and(a, x as never), 'and: b must be of uint8')
      })
    })

    it('arithmetic of int32: wraps, cuts quotients, takes no fraction', () => {
      const random = new Random(20261132)
      const half = (v: number) => v | 0
      const divide = (a: number, b: number) =>
        a === 0 && b === 0 ? 0 : Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), Math.trunc(a / b))) + 0
      const all: [
        (a: fb.Tensor<'int32'>, b: fb.Tensor<'int32'>) => fb.Tensor<'int32'>,
        (a: number, b: number) => number,
      ][] = [
        [fb.add, (a, b) => half(a + b)],
        [fb.sub, (a, b) => half(a - b)],
        [fb.mul, Math.imul],
        [fb.div, divide],
      ]
      for (const [op, wanted] of all) {
        for (const size of [1, 3, 4, 6, 1025]) {
          engine().scope(() => {
            const some = () =>
              Array.from({ length: size }, () =>
                random.pick([0, 1, -1, 7, -(2 ** 31), 2 ** 31 - 1, random.integer(...ranges.int32)]),
              )
            const [p, q] = [some(), some()]
            const [a, b] = [p, q].map((data) => engine().tensor(data, [size], { dtype: 'int32' })) as [
              fb.Tensor<'int32'>,
              fb.Tensor<'int32'>,
            ]
            expect(op(a, b).toArray()).toEqual(Int32Array.from(p, (v, i) => wanted(v, q[i]!)))
            expect(
              op(a.reshape([size, 1]), engine().tensor([3, -5], [2], { dtype: 'int32' })).toArray(),
            ).toEqual(Int32Array.from(p.flatMap((v) => [wanted(v, 3), wanted(v, -5)])))
          })
        }
      }
      engine().scope(() => {
        const x = engine().tensor([1, 2], [2], { dtype: 'int32' })
        expect([...fb.add(x, 1, { out: x }).toArray()]).toEqual([2, 3])
        complaint(() => fb.add(x, 0.5), 'add: b must be an integer from -2147483648 to 2147483647')
        complaint(() => fb.add(x, 1, { activation: 'relu' }), 'add: activation must be left out for int32')
      })
    })

    it('functions of one and two tensors, running sums, products and norms have the right values', () => {
      engine().scope(() => {
        const values = [-2.5, -1, -0, 0.5, 1.5, 3, 100, Number.NaN]
        const x = engine().tensor(values, [8])
        const near = (y: fb.Tensor, wanted: number[]) =>
          expect([...y.toArray()]).toEqual(
            wanted.map((v) => (Number.isFinite(v) ? expect.closeTo(v, Math.abs(v) > 1e3 ? -30 : 5) : v)),
          )
        near(fb.abs(x), values.map(Math.abs))
        near(fb.log1p(x), values.map(Math.log1p))
        near(fb.sin(x), values.map(Math.sin))
        near(fb.cos(x), values.map(Math.cos))
        near(fb.sign(x), values.map(Math.sign))
        expect([...fb.round(x).toArray()]).toEqual([-2, -1, -0, 0, 2, 3, 100, Number.NaN])
        expect([...fb.mod(x, 2).toArray()]).toEqual([1.5, 1, 0, 0.5, 1.5, 1, 0, Number.NaN])
        expect([...fb.mod(x, -2).toArray()]).toEqual([-0.5, -1, -0, -1.5, -0.5, -1, -0, Number.NaN])
        near(
          fb.pow(x, 3),
          values.map((v) => v ** 3),
        )
        near(
          fb.pow(2, x),
          values.map((v) => 2 ** v),
        )
        expect([...fb.maximum(x, 1).toArray()]).toEqual([1, 1, 1, 1, 1.5, 3, 100, Number.NaN])
        const small = engine().tensor([1e-6, -1e-6], [2])
        expect([...fb.expm1(small).toArray()].map((v) => v / 1e-6)).toEqual([
          expect.closeTo(1, 5),
          expect.closeTo(-1, 5),
        ])
        expect([...fb.log1p(small).toArray()].map((v) => v / 1e-6)).toEqual([
          expect.closeTo(1, 5),
          expect.closeTo(-1, 5),
        ])
        const ints = engine().tensor([7, -7, 0, -(2 ** 31)], [4], { dtype: 'int32' })
        expect([...fb.abs(ints).toArray()]).toEqual([7, 7, 0, -(2 ** 31)])
        expect([...fb.mod(ints, 3).toArray()]).toEqual([1, 2, 0, 1])
        expect([...fb.mod(ints, -3).toArray()]).toEqual([-2, -1, 0, -2])
        expect([...fb.mod(ints, 0).toArray()]).toEqual([0, 0, 0, 0])
        const table = engine().tensor([1, 2, 3, 4, 5, 6], [2, 3])
        expect([...fb.cumsum(table).toArray()]).toEqual([1, 3, 6, 4, 9, 15])
        expect([...fb.cumsum(table, { axis: 0, reverse: true }).toArray()]).toEqual([5, 7, 9, 4, 5, 6])
        expect([...fb.cumsum(table, { exclusive: true }).toArray()]).toEqual([0, 1, 3, 0, 4, 9])
        expect([...fb.cumsum(fb.cast(table, 'int32'), { exclusive: true, reverse: true }).toArray()]).toEqual(
          [5, 3, 0, 11, 6, 0],
        )
        expect([
          ...fb.prod(table, { axes: 0 }).toArray(),
          ...fb.prod(table).toArray(),
          ...fb.prod(engine().zeros([0])).toArray(),
        ]).toEqual([4, 10, 18, 720, 1])
        expect(fb.norm(engine().tensor([3e30, 4e30], [2])).toArray()[0]).toBe(Math.fround(5e30))
        expect(fb.variance(table, { axes: 1 }).toArray()[0]).toBeCloseTo(2 / 3, 6)
        expect([
          ...fb
            .logSumExp(
              engine().tensor(
                [1000, 1000, -1e9, Number.NEGATIVE_INFINITY, 5, Number.NEGATIVE_INFINITY],
                [3, 2],
              ),
              { axes: 1 },
            )
            .toArray(),
        ]).toEqual([expect.closeTo(1000.6931, 3), -1e9, 5])
        complaint(() => fb.exp(ints as never), 'exp: x must be of float32, got a tensor of int32')
        complaint(() => fb.pow(ints as never, 2), 'pow: a must be of float32')
        complaint(() => fb.cumsum(table, { axis: 2 }), 'cumsum: axis must be an axis of x')
        complaint(() => fb.norm(table, { axes: 2 }), 'norm: axes must be integers from -2 to 1')
      })
    })

    it('oneHot, scatter, stack, split, tile and flip say what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([3, 4])
        const row = engine().zeros([1, 4])
        expect([...fb.oneHot([2, 0], { depth: 3, engine: engine() }).toArray()]).toEqual([0, 0, 1, 1, 0, 0])
        expect(fb.oneHot(engine().zeros([2, 2], { dtype: 'int32' }), { depth: 5 }).shape).toEqual([2, 2, 5])
        expect([
          ...fb
            .scatter(
              engine().tensor([1, 2, 3], [3], { dtype: 'int32' }),
              [0, 2, 0],
              engine().tensor([5, 6, 7], [3], { dtype: 'int32' }),
              { reduction: 'add' },
            )
            .toArray(),
        ]).toEqual([13, 2, 9])
        complaint(
          () => fb.oneHot([2, 3], { depth: 3, engine: engine() }),
          'oneHot: indices[1] must be an integer from 0 to 2, got 3',
        )
        complaint(() => fb.oneHot([2], { depth: 3 }), 'oneHot: engine must be given')
        complaint(
          () => fb.oneHot([2], { depth: 0, engine: engine() }),
          'oneHot: depth must be a positive integer',
        )
        complaint(() => fb.scatter(x, [3], row), 'scatter: indices[0] must be an integer from 0 to 2, got 3')
        complaint(() => fb.scatter(x, [1], x), 'scatter: updates must be [1, 4], got [3, 4]')
        const twice = engine().zeros([2, 4])
        complaint(
          () => fb.scatter(x, [1, 1], twice),
          "scatter: indices[1] must be one that did not come before, unless reduction is 'add', got 1",
        )
        complaint(
          () => fb.scatter(x, [1], row, { reduction: 'mul' as never }),
          "scatter: reduction must be 'none' or 'add'",
        )
        complaint(() => fb.gather(x, [4], { axis: 1 }), 'gather: indices[0] must be an integer from 0 to 3')
        complaint(
          () => fb.gather(x, [0], { axis: 2 }),
          'gather: axis must be an axis of x: an integer from -2 to 1',
        )
        complaint(() => fb.stack([x, row]), 'stack: tensors[1] must be [3, 4], got [1, 4]')
        complaint(() => fb.stack([]), 'stack: tensors must be an array of at least one tensor')
        complaint(
          () => fb.split(x, { parts: 3 }),
          'split: parts must be an integer of at least 1 that 4 is a multiple of, got 3',
        )
        complaint(
          () => fb.split(x, { sizes: [1, 2] }),
          'split: sizes must be integers of at least 0 that add up to 4',
        )
        complaint(() => fb.split(x, {} as never), 'split: sizes must be given, or parts, but not both')
        complaint(
          () => fb.tile(x, [2]),
          'tile: repeats must be an array of 2 integers of at least 0, one per axis of x',
        )
        complaint(() => fb.flip(x, { axes: [0, 0] }), 'flip: axes must be each axis once')
      })
    })
  })
})
