/**
 * Operators that read between elements: Resize, Upsample, GridSample, AffineGrid.
 */

import { sizeOf, stridesOf } from '../../base/shape.js'
import { isName } from '../../core/options.js'
import type { Quantization } from '../../core/quantization.js'
import { type AnyTensor, Tensor } from '../../core/tensor.js'
import { clamp } from '../../ops/activation.js'
import { gridSample as gridSampleOf } from '../../ops/gridSample.js'
import { axisOf, type ResizeSettings, resizeAxes } from '../../ops/resize.js'
import { runGridTaps } from '../../plans/regions.js'
import { NearestRule, type ResizeAxis, ResizeMethod, ResizeRounding, ResizeRule } from '../../wasm/abi.js'
import { type ElementType, isFloat, limit, rangeOf, roundToEven } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { FEW, indexesOf, offsetOf } from '../run/move.js'
import { type Layout, lastAxis, Value } from '../run/value.js'

const rules: Record<string, ResizeRule> = {
  half_pixel: ResizeRule.halfPixel,
  half_pixel_symmetric: ResizeRule.halfPixelSymmetric,
  pytorch_half_pixel: ResizeRule.pytorchHalfPixel,
  align_corners: ResizeRule.alignCorners,
  asymmetric: ResizeRule.asymmetric,
  tf_half_pixel_for_nn: ResizeRule.halfPixelForNearest,
  tf_crop_and_resize: ResizeRule.cropAndResize,
}

const nearestRules: Record<string, NearestRule> = {
  round_prefer_floor: NearestRule.preferFloor,
  round_prefer_ceil: NearestRule.preferCeil,
  floor: NearestRule.floor,
  ceil: NearestRule.ceil,
}

const methods: Record<string, ResizeMethod> = {
  nearest: ResizeMethod.nearest,
  linear: ResizeMethod.linear,
  bilinear: ResizeMethod.linear,
  cubic: ResizeMethod.cubic,
}

/** The entry of a table that an attribute names. */
function named<T>(call: Call, attribute: string, table: Record<string, T>, name: string): T {
  if (!Object.hasOwn(table, name)) call.fail(attribute, `one of ${Object.keys(table).join(', ')}`, name)
  return table[name]!
}

/** Lengths of the result, and over those of x the factors that positions follow from. */
function lengthsOf(call: Call, x: Value, axes: readonly number[], isOld: boolean) {
  const given = (i: number) => (call.inputs[i]?.size ? call.inputs[i]!.numbers : undefined)
  const sizes = isOld ? undefined : given(3)
  const old = () =>
    call.numbers(
      'scales',
      call.has('width_scale')
        ? [1, 1, call.number('height_scale', 1), call.number('width_scale', 1)]
        : undefined,
    )
  const scales = isOld ? (given(1) ?? old()) : given(2)
  if (!sizes && !scales) call.fail('scales', 'given, or sizes', 'none')
  const policy = call.text('keep_aspect_ratio_policy', 'stretch')
  const wanted = sizes?.map((length, i) => length / x.shape[axes[i]!]!) ?? [1]
  const common =
    policy === 'not_larger' ? Math.min(...wanted) : policy === 'not_smaller' ? Math.max(...wanted) : undefined
  return axes.map((axis, i) => {
    const length = x.shape[axis]!
    const scale = Math.fround(common ?? (sizes ? wanted[i]! : scales![i]!))
    const output =
      common === undefined
        ? (sizes?.[i] ?? Math.floor(Math.fround(length * scale)))
        : Math.floor(length * common + 0.5)
    return { scale, output }
  })
}

