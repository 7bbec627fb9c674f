/** Measuring and answering. */
import { check, show } from '../../base/errors.js'
import { sameShape } from '../../base/shape.js'
import { shareTurns } from '../../base/turns.js'
import { CALLBACK, checkOptions, type Names, SIGNAL } from '../../core/options.js'
import { Tensor } from '../../core/tensor.js'
import { slice } from '../../ops/slice.js'
import { type AnyLayer, type Layer, Mode, type Tensors } from '../layer.js'
import { batchOf, inputsOf, picksOf } from './batches.js'
import { checkData, checkInputs, type Inputs, isData, type Source } from './data.js'
import { MEASURE, type Measured, type MeasureOptions, Tally } from './measure.js'
import { Loss } from './objective.js'
import { checkSizes, listOf, TURN, unrecorded } from './steps.js'

/** What has a signal, and tells how far it is. */
export interface ProgressOptions {
  /** Samples at a time. Default 32. */
  batchSize?: number
  /** Stops between two batches. */
  signal?: AbortSignal
  /** Called after every batch: samples done, of `total` (undefined where nobody knows). */
  onProgress?: (progress: { done: number; total: number | undefined }) => unknown
}

/** What `evaluate` takes beside the model and the data. */
export interface EvaluateOptions<Output extends Tensors = Tensor>
  extends MeasureOptions<Output>,
    ProgressOptions {}

const EVALUATE: Names<EvaluateOptions> = { ...MEASURE, batchSize: true, signal: SIGNAL, onProgress: CALLBACK }
const PREDICT: Names<ProgressOptions> = { batchSize: true, signal: SIGNAL, onProgress: CALLBACK }

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
        return { loss: value, measures: tally.measure(output, batch) }
      }),
    )
    tally.add(pick.samples.length, measured.loss, measured.measures)
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
