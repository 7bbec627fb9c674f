/** Convolution along one, two and three axes: one op, whose plan is a row of algorithms.ts. */

import { check, show } from '../../base/errors.js'
import { type Shape, sameShape } from '../../base/shape.js'
import { ANY, type ByteType, FLOATS, listOf } from '../../core/dtype.js'
import { engineOf } from '../../core/engine.js'
import { checkOptions, isShape, MOST, type Names } from '../../core/options.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import type { AxesOptions, Context, Window3dOptions, WindowOptions } from '../../core/window.js'
import { checkNoTape, NO_CLAMP } from '../../plans/elementwise.js'
import { type Layer, multiplyAdds, type PlaneLayer } from '../../plans/layer.js'
import { planeFilter, planeLayer } from '../../plans/planes.js'
import { FRAME_BYTES } from '../../wasm/abi.js'
import type { Build } from '../../wasm/load.js'
import { type Activation, clampBackward, finishActivation, fusedClamp } from '../activation.js'
import {
  byteOp,
  checkFloats,
  type DynamicTerms,
  makeBytes,
  makeSums,
  type OutputQuantization,
  type RunBytes,
} from '../bytes.js'
import { channelSums } from '../reduce.js'
import {
  type Algorithm,
  algorithms,
  CONV_DTYPES,
  type ConvAlgorithm,
  choose,
  runLayer,
} from './algorithms.js'
import { checkBias, layerOf, outputShape, type Rank } from './geometry.js'
import { filterGradient, inputGradient } from './gradients.js'

/** What `conv2d` and `planConv2d` take beside x and the filter. */
export interface Conv2dOptions extends WindowOptions {
  /**
   * [outChannels], added to every pixel. Of 8-bit x it may be int32, in units of x's scale times the
   * filter's.
   */
  bias?: Tensor | Tensor<'int32'>
  /**
   * Of 8-bit x and filter: gives 8-bit integers of this quantization, without a float32 result on the way.
   */
  quantization?: OutputQuantization
  /**
   * Input and output channels fall into this many groups of neighbours that do not see each other. Default 1.
   */
  groups?: number
  activation?: Activation
  /**
   * How to compute it; by default the fastest that fits. For measuring, and for exactness: `'igemm'` sums in
   * the order of the definition.
   */
  algorithm?: ConvAlgorithm
  /** A tensor of the output's shape to write into, instead of a new one. It must not be `x`. */
  out?: AnyTensor
}

const CONV: Names<Conv2dOptions> = {
  stride: true,
  padding: true,
  dilation: true,
  bias: true,
  groups: true,
  activation: true,
  algorithm: true,
  out: true,
  quantization: true,
}

/**
 * Correlates an image with a bank of filters (no flip, as all neural networks do):
 *
 *   y[n, oy, ox, o] = activation(bias[o] + sum over ky, kx, i of
 *                     x[n, oy * stride - before + ky * dilation, ox * stride - before + kx * dilation, i] *
 *                     filter[ky, kx, i, o])
 *
 * with zeros outside of x. Definition: ONNX Conv. Padding as in TensorFlow for `'same'`.
 *
 * Of 8-bit integers, which stand for numbers by their quantization, sums are exact, in 32 bits. With
 * `quantization` the result is 8-bit integers, by one multiplication of each sum and rounding to even, ONNX
 * QLinearConv to the byte as ONNX Runtime has it; without it float32. Scale and zero point of the filter may
 * differ along its outChannels.
 *
 * @param x [n, height, width, inChannels]
 * @param filter [windowHeight, windowWidth, inChannels / groups, outChannels]; of x's type, or both of 8 bits
 * @param options stride 1, padding 'valid', dilation 1, groups 1, no bias, no activation
 * @returns [n, outHeight, outWidth, outChannels]
 * @throws FilterbankError for ranks, channels, groups, strides or paddings that do not fit; nothing is
 *   allocated then
 * @example const edges = conv2d(photo, filters, { padding: 'same', activation: 'relu' })
 */
export function conv2d<D extends ByteType = ByteType>(
  x: Tensor<ByteType>,
  filter: Tensor<ByteType>,
  options: Conv2dOptions & { quantization: OutputQuantization<D> },
): Tensor<D>
/** The same with a float32 result. */
export function conv2d(x: Tensor<ByteType>, filter: Tensor<ByteType>, options?: Conv2dOptions): Tensor
/** The same of float32. */
export function conv2d(x: Tensor, filter: Tensor, options?: Conv2dOptions): Tensor
export function conv2d(x: AnyTensor, filter: AnyTensor, options: Conv2dOptions = {}): AnyTensor {
  checkOptions('conv2d', options, CONV)
  return convolve(2, x, filter, options).y
}

/** What `conv1d` takes beside x and the filter. */
export interface Conv1dOptions extends Omit<Conv2dOptions, 'stride' | 'dilation' | 'padding'> {
  stride?: number
  dilation?: number
  /** As in `conv2d`; a pair is [before, after]. */
  padding?: 'same' | 'valid' | number | readonly [number, number]
}

