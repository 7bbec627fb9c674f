/** Images of bytes, and filters on them. */

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
  /** labBytes: what each level of red, green and blue adds to X, Y, Z and nothing, [3][256][4] floats. */
  table: usize
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
