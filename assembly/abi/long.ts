/** Whole numbers of 64 bits, and what whole numbers of any size have in common. */

/** Numbers of 64 bits as those of another type, or the other way round: see long.ts. */
@unmanaged
export class LongCast {
  x: usize; y: usize; size: i32; op: i32
  /** toInt: a word that becomes 1 where a number is beyond 32 bits; 0: nobody asks. */
  beyond: usize
}

/** Elements of one unit of what goes over numbers of 64 bits. */
export const LONG_BLOCK = 4096

export const enum LongCastOp {
  toInt, toFloat, toDouble, fromInt, fromFloat, fromDouble, fromByte, fromSigned,
}

/** y = op(a, b): see long.ts. Steps are in bytes, 0 where one number is for all. */
@unmanaged
export class LongBinary {
  a: usize; b: usize; y: usize; size: i32; aStep: i32; bStep: i32; op: i32
}

/** Those from equal on give bytes; abs sees a alone. mod has the sign of b, remainder that of a. */
export const enum LongOp {
  add, sub, mul, div, mod, remainder, maximum, minimum, and, or, xor, abs,
  equal, less, lessEqual,
}

/** y = mask ? a : b: see long.ts. Steps are in bytes, 0 where one element is for all. */
@unmanaged
export class LongSelect {
  mask: usize; a: usize; b: usize; y: usize; size: i32; maskStep: i32; aStep: i32; bStep: i32
}

/** x [outer, n, inner] of whole numbers, the n of each (outer, inner) together: see wholes.ts. */
@unmanaged
export class WholeReduce {
  x: usize; y: usize; n: i32; inner: i32
  /** Outputs, and how many of them are one unit where inner is 1; else a unit is a strip. */
  outputs: i32; unit: i32
  op: i32; type: i32
  /** argmax and argmin: the last of equal ones, not the first. */
  last: i32
}

/** sum and prod: of 32 and 64 bits alone. argmax and argmin give int32. */
export const enum WholeOp { max, min, sum, prod, argmax, argmin }

export const enum WholeType { int8, uint8, int32, int64 }

/** Bytes of a row that are one strip of a reduction over columns. */
export const WHOLE_STRIP = 64

/** Running sums: see wholes.ts. */
@unmanaged
export class WholeScan {
  x: usize; y: usize; n: i32; inner: i32; vectors: i32
  /** Lines of one unit. */
  unit: i32
  exclusive: i32; reverse: i32
  /** Of an element: 4 or 8. */
  bytes: i32
}

/** Where elements are not 0: see kept.ts. */
@unmanaged
export class Kept {
  /** y [size], of which `count`, a word, says how many are written. */
  x: usize; y: usize; count: usize; size: i32
  /** Bytes of an element, and whether it is float32. */
  bytes: i32; floats: i32
}

/** Places in an array by their indices along each axis: see kept.ts. @rows CoordinateAxis axes */
@unmanaged
export class Coordinates {
  /** places [count] in order, y [rank, count] of 64 bits */
  places: usize; y: usize; count: i32; rank: i32
}

/** Outermost first. */
@unmanaged
export class CoordinateAxis {
  length: i32
}

/** Rows [n, m] the other way round, up to a length of their own: see kept.ts. */
@unmanaged
export class ReverseRows {
  /** lengths [n] where `second`, else [m] */
  x: usize; y: usize; lengths: usize; n: i32; m: i32
  /** Whether it is the second axis that is turned. */
  second: i32
  /** Bytes of a row, and rows of a unit. */
  bytes: i32; unit: i32
  /** Two words: the length of an axis and 1, and a length beyond it. */
  fault: usize
}

/** Parts of regions of x [n, h, w, c]: see crops.ts. */
@unmanaged
export class RegionMax {
  /** For each region: image; begin and end of each row of parts; the same of each column. */
  x: usize; parts: usize; y: usize; h: i32; w: i32; c: i32; oh: i32; ow: i32
}

/** Boxes of x [n, h, w, c], read between pixels: see crops.ts. */
@unmanaged
export class CropBoxes {
  /**
   * For each box: image; for each of oh and then of ow the pixel before, -1 outside, the one after, and the
   * part of the way to it as float32. y [.., oh, ow, c]
   */
  x: usize; places: usize; y: usize; h: i32; w: i32; c: i32; oh: i32; ow: i32
  outside: f32
}
