/** What the binary exports (assembly/index.ts); tests/wasm/kernels.test.ts holds the two together. */

/** Name of a kernel: (call, begin, end) over the units of an argument block. */
export const kernelNames = [
  'avgPool',
  'avgPoolGradient',
  'binary',
  'cast',
  'copy',
  'depthwise',
  'depthwiseFilterGradient',
  'depthwiseInputGradient',
  'dropout',
  'filterBox',
  'filterBytes',
  'filterGradient',
  'filterWindow',
  'fromBytes',
  'gather',
  'gradientMagnitude',
  'grouped',
  'igemm',
  'maxPool',
  'maxPoolGradient',
  'median',
  'normalRows',
  'normalSums',
  'normalise',
  'normaliseGradient',
  'pack',
  'reduce',
  'resizeBilinear',
  'resizeGradient',
  'resizeNearest',
  'scaleShift',
  'scan',
  'scatter',
  'scatterAdd',
  'select',
  'softmax',
  'toBytes',
  'unary',
  'unaryBackward',
  'unpack',
  'update',
  'winograd',
  'winogradFilter',
] as const
export type Kernel = (typeof kernelNames)[number]

export type Exports = Record<Kernel, (call: number, begin: number, end: number) => void> & {
  heapBase(): number
  /** Rows of the register tile of this build. */
  tileRows: WebAssembly.Global
  /** 1 in the relaxed build. */
  fused: WebAssembly.Global
  bind(control: number, thread: number): void
}
