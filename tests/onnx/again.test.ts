/**
 * Small graphs in which a value is read twice, has two names or mixes with constants: every run gives the
 * answer of ONNX Runtime, whether it goes node by node or is a replay, and leaves nothing in the engine.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { createEngine } from '../../src/index.js'
import { type ModelParts, type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { node, whole } from '../support/onnx.js'
import { Random } from '../support/random.js'

const random = new Random(30)
const floats = (name: string, ...shape: number[]) => ({
  name,
  shape,
  data: random.floats(shape.reduce((a, b) => a * b, 1)),
})
/** `open`: the file does not say the lengths. */
type Numbers = { shape: readonly number[]; data: Float32Array | BigInt64Array; open?: true }

/** Five runs on the same inputs, in every way that there is. `outputs`: their types. */
async function expectAnswers(
  opset: number,
  inputs: Record<string, Numbers>,
  initializers: NonNullable<ModelParts['initializers']>,
  nodes: NodeParts[],
  outputs: Record<string, 'float32' | 'int64' | 'uint8' | 'bool'>,
) {
  const typeOf = ({ data }: Numbers) => (data instanceof Float32Array ? 'float32' : 'int64')
  const bytes = writeModel({
    opset,
    inputs: Object.entries(inputs).map(([name, x]) => ({
      name,
      type: typeOf(x),
      shape: x.open ? x.shape.map(() => null) : x.shape,
    })),
    outputs: Object.entries(outputs).map(([name, type]) => ({ name, type })),
    initializers,
    nodes,
  })
  const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled' })
  const feeds = Object.entries(inputs).map(([name, x]) => [name, new Tensor(x.data, x.shape)])
  const wanted = await session.run(Object.fromEntries(feeds))
  await session.release()
  using engine = await createEngine({ threads: 1 })
  {
    using model = await loadModel(engine, bytes)
    const tap = nodes[0]!.outputs[0]!
    const runs = [
      () => model.run(inputs),
      () => model.run(inputs),
      () => model.runAsync(inputs),
      () => model.run(inputs, { taps: [tap] }),
      () => model.run(inputs),
    ]
    for (const [i, run] of runs.entries()) {
      const got = await run()
      for (const [name, { dims, data, type }] of Object.entries(wanted)) {
        const { shape, type: own } = got[name]!
        expect({ type: own, shape }, `run ${i}, ${name}`).toEqual({ type, shape: dims })
        const numbers = Array.from(data as ArrayLike<number>, Number)
        Array.from(got[name]!.toArray() as Float32Array).forEach((v, at) => {
          expect(Math.abs(v - numbers[at]!), `run ${i}, ${name}, ${at}`).toBeLessThan(1e-5)
        })
      }
    }
  }
  expect(engine.memory().tensors).toBe(0)
}

const x = floats('x', 2, 3, 4)

describe('values that are read twice', () => {
  for (const op of ['Sum', 'Mean', 'Max', 'Min'])
    it(`${op} of a value that stands there twice, its last reader`, () =>
      expectAnswers(
        13,
        { x },
        [floats('c', 1, 1)],
        [node('Neg', ['x'], ['n']), node(op, ['c', 'n', 'n', 'n'], ['y'])],
        { y: 'float32' },
      ))

  it('another shape of what a host step made, as an output and as what a host step reads', async () => {
    const pool = node('LpPool', ['a'], ['p'], { kernel_shape: [3], auto_pad: 'SAME_LOWER' })
    const shape = whole('shape', [2], 6, -1)
    const places = [whole('i', [1, 1, 2], 0, -1), floats('u', 1, 1, 2)]
    await expectAnswers(
      17,
      { x },
      [shape, ...places],
      [
        node('Abs', ['x'], ['a']),
        pool,
        node('ScatterElements', ['p', 'i', 'u'], ['s'], { axis: 2 }),
        node('Reshape', ['p', 'shape'], ['y']),
      ],
      { y: 'float32', s: 'float32' },
    )
    await expectAnswers(
      11,
      { x, lengths: whole('lengths', [3], 1, 2, 1), at: whole('at', [1, 1], 4) },
      [whole('flat', [1], -1)],
      [
        node('Abs', ['x'], ['a']),
        node('ReverseSequence', ['a', 'lengths'], ['r'], { batch_axis: 1, time_axis: 0 }),
        node('Reshape', ['r', 'flat'], ['f']),
        node('NonZero', ['f'], ['y']),
      ],
      { y: 'int64' },
    )
  })

  it('other shapes of what a host step made, asked for when it is gone', () =>
    expectAnswers(
      13,
      { x },
      [whole('image', [4], 1, 4, 3, 2), whole('row', [1], -1), floats('w', 3, 4, 1, 1), floats('b', 3)],
      [
        node('Hardmax', ['x'], ['h'], { axis: 0 }),
        node('Reshape', ['h', 'image'], ['i']),
        node('Reshape', ['h', 'row'], ['r']),
        node('Conv', ['i', 'w', 'b'], ['c']),
        node('Softsign', ['c'], ['y']),
      ],
      { r: 'float32', y: 'float32' },
    ))
})

