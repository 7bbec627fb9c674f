/**
 * Small things on the host: Unique, Det, the regions of MaxRoiPool, and com.microsoft's kin of them and
 * DynamicTimeWarping.
 */
import { sizeOf } from '../../../base/shape.js'
import { bySlices, type Steps } from '../../../base/turns.js'
import type { Tensor } from '../../../core/tensor.js'
import { runRegionMax } from '../../../plans/crops.js'
import { type HostArray, isFloat } from '../../file/types.js'
import type { Call, Operator, SteppedOperator } from '../../run/call.js'
import type { Value } from '../../run/value.js'

type Element = number | string

/** Which is first: numbers by size with NaN behind all, texts by their characters. */
function compare(a: Element, b: Element): number {
  if (a === b) return 0
  if (a < b) return -1
  if (a > b) return 1
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

/** Which group each element is of, groups by their first elements; and these. NaN is NaN here. */
interface Groups {
  groupOf: Int32Array
  firsts: number[]
  /** The group of what is like an element that was seen. */
  find: (value: Element) => number | undefined
}

/** As much as the time of so many numbers takes an element that is looked up. */
const LOOK_UP = 16

function* groupsOfTexts(data: ArrayLike<Element>): Steps<Groups> {
  const groupOf = new Int32Array(data.length)
  const firsts: number[] = []
  const known = new Map<Element, number>()
  const enter = (begin: number, end: number) => {
    for (let i = begin; i < end; i++) {
      let group = known.get(data[i]!)
      if (group === undefined) {
        group = firsts.push(i) - 1
        known.set(data[i]!, group)
      }
      groupOf[i] = group
    }
  }
  yield* bySlices(data.length, enter, LOOK_UP)
  return { groupOf, firsts, find: (value) => known.get(value) }
}

const word = new Float64Array(1)
const bits = new Int32Array(word.buffer)

/** By the bits of a number: a Map makes an object of each. 0 has no sign, and NaN no bits. */
function hashOf(value: number): number {
  word[0] = value + 0
  const hash = Number.isNaN(value) ? 0 : Math.imul(bits[0]! ^ Math.imul(bits[1]!, 0x85ebca6b), 0x9e3779b1)
  return hash ^ (hash >>> 15)
}

/** A table of twice as many places as there are things, so that most are found at the first look. */
const tableFor = (count: number): Int32Array =>
  new Int32Array(2 ** Math.ceil(Math.log2(2 * count + 1))).fill(-1)

function* groupsOfNumbers(data: ArrayLike<number>): Steps<Groups> {
  const groupOf = new Int32Array(data.length)
  const firsts: number[] = []
  const table = tableFor(data.length)
  const mask = table.length - 1
  /** Where in the table the group of a number stands, or is to stand. */
  const placeOf = (value: number) => {
    let place = hashOf(value) & mask
    for (; ; place = (place + 1) & mask) {
      const group = table[place]!
      if (group < 0) return place
      const other = data[firsts[group]!]!
      if (other === value || (Number.isNaN(value) && Number.isNaN(other))) return place
    }
  }
  const enter = (begin: number, end: number) => {
    for (let i = begin; i < end; i++) {
      const place = placeOf(data[i]!)
      if (table[place]! < 0) table[place] = firsts.push(i) - 1
      groupOf[i] = table[place]!
    }
  }
  yield* bySlices(data.length, enter, LOOK_UP)
  return { groupOf, firsts, find: (value) => table[placeOf(value as number)] }
}

const groupsOf = (data: ArrayLike<Element>): Steps<Groups> =>
  Array.isArray(data) ? groupsOfTexts(data) : groupsOfNumbers(data as ArrayLike<number>)

/** Rows in groups, and their elements as the numbers of theirs. */
interface RowGroups extends Pick<Groups, 'groupOf' | 'firsts'> {
  elements: Int32Array
  kinds: Groups
}

/** The same of rows of so many elements. */
function* groupsOfRows(rows: ArrayLike<Element>, length: number): Steps<RowGroups> {
  const kinds = yield* groupsOf(rows)
  const elements = kinds.groupOf
  const count = rows.length / length
  const groupOf = new Int32Array(count)
  const firsts: number[] = []
  const table = tableFor(count)
  const mask = table.length - 1
  const enter = (row: number) => {
    const at = row * length
    let hash = 0
    for (let k = 0; k < length; k++) hash = Math.imul(hash ^ elements[at + k]!, 0x9e3779b1) ^ (hash >>> 15)
    let place = (hash ^ (hash >>> 16)) & mask
    for (;;) {
      const group = table[place]!
      if (group < 0) {
        groupOf[row] = table[place] = firsts.push(row) - 1
        return
      }
      const other = firsts[group]! * length
      let k = 0
      while (k < length && elements[at + k] === elements[other + k]) k++
      if (k === length) {
        groupOf[row] = group
        return
      }
      place = (place + 1) & mask
    }
  }
  const each = (begin: number, end: number) => {
    for (let row = begin; row < end; row++) enter(row)
  }
  yield* bySlices(count, each, LOOK_UP + length)
  return { groupOf, firsts, elements, kinds }
}

type Order = Uint32Array<ArrayBuffer>

/** Groups of numbers by size, in the order that the host has for them. */
function* sortedNumbers(data: ArrayLike<number>, { firsts, find }: Groups): Steps<Order> {
  const numbers = new Float64Array(firsts.length)
  yield* bySlices(numbers.length, (begin, end) => {
    for (let i = begin; i < end; i++) numbers[i] = data[firsts[i]!]!
  })
  numbers.sort()
  const order = new Uint32Array(numbers.length)
  const look = (begin: number, end: number) => {
    for (let i = begin; i < end; i++) order[i] = find(numbers[i]!)!
  }
  yield* bySlices(order.length, look, LOOK_UP)
  return order
}

/** Groups of elements, the least first. */
function* sortedGroups(data: ArrayLike<Element>, groups: Groups): Steps<Order> {
  if (!Array.isArray(data)) return yield* sortedNumbers(data as ArrayLike<number>, groups)
  return Uint32Array.from(groups.firsts, (_, group) => group).sort((a, b) =>
    compare(data[groups.firsts[a]!]!, data[groups.firsts[b]!]!),
  )
}

/** The same of rows: by the ranks of their elements, as one number where float64 holds them all. */
function* sortedRows(rows: ArrayLike<Element>, each: number, groups: RowGroups): Steps<Order> {
  const { elements, firsts, kinds } = groups
  const ranks = new Int32Array(kinds.firsts.length)
  const sorted = yield* sortedGroups(rows, kinds)
  sorted.forEach((kind, rank) => {
    ranks[kind] = rank
  })
  const total = firsts.length
  if (ranks.length ** each * total < 2 ** 53) {
    const keys = Float64Array.from(firsts, (first, group) => {
      let key = 0
      for (let k = 0; k < each; k++) key = key * ranks.length + ranks[elements[first * each + k]!]!
      return key * total + group
    })
    return Uint32Array.from(keys.sort(), (key) => key % total)
  }
  return Uint32Array.from(firsts, (_, group) => group).sort((a, b) => {
    const [p, q] = [firsts[a]! * each, firsts[b]! * each]
    for (let k = 0; k < each; k++) {
      const found = ranks[elements[p + k]!]! - ranks[elements[q + k]!]!
      if (found) return found
    }
    return 0
  })
}

/** Slices along an axis as rows: element (k / inner, i, k % inner) of data is element k of row i. */
function rowsOf(data: ArrayLike<Element>, count: number, each: number, inner: number): ArrayLike<Element> {
  const rows = (Array.isArray(data) ? Array(data.length) : new Float64Array(data.length)) as Element[]
  for (let outer = 0; outer < each / inner; outer++) {
    for (let i = 0; i < count; i++) {
      const [from, to] = [(outer * count + i) * inner, i * each + outer * inner]
      for (let k = 0; k < inner; k++) rows[to + k] = data[from + k]!
    }
  }
  return rows
}

/** The different elements, or slices along an axis; where each is first, which each one is, how often. */
function* unique(call: Call): Steps<Value[]> {
  const x = call.input(0)
  const flat = !call.has('axis')
  const axis = flat ? 0 : call.ownAxis(x.shape.length, 0)
  const shape = flat ? [x.size] : x.shape
  const [count, inner] = [shape[axis]!, sizeOf(shape.slice(axis + 1))]
  const each = sizeOf(shape) / (count || 1)
  const data = x.data as unknown as Element[]
  // Slices along the first axis stand as rows already.
  const rows = each === inner ? data : rowsOf(data, count, each, inner)
  const single = each === 1 ? yield* groupsOf(data) : undefined
  const several = single ? undefined : yield* groupsOfRows(rows, each)
  const { groupOf, firsts } = single ?? several!
  const order = !call.flag('sorted', true)
    ? Uint32Array.from(firsts, (_, group) => group)
    : single
      ? yield* sortedGroups(data, single)
      : yield* sortedRows(rows, each, several!)
  const total = order.length
  const [places, counts, inverse] = [new Uint32Array(total), new Float64Array(total), new Float64Array(count)]
  for (let place = 0; place < total; place++) places[order[place]!] = place
  for (let i = 0; i < count; i++) {
    const place = places[groupOf[i]!]!
    inverse[i] = place
    counts[place]!++
  }
  const long = (list: Float64Array) => call.host('int64', [list.length], list)
  const y = call.host(x.type, shape.with(axis, total), (to) => {
    for (let place = 0; place < total; place++) {
      const first = firsts[order[place]!]!
      for (let k = 0; k < each; k++)
        to[(Math.floor(k / inner) * total + place) * inner + (k % inner)] = rows[first * each + k] as number
    }
  })
  return [y, long(Float64Array.from(order, (group) => firsts[group]!)), long(inverse), long(counts)]
}

/** As com.microsoft has it: in the order of first places, which each one is, how often. */
function* uniqueByPlace(call: Call): Steps<Value[]> {
  const [y, , inverse, counts] = yield* unique(call.on(call.inputs, { sorted: 0 }))
  return [y!, inverse!, counts!]
}

/** Rows of the square matrices in x, with `more` columns behind each. */
function matricesOf(call: Call, more: number): { rows: Float64Array[][]; n: number } {
  const x = call.input(0)
  const [n, columns] = x.shape.slice(-2) as [number, number]
  if (x.shape.length < 2 || n !== columns || !isFloat(x.type))
    call.fail('input 0', 'square matrices of floats', x.shape)
  const data = x.data as Float64Array
  const rows = Array.from({ length: n ? x.size / (n * n) : 0 }, (_, i) =>
    Array.from({ length: n }, (_, row) => {
      const list = new Float64Array(n + more)
      list.set(data.subarray((i * n + row) * n, (i * n + row + 1) * n))
      if (more) list[n + row] = 1
      return list
    }),
  )
  return { rows, n }
}

/** Gauss's elimination by the largest of each column, above the diagonal too; the determinant. */
function eliminate(rows: Float64Array[], n: number): number {
  let product = 1
  for (let i = 0; i < n; i++) {
    let best = i
    for (let row = i + 1; row < n; row++) if (Math.abs(rows[row]![i]!) > Math.abs(rows[best]![i]!)) best = row
    const pivot = rows[best]![i]!
    if (pivot === 0) return 0
    if (best !== i) {
      ;[rows[i], rows[best]] = [rows[best]!, rows[i]!]
      product = -product
    }
    product *= pivot
    const own = rows[i]!
    for (let k = i; k < own.length; k++) own[k]! /= pivot
    for (let row = 0; row < n; row++) {
      const factor = rows[row]![i]!
      if (row === i || factor === 0) continue
      for (let k = i; k < own.length; k++) rows[row]![k]! -= factor * own[k]!
    }
  }
  return product
}

const det: Operator = (call) => {
  const { rows, n } = matricesOf(call, 0)
  const { type, shape } = call.input(0)
  return call.host(type, shape.slice(0, -2), (to) =>
    bySlices(
      rows.length,
      (begin, end) => {
        for (let i = begin; i < end; i++) to[i] = eliminate(rows[i]!, n)
      },
      8 * n ** 3,
    ),
  )
}

const inverse: Operator = (call) => {
  const x = call.input(0)
  const { rows, n } = matricesOf(call, x.shape.at(-1)!)
  return call.host(x.type, x.shape, (to) => {
    rows.forEach((matrix, i) => {
      if (eliminate(matrix, n) === 0) call.fail('input 0', 'matrices that have an inverse', `matrix ${i}`)
      matrix.forEach((row, k) => {
        to.set(row.subarray(n), (i * n + k) * n)
      })
    })
  })
}

/** Half away from zero. */
const rounded = (v: number): number => Math.sign(v) * Math.round(Math.abs(v))

/** The largest of parts of regions [batch, x1, y1, x2, y2], in pixels. (Girshick, "Fast R-CNN", 2015.) */
const maxRoiPool: Operator = (call) => {
  const [x, regions] = [call.input(0), call.input(1)]
  const [n, c, h, w] = x.shape as [number, number, number, number]
  if (x.shape.length !== 4) call.fail('input 0', '[n, channels, height, width]', x.shape)
  if (regions.shape.length !== 2 || regions.shape[1] !== 5)
    call.fail('input 1', '[regions, 5]', regions.shape)
  const lengths = call.numbers('pooled_shape', [])
  const [oh, ow] = lengths as [number, number]
  if (lengths.length !== 2 || !(oh > 0 && ow > 0)) call.fail('pooled_shape', 'two lengths', lengths)
  const scale = call.number('spatial_scale', 1)
  const words = 1 + 2 * oh + 2 * ow
  const count = regions.shape[0]!
  const parts = call.room('int32', [count, words]) as Int32Array
  /** Where each part begins and ends along an axis. */
  const divide = (at: number, count: number, [first, last]: [number, number], most: number) => {
    // In float32, as ONNX Runtime counts: where a part ends at a pixel, that decides.
    const size = Math.fround(Math.max(last - first + 1, 1) / count)
    const place = (v: number) => Math.min(Math.max(v + first, 0), most)
    for (let i = 0; i < count; i++) {
      parts[at + 2 * i] = place(Math.floor(Math.fround(i * size)))
      parts[at + 2 * i + 1] = place(Math.ceil(Math.fround((i + 1) * size)))
    }
  }
  const table = call.tables('parts', [parts.length], [regions], () => {
    const box = regions.data as Float32Array
    for (let r = 0; r < count; r++) {
      const image = box[r * 5]!
      if (!(image >= 0 && image < n)) call.fail('input 1', `images from 0 to ${n - 1}`, image)
      const side = (k: number) => rounded(Math.fround(box[r * 5 + k]! * scale))
      const at = r * words
      parts[at] = image
      divide(at + 1, oh, [side(2), side(4)], h)
      divide(at + 1 + 2 * oh, ow, [side(1), side(3)], w)
    }
    return [parts]
  })[0]!
  const y = call.engine.empty([count, oh, ow, c])
  runRegionMax(x.tensor('last'), table.typed() as Tensor<'int32'>, y)
  return call.tensor(x.type, y, 'last')
}

/** Update written into a cache along an axis, each image's from a place of its own. */
const tensorScatter: Operator = (call) => {
  const [past, update, places] = [call.input(0), call.input(1), call.inputs[2]]
  const axis = call.axis(call.number('axis', -2), past.shape.length)
  const mode = call.text('mode', 'linear')
  if (axis === 0) call.fail('axis', 'none of the first one', axis)
  const [length, written, n] = [past.shape[axis]!, update.shape[axis]!, past.shape[0]!]
  const first = places?.numbers ?? Array<number>(n).fill(0)
  const inner = sizeOf(past.shape.slice(axis + 1))
  const middle = sizeOf(past.shape.slice(1, axis))
  const data = (past.data as Float64Array).slice()
  const from = update.data as Float64Array
  for (let image = 0; image < n; image++) {
    for (let i = 0; i < written; i++) {
      const wanted = first[image]! + i
      const place = mode === 'circular' ? wanted % length : wanted
      if (!(place >= 0 && place < length)) call.fail('write_indices', `places from 0 to ${length - 1}`, place)
      for (let k = 0; k < middle; k++) {
        const source = ((image * middle + k) * written + i) * inner
        data.set(from.subarray(source, source + inner), ((image * middle + k) * length + place) * inner)
      }
    }
  }
  return call.host(past.type, past.shape, data as HostArray)
}

/** The cheapest way through a matrix of costs, from its first corner to the last: rows, and columns. */
const dynamicTimeWarping: Operator = (call) => {
  const x = call.input(0)
  const [rows, columns] = x.shape.slice(-2) as [number, number]
  if (x.shape.length < 2 || x.size !== rows * columns)
    call.fail('input 0', '[rows, columns] or [1, rows, columns]', x.shape)
  const own = x.data as Float32Array
  const width = columns + 1
  const costs = new Float32Array((rows + 1) * width).fill(Number.POSITIVE_INFINITY)
  const [across, down] = [width + 1, width]
  const steps = new Int32Array(costs.length)
  costs[0] = 0
  for (let j = 1; j <= columns; j++) {
    for (let i = 1; i <= rows; i++) {
      const at = i * width + j
      const [a, b, c] = [costs[at - across]!, costs[at - down]!, costs[at - 1]!]
      steps[at] = a < b && a < c ? across : b < a && b < c ? down : 1
      costs[at] = costs[at - steps[at]!]! + own[(i - 1) * columns + j - 1]!
    }
  }
  const way: number[] = []
  for (let at = rows * width + columns; at >= width && at % width; at -= steps[at]!) way.unshift(at)
  return call.host('int32', [2, way.length], (to) => {
    for (const [k, at] of way.entries()) {
      to[k] = Math.floor(at / width) - 1
      to[way.length + k] = (at % width) - 1
    }
  })
}

const isAllFinite: Operator = (call) => {
  const skips = { infinities: call.flag('isnan_only'), nans: call.flag('isinf_only') }
  const fine = (v: number) => Number.isFinite(v) || (Number.isNaN(v) ? skips.nans : skips.infinities)
  const all = call.given().every((x) => (x.data as Float64Array).every(fine))
  return call.host('bool', [], (to) => to.fill(Number(all)))
}

export const lists: Record<string, Operator> = {
  Det: det,
  MaxRoiPool: maxRoiPool,
  TensorScatter: tensorScatter,
  'com.microsoft.DynamicTimeWarping': dynamicTimeWarping,
  'com.microsoft.Inverse': inverse,
  'com.microsoft.IsAllFinite': isAllFinite,
}

/** Those of them that may take long before it is known how much comes out. */
export const longLists: Record<string, SteppedOperator> = {
  Unique: unique,
  'com.microsoft.Unique': uniqueByPlace,
}
