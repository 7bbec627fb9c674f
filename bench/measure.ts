/**
 * Timing that noise on the machine cannot turn: contenders take turns, round by round, in one process, each
 * round in another order. Runs in Node and in a page.
 */

const WARM_UP_MS = 150
/**
 * A sample is as many calls as fill this time, so that the clock's steps (5 us in an isolated page) do not
 * count.
 */
const SAMPLE_MS = 2
const PEAK_SAMPLE_MS = 4

export interface Timing {
  /** Median of the samples, for one call. */
  ms: number
  /** The least of them, which other programs slow down least. */
  min: number
  /** The 10th percentile. */
  low: number
  /** The 90th. */
  high: number
}

/** What is timed; it may return a promise. */
export type Run = () => unknown

export interface MeasureOptions {
  /** Milliseconds for all samples together. Default 1000. */
  budget?: number | undefined
  /** Fewest and most rounds. Default [7, 51]. */
  rounds?: [number, number]
}

/** What a bench that measures by itself is asked. */
export interface Measured {
  simd?: 'simd128' | 'relaxed' | 'wide' | undefined
  threads?: number | undefined
  /** Beside other libraries. */
  peers?: boolean | undefined
  budget?: number | undefined
  /** Part of a name. */
  only?: string | undefined
}

/** Times every `run`: as many timings, in their order. */
export async function measure(
  runs: readonly Run[],
  { budget = 1000, rounds = [7, 51] }: MeasureOptions = {},
): Promise<Timing[]> {
  const calls: number[] = []
  let round = 0
  for (const run of runs) {
    let count = 0
    const start = performance.now()
    let elapsed = 0
    while (elapsed < WARM_UP_MS || count < 3) {
      await time(run, 1)
      count++
      elapsed = performance.now() - start
    }
    calls.push(Math.ceil((SAMPLE_MS * count) / elapsed))
    round += Math.max(SAMPLE_MS, elapsed / count)
  }
  const samples = runs.map((): number[] => [])
  const [least, most] = rounds
  for (let left = Math.min(most, Math.max(least, Math.round(budget / round))); left > 0; left--) {
    for (const i of shuffled(runs.length)) samples[i]!.push((await time(runs[i]!, calls[i]!)) / calls[i]!)
  }
  return samples.map(timing)
}

/** 0 to length - 1 in any order. A fixed one could fall into step with what else the machine does. */
function shuffled(length: number): number[] {
  const order = Array.from({ length }, (_, i) => i)
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

/** Milliseconds of `count` calls. */
async function time(run: Run, count: number): Promise<number> {
  const start = performance.now()
  for (let i = 0; i < count; i++) {
    const promise = run()
    if (promise) await promise
  }
  return performance.now() - start
}

function timing(samples: number[]): Timing {
  samples.sort((a, b) => a - b)
  const at = (share: number): number => samples[Math.round(share * (samples.length - 1))]!
  return { ms: at(0.5), min: samples[0]!, low: at(0.1), high: at(0.9) }
}

/** Who of two is faster by medians is slower by the least times: the machine changed meanwhile. */
export const drifts = (a: Timing, b: Timing): boolean => a.ms > b.ms !== a.min > b.min

/** What stands behind a ratio of two that drift. */
export const driftMark = (a: Timing | undefined, b: Timing | undefined): string =>
  a && b && drifts(a, b) ? ' (drift)' : ''

/** Most GFLOP/s of the register-resident multiply-adds of bench/peak, compiled. */
export async function measurePeak(wasm: BufferSource): Promise<number> {
  const { instance } = await WebAssembly.instantiate(wasm, { env: { abort() {} } })
  const { multiplyAdds, operations } = instance.exports as {
    multiplyAdds(turns: number, scale: number, shift: number): number
    operations: WebAssembly.Global
  }
  const turns = 100_000
  const run = () => void multiplyAdds(turns, 0.75, 0.25)
  // Of a page that is not isolated the clock has steps of 0.1 ms: a call alone may seem to take no time.
  let calls = 1
  while ((await time(run, calls)) < PEAK_SAMPLE_MS) calls *= 2
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 60; i++) best = Math.min(best, (await time(run, calls)) / calls)
  return (turns * operations.value) / best / 1e6
}

/**
 * The largest difference between two outputs, as a part of the largest number in the first; infinite where
 * sizes differ or a number is missing.
 */
export function difference(expected: ArrayLike<number>, actual: ArrayLike<number>): number {
  if (expected.length !== actual.length) return Number.POSITIVE_INFINITY
  let largest = 0
  let apart = 0
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!))
    apart = Math.max(apart, Math.abs(expected[i]! - actual[i]!))
  }
  return Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart / (largest || 1)
}

export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
