import { describe, expect, it } from 'vitest'
import { fromImage, fromImageData, type Samples } from '../../src/image/index.js'
import { flip, pad, resize, slice, type Tensor } from '../../src/index.js'
import { expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

const random = new Random(3)
const noise = (width: number, height: number, c = 4): Samples & { data: Uint8Array } => ({
  data: Uint8Array.from({ length: width * height * c }, () => random.integer(0, 255)),
  width,
  height,
})

/** What a browser has of a frame, as far as it is read. */
function frameOf(
  format: 'I420' | 'NV12',
  [w, h]: [number, number],
  bytes: Uint8Array,
  matrix: string | null,
) {
  const [cw, ch] = [Math.ceil(w / 2), Math.ceil(h / 2)]
  const sizes = format === 'I420' ? [w * h, cw * ch, cw * ch] : [w * h, 2 * cw * ch]
  const strides = format === 'I420' ? [w, cw, cw] : [w, 2 * cw]
  const offsets = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0))
  return {
    [Symbol.toStringTag]: 'VideoFrame',
    format,
    visibleRect: { width: w, height: h },
    colorSpace: { matrix, fullRange: null },
    allocationSize: () => bytes.length,
    async copyTo(to: Uint8Array) {
      to.set(bytes)
      return strides.map((stride, i) => ({ offset: offsets[i]!, stride }))
    },
  } as unknown as VideoFrame
}

/** The tensor of a promise, with these numbers; disposed then. */
async function expectNumbers(promise: Promise<Tensor>, expected: ArrayLike<number>, tolerance: number) {
  using x = await promise
  expectValues(x, { shape: [...x.shape], data: Float32Array.from(expected) } as reference.Values, tolerance)
}

describe('fromImage', () => {
  inEveryBuild((engine) => {
    it('fits, cuts, pads and scales', async () => {
      const picture = noise(12, 8)
      const settings = { mean: [0.1, 0.2, 0.3], std: [0.5, 1, 2] }
      using x = fromImageData(engine(), picture)
      using scaled = fromImageData(engine(), picture, settings)
      await expectNumbers(fromImage(engine(), picture, settings), scaled.toArray(), 1e-6)
      using small = resize(scaled, { size: [3, 5], antialias: true })
      await expectNumbers(fromImage(engine(), picture, { ...settings, size: [3, 5] }), small.toArray(), 1e-5)
      using cut = slice(x, { begin: [0, 0, 2, 0], end: [1, 8, 10, 3] })
      await expectNumbers(
        fromImage(engine(), picture, { size: 4, fit: 'cover' }),
        engine().scope(() => resize(cut, { size: 4, antialias: true }).toArray()),
        1e-5,
      )
      using nearer = resize(x, { size: [4, 6], antialias: true })
      using inner = flip(nearer, { axes: [3] })
      using padded = pad(inner, {
        padding: [
          [0, 0],
          [1, 1],
          [0, 0],
          [0, 0],
        ],
      })
      const framed = padded.toArray()
      const bgr = { size: 6, fit: 'contain', channels: 'bgr', range: [-10, 245], mean: [1, 2, 3] } as const
      await expectNumbers(
        fromImage(engine(), picture, bgr),
        framed.map((v, i) => v * 255 - 10 - ((i % 3) + 1)),
        1e-3,
      )
    })

    it('takes gray, 16 bits and floats', async () => {
      const rgb = noise(3, 2, 3)
      const values = Float32Array.from(rgb.data, (v) => v / 255)
      await expectNumbers(fromImage(engine(), rgb), values, 1e-6)
      await expectNumbers(fromImage(engine(), { ...rgb, data: values }), values, 1e-6)
      const words = Uint16Array.from(rgb.data, (v) => v * 257)
      await expectNumbers(fromImage(engine(), { ...rgb, data: words }), values, 1e-6)
      const gray = noise(3, 2, 1)
      const luma = Array.from(gray.data, (v) => v / 255)
      await expectNumbers(fromImage(engine(), gray, { channels: 'gray' }), luma, 1e-6)
    })

    for (const format of ['I420', 'NV12'] as const)
      it(`converts ${format} by its matrix`, async () => {
        const [w, h, cw, ch] = [5, 3, 3, 2]
        const bytes = noise(w * h + 2 * cw * ch, 1, 1).data
        const [u, v] = format === 'I420' ? [w * h, w * h + cw * ch] : [w * h, w * h + 1]
        const step = format === 'I420' ? 1 : 2
        const plane = (at: number) =>
          engine().scope(() =>
            resize(
              engine().tensor(
                Float32Array.from({ length: cw * ch }, (_, i) => bytes[at + i * step]!),
                [1, ch, cw, 1],
              ),
              { size: [2 * ch, 2 * cw] },
            ).toArray(),
          )
        const [us, vs] = [plane(u), plane(v)]
        const expected = reference.build([1, h, w, 3], (_, y, x, channel) => {
          const luma = (bytes[y! * w + x!]! - 16) / 219
          const cb = (us[y! * 2 * cw + x!]! - 128) / 224
          const cr = (vs[y! * 2 * cw + x!]! - 128) / 224
          // ITU-R BT.601
          return [luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb][channel!]!
        })
        await expectNumbers(
          fromImage(engine(), frameOf(format, [w, h], bytes, 'smpte170m')),
          expected.data,
          1e-5,
        )
      })

    it('says what it refuses, and leaves nothing', async () => {
      const before = engine().memory().live
      const refused = (source: unknown, text: string, options = {}) =>
        expect(fromImage(engine(), source as Samples, options)).rejects.toThrow(text)
      await refused(3, 'fromImage: source must be')
      const decodes = typeof createImageBitmap === 'function'
      await refused(new Blob([]), decodes ? 'that is no picture' : 'cannot decode')
      await refused({ data: new Uint8Array(5), width: 1, height: 1 }, '5 samples for 1 x 1')
      await refused({ data: new Uint8Array(0), width: 0, height: 1 }, '0 x 1 pixels')
      await refused({ data: new Int8Array(4), width: 1, height: 1 }, 'Int8Array')
      await refused(noise(1, 1), 'size', { size: 0 })
      await refused(noise(1, 1), 'fit', { fit: 'crop' })
      await refused(noise(1, 1), 'std', { std: 0 })
      await refused(noise(1, 1), 'range', { range: [0] })
      expect(engine().memory().live).toEqual(before)
    })
  })
})
