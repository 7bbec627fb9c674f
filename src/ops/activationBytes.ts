/** Activations of 8-bit integers. */

import { BYTES, type ByteType, rangeOf } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import type { Tensor } from '../core/tensor.js'
import { runMapBytes } from '../plans/bytes.js'
import { UnaryOp } from '../wasm/abi.js'
import {
  type FloatOrByte,
  PLAIN,
  produceBytes,
  type ResultQuantization,
  resultQuantization,
} from './byteResult.js'

/** The default of results from 0 to 1, as ONNX Runtime has it: the least integer stands for 0. */
export const fractions = (dtype: ByteType) => ({ scale: 1 / 256, zeroPoint: rangeOf(dtype)![0] })

/** An activation of 8-bit integers, by a table. Derivatives are an error where one is wanted. */
export function activateBytes<D extends FloatOrByte>(
  op: string,
  x: Tensor<D>,
  formula: readonly [op: UnaryOp, a: number, b: number],
  { out, quantization: given }: { out: Tensor<D> | undefined; quantization: ResultQuantization | undefined },
): Tensor<D> {
  engineOf(op, { x }, { out }, BYTES)
  const dtype = x.dtype as ByteType
  const otherwise = formula[0] === UnaryOp.sigmoid ? fractions(dtype) : (x.quantization ?? PLAIN)
  const quantization = resultQuantization(op, { x }, x.shape, given, otherwise)
  return produceBytes(op, x, out, quantization, (y) => runMapBytes(x, y, formula))
}
