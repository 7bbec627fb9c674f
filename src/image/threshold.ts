import { check, show } from '../base/errors.js'
import { arrayName } from '../base/realm.js'
import type { Engine } from '../core/engine.js'
import { checkNumber, checkOptions, isInteger, isName, type Names } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { type PixelArray, type Pixels, WHITES } from '../pictures/pixels.js'
import { borderRule } from './border.js'
import {
  about,
  applyFilter,
  checkTensor,
  type Filtered,
  type FilterImage,
  type FilterOptions,
  openPixels,
} from './filter.js'
import { boxPlan, gaussian, separablePlan } from './linear.js'

/** What `threshold` takes beside the image and its bound. */
export interface ThresholdOptions extends Omit<FilterOptions, 'alpha'> {
  /** Side of the window of 'mean' and 'gaussian', odd. Default 11. */
  size?: number
  /** How far below the mean of 'mean' and 'gaussian' the bound is, on the image's own scale. Default 0. */
  offset?: number
  /** Black above the bound, white elsewhere. Default false. */
  inverse?: boolean
}

const THRESHOLD: Names<ThresholdOptions> = {
  border: true,
  engine: true,
  out: true,
  size: true,
  offset: true,
  inverse: true,
}
const rules = { otsu: true, mean: true, gaussian: true } as const
/** Rows of bytes in memory at once, about. */
const PART = 2 ** 18
const LEVELS = 256

/**
 * White (1, as bytes 255) where a channel is above a bound, black elsewhere; channels do not mix, and alpha
 * stays (OpenCV's threshold and adaptiveThreshold with THRESH_BINARY). Bounds are on the image's own scale,
 * where 1 is white: 0.5 is 127.5 for bytes.
 *
 * @param image [n, height, width, channels], or `{ data, width, height }` with `engine` among the options
 * @param bound a number; `'otsu'`: of each channel the one that parts its histogram of 256 levels best (N.
 *   Otsu, A threshold selection method from gray-level histograms, 1979); `'mean'` or `'gaussian'`: at each
 *   pixel the mean of the window around it, or the mean by a Gaussian of 0.3 * ((size - 1) / 2 - 1) + 0.8,
 *   less `offset`; of bytes it is rounded or not, as is faster
 * @param options size 11, offset 0, inverse false, border 'replicate'
 * @throws FilterbankError for other bounds, options out of their range, other ranks; 'otsu' for tensors of
 *   5 channels and more
 * @example const text = threshold(grayscale(scan, { engine }), 'mean', { engine, size: 31, offset: 0.05 })
 */
export function threshold<Image extends FilterImage>(
  image: Image,
  bound: number | 'otsu' | 'mean' | 'gaussian',
  options: ThresholdOptions = {},
): Filtered<Image> {
  checkOptions('threshold', options, THRESHOLD)
  const context = about('threshold', image)
  const { size = 11, offset = 0, inverse = false, border = 'replicate', ...rest } = options
  check(isName(bound, rules) || Number.isFinite(bound), () => ({
    ...context,
    argument: 'bound',
    expected: "a finite number, 'otsu', 'mean' or 'gaussian'",
    got: show(bound),
  }))
  check(isInteger(size, 3, 8191) && size % 2 === 1, () => ({
    ...context,
    argument: 'size',
    expected: 'an odd integer from 3 to 8191',
    got: show(size),
  }))
  checkNumber(offset, 'offset', Number.isFinite, 'a finite number', context)
  check(typeof inverse === 'boolean', () => ({
    ...context,
    argument: 'inverse',
    expected: 'true or false',
    got: show(inverse),
  }))
  borderRule(border, context)
  if (bound === 'mean' || bound === 'gaussian') {
    const weights =
      bound === 'gaussian' ? gaussian(0.3 * ((size - 1) / 2 - 1) + 0.8, size, context) : undefined
    const plan = weights ? separablePlan(weights, weights) : boxPlan(size, size)
    const compare = { offset, inverse }
    return applyFilter(image, { ...rest, border }, { ...plan, compare, hidden: 'mean' }, context)
  }
  if (image instanceof Tensor) return ofTensor(image, bound, options, context) as Filtered<Image>
  const { engine, image: pixels, channels, out } = openPixels(image, rest, context)
  const bounds = bound === 'otsu' ? otsu(engine, pixels.data, channels) : [bound]
  if (pixels.data.BYTES_PER_ELEMENT > 1) ofElements(pixels.data, out, channels, bounds, inverse)
  else ofBytes(engine, pixels, out, channels, bounds, inverse)
  return { data: out, width: pixels.width, height: pixels.height } as Filtered<Image>
}

