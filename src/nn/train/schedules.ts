/** Learning rates that change: the rate of step 0, 1, 2, ... */
import { check, show } from '../../core/errors.js'
import { checkInteger, checkNumber, checkOptions, MOST, type Names } from '../../core/options.js'

export type Schedule = (step: number) => number

type StepDecayOptions = { every: number; factor?: number }
type CosineOptions = { steps: number; last?: number }
type WarmUpOptions = { steps: number }

const STEP_DECAY: Names<StepDecayOptions> = { every: true, factor: true }
const COSINE: Names<CosineOptions> = { steps: true, last: true }
const WARM_UP: Names<WarmUpOptions> = { steps: true }

/** Throws where one of these is no finite number. */
function checkNumbers(op: string, numbers: Record<string, unknown>): void {
  for (const [argument, value] of Object.entries(numbers))
    checkNumber(value, argument, Number.isFinite, 'a finite number', { op })
}

/** The same rate always. */
export function constant(rate: number): Schedule {
  checkNumbers('constant', { rate })
  return () => rate
}

/**
 * `rate`, times `factor` (0.1) after every `every` steps.
 * @throws FilterbankError where `every` is no integer of at least 1
 */
export function stepDecay(rate: number, options: StepDecayOptions): Schedule {
  checkOptions('stepDecay', options, STEP_DECAY)
  const { every, factor = 0.1 } = options
  checkNumbers('stepDecay', { rate, factor })
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
  checkNumbers('cosine', { rate, last })
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
