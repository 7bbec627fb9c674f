/** Parts of a tensor by indices along several axes: the plan of assembly/places.ts. */

import { check, FilterbankError, show } from '../base/errors.js'
import { type Shape, sameShape, sizeOf, stridesOf } from '../base/shape.js'
import { ANY, bytesPerElement, type DType, NUMBERS } from '../core/dtype.js'
import { checkType, engineOf } from '../core/engine.js'
import { checkInteger, checkOptions, isName, type Names } from '../core/options.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { copy } from '../plans/copy.js'
import { ScatterOp } from '../wasm/abi.js'
import { REDUCTIONS, type Reduction, reductions } from './elements.js'
import { takeRows } from './gather.js'
import { checkSameType } from './operands.js'

/** What `gatherND` takes beside x and the indices. */
export interface GatherNDOptions {
  /** So many axes in front are the same of x and of the indices, and gone along together. Default 0. */
  batchAxes?: number
}

/** What `scatterND` takes beside x, the indices and the updates. */
export interface ScatterNDOptions {
  /**
   * `'none'`: the updates stand in the place of what was there, of several to one place the last; `'add'`,
   * `'mul'`, `'max'`, `'min'`: they are combined with it, one after the other. Default `'none'`.
   */
  reduction?: 'none' | 'add' | 'mul' | 'max' | 'min'
}

const GATHER_ND: Names<GatherNDOptions> = { batchAxes: true }
const SCATTER_ND: Names<ScatterNDOptions> = { reduction: true }

/**
 * Parts of x by indices along its first axes: y[i, j] = x[indices[i, j, 0], indices[i, j, 1], ...], which are
 * elements, rows or larger, by how many indices there are. Definition: ONNX GatherND; TensorFlow gather_nd.
 *
 * @param x of any type without a quantization of its own along an axis, of rank 1 or more
 * @param indices int32 [..., depth]: along as many axes of x; negative ones count from the end
 * @param options batchAxes 0
 * @returns [...shape of indices without the last axis, ...shape of x behind the axes that are indexed]
 * @throws FilterbankError for an index outside of its axis, more indices than x has axes, or batches of other
 *   lengths
 * @example const corners = gatherND(grid, engine.tensor([0, 0, -1, -1], [2, 2], { dtype: 'int32' }))
 */
export function gatherND<D extends DType>(
  x: Tensor<D>,
  indices: Tensor<'int32'>,
  options: GatherNDOptions = {},
): Tensor<D> {
  const op = 'gatherND'
  checkOptions(op, options, GATHER_ND)
  const engine = engineOf(op, { x, indices }, {}, ANY)
  const context = { op, shapes: { x: x.shape, indices: indices.shape } }
  const { batchAxes = 0 } = options
  checkIndices(x, indices, batchAxes, context)
  return engine.scope(() => {
    const places = placesOf(indices, x.shape, batchAxes, context)
    const y = takeAt(x, places, batchAxes + indices.shape.at(-1)!, indices.shape)
    engine.trace?.note(op, y, { x, indices }, { batchAxes })
    engine.tape?.record(op, y, { x }, { places }, (dy, kept) => ({
      x: () => {
        const dx = engine.cleared(x.shape)
        bring(dx, kept.places as Tensor<'int32'>, dy, ScatterOp.add)
        return dx
      },
    }))
    return y
  })
}

/**
 * A tensor with parts brought to places by indices along its first axes: y = x, but y[indices[i]] =
 * updates[i]. What `gatherND` takes out, this puts in. Definition: ONNX ScatterND.
 *
 * @param x of any type, of rank 1 or more; it stays as it is
 * @param indices int32 [..., depth]: along as many axes of x; negative ones count from the end
 * @param updates of x's type and the shape that gatherND(x, indices) has
 * @param options reduction 'none', or one for float32 and int32 (which wraps); 'mul', 'max' and 'min' have no
 *   derivative
 * @returns x's shape
 * @throws FilterbankError for an index outside of its axis, more indices than x has axes, or updates of
 *   another shape or type
 * @example const filled = scatterND(board, moves, stones)
 */
export function scatterND<D extends DType>(
  x: Tensor<D>,
  indices: Tensor<'int32'>,
  updates: Tensor<D>,
  options: ScatterNDOptions = {},
): Tensor<D> {
  const op = 'scatterND'
  checkOptions(op, options, SCATTER_ND)
  const engine = engineOf(op, { x, indices, updates }, {}, ANY)
  const context = { op, shapes: { x: x.shape, indices: indices.shape, updates: updates.shape } }
  const { reduction = 'none' } = options
  check(isName(reduction, reductions), () => ({
    ...context,
    argument: 'reduction',
    expected: REDUCTIONS,
    got: show(reduction),
  }))
  checkIndices(x, indices, 0, context)
  const depth = indices.shape.at(-1)!
  const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(depth)]
  check(sameShape(updates.shape, shape), () => ({
    ...context,
    argument: 'updates',
    expected: show(shape),
    got: show(updates.shape),
  }))
  checkSameType(op, 'updates', updates, x.dtype)
  if (reduction !== 'none') checkType(op, 'x', x, NUMBERS)
  return engine.scope(() => {
    const places = placesOf(indices, x.shape, 0, context)
    const y = putAt(x, places, updates, reduction)
    engine.trace?.note(op, y, { x, indices, updates }, { reduction })
    engine.tape?.record(op, y, { x, updates }, { places }, (dy, kept) => {
      if (reduction !== 'none' && reduction !== 'add') return {}
      const at = kept.places as Tensor<'int32'>
      return {
        x: () => (reduction === 'add' ? dy : engine.scope(() => putAt(dy, at, engine.zeros(shape), 'none'))),
        // Of several that are put to one place the last alone is seen.
        updates: () => takeAt(dy, at, depth, indices.shape),
      }
    })
    return y
  })
}

