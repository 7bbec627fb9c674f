/**
 * Where a window goes over an input, and how large the output is. The only place where this arithmetic
 * stands: convolution, pooling, image filters, gradients and ONNX import ask here.
 *
 *   reach  = dilation * (size - 1) + 1
 *   output = floor((before + input + after - reach) / stride) + 1
 *
 * and of a transposed window, which goes the other way:
 *
 *   output = (input - 1) * stride + reach + outputPadding - before - after
 */
import { check, show } from './errors.js'
import { isInteger, MOST } from './options.js'
import type { Shape } from './shape.js'

/** One number for both axes, or [height, width]. */
export type Pair = number | readonly [number, number]

/**
 * `'valid'`: none. `'same'`: as TensorFlow's SAME, output = ceil(input / stride), the odd element after. A
 * number: on all four sides. `[height, width]`: on both sides of each. `[[top, bottom], [left, right]]`: each
 * by itself.
 */
export type Padding =
  | 'same'
  | 'valid'
  | number
  | readonly [number, number]
  | readonly [readonly [number, number], readonly [number, number]]

/** How a window goes over an image. The defaults stand with each op. */
export interface WindowOptions {
  stride?: Pair
  padding?: Padding
  dilation?: Pair
}

/** A window along one axis, all settled. Lengths in elements of that axis. */
export interface Axis {
  input: number
  output: number
  /** Taps of the window. */
  size: number
  stride: number
  dilation: number
  /** Padding before the first and after the last element. */
  before: number
  after: number
}

export interface Window {
  h: Axis
  w: Axis
}

/** What an error needs to name: the op and all shapes in play. */
export interface Context {
  op: string
  shapes: Record<string, Shape | undefined>
}

/** The bound that every integer has, where one of these breaks it. */
const upTo = (...values: unknown[]): string =>
  values.some((value) => isInteger(value, MOST + 1, Number.POSITIVE_INFINITY)) ? `, at most ${MOST}` : ''

/** `value` as [height, width], each an integer of at least `least`. */
export function pair(
  value: unknown,
  argument: string,
  least: 0 | 1,
  { op, shapes }: Context,
): [number, number] {
  const [h, w] = Array.isArray(value) && value.length === 2 ? value : [value, value]
  check(isInteger(h, least) && isInteger(w, least), () => ({
    op,
    argument,
    expected: `${least ? 'a positive integer' : 'an integer of at least 0'} or [height, width] of such${upTo(h, w)}`,
    got: show(value),
    shapes,
  }))
  return [h, w]
}

/** Padding of each side, or the rule by which it follows from the sizes. */
function sides(padding: Padding, { op, shapes }: Context): 'same' | [[number, number], [number, number]] {
  if (padding === 'same') return 'same'
  if (padding === 'valid')
    return [
      [0, 0],
      [0, 0],
    ]
  const [h, w] = Array.isArray(padding) && padding.length === 2 ? padding : [padding, padding]
  const both = (side: unknown): [number, number] =>
    Array.isArray(side) && side.length === 2 ? [side[0], side[1]] : [side as number, side as number]
  const fits = ([before, after]: [number, number]) => isInteger(before, 0) && isInteger(after, 0)
  const result: [[number, number], [number, number]] = [both(h), both(w)]
  check(fits(result[0]) && fits(result[1]), () => ({
    op,
    argument: 'padding',
    expected: `'same', 'valid', an integer of at least 0, [height, width] or [[top, bottom], [left, right]]${upTo(...result.flat())}`,
    got: show(padding),
    shapes,
  }))
  return result
}

/** Throws where a window stands so far from its input that a kernel could not count the elements between. */
function checkExtent({ input, output, size, stride, dilation, before, after }: Axis, context: Context): void {
  const extent =
    Math.abs(before) + Math.max(input, output) + Math.abs(after) + dilation * (size - 1) + 1 + stride
  check(extent <= MOST, () => ({
    ...context,
    argument: 'window',
    expected: `within ${MOST} elements, with its stride and padding`,
    got: `size ${size}, stride ${stride}, dilation ${dilation}, padding ${before} before and ${after} after`,
  }))
}

