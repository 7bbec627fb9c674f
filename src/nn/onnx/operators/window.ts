/** Ops on images: with channels right after the batch, as ONNX has them. */

import { check, show } from '../../../base/errors.js'
import { type Shape, sameShape } from '../../../base/shape.js'
import type { AxesOptions, Axis } from '../../../core/window.js'
import { type Context, slidingWindow, transposedWindow } from '../../../core/window.js'
import { type Call, float, type Operator, type Operators } from '../call.js'
import type { Note, Use } from '../trace.js'
import { channelsFirst, inOrder, type Value } from '../value.js'
import { activated } from './elementwise.js'

const shapeOf = (note: Note, name = 'x'): Shape => (note.inputs[name] as Use).shape

/** What an operator is told of an axis of a window. */
type Sides = Omit<Axis, 'input' | 'output'>

const sidesOf = ({ size, stride, dilation, before, after }: Axis): Sides => ({
  size,
  stride,
  dilation,
  before,
  after,
})

/** A window's attributes, but for its pads. */
const windowAttributes = (axes: readonly Sides[]) => ({
  kernel_shape: axes.map(({ size }) => size),
  strides: axes.map(({ stride }) => stride),
  // AveragePool has them from opset 19 on.
  dilations: axes.some(({ dilation }) => dilation > 1) ? axes.map(({ dilation }) => dilation) : undefined,
})

const padsOf = (axes: readonly Sides[], after: (axis: Sides) => number = (axis) => axis.after): number[] => [
  ...axes.map(({ before }) => before),
  ...axes.map(after),
]

const contextOf = ({ op }: Call, note: Note): Context => ({ op, shapes: { x: shapeOf(note) } })

/**
 * Weights and bias, with what follows them multiplied in: `channelOf` tells which output a weight adds to.
 */
export function weighted(
  call: Call,
  weights: Value,
  name: string,
  order: readonly number[],
  channelOf: (i: number) => number,
): string[] {
  const { sheet, fold } = call
  const bias = call.has('bias') ? call.value('bias') : undefined
  if (!fold) return [weights.as(order), ...(bias ? [bias.as([0])] : [])]
  const given = bias?.numbers
  const folded = (weights.numbers as Float32Array).map((value, i) => value * fold.scale[channelOf(i)]!)
  const sums = Float32Array.from(fold.offset, (offset, c) => (given?.[c] ?? 0) * fold.scale[c]! + offset)
  const constant = (numbers: Float32Array, shape: Shape, called: string) =>
    sheet.constant(numbers, shape, called)
  return [
    constant(folded, weights.shape, weights.name ?? sheet.graph.placed(name)).as(order),
    constant(sums, [sums.length], bias?.name ?? sheet.graph.placed('bias')).as([0]),
  ]
}

interface ConvOptions extends AxesOptions {
  groups?: number
  activation?: unknown
  outputPadding?: number | readonly number[]
}

/** Axes of a filter here, [...window, in, out], in the order of the graph: [out, in, ...window]. */
const filterOrder = (rank: number): number[] => [rank - 1, rank - 2, ...inOrder(rank - 2)]

const conv: Operator = (call) => {
  const { groups = 1, activation } = call.options<ConvOptions>()
  const filter = call.value('filter')
  const size = filter.shape.slice(0, -2)
  const axes = call.same('padding', (note) =>
    slidingWindow<readonly number[]>(
      shapeOf(note).slice(1, -1),
      size,
      call.options<ConvOptions>(),
      contextOf(call, note),
    ).map(sidesOf),
  )
  const outside = filter.shape.at(-1)!
  const order = channelsFirst(call.rank)
  const weights = weighted(call, filter, 'filter', filterOrder(filter.rank), (i) => i % outside)
  const y = call.node('Conv', [call.value().as(order), ...weights], {
    ...windowAttributes(axes),
    pads: padsOf(axes),
    group: groups,
  })
  return { name: activated(call, y, call.fold ? call.fold.activation : activation), order }
}

const convTranspose: Operator = (call) => {
  const { groups = 1, activation, outputPadding = 0 } = call.options<ConvOptions>()
  const filter = call.value('filter')
  const [inside, perGroup] = filter.shape.slice(-2) as [number, number]
  const size = filter.shape.slice(0, -2)
  const axes = call.same('padding', (note) =>
    transposedWindow<readonly number[]>(
      shapeOf(note).slice(1, -1),
      size,
      call.options<ConvOptions>(),
      contextOf(call, note),
    ).map(sidesOf),
  )
  const order = channelsFirst(call.rank)
  const channelOf = (i: number) =>
    Math.floor((Math.floor(i / perGroup) % inside) / (inside / groups)) * perGroup + (i % perGroup)
  const { rank } = filter
  const filterAxes = [rank - 2, rank - 1, ...inOrder(rank - 2)]
  const weights = weighted(call, filter, 'filter', filterAxes, channelOf)
  const extra = size.map((_, i) => (typeof outputPadding === 'number' ? outputPadding : outputPadding[i]!))
  const y = call.node('ConvTranspose', [call.value().as(order), ...weights], {
    ...windowAttributes(axes),
    // Less than no padding after is more output.
    pads: padsOf(axes, (axis) => Math.max(0, axis.after)),
    output_padding: axes.map((axis, i) => extra[i]! + Math.max(0, -axis.after)),
    group: groups,
  })
  return { name: activated(call, y, call.fold ? call.fold.activation : activation), order }
}

