import { check, show } from '../base/errors.js'
import { stridesOf } from '../base/shape.js'
import { ANY, checkElement, type DType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, isInteger, type Names } from '../core/options.js'
import type { Quantization } from '../core/quantization.js'
import type { Tensor } from '../core/tensor.js'
import { bytesTo, copy } from '../plans/copy.js'
import { slice } from './slice.js'

/** What `pad` takes beside x. */
export interface PadOptions {
  /** Elements added along each axis of x: [[before, after], ...]. */
  padding: readonly (readonly [number, number])[]
  /**
   * What they are, an element of x's type. Default 0; of a quantised x its zero point, which stands for 0.
   */
  value?: number
}

const PAD: Names<PadOptions> = { padding: true, value: true }

/**
 * A tensor with a border of one value. Definition: ONNX Pad, mode constant.
 *
 * @param x of any shape and type
 * @param options padding, one pair per axis; value 0
 * @returns of the rank of x, before + length + after along each axis
 * @throws FilterbankError for another number of pairs, a length that is not an integer of at least 0, or a
 *   value that x's type does not hold
 * @example const framed = pad(photo, { padding: [[0, 0], [8, 8], [8, 8], [0, 0]], value: 1 })
 */
export function pad<D extends DType>(x: Tensor<D>, options: PadOptions): Tensor<D> {
  checkOptions('pad', options, PAD)
  const engine = engineOf('pad', { x }, {}, ANY)
  const { padding } = options
  const { shape } = x
  const fail = (argument: string, expected: string, got: unknown) => () => ({
    op: 'pad',
    argument,
    expected,
    got: show(got),
    shapes: { x: shape },
  })
  const isPair = (sides: unknown) =>
    Array.isArray(sides) && sides.length === 2 && sides.every((side) => isInteger(side, 0))
  check(
    Array.isArray(padding) && padding.length === shape.length && padding.every(isPair),
    fail(
      'padding',
      `${shape.length} pairs [before, after] of integers of at least 0, one per axis of x`,
      padding,
    ),
  )
  const { quantization } = x
  const along = quantization?.axis
  check(
    along === undefined || (padding[along]![0] === 0 && padding[along]![1] === 0),
    fail(`padding[${along}]`, '[0, 0] along the axis of the quantization', padding),
  )
  const value = options.value ?? zeroOf(quantization)
  check(value !== undefined, fail('value', 'given where the zero points of x differ', options.value))
  checkElement('pad', 'value', value, x.dtype, { x: shape })

  const y = engine.empty(
    shape.map((length, i) => padding[i]![0] + length + padding[i]![1]),
    x,
  )
  const to = stridesOf(y.shape)
  const from = stridesOf(shape)
  // The border is a box before and one after along each axis: inside x along the axes before this one, over
  // all of y along those behind it.
  let start = y.pointer
  shape.forEach((length, i) => {
    const [before, after] = padding[i]!
    const fill = (index: number, thickness: number) => {
      const box = y.shape.map((whole, j) => ({
        length: j < i ? shape[j]! : j > i ? whole : thickness,
        from: 0,
        to: to[j]!,
      }))
      copy(engine, { value }, start + bytesTo(x.dtype, index * to[i]!), box, x.dtype)
    }
    fill(0, before)
    fill(before + length, after)
    start += bytesTo(x.dtype, before * to[i]!)
  })
  copy(
    engine,
    x.pointer,
    start,
    shape.map((length, i) => ({ length, from: from[i]!, to: to[i]! })),
    x.dtype,
  )
  engine.trace?.note('pad', y, { x }, { padding, value })
  engine.tape?.record('pad', y, { x }, {}, (dy) => {
    const begin = padding.map(([before]) => before)
    return { x: () => slice(dy, { begin, end: shape.map((length, i) => begin[i]! + length) }) }
  })
  return y
}

/** The element that stands for 0; undefined where it differs from channel to channel. */
function zeroOf(quantization: Quantization | undefined): number | undefined {
  if (!quantization) return 0
  const { zeroPoint } = quantization
  if (typeof zeroPoint === 'number') return zeroPoint
  return zeroPoint.every((value) => value === zeroPoint[0]) ? (zeroPoint[0] ?? 0) : undefined
}
