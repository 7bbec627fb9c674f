/**
 * The derivatives of the activations, at x (for a clamp at y). With s = sigmoid(x):
 *
 *   clamp        1 between the bounds, 0 on and beyond them
 *   leakyRelu    1 or a
 *   elu          b or a exp(x)
 *   gelu         Phi(x) + x phi(x)
 *   geluTanh     g (1 + x (1 - g) z'),  g = sigmoid(z)
 *   sigmoid      s (1 - s)
 *   tanh         4 sigmoid(2 x) (1 - sigmoid(2 x))
 *   silu         s (1 + x (1 - s))
 *   hardSwish    0, x / 3 + 1 / 2, 1
 *   mish         t + x s (1 - t^2),  t = tanh(softplus(x))
 *   softplus     s
 *   hardSigmoid  a between 0 and 1, 0 on and beyond them
 */
import { UNARY_BLOCK, UnaryBackward, UnaryOp } from './abi'
import { exp, normalTail, sigmoid, tanhSoftplus } from './math'
import { loadLanes, madd, storeLanes } from './simd'

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

@final
class ClampSlope {
  // @ts-ignore: decorator
  @inline
  at(y: v128, a: v128, b: v128): v128 {
    return unless(v128.or(f32x4.le(y, a), f32x4.ge(y, b)), one())
  }
}
@final
class LeakyReluSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    return v128.bitselect(a, one(), f32x4.lt(x, f32x4.splat(0)))
  }
}
@final
class EluSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    return v128.bitselect(b, f32x4.mul(a, exp(x)), f32x4.ge(x, f32x4.splat(0)))
  }
}
@final
class SigmoidSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const s = sigmoid(x)
    return f32x4.mul(s, sigmoid(f32x4.neg(x)))
  }
}
@final
class TanhSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const d = f32x4.add(x, x)
    return f32x4.mul(f32x4.splat(4), f32x4.mul(sigmoid(d), sigmoid(f32x4.neg(d))))
  }
}
// @ts-ignore: decorator
@final class SoftplusSlope { @inline at(x: v128, a: v128, b: v128): v128 { return sigmoid(x) } }

@final
class HardSigmoidSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const y = madd(x, a, b)
    return unless(v128.or(f32x4.le(y, f32x4.splat(0)), f32x4.ge(y, one())), a)
  }
}

@final
class GeluSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const size = f32x4.abs(x), tail = normalTail(size)
    const cumulative = v128.bitselect(tail, f32x4.sub(one(), tail), f32x4.lt(x, f32x4.splat(0)))
    const density = f32x4.mul(f32x4.splat(0.3989422804), exp(f32x4.mul(f32x4.splat(-0.5), f32x4.mul(x, x))))
    return madd(bounded(x), density, cumulative)
  }
}

@final
class GeluTanhSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    x = bounded(x)
    const square = f32x4.mul(x, x), c = f32x4.splat(1.59576912161)
    const z = f32x4.mul(x, madd(square, f32x4.splat(0.0713548162726), c))
    const slope = madd(square, f32x4.splat(0.2140644488178), c)
    const g = sigmoid(z)
    return madd(f32x4.mul(x, slope), f32x4.mul(g, sigmoid(f32x4.neg(z))), g)
  }
}

@final
class SiluSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const s = sigmoid(x)
    return madd(bounded(x), f32x4.mul(s, sigmoid(f32x4.neg(x))), s)
  }
}

@final
class HardSwishSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const middle = madd(x, f32x4.splat(1.0 / 3.0), f32x4.splat(0.5))
    return v128.bitselect(one(), unless(f32x4.le(x, f32x4.splat(-3)), middle), f32x4.ge(x, f32x4.splat(3)))
  }
}

@final
class MishSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const t = tanhSoftplus(x)
    return madd(f32x4.mul(bounded(x), sigmoid(x)), f32x4.sub(one(), f32x4.mul(t, t)), t)
  }
}

// @ts-ignore: decorator
@inline
function slopes<F>(dy: usize, v: usize, dx: usize, count: i32, first: f32, second: f32): void {
  const a = f32x4.splat(first), b = f32x4.splat(second)
  for (; count > 0; count -= 4) {
    const lanes = min(4, count)
    storeLanes(dx, f32x4.mul(loadLanes(dy, lanes), changetype<F>(0).at(loadLanes(v, lanes), a, b)), lanes)
    dy += 16
    v += 16
    dx += 16
  }
}

/** Called through a reference, for else all would be inlined into one function. */
type Slopes = (dy: usize, v: usize, dx: usize, count: i32, a: f32, b: f32) => void

function slopesOf(op: i32): Slopes {
  switch (op) {
    case UnaryOp.leakyRelu: return (dy, v, dx, count, a, b) => slopes<LeakyReluSlope>(dy, v, dx, count, a, b)
    case UnaryOp.elu: return (dy, v, dx, count, a, b) => slopes<EluSlope>(dy, v, dx, count, a, b)
    case UnaryOp.gelu: return (dy, v, dx, count, a, b) => slopes<GeluSlope>(dy, v, dx, count, a, b)
    case UnaryOp.geluTanh: return (dy, v, dx, count, a, b) => slopes<GeluTanhSlope>(dy, v, dx, count, a, b)
    case UnaryOp.sigmoid: return (dy, v, dx, count, a, b) => slopes<SigmoidSlope>(dy, v, dx, count, a, b)
    case UnaryOp.hardSigmoid:
      return (dy, v, dx, count, a, b) => slopes<HardSigmoidSlope>(dy, v, dx, count, a, b)
    case UnaryOp.tanh: return (dy, v, dx, count, a, b) => slopes<TanhSlope>(dy, v, dx, count, a, b)
    case UnaryOp.silu: return (dy, v, dx, count, a, b) => slopes<SiluSlope>(dy, v, dx, count, a, b)
    case UnaryOp.hardSwish: return (dy, v, dx, count, a, b) => slopes<HardSwishSlope>(dy, v, dx, count, a, b)
    case UnaryOp.mish: return (dy, v, dx, count, a, b) => slopes<MishSlope>(dy, v, dx, count, a, b)
    case UnaryOp.softplus: return (dy, v, dx, count, a, b) => slopes<SoftplusSlope>(dy, v, dx, count, a, b)
    default: return (dy, v, dx, count, a, b) => slopes<ClampSlope>(dy, v, dx, count, a, b)
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
