import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { fromHalf, toHalf } from '../../src/onnx/file/halves.js'
import { codeOf, type ElementType, toHost, toUser } from '../../src/onnx/file/types.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { node } from '../support/onnx.js'

const every = Uint16Array.from({ length: 65536 }, (_, i) => i)

describe('floats of 16 bits', () => {
  it('float16: all of them, by their definition', () => {
    const numbers = toHost('float16', every) as Float32Array
    for (const half of every) {
      const [sign, exponent, fraction] = [half & 0x8000 ? -1 : 1, (half >> 10) & 31, half & 1023]
      const size =
        exponent === 31
          ? fraction
            ? Number.NaN
            : Number.POSITIVE_INFINITY
          : exponent
            ? (1 + fraction / 1024) * 2 ** (exponent - 15)
            : fraction * 2 ** -24
      const want = sign * size
      if (!Object.is(numbers[half], want) || !Object.is(fromHalf(half), want))
        expect.fail(`${half}: ${numbers[half]} and ${fromHalf(half)} for ${want}`)
    }
  })

  it('float16: the nearest to a float32, of two that are as near the even one', () => {
    const halves = [...every].filter((half) => (half & 0x7fff) < 0x7c00)
    expect(Array.from(toUser('float16', Float32Array.from(halves, fromHalf)) as Uint16Array)).toEqual(halves)
    const between = halves.flatMap((half) => {
      const above = half + 1
      const [a, b] = [
        fromHalf(half),
        (half & 0x7fff) === 0x7bff ? Math.sign(fromHalf(half)) * 65536 : fromHalf(above),
      ]
      const near = (b - a) / 1024
      const middle = (a + b) / 2
      return [
        { v: middle, want: half % 2 ? above : half },
        { v: middle - near, want: half },
        { v: middle + near, want: above },
      ]
    })
    const numbers = Float32Array.from(between, ({ v }) => v)
    const got = toUser('float16', numbers) as Uint16Array
    between.forEach(({ v, want }, i) => {
      if (got[i] !== want || toHalf(v) !== want) expect.fail(`${v}: ${got[i]} and ${toHalf(v)} for ${want}`)
    })
    const beyond = Float32Array.of(Number.NaN, 1e9, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0)
    expect([...(toUser('float16', beyond) as Uint16Array)]).toEqual([0x7e00, 0x7c00, 0x7c00, 0xfc00, 0x8000])
    // The numbers of the host that are float64.
    expect([...(toUser('float16', Float64Array.of(1, 65519.9, 2 ** -25)) as Uint16Array)]).toEqual([
      0x3c00, 0x7bff, 0,
    ])
  })

  it('bfloat16: the upper half of a float32', () => {
    const numbers = toHost('bfloat16', every) as Float32Array
    const view = new DataView(new ArrayBuffer(4))
    for (const brain of every) {
      view.setUint16(0, brain)
      if (!Object.is(numbers[brain], view.getFloat32(0)))
        expect.fail(`${brain}: ${numbers[brain]} for ${view.getFloat32(0)}`)
    }
  })
})

describe.each(['simd128', 'relaxed'] as const)('casts by kernels, %s', (simd) => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1, simd })
  })
  afterAll(() => engine.dispose())

  const same = (got: unknown, wanted: unknown) => expect(isDeepStrictEqual(got, wanted)).toBe(true)

  /** What `Cast` makes of an input, in the first run and in a replay. */
  async function casted(data: Uint16Array | Float32Array, from: ElementType, to: ElementType) {
    using model = await loadModel(
      engine,
      writeModel({
        nodes: [node('Cast', ['x'], ['y'], { to: codeOf(to) })],
        inputs: [{ name: 'x', type: from, shape: [data.length] }],
        outputs: [{ name: 'y', type: to, shape: [data.length] }],
      }),
    )
    const first = model.run({ x: data })['y']!.data
    same(model.run({ x: data })['y']!.data, first)
    return first
  }

  // The last vectors are not full.
  it.each([65536, 65535, 9, 1])('float16 as float32 and back: the last %i of all', async (count) => {
    const halves = every.subarray(65536 - count)
    const floats = (await casted(halves, 'float16', 'float32')) as Float32Array
    same(floats, toHost('float16', halves))
    same(await casted(floats, 'float32', 'float16'), toUser('float16', floats))
  })

  it('float32 as float16: around every half, and beyond them', async () => {
    const floats = new Float32Array(5 * 65536)
    const bits = new Uint32Array(floats.buffer)
    every.forEach((half, i) => {
      floats.fill(fromHalf(half), 5 * i, 5 * i + 5)
      // Half a step on is a tie.
      for (const [k, step] of [0, 0x0fff, 0x1000, 0x1001, 0x1fff].entries()) bits[5 * i + k]! += step
    })
    same(await casted(floats, 'float32', 'float16'), toUser('float16', floats))
    const few = Float32Array.of(1e9, -1e9, 2 ** -25, 2 ** -24.9, -(2 ** -26), 2 ** -126, 2 ** -149)
    expect(await casted(few, 'float32', 'float16')).toEqual(toUser('float16', few))
  })

  it('float32 as bytes: by their lowest bits, toward zero', async () => {
    const numbers = Float32Array.of(
      ...[0, 1.9, -1.9, 255, 256, 300.7, -1, -128, -129, 1000, 2 ** 31, -(2 ** 31), 2 ** 40],
      ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
      ...Array.from({ length: 33 }, (_, i) => (i - 16) * 37.5),
    )
    const low = (v: number) => (Math.abs(v) < 2 ** 31 ? Math.trunc(v) & 255 : 0)
    const wanted = Uint8Array.from(numbers, low)
    expect(await casted(numbers, 'float32', 'uint8')).toEqual(wanted)
    expect(await casted(numbers, 'float32', 'int8')).toEqual(new Int8Array(wanted.buffer))
  })

  it('float32 as int32 and float64', async () => {
    const numbers = Float32Array.of(0, 1.9, -1.9, 16777217, -2e9, 2e9, Number.NaN)
    expect(await casted(numbers, 'float32', 'int32')).toEqual(Int32Array.from(numbers))
    expect(await casted(numbers, 'float32', 'float64')).toEqual(Float64Array.from(numbers))
  })
})
