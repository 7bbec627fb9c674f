/** The filters of filterbank/image by name, each with one object of options: what a message can carry. */

import type { Engine } from '../core/engine.js'
import type {
  AffineMatrix,
  BilateralOptions,
  FilterOptions,
  GaussianBlurOptions,
  GradientOptions,
  OwnPixels,
  PassOptions,
  Pixels,
  ResizeImageOptions,
  SharpenOptions,
  ThresholdOptions,
  UnsharpMaskOptions,
  WarpAffineOptions,
} from '../image/index.js'
import * as image from '../image/index.js'

/** What each filter takes beside the image: its own options, without an engine. */
export interface FilterArguments {
  bilateral: Omit<BilateralOptions, 'engine' | 'out'>
  boxBlur: { size: number | readonly [number, number] } & Omit<FilterOptions, 'engine' | 'out'>
  canny: { low: number; high: number }
  closing: { size?: number | readonly [number, number] } & Omit<FilterOptions, 'engine' | 'out'>
  dilate: { size?: number | readonly [number, number] } & Omit<FilterOptions, 'engine' | 'out'>
  emboss: Omit<FilterOptions, 'engine' | 'out'>
  erode: { size?: number | readonly [number, number] } & Omit<FilterOptions, 'engine' | 'out'>
  filter2d: { kernel: readonly (readonly number[])[] } & Omit<FilterOptions, 'engine' | 'out'>
  fromHsv: object
  fromLab: object
  gaussianBlur: { sigma: number } & Omit<GaussianBlurOptions, 'engine' | 'out'>
  grayscale: object
  highPass: Omit<PassOptions, 'engine' | 'out'>
  laplacian: Omit<FilterOptions, 'engine' | 'out'>
  lowPass: Omit<PassOptions, 'engine' | 'out'>
  median: { size?: number } & Omit<FilterOptions, 'engine' | 'out'>
  opening: { size?: number | readonly [number, number] } & Omit<FilterOptions, 'engine' | 'out'>
  resize: { size: number | readonly [number, number] } & Omit<ResizeImageOptions, 'engine' | 'out'>
  scharr: Omit<GradientOptions, 'engine' | 'out'>
  sharpen: Omit<SharpenOptions, 'engine' | 'out'>
  sobel: Omit<GradientOptions, 'engine' | 'out'>
  threshold: { bound: number | 'otsu' | 'mean' | 'gaussian' } & Omit<ThresholdOptions, 'engine' | 'out'>
  toHsv: object
  toLab: object
  unsharpMask: Omit<UnsharpMaskOptions, 'engine' | 'out'>
  warpAffine: { matrix: AffineMatrix } & Omit<WarpAffineOptions, 'engine' | 'out'>
}
/** The filters of filterbank/image, by name. */
export type FilterName = keyof FilterArguments

type Filters = {
  [Name in FilterName]: (picture: Pixels, options: FilterArguments[Name] & { engine: Engine }) => OwnPixels
}

export const filters: Filters = {
  bilateral: image.bilateral,
  boxBlur: (picture, { size, ...rest }) => image.boxBlur(picture, size, rest),
  canny: (picture, { low, high, ...rest }) => image.canny(picture, low, high, rest),
  closing: (picture, { size, ...rest }) => image.closing(picture, size, rest),
  dilate: (picture, { size, ...rest }) => image.dilate(picture, size, rest),
  emboss: image.emboss,
  erode: (picture, { size, ...rest }) => image.erode(picture, size, rest),
  filter2d: (picture, { kernel, ...rest }) => image.filter2d(picture, kernel, rest),
  fromHsv: image.fromHsv,
  fromLab: image.fromLab,
  gaussianBlur: (picture, { sigma, ...rest }) => image.gaussianBlur(picture, sigma, rest),
  grayscale: image.grayscale,
  highPass: image.highPass,
  laplacian: image.laplacian,
  lowPass: image.lowPass,
  median: (picture, { size, ...rest }) => image.median(picture, size, rest),
  opening: (picture, { size, ...rest }) => image.opening(picture, size, rest),
  resize: (picture, { size, ...rest }) => image.resize(picture, size, rest),
  scharr: image.scharr,
  sharpen: image.sharpen,
  sobel: image.sobel,
  threshold: (picture, { bound, ...rest }) => image.threshold(picture, bound, rest),
  toHsv: image.toHsv,
  toLab: image.toLab,
  unsharpMask: image.unsharpMask,
  warpAffine: (picture, { matrix, ...rest }) => image.warpAffine(picture, matrix, rest),
}
