/** Reductions over any axes: the plan of assembly/reduce.ts. */

import { check, show } from '../base/errors.js'
import { type Shape, sameShape, sizeOf, stridesOf } from '../base/shape.js'
import { type DType, listOf, NUMBERS } from '../core/dtype.js'
import { type Engine, engineOf } from '../core/engine.js'
import { checkOptions, isInteger, type Names } from '../core/options.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { copy } from '../plans/copy.js'
import { NO_CLAMP, runBinary, unaryBackward } from '../plans/elementwise.js'
import { BinaryOp, ReduceOp, UnaryOp } from '../wasm/abi.js'

/** What `sum`, `mean`, `max` and `min` take beside x. */
export interface ReduceOptions {
  /** The axes to go over, one or several; negative ones count from the end. Default: all. */
  axes?: number | readonly number[]
  /** Leave the axes in the shape, with length 1. Default false. */
  keepDims?: boolean
}

/** What `argmax` takes beside x. */
export interface ArgmaxOptions<D extends 'float32' | 'int32' = 'float32' | 'int32'> extends ReduceOptions {
  /** The axis to go over; the same as `axes`. Default: all axes. */
  axis?: number
  /**
   * What the indexes are given in. Default float32, so that arithmetic with other tensors takes them; int32
   * is what `gather` takes as it is.
   */
  dtype?: D
}

export const REDUCE: Names<ReduceOptions> = { axes: true, keepDims: true }
const ARGMAX: Names<ArgmaxOptions> = { axis: true, axes: true, keepDims: true, dtype: true }

/**
 * The sum over axes. Kept in float64 along neighbouring axes, and rounded to float32 between those that are
 * not neighbours. Over no elements it is 0. Definition: ONNX ReduceSum.
 *
 * @param x any shape
 * @param options axes: all, which gives shape []; keepDims false
 * @returns x's shape without the axes, or with length 1 there
 * @throws FilterbankError for an axis that x does not have or that is named twice; nothing is allocated then
 * @example const total = sum(x)
 */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions('sum', options, REDUCE)
  return reduce('sum', ReduceOp.sum, x, options.axes, options)
}

/**
 * The mean over axes, summed as by `sum`; options and errors as there, and no elements are an error.
 * Definition: ONNX ReduceMean.
 * @example const brightness = mean(photo, { axes: [1, 2] })
 */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions('mean', options, REDUCE)
  return reduce('mean', ReduceOp.mean, x, options.axes, options)
}

/**
 * The largest element over axes, NaN where there is one (as NumPy); options as of `sum`, and no elements are
 * an error. Definition: ONNX ReduceMax.
 * @example const peak = max(x)
 */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions('max', options, REDUCE)
  return reduce('max', ReduceOp.max, x, options.axes, options)
}

/**
 * The smallest element over axes, NaN where there is one (as NumPy); options as of `sum`, and no elements are
 * an error. Definition: ONNX ReduceMin.
 * @example const darkest = min(photo, { axes: [1, 2], keepDims: true })
 */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions('min', options, REDUCE)
  return reduce('min', ReduceOp.min, x, options.axes, options)
}

/**
 * Where the largest element stands: its index along the axis, in float32 or int32; the first of equals, and
 * the first NaN where there is one (as NumPy). Over several neighbouring axes it is the row-major index in
 * them. Definition: NumPy argmax.
 *
 * @param x any shape
 * @param options axis (or axes): all; keepDims false; dtype float32
 * @returns x's shape without the axis, or with length 1 there
 * @throws FilterbankError as `sum`, for axes that are not neighbours, and for no elements; in float32 for
 *   more than 2^24, whose indices it does not hold
 * @example const labels = argmax(logits, { axis: -1 })
 */
export function argmax(x: Tensor, options?: ArgmaxOptions & { dtype?: undefined }): Tensor
/** The same, in the type that `dtype` names. */
export function argmax<D extends 'float32' | 'int32'>(
  x: Tensor,
  options: ArgmaxOptions<D> & { dtype: D },
): Tensor<D>
export function argmax<D extends 'float32' | 'int32'>(x: Tensor, options: ArgmaxOptions<D> = {}): Tensor<D> {
  checkOptions('argmax', options, ARGMAX)
  const { dtype = 'float32' as D } = options
  check(NUMBERS.includes(dtype), () => ({
    op: 'argmax',
    argument: 'dtype',
    expected: listOf(NUMBERS),
    got: show(dtype),
  }))
  const code = dtype === 'int32' ? ReduceOp.argmaxInt : ReduceOp.argmax
  return reduce('argmax', code, x, options.axis ?? options.axes, options, dtype)
}

