/**
 * Small things on the host: Unique, Det, the regions of MaxRoiPool, and com.microsoft's kin of them and
 * DynamicTimeWarping.
 */
import { sizeOf } from '../../../base/shape.js'
import type { Tensor } from '../../../core/tensor.js'
import { runRegionMax } from '../../../plans/crops.js'
import { type HostArray, isFloat } from '../../file/types.js'
import type { Call, Operator } from '../../run/call.js'
import type { Value } from '../../run/value.js'

type Element = number | string

/** Which is first: numbers by size with NaN behind all, texts by their characters. */
function compare(a: Element, b: Element): number {
  if (a === b) return 0
  if (a < b) return -1
  if (a > b) return 1
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

/** For each of `count` elements its group, groups by their first elements; and these. NaN is NaN here. */
function groupsOf(data: ArrayLike<Element>): { groupOf: Int32Array; firsts: number[] } {
  const groupOf = new Int32Array(data.length)
  const firsts: number[] = []
  const known = new Map<Element, number>()
  for (let i = 0; i < data.length; i++) {
    let group = known.get(data[i]!)
    if (group === undefined) {
      group = firsts.push(i) - 1
      known.set(data[i]!, group)
    }
    groupOf[i] = group
  }
  return { groupOf, firsts }
}

/** The same of rows of so many elements, found by sorting them. */
function groupsOfRows(rows: ArrayLike<Element>, length: number): { groupOf: Int32Array; firsts: number[] } {
  const order = (a: number, b: number) => {
    for (let k = 0; k < length; k++) {
      const found = compare(rows[a * length + k]!, rows[b * length + k]!)
      if (found) return found
    }
    return 0
  }
  const count = rows.length / length
  const sorted = Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => order(a, b) || a - b)
  // The first of its kind for each row; rows of a kind stand in order.
  const likes = new Int32Array(count)
  sorted.forEach((row, i) => {
    likes[row] = i && order(sorted[i - 1]!, row) === 0 ? likes[sorted[i - 1]!]! : row
  })
  return groupsOf(likes)
}

/** The different elements, or slices along an axis; where each is first, which each one is, how often. */
const unique: Operator = (call) => {
  const x = call.input(0)
  const flat = !call.has('axis')
  const axis = flat ? 0 : call.ownAxis(x.shape.length, 0)
  const shape = flat ? [x.size] : x.shape
  const [count, inner] = [shape[axis]!, sizeOf(shape.slice(axis + 1))]
  const each = sizeOf(shape) / (count || 1)
  const data = x.data as unknown as Element[]
  // Slices along the first axis stand as rows already.
  const rows =
    each === inner
      ? data
      : Array.from({ length: x.size }, (_, at) => {
          const [i, k] = [Math.floor(at / each), at % each]
          return data[(Math.floor(k / inner) * count + i) * inner + (k % inner)]!
        })
  const { groupOf, firsts } = each === 1 ? groupsOf(data) : groupsOfRows(rows, each)
  const order = Uint32Array.from(firsts, (_, group) => group)
  if (call.flag('sorted', true)) {
    order.sort((a, b) => {
      for (let k = 0; k < each; k++) {
        const found = compare(rows[firsts[a]! * each + k]!, rows[firsts[b]! * each + k]!)
        if (found) return found
      }
      return 0
    })
  }
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
const uniqueByPlace: Operator = (call) => {
  const [y, , inverse, counts] = unique(call.on(call.inputs, { sorted: 0 })) as Value[]
  return [y, inverse, counts]
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
  return call.host(type, shape.slice(0, -2), (to) => to.set(rows.map((matrix) => eliminate(matrix, n))))
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
  const [oh, ow] = call.numbers('pooled_shape', []) as [number, number]
  if (!(oh > 0 && ow > 0)) call.fail('pooled_shape', 'two lengths', [oh, ow])
  const scale = call.number('spatial_scale', 1)
  const words = 1 + 2 * oh + 2 * ow
  const count = regions.shape[0]!
  const parts = new Int32Array(count * words)
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
  const all = (call.inputs as Value[]).every((x) => (x.data as Float64Array).every(fine))
  return call.host('bool', [], (to) => to.fill(Number(all)))
}

export const lists: Record<string, Operator> = {
  Det: det,
  MaxRoiPool: maxRoiPool,
  TensorScatter: tensorScatter,
  Unique: unique,
  'com.microsoft.DynamicTimeWarping': dynamicTimeWarping,
  'com.microsoft.Inverse': inverse,
  'com.microsoft.IsAllFinite': isAllFinite,
  'com.microsoft.Unique': uniqueByPlace,
}
