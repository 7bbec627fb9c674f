/** What a model takes while it comes in: its own size, whatever its weights are made of. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { PbfWriter } from 'pbf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { toHalf } from '../../src/onnx/file/halves.js'
import { hostRoom, Intake } from '../../src/onnx/file/intake.js'
import { type GraphParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel, type ModelInputs } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const random = new Random(8)
const MB = 2 ** 20
/** A part of the file that comes in at a time. */
const PIECE = 2 ** 18
/** What comes beside the weights: the piece, the small file, garbage. */
const BESIDE = MB

/** A file in pieces, all in one place; `each` is called before the next. */
function streamed(bytes: Uint8Array, each: () => void): ReadableStream<Uint8Array> {
  const piece = new Uint8Array(PIECE)
  let at = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(to) {
        each()
        const next = bytes.subarray(at, at + PIECE)
        at += next.length
        piece.set(next)
        if (next.length) to.enqueue(piece.subarray(0, next.length))
        else to.close()
      },
    },
    { highWaterMark: 0 },
  )
}

/** A tensor of a model whose numbers stand in the field of their type. */
function typedModel(code: number, field: number, shape: number[], numbers: Uint8Array): Uint8Array {
  const file = new PbfWriter()
  const message = (number: number, to: PbfWriter, fill: (inner: PbfWriter) => void) =>
    to.writeMessage(number, (_: undefined, inner: PbfWriter) => fill(inner), undefined)
  message(7, file, (graph) => {
    message(1, graph, (node) => {
      for (const name of ['w', 'i']) node.writeStringField(1, name)
      node.writeStringField(2, 'y')
      node.writeStringField(4, 'Gather')
    })
    message(5, graph, (tensor) => {
      tensor.writePackedVarint(1, shape)
      tensor.writeVarintField(2, code)
      tensor.writeBytesField(field, numbers)
      tensor.writeStringField(8, 'w')
    })
    message(11, graph, (port) => {
      port.writeStringField(1, 'i')
      message(2, port, (type) => message(1, type, (of) => of.writeVarintField(1, 7)))
    })
    message(12, graph, (port) => port.writeStringField(1, 'y'))
  })
  message(8, file, (set) => set.writeVarintField(2, 17))
  return file.finish()
}

/** Whole numbers in seven bits a byte, as a field of them has them. */
function varints(numbers: readonly bigint[]): Uint8Array {
  const bytes: number[] = []
  for (const number of numbers) {
    let rest = BigInt.asUintN(64, number)
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
    bytes.push(Number(rest))
  }
  return Uint8Array.from(bytes)
}

describe('whole numbers of a field', () => {
  const longs = Array.from({ length: 3e4 }, (_, i) => {
    const [high, low] = [random.integer(0, 2 ** 32 - 1), random.integer(0, 2 ** 32 - 1)]
    return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low)) >> BigInt(i % 64)
  })
  longs[longs.length - 1] = 5n
  const field = varints(longs)
  const taken = (file: Uint8Array, lengths: readonly number[]) => {
    const intake = new Intake((_, length) => hostRoom(length), file.length)
    for (let from = 0, i = 0; from < file.length; i++) {
      const length = lengths[i % lengths.length]!
      intake.push(file.slice(from, from + length))
      from += length
    }
    return [...intake.end().rooms.values()]
  }

  it.each([
    ['int64', 7, 7, BigInt64Array],
    ['uint64', 13, 11, BigUint64Array],
    ['int32', 6, 5, Int32Array],
    ['uint32', 12, 11, Uint32Array],
    ['int16', 5, 5, Int16Array],
    ['int8', 3, 5, Int8Array],
  ] as const)('are read in whatever pieces they come: %s', (_, code, number, TypedArray) => {
    const file = typedModel(code, number, [300, 100], field)
    const bits = 8 * TypedArray.BYTES_PER_ELEMENT
    const wanted = new TypedArray(longs.length)
    for (const [i, long] of longs.entries()) {
      const [low, high] = [BigInt.asIntN(bits, long), BigInt.asUintN(bits, long)]
      wanted[i] = (bits === 64 ? low : Number(TypedArray.name.startsWith('Uint') ? high : low)) as never
    }
    for (const lengths of [[file.length], [1, 2, 3, 50_000], [70_001]]) {
      const [room] = taken(file, lengths)
      expect(Buffer.compare(room!.bytes(), new Uint8Array(wanted.buffer))).toBe(0)
    }
  })

  it('are refused where they are none, fewer or more', async () => {
    const engine = await createEngine({ threads: 1 })
    const endless = field.slice().fill(255, 1000, 1011)
    const open = field.slice()
    open[open.length - 1] = 128
    const wrong: [field: Uint8Array, shape: number[], message: RegExp][] = [
      [endless, [300, 100], /a number of more than 10 bytes/],
      [open, [300, 100], /a number that ends beyond what holds it/],
      [field, [301, 100], /must be 240800 bytes, got 240000/],
      [field, [299, 100], /must be 239200 bytes, got 240000/],
    ]
    const { live } = engine.memory()
    for (const [numbers, shape, message] of wrong) {
      await expect(loadModel(engine, typedModel(7, 7, shape, numbers))).rejects.toThrow(message)
      expect(engine.memory().live).toBe(live)
    }
    engine.dispose()
  })
})

