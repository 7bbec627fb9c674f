/**
 * Elementary functions of four floats at once. Every bound holds for all inputs in both builds, and
 * tests/kernels/math.test.ts asserts it; u is the distance between neighbouring floats at the result, so that
 * a correctly rounded result is off by u / 2. NaN gives NaN.
 *
 * exp: Cody-Waite reduction as in Cephes (expf; S. Moshier, netlib.org/cephes). log: Cephes, logf. The others
 * stand on them by the identities given above each. Minimax fits are this project's own.
 */
import { clamp, highHalf, lowHalf, madd } from './simd'

/** Adding it rounds |v| < 2^22 to an integer, which then stands in the low bits. */
const ROUND: f32 = 12582912 // 1.5 * 2^23

/** ln 2 = LN2_HIGH + LN2_LOW; n * LN2_HIGH is exact for |n| < 2^15. */
const LN2_HIGH: f32 = 0.693359375
const LN2_LOW: f32 = -2.12194440e-4
const LOG2E: f32 = 1.44269504088896341

// @ts-ignore: decorator
@inline
function step(p: v128, x: v128, c: f32): v128 {
  return madd(p, x, f32x4.splat(c))
}

/** -|x| in one instruction: V8 builds the masks of neg and abs anew each time. */
// @ts-ignore: decorator
@inline
function negativeAbs(x: v128): v128 {
  return v128.or(x, i32x4.splat(0x80000000))
}

/** x - n ln 2 */
// @ts-ignore: decorator
@inline
function rest(x: v128, n: v128): v128 {
  return f32x4.add(madd(n, f32x4.splat(-LN2_HIGH), x), f32x4.mul(n, f32x4.splat(-LN2_LOW)))
}

/**
 * exp(r) - 1 for |r| <= ln 2 / 2: a minimax fit, summed in pairs (Estrin), which waits less than Horner's
 * chain.
 */
// @ts-ignore: decorator
@inline
function expm1Rest(r: v128): v128 {
  const square = f32x4.mul(r, r)
  const low = madd(step(f32x4.splat(0.16666521), r, 0.49999994), square, r)
  const high = madd(square, f32x4.splat(0.001381987822), step(f32x4.splat(0.00836870726), r, 0.04166826978))
  return madd(high, f32x4.mul(square, square), low)
}

/** exp(r) for |r| <= ln 2 / 2: a fit of degree 5, 0.9 u off at most. */
// @ts-ignore: decorator
@inline
function expRest(r: v128): v128 {
  const square = f32x4.mul(r, r)
  const high = madd(
    step(f32x4.splat(0.00831243), r, 0.04189099), square, step(f32x4.splat(0.16667118), r, 0.49999226),
  )
  return f32x4.add(madd(high, square, r), f32x4.splat(1))
}

/** 2^-64: what `expRaised` is to be multiplied by. The product alone rounds, also into denormals. */
const LOWER: f32 = 5.421010862427522e-20

/** p * 2^(n + 64) for n from -190 to 63, given n + 64 + ROUND: by its exponent field. */
// @ts-ignore: decorator
@inline
function raise(p: v128, shifted: v128): v128 {
  return i32x4.add(p, i32x4.shl(shifted, 23))
}

/** exp(x) * 2^64 for -104 <= x <= 43. */
// @ts-ignore: decorator
@inline
function expRaised(x: v128): v128 {
  const shifted = step(x, f32x4.splat(LOG2E), ROUND + 64)
  return raise(expRest(rest(x, f32x4.sub(shifted, f32x4.splat(ROUND + 64)))), shifted)
}

/** exp(x) for -104 <= x <= 43. */
// @ts-ignore: decorator
@inline
function expWithin(x: v128): v128 {
  return f32x4.mul(expRaised(x), f32x4.splat(LOWER))
}

