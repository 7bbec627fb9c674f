/**
 * The types of elements that ONNX knows, in three forms: the bytes of the file, the array that a user gives and gets, and the host's array of plain numbers
 * that operators work on. There int64 and uint64 are float64 numbers: exact up to 2^53.
 */
import { check, show } from '../errors.js'
import { type Shape, sizeOf } from '../shape.js'
import type { TensorProto } from './schema.js'

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

/** What operators work on. */
export type HostArray = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | string[]
/** What users give and get: float16 and bfloat16 as their bits. */
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
  /** Bytes of an element in the file; 0 for strings. */
  bytes: number
  host: new (length: number) => Exclude<HostArray, string[]>
  user: { new (length: number): Exclude<UserArray, string[]>; name: string }
}

const described: Record<Exclude<ElementType, 'string'>, Described> = {
  float32: { code: 1, bytes: 4, host: Float32Array, user: Float32Array },
  uint8: { code: 2, bytes: 1, host: Uint8Array, user: Uint8Array },
  int8: { code: 3, bytes: 1, host: Int8Array, user: Int8Array },
  uint16: { code: 4, bytes: 2, host: Uint16Array, user: Uint16Array },
  int16: { code: 5, bytes: 2, host: Int16Array, user: Int16Array },
  int32: { code: 6, bytes: 4, host: Int32Array, user: Int32Array },
  int64: { code: 7, bytes: 8, host: Float64Array, user: BigInt64Array },
  bool: { code: 9, bytes: 1, host: Uint8Array, user: Uint8Array },
  float16: { code: 10, bytes: 2, host: Float32Array, user: Uint16Array },
  float64: { code: 11, bytes: 8, host: Float64Array, user: Float64Array },
  uint32: { code: 12, bytes: 4, host: Uint32Array, user: Uint32Array },
  uint64: { code: 13, bytes: 8, host: Float64Array, user: BigUint64Array },
  bfloat16: { code: 16, bytes: 2, host: Float32Array, user: Uint16Array },
}
const STRING = 8

const names = new Map<number, ElementType>([[STRING, 'string'], ...Object.entries(described).map(([name, { code }]) => [code, name as ElementType] as const)])

/** The type that a number in the file stands for, if it is one of ours. */
export const typeOf = (code: number): ElementType | undefined => names.get(code)

/** The number that stands for a type in the file. */
export const codeOf = (type: ElementType): number => (type === 'string' ? STRING : described[type].code)

/** The type whose elements an array has by itself; undefined where it is none of the user's arrays. */
export const typeOfArray = (data: unknown): ElementType | undefined => [...names.values()].find((type) => isUserArray(type, data))

const floats = new Set<ElementType>(['float32', 'float16', 'bfloat16', 'float64'])
/** Whether the engine computes with it, in float32. */
export const isFloat = (type: ElementType): boolean => floats.has(type)

export const isHalf = (type: ElementType): boolean => type === 'float16' || type === 'bfloat16'

export function hostArray(type: ElementType, length: number): HostArray {
  return type === 'string' ? new Array<string>(length).fill('') : new described[type].host(length)
}

/** The name of the array that a user gives for a type. */
export const userArrayName = (type: ElementType): string => (type === 'string' ? 'string[]' : described[type].user.name)

/** float32 of the 16 bits of an IEEE half. */
export function fromHalf(bits: number): number {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const size = exponent === 31 ? (fraction ? Number.NaN : Number.POSITIVE_INFINITY) : exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction
  return bits & 0x8000 ? -size : size
}

const word = new Float32Array(1)
const bitsOfWord = new Uint32Array(word.buffer)

/** The 16 bits of the IEEE half nearest to a float32; ties to even, too large to infinity. */
export function toHalf(value: number): number {
  word[0] = value
  const bits = bitsOfWord[0]!
  const sign = (bits >>> 16) & 0x8000
  const size = Math.abs(word[0])
  if (Number.isNaN(size)) return sign | 0x7e00
  if (size >= 65520) return sign | 0x7c00
  // Below the normal halves all are 2^-24 apart; above, a half keeps 10 of 23 bits.
  if (size < 2 ** -14) return sign | roundToEven(size * 2 ** 24)
  const rest = bits & 0x7fffffff
  return sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13)
}

export function roundToEven(value: number): number {
  const rounded = Math.round(value)
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}

const fromBrain = (bits: number): number => {
  bitsOfWord[0] = bits << 16
  return word[0]!
}

