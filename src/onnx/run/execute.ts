/** Runs the nodes of a graph in order, and gives values back after their last use. */

import { FilterbankError, show } from '../../base/errors.js'
import { atOnce, fewByFew, now, type Steps } from '../../base/turns.js'
import type { Engine } from '../../core/engine.js'
import type { AnyTensor } from '../../core/tensor.js'
import { outsideWords } from '../../ops/gatherND.js'
import { type FreeNames, freeNames, freeNamesWithin, type Graph, type Node, readsOf } from '../graph/graph.js'
import { isRandom, operators, shapedByInputs, stepped, takesContainers } from '../operators/index.js'
import { needs } from '../operators/needs.js'
import { Call, nameOf } from './call.js'
import { multiplyAddsOf, type Note } from './summary.js'
import { type Run, Value } from './value.js'

/** Values by name, in a graph inside a node with those around it. */
export interface Scope {
  values: Map<string, Value>
  outer?: Scope
}

export interface Setting {
  run: Run
  opset: number
  /** Values that no input changes, found so far; they are kept from run to run. */
  constants: Map<string, Value>
  /** The same of the graphs inside of nodes, where they are part of this run. */
  inner: Map<Graph, Map<string, Value>>
  /** Told what a graph inside of a node reads. */
  touched?: Set<Value>
  /** Names of values to keep. */
  keep: ReadonlySet<string>
  /** Told after each node of the outermost graph that was run. */
  onNode?: (node: Node, note: Note, hostReads: boolean, scope: Scope) => void
  /**
   * Runs a graph inside of a node as a run of its own, which may be a replay, on values of the graphs around
   * it by their names, and on constants there; without it, it is part of this run.
   */
  runBody?: (
    graph: Graph,
    around: ReadonlyMap<string, Value>,
    constants: () => Iterable<[string, Value]>,
  ) => Steps<Value[]>
  /** Whether the steps of a loop are part of this run: a recording has them one after the other. */
  unrolls?: (call: Call) => boolean
  /** Whether a recording leaves a node to the replay; then it has put its outputs into the scope. */
  defer?: (node: Node, scope: Scope, lastUse: readonly string[]) => boolean
  /**
   * Where lengths are open: names whose values have other shapes in each run; those of all others are steady.
   */
  loose?: ReadonlySet<string> | undefined
}

/** The value of a name, in a graph or in those around it. */
export const find = (name: string, scope: Scope | undefined): Value | undefined =>
  scope && (scope.values.get(name) ?? find(name, scope.outer))

const around = new WeakMap<Graph, readonly string[]>()

/** `freeNames` of a graph that nobody changes any more. */
function namesAround(graph: Graph): readonly string[] {
  const names = around.get(graph) ?? freeNames(graph)
  around.set(graph, names)
  return names
}

const lastUses = new WeakMap<Graph, string[][]>()

/** For each node, the names that nobody reads after it. */
function* lastUsesOf(graph: Graph): Steps<string[][]> {
  const known = lastUses.get(graph)
  if (known) return known
  const seen = new Set(graph.outputs.map(({ name }) => name))
  const uses: string[][] = []
  const free: FreeNames = new Map()
  yield* freeNamesWithin(graph, free)
  yield* fewByFew(graph.nodes.toReversed(), (node) => {
    const last = [...new Set([...readsOf(node, free), ...node.outputs])].filter((name) => !seen.has(name))
    for (const name of last) seen.add(name)
    uses.push(last)
  })
  uses.reverse()
  lastUses.set(graph, uses)
  return uses
}

const NAMES = { sequence: 'a sequence', map: 'a map', none: 'an optional value without an element' }

/** What steps give at their end; nodes that they go by are no turns for others, but rounds of loops are. */
export function* turnsOf<T>(steps: Generator<Node | undefined, T>): Steps<T> {
  let ended = false
  try {
    for (;;) {
      const { done = false, value } = steps.next()
      ended = done
      if (done) return value as T
      if (!value) yield
    }
  } finally {
    if (!ended) steps.return(undefined as T)
  }
}

/** What a graph is given, by the names of its inputs: something else each time, be it constant in itself. */
function lentTo({ values }: Scope, graph: Graph, given: readonly Value[]): ReadonlySet<Value> {
  const lent = given.map((value) => value.alias())
  lent.forEach((value, i) => {
    value.constant = false
    value.named = true
    values.set(graph.inputs[i]!.name, value)
  })
  return new Set(lent)
}

