/** Detectors that answer with boxes and scores, from anchors or without. */

import { check, show } from '../base/errors.js'
import { printShape } from '../base/shape.js'
import { checkBoolean, checkInteger, checkOptions, isName, type Names } from '../core/options.js'
import {
  type Answer,
  checkActivation,
  checkLabels,
  numbersOf,
  part,
  placeOf,
  type ScoreActivation,
  scoresOf,
} from './answer.js'
import {
  around,
  BOXES,
  bestOf,
  type Detection,
  type FilterBoxesOptions,
  type Found,
  finish,
} from './boxes.js'

/** The answers of a detector. */
export interface DetectorAnswers {
  /** [n, 4]. */
  boxes: Answer
  /** [n] or [n, classes]. */
  scores: Answer
  /** X and y of each: [n, 2 * points]. */
  points?: Answer
}

/** How `detect` reads a detector. */
export interface DetectOptions extends FilterBoxesOptions {
  /** Of `anchors`: the boxes are offsets from these. Default: they are boxes. */
  anchors?: ArrayLike<number>
  /** What offsets of centres, and logarithms of sides, are multiplied by. Default [0.1, 0.2]. */
  variances?: readonly [number, number]
  /**
   * What four numbers are without anchors: left, top, right, bottom; the centre, width, height; or left, top,
   * width, height. Default 'corners'.
   */
  format?: 'corners' | 'center' | 'corner-size'
  /** Whether coordinates are parts of the input, from 0 to 1; needs `size`. Default false: pixels. */
  relative?: boolean
  /** What makes scores of what the model says. Default 'none'. */
  activation?: ScoreActivation
  /** Whether class 0 is the background, which is never found. Default: where there is more than one class. */
  background?: boolean
}

const DETECT: Names<DetectOptions> = {
  ...BOXES,
  anchors: true,
  variances: true,
  format: true,
  relative: true,
  activation: true,
  background: true,
}
/** A grid of anchors. */
export interface AnchorLevel {
  /** Pixels of the input between two of them. */
  step: number
  /** Sides of each at a place, in pixels: one number for a square, or [height, width]. */
  sides: readonly (number | readonly [number, number])[]
}

const positive = (v: unknown) => typeof v === 'number' && v > 0 && v < Number.POSITIVE_INFINITY
const isPair = (value: unknown): value is unknown[] => Array.isArray(value) && value.length === 2

/**
 * The anchors of a detector (SSD, RetinaFace): in the middle of each cell of each grid, rows first, all sides
 * of a cell beside each other.
 *
 * @param size [height, width] of the model's input
 * @param levels the grids, the finest first as a rule
 * @returns n times centre x and y, width and height, in pixels
 * @throws FilterbankError for sizes, steps and sides that are not positive
 * @example const priors = anchors([640, 640], [{ step: 8, sides: [16, 32] }, { step: 16, sides: [64, 128] }])
 */
export function anchors(
  size: number | readonly [number, number],
  levels: readonly AnchorLevel[],
): Float32Array {
  const op = 'anchors'
  const input = placeOf(op, { size }).size
  check(input !== undefined, () => ({ op, argument: 'size', expected: 'given', got: 'none' }))
  check(Array.isArray(levels), () => ({ op, argument: 'levels', expected: 'an array', got: show(levels) }))
  const all: number[] = []
  for (const [i, level] of levels.entries()) {
    const { step, sides } = Object(level) as AnchorLevel
    const isSide = (side: unknown) => positive(side) || (isPair(side) && side.every(positive))
    check(positive(step) && Array.isArray(sides) && sides.every(isSide), () => ({
      op,
      argument: `levels[${i}]`,
      expected: '{ step, sides } of positive numbers',
      got: show(levels[i]),
    }))
    for (let row = 0; row < Math.ceil(input[0] / step); row++) {
      for (let column = 0; column < Math.ceil(input[1] / step); column++) {
        for (const side of sides) {
          const [h, w] = typeof side === 'number' ? [side, side] : side
          all.push((column + 0.5) * step, (row + 0.5) * step, w, h)
        }
      }
    }
  }
  return Float32Array.from(all)
}

const formats = { corners: true, center: true, 'corner-size': true } as const

/**
 * The boxes of a detector that answers with boxes and scores: from anchors where it has them, the best class
 * of each, those that are about the same once, by falling scores, in the pixels of the picture.
 *
 * @param answers boxes, scores, and points where it has them
 * @throws FilterbankError for shapes that do not fit each other
 * @example const faces = detect({ boxes, scores }, { anchors: priors, threshold: 0.7, size: [240, 320],
 *   picture: photo })
 */
