/** Made-up inputs for a model that nobody described: seeded, so that everybody gets the same. */

/**
 * @typedef {{ name: string, type: string, shape?: readonly (number | string | null)[] }} Port
 * @typedef {{ type: string, shape: number[], data: any }} Feed `data` as a user gives it
 */

/** Of a picture whose size the file leaves open. */
const SIDE = 224
/** Of 4 bytes in 4 GiB. */
const MOST_NUMBERS = 2 ** 30

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed = 1) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * How a type's elements are made of a random number: floats from 0 to 1, bytes over all their range, and of
 * what may be an index, a count or a token 0 or 1, which hardly any model refuses. Halves are 0.5 to 1, by
 * their bits.
 * @type {Record<string, [array: new (length: number) => any, of: (random: number) => any]>}
 */
const kinds = {
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
 * three channels where it looks like one, else 1.
 * @param {readonly Port[]} ports
 * @param {{ dimensions?: Record<string, number>, picture?: { width: number, height: number } }} options
 * @returns {{ shapes: Map<string, number[]>, chosen: Record<string, number> }} throws an Error where a shape
 *   is not known or too large
 */
export function lengthsFor(ports, { dimensions = {}, picture = { width: SIDE, height: SIDE } } = {}) {
  /** @type {Record<string, number>} */
  const chosen = {}
  const shapes = new Map()
  for (const { name, shape } of ports) {
    if (!shape) throw new Error(`input ${name} is of any shape: nothing to try it with`)
    const open = shape.length === 4 ? [1, 3, picture.height, picture.width] : []
    const lengths = shape.map((length, axis) => {
      if (typeof length === 'number') return length
      const symbol = length ?? `${name}[${axis}]`
      chosen[symbol] ??= dimensions[symbol] ?? open[axis] ?? 1
      return chosen[symbol]
    })
    if (lengths.reduce((product, length) => product * length, 1) > MOST_NUMBERS)
      throw new Error(`input ${name} of [${lengths.join(', ')}] is larger than an engine's memory`)
    shapes.set(name, lengths)
  }
  return { shapes, chosen }
}

/**
 * An array of a type with as many elements: random ones, or where it is given that number in each.
 * @param {string} type
 * @param {number} size
 * @param {() => number} random
 * @param {number} [value]
 */
export function elementsOf(type, size, random, value) {
  if (type === 'string') return new Array(size).fill('')
  const kind = kinds[type]
  if (!kind) throw new Error(`nothing to try ${type} with`)
  const [Elements, of] = kind
  const data = new Elements(size)
  const big = type === 'int64' || type === 'uint64'
  for (let i = 0; i < size; i++)
    data[i] = value === undefined ? of(random()) : big ? BigInt(Math.trunc(value)) : value
  return data
}

/**
 * Inputs by name. `values`: the one number that an input is filled with.
 * @param {readonly Port[]} ports
 * @param {{ seed?: number, dimensions?: Record<string, number>, values?: Record<string, number>, picture?: {
 *   width: number, height: number } }} options
 * @returns {{ inputs: Record<string, Feed>, chosen: Record<string, number> }}
 */
export function sampleInputs(ports, { seed, values = {}, ...lengths } = {}) {
  const { shapes, chosen } = lengthsFor(ports, lengths)
  const random = seeded(seed)
  const inputs = ports.map(({ name, type }) => {
    const shape = shapes.get(name)
    const size = shape.reduce((product, length) => product * length, 1)
    return [name, { type, shape, data: elementsOf(type, size, random, values[name]) }]
  })
  return { inputs: Object.fromEntries(inputs), chosen }
}
