/** Small things on the host: Unique, Det, MaxRoiPool, and com.microsoft's kin of them. */
import { sizeOf } from '../../../base/shape.js'
import { type HostArray, isFloat } from '../../file/types.js'
import type { Call, Operator } from '../../run/call.js'
import type { Value } from '../../run/value.js'

type Element = number | string

/** Which is first: numbers by size with NaN behind all, texts by their characters. */
function compare(a: Element, b: Element): number {
  if (a === b) return 0
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a < b ? -1 : 1
}

/** The different elements, or slices along an axis; where each is first, which each one is, how often. */
const unique: Operator = (call) => {
  const x = call.input(0)
  const flat = !call.has('axis')
  const axis = flat ? 0 : call.ownAxis(x.shape.length, 0)
  const shape = flat ? [x.size] : x.shape
  const [count, inner] = [shape[axis]!, sizeOf(shape.slice(axis + 1))]
  const outer = sizeOf(shape.slice(0, axis))
  const data = x.data as unknown as Element[]
  const at = (i: number, k: number) => data[(Math.floor(k / inner) * count + i) * inner + (k % inner)]!
  const each = outer * inner
  const order = (a: number, b: number) => {
    for (let k = 0; k < each; k++) {
      const found = compare(at(a, k), at(b, k))
      if (found) return found
    }
    return 0
  }
  const sorted = [...Array(count).keys()].sort((a, b) => order(a, b) || a - b)
  const groups: number[][] = []
  for (const i of sorted) {
    const last = groups.at(-1)
    if (last && order(last[0]!, i) === 0) last.push(i)
    else groups.push([i])
  }
  if (!call.flag('sorted', true)) groups.sort((a, b) => a[0]! - b[0]!)
  const inverse = new Float64Array(count)
  groups.forEach((members, place) => {
    for (const i of members) inverse[i] = place
  })
  const long = (list: ArrayLike<number>) => call.host('int64', [list.length], Float64Array.from(list))
  const y = call.host(x.type, shape.with(axis, groups.length), (to) => {
    groups.forEach(([first], place) => {
      for (let k = 0; k < each; k++)
        to[(Math.floor(k / inner) * groups.length + place) * inner + (k % inner)] = at(first!, k) as number
    })
  })
  return [y, long(groups.map(([first]) => first!)), long(inverse), long(groups.map(({ length }) => length))]
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
  const [from, box] = [x.data as Float64Array, regions.data as Float64Array]
  /** Where part i of `parts` begins and ends, of a region along an axis. */
  const ends = (i: number, parts: number, first: number, last: number, most: number) => {
    // In float32, as ONNX Runtime counts: where a part ends at a pixel, that decides.
    const size = Math.fround(Math.max(last - first + 1, 1) / parts)
    const place = (v: number) => Math.min(Math.max(v + first, 0), most)
    return [place(Math.floor(Math.fround(i * size))), place(Math.ceil(Math.fround((i + 1) * size)))] as const
  }
  return call.host(x.type, [regions.shape[0]!, c, oh, ow], (to) => {
    let at = 0
    for (let r = 0; r < regions.shape[0]!; r++) {
      const image = box[r * 5]!
      if (!(image >= 0 && image < n)) call.fail('input 1', `images from 0 to ${n - 1}`, image)
      const [x1, y1, x2, y2] = [1, 2, 3, 4].map((k) => rounded(Math.fround(box[r * 5 + k]! * scale))) as [
        number,
        number,
        number,
        number,
      ]
      for (let channel = 0; channel < c; channel++) {
        const plane = (image * c + channel) * h * w
        for (let py = 0; py < oh; py++) {
          const [top, bottom] = ends(py, oh, y1, y2, h)
          for (let px = 0; px < ow; px++) {
            const [left, right] = ends(px, ow, x1, x2, w)
            let most = bottom > top && right > left ? Number.NEGATIVE_INFINITY : 0
            for (let iy = top; iy < bottom; iy++)
              for (let ix = left; ix < right; ix++) most = Math.max(most, from[plane + iy * w + ix]!)
            to[at++] = most
          }
        }
      }
    }
  })
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
  'com.microsoft.Inverse': inverse,
  'com.microsoft.IsAllFinite': isAllFinite,
  'com.microsoft.Unique': uniqueByPlace,
}