describe('constants beside values of the run', () => {
  it('PRelu whose x is a constant that is repeated, and a single number', async () => {
    await expectAnswers(
      16,
      { x },
      [floats('c', 3, 1)],
      [node('Abs', ['x'], ['a']), node('PRelu', ['c', 'a'], ['y'])],
      { y: 'float32' },
    )
    await expectAnswers(
      16,
      { one: floats('one', 1, 1) },
      [{ name: 'c', shape: [], data: Float32Array.of(-0.5) }],
      [node('Abs', ['one'], ['a']), node('PRelu', ['c', 'a'], ['y'])],
      { y: 'float32' },
    )
  })

  it('a constant of fewer axes beside images, in a sum of three', () =>
    expectAnswers(
      13,
      { image: floats('image', 1, 2, 4, 5) },
      [floats('c', 5), floats('w', 3, 2, 3, 3)],
      [node('Conv', ['image', 'w'], ['n'], { pads: [1, 1, 1, 1] }), node('Sum', ['c', 'n', 'n'], ['y'])],
      { y: 'float32' },
    ))

  it('a corner of a constant that is written at indices of the run', () =>
    expectAnswers(
      16,
      { i: whole('i', [1, 1, 2, 3], 0, -1, 2, 1, 0, 0) },
      [floats('c', 1, 2, 4, 4), floats('u', 1, 1, 2, 3)],
      [node('ScatterElements', ['c', 'i', 'u'], ['y'], { axis: 2 })],
      { y: 'float32' },
    ))

  it('what is computed of constants through another shape goes with the model', () =>
    expectAnswers(
      17,
      { x },
      [floats('v', 4), floats('w', 4, 5), floats('scale', 5)],
      [
        node('Neg', ['x'], ['n']),
        node('MatMul', ['v', 'w'], ['z']),
        node('LayerNormalization', ['z', 'scale'], ['y'], { axis: 0 }),
      ],
      { n: 'float32', y: 'float32' },
    ))
})

