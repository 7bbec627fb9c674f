/** The plans of assembly/elementwise.ts: functions of one tensor, of two with broadcasting. Shared by activations and arithmetic. */
import { BINARY_BLOCKS, Binary, BinaryOp, OperandKind, UNARY_BLOCK, Unary, UnaryBackward, UnaryOp } from '../../assembly/calls.js'
import type { DType } from '../dtype.js'
import { checkType, type Engine } from '../engine.js'
import { check, show } from '../errors.js'
import type { Names } from '../options.js'
import { broadcastShapes, broadcastStrides, type Shape, sameShape } from '../shape.js'
import { type AnyTensor, Tensor } from '../tensor.js'
import type { Context } from '../window.js'

/** Where an op that works element by element writes to. */
export interface OutOptions<D extends DType = 'float32'> {
  /** A tensor of the result's shape and type to write into, instead of a new one. It may be an input. */
  out?: Tensor<D>
}

export const OUT: Names<OutOptions> = { out: true }

/** An op that is recorded makes a new tensor: what `out` held before may be needed on the way back. */
export function checkNoTape(engine: Engine, out: AnyTensor | undefined, context: Context): void {
  check(!out || !engine.tape, () => ({ ...context, argument: 'out', expected: 'left out inside valueAndGradients', got: show(out?.shape) }))
}

/** `write` writes into `out` where it was given and fits, else into a new tensor. */
export function produce<D extends DType = 'float32'>(
  engine: Engine,
  shape: Shape,
  out: Tensor<D> | undefined,
  context: Context,
  write: (y: Tensor<D>) => void,
  dtype = 'float32' as D,
): Tensor<D> {
  check(!out || sameShape(out.shape, shape), () => ({ ...context, argument: 'out', expected: show(shape), got: show(out?.shape) }))
  if (!out) return engine.make(shape, write, dtype === 'float32' ? undefined : { dtype })
  checkType(context.op, 'out', out, [dtype])
  checkNoTape(engine, out, context)
  write(out)
  return out.changed()
}

/** Operations that cost little more than moving the numbers; the others are worth about this many multiply-adds. */
const CHEAP: ReadonlySet<UnaryOp> = new Set([
  UnaryOp.clamp,
  UnaryOp.leakyRelu,
  UnaryOp.hardSigmoid,
  UnaryOp.hardSwish,
  UnaryOp.neg,
  UnaryOp.abs,
  UnaryOp.sign,
  UnaryOp.floor,
  UnaryOp.ceil,
  UnaryOp.round,
  UnaryOp.trunc,
  UnaryOp.negInt,
  UnaryOp.absInt,
])
const DEAR_WORK = 16

/** y = f(x, a, b), each element by itself; y may be x. */
export function runUnary(op: UnaryOp, x: AnyTensor, y: AnyTensor, a: number, b: number): void {
  const { engine } = x
  engine.scratch(64)
  const { i32, f32 } = engine
  const call = engine.call(Unary.length)
  i32[call + Unary.op] = op
  i32[call + Unary.x] = x.pointer
  i32[call + Unary.y] = y.pointer
  i32[call + Unary.size] = x.size
  f32[call + Unary.a] = a
  f32[call + Unary.b] = b
  engine.run('unary', call, Math.ceil(x.size / UNARY_BLOCK), x.size * (CHEAP.has(op) ? 1 : DEAR_WORK))
}

/** dx = dy * f'(v), each element by itself, where v is what the operation reads on the way back: its input, or for a clamp its output. */
export function unaryBackward(op: UnaryOp, dy: Tensor, v: Tensor, a: number, b: number): Tensor {
  const { engine } = dy
  return engine.make(v.shape, (dx) => {
    const { i32, f32 } = engine
    const call = engine.call(UnaryBackward.length)
    i32[call + UnaryBackward.op] = op
    i32[call + UnaryBackward.dy] = dy.pointer
    i32[call + UnaryBackward.v] = v.pointer
    i32[call + UnaryBackward.dx] = dx.pointer
    i32[call + UnaryBackward.size] = v.size
    f32[call + UnaryBackward.a] = a
    f32[call + UnaryBackward.b] = b
    engine.run('unaryBackward', call, Math.ceil(v.size / UNARY_BLOCK), v.size * (CHEAP.has(op) ? 1 : DEAR_WORK))
  })
}

/** Floats worked on at a time, so that what is spread out for them stays in the first cache. Witness: bench of add with a vector per channel. */
const BLOCK = 1024

/** One axis of a broadcast: its length, and the distance in elements between neighbours in a and in b, 0 where broadcast. */
type BroadcastAxis = [length: number, a: number, b: number]

