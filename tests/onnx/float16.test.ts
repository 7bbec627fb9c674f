import { describe, expect, it } from 'vitest'
import { fromHalf, toHalf } from '../../src/onnx/file/halves.js'
import { toHost, toUser } from '../../src/onnx/file/types.js'

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
