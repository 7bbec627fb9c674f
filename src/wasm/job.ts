/** What the threads of an engine share: the words of its control block, and how a job's units are handed out. */
import type { Kernel } from './kernels.js'

/** Words of the control block; the first two are read by the kernels (assembly/arguments.ts). */
export enum Control {
  scratch,
  scratchStride,
  /** Workers that have started. */
  joined,
  /** Raised with each job: what workers wait on. */
  sequence,
  /** Workers asleep. */
  sleepers,
  /** Workers that look at the job. While one does, the job's words do not change. */
  active,
  /** 1 while units may be taken. */
  open,
  /** 1 after a worker failed. */
  failed,
  kernel,
  call,
  units,
  /** Units taken at a time. */
  grain,
  /** The next unit to take, in a cache line of its own. */
  next = 32,
  length = 48,
}

/** First message to a worker. */
export interface Start {
  module: WebAssembly.Module
  memory: WebAssembly.Memory
  /** Address of the control block. */
  control: number
  thread: number
  kernels: readonly Kernel[]
}

/** Takes units of the open job and runs them until none is left. */
export function work(words: Int32Array, kernel: (call: number, begin: number, end: number) => void): void {
  const call = words[Control.call]!
  const units = words[Control.units]!
  const grain = words[Control.grain]!
  for (;;) {
    const begin = Atomics.add(words, Control.next, grain)
    if (begin >= units) return
    kernel(call, begin, Math.min(units, begin + grain))
  }
}
