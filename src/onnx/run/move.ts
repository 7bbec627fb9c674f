/**
 * Moving elements without changing them, on the host or in the engine, for values of every type and layout.
 * What most of the standard's shape operators are made of.
 */

import { type Shape, sizeOf } from '../../base/shape.js'
import { SLICE, type Steps } from '../../base/turns.js'
import { bytesPerElement, type DType } from '../../core/dtype.js'
import type { AnyTensor } from '../../core/tensor.js'
import { copy, copyLongs } from '../../plans/copy.js'
import { emptyWords, fillWords } from '../../plans/long.js'
import { dtypeOf } from '../file/types.js'
import type { Call } from './call.js'
import { areLong } from './long.js'
import { type Layout, lastShape, stridesIn, Value } from './value.js'

/** A box of a source, and where it goes: along axis i of the result, `length` elements from `to` on. */
export interface Part {
  source: Value
  /** For each axis of the result. */
  axes: readonly {
    length: number
    /** First index in the result. Default 0. */
    to?: number
    /** Axis of the source that it walks along; undefined: it stays, so that the source repeats. */
    axis?: number | undefined
    /** First index along that axis of the source, and how far to the next. Default 0 and 1. */
    from?: number
    step?: number
  }[]
}

/** Elements of a host's array as one box. */
interface Walk {
  length: number
  from: number
  to: number
}

/** Moves a box of few elements, an axis at a time. */
function walkFew(
  from: ArrayLike<unknown>,
  at: number,
  to: unknown[],
  start: number,
  walk: readonly Walk[],
  depth = 0,
): void {
  const axis = walk[depth]
  if (!axis) to[start] = from[at]
  else
    for (let i = 0; i < axis.length; i++)
      walkFew(from, at + i * axis.from, to, start + i * axis.to, walk, depth + 1)
}

/** Moves a box of elements, of which `walk` says how they stand, innermost axis last. */
function* walkHost(
  from: ArrayLike<unknown>,
  at: number,
  to: unknown[],
  start: number,
  walk: readonly Walk[],
): Steps<void> {
  const rows = walk.slice(0, -1)
  const { length, ...last } = walk.at(-1) ?? { length: 1, from: 0, to: 0 }
  const isRow = last.from === 1 && last.to === 1 && length > SHORT && ArrayBuffer.isView(from)
  const index = rows.map(() => 0)
  let looks = 0
  for (let row = sizeOf(rows.map(({ length }) => length)); row > 0; row--) {
    for (let begin = 0; begin < length; begin += SLICE) {
      const end = Math.min(length, begin + SLICE)
      if (isRow)
        (to as unknown as Float64Array).set(
          (from as Float64Array).subarray(at + begin, at + end),
          start + begin,
        )
      else for (let i = begin; i < end; i++) to[start + i * last.to] = from[at + i * last.from]
      looks += end - begin
      if (looks < SLICE) continue
      looks = 0
      yield
    }
    for (let axis = rows.length - 1; axis >= 0; axis--) {
      const { from, length, to } = rows[axis]!
      at += from
      start += to
      if (++index[axis]! < length) break
      at -= from * length
      start -= to * length
      index[axis] = 0
    }
  }
}

/** Elements side by side that are moved by a loop of their own. */
const SHORT = 8

/** Throws where a box is not in its source, or not in the result: nothing else keeps it there. */
function checkBox(call: Call, shape: Shape, { source, axes }: Part): void {
  const isIn = axes.every(({ axis, from = 0, length, step = 1, to = 0 }, i) => {
    const last = from + (length - 1) * step
    const own = axis === undefined ? Number.POSITIVE_INFINITY : source.shape[axis]!
    const isRead = axis === undefined || (Math.min(from, last) >= 0 && Math.max(from, last) < own)
    return Number.isInteger(length) && to >= 0 && to + length <= shape[i]! && (isRead || length === 0)
  })
  const isEmpty = axes.some(({ length }) => length === 0)
  if (!isIn && !isEmpty) call.fail('shape', `one whose elements are in ${source.shape}`, shape)
}

/** A box of a source as a value of its own. */
export function moveBox(call: Call, source: Value, axes: Part['axes'], options?: { layout: Layout }): Value {
  return move(
    call,
    axes.map(({ length }) => length),
    [{ source, axes }],
    options,
  )
}

/** The axes of a value in another order. */
export function permuted(call: Call, x: Value, order: readonly number[], layout: Layout = 'plain'): Value {
  return moveBox(
    call,
    x,
    order.map((axis) => ({ length: x.shape[axis]!, axis })),
    { layout },
  )
}

/**
 * A value of `shape` put together from parts; what no part covers is `fill`. In the engine it has the layout
 * of the first part's source where that makes sense for its rank, or `layout`.
 */
