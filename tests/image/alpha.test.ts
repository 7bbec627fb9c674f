import { describe, expect, it } from 'vitest'
import * as image from '../../src/image/index.js'
import { inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import type { Values } from '../support/reference.js'
import { gaussianKernel, weighedFilter } from '../support/referenceImage.js'

const borders = ['replicate', 'reflect101', 'wrap', 'zero'] as const
const emboss = [
  [-2, -1, 0],
  [-1, 1, 1],
  [0, 1, 2],
]

/** Elements of a kind. */
function fill(
  Kind: new (length: number) => image.PixelArray,
  length: number,
  f: (i: number) => number,
): image.PixelArray {
  const made = new Kind(length)
  for (let i = 0; i < length; i++) made[i] = f(i)
  return made
}

/** Noise that is transparent in places, and nearly so in others. */
function clouds(width: number, height: number): { data: Uint8ClampedArray; width: number; height: number } {
  const random = new Random(9)
  const alpha = () => random.pick([0, 0, 255, 255, 1, 128, 254])
  return {
    data: Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) =>
      i % 4 === 3 ? alpha() : random.integer(0, 255),
    ),
    width,
    height,
  }
}

const unit = ({ data, width, height }: image.Pixels): Values => ({
  shape: [1, height, width, 4],
  data: Float64Array.from(data, (v) => v / 255),
})

describe('filters of pictures that are transparent in places', () => {
  inEveryBuild((engine) => {
    it('let no colour out of what is transparent', () => {
      const opaque = [255, 255, 255, 255]
      const data = new Uint8Array([...opaque, ...opaque, 255, 0, 0, 0, 255, 0, 0, 0])
      const strip = { data, width: 4, height: 1 }
      for (const border of borders.slice(0, 3)) {
        const options = { engine: engine(), border }
        const { data: y } = image.gaussianBlur(strip, 1, options)
        expect([...y].filter((_, i) => i % 4 < 3)).toEqual(new Array(12).fill(255))
        expect([3, 7, 11, 15].map((i) => y[i])).toEqual([255, 255, 0, 0])
        // What does not change has no edge.
        for (const filter of [image.sobel, image.laplacian, image.scharr])
          expect([...filter(strip, options).data].slice(0, 8)).toEqual([0, 0, 0, 255, 0, 0, 0, 255])
        expect([...image.sharpen(strip, options).data].slice(0, 8)).toEqual([...opaque, ...opaque])
      }
    })

    it('weigh colours as the reference does, and keep alpha', () => {
      const kernels: [(x: image.Pixels, o: image.FilterOptions) => image.OwnPixels, number[][]][] = [
        [(x, o) => image.gaussianBlur(x, 1, o), gaussianKernel(1)],
        [(x, o) => image.boxBlur(x, 3, o), Array.from({ length: 3 }, () => [1 / 9, 1 / 9, 1 / 9])],
        [(x, o) => image.boxBlur(x, [2, 9], o), [0, 1].map(() => new Array(9).fill(1 / 18))],
        [image.emboss, emboss],
        [(x, o) => image.filter2d(x, [[0.5, 1, 0.25, 0]], o), [[0.5, 1, 0.25, 0]]],
      ]
      for (const [width, height] of [
        [1, 1],
        [5, 7],
        [9, 70],
      ] as const) {
        const pixels = clouds(width, height)
        for (const border of borders) {
          for (const [filter, kernel] of kernels) {
            const { data } = filter(pixels, { border, engine: engine() })
            const exact = weighedFilter(unit(pixels), kernel, border).data
            for (let i = 0; i < data.length; i++) {
              const level = Math.min(255, Math.max(0, exact[i]! * 255))
              if (!(Math.abs(data[i]! - level) <= 0.5 + 1e-3))
                expect.fail(`${kernel}, ${width} x ${height} ${border}: byte ${i} is ${data[i]}, of ${level}`)
            }
          }
        }
      }
    })

    it('blend and take roots after that', () => {
      const pixels = clouds(11, 8)
      const x = unit(pixels)
      const options = { engine: engine() }
      const mean = weighedFilter(x, gaussianKernel(1), 'reflect101').data
      const near = (data: ArrayLike<number>, exact: (i: number) => number) => {
        for (let i = 0; i < data.length; i++) {
          const level = i % 4 === 3 ? pixels.data[i]! : Math.min(255, Math.max(0, exact(i) * 255))
          expect(Math.abs(data[i]! - level)).toBeLessThanOrEqual(0.5 + 1e-3)
        }
      }
      near(image.highPass(pixels, { sigma: 1, ...options }).data, (i) => x.data[i]! - mean[i]!)
      const [gx, gy] = [
        [
          [-1, 0, 1],
          [-2, 0, 2],
          [-1, 0, 1],
        ],
        [
          [-1, -2, -1],
          [0, 0, 0],
          [1, 2, 1],
        ],
      ].map((kernel) => weighedFilter(x, kernel, 'reflect101').data)
      near(image.sobel(pixels, options).data, (i) => Math.hypot(gx![i]!, gy![i]!))
    })

    it('filter alpha where they are asked to, and are means', () => {
      const pixels = clouds(12, 9)
      const options = { engine: engine(), alpha: 'filter' } as const
      const alphaOf = ({ data }: image.Pixels) => data.filter((_, i) => i % 4 === 3)
      const alpha = { data: alphaOf(pixels), width: 12, height: 9 }
      expect(alphaOf(image.gaussianBlur(pixels, 1, options))).toEqual(
        image.gaussianBlur(alpha, 1, { engine: engine() }).data,
      )
      expect(alphaOf(image.median(pixels, 3, options))).toEqual(
        image.median(alpha, 3, { engine: engine() }).data,
      )
      expect(alphaOf(image.sobel(pixels, options))).toEqual(alpha.data)
    })

    it('weigh from the first strip on that is not opaque, as before it', () => {
      const tall = clouds(3, 200)
      for (let i = 3; i < 3 * 4 * 150; i += 4) tall.data[i] = 255
      const whole = image.gaussianBlur(tall, 2, { engine: engine() }).data
      const below = {
        data: tall.data.subarray(3 * 4 * 100),
        width: 3,
        height: 100,
      }
      const part = image.gaussianBlur(below, 2, { engine: engine() }).data
      expect(whole.subarray(3 * 4 * 110)).toEqual(part.subarray(3 * 4 * 10))
    })
  })
})

