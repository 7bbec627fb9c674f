/** 8-bit integers for numbers, and back: the plan of assembly/quantize.ts. */

import { check, show } from '../base/errors.js'
import { sizeOf } from '../base/shape.js'
import { BYTES, type ByteType, checkDtype, listOf, rangeOf } from '../core/dtype.js'
import { type Engine, engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import { type Quantization, settleQuantization } from '../core/quantization.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import { NO_CLAMP } from '../plans/elementwise.js'
import { listAt } from '../plans/int8.js'
import { Element, QUANTIZE_BLOCK } from '../wasm/abi.js'
import { max, min } from './reduce.js'

/** What `quantize` takes beside x. */
export interface QuantizeOptions<D extends ByteType = ByteType> {
  /** Above 0; or with `axis` one for each index along it. */
  scale: number | readonly number[]
  /** What stands for 0, an integer of the type; or with `axis` one for each index along it. Default 0. */
  zeroPoint?: number | readonly number[]
  /** Default 'uint8'. */
  dtype?: D
  /** The axis along which scale and zeroPoint differ; negative counts from the last. Default: none. */
  axis?: number
}

const QUANTIZE: Names<QuantizeOptions> = { scale: true, zeroPoint: true, dtype: true, axis: true }

/** Throws unless a type is one of 8 bits. */
export function checkByteType(op: string, argument: string, dtype: unknown): asserts dtype is ByteType {
  checkDtype(op, dtype)
  check(BYTES.includes(dtype), () => ({ op, argument, expected: listOf(BYTES), got: show(dtype) }))
}

/**
 * Numbers as 8-bit integers that carry their scale and zero point:
 *
 *   q = round(x / scale) + zeroPoint,  ties to even, saturated to the type's range
 *
 * Definition: ONNX QuantizeLinear. NaN becomes the least integer.
 *
 * @param x any shape, float32
 * @param options scale; zeroPoint 0, dtype 'uint8', no axis
 * @returns x's shape, with that quantization
 * @throws FilterbankError for a scale that is not a finite number above 0, a zero point that the type does
 * not
 *   hold, another number of them than the axis is long. There is no derivative, which is an error where one
 *   is
 *   wanted
 * @example const bytes = quantize(x, { scale: 0.02, zeroPoint: 128 })
 */
export function quantize<D extends ByteType = 'uint8'>(x: Tensor, options: QuantizeOptions<D>): Tensor<D> {
  const op = 'quantize'
  checkOptions(op, options, QUANTIZE)
  const engine = engineOf(op, { x })
  const { scale, dtype = 'uint8' as D, axis } = options
  const { zeroPoint = Array.isArray(scale) ? scale.map(() => 0) : 0 } = options
  checkByteType(op, 'dtype', dtype)
  const given = { scale, zeroPoint, ...(axis !== undefined && { axis }) }
  const quantization = settleQuantization(op, given, dtype, x.shape)!
  const y = engine.make(x.shape, (to) => runQuantize(x, to), { dtype, quantization })
  engine.tape?.record(op, y, { x }, {}, () => ({}))
  return y
}

/**
 * The numbers that integers stand for: (q - zeroPoint) * scale, where x has a quantization, else q.
 * Definition:
 * ONNX DequantizeLinear.
 *
 * @param x any shape; int8 or uint8
 * @returns x's shape, float32
 * @throws FilterbankError for x of another type. There is no derivative, which is an error where one is
 * wanted
 * @example const numbers = dequantize(bytes)
 */
export function dequantize(x: Tensor<ByteType>): Tensor {
  const op = 'dequantize'
  const engine = engineOf(op, { x }, {}, BYTES)
  const y = engine.make(x.shape, (to) => runDequantize(x, to))
  engine.tape?.record(op, y, { x }, {}, () => ({}))
  return y
}

const elements = { float32: Element.float32, int32: Element.int32, int8: Element.int8, uint8: Element.uint8 }

/** How a quantization walks over a shape; `tables` are the addresses of its lists. */
function walk(
  { shape, size }: AnyTensor,
  { scale, zeroPoint, axis }: Quantization,
  tables: [number, number],
) {
  const count = axis === undefined ? 1 : shape[axis]!
  const inner = axis === undefined ? size : sizeOf(shape.slice(axis + 1))
  const byColumn = axis !== undefined && inner === 1
  const columns = byColumn ? count : inner
  const [scales, zeros] = tables
  return {
    args: {
      columns,
      count,
      byColumn: Number(byColumn),
      scales,
      zeros,
      scale: typeof scale === 'number' ? scale : 1,
      zero: typeof zeroPoint === 'number' ? zeroPoint : 0,
    },
    units: (size / Math.max(1, columns)) * Math.ceil(columns / QUANTIZE_BLOCK),
    work: size,
  }
}

const NONE: [number, number] = [0, 0]
const SCRATCH_BYTES = 192

/** The lists of a quantization in memory, for as long as `use` runs. */
function withTables(
  engine: Engine,
  { scale, zeroPoint, axis }: Quantization,
  use: (at: [number, number]) => void,
) {
  if (axis === undefined) return use(NONE)
  const [scales, zeros] = [scale, zeroPoint] as (readonly number[])[]
  engine.scope(() => {
    const at = engine.upload([2 * scales!.length], (pointer) => {
      engine.f32.set(scales!, pointer / 4)
      engine.i32.set(zeros!, pointer / 4 + scales!.length)
    })
    use([at.pointer, at.pointer + 4 * scales!.length])
  })
}

/** y = x in the integers that y's quantization asks for. @internal */
export function runQuantize(x: Tensor, y: AnyTensor): void {
  const { engine } = x
  engine.scratch(SCRATCH_BYTES)
  const [low, high] = rangeOf(y.dtype)!
  withTables(engine, y.quantization!, (tables) => {
    const { args, ...job } = walk(x, y.quantization!, tables)
    engine.run({
      kernel: 'quantize',
      args: { ...args, x: x.pointer, y: y.pointer, element: elements[y.dtype], bias: 0, back: 0, low, high },
      ...job,
    })
  })
}

/** y = the numbers that x stands for. @internal */
export function runDequantize(x: AnyTensor, y: Tensor): void {
  const { engine, storage } = x
  const quantization = x.quantization ?? { scale: 1, zeroPoint: 0 }
  const { scale, zeroPoint, axis } = quantization
  const { args, ...job } = walk(
    x,
    quantization,
    axis === undefined
      ? NONE
      : [
          listAt(engine, storage, 'scales', scale as number[]),
          listAt(engine, storage, 'zeros', zeroPoint as number[]),
        ],
  )
  engine.scratch(SCRATCH_BYTES)
  const [low, high] = NO_CLAMP
  engine.run({
    kernel: 'dequantize',
    args: { ...args, x: x.pointer, y: y.pointer, element: elements[x.dtype], bias: 0, back: 0, low, high },
    ...job,
  })
}

/**
 * The int32 sums that stand in y as the numbers that they stand for, plus a bias, clamped: a scale at
 * `scales`, or one for `each` index of the last axis; at `zeros` as many zeros. @internal
 */
export function runScaleSums(
  y: Tensor,
  { scales, each, zeros, bias }: { scales: number; each: boolean; zeros: number; bias: number },
  [low, high]: readonly [number, number],
): void {
  const { engine, pointer: at } = y
  const axis = y.shape.length - 1
  const { args, ...job } = walk(y, { scale: [], zeroPoint: [], axis }, [scales, zeros])
  engine.scratch(SCRATCH_BYTES)
  const terms = each ? args : { ...args, byColumn: 0, count: 1 }
  engine.run({
    kernel: 'dequantize',
    args: { ...terms, x: at, y: at, element: Element.int32, bias, back: 0, low, high },
    ...job,
  })
}

interface Steps {
  scale: number
  zeroPoint: number
}

/**
 * What `quantize` does, with integers of up to 16 bits from `low` to `high` that stay floats; or `back`: as
 * the numbers that these stand for. @internal
 */
export function roundTo(
  x: Tensor,
  { scale, zeroPoint, low, high, back }: Steps & { low: number; high: number; back: boolean },
): Tensor {
  const { engine } = x
  return engine.make(x.shape, (y) => {
    engine.scratch(SCRATCH_BYTES)
    const { args, ...job } = walk(x, { scale, zeroPoint }, NONE)
    const element = Element.float32
    engine.run({
      kernel: 'quantize',
      args: { ...args, x: x.pointer, y: y.pointer, element, bias: 0, back: Number(back), low, high },
      ...job,
    })
  })
}

/** What `dequantize` does, of integers of up to 16 bits in any type. @internal */
export function numbersBehind(x: AnyTensor, steps: Steps): Tensor {
  const { engine } = x
  return engine.make(x.shape, (y) => {
    engine.scratch(SCRATCH_BYTES)
    const { args, ...job } = walk(x, steps, NONE)
    const [low, high] = NO_CLAMP
    const element = elements[x.dtype]
    engine.run({
      kernel: 'dequantize',
      args: { ...args, x: x.pointer, y: y.pointer, element, bias: 0, back: 0, low, high },
      ...job,
    })
  })
}

/**
 * Numbers as unsigned bytes that hold all of them and 0, with their scale and zero point, the latter also as
 * a float. Definition: ONNX DynamicQuantizeLinear. @internal
 */
export function quantizeDynamically(x: Tensor): {
  y: Tensor<'uint8'>
  scale: Tensor
  zero: Tensor<'int32'>
  number: Tensor
} {
  const { engine } = x
  const [scale, number] = [engine.empty([]), engine.empty([])]
  const zero = engine.empty<'int32'>([], { dtype: 'int32' })
  engine.scope(() => {
    engine.run({
      kernel: 'quantizeTerms',
      args: {
        low: min(x).pointer,
        high: max(x).pointer,
        scale: scale.pointer,
        zero: zero.pointer,
        number: number.pointer,
      },
      units: 1,
      work: 1,
    })
  })
  const y = engine.make(
    x.shape,
    (to) => {
      engine.scratch(SCRATCH_BYTES)
      const { args, ...job } = walk(x, { scale: 1, zeroPoint: 0 }, [scale.pointer, zero.pointer])
      engine.run({
        kernel: 'quantize',
        args: {
          ...args,
          x: x.pointer,
          y: to.pointer,
          element: Element.uint8,
          bias: 0,
          back: 0,
          low: 0,
          high: 255,
        },
        ...job,
      })
    },
    { dtype: 'uint8' },
  )
  return { y, scale, zero, number }
}

/** A number as an integer of a type, ties to even. @internal */
export function quantized(v: number, scale: number, zeroPoint: number, dtype: ByteType): number {
  const [low, high] = rangeOf(dtype)!
  const quotient = Math.fround(Math.fround(v) / Math.fround(scale))
  const near = Math.round(quotient)
  const even = near - quotient === 0.5 && near % 2 !== 0 ? near - 1 : near
  return Math.min(high, Math.max(low, even + zeroPoint))
}
