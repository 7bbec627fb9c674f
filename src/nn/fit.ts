/** Training and measuring. */
import type { Engine } from '../engine.js'
import { check, show } from '../errors.js'
import { Tensor } from '../tensor.js'
import { type Augment, type Batch, batchOf, checkData, isData, type Pick, picksOf, type Source } from './data.js'
import { valueAndGradients } from './gradients.js'
import { type Layer, Residual, Sequential } from './layers.js'
import { checkLabels, crossEntropy } from './losses.js'
import { clipByGlobalNorm, type Optimizer } from './optimizers.js'
import { Random } from './random.js'

/** Milliseconds after which others have their turn: events, timers, a signal. */
const TURN = 50

/** What `evaluate` measured. */
export interface Measured {
  /** The mean over all samples. */
  loss: number
  /** How many of the samples have their label on top, 0 to 1. NaN for data without labels. */
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

/** What `evaluate` takes beside the model and the data. */
export interface EvaluateOptions {
  /** Samples at a time. Default 32. */
  batchSize?: number
  /** How far off answers are: one number, the mean over the batch. Given labels where the data has them, else a tensor of targets. Default: crossEntropy. */
  loss?(output: Tensor, expected: Int32Array | Tensor): Tensor
  /** More to measure, by name: each gives a number for a batch. */
  metrics?: Record<string, Metric>
}

/** Measures a batch. The type of a method, which lets what takes labels alone stand here. */
export type Metric = {
  /** A number for a batch. */
  measure(output: Tensor, expected: Int32Array | Tensor): number
}['measure']

/** What `fit` takes beside the model and the data. */
export interface FitOptions extends EvaluateOptions {
  optimizer: Optimizer
  /** How often all samples are gone through. Default 1. */
  epochs?: number
  /** Samples of one step; what is left over at the end of an epoch is a smaller batch. Default 32. */
  batchSize?: number
  /** What the order of samples and their augmentation follow from, together with the steps taken: anew every epoch. Default 0. */
  seed?: number
  /** What happens to samples before they are learned from, one after the other. Default: nothing. */
  augment?: readonly Augment[]
  /** Most length of all gradients together. Default: any. */
  clipNorm?: number
  /** Measured after every epoch. */
  validation?: Source
  /** Stops between two steps. */
  signal?: AbortSignal
  /** Called after every step; training waits for a promise. */
  onBatch?: (report: BatchReport) => unknown
  /** Called after every epoch; training waits for a promise. */
  onEpoch?: (report: EpochReport) => unknown
}

/**
 * How many rows of [n, classes] have their largest number at the label, 0 to 1; of several that are equal the first counts.
 * @example const share = accuracy(model.forward(x), labels)
 */
export function accuracy(output: Tensor, labels: ArrayLike<number>): number {
  checkLabels('accuracy', labels, output.shape[0]!, output.shape[1] ?? 0)
  const values = output.toArray()
  const classes = output.shape[1]!
  let right = 0
  for (let i = 0; i < labels.length; i++) {
    const row = values.subarray(i * classes, (i + 1) * classes)
    right += Number(row.indexOf(Math.max(...row)) === labels[i])
  }
  return right / labels.length
}

/** Adds up what batches measure. */
class Tally {
  private samples = 0
  private readonly sums: Record<string, number> = {}

  constructor(private readonly metrics: EvaluateOptions['metrics'] = {}) {}

  /** What an answer comes to, beside the loss. */
  measure(output: Tensor, { expected }: Batch): Record<string, number> {
    const entries = Object.entries(this.metrics ?? {}).map(([name, measure]) => [`own ${name}`, measure(output, expected)])
    const ranked = !(expected instanceof Tensor) && output.shape.length === 2 && output.shape[1]! > 1
    return { accuracy: ranked ? accuracy(output, expected) : Number.NaN, ...Object.fromEntries(entries) }
  }

