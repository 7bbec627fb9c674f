/**
 * The argument block of every kernel, as a class of 32-bit fields: AssemblyScript reads it, and TypeScript
 * writes it through what tools/abi.mjs makes of this file. `@rows Row name` in the doc of a class says that
 * rows of that class follow the block.
 *
 * Addresses are bytes from the start of memory; counts are elements; names ending in Stride are bytes.
 * Letters: n batch, ih iw ic input, oh ow oc output, kh kw window.
 */

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
  /** 1: filters stand as sums over lanes want them (dense/tile.ts). */
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
  finish: i32
  /** Bytes of scratch memory before that of how sums end. */
  finishes: i32
  /** b: 32-bit integers, or floats (1). */
  floatBias: i32
  /** A scale for each output channel, or 0: `wScale` is for all. */
  scales: usize; wScale: f32
  xScale: f32; yScale: f32; yZero: i32
  /** winograd8: outputs of a tile along each axis, 4 or 2 (`pixels` counts tiles); whether x is signed. */
  tile: i32; signed: i32
}

/** A filter of bytes, transformed: see dense/winograd8.ts. Strides are bytes. */
@unmanaged
export class WinogradFilter8 {
  filter: usize; panels: usize
  tapHStride: i32; tapWStride: i32; rowStride: i32; columnStride: i32
  ic: i32; oc: i32
  tile: i32; signed: i32; zeros: usize; zero: i32
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
  bytes: i32
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
  /** 1: to four bytes a word, with bits of `zero` flipped; 0: to two of 16 bits, less `zero`. */
  bytes: i32
}

/** Pixels of one unit of `widen`. */
export const WIDEN_BLOCK = 512

/** Taps that a mean sums in float32 at a time; it adds those sums in float64. */
export const POOL_BLOCK = 64

/** A window of one channel over x: see pool.ts. */
@unmanaged
export class Pool {
  x: usize; y: usize
  ih: i32; iw: i32; c: i32; oh: i32; ow: i32
  /**
   * Tap (ty, tx) of output pixel (oy, ox) is at row oy * stepH + firstH + ty * tapStepH; the same along w.
   */
  tapsH: i32; tapsW: i32; stepH: i32; stepW: i32; firstH: i32; firstW: i32; tapStepH: i32; tapStepW: i32
  /**
   * Padding after the last row and column: a mean counts no tap beyond it. 1: it counts those in the padding.
   */
  afterH: i32; afterW: i32; countPadding: i32
  /** Channels of one unit, a multiple of 16. */
  channels: i32
  /**
   * Outputs of a row whose columns are computed together; 1: each by itself, 0: a maximum of 3 x 3 at step 2.
   */
  outputs: i32
}

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

/** A box of any rank from one layout to another: see copy.ts. @rows CopyAxis axes */
@unmanaged
export class Copy {
  x: usize; y: usize
  rows: i32; columns: i32; xRowStride: i32; yRowStride: i32; xColumnStride: i32; yColumnStride: i32
  /** Rows of one unit; a multiple of 16 where rows become columns. */
  unitRows: i32
  /** Axes outside the rows. */
  rank: i32
  /** Bytes of an element: 1 or 4. */
  bytes: i32
  /** What is copied where x is 0: one value everywhere, in the first bytes of the word. */
  value: i32
}

/** An axis outside the rows of a copy, outermost first. */
@unmanaged
export class CopyAxis {
  length: i32; xStride: i32; yStride: i32
}

/** Images of another size, and backward: see resize.ts. @rows ResizeAxis axes */
@unmanaged
export class Resize {
  x: usize; y: usize
  n: i32; ih: i32; iw: i32; c: i32; oh: i32; ow: i32
  /** Output rows of one unit. */
  rows: i32
  method: i32
  /** The most taps of an output along an axis. */
  taps: i32
  /** 1: the filter is as wide as the pixels that an output stands for; taps outside do not count. */
  antialias: i32; excludeOutside: i32
  /** Of a cubic; what stands outside of a region. */
  cubic: f32; extrapolation: f32
  /** Other than none: sums in float64, made whole. */
  rounding: i32
}

/** Height or width of a resize. */
@unmanaged
export class ResizeAxis {
  rule: i32; nearest: i32; input: i32; output: i32
  /** exact: output o stands at (o * step + first) / units. */
  step: i32; first: i32; units: i32
  /** The other rules: of the output's length over the input's; the part of the input that is shown. */
  scale: f32; start: f32; end: f32
}

