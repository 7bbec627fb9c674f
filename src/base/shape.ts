/** Lengths of a tensor's axes, outermost first; the last axis is contiguous in memory. `[]` is a scalar. */
export type Shape = readonly number[]

export const printShape = (shape: Shape): string => `[${shape.join(', ')}]`

/** Number of elements. */
export const sizeOf = (shape: Shape): number => shape.reduce((size, length) => size * length, 1)

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((length, i) => length === b[i])

/** Distance in elements between neighbours along each axis of a contiguous tensor. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= shape[axis]!
  }
  return strides
}

/**
 * The common shape of two by NumPy's rule (align at the last axis; equal, or one of them 1), or undefined
 * where there is none.
 */
export function broadcastShapes(a: Shape, b: Shape): number[] | undefined {
  const rank = Math.max(a.length, b.length)
  const result = new Array<number>(rank)
  for (let i = 1; i <= rank; i++) {
    const p = a[a.length - i] ?? 1
    const q = b[b.length - i] ?? 1
    if (p !== q && p !== 1 && q !== 1) return undefined
    result[rank - i] = p === 1 ? q : p
  }
  return result
}

/** Strides of `part` seen as `shape` by broadcasting: 0 where it repeats. */
export function broadcastStrides(part: Shape, shape: Shape): number[] {
  const strides = stridesOf(part)
  const missing = shape.length - part.length
  return shape.map((_, axis) => (axis < missing || part[axis - missing] === 1 ? 0 : strides[axis - missing]!))
}
