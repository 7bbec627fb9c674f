/** Pools, over one to three spatial axes in the engine. */

import { type Shape, sameShape, sizeOf, stridesOf } from '../../base/shape.js'
import { bySlices } from '../../base/turns.js'
import { BYTES, type ByteType } from '../../core/dtype.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import type { Axis } from '../../core/window.js'
import { mul } from '../../ops/arithmetic.js'
import { pow } from '../../ops/binary.js'
import { bring, placesOf } from '../../ops/gatherND.js'
import {
  avgPool2d,
  avgPool3d,
  globalAvgPool2d,
  globalMaxPool2d,
  type MaxPool2dOptions,
  type MaxPool3dOptions,
  maxPool2d,
  maxPool3d,
} from '../../ops/pool.js'
import { abs, sqrt } from '../../ops/unary.js'
import { runMaxPoolPlaces, runPool } from '../../plans/pool.js'
import { ScatterOp } from '../../wasm/abi.js'
import { isFloat, limit } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { indexesOf, move, offsetOf, whole } from '../run/move.js'
import type { Value } from '../run/value.js'
import { mapInEngine } from './broadcast.js'
import { lengthAlong } from './powers.js'
import { deepAxes, optionsOf, pooledLengths, poolSides, type Sides } from './window.js'

/** Places that a pool of the host looks at between two looks at the clock. */
const FEW = 1 << 10

/**
 * Any pool on the host: for each output, `start`, `take` of what is under the window with the place that it
 * has, and `end` with the number of places that count. `counted`: places of the window inside the input and
 * the padding of the file; before opset 19 all of one that is too long.
 */
function poolOnHost(
  call: Call,
  x: Value,
  sides: Sides,
  each: (values: { value: number; at: number }[], counted: number) => { value: number; at: number },
): [Value, Value] {
  const [n, c, ...input] = x.shape as [number, number, ...number[]]
  const output = pooledLengths(sides, input, call.flag('ceil_mode'))
  const shape = [n, c, ...output]
  const strides = stridesOf(input)
  const plane = sizeOf(input)
  const from = x.data as Float64Array
  const places = new Float64Array(sizeOf(shape))
  const { size, stride, dilation, before, after } = sides
  const countsAll = call.opset < 19 && !reaches(x, sides)
  const values = call.host(x.type, shape, function* (to) {
    let i = 0
    let looks = 0
    for (const index of indexesOf(shape)) {
      const first = (index[0]! * c + index[1]!) * plane
      const under: { value: number; at: number }[] = []
      const starts = index.slice(2).map((o, axis) => o * stride[axis]! - before[axis]!)
      const tapsBefore = (end: number, axis: number) =>
        limit(Math.ceil((end - starts[axis]!) / dilation[axis]!), 0, size[axis]!)
      const counted = countsAll
        ? sizeOf(size)
        : sizeOf(input.map((length, axis) => tapsBefore(length + after[axis]!, axis)))
      // Of a window however long only what is in the input is looked at.
      const begins = input.map((_, axis) => tapsBefore(0, axis))
      const taps = input.map((length, axis) => tapsBefore(length, axis) - begins[axis]!)
      for (const tap of indexesOf(taps)) {
        const at = tap.map((t, axis) => starts[axis]! + (begins[axis]! + t) * dilation[axis]!)
        const place = first + offsetOf(at, strides)
        under.push({ value: from[place]!, at: place })
        if (++looks % FEW === 0) yield
      }
      const { value, at } = each(under, counted)
      places[i] = at
      to[i++] = value
      if (++looks % FEW === 0) yield
    }
  })
  return [values, call.host('int64', shape, places)]
}

/** Pools in the engine, over one to three axes; one is a width. Of bytes as bytes, but over three. */
function pooled(
  call: Call,
  x: Value,
  sides: Sides,
  flat: (x: AnyTensor, options: MaxPool2dOptions) => AnyTensor,
  deep: (x: Tensor, options: MaxPool3dOptions) => AnyTensor,
): Value {
  const rank = x.shape.length - 2
  const pixels = takesBytes(x) ? x.typed('last') : x.tensor('last')
  const { stride, dilation, padding } = optionsOf(sides)
  const options = { size: sides.size, stride, dilation, padding, ceilMode: call.flag('ceil_mode') }
  // As many numbers as x has spatial axes.
  if (rank === 3)
    return call.tensor(x.type, deep(pixels as Tensor, options as unknown as MaxPool3dOptions), 'last')
  if (rank === 2) return call.tensor(x.type, flat(pixels, options as unknown as MaxPool2dOptions), 'last')
  const [n, w, c] = pixels.shape as [number, number, number]
  const y = flat(pixels.reshape([n, 1, w, c]), {
    ...options,
    size: [1, sides.size[0]!],
    stride: [1, stride[0]!],
    dilation: [1, dilation[0]!],
    padding: [[0, 0], padding[0]!],
  })
  return call.tensor(x.type, y.reshape([n, y.shape[2]!, c]), 'last')
}

