/** What is kept of the runs of a graph on inputs of given shapes, so that the next one is quicker. */

import { type Shape, sameShape } from '../../base/shape.js'
import type { Steps } from '../../base/turns.js'
import type { DType } from '../../core/dtype.js'
import type { Program } from '../../core/program.js'
import { dtypeOf, type ElementType, staysOnHost } from '../file/types.js'
import type { Graph, Node } from '../graph/graph.js'
import type { Setting } from './execute.js'
import type { Note } from './summary.js'
import type { Kind, Layout, Run, Value } from './value.js'

/** What is known about runs of a graph on inputs of certain shapes. */
export interface Plan {
  /** Values that only the shapes decide. */
  constants: Map<string, Value>
  /** Those of them that live elsewhere. */
  shared: ReadonlyMap<string, Value>
  /** The same of the graphs inside of nodes that are part of these runs. */
  inner: Setting['inner']
  /** Runs of inner graphs that are runs of their own, for each way that what they read stands. */
  bodies: Map<Graph, Set<Plan>>
  /** Of such a run: how what it reads stands. */
  stands?: ReadonlyMap<string, Stand>
  /** Of the last run node by node. */
  notes: Map<Node, Note>
  /** Of the first one. */
  traces: Map<Node, Trace>
  /** Whether a run came to its end: then all that outlives a recording is there. */
  ran: boolean
  /** Names whose values were seen in other shapes than at first: what reads them is not recorded. */
  loose: Set<string>
  recorded?: Recording | undefined
  /** Of a graph inside of a node: whether a run of it has a pause. */
  busy?: boolean
}

export const newPlan = (shared: ReadonlyMap<string, Value>): Plan => ({
  constants: new Map(shared),
  shared,
  inner: new Map(),
  bodies: new Map(),
  notes: new Map(),
  traces: new Map(),
  ran: false,
  loose: new Set(),
})

/** Gives back what a plan holds. */
export function dropPlan(plan: Plan): void {
  const { constants, shared, inner, bodies } = plan
  for (const [name, value] of constants) if (shared.get(name) !== value) value.dispose()
  for (const found of inner.values()) for (const value of found.values()) value.dispose()
  for (const plans of bodies.values()) for (const body of plans.values()) dropPlan(body)
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
  const { constants, inner } = plan
  return { run, opset, constants, inner, keep, runBody }
}
