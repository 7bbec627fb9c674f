/** A float model as quantisation works on it: constants folded, opset 13 or later, and back to a file. */

import { check, FilterbankError, show } from '../../base/errors.js'
import { atOnce, inTurns } from '../../base/turns.js'
import type { Engine } from '../../core/engine.js'
import { decoderWith } from '../file/decode.js'
import { fetchModel, type LoadSettings, type ModelSource } from '../file/load.js'
import { type GraphProto, readModel } from '../file/schema.js'
import { type HostTensor, toUser } from '../file/types.js'
import {
  type AttributeParts,
  type GraphParts,
  type NodeParts,
  type TensorParts,
  writeModel,
} from '../file/write.js'
import { foldWeights } from '../graph/fuse.js'
import { type AttributeValue, type Graph, type Node, openGraph, type Port, readsOf } from '../graph/graph.js'
import { checkGraph } from '../graph/known.js'
import { foldConstants } from '../run/fold.js'
import { dropKept, newRun } from '../run/kept.js'

const op = 'quantizeModel'
/** The first whose QuantizeLinear has an axis. */
const LEAST_OPSET = 13

export interface Network {
  nodes: Node[]
  constants: Map<string, HostTensor>
  inputs: readonly Port[]
  outputs: readonly Port[]
  opset: number
  /** Versions of other domains than the standard's. */
  domains: Readonly<Record<string, number>>
  /** 'Operator.attribute' of those that are of type float. */
  floats: ReadonlySet<string>
  /** Of the files that it was read from. */
  bytes: number
}

export async function openNetwork(
  engine: Engine,
  source: ModelSource,
  settings: Pick<LoadSettings, 'externalData' | 'signal'>,
): Promise<Network> {
  const { bytes, external } = await fetchModel(source, settings)
  let size = bytes.length
  const proto = await inTurns(readModel(bytes, op))
  const opened = await inTurns(
    openGraph(
      proto,
      decoderWith((...part) => {
        const data = external(...part)
        size += data.length
        return data
      }),
    ),
  )
  await checkGraph(opened)
  const { graph: found, opset } = opened
  check(opset >= 7, () => ({
    op,
    argument: 'source',
    expected: 'a model of opset 7 or later',
    got: `${opset}`,
  }))
  const graph = found as Graph
  const run = newRun(engine)
  const values = engine.apart(() => atOnce(foldConstants(graph, opset, run)))
  const constants = new Map<string, HostTensor>()
  for (const [name, value] of values) {
    constants.set(name, { type: value.type, shape: value.shape, data: value.fresh() })
    value.dispose()
  }
  dropKept(run)
  const floats = new Set([...floatsIn(proto.graph), 'Elu.alpha', 'Clip.min', 'Clip.max'])
  if (opset < LEAST_OPSET) graph.nodes = graph.nodes.flatMap((node) => raised(node, opset, constants))
  const folded = foldWeights(graph, (name) => constants.get(name))
  for (const [name, tensor] of folded.constants) constants.set(name, tensor)
  const { nodes, inputs, outputs } = folded
  return {
    nodes,
    constants,
    inputs,
    outputs,
    floats,
    opset: Math.max(opset, LEAST_OPSET),
    domains: Object.fromEntries(
      proto.opsetImport.flatMap(({ domain, version }) =>
        domain && domain !== 'ai.onnx' ? [[domain, version]] : [],
      ),
    ),
    bytes: size,
  }
}

function floatsIn(graph: GraphProto): string[] {
  return graph.node.flatMap(({ opType, domain, attribute }) =>
    attribute.flatMap(({ name, type, g }) => [
      ...(type === 1 || type === 6
        ? [`${domain && domain !== 'ai.onnx' ? `${domain}.` : ''}${opType}.${name}`]
        : []),
      ...(g ? floatsIn(g) : []),
    ]),
  )
}

