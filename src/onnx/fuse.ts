import type { Graph } from './graph.js'
import type { Run, Value } from './value.js'

export function fuse(_graph: Graph, _constants: Map<string, Value>, _run: Run): void {}
