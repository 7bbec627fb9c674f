/** Long graphs in turns with others: loading, the first run, and the one that is recorded. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createEngine, type Engine, relu } from '../../src/index.js'
import {
  type ElementType,
  loadModel,
  type NodeParts,
  type UserArray,
  writeModel,
} from '../../src/onnx/index.js'

/** x + c, its absolute, and so on: every other node reads the same constant. */
function chain(count: number): Uint8Array {
  const nodes = Array.from({ length: count }, (_, i): NodeParts => {
    const [from, to] = [i ? `v${i}` : 'x', i === count - 1 ? 'y' : `v${i + 1}`]
    return i % 2
      ? { op: 'Abs', inputs: [from], outputs: [to] }
      : { op: 'Add', inputs: [from, 'c'], outputs: [to] }
  })
  return writeModel({
    nodes,
    inputs: [{ name: 'x', shape: [70] }],
    outputs: [{ name: 'y' }],
    initializers: [
      { name: 'c', shape: [70], data: Float32Array.from({ length: 70 }, (_, i) => (i - 35) / 8) },
    ],
  })
}

const x = { x: Float32Array.from({ length: 70 }, (_, i) => Math.sin(i)) }

/** How often others have a turn until the work is done; `each` is what they do with it. */
async function turnsOf(work: Promise<unknown>, each: () => void = () => {}): Promise<number> {
  let turns = 0
  let done = false
  const tick = () => {
    if (done) return
    turns++
    each()
    setImmediate(tick)
  }
  setImmediate(tick)
  await work.finally(() => {
    done = true
  })
  return turns
}