export const enum ResizeMethod { nearest, linear, cubic }

export const enum ResizeRule {
  exact, halfPixel, alignCorners, asymmetric, halfPixelForNearest, pytorchHalfPixel, halfPixelSymmetric,
  cropAndResize,
}

export const enum NearestRule { preferFloor, preferCeil, floor, ceil }

/** truncate: toward zero; nearest: of two the one further from zero. */
export const enum ResizeRounding { none, truncate, nearest }

/** Images read at points of a grid: see gridSample.ts. */
@unmanaged
export class GridSample {
  /** x [n, ih, iw, c], grid [n, pixels, 2], y [n, pixels, c]; backwards y is dy. */
  x: usize; grid: usize; y: usize
  /** gridSampleGradient: dx; gridGradient: the derivative of the grid. */
  to: usize
  n: i32; ih: i32; iw: i32; c: i32; pixels: i32
  /** Output pixels of one unit. */
  unit: i32
  nearest: i32; alignCorners: i32; padding: i32
}

export const enum GridPadding { zeros, border, reflection }

/** RGBA bytes to floats: see image/bytes.ts. */
@unmanaged
export class FromBytes {
  bytes: usize; y: usize; w: i32; c: i32
  /**
   * Four words each, by channel: y = byte * scale + shift. Gray sums byte * scale over red, green and blue,
   * and adds the first shift.
   */
  scaleR: f32; scaleG: f32; scaleB: f32; scaleA: f32; shiftR: f32; shiftG: f32; shiftB: f32; shiftA: f32
  /** 1: w * c bytes in a row instead, one for each float: y = byte * scale. */
  packed: i32
}

/** Floats to RGBA bytes: see image/bytes.ts. */
@unmanaged
export class ToBytes {
  x: usize; bytes: usize; w: i32; c: i32
  /** RGBA bytes to take alpha from where x has three channels; 0: opaque. */
  alpha: usize
  /** 1: w * c bytes in a row instead, one for each float. */
  packed: i32
}

/** Filters whose output has the size of their input: see image/rows.ts. */
@unmanaged
export class Filter {
  /**
   * Addresses of the rows that each image's windows see, top to bottom: [n][h + kh - 1]. Output row r reads
   * r, r + 1, ..., r + kh - 1.
   */
  rows: usize
  /**
   * Columns to repeat beside a row: `left` to the left, the others to the right, kw - 1 in all; -1: zeros.
   */
  sides: usize; left: i32
  /** Rows of the window above the one that it gives. */
  top: i32
  y: usize; h: i32; w: i32; c: i32; kh: i32; kw: i32
  /** `weights` [kh][kw]; where there are numbers `across` [kw], [kh] down the columns. */
  weights: usize; across: usize
  /**
   * filterBytes: `weights` is twice [kh / 2 + 1][kw] pairs of 16-bit integers, `across`, where there is one,
   * [(kw + 1) / 2] pairs; what sums are divided by, as powers of 2.
   */
  shift: i32; shiftAcross: i32
  /**
   * filterBox: y = gain * sum. filterWindow, where `blend` is 1: y = keep * x + gain * filtered, but x where
   * |x - filtered| < threshold.
   */
  blend: i32; keep: f32; gain: f32; threshold: f32
  /** gradientMagnitude: smoothing by [side, centre, side]. bilateral: those of differences and distances. */
  side: f32; centre: f32
  /** morphology: a MorphologyOp; convertColour: a ColourOp. */
  op: i32
  /** morphology: bytes of an element. */
  element: i32
  /** morphology, medianBytes: 1: of four channels the last stays. */
  alpha: i32
}

/** The largest or smallest of elements that are bytes, 16-bit integers or floats. */
export const enum MorphologyOp { maxBytes, minBytes, maxWords, minWords, maxFloats, minFloats }

/** From red, green and blue, and back. */
export const enum ColourOp { toHsv, fromHsv, toLab, fromLab }

/** Pixels in each of which some part of `bits` is not set: see image/alpha.ts. */
@unmanaged
export class SharedBits {
  x: usize; y: usize; vectors: i32
}

/** What weighing colours by alpha makes of filtered ones. */
export const enum AlphaMode { mean, change, fill }

