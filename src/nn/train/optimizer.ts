/** What moves parameters: the plan of assembly/optimise.ts, which moves all of them in one call. */

import { check, show } from '../../base/errors.js'
import { disposal } from '../../base/realm.js'
import { sameShape } from '../../base/shape.js'
import { type Engine, engineOf } from '../../core/engine.js'
import { checkNumber } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { UPDATE_BLOCK, UpdateOp } from '../../wasm/abi.js'
import type { Arguments } from '../../wasm/kernels.js'
import { frozen } from '../frozen.js'
import type { Schedule } from './schedules.js'

/** Parameters that are moved by a rate or a decay of their own. */
export interface ParameterGroup {
  parameters: readonly Tensor[]
  /** Default: the optimiser's. */
  learningRate?: number | Schedule
  /** Default: the optimiser's. */
  weightDecay?: number
}

/** What an optimiser moves: tensors, or groups of them. */
export type ParametersOrGroups = readonly Tensor[] | readonly ParameterGroup[]

/**
 * An epoch of `fit` that is not done yet: the step at which it began, and what the order of its samples
 * follows from.
 */
export interface UnfinishedEpoch {
  first: number
  seed: number
  batchSize: number
  samples: number
  batches: number
  /** Batches of a step. Default 1. */
  accumulate?: number
}

export const AT_LEAST_0 = 'a number of at least 0'
export const atLeast0 = (v: number): boolean => v >= 0

/** What one step needs beside the gradients. */
export interface Rule {
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

/** Throws where a learning rate is neither a finite number nor a schedule. */
function checkRate(op: string, rate: unknown): void {
  check(typeof rate === 'function' || Number.isFinite(rate), () => ({
    op,
    argument: 'learningRate',
    expected: 'a number, or a function from step to number',
    got: show(rate),
  }))
}

/** Rows that fit an argument block. */
const ROWS = 256
/** The square of a gradient up to this size is a number in float32. */
const LARGE = 2 ** 60

/** An update that moves nothing, and looks at nothing. */
const STILL = {
  rate: 0,
  decay: 0,
  keep: 1,
  a: 0,
  b: 0,
  fresh: 1,
  freshSquare: 1,
  correction: 1,
  epsilon: 0,
  found: 0,
  limit: 0,
}

/** One row of `update`: a parameter, its gradient, and its place among the parameters. */
interface Row {
  parameter: Tensor
  gradient: Tensor
  place: number
}

/** Whether each of its numbers is one. */
export const isFiniteTensor = (tensor: Tensor): boolean => tensor.toArray().every(Number.isFinite)

function groupsOf(op: string, given: ParametersOrGroups): ParameterGroup[] {
  const isGroup = (each: Tensor | ParameterGroup): each is ParameterGroup =>
    Array.isArray((each as ParameterGroup)?.parameters)
  const some = Array.isArray(given) && given.length > 0
  const groups = some && given.every(isGroup) ? [...given] : [{ parameters: given as readonly Tensor[] }]
  for (const { parameters, weightDecay = 0 } of groups) {
    check(some && Array.isArray(parameters) && parameters.length > 0, () => ({
      op,
      argument: 'parameters',
      expected: 'tensors, one at least, or groups of them',
      got: show(parameters),
    }))
    check(weightDecay >= 0, () => ({
      op,
      argument: 'weightDecay',
      expected: 'a number of at least 0',
      got: show(weightDecay),
    }))
  }
  return groups
}

/**
 * Moves parameters against their gradients. Made by `sgd`, `rmsProp`, `adam` and `adamW`; its state is freed
 * by `dispose`.
 */
export class Optimizer {
  /** Steps taken. */
  steps = 0
  /**
   * Means of gradients and of their squares, in the order of the parameters: what has to be saved to go on
   * later.
   */
  readonly state: Tensor[] = []
  /** The parameters of all groups, in their order. */
  readonly parameters: readonly Tensor[]
  /** What was given to it, or one group of all. Rates and decays may be changed between two steps. */
  readonly groups: readonly ParameterGroup[]
  /** Where `fit` stopped. @internal */
  unfinished: UnfinishedEpoch | undefined
  private readonly engine: Engine

