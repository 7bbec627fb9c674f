/**
 * Models of which some inputs have other lengths in each run, as a decoder's past has: what does not depend on
 * them is recorded. Every run gives the bytes that a newly loaded model gives, and the answer of ONNX Runtime.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Program } from '../../src/core/program.js'
import { createEngine, type Engine } from '../../src/index.js'
import { type GraphParts, type ModelParts, type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel, type Model, type ModelOutput } from '../../src/onnx/index.js'
import { randomGraph } from '../support/growing.js'
import { node, whole } from '../support/onnx.js'
import { Random } from '../support/random.js'

type Feed = { data: Float32Array | BigInt64Array | Uint8Array; shape: number[] }
type Feeds = Record<string, Feed>

const WIDTH = 8
const HEADS = 2
const SIZE = WIDTH / HEADS

const random = new Random(151)
const floats = (...shape: number[]): Feed => ({
  shape,
  data: random.floats(shape.reduce((a, b) => a * b, 1)),
})
const weight = (name: string, ...shape: number[]) => ({ name, ...floats(...shape) })
const scalar = (name: string, value: number) => ({ name, shape: [], data: Float32Array.of(value) })

/** How files write the parts of a decoder that depend on lengths. */
type Style = 'targets known' | 'targets from shapes' | 'low scores by Where'

/** One layer of a decoder: x [1, n, WIDTH] and what it saw before give y and what it has seen by then. */
function decoder(style: Style): ModelParts {
  /** x [1, n, ...] as [1, n, ...rest] */
  const reshape = (x: string, rest: string, y: string): NodeParts[] =>
    style === 'targets from shapes'
      ? [
          node('Shape', [x], [`${x} shape`]),
          node('Gather', [`${x} shape`, 'one'], [`${x} length`]),
          node('Unsqueeze', [`${x} length`, 'first axis'], [`${x} lengths`]),
          node('Concat', ['a single', `${x} lengths`, rest], [`${x} target`], { axis: 0 }),
          node('Reshape', [x, `${x} target`], [y]),
        ]
      : [node('Reshape', [x, `to ${rest}`], [y])]
  const heads = (name: string): NodeParts[] => {
    return [
      node('MatMul', ['h', `w${name}`], [`${name}0`]),
      ...reshape(`${name}0`, 'heads', `${name}1`),
      node('Transpose', [`${name}1`], [`${name}2`], { perm: [0, 2, 1, 3] }),
    ]
  }
  const hidden =
    style === 'low scores by Where'
      ? [node('Where', ['sees', 'scaled', 'low'], ['kept']), node('Add', ['kept', 'mask'], ['masked'])]
      : [node('Add', ['mask', 'scaled'], ['masked'])]
  return {
    inputs: [
      { name: 'x', shape: [1, 'n', WIDTH] },
      { name: 'mask', shape: [1, 1, 1, 'total'] },
      { name: 'past k', shape: [1, HEADS, 'past', SIZE] },
      { name: 'past v', shape: [1, HEADS, 'past', SIZE] },
    ],
    outputs: ['y', 'k', 'v'].map((name) => ({ name })),
    initializers: [
      weight('wq', WIDTH, WIDTH),
      weight('wk', WIDTH, WIDTH),
      weight('wv', WIDTH, WIDTH),
      weight('wo', WIDTH, WIDTH),
      weight('scale', WIDTH),
      scalar('root', Math.sqrt(SIZE)),
      scalar('low', -3.4e38),
      scalar('threshold', -0.9),
      whole('one', [], 1),
      whole('first axis', [1], 0),
      whole('a single', [1], 1),
      whole('heads', [2], HEADS, SIZE),
      whole('width', [1], WIDTH),
      whole('to heads', [4], 0, 0, HEADS, SIZE),
      whole('to width', [3], 0, 0, WIDTH),
    ],
    nodes: [
      node('LayerNormalization', ['x', 'scale'], ['h']),
      ...['q', 'k', 'v'].flatMap(heads),
      node('Concat', ['past k', 'k2'], ['k'], { axis: 2 }),
      node('Concat', ['past v', 'v2'], ['v'], { axis: 2 }),
      node('Greater', ['mask', 'threshold'], ['sees']),
      node('Transpose', ['k'], ['kt'], { perm: [0, 1, 3, 2] }),
      node('MatMul', ['q2', 'kt'], ['scores']),
      node('Div', ['scores', 'root'], ['scaled']),
      ...hidden,
      node('Softmax', ['masked'], ['shares'], { axis: -1 }),
      node('MatMul', ['shares', 'v'], ['mixed']),
      node('Transpose', ['mixed'], ['turned'], { perm: [0, 2, 1, 3] }),
      ...reshape('turned', 'width', 'flat'),
      node('MatMul', ['flat', 'wo'], ['out']),
      node('Add', ['x', 'out'], ['sum']),
      node('Relu', ['sum'], ['y']),
    ],
  }
}

