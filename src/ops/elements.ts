/** Elements by an index of their own along one axis: the plan of assembly/copy.ts. */

import { check, show } from '../base/errors.js'
import { type Shape, sameShape, sizeOf } from '../base/shape.js'
import { ANY, bytesPerElement, type DType, NUMBERS } from '../core/dtype.js'
import { checkType, engineOf } from '../core/engine.js'
import { checkOptions, isName, type Names } from '../core/options.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { copy } from '../plans/copy.js'
import { ScatterOp } from '../wasm/abi.js'
import { axisOf } from './axis.js'
import { checkSameQuantization, checkSameType } from './operands.js'
import { outputsPerUnit } from './reduce.js'

/** What scattering makes of what was at a place and of what is brought there. */
export const reductions = {
  none: ScatterOp.put,
  add: ScatterOp.add,
  mul: ScatterOp.mul,
  max: ScatterOp.maximum,
  min: ScatterOp.minimum,
} as const
export type Reduction = keyof typeof reductions
export const REDUCTIONS = "'none', 'add', 'mul', 'max' or 'min'"

/** What `gatherElements` takes beside x and the indices. */
export interface GatherElementsOptions {
  /** The axis that the indices go along; negative counts from the last. Default 0. */
  axis?: number
}

const GATHER_ELEMENTS: Names<GatherElementsOptions> = { axis: true }

/** What `scatterElements` takes beside x, the indices and the updates. */
export interface ScatterElementsOptions {
  /** The axis that the indices go along; negative counts from the last. Default 0. */
  axis?: number
  /**
   * `'none'`: the updates stand in the place of what was there; `'add'`, `'mul'`, `'max'`, `'min'`: they are
   * combined with it, one after the other. Default `'none'`.
   */
  reduction?: 'none' | 'add' | 'mul' | 'max' | 'min'
}

const SCATTER_ELEMENTS: Names<ScatterElementsOptions> = { axis: true, reduction: true }

/**
 * Elements by an index of their own: y[i, j, k] = x[i, indices[i, j, k], k] along the middle axis of three,
 * and so of any. What sorts or picks along an axis gives such indices: `topK`, `argmax` with `keepDims`.
 * Definition: NumPy take_along_axis; ONNX GatherElements, without negative indices.
 *
 * @param x of any type, of rank 1 or more
 * @param indices int32, from 0 to the length of the axis - 1: x's shape, but of any length along the axis
 * @param options axis 0
 * @returns the shape of indices, of x's type
 * @throws FilterbankError for an index outside of the axis (its position is told), indices of another shape,
 *   an axis that x does not have, or one along which x's quantization differs; nothing is allocated then
 * @example const chosen = gatherElements(scores, topK(keys, { k: 5 }).indices, { axis: -1 })
 */
export function gatherElements<D extends DType>(
  x: Tensor<D>,
  indices: Tensor<'int32'>,
  options: GatherElementsOptions = {},
): Tensor<D> {
  const op = 'gatherElements'
  checkOptions(op, options, GATHER_ELEMENTS)
  const engine = engineOf(op, { x, indices }, {}, ANY)
  const context = { op, shapes: { x: x.shape, indices: indices.shape } }
  const axis = axisOf(options.axis ?? 0, x.shape.length, context)
  checkElements(x, indices, axis, context)
  const y = engine.make<D>(indices.shape, (y) => runElements('gatherElements', x, indices, y, axis), x)
  engine.trace?.note(op, y, { x, indices }, { axis })
  engine.tape?.record(op, y, { x }, { indices }, (dy, kept) => ({
    x: () => scatterOnZeros(dy, kept.indices, x.shape[axis]!, axis),
  }))
  return y
}

