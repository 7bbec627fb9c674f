/**
 * The convolutions that the bench measures, a line each (bench/shapes), by every algorithm that fits them:
 * outputs here and there beside the reference, those at the edges among them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { conv2dOptions, type Problem, parseLayers, parseLine, sizeOf } from '../../bench/cases.js'
import { conv2d, planConv2d } from '../../src/index.js'
import { algorithms } from '../../src/ops/conv/algorithms.js'
import { inEveryBuild } from '../support/check.js'
import { root } from '../support/package.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

const folder = join(root, 'bench/shapes')
const layers = parseLayers(
  readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n'),
)
/** Larger ones differ from these in sizes alone, and take long to fill with numbers. */
const MOST_NUMBERS = 700_000
const convolutions = layers.filter(
  ({ op, input, filter }) =>
    op === 'conv2d' && sizeOf(input) < MOST_NUMBERS && sizeOf(filter!) < MOST_NUMBERS,
)

/** One output of a convolution: that of the window that it sees. */
function outputAt(
  { stride, padding, dilation, groups, window }: Problem,
  x: reference.Values,
  filter: reference.Values,
  [n, oy, ox, o]: [number, number, number, number],
): number {
  const [kh, kw, depth, out] = filter.shape as [number, number, number, number]
  const first = Math.floor(o / (out / groups)) * depth
  const seen = reference.build([1, kh, kw, depth], (_, ky, kx, i) => {
    const y = oy * stride[0] - padding[0] + ky! * dilation[0]
    return reference.at(x, [n, y, ox * stride[1] - padding[1] + kx! * dilation[1], first + i!], 0)
  })
  const weights = reference.build([...window, depth, 1], (ky, kx, i) =>
    reference.at(filter, [ky!, kx!, i!, o]),
  )
  const whole = {
    stride: [1, 1],
    dilation: [1, 1],
    padding: [
      [0, 0],
      [0, 0],
    ],
  } as reference.WindowGeometry
  return reference.conv2d(seen, weights, undefined, whole, 1).data[0]!
}

describe('a case in a line', () => {
  it('says what it is', () => {
    expect(parseLine('n2 i8x9x64 o32 k1x7 s2 p0x3 d1 g4 igemm  # net layer, second')).toMatchObject({
      line: 'n2 i8x9x64 o32 k1x7 s2 p0x3 d1 g4 igemm',
      names: ['net layer, second'],
      op: 'conv2d',
      kind: 'grouped',
      input: [2, 8, 9, 64],
      filter: [1, 7, 16, 32],
      stride: [2, 2],
      padding: [0, 3],
      groups: 4,
      algorithm: 'igemm',
    })
    expect(parseLine('lstm n1 t100 i64 o128')).toMatchObject({ input: [1, 100, 64], outChannels: 128 })
    expect(parseLine('linear n1 i20 o5').filter).toEqual([20, 5])
    expect(parseLine('maxPool2d n1 i9x9x2 k3').stride).toEqual([3, 3])
  })

  it('says where it cannot be read', () => {
    expect(() => parseLine('n1 i8x8x3 q4')).toThrow('"q4"')
    expect(() => parseLine('n1 k3 o4')).toThrow('"i"')
    expect(() => parseLine('n1 i8x8 k3 o4')).toThrow('"i"')
    expect(() => parseLine('n1 i8x8x4 k3')).toThrow('"o"')
  })
})

describe('the layers of the bench', () => {
  inEveryBuild((engine) => {
    it('come out as the reference has them, by every algorithm that fits', () => {
      const random = new Random(20261129)
      const ran = new Set<string>()
      expect(convolutions.length).toBeGreaterThan(40)
      for (const layer of convolutions) {
        const [x, filter] = [layer.input, layer.filter!].map((shape) => ({
          shape,
          data: random.integers(sizeOf(shape)),
        })) as [reference.Values & { data: Float32Array }, reference.Values & { data: Float32Array }]
        const options = conv2dOptions(layer)
        engine().scope(() => {
          const [a, b] = [x, filter].map(({ data, shape }) => engine().tensor(data, shape))
          for (const algorithm of planConv2d(layer.input, layer.filter!, options).fits) {
            ran.add(algorithm)
            const y = conv2d(a!, b!, { ...options, algorithm })
            const data = y.toArray()
            const { exact } = algorithms.find(({ name }) => name === algorithm)!
            // Winograd's sums round by the largest of a tile.
            const tolerance = exact ? 0 : 1e-4 * data.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
            const last = y.shape.map((length) => length - 1) as [number, number, number, number]
            const places: (typeof last)[] = [last, [0, 0, 0, 0], [0, 0, last[2], last[3]]]
            for (let i = 0; i < 12; i++)
              places.push(last.map((most) => random.integer(0, most)) as typeof last)
            for (const place of places) {
              const got = reference.at({ shape: [...y.shape], data }, place)
              const apart = Math.abs(got - outputAt(layer, x, filter, place))
              expect(apart, `${layer.line}, ${algorithm}, at ${place}`).toBeLessThanOrEqual(tolerance)
            }
            y.dispose()
          }
        })
      }
      const floats = algorithms.filter(({ dtypes }) => dtypes.includes('float32'))
      expect([...ran].sort()).toEqual(floats.map(({ name }) => name).sort())
    })
  })
})
