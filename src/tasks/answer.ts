/** What a model answered, as numbers with a shape, and where its coordinates lie in the picture. */

import { check, show } from '../base/errors.js'
import { areasOf } from '../base/fit.js'
import { arrayName } from '../base/realm.js'
import { printShape, type Shape, sizeOf } from '../base/shape.js'
import type { Numbers as NumberArray } from '../core/numbers.js'
import { checkInteger, isInteger, isName, isShape } from '../core/options.js'

/** What tensors and outputs of models have. */
export interface AnswerTensor {
  readonly shape: Shape
  /** Its numbers, row by row. */
  toArray(): ArrayLike<unknown>
}

/**
 * Numbers that a model answered: an output of `model.run`, here or in a worker, a tensor, numbers with their
 * shape, or the numbers alone where it is clear how they lie.
 */
export type Answer = AnswerTensor | { readonly shape: Shape; readonly data: ArrayLike<number> } | NumberArray

/** Numbers of one item of a batch. */
export interface Numbers {
  data: ArrayLike<number>
  shape: Shape
}

const expected = 'an output of a model, a tensor, { data, shape } or an array of numbers'

/** The numbers of an answer; an array alone has one axis. */
export function numbersOf(op: string, argument: string, answer: Answer): Numbers {
  const wrong = (got: string) => ({ op, argument, expected, got })
  check(typeof answer === 'object' && answer !== null, () => wrong(show(answer)))
  const given = answer as Partial<{ shape: Shape; data: ArrayLike<number>; toArray(): ArrayLike<number> }>
  const own = arrayName(answer) !== undefined || Array.isArray(answer)
  // An output's `data` may be bits of float16, or 64-bit integers.
  const data = own
    ? (answer as ArrayLike<number>)
    : typeof given.toArray === 'function'
      ? given.toArray()
      : given.data!
  const numbers = Array.isArray(data)
    ? data.every((v) => typeof v === 'number')
    : /^(Float|U?[Ii]nt\d+)/.test(arrayName(data) ?? '')
  check(numbers, () => wrong(show(own ? answer : (data ?? answer))))
  const shape = own ? [data.length] : given.shape
  check(isShape(shape) && sizeOf(shape) === data.length, () =>
    wrong(`${data.length} of them for the shape ${show(shape)}`),
  )
  return { data, shape }
}

/**
 * One item of a batch: of `rank` axes. More of them in front are those of the batch, of one item where `item`
 * does not say which.
 */
export function itemOf(
  op: string,
  argument: string,
  answer: Answer,
  { ranks, item }: { ranks: readonly number[]; item: number | undefined },
): Numbers {
  const { data, shape } = numbersOf(op, argument, answer)
  const rank = ranks.includes(shape.length) ? shape.length : Math.max(...ranks)
  const [outer, inner] = [shape.slice(0, -rank), shape.slice(-rank)]
  const count = sizeOf(outer)
  check(
    shape.length >= Math.min(...ranks) && outer.length <= 1 && (item !== undefined || count === 1),
    () => ({
      op,
      argument,
      expected: `of ${ranks.join(' or ')} axes, or of a batch of them with \`item\` to say which`,
      got: printShape(shape),
    }),
  )
  if (item !== undefined) checkInteger(item, 'item', 0, count - 1, { op, shapes: { [argument]: shape } })
  const size = sizeOf(inner)
  return { data: part(data, (item ?? 0) * size, size), shape: inner }
}

/** Some of the numbers, without a copy where that can be. */
export const part = (data: ArrayLike<number>, from: number, size: number): ArrayLike<number> =>
  from === 0 && size === data.length
    ? data
    : ArrayBuffer.isView(data)
      ? (data as Float32Array).subarray(from, from + size)
      : Array.prototype.slice.call(data, from, from + size)

/** How scores follow from what a network says. */
export type ScoreActivation = 'none' | 'sigmoid' | 'softmax'
const activations = { none: true, sigmoid: true, softmax: true } as const

/** Throws unless it is one of them. */
export function checkActivation(op: string, activation: unknown): void {
  check(activation === undefined || isName(activation, activations), () => ({
    op,
    argument: 'activation',
    expected: `one of ${Object.keys(activations).join(', ')}`,
    got: show(activation),
  }))
}

const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v))

