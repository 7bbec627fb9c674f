import { engineOf } from '../../core/engine.js'
import { check, show } from '../../core/errors.js'
import { checkInteger, checkOptions, MOST, type Names } from '../../core/options.js'
import { type Shape, sameShape } from '../../core/shape.js'
import type { Tensor } from '../../core/tensor.js'
import {
  type Axis,
  type Context,
  type Pair,
  transposedWindow,
  type WindowOptions,
} from '../../core/window.js'
import { runFilterGradient } from '../../plans/filterGradient.js'
import {
  filterPanels,
  type Panels,
  type Product,
  packed,
  runProduct,
  slide,
  turned,
} from '../../plans/igemm.js'
import { runTransposed } from '../../plans/transposed.js'
import { type Activation, clampBackward, finishActivation, fusedClamp, NO_CLAMP } from '../activation.js'
import { channelSums } from '../reduce.js'

/** What `convTranspose2d` takes beside x and the filter. */
export interface ConvTranspose2dOptions extends WindowOptions {
  /** [outChannels], added to every pixel. */
  bias?: Tensor
  /**
   * Rows and columns added at the bottom and right of the output; smaller than stride or dilation. Default 0.
   */
  outputPadding?: Pair
  /**
   * Input and output channels fall into this many groups of neighbours that do not see each other. Default 1.
   */
  groups?: number
  activation?: Activation
}

const CONV_TRANSPOSE: Names<ConvTranspose2dOptions> = {
  stride: true,
  padding: true,
  dilation: true,
  bias: true,
  outputPadding: true,
  groups: true,
  activation: true,
}

/**
 * Spreads every pixel over a window, the transpose of what `conv2d` does (also called deconvolution or
 * fractionally strided convolution):
 *
 *   y[n, iy * stride - before + ky * dilation, ix * stride - before + kx * dilation, o] += x[n, iy, ix, i] *
 *   filter[ky, kx, i, o]
 *
 * then bias and activation. Output height and width: (input - 1) * stride + dilation * (size - 1) + 1 +
 * outputPadding - before - after; with padding `'same'`: input * stride. Definition: ONNX ConvTranspose.
 *
 * Computed without scattering: outputs at the same place modulo stride (a phase) see the same taps, so each
 * phase is a small convolution. (Shi et al., "Is the deconvolution layer the same as a convolutional layer?",
 * 2016.)
 *
 * @param x [n, height, width, inChannels]
 * @param filter [windowHeight, windowWidth, inChannels, outChannels / groups]
 * @param options stride 1, padding 'valid', outputPadding 0, dilation 1, groups 1, no bias, no activation
 * @returns [n, outHeight, outWidth, outChannels]
 * @throws FilterbankError for ranks, channels, groups, strides or paddings that do not fit; nothing is
 *   allocated then
 * @example const larger = convTranspose2d(x, filter, { stride: 2, padding: 1 })
 */
