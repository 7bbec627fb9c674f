/** Made-up inputs for a model that nobody described: seeded, so that everybody gets the same. */

import type { ElementType, UserArray } from '../src/onnx/index.js'

/** An input as a file tells of it. */
export interface Port {
  name: string
  type: string
  shape?: readonly (number | string | null)[] | undefined
}

/** What an input is given. */
export interface Feed {
  type: ElementType
  shape: number[]
  data: UserArray
}

export interface LengthOptions {
  /** Lengths by the names of axes that the file leaves open, 'x[1]' where it gives none. */
  dimensions?: Record<string, number> | undefined
  /** The size of pictures that it leaves open. */
  picture?: { width: number; height: number } | undefined
  /** Of last axes that it leaves open: of tokens, or of sound. Default 1, as of all others. */
  length?: number | undefined
}

export interface SampleOptions extends LengthOptions {
  seed?: number | undefined
  /** The numbers that an input is filled with, again and again, by its name. */
  values?: Record<string, readonly number[]> | undefined
}

/** Of a picture whose size the file leaves open. */
const SIDE = 224
/** Of 4 bytes in 4 GiB. */
const MOST_NUMBERS = 2 ** 30

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed = 1): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

type Kind =
  | [array: new (length: number) => Exclude<Numeric, BigArray>, of: (random: number) => number]
  | [array: new (length: number) => BigArray, of: (random: number) => bigint]
type Numeric = Exclude<UserArray, readonly string[]>
type BigArray = BigInt64Array | BigUint64Array

/**
 * How a type's elements are made of a random number: floats from 0 to 1, bytes over all their range, and of
 * what may be an index, a count or a token 0 or 1, which hardly any model refuses. Halves are 0.5 to 1, by
 * their bits.
 */
const kinds: Record<string, Kind> = {
  float32: [Float32Array, (v) => v],
  float64: [Float64Array, (v) => v],
  float16: [Uint16Array, (v) => 0x3800 | (v * 1024)],
  bfloat16: [Uint16Array, (v) => 0x3f00 | (v * 128)],
  uint8: [Uint8Array, (v) => v * 256],
  int8: [Int8Array, (v) => v * 256 - 128],
  bool: [Uint8Array, (v) => v * 2],
  int16: [Int16Array, (v) => v * 2],
  uint16: [Uint16Array, (v) => v * 2],
  int32: [Int32Array, (v) => v * 2],
  uint32: [Uint32Array, (v) => v * 2],
  int64: [BigInt64Array, (v) => BigInt(Math.floor(v * 2))],
  uint64: [BigUint64Array, (v) => BigInt(Math.floor(v * 2))],
}

/**
 * Lengths for the axes that a file leaves open, by their names ('x[1]' where it has none): one picture of
 * three channels where it looks like one, `length` along last axes, else 1. Throws where a shape is not known or too large.
 */
export function lengthsFor(
  ports: readonly Port[],
  { dimensions = {}, picture = { width: SIDE, height: SIDE }, length: last = 1 }: LengthOptions = {},
): { shapes: Map<string, number[]>; chosen: Record<string, number> } {
  const chosen: Record<string, number> = {}
  const shapes = new Map<string, number[]>()
  for (const { name, shape } of ports) {
    if (!shape) throw new Error(`input ${name} is of any shape: nothing to try it with`)
    const open = shape.length === 4 ? [1, 3, picture.height, picture.width] : []
    const lengths = shape.map((length, axis) => {
      if (typeof length === 'number') return length
      const symbol = length ?? `${name}[${axis}]`
      chosen[symbol] ??= dimensions[symbol] ?? open[axis] ?? (axis && axis === shape.length - 1 ? last : 1)
      return chosen[symbol]
    })
    if (lengths.reduce((product, length) => product * length, 1) > MOST_NUMBERS)
      throw new Error(`input ${name} of [${lengths.join(', ')}] is larger than an engine's memory`)
    shapes.set(name, lengths)
  }
  return { shapes, chosen }
}

/** An array of a type with as many elements: random ones, or these numbers again and again. */
export function elementsOf(
  type: string,
  size: number,
  random: () => number,
  values?: readonly number[],
): UserArray {
  if (type === 'string') return new Array<string>(size).fill('')
  const kind = kinds[type]
  if (!kind) throw new Error(`nothing to try ${type} with`)
  const [Elements, of] = kind
  const data = new Elements(size)
  const big = type === 'int64' || type === 'uint64'
  for (let i = 0; i < size; i++) {
    const value = values?.[i % values.length]
    data[i] = value === undefined ? of(random()) : big ? BigInt(Math.trunc(value)) : value
  }
  return data
}

/** Inputs by name. */
export function sampleInputs(
  ports: readonly Port[],
  { seed, values = {}, ...lengths }: SampleOptions = {},
): { inputs: Record<string, Feed>; chosen: Record<string, number> } {
  const { shapes, chosen } = lengthsFor(ports, lengths)
  const random = seeded(seed)
  const inputs = ports.map(({ name, type }): [string, Feed] => {
    const shape = shapes.get(name)!
    const size = shape.reduce((product, length) => product * length, 1)
    return [name, { type: type as ElementType, shape, data: elementsOf(type, size, random, values[name]) }]
  })
  return { inputs: Object.fromEntries(inputs), chosen }
}