function ofTensor(x: Tensor, bound: number | 'otsu', options: ThresholdOptions, context: Context): Tensor {
  const engine = checkTensor(x, options, context)
  const [n, h, w, c] = x.shape as [number, number, number, number]
  check(bound !== 'otsu' || c <= 4, () => ({
    ...context,
    argument: 'image',
    expected: "of at most 4 channels for 'otsu'",
    got: show(x.shape),
  }))
  const bounds = bound === 'otsu' ? otsu(engine, x.toArray(), c, c) : [bound]
  return engine.make(x.shape, (y) => {
    const room = engine.allocate(48)
    try {
      engine.f32.set(
        Array.from({ length: 12 }, (_, i) => bounds[i % bounds.length]!),
        room / 4,
      )
      const inverse = Number(options.inverse ?? false)
      // All of it is one row: channels take turns across rows, too.
      const rowBytes = h * w * c * 4
      const args = { x: x.pointer, y: y.pointer, rowBytes, bounds: room, floats: 1, inverse, alpha: 0 }
      engine.run({ kernel: 'threshold', args, units: rowBytes ? n : 0 })
    } finally {
      engine.free(room)
    }
  })
}

function ofElements(
  from: PixelArray,
  to: PixelArray,
  channels: number,
  bounds: readonly number[],
  inverse: boolean,
): void {
  const white = WHITES[arrayName(from)!]!
  for (let i = 0; i < from.length; i++) {
    const channel = i % channels
    const above = from[i]! > bounds[channel % bounds.length]! * white
    to[i] = channel === 3 ? from[i]! : above === inverse ? 0 : white
  }
}

function ofBytes(
  engine: Engine,
  { data, width, height }: Pixels<PixelArray>,
  out: PixelArray,
  channels: number,
  bounds: readonly number[],
  inverse: boolean,
): void {
  const rowBytes = width * channels
  if (!rowBytes) return
  const rows = Math.max(1, Math.min(height, Math.floor(PART / rowBytes)))
  const room = engine.allocate(48 + 2 * (rows * rowBytes + 64))
  try {
    // No byte is above 255, and all are above what is below 0.
    const everywhere = bounds[0]! < 0
    const levels = bounds.map((v) => (v < 0 ? 255 : Math.min(255, Math.floor(Number((v * 255).toFixed(6))))))
    for (let i = 0; i < 48; i++) engine.u8[room + i] = levels[(i % channels) % levels.length]!
    const x = room + 64
    const y = x + Math.ceil((rows * rowBytes) / 16) * 16
    for (let start = 0; start < height; start += rows) {
      const many = Math.min(rows, height - start)
      engine.u8.set(data.subarray(start * rowBytes, (start + many) * rowBytes) as Uint8Array, x)
      engine.run({
        kernel: 'threshold',
        args: {
          x,
          y,
          rowBytes,
          bounds: room,
          floats: 0,
          inverse: Number(inverse !== everywhere),
          alpha: Number(channels === 4),
        },
        units: many,
      })
      out.set(engine.u8.subarray(y, y + many * rowBytes), start * rowBytes)
    }
  } finally {
    engine.free(room)
  }
}

/** Of each channel the level, on the image's scale, that parts its histogram best; alpha has none. */
function otsu(engine: Engine, data: PixelArray, channels: number, colours = Math.min(3, channels)): number[] {
  const isBytes = data.BYTES_PER_ELEMENT === 1
  const counts = isBytes ? countBytes(engine, data, channels) : countLevels(data, channels)
  return counts.slice(0, colours).map((each) => (isBytes ? parting(each) / 255 : (parting(each) + 0.5) / 255))
}

/** The histogram of each channel. */
function countBytes(engine: Engine, data: PixelArray, channels: number): Uint32Array[] {
  const part = Math.floor(PART / channels) * channels
  const tables = 4 * LEVELS * 4
  const y = engine.allocate(channels * tables + part + 16)
  try {
    const x = y + channels * tables
    engine.u8.fill(0, y, x)
    for (let start = 0; start < data.length; start += part) {
      const bytes = data.subarray(start, start + part) as Uint8Array
      engine.u8.set(bytes, x)
      for (let k = 0; k < channels; k++) {
        const args = { x: x + k, y: y + k * tables, count: bytes.length / channels, step: channels }
        engine.run({ kernel: 'histogram', args, units: 1 })
      }
    }
    return Array.from({ length: channels }, (_, k) => {
      const from = (y + k * tables) / 4
      return Uint32Array.from({ length: LEVELS }, (_, level) =>
        [0, 1, 2, 3].reduce((sum, table) => sum + engine.i32[from + table * LEVELS + level]!, 0),
      )
    })
  } finally {
    engine.free(y)
  }
}

function countLevels(data: PixelArray, channels: number): Uint32Array[] {
  const white = WHITES[arrayName(data)!]!
  const counts = Array.from({ length: channels }, () => new Uint32Array(LEVELS))
  for (let i = 0; i < data.length; i++) {
    const level = Math.round((data[i]! / white) * 255)
    counts[i % channels]![level > 0 ? Math.min(255, level) : 0]!++
  }
  return counts
}

/** The level up to which one class goes so that the classes' means are furthest apart, each by its share. */
function parting(counts: Uint32Array): number {
  let [total, sum] = [0, 0]
  for (const [level, count] of counts.entries()) {
    total += count
    sum += level * count
  }
  let [best, most, below, sumBelow] = [0, -1, 0, 0]
  for (const [level, count] of counts.entries()) {
    below += count
    sumBelow += level * count
    const above = total - below
    if (!below || !above) continue
    const between = below * above * (sumBelow / below - (sum - sumBelow) / above) ** 2
    if (between > most) [best, most] = [level, between]
  }
  return best
}
