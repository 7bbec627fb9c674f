/** Functions that a model brings along, against ONNX Runtime. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type GraphParts, type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { inspectModel, loadModel } from '../../src/onnx/index.js'
import { node } from '../support/onnx.js'

const lengthOf = (length: number): number[] =>
  length < 128 ? [length] : [(length & 127) | 128, ...lengthOf(length >> 7)]
const field = (number: number, ...parts: (string | Uint8Array)[]): Uint8Array => {
  const bytes = Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)))
  return Buffer.concat([Uint8Array.from([...lengthOf((number << 3) | 2), ...lengthOf(bytes.length)]), bytes])
}

/** The fields of a message, whole, by their numbers. */
function* fieldsOf(bytes: Uint8Array): Generator<[number: number, whole: Uint8Array, inside: Uint8Array]> {
  let at = 0
  const integer = () => {
    let [value, shift] = [0, 0]
    for (; bytes[at]! & 128; shift += 7) value |= (bytes[at++]! & 127) << shift
    return value | (bytes[at++]! << shift)
  }
  while (at < bytes.length) {
    const begin = at
    const key = integer()
    const length = integer()
    const inside = bytes.subarray(at, at + length)
    if ((key & 7) === 2) at += length
    yield [key >> 3, bytes.subarray(begin, at), inside]
  }
}

interface FunctionParts {
  name: string
  inputs: string[]
  outputs: string[]
  nodes: NodeParts[]
  /** Attributes without a default. */
  attributes?: string[]
  /** Attributes of the body's last node that are the function's of these names. */
  refer?: Record<string, { to: string; type: number }>
  defaults?: NodeParts['attributes']
}

const nodesIn = (nodes: NodeParts[]): Uint8Array[] => {
  const bytes = writeModel({ nodes, inputs: [], outputs: [] })
  const graph = [...fieldsOf(bytes)].find(([number]) => number === 7)![2]
  return [...fieldsOf(graph)].filter(([number]) => number === 1).map(([, , inside]) => inside)
}

function functionOf({ name, inputs, outputs, nodes, attributes = [], refer = {}, defaults }: FunctionParts) {
  const bodies = nodesIn(nodes)
  const references = Object.entries(refer).map(([own, { to, type }]) =>
    field(5, field(1, own), Uint8Array.of(160, 1, type), field(21, to)),
  )
  bodies.push(Buffer.concat([bodies.pop()!, ...references]))
  const [carrier] = nodesIn([{ op: 'Carrier', inputs: [], outputs: [], attributes: defaults ?? {} }])
  const given = [...fieldsOf(carrier!)].filter(([number]) => number === 5).map(([, , inside]) => inside)
  return field(
    25,
    field(1, name),
    ...inputs.map((input) => field(4, input)),
    ...outputs.map((output) => field(5, output)),
    ...attributes.map((attribute) => field(6, attribute)),
    ...bodies.map((body) => field(7, body)),
    field(9, field(1, ''), Uint8Array.of(16, 17)),
    field(9, field(1, 'own'), Uint8Array.of(16, 1)),
    field(10, 'own'),
    ...given.map((attribute) => field(11, attribute)),
  )
}

const modelOf = (nodes: NodeParts[], functions: FunctionParts[]): Uint8Array =>
  Buffer.concat([
    writeModel({
      opset: 17,
      nodes,
      inputs: [{ name: 'x', shape: [4] }],
      outputs: [{ name: 'y', shape: [4] }],
    }),
    ...functions.map(functionOf),
  ])
const x = Float32Array.of(1, -2, 3, -0.5)

