/** Masks: which class each pixel is of, and pictures of it. */

import { check, show } from '../base/errors.js'
import { checkInteger, checkNumber, checkOptions, isInteger, isName, type Names } from '../core/options.js'
import {
  type Answer,
  checkLabels,
  clamped,
  type Labels,
  type Place,
  type PlaceOptions,
  placeOf,
} from './answer.js'
import { type Maps, mapsOf } from './maps.js'

/** What readers of maps take alike. */
export interface MaskOptions extends PlaceOptions {
  /** Where the channels' axis stands. Default: first, unless it is the last one that is the shortest. */
  layout?: 'nchw' | 'nhwc'
  /** Which of a batch, from 0. Needed where there is more than one. */
  item?: number
  /** Which channel is the mask. Default: the last one, or the only one. */
  channel?: number
  /** Red, green, blue, from 0 to 255. Default black. */
  color?: Color
}

/** How `segment` reads an answer. */
export interface SegmentOptions extends PlaceOptions {
  /** As for `paintMask`. */
  layout?: 'nchw' | 'nhwc'
  /** Which of a batch, from 0. Needed where there is more than one. */
  item?: number
  /** What the numbers are: a score for each class, or the class itself. Default 'scores'. */
  values?: 'scores' | 'classes'
  /** Where there is one class only: the least score that is of it. Default 0.5. */
  threshold?: number
  /** Names of the classes. Default: their numbers. */
  labels?: Labels
}

/** The class of each pixel, row by row. */
export interface Segments {
  width: number
  height: number
  /** Classes from 0; where there is one only, 1 is of it. */
  classes: Uint8Array | Uint16Array
  /** What was found, by falling share of the pixels. */
  found: { index: number; label: string; share: number }[]
}

/** Red, green, blue and, where it is not 255, alpha; from 0 to 255. */
export type Color = readonly [number, number, number] | readonly [number, number, number, number]

/** How `paintSegments` paints. */
export interface PaintOptions {
  /** A colour for each class. Default: those of PASCAL VOC, and nothing for class 0. */
  colors?: readonly Color[]
  /** What alpha is multiplied by, from 0 to 1. Default 1. */
  opacity?: number
}

/** Red, green, blue and alpha, row by row: `new ImageData(data, width, height)` takes them as they are. */
export interface Painted {
  data: Uint8ClampedArray<ArrayBuffer>
  width: number
  height: number
}

const SEGMENT: Names<SegmentOptions> = {
  size: true,
  picture: true,
  fit: true,
  layout: true,
  item: true,
  values: true,
  threshold: true,
  labels: true,
}
const MASK: Names<MaskOptions> = {
  size: true,
  picture: true,
  fit: true,
  layout: true,
  item: true,
  channel: true,
  color: true,
}
const PAINT: Names<PaintOptions> = { colors: true, opacity: true }
const kinds = { scores: true, classes: true } as const
const MOST_CLASSES = 65536

/** Where a line of the result's pixels lies among the cells of the maps: the two beside it, and between. */
interface Between {
  first: Int32Array
  second: Int32Array
  share: Float64Array
  /** Whether the pixel lies in the input at all: with `cover`, some were cut off. */
  inside: Uint8Array
}

function between(count: number, cells: number, input: number, toInput: (v: number) => number): Between {
  const made = {
    first: new Int32Array(count),
    second: new Int32Array(count),
    share: new Float64Array(count),
    inside: new Uint8Array(count),
  }
  for (let i = 0; i < count; i++) {
    const inInput = toInput(i + 0.5)
    const at = clamped((inInput * cells) / input - 0.5, 0, cells - 1)
    made.first[i] = Math.floor(at)
    made.second[i] = Math.min(cells - 1, made.first[i]! + 1)
    made.share[i] = at - made.first[i]!
    made.inside[i] = Number(inInput >= 0 && inInput <= input)
  }
  return made
}

/** The pixels of the result: those of the picture, of the input, or else of the maps. */
function grid(place: Place, { height, width }: Maps) {
  const [ih, iw] = place.size ?? [height, width]
  const out = place.bounds ?? { height, width }
  return {
    ...out,
    x: between(out.width, width, iw, place.inputX),
    y: between(out.height, height, ih, place.inputY),
  }
}

/** Calls back with every pixel that lies in the input; `value` is the map's, between its cells. */
function each(
  maps: Maps,
  { width, height, x, y }: ReturnType<typeof grid>,
  visit: (pixel: number, value: (channel: number) => number, nearest: (channel: number) => number) => void,
): void {
  for (let row = 0; row < height; row++) {
    if (!y.inside[row]) continue
    const [top, bottom, down] = [y.first[row]!, y.second[row]!, y.share[row]!]
    for (let column = 0; column < width; column++) {
      if (!x.inside[column]) continue
      const [left, right, across] = [x.first[column]!, x.second[column]!, x.share[column]!]
      const value = (c: number) => {
        const above = maps.at(c, top, left) * (1 - across) + maps.at(c, top, right) * across
        const below = maps.at(c, bottom, left) * (1 - across) + maps.at(c, bottom, right) * across
        return above * (1 - down) + below * down
      }
      const nearest = (c: number) => maps.at(c, down < 0.5 ? top : bottom, across < 0.5 ? left : right)
      visit(row * width + column, value, nearest)
    }
  }
}

/**
 * The class of each pixel: of the highest score, between the cells of the maps. What a fit by 'cover' cut off
 * is class 0.
 *
 * @param output [classes, height, width] or [height, width, classes] of scores, [height, width] of classes,
 *   with a batch in front
 * @throws FilterbankError for other shapes, and for labels that are not as many as the classes
 * @example const { found } = segment(outputs.logits, { size: 513, picture: photo, labels })
 */
