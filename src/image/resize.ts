/**
 * Pictures in another size. Bytes by integer weights (assembly/image/resample.ts; to half the size by
 * halve.ts), others as `resize` of tensors.
 */
import { check, show } from '../base/errors.js'
import type { Engine } from '../core/engine.js'
import { checkOptions, isName, type Names } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { pair } from '../core/window.js'
import { resize as resizeTensor } from '../ops/resize.js'
import type { PixelArray, Pixels } from '../pictures/pixels.js'
import { isOpaqueAt } from './alpha.js'
import { isTransparent, throughTensor } from './deep.js'
import {
  about,
  checkTensor,
  type Filtered,
  type FilterImage,
  type FilterOptions,
  openPixels,
} from './filter.js'

/** What `resize` takes beside the image and its new size. */
export interface ResizeImageOptions extends Pick<FilterOptions, 'engine' | 'out'> {
  /**
   * `'nearest'`: the pixel whose centre is nearest, of two the upper left. `'bilinear'`: between the four
   * around. `'bicubic'`: a smooth curve through the sixteen around. Default 'bilinear'.
   */
  method?: 'nearest' | 'bilinear' | 'bicubic'
  /**
   * Averages where the result is smaller, over all pixels that one of it stands for: as PIL, but that an edge
   * goes on beyond the picture, where PIL has nothing. Default true.
   */
  antialias?: boolean
}

const RESIZE: Names<ResizeImageOptions> = { engine: true, out: true, method: true, antialias: true }
const methods = { nearest: true, bilinear: true, bicubic: true } as const

/** Bits behind the point of weights. */
const WEIGHT = 2 ** 14
/** Bytes of a strip's input, about. */
const STRIP = 2 ** 20
/** Of a cubic, as PyTorch, OpenCV and ONNX have it. */
const CUBIC = -0.75

/**
 * The image in another size, its pixels squares that fill the same area (half-pixel centres, as OpenCV and
 * PIL have it; bicubic with a = -0.75). Bytes are off by less than half a level before they are rounded.
 * Colours count as much as they are opaque, and alpha is resized.
 *
 * @param image [n, height, width, channels], or `{ data, width, height }` with `engine` among the options
 * @param size [height, width] of the result; one number for both
 * @returns an image of the same kind
 * @throws FilterbankError for other ranks, an image without pixels, a size that is not positive, an unknown
 *   method
 * @example const thumbnail = resize(photo, [90, 160], { engine })
 */
export function resize<Image extends FilterImage>(
  image: Image,
  size: number | readonly [number, number],
  options: ResizeImageOptions = {},
): Filtered<Image> {
  checkOptions('resize', options, RESIZE)
  const context = about('resize', image)
  const { method = 'bilinear', antialias = true } = options
  check(isName(method, methods), () => ({
    ...context,
    argument: 'method',
    expected: `'nearest', 'bilinear' or 'bicubic'`,
    got: show(method),
  }))
  check(typeof antialias === 'boolean', () => ({
    ...context,
    argument: 'antialias',
    expected: 'true or false',
    got: show(antialias),
  }))
  const [oh, ow] = pair(size, 'size', 1, context)
  const ofTensor = (x: Tensor) => resizeTensor(x, { size: [oh, ow], method, antialias })
  if (image instanceof Tensor) {
    checkTensor(image, options, context)
    return ofTensor(image) as Filtered<Image>
  }
  const { engine, image: pixels, channels, out } = openPixels(image, options, context, [oh, ow, 0])
  check(pixels.width > 0 && pixels.height > 0, () => ({
    ...context,
    argument: 'image',
    expected: 'of at least one pixel',
    got: `${pixels.width} x ${pixels.height}`,
  }))
  const isBytes = pixels.data.BYTES_PER_ELEMENT === 1
  if (!isBytes || !resizeBytes(engine, pixels, channels, out, { method, antialias, oh, ow })) {
    const weighs = method !== 'nearest' && (isBytes || isTransparent(pixels.data, channels))
    throughTensor(engine, pixels, channels, out, weighs, ofTensor)
  }
  return { data: out, width: ow, height: oh } as Filtered<Image>
}

interface Axes {
  method: 'nearest' | 'bilinear' | 'bicubic'
  antialias: boolean
  oh: number
  ow: number
}

/** The taps of an axis: those of output o start at first[o]; `pairs` pairs of weights for each. */
interface Taps {
  first: Int32Array
  weights: Int32Array
  pairs: number
}

function weightAt(distance: number, method: Axes['method']): number {
  const d = Math.abs(distance)
  if (method === 'bilinear') return Math.max(0, 1 - d)
  if (d <= 1) return (CUBIC + 2) * d ** 3 - (CUBIC + 3) * d ** 2 + 1
  return d < 2 ? CUBIC * d ** 3 - 5 * CUBIC * d ** 2 + 8 * CUBIC * d - 4 * CUBIC : 0
}

