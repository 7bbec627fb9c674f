/** Operators that look through a window: convolutions of up to three spatial axes, and pools. */

import type { Engine } from '../../core/engine.js'
import { type Shape, sizeOf, stridesOf } from '../../core/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../../ops/arithmetic.js'
import { type ConvAlgorithm, conv2d, planConv2d } from '../../ops/conv/conv.js'
import { convTranspose2d } from '../../ops/conv/convTranspose.js'
import {
  avgPool2d,
  globalAvgPool2d,
  globalMaxPool2d,
  type MaxPool2dOptions,
  maxPool2d,
} from '../../ops/pool.js'
import { copy } from '../../plans/copy.js'
import type { Call, Operator } from '../run/call.js'
import { indexesOf, offsetOf } from '../run/move.js'
import type { Value } from '../run/value.js'
import { lengthAlong } from './elementwise.js'

/** A window as the file gives it, along each spatial axis. */
interface Sides {
  size: number[]
  stride: number[]
  dilation: number[]
  before: number[]
  after: number[]
}

/**
 * `auto_pad` settled by the sizes: SAME keeps ceil(input / stride), the odd element after (UPPER) or before
 * (LOWER).
 */
export function sidesOf(call: Call, input: Shape, size: readonly number[]): Sides {
  const rank = size.length
  if (input.length !== rank)
    call.fail('kernel_shape', `of ${input.length} lengths, as x has spatial axes`, size)
  const stride = call.numbers('strides', Array(rank).fill(1))
  const dilation = call.numbers('dilations', Array(rank).fill(1))
  const pads = call.numbers('pads', Array(2 * rank).fill(0))
  if (stride.length !== rank || dilation.length !== rank || pads.length !== 2 * rank)
    call.fail('strides, dilations and pads', `for ${rank} axes`, [stride, dilation, pads])
  const auto = call.text('auto_pad', 'NOTSET')
  const sides = { size: [...size], stride, dilation, before: pads.slice(0, rank), after: pads.slice(rank) }
  if (auto === 'VALID') return { ...sides, before: Array(rank).fill(0), after: Array(rank).fill(0) }
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') return sides
  const total = input.map((length, i) =>
    Math.max(
      0,
      (Math.ceil(length / stride[i]!) - 1) * stride[i]! + dilation[i]! * (size[i]! - 1) + 1 - length,
    ),
  )
  const less = total.map((sum) => sum >> 1)
  const more = total.map((sum) => sum - (sum >> 1))
  return auto === 'SAME_UPPER'
    ? { ...sides, before: less, after: more }
    : { ...sides, before: more, after: less }
}

/** For axes [height, width]; one axis is a width. */
const two = <T>(list: readonly T[], height: T): [T, T] =>
  list.length === 1 ? [height, list[0]!] : [list[0]!, list[1]!]

const optionsOf = ({ stride, dilation, before, after }: Sides) => ({
  stride: two(stride, 1),
  dilation: two(dilation, 1),
  padding: two<[number, number]>(
    before.map((side, i) => [side, after[i]!]),
    [0, 0],
  ),
})

/** x [n, c, w] or [n, c, h, w] as [n, h, w, c]. */
function image(call: Call, x: Value): Tensor {
  const { shape } = x
  if (shape.length < 3 || shape.length > 4)
    call.fail('x', 'of one or two spatial axes', `rank ${shape.length}`)
  const tensor = x.tensor('last')
  return shape.length === 3 ? tensor.reshape([shape[0]!, 1, shape[2]!, shape[1]!]) : tensor
}

/** The value of y [n, h, w, c], without the height where x has none. */
function fromImage(call: Call, x: Value, y: Tensor): Value {
  const [n, h, w, c] = y.shape as [number, number, number, number]
  return x.shape.length === 3
    ? call.tensor(x.type, y.reshape([n, w, c]), 'last')
    : call.tensor(x.type, y.reshape([n, h, w, c]), 'last')
}

/**
 * `use` of a filter [...channels, ...taps] as [kh, kw, ...channels in this order], packed from where the file
 * has its numbers.
 */
