/** Ops that take more than float32: comparisons, logic, integers, casts. */
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
        expect([...fb.mod(ints, -1).toArray()]).toEqual([0, 0, 0, 0])
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
        // By the name of the call, not of what it is made of.
        const none = engine().zeros([0, 3])
        for (const [name, op] of Object.entries({ variance: fb.variance, logSumExp: fb.logSumExp }))
          complaint(() => op(none), `${name}: x must be of at least one element along the axes, got none`)
        const { square, reciprocal, rsqrt, exp } = fb
        for (const [name, op] of Object.entries({ square, reciprocal, rsqrt, exp }))
          complaint(() => op(table, { out: none }), `${name}: out must be [2, 3], got [0, 3]`)
        complaint(() => fb.transpose(undefined as never), 'transpose: x must be')
      })
    })
  })
})
