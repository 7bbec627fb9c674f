/**
 * Functions of two tensors, with broadcasting. Outputs may stand where an input of the same shape stands.
 * Each operation is a functor, whose loop is a function of its own (elementwise.ts says why).
 */
import { scratch } from './arguments'
import { BINARY_BLOCKS, Binary, BinaryOp, OperandKind } from './abi'
import { spread } from './broadcast'
import { clamp, loadPart, storePart } from './simd'

// @ts-ignore: decorator
@final class Add { @inline apply(a: v128, b: v128): v128 { return f32x4.add(a, b) } }
// @ts-ignore: decorator
@final class Sub { @inline apply(a: v128, b: v128): v128 { return f32x4.sub(a, b) } }
// @ts-ignore: decorator
@final class Mul { @inline apply(a: v128, b: v128): v128 { return f32x4.mul(a, b) } }
// @ts-ignore: decorator
@final class Div { @inline apply(a: v128, b: v128): v128 { return f32x4.div(a, b) } }
@final
class Prelu {
  // @ts-ignore: decorator
  @inline
  apply(a: v128, b: v128): v128 {
    return v128.bitselect(f32x4.mul(a, b), a, f32x4.lt(a, f32x4.splat(0)))
  }
}
// @ts-ignore: decorator
@final class Maximum { @inline apply(a: v128, b: v128): v128 { return f32x4.max(a, b) } }
// @ts-ignore: decorator
@final class Minimum { @inline apply(a: v128, b: v128): v128 { return f32x4.min(a, b) } }
@final
class Mask {
  // @ts-ignore: decorator
  @inline
  apply(a: v128, b: v128): v128 {
    return v128.and(a, f32x4.ne(b, f32x4.splat(0)))
  }
}
@final
class MaskNot {
  // @ts-ignore: decorator
  @inline
  apply(a: v128, b: v128): v128 {
    return v128.and(a, f32x4.eq(b, f32x4.splat(0)))
  }
}
@final
class Less {
  // @ts-ignore: decorator
  @inline
  apply(a: v128, b: v128): v128 {
    return v128.and(f32x4.splat(1), f32x4.lt(a, b))
  }
}
@final
class LessEqual {
  // @ts-ignore: decorator
  @inline
  apply(a: v128, b: v128): v128 {
    return v128.and(f32x4.splat(1), f32x4.le(a, b))
  }
}

// @ts-ignore: decorator
@final class AddInt { @inline apply(a: v128, b: v128): v128 { return i32x4.add(a, b) } }
// @ts-ignore: decorator
@final class SubInt { @inline apply(a: v128, b: v128): v128 { return i32x4.sub(a, b) } }
// @ts-ignore: decorator
@final class MulInt { @inline apply(a: v128, b: v128): v128 { return i32x4.mul(a, b) } }
// @ts-ignore: decorator
@final class MaximumInt { @inline apply(a: v128, b: v128): v128 { return i32x4.max_s(a, b) } }
// @ts-ignore: decorator
@final class MinimumInt { @inline apply(a: v128, b: v128): v128 { return i32x4.min_s(a, b) } }
// @ts-ignore: decorator
@final class DivInt { @inline apply(a: v128, b: v128): v128 { return divideInts(a, b) } }

/**
 * In float64, which holds every quotient of 32-bit integers exactly enough: cut, and at the ends of the range
 * where there is no quotient (0 / 0 is 0).
 */
// @ts-ignore: decorator
@inline
function divideInts(a: v128, b: v128): v128 {
  const low = f64x2.div(f64x2.convert_low_i32x4_s(a), f64x2.convert_low_i32x4_s(b))
  const high = f64x2.div(f64x2.convert_low_i32x4_s(upper(a)), f64x2.convert_low_i32x4_s(upper(b)))
  return v128.shuffle<i32>(i32x4.trunc_sat_f64x2_s_zero(low), i32x4.trunc_sat_f64x2_s_zero(high), 0, 1, 4, 5)
}

// @ts-ignore: decorator
@inline
function upper(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 2, 3, 2, 3)
}

/**
 * What is left of a, with the sign of b: a - floor(a / b) b. Where b is 0 it is 0, and where it is -1, by
 * which the least integer has no quotient in 32 bits.
 */
@final
class ModInt {
  // @ts-ignore: decorator
  @inline
  apply(a: v128, b: v128): v128 {
    const zero = i32x4.splat(0)
    const left = i32x4.sub(a, i32x4.mul(divideInts(a, b), b))
    const other = v128.and(i32x4.ne(left, zero), i32x4.lt_s(v128.xor(left, b), zero))
    const one = i32x4.splat(1)
    return v128.and(i32x4.add(left, v128.and(b, other)), i32x4.gt_u(i32x4.add(b, one), one))
  }
}

