import { describe, expect, it } from 'vitest'
import * as image from '../../src/image/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/referenceImage.js'

/** Colours of every kind: grays, primaries, noise. */
function colours(c: 3 | 4, count = 97): Uint8Array {
  const random = new Random(31)
  const first = [
    [0, 0, 0],
    [255, 255, 255],
    [128, 128, 128],
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [255, 0, 1],
    [1, 2, 3],
    [255, 255, 0],
  ]
  return Uint8Array.from({ length: count * c }, (_, i) =>
    c === 4 && i % 4 === 3
      ? random.integer(0, 255)
      : (first[Math.floor(i / c)]?.[i % c] ?? random.integer(0, 255)),
  )
}

const conversions = {
  toHsv: [image.toHsv, reference.toHsv],
  fromHsv: [image.fromHsv, reference.fromHsv],
  toLab: [image.toLab, reference.toLab],
  fromLab: [image.fromLab, reference.fromLab],
} as const

describe('colour spaces', () => {
  inEveryBuild((engine) => {
    for (const [name, [convert, exact]] of Object.entries(conversions)) {
      it(`${name} agrees with its formula, of tensors and elements of every kind`, () => {
        for (const c of [3, 4] as const) {
          const data = colours(c)
          if (name === 'fromHsv') for (let i = 0; i < data.length; i += c) data[i]! %= 180
          const [width, height] = [97, 1]
          const values = { shape: [1, height, width, c], data: Float32Array.from(data, (v) => v / 255) }
          const expected = reference.colours(values, exact)
          using x = engine().tensor(values.data, values.shape)
          using y = convert(x)
          expectValues(y, expected, 1.5e-4, name)
          const bytes = convert({ data, width, height }, { engine: engine() }).data
          for (const [i, v] of bytes.entries()) {
            const level = expected.data[i]! * 255
            // What rounds to 180 half degrees is 0.
            const wraps = name === 'toHsv' && i % c === 0 && level >= 179.4 && v === 0
            const clamped = Math.min(255, Math.max(0, level))
            if (!wraps && !(Math.abs(v - clamped) <= 0.55)) expect.fail(`${name}: ${i} is ${v}, of ${level}`)
          }
          const words = Uint16Array.from(data, (v) => v * 257)
          const deep = convert({ data: words, width, height }, { engine: engine() }).data
          for (const [i, v] of deep.entries()) {
            const level = Math.min(1, Math.max(0, expected.data[i]!))
            expect(Math.abs(v / 65535 - level)).toBeLessThan(1.5e-4)
          }
        }
      })
    }

    it('go there and back', () => {
      const data = colours(4)
      const pixels = { data, width: 97, height: 1 }
      const options = { engine: engine() }
      const floats = { ...pixels, data: Float32Array.from(data, (v) => v / 255) }
      for (const [to, from] of [
        [image.toHsv, image.fromHsv],
        [image.toLab, image.fromLab],
      ] as const) {
        const back = from(to(floats, options), options).data
        for (const [i, v] of back.entries()) expect(Math.abs(v - floats.data[i]!)).toBeLessThan(2e-3)
      }
    })

    it('toLab of bytes is exact, but for what rounds either way', () => {
      const [width, height] = [61, 23]
      for (const c of [3, 4] as const) {
        const random = new Random(32)
        const data = Uint8Array.from({ length: width * height * c }, () => random.integer(0, 255))
        const exact = reference.colours(
          { shape: [1, height, width, c], data: Float32Array.from(data, (v) => v / 255) },
          reference.toLab,
        )
        const lab = image.toLab({ data, width, height }, { engine: engine() }).data
        // Two cube roots, 2e-5 of each off, times 500.
        for (const [i, v] of lab.entries()) expect(Math.abs(v - exact.data[i]! * 255)).toBeLessThan(0.52)
      }
    })

    it('say what is wrong', () => {
      using x = engine().zeros([1, 4, 4, 2])
      const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
      complain(() => image.toHsv(x), 'toHsv: image must be of 3 or 4 channels, got [1, 4, 4, 2]')
      const gray = { data: new Uint8Array(4), width: 2, height: 2 }
      complain(() => image.toLab(gray, { engine: engine() }), 'toLab: image must be of 3 or 4 channels')
      complain(() => image.grayscale(x), 'grayscale: image must be of 1 or 3 or 4 channels')
      complain(() => image.grayscale(gray), 'grayscale: engine must be among the options')
      complain(
        () => image.grayscale(gray, { engine: engine(), out: new Uint8ClampedArray(3) }),
        'out must be a Uint8ClampedArray of 4 bytes',
      )
    })
  })
})

