import { describe, expect, it } from 'vitest'
import * as image from '../../src/image/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import { warpAffine } from '../support/referenceImage.js'
import * as resized from '../support/resize.js'

const borders = ['zero', 'replicate', 'reflect', 'reflect101', 'wrap'] as const

/** Elements of a kind: f of those of `data`. */
const mapped = (
  Kind: new (length: number) => image.PixelArray,
  data: ArrayLike<number>,
  f: (v: number) => number,
): image.PixelArray => {
  const made = new Kind(data.length)
  for (let i = 0; i < made.length; i++) made[i] = f(data[i]!)
  return made
}

/** Noise of c channels; alpha is opaque. */
const noise = (width: number, height: number, c: number, random = new Random(21)) => ({
  data: Uint8Array.from({ length: width * height * c }, (_, i) =>
    c === 4 && i % 4 === 3 ? 255 : random.integer(0, 255),
  ),
  width,
  height,
})
const valuesOf = ({ data, width, height }: image.Pixels) => ({
  shape: [1, height, width, data.length / (width * height)],
  data,
})

function expectNear(actual: ArrayLike<number>, exact: ArrayLike<number>, most: number, about: string): void {
  expect(actual.length, about).toBe(exact.length)
  for (let i = 0; i < exact.length; i++) {
    if (!(Math.abs(actual[i]! - Math.min(255, Math.max(0, exact[i]!))) <= most))
      expect.fail(`${about}: ${i} is ${actual[i]}, of ${exact[i]}`)
  }
}

