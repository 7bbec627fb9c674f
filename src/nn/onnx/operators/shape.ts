/** Ops that move elements. */

import { along } from '../../reordered.js'
import { type Call, commonOrder, type Operator, type Operators, plain } from '../call.js'
import { inOrder, type Value } from '../value.js'

/** No node: the same value, whose axes have other names. */
const transpose: Operator = (call) => {
  const { axes } = call.options<{ axes: readonly number[] }>()
  const { name, order } = call.value().any()
  return { name, order: order.map((axis) => axes.indexOf(axis)) }
}

const concat: Operator = (call) => {
  const { axis } = call.options<{ axis: number }>()
  const values = call.inputs.map((name) => call.value(name))
  const order = commonOrder(values, call.rank)
  const inputs = values.map((value) => value.as(order))
  return { name: call.node('Concat', inputs, { axis: order.indexOf(axis) }), order }
}

interface SliceOptions {
  axes: { first: number; last: number; step: number }[]
}

/** Where an open axis is taken to its end, that is what is written. */
const TO_THE_END = 2 ** 53

const slice: Operator = (call) => {
  const value = call.value()
  const { name, order } = value.any()
  const each = order.map((axis) => {
    const ends = call.notes.map(({ options }) => (options as SliceOptions).axes[axis]!.last)
    const whole = ends.every((end, run) => end === value.shapes[run]![axis])
    const { first, step } = call.same('begin', ({ options }) => {
      const { first, step } = (options as SliceOptions).axes[axis]!
      return { first, step }
    })
    return { first, step, last: whole ? TO_THE_END : call.sheet.same('end', ends) }
  })
  const axes = each.flatMap(({ first, step, last }, axis) =>
    first > 0 || step > 1 || last !== TO_THE_END ? [axis] : [],
  )
  if (axes.length === 0) return { name: call.node('Identity', [name]), order }
  const integers = (what: string, of: (axis: number) => number) => call.sheet.integers(what, axes.map(of))
  const inputs = [
    name,
    integers('starts', (axis) => each[axis]!.first),
    integers('ends', (axis) => each[axis]!.last),
    integers('axes', (axis) => axis),
    integers('steps', (axis) => each[axis]!.step),
  ]
  return { name: call.node('Slice', inputs), order }
}

const flip: Operator = (call) => {
  const { axes } = call.options<{ axes: readonly number[] }>()
  const { name, order } = call.value().any()
  const all = (value: number) => axes.map(() => value)
  const inputs = [
    name,
    call.sheet.integers('starts', all(-1)),
    call.sheet.integers('ends', all(-TO_THE_END)),
    call.sheet.integers(
      'axes',
      axes.map((axis) => order.indexOf(axis)),
    ),
    call.sheet.integers('steps', all(-1)),
  ]
  return { name: call.node('Slice', inputs), order }
}

interface PadOptions {
  padding: readonly (readonly [number, number])[]
  value: number
}

const pad: Operator = (call) => {
  const padding = call.same('padding', ({ options }) => (options as PadOptions).padding)
  const { value } = call.options<PadOptions>()
  const x = call.value()
  const { name, order } = x.any()
  const pads = [0, 1].flatMap((side) => order.map((axis) => padding[axis]![side]!))
  const inputs = [name, call.sheet.integers('pads', pads), call.scalar(value, x.dtype)]
  return { name: call.node('Pad', inputs), order }
}

const tile: Operator = (call) => {
  const repeats = call.same('repeats', ({ options }) => (options as { repeats: number[] }).repeats)
  const { name, order } = call.value().any()
  return { name: call.node('Tile', [name, call.sheet.integers('repeats', along(order, repeats))]), order }
}

interface IndexOptions {
  axis: number
  reduction?: string
  list?: Int32Array
}

