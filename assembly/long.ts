/**
 * Whole numbers of 64 bits, which wrap: as those of other types, one with another, and one of two by a mask.
 * Each operation is a functor, whose loop is a function of its own (elementwise.ts says why).
 */
import { LONG_BLOCK, LongBinary, LongCast, LongCastOp, LongOp, LongSelect } from './abi'

// @ts-ignore: decorator
@final class AddLong { @inline apply(a: i64, b: i64): i64 { return a + b } }
// @ts-ignore: decorator
@final class SubLong { @inline apply(a: i64, b: i64): i64 { return a - b } }
// @ts-ignore: decorator
@final class MulLong { @inline apply(a: i64, b: i64): i64 { return a * b } }
// @ts-ignore: decorator
@final class MaximumLong { @inline apply(a: i64, b: i64): i64 { return a > b ? a : b } }
// @ts-ignore: decorator
@final class MinimumLong { @inline apply(a: i64, b: i64): i64 { return a < b ? a : b } }
// @ts-ignore: decorator
@final class AndLong { @inline apply(a: i64, b: i64): i64 { return a & b } }
// @ts-ignore: decorator
@final class OrLong { @inline apply(a: i64, b: i64): i64 { return a | b } }
// @ts-ignore: decorator
@final class XorLong { @inline apply(a: i64, b: i64): i64 { return a ^ b } }
// @ts-ignore: decorator
@final class AbsLong { @inline apply(a: i64, b: i64): i64 { return a < 0 ? -a : a } }
// @ts-ignore: decorator
@final class EqualLong { @inline apply(a: i64, b: i64): i64 { return i64(a == b) } }
// @ts-ignore: decorator
@final class LessLong { @inline apply(a: i64, b: i64): i64 { return i64(a < b) } }
// @ts-ignore: decorator
@final class LessEqualLong { @inline apply(a: i64, b: i64): i64 { return i64(a <= b) } }
// @ts-ignore: decorator
@final class DivLong { @inline apply(a: i64, b: i64): i64 { return quotient(a, b) } }
// @ts-ignore: decorator
@final class RemainderLong { @inline apply(a: i64, b: i64): i64 { return rest(a, b) } }
@final
class ModLong {
  // @ts-ignore: decorator
  @inline
  apply(a: i64, b: i64): i64 {
    const left = rest(a, b)
    return left && (left ^ b) < 0 ? left + b : left
  }
}

/**
 * By 0 the end of the range on a's side, and 0 / 0 is 0: WebAssembly has no quotient there, nor of the least
 * number by -1.
 */
// @ts-ignore: decorator
@inline
function quotient(a: i64, b: i64): i64 {
  if (<u64>(b + 1) <= 1) return b ? -a : a > 0 ? i64.MAX_VALUE : a < 0 ? i64.MIN_VALUE : 0
  // Half the time where both are of 32 bits.
  if ((<u64>a | <u64>b) >> 31 == 0) return <i64>(<u32>a / <u32>b)
  return a / b
}

// @ts-ignore: decorator
@inline
function rest(a: i64, b: i64): i64 {
  if (<u64>(b + 1) <= 1) return 0
  if ((<u64>a | <u64>b) >> 31 == 0) return <i64>(<u32>a % <u32>b)
  return a % b
}

/** R: what the results are stored as. */
function binaryUnits<F, R>(call: usize, begin: i32, end: i32): void {
  const args = changetype<LongBinary>(call)
  const aStep = <usize>args.aStep, bStep = <usize>args.bStep
  const first = begin * LONG_BLOCK
  let a = args.a + <usize>first * aStep, b = args.b + <usize>first * bStep
  let y = args.y + <usize>first * sizeof<R>()
  for (let left = min(args.size, end * LONG_BLOCK) - first; left > 0; left--) {
    store<R>(y, <R>changetype<F>(0).apply(load<i64>(a), load<i64>(b)))
    a += aStep
    b += bStep
    y += sizeof<R>()
  }
}

