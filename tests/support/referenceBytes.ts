/** What ops on 8-bit integers are, in plain loops over integers; float32 where ONNX Runtime has it. */
import type { Quantization } from '../../src/index.js'

/** 8-bit integers, and what they stand for. */
export interface Bytes {
  shape: readonly number[]
  data: ArrayLike<number>
  dtype: 'int8' | 'uint8'
  quantization: Quantization
}

export const RANGES = { int8: [-128, 127], uint8: [0, 255] } as const

const at = (terms: number | readonly number[], i: number): number =>
  typeof terms === 'number' ? terms : terms[i]!

/** The nearest integer, ties to even. */
export function roundToEven(v: number): number {
  const near = Math.round(v)
  return near - v === 0.5 && near % 2 !== 0 ? near - 1 : near
}

const limit = (v: number, dtype: Bytes['dtype']): number =>
  Math.min(RANGES[dtype][1], Math.max(RANGES[dtype][0], v))

export const quantized = (v: number, scale: number, zero: number, dtype: Bytes['dtype']): number =>
  limit(roundToEven(Math.fround(Math.fround(v) / Math.fround(scale))) + zero, dtype)

export interface Geometry {
  stride: number
  dilation: number
  padding: number
  groups: number
}

/** int32 sums of conv2d: x [n, ih, iw, ic], w [kh, kw, ic / groups, oc]. */
export function sumsOf(
  x: Bytes,
  w: Bytes,
  bias: ArrayLike<number> | undefined,
  { stride, dilation, padding, groups }: Geometry,
): { shape: number[]; data: Int32Array } {
  const [n, ih, iw, ic] = x.shape as [number, number, number, number]
  const [kh, kw, depth, oc] = w.shape as [number, number, number, number]
  const length = (input: number, size: number) =>
    Math.floor((input + 2 * padding - dilation * (size - 1) - 1) / stride) + 1
  const [oh, ow] = [length(ih, kh), length(iw, kw)]
  const data = new Int32Array(n * oh * ow * oc)
  for (let i = 0; i < data.length; i++) {
    const o = i % oc
    const ox = Math.floor(i / oc) % ow
    const oy = Math.floor(i / oc / ow) % oh
    const image = Math.floor(i / oc / ow / oh)
    const first = Math.floor(o / (oc / groups)) * depth
    let sum = bias?.[o] ?? 0
    for (let tap = 0; tap < kh * kw; tap++) {
      const iy = oy * stride - padding + Math.floor(tap / kw) * dilation
      const ix = ox * stride - padding + (tap % kw) * dilation
      if (iy < 0 || iy >= ih || ix < 0 || ix >= iw) continue
      for (let k = 0; k < depth; k++)
        sum +=
          (x.data[((image * ih + iy) * iw + ix) * ic + first + k]! - at(x.quantization.zeroPoint, 0)) *
          (w.data[(tap * depth + k) * oc + o]! - at(w.quantization.zeroPoint, o))
    }
    data[i] = sum
  }
  return { shape: [n, oh, ow, oc], data }
}

/** What the sum of output channel o is multiplied by, for numbers or for elements of y. */
export function factorOf(x: Bytes, w: Bytes, o: number, yScale?: number): number {
  const product = Math.fround(
    Math.fround(at(x.quantization.scale, 0)) * Math.fround(at(w.quantization.scale, o)),
  )
  return yScale === undefined ? product : Math.fround(product / Math.fround(yScale))
}

/** QLinearConv's end: sums as integers of y, between bounds in them. */
export function requantized(
  sums: Int32Array,
  factor: (channel: number) => number,
  channels: number,
  y: Omit<Bytes, 'shape' | 'data'>,
  low = RANGES[y.dtype][0] as number,
  high = RANGES[y.dtype][1] as number,
): number[] {
  return Array.from(sums, (sum, i) => {
    const v = Math.fround(Math.fround(sum) * factor(i % channels))
    const q = roundToEven(v) + at(y.quantization.zeroPoint, 0)
    return Math.min(high, Math.max(low, limit(q, y.dtype)))
  })
}