/** The nearest, or the weighted taps of each output: whole numbers whose sum is WEIGHT. */
function tapsOf(input: number, output: number, { method, antialias }: Axes): Taps {
  const first = new Int32Array(output)
  const position = (o: number) => ((2 * o + 1) * input - output) / (2 * output)
  if (method === 'nearest') {
    for (let o = 0; o < output; o++) first[o] = Math.min(Math.max(Math.ceil(position(o) - 0.5), 0), input - 1)
    return { first, weights: new Int32Array(0), pairs: 0 }
  }
  const stretch = antialias ? Math.max(1, input / output) : 1
  const reach = (method === 'bicubic' ? 2 : 1) * stretch
  const lists: number[][] = []
  let most = 1
  for (let o = 0; o < output; o++) {
    const centre = position(o)
    const [low, high] = [Math.ceil(centre - reach), Math.floor(centre + reach)]
    const start = Math.min(Math.max(low, 0), input - 1)
    const list = new Array<number>(Math.min(Math.max(high, 0), input - 1) - start + 1).fill(0)
    // Beyond the edge is the edge.
    for (let i = low; i <= high; i++)
      list[Math.min(Math.max(i, 0), input - 1) - start]! += weightAt((i - centre) / stretch, method)
    first[o] = start
    lists.push(list)
    most = Math.max(most, list.length)
  }
  const pairs = Math.ceil(most / 2)
  const words = new Int16Array(output * pairs * 2)
  for (const [o, list] of lists.entries()) words.set(whole(list), o * pairs * 2)
  return { first, weights: new Int32Array(words.buffer), pairs }
}

/** Weights in 1 / WEIGHT, rounded so that nothing is lost of their sum: the rest goes to the largest. */
function whole(weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b)
  const integers = weights.map((weight) => Math.round((weight / sum) * WEIGHT))
  const rest = WEIGHT - integers.reduce((a, b) => a + b)
  integers[integers.indexOf(Math.max(...integers))]! += rest
  return integers
}

/** False where it is transparent somewhere, and its pixels are to be mixed. */
function resizeBytes(
  engine: Engine,
  { data, width: w, height: h }: Pixels<PixelArray>,
  c: number,
  out: PixelArray,
  axes: Axes,
): boolean {
  const { oh, ow } = axes
  const weighs = c === 4 && axes.method !== 'nearest'
  const [rows, columns] = [tapsOf(h, oh, axes), tapsOf(w, ow, axes)]
  const halves = axes.method === 'bilinear' && h === 2 * oh && w === 2 * ow
  const kernel = axes.method === 'nearest' ? 'resampleNearest' : halves ? 'halve' : 'resample'
  // What `halve` is told: the first row of four by four pixels, or of two by two.
  const firstOf = (o: number) => (halves ? 2 * o - Number(axes.antialias) : rows.first[o]!)
  const rowBytes = w * c
  // Of each strip the outputs, and the rows that they see.
  const reach = 2 * rows.pairs + 1
  const each = Math.ceil(Math.max(4, (STRIP / (rowBytes + 1) - reach) * (oh / h)) / 4) * 4
  const strip = Math.min(oh, each)
  const lastOf = (o: number) => Math.min(h, rows.first[o]! + Math.max(1, 2 * rows.pairs))
  let most = 0
  for (let start = 0; start < oh; start += strip)
    most = Math.max(most, lastOf(Math.min(start + strip, oh) - 1) - rows.first[start]!)
  const lists = [rows.first, columns.first, rows.weights, columns.weights]
  const words = lists.reduce((sum, { length }) => sum + length, 0)
  const memory = engine.allocate(4 * words + most * rowBytes + strip * ow * c + 160)
  const plane = Math.ceil((w * c * 2 + 32) / 16) * 16
  engine.scratch(8 * rows.pairs + 4 * plane + w * c * 8 + 16 * columns.pairs * c + ow * c * 4 + 256)
  try {
    const places: number[] = []
    let end = memory
    for (const list of lists) {
      places.push(end)
      end += 4 * list.length
    }
    const [firstRows, firstColumns, down, across] = places as [number, number, number, number]
    engine.i32.set(columns.first, firstColumns / 4)
    engine.i32.set(columns.weights, across / 4)
    const x = Math.ceil(end / 16) * 16
    const room = Math.ceil((x + most * rowBytes + 32) / 16) * 16
    const y = room + 16
    for (let start = 0; start < oh; start += strip) {
      const many = Math.min(strip, oh - start)
      const top = rows.first[start]!
      const seen = lastOf(start + many - 1) - top
      engine.u8.set(data.subarray(top * rowBytes, (top + seen) * rowBytes) as Uint8Array, x)
      if (weighs && !isOpaqueAt(engine, x, seen * rowBytes, room)) return false
      for (let i = 0; i < many; i++) engine.i32[firstRows / 4 + i] = firstOf(start + i) - top
      const weights = rows.weights.subarray(start * rows.pairs, (start + many) * rows.pairs)
      engine.i32.set(weights, down / 4)
      engine.run({
        kernel,
        args: {
          x,
          y,
          h: seen,
          w,
          c,
          ow,
          rows: firstRows,
          columns: firstColumns,
          pairsDown: halves ? 1 + Number(axes.antialias) : rows.pairs,
          pairsAcross: columns.pairs,
          down,
          across,
        },
        units: many,
      })
      out.set(engine.u8.subarray(y, y + many * ow * c), start * ow * c)
    }
    return true
  } finally {
    engine.free(memory)
  }
}
