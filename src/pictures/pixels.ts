/** Bytes, as canvases and image files have them, to tensors and back. */

import { check, show } from '../base/errors.js'
import { arrayName } from '../base/realm.js'
import { type Engine, engineOf, isEngine } from '../core/engine.js'
import { checkOptions, isInteger, isName, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'

/** What pixels are kept in: bytes, 16-bit integers (65535 is white), or floats (1 is white). */
export type PixelArray = Uint8ClampedArray | Uint8Array | Uint16Array | Float32Array

/**
 * Rows of red, green, blue, alpha, one byte each: `ImageData`, and what PNG and JPEG decoders give. Filters
 * take gray (width * height elements) and red, green and blue (3 * width * height) as well, and elements of
 * 16 bits and floats.
 */
export interface Pixels<Data extends PixelArray = Uint8ClampedArray | Uint8Array> {
  data: Data
  width: number
  height: number
}

/** Pixels that belong to nobody else; `new ImageData(data, width, height)` takes bytes as they are. */
export interface OwnPixels<Data extends PixelArray = Uint8ClampedArray<ArrayBuffer>> extends Pixels<Data> {
  data: Data
}

/** How `fromImageData` makes numbers of bytes. */
export interface FromImageDataOptions {
  /** Default 'rgb'. 'gray' is luma by Rec. 601: 0.299 red + 0.587 green + 0.114 blue. */
  channels?: 'gray' | 'rgb' | 'rgba'
  /** Subtracted from values between 0 and 1: one number, or one for each channel. Default 0. */
  mean?: number | readonly number[]
  /** What the difference is divided by: one number, or one for each channel. Default 1. */
  std?: number | readonly number[]
}

const FROM_IMAGE_DATA: Names<FromImageDataOptions> = { channels: true, mean: true, std: true }
const channelCounts = { gray: 1, rgb: 3, rgba: 4 } satisfies Record<
  NonNullable<FromImageDataOptions['channels']>,
  number
>

/** Coefficients of red, green and blue in luma. (Rec. ITU-R BT.601) @internal */
export const LUMA = [0.299, 0.587, 0.114]

/** What canvases and decoders of pictures give. @internal */
export const isPixelBytes = (data: unknown): data is Uint8ClampedArray | Uint8Array =>
  ['Uint8ClampedArray', 'Uint8Array'].includes(arrayName(data) ?? '')

/** Of each kind of elements, the one that is white. @internal */
export const WHITES: Readonly<Record<string, number>> = {
  Uint8ClampedArray: 255,
  Uint8Array: 255,
  Uint16Array: 65535,
  Float32Array: 1,
}

/** Throws unless `image` is what `Pixels` says, of one of these counts of channels. @internal */
export function checkPixels(
  image: unknown,
  argument: string,
  { op, shapes }: Context,
  channels: readonly number[] = [4],
  deep = false,
): asserts image is Pixels<PixelArray> {
  const { data, width, height } = (typeof image === 'object' && image !== null ? image : {}) as Partial<
    Pixels<PixelArray>
  >
  const fits = deep ? (arrayName(data) ?? '') in WHITES : isPixelBytes(data)
  check(data !== undefined && fits, () => ({
    op,
    argument,
    expected: deep
      ? '{ data: Uint8ClampedArray, Uint8Array, Uint16Array or Float32Array, width, height }'
      : '{ data: Uint8ClampedArray or Uint8Array, width, height }',
    got: data ? `data ${show(data)}` : show(image),
    shapes,
  }))
  check(isInteger(width, 0) && isInteger(height, 0), () => ({
    op,
    argument,
    expected: 'of integer width and height',
    got: `${show(width)} x ${show(height)}`,
    shapes,
  }))
  const pixels = width! * height!
  check(
    channels.some((c) => data.length === pixels * c),
    () => ({
      op,
      argument: 'data',
      expected: `${channels.map((c) => pixels * c).join(' or ')} ${deep && !isPixelBytes(data) ? 'elements' : 'bytes'}, ${channels.join(' or ')} for each of ${width} x ${height} pixels`,
      got: `${data.length}`,
      shapes,
    }),
  )
}

/** Throws unless `engine` is one. @internal */
export function checkEngine(engine: unknown, { op, shapes }: Context): asserts engine is Engine {
  check(isEngine(engine) && !engine.disposed, () => ({
    op,
    argument: 'engine',
    expected: 'an engine that is not disposed',
    got: isEngine(engine) ? 'a disposed one' : show(engine),
    shapes,
  }))
}

/**
 * Pixels as a tensor, ready for a network: (byte / 255 - mean) / std, in one pass.
 *
 * @returns [1, height, width, channels], with 1, 3 or 4 channels for 'gray', 'rgb' (the default; alpha is
 *   left out), 'rgba'
 * @throws FilterbankError where data is not width * height * 4 bytes, or mean and std do not fit the channels
 * @example const x = fromImageData(engine, context.getImageData(0, 0, 224, 224), { mean: [0.485, 0.456,
 *   0.406], std: [0.229, 0.224, 0.225] })
 */
export function fromImageData(engine: Engine, image: Pixels, options: FromImageDataOptions = {}): Tensor {
  checkOptions('fromImageData', options, FROM_IMAGE_DATA)
  const { channels = 'rgb', mean = 0, std = 1 } = options
  const context: Context = { op: 'fromImageData', shapes: {} }
  checkEngine(engine, context)
  checkPixels(image, 'image', context)
  check(isName(channels, channelCounts), () => ({
    ...context,
    argument: 'channels',
    expected: `one of ${Object.keys(channelCounts).join(', ')}`,
    got: show(channels),
  }))
  const c = channelCounts[channels]
  const each = (value: unknown, argument: string, fits: (v: number) => boolean, kind: string): number[] => {
    const list = typeof value === 'number' ? new Array<number>(c).fill(value) : value
    check(
      Array.isArray(list) && list.length === c && list.every((v) => Number.isFinite(v) && fits(v)),
      () => ({
        ...context,
        argument,
        expected: `a ${kind} number, or ${c} of them for ${channels}`,
        got: show(value),
      }),
    )
    return list
  }
  const means = each(mean, 'mean', () => true, 'finite')
  const stds = each(std, 'std', (v) => v !== 0, 'finite, non-zero')

  const { width, height } = image
  const data = engine.steady(image.data)
  const bytes = engine.allocate(data.length)
  try {
    const y = engine.empty([1, height, width, c])
    engine.u8.set(data, bytes)
    const scale =
      channels === 'gray' ? LUMA.map((share) => share / (255 * stds[0]!)) : stds.map((v) => 1 / (255 * v))
    runFromBytes(engine, bytes, y.pointer, height, width, c, {
      scale,
      shift: means.map((v, i) => -v / stds[i]!),
    })
    return y
  } finally {
    engine.free(bytes)
  }
}

interface FromBytesOptions {
  /** Of each channel: x = byte * scale + shift. */
  scale: readonly number[]
  shift: readonly number[]
  /** As many bytes as floats, not RGBA. */
  packed?: boolean
}

/** @internal */
export function runFromBytes(
  engine: Engine,
  bytes: number,
  y: number,
  h: number,
  w: number,
  c: number,
  { scale, shift, packed = false }: FromBytesOptions,
): void {
  const [scaleR = 0, scaleG = 0, scaleB = 0, scaleA = 0] = scale
  const [shiftR = 0, shiftG = 0, shiftB = 0, shiftA = 0] = shift
  const scales = { scaleR, scaleG, scaleB, scaleA, shiftR, shiftG, shiftB, shiftA }
  engine.run({ kernel: 'fromBytes', args: { bytes, y, w, c, ...scales, packed: Number(packed) }, units: h })
}

/**
 * A tensor as pixels: x * 255, rounded (halves to even, as Uint8ClampedArray does) and clamped to 0 to 255;
 * NaN is 0. One channel is gray; without a fourth, alpha is 255.
 *
 * @param x [1, height, width, channels] or [height, width, channels] of 1, 3 or 4 channels
 * @returns a copy, which `new ImageData(data, width, height)` accepts
 * @throws FilterbankError for other shapes
 * @example const { data, width, height } = toImageData(y); context.putImageData(new ImageData(data, width,
 *   height), 0, 0)
 */
export function toImageData(x: Tensor): OwnPixels {
  const engine = engineOf('toImageData', { x })
  const rank = x.shape.length
  const [height, width, c] = x.shape.slice(-3) as [number, number, number]
  check((rank === 3 || (rank === 4 && x.shape[0] === 1)) && [1, 3, 4].includes(c), () => ({
    op: 'toImageData',
    argument: 'x',
    expected: '[1, height, width, channels] or [height, width, channels] of 1, 3 or 4 channels',
    got: show(x.shape),
  }))
  const length = height * width * 4
  const bytes = engine.allocate(length)
  try {
    runToBytes(engine, x.pointer, bytes, height, width, c, 0)
    const data = new Uint8ClampedArray(length)
    data.set(engine.u8.subarray(bytes, bytes + length))
    return { data, width, height }
  } finally {
    engine.free(bytes)
  }
}

/**
 * `alpha`: address of RGBA bytes whose alpha to take, or 0. `packed`: as many bytes as floats, not RGBA.
 * @internal
 */
export function runToBytes(
  engine: Engine,
  x: number,
  bytes: number,
  h: number,
  w: number,
  c: number,
  alpha: number,
  packed = false,
): void {
  engine.run({
    kernel: 'toBytes',
    args: {
      x,
      bytes,
      w,
      c,
      alpha,
      packed: Number(packed),
    },
    units: h,
  })
}