  add(samples: number, measured: Record<string, number>): void {
    this.samples += samples
    for (const [name, value] of Object.entries(measured)) this.sums[name] = (this.sums[name] ?? 0) + value * samples
  }

  get total(): Measured {
    const of = (name: string) => (this.sums[name] ?? Number.NaN) / this.samples
    return { loss: of('loss'), accuracy: of('accuracy'), metrics: Object.fromEntries(Object.keys(this.metrics ?? {}).map((name) => [name, of(`own ${name}`)])) }
  }
}

/** Throws where a label is no class of the model's; all labels of data in arrays at once, so that training does not stop at a later batch. */
class LabelCheck {
  private readonly known = new Set<unknown>()

  constructor(
    private readonly op: string,
    private readonly loss: unknown,
  ) {}

  check(output: Tensor, { data }: Pick): void {
    if (this.loss !== crossEntropy || !data.labels || output.shape.length !== 2 || this.known.has(data.labels)) return
    checkLabels(this.op, data.labels, data.labels.length, output.shape[1]!)
    this.known.add(data.labels)
  }
}

const allFinite = (tensor: Tensor): boolean => tensor.toArray().every(Number.isFinite)

/** The place of the first layer whose output is not finite, such as `2.0`; undefined where there is none. */
function firstBad(layer: Layer, x: Tensor, place: string[]): string | undefined {
  const layers = layer instanceof Sequential || layer instanceof Residual ? layer.layers : []
  let output = x
  for (const [i, inner] of layers.entries()) {
    const bad = firstBad(inner, output, [...place, `${i}`])
    if (bad !== undefined) return bad
    output = inner.forward(output)
  }
  return allFinite(layer.forward(x)) ? undefined : place.join('.')
}

/** What to do about a loss that is not finite. */
function hintFor(model: Layer, x: Tensor): string {
  if (!allFinite(x)) return 'An input of this batch is not finite'
  const bad = x.engine.scope(() => firstBad(model, x, []))
  const where = bad ? `The first output that is not finite is that of layer ${bad}. ` : ''
  return `${where}A smaller learning rate or clipNorm may help`
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

function checkSizes(op: string, model: Layer, sizes: Record<string, number>): Engine {
  for (const [argument, value] of Object.entries(sizes)) {
    check(Number.isInteger(value) && value > 0, () => ({ op, argument, expected: 'a positive integer', got: show(value) }))
  }
  check(model?.parameters?.length > 0, () => ({ op, argument: 'model', expected: 'a layer with parameters', got: show(model) }))
  return model.parameters[0]!.engine
}

/**
 * Trains a model: goes through the samples in random order, a batch at a time, and moves the parameters of `optimizer` against the gradient of the loss.
 * The model is in training mode meanwhile. The same seed, model and data give the same bytes on any number of threads, and so does training that goes on
 * from what `save` kept.
 *
 * @param model parameters and `forward`
 * @param data inputs, the shape of one sample, and labels or targets; or batches of that, from anything that can be iterated (an async generator too): then
 * they are taken as they come, and a function gives them anew for every epoch
 * @param options optimizer; epochs 1, batchSize 32, loss crossEntropy, seed 0
 * @returns what each epoch came to
 * @throws FilterbankError for data whose length does not fit, a label that is no class, or a loss that is not finite (step and layer are named); the signal's
 * reason when it stops. The engine is usable afterwards and nothing is left over
 * @example const history = await fit(model, { inputs, shape: [28, 28, 1], labels }, { epochs: 5, optimizer: adam(model.parameters) })
 */
export async function fit(model: Layer, data: Source, options: FitOptions): Promise<EpochReport[]> {
  const op = 'fit'
  const {
    optimizer,
    epochs = 1,
    batchSize = 32,
    loss = crossEntropy,
    metrics,
    seed = 0,
    augment = [],
    clipNorm,
    validation,
    signal,
    onBatch,
    onEpoch,
  } = options
  const engine = checkSizes(op, model, { epochs, batchSize })
  check(optimizer !== undefined, () => ({ op, argument: 'optimizer', expected: 'one made by sgd, rmsProp, adam or adamW', got: show(optimizer) }))
  check(Number.isFinite(seed), () => ({ op, argument: 'seed', expected: 'a number', got: show(seed) }))
  const samples = isData(data) ? checkData(op, 'data', data) : undefined
  check(samples === undefined || options.batchSize === undefined || batchSize <= samples, () => ({ op, argument: 'batchSize', expected: `at most ${samples}, the number of samples`, got: show(batchSize) })) // biome-ignore format: one line
  if (validation && isData(validation)) checkData(op, 'validation', validation)
  const labels = new LabelCheck(op, loss)

  /** One step of the optimiser; what it measured before. */
  const step = (pick: Pick, tally: Tally, random: Random): Record<string, number> =>
    engine.scope(() => {
      const batch = batchOf(engine, pick, augment, random)
      let measured: Record<string, number> = {}
      const { value, gradients } = valueAndGradients(() => {
        const output = model.forward(batch.x)
        labels.check(output, pick)
        measured = unrecorded(engine, () => tally.measure(output, batch))
        return loss(output, batch.expected as Int32Array & Tensor)
      }, optimizer.parameters)
      check(Number.isFinite(value), () => ({ op, argument: 'loss', expected: 'a finite number', got: `${value} in step ${optimizer.steps + 1}`, hint: hintFor(model, batch.x) })) // biome-ignore format: one line
      if (clipNorm !== undefined) clipByGlobalNorm(gradients, clipNorm)
      optimizer.step(gradients)
      return { ...measured, loss: value }
    })

  const history: EpochReport[] = []
  const before = model.training
  let turn = performance.now()
  try {
    for (let epoch = 1; epoch <= epochs; epoch++) {
      model.training = true
      const random = Random.at(seed, optimizer.steps)
      const tally = new Tally(metrics)
      let batch = 0
      for await (const pick of picksOf(op, 'data', data, batchSize, random)) {
        signal?.throwIfAborted()
        const measured = step(pick, tally, random)
        tally.add(pick.samples.length, measured)
        batch++
        await onBatch?.({ epoch, batch, batches: samples && Math.ceil(samples / batchSize), loss: measured['loss']! })
        if (performance.now() - turn > TURN) {
          await new Promise((resolve) => setTimeout(resolve))
          turn = performance.now()
        }
      }
      const report: EpochReport = { epoch, ...tally.total }
      if (validation) report.validation = await evaluate(model, validation, { batchSize, loss, metrics })
      history.push(report)
      await onEpoch?.(report)
    }
  } finally {
    model.training = before
  }
  return history
}

/**
 * Loss and accuracy of a model on data that it does not learn from. The model is out of training mode meanwhile.
 *
 * @param data as of `fit`
 * @param options batchSize 32, loss crossEntropy, no metrics
 * @throws FilterbankError for data whose length does not fit, or a label that is no class
 * @example const { accuracy } = await evaluate(model, test)
 */
export async function evaluate(model: Layer, data: Source, options: EvaluateOptions = {}): Promise<Measured> {
  const op = 'evaluate'
  const { batchSize = 32, loss = crossEntropy, metrics } = options
  const engine = checkSizes(op, model, { batchSize })
  const labels = new LabelCheck(op, loss)
  const tally = new Tally(metrics)
  const before = model.training
  try {
    for await (const pick of picksOf(op, 'data', data, batchSize)) {
      model.training = false
      engine.scope(() => {
        const batch = batchOf(engine, pick)
        const output = model.forward(batch.x)
        labels.check(output, pick)
        const value = loss(output, batch.expected as Int32Array & Tensor).toArray()[0]!
        tally.add(pick.samples.length, { ...tally.measure(output, batch), loss: value })
      })
    }
  } finally {
    model.training = before
  }
  return tally.total
}
