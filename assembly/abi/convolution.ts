/** Convolutions and matrix products: packing, the products, their gradients. */

/** Panels of packed weights from any strided matrix: see copy.ts. */
@unmanaged
export class Pack {
  source: usize; panels: usize
  /** Columns of one panel: 8 for a tile, 4 for depthwise. */
  width: i32
  groups: i32; columns: i32
  tapsH: i32; tapsW: i32; depth: i32
  groupStride: i32; tapHStride: i32; tapWStride: i32; rowStride: i32; columnStride: i32
}

/** Any dense product over a window: see dense/igemm.ts. */
@unmanaged
export class Igemm {
  x: usize; w: usize; b: usize; y: usize
  n: i32; ih: i32; iw: i32; ic: i32; oh: i32; ow: i32; oc: i32
  /** Output pixels computed: rows outFirstH, outFirstH + outStepH, ...; the same along w. */
  gridH: i32; gridW: i32; outFirstH: i32; outStepH: i32; outFirstW: i32; outStepW: i32
  /**
   * Pixel (gy, gx) of the grid reads, for tap (ty, tx), row gy * inStepH + tapFirstH + ty * tapStepH; the
   * same along w.
   */
  inStepH: i32; inStepW: i32; tapsH: i32; tapsW: i32; tapFirstH: i32; tapStepH: i32; tapFirstW: i32
  tapStepW: i32
  groups: i32; low: f32; high: f32
  /** The window as runs of `depth` floats: its taps, its rows (tapsH runs), or all of it (1 run). */
  runs: i32; depth: i32
  /** Pixels and panels of one unit. */
  pixels: i32; panels: i32
  /** 1: filters stand as sums over lanes want them (dense/lanes.ts). */
  byLanes: i32
  xPixelStride: i32; yPixelStride: i32
}

/**
 * The same over words of a few channels: 2 of 16 bits, or 4 of 8. `ic`, `depth` and the panels count words;
 * see dense/int8.ts.
 */
@unmanaged
export class Igemm8 extends Igemm {
  /** 1: words are four bytes; 0: two of 16 bits. */
  bytes: i32
  /** The word that padding holds, and how often each sum has that of its filter too much. */
  padding: i32; zero: i32
  /**
   * Where the zero point of x stands, an integer of 32 bits, or 0. With it `padding` are bits of it to flip,
   * and `zero` says whether it is signed.
   */
  zeroAt: usize
  finish: i32
  /** Bytes of scratch memory before that of how sums end. */
  finishes: i32
  /** b: 32-bit integers, or floats (1). */
  floatBias: i32
  /** A scale for each output channel, or 0: `wScale` is for all. */
  scales: usize; wScale: f32
  xScale: f32; yScale: f32; yZero: i32
  /**
   * What bytes of the filter are to be less beside what they are less already, at most a byte: a number for
   * each output channel, or 0: `wZero` is for all.
   */
  wZeros: usize; wZero: i32
  /** winograd8: outputs of a tile along each axis, 4 or 2 (`pixels` counts tiles). */
  tile: i32
  /** Of kernels that read bytes of x as they are: whether those are signed. */
  signed: i32
}

/** A filter of bytes, transformed: see dense/winograd8.ts. Strides are bytes. */
@unmanaged
export class WinogradFilter8 {
  filter: usize; panels: usize
  tapHStride: i32; tapWStride: i32; rowStride: i32; columnStride: i32
  ic: i32; oc: i32
  tile: i32; signed: i32; zeros: usize; zero: i32
  /** Its taps along each axis. */
  window: i32
}

/** What becomes of the 32-bit sums of products of bytes: themselves, or the bytes of a quantisation. */
export const enum Finish { sums, bytes }

/** Panels of words from a filter of bytes: see dense/int8.ts. The fields of Pack; strides are bytes. */
@unmanaged
export class Pack8 extends Pack {
  /** Channels of a tap; depth is a multiple of it where taps of a row are one run, a tapWStride apart. */
  inner: i32
  /** 1: bytes are signed. */
  signed: i32
  /** Neighbours in a word: 2 or 8 of 16 bits, or 4 bytes; of depthwise filters rows of a group. */
  each: i32
  /** The zero point of each column of all groups, or 0: `zero` is for all. */
  zeros: usize; zero: i32
}