/** Rows of red, green, blue and alpha: see image/alpha.ts. */
@unmanaged
export class Alpha {
  /** The image as it is, and filtered: colours times alpha, and alpha; `other` of a second filter, or 0. */
  x: usize; filtered: usize; other: usize
  y: usize; w: i32
  mode: i32
  /** Of the filter's weights. */
  sum: f32
  blend: i32; keep: f32; gain: f32; threshold: f32
  /** 1: alpha as filtered; 0: that of x. */
  alpha: i32
}

/** Filters transformed for Winograd: see dense/winograd.ts. */
@unmanaged
export class WinogradFilter {
  /**
   * Filter element (ky, kx, i, o) is at ky * tapHStride + kx * tapWStride + i * rowStride + o * columnStride.
   */
  filter: usize; tapHStride: i32; tapWStride: i32; rowStride: i32; columnStride: i32; panels: usize
  ic: i32; oc: i32
}

/**
 * Input channels whose filters are transformed before they go to their 36 places: runs that fill cache lines.
 */
export const FILTER_CHANNELS = 16

/** 3x3 windows at stride 1 by Winograd's F(4x4, 3x3): see dense/winograd.ts. */
@unmanaged
export class Winograd {
  x: usize; w: usize; b: usize; y: usize
  n: i32; ih: i32; iw: i32; ic: i32; oh: i32; ow: i32; oc: i32; groups: i32
  beforeH: i32; beforeW: i32
  low: f32; high: f32
  /**
   * Tiles of 4x4 outputs and panels of 8 output channels of one unit; of more than one group, whole groups.
   */
  tiles: i32; panels: i32
}

/** y = f(x, a, b), each element by itself: see elementwise.ts. */
@unmanaged
export class Unary {
  op: i32; x: usize; y: usize; size: i32
  /** Two numbers whose meaning is the operation's. */
  a: f32; b: f32
}

/** Floats in one unit of `unary`. */
export const UNARY_BLOCK = 4096

export const enum UnaryOp {
  clamp, leakyRelu, elu, gelu, geluTanh, sigmoid, hardSigmoid, tanh, silu, hardSwish, mish, softplus, exp,
  log, erf, sqrt, floor, ceil, round, trunc,
  sine, neg, abs, sign, expm1, log1p,
  /** Of 32-bit integers; no others are. */
  negInt, absInt,
}

/** dx = dy * f'(v, a, b): see elementwiseGradient.ts. v is x, of a clamp y. */
@unmanaged
export class UnaryBackward {
  op: i32; dy: usize; v: usize; dx: usize; size: i32; a: f32; b: f32
}

/**
 * y = x * scale where a number that follows from the keys and the place is at least `threshold`, else 0: see
 * elementwise.ts.
 */
@unmanaged
export class Dropout {
  x: usize; y: usize; size: i32
  /** Any 32 bits each. */
  keyA: i32; keyB: i32
  /** Of 2^32. */
  threshold: i32; scale: f32
}

/** y = f(a, b), broadcasting: see elementwise.ts. @rows BinaryAxis axes */
@unmanaged
export class Binary {
  op: i32; y: usize; size: i32
  /** Floats worked on at a time; a multiple of the period of each repeated operand. */
  block: i32
  a: usize; aKind: i32; b: usize; bKind: i32
  /** What the result is clamped to. */
  low: f32; high: f32
  /** The operand whose address is 0: one element, in the first bytes of the word. */
  number: i32
  rank: i32
}

/**
 * An axis of `binary`, outermost first: elements between neighbours in a and in b, 0 where broadcast; of the
 * innermost 0 or 1.
 */
@unmanaged
export class BinaryAxis {
  length: i32; aStep: i32; bStep: i32
}

/** Blocks in one unit of `binary`. */
export const BINARY_BLOCKS = 4

/**
 * mask: a where b is not 0, else 0; maskNot: a where b is 0. less, lessEqual: 1 where a < b, a <= b, else 0.
 */
export const enum BinaryOp {
  add, sub, mul, div, prelu, maximum, minimum, mask, maskNot, less, lessEqual,
  /** Of `binaryLanes`. */
  pow, mod,
  /** Of `binaryInts`: 32-bit integers. */
  addInt, subInt, mulInt, divInt, maximumInt, minimumInt, modInt,
  /** Of `compare`: those from here on give bytes, 1 where it is so, else 0. */
  isEqual, isNotEqual, isLess, isLessEqual,
  isEqualInt, isNotEqualInt, isLessInt, isLessEqualInt,
}

