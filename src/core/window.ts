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
import { check, FilterbankError, show } from '../base/errors.js'
import type { Shape } from '../base/shape.js'
import { isInteger, MOST } from './options.js'

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

/** One number for three axes, or [depth, height, width]. */
export type Triple = number | readonly [number, number, number]

/** `WindowOptions` along three axes; paddings as there, along depth, height and width. */
export interface Window3dOptions {
  stride?: Triple
  padding?:
    | 'same'
    | 'valid'
    | Triple
    | readonly [readonly [number, number], readonly [number, number], readonly [number, number]]
  dilation?: Triple
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

/** A window over height and width. */
export type Window = readonly [h: Axis, w: Axis]

/** An axis for each length. */
type Axes<Lengths extends readonly number[]> = { [K in keyof Lengths]: Axis }

/** `WindowOptions` along any number of axes. */
export interface AxesOptions {
  stride?: number | readonly number[]
  dilation?: number | readonly number[]
  padding?: 'same' | 'valid' | number | readonly (number | readonly [number, number])[]
}

/** The last `rank` names of axes, outermost first. */
export const axisNames = (rank: number): string[] => ['depth', 'height', 'width'].slice(-rank)

/** What an error needs to name: the op and all shapes in play. */
export interface Context {
  op: string
  shapes: Record<string, Shape | undefined>
}

/** The bound that every integer has, where one of these breaks it. */
const upTo = (...values: unknown[]): string =>
  values.some((value) => isInteger(value, MOST + 1, Number.POSITIVE_INFINITY)) ? `, at most ${MOST}` : ''

/** One number along each axis. */
const same = (value: number, rank: number): number[] =>
  rank === 2 ? [value, value] : rank === 1 ? [value] : new Array<number>(rank).fill(value)

/** `value` along each of `rank` axes: a number for all of them, or a list. */
export function alongAxes(
  value: unknown,
  rank: number,
  argument: string,
  least: 0 | 1,
  { op, shapes }: Context,
): number[] {
  if (isInteger(value, least)) return same(value, rank)
  const each: unknown[] = Array.isArray(value) ? value : [value]
  let fits = each.length === rank
  for (let i = 0; i < rank; i++) fits &&= isInteger(each[i], least)
  check(fits, () => ({
    op,
    argument,
    expected: `${least ? 'a positive integer' : 'an integer of at least 0'}${rank > 1 ? ` or [${axisNames(rank).join(', ')}] of such` : ''}${upTo(...each)}`,
    got: show(value),
    shapes,
  }))
  return each as number[]
}

/** `value` as [height, width], each an integer of at least `least`. */
export const pair = (value: unknown, argument: string, least: 0 | 1, context: Context): [number, number] =>
  alongAxes(value, 2, argument, least, context) as [number, number]

/** `value` as [depth, height, width], each an integer of at least `least`. */
export const triple = (
  value: unknown,
  argument: string,
  least: 0 | 1,
  context: Context,
): [number, number, number] => alongAxes(value, 3, argument, least, context) as [number, number, number]

type Sides = readonly [before: number, after: number]

const NO_SIDES: Sides = [0, 0]
/** Of as many axes as there may be. */
const VALID: Sides[] = [NO_SIDES, NO_SIDES, NO_SIDES]

/** Paddings of each axis as an error names them. */
const PADDINGS = [
  '[before, after]',
  '[height, width] or [[top, bottom], [left, right]]',
  '[depth, height, width] or [[front, back], [top, bottom], [left, right]]',
] as const

/** Padding of each side, or the rule by which it follows from the sizes. */
function sidesOf(padding: unknown, rank: number, { op, shapes }: Context): 'same' | Sides[] {
  if (padding === 'same') return 'same'
  if (padding === 'valid') return VALID
  if (isInteger(padding, 0)) {
    const both: Sides = [padding, padding]
    return [both, both, both]
  }
  // Of one axis two numbers are before and after.
  const isList = Array.isArray(padding) && (rank > 1 || padding.length === 1)
  const each: unknown[] = isList ? padding : new Array(rank).fill(padding)
  const result = each.map(
    (side): Sides =>
      Array.isArray(side) && side.length === 2 ? [side[0], side[1]] : [side as number, side as number],
  )
  check(
    result.length === rank && result.every((both) => isInteger(both[0], 0) && isInteger(both[1], 0)),
    () => ({
      op,
      argument: 'padding',
      expected: `'same', 'valid', an integer of at least 0${rank > 1 ? ',' : ' or'} ${PADDINGS[rank - 1]}${upTo(...result.flat())}`,
      got: show(padding),
      shapes,
    }),
  )
  return result
}

/** Throws where a window stands so far from its input that a kernel could not count the elements between. */
function checkExtent({ input, output, size, stride, dilation, before, after }: Axis, context: Context): void {
  const extent =
    Math.abs(before) + Math.max(input, output) + Math.abs(after) + dilation * (size - 1) + 1 + stride
  if (extent <= MOST) return
  throw new FilterbankError({
    ...context,
    argument: 'window',
    expected: `within ${MOST} elements, with its stride and padding`,
    got: `size ${size}, stride ${stride}, dilation ${dilation}, padding ${before} before and ${after} after`,
  })
}

/**
 * A window that slides over an input, along any number of axes: convolution and pooling. `ceilMode` rounds
 * the output up, but a window must start inside the input or its left padding. `usualStride` is that where
 * none is given.
 */
export function slidingWindow<Lengths extends readonly number[] | []>(
  input: Lengths,
  size: { [K in keyof Lengths]: number },
  options: AxesOptions & { ceilMode?: boolean },
  context: Context,
  usualStride: number | readonly number[] = 1,
): Axes<Lengths> {
  const rank = input.length
  const strides = alongAxes(options.stride ?? usualStride, rank, 'stride', 1, context)
  const dilations = alongAxes(options.dilation ?? 1, rank, 'dilation', 1, context)
  const padding = sidesOf(options.padding ?? 'valid', rank, context)
  const axes: Axis[] = []
  for (let i = 0; i < rank; i++) {
    const length = input[i]!
    const taps = size[i]!
    const stride = strides[i]!
    const dilation = dilations[i]!
    const reach = dilation * (taps - 1) + 1
    let before: number, after: number, output: number
    if (padding === 'same') {
      output = Math.ceil(length / stride)
      const total = Math.max(0, (output - 1) * stride + reach - length)
      before = total >> 1
      after = total - before
    } else {
      before = padding[i]![0]
      after = padding[i]![1]
      const room = before + length + after - reach
      output = (options.ceilMode ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1
      if (options.ceilMode && (output - 1) * stride >= length + before) output--
      if (room < 0) output = 0
    }
    // Thrown as it is: what a closure sees is allocated anew in each turn of a loop.
    if (output <= 0)
      throw new FilterbankError({
        ...context,
        argument: 'padding',
        expected: `enough for a window that reaches over ${reach} to fit the input's ${axisNames(rank)[i]} ${length}`,
        got: `${padding === 'same' ? "'same'" : `${before} before and ${after} after`}, which leaves no output`,
      })
    const settled = { input: length, output, size: taps, stride, dilation, before, after }
    checkExtent(settled, context)
    axes.push(settled)
  }
  return axes as Axes<Lengths>
}

/**
 * Elements that a window around an element covers before it, where the output has the input's size: half of
 * them, an even window one more than after it.
 */
export const anchorOf = (size: number): number => size >> 1

/** Backward of a window at stride 1: it slides over the output and gives the input. */
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
 * A window that spreads every input element over its taps: transposed convolution, along any number of axes.
 * `'same'` gives input x stride.
 */
export function transposedWindow<Lengths extends readonly number[] | []>(
  input: Lengths,
  size: { [K in keyof Lengths]: number },
  options: AxesOptions & { outputPadding?: number | readonly number[] },
  context: Context,
): Axes<Lengths> {
  const rank = input.length
  const strides = alongAxes(options.stride ?? 1, rank, 'stride', 1, context)
  const dilations = alongAxes(options.dilation ?? 1, rank, 'dilation', 1, context)
  const outputPadding = alongAxes(options.outputPadding ?? 0, rank, 'outputPadding', 0, context)
  const padding = sidesOf(options.padding ?? 'valid', rank, context)
  check(
    outputPadding.every((extra, i) => extra < Math.max(strides[i]!, dilations[i]!)),
    () => ({
      ...context,
      argument: 'outputPadding',
      expected: `smaller than stride ${show(strides)} or dilation ${show(dilations)}`,
      got: show(outputPadding),
    }),
  )
  const axes: Axis[] = []
  for (let i = 0; i < rank; i++) {
    const length = input[i]!
    const taps = size[i]!
    const stride = strides[i]!
    const dilation = dilations[i]!
    const reach = dilation * (taps - 1) + 1
    const full = (length - 1) * stride + reach + outputPadding[i]!
    let before: number, after: number
    if (padding === 'same') {
      before = Math.max(0, reach - stride) >> 1
      after = full - before - length * stride
    } else [before, after] = padding[i]!
    const output = full - before - after
    check(output > 0, () => ({
      ...context,
      argument: 'padding',
      expected: `less than the ${full} elements of the output's ${axisNames(rank)[i]}`,
      got: `${before} before and ${after} after`,
    }))
    const settled = { input: length, output, size: taps, stride, dilation, before, after }
    checkExtent(settled, context)
    axes.push(settled)
  }
  return axes as Axes<Lengths>
}

/** Greatest common divisor: how often the taps of a dilated window fall on one phase of a stride. */
export const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
