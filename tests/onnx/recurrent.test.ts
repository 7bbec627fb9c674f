/** RNN, GRU and LSTM by the kernel of whole sequences, and cell by cell. tests/referee has ONNX Runtime's word. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'

const random = new Random(20261209)
const gatesOf = { RNN: 1, GRU: 3, LSTM: 4 }
type Op = keyof typeof gatesOf
const OPS = Object.keys(gatesOf) as Op[]

const [steps, n, width, hidden] = [4, 6, 3, 9]

/** A value at each place of [a, b, ...] turned into [b, a, ...]. */
const swapped = (data: Float32Array, [a, b, ...rest]: readonly number[]) => {
  const inner = rest.reduce((size, length) => size * length, 1)
  return Float32Array.from(data, (_, i) => {
    const [row, k] = [Math.floor(i / inner), i % inner]
    return data[((row % a!) * b! + Math.floor(row / a!)) * inner + k]!
  })
}

describe('recurrent nodes', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  const weights = (op: Op, directions: number) => {
    const floats = (name: string, ...shape: number[]) => ({
      name,
      shape,
      data: random.floats(
        shape.reduce((a, b) => a * b, 1),
        -0.6,
        0.6,
      ),
    })
    const columns = gatesOf[op] * hidden
    return [
      floats('w', directions, columns, width),
      floats('r', directions, columns, hidden),
      floats('b', directions, 2 * columns),
    ]
  }
  const modelOf = (
    op: Op,
    initializers: NonNullable<Parameters<typeof writeModel>[0]['initializers']>,
    attributes: NodeParts['attributes'] = {},
    more: string[] = [],
  ) =>
    loadModel(
      engine,
      writeModel({
        opset: 14,
        nodes: [
          {
            op,
            inputs: ['x', 'w', 'r', 'b', ...more],
            outputs: op === 'LSTM' ? ['y', 'h', 'c'] : ['y', 'h'],
            attributes: {
              hidden_size: hidden,
              direction: 'bidirectional',
              linear_before_reset: 1,
              ...attributes,
            },
          },
        ],
        inputs: [{ name: 'x', shape: [null, null, width] }],
        outputs: [{ name: 'y' }, { name: 'h' }, ...(op === 'LSTM' ? [{ name: 'c' }] : [])],
        initializers,
      }),
    )
  type Model = Awaited<ReturnType<typeof modelOf>>
  const x = { data: random.floats(steps * n * width), shape: [steps, n, width] }
  const answer = (model: Model, input = x) =>
    Object.values(model.run({ x: input })).map((output) => ({
      shape: [...output.shape],
      data: output.toArray() as Float32Array,
    }))

  it('replay as products and sequences, and allocate nothing', async () => {
    for (const op of OPS) {
      using model = await modelOf(op, weights(op, 2))
      const wanted = answer(model)
      expect(answer(model)).toEqual(wanted)
      const memory = engine.memory()
      for (let round = 0; round < 3; round++) expect(answer(model)).toEqual(wanted)
      expect(engine.memory()).toEqual(memory)
      expect(model.summary()[0]!.kernels).toEqual(['igemm', 'recurrent'])
    }
  })

  it('give the same in both layouts', async () => {
    for (const op of OPS) {
      const initializers = weights(op, 2)
      using stepsFirst = await modelOf(op, initializers)
      using batchFirst = await modelOf(op, initializers, { layout: 1 })
      const [y, ...states] = answer(stepsFirst)
      const [turned, ...turnedStates] = answer(batchFirst, {
        data: swapped(x.data, x.shape),
        shape: [n, steps, width],
      })
      expect(turned!.shape).toEqual([n, steps, 2, hidden])
      // [steps, directions, n, hidden] -> [steps, n, directions, hidden] -> [n, steps, directions, hidden]
      const inner = 2 * n * hidden
      const rows = Float32Array.from({ length: y!.data.length }, () => 0)
      for (let t = 0; t < steps; t++)
        rows.set(swapped(y!.data.slice(t * inner, (t + 1) * inner), [2, n, hidden]), t * inner)
      expect(turned!.data, op).toEqual(swapped(rows, [steps, n, 2 * hidden]))
      for (const [i, state] of states.entries())
        expect(turnedStates[i]!.data, `${op} state ${i}`).toEqual(swapped(state.data, [2, n, hidden]))
    }
  })

  it('are what they are cell by cell', async () => {
    const zeros = (name: string, ...shape: number[]) => ({
      name,
      shape,
      data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
    })
    // A clip that nothing reaches, or peepholes of 0, take the other way.
    for (const [op, attributes, peepholes] of [
      ['RNN', { clip: { float: 1e30 } }, false],
      ['GRU', { clip: { float: 1e30 } }, false],
      ['LSTM', {}, true],
    ] as const) {
      const initializers = weights(op, 2)
      using model = await modelOf(op, initializers)
      using cells = await (peepholes
        ? modelOf(op, [...initializers, zeros('p', 2, 3 * hidden)], attributes, ['', '', '', 'p'])
        : modelOf(op, initializers, attributes))
      const [got, wanted] = [answer(model), answer(cells)]
      expect(cells.summary()[0]!.kernels).not.toContain('recurrent')
      for (const [i, { data, shape }] of wanted.entries()) {
        expect(got[i]!.shape).toEqual(shape)
        for (const [k, v] of data.entries())
          expect(Math.abs(got[i]!.data[k]! - v), `${op} ${i}`).toBeLessThan(4e-6)
      }
    }
  })

  it('take lengths from outside, other ones in each run', async () => {
    const bytes = writeModel({
      opset: 14,
      nodes: [
        {
          op: 'LSTM',
          inputs: ['x', 'w', 'r', 'b', 'lengths'],
          outputs: ['y', 'h'],
          attributes: { hidden_size: hidden },
        },
      ],
      inputs: [
        { name: 'x', shape: [null, null, width] },
        { name: 'lengths', type: 'int32', shape: [null] },
      ],
      outputs: [{ name: 'y' }, { name: 'h' }],
      initializers: weights('LSTM', 1),
    })
    using model = await loadModel(engine, bytes)
    for (const lengths of [
      [4, 4, 4, 4, 4, 4],
      [0, 1, 2, 3, 4, 1],
      [1, 1, 1, 2, 2, 2],
    ]) {
      const { y, h } = model.run({ x, lengths: { data: Int32Array.from(lengths), shape: [n] } })
      const [all, last] = [y!.toArray(), h!.toArray()] as [Float32Array, Float32Array]
      for (let row = 0; row < n; row++) {
        const at = (t: number) => [...all.slice((t * n + row) * hidden, (t * n + row + 1) * hidden)]
        const state = [...last.slice(row * hidden, (row + 1) * hidden)]
        expect(state).toEqual(lengths[row] ? at(lengths[row]! - 1) : Array(hidden).fill(0))
        for (let t = 0; t < steps; t++) expect(at(t).every((v) => v === 0)).toBe(t >= lengths[row]!)
      }
    }
  })
})
