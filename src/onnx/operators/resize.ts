/**
 * Operators that read between elements: Resize, Upsample, GridSample, AffineGrid, and the pools over regions.
 */

import { type Shape, sizeOf, stridesOf } from '../../base/shape.js'
import { isName } from '../../core/options.js'
import { gridSample as gridSampleOf } from '../../ops/gridSample.js'
import { resize as resizeImage } from '../../ops/resize.js'
import { isFloat, limit, roundFromZero, roundToEven, saturating } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { indexesOf, moveBox, offsetOf } from '../run/move.js'
import { Value } from '../run/value.js'
import { taken } from './shape.js'

/** Which elements of an axis make one of the result, and how much of each. */
interface Taps {
  at: number[]
  weight: number[]
}

interface Coordinates {
  /** Length of the result over that of the input. */
  scale: number
  input: number
  output: number
  mode: string
  /** First and last position of a region, of 0 to 1. */
  region: [number, number]
}

const f = Math.fround

/**
 * Where in the input the centre of output element `o` stands. (ONNX Resize, coordinate_transformation_mode.)
 * Each step is rounded to float32, as ONNX Runtime reckons: so the same positions are whole, or halfway
 * between two elements.
 */
function positionOf(o: number, { scale, input, output, mode, region: [start, end] }: Coordinates): number {
  // The length that the scale asks for, before it is cut to whole elements.
  const length = f(input * scale)
  const exact = output === Math.floor(length) ? length : output
  const halfway = f(f(o + 0.5) / scale)
  if (scale === 1 && mode !== 'tf_crop_and_resize') return o
  switch (mode) {
    case 'align_corners':
      return exact === 1 ? 0 : f(f(o * (input - 1)) / f(exact - 1))
    case 'asymmetric':
      return f(o / scale)
    case 'tf_half_pixel_for_nn':
      return halfway
    case 'pytorch_half_pixel':
      return exact > 1 ? f(halfway - 0.5) : 0
    case 'half_pixel_symmetric':
      return f(f(f((input / 2) * f(1 - f(output / length))) + halfway) - 0.5)
    case 'tf_crop_and_resize':
      if (output <= 1) return f(0.5 * f(start + end) * (input - 1))
      return f(f(start * (input - 1)) + f(f(f(o * f(end - start)) * (input - 1)) / (output - 1)))
    default:
      return f(halfway - 0.5)
  }
}

/** ONNX Runtime takes what is so near to the middle for the middle. */
const TIE = 1e-6

const rounding: Record<string, (x: number) => number> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5 - TIE),
  round_prefer_ceil: (x) => Math.floor(x + 0.5 + TIE),
  floor: Math.floor,
  ceil: Math.ceil,
}

/** Keys' cubic: 1 at 0, 0 at 1 and 2. */
function cubic(x: number, a: number): number {
  const d = Math.abs(x)
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x))

/**
 * The taps of one axis. `reach`: half of the filter's width; `antialias` widens it where the result is
 * smaller.
 */
function tapsOf(
  coordinates: Coordinates,
  filter: (x: number) => number,
  reach: number,
  antialias: boolean,
  excludeOutside: boolean,
): Taps[] {
  const { input, output, scale } = coordinates
  const stretch = antialias ? Math.max(1, 1 / scale) : 1
  return Array.from({ length: output }, (_, o) => {
    const x = positionOf(o, coordinates)
    const taps: Taps = { at: [], weight: [] }
    const support = reach * stretch
    for (let i = Math.floor(x - support) + 1; i <= Math.ceil(x + support); i++) {
      const weight = filter((i - x) / stretch)
      if (weight === 0) continue
      const outside = i < 0 || i >= input
      if (outside && excludeOutside) continue
      taps.at.push(limit(i, 0, input - 1))
      taps.weight.push(weight)
    }
    const sum = taps.weight.reduce((total, weight) => total + weight, 0)
    if (antialias || excludeOutside) taps.weight = taps.weight.map((weight) => weight / sum)
    return taps
  })
}

