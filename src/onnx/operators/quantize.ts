/** Numbers in few bits: x = scale * (q - zero), for a whole tensor, along one axis, or in blocks of it. */
import { sizeOf, stridesOf } from '../../shape.js'
import type { Call, Operator } from '../call.js'
import { indexesOf, offsetOf } from '../move.js'
import { type ElementType, isSmallFloat, roundedTo, roundToEven, typeOf } from '../types.js'
import type { Value } from '../value.js'
import { matmulOnHost } from './matrix.js'
import { convOnHost } from './window.js'

const bounds: Partial<Record<ElementType, [number, number]>> = {
  int2: [-2, 1],
  uint2: [0, 3],
  int4: [-8, 7],
  uint4: [0, 15],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
}

/** The nearest whole number within a type; ties to even. */
function saturate(call: Call, v: number, type: ElementType): number {
  const [low, high] = bounds[type] ?? call.fail('zero point', `of type ${Object.keys(bounds).join(', ')}`, type)
  return Math.min(Math.max(roundToEven(v), low), high)
}

/** Which element of a scale (or zero point) belongs to each element of x. */
function placesOf(call: Call, x: Value, scale: Value): (index: readonly number[]) => number {
  if (scale.size === 1 && scale.shape.length < 2) return () => 0
  const axis = call.axis(call.number('axis', 1), x.shape.length)
  const block = call.number('block_size', 0)
  if (!block) return (index) => index[axis]!
  const strides = stridesOf(scale.shape)
  return (index) => offsetOf(index.with(axis, Math.floor(index[axis]! / block)), strides)
}

const quantizeLinear: Operator = (call) => {
  const [x, scale, zero] = [call.input(0), call.input(1), call.inputs[2]]
  const type = zero?.type ?? typeOf(call.number('output_dtype', 0)) ?? 'uint8'
  const place = placesOf(call, x, scale)
  const [v, s, z] = [x.data as Float64Array, scale.data as Float64Array, zero?.data as Float64Array | undefined]
  const rounded = isSmallFloat(type) ? roundedTo(type, call.number('saturate', 1) === 1) : undefined
  return call.host(type, x.shape, (to) => {
    let i = 0
    for (const index of indexesOf(x.shape)) {
      const at = place(index)
      const [quotient, origin] = [Math.fround(v[i]! / s[at]!), z?.[at] ?? 0]
      to[i++] = rounded ? rounded(quotient + origin) : saturate(call, roundToEven(quotient) + origin, type)
    }
  })
}

const dequantizeLinear: Operator = (call) => {
  const [x, scale, zero] = [call.input(0), call.input(1), call.inputs[2]]
  const place = placesOf(call, x, scale)
  const [q, s, z] = [x.data as Float64Array, scale.data as Float64Array, zero?.data as Float64Array | undefined]
  return call.host(typeOf(call.number('output_dtype', 0)) ?? scale.type, x.shape, (to) => {
    let i = 0
    for (const index of indexesOf(x.shape)) {
      const at = place(index)
      to[i] = (q[i]! - (z?.[at] ?? 0)) * s[at]!
      i++
    }
  })
}

const dynamicQuantizeLinear: Operator = (call) => {
  const x = call.input(0)
  const v = x.data as Float64Array
  const high = v.reduce((a, b) => Math.max(a, b), 0)
  const low = v.reduce((a, b) => Math.min(a, b), 0)
  // ONNX Runtime's scale for zeros alone, which the standard leaves open.
  const scale = Math.fround((high - low) / 255) || 1
  const zero = saturate(call, -low / scale, 'uint8')
  return [
    call.host('uint8', x.shape, (to) => {
      for (let i = 0; i < to.length; i++) to[i] = saturate(call, roundToEven(Math.fround(v[i]! / scale)) + zero, 'uint8')
    }),
    call.host('float32', [], Float32Array.of(scale)),
    call.host('uint8', [], Uint8Array.of(zero)),
  ]
}

const numberOf = (value: Value | undefined): number => (value ? (value.data[0] as number) : 0)

/** Zero points of the second operand: one for all, or one a column. */
const columnsOf = (value: Value | undefined): number | ArrayLike<number> => (value && value.size > 1 ? (value.data as Float64Array) : numberOf(value))

const matMulInteger: Operator = (call) => matmulOnHost(call, call.input(0), call.input(1), 'int32', numberOf(call.inputs[2]), columnsOf(call.inputs[3]))

const qLinearMatMul: Operator = (call) => {
  const [a, aScale, aZero, b, bScale, bZero, yScale, yZero] = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => call.input(i)) as [Value, Value, Value, Value, Value, Value, Value, Value] // biome-ignore format: one line
  const sums = matmulOnHost(call, a, b, 'float64', numberOf(aZero), columnsOf(bZero))
  const columns = b.shape.at(-1)!
  const scale = (i: number) => ((bScale.data[bScale.size > 1 ? i % columns : 0] as number) * numberOf(aScale)) / numberOf(yScale)
  const from = sums.data as Float64Array
  return call.host(yZero.type, sums.shape, (to) => {
    for (let i = 0; i < to.length; i++) to[i] = saturate(call, roundToEven(from[i]! * scale(i)) + numberOf(yZero), yZero.type)
  })
}

const convInteger: Operator = (call) => {
  const zeros = call.inputs[3]
  const zeroOf = (channel: number) => (zeros && zeros.size > 1 ? (zeros.data[channel] as number) : numberOf(zeros))
  return convOnHost(call, call.input(0), call.input(1), 'int32', numberOf(call.inputs[2]), zeroOf)
}

const qLinearConv: Operator = (call) => {
  const [x, xScale, xZero, w, wScale, wZero, yScale, yZero] = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => call.input(i)) as [Value, Value, Value, Value, Value, Value, Value, Value] // biome-ignore format: one line
  const each = (value: Value, channel: number) => value.data[value.size > 1 ? channel : 0] as number
  const sums = convOnHost(call, x, w, 'float64', numberOf(xZero), (channel) => each(wZero, channel))
  const bias = call.inputs[8]?.data as Float64Array | undefined
  const plane = sizeOf(sums.shape.slice(2))
  const channels = sums.shape[1]!
  const from = sums.data as Float64Array
  return call.host(yZero.type, sums.shape, (to) => {
    for (let i = 0; i < to.length; i++) {
      const channel = Math.floor(i / plane) % channels
      const scale = (numberOf(xScale) * each(wScale, channel)) / numberOf(yScale)
      to[i] = saturate(call, roundToEven((from[i]! + (bias?.[channel] ?? 0)) * scale) + numberOf(yZero), yZero.type)
    }
  })
}

export const quantize: Record<string, Operator> = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  MatMulInteger: matMulInteger,
  QLinearMatMul: qLinearMatMul,
  ConvInteger: convInteger,
  QLinearConv: qLinearConv,
}
