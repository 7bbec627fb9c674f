/** The plan of assembly/recurrent: weights in panels, and a sequence cut into jobs. */

import type { Engine } from '../core/engine.js'
import type { Tensor } from '../core/tensor.js'
import { Cell, type Recurrent } from '../wasm/abi.js'
import { type Panels, packPanels, panelCount } from './igemm.js'
import { derive } from './layer.js'

export const gatesOf = (cell: Cell): number => (cell === Cell.lstm ? 4 : cell === Cell.gru ? 3 : 1)

/**
 * Rows of floats for each sequence and step: where the first is, and elements between sequences and times.
 */
export interface Rows {
  pointer: number
  row: number
  step: number
}

export const NOWHERE: Rows = { pointer: 0, row: 0, step: 0 }

/** A whole sequence of a batch; addresses where not said otherwise, 0 for what is not there. */
export interface SequenceJob {
  cell: Cell
  n: number
  steps: number
  hidden: number
  reverse: boolean
  /** [hidden, gates * hidden] */
  stateWeight: Tensor
  /** [gates * hidden]: of the state's shares. */
  bias: number
  /** The input's shares of all gates; with `keep` overwritten by the gates. */
  gates: Rows
  keep: boolean
  output: Rows
  /**
   * Cells of an LSTM, with step 0 the last alone; of a GRU, with `keep`, the state's shares of candidates.
   */
  kept: Rows
  /** [n, hidden] each, `stateRow` elements apart. */
  initial: number
  initialCell: number
  state: number
  stateCell: number
  stateRow: number
  /** int32 [n]; 0: all have all steps. */
  lengths: number
}

/** What backward needs beside: contiguous, of the shapes of output and gates. */
export interface SequenceGradient {
  /** 0: none. */
  dy: number
  /** [n, hidden]: derivatives of the last state and cell, afterwards of the initial ones. */
  dstate: number
  dcell: number
  /** Derivatives of the state's shares of the gates. */
  shares: number
  /** The state before each step. */
  previous: number
}

/** The matrix of each gate as panels [gate][units / 8][hidden][8]. */
const gatePanels = (hidden: number, gates: number): Panels => ({
  width: 8,
  groups: gates,
  columns: hidden,
  tapsH: 1,
  tapsW: 1,
  depth: hidden,
  offset: 0,
  groupStride: hidden,
  tapHStride: 0,
  tapWStride: 0,
  rowStride: gates * hidden,
  columnStride: 1,
})

/** The transpose of all of it, [units / 8][gates * hidden][8]. */
const backPanels = (hidden: number, gates: number): Panels => ({
  ...gatePanels(hidden, gates),
  groups: 1,
  depth: gates * hidden,
  rowStride: 1,
  columnStride: gates * hidden,
})

/** Packed once per version of the weights; always as the register tile reads it. */
const packedState = (weight: Tensor, use: string, panels: Panels): number =>
  derive(
    weight,
    `recurrent ${use} ${panels.columns}`,
    panels.groups * panels.depth * 8 * panelCount(panels.columns),
    (source, to) => packPanels(weight.engine, source, to, panels),
  )

/**
 * Sequences from which on they are shared out among threads, and how many make a unit where there are enough:
 * weights pass by once for all sequences of a call. Witness: bench recurrent.
 */
const SEVERAL = 4
const UNIT = 8
/** Units of a job at most. */
const MOST_UNITS = 8
/**
 * Multiply-adds of a step from which on fewer sequences go step by step, so that threads share its hidden
 * units. Witness: bench recurrent --threads 2.
 */
const LARGE_STEP = 1 << 18

/**
 * Either units hold whole sequences, or jobs single steps, whose units are hidden. Follows from shapes
 * alone.
 */
function cut({ n, hidden, cell }: SequenceJob): { units: number; sequences: number; panels: number } {
  const all = panelCount(hidden)
  if (n < SEVERAL && n * gatesOf(cell) * hidden * hidden >= LARGE_STEP) {
    const panels = Math.ceil(all / MOST_UNITS)
    return { units: Math.ceil(all / panels), sequences: 0, panels }
  }
  const parts = n < SEVERAL ? 1 : Math.max(2, Math.min(MOST_UNITS, Math.floor(n / UNIT)))
  const sequences = Math.max(1, Math.ceil(n / parts))
  return { units: Math.ceil(n / sequences), sequences, panels: all }
}

const bytesOf = ({ pointer, row, step }: Rows) => ({ pointer, row: row * 4, step: step * 4 })

function argsOf(job: SequenceJob, weights: number): Recurrent {
  const [gates, output, kept] = [bytesOf(job.gates), bytesOf(job.output), bytesOf(job.kept)]
  const { sequences, panels } = cut(job)
  return {
    cell: job.cell,
    weights,
    bias: job.bias,
    gates: gates.pointer,
    gatesRow: gates.row,
    gatesStep: gates.step,
    output: output.pointer,
    outputRow: output.row,
    outputStep: output.step,
    kept: kept.pointer,
    keptRow: kept.row,
    keptStep: kept.step,
    initial: job.initial,
    initialCell: job.initialCell,
    state: job.state,
    stateCell: job.stateCell,
    stateRow: job.stateRow * 4,
    lengths: job.lengths,
    n: job.n,
    steps: job.steps,
    hidden: job.hidden,
    reverse: Number(job.reverse),
    first: 0,
    count: job.steps,
    sequences,
    panels,
    keep: Number(job.keep),
  }
}

/** As the head of assembly/recurrent/forward.ts says. */
function makeScratch(engine: Engine, { n, hidden, cell }: SequenceJob): void {
  const gates = gatesOf(cell)
  const sums = Math.max(n * 32, n * gates * 16, gates * 8 * panelCount(hidden))
  const inputs = n * (gates * hidden + 16)
  engine.scratch(4 * (Math.max(32, gates * hidden) + 6 * n + sums + inputs))
}

/** All steps of all sequences. */
export function runSequence(engine: Engine, job: SequenceJob): void {
  const { cell, n, steps, hidden } = job
  const gates = gatesOf(cell)
  const args = argsOf(job, packedState(job.stateWeight, 'forward', gatePanels(hidden, gates)))
  makeScratch(engine, job)
  const { units, sequences } = cut(job)
  const step = n * gates * hidden * (hidden + 16)
  if (sequences || steps === 0) engine.run({ kernel: 'recurrent', args, units, work: steps * step })
  else
    for (let first = 0; first < steps; first++)
      engine.run({ kernel: 'recurrent', args: { ...args, first, count: 1 }, units, work: step })
}

/** Back through all of them; gates become their derivatives. */
export function runSequenceGradient(engine: Engine, job: SequenceJob, gradient: SequenceGradient): void {
  const { cell, n, steps, hidden } = job
  const gates = gatesOf(cell)
  const weights = packedState(job.stateWeight, 'backward', backPanels(hidden, gates))
  const args = { ...argsOf(job, weights), ...gradient, first: steps - 1, count: steps + 1 }
  makeScratch(engine, job)
  const { units, sequences } = cut(job)
  const step = n * gates * hidden * (hidden + 16)
  if (sequences) engine.run({ kernel: 'recurrentGradient', args, units, work: steps * step })
  else
    for (let first = steps - 1; first >= -1; first--)
      engine.run({ kernel: 'recurrentGradient', args: { ...args, first, count: 1 }, units, work: step })
}
