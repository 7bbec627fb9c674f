/**
 * Operators that write out what each place sees, a column for each, or add columns back together: DeformConv,
 * Col2Im.
 */

import { printShape, sameShape, sizeOf } from '../../base/shape.js'
import { add, mul } from '../../ops/arithmetic.js'
import { conv2d } from '../../ops/conv/conv.js'
import { transpose } from '../../ops/transpose.js'
import { runColumns } from '../../plans/pool.js'
import { runPoints } from '../../plans/regions.js'
import type { Operator } from '../run/call.js'
import { indexesOf } from '../run/move.js'
import type { Value } from '../run/value.js'
import { deepAxes, pooledLengths, type Sides, sidesOf, withoutTaps } from './window.js'

/**
 * A convolution whose taps are moved by `offset` [n, offset groups * taps * (y, x), oh, ow] and weighed by a
 * mask [n, offset groups * taps, oh, ow]: what each tap of each place sees, read between the elements of x,
 * under a window of one row that is all taps wide. (Dai et al., "Deformable Convolutional Networks", 2017.)
 */
const deformConv: Operator = (call) => {
  const [x, w, offset] = [call.input(0), call.input(1), call.input(2)]
  const [bias, mask] = [call.inputs[3], call.inputs[4]]
  if (x.shape.length !== 4) call.fail('x', '[n, channels, height, width]', x.shape)
  const [n, c, h, width] = x.shape as [number, number, number, number]
  const sides = sidesOf(call, [h, width], w.shape.slice(2))
  const [groups, offsetGroups] = [call.number('group', 1), call.number('offset_group', 1)]
  const taps = sizeOf(sides.size)
  const [oh, ow] = pooledLengths(sides, [h, width], false) as [number, number]
  const expectShape = (value: Value | undefined, name: string, axes: number) => {
    const expected = [n, offsetGroups * taps * axes, oh, ow]
    if (value && !sameShape(value.shape, expected)) call.fail(name, printShape(expected), value.shape)
  }
  expectShape(offset, 'offset', 2)
  expectShape(mask, 'mask', 1)
  if (c % offsetGroups || c !== w.shape[1]! * groups)
    call.fail('W', `[out, ${c / groups}, ...] for ${groups} groups`, w.shape)
  const [places, shared, each] = [oh * ow, c / offsetGroups, c / groups]
  // A window finds no element of an image without any; sums over nothing are the bias.
  if (n * h * width * c * places * taps === 0) return withoutTaps(call, x, [n, w.shape[0]!, oh, ow], bias)
  const spots = call.tables('spots', [places, taps, 2], [], () => [spotsOf(sides, oh, ow)])[0]!.tensor()
  const images = n * offsetGroups
  const moved = transpose(offset.tensor().reshape([images, taps, 2, places]), [0, 3, 1, 2])
  const points = add(moved, spots, { out: moved }).reshape([images, places * taps, 2])
  const pixels = x.tensor('last').reshape([n, h, width, offsetGroups, shared])
  const parts = transpose(pixels, [0, 3, 1, 2, 4]).reshape([images, h, width, shared])
  let seen = call.engine.empty([images, places, taps, shared])
  runPoints(parts, points, seen)
  if (mask) {
    const weights = transpose(mask.tensor().reshape([images, taps, places, 1]), [0, 2, 1, 3])
    seen = mul(seen, weights, { out: seen })
  }
  const split = seen.reshape([n, offsetGroups, places, taps, shared])
  const columns = transpose(split, [0, 2, 3, 1, 4]).reshape([n, places, taps, c])
  const y = w.packed([1, taps, each, w.shape[0]!], [0, 1, taps, each * taps], (filter) =>
    conv2d(columns, filter, { groups, bias: bias?.tensor() }),
  )
  return call.tensor(x.type, y.reshape([n, oh, ow, w.shape[0]!]), 'last')
}

/** Where the taps of each place stand, (y, x) each, unless they are moved. */
function spotsOf({ size, stride, dilation, before }: Sides, oh: number, ow: number): Float32Array {
  const spots = new Float32Array(oh * ow * sizeOf(size) * 2)
  let i = 0
  for (const [py, px, ty, tx] of indexesOf([oh, ow, ...size])) {
    spots[i++] = py! * stride[0]! - before[0]! + ty! * dilation[0]!
    spots[i++] = px! * stride[1]! - before[1]! + tx! * dilation[1]!
  }
  return spots
}

/** x [n, c * taps, places]: every place's column added to what it was seen in, tap by tap. */
const col2Im: Operator = (call) => {
  const x = call.input(0)
  const [image, block] = [call.input(1).numbers, call.input(2).numbers]
  const sides = sidesOf(call, image, block)
  const output = pooledLengths(sides, image, false)
  const [n, all] = x.shape as [number, number]
  const c = all / sizeOf(block)
  if (!Number.isInteger(c) || x.shape[2] !== sizeOf(output))
    call.fail('x', `[n, a multiple of ${sizeOf(block)}, ${sizeOf(output)}]`, x.shape)
  if (image.length > 3) call.fail('image_shape', 'of one to three lengths', image)
  const shape = [n, c, ...image]
  if (sizeOf(shape) * x.size === 0) return call.zeros(x.type, shape)
  const y = call.engine.empty([n * c, sizeOf(image)])
  runColumns(x.tensor(), y, deepAxes(sides, image, output))
  return call.tensor(x.type, y.reshape(shape))
}

export const columns: Record<string, Operator> = { DeformConv: deformConv, Col2Im: col2Im }
