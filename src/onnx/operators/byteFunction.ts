/** Functions of one 8-bit integer, by a table that the operators they are made of fill (`nameFunction`). */
import { BYTES, type ByteType } from '../../core/dtype.js'
import { runLookup } from '../../plans/bytes.js'
import type { Node } from '../graph/graph.js'
import { Call, type Operator } from '../run/call.js'
import { Value } from '../run/value.js'
import { elementwise } from './elementwise.js'
import { dequantizeLinear, quantizeLinear } from './quantize.js'

const operators: Record<string, Operator> = {
  ...elementwise,
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

/** Each of the 256 bytes, in order of their bits. */
const everyByte = (type: ByteType): Int8Array | Uint8Array => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
  return type === 'int8' ? new Int8Array(bytes.buffer) : bytes
}

/** x, and what its scale, zero point and others are that the body reads */
export const byteFunction: Operator = (call) => {
  const x = call.input(0)
  const body = call.node.body!
  if (!BYTES.includes(x.type as ByteType)) call.fail('input 0', 'int8 or uint8', x.type)
  const { engine, run } = call
  const [table] = call.tables('table', [256], call.inputs.slice(1) as Value[], () => {
    const { hostReads, read } = run
    const all = engine.tensor(everyByte(x.type as ByteType), [256], { dtype: x.type as ByteType })
    const data = resultOf(call, body, Value.inEngine(run, x.type, [256], all)).data as Uint8Array
    // Nothing was read that the run makes.
    Object.assign(run, { hostReads, read })
    return [new Uint8Array(data.buffer, data.byteOffset, 256)]
  })
  const type = body.nodes.at(-1)!.inputs[2]
  const dtype = call.input(body.inputs.indexOf(type!)).type as ByteType
  const { layout } = x
  const from = x.typed(layout)
  const bytes = table!.typed()
  const y = engine.make(from.shape, (to) => runLookup(from, to, bytes as never), { dtype })
  return Value.inEngine(run, dtype, x.shape, y, layout)
}
