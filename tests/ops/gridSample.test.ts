import { describe, it } from 'vitest'
import * as fb from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'

type Options = Required<fb.GridSampleOptions>

/** Where g stands along an axis, in plain words: outside of the image too. */
const positionOf = (g: number, length: number, alignCorners: boolean) =>
  alignCorners ? ((g + 1) / 2) * (length - 1) : ((g + 1) * length - 1) / 2

/** A walk back and forth between the two mirrors, and the pixel at the edge beyond the outer centres. */
function padded(position: number, length: number, { padding, alignCorners }: Options): number {
  if (padding === 'zeros') return position
  const [low, high] = alignCorners ? [0, length - 1] : [-0.5, length - 0.5]
  let at = position
  if (padding === 'reflection') {
    if (low === high) at = low
    else while (at < low || at > high) at = at < low ? 2 * low - at : 2 * high - at
  }
  return Math.min(Math.max(at, 0), length - 1)
}

const even = (v: number) => (v % 1 === 0.5 || v % 1 === -0.5 ? 2 * Math.round(v / 2) : Math.round(v))

function reference(
  x: number[],
  shape: number[],
  grid: number[],
  gridShape: number[],
  options: Options,
): number[] {
  const [n, ih, iw, c] = shape as [number, number, number, number]
  const [, oh, ow] = gridShape as [number, number, number]
  const y: number[] = []
  for (let i = 0; i < n * oh * ow; i++) {
    const image = Math.floor(i / (oh * ow))
    const px = padded(positionOf(grid[2 * i]!, iw, options.alignCorners), iw, options)
    const py = padded(positionOf(grid[2 * i + 1]!, ih, options.alignCorners), ih, options)
    for (let channel = 0; channel < c; channel++) {
      let sum = 0
      for (let row = 0; row < ih; row++) {
        for (let column = 0; column < iw; column++) {
          const value = x[((image * ih + row) * iw + column) * c + channel]!
          const weight =
            options.method === 'nearest'
              ? Number(even(px) === column && even(py) === row)
              : Math.max(0, 1 - Math.abs(px - column)) * Math.max(0, 1 - Math.abs(py - row))
          if (weight) sum += weight * value
        }
      }
      y.push(sum)
    }
  }
  return y
}

describe('gridSample', () => {
  inEveryBuild((engine) => {
    it('reads what plain loops read, by every method and padding, 200 random problems', () => {
      const random = new Random(20261144)
      for (let round = 0; round < 200; round++) {
        engine().scope(() => {
          const shape = [
            random.integer(0, 2),
            random.integer(1, 6),
            random.integer(1, 6),
            random.integer(0, 9),
          ]
          const gridShape = [shape[0]!, random.integer(0, 4), random.integer(1, 5), 2]
          const options: Options = {
            method: random.pick(['bilinear', 'nearest']),
            padding: random.pick(['zeros', 'border', 'reflection']),
            alignCorners: random.pick([true, false]),
          }
          const size = (of: number[]) => of.reduce((a, b) => a * b, 1)
          const x = [...random.floats(size(shape))]
          // Every eighth of a pixel, ties of nearest among them, out to three images away.
          const grid = Array.from({ length: size(gridShape) }, (_, i) => {
            const length = i % 2 ? shape[1]! : shape[2]!
            const position = random.integer(-24 * length, 32 * length) / 8
            return options.alignCorners
              ? length > 1
                ? Math.fround((2 * position) / (length - 1) - 1)
                : 0.25
              : Math.fround((2 * position + 1) / length - 1)
          })
          // Halves that the grid cannot say exactly may fall to either side.
          const near = (v: number) => Math.abs((((v % 1) + 1) % 1) - 0.5)
          const vague = grid.some((g, i) => {
            const distance = near(positionOf(g, i % 2 ? shape[1]! : shape[2]!, options.alignCorners))
            return distance > 0 && distance < 1e-4
          })
          if (options.method === 'nearest' && vague) return
          const y = fb.gridSample(engine().tensor(x, shape), engine().tensor(grid, gridShape), options)
          const data = reference(x, shape, grid, gridShape, options)
          expectValues(
            y,
            { shape: [...gridShape.slice(0, 3), shape[3]!], data: Float64Array.from(data) },
            2e-6,
            `seed ${random.seed}, round ${round}, ${JSON.stringify(options)}`,
          )
        })
      }
    })

    it('asks for no pixel of weight 0, and takes points that are no numbers', () => {
      engine().scope(() => {
        const x = engine().tensor([1, Infinity, Number.NaN, 4], [1, 2, 2, 1])
        const at = (points: number[], options: fb.GridSampleOptions) =>
          fb.gridSample(x, engine().tensor(points, [1, 1, points.length / 2, 2]), options)
        const corners = [-1, -1, 1, 1]
        expectValues(at(corners, { alignCorners: true }), {
          shape: [1, 1, 2, 1],
          data: Float64Array.of(1, 4),
        })
        const strange = [Number.NaN, -1, Infinity, 1, -1, -Infinity]
        expectValues(at(strange, { alignCorners: true, padding: 'border' }), {
          shape: [1, 1, 3, 1],
          data: Float64Array.of(1, 4, 1),
        })
        expectValues(at(strange, { alignCorners: true }), {
          shape: [1, 1, 3, 1],
          data: Float64Array.of(0, 0, 0),
        })
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([2, 3, 3, 1])
        const grid = engine().zeros([2, 1, 1, 2])
        const [flat, empty] = [engine().zeros([2, 3, 3]), engine().zeros([2, 0, 3, 1])]
        const single = engine().zeros([1, 1, 1, 2])
        const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        complaint(() => fb.gridSample(flat, grid), 'gridSample: x must be [n, height,')
        complaint(() => fb.gridSample(empty, grid), 'an image of at least one pixel')
        complaint(
          () => fb.gridSample(x, single),
          'gridSample: grid must be [2, outHeight, outWidth, 2], got [1, 1, 1, 2]',
        )
        complaint(() => fb.gridSample(x, grid, { method: 'cubic' as never }), "method must be 'bilinear' or")
        complaint(
          () => fb.gridSample(x, grid, { padding: 'zero' as never }),
          "padding must be 'zeros', 'border'",
        )
        complaint(() => fb.gridSample(x, grid, { alignCorners: 1 as never }), 'alignCorners must be true or')
      })
    })
  })
})
