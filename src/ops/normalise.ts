/** What batch, layer, group and instance norm share: a normalisation and its backward, recorded. */

import { sizeOf } from '../base/shape.js'
import { engineOf } from '../core/engine.js'
import type { Tensor } from '../core/tensor.js'
import { NO_CLAMP, produce } from '../plans/elementwise.js'
import {
  type Affine,
  checkAffine,
  type Geometry,
  normaliseBackward,
  runNormalise,
  runNormalRows,
} from '../plans/normalise.js'
import { type Activation, clampBackward, finishActivation, fusedClamp } from './activation.js'
import { mul } from './arithmetic.js'
import { channelSums } from './reduce.js'

/** y by the statistics of x itself, recorded; the statistics are for the caller to dispose. */
export function normalised(
  op: string,
  x: Tensor,
  geometry: Geometry,
  affine: Affine,
  activation: Activation | undefined,
): { y: Tensor; statistics: Tensor } {
  const { engine } = x
  const { scale, offset, epsilon } = affine
  const clamp = fusedClamp(activation, { op, shapes: { x: x.shape } })
  const statistics = engine.empty([3, geometry.outer, geometry.groups])
  const y = engine.make(x.shape, (y) => {
    if (x.size > 0) runNormalise(x, y, geometry, statistics, affine, clamp)
  })
  engine.tape?.record(
    op,
    y,
    { x, scale, offset },
    { x, scale, statistics, y: clamp === NO_CLAMP ? undefined : y },
    (dy, kept) =>
      normaliseBackward(
        kept.y ? clampBackward(dy, kept.y, clamp) : dy,
        kept.x,
        geometry,
        kept.statistics,
        kept.scale,
        epsilon,
      ),
  )
  return { y: finishActivation(activation, y), statistics }
}

/**
 * Rows of n elements, each by its own statistics, recorded. Scale and offset, of groups * n elements, begin
 * anew after as many rows as there are groups.
 */
export function rowsNormalised(
  op: string,
  x: Tensor,
  n: number,
  groups: number,
  affine: Affine,
  centre = true,
): Tensor {
  const { engine } = x
  const { scale, offset, epsilon } = affine
  const outer = n > 0 ? x.size / n / groups : 0
  const y = engine.make(x.shape, (y) => runNormalRows(x, y, { ...affine, n, groups, centre }))
  engine.tape?.record(op, y, { x, scale, offset }, { x, scale }, (dy, kept) => {
    const columns = (tensor: Tensor) =>
      channelSums(tensor.reshape([outer, groups * n])).reshape(scale ? scale.shape : offset!.shape)
    return {
      x: () =>
        engine.make(x.shape, (dx) =>
          runNormalRows(kept.x, dx, { dy, scale: kept.scale, epsilon, n, groups, centre }),
        ),
      scale: () =>
        engine.scope(() =>
          columns(
            mul(
              dy,
              engine.make(x.shape, (h) => runNormalRows(kept.x, h, { epsilon, n, groups: 1, centre })),
            ),
          ),
        ),
      offset: () => engine.scope(() => columns(dy)),
    }
  })
  return y
}

/**
 * Planes of x [n, channels, ...], each by its own statistics, or by the mean and variance of its channel
 * where they are given. Not recorded. Errors as of `batchNorm` and `instanceNorm`, which are its kin with
 * the channels last.
 */
export function planesNormalised(
  op: string,
  x: Tensor,
  options: Affine & {
    given?: { mean: Tensor; variance: Tensor }
    activation?: Activation
    out?: Tensor
  },
): Tensor {
  const { scale, offset, epsilon, given, activation, out } = options
  const engine = engineOf(op, { x, ...given }, { scale, offset, out })
  const context = { op, shapes: { x: x.shape, scale: scale?.shape, offset: offset?.shape } }
  const channels = x.shape[1]!
  checkAffine({ scale, offset, epsilon }, [channels], context)
  const clamp = fusedClamp(activation, context)
  const n = sizeOf(x.shape.slice(2))
  const y = produce(engine, x.shape, out, context, (y) =>
    runNormalRows(x, y, { scale, offset, epsilon, given, n, groups: channels, single: true, clamp }),
  )
  return finishActivation(activation, y)
}