/** Scores of the classes of one thing: `data[from + i * step]`. */
export function scoresOf(
  { data, from, step, count }: { data: ArrayLike<number>; from: number; step: number; count: number },
  activation: ScoreActivation,
): Float64Array {
  const scores = new Float64Array(count)
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < count; i++) {
    scores[i] = data[from + i * step]!
    if (scores[i]! > most) most = scores[i]!
  }
  if (activation === 'sigmoid') return scores.map(sigmoid)
  if (activation === 'none') return scores
  // exp(x - max) keeps it finite; what is infinite has all of it.
  let sum = 0
  for (let i = 0; i < count; i++) sum += scores[i] = scores[i] === most ? 1 : Math.exp(scores[i]! - most)
  return scores.map((v) => v / sum)
}

/** Names for classes. */
export type Labels = readonly string[]

/** Throws unless there is a label for each class. */
export function checkLabels(op: string, labels: Labels | undefined, count: number): void {
  const isList = Array.isArray(labels) && labels.every((label) => typeof label === 'string')
  check(labels === undefined || (isList && labels.length === count), () => ({
    op,
    argument: 'labels',
    expected: `an array of ${count} names, one for each class`,
    got: isList ? `${labels!.length} of them` : show(labels),
  }))
}

/** Where an input's coordinates lie in the picture that was made to fit it. */
export interface PlaceOptions {
  /** [height, width] of the model's input, in pixels; one number for both. */
  size?: number | readonly [number, number]
  /**
   * The picture as it was before it was made to fit the input, or its sizes: what comes out is in its pixels,
   * and cut at its edges. Needs `size`. Default: in pixels of the input.
   */
  picture?: { readonly width: number; readonly height: number }
  /** How it was made to fit: as `fromImage` and the pictures of a worker have it. Default 'fill'. */
  fit?: 'fill' | 'cover' | 'contain'
}

const fits = { fill: true, cover: true, contain: true } as const

/** From the input's pixels to the picture's, and back. */
export interface Place {
  /** [height, width] of the input, where it was said. */
  size: readonly [number, number] | undefined
  /** Of what comes out, where it is known. */
  bounds: { width: number; height: number } | undefined
  x(inInput: number): number
  y(inInput: number): number
  /** The input's x that a picture's x comes from. */
  inputX(inPicture: number): number
  inputY(inPicture: number): number
}

const isSize = (value: unknown): value is readonly [number, number] =>
  Array.isArray(value) && value.length === 2 && value.every((length) => isInteger(length, 1))

export function placeOf(op: string, { size, picture, fit = 'fill' }: PlaceOptions): Place {
  const both = typeof size === 'number' ? [size, size] : size
  check(both === undefined || isSize(both), () => ({
    op,
    argument: 'size',
    expected: 'a positive integer, or [height, width] of two',
    got: show(size),
  }))
  check(isName(fit, fits), () => ({
    op,
    argument: 'fit',
    expected: `one of ${Object.keys(fits).join(', ')}`,
    got: show(fit),
  }))
  const known = both as readonly [number, number] | undefined
  const same = (v: number) => v
  if (picture === undefined) {
    const bounds = known && { height: known[0], width: known[1] }
    return { size: known, bounds, x: same, y: same, inputX: same, inputY: same }
  }
  const { width, height } = picture ?? {}
  check(isInteger(width, 1) && isInteger(height, 1), () => ({
    op,
    argument: 'picture',
    expected: '{ width, height } in pixels, or what has them',
    got: show(picture),
    hint: 'A video element has videoWidth and videoHeight',
  }))
  check(known !== undefined, () => ({
    op,
    argument: 'size',
    expected: "given beside picture: [height, width] of the model's input",
    got: 'none',
  }))
  const { from, to } = areasOf({ height, width }, { height: known[0], width: known[1] }, fit)
  const [perX, perY] = [from.width / to.width, from.height / to.height]
  return {
    size: known,
    bounds: { width, height },
    x: (v) => from.left + (v - to.left) * perX,
    y: (v) => from.top + (v - to.top) * perY,
    inputX: (v) => to.left + (v - from.left) / perX,
    inputY: (v) => to.top + (v - from.top) / perY,
  }
}

export const clamped = (v: number, low: number, high: number): number => Math.min(high, Math.max(low, v))
