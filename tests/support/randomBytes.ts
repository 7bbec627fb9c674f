/** Random tensors of 8-bit integers, and layers on them. */
import type { ByteType, Engine, Tensor } from '../../src/index.js'
import type { Random } from './random.js'
import { type Bytes, type Geometry, RANGES } from './referenceBytes.js'

export const TYPES = ['int8', 'uint8'] as const
export const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

/** Elements of a type, many of them at its ends. */
export const elements = (random: Random, dtype: Bytes['dtype'], length: number): number[] =>
  Array.from({ length }, () =>
    random.next() < 0.15
      ? random.pick(RANGES[dtype])
      : random.integer(...(RANGES[dtype] as [number, number])),
  )

export function randomBytes(random: Random, shape: number[], isFilter = false): Bytes {
  const dtype = random.pick(TYPES)
  const scale = () => Math.fround(0.001 + random.next() * 0.1)
  const symmetric = isFilter && random.next() < 0.7
  const zero = () => (symmetric ? (dtype === 'int8' ? 0 : 128) : elements(random, dtype, 1)[0]!)
  const count = shape.at(-1)!
  const quantization =
    isFilter && random.next() < 0.5
      ? {
          scale: Array.from({ length: count }, scale),
          zeroPoint: Array.from({ length: count }, zero),
          axis: shape.length - 1,
        }
      : { scale: scale(), zeroPoint: zero() }
  return { shape, data: elements(random, dtype, product(shape)), dtype, quantization }
}

export const tensorOf = (engine: Engine, { data, shape, dtype, quantization }: Bytes): Tensor<ByteType> =>
  engine.tensor(data as number[], shape, { dtype, quantization })

/** Layers that each algorithm fits some of. */
export function randomProblem(random: Random) {
  const [groups, depth, each] = random.pick([
    [1, random.integer(1, 40), random.integer(1, 30)],
    [1, random.integer(1, 20), random.integer(1, 20)],
    [1, random.integer(1, 90), random.integer(1, 6)],
    [random.integer(1, 40), 1, 1],
    [random.integer(2, 4), random.integer(1, 9), random.integer(1, 9)],
    [random.integer(2, 9), random.pick([1, 2, 4]), random.integer(1, 8)],
  ]) as [number, number, number]
  const size = random.pick([1, 3, 3, 3, 5, random.integer(1, 5), random.integer(6, 9)])
  const plain = random.next() < 0.6
  const geometry: Geometry = {
    stride: plain ? 1 : random.integer(1, 3),
    dilation: plain ? 1 : random.integer(1, 2),
    padding: random.next() < 0.9 ? random.integer(0, 2) : random.integer(3, 9),
    groups,
  }
  const least = geometry.dilation * (size - 1) + 1
  const x = randomBytes(random, [
    random.integer(1, 2),
    least + random.integer(0, 10),
    least + random.integer(0, 13),
    groups * depth,
  ])
  const w = randomBytes(
    random,
    [size, random.next() < 0.8 ? size : random.integer(1, size), depth, groups * each],
    true,
  )
  const bias =
    random.next() < 0.7
      ? Int32Array.from({ length: groups * each }, () => random.integer(-30000, 30000))
      : undefined
  return { x, w, bias, geometry }
}

export const randomOutput = (random: Random, depth: number) => {
  const dtype = random.pick(TYPES)
  const scale = Math.fround(0.01 + random.next() * Math.sqrt(depth))
  return { dtype, quantization: { scale, zeroPoint: elements(random, dtype, 1)[0]! } }
}

/** All ways of an engine to multiply bytes: the host's, and that of hosts without by both loops. */
export function inEveryWay(engine: Engine, body: () => void): void {
  const { byteDot, tile } = engine
  try {
    if (byteDot !== 'none') body()
    for (const other of ['unrolled', 'rolled'] as const) {
      Object.assign(engine, { byteDot: 'none', tile: other })
      body()
    }
  } finally {
    Object.assign(engine, { byteDot, tile })
  }
}
