import { describe, expect, it } from 'vitest'
import * as image from '../../src/image/index.js'
import type { Engine, Tensor } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import { build, type Values } from '../support/reference.js'
import * as reference from '../support/referenceImage.js'

const borders = ['zero', 'replicate', 'reflect', 'reflect101', 'wrap'] as const
const windows = [
  [3, 3],
  [1, 5],
  [4, 2],
  [7, 1],
  [9, 11],
] as const
const empties = [
  [0, 4, 4, 1],
  [1, 0, 4, 1],
  [1, 4, 0, 1],
  [1, 4, 4, 0],
]
const gradients = [
  [image.sobel, 1, 2],
  [image.scharr, 3, 10],
] as const
const size = (shape: number[]) => shape.reduce((a, b) => a * b)

/**
 * Runs `body` on small integers of many shapes: gray, rgb, rgba and more, every tail of a vector, images
 * smaller than the window.
 */
function onManyImages(
  engine: Engine,
  body: (x: Tensor, values: Values, random: Random, about: string) => void,
): void {
  const random = new Random(7)
  const shapes = [
    [1, 1, 1, 1],
    [1, 1, 1, 3],
    [1, 2, 3, 1],
    [1, 3, 2, 4],
    [2, 5, 7, 3],
    [1, 9, 30, 1],
    [1, 4, 17, 2],
    [3, 3, 5, 1],
    [1, 6, 25, 4],
  ]
  for (let width = 1; width <= 9; width++) shapes.push([1, 4, width, 1])
  for (const shape of shapes) {
    engine.scope(() => {
      const data = random.integers(size(shape), -9, 9)
      body(engine.tensor(data, shape), { shape, data }, random, `seed ${random.seed}, image [${shape}]`)
    })
  }
}

describe('filter2d', () => {
  inEveryBuild((engine) => {
    it('agrees exactly with the reference on integers, for all borders, odd and even windows, and windows larger than the image', () => {
      onManyImages(engine(), (x, values, random, about) => {
        for (const border of borders) {
          for (const [kh, kw] of windows) {
            const kernel = Array.from({ length: kh }, () => [...random.integers(kw)])
            expectValues(
              image.filter2d(x, kernel, { border }),
              reference.filter2d(values, kernel, border),
              0,
              `${about}, ${kh}x${kw} ${border}`,
            )
          }
        }
      })
    })

    it('takes a tensor for a kernel, and leaves it and the image alone', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2, 3, 4, 5, 6], [1, 2, 3, 1])
        const kernel = engine().tensor([1, 2, 3], [1, 3])
        expect([...image.filter2d(x, kernel).toArray()]).toEqual([1 * 2 + 2 * 1 + 3 * 2, 14, 14, 28, 32, 32])
        expect([...x.toArray()]).toEqual([1, 2, 3, 4, 5, 6])
      })
    })

    it('passes NaN and infinity on as IEEE arithmetic does', () => {
      engine().scope(() => {
        const x = engine().tensor([0, 0, 0, Number.POSITIVE_INFINITY, 0, 0, 0, Number.NaN], [1, 1, 8, 1])
        const y = image.filter2d(x, [[1, 1, 1]]).toArray()
        expect([...y]).toEqual([
          0,
          0,
          Number.POSITIVE_INFINITY,
          Number.POSITIVE_INFINITY,
          Number.POSITIVE_INFINITY,
          0,
          Number.NaN,
          Number.NaN,
        ])
      })
    })

    it('filters each image of a batch by itself', () => {
      engine().scope(() => {
        const whole = engine().tensor(new Random(3).floats(40 * 7), [1, 40, 7, 1])
        const y = image.filter2d(whole, reference.gaussianKernel(1)).toArray()
        const twice = engine().tensor([...whole.toArray(), ...whole.toArray()], [2, 40, 7, 1])
        expect([...image.filter2d(twice, reference.gaussianKernel(1)).toArray()]).toEqual([...y, ...y])
      })
    })

    it('a Gaussian of any small deviation leaves the image as it is', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2, 3], [1, 1, 3, 1])
        for (const sigma of [0.01, 1e-160, 1e-162, 1e-200, Number.MIN_VALUE]) {
          expect([...image.gaussianBlur(x, sigma).toArray()]).toEqual([1, 2, 3])
          expect([...image.gaussianBlur(x, sigma, { size: 3 }).toArray()]).toEqual([1, 2, 3])
          expect([...image.unsharpMask(x, { sigma }).toArray()]).toEqual([1, 2, 3])
        }
      })
    })

    it('gives nothing for nothing', () => {
      engine().scope(() => {
        for (const shape of empties) {
          const x = engine().zeros(shape)
          for (const y of [
            image.filter2d(x, [[1]]),
            image.gaussianBlur(x, 1),
            image.sobel(x),
            image.median(x, 5),
          ])
            expect(y.shape).toEqual(shape)
        }
        for (const size of [
          [0, 4, 5],
          [2, 0, 5],
          [2, 4, 0],
        ]) {
          const x = engine().zeros([...size, 3])
          const { dilate, bilateral, toHsv, fromLab, boxBlur, threshold, grayscale, canny } = image
          const kept = [dilate(x), bilateral(x), toHsv(x), fromLab(x), boxBlur(x, 9), threshold(x, 'otsu')]
          for (const y of kept) expect(y.shape).toEqual(x.shape)
          for (const y of [grayscale(x), canny(x, 0, 1)]) expect(y.shape).toEqual([...size, 1])
        }
      })
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 4, 4, 3])
        const flat = engine().zeros([27])
        const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        complain(
          () => image.filter2d(x, [[1, 2], [3]]),
          'filter2d: kernel must be rows of numbers, all of one length',
          'got rows of lengths 2, 1',
          'image [1, 4, 4, 3]',
        )
        complain(() => image.filter2d(x, []), 'filter2d: kernel', 'got []')
        complain(() => image.filter2d(x, [[1, 'a' as never]]), 'filter2d: kernel', 'got "a"')
        complain(() => image.filter2d(x, flat), 'kernel must be [height, width]')
        complain(
          () => image.filter2d(x, [[1]], { border: 'mirror' as never }),
          'border must be one of zero, replicate, reflect, reflect101, wrap, got "mirror"',
        )
        complain(() => image.filter2d(flat, [[1]]), 'image must be [n, height, width, channels], got rank 1')
        complain(
          () => image.filter2d(5 as never, [[1]]),
          'image must be a tensor or { data, width, height }, got 5',
        )
        complain(
          () => image.gaussianBlur(x, Number.NaN),
          'gaussianBlur: sigma must be a number above 0',
          'got NaN',
        )
        complain(() => image.gaussianBlur(x, Number.POSITIVE_INFINITY), 'sigma')
        complain(() => image.gaussianBlur(x, 0), 'sigma')
        complain(() => image.gaussianBlur(x, 1, { size: 4 }), 'size must be an odd integer')
        complain(() => image.boxBlur(x, 0), 'boxBlur: size must be a positive integer')
        complain(() => image.boxBlur(x, [3, 9999]), 'boxBlur: size must be at most 8191')
        complain(() => image.lowPass(x, { sigma: -1 }), 'lowPass: sigma')
        complain(() => image.highPass(x, { sigma: 1e9 }), 'highPass: sigma')
        complain(() => image.sharpen(x, { amount: Number.NaN }), 'sharpen: amount must be a finite number')
        complain(
          () => image.unsharpMask(x, { threshold: -1 }),
          'unsharpMask: threshold must be a number of at least 0',
        )
        complain(() => image.median(x, 4 as never), 'median: size must be 3 or 5, got 4')
        complain(
          () => image.sobel(x, { direction: 'z' as never }),
          "sobel: direction must be 'x', 'y' or left out",
        )
        const gone = engine().zeros([1, 1, 1, 1])
        gone.dispose()
        complain(() => image.emboss(gone), 'emboss: image must be alive')
        complain(() => image.filter2d(x, gone), 'filter2d: kernel must be alive')
      })
    })
  })
})

