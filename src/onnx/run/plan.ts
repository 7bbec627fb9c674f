/** What is kept of the runs of a graph on inputs of given shapes, so that the next one is quicker. */

import { type Shape, sameShape } from '../../base/shape.js'
import type { Steps } from '../../base/turns.js'
import type { DType } from '../../core/dtype.js'
import type { Program } from '../../core/program.js'
import { dtypeOf, type ElementType, staysOnHost } from '../file/types.js'
import type { Graph, Node } from '../graph/graph.js'
import type { Setting } from './execute.js'
import type { Plans } from './plans.js'
import type { Note } from './summary.js'
import type { Kind, Layout, Run, Value } from './value.js'

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

export const newPlan = (shared: ReadonlyMap<string, Value>, stands: Stands): Plan => ({
  stands,
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
export function bytesOf(plan: Plan): number {
  const { bodies, constants, recorded, shared, traces } = plan
  plan.ownBytes ??= 0
  if (plan.ran && !plan.ownBytes) {
    plan.ownBytes = NODE_BYTES * traces.size
    for (const [name, value] of constants) if (shared.get(name) !== value) plan.ownBytes += 4 * value.size
  }
  let bytes = plan.ownBytes + (recorded?.bytes ?? 0)
  for (const plans of bodies.values()) for (const body of plans) bytes += bytesOf(body)
  return bytes
}

/** Gives back what a plan holds. */
export function dropPlan(plan: Plan): void {
  const { constants, shared, inner, bodies } = plan
  for (const [name, value] of constants) if (shared.get(name) !== value) value.dispose()
  for (const found of inner.values()) for (const value of found.values()) value.dispose()
  for (const plans of bodies.values()) plans.dispose()
  dropRecording(plan)
}

export function dropRecording(plan: Plan): void {
  const { recorded } = plan
  if (!recorded) return
  recorded.program.dispose()
  for (const value of [...recorded.inputs.values(), ...recorded.outputs])
    if (typeof value !== 'string') value.dispose()
  plan.recorded = undefined
}

/** What a node did in a run node by node. */
export interface Trace {
  /** Why the host had a part in it; undefined where it had none. */
  host: string | undefined
  outputs: (Stand | undefined)[]
}

/** Where a value stands, and how. */
export interface Stand {
  type: ElementType
  shape: Shape
  /** In the engine; else on the host. */
  form?: { dtype: DType; layout: Layout }
  /** Where it is no tensor: on the host, whatever it holds. */
  kind?: Kind
}

/** How inputs stand, by their names. */
export type Stands = ReadonlyMap<string, Stand>

export function standOf(value: Value): Stand {
  const { inEngine, kind, layout, shape, type } = value
  if (kind) return { type, shape, kind }
  return inEngine ? { type, shape, form: { dtype: value.asHeld(layout).dtype, layout } } : { type, shape }
}

/** Whether values stand the same way. */
export const sameStand = (a: Stand, b: Stand): boolean =>
  a.type === b.type &&
  a.kind === b.kind &&
  a.form?.dtype === b.form?.dtype &&
  a.form?.layout === b.form?.layout &&
  sameShape(a.shape, b.shape)

/** The same for all inputs of a graph. */
export function sameStands(a: Stands, b: Stands): boolean {
  if (a.size !== b.size) return false
  for (const [name, one] of a) {
    const other = b.get(name)
    if (!other || !sameStand(one, other)) return false
  }
  return true
}

/** How inputs stand: in the engine, row-major, where it has their type. */
export const standOfInput = (type: ElementType, shape: Shape, kind?: Kind): Stand =>
  kind
    ? { type, shape, kind }
    : staysOnHost(type)
      ? { type, shape }
      : { type, shape, form: { dtype: dtypeOf(type), layout: 'plain' } }

/** What a replay does between two jobs, at the place of the next one; false where it cannot go on. */
export interface HostStep {
  at: number
  run: (live: Live) => boolean | Steps<boolean>
}

/** Values of a replay that stand on the host, by their names. */
export type Live = Map<string, Value>

/** A node of a recording: its jobs end at `end`, and host steps are among them. */
export interface Mark {
  node: Node
  end: number
  steps: HostStep[]
  /** Why it is a host step itself; undefined where its jobs are recorded. */
  host?: string | undefined
}

/** Where a replay that nobody watches stops: its jobs up to `end`, then a host step or a check of a node. */
export interface Stop {
  end: number
  run?: HostStep['run']
  /** The node whose kernels may have met an index outside of its axis. */
  node?: Node
}

/** A program with what the host does between its jobs. */
export interface Recording {
  program: Program
  marks: Mark[]
  stops: Stop[]
  /** Inputs in the engine, which are written before a replay. */
  inputs: Map<string, Value>
  outputs: (Value | string)[]
  /** What all of it takes in the engine. */
  bytes: number
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
