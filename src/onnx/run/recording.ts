/** What a recording is made of: how values stand, jobs and the steps of the host between them. */

import { type Shape, sameShape } from '../../base/shape.js'
import type { Steps } from '../../base/turns.js'
import type { DType } from '../../core/dtype.js'
import type { Program } from '../../core/program.js'
import { dtypeOf, type ElementType, staysOnHost } from '../file/types.js'
import type { Node } from '../graph/graph.js'
import type { Kind, Layout, Value } from './value.js'

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