function checkIndices(x: AnyTensor, indices: AnyTensor, batchAxes: number, context: Context): void {
  checkType(context.op, 'indices', indices, ['int32'])
  checkInteger(
    batchAxes,
    'batchAxes',
    0,
    Math.max(0, Math.min(x.shape.length, indices.shape.length) - 1),
    context,
  )
  const depth = indices.shape.at(-1) ?? 0
  check(depth > 0 && batchAxes + depth <= x.shape.length, () => ({
    ...context,
    argument: 'indices',
    expected: `[..., depth], with a depth from 1 to ${x.shape.length - batchAxes}`,
    got: show(indices.shape),
  }))
  check(sameShape(x.shape.slice(0, batchAxes), indices.shape.slice(0, batchAxes)), () => ({
    ...context,
    argument: 'indices',
    expected: `${show(x.shape.slice(0, batchAxes))} in front, as x`,
    got: show(indices.shape),
  }))
  check(x.quantization?.axis === undefined, () => ({
    ...context,
    argument: 'x',
    expected: 'of one quantization, or of none',
    got: 'one along an axis',
  }))
}

/**
 * The places of rows of x behind the axes that are indexed, one for each row of the indices. With a context
 * it throws where an index is outside of its axis; without one, in a recording, the fault word tells.
 */
export function placesOf(
  indices: Tensor<'int32'>,
  shape: Shape,
  batchAxes: number,
  context?: Context,
): Tensor<'int32'> {
  const { engine } = indices
  const depth = indices.shape.at(-1)!
  const rows = sizeOf(indices.shape.slice(0, -1))
  const indexed = shape.slice(batchAxes, batchAxes + depth)
  const strides = stridesOf(indexed)
  // 64 units are enough for every core.
  const unit = Math.max(1, Math.ceil(rows / 64))
  const write = (y: Tensor<'int32'>) =>
    engine.run({
      kernel: 'places',
      args: {
        indices: indices.pointer,
        y: y.pointer,
        rows,
        depth,
        batchRows: Math.max(1, sizeOf(indices.shape.slice(batchAxes, -1))),
        batchStep: batchAxes ? sizeOf(indexed) : 0,
        unit,
        fault: engine.fault,
        axes: indexed.map((length, i) => ({ length, stride: strides[i]! })),
      },
      units: Math.ceil(rows / unit),
      work: rows * depth * PLACE_WORK,
    })
  const places = engine.make([rows], write, { dtype: 'int32' })
  const fault = context && engine.takeFault()
  if (fault) {
    places.dispose()
    throw new FilterbankError({
      ...context,
      argument: 'indices',
      expected: outsideWords(fault.length),
      got: show(fault.index),
    })
  }
  return places
}

/** What an index along an axis may be. */
export const outsideWords = (length: number): string =>
  length ? `from ${-length} to ${length - 1}` : 'none, along an axis without elements'

/** About how many multiply-adds an index is worth. */
const PLACE_WORK = 4

/**
 * Indices along one axis of a length, counted from the front; in a recording the fault word tells of
 * others.
 */
export function settled(indices: Tensor<'int32'>, length: number): Tensor<'int32'> {
  const rows = indices.reshape([indices.size, 1])
  return rows.engine.scope(() => placesOf(rows, [length], 0).reshape(indices.shape))
}

/** The parts of x at places, which are behind `depth` axes; `shape`: of the indices. */
export function takeAt<D extends DType>(
  x: Tensor<D>,
  places: Tensor<'int32'>,
  depth: number,
  shape: Shape,
): Tensor<D> {
  const rest = x.shape.slice(depth)
  return x.engine.scope(() => {
    const rows = x.reshape([sizeOf(x.shape.slice(0, depth)), ...rest])
    return takeRows(rows, places, 0).reshape([...shape.slice(0, -1), ...rest])
  })
}

/** x with updates at places. */
export function putAt<D extends DType>(
  x: Tensor<D>,
  places: Tensor<'int32'>,
  updates: Tensor<D>,
  reduction: Reduction,
): Tensor<D> {
  const { engine } = x
  const write = (y: Tensor<D>) => {
    copy(engine, x.pointer, y.pointer, [{ length: x.size, from: 1, to: 1 }], x.dtype)
    bring(y, places, updates, reductions[reduction])
  }
  return engine.make<D>(x.shape, write, x)
}

/** Writes updates to places of x. */
export function bring(x: AnyTensor, places: Tensor<'int32'>, updates: AnyTensor, op: ScatterOp): void {
  const count = places.size
  if (updates.size === 0 || x.size === 0) return
  const inner = updates.size / count
  const bytes = bytesPerElement(x.dtype)
  // All rows in each unit, since their order matters; a line of the cache at least.
  const unit = Math.max(64, Math.ceil((inner * bytes) / 64 / 64) * 64)
  x.engine.run({
    kernel: 'scatterRows',
    args: {
      x: x.pointer,
      places: places.pointer,
      updates: updates.pointer,
      count,
      inner,
      op,
      bytes,
      integers: Number(x.dtype === 'int32'),
      unit,
    },
    units: Math.ceil((inner * bytes) / unit),
    work: updates.size,
  })
}
