import { engineOf } from '../../core/engine.js'
import { check, show } from '../../core/errors.js'
import { checkInteger, checkOptions, isName, isShape, MOST, type Names } from '../../core/options.js'
import { type Shape, sameShape, sizeOf } from '../../core/shape.js'
import type { Tensor } from '../../core/tensor.js'
import {
  type Axis,
  type Context,
  opposite,
  type Padding,
  slidingWindow,
  type Window,
  type WindowOptions,
} from '../../core/window.js'
import {
  blockGrouped,
  depthwiseFilter,
  groupedPanels,
  isNear,
  runDepthwiseInput,
  runGrouped,
} from '../../plans/depthwise.js'
import { checkNoTape } from '../../plans/elementwise.js'
import { runFilterGradient } from '../../plans/filterGradient.js'
import {
  blockProduct,
  filterPanels,
  type Product,
  packed,
  packedFloats,
  runProduct,
  slide,
  turned,
} from '../../plans/igemm.js'
import { runTransposed } from '../../plans/transposed.js'
import { blockWinograd, runWinograd, transformedFloats } from '../../plans/winograd.js'
import { type Activation, clampBackward, finishActivation, fusedClamp, NO_CLAMP } from '../activation.js'
import { channelSums } from '../reduce.js'

/**
 * `'gemm'`: a 1x1 window as one matrix product. `'igemm'`: any window. `'winograd'`: 3x3 at stride 1.
 * `'depthwise'`: one filter per channel. `'grouped'`: up to 16 in and out.
 */
export type ConvAlgorithm = 'auto' | 'gemm' | 'igemm' | 'winograd' | 'depthwise' | 'grouped'

/** What `conv2d` and `planConv2d` take beside x and the filter. */
export interface Conv2dOptions extends WindowOptions {
  /** [outChannels], added to every pixel. */
  bias?: Tensor
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
  out?: Tensor
}

