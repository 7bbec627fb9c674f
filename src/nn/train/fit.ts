/** Training, measuring, answering. */

import { check, FilterbankError, show } from '../../base/errors.js'
import { sameShape } from '../../base/shape.js'
import { shareTurns } from '../../base/turns.js'
import type { Engine } from '../../core/engine.js'
import { checkInteger, checkNumber, checkOptions, MOST, type Names } from '../../core/options.js'
import type { Storage } from '../../core/storage.js'
import { Tensor } from '../../core/tensor.js'
import { slice } from '../../ops/slice.js'
import { frozen } from '../frozen.js'
import { type AnyLayer, type Layer, Mode, type Tensors } from '../layer.js'
import { Sequential } from '../layers.js'
import { Random, unseeded } from '../random.js'
import {
  type Augment,
  type Batch,
  batchesOf,
  batchOf,
  checkData,
  checkInputs,
  type Inputs,
  inputsOf,
  isData,
  type Picked,
  picksOf,
  type Source,
} from './data.js'
import { valueAndGradients } from './gradients.js'
import {
  binaryCrossEntropy,
  checkLabels,
  crossEntropy,
  huber,
  type LossWeights,
  meanAbsoluteError,
  meanSquaredError,
} from './losses.js'
import { clipByGlobalNorm, isFiniteTensor, Optimizer, type UnfinishedEpoch } from './optimizers.js'

/** Milliseconds after which others have their turn: events, timers, a signal. */
const TURN = 50

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
  /** What `metrics` gave, each the mean over all samples. */
  metrics: Record<string, number>
}

/** What `fit` tells after a batch. */
export interface BatchReport {
  epoch: number
  /** Batches done in this epoch, of `batches` (undefined where nobody knows). */
  batch: number
  batches: number | undefined
  loss: number
}

/** What `fit` tells after an epoch. */
export interface EpochReport extends Measured {
  epoch: number
  /** Of the validation data, where there is some. */
  validation?: Measured
}

/** What has a signal, and tells how far it is. */
export interface ProgressOptions {
  /** Samples at a time. Default 32. */
  batchSize?: number
  /** Stops between two batches. */
  signal?: AbortSignal
  /** Called after every batch: samples done, of `total` (undefined where nobody knows). */
  onProgress?: (progress: { done: number; total: number | undefined }) => unknown
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
  /** More to measure, by name: each gives a number for a batch, or a tensor of one. */
  metrics?: Record<string, Metric<Output>>
}

/** What `evaluate` takes beside the model and the data. */
export interface EvaluateOptions<Output extends Tensors = Tensor>
  extends MeasureOptions<Output>,
    ProgressOptions {}

/** Measures a batch. The type of a method, which lets what takes labels alone stand here. */
export type Metric<Output extends Tensors = Tensor> = {
  /** A number for a batch, or a tensor of one. */
  measure(output: Output, expected: ExpectedOf<Output>): number | Tensor
}['measure']

/** When `fit` stops before its last epoch. */
export interface EarlyStopping {
  /** Epochs without a better value after which training stops. Default 3. */
  patience?: number
  /**
   * What is looked at, of the validation data where there is some: 'loss', 'accuracy', or the name of one of
   * `metrics`. Default 'loss'.
   */
  metric?: string
  /** Which values are better. Default 'lower' for the loss, 'higher' for others. */
  better?: 'lower' | 'higher'
  /** By how much a value has to be better to count. Default 0. */
  minDelta?: number
  /** Whether the model ends as it was after its best epoch. Default true. */
  restoreBest?: boolean
}

