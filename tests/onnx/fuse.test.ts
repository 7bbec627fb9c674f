import { describe, expect, it } from 'vitest'
import { atOnce } from '../../src/base/turns.js'
import { decodeTensor } from '../../src/onnx/file/decode.js'
import { readModel } from '../../src/onnx/file/schema.js'
import { type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { fuse } from '../../src/onnx/graph/fuse.js'
import { openGraph } from '../../src/onnx/graph/graph.js'

const sequence = (length: number, from = 1) => Float32Array.from({ length }, (_, i) => from + i)
const numbers = {
  one: 1,
  two: 2,
  three: 3,
  six: 6,
  sixth: 1 / 6,
  zero: 0,
  half: 0.5,
  root: Math.SQRT2,
  'root of 2/pi': Math.sqrt(2 / Math.PI),
  cubic: 0.044715,
}

/** The graph of these nodes from x to y, fused; w, b, m and the tables of a normalisation are constants. */
function fused(
  nodes: NodeParts[],
  { keep = [], outputs = ['y'] }: { keep?: string[]; outputs?: string[] } = {},
) {
  const initializers = [
    { name: 'w', shape: [2, 3, 1, 1], data: sequence(6) },
    { name: 'wt', shape: [2, 1, 1, 2], data: sequence(4) },
    { name: 'b', shape: [2], data: sequence(2) },
    { name: 'per channel', shape: [1, 2, 1, 1], data: sequence(2) },
    { name: 'per column', shape: [1, 1, 1, 2], data: sequence(2) },
    { name: 'm', shape: [3, 2], data: sequence(6) },
    { name: 'variance', shape: [2], data: Float32Array.of(3, 0) },
    { name: 'spatial', shape: [8], data: BigInt64Array.of(0n, 0n, 1n, 2n, 0n, 0n, 3n, 4n) },
    { name: 'channels', shape: [8], data: BigInt64Array.of(0n, 1n, 0n, 0n, 0n, 0n, 0n, 0n) },
    { name: 'unsigned', shape: [], data: Uint8Array.of(7) },
    { name: 'signed', shape: [], data: Int8Array.of(7) },
    { name: 'short', type: 'uint16' as const, shape: [], data: Uint16Array.of(7) },
    { name: 'w8', shape: [2, 3, 1, 1], data: Int8Array.of(1, 2, 3, 4, 5, 6) },
    { name: 'm8', shape: [3, 2], data: Int8Array.of(1, 2, 3, 4, 5, 6) },
    ...Object.entries(numbers).map(([name, value]) => ({ name, shape: [], data: Float32Array.of(value) })),
  ]
  const bytes = writeModel({
    nodes,
    inputs: [{ name: 'x' }],
    outputs: outputs.map((name) => ({ name })),
    initializers,
  })
  const { graph } = atOnce(openGraph(atOnce(readModel(bytes)), decodeTensor))
  const { constants } = graph
  const result = atOnce(fuse(graph, (name) => constants.get(name), new Set(keep)))
  const constant = (name: string) => result.constants.get(name) ?? constants.get(name)
  return { ...result, ops: result.nodes.map(({ op }) => op), constant, first: result.nodes[0]! }
}

const node = (
  op: string,
  inputs: string[],
  output: string,
  attributes: NodeParts['attributes'] = {},
): NodeParts => ({
  op,
  inputs,
  outputs: [output],
  attributes,
})
const conv = node('Conv', ['x', 'w'], 'c')
const norm = node('BatchNormalization', ['c', 'b', 'b', 'b', 'variance'], 'y', { epsilon: { float: 1 } })

describe('fuse', () => {
  it('folds a normalisation into the weights before it, and takes its output', () => {
    const { nodes, first, constant } = fused([conv, norm])
    expect(nodes.length).toBe(1)
    expect(first).toMatchObject({
      op: 'Conv',
      name: 'c',
      outputs: ['y'],
      parts: ['Conv', 'BatchNormalization'],
    })
    // factor = scale / sqrt(variance + 1) = [1 / 2, 2 / 1]; bias = factor * (0 - mean) + offset
    expect([...constant(first.inputs[1]!)!.data]).toEqual([0.5, 1, 1.5, 8, 10, 12])
    expect([...constant(first.inputs[2]!)!.data]).toEqual([0.5, -2])
  })

  it('folds it into a bias too, and into transposed and grouped weights [in, out / groups, ...]', () => {
    const biased = fused([node('Conv', ['x', 'w', 'b'], 'c'), norm])
    expect([...biased.constant(biased.first.inputs[2]!)!.data]).toEqual([1, 2])
    const grouped = fused([node('ConvTranspose', ['x', 'wt'], 'c', { group: 2 }), norm])
    expect([...grouped.constant(grouped.first.inputs[1]!)!.data]).toEqual([0.5, 1, 6, 8])
  })

  it('adds constants per channel as a bias, and no others', () => {
    expect(fused([conv, node('Add', ['c', 'per channel'], 'y')]).first.inputs.length).toBe(3)
    expect(fused([conv, node('Add', ['per channel', 'c'], 'y')]).ops).toEqual(['Conv'])
    expect(fused([conv, node('Add', ['c', 'per column'], 'y')]).ops).toEqual(['Conv', 'Add'])
    expect(fused([node('Conv', ['x', 'w', 'b'], 'c'), node('Add', ['c', 'per channel'], 'y')]).ops).toEqual([
      'Conv',
      'Add',
    ])
    expect(fused([node('MatMul', ['x', 'm'], 'c'), node('Add', ['c', 'b'], 'y')]).ops).toEqual(['MatMul'])
    expect(fused([node('MatMul', ['x', 'm'], 'c'), node('Add', ['c', 'per channel'], 'y')]).ops).toEqual([
      'MatMul',
      'Add',
    ])
  })

  it('does activations where their input is made', () => {
    const followed = (op: string, attributes?: NodeParts['attributes'], more: string[] = []) =>
      fused([conv, node(op, ['c', ...more], 'y', attributes)])
    expect(followed('Relu').first).toMatchObject({ op: 'Conv', activation: 'relu', outputs: ['y'] })
    expect(followed('Clip', {}, ['zero', 'six']).first.activation).toEqual([0, 6])
    expect(followed('Clip', {}, ['', 'six']).first.activation).toEqual([Number.NEGATIVE_INFINITY, 6])
    expect(followed('Clip', { min: { float: -1 } }).first.activation).toEqual([-1, Number.POSITIVE_INFINITY])
    expect(followed('LeakyRelu').first.activation).toBe('leakyRelu')
    expect(followed('LeakyRelu', { alpha: { float: 0.25 } }).first.activation).toEqual(['leakyRelu', 0.25])
    expect(followed('Clip', {}, ['six', 'zero']).ops).toEqual(['Conv', 'Clip'])
    expect(fused([node('Relu', ['x'], 'y')]).ops).toEqual(['Relu'])
    expect(
      fused([conv, node('Add', ['c', 'x'], 's'), node('Relu', ['s'], 'y')]).nodes.map(
        ({ op, activation }) => [op, activation],
      ),
    ).toEqual([
      ['Conv', undefined],
      ['Add', 'relu'],
    ])
    const joined = (op: string, inputs: string[], attributes: NodeParts['attributes'] = {}) =>
      fused([node(`com.microsoft.${op}`, inputs, 'y', attributes)]).first
    const leaky = { activation: 'LeakyRelu', activation_params: { floats: [0.25] } }
    expect(joined('FusedConv', ['x', 'w'], leaky)).toMatchObject({
      op: 'Conv',
      activation: ['leakyRelu', 0.25],
      outputs: ['y'],
    })
    expect(joined('FusedConvTranspose', ['x', 'wt'], { activation: 'Relu' })).toMatchObject({
      op: 'ConvTranspose',
      activation: 'relu',
    })
    const alpha = { activation: 'LeakyRelu', activation_alpha: { float: 0.25 } }
    expect(joined('FusedGemm', ['x', 'm'], alpha)).toMatchObject({
      op: 'Gemm',
      activation: ['leakyRelu', 0.25],
    })
    for (const [inputs, attributes] of [
      [['x', 'w', 'b', 'x'], leaky],
      [['x', 'w'], {}],
      [['x', 'w'], { activation: 'Tan' }],
    ] as const)
      expect(joined('FusedConv', [...inputs], attributes).op).toBe('com.microsoft.FusedConv')
    const normed = (op: string, attributes?: NodeParts['attributes']) => {
      const tables = op === 'BatchNormalization' ? ['b', 'b', 'b', 'variance'] : ['b', 'b']
      return fused([node(op, ['x', ...tables], 'n', attributes), node('Relu', ['n'], 'y')])
    }
    for (const op of ['BatchNormalization', 'InstanceNormalization', 'GroupNormalization'])
      expect(normed(op).first).toMatchObject({ op, activation: 'relu', outputs: ['y'] })
    expect(normed('BatchNormalization', { training_mode: 1 }).ops).toEqual(['BatchNormalization', 'Relu'])
    // Two integers may be added too.
    expect(fused([node('Add', ['x', 'x'], 's'), node('Relu', ['s'], 'y')]).ops).toEqual(['Add', 'Relu'])
  })

  it('knows activations that are spelled out', () => {
    const is = (op: string, nodes: NodeParts[], attributes = {}) => {
      const { nodes: left } = fused(nodes)
      expect(left.map((one) => [one.op, one.inputs, one.outputs])).toEqual([[op, ['x'], ['y']]])
      expect(Object.fromEntries(left[0]!.attributes)).toEqual(attributes)
    }
    is('Swish', [node('Sigmoid', ['x'], 's'), node('Mul', ['s', 'x'], 'y')])
    is('Mish', [node('Softplus', ['x'], 's'), node('Tanh', ['s'], 't'), node('Mul', ['x', 't'], 'y')])
    const clipped = [node('Add', ['x', 'three'], 'a'), node('Clip', ['a', 'zero', 'six'], 'k')]
    is('HardSigmoid', [...clipped, node('Div', ['k', 'six'], 'y')], { alpha: 1 / 6, beta: 0.5 })
    is('HardSwish', [...clipped, node('Mul', ['x', 'k'], 'p'), node('Div', ['p', 'six'], 'y')])
    is('HardSwish', [...clipped, node('Mul', ['k', 'sixth'], 'p'), node('Mul', ['x', 'p'], 'y')])
    is('HardSwish', [
      node('HardSigmoid', ['x'], 's', { alpha: { float: 1 / 6 } }),
      node('Mul', ['x', 's'], 'y'),
    ])
    const one = [node('Div', ['x', 'root'], 'd'), node('Erf', ['d'], 'e'), node('Add', ['e', 'one'], 'a')]
    is('Gelu', [...one, node('Mul', ['x', 'a'], 'p'), node('Mul', ['p', 'half'], 'y')], {
      approximate: 'none',
    })
    is('Gelu', [...one, node('Mul', ['x', 'half'], 'p'), node('Mul', ['p', 'a'], 'y')], {
      approximate: 'none',
    })
    const cube = [
      node('Pow', ['x', 'three'], 'q'),
      node('Mul', ['q', 'cubic'], 'r'),
      node('Add', ['x', 'r'], 's'),
      node('Mul', ['s', 'root of 2/pi'], 't'),
    ]
    const rest = [
      node('Tanh', ['t'], 'u'),
      node('Add', ['u', 'one'], 'v'),
      node('Mul', ['x', 'v'], 'p'),
      node('Mul', ['p', 'half'], 'y'),
    ]
    is('Gelu', [...cube, ...rest], { approximate: 'tanh' })
    const products = [node('Mul', ['x', 'x'], 'xx'), node('Mul', ['xx', 'x'], 'q'), ...cube.slice(1)]
    is('Gelu', [...products, ...rest], { approximate: 'tanh' })
    expect(
      fused([node('Mul', ['x', 'half'], 'h'), node('Mul', ['h', 'x'], 'q'), ...cube.slice(1), ...rest]).ops,
    ).not.toContain('Gelu')
  })

  it('knows a layer normalisation that is spelled out', () => {
    const rows = { axes: [-1] }
    const twice = node('Sub', ['x', 'mean'], 'd2')
    const spelled = (square: NodeParts, own = 'd') => [
      node('ReduceMean', ['x'], 'mean', rows),
      node('Sub', ['x', 'mean'], 'd'),
      ...(own === 'd' ? [] : [twice]),
      square,
      node('ReduceMean', ['q'], 'v', rows),
      node('Add', ['v', 'cubic'], 'e'),
      node('Sqrt', ['e'], 's'),
      node('Div', [own, 's'], 'z'),
    ]
    const power = node('Pow', ['d', 'two'], 'q')
    const product = node('Mul', ['d', 'd'], 'q')
    const [scaled, moved] = [node('Mul', ['z', 'b'], 'a'), node('Add', ['b', 'a'], 'y')]
    for (const square of [power, product])
      for (const own of ['d', 'd2']) {
        const { nodes, first } = fused([...spelled(square, own), scaled, moved])
        expect(nodes.length).toBe(1)
        expect(first).toMatchObject({ op: 'LayerNormalization', inputs: ['x', 'b', 'b'], outputs: ['y'] })
        expect(first.attributes.get('epsilon')).toBeCloseTo(0.044715, 6)
      }
    expect(fused([...spelled(power), scaled], { outputs: ['a'] }).first.inputs).toEqual(['x', 'b', ''])
    expect(fused(spelled(power), { outputs: ['z'] }).first.inputs).toEqual(['x', '', ''])
    // A scale of several axes is a product of its own; a mean over others is no layer normalisation.
    expect(fused([...spelled(power), node('Mul', ['z', 'm'], 'y')]).ops).toEqual([
      'LayerNormalization',
      'Mul',
    ])
    const asked = fused([...spelled(power), scaled, moved], { keep: ['v'] })
    const other = spelled(power).map((one) =>
      one.outputs[0] === 'v' ? { ...one, attributes: { axes: [1] } } : one,
    )
    const cube = spelled(node('Pow', ['d', 'three'], 'q'))
    for (const { ops } of [asked, fused(other, { outputs: ['z'] }), fused(cube, { outputs: ['z'] })])
      expect(ops).not.toContain('LayerNormalization')
  })

  it('takes zeros around an image into the window', () => {
    const padded = (
      op: string,
      attributes: NodeParts['attributes'],
      sides = 'spatial',
      pad: NodeParts['attributes'] = {},
    ) =>
      fused([
        node('Pad', ['x', sides], 'p', pad),
        node(op, op === 'Conv' ? ['p', 'w'] : ['p'], 'y', attributes),
      ])
    expect(padded('Conv', { pads: [1, 0, 0, 1] }).first.attributes.get('pads')).toEqual([2, 2, 3, 5])
    expect(padded('AveragePool', { kernel_shape: [6, 6] }).ops).toEqual(['Pad', 'AveragePool'])
    expect(padded('AveragePool', { kernel_shape: [6, 6], pads: [1, 1, 1, 1] }).ops).toEqual([
      'Pad',
      'AveragePool',
    ])
    expect(padded('MaxPool', { kernel_shape: [6, 6] }).ops).toEqual(['Pad', 'MaxPool'])
    expect(padded('Conv', {}, 'channels').ops).toEqual(['Pad', 'Conv'])
    expect(padded('Conv', {}, 'spatial', { mode: 'reflect' }).ops).toEqual(['Pad', 'Conv'])
    expect(padded('Conv', { auto_pad: 'SAME_UPPER' }).ops).toEqual(['Pad', 'Conv'])
  })

  it('takes out what changes nothing', () => {
    expect(
      fused([node('Identity', ['x'], 'i'), node('Dropout', ['i'], 'd'), node('Relu', ['d'], 'y')]).nodes,
    ).toMatchObject([{ op: 'Relu', inputs: ['x'] }])
    expect(
      fused([{ op: 'Dropout', inputs: ['x'], outputs: ['y', 'mask'] }], { outputs: ['y', 'mask'] }).ops,
    ).toEqual(['Dropout'])
  })

  it('leaves names computed that others read, that come out or that are kept', () => {
    const relu = node('Relu', ['c'], 'y')
    expect(fused([conv, relu, node('Neg', ['c'], 'n')], { outputs: ['y', 'n'] }).ops).toEqual([
      'Conv',
      'Relu',
      'Neg',
    ])
    expect(fused([conv, relu], { outputs: ['y', 'c'] }).ops).toEqual(['Conv', 'Relu'])
    expect(fused([conv, relu], { keep: ['c'] }).ops).toEqual(['Conv', 'Relu'])
    expect(fused([conv, norm], { keep: ['c'] }).ops).toEqual(['Conv', 'BatchNormalization'])
    const inside = { nodes: [node('Neg', ['c'], 'n')], inputs: [], outputs: [{ name: 'n' }] }
    expect(
      fused([conv, relu, node('If', ['y'], 'z', { then_branch: inside, else_branch: inside })], {
        outputs: ['z'],
      }).ops,
    ).toEqual(['Conv', 'Relu', 'If'])
    expect(fused([node('Identity', ['x'], 'i'), node('Relu', ['i'], 'y')], { keep: ['i'] }).ops).toEqual([
      'Identity',
      'Relu',
    ])
  })

  it('moves elements as bytes, and requantises where scales differ', () => {
    const terms = (a: string, zero = 'unsigned') => [a, zero]
    const between = (op: string, inputs: string[], to: string[], options = {}, attributes = {}) =>
      fused(
        [
          node('DequantizeLinear', ['x', ...terms('half')], 'd'),
          node(op, ['d', ...inputs], 'moved', attributes),
          node('QuantizeLinear', ['moved', ...to], 'y'),
        ],
        options,
      )
    expect(between('Transpose', [], terms('half')).nodes).toMatchObject([
      { op: 'Transpose', inputs: ['x'], outputs: ['y'], parts: ['Transpose', 'QuantizeLinear'] },
    ])
    const requantised = ['Transpose', 'filterbank.ByteFunction']
    expect(between('Transpose', [], terms('three')).ops).toEqual(requantised)
    expect(between('Concat', ['d'], terms('half')).ops).toEqual(['Concat'])
    // Zeros around an image are zero points; reflections are bytes as any.
    expect(between('Pad', ['spatial'], terms('half')).nodes).toMatchObject([
      { op: 'Pad', inputs: ['x', 'spatial', 'unsigned'], outputs: ['y'] },
    ])
    expect(between('Pad', ['spatial', 'zero'], terms('half')).first.inputs).toEqual([
      'x',
      'spatial',
      'unsigned',
    ])
    const reflected = between('Pad', ['spatial', 'one'], terms('half'), {}, { mode: 'reflect' })
    expect(reflected.first).toMatchObject({ op: 'Pad', inputs: ['x', 'spatial', 'one'] })
    expect(between('Pad', ['spatial', 'one'], terms('half')).first).toMatchObject({
      op: 'Pad',
      inputs: ['x', 'spatial', 'one by half and unsigned'],
    })
    // What is made of one integer is a table of it.
    for (const [op, others] of [
      ['Relu', []],
      ['Add', ['d']],
      ['Mul', ['one']],
    ] as [string, string[]][])
      expect(between(op, others, terms('three', 'signed')).nodes).toMatchObject([
        { op: 'filterbank.ByteFunction', parts: [op, 'QuantizeLinear'] },
      ])
    // What is asked for by name stays computed.
    const kept = ['Transpose', 'DequantizeLinear', 'Identity']
    expect(between('Transpose', [], terms('half'), { keep: ['moved'] }).ops).toEqual(kept)
    const others = ['DequantizeLinear', 'Add', 'QuantizeLinear']
    expect(between('Add', ['d'], terms('half'), { keep: ['moved'] }).ops).toEqual(others)
  })

  it('asks for the numbers of a folded weight when they are asked for, not before', () => {
    const bytes = writeModel({
      nodes: [conv, node('BatchNormalization', ['c', ...'sbmv'], 'y', { epsilon: { float: 0 } })],
      inputs: [{ name: 'x' }],
      outputs: [{ name: 'y' }],
      initializers: [
        { name: 'w', shape: [2, 3, 1, 1], data: sequence(6) },
        { name: 's', shape: [2], data: Float32Array.of(2, -3) },
        ...[...'bmv'].map((name) => ({ name, shape: [2], data: Float32Array.of(1, 1) })),
      ],
    })
    const { graph } = atOnce(openGraph(atOnce(readModel(bytes)), decodeTensor))
    const w = graph.constants.get('w')!
    const numbers = w.data
    let reads = 0
    graph.constants.set('w', {
      type: w.type,
      shape: w.shape,
      get data() {
        reads++
        return numbers
      },
    })
    const { constants, nodes } = atOnce(fuse(graph, (name) => graph.constants.get(name)))
    expect(nodes.map(({ op }) => op)).toEqual(['Conv'])
    expect(reads).toBe(0)
    const folded = constants.get(nodes[0]!.inputs[1]!)!
    const wanted = Array.from(numbers as Float32Array, (v, i) => v * (i < 3 ? 2 : -3))
    for (let i = 0; i < 2; i++) expect([...folded.data]).toEqual(wanted)
    expect(reads).toBeGreaterThan(0)
  })

  it('rounds what is quantised and dequantised at once, and what moves between as it is', () => {
    const around = (zero: string, other = 'half', between: NodeParts[] = []) =>
      fused([
        node('QuantizeLinear', ['x', 'half', zero], 'q'),
        ...between,
        node('DequantizeLinear', [between.length ? 'moved' : 'q', other, zero], 'd'),
        node('Softmax', ['d'], 'y'),
      ]).ops
    const rounded = ['filterbank.Rounded', 'Softmax']
    const apart = ['QuantizeLinear', 'DequantizeLinear', 'Softmax']
    expect(around('unsigned')).toEqual(rounded)
    expect(around('short')).toEqual(rounded)
    expect(around('short', 'three')).toEqual(apart)
    const move = [node('Transpose', ['q'], 'moved')]
    // Bytes are less to move.
    expect(around('unsigned', 'half', move)).toEqual(apart.toSpliced(1, 0, 'Transpose'))
    expect(around('short', 'half', move)).toEqual(rounded.toSpliced(1, 0, 'Transpose'))
  })

  it('joins scale, bias and activation to sums of integers', () => {
    const summed = (product: string, weight: string, bias: string, options = {}) =>
      fused(
        [
          node(product, ['x', weight, 'zero point'], 'sums'),
          node('Cast', ['sums'], 'floats', { to: 1 }),
          node('Mul', ['scale', 'floats'], 'scaled'),
          node('Add', ['scaled', bias], 'sum'),
          node('Relu', ['sum'], 'y'),
        ],
        options,
      )
    expect(summed('ConvInteger', 'w8', 'per channel').nodes).toMatchObject([
      {
        op: 'filterbank.ConvInteger',
        inputs: ['x', 'w8', 'zero point', '', 'scale', 'filterbank sum bias'],
        activation: 'relu',
        parts: ['ConvInteger', 'Cast', 'Mul', 'Add', 'Relu'],
      },
    ])
    expect(summed('MatMulInteger', 'm8', 'b').ops).toEqual(['filterbank.MatMulInteger'])
    // Not one number for each channel.
    expect(summed('MatMulInteger', 'm8', 'per channel').ops).toEqual([
      'filterbank.MatMulInteger',
      'Add',
      'Relu',
    ])
    const kept = ['ConvInteger', 'Cast', 'Mul', 'Add', 'Relu']
    expect(summed('ConvInteger', 'w8', 'b', { keep: ['sums'] }).ops).toEqual(kept)
  })

  it('leaves the graph that it is given as it is', () => {
    const bytes = writeModel({
      nodes: [conv, node('Relu', ['c'], 'y')],
      inputs: [{ name: 'x' }],
      outputs: [{ name: 'y' }],
      initializers: [{ name: 'w', shape: [2, 3, 1, 1], data: sequence(6) }],
    })
    const { graph } = atOnce(openGraph(atOnce(readModel(bytes)), decodeTensor))
    const before = structuredClone(graph.nodes)
    atOnce(fuse(graph, (name) => graph.constants.get(name)))
    expect(graph.nodes).toEqual(before)
  })
})