function withFilter<T>(w: Value, order: readonly [number, number], use: (filter: Tensor) => T): T {
  const { shape } = w
  const strides = stridesOf(shape)
  const [kh, kw] = two(shape.slice(2), 1)
  return w.packed(
    [kh, kw, ...order.map((axis) => shape[axis]!)],
    [kw, 1, ...order.map((axis) => strides[axis]!)],
    use,
  )
}

/** The axes of a plain value in another order, under another shape. */
function turnedFilter(engine: Engine, w: Value, order: readonly number[], shape: Shape): Tensor {
  const lengths = order.map((axis) => w.shape[axis]!)
  const [strides, to] = [stridesOf(w.shape), stridesOf(lengths)]
  const source = w.tensor('plain')
  const box = order.map((axis, i) => ({ length: lengths[i]!, from: strides[axis]!, to: to[i]! }))
  return engine.make(shape, (y) => copy(engine, source.pointer, y.pointer, box))
}

/**
 * Three spatial axes as two: x [n, c, d, h, w] -> [n * od, h, w, groups * kd * c / groups], where output
 * plane `o` sees under tap `t` the plane `planeOf(o, t)` of x, and zeros where there is none.
 */
function stackedPlanes(
  call: Call,
  x: Value,
  od: number,
  kd: number,
  groups: number,
  planeOf: (o: number, t: number) => number,
): Tensor {
  const [n, c, d, h, w] = x.shape as [number, number, number, number, number]
  const source = x.tensor('last')
  const each = c / groups
  const plane = h * w
  return call.engine.make([n * od, h, w, kd * c], (y) => {
    copy(call.engine, { value: 0 }, y.pointer, [{ length: y.size, from: 0, to: 1 }])
    for (let o = 0; o < od; o++) {
      for (let t = 0; t < kd; t++) {
        const from = planeOf(o, t)
        if (!Number.isInteger(from) || from < 0 || from >= d) continue
        copy(
          call.engine,
          source.pointer + from * plane * c * 4,
          y.pointer + (o * plane * kd * c + t * each) * 4,
          [
            { length: n, from: d * plane * c, to: od * plane * kd * c },
            { length: plane, from: c, to: kd * c },
            { length: groups, from: each, to: kd * each },
            { length: each, from: 1, to: 1 },
          ],
        )
      }
    }
  })
}

/** The window along height and width alone. */
const plane = (sides: Sides): Sides => ({
  size: sides.size.slice(1),
  stride: sides.stride.slice(1),
  dilation: sides.dilation.slice(1),
  before: sides.before.slice(1),
  after: sides.after.slice(1),
})

/** The value of y [n * od, h, w, c] as [n, c, od, h, w]. */
function fromPlanes(call: Call, x: Value, y: Tensor, od: number): Value {
  const [all, ...rest] = y.shape as [number, ...number[]]
  return call.tensor(x.type, y.reshape([all / od, od, ...rest]), 'last')
}

/** A convolution of no channels to some, or of some to none: sums over nothing, and the bias. */
function withoutTaps(call: Call, x: Value, shape: Shape, b: Value | undefined): Value {
  const zeros = call.zeros(x.type, shape, 'last')
  const y = zeros.tensor('last')
  const { activation } = call.node
  return b || activation
    ? call.tensor(x.type, add(y, b?.tensor() ?? 0, { out: y, activation }), 'last')
    : zeros
}

