/** Losses: one number that says how far off an answer is. All are means, of the batch or of all elements. */
import { type Engine, engineOf } from '../engine.js'
import { check, show } from '../errors.js'
import { clamp, relu, softplus } from '../ops/activation.js'
import { add, mul, sub } from '../ops/arithmetic.js'
import { mean, sum } from '../ops/reduce.js'
import { logSoftmax } from '../ops/softmax.js'
import { checkNumber, checkOptions, type Names } from '../options.js'
import { sameShape } from '../shape.js'
import { Tensor } from '../tensor.js'

/** Which class each sample belongs to: indices from 0, or probabilities [n, classes]. */
export type Labels = Int32Array | Uint8Array | readonly number[] | Tensor

export interface CrossEntropyOptions {
  /** How much of the probability is spread evenly over all classes, 0 to 1. Default 0. */
  labelSmoothing?: number
}

const CROSS_ENTROPY: Names<CrossEntropyOptions> = { labelSmoothing: true }

/**
 * -log of the probability that softmax(logits) gives to the label: the mean over the batch of -sum of label * logSoftmax(logits).
 *
 * @param logits [n, classes]
 * @param labels [n] integers, or a tensor [n, classes] of probabilities
 * @param options labelSmoothing 0. (Szegedy et al., "Rethinking the Inception architecture", 2016)
 * @returns a scalar
 * @throws FilterbankError for a label that is no class (its position is told), or another number of labels; nothing is allocated then
 * @example const loss = crossEntropy(model.forward(x), Int32Array.of(3, 1, 4))
 */
export function crossEntropy(logits: Tensor, labels: Labels, options: CrossEntropyOptions = {}): Tensor {
  const op = 'crossEntropy'
  checkOptions(op, options, CROSS_ENTROPY)
  const soft = labels instanceof Tensor ? labels : undefined
  const engine = engineOf(op, { logits }, { labels: soft })
  const { labelSmoothing = 0 } = options
  const shapes = { logits: logits.shape, labels: soft?.shape }
  const fail = (argument: string, expected: string, got: string) => () => ({ op, argument, expected, got, shapes })
  check(logits.shape.length === 2 && logits.size > 0, fail('logits', '[n, classes], none of them 0', show(logits.shape)))
  const [n, classes] = logits.shape as [number, number]
  checkNumber(labelSmoothing, 'labelSmoothing', (v) => v >= 0 && v <= 1, 'a number from 0 to 1', { op, shapes })
  check(!soft || sameShape(soft.shape, logits.shape), fail('labels', show(logits.shape), show(soft?.shape)))
  if (!soft) checkLabels(op, labels as ArrayLike<number>, n, classes)
  return engine.scope(() => {
    const targets = soft ? smoothed(soft, labelSmoothing) : oneHot(engine, labels as ArrayLike<number>, classes, labelSmoothing)
    return mul(sum(mul(logSoftmax(logits), targets)), -1 / n)
  })
}

/** Throws where there are not `n` labels, each a class. */
export function checkLabels(op: string, labels: ArrayLike<number>, n: number, classes: number): void {
  check(labels?.length === n, () => ({ op, argument: 'labels', expected: `${n} integers, one per sample, or a tensor [${n}, ${classes}]`, got: show(labels) }))
  for (let i = 0; i < n; i++) {
    const label = labels[i]!
    check(Number.isInteger(label) && label >= 0 && label < classes, () => ({ op, argument: `labels[${i}]`, expected: `an integer from 0 to ${classes - 1}`, got: show(label) })) // biome-ignore format: one line
  }
}

function oneHot(engine: Engine, labels: ArrayLike<number>, classes: number, smoothing: number): Tensor {
  const data = new Float32Array(labels.length * classes).fill(smoothing / classes)
  for (let i = 0; i < labels.length; i++) data[i * classes + labels[i]!]! += 1 - smoothing
  return engine.tensor(data, [labels.length, classes])
}

const smoothed = (labels: Tensor, smoothing: number): Tensor => (smoothing ? add(mul(labels, 1 - smoothing), smoothing / labels.shape[1]!) : labels)

function checkPair(op: string, prediction: Tensor, target: Tensor): Engine {
  const engine = engineOf(op, { prediction, target })
  const shapes = { prediction: prediction.shape, target: target.shape }
  check(sameShape(prediction.shape, target.shape) && target.size > 0, () => ({ op, argument: 'target', expected: `of prediction's shape, not empty`, got: show(target.shape), shapes })) // biome-ignore format: one line
  return engine
}

/**
 * For yes or no: the mean of softplus(logit) - target * logit, which is -log of the probability that sigmoid(logit) gives to the target.
 *
 * @param logits any shape
 * @param target the same shape: probabilities, 0 to 1
 * @returns a scalar
 * @example const loss = binaryCrossEntropy(linear(features, weight), isCat)
 */
export function binaryCrossEntropy(logits: Tensor, target: Tensor): Tensor {
  return checkPair('binaryCrossEntropy', logits, target).scope(() => mean(sub(softplus(logits), mul(target, logits))))
}

/**
 * The mean of (prediction - target)^2.
 *
 * @param prediction any shape
 * @param target the same shape
 * @returns a scalar
 * @example const loss = meanSquaredError(decoder.forward(code), images)
 */
export function meanSquaredError(prediction: Tensor, target: Tensor): Tensor {
  return checkPair('meanSquaredError', prediction, target).scope(() => {
    const difference = sub(prediction, target)
    return mean(mul(difference, difference))
  })
}

/**
 * The mean of |prediction - target|. Its derivative is 0 where they are equal.
 * @example const loss = meanAbsoluteError(prediction, target)
 */
export function meanAbsoluteError(prediction: Tensor, target: Tensor): Tensor {
  return checkPair('meanAbsoluteError', prediction, target).scope(() => {
    const difference = sub(prediction, target)
    return mean(add(relu(difference), relu(mul(difference, -1))))
  })
}

type HuberOptions = { delta?: number }

const HUBER: Names<HuberOptions> = { delta: true }

/**
 * Squared where small, absolute where large: the mean of d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2), d = prediction - target.
 * Definition: Huber, "Robust estimation of a location parameter", 1964; PyTorch HuberLoss.
 *
 * @param options delta 1
 * @example const loss = huber(prediction, target, { delta: 0.5 })
 */
export function huber(prediction: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  checkOptions('huber', options, HUBER)
  const { delta = 1 } = options
  const engine = checkPair('huber', prediction, target)
  checkNumber(delta, 'delta', (v) => v > 0, 'a positive number', { op: 'huber' })
  return engine.scope(() => {
    // With c = clamp(d, -delta, delta) it is c (d - c / 2).
    const d = sub(prediction, target)
    const c = clamp(d, { low: -delta, high: delta })
    return mean(mul(c, sub(d, mul(c, 0.5))))
  })
}
