/**
 * Linear filters on bytes in integers: weights are 16-bit integers over a power of two, sums have 32 bits.
 * (assembly/image/filter.ts, filterBytes)
 */
import type { Plan } from './plan.js'

/**
 * By how much of a level a sum may be off before it is rounded; filters that integers do not come so near to
 * run on floats.
 */
const MOST_ERROR = 1 / 16
const [WORD, SUM] = [2 ** 15 - 1, 2 ** 31]

/** Weights times 2^shift, rounded. */
interface Scaled {
  integers: number[]
  shift: number
  /** The sum of their magnitudes, and of what rounding took from them, both over 2^shift. */
  total: number
  error: number
}

/**
 * As many bits as the weights and sums of values up to `most`, of `fraction` bits behind the point, leave
 * room for.
 */
function scale(weights: readonly number[], most: number, fraction = 0): Scaled | undefined {
  for (let shift = 20; shift >= 0; shift--) {
    const unit = 2 ** shift
    const integers = weights.map((weight) => Math.round(weight * unit))
    const total = integers.reduce((sum, integer) => sum + Math.abs(integer), 0)
    if (
      integers.every((integer) => Math.abs(integer) <= WORD) &&
      total * most + 2 ** (shift + fraction) < SUM
    ) {
      return {
        integers,
        shift,
        total: total / unit,
        error: weights.reduce((sum, weight, i) => sum + Math.abs(weight - integers[i]! / unit), 0),
      }
    }
  }
  return undefined
}

/** Pairs of 16-bit integers, the first from `start` on; zeros before and behind. */
const pairs = (integers: readonly number[], start: number, count: number): number[] =>
  Array.from(
    { length: count },
    (_, i) => ((integers[start + 2 * i + 1] ?? 0) << 16) | ((integers[start + 2 * i] ?? 0) & 0xffff),
  )

/**
 * The plan for bytes: its result is the exact one, or off by less than MOST_ERROR before it is rounded.
 * Undefined where there is none. @internal
 */
export function integerPlan({
  kernel,
  size: [kh, kw],
  weights,
  across,
  blend,
  compare,
}: Plan): Plan | undefined {
  if (kernel !== 'filterWindow' || !weights || blend) return undefined
  const down = scale(weights, 255)
  if (!down) return undefined
  const turns = (kh >> 1) + 1
  const wide = across ? 1 : kw
  const columns = Array.from({ length: wide }, (_, kx) => down.integers.filter((_, i) => i % wide === kx))
  // For the upper of two output rows the window starts with a pair, for the lower in the middle of one.
  const words = [0, -1].flatMap((start) => {
    const ofColumns = columns.map((column) => pairs(column, start, turns))
    return Array.from({ length: turns * wide }, (_, i) => ofColumns[i % wide]![Math.floor(i / wide)]!)
  })
  const bounds = compare && { ...compare, offset: Math.ceil(Number((compare.offset * 255).toFixed(6))) }
  const plan: Omit<Plan, 'taps'> = {
    kernel: 'filterBytes',
    size: [kh, kw],
    planes: turns + 2,
    weights: words,
    ...(bounds && { compare: bounds }),
  }
  if (!across)
    return 255 * down.error <= MOST_ERROR ? { ...plan, taps: turns * kw, shifts: [down.shift, 0] } : undefined

  let [best, least]: [Plan | undefined, number] = [undefined, MOST_ERROR]
  for (let fraction = 0; 255 * down.total * 2 ** fraction < WORD; fraction++) {
    const along = scale(across, 255 * down.total * 2 ** fraction + 1, fraction)
    if (!along) break
    const shift = down.shift - fraction
    const rounding = down.integers.every((integer) => integer % 2 ** shift === 0) ? 0 : 2 ** -(fraction + 1)
    const error = along.total * (255 * down.error + rounding) + 255 * down.total * along.error
    if (error > least) continue
    least = error
    const count = (kw + 1) >> 1
    best = {
      ...plan,
      taps: Math.max(turns, count),
      across: pairs(along.integers, 0, count),
      shifts: [shift, along.shift + fraction],
    }
  }
  return best
}
