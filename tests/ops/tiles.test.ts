/** The two loops of dense products (engine.tile): the same bytes, at every tail of pixels, channels and panels. */
import { describe, expect, it } from 'vitest'
import { attention, conv2d, type Engine, linear, type Tensor } from '../../src/index.js'
import { inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

const TILES = ['unrolled', 'rolled'] as const

/** What each loop makes of it. */
function byBoth(engine: Engine, run: () => Tensor): Float32Array[] {
  const { tile } = engine
  try {
    return TILES.map((one) => {
      Object.assign(engine, { tile: one })
      expect(engine.tile).toBe(one)
      return engine.scope(() => run().toArray())
    })
  } finally {
    Object.assign(engine, { tile })
  }
}

const bitsOf = ({ buffer, byteOffset, length }: Float32Array) => new Uint32Array(buffer, byteOffset, length)

function expectSame([one, other]: Float32Array[], about: string): void {
  expect(other!.length).toBe(one!.length)
  const [a, b] = [bitsOf(one!), bitsOf(other!)]
  const at = a.findIndex((bits, i) => bits !== b[i])
  if (at >= 0) expect.fail(`${about}: element ${at} is ${one![at]} by one loop, ${other![at]} by the other`)
}

describe('the loops of dense products', () => {
  inEveryBuild((engine) => {
    it.each(['integers', 'floats'] as const)('agree on convolutions of %s', (kind) => {
      const random = new Random(20261129)
      for (let problem = 0; problem < (kind === 'integers' ? 50 : 200); problem++) {
        const groups = random.pick([1, 1, 1, 2, 3])
        const [groupIn, groupOut] = [random.integer(1, 40), random.integer(1, 50)]
        const [n, h, w] = [random.integer(1, 2), random.integer(1, 12), random.integer(1, 12)]
        const size = random.pick([1, 1, 3, 3, 5])
        const plain = random.next() < 0.6
        const stride = plain ? 1 : random.integer(1, 2)
        const dilation = plain ? 1 : random.integer(1, 2)
        const padding = dilation * Math.floor(size / 2)
        const x = { shape: [n, h, w, groups * groupIn], data: random[kind](n * h * w * groups * groupIn) }
        const shape = [size, size, groupIn, groups * groupOut]
        const filter = { shape, data: random[kind](size * size * groupIn * groups * groupOut) }
        const bias = { shape: [groups * groupOut], data: random[kind](groups * groupOut) }
        const about = `problem ${problem}: ${x.shape} by ${shape}, groups ${groups}, stride ${stride}, dilation ${dilation}`
        engine().scope(() => {
          const [input, weights, start] = [x, filter, bias].map(({ data, shape }) =>
            engine().tensor(data, shape),
          ) as [Tensor, Tensor, Tensor]
          const options = { bias: start, stride, dilation, padding, groups }
          for (const algorithm of ['auto', 'igemm'] as const) {
            const clamped = random.next() < 0.5 ? ({ activation: 'relu6' } as const) : {}
            const both = byBoth(engine(), () => conv2d(input, weights, { ...options, algorithm, ...clamped }))
            expectSame(both, about)
          }
          if (kind === 'floats') return
          const want = reference.conv2d(
            x,
            filter,
            bias,
            {
              stride: [stride, stride],
              dilation: [dilation, dilation],
              padding: [
                [padding, padding],
                [padding, padding],
              ],
            },
            groups,
          )
          for (const got of byBoth(engine(), () =>
            conv2d(input, weights, { ...options, algorithm: 'igemm' }),
          ))
            expect(got, about).toEqual(Float32Array.from(want.data))
        })
      }
    })

    it('agree on dense layers and attention', () => {
      const random = new Random(7)
      for (let problem = 0; problem < 60; problem++) {
        const [rows, depth, columns] = [random.integer(1, 40), random.integer(1, 70), random.integer(1, 70)]
        engine().scope(() => {
          const tensor = (...shape: number[]) =>
            engine().tensor(random.floats(shape.reduce((a, b) => a * b)), shape)
          const x = tensor(rows, depth)
          const w = tensor(depth, columns)
          const about = `${rows} x ${depth} x ${columns}`
          expectSame(
            byBoth(engine(), () => linear(x, w)),
            about,
          )
          const [q, k, v] = [
            tensor(1, 2, rows, depth),
            tensor(1, 2, columns, depth),
            tensor(1, 2, columns, depth),
          ]
          expectSame(
            byBoth(engine(), () => attention(q, k, v)),
            about,
          )
        })
      }
    })
  })
})
