/** What batch, layer, group and instance norm share: a normalisation and its backward, recorded. */

import type { Tensor } from '../core/tensor.js'
import { NO_CLAMP } from '../plans/elementwise.js'
import {
  type Affine,
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
  const y = engine.make(x.shape, (y) => runNormalRows(x, undefined, y, n, groups, affine, centre))
  engine.tape?.record(op, y, { x, scale, offset }, { x, scale }, (dy, kept) => {
    const columns = (tensor: Tensor) =>
      channelSums(tensor.reshape([outer, groups * n])).reshape(scale ? scale.shape : offset!.shape)
    return {
      x: () =>
        engine.make(x.shape, (dx) =>
          runNormalRows(kept.x, dy, dx, n, groups, { scale: kept.scale, epsilon }, centre),
        ),
      scale: () =>
        engine.scope(() =>
          columns(
            mul(
              dy,
              engine.make(x.shape, (h) => runNormalRows(kept.x, undefined, h, n, 1, { epsilon }, centre)),
            ),
          ),
        ),
      offset: () => engine.scope(() => columns(dy)),
    }
  })
  return y
}