/** Each axis by itself: a sum of elements along it, which `round` makes a number of the type. */
function alongAxes(
  x: Value,
  axes: { axis: number; taps: Taps[] }[],
  round?: (v: number) => number,
): Float64Array {
  let data = Float64Array.from(x.data as Float64Array)
  let shape = [...x.shape]
  for (const { axis, taps } of axes) {
    const inner = sizeOf(shape.slice(axis + 1))
    const outer = sizeOf(shape.slice(0, axis))
    const n = shape[axis]!
    const next = new Float64Array(outer * taps.length * inner)
    for (let a = 0; a < outer; a++) {
      for (const [o, { at, weight }] of taps.entries()) {
        for (let k = 0; k < at.length; k++) {
          const from = (a * n + at[k]!) * inner
          const to = (a * taps.length + o) * inner
          for (let b = 0; b < inner; b++) next[to + b]! += weight[k]! * data[from + b]!
        }
      }
    }
    data = round ? next.map(round) : next
    shape = shape.with(axis, taps.length)
  }
  return data
}

const resize: Operator = (call) => {
  const x = call.input(0)
  const rank = x.shape.length
  const isOld = call.node.op === 'Upsample' || call.opset < 11
  const given = <T>(i: number) => (call.inputs[i]?.size ? (call.inputs[i]!.numbers as T) : undefined)
  const axes = call.axes(call.numbers('axes', undefined), rank)
  const sizes = isOld ? undefined : given<number[]>(3)
  const old = () =>
    call.numbers(
      'scales',
      call.has('width_scale')
        ? [1, 1, call.number('height_scale', 1), call.number('width_scale', 1)]
        : undefined,
    )
  const scales = isOld ? (given<number[]>(1) ?? old()) : given<number[]>(2)
  if (!sizes && !scales) call.fail('scales', 'given, or sizes', 'none')
  const policy = call.text('keep_aspect_ratio_policy', 'stretch')
  const scale = x.shape.map(() => 1)
  const output = [...x.shape]
  const wanted = sizes?.map((length, i) => length / x.shape[axes[i]!]!)
  const common =
    policy === 'not_larger'
      ? Math.min(...(wanted ?? [1]))
      : policy === 'not_smaller'
        ? Math.max(...(wanted ?? [1]))
        : undefined
  axes.forEach((axis, i) => {
    const length = x.shape[axis]!
    scale[axis] = f(common ?? wanted?.[i] ?? scales![i]!)
    output[axis] =
      common === undefined
        ? (sizes?.[i] ?? Math.floor(Math.fround(length * scale[axis]!)))
        : Math.floor(length * common + 0.5)
  })
  const mode = call.text('mode', 'nearest')
  const transform = isOld ? 'asymmetric' : call.text('coordinate_transformation_mode', 'half_pixel')
  const mayNearest = call.text('nearest_mode', 'round_prefer_floor')
  // Before opset 11 nothing said which is nearest: ONNX Runtime's rule, by whether an axis grows.
  const nearestOf = (axis: number) => (isOld ? (scale[axis]! < 1 ? 'ceil' : 'floor') : mayNearest)
  const region = given<number[]>(1)
  const coordinates = x.shape.map((input, axis): Coordinates => {
    const i = axes.indexOf(axis)
    const isRegion = transform === 'tf_crop_and_resize' && i >= 0 && region
    return {
      scale: scale[axis]!,
      input,
      output: output[axis]!,
      mode: transform,
      region: isRegion ? [region[i]!, region[i + axes.length]!] : [0, 1],
    }
  })
  /** Whether the scale is that of the lengths. */
  const exact = axes.every(
    (axis) =>
      (sizes !== undefined && common === undefined) ||
      Number.isInteger(Math.fround(x.shape[axis]! * scale[axis]!)),
  )
  const inEngine =
    isFloat(x.type) &&
    !x.isHost &&
    rank === 4 &&
    output[0] === x.shape[0] &&
    output[1] === x.shape[1] &&
    sizeOf(output) > 0

  if (mode === 'nearest') {
    const at = coordinates.map((c, axis) =>
      Array.from({ length: c.output }, (_, o) =>
        limit(rounding[nearestOf(axis)]!(positionOf(o, c)), 0, c.input - 1),
      ),
    )
    if (!x.isHost && sizeOf(output) > 0 && transform !== 'tf_crop_and_resize') {
      const shows = (index: (o: number, input: number, output: number) => number) =>
        coordinates.every(({ input, output: n }, axis) => at[axis]!.every((i, o) => i === index(o, input, n)))
      // Every element repeated: an axis of copies beside each axis.
      if (
        output.every((n, axis) => n % x.shape[axis]! === 0) &&
        shows((o, input, n) => Math.floor((o * input) / n))
      )
        return repeatedInEngine(call, x, output)
      if (inEngine && shows((o, input, n) => Math.floor(((2 * o + 1) * input - 1) / (2 * n))))
        return bySize(call, x, output, 'nearest', false)
      const changed = axes.filter(
        (axis) => output[axis] !== x.shape[axis] || at[axis]!.some((i, o) => i !== o),
      )
      return changed.length ? changed.reduce((y, axis) => taken(call, y, axis, at[axis]!), x) : x.alias()
    }
    const strides = stridesOf(x.shape)
    const from = x.data as Float64Array
    return call.host(x.type, output, (to) => {
      let i = 0
      for (const index of indexesOf(output))
        to[i++] = from[index.reduce((sum, o, axis) => sum + at[axis]![o]! * strides[axis]!, 0)]!
      extrapolate(call, to, x.shape, axes, coordinates)
    })
  }

  const antialias = call.flag('antialias')
  if (
    mode === 'linear' &&
    inEngine &&
    !antialias &&
    exact &&
    (transform === 'half_pixel' ||
      transform === 'align_corners' ||
      (transform === 'pytorch_half_pixel' && output[2]! > 1 && output[3]! > 1))
  ) {
    return bySize(call, x, output, 'bilinear', transform === 'align_corners')
  }
  const a = call.number('cubic_coeff_a', -0.75)
  const excludeOutside = call.flag('exclude_outside')
  const changed = x.shape.flatMap((length, axis) => {
    const c = coordinates[axis]!
    if (c.output === length && c.scale === 1 && transform !== 'tf_crop_and_resize') return []
    return [
      {
        axis,
        taps:
          mode === 'cubic'
            ? tapsOf(c, (v) => cubic(v, a), 2, antialias, excludeOutside)
            : tapsOf(c, triangle, 1, antialias, false),
      },
    ]
  })
  // Of whole numbers ONNX Runtime rounds and cuts to the type after each axis, the last one first, but
  // between two neighbours takes off what is behind the point.
  const round = isFloat(x.type)
    ? undefined
    : saturating(x.type, antialias || mode === 'cubic' ? roundFromZero : Math.trunc)
  const data = antialias || !round ? alongAxes(x, changed.reverse(), round) : alongAxes(x, changed).map(round)
  extrapolate(call, data, x.shape, axes, coordinates)
  return call.host(x.type, output, (to) => to.set(data))
}