describe('resize of pictures', () => {
  inEveryBuild((engine) => {
    const sizes = [
      [1, 1],
      [7, 5],
      [3, 40],
      [16, 9],
      [50, 70],
      [13, 1],
    ] as const

    it('gives bytes as the reference does', () => {
      for (const c of [1, 3, 4]) {
        for (const [w, h] of [
          [1, 1],
          [2, 3],
          [9, 16],
          [37, 21],
        ] as const) {
          const pixels = noise(w, h, c)
          for (const size of sizes) {
            for (const method of ['nearest', 'bilinear', 'bicubic'] as const) {
              for (const antialias of [true, false]) {
                const y = image.resize(pixels, size, { method, antialias, engine: engine() })
                expect([y.height, y.width]).toEqual(size)
                const exact = resized.resize(valuesOf(pixels), { size, method, antialias }).data
                // Weights of 2^-15 off, of each tap, down and across; and 1 / 128 of a level between.
                const taps = (method === 'bicubic' ? 4 : 2) * Math.max(1, h / size[0], w / size[1]) + 2
                const most = method === 'nearest' ? 0 : 0.5 + 2 * taps * 2 ** -15 * 255 * 1.5 + 1 / 64
                expectNear(y.data, exact, most, `${w} x ${h} x ${c} to ${size}, ${method} ${antialias}`)
              }
            }
          }
        }
      }
    })

    it('halves bytes exactly, as all other sizes come', () => {
      const random = new Random(23)
      for (const c of [1, 3, 4]) {
        for (const [ow, oh] of [
          [1, 1],
          [2, 3],
          [5, 1],
          [6, 4],
          [8, 2],
          [17, 5],
          [35, 3],
          [2, 700],
        ] as const) {
          const pixels = noise(2 * ow, 2 * oh, c, random)
          const at = (row: number, column: number, k: number) => {
            const [r, x] = [Math.min(Math.max(row, 0), 2 * oh - 1), Math.min(Math.max(column, 0), 2 * ow - 1)]
            return pixels.data[(r * 2 * ow + x) * c + k]!
          }
          for (const weights of [
            [1, 1],
            [1, 3, 3, 1],
          ]) {
            const [taps, sum] = [weights.length, weights.reduce((a, b) => a + b) ** 2]
            const antialias = taps > 2
            const { data } = image.resize(pixels, [oh, ow], { antialias, engine: engine() })
            const exact = Array.from({ length: oh * ow * c }, (_, i) => {
              const [o, column, k] = [Math.floor(i / (ow * c)), Math.floor(i / c) % ow, i % c]
              let total = 0
              for (let r = 0; r < taps; r++)
                for (let x = 0; x < taps; x++)
                  total +=
                    weights[r]! * weights[x]! * at(2 * o + r + 1 - taps / 2, 2 * column + x + 1 - taps / 2, k)
              return Math.floor((total + sum / 2) / sum)
            })
            expect([...data], `${ow} x ${oh} x ${c}, ${antialias}`).toEqual(exact)
          }
        }
      }
    })

    it('keeps what is of one colour, in strips too', () => {
      const white = { data: new Uint8Array(1500 * 900 * 3).fill(255), width: 1500, height: 900 }
      for (const size of [[333, 517] as const, [1000, 100] as const]) {
        const { data } = image.resize(white, size, { engine: engine() })
        expect(data.every((v) => v === 255)).toBe(true)
      }
      const random = new Random(22)
      const tall = noise(6, 5000, 4, random)
      const small = image.resize(tall, [700, 6], { engine: engine() })
      const exact = resized.resize(valuesOf(tall), { size: [700, 6], antialias: true }).data
      expectNear(small.data, exact, 0.8, 'tall')
    })

    it('of tensors and deeper elements is that of tensors', () => {
      const { data, width, height } = noise(9, 7, 3)
      using x = engine().tensor(
        Float32Array.from(data, (v) => v / 255),
        [1, height, width, 3],
      )
      using y = image.resize(x, [5, 12], { method: 'bicubic' })
      const options = { method: 'bicubic', engine: engine() } as const
      const words = image.resize(
        { data: Uint16Array.from(data, (v) => v * 257), width, height },
        [5, 12],
        options,
      )
      const floats = image.resize(
        { data: Float32Array.from(data, (v) => v / 255), width, height },
        [5, 12],
        options,
      )
      expect(floats.data).toEqual(y.toArray())
      for (const [i, v] of y.toArray().entries())
        expect(Math.abs(words.data[i]! - Math.min(65535, Math.max(0, v * 65535)))).toBeLessThan(0.51)
    })

    it('lets no colour out of what is transparent', () => {
      const data = new Uint8Array([255, 255, 255, 255, 255, 0, 0, 0, 255, 255, 255, 255, 255, 0, 0, 0])
      for (const Kind of [Uint8Array, Uint16Array]) {
        const white = Kind === Uint8Array ? 255 : 65535
        const deep = mapped(Kind, data, (v) => (v / 255) * white)
        const y = image.resize({ data: deep, width: 4, height: 1 }, [1, 2], { engine: engine() })
        expect([...y.data].map((v, i) => (i % 4 < 3 ? v / white : Math.abs(v / white - 0.5) < 0.2))).toEqual([
          1,
          1,
          1,
          true,
          1,
          1,
          1,
          true,
        ])
      }
    })

    it('says what is wrong', () => {
      const pixels = noise(4, 3, 1)
      const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
      complain(() => image.resize(pixels, 0, { engine: engine() }), 'resize: size must be')
      complain(
        () => image.resize(pixels, 5, { engine: engine(), method: 'cubic' as never }),
        "resize: method must be 'nearest', 'bilinear' or 'bicubic', got \"cubic\"",
      )
      complain(
        () => image.resize({ data: new Uint8Array(0), width: 0, height: 4 }, 5, { engine: engine() }),
        'resize: image must be of at least one pixel, got 0 x 4',
      )
      complain(
        () => image.resize(pixels, [2, 2], { engine: engine(), out: new Uint8ClampedArray(5) }),
        'resize: out must be a Uint8ClampedArray of 4 bytes',
      )
    })
  })
})

