/** Many elements of an axis at once: sums, norms, softmax, scans, the largest. */

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
  /** Whether scale and offset are [groups]. */
  single: i32
  /** [groups], or 0: those of each row. */
  mean: usize; variance: usize
  n: i32; rows: i32; groups: i32
  /** Rows of one unit. */
  unit: i32
  /** Whether the mean is taken away. */
  centre: i32
  epsilon: f32; low: f32; high: f32
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

/** sum: in float64; sumSingle: each sum is rounded to float32. */
export const enum ScanOp { sum, prod, sumInt, sumSingle }

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

/** Of boxes [images, n, 4] and scores [images, classes, n] the best `most` of a class: see suppress.ts. */
@unmanaged
export class Suppress {
  boxes: usize; scores: usize
  /** Places [images * classes, most], and how many of them there are. */
  indices: usize; counts: usize
  n: i32; classes: i32; most: i32
  /** 1: boxes are [x, y, width, height] about their middle; else two corners [y, x, y, x]. */
  centred: i32
  overlap: f32; least: f32
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

/** Floats of rows that softmax takes together: x, y and scratch of them stay in the first cache. */
export const SOFTMAX_CHUNK = 2048
