/**
 * Functions of one 8-bit integer: what stands between a DequantizeLinear and a QuantizeLinear and works on
 * each element by itself is a table of 256, be it one operator or many.
 */
import { sizeOf } from '../../base/shape.js'
import { onnxActivations } from '../../ops/activation.js'
import type { Fusion } from './fusion.js'
import type { Node } from './graph.js'
import { isPlain, PAIRS } from './terms.js'

const FUNCTIONS = new Set([
  ...Object.keys(onnxActivations),
  ...['Abs', 'Acos', 'Acosh', 'Add', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Ceil', 'Celu', 'Clip', 'Cos', 'Cosh'],
  ...['Div', 'Elu', 'Erf', 'Exp', 'Floor', 'Gelu', 'HardSigmoid', 'LeakyRelu', 'Log', 'Max', 'Min', 'Mul'],
  ...['Neg', 'PRelu', 'Pow', 'Reciprocal', 'Round', 'Selu', 'Shrink', 'Sign', 'Sin', 'Sinh', 'Softsign'],
  ...['BatchNormalization', 'Sqrt', 'Sub', 'Swish', 'Tan', 'ThresholdedRelu'],
])

/** The function that a QuantizeLinear ends, as it is found from there on. */
interface Found {
  /** In order of the run, with those of functions in front. */
  nodes: Node[]
  /** What goes where they do: the nodes of the graph. */
  own: Node[]
  /** The bytes that it begins with. */
  x: string | undefined
  constants: Set<string>
}

/** QuantizeLinear of a function of one integer: that function, together with those in front of it. */
export function nameFunction(node: Node, fusion: Fusion): boolean {
  const found = find(node, fusion, true) ?? find(node, fusion, false)
  if (!found) return false
  const { constants, nodes, own, x } = found
  const inputs = [x!, ...constants]
  const body = { inputs, nodes: [...nodes, { ...node }] }
  // A constant of more axes than x has gives its axes to the result.
  const rank = Math.max(...[...constants].map((name) => fusion.constant(name)!.shape.length))
  const isOfRank = own.some(({ op }) => op !== 'DequantizeLinear') && rank > 1
  fusion.replace(node, own, { op: 'filterbank.ByteFunction', inputs, body, ...(isOfRank && { rank }) })
  return true
}

/** `joins`: together with the functions in front of it. */
function find(node: Node, fusion: Fusion, joins: boolean): Found | undefined {
  const found: Found = { nodes: [], own: [], x: undefined, constants: new Set(node.inputs.slice(1, 3)) }
  const { own } = found
  const isWhole =
    follow(node.inputs[0]!, node, found, fusion, joins) &&
    found.x !== undefined &&
    own.every(({ outputs }) => fusion.isReadBy(outputs[0]!, [...own, node]))
  return isWhole ? found : undefined
}

/** Whether what a node reads is made of one integer, and of constants that are the same at every place. */
function follow(name: string, reader: Node, found: Found, fusion: Fusion, joins: boolean): boolean {
  if (name === '' || isConstant(name, found, fusion)) return true
  const maker = fusion.maker(name)
  if (!maker || maker.outputs.length > 1) return false
  if (found.nodes.some(({ outputs }) => outputs[0] === name)) return true
  if (maker.op === 'DequantizeLinear') {
    // Of two operands, the bytes of a constant are faster as they are.
    const bytes = fusion.constant(maker.inputs[0])
    if (bytes && sizeOf(bytes.shape) > 1 && PAIRS.includes(reader.op)) return false
    if (!isPlain(maker, fusion) || !begin(maker, found, fusion, joins)) return false
    for (const term of maker.inputs.slice(1, 3)) found.constants.add(term)
  } else {
    if (!FUNCTIONS.has(maker.op)) return false
    if (!maker.inputs.every((input) => follow(input, maker, found, fusion, joins))) return false
    found.own.push(maker)
  }
  found.nodes.push({ ...maker })
  return true
}

/** Whether a name is a constant of one number, or one for each channel, which the function reads then. */
function isConstant(name: string, { constants }: Found, fusion: Fusion): boolean {
  const shape = fusion.constant(name)?.shape
  const first = shape?.findIndex((length) => length !== 1)
  if (!shape || sizeOf(shape) === 0 || sizeOf(shape.slice(first! + 1)) !== 1) return false
  constants.add(name)
  return true
}

/** Whether these are the bytes that all others are, be it by a function in front, or a constant. */
function begin(dequantize: Node, found: Found, fusion: Fusion, joins: boolean): boolean {
  const name = dequantize.inputs[0]!
  if (isConstant(name, found, fusion)) return true
  const { body } = fusion.maker(name) ?? {}
  if (joins && body && fusion.isInner(name)) {
    const [x, ...constants] = body.inputs as [string, ...string[]]
    if (!isX(x, found)) return false
    for (const constant of constants) found.constants.add(constant)
    found.nodes.push(...body.nodes)
    found.own.push(fusion.maker(name)!, dequantize)
    return true
  }
  return !fusion.constant(name) && isX(name, found)
}

/** Whether the function begins with these bytes, or does so now. */
function isX(name: string, found: Found): boolean {
  found.x ??= name
  return found.x === name
}