  /** @internal */
  constructor(
    readonly name: string,
    given: ParametersOrGroups,
    /** Of groups without a rate of their own. May be changed between two steps. */
    public learningRate: number | Schedule,
    private readonly rule: Rule,
  ) {
    this.groups = groupsOf(name, given)
    const parameters = this.groups.flatMap((group) => group.parameters)
    this.parameters = parameters
    this.engine = engineOf(
      name,
      Object.fromEntries(parameters.map((parameter, i) => [`parameters[${i}]`, parameter])),
    )
    checkNumber(rule.epsilon, 'epsilon', atLeast0, AT_LEAST_0, { op: name })
    checkNumber(rule.weightDecay, 'weightDecay', atLeast0, AT_LEAST_0, { op: name })
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
   * @param gradients of the shapes of the parameters, in their order: what `valueAndGradients` gives. A
   *   parameter without one, or one that is frozen, stays
   * @throws FilterbankError for another number of gradients, or another shape; where a gradient is not
   *   finite, or so large that a parameter would not be
   * afterwards. Nothing has moved then
   */
  step(gradients: readonly (Tensor | undefined)[]): void {
    const { parameters } = this
    const op = `${this.name}.step`
    check(Array.isArray(gradients) && gradients.length === parameters.length, () => ({
      op,
      argument: 'gradients',
      expected: `${parameters.length} tensors`,
      got: show(gradients),
    }))
    const named = (tensors: readonly Tensor[], name: string) =>
      Object.fromEntries(tensors.map((tensor, i) => [`${name}[${i}]`, tensor]))
    engineOf(
      op,
      { ...named(parameters, 'parameters'), ...named(this.state, 'state') },
      named(gradients as Tensor[], 'gradients'),
    )
    gradients.forEach((gradient, i) => {
      const { shape } = parameters[i]!
      check(!gradient || sameShape(gradient.shape, shape), () => ({
        op,
        argument: `gradients[${i}]`,
        expected: show(shape),
        got: show(gradient?.shape),
      }))
    })
    let first = 0
    const moves = this.groups.map((group) => {
      const start = first
      first += group.parameters.length
      const rows = group.parameters.flatMap((parameter, i): Row[] => {
        const gradient = gradients[start + i]
        return gradient && !frozen.has(parameter.storage) ? [{ parameter, gradient, place: start + i }] : []
      })
      return { rate: this.rateOf(op, group), decay: group.weightDecay ?? this.rule.weightDecay, rows }
    })
    const rows = moves.flatMap((move) => move.rows)
    const before = this.hasLarge(rows) ? this.rehearsed(op, rows) : undefined
    for (const { parameter } of rows) parameter.storage.write(op)
    this.steps++
    for (const { rate, decay, rows } of moves) this.move(rate, decay, rows)
    if (before && ![...before.keys()].every(isFiniteTensor)) {
      this.steps--
      for (const [tensor, numbers] of before) tensor.set(numbers)
      check(false, () => ({
        op,
        argument: 'gradients',
        expected: 'of a size that leaves parameters finite',
        got: 'larger ones',
      }))
    }
    for (const gradient of gradients) gradient?.dispose()
  }

  private rateOf(op: string, { learningRate = this.learningRate }: ParameterGroup): number {
    checkRate(op, learningRate)
    const rate = typeof learningRate === 'number' ? learningRate : learningRate(this.steps)
    check(Number.isFinite(rate), () => ({
      op,
      argument: 'learningRate',
      expected: 'a number',
      got: show(rate),
    }))
    return rate
  }

  /** Whether a gradient has what is no number, or one above LARGE. */
  private hasLarge(rows: readonly Row[]): boolean {
    const { engine } = this
    return engine.scope(() => {
      const found = engine.zeros([1])
      this.update(rows, { ...STILL, op: UpdateOp.probe, found: found.pointer, limit: LARGE })
      return engine.i32[found.pointer / 4] !== 0
    })
  }

  /** What a step with large gradients may spoil, as it is before. */
  private rehearsed(op: string, rows: readonly Row[]): Map<Tensor, Float32Array> {
    for (const { parameter, gradient, place } of rows) {
      const name = parameter.name ? ` (${parameter.name})` : ''
      const odd = gradient.toArray().find((value) => !Number.isFinite(value))
      check(odd === undefined, () => ({
        op,
        argument: `gradients[${place}]${name}`,
        expected: 'finite',
        got: show(odd),
      }))
    }
    return new Map(
      [...rows.map(({ parameter }) => parameter), ...this.state].map((tensor) => [tensor, tensor.toArray()]),
    )
  }

  private move(rate: number, decay: number, rows: readonly Row[]): void {
    const { rule } = this
    const isAdam = rule.op === UpdateOp.adam
    this.update(rows, {
      ...STILL,
      op: rule.op,
      rate: isAdam ? rate / (1 - rule.a ** this.steps) : rate,
      decay: rule.decoupled ? 0 : decay,
      keep: rule.decoupled ? 1 - rate * decay : 1,
      a: rule.a,
      b: rule.b,
      fresh: isAdam ? 1 - rule.a : 1,
      freshSquare: 1 - rule.b,
      correction: isAdam ? 1 / (1 - rule.b ** this.steps) : 1,
      epsilon: rule.epsilon,
    })
  }

  /** Runs `update` over rows, as many at a time as fit an argument block. */
  private update(rows: readonly Row[], args: Omit<Arguments<'update'>, 'parameters'>): void {
    for (let first = 0; first < rows.length; first += ROWS) {
      let units = 0
      let work = 0
      const parameters = rows.slice(first, first + ROWS).map(({ parameter, gradient, place }) => {
        const { pointer, size } = parameter
        const [means, squares] = this.statePointers(place)
        units += Math.ceil(size / UPDATE_BLOCK)
        work += size
        return { w: pointer, gradient: gradient.pointer, means, squares, size, endUnit: units }
      })
      this.engine.run({ kernel: 'update', args: { ...args, parameters }, units, work: work * 4 })
    }
  }

  /** Its state, tensor by tensor: of which parameter, and a mean of what. @internal */
  kept(): { of: Tensor; kind: 'mean' | 'square'; tensor: Tensor }[] {
    const kinds = (['mean', 'square'] as const).filter((kind) =>
      kind === 'mean' ? this.rule.means : this.rule.squares,
    )
    return this.state.map((tensor, i) => ({
      of: this.parameters[Math.floor(i / kinds.length)]!,
      kind: kinds[i % kinds.length]!,
      tensor,
    }))
  }

  /** Gives back what it keeps for each parameter. The parameters stay. */
  dispose(): void {
    for (const tensor of this.state) tensor.dispose()
  }

  /** `dispose`, for `using`. */
  [disposal](): void {
    this.dispose()
  }

  private statePointers(i: number): [means: number, squares: number] {
    const { means, squares } = this.rule
    const at = i * (Number(means) + Number(squares))
    return [means ? this.state[at]!.pointer : 0, squares ? this.state[at + Number(means)]!.pointer : 0]
  }
}
