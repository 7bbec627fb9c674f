import { check, show } from '../errors.js'
import type { Context } from '../window.js'

/** `axis` counted from the front: -1 is the last of `rank`. Throws where there is no such axis. */
export function axisOf(axis: unknown, rank: number, context: Context, argument = 'axis'): number {
  check(Number.isInteger(axis) && (axis as number) >= -rank && (axis as number) < rank, () => ({
    ...context,
    argument,
    expected: `an axis of x: an integer from ${-rank} to ${rank - 1}`,
    got: show(axis),
  }))
  return (axis as number) < 0 ? (axis as number) + rank : (axis as number)
}
