/** Losses: one number that says how far off an answer is. All are means, of the batch or of all elements. */

import { check, show } from '../../base/errors.js'
import { type Shape, sameShape, sizeOf } from '../../base/shape.js'
import { type Engine, engineOf } from '../../core/engine.js'
import { checkNumber, checkOptions, type Names } from '../../core/options.js'
import { Tensor } from '../../core/tensor.js'
import { clamp, relu, softplus } from '../../ops/activation.js'
import { add, mul, sub } from '../../ops/arithmetic.js'
import { oneHot } from '../../ops/oneHot.js'
import { mean, sum } from '../../ops/reduce.js'
import { logSoftmax } from '../../ops/softmax.js'
import { NO_CLAMP, runBinary } from '../../plans/elementwise.js'
import { BinaryOp } from '../../wasm/abi.js'

/** Which class each sample belongs to: indices from 0, or probabilities. */
export type Labels = Int32Array | Uint8Array | readonly number[] | Tensor

/** Weights of the samples of a batch, which every loss takes. */
export interface SampleWeights {
  /**
   * How much each sample counts: its loss is multiplied by this before the mean over the batch. Default:
   * ones.
   */
  sampleWeights?: ArrayLike<number>
}

/** What `fit` hands on to a loss as its third argument, where there is some. */
export interface LossWeights extends SampleWeights {
  /** How much each class counts, in the same way: one number for each. Default: ones. */
  classWeights?: ArrayLike<number>
}

/** What `crossEntropy` takes beside logits and labels. */
export interface CrossEntropyOptions extends LossWeights {
  /** How much of the probability is spread evenly over all classes, 0 to 1. Default 0. */
  labelSmoothing?: number
}

const SAMPLE_WEIGHTS: Names<SampleWeights> = { sampleWeights: true }
const LOSS_WEIGHTS: Names<LossWeights> = { ...SAMPLE_WEIGHTS, classWeights: true }
const CROSS_ENTROPY: Names<CrossEntropyOptions> = { ...LOSS_WEIGHTS, labelSmoothing: true }

/**
 * -log of the probability that softmax(logits) gives to the label: the mean over the batch of -sum of label *
 * logSoftmax(logits). A class that is masked by a logit of -Infinity counts for nothing where its label is 0;
 * where it is the label, the loss is Infinity.
 *
 * @param logits [n, classes]; or [n, ..., classes] with a class for each place, such as every pixel: the mean
 *   is that of all places
 * @param labels [n] integers, one for each place, or a tensor of probabilities of the shape of logits
 * @param options labelSmoothing 0 (Szegedy et al., "Rethinking the Inception architecture", 2016); no
 *   classWeights, no sampleWeights. The mean is divided by
 * the number of places, whatever the weights (as in Keras)
 * @returns a scalar
 * @throws FilterbankError for a label that is no class (its position is told), or another number of labels;
 *   nothing is allocated then
 * @example const loss = crossEntropy(model.forward(x), Int32Array.of(3, 1, 4))
 */
export function crossEntropy(logits: Tensor, labels: Labels, options: CrossEntropyOptions = {}): Tensor {
  const op = 'crossEntropy'
  checkOptions(op, options, CROSS_ENTROPY)
  const soft = labels instanceof Tensor ? labels : undefined
  const engine = engineOf(op, { logits }, { labels: soft })
  const { labelSmoothing = 0 } = options
  const shapes = { logits: logits.shape, labels: soft?.shape }
  const fail = (argument: string, expected: string, got: string) => () => ({
    op,
    argument,
    expected,
    got,
    shapes,
  })
  const places = '[n, classes] or [n, ..., classes], none of them 0'
  check(logits.shape.length >= 2 && logits.size > 0, fail('logits', places, show(logits.shape)))
  const classes = logits.shape.at(-1)!
  const n = logits.size / classes
  checkNumber(labelSmoothing, 'labelSmoothing', (v) => v >= 0 && v <= 1, 'a number from 0 to 1', {
    op,
    shapes,
  })
  check(!soft || sameShape(soft.shape, logits.shape), fail('labels', show(logits.shape), show(soft?.shape)))
  if (!soft) checkLabels(op, labels as ArrayLike<number>, n, classes)
  const factors = [
    weightsOf(engine, op, 'classWeights', options.classWeights, [classes]),
    sampleFactors(op, logits, options),
  ]
  return engine.scope(() => {
    const hard = () => oneHot(labels as ArrayLike<number>, { depth: classes, engine }).reshape(logits.shape)
    const plain = smoothed(soft ?? hard(), labelSmoothing)
    const targets = factors.reduce((product, factor) => (factor ? mul(product, factor()) : product), plain)
    return mul(sum(weighted(logSoftmax(logits), targets)), -1 / n)
  })
}