describe('warpAffine', () => {
  inEveryBuild((engine) => {
    const matrices: [number[], number[]][] = [
      [
        [1, 0, 0],
        [0, 1, 0],
      ],
      [
        [1, 0, -2.25],
        [0, 1, 3.5],
      ],
      [
        [0.75, -0.5, 4],
        [0.5, 0.75, -3],
      ],
      [
        [0, 1, 0],
        [-1, 0, 9],
      ],
      [
        [-1.5, 0.125, 12],
        [0, -0.25, 5],
      ],
      [
        [0, 0, 3.5],
        [0, 0, 2],
      ],
      [
        [1, 0, 90],
        [0, 1, -70],
      ],
    ]
    const toMatrix = (rows: [number[], number[]]) => rows as unknown as image.AffineMatrix

    it('agrees with the reference, of tensors of any channels and of bytes, at every border', () => {
      const random = new Random(23)
      for (const [h, w, c] of [
        [1, 1, 1],
        [5, 8, 1],
        [6, 4, 3],
        [4, 7, 4],
        [3, 4, 6],
      ] as const) {
        const data = Uint8Array.from({ length: 2 * h * w * c }, (_, i) =>
          c === 4 && i % 4 === 3 ? 255 : random.integer(0, 255),
        )
        using x = engine().tensor(data, [2, h, w, c])
        const one = { shape: [1, h, w, c], data: data.subarray(0, h * w * c) }
        for (const matrix of matrices) {
          for (const border of borders) {
            for (const method of ['bilinear', 'nearest'] as const) {
              const options = { border, method, inverse: true, size: [6, 9] as const }
              const about = `${h} x ${w} x ${c}, ${matrix} ${border} ${method}`
              const nearest = method === 'nearest'
              using y = image.warpAffine(x, toMatrix(matrix), options)
              // Three sums of two, of numbers to 255.
              const exact = warpAffine({ shape: [2, h, w, c], data }, matrix, [6, 9], border, nearest)
              expectValues(y, exact, nearest ? 0 : 255 * 2 ** -20, about)
              // Colours at the edge of what is opaque do not mix with what is outside.
              if (c > 4 || (c === 4 && border === 'zero')) continue
              const pixels = { data: one.data, width: w, height: h }
              const bytes = image.warpAffine(pixels, toMatrix(matrix), { ...options, engine: engine() })
              const part = warpAffine(one, matrix, [6, 9], border, nearest).data
              // Positions of 1 / 256 of a pixel off along both axes.
              expectNear(bytes.data, part, nearest ? 0 : 0.5 + (2 * 255) / 256 + 0.01, about)
            }
          }
        }
      }
    })

    it('goes where the matrix says, and back', () => {
      const { data } = noise(5, 4, 1)
      const pixels = { data, width: 5, height: 4 }
      const moved = image.warpAffine(
        pixels,
        [
          [1, 0, 1],
          [0, 1, 2],
        ],
        { engine: engine() },
      )
      expect([...moved.data.subarray(0, 10)]).toEqual(new Array(10).fill(0))
      expect([...moved.data.subarray(11, 15)]).toEqual([...data.subarray(0, 4)])
      const turned = image.warpAffine(
        pixels,
        [
          [0, -1, 3],
          [1, 0, 0],
        ],
        { engine: engine(), size: [5, 4] },
      )
      for (let y = 0; y < 4; y++)
        for (let x = 0; x < 5; x++) expect(turned.data[x * 4 + 3 - y]).toBe(data[y * 5 + x])
    })

    it('keeps colours whole at the edges of RGBA, opaque or not', () => {
      for (const hidden of [255, 0]) {
        const data = Uint8Array.from({ length: 5 * 5 * 4 }, (_, i) => [200, 100, 50, 255][i % 4]!)
        data.set([255, 255, 255, hidden && 255], 0)
        if (hidden) data.set([200, 100, 50, 255], 0)
        for (const Kind of [Uint8Array, Uint16Array]) {
          const scale = Kind === Uint8Array ? 1 : 257
          const y = image.warpAffine(
            { data: mapped(Kind, data, (v) => v * scale), width: 5, height: 5 },
            [
              [0.9, -0.3, 1.5],
              [0.3, 0.9, -0.4],
            ],
            { engine: engine() },
          ).data
          let partly = 0
          for (let i = 0; i < y.length; i += 4) {
            const [r, g, b, a] = [...y.subarray(i, i + 4)].map((v) => v / scale) as [
              number,
              number,
              number,
              number,
            ]
            if (a < 3) continue
            partly += Number(a < 255)
            for (const [v, level] of [
              [r, 200],
              [g, 100],
              [b, 50],
            ] as const)
              expect(Math.abs(v - level)).toBeLessThan(2)
          }
          expect(partly).toBeGreaterThan(3)
        }
      }
    })

    it('says what is wrong', () => {
      const pixels = noise(4, 3, 1)
      const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
      const options = { engine: engine() }
      const flat = [
        [1, 2, 0],
        [2, 4, 0],
      ] as const
      complain(
        () => image.warpAffine(pixels, flat, options),
        'warpAffine: matrix must be one that can be inverted',
      )
      complain(
        () => image.warpAffine(pixels, [[1, 2]] as never, options),
        'matrix must be [[a, b, c], [d, e, f]]',
      )
      complain(
        () => image.warpAffine(pixels, flat, { ...options, inverse: 1 as never }),
        'inverse must be true or false',
      )
      complain(
        () => image.warpAffine(pixels, flat, { ...options, method: 'bicubic' as never }),
        "method must be 'nearest' or 'bilinear'",
      )
      complain(
        () => image.warpAffine(pixels, flat, { ...options, inverse: true, size: [1] as never }),
        'warpAffine: size must be',
      )
    })
  })
})
