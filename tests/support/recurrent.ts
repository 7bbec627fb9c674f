/** Recurrent layers in plain loops over plain numbers, one sequence, one step and one unit at a time. */
import { at, build, type Values } from './reference.js'

export type CellName = 'tanh' | 'relu' | 'lstm' | 'gru'

export const gatesOf = { tanh: 1, relu: 1, lstm: 4, gru: 3 }

export interface RecurrentProblem {
  cell: CellName
  /** [n, steps, inFeatures] */
  x: Values
  /** [inFeatures, gates * hidden], [hidden, gates * hidden] */
  inputWeight: Values
  stateWeight: Values
  /** [gates * hidden] */
  bias?: Values | undefined
  stateBias?: Values | undefined
  /** [n, hidden] */
  initial?: Values | undefined
  initialCell?: Values | undefined
  reverse?: boolean
  lengths?: readonly number[] | undefined
}

const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v))

/** output [n, steps, hidden], state and cell [n, hidden] */
export function recurrent(problem: RecurrentProblem): { output: Values; state: Values; cell: Values } {
  const { cell, x, inputWeight, stateWeight, bias, stateBias, initial, initialCell, reverse, lengths } =
    problem
  const [n, steps, inFeatures] = x.shape as [number, number, number]
  const hidden = stateWeight.shape[0]!
  const zeros = () => Array<number>(hidden).fill(0)
  const outputs: number[][][] = Array.from({ length: n }, () => Array.from({ length: steps }, zeros))
  const units = Array.from({ length: hidden }, (_, unit) => unit)
  const [states, cells] = [initial, initialCell].map((start) =>
    Array.from({ length: n }, (_, row) => units.map((unit) => (start ? at(start, [row, unit]) : 0))),
  ) as [number[][], number[][]]

  for (let row = 0; row < n; row++) {
    const length = lengths?.[row] ?? steps
    for (let step = 0; step < length; step++) {
      const time = reverse ? length - 1 - step : step
      const h = states[row]!
      const c = cells[row]!
      const fromInput = (gate: number, unit: number) => {
        const column = gate * hidden + unit
        let sum = bias ? at(bias, [column]) : 0
        for (let i = 0; i < inFeatures; i++) sum += at(x, [row, time, i]) * at(inputWeight, [i, column])
        return sum
      }
      const fromState = (gate: number, unit: number) => {
        const column = gate * hidden + unit
        let sum = stateBias ? at(stateBias, [column]) : 0
        for (let k = 0; k < hidden; k++) sum += h[k]! * at(stateWeight, [k, column])
        return sum
      }
      const both = (gate: number, unit: number) => fromInput(gate, unit) + fromState(gate, unit)
      if (cell === 'lstm') {
        cells[row] = units.map(
          (unit) => sigmoid(both(1, unit)) * c[unit]! + sigmoid(both(0, unit)) * Math.tanh(both(2, unit)),
        )
        states[row] = units.map((unit) => sigmoid(both(3, unit)) * Math.tanh(cells[row]![unit]!))
      } else if (cell === 'gru') {
        states[row] = units.map((unit) => {
          const z = sigmoid(both(1, unit))
          const candidate = Math.tanh(fromInput(2, unit) + sigmoid(both(0, unit)) * fromState(2, unit))
          return (1 - z) * candidate + z * h[unit]!
        })
      } else {
        states[row] = units.map((unit) =>
          cell === 'relu' ? Math.max(0, both(0, unit)) : Math.tanh(both(0, unit)),
        )
      }
      outputs[row]![time] = states[row]!
    }
  }
  return {
    output: build([n, steps, hidden], (row, time, unit) => outputs[row]![time]![unit]!),
    state: build([n, hidden], (row, unit) => states[row]![unit]!),
    cell: build([n, hidden], (row, unit) => cells[row]![unit]!),
  }
}