/** A function of two floats that has no vector form, lane by lane. */
// @ts-ignore: decorator
@inline
function lanes(y0: f32, y1: f32, y2: f32, y3: f32): v128 {
  return f32x4.replace_lane(f32x4.replace_lane(f32x4.replace_lane(f32x4.splat(y0), 1, y1), 2, y2), 3, y3)
}

/** In the standard library's float64 (musl, powf): correctly rounded but for 0.55 u. */
@final
class Pow {
  // @ts-ignore: decorator
  @inline
  apply(a: v128, b: v128): v128 {
    return lanes(
      power(
        f32x4.extract_lane(a, 0), f32x4.extract_lane(b, 0),
      ), power(f32x4.extract_lane(a, 1), f32x4.extract_lane(b, 1)),
      power(
        f32x4.extract_lane(a, 2), f32x4.extract_lane(b, 2),
      ), power(f32x4.extract_lane(a, 3), f32x4.extract_lane(b, 3)))
  }
}

function power(a: f32, b: f32): f32 {
  return Mathf.pow(a, b)
}

/** What is left of a, with the sign of b, exactly but for one rounding: NumPy's mod. */
@final
class Mod {
  // @ts-ignore: decorator
  @inline
  apply(a: v128, b: v128): v128 {
    return lanes(
      modulo(
        f32x4.extract_lane(a, 0), f32x4.extract_lane(b, 0),
      ), modulo(f32x4.extract_lane(a, 1), f32x4.extract_lane(b, 1)),
      modulo(
        f32x4.extract_lane(a, 2), f32x4.extract_lane(b, 2),
      ), modulo(f32x4.extract_lane(a, 3), f32x4.extract_lane(b, 3)))
  }
}

function modulo(a: f32, b: f32): f32 {
  const left = Mathf.mod(a, b)
  if (left == 0) return copysign<f32>(0, b)
  return left < 0 != b < 0 ? left + b : left
}

// @ts-ignore: decorator
@final class IsEqual { @inline apply(a: v128, b: v128): v128 { return f32x4.eq(a, b) } }
// @ts-ignore: decorator
@final class IsNotEqual { @inline apply(a: v128, b: v128): v128 { return f32x4.ne(a, b) } }
// @ts-ignore: decorator
@final class IsLess { @inline apply(a: v128, b: v128): v128 { return f32x4.lt(a, b) } }
// @ts-ignore: decorator
@final class IsLessEqual { @inline apply(a: v128, b: v128): v128 { return f32x4.le(a, b) } }
// @ts-ignore: decorator
@final class IsEqualInt { @inline apply(a: v128, b: v128): v128 { return i32x4.eq(a, b) } }
// @ts-ignore: decorator
@final class IsNotEqualInt { @inline apply(a: v128, b: v128): v128 { return i32x4.ne(a, b) } }
// @ts-ignore: decorator
@final class IsLessInt { @inline apply(a: v128, b: v128): v128 { return i32x4.lt_s(a, b) } }
// @ts-ignore: decorator
@final class IsLessEqualInt { @inline apply(a: v128, b: v128): v128 { return i32x4.le_s(a, b) } }

/** `count` results as bytes, a multiple of 16. */
function zipToBytes<F>(a: usize, b: usize, y: usize, count: i32): void {
  for (; count > 0; count -= 16) {
    const y0 = changetype<F>(0).apply(v128.load(a), v128.load(b))
    const y1 = changetype<F>(0).apply(v128.load(a, 16), v128.load(b, 16))
    const y2 = changetype<F>(0).apply(v128.load(a, 32), v128.load(b, 32))
    const y3 = changetype<F>(0).apply(v128.load(a, 48), v128.load(b, 48))
    v128.store(
      y,
      v128.and(
        i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(y0, y1), i16x8.narrow_i32x4_s(y2, y3)), i8x16.splat(1),
      ),
    )
    a += 64
    b += 64
    y += 16
  }
}

// @ts-ignore: decorator
@inline
function compareBlock<F>(a: usize, b: usize, y: usize, count: i32, tail: usize): void {
  const whole = count & -16, left = <usize>(count & 15)
  zipToBytes<F>(a, b, y, whole)
  if (left) {
    memory.copy(tail, a + (<usize>whole << 2), left << 2)
    memory.copy(tail + 64, b + (<usize>whole << 2), left << 2)
    zipToBytes<F>(tail, tail + 64, tail + 128, 16)
    memory.copy(y + whole, tail + 128, left)
  }
}

