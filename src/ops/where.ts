/**
 * Choices by a mask, and logic on masks: the plan of assembly/select.ts. A mask is uint8: 0 is false, all
 * else true; results are 0 and 1.
 */

import { check, show } from '../base/errors.js'
import { broadcastStrides, type Shape, sameShape, stridesOf } from '../base/shape.js'
import { ANY, bytesPerElement, checkElement, type DType, MASKS, wordOfElement } from '../core/dtype.js'
import { checkType, type Engine, engineOf } from '../core/engine.js'
import type { Quantization } from '../core/quantization.js'
import { type AnyTensor, Tensor } from '../core/tensor.js'
import { copy } from '../plans/copy.js'
import { commonShape } from '../plans/elementwise.js'
import { SELECT_BLOCK, SelectOp } from '../wasm/abi.js'
import { checkSameQuantization, checkSameType } from './operands.js'
import { sumTo } from './reduce.js'

/**
 * a where the mask is true, else b, with NumPy's broadcasting of all three. What is not chosen does not
 * matter: a NaN there is not seen.
 *
 * @param mask uint8, as comparisons give it
 * @param a a tensor of any type, or a number
 * @param b of a's type and quantization, or a number; one of the two is a tensor. A number is an element of
 *   the other's type
 * @returns the common shape
 * @throws FilterbankError for a mask of another type, a and b of different types or quantizations, a number
 *   that the type does not hold, or shapes that do
 * not broadcast; nothing is allocated then
 * @example const y = where(less(x, 0), 0, x)
 */
export function where<D extends DType>(mask: Tensor<'uint8'>, a: Tensor<D>, b: Tensor<D> | number): Tensor<D>
/** The same, where a may be the number. */
export function where<D extends DType>(mask: Tensor<'uint8'>, a: Tensor<D> | number, b: Tensor<D>): Tensor<D>
export function where(mask: Tensor<'uint8'>, a: AnyTensor | number, b: AnyTensor | number): AnyTensor {
  const op = 'where'
  const tensors = { ...(typeof a !== 'number' && { a }), ...(typeof b !== 'number' && { b }) }
  check('a' in tensors || 'b' in tensors, () => ({
    op,
    argument: 'a',
    expected: 'a tensor where b is none',
    got: show(a),
  }))
  const engine = engineOf(op, { mask, ...tensors }, {}, ANY)
  checkType(op, 'mask', mask, MASKS)
  const shapes = { mask: mask.shape, a: tensors.a?.shape, b: tensors.b?.shape }
  const { dtype, quantization } = (tensors.a ?? tensors.b)!
  if (tensors.b) checkSameType(op, 'b', tensors.b, dtype)
  if (tensors.b) checkSameQuantization(op, 'b', tensors.b, quantization)
  for (const [argument, value] of Object.entries({ a, b }))
    if (typeof value === 'number') checkElement(op, argument, value, dtype, shapes)
  const shape = commonShape({ mask, ...tensors }, { op, shapes })
  const y = select(
    engine,
    SelectOp.where,
    mask,
    a,
    b,
    shape,
    dtype,
    broadcastQuantization(op, quantization, (tensors.a ?? tensors.b)!.shape, shape),
  )
  engine.trace?.note(op, y, { mask, a, b })
  engine.tape?.record(op, y, tensors, { mask }, (dy, kept) => {
    const back = (operand: AnyTensor | number, chosen: () => Tensor) => () =>
      engine.scope(() => sumTo(chosen(), (operand as AnyTensor).shape))
    return { a: back(a, () => where(kept.mask, dy, 0)), b: back(b, () => where(kept.mask, 0, dy)) }
  })
  return y
}

/**
 * Whether both masks are true, with NumPy's broadcasting.
 *
 * @param a uint8: 0 is false, all else true
 * @param b as a
 * @returns uint8, 1 or 0, of the common shape
 * @throws FilterbankError for another type, or shapes that do not broadcast; nothing is allocated then
 * @example const inside = and(greaterEqual(x, 0), less(x, 1))
 */
export function and(a: Tensor<'uint8'>, b: Tensor<'uint8'>): Tensor<'uint8'> {
  return logic('and', SelectOp.and, a, b)
}

/**
 * Whether at least one mask is true; as `and`.
 * @example const outside = or(less(x, 0), greater(x, 1))
 */
