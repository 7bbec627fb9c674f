/** Contact sheets: the channels of a layer, or the filters of a bank, as one picture of cells in a grid. */

import { check, show } from '../base/errors.js'
import { engineOf } from '../core/engine.js'
import { checkInteger, checkNumber, checkOptions, MOST, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'

/** RGBA bytes as `ImageData` has them, row by row. */
export interface Sheet {
  data: Uint8ClampedArray<ArrayBuffer>
  width: number
  height: number
}

/** How a sheet of pictures looks. */
export interface SheetOptions {
  /**
   * The range of values that the colours span: `'each'` map (or filter) its own, or one for `'all'`. Default
   * `'each'`.
   */
  normalize?: 'each' | 'all'
  /**
   * Share of the values, at each end of a range, that may lie beyond it: a few outliers need not leave the
   * rest dark. Default 0.
   */
  clip?: number
  /** Pixels a side that one value becomes. By default the smallest that makes a cell 64 pixels long. */
  scale?: number
  /** Pixels between cells and around them. Default 4. */
  gap?: number
  /**
   * Cells in a row of the sheet. By default as many as make it about as wide as a screen, without holes where
   * that is possible.
   */
  columns?: number
}

/** What `featureMaps` takes beside the tensor. */
export interface FeatureMapsOptions extends SheetOptions {
  /**
   * `'gray'`: the least value black, the greatest white, a constant map black. `'diverging'`: zero white,
   * negative values blue, positive ones red, both as far as the greatest magnitude. Default `'gray'`.
   */
  colors?: 'gray' | 'diverging'
  /** The image of the batch to show. By default all, each from a new row of the sheet. */
  image?: number
}

/** What `filterSheet` takes beside the filter. */
export interface FilterSheetOptions extends SheetOptions {
  /**
   * As for `featureMaps`; `'rgb'` shows a filter over three channels as a picture, zero mid-gray. Default
   * `'rgb'` for three input channels, else `'diverging'`.
   */
  colors?: 'rgb' | 'gray' | 'diverging'
  /** Show at most this many filters, and this many input channels of each. Default 64. */
  limit?: number
}

const FEATURE_MAPS: Names<FeatureMapsOptions> = {
  colors: true,
  image: true,
  normalize: true,
  clip: true,
  scale: true,
  gap: true,
  columns: true,
}
const FILTER_SHEET: Names<FilterSheetOptions> = {
  colors: true,
  limit: true,
  normalize: true,
  clip: true,
  scale: true,
  gap: true,
  columns: true,
}

/** Length in pixels that a cell has at least, by default. */
const CELL = 64
/** Width over height that a sheet is given where it can be. */
const ASPECT = 1.5
const BACKGROUND = [44, 48, 56] as const
/** Of a sheet: what canvases and PNG files still take, and memory with them. */
const MOST_PIXELS = 2 ** 28
/** NaN has a colour that no map of colours has. */
const NAN = [255, 0, 255] as const

/**
 * ColorBrewer's RdBu (11 classes), from blue to red, its middle made white.
 * https://colorbrewer2.org/#type=diverging&scheme=RdBu&n=11
 */
const RED_BLUE = [
  [5, 48, 97],
  [33, 102, 172],
  [67, 147, 195],
  [146, 197, 222],
  [209, 229, 240],
  [255, 255, 255],
  [253, 219, 199],
  [244, 165, 130],
  [214, 96, 77],
  [178, 24, 43],
  [103, 0, 31],
] as const

type Color = readonly [number, number, number]
/** From a position in [0, 1] to a colour. */
type Colormap = (position: number) => Color

const gray: Colormap = (position) => [position * 255, position * 255, position * 255]

const diverging: Colormap = (position) => {
  const place = position * (RED_BLUE.length - 1)
  const from = Math.min(Math.floor(place), RED_BLUE.length - 2)
  const [a, b] = [RED_BLUE[from]!, RED_BLUE[from + 1]!]
  const t = place - from
  return [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])]
}

/**
 * A contact sheet of a layer: one cell a channel, in order, from the left and downwards. NaN is magenta;
 * infinities have the colours of the ends.
 *
 * @param x [n, height, width, channels]
 * @returns RGBA bytes with width and height, for a canvas (`new ImageData(data, width, height)`) or a PNG
 * @throws FilterbankError for another rank, an empty tensor, or an option out of its range
 * @example const { data, width, height } = featureMaps(relu(layer), { normalize: 'all' })
 */
