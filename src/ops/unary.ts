/** Functions of each element by itself. Error bounds: assembly/math.ts. NaN gives NaN. */

import { FLOATS, NUMBERS } from '../core/dtype.js'
import { type Engine, engineOf } from '../core/engine.js'
import { checkOptions } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { checkOut, OUT, type OutOptions, produce, runUnary } from '../plans/elementwise.js'
import { UnaryOp } from '../wasm/abi.js'
import { add, div, mul } from './arithmetic.js'

/** dx from dy, and what was computed from what. */
type Backward = (dy: Tensor, x: Tensor, y: Tensor) => Tensor

interface Formula {
  code: UnaryOp
  /** The same of 32-bit integers, where there is one. */
  integers?: UnaryOp
  /** The kernel's number. */
  a?: number
  /** What backward reads: x, y or neither. */
  keeps?: 'x' | 'y'
  backward: Backward
}

/** Flat but for its steps. */
const flat: Backward = (dy) => dy.engine.zeros(dy.shape)

const formulas = {
  abs: { code: UnaryOp.abs, integers: UnaryOp.absInt, keeps: 'x', backward: (dy, x) => mul(dy, sign(x)) },
  neg: { code: UnaryOp.neg, integers: UnaryOp.negInt, backward: (dy) => mul(dy, -1) },
  exp: { code: UnaryOp.exp, keeps: 'y', backward: (dy, _, y) => mul(dy, y) },
  log: { code: UnaryOp.log, keeps: 'x', backward: (dy, x) => div(dy, x) },
  log1p: { code: UnaryOp.log1p, keeps: 'x', backward: (dy, x) => div(dy, add(x, 1)) },
  expm1: { code: UnaryOp.expm1, keeps: 'y', backward: (dy, _, y) => mul(dy, add(y, 1)) },
  sqrt: { code: UnaryOp.sqrt, keeps: 'y', backward: (dy, _, y) => div(dy, mul(y, 2)) },
  sign: { code: UnaryOp.sign, backward: flat },
  floor: { code: UnaryOp.floor, backward: flat },
  ceil: { code: UnaryOp.ceil, backward: flat },
  round: { code: UnaryOp.round, backward: flat },
  sin: { code: UnaryOp.sine, keeps: 'x', backward: (dy, x) => mul(dy, cos(x)) },
  cos: { code: UnaryOp.sine, a: 1, keeps: 'x', backward: (dy, x) => mul(mul(dy, -1), sin(x)) },
  erf: {
    code: UnaryOp.erf,
    keeps: 'x',
    backward: (dy, x) => mul(mul(dy, 2 / Math.sqrt(Math.PI)), exp(neg(mul(x, x)))),
  },
} satisfies Record<string, Formula>

function apply<D extends 'float32' | 'int32'>(
  op: keyof typeof formulas,
  x: Tensor<D>,
  options: OutOptions<D>,
): Tensor<D> {
  checkOptions<OutOptions<D>>(op, options, OUT)
  const { out } = options
  const { code, integers, a = 0, keeps, backward }: Formula = formulas[op]
  const engine = engineOf(op, { x }, { out }, integers === undefined ? FLOATS : NUMBERS)
  const whole = x.dtype === 'int32'
  const context = { op, shapes: { x: x.shape, out: out?.shape } }
  const y = produce<D>(
    engine,
    x.shape,
    out,
    context,
    (to) => runUnary(whole ? integers! : code, x, to, a, 0),
    x.dtype,
  )
  engine.trace?.note(op, y, { x })
  const kept = { x: keeps === 'x' ? (x as Tensor) : undefined, y: keeps === 'y' ? (y as Tensor) : undefined }
  // Integers have no derivative: one that is wanted through them is an error.
  engine.tape?.record(op, y, { x }, kept, (dy, { x, y }) =>
    whole ? {} : { x: () => engine.scope(() => backward(dy, x!, y!)) },
  )
  return y
}

/**
 * |x|, of float32 or int32 (where the smallest integer stays as it is). The derivative at 0 is 0.
 *
 * @param x any shape
 * @param options out: a tensor of x's shape to write into; it may be x itself. The same for all functions of
 *   this page
 * @returns x's shape
 * @throws FilterbankError for another type, or an `out` of another shape; nothing is allocated then. The same
 *   for all functions of this page
 * @example const size = abs(x)
 */
export function abs<D extends 'float32' | 'int32'>(x: Tensor<D>, options: OutOptions<D> = {}): Tensor<D> {
  return apply('abs', x, options)
}

/**
 * -x, of float32 or int32.
 * @example const y = neg(x)
 */
export function neg<D extends 'float32' | 'int32'>(x: Tensor<D>, options: OutOptions<D> = {}): Tensor<D> {
  return apply('neg', x, options)
}

/**
 * e to the power of x.
 * @example const y = exp(x)
 */
export function exp(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('exp', x, options)
}

/**
 * The natural logarithm: -Infinity at 0, NaN below.
 * @example const y = log(x)
 */
export function log(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('log', x, options)
}

/**
 * log(1 + x), without the cancellation near 0.
 * @example const y = log1p(x)
 */
export function log1p(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('log1p', x, options)
}

/**
 * exp(x) - 1, without the cancellation near 0.
 * @example const y = expm1(x)
 */
export function expm1(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('expm1', x, options)
}

/**
 * The square root, correctly rounded; NaN below 0.
 * @example const y = sqrt(x)
 */
export function sqrt(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('sqrt', x, options)
}

/** Checks of what is made of arithmetic, by its own name. */
function checkOne(op: string, x: Tensor, options: OutOptions): Engine {
  checkOptions(op, options, OUT)
  const { out } = options
  const engine = engineOf(op, { x }, { out })
  checkOut(engine, x.shape, out, { op, shapes: { x: x.shape, out: out?.shape } })
  return engine
}

/**
 * 1 / sqrt(x).
 * @example const y = rsqrt(add(variance(x), 1e-5))
 */
export function rsqrt(x: Tensor, options: OutOptions = {}): Tensor {
  const engine = checkOne('rsqrt', x, options)
  return engine.scope(() => div(1, sqrt(x), options))
}

/**
 * x * x.
 * @example const y = square(x)
 */
export function square(x: Tensor, options: OutOptions = {}): Tensor {
  checkOne('square', x, options)
  return mul(x, x, options)
}

/**
 * 1 / x.
 * @example const y = reciprocal(x)
 */
export function reciprocal(x: Tensor, options: OutOptions = {}): Tensor {
  checkOne('reciprocal', x, options)
  return div(1, x, options)
}

/**
 * 1 above 0, -1 below, and x itself at both zeros. Its derivative is 0.
 * @example const y = sign(x)
 */
export function sign(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('sign', x, options)
}

/**
 * The largest whole number that is not above x. Its derivative is 0.
 * @example const y = floor(x)
 */
export function floor(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('floor', x, options)
}

/**
 * The smallest whole number that is not below x. Its derivative is 0.
 * @example const y = ceil(x)
 */
export function ceil(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('ceil', x, options)
}

/**
 * The nearest whole number, of two the even one, as NumPy and ONNX have it. Its derivative is 0.
 * @example const y = round(x)
 */
export function round(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('round', x, options)
}

/**
 * The sine of x radians.
 * @example const y = sin(x)
 */
export function sin(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('sin', x, options)
}

/**
 * The cosine of x radians.
 * @example const y = cos(x)
 */
export function cos(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('cos', x, options)
}

/**
 * The error function.
 * @example const y = erf(x)
 */
export function erf(x: Tensor, options: OutOptions = {}): Tensor {
  return apply('erf', x, options)
}
