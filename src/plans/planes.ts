/**
 * A layer of one or three axes as one over height and width. One axis is a width. Of three, the planes that an
 * output plane sees stand side by side as its channels, group by group:
 *
 *   stacked [n, od, h, w, groups, kd, inChannels / groups],  zeros for planes outside of x
 *   y = the layer of height and width over it, with a filter [kh, kw, kd * inChannels / groups, outChannels]
 *
 * Backwards it is dy whose planes are stacked, for each plane of dx.
 */

import { type Shape, stridesOf } from '../base/shape.js'
import type { Engine } from '../core/engine.js'
import type { Storage } from '../core/storage.js'
import type { Axis, Window } from '../core/window.js'
import { copy } from './copy.js'
import type { Filter, Layer, PlaneLayer } from './layer.js'

export type Direction = 'forward' | 'backward'

const POINT: Axis = { input: 1, output: 1, size: 1, stride: 1, dilation: 1, before: 0, after: 0 }

/** The depth of a layer, where an output plane sees other planes than the one that it stands in. */
function depthOf({ axes }: Layer): Axis | undefined {
  if (axes.length < 3) return undefined
  const { size, stride, before, after } = axes[0]!
  return size === 1 && stride === 1 && before === 0 && after === 0 ? undefined : axes[0]
}

/** The layer over height and width that computes this one. */
export function planeLayer(layer: Layer, direction: Direction = 'forward'): PlaneLayer {
  const { axes, n, inChannels, outChannels } = layer
  if (axes.length === 2) return layer as PlaneLayer
  if (axes.length === 1) return { ...layer, axes: [POINT, axes[0]!] }
  const window = axes.slice(1) as unknown as Window
  const depth = depthOf(layer)
  if (!depth) return { ...layer, axes: window, n: n * axes[0]!.output }
  return direction === 'forward'
    ? { ...layer, axes: window, n: n * depth.output, inChannels: depth.size * inChannels }
    : { ...layer, axes: window, n: n * depth.input, outChannels: depth.size * outChannels }
}

/** A filter [...window, inChannels / groups, outChannels], with strides where it is not row-major. */
export interface FilterView {
  engine: Engine
  storage: Storage
  shape: Shape
  strides?: readonly number[] | undefined
}

/** The filter of a layer as that of `planeLayer`. */
export function planeFilter(
  { engine, storage, shape, strides = stridesOf(shape) }: FilterView,
  layer: Layer,
  direction: Direction = 'forward',
): Filter {
  if (shape.length === 4) return { engine, storage, shape, strides }
  if (shape.length === 3) return { engine, storage, shape: [1, ...shape], strides: [0, ...strides] }
  const [kd, kh, kw, depth, columns] = shape as [number, number, number, number, number]
  // One plane under the window is a filter of height and width as it stands.
  if (kd === 1) return { engine, storage, shape: shape.slice(1), strides: strides.slice(1) }
  const { groups } = layer
  const [d, h, w, row, column] = strides as [number, number, number, number, number]
  const group = (columns / groups) * column
  const axes =
    direction === 'forward'
      ? [
          [kh, h],
          [kw, w],
          [kd, d],
          [depth, row],
          [columns, column],
        ]
      : [
          [kh, h],
          [kw, w],
          [depth, row],
          [groups, group],
          [kd, d],
          [columns / groups, column],
        ]
  const arranged = direction === 'forward' ? [kh, kw, kd * depth, columns] : [kh, kw, depth, kd * columns]
  return {
    engine,
    storage,
    shape: arranged,
    strides: stridesOf(arranged),
    arranged: {
      key: `planes ${direction} ${[shape, strides, groups]}`,
      write: (to) => copy(engine, storage.pointer, to, boxTo(axes as [number, number][])),
    },
  }
}

/** A box whose axes [length, stride] come out in this order, without gaps. */
function boxTo(axes: readonly (readonly [length: number, from: number])[]) {
  const to = stridesOf(axes.map(([length]) => length))
  return axes.map(([length, from], i) => ({ length, from, to: to[i]! }))
}

/** `use` of the address of x (backwards of dy) as `planeLayer` reads it: x itself, or its planes stacked. */
export function withPlanes<T>(
  engine: Engine,
  layer: Layer,
  x: number,
  direction: Direction,
  use: (x: number) => T,
): T {
  const depth = depthOf(layer)
  if (!depth) return use(x)
  const { n, axes, inChannels, outChannels } = planeLayer(layer, direction)
  const stacked = engine.empty(
    direction === 'forward'
      ? [n, axes[0].input, axes[1].input, inChannels]
      : [n, axes[0].output, axes[1].output, outChannels],
  )
  try {
    stackPlanes(engine, layer, depth, x, stacked.pointer, direction)
    return use(stacked.pointer)
  } finally {
    stacked.dispose()
  }
}

function stackPlanes(
  engine: Engine,
  { n, axes, inChannels, outChannels, groups }: Layer,
  { input, output, size, stride, dilation, before }: Axis,
  x: number,
  to: number,
  direction: Direction,
): void {
  const forward = direction === 'forward'
  const [planes, slots, channels] = forward ? [input, output, inChannels] : [output, input, outChannels]
  const pixels = axes.slice(1).reduce((product, axis) => product * (forward ? axis.input : axis.output), 1)
  const [plane, slot, each] = [pixels * channels, pixels * size * channels, channels / groups]
  // Under tap t output plane o sees input plane o * stride + t * dilation - before, where there is one.
  const seen = Array.from({ length: size }, (_, t) => {
    const first = t * dilation - before
    const from = Math.max(0, Math.ceil(-first / stride))
    const end = Math.min(output, Math.floor((input - 1 - first) / stride) + 1)
    return { t, output: from, input: from * stride + first, count: Math.max(0, end - from) }
  })
  if (seen.some(({ count }) => count < slots))
    copy(engine, { value: 0 }, to, [{ length: n * slots * slot, from: 0, to: 1 }])
  const [fromStep, toStep] = forward ? [stride * plane, slot] : [plane, stride * slot]
  for (const { t, count, ...first } of seen) {
    const [source, target] = forward ? [first.input, first.output] : [first.output, first.input]
    copy(engine, x + 4 * source * plane, to + 4 * (target * slot + t * each), [
      { length: n, from: planes * plane, to: slots * slot },
      { length: count, from: fromStep, to: toStep },
      { length: pixels, from: channels, to: size * channels },
      { length: groups, from: each, to: size * each },
      { length: each, from: 1, to: 1 },
    ])
  }
}

/** A gradient of `planeFilter`'s shape, at `from`, in the shape and strides of the filter, at `to`. */
export function unstackFilter(
  engine: Engine,
  shape: Shape,
  strides: readonly number[],
  from: number,
  to: number,
): void {
  const [kd, kh, kw, depth, columns] = shape as [number, number, number, number, number]
  const [d, , tap, row, column] = strides as [number, number, number, number, number]
  const size = depth * columns
  copy(engine, from, to, [
    { length: kh * kw, from: kd * size, to: tap },
    { length: kd, from: size, to: d },
    { length: depth, from: columns, to: row },
    { length: columns, from: 1, to: column },
  ])
}
