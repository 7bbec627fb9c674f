/** What ops have in common that take 8-bit integers and give 8-bit integers. */

import { check, show } from '../base/errors.js'
import { type Shape, sameShape } from '../base/shape.js'
import type { ByteType, DType } from '../core/dtype.js'
import { checkType } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import {
  type Quantization,
  sameQuantization,
  settleQuantization,
  showQuantization,
} from '../core/quantization.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { checkNoTape } from '../plans/elementwise.js'

/** Types that activations, pools, `softmax` and `resize` take. */
export type FloatOrByte = 'float32' | ByteType

export const FLOATS_AND_BYTES: readonly DType[] = ['float32', 'int8', 'uint8']

/** What the 8-bit integers of a result stand for. */
export interface ResultQuantization {
  /** Above 0. */
  scale: number
  /** The element that stands for 0. */
  zeroPoint: number
  /** The type of the operands, which is the default: so that one object serves here and in convolutions. */
  dtype?: ByteType
}

/** What ops take that give 8-bit integers of the type of their operands. */
export interface ByteResultOptions {
  /** Of 8-bit operands: what the result's integers stand for. */
  quantization?: ResultQuantization
}

const RESULT: Names<ResultQuantization> = { scale: true, zeroPoint: true, dtype: true }

/** Integers that stand for themselves. */
export const PLAIN: Quantization = { scale: 1, zeroPoint: 0 }

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
  const dtype = Object.values(operands)[0]!.dtype as ByteType
  if (given === undefined) return otherwise
  check(typeof given === 'object' && given !== null, () => ({
    op,
    argument: 'quantization',
    expected: '{ scale, zeroPoint }',
    got: show(given),
    shapes,
  }))
  checkOptions(op, given, RESULT)
  check(given.dtype === undefined || given.dtype === dtype, () => ({
    op,
    argument: 'quantization.dtype',
    expected: `${dtype}, as the operands are, or left out`,
    got: show(given.dtype),
    shapes,
  }))
  return settleQuantization(op, { scale: given.scale, zeroPoint: given.zeroPoint }, dtype, shape)!
}

/** `out`, checked, or a new tensor, of x's shape and type and of a quantization, which `write` fills. */
export function produceBytes<D extends FloatOrByte>(
  op: string,
  x: Tensor<D>,
  out: Tensor<D> | undefined,
  quantization: Quantization,
  write: (y: Tensor<D>) => void,
): Tensor<D> {
  const { engine, dtype, shape } = x
  const context: Context = { op, shapes: { x: shape, out: out?.shape } }
  if (!out) {
    const y = engine.make(shape, write, { dtype, quantization })
    engine.tape?.record(op, y, { x }, {}, () => ({}))
    return y
  }
  check(sameShape(out.shape, shape), () => ({
    ...context,
    argument: 'out',
    expected: show(shape),
    got: show(out.shape),
  }))
  checkType(op, 'out', out, [dtype])
  checkNoTape(engine, out, context)
  check(sameQuantization(out.quantization, quantization), () => ({
    ...context,
    argument: 'out',
    expected: `of the quantization ${showQuantization(quantization)}`,
    got: showQuantization(out.quantization),
  }))
  write(out)
  return out.changed()
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
