/** Products and normalisations. */
import { type Call, float, type Operator, type Operators, plain, type Result } from '../call.js'
import type { Value } from '../value.js'
import { channelsFirst, inOrder } from '../value.js'
import { activated } from './elementwise.js'
import { weighted } from './window.js'

const linear: Operator = (call) => {
  const { activation } = call.options<{ activation?: unknown }>()
  const weight = call.value('weight')
  const outside = weight.shape[1]!
  const [w, b] = weighted(call, weight, 'weight', [0, 1], (i) => i % outside) as [string, string?]
  const x = call.value().as(inOrder(call.rank))
  const product = () => {
    const y = call.node('MatMul', [x, w])
    return b ? call.node('Add', [y, b]) : y
  }
  const y = call.rank === 2 ? call.node('Gemm', b ? [x, w, b] : [x, w]) : product()
  return plain(call, activated(call, y, call.fold ? call.fold.activation : activation))
}

const matmul: Operator = (call) => {
  const inputs = ['a', 'b'].map((name) => {
    const value = call.value(name)
    return value.as(inOrder(value.rank))
  })
  return plain(call, call.node('MatMul', inputs))
}

/** A vector that an op takes, or one of the same number throughout where it was left out. */
const vector = (call: Call, name: string, otherwise: number, length: number): string =>
  call.has(name) ? call.value(name).as([0]) : call.filled(name, otherwise, length)

interface NormOptions {
  epsilon: number
  activation?: unknown
}

/** Its running statistics as a scale and an offset: what `batchNorm` computes. */
export function statisticsOf(call: {
  has(name: string): boolean
  value(name: string): Value
  options<T>(): T
}): { scale: Float64Array; offset: Float64Array } {
  const numbers = (name: string) => (call.has(name) ? call.value(name).numbers : undefined)
  const [mean, variance] = [numbers('mean')!, numbers('variance')!]
  const [scale, offset] = [numbers('scale'), numbers('offset')]
  const { epsilon } = call.options<NormOptions>()
  const scales = Float64Array.from(variance, (value, c) => (scale?.[c] ?? 1) / Math.sqrt(value + epsilon))
  return { scale: scales, offset: scales.map((value, c) => (offset?.[c] ?? 0) - mean[c]! * value) }
}

const batchNorm: Operator = (call) => {
  const { epsilon, activation } = call.options<NormOptions>()
  const x = call.value()
  const channels = x.shape.at(-1)!
  const names = ['scale', 'offset', 'mean', 'variance']
  const { order } = x.any()
  const known = names.every((name) => !call.has(name) || call.value(name).numbers)
  if (known && order.at(-1) === call.rank - 1 && call.rank !== 2) {
    // Its channels stand last: two operators that broadcast, rather than a transpose and back.
    const { scale, offset } = statisticsOf(call)
    const constant = (name: string, numbers: Float64Array) =>
      call.sheet.constant(Float32Array.from(numbers), [channels], call.sheet.graph.placed(name)).as([0])
    const scaled = call.node('Mul', [x.any().name, constant('scale', scale)])
    const y = call.node('Add', [scaled, constant('offset', offset)])
    return { name: activated(call, y, activation), order }
  }
  const first = channelsFirst(call.rank)
  const vectors = names.map((name, i) => vector(call, name, i === 0 || i === 3 ? 1 : 0, channels))
  const y = call.node('BatchNormalization', [x.as(first), ...vectors], { epsilon: float(epsilon) })
  return { name: activated(call, y, activation), order: first }
}

interface RowsOptions extends NormOptions {
  axis: number
}

/** A scale or an offset of the shape of the last axes; ones where there has to be one. */
function affine(call: Call, name: 'scale' | 'offset', axis: number): string {
  if (call.has(name)) return call.value(name).as(inOrder(call.rank - axis))
  if (name === 'offset') return ''
  const shape = call.same('shape', ({ outputs }) => outputs[0]!.shape.slice(axis))
  const ones = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1)
  return call.sheet.constant(ones, shape, call.sheet.graph.placed('scale')).as(inOrder(shape.length))
}

const layerNorm: Operator = (call) => {
  const { axis, epsilon } = call.options<RowsOptions>()
  const inputs = [
    call.value().as(inOrder(call.rank)),
    affine(call, 'scale', axis),
    affine(call, 'offset', axis),
  ]
  const given = inputs[2] ? inputs : inputs.slice(0, 2)
  return plain(
    call,
    call.node('LayerNormalization', given, { axis: axis - call.rank, epsilon: float(epsilon) }),
  )
}

/** RMSNormalization came with opset 23; most runtimes know what it is made of. */
const rmsNorm: Operator = (call) => {
  const { axis, epsilon } = call.options<RowsOptions>()
  const x = call.value().as(inOrder(call.rank))
  const axes = Array.from({ length: call.rank - axis }, (_, i) => i - (call.rank - axis))
  const squares = call.node('Mul', [x, x])
  const mean = call.node('ReduceMean', [squares, call.sheet.integers('axes', axes)], { keepdims: 1 })
  const root = call.node('Sqrt', [call.node('Add', [mean, call.scalar(epsilon)])])
  const y = call.node('Div', [x, root])
  return plain(call, call.has('scale') ? call.node('Mul', [y, affine(call, 'scale', axis)]) : y)
}

/** Each group as one channel of an instance norm, which every runtime has; then scale and offset. */
const groupNorm: Operator = (call) => {
  const { groups, epsilon, activation } = call.options<NormOptions & { groups: number }>()
  const value = call.value()
  const channels = value.shape.at(-1)!
  const order = channelsFirst(call.rank)
  const x = value.as(order)
  const attributes = { epsilon: float(epsilon) }
  const vectorOf = (name: string, otherwise: number) => vector(call, name, otherwise, channels)
  if (groups === channels && call.rank > 2) {
    const inputs = [x, vectorOf('scale', 1), vectorOf('offset', 0)]
    const y = call.node('InstanceNormalization', inputs, attributes)
    return { name: activated(call, y, activation), order }
  }
  const joined = call.node('Reshape', [x, call.sheet.integers('groups', [0, groups, -1])])
  const ones = [call.filled('one', 1, groups), call.filled('zero', 0, groups)]
  const normal = call.node('InstanceNormalization', [joined, ...ones], attributes)
  let y = call.node('Reshape', [normal, call.node('Shape', [x])])
  for (const [name, op] of [
    ['scale', 'Mul'],
    ['offset', 'Add'],
  ] as const) {
    if (!call.has(name)) continue
    const given = call.value(name)
    const shape = [channels, ...new Array<number>(call.rank - 2).fill(1)]
    const wide = call.sheet.reshaped(
      given,
      given.shapes.map(() => shape),
    )
    y = call.node(op, [y, wide.as(inOrder(shape.length))])
  }
  return { name: activated(call, y, activation), order } satisfies Result
}

export const matrix: Operators = { linear, matmul, batchNorm, layerNorm, rmsNorm, groupNorm }
