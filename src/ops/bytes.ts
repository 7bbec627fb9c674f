/**
 * What convolutions and products of 8-bit integers have in common: what their operands stand for, and what
 * becomes of the sums.
 */

import { check, FilterbankError, show } from '../base/errors.js'
import { type Shape, sameShape } from '../base/shape.js'
import { BYTES, type ByteType, type DType } from '../core/dtype.js'
import { checkType, type Engine } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import {
  type Quantization,
  sameQuantization,
  settleQuantization,
  showQuantization,
} from '../core/quantization.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { copy } from '../plans/copy.js'
import { NO_CLAMP } from '../plans/elementwise.js'
import { keyOf, tableOf } from '../plans/int8.js'
import type { ByteTerms } from '../plans/layer.js'
import { type Activation, finishActivation, fusedClamp } from './activation.js'
import { checkQuantized } from './byteResult.js'
import { checkByteType, quantized, runQuantize, runScaleSums } from './quantize.js'

/** What the 8-bit integers that an op gives stand for: (element - zeroPoint) * scale. */
export interface OutputQuantization<D extends ByteType = ByteType> {
  /** Above 0. */
  scale: number
  /** The element that stands for 0. */
  zeroPoint: number
  /** Default: that of x. */
  dtype?: D
}

/** What an op takes that gives 8-bit integers for 8-bit integers. */
export interface BytesOptions<D extends ByteType = ByteType> {
  /** Of 8-bit operands: gives 8-bit integers of this quantization, without a float32 result on the way. */
  quantization?: OutputQuantization<D>
}

const OUTPUT: Names<OutputQuantization> = { scale: true, zeroPoint: true, dtype: true }

/** Numbers of the engine that a product of bytes reads where it runs. @internal */
export interface DynamicTerms {
  /** The zero point of x, in place of that of its quantization. */
  zero?: Tensor<'int32'> | undefined
  /** Of the result in float32: what sums are multiplied by, one number or one for each output channel. */
  scale?: Tensor | undefined
}

/** An op on 8-bit operands, checked. */
export interface ByteOp {
  engine: Engine
  context: Context
  shape: Shape
  /** Without what y is: that is up to how it is finished. */
  terms: Omit<ByteTerms, 'y' | 'floatBias'>
  /** Where the scales of each output are kept. */
  filter: AnyTensor
  columns: number
  bias: Tensor | Tensor<'int32'> | undefined
  activation: Activation | undefined
  quantization: Quantization | undefined
  dtype: ByteType
  out?: AnyTensor | undefined
  scale?: Tensor | undefined
}

/** Throws where operands are not both of 8 bits, or an option belongs to such. */
export function checkFloats(
  x: AnyTensor,
  others: Record<string, AnyTensor | undefined>,
  { quantization }: BytesOptions,
  context: Context,
): void {
  // Entries and closures would cost a small layer more than what they check.
  for (const argument in others) {
    const tensor = others[argument]
    if (tensor && tensor.dtype !== x.dtype)
      throw new FilterbankError({
        ...context,
        argument,
        expected: `of ${x.dtype}, as x`,
        got: `a tensor of ${tensor.dtype}`,
        hint: 'quantize(x, { scale }) and dequantize(x) go from one to the other',
      })
  }
  if (quantization !== undefined)
    throw new FilterbankError({
      ...context,
      argument: 'quantization',
      expected: 'left out where x is float32: quantize(x, { scale }) makes bytes of it',
      got: show(quantization),
    })
}

/** The operands of an op as what they stand for; `axis`: where the filter has its output channels. */
export function byteOp(
  { x, filter, name, axis }: { x: AnyTensor; filter: AnyTensor; name: string; axis: number | undefined },
  {
    bias,
    activation,
    quantization,
    out,
    zero,
    scale,
  }: DynamicTerms & {
    bias?: Tensor | Tensor<'int32'> | undefined
    activation?: Activation | undefined
    quantization?: OutputQuantization | undefined
    out?: AnyTensor | undefined
  },
  shape: Shape,
  context: Context,
): ByteOp {
  const { engine } = x
  // Texts are made where something is wrong: making them takes longer than a small layer.
  const fail = (argument: string, expected: string, got: string) => ({ ...context, argument, expected, got })
  checkType(context.op, name, filter, BYTES)
  if (bias) checkType(context.op, 'bias', bias, ['float32', 'int32'])
  checkQuantized(x, 'x', context)
  checkQuantized(filter, name, context)
  const [from, by] = [x.quantization!, filter.quantization!]
  check(from.axis === undefined, () =>
    fail('x', 'of one scale and zero point', showQuantization(x.quantization)),
  )
  check(by.axis === undefined || by.axis === axis, () =>
    fail(
      name,
      axis === undefined
        ? 'of one scale and zero point'
        : `of one scale and zero point, or one for each index along axis ${axis}`,
      showQuantization(by),
    ),
  )
  fusedClamp(activation, context)
  let to: Quantization | undefined
  let dtype = x.dtype as ByteType
  if (quantization !== undefined) {
    check(typeof quantization === 'object' && quantization !== null, () =>
      fail('quantization', '{ scale, zeroPoint, dtype }', show(quantization)),
    )
    checkOptions(context.op, quantization, OUTPUT)
    dtype = quantization.dtype ?? dtype
    checkByteType(context.op, 'quantization.dtype', dtype)
    const { scale, zeroPoint } = quantization
    to = settleQuantization(context.op, { scale, zeroPoint }, dtype, shape)!
  }
  const xScale = Math.fround(from.scale as number)
  for (const own of [by.scale].flat() as number[]) {
    const product = Math.fround(xScale * Math.fround(own))
    const factor = to ? Math.fround(product / Math.fround(to.scale as number)) : product
    check(product > 0 && Number.isFinite(factor), () =>
      fail(
        to ? 'quantization.scale' : `${name}.quantization.scale`,
        `one that leaves a finite factor for sums: ${xScale} * ${own}${to ? ` / ${to.scale}` : ''}`,
        `${factor}`,
      ),
    )
  }
  if (out) {
    check(sameShape(out.shape, shape), () => fail('out', show(shape), show(out.shape)))
    check(out.storage !== x.storage, () => fail('out', 'another tensor than x', 'x itself'))
    checkType(context.op, 'out', out, [to ? dtype : 'float32'])
    check(!to || sameQuantization(out.quantization, to), () =>
      fail('out', `of the quantization ${showQuantization(to)}`, showQuantization(out.quantization)),
    )
  }
  return {
    engine,
    context,
    shape,
    terms: {
      x: {
        dtype: x.dtype as ByteType,
        scale: xScale,
        zeroPoint: from.zeroPoint as number,
        zeroAt: zero?.pointer,
      },
      filter: { dtype: filter.dtype as ByteType, scale: by.scale, zeroPoint: by.zeroPoint },
    },
    filter,
    columns: shape.at(-1)!,
    bias,
    activation,
    quantization: to,
    dtype,
    out,
    scale,
  }
}

