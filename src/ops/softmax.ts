/** Softmax and its logarithm along one axis: the plan of assembly/softmax.ts. */

import { sizeOf } from '../base/shape.js'
import type { ByteType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { runSoftmaxBytes } from '../plans/bytes.js'
import { type OutOptions, produce, runUnary } from '../plans/elementwise.js'
import { SOFTMAX_CHUNK, UnaryOp } from '../wasm/abi.js'
import { fractions } from './activationBytes.js'
import { mul, sub } from './arithmetic.js'
import {
  type ByteResultOptions,
  checkNoQuantization,
  checkQuantized,
  FLOATS_AND_BYTES,
  type FloatOrByte,
  isByteTensor,
  produceBytes,
  resultQuantization,
} from './byteResult.js'
import { axesOf, outputsPerUnit, sum } from './reduce.js'

/** What `logSoftmax` takes beside x. */
export interface LogSoftmaxOptions<D extends FloatOrByte = 'float32'> extends OutOptions<D> {
  /** The axis to go along; a negative one counts from the end. Default -1. */
  axis?: number
}

/** What `softmax` takes beside x. */
export interface SoftmaxOptions<D extends FloatOrByte = 'float32'>
  extends LogSoftmaxOptions<D>,
    ByteResultOptions {}

const LOG_SOFTMAX: Names<LogSoftmaxOptions> = { axis: true, out: true }
const SOFTMAX: Names<SoftmaxOptions> = { axis: true, out: true, quantization: true }

/**
 * exp(x) / sum of exp(x) along an axis, taken from the largest so that nothing overflows: exp(x - m) / sum of
 * exp(x - m), m = max(x). A few numbers at a time are summed in float32, these sums in float64. A NaN, or an
 * Infinity, along the axis gives NaN there, as IEEE says. Definition: ONNX Softmax (version 13).
 *
 * 8-bit integers go by a table of exponentials whose sums are exact: the same bytes on every host.
 * Definition: com.microsoft's QLinearSoftmax, within one level.
 *
 * @param x any shape but []; float32, or int8 or uint8 with a quantization, which gives the same type
 * @param options axis -1; out: a tensor of x's shape to write into, which may be x; quantization: of an 8-bit
 *   result, default 1/256 from the least integer on
 * @returns x's shape
 * @throws FilterbankError for an axis that x does not have, an `out` of another shape, or a quantization that
 *   does not fit; nothing is allocated then
 * @example const probabilities = softmax(logits)
 */
export function softmax<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: SoftmaxOptions<D> = {},
): Tensor<D> {
  checkOptions<SoftmaxOptions<D>>('softmax', options, SOFTMAX)
  engineOf('softmax', { x }, { out: options.out }, FLOATS_AND_BYTES)
  if (isByteTensor(x)) return softmaxOfBytes(x, options)
  const floats = x as unknown as Tensor
  const { quantization, ...rest } = options as SoftmaxOptions
  if (quantization !== undefined) checkNoQuantization('softmax', floats, quantization)
  return run('softmax', floats, rest, false) as Tensor<FloatOrByte> as Tensor<D>
}

function softmaxOfBytes<D extends FloatOrByte>(x: Tensor<D>, options: SoftmaxOptions<D>): Tensor<D> {
  const { axis = -1, out, quantization: given } = options
  const context: Context = { op: 'softmax', shapes: { x: x.shape } }
  checkQuantized(x, 'x', context)
  const [along] = axesOf([axis], x.shape, 'axis', context) as [number]
  const n = x.shape[along]!
  const inner = sizeOf(x.shape.slice(along + 1))
  const quantization = resultQuantization('softmax', { x }, x.shape, given, fractions(x.dtype as ByteType))
  return produceBytes('softmax', x, out, quantization, (y) =>
    runSoftmaxBytes(x, y, { n, inner, unit: outputsPerUnit(n, inner) }),
  )
}

/**
 * log(softmax(x)) along an axis, without the detour: x - m - log(sum of exp(x - m)). Options and errors as of
 * `softmax`, of float32 alone. Definition: ONNX LogSoftmax.
 * @example const loss = logSoftmax(logits)
 */
export function logSoftmax(x: Tensor, options: LogSoftmaxOptions = {}): Tensor {
  checkOptions('logSoftmax', options, LOG_SOFTMAX)
  return run('logSoftmax', x, options, true)
}

function run(op: string, x: Tensor, options: LogSoftmaxOptions, logarithm: boolean): Tensor {
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
