/**
 * The activations, each above its derivative at x (of a clamp at y). NaN gives NaN.
 *
 * A new one is a class here and a line of both switches, a number in abi/elementwise.ts, a page in
 * src/ops/activation.ts and its export in src/index.ts.
 */
import { UNARY_BLOCK, Unary, UnaryBackward, UnaryOp } from './abi'
import { mapUnits } from './elementwise'
import { exp, expm1Falling, normalTail, sigmoid, softplus, tanh, tanhSoftplus } from './math'
import { clamp, loadLanes, madd, storeLanes } from './simd'

/**
 * A factor that need not be smaller: the other one is 0 by then. It makes x = -Infinity give the limit (-0)
 * in products like x * sigmoid(x), where IEEE would say -Infinity * 0 = NaN.
 */
// @ts-ignore: decorator
@inline
function floored(x: v128): v128 {
  return f32x4.pmax(x, f32x4.splat(-104))
}

// @ts-ignore: decorator
@inline
function positive(x: v128): v128 {
  return f32x4.pmax(x, f32x4.splat(0))
}

// @ts-ignore: decorator
@inline
function one(): v128 {
  return f32x4.splat(1)
}

/** v where the condition does not hold, else 0: a NaN fails all comparisons, and lets v through. */
// @ts-ignore: decorator
@inline
function unless(condition: v128, v: v128): v128 {
  return v128.andnot(v, condition)
}

/** A bounded x: what x is multiplied with is 0 beyond, and 0 * Infinity would be NaN. */
// @ts-ignore: decorator
@inline
function bounded(x: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, f32x4.splat(-104)), f32x4.splat(104))
}

/** min(max(x, a), b); 1 between the bounds, 0 on and beyond them. */
@final
class Clamp {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return clamp(x, a, b)
  }

  // @ts-ignore: decorator
  @inline
  slope(y: v128, a: v128, b: v128): v128 {
    return unless(v128.or(f32x4.le(y, a), f32x4.ge(y, b)), one())
  }
}

/** x, below 0 a x; 1 or a. */
@final
class LeakyRelu {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return v128.bitselect(f32x4.mul(x, a), x, f32x4.lt(x, f32x4.splat(0)))
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    return v128.bitselect(a, one(), f32x4.lt(x, f32x4.splat(0)))
  }
}

/** b x, below 0 a (exp(x) - 1); b or a exp(x). */
@final
class Elu {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return v128.bitselect(f32x4.mul(x, b), f32x4.mul(expm1Falling(x), a), f32x4.ge(x, f32x4.splat(0)))
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    return v128.bitselect(b, f32x4.mul(a, exp(x)), f32x4.ge(x, f32x4.splat(0)))
  }
}

/** x Phi(x) = max(x, 0) - |x| Phi(-|x|): no cancellation for negative x; Phi(x) + x phi(x). */
@final
class Gelu {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    const size = f32x4.abs(x)
    return f32x4.sub(positive(x), f32x4.mul(f32x4.pmin(size, f32x4.splat(14)), normalTail(size)))
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    const size = f32x4.abs(x), tail = normalTail(size)
    const cumulative = v128.bitselect(tail, f32x4.sub(one(), tail), f32x4.lt(x, f32x4.splat(0)))
    const density = f32x4.mul(f32x4.splat(0.3989422804), exp(f32x4.mul(f32x4.splat(-0.5), f32x4.mul(x, x))))
    return madd(bounded(x), density, cumulative)
  }
}

/**
 * x (1 + tanh z) / 2 = x g, g = sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3); g (1 + x (1 - g) (2 z)').
 */
@final
class GeluTanh {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    const slope = madd(f32x4.mul(x, x), f32x4.splat(0.0713548162726), f32x4.splat(1.59576912161))
    return f32x4.mul(floored(x), sigmoid(f32x4.mul(x, slope)))
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    x = bounded(x)
    const square = f32x4.mul(x, x), c = f32x4.splat(1.59576912161)
    const z = f32x4.mul(x, madd(square, f32x4.splat(0.0713548162726), c))
    const slope = madd(square, f32x4.splat(0.2140644488178), c)
    const g = sigmoid(z)
    return madd(f32x4.mul(x, slope), f32x4.mul(g, sigmoid(f32x4.neg(z))), g)
  }
}

/** s = 1 / (1 + exp(-x)); s (1 - s). */
@final
class Sigmoid {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return sigmoid(x)
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    const s = sigmoid(x)
    return f32x4.mul(s, sigmoid(f32x4.neg(x)))
  }
}

/** a x + b between 0 and 1; a there, 0 on and beyond them. */
@final
class HardSigmoid {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return clamp(madd(x, a, b), f32x4.splat(0), f32x4.splat(1))
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    const y = madd(x, a, b)
    return unless(v128.or(f32x4.le(y, f32x4.splat(0)), f32x4.ge(y, one())), a)
  }
}

/** tanh(x); 4 sigmoid(2 x) (1 - sigmoid(2 x)). */
@final
class Tanh {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return tanh(x)
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    const d = f32x4.add(x, x)
    return f32x4.mul(f32x4.splat(4), f32x4.mul(sigmoid(d), sigmoid(f32x4.neg(d))))
  }
}

/** x s, s = sigmoid(x); s (1 + x (1 - s)). */
@final
class Silu {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return f32x4.mul(floored(x), sigmoid(x))
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    const s = sigmoid(x)
    return madd(bounded(x), f32x4.mul(s, sigmoid(f32x4.neg(x))), s)
  }
}