/** One node: its outputs go into the scope by their names. */
export function* runNode(
  node: Node,
  scope: Scope,
  setting: Setting,
  spare: ReadonlySet<Value | undefined> = new Set(),
): Steps<Note> {
  const { run, opset, constants, inner: found, loose } = setting
  const inputs = node.inputs.map((name) => (name ? find(name, scope) : undefined))
  const isFixed = !isRandom(node.op) && node.inputs.every((_, i) => inputs[i]?.constant ?? true)
  const runGraph = function* (graph: Graph, given: readonly Value[] = []): Steps<Value[]> {
    const { runBody, unrolls } = setting
    // Which graph it is, and how often, is known before the run where the inputs are; a branch without nodes
    // gives what there is.
    const isPart = given.length ? unrolls?.(call) : isFixed || graph.nodes.length === 0
    if (runBody && !isPart) {
      const all = () => namesAround(graph).map((name): [string, Value] => [name, find(name, scope)!])
      const around = new Map(all().filter(([, value]) => !value.constant))
      for (const value of around.values()) call.used.push(value)
      const own = lentTo({ values: around }, graph, given)
      try {
        return yield* runBody(graph, around, () => all().filter(([, value]) => value.constant))
      } finally {
        for (const value of own) value.dispose()
      }
    }
    const { constants: kept } = run.kept
    if (!kept.has(graph)) kept.set(graph, constantsOf(graph, run))
    if (!found.has(graph)) found.set(graph, new Map())
    const inner: Scope = { values: new Map(kept.get(graph)), outer: scope }
    const touched = new Set<Value>()
    const constants = found.get(graph)!
    const lent = lentTo(inner, graph, given)
    const keep = new Set(graph.inputs.map(({ name }) => name))
    const inside: Setting = { run, opset, constants, inner: found, runBody, touched, keep }
    if (unrolls) inside.unrolls = unrolls
    try {
      yield* turnsOf(stepsOf(graph, inner, inside))
      for (const value of touched) if (!lent.has(value)) call.used.push(value)
      const out = new Set<Value>(lent)
      return graph.outputs.map(({ name }) => {
        const value = find(name, inner)!
        // What belongs to the graphs around, is kept or goes out twice has a life elsewhere.
        const own = inner.values.has(name) && !value.constant && !out.has(value)
        const result = own ? value : value.alias()
        out.add(result)
        if (value.constant && isFixed) call.ofShapes.add(result)
        return result
      })
    } finally {
      for (const value of lent) value.dispose()
    }
  }
  let outputs: readonly (Value | undefined)[] = []
  let call!: Call
  const start = now()
  const begin = () => {
    call = new Call(node, inputs, opset, run, runGraph, spare)
    const absent = node.inputs.findIndex((name, i) => name && !inputs[i])
    if (absent >= 0) call.fail(`input ${show(node.inputs[absent])}`, 'made by a node', 'none that makes it')
    const container = takesContainers.has(node.op) ? -1 : inputs.findIndex((value) => value?.kind)
    if (container >= 0) call.fail(`input ${container}`, 'a tensor', NAMES[inputs[container]!.kind!])
    const { axes, attribute } = needs.get(node.op) ?? {}
    axes?.forEach((least, i) => {
      const { shape } = inputs[i] ?? {}
      if (shape && shape.length < least) call.fail(`input ${i}`, `of at least ${least} axes`, shape)
    })
    if (attribute && !call.has(attribute)) call.fail(`attribute ${show(attribute)}`, 'given', 'none')
  }
  const made = new Set<AnyTensor>()
  const kept = new Set<AnyTensor>()
  try {
    run.engine.within(made, begin)
    if (Object.hasOwn(stepped, node.op)) {
      outputs = yield* stepsWithin(run, made, stepped[node.op]!(call))
    } else {
      run.engine.within(made, () => {
        const result = operators[node.op]!(call)
        outputs = result instanceof Value ? [ofRank(result, node.rank)] : result
      })
    }
    const { rest } = call
    if (rest) yield* stepsWithin(run, made, rest)
    for (const values of [inputs, outputs, call.used]) {
      for (const value of values) {
        value?.tensors(kept)
        value?.origin?.tensors(kept)
      }
    }
  } finally {
    run.engine.leave(made, kept)
  }
  const milliseconds = now() - start
  const shape = outputs[0]?.kind ? undefined : outputs[0]?.shape
  const multiplyAdds = multiplyAddsOf(
    node,
    inputs.map((value) => value?.shape),
    shape,
  )
  const read = call.used.length ? [...inputs, ...call.used] : inputs
  if (setting.touched) for (const value of read) if (value) setting.touched.add(value)
  for (const input of spare)
    for (const output of outputs) if (input && output && input !== output) input.donate(output)
  const plain = isPlain(node)
  const isSteady = read.every((value) => value?.steady ?? true)
  const keepsShape = !run.hostReads || shapedByInputs.has(node.op)
  node.outputs.forEach((name, i) => {
    const value = outputs[i]
    if (!name || !value) return
    value.constant = (plain && isFixed) || (isSteady && call.ofShapes.has(value))
    value.steady = value.constant || (loose ? !loose.has(name) : isSteady && keepsShape)
    value.named = true
    const known = value.constant ? constants.get(name) : undefined
    // Of a node that has other outputs too, an earlier run may have left it.
    if (known && known !== value) value.dispose()
    scope.values.set(name, known ?? value)
    if (value.constant && !known) constants.set(name, value)
  })
  // An output that the node does not name has no reader.
  outputs.forEach((value, i) => {
    if (!node.outputs[i]) value?.dispose()
  })
  return { shape, type: outputs[0]?.type, multiplyAdds, ...call.chosen, milliseconds }
}

