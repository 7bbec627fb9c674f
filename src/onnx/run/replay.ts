/**
 * Runs of a graph on inputs of given shapes. The first goes node by node, and shows which nodes work in the
 * engine alone. What those do is recorded, and replayed from the second run on; the others, which read
 * numbers on the host, run in between as they did at first. So a run is segments of jobs with host steps
 * between them.
 */
import type { Graph, Node } from '../graph/graph.js'
import { checkFault, constantsOf, type Scope, stepsOf } from './execute.js'
import {
  dropPlan,
  dropRecording,
  type Live,
  newPlan,
  type Plan,
  type Recording,
  type Setup,
  type Stand,
  settingOf,
  standOf,
} from './plan.js'
import { copied, feed, record } from './record.js'
import { type Run, Value } from './value.js'

/** A graph and what its runs on inputs of some shapes share, with the graphs inside of its nodes. */
export const setupOf = (run: Run, opset: number, graph: Graph, plan: Plan): Setup => ({
  run,
  opset,
  graph,
  plan,
  runBody: (graph, around) => bodyOf(run, opset, plan, graph, around),
})

/** A run node by node; at its end `scope` holds the graph's outputs and what was to be kept. */
export function* nodeByNode(
  setup: Setup,
  scope: Scope,
  keep: ReadonlySet<string>,
  traced: boolean,
): Generator<Node, void> {
  const { graph, plan } = setup
  const setting = settingOf(setup, keep)
  setting.onNode = (node, note, hostReads, { values }) => {
    plan.notes.set(node, note)
    if (!traced || plan.traces.has(node)) return
    const outputs = node.outputs.map((name) => {
      const value = name ? values.get(name) : undefined
      return value && !value.constant ? standOf(value) : undefined
    })
    plan.traces.set(node, { onHost: hostReads || outputs.some((stand) => stand && !stand.form), outputs })
  }
  yield* stepsOf(graph, scope, setting)
  if (traced) plan.ran = true
}

/**
 * Runs the jobs and what is between them, a node at a time; false where a shape differs from the recorded
 * one, so that the run has to go node by node. `live`: inputs on the host; `check` is called before each
 * node.
 */
export function* replay(
  { plan, run: { engine } }: Setup,
  { marks, program }: Recording,
  live: Live,
  check: () => void = () => {},
): Generator<Node, boolean> {
  const given = new Set(live.values())
  let begin = 0
  const runTo = (end: number) => {
    if (end > begin) program.run(begin, end)
    begin = end
  }
  let done = false
  try {
    for (const { node, end, steps } of marks) {
      check()
      for (const { at, run } of steps) {
        runTo(at)
        if (!run(live)) {
          dropRecording(plan)
          return false
        }
      }
      runTo(end)
      checkFault(node, engine)
      yield node
    }
    check()
    runTo(program.length)
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
const BODIES = 4

/** Runs a graph inside of a node on values of those around it; its results have lives of their own. */
function bodyOf(
  run: Run,
  opset: number,
  outer: Plan,
  graph: Graph,
  around: ReadonlyMap<string, Value>,
): Value[] {
  return run.engine.apart(() => {
    const { constants } = run.kept
    if (!constants.has(graph)) constants.set(graph, constantsOf(graph, run))
    const stands = new Map<string, Stand>()
    for (const [name, value] of around) if (!value.constant) stands.set(name, standOf(value))
    const plans = outer.bodies.get(graph) ?? new Map<string, Plan>()
    outer.bodies.set(graph, plans)
    const key = JSON.stringify([...stands])
    let plan = plans.get(key)
    if (!plan) {
      const [oldest] = plans
      if (plans.size >= BODIES && oldest) {
        dropPlan(oldest[1])
        plans.delete(oldest[0])
      }
      const known = [...around].filter(([, value]) => value.constant)
      plan = newPlan(new Map([...constants.get(graph)!, ...known]))
      plans.set(key, plan)
    }
    const setup = setupOf(run, opset, graph, plan)
    const results = plan.ran ? replayBody(setup, stands, around) : undefined
    // It may be another graph the next time, or in other shapes.
    run.hostReads = true
    return results ?? runBody(setup, around)
  })
}

function runBody(setup: Setup, around: ReadonlyMap<string, Value>): Value[] {
  const { graph, plan } = setup
  const scope: Scope = { values: new Map([...plan.constants, ...around]) }
  for (const _ of nodeByNode(setup, scope, new Set(around.keys()), true));
  return detached(
    graph.outputs.map(({ name }) => scope.values.get(name)!),
    new Set(around.values()),
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

function replayBody(
  setup: Setup,
  stands: ReadonlyMap<string, Stand>,
  around: ReadonlyMap<string, Value>,
): Value[] | undefined {
  const { plan, run } = setup
  const live: Live = new Map()
  for (const [name, stand] of stands) if (!stand.form) live.set(name, around.get(name)!)
  const given = new Set(live.values())
  plan.recorded ??= record(setup, stands)
  const recording = plan.recorded
  for (const name of recording.inputs.keys()) feed(recording, name, around.get(name)!)
  const steps = replay(setup, recording, live)
  for (let step = steps.next(); ; step = steps.next()) {
    if (!step.done) continue
    if (!step.value) return undefined
    break
  }
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
}
