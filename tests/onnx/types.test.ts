/** Numbers of few bits, and the fields of a file that hold them. */
import { PbfWriter } from 'pbf'
import { describe, expect, it } from 'vitest'
import { decodeTensor } from '../../src/onnx/file/decode.js'
import { readTensor } from '../../src/onnx/file/schema.js'
import { codeOf, type ElementType, roundedTo, toHost, toUser } from '../../src/onnx/file/types.js'
import { Random } from '../support/random.js'

/**
 * What the bits of a type say, by the tables of https://onnx.ai/onnx/technical/float8.html and float4.html,
 * and of bfloat16.
 */
function numberOf(bits: number, exponentBits: number, fractionBits: number, bias: number): number {
  const sign = (bits >> (exponentBits + fractionBits)) & 1 ? -1 : 1
  const exponent = (bits >> fractionBits) & ((1 << exponentBits) - 1)
  const fraction = (bits & ((1 << fractionBits) - 1)) / (1 << fractionBits)
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias))
}

/** The number of each of a type's bits. */
const tables: Partial<Record<ElementType, number[]>> = {
  float8e4m3fn: Array.from({ length: 256 }, (_, bits) =>
    (bits & 0x7f) === 0x7f ? Number.NaN : numberOf(bits, 4, 3, 7),
  ),
  float8e4m3fnuz: Array.from({ length: 256 }, (_, bits) =>
    bits === 0x80 ? Number.NaN : numberOf(bits, 4, 3, 8),
  ),
  float8e5m2: Array.from({ length: 256 }, (_, bits) =>
    (bits & 0x7f) > 0x7c
      ? Number.NaN
      : (bits & 0x7f) === 0x7c
        ? Infinity * numberOf(bits, 5, 2, 15)
        : numberOf(bits, 5, 2, 15),
  ),
  float8e5m2fnuz: Array.from({ length: 256 }, (_, bits) =>
    bits === 0x80 ? Number.NaN : numberOf(bits, 5, 2, 16),
  ),
  float8e8m0: Array.from({ length: 256 }, (_, bits) => (bits === 255 ? Number.NaN : 2 ** (bits - 127))),
  float4e2m1: [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6],
}

describe.each(Object.entries(tables) as [ElementType, number[]][])('%s', (type, table) => {
  const every = Uint8Array.from(table.keys())

  it('is read from its bits and written as them', () => {
    expect([...toHost(type, every)]).toEqual(table)
    const back = toUser(type, toHost(type, every)) as Uint8Array
    for (const [bits, value] of table.entries()) {
      // There may be more than one NaN, of which one is written.
      if (Number.isNaN(value)) expect(table[back[bits]!]).toBeNaN()
      else expect(back[bits]).toBe(bits)
    }
  })

  if (type !== 'float8e8m0')
    it('is the nearest number of the type, halfway between two the one of even bits', () => {
      const round = roundedTo(type)
      const finite = [...table.entries()].filter(([, value]) => Number.isFinite(value))
      const largest = finite.reduce((most, [, value]) => Math.max(most, value), 0)
      const positive = finite
        .filter(([, value]) => value > 0 || Object.is(value, 0))
        .map(([, value]) => value)
      const halves = positive.slice(1).map((value, i) => (value + positive[i]!) / 2)
      const random = new Random(20261128)
      const samples = Array.from(
        { length: 2000 },
        () => largest * random.next() * 2 ** -random.integer(0, 20),
      )
      for (const v of [...positive, ...halves, ...samples]
        .flatMap((size) => [size, -size])
        .map(Math.fround)) {
        const [bits, nearest] = finite.reduce((best, next) => {
          const difference = Math.abs(next[1] - v) - Math.abs(best[1] - v)
          return difference < 0 || (difference === 0 && next[0] % 2 === 0 && best[0] % 2 === 1) ? next : best
        })
        expect(round(v) + 0, `${v}, bits ${bits}`).toBe(nearest + 0)
      }
      expect(round(largest * 4)).toBe(largest)
      expect(round(-Infinity)).toBe(-largest)
    })
})

it('powers of two: up, down or the nearest, and none beyond the ends', () => {
  for (const [mode, wanted] of [
    ['up', [4, 4, 8, 8]],
    ['down', [4, 2, 4, 4]],
    ['nearest', [4, 4, 4, 8]],
  ] as const)
    expect([4, 3, 5, 6].map(roundedTo('float8e8m0', true, mode)), mode).toEqual(wanted)
  const [most, open] = [roundedTo('float8e8m0'), roundedTo('float8e8m0', false)]
  expect([0, 1e-40, 3e38, Infinity, Number.NaN].map(most)).toEqual([
    2 ** -127,
    2 ** -127,
    2 ** 127,
    2 ** 127,
    Number.NaN,
  ])
  expect([3e38, Infinity].map(open)).toEqual([Number.NaN, Number.NaN])
})