/**
 * In two factors of about 2^(n / 2), so that the last product alone rounds, into denormals or to Infinity.
 * Error < 1.5 u.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  x = clamp(x, f32x4.splat(-104), f32x4.splat(89))
  const shifted = step(x, f32x4.splat(LOG2E), ROUND)
  const p = f32x4.add(expm1Rest(rest(x, f32x4.sub(shifted, f32x4.splat(ROUND)))), f32x4.splat(1))
  const n = i32x4.sub(shifted, i32x4.splat(reinterpret<i32>(ROUND)))
  const half = i32x4.shr_s(n, 1)
  return f32x4.mul(
    i32x4.add(p, i32x4.shl(half, 23)), i32x4.shl(i32x4.add(i32x4.sub(n, half), i32x4.splat(127)), 23),
  )
}

/** exp(x) for x <= 0. Error < 2.3 u. */
// @ts-ignore: decorator
@inline
export function expFalling(x: v128): v128 {
  return expWithin(f32x4.pmax(x, f32x4.splat(-104)))
}

/** exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1) for |x| <= 25. */
// @ts-ignore: decorator
@inline
function expm1Within(x: v128): v128 {
  const shifted = step(x, f32x4.splat(LOG2E), ROUND + 127)
  const power = i32x4.shl(shifted, 23)
  const r = rest(x, f32x4.sub(shifted, f32x4.splat(ROUND + 127)))
  return madd(power, expm1Rest(r), f32x4.sub(power, f32x4.splat(1)))
}

/** exp(x) - 1 for x <= 0. Error < 1.8 u. */
// @ts-ignore: decorator
@inline
export function expm1Falling(x: v128): v128 {
  return expm1Within(f32x4.pmax(x, f32x4.splat(-25)))
}

/**
 * x = m 2^e with m in [sqrt(1/2), sqrt(2)): log(x) = log(m) + e ln 2. log(+-0) is -Infinity, negative numbers
 * give NaN. Error < 1.1 u.
 */
// @ts-ignore: decorator
@inline
export function log(x: v128): v128 {
  const denormal = f32x4.lt(x, f32x4.splat(1.17549435e-38))
  const normal = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, denormal)
  // Counted from the bits of sqrt(1/2), the exponent field holds e + 1 and the rest of m.
  const bits = i32x4.sub(normal, i32x4.splat(0x3f3504f3))
  const e = f32x4.add(f32x4.convert_i32x4_s(i32x4.shr_s(bits, 23)), v128.and(denormal, f32x4.splat(-23)))
  const m = f32x4.sub(
    i32x4.add(v128.and(bits, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3)), f32x4.splat(1),
  )
  let p = step(f32x4.splat(7.0376836292e-2), m, -1.1514610310e-1)
  p = step(p, m, 1.1676998740e-1)
  p = step(p, m, -1.2420140846e-1)
  p = step(p, m, 1.4249322787e-1)
  p = step(p, m, -1.6668057665e-1)
  p = step(p, m, 2.0000714765e-1)
  p = step(p, m, -2.4999993993e-1)
  p = step(p, m, 3.3333331174e-1)
  const square = f32x4.mul(m, m)
  let y = f32x4.mul(f32x4.mul(p, m), square)
  y = madd(e, f32x4.splat(LN2_LOW), y)
  y = madd(square, f32x4.splat(-0.5), y)
  y = madd(e, f32x4.splat(LN2_HIGH), f32x4.add(m, y))
  const infinity = f32x4.splat(Infinity)
  y = v128.bitselect(y, x, f32x4.lt(x, infinity)) // Infinity and NaN are their own
  y = v128.bitselect(f32x4.splat(NaN), y, f32x4.lt(x, f32x4.splat(0)))
  return v128.bitselect(f32x4.neg(infinity), y, f32x4.eq(x, f32x4.splat(0)))
}

/** log(1 + x) = 2 artanh(x / (2 + x)) for x in [0, 1]; the polynomial is a minimax fit. Error < 2.1 u. */
// @ts-ignore: decorator
@inline
function log1pUnit(x: v128): v128 {
  const t = f32x4.div(x, step(x, f32x4.splat(0.5), 1))
  const z = f32x4.mul(t, t)
  let p = step(f32x4.splat(5.471091135404e-4), z, 2.187641104683e-3)
  p = step(p, z, 1.250672712922e-2)
  p = step(p, z, 8.333302289248e-2)
  return madd(f32x4.mul(t, z), p, t)
}

