/** Models that come in piece by piece, their large tensors straight into the engine, and what is kept of them. */

import fc from 'fast-check'
import { PbfWriter } from 'pbf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { atOnce } from '../../src/base/turns.js'
import { createEngine, type Engine, type Tensor } from '../../src/index.js'
import { toHalf } from '../../src/onnx/file/halves.js'
import { hostRoom, Intake, LARGE, type Room } from '../../src/onnx/file/intake.js'
import { readModel } from '../../src/onnx/file/schema.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { inspectModel, loadModel, type ModelSource } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'

const random = new Random(3)
/** Numbers in [depth, columns] of one tensor: 512 KB. */
const [DEPTH, COLUMNS] = [256, 512]
const floats = (size: number) => random.floats(size, -0.1, 0.1)
const weights = ['a', 'b', 'c', 'd'].map((name) => ({
  name,
  shape: name < 'c' ? [DEPTH, COLUMNS] : [COLUMNS, DEPTH],
  data: floats(DEPTH * COLUMNS),
}))
const SIZE = 4 * 4 * DEPTH * COLUMNS
// x a c b d
const products = {
  nodes: [
    { op: 'MatMul', inputs: ['x', 'a'], outputs: ['p'] },
    { op: 'Gemm', inputs: ['p', 'c'], outputs: ['q'] },
    { op: 'Gemm', inputs: ['q', 'b'], outputs: ['r'] },
    { op: 'MatMul', inputs: ['r', 'd'], outputs: ['y'] },
  ],
  inputs: [{ name: 'x', shape: ['n', DEPTH] }],
  outputs: [{ name: 'y' }],
  initializers: weights,
}
const bytes = writeModel(products)

/** The same file with its numbers in the typed field that older exporters write: its key is another. */
const typed = bytes.slice()
for (const { data } of weights) {
  const first = Buffer.from(data.buffer, 0, 64)
  // The key, and a length of three bytes.
  const at = Buffer.from(typed.buffer).indexOf(first) - 4
  expect(typed[at]).toBe((9 << 3) | 2)
  typed[at] = (4 << 3) | 2
}

/** The file in pieces of these lengths, again and again. */
function* piecesOf(whole: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < whole.length; i++) {
    const length = lengths[i % lengths.length]!
    yield whole.slice(at, at + length)
    at += length
  }
}

it.each([
  ['raw bytes', bytes],
  ['floats', typed],
])('cuts large tensors out of a file as %s, whatever pieces it comes in', (_, bytes) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 6 }), (lengths) => {
      const rooms: Room[] = []
      const intake = new Intake((type, length) => {
        expect(type).toBe('float32')
        rooms.push(hostRoom(length))
        return rooms.at(-1)!
      }, bytes.length)
      for (const piece of piecesOf(bytes, lengths.some((n) => n > 20) ? lengths : [7, 5000]))
        intake.push(piece)
      const { bytes: rest, rooms: found } = intake.end()
      expect(intake.size).toBe(bytes.length)
      expect(rest.length).toBeLessThan(1000)
      const { graph } = atOnce(readModel(rest))
      expect(graph.node.map(({ opType }) => opType)).toEqual(products.nodes.map(({ op }) => op))
      graph.initializer.forEach(({ dims, name, rawData, floatData }, i) => {
        expect({ dims, name }).toEqual({ dims: weights[i]!.shape, name: weights[i]!.name })
        expect(found.get((rawData ?? floatData[0])!.byteOffset)).toBe(rooms[i])
        expect(Buffer.compare(rooms[i]!.bytes(), new Uint8Array(weights[i]!.data.buffer))).toBe(0)
      })
    }),
    { numRuns: 20, seed: 2 },
  )
})

it('leaves small files, and what is none, as they are', () => {
  for (const whole of [
    bytes.slice(0, 300),
    new Uint8Array(LARGE).fill(255),
    new Uint8Array(200_000).fill(58),
  ]) {
    const intake = new Intake(() => expect.unreachable(), whole.length)
    for (const piece of piecesOf(whole, [1, 100, 70_000])) intake.push(piece)
    expect(Buffer.compare(intake.end().bytes, whole)).toBe(0)
  }
})

