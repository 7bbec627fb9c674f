/** Layers of transformers. */
import { check, show } from '../../base/errors.js'
import type { Engine } from '../../core/engine.js'
import { checkInteger, checkNumber, checkOptions, MOST, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import type { Activation as ActivationKind } from '../../ops/activation.js'
import { add } from '../../ops/arithmetic.js'
import { attention } from '../../ops/attention.js'
import { slice } from '../../ops/slice.js'
import { transpose } from '../../ops/transpose.js'
import { copy } from '../../plans/copy.js'
import { Layer } from '../layer.js'
import { randomOf, type Seed } from '../random.js'
import { Activation, Dropout } from './elementwise.js'
import { Linear } from './linear.js'
import { LayerNorm } from './norm.js'
import { positive, type WeightOptions, weights } from './weights.js'

/** Sizes and weights of a `MultiHeadAttention`. */
export interface MultiHeadAttentionOptions extends WeightOptions {
  /** Numbers of each token; a multiple of heads. */
  features: number
  heads: number
  /** Heads of keys and values, a divisor of heads: each serves several neighbours. Default heads. */
  kvHeads?: number
  /** Whether a token sees itself and those before it alone. Default false. */
  causal?: boolean
  /** Whether the four products add a bias. Default true. */
  bias?: boolean
}

const MULTI_HEAD: Names<MultiHeadAttentionOptions> = {
  features: true,
  heads: true,
  kvHeads: true,
  causal: true,
  bias: true,
  initial: true,
  seed: true,
}

/** Room for the keys and values of tokens that are written one after the other. */
export interface CacheOptions {
  /** Sequences that are written at once. Default 1. */
  batch?: number
  /** Tokens that there is room for. */
  length: number
}

const CACHE: Names<CacheOptions> = { batch: true, length: true }

/** The keys and values of the tokens so far, for `MultiHeadAttention.step`. */
export class KeyCache {
  /** Tokens that it holds. */
  used = 0

  /** @internal */
  constructor(
    /** [batch, kvHeads, length, size] */
    readonly keys: Tensor,
    /** As the keys. */
    readonly values: Tensor,
  ) {}

  /** Forgets all tokens. */
  clear(): void {
    this.used = 0
  }

  /** Gives its memory back. */
  dispose(): void {
    this.keys.dispose()
    this.values.dispose()
  }
}

/**
 * Attention of several heads: products of x give queries, keys and values, and one more takes what the heads
 * found together. x [n, length, features] -> [n, length, features]; of two inputs [x, memory] the keys and
 * values are those of the second, [n, keys, features]. (Vaswani et al., "Attention is all you need", 2017)
 * Options: features, heads, kvHeads = heads, causal false, bias true, initial 'glorot', seed.
 *
 * To write token by token: `step` takes the next tokens and keeps their keys and values in a cache, so that
 * nothing is computed twice.
 *
 * @example
 * const layer = new MultiHeadAttention(engine, { features: 64, heads: 4, causal: true })
 * const cache = layer.cache({ length: 256 })
 * const y = layer.step(x, cache) // x [1, 1, 64], the next token; as the last row of forward on all so far
 */
export class MultiHeadAttention extends Layer<Tensor | readonly [Tensor, Tensor]> {
  readonly query: Linear
  readonly key: Linear
  readonly value: Linear
  readonly output: Linear
  readonly #engine: Engine

  constructor(
    engine: Engine,
    readonly options: MultiHeadAttentionOptions,
  ) {
    super()
    const op = 'MultiHeadAttention'
    checkOptions(op, options, MULTI_HEAD)
    const { features, heads, kvHeads = heads, bias = true, initial = 'glorot', seed } = options
    positive(op, { features, heads, kvHeads })
    check(features % heads === 0, () => ({
      op,
      argument: 'heads',
      expected: `a divisor of features, ${features}`,
      got: show(heads),
    }))
    check(heads % kvHeads === 0, () => ({
      op,
      argument: 'kvHeads',
      expected: `a divisor of heads, ${heads}`,
      got: show(kvHeads),
    }))
    this.#engine = engine
    const random = randomOf(seed, engine)
    const inner = (features / heads) * kvHeads
    const made: Linear[] = []
    try {
      for (const outFeatures of [features, inner, inner, features])
        made.push(new Linear(engine, { inFeatures: features, outFeatures, bias, initial, seed: random }))
    } catch (error) {
      for (const layer of made) layer.dispose()
      throw error
    }
    ;[this.query, this.key, this.value, this.output] = made as [Linear, Linear, Linear, Linear]
  }

  forward(x: Tensor | readonly [Tensor, Tensor]): Tensor {
    const [from, to] = Array.isArray(x) ? (x as readonly [Tensor, Tensor]) : [x as Tensor, x as Tensor]
    this.#check('x', from)
    this.#check('memory', to, from.shape[0])
    const { causal = false } = this.options
    return from.engine.scope(() =>
      this.#joined(
        attention(this.#heads(this.query, from), this.#heads(this.key, to), this.#heads(this.value, to), {
          causal,
        }),
      ),
    )
  }

  /** A cache for `step`, empty. Options: batch 1, length. */
  cache(options: CacheOptions): KeyCache {
    checkOptions('MultiHeadAttention', options, CACHE)
    const { batch = 1, length } = options
    positive('MultiHeadAttention', { batch, length })
    const { features, heads, kvHeads = heads } = this.options
    const shape = [batch, kvHeads, length, features / heads]
    const keys = this.#engine.zeros(shape)
    try {
      return new KeyCache(keys, this.#engine.zeros(shape))
    } catch (error) {
      keys.dispose()
      throw error
    }
  }

  /**
   * What `forward` of a causal layer gives for the next tokens, x [batch, steps, features], behind those in
   * the cache, which they enter. There are no derivatives.
   * @throws FilterbankError where the cache has no room for them, or is of another batch
   */
  step(x: Tensor, cache: KeyCache): Tensor {
    this.#check('x', x, cache.keys.shape[0])
    const op = 'MultiHeadAttention'
    const { engine } = x
    const [batch, kvHeads, room, size] = cache.keys.shape as [number, number, number, number]
    const steps = x.shape[1]!
    check(cache.used + steps <= room, () => ({
      op,
      argument: 'x',
      expected: `${room - cache.used} tokens at most, which the cache has room for`,
      got: show(steps),
      shapes: { x: x.shape, cache: cache.keys.shape },
    }))
    check(!engine.tape, () => ({
      op,
      argument: 'step',
      expected: 'called without derivatives',
      got: 'a call inside of valueAndGradients',
    }))
    const y = engine.scope(() => {
      for (const [layer, held] of [
        [this.key, cache.keys],
        [this.value, cache.values],
      ] as const) {
        const next = this.#heads(layer, x)
        held.storage.write(op)
        copy(engine, next.pointer, held.pointer + 4 * cache.used * size, [
          { length: batch * kvHeads, from: steps * size, to: room * size },
          { length: steps * size, from: 1, to: 1 },
        ])
      }
      return this.#joined(
        attention(this.#heads(this.query, x), cache.keys, cache.values, { causal: cache.used }),
      )
    })
    cache.used += steps
    return y
  }

  #check(argument: string, x: Tensor, n = x?.shape?.[0]): void {
    const { features } = this.options
    check(x?.shape?.length === 3 && x.shape[2] === features && x.shape[0] === n, () => ({
      op: 'MultiHeadAttention',
      argument,
      expected: `[${argument === 'x' ? 'n' : n}, length, ${features}]`,
      got: show(x?.shape),
    }))
  }

  /** x [n, length, features] by a layer, as [n, heads, length, size]. */
  #heads(layer: Linear, x: Tensor): Tensor {
    const size = this.options.features / this.options.heads
    const y = layer.forward(x)
    const [n, length, all] = y.shape as [number, number, number]
    return transpose(y.reshape([n, length, all / size, size]), [0, 2, 1, 3])
  }

  #joined(y: Tensor): Tensor {
    const [n, heads, length, size] = y.shape as [number, number, number, number]
    return this.output.forward(transpose(y, [0, 2, 1, 3]).reshape([n, length, heads * size]))
  }
}

