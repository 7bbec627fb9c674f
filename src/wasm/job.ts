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
  /** Threads that work, twice. */
  shares,
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

/**
 * Takes units of the open job and runs them until none is left. A thread takes half of its share of what is left each time, so that few crossings
 * into the kernel are made and all threads end together (guided self-scheduling, Polychronopoulos and Kuck, 1987).
 */
export function work(words: Int32Array, kernel: (call: number, begin: number, end: number) => void): void {
  const call = words[Control.call]!
  const units = words[Control.units]!
  const shares = words[Control.shares]!
  let begin = Atomics.load(words, Control.next)
  while (begin < units) {
    const end = begin + Math.ceil((units - begin) / shares)
    const seen = Atomics.compareExchange(words, Control.next, begin, end)
    if (seen === begin) kernel(call, begin, end)
    begin = seen === begin ? Atomics.load(words, Control.next) : seen
  }
}
