/**
 * Runs of a graph on inputs of given shapes. The first goes node by node, and shows which nodes work in the
 * engine alone. What those do is recorded, and replayed from the second run on; the others, which read
 * numbers on the host, run in between as they did at first. So a run is segments of jobs with host steps
 * between them.
 */
import { show } from '../../base/errors.js'
import { atOnce, type Steps } from '../../base/turns.js'
import { type Graph, graphsOf, type Node } from '../graph/graph.js'
import type { Call } from './call.js'
import { checkFault, constantsOf, find, type Scope, stepsOf, turnsOf } from './execute.js'
import { bodiesOf, dropRecording, type Plan, roomIn, type Setup, settingOf } from './plan.js'
import { copied, feed, record } from './record.js'
import { type Live, type Recording, type Stand, standOf } from './recording.js'
import { type Run, Value } from './value.js'

/** A graph and what its runs on inputs of some shapes share, with the graphs inside of its nodes. */
export const setupOf = (run: Run, opset: number, graph: Graph, plan: Plan): Setup => ({
  run,
  opset,
  graph,
  plan,
  runBody: (graph, around, constants) => bodyOf({ run, opset }, plan, graph, around, constants),
})

/** A run node by node; at its end `scope` holds the graph's outputs and what was to be kept. */
export function* nodeByNode(
  setup: Setup,
  scope: Scope,
  keep: ReadonlySet<string>,
  traced: boolean,
): Generator<Node | undefined, void> {
  const { graph, plan, run } = setup
  const setting = settingOf(setup, keep)
  if (traced) plan.begun = true
  if (traced && !plan.ran) setting.unrolls = hasFewSteps
  setting.onNode = (node, note, hostReads, scope) => {
    const { values } = scope
    plan.notes.set(node, note)
    if (!traced || plan.traces.has(node)) return
    const outputs = node.outputs.map((name) => {
      const value = name ? values.get(name) : undefined
      return value && !value.constant ? standOf(value) : undefined
    })
    plan.traces.set(node, { host: hostReason(node, scope, hostReads && run, outputs), outputs })
  }
  yield* stepsOf(graph, scope, setting)
  if (traced) plan.ran = true
}

/** Steps of a loop that a recording has at most. */
const UNROLLED = 64

/** Whether a node is a Scan of few steps, whose number follows from shapes. */
function hasFewSteps(call: Call): boolean {
  if (call.node.op !== 'Scan') return false
  const x = call.inputs[call.inputs.length - call.number('num_scan_inputs', 1)]
  const [axis = 0] = call.numbers('scan_input_axes', [])
  // Opset 8 goes through each image of a batch.
  const steps = call.opset < 9 ? (x?.shape[0] ?? 0) * (x?.shape[1] ?? 0) : (x?.shape.at(axis) ?? 0)
  return steps <= UNROLLED
}

/** Why a node is not kernels alone; `reader`: the run, where it read numbers that depend on the inputs. */
function hostReason(
  node: Node,
  scope: Scope,
  reader: Run | false,
  outputs: readonly (Stand | undefined)[],
): string | undefined {
  const host = outputs.find((stand) => stand && !stand.form)
  if (host?.kind) return 'it gives a sequence or an optional value'
  if (reader && graphsOf(node).length) return 'which of its graphs runs, and how often, follows from numbers'
  if (reader) {
    const name = node.inputs.find((name) => name && find(name, scope) === reader.read)
    return `the host reads ${name ? show(name) : 'numbers'}`
  }
  return host && `${host.type} stands on the host`
}

/**
 * Runs the jobs and what is between them, a node at a time; false where a shape differs from the recorded
 * one, so that the run has to go node by node. `live`: inputs on the host.
 */
export function* replay(
  { plan, run: { engine } }: Setup,
  { marks, program }: Recording,
  live: Live,
): Generator<Node | undefined, boolean> {
  const given = new Set(live.values())
  let begin = 0
  const runTo = (end: number) => {
    if (end > begin) program.run(begin, end)
    begin = end
  }
  let done = false
  try {
    for (const { node, end, steps } of marks) {
      for (const { at, run } of steps) {
        runTo(at)
        const fits = run(live)
        if (!(typeof fits === 'boolean' ? fits : yield* fits)) {
          dropRecording(plan)
          return false
        }
      }
      runTo(end)
      checkFault(node, engine)
      yield node
    }
    runTo(program.length)
    done = true
    return true
  } finally {
    if (!done) disposeLive(live, given)
  }
}

/** The same without a stop at each node: jobs between two host steps are one run of the program. */
export function* replayUnwatched(
  { plan, run: { engine } }: Setup,
  { program, stops }: Recording,
  live: Live,
): Steps<boolean> {
  const given = live.size ? new Set(live.values()) : undefined
  let begin = 0
  let done = false
  try {
    for (const { end, run, node } of stops) {
      if (end > begin) program.run(begin, end)
      begin = end
      if (node) checkFault(node, engine)
      if (!run) continue
      const fits = run(live)
      if (typeof fits === 'boolean' ? fits : yield* fits) continue
      dropRecording(plan)
      return false
    }
    done = true
    return true
  } finally {
    if (!done) disposeLive(live, given)
  }
}