/** Whether the window finds room, so that there is a first output. */
const reaches = (x: Value, { size, dilation, before, after }: Sides): boolean =>
  size.every(
    (taps, i) => x.shape[i + 2]! > 0 && x.shape[i + 2]! + before[i]! + after[i]! > dilation[i]! * (taps - 1),
  )

/** Whether a pool works on the bytes of x. */
const takesBytes = (x: Value): boolean => BYTES.includes(x.type as ByteType) && x.shape.length < 5

const isImage = (x: Value): boolean => !x.isHost && x.shape.length > 2 && x.shape.length < 6

function maxPoolOf(call: Call, x: Value): [Value, ...Value[]] {
  const sides = poolSides(call, x.shape.slice(2))
  if (isImage(x) && reaches(x, sides))
    return call.node.outputs[1]
      ? maxPoolWithPlaces(call, x, sides)
      : [pooled(call, x, sides, (pixels, options) => maxPool2d(pixels as Tensor, options), maxPool3d)]
  const [values, places] = poolOnHost(call, x, sides, (under) =>
    under.reduce((best, next) => (next.value > best.value || Number.isNaN(next.value) ? next : best), {
      value: Number.NEGATIVE_INFINITY,
      at: 0,
    }),
  )
  if (call.number('storage_order', 0) === 0 || x.shape.length !== 4) return [values, places]
  // Indices that count down columns first.
  const [h, w] = x.shape.slice(2) as [number, number]
  const columns = call.host('int64', places.shape, function* (to) {
    yield* values.settled()
    const rows = places.data as Float64Array
    yield* bySlices(to.length, (begin, end) => {
      for (let i = begin; i < end; i++) {
        const at = rows[i]! % (h * w)
        to[i] = rows[i]! - at + (at % w) * h + Math.floor(at / w)
      }
    })
  })
  return [values, columns]
}

/** The largest of each window and where in x it stands; indices count along rows, or down columns. */
function maxPoolWithPlaces(call: Call, x: Value, sides: Sides): [Value, Value] {
  const { engine } = call
  const [n, c, ...input] = x.shape as [number, number, ...number[]]
  const output = pooledLengths(sides, input, call.flag('ceil_mode'))
  const spare = 3 - input.length
  const lengthsOf = (lengths: readonly number[]) => [...Array<number>(spare).fill(1), ...lengths]
  const axes = deepAxes(sides, input, output)
  const isDown = call.number('storage_order', 0) !== 0 && input.length === 2
  const along = isDown ? [1, input[0]!] : stridesOf(input)
  const steps = [...Array<number>(spare).fill(0), ...along] as [number, number, number]
  const pixels = x.tensor('last').reshape([n, ...lengthsOf(input), c])
  const shape = [n, ...lengthsOf(output), c]
  const [y, places] = [engine.empty(shape), engine.empty(shape, { dtype: 'int32' })]
  runMaxPoolPlaces(pixels, y, places, axes, { axes: steps, plane: sizeOf(input) })
  const flat = [n, ...output, c]
  return [call.tensor(x.type, y.reshape(flat), 'last'), call.tensor('int64', places.reshape(flat), 'last')]
}

const maxPool: Operator = (call) => {
  const [y, ...places] = maxPoolOf(call, call.input(0))
  return places.length ? [y, ...places] : y
}

/** com.microsoft's, of [n, ...spatial, channels]. */
const nhwcMaxPool: Operator = (call) => {
  const x = call.input(0)
  if (x.shape.length < 3) call.fail('input 0', 'of at least 3 axes', x.shape)
  const [y] = maxPoolOf(call, call.tensor(x.type, x.asHeld().reshape(x.shape), 'last'))
  const pooledLast = y.asHeld('last')
  return call.tensor(y.type, pooledLast.reshape(pooledLast.shape))
}

