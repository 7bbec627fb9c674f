/**
 * The plans of assembly/long.ts, wholes.ts and kept.ts. Numbers of 64 bits stand in the engine as two words
 * of int32 each, the lower one first: [..., 2].
 */
import { sizeOf } from '../base/shape.js'
import type { DType } from '../core/dtype.js'
import type { AnyTensor, Engine, Tensor } from '../core/tensor.js'
import {
  LONG_BLOCK,
  type LongCastOp,
  type LongOp,
  WHOLE_STRIP,
  type WholeOp,
  WholeType,
} from '../wasm/abi.js'

/** Numbers of 64 bits: [..., 2]. */
export type Words = Tensor<'int32'>

/** Room for numbers of 64 bits. */
export const emptyWords = (engine: Engine, size: number): Words => engine.empty([size, 2], { dtype: 'int32' })

/** One number everywhere. */
export function fillWords(words: Words, value: number): void {
  const { elements } = words
  if (value === 0) elements.fill(0)
  else new BigInt64Array(elements.buffer, elements.byteOffset, elements.length / 2).fill(BigInt(value))
}

const blocksOf = (size: number): number => Math.ceil(size / LONG_BLOCK)

/**
 * `size` numbers at one address as those of another type at another. `beyond`: a word that tells of toInt
 * whether any was beyond int32.
 */
export function runCastLong(
  engine: Engine,
  op: LongCastOp,
  { x, y, size, beyond = 0 }: { x: number; y: number; size: number; beyond?: number },
): void {
  if (size === 0) return
  engine.run({ kernel: 'castLong', args: { x, y, size, op, beyond }, units: blocksOf(size), work: size })
}

/** y = op(a, b); what holds one number is for all. */
export function runBinaryLong(op: LongOp, a: Words, b: Words, y: AnyTensor, size: number): void {
  if (size === 0) return
  y.engine.run({
    kernel: 'binaryLong',
    args: {
      a: a.pointer,
      b: b.pointer,
      y: y.pointer,
      size,
      aStep: stepOf(a, size),
      bStep: stepOf(b, size),
      op,
    },
    units: blocksOf(size),
    work: size,
  })
}

const stepOf = (words: Words, size: number): number => (words.size === 2 && size > 1 ? 0 : 8)

/** y = mask ? a : b; what holds one element is for all. */
export function runSelectLong(mask: Tensor<'uint8'>, a: Words, b: Words, y: Words): void {
  const size = y.size / 2
  if (size === 0) return
  y.engine.run({
    kernel: 'selectLong',
    args: {
      mask: mask.pointer,
      a: a.pointer,
      b: b.pointer,
      y: y.pointer,
      size,
      maskStep: mask.size === 1 && size > 1 ? 0 : 1,
      aStep: stepOf(a, size),
      bStep: stepOf(b, size),
    },
    units: blocksOf(size),
    work: size,
  })
}

const wholes: Record<Exclude<DType, 'float32'>, WholeType> = {
  int8: WholeType.int8,
  uint8: WholeType.uint8,
  int32: WholeType.int32,
}

/** Elements that a unit of a reduction over rows sees: less takes longer to begin. */
const ROW_WORK = 4096

/**
 * x [outer, n, inner] over n. `long`: of numbers of 64 bits. y: of the same type, or int32 of argmax and
 * argmin, of which `last` finds the last of equal ones.
 */
export function runReduceWhole(
  op: WholeOp,
  x: AnyTensor,
  y: AnyTensor,
  shape: readonly [outer: number, n: number, inner: number],
  { long = false, last = false } = {},
): void {
  const [outer, n, inner] = shape
  const outputs = outer * inner
  if (outputs === 0) return
  const bytes = long ? 8 : x.dtype === 'int32' ? 4 : 1
  const unit = Math.max(1, Math.ceil(ROW_WORK / n))
  const strips = Math.ceil((inner * bytes) / WHOLE_STRIP)
  x.engine.run({
    kernel: 'reduceWhole',
    args: {
      x: x.pointer,
      y: y.pointer,
      n,
      inner,
      outputs,
      unit,
      op,
      type: long ? WholeType.int64 : wholes[x.dtype as keyof typeof wholes],
      last: Number(last),
    },
    units: inner === 1 ? Math.ceil(outer / unit) : outer * strips,
    work: sizeOf(shape),
  })
}

/** Running sums of x [outer, n, inner] over n, of 32 bits or 64. */
export function runScanWhole(
  x: Tensor<'int32'>,
  y: Tensor<'int32'>,
  shape: readonly [outer: number, n: number, inner: number],
  { long, exclusive, reverse }: { long: boolean; exclusive: boolean; reverse: boolean },
): void {
  const [outer, n, inner] = shape
  const vectors = outer * inner
  if (vectors * n === 0) return
  const unit = Math.max(1, Math.ceil(ROW_WORK / n))
  x.engine.run({
    kernel: 'scanWhole',
    args: {
      x: x.pointer,
      y: y.pointer,
      n,
      inner,
      vectors,
      unit,
      exclusive: Number(exclusive),
      reverse: Number(reverse),
      bytes: long ? 8 : 4,
    },
    units: Math.ceil(vectors / unit),
    work: sizeOf(shape),
  })
}

/** Where the elements of x are not 0, in order, and how many. `long`: of 64 bits. */
export function runKept(x: AnyTensor, long = false): { places: Tensor<'int32'>; count: number } {
  const { engine } = x
  const size = long ? x.size / 2 : x.size
  const places = engine.empty([size], { dtype: 'int32' })
  if (size === 0) return { places, count: 0 }
  const told = engine.empty([1], { dtype: 'int32' })
  const bytes = long ? 8 : x.dtype === 'uint8' || x.dtype === 'int8' ? 1 : 4
  engine.run({
    kernel: 'kept',
    args: {
      x: x.pointer,
      y: places.pointer,
      count: told.pointer,
      size,
      bytes,
      floats: Number(x.dtype === 'float32'),
    },
    units: 1,
    work: size,
  })
  const count = engine.i32[told.pointer / 4]!
  told.dispose()
  return { places, count }
}

/** The indices of places in an array of a shape: [rank, count] of 64 bits. */
export function runCoordinates(places: Tensor<'int32'>, count: number, shape: readonly number[]): Words {
  const { engine } = places
  const rank = shape.length
  const y = emptyWords(engine, rank * count)
  if (y.size === 0) return y
  engine.scratch(rank * 8)
  engine.run({
    kernel: 'coordinates',
    args: {
      places: places.pointer,
      y: y.pointer,
      count,
      rank,
      axes: shape.map((length) => ({ length })),
    },
    units: 1,
    work: rank * count,
  })
  return y
}

/**
 * Rows [n, m] of x, of so many bytes each, the other way round along the first axis or the second, up to
 * lengths that belong to the other axis.
 */
export function runReverseRows(
  x: AnyTensor,
  lengths: Tensor<'int32'>,
  y: AnyTensor,
  { n, m, second, bytes }: { n: number; m: number; second: boolean; bytes: number },
): void {
  if (n * m * bytes === 0) return
  const unit = Math.max(1, Math.ceil((4 * ROW_WORK) / bytes))
  x.engine.run({
    kernel: 'reverseRows',
    args: {
      x: x.pointer,
      y: y.pointer,
      lengths: lengths.pointer,
      n,
      m,
      second: Number(second),
      bytes,
      unit,
      fault: x.engine.fault,
    },
    units: Math.ceil((n * m) / unit),
    work: x.size,
  })
}
