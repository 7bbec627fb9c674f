import { describe, expect, it } from 'vitest'
import * as image from '../../src/image/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import type { Values } from '../support/reference.js'
import { extreme, median, windowAt } from '../support/referenceImage.js'

const borders = ['zero', 'replicate', 'reflect', 'reflect101', 'wrap'] as const
const windows = [
  [3, 3],
  [1, 5],
  [7, 1],
  [9, 11],
  [1, 1],
] as const
const shapes = [
  [1, 1, 1, 1],
  [1, 3, 2, 4],
  [2, 5, 7, 3],
  [1, 40, 33, 1],
  [1, 9, 17, 2],
] as const
const kinds: Record<string, new (length: number) => image.PixelArray> = {
  Uint8Array,
  Uint8ClampedArray,
  Uint16Array,
  Float32Array,
}
const ends = { Uint8Array: 255, Uint8ClampedArray: 255, Uint16Array: 65535, Float32Array: 1 }

describe('dilate and erode', () => {
  inEveryBuild((engine) => {
    it('are the largest and smallest of each window, of tensors', () => {
      const random = new Random(1)
      for (const shape of shapes) {
        engine().scope(() => {
          const data = random.integers(
            shape.reduce<number>((a, b) => a * b, 1),
            -9,
            9,
          )
          const x = engine().tensor(data, shape)
          for (const border of borders) {
            for (const size of windows) {
              const about = `seed ${random.seed}, [${shape}], ${size} ${border}`
              const of = (largest: boolean) =>
                extreme({ shape: [...shape], data }, [...size], border, largest)
              expectValues(image.dilate(x, size, { border }), of(true), 0, about)
              expectValues(image.erode(x, size, { border }), of(false), 0, about)
            }
          }
        })
      }
    })

    it('are the same of elements of every kind, and alpha stays', () => {
      const random = new Random(2)
      for (const [name, Kind] of Object.entries(kinds)) {
        for (const [h, w, c] of [
          [1, 1, 4],
          [70, 5, 1],
          [7, 19, 3],
          [6, 21, 4],
        ] as const) {
          const white = ends[name as keyof typeof ends]
          const data = new Kind(h * w * c)
          for (let i = 0; i < data.length; i++)
            data[i] =
              c === 4 && i % 4 === 3 ? white : random.integer(0, 255) * (white === 1 ? 1 / 256 : white / 255)
          const x = { shape: [1, h, w, c], data }
          for (const border of ['replicate', 'wrap', 'zero'] as const) {
            for (const size of windows) {
              const kept = ({ data: filtered }: Values) =>
                Array.from(filtered, (v, i) => (c === 4 && i % 4 === 3 ? data[i] : v))
              const options = { border, engine: engine() }
              const y = image.dilate({ data, width: w, height: h }, size, options)
              const about = `${name}, ${h} x ${w} x ${c}, ${size} ${border}`
              expect([...y.data], about).toEqual(kept(extreme(x, [...size], border, true)))
              expect(y.data.constructor.name).toBe(name === 'Uint8Array' ? 'Uint8ClampedArray' : name)
              const z = image.erode({ data, width: w, height: h }, size, options)
              expect([...z.data], about).toEqual(kept(extreme(x, [...size], border, false)))
            }
          }
        }
      }
    })

    it('leave out what is transparent, and filter alpha where they are asked to', () => {
      const white = [255, 255, 255, 255]
      const black = [0, 0, 0, 255]
      const hidden = [0, 0, 0, 0]
      const data = Uint8Array.from([...white, ...hidden, ...black, ...hidden])
      const strip = { data, width: 4, height: 1 }
      const options = { engine: engine() }
      expect([...image.erode(strip, 3, options).data]).toEqual(
        [...white, ...black, ...black, ...black].map((v, i) => (i % 4 === 3 ? data[i] : v)),
      )
      const bright = { ...strip, data: data.map((v, i) => (i === 4 ? 255 : v)) }
      expect([...image.dilate(bright, 3, options).data].slice(8, 12)).toEqual(black)
      const { data: filtered } = image.dilate(strip, 3, { ...options, alpha: 'filter' })
      expect([3, 7, 11, 15].map((i) => filtered[i])).toEqual([255, 255, 255, 255])
    })

    it('make opening and closing', () => {
      const random = new Random(3)
      const data = Uint8ClampedArray.from({ length: 23 * 18 }, () => random.integer(0, 255))
      const pixels = { data, width: 23, height: 18 }
      const options = { engine: engine() }
      const [up, down] = [
        (x: image.Pixels) => image.dilate(x, [3, 5], options),
        (x: image.Pixels) => image.erode(x, [3, 5], options),
      ]
      expect(image.opening(pixels, [3, 5], options)).toEqual(up(down(pixels)))
      expect(image.closing(pixels, [3, 5], options)).toEqual(down(up(pixels)))
      const out = new Uint8ClampedArray(data.length)
      expect(image.opening(pixels, 3, { ...options, out }).data).toBe(out)
      const before = engine().memory().tensors
      using x = engine().tensor(random.floats(60), [1, 4, 5, 3])
      using y = image.opening(x)
      using z = image.dilate(x)
      using e = image.erode(x)
      using opened = image.dilate(e)
      expect(y.toArray()).toEqual(opened.toArray())
      expect(z.shape).toEqual(y.shape)
      expect(engine().memory().tensors).toBe(before + 5)
    })

    it('say what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 4, 4, 3])
        const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        complain(() => image.dilate(x, 4), 'dilate: size must be odd, and at most 8191, got 4')
        complain(() => image.erode(x, [3, 0]), 'erode: size')
        complain(() => image.opening(x, 9999), 'opening: size must be odd, and at most 8191')
        complain(() => image.closing(x, 3, { border: 'none' as never }), 'closing: border must be one of')
        complain(
          () => image.dilate(x, 3, { alpha: 'drop' as never }),
          "dilate: alpha must be 'keep' or 'filter'",
        )
        complain(
          () => image.dilate({ data: new Float64Array(4) as never, width: 1, height: 1 }, 3),
          'dilate: image must be { data: Uint8ClampedArray, Uint8Array, Uint16Array or Float32Array',
        )
      })
    })
  })
})