/** Indices as the graph has them: integers. */
function indicesOf(call: Call): { name: string; value?: Value } {
  if (!call.has('indices')) {
    const list = call.same('indices', ({ options }) => [...(options as IndexOptions).list!])
    return { name: call.sheet.integers('indices', list) }
  }
  const value = call.value('indices')
  const name = value.as(inOrder(value.rank))
  return { name: value.dtype === 'int32' ? name : call.node('Cast', [name], { to: 7 }), value }
}

const gather: Operator = (call) => {
  const { axis } = call.options<IndexOptions>()
  const table = call.value('table')
  return plain(call, call.node('Gather', [table.as(inOrder(table.rank)), indicesOf(call).name], { axis }))
}

const reductionOf = ({ reduction }: { reduction?: string }): string | undefined =>
  reduction === 'none' ? undefined : reduction

/** The axis first, and those of the indices first among the updates. */
const scatter: Operator = (call) => {
  const options = call.options<IndexOptions>()
  const { axis } = options
  const { name, value } = indicesOf(call)
  const { rank } = call
  const order = [axis, ...inOrder(rank).filter((other) => other !== axis)]
  const updates = call.value('updates')
  const wide = value?.rank ?? 1
  const there = Array.from({ length: wide }, (_, i) => axis + i)
  const updateOrder = [...there, ...inOrder(updates.rank).filter((other) => !there.includes(other))]
  const last = call.sheet.integers('axes', [-1])
  const inputs = [call.value().as(order), call.node('Unsqueeze', [name, last]), updates.as(updateOrder)]
  const indices64 = value?.dtype === 'int32' ? call.node('Cast', [inputs[1]!], { to: 7 }) : inputs[1]!
  const y = call.node('ScatterND', [inputs[0]!, indices64, inputs[2]!], { reduction: reductionOf(options) })
  return { name: y, order }
}

const gatherElements: Operator = (call) => {
  const { axis } = call.options<IndexOptions>()
  const x = call.value()
  const { order } = x.any()
  const inputs = [x.as(order), call.value('indices').as(order)]
  return { name: call.node('GatherElements', inputs, { axis: order.indexOf(axis) }), order }
}

const scatterElements: Operator = (call) => {
  const options = call.options<IndexOptions>()
  const x = call.value()
  const { order } = x.any()
  const inputs = [x, call.value('indices'), call.value('updates')].map((value) => value.as(order))
  const attributes = { axis: order.indexOf(options.axis), reduction: reductionOf(options) }
  return { name: call.node('ScatterElements', inputs, attributes), order }
}

/** Indices of ND operators, which take long ones alone. */
function longIndices(call: Call): string {
  const { name, value } = indicesOf(call)
  return value?.dtype === 'int32' ? call.node('Cast', [name], { to: 7 }) : name
}

const gatherND: Operator = (call) => {
  const { batchAxes } = call.options<{ batchAxes: number }>()
  const x = call.value()
  const inputs = [x.as(inOrder(x.rank)), longIndices(call)]
  return plain(call, call.node('GatherND', inputs, { batch_dims: batchAxes }))
}

const scatterND: Operator = (call) => {
  const [x, updates] = [call.value(), call.value('updates')]
  const inputs = [x.as(inOrder(x.rank)), longIndices(call), updates.as(inOrder(updates.rank))]
  return plain(call, call.node('ScatterND', inputs, { reduction: reductionOf(call.options()) }))
}

const oneHot: Operator = (call) => {
  const { depth } = call.options<{ depth: number }>()
  const { name } = indicesOf(call)
  const wide = call.value('indices').dtype === 'int32' ? call.node('Cast', [name], { to: 7 }) : name
  const { graph } = call.sheet
  const values = graph.initializer(graph.placed('values'), { data: Float32Array.of(0, 1), shape: [2] })
  const inputs = [wide, call.sheet.integers('depth', [depth]), values]
  return plain(call, call.node('OneHot', inputs, { axis: -1 }))
}

export const shape: Operators = {
  transpose,
  concat,
  slice,
  flip,
  pad,
  tile,
  gather,
  scatter,
  gatherElements,
  scatterElements,
  gatherND,
  scatterND,
  oneHot,
}