/** What a node asks for of x: how long its axes become, and how. */
function planOf(call: Call, x: Value) {
  const rank = x.shape.length
  const isOld = call.node.op === 'Upsample' || call.opset < 11
  const axes = call.axes(call.numbers('axes', undefined), rank)
  const lengths = lengthsOf(call, x, axes, isOld)
  const method = named(call, 'mode', methods, call.text('mode', 'nearest'))
  const coordinates = isOld ? 'asymmetric' : call.text('coordinate_transformation_mode', 'half_pixel')
  const rule = named(call, 'coordinate_transformation_mode', rules, coordinates)
  const nearest = named(call, 'nearest_mode', nearestRules, call.text('nearest_mode', 'round_prefer_floor'))
  const region = rule === ResizeRule.cropAndResize ? call.inputs[1]?.numbers : undefined
  const shape = [...x.shape]
  const isSpatial = rank === 4 && lengths.every(({ output }, i) => axes[i]! > 1 || output === shape[axes[i]!])
  const layout: Layout =
    (isSpatial && x.dtype !== 'int32') || (rank > 2 && x.layout === 'last') ? 'last' : 'plain'
  const changed = new Map<number, ResizeAxis>()
  for (const [i, axis] of axes.entries()) {
    const { output, scale } = lengths[i]!
    const input = x.shape[axis]!
    shape[axis] = output
    // ONNX Runtime leaves such an axis alone whatever region is asked for.
    if (output === input && scale === 1) continue
    // Before opset 11 nothing said which is nearest: ONNX Runtime's rule, by whether an axis grows.
    const oldNearest = scale < 1 ? NearestRule.ceil : NearestRule.floor
    const part: [number, number] = region ? [region[i]!, region[i + axes.length]!] : [0, 1]
    changed.set(
      layout === 'plain' ? axis : lastAxis(axis, rank),
      axisOf(input, output, rule, isOld ? oldNearest : nearest, scale, part),
    )
  }
  if (changed.size && sizeOf(shape) && x.size === 0) call.fail('x', 'of at least one element', x.shape)
  const settings: ResizeSettings = {
    method,
    antialias: call.flag('antialias'),
    excludeOutside: call.flag('exclude_outside'),
    cubic: call.number('cubic_coeff_a', -0.75),
    extrapolation: call.number('extrapolation_value', 0),
  }
  return { shape, layout, changed, settings }
}

export const resize: Operator = (call) => {
  const x = call.input(0)
  const { shape, layout, changed, settings } = planOf(call, x)
  if (changed.size === 0) return x.alias()
  if (isFloat(x.type)) addNeighbour(x, layout, changed, settings)
  if (sizeOf(shape) === 0) return call.zeros(x.type, shape)
  const isNearest = settings.method === ResizeMethod.nearest
  const isWhole = !isFloat(x.type)
  if (isWhole) settings.extrapolation = Math.trunc(settings.extrapolation)
  // Moved elements stay what they are.
  const tensor = isWhole && isNearest && !x.holdsFloats ? x.typed(layout) : x.tensor(layout)
  const y =
    isWhole && !isNearest
      ? resizeWhole(x.type, tensor as Tensor, changed, settings)
      : resizeAxes(tensor, changed, settings)
  return Value.inEngine(call.run, x.type, shape, y, layout)
}

/**
 * Of images ONNX Runtime takes four products where one of the two axes keeps its length, too: at the end of
 * that axis their sum may differ in the last bit from that of two.
 */
function addNeighbour(
  x: Value,
  layout: Layout,
  changed: Map<number, ResizeAxis>,
  { method, antialias }: ResizeSettings,
): void {
  const rank = x.shape.length
  if (method !== ResizeMethod.linear || antialias || (rank !== 2 && rank !== 4)) return
  const [h, w] = [rank - 2, rank - 1].map((axis) => (layout === 'plain' ? axis : lastAxis(axis, rank)))
  for (const [axis, other, length] of [
    [h!, w!, x.shape[rank - 2]!],
    [w!, h!, x.shape[rank - 1]!],
  ] as const)
    if (changed.size === 1 && changed.has(other))
      changed.set(axis, axisOf(length, length, ResizeRule.asymmetric, NearestRule.floor, 1))
}

/**
 * The same of bytes that stand for numbers, before as `ofX` says and then by `quantization`; undefined where
 * axes are not changed at a time, between which numbers of the engine are no integers.
 */
