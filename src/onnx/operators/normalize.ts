/**
 * Normalisations: (x - mean) / sqrt(variance + epsilon) over this or that set of axes, and those without a
 * mean.
 */

import { type Shape, sameShape, sizeOf } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { add, div, mul, sub } from '../../ops/arithmetic.js'
import { batchNorm } from '../../ops/batchNorm.js'
import { notEqual } from '../../ops/compare.js'
import { groupNorm, instanceNorm } from '../../ops/groupNorm.js'
import { layerNorm, rmsNorm } from '../../ops/layerNorm.js'
import { planesNormalised } from '../../ops/normalise.js'
import { avgPool2d } from '../../ops/pool.js'
import { mean, sum } from '../../ops/reduce.js'
import { abs } from '../../ops/unary.js'
import { where } from '../../ops/where.js'
import type { Call, Operator } from '../run/call.js'
import { moveBox } from '../run/move.js'
import type { Value } from '../run/value.js'
import { mapInEngine } from './broadcast.js'
import { byLargest, power } from './powers.js'
import { axisIn } from './reduce.js'

/** (x - mean) / sqrt(variance + epsilon) over axes; without the mean where `centred` is not wanted. */
export function normalized(
  x: Tensor,
  axes: number[],
  epsilon: number,
  centred = true,
): { y: Tensor; average: Tensor | undefined; inverse: Tensor } {
  const average = centred ? mean(x, { axes, keepDims: true }) : undefined
  const centre = average ? sub(x, average) : x
  const variance = add(mean(mul(centre, centre), { axes, keepDims: true }), epsilon)
  const inverse = power(variance, -0.5, { out: variance })
  return { y: mul(centre, inverse, average && { out: centre }), average, inverse }
}

/** What `fuse` joined to it. */
const activationOf = ({ node: { activation } }: Call) => (activation ? { activation } : {})

/** Whether each channel of an image stands by itself, so that nothing is turned around for its numbers. */
const standsAsPlanes = (x: Value): boolean => x.shape.length > 2 && !x.has('last')

const batchNormalization: Operator = (call) => {
  const [x, ...tables] = [0, 1, 2, 3, 4].map((i) => call.input(i)) as [Value, Value, Value, Value, Value]
  const wanted = x.shape[1] ?? 1
  const fits = tables.every(({ shape }) =>
    shape.length > 1 ? sizeOf(shape) === sizeOf(x.shape.slice(1)) : sizeOf(shape) === wanted,
  )
  if (!fits)
    call.fail(
      'scale, B, mean and variance',
      `of ${wanted} channels`,
      tables.map(({ shape }) => shape),
    )
  const [scale, offset, average, variance] = tables.map((table) => table.tensor()) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ]
  const epsilon = call.number('epsilon', 1e-5)
  if (call.number('training_mode', 0))
    return batchStatistics(call, x, scale, offset, average, variance, epsilon)
  // Up to opset 8 each place may have numbers of its own.
  const places = average.shape.length > 1
  if (!places && standsAsPlanes(x)) {
    const tensor = x.tensor()
    const y = planesNormalised('batchNorm', tensor, {
      given: { mean: average, variance },
      scale,
      offset,
      epsilon,
      out: call.over(x, tensor, tensor.shape),
      ...activationOf(call),
    })
    return call.tensor(x.type, y)
  }
  const layout = places || x.shape.length < 3 ? 'plain' : 'last'
  // Of a single axis each number is an image of one channel.
  const flattened = places || x.shape.length === 1
  const flat = (tensor: Tensor, shape: Shape = [tensor.size]) => (flattened ? tensor.reshape(shape) : tensor)
  const given = x.tensor(layout)
  const rows = flat(given, [x.shape[0]!, average.size])
  const out = flattened ? undefined : call.over(x, given, given.shape)
  const y = batchNorm(rows, {
    mean: flat(average),
    variance: flat(variance),
    scale: flat(scale),
    offset: flat(offset),
    epsilon,
    ...(out && { out }),
    ...activationOf(call),
  })
  return call.tensor(x.type, flat(y, x.shape), layout)
}

/**
 * By the mean and variance of the batch itself, and the running ones that follow: old * momentum + the
 * batch's * (1 - momentum).
 */
function batchStatistics(
  call: Call,
  x: Value,
  scale: Tensor,
  offset: Tensor,
  average: Tensor,
  variance: Tensor,
  epsilon: number,
): Value[] {
  const momentum = call.number('momentum', 0.9)
  const pixels = x.tensor(x.shape.length > 1 ? 'last' : 'plain')
  const c = x.shape[1] ?? 1
  const channels = pixels.reshape([pixels.size / c, c])
  const now = mean(channels, { axes: 0 })
  const centred = sub(channels, now)
  const spread = mean(mul(centred, centred), { axes: 0 })
  const running = (old: Tensor, next: Tensor) =>
    call.tensor(x.type, add(mul(old, momentum), mul(next, 1 - momentum)))
  const y = batchNorm(x.shape.length > 1 ? pixels : channels, {
    mean: now,
    variance: spread,
    scale,
    offset,
    epsilon,
  })
  return [
    call.tensor(x.type, x.shape.length > 1 ? y : y.reshape(x.shape), x.shape.length > 1 ? 'last' : 'plain'),
    running(average, now),
    running(variance, spread),
  ]
}

