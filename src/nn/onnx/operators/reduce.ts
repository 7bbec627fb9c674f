/** Ops along axes: reductions, sums that run, what is sorted. */
import type { DType } from '../../../core/dtype.js'
import { type Operator, type Operators, plain, type Result } from '../call.js'
import { idOf, inOrder } from '../value.js'

interface ReduceOptions {
  axes: readonly number[]
  keepDims: boolean
}

/** Axes that are left, as they stand in the graph, counted anew. */
function remaining(order: readonly number[], gone: readonly number[]): number[] {
  const left = order.filter((axis) => !gone.includes(axis))
  const ranked = [...left].sort((a, b) => a - b)
  return left.map((axis) => ranked.indexOf(axis))
}

const reduce =
  (op: string): Operator =>
  (call) => {
    const { axes, keepDims } = call.options<ReduceOptions>()
    const { name, order } = call.value().any()
    if (axes.length === 0) return { name, order }
    const where = call.sheet.integers(
      'axes',
      axes.map((axis) => order.indexOf(axis)),
    )
    const y = call.node(op, [name, where], { keepdims: Number(keepDims) })
    return { name: y, order: keepDims ? order : remaining(order, axes) }
  }

/** Over several axes: they are one for it. */
const argmax: Operator = (call) => {
  const { axes, keepDims, dtype } = call.options<ReduceOptions & { dtype: DType }>()
  const value = call.value()
  const { name, order } = axes.length === 1 ? value.any() : { name: value.as(inOrder(value.rank)), order: [] }
  const typed = (indices: string) => call.node('Cast', [indices], { to: idOf(dtype) })
  if (axes.length === 1) {
    const y = call.node('ArgMax', [name], { axis: order.indexOf(axes[0]!), keepdims: Number(keepDims) })
    return { name: typed(y), order: keepDims ? order : remaining(order, axes) }
  }
  const first = Math.min(...axes, value.rank)
  const joined = value.shapes.map((shape) => {
    const count = axes.reduce((product, axis) => product * shape[axis]!, 1)
    return [...shape.slice(0, first), count, ...shape.slice(first + axes.length)]
  })
  const flat = call.sheet.reshaped(value, joined)
  const y = call.node('ArgMax', [flat.as(inOrder(flat.rank))], { axis: first, keepdims: 0 })
  if (!keepDims) return plain(call, typed(y))
  const wide = call.node('Unsqueeze', [y, call.sheet.integers('axes', axes)])
  return plain(call, typed(wide))
}

const softmax =
  (op: string): Operator =>
  (call) => {
    const { axis } = call.options<{ axis: number }>()
    const { name, order } = call.value().any()
    return { name: call.node(op, [name], { axis: order.indexOf(axis) }), order }
  }

const cumsum: Operator = (call) => {
  const { axis, exclusive, reverse } = call.options<{ axis: number; exclusive: boolean; reverse: boolean }>()
  const { name, order } = call.value().any()
  const at = call.sheet.graph.initializer(call.sheet.graph.placed('axis'), {
    data: BigInt64Array.of(BigInt(order.indexOf(axis))),
    shape: [],
  })
  const attributes = { exclusive: Number(exclusive), reverse: Number(reverse) }
  return { name: call.node('CumSum', [name, at], attributes), order }
}

const topK: Operator = (call): Result[] => {
  const { axis, largest } = call.options<{ axis: number; largest: boolean }>()
  const k = call.same('k', ({ options }) => (options as { k: number }).k)
  const { name, order } = call.value().any()
  const [values, indices] = call.sheet.graph.emit(
    'TopK',
    [name, call.sheet.integers('k', [k])],
    { axis: order.indexOf(axis), largest: Number(largest), sorted: 1 },
    [true, true],
  ) as [string, string]
  return [
    { name: values, order },
    { name: call.node('Cast', [indices], { to: idOf('int32') }), order },
  ]
}

export const reductions: Operators = {
  sum: reduce('ReduceSum'),
  mean: reduce('ReduceMean'),
  max: reduce('ReduceMax'),
  min: reduce('ReduceMin'),
  prod: reduce('ReduceProd'),
  norm: reduce('ReduceL2'),
  argmax,
  softmax: softmax('Softmax'),
  logSoftmax: softmax('LogSoftmax'),
  cumsum,
  topK,
}
