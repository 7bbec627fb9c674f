/** Pictures in a worker: their pixels, and the numbers that a model's input takes of them. */

import { check, show } from '../base/errors.js'
import type { Engine } from '../core/engine.js'
import { checkOptions, isInteger, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { fromImageData, type Pixels } from '../image/index.js'
import type { ModelInput, Port } from '../onnx/index.js'
import { concat } from '../ops/concat.js'
import { flip } from '../ops/flip.js'
import { pad } from '../ops/pad.js'
import { resize } from '../ops/resize.js'
import { slice } from '../ops/slice.js'
import { transpose } from '../ops/transpose.js'

/** What a worker takes for a picture once it has arrived there. */
export type Arrived = Pixels | ImageBitmap | Blob

/** A picture as the input of a model: its size and layout follow from that input. */
export interface PictureInput<Source = Arrived> {
  image: Source
  /** [height, width], or one number for both. Default: what the input says, else the picture's own. */
  size?: number | readonly [number, number]
  /**
   * How a picture of another shape gets that size: 'fill' stretches it, 'cover' cuts what stands over,
   * 'contain' leaves a border of 0 in the picture's range. Default 'fill'.
   */
  fit?: 'fill' | 'cover' | 'contain'
  /** Default: by the input's channels, 'gray' for 1 and 'rgb' for 3. */
  channels?: 'rgb' | 'bgr' | 'gray'
  /** What black and white become before mean and std. Default [0, 1]; [0, 255] for inputs of integers. */
  range?: readonly [number, number]
  /** Subtracted from the values of that range: one number, or one for each channel. Default 0. */
  mean?: number | readonly number[]
  /** What the difference is divided by. Default 1. */
  std?: number | readonly number[]
}

const PICTURE: Names<PictureInput> = {
  image: true,
  size: true,
  fit: true,
  channels: true,
  range: true,
  mean: true,
  std: true,
}
const op = 'model.run'

const fail = (argument: string, expected: string, got: unknown) => () => ({
  op,
  argument,
  expected,
  got: show(got),
})

export const isPictureInput = (input: unknown): input is PictureInput =>
  typeof input === 'object' && input !== null && !ArrayBuffer.isView(input) && 'image' in input

/** Red, green, blue and alpha of whatever has arrived. */
export async function pixelsOf(image: Arrived): Promise<Pixels> {
  if (typeof image !== 'object' || image === null || 'data' in image) return image as Pixels
  const bitmap = 'close' in image ? image : await createImageBitmap(image)
  const { width, height } = bitmap
  try {
    const canvas = new OffscreenCanvas(width, height)
    const context = canvas.getContext('2d', { willReadFrequently: true })!
    context.drawImage(bitmap, 0, 0)
    return context.getImageData(0, 0, width, height)
  } finally {
    bitmap.close()
  }
}

interface Layout {
  channelsFirst: boolean
  channels: number
  size: readonly [number, number] | undefined
}

/** Where an input has its channels, its height and its width. */
function layoutOf({ name, shape, type }: Port): Layout {
  const fits = shape?.length === 4 && (shape[0] === 1 || typeof shape[0] !== 'number')
  const [first, last] = [shape?.[1], shape?.[3]]
  const count = (length: unknown): length is number => length === 1 || length === 3
  const channelsFirst = count(first)
  check(Boolean(fits && (channelsFirst || count(last))) && /^(float|u?int8)/.test(type), () => ({
    op,
    argument: `input ${show(name)}`,
    expected:
      'numbers: a picture goes into an input of [1, channels, height, width] or [1, height, width, channels]',
    got: `a picture for ${type} ${show(shape)}`,
  }))
  const [h, w] = channelsFirst ? shape!.slice(2) : shape!.slice(1, 3)
  return {
    channelsFirst,
    channels: (channelsFirst ? first : last) as number,
    size: typeof h === 'number' && typeof w === 'number' ? [h, w] : undefined,
  }
}

const perChannel = (value: number | readonly number[], argument: string, c: number): number[] => {
  const list = typeof value === 'number' ? new Array<number>(c).fill(value) : [...value]
  check(list.length === c && list.every(Number.isFinite), fail(argument, `a number, or ${c} of them`, value))
  return list
}

/** The input that a picture stands for. */
export async function inputOf(engine: Engine, port: Port, input: PictureInput): Promise<ModelInput> {
  checkOptions(op, input, PICTURE)
  const layout = layoutOf(port)
  const pixels = await pixelsOf(input.image)
  const { fit = 'fill', channels = layout.channels === 1 ? 'gray' : 'rgb' } = input
  check(['fill', 'cover', 'contain'].includes(fit), fail('fit', "'fill', 'cover' or 'contain'", fit))
  const c = channels === 'gray' ? 1 : 3
  check(
    ['rgb', 'bgr', 'gray'].includes(channels) && c === layout.channels,
    fail('channels', layout.channels === 1 ? "'gray'" : "'rgb' or 'bgr'", channels),
  )
  const { size: asked = layout.size ?? ([pixels.height, pixels.width] as const) } = input
  const size = typeof asked === 'number' ? ([asked, asked] as const) : asked
  check(
    Array.isArray(size) && size.length === 2 && size.every((n) => isInteger(n, 1)),
    fail('size', 'a positive integer or [height, width]', asked),
  )
  const integers = !port.type.startsWith('float')
  const { range = integers ? [0, 255] : [0, 1], mean = 0, std = 1 } = input
  check(range.length === 2 && range[0] !== range[1], fail('range', 'two numbers, [low, high]', range))
  // (low + (high - low) v - mean) / std, as (v - mean') / std' of values from 0 to 1.
  const [low, high] = range as [number, number]
  const order = channels === 'bgr' ? [2, 1, 0] : Array.from({ length: c }, (_, i) => i)
  const means = perChannel(mean, 'mean', c)
  const stds = perChannel(std, 'std', c)
  const made: Tensor[] = []
  try {
    const keep = (x: Tensor): Tensor => {
      made.push(x)
      return x
    }
    let x = keep(
      fromImageData(engine, pixels, {
        channels: channels === 'gray' ? 'gray' : 'rgb',
        mean: order.map((i) => (means[i]! - low) / (high - low)),
        std: order.map((i) => stds[i]! / (high - low)),
      }),
    )
    const blank = order.map((i) => (low - means[i]!) / stds[i]!)
    x = fitted(x, size, fit, blank, keep)
    if (channels === 'bgr') x = keep(flip(x, { axes: [3] }))
    if (layout.channelsFirst) x = keep(transpose(x, [0, 3, 1, 2]))
    const { shape } = x
    const values = x.toArray()
    if (port.type === 'float32') return { data: values, shape }
    return { data: Array.from(values, (v) => (integers ? Math.round(v) : v)), shape }
  } finally {
    for (const x of new Set(made)) x.dispose()
  }
}

/** At another size; what is smaller is averaged. */
function fitted(
  x: Tensor,
  [height, width]: readonly [number, number],
  fit: 'fill' | 'cover' | 'contain',
  blank: readonly number[],
  keep: (x: Tensor) => Tensor,
): Tensor {
  const [, h, w] = x.shape as [number, number, number, number]
  const scaled = (image: Tensor, size: readonly [number, number]) =>
    image.shape[1] === size[0] && image.shape[2] === size[1]
      ? image
      : keep(resize(image, { size, antialias: true }))
  if (fit === 'fill') return scaled(x, [height, width])
  const scale = fit === 'cover' ? Math.max(height / h, width / w) : Math.min(height / h, width / w)
  const near = (length: number, most: number) => Math.max(1, Math.min(most, Math.round(length)))
  if (fit === 'cover') {
    const [ch, cw] = [near(height / scale, h), near(width / scale, w)]
    const [top, left] = [(h - ch) >> 1, (w - cw) >> 1]
    return scaled(keep(slice(x, { begin: [0, top, left, 0], end: [1, top + ch, left + cw, x.shape[3]!] })), [
      height,
      width,
    ])
  }
  const [nh, nw] = [near(h * scale, height), near(w * scale, width)]
  const [top, left] = [(height - nh) >> 1, (width - nw) >> 1]
  const inside = scaled(x, [nh, nw])
  const padding = [
    [0, 0],
    [top, height - nh - top],
    [left, width - nw - left],
    [0, 0],
  ] as const
  if (blank.every((value) => value === blank[0])) return keep(pad(inside, { padding, value: blank[0]! }))
  const planes = blank.map((value, c) =>
    keep(pad(keep(slice(inside, { begin: [0, 0, 0, c], end: [1, nh, nw, c + 1] })), { padding, value })),
  )
  return keep(concat(planes, { axis: 3 }))
}
