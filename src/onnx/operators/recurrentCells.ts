/**
 * Recurrent layers with whatever the standard allows: any activation, peepholes, clipping, coupled gates. The
 * input's share of every step is one product; each step then goes through the ops one by one. Formulas and
 * order of the gates: the ONNX standard.
 */

import { sizeOf, stridesOf } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { clamp, elu, hardSigmoid, leakyRelu, relu, sigmoid, softplus, tanh } from '../../ops/activation.js'
import { add, mul, sub } from '../../ops/arithmetic.js'
import { greater } from '../../ops/compare.js'
import { linear } from '../../ops/matmul.js'
import { where } from '../../ops/where.js'
import { copy } from '../../plans/copy.js'
import type { Call, Operator } from '../run/call.js'
import type { Value } from '../run/value.js'
import { softsign } from './elementwise.js'

/** Each with the numbers that it takes, `alpha` and `beta`, and what they are where the node gives none. */
const activations: Record<
  string,
  { f: (x: Tensor, alpha: number, beta: number) => Tensor; alpha?: number; beta?: number }
> = {
  sigmoid: { f: (x) => sigmoid(x) },
  tanh: { f: (x) => tanh(x) },
  relu: { f: (x) => relu(x) },
  leakyrelu: { f: (x, alpha) => leakyRelu(x, { alpha }), alpha: 0.01 },
  thresholdedrelu: { f: (x, alpha) => where(greater(x, alpha), x, 0), alpha: 1 },
  scaledtanh: { f: (x, alpha, beta) => mul(tanh(mul(x, beta)), alpha), alpha: 1, beta: 1 },
  hardsigmoid: { f: (x, alpha, beta) => hardSigmoid(x, { alpha, beta }), alpha: 0.2, beta: 0.5 },
  elu: { f: (x, alpha) => elu(x, { alpha }), alpha: 1 },
  softsign: { f: (x) => softsign(x) },
  softplus: { f: (x) => softplus(x) },
  affine: { f: (x, alpha, beta) => add(mul(x, alpha), beta), alpha: 1, beta: 0 },
}

/**
 * Those that a node names. Each takes the next of the given numbers where it takes one, as ONNX Runtime reads
 * the lists.
 */
function activationsOf(call: Call, names: readonly string[]): ((x: Tensor) => Tensor)[] {
  const [alphas, betas] = [
    [...call.numbers('activation_alpha', [])],
    [...call.numbers('activation_beta', [])],
  ]
  const next = (list: number[], otherwise: number | undefined) =>
    otherwise === undefined ? 0 : (list.shift() ?? otherwise)
  return names.map((name) => {
    const key = name.toLowerCase()
    if (!Object.hasOwn(activations, key))
      call.fail('activations', `of ${Object.keys(activations).join(', ')}`, name)
    const known = activations[key]!
    const [alpha, beta] = [next(alphas, known.alpha), next(betas, known.beta)]
    return (x) => known.f(x, alpha, beta)
  })
}

/** Throws unless what the node reads fits together, whichever way it is computed. */
export function checkSequence(call: Call, gates: number): void {
  const [x, w, r] = [call.input(0), call.input(1), call.input(2)]
  const batchFirst = call.flag('layout')
  if (x.shape.length !== 3) call.fail('X', 'of three axes', x.shape)
  const [steps, n] = batchFirst ? [x.shape[1]!, x.shape[0]!] : [x.shape[0]!, x.shape[1]!]
  const directions = call.text('direction') === 'bidirectional' ? 2 : 1
  const hidden = call.number('hidden_size', r.shape[2] ?? 0)
  call.shaped('W', w, [directions, gates * hidden, x.shape[2]!])
  call.shaped('R', r, [directions, gates * hidden, hidden])
  call.shaped('B', call.inputs[3], [directions, 2 * gates * hidden])
  call.shaped('sequence_lens', call.inputs[4], [n])
  const state = batchFirst ? [n, directions, hidden] : [directions, n, hidden]
  call.shaped('initial_h', call.inputs[5], state)
  call.shaped('initial_c', call.inputs[6], state)
  call.shaped('P', call.inputs[7], [directions, 3 * hidden])
  const lengths = call.inputs[4]
  // In the engine the kernel sees to it.
  if (lengths?.onHost && !lengths.inEngine) checkLengths(call, lengths.numbers, steps)
}

