/**
 * Ensembles of decision trees: TreeEnsembleClassifier, TreeEnsembleRegressor, and TreeEnsemble, which
 * replaces both from version 5 on. A row goes down each tree and takes what the leaf has for each target.
 */
import type { Node } from '../../graph/graph.js'
import type { Call, Operator } from '../../run/call.js'
import {
  binary,
  labelled,
  labelsOf,
  largest,
  rowsOf,
  TRANSFORMS,
  transformed,
  transformOf,
} from './scores.js'

const MODES = [
  'BRANCH_LEQ',
  'BRANCH_LT',
  'BRANCH_GTE',
  'BRANCH_GT',
  'BRANCH_EQ',
  'BRANCH_NEQ',
  'BRANCH_MEMBER',
  'LEAF',
]
const LEQ = 0
const MEMBER = 6
const LEAF = 7
const AGGREGATES = ['AVERAGE', 'SUM', 'MIN', 'MAX']

/** Trees as parallel lists: node i asks `mode` of a feature and goes to `yes` or `no`. */
interface Forest {
  roots: Int32Array
  mode: Uint8Array
  feature: Int32Array
  threshold: Float64Array
  yes: Int32Array
  no: Int32Array
  /** Whether NaN goes to `yes`. */
  missing: Uint8Array
  /** What node i asks for as a member, where it does. */
  members: Map<number, ReadonlySet<number>>
  /** Votes of leaf i: from `first[i]` to `first[i + 1]`. */
  first: Int32Array
  target: Int32Array
  weight: Float64Array
  /** The targets that leaves have a vote for. */
  voted: ReadonlySet<number>
  /** Whether no vote is below 0. */
  isShare: boolean
  /** How many features a row has at least. */
  features: number
}

const forests = new WeakMap<Node, Forest>()

/** The forest of a node, read once. */
function forestOf(call: Call, make: (call: Call) => Forest): Forest {
  let forest = forests.get(call.node)
  if (!forest) {
    forest = make(call)
    forests.set(call.node, forest)
  }
  return forest
}

/** Numbers of an attribute, which may be a tensor where they are float64. */
const listOf = (call: Call, name: string): ArrayLike<number> =>
  (call.constant(`${name}_as_tensor`)?.data as Float64Array | undefined) ??
  (Array.isArray(call.node.attributes.get(name))
    ? call.numbers(name, [])
    : ((call.constant(name)?.data as Float64Array | undefined) ?? []))

/** Votes sorted by the node that they belong to. */
function votesOf(
  call: Call,
  owners: readonly number[],
  nodes: number,
  targets: ArrayLike<number>,
  weights: ArrayLike<number>,
) {
  if (targets.length !== owners.length || weights.length !== owners.length)
    call.fail('attributes', `a target and a weight for each of ${owners.length} votes`, [
      targets.length,
      weights.length,
    ])
  const first = new Int32Array(nodes + 1)
  for (const owner of owners) first[owner + 1]!++
  for (let i = 0; i < nodes; i++) first[i + 1]! += first[i]!
  const next = first.slice()
  const [target, weight] = [new Int32Array(owners.length), new Float64Array(owners.length)]
  owners.forEach((owner, i) => {
    const at = next[owner]!++
    target[at] = targets[i]!
    weight[at] = weights[i]!
  })
  return { first, target, weight, voted: new Set(target), isShare: weight.every((w) => w >= 0) }
}

/**
 * Those that no node leads to; an error where two lead to one, so that no row can go in circles: both ways of
 * a node may, which is how version 5 has a tree that is a leaf alone.
 */
function rootsOf(call: Call, { mode, yes, no }: Pick<Forest, 'mode' | 'yes' | 'no'>): Int32Array {
  const led = new Uint8Array(mode.length)
  mode.forEach((kind, i) => {
    if (kind === LEAF) return
    for (const child of new Set([yes[i]!, no[i]!])) {
      if (!(child >= 0 && child < mode.length)) call.fail('attributes', 'nodes that exist', `node ${child}`)
      if (led[child]) call.fail('attributes', 'one way to each node', `two to node ${child}`)
      led[child] = 1
    }
  })
  return Int32Array.from(mode.keys()).filter((i) => !led[i])
}