describe("a file's tensor", () => {
  interface Fields {
    floats?: number[]
    ints?: number[]
    longs?: number[]
    doubles?: number[]
    unsigned?: number[]
    raw?: number[]
  }
  /** The fields of the standard's TensorProto, by their numbers there. */
  function tensor(
    type: ElementType,
    shape: number[],
    { floats, ints, longs, doubles, unsigned, raw }: Fields,
  ) {
    const writer = new PbfWriter()
    for (const length of shape) writer.writeVarintField(1, length)
    writer.writeVarintField(2, codeOf(type))
    if (floats) writer.writePackedFloat(4, floats)
    if (ints) writer.writePackedVarint(5, ints)
    if (longs) writer.writePackedVarint(7, longs)
    if (raw) writer.writeBytesField(9, Uint8Array.from(raw))
    if (doubles) writer.writePackedDouble(10, doubles)
    if (unsigned) writer.writePackedVarint(11, unsigned)
    return decodeTensor(readTensor(writer.finish()))
  }

  it.each<[ElementType, Fields, number[]]>([
    ['float32', { floats: [1.5, -2] }, [1.5, -2]],
    ['float64', { doubles: [1e300, -0.1] }, [1e300, -0.1]],
    ['int64', { longs: [2 ** 40, -5] }, [2 ** 40, -5]],
    ['uint64', { unsigned: [2 ** 40, 5] }, [2 ** 40, 5]],
    ['uint32', { unsigned: [2 ** 32 - 1, 5] }, [2 ** 32 - 1, 5]],
    ['int32', { ints: [-7, 8] }, [-7, 8]],
    ['int8', { ints: [-128, 127] }, [-128, 127]],
    ['uint16', { ints: [65535, 0] }, [65535, 0]],
    ['bool', { ints: [1, 0] }, [1, 0]],
    ['float16', { ints: [0x3c00, 0xc000] }, [1, -2]],
    ['bfloat16', { ints: [0x3f80, 0xc000] }, [1, -2]],
    ['float8e5m2', { ints: [0x3c, 0xc0] }, [1, -2]],
    ['int4', { ints: [0x7f] }, [-1, 7]],
    ['uint4', { ints: [0x7f] }, [15, 7]],
    ['float4e2m1', { ints: [0x1a] }, [-1, 0.5]],
  ])('of %s keeps its numbers in the field of its type', (type, fields, numbers) => {
    const { data, shape } = tensor(type, [numbers.length], fields)
    expect([...shape]).toEqual([numbers.length])
    expect([...data]).toEqual(numbers)
  })

  // The lower bits come first; the last byte need not be full.
  it.each<[ElementType, number[], number[]]>([
    ['int4', [0x8f, 0x07], [-1, -8, 7]],
    ['uint4', [0x8f, 0x07], [15, 8, 7]],
    ['int2', [0b11100100, 0b10], [0, 1, -2, -1, -2]],
    ['uint2', [0b11100100, 0b10], [0, 1, 2, 3, 2]],
    ['float4e2m1', [0xf2, 0x01], [1, -6, 0.5]],
  ])('of %s shares bytes between its numbers', (type, raw, numbers) => {
    expect([...tensor(type, [numbers.length], { raw }).data]).toEqual(numbers)
  })

  it('of another length than its shape says so', () => {
    expect(() => tensor('int4', [5], { raw: [1, 2] })).toThrow(/must be 3 bytes, got 2/)
    expect(() => tensor('int32', [3], { ints: [1, 2] })).toThrow(/must be 3 elements, got 2/)
  })

  it('keeps floats that stand in the file piece by piece', () => {
    const writer = new PbfWriter()
    writer.writeVarintField(1, 3)
    writer.writeVarintField(2, codeOf('float32'))
    for (const v of [1, 2.5, -3]) writer.writePackedFloat(4, [v])
    expect([...decodeTensor(readTensor(writer.finish())).data]).toEqual([1, 2.5, -3])
  })
})

describe('64 bits', () => {
  const random = new Random(64)
  const sizes = Array.from({ length: 500 }, (_, i) => {
    const word = () => BigInt(random.integer(0, 2 ** 32 - 1))
    return BigInt.asIntN(64, ((word() << 32n) | word()) >> BigInt(i % 64))
  })
  const edges = [
    0n,
    1n,
    -1n,
    2n ** 31n,
    -(2n ** 31n),
    2n ** 32n - 1n,
    2n ** 53n + 1n,
    -(2n ** 63n),
    2n ** 63n - 1n,
  ]
  const every = [...edges, ...sizes, ...sizes.map((value) => -value)]

  it.each(['int64', 'uint64'] as const)('%s are the nearest numbers, and back', (type) => {
    const given = (type === 'int64' ? BigInt64Array : BigUint64Array).from(
      every.map((value) => (type === 'int64' ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value))),
    )
    // In the midst of a buffer.
    const part = given.subarray(1)
    const numbers = toHost(type, part) as Float64Array
    expect([...numbers]).toEqual(Array.from(part as BigInt64Array, Number))
    const [low, high] = type === 'int64' ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n]
    const limited = (value: number) => {
      const whole = Number.isFinite(value) ? BigInt(Math.trunc(value)) : value > 0 ? high : low
      return Number.isNaN(value) ? 0n : whole < low ? low : whole > high ? high : whole
    }
    const others = Float64Array.of(
      ...numbers,
      -1.5,
      1.5,
      -0.5,
      Number.NaN,
      1e30,
      -1e30,
      Infinity,
      -Infinity,
      -0,
    )
    expect([...(toUser(type, others) as BigInt64Array)]).toEqual([...others].map(limited))
  })
})
