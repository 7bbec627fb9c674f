/** Filters that take the largest or smallest of a rectangle of pixels, of each channel by itself. */
import { check, show } from '../base/errors.js'
import { checkOptions } from '../core/options.js'
import { pair } from '../core/window.js'
import { MorphologyOp } from '../wasm/abi.js'
import { about, applyFilter, FILTER, type Filtered, type FilterImage, type FilterOptions } from './filter.js'
import type { Plan } from './plan.js'

/** The longest side of a window. */
const LONGEST = 8191

function morph<Image extends FilterImage>(
  op: string,
  image: Image,
  size: number | readonly [number, number],
  options: FilterOptions,
  steps: readonly ('dilate' | 'erode')[],
): Filtered<Image> {
  checkOptions(op, options, FILTER)
  const context = about(op, image)
  const [kh, kw] = pair(size, 'size', 1, context)
  check(Math.max(kh, kw) <= LONGEST && kh % 2 === 1 && kw % 2 === 1, () => ({
    ...context,
    argument: 'size',
    expected: `odd, and at most ${LONGEST}`,
    got: show(size),
  }))
  const border = options.border ?? 'replicate'
  const planOf = (step: 'dilate' | 'erode'): Plan => ({
    kernel: 'morphology',
    size: [kh, kw],
    planes: kh + 2,
    taps: 16 * (kh + 4),
    op: step === 'dilate' ? MorphologyOp.maxBytes : MorphologyOp.minBytes,
    takes: 'elements',
    hidden: step === 'dilate' ? 'black' : 'white',
  })
  const [first, second] = steps
  if (!second) return applyFilter(image, { ...options, border }, planOf(first!), context)
  const between = applyFilter(image, { ...options, out: undefined, border }, planOf(first!), context)
  try {
    return applyFilter(between as unknown as Image, { ...options, border }, planOf(second), context)
  } finally {
    if ('dispose' in between) between.dispose()
  }
}

/**
 * The largest value of each channel in a rectangle: bright parts grow. (OpenCV's dilate with a rectangle;
 * PIL's MaxFilter.) Its cost hardly depends on the size. Images and errors as in `filter2d`; transparent
 * pixels do not count.
 * @param size side of the square, or [height, width]; odd. Default 3
 * @param options border 'replicate', which is as if nothing stood beyond the edges
 * @example const thicker = dilate(drawing, 5)
 */
export function dilate<Image extends FilterImage>(
  image: Image,
  size: number | readonly [number, number] = 3,
  options: FilterOptions = {},
): Filtered<Image> {
  return morph('dilate', image, size, options, ['dilate'])
}

/**
 * The smallest value of each channel in a rectangle: dark parts grow. (OpenCV's erode with a rectangle; PIL's
 * MinFilter.) Else as `dilate`.
 * @example const thinner = erode(drawing, 5)
 */
export function erode<Image extends FilterImage>(
  image: Image,
  size: number | readonly [number, number] = 3,
  options: FilterOptions = {},
): Filtered<Image> {
  return morph('erode', image, size, options, ['erode'])
}

/**
 * `erode`, then `dilate`: takes out bright spots that the rectangle does not fit into. (OpenCV's MORPH_OPEN.)
 * Else as `dilate`.
 * @example const withoutStars = opening(night, 5)
 */
export function opening<Image extends FilterImage>(
  image: Image,
  size: number | readonly [number, number] = 3,
  options: FilterOptions = {},
): Filtered<Image> {
  return morph('opening', image, size, options, ['erode', 'dilate'])
}

/**
 * `dilate`, then `erode`: fills dark spots that the rectangle does not fit into. (OpenCV's MORPH_CLOSE.) Else
 * as `dilate`.
 * @example const mended = closing(scan, 3)
 */
export function closing<Image extends FilterImage>(
  image: Image,
  size: number | readonly [number, number] = 3,
  options: FilterOptions = {},
): Filtered<Image> {
  return morph('closing', image, size, options, ['dilate', 'erode'])
}
