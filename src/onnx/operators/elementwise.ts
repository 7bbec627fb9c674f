/**
 * Operators that work on each element by itself, with NumPy's broadcasting. Floats in the engine where it has
 * a kernel, all else on the host.
 */

import { broadcastShapes, sameShape } from '../../base/shape.js'
import type { DType } from '../../core/dtype.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import {
  applyActivation,
  clamp,
  elu,
  gelu,
  hardSigmoid,
  leakyRelu,
  onnxActivations,
  relu,
  selu,
  sigmoid,
  silu,
} from '../../ops/activation.js'
import { add, div, mul, sub } from '../../ops/arithmetic.js'
import { maximum, minimum, mod, pow } from '../../ops/binary.js'
import { equal, greater, greaterEqual, less, lessEqual, notEqual } from '../../ops/compare.js'
import { prelu } from '../../ops/prelu.js'
import { abs, ceil, erf, exp, floor, log, neg, reciprocal, round, sign, sqrt } from '../../ops/unary.js'
import { and, where as choose, not, or, xor } from '../../ops/where.js'
import type { OutOptions } from '../../plans/elementwise.js'
import { LongOp } from '../../wasm/abi.js'
import { fitsEngine, isFloat, limit, roundToEven, staysOnHost } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { moveBox, spreadOf } from '../run/move.js'
import { Value } from '../run/value.js'
import {
  type Binary,
  commonShape,
  layoutOf,
  mapInEngine,
  mapOnHost,
  operand,
  tensorOf,
  unary,
  zipAs,
  zipInEngine,
  zipOnHost,
} from './broadcast.js'
import { chooseLongs, limitLongs, mapLongs, takesLongs, zipLongs } from './longs.js'
import { power } from './powers.js'
import { trigonometry } from './trigonometry.js'

type Numbers = Float64Array

export function softsign(x: Tensor, { out }: OutOptions = {}): Tensor {
  const more = abs(x)
  return div(x, add(more, 1, { out: more }), { out: out ?? more })
}

/** A function of floats, which the engine alone has. */
const activation =
  (f: (x: Tensor, options: OutOptions, call: Call) => Tensor): Operator =>
  (call) =>
    mapInEngine(call, call.input(0), (x, options) => f(x, options, call))

/** A function of two numbers: `host` by whether they are whole numbers, `engine` for floats. */
function binary(
  host: (a: number, b: number) => number,
  engine?: Binary,
  long?: LongOp,
  whole = host,
): Operator {
  return (call) => arithmetic(call, call.input(0), call.input(1), { host, engine, long, whole })
}

/** The same function where it may run: `whole` of whole numbers of the host, `long` of 64 bits. */
interface Arithmetic {
  host: (a: number, b: number) => number
  engine?: Binary | undefined
  whole?: (a: number, b: number) => number
  long?: LongOp | undefined
}

function arithmetic(
  call: Call,
  a: Value,
  given: Value,
  { host, engine, long, whole = host }: Arithmetic,
): Value {
  const b = oldBroadcast(call, a, given)
  if (long !== undefined && takesLongs([a, b], long)) return zipLongs(call, long, a, b)
  if (engine && isFloat(a.type) && isFloat(b.type) && !(a.isHost && b.isHost))
    return zipInEngine(call, a, b, engine)
  const ints = engine && a.type === 'int32' && b.type === 'int32' && (a.inEngine || b.inEngine)
  if (ints && [a, b].every((value) => value.inEngine || value.constant))
    return zipAs(call, 'int32', a, b, engine as unknown as Binary<'int32'>)
  return zipOnHost(call, [a, b], a.type, isFloat(a.type) ? host : whole)
}

/** Before opset 7 the second operand's axes stood at `axis` of the first. */
function oldBroadcast(call: Call, a: Value, b: Value): Value {
  if (call.opset >= 7 || !call.has('axis') || !call.number('broadcast', 0)) return b
  const after = a.shape.length - call.ownAxis(a.shape.length, 0) - b.shape.length
  return after > 0 ? b.reshaped([...b.shape, ...Array(after).fill(1)]) : b
}

/**
 * The same function of all inputs, two by two. An input that stands there twice is read by two steps: the
 * first one may not write over it.
 */