describe('grayscale', () => {
  inEveryBuild((engine) => {
    const luma = (data: ArrayLike<number>, at: number) =>
      0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!

    it('is luma, of tensors and elements of every kind', () => {
      for (const c of [3, 4] as const) {
        const data = colours(c, 7 * 41)
        const [width, height] = [7, 41]
        const exact = Array.from({ length: width * height }, (_, i) => luma(data, i * c))
        const bytes = image.grayscale({ data, width, height }, { engine: engine() })
        expect([bytes.width, bytes.height, bytes.data.length]).toEqual([7, 41, 287])
        for (const [i, v] of bytes.data.entries()) expect(Math.abs(v - exact[i]!)).toBeLessThan(0.505)
        using x = engine().tensor(data, [1, height, width, c])
        using y = image.grayscale(x)
        expectValues(y, { shape: [1, height, width, 1], data: exact }, 255 * 2 ** -21)
        const words = Uint16Array.from(data, (v) => v * 257)
        const deep = image.grayscale({ data: words, width, height }, { engine: engine() }).data
        for (const [i, v] of deep.entries()) expect(Math.abs(v - exact[i]! * 257)).toBeLessThan(0.51)
      }
    })

    it('of gray is a copy', () => {
      const gray = { data: new Uint8Array([1, 2, 3, 4]), width: 2, height: 2 }
      const out = new Uint8ClampedArray(4)
      expect(image.grayscale(gray, { engine: engine(), out }).data).toBe(out)
      expect([...out]).toEqual([1, 2, 3, 4])
    })
  })
})

describe('bilateral', () => {
  inEveryBuild((engine) => {
    it('agrees with the reference', () => {
      const random = new Random(32)
      for (const [h, w, c] of [
        [1, 1, 1],
        [9, 13, 1],
        [7, 6, 3],
        [5, 9, 4],
      ] as const) {
        const data = random.floats(h * w * c).map((v) => Math.abs(v) % 1)
        const values = { shape: [1, h, w, c], data }
        using x = engine().tensor(data, values.shape)
        for (const border of ['reflect101', 'zero', 'wrap'] as const) {
          for (const [size, sigmaColor, sigmaSpace] of [
            [3, 0.1, 1],
            [7, 0.5, 2],
            [5, 1e-3, 100],
            [1, 1, 1],
          ] as const) {
            using y = image.bilateral(x, { size, sigmaColor, sigmaSpace, border })
            const exact = reference.bilateral(values, size, sigmaColor, sigmaSpace, border)
            // Weights are 0.2 % off, and values at most 1 apart.
            expectValues(y, exact, 4e-3, `${h} x ${w} x ${c}, ${size} ${border}`)
          }
        }
      }
    })

    it('has a window that follows from sigmaSpace, keeps edges, and alpha', () => {
      const step = Uint8Array.from({ length: 20 * 4 }, (_, i) =>
        i % 4 === 3 ? 255 - (i >> 2) : i < 40 ? 10 : 240,
      )
      const { data } = image.bilateral({ data: step, width: 20, height: 1 }, { engine: engine() })
      for (const [i, v] of data.entries()) expect(Math.abs(v - step[i]!)).toBeLessThan(i % 4 === 3 ? 1 : 2)
      using x = engine().tensor(new Random(3).floats(49), [1, 7, 7, 1])
      using y = image.bilateral(x, { sigmaSpace: 2 })
      using z = image.bilateral(x, { sigmaSpace: 2, size: 7 })
      expect(y.toArray()).toEqual(z.toArray())
    })

    it('says what is wrong', () => {
      using x = engine().zeros([1, 4, 4, 2])
      const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
      complain(() => image.bilateral(x), 'bilateral: image must be of 1, 3 or 4 channels')
      complain(() => image.bilateral(x, { size: 4 }), 'size must be an odd integer from 1 to 255')
      complain(() => image.bilateral(x, { sigmaColor: 0 }), 'sigmaColor must be a finite number above 0')
      complain(() => image.bilateral(x, { sigmaSpace: Number.NaN }), 'sigmaSpace must be')
    })
  })
})

