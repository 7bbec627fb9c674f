/**
 * What the threads of an engine share: the words of its control block, and how a job's units are handed out.
 */
import type { Kernel } from './kernels.js'

/** Words of the control block; the first three are read by the kernels (assembly/arguments.ts). */
export enum Control {
  scratch,
  scratchStride,
  /** Which register tile: 1 for that of assembly/dense/rolled.ts. */
  tile,
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
  /** Parts that the units fall into: one for each thread. */
  parts,
  /** The next unit to take of each part, in a cache line of its own. */
  next = 32,
}

/** Words of a cache line. */
const LINE = 16

export const controlWords = (threads: number): number => Control.next + threads * LINE

/** The first unit of a part. */
const firstOf = (words: Int32Array, part: number): number =>
  Math.floor((part * words[Control.units]!) / words[Control.parts]!)

/** Makes the units of a job ready to be taken. */
export function distribute(words: Int32Array): void {
  for (let part = 0; part < words[Control.parts]!; part++)
    Atomics.store(words, Control.next + part * LINE, firstOf(words, part))
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
 * Takes units of the open job and runs them until none is left: first those of the thread's own part, so that
 * it finds in its cache what it wrote in the job before, then what others have left. It takes half of what is
 * left each time, so that few crossings into the kernel are made and all threads end together (guided
 * self-scheduling, Polychronopoulos and Kuck, 1987; affinity scheduling, Markatos and LeBlanc, 1994).
 */
export function work(
  words: Int32Array,
  thread: number,
  kernel: (call: number, begin: number, end: number) => void,
): void {
  const call = words[Control.call]!
  const parts = words[Control.parts]!
  for (let i = 0; i < parts; i++) {
    const part = (thread + i) % parts
    const next = Control.next + part * LINE
    const last = firstOf(words, part + 1)
    let begin = Atomics.load(words, next)
    while (begin < last) {
      const end = begin + Math.ceil((last - begin) / 2)
      const seen = Atomics.compareExchange(words, next, begin, end)
      if (seen === begin) kernel(call, begin, end)
      begin = seen === begin ? Atomics.load(words, next) : seen
    }
  }
}