describe('filters by name', () => {
  inEveryBuild((engine) => {
    /** `filter` is `filter2d` with `kernel`. */
    const isCorrelation = (
      filter: (x: Tensor, options: { border: image.Border }) => Tensor,
      kernel: number[][],
      tolerance = 0,
    ) =>
      onManyImages(engine(), (x, values, _, about) => {
        for (const border of borders)
          expectValues(
            filter(x, { border }),
            reference.filter2d(values, kernel, border),
            tolerance,
            `${about}, ${border}`,
          )
      })

    it('sharpen', () =>
      isCorrelation(image.sharpen, [
        [0, -1, 0],
        [-1, 5, -1],
        [0, -1, 0],
      ]))
    it('sharpen by half', () =>
      isCorrelation(
        (x, options) => image.sharpen(x, { amount: 0.5, ...options }),
        [
          [0, -0.5, 0],
          [-0.5, 3, -0.5],
          [0, -0.5, 0],
        ],
      ))
    it('emboss', () =>
      isCorrelation(image.emboss, [
        [-2, -1, 0],
        [-1, 1, 1],
        [0, 1, 2],
      ]))
    it('laplacian', () =>
      isCorrelation(image.laplacian, [
        [0, 1, 0],
        [1, -4, 1],
        [0, 1, 0],
      ]))

    // Sums of k products of magnitude up to 9 * weight, the weights summing to 1.
    const tolerance = (taps: number) => 2 * taps * 2 ** -24 * 9
    it('gaussianBlur', () => {
      for (const sigma of [0.5, 1.2])
        isCorrelation(
          (x, options) => image.gaussianBlur(x, sigma, options),
          reference.gaussianKernel(sigma),
          tolerance(14),
        )
    })
    it('gaussianBlur of a given size', () =>
      isCorrelation(
        (x, options) => image.gaussianBlur(x, 2, { size: 5, ...options }),
        reference.gaussianKernel(2, 2),
        tolerance(10),
      ))
    it('lowPass', () => isCorrelation(image.lowPass, reference.gaussianKernel(2), tolerance(26)))
    it('boxBlur', () => {
      const box = (kh: number, kw: number) =>
        Array.from({ length: kh }, () => new Array<number>(kw).fill(1 / (kh * kw)))
      isCorrelation((x, options) => image.boxBlur(x, 3, options), box(3, 3), tolerance(6))
      isCorrelation((x, options) => image.boxBlur(x, 4, options), box(4, 4), 0)
      isCorrelation((x, options) => image.boxBlur(x, [1, 6], options), box(1, 6), tolerance(7))
      for (const [kh, kw] of [
        [8, 8],
        [4, 16],
      ] as const)
        isCorrelation((x, options) => image.boxBlur(x, [kh, kw], options), box(kh, kw), 0)
      for (const [kh, kw] of [
        [9, 1],
        [1, 31],
        [11, 14],
        [64, 3],
      ] as const)
        isCorrelation((x, options) => image.boxBlur(x, [kh, kw], options), box(kh, kw), tolerance(kh + kw))
    })

    it('highPass and lowPass add up to the image', () => {
      onManyImages(engine(), (x, values, _, about) => {
        const low = image.lowPass(x, { sigma: 1 }).toArray()
        const high = image.highPass(x, { sigma: 1 })
        const data = Float32Array.from(low, (v, i) => values.data[i]! - v)
        expectValues(high, { shape: values.shape, data }, 0, about)
      })
    })

    it('unsharpMask adds the difference where it reaches the threshold', () => {
      onManyImages(engine(), (x, values, _, about) => {
        const low = image.gaussianBlur(x, 1).toArray()
        const data = Float64Array.from(low, (v, i) => {
          const difference = values.data[i]! - v
          return Math.abs(Math.fround(difference)) < 2 ? values.data[i]! : values.data[i]! + 3 * difference
        })
        expectValues(
          image.unsharpMask(x, { sigma: 1, amount: 3, threshold: 2 }),
          { shape: values.shape, data },
          64 * 2 ** -22,
          about,
        )
      })
    })

    for (const [gradient, side, centre] of gradients) {
      it(gradient.name, () => {
        const kernelX = [
          [-side, 0, side],
          [-centre, 0, centre],
          [-side, 0, side],
        ]
        const kernelY = [
          [-side, -centre, -side],
          [0, 0, 0],
          [side, centre, side],
        ]
        onManyImages(engine(), (x, values, _, about) => {
          for (const border of borders) {
            const gx = reference.filter2d(values, kernelX, border)
            const gy = reference.filter2d(values, kernelY, border)
            expectValues(gradient(x, { border, direction: 'x' }), gx, 0, `${about}, x ${border}`)
            expectValues(gradient(x, { border, direction: 'y' }), gy, 0, `${about}, y ${border}`)
            const data = Float32Array.from(gx.data, (v, i) => Math.sqrt(v * v + gy.data[i]! ** 2))
            expectValues(gradient(x, { border }), { shape: values.shape, data }, 0, `${about}, ${border}`)
          }
        })
      })
    }
  })
})

