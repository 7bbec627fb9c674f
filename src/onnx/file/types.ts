/**
 * The types of elements that ONNX knows, in three forms: the bytes of the file, the array that a user gives
 * and gets, and the host's array of plain numbers that operators work on. There int64 and uint64 are float64
 * numbers: exact up to 2^53. Types of less than a byte are packed in the file alone.
 */
import { arrayName } from '../../base/realm.js'
import type { Shape } from '../../base/shape.js'
import type { DType } from '../../core/dtype.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import { fromBrain, fromBrains, fromHalf, fromHalves, toBrain, toBrains, toHalf, toHalves } from './halves.js'

/** What a value of a model is made of, by the names of ONNX. */
export type ElementType =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'float64'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bool'
  | 'string'
  | 'float8e4m3fn'
  | 'float8e4m3fnuz'
  | 'float8e5m2'
  | 'float8e5m2fnuz'
  | 'float8e8m0'
  | 'float4e2m1'
  | 'int4'
  | 'uint4'
  | 'int2'
  | 'uint2'

/** What operators work on, and what `ModelOutput.toArray` gives. */
export type HostArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | string[]
/** Whole numbers of 64 bits as users give and get them. */
export type LongArray = BigInt64Array | BigUint64Array
export const isLong = (data: unknown): data is LongArray => arrayName(data)?.startsWith('Big') === true

/** What a value of the host may stand in. */
export type AnyArray = HostArray | LongArray

/** What users give and get: floats of 16, 8 and 4 bits as their bits, one element in each of the array's. */
export type UserArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | string[]

interface Described {
  /** The number that stands for it in the file. */
  code: number
  /** Of an element in the file. */
  bits: number
  host: new (length: number) => Exclude<HostArray, string[]>
  user: { new (length: number): Exclude<UserArray, string[]>; name: string }
}

const described: Record<Exclude<ElementType, 'string'>, Described> = {
  float32: { code: 1, bits: 32, host: Float32Array, user: Float32Array },
  uint8: { code: 2, bits: 8, host: Uint8Array, user: Uint8Array },
  int8: { code: 3, bits: 8, host: Int8Array, user: Int8Array },
  uint16: { code: 4, bits: 16, host: Uint16Array, user: Uint16Array },
  int16: { code: 5, bits: 16, host: Int16Array, user: Int16Array },
  int32: { code: 6, bits: 32, host: Int32Array, user: Int32Array },
  int64: { code: 7, bits: 64, host: Float64Array, user: BigInt64Array },
  bool: { code: 9, bits: 8, host: Uint8Array, user: Uint8Array },
  float16: { code: 10, bits: 16, host: Float32Array, user: Uint16Array },
  float64: { code: 11, bits: 64, host: Float64Array, user: Float64Array },
  uint32: { code: 12, bits: 32, host: Uint32Array, user: Uint32Array },
  uint64: { code: 13, bits: 64, host: Float64Array, user: BigUint64Array },
  bfloat16: { code: 16, bits: 16, host: Float32Array, user: Uint16Array },
  float8e4m3fn: { code: 17, bits: 8, host: Float32Array, user: Uint8Array },
  float8e4m3fnuz: { code: 18, bits: 8, host: Float32Array, user: Uint8Array },
  float8e5m2: { code: 19, bits: 8, host: Float32Array, user: Uint8Array },
  float8e5m2fnuz: { code: 20, bits: 8, host: Float32Array, user: Uint8Array },
  uint4: { code: 21, bits: 4, host: Uint8Array, user: Uint8Array },
  int4: { code: 22, bits: 4, host: Int8Array, user: Int8Array },
  float4e2m1: { code: 23, bits: 4, host: Float32Array, user: Uint8Array },
  float8e8m0: { code: 24, bits: 8, host: Float32Array, user: Uint8Array },
  uint2: { code: 25, bits: 2, host: Uint8Array, user: Uint8Array },
  int2: { code: 26, bits: 2, host: Int8Array, user: Int8Array },
}
const STRING = 8

const names = new Map<number, ElementType>([
  [STRING, 'string'],
  ...Object.entries(described).map(([name, { code }]) => [code, name as ElementType] as const),
])

/** The names of all types. */
export const typeNames = (): string[] => [...names.values()]

