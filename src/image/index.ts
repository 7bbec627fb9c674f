export { type FromImageOptions, fromImage, toCanvas } from '../pictures/fromImage.js'
export {
  type FromImageDataOptions,
  fromImageData,
  type OwnPixels,
  type PixelArray,
  type Pixels,
  toImageData,
} from '../pictures/pixels.js'
export type { ImageSource, Samples } from '../pictures/source.js'
export { type BilateralOptions, bilateral } from './bilateral.js'
export type { Border } from './border.js'
export { type CannyOptions, canny } from './canny.js'
export { type ColorOptions, fromHsv, fromLab, grayscale, toHsv, toLab } from './colour.js'
export type { Filtered, FilterImage, FilterOptions, OwnArray } from './filter.js'
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
export { closing, dilate, erode, opening } from './morphology.js'
export { type ResizeImageOptions, resize } from './resize.js'
export {
  type FeatureMapsOptions,
  type FilterSheetOptions,
  featureMaps,
  filterSheet,
  type Sheet,
  type SheetOptions,
} from './sheet.js'
export { type ThresholdOptions, threshold } from './threshold.js'
export { type AffineMatrix, type WarpAffineOptions, warpAffine } from './warp.js'
