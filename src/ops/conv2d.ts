import { type Engine, engineOf } from '../engine.js'
import { check, show } from '../errors.js'
import { sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { type Context, slidingWindow, type Window, type WindowOptions } from '../window.js'
import { type Activation, fusedClamp } from './activation.js'
import { runDepthwise } from './depthwise.js'
import { packed, runProduct, slide } from './igemm.js'

export interface Conv2dOptions extends WindowOptions {
  /** [outChannels], added to every pixel. */
  bias?: Tensor
  /** Input and output channels fall into this many groups of neighbours that do not see each other. Default 1. */
  groups?: number
  activation?: Activation
  /** A tensor of the output's shape to write into, instead of a new one. It must not be `x`. */
  out?: Tensor
}

/**
 * Correlates an image with a bank of filters (no flip, as all neural networks do):
 *
 *   y[n, oy, ox, o] = activation(bias[o] + sum over ky, kx, i of
 *                     x[n, oy * stride - before + ky * dilation, ox * stride - before + kx * dilation, i] * filter[ky, kx, i, o])
 *
 * with zeros outside of x. Definition: ONNX Conv. Padding as in TensorFlow for `'same'`.
 *
 * @param x [n, height, width, inChannels]
 * @param filter [windowHeight, windowWidth, inChannels / groups, outChannels]
 * @param options stride 1, padding 'valid', dilation 1, groups 1, no bias, no activation
 * @returns [n, outHeight, outWidth, outChannels]
 * @throws FilterbankError for ranks, channels, groups, strides or paddings that do not fit; nothing is allocated then
 * @example const edges = conv2d(photo, filters, { padding: 'same', activation: 'relu' })
 */
export function conv2d(x: Tensor, filter: Tensor, options: Conv2dOptions = {}): Tensor {
  const { bias, groups = 1, activation, out } = options
  const engine = engineOf('conv2d', { x, filter, bias, out })
  const context: Context = { op: 'conv2d', shapes: { x: x.shape, filter: filter.shape, bias: bias?.shape, out: out?.shape } }
  const fail = (argument: string, expected: string, got: string) => () => ({ ...context, argument, expected, got })
  check(x.shape.length === 4, fail('x', '[n, height, width, channels]', `rank ${x.shape.length}`))
  check(filter.shape.length === 4, fail('filter', '[height, width, inChannels / groups, outChannels]', `rank ${filter.shape.length}`))
  const [n, ih, iw, ic] = x.shape as [number, number, number, number]
  const [kh, kw, groupIn, oc] = filter.shape as [number, number, number, number]
  check(kh > 0 && kw > 0 && groupIn > 0 && oc > 0, fail('filter', 'without a zero length', show(filter.shape)))
  check(Number.isInteger(groups) && groups > 0, fail('groups', 'a positive integer', show(groups)))
  check(ic % groups === 0 && oc % groups === 0, fail('groups', `a divisor of ${ic} input and ${oc} output channels`, `${groups}`))
  check(ic === groupIn * groups, fail('filter', `one of ${ic / groups} input channels${groups > 1 ? ` (${ic} in ${groups} groups)` : ''}`, `${groupIn}`))
  check(!bias || sameShape(bias.shape, [oc]), fail('bias', `[${oc}]`, show(bias?.shape)))
  const window = slidingWindow([ih, iw], [kh, kw], options, context)
  const clamp = fusedClamp(activation, context)
  const shape = [n, window.h.output, window.w.output, oc]
  check(!out || sameShape(out.shape, shape), fail('out', show(shape), show(out?.shape)))

  const y = out ?? engine.empty(shape)
  if (groups === ic) runDepthwise(x, filter, bias, y, window, clamp)
  else dense(engine, x, filter, bias, y, window, groups, clamp)
  return y
}

function dense(
  engine: Engine,
  x: Tensor,
  filter: Tensor,
  bias: Tensor | undefined,
  y: Tensor,
  { h, w }: Window,
  groups: number,
  clamp: readonly [number, number],
): void {
  const [n, ih, iw, ic] = x.shape as [number, number, number, number]
  const [kh, kw, depth, oc] = filter.shape as [number, number, number, number]
  const panels = packed(filter.storage, {
    width: 8,
    groups,
    columns: oc / groups,
    tapsH: kh,
    tapsW: kw,
    depth,
    offset: 0,
    groupStride: oc / groups,
    tapHStride: kw * depth * oc,
    tapWStride: depth * oc,
    rowStride: oc,
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
    walkH: slide(h),
    walkW: slide(w),
    groups,
    clamp,
  })
}