describe('median of bytes', () => {
  inEveryBuild((engine) => {
    it('agrees with sorting, at every size', () => {
      const random = new Random(4)
      for (const [h, w, c] of [
        [1, 1, 1],
        [9, 14, 3],
        [45, 6, 1],
        [4, 150, 1],
        [8, 12, 4],
      ] as const) {
        for (const range of [255, 3]) {
          const data = Uint8Array.from({ length: h * w * c }, (_, i) =>
            c === 4 && i % 4 === 3 ? 255 : random.integer(0, range) * Math.floor(255 / range),
          )
          for (const size of [1, 7, 9, 21]) {
            for (const border of ['replicate', 'zero', 'wrap'] as const) {
              const y = image.median({ data, width: w, height: h }, size, { border, engine: engine() })
              const sorted = median({ shape: [1, h, w, c], data }, size, border).data
              expect([...y.data], `${h} x ${w} x ${c}, ${size} ${border}`).toEqual(
                Array.from(sorted, (v, i) => (c === 4 && i % 4 === 3 ? data[i] : v)),
              )
            }
          }
        }
      }
    })

    it('takes sizes to 255', () => {
      const random = new Random(5)
      const data = Uint8Array.from({ length: 20 * 30 }, () => random.integer(0, 255))
      const { data: y } = image.median({ data, width: 30, height: 20 }, 255, {
        border: 'replicate',
        engine: engine(),
      })
      const x = { shape: [1, 20, 30, 1], data }
      const middle = windowAt(x, [0, 7, 11, 0], [255, 255], 'replicate').flat()
      expect(y[7 * 30 + 11]).toBe(middle.sort((a, b) => a - b)[middle.length >> 1])
    })

    it('takes transparent pixels for the mean of what is around', () => {
      const data = new Uint8Array(9 * 9 * 4).fill(255)
      for (let i = 0; i < data.length; i += 8) data.set([9, 0, 0, 0], i)
      for (const size of [3, 5, 7]) {
        const y = image.median({ data, width: 9, height: 9 }, size, { engine: engine() })
        expect([...y.data]).toEqual(Array.from(data, (v, i) => (i % 4 === 3 ? v : 255)))
      }
    })

    it('says what is wrong', () => {
      using x = engine().zeros([1, 4, 4, 1])
      const bytes = { data: new Uint8Array(4), width: 2, height: 2 }
      const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
      complain(() => image.median(x, 7), 'median: size must be 3 or 5, got 7', 'for bytes alone')
      for (const size of [8, 257, 0])
        complain(
          () => image.median(bytes, size, { engine: engine() }),
          'size must be an odd integer from 1 to 255',
        )
    })
  })
})
