/**
 * Operators on 8-bit integers whose scales and zero points are known: the ops on bytes do them as they
 * are.
 */

import { sizeOf } from '../../base/shape.js'
import { BYTES, type ByteType } from '../../core/dtype.js'
import type { Quantization } from '../../core/quantization.js'
import { type AnyTensor, Tensor } from '../../core/tensor.js'
import type { OutputQuantization } from '../../ops/bytes.js'
import { cast } from '../../ops/cast.js'
import { product2 } from '../../ops/matmul.js'
import { dequantize, numbersBehind, quantize, roundTo } from '../../ops/quantize.js'
import { type ElementType, fitsEngine, rangeOf } from '../file/types.js'
import type { Call } from '../run/call.js'
import type { Value } from '../run/value.js'
import { convolutionOfBytes } from './window.js'

type Given = Value | undefined

/** Whether a value is of 8-bit integers. */
export const isByte = (value: Given): value is Value =>
  value !== undefined && BYTES.includes(value.type as ByteType)

const isOne = (value: Given): boolean => value === undefined || value.size === 1

/** Of the result: one scale, and one zero point of 8 bits. */
const isOneByte = (y: readonly [Value, Value] | undefined): boolean =>
  !y || (isOne(y[0]) && isByte(y[1]) && isOne(y[1]))

const isKnown = (value: Given): boolean => value === undefined || value.constant

/**
 * Scale and zero point, both known and float32 can take: of a whole tensor, or of `count` indexes along
 * an axis.
 */
export function termsOf(scale: Given, zero: Given, axis?: number, count = 1): Quantization | undefined {
  if (!isKnown(scale) || !isKnown(zero)) return undefined
  const scales = scale?.numbers ?? [1]
  const zeros = zero?.numbers ?? [0]
  if (!scales.every((v) => Math.fround(v) > 0 && Number.isFinite(Math.fround(v)))) return undefined
  if (scales.length === 1 && zeros.length === 1) return { scale: scales[0]!, zeroPoint: zeros[0]! }
  const each = (list: number[]) => (list.length === 1 ? Array(count).fill(list[0]) : list)
  const [all, allZeros] = [each(scales), each(zeros)]
  return axis !== undefined && all.length === count && allZeros.length === count
    ? { scale: all, zeroPoint: allZeros, axis }
    : undefined
}

/** The same bytes with what they stand for. */
export const standing = (x: AnyTensor, quantization: Quantization): Tensor<ByteType> => {
  const tensor = new Tensor<ByteType>(x.engine, x.shape, x.storage as never, { quantization })
  if (x.strides) tensor.strides = x.strides
  return tensor
}

/**
 * `use` of bytes that stand for numbers; the bytes it gives are a value of the graph, which says so by
 * itself.
 */
function withBytes(
  call: Call,
  given: readonly (readonly [AnyTensor, Quantization])[],
  use: (...tensors: Tensor<ByteType>[]) => AnyTensor,
): AnyTensor {
  return call.engine.scope(() => {
    const y = use(...given.map(([tensor, terms]) => standing(tensor, terms)))
    return y.quantization ? new Tensor(y.engine, y.shape, y.storage as never) : y
  })
}

/** A zero point that a run makes, as kernels read it. */
const zeroAt = (zero: Given): Tensor<'int32'> | undefined =>
  zero && !zero.constant ? zero.form(DYNAMIC_ZERO, () => cast(zero.asHeld(), 'int32')) : undefined

/** The form of a zero point of 8 bits in 32. */
export const DYNAMIC_ZERO = '32 bits'

/** What sums of products are multiplied by, and what is added then: the result is float32. */
export interface Scaling {
  /** One number, or one for each output channel. */
  scale: Value
  bias?: Value | undefined
}

const scalingOf = ({ scale, bias }: Scaling, call: Call) => ({
  scale: scale.tensor(),
  bias: bias?.tensor(),
  activation: call.node.activation,
})

/**
 * Convolution of bytes by constant filters, to bytes, floats or (without `y`) int32 sums; undefined where it
 * is not one.
 */
export function convolveBytes(
  call: Call,
  x: readonly [Value, Given, Given],
  w: readonly [Value, Given, Given],
  y?: readonly [Value, Value] | Scaling,
  bias?: Value,
): Value | undefined {
  const scaling = y && 'scale' in y ? y : undefined
  const output = y && 'scale' in y ? undefined : y
  const rank = w[0].shape.length
  if (!isByte(x[0]) || !isByte(w[0]) || rank < 3 || rank > 4 || x[0].shape.length !== rank) return undefined
  if (w[0].size === 0 || !isOne(x[1]) || !isOne(x[2]) || !isOneByte(output)) return undefined
  const from = termsOf(x[1], isKnown(x[2]) ? x[2] : undefined)
  const by = termsOf(w[1], w[2], rank - 1, w[0].shape[0])
  const to = output && termsOf(...output)
  if (!from || !by || (output && !to) || (by.axis !== undefined && !w[0].constant)) return undefined
  const quantization = to && ({ ...to, dtype: output[1].type } as OutputQuantization)
  // Made before the scope, they stay with their values.
  const sums = bias?.typed('plain') as Tensor<'int32'> | undefined
  const zero = zeroAt(x[2])
  const scaled = scaling && scalingOf(scaling, call)
  return convolutionOfBytes(call, x[0], w[0], (pixels, filter, options, convolve) => {
    const { y: result, ...chosen } = runInScope(call, () =>
      convolve(standing(pixels, from), standing(filter, by), {
        ...options,
        zero,
        ...(quantization
          ? { bias: sums, quantization, activation: call.node.activation }
          : (scaled ?? { bias: sums, sums: true })),
      }),
    )
    const type = output?.[1].type ?? (scaled ? 'float32' : 'int32')
    return { ...chosen, y: call.tensor(type, result, 'last') }
  })
}

