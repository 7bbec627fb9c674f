/** Elementary functions in float64, and how far a float32 is from them. */

/**
 * erf(x) = 2 / sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)): all terms of one sign.
 * (Abramowitz & Stegun 7.1.6)
 */
export function erf(x: number): number {
  if (Math.abs(x) > 2.5) return Math.sign(x) * (1 - erfc(Math.abs(x)))
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/**
 * 1 - erf(x) for x >= 0; beyond 2.5 the continued fraction exp(-x^2) / sqrt(pi) / (x + (1/2) / (x + 1 / (x +
 * (3/2) / (x + ...)))). (7.1.14)
 */
export function erfc(x: number): number {
  if (x <= 2.5) return 1 - erf(x)
  let fraction = x
  for (let n = 60; n > 0; n--) fraction = x + n / 2 / fraction
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction
}

/** P(X <= x) of a normally distributed X. */
export const normal = (x: number): number =>
  x < 0 ? erfc(-x / Math.SQRT2) / 2 : 1 - erfc(x / Math.SQRT2) / 2

export const sigmoid = (x: number): number =>
  x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))

export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

/** tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2), e = exp(x) */
export function tanhSoftplus(x: number): number {
  const w = Math.exp(Math.min(x, 40)) * (Math.exp(Math.min(x, 40)) + 2)
  return w / (w + 2)
}

const FLOAT = new Float32Array(1)
const BITS = new Uint32Array(FLOAT.buffer)

export function floatOfBits(bits: number): number {
  BITS[0] = bits
  return FLOAT[0]!
}

/** The distance between neighbouring float32 numbers at v. */
export function unitOf(v: number): number {
  return 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(v)))) - 23)
}

const OVERFLOW = 2 ** 128 - 2 ** 103

/**
 * |actual - wanted| in units of the float32 at `wanted`; 0 where both are NaN, or where `wanted` rounds to
 * the Infinity that came.
 */
export function errorInUnits(actual: number, wanted: number): number {
  if (Number.isNaN(wanted) || Number.isNaN(actual))
    return Number.isNaN(wanted) && Number.isNaN(actual) ? 0 : Number.POSITIVE_INFINITY
  if (actual === wanted) return 0
  if (!Number.isFinite(actual))
    return Math.abs(wanted) >= OVERFLOW * (1 - 2 ** -22) && Math.sign(actual) === Math.sign(wanted)
      ? 0
      : Number.POSITIVE_INFINITY
  return Math.abs(actual - wanted) / unitOf(Math.abs(wanted) >= OVERFLOW ? OVERFLOW : wanted)
}
