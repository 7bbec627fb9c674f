import { describe, expect, it } from 'vitest'
import * as image from '../../src/image/index.js'
import { createEngine, type Engine, type Tensor } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import { build } from '../support/reference.js'
import { filter2d, gaussianKernel } from '../support/referenceImage.js'

/** Noise of every byte, alpha too, or opaque: else colours are weighed (alpha.test.ts). */
function noise(width: number, height: number, seed = 5, opaque = false): image.Pixels {
  const random = new Random(seed)
  return {
    data: Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) =>
      opaque && i % 4 === 3 ? 255 : random.integer(0, 255),
    ),
    width,
    height,
  }
}

const layouts = [
  ['gray', 1],
  ['rgb', 3],
  ['rgba', 4],
] as const
const sizes = [
  [1, 1],
  [2, 3],
  [7, 70],
  [13, 33],
] as const
const LUMA = [0.299, 0.587, 0.114]

describe('fromImageData', () => {
  inEveryBuild((engine) => {
    for (const [channels, c] of layouts) {
      it(`${channels}, every width of a vector's tail`, () => {
        for (let width = 1; width <= 9; width++) {
          engine().scope(() => {
            const pixels = noise(width, 3, width)
            const mean = [0.5, 0.4, 0.3, 0.2].slice(0, c)
            const std = [0.25, 0.5, 2, 1].slice(0, c)
            const expected = (means: number[], stds: number[]) =>
              build([1, 3, width, c], (_, y, x, channel) => {
                const of = (i: number) => pixels.data[(y! * width + x!) * 4 + i]! / 255
                const value =
                  channels === 'gray' ? LUMA.reduce((sum, share, i) => sum + share * of(i), 0) : of(channel!)
                return (value - means[channel!]!) / stds[channel!]!
              })
            expectValues(
              image.fromImageData(engine(), pixels, { channels }),
              expected([0, 0, 0, 0], [1, 1, 1, 1]),
              3e-7,
            )
            expectValues(
              image.fromImageData(engine(), pixels, { channels, mean, std }),
              expected(mean, std),
              1e-6,
            )
            expectValues(
              image.fromImageData(engine(), pixels, { channels, mean: 0.5, std: 2 }),
              expected(Array(4).fill(0.5), Array(4).fill(2)),
              1e-6,
            )
          })
        }
      })
    }

    it('takes rgb by default, and a Uint8Array', () => {
      using x = image.fromImageData(engine(), { data: new Uint8Array([255, 0, 51, 7]), width: 1, height: 1 })
      expectValues(x, { shape: [1, 1, 1, 3], data: [1, 0, 0.2] }, 1e-7)
    })

    it('says what is wrong', () => {
      const pixels = noise(2, 2)
      const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
      complain(
        () => image.fromImageData(engine(), { ...pixels, width: 3 }),
        'fromImageData: data must be 24 bytes, 4 for each of 3 x 2 pixels, got 16',
      )
      complain(
        () => image.fromImageData(engine(), { ...pixels, width: 1.5 }),
        'image must be of integer width and height, got 1.5 x 2',
      )
      complain(
        () => image.fromImageData(engine(), { ...pixels, data: [1] as never }),
        'image must be { data: Uint8ClampedArray or Uint8Array, width, height }',
      )
      complain(() => image.fromImageData(engine(), null as never), 'got null')
      complain(
        () => image.fromImageData({} as Engine, pixels),
        'engine must be an engine that is not disposed',
      )
      complain(
        () => image.fromImageData(engine(), pixels, { channels: 'bgr' as never }),
        'channels must be one of gray, rgb, rgba, got "bgr"',
      )
      complain(
        () => image.fromImageData(engine(), pixels, { mean: [1, 2] }),
        'mean must be a finite number, or 3 of them for rgb, got [1, 2]',
      )
      complain(
        () => image.fromImageData(engine(), pixels, { std: 0 }),
        'std must be a finite, non-zero number',
      )
      complain(() => image.fromImageData(engine(), pixels, { std: [1, 1, Number.NaN] }), 'std')
    })
  })
})