/** What `fit` takes beside the model and the data. */
export interface FitOptions<Output extends Tensors = Tensor> extends MeasureOptions<Output> {
  optimizer: Optimizer
  /** How often all samples are gone through. Default 1. */
  epochs?: number
  /**
   * Samples of one step; what is left over at the end of an epoch, or all where there are fewer, is a smaller
   * batch. Default 32.
   */
  batchSize?: number
  /** Whether what is left over is left out. Default false. */
  dropLast?: boolean
  /** Batches after which an epoch is over. Default: when the data is. */
  stepsPerEpoch?: number
  /**
   * What the order of samples, their augmentation and dropout without a seed follow from, together with the
   * steps taken: anew every epoch. Default 0.
   */
  seed?: number
  /** What happens to samples before they are learned from, one after the other. Default: nothing. */
  augment?: readonly Augment[]
  /** Most length of all gradients together. Default: any. */
  clipNorm?: number
  /** Whether the loss may do without some of the parameters. Default false. */
  allowUnused?: boolean
  /** Measured after every epoch. */
  validation?: Source
  /** Ends training when it no longer gets better, with the weights of its best epoch. Default: it goes on. */
  earlyStopping?: EarlyStopping | boolean
  /** Stops between two steps. */
  signal?: AbortSignal
  /** Called after every step; training waits for a promise. */
  onBatch?: (report: BatchReport) => unknown
  /** Called after every epoch; training waits for a promise. `false` ends training. */
  onEpoch?: (report: EpochReport) => unknown
}

const MEASURE = { loss: true, classWeights: true, metrics: true } as const
const EVALUATE: Names<EvaluateOptions> = { ...MEASURE, batchSize: true, signal: true, onProgress: true }
const PREDICT: Names<ProgressOptions> = { batchSize: true, signal: true, onProgress: true }
const FIT: Names<FitOptions> = {
  ...MEASURE,
  optimizer: true,
  epochs: true,
  batchSize: true,
  dropLast: true,
  stepsPerEpoch: true,
  seed: true,
  augment: true,
  clipNorm: true,
  allowUnused: true,
  validation: true,
  earlyStopping: true,
  signal: true,
  onBatch: true,
  onEpoch: true,
}
const EARLY_STOPPING: Names<EarlyStopping> = {
  patience: true,
  metric: true,
  better: true,
  minDelta: true,
  restoreBest: true,
}

/**
 * How many rows of [n, classes] have their largest number at the label, 0 to 1; of several that are equal the
 * first counts. Where there is one logit for each label, [n] or [n, 1], the label is 0 or 1: how many logits
 * are above 0 just where it is 1.
 * @example const share = accuracy(model.forward(x), labels)
 */