/** Sums over all axes but the last: what comes back to a bias. */
export const channelSums = (dy: Tensor): Tensor => sum(dy, { axes: dy.shape.slice(1).map((_, axis) => axis) })

/** `dy` summed over the axes along which `shape` was broadcast to it: what comes back to an operand. */
export function sumTo(dy: Tensor, shape: Shape): Tensor {
  if (sameShape(dy.shape, shape)) return dy
  const missing = dy.shape.length - shape.length
  const axes = dy.shape.flatMap((length, axis) =>
    axis < missing || (shape[axis - missing] === 1 && length !== 1) ? [axis] : [],
  )
  return dy.engine.scope(() => (axes.length ? sum(dy, { axes }) : dy).reshape(shape))
}

/** Axes as indices from the start; throws for any that x lacks, and for repeats. Shared with softmax. */
export function axesOf(
  axes: number | readonly number[],
  { length: rank }: Shape,
  argument: string,
  context: Context,
): number[] {
  const list = Array.isArray(axes) ? axes : [axes]
  check(
    list.every((axis) => isInteger(axis, -rank, rank - 1)),
    () => ({
      ...context,
      argument,
      expected: rank ? `integers from ${-rank} to ${rank - 1}` : 'none, for a scalar',
      got: show(axes),
    }),
  )
  const settled = list.map((axis) => (axis < 0 ? axis + rank : axis))
  check(new Set(settled).size === settled.length, () => ({
    ...context,
    argument,
    expected: 'each axis once',
    got: show(axes),
  }))
  return settled
}

/** Throws where there is nothing along the axes. */
export function checkSome(count: number, context: Context): void {
  check(count > 0, () => ({
    ...context,
    argument: 'x',
    expected: 'of at least one element along the axes',
    got: 'none',
  }))
}

/** Shared with norms.ts, whose ops tell the tape themselves. */
export function reduce<D extends DType = 'float32'>(
  op: string,
  code: ReduceOp,
  x: Tensor,
  wanted: number | readonly number[] | undefined,
  { keepDims = false }: ReduceOptions,
  dtype = 'float32' as D,
): Tensor<D> {
  const engine = engineOf(op, { x })
  const context: Context = { op, shapes: { x: x.shape } }
  const axes = new Set(wanted === undefined ? x.shape.keys() : axesOf(wanted, x.shape, 'axes', context))
  const count = sizeOf(x.shape.filter((_, axis) => axes.has(axis)))
  const fromNothing = code === ReduceOp.sum || code === ReduceOp.prod || code === ReduceOp.norm
  if (!fromNothing) checkSome(count, context)
  const shape = x.shape.flatMap((length, axis) => (axes.has(axis) ? (keepDims ? [1] : []) : [length]))

  const runs = runsOf(x.shape, axes)
  const isIndex = code === ReduceOp.argmax || code === ReduceOp.argmaxInt
  if (isIndex) {
    check(runs.length <= 1, () => ({
      ...context,
      argument: 'axes',
      expected: 'one axis, or axes that are neighbours',
      got: show(wanted),
    }))
    check(count <= 2 ** 24 || code === ReduceOp.argmaxInt, () => ({
      ...context,
      argument: 'x',
      expected: 'of at most 16777216 elements along the axes',
      got: `${count}`,
    }))
  }
  const y = engine.scope(() => {
    let reduced: AnyTensor = x
    for (const run of runs) {
      const next: AnyTensor =
        run === runs.at(-1) ? engine.empty(shape, { dtype }) : engine.empty([run.outer, run.inner])
      runReduce(engine, code, reduced, next, run)
      reduced = next
    }
    return reduced as Tensor<D>
  })
  engine.trace?.note(op, y, { x }, { axes: [...axes], keepDims, dtype })
  if (isIndex || code === ReduceOp.prod || code === ReduceOp.norm) return y
  if (code === ReduceOp.sum || code === ReduceOp.mean) {
    const factor = code === ReduceOp.mean ? 1 / count : 1
    engine.tape?.record(op, y, { x }, {}, (dy) => ({ x: () => sumBackward(dy, x.shape, axes, factor) }))
  } else
    engine.tape?.record(op, y, { x }, { x, y: y as Tensor }, (dy, kept) => ({
      x: () => extremeBackward(dy, kept.x, kept.y, axes),
    }))
  return y
}