describe('toImageData', () => {
  inEveryBuild((engine) => {
    it('gives back the bytes that came in', () => {
      for (let width = 1; width <= 9; width++) {
        engine().scope(() => {
          const pixels = noise(width, 3, width)
          expect(image.toImageData(image.fromImageData(engine(), pixels, { channels: 'rgba' }))).toEqual(
            pixels,
          )
          const opaque = { ...pixels, data: pixels.data.map((byte, i) => (i % 4 === 3 ? 255 : byte)) }
          expect(image.toImageData(image.fromImageData(engine(), pixels))).toEqual(opaque)
          const gray = image.fromImageData(engine(), pixels, { channels: 'gray' })
          const bytes = Uint8ClampedArray.from({ length: width * 12 }, (_, i) =>
            i % 4 === 3 ? 255 : gray.view[i >> 2]! * 255,
          )
          expect(image.toImageData(gray).data).toEqual(bytes)
        })
      }
    })

    it('rounds halves to even, clamps, and takes NaN for 0', () => {
      engine().scope(() => {
        const values = [
          -1,
          2,
          Number.NaN,
          Number.POSITIVE_INFINITY,
          Number.NEGATIVE_INFINITY,
          0.5 / 255,
          1.5 / 255,
          1e30,
          -1e30,
          1,
          0,
          254.4 / 255,
        ]
        const bytes = [0, 255, 0, 255, 0, 0, 2, 255, 0, 255, 0, 254]
        const gray = image.toImageData(engine().tensor(values, [1, 12, 1]))
        expect([...gray.data]).toEqual(bytes.flatMap((byte) => [byte, byte, byte, 255]))
        expect([...image.toImageData(engine().tensor(values, [1, 1, 3, 4])).data]).toEqual(bytes)
        expect([...image.toImageData(engine().tensor(values, [1, 2, 2, 3])).data]).toEqual([
          ...bytes.slice(0, 3),
          255,
          ...bytes.slice(3, 6),
          255,
          ...bytes.slice(6, 9),
          255,
          ...bytes.slice(9),
          255,
        ])
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        for (const shape of [[2, 2, 2, 3], [2, 2], [1, 2, 2, 2], [2]]) {
          const x = engine().zeros(shape)
          expectComplaint(
            engine(),
            () => image.toImageData(x),
            'toImageData: x must be [1, height, width, channels] or',
            `got [${shape.join(', ')}]`,
          )
        }
      })
    })
  })
})

/**
 * Every byte is the exact value, clamped and rounded, where that is not nearly halfway between two levels.
 */
function expectRounded(actual: ArrayLike<number>, exact: ArrayLike<number>, about: string): void {
  expect(actual.length).toBe(exact.length)
  for (let i = 0; i < exact.length; i++) {
    const most = 1 / 2 + 1 / 16 + 1e-4
    if (!(Math.abs(actual[i]! - Math.min(255, Math.max(0, exact[i]!))) <= most))
      expect.fail(`${about}: byte ${i} is ${actual[i]}, of ${exact[i]}`)
  }
}

