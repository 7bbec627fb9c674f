/** What the steps of a model make and cost. */

import { type Shape, sizeOf } from '../../base/shape.js'
import { now } from '../../base/turns.js'
import type { Program } from '../../core/program.js'
import type { ElementType } from '../file/types.js'
import { partsOf } from '../graph/fusion.js'
import type { Graph, Node } from '../graph/graph.js'
import type { Value } from './value.js'

/** One step of a model: a node of the file, or what several were joined to. */
export interface LayerSummary {
  /** Operators of the nodes that it stands for, the first one's first: 'Conv BatchNormalization Relu'. */
  op: string
  /** As the file names it, else by its first output. */
  name: string
  /** Names of its outputs: what `taps` of `model.run` takes. */
  outputs: readonly string[]
  /** Of its first output, as the file sees it; undefined before the first run. */
  shape: Shape | undefined
  /**
   * Type of its first output: 'uint8' or 'int8' where the step works on bytes; undefined before the first
   * run.
   */
  type: ElementType | undefined
  /** Numbers in the constants that it reads, those apart that are whole: shapes and indices. */
  parameters: number
  /** By definition, bias apart; undefined before the first run. */
  multiplyAdds: number | undefined
  /** The way a convolution was computed, as `planConv2d` tells it. */
  algorithm: string | undefined
  /** Why that way, in words. */
  reason: string | undefined
  /**
   * What it ran in the engine; none where it only names memory anew, or works on the host. Known from the
   * second run on.
   */
  kernels: readonly string[]
  /**
   * The number, from 0 on, of the run of kernels that it is part of: between two of them the host has a step.
   * Known from the second run on; undefined for a host step itself, and for what shapes alone decide, which
   * is computed once.
   */
  segment: number | undefined
  /** Why it is a step of the host; undefined where kernels do it. Known from the first run on. */
  host: string | undefined
  /**
   * The median of a few replays (of steps that clocks hardly see, the mean of many); what the last run took
   * where it was not a replay. Undefined before the first run, and for what shapes alone decide.
   */
  milliseconds: number | undefined
  /** Its part of the time of all. */
  share: number | undefined
}

/** What a run tells about a node. */
export interface Note {
  shape: Shape | undefined
  type: ElementType | undefined
  multiplyAdds: number
  algorithm?: string
  reason?: string
  milliseconds: number
}

interface Recorded {
  program: Program
  /** Where in it each node ends, and what the host does in between. */
  marks: readonly { node: Node; end: number; steps: readonly { at: number }[]; host?: string | undefined }[]
}

/** What is known of runs on inputs of the same shapes (`Plan`). */
interface Known {
  notes: ReadonlyMap<Node, Note>
  traces: ReadonlyMap<Node, { host: string | undefined }>
  /** Values that shapes alone decide, by their names. */
  constants: ReadonlyMap<string, unknown>
}

/** Replays for the time end after as many, or after so many milliseconds; short ones go on for a while. */
const ROUNDS = 5
const ROUNDS_MS = 500
const SHORT_MS = 50
/** What the clock of a page may take for one step. Below two of them the median is that step, or nothing. */
const CLOCK_MS = 0.1

/**
 * A line for each step, by what is known of runs on inputs of the same shapes; `recorded`: what can be run
 * again for the time.
 */
export function describe(
  graph: Graph,
  constants: ReadonlyMap<string, Value>,
  { notes, traces, constants: fixed }: Known,
  recorded: Recorded | undefined,
): LayerSummary[] {
  const times = recorded && replayTimes(recorded)
  const timeOf = (node: Node) => (times ? times.get(node) : notes.get(node)?.milliseconds)
  const all = graph.nodes.reduce((sum, node) => sum + (timeOf(node) ?? 0), 0)
  const marks = new Map(recorded?.marks.map((mark) => [mark.node, mark]))
  const cuts = new Set(recorded?.marks.flatMap(({ steps }) => steps.map(({ at }) => at)))
  /** Where kernels are before a host step and behind it. */
  const inner = [...cuts].filter((at) => at > 0 && at < recorded!.program.length)
  let begin = 0
  return graph.nodes.map((node) => {
    const note = notes.get(node)
    const milliseconds = note && timeOf(node)
    const mark = marks.get(node)
    const end = mark?.end ?? begin
    const host = mark ? mark.host : traces.get(node)?.host
    const first = begin
    const isFixed = node.outputs.every((name) => !name || fixed.has(name))
    const segment = mark && !host && !isFixed ? inner.filter((at) => at <= first).length : undefined
    const kernels = recorded ? [...new Set(recorded.program.kernels(begin, end))] : []
    begin = end
    return {
      op: partsOf(node).join(' '),
      name: node.name,
      outputs: node.outputs.filter((name) => name),
      shape: note?.shape,
      type: note?.type,
      parameters: parametersOf(node, constants),
      multiplyAdds: note?.multiplyAdds,
      algorithm: note?.algorithm,
      reason: note?.reason,
      kernels,
      segment,
      host,
      milliseconds,
      share: milliseconds === undefined || all === 0 ? undefined : milliseconds / all,
    }
  })
}

