/** Elements by themselves or two by two: unary, binary, selections, types, steps of optimizers. */

/** y = f(x, a, b), each element by itself: see activation.ts and unary.ts. */
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
  sine, neg, abs, sign, expm1, log1p, atan,
  /** Of 32-bit integers; no others are. */
  negInt, absInt,
}

/** dx = dy * f'(v, a, b): see activation.ts. v is x, of a clamp y. */
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
  /** 1, of floats as bytes: by their lowest bits; else by the nearest end of the range. */
  wraps: i32
}

/** What `cast` knows; float16 from and to float32 alone. */
export const enum Element { float32, int32, int8, uint8, float16 }

/** One step of an optimiser: see optimise.ts. @rows UpdateParameter parameters */
@unmanaged
export class Update {
  op: i32
  /** Step length; added to the gradient: decay * w; what is left of w before the step. */
  rate: f32; decay: f32; keep: f32
  /** Momentum, or how much is kept of the mean of gradients (a) and of their squares (b). */
  a: f32; b: f32
  /** What a gradient adds to its mean, and its square to theirs: 1 - a and 1 - b, of float64. */
  fresh: f32; freshSquare: f32
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