export function featureMaps(x: Tensor, options: FeatureMapsOptions = {}): Sheet {
  checkOptions('featureMaps', options, FEATURE_MAPS)
  engineOf('featureMaps', { x })
  const context: Context = { op: 'featureMaps', shapes: { x: x.shape } }
  const { colors = 'gray', normalize = 'each', clip = 0, image } = options
  check(x.shape.length === 4 && x.size > 0, () => ({
    ...context,
    argument: 'x',
    expected: '[n, height, width, channels], none of them 0',
    got: show(x.shape),
  }))
  const [n, h, w, channels] = x.shape as [number, number, number, number]
  oneOf(colors, 'colors', ['gray', 'diverging'], context)
  if (image !== undefined) checkInteger(image, 'image', 0, n - 1, context)
  const layout = grid(options, h, w, image === undefined ? n : 1, channels, context)

  const values = x.toArray()
  const first = image ?? 0
  const pixelsOf = (cell: number) => {
    const map = new Float32Array(h * w)
    const start = (first + Math.floor(cell / channels)) * h * w * channels + (cell % channels)
    for (let i = 0; i < map.length; i++) map[i] = values[start + i * channels]!
    return map
  }
  const common =
    normalize === 'all'
      ? rangeOf(
          image === undefined
            ? values
            : values.subarray(first * h * w * channels, (first + 1) * h * w * channels),
          clip,
        )
      : undefined
  const colormap = colors === 'gray' ? gray : diverging
  return draw(layout, (cell) => {
    const map = pixelsOf(cell)
    const position = positions(common ?? rangeOf(map, clip), colors !== 'gray')
    return (i) => colorOf(map[i]!, position, colormap)
  })
}

/**
 * A contact sheet of a bank of filters. Filters over three channels are pictures; over one channel, a cell
 * each; over more, every filter is a column of the sheet with a cell for each input channel.
 *
 * @param filter [height, width, inChannels / groups, outChannels]
 * @returns RGBA bytes with width and height, as `featureMaps`
 * @throws FilterbankError for another rank, an empty tensor, or an option out of its range
 * @example const sheet = filterSheet(model.parameters[0])
 */
export function filterSheet(filter: Tensor, options: FilterSheetOptions = {}): Sheet {
  checkOptions('filterSheet', options, FILTER_SHEET)
  engineOf('filterSheet', { filter })
  const context: Context = { op: 'filterSheet', shapes: { filter: filter.shape } }
  const fits = filter.shape.length === 4 && filter.size > 0
  check(fits, () => ({
    ...context,
    argument: 'filter',
    expected: '[height, width, inChannels, outChannels], none of them 0',
    got: show(filter.shape),
  }))
  const [h, w, inChannels, outChannels] = filter.shape as [number, number, number, number]
  const {
    colors = inChannels === 3 ? 'rgb' : 'diverging',
    normalize = 'each',
    clip = 0,
    limit = 64,
  } = options
  oneOf(colors, 'colors', inChannels === 3 ? ['rgb', 'gray', 'diverging'] : ['gray', 'diverging'], context)
  checkInteger(limit, 'limit', 1, MOST, context)
  const filters = Math.min(outChannels, limit)
  const rows = colors === 'rgb' ? 1 : Math.min(inChannels, limit)
  const layout = grid(rows > 1 ? { ...options, columns: filters } : options, h, w, rows, filters, context)

  const values = filter.toArray()
  const at = (i: number, channel: number, o: number) => values[(i * inChannels + channel) * outChannels + o]!
  const everyValueOf = (o: number) =>
    Float32Array.from({ length: h * w * inChannels }, (_, i) => values[i * outChannels + o]!)
  const common = normalize === 'all' ? rangeOf(values, clip) : undefined
  const colormap = colors === 'diverging' ? diverging : gray
  return draw(layout, (cell) => {
    const o = cell % filters
    const position = positions(common ?? rangeOf(everyValueOf(o), clip), colors !== 'gray')
    if (colors !== 'rgb') return (i) => colorOf(at(i, Math.floor(cell / filters), o), position, colormap)
    return (i) => {
      const rgb = [0, 1, 2].map((channel) => position(at(i, channel, o)) * 255)
      return rgb.some(Number.isNaN) ? NAN : (rgb as unknown as Color)
    }
  })
}

const colorOf = (value: number, position: (value: number) => number, colormap: Colormap): Color =>
  Number.isNaN(value) ? NAN : colormap(position(value))

/**
 * Least and greatest finite value but for a share of `clip` at each end, unless that leaves one value alone;
 * [0, 0] where there is none.
 */
function rangeOf(values: Float32Array, clip: number): [number, number] {
  if (clip > 0) {
    const sorted = values.filter(Number.isFinite).sort()
    const skip = Math.floor(sorted.length * clip)
    const [low, high] = [sorted[skip] ?? 0, sorted[sorted.length - 1 - skip] ?? 0]
    if (low < high) return [low, high]
  }
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  return low <= high ? [low, high] : [0, 0]
}