/** What computes the sums of an op at `y`, and ends them as `terms` says. */
export type RunBytes = (
  y: number,
  finish: { terms: ByteTerms; bias: number; clamp: readonly [number, number] },
) => void

/** int32 sums, a bias of as many included. */
export function makeSums({ engine, shape, terms, bias }: ByteOp, run: RunBytes): Tensor<'int32'> {
  return engine.make(
    shape,
    (y) =>
      run(y.pointer, {
        terms: { ...terms, y: undefined, floatBias: false },
        bias: bias?.pointer ?? 0,
        clamp: NO_CLAMP,
      }),
    { dtype: 'int32' },
  )
}

/** `out`, or a new tensor, that `write` writes. */
function written<D extends DType>(
  { engine, shape, out }: ByteOp,
  type: { dtype: D; quantization?: Quantization },
  write: (y: Tensor<D>) => void,
): Tensor<D> {
  if (!out) return engine.make(shape, write, type)
  write(out as Tensor<D>)
  return (out as Tensor<D>).changed()
}

/** The result of an op: 8-bit integers where it has a quantization, else float32. */
export function makeBytes(op: ByteOp, run: RunBytes): AnyTensor {
  const { engine, terms, bias, activation, quantization, dtype, context } = op
  const clamp = fusedClamp(activation, context)
  if (quantization && (activation === undefined || clamp !== NO_CLAMP)) {
    const { scale, zeroPoint } = quantization as { scale: number; zeroPoint: number }
    return written<ByteType>(op, { dtype, quantization }, (y) => {
      const finish = { ...terms, y: { scale, zeroPoint }, floatBias: bias?.dtype === 'float32' }
      const bounds = clamp.map((bound) => quantized(bound, scale, zeroPoint, dtype)) as [number, number]
      run(y.pointer, { terms: finish, bias: bias?.pointer ?? 0, clamp: bounds })
    })
  }
  if (quantization) {
    // An activation that is no clamp works on numbers.
    return engine.scope(() => {
      const numbers = makeBytes({ ...op, quantization: undefined, out: undefined }, run) as Tensor
      return written<ByteType>(op, { dtype, quantization }, (y) => runQuantize(numbers, y))
    })
  }
  return finishActivation(
    activation,
    written(op, { dtype: 'float32' }, (y) => {
      const isFloat = bias?.dtype === 'float32'
      const sums = { ...terms, y: undefined, floatBias: false }
      run(y.pointer, { terms: sums, bias: isFloat ? 0 : (bias?.pointer ?? 0), clamp: NO_CLAMP })
      const { columns, filter, scale } = op
      const key = `factors ${terms.x.scale} ${keyOf(terms.filter.scale)}`
      const all = () => Array.from({ length: columns }, (_, i) => factor(terms, i))
      // Of a filter that each run writes anew, a replay has to write what stands beside it: by a job.
      const one = (key: string, value: number) =>
        filter.storage.derive(key, columns, (to) => {
          copy(engine, { value }, to, [{ length: columns, from: 0, to: 1 }])
        })
      const scales =
        scale?.pointer ??
        (typeof terms.filter.scale === 'number'
          ? one(`${key} ${columns}`, factor(terms, 0))
          : tableOf(engine, filter.storage, key, columns, all))
      const zeros = one(`no zeros ${columns}`, 0)
      runScaleSums(y, { scales, each: scale?.size !== 1, zeros, bias: isFloat ? bias.pointer : 0 }, clamp)
    }),
  )
}

const factor = ({ x, filter: { scale } }: ByteOp['terms'], i: number): number =>
  Math.fround(x.scale * Math.fround(typeof scale === 'number' ? scale : scale[i]!))
