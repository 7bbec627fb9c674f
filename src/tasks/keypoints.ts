/** Points of heatmaps: the highest of each map, or every local maximum of one. */

import { checkBoolean, checkInteger, checkNumber, checkOptions, MOST, type Names } from '../core/options.js'
import { type Answer, checkLabels, clamped, type Labels, type PlaceOptions, placeOf } from './answer.js'
import { type Maps, mapsOf } from './maps.js'

/** How `keypoints` reads heatmaps. */
export interface KeypointOptions extends PlaceOptions {
  /** Names of the maps. Default: their numbers. */
  labels?: Labels
  /** The least score; points below it are left out. Default: none are. */
  threshold?: number
  /**
   * Whether a point moves a quarter of a cell towards its higher neighbour, along each axis, as networks of
   * heatmaps are read. (Newell et al., 2016) Default true.
   */
  refine?: boolean
  /** Where the maps' axis stands. Default: first, unless it is the last one that is the shortest. */
  layout?: 'nchw' | 'nhwc'
  /** Which of a batch, from 0. Needed where there is more than one. */
  item?: number
}

/** How `peaks` reads a heatmap. */
export interface PeakOptions extends Omit<KeypointOptions, 'labels'> {
  /** Which map. Default 0. */
  channel?: number
  /** The least score. Default 0.5. */
  threshold?: number
  /** How many cells around it a peak is higher than, in each direction. Default 1. */
  radius?: number
  /** Default 100. */
  most?: number
}

/** A point in the pixels of the picture, from its left and top edge. */
export interface Keypoint {
  /** The number of its map. */
  index: number
  label: string
  /** The map's value there. */
  score: number
  x: number
  y: number
  /** [row, column] of the cell: what the model's other maps say of this point stands there. */
  cell: [number, number]
}

const KEYPOINTS: Names<KeypointOptions> = {
  size: true,
  picture: true,
  fit: true,
  labels: true,
  threshold: true,
  refine: true,
  layout: true,
  item: true,
}
const { labels: _, ...REST } = KEYPOINTS
const PEAKS: Names<PeakOptions> = { ...REST, channel: true, radius: true, most: true }

/** From cells to points. */
function pointer(op: string, maps: Maps, options: Omit<KeypointOptions, 'labels'>) {
  const place = placeOf(op, options)
  const { height, width, at } = maps
  // Without a size, a cell is a pixel.
  const [h, w] = place.size ?? [height, width]
  const { refine = true } = options
  checkBoolean(refine, 'refine', { op })
  const towards = (before: number | undefined, after: number | undefined) =>
    before === undefined || after === undefined ? 0 : 0.25 * Math.sign(after - before)
  return (channel: number, row: number, column: number, label: string): Keypoint => {
    const value = (y: number, x: number) =>
      y < 0 || y >= height || x < 0 || x >= width ? undefined : at(channel, y, x)
    const dx = refine ? towards(value(row, column - 1), value(row, column + 1)) : 0
    const dy = refine ? towards(value(row - 1, column), value(row + 1, column)) : 0
    const x = place.x(((column + 0.5 + dx) * w) / width)
    const y = place.y(((row + 0.5 + dy) * h) / height)
    const { bounds } = options.picture ? place : { bounds: undefined }
    return {
      index: channel,
      label,
      score: at(channel, row, column),
      x: bounds ? clamped(x, 0, bounds.width) : x,
      y: bounds ? clamped(y, 0, bounds.height) : y,
      cell: [row, column],
    }
  }
}

/**
 * One point for each heatmap: its highest cell.
 *
 * @param heatmaps [maps, height, width] or [height, width, maps], with a batch in front
 * @throws FilterbankError for other shapes, and for labels that are not as many as the maps
 * @example const joints = keypoints(outputs.heatmaps, { size: [256, 192], picture: photo, threshold: 0.3 })
 */
export function keypoints(heatmaps: Answer, options: KeypointOptions = {}): Keypoint[] {
  const op = 'keypoints'
  checkOptions(op, options, KEYPOINTS)
  const maps = mapsOf(op, 'heatmaps', heatmaps, options)
  const { labels, threshold = Number.NEGATIVE_INFINITY } = options
  checkLabels(op, labels, maps.channels)
  checkNumber(threshold, 'threshold', () => true, 'a number', { op })
  const point = pointer(op, maps, options)
  const found: Keypoint[] = []
  for (let c = 0; c < maps.channels; c++) {
    let [row, column, most] = [0, 0, Number.NEGATIVE_INFINITY]
    for (let y = 0; y < maps.height; y++) {
      for (let x = 0; x < maps.width; x++) {
        const value = maps.at(c, y, x)
        if (value > most) [row, column, most] = [y, x, value]
      }
    }
    if (most >= threshold) found.push(point(c, row, column, labels?.[c] ?? `${c}`))
  }
  return found
}

/**
 * The local maxima of one heatmap, by falling scores: centres of things (CenterNet), ends of lines.
 *
 * @param heatmaps as for `keypoints`
 * @throws FilterbankError as `keypoints`, and for options out of their range
 * @example for (const { x, y, cell } of peaks(heat, { threshold: 0.6, size: 224, picture: photo }))
 */
export function peaks(heatmaps: Answer, options: PeakOptions = {}): Keypoint[] {
  const op = 'peaks'
  checkOptions(op, options, PEAKS)
  const maps = mapsOf(op, 'heatmaps', heatmaps, options)
  const { channel = 0, threshold = 0.5, radius = 1, most = 100 } = options
  checkInteger(channel, 'channel', 0, maps.channels - 1, { op })
  checkNumber(threshold, 'threshold', Number.isFinite, 'a finite number', { op })
  checkInteger(radius, 'radius', 1, MOST, { op })
  checkInteger(most, 'most', 1, MOST, { op })
  const { height, width } = maps
  const cells: { row: number; column: number; score: number }[] = []
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const score = maps.at(channel, row, column)
      if (score >= threshold && isPeak(maps, channel, row, column, radius)) cells.push({ row, column, score })
    }
  }
  const point = pointer(op, maps, options)
  return cells
    .sort((a, b) => b.score - a.score)
    .slice(0, most)
    .map(({ row, column }) => point(channel, row, column, `${channel}`))
}

/** Higher than all cells around it; of equal ones the first in reading order. */
function isPeak(
  { height, width, at }: Maps,
  channel: number,
  row: number,
  column: number,
  radius: number,
): boolean {
  const score = at(channel, row, column)
  for (let y = Math.max(0, row - radius); y <= Math.min(height - 1, row + radius); y++) {
    for (let x = Math.max(0, column - radius); x <= Math.min(width - 1, column + radius); x++) {
      const other = at(channel, y, x)
      const before = y < row || (y === row && x < column)
      if (other > score || (before && other === score)) return false
    }
  }
  return true
}
