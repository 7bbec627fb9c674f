/** Numbers in few bits: x = scale * (q - zero), for a whole tensor, along one axis, or in blocks of it. */

import { sizeOf } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { clamp } from '../../ops/activation.js'
import { add, div, mul, sub } from '../../ops/arithmetic.js'
import { quantizeDynamically } from '../../ops/quantize.js'
import { round } from '../../ops/unary.js'
import {
  type ElementType,
  fitsEngine,
  isSmallFloat,
  limit,
  rangeOf,
  roundedTo,
  roundToEven,
  typeOf,
} from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { move, whole } from '../run/move.js'
import type { Value } from '../run/value.js'
import { mapInEngine, zipInEngine, zipOnHost } from './broadcast.js'
import { convolveBytes, DYNAMIC_ZERO, fromBytes, multiplyByteMatrices, toBytes } from './bytes.js'
import { product } from './matrix.js'
import { convolution } from './window.js'

/** Up to 16 bits, whose numbers the engine has. */
const boundsOf = (call: Call, type: ElementType): [number, number] =>
  (fitsEngine(type) ? rangeOf(type) : undefined) ??
  call.fail('zero point', 'of whole numbers of at most 16 bits', type)

/** The nearest whole number within a type; ties to even. */
function saturate(call: Call, v: number, type: ElementType): number {
  const [low, high] = boundsOf(call, type)
  return limit(roundToEven(v), low, high)
}

/** A scale or zero point in a shape that broadcasts to `rank` axes along one of them. */
const along = (value: Value, axis: number, rank: number): Value =>
  value.shape.length === 1 && value.size > 1
    ? value.reshaped([value.size, ...Array(rank - 1 - axis).fill(1)])
    : value

/** Those of a node as they broadcast to x: along its axis, or each for a block of it. */
function spread(call: Call, x: Value, value: Value): Value {
  if (value.size === 1 && value.shape.length < 2) return value
  const axis = call.axis(call.number('axis', 1), x.shape.length)
  const block = call.number('block_size', 0)
  if (!block) return along(value, axis, x.shape.length)
  if (!(block > 0)) call.fail('block_size', 'at least 1', block)
  call.shaped('scale or zero point', value, x.shape.with(axis, Math.ceil(x.shape[axis]! / block)))
  const boxOf = (k: number) =>
    whole(x.shape).map((box, i) =>
      i === axis
        ? { axis, from: k, step: 0, to: k * block, length: Math.min(block, box.length - k * block) }
        : box,
    )
  const blocks = () =>
    move(
      call,
      x.shape,
      Array.from({ length: value.shape[axis]! }, (_, k) => ({ source: value, axes: boxOf(k) })),
    )
  return x.isHost
    ? blocks()
    : call.tables(`blocks of ${call.inputs.indexOf(value)}`, x.shape, [value], () => [
        blocks().data as Float32Array,
      ])[0]!
}

/** round(x) + zero within a type, in the engine; x is written over. */
function saturated(call: Call, x: Value, zero: Value | undefined, type: ElementType): Value {
  const activation = boundsOf(call, type)
  const rounded = mapInEngine(call, x, (t) => round(t, { out: t }))
  return zero
    ? zipInEngine(call, rounded, zero, (p, q) => add(p, q, { activation }), type)
    : mapInEngine(call, rounded, (t) => clamp(t, { low: activation[0], high: activation[1], out: t }), type)
}

export const quantizeLinear: Operator = (call) => {
  const x = call.input(0)
  const type = call.inputs[2]?.type ?? typeOf(call.number('output_dtype', 0)) ?? 'uint8'
  const bytes = toBytes(call, x, call.input(1), call.inputs[2], type)
  if (bytes) return bytes
  const [scale, zero] = call.inputs.slice(1, 3).map((value) => value && spread(call, x, value)) as [
    Value,
    Value | undefined,
  ]
  const small = isSmallFloat(type)
  if (!x.isHost && !small) {
    const quotient = zipInEngine(call, x, scale, (p, q) => div(p, q), 'float32')
    return saturated(call, quotient, zero, type)
  }
  const rounded = small
    ? roundedTo(type, call.flag('saturate', true))
    : (v: number) => saturate(call, v, type)
  const nearest = small ? Math.fround : (v: number) => roundToEven(Math.fround(v))
  return zipOnHost(call, zero ? [x, scale, zero] : [x, scale], type, (v, s, z = 0) =>
    rounded(nearest(v / s) + z),
  )
}

/** QuantizeLinear and DequantizeLinear by the same scale and zero point. */
const rounded: Operator = (call) => {
  const [x, scale, zero] = [call.input(0), call.input(1), call.inputs[2]]
  return (
    toBytes(call, x, scale, zero, zero?.type ?? 'uint8', true) ??
    dequantizeLinear(call.on([quantizeLinear(call) as Value, scale, zero]))
  )
}

