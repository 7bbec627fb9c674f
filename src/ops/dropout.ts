/** The plan of the kernel `dropout` (assembly/elementwise.ts). */

import { engineOf } from '../core/engine.js'
import type { Tensor } from '../core/tensor.js'
import { UNARY_BLOCK } from '../wasm/abi.js'

/** About how many multiply-adds the drawing of one number is worth. */
const WORK = 4

/** What is dropped: any two numbers of 32 bits. */
export type DropoutKeys = readonly [number, number]

function runDropout(x: Tensor, rate: number, [keyA, keyB]: DropoutKeys): Tensor {
  const { engine } = x
  return engine.make(x.shape, (y) => {
    engine.run({
      kernel: 'dropout',
      args: {
        x: x.pointer,
        y: y.pointer,
        size: x.size,
        keyA,
        keyB,
        threshold: Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1),
        scale: 1 / (1 - rate),
      },
      units: Math.ceil(x.size / UNARY_BLOCK),
      work: x.size * WORK,
    })
  })
}

/**
 * Each element is 0 with probability `rate`, and the others are divided by 1 - rate. Which ones follows from
 * the keys and the place of an element: nothing is kept for backward, which draws the same again.
 * (Srivastava et al., 2014)
 *
 * @param rate 0 to less than 1, in steps of 2^-32
 * @internal
 */
export function dropout(x: Tensor, rate: number, keys: DropoutKeys): Tensor {
  const engine = engineOf('Dropout', { x })
  const y = runDropout(x, rate, keys)
  engine.tape?.record('Dropout', y, { x }, {}, (dy) => ({ x: () => runDropout(dy, rate, keys) }))
  return y
}
