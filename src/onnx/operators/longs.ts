/**
 * Numbers of 64 bits in the engine, where they are exact and wrap: functions of two, one of two, as other
 * types, along axes. What gives numbers of 64 bits gives them on the host; its words stand in the engine.
 */
import { type Shape, sameShape, sizeOf } from '../../base/shape.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import { not } from '../../ops/where.js'
import { copy } from '../../plans/copy.js'
import {
  emptyWords,
  fillWords,
  runBinaryLong,
  runCastLong,
  runReduceWhole,
  runScanWhole,
  runSelectLong,
  type Words,
} from '../../plans/long.js'
import { LongCastOp, LongOp, WholeOp } from '../../wasm/abi.js'
import type { Call } from '../run/call.js'
import { isLongType, standAsWords, wordsOf } from '../run/long.js'
import { moveBox, permuted, spreadOf } from '../run/move.js'
import { Value } from '../run/value.js'
import { commonShape } from './broadcast.js'

/** Those that see the same bits of both signs, and those that order them: once the sign is turned. */
const SAME = [LongOp.add, LongOp.sub, LongOp.mul, LongOp.and, LongOp.or, LongOp.xor, LongOp.equal]
const ORDERED = [LongOp.maximum, LongOp.minimum, LongOp.less, LongOp.lessEqual]
const UNSIGNED = new Set([...SAME, ...ORDERED])

/**
 * Whether an operation of numbers of 64 bits is for words: not where all are known before the run, which is
 * how shapes are worked out.
 */
export const takesLongs = (values: readonly Value[], op?: LongOp): boolean =>
  values.every(
    ({ type }) => type === 'int64' || (type === 'uint64' && (op === undefined || UNSIGNED.has(op))),
  ) && values.some(({ constant }) => !constant)

/** Numbers of 64 bits that stand on the host and are the engine's to read. */
export const isWords = (x: Value): boolean => x.onHost && standAsWords(x)

/** The words of a value as often as `shape` has them; of a single number it alone. */
const spreadWords = (call: Call, value: Value, shape: Shape): Words =>
  value.size === 1 || sameShape(value.shape, shape)
    ? value.words
    : moveBox(call, value, spreadOf(value.shape, shape), { layout: 'plain' }).words

/** A function of two; from equal on it is a question. */
export function zipLongs(call: Call, op: LongOp, a: Value, b: Value): Value {
  const { engine, run } = call
  const shape = commonShape(call, [a.shape, b.shape])
  const size = sizeOf(shape)
  const turns = a.type === 'uint64' && ORDERED.includes(op)
  const given = [spreadWords(call, a, shape), spreadWords(call, b, shape)]
  const [p, q] = (turns ? given.map((words) => turned(call, words)) : given) as [Words, Words]
  if (op >= LongOp.equal) {
    const y = engine.empty(shape, { dtype: 'uint8' })
    runBinaryLong(op, p, q, y, size)
    return Value.inEngine(run, 'bool', shape, y)
  }
  const y = emptyWords(engine, size)
  runBinaryLong(op, p, q, y, size)
  return Value.ofWords(run, a.type, shape, turns ? turned(call, y) : y)
}

/** The same with the highest bit turned. */
function turned(call: Call, words: Words): Words {
  const y = emptyWords(call.engine, words.size / 2)
  runBinaryLong(LongOp.xor, words, numberOf(call, -(2 ** 63)), y, words.size / 2)
  return y
}

/** Numbers as words that go with the call. */
const numberOf = (call: Call, value: number): Words => wordsOf(call.engine, 'int64', Float64Array.of(value))

/** The same of a value and a number. */
export function mapLongs(call: Call, op: LongOp, a: Value | number, b: Value | number): Value {
  const x = (typeof a === 'number' ? b : a) as Value
  const words = (of: Value | number) => (typeof of === 'number' ? numberOf(call, of) : of.words)
  const y = emptyWords(call.engine, x.size)
  runBinaryLong(op, words(a), words(b), y, x.size)
  return Value.ofWords(call.run, x.type, x.shape, y)
}

/** Within these bounds; of two that leave nothing the upper one. */
export function limitLongs(call: Call, x: Value, low: number, high: number): Value {
  const raised = low > Number.NEGATIVE_INFINITY ? mapLongs(call, LongOp.maximum, x, low) : x
  const y = high < Number.POSITIVE_INFINITY ? mapLongs(call, LongOp.minimum, raised, high) : raised
  return y === x ? x.alias() : y
}

/** One of two by a mask. */
export function chooseLongs(call: Call, mask: Value, a: Value, b: Value): Value {
  const shape = commonShape(call, [mask.shape, a.shape, b.shape])
  const wide =
    mask.size === 1 || sameShape(mask.shape, shape)
      ? mask
      : moveBox(call, mask, spreadOf(mask.shape, shape), { layout: 'plain' })
  const bytes = wide.as('uint8', 'plain') as Tensor<'uint8'>
  return selected(call, bytes, spreadWords(call, a, shape), spreadWords(call, b, shape), a.type, shape)
}

/** The same of numbers that go with the call, or of words. */
export function selected(
  call: Call,
  mask: Tensor<'uint8'>,
  a: Words | number,
  b: Words | number,
  type: Value['type'],
  shape: Shape,
): Value {
  const words = (of: Words | number) => (typeof of === 'number' ? numberOf(call, of) : of)
  const y = emptyWords(call.engine, sizeOf(shape))
  runSelectLong(mask, words(a), words(b), y)
  return Value.ofWords(call.run, type, shape, y)
}

