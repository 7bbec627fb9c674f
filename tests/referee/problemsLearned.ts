/** Nodes of ai.onnx.ml to ask ONNX Runtime about (operators.test.ts): a case is a line. */
// biome-ignore-all format: tables

import type { UserArray } from '../../src/onnx/index.js'
import { type Input, inputsOf, type Line, SEED, sizeOf } from './inputs.js'

const { random, f, i32: anyI32, i64: anyI64 } = inputsOf(SEED + 15)
const f64 = (shape: readonly number[], low = -2, high = 2): Input => ({ type: 'float64', shape, data: Float64Array.from(random.floats(sizeOf(shape), low, high)) })
const i32 = (shape: readonly number[], low = -3, high = 3): Input => anyI32(shape, low, high)
const i64 = (shape: readonly number[], low = -3, high = 3): Input => anyI64(shape, low, high)
const texts = (...data: string[]): Input => ({ type: 'string', shape: [data.length], data: data as UserArray })
const floats = (count: number, low = -2, high = 2) => ({ floats: Array.from(random.floats(count, low, high)) })
const makes = [f, f64, i32, i64]
const ml = (name: string) => `ai.onnx.ml.${name}`

const TRANSFORMS = ['NONE', 'SOFTMAX', 'LOGISTIC', 'SOFTMAX_ZERO']

const features: Line[] = [
  ...makes.flatMap((make): Line[] => [
    { op: ml('Scaler'), inputs: [make([4, 3])], attributes: { offset: floats(3), scale: floats(3) } },
    { op: ml('Scaler'), inputs: [make([5])], attributes: { offset: floats(1), scale: floats(1) } },
    ...(make === f ? [{ op: ml('Binarizer'), inputs: [make([4, 3])], attributes: { threshold: { float: 0.5 } } }] : []),
    ...['MAX', 'L1', 'L2'].map((norm): Line => ({ op: ml('Normalizer'), inputs: [make([4, 3])], attributes: { norm } })),
    { op: ml('ArrayFeatureExtractor'), inputs: [make([4, 3]), i64([2], 0, 2)] },
    { op: ml('ArrayFeatureExtractor'), inputs: [make([2, 4, 3]), i64([5], 0, 2)] },
    { op: ml('FeatureVectorizer'), inputs: [make([2, 3]), make([2, 1])], attributes: { inputdimensions: [3, 1] } },
    ...(make === i32 ? [] : [{ op: ml('OneHotEncoder'), inputs: [make([2, 3])], attributes: { cats_int64s: [-1, 0, 1, 2] } }]),
  ]),
  { op: ml('OneHotEncoder'), inputs: [texts('a', 'c', 'x')], attributes: { cats_strings: ['a', 'b', 'c'] } },
  { op: ml('ArrayFeatureExtractor'), inputs: [texts('a', 'c', 'x'), i64([2], 0, 2)] },
  { op: ml('Imputer'), inputs: [{ ...f([2, 3]), data: Float32Array.of(1, NaN, 2, NaN, NaN, 0) }], attributes: { imputed_value_floats: floats(3), replaced_value_float: { float: NaN } } },
  { op: ml('Imputer'), inputs: [{ ...f([2, 3]), data: Float32Array.of(1, 0, 2, 0, 0, 3) }], attributes: { imputed_value_floats: floats(1), replaced_value_float: { float: 0 } } },
  { op: ml('Imputer'), inputs: [i64([4, 3], 0, 2)], attributes: { imputed_value_int64s: [7, 8, 9], replaced_value_int64: 1 } },
  { op: ml('CategoryMapper'), inputs: [texts('a', 'b', 'no')], attributes: { cats_strings: ['b', 'a'], cats_int64s: [10, 20], default_int64: -7 } },
  { op: ml('CategoryMapper'), inputs: [i64([4], 0, 3)], attributes: { cats_strings: ['b', 'a', 'c'], cats_int64s: [0, 1, 2], default_string: 'none' } },
  { op: ml('LabelEncoder'), inputs: [texts('a', 'b', 'no')], attributes: { classes_strings: ['b', 'a'], default_int64: 9 } },
  { op: ml('LabelEncoder'), version: 2, inputs: [texts('a', 'b', 'no')], attributes: { keys_strings: ['b', 'a'], values_int64s: [3, 4], default_int64: 9 } },
  { op: ml('LabelEncoder'), version: 2, inputs: [texts('a', 'b', 'no')], attributes: { keys_strings: ['b', 'a'], values_floats: floats(2) } },
  { op: ml('LabelEncoder'), version: 2, inputs: [i64([2, 3], 0, 3)], attributes: { keys_int64s: [0, 1, 3], values_strings: ['x', 'y', 'z'] } },
  { op: ml('LabelEncoder'), version: 2, inputs: [f([3], 5, 6)], attributes: { keys_floats: { floats: [1, 2] }, values_floats: { floats: [3, 4] }, default_float: { float: 1.5 } } },
  { op: ml('LabelEncoder'), version: 4, inputs: [i64([5], 0, 3)], attributes: { keys_tensor: { type: 'int64', shape: [2], data: BigInt64Array.of(0n, 2n) }, values_tensor: f([2]), default_tensor: f([1]) } },
]