describe('threshold', () => {
  inEveryBuild((engine) => {
    it('parts what is above a bound, of every kind', () => {
      for (const c of [1, 3, 4] as const) {
        const random = new Random(33)
        const data = Uint8Array.from({ length: 19 * 5 * c }, () => random.integer(0, 255))
        const pixels = { data, width: 19, height: 5 }
        for (const bound of [0.5, 127 / 255, 0, 1, -0.1, 2]) {
          for (const inverse of [false, true]) {
            const options = { engine: engine(), inverse }
            const white = Array.from(data, (v, i) =>
              c === 4 && i % 4 === 3 ? v : v / 255 > bound !== inverse ? 255 : 0,
            )
            const about = `${c}, ${bound} ${inverse}`
            expect([...image.threshold(pixels, bound, options).data], about).toEqual(white)
            const words = Uint16Array.from(data, (v) => v * 257)
            expect([...image.threshold({ ...pixels, data: words }, bound, options).data], about).toEqual(
              white.map((v) => v * 257),
            )
          }
        }
        using x = engine().tensor(Float32Array.from(data), [5, 1, 19, c])
        using y = image.threshold(x, 100)
        expect([...y.toArray()]).toEqual(Array.from(data, (v) => Number(v > 100)))
      }
    })

    it('finds the bound of Otsu, of each channel', () => {
      const random = new Random(34)
      for (const c of [1, 3, 4] as const) {
        const data = Uint8Array.from({ length: 11 * 13 * c }, (_, i) => {
          const middle = [60, 100, 30, 0][i % c]! + (random.next() < 0.4 ? 90 : 0)
          return middle + random.integer(0, 40)
        })
        const { data: y } = image.threshold({ data, width: 11, height: 13 }, 'otsu', { engine: engine() })
        for (let k = 0; k < Math.min(3, c); k++) {
          const levels = data.filter((_, i) => i % c === k)
          const level = reference.otsu(levels)
          expect([...y].filter((_, i) => i % c === k)).toEqual(
            Array.from(levels, (v) => (v > level ? 255 : 0)),
          )
        }
        const words = Uint16Array.from(data, (v) => v * 257)
        const deep = image.threshold({ data: words, width: 11, height: 13 }, 'otsu', {
          engine: engine(),
        }).data
        expect([...deep].map((v) => v / 257)).toEqual([...y])
        using x = engine().tensor(
          Float32Array.from(data, (v) => v / 255),
          [1, 13, 11, c],
        )
        if (c === 4) continue
        using z = image.threshold(x, 'otsu')
        expect([...z.toArray()].map((v) => v * 255)).toEqual([...y])
      }
    })

    it('compares with the mean around', () => {
      const random = new Random(35)
      for (const c of [1, 3, 4] as const) {
        const [h, w] = [23, 37]
        const data = Uint8Array.from({ length: h * w * c }, (_, i) =>
          c === 4 && i % 4 === 3 ? 255 : random.integer(0, 255),
        )
        const values = { shape: [1, h, w, c], data }
        for (const bound of ['mean', 'gaussian'] as const) {
          for (const [size, offset] of [
            [3, 0],
            [11, 5],
            [11, -7.5],
            [5, 300],
          ] as const) {
            const sigma = 0.3 * ((size - 1) / 2 - 1) + 0.8
            const kernel =
              bound === 'mean'
                ? Array.from({ length: size }, () => new Array<number>(size).fill(1 / size ** 2))
                : reference.gaussianKernel(sigma, size >> 1)
            const means = reference.filter2d(values, kernel, 'replicate').data
            for (const inverse of [false, true]) {
              const options = { size, offset: offset / 255, inverse }
              const y = image.threshold({ data, width: w, height: h }, bound, {
                ...options,
                engine: engine(),
              }).data
              using x = engine().tensor(
                Float32Array.from(data, (v) => v / 255),
                values.shape,
              )
              using z = image.threshold(x, bound, options)
              const floats = z.toArray()
              for (let i = 0; i < data.length; i++) {
                const apart = data[i]! - (means[i]! - offset)
                const white = apart > 0 !== inverse
                const kept = c === 4 && i % 4 === 3
                // Of bytes the mean may have been rounded, and the offset.
                if (kept ? y[i] !== 255 : Math.abs(apart) > 1.07 && y[i] !== (white ? 255 : 0))
                  expect.fail(`${bound} ${size} ${offset} ${inverse}: byte ${i} is ${y[i]}, ${apart} above`)
                if (Math.abs(apart) > 1e-2 && floats[i] !== Number(white))
                  expect.fail(`${bound} ${size} ${offset} ${inverse}: ${i} is ${floats[i]}, ${apart} above`)
              }
            }
          }
        }
      }
    })

    it('says what is wrong', () => {
      using x = engine().zeros([1, 4, 4, 5])
      const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
      complain(
        () => image.threshold(x, 'half' as never),
        "threshold: bound must be a finite number, 'otsu', 'mean' or 'gaussian', got \"half\"",
      )
      for (const bound of [0.5, 'mean'] as const)
        complain(
          () => image.threshold(x, bound, { border: 'mirror' as never }),
          'threshold: border must be one of',
        )
      complain(() => image.threshold(x, 'otsu'), "of at most 4 channels for 'otsu'")
      complain(() => image.threshold(x, 'mean', { size: 2 }), 'size must be an odd integer from 3 to 8191')
      complain(() => image.threshold(x, 'mean', { offset: Number.NaN }), 'offset must be a finite number')
      complain(() => image.threshold(x, 1, { inverse: 1 as never }), 'inverse must be true or false')
    })
  })
})

