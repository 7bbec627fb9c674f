/**
 * What is kept of the runs of a graph so that the next one is quicker: plans for inputs that stand as they
 * did, and for inputs of which some have other lengths in each run, as a decoder's past has.
 */

import { sameShape } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import { type Graph, graphsOf, type Node, readsOf } from '../graph/graph.js'
import type { Setting } from './execute.js'
import {
  type Recording,
  type Stand,
  type Stands,
  sameStand,
  sameStands,
  standOf,
  type Trace,
} from './recording.js'
import type { Note } from './summary.js'
import type { Run, Value } from './value.js'

/** What is known about runs of a graph on inputs of certain shapes. */
export interface Plan {
  /** How its inputs stand, or of those that are open stood in its first run. */
  stands: Stands
  /** Names of inputs that may be of any length, in a plan that leaves some open. */
  open?: ReadonlySet<string>
  /** Values that only the shapes decide. */
  constants: Map<string, Value>
  /** Those of them that live elsewhere. */
  shared: ReadonlyMap<string, Value>
  /** The same of the graphs inside of nodes that are part of these runs. */
  inner: Setting['inner']
  /** Of runs of inner graphs that are runs of their own. */
  bodies: Map<Graph, Plans>
  /** Those of them that all plans of this graph have in common. */
  common: Map<Graph, Plans>
  /** Of the last run node by node. */
  notes: Map<Node, Note>
  /** Of the first one. */
  traces: Map<Node, Trace>
  /** Whether a run came to its end: then all that outlives a recording is there. */
  ran: boolean
  /**
   * Names whose values were seen in other shapes than at first: what reads them is not recorded. Where inputs
   * are open these are known from the start, and the shapes of all others are taken to be fixed, which each
   * replay checks.
   */
  loose: Set<string>
  recorded?: Recording | undefined
  /** Of constants and notes, once they are known. */
  ownBytes?: number
  /** Of a graph inside of a node: whether a run of it has a pause. */
  busy?: boolean
  /** Where inputs are open: whether its first run began, and the lengths of the last one and of all. */
  begun?: boolean
  last?: string
  seen?: Set<string>
}

const newPlan = ({ shared, common }: Pick<Plan, 'shared' | 'common'>, stands: Stands): Plan => ({
  stands,
  common,
  constants: new Map(shared),
  shared,
  inner: new Map(),
  bodies: new Map(),
  notes: new Map(),
  traces: new Map(),
  ran: false,
  loose: new Set(),
})

/** What a plan takes on the host for each node, about. */
const NODE_BYTES = 512

/** Bytes that a plan takes, about: of its program, its constants, and plans of inner graphs. */
function bytesOf(plan: Plan): number {
  const { constants, recorded, shared, traces } = plan
  if (plan.ran && plan.ownBytes === undefined) {
    const own = [...constants].filter(([name, value]) => shared.get(name) !== value)
    plan.ownBytes = own.reduce((sum, [, { size }]) => sum + 4 * size, NODE_BYTES * traces.size)
  }
  let bytes = (plan.ownBytes ?? 0) + (recorded?.bytes ?? 0)
  for (const plans of ownBodies(plan)) for (const body of plans) bytes += bytesOf(body)
  return bytes
}

const ownBodies = ({ bodies, common }: Plan): Plans[] =>
  [...bodies].filter(([graph, plans]) => common.get(graph) !== plans).map(([, plans]) => plans)

/**
 * The plans of a graph inside of a node: those of all plans around, where it reads only such `constants`
 * there as live longer than one of them.
 */
export function bodiesOf(
  outer: Plan,
  graph: Graph,
  constants: () => Iterable<[string, Value]>,
  room: Room,
): Plans {
  const known = outer.bodies.get(graph)
  if (known) return known
  const isCommon = [...constants()].every(([name, value]) => outer.shared.get(name) === value)
  const plans = (isCommon ? outer.common.get(graph) : undefined) ?? new Plans(graph, room)
  if (isCommon) outer.common.set(graph, plans)
  outer.bodies.set(graph, plans)
  return plans
}

