/** Windows over images, and images seen at other places: pooling, resizing, sampling. */

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
  /** 1: bilinear, and pixels are spread out first: see resizeNarrow.ts. */
  narrow: i32
}

/**
 * The same of 8-bit integers: see resizeBytes.ts. Zeros and `extrapolation` are those of unsigned ones, which
 * signed ones become by `flip`, 128. @rows ResizeAxis axes
 */
@unmanaged
export class ResizeBytes extends Resize {
  flip: i32
  zero: i32; zeroY: i32
  /** The scale of x over that of y. */
  ratio: f32
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
  nearest: i32
  /** 1: -1 and 1 are the centres of the outer pixels; 2: points are (y, x) in pixels. */
  alignCorners: i32
  padding: i32
}

export const enum GridPadding { zeros, border, reflection }

/** Images or volumes read at points of a grid by several elements along each axis: see gridTaps.ts. */
@unmanaged
export class GridTaps {
  /** x [n, id, ih, iw, c], grid [n, pixels, rank], y [n, pixels, c]. */
  x: usize; grid: usize; y: usize
  n: i32; id: i32; ih: i32; iw: i32; c: i32; pixels: i32
  /** Axes of a point: 2, where id is 1, or 3. */
  rank: i32
  /** Output pixels of one unit. */
  unit: i32
  method: i32; alignCorners: i32; padding: i32
}

export const enum GridMethod { nearest, linear, cubic }

/** The largest under a window of up to three axes, and its place: see poolPlaces.ts. */
@unmanaged
export class PoolPlaces {
  x: usize; y: usize; places: usize
  id: i32; ih: i32; iw: i32; c: i32; od: i32; oh: i32; ow: i32
  tapsD: i32; tapsH: i32; tapsW: i32; stepD: i32; stepH: i32; stepW: i32
  firstD: i32; firstH: i32; firstW: i32; tapStepD: i32; tapStepH: i32; tapStepW: i32
  /** How far the places of neighbours along an axis are apart, and those of two channels. */
  placeD: i32; placeH: i32; placeW: i32; plane: i32
}

/** Columns of a window that are added up to an image, of up to three axes: see columns.ts. */
@unmanaged
export class Columns {
  x: usize; y: usize
  id: i32; ih: i32; iw: i32; od: i32; oh: i32; ow: i32
  tapsD: i32; tapsH: i32; tapsW: i32; stepD: i32; stepH: i32; stepW: i32
  firstD: i32; firstH: i32; firstW: i32; tapStepD: i32; tapStepH: i32; tapStepW: i32
}

/** Samples that are read together. */
export const ROI_SAMPLES = 64

/** Regions of images, part by part: see roiAlign.ts. */
@unmanaged
export class RoiAlign {
  /** x [n, ih, iw, c], boxes [count, 4] of left, top, right, bottom, images [count], y [count, oh, ow, c]. */
  x: usize; boxes: usize; images: usize; y: usize
  ih: i32; iw: i32; c: i32; oh: i32; ow: i32
  /** Samples of a part along each axis; 0: as many as it has pixels. */
  samples: i32
  /** Whether a part is the largest of its samples. */
  largest: i32
  /** Whether a region is at least one pixel high and wide. */
  widens: i32
  /** Pixels of x that a unit of the boxes is, and what is taken off. */
  scale: f32; shift: f32
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
