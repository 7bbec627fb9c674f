/** The loss as `fit` and `evaluate` ask for it. */
import { check, show } from '../../base/errors.js'
import { Tensor } from '../../core/tensor.js'
import type { Tensors } from '../layer.js'
import type { Batch, Picked } from './batches.js'
import {
  binaryCrossEntropy,
  checkLabels,
  crossEntropy,
  huber,
  type LossWeights,
  meanAbsoluteError,
  meanSquaredError,
} from './losses.js'
import type { ExpectedOf, MeasureOptions } from './measure.js'

/** The losses of this package: they take weights. */
const weighable: ReadonlySet<unknown> = new Set([
  crossEntropy,
  binaryCrossEntropy,
  meanSquaredError,
  meanAbsoluteError,
  huber,
])

/**
 * The loss, as `fit` and `evaluate` ask for it: what does not fit the answers is an error, rather than
 * training that learns nothing.
 */
export class Loss<Output extends Tensors> {
  readonly of: (output: Output, expected: ExpectedOf<Output>, weights?: LossWeights) => Tensor
  private readonly known = new Set<unknown>()

  constructor(
    private readonly op: string,
    private readonly given: MeasureOptions<Output>,
  ) {
    this.of = given.loss ?? (crossEntropy as unknown as Loss<Output>['of'])
    const { classWeights } = given
    const takesWeights = this.of === (crossEntropy as unknown) || !weighable.has(this.of)
    check(classWeights === undefined || takesWeights, () => ({
      op,
      argument: 'classWeights',
      expected: 'left out but for crossEntropy',
      got: show(classWeights),
    }))
  }

  /**
   * Whether it fits an output. Labels of data in arrays are checked all at once, so that training does not
   * stop at a later batch.
   */
  check(output: Output, { data }: Picked): void {
    if (this.of === (crossEntropy as unknown) && output instanceof Tensor) this.checkClasses(output, data)
  }

  /** Of a batch. */
  measure(output: Output, { expected, weights }: Batch): Tensor {
    const { op, given } = this
    const { classWeights } = given
    const loss =
      classWeights || weights
        ? this.weighed(output, expected, {
            ...(classWeights && { classWeights }),
            ...(weights && { sampleWeights: weights }),
          })
        : this.of(output, expected as ExpectedOf<Output>)
    check(!(loss instanceof Tensor) || loss.size === 1, () => ({
      op,
      argument: 'loss',
      expected: 'one number',
      got: show(loss.shape),
      hint: 'Reduce it by mean or sum',
    }))
    return loss
  }

  private weighed(output: Output, expected: Batch['expected'], weights: LossWeights): Tensor {
    const { op } = this
    const names = Object.keys(weights).join(' and ')
    const takes = weighable.has(this.of) || this.of.length > 2
    check(takes, () => ({
      op,
      argument: 'loss',
      expected: `one that takes ${names} as its third argument`,
      got: 'a function of two',
    }))
    return this.of(output, expected as ExpectedOf<Output>, weights)
  }

  private checkClasses(output: Tensor, { labels, targets, targetShape, shape }: Picked['data']): void {
    const { op, given } = this
    const classes = output.shape.at(-1) ?? 0
    const hint = 'For numbers take meanSquaredError or huber, for yes or no binaryCrossEntropy'
    check(classes !== 1, () => ({
      op,
      argument: 'loss',
      expected: 'given for a model of one output',
      got: `crossEntropy${given.loss ? '' : ' (the default)'}, which is 0 for one class whatever the answer`,
      hint,
    }))
    const source = targets ?? labels
    if (this.known.has(source)) return
    if (targets && !given.loss) {
      const row = (targetShape ?? shape).at(-1) as number
      const bad = badRow(targets as ArrayLike<number>, row)
      check(bad === undefined, () => ({
        op,
        argument: 'loss',
        expected: 'given for targets that are no probabilities',
        got: `crossEntropy (the default), and ${show(bad)}`,
        hint,
      }))
    }
    if (!targets && labels && output.shape.length === 2)
      checkLabels(op, labels as ArrayLike<number>, (labels as ArrayLike<number>).length, classes)
    this.known.add(source)
  }
}

/** The first row that is no distribution of probabilities. */
function badRow(numbers: ArrayLike<number>, length: number): number[] | undefined {
  for (let at = 0; at < numbers.length; at += length) {
    let sum = 0
    let least = 0
    for (let i = at; i < at + length; i++) {
      sum += numbers[i]!
      least = Math.min(least, numbers[i]!)
    }
    if (!(least >= -1e-3 && Math.abs(sum - 1) < 1e-2))
      return Array.from({ length }, (_, i) => numbers[at + i]!)
  }
  return undefined
}
