import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { featureMaps, filterSheet } from '../../src/image/index.js'
import { createEngine, type Engine, type Numbers, type Shape } from '../../src/index.js'
import { expectComplaint } from '../support/check.js'

let engine: Engine
beforeAll(async () => {
  engine = await createEngine()
})
afterAll(() => {
  expect(engine.memory().tensors).toBe(0)
  engine.dispose()
})

const BACKGROUND = [44, 48, 56]
const MAGENTA = [255, 0, 255]
const gray = (v: number) => [v, v, v]

type Drawn = { data: Uint8ClampedArray; width: number; height: number }
const colorAt = ({ data, width }: Drawn, x: number, y: number) => [
  ...data.subarray((y * width + x) * 4, (y * width + x) * 4 + 3),
]

function maps(data: Numbers, shape: Shape, options?: Parameters<typeof featureMaps>[1]): Drawn {
  using x = engine.tensor(data, shape)
  return featureMaps(x, options)
}

function filters(data: Numbers, shape: Shape, options?: Parameters<typeof filterSheet>[1]): Drawn {
  using x = engine.tensor(data, shape)
  return filterSheet(x, options)
}

const one = { scale: 1, gap: 0 }
const iota = (length: number) => Float32Array.from({ length }, (_, i) => i)

describe('featureMaps', () => {
  it('puts each channel into a cell of its own, magnified, with gaps around', () => {
    // Channel 0 is [0, 1], channel 1 is [5, 0].
    const sheet = maps([0, 5, 1, 0], [1, 1, 2, 2], { scale: 3, gap: 2, columns: 2 })
    expect([sheet.width, sheet.height]).toEqual([2 + 6 + 2 + 6 + 2, 2 + 3 + 2])
    const row = Array.from({ length: sheet.width }, (_, x) => colorAt(sheet, x, 3))
    const [b, k, w] = [BACKGROUND, gray(0), gray(255)]
    expect(row).toEqual([b, b, k, k, k, w, w, w, b, b, w, w, w, k, k, k, b, b])
    for (const y of [2, 4]) for (let x = 0; x < sheet.width; x++) expect(colorAt(sheet, x, y)).toEqual(row[x])
    for (const y of [0, 1, 5, 6])
      for (let x = 0; x < sheet.width; x++) expect(colorAt(sheet, x, y)).toEqual(b)
    for (let at = 3; at < sheet.data.length; at += 4) expect(sheet.data[at]).toBe(255)
  })

  it('spans the range of each map, or of all', () => {
    const x = [0, 0, 1, 4] // channel 0: 0, 1; channel 1: 0, 4
    const read = (sheet: Drawn) => [0, 1, 2, 3].map((i) => colorAt(sheet, i, 0)[0])
    expect(read(maps(x, [1, 1, 2, 2], { ...one, columns: 2 }))).toEqual([0, 255, 0, 255])
    expect(read(maps(x, [1, 1, 2, 2], { ...one, columns: 2, normalize: 'all' }))).toEqual([0, 64, 0, 255])
  })

  it('leaves outliers out of the range where asked to', () => {
    const x = Float32Array.of(-100, 0, 1, 2, 3, 4, 5, 6, 7, 100)
    const sheet = maps(x, [1, 1, 10, 1], { ...one, clip: 0.1 })
    expect(Array.from(x, (_, i) => colorAt(sheet, i, 0)[0])).toEqual([
      0, 0, 36, 73, 109, 146, 182, 219, 255, 255,
    ])
    const sparse = maps([0, 0, 0, 0, 8], [1, 1, 5, 1], { ...one, clip: 0.2 })
    expect(colorAt(sparse, 4, 0)).toEqual(gray(255))
    expect(colorAt(sparse, 0, 0)).toEqual(gray(0))
  })

  it('diverges from white at zero to red above and blue below, as far on both sides', () => {
    const sheet = maps([-2, 0, 1, 4], [1, 1, 4, 1], { ...one, colors: 'diverging' })
    expect(colorAt(sheet, 1, 0)).toEqual([255, 255, 255])
    expect(colorAt(sheet, 3, 0)).toEqual([103, 0, 31])
    const [r, , b] = colorAt(sheet, 0, 0) as [number, number, number]
    expect(b).toBeGreaterThan(r)
    const opposite = maps([2, -4], [1, 1, 2, 1], { ...one, colors: 'diverging' })
    expect(colorAt(opposite, 1, 0)).toEqual([5, 48, 97])
  })

  it('shows NaN in a colour of its own, infinities as the ends, and constant maps', () => {
    for (const colors of ['gray', 'diverging'] as const) {
      const [low, high] =
        colors === 'gray'
          ? [gray(0), gray(255)]
          : [
              [5, 48, 97],
              [103, 0, 31],
            ]
      const sheet = maps(
        [-1, Number.NaN, 1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
        [1, 1, 5, 1],
        { ...one, colors },
      )
      expect([0, 1, 2, 3, 4].map((i) => colorAt(sheet, i, 0))).toEqual([low, MAGENTA, high, high, low])
      const constant = maps([0, 0], [1, 1, 2, 1], { ...one, colors })
      expect(colorAt(constant, 0, 0)).toEqual(gray(colors === 'gray' ? 0 : 255))
      const none = maps([Number.NaN, Number.POSITIVE_INFINITY], [1, 1, 2, 1], { ...one, colors })
      expect([0, 1].map((i) => colorAt(none, i, 0))).toEqual([MAGENTA, high])
    }
    expect(colorAt(maps([7, 7], [1, 1, 2, 1], one), 0, 0)).toEqual(gray(0))
  })

  it('starts a new row for each image, or shows the one asked for', () => {
    const x = iota(12) // [n 2, 1, 2, channels 3]
    const both = maps(x, [2, 1, 2, 3], { ...one, columns: 2, normalize: 'all' })
    expect([both.width, both.height]).toEqual([4, 4])
    const level = (v: number) => gray(Math.round((v / 11) * 255))
    expect([0, 1, 2, 3].map((i) => colorAt(both, i, 0))).toEqual([0, 3, 1, 4].map(level))
    expect([0, 1, 2, 3].map((i) => colorAt(both, i, 1))).toEqual([level(2), level(5), BACKGROUND, BACKGROUND])
    expect([0, 1].map((i) => colorAt(both, i, 2))).toEqual([6, 9].map(level))
    const second = maps(x, [2, 1, 2, 3], { ...one, columns: 3, image: 1, normalize: 'all' })
    expect([second.width, second.height]).toEqual([6, 1])
    expect(colorAt(second, 0, 0)).toEqual(gray(0))
    expect(colorAt(second, 5, 0)).toEqual(gray(255))
  })

  it('chooses a grid without holes and cells large enough to see', () => {
    const size = (shape: Shape) => {
      const { width, height } = maps(iota(shape.reduce((a, b) => a * b)), shape)
      return [width, height]
    }
    expect(size([1, 64, 64, 4])).toEqual([2 * 68 + 4, 2 * 68 + 4])
    expect(size([1, 64, 64, 8])).toEqual([4 * 68 + 4, 2 * 68 + 4])
    expect(size([1, 7, 7, 1])).toEqual([70 + 8, 70 + 8])
    expect(size([1, 200, 100, 1])).toEqual([108, 208])
    expect(size([3, 64, 64, 4])).toEqual([4 * 68 + 4, 3 * 68 + 4])
  })

  it('says what is wrong', () => {
    using x = engine.zeros([2, 4, 4, 3])
    using flat = engine.zeros([4, 4])
    using empty = engine.zeros([1, 0, 4, 3])
    const complain = (options: object, ...parts: string[]) =>
      expectComplaint(engine, () => featureMaps(x, options), 'featureMaps', '[2, 4, 4, 3]', ...parts)
    expectComplaint(engine, () => featureMaps(flat), 'featureMaps', 'x', '[4, 4]')
    expectComplaint(engine, () => featureMaps(empty), 'featureMaps', 'x', '[1, 0, 4, 3]')
    expectComplaint(engine, () => featureMaps({} as never), 'featureMaps', 'a tensor')
    complain({ colors: 'jet' }, 'colors', "'gray' or 'diverging'", '"jet"')
    complain({ normalize: 'none' }, 'normalize', "'each' or 'all'")
    complain({ clip: 0.5 }, 'clip', 'below 0.5', '0.5')
    complain({ scale: 0.5 }, 'scale', 'a positive integer', '0.5')
    complain({ gap: -1 }, 'gap', '-1')
    complain({ columns: 0 }, 'columns', '0')
    complain({ image: 2 }, 'image', 'from 0 to 1', '2')
  })
})

describe('filterSheet', () => {
  it('shows filters over three channels as pictures, zero mid-gray', () => {
    // Two 1x1 filters: (1, 0, -1) and (0, 0, 0.5).
    const sheet = filters([1, 0, 0, 0, -1, 0.5], [1, 1, 3, 2], { ...one, columns: 2 })
    expect([colorAt(sheet, 0, 0), colorAt(sheet, 1, 0)]).toEqual([
      [255, 128, 0],
      [128, 128, 255],
    ])
    const common = filters([1, 0, 0, 0, -1, 0.5], [1, 1, 3, 2], { ...one, columns: 2, normalize: 'all' })
    expect(colorAt(common, 1, 0)).toEqual([128, 128, 191])
    expect(colorAt(filters([1, Number.NaN, 0], [1, 1, 3, 1], one), 0, 0)).toEqual(MAGENTA)
  })

  it('gives a cell to each filter over one channel, large enough to see', () => {
    const sheet = filters(iota(3 * 3 * 8), [3, 3, 1, 8])
    expect([sheet.width, sheet.height]).toEqual([4 * 70 + 4, 2 * 70 + 4])
  })

  it('makes a column of each filter over more channels, and keeps to the limit', () => {
    // [1, 1, 2, 3]: input channel 0 is (1, -2, 0), input channel 1 is (-1, 1, 4).
    const bank = [1, -2, 0, -1, 1, 4]
    const sheet = filters(bank, [1, 1, 2, 3], one)
    const [red, blue, white] = [
      [103, 0, 31],
      [5, 48, 97],
      [255, 255, 255],
    ]
    expect([sheet.width, sheet.height]).toEqual([3, 2])
    expect([0, 1, 2].map((x) => colorAt(sheet, x, 0))).toEqual([red, blue, white])
    expect([0, 2].map((x) => colorAt(sheet, x, 1))).toEqual([blue, red])
    const grays = filters(bank, [1, 1, 2, 3], { ...one, colors: 'gray' })
    expect([0, 1].map((y) => colorAt(grays, 0, y))).toEqual([gray(255), gray(0)])
    const cut = filters(iota(5 * 100), [1, 1, 5, 100], { ...one, limit: 4 })
    expect([cut.width, cut.height]).toEqual([4, 4])
  })

  it('says what is wrong', () => {
    using bank = engine.zeros([3, 3, 2, 4])
    using flat = engine.zeros([3, 3])
    expectComplaint(engine, () => filterSheet(flat), 'filterSheet', 'filter', '[3, 3]')
    expectComplaint(
      engine,
      () => filterSheet(bank, { colors: 'rgb' }),
      'filterSheet',
      'colors',
      "'gray' or 'diverging'",
      '"rgb"',
      '[3, 3, 2, 4]',
    )
    expectComplaint(engine, () => filterSheet(bank, { limit: 1.5 }), 'filterSheet', 'limit', '1.5')
  })
})