const folded =
  (host: (a: number, b: number) => number, engine?: Binary, long?: LongOp): Operator =>
  (call) => {
    const [first, ...rest] = call.given()
    const isLast = (value: Value) => call.inputs.indexOf(value) === call.inputs.lastIndexOf(value)
    return rest.reduce(
      (a, b) => arithmetic(call, a, isLast(b) ? b : b.alias(), { host, engine, long }),
      first!.alias(),
    )
  }

/** A question about two elements. */
const compare =
  (test: (a: number, b: number) => boolean, engine: typeof equal, long: LongOp, swaps = false): Operator =>
  (call) => {
    const [a, b] = [call.input(0), oldBroadcast(call, call.input(0), call.input(1))]
    const isNarrow = [a, b].every((value) => value.inEngine || value.constant)
    if (!isNarrow && takesLongs([a, b], long))
      return swaps ? zipLongs(call, long, b, a) : zipLongs(call, long, a, b)
    if (a.isHost && b.isHost) return zipOnHost(call, [a, b], 'bool', (p, q) => Number(test(p, q)))
    const ask: Binary<DType, DType> = (p, q) => engine(p as Tensor, q as Tensor)
    if ([a, b].every(({ type }) => fitsEngine(type))) return zipAs(call, 'float32', a, b, ask, 'bool')
    // Of int64 the engine has what is in the range of int32: what came to be there is.
    if ([a, b].every((value) => value.dtype === 'int32' && fitsInts(value)))
      return zipAs(call, 'int32', a, b, ask, 'bool')
    return zipOnHost(call, [a, b], 'bool', (p, q) => Number(test(p, q)))
  }

/** Whether int32 holds the numbers of a value for sure. */
const fitsInts = (value: Value): boolean =>
  value.type === 'int32' ||
  (value.inEngine && !value.holdsFloats) ||
  (value.constant && (value.data as Numbers).every((v) => Math.abs(v) < 2 ** 31))

/** Logic on masks. */
const logic =
  (test: (a: number, b: number) => boolean, engine: typeof and): Operator =>
  (call) => {
    const [a, b] = [call.input(0), oldBroadcast(call, call.input(0), call.input(1))]
    if (a.isHost && b.isHost) return zipOnHost(call, [a, b], 'bool', (p, q) => Number(test(p, q)))
    const shape = commonShape(call, [a.shape, b.shape])
    const layout = layoutOf([a, b], shape)
    const [p, q] = [a, b].map((value) => tensorOf(value, shape.length, layout, 'uint8'))
    return Value.inEngine(call.run, 'bool', shape, engine(p!, q!), layout)
  }

/** The remainder with the sign of the divisor, as Python has it. */
export function modulo(a: number, b: number): number {
  // Remainders are exact, quotients of large numbers are not.
  const rest = a % b
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest
}

/** What is left of a after whole times b, with the sign of a, as C's fmod. */
const rest: Binary = (a, b) => {
  const size = (v: Tensor | number) => (typeof v === 'number' ? Math.abs(v) : abs(v))
  const left = mod(size(a), size(b))
  return mul(left, typeof a === 'number' ? Math.sign(a) : sign(a))
}

const isInfinite = (x: Tensor, call: Call): AnyTensor => {
  const [low, high] = [call.flag('detect_negative', true), call.flag('detect_positive', true)]
  if (low && high) return equal(abs(x), Number.POSITIVE_INFINITY)
  return low || high ? equal(x, low ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY) : less(x, x)
}

const clip: Operator = (call) => {
  const x = call.input(0)
  const bound = (i: number, name: string, otherwise: number) => call.scalar(i) ?? call.number(name, otherwise)
  const low = bound(1, 'min', Number.NEGATIVE_INFINITY)
  const high = bound(2, 'max', Number.POSITIVE_INFINITY)
  if (x.type === 'int64' && !x.constant) return limitLongs(call, x, low, high)
  if (x.isHost || !fitsEngine(x.type) || low > high) return mapOnHost(call, x, (v) => limit(v, low, high))
  return mapInEngine(call, x, (tensor, options) => clamp(tensor, { ...options, low, high }))
}

