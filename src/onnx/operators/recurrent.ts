/** Recurrent layers: RNN, GRU and LSTM, on the host. Formulas and order of the gates: the ONNX standard. */

import { sizeOf } from '../../shape.js'
import type { Call, Operator } from '../call.js'
import type { Value } from '../value.js'

type Numbers = Float64Array
type Activation = (v: number) => number

const logistic: Activation = (v) => 1 / (1 + Math.exp(-v))

function activationNamed(call: Call, name: string, i: number): Activation {
  const alpha = call.numbers('activation_alpha', undefined)?.[i]
  const beta = call.numbers('activation_beta', undefined)?.[i]
  switch (name.toLowerCase()) {
    case 'sigmoid':
      return logistic
    case 'tanh':
      return Math.tanh
    case 'relu':
      return (v) => Math.max(v, 0)
    case 'leakyrelu':
      return (v) => (v < 0 ? (alpha ?? 0.01) * v : v)
    case 'thresholdedrelu':
      return (v) => (v > (alpha ?? 1) ? v : 0)
    case 'scaledtanh':
      return (v) => (alpha ?? 1) * Math.tanh((beta ?? 1) * v)
    case 'hardsigmoid':
      return (v) => Math.min(Math.max((alpha ?? 0.2) * v + (beta ?? 0.5), 0), 1)
    case 'elu':
      return (v) => (v < 0 ? (alpha ?? 1) * Math.expm1(v) : v)
    case 'softsign':
      return (v) => v / (1 + Math.abs(v))
    case 'softplus':
      return (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))
    case 'affine':
      return (v) => (alpha ?? 1) * v + (beta ?? 0)
    default:
      return call.fail('activations', 'known', name)
  }
}

/** What one direction of a layer works with. */
interface Cell {
  hidden: number
  /** Sums of one gate: w x + r h + both biases, or its two halves. */
  fromX: (gate: number, unit: number, x: Numbers, at: number) => number
  fromH: (gate: number, unit: number, h: Numbers) => number
  /** Of the input, of the hidden state. */
  biases: (gate: number, unit: number) => [number, number]
  peephole: (gate: number, unit: number) => number
  activations: Activation[]
  clip: Activation
}

type Step = (call: Call, cell: Cell, x: Numbers, at: number, h: Numbers, c: Numbers) => { h: Numbers; c: Numbers }

const units = (cell: Cell, make: (unit: number) => number): Numbers => Float64Array.from({ length: cell.hidden }, (_, unit) => make(unit))

const rnnStep: Step = (_, cell, x, at, h, c) => {
  const [f] = cell.activations as [Activation]
  const next = units(cell, (u) => {
    const [wb, rb] = cell.biases(0, u)
    return f(cell.clip(cell.fromX(0, u, x, at) + cell.fromH(0, u, h) + wb + rb))
  })
  return { h: next, c }
}

/** Gates z, r, h. */
const gruStep: Step = (call, cell, x, at, h, c) => {
  const [f, g] = cell.activations as [Activation, Activation]
  const sum = (gate: number, u: number) => {
    const [wb, rb] = cell.biases(gate, u)
    return cell.clip(cell.fromX(gate, u, x, at) + cell.fromH(gate, u, h) + wb + rb)
  }
  const z = units(cell, (u) => f(sum(0, u)))
  const r = units(cell, (u) => f(sum(1, u)))
  const reset = units(cell, (u) => r[u]! * h[u]!)
  const after = call.number('linear_before_reset', 0) !== 0
  const candidate = units(cell, (u) => {
    const [wb, rb] = cell.biases(2, u)
    const hiddenPart = after ? r[u]! * (cell.fromH(2, u, h) + rb) : cell.fromH(2, u, reset) + rb
    return g(cell.clip(cell.fromX(2, u, x, at) + hiddenPart + wb))
  })
  return { h: units(cell, (u) => (1 - z[u]!) * candidate[u]! + z[u]! * h[u]!), c }
}

/** Gates i, o, f, c; peepholes i, o, f. */
const lstmStep: Step = (call, cell, x, at, h, c) => {
  const [f, g, k] = cell.activations as [Activation, Activation, Activation]
  const sum = (gate: number, u: number) => {
    const [wb, rb] = cell.biases(gate, u)
    return cell.fromX(gate, u, x, at) + cell.fromH(gate, u, h) + wb + rb
  }
  const input = units(cell, (u) => f(cell.clip(sum(0, u) + cell.peephole(0, u) * c[u]!)))
  const coupled = call.number('input_forget', 0) !== 0
  const forget = units(cell, (u) => (coupled ? 1 - input[u]! : f(cell.clip(sum(2, u) + cell.peephole(2, u) * c[u]!))))
  const next = units(cell, (u) => forget[u]! * c[u]! + input[u]! * g(cell.clip(sum(3, u))))
  const output = units(cell, (u) => f(cell.clip(sum(1, u) + cell.peephole(1, u) * next[u]!)))
  return { h: units(cell, (u) => output[u]! * k(next[u]!)), c: next }
}