/** int64 as another type; undefined for those that the host alone makes. */
export function castLongs(call: Call, x: Value, type: Value['type']): Value | undefined {
  const { engine, run } = call
  const { shape } = x
  if (isLongType(type)) return Value.ofWords(run, type, shape, x.words.reshape(x.words.shape) as Words)
  if (x.type === 'int64' && (type === 'float32' || type === 'float16' || type === 'bfloat16'))
    return Value.inEngine(run, type, shape, x.tensor().reshape(shape))
  if (type === 'bool') {
    const zero = engine.empty(shape, { dtype: 'uint8' })
    runBinaryLong(LongOp.equal, x.words, numberOf(call, 0), zero, x.size)
    return Value.inEngine(run, type, shape, not(zero))
  }
  if (!/^u?int(8|16|32)$/.test(type)) return undefined
  // The lower words.
  const y = engine.empty(shape, { dtype: 'int32' })
  copy(engine, x.words.pointer, y.pointer, [{ length: x.size, from: 2, to: 1 }], 'int32')
  // Arrays of the host take the bits that they have.
  if (type !== 'int32') return call.host(type, shape, (to) => to.set(y.elements))
  return Value.inEngine(run, type, shape, y)
}

/** Whole numbers along axes: from where they stand, of as many bits. */
interface Along {
  x: AnyTensor
  long: boolean
  /** [outer, n, inner] */
  lengths: [number, number, number]
}

const isWhole = ({ type }: Value): boolean =>
  type === 'int64' || /^u?int8$/.test(type) || type === 'int32' || type === 'int16' || type === 'uint16'

/**
 * Whether a reduction of whole numbers is for the engine: of 32 and 64 bits, the largest and the smallest of
 * 8 and 16 bits too.
 */
export const reducesWholes = (x: Value, op: WholeOp): boolean =>
  isWhole(x) &&
  !(x.constant && x.isHost) &&
  (/^int(32|64)$/.test(x.type) || (op !== WholeOp.sum && op !== WholeOp.prod)) &&
  x.size > 0

function alongAxes(call: Call, x: Value, axes: readonly number[]): Along {
  const sorted = axes.toSorted((a, b) => a - b)
  const [first, last] = [sorted[0]!, sorted.at(-1)!]
  const { shape } = x
  if (last - first !== sorted.length - 1) {
    // Axes apart from each other go behind the others.
    const outer = [...shape.keys()].filter((axis) => !sorted.includes(axis))
    const moved = permuted(call, x, [...outer, ...sorted])
    return alongAxes(
      call,
      moved,
      [...sorted.keys()].map((i) => outer.length + i),
    )
  }
  const long = x.type === 'int64'
  return {
    x: long ? x.words : x.typed(),
    long,
    lengths: [
      sizeOf(shape.slice(0, first)),
      sizeOf(shape.slice(first, last + 1)),
      sizeOf(shape.slice(last + 1)),
    ],
  }
}

/** A reduction over axes, some of them; `shape`: what is left. */
export function reduceWholes(
  call: Call,
  op: WholeOp,
  x: Value,
  axes: readonly number[],
  shape: Shape,
): Value {
  const { engine, run } = call
  const { x: from, long, lengths } = alongAxes(call, x, axes)
  if (op >= WholeOp.argmax) {
    const places = engine.empty(shape, { dtype: 'int32' })
    runReduceWhole(op, from, places, lengths, { long, last: call.flag('select_last_index') })
    return Value.inEngine(run, 'int64', shape, places)
  }
  const y = long ? emptyWords(engine, sizeOf(shape)) : engine.empty(shape, { dtype: x.dtype })
  runReduceWhole(op, from, y, lengths, { long })
  return long ? Value.ofWords(run, x.type, shape, y as Words) : Value.inEngine(run, x.type, shape, y)
}

/** Running sums of int32 or int64 along an axis. */
export function scanWholes(call: Call, x: Value, axis: number, exclusive: boolean, reverse: boolean): Value {
  const { engine, run } = call
  const { x: from, long, lengths } = alongAxes(call, x, [axis])
  const y = long ? emptyWords(engine, x.size) : engine.empty(x.shape, { dtype: 'int32' })
  runScanWhole(from as Words, y, lengths, { long, exclusive, reverse })
  return long ? Value.ofWords(run, x.type, x.shape, y) : Value.inEngine(run, x.type, x.shape, y)
}

/** Numbers of 64 bits as int32, where all of them are in its range; else nothing. */
export function narrowed(x: Value): Tensor<'int32'> | undefined {
  const { engine, shape, size, words } = x
  const y = engine.empty(shape, { dtype: 'int32' })
  const told = engine.zeros([1], { dtype: 'int32' })
  runCastLong(engine, LongCastOp.toInt, { x: words.pointer, y: y.pointer, size, beyond: told.pointer })
  return engine.i32[told.pointer / 4] ? undefined : y
}

/** From `start` on, each `delta` after the one before. */
export function risingLongs(call: Call, length: number, start: number, delta: number): Value {
  const { engine, run } = call
  const [steps, y] = [emptyWords(engine, length), emptyWords(engine, length)]
  fillWords(steps, delta)
  if (length) new BigInt64Array(engine.u8.buffer, steps.pointer, 1)[0] = BigInt(start)
  runScanWhole(steps, y, [1, length, 1], { long: true, exclusive: false, reverse: false })
  return Value.ofWords(run, 'int64', [length], y)
}
