/** What answers come to: the measures of batches, and their means. */
import { check, show } from '../../base/errors.js'
import { engineOf } from '../../core/engine.js'
import { Tensor } from '../../core/tensor.js'
import type { Tensors } from '../layer.js'
import type { Batch } from './batches.js'
import { binaryCrossEntropy, checkLabels, type LossWeights } from './losses.js'

/** What an output is held against: labels, or a tensor of targets; for several outputs, an array of such. */
export type ExpectedOf<Output extends Tensors> = Output extends Tensor
  ? Int32Array | Tensor
  : readonly (Int32Array | Tensor)[]

/** What `evaluate` measured. */
export interface Measured {
  /** The mean over all samples. */
  loss: number
  /**
   * How many of the samples have their label on top, 0 to 1; of yes or no by one logit (binaryCrossEntropy),
   * how many are on the right side of 0. NaN where there is neither.
   */
  accuracy: number
  /** What `metrics` gave, each the mean over all samples, or what its counts come to. */
  metrics: Record<string, number>
}

/** What `fit` tells after an epoch. */
export interface EpochReport extends Measured {
  epoch: number
  /** Of the validation data, where there is some. */
  validation?: Measured
}

/** How answers are measured: what `fit` and `evaluate` share. */
export interface MeasureOptions<Output extends Tensors> {
  /**
   * How far off answers are: one number, the mean over the batch. Given labels where the data has them, else
   * a tensor of targets; and weights, where there are some. Default: crossEntropy.
   */
  loss?(output: Output, expected: ExpectedOf<Output>, weights?: LossWeights): Tensor
  /** How much samples of each class count in the loss: one number for each. Default 1. */
  classWeights?: readonly number[] | Float32Array
  /**
   * More to measure, by name: each gives a number for a batch, or a tensor of one; or counts, which come to a
   * number once they are those of all batches.
   */
  metrics?: Record<string, Metric<Output> | CountedMetric<Output>>
}

/** Measures a batch. The type of a method, which lets what takes labels alone stand here. */
export type Metric<Output extends Tensors = Tensor> = {
  /** A number for a batch, or a tensor of one. */
  measure(output: Output, expected: ExpectedOf<Output>): number | Tensor
}['measure']

/** Measures all batches together: what it counts in each is added up. Such as `f1Score()`. */
export interface CountedMetric<Output extends Tensors = Tensor> {
  /** As many numbers for every batch. */
  count(output: Output, expected: ExpectedOf<Output>): Float64Array
  /** What their sums come to. */
  total(counts: Float64Array): number
}

export const MEASURE = { loss: true, classWeights: true, metrics: true } as const

/**
 * How many rows of [n, classes] have their largest number at the label, 0 to 1; of several that are equal the
 * first counts. Where there is one logit for each label, [n] or [n, 1], the label is 0 or 1: how many logits
 * are above 0 just where it is 1.
 * @example const share = accuracy(model.forward(x), labels)
 */
export function accuracy(output: Tensor, labels: ArrayLike<number>): number {
  engineOf('accuracy', { output })
  if (output.shape.length < 2 || output.shape[1] === 1) {
    checkLabels('accuracy', labels, output.size, 2)
    return shareOf(output, (i) => labels[i]! > 0)
  }
  checkLabels('accuracy', labels, output.shape[0]!, output.shape[1] ?? 0)
  const values = output.toArray()
  const classes = output.shape[1]!
  let right = 0
  for (let i = 0; i < labels.length; i++) {
    right += Number(topOf(values.subarray(i * classes, (i + 1) * classes)) === labels[i])
  }
  return right / labels.length
}

/** How many logits are above 0 just where the answer is yes, 0 to 1. */
function shareOf(logits: Tensor, isYes: (i: number) => boolean): number {
  const values = logits.toArray()
  return values.reduce((right, value, i) => right + Number(value > 0 === isYes(i)), 0) / values.length
}

/** The accuracy of a batch; NaN where none is meant. */
function accuracyOf(output: Tensors, expected: Batch['expected'], loss: unknown): number {
  if (!(output instanceof Tensor) || Array.isArray(expected)) return Number.NaN
  if (expected instanceof Tensor) {
    const targets = loss === binaryCrossEntropy ? expected.toArray() : undefined
    return targets ? shareOf(output, (i) => targets[i]! > 0.5) : Number.NaN
  }
  const labels = expected as Int32Array
  // One logit for each label, or one for each of its classes.
  const one = labels.length === output.size
  const classes = one ? 2 : output.size / labels.length
  const meant =
    classes === (one ? 2 : output.shape.at(-1)) && labels.every((label) => label >= 0 && label < classes)
  return meant ? accuracy(output.reshape(one ? [-1] : [-1, classes]), labels) : Number.NaN
}

/** Where the largest number stands, the first of equals; -1 where one is NaN. */
export function topOf(row: Float32Array): number {
  let top = 0
  for (let i = 0; i < row.length; i++) {
    if (Number.isNaN(row[i])) return -1
    if (row[i]! > row[top]!) top = i
  }
  return top
}

/** What a batch came to: numbers, of which the mean counts, and counts. */
export interface BatchMeasures {
  numbers: Record<string, number>
  counts: Record<string, Float64Array>
}

/** Adds up what batches measure. */
export class Tally<Output extends Tensors> {
  private samples = 0
  private readonly sums: Record<string, number> = {}
  private readonly counts: Record<string, Float64Array> = {}

  constructor(
    private readonly op: string,
    private readonly loss: unknown,
    private readonly metrics: NonNullable<MeasureOptions<Output>['metrics']> = {},
  ) {}

  /** What an answer comes to, beside the loss. */
  measure(output: Output, { expected }: Batch): BatchMeasures {
    const numbers: Record<string, number> = { accuracy: accuracyOf(output, expected, this.loss) }
    const counts: Record<string, Float64Array> = {}
    for (const [name, metric] of Object.entries(this.metrics)) {
      if (typeof metric === 'function') numbers[`own ${name}`] = this.number(name, metric, output, expected)
      else counts[name] = metric.count(output, expected as ExpectedOf<Output>)
    }
    return { numbers, counts }
  }

  add(samples: number, loss: number, { numbers, counts }: BatchMeasures): void {
    this.samples += samples
    for (const [name, value] of Object.entries({ ...numbers, loss }))
      this.sums[name] = (this.sums[name] ?? 0) + value * samples
    for (const [name, more] of Object.entries(counts))
      this.counts[name] = this.counts[name]?.map((count, i) => count + more[i]!) ?? more
  }

  get total(): Measured {
    const of = (name: string) => (this.sums[name] ?? Number.NaN) / this.samples
    const own = ([name, metric]: [string, Metric<Output> | CountedMetric<Output>]) => {
      if (typeof metric === 'function') return of(`own ${name}`)
      const counts = this.counts[name]
      return counts ? metric.total(counts) : Number.NaN
    }
    return {
      loss: of('loss'),
      accuracy: of('accuracy'),
      metrics: Object.fromEntries(Object.entries(this.metrics).map((entry) => [entry[0], own(entry)])),
    }
  }

  private number(name: string, measure: Metric<Output>, output: Output, expected: Batch['expected']): number {
    const given = measure(output, expected as ExpectedOf<Output>)
    const value = given instanceof Tensor && given.size === 1 ? given.toArray()[0] : given
    check(typeof value === 'number', () => ({
      op: this.op,
      argument: `metrics.${name}`,
      expected: 'what gives a number, or a tensor of one',
      got: show(given),
    }))
    return value as number
  }
}
