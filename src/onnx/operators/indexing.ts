/** Operators that take or bring elements by indices, by a mask, or by where they stand. */

import { type Shape, sameShape, sizeOf, stridesOf } from '../../base/shape.js'
import { bySlices } from '../../base/turns.js'
import { bytesPerElement, type DType } from '../../core/dtype.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import { putElements, type Reduction, takeElements } from '../../ops/elements.js'
import { takeRows } from '../../ops/gather.js'
import { placesOf, putAt, settled, takeAt } from '../../ops/gatherND.js'
import { runKept, runReverseRows, type Words } from '../../plans/long.js'
import { staysOnHost } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { FEW, indexesOf, move, moveBox, offsetOf, whole } from '../run/move.js'
import { Value } from '../run/value.js'
import { isWords, takesLongs } from './longs.js'

/** An index counted from the front. */
function fromFront(call: Call, index: number, length: number): number {
  const at = index < 0 ? index + length : index
  if (at < 0 || at >= length) call.fail('indices', `from ${-length} to ${length - 1}`, index)
  return at
}

/**
 * Whether it is the host's to move elements: of types that it alone has, where they stand there, and of what
 * is known before the run.
 */
const isHosts = (x: Value, ...others: (Value | undefined)[]): boolean =>
  x.isHost &&
  ((staysOnHost(x.type) && !x.inEngine) || others.every((value) => value?.isHost && value.constant))

/** Indices of the file in the engine. */
const indicesOf = (value: Value): Tensor<'int32'> => value.as('int32', 'plain') as Tensor<'int32'>

/** x in the engine, of numbers of 64 bits as words: with an axis of two more. */
const tableOf = (x: Value): Tensor<DType> =>
  isWords(x) ? (x.words.reshape([...x.shape, 2]) as Tensor<DType>) : alike(x)[0]!

/** Values in the engine as one type. */
function alike(...values: Value[]): Tensor<DType>[] {
  const dtype = values.some(({ holdsFloats }) => holdsFloats) ? 'float32' : values[0]!.dtype
  return values.map((value) => value.as(dtype, 'plain') as Tensor<DType>)
}

/** Elements of x picked by `at`, which says for each index of the result where in x it is found. */
function pick(call: Call, x: Value, shape: Shape, at: (index: readonly number[]) => number): Value {
  return call.host(x.type, shape, function* (to) {
    yield* x.settled()
    const from = x.data as Float64Array
    let i = 0
    for (const index of indexesOf(shape)) {
      to[i++] = from[at(index)]!
      if (i % FEW === 0) yield
    }
  })
}

/** Begins an array of the host with the elements of x. */
function copyTo(to: Float64Array, { data }: Value): void {
  if (ArrayBuffer.isView(data)) to.set(data)
  else for (let i = 0; i < data.length; i++) (to as unknown as string[])[i] = data[i]!
}

/** Runs of indexes that rise by one, so that a border is few boxes. */
export function runs(
  indexes: readonly number[],
): { to: number; from: number; length: number; step: number }[] {
  const result: { to: number; from: number; length: number; step: number }[] = []
  indexes.forEach((from, to) => {
    const last = result.at(-1)
    if (from < 0) return
    if (
      last &&
      last.to + last.length === to &&
      (last.length === 1 || last.from + last.length * last.step === from)
    ) {
      if (last.length === 1) last.step = from - last.from
      last.length++
    } else result.push({ to, from, length: 1, step: 1 })
  })
  return result
}

/** What a list of indexes names along an axis. */
export function taken(call: Call, x: Value, axis: number, indexes: readonly number[]): Value {
  const parts = runs(indexes).map((run) => ({ source: x, axes: whole(x.shape).with(axis, { ...run, axis }) }))
  return move(call, x.shape.with(axis, indexes.length), parts)
}

/** A list of more runs than these is no list of boxes. */
const MOST_RUNS = 16

const gather: Operator = (call) => {
  const [x, indices] = [call.input(0), call.input(1)]
  const axis = call.ownAxis(x.shape.length, 0)
  const n = x.shape[axis]!
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]
  if (!isWords(x) && isHosts(x, indices)) {
    const given = indices.data as Float64Array
    const list = new Int32Array(given.length)
    for (let i = 0; i < list.length; i++) list[i] = fromFront(call, given[i]!, n)
    return slicesOf(call, x, axis, list).reshaped(shape)
  }
  if (indices.constant && indices.size > 0) {
    const list = indices.numbers.map((index) => fromFront(call, index, n))
    if (runs(list).length <= MOST_RUNS) {
      const picked = taken(call, x, axis, list)
      return indices.shape.length === 1 ? picked : picked.reshaped(shape)
    }
  }
  return taking(call, x, shape, takeRows(tableOf(x), settled(indicesOf(indices), n), axis))
}

