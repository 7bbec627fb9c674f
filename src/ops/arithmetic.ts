/** Arithmetic of two tensors, or of a tensor and a number. */
import { BinaryOp } from '../../assembly/calls.js'
import { engineOf } from '../engine.js'
import { check, show } from '../errors.js'
import { checkOptions, type Names } from '../options.js'
import type { Tensor } from '../tensor.js'
import type { Context } from '../window.js'
import { type Activation, clampBackward, finishActivation, fusedClamp, NO_CLAMP } from './activation.js'
import { type OutOptions, runBinary } from './elementwise.js'
import { sumTo } from './reduce.js'

/** What `add`, `sub`, `mul` and `div` take beside their tensors. */
export interface ArithmeticOptions extends OutOptions {
  /** Of the result. */
  activation?: Activation
}

const ARITHMETIC: Names<ArithmeticOptions> = { activation: true, out: true }

function arithmetic(op: string, code: BinaryOp, a: Tensor | number, b: Tensor | number, options: ArithmeticOptions): Tensor {
  checkOptions(op, options, ARITHMETIC)
  const { activation, out } = options
  const tensors = { ...(typeof a !== 'number' && { a }), ...(typeof b !== 'number' && { b }) }
  check(Object.keys(tensors).length > 0, () => ({ op, argument: 'a', expected: 'a tensor where b is none', got: show(a) }))
  const engine = engineOf(op, tensors, { out })
  const context: Context = { op, shapes: { a: tensors.a?.shape, b: tensors.b?.shape, out: out?.shape } }
  const clamp = fusedClamp(activation, context)
  const y = runBinary(code, engine, a, b, out, clamp, context)
  const scales = code === BinaryOp.mul || code === BinaryOp.div
  engine.tape?.record(op, y, tensors, { ...(scales ? tensors : {}), y: clamp === NO_CLAMP ? undefined : y }, (dy, kept: Record<string, Tensor | undefined>) =>
    arithmeticBackward(code, kept.y ? clampBackward(dy, kept.y, clamp) : dy, kept.a ?? a, kept.b ?? b),
  )
  return finishActivation(activation, y)
}

/** da and db: summed over the axes along which a or b was broadcast. */
function arithmeticBackward(code: BinaryOp, dy: Tensor, a: Tensor | number, b: Tensor | number): { a: () => Tensor; b: () => Tensor } {
  const back = (operand: Tensor | number, derivative: () => Tensor) => () => dy.engine.scope(() => sumTo(derivative(), (operand as Tensor).shape))
  const both = (da: () => Tensor, db: () => Tensor) => ({ a: back(a, da), b: back(b, db) })
  if (code === BinaryOp.add) return both(() => dy, () => dy) // biome-ignore format: one line
  if (code === BinaryOp.sub) return both(() => dy, () => mul(dy, -1)) // biome-ignore format: one line
  if (code === BinaryOp.mul) return both(() => mul(dy, b), () => mul(dy, a)) // biome-ignore format: one line
  return both(() => div(dy, b), () => mul(div(mul(dy, -1), b), div(a, b))) // biome-ignore format: one line
}

/**
 * a + b, with NumPy's broadcasting: shapes are aligned at their last axis, and a length of 1 (or none) is repeated.
 *
 * @param a a tensor or a number
 * @param b a tensor or a number; one of the two is a tensor
 * @param options no activation; out: a tensor of the result's shape to write into, which may be a or b
 * @returns the common shape
 * @throws FilterbankError for shapes that do not broadcast, an unknown activation, or an `out` of another shape; nothing is allocated then
 * @example const y = add(x, shortcut, { activation: 'relu' })
 */
export function add(a: Tensor | number, b: Tensor | number, options: ArithmeticOptions = {}): Tensor {
  return arithmetic('add', BinaryOp.add, a, b, options)
}

/**
 * a - b; broadcasting, options and errors as of `add`.
 * @example const centred = sub(x, mean(x, { axes: -1, keepDims: true }))
 */
export function sub(a: Tensor | number, b: Tensor | number, options: ArithmeticOptions = {}): Tensor {
  return arithmetic('sub', BinaryOp.sub, a, b, options)
}

/**
 * a * b, element by element; broadcasting, options and errors as of `add`.
 * @example const gated = mul(x, sigmoid(gate))
 */
export function mul(a: Tensor | number, b: Tensor | number, options: ArithmeticOptions = {}): Tensor {
  return arithmetic('mul', BinaryOp.mul, a, b, options)
}

/**
 * a / b, element by element, as IEEE 754 divides; broadcasting, options and errors as of `add`.
 * @example const scaled = div(x, 255)
 */
export function div(a: Tensor | number, b: Tensor | number, options: ArithmeticOptions = {}): Tensor {
  return arithmetic('div', BinaryOp.div, a, b, options)
}
