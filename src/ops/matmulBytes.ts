/**
 * Matrix products of 8-bit integers, exact in sums of 32 bits: the 1x1 case of the dense product of
 * bytes.
 */

import { sizeOf, stridesOf } from '../base/shape.js'
import type { AnyTensor } from '../core/tensor.js'
import type { Axis, Context } from '../core/window.js'
import { filterPanels, productOf } from '../plans/igemm.js'
import { runProduct8 } from '../plans/int8.js'
import { byteOp, makeBytes, makeSums } from './bytes.js'

const POINT: Axis = { input: 1, output: 1, size: 1, stride: 1, dilation: 1, before: 0, after: 0 }

type Options = Parameters<typeof byteOp>[1] & {
  /** Their sums, as int32. */
  sums?: boolean
}

/**
 * Every matrix of `a` by that of `b`, by their indexes in `matrices`; where b is one, all rows of `a` are one
 * matrix.
 */
export function multiplyBytes(
  a: AnyTensor,
  b: AnyTensor,
  shape: readonly number[],
  matrices: readonly (readonly [a: number, b: number])[],
  { name, ...options }: Options & { name: string },
  context: Context,
): AnyTensor {
  const { engine } = a
  const axis = b.shape.length - 1
  const given = byteOp({ x: a, filter: b, name, axis }, options, shape, context)
  const [depth, columns] = b.shape.slice(-2) as [number, number]
  const [, , row, column] = b.strides ? [0, 0, ...b.strides] : stridesOf([1, 1, depth, columns])
  const rows = sizeOf(shape) / Math.max(1, columns) / matrices.length
  const strides = [0, 0, row!, column!]
  const filter = { engine, storage: b.storage, shape: [1, 1, depth, columns], strides }
  const layer = { n: rows, axes: [POINT, POINT] as const, inChannels: depth, outChannels: columns, groups: 1 }
  const run: Parameters<typeof makeBytes>[1] = (y, { terms, bias, clamp }) => {
    const bytes = terms.y ? 1 : 4
    for (const [i, [ofA, ofB]] of matrices.entries()) {
      const at = {
        x: a.pointer + ofA * rows * depth,
        w: 0,
        b: bias,
        y: y + i * rows * columns * bytes,
        clamp,
      }
      const job = { engine, layer, filter, terms, x: at.x, bias, y: at.y, clamp }
      runProduct8(job, productOf(layer, at), { ...filterPanels(filter, 1), offset: ofB * depth * columns })
    }
  }
  const y = options.sums ? makeSums(given, run) : makeBytes(given, run)
  engine.tape?.record(context.op, y, { a, b }, {}, () => ({}))
  return y
}
