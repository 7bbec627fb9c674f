/** Attention as files spell it out becomes one node, and gives what its nodes give and ONNX Runtime. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel, type ModelOutput } from '../../src/onnx/index.js'
import { node } from '../support/onnx.js'
import { Random } from '../support/random.js'

const [N, HEADS, LENGTH, KEYS, SIZE] = [2, 3, 5, 7, 4]
const random = new Random(152)

const scalar = (name: string, value: number) => ({ name, shape: [], data: Float32Array.of(value) })
const initializers = [
  scalar('root', Math.sqrt(SIZE)),
  scalar('part', 1 / Math.sqrt(SIZE)),
  scalar('zero', 0),
  scalar('low', -3.4e38),
  scalar('lower', -1e4),
  scalar('hidden', Number.NEGATIVE_INFINITY),
]

const heads = [N, HEADS, LENGTH, SIZE]
const keys = [N, HEADS, KEYS, SIZE]
const turn = (k = 'k', perm = [0, 1, 3, 2]) => node('Transpose', [k], ['kt'], { perm })
const product = (q = 'q', kt = 'kt') => node('MatMul', [q, kt], ['scores'])
const softmax = (scores = 'scores', axis = -1) => node('Softmax', [scores], ['shares'], { axis })
const mixed = node('MatMul', ['shares', 'v'], ['y'])

interface Case {
  nodes: NodeParts[]
  /** Shapes of q, k, v, mask and sees. */
  shapes?: Record<string, number[]>
  /** How many nodes are left. */
  left: number
  outputs?: string[]
  /** Whether a mask hides all of a row's keys, so that the rest of its scores does not matter. */
  hides?: boolean
}

const where = (low: string) => node('Where', ['sees', 'scores', low], ['kept'])

