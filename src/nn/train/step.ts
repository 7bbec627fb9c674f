/** The steps of `fit`: derivatives of batches, and what an optimiser makes of them. */
import { check, FilterbankError } from '../../base/errors.js'
import type { Engine } from '../../core/engine.js'
import type { Tensor } from '../../core/tensor.js'
import { add, mul } from '../../ops/arithmetic.js'
import type { Layer, Mode, Tensors } from '../layer.js'
import { Random, unseeded } from '../random.js'
import type { Augment } from './augment.js'
import { batchOf, type Picked } from './batches.js'
import { clipByGlobalNorm } from './clip.js'
import { valueAndGradients } from './gradients.js'
import type { BatchMeasures, Tally } from './measure.js'
import type { Loss } from './objective.js'
import type { Optimizer } from './optimizer.js'
import { hintFor, kept, TRY, unrecorded } from './steps.js'

/** What a seed of `fit` is asked for, each another stream of numbers. */
export const Streams = { order: 0, augment: 1, layers: 2 }

interface StepOptions<Output extends Tensors> {
  engine: Engine
  optimizer: Optimizer
  /** The parameters that are not frozen. */
  learning: readonly Tensor[]
  mode: Mode
  loss: Loss<Output>
  seed: number
  augment: readonly Augment[]
  /** Batches of a step. */
  accumulate: number
  clipNorm?: number
  allowUnused?: boolean
}

/** What the batches of a step that is not taken yet came to. */
interface Pending {
  gradients: Tensor[]
  samples: number
  batches: number
  /** Puts state and generators back as they were before. */
  putBack: () => void
}

export class Steps<X, Output extends Tensors> {
  private pending: Pending | undefined
  private readonly drawing: readonly Random[]

  constructor(
    private readonly model: Layer<X, Output>,
    private readonly options: StepOptions<Output>,
  ) {
    this.drawing = model.generators.filter((generator) => unseeded.has(generator))
  }

  /** Takes a batch, whose loss it gives; where anything is wrong with it nothing has changed. */
  take(pick: Picked, tally: Tally<Output>): number {
    const { model, options } = this
    const { optimizer, seed, mode, accumulate } = options
    const putBack = this.pending?.putBack ?? kept(model.state, model.generators)
    const index = optimizer.steps * accumulate + (this.pending?.batches ?? 0)
    this.drawing.forEach((generator, i) => {
      generator.state = Random.at(seed, index, Streams.layers + i).state
    })
    try {
      const { loss, measures, gradients } = mode.run(() => this.compute(pick, tally, index))
      const samples = pick.samples.length
      this.pending = { ...this.joined(gradients, samples), putBack }
      // One batch is one step, all in one.
      if (accumulate === 1) this.move()
      tally.add(samples, loss, measures)
      return loss
    } catch (error) {
      putBack()
      this.forget()
      throw error
    }
  }

  /** Moves the parameters by what was taken since the last move. */
  move(): void {
    const { pending } = this
    if (!pending) return
    const { engine, optimizer, learning, accumulate, clipNorm, mode } = this.options
    const { gradients, samples, putBack } = pending
    const at = `in step ${optimizer.steps + 1}`
    try {
      mode.run(() =>
        engine.scope(() => {
          if (accumulate > 1) for (const gradient of gradients) mul(gradient, 1 / samples, { out: gradient })
          if (clipNorm !== undefined) clipByGlobalNorm(gradients, clipNorm)
          const each = new Map(learning.map((parameter, i) => [parameter, gradients[i]]))
          optimizer.step(optimizer.parameters.map((parameter) => each.get(parameter)))
        }),
      )
      this.pending = undefined
    } catch (error) {
      putBack()
      if (!(error instanceof FilterbankError && error.argument.startsWith('gradients'))) throw error
      throw new FilterbankError(
        {
          op: 'fit',
          argument: error.argument,
          expected: error.expected,
          got: `${error.got} ${at}`,
          hint: TRY,
        },
        { cause: error },
      )
    } finally {
      this.forget()
    }
  }

  /** Leaves a step that was begun, as if it had not been. */
  drop(): void {
    this.pending?.putBack()
    this.forget()
  }

  private forget(): void {
    for (const gradient of this.pending?.gradients ?? []) gradient.dispose()
    this.pending = undefined
  }

  /** The gradients of all batches of the step, each times its samples where several may come. */
  private joined(gradients: Tensor[], samples: number): Omit<Pending, 'putBack'> {
    const { engine, accumulate } = this.options
    const { pending } = this
    if (accumulate === 1) return { gradients, samples, batches: 1 }
    for (const gradient of gradients) mul(gradient, samples, { out: gradient })
    if (!pending) return { gradients, samples, batches: 1 }
    engine.scope(() => {
      for (const [i, sum] of pending.gradients.entries()) add(sum, gradients[i]!, { out: sum })
      for (const gradient of gradients) gradient.dispose()
    })
    return { ...pending, samples: pending.samples + samples, batches: pending.batches + 1 }
  }

  private compute(
    pick: Picked,
    tally: Tally<Output>,
    index: number,
  ): { loss: number; measures: BatchMeasures; gradients: Tensor[] } {
    const { model, options } = this
    const { engine, loss, learning, augment, seed, allowUnused, optimizer } = options
    // Kept beyond the scopes around: the step may be taken after other batches.
    return engine.apart(() =>
      engine.scope(() => {
        const batch = batchOf(engine, 'fit', pick, augment, Random.at(seed, index, Streams.augment))
        let measures: BatchMeasures | undefined
        const { value, gradients } = valueAndGradients(
          () => {
            const output = model.forward(batch.x as X)
            loss.check(output, pick)
            measures = unrecorded(engine, () => tally.measure(output, batch))
            return loss.measure(output, batch)
          },
          learning,
          allowUnused === undefined ? {} : { allowUnused },
        )
        const at = `in step ${optimizer.steps + 1}`
        check(Number.isFinite(value), () => ({
          op: 'fit',
          argument: 'loss',
          expected: 'a finite number',
          got: `${value} ${at}`,
          hint: hintFor(engine, model, batch.x),
        }))
        return { loss: value, measures: measures!, gradients }
      }),
    )
  }
}
