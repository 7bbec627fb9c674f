/** Arithmetic of two tensors, or of a tensor and a number. */

import { check, show } from '../base/errors.js'
import { BYTES, type ByteType, checkElement, NUMBERS } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import { type AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { fitsBinaryBytes, runBinaryBytes } from '../plans/bytes.js'
import {
  commonShape,
  NO_CLAMP,
  type OutOptions,
  produce,
  runBinary,
  writeBinary,
} from '../plans/elementwise.js'
import { BinaryBytesOp, BinaryOp } from '../wasm/abi.js'
import { type Activation, clampBackward, finishActivation, fusedClamp } from './activation.js'
import { type ByteResultOptions, checkQuantized, isByteTensor, resultQuantization } from './byteResult.js'
import { checkSameType, type Operand } from './operands.js'
import { dequantize, quantize, quantized } from './quantize.js'
import { sumTo } from './reduce.js'

/** What arithmetic is done in. */
export type Numeric = 'float32' | 'int32'

/** What follows a sum or product of 8-bit integers. */
export interface ByteArithmeticOptions extends ByteResultOptions {
  /** One that clamps. */
  activation?: Activation
}

const BYTE_ARITHMETIC: Names<ByteArithmeticOptions> = { activation: true, quantization: true }

/** Where arithmetic writes to, and what follows it. */
export interface ArithmeticOptions<D extends Numeric = 'float32'> extends OutOptions<D> {
  /** Of the result; of float32 alone. */
  activation?: Activation
}

const ARITHMETIC: Names<ArithmeticOptions> = { activation: true, out: true }

/** The same of 32-bit integers. */
const integerCodes: Partial<Record<BinaryOp, BinaryOp>> = {
  [BinaryOp.add]: BinaryOp.addInt,
  [BinaryOp.sub]: BinaryOp.subInt,
  [BinaryOp.mul]: BinaryOp.mulInt,
  [BinaryOp.div]: BinaryOp.divInt,
  [BinaryOp.maximum]: BinaryOp.maximumInt,
  [BinaryOp.minimum]: BinaryOp.minimumInt,
  [BinaryOp.mod]: BinaryOp.modInt,
}

/** The derivatives with respect to a and b, from that of the result. */
export type OperandsBackward = (dy: Tensor, a: Operand, b: Operand) => { a: () => Tensor; b: () => Tensor }

/** A function of two operands; `backward` of what is none of the four kinds of arithmetic. */
export function arithmetic<D extends Numeric>(
  op: string,
  code: BinaryOp,
  a: Operand<D>,
  b: Operand<D>,
  options: ArithmeticOptions<D>,
  backward: OperandsBackward = (dy, a, b) => arithmeticBackward(code, dy, a, b),
): Tensor<D> {
  checkOptions<ArithmeticOptions<D>>(op, options, ARITHMETIC)
  const { activation, out } = options
  const tensors = { ...(typeof a !== 'number' && { a }), ...(typeof b !== 'number' && { b }) }
  const first = tensors.a ?? tensors.b
  check(first !== undefined, () => ({
    op,
    argument: 'a',
    expected: 'a tensor where b is none',
    got: show(a),
  }))
  const engine = engineOf(op, tensors, { out }, NUMBERS)
  const context: Context = { op, shapes: { a: tensors.a?.shape, b: tensors.b?.shape, out: out?.shape } }
  if (tensors.b) checkSameType(op, 'b', tensors.b, first.dtype)
  if (first.dtype === 'int32') {
    check(activation === undefined, () => ({
      ...context,
      argument: 'activation',
      expected: 'left out for int32',
      got: show(activation),
    }))
    if (typeof a === 'number') checkElement(op, 'a', a, 'int32', context.shapes)
    if (typeof b === 'number') checkElement(op, 'b', b, 'int32', context.shapes)
    const y = produce<D>(
      engine,
      commonShape({ a, b }, context),
      out,
      context,
      (y) => writeBinary(integerCodes[code]!, a, b, y, NO_CLAMP),
      'int32' as D,
    )
    engine.trace?.note(op, y, { a, b })
    // Integers have no derivative: one that is wanted through them is an error.
    engine.tape?.record(op, y, tensors, {}, () => ({}))
    return y
  }
  const clamp = fusedClamp(activation, context)
  const y = runBinary(code, engine, a as Operand, b as Operand, out as Tensor | undefined, clamp, context)
  engine.trace?.note(op, y, { a, b }, { activation })
  const keeps = code !== BinaryOp.add && code !== BinaryOp.sub
  const kept = { ...(keeps ? tensors : {}), y: clamp === NO_CLAMP ? undefined : y } as Record<
    string,
    Tensor | undefined
  >
  engine.tape?.record(op, y, tensors, kept, (dy, kept) =>
    backward(
      kept['y'] ? clampBackward(dy, kept['y'], clamp) : dy,
      kept['a'] ?? (a as Operand),
      kept['b'] ?? (b as Operand),
    ),
  )
  return finishActivation(activation, y) as Tensor<Numeric> as Tensor<D>
}

/** What arithmetic is to floats, and to 8-bit integers. */
const codes = {
  add: [BinaryOp.add, BinaryBytesOp.sum],
  sub: [BinaryOp.sub, BinaryBytesOp.difference],
  mul: [BinaryOp.mul, BinaryBytesOp.product],
  div: [BinaryOp.div, BinaryBytesOp.quotient],
  maximum: [BinaryOp.maximum, BinaryBytesOp.largest],
  minimum: [BinaryOp.minimum, BinaryBytesOp.least],
} as const

/** Of operands of any type: shared with binary.ts. */
export function anyArithmetic(
  op: keyof typeof codes,
  a: AnyTensor | number,
  b: AnyTensor | number,
  options: ByteArithmeticOptions | ArithmeticOptions,
  backward?: OperandsBackward,
): AnyTensor {
  if (ofBytes(a, b)) return byteArithmetic(op, a as Tensor<ByteType>, b as Tensor<ByteType>, options)
  return arithmetic(op, codes[op][0], a as Operand, b as Operand, options as ArithmeticOptions, backward)
}

const ofBytes = (a: AnyTensor | number, b: AnyTensor | number): boolean =>
  [a, b].some((operand) => operand instanceof Tensor && isByteTensor(operand))

/** Of what 8-bit integers stand for, in the order of ONNX Runtime's QLinearAdd and QLinearMul. */
function byteArithmetic(
  op: keyof typeof codes,
  a: Tensor<ByteType>,
  b: Tensor<ByteType>,
  options: ByteArithmeticOptions,
): Tensor<ByteType> {
  checkOptions(op, options, BYTE_ARITHMETIC)
  const engine = engineOf(op, { a, b }, {}, BYTES)
  const context: Context = { op, shapes: { a: a.shape, b: b.shape } }
  checkSameType(op, 'b', b, a.dtype)
  checkQuantized(a, 'a', context)
  checkQuantized(b, 'b', context)
  const { activation } = options
  const clamp = fusedClamp(activation, context)
  const shape = commonShape({ a, b }, context)
  check(options.quantization !== undefined, () => ({
    ...context,
    argument: 'quantization',
    expected: '{ scale, zeroPoint }, what the 8-bit integers of the result stand for',
    got: 'undefined',
    hint: 'dequantize(x) gives numbers',
  }))
  const quantization = resultQuantization(op, { a, b }, shape, options.quantization, NONE)
  const { scale, zeroPoint } = quantization as { scale: number; zeroPoint: number }
  const y =
    (activation === undefined || clamp !== NO_CLAMP) && fitsBinaryBytes(a, b, shape)
      ? engine.make(
          shape,
          (y) => {
            const bounds = clamp.map((bound) => quantized(bound, scale, zeroPoint, a.dtype))
            runBinaryBytes(codes[op][1], a, b, y, bounds as [number, number])
          },
          { dtype: a.dtype, quantization },
        )
      : engine.scope(() => {
          const [p, q] = [dequantize(a), dequantize(b)]
          const rest = activation === undefined ? {} : { activation }
          const numbers = arithmetic(op, codes[op][0], p, q, rest)
          return quantize(numbers, { scale, zeroPoint, dtype: a.dtype })
        })
  engine.tape?.record(op, y, { a, b }, {}, () => ({}))
  return y
}

const NONE = { scale: 1, zeroPoint: 0 }

/** Both derivatives: summed over the axes along which a or b was broadcast. */
export function operandsBackward(
  dy: Tensor,
  a: Operand,
  b: Operand,
  da: () => Tensor,
  db: () => Tensor,
): { a: () => Tensor; b: () => Tensor } {
  const back = (operand: Operand, derivative: () => Tensor) => () =>
    dy.engine.scope(() => sumTo(derivative(), (operand as Tensor).shape))
  return { a: back(a, da), b: back(b, db) }
}

function arithmeticBackward(
  code: BinaryOp,
  dy: Tensor,
  a: Operand,
  b: Operand,
): { a: () => Tensor; b: () => Tensor } {
  const both = (da: () => Tensor, db: () => Tensor) => operandsBackward(dy, a, b, da, db)
  if (code === BinaryOp.add)
    return both(
      () => dy,
      () => dy,
    )
  if (code === BinaryOp.sub)
    return both(
      () => dy,
      () => mul(dy, -1),
    )
  if (code === BinaryOp.mul)
    return both(
      () => mul(dy, b),
      () => mul(dy, a),
    )
  return both(
    () => div(dy, b),
    () => mul(div(mul(dy, -1), b), div(a, b)),
  )
}

/**
 * a + b, with NumPy's broadcasting: shapes are aligned at their last axis, and a length of 1 (or none) is
 * repeated.
 *
 * @param a a tensor of float32 or int32, or a number. Sums, differences and products of int32 wrap, as the
 *   processor's do. Of int8 or uint8 on both sides, with `quantization: { scale, zeroPoint }` for the result,
 *   which is of that type
 * @param b of a's type, or a number; one of the two is a tensor
 * @param options no activation; out: a tensor of the result's shape to write into, which may be a or b
 * @returns the common shape
 * @throws FilterbankError for different types, shapes that do not broadcast, an unknown activation, or an
 *   `out` of another shape; nothing is allocated then
 * @example const y = add(x, shortcut, { activation: 'relu' })
 */
export function add<D extends ByteType>(a: Tensor<D>, b: Tensor<D>, options: ByteArithmeticOptions): Tensor<D>
/** The sum of tensors of one type, or of a tensor and a number, as above. */
export function add<D extends Numeric = 'float32'>(
  a: Operand<D>,
  b: Operand<D>,
  options?: ArithmeticOptions<D>,
): Tensor<D>
export function add(
  a: AnyTensor | number,
  b: AnyTensor | number,
  options: ByteArithmeticOptions | ArithmeticOptions = {},
): AnyTensor {
  return anyArithmetic('add', a, b, options)
}

/**
 * a - b; broadcasting, options and errors as of `add`.
 * @example const centred = sub(x, mean(x, { axes: -1, keepDims: true }))
 */
export function sub<D extends ByteType>(a: Tensor<D>, b: Tensor<D>, options: ByteArithmeticOptions): Tensor<D>
/** The difference of tensors of one type, or of a tensor and a number, as above. */
export function sub<D extends Numeric = 'float32'>(
  a: Operand<D>,
  b: Operand<D>,
  options?: ArithmeticOptions<D>,
): Tensor<D>
export function sub(
  a: AnyTensor | number,
  b: AnyTensor | number,
  options: ByteArithmeticOptions | ArithmeticOptions = {},
): AnyTensor {
  return anyArithmetic('sub', a, b, options)
}

/**
 * a * b, element by element; broadcasting, options and errors as of `add`.
 * @example const gated = mul(x, sigmoid(gate))
 */
export function mul<D extends ByteType>(a: Tensor<D>, b: Tensor<D>, options: ByteArithmeticOptions): Tensor<D>
/** The product of tensors of one type, or of a tensor and a number, as above. */
export function mul<D extends Numeric = 'float32'>(
  a: Operand<D>,
  b: Operand<D>,
  options?: ArithmeticOptions<D>,
): Tensor<D>
export function mul(
  a: AnyTensor | number,
  b: AnyTensor | number,
  options: ByteArithmeticOptions | ArithmeticOptions = {},
): AnyTensor {
  return anyArithmetic('mul', a, b, options)
}

/**
 * a / b, element by element, as IEEE 754 divides; broadcasting, options and errors as of `add`. Of int32 the
 * quotient is cut toward zero; by 0 it is the end of the range on a's side, and 0 / 0 is 0.
 * @example const scaled = div(x, 255)
 */
export function div<D extends ByteType>(a: Tensor<D>, b: Tensor<D>, options: ByteArithmeticOptions): Tensor<D>
/** The quotient of tensors of one type, or of a tensor and a number, as above. */
export function div<D extends Numeric = 'float32'>(
  a: Operand<D>,
  b: Operand<D>,
  options?: ArithmeticOptions<D>,
): Tensor<D>
export function div(
  a: AnyTensor | number,
  b: AnyTensor | number,
  options: ByteArithmeticOptions | ArithmeticOptions = {},
): AnyTensor {
  return anyArithmetic('div', a, b, options)
}
