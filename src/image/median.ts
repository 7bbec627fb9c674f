import { check, show } from '../base/errors.js'
import { checkOptions, isInteger } from '../core/options.js'
import { isPixelBytes, type Pixels } from '../pictures/pixels.js'
import { MEDIAN_STRIPE } from '../wasm/abi.js'
import { about, applyFilter, FILTER, type Filtered, type FilterImage, type FilterOptions } from './filter.js'
import type { Plan } from './plan.js'

/** A column's histogram has bytes for counts. */
const LARGEST = 255

/** By networks of exchanges, 3 and 5; bytes of larger windows by histograms. */
function medianPlan(size: number): Plan {
  const plan = { size: [size, size], hidden: 'mean' } as const
  if (size === 3 || size === 5) return { ...plan, kernel: 'median', planes: size, taps: 0 }
  const columns = MEDIAN_STRIPE + size
  return {
    ...plan,
    kernel: 'medianBytes',
    planes: 0,
    taps: columns * 69 + 256,
    takes: 'bytes',
    strip: Math.max(128, 4 * size),
  }
}

/**
 * The median of each channel in a window of `size` x `size`: takes out specks and keeps edges. What NaN in
 * the window gives is not defined. Bytes take any odd size to 255, at a cost that does not depend on it;
 * other images 3 and 5 (as OpenCV's medianBlur). Images and errors as in `filter2d`; transparent pixels count
 * as the mean of what is around.
 * @param size 3 (the default), 5, or for bytes an odd number to 255
 * @example const clean = median(photo)
 */
export function median<Image extends FilterImage>(
  image: Image,
  size = 3,
  options: FilterOptions = {},
): Filtered<Image> {
  checkOptions('median', options, FILTER)
  const context = about('median', image)
  const isBytes = isPixelBytes((image as Pixels | undefined)?.data)
  check(size === 3 || size === 5 || (isBytes && isInteger(size, 1, LARGEST) && size % 2 === 1), () => ({
    ...context,
    argument: 'size',
    expected: isBytes ? `an odd integer from 1 to ${LARGEST}` : '3 or 5',
    got: show(size),
    hint: isBytes ? undefined : 'Larger windows are for bytes alone.',
  }))
  return applyFilter(image, options, medianPlan(size), context)
}
