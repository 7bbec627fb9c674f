/**
 * What the integers of an 8-bit tensor stand for: (element - zeroPoint) * scale. How that follows where
 * elements move.
 */

import { check, show } from '../base/errors.js'
import { type Shape, sizeOf } from '../base/shape.js'
import { checkDtype, type DType, rangeOf } from './dtype.js'
import { checkOptions, type Names } from './options.js'

/** An element of an 8-bit tensor stands for the number (element - zeroPoint) * scale. */
export interface Quantization {
  /** Above 0; or with `axis` one for each index along it. */
  readonly scale: number | readonly number[]
  /**
   * The element that stands for 0, an integer of the tensor's type; or with `axis` one for each index along
   * it.
   */
  readonly zeroPoint: number | readonly number[]
  /** The axis along which they differ; negative counts from the last. Default: none, they are two numbers. */
  readonly axis?: number
}

/** Which tensor to make. */
export interface TensorOptions<D extends DType = 'float32'> {
  /** The type of its elements. Default `'float32'`, whatever array the data come in. */
  dtype?: D
  /** What 8-bit elements stand for. Default: themselves. */
  quantization?: Quantization
}

const TENSOR: Names<TensorOptions> = { dtype: true, quantization: true }

/** Throws for options of a tensor that it has not. @internal */
export const checkTensorOptions = (op: string, options: object): void => checkOptions(op, options, TENSOR)

/**
 * A checked copy that nobody can change, with `axis` counted from the front; throws where it is none for a
 * tensor of this type and shape.
 */
export function settleQuantization(
  op: string,
  given: Quantization | undefined,
  dtype: DType,
  shape: Shape,
): Quantization | undefined {
  if (given === undefined) return undefined
  const fail = (part: string, expected: string, got: unknown) => () => ({
    op,
    argument: `quantization${part}`,
    expected,
    got: show(got),
    shapes: { shape },
  })
  const range = rangeOf(dtype)
  check(typeof given === 'object' && given !== null, fail('', '{ scale, zeroPoint, axis }', given))
  check(
    dtype === 'int8' || dtype === 'uint8',
    fail('', `left out where dtype is '${dtype}': it belongs to int8 and uint8`, given),
  )
  const { scale, zeroPoint } = given
  let { axis } = given
  const rank = shape.length
  if (axis !== undefined) {
    check(
      Number.isInteger(axis) && axis >= -rank && axis < rank,
      fail('.axis', `an integer from ${-rank} to ${rank - 1}`, axis),
    )
    if (axis < 0) axis += rank
  }
  const count = axis === undefined ? undefined : shape[axis]!
  const numbers = (name: string, value: unknown, expected: string, fits: (value: number) => boolean) => {
    const what =
      count === undefined
        ? `${expected}; arrays want an axis beside them`
        : `${count} numbers, one for each index along axis ${axis}`
    check(
      count === undefined ? typeof value === 'number' : Array.isArray(value) && value.length === count,
      fail(`.${name}`, what, value),
    )
    if (count === undefined) check(fits(value as number), fail(`.${name}`, expected, value))
    else
      for (const [i, number] of (value as number[]).entries())
        check(fits(number), fail(`.${name}[${i}]`, expected, number))
  }
  // A scale that float32 holds: kernels multiply by it.
  numbers(
    'scale',
    scale,
    'a finite number above 0',
    (v) => typeof v === 'number' && Math.fround(v) > 0 && Math.fround(v) < Number.POSITIVE_INFINITY,
  )
  numbers(
    'zeroPoint',
    zeroPoint,
    `an integer from ${range![0]} to ${range![1]}`,
    (v) => Number.isInteger(v) && v >= range![0] && v <= range![1],
  )
  const copy = (value: number | readonly number[]) =>
    typeof value === 'number' ? value : Object.freeze([...value])
  return Object.freeze(
    axis === undefined ? { scale, zeroPoint } : { scale: copy(scale), zeroPoint: copy(zeroPoint), axis },
  )
}

/** Whether elements of both stand for the same numbers. */
export function sameQuantization(a: Quantization | undefined, b: Quantization | undefined): boolean {
  if (a === b) return true
  if (!a || !b || a.axis !== b.axis) return false
  const same = (p: number | readonly number[], q: number | readonly number[]) =>
    typeof p === 'number' || typeof q === 'number'
      ? p === q
      : p.length === q.length && p.every((value, i) => value === q[i])
  return same(a.scale, b.scale) && same(a.zeroPoint, b.zeroPoint)
}

/** The quantisation where the axis it follows now stands at `axis`. */
export const onAxis = (quantization: Quantization, axis: number): Quantization => ({ ...quantization, axis })

/** The quantisation once the indexes along `axis` are others: `change` gives the new ones from the old. */
export function alongAxis(
  quantization: Quantization | undefined,
  axis: number,
  change: (values: readonly number[]) => readonly number[],
): Quantization | undefined {
  if (quantization?.axis !== axis) return quantization
  return {
    scale: change(quantization.scale as readonly number[]),
    zeroPoint: change(quantization.zeroPoint as readonly number[]),
    axis,
  }
}

/**
 * The quantisation under another shape of as many elements; throws where the axis that it follows is no
 * longer one.
 */
export function reshapedQuantization(
  quantization: Quantization | undefined,
  from: Shape,
  to: Shape,
): Quantization | undefined {
  if (quantization?.axis === undefined) return quantization
  const length = from[quantization.axis]!
  const before = sizeOf(from.slice(0, quantization.axis))
  const axis = to.findIndex((other, i) => other === length && sizeOf(to.slice(0, i)) === before)
  check(axis >= 0, () => ({
    op: 'reshape',
    argument: 'shape',
    expected: `one that keeps axis ${quantization.axis} of x, along which its quantization differs`,
    got: show(to),
    shapes: { x: from },
  }))
  return onAxis(quantization, axis)
}

/** A quantisation as errors show it. */
export const showQuantization = (quantization: Quantization | undefined): string =>
  quantization
    ? `{ scale ${show(quantization.scale)}, zeroPoint ${show(quantization.zeroPoint)}${quantization.axis === undefined ? '' : `, axis ${quantization.axis}`} }`
    : 'none'

/** A type that was asked for, checked and whole. */
export function settleType<D extends DType>(
  op: string,
  shape: Shape,
  options: TensorOptions<D>,
): TensorOptions<D> {
  checkTensorOptions(op, options)
  const { dtype = 'float32' as D, quantization } = options
  checkDtype(op, dtype)
  return { dtype, quantization: settleQuantization(op, quantization, dtype, shape) }
}
