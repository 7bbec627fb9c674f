/** The plan of assembly/cast.ts. */

import type { DType } from '../core/dtype.js'
import type { AnyTensor, Engine } from '../core/tensor.js'
import { type Cast, Element, SELECT_BLOCK } from '../wasm/abi.js'

const elements: Record<DType, Element> = {
  float32: Element.float32,
  int32: Element.int32,
  int8: Element.int8,
  uint8: Element.uint8,
}

/** y = x as y's type, which is another one; where it wraps, floats become bytes by their lowest bits. */
export function runCast(x: AnyTensor, y: AnyTensor, wraps = false): void {
  const types = { from: elements[x.dtype], to: elements[y.dtype] }
  run(x.engine, { x: x.pointer, y: y.pointer, size: x.size, ...types, wraps: Number(wraps) })
}

/** IEEE halves, by their bits, as float32: `size` of them between two addresses. */
export function widenHalves(engine: Engine, x: number, y: number, size: number): void {
  run(engine, { x, y, size, from: Element.float16, to: Element.float32, wraps: 0 })
}

/** And back, ties to even. */
export function narrowToHalves(engine: Engine, x: number, y: number, size: number): void {
  run(engine, { x, y, size, from: Element.float32, to: Element.float16, wraps: 0 })
}

function run(engine: Engine, args: Cast): void {
  engine.scratch(128)
  engine.run({ kernel: 'cast', args, units: Math.ceil(args.size / SELECT_BLOCK), work: args.size })
}