export const enum OperandKind {
  /** Of the output's shape. */
  flat,
  /** The same numbers for every block. */
  repeated,
  /** Anything else. */
  spread,
}

/** Sums over the pixels of x [outer, pixels, c], channel by channel: see normalise.ts. */
@unmanaged
export class NormalSums {
  /** dy: 0 for the sums of x alone. */
  x: usize; dy: usize; sums: usize; c: i32; pixels: i32
  /** Of each outer; and pixels of one. */
  splits: i32; rows: i32
}

/** The statistics of a normalisation and what follows from them: see normalise.ts. */
@unmanaged
export class Normalise {
  x: usize
  /** Those of normalSums; 0: mean and variance are given. */
  sums: usize; splits: i32
  /** [outer][groups] each. */
  mean: usize; variance: usize; rest: usize
  /**
   * [c] each; may be 0: ones, zeros. Of normaliseGradient `offset` is doffset, and 0 where no one wants it.
   */
  scale: usize; offset: usize
  epsilon: f32; c: i32; groups: i32; pixels: i32
  /** [outer][4][copies][c] */
  table: usize; copies: i32
}

/** The same backwards: the words of Normalise, and those that follow. */
@unmanaged
export class NormaliseGradient extends Normalise {
  outers: i32
  /** [c]; 0 where no one wants it. */
  dscale: usize
}

/** y = (x - centre) * scale + shift over the last axis: see normalise.ts. */
@unmanaged
export class ScaleShift {
  x: usize
  /** May be 0. */
  dy: usize
  y: usize; table: usize
  /** Floats of one outer. */
  size: i32
  low: f32; high: f32
  /** Floats in one row of the table. */
  period: i32
  /** Periods in one unit. */
  periods: i32
}

/** Normalisation of rows: see normalise.ts. */
@unmanaged
export class NormalRows {
  /** dy: 0 forwards. scale [groups][n] and offset may be 0: ones, zeros. */
  x: usize; dy: usize; y: usize; scale: usize; offset: usize
  n: i32; rows: i32; groups: i32
  /** Rows of one unit. */
  unit: i32
  /** Whether the mean is taken away. */
  centre: i32
  epsilon: f32
}

/** Rows by index, table [outer, rows, inner] and y [outer, count, inner]: see copy.ts. */
@unmanaged
export class Gather {
  table: usize; indices: usize; y: usize; count: i32; rows: i32; inner: i32
  /** Bytes of an element; 4 where rows are added. */
  bytes: i32
  /** Where rows are added: whether the table starts from zeros, and whether it holds 32-bit integers. */
  clear: i32; integers: i32
}

/** Indices, negative ones too, to places of rows: see places.ts. @rows PlaceAxis axes */
@unmanaged
export class Places {
  /** indices [rows, depth], y [rows] */
  indices: usize; y: usize; rows: i32; depth: i32
  /** So many rows belong to one batch, whose places begin `batchStep` behind those of the batch before. */
  batchRows: i32; batchStep: i32
  /** Rows of one unit. */
  unit: i32
  /** Two words: the length of an axis and 1, and an index outside of it. */
  fault: usize
}

/** An axis that an index of each row is along: its length, and the places from one index to the next. */
@unmanaged
export class PlaceAxis {
  length: i32; stride: i32
}

/** Rows brought to their places, one after the other: see places.ts. */
@unmanaged
export class ScatterRows {
  /** x [.., inner], places [count], updates [count, inner] */
  x: usize; places: usize; updates: usize; count: i32; inner: i32
  op: i32
  /** Bytes of an element; 4 unless they are put. */
  bytes: i32; integers: i32
  /** Bytes of a row that one unit brings; 16 elements or more. */
  unit: i32
}

/** What becomes of an element and of what is brought to its place. */
export const enum ScatterOp { put, add, mul, maximum, minimum }

/** y = mask ? a : b, or logic on bytes, each element by itself: see select.ts. */
@unmanaged
export class Select {
  op: i32; mask: usize; a: usize; b: usize; y: usize; size: i32
  /** Bytes of an element of a, b and y. */
  bytes: i32
  /** 1: the operand is one element for all; where its address is 0, that in the first bytes of its word. */
  aOne: i32; bOne: i32; aValue: i32; bValue: i32
}

/** Elements in one unit of `select` and of `cast`; a multiple of 16. */
export const SELECT_BLOCK = 4096