/** `count` words, a multiple of 4. */
function zipInts<F>(a: usize, b: usize, y: usize, count: i32): void {
  for (; count > 0; count -= 4) {
    v128.store(y, changetype<F>(0).apply(v128.load(a), v128.load(b)))
    a += 16
    b += 16
    y += 16
  }
}

// @ts-ignore: decorator
@inline
function zipIntsBlock<F>(a: usize, b: usize, y: usize, count: i32, tail: usize): void {
  zipInts<F>(a, b, y, count & -4)
  if (count & 3) {
    const offset = <usize>(count & -4) << 2
    v128.store(tail, loadPart(a + offset, count & 3))
    v128.store(tail, loadPart(b + offset, count & 3), 16)
    zipInts<F>(tail, tail + 16, tail, 4)
    storePart(y + offset, v128.load(tail), count & 3)
  }
}

/** `count` floats, a multiple of 4. */
function zip<F>(a: usize, b: usize, y: usize, count: i32, least: f32, most: f32): void {
  const low = f32x4.splat(least), high = f32x4.splat(most)
  for (; count >= 8; count -= 8) {
    v128.store(y, clamp(changetype<F>(0).apply(v128.load(a), v128.load(b)), low, high))
    v128.store(y, clamp(changetype<F>(0).apply(v128.load(a, 16), v128.load(b, 16)), low, high), 16)
    a += 32
    b += 32
    y += 32
  }
  if (count) v128.store(y, clamp(changetype<F>(0).apply(v128.load(a), v128.load(b)), low, high))
}

// @ts-ignore: decorator
@inline
function zipBlock<F>(a: usize, b: usize, y: usize, count: i32, tail: usize, low: f32, high: f32): void {
  zip<F>(a, b, y, count & -4, low, high)
  if (count & 3) {
    const offset = <usize>(count & -4) << 2
    v128.store(tail, loadPart(a + offset, count & 3))
    v128.store(tail, loadPart(b + offset, count & 3), 16)
    zip<F>(tail, tail + 16, tail, 4, low, high)
    storePart(y + offset, v128.load(tail), count & 3)
  }
}

/** What a vector of floats has an instruction or two for. */
@final
class Floats {
  // @ts-ignore: decorator
  @inline
  size(): usize { return 4 }
  // @ts-ignore: decorator
  @inline
  run(op: i32, a: usize, b: usize, y: usize, count: i32, tail: usize, low: f32, high: f32): void {
    switch (op) {
      case BinaryOp.add: return zipBlock<Add>(a, b, y, count, tail, low, high)
      case BinaryOp.sub: return zipBlock<Sub>(a, b, y, count, tail, low, high)
      case BinaryOp.mul: return zipBlock<Mul>(a, b, y, count, tail, low, high)
      case BinaryOp.div: return zipBlock<Div>(a, b, y, count, tail, low, high)
      case BinaryOp.prelu: return zipBlock<Prelu>(a, b, y, count, tail, low, high)
      case BinaryOp.maximum: return zipBlock<Maximum>(a, b, y, count, tail, low, high)
      case BinaryOp.minimum: return zipBlock<Minimum>(a, b, y, count, tail, low, high)
      case BinaryOp.mask: return zipBlock<Mask>(a, b, y, count, tail, low, high)
      case BinaryOp.maskNot: return zipBlock<MaskNot>(a, b, y, count, tail, low, high)
      case BinaryOp.less: return zipBlock<Less>(a, b, y, count, tail, low, high)
      case BinaryOp.lessEqual: return zipBlock<LessEqual>(a, b, y, count, tail, low, high)
    }
  }
}

/** What goes lane by lane. */
@final
class Lanes {
  // @ts-ignore: decorator
  @inline
  size(): usize { return 4 }
  // @ts-ignore: decorator
  @inline
  run(op: i32, a: usize, b: usize, y: usize, count: i32, tail: usize, low: f32, high: f32): void {
    switch (op) {
      case BinaryOp.pow: return zipBlock<Pow>(a, b, y, count, tail, low, high)
      case BinaryOp.mod: return zipBlock<Mod>(a, b, y, count, tail, low, high)
    }
  }
}

