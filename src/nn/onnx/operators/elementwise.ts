/** Ops that go element by element: they are written in whatever order their values stand. */
import type { DType } from '../../../core/dtype.js'
import { type Activation, type Formula, formulaOf, onnxActivations } from '../../../ops/activation.js'
import { UnaryOp } from '../../../wasm/abi.js'
import { type Call, float, type Operator, type Operators, type Result } from '../call.js'
import { idOf } from '../value.js'

/** A function of the kernel as nodes. */
function formula(call: Call, x: string, [code, a, b]: Formula): string {
  const node = call.node.bind(call)
  switch (code) {
    case UnaryOp.clamp:
      if (a === 0 && b === Number.POSITIVE_INFINITY) return node('Relu', [x])
      return node('Clip', [x, ...[a, b].map((bound) => (Number.isFinite(bound) ? call.scalar(bound) : ''))])
    case UnaryOp.leakyRelu:
      return node('LeakyRelu', [x], { alpha: float(a) })
    case UnaryOp.elu:
      return b === 1 ? node('Elu', [x], { alpha: float(a) }) : node('Selu', [x])
    case UnaryOp.gelu:
      return gelu(call, x)
    case UnaryOp.geluTanh:
      return geluTanh(call, x)
    case UnaryOp.hardSigmoid:
      return node('HardSigmoid', [x], { alpha: float(a), beta: float(b) })
    case UnaryOp.silu:
      return node('Mul', [x, node('Sigmoid', [x])])
    default: {
      const known = Object.entries(onnxActivations).find(([, name]) => formulaOf(name)[0] === code)
      return known ? node(known[0], [x]) : call.sheet.fails('one that ONNX has', `function ${code}`)
    }
  }
}

/** By the error function, before opset 20. */
function gelu(call: Call, x: string): string {
  if (call.sheet.graph.opset >= 20) return call.node('Gelu', [x])
  const part = call.node('Erf', [call.node('Mul', [x, call.scalar(Math.SQRT1_2)])])
  const half = call.node('Mul', [x, call.scalar(0.5)])
  return call.node('Mul', [half, call.node('Add', [part, call.scalar(1)])])
}

function geluTanh(call: Call, x: string): string {
  if (call.sheet.graph.opset >= 20) return call.node('Gelu', [x], { approximate: 'tanh' })
  const { node, scalar } = { node: call.node.bind(call), scalar: call.scalar.bind(call) }
  const cube = node('Mul', [node('Mul', [x, x]), x])
  const sum = node('Add', [x, node('Mul', [cube, scalar(0.044715)])])
  const part = node('Tanh', [node('Mul', [sum, scalar(Math.sqrt(2 / Math.PI))])])
  return node('Mul', [node('Mul', [x, scalar(0.5)]), node('Add', [part, scalar(1)])])
}

/** What follows an op of an activation of its own. */
export const activated = (call: Call, name: string, activation: unknown): string =>
  activation === undefined ? name : formula(call, name, formulaOf(activation as Activation))

const activation: Operator = (call) => {
  const { name, order } = call.value().any()
  return { name: formula(call, name, call.options<{ formula: Formula }>().formula), order }
}

/** One operator of one value. */
const unary =
  (op: string): Operator =>
  (call) => {
    const { name, order } = call.value().any()
    return { name: call.node(op, [name]), order }
  }

/** One that is made of others. */
const made =
  (write: (call: Call, x: string) => string): Operator =>
  (call) => {
    const { name, order } = call.value().any()
    return { name: write(call, name), order }
  }

/** One operator of two values that broadcast, and what follows. */
const binary =
  (op: string, mask = false): Operator =>
  (call) => {
    const { inputs, order } = call.aligned('a', 'b')
    const { activation } = call.options<{ activation?: unknown }>()
    return { name: activated(call, call.node(op, inputs), activation), order, mask }
  }

const notEqual: Operator = (call) => {
  const { name, order } = binary('Equal')(call) as Result
  return { name: call.node('Not', [name]), order, mask: true }
}

/** ONNX takes floats by C's remainder alone, whose sign is another. */
const mod: Operator = (call) => {
  const { inputs, order } = call.aligned('a', 'b')
  const [a, b] = inputs as [string, string]
  const operands = [call.operand('a'), call.operand('b')]
  if (operands.some((operand) => typeof operand !== 'number' && operand.dtype === 'int32'))
    return { name: call.node('Mod', [a, b]), order }
  const whole = call.node('Floor', [call.node('Div', [a, b])])
  return { name: call.node('Sub', [a, call.node('Mul', [whole, b])]), order }
}

const where: Operator = (call) => {
  const mask = call.operand('mask')
  const { inputs, order } = call.aligned('a', 'b', 'mask')
  const [a, b, m] = inputs as [string, string, string]
  const isBool = typeof mask !== 'number' && mask.mask
  // What was brought is a number; the mask itself mostly stands as it is wanted.
  const name = isBool ? maskAs(call, order) : call.node('Cast', [m], { to: 9 })
  return { name: call.node('Where', [name, a, b]), order }
}

function maskAs(call: Call, order: readonly number[]): string {
  const mask = call.operand('mask')
  if (typeof mask === 'number') return call.sheet.fails('a mask', 'a number')
  if (mask.isOne) return mask.any().name
  const pad = (shape: readonly number[]) => [...new Array<number>(call.rank - shape.length).fill(1), ...shape]
  return call.sheet.reshaped(mask, mask.shapes.map(pad)).as(order)
}

const prelu: Operator = (call) => {
  const { inputs, order } = call.aligned('x', 'slope')
  return { name: call.node('PRelu', inputs), order }
}

/** Toward zero, and of bytes to the nearest end of their range. */
const cast: Operator = (call) => {
  const { dtype } = call.options<{ dtype: DType }>()
  const x = call.value()
  const { name, order } = x.any()
  const ends = dtype === 'uint8' ? [0, 255] : dtype === 'int8' ? [-128, 127] : undefined
  const within =
    ends && x.dtype !== 'uint8' && x.dtype !== 'int8'
      ? call.node('Clip', [name, ...ends.map((end) => call.scalar(end, x.dtype))])
      : name
  return { name: call.node('Cast', [within], { to: idOf(dtype) }), order }
}

const not: Operator = (call) => {
  const { inputs, order } = call.aligned('x')
  return { name: call.node('Not', inputs), order, mask: true }
}

export const elementwise: Operators = {
  activation,
  prelu,
  add: binary('Add'),
  sub: binary('Sub'),
  mul: binary('Mul'),
  div: binary('Div'),
  pow: binary('Pow'),
  maximum: binary('Max'),
  minimum: binary('Min'),
  mod,
  equal: binary('Equal', true),
  notEqual,
  less: binary('Less', true),
  lessEqual: binary('LessOrEqual', true),
  greater: binary('Greater', true),
  greaterEqual: binary('GreaterOrEqual', true),
  and: binary('And', true),
  or: binary('Or', true),
  xor: binary('Xor', true),
  not,
  where,
  cast,
  abs: unary('Abs'),
  neg: unary('Neg'),
  exp: unary('Exp'),
  log: unary('Log'),
  sqrt: unary('Sqrt'),
  sign: unary('Sign'),
  floor: unary('Floor'),
  ceil: unary('Ceil'),
  round: unary('Round'),
  sin: unary('Sin'),
  cos: unary('Cos'),
  erf: unary('Erf'),
  log1p: made((call, x) => call.node('Log', [call.node('Add', [x, call.scalar(1)])])),
  expm1: made((call, x) => call.node('Sub', [call.node('Exp', [x]), call.scalar(1)])),
}