/** and, or, xor: of the mask and b, in bytes. */
export const enum SelectOp { where, and, or, xor }

/** Elements of one type as those of another: see cast.ts. */
@unmanaged
export class Cast {
  x: usize; y: usize; size: i32; from: i32; to: i32
}

/** What `cast` knows. */
export const enum Element { float32, int32, int8, uint8 }

/** Numbers as 8-bit integers, and back: see quantize.ts. */
@unmanaged
export class Quantize {
  x: usize; y: usize
  /** x [rows, columns] in blocks of a row; a scale for each row modulo their number, or for each column. */
  columns: i32
  scales: usize; zeros: usize; count: i32
  /** Those for all, where scales is 0. */
  scale: f32; zero: i32
  byColumn: i32
  /** What the integers are. */
  element: i32
  /** dequantize: added to each column, 0: none. */
  bias: usize
  low: f32; high: f32
}

/** Columns of one unit of `quantize` and `dequantize`; a multiple of 16. */
export const QUANTIZE_BLOCK = 4096

/** A function of each 8-bit integer by itself: see bytes.ts. */
@unmanaged
export class MapBytes {
  x: usize; y: usize; size: i32
  /** An operation of `unary` with its numbers; -1: none, for another scale alone. */
  op: i32; a: f32; b: f32
  /** What the integers of x and y are, and what they stand for. */
  signed: i32; scale: f32; zero: i32
  signedY: i32; scaleY: f32; zeroY: i32
}

/** Integers in one unit of `mapBytes`. */
export const MAP_BYTES_BLOCK = 16384

/** The sum or the product of 8-bit integers, [outer, rows, columns] each: see bytes.ts. */
@unmanaged
export class BinaryBytes {
  a: usize; b: usize; y: usize
  product: i32
  rows: i32; columns: i32
  /** From one to the next along the three axes; 0: the same one again. */
  outerA: i32; rowA: i32; stepA: i32; outerB: i32; rowB: i32; stepB: i32
  signedA: i32; signedB: i32; signedY: i32
  /** Sum: fixed + a * factorA + b * factorB; product: (a - zeroA) * (b - zeroB) * factorA + fixed. */
  factorA: f32; factorB: f32; fixed: f32; zeroA: i32; zeroB: i32
  low: f32; high: f32
}

/** Columns of one unit of `binaryBytes`. */
export const BINARY_BYTES_BLOCK = 4096

/** How `poolBytes` ends what it folded. */
export const enum PoolBytesOp { largest, mean, wholeMean }

/** A window of one channel over 8-bit integers: see bytes.ts. Windows as in Pool. */
@unmanaged
export class PoolBytes {
  x: usize; y: usize
  ih: i32; iw: i32; c: i32; oh: i32; ow: i32
  tapsH: i32; tapsW: i32; stepH: i32; stepW: i32; firstH: i32; firstW: i32; tapStepH: i32; tapStepW: i32
  afterH: i32; afterW: i32; countPadding: i32
  op: i32
  signed: i32; scale: f32; zero: i32; scaleY: f32; zeroY: i32
}

/** Running sums and products along n of x [outer, n, inner]: see reduce.ts. */
@unmanaged
export class Scan {
  op: i32; x: usize; y: usize; n: i32; inner: i32
  /** outer * inner, and how many of them are one unit. */
  vectors: i32; unit: i32
  /** 1: without the element itself; 1: from the end. */
  exclusive: i32; reverse: i32
}

export const enum ScanOp { sum, prod, sumInt }

/** x [outer, n, inner] -> y [outer, inner]: see reduce.ts. */
@unmanaged
export class Reduce {
  op: i32; x: usize; y: usize; n: i32; inner: i32
  /** outer * inner, and how many of them are one unit. */
  outputs: i32; unit: i32
}

/** argmaxInt: as a 32-bit integer. norm: the root of the sum of squares. */
export const enum ReduceOp { sum, mean, max, min, argmax, argmaxInt, prod, norm }

/** The largest k along n of x [outer, n, inner], to values and indices [outer, k, inner]: see topK.ts. */
@unmanaged
export class TopK {
  x: usize; values: usize; indices: usize; n: i32; k: i32; inner: i32
  /** outer * inner, and how many of them are one unit. */
  vectors: i32; unit: i32
  /** Whether x holds 32-bit integers; 1: the smallest. */
  integers: i32; smallest: i32
}