/** Of 32-bit integers. */
@final
class Ints {
  // @ts-ignore: decorator
  @inline
  size(): usize { return 4 }
  // @ts-ignore: decorator
  @inline
  run(op: i32, a: usize, b: usize, y: usize, count: i32, tail: usize, low: f32, high: f32): void {
    switch (op) {
      case BinaryOp.addInt: return zipIntsBlock<AddInt>(a, b, y, count, tail)
      case BinaryOp.subInt: return zipIntsBlock<SubInt>(a, b, y, count, tail)
      case BinaryOp.mulInt: return zipIntsBlock<MulInt>(a, b, y, count, tail)
      case BinaryOp.divInt: return zipIntsBlock<DivInt>(a, b, y, count, tail)
      case BinaryOp.maximumInt: return zipIntsBlock<MaximumInt>(a, b, y, count, tail)
      case BinaryOp.minimumInt: return zipIntsBlock<MinimumInt>(a, b, y, count, tail)
      case BinaryOp.modInt: return zipIntsBlock<ModInt>(a, b, y, count, tail)
    }
  }
}

/** What gives bytes. */
@final
class Comparisons {
  // @ts-ignore: decorator
  @inline
  size(): usize { return 1 }
  // @ts-ignore: decorator
  @inline
  run(op: i32, a: usize, b: usize, y: usize, count: i32, tail: usize, low: f32, high: f32): void {
    switch (op) {
      case BinaryOp.isEqual: return compareBlock<IsEqual>(a, b, y, count, tail)
      case BinaryOp.isNotEqual: return compareBlock<IsNotEqual>(a, b, y, count, tail)
      case BinaryOp.isLess: return compareBlock<IsLess>(a, b, y, count, tail)
      case BinaryOp.isLessEqual: return compareBlock<IsLessEqual>(a, b, y, count, tail)
      case BinaryOp.isEqualInt: return compareBlock<IsEqualInt>(a, b, y, count, tail)
      case BinaryOp.isNotEqualInt: return compareBlock<IsNotEqualInt>(a, b, y, count, tail)
      case BinaryOp.isLessInt: return compareBlock<IsLessInt>(a, b, y, count, tail)
      case BinaryOp.isLessEqualInt: return compareBlock<IsLessEqualInt>(a, b, y, count, tail)
    }
  }
}

/**
 * Blocks of a kernel whose operations are those of `Ops`. An operand that is broadcast is spread out into
 * scratch, so that every operation has one loop.
 *
 * scratch: tails [48] | a [block] | b [block]
 */
// @ts-ignore: decorator
@inline
function overBlocks<Ops>(call: usize, begin: i32, end: i32): void {
  const args = changetype<Binary>(call)
  const block = args.block, op = args.op
  const aKind = args.aKind, bKind = args.bKind
  const low = args.low, high = args.high
  const tail = scratch(), aRoom = tail + 192, bRoom = aRoom + (<usize>block << 2)
  const last = min(args.size, end * BINARY_BLOCKS * block)
  let a = aRoom, b = bRoom
  if (aKind == OperandKind.repeated) a = spread(args, 0, 0, min(block, last), aRoom)
  if (bKind == OperandKind.repeated) b = spread(args, 1, 0, min(block, last), bRoom)
  for (let first = begin * BINARY_BLOCKS * block; first < last; first += block) {
    const count = min(block, last - first)
    const offset = <usize>first << 2
    if (aKind == OperandKind.flat) a = args.a + offset
    else if (aKind == OperandKind.spread) a = spread(args, 0, first, count, aRoom)
    if (bKind == OperandKind.flat) b = args.b + offset
    else if (bKind == OperandKind.spread) b = spread(args, 1, first, count, bRoom)
    changetype<Ops>(0).run(
      op, a, b, args.y + <usize>first * changetype<Ops>(0).size(), count, tail, low, high,
    )
  }
}

/**
 * Unit: BINARY_BLOCKS blocks of `block` outputs, here and in the three below. They are kernels of their own
 * since V8 replaces the quick first code of a large function late.
 */
export function binary(call: usize, begin: i32, end: i32): void {
  overBlocks<Floats>(call, begin, end)
}

/** Unit: as of `binary`. */
export function binaryLanes(call: usize, begin: i32, end: i32): void {
  overBlocks<Lanes>(call, begin, end)
}

/** Unit: as of `binary`. */
export function binaryInts(call: usize, begin: i32, end: i32): void {
  overBlocks<Ints>(call, begin, end)
}

/** Unit: as of `binary`. */
export function compare(call: usize, begin: i32, end: i32): void {
  overBlocks<Comparisons>(call, begin, end)
}
