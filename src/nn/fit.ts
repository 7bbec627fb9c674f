/** Training and measuring with data that lies in arrays. */
import { check, show } from '../errors.js'
import { type Shape, sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { checkNumbers, type Numbers } from '../tensor.js'
import { valueAndGradients } from './gradients.js'
import type { Layer } from './layers.js'
import { checkLabels, crossEntropy } from './losses.js'
import { clipByGlobalNorm, type Optimizer } from './optimizers.js'
import { Random, type Seed } from './random.js'

export interface Data {
  /** All samples one after the other, channels innermost. */
  inputs: Numbers
  /** Of one sample: [height, width, channels]. */
  shape: Shape
  /** The class of each sample, from 0. */
  labels: Int32Array | Uint8Array | readonly number[]
}

/** What an answer is held against: classes of a batch. */
export type Loss = (output: Tensor, labels: Int32Array) => Tensor

export interface Measured {
  /** The mean over all samples. */
  loss: number
  /** How many of the samples have their label on top, 0 to 1. */
  accuracy: number
}

export interface BatchReport {
  epoch: number
  /** Batches done in this epoch, of `batches`. */
  batch: number
  batches: number
  loss: number
}

export interface EpochReport extends Measured {
  epoch: number
  /** Of the validation data, where there is some. */
  validation?: Measured
}

export interface FitOptions {
  optimizer: Optimizer
  /** How often all samples are gone through. Default 1. */
  epochs?: number
  /** Samples of one step; what is left over at the end of an epoch is a smaller batch. Default 32. */
  batchSize?: number
  /** Default: crossEntropy. */
  loss?: Loss
  /** What the order of samples follows from, anew every epoch. Default 0. */
  seed?: Seed
  /** Most length of all gradients together. Default: any. */
  clipNorm?: number
  validation?: Data
  /** Stops between two steps. */
  signal?: AbortSignal
  /** Called after every step. */
  onBatch?: (report: BatchReport) => void
  /** Called after every epoch; training waits for a promise. */
  onEpoch?: (report: EpochReport) => void | Promise<void>
}

function checkData(op: string, argument: string, { inputs, shape, labels }: Data): number {
  const samples = labels?.length
  check(samples > 0, () => ({ op, argument: `${argument}.labels`, expected: 'integers, one per sample', got: show(labels) }))
  checkNumbers(inputs, [samples, ...shape], op)
  return samples
}

/** Samples `order` of the data, as one batch. */
function batchOf(model: Layer, { inputs, shape, labels }: Data, order: Int32Array): { x: Tensor; labels: Int32Array } {
  const size = sizeOf(shape)
  const data = new Float32Array(order.length * size)
  order.forEach((sample, i) => {
    for (let j = 0; j < size; j++) data[i * size + j] = inputs[sample * size + j]!
  })
  return { x: model.parameters[0]!.engine.tensor(data, [order.length, ...shape]), labels: Int32Array.from(order, (sample) => labels[sample]!) }
}

/** Rows [n, classes] whose largest number stands at the label. */
function hits(output: Tensor, labels: Int32Array): number {
  const values = output.toArray()
  const classes = values.length / labels.length
  return labels.reduce((total, label, i) => {
    const row = values.subarray(i * classes, (i + 1) * classes)
    return total + Number(row.every((v) => v <= row[label]!))
  }, 0)
}

/** The first layer whose output is not finite, by its index; undefined where a model is no list of layers. */
function firstBad(model: Layer, x: Tensor): string {
  const { layers } = model as { layers?: readonly Layer[] }
  if (!layers) return ''
  return x.engine.scope(() => {
    let output = x
    for (const [i, layer] of layers.entries()) {
      output = layer.forward(output)
      if (!output.toArray().every(Number.isFinite)) return `The first output that is not finite is that of layer ${i}. `
    }
    return ''
  })
}

/**
 * Trains a model: goes through the samples in random order, a batch at a time, and moves the parameters of `optimizer` against the gradient of the loss.
 * The model is in training mode meanwhile. The same seed, model and data give the same bytes on any number of threads.
 *
 * @param model parameters and `forward`
 * @param data inputs, the shape of one sample, labels
 * @param options optimizer; epochs 1, batchSize 32, loss crossEntropy, seed 0
 * @returns what each epoch came to
 * @throws FilterbankError for data whose length does not fit, a label that is no class, or a loss that is not finite (step and layer are named); the signal's
 * reason when it stops. The engine is usable afterwards and nothing is left over
 * @example const history = await fit(model, { inputs, shape: [28, 28, 1], labels }, { epochs: 5, optimizer: adam(model.parameters) })
 */
export async function fit(model: Layer, data: Data, options: FitOptions): Promise<EpochReport[]> {
  const op = 'fit'
  const { optimizer, epochs = 1, batchSize = 32, loss = crossEntropy, seed = 0, clipNorm, validation, signal, onBatch, onEpoch } = options
  const positive = { epochs, batchSize }
  for (const [argument, value] of Object.entries(positive)) {
    check(Number.isInteger(value) && value > 0, () => ({ op, argument, expected: 'a positive integer', got: show(value) }))
  }
  check(optimizer !== undefined, () => ({ op, argument: 'optimizer', expected: 'one made by sgd, rmsProp, adam or adamW', got: show(optimizer) }))
  check(model.parameters.length > 0, () => ({ op, argument: 'model', expected: 'a layer with parameters', got: show(model) }))
  const samples = checkData(op, 'data', data)
  if (validation) checkData(op, 'validation', validation)
  const random = seed instanceof Random ? seed : new Random(seed)
  const { engine } = model.parameters[0]!
  const batches = Math.ceil(samples / batchSize)
  const history: EpochReport[] = []
  const before = model.training
  try {
    for (let epoch = 1; epoch <= epochs; epoch++) {
      model.training = true
      const order = random.shuffled(samples)
      let total = 0
      let right = 0
      for (let batch = 1; batch <= batches; batch++) {
        signal?.throwIfAborted()
        const chosen = order.subarray((batch - 1) * batchSize, batch * batchSize)
        const value = engine.scope(() => {
          const { x, labels } = batchOf(model, data, chosen)
          const result = valueAndGradients(() => {
            const output = model.forward(x)
            if (output.shape.length === 2) {
              checkLabels(op, labels, labels.length, output.shape[1]!)
              right += hits(output, labels)
            }
            return loss(output, labels)
          }, optimizer.parameters)
          check(Number.isFinite(result.value), () => ({
            op,
            argument: 'loss',
            expected: 'a finite number',
            got: `${result.value} in step ${optimizer.steps + 1}`,
            hint: `${firstBad(model, x)}A smaller learning rate or clipNorm may help`,
          }))
          if (clipNorm !== undefined) clipByGlobalNorm(result.gradients, clipNorm)
          optimizer.step(result.gradients)
          return result.value
        })
        total += value * chosen.length
        onBatch?.({ epoch, batch, batches, loss: value })
      }
      const report: EpochReport = { epoch, loss: total / samples, accuracy: right / samples }
      if (validation) report.validation = evaluate(model, validation, { batchSize, loss })
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
 * @param options batchSize 32, loss crossEntropy
 * @throws FilterbankError for data whose length does not fit, or a label that is no class
 * @example const { accuracy } = evaluate(model, test)
 */
export function evaluate(model: Layer, data: Data, options: { batchSize?: number; loss?: Loss } = {}): Measured {
  const { batchSize = 32, loss = crossEntropy } = options
  check(Number.isInteger(batchSize) && batchSize > 0, () => ({ op: 'evaluate', argument: 'batchSize', expected: 'a positive integer', got: show(batchSize) }))
  const samples = checkData('evaluate', 'data', data)
  const { engine } = model.parameters[0]!
  const before = model.training
  model.training = false
  try {
    let total = 0
    let right = 0
    for (let first = 0; first < samples; first += batchSize) {
      engine.scope(() => {
        const order = Int32Array.from({ length: Math.min(batchSize, samples - first) }, (_, i) => first + i)
        const { x, labels } = batchOf(model, data, order)
        const output = model.forward(x)
        total += loss(output, labels).toArray()[0]! * order.length
        if (output.shape.length === 2) right += hits(output, labels)
      })
    }
    return { loss: total / samples, accuracy: right / samples }
  } finally {
    model.training = before
  }
}
