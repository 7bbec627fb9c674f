/**
 * Functions of one tensor that act on each element by itself; outputs may stand where the input stands. Their
 * derivatives: elementwiseGradient.ts; functions of two tensors: binary.ts.
 *
 * A functor is one operation; its loop is a function of its own, so that V8 replaces its quick first code
 * early (the second call, for the last 1 to 15 floats, keeps Binaryen from inlining them all into one).
 */
import { scratch } from './arguments'
import { Dropout, UNARY_BLOCK, Unary, UnaryOp } from './abi'
import {
  erf, exp, expFalling, expm1, expm1Falling, log, log1p, normalTail, sigmoid, sine, softplus, tanh,
  tanhSoftplus,
} from './math'
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
@final class Clamp { @inline apply(x: v128, a: v128, b: v128): v128 { return clamp(x, a, b) } }
@final
class LeakyRelu {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return v128.bitselect(f32x4.mul(x, a), x, f32x4.lt(x, f32x4.splat(0)))
  }
}
@final
class Elu {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return v128.bitselect(f32x4.mul(x, b), f32x4.mul(expm1Falling(x), a), f32x4.ge(x, f32x4.splat(0)))
  }
}
// @ts-ignore: decorator
@final class Sigmoid { @inline apply(x: v128, a: v128, b: v128): v128 { return sigmoid(x) } }
@final
class HardSigmoid {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return clamp(madd(x, a, b), f32x4.splat(0), f32x4.splat(1))
  }
}
// @ts-ignore: decorator
@final class Tanh { @inline apply(x: v128, a: v128, b: v128): v128 { return tanh(x) } }
@final
class Silu {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return f32x4.mul(floored(x), sigmoid(x))
  }
}
@final
class Mish {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    return f32x4.mul(floored(x), tanhSoftplus(x))
  }
}
// @ts-ignore: decorator
@final class Softplus { @inline apply(x: v128, a: v128, b: v128): v128 { return softplus(x) } }
// @ts-ignore: decorator
@final class Exp { @inline apply(x: v128, a: v128, b: v128): v128 { return exp(x) } }
// @ts-ignore: decorator
@final class ExpFalling { @inline apply(x: v128, a: v128, b: v128): v128 { return expFalling(x) } }
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
}

/** x Phi(x) = max(x, 0) - |x| Phi(-|x|): no cancellation for negative x. */
@final
class Gelu {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    const size = f32x4.abs(x)
    return f32x4.sub(positive(x), f32x4.mul(f32x4.pmin(size, f32x4.splat(14)), normalTail(size)))
  }
}

/** x (1 + tanh z) / 2 = x sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3). */
@final
class GeluTanh {
  // @ts-ignore: decorator
  @inline
  apply(x: v128, a: v128, b: v128): v128 {
    const slope = madd(f32x4.mul(x, x), f32x4.splat(0.0713548162726), f32x4.splat(1.59576912161))
    return f32x4.mul(floored(x), sigmoid(f32x4.mul(x, slope)))
  }
}

/**
 * `count` floats, a multiple of 16 and not 0. Two or four vectors at a time, loads first and stores last: V8
 * then interleaves their arithmetic. A loop that tests at its end has its constants outside: V8 leaves them
 * in one that tests at its start. Witness: bench of the activations.
 */
function map<F>(x: usize, y: usize, count: i32, first: f32, second: f32): void {
  const a = f32x4.splat(first), b = f32x4.splat(second)
  do {
    const x0 = v128.load(x), x1 = v128.load(x, 16)
    const y0 = changetype<F>(0).apply(x0, a, b), y1 = changetype<F>(0).apply(x1, a, b)
    v128.store(y, y0)
    v128.store(y, y1, 16)
    x += 32
    y += 32
    count -= 8
  } while (count)
}