describe('median', () => {
  inEveryBuild((engine) => {
    it('agrees with sorting', () => {
      onManyImages(engine(), (x, values, _, about) => {
        for (const border of borders) {
          for (const size of [3, 5] as const)
            expectValues(
              image.median(x, size, { border }),
              reference.median(values, size, border),
              0,
              `${about}, ${size} ${border}`,
            )
        }
      })
    })

    // A network of exchanges that selects right from all inputs of zeros and ones selects right from all
    // inputs. (Knuth, TAOCP 3, 5.3.4)
    for (const size of [3, 5] as const) {
      it(`${size}x${size} selects right from all zeros and ones, columns sorted`, () => {
        const count = (size + 1) ** size
        const ones = (window: number, column: number) =>
          Math.floor(window / (size + 1) ** column) % (size + 1)
        engine().scope(() => {
          const shape = [1, size, count * size, 1]
          const values = build(shape, (_, row, x) => Number(row! < ones(Math.floor(x! / size), x! % size)))
          const y = image.median(engine().tensor(values.data, shape), size).toArray()
          const middle = size >> 1
          for (let window = 0; window < count; window++) {
            let sum = 0
            for (let column = 0; column < size; column++) sum += ones(window, column)
            if (y[middle * count * size + window * size + middle] !== Number(sum > (size * size) >> 1))
              expect.fail(`window ${window} of ${sum} ones`)
          }
        })
      })
    }

    it('does not stumble over NaN', () => {
      engine().scope(() => {
        const x = engine().tensor(new Array(49).fill(Number.NaN), [1, 7, 7, 1])
        expect(image.median(x, 3).shape).toEqual(image.median(x, 5).shape)
      })
    })
  })
})