/** Sizes and weights of a `TransformerBlock`. */
export interface TransformerBlockOptions extends MultiHeadAttentionOptions {
  /** Numbers between the two products that follow attention. Default 4 * features. */
  hidden?: number
  /** Applied to them. Default 'gelu'. */
  activation?: ActivationKind
  /** Share of numbers that are dropped in training, of what each half adds. Default 0. */
  dropout?: number
}

const BLOCK: Names<TransformerBlockOptions> = { ...MULTI_HEAD, hidden: true, activation: true, dropout: true }

/**
 * Attention and two products, each behind a layer norm and added to what it took:
 *
 *   h = x + attention(norm(x)),  y = h + contract(activation(expand(norm(h))))
 *
 * (Xiong et al., "On layer normalization in the transformer architecture", 2020: norms before, not behind.)
 * x [n, length, features] -> the same shape. Options: those of `MultiHeadAttention`, hidden = 4 * features,
 * activation 'gelu', dropout 0.
 * @example new TransformerBlock(engine, { features: 64, heads: 4, causal: true, seed: 1 })
 */
export class TransformerBlock extends Layer {
  readonly attentionNorm: LayerNorm
  readonly attention: MultiHeadAttention
  readonly productNorm: LayerNorm
  readonly expand: Linear
  readonly activation: Activation
  readonly contract: Linear
  readonly dropout: Dropout