function mapFour<F>(x: usize, y: usize, count: i32, first: f32, second: f32): void {
  const a = f32x4.splat(first), b = f32x4.splat(second)
  do {
    const x0 = v128.load(x), x1 = v128.load(x, 16), x2 = v128.load(x, 32), x3 = v128.load(x, 48)
    const y0 = changetype<F>(0).apply(x0, a, b), y1 = changetype<F>(0).apply(x1, a, b)
    const y2 = changetype<F>(0).apply(x2, a, b), y3 = changetype<F>(0).apply(x3, a, b)
    v128.store(y, y0)
    v128.store(y, y1, 16)
    v128.store(y, y2, 32)
    v128.store(y, y3, 48)
    x += 64
    y += 64
    count -= 16
  } while (count)
}

/** Any count of floats. tail: room for 16 of them. */
// @ts-ignore: decorator
@inline
function mapRun<F>(four: bool, x: usize, y: usize, count: i32, a: f32, b: f32, tail: usize): void {
  const left = <usize>(count & 15) << 2, whole = <usize>(count & -16) << 2
  if (whole) {
    if (four) mapFour<F>(x, y, count & -16, a, b)
    else map<F>(x, y, count & -16, a, b)
  }
  if (left) {
    memory.copy(tail, x + whole, left)
    if (four) mapFour<F>(tail, tail, 16, a, b)
    else map<F>(tail, tail, 16, a, b)
    memory.copy(y + whole, tail, left)
  }
}

/** y = exp(x) for `count` numbers that are not above 0. y may be x. tail: room for 16 floats. */
export function expRun(x: usize, y: usize, count: i32, tail: usize): void {
  mapRun<ExpFalling>(true, x, y, count, 0, 0, tail)
}

// @ts-ignore: decorator
@inline
function mapUnits<F>(call: usize, begin: i32, end: i32, four: bool = false): void {
  const args = changetype<Unary>(call)
  const size = args.size
  const a = args.a, b = args.b
  for (let u = begin; u < end; u++) {
    const first = u * UNARY_BLOCK, offset = <usize>first << 2
    mapRun<F>(four, args.x + offset, args.y + offset, min(UNARY_BLOCK, size - first), a, b, scratch())
  }
}

/** Unit: UNARY_BLOCK floats. scratch: tail [16] */
export function unary(call: usize, begin: i32, end: i32): void {
  const args = changetype<Unary>(call)
  switch (args.op) {
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
  }
}

/**
 * Bits that each depend on all of v, and two that differ never become one. (The finaliser "lowbias32", C.
 * Wellons, "Prospecting for hash functions")
 */
// @ts-ignore: decorator
@inline
function mixed(v: v128): v128 {
  v = i32x4.mul(v128.xor(v, i32x4.shr_u(v, 16)), i32x4.splat(0x21f0aaad))
  v = i32x4.mul(v128.xor(v, i32x4.shr_u(v, 15)), i32x4.splat(0x735a2d97))
  return v128.xor(v, i32x4.shr_u(v, 15))
}

/**
 * Unit: UNARY_BLOCK floats. What is kept follows from the two keys and the place of a float alone, so that
 * backward draws the same again. A second key after the first mixing keeps masks of two draws from being
 * one mask at a distance.
 */
export function dropout(call: usize, begin: i32, end: i32): void {
  const args = changetype<Dropout>(call)
  const last = min(args.size, end * UNARY_BLOCK)
  const x = args.x, y = args.y
  const keyA = i32x4.splat(args.keyA), keyB = i32x4.splat(args.keyB)
  const threshold = i32x4.splat(args.threshold), scale = f32x4.splat(args.scale)
  const start = begin * UNARY_BLOCK
  let places = i32x4.add(i32x4.splat(start), i32x4(0, 1, 2, 3))
  for (let i = start; i < last; i += 4) {
    const drawn = mixed(v128.xor(mixed(v128.xor(places, keyA)), keyB))
    const at = <usize>i << 2, lanes = min(4, last - i)
    storeLanes(
      y + at, v128.and(f32x4.mul(loadLanes(x + at, lanes), scale), i32x4.ge_u(drawn, threshold)), lanes,
    )
    places = i32x4.add(places, i32x4.splat(4))
  }
}
