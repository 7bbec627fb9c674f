/**
 * The loop of a worker thread: sleep until the sequence number changes, join the open job, work, sleep again.
 * tools/build.mjs bundles this file into a string (workerSource.ts), so that no bundler can lose it.
 */
import { Control, type Start, work } from './job.js'
import type { Exports } from './kernels.js'

function start({ module, memory, control, thread, kernels }: Start, ready: () => void): void {
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports
  exports.bind(control, thread)
  const words = new Int32Array(memory.buffer, control)
  let seen = 0
  Atomics.add(words, Control.joined, 1)
  ready()
  for (;;) {
    // A job often follows the last one within microseconds: look for a while before going to sleep, from
    // which waking takes 40 us.
    for (let spin = 0; spin < 20_000 && Atomics.load(words, Control.sequence) === seen; spin++);
    Atomics.add(words, Control.sleepers, 1)
    Atomics.wait(words, Control.sequence, seen)
    Atomics.sub(words, Control.sleepers, 1)
    seen = Atomics.load(words, Control.sequence)
    Atomics.add(words, Control.active, 1)
    try {
      if (Atomics.load(words, Control.open)) work(words, thread, exports[kernels[words[Control.kernel]!]!])
    } catch (error) {
      Atomics.store(words, Control.failed, 1)
      throw error
    } finally {
      Atomics.sub(words, Control.active, 1)
    }
  }
}

// Node before 20.16 has require alone.
const { process, require } = globalThis as { process?: NodeJS.Process; require?: NodeJS.Require }
const node: typeof import('node:worker_threads') | undefined = (
  process?.getBuiltinModule ?? (process?.versions?.node ? require : undefined)
)?.('node:worker_threads')
const port = node?.parentPort
if (port) port.once('message', (message: Start) => start(message, () => port.postMessage('ready')))
else
  globalThis.onmessage = ({ data }: MessageEvent<Start>) => start(data, () => globalThis.postMessage('ready'))
