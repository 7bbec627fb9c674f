/** Functions of one 8-bit integer, by a table that the operators they are made of fill (`nameFunction`). */
import { BYTES, type ByteType } from '../../core/dtype.js'
import type { Tensor } from '../../core/tensor.js'
import { runLookup } from '../../plans/bytes.js'
import type { Node } from '../graph/graph.js'
import { Call, type Operator } from '../run/call.js'
import { Value } from '../run/value.js'
import { elementwise } from './elementwise.js'
import { normalize } from './normalize.js'
import { dequantizeLinear, quantizeLinear } from './quantize.js'

const operators: Record<string, Operator> = {
  ...elementwise,
  BatchNormalization: normalize.BatchNormalization!,
  DequantizeLinear: dequantizeLinear,
  QuantizeLinear: quantizeLinear,
}

type Body = NonNullable<Node['body']>

/** What a body makes of x and the constants of a call. */
function resultOf(call: Call, { inputs, nodes }: Body, x: Value): Value {
  const values = new Map(inputs.map((name, i) => [name, i ? call.input(i) : x]))
  let last = x
  for (const node of nodes) {
    const given = node.inputs.map((name) => (name ? values.get(name) : undefined))
    const { opset, run, stepGraph } = call
    last = operators[node.op]!(new Call(node, given, opset, run, stepGraph, new Set())) as Value
    values.set(node.outputs[0]!, last)
  }
  return last
}

/**
 * Numbers of rank `rank` by which every byte, in order of its bits, is seen in each of some channels; of one
 * channel alone.
 */
function everyByte(call: Call, type: ByteType, channels: number, rank: number): Value {
  const bytes = Uint8Array.from({ length: 256 * channels }, (_, i) => Math.floor(i / channels))
  const shape = channels > 1 ? [256, channels, ...Array(rank - 2).fill(1)] : [256]
  const data = type === 'int8' ? new Int8Array(bytes.buffer) : bytes
  return Value.inEngine(call.run, type, shape, call.engine.tensor(data, shape, { dtype: type }))
}

/** A table [channels, 256]; undefined where constants say something else along other axes. */
function tableOf(call: Call, body: Body, x: Value): Value | undefined {
  const { run } = call
  const constants = call.inputs.slice(1) as Value[]
  const rank = x.shape.length
  const channels = constants.every(({ size }) => size === 1) ? 1 : (x.shape[1] ?? 0)
  const isOfChannels = constants.every(
    ({ shape, size }) => size === 1 || (size === channels && (shape.length < rank || shape[0] === 1)),
  )
  if (!isOfChannels) return undefined
  return call.tables(`table of rank ${rank}`, [channels * 256], constants, () => {
    const { hostReads, read } = run
    const y = resultOf(call, body, everyByte(call, x.type as ByteType, channels, rank))
    const data = y.data as Uint8Array
    // Nothing was read that the run makes.
    Object.assign(run, { hostReads, read })
    return y.size === channels * 256
      ? [Uint8Array.from(data, (_, i) => data[(i % 256) * channels + Math.floor(i / 256)]!)]
      : []
  })[0]
}

/** x, and what its scale, zero point and others are that the body reads */
export const byteFunction: Operator = (call) => {
  const x = call.input(0)
  const body = call.node.body!
  if (!BYTES.includes(x.type as ByteType)) call.fail('input 0', 'int8 or uint8', x.type)
  const table = tableOf(call, body, x)
  if (!table) return resultOf(call, body, x)
  const type = body.nodes.at(-1)!.inputs[2]
  const dtype = call.input(body.inputs.indexOf(type!)).type as ByteType
  const layout = table.size > 256 ? (x.shape.length > 2 ? 'last' : 'plain') : x.layout
  const from = x.typed(layout)
  const bytes = table.typed() as Tensor<'uint8'>
  const y = call.engine.make(from.shape, (to) => runLookup(from, to, bytes), { dtype })
  return Value.inEngine(call.run, dtype, x.shape, y, layout)
}
