import { describe, expect, it } from 'vitest'
import { type Engine, mul, type Tensor } from '../../src/index.js'
import {
  adam,
  BatchNorm2d,
  Conv2d,
  Dropout,
  Flatten,
  Random as Generator,
  Layer,
  Linear,
  load,
  type Optimizer,
  Residual,
  rmsProp,
  Sequential,
  save,
  sgd,
  shift,
  fit as train,
} from '../../src/nn/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import { parts, same, withHeader } from '../support/safetensors.js'

const network = (engine: Engine, seed: number, channels = 3) => {
  const random = new Generator(seed)
  return new Sequential(
    new Conv2d(engine, { inChannels: 1, outChannels: channels, size: 3, padding: 'same', seed: random }),
    new BatchNorm2d(engine, { channels, activation: 'relu' }),
    new Residual(
      new Conv2d(engine, { inChannels: channels, outChannels: channels, size: 1, seed: random }),
      new Dropout({ rate: 0.3, seed }),
    ),
    new Flatten(),
    new Linear(engine, { inFeatures: channels * 36, outFeatures: 4, seed: random }),
  )
}

const optimizers: Record<string, (parameters: readonly Tensor[]) => Optimizer> = {
  sgd: (parameters) => sgd(parameters, { learningRate: 0.01 }),
  momentum: (parameters) => sgd(parameters, { learningRate: 0.01, momentum: 0.9 }),
  rmsProp: (parameters) => rmsProp(parameters, { learningRate: (step) => 0.01 / (1 + step) }),
  adam: (parameters) => adam(parameters, { learningRate: (step) => 0.01 / (1 + step) }),
}

const random = new Random(20261130)
const data = {
  inputs: random.floats(30 * 36),
  shape: [6, 6, 1],
  labels: Int32Array.from({ length: 30 }, () => random.integer(0, 3)),
}
const settings = { batchSize: 8, seed: 5, augment: [shift({ pixels: 1 })] }

