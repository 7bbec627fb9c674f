import { describe, expect, it } from 'vitest'
import { fromHalf, toHost } from '../../src/onnx/file/types.js'

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
