/** What is kept as long as a model, and giving it back. */
import type { Engine } from '../../core/engine.js'
import type { Node } from '../graph/graph.js'
import type { Run } from './value.js'

export const newRun = (engine: Engine): Run => ({
  engine,
  hostReads: false,
  kept: { tables: new Map(), constants: new Map() },
})

/** Gives back the tables of these nodes. */
export function dropTables({ kept }: Run, nodes: Iterable<Node>): void {
  for (const node of nodes) {
    for (const value of [...(kept.tables.get(node)?.values() ?? [])].flat()) value.dispose()
    kept.tables.delete(node)
  }
}

/** Gives back all that is kept. */
export function dropKept(run: Run): void {
  dropTables(run, run.kept.tables.keys())
  for (const constants of run.kept.constants.values()) for (const value of constants.values()) value.dispose()
  run.kept.constants.clear()
}