/** As versions 1 and 3 have it: nodes and leaves in one list, by the numbers of trees and nodes. */
function listed(call: Call, votes: 'class' | 'target'): Forest {
  const [trees, ids] = [call.numbers('nodes_treeids', []), call.numbers('nodes_nodeids', [])]
  const count = ids.length
  const names = call.texts('nodes_modes') ?? []
  const lists = ['nodes_featureids', 'nodes_truenodeids', 'nodes_falsenodeids'].map((name) =>
    call.numbers(name, []),
  )
  const [features, trueIds, falseIds] = lists as [number[], number[], number[]]
  const threshold = Float64Array.from(listOf(call, 'nodes_values'))
  const odd = [trees, names, ...lists, threshold].find(({ length }) => length !== count)
  if (odd) call.fail('attributes', `${count} of each for the nodes`, odd.length)
  const places = new Map<number, Map<number, number>>()
  ids.forEach((id, i) => {
    const tree = places.get(trees[i]!) ?? new Map<number, number>()
    places.set(trees[i]!, tree.set(id, i))
  })
  const placeOf = (tree: number, id: number) =>
    places.get(tree)?.get(id) ?? call.fail('attributes', `a node ${id} in tree ${tree}`, 'none')
  const mode = Uint8Array.from(names, (name) => {
    const kind = MODES.indexOf(name)
    return kind < 0 || kind === MEMBER ? call.fail('nodes_modes', `of ${MODES.join(', ')}`, name) : kind
  })
  const child = (list: readonly number[]) =>
    Int32Array.from(list, (id, i) => (mode[i] === LEAF ? -1 : placeOf(trees[i]!, id)))
  const [yes, no] = [child(trueIds), child(falseIds)]
  const tracks = call.numbers('nodes_missing_value_tracks_true', [])
  const voters = call.numbers(`${votes}_nodeids`, [])
  const voterTrees = call.numbers(`${votes}_treeids`, [])
  if (voterTrees.length !== voters.length)
    call.fail('attributes', `trees of ${voters.length} votes`, voterTrees.length)
  const owners = voters.map((id, i) => placeOf(voterTrees[i]!, id))
  return {
    roots: rootsOf(call, { mode, yes, no }),
    mode,
    feature: Int32Array.from(features),
    threshold,
    yes,
    no,
    missing: Uint8Array.from({ length: count }, (_, i) => tracks[i] ?? 0),
    members: new Map(),
    ...votesOf(call, owners, count, call.numbers(`${votes}_ids`, []), listOf(call, `${votes}_weights`)),
    features: featuresOf(mode, features),
  }
}

const featuresOf = (mode: Uint8Array, features: readonly number[]): number =>
  features.reduce((most, feature, i) => (mode[i] === LEAF ? most : Math.max(most, feature + 1)), 0)

/** As version 5 has it: leaves in a list of their own, which stand behind the nodes here. */
function split(call: Call): Forest {
  const kinds = listOf(call, 'nodes_modes')
  const [nodes, splits] = [kinds.length, listOf(call, 'nodes_splits')]
  const [targets, weights] = [call.numbers('leaf_targetids', []), listOf(call, 'leaf_weights')]
  const total = nodes + targets.length
  const mode = Uint8Array.from({ length: total }, (_, i) => (i < nodes ? kinds[i]! : LEAF))
  const bad = mode.subarray(0, nodes).find((kind) => kind > MEMBER)
  if (bad !== undefined) call.fail('nodes_modes', `from 0 to ${MEMBER}`, bad)
  const child = (which: string) => {
    const [ids, leaves] = [call.numbers(`nodes_${which}nodeids`, []), call.numbers(`nodes_${which}leafs`, [])]
    return Int32Array.from({ length: total }, (_, i) => (i < nodes ? ids[i]! + (leaves[i] ? nodes : 0) : -1))
  }
  const [yes, no] = [child('true'), child('false')]
  const features = call.numbers('nodes_featureids', [])
  const tracks = call.numbers('nodes_missing_value_tracks_true', [])
  const members = new Map<number, ReadonlySet<number>>()
  const sets = Array.from(listOf(call, 'membership_values'))
  mode.forEach((kind, i) => {
    if (kind !== MEMBER) return
    const end = sets.findIndex((v) => Number.isNaN(v))
    members.set(i, new Set(sets.splice(0, end < 0 ? sets.length : end)))
    sets.shift()
  })
  const tops = new Set(rootsOf(call, { mode, yes, no }))
  const roots = Int32Array.from(call.numbers('tree_roots', []))
  const inside = roots.find((root) => !tops.has(root))
  if (inside !== undefined) call.fail('tree_roots', 'nodes that no other leads to', inside)
  return {
    roots,
    mode,
    feature: Int32Array.from(mode, (_, i) => features[i] ?? 0),
    threshold: Float64Array.from(mode, (_, i) => splits[i] ?? 0),
    yes,
    no,
    missing: Uint8Array.from(mode, (_, i) => tracks[i] ?? 0),
    members,
    ...votesOf(
      call,
      targets.map((_, i) => nodes + i),
      total,
      targets,
      weights,
    ),
    features: featuresOf(mode, features),
  }
}

/** The leaf that a row, from `at` on, comes to. */
function leafOf(forest: Forest, root: number, x: Float64Array, at: number): number {
  const { mode, feature, threshold, yes, no, missing, members } = forest
  let i = root
  for (;;) {
    const kind = mode[i]!
    if (kind === LEAF) return i
    // Nearly all trees ask nothing else, and NaN is not at most anything.
    if (kind === LEQ && !missing[i]) {
      i = x[at + feature[i]!]! <= threshold[i]! ? yes[i]! : no[i]!
      continue
    }
    const v = x[at + feature[i]!]!
    const t = threshold[i]!
    let is: boolean
    if (kind === LEQ) is = v <= t
    else if (kind === 1) is = v < t
    else if (kind === 2) is = v >= t
    else if (kind === 3) is = v > t
    else if (kind === 4) is = v === t
    else if (kind === 5) is = v !== t
    else is = members.get(i)!.has(v)
    i = is || (missing[i] && Number.isNaN(v)) ? yes[i]! : no[i]!
  }
}

