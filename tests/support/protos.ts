/** Attributes and tensors of a model's file, with numbers that nobody means. */
import type { AttributeProto, TensorProto } from '../../src/onnx/file/schema.js'
import {
  codeOf,
  type ElementType,
  type HostArray,
  toUser,
  typeNames,
  type UserArray,
} from '../../src/onnx/file/types.js'
import type { Random } from './random.js'
import { sizeOf } from './samples.js'

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const bytesOf = (data: Exclude<UserArray, string[]>): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()

/** Whole numbers that no attribute, length or index is meant to be, beside some that may be. */
export const WHOLE = [
  -1,
  0,
  1,
  2,
  3,
  5,
  7,
  64,
  1000,
  -2,
  -7,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 40,
  2 ** 53,
  -(2 ** 31),
  -(2 ** 63),
]
export const REAL = [Number.NaN, Infinity, -Infinity, 0, -0, -1, 0.5, 1e-45, 3.4e38, 2 ** 31]
const TEXTS = [
  '',
  'x',
  'SAME_UPPER',
  'NOTSET',
  'constant',
  'linear',
  'bidirectional',
  'none',
  'add',
  'Relu',
  'é\u0000',
  '__proto__',
  'constructor',
]
export const LENGTHS = [0, 1, 2, 3, 4, 5, 7]
export const TYPES = typeNames() as ElementType[]

/** The arrays of a few numbers in any type. */
export function arrayOf(type: ElementType, numbers: readonly number[]): UserArray {
  if (type === 'string') return numbers.map(String)
  return toUser(type, Float64Array.from(numbers) as HostArray)
}

const floatsOf = (numbers: readonly number[]): Uint8Array[] => [bytesOf(Float32Array.from(numbers))]

/** A tensor as messages have it; numbers of less than a byte stand in `int32Data`, packed or not. */
export function tensorProto(
  type: ElementType,
  shape: readonly number[],
  numbers: readonly number[],
): TensorProto {
  const blank = {
    floatData: [],
    int32Data: [],
    stringData: [],
    int64Data: [],
    doubleData: [],
    uint64Data: [],
    externalData: [],
    dataLocation: 0,
  }
  const data = arrayOf(type, numbers)
  return {
    ...blank,
    name: '',
    dims: [...shape],
    dataType: codeOf(type),
    ...(Array.isArray(data) ? { stringData: data.map(text) } : { rawData: bytesOf(data) }),
  }
}

const blankAttribute = (name: string): AttributeProto => ({
  name,
  f: 0,
  i: 0,
  floats: [],
  ints: [],
  strings: [],
  graphs: [],
  type: 0,
  refAttrName: '',
})

/** An attribute of each kind of the standard's. */
export function attributeOf(kind: number, name: string, random: Random): AttributeProto {
  const list = <T>(values: readonly T[]) =>
    Array.from({ length: random.integer(0, 5) }, () => random.pick(values))
  const all: Partial<Record<number, () => Partial<AttributeProto>>> = {
    1: () => ({ f: random.pick(REAL) }),
    2: () => ({ i: random.pick(WHOLE) }),
    3: () => ({ s: text(random.pick(TEXTS)) }),
    4: () => ({ t: anyTensor(random) }),
    5: () => ({
      g: { node: [], name: '', initializer: [], sparseInitializer: [], input: [], output: [], valueInfo: [] },
    }),
    6: () => ({ floats: floatsOf(list(REAL)) }),
    7: () => ({ ints: list(WHOLE) }),
    8: () => ({ strings: list(TEXTS).map(text) }),
  }
  return { ...blankAttribute(name), ...(all[kind] ?? (() => ({})))(), type: kind }
}

export const anyShape = (random: Random): number[] =>
  Array.from({ length: random.integer(0, random.next() < 0.2 ? 9 : 4) }, () =>
    random.pick(random.next() < 0.8 ? [1, 2, 3] : [0, 1, 2, 3, 4]),
  )
export const anyNumbers = (random: Random, count: number, whole = random.next() < 0.5): number[] =>
  Array.from({ length: count }, () =>
    random.pick<number>(whole ? WHOLE : random.next() < 0.7 ? [0, 1, 2] : REAL),
  )

function anyTensor(random: Random): TensorProto {
  const shape = anyShape(random)
  const type = random.pick(TYPES)
  return tensorProto(type, shape, anyNumbers(random, sizeOf(shape)))
}