function checkLengths(call: Call, lengths: readonly number[], steps: number): void {
  if (lengths.some((length) => !(length >= 0 && length <= steps)))
    call.fail('sequence_lens', `from 0 to ${steps}`, lengths)
}

/** What one step of one direction works with. */
interface Cell {
  /** The shares of a gate that the input and the hidden state have, with their biases. */
  fromX: (gate: number) => Tensor
  fromH: (gate: number, h: Tensor) => Tensor
  /** What the cell adds to a gate, where there are peepholes. */
  peeped: (gate: number, sum: Tensor, c: Tensor) => Tensor
  activations: ((x: Tensor) => Tensor)[]
  clip: (x: Tensor) => Tensor
}

interface State {
  h: Tensor
  c: Tensor
}

type Step = (call: Call, cell: Cell, state: State) => State

const rnnStep: Step = (_, { activations: [f], fromX, fromH, clip }, { h, c }) => ({
  h: f!(clip(add(fromX(0), fromH(0, h)))),
  c,
})

/** Gates z, r, h. */
const gruStep: Step = (call, { activations: [f, g], fromX, fromH, clip }, { h, c }) => {
  const [z, r] = [0, 1].map((gate) => f!(clip(add(fromX(gate), fromH(gate, h))))) as [Tensor, Tensor]
  const hiddenPart = call.number('linear_before_reset', 0) ? mul(r, fromH(2, h)) : fromH(2, mul(r, h))
  const candidate = g!(clip(add(fromX(2), hiddenPart)))
  return { h: add(candidate, mul(z, sub(h, candidate))), c }
}

/** Gates i, o, f, c; peepholes i, o, f. */
const lstmStep: Step = (call, { activations: [f, g, k], fromX, fromH, peeped, clip }, { h, c }) => {
  const sum = (gate: number) => add(fromX(gate), fromH(gate, h))
  const input = f!(clip(peeped(0, sum(0), c)))
  const forget = call.flag('input_forget') ? sub(1, input) : f!(clip(peeped(2, sum(2), c)))
  const next = add(mul(forget, c), mul(input, g!(clip(sum(3)))))
  return { h: mul(f!(clip(peeped(1, sum(1), next))), k!(next)), c: next }
}