/**
 * Means of x with its channels last under windows of one to three axes, dilated or not, each times what
 * `factor` makes of the places of the window that are in x, and of those in x and its padding. Over height
 * and width, and then over depth.
 */
function meansOf(
  call: Call,
  x: Value,
  sides: Sides,
  pixels: Tensor,
  factor?: (inside: number, counted: number) => number,
): Value {
  const { engine } = call
  const input = x.shape.slice(2)
  const output = pooledLengths(sides, input, call.flag('ceil_mode'))
  const axes = deepAxes(sides, input, output)
  const [depth, height, width] = axes
  const [n, c] = x.shape as [number, number]
  let y = engine.empty([n * depth.input, height.output, width.output, c])
  runPool(
    'avgPool',
    pixels.reshape([n * depth.input, height.input, width.input, c]),
    y,
    [height, width],
    false,
  )
  if (input.length === 3) {
    const place = height.output * width.output
    const along: Axis = { input: place, output: place, size: 1, stride: 1, dilation: 1, before: 0, after: 0 }
    const flat = y.reshape([n, depth.input, place, c])
    y = engine.empty([n, depth.output, place, c])
    runPool('avgPool', flat, y, [depth, along], false)
  }
  const wide = [depth.output, height.output, width.output]
  if (factor) {
    /** How many places of each window are before `end` and not before `begin`. */
    const counts = ({ output, size, stride, dilation, before }: Axis, begin: number, end: number) =>
      Array.from({ length: output }, (_, o) => {
        const tapsBefore = (place: number) =>
          limit(Math.ceil((place - o * stride + before) / dilation), 0, size)
        return tapsBefore(end) - tapsBefore(begin)
      })
    const inside = axes.map((axis) => counts(axis, 0, axis.input))
    const counted = axes.map((axis) => counts(axis, -axis.before, axis.input + axis.after))
    const make = () => {
      const factors = new Float32Array(sizeOf(wide))
      let at = 0
      inside[0]!.forEach((d, i) => {
        inside[1]!.forEach((h, j) => {
          const of = counted[0]![i]! * counted[1]![j]!
          inside[2]!.forEach((w, k) => {
            factors[at++] = factor(d * h * w, of * counted[2]![k]!)
          })
        })
      })
      return [factors]
    }
    const table = call.tables('factors', [...wide, 1], [], make)[0]!
    const images = y.reshape([n, ...wide, c])
    y = mul(images, table.tensor(), { out: images })
  }
  return call.tensor(x.type, y.reshape([n, ...output, c]), 'last')
}

const averagePool: Operator = (call) => {
  const x = call.input(0)
  const sides = poolSides(call, x.shape.slice(2))
  const countIncludePad = call.flag('count_include_pad')
  if (isImage(x) && reaches(x, sides) && sides.dilation.every((step) => step === 1))
    return pooled(
      call,
      x,
      sides,
      (pixels, options) => avgPool2d(pixels as Tensor, { ...options, dilation: 1, countIncludePad }),
      (pixels, options) => avgPool3d(pixels, { ...options, dilation: 1, countIncludePad }),
    )
  if (isImage(x) && isFloat(x.type) && reaches(x, sides))
    return meansOf(
      call,
      x,
      sides,
      x.tensor('last'),
      countIncludePad ? (inside, counted) => inside / Math.max(1, counted) : undefined,
    )
  const mean = (under: { value: number }[], counted: number) => ({
    value: under.reduce((sum, { value }) => sum + value, 0) / (countIncludePad ? counted : under.length || 1),
    at: 0,
  })
  return poolOnHost(call, x, sides, mean)[0]
}

/**
 * The call of an average pool whose last windows count whole, as QLinearAveragePool has them, where those of
 * AveragePool end with the padding: what they reach beyond it is padding too.
 */
export function withWholeWindows(call: Call, x: Value): Call {
  if (!call.flag('ceil_mode') || !call.flag('count_include_pad')) return call
  const input = x.shape.slice(2)
  const sides = poolSides(call, input)
  const after = pooledLengths(sides, input, true).map((output, i) =>
    Math.max(
      sides.after[i]!,
      (output - 1) * sides.stride[i]! + sides.size[i]! - input[i]! - sides.before[i]!,
    ),
  )
  return call.on(call.inputs, { pads: [...sides.before, ...after], auto_pad: 'NOTSET', ceil_mode: 0 })
}