function runInScope<T extends { y: AnyTensor }>(call: Call, run: () => T): T {
  return call.engine.scope(() => {
    const result = run()
    const { y } = result
    return { ...result, y: y.quantization ? new Tensor(y.engine, y.shape, y.storage as never) : y }
  })
}

/**
 * A product of matrices of bytes, to bytes, floats or (without `y`) int32 sums; undefined where it is not
 * one.
 */
export function multiplyByteMatrices(
  call: Call,
  a: readonly [Value, Given, Given],
  b: readonly [Value, Given, Given],
  y?: readonly [Value, Value] | Scaling,
  bias?: Value,
): Value | undefined {
  const scaling = y && 'scale' in y ? y : undefined
  const output = y && 'scale' in y ? undefined : y
  const [p, q] = [a[0], b[0]]
  if (!isByte(p) || !isByte(q) || p.shape.length < 2 || q.shape.length < 2 || !p.size || !q.size)
    return undefined
  if (!isOne(a[1]) || !isOne(a[2]) || !isOneByte(output)) return undefined
  const from = termsOf(a[1], isKnown(a[2]) ? a[2] : undefined)
  const by = termsOf(b[1], b[2], q.shape.length - 1, q.shape.at(-1))
  const to = output && termsOf(...output)
  if (!from || !by || (output && !to) || (by.axis !== undefined && !q.constant)) return undefined
  const quantization = to && ({ ...to, dtype: output[1].type } as OutputQuantization)
  const sums = bias?.typed() as Tensor<'int32'> | undefined
  const zero = zeroAt(a[2])
  const scaled = scaling && scalingOf(scaling, call)
  const tensors = [
    [p.typed(), from],
    [q.typed(), by],
  ] as const
  return call.tensor(
    output?.[1].type ?? (scaled ? 'float32' : 'int32'),
    withBytes(call, tensors, (left, right) =>
      product2(left!, right!, {
        zero,
        ...(quantization
          ? { bias: sums, quantization, activation: call.node.activation }
          : (scaled ?? { sums: true })),
      }),
    ),
  )
}

/** The range of a type of at most 16 bits whose numbers the engine has. */
const smallRange = (type: ElementType): [number, number] | undefined =>
  fitsEngine(type) ? rangeOf(type) : undefined

/** One scale and one zero point that are known before the run. */
const oneTermOf = (
  call: Call,
  scale: Value,
  zero: Given,
): { scale: number; zeroPoint: number } | undefined =>
  isOne(scale) && isOne(zero) && !call.number('block_size', 0)
    ? (termsOf(scale, zero) as { scale: number; zeroPoint: number } | undefined)
    : undefined

/**
 * QuantizeLinear by one known scale, to at most 16 bits, or `back` to the numbers that these stand for;
 * undefined where it is not one.
 */
export function toBytes(
  call: Call,
  x: Value,
  scale: Value,
  zero: Given,
  type: ElementType,
  back = false,
): Value | undefined {
  const terms = oneTermOf(call, scale, zero)
  const range = smallRange(type)
  if (!terms || !range || x.isHost || x.type !== 'float32') return undefined
  const { layout } = x
  const tensor = x.tensor(layout)
  if (back || !BYTES.includes(type as ByteType)) {
    const [low, high] = range
    const y = roundTo(tensor, { ...terms, low, high, back })
    return call.tensor(back ? 'float32' : type, y, layout)
  }
  const dtype = type as ByteType
  const y = call.engine.scope(() => {
    const q = quantize(tensor, { ...terms, dtype })
    return new Tensor<ByteType>(q.engine, q.shape, q.storage as never)
  })
  return call.tensor(dtype, y, layout)
}

/** DequantizeLinear of at most 16 bits by one known scale; undefined where it is not one. */
export function fromBytes(call: Call, x: Value, scale: Value, zero: Given): Value | undefined {
  const terms = oneTermOf(call, scale, zero)
  if (!terms || x.isHost || !smallRange(x.type) || scale.type !== 'float32' || sizeOf(x.shape) === 0)
    return undefined
  const { layout } = x
  if (!BYTES.includes(x.type as ByteType))
    return call.tensor('float32', numbersBehind(x.asHeld(layout), terms), layout)
  const tensor = x.typed(layout)
  return call.tensor(
    'float32',
    withBytes(call, [[tensor, terms]], (q) => dequantize(q!)),
    layout,
  )
}