/** Milliseconds of each node. */
function replayTimes({ program, marks }: Recorded): Map<Node, number> {
  const samples = new Map(marks.map(({ node }) => [node, [] as number[]]))
  const first = now()
  for (let round = 0; round === 0 || now() - first < (round < ROUNDS ? ROUNDS_MS : SHORT_MS); round++) {
    let begin = 0
    for (const { node, end } of marks) {
      const start = now()
      program.run(begin, end)
      samples.get(node)!.push(now() - start)
      begin = end
    }
  }
  return new Map(
    [...samples].map(([node, list]) => {
      const median = list.sort((a, b) => a - b)[list.length >> 1]!
      return [node, median < 2 * CLOCK_MS ? list.reduce((a, b) => a + b) / list.length : median]
    }),
  )
}

const whole = new Set(['int64', 'bool', 'string'])

export const parametersOf = (
  { inputs }: Node,
  constants: ReadonlyMap<string, { type: string; shape: Shape }>,
): number =>
  inputs.reduce((sum, name) => {
    const constant = constants.get(name)
    return sum + (constant && !whole.has(constant.type) ? sizeOf(constant.shape) : 0)
  }, 0)

/** Shapes of the first inputs; [] where there is none. */
type Operands = readonly [Shape, Shape, Shape, Shape]

/** Products that the definition of an operator sums, by the shapes of its inputs and of its first output. */
const products: Record<string, (inputs: Operands, y: Shape, node: Node) => number> = {
  Conv: filtered,
  'com.microsoft.FusedConv': filtered,
  'com.microsoft.NhwcFusedConv': filtered,
  ConvInteger: filtered,
  DeformConv: filtered,
  QLinearConv: ([x, , , w], y) => filtered([x, w, [], []], y),
  ConvTranspose: ([x, w]) => sizeOf(x) * sizeOf(w.slice(1)),
  'com.microsoft.FusedConvTranspose': ([x, w]) => sizeOf(x) * sizeOf(w.slice(1)),
  'filterbank.ConvInteger': filtered,
  'filterbank.Attention': ([q, k], y) => k.at(-2)! * (sizeOf(q) + sizeOf(y)),
  'filterbank.MatMulInteger': multiplied,
  'filterbank.QLinearConvTranspose': ([x, , , w]) => sizeOf(x) * sizeOf(w.slice(1)),
  MatMul: multiplied,
  MatMulInteger: multiplied,
  QLinearMatMul: multiplied,
  'com.microsoft.DynamicQuantizeMatMul': multiplied,
  'com.microsoft.FusedMatMul': multiplied,
  'com.microsoft.MatMulIntegerToFloat': multiplied,
  'com.microsoft.MatMulNBits': multiplied,
  'com.microsoft.QGemm': multiplied,
  'com.microsoft.FusedGemm': multiplied,
  Gemm: multiplied,
  // Weights [directions, gates, ...] meet each row of x [seconds, batch, features] once.
  RNN: recurrent,
  GRU: recurrent,
  LSTM: recurrent,
}

function filtered([, w]: Operands, y: Shape): number {
  return sizeOf(y) * sizeOf(w.slice(1))
}

function multiplied([a]: Operands, y: Shape, { attributes }: Node): number {
  return sizeOf(y) * a.at(attributes.get('transA') ? -2 : -1)!
}

function recurrent([x, w, r]: Operands): number {
  return x[0]! * x[1]! * (sizeOf(w) + sizeOf(r))
}

/** Multiply-adds of a node by definition; 0 for what is no sum of products, or one of senseless shapes. */
export function multiplyAddsOf(
  node: Node,
  inputs: readonly (Shape | undefined)[],
  y: Shape | undefined,
): number {
  if (!y || !Object.hasOwn(products, node.op)) return 0
  const [a = [], b = [], c = [], d = []] = inputs
  return products[node.op]!([a, b, c, d], y, node) || 0
}