describe('a model of large tensors', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())
  const x = { data: floats(3 * DEPTH), shape: [3, DEPTH] }
  /** As much as runs of it need beside the weights. */
  const BESIDE = 1 << 18

  const forms: [string, () => ModelSource][] = [
    ['bytes', () => bytes],
    ['bytes with typed fields', () => typed],
    ['a blob', () => new Blob([Uint8Array.from(bytes)])],
    [
      'a stream that does not say how long it is',
      () => {
        const pieces = piecesOf(bytes, [65_000, 3, 90_001])
        return new ReadableStream<Uint8Array>({
          pull: (to) => {
            const { done, value } = pieces.next()
            if (done) to.close()
            else to.enqueue(value)
          },
        })
      },
    ],
  ]
  let answer: ReturnType<Tensor['toArray']> | undefined
  it.each(forms)('stands in the engine once: as %s', async (_, source) => {
    const { live, tensors } = engine.memory()
    {
      using model = await loadModel(engine, source())
      const loaded = engine.memory().live - live
      expect(loaded).toBeGreaterThanOrEqual(SIZE)
      expect(loaded).toBeLessThan(SIZE + BESIDE)
      const first = model.run({ x })['y']!.toArray() as Float32Array
      answer ??= first
      expect(first).toEqual(answer)
      // Weights became panels, and stand there alone.
      expect(engine.memory().live - live).toBeLessThan(SIZE + BESIDE)
      expect(model.run({ x })['y']!.toArray()).toEqual(first)
      expect(model.run({ x })['y']!.toArray()).toEqual(first)
      // One more row or less, and with what was joined apart.
      const one = model.run({ x: { data: x.data.slice(0, DEPTH), shape: [1, DEPTH] } }, { taps: ['p', 'q'] })
      // Sums of one row alone have another order.
      for (const [i, value] of one['y']!.toArray().entries())
        expect(value as number, `y[${i}]`).toBeCloseTo(first[i]!, 4)
      expect(one['p']!.shape).toEqual([1, COLUMNS])
    }
    expect(engine.memory().tensors).toBe(tensors)
    expect(engine.memory().live - live).toBeLessThan(BESIDE)
  })

  it('joins numbers that come in several fields', async () => {
    const { data, name, shape } = weights[0]!
    const fields = [data.subarray(0, LARGE), data.subarray(LARGE, LARGE + 5), data.subarray(LARGE + 5)]
    const file = new PbfWriter()
    file.writeMessage(
      7,
      (_, graph) => {
        graph.writeMessage(
          5,
          (_, tensor) => {
            tensor.writePackedVarint(1, shape)
            tensor.writeVarintField(2, 1)
            for (const field of fields) tensor.writeBytesField(4, new Uint8Array(field.slice().buffer))
            tensor.writeStringField(8, name)
          },
          undefined,
        )
        const port = (_: undefined, value: PbfWriter) => value.writeStringField(1, name)
        graph.writeMessage(12, port, undefined)
      },
      undefined,
    )
    file.writeMessage(8, (_, set) => set.writeVarintField(2, 17), undefined)
    using model = await loadModel(engine, file.finish())
    for (let round = 0; round < 2; round++) expect(model.run({})[name]!.toArray()).toEqual(data)
  })

  it('gives its numbers back from panels where others want them', async () => {
    const [first] = weights
    // The same weights packed, gathered from, and given out.
    using model = await loadModel(
      engine,
      writeModel({
        nodes: [
          { op: 'MatMul', inputs: ['x', 'a'], outputs: ['y'] },
          { op: 'Gather', inputs: ['a', 'i'], outputs: ['rows'] },
        ],
        inputs: [
          { name: 'x', shape: ['n', DEPTH] },
          { name: 'i', type: 'int64', shape: ['k'] },
        ],
        outputs: [{ name: 'y' }, { name: 'rows' }],
        initializers: [first!],
      }),
    )
    const inputs = { x, i: { data: BigInt64Array.of(255n, 3n), shape: [2] } }
    const row = (i: number) => [...first!.data.slice(i * COLUMNS, (i + 1) * COLUMNS)]
    for (let round = 0; round < 4; round++)
      expect([...model.run(inputs)['rows']!.toArray()]).toEqual([...row(255), ...row(3)])
  })

  it('holds halves as they are until they are used', async () => {
    const halves = weights.map(({ data, ...rest }) => ({
      ...rest,
      type: 'float16' as const,
      data: Uint16Array.from(data, toHalf),
    }))
    const port = (name: string) => ({ name, type: 'float16' as const })
    const source = writeModel({
      ...products,
      initializers: halves,
      inputs: [{ ...port('x'), shape: ['n', DEPTH] }],
      outputs: [port('y')],
    })
    const { live } = engine.memory()
    using model = await loadModel(engine, source)
    expect(engine.memory().live - live).toBeLessThan(SIZE / 2 + BESIDE)
    const data = Uint16Array.from(x.data, toHalf)
    using wide = await loadModel(engine, bytes)
    const wanted = wide.run({ x })['y']!.toArray() as Float32Array
    for (let round = 0; round < 2; round++) {
      const y = model.run({ x: { data, shape: x.shape } })['y']!.toArray() as Float32Array
      const largest = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
      y.forEach((v, i) => void expect(Math.abs(v - wanted[i]!)).toBeLessThan(0.01 * largest))
    }
  })

  it('is inspected without its numbers', async () => {
    const { layers, problems, dataFiles } = await inspectModel(bytes)
    expect(layers.map(({ parameters }) => parameters)).toEqual(Array(4).fill(DEPTH * COLUMNS))
    expect({ problems, dataFiles }).toEqual({ problems: [], dataFiles: [] })
  })

  it('leaves nothing in the engine where it breaks off', async () => {
    const { live, tensors } = engine.memory()
    for (const end of [bytes.length >> 1, bytes.length - 10])
      await expect(loadModel(engine, bytes.slice(0, end))).rejects.toThrow(/whole ONNX file/)
    const stop = new AbortController()
    const pulled = new ReadableStream<Uint8Array>({
      pull: (to) => {
        to.enqueue(bytes.slice(0, SIZE >> 1))
        stop.abort(new Error('enough'))
      },
    })
    await expect(loadModel(engine, pulled, { signal: stop.signal })).rejects.toThrow('enough')
    expect(engine.memory()).toMatchObject({ live, tensors })
  })
})