/** Steps whose tensors go into `made`. In between others run: what the host read is not to be theirs. */
function* stepsWithin<T>(run: Run, made: Set<AnyTensor>, steps: Steps<T>): Steps<T> {
  const { engine } = run
  let done = false
  try {
    for (;;) {
      const step = engine.within(made, () => steps.next())
      done = step.done === true
      if (step.done) return step.value
      const { hostReads, read } = run
      yield
      Object.assign(run, { hostReads, read })
    }
  } finally {
    if (!done) engine.within(made, () => steps.return(undefined as T))
  }
}

/** Ones in front, up to as many axes. */
const ofRank = (value: Value, rank = 0): Value =>
  value.shape.length < rank
    ? value.reshaped([...Array(rank - value.shape.length).fill(1), ...value.shape])
    : value

/** Whether no attribute is a graph: what these make may depend on values that are no inputs of the node. */
function isPlain({ attributes }: Node): boolean {
  for (const value of attributes.values()) if (typeof value === 'object' && 'nodes' in value) return false
  return true
}

/** The constants of a graph as values. */
export const constantsOf = (graph: Graph, run: Run): Map<string, Value> => atOnce(constantsIn(graph, run))

/** The same in steps. */
export function* constantsIn(graph: Graph, run: Run): Steps<Map<string, Value>> {
  const values = new Map<string, Value>()
  yield* fewByFew([...graph.constants], ([name, tensor]) => {
    values.set(name, Value.constant(run, tensor))
  })
  return values
}

/**
 * Runs the nodes one by one, each at the next step of the generator, which gives it; in the midst of a node
 * that loops it gives nothing. At the end `scope` holds the graph's
 * outputs and what was to be kept; at an error nothing but constants.
 */
export function* stepsOf(graph: Graph, scope: Scope, setting: Setting): Generator<Node | undefined, void> {
  const { constants, keep, run } = setting
  const free = (name: string) => {
    const value = scope.values.get(name)
    if (!value || value.constant || keep.has(name)) return
    value.dispose()
    scope.values.delete(name)
  }
  const lastUse = yield* lastUsesOf(graph)
  const before = new Set<string>()
  for (const [name, value] of scope.values) if (!value.constant) before.add(name)
  let done = false
  try {
    for (const [i, node] of graph.nodes.entries()) {
      const known = node.outputs.every((name) => !name || constants.has(name))
      if (known) {
        for (const name of node.outputs) if (name) scope.values.set(name, constants.get(name)!)
      } else if (!setting.defer?.(node, scope, lastUse[i]!)) {
        const readBefore = run.hostReads
        run.hostReads = false
        run.read = undefined
        let note: Note
        try {
          const spare = new Set<Value>()
          for (const name of lastUse[i]!) {
            const value = keep.has(name) ? undefined : scope.values.get(name)
            if (value && !value.constant) spare.add(value)
          }
          note = yield* runNode(node, scope, setting, spare)
          checkFault(node, run.engine)
        } catch (error) {
          throw located(error, node, run.engine)
        }
        setting.onNode?.(node, note, run.hostReads, scope)
        run.hostReads ||= readBefore
      }
      for (const name of lastUse[i]!) free(name)
      yield node
    }
    for (const { name } of graph.outputs) if (!find(name, scope)) throw unmade(name)
    done = true
  } finally {
    if (!done) for (const name of [...scope.values.keys()]) if (!before.has(name)) free(name)
  }
}

/** A node names an output that its operator did not give. */
const unmade = (name: string): FilterbankError =>
  new FilterbankError({
    op: 'model',
    argument: `output ${show(name)}`,
    expected: 'made by a node',
    got: 'none that makes it',
  })

/** Throws where a kernel met an index outside of its axis. */
export function checkFault(node: Node, engine: Engine): void {
  const fault = engine.takeFault()
  if (!fault) return
  const isLength = node.op === 'ReverseSequence'
  throw new FilterbankError({
    op: nameOf(node),
    argument: isLength ? 'sequence_lens' : 'indices',
    expected: isLength ? `from 0 to ${fault.length}` : outsideWords(fault.length),
    got: show(fault.index),
  })
}

/**
 * The error with the name of the node in front. What a node with senseless attributes trips over in the
 * language itself becomes one of ours.
 */
export function located(error: unknown, node: Node, engine: Engine): FilterbankError {
  // An index that a kernel of this node met before it failed is not the next node's.
  engine.takeFault()
  if (!(error instanceof FilterbankError)) {
    return new FilterbankError(
      { op: nameOf(node), argument: 'node', expected: 'one that can be run', got: (error as Error).message },
      { cause: error },
    )
  }
  if (error.op.startsWith(node.op)) return error
  const { op, argument, expected, got, hint } = error
  return new FilterbankError(
    { op: `${nameOf(node)}: ${op}`, argument, expected, got, hint },
    { cause: error },
  )
}