/**
 * A window that slides over an input of [height, width]: convolution and pooling. `ceilMode` rounds the
 * output up, but a window must start inside the input or its left padding.
 */
export function slidingWindow(
  input: readonly [number, number],
  size: readonly [number, number],
  options: WindowOptions & { ceilMode?: boolean },
  context: Context,
): Window {
  const stride = pair(options.stride ?? 1, 'stride', 1, context)
  const dilation = pair(options.dilation ?? 1, 'dilation', 1, context)
  const padding = sides(options.padding ?? 'valid', context)
  const axis = (i: 0 | 1): Axis => {
    const reach = dilation[i] * (size[i] - 1) + 1
    let before: number, after: number, output: number
    if (padding === 'same') {
      output = Math.ceil(input[i] / stride[i])
      const total = Math.max(0, (output - 1) * stride[i] + reach - input[i])
      before = total >> 1
      after = total - before
    } else {
      ;[before, after] = padding[i]
      const room = before + input[i] + after - reach
      output = (options.ceilMode ? Math.ceil(room / stride[i]) : Math.floor(room / stride[i])) + 1
      if (options.ceilMode && (output - 1) * stride[i] >= input[i] + before) output--
      if (room < 0) output = 0
    }
    check(output > 0, () => ({
      ...context,
      argument: 'padding',
      expected: `enough for a window that reaches over ${reach} to fit the input's ${i ? 'width' : 'height'} ${input[i]}`,
      got: `${padding === 'same' ? "'same'" : `${before} before and ${after} after`}, which leaves no output`,
    }))
    const settled = {
      input: input[i],
      output,
      size: size[i],
      stride: stride[i],
      dilation: dilation[i],
      before,
      after,
    }
    checkExtent(settled, context)
    return settled
  }
  return { h: axis(0), w: axis(1) }
}

/**
 * Elements that a window around an element covers before it, where the output has the input's size: half of
 * them, an even window one more than after it.
 */
export const anchorOf = (size: number): number => size >> 1

/** The way back of a window at stride 1: it slides over the output and gives the input. */
export const opposite = (axis: Axis): Axis => {
  const before = axis.dilation * (axis.size - 1) - axis.before
  return {
    ...axis,
    input: axis.output,
    output: axis.input,
    before,
    after: axis.input - axis.output + axis.dilation * (axis.size - 1) - before,
  }
}

/**
 * A window that spreads every input element over its taps: transposed convolution. `'same'` gives input x
 * stride.
 */
export function transposedWindow(
  input: readonly [number, number],
  size: readonly [number, number],
  options: WindowOptions & { outputPadding?: Pair },
  context: Context,
): Window {
  const stride = pair(options.stride ?? 1, 'stride', 1, context)
  const dilation = pair(options.dilation ?? 1, 'dilation', 1, context)
  const outputPadding = pair(options.outputPadding ?? 0, 'outputPadding', 0, context)
  const padding = sides(options.padding ?? 'valid', context)
  check(
    outputPadding.every((extra, i) => extra < Math.max(stride[i]!, dilation[i]!)),
    () => ({
      ...context,
      argument: 'outputPadding',
      expected: `smaller than stride ${show(stride)} or dilation ${show(dilation)}`,
      got: show(outputPadding),
    }),
  )
  const axis = (i: 0 | 1): Axis => {
    const reach = dilation[i] * (size[i] - 1) + 1
    const full = (input[i] - 1) * stride[i] + reach + outputPadding[i]
    let before: number, after: number
    if (padding === 'same') {
      before = Math.max(0, reach - stride[i]) >> 1
      after = full - before - input[i] * stride[i]
    } else [before, after] = padding[i]
    const output = full - before - after
    check(output > 0, () => ({
      ...context,
      argument: 'padding',
      expected: `less than the ${full} elements of the output's ${i ? 'width' : 'height'}`,
      got: `${before} before and ${after} after`,
    }))
    const settled = {
      input: input[i],
      output,
      size: size[i],
      stride: stride[i],
      dilation: dilation[i],
      before,
      after,
    }
    checkExtent(settled, context)
    return settled
  }
  return { h: axis(0), w: axis(1) }
}

/** Greatest common divisor: how often the taps of a dilated window fall on one phase of a stride. */
export const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
