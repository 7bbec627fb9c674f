/**
 * The plans of assembly/elementwise.ts and assembly/binary.ts: functions of one tensor, of two with
 * broadcasting. Shared by activations and arithmetic.
 */

import { check, FilterbankError, show } from '../base/errors.js'
import { broadcastShapes, broadcastStrides, type Shape, sameShape } from '../base/shape.js'
import { type DType, wordOfElement } from '../core/dtype.js'
import { checkType, type Engine } from '../core/engine.js'
import type { Names } from '../core/options.js'
import { type AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { BINARY_BLOCKS, type BinaryAxis, BinaryOp, OperandKind, UNARY_BLOCK, UnaryOp } from '../wasm/abi.js'

/** Where an op that works element by element writes to. */
export interface OutOptions<D extends DType = 'float32'> {
  /** A tensor of the result's shape and type to write into, instead of a new one. It may be an input. */
  out?: Tensor<D>
}

/** The bounds of a store that clamps nothing. */
export const NO_CLAMP = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const

export const OUT: Names<OutOptions> = { out: true }

/** An op that is recorded makes a new tensor: what `out` held before may be needed in backward. */
export function checkNoTape(engine: Engine, out: AnyTensor | undefined, context: Context): void {
  check(!out || !engine.tape, () => ({
    ...context,
    argument: 'out',
    expected: 'left out inside valueAndGradients',
    got: show(out?.shape),
  }))
}

/** Throws unless `out`, where it was given, is of this shape and type, and nobody may need what it held. */
export function checkOut(
  engine: Engine,
  shape: Shape,
  out: AnyTensor | undefined,
  context: Context,
  dtype: DType = 'float32',
): void {
  check(!out || sameShape(out.shape, shape), () => ({
    ...context,
    argument: 'out',
    expected: show(shape),
    got: show(out?.shape),
  }))
  if (out) checkType(context.op, 'out', out, [dtype])
  checkNoTape(engine, out, context)
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
  checkOut(engine, shape, out, context, dtype)
  if (!out) return engine.make(shape, write, dtype === 'float32' ? undefined : { dtype })
  write(out)
  return out.changed()
}

/**
 * Operations that cost little more than moving the numbers; the others are worth about this many
 * multiply-adds.
 */
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
  engine.run({
    kernel: 'unary',
    args: {
      op,
      x: x.pointer,
      y: y.pointer,
      size: x.size,
      a,
      b,
    },
    units: Math.ceil(x.size / UNARY_BLOCK),
    work: x.size * (CHEAP.has(op) ? 1 : DEAR_WORK),
  })
}

/**
 * dx = dy * f'(v), each element by itself, where v is what the operation reads in backward: its input, or
 * for a clamp its output.
 */
export function unaryBackward(op: UnaryOp, dy: Tensor, v: Tensor, a: number, b: number): Tensor {
  const { engine } = dy
  return engine.make(v.shape, (dx) => {
    engine.run({
      kernel: 'unaryBackward',
      args: {
        op,
        dy: dy.pointer,
        v: v.pointer,
        dx: dx.pointer,
        size: v.size,
        a,
        b,
      },
      units: Math.ceil(v.size / UNARY_BLOCK),
      work: v.size * (CHEAP.has(op) ? 1 : DEAR_WORK),
    })
  })
}

/**
 * Floats worked on at a time, so that what is spread out for them stays in the first cache. Witness: bench of
 * add with a vector per channel.
 */
const BLOCK = 1024

/** The axes of a broadcast, neighbours joined wherever both operands go on in step. */
export function broadcastAxes(a: Shape, b: Shape, shape: Shape): BinaryAxis[] {
  const [aSteps, bSteps] = [broadcastStrides(a, shape), broadcastStrides(b, shape)]
  const axes: BinaryAxis[] = []
  for (const [i, length] of shape.entries()) {
    if (length === 1) continue
    const outer = axes.at(-1)
    const [aStep, bStep] = [aSteps[i]!, bSteps[i]!]
    const joins = outer !== undefined && outer.aStep === aStep * length && outer.bStep === bStep * length
    if (joins) axes[axes.length - 1] = { length: outer.length * length, aStep, bStep }
    else axes.push({ length, aStep, bStep })
  }
  return axes.length ? axes : [{ length: 1, aStep: 0, bStep: 0 }]
}