describe('as ONNX Runtime has it', () => {
  for (const empty of [
    [5, 0, 7],
    [0, 0, 9],
  ])
    it(`Concat beside a tensor [${empty}] that holds nothing`, () =>
      expectAnswers(
        13,
        { x, none: { shape: empty, data: new Float32Array(0), open: true } },
        [floats('c', 2, 1, 4)],
        [node('Concat', ['none', 'x', 'c'], ['y'], { axis: 1 })],
        { y: 'float32' },
      ))

  for (const [axis, exclusive, reverse] of [
    [0, 0, 0],
    [1, 0, 1],
    [1, 1, 0],
    [2, 0, 0],
  ] as const)
    it(`CumSum along ${axis} rounds each sum to float32, exclusive ${exclusive}, reverse ${reverse}`, () => {
      const long = floats('long', ...[2, 3, 19].with(axis, 500))
      return expectAnswers(
        14,
        { x: { ...long, data: long.data.map((v) => 100 * Math.abs(v)) } },
        [whole('axis', [], axis)],
        [node('CumSum', ['x', 'axis'], ['y'], { exclusive, reverse })],
        { y: 'float32' },
      )
    })

  for (const norm of ['BatchNormalization', 'InstanceNormalization', 'GroupNormalization'])
    for (const op of ['Relu', 'Sigmoid', 'Clip'])
      it(`${op} behind ${norm}`, () => {
        const batch = norm === 'BatchNormalization'
        const tables = [floats('scale', 4), floats('offset', 4), ...(batch ? [floats('mean', 4)] : [])]
        const variance = { name: 'variance', shape: [4], data: Float32Array.of(1, 0.5, 2, 3) }
        const bound = { name: 'bound', shape: [], data: Float32Array.of(0.25) }
        const names = tables.map(({ name }) => name)
        return expectAnswers(
          21,
          { image: floats('image', 2, 4, 3, 5) },
          [...tables, ...(batch ? [variance] : []), bound],
          [
            node('Sin', ['image'], ['x']),
            node(norm, ['x', ...names, ...(batch ? ['variance'] : [])], ['n'], {
              ...(norm === 'GroupNormalization' && { num_groups: 2 }),
            }),
            node(op, op === 'Clip' ? ['n', '', 'bound'] : ['n'], ['y']),
          ],
          { y: 'float32' },
        )
      })

  it('casts of floats to bytes keep the lowest bits, for what reads them too', () =>
    expectAnswers(
      14,
      { f: { shape: [7], data: Float32Array.of(-1.5, -3, 255, 12.7, 0, 128, -0.5) } },
      [],
      [
        node('Neg', ['f'], ['n']),
        node('Neg', ['n'], ['m']),
        node('Cast', ['m'], ['b'], { to: 2 }),
        node('Cast', ['b'], ['y'], { to: 7 }),
        node('Cast', ['m'], ['s'], { to: 3 }),
        node('Cast', ['s'], ['z'], { to: 7 }),
      ],
      { b: 'uint8', y: 'int64', z: 'int64' },
    ))

  for (const opset of [12, 19])
    for (const count_include_pad of [0, 1])
      it(`one output of a window that is too long by less than its stride, ${opset} ${count_include_pad}`, () =>
        expectAnswers(
          opset,
          { image: floats('image', 1, 2, 5, 6) },
          [],
          ['AveragePool', 'MaxPool', 'LpPool'].map((op) =>
            node(op, ['image'], [`${op} out`], {
              kernel_shape: [6, 7],
              strides: [6, 7],
              ...(op === 'AveragePool' && { count_include_pad, pads: [0, 0, 0, 0] }),
            }),
          ),
          { 'AveragePool out': 'float32', 'MaxPool out': 'float32', 'LpPool out': 'float32' },
        ))

  for (const [opset, type] of [
    [7, 'float32'],
    [10, 'bool'],
    [13, 'bool'],
  ] as const)
    it(`the mask of Dropout, opset ${opset}`, () =>
      expectAnswers(opset, { x }, [], [node('Dropout', ['x'], ['y', 'mask'])], { y: 'float32', mask: type }))
})

describe('activations that files spell out in other numbers', () => {
  const scalar = (name: string, v: number) => ({ name, shape: [], data: Float32Array.of(v) })
  const values = { v: { shape: [81], data: Float32Array.from({ length: 81 }, (_, i) => (i - 40) / 8) } }

  for (const [three, six, sixth] of [
    [3, 6, 5.999],
    [3.002, 6, 6],
    [3, 6.001, 6],
    [3, 6, 6],
  ] as const)
    it(`v clip(v + ${three}, 0, ${six}) / ${sixth} is what it says`, () =>
      expectAnswers(
        17,
        values,
        [scalar('three', three), scalar('none', 0), scalar('six', six), scalar('sixth', sixth)],
        [
          node('Add', ['v', 'three'], ['a']),
          node('Clip', ['a', 'none', 'six'], ['c']),
          node('Mul', ['v', 'c'], ['m']),
          node('Div', ['m', 'sixth'], ['y']),
          node('Div', ['c', 'sixth'], ['h']),
        ],
        { y: 'float32', h: 'float32' },
      ))

  for (const [one, half] of [
    [1.0005, 0.5],
    [1, 0.4997],
    [1, 0.5],
  ] as const)
    it(`${half} v (${one} + erf(v / sqrt 2)) is what it says`, () =>
      expectAnswers(
        17,
        values,
        [scalar('root', Math.SQRT2), scalar('one', one), scalar('half', half)],
        [
          node('Div', ['v', 'root'], ['d']),
          node('Erf', ['d'], ['e']),
          node('Add', ['e', 'one'], ['a']),
          node('Mul', ['v', 'a'], ['m']),
          node('Mul', ['m', 'half'], ['y']),
        ],
        { y: 'float32' },
      ))

  for (const [op, alpha] of [
    ['LeakyRelu', 0.010005],
    ['HardSigmoid', 0.1667],
  ] as const)
    it(`${op} of ${alpha} behind a convolution`, () =>
      expectAnswers(
        17,
        { image: { shape: [1, 1, 9, 9], data: values.v.data } },
        [{ name: 'w', shape: [1, 1, 1, 1], data: Float32Array.of(9) }],
        [node('Conv', ['image', 'w'], ['c']), node(op, ['c'], ['y'], { alpha: { float: alpha } })],
        { y: 'float32' },
      ))
})