describe('filters of 16 bits and floats', () => {
  inEveryBuild((engine) => {
    type Filter = <I extends image.FilterImage>(x: I, o: image.FilterOptions) => image.Filtered<I>
    const filters: Record<string, Filter> = {
      boxBlur: (x, o) => image.boxBlur(x, 3, o),
      'boxBlur, wide': (x, o) => image.boxBlur(x, 9, o),
      gaussianBlur: (x, o) => image.gaussianBlur(x, 2, o),
      emboss: (x, o) => image.emboss(x, o),
      sobel: (x, o) => image.sobel(x, o),
      unsharpMask: (x, o) => image.unsharpMask(x, o),
      median: (x, o) => image.median(x, 3, o),
      bilateral: (x, o) => image.bilateral(x, o),
    }
    for (const [name, filter] of Object.entries(filters)) {
      it(`${name} is what it is of tensors`, () => {
        const random = new Random(10)
        for (const c of [1, 3, 4]) {
          for (const Kind of [Uint16Array, Float32Array]) {
            const white = Kind === Uint16Array ? 65535 : 1
            const [h, w] = [37, 9]
            const data = fill(Kind, h * w * c, (i) =>
              i % 4 === 3 && c === 4 ? white : random.next() * white,
            )
            const { data: y } = filter({ data, width: w, height: h }, { engine: engine() })
            expect(y).toBeInstanceOf(Kind)
            using x = engine().tensor(
              Float32Array.from(data, (v) => v / white),
              [1, h, w, c],
            )
            using expected = filter(x, {})
            const exact = expected.toArray()
            for (let i = 0; i < y.length; i++) {
              const v = c === 4 && i % 4 === 3 ? 1 : exact[i]!
              const level = Kind === Uint16Array ? Math.min(65535, Math.max(0, v * white)) : v
              if (!(Math.abs(y[i]! - level) <= (Kind === Uint16Array ? 0.51 : 1e-6)))
                expect.fail(`${Kind.name}, ${c}: ${i} is ${y[i]}, of ${level}`)
            }
          }
        }
      })
    }

    it('weigh colours, and keep alpha', () => {
      const pixels = clouds(6, 40)
      const bytes = image.gaussianBlur(pixels, 1, { engine: engine() }).data
      const words = Uint16Array.from(pixels.data, (v) => v * 257)
      const deep = image.gaussianBlur({ ...pixels, data: words }, 1, { engine: engine() }).data
      for (const [i, v] of deep.entries()) expect(Math.abs(v / 257 - bytes[i]!)).toBeLessThan(0.51)
      const floats = Float32Array.from(pixels.data, (v) => v / 255)
      const out = new Float32Array(floats.length)
      expect(image.gaussianBlur({ ...pixels, data: floats }, 1, { engine: engine(), out }).data).toBe(out)
      for (const [i, v] of out.entries()) expect(Math.abs(v * 255 - bytes[i]!)).toBeLessThan(0.51)
    })
  })
})