export function convTranspose2d(x: Tensor, filter: Tensor, options: ConvTranspose2dOptions = {}): Tensor {
  checkOptions('convTranspose2d', options, CONV_TRANSPOSE)
  const { bias, groups = 1, activation } = options
  const engine = engineOf('convTranspose2d', { x, filter }, { bias })
  const context: Context = {
    op: 'convTranspose2d',
    shapes: { x: x.shape, filter: filter.shape, bias: bias?.shape },
  }
  const fail = (argument: string, expected: string, got: string) => ({ ...context, argument, expected, got })
  check(x.shape.length === 4, () => fail('x', '[n, height, width, channels]', `rank ${x.shape.length}`))
  check(filter.shape.length === 4, () =>
    fail('filter', '[height, width, inChannels, outChannels / groups]', `rank ${filter.shape.length}`),
  )
  const [n, ih, iw, ic] = x.shape as [number, number, number, number]
  const [kh, kw, filterIn, groupOut] = filter.shape as [number, number, number, number]
  check(kh > 0 && kw > 0 && filterIn > 0 && groupOut > 0, () =>
    fail('filter', 'without a zero length', show(filter.shape)),
  )
  checkInteger(groups, 'groups', 1, MOST, context)
  check(filterIn === ic, () => fail('filter', `one of ${ic} input channels`, `${filterIn}`))
  check(ic % groups === 0, () => fail('groups', `a divisor of ${ic} input channels`, `${groups}`))
  const oc = groupOut * groups
  check(!bias || sameShape(bias.shape, [oc]), () => fail('bias', `[${oc}]`, show(bias?.shape)))
  const { h, w } = transposedWindow([ih, iw], [kh, kw], options, context)
  const clamp = fusedClamp(activation, context)

  const y = engine.make([n, h.output, w.output, oc], (output) => {
    const product = {
      x: x.pointer,
      b: bias?.pointer ?? 0,
      y: output.pointer,
      n,
      ih,
      iw,
      ic,
      oh: h.output,
      ow: w.output,
      oc,
      groups,
      clamp,
    }
    runTransposed(product, h, w, filter, panelsOf(filter, groups))
  })
  engine.tape?.record(
    'convTranspose2d',
    y,
    { x, filter, bias },
    { x, filter, y: clamp === NO_CLAMP ? undefined : y },
    (dy, kept) => {
      const dsum = kept.y ? clampBackward(dy, kept.y, clamp) : dy
      return {
        x: () => inputGradient(dsum, kept.filter, h, w, groups),
        filter: () => filterGradient(kept.x, dsum, kept.filter.shape, h, w, groups),
        bias: () => channelSums(dsum),
      }
    },
  )
  return finishActivation(activation, y)
}

/** [kh][kw][groups][ic / groups][oc / groups] */
function panelsOf(filter: Tensor, groups: number): Panels {
  const panels = filterPanels(filter, 1)
  const depth = panels.depth / groups
  return { ...panels, groups, depth, groupStride: depth * panels.rowStride }
}

/**
 * The convolution that the transposed one is the way back of: it slides over the output, and gives the input.
 */
function productOf(n: number, oc: number, ic: number, h: Axis, w: Axis, groups: number): Product {
  const walks = { walkH: slide({ ...h, output: h.input }), walkW: slide({ ...w, output: w.input }) }
  return {
    x: 0,
    w: 0,
    b: 0,
    y: 0,
    n,
    ih: h.output,
    iw: w.output,
    ic: oc,
    oh: h.input,
    ow: w.input,
    oc: ic,
    ...walks,
    groups,
    clamp: NO_CLAMP,
  }
}

/**
 * dx[n, iy, ix, i] = sum of dy[n, iy * stride - before + ky * dilation, ix * stride - before + kx * dilation,
 * o] * filter[ky, kx, i, o]: a convolution
 */
function inputGradient(dy: Tensor, filter: Tensor, h: Axis, w: Axis, groups: number): Tensor {
  const [n, , , oc] = dy.shape as [number, number, number, number]
  const ic = filter.shape[2]!
  return dy.engine.make([n, h.input, w.input, ic], (dx) => {
    const panels = packed(filter, turned(panelsOf(filter, groups)))
    runProduct(dy.engine, { ...productOf(n, oc, ic, h, w, groups), x: dy.pointer, w: panels, y: dx.pointer })
  })
}

/**
 * dfilter[ky, kx, i, o] = sum over n, iy, ix of x[n, iy, ix, i] * dy[n, iy * stride - before + ky * dilation,
 * ix * stride - before + kx * dilation, o]
 */
function filterGradient(x: Tensor, dy: Tensor, shape: Shape, h: Axis, w: Axis, groups: number): Tensor {
  const [, , ic, groupOut] = shape as [number, number, number, number]
  return x.engine.make(shape, (dw) => {
    const product = { ...productOf(x.shape[0]!, dy.shape[3]!, ic, h, w, groups), x: dy.pointer, y: x.pointer }
    const groupIn = ic / groups
    runFilterGradient(x.engine, product, {
      y: dw.pointer,
      groupStride: groupIn * groupOut,
      tapStride: ic * groupOut,
      rowStride: 1,
      columnStride: groupOut,
    })
  })
}
