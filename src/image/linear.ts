/**
 * Filters that weigh the pixels of a window. Each correlates: the window is not flipped. Channels do not mix.
 */
import { check, show } from '../base/errors.js'
import { checkNumber, checkOptions, isInteger, type Names } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { type Context, pair } from '../core/window.js'
import { about, applyFilter, FILTER, type Filtered, type FilterImage, type FilterOptions } from './filter.js'
import type { Plan } from './plan.js'

/** The longest side of a separable window: a standard deviation of 1365 reaches so far. */
const LONGEST = 8191

/** A plan by rows of weights. @internal */
export const windowPlan = (kernel: readonly (readonly number[])[]): Plan => {
  const size = [kernel.length, kernel[0]!.length] as const
  return {
    kernel: 'filterWindow',
    size,
    planes: size[0] + 1,
    taps: (size[0] + 1) * size[1],
    weights: kernel.flat(),
  }
}

/** A plan by weights down the columns and then along the rows. @internal */
export const separablePlan = (weights: number[], across: number[], blend?: Plan['blend']): Plan => ({
  kernel: 'filterWindow',
  size: [weights.length, across.length],
  planes: 2,
  taps: across.length,
  weights,
  across,
  blend,
})

/** exp(-i^2 / (2 sigma^2)) for i from -radius to radius, divided by their sum. @internal */
export function gaussian(sigma: number, size: number | undefined, context: Context): number[] {
  checkNumber(
    sigma,
    'sigma',
    (v) => v > 0 && 6 * v < LONGEST - 1,
    `a number above 0 and below ${(LONGEST - 1) / 6}`,
    context,
  )
  const taps = size ?? 2 * Math.ceil(3 * sigma) + 1
  checkNumber(
    taps,
    'size',
    (v) => isInteger(v, 1, LONGEST) && v % 2 === 1,
    `an odd integer from 1 to ${LONGEST}`,
    context,
  )
  const weights = Array.from({ length: taps }, (_, i) => Math.exp(-(((i - (taps >> 1)) / sigma) ** 2) / 2))
  const sum = weights.reduce((a, b) => a + b)
  return weights.map((weight) => weight / sum)
}

/**
 * Correlates every channel with one kernel (no flip, as OpenCV's filter2D): y[r, c] = sum over i, j of
 * kernel[i][j] * x[r + i - floor(kh / 2), c + j - floor(kw / 2)]. Even sizes are allowed.
 *
 * @param image [n, height, width, channels], or `{ data, width, height }` with `engine` among the options:
 *   then red, green and blue are filtered (or gray, by the number of elements) as values from 0 to 1, and
 *   integers are clamped and rounded. Sums of bytes are exact where weights are integers (or quarters, ...),
 *   else off by less than 1/16 of a level before they are rounded. Alpha stays, and colours count as much as
 *   they are opaque: under weights that are not negative they are the mean of what is there, else what a
 *   neighbour lacks has the colour of the pixel itself.
 * @param kernel rows of numbers, or a tensor [kh, kw]
 * @param options border 'reflect101'
 * @returns an image of the same kind and size
 * @throws FilterbankError for ragged or empty kernels, unknown borders, other ranks
 * @example const edges = filter2d(photo, [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], { border: 'replicate' })
 */
export function filter2d<Image extends FilterImage>(
  image: Image,
  kernel: readonly (readonly number[])[] | Tensor,
  options: FilterOptions = {},
): Filtered<Image> {
  checkOptions('filter2d', options, FILTER)
  const context = about('filter2d', image, kernel)
  return applyFilter(image, options, windowPlan(kernelRows(image, kernel, options, context)), context)
}

/** The rows of a kernel, checked. */
function kernelRows(
  image: unknown,
  kernel: unknown,
  { engine }: FilterOptions,
  context: Context,
): readonly (readonly number[])[] {
  if (kernel instanceof Tensor) {
    check(!kernel.disposed, () => ({
      ...context,
      argument: 'kernel',
      expected: 'alive',
      got: 'a disposed tensor',
    }))
    const home = image instanceof Tensor ? image.engine : engine
    check(kernel.engine === home, () => ({
      ...context,
      argument: 'kernel',
      expected: 'a tensor of the same engine',
      got: 'one of another',
    }))
    check(kernel.shape.length === 2 && kernel.size > 0, () => ({
      ...context,
      argument: 'kernel',
      expected: '[height, width], neither of them 0',
      got: show(kernel.shape),
    }))
    const [kh, kw] = kernel.shape as [number, number]
    const values = [...kernel.toArray()]
    return Array.from({ length: kh }, (_, row) => values.slice(row * kw, (row + 1) * kw))
  }
  const rows: unknown[] = Array.isArray(kernel) ? kernel : []
  const fail = (got: string) => () => ({
    ...context,
    argument: 'kernel',
    expected: 'rows of numbers, all of one length, or a tensor [height, width]',
    got,
  })
  check(rows.length > 0 && rows.every((row) => Array.isArray(row) && row.length > 0), fail(show(kernel)))
  const lengths = (rows as unknown[][]).map((row) => row.length)
  check(
    lengths.every((length) => length === lengths[0]),
    fail(`rows of lengths ${lengths.join(', ')}`),
  )
  const all = (rows as unknown[][]).flat()
  const odd = all.findIndex((value) => typeof value !== 'number')
  check(odd < 0, fail(show(all[odd])))
  return rows as number[][]
}

