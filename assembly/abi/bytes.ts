/** Quantised bytes, apart from their convolutions. */

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
  /** What the integers are; float32: as floats. */
  element: i32
  /** quantize to floats: y are the numbers that the integers stand for. */
  back: i32
  /** dequantize: added to each column, 0: none. */
  bias: usize
  low: f32; high: f32
}

/** What bytes of numbers from the least to the largest stand for: see quantize.ts. */
@unmanaged
export class QuantizeTerms {
  /** The two numbers. */
  low: usize; high: usize
  /** Their scale, and their zero point as 32 bits and as a float. */
  scale: usize; zero: usize; number: usize
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
  /** Where it is not 0, what each byte becomes, and nothing of the above counts: [channels, 256] */
  table: usize
  /** Of x [..., channels]: 1 where all have one table. */
  channels: i32
}

/** Integers in one unit of `mapBytes`. */
export const MAP_BYTES_BLOCK = 16384

/** What `binaryBytes` makes of two. */
export const enum BinaryBytesOp { sum, product, difference, quotient, largest, least }

/** The sum, product or the like of 8-bit integers, [outer, rows, columns] each: see bytes.ts. */
@unmanaged
export class BinaryBytes {
  a: usize; b: usize; y: usize
  /** A BinaryBytesOp. */
  op: i32
  rows: i32; columns: i32
  /** From one to the next along the three axes; 0: the same one again. */
  outerA: i32; rowA: i32; stepA: i32; outerB: i32; rowB: i32; stepB: i32
  signedA: i32; signedB: i32; signedY: i32
  /**
   * Sum: fixed + a * factorA + b * factorB; product: (a - zeroA) * (b - zeroB) * factorA + fixed; others:
   * op((a - zeroA) * factorA, (b - zeroB) * factorB) / scaleY as a whole number, and then fixed.
   */
  factorA: f32; factorB: f32; fixed: f32; zeroA: i32; zeroB: i32; scaleY: f32
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

/** Softmax of 8-bit integers over the n of x [outer, n, inner]: see softmaxBytes.ts. */
@unmanaged
export class SoftmaxBytes {
  x: usize; y: usize; n: i32; inner: i32
  /** outer * inner, and how many of them are one unit. */
  vectors: i32; unit: i32
  /** What makes unsigned integers of those of x: 128 of signed ones. */
  flip: i32; scale: f32
  signedY: i32; scaleY: f32; zeroY: i32
}

/** Rows of as many integers, of which `softmaxBytes` takes 16 side by side. */
export const SOFTMAX_BYTES_SHORT = 48
/** Columns of as many, of which it keeps what each becomes. */
export const SOFTMAX_BYTES_KEPT = 1024
