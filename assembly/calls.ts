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
  /** The window as runs of `depth` floats: its taps, its rows (tapsH runs), or all of it (1 run). */
  runs, depth,
  /** Pixels and panels of one unit. */
  pixels, panels,
  /** 1: filters stand as sums over lanes want them (tile.ts). */
  byLanes,
  length,
}

/** Taps that a mean sums in float32 at a time; it adds those sums in float64. */
export const POOL_BLOCK = 64

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
  /** Outputs of a row whose columns are computed together; 1: each by itself, 0: a maximum of 3 x 3 at step 2. */
  outputs,
  length,
}

/** One filter per channel, or few channels in a group: see depthwise.ts. */
export const enum Depthwise {
  x, w, b, y,
  n, ih, iw, ic, oh, ow, oc,
  kh, kw, strideH, strideW, dilationH, dilationW, beforeH, beforeW,
  low, high,
  /** Channels of a group; read by `grouped` alone. */
  groupIn, groupOut,
  /** Output rows of one unit. */
  rows,
  /** 1: rows are copied so that their pixels lie further apart. */
  skewed,
  length,
}

/** A box of any rank from one layout to another: see layout.ts. */
export const enum Copy {
  x, y,
  rows, columns, xRowStride, yRowStride, xColumnStride, yColumnStride,
  /** Rows of one unit; a multiple of 16 where rows become columns. */
  unitRows,
  /** How many axes there are outside the rows, and from word `axes` on (length, xStride, yStride) of each. */
  rank,
  /** Bytes of an element: 1 or 4. */
  bytes,
  /** What is copied where x is 0: one value everywhere, in the first bytes of the word. */
  value,
  axes,
}

/** Images of another size: see resize.ts. */
export const enum Resize {
  x, y,
  n, ih, iw, c, oh, ow,
  /** Output row o stands at input row (o * stepH + firstH) / unitsH; the same along w. */
  stepH, firstH, unitsH, stepW, firstW, unitsW,
  /** Output rows of one unit. */
  rows,
  length,
}

/** Gradient of a resize: the words of Resize, and whether it reads four pixels. See resize.ts. */
export const enum ResizeGradient {
  bilinear = Resize.length,
  length,
}

/** RGBA bytes to floats: see image.ts. */
export const enum FromBytes {
  bytes, y, w, c,
  /** Four words each, by channel: y = byte * scale + shift. Gray sums byte * scale over red, green and blue, and adds the first shift. */
  scale, shift = scale + 4,
  /** 1: w * c bytes in a row instead, one for each float: y = byte * scale. */
  packed = shift + 4,
  length,
}

/** Floats to RGBA bytes: see image.ts. */
export const enum ToBytes {
  x, bytes, w, c,
  /** RGBA bytes to take alpha from where x has three channels; 0: opaque. */
  alpha,
  /** 1: w * c bytes in a row instead, one for each float. */
  packed,
  length,
}

/** Filters whose output has the size of their input: see image.ts. */
export const enum Filter {
  /** Addresses of the rows that each image's windows see, top to bottom: [n][h + kh - 1]. Output row r reads r, r + 1, ..., r + kh - 1. */
  rows,
  /** Columns to repeat beside a row: `left` to the left, the others to the right, kw - 1 in all; -1: zeros. */
  sides, left,
  /** Rows of the window above the one that it gives. */
  top,
  y, h, w, c, kh, kw,
  /** `weights` [kh][kw]; where there are numbers `across` [kw], [kh] down the columns. */
  weights, across,
  /** filterBytes: `weights` is twice [kh / 2 + 1][kw] pairs of 16-bit integers, `across`, where there is one, [(kw + 1) / 2] pairs; what sums are divided by, as powers of 2. */
  shift, shiftAcross,
  /** filterBox: y = gain * sum. filterWindow, where `blend` is 1: y = keep * x + gain * filtered, but x where |x - filtered| < threshold. */
  blend, keep, gain, threshold,
  /** gradientMagnitude: smoothing by [side, centre, side]. */
  side, centre,
  length,
}

/** Filters transformed for Winograd: see winograd.ts. */
export const enum WinogradFilter {
  /** Filter element (ky, kx, i, o) is at ky * tapHStride + kx * tapWStride + i * rowStride + o * columnStride. */
  filter, tapHStride, tapWStride, rowStride, columnStride, panels,
  ic, oc,
  length,
}