/** Rows of a matrix by indices. */
export const rowsOf = (table: Value, indices: Value): Tensor =>
  takeRows(table.tensor(), settled(indicesOf(indices), table.shape[0]!), 0)

/** A result of x's type. */
const inEngine = (call: Call, x: Value, shape: Shape, y: AnyTensor): Value =>
  Value.inEngine(call.run, x.type, shape, y)

/** What was taken from `tableOf`: words where it has their axis. (x may have another form by now.) */
const taking = (call: Call, x: Value, shape: Shape, y: AnyTensor): Value =>
  y.shape.length > shape.length
    ? Value.ofWords(call.run, x.type, shape, y as Words)
    : inEngine(call, x, shape, y)

/** Whether the numbers of x stand on the host alone, so that moving them there takes no copy. */
const standsOnHost = (x: Value): boolean => x.onHost && !x.inEngine

/** Slices of x along an axis, in the order of a list of places, on the host. */
function slicesOf(call: Call, x: Value, axis: number, list: Int32Array): Value {
  const [n, inner] = [x.shape[axis]!, sizeOf(x.shape.slice(axis + 1))]
  const outer = sizeOf(x.shape.slice(0, axis))
  const from = x.data as Float64Array
  const isLong = inner > 8 && ArrayBuffer.isView(from)
  return call.host(x.type, x.shape.with(axis, list.length), (to) =>
    bySlices(
      outer * list.length,
      (begin, end) => {
        for (let row = begin, at = begin * inner; row < end; row++, at += inner) {
          const first = (Math.floor(row / list.length) * n + list[row % list.length]!) * inner
          if (isLong) to.set(from.subarray(first, first + inner), at)
          else for (let k = 0; k < inner; k++) to[at + k] = from[first + k]!
        }
      },
      inner,
    ),
  )
}

/** What a list of yes and no keeps, along an axis or of all elements in a row. */
const compress: Operator = (call) => {
  const flat = !call.has('axis')
  const x = flat ? call.input(0).reshaped([call.input(0).size]) : call.input(0)
  const axis = call.ownAxis(x.shape.length, 0)
  const given = call.input(1)
  const { places, count } = given.constant ? knownPlaces(call, given) : foundPlaces(given)
  const list = places.elements.subarray(0, count)
  if (count && list[count - 1]! >= x.shape[axis]!)
    call.fail('condition', `of at most ${x.shape[axis]} elements`, list[count - 1]! + 1)
  const shape = x.shape.with(axis, count)
  if (count === 0) return call.host(x.type, shape, () => {})
  if (x.isHost && x.constant) return taken(call, x, axis, [...list])
  if (standsOnHost(x) && !isWords(x)) return slicesOf(call, x, axis, list)
  return taking(call, x, shape, takeRows(tableOf(x), firstOf(places, count), axis))
}

/** Where a mask that is known before the run is set. */
function knownPlaces(call: Call, mask: Value): { places: Tensor<'int32'>; count: number } {
  const list = () => [Int32Array.from([...(mask.data as Uint8Array)].flatMap((v, i) => (v ? [i] : [])))]
  const size = (mask.data as Uint8Array).reduce((sum, v) => sum + Number(v !== 0), 0)
  const places = call.tables('kept', [size], [mask], list)[0]!
  return { places: indicesOf(places), count: size }
}

/** And one of the run. */
function foundPlaces(mask: Value): { places: Tensor<'int32'>; count: number } {
  mask.noteRead()
  return runKept(mask.as('uint8', 'plain'))
}

/** So many of the first elements, without a copy. */
const firstOf = ({ engine, pointer }: Tensor<'int32'>, count: number): Tensor<'int32'> =>
  engine.lend(pointer, [count], 'int32')

/** What is within these lengths, from the beginning of each axis. */
const corner = (call: Call, x: Value, shape: Shape): Value =>
  sameShape(x.shape, shape)
    ? x
    : moveBox(
        call,
        x,
        shape.map((length, axis) => ({ length, axis })),
        { layout: 'plain' },
      )

/** Throws unless indices of elements along an axis are where x has elements, along the others. */
function checkElements(call: Call, x: Value, indices: Value, axis: number): void {
  const isIn = indices.shape.every((length, i) => i === axis || length <= x.shape[i]!)
  if (!isIn || indices.shape.length !== x.shape.length)
    call.fail(
      'indices',
      `within [${x.shape.map((length, i) => (i === axis ? '...' : length)).join(', ')}]`,
      indices.shape,
    )
}

