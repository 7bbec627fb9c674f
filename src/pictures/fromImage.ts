/** Pictures of every kind to tensors of a network's size, and tensors to canvases. */

import { check, show } from '../base/errors.js'
import { type Area, areasOf } from '../base/fit.js'
import { type Engine, engineOf } from '../core/engine.js'
import { checkOptions, isInteger, isName, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { add } from '../ops/arithmetic.js'
import { concat } from '../ops/concat.js'
import { conv2d } from '../ops/conv/conv.js'
import { flip } from '../ops/flip.js'
import { pad } from '../ops/pad.js'
import { resize } from '../ops/resize.js'
import { slice } from '../ops/slice.js'
import { checkEngine, LUMA, runFromBytes, toImageData } from './pixels.js'
import { type ImageSource, type Planes, readNow, readSource, type Samples, whiteOf } from './source.js'

/** How `fromImage` makes a tensor of a picture. */
export interface FromImageOptions {
  /** [height, width] of the result; one number for both. Default that of the picture. */
  size?: number | readonly [number, number]
  /**
   * `'fill'`: the whole picture in all of the size, whatever becomes of its proportions. `'cover'`: the
   * middle of the picture, to whole pixels, in all of the size. `'contain'`: the whole picture in the middle,
   * black around it. Default 'fill'.
   */
  fit?: 'fill' | 'cover' | 'contain'
  /** Default 'rgb'. 'gray' is luma by Rec. 601: 0.299 red + 0.587 green + 0.114 blue. */
  channels?: 'rgb' | 'bgr' | 'gray'
  /** What black and white are before mean and std. Default [0, 1]. */
  range?: readonly [number, number]
  /** Subtracted from values of the range: one number, or one for each channel of the result. Default 0. */
  mean?: number | readonly number[]
  /** What the difference is divided by: one number, or one for each channel of the result. Default 1. */
  std?: number | readonly number[]
}

const FROM_IMAGE: Names<FromImageOptions> = {
  size: true,
  fit: true,
  channels: true,
  range: true,
  mean: true,
  std: true,
}
const counts = { rgb: 3, bgr: 3, gray: 1 } as const
const fits = { fill: true, cover: true, contain: true } as const

/** The shares of red and blue in luma. (ITU-T H.273, table 4) */
const SHARES: Readonly<Record<string, readonly [number, number]>> = {
  bt709: [0.2126, 0.0722],
  smpte170m: [0.299, 0.114],
  bt470bg: [0.299, 0.114],
  'bt2020-ncl': [0.2627, 0.0593],
}

/** A linear map of values from 0 to 1, for each channel: v * scale + shift. */
interface Scaling {
  scale: number[]
  shift: number[]
}

/**
 * Any picture as a tensor that fits a network: cut, made larger or smaller (between pixels, averaged where it
 * shrinks), and (low + v * (high - low) - mean) / std of each value v from 0 to 1. Alpha is left out. Frames
 * of I420 and NV12 are converted from their planes as their colour space says (BT.709 where it says nothing),
 * their chroma between samples.
 *
 * @param source what a page or a decoder has; `data` of bytes, 16-bit integers or floats from 0 to 1, with 1,
 *   3 or 4 samples for each pixel
 * @returns a promise of [1, height, width, channels], 1 for 'gray', else 3
 * @throws FilterbankError (the promise is rejected) for what is no picture, has no pixels or over 2^28 of
 *   them, is not decoded yet, broken, or of another origin, and for options out of their range
 * @example const x = await fromImage(engine, file, { size: 224, fit: 'cover', mean: [0.485, 0.456, 0.406],
 *   std: [0.229, 0.224, 0.225] })
 */
export async function fromImage(
  engine: Engine,
  source: ImageSource,
  options: FromImageOptions = {},
): Promise<Tensor> {
  const settings = settingsOf(engine, options)
  return settled(engine, await readSource(source), settings)
}

/** The same of what needs no decoding: pixels, canvases, bitmaps, elements that are loaded. @internal */
export function fromImageNow(engine: Engine, source: ImageSource, options: FromImageOptions = {}): Tensor {
  const settings = settingsOf(engine, options)
  return settled(engine, readNow(source), settings)
}

const CONTEXT: Context = { op: 'fromImage', shapes: {} }

/** Options, checked. */
interface Settings {
  fit: keyof typeof fits
  channels: keyof typeof counts
  scaling: Scaling
  size: [number, number] | undefined
}

function settingsOf(engine: Engine, options: FromImageOptions): Settings {
  checkOptions('fromImage', options, FROM_IMAGE)
  checkEngine(engine, CONTEXT)
  const { fit = 'fill', channels = 'rgb' } = options
  check(isName(fit, fits), () => wrong('fit', 'fill, cover or contain', fit))
  check(isName(channels, counts), () => wrong('channels', 'rgb, bgr or gray', channels))
  return { fit, channels, scaling: scalingOf(options, counts[channels]), size: sizeOf(options.size) }
}

function settled(
  engine: Engine,
  picture: Samples | Planes,
  { fit, channels, scaling, size }: Settings,
): Tensor {
  checkEngine(engine, CONTEXT)
  return engine.scope(() => {
    const { width, height } = picture
    const [h, w] = size ?? [height, width]
    const { from: box, to: inner } = areasOf(picture, { height: h, width: w }, fit)
    const padded = inner.height !== h || inner.width !== w
    const flipped = channels === 'bgr'
    // Red first, as the kernels have it; the shift comes last where black is added.
    const ordered = (list: number[]) => (flipped ? list.toReversed() : list)
    const first = {
      scale: ordered(scaling.scale),
      shift: padded ? scaling.shift.map(() => 0) : ordered(scaling.shift),
    }
    let x =
      'format' in picture ? fromPlanes(engine, picture, box, first) : fromSamples(engine, picture, box, first)
    const { height: ih, width: iw } = inner
    if (ih !== x.shape[1] || iw !== x.shape[2]) x = resize(x, { size: [ih, iw], antialias: true })
    if (flipped) x = flip(x, { axes: [3] })
    if (!padded) return x
    const [below, right] = [h - inner.top - ih, w - inner.left - iw]
    const around = pad(x, {
      padding: [
        [0, 0],
        [inner.top, below],
        [inner.left, right],
        [0, 0],
      ],
    })
    return add(around, engine.tensor(scaling.shift, [scaling.shift.length]))
  })
}

const wrong = (argument: string, expected: string, got: unknown) => ({
  op: 'fromImage',
  argument,
  expected,
  got: show(got),
})

function sizeOf(size: FromImageOptions['size']): [number, number] | undefined {
  if (size === undefined) return undefined
  const both = (typeof size === 'number' ? [size, size] : size) as [number, number]
  check(Array.isArray(both) && both.length === 2 && both.every((v) => isInteger(v, 1)), () =>
    wrong('size', 'a positive integer, or [height, width] of two', size),
  )
  return both
}

function scalingOf({ range = [0, 1], mean = 0, std = 1 }: FromImageOptions, c: number): Scaling {
  const each = (
    value: unknown,
    argument: string,
    allowed: (v: number) => boolean,
    kind: string,
  ): number[] => {
    const list = typeof value === 'number' ? new Array<number>(c).fill(value) : value
    check(
      Array.isArray(list) && list.length === c && list.every((v) => Number.isFinite(v) && allowed(v)),
      () => wrong(argument, `a ${kind} number, or ${c} of them`, value),
    )
    return list as number[]
  }
  check(Array.isArray(range) && range.length === 2 && range.every(Number.isFinite), () =>
    wrong('range', '[what black is, what white is], two finite numbers', range),
  )
  const means = each(mean, 'mean', () => true, 'finite')
  const stds = each(std, 'std', (v) => v !== 0, 'finite, non-zero')
  return {
    scale: stds.map((v) => (range[1] - range[0]) / v),
    shift: stds.map((v, i) => (range[0] - means[i]!) / v),
  }
}

/** Part of a picture's samples -> [1, height, width, channels], scaled. */
function fromSamples(engine: Engine, picture: Samples, box: Area, { scale, shift }: Scaling): Tensor {
  const { top, left, height, width } = box
  const { data } = picture
  const c = scale.length
  const per = data.length / (picture.width * picture.height)
  const white = whiteOf(data)!
  const shares = c === 1 ? LUMA.map((share) => share * scale[0]!) : scale
  const rowAt = (y: number) => ((top + y) * picture.width + left) * per
  if (white === 255 && per === 4) {
    const bytes = engine.allocate(height * width * 4 + 16)
    try {
      const y = engine.empty([1, height, width, c])
      for (let row = 0; row < height; row++)
        engine.u8.set(
          (data as Uint8Array).subarray(rowAt(row), rowAt(row) + width * 4),
          bytes + row * width * 4,
        )
      const scales = shares.map((v) => v / 255)
      runFromBytes(engine, bytes, y.pointer, height, width, c, { scale: scales, shift })
      return y
    } finally {
      engine.free(bytes)
    }
  }
  // Gray has its one sample in all three.
  const [green, blue] = per === 1 ? [0, 0] : [1, 2]
  const values = new Float32Array(height * width * c)
  for (let row = 0, to = 0; row < height; row++) {
    for (let from = rowAt(row), end = from + width * per; from < end; from += per) {
      const rgb = [data[from]! / white, data[from + green]! / white, data[from + blue]! / white]
      if (c === 1)
        values[to++] = rgb[0]! * shares[0]! + rgb[1]! * shares[1]! + rgb[2]! * shares[2]! + shift[0]!
      else for (let i = 0; i < 3; i++) values[to++] = rgb[i]! * scale[i]! + shift[i]!
    }
  }
  return engine.tensor(values, [1, height, width, c])
}

/**
 * Part of a frame's planes -> [1, height, width, channels], scaled: the matrix of its colour space is a 1x1
 * convolution. (ITU-T H.273, 8.3)
 */
function fromPlanes(engine: Engine, frame: Planes, box: Area, { scale, shift }: Scaling): Tensor {
  const { width: w, height: h, format, layout, fullRange } = frame
  const [cw, ch] = [Math.ceil(w / 2), Math.ceil(h / 2)]
  const luma = plane(engine, frame.bytes, layout[0]!, h, w, 1)
  const small =
    format === 'NV12'
      ? plane(engine, frame.bytes, layout[1]!, ch, cw, 2)
      : concat(
          [1, 2].map((i) => plane(engine, frame.bytes, layout[i]!, ch, cw, 1)),
          { axis: 3 },
        )
  const chroma = crop(resize(small, { size: [2 * ch, 2 * cw] }), { top: 0, left: 0, height: h, width: w })
  const yuv = crop(concat([luma, chroma], { axis: 3 }), box)

  const [kr, kb] = SHARES[frame.matrix] ?? SHARES.bt709!
  const kg = 1 - kr - kb
  const [gain, black] = fullRange ? [1, 0] : [255 / 219, 16 / 255]
  const wide = (fullRange ? 1 : 255 / 224) * 2
  // rows y, u, v; columns red, green, blue
  const matrix = [
    [gain, gain, gain],
    [0, (-wide * (1 - kb) * kb) / kg, wide * (1 - kb)],
    [wide * (1 - kr), (-wide * (1 - kr) * kr) / kg, 0],
  ]
  const offsets = [black, 128 / 255, 128 / 255]
  const rgb = (channel: number[]) =>
    scale.length === 1 ? [dot(channel, LUMA) * scale[0]!] : channel.map((v, i) => v * scale[i]!)
  const filter = matrix.map(rgb)
  const bias = shift.map((v, i) => v - filter.reduce((sum, row, k) => sum + row[i]! * offsets[k]!, 0))
  return conv2d(yuv, engine.tensor(filter.flat(), [1, 1, 3, scale.length]), {
    bias: engine.tensor(bias, [bias.length]),
  })
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, v, i) => sum + v * b[i]!, 0)