describe('a model that comes in', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors).toBe(0)
    engine.dispose()
  })

  const [rows, columns] = [4096, 1024]
  const size = rows * columns
  const whole = Array.from({ length: size }, (_, i) => ((i * 7919) % 4001) - 2000)
  const halves = Uint16Array.from(whole, (v) => toHalf(v / 4096))
  const at = { name: 'i', type: 'int64' as const, shape: [2] }
  const gather = { op: 'Gather', inputs: ['w', 'i'], outputs: ['y'] }
  const x = { name: 'x', shape: [1, rows] }
  const indices = { i: { data: BigInt64Array.of(3n, 4095n), shape: [2] } }
  const rowsOf = (from: ArrayLike<number>) =>
    [3, 4095].flatMap((row) => Array.from({ length: columns }, (_, i) => from[row * columns + i]!))
  const dense = { x: { data: random.floats(rows, -1, 1), shape: [1, rows] } }
  const product = (w: (k: number, n: number) => number) =>
    Array.from({ length: columns }, (_, n) => dense.x.data.reduce((sum, v, k) => sum + v * w(k, n), 0))

  interface Kind {
    bytes: () => Uint8Array
    inputs: ModelInputs
    wanted: () => number[]
    /** Bytes of the weights as raw data. */
    size: number
  }
  const model = (parts: Partial<GraphParts>) =>
    writeModel({ nodes: [], inputs: [], outputs: [{ name: 'y' }], opset: 21, ...parts } as GraphParts)
  const kinds: Record<string, Kind> = {
    int64: {
      bytes: () =>
        model({
          nodes: [gather],
          inputs: [at],
          initializers: [{ name: 'w', shape: [rows, columns], data: BigInt64Array.from(whole, BigInt) }],
        }),
      inputs: indices,
      wanted: () => rowsOf(whole),
      size: 8 * size,
    },
    'int64 in a field of its type': {
      bytes: () => typedModel(7, 7, [rows, columns], varints(whole.map(BigInt))),
      inputs: indices,
      wanted: () => rowsOf(whole),
      size: 8 * size,
    },
    'float16 in a field of integers': {
      bytes: () => typedModel(10, 5, [rows, columns], varints(Array.from(halves, BigInt))),
      inputs: indices,
      wanted: () => rowsOf(whole.map((v) => v / 4096)),
      size: 2 * size,
    },
    'float16 that a node makes float32': {
      bytes: () =>
        model({
          nodes: [
            { op: 'Cast', inputs: ['w'], outputs: ['f'], attributes: { to: 1 } },
            { op: 'MatMul', inputs: ['x', 'f'], outputs: ['y'] },
          ],
          inputs: [x],
          initializers: [{ name: 'w', type: 'float16', shape: [rows, columns], data: halves }],
        }),
      inputs: dense,
      wanted: () => product((k, n) => whole[k * columns + n]! / 4096),
      size: 2 * size,
    },
    'int8 that a node makes float32': {
      bytes: () =>
        model({
          nodes: [
            { op: 'DequantizeLinear', inputs: ['w', 's'], outputs: ['f'] },
            { op: 'MatMul', inputs: ['x', 'f'], outputs: ['y'] },
          ],
          inputs: [x],
          initializers: [
            { name: 'w', shape: [rows, columns], data: Int8Array.from(whole) },
            {
              name: 's',
              shape: [columns],
              data: Float32Array.from({ length: columns }, (_, n) => 1 + (n % 3)),
            },
          ],
        }),
      inputs: dense,
      wanted: () => product((k, n) => ((whole[k * columns + n]! << 24) >> 24) * (1 + (n % 3))),
      size,
    },
    'int4 in blocks that a node makes float32': {
      bytes: () =>
        model({
          nodes: [
            {
              op: 'DequantizeLinear',
              inputs: ['w', 's'],
              outputs: ['f'],
              attributes: { axis: 0, block_size: 64 },
            },
            { op: 'MatMul', inputs: ['x', 'f'], outputs: ['y'] },
          ],
          inputs: [x],
          initializers: [
            { name: 'w', type: 'int4', shape: [rows, columns], data: Int8Array.from(whole, (v) => v % 8) },
            {
              name: 's',
              shape: [rows / 64, columns],
              data: Float32Array.from({ length: size / 64 }, (_, i) => 1 + (i % 5)),
            },
          ],
        }),
      inputs: dense,
      wanted: () =>
        product((k, n) => (whole[k * columns + n]! % 8) * (1 + ((Math.floor(k / 64) * columns + n) % 5))),
      size: size / 2 + size / 16,
    },
    'float32 that is read as it is and transposed': {
      bytes: () =>
        model({
          nodes: [
            { op: 'Gather', inputs: ['w', 'i'], outputs: ['g'] },
            { op: 'Transpose', inputs: ['w'], outputs: ['t'] },
            { op: 'MatMul', inputs: ['g', 't'], outputs: ['y'] },
          ],
          inputs: [at],
          initializers: [
            { name: 'w', shape: [rows, columns], data: Float32Array.from(whole, (v) => v / 2000) },
          ],
        }),
      inputs: indices,
      wanted: () =>
        [3, 4095].flatMap((row) =>
          Array.from({ length: rows }, (_, n) => {
            let sum = 0
            for (let k = 0; k < columns; k++)
              sum += (whole[row * columns + k]! * whole[n * columns + k]!) / 4e6
            return sum
          }),
        ),
      size: 4 * size,
    },
  }

  it.each(Object.entries(kinds))('stands in memory once: %s', async (_, { bytes, inputs, wanted, size }) => {
    const file = bytes()
    const { live } = engine.memory()
    // What the first one found is given back by the second.
    for (let i = 0; i < 2; i++) collect()
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    const look = () => {
      const beside = Math.max(0, process.memoryUsage().arrayBuffers - before)
      most = Math.max(most, engine.memory().live - live + beside)
    }
    using model = await loadModel(engine, streamed(file, look))
    look()
    expect(most).toBeLessThan(1.1 * size + BESIDE)
    expect(most).toBeGreaterThan(0.9 * size)
    const expected = wanted()
    const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
    for (let round = 0; round < 3; round++) {
      const y = model.run(inputs)['y']!.toArray()
      expect(y.length).toBe(expected.length)
      const worst = expected.reduce((most, v, i) => Math.max(most, Math.abs(Number(y[i]) - v)), 0)
      // Sums of 4096 products in float32.
      expect(worst).toBeLessThanOrEqual(1e-5 * largest)
    }
  })
})