const CONV2D: Names<Conv2dOptions> = {
  stride: true,
  padding: true,
  dilation: true,
  bias: true,
  groups: true,
  activation: true,
  algorithm: true,
  out: true,
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
 * @param x [n, height, width, inChannels]
 * @param filter [windowHeight, windowWidth, inChannels / groups, outChannels]
 * @param options stride 1, padding 'valid', dilation 1, groups 1, no bias, no activation
 * @returns [n, outHeight, outWidth, outChannels]
 * @throws FilterbankError for ranks, channels, groups, strides or paddings that do not fit; nothing is
 *   allocated then
 * @example const edges = conv2d(photo, filters, { padding: 'same', activation: 'relu' })
 */
export function conv2d(x: Tensor, filter: Tensor, options: Conv2dOptions = {}): Tensor {
  checkOptions('conv2d', options, CONV2D)
  const { bias, out } = options
  engineOf('conv2d', { x, filter }, { bias, out })
  return convolve(x, filter, options, {
    op: 'conv2d',
    shapes: { x: x.shape, filter: filter.shape, bias: bias?.shape, out: out?.shape },
  })
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
export function conv1d(x: Tensor, filter: Tensor, options: Conv1dOptions = {}): Tensor {
  checkOptions('conv1d', options, CONV2D)
  const { bias, out, stride = 1, dilation = 1, padding = 'valid' } = options
  const engine = engineOf('conv1d', { x, filter }, { bias, out })
  const context: Context = {
    op: 'conv1d',
    shapes: { x: x.shape, filter: filter.shape, bias: bias?.shape, out: out?.shape },
  }
  check(x.shape.length === 3, () => ({
    ...context,
    argument: 'x',
    expected: '[n, width, channels]',
    got: `rank ${x.shape.length}`,
  }))
  check(filter.shape.length === 3, () => ({
    ...context,
    argument: 'filter',
    expected: '[width, inChannels / groups, outChannels]',
    got: `rank ${filter.shape.length}`,
  }))
  const sides: Padding =
    typeof padding === 'string'
      ? padding
      : [[0, 0], typeof padding === 'number' ? [padding, padding] : padding]
  return engine.scope(() => {
    const tall = (tensor: Tensor, axis: number) => tensor.reshape(tensor.shape.toSpliced(axis, 0, 1))
    const y = convolve(
      tall(x, 1),
      tall(filter, 0),
      { ...options, stride: [1, stride], dilation: [1, dilation], padding: sides, out: out && tall(out, 1) },
      context,
    )
    return out ?? y.reshape(y.shape.toSpliced(1, 1))
  })
}

/** What `conv2d` would do, without doing it. */
export interface ConvPlan {
  /** [n, outHeight, outWidth, outChannels] */
  shape: Shape
  algorithm: Exclude<ConvAlgorithm, 'auto'>
  /** Why this algorithm. */
  reason: string
  /** Multiply-adds by definition, bias apart; Winograd does a quarter of them. */
  multiplyAdds: number
  /** Bytes of the filter as the kernel wants it, kept beside the filter until it changes. */
  packedBytes: number
  /** Bytes of scratch memory, for each thread. */
  workspaceBytes: number
  /** Pieces that the threads share. */
  units: number
}

/** What `planConv2d` is told beside the shapes. */
export interface ConvPlanOptions extends Omit<Conv2dOptions, 'bias' | 'activation' | 'out'> {
  /** The build of the engine. Default 'simd128'. */
  simd?: 'simd128' | 'relaxed'
}

const PLAN: Names<ConvPlanOptions> = {
  stride: true,
  padding: true,
  dilation: true,
  groups: true,
  algorithm: true,
  simd: true,
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
  const { groups, window, algorithm, reason, shape } = layerOf(xShape, filterShape, options, {
    op: 'planConv2d',
    shapes: { x: xShape, filter: filterShape },
  })
  const rows = options.simd === 'relaxed' ? 6 : 5
  const [n, , , ic] = xShape as [number, number, number, number]
  const [kh, kw, depth, oc] = filterShape as [number, number, number, number]
  const grouped = algorithm === 'depthwise' || algorithm === 'grouped'
  const block = grouped
    ? blockGrouped(n, ic, oc, window)
    : algorithm === 'winograd'
      ? blockWinograd(rows, n, ic, oc, groups, window)
      : blockProduct(rows, { n, ic, oc, groups, walkH: slide(window.h), walkW: slide(window.w) })
  const packed = grouped
    ? packedFloats(groupedPanels(algorithm, { shape: filterShape }, groups))
    : algorithm === 'winograd'
      ? transformedFloats(depth, oc)
      : packedFloats(filterPanels({ shape: filterShape }, groups))
  return {
    shape,
    algorithm,
    reason,
    multiplyAdds: sizeOf(shape) * kh * kw * depth,
    packedBytes: 4 * packed,
    workspaceBytes: 4 * block.scratch,
    units: block.units,
  }
}

interface Layer {
  groups: number
  window: Window
  algorithm: Algorithm
  reason: string
  /** Of the output. */
  shape: Shape
}

/** Everything about a layer that follows from shapes; throws where they do not fit. */
function layerOf(xShape: Shape, filterShape: Shape, options: Conv2dOptions, context: Context): Layer {
  const { groups = 1 } = options
  const fail = (argument: string, expected: string, got: string) => ({ ...context, argument, expected, got })
  check(xShape.length === 4, () => fail('x', '[n, height, width, channels]', `rank ${xShape.length}`))
  check(filterShape.length === 4, () =>
    fail('filter', '[height, width, inChannels / groups, outChannels]', `rank ${filterShape.length}`),
  )
  const [n, ih, iw, ic] = xShape as [number, number, number, number]
  const [kh, kw, groupIn, oc] = filterShape as [number, number, number, number]
  check(kh > 0 && kw > 0 && groupIn > 0 && oc > 0, () =>
    fail('filter', 'without a zero length', show(filterShape)),
  )
  checkInteger(groups, 'groups', 1, MOST, context)
  check(ic % groups === 0 && oc % groups === 0, () =>
    fail('groups', `a divisor of ${ic} input and ${oc} output channels`, `${groups}`),
  )
  check(ic === groupIn * groups, () =>
    fail(
      'filter',
      `one of ${ic / groups} input channels${groups > 1 ? ` (${ic} in ${groups} groups)` : ''}`,
      `${groupIn}`,
    ),
  )
  const window = slidingWindow([ih, iw], [kh, kw], options, context)
  return {
    groups,
    window,
    shape: [n, window.h.output, window.w.output, oc],
    ...choose(options.algorithm ?? 'auto', filterShape, groups, window, context),
  }
}

function convolve(x: Tensor, filter: Tensor, options: Conv2dOptions, context: Context): Tensor {
  const { bias, activation, out } = options
  const { groups, window, algorithm, shape } = layerOf(x.shape, filter.shape, options, context)
  const fail = (argument: string, expected: string, got: string) => ({ ...context, argument, expected, got })
  check(!bias || sameShape(bias.shape, [shape[3]!]), () => fail('bias', `[${shape[3]}]`, show(bias?.shape)))
  const clamp = fusedClamp(activation, context)
  check(!out || sameShape(out.shape, shape), () => fail('out', show(shape), show(out?.shape)))
  check(!out || out.storage !== x.storage, () => fail('out', 'another tensor than x', 'x itself'))
  checkNoTape(x.engine, out, context)

  const run = (y: Tensor) => {
    if (algorithm === 'depthwise' || algorithm === 'grouped')
      runGrouped(algorithm, x, filter, bias, y, window, groups, clamp)
    else if (algorithm === 'winograd') runWinograd(x, filter, bias, y, window, groups, clamp)
    else runDense(x, filter, bias, y, window, groups, clamp)
  }
  if (out) {
    run(out)
    return finishActivation(activation, out.changed())
  }
  const y = x.engine.make(shape, run)
  x.engine.tape?.record(
    context.op,
    y,
    { x, filter, bias },
    { x, filter, y: clamp === NO_CLAMP ? undefined : y },
    (dy, kept) => {
      const dsum = kept.y ? clampBackward(dy, kept.y, clamp) : dy
      return {
        x: () => inputGradient(dsum, kept.filter, window, groups, algorithm),
        filter: () => filterGradient(kept.x, dsum, kept.filter.shape, window, groups),
        bias: () => channelSums(dsum),
      }
    },
  )
  return finishActivation(activation, y)
}

type Algorithm = Exclude<ConvAlgorithm, 'auto'>

/**
 * The algorithm for a layer and why: what was asked for, if it fits, else the fastest. Witness: bench,
 * `--assert`.
 */
function choose(
  wanted: ConvAlgorithm,
  [kh, kw, groupIn, oc]: Shape,
  groups: number,
  window: Window,
  context: Context,
): { algorithm: Algorithm; reason: string } {
  const { h, w } = window
  const groupOut = oc! / groups
  const isPoint = kh === 1 && kw === 1 && h.before + h.after + w.before + w.after === 0
  // Of more than one group, whole panels and whole vectors.
  const whole = groups === 1 || (groupIn! % 4 === 0 && groupOut % 8 === 0)
  const isWinograd =
    kh === 3 && kw === 3 && whole && [h, w].every(({ stride, dilation }) => stride === 1 && dilation === 1)
  const fits = {
    auto: true,
    gemm: isPoint,
    igemm: true,
    winograd: isWinograd,
    depthwise: groupIn === 1 && groupOut === 1,
    grouped: groupIn! <= 16 && groupOut <= 16,
  }
  check(isName(wanted, fits), () => ({
    ...context,
    argument: 'algorithm',
    expected: `one of ${Object.keys(fits).join(', ')}`,
    got: show(wanted),
  }))
  check(fits[wanted], () => ({
    ...context,
    argument: 'algorithm',
    expected: 'one that fits this layer',
    got: show(wanted),
  }))
  if (wanted !== 'auto') return { algorithm: wanted, reason: 'as asked for' }
  const near = isNear(window)
  if (groupIn === 1 && groupOut === 1 && groups > 1 && near)
    return { algorithm: 'depthwise', reason: 'one filter per channel' }
  if (isPoint) return { algorithm: 'gemm', reason: 'a 1x1 window is a matrix product' }
  if (isWinograd && groupIn! >= 8 && groupOut >= 4)
    return { algorithm: 'winograd', reason: '3x3 at stride 1, and channels enough to pay for the transforms' }
  const fewOut = groupOut <= 4 || (groupOut <= 8 && groupIn! <= 4)
  const fewIn = groups === 1 && groupIn! <= 2
  const byLanes = groups === 1 && groupIn! % 4 === 0 && groupOut <= 3
  if (fits.grouped && near && (fewOut || fewIn) && !byLanes)
    return { algorithm: 'grouped', reason: 'too few channels in a group to fill panels of 8' }
  return { algorithm: 'igemm', reason: 'any window' }
}

/** The dense product of a convolution; addresses to be filled in. */
function productOf(n: number, ic: number, oc: number, { h, w }: Window, groups: number): Product {
  const walks = { walkH: slide(h), walkW: slide(w) }
  return {
    x: 0,
    w: 0,
    b: 0,
    y: 0,
    n,
    ih: h.input,
    iw: w.input,
    ic,
    oh: h.output,
    ow: w.output,
    oc,
    ...walks,
    groups,
    clamp: NO_CLAMP,
  }
}

function runDense(
  x: Tensor,
  filter: Tensor,
  bias: Tensor | undefined,
  y: Tensor,
  window: Window,
  groups: number,
  clamp: readonly [number, number],
): void {
  const product = productOf(x.shape[0]!, x.shape[3]!, y.shape[3]!, window, groups)
  runProduct(x.engine, {
    ...product,
    x: x.pointer,
    w: packed(filter, filterPanels(filter, groups)),
    b: bias?.pointer ?? 0,
    y: y.pointer,
    clamp,
  })
}

/** One filter per channel, and one channel out of each. */
const isDepthwise = ([, , depth, oc]: Shape, groups: number): boolean => depth === 1 && oc === groups

/**
 * dx[n, oy * stride - before + ky * dilation, ox * stride - before + kx * dilation, i] = sum of dy[n, oy, ox,
 * o] * filter[ky, kx, i, o]: every dy is spread over its window, as by convTranspose2d.
 */
function inputGradient(
  dy: Tensor,
  filter: Tensor,
  window: Window,
  groups: number,
  algorithm: ConvAlgorithm,
): Tensor {
  const { engine } = dy
  const { h, w } = window
  const n = dy.shape[0]!
  const oc = filter.shape[3]!
  const ic = filter.shape[2]! * groups
  const back = (axis: Axis): Axis => ({ ...axis, input: axis.output, output: axis.input })
  return engine.make([n, h.input, w.input, ic], (dx) => {
    if (isDepthwise(filter.shape, groups)) return runDepthwiseInput(dy, filter, dx, window)
    // At stride 1 it is a convolution with the filter turned by half a circle, and padding of what its reach
    // leaves.
    if (algorithm === 'winograd' && groups === 1)
      return runWinograd(dy, filter, undefined, dx, { h: opposite(h), w: opposite(w) }, 1, NO_CLAMP, true)
    const product = {
      x: dy.pointer,
      b: 0,
      y: dx.pointer,
      n,
      ih: h.output,
      iw: w.output,
      ic: oc,
      oh: h.input,
      ow: w.input,
      oc: ic,
      groups,
      clamp: NO_CLAMP,
    }
    runTransposed(product, back(h), back(w), filter, turned(filterPanels(filter, groups)))
  })
}

/**
 * dfilter[ky, kx, i, o] = sum over n, oy, ox of x[n, oy * stride - before + ky * dilation, ox * stride -
 * before + kx * dilation, i] * dy[n, oy, ox, o]
 */
function filterGradient(x: Tensor, dy: Tensor, shape: Shape, window: Window, groups: number): Tensor {
  if (isDepthwise(shape, groups)) return depthwiseFilter(x, dy, shape, window)
  const [, , depth, oc] = shape as [number, number, number, number]
  return x.engine.make(shape, (dw) => {
    const product = {
      ...productOf(x.shape[0]!, x.shape[3]!, oc, window, groups),
      x: x.pointer,
      y: dy.pointer,
    }
    const target = {
      y: dw.pointer,
      groupStride: oc / groups,
      tapStride: depth * oc,
      rowStride: oc,
      columnStride: 1,
    }
    runFilterGradient(x.engine, product, target)
  })
}
