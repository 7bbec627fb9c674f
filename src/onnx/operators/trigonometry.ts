/**
 * Tangents, inverse functions of sines and tangents, and their hyperbolic kin, made of simpler functions by
 * formulas that neither lose digits nor overflow before the result does.
 */
import type { Tensor } from '../../core/tensor.js'
import { add, div, mul, sub } from '../../ops/arithmetic.js'
import { abs, cos, exp, expm1, log1p, reciprocal, sign, sin, sqrt } from '../../ops/unary.js'
import type { OutOptions } from '../../plans/elementwise.js'
import { UnaryOp } from '../../wasm/abi.js'
import type { Operator } from '../run/call.js'
import { kernelOf, unary } from './broadcast.js'

type Function = (x: Tensor, options?: OutOptions) => Tensor

const atan = kernelOf(UnaryOp.atan)

/** `f` of the size of x, with the sign of x. */
const odd =
  (f: (size: Tensor) => Tensor): Function =>
  (x, options) =>
    mul(f(abs(x)), sign(x), options)

const tan: Function = (x, options) => div(sin(x), cos(x), options)

/** 2 atan(x / (1 + sqrt(1 - x^2))) */
const asin: Function = (x, options) => {
  const cosine = add(x, 1)
  sqrt(mul(cosine, sub(1, x), { out: cosine }), { out: cosine })
  const half = div(x, add(cosine, 1, { out: cosine }), { out: cosine })
  return mul(atan(half, { out: half }), 2, options)
}

/** 2 atan(sqrt((1 - x) / (1 + x))) */
const acos: Function = (x, options) => {
  const half = sub(1, x)
  sqrt(div(half, add(x, 1), { out: half }), { out: half })
  return mul(atan(half, { out: half }), 2, options)
}

/** 2 sinh(x / 2) cosh(x / 2), of h = exp(x / 2) - 1 and q = exp(-x / 2): h (1 + q) (h + 1 + q) / 2 */
const sinh = odd((size) => {
  const h = expm1(mul(size, 0.5, { out: size }), { out: size })
  const e = add(h, 1)
  const q = reciprocal(e)
  mul(mul(h, 0.5, { out: h }), add(e, q, { out: e }), { out: h })
  return mul(h, add(q, 1, { out: q }), { out: h })
})

/** (exp(x / 2)^2 + exp(-x / 2)^2) / 2 */
const cosh: Function = (x, options) => {
  const half = mul(x, 0.5)
  const e = exp(half, { out: half })
  const q = reciprocal(e)
  mul(mul(e, 0.5), e, { out: e })
  mul(mul(q, 0.5), q, { out: q })
  return add(e, q, options)
}

/** log1p(x + x^2 / (1 + sqrt(1 + x^2))), of 1 / x */
const asinh = odd((size) => {
  const r = reciprocal(size)
  const root = mul(r, r)
  sqrt(add(root, 1, { out: root }), { out: root })
  div(size, add(root, r, { out: root }), { out: root })
  return log1p(add(size, root, { out: size }), { out: size })
})

/** log1p(t + sqrt(t (t + 2))), t = x - 1 */
const acosh: Function = (x, options) => {
  const t = sub(x, 1)
  const root = add(t, 2)
  mul(sqrt(root, { out: root }), sqrt(t), { out: root })
  return log1p(add(t, root, { out: t }), options)
}

/** log1p(2 x / (1 - x)) / 2 */
const atanh = odd((size) => {
  const rest = sub(1, size)
  const half = log1p(div(mul(size, 2, { out: size }), rest, { out: rest }), { out: rest })
  return mul(half, 0.5, { out: half })
})

export const trigonometry: Record<string, Operator> = {
  Sin: unary(Math.sin, sin),
  Cos: unary(Math.cos, cos),
  Tan: unary(Math.tan, tan),
  Asin: unary(Math.asin, asin),
  Acos: unary(Math.acos, acos),
  Atan: unary(Math.atan, atan),
  Sinh: unary(Math.sinh, sinh),
  Cosh: unary(Math.cosh, cosh),
  Asinh: unary(Math.asinh, asinh),
  Acosh: unary(Math.acosh, acosh),
  Atanh: unary(Math.atanh, atanh),
}
