import { check, show } from '../base/errors.js'
import { isName } from '../core/options.js'
import type { Context } from '../core/window.js'

const modulo = (i: number, period: number): number => ((i % period) + period) % period

/**
 * How an image `abcd` goes on beyond its edges: `'zero'` 000|abcd|000, `'replicate'` aaa|abcd|ddd,
 * `'reflect'` cba|abcd|dcb, `'reflect101'` dcb|abcd|cba, `'wrap'` bcd|abcd|abc. Windows larger than the image
 * see it repeated so.
 */
export type Border = 'zero' | 'replicate' | 'reflect' | 'reflect101' | 'wrap'

/**
 * Which of `size` elements stands at position i, before the first and beyond the last too, however far; -1: a
 * zero.
 */
const rules: Record<Border, (i: number, size: number) => number> = {
  zero: (i: number, size: number) => (i < 0 || i >= size ? -1 : i),
  replicate: (i: number, size: number) => Math.min(Math.max(i, 0), size - 1),
  reflect: (i: number, size: number) => {
    const at = modulo(i, 2 * size)
    return Math.min(at, 2 * size - 1 - at)
  },
  reflect101: (i: number, size: number) => {
    const at = modulo(i, Math.max(1, 2 * size - 2))
    return Math.min(at, 2 * size - 2 - at)
  },
  wrap: modulo,
}

/** The rule of a border: (position, size) -> element, or -1 for a zero. @internal */
export function borderRule(border: Border, context: Context): (i: number, size: number) => number {
  check(isName(border, rules), () => ({
    ...context,
    argument: 'border',
    expected: `one of ${Object.keys(rules).join(', ')}`,
    got: show(border),
  }))
  return rules[border]
}
