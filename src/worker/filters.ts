/** The filters of filterbank/image by name, each with one object of options: what a message can carry. */

import type { Engine } from '../core/engine.js'
import type {
  FilterOptions,
  GaussianBlurOptions,
  GradientOptions,
  OwnPixels,
  PassOptions,
  Pixels,
  SharpenOptions,
  UnsharpMaskOptions,
} from '../image/index.js'
import {
  boxBlur,
  emboss,
  filter2d,
  gaussianBlur,
  highPass,
  laplacian,
  lowPass,
  median,
  scharr,
  sharpen,
  sobel,
  unsharpMask,
} from '../image/index.js'

/** What each filter takes beside the image: its own options, without an engine. */
export interface FilterArguments {
  boxBlur: { size: number | readonly [number, number] } & Omit<FilterOptions, 'engine' | 'out'>
  emboss: Omit<FilterOptions, 'engine' | 'out'>
  filter2d: { kernel: readonly (readonly number[])[] } & Omit<FilterOptions, 'engine' | 'out'>
  gaussianBlur: { sigma: number } & Omit<GaussianBlurOptions, 'engine' | 'out'>
  highPass: Omit<PassOptions, 'engine' | 'out'>
  laplacian: Omit<FilterOptions, 'engine' | 'out'>
  lowPass: Omit<PassOptions, 'engine' | 'out'>
  median: { size?: 3 | 5 } & Omit<FilterOptions, 'engine' | 'out'>
  scharr: Omit<GradientOptions, 'engine' | 'out'>
  sharpen: Omit<SharpenOptions, 'engine' | 'out'>
  sobel: Omit<GradientOptions, 'engine' | 'out'>
  unsharpMask: Omit<UnsharpMaskOptions, 'engine' | 'out'>
}
/** The filters of filterbank/image, by name. */
export type FilterName = keyof FilterArguments

type Filters = {
  [Name in FilterName]: (image: Pixels, options: FilterArguments[Name] & { engine: Engine }) => OwnPixels
}

export const filters: Filters = {
  boxBlur: (image, { size, ...rest }) => boxBlur(image, size, rest),
  emboss,
  filter2d: (image, { kernel, ...rest }) => filter2d(image, kernel, rest),
  gaussianBlur: (image, { sigma, ...rest }) => gaussianBlur(image, sigma, rest),
  highPass,
  laplacian,
  lowPass,
  median: (image, { size, ...rest }) => median(image, size, rest),
  scharr,
  sharpen,
  sobel,
  unsharpMask,
}
