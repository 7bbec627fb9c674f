/**
 * The argument block of every kernel, as a class of 32-bit fields: AssemblyScript reads it, and TypeScript
 * writes it through what tools/abi.mjs makes of these files. `@rows Row name` in the doc of a class says that
 * rows of that class follow the block.
 *
 * Addresses are bytes from the start of memory; counts are elements; names ending in Stride are bytes.
 * Letters: n batch, ih iw ic input, oh ow oc output, kh kw window.
 */
export * from './convolution'
export * from './window'
export * from './image'
export * from './elementwise'
export * from './bytes'
export * from './rows'
export * from './move'
export * from './sequence'
export * from './long'

/**
 * Bytes ahead of each thread's scratch memory in which a kernel writes down what its inner functions are
 * asked.
 */
export const FRAME_BYTES = 128
