/**
 * Small models that run: one of each kind of line of the referee's tables and of tests/onnx/lines/, and some
 * with graphs inside of nodes, sequences, and a function. As messages of the file, so that any field can be
 * another (fields.ts).
 */
import { type ModelProto, model, readMessage } from '../../src/onnx/file/schema.js'
import { typeOfArray } from '../../src/onnx/file/types.js'
import {
  type GraphParts,
  type ModelParts,
  type NodeParts,
  type TensorParts,
  writeModel,
} from '../../src/onnx/file/write.js'
import * as elements from '../onnx/lines/elements.js'
import * as layers from '../onnx/lines/layers.js'
import { bool, f32, i64, reshaped, row, scalar } from '../onnx/lines/line.js'
import { families } from '../referee/problems.js'
import { families as learned } from '../referee/problemsLearned.js'
import { families as networks } from '../referee/problemsNetworks.js'
import { families as rare } from '../referee/problemsRare.js'
import { node } from './onnx.js'

/** A model and what it is run on; the first node of its graph is the one that it is about. */
export interface Sample {
  about: string
  proto: ModelProto & { graph: NonNullable<ModelProto['graph']> }
  feeds: Record<string, TensorParts | readonly TensorParts[]>
}

interface Line {
  op: string
  inputs: readonly (TensorParts | undefined)[]
  attributes?: NodeParts['attributes'] | undefined
  outputs?: number | readonly unknown[]
  opset?: number
  version?: number
}

const protoOf = (parts: ModelParts): Sample['proto'] => readMessage<Sample['proto']>(model, writeModel(parts))

export const sizeOf = (shape: readonly number[]): number => shape.reduce((all, length) => all * length, 1)

/** Elements of all inputs that a sample has at most: hunts are long. */
const MOST = 5000

function ofLine({ op, inputs, attributes = {}, outputs = 1, opset = 21, version = 1 }: Line): Sample[] {
  if (inputs.reduce((sum, input) => sum + sizeOf(input?.shape ?? [0]), 0) > MOST) return []
  const names = inputs.map((input, i) => (input ? `x${i}` : ''))
  const count = typeof outputs === 'number' ? outputs : outputs.length
  const ends = Array.from({ length: count }, (_, i) => `y${i}`)
  const given = inputs.flatMap((input, i) => (input ? [[names[i]!, input] as const] : []))
  const domain = op.slice(0, Math.max(0, op.lastIndexOf('.')))
  const proto = protoOf({
    opset,
    domains: { [domain]: version },
    nodes: [node(op, names, ends, attributes)],
    inputs: given.map(([name, { type, data, shape }]) => ({ name, type: type ?? typeOfArray(data)!, shape })),
    outputs: ends.map((name) => ({ name })),
  })
  return [{ about: op, proto, feeds: Object.fromEntries(given) }]
}

/** What decides the way that a node takes: operator, version, types and ranks of inputs, names of attributes. */
const kindOf = ({ op, inputs, attributes = {}, opset = 21 }: Line): string =>
  [
    op,
    opset,
    ...inputs.map((input) => input && `${input.type ?? typeOfArray(input.data)} ${input.shape.length}`),
    ...Object.entries(attributes).map(([name, value]) =>
      typeof value === 'string' ? `${name} ${value}` : name,
    ),
  ].join(' ')

const port = (name: string, ...shape: number[]) => ({ name, shape })
const end = { name: 'y0' }
const ints = (name: string, ...numbers: number[]) => ({ name, ...i64(...numbers) })
const matrix = reshaped(f32(1, -2, 3, 4, 5, -6), 2, 3)

