/** Axes in another order than here, as in files of others. */
import { type Shape, stridesOf } from '../base/shape.js'
import type { ArrayOf, DType } from '../core/dtype.js'

/** For each axis there, which axis here it is. */
export type Order = readonly number[]

export const along = (order: Order, shape: Shape): Shape => order.map((axis) => shape[axis]!)

/** Numbers with their axes in another order. */
export function reordered<T extends ArrayOf<DType>>(numbers: T, shape: Shape, order: Order): T {
  const from = stridesOf(shape)
  const lengths = along(order, shape)
  const steps = order.map((axis) => from[axis]!)
  const result = numbers.slice() as T
  const index = lengths.map(() => 0)
  let at = 0
  for (let i = 0; i < result.length; i++) {
    result[i] = numbers[at]!
    for (let axis = lengths.length - 1; axis >= 0; axis--) {
      at += steps[axis]!
      if (++index[axis]! < lengths[axis]!) break
      at -= steps[axis]! * lengths[axis]!
      index[axis] = 0
    }
  }
  return result
}
