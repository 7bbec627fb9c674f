/**
 * Graphs inside of nodes: what is kept for them from run to run, whose names they may use; and what is kept
 * by node rather than by name.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type GraphParts, type ModelParts, type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { node } from '../support/onnx.js'
import { Random } from '../support/random.js'

const random = new Random(41)
const constant = (name: string, ...shape: number[]) => ({
  name,
  shape,
  data: random.floats(shape.reduce((a, b) => a * b, 1)),
})
const graph = (
  nodes: NodeParts[],
  output: string,
  initializers: GraphParts['initializers'] = [],
): GraphParts => ({
  nodes,
  inputs: [],
  outputs: [{ name: output }],
  initializers,
})
const either = (then_branch: GraphParts, else_branch: GraphParts, output = 'y') =>
  node('If', ['c'], [output], { then_branch, else_branch })

const x = random.floats(6)
const condition = (value: number) => ({ data: Uint8Array.of(value), shape: [] })

/** ONNX Runtime's answer. */
async function referee(bytes: Uint8Array, shape: number[], c?: number): Promise<number[]> {
  const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled' })
  const { y } = await session.run({
    x: new Tensor('float32', x, shape),
    ...(c !== undefined && { c: new Tensor('bool', Uint8Array.of(c), []) }),
  })
  await session.release()
  return Array.from(y!.data as Float32Array)
}

