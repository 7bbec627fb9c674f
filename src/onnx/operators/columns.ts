/**
 * Operators that write out what each place sees, a column for each, or add columns back together: DeformConv,
 * Col2Im.
 */

import { sizeOf, stridesOf } from '../../base/shape.js'
import { conv2d } from '../../ops/conv/conv.js'
import type { Operator } from '../run/call.js'
import { indexesOf } from '../run/move.js'
import { pooledLengths, sidesOf } from './window.js'

/**
 * A convolution whose taps are moved by `offset` [n, offset groups * taps * (y, x), oh, ow] and weighed by a
 * mask [n, offset groups * taps, oh, ow]: columns that the host reads between the elements of x, times the
 * filter in the engine. (Dai et al., "Deformable Convolutional Networks", 2017.)
 */
const deformConv: Operator = (call) => {
  const [x, w, offset, bias, mask] = [
    call.input(0),
    call.input(1),
    call.input(2),
    call.inputs[3],
    call.inputs[4],
  ]
  if (x.shape.length !== 4) call.fail('x', '[n, channels, height, width]', x.shape)
  const [n, c, h, width] = x.shape as [number, number, number, number]
  const { size, stride, dilation, before } = sidesOf(call, [h, width], w.shape.slice(2))
  const [oh, ow] = offset.shape.slice(2) as [number, number]
  const groups = call.number('group', 1)
  const offsetGroups = call.number('offset_group', 1)
  const [taps, places, each, shared] = [sizeOf(size), oh * ow, c / groups, c / offsetGroups]
  if (offset.shape[1] !== offsetGroups * taps * 2)
    call.fail('offset', `of ${offsetGroups * taps * 2} channels`, offset.shape)
  const [from, moved, weight] = [
    x.data as Float64Array,
    offset.data as Float64Array,
    mask?.data as Float64Array | undefined,
  ]
  const columns = call.host('float32', [n, oh, ow, c * taps], (to) => {
    for (const [image, part, tap, py, px] of indexesOf([n, offsetGroups, taps, oh, ow]) as Iterable<
      [number, number, number, number, number]
    >) {
      const at = py * ow + px
      const row = (image * offsetGroups + part) * taps + tap
      const y =
        py * stride[0]! -
        before[0]! +
        Math.floor(tap / size[1]!) * dilation[0]! +
        moved[row * 2 * places + at]!
      const left =
        px * stride[1]! - before[1]! + (tap % size[1]!) * dilation[1]! + moved[(row * 2 + 1) * places + at]!
      const m = weight ? weight[row * places + at]! : 1
      for (const [cornerY, cornerX] of CORNERS) {
        const [iy, ix] = [Math.floor(y) + cornerY, Math.floor(left) + cornerX]
        if (iy < 0 || iy >= h || ix < 0 || ix >= width) continue
        const share = m * (1 - Math.abs(y - iy)) * (1 - Math.abs(left - ix))
        for (let channel = part * shared; channel < (part + 1) * shared; channel++) {
          to[((image * places + at) * c + channel) * taps + tap]! +=
            share * from[((image * c + channel) * h + iy) * width + ix]!
        }
      }
    }
  })
  const depth = taps * each
  const y = w.packed([1, 1, depth, w.shape[0]!], [0, 0, 1, depth], (filter) =>
    conv2d(columns.tensor(), filter, { groups, bias: bias?.tensor() }),
  )
  return call.tensor(x.type, y, 'last')
}

/** The four elements around a point. */
const CORNERS = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const

/** x [n, c * taps, places]: every place's column added to what it was seen in. */
const col2Im: Operator = (call) => {
  const x = call.input(0)
  const [image, block] = [call.input(1).numbers, call.input(2).numbers]
  const sides = sidesOf(call, image, block)
  const { stride, dilation, before } = sides
  const output = pooledLengths(sides, image, false)
  const [n, all] = x.shape as [number, number]
  const c = all / sizeOf(block)
  if (!Number.isInteger(c) || x.shape[2] !== sizeOf(output))
    call.fail('x', `[n, a multiple of ${sizeOf(block)}, ${sizeOf(output)}]`, x.shape)
  const strides = stridesOf(image)
  const from = x.data as Float64Array
  const rank = image.length
  return call.host(x.type, [n, c, ...image], (to) => {
    let i = 0
    for (const index of indexesOf([n * c, ...block, ...output])) {
      const value = from[i++]!
      let at = index[0]! * sizeOf(image)
      let inside = true
      for (let axis = 0; axis < rank; axis++) {
        const place =
          index[rank + 1 + axis]! * stride[axis]! - before[axis]! + index[axis + 1]! * dilation[axis]!
        inside &&= place >= 0 && place < image[axis]!
        at += place * strides[axis]!
      }
      if (inside) to[at]! += value
    }
  })
}

export const columns: Record<string, Operator> = { DeformConv: deformConv, Col2Im: col2Im }
