/**
 * What goes wrong between a file and its answer, and that a model and its engine are as good as new after it.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, FilterbankError } from '../../src/index.js'
import { type ModelParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'

const random = new Random(14)

/**
 * Convolutions of `channels`, joined with a normalisation, biases and activations; an image of any size and
 * number.
 */
const parts = (channels = 8): ModelParts => ({
  nodes: [
    { op: 'Conv', inputs: ['x', 'w1'], outputs: ['c1'], name: 'first', attributes: { pads: [1, 1, 1, 1] } },
    { op: 'BatchNormalization', inputs: ['c1', 'scale', 'scale', 'scale', 'variance'], outputs: ['n1'] },
    { op: 'Relu', inputs: ['n1'], outputs: ['r1'] },
    { op: 'Conv', inputs: ['r1', 'w2'], outputs: ['c2'], name: 'second', attributes: { pads: [1, 1, 1, 1] } },
    { op: 'Add', inputs: ['c2', 'shift'], outputs: ['a2'] },
    { op: 'Sigmoid', inputs: ['a2'], outputs: ['s2'] },
    { op: 'Mul', inputs: ['a2', 's2'], outputs: ['silu'] },
    { op: 'Add', inputs: ['silu', 'r1'], outputs: ['sum'] },
    { op: 'GlobalAveragePool', inputs: ['sum'], outputs: ['y'] },
  ],
  inputs: [{ name: 'x', shape: ['n', 3, 'h', 'w'] }],
  outputs: [{ name: 'y' }, { name: 'sum' }],
  initializers: [
    { name: 'w1', shape: [channels, 3, 3, 3], data: random.floats(channels * 27) },
    { name: 'scale', shape: [channels], data: random.floats(channels) },
    { name: 'variance', shape: [channels], data: random.floats(channels).map((v) => v * v + 1) },
    { name: 'w2', shape: [channels, channels, 3, 3], data: random.floats(channels * channels * 9) },
    { name: 'shift', shape: [channels, 1, 1], data: random.floats(channels) },
  ],
})
const bytes = writeModel(parts())
const image = (n: number, h: number, w: number) => ({
  data: random.floats(n * 3 * h * w),
  shape: [n, 3, h, w],
})
const inner = ['c1', 'n1', 'r1', 'c2', 'a2', 's2', 'silu']

