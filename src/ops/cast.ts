/** Elements of another type. */

import { ANY, checkDtype, type DType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import { runCast } from '../plans/cast.js'
import { slice } from './slice.js'

/**
 * The same numbers in another type. A fraction is cut off toward zero; what lies outside of the type's range
 * becomes the nearest end of it; NaN becomes 0. int32 becomes the nearest float32, ties to even. It is the
 * elements that are cast: a quantization is left behind, but where the type stays the same.
 *
 * @param x any shape and type
 * @param dtype of the result
 * @returns x's shape; never x itself, nor its memory
 * @throws FilterbankError for an unknown dtype. From float32 to float32 the derivative is that of a copy;
 *   through any other cast there is none, which is an
 * error where one is wanted
 * @example const pixels = cast(mul(photo, 255), 'uint8')
 */
export function cast<D extends DType>(x: AnyTensor, dtype: D): Tensor<D> {
  const op = 'cast'
  const engine = engineOf(op, { x }, {}, ANY)
  checkDtype(op, dtype)
  // The copy tells the tape about itself.
  if (x.dtype === dtype) return slice(x) as unknown as Tensor<D>
  const y = engine.make(x.shape, (to) => runCast(x, to), { dtype })
  engine.trace?.note(op, y, { x }, { dtype })
  engine.tape?.record(op, y, { x }, {}, () => ({}))
  return y
}