  constructor(
    engine: Engine,
    readonly options: TransformerBlockOptions,
  ) {
    super()
    const op = 'TransformerBlock'
    checkOptions(op, options, BLOCK)
    const { hidden = 4 * options.features, activation = 'gelu', dropout = 0, ...rest } = options
    const { features, heads, bias = true, initial = 'glorot' } = rest
    positive(op, { features, heads, hidden })
    checkNumber(dropout, 'dropout', (v) => v >= 0 && v < 1, 'a number from 0 to less than 1', { op })
    const seed = randomOf(rest.seed, engine)
    const made: Layer<never>[] = []
    const keep = <L extends Layer<never>>(layer: L): L => {
      made.push(layer)
      return layer
    }
    try {
      this.activation = new Activation(activation)
      this.dropout = new Dropout({ rate: dropout })
      this.attentionNorm = keep(new LayerNorm(engine, { features }))
      this.attention = keep(new MultiHeadAttention(engine, { ...rest, seed }))
      this.productNorm = keep(new LayerNorm(engine, { features }))
      this.expand = keep(
        new Linear(engine, { inFeatures: features, outFeatures: hidden, bias, initial, seed }),
      )
      this.contract = keep(
        new Linear(engine, { inFeatures: hidden, outFeatures: features, bias, initial, seed }),
      )
    } catch (error) {
      for (const layer of made) layer.dispose()
      throw error
    }
  }

  forward(x: Tensor): Tensor {
    return this.#both(x, (y) => this.attention.forward(y))
  }

  /** A cache for `step`, as of `MultiHeadAttention`. */
  cache(options: CacheOptions): KeyCache {
    return this.attention.cache(options)
  }

  /** The next tokens, x [batch, steps, features], behind those in the cache; as of `MultiHeadAttention`. */
  step(x: Tensor, cache: KeyCache): Tensor {
    return this.#both(x, (y) => this.attention.step(y, cache))
  }

  #both(x: Tensor, attend: (x: Tensor) => Tensor): Tensor {
    return x.engine.scope(() => {
      const h = add(x, this.dropout.forward(attend(this.attentionNorm.forward(x))))
      const inner = this.activation.forward(this.expand.forward(this.productNorm.forward(h)))
      return add(h, this.dropout.forward(this.contract.forward(inner)))
    })
  }
}

/** Sizes of a `PositionalEncoding`. */
export interface PositionalEncodingOptions {
  /** Numbers of each token. */
  features: number
  /** Places that there are. */
  length: number
  /** Whether the vectors are learned, from small random ones. Default false: sines and cosines. */
  learned?: boolean
  /** Where learned ones come from: a number, or a generator that goes on. Default: the engine's. */
  seed?: Seed
}

const POSITIONAL: Names<PositionalEncodingOptions> = {
  features: true,
  length: true,
  learned: true,
  seed: true,
}

/** Standard deviation of learned vectors at first. */
const SPREAD = 0.02

/**
 * Adds to each token a vector of its place: x [n, length, features], length at most that of the options.
 *
 *   table[p, 2 i] = sin(p / 10000^(2 i / features)),  table[p, 2 i + 1] = cos(the same)
 *
 * or learned vectors. (Vaswani et al., 2017) Options: features, length, learned false, seed.
 * @example new PositionalEncoding(engine, { features: 64, length: 256 })
 */
export class PositionalEncoding extends Layer {
  readonly #table: Tensor

  constructor(
    engine: Engine,
    readonly options: PositionalEncodingOptions,
  ) {
    const op = 'PositionalEncoding'
    checkOptions(op, options, POSITIONAL)
    const { features, length, learned = false, seed } = options
    positive(op, { features, length })
    const [table] = learned
      ? weights(engine, op, 'table', [length, features], features, [length, features], false, {
          initial: (random) =>
            Float32Array.from({ length: length * features }, () => SPREAD * random.normal()),
          ...(seed !== undefined && { seed }),
        })
      : [engine.tensor(waves(length, features), [length, features])]
    table!.name = 'table'
    super(learned ? [table!] : [], learned ? [] : [table!])
    this.#table = table!
  }

  forward(x: Tensor): Tensor {
    return this.at(x, 0)
  }

  /**
   * The same where the first token of x stands at place `first`: for tokens that come one after the
   * other.
   */
  at(x: Tensor, first: number): Tensor {
    const op = 'PositionalEncoding'
    const { features, length } = this.options
    checkInteger(first, 'first', 0, MOST, { op })
    check(x?.shape?.length === 3 && x.shape[2] === features && first + x.shape[1]! <= length, () => ({
      op,
      argument: 'x',
      expected: `[n, ${length - first} at most, ${features}]`,
      got: show(x?.shape),
    }))
    const end = first + x.shape[1]!
    return x.engine.scope(() => add(x, slice(this.#table, { begin: [first, 0], end: [end, features] })))
  }
}

function waves(length: number, features: number): Float32Array {
  return Float32Array.from({ length: length * features }, (_, at) => {
    const [p, c] = [Math.floor(at / features), at % features]
    const angle = p / 10000 ** ((c - (c % 2)) / features)
    return c % 2 ? Math.cos(angle) : Math.sin(angle)
  })
}