/** log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)). Error < 3.7 u. */
// @ts-ignore: decorator
@inline
export function softplus(x: v128): v128 {
  return f32x4.add(f32x4.pmax(x, f32x4.splat(0)), log1pUnit(expFalling(negativeAbs(x))))
}

/** e / (1 + e), e = exp(x): an error of e counts for less in it; both raised by 2^64. Error < 3.6 u. */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const e = expRaised(clamp(x, f32x4.splat(-104), f32x4.splat(43)))
  return f32x4.div(e, f32x4.add(e, f32x4.splat(1 / LOWER)))
}

/** w / (w + 2), w = exp(2 x) - 1, with the sign of x for -0. Error < 3.6 u. */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const w = expm1Within(clamp(f32x4.add(x, x), f32x4.splat(-25), f32x4.splat(25)))
  return v128.or(f32x4.div(w, f32x4.add(w, f32x4.splat(2))), v128.and(x, i32x4.splat(0x80000000)))
}

/** tanh(log(1 + exp(x))) = w / (w + 2), w = e (e + 2), e = exp(x). Error < 4.6 u. */
// @ts-ignore: decorator
@inline
export function tanhSoftplus(x: v128): v128 {
  const e = expWithin(clamp(x, f32x4.splat(-104), f32x4.splat(20)))
  const w = f32x4.mul(e, f32x4.add(e, f32x4.splat(2)))
  return f32x4.div(w, f32x4.add(w, f32x4.splat(2)))
}

/**
 * The normal distribution's tail, erfc(t / sqrt 2) / 2 for t >= 0, as 2^(P(t) - 1): P is a minimax fit,
 * weighted by the tail, for t up to 6.5; beyond (the tail is below 4e-11) it falls too fast. Error < 1e-7, of
 * t * tail < 7e-8.
 */
// @ts-ignore: decorator
@inline
export function normalTail(t: v128): v128 {
  t = f32x4.pmin(t, f32x4.splat(14))
  const t2 = f32x4.mul(t, t), t4 = f32x4.mul(t2, t2)
  const a = madd(
    step(f32x4.splat(-5.250802264e-2), t, -4.592001736e-1), t2, step(f32x4.splat(-1.151106357), t, -1),
  )
  const b = madd(
    step(f32x4.splat(6.276731438e-5), t, -2.348254347e-4), t2,
    step(f32x4.splat(-8.857286593e-5), t, 7.050282322e-3),
  )
  const c = madd(f32x4.splat(-1.908980884e-8), t2, step(f32x4.splat(6.185470056e-7), t, -8.501789125e-6))
  const p = f32x4.pmax(madd(madd(c, t4, b), t4, a), f32x4.splat(-150))
  const shifted = f32x4.add(p, f32x4.splat(ROUND + 64))
  const r = f32x4.mul(
    f32x4.sub(p, f32x4.sub(shifted, f32x4.splat(ROUND + 64))), f32x4.splat(0.693147180559945),
  )
  return f32x4.mul(raise(expRest(r), shifted), f32x4.splat(LOWER))
}

/** 1 - erfc|x| with the sign of x; for |x| < 0.92 a polynomial (N. Juffa, "erff", minimax). Error < 2.4 u. */
// @ts-ignore: decorator
@inline
export function erf(x: v128): v128 {
  const size = f32x4.abs(x), z = f32x4.mul(x, x)
  let p = step(f32x4.splat(-5.96761703e-4), z, 4.99119423e-3)
  p = step(p, z, -2.67681349e-2)
  p = step(p, z, 1.12819925e-1)
  p = step(p, z, -3.76125336e-1)
  p = step(p, z, 1.28379166e-1)
  const tail = normalTail(f32x4.mul(size, f32x4.splat(1.41421356237)))
  const large = withSign(step(tail, f32x4.splat(-2), 1), x)
  return v128.bitselect(madd(p, x, x), large, f32x4.lt(size, f32x4.splat(0.92)))
}

