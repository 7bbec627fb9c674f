/** Powers and what is made of them, without an overflow between. */

import type { Tensor } from '../../core/tensor.js'
import { clamp } from '../../ops/activation.js'
import { div, mul } from '../../ops/arithmetic.js'
import { pow } from '../../ops/binary.js'
import { max, sum } from '../../ops/reduce.js'
import { abs, exp, log, sqrt } from '../../ops/unary.js'
import type { OutOptions } from '../../plans/elementwise.js'

/** Near the largest float32: neither the difference of two infinities is taken nor their quotient. */
export const MOST = 3e38

/**
 * x divided by the largest size along axes, so that no power of it overflows, nor all of them vanish; and
 * that size, never 0.
 */
export function byLargest(x: Tensor, axes: readonly number[]): { largest: Tensor; scaled: Tensor } {
  const largest = clamp(max(abs(x), { axes, keepDims: true }), { low: 2 ** -126, high: MOST })
  return { largest, scaled: div(x, largest) }
}

/** (sum of |x|^p)^(1/p) along axes, which stay with length 1. */
export function lengthAlong(x: Tensor, axes: readonly number[], p: number): Tensor {
  const { largest, scaled } = byLargest(x, axes)
  return mul(power(sum(power(abs(scaled), p), { axes, keepDims: true }), 1 / p), largest)
}

/**
 * x to the power of a number: whole ones by squares, quarters by roots too, others as exp(exponent * log(x));
 * NaN below 0.
 */
export function power(x: Tensor, exponent: number, options?: OutOptions): Tensor {
  if (exponent === 0 || !Number.isFinite(exponent)) return pow(x, exponent, options)
  if (exponent === 1) return x
  if (exponent === 0.5) return sqrt(x, options)
  if (exponent < 0 && exponent % 0.25 === 0) return div(1, power(x, -exponent, options), options)
  if (exponent === 0.25) {
    const root = sqrt(x)
    return sqrt(root, { out: root })
  }
  if (exponent % 0.5 && exponent % 0.25 === 0) {
    const root = power(x, 0.25)
    return mul(root, power(x, exponent - 0.25), { out: root })
  }
  if (exponent % 1) {
    const y = log(x, options)
    return exp(mul(y, exponent, { out: y }), { out: y })
  }
  const half = power(x, Math.floor(exponent / 2))
  const square = mul(half, half, exponent === 2 ? options : {})
  return exponent % 2 ? mul(square, x, { out: square }) : square
}
