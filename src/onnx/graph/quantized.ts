/**
 * What a file says of the numbers that its bytes stand for, looked at when it is loaded: constant scales, and
 * the types of zero points. Wrong ones give no error later, but nonsense.
 */
import { check, show } from '../../base/errors.js'
import { fewByFew, type Steps } from '../../base/turns.js'
import type { ElementType, HostTensor } from '../file/types.js'
import { type Graph, graphsOf, type Node } from './graph.js'

/** Input by input: `x` bytes, `s` their scale, `z` their zero point; `S` and `Z` those of the output. */
const ARGUMENTS: Record<string, string> = {
  QuantizeLinear: '-SZ',
  DequantizeLinear: 'xsz',
  QLinearConv: 'xszxszSZ',
  QLinearMatMul: 'xszxszSZ',
  'com.microsoft.QuantizeLinear': '-SZ',
  'com.microsoft.DequantizeLinear': 'xsz',
  'com.microsoft.QLinearAdd': 'xszxszSZ',
  'com.microsoft.QLinearMul': 'xszxszSZ',
  'com.microsoft.QLinearConv': 'xszxszSZ',
  'com.microsoft.QLinearAveragePool': 'xszSZ',
  'com.microsoft.QLinearGlobalAveragePool': 'xszSZ',
  'com.microsoft.QLinearLeakyRelu': 'xszSZ',
  'com.microsoft.QLinearSigmoid': 'xszSZ',
  'com.microsoft.QLinearSoftmax': 'xszSZ',
  'com.microsoft.QGemm': 'xszxsz-SZ',
}

/** What input i of an operator is. */
const roleOf = (op: string, i: number): string | undefined => {
  if (op === 'com.microsoft.QLinearConcat') return i < 2 ? 'SZ'[i] : 'xsz'[(i - 2) % 3]
  return Object.hasOwn(ARGUMENTS, op) ? ARGUMENTS[op]![i] : undefined
}

/** Operators that give what they take, so that its type is known behind them. */
const MOVES = new Set(['Identity', 'Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze', 'MaxPool'])

/** Whether a number can be a scale. To bytes it divides; of bytes it may be 0, where all stand for 0. */
const isScale = (value: number, divides: boolean): boolean =>
  Number.isFinite(value) && (divides ? value > 0 : value >= 0)

/**
 * Throws for a constant scale that is none, and for a zero point of another type than its bytes, as far as
 * types are known.
 */
export function* checkQuantized(
  graph: Graph,
  around: ReadonlyMap<string, HostTensor> = new Map(),
  outside: ReadonlyMap<string, ElementType> = new Map(),
): Steps<void> {
  const constants = new Map(around)
  const types = new Map(outside)
  for (const { name, type } of graph.inputs) types.set(name, type)
  yield* fewByFew([...graph.constants], ([name, tensor]) => {
    constants.set(name, tensor)
    types.set(name, tensor.type)
  })
  const holding: Node[] = []
  yield* fewByFew(graph.nodes, (node) => {
    const value = node.op === 'Constant' ? node.attributes.get('value') : undefined
    if (typeof value === 'object' && 'data' in value) {
      constants.set(node.outputs[0]!, value)
      types.set(node.outputs[0]!, value.type)
    }
    checkNode(node, constants, types)
    if (graphsOf(node).length) holding.push(node)
  })
  for (const node of holding)
    for (const inner of graphsOf(node)) yield* checkQuantized(inner, constants, types)
}

function checkNode(
  node: Node,
  constants: ReadonlyMap<string, HostTensor>,
  types: Map<string, ElementType>,
): void {
  const { op, name, inputs, outputs } = node
  if (MOVES.has(op)) {
    const type = types.get(inputs[0]!)
    if (type) types.set(outputs[0]!, type)
  }
  for (const [i, input] of inputs.entries()) {
    const role = roleOf(op, i)
    const fail = (expected: string, got: string) => ({
      op: `${op} ${show(name)}`,
      argument: show(input),
      expected,
      got,
    })
    if (role === 's' || role === 'S') {
      const divides = !op.endsWith('DequantizeLinear')
      const wrong = Array.from(numbersOf(constants.get(input))).find((value) => !isScale(value, divides))
      check(wrong === undefined, () =>
        fail(divides ? 'a scale: finite and above 0' : 'a scale: finite and not below 0', show(wrong)),
      )
    }
    const zero = input && types.get(input)
    if (role === 'z' && zero) {
      const bytes = types.get(inputs[i - 2]!)
      check(bytes === undefined || bytes === zero, () =>
        fail(`a zero point of the type of what it belongs to, ${bytes}`, zero),
      )
    }
    if (role === 'Z' && zero) types.set(outputs[0]!, zero)
  }
}

function numbersOf(tensor: HostTensor | undefined): ArrayLike<number> {
  return (tensor?.data ?? []) as ArrayLike<number>
}