/** One tree, the nodes in the order of a walk; leaves vote for some of `targets`. */
function ensemble(votes: 'class' | 'target', trees: number, depth: number, targets: readonly number[], low = -1) {
  const nodes = { tree: [] as number[], id: [] as number[], mode: [] as string[], feature: [] as number[], value: [] as number[], yes: [] as number[], no: [] as number[], missing: [] as number[] }
  const leaves = { tree: [] as number[], node: [] as number[], target: [] as number[], weight: [] as number[] }
  const modes = ['BRANCH_LEQ', 'BRANCH_LT', 'BRANCH_GTE', 'BRANCH_GT', 'BRANCH_EQ', 'BRANCH_NEQ']
  const pick = (n: number) => random.integers(1, 0, n - 1)[0]!
  for (let tree = 0; tree < trees; tree++) {
    let next = 0
    const grow = (left: number): number => {
      const id = next++
      const at = nodes.id.length
      const isLeaf = left === 0 || (left < depth && pick(4) === 0)
      nodes.tree.push(tree)
      nodes.id.push(id)
      nodes.mode.push(isLeaf ? 'LEAF' : modes[pick(6)]!)
      nodes.feature.push(isLeaf ? 0 : pick(4))
      nodes.value.push(isLeaf ? 0 : pick(5) / 2 - 1)
      nodes.missing.push(pick(2))
      nodes.yes.push(0)
      nodes.no.push(0)
      if (isLeaf) {
        for (const target of targets) {
          leaves.tree.push(tree)
          leaves.node.push(id)
          leaves.target.push(target)
          leaves.weight.push(random.floats(1, low, 1)[0]!)
        }
      } else {
        nodes.yes[at] = grow(left - 1)
        nodes.no[at] = grow(left - 1)
      }
      return id
    }
    grow(depth)
  }
  return {
    nodes_treeids: nodes.tree, nodes_nodeids: nodes.id, nodes_modes: nodes.mode, nodes_featureids: nodes.feature, nodes_values: { floats: nodes.value },
    nodes_truenodeids: nodes.yes, nodes_falsenodeids: nodes.no, nodes_missing_value_tracks_true: nodes.missing,
    [`${votes}_treeids`]: leaves.tree, [`${votes}_nodeids`]: leaves.node, [`${votes}_ids`]: leaves.target, [`${votes}_weights`]: { floats: leaves.weight },
  }
}

/** Halves, so that some equal the thresholds, and NaN. */
const rows = (n: number): Input => ({ type: 'float32', shape: [n, 4], data: Float32Array.from(random.integers(n * 4, -4, 5), (v) => (v === 5 ? NaN : v / 2)) })