/**
 * `conv2d` along one axis, as for sound or text.
 *
 * @param x [n, width, inChannels]
 * @param filter [windowWidth, inChannels / groups, outChannels]
 * @returns [n, outWidth, outChannels]
 * @throws FilterbankError as conv2d does
 * @example const features = conv1d(samples, filters, { stride: 2, padding: 'same' })
 */
export function conv1d<D extends ByteType = ByteType>(
  x: Tensor<ByteType>,
  filter: Tensor<ByteType>,
  options: Conv1dOptions & { quantization: OutputQuantization<D> },
): Tensor<D>
/** The same with a float32 result. */
export function conv1d(x: Tensor<ByteType>, filter: Tensor<ByteType>, options?: Conv1dOptions): Tensor
/** The same of float32. */
export function conv1d(x: Tensor, filter: Tensor, options?: Conv1dOptions): Tensor
export function conv1d(x: AnyTensor, filter: AnyTensor, options: Conv1dOptions = {}): AnyTensor {
  checkOptions('conv1d', options, CONV)
  return convolve(1, x, filter, options).y
}

/** What `conv3d` takes beside x and the filter, which are float32. */
export interface Conv3dOptions
  extends Omit<Conv2dOptions, keyof WindowOptions | 'quantization'>,
    Window3dOptions {}

/**
 * `conv2d` along three axes, as for video or volumes:
 *
 *   y[n, oz, oy, ox, o] = activation(bias[o] + sum over kz, ky, kx, i of
 *                         x[n, oz * stride - before + kz * dilation, ..., i] * filter[kz, ky, kx, i, o])
 *
 * Computed over height and width, with the planes that an output plane sees as its channels: for as long as
 * it runs it takes windowDepth times the memory of x, over the stride along the depth.
 *
 * @param x [n, depth, height, width, inChannels]
 * @param filter [windowDepth, windowHeight, windowWidth, inChannels / groups, outChannels]
 * @param options as for `conv2d`, with three numbers [depth, height, width] where it takes two
 * @returns [n, outDepth, outHeight, outWidth, outChannels]
 * @throws FilterbankError as conv2d does
 * @example const features = conv3d(frames, filters, { stride: [1, 2, 2], padding: 'same' })
 */
export function conv3d(x: Tensor, filter: Tensor, options: Conv3dOptions = {}): Tensor {
  checkOptions('conv3d', options, CONV)
  return convolve(3, x, filter, options).y as Tensor
}

/** What `conv2d` would do, without doing it. */
export interface ConvPlan {
  /** [n, outHeight, outWidth, outChannels] */
  shape: Shape
  algorithm: Exclude<ConvAlgorithm, 'auto'>
  /** Why this algorithm. */
  reason: string
  /** All algorithms that fit the layer, in order of preference. */
  fits: Exclude<ConvAlgorithm, 'auto'>[]
  /** Multiply-adds by definition, bias apart; Winograd does a quarter of them, of 5x5 windows 0.36. */
  multiplyAdds: number
  /** Bytes of the filter as the kernel wants it, kept beside the filter until it changes. */
  packedBytes: number
  /** Bytes of scratch memory, for each thread. */
  workspaceBytes: number
  /** Pieces that the threads share. */
  units: number
}

/** What `planConv2d` is told beside the shapes. */
export interface ConvPlanOptions extends Omit<Conv2dOptions, 'bias' | 'activation' | 'out' | 'quantization'> {
  /** The type of x and filter. Default 'float32'. */
  dtype?: 'float32' | ByteType
  /** The build of the engine. Default 'simd128'. */
  simd?: Build
}

const PLAN: Names<ConvPlanOptions> = {
  stride: true,
  padding: true,
  dilation: true,
  groups: true,
  algorithm: true,
  simd: true,
  dtype: true,
}

/**
 * Tells what `conv2d` would do with tensors of these shapes: the algorithm and why, its cost and its memory.
 *
 * @param xShape [n, height, width, inChannels]
 * @param filterShape [windowHeight, windowWidth, inChannels / groups, outChannels]
 * @param options as for `conv2d`; `simd` is the build, default 'simd128'
 * @throws FilterbankError as `conv2d` does
 * @example planConv2d([1, 56, 56, 64], [3, 3, 64, 64], { padding: 1 }).algorithm // 'winograd'
 */
