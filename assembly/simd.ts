/**
 * Four floats at a time. The only file that asks which build this is.
 *
 * `@inline` with a constant argument folds at compile time, so that `if (mr > 3)` costs nothing.
 */

/** Whether a multiply-add is one instruction. */
export const FUSED: bool = ASC_FEATURE_RELAXED_SIMD

/** Whether V8 is to join vectors: the build `wide`, of which asconfig.json says so. */
export const WIDE: bool = isDefined(FILTERBANK_WIDE)

/** Rows of the register tile: what 16 vector registers hold beside 8 columns. */
export const TILE_ROWS: i32 = FUSED ? 6 : 5

// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  return FUSED ? f32x4.relaxed_madd(a, b, c) : f32x4.add(c, f32x4.mul(a, b))
}

/**
 * min(high, max(low, v)); NaN stays NaN: pmin and pmax return their first operand where the comparison fails.
 */
// @ts-ignore: decorator
@inline
export function clamp(v: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(v, low), high)
}

/**
 * The larger of an element `a` and what was found before, NaN where either is. Where it compares a NaN, pmax
 * takes its first operand, so that one in `a` alone is lost: there all bits are set, which is a NaN.
 * f32x4.max, which knows that -0 < 0 too, is nine instructions on x86.
 */
// @ts-ignore: decorator
@inline
export function larger(a: v128, found: v128): v128 {
  return v128.or(f32x4.pmax(found, a), f32x4.ne(a, a))
}

/** Lanes 0 and 1 as float64. */
// @ts-ignore: decorator
@inline
export function lowHalf(v: v128): v128 {
  return f64x2.promote_low_f32x4(v)
}

/** Lanes 2 and 3 as float64. */
// @ts-ignore: decorator
@inline
export function highHalf(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3))
}

/** v[0] + v[1] + v[2] + v[3] */
// @ts-ignore: decorator
@inline
export function sumLanes(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1))
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1)
}

/** The first `count` (0 to 3) floats at p; the other lanes are zero. Reads no byte beyond them. */
// @ts-ignore: decorator
@inline
export function loadPart(p: usize, count: usize): v128 {
  let v = f32x4.splat(0)
  if (count & 2) {
    v = v128.load64_zero(p)
    if (count & 1) v = v128.load32_lane(p, v, 2, 8)
  } else if (count & 1) v = v128.load32_zero(p)
  return v
}

/** Writes the first `count` (0 to 3) lanes of v at p, and no byte beyond them. */
// @ts-ignore: decorator
@inline
export function storePart(p: usize, v: v128, count: usize): void {
  if (count & 2) {
    v128.store64_lane(p, v, 0)
    if (count & 1) v128.store32_lane(p, v, 2, 8)
  } else if (count & 1) v128.store32_lane(p, v, 0)
}

/**
 * Writes v, but nothing at or beyond `end`. Lanes behind the last channel of a pixel land in the next one,
 * which is written after.
 */
// @ts-ignore: decorator
@inline
export function storeWithin(p: usize, v: v128, end: usize): void {
  if (p + 16 <= end) v128.store(p, v)
  else storePart(p, v, (end - p) >> 2)
}

/** The first `count` (0 to 4) floats at p. */
// @ts-ignore: decorator
@inline
export function loadLanes(p: usize, count: usize): v128 {
  return count == 4 ? v128.load(p) : loadPart(p, count)
}

/** Writes the first `count` (0 to 4) lanes of v at p. */
// @ts-ignore: decorator
@inline
export function storeLanes(p: usize, v: v128, count: usize): void {
  if (count == 4) v128.store(p, v)
  else storePart(p, v, count)
}

/** Writes the first `count` (0 to 15) bytes of v at p, and no byte beyond them. */
// @ts-ignore: decorator
@inline
export function storeBytes(p: usize, v: v128, count: usize): void {
  let bytes = i64x2.extract_lane(v, 0)
  if (count & 8) {
    store<i64>(p, bytes)
    bytes = i64x2.extract_lane(v, 1)
    p += 8
  }
  if (count & 4) {
    store<i32>(p, <i32>bytes)
    bytes >>= 32
    p += 4
  }
  if (count & 2) {
    store<i16>(p, <i16>bytes)
    bytes >>= 16
    p += 2
  }
  if (count & 1) store<i8>(p, <i8>bytes)
}