/**
 * Two of x less whole quarters of a turn, and their number beside it, as f64: pi / 2 = 1.5707963267341256 +
 * 6.077100506506192e-11 and 2^-75 more.
 */
// @ts-ignore: decorator
@inline
function pastQuarters(x: v128, quarters: v128): v128 {
  return f64x2.sub(
    f64x2.sub(x, f64x2.mul(quarters, f64x2.splat(1.5707963267341256))),
    f64x2.mul(quarters, f64x2.splat(6.077100506506192e-11)),
  )
}

// @ts-ignore: decorator
@inline
function quartersOf(x: v128): v128 {
  return f64x2.nearest(f64x2.mul(x, f64x2.splat(0.6366197723675814)))
}

/** From here on x is reduced by all the bits of 2 / pi that it needs. */
const LARGE_ANGLE: f32 = 1048576 // 2^20

/** 1 / (2 pi) to 190 bits, behind 32 zeros. */
const TURNS = memory.data<u32>([0, 0x28be60db, 0x9391054a, 0x7f09d5f4, 0x7d4d3770, 0x36d8a566, 0x4f10e410, 0])

/**
 * x / (2 pi) less whole turns, times 2^64, of a finite |x| >= 1, by its bits: its 24 digits times those 96
 * bits of 1 / (2 pi) that are not whole turns. (Payne & Hanek, "Radian reduction for trigonometric
 * functions", 1983)
 */
function partOfTurn(bits: u32): u64 {
  const exponent = <i32>((bits >> 23) & 0xff) - 126
  const digits = <u64>(bits << 8 | 0x80000000)
  const word = TURNS + (<usize>(exponent >> 5) << 2), shift: u64 = exponent & 31
  const high = (<u64>load<u32>(word) << 32 | load<u32>(word, 4)) << shift >> 32
  const middle = (<u64>load<u32>(word, 4) << 32 | load<u32>(word, 8)) << shift >> 32
  const low = (<u64>load<u32>(word, 8) << 32 | load<u32>(word, 12)) << shift >> 32
  return (digits * high << 32) + digits * middle + (digits * low >> 32)
}

/** The whole quarter of a turn that is nearest to a part of a turn: 0 to 4. */
// @ts-ignore: decorator
@inline
function nearestQuarter(part: u64): i32 {
  return <i32>((part >> 61) + 1 >> 1)
}

/** x less whole quarters of a turn, of one large lane; NaN where x is infinite or NaN. */
function restOfLarge(x: f32): f32 {
  const bits = reinterpret<u32>(x)
  if ((bits & 0x7f800000) == 0x7f800000) return NaN
  const part = partOfTurn(bits)
  // pi / 2 * 2^-62
  const rest = <f32>(<f64><i64>(part - (<u64>nearestQuarter(part) << 62)) * 3.4061215800304237e-19)
  return x < 0 ? -rest : rest
}

function quartersOfLarge(x: f32): i32 {
  const quarters = nearestQuarter(partOfTurn(reinterpret<u32>(x)))
  return x < 0 ? -quarters : quarters
}

// @ts-ignore: decorator
@inline
function isLarge(x: f32): bool {
  return !(abs(x) < LARGE_ANGLE)
}

/** What x leaves: r, but where it is large. */
function restOf(x: f32, r: f32): f32 {
  return isLarge(x) ? restOfLarge(x) : r
}

/** The same of the number of quarters. */
function wholeQuarters(x: f32, quarters: i32): i32 {
  return isLarge(x) ? quartersOfLarge(x) : quarters
}

// @ts-ignore: decorator
@inline
function restsOf(x: v128, r: v128): v128 {
  const r0 = restOf(f32x4.extract_lane(x, 0), f32x4.extract_lane(r, 0))
  const r1 = restOf(f32x4.extract_lane(x, 1), f32x4.extract_lane(r, 1))
  const r2 = restOf(f32x4.extract_lane(x, 2), f32x4.extract_lane(r, 2))
  const r3 = restOf(f32x4.extract_lane(x, 3), f32x4.extract_lane(r, 3))
  return f32x4.replace_lane(f32x4.replace_lane(f32x4.replace_lane(f32x4.splat(r0), 1, r1), 2, r2), 3, r3)
}

