/** Boxes in the picture, and of those that are about the same the best one. */

import { check, show } from '../base/errors.js'
import { checkBoolean, checkInteger, checkNumber, checkOptions, MOST, type Names } from '../core/options.js'
import { clamped, type Labels, type Place, type PlaceOptions } from './answer.js'

/** Edges in pixels, from the left and from the top; the first pixel reaches from 0 to 1. */
export interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

/** A thing that was found. */
export interface Detection extends Box {
  /** The number of its class, from 0; where there is a background, that is 0. */
  index: number
  label: string
  score: number
  /** Its points where the model gives them: [x, y], or [x, y, score]. */
  points?: number[][]
}

/** Which of the boxes stay. */
export interface Suppression {
  /** Two boxes of a class that share more of their union than this are the same thing. Default 0.45. */
  overlap?: number
  /** Default 100. */
  most?: number
  /** Whether boxes of different classes may be the same thing. Default false. */
  acrossClasses?: boolean
}

/** What decoders of boxes take alike. */
export interface FilterBoxesOptions extends Suppression, PlaceOptions {
  /** The least score. */
  threshold?: number
  /** Names of all classes, the background among them. Default: their numbers. */
  labels?: Labels
  /** Which of a batch, from 0. Needed where there is more than one. */
  item?: number
}

const PLACE: Names<PlaceOptions> = { size: true, picture: true, fit: true }
const SUPPRESS: Names<Suppression> = { overlap: true, most: true, acrossClasses: true }
/** Those of what decoders take alike. */
export const BOXES: Names<FilterBoxesOptions> = {
  ...PLACE,
  ...SUPPRESS,
  threshold: true,
  labels: true,
  item: true,
}
/** A box before it is placed in the picture. */
export interface Found {
  box: Box
  points: number[][]
}

export const around = (x: number, y: number, w: number, h: number): Box => ({
  left: x - w / 2,
  top: y - h / 2,
  right: x + w / 2,
  bottom: y + h / 2,
})

export function bestOf(scores: ArrayLike<number>, from: number): { index: number; score: number } {
  let index = from
  for (let i = from + 1; i < scores.length; i++) if (scores[i]! > scores[index]!) index = i
  return { index, score: scores[index]! }
}

/** The boxes of a decoder, one by one. */
export interface Candidates {
  n: number
  best(i: number): { index: number; score: number }
  decode(i: number): Found
  withPoints: boolean
}

/** What is likely enough, placed in the picture, the same things once. */
export function finish(
  op: string,
  { n, best, decode, withPoints }: Candidates,
  place: Place,
  options: FilterBoxesOptions,
  least: number,
): Detection[] {
  const { labels, threshold = least, overlap, most, acrossClasses } = options
  checkNumber(threshold, 'threshold', Number.isFinite, 'a finite number', { op })
  const found: Detection[] = []
  for (let i = 0; i < n; i++) {
    const { index, score } = best(i)
    if (!(score >= threshold)) continue
    const { box, points } = decode(i)
    const { left, top, right, bottom } = box
    const detection: Detection = {
      index,
      label: labels?.[index] ?? `${index}`,
      score,
      left: place.x(left),
      top: place.y(top),
      right: place.x(right),
      bottom: place.y(bottom),
    }
    if (withPoints) detection.points = points.map(([x, y, ...rest]) => [place.x(x!), place.y(y!), ...rest])
    found.push(detection)
  }
  const kept = bestOnes(op, found, { overlap, most, acrossClasses })
  const { bounds } = place
  if (!bounds || !options.picture) return kept
  return kept.map((each) => ({
    ...each,
    left: clamped(each.left, 0, bounds.width),
    top: clamped(each.top, 0, bounds.height),
    right: clamped(each.right, 0, bounds.width),
    bottom: clamped(each.bottom, 0, bounds.height),
  }))
}

/**
 * The best of those boxes that are about the same, by falling scores: non-maximum suppression.
 *
 * @param detections stay as they are
 * @throws FilterbankError for options out of their range
 * @example suppress([...ofTheLeftHalf, ...ofTheRightHalf], { overlap: 0.3 })
 */
export function suppress<T extends Box & { score: number; index?: number }>(
  detections: readonly T[],
  options: Suppression = {},
): T[] {
  const op = 'suppress'
  checkOptions(op, options, SUPPRESS)
  check(Array.isArray(detections), () => ({
    op,
    argument: 'detections',
    expected: 'an array',
    got: show(detections),
  }))
  for (const [i, each] of detections.entries()) {
    const { left, top, right, bottom, score } = Object(each) as Partial<T>
    const isNumber = (v: unknown) => typeof v === 'number' && !Number.isNaN(v)
    check([left, top, right, bottom, score].every(isNumber), () => ({
      op,
      argument: `detections[${i}]`,
      expected: '{ left, top, right, bottom, score } of numbers',
      got: show(each),
    }))
  }
  return bestOnes(op, detections, options)
}

function bestOnes<T extends Box & { score: number; index?: number }>(
  op: string,
  detections: readonly T[],
  { overlap = 0.45, most = 100, acrossClasses = false }: Suppression,
): T[] {
  checkNumber(overlap, 'overlap', (v) => v >= 0 && v <= 1, 'a number from 0 to 1', { op })
  checkInteger(most, 'most', 1, MOST, { op })
  checkBoolean(acrossClasses, 'acrossClasses', { op })
  const kept: T[] = []
  for (const each of [...detections].sort((a, b) => b.score - a.score)) {
    if (kept.length === most) break
    const same = (other: T) => (acrossClasses || other.index === each.index) && shared(each, other) > overlap
    if (!kept.some(same)) kept.push(each)
  }
  return kept
}

/** Intersection over union. */
function shared(a: Box, b: Box): number {
  const area = (left: number, top: number, right: number, bottom: number) =>
    Math.max(0, right - left) * Math.max(0, bottom - top)
  const both = area(
    Math.max(a.left, b.left),
    Math.max(a.top, b.top),
    Math.min(a.right, b.right),
    Math.min(a.bottom, b.bottom),
  )
  if (both === 0) return 0
  return both / (area(a.left, a.top, a.right, a.bottom) + area(b.left, b.top, b.right, b.bottom) - both)
}