/** Bits of an element in the file. */
export const bitsOf = (type: Exclude<ElementType, 'string'>): number => described[type].bits

/** The type that a number in the file stands for, if it is one of ours. */
export const typeOf = (code: number): ElementType | undefined => names.get(code)

/** The number that stands for a type in the file. */
export const codeOf = (type: ElementType): number => (type === 'string' ? STRING : described[type].code)

/** The type whose elements an array has by itself; undefined where it is none of the user's arrays. */
export const typeOfArray = (data: unknown): ElementType | undefined =>
  [...names.values()].find((type) => isUserArray(type, data))

const floats = new Set<ElementType>(['float32', 'float16', 'bfloat16', 'float64'])
export const isFloat = (type: ElementType): boolean => floats.has(type)

/** Whether float32 is enough for it. */
export const fitsEngine = (type: ElementType): boolean =>
  type !== 'string' && (isFloat(type) ? type !== 'float64' : described[type].bits <= 16)

/**
 * Whether its numbers are more than the engine's types hold, so that they stand on the host where they can.
 */
export const staysOnHost = (type: ElementType): boolean => type !== 'int32' && !fitsEngine(type)

/**
 * What the engine has for it: bytes are bytes, and other whole numbers int32, into which those of int64 are
 * brought that are indices; small floats are float32.
 */
export function dtypeOf(type: ElementType): DType {
  if (type === 'bool') return 'uint8'
  const [, unsigned, bits] = /^(u?)int(\d+)$/.exec(type) ?? []
  return bits === undefined ? 'float32' : Number(bits) > 8 ? 'int32' : unsigned ? 'uint8' : 'int8'
}

export const isHalf = (type: ElementType): boolean => type === 'float16' || type === 'bfloat16'

export function hostArray(type: ElementType, length: number): HostArray {
  return type === 'string' ? new Array<string>(length).fill('') : new described[type].host(length)
}

/** The name of the array that a user gives for a type. */
export const userArrayName = (type: ElementType): string =>
  type === 'string' ? 'string[]' : described[type].user.name

export const limit = (v: number, low: number, high: number): number => Math.min(Math.max(v, low), high)

export function roundToEven(value: number): number {
  const rounded = Math.round(value)
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}

/** The least and the largest number of a type of whole numbers. */
export function rangeOf(type: ElementType): [number, number] | undefined {
  const [, unsigned, bits] = /^(u?)int(\d+)$/.exec(type) ?? []
  if (!bits) return undefined
  return unsigned ? [0, 2 ** Number(bits) - 1] : [-(2 ** (Number(bits) - 1)), 2 ** (Number(bits) - 1) - 1]
}

/** A float of few bits: sign, exponent, fraction. */
interface SmallFloat {
  exponentBits: number
  fractionBits: number
  /** What is taken off the exponent. */
  bias: number
  /** The bits that stand for NaN. */
  nan: number
  /** The bits from which on, without the sign, there is no finite number. */
  end: number
}

/**
 * https://onnx.ai/onnx/technical/float8.html and float4.html; the NaN of the four-bit type, which has none,
 * is -0.
 */
const smallFloats: Partial<Record<ElementType, SmallFloat>> = {
  float8e4m3fn: { exponentBits: 4, fractionBits: 3, bias: 7, nan: 0x7f, end: 0x7f },
  float8e4m3fnuz: { exponentBits: 4, fractionBits: 3, bias: 8, nan: 0x80, end: 0x80 },
  float8e5m2: { exponentBits: 5, fractionBits: 2, bias: 15, nan: 0x7e, end: 0x7c },
  float8e5m2fnuz: { exponentBits: 5, fractionBits: 2, bias: 16, nan: 0x80, end: 0x80 },
  float4e2m1: { exponentBits: 2, fractionBits: 1, bias: 1, nan: 8, end: 8 },
}

function fromSmall(type: ElementType, bits: number): number {
  const float = smallFloats[type]
  if (!float) return bits === 255 ? Number.NaN : 2 ** (bits - 127)
  const { exponentBits, fractionBits, bias, nan, end } = float
  const sign = 1 << (exponentBits + fractionBits)
  const size = bits & (sign - 1)
  const infinite = size === end && type === 'float8e5m2'
  if ((size >= end && !infinite) || (bits === 0x80 && nan === 0x80)) return Number.NaN
  const exponent = size >> fractionBits
  const fraction = size & ((1 << fractionBits) - 1)
  const value = infinite
    ? Number.POSITIVE_INFINITY
    : 2 ** (Math.max(1, exponent) - bias - fractionBits) * (fraction + (exponent ? 1 << fractionBits : 0))
  return bits & sign ? -value : value
}

