/** Learning rates that change: the rate of step 0, 1, 2, ... */
import { check, show } from '../../base/errors.js'
import { checkEach, checkInteger, checkOptions, MOST, type Names } from '../../core/options.js'

/** The learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number

/** How `stepDecay` falls. */
export interface StepDecayOptions {
  /** Steps of the same rate. */
  every: number
  /** What the rate is multiplied by after them. Default 0.1. */
  factor?: number
}

/** How `cosine` falls. */
export interface CosineOptions {
  /** Steps until the last rate. */
  steps: number
  /** That rate. Default 0. */
  last?: number
}

/** How `warmUp` rises. */
export interface WarmUpOptions {
  /** Steps until the whole rate. */
  steps: number
}

const STEP_DECAY: Names<StepDecayOptions> = { every: true, factor: true }
const COSINE: Names<CosineOptions> = { steps: true, last: true }
const WARM_UP: Names<WarmUpOptions> = { steps: true }

const checkFinite = (op: string, numbers: Record<string, unknown>): void =>
  checkEach(numbers, Number.isFinite, 'a finite number', { op })

/** The same rate always. */
export function constant(rate: number): Schedule {
  checkFinite('constant', { rate })
  return () => rate
}

/**
 * `rate`, times `factor` (0.1) after every `every` steps.
 * @throws FilterbankError where `every` is no integer of at least 1
 */
export function stepDecay(rate: number, options: StepDecayOptions): Schedule {
  checkOptions('stepDecay', options, STEP_DECAY)
  const { every, factor = 0.1 } = options
  checkFinite('stepDecay', { rate, factor })
  checkInteger(every, 'every', 1, MOST, { op: 'stepDecay' })
  return (step) => rate * factor ** Math.floor(step / every)
}

/**
 * From `rate` down to `last` (0) in `steps` steps along half a cosine, then `last`; in 0 steps it is `last`
 * from the start. (Loshchilov & Hutter, "SGDR", 2017)
 * @throws FilterbankError where `steps` is no integer of at least 0
 */
export function cosine(rate: number, options: CosineOptions): Schedule {
  checkOptions('cosine', options, COSINE)
  const { steps, last = 0 } = options
  checkFinite('cosine', { rate, last })
  checkInteger(steps, 'steps', 0, MOST, { op: 'cosine' })
  return (step) =>
    step >= steps ? last : last + ((rate - last) * (1 + Math.cos((Math.PI * step) / steps))) / 2
}

/**
 * Up to the rate of `schedule` in even steps, the first `steps` of them; from there `schedule` from its
 * start.
 * @throws FilterbankError where `steps` is no integer of at least 0
 */
export function warmUp(schedule: Schedule, options: WarmUpOptions): Schedule {
  checkOptions('warmUp', options, WARM_UP)
  const { steps } = options
  check(typeof schedule === 'function', () => ({
    op: 'warmUp',
    argument: 'schedule',
    expected: 'a function from step to rate',
    got: show(schedule),
  }))
  checkInteger(steps, 'steps', 0, MOST, { op: 'warmUp' })
  return (step) => (step < steps ? (schedule(0) * (step + 1)) / steps : schedule(step - steps))
}
