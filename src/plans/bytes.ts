/** Functions, sums, products and pooling of 8-bit integers: the plans of assembly/bytes.ts. */

import { type ByteType, rangeOf } from '../core/dtype.js'
import type { Quantization } from '../core/quantization.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Window } from '../core/window.js'
import {
  BINARY_BYTES_BLOCK,
  BinaryBytesOp,
  MAP_BYTES_BLOCK,
  type PoolBytesOp,
  SOFTMAX_BYTES_KEPT,
  SOFTMAX_BYTES_SHORT,
  type UnaryOp,
} from '../wasm/abi.js'
import { broadcastAxes } from './elementwise.js'
import { windowArgs } from './pool.js'

/** Of integers that stand for themselves. */
const STANDING: Quantization = { scale: 1, zeroPoint: 0 }

/** One scale and zero point, the scale as float32 has it. */
export interface Terms {
  scale: number
  zero: number
  signed: number
}

/** What the integers of a tensor stand for: themselves where it has no quantization. */
export function termsOf(
  { dtype, quantization }: AnyTensor,
  { scale, zeroPoint }: Quantization = quantization ?? STANDING,
): Terms {
  return {
    scale: Math.fround(scale as number),
    zero: zeroPoint as number,
    signed: Number(dtype === 'int8'),
  }
}

/** y = f(x, a, b) of what x stands for, by a table; without `op` y = x. y may be x. */
export function runMapBytes(
  x: AnyTensor,
  y: AnyTensor,
  [op, a, b]: readonly [op: UnaryOp | -1, a: number, b: number],
  from = termsOf(x),
): void {
  if (x.size === 0) return
  const to = termsOf(y)
  x.engine.scratch(64 + 256 + 1024 + 128)
  x.engine.run({
    kernel: 'mapBytes',
    args: {
      x: x.pointer,
      y: y.pointer,
      size: x.size,
      op,
      a,
      b,
      ...from,
      signedY: to.signed,
      scaleY: to.scale,
      zeroY: to.zero,
      table: 0,
      channels: 1,
    },
    units: Math.ceil(x.size / MAP_BYTES_BLOCK),
    work: x.size,
  })
}

/** y = what a table [256] has for each byte of x, or for x [..., channels] one of tables [channels, 256]. */
export function runLookup(x: AnyTensor, y: AnyTensor, table: Tensor<'uint8'>): void {
  if (x.size === 0) return
  x.engine.run({
    kernel: 'mapBytes',
    args: {
      x: x.pointer,
      y: y.pointer,
      size: x.size,
      op: -1,
      a: 0,
      b: 0,
      ...termsOf(x, STANDING),
      signedY: Number(y.dtype === 'int8'),
      scaleY: 1,
      zeroY: 0,
      table: table.pointer,
      channels: table.size / 256,
    },
    units: Math.ceil(x.size / MAP_BYTES_BLOCK),
    work: x.size,
  })
}

/** y = softmax(x) along the n of x [outer, n, inner]; y may be x. */
export function runSoftmaxBytes(
  x: AnyTensor,
  y: AnyTensor,
  { n, inner, unit }: { n: number; inner: number; unit: number },
): void {
  if (x.size === 0) return
  const { scale, signed } = termsOf(x)
  const to = termsOf(y)
  const vectors = x.size / n
  const isKept = n <= SOFTMAX_BYTES_KEPT && (inner > 1 || n <= SOFTMAX_BYTES_SHORT)
  x.engine.scratch(Math.max(1280 + 4 * (n + 16), isKept ? 768 + 64 * n + 16 * (n + 15) : 0))
  x.engine.run({
    kernel: 'softmaxBytes',
    args: {
      x: x.pointer,
      y: y.pointer,
      n,
      inner,
      vectors,
      unit,
      flip: 128 * signed,
      scale,
      signedY: to.signed,
      scaleY: to.scale,
      zeroY: to.zero,
    },
    units: Math.ceil(vectors / unit),
    work: x.size * 8,
  })
}

/** Axes of a sum or product that the kernel has. */
const AXES = 3

/** Whether operands broadcast in no more steps than the kernel takes. */
export const fitsBinaryBytes = (a: AnyTensor, b: AnyTensor, y: AnyTensor['shape']): boolean =>
  broadcastAxes(a.shape, b.shape, y).length <= AXES

/** y = a + b, a * b or the like, by NumPy's broadcasting, clamped to integers of y. */
export function runBinaryBytes(
  op: BinaryBytesOp,
  a: AnyTensor,
  b: AnyTensor,
  y: AnyTensor,
  [low, high]: readonly [number, number],
): void {
  if (y.size === 0) return
  const { engine } = y
  const axes = broadcastAxes(a.shape, b.shape, y.shape)
  const none = { length: 1, aStep: 0, bStep: 0 }
  const [outer, row, column] = [...Array(AXES - axes.length).fill(none), ...axes] as (typeof axes)[0][]
  const [p, q, to] = [termsOf(a), termsOf(b), termsOf(y)]
  const f = Math.fround
  const isSum = op === BinaryBytesOp.sum
  const isProduct = op === BinaryBytesOp.product
  const factorA = isProduct ? f(f(p.scale * q.scale) / to.scale) : isSum ? f(p.scale / to.scale) : p.scale
  const factorB = isProduct ? 0 : isSum ? f(q.scale / to.scale) : q.scale
  const zeros = f(f(factorA * p.zero) + f(factorB * q.zero))
  engine.run({
    kernel: 'binaryBytes',
    args: {
      a: a.pointer,
      b: b.pointer,
      y: y.pointer,
      op,
      rows: row!.length,
      columns: column!.length,
      outerA: outer!.aStep,
      rowA: row!.aStep,
      stepA: column!.aStep,
      outerB: outer!.bStep,
      rowB: row!.bStep,
      stepB: column!.bStep,
      signedA: p.signed,
      signedB: q.signed,
      signedY: to.signed,
      factorA,
      factorB,
      fixed: isSum ? f(to.zero - zeros) : to.zero,
      zeroA: p.zero,
      zeroB: q.zero,
      scaleY: to.scale,
      low,
      high,
    },
    units: outer!.length * row!.length * Math.ceil(column!.length / BINARY_BYTES_BLOCK),
    work: y.size,
  })
}

/** The range of a type, for results that nothing else clamps. */
export const boundsOf = (dtype: ByteType): readonly [number, number] => rangeOf(dtype)!

/** y [n, outHeight, outWidth, c] of x [n, height, width, c]; the largest stay what they are in x. */
export function runPoolBytes(
  op: PoolBytesOp,
  x: AnyTensor,
  y: AnyTensor,
  window: Window,
  countPadding: boolean,
): void {
  if (y.size === 0) return
  const [h, w] = window
  const to = termsOf(y)
  x.engine.run({
    kernel: 'poolBytes',
    args: {
      ...windowArgs(x, y, window, countPadding),
      op,
      ...termsOf(x),
      scaleY: to.scale,
      zeroY: to.zero,
    },
    units: x.shape[0]! * h.output,
    work: y.size * h.size * w.size,
  })
}
