import { check, show } from '../base/errors.js'
import { checkNumber, checkOptions, isInteger, type Names } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { about, applyFilter, FILTER, type Filtered, type FilterImage, type FilterOptions } from './filter.js'
import type { Plan } from './plan.js'

/** What `bilateral` takes beside the image. */
export interface BilateralOptions extends FilterOptions {
  /** Standard deviation of what colours differ by, on the image's own scale (1 is white). Default 0.1. */
  sigmaColor?: number
  /** Standard deviation of distances, in pixels. Default 3. */
  sigmaSpace?: number
  /** Diameter of the round window, odd. Default 2 * round(1.5 * sigmaSpace) + 1. */
  size?: number
}

const BILATERAL: Names<BilateralOptions> = { ...FILTER, sigmaColor: true, sigmaSpace: true, size: true }

/** The widest window: it costs its area. */
const LARGEST = 255
/** Taps beyond the circle. */
const NONE = -2000

/**
 * Smooths and keeps edges: the mean of a round window, where a pixel counts the less the further off it is
 * and the more its colour differs, by Gaussians of both; colours differ by the sum of what their channels
 * differ by (OpenCV's bilateralFilter). Gray and colours; weights are up to 0.2 % off. Images and errors as
 * in `filter2d`; transparent pixels count as the mean of what is around.
 * @param options sigmaColor 0.1, sigmaSpace 3, size, border 'reflect101'
 * @example const smooth = bilateral(portrait, { sigmaColor: 0.15 })
 */
export function bilateral<Image extends FilterImage>(
  image: Image,
  options: BilateralOptions = {},
): Filtered<Image> {
  checkOptions('bilateral', options, BILATERAL)
  const context = about('bilateral', image)
  const { sigmaColor = 0.1, sigmaSpace = 3 } = options
  const isSigma = (v: number) => v > 0 && v < Number.POSITIVE_INFINITY
  checkNumber(sigmaColor, 'sigmaColor', isSigma, 'a finite number above 0', context)
  checkNumber(sigmaSpace, 'sigmaSpace', isSigma, 'a finite number above 0', context)
  const size = options.size ?? 2 * Math.max(1, Math.round(1.5 * sigmaSpace)) + 1
  check(isInteger(size, 1, LARGEST) && size % 2 === 1, () => ({
    ...context,
    argument: 'size',
    expected: `an odd integer from 1 to ${LARGEST}`,
    got: show(size),
  }))
  check(
    !(image instanceof Tensor) || image.shape.length !== 4 || [1, 3, 4].includes(image.shape[3]!),
    () => ({
      ...context,
      argument: 'image',
      expected: 'of 1, 3 or 4 channels',
      got: show((image as Tensor).shape),
    }),
  )
  const radius = size >> 1
  const weights = Array.from({ length: size * size }, (_, i) => {
    const square = (Math.floor(i / size) - radius) ** 2 + ((i % size) - radius) ** 2
    return square > radius * radius ? NONE : Math.max(-60, -square / (2 * sigmaSpace ** 2 * Math.LN2))
  })
  const plan: Plan = {
    kernel: 'bilateral',
    size: [size, size],
    planes: size,
    taps: 2 * size * size + 32 * size,
    weights,
    smooth: [Math.max(-1e30, -1 / (2 * sigmaColor ** 2 * Math.LN2)), 0],
    hidden: 'mean',
  }
  return applyFilter(image, options, plan, context)
}