describe('a long graph', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  let time = performance.now()
  /** Each look at the clock, which never goes back, finds that the others have waited long enough. */
  function hurry(): void {
    vi.spyOn(performance, 'now').mockImplementation(() => {
      time += 20
      return time
    })
  }

  it('lets others have a turn after every few hundred nodes, loaded or run', async () => {
    const count = 5120
    const bytes = chain(count)
    hurry()
    const loading = loadModel(engine, bytes)
    // Read, made nodes of, sorted in two passes, folded, joined in several: at most 256 nodes at a time.
    expect(await turnsOf(loading)).toBeGreaterThan((6 * count) / 256)
    using model = await loading
    for (const round of ['node by node', 'recorded', 'replayed'])
      expect(await turnsOf(model.runAsync(x)), round).toBeGreaterThan(count)
  })

  it('lets others have a turn where it is nothing but constants', async () => {
    const count = 5120
    const nodes = Array.from({ length: count }, (_, i): NodeParts => {
      return { op: 'Identity', inputs: [`c${i}`], outputs: [i ? `v${i}` : 'y'] }
    })
    const initializers = nodes.map((_, i) => ({ name: `c${i}`, shape: [1], data: Float32Array.of(i) }))
    const bytes = writeModel({ nodes, initializers, inputs: [], outputs: [{ name: 'y' }] })
    hurry()
    const loading = loadModel(engine, bytes)
    // Tensors, nodes, missing operators, scales, values: each in steps of 256, and the folding node by node.
    expect(await turnsOf(loading)).toBeGreaterThan(count + (9 * count) / 256)
    using model = await loading
    // The plan, the list of values, and the end.
    expect(await turnsOf(model.runAsync({}))).toBeGreaterThanOrEqual(3)
    expect(model.run({}).y!.toArray()).toEqual(Float32Array.of(0))
  })

  it('is recorded around what others do with the engine meanwhile', async () => {
    using model = await loadModel(engine, chain(600))
    using other = await loadModel(engine, chain(40))
    const [wanted, others] = [model.run(x).y!.toArray(), other.run(x).y!.toArray()]
    hurry()
    const before = engine.memory().tensors
    let runs = 0
    const turns = await turnsOf(model.runAsync(x), () => {
      // Takes and gives back memory, records, replays.
      using a = engine.tensor(new Float32Array(70).fill(runs++), [70])
      using b = relu(a)
      expect(b.toArray()[69]).toBe(runs - 1)
      expect(other.run(x).y!.toArray()).toEqual(others)
    })
    expect(turns).toBeGreaterThan(600)
    vi.restoreAllMocks()
    for (let i = 0; i < 2; i++) expect(model.run(x).y!.toArray()).toEqual(wanted)
    expect(other.run(x).y!.toArray()).toEqual(others)
    expect(engine.memory().tensors - before).toBeLessThan(8)
  })

  it('is stopped while it is loaded or recorded, and leaves the engine as it was', async () => {
    hurry()
    const start = engine.memory()
    const stopped = async (work: (signal: AbortSignal) => Promise<unknown>) => {
      const stop = new AbortController()
      let turns = 0
      const result = work(stop.signal)
      const settled = expect(result).rejects.toThrow('enough')
      await turnsOf(
        result.catch(() => {}),
        () => {
          if (++turns === 12) stop.abort(new Error('enough'))
        },
      )
      await settled
    }
    await stopped((signal) => loadModel(engine, chain(3000), { signal }))
    expect(engine.memory().tensors).toBe(start.tensors)
    expect(engine.memory().live).toBe(start.live)
    using model = await loadModel(engine, chain(600))
    const wanted = (await model.runAsync(x)).y!.toArray()
    const { live, tensors } = engine.memory()
    await stopped((signal) => model.runAsync(x, { signal }))
    expect(engine.memory().tensors).toBe(tensors)
    expect(engine.memory().live).toBe(live)
    for (let i = 0; i < 2; i++) expect((await model.runAsync(x)).y!.toArray()).toEqual(wanted)
  })

  it('is left alone when its engine is disposed while it is loaded', async () => {
    const own = await createEngine({ threads: 1 })
    hurry()
    let turns = 0
    const result = loadModel(own, chain(3000))
    const settled = expect(result).rejects.toThrow(/engine must be alive until the model is loaded/)
    await turnsOf(
      result.catch(() => {}),
      () => {
        if (++turns === 12) own.dispose()
      },
    )
    await settled
  })

  it('lets others have a turn in the midst of a graph inside of a node, loaded', async () => {
    const count = 5120
    const nodes = Array.from({ length: count }, (_, i): NodeParts => {
      return { op: 'Abs', inputs: [i ? `v${i}` : 'x'], outputs: [`v${i + 1}`] }
    })
    const branch = { nodes, inputs: [], outputs: [{ name: `v${count}` }] }
    const bytes = writeModel({
      nodes: [
        {
          op: 'If',
          inputs: ['c'],
          outputs: ['y'],
          attributes: {
            then_branch: branch,
            else_branch: { ...branch, nodes: [], outputs: [{ name: 'x' }] },
          },
        },
      ],
      inputs: [
        { name: 'c', type: 'bool', shape: [] },
        { name: 'x', shape: [1] },
      ],
      outputs: [{ name: 'y' }],
    })
    hurry()
    const loading = loadModel(engine, bytes)
    // Read, made nodes of, seen for names of the graph around, sorted in two passes, joined.
    expect(await turnsOf(loading)).toBeGreaterThan((6 * count) / 256)
    using model = await loading
    const { y } = await model.runAsync({ c: Uint8Array.of(1), x: Float32Array.of(-3) })
    expect(y!.toArray()).toEqual(Float32Array.of(3))
  })

  /** Work on the host: a node of its own each, the shapes and types of its inputs, how many slices it takes. */
  const hostWork: [NodeParts['op'], [type: ElementType, ...shape: number[]][], NodeParts['attributes']?][] = [
    ['Exp', [['float64', 2 ** 18]]],
    ['Cast', [['float64', 2 ** 18]], { to: 10 }],
    ['Cast', [['float32', 2 ** 16]], { to: 8 }],
    [
      'Add',
      [
        ['float64', 2 ** 9, 2 ** 9],
        ['float64', 2 ** 9],
      ],
    ],
    [
      'Max',
      [
        ['float64', 2 ** 18],
        ['float64', 1],
        ['float64', 2 ** 18],
      ],
    ],
    [
      'Where',
      [
        ['bool', 2 ** 18],
        ['float64', 2 ** 18],
        ['float64', 1],
      ],
    ],
    ['ReduceSum', [['float64', 2 ** 18]]],
    ['ReduceLogSumExp', [['float64', 2 ** 9, 2 ** 9]], { keepdims: 0 }],
    ['Hardmax', [['float64', 2 ** 18]]],
    ['Unique', [['float64', 2 ** 16]]],
    [
      'CumProd',
      [
        ['float64', 2 ** 18],
        ['int64', 1],
      ],
    ],
    [
      'TopK',
      [
        ['float64', 2 ** 16],
        ['int64', 1],
      ],
    ],
    [
      'MatMul',
      [
        ['float64', 64, 64],
        ['float64', 64, 64],
      ],
    ],
    [
      'Gemm',
      [
        ['float64', 64, 64],
        ['float64', 64, 64],
        ['float64', 64],
      ],
    ],
    [
      'Einsum',
      [
        ['float64', 32, 32],
        ['float64', 32, 32],
      ],
      { equation: 'ij,jk->ik' },
    ],
    ['Transpose', [['float64', 2 ** 9, 2 ** 9]]],
    [
      'Concat',
      [
        ['float64', 2 ** 17],
        ['float64', 2 ** 17],
      ],
      { axis: 0 },
    ],
    [
      'Gather',
      [
        ['float64', 8],
        ['int64', 2 ** 18],
      ],
    ],
    [
      'GatherND',
      [
        ['float64', 8, 1],
        ['int64', 2 ** 15, 1],
      ],
    ],
    [
      'ScatterElements',
      [
        ['float64', 2 ** 16],
        ['int64', 2 ** 16],
        ['float64', 2 ** 16],
      ],
    ],
    [
      'ScatterND',
      [
        ['float64', 2 ** 18],
        ['int64', 2 ** 17, 1],
        ['float64', 2 ** 17],
      ],
    ],
    [
      'Compress',
      [
        ['float64', 2 ** 18],
        ['bool', 2 ** 18],
      ],
    ],
    ['NonZero', [['float64', 2 ** 18]]],
    ['Trilu', [['float64', 2 ** 9, 2 ** 9]]],
    [
      'OneHot',
      [
        ['int64', 2 ** 10],
        ['int64', 1],
        ['float64', 2],
      ],
      { axis: 0 },
    ],
    ['AveragePool', [['float64', 1, 1, 64, 64]], { kernel_shape: [3, 3] }],
    ['LpPool', [['float64', 1, 1, 64, 64]], { kernel_shape: [3, 3] }],
    ['MaxPool', [['float64', 1, 1, 64, 64]], { kernel_shape: [3, 3] }],
    [
      'AffineGrid',
      [
        ['float32', 1, 2, 3],
        ['int64', 4],
      ],
    ],
  ]

  it.each(hostWork)(
    'lets others have a turn in the midst of %s on the host',
    async (op, shapes, attributes) => {
      const names = shapes.map((_, i) => `x${i}`)
      const isSize = (i: number) => shapes[i]!.length === 2 && shapes[i]![1] === 4
      const dataOf = (type: ElementType, size: number, i: number): UserArray => {
        if (isSize(i)) return BigInt64Array.of(1n, 1n, 128n, 128n)
        // An axis, how many are wanted or how deep it is, or indices.
        const long = op === 'TopK' ? 200 : op === 'OneHot' ? 256 : 0
        if (type === 'int64')
          return BigInt64Array.from({ length: size }, (_, k) => BigInt(size > 1 ? k % 8 : long))
        if (type === 'bool') return Uint8Array.from({ length: size }, () => 1)
        const numbers = Float64Array.from({ length: size }, (_, k) => Math.sin(k) + 2)
        return type === 'float64' ? numbers : new Float32Array(numbers)
      }
      const bytes = writeModel({
        opset: 26,
        nodes: [{ op, inputs: names, outputs: op === 'TopK' ? ['y', 'at'] : ['y'], attributes }],
        inputs: shapes.map(([type, ...shape], i) => {
          const isScalar = type === 'int64' && shape.length === 1 && shape[0] === 1 && op !== 'TopK'
          return { name: names[i]!, type, shape: isScalar ? [] : shape }
        }),
        outputs: [{ name: 'y' }],
      })
      using model = await loadModel(engine, bytes)
      const inputs = Object.fromEntries(
        shapes.map(([type, ...shape], i) => [
          names[i]!,
          dataOf(
            type,
            shape.reduce((p, q) => p * q, 1),
            i,
          ),
        ]),
      )
      const wanted = model.run(inputs).y!.toArray()
      using other = await loadModel(engine, bytes)
      hurry()
      for (const round of ['node by node', 'recorded', 'replayed']) {
        const running = other.runAsync(inputs)
        expect(await turnsOf(running), round).toBeGreaterThan(11)
        expect((await running).y!.toArray(), round).toEqual(wanted)
      }
    },
  )
})