/** The bits of a number that `roundedTo` made. */
function toSmall(type: ElementType, value: number): number {
  const float = smallFloats[type]
  if (!float) return Number.isNaN(value) ? 255 : Math.round(Math.log2(value)) + 127
  const { exponentBits, fractionBits, bias, nan, end } = float
  if (Number.isNaN(value)) return nan
  const size = Math.abs(value)
  // Below the normal numbers the steps are those of the smallest exponent, whose own leading 1 counts it up.
  const exponent = Math.max(1, Math.floor(Math.log2(size)) + bias)
  const bits =
    size === Number.POSITIVE_INFINITY
      ? end
      : ((exponent - 1) << fractionBits) + size * 2 ** (fractionBits + bias - exponent)
  return bits | (value < 0 || Object.is(value, -0) ? 1 << (exponentBits + fractionBits) : 0)
}

/**
 * A function that rounds to the numbers of a type as the standard's Cast does: floats to even, whole numbers
 * to the low bits of what is before the point.
 */
export function roundedTo(type: ElementType, saturate = true, mode = 'up'): (v: number) => number {
  if (type === 'float16') return (v) => fromHalf(toHalf(v))
  if (type === 'bfloat16') return (v) => fromBrain(toBrain(v))
  if (type === 'bool') return (v) => Number(v !== 0)
  if (type === 'float8e8m0') return (v) => roundedToPower(Math.abs(v), saturate, mode)
  const float = smallFloats[type]
  if (float) {
    const { fractionBits, bias, nan, end } = float
    const most = fromSmall(type, end - 1)
    const zero = nan === 0x80 ? 0 : -0
    const beyond =
      saturate || nan === 8 ? most : type === 'float8e5m2' ? Number.POSITIVE_INFINITY : Number.NaN
    return (v) => {
      if (Number.isNaN(v)) return nan === 8 ? -0 : v
      const step = 2 ** (Math.max(1 - bias, Math.floor(Math.log2(Math.abs(v)))) - fractionBits)
      const size = Number.isFinite(v) ? roundToEven(Math.abs(v) / step) * step : v * v
      if (size === 0) return v < 0 || Object.is(v, -0) ? zero : 0
      return (size > most ? beyond : size) * Math.sign(v)
    }
  }
  if (isFloat(type) || type === 'string') return (v) => v
  const { bits } = described[type]
  if (bits >= 8) return Math.trunc
  const sign = type.startsWith('int') ? 1 << (bits - 1) : 0
  return (v) => ((v & ((1 << bits) - 1)) ^ sign) - sign
}

/** 2^-127 to 2^127; beyond them, unless it saturates, NaN. */
function roundedToPower(size: number, saturate: boolean, mode: string): number {
  if (Number.isNaN(size) || (size === Number.POSITIVE_INFINITY && !saturate)) return Number.NaN
  const down = Math.floor(Math.log2(size))
  const up = mode === 'up' ? 2 ** down < size : mode === 'nearest' && size >= 1.5 * 2 ** down
  const exponent = down + Number(up)
  return exponent > 127 && !saturate ? Number.NaN : 2 ** limit(exponent, -127, 127)
}

/** Whether it is a float of eight bits or four. */
export const isSmallFloat = (type: ElementType): boolean =>
  type.startsWith('float8') || type.startsWith('float4')

/** The user's array as the host's. The host's own types are not copied. */
export function toHost(type: ElementType, data: UserArray): HostArray {
  if (type === 'string') return data as string[]
  if (type === 'int64' || type === 'uint64') return fromWords(data as BigInt64Array, type === 'int64')
  if (type === 'float16') return fromHalves(data as Uint16Array)
  if (type === 'bfloat16') return fromBrains(data as Uint16Array)
  if (isSmallFloat(type)) return Float32Array.from(data as Uint8Array, (bits) => fromSmall(type, bits))
  return data as HostArray
}

