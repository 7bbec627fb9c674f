import { describe, expect, it } from 'vitest'
import { mul, slice, sum, type Tensor } from '../../src/index.js'
import * as nn from '../../src/nn/index.js'
import * as reference from '../support/attention.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { expectGradients } from '../support/gradients.js'
import { Random } from '../support/random.js'
import { at, build, type Values } from '../support/reference.js'

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

describe('layers of transformers', () => {
  inEveryBuild((engine) => {
    const floats = (random: Random, shape: number[]) => engine().tensor(random.floats(product(shape)), shape)
    const values = (tensor: Tensor): Values => ({ shape: [...tensor.shape], data: tensor.toArray() })

    /** x [n, length, in] times a layer's weight, plus its bias, as [n, heads, length, size]. */
    const heads = (x: Values, layer: nn.Linear, size: number): Values => {
      const [weight, bias] = layer.parameters.map(values) as [Values, Values]
      const [n, length, inside] = x.shape as [number, number, number]
      return build([n, weight.shape[1]! / size, length, size], (image, head, i, c) => {
        let total = at(bias, [head * size + c])
        for (let k = 0; k < inside; k++) total += at(x, [image, i, k]) * at(weight, [k, head * size + c])
        return total
      })
    }

    it('MultiHeadAttention is attention between products, of one input or two, with heads that share keys', () => {
      const random = new Random(20261205)
      for (const [causal, kvHeads, both] of [
        [false, 4, false],
        [true, 2, false],
        [false, 1, true],
      ] as const) {
        engine().scope(() => {
          const layer = new nn.MultiHeadAttention(engine(), {
            features: 12,
            heads: 4,
            kvHeads,
            causal,
            seed: 3,
          })
          for (const { parameters } of [layer.query, layer.key, layer.value, layer.output])
            parameters[1]!.set(random.floats(parameters[1]!.size))
          const x = floats(random, [2, 5, 12])
          const memory = both ? floats(random, [2, 7, 12]) : x
          const [q, k, v] = [
            heads(values(x), layer.query, 3),
            heads(values(memory), layer.key, 3),
            heads(values(memory), layer.value, 3),
          ]
          const y = reference.attention(q, k, v, { causal: causal ? 0 : undefined })
          const joined = build([2, 5, 12], (n, i, c) => at(y, [n, Math.floor(c / 3), i, c % 3]))
          const wanted = heads(joined, layer.output, 12)
          const got = layer.forward(both ? [x, memory] : x)
          expectValues(got, { shape: [2, 5, 12], data: wanted.data }, 1e-5)
        })
      }
    })

    it('gives token by token what it gives for all, whatever comes at a time', () => {
      const random = new Random(20261206)
      engine().scope(() => {
        const options = { features: 16, heads: 4, kvHeads: 2, causal: true, seed: 5 }
        const block = new nn.TransformerBlock(engine(), options)
        const place = new nn.PositionalEncoding(engine(), { features: 16, length: 20 })
        const x = floats(random, [3, 20, 16])
        const whole = block.forward(place.forward(x))
        for (const pieces of [new Array<number>(20).fill(1), [7, 1, 1, 9, 2]]) {
          const cache = block.cache({ batch: 3, length: 20 })
          for (const steps of pieces) {
            const first = cache.used
            const part = (of: Tensor) => slice(of, { begin: [0, first, 0], end: [3, first + steps, 16] })
            const y = block.step(place.at(part(x), first), cache)
            expectValues(y, values(part(whole)), 2e-5, `${steps} tokens from ${first} on`)
          }
          expect(cache.used).toBe(20)
          expectComplaint(
            engine(),
            () => block.step(x, cache),
            'MultiHeadAttention: x must be 0 tokens at most',
          )
          cache.clear()
          const small = floats(random, [2, 1, 16])
          expectComplaint(
            engine(),
            () => block.step(small, cache),
            'MultiHeadAttention: x must be [n, length, 16]',
          )
          const next = floats(random, [3, 1, 16])
          expectComplaint(
            engine(),
            () => nn.valueAndGradients(() => sum(block.step(next, cache)), block.parameters),
            'without derivatives',
          )
          cache.dispose()
        }
      })
    })

    it('learns: derivatives of a block and of learned places', () => {
      const random = new Random(20261207)
      engine().scope(() => {
        const block = new nn.TransformerBlock(engine(), {
          features: 8,
          heads: 2,
          causal: true,
          hidden: 12,
          seed: 1,
        })
        const place = new nn.PositionalEncoding(engine(), { features: 8, length: 9, learned: true, seed: 2 })
        const x = floats(random, [2, 6, 8])
        expectGradients(
          engine(),
          random,
          [x, ...place.parameters, ...block.parameters],
          () => block.forward(place.forward(x)),
          { most: 4, about: 'block' },
        )
      })
    })

    it('follows from its seed, is saved by its names and loaded as it was', async () => {
      const make = (seed: number) =>
        new nn.Sequential(
          new nn.Embedding(engine(), { count: 11, features: 8, seed }),
          new nn.PositionalEncoding(engine(), { features: 8, length: 7 }),
          new nn.TransformerBlock(engine(), { features: 8, heads: 2, causal: true, seed, dropout: 0.1 }),
          new nn.Linear(engine(), { inFeatures: 8, outFeatures: 11, seed }),
        )
      const [model, twin, other] = [make(1), make(1), make(2)] as const
      engine().scope(() => {
        const x = engine().tensor([1, 5, 10, 3], [1, 4], { dtype: 'int32' }) as unknown as Tensor
        const bytes = (layer: nn.Layer) => [...layer.forward(x).toArray()]
        expect(bytes(twin)).toEqual(bytes(model))
        expect(bytes(other)).not.toEqual(bytes(model))
        nn.load(nn.save(model), other)
        expect(bytes(other)).toEqual(bytes(model))
        const names = [...model.names.values()]
        for (const name of [
          '1.table',
          '2.attention.query.weight',
          '2.attention.output.bias',
          '2.attentionNorm.scale',
          '2.expand.weight',
        ])
          expect(names).toContain(name)
      })
      for (const each of [model, twin, other]) each.dispose()
    })

    it('has sines and cosines of every place', () => {
      engine().scope(() => {
        const place = new nn.PositionalEncoding(engine(), { features: 5, length: 4 })
        const wanted = build([1, 3, 5], (_, p, c) => {
          const angle = (p + 1) / 10000 ** ((2 * Math.floor(c / 2)) / 5)
          return c % 2 ? Math.cos(angle) : Math.sin(angle)
        })
        expectValues(place.at(engine().zeros([1, 3, 5]), 1), wanted, 1e-6)
        expect(place.parameters).toHaveLength(0)
      })
    })

    it('refuses sizes that do not fit, and leaves nothing behind', () => {
      const refuses = (make: () => unknown, ...parts: string[]) => expectComplaint(engine(), make, ...parts)
      const good = { features: 8, heads: 2 }
      refuses(
        () => new nn.MultiHeadAttention(engine(), { features: 8, heads: 3 }),
        'heads must be a divisor of features, 8',
      )
      refuses(
        () => new nn.MultiHeadAttention(engine(), { ...good, kvHeads: 3 }),
        'kvHeads must be a divisor of heads, 2',
      )
      refuses(() => new nn.TransformerBlock(engine(), { ...good, dropout: 1 }), 'dropout')
      refuses(
        () => new nn.TransformerBlock(engine(), { ...good, activation: 'swoosh' as never }),
        'activation',
      )
      refuses(() => new nn.PositionalEncoding(engine(), { features: 8, length: 0 }), 'length')
      engine().scope(() => {
        const layer = new nn.MultiHeadAttention(engine(), good)
        const place = new nn.PositionalEncoding(engine(), { features: 8, length: 3 })
        const [flat, long] = [engine().zeros([2, 8]), engine().zeros([1, 4, 8])]
        refuses(() => layer.forward(flat), 'x must be [n, length, 8]')
        refuses(() => layer.forward([long, flat]), 'memory must be [1, length, 8]')
        refuses(() => place.forward(long), 'x must be [n, 3 at most, 8]')
        refuses(() => place.at(long, -1), 'first')
        refuses(() => layer.cache({ length: 0 }), 'length')
      })
    })

    it('gives all its memory back', () => {
      const before = engine().memory()
      const block = new nn.TransformerBlock(engine(), { features: 8, heads: 2, seed: 1 })
      const x = engine().zeros([1, 3, 8])
      const { gradients } = nn.valueAndGradients(() => {
        const y = block.forward(x)
        return sum(mul(y, y))
      }, block.parameters)
      for (const tensor of [x, ...gradients]) tensor.dispose()
      block.dispose()
      expect(engine().memory().tensors).toBe(before.tensors)
    })
  })
})