export function move(
  call: Call,
  shape: Shape,
  parts: readonly Part[],
  options: { fill?: number; layout?: Layout } = {},
): Value {
  const { type } = parts[0]!.source
  const other = parts.find(({ source }) => source.type !== type)
  if (other) call.fail('inputs', `of one type, ${type} as the first`, other.source.type)
  for (const part of parts) checkBox(call, shape, part)
  const covered =
    parts.reduce((sum, { axes }) => sum + axes.reduce((size, { length }) => size * length, 1), 0) ===
    sizeOf(shape)
  const walk = ({ source, axes }: Part, from: Layout, to: Layout) => {
    const sourceStrides = stridesIn(from, source.shape)
    const strides = stridesIn(to, shape)
    let first = 0
    let start = 0
    const box = axes.map((axis, i) => {
      const stride = axis.axis === undefined ? 0 : sourceStrides[axis.axis]!
      if (axis.axis !== undefined) first += (axis.from ?? 0) * stride
      start += (axis.to ?? 0) * strides[i]!
      return { length: axis.length, from: stride * (axis.step ?? 1), to: strides[i]! }
    })
    return { first, start, box }
  }

  if (areLong(parts.map(({ source }) => source))) {
    const words = emptyWords(call.engine, sizeOf(shape))
    const { pointer } = words
    if (!covered) fillWords(words, options.fill ?? 0)
    for (const part of parts) {
      const { first, start, box } = walk(part, 'plain', 'plain')
      box.sort((a, b) => b.to - a.to)
      copyLongs(call.engine, part.source.words.pointer + first * 8, pointer + start * 8, box)
    }
    return Value.ofWords(call.run, type, shape, words)
  }
  if (parts.every(({ source }) => source.isHost)) {
    const constant = parts.every(({ source }) => source.constant)
    const fill = (data: Float64Array) => {
      if (!covered && type !== 'string') data.fill(options.fill ?? 0)
      return data as unknown as unknown[]
    }
    const few = (data: Float64Array) => {
      const to = fill(data)
      for (const part of parts) {
        const { first, start, box } = walk(part, 'plain', 'plain')
        walkFew(part.source.data, first, to, start, box)
      }
    }
    const many = function* (data: Float64Array): Steps<void> {
      const to = fill(data)
      for (const part of parts) {
        const { first, start, box } = walk(part, 'plain', 'plain')
        yield* part.source.settled()
        yield* walkHost(part.source.data, first, to, start, box)
      }
    }
    const value = call.written(type, shape, constant, sizeOf(shape) <= SHORT ** 2 ? few : many)
    return constant ? call.kept(value) : value
  }

  const rank = shape.length
  const layout =
    options.layout ??
    (rank > 2 && parts.every(({ source }) => source.shape.length === rank && source.has('last'))
      ? 'last'
      : 'plain')
  const layoutOf = (source: Value): Layout => (source.has(layout) ? layout : source.layout)
  const only = parts.length === 1 && covered ? parts[0]! : undefined
  if (only && only.source.size === sizeOf(shape)) {
    // All of one source: where nothing moves in memory, nothing is copied.
    const from = layoutOf(only.source)
    const { first, box } = walk(only, from, layout)
    if (first === 0 && box.every(({ length, from, to }) => length === 1 || from === to)) {
      const tensor = only.source.asHeld(from)
      return Value.inEngine(
        call.run,
        type,
        shape,
        tensor.reshape(layout === 'plain' ? shape : lastShape(shape)),
        layout,
      )
    }
  }
  // As float32 where one of them stands so, whatever the type: nothing is lost by that.
  const dtype = parts.some(({ source }) => source.holdsFloats) ? 'float32' : dtypeOf(type)
  const bytes = bytesPerElement(dtype)
  const write = (y: AnyTensor) => {
    if (!covered)
      copy(call.engine, { value: options.fill ?? 0 }, y.pointer, [{ length: y.size, from: 0, to: 1 }], dtype)
    for (const part of parts) {
      const from = layoutOf(part.source)
      const { first, start, box } = walk(part, from, layout)
      const source = part.source.as(dtype, from)
      box.sort((a, b) => b.to - a.to)
      copy(call.engine, source.pointer + first * bytes, y.pointer + start * bytes, box, dtype)
    }
  }
  const y = call.engine.make<DType>(layout === 'plain' ? shape : lastShape(shape), write, { dtype })
  return Value.inEngine(call.run, type, shape, y, layout)
}

/** The whole of a source along axis i, as a part of a result of the same rank. */
export const whole = (shape: Shape): { length: number; axis: number }[] =>
  shape.map((length, axis) => ({ length, axis }))

/** The axes of a source that is repeated to `shape`, which it broadcasts to. */
export function spreadOf(source: Shape, shape: Shape): { length: number; axis?: number }[] {
  const missing = shape.length - source.length
  return shape.map((length, i) =>
    i < missing || source[i - missing] !== length ? { length } : { length, axis: i - missing },
  )
}

/** The numbers of a value as float64, so that loops see numbers of one type. Not to be written. */
export const wide = ({ data }: Value): Float64Array =>
  data instanceof Float64Array ? data : new Float64Array(data as Float32Array)

/** Indexes that are gone through between two looks at the clock. */
export const FEW = 1 << 11

/** For each flat index of `shape`, in order, the index along each axis. The array is reused. */
export function* indexesOf(shape: Shape): Generator<readonly number[]> {
  const index = shape.map(() => 0)
  for (let i = sizeOf(shape); i > 0; i--) {
    yield index
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break
      index[axis] = 0
    }
  }
}

/** Where in a row-major array of `shape` the element at `index` stands. */
export const offsetOf = (index: readonly number[], strides: readonly number[]): number =>
  index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0)

/** Where the elements of `shape`, in order, stand in an array with these strides. */
export function offsetsOf(shape: Shape, strides: readonly number[]): Int32Array {
  const offsets = new Int32Array(sizeOf(shape))
  let size = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    for (let i = size; i < size * shape[axis]!; i++) offsets[i] = offsets[i - size]! + strides[axis]!
    size *= shape[axis]!
  }
  return offsets
}
