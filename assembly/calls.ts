/**
 * The argument block of every kernel: which 32-bit word holds what. AssemblyScript reads by it, TypeScript writes by it.
 *
 * Addresses are bytes from the start of memory; counts are elements; names ending in Stride are bytes.
 * Letters: n batch, ih iw ic input, oh ow oc output, kh kw window.
 */

/** Panels of packed weights from any strided matrix: see layout.ts. */
export const enum Pack {
  source, panels,
  /** Columns of one panel: 8 for a tile, 4 for depthwise. */
  width,
  groups, columns,
  tapsH, tapsW, depth,
  groupStride, tapHStride, tapWStride, rowStride, columnStride,
  length,
}

/** Any dense product over a window: see igemm.ts. */
export const enum Igemm {
  x, w, b, y,
  n, ih, iw, ic, oh, ow, oc,
  /** Output pixels computed: rows outFirstH, outFirstH + outStepH, ...; the same along w. */
  gridH, gridW, outFirstH, outStepH, outFirstW, outStepW,
  /** Pixel (gy, gx) of the grid reads, for tap (ty, tx), row gy * inStepH + tapFirstH + ty * tapStepH; the same along w. */
  inStepH, inStepW, tapsH, tapsW, tapFirstH, tapStepH, tapFirstW, tapStepW,
  groups, low, high,
  /** 1: the kw taps of a window row are one run of kw * ic floats. */
  rowRuns,
  /** Pixels and panels of one unit. */
  pixels, panels,
  length,
}

/** A window of one channel over x: see pool.ts. */
export const enum Pool {
  x, y,
  ih, iw, c, oh, ow,
  /** Tap (ty, tx) of output pixel (oy, ox) is at row oy * stepH + firstH + ty * tapStepH; the same along w. */
  tapsH, tapsW, stepH, stepW, firstH, firstW, tapStepH, tapStepW,
  /** Padding after the last row and column: a mean counts no tap beyond it. 1: it counts those in the padding. */
  afterH, afterW, countPadding,
  /** Channels of one unit, a multiple of 16. */
  channels,
  length,
}

/** One filter per channel: see depthwise.ts. */
export const enum Depthwise {
  x, w, b, y,
  n, ih, iw, ic, oh, ow, oc,
  kh, kw, strideH, strideW, dilationH, dilationW, beforeH, beforeW,
  low, high,
  /** Taps kx, kx + tapStep, ... read neighbouring columns of one phase; up to runTaps (1 to 3) of them make a run. */
  tapStep, runTaps,
  /** Columns of one phase in the ring, with room for the last tile to read on. */
  columns,
  /** Output rows and channels (a multiple of 4) of one unit. */
  rows, block,
  length,
}
