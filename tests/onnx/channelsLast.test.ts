/**
 * Operators on images whose channels stand last in the file (src/onnx/operators/rare/channelsLast.ts): each gives
 * what the standard's gives between two nodes that turn the channels round.
 */
// biome-ignore-all format: tables

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type GraphParts, loadModel, type NodeParts, type TensorParts, writeModel } from '../../src/onnx/index.js'
import { channelsLast } from '../../src/onnx/operators/rare/channelsLast.js'
import { Random } from '../support/random.js'

const random = new Random(151)
const floats = (shape: readonly number[], low = -1, high = 1): TensorParts => ({
  shape,
  data: random.floats(shape.reduce((a, b) => a * b, 1), low, high),
})
const one = (data: TensorParts['data']): TensorParts => ({ shape: [], data })

interface Case {
  op: string
  x: TensorParts
  rest?: TensorParts[]
  attributes?: NodeParts['attributes']
  /** Turned round as x is. */
  images?: readonly number[]
  /** The standard's name and attributes where they are others. */
  standard?: string
}

const image = floats([2, 6, 4, 8])
const bytes: TensorParts = { shape: [1, 6, 5, 3], data: Uint8Array.from(random.integers(90, 0, 255)) }
const byteFilter: TensorParts[] = [one(Float32Array.of(0.1)), one(Uint8Array.of(99)), { shape: [4, 3, 3, 3], data: Int8Array.from(random.integers(108, -60, 60)) }, one(Float32Array.of(0.02)), one(Int8Array.of(0)), one(Float32Array.of(0.4)), one(Uint8Array.of(120))]
const internal = (op: string) => `com.ms.internal.nhwc.${op}`
const pool = { kernel_shape: [3, 2], pads: [1, 0, 1, 0], strides: [2, 1] }

const cases: Case[] = [
  ...['AveragePool', 'MaxPool', 'LpPool'].map((op): Case => ({ op: internal(op), x: image, attributes: pool })),
  ...['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'].map((op): Case => ({ op: internal(op), x: image })),
  { op: internal('BatchNormalization'), x: image, rest: [0, 1, 2, 3].map(() => floats([8], 0.5, 2)) },
  { op: internal('InstanceNormalization'), x: image, rest: [floats([8]), floats([8])] },
  { op: internal('LRN'), x: image, attributes: { size: 3 } },
  { op: internal('Conv'), x: image, rest: [floats([5, 8, 3, 3]), floats([5])], attributes: { pads: [1, 1, 1, 1] } },
  { op: internal('Conv'), x: floats([2, 9, 8]), rest: [floats([5, 8, 3])], attributes: { strides: [2] } },
  { op: internal('ConvTranspose'), x: image, rest: [floats([8, 5, 3, 3]), floats([5])], attributes: { strides: [2, 2] } },
  ...[internal('FusedConv'), 'com.microsoft.NhwcFusedConv'].map((op): Case => ({ op, standard: 'com.microsoft.FusedConv', x: image, rest: [floats([5, 8, 3, 3]), floats([5]), floats([2, 4, 2, 5])], images: [3], attributes: { activation: 'Relu' } })),
  { op: 'com.microsoft.NhwcConv', standard: 'Conv', x: image, rest: [floats([5, 8, 3, 3]), floats([5])] },
  ...['DepthToSpace', 'SpaceToDepth'].map((op): Case => ({ op: internal(op), x: image, attributes: { blocksize: 2 } })),
  { op: internal('GridSample'), x: image, rest: [floats([2, 3, 5, 2])] },
  { op: internal('QLinearConv'), x: bytes, rest: byteFilter },
  { op: 'com.microsoft.QLinearConv', x: bytes, rest: byteFilter, attributes: { channels_last: 1 } },
]

describe('with the channels last', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  const orders = (rank: number) => ({
    first: [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)],
    last: [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1],
  })

  /** The node on x and constants; of `turned` the standard's, between turns. */
  function modelOf({ op, x, rest = [], attributes, images = [], standard }: Case, turned: boolean): Uint8Array {
    const type = x.data instanceof Uint8Array ? 'uint8' : 'float32'
    const { first, last } = orders(x.shape.length)
    const turn = (from: string, to: string, perm: number[]): NodeParts => ({ op: 'Transpose', inputs: [from], outputs: [to], attributes: { perm } })
    const name = (i: number) => (turned && (i === 0 || images.includes(i)) ? `turned${i}` : i ? `c${i}` : 'x')
    const inputs = [x, ...rest].map((_, i) => name(i))
    const known = standard ?? op.slice(op.lastIndexOf('.') + 1)
    const { channels_last, ...own } = attributes ?? {}
    const nodes: NodeParts[] = turned
      ? [
          turn('x', 'turned0', first),
          ...images.map((i) => turn(`c${i}`, `turned${i}`, first)),
          { op: known, inputs, outputs: ['z'], attributes: own },
          turn('z', 'y', last),
        ]
      : [{ op, inputs, outputs: ['y'], attributes: { ...own, channels_last } }]
    const graph: GraphParts = {
      nodes,
      inputs: [{ name: 'x', type, shape: x.shape }],
      outputs: [{ name: 'y', type }],
      initializers: rest.map((tensor, i) => ({ name: `c${i + 1}`, ...tensor })),
    }
    return writeModel({ ...graph, opset: 20 })
  }

  for (const given of cases) {
    it(`${given.op} of [${given.x.shape}]`, async () => {
      using own = await loadModel(engine, modelOf(given, false))
      using other = await loadModel(engine, modelOf(given, true))
      const feeds = { x: { data: given.x.data, shape: given.x.shape } }
      // The second run records, the third replays.
      for (let round = 0; round < 3; round++) {
        const [y, wanted] = [own.run(feeds).y!, other.run(feeds).y!]
        expect(y.shape, `run ${round}`).toEqual(wanted.shape)
        expect(Array.from(y.toArray() as Float32Array), `run ${round}`).toEqual(Array.from(wanted.toArray() as Float32Array))
      }
    })
  }

  it('every one is tried', () => {
    expect(Object.keys(channelsLast).sort()).toEqual([...new Set(cases.map(({ op }) => op))].sort())
  })

  it('refuses places of the largest, which stand otherwise', async () => {
    const bytes = writeModel({
      inputs: [{ name: 'x', shape: [1, 2, 2, 1] }],
      outputs: [{ name: 'y' }, { name: 'places', type: 'int64' }],
      nodes: [{ op: internal('MaxPool'), inputs: ['x'], outputs: ['y', 'places'], attributes: { kernel_shape: [2, 2] } }],
    })
    using model = await loadModel(engine, bytes)
    expect(() => model.run({ x: { data: new Float32Array(4), shape: [1, 2, 2, 1] } })).toThrow(/MaxPool.*output 1 must be left out/)
  })
})
