import { check, show } from '../base/errors.js'
import { isInteger } from '../core/options.js'
import type { Context } from '../core/window.js'

/** `axis` counted from the front: -1 is the last of `rank`. Throws where there is no such axis. */
export function axisOf(axis: unknown, rank: number, context: Context, argument = 'axis'): number {
  check(isInteger(axis, -rank, rank - 1), () => ({
    ...context,
    argument,
    expected: `an axis of x: an integer from ${-rank} to ${rank - 1}`,
    got: show(axis),
  }))
  return axis < 0 ? axis + rank : axis
}