/** x * weight, and 0 where the weight is 0, be x infinite. */
function weighted(x: Tensor, weight: Tensor): Tensor {
  const { engine } = x
  const context = { op: 'weighted', shapes: { x: x.shape, weight: weight.shape } }
  const apply = (op: BinaryOp, a: Tensor) => runBinary(op, engine, a, weight, undefined, NO_CLAMP, context)
  const y = engine.scope(() => apply(BinaryOp.mul, apply(BinaryOp.mask, x)))
  engine.tape?.record('weighted', y, { x, weight }, { x, weight }, (dy, kept) => ({
    x: () => mul(dy, kept.weight),
    weight: () => mul(dy, kept.x),
  }))
  return y
}

/** Throws where there are not `n` labels, each a class. */
export function checkLabels(op: string, labels: ArrayLike<number>, n: number, classes: number): void {
  check(labels?.length === n, () => ({
    op,
    argument: 'labels',
    expected: `${n} integers, one per sample, or a tensor [${n}, ${classes}]`,
    got: show(labels),
  }))
  for (let i = 0; i < n; i++) {
    const label = labels[i]!
    check(Number.isInteger(label) && label >= 0 && label < classes, () => ({
      op,
      argument: `labels[${i}]`,
      expected: `an integer from 0 to ${classes - 1}`,
      got: show(label),
    }))
  }
}

/** Weights, checked; as a tensor when it is asked for. */
function weightsOf(
  engine: Engine,
  op: string,
  argument: string,
  weights: ArrayLike<number> | undefined,
  shape: Shape,
): (() => Tensor) | undefined {
  if (weights === undefined) return undefined
  const length = sizeOf(shape)
  check(weights?.length === length, () => ({
    op,
    argument,
    expected: `${length} numbers`,
    got: show(weights),
  }))
  for (let i = 0; i < length; i++) {
    check(weights[i]! >= 0 && Number.isFinite(weights[i]), () => ({
      op,
      argument: `${argument}[${i}]`,
      expected: 'a number of at least 0',
      got: show(weights[i]),
    }))
  }
  return () => engine.tensor(Float32Array.from(weights), shape)
}

/** Weights of samples, for values whose first axis counts them. */
const sampleFactors = (op: string, values: Tensor, { sampleWeights }: SampleWeights) =>
  weightsOf(values.engine, op, 'sampleWeights', sampleWeights, [
    values.shape[0] ?? 1,
    ...values.shape.slice(1).map(() => 1),
  ])

/** The mean of what `losses` gives for every element of x, each sample by its weight. */
function meanOf(op: string, x: Tensor, weights: SampleWeights, losses: () => Tensor): Tensor {
  const factors = sampleFactors(op, x, weights)
  return x.engine.scope(() => mean(factors ? mul(losses(), factors()) : losses()))
}

const smoothed = (labels: Tensor, smoothing: number): Tensor =>
  smoothing ? add(mul(labels, 1 - smoothing), smoothing / labels.shape.at(-1)!) : labels