/** Elements of a cut region that lie outside of the input have a number of their own. */
function extrapolate(
  call: Call,
  data: Float64Array,
  input: Shape,
  axes: readonly number[],
  coordinates: readonly Coordinates[],
): void {
  if (coordinates[0]?.mode !== 'tf_crop_and_resize') return
  const value = call.number('extrapolation_value', 0)
  const isOut = (position: number, axis: number) => position < 0 || position > input[axis]! - 1
  let i = 0
  for (const index of indexesOf(coordinates.map(({ output }) => output))) {
    if (index.some((o, axis) => axes.includes(axis) && isOut(positionOf(o, coordinates[axis]!), axis)))
      data[i] = value
    i++
  }
}

function bySize(
  call: Call,
  x: Value,
  output: Shape,
  method: 'nearest' | 'bilinear',
  alignCorners: boolean,
): Value {
  return call.tensor(
    x.type,
    resizeImage(x.tensor('last'), { size: [output[2]!, output[3]!], method, alignCorners }),
    'last',
  )
}

/** As an axis of repeats behind each axis of x, in the layout that x has. */
function repeatedInEngine(call: Call, x: Value, output: Shape): Value {
  const { layout } = x
  const strides = x.shape.flatMap((length, axis) => [{ length, axis }, { length: output[axis]! / length }])
  if (layout === 'plain') return moveBox(call, x, strides, { layout }).reshaped(output)
  const tensor = x.tensor('last')
  const plain = Value.inEngine(call.run, x.type, tensor.shape, tensor.reshape(tensor.shape))
  const order = [0, ...x.shape.map((_, i) => i).slice(2), 1]
  const axes = order.flatMap((axis, i) => [
    { length: x.shape[axis]!, axis: i },
    { length: output[axis]! / x.shape[axis]! },
  ])
  const spread = moveBox(call, plain, axes, { layout: 'plain' })
  return call.tensor(x.type, spread.tensor('plain').reshape(order.map((axis) => output[axis]!)), 'last')
}

