/** Recurrent layers over whole sequences: plain RNN, LSTM and GRU, the plan of assembly/recurrent.ts. */

import { check, show } from '../base/errors.js'
import { printShape, sameShape } from '../base/shape.js'
import { ANY } from '../core/dtype.js'
import { checkType, type Engine, engineOf } from '../core/engine.js'
import { checkOptions, isInteger, type Names } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import {
  gatesOf,
  NOWHERE,
  type Rows,
  runSequence,
  runSequenceGradient,
  type SequenceJob,
} from '../plans/recurrent.js'
import { Cell } from '../wasm/abi.js'
import { outerSum, rowsByMatrix, rowsByTranspose } from './matmul.js'
import { channelSums } from './reduce.js'
import { slice } from './slice.js'

/**
 * What `gru` takes beside x, and the other recurrent ops too. `gates` is 1 for `rnn`, 4 for `lstm`, 3 for
 * `gru`.
 */
export interface RecurrentOptions {
  /** [inFeatures, gates * hidden] */
  inputWeight: Tensor
  /** [hidden, gates * hidden]; packed once, and again after it was written. */
  stateWeight: Tensor
  /** [gates * hidden], added to the input's shares. Default none. */
  bias?: Tensor
  /** [gates * hidden], added to the state's shares. Default none. */
  stateBias?: Tensor
  /** [n, hidden], the state before the first step. Default zeros. */
  initial?: Tensor
  /** From the last step to the first. Default false. */
  reverse?: boolean
  /**
   * How many steps each sequence has: n integers from 0 to steps, in a list or an int32 tensor. After its
   * last step a sequence's output is 0; in reverse it begins there. Default: all have all steps.
   */
  lengths?: readonly number[] | Int32Array | Tensor<'int32'>
}

/** What `rnn` takes beside x. */
export interface RnnOptions extends RecurrentOptions {
  /** Default `'tanh'`. */
  activation?: 'tanh' | 'relu'
}

/** What `lstm` takes beside x. */
export interface LstmOptions extends RecurrentOptions {
  /** [n, hidden], the cell before the first step. Default zeros. */
  initialCell?: Tensor
}

/** What a recurrent op gives. */
export interface RecurrentResult {
  /** The state after each step, [n, steps, hidden]. */
  output: Tensor
  /** That after each sequence's last step, [n, hidden]; where it has none, the initial one. */
  state: Tensor
}

/** What `lstm` gives. */
export interface LstmResult extends RecurrentResult {
  /** The cell after each sequence's last step, [n, hidden]. */
  cell: Tensor
}

const RECURRENT: Names<RecurrentOptions> = {
  inputWeight: true,
  stateWeight: true,
  bias: true,
  stateBias: true,
  initial: true,
  reverse: true,
  lengths: true,
}
const RNN: Names<RnnOptions> = { ...RECURRENT, activation: true }
const LSTM: Names<LstmOptions> = { ...RECURRENT, initialCell: true }

const CELLS = { tanh: Cell.tanh, relu: Cell.relu }

/**
 * A plain recurrent layer (Elman, "Finding structure in time", 1990), for each step t of each sequence:
 *
 *   h[t] = activation(x[t] W + b + h[t - 1] U + d)
 *
 * with W the inputWeight, U the stateWeight, b the bias and d the stateBias. Definition: PyTorch's RNN.
 *
 * @param x [n, steps, inFeatures]
 * @param options no biases, initial state 0, forwards, all steps, activation `'tanh'`
 * @returns output [n, steps, hidden], state [n, hidden]
 * @throws FilterbankError for shapes that do not fit, or a length that is no integer from 0 to steps; nothing
 *   is allocated then
 * @example const { output } = rnn(x, { inputWeight, stateWeight, bias })
 */
export function rnn(x: Tensor, options: RnnOptions): RecurrentResult {
  checkOptions('rnn', options, RNN)
  const { activation = 'tanh' } = options
  check(Object.hasOwn(CELLS, activation), () => ({
    op: 'rnn',
    argument: 'activation',
    expected: "'tanh' or 'relu'",
    got: show(activation),
  }))
  const { output, state } = sequence('rnn', CELLS[activation], x, options)
  return { output, state }
}

/**
 * Long short-term memory (Hochreiter & Schmidhuber, 1997), for each step t of each sequence:
 *
 *   i, f, o = sigmoid(x[t] W + b + h[t - 1] U + d),  g = tanh(the same)
 *   c[t] = f c[t - 1] + i g,  h[t] = o tanh(c[t])
 *
 * Columns of weights and biases hold the gates i, f, g, o one after the other. Definition: PyTorch's LSTM.
 *
 * @param x [n, steps, inFeatures]
 * @param options inputWeight [inFeatures, 4 * hidden], stateWeight [hidden, 4 * hidden]; no biases, initial
 *   state and cell 0, forwards, all steps
 * @returns output [n, steps, hidden], state [n, hidden], cell [n, hidden]
 * @throws FilterbankError for shapes that do not fit, or a length that is no integer from 0 to steps; nothing
 *   is allocated then
 * @example const { output, state, cell } = lstm(x, { inputWeight, stateWeight, bias })
 */