/** Every element of x has the derivative of the sum that it went into, times `factor`. */
function sumBackward(dy: Tensor, shape: Shape, axes: Set<number>, factor: number): Tensor {
  const { engine } = dy
  const kept = shape.map((length, axis) => (axes.has(axis) ? 1 : length))
  const from = stridesOf(kept)
  const to = stridesOf(shape)
  return engine.scope(() => {
    const scaled = factor === 1 ? dy : binary(BinaryOp.mul, engine, dy, factor)
    return engine.make(shape, (dx) => {
      copy(
        engine,
        scaled.pointer,
        dx.pointer,
        shape.map((length, axis) => ({ length, from: axes.has(axis) ? 0 : from[axis]!, to: to[axis]! })),
      )
    })
  })
}

/** Shares dy evenly among the elements that are the largest (or smallest), as PyTorch's amax does. */
function extremeBackward(dy: Tensor, x: Tensor, y: Tensor, axes: Set<number>): Tensor {
  const { engine } = x
  return engine.scope(() => {
    const wide = x.shape.map((length, axis) => (axes.has(axis) ? 1 : length))
    const ones = engine.make(
      x.shape,
      (to) => void engine.f32.fill(1, to.pointer / 4, to.pointer / 4 + to.size),
    )
    const differences = binary(BinaryOp.sub, engine, x, y.reshape(wide))
    // The slope of a clamp to the smallest numbers about 0: 1 where x - y is 0 (or NaN), else 0.
    const hits = unaryBackward(UnaryOp.clamp, ones, differences, -SMALLEST, SMALLEST)
    const counts = sum(hits, { axes: [...axes], keepDims: true })
    return binary(BinaryOp.mul, engine, hits, binary(BinaryOp.div, engine, dy.reshape(wide), counts))
  })
}

const SMALLEST = 2 ** -149

/** Arithmetic that no tape hears of: the ops themselves (arithmetic.ts) sum by what stands here. */
const binary = (op: BinaryOp, engine: Engine, a: Tensor, b: Tensor | number): Tensor =>
  runBinary(op, engine, a, b, undefined, NO_CLAMP, { op: 'reduce', shapes: {} })

/** x as [outer, n, inner]. */
interface Run {
  outer: number
  n: number
  inner: number
}

/**
 * The runs of neighbouring axes to go over, innermost first, each as it stands once those before it are gone.
 * At least one, be it of n = 1.
 */
function runsOf(shape: Shape, axes: Set<number>): Run[] {
  const runs: Run[] = []
  let inner = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (axes.has(axis)) {
      if (runs.at(-1)?.inner !== inner) runs.push({ outer: 0, n: 1, inner })
      const run = runs.at(-1)!
      run.n *= shape[axis]!
      run.outer = sizeOf(shape.slice(0, axis))
    } else inner *= shape[axis]!
  }
  return runs.length ? runs : [{ outer: 1, n: 1, inner }]
}

/** Elements that one unit goes over, about. */
const UNIT = 16384

/** How many of the outputs are one unit: whole strips of 16 columns, or rows. */
export function outputsPerUnit(n: number, inner: number): number {
  const outputs = Math.ceil(UNIT / Math.max(1, n))
  return inner === 1 ? outputs : Math.ceil(outputs / 16) * 16
}

function runReduce(engine: Engine, op: ReduceOp, x: AnyTensor, y: AnyTensor, { outer, n, inner }: Run): void {
  const outputs = outer * inner
  const unit = outputsPerUnit(n, inner)
  engine.run({
    kernel: op === ReduceOp.prod || op === ReduceOp.norm ? 'fold' : 'reduce',
    args: {
      op,
      x: x.pointer,
      y: y.pointer,
      n,
      inner,
      outputs,
      unit,
    },
    units: Math.ceil(outputs / unit),
    work: outputs * n,
  })
}
