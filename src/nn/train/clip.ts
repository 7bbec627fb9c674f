/** Gradients of a bounded length. */
import { check, show } from '../../base/errors.js'
import { engineOf } from '../../core/engine.js'
import { checkNumber } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../../ops/arithmetic.js'
import { max, min, sum } from '../../ops/reduce.js'

/** Sums of squares between these have lost nothing that shows to the ends of float32's range. */
const LEAST_SQUARES = 2 ** -80
const MOST_SQUARES = 2 ** 126

/**
 * Shortens all gradients together to a length of at most `maximum`, in place. Where one is infinite or NaN so
 * is the length, and they stay as they are.
 *
 * @returns the length that they had: the root of the sum of all squares
 * @example clipByGlobalNorm(gradients, 1)
 */
export function clipByGlobalNorm(gradients: readonly Tensor[], maximum: number): number {
  const op = 'clipByGlobalNorm'
  checkNumber(maximum, 'maximum', (v) => v > 0, 'a positive number', { op })
  check(Array.isArray(gradients), () => ({
    op,
    argument: 'gradients',
    expected: 'an array of tensors',
    got: show(gradients),
  }))
  const engine = engineOf(
    op,
    Object.fromEntries(gradients.map((gradient, i) => [`gradients[${i}]`, gradient])),
  )
  const squares = (scale: number) =>
    gradients.reduce(
      (total, gradient) => total + engine.scope(() => sumOfSquares(gradient, scale).toArray()[0]!),
      0,
    )
  let total = squares(1)
  let unit = 1
  if (!(total > LEAST_SQUARES && total < MOST_SQUARES)) {
    const largest = gradients.reduce(
      (size, gradient) =>
        Math.max(
          size,
          engine.scope(() => largestOf(gradient)),
        ),
      0,
    )
    if (!Number.isFinite(largest) || largest === 0) return largest
    // A power of two, by which float32 multiplies without an error.
    unit = 2 ** Math.max(-126, Math.floor(Math.log2(largest)))
    total = squares(1 / unit)
  }
  const norm = unit * Math.sqrt(total)
  if (norm > maximum) {
    // In two factors: one alone may lie among the numbers of float32 that have few digits.
    for (const gradient of gradients) {
      if (unit !== 1) mul(gradient, 1 / unit, { out: gradient })
      mul(gradient, maximum / Math.sqrt(total), { out: gradient })
    }
  }
  return norm
}

function sumOfSquares(x: Tensor, scale: number): Tensor {
  const scaled = scale === 1 ? x : mul(x, scale)
  return sum(mul(scaled, scaled))
}

/** The largest size of an element; NaN where there is one. */
function largestOf(x: Tensor): number {
  return x.size ? Math.max(max(x).toArray()[0]!, -min(x).toArray()[0]!) : 0
}