/** Unit: LONG_BLOCK elements. */
export function binaryLong(call: usize, begin: i32, end: i32): void {
  switch (changetype<LongBinary>(call).op) {
    case LongOp.add: return binaryUnits<AddLong, i64>(call, begin, end)
    case LongOp.sub: return binaryUnits<SubLong, i64>(call, begin, end)
    case LongOp.mul: return binaryUnits<MulLong, i64>(call, begin, end)
    case LongOp.div: return binaryUnits<DivLong, i64>(call, begin, end)
    case LongOp.mod: return binaryUnits<ModLong, i64>(call, begin, end)
    case LongOp.remainder: return binaryUnits<RemainderLong, i64>(call, begin, end)
    case LongOp.maximum: return binaryUnits<MaximumLong, i64>(call, begin, end)
    case LongOp.minimum: return binaryUnits<MinimumLong, i64>(call, begin, end)
    case LongOp.and: return binaryUnits<AndLong, i64>(call, begin, end)
    case LongOp.or: return binaryUnits<OrLong, i64>(call, begin, end)
    case LongOp.xor: return binaryUnits<XorLong, i64>(call, begin, end)
    case LongOp.abs: return binaryUnits<AbsLong, i64>(call, begin, end)
    case LongOp.equal: return binaryUnits<EqualLong, u8>(call, begin, end)
    case LongOp.less: return binaryUnits<LessLong, u8>(call, begin, end)
    case LongOp.lessEqual: return binaryUnits<LessEqualLong, u8>(call, begin, end)
  }
}

/** Unit: LONG_BLOCK elements. */
export function selectLong(call: usize, begin: i32, end: i32): void {
  const args = changetype<LongSelect>(call)
  const maskStep = <usize>args.maskStep, aStep = <usize>args.aStep, bStep = <usize>args.bStep
  const first = <usize>(begin * LONG_BLOCK)
  let mask = args.mask + first * maskStep, a = args.a + first * aStep, b = args.b + first * bStep
  let y = args.y + first * 8
  for (let left = min(args.size, end * LONG_BLOCK) - begin * LONG_BLOCK; left > 0; left--) {
    store<i64>(y, select<i64>(load<i64>(a), load<i64>(b), load<u8>(mask) != 0))
    mask += maskStep
    a += aStep
    b += bStep
    y += 8
  }
}

/** The nearest number of 32 bits. */
// @ts-ignore: decorator
@inline
function nearest(v: i64): i32 {
  return <i32>min<i64>(max<i64>(v, i32.MIN_VALUE), i32.MAX_VALUE)
}

/** Numbers of 64 bits as int32, the nearest of it, or as float32; whether any was beyond int32. */
function narrowed<D>(x: usize, y: usize, count: i32): bool {
  let beyond = false
  for (; count >= 4; count -= 4) {
    const a = v128.load(x), b = v128.load(x, 16)
    const low = v128.shuffle<i32>(a, b, 0, 2, 4, 6), high = v128.shuffle<i32>(a, b, 1, 3, 5, 7)
    // Of most the upper word repeats the sign.
    if (v128.any_true(v128.xor(i32x4.shr_s(low, 31), high))) {
      for (let i: usize = 0; i < 4; i++) {
        const v = load<i64>(x + (i << 3))
        store<D>(y + (i << 2), isFloat<D>() ? <D>v : <D>nearest(v))
      }
      beyond = true
    } else v128.store(y, isFloat<D>() ? f32x4.convert_i32x4_s(low) : low)
    x += 32
    y += 16
  }
  for (; count > 0; count--) {
    const v = load<i64>(x)
    if (v != <i64><i32>v) beyond = true
    store<D>(y, isFloat<D>() ? <D>v : <D>nearest(v))
    x += 8
    y += 4
  }
  return beyond
}

/** Without what is behind the point, to the nearest end of the range beyond it; NaN is 0. */
function castEach<S, D>(x: usize, y: usize, count: i32): void {
  for (; count > 0; count--) {
    store<D>(y, <D>load<S>(x))
    x += sizeof<S>()
    y += sizeof<D>()
  }
}

/** Unit: LONG_BLOCK elements. */
export function castLong(call: usize, begin: i32, end: i32): void {
  const args = changetype<LongCast>(call)
  const op = args.op
  for (let u = begin; u < end; u++) {
    const first = <usize>(u * LONG_BLOCK), count = min(LONG_BLOCK, args.size - u * LONG_BLOCK)
    const x = args.x, y = args.y
    switch (op) {
      case LongCastOp.toInt:
        if (narrowed<i32>(x + first * 8, y + first * 4, count) && args.beyond) store<i32>(args.beyond, 1)
        break
      case LongCastOp.toFloat: narrowed<f32>(x + first * 8, y + first * 4, count); break
      case LongCastOp.toDouble: castEach<i64, f64>(x + first * 8, y + first * 8, count); break
      case LongCastOp.fromInt: castEach<i32, i64>(x + first * 4, y + first * 8, count); break
      case LongCastOp.fromFloat: castEach<f32, i64>(x + first * 4, y + first * 8, count); break
      case LongCastOp.fromDouble: castEach<f64, i64>(x + first * 8, y + first * 8, count); break
      case LongCastOp.fromByte: castEach<u8, i64>(x + first, y + first * 8, count); break
      case LongCastOp.fromSigned: castEach<i8, i64>(x + first, y + first * 8, count); break
    }
  }
}