/** x min(max(x / 6 + 1 / 2, 0), 1); 0, x / 3 + 1 / 2, 1. */
@final
class HardSwish {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return f32x4.mul(
      f32x4.pmax(x, f32x4.splat(-3)),
      clamp(madd(x, f32x4.splat(1 / 6), f32x4.splat(0.5)), f32x4.splat(0), f32x4.splat(1)),
    )
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    const middle = madd(x, f32x4.splat(1.0 / 3.0), f32x4.splat(0.5))
    return v128.bitselect(one(), unless(f32x4.le(x, f32x4.splat(-3)), middle), f32x4.ge(x, f32x4.splat(3)))
  }
}

/** x t, t = tanh(softplus(x)); t + x s (1 - t^2), s = sigmoid(x). */
@final
class Mish {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return f32x4.mul(floored(x), tanhSoftplus(x))
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    const t = tanhSoftplus(x)
    return madd(f32x4.mul(bounded(x), sigmoid(x)), f32x4.sub(one(), f32x4.mul(t, t)), t)
  }
}

/** log(1 + exp(x)); sigmoid(x). */
@final
class Softplus {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return softplus(x)
  }

  // @ts-ignore: decorator
  @inline
  slope(x: v128, a: v128, b: v128): v128 {
    return sigmoid(x)
  }
}

/** Unit: UNARY_BLOCK floats. scratch: tail [16] */
export function activation(call: usize, begin: i32, end: i32): void {
  switch (changetype<Unary>(call).op) {
    case UnaryOp.clamp: return mapUnits<Clamp>(call, begin, end)
    case UnaryOp.leakyRelu: return mapUnits<LeakyRelu>(call, begin, end)
    case UnaryOp.elu: return mapUnits<Elu>(call, begin, end, true)
    case UnaryOp.gelu: return mapUnits<Gelu>(call, begin, end)
    case UnaryOp.geluTanh: return mapUnits<GeluTanh>(call, begin, end)
    case UnaryOp.sigmoid: return mapUnits<Sigmoid>(call, begin, end, true)
    case UnaryOp.hardSigmoid: return mapUnits<HardSigmoid>(call, begin, end)
    case UnaryOp.tanh: return mapUnits<Tanh>(call, begin, end)
    case UnaryOp.silu: return mapUnits<Silu>(call, begin, end, true)
    case UnaryOp.hardSwish: return mapUnits<HardSwish>(call, begin, end)
    case UnaryOp.mish: return mapUnits<Mish>(call, begin, end)
    case UnaryOp.softplus: return mapUnits<Softplus>(call, begin, end)
  }
}

// @ts-ignore: decorator
@inline
function slopes<F>(dy: usize, v: usize, dx: usize, count: i32, first: f32, second: f32): void {
  const a = f32x4.splat(first), b = f32x4.splat(second)
  for (; count > 0; count -= 4) {
    const lanes = min(4, count)
    storeLanes(dx, f32x4.mul(loadLanes(dy, lanes), changetype<F>(0).slope(loadLanes(v, lanes), a, b)), lanes)
    dy += 16
    v += 16
    dx += 16
  }
}

/** Called through a reference, for else all would be inlined into one function. */
type Slopes = (dy: usize, v: usize, dx: usize, count: i32, a: f32, b: f32) => void

function slopesOf(op: i32): Slopes {
  switch (op) {
    case UnaryOp.leakyRelu: return (dy, v, dx, count, a, b) => slopes<LeakyRelu>(dy, v, dx, count, a, b)
    case UnaryOp.elu: return (dy, v, dx, count, a, b) => slopes<Elu>(dy, v, dx, count, a, b)
    case UnaryOp.gelu: return (dy, v, dx, count, a, b) => slopes<Gelu>(dy, v, dx, count, a, b)
    case UnaryOp.geluTanh: return (dy, v, dx, count, a, b) => slopes<GeluTanh>(dy, v, dx, count, a, b)
    case UnaryOp.sigmoid: return (dy, v, dx, count, a, b) => slopes<Sigmoid>(dy, v, dx, count, a, b)
    case UnaryOp.hardSigmoid:
      return (dy, v, dx, count, a, b) => slopes<HardSigmoid>(dy, v, dx, count, a, b)
    case UnaryOp.tanh: return (dy, v, dx, count, a, b) => slopes<Tanh>(dy, v, dx, count, a, b)
    case UnaryOp.silu: return (dy, v, dx, count, a, b) => slopes<Silu>(dy, v, dx, count, a, b)
    case UnaryOp.hardSwish: return (dy, v, dx, count, a, b) => slopes<HardSwish>(dy, v, dx, count, a, b)
    case UnaryOp.mish: return (dy, v, dx, count, a, b) => slopes<Mish>(dy, v, dx, count, a, b)
    case UnaryOp.softplus: return (dy, v, dx, count, a, b) => slopes<Softplus>(dy, v, dx, count, a, b)
    default: return (dy, v, dx, count, a, b) => slopes<Clamp>(dy, v, dx, count, a, b)
  }
}

/** Unit: UNARY_BLOCK floats. dx = dy * f'(v). */
export function unaryBackward(call: usize, begin: i32, end: i32): void {
  const args = changetype<UnaryBackward>(call)
  const size = args.size, fn = slopesOf(args.op)
  const a = args.a, b = args.b
  for (let u = begin; u < end; u++) {
    const first = u * UNARY_BLOCK, offset = <usize>first << 2
    fn(args.dy + offset, args.v + offset, args.dx + offset, min(UNARY_BLOCK, size - first), a, b)
  }
}