export const dequantizeLinear: Operator = (call) => {
  const x = call.input(0)
  const numbers = fromBytes(call, x, call.input(1), call.inputs[2])
  if (numbers) return numbers
  const [scale, zero] = call.inputs.slice(1, 3).map((value) => value && spread(call, x, value)) as [
    Value,
    Value | undefined,
  ]
  const type = typeOf(call.number('output_dtype', 0)) ?? scale.type
  if (!x.isHost) return zipInEngine(call, centred(call, x, zero), scale, mul, type)
  return zipOnHost(call, zero ? [x, scale, zero] : [x, scale], type, (q, s, z = 0) => (q - z) * s)
}

export const dynamicQuantizeLinear: Operator = (call) => {
  const x = call.input(0)
  const { layout } = x
  const { y, scale, zero, number } = quantizeDynamically(x.tensor(layout))
  const point = call.tensor('uint8', number)
  point.form(DYNAMIC_ZERO, () => zero)
  return [call.tensor('uint8', y, layout), call.tensor('float32', scale), point]
}

type Given = Value | undefined

const isZero = (value: Value): boolean => value.constant && (value.data as Float64Array).every((v) => v === 0)

/** x less its zero point as floats, exactly. */
function centred(call: Call, x: Value, zero?: Value): Value {
  return zero && !isZero(zero)
    ? zipInEngine(call, x, zero, (p, q) => sub(p, q), 'float32')
    : x.alias('float32')
}

/** Products with bytes sum up to no more than this, times the sums of the other factors. */
const BYTE = 255
/** Whole numbers up to it are float32. */
const EXACT = 2 ** 24

/**
 * Sums over `depth` numbers of w, `step` apart, times those of x: `run` gives them for floats. Where w could
 * make them larger than float32 holds, it is taken in parts, each of fewer numbers and zeros else.
 */
function summed(
  call: Call,
  w: Value,
  zero: Value | undefined,
  depth: number,
  step: number,
  type: ElementType,
  run: (w: Value, i: number) => Value,
): Value {
  const fixed = w.constant && (zero?.constant ?? true)
  if (!fixed && BYTE * BYTE * depth < EXACT) return run(centred(call, w, zero), 0).alias(type)
  const split = (data: Float32Array, bit: number): Float32Array[] => {
    const sums = new Float64Array(data.length / depth)
    data.forEach((v, i) => {
      sums[Math.floor(i / step / depth) * step + (i % step)]! += Math.abs(v)
    })
    if (depth <= 1 << bit || sums.every((sum) => sum * BYTE < EXACT)) return [data]
    return [0, 1].flatMap((half) =>
      split(
        data.map((v, i) => ((((Math.floor(i / step) % depth) >> bit) & 1) === half ? v : 0)),
        bit + 1,
      ),
    )
  }
  const parts = call.tables('parts', w.shape, zero ? [w, zero] : [w], () => {
    const whole = zero && !isZero(zero) ? zipOnHost(call, [w, zero], 'float32', (p, q) => p - q) : w
    return split(whole.data as Float32Array, 0)
  })
  const sums = parts.map(run)
  if (type === 'float32' || sums.length === 1)
    return sums.reduce((a, b) => zipInEngine(call, a, b, add)).alias(type)
  return sums.reduce((a, b) => zipOnHost(call, [a, b], type, (p, q) => p + q))
}

function integerProduct(call: Call, [a, aZero, b, bZero]: (Value | undefined)[], type: ElementType): Value {
  const [depth, step] = b!.shape.length > 1 ? (b!.shape.slice(-2) as [number, number]) : [b!.size, 1]
  const x = centred(call, a!, aZero && along(aZero, 0, 2))
  return summed(call, b!, bZero, depth, step, type, (w) => product(call, x, w))
}

function integerConvolution(
  call: Call,
  [x, xZero, w, wZero, b]: (Value | undefined)[],
  type: ElementType,
): Value {
  const window = w!.shape.slice(1)
  const from = centred(call, x!, xZero)
  return summed(call, w!, wZero && along(wZero, 0, window.length + 1), sizeOf(window), 1, type, (part, i) =>
    convolution(call, from, part, i ? undefined : b, true),
  )
}

const inputsAt = (call: Call, ...order: number[]): (Value | undefined)[] => order.map((i) => call.inputs[i])

/** Sums of products in the scale of the result. */
function requantized(
  call: Call,
  sums: Value,
  axis: number,
  [xScale, wScale, yScale, zero]: (Value | undefined)[],
): Value {
  const scale = zipInEngine(
    call,
    zipInEngine(call, xScale!, along(wScale!, axis, sums.shape.length), mul),
    yScale!,
    div,
  )
  const scaled = zipInEngine(call, sums, scale, (p, q) => mul(p, q, { out: p as Tensor }))
  return saturated(call, scaled, zero, zero!.type)
}