const cases: Record<string, Case> = {
  'a product alone': { nodes: [turn(), product(), softmax(), mixed], left: 1 },
  'scores over a number': {
    nodes: [turn(), product(), node('Div', ['scores', 'root'], ['s']), softmax('s', 3), mixed],
    left: 1,
  },
  'a number times scores, and a mask': {
    nodes: [
      turn(),
      product(),
      node('Mul', ['part', 'scores'], ['s']),
      node('Add', ['mask', 's'], ['m']),
      softmax('m'),
      mixed,
    ],
    left: 1,
  },
  'both factors scaled': {
    nodes: [
      turn(),
      node('Mul', ['q', 'part'], ['q2']),
      node('Div', ['kt', 'root'], ['k2']),
      product('q2', 'k2'),
      softmax(),
      mixed,
    ],
    left: 1,
  },
  'keys turned from [n, keys, heads, size]': {
    nodes: [turn('k', [0, 2, 3, 1]), product(), softmax(), mixed],
    shapes: { k: [N, KEYS, HEADS, SIZE] },
    left: 2,
  },
  'three axes': {
    nodes: [turn('k', [0, 2, 1]), product(), node('Add', ['scores', 'mask'], ['m']), softmax('m', 2), mixed],
    shapes: {
      q: [6, LENGTH, SIZE],
      k: [6, KEYS, SIZE],
      v: [6, KEYS, 2],
      mask: [LENGTH, KEYS],
    },
    left: 1,
  },
  'values of another size, a mask for each head': {
    nodes: [turn(), product(), node('Add', ['scores', 'mask'], ['m']), softmax('m'), mixed],
    shapes: { v: [N, HEADS, KEYS, 9], mask: [1, HEADS, LENGTH, KEYS] },
    left: 1,
  },
  'scores set low': {
    nodes: [turn(), product(), where('low'), softmax('kept'), mixed],
    left: 1,
    hides: true,
  },
  'scores set low, then a mask': {
    nodes: [turn(), product(), where('low'), node('Add', ['kept', 'mask'], ['m']), softmax('m'), mixed],
    left: 1,
  },
  'a mask, then scores set low': {
    nodes: [
      turn(),
      product(),
      node('Add', ['scores', 'mask'], ['m']),
      node('Where', ['sees', 'm', 'low'], ['kept']),
      softmax('kept'),
      mixed,
    ],
    left: 1,
  },
  'rows that see nothing give 0': {
    nodes: [
      turn(),
      product(),
      node('Where', ['sees', 'zero', 'hidden'], ['hides']),
      node('Add', ['scores', 'hides'], ['m']),
      softmax('m'),
      node('IsNaN', ['shares'], ['none']),
      node('Where', ['none', 'zero', 'shares'], ['shares 2']),
      node('MatMul', ['shares 2', 'v'], ['y']),
    ],
    left: 2,
    hides: true,
  },
  'rows that see nothing are no numbers': {
    nodes: [
      turn(),
      product(),
      node('Where', ['sees', 'zero', 'hidden'], ['hides']),
      node('Add', ['scores', 'hides'], ['m']),
      softmax('m'),
      mixed,
    ],
    left: 2,
    hides: true,
  },
  'rows that see nothing, of one batch of keys': {
    nodes: [
      turn(),
      product(),
      node('Where', ['sees', 'zero', 'hidden'], ['hides']),
      node('Add', ['scores', 'hides'], ['m']),
      softmax('m'),
      node('IsNaN', ['shares'], ['none']),
      node('Where', ['none', 'zero', 'shares'], ['shares 2']),
      node('MatMul', ['shares 2', 'v'], ['y']),
    ],
    shapes: { k: [1, HEADS, KEYS, SIZE], v: [1, HEADS, KEYS, SIZE] },
    left: 2,
    hides: true,
  },
  'one batch of keys for all of q': {
    nodes: [turn(), product(), softmax(), mixed],
    shapes: { k: [1, HEADS, KEYS, SIZE], v: [1, HEADS, KEYS, SIZE] },
    left: 1,
  },
  'a mask of more images than scores': {
    nodes: [turn(), product(), node('Add', ['scores', 'mask'], ['m']), softmax('m'), mixed],
    shapes: {
      q: [1, HEADS, LENGTH, SIZE],
      k: [1, HEADS, KEYS, SIZE],
      v: [1, HEADS, KEYS, SIZE],
      mask: [N, 1, 1, KEYS],
    },
    left: 1,
  },
  'no keys': {
    nodes: [turn(), product(), softmax(), mixed],
    shapes: { k: [N, HEADS, 0, SIZE], v: [N, HEADS, 0, SIZE] },
    left: 1,
  },
  // What is not attention, or is given out in between, stays as it is.
  'a scaled mask': {
    nodes: [
      turn(),
      product(),
      node('Add', ['scores', 'mask'], ['m']),
      node('Div', ['m', 'root'], ['s']),
      softmax('s'),
      mixed,
    ],
    left: 6,
  },
  'a number that swallows no score': {
    nodes: [turn(), product(), where('lower'), softmax('kept'), mixed],
    left: 5,
    hides: true,
  },
  'another axis': { nodes: [turn(), product(), softmax('scores', 2), mixed], left: 4 },
  'shares given out': { nodes: [turn(), product(), softmax(), mixed], left: 4, outputs: ['y', 'shares'] },
  'scores given out': { nodes: [turn(), product(), softmax(), mixed], left: 4, outputs: ['y', 'scores'] },
  'keys given out': { nodes: [turn(), product(), softmax(), mixed], left: 4, outputs: ['y', 'kt'] },
  'keys as they are': {
    nodes: [product('q', 'k'), softmax(), mixed],
    shapes: { k: [N, HEADS, SIZE, KEYS] },
    left: 3,
  },
}

