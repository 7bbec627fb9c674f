import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, FilterbankError, planConv2d } from '../../src/index.js'
import { type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel, type ModelInput, type ModelSource } from '../../src/onnx/index.js'
import { oneNode } from '../support/onnx.js'
import { Random } from '../support/random.js'

const random = new Random(4)
const images = ['n', 3, 8, 8]
/** A small network: convolution, relu, pool, the shape worked out by operators on shapes, a matrix. */
const network = () =>
  writeModel({
    nodes: [
      { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['c'], attributes: { pads: [1, 1, 1, 1] } },
      { op: 'Relu', inputs: ['c'], outputs: ['r'] },
      { op: 'MaxPool', inputs: ['r'], outputs: ['p'], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
      { op: 'Shape', inputs: ['p'], outputs: ['s'] },
      { op: 'Gather', inputs: ['s', 'zero'], outputs: ['first'] },
      { op: 'Concat', inputs: ['first', 'rest'], outputs: ['wanted'], attributes: { axis: 0 } },
      { op: 'Reshape', inputs: ['p', 'wanted'], outputs: ['flat'] },
      { op: 'MatMul', inputs: ['flat', 'm'], outputs: ['y'] },
    ],
    inputs: [{ name: 'x', shape: images }],
    outputs: [{ name: 'y' }],
    initializers: [
      { name: 'w', shape: [5, 3, 3, 3], data: random.floats(135) },
      { name: 'b', shape: [5], data: random.floats(5) },
      { name: 'zero', shape: [1], data: BigInt64Array.of(0n) },
      { name: 'rest', shape: [1], data: BigInt64Array.of(-1n) },
      { name: 'm', shape: [80, 4], data: random.floats(320) },
    ],
  })

describe('a model', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })
  const image = (n: number) => ({ data: random.floats(n * 192), shape: [n, 3, 8, 8] })
  const node = (op: string, attributes: NodeParts['attributes'] = {}, inputs = ['x']) =>
    oneNode(op, inputs, [...inputs.map(() => 4), 4], attributes)

  it('tells its inputs and outputs', async () => {
    using model = await loadModel(engine, network())
    expect(model.inputs).toEqual([{ name: 'x', type: 'float32', shape: images }])
    expect(model.outputs.map(({ name }) => name)).toEqual(['y'])
    using bound = await loadModel(engine, network(), { dimensions: { n: 2 } })
    expect(bound.inputs[0]!.shape).toEqual([2, 3, 8, 8])
    expect(bound.run({ x: image(2).data })['y']!.shape).toEqual([2, 4])
  })

  it('gives the same answer node by node, recorded and replayed, for batches that change; a replay allocates nothing', async () => {
    using model = await loadModel(engine, network())
    const batches = [image(1), image(2)]
    const first = batches.map((x) => model.run({ x })['y']!.toArray())
    for (const [i, x] of batches.entries()) expect(model.run({ x })['y']!.toArray()).toEqual(first[i])
    const recorded = engine.memory()
    for (let round = 0; round < 3; round++) {
      for (const [i, x] of batches.entries()) expect(model.run({ x })['y']!.toArray()).toEqual(first[i])
      expect(engine.memory()).toEqual(recorded)
    }
    // Each image by itself is what it is in a batch.
    const halves = [0, 1].map((i) =>
      model
        .run({ x: { data: batches[1]!.data.slice(i * 192, (i + 1) * 192), shape: [1, 3, 8, 8] } })
        ['y']!.toArray(),
    )
    // But for the order of its sums: a single row is summed in four parts. 80 products each.
    const each = halves.flatMap((half) => [...(half as Float32Array)])
    for (const [i, v] of each.entries())
      expect(Math.abs(v - (first[1] as Float32Array)[i]!)).toBeLessThan(80 * 2 ** -23 * 80)
  })

  it('takes tensors, and gives inner values on request', async () => {
    using model = await loadModel(engine, network())
    const x = image(1)
    using tensor = engine.tensor(x.data, x.shape)
    const outputs = model.run({ x: tensor }, { taps: ['p', 's'] })
    expect(Object.keys(outputs)).toEqual(['y', 'p', 's'])
    expect(outputs['p']!.shape).toEqual([1, 5, 4, 4])
    expect(outputs['s']!.data).toEqual(BigInt64Array.of(1n, 5n, 4n, 4n))
    expect(outputs['y']!.data).toEqual(model.run({ x })['y']!.data)
    expect(() => model.run({ x }, { taps: ['nothing'] })).toThrow(/taps/)
  })

  it('runs in turns: reports progress, queues, stops and starts again', async () => {
    using model = await loadModel(engine, network())
    const inputs = [image(1), image(1), image(2)]
    const wanted = inputs.map((x) => model.run({ x })['y']!.toArray())
    const done: number[] = []
    const runs = inputs.map((x) =>
      model.runAsync({ x }, { onProgress: (progress) => done.push(progress.done) }),
    )
    // A run at once, in between, is right too.
    expect(model.run({ x: inputs[2]! })['y']!.toArray()).toEqual(wanted[2])
    expect((await Promise.all(runs)).map((outputs) => outputs['y']!.toArray())).toEqual(wanted)
    expect(done.slice(0, 3)).toEqual([1, 2, 3])
    const control = new AbortController()
    const stopped = model.runAsync(
      { x: inputs[0]! },
      { signal: control.signal, onProgress: () => control.abort(new Error('enough')) },
    )
    await expect(stopped).rejects.toThrow('enough')
    expect((await model.runAsync({ x: inputs[0]! }))['y']!.toArray()).toEqual(wanted[0])
  })

  it('survives scopes around it', async () => {
    using model = await loadModel(engine, network())
    const x = image(1)
    const wanted = engine.scope(() => model.run({ x })['y']!.toArray())
    for (let round = 0; round < 3; round++)
      expect(engine.scope(() => model.run({ x })['y']!.toArray())).toEqual(wanted)
  })

  it('tells what its nodes make and cost', async () => {
    using model = await loadModel(engine, network())
    const lines = () => Object.fromEntries(model.summary().map((line) => [line.op, line]))
    expect(lines()['Conv Relu']).toMatchObject({
      name: 'c',
      outputs: ['r'],
      shape: undefined,
      parameters: 140,
      multiplyAdds: undefined,
      milliseconds: undefined,
    })
    for (const round of [1, 2, 3]) {
      model.run({ x: image(2) })
      const { 'Conv Relu': Conv, MaxPool, Reshape, MatMul } = lines()
      expect(Conv).toMatchObject({
        shape: [2, 5, 8, 8],
        parameters: 140,
        multiplyAdds: 2 * 5 * 64 * 27,
        algorithm: 'grouped',
        reason: planConv2d([2, 8, 8, 3], [3, 3, 3, 5], { padding: 1 }).reason,
      })
      expect(MaxPool).toMatchObject({
        shape: [2, 5, 4, 4],
        parameters: 0,
        multiplyAdds: 0,
        algorithm: undefined,
      })
      expect(Reshape).toMatchObject({ shape: [2, 80], parameters: 0 })
      expect(MatMul).toMatchObject({ shape: [2, 4], parameters: 320, multiplyAdds: 2 * 80 * 4 })
      if (round > 1) expect(Conv!.kernels).toContain('grouped')
    }
    const all = model.summary()
    for (const { milliseconds } of all) expect(milliseconds ?? 0).toBeGreaterThanOrEqual(0)
    expect(all.reduce((sum, { share = 0 }) => sum + share, 0)).toBeCloseTo(1)
  })

  it('leaves a run that is under way alone when it tells', async () => {
    using model = await loadModel(engine, network())
    const x = image(1)
    const wanted = [1, 2].map(() => model.run({ x })['y']!.toArray())
    const told: number[] = []
    const outputs = await model.runAsync({ x }, { onProgress: () => told.push(model.summary().length) })
    expect(outputs['y']!.toArray()).toEqual(wanted[0])
    expect(told.length).toBeGreaterThan(5)
  })

  it('turns constant weights once, and replays', async () => {
    const initializers = [{ name: 'w', shape: [3, 4], data: random.floats(12) }]
    const nodes: NodeParts[] = [{ op: 'Gemm', inputs: ['x', 'w'], outputs: ['y'], attributes: { transB: 1 } }]
    using model = await loadModel(
      engine,
      writeModel({ nodes, inputs: [{ name: 'x', shape: [2, 4] }], outputs: [{ name: 'y' }], initializers }),
    )
    const x = random.floats(8)
    const wanted = model.run({ x })['y']!.toArray()
    expect(model.run({ x })['y']!.toArray()).toEqual(wanted)
    expect(model.summary()[0]!.kernels).toEqual(['igemm'])
  })

  it('keeps of constant weights what the kernels read, and makes them again for others', async () => {
    const w = random.floats(64 * 64 * 9, -0.1, 0.1)
    // Winograd's filters are four times as large; at stride 2 the same weights are wanted in panels.
    const nodes: NodeParts[] = [
      { op: 'Conv', inputs: ['x', 'w'], outputs: ['a'] },
      { op: 'Conv', inputs: ['x', 'w'], outputs: ['b'], attributes: { strides: [2, 2] } },
    ]
    const initializers = [{ name: 'w', shape: [64, 64, 3, 3], data: w }]
    const model = (count: number) =>
      loadModel(
        engine,
        writeModel({
          nodes: nodes.slice(0, count),
          inputs: [{ name: 'x', shape: [1, 64, 6, 6] }],
          outputs: nodes.slice(0, count).map(({ outputs }) => ({ name: outputs[0]! })),
          initializers,
        }),
      )
    const x = random.floats(64 * 36)
    const before = engine.memory().live
    using one = await model(1)
    const a = one.run({ x })['a']!.toArray()
    expect(engine.memory().live - before).toBeLessThan(4.5 * 4 * w.length)
    using both = await model(2)
    for (let round = 0; round < 3; round++) {
      const outputs = both.run({ x })
      expect(outputs['a']!.toArray()).toEqual(a)
      // Every second place of the first.
      const [dense, strided] = [a as Float32Array, outputs['b']!.toArray() as Float32Array]
      const at = (channel: number, row: number, column: number) => dense[channel * 16 + row * 8 + column * 2]!
      strided.forEach((v, i) => void expect(Math.abs(v - at(i >> 2, (i >> 1) & 1, i & 1))).toBeLessThan(1e-4))
    }
  })

  it('gives all memory back', async () => {
    const before = engine.memory()
    const model = await loadModel(engine, network())
    for (let round = 0; round < 3; round++) model.run({ x: image(2) })
    model.dispose()
    model.dispose()
    expect(engine.memory().tensors).toBe(before.tensors)
    expect(engine.memory().live - before.live).toBeLessThan(1 << 20) // scratch may have grown
    expect(() => model.run({ x: image(2) })).toThrow(/disposed/)
  })

  it('comes from a file, a URL, a response, shared bytes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'filterbank-'))
    try {
      const path = join(folder, 'model.onnx')
      const bytes = network()
      writeFileSync(path, bytes)
      const shared = new SharedArrayBuffer(bytes.length)
      new Uint8Array(shared).set(bytes)
      const seen: number[] = []
      for (const source of [
        path,
        pathToFileURL(path),
        new Response(bytes as Uint8Array<ArrayBuffer>),
        shared,
        bytes,
      ]) {
        using model = await loadModel(engine, source, { onProgress: ({ loaded }) => seen.push(loaded) })
        expect(model.run({ x: image(1) })['y']!.shape).toEqual([1, 4])
      }
      expect(seen.at(-1)).toBe(bytes.length)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  describe('complains, and leaves nothing behind', () => {
    const loading = async (source: ModelSource, ...parts: (string | RegExp)[]) => {
      const before = engine.memory()
      const error = await loadModel(engine, source).then(
        () => undefined,
        (reason) => reason,
      )
      expect(error).toBeInstanceOf(FilterbankError)
      for (const part of parts) expect((error as Error).message).toMatch(part)
      expect(engine.memory()).toEqual({ ...before, peak: engine.memory().peak })
    }

    it('about bytes that are no model', async () => {
      const bytes = network()
      await loading(new Uint8Array(0), /whole ONNX file/)
      await loading(new TextEncoder().encode('<!DOCTYPE html><title>not found</title>'), /whole ONNX file/)
      for (let length = 0; length < bytes.length; length += 7)
        await loading(bytes.slice(0, length), 'loadModel')
      await loading('/nowhere/model.onnx', /nowhere/)
      await loading(new Response('gone', { status: 404 }), /404/)
      await loading(7 as unknown as Uint8Array, /bytes, a Blob, a Response, a stream, a URL or a path/)
    })

    it('about any damage, if it notices, in its own words', async () => {
      const bytes = network()
      for (let i = 0; i < 400; i++) {
        const damaged = bytes.slice()
        damaged[random.integer(0, bytes.length - 1)] = random.integer(0, 255)
        const before = engine.memory().tensors
        try {
          using model = await loadModel(engine, damaged)
          model.run(Object.fromEntries(model.inputs.map(({ name }) => [name, image(1)])))
        } catch (error) {
          expect(error, `after damage ${i}`).toBeInstanceOf(FilterbankError)
        }
        expect(engine.memory().tensors).toBe(before)
      }
    })

    it('about all unknown operators at once', async () => {
      const nodes: NodeParts[] = [
        { op: 'Wavelet', inputs: ['x'], outputs: ['a'] },
        { op: 'Relu', inputs: ['a'], outputs: ['b'] },
        { op: 'Fourier', inputs: ['b'], outputs: ['c'] },
        { op: 'Wavelet', inputs: ['c'], outputs: ['y'] },
      ]
      await loading(
        writeModel({ nodes, inputs: [{ name: 'x', shape: [1] }], outputs: [{ name: 'y' }] }),
        /Wavelet \(opset 20: "a", "y"\); Fourier \(opset 20: "c"\)/,
      )
    })

    it('about graphs that go in circles or hang in the air', async () => {
      const graph = (nodes: NodeParts[]) =>
        writeModel({ nodes, inputs: [{ name: 'x', shape: [1] }], outputs: [{ name: 'y' }] })
      await loading(
        graph([
          { op: 'Add', inputs: ['x', 'y'], outputs: ['a'] },
          { op: 'Relu', inputs: ['a'], outputs: ['y'] },
        ]),
        /circles/,
      )
      await loading(graph([{ op: 'Relu', inputs: ['z'], outputs: ['y'] }]), /"z", which nothing makes/)
      await loading(graph([{ op: 'Relu', inputs: ['x'], outputs: ['a'] }]), /output "y"/)
      await loading(graph([1, 2].map(() => ({ op: 'Relu', inputs: ['x'], outputs: ['y'] }))), /made once/)
    })

    it('about a load that is stopped, which may be tried again', async () => {
      await expect(
        loadModel(engine, network(), { signal: AbortSignal.abort(new Error('enough')) }),
      ).rejects.toThrow('enough')
      using model = await loadModel(engine, network())
      expect(model.inputs.length).toBe(1)
      await expect(loadModel(engine, network(), { dimensions: { batch: 1 } })).rejects.toThrow(/of "n"/)
      await expect(loadModel(engine, network(), { dimensions: { n: 1.5 } })).rejects.toThrow(/integer/)
    })

    it('about inputs', async () => {
      using model = await loadModel(engine, network())
      const x = image(1)
      model.run({ x })
      const before = engine.memory()
      const running = (inputs: Record<string, ModelInput>, ...parts: (string | RegExp)[]) => {
        for (const part of parts) expect(() => model.run(inputs)).toThrow(part)
        expect(engine.memory()).toEqual({ ...before, peak: engine.memory().peak })
      }
      running({}, /"x" must be given: float32 \[n, 3, 8, 8\], got none/)
      running({ x, z: x }, /names "x", got "z"/)
      running({ x: x.data }, /\{ data, shape \}/)
      running({ x: { data: x.data, shape: [1, 3, 8, 9] } }, /216 elements/)
      running(
        { x: { data: x.data, shape: [1, 8, 8, 3] } },
        /float32 \[n, 3, 8, 8\] with n = 1, got float32 \[1, 8, 8, 3\]/,
      )
      running({ x: { data: new Int32Array(192), shape: x.shape } }, /Float32Array, got Int32Array/)
      running({ x: { data: x.data, shape: [-1] } }, /integers of at least 0/)
      expect(() => model.run(null as never)).toThrow(/object of inputs/)
    })

    it('about a node that cannot do what it is asked, by its name', async () => {
      using model = await loadModel(engine, node('Conv', {}, ['x', 'w']))
      const before = engine.memory()
      expect(() =>
        model.run({ x: image(1), w: { data: new Float32Array(36), shape: [1, 4, 3, 3] } }),
      ).toThrow(/Conv "y": conv2d: .*got 4/)
      expect(engine.memory()).toEqual({ ...before, peak: engine.memory().peak })
    })
  })
})
