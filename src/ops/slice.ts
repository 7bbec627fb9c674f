import { check, show } from '../base/errors.js'
import { type Shape, stridesOf } from '../base/shape.js'
import { ANY, type DType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkInteger, checkOptions, MOST, type Names } from '../core/options.js'
import { alongAxis } from '../core/quantization.js'
import type { Tensor } from '../core/tensor.js'
import { bytesTo, copy } from '../plans/copy.js'

/** What `slice` takes beside x. */
export interface SliceOptions {
  /** First index along each axis. Default: zeros. */
  begin?: readonly number[]
  /** One more than the last index along each axis. Default: the lengths of x. */
  end?: readonly number[]
  /** Distance between the indexes taken along each axis, 1 or more. Default: ones. */
  step?: readonly number[]
}

const SLICE: Names<SliceOptions> = { begin: true, end: true, step: true }

/**
 * A box cut out of a tensor: along each axis the indexes begin, begin + step, ... below end. A negative index
 * counts from the end, as in Python: -1 is the last element. Definition: ONNX Slice, with indexes outside of
 * x refused.
 *
 * @param x of any shape and type
 * @param options one number per axis in each of begin, end and step
 * @returns of the rank of x, ceil((end - begin) / step) along each axis
 * @throws FilterbankError for an index outside of x, or an end before its begin
 * @example const border = slice(x, { begin: [0, 0, -1, 0] }) // the last column of each image
 */
export function slice<D extends DType>(x: Tensor<D>, options: SliceOptions = {}): Tensor<D> {
  checkOptions('slice', options, SLICE)
  const engine = engineOf('slice', { x }, {}, ANY)
  const { shape } = x
  const { begin = shape.map(() => 0), end = shape, step = shape.map(() => 1) } = options
  const fail = (argument: string, expected: string, got: unknown) => () => ({
    op: 'slice',
    argument,
    expected,
    got: show(got),
    shapes: { x: shape },
  })
  for (const [argument, values] of Object.entries({ begin, end, step })) {
    check(
      Array.isArray(values) && values.length === shape.length,
      fail(argument, `an array of ${shape.length} integers, one per axis of x`, values),
    )
  }
  const from = stridesOf(shape)
  const axes = shape.map((length, i) => {
    const index = (argument: string, value: number) => {
      check(
        Number.isInteger(value) && Math.abs(value) <= length,
        fail(`${argument}[${i}]`, `an integer from ${-length} to ${length}`, value),
      )
      return value < 0 ? value + length : value
    }
    const first = index('begin', begin[i]!)
    const last = index('end', end[i]!)
    const stride = step[i]!
    check(first <= last, fail(`end[${i}]`, `at or after begin[${i}] = ${begin[i]}`, end[i]))
    checkInteger(stride, `step[${i}]`, 1, MOST, { op: 'slice', shapes: { x: shape } })
    return { first, last, step: stride, length: Math.ceil((last - first) / stride), from: from[i]! * stride }
  })

  const quantization = axes.reduce(
    (moved, { first, step, length }, i) =>
      alongAxis(moved, i, (values) => Array.from({ length }, (_, k) => values[first + k * step]!)),
    x.quantization,
  )
  const y = engine.empty(
    axes.map(({ length }) => length),
    { dtype: x.dtype, quantization },
  )
  const to = stridesOf(y.shape)
  const start = axes.reduce((sum, { first }, i) => sum + first * from[i]!, 0)
  const box = axes.map(({ length, from }, i) => ({ length, from, to: to[i]! }))
  copy(engine, x.pointer + bytesTo(x.dtype, start), y.pointer, box, x.dtype)
  engine.trace?.note('slice', y, { x }, { axes })
  engine.tape?.record('slice', y, { x }, {}, (dy) => ({ x: () => sliceBackward(dy, shape, start, axes) }))
  return y
}

/** dy at the places that were taken, zeros elsewhere. */
function sliceBackward(
  dy: Tensor,
  shape: Shape,
  start: number,
  axes: { length: number; from: number }[],
): Tensor {
  const dx = dy.engine.zeros(shape)
  const from = stridesOf(dy.shape)
  copy(
    dy.engine,
    dy.pointer,
    dx.pointer + start * 4,
    axes.map((axis, i) => ({ length: axis.length, from: from[i]!, to: axis.from })),
  )
  return dx
}
