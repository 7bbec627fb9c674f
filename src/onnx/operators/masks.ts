/** Operators that make masks, or read them: where something stands, what is on one side of a diagonal. */
import { sizeOf, stridesOf } from '../../base/shape.js'
import { bySlices } from '../../base/turns.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../../ops/arithmetic.js'
import { equal, less, notEqual } from '../../ops/compare.js'
import { where } from '../../ops/where.js'
import { runCoordinates, runKept } from '../../plans/long.js'
import { fitsEngine, isFloat } from '../file/types.js'
import type { Operator } from '../run/call.js'
import { wide } from '../run/move.js'
import { Value } from '../run/value.js'
import { chooseLongs, isWords, selected, takesLongs } from './longs.js'

const oneHot: Operator = (call) => {
  const [indices, depth, values] = [call.input(0), call.input(1).data[0] as number, call.input(2)]
  const rank = indices.shape.length + 1
  const axis = call.ownAxis(rank, -1)
  const shape = indices.shape.toSpliced(axis, 0, depth)
  const long = values.type === 'int64'
  if (values.constant && (fitsEngine(values.type) || long) && !(indices.isHost && indices.constant)) {
    const [off, on] = values.numbers as [number, number]
    const counted = shape.map((_, i) => (i === axis ? depth : 1))
    const classes = call.tables('classes', counted, [], () => [Array(depth).keys()])[0]!.tensor()
    const i = indices.tensor().reshape(indices.shape.toSpliced(axis, 0, 1))
    const found = equal(where(less(i, 0), add(i, depth), i), classes)
    if (long) return selected(call, found as unknown as Tensor<'uint8'>, on, off, 'int64', shape)
    const ons = call.tables('on', [], [], () => [[on]])[0]!.tensor()
    return Value.inEngine(call.run, values.type, shape, where(found, ons, off))
  }
  const [off, on] = values.data as unknown as [number, number]
  const inner = sizeOf(indices.shape.slice(axis))
  const wanted = indices.data as Float64Array
  return call.host(values.type, shape, (to) =>
    bySlices(to.length, (begin, end) => {
      for (let i = begin; i < end; i++) {
        const lane = Math.floor(i / inner)
        const index = wanted[Math.floor(lane / depth) * inner + (i % inner)]!
        to[i] = lane % depth === (index < 0 ? index + depth : index) ? on : off
      }
    }),
  )
}

/** How many there are is a shape: the host has to know. */
const nonZero: Operator = (call) => {
  const x = call.input(0)
  const rank = x.shape.length
  if (rank && x.type !== 'string' && (isWords(x) || (!x.isHost && !x.constant))) {
    x.noteRead()
    const { places, count } = runKept(isWords(x) ? x.words : x.asHeld('plain'), isWords(x))
    return Value.ofWords(call.run, 'int64', [rank, count], runCoordinates(places, count, x.shape))
  }
  const from = x.type === 'string' ? (x.data as unknown as Float64Array) : wide(x)
  let count = 0
  for (let i = 0; i < from.length; i++) if (from[i] !== 0) count++
  const strides = stridesOf(x.shape)
  return call.host('int64', [rank, count], (to) => {
    let found = 0
    return bySlices(
      from.length,
      (begin, end) => {
        for (let i = begin; i < end; i++) {
          if (from[i] === 0) continue
          for (let axis = 0; axis < rank; axis++)
            to[axis * count + found] = Math.floor(i / strides[axis]!) % x.shape[axis]!
          found++
        }
      },
      rank,
    )
  })
}

const trilu: Operator = (call) => {
  const x = call.input(0)
  const k = call.scalar(1) ?? 0
  const upper = call.flag('upper', true)
  const [rows, columns] = x.shape.slice(-2) as [number, number]
  if (!x.isHost && isFloat(x.type) && (call.inputs[1]?.constant ?? true)) {
    const keeps = (i: number) => {
      const distance = (i % columns) - Math.floor(i / columns)
      return Number(upper ? distance >= k : distance <= k)
    }
    const table = call.tables('kept', [rows, columns], [], () => [
      Float32Array.from({ length: rows * columns }, (_, i) => keeps(i)),
    ])[0]!
    return call.tensor(x.type, where(notEqual(table.tensor(), 0), x.tensor(), 0))
  }
  if (takesLongs([x]) && (call.inputs[1]?.constant ?? true)) {
    const keeps = (i: number) => {
      const distance = (i % columns) - Math.floor(i / columns)
      return Number(upper ? distance >= k : distance <= k)
    }
    const table = call.tables('kept', [rows, columns], [], () => [
      Uint8Array.from({ length: rows * columns }, (_, i) => keeps(i)),
    ])[0]!
    return chooseLongs(call, table, x, call.host('int64', [], Float64Array.of(0)))
  }
  const from = x.data as Float64Array
  return call.host(x.type, x.shape, (to) =>
    bySlices(to.length, (begin, end) => {
      for (let i = begin; i < end; i++) {
        const distance = (i % columns) - (Math.floor(i / columns) % rows)
        to[i] = (upper ? distance >= k : distance <= k) ? from[i]! : 0
      }
    }),
  )
}

export const masks: Record<string, Operator> = { OneHot: oneHot, NonZero: nonZero, Trilu: trilu }
