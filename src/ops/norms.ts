/** Reductions beyond sums and extremes; axes and shapes as of `sum`. */

import { sizeOf } from '../base/shape.js'
import { engineOf } from '../core/engine.js'
import { checkOptions } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { ReduceOp } from '../wasm/abi.js'
import { clamp } from './activation.js'
import { add, div, mul, sub } from './arithmetic.js'
import { equal } from './compare.js'
import { axesOf, checkSome, max, mean, REDUCE, type ReduceOptions, reduce, sum } from './reduce.js'
import { cumprod } from './scan.js'
import { exp, log } from './unary.js'
import { where } from './where.js'

/**
 * The axes in question, and x's shape with length 1 in their place; throws for axes that x does not have, and
 * where there is nothing along them but may not be.
 */
function settle(
  op: string,
  x: Tensor,
  { axes }: ReduceOptions,
  ofNothing = true,
): { axes: number[]; wide: number[] } {
  engineOf(op, { x })
  const context: Context = { op, shapes: { x: x.shape } }
  const list = axes === undefined ? [...x.shape.keys()] : axesOf(axes, x.shape, 'axes', context)
  if (!ofNothing) checkSome(sizeOf(list.map((axis) => x.shape[axis]!)), context)
  return { axes: list, wide: x.shape.map((length, axis) => (list.includes(axis) ? 1 : length)) }
}

/**
 * The product over axes, kept in float64 along each axis; options and errors as of `sum`, and no elements
 * give 1. Definition: ONNX ReduceProd.
 * @example const cells = prod(lengths)
 */
export function prod(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions('prod', options, REDUCE)
  const op = 'prod'
  const { axes } = settle(op, x, options)
  const { engine } = x
  // Axis by axis from the last, so that backward of each is a product of what stands before and behind.
  return engine.scope(() => {
    let y = x
    for (const axis of [...axes].sort((a, b) => b - a)) {
      const from = y
      const next = reduce(op, ReduceOp.prod, from, axis, options)
      engine.tape?.record(op, next, { x: from }, { x: from }, (dy, kept) => ({
        x: () =>
          engine.scope(() => {
            const others = mul(cumprod(kept.x, axis, true, false), cumprod(kept.x, axis, true, true))
            return mul(others, dy.reshape(kept.x.shape.with(axis, 1)))
          }),
      }))
      y = next
    }
    return y === x ? add(x, 0) : y
  })
}

/**
 * The length over axes: the root of the sum of squares, kept in float64 along neighbouring axes, so that no
 * square overflows; options and errors as of `sum`. The derivative where it is 0 is 0. Definition: ONNX
 * ReduceL2.
 * @example const unit = div(x, norm(x, { axes: -1, keepDims: true }))
 */
export function norm(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions('norm', options, REDUCE)
  const { wide, axes } = settle('norm', x, options)
  const { engine } = x
  const y = reduce('norm', ReduceOp.norm, x, axes, options)
  engine.tape?.record('norm', y, { x }, { x, y }, (dy, kept) => ({
    x: () =>
      engine.scope(() => {
        const [slope, length] = [dy.reshape(wide), kept.y.reshape(wide)]
        const direction = div(kept.x, length)
        return mul(where(equal(length, 0), 0, direction), slope)
      }),
  }))
  return y
}

/**
 * The mean of the squares of what differs from the mean, over axes; options and errors as of `mean`.
 * Definition: NumPy var.
 * @example const spread = variance(photo, { axes: [1, 2] })
 */
export function variance(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions('variance', options, REDUCE)
  const { axes } = settle('variance', x, options, false)
  return x.engine.scope(() => {
    const apart = sub(x, mean(x, { axes, keepDims: true }))
    return mean(mul(apart, apart), { ...options, axes })
  })
}

/**
 * log(sum of exp(x)) over axes, taken from the largest so that nothing overflows; options and errors as of
 * `max`. Definition: ONNX ReduceLogSumExp.
 * @example const normaliser = logSumExp(logits, { axes: -1 })
 */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions('logSumExp', options, REDUCE)
  const { axes } = settle('logSumExp', x, options, false)
  const { engine } = x
  return engine.scope(() => {
    // A constant to the tape: what it takes away it brings back. Infinite ones would be taken from
    // themselves.
    const largest = engine.untaped(() =>
      clamp(max(x, { axes, keepDims: true }), { low: -3.4028234e38, high: 3.4028234e38 }),
    )
    const rest = log(sum(exp(sub(x, largest)), { axes, keepDims: true }))
    const y = add(rest, largest)
    return options.keepDims ? y : y.reshape(x.shape.filter((_, axis) => !axes.includes(axis)))
  })
}
