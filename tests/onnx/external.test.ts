/** Data beside a model's file, and other ways in which a file is not alone or not whole. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, FilterbankError } from '../../src/index.js'
import { writeModel } from '../../src/onnx/file/write.js'
import {
  type DataSource,
  inspectModel,
  loadModel,
  type ModelSource,
  quantizeModel,
} from '../../src/onnx/index.js'
import { split } from '../support/external.js'

describe('a model', () => {
  let engine: Engine
  let folder: string
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
    folder = mkdtempSync(join(tmpdir(), 'filterbank-'))
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(Float32Array.of(9, 9, 1, 2, 3).buffer))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
    expect(engine.memory().tensors).toBe(0)
    engine.dispose()
  })
  const write = (bytes: Uint8Array): string => {
    const path = join(folder, 'model.onnx')
    writeFileSync(path, bytes)
    return path
  }

  it('is quantised with its data, given or beside it', async () => {
    const w = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i) + 2)
    writeFileSync(join(folder, 'matrix.bin'), w)
    const bytes = split('matrix.bin', 0, 48, 'MatMul', [3, 4])
    const samples = Array.from({ length: 8 }, (_, i) => ({ x: [i, 1 - i, 2 * i + 1] }))
    const externalData = { 'matrix.bin': new Uint8Array(w.buffer) }
    const given = await quantizeModel(engine, bytes, samples, { externalData })
    const found = await quantizeModel(engine, write(bytes), samples)
    expect(given.bytes).toEqual(found.bytes)
    expect(given.report.bytesBefore).toBe(bytes.length + 48)
    expect(given.report.layers.map(({ type }) => type)).toEqual(['int8'])
    await expect(quantizeModel(engine, bytes, samples)).rejects.toThrow('"matrix.bin"')
    using model = await loadModel(engine, given.bytes)
    using float = await loadModel(engine, bytes, { externalData })
    const [y, wanted] = [model, float].map((each) => each.run(samples[3]!)['y']!.toArray())
    for (let i = 0; i < 4; i++) expect(y![i]).toBeCloseTo(wanted![i] as number, 0)
  })

  it('finds its data in the file beside it', async () => {
    using model = await loadModel(engine, write(split('w.bin', 8, 12)))
    expect([...model.run({ x: [10, 20, 30] })['y']!.toArray()]).toEqual([11, 22, 33])
  })

  it('comes as anything that gives bytes, with its data as anything too', async () => {
    const bytes = split('./w.bin', 4, 12)
    const data = Float32Array.of(9, 1, 2, 3)
    const own = new Uint8Array(data.buffer.slice(0))
    const streamOf = (whole: Uint8Array) => new Blob([Uint8Array.from(whole)]).stream()
    const forms: ((whole: Uint8Array) => ModelSource)[] = [
      (whole) => whole,
      (whole) => Uint8Array.from(whole).buffer,
      (whole) => new Blob([Uint8Array.from(whole)]),
      (whole) => new File([Uint8Array.from(whole)], 'a.onnx'),
      (whole) => new Response(Uint8Array.from(whole)),
      (whole) => Promise.resolve(new Response(Uint8Array.from(whole))),
      // A body that is longer, and one that is shorter, than it is said to be.
      (whole) => new Response(Uint8Array.from(whole), { headers: { 'content-length': '5' } }),
      (whole) => new Response(Uint8Array.from(whole), { headers: { 'content-length': '5000' } }),
      streamOf,
    ]
    for (const form of forms) {
      const loaded: number[] = []
      using model = await loadModel(engine, form(bytes), {
        externalData: { 'w.bin': form(own) },
        onProgress: (progress) => loaded.push(progress.loaded),
      })
      expect([...model.run({ x: [10, 20, 30] })['y']!.toArray()]).toEqual([11, 22, 33])
      if (loaded.length) expect(loaded.at(-1)).toBe(bytes.length)
    }
    using model = await loadModel(engine, bytes, { externalData: { './w.bin': data } })
    expect([...model.run({ x: [10, 20, 30] })['y']!.toArray()]).toEqual([11, 22, 33])
    // What is given goes before what lies beside the model.
    using other = await loadModel(engine, write(bytes), { externalData: { 'w.bin': data } })
    expect([...other.run({ x: [0, 0, 0] })['y']!.toArray()]).toEqual([1, 2, 3])
  })

  it('says what is wrong with the data that it is given', async () => {
    const bytes = split('w.bin', 8, 12)
    const refused = Promise.reject(new Error('no line'))
    // Its turn comes when Node has long missed somebody who takes it.
    refused.catch(() => {})
    const wrong: [source: ModelSource, externalData: Record<string, DataSource>, message: RegExp][] = [
      [bytes, { 'v.bin': new Uint8Array(20) }, /externalData of this name, got .*externalData of "v.bin"/],
      [bytes, { 'w.bin': new Uint8Array(16) }, /data file "w.bin" must be 12 bytes from 8 on, got 8/],
      [bytes, { 'w.bin': 5 as never }, /externalData "w.bin" must be bytes, a Blob/],
      [refused, {}, /source must be .*no line/],
      [new ReadableStream({ start: (to) => to.enqueue('text' as never) }), {}, /"text" instead of bytes/],
      [bytes, { 'w.bin': new Response('', { status: 404 }) }, /status 404/],
    ]
    for (const [source, externalData, message] of wrong) {
      const error = await loadModel(engine, source, { externalData }).catch((reason) => reason)
      expect(error).toBeInstanceOf(FilterbankError)
      expect(error.message).toMatch(message)
    }
    expect((await inspectModel(bytes, { externalData: { 'w.bin': new Uint8Array(20) } })).opset).toBe(13)
  })

  it('says which data it misses, and leaves nothing behind', async () => {
    const wrong: [source: string | Uint8Array, message: RegExp][] = [
      [split('w.bin', 8, 12), /a path, so that its data file "w.bin" can be found/],
      [write(split('none.bin', 8, 12)), /"none.bin"/],
    ]
    for (const [source, message] of wrong) {
      const before = engine.memory()
      const error = await loadModel(engine, source).catch((reason) => reason)
      expect(error).toBeInstanceOf(FilterbankError)
      expect(error.message).toMatch(message)
      expect(engine.memory()).toEqual({ ...before, peak: engine.memory().peak })
    }
    await expect(loadModel(engine, write(split('w.bin', 12, 12)))).rejects.toThrow(
      /12 bytes from 12 on, got 8/,
    )
    await expect(loadModel(engine, write(split('w.bin', 8, 8)))).rejects.toThrow(
      /"w" must be 12 bytes, got 8/,
    )
    await expect(loadModel(engine, write(split('../w.bin', 8, 12)))).rejects.toThrow(
      /a file in the model's folder/,
    )
  })

  it('runs from the second time on by kernels alone, where the file takes a normalisation apart', async () => {
    const nodes = [
      { op: 'ReduceMean', inputs: ['x'], outputs: ['m'], attributes: { axes: [-1] } },
      { op: 'Sub', inputs: ['x', 'm'], outputs: ['c'] },
      { op: 'Pow', inputs: ['c', 'two'], outputs: ['s'] },
      { op: 'ReduceMean', inputs: ['s'], outputs: ['v'], attributes: { axes: [-1] } },
      { op: 'Add', inputs: ['v', 'epsilon'], outputs: ['e'] },
      { op: 'Sqrt', inputs: ['e'], outputs: ['d'] },
      { op: 'Div', inputs: ['c', 'd'], outputs: ['n'] },
      { op: 'Erf', inputs: ['n'], outputs: ['f'] },
      { op: 'Exp', inputs: ['f'], outputs: ['y'] },
    ]
    const initializers = [
      { name: 'two', shape: [], data: Float32Array.of(2) },
      { name: 'epsilon', shape: [], data: Float32Array.of(1e-5) },
    ]
    using model = await loadModel(
      engine,
      writeModel({
        opset: 13,
        nodes,
        inputs: [{ name: 'x', shape: [2, 3] }],
        outputs: [{ name: 'y' }],
        initializers,
      }),
    )
    const x = [1, 2, 4, -1, 0, 5]
    const first = model.run({ x })['y']!.toArray()
    const near = [...(first as Float32Array)].map((v) => expect.closeTo(v, 5))
    model.run({ x: x.map((v) => v + 1) })
    const { tensors } = engine.memory()
    expect([...model.run({ x })['y']!.toArray()]).toEqual(near)
    expect(engine.memory().tensors).toBe(tensors)
    expect(model.summary().every(({ kernels }) => kernels.length > 0)).toBe(true)
  })
})