/** Gives back what a plan holds. */
function dropPlan(plan: Plan): void {
  const { constants, shared, inner } = plan
  for (const [name, value] of constants) if (shared.get(name) !== value) value.dispose()
  for (const found of inner.values()) for (const value of found.values()) value.dispose()
  for (const plans of ownBodies(plan)) plans.dispose()
  dropRecording(plan)
}

export function dropRecording(plan: Plan): void {
  const { recorded } = plan
  if (!recorded) return
  recorded.program.dispose()
  // Constants that go out belong to the graph, here or around.
  for (const value of [...recorded.inputs.values(), ...recorded.outputs])
    if (typeof value !== 'string' && !value.constant) value.dispose()
  plan.recorded = undefined
}

/** A graph and what its runs have in common. */
export interface Setup {
  run: Run
  opset: number
  graph: Graph
  plan: Plan
  /** Runs graphs inside of nodes. */
  runBody: Setting['runBody']
}

export function settingOf({ run, opset, plan, runBody }: Setup, keep: ReadonlySet<string>): Setting {
  const { constants, inner, open } = plan
  return { run, opset, constants, inner, keep, runBody, loose: open && plan.loose }
}

/** Plans that leave lengths open are kept for this many sets of the others. */
const OPEN = 2
/** They are made where at least this part of the nodes can be recorded. */
const RECORDED = 0.25
/** Lengths that such a plan remembers. */
const SEEN = 1024

/**
 * For how many sets of shapes plans for inputs that stand as they did are kept: so many, and more while all
 * of them take no more bytes than these.
 */
interface Room {
  least: number
  bytes: number
}

/** The same where bytes are a part of what the engine may take, if that is less. */
export const roomIn = ({ mostBytes }: Engine, { least, bytes, part }: Room & { part: number }): Room => ({
  least,
  bytes: Math.min(bytes, part * mostBytes),
})

export class Plans implements Iterable<Plan> {
  /** For inputs that stand as they did. The one in use is the last, here and below. */
  private readonly exact: Plan[] = []
  /** For inputs of which some are of any length. */
  private readonly open: Plan[] = []
  /** Names seen in other shapes although a plan had taken theirs to be fixed. */
  private readonly loose = new Set<string>()
  /** Sets of open inputs with which too little could be recorded. */
  private readonly refused = new Set<string>()
  /** Plans of graphs inside of nodes that all of these have in common. */
  private readonly common = new Map<Graph, Plans>()
  /** Whether there were more than there is room for: then open ones serve lengths that come again, too. */
  private crowded = false
  /** The one that was asked for last. */
  latest: Plan | undefined

  constructor(
    private readonly graph: Graph,
    private readonly room: Room,
  ) {}

  *[Symbol.iterator](): Iterator<Plan> {
    yield* this.exact
    yield* this.open
  }

  /** The plan for inputs that stand so; `exactly`: none that leaves lengths open. */
  find(stands: Stands, exactly = false): Plan | undefined {
    const exact = this.exact.find((plan) => sameStands(plan.stands, stands))
    const found = exact ?? (exactly ? undefined : this.findOpen(stands))
    if (!found) return undefined
    const plans = exact ? this.exact : this.open
    if (plans.at(-1) !== found) plans.push(...plans.splice(plans.indexOf(found), 1))
    this.latest = found
    return found
  }

  private findOpen(stands: Stands): Plan | undefined {
    // What the first run found is not known to hold for others where it was stopped.
    for (const plan of this.open.filter(({ begun, ran, busy }) => begun && !ran && !busy)) this.drop(plan)
    const plan = this.open.find((plan) => !plan.busy && accepts(plan, stands))
    if (!plan) return undefined
    // A plan for one length alone records more: there may be more runs of a length that comes again.
    const key = [...stands.values()].map(({ shape }) => shape.join()).join(';')
    const isAgain = plan.last === key || (plan.seen?.has(key) && !this.crowded)
    plan.last = key
    plan.seen ??= new Set()
    if (plan.seen.size < SEEN) plan.seen.add(key)
    return isAgain ? undefined : plan
  }

  /** Drops old plans until the others have room. */
  trim(): void {
    for (const old of this.exact.slice(0, -1)) {
      if (old.busy || !this.isFull) continue
      this.drop(old)
      this.crowded = true
    }
  }