export function detect(answers: DetectorAnswers, options: DetectOptions = {}): Detection[] {
  const op = 'detect'
  checkOptions(op, options, DETECT)
  const { activation = 'none', variances = [0.1, 0.2], format = 'corners', relative = false } = options
  checkActivation(op, activation)
  check(isPair(variances) && variances.every(positive), () => ({
    op,
    argument: 'variances',
    expected: 'two positive numbers',
    got: show(variances),
  }))
  checkBoolean(relative, 'relative', { op })
  check(isName(format, formats), () => ({
    op,
    argument: 'format',
    expected: `one of ${Object.keys(formats).join(', ')}`,
    got: show(format),
  }))
  check(typeof answers === 'object' && answers !== null, () => ({
    op,
    argument: 'answers',
    expected: '{ boxes, scores }',
    got: show(answers),
  }))
  const { n, boxes, scores, points } = partsOf(op, answers, options.item)
  const classes = scores.length / (n || 1)
  const { background = classes > 1 } = options
  checkBoolean(background, 'background', { op })
  if (n) checkLabels(op, options.labels, classes)
  const { anchors: priors } = options
  check(priors === undefined || priors.length === 4 * n, () => ({
    op,
    argument: 'anchors',
    expected: `of ${n} boxes, as many as the model's`,
    got: `of ${(priors as ArrayLike<number>).length / 4}`,
  }))
  const place = placeOf(op, options)
  check(!relative || place.size !== undefined, () => ({
    op,
    argument: 'size',
    expected: 'given for relative coordinates',
    got: 'none',
  }))
  const [unitY, unitX] = relative ? place.size! : [1, 1]
  const perThing = points && n ? points.length / n : 0
  const decode = (i: number): Found => {
    const at = (k: number) => boxes[4 * i + k]!
    const own = points && part(points, i * perThing, perThing)
    const pairs = Array.from({ length: perThing / 2 }, (_, k) => [own![2 * k]!, own![2 * k + 1]!])
    if (priors) {
      const [x, y, w, h] = [0, 1, 2, 3].map((k) => priors[4 * i + k]!) as [number, number, number, number]
      const [place, side] = variances
      return {
        box: around(
          x + at(0) * place * w,
          y + at(1) * place * h,
          w * Math.exp(at(2) * side),
          h * Math.exp(at(3) * side),
        ),
        points: pairs.map(([dx, dy]) => [x + dx! * place * w, y + dy! * place * h]),
      }
    }
    const [a, b, c, d] = [at(0) * unitX, at(1) * unitY, at(2) * unitX, at(3) * unitY]
    const box =
      format === 'center'
        ? around(a, b, c, d)
        : {
            left: a,
            top: b,
            right: format === 'corners' ? c : a + c,
            bottom: format === 'corners' ? d : b + d,
          }
    return { box, points: pairs.map(([x, y]) => [x! * unitX, y! * unitY]) }
  }
  const best = (i: number) =>
    bestOf(
      scoresOf({ data: scores, from: i * classes, step: 1, count: classes }, activation),
      background ? 1 : 0,
    )
  return finish(op, { n, best, decode, withPoints: points !== undefined }, place, options, 0.5)
}

/** The numbers of one item: of n boxes, their scores and points. */
function partsOf(op: string, { boxes, scores, points }: DetectorAnswers, item: number | undefined) {
  const all = numbersOf(op, 'boxes', boxes)
  const { shape } = all
  check(all.data.length % 4 === 0 && (shape.length === 1 || shape.at(-1) === 4) && shape.length <= 3, () => ({
    op,
    argument: 'boxes',
    expected: 'four numbers for each box: [n, 4], or [batch, n, 4]',
    got: printShape(shape),
  }))
  const batch = shape.length === 3 ? shape[0]! : 1
  check(item !== undefined || batch <= 1, () => ({
    op,
    argument: 'item',
    expected: 'given for a batch: which of them',
    got: 'none',
    shapes: { boxes: shape },
  }))
  if (item !== undefined) checkInteger(item, 'item', 0, batch - 1, { op, shapes: { boxes: shape } })
  const n = batch && all.data.length / 4 / batch
  const own = (argument: string, answer: Answer, per: number, expected: string) => {
    const { data, shape: its } = numbersOf(op, argument, answer)
    const size = batch && data.length / batch
    check(n ? size > 0 && size % (per * n) === 0 : size === 0, () => ({
      op,
      argument,
      expected: `${expected} for each of ${n * batch} boxes`,
      got: printShape(its),
      shapes: { boxes: shape },
    }))
    return part(data, (item ?? 0) * size, size)
  }
  return {
    n,
    boxes: own('boxes', boxes, 4, 'four numbers'),
    scores: own('scores', scores, 1, 'one score or more'),
    points: points === undefined ? undefined : own('points', points, 2, 'pairs of x and y'),
  }
}
