/** Normalisations: (x - mean) / sqrt(variance + epsilon) over this or that set of axes, and those without a mean. */
import { UnaryOp } from '../../../assembly/calls.js'
import { add, mul, sub } from '../../ops/arithmetic.js'
import { runUnary } from '../../ops/elementwise.js'
import { avgPool2d } from '../../ops/pool.js'
import { mean } from '../../ops/reduce.js'
import { stridesOf } from '../../shape.js'
import type { Tensor } from '../../tensor.js'
import type { Call, Operator } from '../call.js'
import { move } from '../move.js'
import type { Value } from '../value.js'

/** 1 / sqrt(x + epsilon) = exp(-log(x + epsilon) / 2), in place. */
function inverseRoot(x: Tensor, epsilon: number): Tensor {
  add(x, epsilon, { out: x })
  runUnary(UnaryOp.log, x, x, 0, 0)
  mul(x, -0.5, { out: x })
  runUnary(UnaryOp.exp, x, x, 0, 0)
  return x
}

/** (x - mean) / sqrt(variance + epsilon) over axes; without the mean where `centred` is not wanted. */
function normalized(x: Tensor, axes: number[], epsilon: number, centred = true): { y: Tensor; average: Tensor | undefined; inverse: Tensor } {
  const average = centred ? mean(x, { axes, keepDims: true }) : undefined
  const centre = average ? sub(x, average) : x
  const inverse = inverseRoot(mean(mul(centre, centre), { axes, keepDims: true }), epsilon)
  return { y: mul(centre, inverse, average && { out: centre }), average, inverse }
}

/** A table of one number per channel, [c], as `make` computes it on the host. Kept with the value that it is made of. */
function table(call: Call, of: Value, key: string, make: () => Float32Array): Tensor {
  return of.form(key, () => {
    const data = make()
    return call.engine.tensor(data, [data.length])
  })
}

const batchNormalization: Operator = (call) => {
  const [x, scale, offset, average, variance] = [0, 1, 2, 3, 4].map((i) => call.input(i)) as [Value, Value, Value, Value, Value]
  const epsilon = call.number('epsilon', 1e-5)
  if (call.number('training_mode', 0)) call.fail('training_mode', '0 (a model is run here, not trained)', '1')
  const numbers = (value: Value) => value.data as Float64Array
  const factors = () => Float32Array.from(numbers(variance), (v, c) => numbers(scale)[c]! / Math.sqrt(v + epsilon))
  const shifts = () => Float32Array.from(factors(), (factor, c) => numbers(offset)[c]! - numbers(average)[c]! * factor)
  const factor = table(call, scale, `factor ${call.node.outputs[0]}`, factors)
  const shift = table(call, scale, `shift ${call.node.outputs[0]}`, shifts)
  const layout = x.shape.length < 3 ? 'plain' : 'last'
  const y = mul(x.tensor(layout), factor)
  return call.tensor(x.type, add(y, shift, { out: y }), layout)
}

/** Over the places of each image and channel: in layout last the axes between the first and the last. */
const instanceNormalization: Operator = (call) => {
  const [x, scale, offset] = [call.input(0), call.input(1), call.input(2)]
  const axes = x.shape.slice(2).map((_, i) => i + 1)
  const { y } = normalized(x.tensor('last'), axes, call.number('epsilon', 1e-5))
  return call.tensor(x.type, add(mul(y, scale.tensor(), { out: y }), offset.tensor(), { out: y }), 'last')
}

/** x [n, groups, rest], each group by itself. */
const groupNormalization: Operator = (call) => {
  const [x, scale, offset] = [call.input(0), call.input(1), call.input(2)]
  const groups = call.number('num_groups', 1)
  const [n, c] = x.shape as [number, number]
  const { y } = normalized(x.tensor().reshape([n, groups, x.size / n / groups]), [2], call.number('epsilon', 1e-5))
  // Up to opset 20 scale and offset were given for groups.
  const each = (value: Value) => {
    if (value.size === c) return value.tensor().reshape([c, 1])
    const axes = [{ length: groups, axis: 0 }, { length: c / groups }]
    return move(call, [groups, c / groups], [{ source: value, axes }]).tensor().reshape([c, 1]) // biome-ignore format: one line
  }
  const shaped = y.reshape([n, c, x.size / n / c])
  return call.tensor(x.type, add(mul(shaped, each(scale), { out: shaped }), each(offset), { out: shaped }).reshape(x.shape))
}

const layerNormalization: Operator = (call) => {
  const [x, scale, offset] = [call.input(0), call.input(1), call.inputs[2]]
  const rank = x.shape.length
  const axis = call.axis(call.number('axis', -1), rank)
  const axes = x.shape.map((_, i) => i).slice(axis)
  const { y, average, inverse } = normalized(x.tensor(), axes, call.number('epsilon', 1e-5), call.node.op === 'LayerNormalization')
  const scaled = mul(y, scale.tensor())
  return [
    call.tensor(x.type, offset ? add(scaled, offset.tensor(), { out: scaled }) : scaled),
    average && call.tensor(x.type, average),
    average && call.tensor(x.type, inverse),
  ]
}

/** Along one axis, on the host. */
const lpNormalization: Operator = (call) => {
  const x = call.input(0)
  const axis = call.axis(call.number('axis', -1), x.shape.length)
  const p = call.number('p', 2)
  const stride = stridesOf(x.shape)[axis]!
  const n = x.shape[axis]!
  const from = x.data as Float64Array
  return call.host(x.type, x.shape, (y) => {
    for (let first = 0; first < y.length; first++) {
      if (Math.floor(first / stride) % n !== 0) continue
      let sum = 0
      for (let i = 0; i < n; i++) sum += Math.abs(from[first + i * stride]!) ** p
      const norm = sum ** (1 / p)
      for (let i = 0; i < n; i++) y[first + i * stride] = norm === 0 ? 0 : from[first + i * stride]! / norm
    }
  })
}

/**
 * x / (bias + alpha / size * sum of squares over `size` channels around)^beta. The sum is that of a window over the channels: with channels last, an average
 * pool over a picture whose columns are channels.
 */
const lrn: Operator = (call) => {
  const x = call.input(0)
  const size = call.number('size', 1)
  const [alpha, beta, bias] = [call.number('alpha', 1e-4), call.number('beta', 0.75), call.number('bias', 1)]
  const tensor = x.tensor('last')
  const c = x.shape[1]!
  const before = (size - 1) >> 1
  const squares = mul(tensor, tensor)
  const sums = avgPool2d(squares.reshape([x.size / c, 1, c, 1]), { size: [1, size], stride: 1, padding: [[0, 0], [before, size - 1 - before]], countIncludePad: true }) // biome-ignore format: one line
  // (bias + alpha * mean)^-beta
  const base = add(mul(sums, alpha, { out: sums }), bias, { out: sums })
  runUnary(UnaryOp.log, base, base, 0, 0)
  mul(base, -beta, { out: base })
  runUnary(UnaryOp.exp, base, base, 0, 0)
  return call.tensor(x.type, mul(tensor, base.reshape(tensor.shape)), 'last')
}

const meanVariance: Operator = (call) => {
  const x = call.input(0)
  const axes = call.numbers('axes', [0, 2, 3]).map((axis) => call.axis(axis, x.shape.length))
  return call.tensor(x.type, normalized(x.tensor(), axes, 1e-9).y)
}

export const normalize: Record<string, Operator> = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  LayerNormalization: layerNormalization,
  RMSNormalization: layerNormalization,
  LpNormalization: lpNormalization,
  LRN: lrn,
  MeanVarianceNormalization: meanVariance,
}