/** The axes of a broadcast, neighbours joined wherever both operands go on in step. */
function broadcastAxes(a: Shape, b: Shape, shape: Shape): BroadcastAxis[] {
  const [as, bs] = [broadcastStrides(a, shape), broadcastStrides(b, shape)]
  const axes: BroadcastAxis[] = []
  for (const [i, length] of shape.entries()) {
    if (length === 1) continue
    const outer = axes.at(-1)
    const next: BroadcastAxis = [length, as[i]!, bs[i]!]
    if (outer && outer[1] === next[1] * length && outer[2] === next[2] * length) axes[axes.length - 1] = [outer[0] * length, next[1], next[2]]
    else axes.push(next)
  }
  return axes.length ? axes : [[1, 0, 0]]
}

/** After how many outputs operand 1 (a) or 2 (b) begins anew. */
function periodOf(axes: BroadcastAxis[], operand: 1 | 2): number {
  const first = axes.findIndex((axis) => axis[operand] !== 0)
  return first < 0 ? 1 : axes.slice(first).reduce((period, [length]) => period * length, 1)
}

/** y = clamp(f(a, b)) by NumPy's broadcasting; one operand may be a number. */
export function runBinary(
  op: BinaryOp,
  engine: Engine,
  a: Tensor | number,
  b: Tensor | number,
  out: Tensor | undefined,
  clamp: readonly [number, number],
  context: Context,
): Tensor {
  const shape = commonShape(a, b, context)
  return produce(engine, shape, out, context, (y) => writeBinary(op, a, b, y, clamp))
}

const shapeOf = (operand: AnyTensor | number): Shape => (operand instanceof Tensor ? operand.shape : [])

/** The shape that two operands broadcast to; throws where they do not. */
export function commonShape(a: AnyTensor | number, b: AnyTensor | number, context: Context): number[] {
  const shape = broadcastShapes(shapeOf(a), shapeOf(b))
  check(shape !== undefined, () => ({ ...context, argument: 'b', expected: `of a shape that broadcasts with ${show(shapeOf(a))}`, got: show(shapeOf(b)) }))
  return shape
}

/** y = clamp(f(a, b)), of the operands' common shape: of float32, of int32 (without the clamp), or bytes of comparisons. A number is as the operation wants it. */
export function writeBinary(op: BinaryOp, a: AnyTensor | number, b: AnyTensor | number, y: AnyTensor, [low, high]: readonly [number, number]): void {
  const { engine, shape, size } = y
  if (size === 0) return
  const axes = broadcastAxes(shapeOf(a), shapeOf(b), shape)
  const settle = (operand: AnyTensor | number, which: 1 | 2) => {
    if (operand instanceof Tensor && operand.size === size) return { kind: OperandKind.flat, period: 1 }
    const period = periodOf(axes, which)
    return period <= BLOCK ? { kind: OperandKind.repeated, period } : { kind: OperandKind.spread, period: 1 }
  }
  const [planA, planB] = [settle(a, 1), settle(b, 2)]
  // Of two periods the longer is a multiple of the shorter: both are products of the last lengths.
  const period = Math.max(planA.period, planB.period)
  const block = Math.floor(BLOCK / period) * period
  engine.scratch(4 * (48 + 2 * block))

  const { i32, f32 } = engine
  const call = engine.call(Binary.axes + 3 * axes.length)
  i32[call + Binary.op] = op
  i32[call + Binary.y] = y.pointer
  i32[call + Binary.size] = size
  i32[call + Binary.block] = block
  i32[call + Binary.a] = a instanceof Tensor ? a.pointer : 0
  i32[call + Binary.aKind] = planA.kind
  i32[call + Binary.b] = b instanceof Tensor ? b.pointer : 0
  i32[call + Binary.bKind] = planB.kind
  f32[call + Binary.low] = low
  f32[call + Binary.high] = high
  const number = typeof a === 'number' ? a : typeof b === 'number' ? b : 0
  if ((a instanceof Tensor ? a : (b as AnyTensor)).dtype === 'int32') i32[call + Binary.number] = number
  else f32[call + Binary.number] = number
  i32[call + Binary.rank] = axes.length
  i32.set(axes.flat(), call + Binary.axes)
  engine.run('binary', call, Math.ceil(size / block / BINARY_BLOCKS), size * (DEAR_BINARY.has(op) ? DEAR_WORK : 1))
}

const DEAR_BINARY: ReadonlySet<BinaryOp> = new Set([BinaryOp.pow, BinaryOp.mod])