function toBrain(value: number): number {
  word[0] = value
  const bits = bitsOfWord[0]!
  return Number.isNaN(value) ? 0x7fc0 : ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

/** The user's array as the host's. The host's own types are not copied. */
export function toHost(type: ElementType, data: UserArray): HostArray {
  if (type === 'string') return data as string[]
  if (type === 'int64' || type === 'uint64') return Float64Array.from(data as BigInt64Array, Number)
  if (type === 'float16') return Float32Array.from(data as Uint16Array, fromHalf)
  if (type === 'bfloat16') return Float32Array.from(data as Uint16Array, fromBrain)
  return data as HostArray
}

/** The host's array as a new one for the user. */
export function toUser(type: ElementType, data: HostArray): UserArray {
  if (type === 'string') return [...(data as string[])]
  const numbers = data as Float64Array
  if (type === 'int64') return BigInt64Array.from({ length: numbers.length }, (_, i) => toInt64(numbers[i]!))
  if (type === 'uint64') return BigUint64Array.from({ length: numbers.length }, (_, i) => BigInt(Math.max(0, numbers[i]!)))
  if (type === 'float16') return Uint16Array.from(numbers, toHalf)
  if (type === 'bfloat16') return Uint16Array.from(numbers, toBrain)
  const copy = new described[type].user(data.length) as Float64Array
  copy.set(numbers)
  return copy
}

/** 2^63 - 1 is no float64: what was read as 2^63 is written as what it was. */
const toInt64 = (value: number): bigint => (value >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(value))

/** Whether `data` is the array that a user gives for `type`. */
export function isUserArray(type: ElementType, data: unknown): data is UserArray {
  if (type === 'string') return Array.isArray(data) && data.every((item) => typeof item === 'string')
  if (type === 'uint8' && data instanceof Uint8ClampedArray) return true
  if (type === 'float16' && Object.prototype.toString.call(data) === '[object Float16Array]') return true
  return data instanceof described[type].user
}

/** The user's array whose elements are these bytes, copied so that they are aligned. */
function fromBytes(type: Exclude<ElementType, 'string'>, bytes: Uint8Array): UserArray {
  const { user } = described[type]
  const aligned = bytes.byteOffset % described[type].bytes === 0 ? bytes : new Uint8Array(bytes)
  const Constructor = user as unknown as new (buffer: ArrayBufferLike, offset: number, length: number) => UserArray
  return new Constructor(aligned.buffer, aligned.byteOffset, Math.floor(aligned.byteLength / described[type].bytes))
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

/** A list of floats as an attribute has it. */
export const floatsOf = (pieces: readonly Uint8Array[]): number[] => Array.from(fromBytes('float32', joined(pieces)) as Float32Array)

export interface HostTensor {
  type: ElementType
  shape: Shape
  data: HostArray
}

/** What a tensor of the file holds: from its raw bytes, or from the typed fields that older files use. */
export function decodeTensor(proto: TensorProto, external?: Uint8Array): HostTensor {
  const { dims: shape, dataType, name } = proto
  const type = typeOf(dataType)
  const fail = (expected: string, got: string) => () => ({
    op: 'loadModel',
    argument: `tensor ${show(name)}`,
    expected,
    got,
    shapes: { [name || 'tensor']: shape },
  })
  check(type !== undefined, fail(`one of the types ${[...names.values()].join(', ')}`, `type ${dataType} of the ONNX standard`))
  check(shape.every((length) => length >= 0), fail('lengths of at least 0', show(shape))) // biome-ignore format: one check
  const size = sizeOf(shape)
  let data: HostArray
  const raw = external ?? proto.rawData
  if (type === 'string') data = proto.stringData.map((bytes) => new TextDecoder().decode(bytes))
  else if (raw) {
    check(raw.length === size * described[type].bytes, fail(`${size * described[type].bytes} bytes`, `${raw.length}`))
    data = toHost(type, fromBytes(type, raw))
  } else {
    if (type === 'float32') data = fromBytes(type, joined(proto.floatData)) as HostArray
    else if (type === 'float64') data = fromBytes(type, joined(proto.doubleData)) as HostArray
    else if (type === 'int64') data = Float64Array.from(proto.int64Data)
    else if (type === 'uint64' || type === 'uint32') data = filled(type, proto.uint64Data.length, proto.uint64Data)
    else if (type === 'float16' || type === 'bfloat16') data = toHost(type, Uint16Array.from(proto.int32Data))
    else data = filled(type, proto.int32Data.length, proto.int32Data)
  }
  check(data.length === size, fail(`${size} elements`, `${data.length}`))
  return { type, shape, data }
}

function filled(type: ElementType, length: number, numbers: readonly number[]): HostArray {
  const data = hostArray(type, length) as Float64Array
  numbers.forEach((value, i) => {
    data[i] = value
  })
  return data
}
