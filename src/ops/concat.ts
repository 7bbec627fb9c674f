import { check, show } from '../base/errors.js'
import { stridesOf } from '../base/shape.js'
import { ANY, type DType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { Quantization } from '../core/quantization.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import { bytesTo, copy } from '../plans/copy.js'
import { axisOf } from './axis.js'
import { checkSameQuantization, checkSameType } from './operands.js'
import { slice } from './slice.js'

/** What `concat` takes beside its tensors. */
export interface ConcatOptions {
  /**
   * The axis along which the tensors follow each other; negative counts from the last. Default -1: the
   * channels.
   */
  axis?: number
}

const CONCAT: Names<ConcatOptions> = { axis: true }

/**
 * Tensors one after the other along an axis. Definition: ONNX Concat.
 *
 * @param tensors at least one, of one type and quantization, alike in every length but that of the axis
 * @returns their shape, with the lengths along the axis added up
 * @throws FilterbankError where types, quantizations, ranks or other lengths differ, or there is no such axis
 * @example const skip = concat([encoder, decoder], { axis: -1 })
 */
export function concat<D extends DType>(
  tensors: readonly Tensor<D>[],
  options: ConcatOptions = {},
): Tensor<D> {
  checkOptions('concat', options, CONCAT)
  const isList = (value: unknown): boolean => Array.isArray(value) && value.length > 0
  check(isList(tensors), () => ({
    op: 'concat',
    argument: 'tensors',
    expected: 'an array of at least one tensor',
    got: show(tensors),
  }))
  const named = Object.fromEntries(tensors.map((tensor, i) => [`tensors[${i}]`, tensor]))
  const engine = engineOf('concat', named, {}, ANY)
  const context = {
    op: 'concat',
    shapes: Object.fromEntries(Object.entries(named).map(([name, tensor]) => [name, tensor.shape])),
  }
  const { dtype, shape: first } = tensors[0]!
  check(first.length > 0, () => ({
    ...context,
    argument: 'tensors[0]',
    expected: 'of rank 1 or more',
    got: 'a scalar',
  }))
  const axis = axisOf(options.axis ?? -1, first.length, context)
  tensors.forEach(({ shape }, i) => {
    const fits =
      shape.length === first.length && shape.every((length, j) => j === axis || length === first[j])
    const expected = `[${first.map((length, j) => (j === axis ? 'any' : length)).join(', ')}]`
    check(fits, () => ({ ...context, argument: `tensors[${i}]`, expected, got: show(shape) }))
    checkSameType('concat', `tensors[${i}]`, tensors[i]!, dtype)
  })
  const quantization = joinedQuantization(tensors, axis)

  const length = tensors.reduce((sum, { shape }) => sum + shape[axis]!, 0)
  const y = engine.empty(
    first.map((other, j) => (j === axis ? length : other)),
    { dtype, quantization },
  )
  const to = stridesOf(y.shape)
  let start = y.pointer
  for (const x of tensors) {
    const from = stridesOf(x.shape)
    copy(
      engine,
      x.pointer,
      start,
      x.shape.map((length, j) => ({ length, from: from[j]!, to: to[j]! })),
      dtype,
    )
    start += bytesTo(dtype, x.shape[axis]! * to[axis]!)
  }
  engine.trace?.note('concat', y, named, { axis })
  engine.tape?.record('concat', y, named, {}, (dy) => {
    let first = 0
    return Object.fromEntries(
      Object.entries(named).map(([name, { shape }]) => {
        const begin = shape.map((_, j) => (j === axis ? first : 0))
        first += shape[axis]!
        return [name, () => slice(dy, { begin, end: shape.map((other, j) => begin[j]! + other) })]
      }),
    )
  })
  return y
}

/** The quantization of all: the same one, or where it follows the axis of the concat, one after the other. */
function joinedQuantization(tensors: readonly AnyTensor[], axis: number): Quantization | undefined {
  const { quantization } = tensors[0]!
  if (quantization?.axis !== axis || tensors.some((tensor) => tensor.quantization?.axis !== axis)) {
    for (const [i, tensor] of tensors.entries())
      checkSameQuantization('concat', `tensors[${i}]`, tensor, quantization)
    return quantization
  }
  const joined = (part: 'scale' | 'zeroPoint') =>
    tensors.flatMap((tensor) => tensor.quantization![part] as readonly number[])
  return { scale: joined('scale'), zeroPoint: joined('zeroPoint'), axis }
}
