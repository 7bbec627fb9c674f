import { describe, expect, it } from 'vitest'
import { type DType, gatherND, scatterND } from '../../src/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
/** Where the part that a row of indices names begins. */
const placeOf = (shape: readonly number[], index: readonly number[]) =>
  index.reduce((place, i, axis) => place + (i < 0 ? i + shape[axis]! : i) * sizeOf(shape.slice(axis + 1)), 0)

const combine = {
  none: (_: number, update: number) => update,
  add: (old: number, update: number) => old + update,
  mul: (old: number, update: number) => old * update,
  max: Math.max,
  min: Math.min,
}

describe('gatherND and scatterND', () => {
  inEveryBuild((engine) => {
    it('agree with plain loops, 200 random problems', () => {
      const random = new Random(20261202)
      for (let problem = 0; problem < 200; problem++) {
        const shape = Array.from({ length: random.integer(1, 4) }, () => random.integer(1, 5))
        const batchAxes = random.integer(0, shape.length - 1)
        const depth = random.integer(1, shape.length - batchAxes)
        const rows = [...shape.slice(0, batchAxes), random.integer(0, 6)]
        const list = Array.from({ length: sizeOf(rows) }, () =>
          Array.from({ length: depth }, (_, i) =>
            random.integer(-shape[batchAxes + i]!, shape[batchAxes + i]! - 1),
          ),
        )
        const dtype: DType = random.pick(['float32', 'int32', 'int8', 'uint8'])
        const data = random.integers(sizeOf(shape)).map((v) => Math.abs(v))
        engine().scope(() => {
          const x = engine().tensor(data, shape, { dtype })
          const indices = engine().tensor(list.flat(), [...rows, depth], { dtype: 'int32' })
          const y = gatherND(x, indices, { batchAxes })
          const inner = sizeOf(shape.slice(batchAxes + depth))
          const each = rows.at(-1)!
          const wanted = list.flatMap((index, row) => {
            const batch = Math.floor(row / each) * sizeOf(shape.slice(batchAxes))
            const first = batch + placeOf(shape.slice(batchAxes), index)
            return [...data.slice(first, first + inner)]
          })
          expect(y.dtype).toBe(dtype)
          expect(y.shape).toEqual([...rows, ...shape.slice(batchAxes + depth)])
          expect([...y.toArray()], `problem ${problem}`).toEqual(wanted)
          if (batchAxes) return
          const reduction = dtype.endsWith('8')
            ? 'none'
            : random.pick(['none', 'add', 'mul', 'max', 'min'] as const)
          const updates = random.integers(sizeOf(y.shape)).map((v) => Math.abs(v))
          const z = scatterND(x, indices, engine().tensor(updates, y.shape, { dtype }), { reduction })
          const changed = [...data]
          list.forEach((index, row) => {
            const first = placeOf(shape, index)
            for (let i = 0; i < inner; i++)
              changed[first + i] = combine[reduction](changed[first + i]!, updates[row * inner + i]!)
          })
          expect([...z.toArray()], `problem ${problem}, ${reduction}`).toEqual(changed)
          expect([...x.toArray()]).toEqual([...data])
        })
      }
    })

    it('complain in words that help, and hold nothing then', () => {
      engine().scope(() => {
        const x = engine().zeros([3, 4])
        const ints = (data: number[], shape: number[]) => engine().tensor(data, shape, { dtype: 'int32' })
        const outside = ints([0, 1, 2, -5], [2, 2])
        const updates = engine().zeros([2])
        const [deep, three] = [ints([0, 0, 0], [1, 3]), engine().zeros([3])]
        const { live, tensors } = engine().memory()
        expectComplaint(
          engine(),
          () => gatherND(x, outside),
          'gatherND: indices must be from -4 to 3, got -5',
        )
        expectComplaint(
          engine(),
          () => scatterND(x, outside, updates),
          'scatterND: indices must be from -4 to 3, got -5',
        )
        expect(engine().memory()).toMatchObject({ live, tensors })
        expectComplaint(
          engine(),
          () => gatherND(x, deep),
          'gatherND: indices must be [..., depth], with a depth from 1 to 2, got [1, 3]',
        )
        expectComplaint(
          engine(),
          () => scatterND(x, outside, three),
          'scatterND: updates must be [2], got [3]',
        )
        expectComplaint(
          engine(),
          () => scatterND(x, outside, updates, { reduction: 'sum' as 'add' }),
          "scatterND: reduction must be 'none', 'add', 'mul', 'max' or 'min', got \"sum\"",
        )
      })
    })
  })
})
