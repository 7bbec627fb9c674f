/** What the operands of an op have in common. */

import { check } from '../base/errors.js'
import type { DType } from '../core/dtype.js'
import { type Quantization, sameQuantization, showQuantization } from '../core/quantization.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'

/** What stands on either side of arithmetic and comparisons. */
export type Operand<D extends DType = 'float32'> = Tensor<D> | number

/** Throws unless a tensor is of the type that those before it are of. */
export function checkSameType(op: string, argument: string, tensor: AnyTensor, dtype: DType): void {
  const hint = 'cast(x, dtype) gives another type'
  check(tensor.dtype === dtype, () => ({
    op,
    argument,
    expected: `of ${dtype}, as those before it`,
    got: `a tensor of ${tensor.dtype}`,
    hint,
  }))
}

/** Throws unless elements of both tensors stand for the same numbers. */
export function checkSameQuantization(
  op: string,
  argument: string,
  { quantization, shape }: AnyTensor,
  wanted: Quantization | undefined,
): void {
  check(sameQuantization(quantization, wanted), () => ({
    op,
    argument,
    expected: `of the quantization of those before it, ${showQuantization(wanted)}`,
    got: showQuantization(quantization),
    shapes: { [argument]: shape },
  }))
}
