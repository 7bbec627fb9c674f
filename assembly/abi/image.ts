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
  /** gradientMagnitude: smoothing by [side, centre, side]. */
  side: f32; centre: f32
}
