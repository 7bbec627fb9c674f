import { describe, expect, it } from 'vitest'
import { gather, groupNorm, instanceNorm, layerNorm, rmsNorm, type Tensor } from '../../src/index.js'
import { BatchNorm2d } from '../../src/nn/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

const product = (shape: number[]) => shape.reduce((a, b) => a * b, 1)

/**
 * |h| <= 6, scale and offset <= 2: x - m, the rate, the product, the rest, the scale and the offset are each
 * off by half a unit of numbers up to 16.
 */
const TOLERANCE = 6 * 16 * 2 ** -24

describe('layer, group and instance norm', () => {
  inEveryBuild((engine) => {
    const problem = (random: Random, shape: number[], parameters: number[], middle = 0, spread = 1) => {
      const x = { shape, data: random.floats(product(shape), middle - spread, middle + spread) }
      const scale = { shape: parameters, data: random.floats(product(parameters), -2, 2) }
      const offset = { shape: parameters, data: random.floats(product(parameters), -2, 2) }
      const [input, ...affine] = [x, scale, offset].map(({ data, shape }) =>
        engine().tensor(data, shape),
      ) as [Tensor, Tensor, Tensor]
      const finish = (h: reference.Values) =>
        reference.zip(
          reference.zip(h, scale, (a, b) => a * b),
          offset,
          (a, b) => a + b,
        )
      return {
        x,
        input,
        options: { scale: affine[0]!, offset: affine[1]! },
        scaled: (h: reference.Values) => reference.zip(h, scale, (a, b) => a * b),
        finish,
      }
    }

    it('hold at the ends of the range of float32', () => {
      const base = [-1, 2, 0.5, -3, 2.5, 1, -0.25, 0.75]
      for (const size of [1e-38, 1e-30, 1e-19, 1e19, 1e30, 1e37, 1.1e38]) {
        const x = Float32Array.from(base, (v) => v * size)
        // Deviations of a float64 mean, whose squares float64 holds.
        const mean = x.reduce((sum, v) => sum + v, 0) / 8
        const deviation = Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 8)
        engine().scope(() => {
          const options = { epsilon: 0 }
          const wide = engine().tensor(x, [1, 8, 1, 1])
          for (const y of [
            layerNorm(engine().tensor(x, [1, 8]), options),
            groupNorm(wide, { ...options, groups: 1 }),
            instanceNorm(wide, options),
          ]) {
            for (const [i, v] of y.toArray().entries())
              expect(v, `${size}`).toBeCloseTo((x[i]! - mean) / deviation, 5)
          }
        })
      }
    })

    it('rows agree with the reference, at every length, over one axis and several', () => {
      const random = new Random(20261127)
      for (const [shape, axis] of [
        ...Array.from({ length: 35 }, (_, n) => [[3, n + 1], -1] as const),
        [[2, 3, 5], 1],
        [[2, 3, 5], 0],
        [[700, 20], 1],
        [[2, 9001], -1],
      ] as const) {
        engine().scope(() => {
          const first = axis < 0 ? axis + shape.length : axis
          const { x, input, options, scaled, finish } = problem(random, [...shape], shape.slice(first))
          const own = (index: number[]) => index.slice(0, first).join()
          const about = `[${shape}] ${axis}:`
          expectValues(
            layerNorm(input, { axis, ...options }),
            finish(reference.normalise(x, own, 1e-5)),
            TOLERANCE,
            about,
          )
          expectValues(
            layerNorm(input, { axis, epsilon: 0.5 }),
            reference.normalise(x, own, 0.5),
            TOLERANCE,
            about,
          )
          expectValues(
            rmsNorm(input, { axis, scale: options.scale }),
            scaled(reference.normalise(x, own, 1e-5, false)),
            TOLERANCE,
            about,
          )
        })
      }
    })

    it('groups of channels agree with the reference, whatever their number and the pixels', () => {
      const random = new Random(20261128)
      for (const pixels of [[1, 1], [2, 3], [19], [70, 61], []]) {
        for (const [c, groups] of [
          [1, 1],
          [2, 1],
          [6, 3],
          [15, 15],
          [64, 4],
          [68, 2],
          [4100, 2],
        ] as const) {
          if (c * product(pixels) > 100_000) continue
          engine().scope(() => {
            const { x, input, options, finish } = problem(random, [2, ...pixels, c], [c])
            const own = (index: number[]) => `${index[0]} ${Math.floor(index.at(-1)! / (c / groups))}`
            const about = `[${x.shape}] ${groups} groups:`
            expectValues(
              groupNorm(input, { groups, ...options }),
              finish(reference.normalise(x, own, 1e-5)),
              TOLERANCE,
              about,
            )
            expectValues(
              groupNorm(input, { groups, epsilon: 0.5 }),
              reference.normalise(x, own, 0.5),
              TOLERANCE,
              about,
            )
            const alone = reference.normalise(x, (index) => `${index[0]} ${index.at(-1)}`, 1e-5)
            expectValues(instanceNorm(input, options), finish(alone), TOLERANCE, about)
            const clamped = {
              shape: alone.shape,
              data: Float64Array.from(alone.data, (v) => Math.min(1, Math.max(0, v))),
            }
            expectValues(instanceNorm(input, { activation: [0, 1] }), clamped, TOLERANCE, about)
          })
        }
      }
    })

    it('a mean far from 0 costs no digits', () => {
      const random = new Random(20261129)
      engine().scope(() => {
        const rows = problem(random, [4, 300], [300], 1000, 0.01)
        const byRow = (index: number[]) => `${index[0]}`
        expectValues(
          layerNorm(rows.input, { ...rows.options, epsilon: 0 }),
          rows.finish(reference.normalise(rows.x, byRow, 0)),
          TOLERANCE,
        )
        const image = problem(random, [2, 60, 70, 6], [6], 1000, 0.01)
        const byGroup = (index: number[]) => `${index[0]} ${index[3]! >> 1}`
        expectValues(
          groupNorm(image.input, { groups: 3, ...image.options, epsilon: 0 }),
          image.finish(reference.normalise(image.x, byGroup, 0)),
          TOLERANCE,
        )
        const layer = new BatchNorm2d(engine(), { channels: 6, epsilon: 0 })
        layer.training = true
        expectValues(
          layer.forward(image.input),
          reference.normalise(image.x, (index) => `${index[3]}`, 0),
          TOLERANCE,
        )
        // The first number, which sums are taken from, may lie apart.
        const data = rows.x.data.slice()
        data[0] = 0
        const apart = { shape: [1, 1200, 1], data }
        expectValues(
          instanceNorm(engine().tensor(data, apart.shape), { epsilon: 0 }),
          reference.normalise(apart, () => '', 0),
          40 * 2 ** -20,
        )
      })
    })

    it('takes what is empty, and constant rows', () => {
      engine().scope(() => {
        expect(layerNorm(engine().zeros([0, 3])).shape).toEqual([0, 3])
        expect(groupNorm(engine().zeros([0, 3, 4]), { groups: 2 }).shape).toEqual([0, 3, 4])
        expect(instanceNorm(engine().zeros([2, 0, 4])).shape).toEqual([2, 0, 4])
        expect([...layerNorm(engine().tensor([7, 7, 7], [3]), { axis: 0 }).toArray()]).toEqual([0, 0, 0])
        expect([...instanceNorm(engine().tensor([7, 7, 7], [1, 3, 1])).toArray()]).toEqual([0, 0, 0])
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([2, 3, 4])
        const [three, four] = [engine().zeros([3]), engine().zeros([4])]
        const complains = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        complains(
          () => layerNorm(x, { scale: three }),
          'layerNorm: scale must be [4], got [3]',
          'x [2, 3, 4]',
        )
        complains(() => layerNorm(x, { axis: 1, offset: four }), 'layerNorm: offset must be [3, 4], got [4]')
        complains(
          () => layerNorm(x, { axis: 3 }),
          'layerNorm: axis must be an axis of x: an integer from -3 to 2, got 3',
        )
        complains(
          () => rmsNorm(x, { epsilon: -1 }),
          'rmsNorm: epsilon must be a number of at least 0, got -1',
        )
        complains(
          () => groupNorm(x, { groups: 3 }),
          'groupNorm: groups must be a divisor of 4 channels, got 3',
        )
        complains(
          () => groupNorm(x, {} as never),
          'groupNorm: groups must be a divisor of 4 channels, got undefined',
        )
        complains(() => groupNorm(x, { groups: 2, scale: three }), 'groupNorm: scale must be [4], got [3]')
        complains(() => instanceNorm(four), 'instanceNorm: x must be [n, ..., channels], got [4]')
        complains(
          () => instanceNorm(x, { activation: 'no' as never }),
          'instanceNorm: activation must be one of',
        )
      })
    })
  })
})