/** Of each row and target what all trees give, [n, targets], and whether any gave something. */
function aggregated(call: Call, forest: Forest, targets: number, aggregate: string) {
  const { count, features, data } = rowsOf(call)
  if (features < forest.features)
    call.fail('input 0', `rows of at least ${forest.features} features`, features)
  const { roots, first, target, weight, voted } = forest
  const outside = [...voted].find((id) => !(id >= 0 && id < targets))
  if (outside !== undefined) call.fail('attributes', `votes for targets from 0 to ${targets - 1}`, outside)
  const sums = new Float64Array(count * targets)
  const given = new Uint8Array(count * targets)
  const adds = aggregate === 'SUM' || aggregate === 'AVERAGE'
  for (let row = 0; row < count; row++) {
    for (let tree = 0; tree < roots.length; tree++) {
      const leaf = leafOf(forest, roots[tree]!, data, row * features)
      for (let k = first[leaf]!; k < first[leaf + 1]!; k++) {
        const at = row * targets + target[k]!
        const w = weight[k]!
        if (adds) sums[at]! += w
        else if (aggregate === 'MIN') sums[at] = given[at] ? Math.min(sums[at]!, w) : w
        else sums[at] = given[at] ? Math.max(sums[at]!, w) : w
        given[at] = 1
      }
    }
  }
  if (aggregate === 'AVERAGE') for (let i = 0; i < sums.length; i++) sums[i]! /= roots.length
  return { sums, given, count }
}

/** One target has a transform only where it is PROBIT, as ONNX Runtime has it. */
function regression(call: Call, forest: Forest, targets: number, aggregate: string, transform: string) {
  const { sums, count } = aggregated(call, forest, targets, aggregate)
  const base = listOf(call, 'base_values')
  if (base.length && base.length !== targets) call.fail('base_values', `${targets} numbers`, base.length)
  const type =
    call.input(0).type === 'float64' && call.node.op.endsWith('TreeEnsemble') ? 'float64' : 'float32'
  const plain = transform === 'NONE' || (targets === 1 && transform !== 'PROBIT')
  return call.host(type, [count, targets], (to) => {
    for (let i = 0; i < to.length; i++) to[i] = sums[i]! + (base[i % targets] ?? 0)
    if (plain) return
    for (let i = 0; i < to.length; i += targets)
      to.set(transformed(transform, Array.from(to.subarray(i, i + targets))), i)
  })
}

const treeEnsembleRegressor: Operator = (call) => {
  const aggregate = call.text('aggregate_function', 'SUM')
  if (!AGGREGATES.includes(aggregate))
    call.fail('aggregate_function', `one of ${AGGREGATES.join(', ')}`, aggregate)
  const forest = forestOf(call, () => listed(call, 'target'))
  return regression(call, forest, call.number('n_targets', 1), aggregate, transformOf(call))
}

const treeEnsemble: Operator = (call) => {
  const aggregate =
    AGGREGATES[call.number('aggregate_function', 1)] ??
    call.fail('aggregate_function', 'from 0 to 3', call.number('aggregate_function', 1))
  const kind = call.number('post_transform', 0)
  const transform = TRANSFORMS[kind]
  if (!transform) return call.fail('post_transform', 'from 0 to 4', kind)
  return regression(call, forestOf(call, split), call.number('n_targets', 1), aggregate, transform)
}

/**
 * The label of the largest score of each row, and the scores. Two classes of which the leaves know one have
 * one score, which is compared with a half where all are shares and else with 0, as ONNX Runtime has it.
 */
const treeEnsembleClassifier: Operator = (call) => {
  const labels = labelsOf(call, 'classlabels_int64s')
  const transform = transformOf(call)
  const forest = forestOf(call, () => listed(call, 'class'))
  const classes = labels.list.length
  const { sums, count } = aggregated(call, forest, classes, 'SUM')
  const base = listOf(call, 'base_values')
  const { voted, isShare } = forest
  const one = classes === 2 && voted.size === 1
  const single = one && voted.has(0) && base.length < 2
  const found: (number | string)[] = []
  const scores: number[] = []
  for (let row = 0; row < count; row++) {
    const own = Array.from(sums.subarray(row * classes, (row + 1) * classes), (v, k) => v + (base[k] ?? 0))
    const best = one ? Number(own[voted.has(1) ? 1 : 0]! > (isShare ? 0.5 : 0)) : largest(own)
    found.push(labels.list[best]!)
    scores.push(...(single ? binary(transform, own[0]!, isShare) : transformed(transform, own)))
  }
  return [
    labelled(call, labels, found),
    call.host('float32', [count, scores.length / Math.max(1, count)], (to) => to.set(scores)),
  ]
}

export const trees: Record<string, Operator> = {
  TreeEnsemble: treeEnsemble,
  TreeEnsembleClassifier: treeEnsembleClassifier,
  TreeEnsembleRegressor: treeEnsembleRegressor,
}