describe('canny', () => {
  inEveryBuild((engine) => {
    it('agrees with the reference', () => {
      const random = new Random(36)
      for (const [h, w] of [
        [1, 1],
        [1, 20],
        [20, 1],
        [2, 3],
        [17, 31],
        [40, 24],
      ] as const) {
        for (const kind of ['noise', 'shapes'] as const) {
          const data = Uint8Array.from({ length: h * w }, (_, i) => {
            const [y, x] = [Math.floor(i / w), i % w]
            if (kind === 'noise') return random.integer(0, 255)
            return (Math.hypot(y - h / 2, x - w / 3) < h / 3 ? 180 : 40) + random.integer(0, 30)
          })
          for (const [low, high] of [
            [50, 150],
            [0, 0],
            [300, 500],
            [100, 1900],
          ] as const) {
            const edges = image.canny({ data, width: w, height: h }, low / 255, high / 255, {
              engine: engine(),
            })
            const exact = reference.canny({ shape: [1, h, w, 1], data }, low, high).data
            expect([...edges.data], `${h} x ${w} ${kind} ${low} ${high}`).toEqual(
              Array.from(exact, (v) => v * 255),
            )
            using x = engine().tensor(
              Float32Array.from([...data, ...data], (v) => v / 255),
              [2, h, w, 1],
            )
            using y = image.canny(x, low / 255, high / 255)
            expect([...y.toArray()]).toEqual([...Array.from(exact), ...Array.from(exact)])
          }
        }
      }
    })

    it('takes nothing for brighter that stands in memory beside the image', () => {
      for (const [h, w] of [
        [9, 16],
        [20, 24],
      ] as const) {
        // An edge across the corner at the start of the first row, and of the last one.
        for (const corner of [0, (h - 1) * w]) {
          // What a filter leaves behind: as 16-bit integers, the largest.
          const large = new Float32Array(300).fill(3.39e38)
          image.gaussianBlur({ data: large, width: 300, height: 1 }, 1, { engine: engine() })
          const data = new Uint8Array(h * w).fill(255)
          data[corner] = 0
          const edges = image.canny({ data, width: w, height: h }, 1, 1, { engine: engine() })
          const exact = reference.canny({ shape: [1, h, w, 1], data }, 255, 255).data
          expect(exact[corner]).toBe(1)
          expect([...edges.data]).toEqual(Array.from(exact, (v) => v * 255))
        }
      }
    })

    it('takes the luma of colours, and elements of every kind', () => {
      const data = colours(4, 12 * 9)
      const pixels = { data, width: 12, height: 9 }
      const options = { engine: engine() }
      const gray = image.grayscale(pixels, options)
      const edges = image.canny(gray, 0.2, 0.6, options)
      expect(image.canny(pixels, 0.2, 0.6, options)).toEqual(edges)
      expect(edges.data.some((v) => v === 255)).toBe(true)
      const out = new Uint8ClampedArray(108)
      expect(image.canny(pixels, 0.2, 0.6, { ...options, out }).data).toBe(out)
      const floats = { ...gray, data: Float32Array.from(gray.data, (v) => v / 255) }
      expect(image.canny(floats, 0.2, 0.6, options)).toEqual(edges)
    })

    it('says what is wrong', () => {
      using x = engine().zeros([1, 4, 4, 1])
      const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
      complain(() => image.canny(x, 0.5, 0.2), 'canny: high must be a finite number of at least low, got 0.2')
      complain(() => image.canny(x, -1, 0.2), 'canny: low must be a finite number of at least 0')
      const gray = { data: new Uint8Array(4), width: 2, height: 2 }
      complain(
        () => image.canny(gray, 0, 1, { engine: engine(), out: new Uint8ClampedArray(5) }),
        'canny: out must be a Uint8ClampedArray of 4 bytes',
      )
    })
  })
})