  private get isFull(): boolean {
    const { least, bytes } = this.room
    return this.exact.length >= least && this.exact.reduce((sum, plan) => sum + bytesOf(plan), 0) >= bytes
  }

  /** A new plan for inputs that stand so. Old ones make room for it, unless they are to `stay`. */
  add(stands: Stands, constants: ReadonlyMap<string, Value>, stay = false): Plan {
    if (!stay) this.trim()
    const plan = newPlan({ shared: constants, common: this.common }, stands)
    this.exact.push(plan)
    this.latest = plan
    return plan
  }

  /**
   * Compares a run, which went node by node, with one before it: where only some inputs stood otherwise,
   * there is a plan from now on that leaves their lengths open.
   */
  compare(plan: Plan): void {
    const other = this.exact.findLast((other) => other !== plan && other.ran)
    const open = other && changed(other.stands, plan.stands)
    if (!other || !open?.size || open.size === plan.stands.size) return
    const key = [...open].sort().join()
    if (this.refused.has(key) || this.open.some((known) => accepts(known, plan.stands))) return
    const loose = new Set([...open, ...this.loose])
    let all = 0
    let recorded = 0
    for (const node of this.graph.nodes) {
      const isFixed = node.outputs.every((name) => !name || plan.constants.has(name))
      for (const [i, name] of node.outputs.entries())
        if (name && !sameOutput([other, plan], node, name, i)) loose.add(name)
      if (isFixed) continue
      // Graphs inside of it have recordings of their own.
      const inside = graphsOf(node).reduce((sum, { nodes }) => sum + nodes.length, 0)
      const isRecorded = !plan.traces.get(node)?.host && !readsOf(node).some((name) => loose.has(name))
      all += 1 + inside
      recorded += inside + Number(isRecorded)
    }
    if (recorded < RECORDED * all) {
      this.refused.add(key)
      return
    }
    const old = this.open.find(({ busy }) => !busy)
    if (old && this.open.length >= OPEN) this.drop(old)
    this.open.push(Object.assign(newPlan(plan, plan.stands), { open, loose }))
  }

  /** Gives back an open plan that took a shape to be fixed; the next ones know better. */
  mistook(plan: Plan): void {
    for (const name of plan.loose) this.loose.add(name)
    this.drop(plan)
  }

  private drop(plan: Plan): void {
    const plans = plan.open ? this.open : this.exact
    plans.splice(plans.indexOf(plan), 1)
    dropPlan(plan)
  }

  /** Gives all back. */
  dispose(): void {
    for (const plan of this) dropPlan(plan)
    for (const plans of this.common.values()) plans.dispose()
    this.common.clear()
    this.exact.length = 0
    this.open.length = 0
    this.latest = undefined
  }
}

/** Names of the inputs that stand otherwise; undefined where more than their lengths did. */
function changed(before: Stands, after: Stands): Set<string> | undefined {
  const names = new Set<string>()
  if (before.size !== after.size) return undefined
  for (const [name, stand] of after) {
    const other = before.get(name)
    if (!other || !isAlike(other, stand)) return undefined
    if (!sameStand(other, stand)) names.add(name)
  }
  return names
}

/** Whether values stand the same way but for their lengths. */
const isAlike = (a: Stand, b: Stand): boolean =>
  sameStand({ ...a, shape: b.shape }, b) && a.shape.length === b.shape.length

/** Whether an open plan is for inputs that stand so. */
function accepts({ open, stands }: Plan, given: Stands): boolean {
  if (stands.size !== given.size) return false
  for (const [name, stand] of stands) {
    const other = given.get(name)
    if (!other || !(open!.has(name) ? isAlike : sameStand)(stand, other)) return false
  }
  return true
}

/** Whether output `i` of a node stood the same way in both plans' first runs. */
function sameOutput(plans: readonly [Plan, Plan], node: Node, name: string, i: number): boolean {
  const [a, b] = plans.map(({ constants, traces }) => {
    const constant = constants.get(name)
    return constant ? standOf(constant) : traces.get(node)?.outputs[i]
  })
  return (
    a !== undefined &&
    b !== undefined &&
    a.type === b.type &&
    a.kind === b.kind &&
    sameShape(a.shape, b.shape)
  )
}