export function segment(output: Answer, options: SegmentOptions = {}): Segments {
  const op = 'segment'
  checkOptions(op, options, SEGMENT)
  const { values = 'scores', threshold = 0.5, labels } = options
  check(isName(values, kinds), () => ({
    op,
    argument: 'values',
    expected: 'scores or classes',
    got: show(values),
  }))
  checkNumber(threshold, 'threshold', Number.isFinite, 'a finite number', { op })
  const maps = mapsOf(op, 'output', output, options)
  const { channels } = maps
  const given = values === 'classes'
  check(!given || channels === 1, () => ({
    op,
    argument: 'output',
    expected: 'one number for each place: its class',
    got: `${channels} of them`,
  }))
  if (!given) checkLabels(op, labels, Math.max(2, channels))
  const place = placeOf(op, options)
  const pixels = grid(place, maps)
  const { width, height } = pixels
  const classes = new (given || channels > 256 ? Uint16Array : Uint8Array)(width * height)
  each(maps, pixels, (pixel, value, nearest) => {
    if (given) {
      const index = nearest(0)
      check(isInteger(index, 0, MOST_CLASSES - 1), () => ({
        op,
        argument: 'output',
        expected: `classes: integers from 0 to ${MOST_CLASSES - 1}`,
        got: show(index),
      }))
      classes[pixel] = index
    } else if (channels === 1) classes[pixel] = Number(value(0) >= threshold)
    else {
      let [best, most] = [0, value(0)]
      for (let c = 1; c < channels; c++) {
        const score = value(c)
        if (score > most) [best, most] = [c, score]
      }
      classes[pixel] = best
    }
  })
  const counts = new Map<number, number>()
  for (const index of classes) counts.set(index, (counts.get(index) ?? 0) + 1)
  const found = [...counts]
    .sort(([a, m], [b, n]) => n - m || a - b)
    .map(([index, count]) => ({ index, label: labels?.[index] ?? `${index}`, share: count / classes.length }))
  return { width, height, classes, found }
}

/** The colours of PASCAL VOC: the bits of the class, spread over red, green and blue from the top. */
function vocColor(index: number): Color {
  const color = [0, 0, 0]
  for (let bit = 7, left = index; left > 0; bit--, left >>= 3)
    for (let c = 0; c < 3; c++) color[c]! |= ((left >> c) & 1) << bit
  return [color[0]!, color[1]!, color[2]!, index === 0 ? 0 : 255]
}

const isColor = (value: unknown): value is Color =>
  Array.isArray(value) &&
  [3, 4].includes(value.length) &&
  value.every((v) => typeof v === 'number' && v >= 0 && v <= 255)

function checkColor(op: string, argument: string, color: unknown): asserts color is Color {
  check(isColor(color), () => ({
    op,
    argument,
    expected: '[red, green, blue] or [red, green, blue, alpha] from 0 to 255',
    got: show(color),
  }))
}

/**
 * A picture of classes, to lay over the one that they are of.
 *
 * @param segments as `segment` gives them
 * @returns red, green, blue and alpha of each pixel
 * @throws FilterbankError where a class has no colour
 * @example const { data, width } = paintSegments(segments, { opacity: 0.6 })
 * context.drawImage(await createImageBitmap(new ImageData(data, width)), 0, 0)
 */
export function paintSegments(segments: Segments, options: PaintOptions = {}): Painted {
  const op = 'paintSegments'
  checkOptions(op, options, PAINT)
  const { colors, opacity = 1 } = options
  checkNumber(opacity, 'opacity', (v) => v >= 0 && v <= 1, 'a number from 0 to 1', { op })
  check(colors === undefined || Array.isArray(colors), () => ({
    op,
    argument: 'colors',
    expected: 'an array of a colour for each class',
    got: show(colors),
  }))
  const { width, height, classes } = segments ?? {}
  check(isInteger(width, 0) && isInteger(height, 0) && classes?.length === width * height, () => ({
    op,
    argument: 'segments',
    expected: 'what segment() gives',
    got: show(segments),
  }))
  const known = new Map<number, Color>()
  const colorOf = (index: number): Color => {
    const before = known.get(index)
    if (before) return before
    const color: unknown = colors === undefined ? vocColor(index) : colors[index]
    checkColor(op, `colors[${index}]`, color)
    known.set(index, color)
    return color
  }
  const data = new Uint8ClampedArray(4 * width * height)
  classes.forEach((index, pixel) => {
    const [r, g, b, a = 255] = colorOf(index)
    data.set([r, g, b, a * opacity], 4 * pixel)
  })
  return { data, width, height }
}

/**
 * A mask of scores from 0 to 1 as a picture of one colour, whose alpha is the score: to cut out (a
 * canvas's `globalCompositeOperation = 'destination-in'`), or to tint.
 *
 * @param output [height, width], [channels, height, width] or [height, width, channels], with a batch in
 *   front
 * @returns red, green, blue and alpha of each pixel
 * @throws FilterbankError for other shapes
 * @example const cut = paintMask(outputs.alpha, { size: 256, picture: photo })
 */
export function paintMask(output: Answer, options: MaskOptions = {}): Painted {
  const op = 'paintMask'
  checkOptions(op, options, MASK)
  const { color = [0, 0, 0] } = options
  checkColor(op, 'color', color)
  const maps = mapsOf(op, 'output', output, options)
  const { channel = maps.channels - 1 } = options
  checkInteger(channel, 'channel', 0, maps.channels - 1, { op })
  const pixels = grid(placeOf(op, options), maps)
  const { width, height } = pixels
  const data = new Uint8ClampedArray(4 * width * height)
  const [r, g, b, a = 255] = color
  each(maps, pixels, (pixel, value) => data.set([r, g, b, a * value(channel)], 4 * pixel))
  return { data, width, height }
}