describe('trouble with a model', () => {
  let engine: Engine
  const still = ({ peak, ...memory }: ReturnType<Engine['memory']>) => memory
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
    // Scratch grows to what the largest needs, once.
    using model = await loadModel(engine, bytes)
    for (const [h, w] of [
      [24, 24],
      [9, 9],
      [24, 24],
    ] as const)
      for (let i = 0; i < 2; i++) model.run({ x: image(2, h, w) }, { taps: i ? inner : [] })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  it('gives back every byte, after runs of all kinds', async () => {
    const before = still(engine.memory())
    const model = await loadModel(engine, bytes)
    for (const x of [image(1, 9, 9), image(2, 9, 9), image(1, 7, 5), image(2, 24, 24), image(1, 9, 9)]) {
      for (let i = 0; i < 3; i++) model.run({ x })
      await model.runAsync({ x }, { taps: inner })
    }
    model.dispose()
    expect(still(engine.memory())).toEqual(before)
  })

  it('plans again where sizes change, and holds no more for it', async () => {
    using model = await loadModel(engine, bytes)
    const images = [image(1, 9, 9), image(2, 9, 9), image(1, 7, 5), image(2, 24, 24)]
    const fresh = [] as Float32Array[][]
    for (const x of images) {
      using other = await loadModel(engine, bytes, {
        dimensions: { n: x.shape[0]!, h: x.shape[2]!, w: x.shape[3]! },
      })
      expect(other.inputs[0]!.shape).toEqual(x.shape)
      // Bound lengths need no shape with the numbers.
      const { y, sum } = other.run({ x: x.data })
      fresh.push([y, sum].map((output) => output!.toArray() as Float32Array))
      expect(() => other.run({ x: image(3, 9, 9) })).toThrow(
        /float32 \[\d, 3, \d+, \d+\], got float32 \[3, 3, 9, 9\]/,
      )
    }
    const held: number[] = []
    for (let round = 0; round < 5; round++) {
      for (const [i, x] of images.entries()) {
        for (let again = 0; again < 2; again++) {
          const { y, sum } = model.run({ x })
          expect([y, sum].map((output) => output!.toArray())).toEqual(fresh[i])
        }
      }
      held.push(engine.memory().live)
    }
    // The allocator does not cut a block for a few bytes less, so that a round may hold some more than
    // another; but it does not add up.
    expect(held.at(-1)).toBeLessThanOrEqual(Math.max(...held.slice(0, 2)))
  })

  it('gives outputs that later runs leave alone, and takes inputs that may be written at once', async () => {
    using model = await loadModel(engine, bytes)
    const x = image(1, 9, 9)
    const first = model.run({ x })['y']!
    const wanted = Array.from(first.toArray() as Float32Array)
    const own = first.data as Float32Array
    expect(first.data).toBe(own)
    ;(first.toArray() as Float32Array).fill(0)
    for (let i = 0; i < 3; i++) model.run({ x: image(1, 9, 9) })
    expect([...first.toArray()]).toEqual(wanted)
    expect([...own]).toEqual(wanted)
    const copies = [1, 2].map(() => ({ data: x.data.slice(), shape: x.shape }))
    const answers = copies.map((copy) => model.runAsync({ x: copy }))
    for (const { data } of copies) data.fill(0)
    using tensor = engine.tensor(x.data, x.shape)
    answers.push(model.runAsync({ x: tensor }))
    tensor.set(new Float32Array(x.data.length))
    for (const outputs of await Promise.all(answers)) expect([...outputs['y']!.toArray()]).toEqual(wanted)
    await expect(model.runAsync({})).rejects.toThrow(/"x" must be given/)
  })

  it('gives what passes through, and constants, as outputs of their own', async () => {
    const through: ModelParts = {
      nodes: [
        { op: 'Relu', inputs: ['x'], outputs: ['y'] },
        { op: 'Identity', inputs: ['c'], outputs: ['d'] },
      ],
      inputs: [{ name: 'x', shape: [3] }],
      outputs: ['x', 'c', 'd', 'y'].map((name) => ({ name })),
      initializers: [{ name: 'c', shape: [2], data: Float32Array.of(5, 6) }],
    }
    using model = await loadModel(engine, writeModel(through))
    for (let i = 0; i < 3; i++) {
      const outputs = model.run({ x: [-1, 0, i] })
      const got = Object.fromEntries(
        Object.entries(outputs).map(([name, output]) => [name, [...output.toArray()]]),
      )
      expect(got).toEqual({ x: [-1, 0, i], c: [5, 6], d: [5, 6], y: [0, 0, i] })
      for (const output of Object.values(outputs)) (output.toArray() as Float32Array).fill(9)
    }
  })

  it('computes every tapped name as without fusion', async () => {
    using model = await loadModel(engine, bytes)
    const x = image(2, 9, 9)
    const plain = model.run({ x })['sum']!.toArray() as Float32Array
    const all = model.run({ x }, { taps: inner })
    for (const name of inner) {
      const alone = model.run({ x }, { taps: [name] })
      expect(alone[name]!.shape).toEqual([2, 8, 9, 9])
      const [a, b] = [all[name]!.toArray() as Float32Array, alone[name]!.toArray() as Float32Array]
      for (const [i, v] of a.entries()) expect(Math.abs(v - b[i]!)).toBeLessThan(1e-4)
    }
    const at = (name: string) => all[name]!.toArray() as Float32Array
    for (const [i, v] of at('r1').entries()) expect(v).toBe(Math.max(0, at('n1')[i]!))
    for (const [i, v] of plain.entries())
      expect(Math.abs(v - (at('silu')[i]! + at('r1')[i]!))).toBeLessThan(1e-4)
    await expect(model.runAsync({ x }, { taps: ['nothing'] })).rejects.toThrow(
      /taps must be a name in the graph, got "nothing"/,
    )
    expect([...model.run({ x })['sum']!.toArray()]).toEqual([...plain])
  })

  it('stops a load at any time, and loads then', async () => {
    const stalls = () =>
      new Response(new ReadableStream({ start: (controller) => controller.enqueue(bytes.slice(0, 100)) }))
    const before = still(engine.memory())
    const control = new AbortController()
    const stopped = loadModel(engine, stalls(), {
      signal: control.signal,
      onProgress: () => setTimeout(() => control.abort(new Error('enough'))),
    })
    await expect(stopped).rejects.toThrow('enough')
    const broken = new ReadableStream({
      start: (controller) => controller.enqueue(bytes.slice(0, 100)),
      pull: (controller) => controller.error(new Error('the cable')),
    })
    const failure = await loadModel(engine, new Response(broken)).catch((error) => error)
    expect(failure).toBeInstanceOf(FilterbankError)
    expect(failure.message).toMatch(/the cable/)
    expect(still(engine.memory())).toEqual(before)
    using model = await loadModel(engine, bytes)
    expect(model.run({ x: image(1, 9, 9) })['y']!.shape).toEqual([1, 8, 1, 1])
  })

  it('loads from a server that was slow or down the first time', async () => {
    let tries = 0
    const server = createServer((_, response) => {
      tries++
      if (tries === 1) response.writeHead(503).end()
      else if (tries === 2)
        response.writeHead(200, { 'content-length': bytes.length }).write(bytes.slice(0, 50))
      else response.end(bytes)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.onnx`
      await expect(loadModel(engine, url)).rejects.toThrow(/status 503/)
      const control = new AbortController()
      await expect(
        loadModel(engine, url, {
          signal: control.signal,
          onProgress: () => control.abort(new Error('enough')),
        }),
      ).rejects.toThrow('enough')
      using model = await loadModel(engine, url)
      expect(model.outputs.length).toBe(2)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('stops a run after any node, the first or a later one, and runs then', async () => {
    const x = image(1, 9, 9)
    using other = await loadModel(engine, bytes)
    const wanted = [...other.run({ x })['y']!.toArray()]
    for (const runs of [0, 1, 2]) {
      for (let last = 1; last <= 4; last++) {
        const before = still(engine.memory())
        const model = await loadModel(engine, bytes)
        for (let i = 0; i < runs; i++) model.run({ x })
        const held = still(engine.memory())
        const control = new AbortController()
        const stopped = model.runAsync(
          { x },
          {
            signal: control.signal,
            onProgress: ({ done }) => done === last && control.abort(new Error('enough')),
          },
        )
        const queued = model.runAsync({ x })
        await expect(stopped).rejects.toThrow('enough')
        expect([...(await queued)['y']!.toArray()]).toEqual(wanted)
        expect([...model.run({ x })['y']!.toArray()]).toEqual(wanted)
        if (runs === 2) expect(still(engine.memory())).toEqual(held)
        model.dispose()
        expect(still(engine.memory())).toEqual(before)
      }
    }
  })

  it('disposes a model in the middle of a run', async () => {
    const x = image(1, 9, 9)
    for (const runs of [0, 1, 2]) {
      const before = still(engine.memory())
      const model = await loadModel(engine, bytes)
      for (let i = 0; i < runs; i++) model.run({ x })
      await expect(
        model.runAsync({ x }, { onProgress: ({ done }) => done === 2 && model.dispose() }),
      ).rejects.toThrow(/disposed/)
      expect(still(engine.memory())).toEqual(before)
    }
  })

  it('is too large for the engine: says so, gives all back, and runs what fits', async () => {
    using small = await createEngine({ threads: 1, maximumBytes: 4 << 20 })
    using model = await loadModel(small, bytes)
    const x = image(1, 9, 9)
    const wanted = [...model.run({ x })['y']!.toArray()]
    model.run({ x })
    const before = still(small.memory())
    for (let round = 0; round < 2; round++) {
      expect(() => model.run({ x: image(1, 300, 300) })).toThrow(/maximumBytes/)
      await expect(model.runAsync({ x: image(1, 400, 400) })).rejects.toThrow(/maximumBytes/)
      expect([...model.run({ x })['y']!.toArray()]).toEqual(wanted)
    }
    // Weights that do not fit by themselves.
    const failure = await loadModel(small, writeModel(parts(512))).catch((error) => error)
    expect(failure).toBeInstanceOf(FilterbankError)
    expect(failure.message).toMatch(/maximumBytes/)
    expect(small.memory().tensors).toBeLessThanOrEqual(before.tensors)
    for (let round = 0; round < 3; round++) expect([...model.run({ x })['y']!.toArray()]).toEqual(wanted)
  })

  it('is damaged or cut anywhere: says so, or runs, and leaves nothing behind', {
    timeout: 120_000,
  }, async () => {
    const before = still(engine.memory())
    let refused = 0
    const attempt = async (damaged: Uint8Array, about: string) => {
      try {
        using model = await loadModel(engine, damaged)
        const inputs = Object.fromEntries(model.inputs.map(({ name }) => [name, image(1, 9, 9)]))
        for (let i = 0; i < 2; i++) model.run(inputs)
      } catch (error) {
        refused++
        expect(error, about).toBeInstanceOf(FilterbankError)
      }
      expect(engine.memory().tensors, about).toBe(before.tensors)
    }
    for (let length = 0; length < bytes.length; length += 13)
      await attempt(bytes.slice(0, length), `cut to ${length}`)
    // An end between two fields of the model may go unnoticed.
    expect(refused).toBeGreaterThan(bytes.length / 13 - 3)
    refused = 0
    for (let i = 0; i < 300; i++) {
      const damaged = bytes.slice()
      const places = Array.from({ length: random.integer(1, 4) }, () => random.integer(0, bytes.length - 1))
      for (const at of places) damaged[at] = damaged[at]! ^ (1 << random.integer(0, 7))
      await attempt(damaged, `flipped at ${places}`)
    }
    expect(refused).toBeGreaterThan(0)
    for (let i = 0; i < 100; i++)
      await attempt(
        Uint8Array.from({ length: i }, () => random.integer(0, 255)),
        `noise of ${i}`,
      )
    expect(engine.memory().live).toBeLessThanOrEqual(before.live + 4096) // of scratch
  })

  it('has operators that filterbank lacks: tells all, with their nodes, also of graphs inside', async () => {
    const branch = (op: string) => ({
      nodes: [{ op, inputs: ['x'], outputs: ['z'], name: `inner ${op}` }],
      inputs: [],
      outputs: [{ name: 'z' }],
    })
    const strange = writeModel({
      opset: 11,
      nodes: [
        {
          op: 'If',
          inputs: ['sure'],
          outputs: ['a'],
          attributes: { then_branch: branch('Wavelet'), else_branch: branch('Relu') },
        },
        { op: 'Fourier', inputs: ['a'], outputs: ['b'], name: 'spectrum' },
        { op: 'Wavelet', inputs: ['b'], outputs: ['y'] },
      ],
      inputs: [{ name: 'x', shape: [2] }],
      outputs: [{ name: 'y' }],
      initializers: [{ name: 'sure', type: 'bool', shape: [], data: Uint8Array.of(1) }],
    })
    await expect(loadModel(engine, strange)).rejects.toThrow(
      /Wavelet \(opset 11: "inner Wavelet", "y"\); Fourier \(opset 11: "spectrum"\)$/,
    )
  })

  it('is asked with inputs of every wrong kind', async () => {
    using model = await loadModel(
      engine,
      writeModel({
        nodes: [
          { op: 'Gather', inputs: ['table', 'places'], outputs: ['rows'] },
          { op: 'Where', inputs: ['mask', 'rows', 'zero'], outputs: ['y'] },
        ],
        inputs: [
          { name: 'table', shape: ['n', 2] },
          { name: 'places', type: 'int64', shape: ['k'] },
          { name: 'mask', type: 'bool', shape: ['k', 2] },
        ],
        outputs: [{ name: 'y' }],
        initializers: [{ name: 'zero', shape: [], data: Float32Array.of(0) }],
      }),
    )
    const table = { data: [1, 2, 3, 4], shape: [2, 2] }
    const places = { data: BigInt64Array.of(1n), shape: [1] }
    const mask = { data: Uint8Array.of(1, 0), shape: [1, 2] }
    const right = { table, places, mask }
    // Twice, so that it is recorded.
    for (let run = 0; run < 2; run++) expect([...model.run(right)['y']!.toArray()]).toEqual([3, 0])
    using tensor = engine.tensor([1], [1])
    const gone = engine.tensor([1], [1])
    gone.dispose()
    const before = still(engine.memory())
    for (const [inputs, message] of [
      [{ table, places }, /input "mask" must be given: bool \[k, 2\], got none/],
      [{ ...right, tables: table }, /inputs must be of the names "table", "places", "mask", got "tables"/],
      [
        { ...right, places: { data: Int32Array.of(1), shape: [1] } },
        /"places" must be int64 \[k\] in a BigInt64Array, got Int32Array/,
      ],
      [
        { ...right, places: tensor },
        /"places" must be int64 \[k\] in a BigInt64Array, got a tensor \[1\], which is float32/,
      ],
      [{ ...right, table: gone }, /"table" must be alive, got a disposed tensor/],
      [
        { ...right, table: { data: [1, 2, 3], shape: [1, 3] } },
        /"table" must be float32 \[n, 2\] with n = 1, got float32 \[1, 3\]/,
      ],
      [
        { ...right, table: { data: [1, 2], shape: [2] } },
        /"table" must be float32 \[n, 2\], got float32 \[2\]/,
      ],
      [
        { ...right, mask: { data: new Uint8Array(4), shape: [2, 2] } },
        /"mask" must be bool \[k, 2\] with n = 2, k = 1, got bool \[2, 2\]/,
      ],
      [
        { ...right, table: { data: [1, 2, 3], shape: [2, 2] } },
        /"table" must be of 4 elements for its shape \[2, 2\], got 3/,
      ],
      [{ ...right, table: null }, /"table" must be /],
      [{ ...right, table: 'texts' }, /"table" must be /],
      [
        { ...right, places: { data: BigInt64Array.of(5n), shape: [1] } },
        /Gather "rows": indices must be from -2 to 1, got 5/,
      ],
    ] as const) {
      expect(() => model.run(inputs as never)).toThrow(message)
      expect(() => model.run(inputs as never)).toThrow(FilterbankError)
      await expect(model.runAsync(inputs as never)).rejects.toThrow(message)
      expect(still(engine.memory())).toEqual(before)
      expect([...model.run(right)['y']!.toArray()]).toEqual([3, 0])
    }
  })

  it('has outputs that its nodes do not make', async () => {
    const open: ModelParts = {
      nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y', 'more'] }],
      inputs: [{ name: 'x', shape: [2] }],
      outputs: [{ name: 'y' }, { name: 'more' }],
    }
    const before = still(engine.memory())
    using model = await loadModel(engine, writeModel(open))
    const failure = await model.runAsync({ x: [1, 2] }).catch((error) => error)
    expect(failure).toBeInstanceOf(FilterbankError)
    expect(failure.message).toMatch(/"more"/)
    // A run that failed is no first run, of which the next one would be a replay.
    expect(() => model.run({ x: [1, 2] })).toThrow(failure.message)
    expect(still(engine.memory())).toEqual(before)
  })
})
