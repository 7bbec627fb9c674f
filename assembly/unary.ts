/** Functions of one tensor that act on each element by itself, activations apart (activation.ts). */
import { Unary, UnaryOp } from './abi'
import { activation } from './activation'
import { mapUnits } from './elementwise'
import { erf, exp, expm1, log, log1p, sine } from './math'
import { madd } from './simd'

// @ts-ignore: decorator
@final class Exp { @inline apply(x: v128, a: v128, b: v128): v128 { return exp(x) } }
// @ts-ignore: decorator
@final class Log { @inline apply(x: v128, a: v128, b: v128): v128 { return log(x) } }
// @ts-ignore: decorator
@final class Erf { @inline apply(x: v128, a: v128, b: v128): v128 { return erf(x) } }
// @ts-ignore: decorator
@final class Sqrt { @inline apply(x: v128, a: v128, b: v128): v128 { return f32x4.sqrt(x) } }
// @ts-ignore: decorator
@final class Floor { @inline apply(x: v128, a: v128, b: v128): v128 { return f32x4.floor(x) } }
// @ts-ignore: decorator
@final class Ceil { @inline apply(x: v128, a: v128, b: v128): v128 { return f32x4.ceil(x) } }
// @ts-ignore: decorator
@final class Round { @inline apply(x: v128, a: v128, b: v128): v128 { return f32x4.nearest(x) } }
// @ts-ignore: decorator
@final class Trunc { @inline apply(x: v128, a: v128, b: v128): v128 { return f32x4.trunc(x) } }
@final
class Neg {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return v128.xor(x, i32x4.splat(0x80000000))
  }
}
@final
class Abs {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return v128.and(x, i32x4.splat(0x7fffffff))
  }
}
// @ts-ignore: decorator
@final class Expm1 { @inline apply(x: v128, a: v128, b: v128): v128 { return expm1(x) } }
// @ts-ignore: decorator
@final class Log1p { @inline apply(x: v128, a: v128, b: v128): v128 { return log1p(x) } }
// @ts-ignore: decorator
@final class NegInt { @inline apply(x: v128, a: v128, b: v128): v128 { return i32x4.neg(x) } }
// @ts-ignore: decorator
@final class AbsInt { @inline apply(x: v128, a: v128, b: v128): v128 { return i32x4.abs(x) } }
// @ts-ignore: decorator
@final class Sine { @inline apply(x: v128, a: v128, b: v128): v128 { return sine(x, a) } }

/** 1 or -1 with the sign of x; zeros and NaN are themselves. */
@final
class Sign {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    const one = v128.or(v128.and(x, i32x4.splat(0x80000000)), f32x4.splat(1))
    return v128.bitselect(one, x, v128.or(f32x4.lt(x, f32x4.splat(0)), f32x4.gt(x, f32x4.splat(0))))
  }
}

/**
 * Quarter turns and eighths are taken off where the tangent is above tan(3 pi / 8) and tan(pi / 8); the rest
 * is a polynomial, to 2 units in the last place. Source of its coefficients: atanf of the Cephes library.
 */
@final
class Atan {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    const sign = i32x4.splat(0x80000000), one = f32x4.splat(1)
    const size = v128.andnot(x, sign)
    const large = f32x4.gt(size, f32x4.splat(2.414213562)), middle = f32x4.gt(size, f32x4.splat(0.4142135624))
    // -1 / size, or (size - 1) / (size + 1).
    const over = v128.bitselect(f32x4.splat(-1), f32x4.sub(size, one), large)
    const under = v128.bitselect(size, f32x4.add(size, one), large)
    const t = v128.bitselect(f32x4.div(over, under), size, middle)
    const turn = v128.and(middle, v128.bitselect(f32x4.splat(1.5707963268), f32x4.splat(0.7853981634), large))
    const z = f32x4.mul(t, t)
    let p = madd(f32x4.splat(8.05374449538e-2), z, f32x4.splat(-1.38776856032e-1))
    p = madd(p, z, f32x4.splat(1.99777106478e-1))
    p = madd(p, z, f32x4.splat(-3.33329491539e-1))
    return v128.or(f32x4.add(turn, madd(f32x4.mul(p, z), t, t)), v128.and(x, sign))
  }
}

/** Unit: UNARY_BLOCK floats. scratch: tail [16] */
export function unary(call: usize, begin: i32, end: i32): void {
  switch (changetype<Unary>(call).op) {
    case UnaryOp.exp: return mapUnits<Exp>(call, begin, end)
    case UnaryOp.log: return mapUnits<Log>(call, begin, end)
    case UnaryOp.erf: return mapUnits<Erf>(call, begin, end)
    case UnaryOp.sqrt: return mapUnits<Sqrt>(call, begin, end)
    case UnaryOp.floor: return mapUnits<Floor>(call, begin, end)
    case UnaryOp.ceil: return mapUnits<Ceil>(call, begin, end)
    case UnaryOp.round: return mapUnits<Round>(call, begin, end)
    case UnaryOp.trunc: return mapUnits<Trunc>(call, begin, end)
    case UnaryOp.sine: return mapUnits<Sine>(call, begin, end)
    case UnaryOp.neg: return mapUnits<Neg>(call, begin, end)
    case UnaryOp.abs: return mapUnits<Abs>(call, begin, end)
    case UnaryOp.sign: return mapUnits<Sign>(call, begin, end)
    case UnaryOp.expm1: return mapUnits<Expm1>(call, begin, end)
    case UnaryOp.log1p: return mapUnits<Log1p>(call, begin, end)
    case UnaryOp.atan: return mapUnits<Atan>(call, begin, end)
    case UnaryOp.negInt: return mapUnits<NegInt>(call, begin, end)
    case UnaryOp.absInt: return mapUnits<AbsInt>(call, begin, end)
    default: return activation(call, begin, end)
  }
}
