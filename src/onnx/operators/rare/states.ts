/**
 * Layers of language models that carry a state from place to place instead of looking at all of them: linear
 * attention and short causal convolutions. Definitions: ContribOperators.md of ONNX Runtime; Yang et al.,
 * "Gated delta networks", 2024.
 */
import type { Tensor } from '../../../core/tensor.js'
import { silu } from '../../../ops/activation.js'
import { add, mul, sub } from '../../../ops/arithmetic.js'
import { concat } from '../../../ops/concat.js'
import { matmul } from '../../../ops/matmul.js'
import { slice } from '../../../ops/slice.js'
import { exp } from '../../../ops/unary.js'
import type { Call, Operator } from '../../run/call.js'
import { moveBox, permuted } from '../../run/move.js'
import type { Value } from '../../run/value.js'
import { behind, inEngine } from '../attention.js'
import { mapInEngine } from '../broadcast.js'
import { window } from '../window.js'

const RULES = ['linear', 'gated', 'delta', 'gated_delta']

/** x [n, length, heads * size] as [length, n * heads * repeats, 1, size], each head `repeats` times. */
function byPlace(call: Call, x: Value, heads: number, repeats = 1): Tensor {
  const [n, length, width] = x.shape as [number, number, number]
  const size = width / heads
  const axes = [
    { length, axis: 1 },
    { length: n, axis: 0 },
    { length: heads, axis: 2 },
    ...(repeats > 1 ? [{ length: repeats }] : []),
    { length: size, axis: 3 },
  ]
  const split = inEngine(call, x).reshaped([n, length, heads, size])
  return moveBox(call, split, axes, { layout: 'plain' })
    .reshaped([length, n * heads * repeats, 1, size])
    .tensor()
}

/** Place t of x [length, ...rest]. */
const at = (x: Tensor, t: number): Tensor =>
  slice(x, { begin: [t, ...x.shape.slice(1).map(() => 0)], end: [t + 1, ...x.shape.slice(1)] }).reshape(
    x.shape.slice(1),
  )

/**
 * query, key, value, past_state [n, heads, key size, value size], decay, beta. At each place the state S
 * becomes exp(decay) S + k (beta (v - k exp(decay) S)), of which the rules leave out parts; the answer is
 * scale q S.
 */
const linearAttention: Operator = (call) => {
  const [query, key, value] = [call.input(0), call.input(1), call.input(2)]
  const [past, decay, beta] = [call.inputs[3], call.inputs[4], call.inputs[5]]
  const [heads, kvHeads] = [call.number('q_num_heads', 0), call.number('kv_num_heads', 0)]
  const rule = call.text('update_rule', 'gated_delta')
  if (!RULES.includes(rule)) call.fail('update_rule', `one of ${RULES.join(', ')}`, rule)
  if (call.number('state_window', 0)) call.fail('state_window', '0', call.number('state_window', 0))
  const [isGated, isDelta] = [rule.startsWith('gated'), rule.endsWith('delta')]
  if (isGated && !decay) call.fail('decay', `given, for the rule ${rule}`, 'none')
  if (isDelta && !beta) call.fail('beta', `given, for the rule ${rule}`, 'none')
  const [n, length, width] = query.shape as [number, number, number]
  const [size, valueSize] = [width / heads, value.shape[2]! / kvHeads]
  const keyHeads = key.shape[2]! / size
  const fits = [size, valueSize, keyHeads, kvHeads / keyHeads, Math.max(heads / kvHeads, kvHeads / heads)]
  if (!fits.every((ratio) => Number.isInteger(ratio) && ratio > 0))
    call.fail('q_num_heads and kv_num_heads', 'numbers of heads that fit', [heads, kvHeads])
  const all = n * kvHeads
  const group = Math.max(1, heads / kvHeads)
  const scaled = byPlace(call, query, heads, Math.max(1, kvHeads / heads)).reshape([length, all, group, size])
  const q = mul(scaled, call.number('scale', 0) || 1 / Math.sqrt(size))
  const k = byPlace(call, key, keyHeads, kvHeads / keyHeads)
  const v = byPlace(call, value, kvHeads)
  const columns = k.reshape([length, all, size, 1])
  // One number for each head, or for each of its keys.
  const perKey = decay && decay.shape[2] === kvHeads * size
  const gates = isGated && exp(byPlace(call, decay!, kvHeads).reshape([length, all, perKey ? size : 1, 1]))
  const rates =
    isDelta && byPlace(call, beta!, beta!.shape[2]!, kvHeads / beta!.shape[2]!).reshape([length, all, 1, 1])
  const stateShape = [n, kvHeads, size, valueSize]
  let state = (past ? inEngine(call, past) : call.zeros(value.type, stateShape)).tensor()
  state = state.reshape([all, size, valueSize])
  const answers: Tensor[] = []
  for (let t = 0; t < length; t++) {
    if (gates) state = mul(state, at(gates, t))
    let change = at(v, t)
    if (rates) change = mul(sub(change, matmul(at(k, t), state)), at(rates, t))
    state = add(state, mul(at(columns, t), change))
    answers.push(matmul(at(q, t), state).reshape([1, n, kvHeads * group, valueSize]))
  }
  const joined = call.tensor(query.type, answers.length === 1 ? answers[0]! : concat(answers, { axis: 0 }))
  const outHeads = Math.max(heads, kvHeads)
  const y = permuted(call, joined, [1, 0, 2, 3]).reshaped([n, length, outHeads * valueSize])
  return [y, call.tensor(value.type, state.reshape(stateShape))]
}

/**
 * input [n, channels, length], weight [channels, 1, size], bias, past_state [n, channels, size - 1]: each
 * channel by its own filter over what came before; the last size - 1 places are the next state.
 */
const causalConvWithState: Operator = (call) => {
  const [x, weight, bias, past] = [call.input(0), call.input(1), call.inputs[2], call.inputs[3]]
  const activation = call.text('activation', 'none')
  if (!['none', 'silu', 'swish'].includes(activation))
    call.fail('activation', 'none, silu or swish', activation)
  for (const [name, value] of Object.entries({ ndim: 1, state_window: 0, channels_last: 0, dilation: 1 }))
    if (call.number(name, value) !== value) call.fail(name, `${value}`, call.number(name, value))
  if (x.shape.length !== 3) call.fail('input 0', '[n, channels, length]', x.shape)
  const [n, channels] = x.shape as [number, number, number]
  const room = weight.shape[2]! - 1
  const before = past ? inEngine(call, past) : call.zeros(x.type, [n, channels, room])
  // Places are the third of the axes that `behind` joins.
  const flat = (value: Value) => value.reshaped([n, channels, value.shape[2]!, 1])
  const joined = behind(call, flat(before), flat(inEngine(call, x)))
  const total = joined.shape[2]!
  const line = joined.reshaped([n, channels, total])
  const y = window['Conv']!(call.on([line, weight, bias], { group: channels })) as Value
  const state = moveBox(call, line, [
    { length: n, axis: 0 },
    { length: channels, axis: 1 },
    { length: room, axis: 2, from: total - room },
  ])
  return [activation === 'none' ? y : mapInEngine(call, y, (t) => silu(t)), state]
}

export const states: Record<string, Operator> = {
  'com.microsoft.CausalConvWithState': causalConvWithState,
  'com.microsoft.LinearAttention': linearAttention,
}
