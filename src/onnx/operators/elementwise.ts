/**
 * Operators that work on each element by itself, with NumPy's broadcasting. Floats in the engine where it has
 * a kernel, all else on the host.
 */

import { broadcastShapes, broadcastStrides, type Shape, sameShape, sizeOf } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import {
  clamp,
  elu,
  gelu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  mish,
  relu,
  selu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from '../../ops/activation.js'
import { type ArithmeticOptions, add, div, mul, sub } from '../../ops/arithmetic.js'
import { maximum, minimum } from '../../ops/binary.js'
import { prelu } from '../../ops/prelu.js'
import { max, sum } from '../../ops/reduce.js'
import { abs } from '../../ops/unary.js'
import { NO_CLAMP, type OutOptions, runBinary, runUnary } from '../../plans/elementwise.js'
import { BinaryOp, UnaryOp } from '../../wasm/abi.js'
import {
  type ElementType,
  fitsEngine,
  type HostArray,
  hostArray,
  isFloat,
  limit,
  roundedTo,
  roundToEven,
  typeOf,
} from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { indexesOf, offsetOf } from '../run/move.js'
import { type Layout, lastShape, Value } from '../run/value.js'

type Numbers = Float64Array

/** Every element of one value through `f` on the host. */
export function mapOnHost(call: Call, x: Value, f: (v: number) => number, type: ElementType = x.type): Value {
  const from = x.data as Numbers
  return call.host(type, x.shape, (to) => {
    for (let i = 0; i < to.length; i++) to[i] = f(from[i]!)
  })
}

/** The common shape of all, or an error. */
export function commonShape(call: Call, shapes: readonly Shape[]): Shape {
  return shapes.reduce(
    (shape, next) => broadcastShapes(shape, next) ?? call.fail('inputs', 'of shapes that broadcast', shapes),
    [] as Shape,
  )
}

/** Elements of up to three values, broadcast, through `f` on the host. */
export function zipOnHost(
  call: Call,
  values: readonly Value[],
  type: ElementType,
  f: (a: number, b: number, c: number) => unknown,
): Value {
  const shape = commonShape(
    call,
    values.map((value) => value.shape),
  )
  const [a, b, c] = values.map((value) => value.data as Numbers) as [Numbers, Numbers, Numbers]
  const [p, q, r] = values.map((value) => broadcastStrides(value.shape, shape)) as [
    number[],
    number[],
    number[],
  ]
  const inner = shape.at(-1) ?? 1
  const step = (strides: number[] | undefined) => strides?.at(-1) ?? 0
  const steps = [step(p), step(q), step(r)] as const
  const to = hostArray(type, sizeOf(shape)) as unknown[]
  let i = 0
  for (const row of indexesOf(shape.slice(0, -1))) {
    let [j, k, l] = [p, q, r].map((strides) => (strides ? offsetOf(row, strides) : 0)) as [
      number,
      number,
      number,
    ]
    for (let n = inner; n > 0; n--) {
      to[i++] = f(a[j]!, b[k]!, c?.[l] as number)
      j += steps[0]
      k += steps[1]
      l += steps[2]
    }
  }
  return Value.onHost(call.run, type, shape, to as unknown as HostArray)
}

/** An operand's tensor among others of `rank` axes in one layout; numbers where it is a single known one. */
function operand(value: Value, rank: number, layout: Layout): Tensor | number {
  if (value.constant && value.size === 1 && value.isHost && rank >= value.shape.length)
    return value.data[0] as number
  if (layout === 'plain' || value.shape.length === rank) return value.tensor(layout)
  return value.form(`last of ${rank}`, () => {
    const padded = value.reshaped([...Array(rank - value.shape.length).fill(1), ...value.shape])
    const tensor = padded.tensor('last')
    return tensor.reshape(tensor.shape)
  })
}

/**
 * A function of the engine of two operands; `options` say where its result may be written, and the activation
 * of it.
 */
type Binary = (a: Tensor | number, b: Tensor | number, options?: ArithmeticOptions) => Tensor

/** In the engine, in the layout of the operands that have the rank of the result. */
export function zipInEngine(call: Call, a: Value, b: Value, f: Binary, type = a.type): Value {
  const shape = commonShape(call, [a.shape, b.shape])
  const rank = shape.length
  const layout: Layout =
    rank > 2 && [a, b].some((value) => value.shape.length === rank && value.layout === 'last')
      ? 'last'
      : 'plain'
  let [p, q] = [operand(a, rank, layout), operand(b, rank, layout)]
  if (typeof p === 'number' && typeof q === 'number') p = a.tensor('plain')
  const wanted = layout === 'plain' ? shape : lastShape(shape)
  const [first, second] = [call.over(a, p, wanted), call.over(b, q, wanted)]
  // Functions that no activation is joined to take none.
  const { activation } = call.node
  const y = f(p, q, { out: first ?? second, ...(activation && { activation }) })
  // A single element on one side may have had more axes than the other side has.
  return Value.inEngine(call.run, type, shape, sameShape(y.shape, wanted) ? y : y.reshape(wanted), layout)
}

/** y = f(x) in the engine, in whichever layout x is; `out` says where it may be written. */
export function mapInEngine(
  call: Call,
  x: Value,
  f: (x: Tensor, options: OutOptions) => Tensor,
  type = x.type,
): Value {
  const { layout } = x
  const tensor = x.tensor(layout)
  return Value.inEngine(
    call.run,
    type,
    x.shape,
    f(tensor, { out: call.over(x, tensor, tensor.shape) }),
    layout,
  )
}

/** A function that the engine has within other ones alone. */
const inner =
  (op: UnaryOp, a = 0) =>
  (x: Tensor, { out }: OutOptions = {}): Tensor => {
    if (!out) return x.engine.make(x.shape, (y) => runUnary(op, x, y, a, 0))
    runUnary(op, x, out, a, 0)
    return out.changed()
  }

export const exp = inner(UnaryOp.exp)
export const log = inner(UnaryOp.log)
const sqrt = inner(UnaryOp.sqrt)
export const round = inner(UnaryOp.round)

/** The same of two operands. */
const innerOf =
  (op: BinaryOp): Binary =>
  (a, b, { out } = {}) =>
    runBinary(
      op,
      ([a, b].find((operand) => typeof operand !== 'number') as Tensor).engine,
      a,
      b,
      out,
      NO_CLAMP,
      { op: 'onnx', shapes: {} },
    )

export const less = innerOf(BinaryOp.less)
const lessEqual = innerOf(BinaryOp.lessEqual)
export const keep = innerOf(BinaryOp.mask)
export const drop = innerOf(BinaryOp.maskNot)

/** Near the largest float32: neither the difference of two infinities is taken nor their quotient. */
export const MOST = 3e38

/**
 * x divided by the largest size along axes, so that no power of it overflows, nor all of them vanish; and
 * that size, never 0.
 */
export function byLargest(x: Tensor, axes: readonly number[]): { largest: Tensor; scaled: Tensor } {
  const largest = clamp(max(abs(x), { axes, keepDims: true }), { low: 2 ** -126, high: MOST })
  return { largest, scaled: div(x, largest) }
}

/** (sum of |x|^p)^(1/p) along axes, which stay with length 1. */
export function lengthAlong(x: Tensor, axes: readonly number[], p: number): Tensor {
  const { largest, scaled } = byLargest(x, axes)
  return mul(power(sum(power(abs(scaled), p), { axes, keepDims: true }), 1 / p), largest)
}

/** x to the power of a number: whole ones by squares, others as exp(exponent * log(x)), NaN below 0. */
export function power(x: Tensor, exponent: number, options?: OutOptions): Tensor {
  if (exponent === 1) return x
  if (exponent === 0.5) return sqrt(x, options)
  if (exponent < 0 && exponent % 0.5 === 0) return div(1, power(x, -exponent, options), options)
  if (exponent % 1) {
    const y = log(x, options)
    return exp(mul(y, exponent, { out: y }), { out: y })
  }
  const half = power(x, Math.floor(exponent / 2))
  const square = mul(half, half, exponent === 2 ? options : {})
  return exponent % 2 ? mul(square, x, { out: square }) : square
}

export const softsign = (x: Tensor): Tensor => div(x, add(abs(x), 1))

/** A function of one number on the host; `engine`, where there is a kernel, for floats. */
function unary(
  host: (v: number, call: Call) => number,
  engine?: (x: Tensor, options: OutOptions, call: Call) => Tensor,
  type?: ElementType,
): Operator {
  return (call) => {
    const x = call.input(0)
    if (engine && !x.isHost && (isFloat(x.type) || x.type === 'bool'))
      return mapInEngine(call, x, (tensor, options) => engine(tensor, options, call), type)
    return mapOnHost(call, x, (v) => host(v, call), type)
  }
}

/** A function of floats, which the engine alone has. */
const activation =
  (f: (x: Tensor, options: OutOptions, call: Call) => Tensor): Operator =>
  (call) =>
    mapInEngine(call, call.input(0), (x, options) => f(x, options, call))

/** A function of two numbers: `host` by whether they are whole numbers, `engine` for floats. */
function binary(host: (a: number, b: number) => number, engine?: Binary, whole = host): Operator {
  return (call) => arithmetic(call, call.input(0), call.input(1), host, engine, whole)
}

function arithmetic(
  call: Call,
  a: Value,
  given: Value,
  host: (a: number, b: number) => number,
  engine?: Binary,
  whole = host,
): Value {
  const b = oldBroadcast(call, a, given)
  if (engine && isFloat(a.type) && isFloat(b.type) && !(a.isHost && b.isHost))
    return zipInEngine(call, a, b, engine)
  return zipOnHost(call, [a, b], a.type, isFloat(a.type) ? host : whole)
}

/** Before opset 7 the second operand's axes stood at `axis` of the first. */
function oldBroadcast(call: Call, a: Value, b: Value): Value {
  if (call.opset >= 7 || !call.has('axis') || !call.number('broadcast', 0)) return b
  const after = a.shape.length - call.ownAxis(a.shape.length, 0) - b.shape.length
  return after > 0 ? b.reshaped([...b.shape, ...Array(after).fill(1)]) : b
}

/** The same function of all inputs, two by two. */
const folded =
  (host: (a: number, b: number) => number, engine?: Binary): Operator =>
  (call) => {
    const [first, ...rest] = call.inputs as Value[]
    return rest.reduce((a, b) => arithmetic(call, a, b, host, engine), first!.alias())
  }

/** A question about two elements. */
const compare =
  (test: (a: number, b: number) => boolean, engine?: Binary): Operator =>
  (call) => {
    const [a, b] = [call.input(0), oldBroadcast(call, call.input(0), call.input(1))]
    if (engine && [a, b].every(({ type }) => fitsEngine(type)) && !(a.isHost && b.isHost))
      return zipInEngine(call, a, b, engine, 'bool')
    return zipOnHost(call, [a, b], 'bool', (p, q) => Number(test(p, q)))
  }

/** The remainder with the sign of the divisor, as Python has it. */
export function modulo(a: number, b: number): number {
  // Remainders are exact, quotients of large numbers are not.
  const rest = a % b
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest
}

const clip: Operator = (call) => {
  const x = call.input(0)
  const bound = (i: number, name: string, otherwise: number) => call.scalar(i) ?? call.number(name, otherwise)
  const low = bound(1, 'min', Number.NEGATIVE_INFINITY)
  const high = bound(2, 'max', Number.POSITIVE_INFINITY)
  if (x.isHost || low > high) return mapOnHost(call, x, (v) => limit(v, low, high))
  return mapInEngine(call, x, (tensor, options) => clamp(tensor, { ...options, low, high }))
}

const cast: Operator = (call) =>
  castTo(
    call,
    call.input(0),
    typeOf(call.number('to', 1)) ??
      call.fail('attribute to', 'a type that filterbank knows', call.number('to', 1)),
  )

function castTo(call: Call, x: Value, type: ElementType): Value {
  if (x.type === type) return x.alias()
  if (type === 'string')
    return call.host(
      type,
      x.shape,
      Array.from(x.data as Numbers, (v) => printed(v, x.type)),
    )
  if (x.type === 'string')
    return call.host(type, x.shape, (to) => to.set((x.data as string[]).map((text) => parsed(text, type))))
  if (!x.isHost) {
    // All numbers of the engine are floats already.
    const whole = /int(8|16|32|64)/.test(type)
    if (isFloat(type) || (whole && x.type === 'bool')) return x.alias(type)
    if (type === 'bool') return mapInEngine(call, x, (t) => keep(1, t), type)
    if (whole && isFloat(x.type)) return mapInEngine(call, x, inner(UnaryOp.trunc), type)
  }
  return mapOnHost(call, x, roundedTo(type, call.flag('saturate', true), call.text('round_mode', 'up')), type)
}

const printed = (v: number, type: ElementType): string =>
  isFloat(type)
    ? Number.isFinite(v)
      ? `${Number(v.toPrecision(7))}`
      : Number.isNaN(v)
        ? 'NaN'
        : v > 0
          ? 'INF'
          : '-INF'
    : `${v}`
const parsed = (text: string, type: ElementType): number => {
  const v = /^[+-]?inf$/i.test(text)
    ? text.startsWith('-')
      ? Number.NEGATIVE_INFINITY
      : Number.POSITIVE_INFINITY
    : Number(text)
  return isFloat(type) ? v : Math.trunc(v)
}

const where: Operator = (call) => {
  const [condition, a, b] = [call.input(0), call.input(1), call.input(2)]
  if (fitsEngine(a.type) && !(condition.isHost && a.isHost && b.isHost)) {
    // What is not chosen has no influence, be it NaN.
    const rest = zipInEngine(call, b, condition, (p, q) => drop(p, q))
    return zipInEngine(call, zipInEngine(call, a, condition, keep), rest, add)
  }
  return zipOnHost(call, [condition, a, b], a.type, (test: number, p: number, q: number) => (test ? p : q))
}

const preluOf: Operator = (call) => {
  const [x, slope] = [call.input(0), call.input(1)]
  // Old files give one number per channel, without the axes behind.
  const fits = call.opset >= 7 && broadcastShapes(x.shape, slope.shape)
  const wanted =
    fits && sameShape(fits, x.shape)
      ? slope
      : slope.reshaped([slope.size, ...Array(Math.max(0, x.shape.length - 2)).fill(1)])
  return zipInEngine(call, x, wanted, (p, q, { out } = {}) =>
    typeof q === 'number' ? leakyRelu(p as Tensor, { alpha: q, out }) : prelu(p as Tensor, q, { out }),
  )
}

function swishOf(call: Call, x: Value): Value {
  const alpha = call.number('alpha', 1)
  return mapInEngine(call, x, (tensor, options) =>
    alpha === 1 ? silu(tensor, options) : mul(tensor, sigmoid(mul(tensor, alpha))),
  )
}

export const elementwise: Record<string, Operator> = {
  Abs: unary(Math.abs, abs),
  Neg: unary(
    (v) => -v,
    (x, options) => mul(x, -1, options),
  ),
  Exp: unary(Math.exp, exp),
  Log: unary(Math.log, log),
  Sqrt: unary(Math.sqrt, (x, options) => power(x, 0.5, options)),
  Reciprocal: unary(
    (v) => 1 / v,
    (x, options) => div(1, x, options),
  ),
  Floor: unary(Math.floor, inner(UnaryOp.floor)),
  Ceil: unary(Math.ceil, inner(UnaryOp.ceil)),
  Round: unary(roundToEven, round),
  // Twice, since the smallest float is 2^-149.
  Sign: unary(Math.sign, (x) => mul(mul(x, 2 ** 127), 2 ** 127, { activation: [-1, 1] })),
  Sin: unary(Math.sin, inner(UnaryOp.sine)),
  Cos: unary(Math.cos, inner(UnaryOp.sine, 1)),
  Tan: unary(Math.tan),
  Asin: unary(Math.asin),
  Acos: unary(Math.acos),
  Atan: unary(Math.atan),
  Sinh: unary(Math.sinh),
  Cosh: unary(Math.cosh),
  Asinh: unary(Math.asinh),
  Acosh: unary(Math.acosh),
  Atanh: unary(Math.atanh),
  Erf: activation(inner(UnaryOp.erf)),
  Not: unary(
    (v) => Number(!v),
    (x, options) => sub(1, x, options),
  ),
  IsNaN: unary(
    (v) => Number(Number.isNaN(v)),
    (x) => sub(1, lessEqual(x, x)),
    'bool',
  ),
  IsInf: unary(
    (v, call) =>
      Number(
        (v === Number.POSITIVE_INFINITY && call.flag('detect_positive', true)) ||
          (v === Number.NEGATIVE_INFINITY && call.flag('detect_negative', true)),
      ),
    undefined,
    'bool',
  ),
  BitwiseNot: unary((v) => ~v),

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
  Sigmoid: activation(sigmoid),
  HardSigmoid: activation((x, options, call) =>
    hardSigmoid(x, { ...options, alpha: call.number('alpha', 0.2), beta: call.number('beta', 0.5) }),
  ),
  Tanh: activation(tanh),
  HardSwish: activation(hardSwish),
  Mish: activation(mish),
  Softplus: activation(softplus),
  Softsign: activation((x) => softsign(x)),
  Swish: (call) => swishOf(call, call.input(0)),
  SwiGLU: (call) => zipInEngine(call, swishOf(call, call.input(0)), call.input(1), mul),
  ThresholdedRelu: activation((x, _, call) => keep(x, less(call.number('alpha', 1), x))),
  Shrink: activation((x, _, call) => {
    const [lambda, bias] = [call.number('lambd', 0.5), call.number('bias', 0)]
    return add(keep(add(x, bias), less(x, -lambda)), keep(sub(x, bias), less(lambda, x)))
  }),

  Add: binary((a, b) => a + b, add),
  Sub: binary((a, b) => a - b, sub),
  Mul: binary((a, b) => a * b, mul),
  Div: binary(
    (a, b) => a / b,
    div,
    (a, b) => Math.trunc(a / b),
  ),
  Pow: (call) => {
    const [a, b] = [call.input(0), call.input(1)]
    const known = b.constant && b.size === 1 && b.shape.length <= a.shape.length ? (b.data[0] as number) : 0
    const inEngine = isFloat(a.type) && !a.isHost && Number.isFinite(known)
    if (inEngine && known === 1) return a.alias()
    if (inEngine && known) return mapInEngine(call, a, (x, options) => power(x, known, options))
    const whole = (p: number, q: number) => Math.trunc(p ** q)
    return zipOnHost(
      call,
      [a, oldBroadcast(call, a, b)],
      a.type,
      isFloat(a.type) ? (p: number, q: number) => p ** q : whole,
    )
  },
  Mod: (call) => {
    const remainder = call.flag('fmod') || isFloat(call.input(0).type)
    return zipOnHost(
      call,
      [call.input(0), call.input(1)],
      call.input(0).type,
      remainder ? (a: number, b: number) => a % b : modulo,
    )
  },
  Max: folded((a, b) => Math.max(a, b), maximum),
  Min: folded((a, b) => Math.min(a, b), minimum),
  Sum: folded((a, b) => a + b, add),
  Mean: (call) => {
    const sum = elementwise['Sum']!(call) as Value
    const { length } = call.inputs
    return sum.isHost
      ? mapOnHost(call, sum, (v) => v / length)
      : mapInEngine(call, sum, (x) => mul(x, 1 / length))
  },
  And: compare((a, b) => !!a && !!b, keep),
  Or: compare((a, b) => !!a || !!b, maximum),
  Xor: compare((a, b) => !!a !== !!b),
  Equal: compare(
    (a, b) => a === b,
    (a, b) => keep(lessEqual(a, b), lessEqual(b, a)),
  ),
  Less: compare((a, b) => a < b, less),
  LessOrEqual: compare((a, b) => a <= b, lessEqual),
  Greater: compare(
    (a, b) => a > b,
    (a, b, options) => less(b, a, options),
  ),
  GreaterOrEqual: compare(
    (a, b) => a >= b,
    (a, b, options) => lessEqual(b, a, options),
  ),
  BitwiseAnd: binary((a, b) => a & b),
  BitwiseOr: binary((a, b) => a | b),
  BitwiseXor: binary((a, b) => a ^ b),
  BitShift: (call) => {
    const left = call.text('direction') === 'LEFT'
    return zipOnHost(call, [call.input(0), call.input(1)], call.input(0).type, (a: number, b: number) =>
      left ? a * 2 ** b : Math.floor(a / 2 ** b),
    )
  },
  Where: where,
  Clip: clip,
  Cast: cast,
  CastLike: (call) => castTo(call, call.input(0), call.input(1).type),
}