it("com.microsoft's: says what does not fit its past", async () => {
  const engine = await createEngine({ threads: 1 })
  const refused = async (past: number[], sizes: number[], message: RegExp) => {
    const columns = sizes.reduce((a, b) => a + b)
    const bytes = writeModel({
      nodes: [
        node('com.microsoft.Attention', ['x', 'w', '', '', 'past'], ['y', 'present'], {
          num_heads: 2,
          qkv_hidden_sizes: sizes,
        }),
      ],
      inputs: [
        { name: 'x', shape: [1, 3, 4] },
        { name: 'past', shape: past },
      ],
      outputs: [{ name: 'y' }, { name: 'present' }],
      initializers: [{ name: 'w', shape: [4, columns], data: random.floats(4 * columns) }],
    })
    const model = await loadModel(engine, bytes)
    const count = past.reduce((a, b) => a * b, 1)
    expect(() => model.run({ x: random.floats(12), past: random.floats(count) })).toThrow(message)
    model.dispose()
  }
  await refused([2, 1, 2, 5, 3], [4, 4, 4], /past must be \[2, 1, 2, places, 2\], got \[2, 1, 2, 5, 3\]/)
  await refused([2, 1, 2, 5, 2], [4, 4, 6], /qkv_hidden_sizes must be keys and values of one size/)
  expect(engine.memory().tensors).toBe(0)
  engine.dispose()
})

describe('attention spelled out', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  for (const [title, { nodes, shapes = {}, left, outputs = ['y'], hides = false }] of Object.entries(cases)) {
    it(title, async () => {
      const all: Record<string, number[]> = {
        q: heads,
        k: keys,
        v: keys,
        mask: [N, 1, 1, KEYS],
        sees: [1, 1, LENGTH, KEYS],
        ...shapes,
      }
      const read = new Set(nodes.flatMap(({ inputs }) => inputs))
      const inputs = Object.keys(all)
        .filter((name) => read.has(name))
        .map((name) => ({
          name,
          shape: all[name]!,
          ...(name === 'sees' && { type: 'bool' as const }),
        }))
      const bytes = writeModel({
        nodes,
        inputs,
        outputs: outputs.map((name) => ({ name })),
        initializers: initializers.filter(({ name }) => read.has(name)),
      })
      const feeds = inputs.map(({ name, shape }) => {
        const count = shape.reduce((a, b) => a * b, 1)
        // The first key is seen, unless a row may see none.
        const seen = (_: number, i: number) =>
          Number(random.next() < 0.5 ? 1 : i % KEYS === 0 && !(hides && i < KEYS))
        const data = name === 'sees' ? Uint8Array.from({ length: count }, seen) : random.floats(count)
        if (name === 'sees' && hides) data.fill(0, 0, KEYS)
        return { name, shape, data }
      })
      using model = await loadModel(engine, bytes)
      expect(model.summary().length).toBe(left)
      const session = await InferenceSession.create(bytes, {
        graphOptimizationLevel: 'disabled',
        logSeverityLevel: 4,
      })
      const wanted = await session.run(
        Object.fromEntries(
          feeds.map(({ name, shape, data }) => [
            name,
            new Tensor(name === 'sees' ? 'bool' : 'float32', data as never, shape),
          ]),
        ),
      )
      await session.release()
      const given = Object.fromEntries(feeds.map(({ name, data }) => [name, data]))
      const taps = nodes.slice(0, -1).flatMap(({ outputs }) => outputs)
      const first = model.run(given)
      const runs = [first, model.run(given), model.run(given, { taps })]
      for (const [i, run] of runs.entries()) {
        for (const name of outputs) {
          const got = run[name] as ModelOutput
          const { dims, data } = wanted[name]!
          expect([...got.shape]).toEqual([...dims])
          const numbers = got.toArray()
          for (const [at, value] of (data as Float32Array).entries())
            if (Number.isNaN(value)) expect(numbers[at], `${name}[${at}] of run ${i}`).toBeNaN()
            else expect(numbers[at], `${name}[${at}] of run ${i}`).toBeCloseTo(value, 5)
        }
      }
      expect(runs[1]!.y!.data).toEqual(first.y!.data)
    })
  }
})
