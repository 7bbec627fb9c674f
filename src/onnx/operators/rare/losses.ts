/** Losses and steps of optimisers, for models that train by themselves. */
import { sizeOf } from '../../../base/shape.js'
import type { Tensor } from '../../../core/tensor.js'
import { add, div, mul, sub } from '../../../ops/arithmetic.js'
import { logSoftmax } from '../../../ops/softmax.js'
import { sqrt } from '../../../ops/unary.js'
import type { Call, Operator } from '../../run/call.js'
import type { Value } from '../../run/value.js'

/** -weight * x at the class of each place; their sum, or mean by weight, or all of them. */
function likelihood(call: Call, x: Value): Value {
  const [target, weight] = [call.input(1), call.inputs[2]?.data as Float64Array | undefined]
  const [n, classes] = x.shape as [number, number]
  const places = sizeOf(x.shape.slice(2))
  if (target.size !== n * places) call.fail('target', 'x without its second axis', target.shape)
  const ignored = call.number('ignore_index', undefined)
  const reduction = call.text('reduction', 'mean')
  if (!['none', 'sum', 'mean'].includes(reduction)) call.fail('reduction', 'none, sum or mean', reduction)
  const from = x.data as Float64Array
  const weights = new Float64Array(target.size)
  const losses = Float64Array.from(target.data as Float64Array, (kind, i) => {
    if (kind === ignored) return 0
    if (!(kind >= 0 && kind < classes)) call.fail('target', `classes from 0 to ${classes - 1}`, kind)
    weights[i] = weight ? weight[kind]! : 1
    return -weights[i]! * from[(Math.floor(i / places) * classes + kind) * places + (i % places)]!
  })
  if (reduction === 'none') return call.host(x.type, target.shape, (to) => to.set(losses))
  const sum = (list: Float64Array) => list.reduce((a, b) => a + b, 0)
  return call.host(x.type, [], (to) =>
    to.fill(reduction === 'sum' ? sum(losses) : sum(losses) / sum(weights)),
  )
}

const softmaxCrossEntropyLoss: Operator = (call) => {
  const x = call.input(0)
  const shares = call.tensor(x.type, logSoftmax(x.tensor(), { axis: 1 }))
  return [likelihood(call, shares), call.node.outputs[1] ? shares : undefined]
}

/** A step: of each parameter and what is kept for it, the new ones. */
type Step = (rate: number, count: number, ...own: Tensor[]) => Tensor[]

/** Rate and count, and lists of parameters, gradients and what is kept, one behind the other. */
const stepped =
  (lists: number, step: (call: Call) => Step): Operator =>
  (call) => {
    const [rate, count] = [call.scalar(0)!, call.scalar(1)!]
    const given = call.inputs.slice(2)
    const n = given.length / lists
    if (!Number.isInteger(n)) call.fail('inputs', `${lists} for each parameter`, given.length)
    const results = Array.from({ length: n }, (_, i) => {
      const own = Array.from({ length: lists }, (_, k) => call.input(2 + k * n + i).tensor())
      return step(call)(rate, count, ...own)
    })
    return results[0]!.flatMap((_, k) => results.map((list) => call.tensor('float32', list[k]!)))
  }

/** The gradient with what keeps parameters small. */
const regular = (call: Call, x: Tensor, g: Tensor): Tensor =>
  add(mul(x, call.number('norm_coefficient', 0)), g)

const adagrad = stepped(3, (call) => (rate, count, x, gradient, h) => {
  const g = regular(call, x!, gradient!)
  const squares = add(h!, mul(g, g))
  const factor = rate / (1 + count * call.number('decay_factor', 0))
  return [sub(x!, div(mul(g, factor), add(sqrt(squares), call.number('epsilon', 1e-6)))), squares]
})

const adam = stepped(4, (call) => (rate, count, x, gradient, v, h) => {
  const [alpha, beta] = [call.number('alpha', 0.9), call.number('beta', 0.999)]
  const g = regular(call, x!, gradient!)
  const mean = add(mul(v!, alpha), mul(g, 1 - alpha))
  const squares = add(mul(h!, beta), mul(mul(g, g), 1 - beta))
  const factor = count > 0 ? (rate * Math.sqrt(1 - beta ** count)) / (1 - alpha ** count) : rate
  const y = sub(x!, div(mul(mean, factor), add(sqrt(squares), call.number('epsilon', 1e-6))))
  return [mul(y, 1 - call.number('norm_coefficient_post', 0)), mean, squares]
})

const momentum = stepped(3, (call) => (rate, count, x, gradient, v) => {
  const alpha = call.number('alpha', 0)
  const g = regular(call, x!, gradient!)
  const speed = add(mul(v!, alpha), mul(g, count > 0 ? call.number('beta', 0) : 1))
  const way = call.text('mode') === 'nesterov' ? add(g, mul(speed, alpha)) : speed
  return [sub(x!, mul(way, rate)), speed]
})

export const losses: Record<string, Operator> = {
  NegativeLogLikelihoodLoss: (call) => likelihood(call, call.input(0)),
  SoftmaxCrossEntropyLoss: softmaxCrossEntropyLoss,
  'ai.onnx.preview.training.Adagrad': adagrad,
  'ai.onnx.preview.training.Adam': adam,
  'ai.onnx.preview.training.Momentum': momentum,
}