/** The same of bytes, by `average` over one or two axes; undefined for windows that it does not take. */
export function averagePoolOfBytes(
  call: Call,
  x: Value,
  average: (pixels: AnyTensor, options: MaxPool2dOptions) => AnyTensor,
): Value | undefined {
  if (x.shape.length < 3 || x.shape.length > 4) return undefined
  const sides = poolSides(call, x.shape.slice(2))
  if (!reaches(x, sides) || sides.dilation.some((step) => step !== 1)) return undefined
  // Of three axes there are none here.
  return pooled(call, x, sides, average, maxPool3d)
}

const lpPool: Operator = (call) => {
  const x = call.input(0)
  const p = call.number('p', 2)
  const sides = poolSides(call, x.shape.slice(2))
  if (isImage(x) && isFloat(x.type) && reaches(x, sides)) {
    const pixels = x.tensor('last')
    const powers = p === 1 ? abs(pixels) : p === 2 ? mul(pixels, pixels) : pow(abs(pixels), p)
    const sums = meansOf(call, x, sides, powers, (inside) => inside)
    if (p === 1) return sums
    return mapInEngine(call, sums, (t) => (p === 2 ? sqrt(t) : pow(t, 1 / p)))
  }
  return poolOnHost(call, x, sides, (under) => ({
    value: under.reduce((sum, { value }) => sum + Math.abs(value) ** p, 0) ** (1 / p),
    at: 0,
  }))[0]
}

/** Over all spatial axes, however many, as an image of one column. */
export function globalPoolOf(
  call: Call,
  x: Value,
  pool: (x: AnyTensor) => AnyTensor,
  pixels: AnyTensor = x.typed('last'),
): Value {
  const [n, c, ...spatial] = x.shape as [number, number, ...number[]]
  const y = pool(pixels.reshape([n, sizeOf(spatial), 1, c]))
  return call.tensor(x.type, y.reshape([n, ...spatial.map(() => 1), c]), 'last')
}

const globalPool =
  (pool: (x: Tensor, call: Call) => Tensor): Operator =>
  (call) => {
    const x = call.input(0)
    return globalPoolOf(call, x, (pixels) => pool(pixels as Tensor, call), x.tensor('last'))
  }

const globalLpPool = (x: Tensor, call: Call): Tensor => lengthAlong(x, [1, 2], call.number('p', 2))

const maxUnpool: Operator = (call) => {
  const [x, places] = [call.input(0), call.input(1)]
  const [n, c, ...input] = x.shape as [number, number, ...number[]]
  const sides = poolSides(call, input)
  const natural = input.map(
    (length, i) => (length - 1) * sides.stride[i]! + sides.size[i]! - sides.before[i]! - sides.after[i]!,
  )
  const shape = call.inputs[2]?.numbers ?? [n, c, ...natural]
  // Indices count in the natural output, which the wanted one may be larger than.
  const total = sizeOf([n, c, ...natural])
  const y = call.zeros(x.type, [n, c, ...natural])
  const indices = (places.as('int32', 'plain') as Tensor<'int32'>).reshape([places.size, 1])
  bring(y.tensor(), placesOf(indices, [total], 0), x.tensor(), ScatterOp.put)
  return spread(call, y, shape)
}

/** x in the corner of a value of a larger shape. */
const spread = (call: Call, x: Value, shape: Shape): Value =>
  sameShape(x.shape, shape)
    ? x
    : move(call, shape, [{ source: x, axes: whole(x.shape) }], { layout: 'plain' })

export const pools: Record<string, Operator> = {
  MaxPool: maxPool,
  'com.microsoft.NhwcMaxPool': nhwcMaxPool,
  AveragePool: averagePool,
  LpPool: lpPool,
  GlobalMaxPool: (call) => {
    const x = call.input(0)
    const pixels = takesBytes(x) ? x.typed('last') : x.tensor('last')
    return globalPoolOf(call, x, (t) => globalMaxPool2d(t as Tensor), pixels)
  },
  GlobalAveragePool: globalPool((x) => globalAvgPool2d(x)),
  GlobalLpPool: globalPool(globalLpPool),
  MaxUnpool: maxUnpool,
}