/** Elements by an index of their own along one axis: see copy.ts. */
@unmanaged
export class Elements {
  /** x [outer, n, inner]; indices and y [outer, count, inner]. */
  x: usize; indices: usize; y: usize; n: i32; count: i32; inner: i32
  /** outer * inner, and how many of them are one unit. */
  vectors: i32; unit: i32
  /** Bytes of an element; 4 unless they are put. */
  bytes: i32
  /** scatterElements: a ScatterOp; of 32-bit integers; whether x starts from zeros. */
  op: i32; integers: i32; clear: i32
}

/** Over the n of x [outer, n, inner]: see reduce.ts. */
@unmanaged
export class Softmax {
  x: usize; y: usize; n: i32; inner: i32
  /** outer * inner, and how many of them are one unit. */
  vectors: i32; unit: i32
  /** 1: the logarithm. */
  log: i32
}

/** Attention of rows of queries to the keys of their head: see attention.ts. */
@unmanaged
export class Attention {
  /** q [heads][rows][size], y [heads][rows][valueSize], heads counted over all images. */
  q: usize; y: usize
  /**
   * `packed`: panels of k transposed [heads][keys / 8][size][8] and of v [heads][valueSize / 8][keys][8];
   * else k [heads][keys][size] and v [heads][keys][valueSize].
   */
  k: usize; v: usize; packed: i32
  /** [2][heads][rows]: the largest score of each row, and 1 / the sum of its exponentials; 0: not kept. */
  statistics: usize
  /**
   * 0: none. Of 4 bytes: floats to add to scores; of 1 byte: 0 where a key is hidden. Rows of one head of k
   * and v are those of `group` heads of the mask, `length` rows each.
   */
  mask: usize; maskBytes: i32
  maskImageStride: i32; maskHeadStride: i32; maskRowStride: i32; maskKeyStride: i32
  heads: i32; imageHeads: i32; group: i32; length: i32; keys: i32; size: i32; valueSize: i32
  scale: f32
  /** Scores s become softcap * tanh(s / softcap); 0: they stay. */
  softcap: f32
  /** Query i sees keys 0 to first + i. */
  first: i32
  /** Rows and keys (a multiple of 8) of one block. */
  blockRows: i32; blockKeys: i32
}

/** The same backwards: the words of Attention, where k and v are panels, and those that follow. */
@unmanaged
export class AttentionGradient extends Attention {
  dy: usize
  /** More panels: of v transposed, and of k, q and dy as they are, [heads][columns / 8][keys or rows][8]. */
  vColumns: usize; kRows: usize; qRows: usize; dyRows: usize
  /** Sums [splits][heads][rows][size] and what k and v have; 0 where no one wants any of the three. */
  dq: usize; dk: usize; dv: usize
  /** [heads][rows][keys]; may be 0. */
  dmask: usize
  /** Of the key blocks of a head: every splits-th is in one. */
  splits: i32
}

/** Floats of rows that softmax takes together: x, y and scratch of them stay in the first cache. */
export const SOFTMAX_CHUNK = 2048

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

/**
 * Gradient of a pool: the words of Pool, where x and y are those of forward, and those that follow. See
 * poolGradient.ts.
 */
@unmanaged
export class PoolGradient extends Pool {
  dy: usize
  dx: usize
}

/** What a unit of a recurrent layer does: tanh and relu are those of a plain RNN. */
export const enum Cell { tanh, relu, gru, lstm }

/**
 * Steps of a recurrent layer: see recurrent.ts. Row strides are between sequences, step strides between
 * times.
 */
@unmanaged
export class Recurrent {
  cell: i32
  /** [gate][panel of 8 units][hidden][8]; backward [panel of 8 units][gates * hidden][8]. */
  weights: usize
  /** [gates * hidden], or 0. */
  bias: usize
  /** The input's shares of all gates, [gates * hidden] each; afterwards gates, where `keep` is 1. */
  gates: usize; gatesRow: i32; gatesStep: i32
  output: usize; outputRow: i32; outputStep: i32
  /**
   * Cells of an LSTM (step stride 0: no older one is kept); of a GRU the state's shares of its candidates, or
   * 0.
   */
  kept: usize; keptRow: i32; keptStep: i32
  /** [n, hidden] each, or 0: before the first step, and after the last. */
  initial: usize; initialCell: usize; state: usize; stateCell: usize; stateRow: i32
  /** Steps of each sequence, [n], or 0: all. */
  lengths: usize
  n: i32; steps: i32; hidden: i32; reverse: i32
  /** Steps of this call: forwards from the first on, backwards from it down to -1, the initial state. */
  first: i32; count: i32
  /** Sequences of one unit, or 0: then panels of one unit, which holds all sequences. */
  sequences: i32; panels: i32
  keep: i32
}