/** The host's array as a new one for the user. */
export function toUser(type: ElementType, data: HostArray): UserArray {
  if (type === 'string') return [...(data as string[])]
  const numbers = data as Float64Array
  if (type === 'int64') return toWords(numbers, new BigInt64Array(numbers.length), -(2 ** 63), 2n ** 63n - 1n)
  if (type === 'uint64') return toWords(numbers, new BigUint64Array(numbers.length), 0, 2n ** 64n - 1n)
  if (type === 'float16') return toHalves(numbers)
  if (type === 'bfloat16') return toBrains(numbers)
  if (isSmallFloat(type)) return Uint8Array.from(numbers, (v) => toSmall(type, v))
  const copy = new described[type].user(data.length) as Float64Array
  copy.set(numbers)
  return copy
}

/**
 * Numbers of 64 bits by their halves: some 50 times as fast as BigInts, and rounded once, as they are. Of
 * most the upper half only repeats the sign.
 */
function fromWords(data: BigInt64Array, signed: boolean): Float64Array {
  const numbers = new Float64Array(data.length)
  const words = new Int32Array(data.buffer, data.byteOffset, 2 * data.length)
  for (let i = 0; i < numbers.length; i++) {
    const low = words[2 * i]!
    const high = words[2 * i + 1]!
    if (signed && high === low >> 31) numbers[i] = low
    else numbers[i] = (signed ? high : high >>> 0) * 2 ** 32 + (low >>> 0)
  }
  return numbers
}

/**
 * And back, without what is behind the point. The largest whole numbers are no float64: what was read as one
 * more is written as what it was.
 */
function toWords<T extends BigInt64Array | BigUint64Array>(
  numbers: Float64Array,
  to: T,
  low: number,
  high: bigint,
): T {
  const words = new Uint32Array(to.buffer)
  const most = Number(high)
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i]!
    if (value >= most) to[i] = high
    else if (value >= low) {
      const [whole, upper] = [Math.trunc(value), Math.floor(Math.trunc(value) / 2 ** 32)]
      words[2 * i] = whole - upper * 2 ** 32
      words[2 * i + 1] = upper
    } else to[i] = BigInt(Number.isNaN(value) ? 0 : low)
  }
  return to
}

/** Whether `data` is the array that a user gives for `type`. */
export function isUserArray(type: ElementType, data: unknown): data is UserArray {
  if (type === 'string') return Array.isArray(data) && data.every((item) => typeof item === 'string')
  const kind = arrayName(data)
  return kind === described[type].user.name || (type === 'uint8' && kind === 'Uint8ClampedArray')
}

export interface HostTensor {
  readonly type: ElementType
  readonly shape: Shape
  readonly data: HostArray
  /**
   * Float32 numbers as the file has them where no array can lie over them: copied once `data` is asked for.
   * The engine takes them as they are.
   */
  readonly bytes?: Uint8Array
  /** The numbers in an engine, where they went as they came in: `data` is a copy then, made anew. */
  readonly resident?: AnyTensor | undefined
  /** The same of halves. */
  readonly halves?: Halves | undefined
  /** The same of numbers of 64 bits, two words each: [size, 2]. */
  readonly words?: Tensor<'int32'> | undefined
}

/** Halves in an engine, as bytes, and of which type they are. */
export interface Halves {
  readonly type: ElementType
  readonly bytes: Tensor<'uint8'>
}

/**
 * The user's array whose elements are these bytes, copied so that they are aligned. `length` matters where
 * several elements share a byte.
 */
export function fromBytes(
  type: Exclude<ElementType, 'string'>,
  bytes: Uint8Array,
  length?: number,
): UserArray {
  const { user, bits } = described[type]
  if (bits < 8) {
    const each = 8 / bits
    const sign = type.startsWith('int') ? 1 << (bits - 1) : 0
    const element = (i: number) => (bytes[Math.floor(i / each)]! >> ((i % each) * bits)) & ((1 << bits) - 1)
    const elements = new user(length ?? bytes.length * each) as Uint8Array
    return elements.map((_, i) => (element(i) ^ sign) - sign)
  }
  const width = bits / 8
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes)
  const Constructor = user as unknown as new (
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ) => UserArray
  return new Constructor(aligned.buffer, aligned.byteOffset, Math.floor(aligned.byteLength / width))
}
