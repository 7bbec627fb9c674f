/** One of two elements by a mask of bytes, and logic on bytes: 0 is false, all else true. */
import { scratch } from './arguments'
import { SELECT_BLOCK, Select, SelectOp } from './abi'

/** Each sees 16 bytes at once: `unset` is -1 where the mask is 0, a and b are what they are. */
@final
class Where {
  // @ts-ignore: decorator
  @inline
  apply(unset: v128, a: v128, b: v128): v128 {
    return v128.bitselect(b, a, unset)
  }
}
@final
class And {
  // @ts-ignore: decorator
  @inline
  apply(unset: v128, a: v128, b: v128): v128 {
    return v128.and(v128.andnot(isSet(b), unset), i8x16.splat(1))
  }
}
@final
class Or {
  // @ts-ignore: decorator
  @inline
  apply(unset: v128, a: v128, b: v128): v128 {
    return v128.and(v128.or(isSet(b), v128.not(unset)), i8x16.splat(1))
  }
}
@final
class Xor {
  // @ts-ignore: decorator
  @inline
  apply(unset: v128, a: v128, b: v128): v128 {
    return v128.and(v128.xor(i8x16.eq(b, i8x16.splat(0)), unset), i8x16.splat(1))
  }
}

// @ts-ignore: decorator
@inline
function isSet(v: v128): v128 {
  return i8x16.ne(v, i8x16.splat(0))
}

// @ts-ignore: decorator
@inline
function unset(mask: usize): v128 {
  return i8x16.eq(v128.load(mask), i8x16.splat(0))
}

/**
 * `count` elements of a byte, a multiple of 16 and not 0. Steps are bytes for 16 elements, 0 where one is for
 * all. Loops test at their end, as in elementwise.ts.
 */
function selectBytes<F>(
  mask: usize, a: usize, b: usize, y: usize, count: i32, aStep: usize, bStep: usize,
): void {
  do {
    v128.store(y, changetype<F>(0).apply(unset(mask), v128.load(a), v128.load(b)))
    mask += 16
    a += aStep
    b += bStep
    y += 16
    count -= 16
  } while (count)
}

/** The same of four bytes. */
function selectWords(
  mask: usize, a: usize, b: usize, y: usize, count: i32, aStep: usize, bStep: usize,
): void {
  do {
    const m = unset(mask)
    const low = i16x8.extend_low_i8x16_s(m), high = i16x8.extend_high_i8x16_s(m)
    v128.store(y, v128.bitselect(v128.load(b), v128.load(a), i32x4.extend_low_i16x8_s(low)))
    v128.store(y, v128.bitselect(v128.load(b, 16), v128.load(a, 16), i32x4.extend_high_i16x8_s(low)), 16)
    v128.store(y, v128.bitselect(v128.load(b, 32), v128.load(a, 32), i32x4.extend_low_i16x8_s(high)), 32)
    v128.store(y, v128.bitselect(v128.load(b, 48), v128.load(a, 48), i32x4.extend_high_i16x8_s(high)), 48)
    mask += 16
    a += aStep
    b += bStep
    y += 64
    count -= 16
  } while (count)
}

function selectRun(
  args: Select, mask: usize, a: usize, b: usize, y: usize, count: i32, aStep: usize, bStep: usize,
): void {
  if (args.bytes == 4) return selectWords(mask, a, b, y, count, aStep, bStep)
  switch (args.op) {
    case SelectOp.where: return selectBytes<Where>(mask, a, b, y, count, aStep, bStep)
    case SelectOp.and: return selectBytes<And>(mask, a, b, y, count, aStep, bStep)
    case SelectOp.or: return selectBytes<Or>(mask, a, b, y, count, aStep, bStep)
    case SelectOp.xor: return selectBytes<Xor>(mask, a, b, y, count, aStep, bStep)
  }
}

/** An operand that is one element for all, 16 times. */
function fill16(operand: usize, bytes: i32, room: usize): void {
  const v = bytes == 1 ? v128.load8_splat(operand) : v128.load32_splat(operand)
  for (let i: usize = 0; i < 64; i += 16) v128.store(room + i, v)
}

/**
 * Unit: SELECT_BLOCK elements.
 *
 * scratch, 64 bytes each: 16 times a | 16 times b | the last up to 15 of mask | of a | of b | of y
 */
export function select(call: usize, begin: i32, end: i32): void {
  const args = changetype<Select>(call)
  const size = args.size, bytes = args.bytes
  const step = <usize>bytes * 16
  const room = scratch()
  const aStep = args.aOne ? 0 : step, bStep = args.bOne ? 0 : step
  let aBase = args.a, bBase = args.b
  if (!aStep) {
    fill16(aBase ? aBase : call + offsetof<Select>('aValue'), bytes, room)
    aBase = room
  }
  if (!bStep) {
    fill16(bBase ? bBase : call + offsetof<Select>('bValue'), bytes, room + 64)
    bBase = room + 64
  }
  for (let u = begin; u < end; u++) {
    const first = u * SELECT_BLOCK, count = min(SELECT_BLOCK, size - first), whole = count & -16
    const mask = args.mask + first
    const a = aStep ? aBase + <usize>first * bytes : aBase, b = bStep ? bBase + <usize>first * bytes : bBase
    const y = args.y + <usize>first * bytes
    if (whole) selectRun(args, mask, a, b, y, whole, aStep, bStep)
    const left = <usize>(count - whole)
    if (left) {
      const done = <usize>whole * bytes
      memory.copy(room + 128, mask + whole, left)
      memory.copy(room + 192, aStep ? a + done : a, aStep ? left * bytes : step)
      memory.copy(room + 256, bStep ? b + done : b, bStep ? left * bytes : step)
      selectRun(args, room + 128, room + 192, room + 256, room + 320, 16, step, step)
      memory.copy(y + done, room + 320, left * bytes)
    }
  }
}
