/** What ops have in common that take 8-bit integers and give 8-bit integers. */

import { check, show } from '../base/errors.js'
import type { Shape } from '../base/shape.js'
import type { ByteType, DType } from '../core/dtype.js'
import { checkOptions, type Names } from '../core/options.js'
import { type Quantization, settleQuantization, showQuantization } from '../core/quantization.js'
import type { AnyTensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'

/** Types that activations and pools take. */
export type FloatOrByte = 'float32' | ByteType

export const FLOATS_AND_BYTES: readonly DType[] = ['float32', 'int8', 'uint8']

/** What the 8-bit integers of a result stand for. */
export interface ResultQuantization {
  /** Above 0. */
  scale: number
  /** The element that stands for 0. */
  zeroPoint: number
}

/** What ops take that give 8-bit integers of the type of their operands. */
export interface ByteResultOptions {
  /** Of 8-bit operands: what the result's integers stand for. */
  quantization?: ResultQuantization
}

const RESULT: Names<ResultQuantization> = { scale: true, zeroPoint: true }

/** Whether a tensor is one of 8 bits; what is no tensor is refused by `engineOf`. */
export const isByteTensor = (x: AnyTensor | undefined): boolean => x?.dtype === 'int8' || x?.dtype === 'uint8'

/** Of 8-bit integers whose scale counts: throws where they have none. */
export function checkQuantized(x: AnyTensor, argument: string, context: Context): void {
  check(x.quantization !== undefined, () => ({
    ...context,
    argument,
    expected: 'of a quantization',
    got: `${x.dtype} without one`,
    hint: 'engine.tensor(data, shape, { dtype, quantization: { scale, zeroPoint } }), with a scale of 1 and a zero point of 0 where integers stand for themselves',
  }))
}

/**
 * The quantization of a result: what was asked for, else `otherwise`. Throws where an operand's differs along
 * an axis.
 */
export function resultQuantization(
  op: string,
  operands: Record<string, AnyTensor>,
  shape: Shape,
  given: ResultQuantization | undefined,
  otherwise: Quantization,
): Quantization {
  const shapes = Object.fromEntries(Object.entries(operands).map(([name, tensor]) => [name, tensor.shape]))
  for (const [argument, { quantization }] of Object.entries(operands))
    check(quantization?.axis === undefined, () => ({
      op,
      argument,
      expected: 'of one scale and zero point',
      got: showQuantization(quantization),
      shapes,
    }))
  const { dtype } = Object.values(operands)[0]!
  if (given === undefined) return otherwise
  check(typeof given === 'object' && given !== null, () => ({
    op,
    argument: 'quantization',
    expected: '{ scale, zeroPoint }',
    got: show(given),
    shapes,
  }))
  checkOptions(op, given, RESULT)
  return settleQuantization(op, { scale: given.scale, zeroPoint: given.zeroPoint }, dtype, shape)!
}

/** Throws for a quantization of what is no result in 8 bits. */
export function checkNoQuantization(op: string, x: AnyTensor, given: unknown): void {
  check(given === undefined, () => ({
    op,
    argument: 'quantization',
    expected: `left out where x is ${x.dtype}: quantize(x, { scale }) makes bytes of it`,
    got: show(given),
    shapes: { x: x.shape },
  }))
}
