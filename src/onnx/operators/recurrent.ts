/**
 * RNN, GRU and LSTM of the ONNX standard: whole sequences by the kernel of assembly/recurrent where they
 * are what it computes, else cell by cell.
 */

import { stridesOf } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { rowsByMatrix } from '../../ops/matmul.js'
import { NOWHERE, type Rows, runSequence } from '../../plans/recurrent.js'
import { Cell } from '../../wasm/abi.js'
import type { Call, Operator } from '../run/call.js'
import type { Value } from '../run/value.js'
import { checkSequence, gruByCells, lstmByCells, rnnByCells } from './recurrentCells.js'

/** Where each of the kernel's gates stands among those of the standard: i o f c, and z r h. */
const ORDER: Record<Cell, readonly number[]> = {
  [Cell.tanh]: [0],
  [Cell.relu]: [0],
  [Cell.gru]: [1, 0, 2],
  [Cell.lstm]: [0, 2, 3, 1],
}

/** What the kernel computes for each direction; undefined where a direction wants something else. */
function cellsOf(call: Call, directions: number): Cell[] | undefined {
  const { op } = call.node
  if (call.number('clip', 0)) return undefined
  const names = call.texts('activations')?.map((name) => name.toLowerCase())
  const wanted = op === 'GRU' ? ['sigmoid', 'tanh'] : ['sigmoid', 'tanh', 'tanh']
  if (op === 'RNN') {
    const cells = (names ?? Array(directions).fill('tanh')).map((name) =>
      name === 'tanh' ? Cell.tanh : name === 'relu' ? Cell.relu : undefined,
    )
    return cells.length === directions && cells.every((cell) => cell !== undefined) ? cells : undefined
  }
  if (names?.some((name, i) => name !== wanted[i % wanted.length])) return undefined
  if (op === 'GRU') return call.flag('linear_before_reset') ? Array(directions).fill(Cell.gru) : undefined
  return call.inputs[7] || call.flag('input_forget') ? undefined : Array(directions).fill(Cell.lstm)
}

/**
 * The matrices of all directions, [gates * hidden, depth] in the file, as [depth, gates * hidden] with the
 * gates in the kernel's order.
 */
function matricesOf(call: Call, use: string, value: Value, order: readonly number[]): readonly Value[] {
  const [directions, columns, depth] = value.shape as [number, number, number]
  const hidden = columns / order.length
  return call.tables(use, [depth, columns], [value], () => {
    const from = value.data as Float32Array
    return Array.from({ length: directions }, (_, d) => {
      const matrix = new Float32Array(depth * columns)
      for (let column = 0; column < columns; column++) {
        const row = order[Math.floor(column / hidden)]! * hidden + (column % hidden)
        for (let k = 0; k < depth; k++) matrix[k * columns + column] = from[(d * columns + row) * depth + k]!
      }
      return matrix
    })
  })
}

/**
 * The biases of all directions, [2 * gates * hidden] in the file: those of the input with those of the state,
 * but for a GRU's candidate, which the reset gate keeps apart; and the latter.
 */
function biasesOf(call: Call, value: Value, cell: Cell): [both: readonly Value[], state: readonly Value[]] {
  const order = ORDER[cell]
  const columns = value.shape[1]! / 2
  const hidden = columns / order.length
  const apart = (gate: number) => cell === Cell.gru && gate === 2
  const table = (use: string, of: (gate: number, input: number, state: number) => number) =>
    call.tables(use, [columns], [value], () => {
      const from = value.data as Float32Array
      return Array.from({ length: value.shape[0]! }, (_, d) =>
        Float32Array.from({ length: columns }, (_, column) => {
          const gate = Math.floor(column / hidden)
          const at = 2 * d * columns + order[gate]! * hidden + (column % hidden)
          return of(gate, from[at]!, from[at + columns]!)
        }),
      )
    })
  return [
    table('bias', (gate, input, state) => (apart(gate) ? input : input + state)),
    cell === Cell.gru ? table('state bias', (gate, _, state) => (apart(gate) ? state : 0)) : [],
  ]
}

const recurrent =
  (byCells: Operator, gates: number): Operator =>
  (call) => {
    const { engine } = call
    checkSequence(call, gates)
    const [x, w, r] = [call.input(0), call.input(1), call.input(2)]
    const [b, lengths, h0, c0] = [3, 4, 5, 6].map((i) => call.inputs[i])
    const [directions, , hidden] = r.shape as [number, number, number]
    const cells = cellsOf(call, directions)
    if (!cells) return byCells(call)
    const batchFirst = call.flag('layout')
    const [n, steps] = (batchFirst ? x.shape : [x.shape[1], x.shape[0]]) as [number, number]
    const [inputWeights, stateWeights] = [w, r].map((value, i) =>
      matricesOf(call, i ? 'state' : 'input', value, ORDER[cells[0]!]),
    ) as [readonly Value[], readonly Value[]]
    const [bias, stateBias] = b ? biasesOf(call, b, cells[0]!) : [[], []]

    const stateShape = batchFirst ? [n, directions, hidden] : [directions, n, hidden]
    const y = engine.empty(batchFirst ? [n, steps, directions, hidden] : [steps, directions, n, hidden])
    const state = engine.empty(stateShape)
    const lstm = cells[0] === Cell.lstm
    const cell = lstm ? engine.empty(stateShape) : undefined
    // Where rows of a direction begin, and how far sequences and steps lie apart.
    const rowsOf = ({ pointer }: Tensor, width: number, ways: number, d: number): Rows =>
      batchFirst
        ? { pointer: pointer + d * width * 4, row: steps * ways * width, step: ways * width }
        : { pointer: pointer + d * n * width * 4, row: width, step: ways * n * width }
    const stateOf = (tensor: Tensor | undefined, d: number) =>
      tensor ? tensor.pointer + d * (batchFirst ? hidden : n * hidden) * 4 : 0
    const stateRow = batchFirst ? directions * hidden : hidden
    const packed = <T>(matrix: Value, use: (weight: Tensor) => T): T =>
      matrix.packed(matrix.shape, stridesOf(matrix.shape), use)

    for (let d = 0; d < directions; d++) {
      const [initial, initialCell] = [h0, c0].map((value) => stateOf(value?.tensor(), d)) as [number, number]
      const from = packed(inputWeights[d]!, (weight) => rowsByMatrix(x.tensor(), weight, bias[d]?.tensor()))
      packed(stateWeights[d]!, (stateWeight) =>
        runSequence(engine, {
          cell: cells[d]!,
          n,
          steps,
          hidden,
          reverse: d === 1 || call.text('direction') === 'reverse',
          stateWeight,
          bias: stateBias[d]?.tensor().pointer ?? 0,
          gates: rowsOf(from, gates * hidden, 1, 0),
          keep: false,
          output: rowsOf(y, hidden, directions, d),
          kept: cell ? { pointer: stateOf(cell, d), row: stateRow, step: 0 } : NOWHERE,
          initial,
          initialCell,
          state: stateOf(state, d),
          stateCell: stateOf(cell, d),
          stateRow,
          lengths: lengths?.typed().pointer ?? 0,
        }),
      )
      from.dispose()
    }
    return [y, state, ...(cell ? [cell] : [])].map((tensor) => call.tensor(x.type, tensor))
  }

export const recurrence: Record<string, Operator> = {
  RNN: recurrent(rnnByCells, 1),
  GRU: recurrent(gruByCells, 3),
  LSTM: recurrent(lstmByCells, 4),
}
