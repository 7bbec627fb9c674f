import { engineOf } from '../engine.js'
import { check, show } from '../errors.js'
import { sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { type Axis, type Context, gcd, type Pair, transposedWindow, type WindowOptions } from '../window.js'
import { type Activation, finishActivation, fusedClamp } from './activation.js'
import { packed, runProduct, type Walk } from './igemm.js'

export interface ConvTranspose2dOptions extends WindowOptions {
  /** [outChannels], added to every pixel. */
  bias?: Tensor
  /** Rows and columns added at the bottom and right of the output; smaller than stride or dilation. Default 0. */
  outputPadding?: Pair
  /** Input and output channels fall into this many groups of neighbours that do not see each other. Default 1. */
  groups?: number
  activation?: Activation
}

/**
 * Spreads every pixel over a window, the transpose of what `conv2d` does (also called deconvolution or fractionally strided convolution):
 *
 *   y[n, iy * stride - before + ky * dilation, ix * stride - before + kx * dilation, o] += x[n, iy, ix, i] * filter[ky, kx, i, o]
 *
 * then bias and activation. Output height and width: (input - 1) * stride + dilation * (size - 1) + 1 + outputPadding - before - after;
 * with padding `'same'`: input * stride. Definition: ONNX ConvTranspose.
 *
 * Computed without scattering: outputs at the same place modulo stride (a phase) see the same taps, so each phase is a small convolution.
 * (Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016.)
 *
 * @param x [n, height, width, inChannels]
 * @param filter [windowHeight, windowWidth, inChannels, outChannels / groups]
 * @param options stride 1, padding 'valid', outputPadding 0, dilation 1, groups 1, no bias, no activation
 * @returns [n, outHeight, outWidth, outChannels]
 * @throws FilterbankError for ranks, channels, groups, strides or paddings that do not fit; nothing is allocated then
 * @example const larger = convTranspose2d(x, filter, { stride: 2, padding: 1 })
 */
export function convTranspose2d(x: Tensor, filter: Tensor, options: ConvTranspose2dOptions = {}): Tensor {
  const { bias, groups = 1, activation } = options
  const engine = engineOf('convTranspose2d', { x, filter }, { bias })
  const context: Context = { op: 'convTranspose2d', shapes: { x: x.shape, filter: filter.shape, bias: bias?.shape } }
  const fail = (argument: string, expected: string, got: string) => () => ({ ...context, argument, expected, got })
  check(x.shape.length === 4, fail('x', '[n, height, width, channels]', `rank ${x.shape.length}`))
  check(filter.shape.length === 4, fail('filter', '[height, width, inChannels, outChannels / groups]', `rank ${filter.shape.length}`))
  const [n, ih, iw, ic] = x.shape as [number, number, number, number]
  const [kh, kw, filterIn, groupOut] = filter.shape as [number, number, number, number]
  check(kh > 0 && kw > 0 && filterIn > 0 && groupOut > 0, fail('filter', 'without a zero length', show(filter.shape)))
  check(Number.isInteger(groups) && groups > 0, fail('groups', 'a positive integer', show(groups)))
  check(filterIn === ic, fail('filter', `one of ${ic} input channels`, `${filterIn}`))
  check(ic % groups === 0, fail('groups', `a divisor of ${ic} input channels`, `${groups}`))
  const oc = groupOut * groups
  check(!bias || sameShape(bias.shape, [oc]), fail('bias', `[${oc}]`, show(bias?.shape)))
  const { h, w } = transposedWindow([ih, iw], [kh, kw], options, context)
  const clamp = fusedClamp(activation, context)

  const tapW = ic * groupOut
  return engine.make([n, h.output, w.output, oc], (y) => {
    for (const rows of phases(h)) {
      for (const columns of phases(w)) {
        const panels = packed(filter.storage, {
          width: 8,
          groups,
          columns: groupOut,
          tapsH: rows.walk.taps,
          tapsW: columns.walk.taps,
          depth: ic / groups,
          offset: (rows.firstTap * kw + columns.firstTap) * tapW,
          groupStride: (ic / groups) * groupOut,
          tapHStride: rows.tapStep * kw * tapW,
          tapWStride: columns.tapStep * tapW,
          rowStride: groupOut,
          columnStride: 1,
        })
        runProduct(engine, {
          x: x.pointer,
          w: panels,
          b: bias?.pointer ?? 0,
          y: y.pointer,
          n,
          ih,
          iw,
          ic,
          oh: h.output,
          ow: w.output,
          oc,
          walkH: rows.walk,
          walkW: columns.walk,
          groups,
          clamp,
        })
      }
    }
    finishActivation(activation, y)
  })
}

interface Phase {
  walk: Walk
  /** Taps firstTap, firstTap + tapStep, ... of the window fall on this phase. */
  firstTap: number
  tapStep: number
}

/**
 * The outputs o = phase, phase + stride, ... and what they see. Tap t brings input i to output i * stride - before + t * dilation, so
 *
 *   i = (o + before - t * dilation) / stride,  for the t for which that is an integer:
 *   every (stride / gcd(stride, dilation))th, from one tap to the next dilation / gcd(stride, dilation) inputs back
 */
function phases({ output, size, stride, dilation, before }: Axis): Phase[] {
  const common = gcd(stride, dilation)
  const tapStep = stride / common
  return Array.from({ length: Math.min(stride, output) }, (_, phase) => {
    let firstTap = 0
    while (firstTap < tapStep && (phase + before - firstTap * dilation) % stride !== 0) firstTap++
    const taps = firstTap === tapStep ? 0 : Math.max(0, Math.ceil((size - firstTap) / tapStep))
    return {
      walk: {
        count: Math.ceil((output - phase) / stride),
        outFirst: phase,
        outStep: stride,
        inStep: 1,
        taps,
        first: taps ? (phase + before - firstTap * dilation) / stride : 0,
        step: -dilation / common,
      },
      firstTap,
      tapStep,
    }
  })
}