// @ts-ignore: decorator
@inline
function wholesOf(x: v128, q: v128): v128 {
  const q0 = wholeQuarters(f32x4.extract_lane(x, 0), i32x4.extract_lane(q, 0))
  const q1 = wholeQuarters(f32x4.extract_lane(x, 1), i32x4.extract_lane(q, 1))
  const q2 = wholeQuarters(f32x4.extract_lane(x, 2), i32x4.extract_lane(q, 2))
  const q3 = wholeQuarters(f32x4.extract_lane(x, 3), i32x4.extract_lane(q, 3))
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(q0), 1, q1), 2, q2), 3, q3)
}

/**
 * sin(x + a pi / 2) for whole a: Cephes, sinf and cosf, of what whole quarters of a turn leave. Error < 1.6 u
 * and 1e-9; an infinite x gives NaN.
 */
// @ts-ignore: decorator
@inline
export function sine(x: v128, a: v128): v128 {
  const low = lowHalf(x), high = highHalf(x)
  const lowQuarters = quartersOf(low), highQuarters = quartersOf(high)
  let r = v128.shuffle<f32>(
    f32x4.demote_f64x2_zero(pastQuarters(low, lowQuarters)),
    f32x4.demote_f64x2_zero(pastQuarters(high, highQuarters)), 0, 1, 4, 5)
  let quarters = v128.shuffle<i32>(
    i32x4.trunc_sat_f64x2_s_zero(lowQuarters), i32x4.trunc_sat_f64x2_s_zero(highQuarters), 0, 1, 4, 5,
  )
  if (!i32x4.all_true(f32x4.lt(f32x4.abs(x), f32x4.splat(LARGE_ANGLE)))) {
    r = restsOf(x, r)
    quarters = wholesOf(x, quarters)
  }
  quarters = i32x4.add(quarters, i32x4.trunc_sat_f32x4_s(a))
  const z = f32x4.mul(r, r)
  const odd = step(step(f32x4.splat(-1.9515295891e-4), z, 8.3321608736e-3), z, -1.6666654611e-1)
  const even = step(
    step(f32x4.splat(2.443315711809948e-5), z, -1.388731625493765e-3), z, 4.166664568298827e-2,
  )
  const sin = madd(f32x4.mul(odd, z), r, r)
  const cos = madd(even, f32x4.mul(z, z), step(z, f32x4.splat(-0.5), 1))
  const y = v128.bitselect(cos, sin, i32x4.shr_s(i32x4.shl(quarters, 31), 31))
  return v128.xor(y, v128.and(i32x4.shl(quarters, 30), i32x4.splat(0x80000000)))
}

/** exp(x) - 1: near 0 without the cancellation, else from exp. Error < 2.5 u. */
// @ts-ignore: decorator
@inline
export function expm1(x: v128): v128 {
  const near = expm1Within(clamp(x, f32x4.splat(-25), f32x4.splat(25)))
  const y = v128.bitselect(f32x4.sub(exp(x), f32x4.splat(1)), near, f32x4.gt(x, f32x4.splat(25)))
  return v128.bitselect(x, y, f32x4.eq(x, f32x4.splat(0)))
}

/**
 * log(1 + x) = log(u) x / (u - 1), u = 1 + x rounded (W. Kahan; HP-15C Advanced Functions Handbook): what
 * rounding took from u cancels. Error < 3.5 u.
 */
// @ts-ignore: decorator
@inline
export function log1p(x: v128): v128 {
  const one = f32x4.splat(1)
  const u = f32x4.add(x, one), d = f32x4.sub(u, one)
  const y = f32x4.mul(log(u), f32x4.div(x, d))
  // u = 1: x itself; infinity: itself.
  return v128.bitselect(x, y, v128.or(f32x4.eq(d, f32x4.splat(0)), f32x4.eq(x, f32x4.splat(Infinity))))
}

/** |v| with the sign of x. */
// @ts-ignore: decorator
@inline
function withSign(v: v128, x: v128): v128 {
  return v128.bitselect(x, v, i32x4.splat(0x80000000))
}