/** What a grid's -1 to 1 means: the centres of the outer elements, or their outer edges. */
const denormalized = (v: number, length: number, alignCorners: boolean): number =>
  alignCorners ? ((v + 1) / 2) * (length - 1) : ((v + 1) * length - 1) / 2

/** A position folded back at the borders until it is inside. */
function reflected(x: number, low: number, high: number): number {
  const range = high - low
  if (range === 0) return low
  const away = Math.abs(x - low) % (2 * range)
  return low + (away > range ? 2 * range - away : away)
}

/** What the engine does of it: ONNX's words before opset 20, and since. */
const methods = { bilinear: 'bilinear', linear: 'bilinear', nearest: 'nearest' } as const
const paddings = { zeros: true, border: true, reflection: true } as const

const gridSample: Operator = (call) => {
  const [x, grid] = [call.input(0), call.input(1)]
  const [n, c, ...input] = x.shape as [number, number, ...number[]]
  const output = grid.shape.slice(1, -1)
  const rank = input.length
  const mode = call.text('mode', 'linear')
  const padding = call.text('padding_mode', 'zeros')
  const align = call.flag('align_corners')
  const method = isName(mode, methods) ? methods[mode] : undefined
  if (
    method &&
    rank === 2 &&
    isFloat(x.type) &&
    !x.isHost &&
    isName(padding, paddings) &&
    sizeOf(input) > 0
  ) {
    const options = { method, padding, alignCorners: align }
    return call.tensor(x.type, gridSampleOf(x.tensor('last'), grid.tensor('plain'), options), 'last')
  }
  const strides = stridesOf(input)
  const plane = sizeOf(input)
  const from = x.data as Float64Array
  const points = grid.data as Float64Array
  const isCubic = mode === 'cubic' || mode === 'bicubic'
  const inside = (position: number, axis: number) => {
    const last = input[axis]! - 1
    if (padding === 'zeros') return position
    return limit(
      padding === 'border'
        ? position
        : align
          ? reflected(position, 0, last)
          : reflected(position, -0.5, last + 0.5),
      0,
      last,
    )
  }
  const elementAt = (i: number, axis: number) => {
    const at = Math.round(inside(i, axis))
    return padding !== 'zeros' || (at >= 0 && at < input[axis]!) ? at : -1
  }
  const tapsAt = (position: number, axis: number): Taps => {
    if (mode === 'nearest') return { at: [elementAt(roundToEven(position), axis)], weight: [1] }
    const first = Math.floor(position) - Number(isCubic)
    const at = Array.from({ length: isCubic ? 4 : 2 }, (_, k) => first + k)
    return {
      at: at.map((i) => elementAt(i, axis)),
      weight: at.map((i) => (isCubic ? cubic(i - position, -0.75) : triangle(i - position))),
    }
  }
  return call.host(x.type, [n, c, ...output], (to) => {
    const places = sizeOf(output)
    for (let image = 0; image < n; image++) {
      for (let place = 0; place < places; place++) {
        const taps = input.map((length, axis) => {
          const position = denormalized(
            points[(image * places + place) * rank + rank - 1 - axis]!,
            length,
            align,
          )
          // Between elements the position is brought inside; a cubic brings its elements inside.
          return tapsAt(isCubic ? position : inside(position, axis), axis)
        })
        for (let channel = 0; channel < c; channel++) {
          const first = (image * c + channel) * plane
          let sum = 0
          for (const index of indexesOf(taps.map(({ at }) => at.length))) {
            const at = index.map((k, axis) => taps[axis]!.at[k]!)
            if (at.some((i) => i < 0)) continue
            sum +=
              index.reduce((weight, k, axis) => weight * taps[axis]!.weight[k]!, 1) *
              from[first + offsetOf(at, strides)]!
          }
          to[(image * c + channel) * places + place] = sum
        }
      }
    }
  })
}

