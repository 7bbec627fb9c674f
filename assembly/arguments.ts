/** This thread's scratch memory, and where the engine's own memory starts. */
import { FRAME_BYTES } from './abi'

// Globals belong to an instance, and every thread has its own.
let control: usize = 0
let thread: usize = 0

/**
 * Tells this instance where the engine keeps its control words (scratch address, scratch stride, tile) and
 * which thread it is.
 */
export function bind(controlWords: usize, threadIndex: usize): void {
  control = controlWords
  thread = threadIndex
}

/**
 * FRAME_BYTES of this thread, where a kernel writes down what its inner functions are asked: blocks of
 * fields, as argument blocks are, in place of long lists of parameters.
 */
// @ts-ignore: decorator
@inline
export function frame(): usize {
  return load<u32>(control) + thread * load<u32>(control, 4)
}

/**
 * This thread's scratch memory, as large as the op's plan asked for; its contents are undefined when a kernel
 * starts.
 */
// @ts-ignore: decorator
@inline
export function scratch(): usize {
  return frame() + FRAME_BYTES
}

/** Which register tile the engine chose: whether that of dense/rolled.ts. */
// @ts-ignore: decorator
@inline
export function rolled(): bool {
  return load<u32>(control, 8) != 0
}

/** Where the memory that belongs to the engine starts: behind this module's constants. */
export function heapBase(): usize {
  return __heap_base
}
