import { check, show } from '../base/errors.js'
import { checkOptions } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { about, applyFilter, FILTER, type Filtered, type FilterOptions } from './filter.js'
import type { Pixels } from './pixels.js'

/**
 * The median of each channel in a window of 3 x 3 or 5 x 5: takes out specks and keeps edges. What NaN in the
 * window gives is not defined. Images and errors as in `filter2d`.
 * @param size 3 (the default) or 5
 * @example const clean = median(photo)
 */
export function median<Image extends Tensor | Pixels>(
  image: Image,
  size: 3 | 5 = 3,
  options: FilterOptions = {},
): Filtered<Image> {
  checkOptions('median', options, FILTER)
  const context = about('median', image)
  check(size === 3 || size === 5, () => ({
    ...context,
    argument: 'size',
    expected: '3 or 5',
    got: show(size),
  }))
  return applyFilter(image, options, { kernel: 'median', size: [size, size], planes: size, taps: 0 }, context)
}
