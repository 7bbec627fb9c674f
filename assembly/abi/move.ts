/** Elements that change their places. */

/** A box of any rank from one layout to another: see copy.ts. @rows CopyAxis axes */
@unmanaged
export class Copy {
  x: usize; y: usize
  rows: i32; columns: i32; xRowStride: i32; yRowStride: i32; xColumnStride: i32; yColumnStride: i32
  /** Rows of one unit; a multiple of 16 where rows become columns. */
  unitRows: i32
  /** Axes outside the rows. */
  rank: i32
  /** Bytes of an element: 1, 4 or 8. */
  bytes: i32
  /** What is copied where x is 0: one value everywhere, in the first bytes of the word. */
  value: i32
}

/** An axis outside the rows of a copy, outermost first. */
@unmanaged
export class CopyAxis {
  length: i32; xStride: i32; yStride: i32
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

/** Elements by an index of their own along one axis: see copy.ts. */
@unmanaged
export class Elements {
  /** x [outer, n, inner]; indices and y [outer, count, inner]. */
  x: usize; indices: usize; y: usize; n: i32; count: i32; inner: i32
  /** outer * inner, and how many of them are one unit. */
  vectors: i32; unit: i32
  /** Bytes of an element, 1, 4 or 8; 4 unless they are put. */
  bytes: i32
  /** scatterElements: a ScatterOp; of 32-bit integers; whether x starts from zeros. */
  op: i32; integers: i32; clear: i32
}
