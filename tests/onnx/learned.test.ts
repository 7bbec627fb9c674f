/**
 * What ONNX Runtime does not referee of ai.onnx.ml (tests/referee/problemsLearned.ts): maps, which
 * onnxruntime-node cannot give out, what is newer than it, and files that say nonsense.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import {
  type AnyModelOutputs,
  loadModel,
  type ModelInputs,
  type ModelOutput,
  type NodeParts,
  type PortParts,
  writeModel,
} from '../../src/onnx/index.js'
import { module } from '../../src/onnx/operators/learned/index.js'
import { families } from '../referee/problemsLearned.js'

const ml = (name: string) => `ai.onnx.ml.${name}`
const version = { 'ai.onnx.ml': 5 }

describe('models of ai.onnx.ml', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  /** Runs one node three times: at first, recorded and replayed. */
  async function answers(
    op: string,
    inputs: readonly PortParts[],
    outputs: readonly PortParts[],
    attributes: NodeParts['attributes'],
    feeds: ModelInputs,
  ): Promise<AnyModelOutputs> {
    const names = (ports: readonly PortParts[]) => ports.map(({ name }) => name)
    const nodes = [{ op: ml(op), inputs: names(inputs), outputs: names(outputs), attributes }]
    using model = await loadModel(engine, writeModel({ nodes, inputs, outputs, domains: version }))
    const [first, ...others] = [1, 2, 3].map((): AnyModelOutputs => model.run(feeds))
    for (const other of others) expect(JSON.stringify(other)).toBe(JSON.stringify(first))
    return first!
  }

  it('gives the maps of ZipMap as plain objects, in a model that computes what it maps', async () => {
    const bytes = writeModel({
      domains: version,
      nodes: [
        { op: 'Softmax', inputs: ['x'], outputs: ['shares'] },
        {
          op: ml('ZipMap'),
          inputs: ['shares'],
          outputs: ['named'],
          attributes: { classlabels_strings: ['cat', '__proto__'] },
        },
        {
          op: ml('ZipMap'),
          inputs: ['shares'],
          outputs: ['counted'],
          attributes: { classlabels_int64s: [7, -3] },
        },
        { op: 'SequenceAt', inputs: ['named', 'last'], outputs: ['one'] },
      ],
      inputs: [{ name: 'x', shape: ['n', 2] }],
      initializers: [{ name: 'last', shape: [], data: BigInt64Array.of(-1n) }],
      outputs: [
        { name: 'named', map: 'string', sequence: true },
        { name: 'counted', map: 'int64', sequence: true },
        { name: 'one', map: 'string' },
      ],
    })
    using model = await loadModel(engine, bytes)
    expect(model.outputs.map(({ map, sequence, type }) => [map, sequence, type])).toEqual([
      ['string', true, 'float32'],
      ['int64', true, 'float32'],
      ['string', undefined, 'float32'],
    ])
    const share = Math.fround(1 / (1 + Math.exp(-1)))
    for (let round = 0; round < 3; round++) {
      const outputs: AnyModelOutputs = model.run({ x: { data: [1, 1, 3, 2], shape: [2, 2] } })
      const [even, odd] = outputs['named'] as Record<string, number>[]
      expect(Object.entries(even!)).toEqual([
        ['cat', 0.5],
        ['__proto__', 0.5],
      ])
      expect(odd!['cat']).toBeCloseTo(share, 6)
      expect(outputs['one']).toEqual(odd)
      expect(outputs['counted']).toHaveLength(2)
      expect((outputs['counted'] as Record<string, number>[])[0]).toEqual({ 7: 0.5, '-3': 0.5 })
    }
    expect(() => model.run({ x: { data: [], shape: [0, 2] } })).toThrow(/in a sequence of 0/)
  })

  it('takes maps as plain objects', async () => {
    const words = await answers(
      'DictVectorizer',
      [{ name: 'x', map: 'string', type: 'float32' }],
      [{ name: 'y' }],
      { string_vocabulary: ['a', 'c', 'b', 'z'] },
      { x: { a: 4, b: 8 } },
    )
    expect((words['y'] as ModelOutput).shape).toEqual([1, 4])
    expect([...(words['y'] as ModelOutput).toArray()]).toEqual([4, 0, 8, 0])
    const x = { 5: 2.5, 0: 1, 3: -1 }
    const port: PortParts = { name: 'x', map: 'int64' }
    const dense = await answers('CastMap', [port], [{ name: 'y' }], {}, { x })
    expect([...(dense['y'] as ModelOutput).toArray()]).toEqual([1, -1, 2.5])
    const attributes = { map_form: 'SPARSE', max_map: 6, cast_to: 'TO_INT64' }
    const sparse = await answers('CastMap', [port], [{ name: 'y', type: 'int64' }], attributes, { x })
    expect([...(sparse['y'] as ModelOutput).toArray()]).toEqual([1, 0, 0, -1, 0, 2])
    for (const wrong of [[1, 2], { a: 1 }, { 1: 'one' }, new Float32Array(2)])
      await expect(answers('CastMap', [port], [{ name: 'y' }], {}, { x: wrong as never })).rejects.toThrow(
        /input "x" must be a plain object of float32 by int64, got/,
      )
  })

  it('takes two classes with votes for both as what they are: the larger', async () => {
    const y = await answers(
      'TreeEnsembleClassifier',
      [{ name: 'x', shape: [2, 1] }],
      [{ name: 'y', type: 'string' }, { name: 'z' }],
      {
        ...{ nodes_treeids: [0, 0, 0], nodes_nodeids: [0, 1, 2], nodes_featureids: [0, 0, 0] },
        ...{ nodes_modes: ['BRANCH_LEQ', 'LEAF', 'LEAF'], nodes_values: { floats: [0.5, 0, 0] } },
        ...{ nodes_truenodeids: [1, 0, 0], nodes_falsenodeids: [2, 0, 0], class_treeids: [0, 0, 0, 0] },
        ...{ class_nodeids: [1, 1, 2, 2], class_ids: [0, 1, 0, 1] },
        class_weights: { floats: [0.75, 0.25, 0.125, 0.875] },
        classlabels_strings: ['no', 'yes'],
      },
      { x: [0, 1] },
    )
    expect((y['y'] as ModelOutput).toArray()).toEqual(['no', 'yes'])
    expect([...(y['z'] as ModelOutput).toArray()]).toEqual([0.75, 0.25, 0.125, 0.875])
  })

  /** x0 <= 1.5 ? (x1 in {2, 3} ? 10 : 20) : 30, and a tree that is a leaf. */
  const ensemble = {
    nodes_splits: { shape: [3], data: Float32Array.of(1.5, 0, 0) },
    nodes_featureids: [0, 1, 0],
    nodes_modes: { shape: [3], data: Uint8Array.of(0, 6, 0) },
    nodes_truenodeids: [1, 0, 3],
    nodes_falsenodeids: [2, 1, 3],
    nodes_trueleafs: [0, 1, 1],
    nodes_falseleafs: [1, 1, 1],
    nodes_missing_value_tracks_true: [1, 0, 0],
    tree_roots: [0, 2],
    membership_values: { shape: [3], data: Float32Array.of(2, 3, Number.NaN) },
    leaf_targetids: [0, 0, 0, 1],
    leaf_weights: { shape: [4], data: Float32Array.of(10, 20, 30, 1) },
    n_targets: 2,
  }
  const rows = [1.5, 2, 1, 4, 2, 2, Number.NaN, 3]

  it('goes down the trees of version 5, with sets of members and NaN', async () => {
    const ports: [PortParts[], PortParts[]] = [[{ name: 'x', shape: [4, 2] }], [{ name: 'y' }]]
    const y = await answers('TreeEnsemble', ...ports, ensemble, { x: rows })
    expect((y['y'] as ModelOutput).shape).toEqual([4, 2])
    expect([...(y['y'] as ModelOutput).toArray()]).toEqual([10, 1, 20, 1, 30, 1, 10, 1])
    const mean = await answers('TreeEnsemble', ...ports, { ...ensemble, aggregate_function: 0 }, { x: rows })
    expect([...(mean['y'] as ModelOutput).toArray()]).toEqual([5, 0.5, 10, 0.5, 15, 0.5, 5, 0.5])
  })

  it('refuses trees that go in circles or lead nowhere, and rows that are too short', async () => {
    const ports: [PortParts[], PortParts[]] = [[{ name: 'x', shape: [4, 2] }], [{ name: 'y' }]]
    const change = (change: NodeParts['attributes']) =>
      answers('TreeEnsemble', ...ports, { ...ensemble, ...change }, { x: rows })
    await expect(change({ nodes_trueleafs: [0, 0, 1] })).rejects.toThrow(
      /tree_roots must be nodes that no other leads to, got 0/,
    )
    await expect(change({ nodes_truenodeids: [1, 9, 3] })).rejects.toThrow(/nodes that exist, got node 12/)
    await expect(change({ nodes_featureids: [0, 2, 0] })).rejects.toThrow(/at least 3 features, got 2/)
    await expect(change({ tree_roots: [-1] })).rejects.toThrow(/tree_roots/)
    await expect(change({ leaf_targetids: [0, 0, 0, 2] })).rejects.toThrow(/targets from 0 to 1, got 2/)
  })

  it('says what is missing where labels, keys or values do not fit', async () => {
    const x: PortParts = { name: 'x', shape: [1, 3] }
    const zip = (attributes: NodeParts['attributes']) =>
      answers('ZipMap', [x], [{ name: 'y', map: 'int64', sequence: true }], attributes, { x: [1, 2, 3] })
    await expect(zip({ classlabels_int64s: [1, 2] })).rejects.toThrow(/rows of 2 numbers.*got \[1, 3\]/)
    await expect(zip({})).rejects.toThrow(/classlabels_int64s or classlabels_strings, got neither/)
    const encode = (attributes: NodeParts['attributes']) =>
      answers('LabelEncoder', [x], [{ name: 'y' }], attributes, { x: [1, 2, 3] })
    await expect(encode({ keys_strings: ['a'], values_floats: { floats: [1] } })).rejects.toThrow(
      /input 0 must be string, got float32/,
    )
    await expect(encode({ keys_floats: { floats: [1, 2] }, values_floats: { floats: [1] } })).rejects.toThrow(
      /as many values as keys, 2, got 1/,
    )
  })

  it('has every operator tried here or refereed', () => {
    const tried = new Set(Object.values(families).flatMap((lines) => lines.map(({ op }) => op)))
    const here = ['CastMap', 'DictVectorizer', 'TreeEnsemble', 'ZipMap'].map(ml)
    expect(
      Object.keys(module.operators)
        .filter((op) => !tried.has(op))
        .sort(),
    ).toEqual(here)
  })
})