/** Input channels whose filters are transformed before they go to their 36 places: runs that fill cache lines. */
export const FILTER_CHANNELS = 16

/** 3x3 windows at stride 1 by Winograd's F(4x4, 3x3): see winograd.ts. */
export const enum Winograd {
  x, w, b, y,
  n, ih, iw, ic, oh, ow, oc, groups,
  beforeH, beforeW,
  low, high,
  /** Tiles of 4x4 outputs and panels of 8 output channels of one unit; of more than one group, whole groups. */
  tiles, panels,
  length,
}

/** y = f(x, a, b), each element by itself: see elementwise.ts. */
export const enum Unary {
  op, x, y, size,
  /** Two numbers whose meaning is the operation's. */
  a, b,
  length,
}

/** Floats in one unit of `unary`. */
export const UNARY_BLOCK = 4096

export const enum UnaryOp {
  clamp, leakyRelu, elu, gelu, geluTanh, sigmoid, hardSigmoid, tanh, silu, hardSwish, mish, softplus, exp, log, erf, sqrt, floor, ceil, round, trunc,
  sine, neg, abs, sign, expm1, log1p,
  /** Of 32-bit integers; no others are. */
  negInt, absInt,
}

/** dx = dy * f'(v, a, b): see gradient.ts. v is x, of a clamp y. */
export const enum UnaryBackward {
  op, dy, v, dx, size, a, b,
  length,
}

/** y = x * scale where a number that follows from the keys and the place is at least `threshold`, else 0: see elementwise.ts. */
export const enum Dropout {
  x, y, size,
  /** Any 32 bits each. */
  keyA, keyB,
  /** Of 2^32. */
  threshold, scale,
  length,
}

/** y = f(a, b), broadcasting: see elementwise.ts. */
export const enum Binary {
  op, y, size,
  /** Floats worked on at a time; a multiple of the period of each repeated operand. */
  block,
  a, aKind, b, bKind,
  /** What the result is clamped to. */
  low, high,
  /** The operand whose address is 0. */
  number,
  rank,
  /** For each axis, outermost first: its length and the distance between neighbours in a and in b, 0 where broadcast. The last distance is 0 or 1. */
  axes,
}

/** Blocks in one unit of `binary`. */
export const BINARY_BLOCKS = 4