function withGraphs(): Sample[] {
  const branch = (op: string): GraphParts => ({
    nodes: [node(op, ['x0', 'h'], ['t'])],
    inputs: [],
    outputs: [port('t', 2, 3)],
    initializers: [{ name: 'h', ...f32(0.5) }],
  })
  const step: GraphParts = {
    nodes: [
      node('Mul', ['v', 'half'], ['w']),
      node('Identity', ['go'], ['on']),
      node('ReduceSum', ['w'], ['s'], { keepdims: 0 }),
    ],
    inputs: [
      { name: 'i', type: 'int64', shape: [] },
      { name: 'go', type: 'bool', shape: [] },
      port('v', 2, 3),
    ],
    outputs: [{ name: 'on', type: 'bool', shape: [] }, port('w', 2, 3), port('s')],
    initializers: [{ name: 'half', ...f32(0.5) }],
  }
  const sum: GraphParts = {
    nodes: [node('Add', ['a', 'b'], ['c']), node('Identity', ['c'], ['d'])],
    inputs: [port('a', 3), port('b', 3)],
    outputs: [port('c', 3), port('d', 3)],
  }
  const each: GraphParts = { nodes: [node('Neg', ['a'], ['b'])], inputs: [port('a')], outputs: [port('b')] }
  const nets: [about: string, parts: Omit<ModelParts, 'inputs' | 'outputs'>, feeds?: Sample['feeds']][] = [
    [
      'If',
      { nodes: [node('If', ['x1'], ['y0'], { then_branch: branch('Add'), else_branch: branch('Mul') })] },
      { x0: matrix, x1: scalar(bool(1)) },
    ],
    [
      'If',
      {
        nodes: [node('If', ['c'], ['y0'], { then_branch: branch('Add'), else_branch: branch('Mul') })],
        initializers: [{ name: 'c', ...bool(0) }],
      },
    ],
    [
      'Loop',
      {
        nodes: [node('Loop', ['x1', '', 'x0'], ['h', 'y0'], { body: step })],
        initializers: [{ name: 'x1', ...i64(3) }],
      },
    ],
    [
      'Loop',
      { nodes: [node('Loop', ['x1', 'x2', 'x0'], ['y0', 'h'], { body: step })] },
      { x0: matrix, x1: scalar(i64(2)), x2: scalar(bool(1)) },
    ],
    [
      'Scan',
      {
        nodes: [
          node('Scan', ['x1', 'x0'], ['h', 'y0'], {
            ...{ body: sum, num_scan_inputs: 1, scan_input_axes: [0], scan_input_directions: [1] },
            ...{ scan_output_axes: [1], scan_output_directions: [0] },
          }),
        ],
      },
      { x0: matrix, x1: f32(1, 2, 3) },
    ],
    [
      'Scan',
      {
        opset: 8,
        nodes: [node('Scan', ['', 'x1', 'x0'], ['h', 'y0'], { body: sum, num_scan_inputs: 1 })],
      },
      { x0: reshaped(f32(1, 2, 3, 4, 5, 6), 1, 2, 3), x1: reshaped(f32(1, 2, 3), 1, 3) },
    ],
    [
      'SequenceMap',
      {
        nodes: [
          node('SequenceMap', ['s'], ['m'], { body: each }),
          node('SplitToSequence', ['x0', 'parts'], ['s'], { axis: 1 }),
          node('ConcatFromSequence', ['m'], ['y0'], { axis: 1, new_axis: 0 }),
        ],
        initializers: [ints('parts', 1, 2)],
      },
    ],
    [
      'SequenceConstruct',
      {
        nodes: [
          node('SequenceConstruct', ['x0', 'x0'], ['s']),
          node('SequenceInsert', ['s', 'x0', 'one'], ['t']),
          node('SequenceErase', ['t', 'zero'], ['u']),
          node('SequenceLength', ['u'], ['n']),
          node('SequenceAt', ['u', 'one'], ['y0']),
        ],
        initializers: [
          { name: 'one', ...scalar(i64(1)) },
          { name: 'zero', ...scalar(i64(0)) },
        ],
      },
    ],
    [
      'SequenceEmpty',
      {
        nodes: [
          node('SequenceEmpty', [], ['s'], { dtype: 1 }),
          node('SequenceInsert', ['s', 'x0'], ['t']),
          node('ConcatFromSequence', ['t'], ['y0'], { axis: 0, new_axis: 1 }),
        ],
      },
    ],
    [
      'Optional',
      {
        nodes: [
          node('Optional', ['x0'], ['o']),
          node('OptionalHasElement', ['o'], ['h']),
          node('OptionalGetElement', ['o'], ['y0']),
        ],
      },
    ],
    [
      'com.microsoft.MatMulNBits',
      {
        opset: 17,
        nodes: [
          node('com.microsoft.MatMulNBits', ['x0', 'b', 's', 'z'], ['y0'], {
            ...{ K: 32, N: 2, bits: 4, block_size: 16 },
          }),
        ],
        initializers: [
          {
            name: 'b',
            ...reshaped(row(Uint8Array.from({ length: 32 }, (_, i) => (i * 37) % 256)), 2, 2, 8),
          },
          { name: 's', ...reshaped(f32(1, 2, 3, 4), 2, 2) },
          { name: 'z', ...reshaped(row(Uint8Array.of(0x21, 0x43)), 2, 1) },
        ],
      },
      { x0: reshaped(f32(...Array.from({ length: 64 }, (_, i) => i % 7)), 2, 32) },
    ],
    [
      'com.microsoft.NhwcMaxPool',
      { nodes: [node('com.microsoft.NhwcMaxPool', ['x0'], ['y0'], { kernel_shape: [2, 2] })] },
      { x0: reshaped(row(Uint8Array.from({ length: 32 }, (_, i) => (i * 37) % 256)), 1, 4, 4, 2) },
    ],
  ]
  return nets.map(([about, parts, feeds = { x0: matrix }]) => ({
    about,
    proto: protoOf({
      ...parts,
      inputs: Object.entries(feeds as Record<string, TensorParts>).map(([name, { type, data, shape }]) => ({
        name,
        type: type ?? typeOfArray(data)!,
        shape,
      })),
      outputs: [end],
    }),
    feeds,
  }))
}

/** `y0 = own.Scaled(x0)`, of a function with an attribute that has a default and one that has none. */
function withFunction(): Sample {
  const sample: Sample = {
    about: 'own.Scaled',
    proto: protoOf({
      opset: 17,
      nodes: [node('own.Scaled', ['x0'], ['y0'], { slope: { float: 2 } })],
      inputs: [port('x0', 2, 3)],
      outputs: [end],
    }),
    feeds: { x0: matrix },
  }
  const body = protoOf({
    nodes: [
      node('LeakyRelu', ['a'], ['b'], { alpha: { float: 1 } }),
      node('Softmax', ['b'], ['c'], { axis: 1 }),
    ],
    inputs: [],
    outputs: [],
  }).graph.node
  body[0]!.attribute[0]!.refAttrName = 'slope'
  const [, softmax] = body
  const axis = { ...softmax!.attribute[0]!, refAttrName: '' }
  softmax!.attribute[0]!.refAttrName = 'axis'
  sample.proto.functions = [
    {
      name: 'Scaled',
      domain: 'own',
      overload: '',
      input: ['a'],
      output: ['c'],
      attribute: ['slope'],
      attributeProto: [axis],
      node: body,
    },
  ]
  return sample
}

/** All of them, by the operator that each is about. */
export function samples(): Sample[] {
  const lines: Line[] = [families, networks, learned, rare, elements, layers].flatMap((all) =>
    Object.values(all as Record<string, readonly Line[]>).flat(),
  )
  const kinds = new Map(lines.map((line) => [kindOf(line), line]))
  return [...withGraphs(), withFunction(), ...[...kinds.values()].flatMap(ofLine)]
}
