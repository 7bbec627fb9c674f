/** Functions of two tensors beyond the four kinds of arithmetic. */

import type { ByteType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkOptions } from '../core/options.js'
import { type AnyTensor, Tensor } from '../core/tensor.js'
import { OUT, type OutOptions } from '../plans/elementwise.js'
import { BinaryOp } from '../wasm/abi.js'
import {
  anyArithmetic,
  arithmetic,
  type ByteArithmeticOptions,
  div,
  mul,
  type Numeric,
  operandsBackward,
  sub,
} from './arithmetic.js'
import { isByteTensor } from './byteResult.js'
import { equal, greater, less } from './compare.js'
import type { Operand } from './operands.js'
import { floor, log } from './unary.js'
import { where } from './where.js'

/** dy where `chosen`, half of it where both are equal, else 0. */
const shared = (dy: Tensor, chosen: Tensor<'uint8'>, a: Operand, b: Operand): Tensor =>
  where(chosen, dy, where(equal(a, b), mul(dy, 0.5), 0))

/** Where `isA` a is chosen, where `isB` b. */
function extreme(
  op: 'maximum' | 'minimum',
  a: AnyTensor | number,
  b: AnyTensor | number,
  options: ByteArithmeticOptions | OutOptions,
  isA: typeof greater,
  isB: typeof greater,
): AnyTensor {
  const isOfBytes = [a, b].some((operand) => operand instanceof Tensor && isByteTensor(operand))
  if (!isOfBytes) checkOptions(op, options as OutOptions, OUT)
  return anyArithmetic(op, a, b, options, (dy, a, b) =>
    operandsBackward(
      dy,
      a,
      b,
      () => shared(dy, isA(a, b), a, b),
      () => shared(dy, isB(a, b), a, b),
    ),
  )
}

/**
 * The larger of a and b, NaN where one is; broadcasting, types and errors as of `add`. Equal ones share the
 * derivative.
 *
 * @param a a tensor of float32 or int32, or a number; int8 or uint8 on both sides, as of `add`
 * @param b of a's type, or a number; one of the two is a tensor
 * @param options out: a tensor of the result's shape and type to write into, which may be a or b; of 8-bit
 *   integers quantization and activation, as of `add`
 * @returns the common shape
 * @example const y = maximum(x, 0)
 */
export function maximum<D extends ByteType>(
  a: Tensor<D>,
  b: Tensor<D>,
  options: ByteArithmeticOptions,
): Tensor<D>
/** The same of tensors of one type, or of a tensor and a number, as above. */
export function maximum<D extends Numeric = 'float32'>(
  a: Operand<D>,
  b: Operand<D>,
  options?: OutOptions<D>,
): Tensor<D>
export function maximum(
  a: AnyTensor | number,
  b: AnyTensor | number,
  options: ByteArithmeticOptions | OutOptions = {},
): AnyTensor {
  return extreme('maximum', a, b, options, greater, less)
}

/**
 * The smaller of a and b; as `maximum`.
 * @example const y = minimum(x, 1)
 */
export function minimum<D extends ByteType>(
  a: Tensor<D>,
  b: Tensor<D>,
  options: ByteArithmeticOptions,
): Tensor<D>
/** The same of tensors of one type, or of a tensor and a number, as above. */
export function minimum<D extends Numeric = 'float32'>(
  a: Operand<D>,
  b: Operand<D>,
  options?: OutOptions<D>,
): Tensor<D>
export function minimum(
  a: AnyTensor | number,
  b: AnyTensor | number,
  options: ByteArithmeticOptions | OutOptions = {},
): AnyTensor {
  return extreme('minimum', a, b, options, less, greater)
}

/**
 * What is left of a after whole times b, with the sign of b: a - floor(a / b) * b; broadcasting, types and
 * errors as of `add`. By 0 it is NaN, of int32 it is
 * 0. Definition: NumPy mod.
 * @example const angle = mod(x, 2 * Math.PI)
 */
export function mod<D extends Numeric = 'float32'>(
  a: Operand<D>,
  b: Operand<D>,
  options: OutOptions<D> = {},
): Tensor<D> {
  checkOptions('mod', options, OUT)
  return arithmetic('mod', BinaryOp.mod, a, b, options, (dy, a, b) =>
    operandsBackward(
      dy,
      a,
      b,
      () => dy,
      () => mul(mul(dy, -1), floor(div(a, b))),
    ),
  )
}

/**
 * a to the power of b, as IEEE 754 and C's pow have it (1 where b is 0; NaN for a broken power of a number
 * below 0); of float32 alone; broadcasting and errors as of `add`. The derivative with respect to b is 0
 * where a is 0.
 * @example const y = pow(x, 2.2)
 */
export function pow(a: Operand, b: Operand, options: OutOptions = {}): Tensor {
  checkOptions('pow', options, OUT)
  engineOf(
    'pow',
    { ...(typeof a !== 'number' && { a }), ...(typeof b !== 'number' && { b }) },
    { out: options.out },
  )
  return arithmetic('pow', BinaryOp.pow, a, b, options, (dy, a, b) =>
    operandsBackward(
      dy,
      a,
      b,
      () => {
        if (b === 0) return mul(dy, 0)
        if (typeof b === 'number') return mul(dy, mul(pow(a, b - 1), b))
        return mul(dy, where(equal(b, 0), 0, mul(pow(a, sub(b, 1)), b)))
      },
      () =>
        mul(
          mul(dy, pow(a, b)),
          typeof a === 'number' ? (a === 0 ? 0 : Math.log(a)) : where(equal(a, 0), 0, log(a)),
        ),
    ),
  )
}