/** a, its scale, b, its scale, and what the result stands for; the zero points of a and b may be left out. */
const BETWEEN_BYTES = [0, 1, 3, 4, 6, 7]

/** What `fuse` joins has a bias too, as QLinearConv has one. */
const qLinearMatMul: Operator = (call) => {
  const [a, aScale, aZero, b, bScale, bZero, yScale, yZero, bias] = call.given(...BETWEEN_BYTES)
  const bytes = multiplyByteMatrices(call, [a!, aScale, aZero], [b!, bScale, bZero], [yScale!, yZero!], bias)
  if (bytes) return bytes
  const sums = integerProduct(call, inputsAt(call, 0, 2, 3, 5), 'float32')
  const biased = bias ? zipInEngine(call, sums, bias, add) : sums
  return requantized(call, biased, sums.shape.length - 1, inputsAt(call, 1, 4, 6, 7))
}

const qLinearConv: Operator = (call) => {
  const [x, xScale, xZero, w, wScale, wZero, yScale, yZero, bias] = call.given(...BETWEEN_BYTES)
  return (
    convolveBytes(call, [x!, xScale, xZero], [w!, wScale, wZero], [yScale!, yZero!], bias) ??
    requantized(
      call,
      integerConvolution(call, inputsAt(call, 0, 2, 3, 5, 8), 'float32'),
      1,
      inputsAt(call, 1, 4, 6, 7),
    )
  )
}

/** a, b and their zero points: sums of products, exact in each type that is asked for. */
function integerMatrices(
  call: Call,
  [a, b, aZero, bZero]: readonly (Value | undefined)[],
  type: ElementType,
): Value {
  return (
    multiplyByteMatrices(call, [a!, undefined, aZero], [b!, undefined, bZero]) ??
    integerProduct(call, [a, aZero, b, bZero], type)
  )
}

const matMulInteger: Operator = (call) => integerMatrices(call, call.given(0, 1), 'int32')

const convInteger: Operator = (call) => {
  const [x, w, xZero, wZero] = call.given(0, 1)
  return (
    convolveBytes(call, [x!, undefined, xZero], [w!, undefined, wZero]) ??
    integerConvolution(call, inputsAt(call, 0, 2, 1, 3), 'int32')
  )
}

/**
 * a, b, their zero points, a scale of one number or of one for each output channel, and a bias as long: sums
 * of products as float32.
 */
export function scaledSums(
  call: Call,
  [a, b, aZero, bZero, scale, bias]: readonly Given[],
  kind: 'ConvInteger' | 'MatMulInteger',
): Value {
  const [isConv, shape] = [kind === 'ConvInteger', b!.shape]
  const channels = isConv ? shape[0] : shape.at(-1)
  // [1, channels, 1, 1] or [channels, 1, 1] of an image, [channels] of rows.
  const axis = scale!.shape.length - (isConv ? shape.length - 1 : 1)
  const fits =
    scale!.type === 'float32' &&
    scale!.shape.length <= shape.length &&
    (scale!.size === 1 || (scale!.size === channels && scale!.shape[axis] === channels)) &&
    (!bias || (bias.type === 'float32' && bias.size === channels && bias.shape.length === 1))
  const multiply = isConv ? convolveBytes : multiplyByteMatrices
  const bytes =
    fits && multiply(call, [a!, undefined, aZero], [b!, undefined, bZero], { scale: scale!, bias })
  if (bytes) return bytes
  const sums = (isConv ? integerConvolution : integerProduct)(call, [a, aZero, b, bZero], 'float32')
  if (!bias) return zipInEngine(call, sums, scale!, mul)
  const scaled = zipInEngine(call, sums, scale!, (p, q) => mul(p, q))
  const ones = isConv ? Array(shape.length - 2).fill(1) : []
  return zipInEngine(call, scaled, isConv ? bias.reshaped([bias.size, ...ones]) : bias, add)
}

export const quantize: Record<string, Operator> = {
  'filterbank.Rounded': rounded,
  'filterbank.ConvInteger': (call) => scaledSums(call, call.inputs, 'ConvInteger'),
  'filterbank.MatMulInteger': (call) => scaledSums(call, call.inputs, 'MatMulInteger'),
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  'com.microsoft.QuantizeLinear': quantizeLinear,
  'com.microsoft.DequantizeLinear': dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  MatMulInteger: matMulInteger,
  QLinearMatMul: qLinearMatMul,
  ConvInteger: convInteger,
  QLinearConv: qLinearConv,
}