/**
 * A tensor with elements by an index of their own written into it: y = x, but y[i, indices[i, j, k], k] =
 * updates[i, j, k] along the middle axis of three, and so of any; or with `reduction: 'add'` they are added.
 * What `gatherElements` takes out, this puts in. Definition: NumPy put_along_axis; ONNX ScatterElements,
 * without negative indices.
 *
 * @param x of any type, of rank 1 or more. It stays as it is
 * @param indices int32, from 0 to the length of the axis - 1: x's shape, but of any length along the axis;
 *   each place once, but where they add
 * @param updates of the shape of indices, and of x's type and quantization
 * @param options axis 0; reduction 'none', or 'add' for float32 and int32 (which wraps)
 * @returns x's shape
 * @throws FilterbankError for an index outside of the axis or a place that comes twice (its position is
 *   told), tensors of other shapes, types or quantizations, or an axis that x does not have; nothing is
 *   allocated then
 * @example const kept = scatterElements(zeros, indices, values, { axis: -1 }) // all but the k largest are 0
 */
export function scatterElements<D extends DType>(
  x: Tensor<D>,
  indices: Tensor<'int32'>,
  updates: Tensor<D>,
  options: ScatterElementsOptions = {},
): Tensor<D> {
  const op = 'scatterElements'
  checkOptions(op, options, SCATTER_ELEMENTS)
  const engine = engineOf(op, { x, indices, updates }, {}, ANY)
  const context = { op, shapes: { x: x.shape, indices: indices.shape, updates: updates.shape } }
  const { reduction = 'none' } = options
  const fail = (argument: string, expected: string, got: unknown) => () => ({
    ...context,
    argument,
    expected,
    got: show(got),
  })
  check(isName(reduction, reductions), fail('reduction', REDUCTIONS, reduction))
  const axis = axisOf(options.axis ?? 0, x.shape.length, context)
  checkElements(x, indices, axis, context)
  check(
    sameShape(updates.shape, indices.shape),
    fail('updates', `${show(indices.shape)}, as indices`, updates.shape),
  )
  checkSameType(op, 'updates', updates, x.dtype)
  checkSameQuantization(op, 'updates', updates, x.quantization)
  if (reduction !== 'none') checkType(op, 'x', x, NUMBERS)
  else checkDistinct(indices, x.shape[axis]!, axis, context)
  const y = engine.make<D>(
    x.shape,
    (y) => {
      copy(engine, x.pointer, y.pointer, [{ length: x.size, from: 1, to: 1 }], x.dtype)
      runElements('scatterElements', y, indices, updates, axis, reductions[reduction])
    },
    x,
  )
  engine.trace?.note(op, y, { x, indices, updates }, { axis, reduction })
  const isLinear = reduction === 'none' || reduction === 'add'
  engine.tape?.record(op, y, { x, updates }, { indices }, (dy, kept) =>
    isLinear
      ? {
          x: () =>
            reduction === 'add'
              ? dy
              : engine.scope(() =>
                  scatterElements(dy, kept.indices, engine.zeros(kept.indices.shape), { axis }),
                ),
          updates: () => gatherElements(dy, kept.indices, { axis }),
        }
      : {},
  )
  return y
}

/** updates at their places along an axis of length n, added where several are one; zeros elsewhere. */
export function scatterOnZeros(updates: Tensor, indices: Tensor<'int32'>, n: number, axis: number): Tensor {
  const { engine } = updates
  return engine.make(updates.shape.with(axis, n), (x) =>
    runElements('scatterElements', x, indices, updates, axis, ScatterOp.add, true),
  )
}

/** Throws unless indices are int32, of x's shape but along the axis, and places of that axis. */
function checkElements(x: AnyTensor, indices: AnyTensor, axis: number, context: Context): void {
  checkType(context.op, 'indices', indices, ['int32'])
  const { shape } = indices
  check(shape.length === x.shape.length && sameShape(x.shape.with(axis, shape[axis]!), shape), () => ({
    ...context,
    argument: 'indices',
    expected: `${show(x.shape)}, but of any length along axis ${axis}`,
    got: show(shape),
  }))
  const { quantization } = x
  check(quantization?.axis !== axis, () => ({
    ...context,
    argument: 'axis',
    expected: 'one along which the quantization of x does not differ',
    got: show(axis),
  }))
  const n = x.shape[axis]!
  const { elements } = indices
  for (let i = 0; i < elements.length; i++) {
    const index = elements[i]!
    check(index >= 0 && index < n, () => ({
      ...context,
      argument: `indices[${placeOf(i, shape)}]`,
      expected: n ? `an integer from 0 to ${n - 1}` : 'none, for an axis without elements',
      got: show(index),
    }))
  }
}