export function accuracy(output: Tensor, labels: ArrayLike<number>): number {
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
function topOf(row: Float32Array): number {
  let top = 0
  for (let i = 0; i < row.length; i++) {
    if (Number.isNaN(row[i])) return -1
    if (row[i]! > row[top]!) top = i
  }
  return top
}

/** Adds up what batches measure. */
class Tally<Output extends Tensors> {
  private samples = 0
  private readonly sums: Record<string, number> = {}

  constructor(
    private readonly op: string,
    private readonly loss: unknown,
    private readonly metrics: NonNullable<MeasureOptions<Output>['metrics']> = {},
  ) {}

  /** What an answer comes to, beside the loss. */
  measure(output: Output, { expected }: Batch): Record<string, number> {
    const entries = Object.entries(this.metrics).map(([name, measure]) => {
      const given = measure(output, expected as ExpectedOf<Output>)
      const value = given instanceof Tensor && given.size === 1 ? given.toArray()[0] : given
      check(typeof value === 'number', () => ({
        op: this.op,
        argument: `metrics.${name}`,
        expected: 'what gives a number, or a tensor of one',
        got: show(given),
      }))
      return [`own ${name}`, value]
    })
    return { accuracy: accuracyOf(output, expected, this.loss), ...Object.fromEntries(entries) }
  }

  add(samples: number, measured: Record<string, number>): void {
    this.samples += samples
    for (const [name, value] of Object.entries(measured))
      this.sums[name] = (this.sums[name] ?? 0) + value * samples
  }

  get total(): Measured {
    const of = (name: string) => (this.sums[name] ?? Number.NaN) / this.samples
    return {
      loss: of('loss'),
      accuracy: of('accuracy'),
      metrics: Object.fromEntries(Object.keys(this.metrics).map((name) => [name, of(`own ${name}`)])),
    }
  }
}

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
class Loss<Output extends Tensors> {
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

const listOf = (tensors: Tensors): readonly Tensor[] => (tensors instanceof Tensor ? [tensors] : tensors)
const allFinite = (tensors: Tensors): boolean => listOf(tensors).every(isFiniteTensor)

/** The place of the first layer whose output is not finite, such as `2.0`; undefined where there is none. */
function firstBad(layer: AnyLayer, x: Tensors, place: string[]): string | undefined {
  let output: Tensors = x
  for (const [i, inner] of (layer instanceof Sequential ? layer.layers : []).entries()) {
    const bad = firstBad(inner, output, [...place, `${i}`])
    if (bad !== undefined) return bad
    output = inner.forward(output as Tensor)
  }
  return allFinite(layer.forward(x as never)) ? undefined : place.join('.')
}

const TRY = 'A smaller learning rate or clipNorm may help'

/** What to do about a loss that is not finite. */
function hintFor(engine: Engine, model: AnyLayer, x: Tensors): string {
  if (!allFinite(x)) return 'An input of this batch is not finite'
  const bad = engine.scope(() => firstBad(model, x, []))
  return `${bad ? `The first output that is not finite is that of layer ${bad}. ` : ''}${TRY}`
}

/** Runs `fn` while nothing is recorded for derivatives. */
function unrecorded<T>(engine: Engine, fn: () => T): T {
  const { tape } = engine
  engine.tape = undefined
  try {
    return engine.scope(fn)
  } finally {
    engine.tape = tape
  }
}

function checkSizes(op: string, model: AnyLayer, sizes: Record<string, number | undefined>): Engine {
  for (const [argument, value] of Object.entries(sizes)) {
    if (value !== undefined) checkInteger(value, argument, 1, MOST, { op })
  }
  const [first] = model?.parameters ?? []
  check(first !== undefined, () => ({
    op,
    argument: 'model',
    expected: 'a layer with parameters',
    got: show(model),
  }))
  return first.engine
}

/** What tensors and generators hold, to be put back. */
function kept(tensors: readonly Tensor[], generators: readonly Random[] = []): () => void {
  const numbers = tensors.map((tensor) => tensor.toArray())
  const states = generators.map(({ state }) => state)
  return () => {
    tensors.forEach((tensor, i) => {
      if (!tensor.disposed) tensor.set(numbers[i]!)
    })
    generators.forEach((generator, i) => {
      generator.state = states[i]!
    })
  }
}

/** Looks whether training gets better, and keeps the best. */
class Best {
  private value = Number.NaN
  private since = 0
  private restore = () => {}

  private constructor(
    private readonly model: AnyLayer,
    private readonly options: Required<EarlyStopping>,
  ) {}

  static of(
    op: string,
    model: AnyLayer,
    options: EarlyStopping | boolean | undefined,
    metrics: object | undefined,
  ): Best | undefined {
    if (!options) return undefined
    if (options !== true) checkOptions(`${op}: earlyStopping`, options, EARLY_STOPPING)
    const {
      patience = 3,
      metric = 'loss',
      better = metric === 'loss' ? 'lower' : 'higher',
      minDelta = 0,
      restoreBest = true,
    } = options === true ? {} : options
    const argument = (name: string) => `earlyStopping.${name}`
    check(Number.isInteger(patience) && patience > 0, () => ({
      op,
      argument: argument('patience'),
      expected: 'a positive integer',
      got: show(patience),
    }))
    check(better === 'lower' || better === 'higher', () => ({
      op,
      argument: argument('better'),
      expected: `'lower' or 'higher'`,
      got: show(better),
    }))
    check(minDelta >= 0, () => ({
      op,
      argument: argument('minDelta'),
      expected: 'a number of at least 0',
      got: show(minDelta),
    }))
    const names = ['loss', 'accuracy', ...Object.keys(metrics ?? {})]
    check(names.includes(metric), () => ({
      op,
      argument: argument('metric'),
      expected: `one of ${names.join(', ')}`,
      got: show(metric),
    }))
    return new Best(model, { patience, metric, better, minDelta, restoreBest })
  }

  /** Whether it is time to stop. */
  ends({ validation, ...report }: EpochReport): boolean {
    const { metric, better, minDelta, restoreBest, patience } = this.options
    const measured = validation ?? report
    const value = metric === 'loss' || metric === 'accuracy' ? measured[metric] : measured.metrics[metric]!
    const gain = better === 'lower' ? this.value - value : value - this.value
    // Anything is better than no number.
    if (gain > minDelta || (Number.isNaN(this.value) && !Number.isNaN(value))) {
      this.value = value
      this.since = 0
      if (restoreBest) this.restore = kept([...this.model.names.keys()])
    } else this.since++
    return this.since >= patience
  }

  end(): void {
    this.restore()
  }
}

/** Parameters that a `fit` is moving. */
const moving = new WeakSet<Storage>()

/** Whether an epoch that was left goes on: the same data in the same order, and not yet all of it. */
function goesOn({ unfinished, steps }: Optimizer, epoch: Omit<UnfinishedEpoch, 'first'>): boolean {
  const same =
    unfinished &&
    (['seed', 'batchSize', 'samples', 'batches'] as const).every((name) => unfinished[name] === epoch[name])
  return same === true && steps > unfinished.first && steps - unfinished.first < epoch.batches
}

/** What a seed of `fit` is asked for, each another stream of numbers. */
const Streams = { order: 0, augment: 1, layers: 2 }

/**
 * Trains a model: goes through the samples in random order, a batch at a time, and moves the parameters of
 * `optimizer` against the gradient of the loss. The model is in training mode within each step, and only
 * there; layers none of whose parameters the optimiser moves, and frozen ones, stay as they are. The same
 * seed, model and data give the same bytes on any number of threads, and so does training that goes on from
 * what `save` kept: an epoch that was left in its middle (by a signal, or saved in `onBatch`) is gone through
 * to its end first, where samples lie in arrays and seed and batchSize are the same, and counts as one of
 * `epochs`; batches that come from elsewhere are taken as they come.
 *
 * @param model parameters and `forward`
 * @param data inputs, the shape of one sample, and labels or targets; or batches of that, from anything that
 *   can be iterated (an async generator too): then
 * they are taken as they come, and a function gives them anew for every epoch
 * @param options optimizer; epochs 1, batchSize 32, loss crossEntropy, seed 0
 * @returns what each epoch came to; of a signal that is given within `onEpoch`, what there is until then
 * @throws FilterbankError for data whose length does not fit, a label that is no class, a loss that does not
 *   fit the outputs, a loss or gradients that are not
 * finite (step and layer are named), or a model whose parameters another `fit` is moving; the signal's reason
 * when it stops. The step in which that happens changes nothing, neither parameters nor running statistics;
 * the engine is usable afterwards and nothing is left over
 * @example const history = await fit(model, { inputs, shape: [28, 28, 1], labels }, { epochs: 5, optimizer:
 *   adam(model.parameters) })
 */
export async function fit<X, Output extends Tensors>(
  model: Layer<X, Output>,
  data: Source,
  options: FitOptions<Output>,
): Promise<EpochReport[]> {
  const op = 'fit'
  checkOptions(op, options, FIT)
  const {
    optimizer,
    epochs = 1,
    batchSize = 32,
    dropLast = false,
    stepsPerEpoch,
    metrics,
    seed = 0,
    augment = [],
    clipNorm,
    allowUnused,
    validation,
    earlyStopping,
    signal,
    onBatch,
    onEpoch,
  } = options
  const engine = checkSizes(op, model, { epochs, batchSize, stepsPerEpoch })
  check(optimizer instanceof Optimizer, () => ({
    op,
    argument: 'optimizer',
    expected: 'one made by sgd, rmsProp, adam or adamW',
    got: show(optimizer),
  }))
  check(Number.isSafeInteger(seed), () => ({ op, argument: 'seed', expected: 'an integer', got: show(seed) }))
  if (clipNorm !== undefined) checkNumber(clipNorm, 'clipNorm', (v) => v > 0, 'a positive number', { op })
  const samples = isData(data) ? checkData(op, 'data', data) : undefined
  const whole = samples && batchesOf(samples, batchSize, dropLast)
  check(whole !== 0, () => ({
    op,
    argument: 'dropLast',
    expected: `false for ${samples} samples, fewer than batchSize ${batchSize}`,
    got: 'true',
  }))
  const batches = stepsPerEpoch && whole ? Math.min(whole, stepsPerEpoch) : (stepsPerEpoch ?? whole)
  if (validation && isData(validation)) checkData(op, 'validation', validation)
  const loss = new Loss(op, options)
  const best = Best.of(op, model, earlyStopping, metrics)

  const { parameters } = optimizer
  const learning = parameters.filter(({ storage }) => !frozen.has(storage))
  check(learning.length > 0, () => ({
    op,
    argument: 'optimizer',
    expected: 'one of parameters that learn',
    got: 'one whose parameters are all frozen',
  }))
  check(!learning.some(({ storage }) => moving.has(storage)), () => ({
    op,
    argument: 'model',
    expected: 'free',
    got: 'one whose parameters another fit is moving',
  }))
  const mode = new Mode(model, true, new Set(learning.map(({ storage }) => storage)))
  const { state, generators } = model
  const drawing = generators.filter((generator) => unseeded.has(generator))

  /** One step of the optimiser; what it measured before. */
  const compute = (pick: Picked, tally: Tally<Output>): Record<string, number> =>
    engine.scope(() => {
      const batch = batchOf(engine, op, pick, augment, Random.at(seed, optimizer.steps, Streams.augment))
      let measured: Record<string, number> = {}
      const { value, gradients } = valueAndGradients(
        () => {
          const output = model.forward(batch.x as X)
          loss.check(output, pick)
          measured = unrecorded(engine, () => tally.measure(output, batch))
          return loss.measure(output, batch)
        },
        learning,
        { allowUnused },
      )
      const at = `in step ${optimizer.steps + 1}`
      check(Number.isFinite(value), () => ({
        op,
        argument: 'loss',
        expected: 'a finite number',
        got: `${value} ${at}`,
        hint: hintFor(engine, model, batch.x),
      }))
      if (clipNorm !== undefined) clipByGlobalNorm(gradients, clipNorm)
      const each = new Map(learning.map((parameter, i) => [parameter, gradients[i]]))
      try {
        optimizer.step(parameters.map((parameter) => each.get(parameter)))
      } catch (error) {
        if (!(error instanceof FilterbankError && error.argument.startsWith('gradients'))) throw error
        throw new FilterbankError(
          { op, argument: error.argument, expected: error.expected, got: `${error.got} ${at}`, hint: TRY },
          { cause: error },
        )
      }
      return { ...measured, loss: value }
    })

  const step = (pick: Picked, tally: Tally<Output>): Record<string, number> => {
    const putBack = kept(state, generators)
    drawing.forEach((generator, i) => {
      generator.state = Random.at(seed, optimizer.steps, Streams.layers + i).state
    })
    try {
      return mode.run(() => compute(pick, tally))
    } catch (error) {
      putBack()
      throw error
    }
  }

  const history: EpochReport[] = []
  for (const { storage } of learning) moving.add(storage)
  try {
    for (let epoch = 1; epoch <= epochs; epoch++) {
      const place = samples && batches ? { seed, batchSize, samples, batches } : undefined
      const first = place && goesOn(optimizer, place) ? optimizer.unfinished!.first : optimizer.steps
      const skip = optimizer.steps - first
      optimizer.unfinished = place && { ...place, first }
      const tally = new Tally(op, loss.of, metrics)
      let batch = skip
      const random = Random.at(seed, first, Streams.order)
      for await (const pick of picksOf(op, 'data', data, { batchSize, random, skip, dropLast })) {
        signal?.throwIfAborted()
        const measured = step(pick, tally)
        tally.add(pick.samples.length, measured)
        batch++
        if (batch === batches) optimizer.unfinished = undefined
        await onBatch?.({ epoch, batch, batches, loss: measured['loss']! })
        await shareTurns(TURN)
        if (batch === batches) break
      }
      optimizer.unfinished = undefined
      const report: EpochReport = { epoch, ...tally.total }
      if (validation)
        report.validation = await evaluate(model, validation, {
          batchSize,
          loss: options.loss,
          classWeights: options.classWeights,
          metrics,
          signal,
        })
      history.push(report)
      const ends = best?.ends(report)
      const before = signal?.aborted
      const answer = await onEpoch?.(report)
      if (ends || answer === false || (!before && signal?.aborted)) break
    }
  } finally {
    for (const { storage } of learning) moving.delete(storage)
  }
  best?.end()
  return history
}

/**
 * Loss and accuracy of a model on data that it does not learn from. The model computes as in use, and nothing
 * of it changes; others have their turn between batches.
 *
 * @param data as of `fit`
 * @param options batchSize 32, loss crossEntropy, no metrics, signal, onProgress
 * @throws FilterbankError for data whose length does not fit, or a label that is no class; the signal's
 *   reason when it stops
 * @example const { accuracy } = await evaluate(model, test)
 */
export async function evaluate<X, Output extends Tensors>(
  model: Layer<X, Output>,
  data: Source,
  options: EvaluateOptions<Output> = {},
): Promise<Measured> {
  const op = 'evaluate'
  checkOptions(op, options, EVALUATE)
  const { batchSize = 32, metrics, signal, onProgress } = options
  const engine = checkSizes(op, model, { batchSize })
  const loss = new Loss(op, options)
  const tally = new Tally(op, loss.of, metrics)
  const mode = new Mode(model, false)
  const total = isData(data) ? checkData(op, 'data', data) : undefined
  let done = 0
  signal?.throwIfAborted()
  for await (const pick of picksOf(op, 'data', data, { batchSize })) {
    const measured = mode.run(() =>
      unrecorded(engine, () => {
        const batch = batchOf(engine, op, pick)
        const output = model.forward(batch.x as X)
        loss.check(output, pick)
        const value = loss.measure(output, batch).toArray()[0]!
        return { ...tally.measure(output, batch), loss: value }
      }),
    )
    tally.add(pick.samples.length, measured)
    done += pick.samples.length
    onProgress?.({ done, total })
    await shareTurns(TURN)
    signal?.throwIfAborted()
  }
  return tally.total
}

/**
 * What a model answers, a batch at a time. It computes as in use (nothing is dropped, batch norm takes its
 * running statistics), nothing of it changes, no derivatives are noted, and a `fit` that is under way goes on
 * as if nobody had asked; others have their turn between batches. For one batch at once there is
 * `model.forward(x)`.
 *
 * @param inputs a tensor [n, ...], an array of tensors for a model of several inputs, or `{ inputs, shape }`
 *   as of `fit`
 * @param options batchSize 32, signal, onProgress
 * @returns the answers to all samples, [n, ...]: a tensor, or several, to be disposed by the caller
 * @throws FilterbankError for inputs whose length does not fit, or a model that gives another number of
 *   answers; the signal's reason when it stops
 * @example const probabilities = softmax(await predict(model, { inputs: pixels, shape: [28, 28, 1] }))
 */
export async function predict<X, Output extends Tensors>(
  model: Layer<X, Output>,
  inputs: Tensors | Inputs,
  options: ProgressOptions = {},
): Promise<Output> {
  const op = 'predict'
  checkOptions(op, options, PREDICT)
  const { batchSize = 32, signal, onProgress } = options
  checkSizes(op, model, { batchSize })
  const { total, engine, several, take } = samplesIn(op, inputs, model)
  const mode = new Mode(model, false)
  let whole: Tensor[] = []
  let isOne = true
  signal?.throwIfAborted()
  try {
    for (let first = 0; first === 0 || first < total; first += batchSize) {
      const count = Math.min(batchSize, total - first)
      engine.apart(() =>
        mode.run(() =>
          unrecorded(engine, () => {
            const x = take(first, count)
            const output = model.forward((several ? x : x[0]) as X)
            isOne = output instanceof Tensor
            const answers = listOf(output)
            for (const { shape } of answers)
              check(shape[0] === count, () => ({
                op,
                argument: 'model',
                expected: `one that gives ${count} answers for as many samples`,
                got: show(shape),
              }))
            if (first === 0)
              whole = engine.apart(() => answers.map(({ shape }) => engine.zeros([total, ...shape.slice(1)])))
            answers.forEach((answer, i) => {
              const into = whole[i]!
              check(sameShape(answer.shape.slice(1), into.shape.slice(1)), () => ({
                op,
                argument: 'model',
                expected: `one that gives ${show(into.shape.slice(1))} for every sample`,
                got: show(answer.shape.slice(1)),
              }))
              const start = into.pointer / 4 + first * (into.size / Math.max(1, total))
              engine.f32.copyWithin(start, answer.pointer / 4, answer.pointer / 4 + answer.size)
            })
          }),
        ),
      )
      onProgress?.({ done: first + count, total })
      await shareTurns(TURN)
      signal?.throwIfAborted()
    }
    return (isOne ? whole[0] : whole) as Output
  } catch (error) {
    for (const tensor of whole) tensor.dispose()
    throw error
  }
}

/** How many samples there are, and how some of them are taken. */
function samplesIn(op: string, inputs: Tensors | Inputs, model: AnyLayer) {
  const [{ engine }] = model.parameters as [Tensor]
  const expected = 'a tensor, an array of tensors, or { inputs, shape }'
  check(typeof inputs === 'object' && inputs !== null, () => ({
    op,
    argument: 'inputs',
    expected,
    got: show(inputs),
  }))
  if ('inputs' in inputs) {
    const { parts, samples } = checkInputs(op, 'inputs', inputs)
    const { shape } = inputs
    const indices = (first: number, count: number) => Int32Array.from({ length: count }, (_, i) => first + i)
    const take = (first: number, count: number) =>
      listOf(inputsOf(engine, parts, shape, indices(first, count)))
    return { total: samples, engine, several: Array.isArray(shape[0]), take }
  }
  const tensors = listOf(inputs)
  const total = tensors[0]?.shape[0] ?? -1
  const fits =
    Array.isArray(tensors) &&
    tensors.every((tensor) => tensor instanceof Tensor && tensor.shape[0] === total) &&
    total >= 0
  check(fits, () => ({
    op,
    argument: 'inputs',
    expected: `${expected}, of as many samples each`,
    got: show(inputs),
  }))
  const take = (first: number, count: number) =>
    tensors.map((tensor) =>
      slice(tensor, {
        begin: tensor.shape.map((_: number, axis: number) => (axis ? 0 : first)),
        end: [first + count, ...tensor.shape.slice(1)],
      }),
    )
  return { total, engine, several: !(inputs instanceof Tensor), take }
}
