/** Ops that move elements, of any type: bytes as floats, quantizations along their axes, and what is refused. */
import { describe, expect, it } from 'vitest'
import * as fb from '../../src/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

describe('ops of any type', () => {
  inEveryBuild((engine) => {
    const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)

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