const affineGrid: Operator = (call) => {
  const theta = call.input(0)
  const [n, , ...output] = call.input(1).numbers as [number, number, ...number[]]
  const align = call.flag('align_corners')
  const rank = output.length
  const matrix = theta.data as Float64Array
  return call.host(theta.type, [n, ...output, rank], (to) => {
    let i = 0
    for (let image = 0; image < n; image++) {
      for (const index of indexesOf(output)) {
        // x, y, (z,) 1: the last axis first.
        const point = index
          .map((o, axis) =>
            align
              ? output[axis] === 1
                ? 0
                : (2 * o) / (output[axis]! - 1) - 1
              : (2 * o + 1) / output[axis]! - 1,
          )
          .reverse()
        for (let row = 0; row < rank; row++) {
          const first = (image * rank + row) * (rank + 1)
          to[i++] = point.reduce((sum, v, k) => sum + matrix[first + k]! * v, matrix[first + rank]!)
        }
      }
    }
  })
}

/** Averages (or maxima) over the parts of regions, read between pixels. (He et al., "Mask R-CNN", 2017.) */
const roiAlign: Operator = (call) => {
  const [x, regions, batches] = [call.input(0), call.input(1), call.input(2)]
  const [, c, h, w] = x.shape as [number, number, number, number]
  const [oh, ow] = [call.number('output_height', 1), call.number('output_width', 1)]
  const ratio = call.number('sampling_ratio', 0)
  const scale = call.number('spatial_scale', 1)
  const isMax = call.text('mode', 'avg') === 'max'
  const half =
    call.opset >= 16 && call.text('coordinate_transformation_mode', 'half_pixel') === 'half_pixel' ? 0.5 : 0
  const box = regions.data as Float64Array
  const from = x.data as Float64Array
  const count = regions.shape[0]!
  return call.host(x.type, [count, c, oh, ow], (to) => {
    for (let r = 0; r < count; r++) {
      const [x1, y1, x2, y2] = [0, 1, 2, 3].map((k) => box[r * 4 + k]! * scale - half) as [
        number,
        number,
        number,
        number,
      ]
      const [rw, rh] = half ? [x2 - x1, y2 - y1] : [Math.max(x2 - x1, 1), Math.max(y2 - y1, 1)]
      const [bh, bw] = [rh / oh, rw / ow]
      const [gh, gw] = ratio > 0 ? [ratio, ratio] : [Math.ceil(rh / oh), Math.ceil(rw / ow)]
      for (let channel = 0; channel < c; channel++) {
        const plane = ((batches.data[r] as number) * c + channel) * h * w
        for (let py = 0; py < oh; py++) {
          for (let px = 0; px < ow; px++) {
            let sum = 0
            let most = Number.NEGATIVE_INFINITY
            for (let iy = 0; iy < gh; iy++) {
              for (let ix = 0; ix < gw; ix++) {
                let sy = y1 + py * bh + ((iy + 0.5) * bh) / gh
                let sx = x1 + px * bw + ((ix + 0.5) * bw) / gw
                if (sy < -1 || sy > h || sx < -1 || sx > w) {
                  most = Math.max(most, 0)
                  continue
                }
                sy = limit(sy, 0, h - 1)
                sx = limit(sx, 0, w - 1)
                const [top, leftEdge] = [Math.floor(sy), Math.floor(sx)]
                const [bottom, right] = [Math.min(top + 1, h - 1), Math.min(leftEdge + 1, w - 1)]
                const [dy, dx] = [sy - top, sx - leftEdge]
                const parts = [
                  (1 - dy) * (1 - dx) * from[plane + top * w + leftEdge]!,
                  (1 - dy) * dx * from[plane + top * w + right]!,
                  dy * (1 - dx) * from[plane + bottom * w + leftEdge]!,
                  dy * dx * from[plane + bottom * w + right]!,
                ]
                sum += parts.reduce((a, b) => a + b, 0)
                most = Math.max(most, ...parts)
              }
            }
            to[((r * c + channel) * oh + py) * ow + px] = isMax ? most : sum / Math.max(1, gh * gw)
          }
        }
      }
    }
  })
}

