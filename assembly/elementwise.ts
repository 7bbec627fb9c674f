/**
 * The loops of functions of one tensor (activation.ts, unary.ts), and dropout. Outputs may stand where the
 * input stands. Functions of two tensors: binary.ts.
 *
 * A functor is one operation; its loop is a function of its own, so that V8 replaces its quick first code
 * early (the second call, for the last 1 to 15 floats, keeps Binaryen from inlining them all into one).
 */
import { scratch } from './arguments'
import { Dropout, UNARY_BLOCK, Unary } from './abi'
import { expFalling } from './math'
import { loadLanes, storeLanes } from './simd'

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

// @ts-ignore: decorator
@final class ExpFalling { @inline apply(x: v128, a: v128, b: v128): v128 { return expFalling(x) } }

/** y = exp(x) for `count` numbers that are not above 0. y may be x. tail: room for 16 floats. */
export function expRun(x: usize, y: usize, count: i32, tail: usize): void {
  mapRun<ExpFalling>(true, x, y, count, 0, 0, tail)
}

/** A unit: UNARY_BLOCK floats. scratch: tail [16] */
// @ts-ignore: decorator
@inline
export function mapUnits<F>(call: usize, begin: i32, end: i32, four: bool = false): void {
  const args = changetype<Unary>(call)
  const size = args.size
  const a = args.a, b = args.b
  for (let u = begin; u < end; u++) {
    const first = u * UNARY_BLOCK, offset = <usize>first << 2
    mapRun<F>(four, args.x + offset, args.y + offset, min(UNARY_BLOCK, size - first), a, b, scratch())
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