/** Of floats, or of whole numbers, whose sums are to be `exact`. */
export function convolution(call: Call, x: Value, w: Value, b?: Value, exact = false): Value {
  if (x.shape.length !== w.shape.length)
    call.fail('filter', `of rank ${x.shape.length}, as x`, `rank ${w.shape.length}`)
  const sides = sidesOf(call, x.shape.slice(2), w.shape.slice(2))
  const groups = call.number('group', 1)
  if (w.size === 0)
    return withoutTaps(
      call,
      x,
      [x.shape[0]!, w.shape[0]!, ...pooledLengths(sides, x.shape.slice(2), false)],
      b,
    )
  const convolved = (pixels: Tensor, filter: Tensor, window: Sides) => {
    const options = { ...optionsOf(window), groups }
    const planned = (algorithm: ConvAlgorithm) =>
      planConv2d(pixels.shape, filter.shape, { ...options, algorithm, simd: call.engine.simd }).algorithm
    // Winograd's transforms have fractions.
    const algorithm = exact && planned('auto') === 'winograd' ? 'igemm' : 'auto'
    const y = conv2d(pixels, filter, {
      ...options,
      algorithm,
      bias: b?.tensor('plain'),
      activation: call.node.activation,
    })
    call.algorithm = planned(algorithm)
    return y
  }
  if (x.shape.length !== 5)
    return fromImage(
      call,
      x,
      withFilter(w, [1, 0], (filter) => convolved(image(call, x), filter, sides)),
    )

  const [oc, ic, kd, kh, kw] = w.shape as [number, number, number, number, number]
  const [stride, dilation, before] = [sides.stride[0]!, sides.dilation[0]!, sides.before[0]!]
  const od = pooledLengths(sides, x.shape.slice(2), false)[0]!
  const stacked = stackedPlanes(call, x, od, kd, groups, (o, t) => o * stride - before + t * dilation)
  const filter = w.form('planes of Conv', () =>
    turnedFilter(call.engine, w.reshaped([oc, ic, kd, kh * kw]), [3, 2, 1, 0], [kh, kw, kd * ic, oc]),
  )
  return fromPlanes(call, x, convolved(stacked, filter, plane(sides)), od)
}

const conv: Operator = (call) => convolution(call, call.input(0), call.input(1), call.inputs[2])

const convTranspose: Operator = (call) => {
  const [x, w, b] = [call.input(0), call.input(1), call.inputs[2]]
  const spatial = x.shape.slice(2)
  const size = w.shape.slice(2)
  const rank = size.length
  const stride = call.numbers('strides', Array(rank).fill(1))
  const dilation = call.numbers('dilations', Array(rank).fill(1))
  const auto = call.text('auto_pad', 'NOTSET')
  const wanted =
    call.numbers('output_shape', undefined)?.slice(-rank) ??
    (auto.startsWith('SAME') ? spatial.map((length, i) => length * stride[i]!) : undefined)
  let extra = call.numbers('output_padding', Array(rank).fill(0))
  let pads = call.numbers('pads', Array(2 * rank).fill(0))
  if (wanted) {
    const full = spatial.map(
      (length, i) => (length - 1) * stride[i]! + extra[i]! + dilation[i]! * (size[i]! - 1) + 1 - wanted[i]!,
    )
    // What is missing where the wanted output is larger than all that the taps reach.
    extra = extra.map((more, i) => more + Math.max(0, -full[i]!))
    const total = full.map((sum) => Math.max(0, sum))
    const less = total.map((sum) => sum >> 1)
    const more = total.map((sum) => sum - (sum >> 1))
    pads = auto === 'SAME_UPPER' ? [...less, ...more] : [...more, ...less]
  }
  const sides: Sides = {
    size: [...size],
    stride,
    dilation,
    before: pads.slice(0, rank),
    after: pads.slice(rank),
  }
  const options = {
    groups: call.number('group', 1),
    bias: b?.tensor('plain'),
    activation: call.node.activation,
  }
  if (w.size === 0) {
    const lengths = spatial.map(
      (length, i) =>
        (length - 1) * stride[i]! +
        extra[i]! +
        dilation[i]! * (size[i]! - 1) +
        1 -
        pads[i]! -
        pads[rank + i]!,
    )
    return withoutTaps(call, x, [x.shape[0]!, w.shape[1]! * options.groups, ...lengths], b)
  }
  if (rank !== 3) {
    const window = { ...optionsOf(sides), outputPadding: two(extra, 0), ...options }
    const y = withFilter(w, [0, 1], (filter) => convTranspose2d(image(call, x), filter, window))
    return fromImage(call, x, y)
  }
  const { groups } = options
  const [ic, oc, kd, kh, kw] = w.shape as [number, number, number, number, number]
  const [step, reach, before] = [stride[0]!, dilation[0]!, sides.before[0]!]
  const od = (spatial[0]! - 1) * step + extra[0]! + reach * (kd - 1) + 1 - before - sides.after[0]!
  const stacked = stackedPlanes(call, x, od, kd, groups, (o, t) => (o + before - t * reach) / step)
  const filter = w.form(`planes of ConvTranspose in ${groups}`, () => {
    const split = w.reshaped([groups, ic / groups, oc, kd, kh * kw])
    return turnedFilter(call.engine, split, [4, 0, 3, 1, 2], [kh, kw, kd * ic, oc])
  })
  return fromPlanes(
    call,
    x,
    convTranspose2d(stacked, filter, {
      ...optionsOf(plane(sides)),
      outputPadding: two(extra.slice(1), 0),
      ...options,
    }),
    od,
  )
}

