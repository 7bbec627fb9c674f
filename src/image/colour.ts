/** Colours in other spaces, and without colour. */
import { check, show } from '../base/errors.js'
import type { Engine } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { conv2d } from '../ops/conv/conv.js'
import { isPixelBytes, LUMA, type PixelArray, type Pixels } from '../pictures/pixels.js'
import { ColourOp } from '../wasm/abi.js'
import {
  about,
  applyFilter,
  checkTensor,
  type Filtered,
  type FilterImage,
  type FilterOptions,
  openPixels,
} from './filter.js'

/** What `grayscale`, `toHsv`, `fromHsv`, `toLab` and `fromLab` take beside the image. */
export type ColorOptions = Pick<FilterOptions, 'engine' | 'out'>

const COLOR: Names<ColorOptions> = { engine: true, out: true }

/** Bytes of a part of the picture that is worked on at once. */
const PART = 2 ** 18

/**
 * Luma, one element for each pixel: 0.299 red + 0.587 green + 0.114 blue (Rec. ITU-R BT.601; OpenCV's
 * COLOR_RGB2GRAY, PIL's mode L). Alpha is left out; gray stays as it is.
 *
 * @param image [n, height, width, channels] of 1, 3 or 4 channels, or `{ data, width, height }` with `engine`
 *   among the options
 * @returns [n, height, width, 1], or width * height elements of the same kind, which all filters take
 * @throws FilterbankError for other ranks and counts of channels
 * @example const edges = sobel(grayscale(photo, { engine }), { engine })
 */
export function grayscale<Image extends FilterImage>(
  image: Image,
  options: ColorOptions = {},
): Filtered<Image> {
  checkOptions('grayscale', options, COLOR)
  const context = about('grayscale', image)
  if (image instanceof Tensor) {
    const engine = checkTensor(image, options, context)
    const c = image.shape[3]!
    checkChannels(c, [1, 3, 4], image, context)
    if (image.size === 0) return engine.zeros([...image.shape.slice(0, 3), 1]) as Filtered<Image>
    return engine.scope(() => {
      const weights = c === 1 ? [1] : [...LUMA, 0].slice(0, c)
      return conv2d(image, engine.tensor(weights, [1, 1, c, 1]))
    }) as Filtered<Image>
  }
  const size = [image?.height ?? 0, image?.width ?? 0, 1] as const
  const { engine, image: pixels, channels, out } = openPixels(image, options, context, size)
  const { data, width, height } = pixels
  const result = { data: out, width, height } as Filtered<Image>
  if (channels === 1) out.set(data)
  else if (data.BYTES_PER_ELEMENT > 1) mixDeep(data, out, channels)
  else if (out.length)
    eachPart(engine, pixels, out, 1, (x, y, units) => {
      const args = { x, y, w: width, c: channels, table: 0 }
      engine.run({ kernel: 'lumaBytes', args, units })
    })
  return result
}

/** Runs what goes from bytes at x to `channels` at y over parts of a picture. */
function eachPart(
  engine: Engine,
  { data, width, height }: Pixels<PixelArray>,
  out: PixelArray,
  channels: number,
  body: (x: number, y: number, rows: number) => void,
): void {
  const [from, to] = [data.length / height, width * channels]
  const rows = Math.max(1, Math.min(height, Math.floor(PART / from)))
  const x = engine.allocate(rows * (from + to) + 96)
  try {
    const y = x + Math.ceil((rows * from + 32) / 16) * 16
    for (let start = 0; start < height; start += rows) {
      const many = Math.min(rows, height - start)
      engine.u8.set(data.subarray(start * from, (start + many) * from), x)
      body(x, y, many)
      out.set(engine.u8.subarray(y, y + many * to), start * to)
    }
  } finally {
    engine.free(x)
  }
}

/** By CIE 15 of D65: what red, green and blue add to X, Y and Z, each over its white. */
const PRIMARIES = [
  [0.433953, 0.212671, 0.017758],
  [0.376219, 0.71516, 0.109477],
  [0.189828, 0.072169, 0.872765],
] as const