/** Gradient of a recurrent layer: the words of Recurrent, and those that follow. See recurrent.ts. */
@unmanaged
export class RecurrentGradient extends Recurrent {
  /** As output, or 0. */
  dy: usize
  /** [n, hidden]: derivatives of the last state and cell, afterwards those of the initial ones. */
  dstate: usize; dcell: usize
  /** As gates: derivatives of the state's shares of them. Not that of a GRU: the same address. */
  shares: usize
  /** As output: the state before each step. */
  previous: usize
}

/** One step of an optimiser: see optimise.ts. @rows UpdateParameter parameters */
@unmanaged
export class Update {
  op: i32
  /** Step length; added to the gradient: decay * w; what is left of w before the step. */
  rate: f32; decay: f32; keep: f32
  /** Momentum, or how much is kept of the mean of gradients (a) and of their squares (b). */
  a: f32; b: f32
  /** Of adam: what makes up for the zeros that its second mean started from. */
  correction: f32; epsilon: f32
  /**
   * Of probe: the word that becomes 1 where the size of a gradient is above `limit`, or no number; others
   * leave it alone.
   */
  found: usize; limit: f32
}

@unmanaged
export class UpdateParameter {
  /** The states may be 0. */
  w: usize; gradient: usize; means: usize; squares: usize
  /** Floats of it, and one more than its last unit. */
  size: i32; endUnit: i32
}

/** Floats in one unit of `update`. */
export const UPDATE_BLOCK = 4096

/** probe moves nothing: it looks at the gradients alone. */
export const enum UpdateOp { sgd, nesterov, rmsProp, adam, probe }

/** A picture of bytes in another size: see image/resample.ts. */
@unmanaged
export class Resample {
  /** Rows of w pixels of c bytes, and the output rows of this call. */
  x: usize; y: usize; h: i32; w: i32; c: i32; ow: i32
  /** The first row and column of each output's taps. */
  rows: usize; columns: usize
  /** Pairs of taps of each output, and their weights in 1 / 2^14, 16-bit integers: [outputs][pairs]. */
  pairsDown: i32; pairsAcross: i32; down: usize; across: usize
}

/** A picture by an affine map: see image/warp.ts. */
@unmanaged
export class Warp {
  x: usize; y: usize; h: i32; w: i32; c: i32; ow: i32; oh: i32
  /** Output (ox, oy) shows the input at (a * ox + b * oy + tx, d * ox + e * oy + ty). */
  a: f32; b: f32; tx: f32; d: f32; e: f32; ty: f32
  nearest: i32
  /** A WarpBorder. */
  border: i32
  /** Of opaque RGBA, what is opaque: colours at the edge are not mixed with what is outside. Else 0. */
  opaque: f32
  /** 1: floats, 0: bytes. */
  floats: i32
}

export const enum WarpBorder { zero, replicate, reflect, reflect101, wrap }

/** Pixels that `medianBytes` works on down all rows first, so that their columns stay in the cache. */
export const MEDIAN_STRIPE = 128

/** Bytes, or floats, above a bound or not: see image/threshold.ts. */
@unmanaged
export class Threshold {
  x: usize; y: usize; rowBytes: i32
  /** 48 bytes: of each channel the bound in turn. */
  bounds: usize
  floats: i32
  /** 1: white where x is not above. */
  inverse: i32
  /** 1: every fourth stays. */
  alpha: i32
}

/** How often each byte stands in every step-th place: see image/threshold.ts. */
@unmanaged
export class Histogram {
  /** y: four times [256] counts, to be added up. */
  x: usize; y: usize; count: i32; step: i32
}

/** Red, green and blue, or RGBA bytes to gray ones: see image/gray.ts. */
@unmanaged
export class Gray {
  x: usize; y: usize; w: i32; c: i32
}

/** Edges by Canny: see image/canny.ts. */
@unmanaged
export class Canny {
  /** Gray bytes [h][w], and the map [h][w]. */
  x: usize; y: usize; h: i32; w: i32
  low: i32; high: i32
  /** traceEdges: room for h * w addresses. */
  stack: usize
}
