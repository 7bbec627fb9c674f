/** The largest elements along an axis: the plan of assembly/topK.ts. */

import { check, show } from '../base/errors.js'
import { sizeOf } from '../base/shape.js'
import { NUMBERS } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkInteger, checkOptions, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { Numeric } from './arithmetic.js'
import { axisOf } from './axis.js'
import { scatterOnZeros } from './elements.js'
import { outputsPerUnit } from './reduce.js'

/** What `topK` takes beside x. */
export interface TopKOptions {
  /** How many: from 0 to the length of the axis. */
  k: number
  /** The axis to look along; negative counts from the last. Default -1. */
  axis?: number
  /** False for the smallest instead, the smallest first. Default true. */
  largest?: boolean
}

/** What `topK` finds. */
export interface TopK<D extends Numeric = 'float32'> {
  /** x's shape, with k along the axis. */
  values: Tensor<D>
  /** Where they stood along the axis; of the same shape. */
  indices: Tensor<'int32'>
}

const TOP_K: Names<TopKOptions> = { k: true, axis: true, largest: true }

/**
 * The k largest elements along an axis, the largest first; of equal ones the one with the lower index, and -0
 * equals 0. NaN stands above all numbers, as it does for `max` (so it comes last among the smallest). The
 * indices are integers without a derivative; that of the values goes to where they stood. Definition: ONNX
 * TopK, sorted.
 *
 * @param x float32 or int32, of rank 1 or more
 * @param options k; axis -1; largest true
 * @returns values of x's type and indices, both x's shape with k along the axis
 * @throws FilterbankError for an axis that x does not have, a k that is no integer from 0 to its length, or
 *   another type; nothing is allocated then
 * @example const { values, indices } = topK(softmax(logits), { k: 5 })
 */
export function topK<D extends Numeric = 'float32'>(x: Tensor<D>, options: TopKOptions): TopK<D> {
  const op = 'topK'
  checkOptions(op, options, TOP_K)
  const engine = engineOf(op, { x }, {}, NUMBERS)
  const context = { op, shapes: { x: x.shape } }
  const axis = axisOf(options.axis ?? -1, x.shape.length, context)
  const { k, largest = true } = options
  const n = x.shape[axis]!
  checkInteger(k, 'k', 0, n, context)
  check(typeof largest === 'boolean', () => ({
    ...context,
    argument: 'largest',
    expected: 'true or false',
    got: show(largest),
  }))
  const shape = x.shape.with(axis, k)
  const found = engine.scope((): TopK<D> => {
    const values = engine.empty<D>(shape, x)
    const indices = engine.empty(shape, { dtype: 'int32' })
    if (values.size === 0) return { values, indices }
    const inner = sizeOf(shape.slice(axis + 1))
    const vectors = x.size / n
    const unit = outputsPerUnit(n, inner)
    engine.scratch(k * 8)
    engine.run({
      kernel: 'topK',
      args: {
        x: x.pointer,
        values: values.pointer,
        indices: indices.pointer,
        n,
        k,
        inner,
        vectors,
        unit,
        integers: Number(x.dtype === 'int32'),
        smallest: Number(!largest),
      },
      units: Math.ceil(vectors / unit),
      work: x.size * WORK,
    })
    return { values, indices }
  })
  const { values, indices } = found
  engine.trace?.note(op, [values, indices], { x }, { k, axis, largest })
  engine.tape?.record(op, values, { x }, { indices }, (dy, kept) =>
    x.dtype === 'int32' ? {} : { x: () => scatterOnZeros(dy, kept.indices, n, axis) },
  )
  engine.tape?.record(op, indices, { x }, {}, () => ({}))
  return found
}

/** About how many multiply-adds an element is worth. */
const WORK = 4
