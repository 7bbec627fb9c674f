import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concat, createEngine, type Engine, gather, gru, lstm, rnn } from '../../src/index.js'
import {
  adam,
  crossEntropy,
  Gru,
  Linear,
  Lstm,
  load,
  type RecurrentLayerOptions,
  Rnn,
  Sequential,
  save,
  saveOnnx,
  fit as train,
} from '../../src/nn/index.js'
import { loadModel } from '../../src/onnx/index.js'
import { expectComplaint } from '../support/check.js'
import { Random } from '../support/random.js'

const KINDS = { Rnn, Lstm, Gru }
type Name = keyof typeof KINDS
const NAMES = Object.keys(KINDS) as Name[]

describe('recurrent layers', () => {
  let engine: Engine
  const random = new Random(20261210)
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  /** With biases that are not 0. */
  const layerOf = (name: Name, options: RecurrentLayerOptions) => {
    const layer = new KINDS[name](engine, { seed: 1, ...options })
    for (const each of layer.parameters)
      if (each.shape.length === 1) each.set(random.floats(each.size, -0.5, 0.5))
    return layer
  }

  it('are their ops, in both directions and on top of each other', () => {
    const ops = { Rnn: rnn, Lstm: lstm, Gru: gru }
    for (const name of NAMES) {
      engine.scope(() => {
        const options = { inFeatures: 3, hidden: 5, bidirectional: true, layers: 2 }
        const x = engine.tensor(random.floats(2 * 4 * 3), [2, 4, 3])
        const layer = layerOf(name, options)
        const named = new Map(layer.parameters.map((each) => [each.name, each]))
        const way = (place: string, reverse: boolean) => ({
          inputWeight: named.get(`inputWeight${place}`)!,
          stateWeight: named.get(`stateWeight${place}`)!,
          bias: named.get(`bias${place}`)!,
          ...(name === 'Gru' && { stateBias: named.get(`stateBias${place}`)! }),
          reverse,
        })
        const both = (y: typeof x, place: string) => [
          ops[name](y, way(place, false)),
          ops[name](y, way(`${place}.reverse`, true)),
        ]
        const first = concat(
          both(x, '').map(({ output }) => output),
          { axis: -1 },
        )
        const second = both(first, '.1')
        const want = concat(
          second.map(({ output }) => output),
          { axis: -1 },
        )
        expect(layer.forward(x).shape).toEqual([2, 4, 10])
        expect(layer.forward(x).toArray()).toEqual(want.toArray())
        // The last state of each direction: of the last step, and of the first.
        const last = new KINDS[name](engine, { ...options, output: 'last' })
        for (const [i, each] of layer.parameters.entries()) last.parameters[i]!.set(each.toArray())
        const states = concat(
          [0, 1].map((d) =>
            gather(
              gather(want, d ? [0] : [3], { axis: 1 }).reshape([2, 10]),
              [0, 1, 2, 3, 4].map((i) => i + 5 * d),
              {
                axis: 1,
              },
            ),
          ),
          { axis: -1 },
        )
        expect(last.forward(x).toArray()).toEqual(states.toArray())
      })
    }
  })

  it('are written as the operators of the standard, and come back equal', async () => {
    for (const name of NAMES) {
      for (const options of [
        { output: 'sequence' },
        { output: 'last' },
        { output: 'last', bidirectional: true, layers: 2 },
        { output: 'sequence', bidirectional: true },
      ] as const) {
        const layer = layerOf(name, { inFeatures: 3, hidden: 5, ...options })
        const x = random.floats(2 * 6 * 3)
        const want = engine.scope(() => {
          const y = layer.forward(engine.tensor(x, [2, 6, 3]))
          return { shape: [...y.shape], data: y.toArray() }
        })
        const about = `${name} ${JSON.stringify(options)}`
        const bytes = saveOnnx(layer, [6, 3])
        using model = await loadModel(engine, bytes)
        const ops = model.summary().map(({ op }) => op)
        expect(ops, about).toContain({ Rnn: 'RNN', Lstm: 'LSTM', Gru: 'GRU' }[name])
        const [input] = model.inputs
        const [back] = Object.values(model.run({ [input!.name]: { data: x, shape: [2, 6, 3] } }))
        expect([...back!.shape], about).toEqual(want.shape)
        // The file's operator puts steps first, so that products round in another order.
        for (const [i, v] of (back!.toArray() as Float32Array).entries())
          expect(Math.abs(v - want.data[i]!), about).toBeLessThan(2e-6)

        const session = await InferenceSession.create(bytes)
        const [theirs] = Object.values(
          await session.run({ [session.inputNames[0]!]: new OnnxTensor('float32', x, [2, 6, 3]) }),
        )
        await session.release()
        expect(theirs!.dims, about).toEqual(want.shape)
        for (const [i, v] of (theirs!.data as Float32Array).entries())
          expect(Math.abs(v - want.data[i]!), about).toBeLessThan(2e-6)
        layer.dispose()
      }
    }
  })

  it('are saved and loaded, and begin with the same numbers for the same seed', () => {
    for (const name of NAMES) {
      const options = { inFeatures: 2, hidden: 3, layers: 2, bidirectional: true }
      const layer = layerOf(name, options)
      const other = new KINDS[name](engine, { ...options, seed: 2 })
      const again = new KINDS[name](engine, { ...options, seed: 2 })
      const numbers = (from: typeof layer) => from.parameters.map((each) => [...each.toArray()])
      expect(numbers(again)).toEqual(numbers(other))
      expect(numbers(other)).not.toEqual(numbers(layer))
      load(save(layer), other)
      expect(numbers(other)).toEqual(numbers(layer))
      for (const each of [layer, other, again]) each.dispose()
    }
  })

  it('learn which of two marks came first, 20 steps ago', async () => {
    for (const [name, bidirectional] of [
      ['Lstm', false],
      ['Gru', true],
    ] as const) {
      const model = new Sequential(
        new KINDS[name](engine, { inFeatures: 2, hidden: 16, output: 'last', bidirectional, seed: 3 }),
        new Linear(engine, { inFeatures: bidirectional ? 32 : 16, outFeatures: 2, seed: 4 }),
      )
      const [count, steps] = [128, 20]
      const inputs = new Float32Array(count * steps * 2)
      const labels = Int32Array.from({ length: count }, (_, i) => i % 2)
      for (let i = 0; i < count; i++) {
        const [a, b] = [random.integer(0, 4), random.integer(6, 12)]
        inputs[(i * steps + a) * 2 + (i % 2)] = 1
        inputs[(i * steps + b) * 2 + 1 - (i % 2)] = 1
      }
      const optimizer = adam(model.parameters, { learningRate: 0.02 })
      await train(
        model,
        { inputs, shape: [steps, 2], labels },
        { epochs: 30, batchSize: 32, optimizer, loss: crossEntropy, seed: 5 },
      )
      const right = engine.scope(() => {
        const y = model.forward(engine.tensor(inputs, [count, steps, 2])).toArray()
        return labels.filter((label, i) => y[2 * i + label]! > y[2 * i + 1 - label]!).length
      })
      expect(right, name).toBeGreaterThan(0.95 * count)
      optimizer.dispose()
      model.dispose()
    }
  })

  it('say what is wrong', () => {
    const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine, fn, ...parts)
    const options = { inFeatures: 2, hidden: 3 }
    complaint(() => new Lstm(engine, { ...options, hidden: 0 }), 'Lstm: hidden must be')
    complaint(() => new Gru(engine, { ...options, layers: 0.5 }), 'Gru: layers must be')
    complaint(
      () => new Rnn(engine, { ...options, output: 'all' as 'last' }),
      "Rnn: output must be 'sequence' or 'last'",
    )
    complaint(
      () => new Rnn(engine, { ...options, activation: 'elu' as 'relu' }),
      "activation must be 'tanh' or 'relu'",
    )
    complaint(() => new Gru(engine, { ...options, bidirectional: 1 as unknown as boolean }), 'true or false')
  })
})