const trees: Line[] = [
  ...[1, 3].flatMap((targets): Line[] => ['SUM', 'AVERAGE', 'MIN', 'MAX'].flatMap((aggregate_function): Line[] => TRANSFORMS.map((post_transform): Line => ({
    op: ml('TreeEnsembleRegressor'), version: 3, inputs: [rows(9)],
    attributes: { ...ensemble('target', 5, 4, [...Array(targets).keys()]), n_targets: targets, aggregate_function, post_transform, ...(aggregate_function === 'MAX' && { base_values: floats(targets) }) },
  })))),
  { op: ml('TreeEnsembleRegressor'), version: 3, inputs: [f64([6, 4])], attributes: { ...ensemble('target', 5, 4, [0]), n_targets: 1 } },
  // Not two classes with votes for both, which ONNX Runtime does not compare, nor base values beside such for one: those it loses.
  ...[[2, 0], [2, 1], [3, 0, 1, 2]].flatMap(([classes, ...ids]): Line[] => TRANSFORMS.flatMap((post_transform): Line[] => [-1, 0].flatMap((low): Line[] => (ids[0] ? [0] : classes === 2 ? [0, 1] : [0, 3]).map((base): Line => ({
    op: ml('TreeEnsembleClassifier'), version: 3, inputs: [rows(9)], outputs: 2,
    attributes: { ...ensemble('class', 3, 3, ids, low), ...(low ? { classlabels_int64s: [5, 7, 9].slice(0, classes) } : { classlabels_strings: ['a', 'b', 'c'].slice(0, classes) }), post_transform,
      ...(base && { base_values: floats(base) }) },
  }))))),
]

const linear: Line[] = [
  ...makes.flatMap((make): Line[] => TRANSFORMS.flatMap((post_transform): Line[] => [
    ...(make === f ? [1, 3] : []).map((targets): Line => ({ op: ml('LinearRegressor'), inputs: [make([4, 3])], attributes: { targets, coefficients: floats(targets * 3), intercepts: floats(targets), post_transform } })),
    ...[2, 3].map((classes): Line => ({ op: ml('LinearClassifier'), inputs: [make([4, 3])], outputs: 2, attributes: { classlabels_ints: [4, 2, 7].slice(0, classes), coefficients: floats(classes * 3), intercepts: floats(classes), post_transform } })),
    { op: ml('LinearClassifier'), inputs: [make([4, 3])], outputs: 2, attributes: { classlabels_strings: ['no', 'yes'], coefficients: floats(3), intercepts: floats(1), post_transform } },
  ])),
  { op: ml('LinearRegressor'), inputs: [f([4, 3])], attributes: { coefficients: floats(3) } },
]

const vectors: Line[] = ['LINEAR', 'POLY', 'RBF', 'SIGMOID'].flatMap((kernel_type): Line[] => {
  const kernel = { kernel_type, kernel_params: { floats: [0.3, 0.5, 2] } }
  return [
    { op: ml('SVMRegressor'), inputs: [f([4, 3])], attributes: { ...kernel, coefficients: floats(5), support_vectors: floats(15), n_supports: 5, rho: floats(1) }, tolerance: 1e-4 },
    { op: ml('SVMRegressor'), inputs: [f([4, 3])], attributes: { ...kernel, coefficients: floats(5), support_vectors: floats(15), n_supports: 5, rho: floats(1), one_class: 1 } },
    ...[2, 3].flatMap((classes): Line[] => ['NONE', 'SOFTMAX', 'LOGISTIC'].flatMap((post_transform): Line[] => [false, true].map((shares): Line => {
      const pairs = (classes * (classes - 1)) / 2
      return {
        op: ml('SVMClassifier'), inputs: [f([6, 3])], outputs: 2, tolerance: 1e-4,
        attributes: { ...kernel, classlabels_ints: [3, 1, 2].slice(0, classes), vectors_per_class: [2, 3, 2].slice(0, classes), support_vectors: floats([2, 3, 2].slice(0, classes).reduce((a, b) => a + b) * 3),
          coefficients: floats((classes - 1) * [2, 3, 2].slice(0, classes).reduce((a, b) => a + b)), rho: floats(pairs), post_transform, ...(shares && { prob_a: floats(pairs, -2, -1), prob_b: floats(pairs) }) },
      }
    }))),
  ]
})

export const families: Record<string, Line[]> = { features, trees, linear, vectors }
