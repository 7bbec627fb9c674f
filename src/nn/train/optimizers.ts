/** The rules by which parameters move. */
import { check, show } from '../../base/errors.js'
import { checkNumber, checkOptions, type Names } from '../../core/options.js'
import { UpdateOp } from '../../wasm/abi.js'
import { AT_LEAST_0, atLeast0, Optimizer, type ParametersOrGroups, type Rule } from './optimizer.js'
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

const SGD: Names<SgdOptions> = { learningRate: true, weightDecay: true, momentum: true, nesterov: true }
const RMS_PROP: Names<RmsPropOptions> = { learningRate: true, weightDecay: true, decay: true, epsilon: true }
const ADAM: Names<AdamOptions> = {
  learningRate: true,
  weightDecay: true,
  beta1: true,
  beta2: true,
  epsilon: true,
}

/**
 * Stochastic gradient descent. Definition: PyTorch SGD.
 *
 * @param parameters the tensors to move, or groups `{ parameters, learningRate, weightDecay }` of them with
 *   rates and decays of their own
 * @param options learningRate 0.01, momentum 0, nesterov false, weightDecay 0
 * @example const optimizer = sgd(model.parameters, { learningRate: 0.1, momentum: 0.9 })
 */
export function sgd(parameters: ParametersOrGroups, options: SgdOptions = {}): Optimizer {
  checkOptions('sgd', options, SGD)
  const { learningRate = 0.01, momentum = 0, nesterov = false, weightDecay = 0 } = options
  checkNumber(momentum, 'momentum', atLeast0, AT_LEAST_0, { op: 'sgd' })
  check(!nesterov || momentum > 0, () => ({
    op: 'sgd',
    argument: 'momentum',
    expected: 'above 0 with nesterov',
    got: show(momentum),
  }))
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
 * @param parameters the tensors to move, or groups `{ parameters, learningRate, weightDecay }` of them with
 *   rates and decays of their own
 * @param options learningRate 0.01, decay 0.99, epsilon 1e-8, weightDecay 0
 * @example const optimizer = rmsProp(model.parameters)
 */
export function rmsProp(parameters: ParametersOrGroups, options: RmsPropOptions = {}): Optimizer {
  checkOptions('rmsProp', options, RMS_PROP)
  const { learningRate = 0.01, decay = 0.99, epsilon = 1e-8, weightDecay = 0 } = options
  checkNumber(decay, 'decay', atLeast0, AT_LEAST_0, { op: 'rmsProp' })
  const rule: Rule = {
    op: UpdateOp.rmsProp,
    a: 0,
    b: decay,
    epsilon,
    weightDecay,
    decoupled: false,
    means: false,
    squares: true,
  }
  return new Optimizer('rmsProp', parameters, learningRate, rule)
}

function adamLike(
  name: string,
  parameters: ParametersOrGroups,
  options: AdamOptions,
  decoupled: boolean,
  defaultDecay: number,
): Optimizer {
  checkOptions(name, options, ADAM)
  const {
    learningRate = 1e-3,
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
    weightDecay = defaultDecay,
  } = options
  for (const [argument, value] of Object.entries({ beta1, beta2 })) {
    checkNumber(value, argument, (v) => v >= 0 && v < 1, 'a number from 0 to less than 1', { op: name })
  }
  return new Optimizer(name, parameters, learningRate, {
    op: UpdateOp.adam,
    a: beta1,
    b: beta2,
    epsilon,
    weightDecay,
    decoupled,
    means: true,
    squares: true,
  })
}

/**
 * Adam: a mean of gradients divided by the root of a mean of squares. Definition: Kingma & Ba, 2015; PyTorch
 * Adam, whose decay joins the gradient.
 *
 * @param parameters the tensors to move, or groups `{ parameters, learningRate, weightDecay }` of them with
 *   rates and decays of their own
 * @param options learningRate 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8, weightDecay 0
 * @example const optimizer = adam(model.parameters, { learningRate: 1e-3 })
 */
export function adam(parameters: ParametersOrGroups, options: AdamOptions = {}): Optimizer {
  return adamLike('adam', parameters, options, false, 0)
}

/**
 * Adam whose decay shortens the parameters themselves. Definition: Loshchilov & Hutter, 2019; PyTorch AdamW.
 *
 * @param parameters the tensors to move, or groups `{ parameters, learningRate, weightDecay }` of them with
 *   rates and decays of their own
 * @param options as of adam, but weightDecay 0.01
 * @example const optimizer = adamW(model.parameters, { learningRate: cosine(1e-3, { steps: 1000 }) })
 */
export function adamW(parameters: ParametersOrGroups, options: AdamOptions = {}): Optimizer {
  return adamLike('adamW', parameters, options, true, 0.01)
}