/** Boxes of each class by falling score, without those that overlap a better one too much. */
const nonMaxSuppression: Operator = (call) => {
  const [boxes, scores] = [call.input(0), call.input(1)]
  const most = call.scalar(2) ?? 0
  const overlap = call.scalar(3) ?? 0
  const least = call.scalar(4) ?? Number.NEGATIVE_INFINITY
  const centred = call.flag('center_point_box')
  const [batches, classes, count] = scores.shape as [number, number, number]
  const all = boxes.data as Float64Array
  const score = scores.data as Float64Array
  const corners = (batch: number, i: number) => {
    const [a, b, c, d] = [0, 1, 2, 3].map((k) => all[(batch * count + i) * 4 + k]!) as [
      number,
      number,
      number,
      number,
    ]
    return centred
      ? { top: b - d / 2, left: a - c / 2, bottom: b + d / 2, right: a + c / 2 }
      : { top: Math.min(a, c), left: Math.min(b, d), bottom: Math.max(a, c), right: Math.max(b, d) }
  }
  const area = ({ top, left, bottom, right }: ReturnType<typeof corners>) =>
    Math.max(0, bottom - top) * Math.max(0, right - left)
  const found: number[] = []
  for (let batch = 0; batch < batches; batch++) {
    for (let kind = 0; kind < classes; kind++) {
      const first = (batch * classes + kind) * count
      const order = Array.from({ length: count }, (_, i) => i).filter((i) => score[first + i]! > least)
      order.sort((a, b) => score[first + b]! - score[first + a]! || a - b)
      const kept: ReturnType<typeof corners>[] = []
      for (const i of order) {
        if (kept.length >= most) break
        const box = corners(batch, i)
        const free = kept.every((other) => {
          const common = area({
            top: Math.max(box.top, other.top),
            left: Math.max(box.left, other.left),
            bottom: Math.min(box.bottom, other.bottom),
            right: Math.min(box.right, other.right),
          })
          const union = area(box) + area(other) - common
          return !(union > 0 && common / union > overlap)
        })
        if (!free) continue
        kept.push(box)
        found.push(batch, kind, i)
      }
    }
  }
  return call.host('int64', [found.length / 3, 3], Float64Array.from(found))
}

export const resizing: Record<string, Operator> = {
  Resize: resize,
  Upsample: resize,
  GridSample: gridSample,
  AffineGrid: affineGrid,
  RoiAlign: roiAlign,
  NonMaxSuppression: nonMaxSuppression,
}
