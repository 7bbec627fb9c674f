/** Learning rates that change: the rate of step 0, 1, 2, ... */
import { check, show } from '../errors.js'

export type Schedule = (step: number) => number

/** A count of steps that a schedule is given. */
function checkCount(op: string, argument: string, value: unknown, least: number): void {
  check(typeof value === 'number' && Number.isFinite(value) && value >= least, () => ({
    op,
    argument,
    expected: `a number of at least ${least}`,
    got: show(value),
  }))
}

/** The same rate always. */
export const constant = (rate: number): Schedule => () => rate // biome-ignore format: one line

/**
 * `rate`, times `factor` after every `every` steps.
 * @throws FilterbankError where `every` is no number of at least 1
 */
export function stepDecay(rate: number, { every, factor = 0.1 }: { every: number; factor?: number }): Schedule {
  checkCount('stepDecay', 'every', every, 1)
  return (step) => rate * factor ** Math.floor(step / every)
}

/**
 * From `rate` down to `last` in `steps` steps along half a cosine, then `last`; in 0 steps it is `last` from the start.
 * (Loshchilov & Hutter, "SGDR", 2017)
 * @throws FilterbankError where `steps` is no number of at least 0
 */
export function cosine(rate: number, { steps, last = 0 }: { steps: number; last?: number }): Schedule {
  checkCount('cosine', 'steps', steps, 0)
  return (step) => (step >= steps ? last : last + ((rate - last) * (1 + Math.cos((Math.PI * step) / steps))) / 2)
}

/**
 * Up to the rate of `schedule` in even steps, the first `steps` of them; from there `schedule` from its start.
 * @throws FilterbankError where `steps` is no number of at least 0
 */
export function warmUp(schedule: Schedule, { steps }: { steps: number }): Schedule {
  checkCount('warmUp', 'steps', steps, 0)
  return (step) => (step < steps ? (schedule(0) * (step + 1)) / steps : schedule(step - steps))
}