describe('save and load', () => {
  inEveryBuild((engine) => {
    it('training goes on to the same bytes, with every optimiser', async () => {
      for (const [name, make] of Object.entries(optimizers)) {
        const start = (seed: number) => {
          const model = network(engine(), seed)
          return { model, optimizer: make(model.parameters) }
        }
        const whole = start(1)
        await train(whole.model, data, { ...settings, optimizer: whole.optimizer, epochs: 2 })
        const first = start(1)
        await train(first.model, data, { ...settings, optimizer: first.optimizer, epochs: 1 })
        const kept = save(first.model, { optimizer: first.optimizer })
        const second = start(2)
        load(kept, second.model, { optimizer: second.optimizer })
        expect(same(save(second.model, { optimizer: second.optimizer }), kept), name).toBe(true)
        await train(second.model, data, { ...settings, optimizer: second.optimizer, epochs: 1 })
        expect(second.optimizer.steps).toBe(8)
        expect(
          same(
            save(second.model, { optimizer: second.optimizer }),
            save(whole.model, { optimizer: whole.optimizer }),
          ),
          name,
        ).toBe(true)
        for (const { model, optimizer } of [whole, first, second]) {
          model.dispose()
          optimizer.dispose()
        }
      }
    })

    it('writes what others read: an aligned header, float32 without gaps, names of layers', () => {
      engine().scope(() => {
        const model = network(engine(), 3)
        const optimizer = adam(model.parameters)
        const bytes = save(model, { optimizer })
        const { length, metadata, entries } = parts(bytes)
        expect(length % 8).toBe(0)
        expect(metadata).toEqual({ format: 'filterbank', generators: '[3]', optimizer: 'adam', steps: '0' })
        expect(Object.keys(entries).slice(0, 12)).toEqual([
          '0.filter',
          '0.bias',
          '1.scale',
          '1.offset',
          '2.0.filter',
          '2.0.bias',
          '4.weight',
          '4.bias',
          '1.mean',
          '1.variance',
          'optimizer.0.filter.mean',
          'optimizer.0.filter.square',
        ])
        let at = 0
        for (const { dtype, shape, data_offsets: offsets } of Object.values(entries)) {
          expect(dtype).toBe('F32')
          expect(offsets).toEqual([at, at + 4 * shape.reduce((a, b) => a * b, 1)])
          at = offsets[1]
        }
        expect(bytes.length).toBe(8 + length + at)
        const { shape, data_offsets: offsets } = entries['0.filter']!
        expect(shape).toEqual([3, 3, 1, 3])
        expect(
          new Float32Array(bytes.slice(8 + length + offsets[0], 8 + length + offsets[1]).buffer),
        ).toEqual(model.parameters[0]!.toArray())
        // Weights alone, from a file that has more; and from one of others, that says nothing of generators,
        // at an odd address.
        const other = network(engine(), 4)
        load(bytes, other)
        expect(other.generators[0]!.state).toBe(3)
        const foreign = withHeader(save(network(engine(), 5)), (header) => delete header['__metadata__'])
        const odd = new Uint8Array(foreign.length + 1).subarray(1)
        odd.set(foreign)
        // As Node's Buffer does it.
        odd.slice = (from, to) => odd.subarray(from, to)
        load(odd, other)
        expect(other.generators[0]!.state).toBe(3)
        expect(other.parameters[0]!.toArray()).toEqual(network(engine(), 5).parameters[0]!.toArray())
      })
    })

    it('a layer has the same names by itself and in another', () => {
      engine().scope(() => {
        const encoder = network(engine(), 6)
        const alone = save(encoder)
        const model = new Sequential(encoder, new Linear(engine(), { inFeatures: 4, outFeatures: 2 }))
        expect(model.parameters[0]!.name).toBe('0.0.filter')
        expect(save(encoder)).toEqual(alone)
        class Scale extends Layer {
          forward(x: Tensor): Tensor {
            return mul(x, this.parameters[0]!)
          }
        }
        const named = engine().zeros([3])
        named.name = 'gain'
        expect(
          Object.keys(
            parts(save(new Sequential(new Scale([engine().zeros([2])]), new Scale([named])))).entries,
          ),
        ).toEqual(['0.parameter0', '1.gain'])
        const twins = [0, 1].map(() => Object.assign(engine().zeros([3]), { name: 'gain' }))
        expectComplaint(engine(), () => save(new Scale(twins)), 'save: model', 'two of the name "gain"')
      })
    })

    it('keeps numbers in 16 bits, and reads them as others write them', () => {
      engine().scope(() => {
        const model = network(engine(), 3)
        const [filter] = model.parameters as [Tensor]
        const wanted = filter.toArray()
        for (const [dtype, code, bits] of [
          ['float16', 'F16', 10],
          ['bfloat16', 'BF16', 7],
        ] as const) {
          const optimizer = adam(model.parameters)
          const bytes = save(model, { dtype, optimizer })
          const { entries } = parts(bytes)
          expect(entries['0.filter']).toMatchObject({ dtype: code, shape: [3, 3, 1, 3] })
          expect(entries['optimizer.0.filter.mean']!.dtype).toBe('F32')
          const other = network(engine(), 4)
          load(bytes, other)
          for (const [i, value] of other.parameters[0]!.toArray().entries())
            expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(Math.abs(wanted[i]!) * 2 ** -(bits + 1))
          // What has no more digits comes back as it was.
          expect(same(save(other, { dtype }), save(model, { dtype }))).toBe(true)
        }
        expectComplaint(engine(), () => save(model, { dtype: 'F16' as never }), 'save: dtype must be')
      })
    })

    it('loads what there is, and reports the rest', () => {
      engine().scope(() => {
        const small = new Sequential(
          new Linear(engine(), { inFeatures: 3, outFeatures: 4, seed: 1 }),
          new Linear(engine(), { inFeatures: 4, outFeatures: 2, seed: 2 }),
        )
        const large = new Sequential(
          new Linear(engine(), { inFeatures: 3, outFeatures: 4, seed: 3 }),
          new Linear(engine(), { inFeatures: 4, outFeatures: 5, seed: 4 }),
          new BatchNorm2d(engine(), { channels: 5 }),
        )
        const before = save(large)
        expectComplaint(
          engine(),
          () => load(save(small), large),
          'one without 2.scale',
          'strict: false loads what there is',
        )
        expect(same(save(large), before)).toBe(true)
        const report = load(
          withHeader(save(small), (header) => {
            header['head'] = header['1.bias']!
            delete header['1.bias']
          }),
          large,
          { strict: false },
        )
        expect(report).toEqual({
          loaded: ['0.weight', '0.bias'],
          missing: ['1.bias', '2.scale', '2.offset', '2.mean', '2.variance'],
          unexpected: ['head'],
          mismatched: [{ name: '1.weight', expected: [4, 5], got: [4, 2] }],
        })
        expect(large.parameters[0]!.toArray()).toEqual(small.parameters[0]!.toArray())
        expect(load(save(small), small)).toMatchObject({ missing: [], unexpected: [], mismatched: [] })
      })
    })

    it('says by name what does not fit, and changes nothing', () => {
      engine().scope(() => {
        const model = network(engine(), 7)
        const optimizer = adam(model.parameters)
        const good = save(network(engine(), 8), { optimizer: adam(network(engine(), 8).parameters) })
        const fresh = network(engine(), 8)
        const file = save(fresh, { optimizer: adam(fresh.parameters) })
        const before = save(model, { optimizer })
        const wrong = (bytes: unknown, ...said: string[]) => {
          expectComplaint(engine(), () => load(bytes as Uint8Array, model, { optimizer }), 'load: ', ...said)
          expect(same(save(model, { optimizer }), before)).toBe(true)
        }
        const edited = (change: Parameters<typeof withHeader>[1]) => withHeader(file, change)
        wrong('weights', 'bytes must be a Uint8Array, got "weights"')
        wrong(new Uint8Array(3), 'a safetensors file, got 3 bytes')
        wrong(new Uint8Array(100).fill(7), 'a safetensors file, got something else')
        wrong(new TextEncoder().encode('<!doctype html><html></html>'), 'a safetensors file')
        wrong(file.subarray(0, 100), 'bytes must be', 'got 100. The file ends early')
        wrong(
          file.subarray(0, file.length - 1),
          `bytes must be ${file.length} bytes, got ${file.length - 1}. The file ends early`,
        )
        wrong(new Uint8Array([...file, 1, 2]), `one of ${file.length} bytes, and 2 more`)
        wrong(
          Uint8Array.from(file, (byte, i) => (i === 9 ? 0x7b : byte)),
          'whose header is no JSON',
        )
        wrong(
          save(network(engine(), 9, 2), { optimizer: adam(network(engine(), 9, 2).parameters) }),
          '0.filter',
        )
        wrong(
          edited((header) => {
            header['0.bias']!['shape'] = [3, 1]
          }),
          '0.bias must be [3], got [3, 1]',
        )
        wrong(
          edited((header) => {
            header['0.bias']!['shape'] = [4]
          }),
          '0.bias has 12 bytes for [4]',
        )
        wrong(
          edited((header) => {
            header['0.bias']!['dtype'] = 'I32'
          }),
          '0.bias must be of floats (F32, F16, BF16 or F64), got I32',
        )
        wrong(
          edited((header) => {
            header['0.bias'] = {}
          }),
          '0.bias has no type, shape or place',
        )
        wrong(
          edited((header) => {
            header['head'] = header['0.bias']!
            delete header['0.bias']
          }),
          'without 0.bias',
        )
        wrong(
          edited((header) => {
            header['head'] = header['0.bias']!
          }),
          'one that also has head',
        )
        wrong(
          edited((header) => {
            header['__metadata__']!['generators'] = '[1,2]'
          }),
          'generators must be the states of 1, got [1,2]',
        )
        wrong(
          edited((header) => {
            header['__metadata__']!['steps'] = 'many'
          }),
          'steps must be',
        )
        wrong(save(fresh), 'without optimizer.0.filter.mean')
        const other = sgd(model.parameters, { momentum: 0.9 })
        expectComplaint(
          engine(),
          () => load(file, model, { optimizer: other }),
          'one that also has optimizer.0.filter.square',
        )
        expectComplaint(
          engine(),
          () => load(good, new Dropout({ rate: 0.5 })),
          'load: model must be a layer with parameters',
        )
      })
    })
  })
})
