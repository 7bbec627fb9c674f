import { describe, expect, it } from 'vitest'
import { type Engine, mean, mul, relu, sum, type Tensor } from '../../src/index.js'
import {
  adam,
  BatchNorm2d,
  Conv2d,
  cosine,
  crossEntropy,
  type Data,
  Dropout,
  evaluate,
  Flatten,
  Layer,
  Linear,
  load,
  predict,
  Sequential,
  save,
  sgd,
  shift,
  fit as train,
  valueAndGradients,
} from '../../src/nn/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'

/** Layers in fields, in an array and in a plain object, one of them twice. */
class Block extends Layer {
  readonly conv: Conv2d
  readonly rest: { norms: Layer[]; drop: Dropout }
  readonly again: Layer

  constructor(engine: Engine, seed = 1) {
    super()
    this.conv = new Conv2d(engine, { inChannels: 1, outChannels: 3, size: 3, padding: 'same', seed })
    this.rest = {
      norms: [new BatchNorm2d(engine, { channels: 3 }), new BatchNorm2d(engine, { channels: 3 })],
      drop: new Dropout({ rate: 0.25 }),
    }
    this.again = this.rest.norms[0]!
  }

  forward(x: Tensor): Tensor {
    const { norms, drop } = this.rest
    return drop.forward(
      relu([...norms, this.again].reduce((value, norm) => norm.forward(value), this.conv.forward(x))),
    )
  }
}

const network = (engine: Engine, seed = 1) =>
  new Sequential(
    new Block(engine, seed),
    new Flatten(),
    new Linear(engine, { inFeatures: 48, outFeatures: 2, seed }),
  )

const random = new Random(20261128)
const data = {
  inputs: random.floats(40 * 16, 1, 3),
  shape: [4, 4, 1],
  labels: Int32Array.from({ length: 40 }, () => random.integer(0, 1)),
} satisfies Data
const numbers = (tensors: readonly Tensor[]) => tensors.map((tensor) => [...tensor.toArray()])

