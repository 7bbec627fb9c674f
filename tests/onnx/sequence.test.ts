/** Sequences and optional values: within graphs beside ONNX Runtime, and as a model's inputs and outputs. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import {
  type AnyModelOutputs,
  loadModel,
  type ModelParts,
  type NodeParts,
  type PortParts,
  writeModel,
} from '../../src/onnx/index.js'
import { node, whole } from '../support/onnx.js'
import { Random } from '../support/random.js'

const random = new Random(51)
const floats = (...shape: number[]) => ({ data: random.floats(shape.reduce((a, b) => a * b, 1)), shape })
const int = (...values: number[]) => ({ data: BigInt64Array.from(values, BigInt), shape: [values.length] })
const scalar = (value: number) => ({ data: BigInt64Array.of(BigInt(value)), shape: [] as number[] })
type Feeds = Record<string, { data: Float32Array | BigInt64Array; shape: number[] }>

describe('sequences and optional values', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  /** Runs on inputs in turn, several times: the answers of ONNX Runtime. */
  async function expectAnswers(parts: ModelParts, all: readonly Feeds[]) {
    const bytes = writeModel(parts)
    const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled' })
    using model = await loadModel(engine, bytes)
    for (let round = 0; round < 4; round++) {
      for (const [i, feeds] of all.entries()) {
        const tensors = Object.entries(feeds).map(([name, { data, shape }]) => [
          name,
          new Tensor(data instanceof Float32Array ? 'float32' : 'int64', data as never, shape),
        ])
        const wanted = await session.run(Object.fromEntries(tensors))
        const outputs = round === 3 ? await model.runAsync(feeds) : model.run(feeds)
        for (const [name, { dims, data }] of Object.entries(wanted)) {
          const about = `${name} of inputs ${i}, round ${round}`
          expect(outputs[name]!.shape, about).toEqual(dims)
          const got = Array.from(outputs[name]!.toArray(), Number)
          Array.from(data as Float32Array, Number).forEach((value, k) => {
            expect(got[k], `${about} [${k}]`).toBeCloseTo(value, 4)
          })
        }
      }
    }
    await session.release()
  }

  it('gathers tensors of other lengths in a Loop, and joins them', async () => {
    const body = {
      nodes: [
        node('Identity', ['go'], ['next']),
        node('Unsqueeze', ['i', 'zero'], ['from']),
        node('Slice', ['half', 'from', 'end', 'zero'], ['rest']),
        node('Relu', ['rest'], ['kept']),
        node('SequenceInsert', ['list', 'kept', 'front'], ['longer']),
      ],
      inputs: [
        { name: 'i', type: 'int64', shape: [] },
        { name: 'go', type: 'bool', shape: [] },
        { name: 'list', sequence: true },
      ] as PortParts[],
      outputs: [
        { name: 'next', type: 'bool', shape: [] },
        { name: 'longer', sequence: true },
      ] as PortParts[],
    }
    const parts: ModelParts = {
      opset: 17,
      inputs: [
        { name: 'x', shape: ['n', 3] },
        { name: 'count', type: 'int64', shape: [] },
      ],
      outputs: [{ name: 'y', shape: [null, 3] }, { name: 'n', type: 'int64' }, { name: 'last' }],
      initializers: [
        whole('zero', [1], 0),
        whole('end', [1], 1000),
        whole('front', [], 0),
        whole('minus', [], -1),
        { name: 'point', shape: [], data: Float32Array.of(0.5) },
      ],
      nodes: [
        node('Mul', ['x', 'point'], ['half']),
        node('SequenceEmpty', [], ['none']),
        node('Loop', ['count', '', 'none'], ['all'], { body }),
        node('SequenceLength', ['all'], ['n']),
        node('SequenceAt', ['all', 'minus'], ['newest']),
        node('Tanh', ['newest'], ['last']),
        node('SequenceErase', ['all', 'front'], ['fewer']),
        node('ConcatFromSequence', ['fewer'], ['joined'], { axis: 0 }),
        node('Exp', ['joined'], ['y']),
      ],
    }
    await expectAnswers(parts, [
      { x: floats(5, 3), count: scalar(4) },
      { x: floats(5, 3), count: scalar(2) },
      { x: floats(7, 3), count: scalar(6) },
    ])
  })

  it('splits by lengths of the run, and stacks', async () => {
    const parts: ModelParts = {
      opset: 17,
      inputs: [
        { name: 'x', shape: [2, 6, 2] },
        { name: 'lengths', type: 'int64', shape: ['k'] },
        { name: 'place', type: 'int64', shape: [] },
      ],
      outputs: [{ name: 'part' }, { name: 'rows' }, { name: 'built' }, { name: 'chunk' }],
      initializers: [whole('first', [], 0), whole('four', [], 4)],
      nodes: [
        node('Neg', ['x'], ['less']),
        node('SplitToSequence', ['less', 'lengths'], ['parts'], { axis: 1 }),
        node('SequenceAt', ['parts', 'place'], ['at']),
        node('Sigmoid', ['at'], ['part']),
        node('SplitToSequence', ['x'], ['single'], { axis: -2, keepdims: 0 }),
        node('ConcatFromSequence', ['single'], ['rows'], { axis: -1, new_axis: 1 }),
        node('SequenceConstruct', ['less', 'x'], ['pair']),
        node('SequenceInsert', ['pair', 'x', 'first'], ['three']),
        node('ConcatFromSequence', ['three'], ['built'], { axis: 2 }),
        node('SplitToSequence', ['x', 'four'], ['chunks'], { axis: 1 }),
        node('SequenceAt', ['chunks', 'first'], ['c0']),
        node('Relu', ['c0'], ['chunk']),
      ],
    }
    await expectAnswers(parts, [
      { x: floats(2, 6, 2), lengths: int(1, 2, 3), place: scalar(1) },
      { x: floats(2, 6, 2), lengths: int(1, 2, 3), place: scalar(-1) },
      { x: floats(2, 6, 2), lengths: int(5, 1), place: scalar(0) },
    ])
  })

  it('comes out of the branches of an If', async () => {
    const branch = (nodes: NodeParts[], outputs: PortParts[]) => ({ nodes, inputs: [], outputs })
    const parts: ModelParts = {
      opset: 17,
      inputs: [{ name: 'x', shape: [4] }],
      outputs: [{ name: 'y' }],
      initializers: [
        { name: 'zero', shape: [], data: Float32Array.of(0) },
        { name: 'table', shape: [2], data: Float32Array.of(3, 4) },
      ],
      nodes: [
        node('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
        node('Greater', ['sum', 'zero'], ['positive']),
        node('If', ['positive'], ['list'], {
          then_branch: branch(
            [node('Relu', ['x'], ['r']), node('SequenceConstruct', ['r', 'x', 'table'], ['a'])],
            [{ name: 'a', sequence: true }],
          ),
          else_branch: branch([node('SequenceConstruct', ['table'], ['b'])], [{ name: 'b', sequence: true }]),
        }),
        node('ConcatFromSequence', ['list'], ['all'], { axis: 0 }),
        node('Neg', ['all'], ['y']),
      ],
    }
    const feed = (...values: number[]) => ({ x: { data: Float32Array.from(values), shape: [4] } })
    await expectAnswers(parts, [feed(1, 2, -1, 3), feed(-1, -2, 1, 0), feed(0.5, -2, 4, 3)])
  })

  it('goes into a model as arrays and null, and comes out so', async () => {
    const bytes = writeModel({
      opset: 18,
      inputs: [
        { name: 'list', shape: [null, 2], sequence: true },
        { name: 'extra', optional: true, shape: [1, 2] },
      ],
      outputs: [
        { name: 'longer', sequence: true },
        { name: 'has', type: 'bool', shape: [] },
        { name: 'same', optional: true },
      ],
      initializers: [{ name: 'more', shape: [1, 2], data: Float32Array.of(8, 9) }],
      nodes: [
        node('SequenceInsert', ['list', 'more'], ['longer']),
        node('OptionalHasElement', ['extra'], ['has']),
        node('Identity', ['extra'], ['same']),
      ],
    })
    using model = await loadModel(engine, bytes)
    expect(model.inputs).toEqual([
      { name: 'list', type: 'float32', shape: [null, 2], sequence: true },
      { name: 'extra', type: 'float32', shape: [1, 2], optional: true },
    ])
    const list = [
      { data: [1, 2, 3, 4], shape: [2, 2] },
      { data: [5, 6], shape: [1, 2] },
    ]
    for (let round = 0; round < 3; round++) {
      for (const extra of [[7, 7], null]) {
        const sent = list.slice(round % 2)
        const given = { list: sent, extra }
        const { longer, has, same }: AnyModelOutputs = round ? await model.runAsync(given) : model.run(given)
        if (!Array.isArray(longer) || Array.isArray(has) || Array.isArray(same))
          expect.fail('the wrong kinds')
        expect(longer.map(({ shape }) => shape)).toEqual([...sent.map(({ shape }) => shape), [1, 2]])
        expect(longer.map((item) => [...item.toArray()])).toEqual([...sent.map(({ data }) => data), [8, 9]])
        expect([...has!.toArray()]).toEqual([Number(extra !== null)])
        expect(same && [...same.toArray()]).toEqual(extra)
      }
    }
    expect(() => model.run({ list: floats(2, 2) })).toThrow(/list" must be an array of float32 \[\?, 2\]/)
    expect(() => model.run({ list: [floats(2, 3)] })).toThrow(/list"/)
    expect(() => model.run({ list: null })).toThrow(/list" must be given/)
    // What reads a sequence as a tensor says so.
    const wrong = writeModel({
      inputs: [{ name: 'list', sequence: true }],
      outputs: [{ name: 'y' }],
      nodes: [node('Relu', ['list'], ['y'])],
    })
    using other = await loadModel(engine, wrong)
    expect(() => other.run({ list: [floats(2)] })).toThrow(/Relu .*input 0 must be a tensor, got a sequence/)
  })

  it('has an optional value in one run and none in the next', async () => {
    const branch = (nodes: NodeParts[], output: PortParts) => ({ nodes, inputs: [], outputs: [output] })
    const bytes = writeModel({
      opset: 18,
      inputs: [
        { name: 'x', shape: [2] },
        { name: 'extra', optional: true },
      ],
      outputs: [{ name: 'y' }],
      initializers: [{ name: 'zero', shape: [], data: Float32Array.of(0) }],
      nodes: [
        node('Exp', ['x'], ['e']),
        node('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
        node('Greater', ['sum', 'zero'], ['positive']),
        node('If', ['positive'], ['maybe'], {
          then_branch: branch([node('Optional', ['e'], ['a'])], { name: 'a', optional: true }),
          else_branch: branch([node('Identity', ['extra'], ['b'])], { name: 'b', optional: true }),
        }),
        node('OptionalHasElement', ['maybe'], ['has']),
        node('If', ['has'], ['y'], {
          then_branch: branch([node('OptionalGetElement', ['maybe'], ['g']), node('Neg', ['g'], ['c'])], {
            name: 'c',
          }),
          else_branch: branch([node('Abs', ['x'], ['d'])], { name: 'd' }),
        }),
      ],
    })
    for (const order of [
      [1, -1, -1, 1, 1, -1],
      [-1, -1, 1, 1, -1],
    ]) {
      using model = await loadModel(engine, bytes)
      for (const sign of order) {
        const y = (extra: number[] | null) =>
          [
            ...model.run({ x: [sign, sign], extra: extra && { data: extra, shape: [3] } })['y']!.toArray(),
          ].map(Number)
        expect(y(null)[1]).toBeCloseTo(sign > 0 ? -Math.E : 1, 5)
        if (sign < 0) expect(y([5, 6, 7])).toEqual([-5, -6, -7])
        else expect(y([5, 6, 7])[0]).toBeCloseTo(-Math.E, 5)
      }
    }
  })

  it('maps a body over sequences, with a tensor for all', async () => {
    using model = await loadModel(
      engine,
      writeModel({
        inputs: [
          { name: 'list', sequence: true },
          { name: 'all', shape: [1] },
        ],
        outputs: [
          { name: 'sums', sequence: true },
          { name: 'sizes', type: 'int64', sequence: true },
        ],
        nodes: [
          node('SequenceMap', ['list', 'all'], ['sums', 'sizes'], {
            body: {
              nodes: [node('Add', ['a', 'b'], ['c']), node('Shape', ['a'], ['d'])],
              inputs: [{ name: 'a' }, { name: 'b' }],
              outputs: [{ name: 'c' }, { name: 'd', type: 'int64' }],
            },
          }),
        ],
      }),
    )
    for (const lists of [[[1, 2, 3], [4]], [[1], [2, 3]], [[5, 6, 7], [8]], []]) {
      const list = lists.map((data) => ({ data, shape: [data.length] }))
      const { sums, sizes }: AnyModelOutputs = model.run({ list, all: [10] })
      if (!Array.isArray(sums) || !Array.isArray(sizes)) expect.fail('no sequences')
      expect(sums.map((item) => [...item.toArray()])).toEqual(lists.map((data) => data.map((v) => v + 10)))
      expect(sizes.map((item) => [...item.toArray()])).toEqual(lists.map(({ length }) => [length]))
    }
  })

  it('names places that a sequence has not', async () => {
    using model = await loadModel(
      engine,
      writeModel({
        inputs: [
          { name: 'x', shape: [3] },
          { name: 'i', type: 'int64', shape: [] },
        ],
        outputs: [{ name: 'y' }],
        nodes: [
          node('SplitToSequence', ['x'], ['list']),
          node('SequenceAt', ['list', 'i'], ['part']),
          node('Neg', ['part'], ['y']),
        ],
      }),
    )
    for (let round = 0; round < 3; round++) {
      expect(model.run({ x: [1, 2, 3], i: [-1] })['y']!.toArray()).toEqual(Float32Array.of(-3))
      expect(() => model.run({ x: [1, 2, 3], i: [3] })).toThrow(/SequenceAt .*from -3 to 2, got 3/)
    }
  })
})