/** Throws unless indices are of rows of x; how many they are each. */
function depthOf(call: Call, x: Value, indices: Value, batch = 0): number {
  const depth = indices.shape.at(-1) ?? 0
  const isIn =
    Number.isInteger(batch) &&
    batch >= 0 &&
    depth > 0 &&
    batch + depth <= x.shape.length &&
    batch < indices.shape.length
  if (!isIn || !sameShape(x.shape.slice(0, batch), indices.shape.slice(0, batch)))
    call.fail(
      'indices',
      `[${[...x.shape.slice(0, batch), '...', 'depth'].join(', ')}], a depth from 1 to ${x.shape.length - batch}`,
      indices.shape,
    )
  return depth
}

const gatherElements: Operator = (call) => {
  const [x, indices] = [call.input(0), call.input(1)]
  const axis = call.ownAxis(x.shape.length, 0)
  checkElements(call, x, indices, axis)
  const n = x.shape[axis]!
  if (!isWords(x) && isHosts(x, indices)) {
    const list = indices.data as Float64Array
    const [strides, places] = [stridesOf(x.shape), stridesOf(indices.shape)]
    return pick(
      call,
      x,
      indices.shape,
      (index) =>
        offsetOf(index, strides) +
        (fromFront(call, list[offsetOf(index, places)]!, n) - index[axis]!) * strides[axis]!,
    )
  }
  const table = tableOf(corner(call, x, indices.shape.with(axis, n)))
  return taking(call, x, indices.shape, takeElements(table, settled(indicesOf(indices), n), axis))
}

const gatherNd: Operator = (call) => {
  const [x, indices] = [call.input(0), call.input(1)]
  const batch = call.number('batch_dims', 0)
  const depth = depthOf(call, x, indices, batch)
  const outer = indices.shape.slice(0, -1)
  const shape = [...outer, ...x.shape.slice(batch + depth)]
  if (!isWords(x) && isHosts(x, indices)) {
    const list = indices.data as Float64Array
    const [strides, places] = [stridesOf(x.shape), stridesOf(outer)]
    return pick(call, x, shape, (index) => {
      const row = offsetOf(index.slice(0, outer.length), places) * depth
      let at = 0
      for (let i = 0; i < batch; i++) at += index[i]! * strides[i]!
      for (let i = 0; i < depth; i++)
        at += fromFront(call, list[row + i]!, x.shape[batch + i]!) * strides[batch + i]!
      for (let i = outer.length; i < index.length; i++)
        at += index[i]! * strides[i - outer.length + batch + depth]!
      return at
    })
  }
  const places = placesOf(indicesOf(indices), x.shape, batch)
  return taking(call, x, shape, takeAt(tableOf(x), places, batch + depth, indices.shape))
}

