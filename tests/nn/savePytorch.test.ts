/** Weights by PyTorch's names and in its layouts. */
import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../src/index.js'
import {
  BatchNorm2d,
  Conv2d,
  ConvTranspose2d,
  Embedding,
  Flatten,
  Layer,
  LayerNorm,
  Linear,
  load,
  Permute,
  Sequential,
  save,
} from '../../src/nn/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { parts, same, withHeader } from '../support/safetensors.js'

describe('save and load', () => {
  inEveryBuild((engine) => {
    it("takes and gives PyTorch's names and layouts", () => {
      engine().scope(() => {
        const network = (seed: number) =>
          new Sequential(
            new Conv2d(engine(), { inChannels: 4, outChannels: 6, size: [2, 3], groups: 2, seed }),
            new BatchNorm2d(engine(), { channels: 6 }),
            new ConvTranspose2d(engine(), {
              inChannels: 6,
              outChannels: 4,
              size: 2,
              groups: 2,
              seed,
              bias: false,
            }),
            new Permute([0, 3, 1, 2]),
            new Flatten(),
            new Linear(engine(), { inFeatures: 4, outFeatures: 3, seed }),
            new LayerNorm(engine(), { features: 3 }),
            new Embedding(engine(), { count: 5, features: 2, seed }),
          )
        const model = network(1)
        const bytes = save(model, { names: 'pytorch' })
        const { entries, metadata } = parts(bytes)
        expect(metadata.format).toBe('pt')
        expect(Object.fromEntries(Object.entries(entries).map(([name, { shape }]) => [name, shape]))).toEqual(
          {
            '0.weight': [6, 2, 2, 3],
            '0.bias': [6],
            '1.weight': [6],
            '1.bias': [6],
            '1.running_mean': [6],
            '1.running_var': [6],
            '2.weight': [6, 2, 2, 2],
            '5.weight': [3, 4],
            '5.bias': [3],
            '6.weight': [3],
            '6.bias': [3],
            '7.weight': [5, 2],
          },
        )
        // weight[o, i, y, x] there is filter[y, x, i, o] here.
        const { length } = parts(bytes)
        const [begin, end] = entries['0.weight']!.data_offsets
        const there = new Float32Array(bytes.slice(8 + length + begin, 8 + length + end).buffer)
        const here = model.parameters[0]!.toArray()
        for (let o = 0; o < 6; o++)
          for (let i = 0; i < 2; i++)
            for (let y = 0; y < 2; y++)
              for (let x = 0; x < 3; x++)
                expect(there[((o * 2 + i) * 2 + y) * 3 + x]).toBe(here[((y * 3 + x) * 2 + i) * 6 + o])
        const other = network(2)
        // Counters of batches are none of ours.
        const counted = withHeader(bytes, (header) => {
          header['1.num_batches_tracked'] = { dtype: 'I64', shape: [], data_offsets: [0, 8] }
        })
        expect(load(counted, other, { names: 'pytorch' }).unexpected).toEqual([])
        expect(same(save(other), save(model))).toBe(true)
        expectComplaint(engine(), () => load(bytes, other), 'load: bytes must be a file with every tensor')
        expectComplaint(
          engine(),
          () => load(bytes, other, { names: 'keras' as never }),
          'load: names must be',
        )
      })
    })

    it("adds PyTorch's two biases of a recurrent layer where there is one for both", () => {
      class Cells extends Layer {
        forward(x: Tensor): Tensor {
          return x
        }
      }
      engine().scope(() => {
        const cells = (state: boolean, scale: number) => {
          const shapes: [string, number[]][] = [
            ['inputWeight', [2, 3]],
            ['stateWeight', [3, 3]],
            ['bias', [3]],
            ['inputWeight.1.reverse', [3, 3]],
            ['stateWeight.1.reverse', [3, 3]],
            ['bias.1.reverse', [3]],
            ...(state
              ? ([
                  ['stateBias', [3]],
                  ['stateBias.1.reverse', [3]],
                ] as [string, number[]][])
              : []),
          ]
          return new Cells(
            shapes.map(([name, shape]) => {
              const numbers = Array.from(
                { length: shape.reduce((a, b) => a * b, 1) },
                (_, i) => scale * (i + 1),
              )
              return Object.assign(engine().tensor(numbers, shape), { name })
            }),
          )
        }
        const both = cells(true, 1)
        const bytes = save(both, { names: 'pytorch' })
        const { entries } = parts(bytes)
        expect(Object.keys(entries).sort()).toEqual([
          'bias_hh_l0',
          'bias_hh_l1_reverse',
          'bias_ih_l0',
          'bias_ih_l1_reverse',
          'weight_hh_l0',
          'weight_hh_l1_reverse',
          'weight_ih_l0',
          'weight_ih_l1_reverse',
        ])
        expect(entries['weight_ih_l0']!.shape).toEqual([3, 2])
        const one = cells(false, 5)
        load(bytes, one, { names: 'pytorch' })
        const numbers = (model: Layer, name: string) =>
          [...model.names].find(([, own]) => own === name)![0].toArray()
        expect(numbers(one, 'inputWeight')).toEqual(numbers(both, 'inputWeight'))
        expect([...numbers(one, 'bias')]).toEqual([2, 4, 6])
        const again = cells(false, 7)
        load(save(one, { names: 'pytorch' }), again, { names: 'pytorch' })
        expect(same(save(again), save(one))).toBe(true)
      })
    })
  })
})