describe('functions of a model', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  async function compare(bytes: Uint8Array): Promise<void> {
    const session = await InferenceSession.create(bytes)
    const { y } = await session.run({ x: new Tensor('float32', x, [4]) })
    await session.release()
    using model = await loadModel(engine, bytes)
    for (let run = 0; run < 3; run++) {
      const got = [...model.run({ x })['y']!.toArray()]
      expect(got).toEqual([...(y!.data as Float32Array)].map((v) => expect.closeTo(v, 5)))
    }
    expect((await inspectModel(bytes)).unsupported).toEqual([])
  }

  const twice: FunctionParts = {
    name: 'Twice',
    inputs: ['a'],
    outputs: ['b'],
    nodes: [node('Identity', ['a'], ['x']), node('Add', ['x', 'a'], ['b'])],
  }

  it('become the nodes of their bodies, with names of their own', async () => {
    await compare(modelOf([node('own.Twice', ['x'], ['t']), node('own.Twice', ['t'], ['y'])], [twice]))
  })

  it('call others, and hand attributes on, by default too', async () => {
    const leaky: FunctionParts = {
      name: 'Leaky',
      inputs: ['a'],
      outputs: ['b'],
      nodes: [node('own.Twice', ['a'], ['t']), node('LeakyRelu', ['t'], ['b'])],
      attributes: ['slope'],
      refer: { alpha: { to: 'slope', type: 1 } },
    }
    const elu: FunctionParts = {
      ...leaky,
      name: 'Smooth',
      nodes: [node('Elu', ['a'], ['b'])],
      attributes: [],
      defaults: { slope: { float: 0.5 } },
    }
    const nodes = [
      node('own.Leaky', ['x'], ['l'], { slope: { float: 0.25 } }),
      node('own.Leaky', ['l'], ['m']),
      node('own.Smooth', ['m'], ['y']),
    ]
    await compare(modelOf(nodes, [leaky, elu, twice]))
  })

  it('have graphs inside of nodes, whose names are theirs as well', async () => {
    const branch = (op: string): GraphParts => ({
      nodes: [node(op, ['a'], ['t']), node('Add', ['t', 'm'], ['r'])],
      inputs: [],
      outputs: [{ name: 'r', shape: [4] }],
    })
    const either: FunctionParts = {
      name: 'Either',
      inputs: ['a'],
      outputs: ['b'],
      nodes: [
        node('ReduceMax', ['a'], ['m'], { keepdims: 0 }),
        node('Less', ['m', 'm'], ['c']),
        node('If', ['c'], ['b'], { then_branch: branch('Neg'), else_branch: branch('Abs') }),
      ],
    }
    await compare(modelOf([node('own.Either', ['x'], ['a']), node('own.Either', ['a'], ['y'])], [either]))
  })

  it('give out what went in', async () => {
    const both: FunctionParts = {
      name: 'Both',
      inputs: ['a'],
      outputs: ['a', 'b'],
      nodes: [node('Neg', ['a'], ['b'])],
    }
    using model = await loadModel(
      engine,
      modelOf([node('own.Both', ['x'], ['p', 'q']), node('Sub', ['p', 'q'], ['y'])], [both]),
    )
    expect([...model.run({ x })['y']!.toArray()]).toEqual([2, -4, 6, -1])
  })

  it('are refused where they call themselves, or one another without end or measure', async () => {
    const call = (name: string, callee: string): FunctionParts => ({
      name,
      inputs: ['a'],
      outputs: ['b'],
      nodes: [node(`own.${callee}`, ['a'], ['t']), node(`own.${callee}`, ['t'], ['b'])],
    })
    const circle = modelOf([node('own.A', ['x'], ['y'])], [call('A', 'B'), call('B', 'A')])
    await expect(loadModel(engine, circle)).rejects.toThrow(/"A" must be one that does not call itself/)
    const tower = Array.from({ length: 40 }, (_, i) => call(`F${i}`, i === 39 ? 'Twice' : `F${i + 1}`))
    const tall = modelOf([node('own.F0', ['x'], ['y'])], [...tower, twice])
    await expect(loadModel(engine, tall)).rejects.toThrow(/functions must be at most \d+ nodes/)
    const more = modelOf([node('own.Twice', ['x', 'x'], ['y'])], [twice])
    await expect(loadModel(engine, more)).rejects.toThrow(/called with at most 1 inputs and 1 outputs/)
    const missing = modelOf([node('own.A', ['x'], ['y'])], [call('A', 'Nothing')])
    await expect(loadModel(engine, missing)).rejects.toThrow(/own.Nothing/)
  })
})
