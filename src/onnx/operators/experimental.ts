/**
 * Experimental operators that were taken out of the standard, and that published style-transfer models still
 * use.
 */
import { softplus, tanh } from '../../ops/activation.js'
import { add, mul } from '../../ops/arithmetic.js'
import type { Operator } from '../run/call.js'
import { moveBox, whole } from '../run/move.js'
import { mapInEngine } from './broadcast.js'

/** x * scale + bias[channel]. */
const imageScaler: Operator = (call) => {
  const x = call.input(0)
  const channels = x.shape[1]!
  const given = call.asMany('bias', Array(channels).fill(0))
  if (given.length < channels) call.fail('bias', `a number for each of ${channels} channels`, given)
  const bias = given.slice(0, channels)
  const y = mul(x.tensor('last'), call.number('scale', 1))
  return call.tensor(
    x.type,
    add(y, call.tables('bias', [bias.length], [], () => [bias])[0]!.tensor(), { out: y }),
    'last',
  )
}

/**
 * Borders [left, top, right, bottom] taken away, or a box of `scale` [height, width] from the left and top.
 */
const crop: Operator = (call) => {
  const x = call.input(0)
  const [left, top, right, bottom] = call.asMany('border', [0, 0, 0, 0]) as [number, number, number, number]
  const [h, w] = x.shape.slice(2) as [number, number]
  const [oh, ow] = call.asMany('scale', [h - top - bottom, w - left - right]) as [number, number]
  const [n, c] = whole(x.shape) as [{ length: number; axis: number }, { length: number; axis: number }]
  const axes = [n, c, { length: oh, axis: 2, from: top }, { length: ow, axis: 3, from: left }]
  return moveBox(call, x, axes)
}

/** alpha * x + beta. */
const affine: Operator = (call) =>
  mapInEngine(call, call.input(0), (x) => add(mul(x, call.number('alpha', 1)), call.number('beta', 0)))

/** alpha * tanh(beta * x). */
const scaledTanh: Operator = (call) =>
  mapInEngine(call, call.input(0), (x) => mul(tanh(mul(x, call.number('beta', 1))), call.number('alpha', 1)))

/** alpha * log(exp(beta * x) + 1). */
const parametricSoftplus: Operator = (call) =>
  mapInEngine(call, call.input(0), (x) =>
    mul(softplus(mul(x, call.number('beta', 1))), call.number('alpha', 1)),
  )

export const experimental: Record<string, Operator> = {
  ImageScaler: imageScaler,
  Crop: crop,
  Affine: affine,
  ScaledTanh: scaledTanh,
  ParametricSoftplus: parametricSoftplus,
}