/** Throws where two indices are one place. */
function checkDistinct(indices: Tensor<'int32'>, n: number, axis: number, context: Context): void {
  const { elements, shape } = indices
  const count = shape[axis]!
  const inner = sizeOf(shape.slice(axis + 1))
  // For each vector the number of the last that hit a place: nothing is cleared between them.
  const seen = new Int32Array(n).fill(-1)
  for (let vector = 0; vector * count < elements.length; vector++) {
    const first = Math.floor(vector / inner) * count * inner + (vector % inner)
    for (let i = 0; i < count; i++) {
      const index = elements[first + i * inner]!
      check(seen[index] !== vector, () => ({
        ...context,
        argument: `indices[${placeOf(first + i * inner, shape)}]`,
        expected: "one that did not come before, unless reduction is 'add'",
        got: show(index),
      }))
      seen[index] = vector
    }
  }
}

/** The index along each axis of an element. */
const placeOf = (i: number, shape: Shape): string =>
  shape.map((length, axis) => Math.floor(i / sizeOf(shape.slice(axis + 1))) % length).join(', ')

/**
 * The same of indices that are known to be right, or settled by `placesOf`: what a recording does, which
 * cannot look at them. An axis more of x than of the indices is that of the two words of numbers of 64 bits.
 */
export function takeElements<D extends DType>(
  x: Tensor<D>,
  indices: Tensor<'int32'>,
  axis: number,
): Tensor<D> {
  const shape = [...indices.shape, ...x.shape.slice(indices.shape.length)]
  return x.engine.make<D>(shape, (y) => runElements('gatherElements', x, indices, y, axis), x)
}

/** The same of `scatterElements`; of several to one place the last is put. */
export function putElements<D extends DType>(
  x: Tensor<D>,
  indices: Tensor<'int32'>,
  updates: Tensor<D>,
  axis: number,
  reduction: Reduction,
): Tensor<D> {
  const { engine } = x
  const write = (y: Tensor<D>) => {
    copy(engine, x.pointer, y.pointer, [{ length: x.size, from: 1, to: 1 }], x.dtype)
    runElements('scatterElements', y, indices, updates, axis, reductions[reduction])
  }
  return engine.make<D>(x.shape, write, x)
}

/** y = x[indices], or x[indices] = y; `clear`: those that are added up start from zeros. */
function runElements(
  kernel: 'gatherElements' | 'scatterElements',
  x: AnyTensor,
  indices: Tensor<'int32'>,
  y: AnyTensor,
  axis: number,
  op = ScatterOp.put,
  clear = false,
): void {
  const n = x.shape[axis]!
  const count = indices.shape[axis]!
  const rank = indices.shape.length
  const inner = sizeOf(x.shape.slice(axis + 1, rank))
  const vectors = inner * sizeOf(x.shape.slice(0, axis))
  const unit = outputsPerUnit(Math.max(clear ? n : 0, count), inner)
  x.engine.run({
    kernel,
    args: {
      x: x.pointer,
      indices: indices.pointer,
      y: y.pointer,
      n,
      count,
      inner,
      vectors,
      unit,
      bytes: x.shape.length > rank ? 8 : bytesPerElement(x.dtype),
      op,
      integers: Number(x.dtype === 'int32'),
      clear: Number(clear),
    },
    units: Math.ceil(vectors / unit),
    work: y.size + (clear ? x.size : 0),
  })
}
