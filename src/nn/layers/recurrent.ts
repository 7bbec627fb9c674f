/** Recurrent layers. */

import { check, show } from '../../base/errors.js'
import type { Engine } from '../../core/engine.js'
import { checkOptions, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { concat } from '../../ops/concat.js'
import { gru, lstm, type RecurrentOptions, type RecurrentResult, rnn } from '../../ops/recurrent.js'
import { Layer } from '../layer.js'
import { checkSeed, randomOf } from '../random.js'
import { positive, type WeightOptions, weights } from './weights.js'

/** Sizes and weights of a recurrent layer. */
export interface RecurrentLayerOptions extends WeightOptions {
  inFeatures: number
  /** Units: numbers of the state. */
  hidden: number
  /**
   * What it gives: `'sequence'`, the states of all steps, [n, steps, hidden]; `'last'`, that after the last
   * one, [n, hidden]. Default 'sequence'.
   */
  output?: 'sequence' | 'last'
  /**
   * Whether a second one reads from the end: its states stand behind the others, 2 * hidden in all.
   * Default false.
   */
  bidirectional?: boolean
  /** How many stand on top of each other, each on the states of the one below. Default 1. */
  layers?: number
}

/** Sizes and weights of an `Rnn`. */
export interface RnnLayerOptions extends RecurrentLayerOptions {
  /** Default 'tanh'. */
  activation?: 'tanh' | 'relu'
}

const RECURRENT: Names<RecurrentLayerOptions> = {
  inFeatures: true,
  hidden: true,
  output: true,
  bidirectional: true,
  layers: true,
  initial: true,
  seed: true,
}
const RNN: Names<RnnLayerOptions> = { ...RECURRENT, activation: true }

/** How many gates each has, and whether the state's shares have biases of their own. */
const KINDS = {
  Rnn: { gates: 1, stateBias: false },
  Lstm: { gates: 4, stateBias: false },
  Gru: { gates: 3, stateBias: true },
} as const

/** The parameters of one layer in one direction. */
interface Way {
  inputWeight: Tensor
  stateWeight: Tensor
  bias: Tensor
  stateBias?: Tensor
}

const isOutput = (value: unknown): boolean => value === 'sequence' || value === 'last'

/** All layers in both directions, the lowest first; names of those above end in their number. */
function waysOf(engine: Engine, name: 'Rnn' | 'Lstm' | 'Gru', options: RecurrentLayerOptions): Way[][] {
  const { gates, stateBias } = KINDS[name]
  const { inFeatures, hidden, bidirectional = false, layers = 1, output = 'sequence' } = options
  positive(name, { inFeatures, hidden, layers })
  const fail = (argument: string, expected: string, got: unknown) => ({
    op: name,
    argument,
    expected,
    got: show(got),
  })
  check(isOutput(output), () => fail('output', "'sequence' or 'last'", output))
  check(typeof bidirectional === 'boolean', () => fail('bidirectional', 'true or false', bidirectional))
  const columns = gates * hidden
  if (options.seed !== undefined) checkSeed(options.seed, name)
  const made: Tensor[] = []
  // One generator for all, which goes on from matrix to matrix.
  const drawn = { initial: options.initial ?? 'uniform', seed: randomOf(options.seed, engine) } as const
  try {
    return Array.from({ length: layers }, (_, layer) =>
      (bidirectional ? ['', '.reverse'] : ['']).map((direction) => {
        const place = `${layer ? `.${layer}` : ''}${direction}`
        const matrix = (use: string, rows: number): Tensor => {
          const [weight] = weights(
            engine,
            name,
            use + place,
            [rows, columns],
            columns,
            [hidden, columns],
            false,
            drawn,
          )
          made.push(weight!)
          return weight!
        }
        const vector = (use: string): Tensor => {
          const zeros = engine.zeros([columns])
          made.push(zeros)
          zeros.name = use + place
          return zeros
        }
        const way: Way = {
          inputWeight: matrix('inputWeight', layer ? hidden * (bidirectional ? 2 : 1) : inFeatures),
          stateWeight: matrix('stateWeight', hidden),
          bias: vector('bias'),
          ...(stateBias && { stateBias: vector('stateBias') }),
        }
        // An LSTM remembers at first.
        if (name === 'Lstm') way.bias.set(way.bias.toArray().fill(1, hidden, 2 * hidden))
        return way
      }),
    )
  } catch (error) {
    for (const tensor of made) tensor.dispose()
    throw error
  }
}

/** What `Rnn`, `Lstm` and `Gru` have in common. */
export abstract class RecurrentLayer extends Layer {
  readonly #ways: readonly (readonly Way[])[]

  constructor(
    engine: Engine,
    name: 'Rnn' | 'Lstm' | 'Gru',
    readonly options: RecurrentLayerOptions,
  ) {
    const ways = waysOf(engine, name, options)
    super(ways.flat().flatMap((way) => Object.values(way) as Tensor[]))
    this.#ways = ways
  }

  /** One layer in one direction. @internal */
  protected abstract step(x: Tensor, options: RecurrentOptions): RecurrentResult

  forward(x: Tensor): Tensor {
    const { engine } = x
    return engine.scope(() => {
      let y = x
      for (const [i, ways] of this.#ways.entries()) {
        const results = ways.map((way, d) => this.step(y, { ...way, reverse: d === 1 }))
        const last = this.options.output === 'last' && i === this.#ways.length - 1
        const given = results.map(({ output, state }) => (last ? state : output))
        y = given.length > 1 ? concat(given, { axis: -1 }) : given[0]!
      }
      return y
    })
  }
}

/**
 * `rnn` with weights of its own, one or several on top of each other, in one direction or both: [n, steps,
 * inFeatures] -> [n, steps, hidden], or [n, hidden] of the last step. Options: inFeatures, hidden, output
 * 'sequence', bidirectional false, layers 1, activation 'tanh', initial 'uniform' within 1 / sqrt(hidden) as
 * PyTorch's, seed.
 * @example new Rnn(engine, { inFeatures: 2, hidden: 32, output: 'last' })
 */
export class Rnn extends RecurrentLayer {
  constructor(engine: Engine, options: RnnLayerOptions) {
    checkOptions('Rnn', options, RNN)
    const { activation = 'tanh' } = options
    check(activation === 'tanh' || activation === 'relu', () => ({
      op: 'Rnn',
      argument: 'activation',
      expected: "'tanh' or 'relu'",
      got: show(activation),
    }))
    super(engine, 'Rnn', options)
  }

  protected step(x: Tensor, options: RecurrentOptions): RecurrentResult {
    const { activation = 'tanh' } = this.options as RnnLayerOptions
    return rnn(x, { ...options, activation })
  }
}

/**
 * `lstm` with weights of its own; shapes and options as of `Rnn`, but for the activation. The biases of the
 * forget gates are 1 at first. (Jozefowicz et al., "An empirical exploration of recurrent network
 * architectures", 2015)
 * @example new Lstm(engine, { inFeatures: 32, hidden: 128, layers: 2, bidirectional: true })
 */
export class Lstm extends RecurrentLayer {
  constructor(engine: Engine, options: RecurrentLayerOptions) {
    checkOptions('Lstm', options, RECURRENT)
    super(engine, 'Lstm', options)
  }

  protected step(x: Tensor, options: RecurrentOptions): RecurrentResult {
    return lstm(x, options)
  }
}

/**
 * `gru` with weights of its own; shapes and options as of `Rnn`, but for the activation.
 * @example new Gru(engine, { inFeatures: 32, hidden: 128, output: 'last' })
 */
export class Gru extends RecurrentLayer {
  constructor(engine: Engine, options: RecurrentLayerOptions) {
    checkOptions('Gru', options, RECURRENT)
    super(engine, 'Gru', options)
  }

  protected step(x: Tensor, options: RecurrentOptions): RecurrentResult {
    return gru(x, options)
  }
}
