/** Functions of one tensor that act on each element by itself, activations apart (activation.ts). */
import { Unary, UnaryOp } from './abi'
import { activation } from './activation'
import { mapUnits } from './elementwise'
import { erf, exp, expm1, log, log1p, sine } from './math'

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
    case UnaryOp.negInt: return mapUnits<NegInt>(call, begin, end)
    case UnaryOp.absInt: return mapUnits<AbsInt>(call, begin, end)
    default: return activation(call, begin, end)
  }
}
