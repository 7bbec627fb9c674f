/** What the plans of a convolution take: a layer's geometry, its filter, and a job on both. */

import type { Shape } from '../base/shape.js'
import type { ByteType } from '../core/dtype.js'
import type { Engine } from '../core/engine.js'
import type { Quantization } from '../core/quantization.js'
import type { Storage } from '../core/storage.js'
import { type Axis, opposite, type Window } from '../core/window.js'

/** A convolution of x [n, ...input, inChannels] to y [n, ...output, outChannels]. */
export interface Layer {
  n: number
  /** One to three of them, outermost first. */
  axes: readonly Axis[]
  inChannels: number
  outChannels: number
  groups: number
}

/** A layer over height and width, which is what kernels know. */
export interface PlaneLayer extends Layer {
  axes: Window
}

/** A filter [kh, kw, inChannels / groups, outChannels] in memory, its strides in elements. */
export interface Filter {
  engine: Engine
  storage: Storage
  shape: Shape
  strides: readonly number[]
  /** How its numbers follow from those of the storage, where they do not stand there as they are. */
  arranged?: { key: string; write(to: number): void }
}

/** What the 8-bit integers of a layer stand for. */
export interface ByteTerms {
  x: {
    dtype: ByteType
    scale: number
    zeroPoint: number
    /** Where the zero point stands as 32 bits, if it is not known before. */
    zeroAt?: number | undefined
  }
  /** With lists, a scale and a zero point for each output channel. */
  filter: { dtype: ByteType } & Pick<Quantization, 'scale' | 'zeroPoint'>
  /** Whether the bias is float32, and not int32 in units of the sums. */
  floatBias: boolean
  /** What y is; without it y takes the sums, as int32. `clamp` is in its integers. */
  y: { scale: number; zeroPoint: number } | undefined
}

/** One layer to compute: `x`, `bias` (0: none) and `y` are addresses. Backwards `x` is dy and `y` is dx. */
export interface ConvJob {
  engine: Engine
  layer: PlaneLayer
  x: number
  filter: Filter
  bias: number
  y: number
  clamp: readonly [number, number]
  /** Of a layer of 8-bit integers: what they stand for. */
  terms?: ByteTerms | undefined
}

/** A filter's gradient to compute from addresses of x and dy. */
export interface FilterGradientJob {
  engine: Engine
  layer: PlaneLayer
  x: number
  dy: number
  /** Distances in the gradient between taps, rows and columns; without them it is row-major. */
  strides?: readonly [tap: number, row: number, column: number] | undefined
}

/** The images of a layer as argument blocks name them. */
export const imageArgs = ({ n, axes: [h, w] }: PlaneLayer) => ({
  n,
  ih: h.input,
  iw: w.input,
  oh: h.output,
  ow: w.output,
})

/** Its window as they name it. */
export const windowArgs = ({ axes: [h, w] }: PlaneLayer) => ({
  kh: h.size,
  kw: w.size,
  strideH: h.stride,
  strideW: w.stride,
  dilationH: h.dilation,
  dilationW: w.dilation,
  beforeH: h.before,
  beforeW: w.before,
})

/** Multiply-adds by definition. */
export function multiplyAdds({ n, axes, inChannels, outChannels, groups }: Layer): number {
  let product = (n * outChannels * inChannels) / groups
  for (const { output, size } of axes) product *= output * size
  return product
}

/**
 * The backward of a layer at stride 1, which is a layer too: over a filter that is turned by half a circle.
 */
export const oppositeLayer = ({ axes: [h, w], ...layer }: PlaneLayer): PlaneLayer => ({
  ...layer,
  axes: [opposite(h), opposite(w)],
  inChannels: layer.outChannels,
  outChannels: layer.inChannels,
})

/**
 * The address of `floats` numbers that `make` computes from a filter that stands at `source`: once, and again
 * only after the filter was written. `restore` writes the filter back from there.
 */
export function derive(
  { engine, storage, shape, arranged }: Pick<Filter, 'engine' | 'storage' | 'arranged'> & { shape: Shape },
  key: string,
  floats: number,
  make: (source: number, to: number) => void,
  restore?: (from: number, to: number) => void,
): number {
  if (!arranged) return storage.derive(key, floats, (to) => make(storage.pointer, to), restore)
  return storage.derive(`${arranged.key} ${key}`, floats, (to) =>
    engine.scope(() => {
      const { pointer } = engine.empty(shape)
      arranged.write(pointer)
      make(pointer, to)
    }),
  )
}
