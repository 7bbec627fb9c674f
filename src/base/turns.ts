/**
 * Work that takes turns with others of its thread: events, timers, frames. The clock belongs to the thread,
 * not to a run, so that a loop of short runs, too, lets the others have their turn.
 */

/** Milliseconds; where the host has no clock of its own, those of the date. */
export const now = (): number => globalThis.performance?.now() ?? Date.now()

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
