/** Reading an argument block (its layout is calls.ts), and this thread's scratch memory. */

// @ts-ignore: decorator
@inline
export function word(call: usize, index: i32): i32 {
  return load<i32>(call + (<usize>index << 2))
}

// @ts-ignore: decorator
@inline
export function address(call: usize, index: i32): usize {
  return load<u32>(call + (<usize>index << 2))
}

// @ts-ignore: decorator
@inline
export function float(call: usize, index: i32): f32 {
  return load<f32>(call + (<usize>index << 2))
}

// @ts-ignore: decorator
@inline
export function splat(call: usize, index: i32): v128 {
  return v128.load32_splat(call + (<usize>index << 2))
}

// Globals belong to an instance, and every thread has its own.
let control: usize = 0
let thread: usize = 0

/** Tells this instance where the engine keeps its control words (scratch address, scratch stride) and which thread it is. */
export function bind(controlWords: usize, threadIndex: usize): void {
  control = controlWords
  thread = threadIndex
}

/** This thread's scratch memory, as large as the op's plan asked for; its contents are undefined when a kernel starts. */
// @ts-ignore: decorator
@inline
export function scratch(): usize {
  return load<u32>(control) + thread * load<u32>(control, 4)
}

/** Where the memory that belongs to the engine starts: behind this module's constants. */
export function heapBase(): usize {
  return __heap_base
}
