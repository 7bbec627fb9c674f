/** Learning rates that change: the rate of step 0, 1, 2, ... */
export type Schedule = (step: number) => number

/** The same rate always. */
export const constant = (rate: number): Schedule => () => rate // biome-ignore format: one line

/** `rate`, times `factor` after every `every` steps. */
export const stepDecay = (rate: number, { every, factor = 0.1 }: { every: number; factor?: number }): Schedule => (step) => rate * factor ** Math.floor(step / every) // biome-ignore format: one line

/** From `rate` down to `last` in `steps` steps along half a cosine, then `last`. (Loshchilov & Hutter, "SGDR", 2017) */
export const cosine =
  (rate: number, { steps, last = 0 }: { steps: number; last?: number }): Schedule =>
  (step) =>
    last + ((rate - last) * (1 + Math.cos((Math.PI * Math.min(step, steps)) / steps))) / 2

/** Up to the rate of `schedule` in even steps, the first `steps` of them; from there `schedule` from its start. */
export const warmUp = (schedule: Schedule, { steps }: { steps: number }): Schedule => (step) => (step < steps ? (schedule(0) * (step + 1)) / steps : schedule(step - steps)) // biome-ignore format: one line
