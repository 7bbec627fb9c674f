/** Training. */
import { check, show } from '../../base/errors.js'
import { shareTurns } from '../../base/turns.js'
import { CALLBACK, checkNumber, checkOptions, type Names, SIGNAL } from '../../core/options.js'
import type { Storage } from '../../core/storage.js'
import type { Tensor } from '../../core/tensor.js'
import { frozen } from '../frozen.js'
import { type Layer, Mode, type Tensors } from '../layer.js'
import { Random } from '../random.js'
import type { Augment } from './augment.js'
import { batchesOf, picksOf } from './batches.js'
import { checkData, isData, type Source } from './data.js'
import { Best, type EarlyStopping } from './earlyStopping.js'
import { evaluate } from './evaluate.js'
import { type EpochReport, MEASURE, type MeasureOptions, Tally } from './measure.js'
import { Loss } from './objective.js'
import { Optimizer, type UnfinishedEpoch } from './optimizer.js'
import { Steps, Streams } from './step.js'
import { checkSizes, TURN } from './steps.js'

/** What `fit` tells after a batch. */
export interface BatchReport {
  epoch: number
  /** Batches done in this epoch, of `batches` (undefined where nobody knows). */
  batch: number
  batches: number | undefined
  loss: number
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
  /**
   * Batches whose gradients are one step: each sample counts as in one large batch, of which a part at a time
   * is in memory (batch norm sees the parts). What is left over at the end of an epoch is a step too.
   * Default 1.
   */
  accumulate?: number
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

const FIT: Names<FitOptions> = {
  ...MEASURE,
  optimizer: true,
  epochs: true,
  batchSize: true,
  dropLast: true,
  stepsPerEpoch: true,
  seed: true,
  augment: true,
  accumulate: true,
  clipNorm: true,
  allowUnused: true,
  validation: true,
  earlyStopping: true,
  signal: SIGNAL,
  onBatch: CALLBACK,
  onEpoch: CALLBACK,
}

/** Parameters that a `fit` is moving. */
const moving = new WeakSet<Storage>()

/** Whether an epoch that was left goes on: the same data in the same order, and not yet all of it. */
function goesOn({ unfinished, steps }: Optimizer, epoch: Omit<UnfinishedEpoch, 'first'>): boolean {
  const same =
    unfinished &&
    (['seed', 'batchSize', 'samples', 'batches'] as const).every(
      (name) => unfinished[name] === epoch[name],
    ) &&
    (unfinished.accumulate ?? 1) === epoch.accumulate
  const taken = steps - (unfinished?.first ?? 0)
  return same === true && taken > 0 && taken * (epoch.accumulate ?? 1) < epoch.batches
}

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
    accumulate = 1,
    clipNorm,
    allowUnused,
    validation,
    earlyStopping,
    signal,
    onBatch,
    onEpoch,
  } = options
  const engine = checkSizes(op, model, { epochs, batchSize, stepsPerEpoch, accumulate })
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

  const steps = new Steps(model, {
    ...{ engine, optimizer, learning, mode, loss, seed, augment, accumulate },
    ...(clipNorm !== undefined && { clipNorm }),
    ...(allowUnused !== undefined && { allowUnused }),
  })

  const history: EpochReport[] = []
  for (const { storage } of learning) moving.add(storage)
  try {
    for (let epoch = 1; epoch <= epochs; epoch++) {
      const place = samples && batches ? { seed, batchSize, samples, batches, accumulate } : undefined
      const first = place && goesOn(optimizer, place) ? optimizer.unfinished!.first : optimizer.steps
      const skip = (optimizer.steps - first) * accumulate
      optimizer.unfinished = place && { ...place, first }
      const tally = new Tally(op, loss.of, metrics)
      let batch = skip
      const random = Random.at(seed, first, Streams.order)
      for await (const pick of picksOf(op, 'data', data, { batchSize, random, skip, dropLast })) {
        signal?.throwIfAborted()
        const value = steps.take(pick, tally)
        batch++
        if (batch === batches) optimizer.unfinished = undefined
        if (batch === batches || batch % accumulate === 0) {
          steps.move()
          await onBatch?.({ epoch, batch, batches, loss: value })
        }
        await shareTurns(TURN)
        if (batch === batches) break
      }
      // What comes from elsewhere may end within a step.
      steps.move()
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
    steps.drop()
    for (const { storage } of learning) moving.delete(storage)
  }
  best?.end()
  return history
}