describe('graphs inside of nodes', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  /**
   * Three runs, of which the second is recorded and the third a replay, and then one of the other branch: all
   * as the referee's.
   */
  async function expectAnswers(
    parts: ModelParts,
    shape: number[],
    conditions: readonly (number | undefined)[] = [undefined],
  ) {
    const bytes = writeModel(parts)
    using model = await loadModel(engine, bytes)
    for (const c of conditions) {
      const wanted = await referee(bytes, shape, c)
      for (let run = 0; run < 3; run++) {
        const { y } = model.run({ x: { data: x, shape }, ...(c !== undefined && { c: condition(c) }) })
        const got = y!.toArray() as Float32Array
        expect(got.length).toBe(wanted.length)
        wanted.forEach((value, i) => {
          expect(got[i], `run ${run}, element ${i}`).toBeCloseTo(value, 5)
        })
      }
    }
  }

  it.each([
    ['RNN', 1],
    ['GRU', 3],
    ['LSTM', 4],
  ] as const)('keeps the weights of two %s apart that leave out their first output', async (op, gates) => {
    const weights = ['w1', 'r1', 'w2', 'r2'].map((name) => constant(name, 1, gates * 2, 2))
    const layer = (i: number) => node(op, ['x', `w${i}`, `r${i}`], ['', `h${i}`], { hidden_size: 2 })
    const nodes = [layer(1), layer(2), node('Concat', ['h1', 'h2'], ['y'], { axis: 2 })]
    await expectAnswers(
      { nodes, inputs: [{ name: 'x', shape: [3, 1, 2] }], outputs: [{ name: 'y' }], initializers: weights },
      [3, 1, 2],
    )
  })

  it('keeps what belongs to branches apart that use equal names', async () => {
    const branch = () =>
      graph([node('LSTM', ['x', 'w', 'r'], ['s', 'h'], { hidden_size: 2 })], 'h', [
        constant('w', 1, 8, 2),
        constant('r', 1, 8, 2),
      ])
    const inputs = [
      { name: 'x', shape: [3, 1, 2] },
      { name: 'c', type: 'bool', shape: [] },
    ] as const
    await expectAnswers(
      { nodes: [either(branch(), branch())], inputs, outputs: [{ name: 'y' }] },
      [3, 1, 2],
      [1, 0, 1],
    )
  })

  it('replays a branch that shapes decide, with constants of all kinds', async () => {
    const lstm = node('LSTM', ['x', 'w', 'r'], ['', 't'], { hidden_size: 2 })
    const made = (name: string, ...shape: number[]) =>
      node('Constant', [], [name], { value: constant(name, ...shape) })
    const variants: [GraphParts, ModelParts['initializers']?][] = [
      [graph([lstm], 't', [constant('w', 1, 8, 2), constant('r', 1, 8, 2)])],
      [graph([made('w', 1, 8, 2), made('r', 1, 8, 2), lstm], 't')],
      [graph([lstm], 't'), [constant('w', 1, 8, 2), constant('r', 1, 8, 2)]],
      [graph([made('w', 2, 2), node('MatMul', ['x', 'w'], ['t'])], 't')],
      [graph([made('w', 2), node('Add', ['x', 'w'], ['t'])], 't')],
      [graph([made('w', 3, 1, 2), node('Identity', ['w'], ['t'])], 't')],
    ]
    const one = { name: 'one', shape: [1], data: BigInt64Array.of(1n) }
    for (const [then, around = []] of variants) {
      const decide = [node('Shape', ['x'], ['s'], { start: 1, end: 2 }), node('Equal', ['s', 'one'], ['c'])]
      const nodes = [
        ...decide,
        either(then, graph([node('Neg', ['x'], ['e'])], 'e'), 'i'),
        node('Neg', ['i'], ['y']),
      ]
      await expectAnswers(
        {
          nodes,
          inputs: [{ name: 'x', shape: ['n', 1, 2] }],
          outputs: [{ name: 'y' }],
          initializers: [one, ...around],
        },
        [3, 1, 2],
      )
    }
  })

  it('lets them use names that are made around them, as ONNX Runtime does', async () => {
    const inputs = [
      { name: 'x', shape: [6] },
      { name: 'c', type: 'bool', shape: [] },
    ] as const
    const neg = (from: string, to: string) => node('Neg', [from], [to])
    const other = graph([node('Abs', ['x'], ['e'])], 'e')
    const outputs = [{ name: 'y' }]
    const later = [
      either(graph([neg('x', 'a')], 'a'), other, 'i'),
      node('Abs', ['x'], ['a']),
      node('Add', ['a', 'i'], ['y']),
    ]
    await expectAnswers({ nodes: later, inputs, outputs }, [6], [1, 0])
    await expectAnswers(
      {
        nodes: [either(graph([neg('x', 'y')], 'y'), graph([node('Abs', ['x'], ['y'])], 'y'))],
        inputs,
        outputs,
      },
      [6],
      [1, 0],
    )
    const own = graph([node('Add', ['x', 'w'], ['t'])], 't', [constant('w', 6)])
    await expectAnswers(
      {
        nodes: [either(own, other, 'i'), node('Add', ['i', 'w'], ['y'])],
        inputs,
        outputs,
        initializers: [constant('w', 6)],
      },
      [6],
      [1, 0],
    )
  })

  it('refuses a name that could mean two values', async () => {
    const inputs = [
      { name: 'x', shape: [6] },
      { name: 'c', type: 'bool', shape: [] },
    ] as const
    const both = graph(
      [node('Neg', ['a'], ['b']), node('Neg', ['x'], ['a']), node('Add', ['a', 'b'], ['t'])],
      't',
    )
    const nodes = [node('Abs', ['x'], ['a']), either(both, graph([node('Abs', ['x'], ['e'])], 'e'))]
    await expect(loadModel(engine, writeModel({ nodes, inputs, outputs: [{ name: 'y' }] }))).rejects.toThrow(
      /value "a" must be made once/,
    )
    const twice = {
      nodes: [node('Neg', ['x'], ['y'])],
      inputs: [inputs[0], inputs[0]],
      outputs: [{ name: 'y' }],
    }
    await expect(loadModel(engine, writeModel(twice))).rejects.toThrow(/input "x" must be named once/)
  })

  it('gives a value out twice', async () => {
    const branch = (op: string): GraphParts => ({
      ...graph([node(op, ['x'], ['t'])], 't'),
      outputs: [{ name: 't' }, { name: 't' }],
    })
    const nodes = [
      node('If', ['c'], ['p', 'q'], { then_branch: branch('Neg'), else_branch: branch('Abs') }),
      node('Add', ['p', 'q'], ['y']),
    ]
    const inputs = [
      { name: 'x', shape: [6] },
      { name: 'c', type: 'bool', shape: [] },
    ] as const
    using model = await loadModel(engine, writeModel({ nodes, inputs, outputs: [{ name: 'y' }] }))
    for (let run = 0; run < 3; run++)
      expect(model.run({ x, c: condition(1) }).y!.toArray()).toEqual(x.map((v) => -2 * v))
  })

  it('keeps forms of one constant apart that several nodes read differently', async () => {
    // [oc, ic, kd, kh, kw] of a Conv and [ic, oc, kd, kh, kw] of a ConvTranspose: tied weights.
    const w = constant('w', 2, 2, 2, 1, 1)
    const conv = [node('Conv', ['x', 'w'], ['a']), node('ConvTranspose', ['a', 'w'], ['y'])]
    await expectAnswers(
      {
        nodes: conv,
        inputs: [{ name: 'x', shape: [1, 2, 3, 1, 1] }],
        outputs: [{ name: 'y' }],
        initializers: [w],
      },
      [1, 2, 3, 1, 1],
    )
    const grouped = [
      node('ConvTranspose', ['x', 'w'], ['a']),
      node('ConvTranspose', ['x', 'w'], ['b'], { group: 2 }),
      node('Concat', ['a', 'b'], ['y'], { axis: 1 }),
    ]
    await expectAnswers(
      {
        nodes: grouped,
        inputs: [{ name: 'x', shape: [1, 2, 3, 1, 1] }],
        outputs: [{ name: 'y' }],
        initializers: [w],
      },
      [1, 2, 3, 1, 1],
    )
  })

  it('keeps the tables of runs with taps no longer than those taps', async () => {
    const nodes = [
      node('LSTM', ['x', 'w', 'r'], ['', 'h'], { hidden_size: 2 }),
      node('Relu', ['h'], ['a']),
      node('Sigmoid', ['a'], ['s']),
      node('Mul', ['a', 's'], ['y']),
    ]
    const initializers = [constant('w', 1, 8, 2), constant('r', 1, 8, 2)]
    using model = await loadModel(
      engine,
      writeModel({
        nodes,
        inputs: [{ name: 'x', shape: [3, 1, 2] }],
        outputs: [{ name: 'y' }],
        initializers,
      }),
    )
    model.run({ x })
    model.run({ x }, { taps: ['s'] })
    const { tensors } = engine.memory()
    for (let run = 0; run < 4; run++) model.run({ x }, { taps: run % 2 ? ['s'] : ['s', 'a'] })
    expect(engine.memory().tensors).toBe(tensors)
  })

  it('gives out constants of the graphs around, also where what was recorded of it goes', async () => {
    const length = { type: 'int64' as const, shape: [] }
    const body: GraphParts = {
      nodes: [node('Identity', ['go'], ['on']), node('Identity', ['h'], ['part'])],
      inputs: [
        { name: 'i', ...length },
        { name: 'go', type: 'bool', shape: [] },
      ],
      outputs: [{ name: 'on', type: 'bool', shape: [] }, { name: 'part' }],
    }
    // How many parts there are changes, and so the branch is recorded anew; it gives out what y is made of.
    const then_branch = graph(
      [node('Identity', ['x'], ['h']), node('Loop', ['k', ''], ['parts'], { body })],
      'm',
    )
    const nodes = [
      node('Neg', ['w'], ['m']),
      node('Add', ['m', 'x'], ['y']),
      node('If', ['c'], ['z'], { then_branch, else_branch: graph([], 'w') }),
    ]
    const file = writeModel({
      nodes,
      inputs: [
        { name: 'x', shape: [6] },
        { name: 'k', ...length },
        { name: 'c', type: 'bool', shape: [] },
      ],
      outputs: [{ name: 'y' }, { name: 'z' }],
      initializers: [{ name: 'w', shape: [6], data: new Float32Array(6).fill(0.5) }],
    })
    using model = await loadModel(engine, file)
    for (const k of [2, 2, 3, 3, 2, 2, 3, 3, 2]) {
      const { y, z } = model.run({ x: Array(6).fill(k), k: [k], c: [1] })
      expect([...y!.toArray()]).toEqual(Array(6).fill(k - 0.5))
      expect([...z!.toArray()]).toEqual(Array(6).fill(-0.5))
    }
  })
})