export function lstm(x: Tensor, options: LstmOptions): LstmResult {
  checkOptions('lstm', options, LSTM)
  const { output, state, cell } = sequence('lstm', Cell.lstm, x, options)
  return { output, state, cell: cell! }
}

/**
 * A gated recurrent unit (Cho et al., 2014), for each step t of each sequence:
 *
 *   r, z = sigmoid(x[t] W + b + h[t - 1] U + d)
 *   n = tanh(x[t] Wn + bn + r (h[t - 1] Un + dn)),  h[t] = (1 - z) n + z h[t - 1]
 *
 * Columns of weights and biases hold the gates r, z, n one after the other. The reset gate stands behind the
 * product, as PyTorch's GRU and cuDNN have it.
 *
 * @param x [n, steps, inFeatures]
 * @param options inputWeight [inFeatures, 3 * hidden], stateWeight [hidden, 3 * hidden]; no biases, initial
 *   state 0, forwards, all steps
 * @returns output [n, steps, hidden], state [n, hidden]
 * @throws FilterbankError for shapes that do not fit, or a length that is no integer from 0 to steps; nothing
 *   is allocated then
 * @example const { state } = gru(x, { inputWeight, stateWeight, bias, stateBias, lengths: [40, 64] })
 */
export function gru(x: Tensor, options: RecurrentOptions): RecurrentResult {
  checkOptions('gru', options, RECURRENT)
  const { output, state } = sequence('gru', Cell.gru, x, options)
  return { output, state }
}

/** [n, steps, width] in the order of its axes. */
const rowsOf = ({ pointer, shape }: Tensor): Rows => ({
  pointer,
  row: shape[1]! * shape[2]!,
  step: shape[2]!,
})

interface Sizes {
  n: number
  steps: number
  hidden: number
}

/** Checks, and what everything is of. */
function checkSequence(op: string, cell: Cell, x: Tensor, options: LstmOptions): { engine: Engine } & Sizes {
  const {
    inputWeight,
    stateWeight,
    bias,
    stateBias,
    initial,
    initialCell,
    reverse = false,
    lengths,
  } = options
  const optional = { bias, stateBias, initial, initialCell }
  const engine = engineOf(op, { x, inputWeight, stateWeight }, optional)
  const given = lengths instanceof Tensor ? lengths : undefined
  if (given) engineOf(op, { x, lengths: given }, {}, ANY)
  const shapes = Object.fromEntries(
    Object.entries({ x, inputWeight, stateWeight, ...optional }).map(([name, tensor]) => [
      name,
      tensor?.shape,
    ]),
  )
  const context: Context = { op, shapes }
  const fail = (argument: string, expected: string, got: unknown) => ({
    ...context,
    argument,
    expected,
    got: typeof got === 'string' ? got : show(got),
  })
  const gates = gatesOf(cell)
  check(x.shape.length === 3, () => fail('x', '[n, steps, inFeatures]', x.shape))
  const [n, steps, inFeatures] = x.shape as [number, number, number]
  const columns = stateWeight.shape[1] ?? 0
  const hidden = columns / gates
  check(
    stateWeight.shape.length === 2 &&
      columns > 0 &&
      Number.isInteger(hidden) &&
      stateWeight.shape[0] === hidden,
    () =>
      fail(
        'stateWeight',
        gates === 1 ? '[hidden, hidden]' : `[hidden, ${gates} * hidden]`,
        stateWeight.shape,
      ),
  )
  check(inFeatures > 0 && sameShape(inputWeight.shape, [inFeatures, columns]), () =>
    fail('inputWeight', `[inFeatures, ${columns}] of the same inFeatures as x, not 0`, inputWeight.shape),
  )
  for (const [argument, tensor] of Object.entries(optional)) {
    const shape = tensor === bias || tensor === stateBias ? [columns] : [n, hidden]
    check(!tensor || sameShape(tensor.shape, shape), () => fail(argument, printShape(shape), tensor!.shape))
  }
  check(typeof reverse === 'boolean', () => fail('reverse', 'true or false', reverse))
  if (given) {
    checkType(op, 'lengths', given, ['int32'])
    check(sameShape(given.shape, [n]), () => fail('lengths', printShape([n]), given.shape))
  }
  if (lengths !== undefined) {
    const numbers = given ? given.elements : (lengths as ArrayLike<number>)
    const isList = Array.isArray(numbers) || ArrayBuffer.isView(numbers)
    check(isList && numbers.length === n, () =>
      fail('lengths', `${n} integers, one for each sequence`, isList ? `${numbers.length}` : lengths),
    )
    const wrong = Array.from(numbers).findIndex((length) => !isInteger(length, 0, steps))
    check(wrong < 0, () => fail('lengths', `integers from 0 to ${steps}`, `${numbers[wrong]} at ${wrong}`))
  }
  return { engine, n, steps, hidden }
}

