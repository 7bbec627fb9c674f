/** Softmax and its logarithm along one axis: the plan of assembly/softmax.ts. */

import { sizeOf } from '../base/shape.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { type OutOptions, produce, runUnary } from '../plans/elementwise.js'
import { SOFTMAX_CHUNK, UnaryOp } from '../wasm/abi.js'
import { mul, sub } from './arithmetic.js'
import { axesOf, outputsPerUnit, sum } from './reduce.js'

/** What `softmax` and `logSoftmax` take beside x. */
export interface SoftmaxOptions extends OutOptions {
  /** The axis to go along; a negative one counts from the end. Default -1. */
  axis?: number
}

const SOFTMAX: Names<SoftmaxOptions> = { axis: true, out: true }

/**
 * exp(x) / sum of exp(x) along an axis, taken from the largest so that nothing overflows: exp(x - m) / sum of
 * exp(x - m), m = max(x). A few numbers at a time are summed in float32, these sums in float64. A NaN, or an
 * Infinity, along the axis gives NaN there, as IEEE says. Definition: ONNX Softmax (version 13).
 *
 * @param x any shape but []
 * @param options axis -1; out: a tensor of x's shape to write into, which may be x
 * @returns x's shape
 * @throws FilterbankError for an axis that x does not have, or an `out` of another shape; nothing is
 *   allocated then
 * @example const probabilities = softmax(logits)
 */
export function softmax(x: Tensor, options: SoftmaxOptions = {}): Tensor {
  return run('softmax', x, options, false)
}

/**
 * log(softmax(x)) along an axis, without the detour: x - m - log(sum of exp(x - m)). Options and errors as of
 * `softmax`. Definition: ONNX LogSoftmax.
 * @example const loss = logSoftmax(logits)
 */
export function logSoftmax(x: Tensor, options: SoftmaxOptions = {}): Tensor {
  return run('logSoftmax', x, options, true)
}

function run(op: string, x: Tensor, options: SoftmaxOptions, logarithm: boolean): Tensor {
  checkOptions(op, options, SOFTMAX)
  const { axis = -1, out } = options
  const engine = engineOf(op, { x }, { out })
  const context: Context = { op, shapes: { x: x.shape, out: out?.shape } }
  const [along] = axesOf([axis], x.shape, 'axis', context) as [number]
  const n = x.shape[along]!
  const inner = sizeOf(x.shape.slice(along + 1))
  const y = produce(engine, x.shape, out, context, (y) => {
    const vectors = sizeOf(x.shape.slice(0, along)) * inner
    if (n === 0 || vectors === 0) return
    const unit = outputsPerUnit(n, inner)
    engine.scratch(4 * (16 + Math.max(n, SOFTMAX_CHUNK)))
    engine.run({
      kernel: 'softmax',
      args: {
        x: x.pointer,
        y: y.pointer,
        n,
        inner,
        vectors,
        unit,
        log: Number(logarithm),
      },
      units: Math.ceil(vectors / unit),
      work: x.size * 16,
    })
  })
  engine.trace?.note(op, y, { x }, { axis: along })
  engine.tape?.record(op, y, { x }, { y }, (dy, kept) => ({
    x: () => (logarithm ? logSoftmaxBackward : softmaxBackward)(dy, kept.y, along),
  }))
  return y
}

/** dx = y * (dy - sum of dy * y) */
function softmaxBackward(dy: Tensor, y: Tensor, along: number): Tensor {
  return dy.engine.scope(() => mul(y, sub(dy, sum(mul(dy, y), { axes: along, keepDims: true }))))
}

/** dx = dy - exp(y) * sum of dy */
function logSoftmaxBackward(dy: Tensor, y: Tensor, along: number): Tensor {
  const { engine } = dy
  return engine.scope(() => {
    const p = engine.make(y.shape, (to) => runUnary(UnaryOp.exp, y, to, 0, 0))
    return sub(dy, mul(p, sum(dy, { axes: along, keepDims: true })))
  })
}
