/** Classes and their scores, the likeliest first. */

import { check, show } from '../base/errors.js'
import { sizeOf } from '../base/shape.js'
import { checkInteger, checkNumber, checkOptions, MOST, type Names } from '../core/options.js'
import {
  type Answer,
  checkActivation,
  checkLabels,
  itemOf,
  type Labels,
  type ScoreActivation,
  scoresOf,
} from './answer.js'

/** How `classify` reads an answer. */
export interface ClassifyOptions {
  /** Names of the classes. Default: their numbers. */
  labels?: Labels
  /** How many, at most. Default 5. */
  top?: number
  /** The least score. Default 0. */
  threshold?: number
  /**
   * What makes scores of what the model says: 'softmax' where one class is right, 'sigmoid' where each may
   * be, 'none' where they are probabilities already. Default: 'none' where no number is negative and their
   * sum is 1 to three digits, else 'softmax'; of a single class it has to be said.
   */
  activation?: ScoreActivation
  /** Which of a batch, from 0. Needed where there is more than one. */
  item?: number
}

/** A class, and how likely it is. */
export interface Classification {
  /** The class's number, from 0. */
  index: number
  label: string
  /** From 0 to 1. */
  score: number
}

const CLASSIFY: Names<ClassifyOptions> = {
  labels: true,
  top: true,
  threshold: true,
  activation: true,
  item: true,
}
const op = 'classify'

/**
 * The likeliest classes, by falling scores; of equal ones the lower number first.
 *
 * @param scores [classes], [1, classes] or [1, classes, 1, 1]; [n, classes] with `item`
 * @throws FilterbankError for shapes without one axis of classes, numbers that are NaN, and labels that are
 *   not as many as the classes
 * @example const [{ label, score }] = classify(model.run({ image }).logits, { labels })
 */
export function classify(scores: Answer, options: ClassifyOptions = {}): Classification[] {
  checkOptions(op, options, CLASSIFY)
  const { labels, top = 5, threshold = 0, activation, item } = options
  checkInteger(top, 'top', 1, MOST, { op })
  checkNumber(threshold, 'threshold', Number.isFinite, 'a finite number', { op })
  checkActivation(op, activation)
  const { data, shape } = itemOf(op, 'scores', ranked(scores), { ranks: [1], item })
  const count = data.length
  check(count > 0, () => ({ op, argument: 'scores', expected: 'of one class or more', got: show(shape) }))
  checkLabels(op, labels, count)
  check(count > 1 || activation !== undefined, () => ({
    op,
    argument: 'activation',
    expected: "given for a single class: 'none' or 'sigmoid'",
    got: 'none',
  }))
  const all = { data, from: 0, step: 1, count }
  const raw = scoresOf(all, 'none')
  const at = raw.findIndex(Number.isNaN)
  check(at < 0, () => ({ op, argument: 'scores', expected: 'numbers', got: `NaN for class ${at}` }))
  const probable = raw.every((v) => v >= 0) && Math.abs(raw.reduce((a, b) => a + b, 0) - 1) < 1e-3
  const final = scoresOf(all, activation ?? (probable ? 'none' : 'softmax'))
  return Array.from(final, (score, index) => ({ index, label: labels?.[index] ?? `${index}`, score }))
    .filter(({ score }) => score >= threshold)
    .sort((a, b) => b.score - a.score)
    .slice(0, top)
}

/** [n, classes, 1, 1] without the axes of length 1 that follow the classes. */
function ranked(scores: Answer): Answer {
  const shaped = scores as { shape?: unknown; toArray?: () => ArrayLike<unknown>; data?: ArrayLike<number> }
  if (!Array.isArray(shaped?.shape) || shaped.shape.length <= 2) return scores
  const [n, classes, ...rest] = shaped.shape as number[]
  if (sizeOf(rest) !== 1) return scores
  const shape = [n!, classes!]
  return shaped.toArray ? { shape, toArray: () => shaped.toArray!() } : { shape, data: shaped.data! }
}
