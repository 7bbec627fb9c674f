/** Rows by index, out of a tensor and into one: the plan of assembly/copy.ts. */

import { check, show } from '../base/errors.js'
import { type Shape, sameShape, sizeOf } from '../base/shape.js'
import { ANY, bytesPerElement, type DType, NUMBERS } from '../core/dtype.js'
import { checkType, type Engine, engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import { alongAxis } from '../core/quantization.js'
import { type AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { copy } from '../plans/copy.js'
import { axisOf } from './axis.js'
import { checkSameQuantization, checkSameType } from './operands.js'

/** Which rows: integers from 0 in a list, or in a tensor of any shape; of int32 nothing is copied. */
export type Indices = Int32Array | Uint8Array | readonly number[] | AnyTensor

/** Where `gather` takes from. */
export interface GatherOptions {
  /** The axis whose indexes are taken; negative counts from the last. Default 0: rows. */
  axis?: number
}

const GATHER: Names<GatherOptions> = { axis: true }

/** Where `scatter` writes to, and how. */
export interface ScatterOptions {
  /** The axis whose indexes are written; negative counts from the last. Default 0: rows. */
  axis?: number
  /**
   * `'none'`: the updates stand in the place of what was there; `'add'`: they are added to it. Default
   * `'none'`.
   */
  reduction?: 'none' | 'add'
}

const SCATTER: Names<ScatterOptions> = { axis: true, reduction: true }

/**
 * Rows of a table, as for embeddings: y[i] = table[indices[i]]; or what stands at these indexes of any axis.
 * Definition: ONNX Gather, without negative indices.
 *
 * @param table [rows, ...], of any type; with `axis` its length is the number of rows
 * @param indices integers from 0 to rows - 1, in any order, repeated or not
 * @param options axis 0
 * @returns [...shape of indices, ...]; with `axis` the shape of indices stands in its place
 * @throws FilterbankError for an index that is no row (its position is told) or an axis that the table does
 *   not have; nothing is allocated then
 * @example const vectors = gather(words, Int32Array.of(3, 1, 4, 1))
 */
export function gather<D extends DType>(
  table: Tensor<D>,
  indices: Indices,
  options: GatherOptions = {},
): Tensor<D> {
  checkOptions('gather', options, GATHER)
  const op = 'gather'
  const given = indices instanceof Tensor ? indices : undefined
  const engine = engineOf(op, { table }, { indices: given }, ANY)
  const shapes = { table: table.shape, indices: given?.shape }
  check(table.shape.length > 0, () => ({ op, argument: 'table', expected: '[rows, ...]', got: '[]', shapes }))
  const axis = axisOf(options.axis ?? 0, table.shape.length, { op, shapes })
  const chosen = settleIndices(indices, table.shape[axis]!, { op, shapes })
  const shape = movedShape(table.shape, axis, indices)
  const { quantization } = table
  // Indices of more axes than one leave no axis whose channels they are.
  check(quantization?.axis !== axis || !given || given.shape.length === 1, () => ({
    op,
    argument: 'indices',
    expected: 'of rank 1 along the axis of the quantization',
    got: show(given?.shape),
    shapes,
  }))
  const moved =
    quantization?.axis === axis
      ? alongAxis(quantization, axis, (values) => Array.from(chosen, (index) => values[index]!))
      : quantization?.axis !== undefined && quantization.axis > axis
        ? { ...quantization, axis: quantization.axis + shape.length - table.shape.length }
        : quantization
  const y = engine.make<D>(shape, (y) => runRows(engine, 'gather', table, axis, given ?? chosen, y), {
    dtype: table.dtype,
    quantization: moved,
  })
  engine.trace?.note(op, y, { table, indices: given }, { axis, list: given ? undefined : chosen })
  engine.tape?.record(op, y, { table }, { indices: given }, (dy, kept) => ({
    table: () =>
      engine.make(table.shape, (sums) =>
        runRows(engine, 'scatterAdd', sums, axis, kept.indices ?? chosen, dy, true),
      ),
  }))
  return y
}

/**
 * A tensor with rows by index written into it: y = x, but y[indices[i]] = updates[i], or with `reduction:
 * 'add'` y[indices[i]] += updates[i]; along any axis. What `gather` takes out, this puts in.
 *
 * @param x [rows, ...], of any type; with `axis` its length is the number of rows. It stays as it is
 * @param indices integers from 0 to rows - 1, in any order; each once, but where they add
 * @param updates of the shape, type and quantization that gather(x, indices, { axis }) has
 * @param options axis 0; reduction 'none', or 'add' for float32 and int32 (which wraps)
 * @returns x's shape
 * @throws FilterbankError for an index that is no row or comes twice (its position is told), updates of
 *   another shape, type or quantization, or an axis that
 * x does not have; nothing is allocated then
 * @example const filled = scatter(memory, [2, 0], rows)
 */
export function scatter<D extends DType>(
  x: Tensor<D>,
  indices: Indices,
  updates: Tensor<D>,
  options: ScatterOptions = {},
): Tensor<D> {
  checkOptions('scatter', options, SCATTER)
  const op = 'scatter'
  const given = indices instanceof Tensor ? indices : undefined
  const engine = engineOf(op, { x, updates }, { indices: given }, ANY)
  const { reduction = 'none' } = options
  const shapes = { x: x.shape, indices: given?.shape, updates: updates.shape }
  const fail = (argument: string, expected: string, got: unknown) => () => ({
    op,
    argument,
    expected,
    got: show(got),
    shapes,
  })
  check(reduction === 'none' || reduction === 'add', fail('reduction', "'none' or 'add'", reduction))
  check(x.shape.length > 0, fail('x', '[rows, ...]', x.shape))
  const axis = axisOf(options.axis ?? 0, x.shape.length, { op, shapes })
  const chosen = settleIndices(indices, x.shape[axis]!, { op, shapes })
  checkSameType(op, 'updates', updates, x.dtype)
  checkSameQuantization(op, 'updates', updates, x.quantization)
  const shape = movedShape(x.shape, axis, indices)
  check(sameShape(updates.shape, shape), fail('updates', show(shape), updates.shape))
  if (reduction === 'add') checkType(op, 'x', x, NUMBERS)
  else {
    const seen = new Set<number>()
    for (let i = 0; i < chosen.length; i++) {
      check(
        !seen.has(chosen[i]!),
        fail(`indices[${i}]`, "one that did not come before, unless reduction is 'add'", chosen[i]),
      )
      seen.add(chosen[i]!)
    }
  }
  const y = engine.make<D>(
    x.shape,
    (y) => {
      copy(engine, x.pointer, y.pointer, [{ length: x.size, from: 1, to: 1 }], x.dtype)
      runRows(engine, reduction === 'add' ? 'scatterAdd' : 'scatter', y, axis, given ?? chosen, updates)
    },
    x,
  )
  engine.trace?.note(
    op,
    y,
    { x, indices: given, updates },
    { axis, reduction, list: given ? undefined : chosen },
  )
  engine.tape?.record(op, y, { x, updates }, { indices: given }, (dy, kept) => {
    const where = kept.indices ?? (chosen as Int32Array)
    return {
      x: () => (reduction === 'add' ? dy : scatter(dy, where, engine.zeros(shape), { axis })),
      updates: () => gather(dy, where, { axis }).reshape(shape),
    }
  })
  return y
}

/**
 * The numbers of the indices, each of them a row; those of a tensor where they stand, good until the next
 * allocation.
 */
function settleIndices(indices: Indices, rows: number, context: Context): Int32Array | AnyTensor['elements'] {
  const list = indices instanceof Tensor ? indices.elements : indices
  check(Array.isArray(list) || ArrayBuffer.isView(list), () => ({
    ...context,
    argument: 'indices',
    expected: 'integers, or a tensor of them',
    got: show(indices),
  }))
  for (let i = 0; i < list.length; i++) {
    const index = list[i]!
    check(Number.isInteger(index) && index >= 0 && index < rows, () => ({
      ...context,
      argument: `indices[${i}]`,
      expected: rows ? `an integer from 0 to ${rows - 1}` : 'none, for a table without rows',
      got: show(index),
    }))
  }
  return indices instanceof Tensor ? indices.elements : Int32Array.from(list as ArrayLike<number>)
}

/**
 * Rows by indices that are known to be right, or settled: what a recording does, which cannot look at
 * them.
 */
export function takeRows<D extends DType>(
  table: Tensor<D>,
  indices: Tensor<'int32'>,
  axis: number,
): Tensor<D> {
  const { engine } = table
  const shape = movedShape(table.shape, axis, indices)
  return engine.make<D>(shape, (y) => runRows(engine, 'gather', table, axis, indices, y), {
    dtype: table.dtype,
    quantization: table.quantization?.axis === undefined ? table.quantization : undefined,
  })
}

/** `shape` with that of the indices in the place of an axis. */
const movedShape = (shape: Shape, axis: number, indices: Indices): number[] => [
  ...shape.slice(0, axis),
  ...(indices instanceof Tensor ? indices.shape : [indices.length]),
  ...shape.slice(axis + 1),
]

/** Rows of the table to y, or the other way; `clear`: those that are added up start from zeros. */
function runRows(
  engine: Engine,
  kernel: 'gather' | 'scatter' | 'scatterAdd',
  table: AnyTensor,
  axis: number,
  indices: AnyTensor | ArrayLike<number>,
  y: AnyTensor,
  clear = false,
): void {
  const inner = sizeOf(table.shape.slice(axis + 1))
  const outer = sizeOf(table.shape.slice(0, axis))
  const count = indices instanceof Tensor ? indices.size : indices.length
  const inPlace = indices instanceof Tensor && indices.dtype === 'int32' ? indices.pointer : undefined
  const room = inPlace ?? engine.allocate(count * 4)
  if (inPlace === undefined) engine.i32.set(indices instanceof Tensor ? indices.elements : indices, room / 4)
  const units = kernel === 'scatterAdd' ? outer * Math.ceil(inner / 16) : outer * count
  engine.run({
    kernel,
    args: {
      table: table.pointer,
      indices: room,
      y: y.pointer,
      count,
      rows: table.shape[axis]!,
      inner,
      bytes: bytesPerElement(table.dtype),
      clear: Number(clear),
      integers: Number(table.dtype === 'int32'),
    },
    units,
    work: y.size + (clear ? table.size : 0),
  })
  if (inPlace === undefined) engine.free(room)
}
