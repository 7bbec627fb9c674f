/** The derivatives of a convolution, by the row of the table that computed it. Transposed convolution is the first of them. */

import { stridesOf } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { NO_CLAMP } from '../../plans/elementwise.js'
import type { Layer } from '../../plans/layer.js'
import { type FilterView, planeFilter, planeLayer, unstackFilter, withPlanes } from '../../plans/planes.js'
import type { Algorithm, Finish } from './algorithms.js'
import { inputShape } from './geometry.js'

/**
 * dx[n, o * stride - before + k * dilation, i] = sum over o, k and channels of dy[n, o, c] * filter[k, i, c],
 * along each axis: every dy is spread over its window.
 */
export const inputGradient = (
  { inputGradient }: Algorithm,
  layer: Layer,
  dy: Tensor,
  filter: FilterView,
  { bias, clamp = NO_CLAMP }: Finish = {},
): Tensor =>
  dy.engine.make(inputShape(layer), (dx) =>
    withPlanes(dy.engine, layer, dy.pointer, 'backward', (x) =>
      inputGradient({
        engine: dy.engine,
        layer: planeLayer(layer, 'backward'),
        x,
        filter: planeFilter(filter, layer, 'backward'),
        bias: bias?.pointer ?? 0,
        y: dx.pointer,
        clamp,
      }),
    ),
  )

/**
 * dfilter[k, i, c] = sum over n and o of x[n, o * stride - before + k * dilation, i] * dy[n, o, c], along each
 * axis; in the strides of the filter, where it has some.
 */
export function filterGradient(
  { filterGradient }: Algorithm,
  layer: Layer,
  x: Tensor,
  dy: Tensor,
  { shape, strides = stridesOf(shape) }: Omit<FilterView, 'engine' | 'storage'>,
): Tensor {
  const { engine } = x
  const isStacked = shape.length === 5 && shape[0] !== 1
  const last = strides.slice(-3) as [number, number, number]
  return engine.scope(() => {
    const dw = withPlanes(engine, layer, x.pointer, 'forward', (planes) =>
      filterGradient({
        engine,
        layer: planeLayer(layer),
        x: planes,
        dy: dy.pointer,
        strides: isStacked ? undefined : last,
      }),
    )
    return isStacked
      ? engine.make(shape, (y) => unstackFilter(engine, shape, strides, dw.pointer, y.pointer))
      : shape.length === 4
        ? dw
        : dw.reshape(shape)
  })
}