describe('filters on bytes', () => {
  inEveryBuild((engine) => {
    type Filter = <I extends Tensor | image.Pixels>(x: I, options: image.FilterOptions) => image.Filtered<I>
    const filters: Record<string, Filter> = {
      filter2d: (x, options) =>
        image.filter2d(
          x,
          [
            [0, 1, 0, 0.5],
            [0.25, 0, -0.5, 0],
          ],
          options,
        ),
      gaussianBlur: (x, options) => image.gaussianBlur(x, 3, options),
      boxBlur: (x, options) => image.boxBlur(x, [80, 3], options),
      highPass: (x, options) => image.highPass(x, options),
      unsharpMask: (x, options) => image.unsharpMask(x, { threshold: 0.1, ...options }),
      sobel: (x, options) => image.sobel(x, options),
      median: (x, options) => image.median(x, 5, options),
    }
    for (const [name, filter] of Object.entries(filters)) {
      it(`${name} gives what it gives on floats, and keeps alpha`, () => {
        for (const [width, height] of sizes) {
          for (const border of ['zero', 'reflect', 'reflect101', 'wrap'] as const) {
            engine().scope(() => {
              const pixels = noise(width, height, 5, true)
              const before = pixels.data.slice()
              const memory = engine().memory()
              const actual = filter(pixels, { border, engine: engine() })
              expect({ ...engine().memory(), live: 0, peak: 0, reserved: 0 }).toEqual({
                ...memory,
                live: 0,
                peak: 0,
                reserved: 0,
              })
              const expected = filter(image.fromImageData(engine(), pixels), { border }).toArray()
              const exact = Float64Array.from(pixels.data, (alpha, i) =>
                i % 4 === 3 ? alpha : expected[Math.floor(i / 4) * 3 + (i % 4)]! * 255,
              )
              expectRounded(actual.data, exact, `${width} x ${height} ${border}`)
              expect(pixels.data).toEqual(before)
            })
          }
        }
      })
    }

    it('is exact where weights are integers, on every image and border', () => {
      const kernels = [
        [
          [0, -1, 0],
          [-1, 5, -1],
          [0, -1, 0],
        ],
        [
          [-2, -1, 0],
          [-1, 1, 1],
          [0, 1, 2],
        ],
        [
          [1, 2],
          [3, -4],
          [-5, 6],
          [7, -8],
        ],
        [[127, -128, 4, 1, -3]],
        [[9000], [-9001], [2]],
        [[32767, -32767]],
        [[0]],
      ]
      const kinds: Record<string, (random: Random) => number> = {
        noise: (random) => random.integer(0, 255),
        'black and white': (random) => random.integer(0, 1) * 255,
        white: () => 255,
      }
      for (const [name, kind] of Object.entries(kinds)) {
        const random = new Random(17)
        for (const [w, h, c] of [
          [1, 1, 1],
          [5, 2, 3],
          [3, 4, 4],
          [17, 3, 1],
          [9, 37, 1],
          [6, 7, 3],
          [19, 2, 4],
        ] as const) {
          const x = {
            shape: [1, h, w, c],
            data: Uint8Array.from({ length: w * h * c }, (_, i) =>
              c === 4 && i % 4 === 3 ? 255 : kind(random),
            ),
          }
          for (const border of ['zero', 'replicate', 'reflect', 'reflect101', 'wrap'] as const) {
            const options = { border, engine: engine() }
            for (const kernel of kernels) {
              const { data } = image.filter2d({ data: x.data, width: w, height: h }, kernel, options)
              const sums = filter2d(x, kernel, border).data
              expect(data, `${name}, ${w} x ${h} x ${c}, ${border}, ${kernel}`).toEqual(
                Uint8ClampedArray.from(sums, (v, i) => (c === 4 && i % 4 === 3 ? x.data[i]! : v)),
              )
            }
            const sobel = image.sobel(
              { data: x.data, width: w, height: h },
              { direction: 'y', ...options },
            ).data
            const sums = filter2d(
              x,
              [
                [-1, -2, -1],
                [0, 0, 0],
                [1, 2, 1],
              ],
              border,
            ).data
            expect(sobel).toEqual(
              Uint8ClampedArray.from(sums, (v, i) => (c === 4 && i % 4 === 3 ? x.data[i]! : v)),
            )
          }
        }
      }
    })

    it('is off by less than 1/16 before it is rounded, whatever the weights', () => {
      const random = new Random(18)
      const [w, h] = [11, 9]
      for (const white of [false, true]) {
        const x = {
          shape: [1, h, w, 1],
          data: Uint8Array.from({ length: w * h }, () => (white ? 255 : random.integer(0, 255))),
        }
        const pixels = { data: x.data, width: w, height: h }
        const check = (data: Uint8ClampedArray, kernel: number[][], about: string) =>
          expectRounded(data, filter2d(x, kernel, 'reflect').data, about)
        const options = { border: 'reflect', engine: engine() } as const
        for (const sigma of [0.1, 0.5, 1, 2, 3.7, 5])
          check(image.gaussianBlur(pixels, sigma, options).data, gaussianKernel(sigma), `sigma ${sigma}`)
        for (const side of [2, 3, 7]) {
          const box = Array.from({ length: side }, () => new Array<number>(side).fill(1 / side ** 2))
          check(image.boxBlur(pixels, side, options).data, box, `box ${side}`)
        }
        for (const scale of [1e-9, 1 / 81, 1 / 9, 0.37, 4, 1000.1, 1e8]) {
          for (const [kh, kw] of [
            [1, 1],
            [3, 3],
            [2, 5],
            [6, 1],
            [1, 8],
            [9, 10],
          ] as const) {
            const kernel = Array.from({ length: kh }, () => [...random.floats(kw)].map((v) => v * scale))
            check(image.filter2d(pixels, kernel, options).data, kernel, `${kh}x${kw} times ${scale}`)
          }
        }
      }
      const nothing = image.filter2d(
        { data: new Uint8Array(9).fill(7), width: 3, height: 3 },
        [[Number.NaN]],
        { engine: engine() },
      )
      expect([...nothing.data]).toEqual(new Array(9).fill(0))
    })

    it('takes bytes of gray, and of red, green and blue', () => {
      for (const [name, filter] of Object.entries(filters)) {
        for (const [width, height] of sizes) {
          for (const border of ['zero', 'replicate', 'reflect', 'reflect101', 'wrap'] as const) {
            const { data } = noise(width, height, 5, true)
            const pixels = width * height
            const colours = Uint8ClampedArray.from(
              { length: 3 * pixels },
              (_, i) => data[Math.floor(i / 3) * 4 + (i % 3)]!,
            )
            const expected = filter({ data, width, height }, { border, engine: engine() }).data
            const about = `${name}, ${width} x ${height} ${border}`
            const rgb = filter({ data: colours, width, height }, { border, engine: engine() })
            expect({ width: rgb.width, height: rgb.height, data: [...rgb.data] }, about).toEqual({
              width,
              height,
              data: [...expected].filter((_, i) => i % 4 < 3),
            })
            const green = filter(
              { data: colours.filter((_, i) => i % 3 === 1), width, height },
              { border, engine: engine() },
            )
            expect([...green.data], about).toEqual([...expected].filter((_, i) => i % 4 === 1))
          }
        }
      }
    })

    it('writes where it is told to', () => {
      const pixels = noise(5, 7)
      const out = new Uint8ClampedArray(pixels.data.length)
      for (const filter of Object.values(filters)) {
        const expected = filter(pixels, { engine: engine() })
        const actual = filter(pixels, { engine: engine(), out })
        expect(actual).toEqual(expected)
        expect(actual.data).toBe(out)
      }
    })

    it('works in memory that does not grow with the height', async () => {
      const small = await createEngine({ maximumBytes: 2 ** 20 })
      const tall = noise(16, 20_000)
      expect(image.gaussianBlur(tall, 2, { engine: small }).data.length).toBe(tall.data.length)
      const { live } = small.memory()
      image.gaussianBlur(tall, 2, { engine: small })
      expect(small.memory().live).toBe(live)
      small.dispose()
    })

    it('gives nothing for nothing', () => {
      expect(
        image.median({ data: new Uint8Array(0), width: 0, height: 5 }, 3, { engine: engine() }).data.length,
      ).toBe(0)
      expect(
        image.sobel({ data: new Uint8Array(0), width: 5, height: 0 }, { engine: engine() }).data.length,
      ).toBe(0)
    })

    it('says what is wrong', () => {
      const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
      complain(
        () => image.sobel(noise(2, 2)),
        'sobel: engine must be among the options where the image is not a tensor, got undefined',
      )
      complain(
        () => image.sobel(noise(2, 2), { engine: 1 as never }),
        'sobel: engine must be an engine that is not disposed, got 1',
      )
      const own = noise(2, 2) as image.OwnPixels
      complain(
        () => image.sobel(own, { engine: engine(), out: own.data }),
        "out must be a Uint8ClampedArray of 16 bytes in memory other than the image's",
      )
      complain(
        () => image.sobel(own, { engine: engine(), out: new Uint8ClampedArray(15) }),
        'sobel: out must be',
        'of 16 bytes',
      )
      complain(
        () => image.sobel(own, { engine: engine(), out: new Uint8Array(16) as never }),
        'sobel: out must be',
      )
      using x = engine().zeros([1, 2, 2, 1])
      expect(() => image.sobel(x, { out: own.data })).toThrow(
        'out must be left out where the image is a tensor',
      )
      complain(
        () => image.sobel({ ...noise(2, 2), height: 3 }, { engine: engine() }),
        'sobel: data must be 24 or 18 or 6 bytes, 4 or 3 or 1 for each of 2 x 3 pixels',
      )
    })
  })
})