export function planConv2d(xShape: Shape, filterShape: Shape, options: ConvPlanOptions = {}): ConvPlan {
  checkOptions('planConv2d', options, PLAN)
  for (const [argument, shape] of Object.entries({ xShape, filterShape })) {
    check(isShape(shape), () => ({
      op: 'planConv2d',
      argument,
      expected: `an array of integers from 0 to ${MOST}`,
      got: show(shape),
    }))
  }
  const context = { op: 'planConv2d', shapes: { x: xShape, filter: filterShape } }
  const layer = layerOf(xShape, filterShape, 2, options, context)
  const planes = planeLayer(layer)
  const { dtype = 'float32' } = options
  check(CONV_DTYPES.includes(dtype), () => ({
    ...context,
    argument: 'dtype',
    expected: listOf(CONV_DTYPES),
    got: show(dtype),
  }))
  const { row, reason } = choose(options.algorithm ?? 'auto', planes, dtype, context)
  const { scratch, units } = row.blocking(planes, (options.simd ?? 'simd128') === 'simd128' ? 5 : 6)
  return {
    shape: outputShape(layer),
    algorithm: row.name,
    reason,
    fits: algorithms
      .filter(({ fits, dtypes }) => dtypes.includes(dtype) && fits(planes))
      .map(({ name }) => name),
    multiplyAdds: multiplyAdds(layer),
    packedBytes: 4 * row.packing(planes),
    workspaceBytes: FRAME_BYTES + 4 * scratch,
    units,
  }
}

interface ConvOptions extends Omit<Conv2dOptions, keyof WindowOptions>, AxesOptions, DynamicTerms {
  /** To choose among algorithms that sum small integers without rounding. */
  exact?: boolean
  /** Of 8-bit operands: their sums, as int32. */
  sums?: boolean
}

const OPS = { 1: 'conv1d', 2: 'conv2d', 3: 'conv3d' } as const

/** `conv1d`, `conv2d` or `conv3d`, what computed it and why. @internal */
export function convolve(
  rank: Rank,
  x: AnyTensor,
  filter: AnyTensor,
  options: ConvOptions,
): { y: AnyTensor; algorithm: Algorithm['name']; reason: string } {
  const { bias, out } = options
  const op = OPS[rank]
  const engine = engineOf(op, { x }, {}, rank === 3 ? FLOATS : CONV_DTYPES)
  engineOf(op, { x, filter }, { bias, out }, ANY)
  const context: Context = {
    op,
    shapes: { x: x.shape, filter: filter.shape, bias: bias?.shape, out: out?.shape },
  }
  const isFloat = x.dtype === 'float32'
  if (isFloat) checkFloats(x, { filter, bias, out }, options, context)
  const layer = layerOf(x.shape, filter.shape, rank, options, context)
  const planes = planeLayer(layer)
  const { row, reason } = choose(options.algorithm ?? 'auto', planes, x.dtype, context, options.exact)
  const shape = outputShape(layer)
  checkBias(bias, layer.outChannels, context)
  checkNoTape(engine, out, context)
  const algorithm = row.name
  if (!isFloat) {
    const operands = { x, filter, name: 'filter', axis: filter.shape.length - 1 }
    const given = byteOp(operands, options, shape, context)
    const run: RunBytes = (y, finish) =>
      row.run({ engine, layer: planes, x: x.pointer, filter: planeFilter(filter, layer), y, ...finish })
    const y = options.sums ? makeSums(given, run) : makeBytes(given, run)
    engine.tape?.record(op, y, { x, filter, bias }, {}, () => ({}))
    return { y, algorithm, reason }
  }
  return {
    y: convolveFloats({ layer, planes, shape, row }, { x, filter, bias, out } as Floats, options, context),
    algorithm,
    reason,
  }
}

interface Floats {
  x: Tensor
  filter: Tensor
  bias: Tensor | undefined
  out: Tensor | undefined
}

interface Chosen {
  layer: Layer
  planes: PlaneLayer
  /** Of the output. */
  shape: Shape
  row: Algorithm
}

function convolveFloats(
  { layer, planes, shape, row }: Chosen,
  { x, filter, bias, out }: Floats,
  options: { activation?: Activation },
  context: Context,
): Tensor {
  const { engine } = x
  const { activation } = options
  const { op } = context
  const fail = (argument: string, expected: string, got: string) => ({ ...context, argument, expected, got })
  const clamp = fusedClamp(activation, context)
  check(!out || sameShape(out.shape, shape), () => fail('out', show(shape), show(out?.shape)))
  check(!out || out.storage !== x.storage, () => fail('out', 'another tensor than x', 'x itself'))

  const run = (y: Tensor) => runLayer(row, layer, planes, x, filter, y, { bias, clamp })
  if (out) {
    run(out)
    engine.trace?.note(op, out.changed(), { x, filter, bias }, options)
    return finishActivation(activation, out)
  }
  const y = engine.make(shape, run)
  engine.trace?.note(op, y, { x, filter, bias }, options)
  engine.tape?.record(
    op,
    y,
    { x, filter, bias },
    { x, filter, y: clamp === NO_CLAMP ? undefined : y },
    (dy, kept) => {
      const dsum = kept.y ? clampBackward(dy, kept.y, clamp) : dy
      return {
        x: () => inputGradient(row, layer, dsum, kept.filter),
        filter: () => filterGradient(row, layer, kept.x, dsum, kept.filter),
        bias: () => channelSums(dsum),
      }
    },
  )
  return finishActivation(activation, y)
}