/** Pixels of bytes as words: see dense/int8.ts. */
@unmanaged
export class Widen {
  x: usize; y: usize
  pixels: i32; groups: i32
  /** Channels of a group. */
  depth: i32
  signed: i32; zero: i32
  /** Where `zero` stands, or 0: here. */
  zeroAt: usize
  /** 1: to four bytes a word, with bits of `zero` flipped; 0: to two of 16 bits, less `zero`. */
  bytes: i32
}

/** Pixels of one unit of `widen`. */
export const WIDEN_BLOCK = 512

/** One filter per channel, or few channels in a group: see depthwise/forward.ts. */
@unmanaged
export class Depthwise {
  x: usize; w: usize; b: usize; y: usize
  n: i32; ih: i32; iw: i32; ic: i32; oh: i32; ow: i32; oc: i32
  kh: i32; kw: i32; strideH: i32; strideW: i32; dilationH: i32; dilationW: i32; beforeH: i32; beforeW: i32
  low: f32; high: f32
  /** Channels of a group; read by `grouped` alone. */
  groupIn: i32; groupOut: i32
  /** Output rows of one unit. */
  rows: i32
  /** 1: rows are copied so that their pixels lie further apart. */
  skewed: i32
}

/** Filters transformed for Winograd: see dense/winograd.ts. */
@unmanaged
export class WinogradFilter {
  /**
   * Filter element (ky, kx, i, o) is at ky * tapHStride + kx * tapWStride + i * rowStride + o * columnStride.
   */
  filter: usize; tapHStride: i32; tapWStride: i32; rowStride: i32; columnStride: i32; panels: usize
  ic: i32; oc: i32
  /** Its taps along each axis: 3 or 5. */
  window: i32
}

/**
 * Input channels whose filters are transformed before they go to their 36 places: runs that fill cache lines.
 */
export const FILTER_CHANNELS = 16

/** 3x3 and 5x5 windows at stride 1 by Winograd's algorithm: see dense/winograd.ts. */
@unmanaged
export class Winograd {
  x: usize; w: usize; b: usize; y: usize
  n: i32; ih: i32; iw: i32; ic: i32; oh: i32; ow: i32; oc: i32; groups: i32
  beforeH: i32; beforeW: i32
  low: f32; high: f32
  /**
   * Tiles of outputs and panels of 8 output channels of one unit; of more than one group, whole groups.
   */
  tiles: i32; panels: i32
  /** Outputs of a tile along each axis: 4 where the window is 3x3, 2 where it is 5x5. */
  tile: i32
  dilation: i32
}

/**
 * Filter gradient of any dense product over a window: see dense/filterGradient.ts. The words of Igemm, where
 * y is dy, w the sums, and pixels are those of one block.
 */
@unmanaged
export class FilterGradient extends Igemm {
  splits: i32
  /** Blocks of pixels of one split. */
  blocks: i32
}

/** Gradients of a convolution with one filter per channel: see depthwise/backward.ts. */
@unmanaged
export class DepthwiseGradient {
  x: usize; w: usize; dy: usize
  /** depthwiseFilterGradient: sums [splits][kh][kw][c]; depthwiseInputGradient: dx. */
  to: usize
  n: i32; ih: i32; iw: i32; c: i32; oh: i32; ow: i32
  kh: i32; kw: i32; strideH: i32; strideW: i32; dilationH: i32; dilationW: i32; beforeH: i32; beforeW: i32
  /** Output rows of one split. */
  rows: i32
}

/** Sums of panels back to a strided matrix: see dense/filterGradient.ts. */
@unmanaged
export class Unpack {
  panels: usize; y: usize
  splits: i32; groups: i32; columns: i32; taps: i32; depth: i32
  groupStride: i32; tapStride: i32; rowStride: i32; columnStride: i32
}