describe('modes of layers', () => {
  inEveryBuild((engine) => {
    const within = (name: string, test: () => Promise<void>) =>
      it(name, async () => {
        const made = new Set<Tensor>()
        const { track } = engine() as unknown as { track: (tensor: Tensor) => void }
        const noted = (tensor: Tensor) => {
          made.add(tensor)
          track.call(engine(), tensor)
        }
        Object.assign(engine(), { track: noted })
        try {
          await test()
        } finally {
          delete (engine() as unknown as { track?: unknown }).track
          for (const tensor of made) tensor.dispose()
        }
      })

    within('a composite layer hands on mode, parameters, state, names and files', async () => {
      const model = network(engine())
      expect([...model.names.values()]).toEqual([
        '0.conv.filter',
        '0.conv.bias',
        '0.rest.norms.0.scale',
        '0.rest.norms.0.offset',
        '0.rest.norms.1.scale',
        '0.rest.norms.1.offset',
        '2.weight',
        '2.bias',
        '0.rest.norms.0.mean',
        '0.rest.norms.0.variance',
        '0.rest.norms.1.mean',
        '0.rest.norms.1.variance',
      ])
      expect(model.parameters.length).toBe(8)
      expect(model.generators.length).toBe(1)
      model.training = true
      const block = model.layers[0] as Block
      expect(
        [block, block.conv, ...block.rest.norms, block.rest.drop].map(({ training }) => training),
      ).toEqual(Array(5).fill(true))
      model.training = false
      expect(block.rest.drop.training).toBe(false)
      await train(model, data, { optimizer: sgd(model.parameters), epochs: 2 })
      expect(model.training).toBe(false)
      for (const means of [model.state[0]!, model.state[2]!])
        expect(means.toArray().some((value) => value !== 0)).toBe(true)
      const other = network(engine(), 2)
      load(save(model), other)
      expect(save(other)).toEqual(save(model))
    })

    within(
      'a layer by its own accessor, and one that nobody sees but by its tensors, follow too',
      async () => {
        class Own extends Layer {
          constructor(readonly norm: BatchNorm2d) {
            super()
          }
          override get training() {
            return this.norm.training
          }
          override set training(value: boolean) {
            if (this.norm) this.norm.training = value
          }
          forward(x: Tensor) {
            return this.norm.forward(x)
          }
        }
        class Hidden extends Layer {
          readonly #norm: BatchNorm2d
          constructor(norm: BatchNorm2d) {
            super(norm.parameters, norm.state)
            this.#norm = norm
          }
          forward(x: Tensor) {
            return this.#norm.forward(x)
          }
        }
        const [own, hidden, outside] = [1, 2, 3].map(() => new BatchNorm2d(engine(), { channels: 1 })) as [
          BatchNorm2d,
          BatchNorm2d,
          BatchNorm2d,
        ]
        const model = new Sequential(
          new Own(own),
          new Hidden(hidden),
          new Flatten(),
          new Linear(engine(), { inFeatures: 16, outFeatures: 2, seed: 1 }),
        )
        model.training = true
        expect(own.training).toBe(true)
        model.training = false
        const loss = (y: Tensor, labels: Int32Array | Tensor) => {
          outside.forward(y.reshape([-1, 1]))
          return crossEntropy(y, labels)
        }
        await train(model, data, { optimizer: sgd(model.parameters), loss })
        expect([own, hidden, outside].map(({ state }) => state[0]!.toArray()[0] !== 0)).toEqual([
          true,
          true,
          false,
        ])
      },
    )

    within('leaves alone what is frozen, and what the optimiser does not move', async () => {
      for (const freeze of [true, false]) {
        const model = network(engine())
        const [block, , head] = model.layers as [Block, Layer, Linear]
        if (freeze) block.freeze()
        const before = [numbers(block.parameters), numbers(block.state), numbers(head.parameters)]
        await train(model, data, { optimizer: adam(freeze ? model.parameters : head.parameters), epochs: 2 })
        expect(numbers(block.parameters)).toEqual(before[0])
        expect(numbers(block.state)).toEqual(before[1])
        expect(numbers(head.parameters)).not.toEqual(before[2])
        if (!freeze) continue
        model.training = true
        expect([block.training, block.conv.training, head.training]).toEqual([false, false, true])
        block.unfreeze()
        await train(model, data, { optimizer: adam(model.parameters) })
        expect(numbers(block.parameters)).not.toEqual(before[0])
      }
    })

    within(
      'predict, evaluate and forward within fit change nothing of it; a second fit is refused',
      async () => {
        const x = engine().tensor(random.floats(5 * 16, 50, 99), [5, 4, 4, 1])
        const run = async (meddle: boolean) => {
          const model = network(engine())
          const optimizer = adam(model.parameters)
          const onBatch = async () => {
            if (!meddle) return
            model.forward(x)
            await predict(model, x, { batchSize: 2 })
            await evaluate(model, data)
            await expect(train(model, data, { optimizer: sgd(model.parameters) })).rejects.toThrow(
              'fit: model must be free',
            )
          }
          const fitting = train(model, data, { optimizer, epochs: 2, batchSize: 16, onBatch })
          if (meddle) await Promise.all([evaluate(model, data), predict(model, x), fitting])
          await fitting
          return numbers([...model.parameters, ...model.state])
        }
        expect(await run(true)).toEqual(await run(false))
      },
    )

    within('predict gives what forward gives, in batches, from tensors and arrays', async () => {
      const model = network(engine())
      model.training = true
      const before = numbers(model.state)
      const x = engine().tensor(data.inputs, [40, 4, 4, 1])
      const progress: unknown[] = []
      const answers = await predict(model, x, {
        batchSize: 15,
        onProgress: ({ done, total }) => progress.push([done, total]),
      })
      expect(progress).toEqual([
        [15, 40],
        [30, 40],
        [40, 40],
      ])
      expect(model.training).toBe(true)
      expect(numbers(model.state)).toEqual(before)
      model.training = false
      expect(answers.toArray()).toEqual(model.forward(x).toArray())
      expect(
        (await predict(model, { inputs: data.inputs, shape: [4, 4, 1] }, { batchSize: 7 })).toArray(),
      ).toEqual(answers.toArray())
      expect((await predict(model, engine().zeros([0, 4, 4, 1]))).shape).toEqual([0, 2])
      await expect(predict(model, x, { signal: AbortSignal.abort() })).rejects.toThrow('aborted')
      await expect(predict(model, 3 as never)).rejects.toThrow('predict: inputs must be a tensor')
    })

    within('a step that is refused changes nothing, neither statistics, generators nor weights', async () => {
      const model = network(engine())
      const optimizer = adam(model.parameters)
      await train(model, data, { optimizer })
      const before = save(model, { optimizer })
      const wrong = async (options: object, said: string, change: object = {}) => {
        await expect(
          train(model, { ...data, ...change }, { optimizer, batchSize: 40, ...options }),
        ).rejects.toThrow(said)
        optimizer.unfinished = undefined
        expect(save(model, { optimizer })).toEqual(before)
      }
      await wrong({}, 'An input of this batch is not finite', {
        inputs: data.inputs.map((value, i) => (i === 77 ? Number.NaN : value)),
      })
      await wrong({ loss: (y: Tensor) => mul(sum(y), Number.POSITIVE_INFINITY) }, 'in step 3')
      await wrong(
        {
          loss: () => {
            throw new Error('mine')
          },
        },
        'mine',
      )
      await wrong(
        { loss: (y: Tensor) => mul(mean(mul(mul(y, 1e-30), 1e30)), 1e38) },
        'in step 3. A smaller learning rate',
      )
    })

    within('an optimiser refuses gradients after which parameters would be no numbers', async () => {
      const w = engine().tensor([1, 2, 3], [3])
      const make = {
        sgd: () => sgd([w], { learningRate: 10 }),
        momentum: () => sgd([w], { momentum: 0.5, learningRate: 10 }),
        adam: () => adam([w]),
      }
      for (const [name, optimizer] of Object.entries(make).map(([name, of]) => [name, of()] as const)) {
        const refused = (gradient: number[], said: string) => {
          const given = engine().tensor(gradient, [3])
          expectComplaint(engine(), () => optimizer.step([given]), said)
          expect(numbers([w, ...optimizer.state])).toEqual([
            [1, 2, 3],
            ...optimizer.state.map(() => [0, 0, 0]),
          ])
          expect(optimizer.steps).toBe(0)
        }
        refused(
          [0, Number.NaN, 0],
          `${name === 'adam' ? 'adam' : 'sgd'}.step: gradients[0] must be finite, got NaN`,
        )
        refused([Number.NEGATIVE_INFINITY, 0, 0], 'gradients[0] must be finite, got -Infinity')
        refused([1, 3e38, 0], 'gradients must be of a size that leaves parameters finite')
      }
    })

    within('takes one number for each channel by the running statistics, which stay', async () => {
      const norm = new BatchNorm2d(engine(), { channels: 2 })
      norm.training = true
      norm.forward(engine().tensor([1, 2, 3, 4], [2, 2]))
      const before = numbers(norm.state)
      const y = norm.forward(engine().tensor([9, 9], [1, 2])).toArray()
      expect(numbers(norm.state)).toEqual(before)
      norm.training = false
      expect(y).toEqual(norm.forward(engine().tensor([9, 9], [1, 2])).toArray())
    })

    within('dropout drops as many as it says, each layer others, and the same in backward', async () => {
      const x = engine().tensor(new Float32Array(100_003).fill(1), [100_003])
      const layers = [0, 1].map(() => new Dropout({ rate: 0.3 })) as [Dropout, Dropout]
      const seeded = [0, 1].map(() => new Dropout({ rate: 0.3, seed: 9 })) as [Dropout, Dropout]
      for (const layer of [...layers, ...seeded]) layer.training = true
      const [a, b, again] = [layers[0], layers[1], layers[0]].map((layer) => layer.forward(x).toArray()) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ]
      expect([...new Set(a)].sort()).toEqual([0, Math.fround(1 / 0.7)])
      const share = (keeps: (i: number) => boolean) =>
        Array.from(a, (_, i) => Number(keeps(i))).reduce((total, each) => total + each) / a.length
      // Five deviations of a mean of 100,003: 0.0073.
      expect(Math.abs(share((i) => a[i] !== 0) - 0.7)).toBeLessThan(0.0073)
      expect(Math.abs(share((i) => a[i] !== 0 && b[i] !== 0) - 0.49)).toBeLessThan(0.008)
      expect(Math.abs(share((i) => a[i] !== 0 && again[i] !== 0) - 0.49)).toBeLessThan(0.008)
      for (const lag of [1, 2, 4, 4096])
        expect(Math.abs(share((i) => a[i] !== 0 && a[(i + lag) % a.length] !== 0) - 0.49)).toBeLessThan(0.008)
      expect(seeded[0].forward(x).toArray()).toEqual(seeded[1].forward(x).toArray())
      let y: Float32Array | undefined
      const { gradients } = valueAndGradients(() => {
        const dropped = layers[0].forward(x)
        y = dropped.toArray()
        return sum(dropped)
      }, [x])
      expect(gradients[0]!.toArray()).toEqual(y)
      const odd = engine().tensor([Number.NaN, Number.POSITIVE_INFINITY], [2])
      const all = new Dropout({ rate: 1 - 2 ** -40, seed: 1 })
      all.training = true
      expect([...all.forward(odd).toArray()]).toEqual([0, 0])
    })

    within('goes on in the middle of an epoch to the same bytes', async () => {
      const start = (seed: number) => {
        const model = network(engine(), seed)
        return {
          model,
          kept: { optimizer: adam(model.parameters, { learningRate: cosine(0.01, { steps: 10 }) }) },
        }
      }
      const settings = { batchSize: 9, seed: 4, epochs: 2, augment: [shift({ pixels: 1 })] }
      const whole = start(1)
      let kept: Uint8Array | undefined
      await train(whole.model, data, {
        ...settings,
        ...whole.kept,
        onBatch: ({ epoch, batch }) => {
          if (epoch === 1 && batch === 2) kept = save(whole.model, whole.kept)
        },
      })
      const second = start(2)
      load(kept!, second.model, second.kept)
      expect(save(second.model, second.kept)).toEqual(kept)
      const seen: number[] = []
      await train(second.model, data, {
        ...settings,
        ...second.kept,
        onBatch: ({ batch }) => seen.push(batch),
      })
      expect(seen).toEqual([3, 4, 5, 1, 2, 3, 4, 5])
      expect(save(second.model, second.kept)).toEqual(save(whole.model, whole.kept))
      // Stopped by a signal; other data begins anew.
      const third = start(1)
      const stop = new AbortController()
      const stopped = train(third.model, data, {
        ...settings,
        ...third.kept,
        signal: stop.signal,
        onBatch: ({ epoch, batch }) => {
          if (epoch === 2 && batch === 3) stop.abort()
        },
      })
      await expect(stopped).rejects.toThrow('aborted')
      await train(third.model, data, { ...settings, ...third.kept, epochs: 1 })
      expect(save(third.model, third.kept)).toEqual(save(whole.model, whole.kept))
    })
  })
})