function checkPair(op: string, prediction: Tensor, target: Tensor): Engine {
  const engine = engineOf(op, { prediction, target })
  const shapes = { prediction: prediction.shape, target: target.shape }
  check(sameShape(prediction.shape, target.shape) && target.size > 0, () => ({
    op,
    argument: 'target',
    expected: `of prediction's shape, not empty`,
    got: show(target.shape),
    shapes,
  }))
  return engine
}

/**
 * For yes or no: -log of the probability that sigmoid(logit) gives to the target, the mean of target *
 * softplus(-logit) + (1 - target) * softplus(logit). Neither it nor its derivative cancels, however sure a
 * logit is; what is infinite counts where its weight is not 0.
 *
 * @param logits any shape
 * @param target the same shape: probabilities, 0 to 1; or as many labels, 0 or 1 each
 * @param options no sampleWeights
 * @returns a scalar
 * @throws FilterbankError for a label that is neither 0 nor 1, or another number of them; nothing is
 *   allocated then
 * @example const loss = binaryCrossEntropy(linear(features, weight), isCat)
 */
export function binaryCrossEntropy(logits: Tensor, target: Labels, options: SampleWeights = {}): Tensor {
  const op = 'binaryCrossEntropy'
  checkOptions(op, options, SAMPLE_WEIGHTS)
  if (!(target instanceof Tensor)) {
    const engine = engineOf(op, { logits })
    checkLabels(op, target, logits.size, 2)
    return engine.scope(() => binaryCrossEntropy(logits, engine.tensor(target, logits.shape), options))
  }
  checkPair(op, logits, target)
  return meanOf(op, logits, options, () =>
    add(weighted(softplus(mul(logits, -1)), target), weighted(softplus(logits), sub(1, target))),
  )
}

/**
 * The mean of (prediction - target)^2.
 *
 * @param prediction any shape
 * @param target the same shape
 * @param options no sampleWeights
 * @returns a scalar
 * @example const loss = meanSquaredError(decoder.forward(code), images)
 */
export function meanSquaredError(prediction: Tensor, target: Tensor, options: SampleWeights = {}): Tensor {
  const op = 'meanSquaredError'
  checkOptions(op, options, SAMPLE_WEIGHTS)
  checkPair(op, prediction, target)
  return meanOf(op, prediction, options, () => {
    const difference = sub(prediction, target)
    return mul(difference, difference)
  })
}

/**
 * The mean of |prediction - target|. Its derivative is 0 where they are equal.
 * @example const loss = meanAbsoluteError(prediction, target)
 */
export function meanAbsoluteError(prediction: Tensor, target: Tensor, options: SampleWeights = {}): Tensor {
  const op = 'meanAbsoluteError'
  checkOptions(op, options, SAMPLE_WEIGHTS)
  checkPair(op, prediction, target)
  return meanOf(op, prediction, options, () => {
    const difference = sub(prediction, target)
    return add(relu(difference), relu(mul(difference, -1)))
  })
}

/** What `huber` takes beside what is compared. */
export interface HuberOptions extends SampleWeights {
  /** Up to which difference the loss is a square. Default 1. */
  delta?: number
}

const HUBER: Names<HuberOptions> = { ...SAMPLE_WEIGHTS, delta: true }

/**
 * Squared where small, absolute where large: the mean of d^2 / 2 where |d| <= delta, else delta * (|d| -
 * delta / 2), d = prediction - target. Definition: Huber, "Robust estimation of a location parameter", 1964;
 * PyTorch HuberLoss.
 *
 * @param options delta 1, no sampleWeights
 * @example const loss = huber(prediction, target, { delta: 0.5 })
 */
export function huber(prediction: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  const op = 'huber'
  checkOptions(op, options, HUBER)
  const { delta = 1 } = options
  checkPair(op, prediction, target)
  checkNumber(delta, 'delta', (v) => v > 0, 'a positive number', { op })
  return meanOf(op, prediction, options, () => {
    // With c = clamp(d, -delta, delta) it is c (d - c / 2).
    const d = sub(prediction, target)
    const c = clamp(d, { low: -delta, high: delta })
    return mul(c, sub(d, mul(c, 0.5)))
  })
}
