import { check, show } from '../base/errors.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { checkAffine } from '../plans/normalise.js'
import type { Activation } from './activation.js'
import { normalised, rowsNormalised } from './normalise.js'

/** What `instanceNorm` takes beside x. */
export interface InstanceNormOptions {
  /** [channels], default all 1. */
  scale?: Tensor
  /** [channels], default all 0. */
  offset?: Tensor
  /** Added to the variance. Default 1e-5. */
  epsilon?: number
  activation?: Activation
}

/** What `groupNorm` takes beside x. */
export interface GroupNormOptions extends InstanceNormOptions {
  /** How many groups of neighbours the channels fall into. */
  groups: number
}

const INSTANCE_NORM: Names<InstanceNormOptions> = {
  scale: true,
  offset: true,
  epsilon: true,
  activation: true,
}
const GROUP_NORM: Names<GroupNormOptions> = {
  groups: true,
  scale: true,
  offset: true,
  epsilon: true,
  activation: true,
}

/**
 * Group normalisation: each group of channels of each image, by its own mean and variance over all its
 * pixels:
 *
 *   y = (x - mean) / sqrt(variance + epsilon) * scale + offset,  variance = mean of (x - mean)^2
 *
 * Mean and variance are summed in float64. Definition: Wu & He, "Group normalization", 2018; ONNX
 * GroupNormalization (version 21).
 *
 * @param x [n, ..., channels]
 * @param options groups; scale 1, offset 0, epsilon 1e-5, no activation
 * @returns x's shape
 * @throws FilterbankError for groups that do not divide the channels, a scale or offset of another shape than
 *   [channels], or an epsilon that is negative; nothing
 * is allocated then
 * @example const y = groupNorm(features, { groups: 8, scale, offset, activation: 'relu' })
 */
export function groupNorm(x: Tensor, options: GroupNormOptions): Tensor {
  checkOptions('groupNorm', options, GROUP_NORM)
  const { groups } = options
  return normaliseGroups('groupNorm', x, groups, options)
}

/**
 * Instance normalisation: `groupNorm` with each channel a group of its own. Options and errors as there.
 * Definition: Ulyanov, Vedaldi & Lempitsky, "Instance normalization", 2016; ONNX InstanceNormalization.
 * @example const y = instanceNorm(features, { scale, offset })
 */
export function instanceNorm(x: Tensor, options: InstanceNormOptions = {}): Tensor {
  checkOptions('instanceNorm', options, INSTANCE_NORM)
  return normaliseGroups('instanceNorm', x, undefined, options)
}

function normaliseGroups(
  op: string,
  x: Tensor,
  groups: number | undefined,
  { scale, offset, epsilon = 1e-5, activation }: InstanceNormOptions,
): Tensor {
  const engine = engineOf(op, { x }, { scale, offset })
  const context = { op, shapes: { x: x.shape, scale: scale?.shape, offset: offset?.shape } }
  check(x.shape.length >= 2, () => ({
    ...context,
    argument: 'x',
    expected: '[n, ..., channels]',
    got: show(x.shape),
  }))
  const [outer, c] = [x.shape[0]!, x.shape.at(-1)!]
  const parts = op === 'instanceNorm' ? c : groups!
  check(Number.isInteger(parts) && (parts > 0 || parts === c) && c % Math.max(1, parts) === 0, () => ({
    ...context,
    argument: 'groups',
    expected: `a divisor of ${c} channels`,
    got: show(groups),
  }))
  checkAffine({ scale, offset, epsilon }, [c], context)
  const pixels = x.size === 0 ? 0 : x.size / outer / c
  const affine = { scale, offset, epsilon }
  // A single pixel has rows for groups.
  const y =
    pixels === 1 && activation === undefined
      ? rowsNormalised(op, x, c / parts, parts, affine)
      : engine.scope(() => normalised(op, x, { outer, pixels, c, groups: parts }, affine, activation).y)
  engine.trace?.note('groupNorm', y, { x, scale, offset }, { groups: parts, epsilon, activation })
  return y
}
