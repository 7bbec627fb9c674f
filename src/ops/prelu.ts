/** The activation whose slope is a tensor, which is learned. */

import { check, show } from '../base/errors.js'
import { broadcastShapes, sameShape } from '../base/shape.js'
import { engineOf } from '../core/engine.js'
import { checkOptions } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { NO_CLAMP, OUT, type OutOptions, runBinary, unaryBackward } from '../plans/elementwise.js'
import { BinaryOp, UnaryOp } from '../wasm/abi.js'
import { add, mul, sub } from './arithmetic.js'
import { sumTo } from './reduce.js'

/**
 * x where x >= 0, else slope * x. Definition: ONNX PRelu, PyTorch PReLU (channels last here).
 * @param x [..., channels]
 * @param slope [channels] or a single number ([1] or []), or any shape that broadcasts to x's
 * @throws FilterbankError for a slope that does not broadcast to x's shape
 * @example const y = prelu(x, engine.tensor([0.1, 0.2, 0.3], [3]))
 */
export function prelu(x: Tensor, slope: Tensor, options: OutOptions = {}): Tensor {
  checkOptions('prelu', options, OUT)
  const { out } = options
  const engine = engineOf('prelu', { x, slope }, { out })
  const context: Context = { op: 'prelu', shapes: { x: x.shape, slope: slope.shape, out: out?.shape } }
  const common = broadcastShapes(x.shape, slope.shape)
  check(common !== undefined && sameShape(common, x.shape), () => ({
    ...context,
    argument: 'slope',
    expected: `[${x.shape.at(-1) ?? 1}], one per channel, [1], or of a shape that broadcasts to x's`,
    got: show(slope.shape),
  }))
  const y = runBinary(BinaryOp.prelu, engine, x, slope, out, NO_CLAMP, context)
  engine.trace?.note('prelu', y, { x, slope })
  engine.tape?.record('prelu', y, { x, slope }, { x, slope }, (dy, kept) => {
    const rising = () => unaryBackward(UnaryOp.leakyRelu, dy, kept.x, 0, 0)
    const falling = () => sub(dy, rising())
    return {
      x: () => engine.scope(() => add(rising(), mul(kept.slope, falling()))),
      slope: () => engine.scope(() => sumTo(mul(kept.x, falling()), kept.slope.shape)),
    }
  })
  return y
}
