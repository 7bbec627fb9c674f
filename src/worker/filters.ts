/** The filters of filterbank/image by name, each with one object of options: what a message can carry. */

import type { Engine } from '../core/engine.js'
import type { OwnPixels, Pixels } from '../image/index.js'
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

type Apply<Options> = (image: Pixels, options: Options & { engine: Engine }) => OwnPixels

type Rest<Options> = Omit<NonNullable<Options>, 'engine' | 'out'>

/** A filter whose options are all that it takes. */
const plain =
  <Options>(apply: (image: Pixels, options?: Options) => OwnPixels): Apply<Rest<Options>> =>
  (image, options) =>
    apply(image, options as Options)

/** A filter whose second argument goes by a name here. */
const named =
  <Name extends string, Value, Options>(
    name: Name,
    apply: (image: Pixels, value: Value, options?: Options) => OwnPixels,
  ): Apply<{ [Key in Name]: Value } & Rest<Options>> =>
  (image, options) => {
    const { [name]: value, ...rest } = options as Record<string, unknown>
    return apply(image, value as Value, rest as Options)
  }

export const filters = {
  boxBlur: named('size', boxBlur<Pixels>),
  emboss: plain(emboss<Pixels>),
  filter2d: named('kernel', filter2d<Pixels>),
  gaussianBlur: named('sigma', gaussianBlur<Pixels>),
  highPass: plain(highPass<Pixels>),
  laplacian: plain(laplacian<Pixels>),
  lowPass: plain(lowPass<Pixels>),
  median: named('size', (image: Pixels, size?: 3 | 5, options?: Parameters<typeof median>[2]) =>
    median(image, size, options),
  ),
  scharr: plain(scharr<Pixels>),
  sharpen: plain(sharpen<Pixels>),
  sobel: plain(sobel<Pixels>),
  unsharpMask: plain(unsharpMask<Pixels>),
}

/** What each filter takes beside the image: its own options, without an engine. */
export type FilterArguments = {
  [Name in keyof typeof filters]: Omit<Parameters<(typeof filters)[Name]>[1], 'engine'>
}
export type FilterName = keyof typeof filters
