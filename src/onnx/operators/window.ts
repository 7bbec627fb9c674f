/** Operators that look through a window: convolutions of up to three spatial axes, and pools. */

import { type Shape, sameShape, sizeOf, stridesOf } from '../../base/shape.js'
import { BYTES, type ByteType, type DType } from '../../core/dtype.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import { add } from '../../ops/arithmetic.js'
import { convolve } from '../../ops/conv/conv.js'
import { convolveTransposed } from '../../ops/conv/convTranspose.js'
import type { Rank } from '../../ops/conv/geometry.js'
import { placesOf, putAt } from '../../ops/gatherND.js'
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
import type { Call, Operator } from '../run/call.js'
import { indexesOf, move, offsetOf } from '../run/move.js'
import type { Value } from '../run/value.js'
import { lengthAlong } from './powers.js'

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

const optionsOf = ({ stride, dilation, before, after }: Sides) => ({
  stride,
  dilation,
  padding: before.map((side, i): [number, number] => [side, after[i]!]),
})

/** x [n, c, ...spatial] of one to three spatial axes, with its channels last. */
function channelsLast(call: Call, x: Value): [rank: Rank, x: Tensor] {
  const rank = x.shape.length - 2
  if (rank < 1 || rank > 3) call.fail('x', 'of one to three spatial axes', `rank ${x.shape.length}`)
  return [rank as Rank, x.tensor('last')]
}

/**
 * `use` of a filter [out, in, ...window], packed from where the file has its numbers, with its axes in the
 * order of an op.
 */
function withFilter<T, D extends DType = 'float32'>(
  w: Value,
  channels: readonly [number, number],
  use: (filter: Tensor<D>) => T,
  dtype = 'float32' as D,
): T {
  const strides = stridesOf(w.shape)
  const order = [...w.shape.slice(2).keys()].map((axis) => axis + 2).concat(channels)
  return w.packed(
    order.map((axis) => w.shape[axis]!),
    order.map((axis) => strides[axis]!),
    use,
    dtype,
  )
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
  const [rank, pixels] = channelsLast(call, x)
  const { y, algorithm, reason } = withFilter(w, [1, 0], (filter) =>
    convolve(rank, pixels, filter, {
      ...optionsOf(sides),
      groups,
      exact,
      bias: b?.tensor('plain'),
      activation: call.node.activation,
    }),
  )
  call.chosen = { algorithm, reason }
  return call.tensor(x.type, y as Tensor, 'last')
}

/**
 * The same of bytes: `use` gets x with its channels last, the filter, the window, and what convolves. Only of
 * shapes that have taps.
 */
export function convolutionOfBytes(
  call: Call,
  x: Value,
  w: Value,
  use: (
    pixels: AnyTensor,
    filter: AnyTensor,
    window: ReturnType<typeof optionsOf> & { groups: number },
    run: (
      x: AnyTensor,
      filter: AnyTensor,
      options: Parameters<typeof convolve>[3],
    ) => ReturnType<typeof convolve>,
  ) => { y: Value; algorithm: string; reason: string },
): Value {
  const sides = sidesOf(call, x.shape.slice(2), w.shape.slice(2))
  const pixels = x.typed('last')
  const rank = (x.shape.length - 2) as Rank
  const window = { ...optionsOf(sides), groups: call.number('group', 1) }
  const { y, algorithm, reason } = withFilter(
    w,
    [1, 0],
    (filter) => use(pixels, filter, window, (...given) => convolve(rank, ...given)),
    w.dtype,
  )
  call.chosen = { algorithm, reason }
  return y
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
  const [axes, pixels] = channelsLast(call, x)
  const window = { ...optionsOf(sides), outputPadding: extra, ...options }
  const y = withFilter(w, [0, 1], (filter) => convolveTransposed(axes, pixels, filter, window))
  return call.tensor(x.type, y as Tensor, 'last')
}

/** Length of the output along each axis: 1 where the window is too long by less than its stride. */
export function pooledLengths(
  { size, stride, dilation, before, after }: Sides,
  input: Shape,
  ceil: boolean,
): number[] {
  return input.map((length, i) => {
    const room = length + before[i]! + after[i]! - dilation[i]! * (size[i]! - 1) - 1
    let count = Math.max(0, (ceil ? Math.ceil : Math.trunc)(room / stride[i]!) + 1)
    if (ceil && (count - 1) * stride[i]! >= length + before[i]!) count--
    return count
  })
}

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
        if (countsAll || at.every((p, axis) => p < input[axis]! + after[axis]!)) counted++
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
  const sides = sidesOf(call, x.shape.slice(2), call.numbers('kernel_shape', []))
  if (!call.node.outputs[1] && isImage(x) && reaches(x, sides))
    return [pooled(call, x, sides, (pixels, options) => maxPool2d(pixels as Tensor, options), maxPool3d)]
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

const averagePool: Operator = (call) => {
  const x = call.input(0)
  const sides = sidesOf(call, x.shape.slice(2), call.numbers('kernel_shape', []))
  const countIncludePad = call.flag('count_include_pad')
  if (isImage(x) && reaches(x, sides) && sides.dilation.every((step) => step === 1))
    return pooled(
      call,
      x,
      sides,
      (pixels, options) => avgPool2d(pixels as Tensor, { ...options, dilation: 1, countIncludePad }),
      (pixels, options) => avgPool3d(pixels, { ...options, dilation: 1, countIncludePad }),
    )
  const mean = (under: { value: number }[], counted: number) => ({
    value: under.reduce((sum, { value }) => sum + value, 0) / (countIncludePad ? counted : under.length || 1),
    at: 0,
  })
  return poolOnHost(call, x, sides, mean)[0]
}

/** The same of bytes, by `average` over one or two axes; undefined for windows that it does not take. */
export function averagePoolOfBytes(
  call: Call,
  x: Value,
  average: (pixels: AnyTensor, options: MaxPool2dOptions) => AnyTensor,
): Value | undefined {
  if (x.shape.length < 3 || x.shape.length > 4) return undefined
  const sides = sidesOf(call, x.shape.slice(2), call.numbers('kernel_shape', []))
  if (!reaches(x, sides) || sides.dilation.some((step) => step !== 1)) return undefined
  // Of three axes there are none here.
  return pooled(call, x, sides, average, maxPool3d)
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
  const sides = sidesOf(call, input, call.numbers('kernel_shape', []))
  const natural = input.map(
    (length, i) => (length - 1) * sides.stride[i]! + sides.size[i]! - sides.before[i]! - sides.after[i]!,
  )
  const shape = call.inputs[2]?.numbers ?? [n, c, ...natural]
  // Indices count in the natural output, which the wanted one may be larger than.
  const total = sizeOf([n, c, ...natural])
  const zeros = call.zeros(x.type, [total]).tensor()
  const indices = (places.as('int32', 'plain') as Tensor<'int32'>).reshape([places.size, 1])
  const y = putAt(zeros, placesOf(indices, [total], 0), x.tensor().reshape([x.size]), 'none')
  const whole = call.tensor(x.type, y.reshape([n, c, ...natural]))
  if (sameShape(whole.shape, shape)) return whole
  const axes = whole.shape.map((length, axis) => ({ length, axis }))
  return move(call, shape, [{ source: whole, axes }], { layout: 'plain' })
}

export const window: Record<string, Operator> = {
  Conv: conv,
  ConvTranspose: convTranspose,
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
