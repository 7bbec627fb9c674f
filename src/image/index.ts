export type { Border } from './border.js'
export type { Filtered, FilterOptions } from './filter.js'
export { type FromImageOptions, fromImage, toCanvas } from './fromImage.js'
export {
  boxBlur,
  emboss,
  filter2d,
  type GaussianBlurOptions,
  type GradientOptions,
  gaussianBlur,
  highPass,
  laplacian,
  lowPass,
  type PassOptions,
  type SharpenOptions,
  scharr,
  sharpen,
  sobel,
  type UnsharpMaskOptions,
  unsharpMask,
} from './linear.js'
export { median } from './median.js'
export {
  type FromImageDataOptions,
  fromImageData,
  type OwnPixels,
  type Pixels,
  toImageData,
} from './pixels.js'
export {
  type FeatureMapsOptions,
  type FilterSheetOptions,
  featureMaps,
  filterSheet,
  type Sheet,
  type SheetOptions,
} from './sheet.js'
export type { ImageSource, Samples } from './source.js'