/** A node of an older opset as those of 13. */
function raised(node: Node, opset: number, constants: Map<string, HostTensor>): Node[] {
  const { inputs, outputs, attributes } = node
  const [x] = inputs as [string]
  const [y] = outputs as [string]
  const has = (name: string) => attributes.get(name) as number[] | undefined
  const given = (part: string, value: number | readonly number[] | undefined, type: 'int64' | 'float32') => {
    if (value === undefined) return ''
    const list = typeof value === 'number' ? [value] : value
    const name = `${y} ${part}`
    const data = type === 'int64' ? Float64Array.from(list) : Float32Array.from(list)
    constants.set(name, { type, shape: typeof value === 'number' && part !== 'k' ? [] : [list.length], data })
    return name
  }
  const kept = (...names: string[]) => new Map([...attributes].filter(([name]) => names.includes(name)))
  const inner = [...attributes.values()].some((value) => typeof value === 'object' && 'nodes' in value)
  if (
    inner ||
    node.op === 'Hardmax' ||
    (node.op === 'BatchNormalization' && opset < 9 && attributes.get('spatial') === 0)
  )
    throw new FilterbankError({
      op,
      argument: 'source',
      expected: `a model whose ${node.op} (node ${show(node.name)}) is of opset 13 or later`,
      got: `opset ${opset}`,
      hint: 'Export the model anew, with opset 13 or later',
    })
  if (node.op === 'Clip' && opset < 11)
    return [
      {
        ...node,
        inputs: [
          x,
          given('min', attributes.get('min') as number, 'float32'),
          given('max', attributes.get('max') as number, 'float32'),
        ],
        attributes: new Map(),
      },
    ]
  if (node.op === 'Pad' && opset < 11)
    return [
      {
        ...node,
        inputs: [
          x,
          given('pads', has('pads'), 'int64'),
          given('value', (attributes.get('value') as number) ?? 0, 'float32'),
        ],
        attributes: kept('mode'),
      },
    ]
  if (['Squeeze', 'Unsqueeze', 'ReduceSum'].includes(node.op) && !inputs[1]) {
    const axes = given('axes', has('axes'), 'int64')
    return [{ ...node, inputs: axes ? [x, axes] : [x], attributes: kept('keepdims') }]
  }
  if (node.op === 'Split' && !inputs[1]) {
    const split = given('split', has('split'), 'int64')
    return [{ ...node, inputs: split ? [x, split] : [x], attributes: kept('axis') }]
  }
  if (node.op === 'Slice' && opset < 10)
    return [
      {
        ...node,
        inputs: [x, ...['starts', 'ends', 'axes'].map((name) => given(name, has(name), 'int64'))],
        attributes: new Map(),
      },
    ]
  if (node.op === 'TopK' && opset < 10)
    return [
      { ...node, inputs: [x, given('k', attributes.get('k') as number, 'int64')], attributes: kept('axis') },
    ]
  if (node.op === 'Upsample' || (node.op === 'Resize' && opset < 11))
    return [
      {
        ...node,
        op: 'Resize',
        inputs: [x, '', inputs[1] ?? given('scales', has('scales'), 'float32')],
        attributes: new Map<string, AttributeValue>([
          ...kept('mode'),
          ['coordinate_transformation_mode', 'asymmetric'],
          ['nearest_mode', 'floor'],
        ]),
      },
    ]
  if (node.op === 'Scatter') return [{ ...node, op: 'ScatterElements' }]
  if (node.op === 'BatchNormalization') return [{ ...node, attributes: kept('epsilon', 'momentum') }]
  if (node.op === 'Dropout') return [{ ...node, inputs: [x], attributes: new Map() }]
  if (node.op !== 'Softmax' && node.op !== 'LogSoftmax') return [node]
  // Of the axis and all behind it as one.
  const [flat, made, shape] = [`${y} flat`, `${y} of flat`, `${y} shape`]
  const step = (name: string, from: string[], to: string, more: [string, number][] = []): Node => ({
    op: name,
    name: to === y ? node.name : to,
    inputs: from,
    outputs: [to],
    attributes: new Map(more),
  })
  return [
    step('Shape', [x], shape),
    step('Flatten', [x], flat, [['axis', (attributes.get('axis') as number) ?? 1]]),
    step(node.op, [flat], made, [['axis', -1]]),
    step('Reshape', [made, shape], y),
  ]
}

const tensorParts = ({ type, shape, data }: HostTensor): TensorParts => ({
  type,
  shape,
  data: toUser(type, data),
})

function attributeParts(key: string, value: AttributeValue, floats: ReadonlySet<string>): AttributeParts {
  if (typeof value === 'number') return floats.has(key) ? { float: value } : value
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return floats.has(key) ? { floats: value as number[] } : (value as number[])
  return 'nodes' in value ? graphParts(value, floats) : tensorParts(value)
}

const nodeParts = (
  { op: name, name: title, inputs, outputs, attributes }: Node,
  floats: ReadonlySet<string>,
): NodeParts => ({
  op: name,
  name: title,
  inputs,
  outputs,
  attributes: Object.fromEntries(
    [...attributes].map(([key, value]) => [key, attributeParts(`${name}.${key}`, value, floats)]),
  ),
})

function graphParts({ nodes, constants, inputs, outputs }: Graph, floats: ReadonlySet<string>): GraphParts {
  const read = new Set([...nodes.flatMap((node) => readsOf(node)), ...outputs.map(({ name }) => name)])
  return {
    nodes: nodes.map((node) => nodeParts(node, floats)),
    inputs,
    outputs,
    initializers: [...constants]
      .filter(([name]) => read.has(name))
      .map(([name, tensor]) => ({ name, ...tensorParts(tensor) })),
  }
}

export const writeNetwork = ({
  opset,
  domains,
  floats,
  nodes,
  constants,
  inputs,
  outputs,
}: Network): Uint8Array =>
  writeModel({
    opset,
    domains,
    ...graphParts({ nodes, constants, inputs: [...inputs], outputs: [...outputs] }, floats),
  })