/** What a run is given behind `past` places. */
const step = (n: number, past: number): Feeds => ({
  x: floats(1, n, WIDTH),
  mask: floats(1, 1, 1, past + n),
  'past k': floats(1, HEADS, past, SIZE),
  'past v': floats(1, HEADS, past, SIZE),
})

const bitsOf = (outputs: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(outputs as Record<string, ModelOutput>).map(([name, { shape, type, data }]) => [
      name,
      { shape: [...shape], type, data },
    ]),
  )

function expectNear(got: ModelOutput, wanted: Tensor, about: string): void {
  expect([...got.shape], about).toEqual([...wanted.dims])
  const numbers = got.toArray()
  for (const [i, value] of (wanted.data as Float32Array).entries())
    expect(numbers[i], `${about}: element ${i}`).toBeCloseTo(value, 4)
}

/** How many steps of the model the host has, and how many run in the engine. */
function sharesOf(model: Model): { host: string[]; recorded: number } {
  const steps = model.summary()
  return {
    host: steps.flatMap(({ host }) => host ?? []),
    recorded: steps.filter(({ kernels }) => kernels.length).length,
  }
}

describe('a model whose inputs grow from run to run', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  /** The bytes of a model that is new. */
  async function fresh(bytes: Uint8Array, feeds: Feeds) {
    using model = await loadModel(engine, bytes)
    return bitsOf(model.run(feeds))
  }

  for (const style of ['targets known', 'targets from shapes', 'low scores by Where'] as const) {
    it(`gives what a new one gives, and ONNX Runtime: ${style}`, async () => {
      const bytes = writeModel(decoder(style))
      using model = await loadModel(engine, bytes)
      const session = await InferenceSession.create(bytes, {
        graphOptimizationLevel: 'disabled',
        logSeverityLevel: 4,
      })
      for (const prompt of [5, 1, 3]) {
        for (let past = 0; past < 12; past += past ? 1 : prompt) {
          const feeds = step(past ? 1 : prompt, past)
          const outputs = past % 4 === 3 ? await model.runAsync(feeds) : model.run(feeds)
          const about = `${past} places behind a prompt of ${prompt}`
          expect(bitsOf(outputs), about).toEqual(await fresh(bytes, feeds))
          const wanted = await session.run(
            Object.fromEntries(
              Object.entries(feeds).map(([name, { data, shape }]) => [
                name,
                new Tensor('float32', data, shape),
              ]),
            ),
          )
          expectNear(outputs.y!, wanted.y!, about)
        }
        if (prompt !== 5) continue
        const { host, recorded } = sharesOf(model)
        // Greater, two Concat, and all between q k^T and v as one.
        expect(host.length).toBe(4)
        expect(host).toContain('the shape of "past k" changes from run to run')
        expect(recorded).toBeGreaterThan(6)
      }
      await session.release()
    })
  }

  it('records all of it once a length comes again', async () => {
    const bytes = writeModel(decoder('targets from shapes'))
    using model = await loadModel(engine, bytes)
    for (const past of [4, 5, 6, 7, 8]) model.run(step(1, past))
    expect(sharesOf(model).host.length).toBeGreaterThan(0)
    const feeds = step(1, 8)
    const wanted = await fresh(bytes, feeds)
    for (let i = 0; i < 3; i++) expect(bitsOf(model.run(feeds))).toEqual(wanted)
    expect(sharesOf(model).host).toEqual([])
    // The lengths go on to be open.
    const next = step(1, 9)
    expect(bitsOf(model.run(next))).toEqual(await fresh(bytes, next))
    expect(sharesOf(model).host.length).toBeGreaterThan(0)
  })

  it('records all of lengths that come again, each for itself', async () => {
    const bytes = writeModel(decoder('targets known'))
    using model = await loadModel(engine, bytes)
    for (let round = 0; round < 4; round++) {
      for (let past = 4; past < 20; past++) {
        const feeds = step(1, past)
        expect(bitsOf(model.run(feeds)), `${past} in round ${round}`).toEqual(await fresh(bytes, feeds))
        if (round === 3) expect(sharesOf(model).host).toEqual([])
      }
    }
  })

  it('keeps the memory of runs as long as it is little', async () => {
    const [most, part] = [2 ** 23, 1 / 16]
    const small = await createEngine({ threads: 1, maximumBytes: most })
    const model = await loadModel(small, writeModel(decoder('targets from shapes')))
    for (const past of [20, 21, 22]) model.run(step(1, past))
    const { live } = small.memory()
    for (let i = 0; i < 400; i++) model.run(step(1, 20 + (i % 100)))
    expect(small.memory().live - live).toBeGreaterThan(0)
    expect(small.memory().live - live).toBeLessThan(most * part)
    model.dispose()
    expect(small.memory().tensors).toBe(0)
    small.dispose()
  })

  it('goes on where a run was stopped before a shape was known to be fixed', async () => {
    const bytes = writeModel(decoder('targets from shapes'))
    using model = await loadModel(engine, bytes)
    for (const past of [4, 5]) model.run(step(1, past))
    // The third is the first that leaves lengths open.
    const aborted = new AbortController()
    const stop = ({ done }: { done: number }) => done === 12 && aborted.abort(new Error('stopped'))
    const run = model.runAsync(step(1, 6), { signal: aborted.signal, onProgress: stop })
    await expect(run).rejects.toThrow('stopped')
    for (const past of [7, 8, 9, 10]) {
      const feeds = step(1, past)
      expect(bitsOf(model.run(feeds)), `${past}`).toEqual(await fresh(bytes, feeds))
    }
  })

  it('sees that a shape was the same by chance', async () => {
    // At most three rows of p: as many in the first runs.
    const bytes = writeModel({
      inputs: [
        { name: 'x', shape: [1, 4] },
        { name: 'p', shape: ['n', 4] },
      ],
      outputs: ['y', 'rows', 'p2'].map((name) => ({ name })),
      initializers: [
        weight('w', 4, 4),
        whole('from', [1], 0),
        whole('to', [1], 3),
        whole('axis', [1], 0),
        whole('no', [], 0),
      ],
      nodes: [
        node('MatMul', ['x', 'w'], ['x2']),
        node('Relu', ['x2'], ['x3']),
        node('Slice', ['p', 'from', 'to', 'axis'], ['few']),
        node('Concat', ['x3', 'few'], ['all'], { axis: 0 }),
        node('MatMul', ['all', 'w'], ['product']),
        node('Softmax', ['product'], ['y']),
        node('Shape', ['product'], ['lengths']),
        node('Gather', ['lengths', 'no'], ['rows']),
        node('Relu', ['p'], ['p2']),
      ],
    })
    using model = await loadModel(engine, bytes)
    const lengths = [5, 6, 7, 8, 4, 2, 9, 1, 0, 3, 5, 6, 2, 2, 7, 3, 4]
    for (const [i, n] of lengths.entries()) {
      const feeds = { x: floats(1, 4), p: floats(n, 4) }
      const outputs = i % 5 === 4 ? await model.runAsync(feeds) : model.run(feeds)
      expect(bitsOf(outputs), `run ${i}, ${n} rows`).toEqual(await fresh(bytes, feeds))
      expect(outputs.rows!.toArray()[0]).toBe(1 + Math.min(n, 3))
    }
  })

  it('grows in the branch of an If that says whether there is a past', async () => {
    const { nodes, inputs, outputs, initializers } = decoder('targets from shapes')
    const renamed = (names: readonly string[], prefix: string) =>
      names.map((name) => (made.has(name) ? `${prefix} ${name}` : name))
    const made = new Set(nodes.flatMap(({ outputs }) => outputs))
    const branch = (prefix: string): GraphParts => ({
      inputs: [],
      outputs: outputs.map(({ name }) => ({ name: `${prefix} ${name}` })),
      nodes: nodes.map((node) => ({
        ...node,
        inputs: renamed(node.inputs, prefix),
        outputs: renamed(node.outputs, prefix),
      })),
    })
    const bytes = writeModel({
      inputs: [...inputs, { name: 'has past', type: 'bool', shape: [1] }],
      outputs,
      initializers,
      nodes: [
        node('If', ['has past'], ['y', 'k', 'v'], {
          then_branch: branch('with'),
          else_branch: branch('without'),
        }),
      ],
    })
    using model = await loadModel(engine, bytes)
    const replays = vi.spyOn(Program.prototype, 'run')
    for (const prompt of [4, 3, 6]) {
      for (let past = 0; past < 12; past += past ? 1 : prompt) {
        const hasPast = { data: Uint8Array.of(past ? 1 : 0), shape: [1] }
        const feeds = { ...step(past ? 1 : prompt, past), 'has past': hasPast }
        replays.mockClear()
        const outputs = model.run(feeds)
        const about = `${past} places behind a prompt of ${prompt}`
        if (prompt === 4 && past > 7) expect(replays, about).toHaveBeenCalled()
        expect(bitsOf(outputs), about).toEqual(await fresh(bytes, feeds))
      }
    }
    replays.mockRestore()
  })

  it('grows in the graph of a loop, too', async () => {
    const body: GraphParts = {
      inputs: [
        { name: 'i', type: 'int64', shape: [] },
        { name: 'go', type: 'bool', shape: [] },
        { name: 'h', shape: [1, 4] },
        { name: 'seen', shape: ['n', 4] },
      ],
      outputs: [{ name: 'go on', type: 'bool' }, { name: 'h2' }, { name: 'seen2' }],
      nodes: [
        node('Identity', ['go'], ['go on']),
        node('MatMul', ['h', 'w'], ['h0']),
        node('Tanh', ['h0'], ['h1']),
        node('Concat', ['seen', 'h1'], ['seen2'], { axis: 0 }),
        node('Transpose', ['seen2'], ['turned'], { perm: [1, 0] }),
        node('MatMul', ['h1', 'turned'], ['scores']),
        node('Softmax', ['scores'], ['shares']),
        node('MatMul', ['shares', 'seen2'], ['mixed']),
        node('MatMul', ['mixed', 'w'], ['mixed 2']),
        node('Add', ['mixed 2', 'h1'], ['h3']),
        node('Sigmoid', ['h3'], ['h4']),
        node('Sub', ['h4', 'half'], ['h2']),
      ],
    }
    const bytes = writeModel({
      inputs: [
        { name: 'steps', type: 'int64', shape: [] },
        { name: 'x', shape: [1, 4] },
        { name: 'before', shape: ['n', 4] },
      ],
      outputs: ['last', 'all'].map((name) => ({ name })),
      initializers: [weight('w', 4, 4), scalar('half', 0.5)],
      nodes: [node('Loop', ['steps', '', 'x', 'before'], ['last', 'all'], { body })],
    })
    using model = await loadModel(engine, bytes)
    const session = await InferenceSession.create(bytes, {
      graphOptimizationLevel: 'disabled',
      logSeverityLevel: 4,
    })
    for (const [steps, n] of [
      [20, 0],
      [20, 0],
      [9, 3],
      [17, 2],
      [20, 0],
      [0, 5],
    ] as const) {
      const feeds = { x: floats(1, 4), before: floats(n, 4) }
      const given = { steps: { data: BigInt64Array.of(BigInt(steps)), shape: [] }, ...feeds }
      const outputs = model.run(given)
      const wanted = await session.run({
        steps: new Tensor('int64', given.steps.data, []),
        x: new Tensor('float32', feeds.x.data as Float32Array, feeds.x.shape),
        before: new Tensor('float32', feeds.before.data as Float32Array, feeds.before.shape),
      })
      for (const name of ['last', 'all']) {
        expectNear(outputs[name]!, wanted[name]!, `${name} of ${steps} steps`)
      }
      expect(bitsOf(model.run(given))).toEqual(bitsOf(outputs))
    }
    await session.release()
  })

  it('gives what new ones give: random graphs', { timeout: 60_000 }, async () => {
    const draw = new Random(153)
    let open = 0
    for (let g = 0; g < 40; g++) {
      const bytes = writeModel(randomGraph(draw))
      using model = await loadModel(engine, bytes)
      for (let i = 0; i < 10; i++) {
        // Other lengths, then such that were there.
        const n = [3, 5, 6, 0, 8, 2][i] ?? draw.integer(0, 9)
        const feeds = { x: floats(2, 4), p: floats(n, 4), 'p again': floats(n, 4) }
        const outputs = i % 4 === 3 ? await model.runAsync(feeds) : model.run(feeds)
        expect(bitsOf(outputs), `graph ${g}, run ${i}, ${n} rows`).toEqual(await fresh(bytes, feeds))
        if (i === 5 && sharesOf(model).host.some((reason) => reason.includes('changes from run to run')))
          open++
      }
    }
    expect(open).toBeGreaterThan(12)
  })
})
