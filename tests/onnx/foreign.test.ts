/**
 * What is no model says what it is; what cannot be run names the operators that are missing before all else.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, FilterbankError } from '../../src/index.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { inspectModel, loadModel } from '../../src/onnx/index.js'

const text = (start: string) => new TextEncoder().encode(start)
const bytes = (...start: (number | string)[]) =>
  Uint8Array.from([
    ...start.flatMap((part) => (typeof part === 'number' ? [part] : [...text(part)])),
    ...new Uint8Array(64),
  ])

describe('what is no model', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())

  it.each([
    ['a page of HTML', text('\n<!DOCTYPE html>\n<html><title>Not found</title></html>')],
    ['a page of HTML', text('<html><body>Sign in</body></html>')],
    ['a Git LFS pointer', text('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n')],
    ['.ort', bytes(28, 0, 0, 0, 'ORTM')],
    ['TensorFlow Lite', bytes(28, 0, 0, 0, 'TFL3')],
    ['zip', bytes('PK', 3, 4)],
    ['pickle', bytes(0x80, 2, 0x8a)],
    ['safetensors', bytes(96, 1, 0, 0, 0, 0, 0, 0, '{"w":')],
    ['HDF5', bytes(0x89, 'HDF')],
    ['gzip', bytes(0x1f, 0x8b, 8)],
    ['JSON', text('{"error": "not found"}')],
    ['XML', text('<?xml version="1.0"?><Error/>')],
    ['an empty file', new Uint8Array(0)],
  ])('%s', async (name, given) => {
    for (const read of [() => loadModel(engine, given), () => inspectModel(given)]) {
      const error = await read().catch((error: unknown) => error)
      expect(error).toBeInstanceOf(FilterbankError)
      expect((error as FilterbankError).message).toContain(name)
      expect((error as FilterbankError).hint).toMatch(/./)
    }
  })

  it('bytes of another kind are counted, and get no hint', async () => {
    const error = (await loadModel(engine, Uint8Array.of(1, 2, 3)).catch(
      (error: unknown) => error,
    )) as FilterbankError
    expect(error.got).toMatch(/^3 bytes/)
    expect(error.hint).toBeUndefined()
  })
})

/**
 * A field of protobuf that holds bytes, and the bytes of a model with one more output whose type is `type`.
 */
const field = (number: number, ...parts: Uint8Array[]) => {
  const inside = parts.flatMap((part) => [...part])
  return Uint8Array.from([(number << 3) | 2, inside.length, ...inside])
}
const withOutput = (model: Uint8Array, name: string, type: Uint8Array) =>
  longer(model, field(12, field(1, text(name)), field(2, type)))

/** The model with `more` at the end of its graph. */
function longer(model: Uint8Array, more: Uint8Array): Uint8Array {
  const at = model.indexOf((7 << 3) | 2)
  let [length, digits] = [0, 0]
  for (let byte = 0x80; byte & 0x80; digits++) {
    byte = model[at + 1 + digits]!
    length += (byte & 0x7f) << (7 * digits)
  }
  const end = at + 1 + digits + length
  const graph = [...model.subarray(at + 1 + digits, end), ...more]
  return Uint8Array.from([
    ...model.subarray(0, at + 1),
    (graph.length & 0x7f) | 0x80,
    graph.length >> 7,
    ...graph,
    ...model.subarray(end),
  ])
}

describe('what cannot be run', () => {
  const sequence = field(4, field(1, field(1, Uint8Array.of(8, 1))))
  const model = (op: string) =>
    writeModel({
      nodes: [{ op, inputs: ['x'], outputs: ['y'] }],
      inputs: [{ name: 'x', shape: [2] }],
      outputs: [{ name: 'y' }],
    })

  it('says of ImageDecoder, for which no host has time in a run, what to do instead', async () => {
    using engine = await createEngine({ threads: 1 })
    await expect(loadModel(engine, model('ImageDecoder'))).rejects.toThrow(
      /got ImageDecoder \(opset 20: "y"\)\. Decode pictures before the run: make the output of ImageDecoder an input/,
    )
    expect((await inspectModel(model('ImageDecoder'))).unsupported).toEqual([
      { op: 'ImageDecoder', nodes: ['y'] },
    ])
    expect(engine.memory().tensors).toBe(0)
  })

  it('names missing operators, whatever the outputs are', async () => {
    using engine = await createEngine({ threads: 1 })
    const given = withOutput(model('NoSuchThing'), 'y', sequence)
    await expect(loadModel(engine, given)).rejects.toThrow(/operators that filterbank has, got NoSuchThing/)
    const { outputs, unsupported } = await inspectModel(given)
    expect(outputs).toEqual([
      { name: 'y', type: 'float32' },
      { name: 'y', type: 'float32', sequence: true },
    ])
    expect(unsupported).toEqual([{ op: 'NoSuchThing', nodes: ['y'] }])
  })

  it('refuses an output that is no tensor where no operator is missing', async () => {
    using engine = await createEngine({ threads: 1 })
    for (const [type, got] of [
      [field(4), 'a sequence'],
      [field(5), 'a map'],
      [field(9), 'an optional value'],
      [field(1, Uint8Array.of(8, 14)), 'type 14'],
    ] as const) {
      await expect(loadModel(engine, withOutput(model('Neg'), 'y', type))).rejects.toThrow(
        new RegExp(`value "y" must be .*, got ${got}`),
      )
    }
  })

  it('takes an output of a graph inside of a node that says no type', async () => {
    using engine = await createEngine({ threads: 1 })
    // A type that is there and says nothing.
    using loaded = await loadModel(engine, withOutput(model('Neg'), 'y', new Uint8Array(0)))
    expect(loaded.run({ x: Float32Array.of(1, -2) })['y']!.toArray()).toEqual(Float32Array.of(-1, 2))
  })
})
