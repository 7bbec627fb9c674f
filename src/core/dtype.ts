/** What a tensor's elements are: their bytes, their ranges, and the typed arrays that hold them. */
import { check, show } from '../base/errors.js'
import type { Shape } from '../base/shape.js'

/** The type of a tensor's elements. */
export type DType = 'float32' | 'int32' | 'int8' | 'uint8'

/** The types of 8 bits. */
export type ByteType = 'int8' | 'uint8'

/** The typed array that holds elements of a type. */
export type ArrayOf<D extends DType> = {
  float32: Float32Array
  int32: Int32Array
  int8: Int8Array
  uint8: Uint8Array
}[D]

type ArrayConstructor = {
  readonly name: string
  new (length: number): Float32Array | Int32Array | Int8Array | Uint8Array
  new (
    buffer: ArrayBufferLike,
    pointer: number,
    length: number,
  ): Float32Array | Int32Array | Int8Array | Uint8Array
}
const arrays: Record<DType, ArrayConstructor> = {
  float32: Float32Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
}

/** The smallest and the largest integer of each type that holds integers only. */
const ranges: Record<DType, readonly [low: number, high: number] | undefined> = {
  float32: undefined,
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int8: [-128, 127],
  uint8: [0, 255],
}

/** Which types an op takes. */
export const FLOATS: readonly DType[] = ['float32']
export const NUMBERS: readonly DType[] = ['float32', 'int32']
export const MASKS: readonly DType[] = ['uint8']
export const BYTES: readonly DType[] = ['int8', 'uint8']
export const ANY: readonly DType[] = ['float32', 'int32', 'int8', 'uint8']

export const bytesPerElement = (dtype: DType): 1 | 4 => (dtype === 'float32' || dtype === 'int32' ? 4 : 1)

/** The range of an integer type; undefined for float32. */
export const rangeOf = (dtype: DType): readonly [low: number, high: number] | undefined => ranges[dtype]

/** `length` new zeros of a type, in memory that nobody shares. */
export const newArray = <D extends DType>(dtype: D, length: number): ArrayOf<D> =>
  new arrays[dtype](length) as ArrayOf<D>

/** `length` elements at a byte address of `buffer`, without a copy. */
export const arrayAt = <D extends DType>(
  dtype: D,
  buffer: ArrayBufferLike,
  pointer: number,
  length: number,
): ArrayOf<D> => new arrays[dtype](buffer, pointer, length) as ArrayOf<D>

/** Throws unless `dtype` is one of the types. */
export function checkDtype(op: string, dtype: unknown): asserts dtype is DType {
  check(ANY.includes(dtype as DType), () => ({
    op,
    argument: 'dtype',
    expected: listOf(ANY),
    got: show(dtype),
  }))
}

/**
 * Throws where an element is none of the type: an integer type takes whole numbers in its range. An array of
 * that very type needs no look.
 */
export function checkElements(op: string, data: ArrayLike<number>, dtype: DType, shape: Shape): void {
  const range = ranges[dtype]
  if (!range || Object.prototype.toString.call(data) === `[object ${arrays[dtype].name}]`) return
  for (let i = 0; i < data.length; i++) checkElement(op, `data[${i}]`, data[i], dtype, { shape })
}

/** Throws unless a number can be an element of the type. */
export function checkElement(
  op: string,
  argument: string,
  value: unknown,
  dtype: DType,
  shapes?: Record<string, Shape | undefined>,
): void {
  const range = ranges[dtype]
  const fits = range
    ? Number.isInteger(value) && (value as number) >= range[0] && (value as number) <= range[1]
    : typeof value === 'number'
  check(fits, () => ({
    op,
    argument,
    expected: range ? `an integer from ${range[0]} to ${range[1]}, as ${dtype} holds` : 'a number',
    got: show(value),
    shapes,
  }))
}

/** 'a', 'a or b', 'a, b or c' */
export const listOf = (names: readonly string[]): string => names.join(', ').replace(/, ([^,]+)$/, ' or $1')

const word = new DataView(new ArrayBuffer(4))

/** The 32 bits of a word whose first bytes are this element. @internal */
export function wordOfElement(value: number, dtype: DType): number {
  if (dtype !== 'float32') return value
  word.setFloat32(0, value)
  return word.getInt32(0)
}
