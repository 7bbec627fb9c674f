/** Optimisers: the plan of assembly/optimise.ts, which moves all parameters in one call. */
import { UPDATE_BLOCK, Update, UpdateOp } from '../../assembly/calls.js'
import { type Engine, engineOf } from '../engine.js'
import { check, show } from '../errors.js'
import { mul } from '../ops/arithmetic.js'
import { sum } from '../ops/reduce.js'
import { sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import type { Schedule } from './schedules.js'

/** What every optimiser takes. */
export interface OptimizerOptions {
  /** How far one step goes: a number, or what gives it for step 0, 1, 2, ... */
  learningRate?: number | Schedule
  /** How strongly parameters are drawn to 0. Default 0. */
  weightDecay?: number
}

/** What `sgd` takes. */
export interface SgdOptions extends OptimizerOptions {
  /** How much of the last step goes on. Default 0. */
  momentum?: number
  /** Look ahead along the momentum. Default false. */
  nesterov?: boolean
}

/** What `rmsProp` takes. */
export interface RmsPropOptions extends OptimizerOptions {
  /** How much is kept of the mean of squares. Default 0.99. */
  decay?: number
  epsilon?: number
}

/** What `adam` and `adamW` take. */
export interface AdamOptions extends OptimizerOptions {
  /** How much is kept of the mean of gradients. Default 0.9. */
  beta1?: number
  /** How much is kept of the mean of their squares. Default 0.999. */
  beta2?: number
  epsilon?: number
}

/** What one step needs beside the gradients. */
interface Rule {
  op: UpdateOp
  a: number
  b: number
  epsilon: number
  weightDecay: number
  /** Whether decay shortens the parameters themselves rather than joining the gradient. */
  decoupled: boolean
  /** Whether it keeps a mean of gradients, and of their squares. */
  means: boolean
  squares: boolean
}

/** Rows that fit an argument block. */
const ROWS = 256

/** Moves parameters against their gradients. Made by `sgd`, `rmsProp`, `adam` and `adamW`; its state is freed by `dispose`. */
export class Optimizer {
  /** Steps taken. */
  steps = 0
  /** Means of gradients and of their squares, in the order of the parameters: what has to be saved to go on later. */
  readonly state: Tensor[] = []
  private readonly engine: Engine

  /** @internal */
  constructor(
    readonly name: string,
    readonly parameters: readonly Tensor[],
    public learningRate: number | Schedule,
    private readonly rule: Rule,
  ) {
    check(Array.isArray(parameters) && parameters.length > 0, () => ({
      op: name,
      argument: 'parameters',
      expected: 'tensors, one at least',
      got: show(parameters),
    }))
    this.engine = engineOf(name, Object.fromEntries(parameters.map((parameter, i) => [`parameters[${i}]`, parameter])))
    for (const [option, value] of Object.entries(rule)) {
      if (typeof value === 'number') check(value >= 0, () => ({ op: name, argument: option, expected: 'a number of at least 0', got: show(value) }))
    }
    try {
      for (const { shape } of parameters) {
        for (const kept of [rule.means, rule.squares]) if (kept) this.state.push(this.engine.zeros(shape))
      }
    } catch (error) {
      this.dispose()
      throw error
    }
  }

  /**
   * One step. Frees the gradients.
   *
   * @param gradients of the shapes of the parameters, in their order: what `valueAndGradients` gives
   * @throws FilterbankError for another number of gradients, or another shape; nothing has moved then
   */
  step(gradients: readonly Tensor[]): void {
    const { engine, parameters, rule } = this
    const op = `${this.name}.step`
    check(Array.isArray(gradients) && gradients.length === parameters.length, () => ({ op, argument: 'gradients', expected: `${parameters.length} tensors`, got: show(gradients) })) // biome-ignore format: one line
    const named = (tensors: readonly Tensor[], name: string) => tensors.map((tensor, i) => [`${name}[${i}]`, tensor])
    engineOf(op, Object.fromEntries([...named(parameters, 'parameters'), ...named(gradients, 'gradients'), ...named(this.state, 'state')]))
    gradients.forEach(({ shape }, i) => {
      check(sameShape(shape, parameters[i]!.shape), () => ({ op, argument: `gradients[${i}]`, expected: show(parameters[i]!.shape), got: show(shape) }))
    })
    const rate = typeof this.learningRate === 'number' ? this.learningRate : this.learningRate(this.steps)
    check(Number.isFinite(rate), () => ({ op, argument: 'learningRate', expected: 'a number', got: show(rate) }))
    for (const { storage } of parameters) storage.write(op)
    this.steps++
    const isAdam = rule.op === UpdateOp.adam
    for (let first = 0; first < parameters.length; first += ROWS) {
      const count = Math.min(ROWS, parameters.length - first)
      const { i32, f32 } = engine
      const call = engine.call(Update.rows + 6 * count)
      i32[call + Update.op] = rule.op
      f32[call + Update.rate] = isAdam ? rate / (1 - rule.a ** this.steps) : rate
      f32[call + Update.decay] = rule.decoupled ? 0 : rule.weightDecay
      f32[call + Update.keep] = rule.decoupled ? 1 - rate * rule.weightDecay : 1
      f32[call + Update.a] = rule.a
      f32[call + Update.b] = rule.b
      f32[call + Update.correction] = isAdam ? 1 / (1 - rule.b ** this.steps) : 1
      f32[call + Update.epsilon] = rule.epsilon
      let units = 0
      let work = 0
      for (let i = first; i < first + count; i++) {
        const { size } = parameters[i]!
        units += Math.ceil(size / UPDATE_BLOCK)
        work += size
        i32.set([parameters[i]!.pointer, gradients[i]!.pointer, ...this.statePointers(i), size, units], call + Update.rows + 6 * (i - first))
      }
      engine.run('update', call, units, work * 4)
    }
    for (const gradient of gradients) gradient.dispose()
  }

  /** Its state, tensor by tensor: of which parameter, and a mean of what. @internal */
  kept(): { of: Tensor; kind: 'mean' | 'square'; tensor: Tensor }[] {
    const kinds = (['mean', 'square'] as const).filter((kind) => (kind === 'mean' ? this.rule.means : this.rule.squares))
    return this.state.map((tensor, i) => ({ of: this.parameters[Math.floor(i / kinds.length)]!, kind: kinds[i % kinds.length]!, tensor }))
  }

  /** Gives back what it keeps for each parameter. The parameters stay. */
  dispose(): void {
    for (const tensor of this.state) tensor.dispose()
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose()
  }

  private statePointers(i: number): [means: number, squares: number] {
    const { means, squares } = this.rule
    const at = i * (Number(means) + Number(squares))
    return [means ? this.state[at]!.pointer : 0, squares ? this.state[at + Number(means)]!.pointer : 0]
  }
}

/**
 * Stochastic gradient descent. Definition: PyTorch SGD.
 *
 * @param parameters the tensors to move
 * @param options learningRate 0.01, momentum 0, nesterov false, weightDecay 0
 * @example const optimizer = sgd(model.parameters, { learningRate: 0.1, momentum: 0.9 })
 */
export function sgd(parameters: readonly Tensor[], options: SgdOptions = {}): Optimizer {
  const { learningRate = 0.01, momentum = 0, nesterov = false, weightDecay = 0 } = options
  check(!nesterov || momentum > 0, () => ({ op: 'sgd', argument: 'momentum', expected: 'above 0 with nesterov', got: show(momentum) }))
  const op = nesterov ? UpdateOp.nesterov : UpdateOp.sgd
  return new Optimizer('sgd', parameters, learningRate, {
    op,
    a: momentum,
    b: 0,
    epsilon: 0,
    weightDecay,
    decoupled: false,
    means: momentum > 0,
    squares: false,
  })
}

/**
 * Gradient descent with each step divided by the root of the mean square. Definition: PyTorch RMSprop.
 *
 * @param parameters the tensors to move
 * @param options learningRate 0.01, decay 0.99, epsilon 1e-8, weightDecay 0
 * @example const optimizer = rmsProp(model.parameters)
 */
export function rmsProp(parameters: readonly Tensor[], options: RmsPropOptions = {}): Optimizer {
  const { learningRate = 0.01, decay = 0.99, epsilon = 1e-8, weightDecay = 0 } = options
  const rule: Rule = { op: UpdateOp.rmsProp, a: 0, b: decay, epsilon, weightDecay, decoupled: false, means: false, squares: true }
  return new Optimizer('rmsProp', parameters, learningRate, rule)
}

function adamLike(name: string, parameters: readonly Tensor[], options: AdamOptions, decoupled: boolean, defaultDecay: number): Optimizer {
  const { learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = defaultDecay } = options
  for (const [argument, value] of Object.entries({ beta1, beta2 })) {
    check(value >= 0 && value < 1, () => ({ op: name, argument, expected: 'a number from 0 to less than 1', got: show(value) }))
  }
  return new Optimizer(name, parameters, learningRate, { op: UpdateOp.adam, a: beta1, b: beta2, epsilon, weightDecay, decoupled, means: true, squares: true })
}

/**
 * Adam: a mean of gradients divided by the root of a mean of squares. Definition: Kingma & Ba, 2015; PyTorch Adam, whose decay joins the gradient.
 *
 * @param parameters the tensors to move
 * @param options learningRate 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8, weightDecay 0
 * @example const optimizer = adam(model.parameters, { learningRate: 1e-3 })
 */
export function adam(parameters: readonly Tensor[], options: AdamOptions = {}): Optimizer {
  return adamLike('adam', parameters, options, false, 0)
}

/**
 * Adam whose decay shortens the parameters themselves. Definition: Loshchilov & Hutter, 2019; PyTorch AdamW.
 *
 * @param parameters the tensors to move
 * @param options as of adam, but weightDecay 0.01
 * @example const optimizer = adamW(model.parameters, { learningRate: cosine(1e-3, { steps: 1000 }) })
 */
export function adamW(parameters: readonly Tensor[], options: AdamOptions = {}): Optimizer {
  return adamLike('adamW', parameters, options, true, 0.01)
}

/**
 * Shortens all gradients together to a length of at most `maximum`, in place.
 *
 * @returns the length that they had: the root of the sum of all squares
 * @example clipByGlobalNorm(gradients, 1)
 */
export function clipByGlobalNorm(gradients: readonly Tensor[], maximum: number): number {
  const op = 'clipByGlobalNorm'
  check(maximum > 0, () => ({ op, argument: 'maximum', expected: 'a positive number', got: show(maximum) }))
  const engine = engineOf(op, Object.fromEntries(gradients.map((gradient, i) => [`gradients[${i}]`, gradient])))
  const norm = Math.sqrt(gradients.reduce((total, gradient) => total + engine.scope(() => sum(mul(gradient, gradient)).toArray()[0]!), 0))
  if (norm > maximum) for (const gradient of gradients) mul(gradient, maximum / norm, { out: gradient })
  return norm
}
