/**
 * Comparisons, element by element: masks of uint8, 1 where it is so, else 0. A mask is a step, whose
 * derivative is 0: none goes through it.
 */

import { check, show } from '../base/errors.js'
import { ANY, checkElement, type DType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { commonShape, NO_CLAMP, writeBinary } from '../plans/elementwise.js'
import { BinaryOp } from '../wasm/abi.js'
import { cast } from './cast.js'
import { checkSameQuantization, checkSameType, type Operand } from './operands.js'

/**
 * Whether a and b are equal, with NumPy's broadcasting. NaN equals nothing, -0 equals 0. 8-bit tensors are
 * compared by their elements, and must be of one quantization.
 *
 * @param a a tensor of any type, or a number
 * @param b of a's type, or a number; one of the two is a tensor. A number is one that the other's type holds
 * @returns uint8, of the common shape
 * @throws FilterbankError for operands of different types or quantizations, a number that the type does not
 *   hold, or shapes that do not broadcast; nothing
 * is allocated then
 * @example const hits = equal(argmax(logits, { axis: -1, dtype: 'int32' }), labels)
 */
export function equal<D extends DType>(a: Operand<D>, b: Operand<D>): Tensor<'uint8'> {
  return compare('equal', BinaryOp.isEqual, a, b)
}

/**
 * Whether a and b differ, which NaN does from everything; as `equal`.
 * @example const gaps = notEqual(x, x) // where x is NaN
 */
export function notEqual<D extends DType>(a: Operand<D>, b: Operand<D>): Tensor<'uint8'> {
  return compare('notEqual', BinaryOp.isNotEqual, a, b)
}

/**
 * Whether a < b; as `equal`.
 * @example const dark = less(photo, 0.1)
 */
export function less<D extends DType>(a: Operand<D>, b: Operand<D>): Tensor<'uint8'> {
  return compare('less', BinaryOp.isLess, a, b)
}

/**
 * Whether a <= b; as `equal`.
 * @example const dark = lessEqual(photo, 0.1)
 */
export function lessEqual<D extends DType>(a: Operand<D>, b: Operand<D>): Tensor<'uint8'> {
  return compare('lessEqual', BinaryOp.isLessEqual, a, b)
}

/**
 * Whether a > b; as `equal`.
 * @example const bright = greater(photo, 0.9)
 */
export function greater<D extends DType>(a: Operand<D>, b: Operand<D>): Tensor<'uint8'> {
  return compare('greater', BinaryOp.isLess, a, b, true)
}

/**
 * Whether a >= b; as `equal`.
 * @example const bright = greaterEqual(photo, 0.9)
 */
export function greaterEqual<D extends DType>(a: Operand<D>, b: Operand<D>): Tensor<'uint8'> {
  return compare('greaterEqual', BinaryOp.isLessEqual, a, b, true)
}

/** `swapped`: b before a. */
function compare(
  op: string,
  code: BinaryOp,
  a: AnyTensor | number,
  b: AnyTensor | number,
  swapped = false,
): Tensor<'uint8'> {
  const tensors = { ...(typeof a !== 'number' && { a }), ...(typeof b !== 'number' && { b }) }
  check('a' in tensors || 'b' in tensors, () => ({
    op,
    argument: 'a',
    expected: 'a tensor where b is none',
    got: show(a),
  }))
  const engine = engineOf(op, tensors, {}, ANY)
  const context: Context = { op, shapes: { a: tensors.a?.shape, b: tensors.b?.shape } }
  const { dtype, quantization } = (tensors.a ?? tensors.b)!
  if (tensors.b) checkSameType(op, 'b', tensors.b, dtype)
  if (tensors.b) checkSameQuantization(op, 'b', tensors.b, quantization)
  for (const [argument, value] of Object.entries({ a, b }))
    if (typeof value === 'number') checkElement(op, argument, value, dtype, context.shapes)
  const shape = commonShape({ a, b }, context)
  const whole = dtype === 'float32' ? code : code + BinaryOp.isEqualInt - BinaryOp.isEqual
  // Bytes are compared as what they are in 32 bits.
  const widened = (operand: AnyTensor | number) =>
    typeof operand === 'number' || bytesAreWords(operand)
      ? operand
      : engine.scope(() => cast(operand, 'int32'))
  return engine.scope(() => {
    const [p, q] = [widened(a), widened(b)]
    const mask = engine.make(
      shape,
      (y) => writeBinary(whole, swapped ? q : p, swapped ? p : q, y, NO_CLAMP),
      { dtype: 'uint8' },
    )
    engine.trace?.note(op, mask, { a, b })
    return mask
  })
}

const bytesAreWords = ({ dtype }: AnyTensor): boolean => dtype === 'float32' || dtype === 'int32'
