/** Layouts of a value's numbers in the engine. */
import { check } from '../../base/errors.js'
import { printShape, type Shape, sizeOf, stridesOf } from '../../base/shape.js'
import type { AnyTensor } from '../../core/tensor.js'
import { copy } from '../../plans/copy.js'

/**
 * `'plain'`: row-major as the file says. `'last'`: with axis 1, the channels, moved to the end, as the
 * engine's convolutions want it.
 */
export type Layout = 'plain' | 'last'

/** Axes of a tensor of a model, at most: what is done with them may cost their square. */
export const MOST_AXES = 256

/** A list of values, a map (which holds its keys and its values), or an optional one without its element. */
export type Kind = 'sequence' | 'map' | 'none'

export const LAYOUTS = ['plain', 'last'] as const

/** Distance in elements between neighbours along each of the file's axes. */
export function stridesIn(layout: Layout, shape: Shape): number[] {
  if (layout === 'plain') return stridesOf(shape)
  const [n, ...spatial] = stridesOf(lastShape(shape))
  return [n!, 1, ...spatial.slice(0, -1)]
}

/** The shape of the engine's tensor for a value in layout `'last'`: [n, c, h, w] -> [n, h, w, c]. */
export const lastShape = (shape: Shape): number[] => [shape[0]!, ...shape.slice(2), shape[1]!]

/** Where the file's axis stands in layout `'last'`. */
export const lastAxis = (axis: number, rank: number): number =>
  axis === 0 ? 0 : axis === 1 ? rank - 1 : axis - 1

/** Whether both layouts are the same bytes: one channel, or one place. */
export const isBoth = (shape: Shape): boolean =>
  shape.length < 3 || shape[1] === 1 || sizeOf(shape.slice(2)) === 1

/** A form of a value of `shape` in another layout. */
export function moved(
  x: AnyTensor,
  from: Layout,
  to: Layout,
  shape: Shape,
  wanted: Shape = to === 'plain' ? shape : lastShape(shape),
): AnyTensor {
  if (isBoth(shape)) return x.reshape(wanted)
  const [xStrides, yStrides] = [stridesIn(from, shape), stridesIn(to, shape)]
  // In the order of the result's memory, so that neighbours are found next to each other.
  const axes = shape
    .map((length, i) => ({ length, from: xStrides[i]!, to: yStrides[i]! }))
    .sort((a, b) => b.to - a.to)
  return x.engine.make(wanted, (y) => copy(x.engine, x.pointer, y.pointer, axes, x.dtype), {
    dtype: x.dtype,
  })
}

/** Throws unless so many numbers have this shape: lengths that a file makes up need not be any. */
export function checkSize(size: number, shape: Shape): void {
  check(shape.length <= MOST_AXES, () => ({
    op: 'model',
    argument: 'shape',
    expected: `of at most ${MOST_AXES} axes`,
    got: `${shape.length}`,
  }))
  const isShape = shape.every((length) => Number.isInteger(length) && length >= 0) && sizeOf(shape) === size
  check(isShape, () => ({
    op: 'model',
    argument: 'shape',
    expected: `one of ${size} elements`,
    got: printShape(shape),
  }))
}