export function resizeBytes(
  call: Call,
  x: Value,
  ofX: (tensor: AnyTensor) => AnyTensor,
  quantization: Quantization,
): Value | undefined {
  const { shape, layout, changed, settings } = planOf(call, x)
  const [first, second, ...more] = [...changed.keys()].sort((a, b) => a - b)
  const isAtOnce = first !== undefined && more.length === 0 && (second ?? first + 1) === first + 1
  if (!isAtOnce || sizeOf(shape) === 0) return undefined
  const tensor = x.typed(layout)
  const y = call.engine.scope(() => {
    const bytes = resizeAxes(ofX(tensor), changed, settings, quantization)
    return new Tensor(bytes.engine, bytes.shape, bytes.storage as never)
  })
  return Value.inEngine(call.run, x.type, shape, y, layout)
}

/**
 * Of whole numbers ONNX Runtime rounds and cuts to the type after each axis, the last one first, but between
 * two neighbours takes off what is behind the point.
 */
function resizeWhole(
  type: ElementType,
  x: Tensor,
  axes: ReadonlyMap<number, ResizeAxis>,
  settings: ResizeSettings,
): Tensor {
  const [low, high] = rangeOf(type) ?? [0, 1]
  const cut = (y: Tensor) => clamp(y, { low, high, out: y })
  if (!settings.antialias && settings.method === ResizeMethod.linear)
    return cut(resizeAxes(x, axes, { ...settings, rounding: ResizeRounding.truncate }))
  const each = [...axes].sort(([a], [b]) => b - a)
  return x.engine.scope(() =>
    each.reduce(
      (y, entry) => cut(resizeAxes(y, new Map([entry]), { ...settings, rounding: ResizeRounding.nearest })),
      x,
    ),
  )
}

/** Which elements of an axis make one of the result, and how much of each. */
interface Taps {
  at: number[]
  weight: number[]
}

/** Keys' cubic: 1 at 0, 0 at 1 and 2. */
function cubic(x: number, a: number): number {
  const d = Math.abs(x)
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x))

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
const gridMethods = { bilinear: 'bilinear', linear: 'bilinear', nearest: 'nearest' } as const
/** The same of more elements or axes. */
const moreMethods = {
  bilinear: 'linear',
  linear: 'linear',
  nearest: 'nearest',
  bicubic: 'cubic',
  cubic: 'cubic',
} as const
const paddings = { zeros: true, border: true, reflection: true } as const

const gridSample: Operator = (call) => {
  const [x, grid] = [call.input(0), call.input(1)]
  const [n, c, ...input] = x.shape as [number, number, ...number[]]
  const output = grid.shape.slice(1, -1)
  const rank = input.length
  call.shaped('grid', grid, [n, ...input.map(() => undefined), rank])
  const mode = call.text('mode', 'linear')
  const padding = call.text('padding_mode', 'zeros')
  const align = call.flag('align_corners')
  const method = isName(mode, gridMethods) ? gridMethods[mode] : undefined
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
  const isMore = rank === 2 || rank === 3
  if (
    isMore &&
    isName(mode, moreMethods) &&
    isFloat(x.type) &&
    !x.isHost &&
    isName(padding, paddings) &&
    sizeOf(input) > 0
  ) {
    const y = call.engine.empty([n, ...output, c])
    const rules = { method: moreMethods[mode], padding, alignCorners: align }
    runGridTaps(x.tensor('last'), grid.tensor('plain'), y, rules)
    return call.tensor(x.type, y, 'last')
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
  return call.host(x.type, [n, c, ...output], function* (to) {
    let looks = 0
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
          if (++looks % FEW === 0) yield
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
  return call.host(theta.type, [n, ...output, rank], function* (to) {
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
          if (i % FEW === 0) yield
        }
      }
    }
  })
}

export const resizing: Record<string, Operator> = {
  Resize: resize,
  Upsample: resize,
  GridSample: gridSample,
  AffineGrid: affineGrid,
}