const where: Operator = (call) => {
  const [condition, a, b] = [call.input(0), call.input(1), call.input(2)]
  const values = [condition, a, b]
  const inEngine = !staysOnHost(a.type) || [a, b].every((value) => value.inEngine && !value.holdsFloats)
  if (!inEngine && a.type === b.type && takesLongs([a, b])) return chooseLongs(call, condition, a, b)
  if (!inEngine || values.every(({ isHost }) => isHost))
    return zipOnHost(call, values, a.type, (test: number, p: number, q: number) => (test ? p : q))
  const shape = commonShape(
    call,
    values.map((value) => value.shape),
  )
  const layout = layoutOf(values, shape)
  const dtype = [a, b].some(({ holdsFloats }) => holdsFloats) ? 'float32' : a.dtype
  const chosen = choose(
    tensorOf(condition, shape.length, layout, 'uint8'),
    tensorOf(a, shape.length, layout, dtype),
    operand(b, shape.length, layout, dtype),
  )
  return Value.inEngine(call.run, a.type, shape, chosen, layout)
}

const preluOf: Operator = (call) => {
  const [x, slope] = [call.input(0), call.input(1)]
  // Old files give one number per channel, without the axes behind.
  const shape = call.opset >= 7 ? broadcastShapes(x.shape, slope.shape) : undefined
  const wanted = shape
    ? slope
    : slope.reshaped([slope.size, ...Array(Math.max(0, x.shape.length - 2)).fill(1)])
  // ONNX Runtime repeats x too, which the standard does not ask for.
  const wide = shape && !sameShape(shape, x.shape) ? moveBox(call, x, spreadOf(x.shape, shape)) : x
  return zipInEngine(call, wide, wanted, (p, q, { out } = {}) =>
    typeof q === 'number'
      ? leakyRelu(p as Tensor, { alpha: q, out })
      : prelu(typeof p === 'number' ? wide.tensor() : p, q, { out }),
  )
}

function swishOf(call: Call, x: Value): Value {
  const alpha = call.number('alpha', 1)
  return mapInEngine(call, x, (tensor, options) =>
    alpha === 1 ? silu(tensor, options) : mul(tensor, sigmoid(mul(tensor, alpha))),
  )
}