function labBytes(engine: Engine, pixels: Pixels<PixelArray>, out: PixelArray, c: number): void {
  if (out.length === 0) return
  const table = engine.allocate(3 * 256 * 16)
  try {
    for (let level = 0; level < 256; level++) {
      const v = level / 255
      const light = v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
      for (const [i, shares] of PRIMARIES.entries())
        engine.f32.set([...shares.map((share) => share * light), 0], table / 4 + (i * 256 + level) * 4)
    }
    engine.scratch(64)
    eachPart(engine, pixels, out, c, (x, y, units) => {
      engine.run({ kernel: 'labBytes', args: { x, y, w: pixels.width, c, table }, units })
    })
  } finally {
    engine.free(table)
  }
}

function mixDeep(from: PixelArray, to: PixelArray, channels: number): void {
  const [red, green, blue] = LUMA as [number, number, number]
  const whole = to.BYTES_PER_ELEMENT === 2
  for (let i = 0, at = 0; i < to.length; i++, at += channels) {
    const sum = red * from[at]! + green * from[at + 1]! + blue * from[at + 2]!
    to[i] = whole ? Math.round(sum) : sum
  }
}

function checkChannels(c: number, allowed: readonly number[], image: unknown, context: Context): void {
  check(allowed.includes(c), () => ({
    ...context,
    argument: 'image',
    expected: `of ${allowed.join(' or ')} channels`,
    got: image instanceof Tensor ? show(image.shape) : `${c} for each pixel`,
  }))
}

function convert<Image extends FilterImage>(
  op: string,
  image: Image,
  options: ColorOptions,
  conversion: ColourOp,
): Filtered<Image> {
  checkOptions(op, options, COLOR)
  const context = about(op, image)
  const { data, width, height } = (image ?? {}) as Partial<Pixels>
  const c = image instanceof Tensor ? image.shape.at(-1)! : (data?.length ?? 0) / (width! * height!)
  if (image instanceof Tensor ? image.shape.length === 4 : c === 1) checkChannels(c, [3, 4], image, context)
  if (conversion === ColourOp.toLab && data && isPixelBytes(data)) {
    const { engine, image: pixels, channels, out } = openPixels(image, options, context)
    labBytes(engine, pixels, out, channels)
    return { data: out, width: pixels.width, height: pixels.height } as Filtered<Image>
  }
  const plan = { kernel: 'convertColour', size: [1, 1], planes: 0, taps: 16, op: conversion } as const
  return applyFilter(image, options, plan, context)
}

/**
 * Red, green and blue to hue, saturation and value, as OpenCV has them for bytes: hue in half degrees (0 to
 * 179), saturation and value from 0 to 255; alpha stays. Tensors and other elements have the same on their
 * scale, where 1 stands for 255: hue from 0 to 180 / 255.
 *
 * @param image [n, height, width, 3 or 4], or `{ data, width, height }` of 3 or 4 elements for each pixel
 * @throws FilterbankError for other ranks and counts of channels
 * @example const { data } = toHsv(photo, { engine })
 */
export function toHsv<Image extends FilterImage>(image: Image, options: ColorOptions = {}): Filtered<Image> {
  return convert('toHsv', image, options, ColourOp.toHsv)
}

/**
 * Back from `toHsv` to red, green and blue.
 * @example const photo = fromHsv(hsv, { engine })
 */
export function fromHsv<Image extends FilterImage>(
  image: Image,
  options: ColorOptions = {},
): Filtered<Image> {
  return convert('fromHsv', image, options, ColourOp.fromHsv)
}

/**
 * Red, green and blue (sRGB) to CIE L*a*b* under D65, as OpenCV has it for bytes: L * 255 / 100, a + 128, b +
 * 128; alpha stays. Tensors and other elements have the same on their scale, where 1 stands for 255.
 *
 * @param image [n, height, width, 3 or 4], or `{ data, width, height }` of 3 or 4 elements for each pixel
 * @throws FilterbankError for other ranks and counts of channels
 * @example const lightness = toLab(photo, { engine })
 */
export function toLab<Image extends FilterImage>(image: Image, options: ColorOptions = {}): Filtered<Image> {
  return convert('toLab', image, options, ColourOp.toLab)
}

/**
 * Back from `toLab` to red, green and blue.
 * @example const photo = fromLab(lab, { engine })
 */
export function fromLab<Image extends FilterImage>(
  image: Image,
  options: ColorOptions = {},
): Filtered<Image> {
  return convert('fromLab', image, options, ColourOp.fromLab)
}
