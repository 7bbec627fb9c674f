/** Measures of classifiers: of all samples together, where the mean over batches would be another number. */
import { check, show } from '../../base/errors.js'
import { engineOf } from '../../core/engine.js'
import { checkInteger, checkOptions, MOST, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { checkLabels } from './losses.js'
import { type CountedMetric, type Metric, topOf } from './measure.js'

const numbersOf = (labels: unknown, op: string): ArrayLike<number> => {
  check(Array.isArray(labels) || ArrayBuffer.isView(labels), () => ({
    op,
    argument: 'labels',
    expected: 'integers',
    got: show(labels),
    hint: 'It measures classes: targets that are numbers have none',
  }))
  return labels as ArrayLike<number>
}

/** How often each class was taken for each: what a classifier is right and wrong about. */
export class ConfusionMatrix {
  /** @internal */
  constructor(
    readonly classes: number,
    /** Samples of class `label` that were taken for class `answer` stand at `label * classes + answer`. */
    readonly counts: Float64Array,
  ) {}

  /** The share of all samples that were taken for what they are. */
  get accuracy(): number {
    return this.sum((_, right) => right) / this.counts.reduce((sum, count) => sum + count, 0)
  }

  /** Of what was taken for each class, the share that is of it; 0 where nothing was. */
  get precision(): number[] {
    return this.each(({ right, answered }) => right / Math.max(1, answered))
  }

  /** Of what is of each class, the share that was taken for it; 0 where nothing is. */
  get recall(): number[] {
    return this.each(({ right, labelled }) => right / Math.max(1, labelled))
  }

  /**
   * The harmonic mean of precision and recall, 2 right / (labelled + answered), as the mean over the classes
   * that some sample is of or was taken for ("macro").
   */
  get f1(): number {
    return this.mean(({ right, labelled, answered }) => (2 * right) / (labelled + answered))
  }

  /**
   * Intersection over union, right / (labelled + answered - right), as the mean over the classes that some
   * sample (or pixel) is of or was taken for.
   */
  get meanIou(): number {
    return this.mean(({ right, labelled, answered }) => right / (labelled + answered - right))
  }

  private each<T>(of: (about: { right: number; labelled: number; answered: number }) => T): T[] {
    const { classes, counts } = this
    return Array.from({ length: classes }, (_, i) => {
      let labelled = 0
      let answered = 0
      for (let j = 0; j < classes; j++) {
        labelled += counts[i * classes + j]!
        answered += counts[j * classes + i]!
      }
      return of({ right: counts[i * classes + i]!, labelled, answered })
    })
  }

  private sum(of: (i: number, right: number) => number): number {
    return this.each(({ right }) => right).reduce((sum, right, i) => sum + of(i, right), 0)
  }

  private mean(of: (about: { right: number; labelled: number; answered: number }) => number): number {
    const values = this.each((about) => (about.labelled + about.answered > 0 ? of(about) : Number.NaN))
    const known = values.filter((value) => !Number.isNaN(value))
    return known.reduce((sum, value) => sum + value, 0) / known.length
  }
}

/**
 * How often each class was taken for each.
 *
 * @param output [..., classes], of which the largest counts; or one logit for each label, which is yes
 * above 0
 * @param labels integers, one for each row of the output, or for each logit 0 or 1
 * @returns counts, and what follows from them: `accuracy`, `precision`, `recall`, `f1`, `meanIou`. A row with
 *   a NaN counts for nothing
 * @throws FilterbankError for another number of labels, or one that is no class
 * @example confusionMatrix(await predict(model, test), test.labels).f1
 */
export function confusionMatrix(output: Tensor, labels: ArrayLike<number>): ConfusionMatrix {
  const op = 'confusionMatrix'
  engineOf(op, { output })
  const list = numbersOf(labels, op)
  const isOne = list.length === output.size
  const classes = isOne ? 2 : (output.shape.at(-1) ?? 0)
  const rows = isOne ? output.size : output.size / Math.max(1, classes)
  checkLabels(op, list, rows, classes)
  const values = output.toArray()
  const counts = new Float64Array(classes * classes)
  for (let i = 0; i < rows; i++) {
    const answer = isOne ? yesOrNo(values[i]!) : topOf(values.subarray(i * classes, (i + 1) * classes))
    if (answer >= 0) counts[list[i]! * classes + answer]!++
  }
  return new ConfusionMatrix(classes, counts)
}

const yesOrNo = (logit: number): number => (Number.isNaN(logit) ? -1 : Number(logit > 0))

/** A measure of the confusion matrix of all samples. */
const ofMatrix = (read: (matrix: ConfusionMatrix) => number): CountedMetric => ({
  count: (output, labels) => confusionMatrix(output, labels as unknown as ArrayLike<number>).counts,
  total: (counts) => read(new ConfusionMatrix(Math.sqrt(counts.length), counts)),
})

/**
 * The F1 score of all samples, for `metrics` of `fit` and `evaluate`: see `ConfusionMatrix.f1`.
 * @example await evaluate(model, test, { metrics: { f1: f1Score() } })
 */
export const f1Score = (): CountedMetric => ofMatrix(({ f1 }) => f1)

/**
 * The mean intersection over union of all samples and pixels, for `metrics` of `fit` and `evaluate`: see
 * `ConfusionMatrix.meanIou`.
 * @example await evaluate(model, masks, { metrics: { iou: meanIou() } })
 */
export const meanIou = (): CountedMetric => ofMatrix(({ meanIou }) => meanIou)

/** How far down `topKAccuracy` looks. */
export interface TopKAccuracyOptions {
  /** Default 5. */
  k?: number
}

const TOP_K: Names<TopKAccuracyOptions> = { k: true }

/**
 * The share of samples whose label is among the k largest numbers of [..., classes], for `metrics` of `fit`
 * and `evaluate`. Of numbers that are equal those of lower classes come first.
 * @example await fit(model, data, { optimizer, metrics: { top5: topKAccuracy() } })
 */
export function topKAccuracy(options: TopKAccuracyOptions = {}): Metric {
  const op = 'topKAccuracy'
  checkOptions(op, options, TOP_K)
  const { k = 5 } = options
  checkInteger(k, 'k', 1, MOST, { op })
  return (output, labels) => {
    engineOf(op, { output })
    const list = numbersOf(labels, op)
    const classes = output.shape.at(-1) ?? 0
    checkLabels(op, list, output.size / Math.max(1, classes), classes)
    const values = output.toArray()
    let right = 0
    for (let i = 0; i < list.length; i++) {
      const label = list[i]!
      const row = values.subarray(i * classes, (i + 1) * classes)
      const own = row[label]!
      const before = row.reduce(
        (count, value, j) => count + Number(value > own || (value === own && j < label)),
        0,
      )
      right += Number(before < k && !Number.isNaN(own))
    }
    return right / list.length
  }
}