export function or(a: Tensor<'uint8'>, b: Tensor<'uint8'>): Tensor<'uint8'> {
  return logic('or', SelectOp.or, a, b)
}

/**
 * Whether one mask is true and the other is not; as `and`.
 * @example const changed = xor(before, after)
 */
export function xor(a: Tensor<'uint8'>, b: Tensor<'uint8'>): Tensor<'uint8'> {
  return logic('xor', SelectOp.xor, a, b)
}

/**
 * 1 where the mask is 0, else 0.
 *
 * @param x uint8, any shape
 * @returns uint8, x's shape
 * @throws FilterbankError for another type
 * @example const rest = not(chosen)
 */
export function not(x: Tensor<'uint8'>): Tensor<'uint8'> {
  const engine = engineOf('not', { x }, {}, MASKS)
  const y = select(engine, SelectOp.xor, x, 1, 1, x.shape, 'uint8')
  engine.trace?.note('not', y, { x })
  return y
}

function logic(op: string, code: SelectOp, a: Tensor<'uint8'>, b: Tensor<'uint8'>): Tensor<'uint8'> {
  const engine = engineOf(op, { a, b }, {}, MASKS)
  const shape = commonShape({ a, b }, { op, shapes: { a: a.shape, b: b.shape } })
  const y = select(engine, code, a, 1, b, shape, 'uint8')
  engine.trace?.note(op, y, { a, b })
  return y
}

/**
 * The quantization of a tensor that was broadcast: its axis counted anew; throws where it was repeated along
 * it.
 */
function broadcastQuantization(
  op: string,
  quantization: Quantization | undefined,
  from: Shape,
  to: Shape,
): Quantization | undefined {
  if (quantization?.axis === undefined) return quantization
  const axis = quantization.axis + to.length - from.length
  check(to[axis] === from[quantization.axis], () => ({
    op,
    argument: 'a',
    expected: `as long as the result along axis ${quantization.axis}, along which its quantization differs`,
    got: show(from),
    shapes: { result: to },
  }))
  return { ...quantization, axis }
}

/** Runs a choice over operands that are broadcast to `shape`. */
function select<D extends DType>(
  engine: Engine,
  op: SelectOp,
  mask: Tensor<'uint8'>,
  a: AnyTensor | number,
  b: AnyTensor | number,
  shape: Shape,
  dtype: D,
  quantization?: Quantization,
): Tensor<D> {
  return engine.scope(() => {
    const [m, p, q] = [broadcastTo(mask, shape), inPlace(a, shape), inPlace(b, shape)]
    return engine.make<D>(
      shape,
      (y) => {
        engine.scratch(384)
        engine.run({
          kernel: 'select',
          args: {
            op,
            mask: m.pointer,
            a: p instanceof Tensor ? p.pointer : 0,
            b: q instanceof Tensor ? q.pointer : 0,
            y: y.pointer,
            size: y.size,
            bytes: bytesPerElement(dtype),
            aOne: Number(isOne(p)),
            bOne: Number(isOne(q)),
            aValue: typeof p === 'number' ? wordOfElement(p, dtype) : 0,
            bValue: typeof q === 'number' ? wordOfElement(q, dtype) : 0,
          },
          units: Math.ceil(y.size / SELECT_BLOCK),
          work: y.size,
        })
      },
      { dtype, quantization },
    )
  })
}

const isOne = (operand: AnyTensor | number): boolean => typeof operand === 'number' || operand.size === 1

/** An operand as the kernel takes it: one element for all, or all of them. */
const inPlace = (operand: AnyTensor | number, shape: Shape): AnyTensor | number =>
  isOne(operand) ? operand : broadcastTo(operand as AnyTensor, shape)

/** A tensor repeated to `shape`. */
function broadcastTo<D extends DType>(x: Tensor<D>, shape: Shape): Tensor<D> {
  if (sameShape(x.shape, shape)) return x
  const from = broadcastStrides(x.shape, shape)
  const to = stridesOf(shape)
  const box = shape.map((length, i) => ({ length, from: from[i]!, to: to[i]! }))
  return x.engine.make<D>(shape, (y) => copy(x.engine, x.pointer, y.pointer, box, x.dtype), {
    dtype: x.dtype,
  })
}