/** After how many outputs an operand begins anew. */
function periodOf(axes: BinaryAxis[], operand: 'aStep' | 'bStep'): number {
  const first = axes.findIndex((axis) => axis[operand] !== 0)
  return first < 0 ? 1 : axes.slice(first).reduce((period, { length }) => period * length, 1)
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
  const shape = commonShape({ a, b }, context)
  return produce(engine, shape, out, context, (y) => writeBinary(op, a, b, y, clamp))
}

const shapeOf = (operand: AnyTensor | number): Shape => (operand instanceof Tensor ? operand.shape : [])

/** The shape that operands broadcast to, by their names; throws where they do not. */
export function commonShape(operands: Record<string, AnyTensor | number>, context: Context): Shape {
  let shape: Shape = []
  for (const argument in operands) {
    const next = shapeOf(operands[argument]!)
    const common = shape.length ? broadcastShapes(shape, next) : next
    if (!common)
      throw new FilterbankError({
        ...context,
        argument,
        expected: `of a shape that broadcasts with ${show(shape)}`,
        got: show(next),
      })
    shape = common
  }
  return shape
}

/**
 * y = clamp(f(a, b)), of the operands' common shape: of float32, of int32 (without the clamp), or bytes of
 * comparisons. A number is as the operation wants it.
 */
export function writeBinary(
  op: BinaryOp,
  a: AnyTensor | number,
  b: AnyTensor | number,
  y: AnyTensor,
  [low, high]: readonly [number, number],
): void {
  const { engine, shape, size } = y
  if (size === 0) return
  const axes = broadcastAxes(shapeOf(a), shapeOf(b), shape)
  const settle = (operand: AnyTensor | number, which: 'aStep' | 'bStep') => {
    if (operand instanceof Tensor && operand.size === size) return { kind: OperandKind.flat, period: 1 }
    const period = periodOf(axes, which)
    return period <= BLOCK ? { kind: OperandKind.repeated, period } : { kind: OperandKind.spread, period: 1 }
  }
  const [planA, planB] = [settle(a, 'aStep'), settle(b, 'bStep')]
  // Of two periods the longer is a multiple of the shorter: both are products of the last lengths.
  const period = Math.max(planA.period, planB.period)
  const block = Math.floor(BLOCK / period) * period
  engine.scratch(4 * (48 + 2 * block))

  const number = typeof a === 'number' ? a : typeof b === 'number' ? b : 0
  engine.run({
    kernel: binaryKernel(op),
    args: {
      op,
      y: y.pointer,
      size,
      block,
      a: a instanceof Tensor ? a.pointer : 0,
      aKind: planA.kind,
      b: b instanceof Tensor ? b.pointer : 0,
      bKind: planB.kind,
      low,
      high,
      number: wordOfElement(number, (a instanceof Tensor ? a : (b as AnyTensor)).dtype),
      rank: axes.length,
      axes,
    },
    units: Math.ceil(size / block / BINARY_BLOCKS),
    work: size * (DEAR_BINARY.has(op) ? DEAR_WORK : 1),
  })
}

/** The kernel that knows an operation. */
function binaryKernel(op: BinaryOp): 'binary' | 'binaryLanes' | 'binaryInts' | 'compare' {
  if (op < BinaryOp.pow) return 'binary'
  if (op < BinaryOp.addInt) return 'binaryLanes'
  return op < BinaryOp.isEqual ? 'binaryInts' : 'compare'
}

const DEAR_BINARY: ReadonlySet<BinaryOp> = new Set([BinaryOp.pow, BinaryOp.mod])