/** All that `sequence` makes, and what it is asked for. */
interface Parts {
  options: LstmOptions
  lengths: Tensor<'int32'> | undefined
  gates: Tensor
  output: Tensor
  kept: Tensor | undefined
  state: Tensor | undefined
  stateCell: Tensor | undefined
}

function jobOf(cell: Cell, { n, steps, hidden }: Sizes, keep: boolean, parts: Parts): SequenceJob {
  const { options, lengths, gates, output, kept, state, stateCell } = parts
  return {
    cell,
    n,
    steps,
    hidden,
    reverse: options.reverse ?? false,
    stateWeight: options.stateWeight,
    bias: options.stateBias?.pointer ?? 0,
    gates: rowsOf(gates),
    keep,
    output: rowsOf(output),
    // Without backward the cell after a step stands where that before it was.
    kept: kept ? rowsOf(kept) : stateCell ? { pointer: stateCell.pointer, row: hidden, step: 0 } : NOWHERE,
    initial: options.initial?.pointer ?? 0,
    initialCell: options.initialCell?.pointer ?? 0,
    state: state?.pointer ?? 0,
    stateCell: stateCell?.pointer ?? 0,
    stateRow: hidden,
    lengths: lengths?.pointer ?? 0,
  }
}

function sequence(
  op: string,
  cell: Cell,
  x: Tensor,
  options: LstmOptions,
): { output: Tensor; state: Tensor; cell: Tensor | undefined } {
  const { engine, ...sizes } = checkSequence(op, cell, x, options)
  const { n, steps, hidden } = sizes
  const { inputWeight, stateWeight, bias, stateBias, initial, initialCell } = options
  const keep = engine.tape !== undefined
  return engine.scope(() => {
    const lengths =
      options.lengths === undefined || options.lengths instanceof Tensor
        ? options.lengths
        : engine.tensor(options.lengths, [n], { dtype: 'int32' })
    const parts: Parts = {
      options,
      lengths,
      gates: rowsByMatrix(x, inputWeight, bias),
      output: engine.empty([n, steps, hidden]),
      kept: keep && gatesOf(cell) > 1 ? engine.empty([n, steps, hidden]) : undefined,
      state: engine.empty([n, hidden]),
      stateCell: cell === Cell.lstm ? engine.empty([n, hidden]) : undefined,
    }
    runSequence(engine, jobOf(cell, sizes, keep, parts))
    const { gates, output, kept, state, stateCell } = parts
    engine.trace?.note(
      op,
      [output, state!, ...(stateCell ? [stateCell] : [])],
      { x, inputWeight, stateWeight, bias, stateBias, initial, initialCell, lengths },
      { reverse: options.reverse, activation: cell === Cell.relu ? 'relu' : undefined },
    )
    engine.tape?.recordAll(
      op,
      [output, state!, ...(stateCell ? [stateCell] : [])],
      { x, inputWeight, stateWeight, bias, stateBias, initial, initialCell },
      { x, inputWeight, stateWeight, initial, initialCell, lengths, gates, output, kept },
      ([dy, dstate, dcell], { x, lengths, gates, output, kept, ...weights }) => {
        const named = { reverse: options.reverse, ...weights }
        const parts = { options: named, lengths, gates, output, kept, state: undefined, stateCell: undefined }
        return sequenceBackward(x, parts, jobOf(cell, sizes, true, parts), dy, dstate, dcell)
      },
    )
    return { output, state: state!, cell: stateCell }
  })
}

/** Backward through `sequence`: gates are overwritten by their derivatives. */
function sequenceBackward(
  x: Tensor,
  { options: { inputWeight }, gates, output }: Parts,
  job: SequenceJob,
  dy: Tensor | undefined,
  lastState: Tensor | undefined,
  lastCell: Tensor | undefined,
) {
  const { engine } = x
  const { cell, n, hidden } = job
  const own = (last: Tensor | undefined) => (last ? slice(last) : engine.zeros([n, hidden]))
  const dstate = own(lastState)
  const dcell = cell === Cell.lstm ? own(lastCell) : undefined
  const shares = cell === Cell.gru ? engine.empty(gates.shape) : gates
  const previous = engine.empty(output.shape)
  runSequenceGradient(engine, job, {
    dy: dy?.pointer ?? 0,
    dstate: dstate.pointer,
    dcell: dcell?.pointer ?? 0,
    shares: shares.pointer,
    previous: previous.pointer,
  })
  return {
    x: () => rowsByTranspose(gates, inputWeight),
    inputWeight: () => outerSum(x, gates),
    stateWeight: () => outerSum(previous, shares),
    bias: () => channelSums(gates),
    stateBias: () => channelSums(shares),
    initial: () => dstate,
    initialCell: () => dcell!,
  }
}
