import { check, show } from '../base/errors.js'
import { type Shape, stridesOf } from '../base/shape.js'
import { ANY, type DType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { onAxis } from '../core/quantization.js'
import type { Tensor } from '../core/tensor.js'
import { copy } from '../plans/copy.js'
import { axisOf } from './axis.js'

/**
 * The axes in another order: axis i of the result is axis axes[i] of x. Definition: ONNX Transpose, NumPy
 * transpose.
 *
 * @param x of any shape and type
 * @param axes each axis of x once, negative ones counted from the last; default: from the last to the first
 * @throws FilterbankError where an axis is missing, there twice, or none of x
 * @example const nchw = transpose(nhwc, [0, 3, 1, 2])
 */
export function transpose<D extends DType>(x: Tensor<D>, axes?: readonly number[]): Tensor<D> {
  const engine = engineOf('transpose', { x }, {}, ANY)
  const { shape } = x
  const wanted = axes ?? [...shape.keys()].reverse()
  const context = { op: 'transpose', shapes: { x: shape } }
  const fail = () => ({
    ...context,
    argument: 'axes',
    expected: `the ${shape.length} axes of x in some order`,
    got: show(wanted),
  })
  check(Array.isArray(wanted) && wanted.length === shape.length, fail)
  const order = wanted.map((axis, i) => axisOf(axis, shape.length, context, `axes[${i}]`))
  check(new Set(order).size === shape.length, fail)

  const quantization =
    x.quantization?.axis === undefined
      ? x.quantization
      : onAxis(x.quantization, order.indexOf(x.quantization.axis))
  const y = engine.empty(
    order.map((axis) => shape[axis]!),
    { dtype: x.dtype, quantization },
  )
  const from = stridesOf(shape)
  const to = stridesOf(y.shape)
  copy(
    engine,
    x.pointer,
    y.pointer,
    order.map((axis, i) => ({ length: shape[axis]!, from: from[axis]!, to: to[i]! })),
    x.dtype,
  )
  engine.trace?.note('transpose', y, { x }, { axes: order })
  engine.tape?.record('transpose', y, { x }, {}, (dy) => ({
    x: () =>
      transpose(
        dy,
        order.map((_, axis) => order.indexOf(axis)),
      ),
  }))
  return y
}

/**
 * The same numbers, row-major, under another shape: nothing is copied, both tensors share them, and each is
 * disposed by itself.
 *
 * @param x of any shape and type
 * @param shape as many elements in all; one length may be -1: it follows from the rest
 * @throws FilterbankError where the sizes differ
 * @example const rows = reshape(x, [x.shape[0], -1])
 */
export function reshape<D extends DType>(x: Tensor<D>, shape: Shape): Tensor<D> {
  engineOf('reshape', { x }, {}, ANY)
  return x.reshape(shape)
}