function recurrent(step: Step, gates: number, defaults: string[], hasCell: boolean): Operator {
  return (call) => {
    const [x, w, r] = [call.input(0), call.input(1), call.input(2)]
    const [b, lengths, h0] = [call.inputs[3], call.inputs[4]?.numbers, call.inputs[5]]
    const [c0, p] = hasCell ? [call.inputs[6], call.inputs[7]] : []
    const batchFirst = call.flag('layout')
    const [steps, batch] = batchFirst ? [x.shape[1]!, x.shape[0]!] : [x.shape[0]!, x.shape[1]!]
    const inputs = x.shape[2]!
    const directions = w.shape[0]!
    const hidden = call.number('hidden_size', r.shape[2]!)
    const limit = call.number('clip', Number.POSITIVE_INFINITY)
    const names = call.texts('activations') ?? Array(directions).fill(defaults).flat()
    const source = x.data as Numbers
    const numbers = (value: Value | undefined) => value?.data as Numbers | undefined
    const [wd, rd, bd, pd] = [numbers(w)!, numbers(r)!, numbers(b), numbers(p)]
    const row = (t: number, n: number) => (batchFirst ? n * steps + t : t * batch + n)
    // Where [step, direction, batch] and [direction, batch] stand in the results.
    const atY = (t: number, d: number, n: number) => (batchFirst ? (n * steps + t) * directions + d : (t * directions + d) * batch + n) * hidden
    const atH = (d: number, n: number) => (batchFirst ? n * directions + d : d * batch + n) * hidden
    const y = new Float64Array(steps * directions * batch * hidden)
    const yh = new Float64Array(directions * batch * hidden)
    const yc = new Float64Array(directions * batch * hidden)
    for (let d = 0; d < directions; d++) {
      const cell: Cell = {
        hidden,
        fromX: (gate, u, from, at) => {
          const first = ((d * gates + gate) * hidden + u) * inputs
          let sum = 0
          for (let i = 0; i < inputs; i++) sum += wd[first + i]! * from[at + i]!
          return sum
        },
        fromH: (gate, u, h) => {
          const first = ((d * gates + gate) * hidden + u) * hidden
          let sum = 0
          for (let i = 0; i < hidden; i++) sum += rd[first + i]! * h[i]!
          return sum
        },
        biases: (gate, u) => {
          const first = d * 2 * gates * hidden + gate * hidden + u
          return bd ? [bd[first]!, bd[first + gates * hidden]!] : [0, 0]
        },
        peephole: (gate, u) => pd?.[(d * 3 + gate) * hidden + u] ?? 0,
        activations: names.slice(d * defaults.length, (d + 1) * defaults.length).map((name, i) => activationNamed(call, name, d * defaults.length + i)),
        clip: (v) => Math.min(Math.max(v, -limit), limit),
      }
      const backward = call.text('direction', 'forward') === 'reverse' || d === 1
      for (let n = 0; n < batch; n++) {
        const start = (value: Value | undefined): Numbers => {
          const from = numbers(value)
          return from ? Float64Array.from(from.subarray(atH(d, n), atH(d, n) + hidden)) : new Float64Array(hidden)
        }
        let state = { h: start(h0), c: start(c0) }
        const length = lengths?.[n] ?? steps
        for (let i = 0; i < length; i++) {
          const t = backward ? length - 1 - i : i
          state = step(call, cell, source, row(t, n) * inputs, state.h, state.c)
          y.set(state.h, atY(t, d, n))
        }
        yh.set(state.h, atH(d, n))
        yc.set(state.c, atH(d, n))
      }
    }
    const shapeY = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden]
    const shapeH = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden]
    const value = (shape: number[], data: Numbers) => call.host(x.type, shape, (to) => to.set(data.subarray(0, sizeOf(shape))))
    return [value(shapeY, y), value(shapeH, yh), ...(hasCell ? [value(shapeH, yc)] : [])]
  }
}

export const recurrence: Record<string, Operator> = {
  RNN: recurrent(rnnStep, 1, ['Tanh'], false),
  GRU: recurrent(gruStep, 3, ['Sigmoid', 'Tanh'], false),
  LSTM: recurrent(lstmStep, 4, ['Sigmoid', 'Tanh', 'Tanh'], true),
}