/** What `gaussianBlur` takes beside the image and sigma. */
export interface GaussianBlurOptions extends FilterOptions {
  /** Side of the window, odd. Default 2 * ceil(3 * sigma) + 1. */
  size?: number
}

const GAUSSIAN: Names<GaussianBlurOptions> = { ...FILTER, size: true }

/**
 * Blurs by a Gaussian of standard deviation `sigma` pixels, cut off at ceil(3 * sigma) and normalised: its
 * weights sum to 1. Separable. Images and errors as in `filter2d`; `sigma` must be positive and finite.
 * @example const soft = gaussianBlur(photo, 2)
 */
export function gaussianBlur<Image extends FilterImage>(
  image: Image,
  sigma: number,
  options: GaussianBlurOptions = {},
): Filtered<Image> {
  checkOptions('gaussianBlur', options, GAUSSIAN)
  const context = about('gaussianBlur', image)
  const weights = gaussian(sigma, options.size, context)
  return applyFilter(image, options, separablePlan(weights, weights), context)
}

/**
 * Sides from which sums that are shared beat weights, and up to which their rows fit in memory of a thread.
 * Witness: bench images, box.
 */
const BOX_FROM = 8
const BOX_TO = 256

/**
 * The mean of a window of `size` x `size` (or [height, width]) pixels, even sizes too: then the window
 * reaches one pixel further up and left. Separable. Images and errors as in `filter2d`.
 * @example const soft = boxBlur(photo, 5)
 */
export function boxBlur<Image extends FilterImage>(
  image: Image,
  size: number | readonly [number, number],
  options: FilterOptions = {},
): Filtered<Image> {
  checkOptions('boxBlur', options, FILTER)
  const context = about('boxBlur', image)
  const [kh, kw] = pair(size, 'size', 1, context)
  check(Math.max(kh, kw) <= LONGEST, () => ({
    ...context,
    argument: 'size',
    expected: `at most ${LONGEST}`,
    got: show(size),
  }))
  return applyFilter(image, options, boxPlan(kh, kw), context)
}

/** The plan of a mean. @internal */
export function boxPlan(kh: number, kw: number): Plan {
  const share = 1 / (kh * kw)
  return Math.max(kh, kw) >= BOX_FROM && kh <= BOX_TO
    ? {
        kernel: 'filterBox',
        size: [kh, kw],
        planes: kh + 13,
        taps: 4,
        blend: { keep: 0, gain: share, threshold: 0 },
      }
    : separablePlan(new Array(kh).fill(1), new Array(kw).fill(share))
}

/** What `lowPass` and `highPass` take beside the image. */
export interface PassOptions extends FilterOptions {
  /** Standard deviation of the Gaussian that parts low from high, in pixels. Default 2. */
  sigma?: number
}

const PASS: Names<PassOptions> = { ...FILTER, sigma: true }

/**
 * Coarse structure: the image blurred by a Gaussian. Images and errors as in `filter2d`.
 * @param options sigma 2, border 'reflect101'
 * @example const coarse = lowPass(photo, { sigma: 4 })
 */
export function lowPass<Image extends FilterImage>(image: Image, options: PassOptions = {}): Filtered<Image> {
  checkOptions('lowPass', options, PASS)
  const context = about('lowPass', image)
  const weights = gaussian(options.sigma ?? 2, undefined, context)
  return applyFilter(image, options, separablePlan(weights, weights), context)
}

/**
 * Fine structure: the image less its `lowPass`, around 0, so that the two add up to the image. As bytes, what
 * is below 0 is black. Images and errors as in `filter2d`.
 * @param options sigma 2, border 'reflect101'
 * @example const fine = highPass(photo, { sigma: 4 })
 */
export function highPass<Image extends FilterImage>(
  image: Image,
  options: PassOptions = {},
): Filtered<Image> {
  checkOptions('highPass', options, PASS)
  const context = about('highPass', image)
  const weights = gaussian(options.sigma ?? 2, undefined, context)
  return applyFilter(
    image,
    options,
    separablePlan(weights, weights, { keep: 1, gain: -1, threshold: 0 }),
    context,
  )
}

/** What `sharpen` takes beside the image. */
export interface SharpenOptions extends FilterOptions {
  /** How much of the Laplacian is subtracted. Default 1. */
  amount?: number
}

const SHARPEN: Names<SharpenOptions> = { ...FILTER, amount: true }

/**
 * The image less `amount` times its Laplacian: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]] for 1. Images and errors
 * as in `filter2d`.
 * @example const crisp = sharpen(photo, { amount: 0.5 })
 */