interface PoolOptions extends AxesOptions {
  size: number | readonly number[]
  ceilMode?: boolean
  countIncludePad?: boolean
}

/** Whether rounding down would give fewer outputs. */
const isRoundedUp = ({ input, output, size, stride, dilation, before, after }: Axis): boolean =>
  (output - 1) * stride + dilation * (size - 1) + 1 > before + input + after

const pool =
  (op: string): Operator =>
  (call) => {
    const options = call.options<PoolOptions>()
    const rank = call.rank - 2
    const size = typeof options.size === 'number' ? new Array<number>(rank).fill(options.size) : options.size
    const axesOf = (note: Note) =>
      slidingWindow<readonly number[]>(
        shapeOf(note).slice(1, -1),
        size,
        { ...options, stride: options.stride ?? size },
        contextOf(call, note),
      )
    const axes = call.same('padding', (note) => axesOf(note).map(sidesOf))
    // Where it changes nothing it is left out: for some readers a last window may start beyond the input.
    const lengths = call.notes.map((note) => shapeOf(note).slice(1, -1))
    const isOpen = options.padding !== 'same' && lengths.some((each) => !sameShape(each, lengths[0]!))
    const ceil = options.ceilMode && (isOpen || axesOf(call.notes[0]!).some(isRoundedUp))
    const order = channelsFirst(call.rank)
    const name = call.node(op, [call.value().as(order)], {
      ...windowAttributes(axes),
      pads: padsOf(axes),
      ceil_mode: Number(ceil ?? false),
      count_include_pad: options.countIncludePad ? 1 : undefined,
    })
    return { name, order }
  }

const globalPool =
  (op: string): Operator =>
  (call) => {
    const order = channelsFirst(call.rank)
    return { name: call.node(op, [call.value().as(order)]), order }
  }

interface ResizeOptions {
  size: readonly [number, number]
  method: 'nearest' | 'bilinear' | 'bicubic'
  coordinates: string
  nearestMode: string
  cubicCoefficient: number
  antialias: boolean
  excludeOutside: boolean
  scale?: readonly number[]
  region: readonly [number, number, number, number]
  extrapolation: number
}

const MODES = { nearest: 'nearest', bilinear: 'linear', bicubic: 'cubic' }

const resize: Operator = (call) => {
  const options = call.options<ResizeOptions>()
  const { method, coordinates, antialias, excludeOutside, region, scale } = options
  check(scale === undefined, () => ({
    op: 'saveOnnx',
    argument: 'scale of resize',
    expected: "left out: ONNX's Resize takes sizes or scales, not both",
    got: show(scale),
  }))
  const size = call.same('size', ({ options }) => (options as ResizeOptions).size)
  const order = channelsFirst(4)
  const x = call.value().as(order)
  // All four lengths, the batch among them: ONNX Runtime 1.30 refuses `axes` beside a Transpose.
  const whole = call.node(
    'Concat',
    [call.node('Shape', [x], { end: 2 }), call.sheet.integers('size', size)],
    {
      axis: 0,
    },
  )
  const { graph } = call.sheet
  const crops = coordinates === 'tf_crop_and_resize'
  const [y0, x0, y1, x1] = region
  const roi = { data: Float32Array.of(0, 0, y0, x0, 1, 1, y1, x1), shape: [8] }
  const inputs = [x, crops ? graph.initializer(graph.placed('region'), roi) : '', '', whole]
  const name = call.node('Resize', inputs, {
    mode: MODES[method],
    coordinate_transformation_mode: coordinates,
    ...(method === 'nearest' && { nearest_mode: options.nearestMode }),
    ...(method === 'bicubic' && { cubic_coeff_a: float(options.cubicCoefficient) }),
    ...(antialias && { antialias: 1 }),
    ...(excludeOutside && { exclude_outside: 1 }),
    ...(crops && { extrapolation_value: float(options.extrapolation) }),
  })
  return { name, order }
}

const gridSample: Operator = (call) => {
  const { method, padding, alignCorners } = call.options<{
    method: 'nearest' | 'bilinear'
    padding: string
    alignCorners: boolean
  }>()
  const order = channelsFirst(4)
  const linear = call.sheet.graph.opset >= 20 ? 'linear' : 'bilinear'
  const inputs = [call.value().as(order), call.value('grid').as(inOrder(4))]
  const name = call.node('GridSample', inputs, {
    mode: method === 'nearest' ? 'nearest' : linear,
    padding_mode: padding,
    align_corners: Number(alignCorners),
  })
  return { name, order }
}

export const window: Operators = {
  conv1d: conv,
  conv2d: conv,
  conv3d: conv,
  convTranspose1d: convTranspose,
  convTranspose2d: convTranspose,
  convTranspose3d: convTranspose,
  maxPool1d: pool('MaxPool'),
  avgPool1d: pool('AveragePool'),
  maxPool2d: pool('MaxPool'),
  maxPool3d: pool('MaxPool'),
  avgPool2d: pool('AveragePool'),
  avgPool3d: pool('AveragePool'),
  globalAvgPool2d: globalPool('GlobalAveragePool'),
  globalMaxPool2d: globalPool('GlobalMaxPool'),
  resize,
  gridSample,
}
