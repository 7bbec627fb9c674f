/**
 * Nodes whose inputs, attributes and graphs do not fit together: an error that says so, in each run, and not
 * a number that happens to stand in the engine's memory.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, FilterbankError } from '../../src/index.js'
import { type GraphParts, type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { inspectModel, loadModel } from '../../src/onnx/index.js'
import { node } from '../support/onnx.js'

interface Given {
  shape: number[]
  type?: 'float32' | 'int64' | 'int32'
}
const f = (...shape: number[]): Given => ({ shape })
const i = (...shape: number[]): Given => ({ shape, type: 'int64' })
const i32 = (...shape: number[]): Given => ({ shape, type: 'int32' })

const port = (name: string, ...shape: number[]) => ({ name, shape })
const body = (inputs: number, outputs: number): GraphParts => ({
  nodes: Array.from({ length: outputs }, (_, k) =>
    node('Constant', [], [`o${k}`], { value_float: { float: k } }),
  ),
  inputs: Array.from({ length: inputs }, (_, k) => ({ name: `i${k}` })),
  outputs: Array.from({ length: outputs }, (_, k) => ({ name: `o${k}` })),
})

const wrong: [op: string, inputs: Given[], attributes: NodeParts['attributes'], message: RegExp][] = [
  ['RNN', [f(5, 3, 2), f(1, 4, 3), f(1, 4, 4)], { hidden_size: 4 }, /W must be \[1, 4, 2\], got \[1, 4, 3\]/],
  ['RNN', [f(5, 3, 2), f(1, 4, 2), f(1, 4, 3)], {}, /W must be \[1, 3, 2\]/],
  [
    'GRU',
    [f(5, 3, 2), f(1, 12, 2), f(1, 12, 4), f(1, 12)],
    { linear_before_reset: 1 },
    /B must be \[1, 24\]/,
  ],
  ['GRU', [f(5, 3, 2), f(1, 12, 2), f(1, 12, 4), f(1, 12)], {}, /B must be \[1, 24\]/],
  ['LSTM', [f(5, 3, 2), f(1, 16, 2), f(1, 16, 4)], { hidden_size: 65536 }, /W must be \[1, 262144, 2\]/],
  ['LSTM', [f(5, 3, 2), f(1, 16, 2), f(1, 16, 4)], { direction: 'bidirectional' }, /W must be \[2, 16, 2\]/],
  ['LSTM', [f(5, 3, 2), f(1, 16, 2), f(1, 16, 4), f(1, 32), i(4)], {}, /sequence_lens must be \[3\]/],
  [
    'LSTM',
    [f(5, 3, 2), f(1, 16, 2), f(1, 16, 4), f(1, 32), i(3), f(1, 2, 4)],
    {},
    /initial_h must be \[1, 3, 4\]/,
  ],
  ['GRU', [f(0, 3, 2), f(1, 12, 2), f(1, 12, 4), f(1, 24), i32(3)], {}, /sequence_lens must be from 0 to 0/],
  ['LSTM', [f(5, 3), f(1, 16, 2), f(1, 16, 4)], {}, /X must be of three axes/],
  ['GatherND', [f(2, 3), i(2, 3)], {}, /a depth from 1 to 2, got \[2, 3\]/],
  ['GatherND', [f(2, 3), i(1, 1)], { batch_dims: 1 }, /indices must be \[2, ..., depth\]/],
  ['GatherElements', [f(2, 3), i(3, 3)], { axis: 1 }, /indices must be within \[2, ...\]/],
  ['GatherElements', [f(2, 3), i(3)], {}, /indices must be within/],
  ['ScatterND', [f(4, 3), i(2, 1), f(2, 2)], {}, /updates must be \[2, 3\], got \[2, 2\]/],
  ['ScatterElements', [f(4, 3), i(2, 3), f(2, 2)], {}, /updates must be \[2, 3\], got \[2, 2\]/],
  ['ScatterElements', [f(4, 3), i(2, 4), f(2, 4)], {}, /indices must be within \[..., 3\]/],
  ['GridSample', [f(1, 2, 4, 5), f(2, 3, 3, 2)], {}, /grid must be \[1, ..., ..., 2\]/],
  ['GridSample', [f(1, 2, 4, 5), f(1, 3, 3, 3)], { mode: 'bicubic' }, /grid must be \[1, ..., ..., 2\]/],
  ['Pad', [f(2, 0)], { mode: 'wrap', pads: [0, 1, 0, 1] }, /something to repeat along axis 1, got \[2, 0\]/],
  ['Pad', [f(2, 3)], { mode: 'reflect', pads: [-2, 0, 2, 0] }, /something to repeat along axis 0/],
  ['Pad', [f(2, 3)], { pads: [1, 1, 1] }, /pads must be of 4 numbers/],
  ['DepthToSpace', [f(1, 6, 2, 2)], { blocksize: 4 }, /shape must be one of 24 elements/],
  ['DepthToSpace', [i(1, 6, 2, 2)], { blocksize: 4 }, /shape must be one of 24 elements/],
  ['Pad', [f(2, 3)], { pads: [0, 2 ** 31, 0, 2 ** 31] }, /Pad "y": pads must be of a result that fits/],
  ['Pad', [f(2, 3)], { mode: 'edge', pads: [0, 2 ** 33, 0, 0] }, /pads must be of a result that fits/],
  ['Pad', [f(2, 3)], { mode: 'mirror', pads: [0, 1, 0, 0] }, /mode must be constant, edge, wrap or reflect/],
  [
    'TfIdfVectorizer',
    [i(12)],
    { pool_int64s: [1, 2], ngram_counts: [0], ngram_indexes: [0, 2 ** 31], max_skip_count: 2 ** 40 },
    /output must be of at most \d+ elements, got \[2147483649\]/,
  ],
  [
    'TfIdfVectorizer',
    [i(12)],
    { pool_int64s: [1], ngram_counts: [-(2 ** 40)], ngram_indexes: [0] },
    /ngram_counts/,
  ],
  ['MaxPool', [f(1, 1, 4, 4)], { kernel_shape: [0, 2] }, /kernel_shape must be lengths from 1 on/],
  ['MaxPool', [f(1, 1, 4, 4)], { kernel_shape: [2, 2], strides: [0, 1] }, /strides and dilations/],
  [
    'AveragePool',
    [f(1, 1, 4, 4, 4)],
    { kernel_shape: [2 ** 31, 1, 1], dilations: [2, 1, 1] },
    /kernel_shape/,
  ],
  ['Loop', [i(), i(), f(2)], { body: body(2, 2) }, /body must be a graph of 3 inputs, got 2/],
  ['Loop', [i(), i(), f(2)], { body: body(3, 1) }, /body must be a graph of 2 outputs or more, got 1/],
  ['Scan', [f(2), f(3, 2)], { body: body(1, 1), num_scan_inputs: 1 }, /body must be a graph of 2 inputs/],
  ['Scan', [f(3, 2)], { body: body(1, 1), num_scan_inputs: 2 }, /num_scan_inputs must be from 1 to 1, got 2/],
  ['Slice', [f(4), i(1)], {}, /ends must be given, got none/],
  ['Slice', [f(4), i(1), i(2)], {}, /ends must be of 1 numbers, got \[1, 1\]/],
  ['Concat', [f(2), i(2)], { axis: 0 }, /inputs must be of one type, float32 as the first, got int64/],
  ['Concat', [f(2), f(2)], {}, /attribute "axis" must be given, got none/],
  ['Concat', [f(2), f(2)], { axis: 'x' }, /attribute "axis" must be a number, got "x"/],
  [
    'Conv',
    [f(1, 1, 4, 4), f(1, 1, 2, 2)],
    { strides: ['1', '1'] },
    /attribute "strides" must be a list of numbers, got \["1", "1"\]/,
  ],
  ['Conv', [f(4), f(1, 1, 2)], {}, /input 0 must be of at least 3 axes, got \[4\]/],
  ['ConvTranspose', [f(1, 1, 3, 3), f(1, 1, 2, 2)], { pads: [1, 1] }, /pads must be of 4 numbers/],
  ['Loop', [i()], { body: body(2, 1), more: 1 }, /body must be a graph of 1 inputs, got 2/],
  ['GlobalAveragePool', [f(3)], {}, /input 0 must be of at least 2 axes, got \[3\]/],
  ['Einsum', [f(2, 2)], { equation: 'ij,jk->ik' }, /equation must be of 1 inputs/],
  ['ReduceSum', [f(3, 4), i(2)], {}, /axes must be each axis once, got \[1, 1\]/],
  ['Split', [f(4)], { num_outputs: -1 }, /num_outputs must be from 1 to 4, got -1/],
  ['RNN', [f(5, 3, 2), f(1, 4, 2), f(1, 4, 4)], { activations: ['constructor'] }, /activations must be of/],
  ['RNN', [f(5, 3, 2), f(1, 4, 2), f(1, 4, 4)], { activations: [] }, /activations must be of 1 names/],
  ['ai.onnx.ml.Normalizer', [f(2, 2)], { norm: 'constructor' }, /norm must be one of MAX, L1, L2/],
  ['MatMulInteger', [f(2, 2)], {}, /input 1 must be given, got none/],
  ['com.microsoft.BiasAdd', [i(2)], {}, /input 1 must be given, got none/],
  ['com.microsoft.GatedAdd', [f(), f(), f()], {}, /input 0 must be of at least 1 axes/],
  ['TopK', [i(3), i()], { axis: 5 }, /axis must be an integer from -1 to 0, got 5/],
  ['CumSum', [f(3), i(0)], {}, /input 1 must be a number, got \[0\]/],
]

describe('a node of what does not fit together', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1, maximumBytes: 1 << 30 })
  })
  afterAll(() => {
    expect(engine.memory().tensors).toBe(0)
    engine.dispose()
  })

  it.each(wrong)('%s of %j, %j: says so', async (op, inputs, attributes, message) => {
    const names = inputs.map((_, k) => `x${k}`)
    const file = writeModel({
      opset: op === 'Pad' ? 10 : 21,
      nodes: [{ op, inputs: names, outputs: ['y'], attributes }],
      inputs: inputs.map(({ type, shape }, k) => ({ name: names[k]!, type, shape })),
      outputs: [{ name: 'y' }],
    })
    using model = await loadModel(engine, file)
    const data = ({ shape, type }: Given) => {
      const numbers = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 1)
      if (type === 'int32') return Int32Array.from(numbers)
      return type ? BigInt64Array.from(numbers, BigInt) : Float32Array.from(numbers)
    }
    const feeds = Object.fromEntries(
      inputs.map((given, k) => [names[k]!, { data: data(given), shape: given.shape }]),
    )
    for (let run = 0; run < 2; run++) {
      const error = await model.runAsync(feeds).catch((reason) => reason)
      expect(error).toBeInstanceOf(FilterbankError)
      expect(error.message).toMatch(message)
    }
  })

  it('fails after an index that a kernel complains of: the next model hears nothing of it', async () => {
    const rotary = writeModel({
      opset: 23,
      nodes: [node('RotaryEmbedding', ['x', 'c', 's', 'i'], ['y'])],
      inputs: [
        port('x', 1, 2, 3, 4),
        port('c', 2, 1),
        port('s', 2, 1),
        { name: 'i', type: 'int64', shape: [1, 3] },
      ],
      outputs: [{ name: 'y' }],
    })
    using model = await loadModel(engine, rotary)
    const given = { x: new Float32Array(24), c: new Float32Array(2), s: new Float32Array(2) }
    expect(() => model.run({ ...given, i: BigInt64Array.of(9n, 9n, 9n) })).toThrow(/cos and sin must be of 2/)
    const relu = { nodes: [node('Relu', ['x'], ['y'])], inputs: [port('x', 2)], outputs: [{ name: 'y' }] }
    using other = await loadModel(engine, writeModel(relu))
    expect([...other.run({ x: [1, -2] })['y']!.toArray()]).toEqual([1, 0])
  })

  it('has whole numbers as data and as indices: takes them in each run', async () => {
    const nodes = [node('Gather', ['x', 'x'], ['y'])]
    const input = { name: 'x', type: 'int64' as const, shape: [3] }
    using model = await loadModel(engine, writeModel({ nodes, inputs: [input], outputs: [{ name: 'y' }] }))
    for (let run = 0; run < 3; run++)
      expect([...model.run({ x: [0, 2, -1] })['y']!.toArray()]).toEqual([0, -1, -1])
  })

  it('names an operator that joined nodes alone have: is refused', async () => {
    const nodes = [node('filterbank.ByteFunction', ['x'], ['y'])]
    const file = writeModel({ nodes, inputs: [port('x', 1)], outputs: [{ name: 'y' }] })
    await expect(loadModel(engine, file)).rejects.toThrow(/operators that filterbank has, got filterbank/)
  })

  it('reads what its maker did not give: says so', async () => {
    const nodes = [node('Relu', ['x'], ['h', 'more']), node('Clip', ['h', 'more'], ['y'])]
    using model = await loadModel(
      engine,
      writeModel({ nodes, inputs: [port('x', 2)], outputs: [{ name: 'y' }] }),
    )
    expect(() => model.run({ x: [1, 2] })).toThrow(/input "more" must be made by a node, got none/)
  })

  it('is an If without the branch that is not taken: runs, and says so where it is', async () => {
    const then_branch: GraphParts = { nodes: [], inputs: [], outputs: [{ name: 'x' }] }
    const nodes = [
      node('Greater', ['x', 'x'], ['c']),
      node('Not', ['c'], ['d']),
      node('If', ['d'], ['y'], { then_branch }),
    ]
    const wanted = { inputs: [port('x', 1)], outputs: [{ name: 'y' }] }
    using model = await loadModel(engine, writeModel({ nodes, ...wanted }))
    for (let run = 0; run < 3; run++) expect([...model.run({ x: [7] })['y']!.toArray()]).toEqual([7])
    const otherwise = nodes.with(2, node('If', ['c'], ['y'], { then_branch }))
    using other = await loadModel(engine, writeModel({ nodes: otherwise, ...wanted }))
    for (let run = 0; run < 2; run++)
      expect(() => other.run({ x: [7] })).toThrow(/else_branch must be a graph/)
  })

  it('is inspected, products of shapes that make none too', async () => {
    const zeros = (name: string, ...shape: number[]) => ({
      name,
      shape,
      data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
    })
    const nodes = ['Conv', 'ConvInteger', 'ConvTranspose', 'LSTM', 'Gemm', 'QLinearConv', 'MatMul'].flatMap(
      (op) => [node(op, ['x'], [op]), node(op, ['x', 'w'], [`${op}2`])],
    )
    const outputs = nodes.map(({ outputs: [name] }) => ({ name: name!, shape: [1] }))
    const file = writeModel({ nodes, inputs: [port('x')], outputs, initializers: [zeros('w')] })
    const { layers } = await inspectModel(file)
    expect(layers.map(({ multiplyAdds }) => multiplyAdds)).toHaveLength(14)
  })

  it('has a window however long, in a time that its input says', async () => {
    const x = { data: Float32Array.from({ length: 64 }, (_, k) => k), shape: [1, 1, 4, 4, 4] }
    for (const [op, more] of [
      ['LpPool', {}],
      ['AveragePool', { dilations: [3, 1, 1] }],
      ['AveragePool', { dilations: [3, 1, 1], count_include_pad: 1 }],
    ] as const) {
      const attributes = { kernel_shape: [2 ** 29, 2 ** 24, 3], auto_pad: 'SAME_UPPER', ...more }
      const nodes = [{ op, inputs: ['x'], outputs: ['y'], attributes }]
      const file = writeModel({ nodes, inputs: [{ name: 'x', shape: x.shape }], outputs: [{ name: 'y' }] })
      using model = await loadModel(engine, file)
      expect(model.run({ x })['y']!.shape).toEqual(x.shape)
    }
  })

  it('maps a body over a long sequence: others have their turn, and a signal stops it', async () => {
    const file = writeModel({
      nodes: [
        node('SplitToSequence', ['x'], ['s'], { axis: 0 }),
        node('SequenceMap', ['s'], ['t'], {
          body: {
            nodes: [node('Softplus', ['a'], ['b'])],
            inputs: [port('a', 1, 64)],
            outputs: [port('b', 1, 64)],
          },
        }),
        node('ConcatFromSequence', ['t'], ['y'], { axis: 0 }),
      ],
      inputs: [port('x', 20_000, 64)],
      outputs: [{ name: 'y' }],
    })
    using model = await loadModel(engine, file)
    const stop = new AbortController()
    let turns = 0
    const timer = setInterval(() => ++turns === 3 && stop.abort(new Error('enough')), 1)
    const x = new Float32Array(20_000 * 64)
    await expect(model.runAsync({ x }, { signal: stop.signal })).rejects.toThrow('enough')
    clearInterval(timer)
  })
})
