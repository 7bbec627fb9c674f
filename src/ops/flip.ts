import { stridesOf } from '../base/shape.js'
import { ANY, type DType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import { alongAxis } from '../core/quantization.js'
import type { Tensor } from '../core/tensor.js'
import { bytesTo, copy } from '../plans/copy.js'
import { axesOf } from './reduce.js'

/** What `flip` turns round. */
export interface FlipOptions {
  /** The axes to turn round, one or several; negative ones count from the last. Default: all. */
  axes?: number | readonly number[]
}

const FLIP: Names<FlipOptions> = { axes: true }

/**
 * The elements along axes in the opposite order. Definition: NumPy flip.
 *
 * @param x of any shape and type
 * @param options axes: all
 * @returns x's shape
 * @throws FilterbankError for an axis that x does not have or that is named twice; nothing is allocated then
 * @example const mirrored = flip(photo, { axes: 2 })
 */
export function flip<D extends DType>(x: Tensor<D>, options: FlipOptions = {}): Tensor<D> {
  checkOptions('flip', options, FLIP)
  const op = 'flip'
  const engine = engineOf(op, { x }, {}, ANY)
  const { shape, dtype } = x
  const axes =
    options.axes === undefined
      ? [...shape.keys()]
      : axesOf(options.axes, shape, 'axes', { op, shapes: { x: shape } })
  const quantization = axes.reduce(
    (moved, axis) => alongAxis(moved, axis, (values) => [...values].reverse()),
    x.quantization,
  )
  const strides = stridesOf(shape)
  const first = axes.reduce((sum, axis) => sum + Math.max(0, shape[axis]! - 1) * strides[axis]!, 0)
  const box = shape.map((length, i) => ({
    length,
    from: axes.includes(i) ? -strides[i]! : strides[i]!,
    to: strides[i]!,
  }))
  const y = engine.make<D>(
    shape,
    (y) => copy(engine, x.pointer + bytesTo(dtype, first), y.pointer, box, dtype),
    { dtype, quantization },
  )
  engine.trace?.note(op, y, { x }, { axes })
  engine.tape?.record(op, y, { x }, {}, (dy) => ({ x: () => flip(dy, { axes }) }))
  return y
}
