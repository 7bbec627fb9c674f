/**
 * Kernels that no public op runs, a line each: beside the table of ../cases.ts, which browsers run too. By plans alone:
 * dist/every-kernel.js has these beside the tensors of dist/index.js.
 */
import * as fb from '../../../src/index.js'
import { runNormalRows } from '../../../src/plans/normalise.js'
import { runColumns, runMaxPoolPlaces } from '../../../src/plans/pool.js'
import { type GridRules, runGridTaps, runPoints, runRoiAlign } from '../../../src/plans/regions.js'
import { runSuppress } from '../../../src/plans/suppress.js'
import { ScanOp } from '../../../src/wasm/abi.js'
import type { Case } from './maker.js'
import { wholes } from './wholes.js'

export const inner: Record<string, Case> = {
  'running sums rounded to float32': {
    shapes: (random) => [[random.integer(1, 3), random.integer(1, 40), random.integer(1, 40)]],
    op: (x) => {
      const { engine, shape, size } = x!
      const [, n, inner] = shape as [number, number, number]
      const vectors = size / n
      const sums = [0, 1].flatMap((exclusive) =>
        [0, 1].map((reverse) => {
          const y = engine.zeros(shape)
          const args = { op: ScanOp.sumSingle, x: x!.pointer, y: y.pointer, n, inner, vectors, unit: vectors }
          engine.run({ kernel: 'scan', args: { ...args, exclusive, reverse }, units: 1 })
          return y
        }),
      )
      return fb.concat(sums)
    },
  },
  'planes, normalised': {
    shapes: (random) => {
      const c = random.integer(1, 5)
      return [[random.integer(1, 3), c, random.pick([1, 7, 60, 9000])], [c]]
    },
    op: (x, v) => {
      const { engine } = x!
      const [, groups, n] = x!.shape as [number, number, number]
      const rows = { n, groups, scale: v!, offset: v!, epsilon: 1e-3, single: true }
      const given = { mean: v!, variance: fb.abs(v!) }
      const ys = [{ ...rows, given, clamp: [-0.5, 1.5] as const }, rows].map((each) => {
        const y = engine.zeros(x!.shape)
        runNormalRows(x!, y, each)
        return y
      })
      return fb.concat(ys)
    },
  },
  ...wholes,
  'terms of quantising in the run': {
    shapes: (random) => [[random.integer(1, 9), random.integer(1, 40)]],
    op: (x) => {
      const { engine } = x!
      const [low, high, scale, number] = [fb.min(x!), fb.max(x!), engine.zeros([]), engine.zeros([])]
      const zero = engine.zeros([], { dtype: 'int32' })
      engine.run({
        kernel: 'quantizeTerms',
        args: {
          low: low.pointer,
          high: high.pointer,
          scale: scale.pointer,
          zero: zero.pointer,
          number: number.pointer,
        },
        units: 1,
      })
      return fb.concat([scale, fb.cast(zero, 'float32'), number].map((part) => fb.reshape(part, [-1])))
    },
  },
  suppress: {
    shapes: (random) => {
      const [images, n] = [random.integer(1, 3), random.pick([1, 5, 40, 300])]
      return [
        [images, n, 4],
        [images, random.integer(1, 4), n],
      ]
    },
    op: (boxes, scores) => {
      const { engine } = boxes!
      const [images, classes, n] = scores!.shape as [number, number, number]
      const most = Math.ceil(n / 2)
      const places = engine.zeros([images * classes, most], { dtype: 'int32' })
      const counts = engine.zeros([images * classes], { dtype: 'int32' })
      const rules = { centred: n % 2 === 0, overlap: 0.4, least: -0.5 }
      runSuppress({ boxes: boxes!, scores: scores!, places, counts, ...rules })
      return fb.concat([fb.reshape(places, [-1]), counts])
    },
  },
  'places of the largest': {
    shapes: (random) => [
      [
        random.integer(1, 2),
        random.integer(2, 5),
        random.integer(3, 7),
        random.integer(3, 9),
        random.integer(1, 11),
      ],
    ],
    op: (x) => {
      const { engine } = x!
      const [n, d, h, w, c] = x!.shape as [number, number, number, number, number]
      const axis = (input: number, size: number, stride: number, dilation: number) => {
        const output = Math.floor((input + 2 - dilation * (size - 1) - 1) / stride) + 1
        return { input, output, size, stride, dilation, before: 1, after: 1 }
      }
      const axes = [axis(d, 2, 1, 2), axis(h, 3, 2, 1), axis(w, 3, 1, 1)] as const
      const shape = [n, ...axes.map(({ output }) => output), c]
      const [y, places] = [engine.zeros(shape), engine.zeros(shape, { dtype: 'int32' })]
      runMaxPoolPlaces(x!, y, places, axes, { axes: [h * w, w, 1], plane: d * h * w })
      return fb.concat([fb.reshape(y, [-1]), fb.reshape(fb.cast(places, 'float32'), [-1])])
    },
  },
  'columns added up': {
    shapes: (random) => [
      [
        random.integer(1, 5),
        random.integer(1, 4),
        random.integer(3, 9),
        random.integer(3, 21),
        random.integer(1, 3),
      ],
    ],
    op: (x) => {
      const { engine } = x!
      const [planes, d, h, w, stride] = x!.shape as [number, number, number, number, number]
      const axis = (input: number, size: number, stride: number, dilation: number) => {
        const output = Math.floor((input + 1 - dilation * (size - 1) - 1) / stride) + 1
        return { input, output, size, stride, dilation, before: 1, after: 0 }
      }
      const axes = [axis(d, 1, 1, 1), axis(h, 2, 2, 1), axis(w, 3, stride, stride === 3 ? 1 : 2)] as const
      const places = axes.reduce((count, { output }) => count * output, 1)
      const taps = axes.reduce((count, { size }) => count * size, 1)
      const y = engine.zeros([planes, d * h * w])
      // Some numbers of x, over and over.
      const count = planes * taps * places
      const repeated = fb.tile(fb.reshape(x!, [-1]), [Math.ceil(count / x!.size)])
      runColumns(fb.reshape(fb.slice(repeated, { end: [count] }), [planes, taps, places]), y, axes)
      return y
    },
  },
  ...Object.fromEntries(
    [false, true].map((largest): [string, Case] => [
      `regions by their ${largest ? 'largest' : 'mean'}`,
      {
        shapes: (random) => [
          [random.integer(1, 2), random.integer(1, 9), random.integer(1, 9), random.integer(1, 19)],
          [random.integer(1, 9), 4],
        ],
        op: (x, corners) => {
          const { engine } = x!
          const [n, h, w, c] = x!.shape as [number, number, number, number]
          const [count] = corners!.shape as [number]
          // Some lie outside, and some end before they begin.
          const boxes = fb.mul(corners!, Math.max(h, w) + 2)
          const images = engine.tensor(
            Int32Array.from({ length: count }, (_, i) => i % n),
            [count],
            { dtype: 'int32' },
          )
          const y = engine.zeros([count, 3, 2, c])
          const samples = count % 3 === 0 ? 0 : 5 * (count % 3)
          runRoiAlign({ x: x!, boxes, images, y, samples, largest, halfPixel: count % 2 === 0, scale: 0.75 })
          return y
        },
      },
    ]),
  ),
  ...Object.fromEntries(
    (['nearest', 'linear', 'cubic'] as const).flatMap((method) =>
      (['zeros', 'border', 'reflection'] as const).map((padding): [string, Case] => [
        `points of volumes, ${method} with ${padding}`,
        {
          shapes: (random) => {
            const n = random.integer(1, 2)
            const axes = random.integer(2, 3)
            const lengths = Array.from({ length: axes }, () => random.integer(1, 5))
            return [
              [n, ...lengths, random.integer(1, 9)],
              [n, random.integer(1, 40), axes],
            ]
          },
          op: (x, grid) => {
            const { engine } = x!
            const [n, pixels] = grid!.shape as [number, number]
            const y = engine.zeros([n, pixels, x!.shape.at(-1)!])
            const rules: GridRules = { method, padding, alignCorners: pixels % 2 === 0 }
            runGridTaps(x!, fb.mul(grid!, 1.7), y, rules)
            return y
          },
        },
      ]),
    ),
  ),
  'points in pixels': {
    shapes: (random) => {
      const n = random.integer(1, 2)
      return [
        [n, random.integer(1, 6), random.integer(1, 6), random.integer(1, 9)],
        [n, random.integer(1, 40), 2],
      ]
    },
    op: (x, points) => {
      const { engine } = x!
      const [n, pixels] = points!.shape as [number, number]
      const y = engine.zeros([n, pixels, x!.shape.at(-1)!])
      runPoints(x!, fb.mul(points!, 4), y)
      return y
    },
  },
}
