/**
 * Files that somebody damaged, or made to do harm: a clear error within the engine's `maximumBytes` and a few
 * seconds, the event loop alive in `runAsync`, and the engine as it was.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, FilterbankError } from '../../src/index.js'
import { type GraphParts, type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { inspectModel, loadModel, type ModelSource } from '../../src/onnx/index.js'
import { node } from '../support/onnx.js'

const MAXIMUM_BYTES = 1 << 25
const floats = (name: string, ...shape: number[]) => ({
  name,
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 37) % 11) / 11 - 0.5),
})
const whole = (name: string, ...numbers: number[]) => ({
  name,
  shape: [numbers.length],
  data: BigInt64Array.from(numbers, BigInt),
})

describe('a file that is not as files are', { timeout: 60_000 }, () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1, maximumBytes: MAXIMUM_BYTES })
  })
  afterAll(() => engine.dispose())

  /** Loads and runs; gives the error, and fails where it is none of ours or something is left behind. */
  async function attempt(
    source: ModelSource,
    inputs: Record<string, { data: Float32Array; shape: number[] }> = {},
  ): Promise<string> {
    const { live, tensors } = engine.memory()
    let message = ''
    try {
      using model = await loadModel(engine, source)
      for (let round = 0; round < 2; round++) await model.runAsync(inputs)
    } catch (error) {
      expect(error).toBeInstanceOf(FilterbankError)
      message = (error as Error).message
    }
    // What kernels work in may have grown; no tensor stays.
    expect(engine.memory().tensors).toBe(tensors)
    expect(engine.memory().live - live).toBeLessThan(1 << 20)
    expect(engine.memory().reserved).toBeLessThanOrEqual(MAXIMUM_BYTES)
    return message
  }

  // A branch, a loop, a large constant and some of each kind of field.
  const then: GraphParts = {
    nodes: [node('Add', ['h', 'h'], ['t'])],
    inputs: [],
    outputs: [{ name: 't', shape: [2, 160] }],
  }
  const otherwise: GraphParts = { ...then, nodes: [node('Neg', ['h'], ['t'])] }
  const step: GraphParts = {
    nodes: [node('Identity', ['go'], ['on']), node('Mul', ['v', 'half'], ['w'])],
    inputs: [
      { name: 'i', type: 'int64', shape: [] },
      { name: 'go', type: 'bool', shape: [] },
      { name: 'v', shape: [2, 160] },
    ],
    outputs: [
      { name: 'on', type: 'bool', shape: [] },
      { name: 'w', shape: [2, 160] },
    ],
    initializers: [floats('half', 1)],
  }
  const bytes = writeModel({
    inputs: [{ name: 'x', shape: [2, 'n'] }],
    outputs: [{ name: 'y', shape: [2, 160] }],
    initializers: [floats('w', 128, 160), whole('count', 3), whole('axes', 1)],
    nodes: [
      node('MatMul', ['x', 'w'], ['h']),
      node('ReduceMax', ['h', 'axes'], ['m'], { keepdims: 0 }),
      node('Constant', [], ['zero'], { value: { shape: [1], data: Float32Array.of(0) } }),
      node('ReduceSum', ['m'], ['s'], { keepdims: 0 }),
      node('Greater', ['s', 'zero'], ['above']),
      node('If', ['above'], ['b'], { then_branch: then, else_branch: otherwise }),
      node('Loop', ['count', '', 'b'], ['y'], { body: step }),
    ],
  })
  const inputs = { x: { data: new Float32Array(256).fill(0.5), shape: [2, 128] } }

  it('is whole: runs', async () => {
    expect(await attempt(bytes, inputs)).toBe('')
  })

  it('is cut, or has other bytes in some places: says so, or runs', async () => {
    let refused = 0
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length),
        // Most of the bytes are numbers of w: more places where everything else is.
        fc.array(
          fc.tuple(
            fc.oneof(fc.nat(bytes.length - 1), fc.nat(400), fc.integer({ min: -900, max: -1 })),
            fc.nat(255),
          ),
          {
            maxLength: 6,
          },
        ),
        fc.boolean(),
        async (cut, changes, isCut) => {
          const damaged = bytes.slice(0, isCut ? cut : bytes.length)
          for (const [at, byte] of changes) damaged[at < 0 ? damaged.length + at : at] = byte
          // In pieces, as from a line.
          const stream = new ReadableStream<Uint8Array>({
            start(to) {
              for (let at = 0; at < damaged.length; at += 30_001) to.enqueue(damaged.slice(at, at + 30_001))
              to.close()
            },
          })
          if (await attempt(isCut ? stream : damaged, inputs)) refused++
          await inspectModel(damaged).catch((error) => expect(error).toBeInstanceOf(FilterbankError))
        },
      ),
      { numRuns: 150, seed: 5, interruptAfterTimeLimit: 15_000 },
    )
    expect(refused).toBeGreaterThan(20)
  })

  const x = { name: 'x', shape: [2, 128] }
  const y = { name: 'y' }
  const of = (nodes: NodeParts[], initializers: GraphParts['initializers'] = []) =>
    writeModel({ nodes, initializers, inputs: [x], outputs: [y] })
  const MUCH = 2 ** 40

  it.each<[string, Uint8Array, RegExp]>([
    [
      'has a circle',
      of([node('Add', ['x', 'b'], ['a']), node('Neg', ['a'], ['b']), node('Neg', ['b'], ['y'])]),
      /circle/,
    ],
    ['reads what nobody makes', of([node('Add', ['x', 'b'], ['y'])]), /"b", which nothing makes/],
    [
      'asks for 2^40 zeros',
      of([node('ConstantOfShape', ['s'], ['y'])], [whole('s', MUCH)]),
      /ConstantOfShape/,
    ],
    [
      'asks for 2^20 x 2^20 zeros',
      of([node('ConstantOfShape', ['s'], ['y'])], [whole('s', 2 ** 20, 2 ** 20)]),
      /ConstantOfShape/,
    ],
    ['expands to 2^40', of([node('Expand', ['x', 's'], ['y'])], [whole('s', 2 ** 33, 2, 128)]), /Expand/],
    ['tiles to 2^40', of([node('Tile', ['x', 's'], ['y'])], [whole('s', 2 ** 20, 2 ** 20)]), /Tile/],
    ['pads by 2^40', of([node('Pad', ['x', 's'], ['y'])], [whole('s', 0, 0, 0, MUCH)]), /Pad/],
    [
      'counts to 2^40',
      of(
        [node('Range', ['a', 'b', 'c'], ['y'])],
        [0, MUCH, 1].map((v, i) => ({ name: 'abc'[i]!, shape: [], data: BigInt64Array.of(BigInt(v)) })),
      ),
      /Range/,
    ],
    ['has a filter of 2^40', of([node('MaxPool', ['x'], ['y'], { kernel_shape: [MUCH, MUCH] })]), /MaxPool/],
    [
      'resizes to 2^40',
      of([node('Resize', ['x', '', '', 's'], ['y'])], [whole('s', 2 ** 20, 2 ** 20)]),
      /Resize/,
    ],
    ['draws 2^40 numbers', of([node('RandomNormal', [], ['y'], { shape: [MUCH] })]), /RandomNormal/],
    [
      'has one for each of 2^40 classes',
      of([node('OneHot', ['i', 'd', 'v'], ['y'])], [whole('i', 3), whole('d', MUCH), floats('v', 2)]),
      /OneHot/,
    ],
    [
      'has a unit matrix of 2^40',
      of(
        [node('ConstantOfShape', ['s'], ['z']), node('EyeLike', ['z'], ['y'])],
        [whole('s', 2 ** 20, 2 ** 20)],
      ),
      /ConstantOfShape|EyeLike/,
    ],
  ])('%s: says so', async (_, source, message) => {
    expect(await attempt(source, { x: { data: new Float32Array(256), shape: [2, 128] } })).toMatch(message)
  })

  it('has a tensor whose shape is 2^40, or whose data are another file', async () => {
    // [1] float32 of four bytes, written by hand: dims is field 1, dataType 2, name 8, rawData 9.
    const tensor = (dims: number[], ...rest: number[]) => [
      ...dims.flatMap((b) => [8, b]),
      16,
      1,
      66,
      1,
      119,
      ...rest,
    ]
    const varint = [0x80, 0x80, 0x80, 0x80, 0x80, 0x20]
    const field = (number: number, ...inner: number[]) => [number * 8 + 2, inner.length, ...inner]
    const text = (value: string) => [...Buffer.from(value)]
    const file = (inner: number[]) =>
      Uint8Array.from([
        ...field(
          7,
          ...field(1, ...field(1, ...text('w')), ...field(2, ...text('y')), ...field(4, ...text('Neg'))),
          ...field(5, ...inner),
          ...field(12, ...field(1, ...text('y'))),
        ),
        ...field(8, 16, 13),
      ])
    expect(await attempt(file(tensor([4], 74, 16, ...Array(16).fill(0))))).toBe('')
    expect(await attempt(file([8, ...varint, ...tensor([], 74, 4, 0, 0, 0, 0)]))).toMatch(
      /"w" must be .* bytes, got 4/,
    )
    const place = field(13, ...field(1, ...text('location')), ...field(2, ...text('../../etc/passwd')))
    expect(await attempt(file(tensor([4], ...place, 112, 1)))).toMatch(/etc\/passwd/)
  })

  it('loops without an end: others have their turn, and a signal stops it', async () => {
    const forever: GraphParts = { ...step, nodes: [...step.nodes], initializers: [floats('half', 1)] }
    const source = writeModel({
      nodes: [node('Loop', ['', '', 'x'], ['y'], { body: forever })],
      inputs: [{ name: 'x', shape: [2, 160] }],
      outputs: [y],
    })
    const { tensors } = engine.memory()
    const model = await loadModel(engine, source)
    const stop = new AbortController()
    setTimeout(() => stop.abort(new Error('enough')), 200)
    await expect(
      model.runAsync({ x: { data: new Float32Array(320), shape: [2, 160] } }, { signal: stop.signal }),
    ).rejects.toThrow('enough')
    model.dispose()
    expect(engine.memory().tensors).toBe(tensors)
  })

  it('has more nodes than any model: is refused before they are made anything of', async () => {
    const one = node('Neg', ['x'], ['y'])
    const before = engine.memory()
    expect(await attempt(of(Array.from({ length: 140_000 }, () => one)), {})).toMatch(
      /^loadModel: model must be of at most 131072 nodes, got more, in \d+ bytes/,
    )
    expect(engine.memory()).toEqual(before)
  })

  it('has as many in graphs inside of nodes, or a node of more inputs or outputs than any: is refused too', async () => {
    const part: GraphParts = {
      nodes: Array.from({ length: 50_000 }, (_, i) => node('Neg', ['x'], [`v${i}`])),
      inputs: [],
      outputs: [{ name: 'v7' }],
    }
    const branches = { then_branch: part, else_branch: part }
    const nodes = [node('If', ['c'], ['h'], branches), node('If', ['c'], ['y'], branches)]
    expect(await attempt(of(nodes), {})).toMatch(/^loadModel: model must be of at most 131072 nodes/)
    const names = Array.from({ length: 20_000 }, (_, i) => `v${i}`)
    const few = /^loadModel: model must be of nodes of at most 16384 inputs, outputs and attributes/
    expect(await attempt(of([node('Sum', names.fill('x'), ['y'])]), {})).toMatch(few)
    expect(await attempt(of([node('Split', ['x'], ['y', ...names])]), {})).toMatch(few)
  })

  it('names a million axes: is refused before anything is made of them', async () => {
    const many = BigInt64Array.from({ length: 2 ** 20 }, () => 1n)
    const list = { name: 'list', shape: [many.length], data: many }
    const x = { x: { data: new Float32Array(256), shape: [2, 128] } }
    for (const op of ['Unsqueeze', 'Squeeze', 'Reshape', 'Expand', 'Tile', 'Pad', 'ReduceSum'])
      expect(await attempt(of([node(op, ['x', 'list'], ['y'])], [list]), x), op).toMatch(
        /must be of at most 512 numbers, got 1048576/,
      )
    expect(await attempt(of([node('ConstantOfShape', ['list'], ['y'])], [list]), x)).toMatch(
      /at most 512 numbers/,
    )
    expect(await attempt(of([node('RandomUniform', [], ['y'], { shape: Array(300).fill(1) })]), x)).toMatch(
      /output must be of at most 256 axes, got 300/,
    )
  })

  it('has graphs in graphs in graphs: is read in a time that its nodes say', async () => {
    let inner: GraphParts = { nodes: [node('Neg', ['x'], ['o'])], inputs: [], outputs: [{ name: 'o' }] }
    for (let depth = 0; depth < 12; depth++) {
      const branches = { then_branch: inner, else_branch: inner }
      inner = {
        nodes: [node('If', ['c'], [`o${depth}`], branches)],
        inputs: [],
        outputs: [{ name: `o${depth}` }],
      }
    }
    const c = { name: 'c', type: 'bool' as const, shape: [], data: Uint8Array.of(1) }
    const nodes = [...inner.nodes, node('Identity', ['o11'], ['y'])]
    expect(await attempt(of(nodes, [c]), { x: { data: new Float32Array(256), shape: [2, 128] } })).toBe('')
  })

  it('reads from a hundred thousand nodes that come behind: is sorted', async () => {
    // As many as one call of a function cannot take.
    const nodes = Array.from({ length: 130_000 }, (_, i) => node('Neg', ['x'], [`v${i}`]))
    const sums = Array.from({ length: 9 }, (_, i) =>
      node(
        'Sum',
        nodes.slice(i * 14_000, (i + 1) * 14_000).map(({ outputs }) => outputs[0]!),
        [`s${i}`],
      ),
    )
    const body: GraphParts = {
      nodes: sums,
      inputs: [],
      outputs: [{ name: 's0' }],
    }
    const c = { name: 'c', type: 'bool' as const, shape: [], data: Uint8Array.of(1) }
    const source = of([node('If', ['c'], ['y'], { then_branch: body, else_branch: body }), ...nodes], [c])
    expect((await inspectModel(source)).problems).toEqual([])
  })

  it('has twenty thousand nodes, the last one first: is sorted and runs', async () => {
    const count = 20_000
    const nodes = Array.from({ length: count }, (_, i) =>
      node('Neg', [i ? `v${i}` : 'x'], [i === count - 1 ? 'y' : `v${i + 1}`]),
    )
    const few = { x: { data: new Float32Array(256), shape: [2, 128] } }
    expect(await attempt(of(nodes.reverse()), few)).toBe('')
  })
})