export const elementwise: Record<string, Operator> = {
  Abs: unary(Math.abs, abs, undefined, (call, x) => mapLongs(call, LongOp.abs, x, x)),
  Neg: unary(
    (v) => -v,
    neg,
    undefined,
    (call, x) => mapLongs(call, LongOp.sub, 0, x),
  ),
  Exp: unary(Math.exp, exp),
  Log: unary(Math.log, log),
  Sqrt: unary(Math.sqrt, sqrt),
  Reciprocal: unary((v) => 1 / v, reciprocal),
  Floor: unary(Math.floor, floor),
  Ceil: unary(Math.ceil, ceil),
  Round: unary(roundToEven, round),
  Sign: unary(Math.sign, sign, undefined, (call, x) => limitLongs(call, x, -1, 1)),
  ...trigonometry,
  Erf: activation(erf),
  Not: (call) => {
    const x = call.input(0)
    if (x.isHost) return mapOnHost(call, x, (v) => Number(!v))
    const { layout } = x
    return Value.inEngine(call.run, 'bool', x.shape, not(x.typed(layout) as Tensor<'uint8'>), layout)
  },
  IsNaN: unary(
    (v) => Number(Number.isNaN(v)),
    (x) => notEqual(x, x),
    'bool',
  ),
  IsInf: unary(
    (v, call) =>
      Number(
        (v === Number.POSITIVE_INFINITY && call.flag('detect_positive', true)) ||
          (v === Number.NEGATIVE_INFINITY && call.flag('detect_negative', true)),
      ),
    (x, _, call) => isInfinite(x, call),
    'bool',
  ),
  BitwiseNot: unary((v) => ~v),

  ...Object.fromEntries(
    Object.entries(onnxActivations).map(([op, name]) => [
      op,
      activation((x, options) => applyActivation(op, x, name, options)),
    ]),
  ),
  Relu: unary((v) => Math.max(v, 0), relu),
  LeakyRelu: activation((x, options, call) =>
    leakyRelu(x, { ...options, alpha: call.number('alpha', 0.01) }),
  ),
  PRelu: preluOf,
  Elu: activation((x, options, call) => elu(x, { ...options, alpha: call.number('alpha', 1) })),
  Celu: activation((x, _, call) => mul(elu(mul(x, 1 / call.number('alpha', 1))), call.number('alpha', 1))),
  Selu: activation((x, options, call) =>
    call.has('gamma') || call.has('alpha')
      ? mul(
          elu(x, { alpha: call.number('alpha', 1.6732632423543772) }),
          call.number('gamma', 1.0507009873554805),
        )
      : selu(x, options),
  ),
  Gelu: activation((x, options, call) =>
    gelu(x, { ...options, approximate: call.text('approximate') === 'tanh' ? 'tanh' : 'none' }),
  ),
  HardSigmoid: activation((x, options, call) =>
    hardSigmoid(x, { ...options, alpha: call.number('alpha', 0.2), beta: call.number('beta', 0.5) }),
  ),
  Softsign: activation((x, options) => softsign(x, options)),
  Swish: (call) => swishOf(call, call.input(0)),
  SwiGLU: (call) => zipInEngine(call, swishOf(call, call.input(0)), call.input(1), mul),
  ThresholdedRelu: activation((x, _, call) => choose(greater(x, call.number('alpha', 1)), x, 0)),
  Shrink: activation((x, _, call) => {
    const [lambda, bias] = [call.number('lambd', 0.5), call.number('bias', 0)]
    return choose(less(x, -lambda), add(x, bias), choose(greater(x, lambda), sub(x, bias), 0))
  }),

  Add: binary((a, b) => a + b, add, LongOp.add),
  Sub: binary((a, b) => a - b, sub, LongOp.sub),
  Mul: binary((a, b) => a * b, mul, LongOp.mul),
  Div: binary(
    (a, b) => a / b,
    div,
    LongOp.div,
    (a, b) => Math.trunc(a / b),
  ),
  Pow: (call) => {
    const [a, b] = [call.input(0), call.input(1)]
    const known = b.constant && b.size === 1 && b.shape.length <= a.shape.length ? (b.data[0] as number) : 0
    const inEngine = isFloat(a.type) && !a.isHost && Number.isFinite(known)
    if (inEngine && known === 1) return a.alias()
    if (inEngine && known) return mapInEngine(call, a, (x, options) => power(x, known, options))
    const whole = (p: number, q: number) => Math.trunc(p ** q)
    return arithmetic(call, a, b, {
      host: (p, q) => p ** q,
      engine: isFloat(a.type) ? pow : undefined,
      whole,
    })
  },
  Mod: (call) => {
    const [a, b] = [call.input(0), call.input(1)]
    const remains: Arithmetic = { host: (p, q) => p % q, long: LongOp.remainder }
    if (isFloat(a.type)) return arithmetic(call, a, b, { ...remains, engine: rest })
    if (call.flag('fmod')) return arithmetic(call, a, b, remains)
    return arithmetic(call, a, b, { host: modulo, engine: mod, long: LongOp.mod })
  },
  Max: folded((a, b) => Math.max(a, b), maximum, LongOp.maximum),
  Min: folded((a, b) => Math.min(a, b), minimum, LongOp.minimum),
  Sum: folded((a, b) => a + b, add),
  Mean: (call) => {
    const sum = elementwise['Sum']!(call) as Value
    const { length } = call.inputs
    return sum.isHost
      ? mapOnHost(call, sum, (v) => v / length)
      : mapInEngine(call, sum, (x) => mul(x, 1 / length))
  },
  And: logic((a, b) => !!a && !!b, and),
  Or: logic((a, b) => !!a || !!b, or),
  Xor: logic((a, b) => !!a !== !!b, xor),
  Equal: compare((a, b) => a === b, equal, LongOp.equal),
  Less: compare((a, b) => a < b, less, LongOp.less),
  LessOrEqual: compare((a, b) => a <= b, lessEqual, LongOp.lessEqual),
  Greater: compare((a, b) => a > b, greater, LongOp.less, true),
  GreaterOrEqual: compare((a, b) => a >= b, greaterEqual, LongOp.lessEqual, true),
  BitwiseAnd: binary((a, b) => a & b, undefined, LongOp.and),
  BitwiseOr: binary((a, b) => a | b, undefined, LongOp.or),
  BitwiseXor: binary((a, b) => a ^ b, undefined, LongOp.xor),
  BitShift: (call) => {
    const left = call.text('direction') === 'LEFT'
    return zipOnHost(call, [call.input(0), call.input(1)], call.input(0).type, (a: number, b: number) =>
      left ? a * 2 ** b : Math.floor(a / 2 ** b),
    )
  },
  Where: where,
  Clip: clip,
}