/** Length of the output along each axis. */
export function pooledLengths(
  { size, stride, dilation, before, after }: Sides,
  input: Shape,
  ceil: boolean,
): number[] {
  return input.map((length, i) => {
    const room = length + before[i]! + after[i]! - dilation[i]! * (size[i]! - 1) - 1
    let count = Math.max(0, (ceil ? Math.ceil : Math.floor)(room / stride[i]!) + 1)
    if (ceil && (count - 1) * stride[i]! >= length + before[i]!) count--
    return count
  })
}

/**
 * Any pool on the host: for each output, `start`, `take` of what is under the window with the place that it
 * has, and `end` with the number of places that count. `counted`: places of the window inside the input and
 * the padding of the file.
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
  const values = call.host(x.type, shape, (to) => {
    let i = 0
    for (const index of indexesOf(shape)) {
      const first = (index[0]! * c + index[1]!) * plane
      const under: { value: number; at: number }[] = []
      let counted = 0
      for (const tap of indexesOf(size)) {
        const at = tap.map(
          (t, axis) => index[axis + 2]! * stride[axis]! - before[axis]! + t * dilation[axis]!,
        )
        if (at.every((p, axis) => p < input[axis]! + after[axis]!)) counted++
        if (at.every((p, axis) => p >= 0 && p < input[axis]!)) {
          const place = first + offsetOf(at, strides)
          under.push({ value: from[place]!, at: place })
        }
      }
      const { value, at } = each(under, counted)
      places[i] = at
      to[i++] = value
    }
  })
  return [values, call.host('int64', shape, places)]
}

/**
 * Pools in the engine, over one to three axes: three as the planes of two, and then over the planes, which
 * comes to the same.
 */
function pooled(
  call: Call,
  x: Value,
  sides: Sides,
  pool: (x: Tensor, options: MaxPool2dOptions) => Tensor,
): Value {
  const ceilMode = call.flag('ceil_mode')
  const over = (pixels: Tensor, part: Sides) =>
    pool(pixels, { ...optionsOf(part), size: two(part.size, 1), ceilMode })
  if (x.shape.length !== 5) return fromImage(call, x, over(image(call, x), sides))
  const [n, c, d, h, w] = x.shape as [number, number, number, number, number]
  const planes = over(x.tensor('last').reshape([n * d, h, w, c]), plane(sides))
  const [, oh, ow] = planes.shape as [number, number, number, number]
  const { size, stride, dilation, before, after } = sides
  const column = {
    size: [size[0]!, 1],
    stride: [stride[0]!, 1],
    dilation: [dilation[0]!, 1],
    before: [before[0]!, 0],
    after: [after[0]!, 0],
  }
  const y = over(planes.reshape([n, d, oh * ow, c]), column)
  return call.tensor(x.type, y.reshape([n, y.shape[1]!, oh, ow, c]), 'last')
}

/** Whether the window finds room, so that there is a first output. */
const reaches = (x: Value, { size, dilation, before, after }: Sides): boolean =>
  size.every(
    (taps, i) => x.shape[i + 2]! > 0 && x.shape[i + 2]! + before[i]! + after[i]! > dilation[i]! * (taps - 1),
  )

const isImage = (x: Value): boolean => !x.isHost && x.shape.length > 2 && x.shape.length < 6

