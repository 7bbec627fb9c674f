/** Turns for others: long work asks between two of its steps whether it is time to let events, timers and drawing have theirs. */

/** When others last had a turn: one clock for all work of this realm, so that many short runs in a row yield as often as one long one. */
let lastTurn = Number.NEGATIVE_INFINITY

/** Milliseconds from some start. */
const now = (): number => (globalThis.performance ?? Date).now()

let channel: MessageChannel | undefined
const waiting: (() => void)[] = []

/**
 * A task of the host's own, behind those that wait already: `setImmediate` (Node, Deno, Bun), a message to oneself (pages and workers, where timers are held
 * back by 4 ms), a timer. `scheduler.yield` would go on ahead of timers. A host with none of them, such as an AudioWorklet, has nobody to wait for.
 */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else if (typeof MessageChannel === 'function') {
      if (!channel) {
        channel = new MessageChannel()
        channel.port1.onmessage = () => waiting.shift()?.()
      }
      waiting.push(resolve)
      channel.port2.postMessage(0)
    } else if (typeof setTimeout === 'function') setTimeout(resolve)
    else resolve()
  })
}

/** Waits for others to have their turn, where the last one is more than `budget` milliseconds ago; else goes on at once. */
export async function giveTurn(budget: number): Promise<void> {
  if (now() - lastTurn <= budget) return
  await nextTask()
  lastTurn = now()
}
