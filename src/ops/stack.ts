/** Tensors along a new axis, and parts of a tensor along one that it has. */

import { check, show } from '../base/errors.js'
import { type Shape, sameShape } from '../base/shape.js'
import { ANY, type DType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { axisOf } from './axis.js'
import { concat } from './concat.js'
import { checkSameQuantization, checkSameType } from './operands.js'
import { slice } from './slice.js'

/** What `stack` takes beside the tensors. */
export interface StackOptions {
  /** Where the new axis stands in the result; negative counts from its last. Default 0. */
  axis?: number
}

const STACK: Names<StackOptions> = { axis: true }

/** `sizes`: the length of each part along the axis; `parts`: how many of equal length. */
export type SplitOptions = {
  /** The axis to cut; negative counts from the last. Default -1: the channels, as `concat` joins them. */
  axis?: number
} & ({ sizes: readonly number[]; parts?: undefined } | { parts: number; sizes?: undefined })

const SPLIT: Names<SplitOptions> = { axis: true, sizes: true, parts: true }

/**
 * Tensors of one shape along a new axis. Definition: NumPy stack.
 *
 * @param tensors at least one, alike in shape, type and quantization
 * @param options axis 0
 * @returns their shape, with their number in the place of the new axis
 * @throws FilterbankError where shapes, types or quantizations differ, or there is no such axis; nothing is
 *   allocated then
 * @example const batch = stack(photos)
 */
export function stack<D extends DType>(tensors: readonly Tensor<D>[], options: StackOptions = {}): Tensor<D> {
  checkOptions('stack', options, STACK)
  const op = 'stack'
  check(Array.isArray(tensors) && tensors.length > 0, () => ({
    op,
    argument: 'tensors',
    expected: 'an array of at least one tensor',
    got: show(tensors),
  }))
  const named = Object.fromEntries(tensors.map((tensor, i) => [`tensors[${i}]`, tensor]))
  const engine = engineOf(op, named, {}, ANY)
  const { shape, dtype, quantization } = tensors[0]!
  const shapes: Record<string, Shape> = Object.fromEntries(
    Object.entries(named).map(([name, tensor]) => [name, tensor.shape]),
  )
  for (const [argument, tensor] of Object.entries(named)) {
    check(sameShape(tensor.shape, shape), () => ({
      op,
      argument,
      expected: show(shape),
      got: show(tensor.shape),
      shapes,
    }))
    checkSameType(op, argument, tensor, dtype)
    checkSameQuantization(op, argument, tensor, quantization)
  }
  const axis = axisOf(options.axis ?? 0, shape.length + 1, { op, shapes })
  return engine.scope(() =>
    concat(
      tensors.map((tensor) => tensor.reshape(shape.toSpliced(axis, 0, 1))),
      { axis },
    ),
  )
}

/**
 * A tensor cut into parts along an axis, each a copy. Definition: ONNX Split.
 *
 * @param x of any type, of rank 1 or more
 * @param options sizes: of the parts, which add up to the length of the axis; or parts: how many, which that
 *   length is a multiple of. axis -1
 * @returns the parts, in order
 * @throws FilterbankError for sizes that do not add up, a number of parts that does not divide the length,
 *   both or neither; nothing is allocated then
 * @example const [query, key, value] = split(linear(x, weight), { parts: 3 })
 */
export function split<D extends DType>(x: Tensor<D>, options: SplitOptions): Tensor<D>[] {
  const op = 'split'
  checkOptions(op, options, SPLIT)
  engineOf(op, { x }, {}, ANY)
  const { shape } = x
  const { sizes, parts } = options
  const fail = (argument: string, expected: string, got: unknown) => () => ({
    op,
    argument,
    expected,
    got: show(got),
    shapes: { x: shape },
  })
  check(shape.length > 0, fail('x', 'of rank 1 or more', shape))
  const axis = axisOf(options.axis ?? -1, shape.length, { op, shapes: { x: shape } })
  const length = shape[axis]!
  check(
    (sizes === undefined) !== (parts === undefined),
    fail('sizes', 'given, or parts, but not both', sizes),
  )
  if (parts !== undefined)
    check(
      Number.isInteger(parts) && parts > 0 && length % parts === 0,
      fail('parts', `an integer of at least 1 that ${length} is a multiple of`, parts),
    )
  else {
    const fits =
      Array.isArray(sizes) &&
      sizes.every((size) => Number.isInteger(size) && size >= 0) &&
      sizes.reduce((a, b) => a + b, 0) === length
    check(fits, fail('sizes', `integers of at least 0 that add up to ${length}`, sizes))
  }
  let first = 0
  const lengths: readonly number[] = sizes ?? new Array<number>(parts!).fill(length / parts!)
  const made: Tensor<D>[] = []
  try {
    for (const size of lengths) {
      made.push(
        slice(x, {
          begin: shape.map((_, i) => (i === axis ? first : 0)),
          end: shape.map((other, i) => (i === axis ? first + size : other)),
        }),
      )
      first += size
    }
  } catch (error) {
    for (const part of made) part.dispose()
    throw error
  }
  return made
}
