/**
 * Work that takes turns with others of its thread: events, timers, frames. The clock belongs to the thread,
 * not to a run, so that a loop of short runs, too, lets the others have their turn.
 */

/** Milliseconds; where the host has no clock of its own, those of the date. */
export const now = (): number => globalThis.performance?.now() ?? Date.now()

/** Milliseconds that work goes on for before it lets the others have their turn. */
export const TURN = 12

/**
 * Work in steps: between two of them, where nothing is given, others may have their turn. What it returns is
 * its result.
 */
export type Steps<T> = Generator<undefined, T>

/** Things that are gone through between two looks at the clock. */
const FEW = 256

/** The same things one by one, with a step after every few of them. */
export function* fewByFew<T>(things: readonly T[], each: (thing: T, i: number) => void): Steps<void> {
  for (let i = 0; i < things.length; i++) {
    each(things[i]!, i)
    if (i % FEW === FEW - 1) yield
  }
}

/** Numbers that are worked out between two looks at the clock, where each takes some nanoseconds. */
export const SLICE = 1 << 14

/**
 * Work on so many numbers, slice by slice: `each` is told where one begins and ends. A slice has fewer where
 * each takes the time of `cost` of them.
 */
export function* bySlices(count: number, each: (begin: number, end: number) => void, cost = 1): Steps<void> {
  const length = Math.max(1, Math.floor(SLICE / cost))
  for (let begin = 0; begin < count; begin += length) {
    if (begin) yield
    each(begin, Math.min(count, begin + length))
  }
}

/** What steps lead to, without a turn for others. */
export function atOnce<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value as T
  }
}

/**
 * What steps lead to, in turns with others; after a turn `check` may throw, which ends them.
 *
 * @param within runs each step
 */
export async function inTurns<T>(
  steps: Generator<unknown, T>,
  check: () => void = () => {},
  within: <R>(step: () => R) => R = (step) => step(),
): Promise<T> {
  let ended = false
  try {
    for (;;) {
      const { done = false, value } = within(() => steps.next())
      ended = done
      if (done) return value as T
      if (!othersWaitedFor(TURN)) continue
      await giveTurn()
      check()
    }
  } finally {
    // Of what threw by itself nothing is left to end.
    if (!ended) within(() => steps.return(undefined as T))
  }
}

/** When the others last had a turn. */
let last = Number.NEGATIVE_INFINITY

/** Whether the others have waited for `milliseconds`. */
export const othersWaitedFor = (milliseconds: number): boolean => now() - last > milliseconds

/** Lets the others have their turn. */
export async function giveTurn(): Promise<void> {
  await nextTask()
  last = now()
}

/**
 * Lets the others have their turn where they have waited for `milliseconds`, and afterwards throws a signal's
 * reason.
 */
export async function shareTurns(milliseconds: number, signal?: AbortSignal): Promise<void> {
  if (othersWaitedFor(milliseconds)) await giveTurn()
  signal?.throwIfAborted()
}

/**
 * A new task. Browsers hold setTimeout back for 4 ms once it follows itself; a message comes at once, in
 * turns with timers and frames. In Node a message port would keep the process alive. An AudioWorklet has none
 * of them, and nothing that waits.
 */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else if (typeof MessageChannel === 'function') {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = () => {
        port1.close()
        resolve()
      }
      port2.postMessage(null)
    } else if (typeof setTimeout === 'function') setTimeout(resolve)
    else resolve()
  })
}
