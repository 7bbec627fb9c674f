/** What the outputs of a model mean to a person: classes, pictures, or numbers. */

import type { Picture } from '../node/picture.js'
import type { ModelOutput } from '../onnx/index.js'
import { count } from './table.js'

/** A class and how likely it is, from 0 to 1. */
export interface Class {
  index: number
  probability: number
}

/** Sums of probabilities are off by no more. */
const NEAR_ONE = 0.01
/** Smaller outputs are no pictures. */
const SMALLEST = 8
/** Outputs of no more numbers are printed whole. */
const FEW = 16

/**
 * The classes of an output [n classes] of one picture, the likeliest first; undefined where it does not look
 * like one. Logits become probabilities.
 */
export function classesOf(output: ModelOutput): Class[] | undefined {
  const { shape, type } = output
  const long = shape.filter((length) => length !== 1)
  if (long.length !== 1 || long[0]! < 2 || !type.includes('float')) return undefined
  const values = Float64Array.from(output.toArray() as ArrayLike<number>)
  const sum = values.reduce((a, b) => a + b)
  const greatest = values.reduce((a, b) => Math.max(a, b))
  const done = values.every((v) => v >= 0) && Math.abs(sum - 1) < NEAR_ONE
  const powers = done ? values : values.map((v) => Math.exp(v - greatest))
  const all = done ? 1 : powers.reduce((a, b) => a + b)
  return [...powers]
    .map((power, index) => ({ index, probability: power / all }))
    .sort((a, b) => b.probability - a.probability)
}

/**
 * An output [1, channels, height, width] or [1, height, width, channels] of 1, 3 or 4 channels as a picture;
 * `range`: the values of black and white.
 */
export function pictureOf(output: ModelOutput, [low, high]: readonly [number, number]): Picture | undefined {
  const { shape, type } = output
  if (shape.length < 3 || shape.length > 4 || (shape.length === 4 && shape[0] !== 1) || type === 'string')
    return undefined
  const [a, b, c] = shape.slice(-3) as [number, number, number]
  const channelsFirst = [1, 3, 4].includes(a)
  if (!channelsFirst && ![1, 3, 4].includes(c)) return undefined
  const [channels, height, width] = channelsFirst ? [a, b, c] : [c, a, b]
  if (height < SMALLEST || width < SMALLEST) return undefined
  const values = output.toArray() as ArrayLike<number>
  const data = new Uint8ClampedArray(width * height * 4).fill(255)
  for (let i = 0; i < width * height; i++) {
    for (let k = 0; k < Math.max(3, channels); k++) {
      const channel = channels === 1 ? 0 : k
      const value = values[channelsFirst ? channel * width * height + i : i * channels + channel]!
      data[i * 4 + k] = (255 * (value - low)) / (high - low)
    }
  }
  return { data, width, height }
}

/** How much of an output lies beyond black and white, from 0 to 1. */
export function shareBeyond(output: ModelOutput, [black, white]: readonly [number, number]): number {
  const values = output.toArray() as Float32Array
  const [least, most] = [Math.min(black, white), Math.max(black, white)]
  return values.reduce((beyond, v) => beyond + Number(v < least || v > most), 0) / values.length
}

const number = (value: unknown): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(4))) : String(value)

/** Least, mean and greatest of an output's numbers, or all where they are few. */
export function numbersOf(output: ModelOutput): string {
  const values = output.toArray()
  if (values.length <= FEW) return Array.from(values as ArrayLike<unknown>, number).join(', ')
  if (output.type === 'string') return `${count(values.length)} texts`
  const numbers = values as Float32Array
  let [least, most, sum, missing] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0]
  for (const value of numbers) {
    if (Number.isNaN(value)) missing++
    else {
      if (value < least) least = value
      if (value > most) most = value
      sum += value
    }
  }
  const spread = `from ${number(least)} to ${number(most)}, mean ${number(sum / (numbers.length - missing))}`
  return missing ? `${missing === numbers.length ? 'all' : `${spread}, ${count(missing)}`} NaN` : spread
}

/** Names of classes: one a line, or a JSON list, or JSON or Python's { number: name }. */
export function parseLabels(text: string): string[] {
  const trimmed = text.trim()
  if (trimmed.startsWith('[')) return JSON.parse(trimmed).map(String)
  if (!trimmed.startsWith('{')) return trimmed.split(/\r?\n/)
  const names: string[] = []
  for (const [, index, , name] of trimmed.matchAll(/["']?(\d+)["']?\s*:\s*(["'])((?:\\.|(?!\2).)*)\2/g))
    names[Number(index)] = name!.replace(/\\(.)/g, '$1')
  return names
}