/** A part of a tensor of images. */
const crop = (x: Tensor, { top, left, height, width }: Area): Tensor =>
  x.shape[1] === height && x.shape[2] === width
    ? x
    : slice(x, { begin: [0, top, left, 0], end: [1, top + height, left + width, x.shape[3]!] })

/** Bytes in rows -> [1, h, w, c] from 0 to 1. */
function plane(
  engine: Engine,
  from: Uint8Array,
  { offset, stride }: { offset: number; stride: number },
  h: number,
  w: number,
  c: number,
): Tensor {
  const bytes = engine.allocate(h * w * c + 16)
  try {
    const y = engine.empty([1, h, w, c])
    for (let row = 0; row < h; row++) {
      const start = offset + row * stride
      engine.u8.set(from.subarray(start, start + w * c), bytes + row * w * c)
    }
    const scale = new Array<number>(4).fill(1 / 255)
    runFromBytes(engine, bytes, y.pointer, h, w, c, { scale, shift: [], packed: true })
    return y
  } finally {
    engine.free(bytes)
  }
}

/**
 * Shows a tensor on a canvas, which takes its size: x * 255, rounded and clamped, as `toImageData` has it.
 *
 * @param x [1, height, width, channels] or [height, width, channels] of 1, 3 or 4 channels
 * @throws FilterbankError for other shapes, and for a canvas that is none or is used by WebGL or WebGPU
 * @example toCanvas(sobel(x), document.querySelector('canvas'))
 */
export function toCanvas(x: Tensor, canvas: HTMLCanvasElement | OffscreenCanvas): void {
  engineOf('toCanvas', { x })
  const refused = (got: string) => ({
    op: 'toCanvas',
    argument: 'canvas',
    expected: 'an HTMLCanvasElement or OffscreenCanvas, new or with a context of 2d',
    got,
    shapes: { x: x.shape },
  })
  const isCanvas = typeof (canvas as HTMLCanvasElement | undefined)?.getContext === 'function'
  check(isCanvas, () => refused(show(canvas)))
  const context = canvas.getContext('2d') as CanvasRenderingContext2D | null
  check(context !== null, () => refused('one with another context'))
  const { data, width, height } = toImageData(x)
  canvas.width = width
  canvas.height = height
  context.putImageData(new ImageData(data, width, height), 0, 0)
}