/** keep: a where b is not 0, else 0; drop: a where b is 0. less, atMost: 1 where a < b, a <= b, else 0. */
export const enum BinaryOp {
  add, sub, mul, div, prelu, maximum, minimum, keep, drop, less, atMost, pow, mod,
  /** Of 32-bit integers. */
  addInt, subInt, mulInt, divInt, maximumInt, minimumInt, modInt,
  /** Those from here on give bytes: 1 where it is so, else 0. */
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
export const enum NormalSums {
  /** dy: 0 for the sums of x alone. */
  x, dy, sums, c, pixels,
  /** Of each outer; and pixels of one. */
  splits, rows,
  length,
}

/** The statistics of a normalisation and what follows from them: see normalise.ts. */
export const enum Normalise {
  x,
  /** Those of normalSums; 0: mean and variance are given. */
  sums, splits,
  /** [outer][groups] each. */
  mean, variance, rest,
  /** [c] each; may be 0: ones, zeros. Of normaliseGradient `offset` is doffset, and 0 where no one wants it. */
  scale, offset,
  epsilon, c, groups, pixels,
  /** [outer][4][copies][c] */
  table, copies,
  length,
}

/** The same backwards: the words of Normalise, and those that follow. */
export const enum NormaliseGradient {
  outers = Normalise.length,
  /** [c]; 0 where no one wants it. */
  dscale,
  length,
}

/** y = (x - centre) * scale + shift over the last axis: see normalise.ts. */
export const enum ScaleShift {
  x,
  /** May be 0. */
  dy,
  y, table,
  /** Floats of one outer. */
  size,
  low, high,
  /** Floats in one row of the table. */
  period,
  /** Periods in one unit. */
  periods,
  length,
}

/** Normalisation of rows: see normalise.ts. */
export const enum NormalRows {
  /** dy: 0 forwards. scale [groups][n] and offset may be 0: ones, zeros. */
  x, dy, y, scale, offset,
  n, rows, groups,
  /** Rows of one unit. */
  unit,
  /** Whether the mean is taken away. */
  centre,
  epsilon,
  length,
}

/** Rows by index, table [outer, rows, inner] and y [outer, count, inner]: see layout.ts. */
export const enum Gather {
  table, indices, y, count, rows, inner,
  /** Bytes of an element; 4 where rows are added. */
  bytes,
  /** Where rows are added: whether the table starts from zeros, and whether it holds 32-bit integers. */
  clear, integers,
  length,
}

/** y = mask ? a : b, or logic on bytes, each element by itself: see select.ts. */
export const enum Select {
  op, mask, a, b, y, size,
  /** Bytes of an element of a, b and y. */
  bytes,
  /** 1: the operand is one element for all; where its address is 0, that in the first bytes of its word. */
  aOne, bOne, aValue, bValue,
  length,
}

/** Elements in one unit of `select` and of `cast`; a multiple of 16. */
export const SELECT_BLOCK = 4096

/** and, or, xor: of the mask and b, in bytes. */
export const enum SelectOp { where, and, or, xor }

/** Elements of one type as those of another: see cast.ts. */
export const enum Cast {
  x, y, size, from, to,
  length,
}

/** What `cast` knows. */
export const enum Element { float32, int32, int8, uint8 }

/** Running sums and products along n of x [outer, n, inner]: see reduce.ts. */
export const enum Scan {
  op, x, y, n, inner,
  /** outer * inner, and how many of them are one unit. */
  vectors, unit,
  /** 1: without the element itself; 1: from the end. */
  exclusive, reverse,
  length,
}

export const enum ScanOp { sum, prod, sumInt }

/** x [outer, n, inner] -> y [outer, inner]: see reduce.ts. */
export const enum Reduce {
  op, x, y, n, inner,
  /** outer * inner, and how many of them are one unit. */
  outputs, unit,
  length,
}

/** argmaxInt: as a 32-bit integer. norm: the root of the sum of squares. */
export const enum ReduceOp { sum, mean, max, min, argmax, argmaxInt, prod, norm }

/** Over the n of x [outer, n, inner]: see reduce.ts. */
export const enum Softmax {
  x, y, n, inner,
  /** outer * inner, and how many of them are one unit. */
  vectors, unit,
  /** 1: the logarithm. */
  log,
  length,
}

/** Floats of rows that softmax takes together: x, y and scratch of them stay in the first cache. */
export const SOFTMAX_CHUNK = 2048

/** Filter gradient of any dense product over a window: see gradient.ts. The words of Igemm, where y is dy, w the sums, and pixels are those of one block. */
export const enum FilterGradient {
  splits = Igemm.length,
  /** Blocks of pixels of one split. */
  blocks,
  length,
}

/** Gradients of a convolution with one filter per channel: see depthwiseGradient.ts. */
export const enum DepthwiseGradient {
  x, w, dy,
  /** depthwiseFilterGradient: sums [splits][kh][kw][c]; depthwiseInputGradient: dx. */
  to,
  n, ih, iw, c, oh, ow,
  kh, kw, strideH, strideW, dilationH, dilationW, beforeH, beforeW,
  /** Output rows of one split. */
  rows,
  length,
}

/** Sums of panels back to a strided matrix: see gradient.ts. */
export const enum Unpack {
  panels, y,
  splits, groups, columns, taps, depth,
  groupStride, tapStride, rowStride, columnStride,
  length,
}

/** Gradient of a pool: the words of Pool, where x and y are those of forward, and those that follow. See gradient.ts. */
export const enum PoolGradient {
  dy = Pool.length,
  dx,
  length,
}

/** One step of an optimiser: see optimise.ts. */
export const enum Update {
  op,
  /** Step length; added to the gradient: decay * w; what is left of w before the step. */
  rate, decay, keep,
  /** Momentum, or how much is kept of the mean of gradients (a) and of their squares (b). */
  a, b,
  /** Of adam: what makes up for the zeros that its second mean started from. */
  correction, epsilon,
  /** Of probe: the word that becomes 1 where the size of a gradient is above `limit`, or no number; others leave it alone. */
  found, limit,
  /** Six words for each parameter: w, gradient, first state, second state, floats, and one more than its last unit. */
  rows,
}

/** Floats in one unit of `update`. */
export const UPDATE_BLOCK = 4096

/** probe moves nothing: it looks at the gradients alone. */
export const enum UpdateOp { sgd, nesterov, rmsProp, adam, probe }