/** Gives back what the host steps of a replay made. */
export function disposeLive(live: Live, given: ReadonlySet<Value> = new Set()): void {
  for (const [name, value] of live) {
    if (given.has(value)) continue
    value.dispose()
    live.delete(name)
  }
}

/** Plans of a graph inside of a node are kept for this many sets of shapes. */
const BODIES = { least: 4, bytes: 2 ** 22, part: 1 / 64 }

/**
 * Runs a graph inside of a node on values of those around it, and on constants there; its results have lives
 * of their own.
 */
function* bodyOf(
  of: Pick<Setup, 'run' | 'opset'>,
  outer: Plan,
  graph: Graph,
  around: ReadonlyMap<string, Value>,
  constants: () => Iterable<[string, Value]>,
): Steps<Value[]> {
  const { engine } = of.run
  const steps = turnsOf(bodySteps(of, outer, graph, around, constants))
  let done = false
  try {
    for (;;) {
      const step = engine.apart(() => steps.next())
      done = step.done === true
      if (step.done) return step.value
      yield
    }
  } finally {
    if (!done) engine.apart(() => steps.return([]))
  }
}

function* bodySteps(
  { run, opset }: Pick<Setup, 'run' | 'opset'>,
  outer: Plan,
  graph: Graph,
  around: ReadonlyMap<string, Value>,
  constantsAround: () => Iterable<[string, Value]>,
): Generator<Node | undefined, Value[]> {
  const { constants } = run.kept
  if (!constants.has(graph)) constants.set(graph, constantsOf(graph, run))
  const stands = new Map<string, Stand>()
  for (const [name, value] of around) stands.set(name, standOf(value))
  const plans = bodiesOf(outer, graph, constantsAround, roomIn(run.engine, BODIES))
  const exactly = () =>
    plans.find(stands, true) ?? plans.add(stands, new Map([...constants.get(graph)!, ...constantsAround()]))
  const use = function* (plan: Plan): Generator<Node | undefined, Value[] | undefined> {
    const setup = setupOf(run, opset, graph, plan)
    // What another run has a pause in keeps its memory to itself.
    const { busy = false } = plan
    plan.busy = true
    try {
      const results = plan.ran && !busy ? yield* replayBody(setup, around) : undefined
      // It may be another graph the next time, or in other shapes.
      run.hostReads = true
      if (results || (plan.open && plan.ran)) return results
      const made = yield* runBody(setup, around)
      if (!plan.open) plans.compare(plan)
      return made
    } finally {
      plan.busy = busy
    }
  }
  const plan = plans.find(stands) ?? exactly()
  const results = yield* use(plan)
  plans.trim()
  if (results) return results
  plans.mistook(plan)
  return (yield* use(exactly()))!
}

function* runBody(setup: Setup, around: ReadonlyMap<string, Value>): Generator<Node | undefined, Value[]> {
  const { graph, plan } = setup
  const open = aliasesOf(plan, around)
  const given = new Map([...around, ...open])
  const scope: Scope = { values: new Map([...plan.constants, ...given]) }
  try {
    yield* nodeByNode(setup, scope, new Set(given.keys()), true)
    return detached(
      graph.outputs.map(({ name }) => scope.values.get(name)!),
      new Set(given.values()),
    )
  } finally {
    for (const value of open.values()) value.dispose()
  }
}

/** Values of open inputs with lives of their own, of whose shapes nothing is made that outlives the run. */
function aliasesOf({ open = new Set() }: Plan, around: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map(
    [...open].map((name) => {
      const value = around.get(name)!.alias()
      value.named = true
      value.steady = false
      return [name, value]
    }),
  )
}

/** Values that may go out: those that are kept, belong to others or go out twice as aliases. */
function detached(values: readonly Value[], others: ReadonlySet<Value>): Value[] {
  const given = new Set<Value>()
  return values.map((value) => {
    const own = !value.constant && !others.has(value) && !given.has(value)
    given.add(value)
    return own ? value : value.alias()
  })
}

function* replayBody(setup: Setup, around: ReadonlyMap<string, Value>): Steps<Value[] | undefined> {
  const { plan, run } = setup
  plan.recorded ??= atOnce(record(setup, false))
  const recording = plan.recorded
  const open = aliasesOf(plan, around)
  const live: Live = new Map(open)
  for (const [name, { form }] of plan.stands) if (!form && !open.has(name)) live.set(name, around.get(name)!)
  const given = new Set(live.values())
  try {
    for (const name of recording.inputs.keys()) feed(recording, name, around.get(name)!)
    if (!(yield* replayUnwatched(setup, recording, live))) return undefined
    const results = recording.outputs.map((output) => {
      if (typeof output === 'string') return live.get(output)!
      if (output.constant) return output
      const { layout } = output
      return Value.inEngine(run, output.type, output.shape, copied(run.engine, output.asHeld(layout)), layout)
    })
    const outputs = detached(results, given)
    for (const value of outputs) for (const [name, other] of live) if (other === value) live.delete(name)
    disposeLive(live, given)
    return outputs
  } finally {
    for (const value of open.values()) value.dispose()
  }
}