const combine: Record<Reduction, (old: number, update: number) => number> = {
  none: (_, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: Math.max,
  min: Math.min,
}

function reductionOf(call: Call): Reduction {
  const name = call.text('reduction', 'none')
  if (!Object.hasOwn(combine, name)) call.fail('reduction', `one of ${Object.keys(combine).join(', ')}`, name)
  return name as Reduction
}

/** x and the updates in the engine, of a type that has the arithmetic of the reduction. */
function summands(reduction: Reduction, x: Value, updates: Value): Tensor<DType>[] {
  const isBytes = reduction !== 'none' && (x.dtype === 'uint8' || x.dtype === 'int8')
  return isBytes ? [x.tensor(), updates.tensor()] : alike(x, updates)
}

const scatterElements: Operator = (call) => {
  const [x, indices, updates] = [call.input(0), call.input(1), call.input(2)]
  const axis = call.ownAxis(x.shape.length, 0)
  const n = x.shape[axis]!
  const reduction = reductionOf(call)
  checkElements(call, x, indices, axis)
  call.shaped('updates', updates, indices.shape)
  const isWhole = sameShape(indices.shape.with(axis, n), x.shape) && x.size * indices.size > 0
  if (reduction === 'none' && isWhole && takesLongs([x, updates])) {
    const words = x.words.reshape([...x.shape, 2])
    const y = putElements(words, settled(indicesOf(indices), n), updates.words, axis, 'none')
    return Value.ofWords(call.run, x.type, x.shape, y)
  }
  if (staysOnHost(x.type) || isHosts(x, indices, updates)) {
    const strides = stridesOf(x.shape)
    const list = indices.data as Float64Array
    const news = updates.data as Float64Array
    return call.host(x.type, x.shape, function* (data) {
      copyTo(data, x)
      let i = 0
      for (const index of indexesOf(indices.shape)) {
        const at = offsetOf(index, strides) + (fromFront(call, list[i]!, n) - index[axis]!) * strides[axis]!
        data[at] = combine[reduction](data[at]!, news[i++]!)
        if (i % FEW === 0) yield
      }
    })
  }
  if (indices.size === 0 || x.size === 0) return x.alias()
  const part = corner(call, x, indices.shape.with(axis, n))
  const [from, news] = summands(reduction, part, updates)
  const y = inEngine(
    call,
    x,
    part.shape,
    putElements(from!, settled(indicesOf(indices), n), news!, axis, reduction),
  )
  if (part === x) return y
  // The corner that was written, over x.
  return move(
    call,
    x.shape,
    [
      { source: x, axes: whole(x.shape) },
      { source: y, axes: whole(y.shape) },
    ],
    { layout: 'plain' },
  )
}

const scatterNd: Operator = (call) => {
  const [x, indices, updates] = [call.input(0), call.input(1), call.input(2)]
  const reduction = reductionOf(call)
  const depth = depthOf(call, x, indices)
  call.shaped('updates', updates, [...indices.shape.slice(0, -1), ...x.shape.slice(depth)])
  if (reduction === 'none' && takesLongs([x, updates])) {
    const places = placesOf(indicesOf(indices), x.shape, 0)
    const words = x.words.reshape([...x.shape, 2])
    return Value.ofWords(call.run, x.type, x.shape, putAt(words, places, updates.words, 'none'))
  }
  if (staysOnHost(x.type) || isHosts(x, indices, updates)) {
    const strides = stridesOf(x.shape)
    const list = indices.data as Float64Array
    const news = updates.data as Float64Array
    const length = sizeOf(x.shape.slice(depth))
    return call.host(x.type, x.shape, function* (data) {
      copyTo(data, x)
      yield* bySlices(
        list.length / depth,
        (begin, end) => {
          for (let row = begin; row < end; row++) {
            let at = 0
            for (let i = 0; i < depth; i++)
              at += fromFront(call, list[row * depth + i]!, x.shape[i]!) * strides[i]!
            for (let i = 0; i < length; i++)
              data[at + i] = combine[reduction](data[at + i]!, news[row * length + i]!)
          }
        },
        depth + length,
      )
    })
  }
  const [from, news] = summands(reduction, x, updates)
  const places = placesOf(indicesOf(indices), x.shape, 0)
  return inEngine(call, x, x.shape, putAt(from!, places, news!, reduction))
}

/** The first so many places of each image the other way round; time and images are the first two axes. */
const reverseSequence: Operator = (call) => {
  const [x, ends] = [call.input(0), call.input(1)]
  const [time, batch] = [call.number('time_axis', 0), call.number('batch_axis', 1)]
  const [n, m, ...inner] = x.shape as [number, number, ...number[]]
  if (x.shape.length < 2 || time + batch !== 1 || time * batch !== 0)
    call.fail('time_axis and batch_axis', '0 and 1, of two axes or more', [time, batch])
  const places = x.shape[time]!
  if (ends.size !== x.shape[batch])
    call.fail('sequence_lens', `${x.shape[batch]} numbers from 0 to ${places}`, `${ends.size}`)
  if (x.type !== 'string' && (isWords(x) || !x.isHost)) {
    const table = tableOf(x)
    const rules = {
      n,
      m,
      second: time === 1,
      bytes: sizeOf(inner) * (isWords(x) ? 8 : bytesPerElement(table.dtype)),
    }
    const y = call.engine.empty<DType>(table.shape, { dtype: table.dtype })
    runReverseRows(table, indicesOf(ends), y, rules)
    return taking(call, x, x.shape, y)
  }
  const lengths = ends.numbers
  const wrong = lengths.find((length) => !(length >= 0 && length <= places))
  if (wrong !== undefined) call.fail('sequence_lens', `from 0 to ${places}`, wrong)
  const list = new Int32Array(n * m)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      const [at, length] = time ? [j, lengths[i]!] : [i, lengths[j]!]
      const from = at < length ? length - 1 - at : at
      list[i * m + j] = time ? i * m + from : from * m + j
    }
  }
  return slicesOf(call, x.reshaped([n * m, ...inner]), 0, list).reshaped(x.shape)
}

export const indexing: Record<string, Operator> = {
  Gather: gather,
  Compress: compress,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: scatterNd,
  ReverseSequence: reverseSequence,
}