export function sharpen<Image extends FilterImage>(
  image: Image,
  options: SharpenOptions = {},
): Filtered<Image> {
  checkOptions('sharpen', options, SHARPEN)
  const { amount = 1 } = options
  const context = about('sharpen', image)
  checkNumber(amount, 'amount', Number.isFinite, 'a finite number', context)
  const kernel = [
    [0, -amount, 0],
    [-amount, 1 + 4 * amount, -amount],
    [0, -amount, 0],
  ]
  return applyFilter(image, options, windowPlan(kernel), context)
}

/** What `unsharpMask` takes beside the image. */
export interface UnsharpMaskOptions extends PassOptions {
  /** How much of the difference is added. Default 1. */
  amount?: number
  /** Differences smaller than this are left alone, on the image's own scale (1 is white). Default 0. */
  threshold?: number
}

const UNSHARP: Names<UnsharpMaskOptions> = {
  ...FILTER,
  sigma: true,
  amount: true,
  threshold: true,
}

/**
 * Sharpens by adding `amount` times the difference between the image and its Gaussian blur, where that
 * difference is at least `threshold`. Images and errors as in `filter2d`.
 * @param options sigma 2, amount 1, threshold 0, border 'reflect101'
 * @example const crisp = unsharpMask(photo, { sigma: 1.5, amount: 0.8, threshold: 0.01 })
 */
export function unsharpMask<Image extends FilterImage>(
  image: Image,
  options: UnsharpMaskOptions = {},
): Filtered<Image> {
  checkOptions('unsharpMask', options, UNSHARP)
  const { sigma = 2, amount = 1, threshold = 0 } = options
  const context = about('unsharpMask', image)
  const weights = gaussian(sigma, undefined, context)
  checkNumber(amount, 'amount', Number.isFinite, 'a finite number', context)
  checkNumber(
    threshold,
    'threshold',
    (v) => v >= 0 && v < Number.POSITIVE_INFINITY,
    'a number of at least 0',
    context,
  )
  return applyFilter(
    image,
    options,
    separablePlan(weights, weights, { keep: 1 + amount, gain: -amount, threshold }),
    context,
  )
}

/**
 * Relief, lit from the lower right: [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], whose sum is 1. Images and errors
 * as in `filter2d`.
 * @example const relief = emboss(photo)
 */
export function emboss<Image extends FilterImage>(
  image: Image,
  options: FilterOptions = {},
): Filtered<Image> {
  checkOptions('emboss', options, FILTER)
  const kernel = [
    [-2, -1, 0],
    [-1, 1, 1],
    [0, 1, 2],
  ]
  return applyFilter(image, options, windowPlan(kernel), about('emboss', image))
}

/**
 * The sum of second differences along both axes: [[0, 1, 0], [1, -4, 1], [0, 1, 0]] (OpenCV's Laplacian,
 * ksize 1). Images and errors as in `filter2d`.
 * @example const spots = laplacian(photo)
 */
export function laplacian<Image extends FilterImage>(
  image: Image,
  options: FilterOptions = {},
): Filtered<Image> {
  checkOptions('laplacian', options, FILTER)
  const kernel = [
    [0, 1, 0],
    [1, -4, 1],
    [0, 1, 0],
  ]
  return applyFilter(image, options, windowPlan(kernel), about('laplacian', image))
}

/** What `sobel` and `scharr` take beside the image. */
export interface GradientOptions extends FilterOptions {
  /** `'x'`: change from left to right alone; `'y'`: from top to bottom. By default sqrt(x^2 + y^2). */
  direction?: 'x' | 'y'
}

const GRADIENT: Names<GradientOptions> = { ...FILTER, direction: true }

/**
 * How fast brightness changes, by Sobel's windows: x [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], y its transpose;
 * not divided by their weight, as in OpenCV. Images and errors as in `filter2d`.
 * @example const edges = sobel(photo); const vertical = sobel(photo, { direction: 'x' })
 */
export function sobel<Image extends FilterImage>(
  image: Image,
  options: GradientOptions = {},
): Filtered<Image> {
  return gradient('sobel', image, 1, 2, options)
}

/**
 * As `sobel`, by Scharr's windows, whose answer depends less on an edge's angle: x [[-3, 0, 3], [-10, 0, 10],
 * [-3, 0, 3]], y its transpose.
 * @example const edges = scharr(photo)
 */
export function scharr<Image extends FilterImage>(
  image: Image,
  options: GradientOptions = {},
): Filtered<Image> {
  return gradient('scharr', image, 3, 10, options)
}

function gradient<Image extends FilterImage>(
  op: string,
  image: Image,
  side: number,
  centre: number,
  options: GradientOptions,
): Filtered<Image> {
  checkOptions(op, options, GRADIENT)
  const { direction } = options
  const context = about(op, image)
  check(direction === undefined || direction === 'x' || direction === 'y', () => ({
    ...context,
    argument: 'direction',
    expected: "'x', 'y' or left out",
    got: show(direction),
  }))
  const smooth = [side, centre, side]
  const plan: Plan =
    direction === 'x'
      ? separablePlan(smooth, [-1, 0, 1])
      : direction === 'y'
        ? separablePlan([-1, 0, 1], smooth)
        : { kernel: 'gradientMagnitude', size: [3, 3], planes: 2, taps: 0, smooth: [side, centre] }
  return applyFilter(image, options, plan, context)
}