describe('gather', () => {
  inEveryBuild((engine) => {
    it('takes rows of any shape by a list or a tensor', () => {
      engine().scope(() => {
        const table = engine().tensor(
          Float32Array.from({ length: 12 }, (_, i) => i),
          [3, 2, 2],
        )
        const y = gather(table, Int32Array.of(2, 0, 2, 1))
        expect(y.shape).toEqual([4, 2, 2])
        expect([...y.toArray()]).toEqual([8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7])
        const z = gather(table.reshape([12]), engine().tensor([11, 3], [1, 2]))
        expect(z.shape).toEqual([1, 2])
        expect([...z.toArray()]).toEqual([11, 3])
        expect(gather(table, []).shape).toEqual([0, 2, 2])
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const table = engine().zeros([3, 2])
        const complains = (indices: unknown, part: string) =>
          expectComplaint(engine(), () => gather(table, indices as never), part)
        complains([0, 3], 'gather: indices[1] must be an integer from 0 to 2, got 3')
        complains(Int32Array.of(-1), 'gather: indices[0] must be an integer from 0 to 2, got -1')
        complains([0.5], 'gather: indices[0] must be an integer from 0 to 2, got 0.5')
        complains(3, 'gather: indices must be integers, or a tensor of them, got 3')
        complains(
          engine().tensor([Number.NaN], [1]),
          'gather: indices[0] must be an integer from 0 to 2, got NaN',
        )
      })
    })
  })
})
