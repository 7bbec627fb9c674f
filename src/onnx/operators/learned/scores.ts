/** What models of ai.onnx.ml have in common: rows of features, transforms of scores, labels. */
import type { ElementType, HostArray } from '../../file/types.js'
import type { Call } from '../../run/call.js'
import type { Value } from '../../run/value.js'

/** x [n, features], or the one row that it is, as numbers. */
export interface Rows {
  count: number
  features: number
  data: Float64Array
}

export function rowsOf(call: Call): Rows {
  const x = call.input(0)
  const { shape } = x
  if (shape.length < 1 || shape.length > 2) call.fail('input 0', '[rows, features] or [features]', shape)
  return { count: shape.length > 1 ? shape[0]! : 1, features: shape.at(-1)!, data: x.data as Float64Array }
}

export const logistic = (v: number): number => 1 / (1 + Math.exp(-v))

/** Winitzki's approximation of the inverse of the error function, which ONNX Runtime has here, of 2 v - 1. */
function probit(v: number): number {
  const x = 2 * v - 1
  const rest = Math.log((1 - x) * (1 + x))
  const half = 2 / (Math.PI * 0.147) + rest / 2
  const root = Math.sqrt(half * half - rest / 0.147)
  return Math.SQRT2 * Math.sign(x) * Math.sqrt(root - half)
}

const SOFT = { SOFTMAX: (_: number) => true, SOFTMAX_ZERO: (v: number) => Math.abs(v) > 1e-7 }

export const TRANSFORMS = ['NONE', 'SOFTMAX', 'LOGISTIC', 'SOFTMAX_ZERO', 'PROBIT']

/** The attribute `post_transform`. */
export function transformOf(call: Call): string {
  const name = call.text('post_transform', 'NONE')
  if (!TRANSFORMS.includes(name)) call.fail('post_transform', `one of ${TRANSFORMS.join(', ')}`, name)
  return name
}

/** The scores of one row as they go out; SOFTMAX_ZERO leaves zeros as they are. */
export function transformed(name: string, row: readonly number[]): number[] {
  if (name === 'LOGISTIC') return row.map(logistic)
  if (name === 'PROBIT') return row.map(probit)
  if (name !== 'SOFTMAX' && name !== 'SOFTMAX_ZERO') return [...row]
  const takes = SOFT[name]
  const most = Math.max(...row)
  const shares = row.map((v) => (takes(v) ? Math.exp(v - most) : v * Math.exp(-most)))
  const sum = shares.reduce((a, v, i) => a + (takes(row[i]!) ? v : 0), 0)
  return shares.map((v) => (sum ? v / sum : v))
}

/** Labels of classes, by one of two attributes: whole numbers or texts. */
export interface Labels {
  type: ElementType
  list: readonly (number | string)[]
}

export function labelsOf(call: Call, ints: string): Labels {
  const texts = call.texts('classlabels_strings')
  const numbers = call.numbers(ints, undefined)
  if (texts?.length) return { type: 'string', list: texts }
  if (numbers?.length) return { type: 'int64', list: numbers }
  return call.fail('attributes', `${ints} or classlabels_strings`, 'neither')
}

/** A label for each row. */
export function labelled(call: Call, { type }: Labels, found: readonly (number | string)[]): Value {
  const data = type === 'string' ? (found as string[]) : Float64Array.from(found as number[])
  return call.host(type, [found.length], data as HostArray)
}

/** The first of the largest. */
export function largest(row: ArrayLike<number>): number {
  let best = 0
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i
  return best
}

/**
 * Both scores of a row that has one, for the second of two labels: shares of 1 where `isShare`, else one the
 * negative of the other, as ONNX Runtime has it.
 */
export function binary(transform: string, score: number, isShare: boolean): number[] {
  if (transform === 'PROBIT') return transformed(transform, [score])
  if (transform === 'LOGISTIC') return [logistic(-score), logistic(score)]
  return [isShare ? 1 - score : -score, score]
}
