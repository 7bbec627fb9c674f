/**
 * Runs of which the host has a part: jobs that are replayed, with host steps between them. Every run, and
 * every way to run, gives the same bytes, and the answer of ONNX Runtime.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type GraphParts, type ModelParts, type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel, type Model, type ModelOutputs } from '../../src/onnx/index.js'
import { node, whole } from '../support/onnx.js'
import { Random } from '../support/random.js'

const random = new Random(15)
const constant = (name: string, ...shape: number[]) => ({
  name,
  shape,
  data: random.floats(shape.reduce((a, b) => a * b, 1)),
})
const graph = (nodes: NodeParts[], ...outputs: string[]): GraphParts => ({
  nodes,
  inputs: [],
  outputs: outputs.map((name) => ({ name })),
})

type Feed = { data: Float32Array | BigInt64Array | Int32Array | Uint8Array; shape: number[] }
type Feeds = Record<string, Feed>

async function referee(bytes: Uint8Array, feeds: Feeds) {
  const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled' })
  const types = new Map(session.inputMetadata.map((port) => [port.name, 'type' in port ? port.type : '']))
  const inputs = Object.entries(feeds).map(
    ([name, { data, shape }]) =>
      [name, new Tensor(types.get(name) as 'float32', data as never, shape)] as const,
  )
  const outputs = await session.run(Object.fromEntries(inputs))
  await session.release()
  return outputs
}

const bitsOf = (outputs: ModelOutputs): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(outputs).map(([name, { shape, type, data }]) => [name, { shape, type, data }]),
  )

describe('a run with the host between its jobs', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  /** Runs on some inputs in turn, several times; the answers of the last model that was loaded. */
  async function expectAnswers(parts: ModelParts, all: readonly Feeds[], look?: (model: Model) => void) {
    const bytes = writeModel(parts)
    using model = await loadModel(engine, bytes)
    const first: ModelOutputs[] = []
    for (let round = 0; round < 4; round++) {
      for (const [i, feeds] of all.entries()) {
        const outputs = round === 3 ? await model.runAsync(feeds) : model.run(feeds)
        first[i] ??= outputs
        expect(bitsOf(outputs), `round ${round} of inputs ${i}`).toEqual(bitsOf(first[i]!))
      }
    }
    for (const [i, feeds] of all.entries()) {
      const wanted = await referee(bytes, feeds)
      for (const [name, { dims, data }] of Object.entries(wanted)) {
        const got = first[i]![name]!
        expect(got.shape).toEqual(dims)
        Array.from(data as Float32Array, Number).forEach((value, k) => {
          expect(Number(got.toArray()[k]), `${name}[${k}] of inputs ${i}`).toBeCloseTo(value, 4)
        })
      }
      // Names within are the same when they are asked for.
      const taps = parts.nodes.slice(0, 1).map(({ outputs }) => outputs[0]!)
      const { ...outputs } = model.run(feeds, { taps })
      for (const name of taps) if (!(name in wanted)) delete outputs[name]
      expect(bitsOf(outputs)).toEqual(bitsOf(first[i]!))
    }
    look?.(model)
  }

  const convs = (count: number): NodeParts[] =>
    Array.from({ length: count }, (_, i) => [
      node('Conv', [i ? `h${i - 1}` : 'x', 'w'], [`c${i}`]),
      node('Tanh', [`c${i}`], [`h${i}`]),
    ]).flat()
  const w = constant('w', 4, 4, 1, 1)
  const x = { name: 'x', shape: [1, 4, 3, 5] }
  const image = (): Feed => ({ data: random.floats(60), shape: [1, 4, 3, 5] })
  /** Every convolution is a job of a recording. */
  const isRecorded = (model: Model) => {
    for (const { op, kernels } of model.summary())
      if (op.startsWith('Conv')) expect(kernels.length, op).toBeGreaterThan(0)
  }

  it.each([
    { what: 'one of two', other: graph([node('Neg', ['h2'], ['e'])], 'e') },
    { what: 'one, or what there is', other: graph([node('Identity', ['h2'], ['e'])], 'e') },
  ])('replays what stands around numbers that choose a branch: $what', async ({ other }) => {
    const nodes = [
      ...convs(3),
      node('ReduceMax', ['h2'], ['m'], { keepdims: 0 }),
      node('Greater', ['m', 'half'], ['g']),
      node('If', ['g'], ['i'], {
        then_branch: graph([node('Conv', ['h2', 'w'], ['t'])], 't'),
        else_branch: other,
      }),
      node('Conv', ['i', 'w'], ['y']),
    ]
    const half = { name: 'half', shape: [], data: Float32Array.of(0.5) }
    const none = { data: new Float32Array(60), shape: x.shape }
    const feeds = [image(), image(), none, image(), none].map((x) => ({ x }))
    await expectAnswers(
      { nodes, inputs: [x], outputs: [{ name: 'y' }], initializers: [w, half] },
      feeds,
      isRecorded,
    )
  })

  it('uploads indices and other long numbers of the inputs in each run', async () => {
    const nodes = [
      ...convs(2),
      node('Cast', ['rate'], ['r'], { to: 1 }),
      node('Mul', ['h1', 'r'], ['scaled']),
      node('Gather', ['scaled', 'rows'], ['y'], { axis: 2 }),
    ]
    const inputs = [
      x,
      { name: 'rate', type: 'int64', shape: [1] },
      { name: 'rows', type: 'int64', shape: [2] },
    ] as const
    const feeds = [1, 2, 3].map((rate) => ({
      x: image(),
      rate: { data: BigInt64Array.of(BigInt(rate)), shape: [1] },
      rows: { data: BigInt64Array.of(BigInt(rate - 1), -1n), shape: [2] },
    }))
    await expectAnswers({ nodes, inputs, outputs: [{ name: 'y' }], initializers: [w] }, feeds, isRecorded)
  })

  it('takes as many numbers as are found, and their shape for what it is in each run', async () => {
    const nodes = [
      ...convs(2),
      node('Greater', ['h1', 'zero'], ['g']),
      node('NonZero', ['g'], ['places']),
      node('Shape', ['places'], ['size']),
      node('Transpose', ['places'], ['rows']),
      node('GatherND', ['h1', 'rows'], ['found']),
      node('Mul', ['found', 'found'], ['y']),
    ]
    const zero = { name: 'zero', shape: [], data: Float32Array.of(0) }
    await expectAnswers(
      {
        nodes,
        inputs: [x],
        outputs: [{ name: 'y' }, { name: 'size', type: 'int64' }],
        initializers: [w, zero],
      },
      [image(), image(), image(), { data: new Float32Array(60), shape: x.shape }].map((x) => ({ x })),
      isRecorded,
    )
  })

  it('keeps what a branch makes of weights, whichever was taken before', async () => {
    const lstm = (k: number) =>
      graph(
        [
          node('LSTM', ['s', `w${k}`, `r${k}`], ['', `h${k}`], { hidden_size: 2 }),
          node('Shape', ['s'], [`shape${k}`]),
          node('Cast', [`shape${k}`], [`f${k}`], { to: 1 }),
          node('ReduceSum', [`f${k}`], [`sum${k}`], { keepdims: 0 }),
          node('Add', [`h${k}`, `sum${k}`], [`b${k}`]),
        ],
        `b${k}`,
      )
    const nodes = [
      node('Mul', ['x', 'two'], ['s']),
      node('If', ['c'], ['h'], { then_branch: lstm(0), else_branch: lstm(1) }),
      node('Tanh', ['h'], ['y']),
    ]
    const initializers = [
      ...[0, 1].flatMap((k) => [constant(`w${k}`, 1, 8, 2), constant(`r${k}`, 1, 8, 2)]),
      { name: 'two', shape: [], data: Float32Array.of(2) },
    ]
    const inputs = [
      { name: 'x', shape: ['n', 1, 2] },
      { name: 'c', type: 'bool', shape: [] },
    ] as const
    const feeds = [3, 4, 3, 5].map((n, i) => ({
      x: { data: random.floats(2 * n), shape: [n, 1, 2] },
      c: { data: Uint8Array.of(i % 2), shape: [] },
    }))
    await expectAnswers({ nodes, inputs, outputs: [{ name: 'y' }], initializers }, feeds)
  })

  it('scatters in between, and gives out what the host has', async () => {
    const nodes = [
      ...convs(2),
      node('ScatterND', ['h1', 'at', 'u'], ['s']),
      node('Conv', ['s', 'w'], ['y']),
      node('ArgMax', ['y'], ['best'], { axis: 3 }),
      node('Add', ['best', 'at0'], ['next']),
    ]
    const inputs = [x, { name: 'u', shape: [2, 5] }] as const
    const feeds = [0, 1, 2].map(() => ({ x: image(), u: { data: random.floats(10), shape: [2, 5] } }))
    const initializers = [w, whole('at', [2, 3], 0, 1, 2, 0, 3, 0), whole('at0', [1], 7)]
    await expectAnswers(
      { nodes, inputs, outputs: [{ name: 'y' }, { name: 'next', type: 'int64' }], initializers },
      feeds,
      isRecorded,
    )
  })

  it('runs the body of a Loop as often as the inputs say, and gathers what it gives', async () => {
    const body: GraphParts = {
      nodes: [
        node('Conv', ['s', 'w'], ['c']),
        node('Tanh', ['c'], ['next']),
        node('ReduceMax', ['next'], ['most'], { keepdims: 0 }),
        node('Greater', ['most', 'least'], ['goes']),
        node('Cast', ['i'], ['f'], { to: 1 }),
        node('Add', ['most', 'f'], ['row']),
      ],
      inputs: [
        { name: 'i', type: 'int64', shape: [] },
        { name: 'was', type: 'bool', shape: [] },
        { name: 's', shape: [1, 4, 3, 5] },
      ],
      outputs: [{ name: 'goes', type: 'bool' }, { name: 'next' }, { name: 'row' }],
    }
    const nodes = [
      node('Identity', ['x'], ['first']),
      node('Loop', ['count', '', 'first'], ['last', 'rows'], { body }),
      node('Neg', ['last'], ['y']),
    ]
    const inputs = [x, { name: 'count', type: 'int64', shape: [] }] as const
    const least = { name: 'least', shape: [], data: Float32Array.of(-9) }
    const feeds = [5, 2, 5, 3].map((count) => ({
      x: image(),
      count: { data: BigInt64Array.of(BigInt(count)), shape: [] },
    }))
    await expectAnswers(
      { nodes, inputs, outputs: [{ name: 'y' }, { name: 'rows' }], initializers: [w, least] },
      feeds,
    )
  })

  it('scans along any axes, in either direction', async () => {
    const body: GraphParts = {
      nodes: [
        node('Add', ['s', 'row'], ['sum']),
        node('Mul', ['sum', 'weight'], ['next']),
        node('Identity', ['sum'], ['out']),
      ],
      inputs: [
        { name: 's', shape: [3] },
        { name: 'row', shape: [3] },
        { name: 'weight', shape: [] },
      ],
      outputs: [{ name: 'next' }, { name: 'out' }],
    }
    const directions = { scan_input_axes: [1, 0], scan_input_directions: [1, 0] }
    const nodes = [
      node('Scan', ['start', 'm', 'weights'], ['y', 'rows'], {
        body,
        num_scan_inputs: 2,
        ...directions,
        scan_output_axes: [1],
        scan_output_directions: [1],
      }),
    ]
    const inputs = [
      { name: 'start', shape: [3] },
      { name: 'm', shape: [3, 'n'] },
      { name: 'weights', shape: ['n'] },
    ]
    const feeds = [4, 6].map((n) => ({
      start: { data: random.floats(3), shape: [3] },
      m: { data: random.floats(3 * n), shape: [3, n] },
      weights: { data: random.floats(n), shape: [n] },
    }))
    await expectAnswers({ nodes, inputs, outputs: [{ name: 'y' }, { name: 'rows' }] }, feeds)
  })

  it('has the steps of a short Scan in the recording, in steps of its own where the host reads', async () => {
    const sides = [1, 7]
    for (const reads of [false, true])
      for (const length of sides) {
        const body: GraphParts = {
          nodes: [
            node('Concat', ['s', 'a'], ['row'], { axis: 0 }),
            node('MatMul', ['row', 'm'], ['p']),
            node('Relu', ['p'], ['q']),
            ...(reads
              ? [
                  node('ReduceMax', ['q'], ['most'], { keepdims: 0 }),
                  node('Greater', ['most', 'half'], ['large']),
                  node('If', ['large'], ['t'], {
                    then_branch: graph([node('Neg', ['q'], ['n'])], 'n'),
                    else_branch: graph([node('Identity', ['q'], ['same'])], 'same'),
                  }),
                ]
              : [node('Tanh', ['q'], ['t'])]),
            node('Identity', ['t'], ['out']),
          ],
          inputs: [{ name: 's' }, { name: 'a' }],
          outputs: [{ name: 't' }, { name: 'out' }],
          initializers: [constant('m', 5, 2)],
        }
        const nodes = [
          node('Scan', ['start', 'x'], ['last', 'all'], { body, num_scan_inputs: 1 }),
          node('Scan', ['begin', 'x'], ['last2', 'all2'], {
            body,
            num_scan_inputs: 1,
            scan_input_directions: [1],
          }),
        ]
        const feed = () => ({
          x: { data: random.floats(3 * length), shape: [length, 3] },
          begin: { data: random.floats(2), shape: [2] },
        })
        await expectAnswers(
          {
            nodes,
            inputs: [
              { name: 'x', shape: [null, 3] },
              { name: 'begin', shape: [2] },
            ],
            outputs: ['last', 'all', 'last2', 'all2'].map((name) => ({ name })),
            initializers: [constant('start', 2), { name: 'half', shape: [], data: Float32Array.of(0.5) }],
          },
          [feed(), feed(), feed()],
          (model) => {
            for (const { op, host } of model.summary())
              if (op === 'Scan') expect(host !== undefined).toBe(reads)
          },
        )
      }
  })

  it('joins in bodies what it joins around them, with weights whose name hides one around', async () => {
    // The branch has a w of its own, and takes the tables of its normalisation from around.
    const branch: GraphParts = {
      nodes: [
        node('Conv', ['h1', 'w'], ['d0']),
        node('BatchNormalization', ['d0', 'k', 'k', 'k', 'k'], ['b0'], { epsilon: { float: 0.5 } }),
        node('Relu', ['b0'], ['y0']),
        node('Identity', ['y0'], ['y1']),
      ],
      inputs: [],
      outputs: [{ name: 'y1' }],
      initializers: [constant('w', 4, 4, 1, 1)],
    }
    const nodes = [
      ...convs(2),
      node('BatchNormalization', ['h1', 'k', 'k', 'k', 'k'], ['n']),
      node('ReduceMax', ['n'], ['m'], { keepdims: 0 }),
      node('Greater', ['m', 'half'], ['g']),
      node('If', ['g'], ['y'], {
        then_branch: branch,
        else_branch: graph([node('Identity', ['h1'], ['e0']), node('Identity', ['e0'], ['e'])], 'e'),
      }),
    ]
    const k = { name: 'k', shape: [4], data: Float32Array.of(0.5, 1, 1.5, 2) }
    const half = { name: 'half', shape: [], data: Float32Array.of(1.2) }
    await expectAnswers(
      { nodes, inputs: [x], outputs: [{ name: 'y' }], initializers: [w, k, half] },
      [image(), image(), { data: new Float32Array(60), shape: x.shape }].map((x) => ({ x })),
    )
  })

  it('leaves all as it was when the host finds numbers that it cannot take', async () => {
    const nodes = [...convs(1), node('Reshape', ['h0', 'shape'], ['r']), node('Neg', ['r'], ['y'])]
    const inputs = [x, { name: 'shape', type: 'int64', shape: [2] }] as const
    using model = await loadModel(
      engine,
      writeModel({ nodes, inputs, outputs: [{ name: 'y' }], initializers: [w] }),
    )
    const run = (...shape: number[]) =>
      model.run({ x: image(), shape: BigInt64Array.from(shape, BigInt) }).y!.shape
    expect(run(4, 15)).toEqual([4, 15])
    expect(run(4, 15)).toEqual([4, 15])
    const { live, tensors } = engine.memory()
    expect(() => run(7, 7)).toThrow(/Reshape "r": shape must be of 60 elements/)
    expect(engine.memory().tensors).toBe(tensors)
    expect(engine.memory().live).toBe(live)
    for (let round = 0; round < 2; round++) {
      expect(run(6, 10)).toEqual([6, 10])
      expect(run(12, 5)).toEqual([12, 5])
    }
  })

  it('says in its summary what ran in which run of kernels, and what on the host and why', async () => {
    using model = await loadModel(
      engine,
      writeModel({
        nodes: [
          node('Neg', ['x'], ['a']),
          node('ReduceSum', ['a'], ['s'], { keepdims: 0 }),
          node('Greater', ['s', 'zero'], ['above']),
          node('If', ['above'], ['b'], {
            then_branch: graph([node('Abs', ['a'], ['t'])], 't'),
            else_branch: graph([node('Exp', ['a'], ['t'])], 't'),
          }),
          node('NonZero', ['b'], ['places']),
          node('Sqrt', ['b'], ['y']),
          node('Shape', ['a'], ['lengths']),
        ],
        inputs: [{ name: 'x', shape: [2, 3] }],
        outputs: ['y', 'places', 'lengths'].map((name) => ({ name })),
        initializers: [{ name: 'zero', shape: [], data: Float32Array.of(0) }],
      }),
    )
    const lines = () => model.summary().map(({ name, segment, host }) => ({ name, segment, host }))
    expect(lines().every(({ segment, host }) => segment === undefined && host === undefined)).toBe(true)
    const x = { data: random.floats(6), shape: [2, 3] }
    const graphs = 'which of its graphs runs, and how often, follows from numbers'
    model.run({ x })
    expect(lines().find(({ name }) => name === 'b')!.host).toBe(graphs)
    model.run({ x })
    const byName = Object.fromEntries(lines().map(({ name, segment, host }) => [name, host ?? segment]))
    expect(byName).toEqual({
      a: 0,
      s: 0,
      above: 0,
      b: graphs,
      places: expect.stringMatching(/host/),
      y: 1,
      lengths: undefined,
    })
  })
})
