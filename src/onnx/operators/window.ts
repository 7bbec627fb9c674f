/** Convolutions of up to three spatial axes, and the windows that they and pools look through. */

import { type Shape, stridesOf } from '../../base/shape.js'
import type { DType } from '../../core/dtype.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import type { Axis } from '../../core/window.js'
import { add } from '../../ops/arithmetic.js'
import { convolve } from '../../ops/conv/conv.js'
import { convolveTransposed } from '../../ops/conv/convTranspose.js'
import type { Rank } from '../../ops/conv/geometry.js'
import type { Call, Operator } from '../run/call.js'
import type { Value } from '../run/value.js'

/** A window as the file gives it, along each spatial axis. */
export interface Sides {
  size: number[]
  stride: number[]
  dilation: number[]
  before: number[]
  after: number[]
}

/** Kernels count in 32 bits. */
const MOST = 2 ** 31

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
  if (![...stride, ...dilation].every((step) => step >= 1 && step < MOST))
    call.fail('strides and dilations', 'from 1 on', [stride, dilation])
  if (size.some((length, i) => !(length >= 0 && dilation[i]! * length < MOST)))
    call.fail('kernel_shape', 'lengths of windows', size)
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
  const less = total.map((sum) => Math.floor(sum / 2))
  const more = total.map((sum) => Math.ceil(sum / 2))
  return auto === 'SAME_UPPER'
    ? { ...sides, before: less, after: more }
    : { ...sides, before: more, after: less }
}

/** The window of a pool, which has places. */
export function poolSides(call: Call, input: Shape): Sides {
  const size = call.numbers('kernel_shape', [])
  if (size.some((length) => length === 0)) call.fail('kernel_shape', 'lengths from 1 on', size)
  return sidesOf(call, input, size)
}

/** A window of up to three axes along depth, height and width, of which those in front may be missing. */
export function deepAxes(
  { size, stride, dilation, before, after }: Sides,
  input: Shape,
  output: Shape,
): [Axis, Axis, Axis] {
  const missing: Axis = { input: 1, output: 1, size: 1, stride: 1, dilation: 1, before: 0, after: 0 }
  const axes = input.map(
    (length, i): Axis => ({
      input: length,
      output: output[i]!,
      size: size[i]!,
      stride: stride[i]!,
      dilation: dilation[i]!,
      before: before[i]!,
      after: after[i]!,
    }),
  )
  return [...Array<Axis>(3 - axes.length).fill(missing), ...axes] as [Axis, Axis, Axis]
}

export const optionsOf = ({ stride, dilation, before, after }: Sides) => ({
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
export function withoutTaps(call: Call, x: Value, shape: Shape, b: Value | undefined): Value {
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

/** The window of a transposed convolution, and what is added behind its output. */
function transposedSides(
  call: Call,
  x: Value,
  w: Value,
): { sides: Sides; extra: number[]; output: number[] } {
  const spatial = x.shape.slice(2)
  const size = w.shape.slice(2)
  const rank = size.length
  if (rank !== spatial.length)
    call.fail('filter', `of rank ${x.shape.length}, as x`, `rank ${w.shape.length}`)
  const stride = call.asMany('strides', Array(rank).fill(1))
  const dilation = call.asMany('dilations', Array(rank).fill(1))
  const auto = call.text('auto_pad', 'NOTSET')
  const wanted =
    call.numbers('output_shape', undefined)?.slice(-rank) ??
    (auto.startsWith('SAME') ? spatial.map((length, i) => length * stride[i]!) : undefined)
  let extra = call.asMany('output_padding', Array(rank).fill(0))
  let pads = call.asMany('pads', Array(2 * rank).fill(0))
  if (wanted) {
    const full = spatial.map(
      (length, i) => (length - 1) * stride[i]! + extra[i]! + dilation[i]! * (size[i]! - 1) + 1 - wanted[i]!,
    )
    // What is missing where the wanted output is larger than all that the taps reach.
    extra = extra.map((more, i) => more + Math.max(0, -full[i]!))
    const total = full.map((sum) => Math.max(0, sum))
    const less = total.map((sum) => Math.floor(sum / 2))
    const more = total.map((sum) => Math.ceil(sum / 2))
    pads = auto === 'SAME_UPPER' ? [...less, ...more] : [...more, ...less]
  }
  const sides: Sides = {
    size: [...size],
    stride,
    dilation,
    before: pads.slice(0, rank),
    after: pads.slice(rank),
  }
  const output = spatial.map(
    (length, i) =>
      (length - 1) * stride[i]! + extra[i]! + dilation[i]! * (size[i]! - 1) + 1 - pads[i]! - pads[rank + i]!,
  )
  return { sides, extra, output }
}

const convTranspose: Operator = (call) => {
  const [x, w, b] = [call.input(0), call.input(1), call.inputs[2]]
  const { sides, extra, output } = transposedSides(call, x, w)
  const options = {
    groups: call.number('group', 1),
    bias: b?.tensor('plain'),
    activation: call.node.activation,
  }
  if (w.size === 0) return withoutTaps(call, x, [x.shape[0]!, w.shape[1]! * options.groups, ...output], b)
  const [axes, pixels] = channelsLast(call, x)
  const window = { ...optionsOf(sides), outputPadding: extra, ...options }
  const y = withFilter(w, [0, 1], (filter) => convolveTransposed(axes, pixels, filter, window))
  return call.tensor(x.type, y as Tensor, 'last')
}

/** The same of bytes and shapes that have taps: `use` gets x with its channels last, and the filter. */
export function transposedOfBytes(
  call: Call,
  x: Value,
  w: Value,
  use: (
    pixels: AnyTensor,
    filter: AnyTensor,
    run: (x: AnyTensor, filter: AnyTensor, more: Parameters<typeof convolveTransposed>[3]) => AnyTensor,
  ) => AnyTensor,
): AnyTensor {
  const { sides, extra } = transposedSides(call, x, w)
  const pixels = x.typed('last')
  const window = { ...optionsOf(sides), outputPadding: extra, groups: call.number('group', 1) }
  const rank = (x.shape.length - 2) as Rank
  const run: Parameters<typeof use>[2] = (x, filter, more) =>
    convolveTransposed(rank, x, filter, { ...window, ...more })
  return withFilter(w, [0, 1], (filter) => use(pixels, filter, run), w.dtype)
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

export const window: Record<string, Operator> = { Conv: conv, ConvTranspose: convTranspose }
