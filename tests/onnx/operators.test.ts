/**
 * Operators that ONNX Runtime does not referee (tests/referee/operators.test.ts), being too new, too old, or
 * of types that it lacks: small nodes with the answers that the standard's definitions give. A node is a
 * line of lines/; each is run on inputs and on constants.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { typeOfArray, type UserArray } from '../../src/onnx/file/types.js'
import { type GraphParts, type TensorParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel, type ModelOutput } from '../../src/onnx/index.js'
import { operators } from '../../src/onnx/operators/index.js'
import { sequence } from '../../src/onnx/operators/sequence.js'
import { families } from '../referee/problems.js'
import { families as networks } from '../referee/problemsNetworks.js'
import { errorInUnits } from '../support/functions.js'
import { booleans, casts, constants, doubles, movement } from './lines/elements.js'
import { attention, contrib, learning, recurrent } from './lines/layers.js'
import { bool, f32, type Line, scalar } from './lines/line.js'

const lines: Record<string, Line[]> = {
  constants,
  movement,
  doubles,
  booleans,
  casts,
  learning,
  recurrent,
  attention,
  contrib,
}

describe('a node gives what its definition says', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  const port = (tensor: TensorParts, name: string) => ({
    name,
    type: tensor.type ?? typeOfArray(tensor.data)!,
    shape: tensor.shape,
  })

  for (const [family, members] of Object.entries(lines)) {
    for (const [i, { op, opset = 21, attributes, inputs, outputs }] of members.entries()) {
      it(`${family} ${i}: ${op} ${JSON.stringify(attributes ?? {})}`, async () => {
        const named = inputs.flatMap((tensor, k) => (tensor ? [{ ...tensor, name: `x${k}` }] : []))
        const ends = outputs.map((tensor, k) => port(tensor, `y${k}`))
        const node = {
          op,
          inputs: inputs.map((tensor, k) => (tensor ? `x${k}` : '')),
          outputs: ends.map(({ name }) => name),
          attributes,
        }
        const check = (got: Record<string, ModelOutput>, about: string) =>
          outputs.forEach((wanted, k) => {
            const y = got[`y${k}`]!
            expect([y.type, ...y.shape], about).toEqual([port(wanted, '').type, ...wanted.shape])
            expectNumbers(y.data, wanted.data, `${about}: output ${k}`)
          })
        using onInputs = await loadModel(
          engine,
          writeModel({
            opset,
            nodes: [node],
            inputs: named.map((tensor) => port(tensor, tensor.name)),
            outputs: ends,
          }),
        )
        const feeds = Object.fromEntries(named.map(({ name, data, shape }) => [name, { data, shape }]))
        // The second run records, the third replays.
        for (let round = 0; round < 3; round++) check(onInputs.run(feeds), `run ${round}`)
        using onConstants = await loadModel(
          engine,
          writeModel({ opset, nodes: [node], inputs: [], outputs: ends, initializers: named }),
        )
        check(onConstants.run({}), 'of constants')
      })
    }
  }

  it('in a graph: which branch, with what stands around it', async () => {
    const branch = (op: string): GraphParts => ({
      nodes: [{ op, inputs: ['x', 'two'], outputs: ['z'] }],
      inputs: [],
      outputs: [{ name: 'z' }],
    })
    const bytes = writeModel({
      nodes: [
        {
          op: 'If',
          inputs: ['sure'],
          outputs: ['y'],
          attributes: { then_branch: branch('Mul'), else_branch: branch('Add') },
        },
      ],
      inputs: [port(bool(1), 'sure'), { name: 'x', shape: [2] }],
      outputs: [{ name: 'y' }],
      initializers: [{ name: 'two', ...scalar(f32(2)) }],
    })
    using model = await loadModel(engine, bytes)
    for (let round = 0; round < 3; round++) {
      for (const sure of [1, 0]) {
        const y = model.run({ sure: { data: Uint8Array.of(sure), shape: [1] }, x: [3, 5] })['y']!
        expect([...y.toArray()]).toEqual(sure ? [6, 10] : [5, 7])
      }
    }
  })

  it('in a graph whose nodes stand in any order', async () => {
    const nodes = [
      { op: 'Add', inputs: ['c', 'b'], outputs: ['y'] },
      { op: 'Mul', inputs: ['b', 'a'], outputs: ['c'] },
      { op: 'Neg', inputs: ['a'], outputs: ['b'] },
      { op: 'Abs', inputs: ['x'], outputs: ['a'] },
    ]
    using model = await loadModel(
      engine,
      writeModel({ nodes, inputs: [{ name: 'x', shape: [3] }], outputs: [{ name: 'y' }] }),
    )
    // -|x| |x| - |x|
    expect([...model.run({ x: [-2, 0.5, 3] })['y']!.toArray()]).toEqual([-6, -0.75, -12])
  })

  it('of plain numbers for any type of an input', async () => {
    for (const type of [
      'int8',
      'uint8',
      'int16',
      'int32',
      'int64',
      'uint64',
      'float16',
      'float64',
      'bool',
    ] as const) {
      const nodes = [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }]
      using model = await loadModel(
        engine,
        writeModel({ nodes, inputs: [{ name: 'x', type, shape: [2] }], outputs: [{ name: 'y', type }] }),
      )
      const y = model.run({ x: [1, 0] })['y']!
      expect([y.type, ...[...y.toArray()].map(Number)]).toEqual([type, 1, 0])
    }
  })

  it('of yes and no in the engine: comparisons and what is made of them', async () => {
    const pairs = [
      ['Less', 'a', 'b', 'less'],
      ['Greater', 'a', 'zero', 'positive'],
      ['And', 'less', 'positive', 'both'],
      ['Or', 'less', 'positive', 'either'],
      ['Xor', 'less', 'positive', 'one'],
    ] as const
    const bytes = writeModel({
      nodes: [
        ...pairs.map(([op, left, right, y]) => ({ op, inputs: [left, right], outputs: [y] })),
        { op: 'Not', inputs: ['both'], outputs: ['not both'] },
        { op: 'Where', inputs: ['either', 'a', 'b'], outputs: ['chosen'] },
      ],
      inputs: ['a', 'b'].map((name) => ({ name, shape: [4] })),
      outputs: [
        ...['both', 'either', 'one', 'not both'].map((name) => ({ name, type: 'bool' as const })),
        { name: 'chosen' },
      ],
      initializers: [{ name: 'zero', ...scalar(f32(0)) }],
    })
    using model = await loadModel(engine, bytes)
    const wanted = {
      both: [0, 1, 0, 0],
      either: [1, 1, 1, 0],
      one: [1, 0, 1, 0],
      'not both': [1, 0, 1, 1],
      chosen: [-1, 1, 3, -3],
    }
    for (let round = 0; round < 3; round++) {
      const outputs = model.run({ a: [-1, 1, 3, -2], b: [0, 2, 1, -3] })
      expect(
        Object.fromEntries(Object.entries(outputs).map(([name, y]) => [name, [...y.toArray()].map(Number)])),
      ).toEqual(wanted)
    }
  })

  it('of a constant without a value, and of a branch without a graph: says so', async () => {
    const bare = (op: string, inputs: string[]) => ({
      nodes: [{ op, inputs, outputs: ['y'] }],
      inputs: [],
      outputs: [{ name: 'y' }],
    })
    await expect(
      loadModel(engine, writeModel(bare('Constant', []))).then((model) => model.run({})),
    ).rejects.toThrow(/value must be a dense constant/)
    const parts = { ...bare('If', ['sure']), initializers: [{ name: 'sure', ...scalar(bool(1)) }] }
    await expect(loadModel(engine, writeModel(parts)).then((model) => model.run({}))).rejects.toThrow(
      /then_branch must be a graph, got none/,
    )
  })
})

// What runs graphs is tried in inner.test.ts and segments.test.ts, others in sequence.test.ts and blocks.test.ts;
// what only `fuse` writes, and some of com.microsoft, in referee/bytes.test.ts, bytesBetween.test.ts and bytesChain.test.ts, or attention.test.ts.
it('every operator is tried here or refereed', () => {
  const tried = new Set(
    [lines, families, networks]
      .flatMap((all) => Object.values(all))
      .flat()
      .map(({ op }) => op),
  )
  const elsewhere = [
    ...['If', 'Loop', 'Scan', 'SequenceMap', 'com.microsoft.MatMulNBits', 'com.microsoft.NhwcMaxPool'],
    ...['ReduceMean', 'Softmax', 'Where'].map((op) => `com.microsoft.QLinear${op}`),
    ...['Attention', 'ByteFunction', 'ConvInteger', 'MatMulInteger', 'Rounded'].map(
      (op) => `filterbank.${op}`,
    ),
    ...['ConvTranspose', 'Div', 'Max', 'Min', 'Resize', 'Softmax', 'Sub'].map(
      (op) => `filterbank.QLinear${op}`,
    ),
    ...Object.keys(sequence),
  ]
  expect(
    Object.keys(operators)
      .filter((op) => !tried.has(op))
      .sort(),
  ).toEqual(elsewhere.sort())
})

/** Whole numbers, texts and bits alike; floats within a few units of float32. */
function expectNumbers(got: UserArray, wanted: UserArray, about: string): void {
  expect(got.constructor, about).toBe(wanted.constructor)
  expect(got.length, about).toBe(wanted.length)
  if (!(wanted instanceof Float32Array || wanted instanceof Float64Array))
    expect([...got], about).toEqual([...wanted])
  else
    for (const [i, v] of wanted.entries())
      expect(
        errorInUnits(got[i] as number, v),
        `${about}: element ${i} is ${got[i]}, expected ${v}`,
      ).toBeLessThan(9)
}
