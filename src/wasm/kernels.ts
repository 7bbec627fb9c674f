/**
 * What the binary exports (assembly/index.ts), and what each kernel takes; tests/wasm/kernels.test.ts holds
 * the two together.
 */
import * as abi from './abi.js'

/** The argument block of each kernel. */
export const blocks = {
  addColumns: abi.Columns,
  attention: abi.Attention,
  attentionGradient: abi.AttentionGradient,
  avgPool: abi.Pool,
  avgPoolGradient: abi.PoolGradient,
  bilateral: abi.Filter,
  binary: abi.Binary,
  binaryBytes: abi.BinaryBytes,
  binaryInts: abi.Binary,
  binaryLanes: abi.Binary,
  binaryLong: abi.LongBinary,
  cast: abi.Cast,
  castLong: abi.LongCast,
  compare: abi.Binary,
  convertColour: abi.Filter,
  coordinates: abi.Coordinates,
  copy: abi.Copy,
  cropBoxes: abi.CropBoxes,
  depthwise: abi.Depthwise,
  depthwiseFilterGradient: abi.DepthwiseGradient,
  depthwiseInputGradient: abi.DepthwiseGradient,
  depthwiseRows8: abi.Igemm8,
  dequantize: abi.Quantize,
  dropout: abi.Dropout,
  filterBox: abi.Filter,
  filterBytes: abi.Filter,
  filterGradient: abi.FilterGradient,
  filterWindow: abi.Filter,
  fold: abi.Reduce,
  fromBytes: abi.FromBytes,
  gather: abi.Gather,
  gatherElements: abi.Elements,
  gradientMagnitude: abi.Filter,
  gridGradient: abi.GridSample,
  gridSample: abi.GridSample,
  gridSampleGradient: abi.GridSample,
  gridTaps: abi.GridTaps,
  grouped: abi.Depthwise,
  grouped8: abi.Igemm8,
  halve: abi.Resample,
  histogram: abi.Histogram,
  igemm: abi.Igemm,
  igemm8: abi.Igemm8,
  kept: abi.Kept,
  labBytes: abi.Gray,
  lumaBytes: abi.Gray,
  mapBytes: abi.MapBytes,
  maxPool: abi.Pool,
  maxPoolGradient: abi.PoolGradient,
  maxPoolPlaces: abi.PoolPlaces,
  median: abi.Filter,
  medianBytes: abi.Filter,
  morphology: abi.Filter,
  normalRows: abi.NormalRows,
  normalSums: abi.NormalSums,
  normalise: abi.Normalise,
  normaliseGradient: abi.NormaliseGradient,
  pack: abi.Pack,
  pack8: abi.Pack8,
  packDepthwise8: abi.Pack8,
  packGrouped8: abi.Pack8,
  places: abi.Places,
  poolBytes: abi.PoolBytes,
  premultiply: abi.Alpha,
  quantize: abi.Quantize,
  quantizeTerms: abi.QuantizeTerms,
  recurrent: abi.Recurrent,
  recurrentGradient: abi.RecurrentGradient,
  reduce: abi.Reduce,
  reduceWhole: abi.WholeReduce,
  regionMax: abi.RegionMax,
  resample: abi.Resample,
  resampleNearest: abi.Resample,
  resize: abi.Resize,
  resizeBytes: abi.ResizeBytes,
  resizeGradient: abi.Resize,
  reverseRows: abi.ReverseRows,
  roiAlign: abi.RoiAlign,
  scaleShift: abi.ScaleShift,
  scan: abi.Scan,
  scanWhole: abi.WholeScan,
  scatter: abi.Gather,
  scatterAdd: abi.Gather,
  scatterElements: abi.Elements,
  scatterRows: abi.ScatterRows,
  select: abi.Select,
  selectLong: abi.LongSelect,
  sharedBits: abi.SharedBits,
  softmax: abi.Softmax,
  softmaxBytes: abi.SoftmaxBytes,
  suppress: abi.Suppress,
  thinEdges: abi.Canny,
  threshold: abi.Threshold,
  toBytes: abi.ToBytes,
  topK: abi.TopK,
  traceEdges: abi.Canny,
  unary: abi.Unary,
  unaryBackward: abi.UnaryBackward,
  unpack: abi.Unpack,
  unweigh: abi.Alpha,
  update: abi.Update,
  warpAffine: abi.Warp,
  widen: abi.Widen,
  winograd: abi.Winograd,
  winograd8: abi.Igemm8,
  winogradFilter: abi.WinogradFilter,
  winogradFilter8: abi.WinogradFilter8,
} as const

/** Name of a kernel: (call, begin, end) over the units of an argument block. */
export type Kernel = keyof typeof blocks
export const kernelNames = Object.keys(blocks) as Kernel[]

/** What a kernel is called with. */
export type Arguments<K extends Kernel> = (typeof blocks)[K] extends abi.Block<infer Args> ? Args : never

/** A kernel over the units of its arguments. */
export interface Job<K extends Kernel = Kernel> {
  kernel: K
  args: Arguments<K>
  units: number
  /**
   * About how many multiply-adds it does, or numbers it moves: whether threads are worth it. Default: 4096
   * for each unit.
   */
  work?: number
}

export type Exports = Record<Kernel, (call: number, begin: number, end: number) => void> & {
  heapBase(): number
  /** Rows of the register tile of this build. */
  tileRows: WebAssembly.Global
  /** 1 in the builds relaxed and wide. */
  fused: WebAssembly.Global
  /** 1 in the build wide. */
  wide: WebAssembly.Global
  bind(control: number, thread: number): void
  /** The sum of four products of two bytes, as the host has it; 0 where it has none. */
  dotOfBytes(a: number, b: number): number
}
