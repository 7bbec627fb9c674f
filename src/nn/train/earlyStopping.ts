/** When training ends before its last epoch. */
import { check, show } from '../../base/errors.js'
import { checkOptions, type Names } from '../../core/options.js'
import type { AnyLayer } from '../layer.js'
import type { EpochReport } from './measure.js'
import { kept } from './steps.js'

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

const EARLY_STOPPING: Names<EarlyStopping> = {
  patience: true,
  metric: true,
  better: true,
  minDelta: true,
  restoreBest: true,
}

/** Looks whether training gets better, and keeps the best. */
export class Best {
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
