/** Activations of 8-bit integers. */

import { check, show } from '../base/errors.js'
import { sameShape } from '../base/shape.js'
import { BYTES, type ByteType, rangeOf } from '../core/dtype.js'
import { checkType, engineOf } from '../core/engine.js'
import { sameQuantization, showQuantization } from '../core/quantization.js'
import type { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { runMapBytes } from '../plans/bytes.js'
import { checkNoTape } from '../plans/elementwise.js'
import { UnaryOp } from '../wasm/abi.js'
import { type FloatOrByte, type ResultQuantization, resultQuantization } from './byteResult.js'

const PLAIN = { scale: 1, zeroPoint: 0 }

/** An activation of 8-bit integers, by a table. Derivatives are an error where one is wanted. */
export function activateBytes<D extends FloatOrByte>(
  op: string,
  x: Tensor<D>,
  formula: readonly [op: UnaryOp, a: number, b: number],
  { out, quantization: given }: { out: Tensor<D> | undefined; quantization: ResultQuantization | undefined },
): Tensor<D> {
  const engine = engineOf(op, { x }, { out }, BYTES)
  const dtype = x.dtype as ByteType
  const fraction = { scale: 1 / 256, zeroPoint: rangeOf(dtype)![0] }
  const otherwise = formula[0] === UnaryOp.sigmoid ? fraction : (x.quantization ?? PLAIN)
  const quantization = resultQuantization(op, { x }, x.shape, given, otherwise)
  const context: Context = { op, shapes: { x: x.shape, out: out?.shape } }
  check(!out || sameShape(out.shape, x.shape), () => ({
    ...context,
    argument: 'out',
    expected: show(x.shape),
    got: show(out?.shape),
  }))
  if (out) {
    checkType(op, 'out', out, [x.dtype])
    checkNoTape(engine, out, context)
    check(sameQuantization(out.quantization, quantization), () => ({
      ...context,
      argument: 'out',
      expected: `of the quantization ${showQuantization(quantization)}`,
      got: showQuantization(out.quantization),
    }))
    runMapBytes(x, out, formula)
    return out.changed()
  }
  const y = engine.make(x.shape, (y) => runMapBytes(x, y, formula), { dtype, quantization })
  engine.tape?.record(op, y, { x }, {}, () => ({}))
  return y as Tensor<FloatOrByte> as Tensor<D>
}