/**
 * From a value to its place in a range, 0 at the start and 1 at the end; a signed range has zero in its
 * middle. NaN stays NaN.
 */
function positions([low, high]: [number, number], signed: boolean): (value: number) => number {
  const start = signed ? Math.min(low, -high) : low
  const length = signed ? -2 * start : high - low
  const atZeroLength = signed ? 0.5 : 0
  return (value) =>
    Math.min(1, Math.max(0, length > 0 ? (value - start) / length : value - start + atZeroLength))
}

/** Where the cells of a sheet stand. Each of `groups` starts a new row. */
interface Grid {
  h: number
  w: number
  groups: number
  /** Cells of one group. */
  cells: number
  columns: number
  scale: number
  gap: number
}

function grid(
  options: SheetOptions,
  h: number,
  w: number,
  groups: number,
  cells: number,
  context: Context,
): Grid {
  const {
    normalize = 'each',
    clip = 0,
    gap = 4,
    scale = Math.max(1, Math.ceil(CELL / Math.max(h, w))),
  } = options
  oneOf(normalize, 'normalize', ['each', 'all'], context)
  checkInteger(scale, 'scale', 1, MOST, context)
  checkNumber(clip, 'clip', (v) => v >= 0 && v < 0.5, 'a number of at least 0 and below 0.5', context)
  checkInteger(gap, 'gap', 0, MOST, context)
  const columns = options.columns ?? tidyColumns(h, w, groups, cells)
  checkInteger(columns, 'columns', 1, MOST, context)
  const sheet = { h, w, groups, cells, columns: Math.min(columns, cells), scale, gap }
  const [width, height] = sizeOf(sheet)
  check(width * height <= MOST_PIXELS, () => ({
    ...context,
    argument: 'scale',
    expected: `such that the sheet has at most ${MOST_PIXELS} pixels`,
    got: `scale ${scale} and gap ${gap}, which make ${width} x ${height}`,
  }))
  return sheet
}

/** Width and height in pixels. */
const sizeOf = ({ h, w, groups, cells, columns, scale, gap }: Grid): [width: number, height: number] => [
  gap + columns * (w * scale + gap),
  gap + groups * Math.ceil(cells / columns) * (h * scale + gap),
]

/**
 * The number of columns whose sheet is nearest to ASPECT, where a share of empty cells counts as much as
 * being off by that power of e.
 */
function tidyColumns(h: number, w: number, groups: number, cells: number): number {
  let [best, least] = [1, Number.POSITIVE_INFINITY]
  for (let columns = 1; columns <= cells; columns++) {
    const rows = Math.ceil(cells / columns)
    const empty = rows * columns - cells
    const cost = Math.abs(Math.log((columns * w) / (groups * rows * h) / ASPECT)) + (2 * empty) / cells
    if (cost < least) [best, least] = [columns, cost]
  }
  return best
}

/** Paints every cell: `open(cell)` gives the colour of each of its h * w values. */
function draw(sheet: Grid, open: (cell: number) => (i: number) => Color): Sheet {
  const { h, w, groups, cells, columns, scale, gap } = sheet
  const rows = Math.ceil(cells / columns)
  const [width, height] = sizeOf(sheet)
  const data = new Uint8ClampedArray(width * height * 4)
  data.set([...BACKGROUND, 255])
  for (let done = 4; done < data.length; done *= 2) data.copyWithin(done, 0, done)
  for (let cell = 0; cell < groups * cells; cell++) {
    const color = open(cell)
    const place = cell % cells
    const top = gap + (Math.floor(cell / cells) * rows + Math.floor(place / columns)) * (h * scale + gap)
    const left = gap + (place % columns) * (w * scale + gap)
    for (let y = 0; y < h; y++) {
      const line = ((top + y * scale) * width + left) * 4
      for (let x = 0; x < w; x++) {
        const rgb = color(y * w + x)
        for (let at = line + x * scale * 4, end = at + scale * 4; at < end; at += 4) {
          data[at] = rgb[0]
          data[at + 1] = rgb[1]
          data[at + 2] = rgb[2]
        }
      }
      for (let i = 1; i < scale; i++) data.copyWithin(line + i * width * 4, line, line + w * scale * 4)
    }
  }
  return { data, width, height }
}

function oneOf(value: string, argument: string, choices: readonly string[], context: Context): void {
  check(choices.includes(value), () => ({
    ...context,
    argument,
    expected: choices.map((choice) => `'${choice}'`).join(' or '),
    got: show(value),
  }))
}
