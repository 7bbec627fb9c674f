import { describe, expect, it } from 'vitest'
import * as image from '../../src/image/index.js'
import type { Engine } from '../../src/index.js'
import type { Arguments, Exports, Job, Kernel } from '../../src/wasm/kernels.js'
import { inEveryBuild } from '../support/check.js'
import { snapshot } from '../support/kernels.js'
import { Random } from '../support/random.js'

/** Where a job's unit 0 writes, and how many bytes each unit does. */
function outputOf({ kernel, args }: Job): { start: number; unit: number } {
  if (kernel === 'toBytes') {
    const { bytes, w } = args as Arguments<'toBytes'>
    return { start: bytes, unit: w * 4 }
  }
  if (kernel === 'halve') {
    const { y, ow, c } = args as Arguments<'halve'>
    return { start: y, unit: ow * c }
  }
  if (kernel === 'sharedBits') return { start: (args as Arguments<'sharedBits'>).y, unit: 16 }
  const { y, w, c = 4 } = args as Arguments<'filterWindow'>
  return { start: y, unit: w * c * (['filterBytes', 'labBytes'].includes(kernel) ? 1 : 4) }
}

/**
 * Runs `body` with units given to the kernels in random pieces, last piece first; each may write its own
 * units' bytes and scratch memory, nothing else.
 */
function inPieces(engine: Engine, random: Random, body: () => void): void {
  const { exports, control } = engine as unknown as { exports: Exports; control: number }
  let job: Job
  const run = (next: Job) => {
    job = next
    Object.getPrototypeOf(engine).run.call(engine, next)
  }
  const execute = (kernel: Kernel, call: number, units: number) => {
    const { start, unit } = outputOf(job)
    const scratch = engine.i32[control / 4]!
    const scratchEnd = scratch + engine.i32[control / 4 + 1]!
    for (let end = units; end > 0; ) {
      const begin = random.integer(Math.max(0, end - 5), end - 1)
      const before = snapshot(engine.u8)
      exports[kernel](call * 4, begin, end)
      const after = engine.u8
      // What it may write counts as it is now.
      for (const own of [
        [start + begin * unit, start + end * unit],
        [scratch, scratchEnd],
      ])
        before.set(after.subarray(...own), own[0])
      if (Buffer.compare(before, after) !== 0) {
        const i = after.findIndex((value, at) => value !== before[at])
        expect.fail(`seed ${random.seed}: ${kernel} [${begin}, ${end}) writes byte ${i} outside of its units`)
      }
      end = begin
    }
  }
  Object.assign(engine, { run, execute })
  try {
    body()
  } finally {
    delete (engine as Partial<Engine>).run
    delete (engine as unknown as { execute?: unknown }).execute
  }
}

describe('image kernels', () => {
  inEveryBuild(
    (engine) => {
      const filters: Record<
        string,
        (x: Parameters<typeof image.toImageData>[0]) => { toArray(): Float32Array }
      > = {
        filterWindow: (x) =>
          image.filter2d(
            x,
            [
              [1, -2, 3, 0.1],
              [4, 5, -6, 0.2],
              [7, 8, 9, 0.3],
            ],
            { border: 'wrap' },
          ),
        'filterWindow down and across, blended': (x) => image.unsharpMask(x, { sigma: 1 }),
        filterBox: (x) => image.boxBlur(x, [5, 9]),
        'filterBox, few rows': (x) => image.boxBlur(x, [2, 8]),
        gradientMagnitude: (x) => image.scharr(x),
        'median of 3': (x) => image.median(x, 3),
        'median of 5': (x) => image.median(x, 5),
      }
      const shapes = [
        [2, 9, 1, 1],
        [3, 6, 3, 1],
        [2, 7, 5, 3],
        [1, 8, 13, 2],
        [1, 12, 30, 1],
      ]
      for (const [name, filter] of Object.entries(filters)) {
        it(`${name}: the same bytes at every split of its units, and none elsewhere`, () => {
          for (const shape of shapes) {
            const random = new Random(11)
            engine().scope(() => {
              const x = engine().tensor(random.floats(shape.reduce((a, b) => a * b)), shape)
              const whole = filter(x).toArray()
              for (let time = 0; time < 4; time++)
                inPieces(engine(), random, () => expect(filter(x).toArray()).toEqual(whole))
            })
          }
        })
      }

      it('of bytes: the same', () => {
        const random = new Random(13)
        const filters: ((pixels: image.Pixels, options: image.FilterOptions) => image.OwnPixels)[] = [
          (pixels, options) =>
            image.filter2d(
              pixels,
              [
                [1, 0.1, 0.2],
                [-0.3, 0.4, -0.5],
              ],
              options,
            ),
          (pixels, options) => image.gaussianBlur(pixels, 1, options),
          (pixels, options) => image.resize(pixels, [11, pixels.width / 2], options),
          (pixels, options) => image.resize(pixels, [11, pixels.width / 2], { ...options, antialias: false }),
          (pixels, options) =>
            (pixels.data.length % 3 ? pixels : image.toLab(pixels, options)) as image.OwnPixels,
        ]
        for (const [width, c] of [
          [2, 1],
          [10, 3],
          [4, 4],
          [38, 1],
          [14, 3],
          [12, 4],
        ] as const) {
          const length = width * 22 * c
          const data = Uint8Array.from({ length }, (_, i) =>
            c === 4 && i % 4 === 3 ? 255 : random.integer(0, 255),
          )
          const pixels = { data, width, height: 22 }
          for (const filter of filters) {
            const whole = filter(pixels, { engine: engine() })
            for (let time = 0; time < 4; time++)
              inPieces(engine(), random, () => expect(filter(pixels, { engine: engine() })).toEqual(whole))
          }
        }
      })

      it('fromBytes and toBytes: the same', () => {
        const random = new Random(12)
        for (const channels of ['gray', 'rgb', 'rgba'] as const) {
          for (let width = 1; width <= 9; width++) {
            const pixels = {
              data: Uint8Array.from({ length: width * 6 * 4 }, () => random.integer(0, 255)),
              width,
              height: 6,
            }
            engine().scope(() => {
              const x = image.fromImageData(engine(), pixels, { channels, mean: 0.3 })
              const whole = { x: x.toArray(), y: image.toImageData(x) }
              inPieces(engine(), random, () => {
                const again = image.fromImageData(engine(), pixels, { channels, mean: 0.3 })
                expect({ x: again.toArray(), y: image.toImageData(again) }).toEqual(whole)
              })
            })
          }
        }
      })
    },
    { threads: 1 },
  )
})
