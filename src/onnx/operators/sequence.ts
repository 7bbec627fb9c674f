/**
 * Sequences of tensors and optional values. They stand on the host, their elements wherever they are; an
 * optional value that has its element is that element.
 */
import { codeOf, type ElementType, typeOf } from '../file/types.js'
import type { Call, Operator, SteppedOperator } from '../run/call.js'
import { move, moveBox, whole } from '../run/move.js'
import { Value } from '../run/value.js'

const sequenceOf = (call: Call, type: ElementType, items: readonly Value[]): Value =>
  Value.holding(call.run, type, items)

/** Input `i`, which has to be a sequence. */
function sequenceAt(call: Call, i: number): Value {
  const value = call.input(i)
  if (value.kind !== 'sequence') call.fail(`input ${i}`, 'a sequence', value.kind ? 'none' : 'a tensor')
  return value
}

/** The place that input `i` names, one of `places`, counted from the front. */
function place(call: Call, i: number, length: number, places: number, otherwise: number): number {
  const given = call.scalar(i) ?? otherwise
  if (given < -length || given >= places)
    call.fail('position', `in a sequence of ${length}: from ${-length} to ${places - 1}`, given)
  return given < 0 ? given + length : given
}

/** Elements with lives of their own. */
const aliases = (items: readonly Value[]): Value[] => items.map((item) => item.alias())

function construct(call: Call): Value {
  const items = call.inputs.map((_, i) => call.input(i))
  const { type } = call.input(0)
  const other = items.find((item) => item.type !== type || item.kind)
  if (other) call.fail('inputs', `tensors of ${type}`, other.kind ?? other.type)
  return sequenceOf(call, type, aliases(items))
}

function empty(call: Call): Value {
  const code = call.number('dtype', codeOf('float32'))
  return sequenceOf(call, typeOf(code) ?? call.fail('attribute dtype', 'a known type', code), [])
}

function at(call: Call): Value {
  const { items } = sequenceAt(call, 0)
  return items[place(call, 1, items.length, items.length, 0)]!.alias()
}

function insert(call: Call): Value {
  const given = sequenceAt(call, 0)
  const { items } = given
  const tensor = call.input(1)
  if (tensor.kind) call.fail('input 1', 'a tensor', tensor.kind)
  if (items.length && tensor.type !== given.type)
    call.fail('input 1', `a tensor of ${given.type}`, tensor.type)
  const index = place(call, 2, items.length, items.length + 1, items.length)
  return sequenceOf(call, tensor.type, aliases(items.toSpliced(index, 0, tensor)))
}

function erase(call: Call): Value {
  const { items, type } = sequenceAt(call, 0)
  const index = place(call, 1, items.length, items.length, -1)
  return sequenceOf(call, type, aliases(items.toSpliced(index, 1)))
}

function length(call: Call): Value {
  const { items } = sequenceAt(call, 0)
  return call.host('int64', [], (data) => data.fill(items.length))
}

/** Lengths of the parts that an axis is split into, and whether they keep it. */
function partsOf(call: Call, total: number): { lengths: number[]; keeps: boolean } {
  const split = call.inputs[1]
  if (!split) return { lengths: Array(total).fill(1), keeps: call.flag('keepdims', true) }
  const given = split.numbers
  if (given.some((part) => part < 0)) call.fail('split', 'lengths of at least 0', given)
  if (split.shape.length) {
    const sum = given.reduce((all, part) => all + part, 0)
    if (sum !== total) call.fail('split', `lengths that sum to ${total}`, given)
    return { lengths: given, keeps: true }
  }
  const [most = 0] = given
  if (most < 1) call.fail('split', 'a length of at least 1', most)
  const lengths = Array.from({ length: Math.ceil(total / most) }, (_, i) => Math.min(most, total - i * most))
  return { lengths, keeps: true }
}

function splitToSequence(call: Call): Value {
  const x = call.input(0)
  const axis = call.ownAxis(x.shape.length, 0)
  const { lengths, keeps } = partsOf(call, x.shape[axis]!)
  let from = 0
  const items = lengths.map((length) => {
    const part = moveBox(call, x, whole(x.shape).with(axis, { length, axis, from } as never), {
      layout: 'plain',
    })
    from += length
    return keeps ? part : part.reshaped(x.shape.toSpliced(axis, 1))
  })
  return sequenceOf(call, x.type, items)
}

function concatFromSequence(call: Call): Value {
  const { items } = sequenceAt(call, 0)
  const [first] = items
  if (!first) call.fail('input 0', 'a sequence of at least one tensor', 'an empty one')
  const isNew = call.flag('new_axis')
  const axis = call.ownAxis(first.shape.length + Number(isNew), Number.NaN)
  const sources = isNew ? items.map((item) => item.reshaped(item.shape.toSpliced(axis, 0, 1))) : items
  const others = (shape: readonly number[]) => shape.toSpliced(axis, 1).join()
  const { shape } = sources[0]!
  let to = 0
  const parts = sources.map((source) => {
    if (source.shape.length !== shape.length || others(source.shape) !== others(shape))
      call.fail('input 0', `tensors that fit ${shape} along axis ${axis}`, source.shape)
    const part = { source, axes: whole(source.shape).map((box, i) => (i === axis ? { ...box, to } : box)) }
    to += source.shape[axis]!
    return part
  })
  return move(call, shape.with(axis, to), parts, { layout: 'plain' })
}

/** Runs its body on the elements of its sequences, one after the other, and on its tensors each time. */
export const sequenceMap: SteppedOperator = function* (call) {
  const body = call.body(call.inputs.length, 0)
  const count = sequenceAt(call, 0).items.length
  const lists = call.inputs.map((_, i) => {
    const value = call.input(i)
    if (value.kind !== 'sequence') return () => value
    const { items } = value
    if (items.length !== count) call.fail(`input ${i}`, `a sequence of ${count} as the first`, items.length)
    return (step: number) => items[step]!
  })
  const results: Value[][] = body.outputs.map(() => [])
  let done = false
  try {
    for (let step = 0; step < count; step++) {
      const made = yield* call.stepGraph(
        body,
        lists.map((list) => list(step)),
      )
      made.forEach((value, i) => {
        results[i]!.push(value)
      })
      yield
    }
    done = true
  } finally {
    if (!done) for (const value of results.flat()) value.dispose()
  }
  return results.map((items, i) => sequenceOf(call, items[0]?.type ?? body.outputs[i]!.type, items))
}

const optional: Operator = (call) =>
  call.inputs[0]?.alias() ?? Value.holding(call.run, call.text('type', 'float32') as ElementType, null)

function hasElement(call: Call): Value {
  const [value] = call.inputs
  return call.host('bool', [], (data) => data.fill(Number(value !== undefined && value.kind !== 'none')))
}

function getElement(call: Call): Value {
  const value = call.input(0)
  if (value.kind === 'none') call.fail('input 0', 'an optional value with its element', 'one without')
  return value.alias()
}

export const sequence: Record<string, Operator> = {
  SequenceConstruct: construct,
  SequenceEmpty: empty,
  SequenceAt: at,
  SequenceInsert: insert,
  SequenceErase: erase,
  SequenceLength: length,
  SplitToSequence: splitToSequence,
  ConcatFromSequence: concatFromSequence,
  Optional: optional,
  OptionalHasElement: hasElement,
  OptionalGetElement: getElement,
}