function byCells(step: Step, gates: number, defaults: string[]): Operator {
  return (call) => {
    const { engine } = call
    const [x, w, r] = [call.input(0), call.input(1), call.input(2)]
    const [b, lengths, h0, c0, p] = [3, 4, 5, 6, 7].map((i) => call.inputs[i])
    const batchFirst = call.flag('layout')
    const [steps, batch] = (batchFirst ? [x.shape[1], x.shape[0]] : x.shape) as [number, number]
    const inputs = x.shape[2]!
    const directions = w.shape[0]!
    const hidden = call.number('hidden_size', r.shape[2]!)
    const limit = call.number('clip', 0)
    const names = call.texts('activations') ?? Array(directions).fill(defaults).flat()
    if (names.length !== directions * defaults.length)
      call.fail('activations', `of ${directions * defaults.length} names`, names)
    const named = activationsOf(call, names)
    // Of each direction and gate a matrix [depth, hidden], or a vector [hidden].
    const tables = (use: string, value: Value | undefined, ...shape: number[]): readonly Value[] =>
      value
        ? call.tables(use, [...shape, hidden], [value], () => {
            const [from, depth] = [value.data as Float32Array, sizeOf(shape)]
            const turned = (gate: number) =>
              Float32Array.from(
                { length: depth * hidden },
                (_, i) => from[(gate * hidden + (i % hidden)) * depth + Math.floor(i / hidden)]!,
              )
            return Array.from({ length: value.size / depth / hidden }, (_, gate) => turned(gate))
          })
        : []
    const [ws, rs, bs, ps] = [tables('w', w, inputs), tables('r', r, hidden), tables('b', b), tables('p', p)]
    const times = (from: Tensor, matrix: Value, bias: Value | undefined) =>
      matrix.packed(matrix.shape, stridesOf(matrix.shape), (weight) =>
        linear(from, weight, { bias: bias?.tensor() }),
      )

    const ends = lengths?.numbers ?? Array(batch).fill(steps)
    checkLengths(call, ends, steps)
    // Sequences of different lengths go one by one.
    const groups = ends.every((length) => length === ends[0])
      ? [{ first: 0, count: batch }]
      : ends.map((_, first) => ({ first, count: 1 }))
    const ofBatch = (...shape: number[]) => (batchFirst ? [batch, ...shape] : [...shape, batch])
    const [y, lastH, lastC] = [[steps, directions], [directions], [directions]].map((shape) =>
      engine.make([...ofBatch(...shape), hidden], (to) =>
        copy(engine, { value: 0 }, to.pointer, [{ length: to.size, from: 0, to: 1 }]),
      ),
    ) as [Tensor, Tensor, Tensor]
    for (let d = 0; d < directions; d++) {
      const backward = d === 1 || call.text('direction') === 'reverse'
      const projected = Array.from({ length: gates }, (_, gate) =>
        times(x.tensor(), ws[d * gates + gate]!, bs[2 * d * gates + gate]),
      )
      for (const { first, count } of groups) {
        // The rows of this group at indexes along the axes that are neither batch nor hidden.
        const rows = (of: Tensor, ...at: number[]) => {
          const strides = stridesOf(of.shape)
          const [step] = strides.splice(batchFirst ? 0 : -2, 1) as [number]
          return {
            pointer:
              of.pointer + 4 * (first * step + at.reduce((sum, index, i) => sum + index * strides[i]!, 0)),
            step,
          }
        }
        const across = (from: number, to: number) => [
          { length: count, from, to },
          { length: hidden, from: 1, to: 1 },
        ]
        const take = (of: Tensor, at: number) =>
          engine.make([count, hidden], (to) => {
            const { pointer, step } = rows(of, at)
            copy(engine, pointer, to.pointer, across(step, hidden))
          })
        const store = (from: Tensor, to: Tensor, ...at: number[]) => {
          const { pointer, step } = rows(to, ...at)
          copy(engine, from.pointer, pointer, across(hidden, step))
        }
        const start = (value: Value | undefined) =>
          value
            ? take(value.tensor(), d)
            : call
                .tables(`zeros ${count}`, [count, hidden], [], () => [new Float32Array(count * hidden)])[0]!
                .tensor()
        const cell = (t: number): Cell => ({
          fromX: (gate) => take(projected[gate]!, t),
          fromH: (gate, h) => times(h, rs[d * gates + gate]!, bs[(2 * d + 1) * gates + gate]),
          peeped: (gate, sum, c) => (p ? add(sum, mul(c, ps[3 * d + gate]!.tensor())) : sum),
          activations: named.slice(d * defaults.length, (d + 1) * defaults.length),
          clip: (sum) => (limit ? clamp(sum, { low: -limit, high: limit }) : sum),
        })
        let state: State = { h: start(h0), c: start(c0) }
        const length = ends[first]!
        for (let i = 0; i < length; i++) {
          const t = backward ? length - 1 - i : i
          // Forms of the weights that the first step makes are for all.
          state = engine.scope(() => ({
            ...step(call, cell(t), state),
            weights: [...rs, ...bs, ...ps].map((value) => value.tensors()),
          }))
          store(state.h, y, t, d)
        }
        store(state.h, lastH, d)
        store(state.c, lastC, d)
      }
    }
    return [y, lastH, lastC].map((tensor) => call.tensor(x.type, tensor))
  }
}

export const rnnByCells: Operator = byCells(rnnStep, 1, ['Tanh'])
export const gruByCells: Operator = byCells(gruStep, 3, ['Sigmoid', 'Tanh'])
export const lstmByCells: Operator = byCells(lstmStep, 4, ['Sigmoid', 'Tanh', 'Tanh'])