/** Over the places of each image and channel. */
const instanceNormalization: Operator = (call) => {
  const [x, scale, offset] = [call.input(0), call.input(1), call.input(2)]
  const layout = standsAsPlanes(x) ? 'plain' : 'last'
  const normalise = layout === 'plain' ? planesNormalised.bind(undefined, 'instanceNorm') : instanceNorm
  const y = normalise(x.tensor(layout), {
    scale: scale.tensor(),
    offset: offset.tensor(),
    epsilon: call.number('epsilon', 1e-5),
    ...activationOf(call),
  })
  return call.tensor(x.type, y, layout)
}

const groupNormalization: Operator = (call) => {
  const [x, scale, offset] = [call.input(0), call.input(1), call.input(2)]
  const groups = call.number('num_groups', 1)
  const c = x.shape[1]!
  // Up to opset 20 scale and offset were given for groups.
  const each = (value: Value) => {
    if (value.size === c) return value.tensor()
    const axes = [{ length: groups, axis: 0 }, { length: c / groups }]
    return value.form(`${c} channels`, () => moveBox(call, value, axes).tensor().reshape([c]))
  }
  const y = groupNorm(x.tensor('last'), {
    groups,
    scale: each(scale),
    offset: each(offset),
    epsilon: call.number('epsilon', 1e-5),
    ...activationOf(call),
  })
  return call.tensor(x.type, y, 'last')
}

/** Over `axis` and all behind it, with a mean (LayerNormalization) or without (RMSNormalization). */
const layerNormalization: Operator = (call) => {
  // What `fuse` joins may have no scale.
  const [x, scale, offset] = [call.input(0), call.inputs[1], call.inputs[2]]
  const axis = call.ownAxis(x.shape.length, -1)
  const epsilon = call.number('epsilon', 1e-5)
  const centred = call.node.op === 'LayerNormalization'
  const rows = x.shape.slice(axis)
  const fits = [scale, offset].every((value) => !value || sameShape(value.shape, rows))
  if (fits && !call.node.outputs[1] && !call.node.outputs[2]) {
    const options = { axis, ...(scale && { scale: scale.tensor() }), epsilon }
    const y = centred
      ? layerNorm(x.tensor(), { ...options, ...(offset && { offset: offset.tensor() }) })
      : rmsNorm(x.tensor(), options)
    return call.tensor(x.type, y)
  }
  // Scales that are broadcast, and the statistics as further outputs.
  const axes = x.shape.map((_, i) => i).slice(axis)
  const { y, average, inverse } = normalized(x.tensor(), axes, epsilon, centred)
  const scaled = scale ? mul(y, scale.tensor()) : y
  return [
    call.tensor(x.type, offset ? add(scaled, offset.tensor()) : scaled),
    average && call.tensor(x.type, average),
    average && call.tensor(x.type, inverse),
  ]
}

/** x / (sum of |x|^p)^(1/p) along one axis; zeros alone stay zeros. */
const lpNormalization: Operator = (call) => {
  const x = call.input(0)
  if (!x.size) return call.zeros(x.type, x.shape)
  const axis = axisIn(x, call.ownAxis(x.shape.length, -1))
  const p = call.number('p', 2)
  return mapInEngine(call, x, (t) => {
    const { scaled } = byLargest(t, [axis])
    const norm = power(sum(power(abs(scaled), p), { axes: axis, keepDims: true }), 1 / p)
    return where(notEqual(norm, 0), div(scaled, norm), 0)
  })
}

/**
 * x / (bias + alpha / size * sum of squares over `size` channels around)^beta. The sum is that of a window
 * over the channels: an average pool over a picture whose rows are channels, and its channels all places.
 */
const lrn: Operator = (call) => {
  const x = call.input(0)
  if (!x.size) return call.zeros(x.type, x.shape)
  const size = call.number('size', 1)
  const [alpha, beta, bias] = [call.number('alpha', 1e-4), call.number('beta', 0.75), call.number('bias', 1)]
  const tensor = x.tensor()
  const [n, c] = x.shape as [number, number]
  const before = (size - 1) >> 1
  const squares = mul(tensor, tensor)
  const sums = avgPool2d(squares.reshape([n, c, 1, x.size / (n * c)]), {
    size: [size, 1],
    stride: 1,
    padding: [
      [before, size - 1 - before],
      [0, 0],
    ],
    countIncludePad: true,
  })
  const base = power(add(mul(sums, alpha, { out: sums }), bias, { out: sums }), beta, { out: sums })
  return call.tensor(x.type, div(tensor, base.reshape(tensor.shape)))
}

const meanVariance: Operator = (call) => {
  const x = call.input(0)
  if (!x.size) return call.zeros(x.type, x.shape)
  const axes = call.axes(call.numbers('axes', [0, 2, 3]), x.shape.length)
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