const maxPool: Operator = (call) => {
  const x = call.input(0)
  const sides = sidesOf(call, x.shape.slice(2), call.numbers('kernel_shape', []))
  if (!call.node.outputs[1] && isImage(x) && reaches(x, sides)) return pooled(call, x, sides, maxPool2d)
  const [values, places] = poolOnHost(call, x, sides, (under) =>
    under.reduce((best, next) => (next.value > best.value || Number.isNaN(next.value) ? next : best), {
      value: Number.NEGATIVE_INFINITY,
      at: 0,
    }),
  )
  if (call.number('storage_order', 0) === 0 || x.shape.length !== 4) return [values, places]
  // Indices that count down columns first.
  const [h, w] = x.shape.slice(2) as [number, number]
  const columns = (places.data as Float64Array).map(
    (at) => at - (at % (h * w)) + (at % w) * h + Math.floor((at % (h * w)) / w),
  )
  return [values, call.host('int64', places.shape, columns)]
}

const averagePool: Operator = (call) => {
  const x = call.input(0)
  const sides = sidesOf(call, x.shape.slice(2), call.numbers('kernel_shape', []))
  const countIncludePad = call.flag('count_include_pad')
  if (isImage(x) && reaches(x, sides) && sides.dilation.every((step) => step === 1))
    return pooled(call, x, sides, (pixels, options) =>
      avgPool2d(pixels, { ...options, dilation: 1, countIncludePad }),
    )
  const mean = (under: { value: number }[], counted: number) => ({
    value: under.reduce((sum, { value }) => sum + value, 0) / (countIncludePad ? counted : under.length || 1),
    at: 0,
  })
  return poolOnHost(call, x, sides, mean)[0]
}

const lpPool: Operator = (call) => {
  const x = call.input(0)
  const p = call.number('p', 2)
  const sides = sidesOf(call, x.shape.slice(2), call.numbers('kernel_shape', []))
  return poolOnHost(call, x, sides, (under) => ({
    value: under.reduce((sum, { value }) => sum + Math.abs(value) ** p, 0) ** (1 / p),
    at: 0,
  }))[0]
}

/** Over all spatial axes, however many. */
const globalPool =
  (pool: (x: Tensor, call: Call) => Tensor): Operator =>
  (call) => {
    const x = call.input(0)
    const [n, c, ...spatial] = x.shape as [number, number, ...number[]]
    const y = pool(x.tensor('last').reshape([n, sizeOf(spatial), 1, c]), call)
    return call.tensor(x.type, y.reshape([n, ...spatial.map(() => 1), c]), 'last')
  }

function globalLpPool(x: Tensor, call: Call): Tensor {
  const p = call.number('p', 2)
  return lengthAlong(x, [1, 2], p)
}

const maxUnpool: Operator = (call) => {
  const [x, places] = [call.input(0), call.input(1)]
  const [n, c, ...input] = x.shape as [number, number, ...number[]]
  const sides = sidesOf(call, input, call.numbers('kernel_shape', []))
  const natural = input.map(
    (length, i) => (length - 1) * sides.stride[i]! + sides.size[i]! - sides.before[i]! - sides.after[i]!,
  )
  const shape = call.inputs[2]?.numbers ?? [n, c, ...natural]
  // Indices count in the natural output, which the wanted one may be larger than.
  const [from, to] = [stridesOf([n, c, ...natural]), stridesOf(shape)]
  return call.host(x.type, shape, (data) => {
    const values = x.data as Float64Array
    ;(places.data as Float64Array).forEach((place, i) => {
      let at = 0
      from.forEach((stride, axis) => {
        at += Math.floor(place / stride) * to[axis]!
        place %= stride
      })
      data[at] = values[i]!
    })
  })
}

export const window: Record<string, Operator> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  AveragePool: averagePool,
  LpPool: lpPool,
  GlobalMaxPool: globalPool(globalMaxPool2d),
  GlobalAveragePool: globalPool(globalAvgPool2d),
  GlobalLpPool: globalPool(globalLpPool),
  MaxUnpool: maxUnpool,
}
