/** Running sums and products along an axis: the plan of assembly/reduce.ts. */

import { sizeOf } from '../base/shape.js'
import { NUMBERS } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import { ScanOp } from '../wasm/abi.js'
import { axisOf } from './axis.js'
import { outputsPerUnit } from './reduce.js'

/** What `cumsum` takes beside x. */
export interface CumsumOptions {
  /** The axis to go along; negative counts from the last. Default -1. */
  axis?: number
  /** Without the element itself: the first sum is 0. Default false. */
  exclusive?: boolean
  /** From the end of the axis. Default false. */
  reverse?: boolean
}

const CUMSUM: Names<CumsumOptions> = { axis: true, exclusive: true, reverse: true }

/**
 * Running sums: y[i] = x[0] + ... + x[i] along an axis, kept in float64. Of int32 they wrap. Definition: ONNX
 * CumSum.
 *
 * @param x float32 or int32, of rank 1 or more
 * @param options axis -1; exclusive false; reverse false
 * @returns x's shape
 * @throws FilterbankError for an axis that x does not have, or another type; nothing is allocated then
 * @example const distribution = cumsum(probabilities)
 */
export function cumsum<D extends 'float32' | 'int32'>(x: Tensor<D>, options: CumsumOptions = {}): Tensor<D> {
  checkOptions('cumsum', options, CUMSUM)
  const op = 'cumsum'
  const engine = engineOf(op, { x }, {}, NUMBERS)
  const { exclusive = false, reverse = false } = options
  const axis = axisOf(options.axis ?? -1, x.shape.length, { op, shapes: { x: x.shape } })
  const whole = x.dtype === 'int32'
  const y = engine.make<D>(
    x.shape,
    (y) => runScan(whole ? ScanOp.sumInt : ScanOp.sum, x, y, axis, exclusive, reverse),
    x,
  )
  engine.trace?.note(op, y, { x }, { axis, exclusive, reverse })
  engine.tape?.record(op, y, { x }, {}, (dy) =>
    whole ? {} : { x: () => cumsum(dy, { axis, exclusive, reverse: !reverse }) },
  )
  return y
}

/** Running sums of which each is rounded to float32, as NumPy and ONNX Runtime have them. */
export function cumsumSingle(x: Tensor, axis: number, exclusive: boolean, reverse: boolean): Tensor {
  return x.engine.make(x.shape, (y) => runScan(ScanOp.sumSingle, x, y, axis, exclusive, reverse))
}

/** Running products along an axis, of which the backward of `prod` is made. */
export function cumprod(x: Tensor, axis: number, exclusive: boolean, reverse: boolean): Tensor {
  return x.engine.make(x.shape, (y) => runScan(ScanOp.prod, x, y, axis, exclusive, reverse))
}

function runScan(
  op: ScanOp,
  x: AnyTensor,
  y: AnyTensor,
  axis: number,
  exclusive: boolean,
  reverse: boolean,
): void {
  const { engine, shape } = x
  if (x.size === 0) return
  const n = shape[axis]!
  const inner = sizeOf(shape.slice(axis + 1))
  const vectors = x.size / n
  const unit = outputsPerUnit(n, inner)
  engine.run({
    kernel: 'scan',
    args: {
      op,
      x: x.pointer,
      y: y.pointer,
      n,
      inner,
      vectors,
      unit,
      exclusive: Number(exclusive),
      reverse: Number(reverse),
    },
    units: Math.ceil(vectors / unit),
    work: x.size,
  })
}
