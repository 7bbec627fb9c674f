/** What weights are before they have learned. */
import { check, show } from '../base/errors.js'
import { type Shape, sizeOf } from '../base/shape.js'
import { isName } from '../core/options.js'
import type { Random } from './random.js'

/**
 * Weights of a shape whose last axis counts outputs; each output adds up `fanIn` products, each input goes
 * into `fanOut`.
 */
export type Initializer = (random: Random, shape: Shape, fanIn: number, fanOut: number) => Float32Array

const fill = (shape: Shape, value: () => number): Float32Array =>
  Float32Array.from({ length: sizeOf(shape) }, value)

/**
 * Normal with variance 2 / fanIn, for layers before a relu. (He et al., "Delving deep into rectifiers", 2015)
 */
export const he: Initializer = (random, shape, fanIn) => {
  const deviation = Math.sqrt(2 / fanIn)
  return fill(shape, () => deviation * random.normal())
}

/**
 * Uniform with variance 2 / (fanIn + fanOut). (Glorot & Bengio, "Understanding the difficulty of training
 * deep feedforward neural networks", 2010)
 */
export const glorot: Initializer = (random, shape, fanIn, fanOut) => {
  const limit = Math.sqrt(6 / (fanIn + fanOut))
  return fill(shape, () => limit * (2 * random.next() - 1))
}

/** Uniform within 1 / sqrt(fanIn). */
export const uniform: Initializer = (random, shape, fanIn) => {
  const limit = 1 / Math.sqrt(fanIn)
  return fill(shape, () => limit * (2 * random.next() - 1))
}

/**
 * Columns of length 1, at right angles to each other where there are at least as many rows, else rows. (Saxe
 * et al., 2014; Gram & Schmidt on normal numbers)
 */
export const orthogonal: Initializer = (random, shape) => {
  const columns = shape.at(-1)!
  const rows = sizeOf(shape) / columns
  const tall = rows >= columns
  const [length, count] = tall ? [rows, columns] : [columns, rows]
  const vectors: Float64Array[] = []
  while (vectors.length < count) {
    const vector = Float64Array.from({ length }, () => random.normal())
    const before = lengthOf(vector)
    straighten(vector, vectors)
    let norm = lengthOf(vector)
    // What rounding leaves of the others shows where little is left of the vector; twice is enough. (Giraud
    // et al., 2005)
    if (norm < before / 2) {
      straighten(vector, vectors)
      norm = lengthOf(vector)
    }
    vectors.push(vector.map((v) => v / norm))
  }
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const row = Math.floor(i / columns)
    const column = i % columns
    return tall ? vectors[column]![row]! : vectors[row]![column]!
  })
}

function lengthOf(vector: Float64Array): number {
  let sum = 0
  for (const v of vector) sum += v * v
  return Math.sqrt(sum)
}

/**
 * Takes off a vector what it has along others, which are at right angles and of length 1: four of them by one
 * walk over the vector.
 */
function straighten(vector: Float64Array, others: readonly Float64Array[]): void {
  const { length } = vector
  let first = 0
  for (; first + 4 <= others.length; first += 4) {
    const [a, b, c, d] = others.slice(first, first + 4) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ]
    let [alongA, alongB, alongC, alongD] = [0, 0, 0, 0]
    for (let i = 0; i < length; i++) {
      const v = vector[i]!
      alongA += v * a[i]!
      alongB += v * b[i]!
      alongC += v * c[i]!
      alongD += v * d[i]!
    }
    for (let i = 0; i < length; i++)
      vector[i]! -= alongA * a[i]! + alongB * b[i]! + (alongC * c[i]! + alongD * d[i]!)
  }
  for (const other of others.slice(first)) {
    let along = 0
    for (let i = 0; i < length; i++) along += vector[i]! * other[i]!
    for (let i = 0; i < length; i++) vector[i]! -= along * other[i]!
  }
}

/** An initialiser by name, or one's own. */
export type Initial = 'he' | 'glorot' | 'uniform' | 'orthogonal' | Initializer

const named: Record<Extract<Initial, string>, Initializer> = { he, glorot, uniform, orthogonal }

export function initializerOf(initial: Initial, op: string): Initializer {
  if (typeof initial === 'function') return initial
  check(isName(initial, named), () => ({
    op,
    argument: 'initial',
    expected: `one of ${Object.keys(named).join(', ')} or a function`,
    got: show(initial),
  }))
  return named[initial]
}
