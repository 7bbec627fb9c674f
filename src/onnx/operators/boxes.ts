/** Operators on boxes: RoiAlign, NonMaxSuppression. */

import { limit } from '../file/types.js'
import type { Operator } from '../run/call.js'

/** Averages (or maxima) over the parts of regions, read between pixels. (He et al., "Mask R-CNN", 2017.) */
const roiAlign: Operator = (call) => {
  const [x, regions, batches] = [call.input(0), call.input(1), call.input(2)]
  const [, c, h, w] = x.shape as [number, number, number, number]
  const [oh, ow] = [call.number('output_height', 1), call.number('output_width', 1)]
  const ratio = call.number('sampling_ratio', 0)
  const scale = call.number('spatial_scale', 1)
  const isMax = call.text('mode', 'avg') === 'max'
  const half =
    call.opset >= 16 && call.text('coordinate_transformation_mode', 'half_pixel') === 'half_pixel' ? 0.5 : 0
  const box = regions.data as Float64Array
  const from = x.data as Float64Array
  const count = regions.shape[0]!
  return call.host(x.type, [count, c, oh, ow], (to) => {
    for (let r = 0; r < count; r++) {
      const [x1, y1, x2, y2] = [0, 1, 2, 3].map((k) => box[r * 4 + k]! * scale - half) as [
        number,
        number,
        number,
        number,
      ]
      const [rw, rh] = half ? [x2 - x1, y2 - y1] : [Math.max(x2 - x1, 1), Math.max(y2 - y1, 1)]
      const [bh, bw] = [rh / oh, rw / ow]
      const [gh, gw] = ratio > 0 ? [ratio, ratio] : [Math.ceil(rh / oh), Math.ceil(rw / ow)]
      for (let channel = 0; channel < c; channel++) {
        const plane = ((batches.data[r] as number) * c + channel) * h * w
        for (let py = 0; py < oh; py++) {
          for (let px = 0; px < ow; px++) {
            let sum = 0
            let most = Number.NEGATIVE_INFINITY
            for (let iy = 0; iy < gh; iy++) {
              for (let ix = 0; ix < gw; ix++) {
                let sy = y1 + py * bh + ((iy + 0.5) * bh) / gh
                let sx = x1 + px * bw + ((ix + 0.5) * bw) / gw
                if (sy < -1 || sy > h || sx < -1 || sx > w) {
                  most = Math.max(most, 0)
                  continue
                }
                sy = limit(sy, 0, h - 1)
                sx = limit(sx, 0, w - 1)
                const [top, leftEdge] = [Math.floor(sy), Math.floor(sx)]
                const [bottom, right] = [Math.min(top + 1, h - 1), Math.min(leftEdge + 1, w - 1)]
                const [dy, dx] = [sy - top, sx - leftEdge]
                const parts = [
                  (1 - dy) * (1 - dx) * from[plane + top * w + leftEdge]!,
                  (1 - dy) * dx * from[plane + top * w + right]!,
                  dy * (1 - dx) * from[plane + bottom * w + leftEdge]!,
                  dy * dx * from[plane + bottom * w + right]!,
                ]
                sum += parts.reduce((a, b) => a + b, 0)
                most = Math.max(most, ...parts)
              }
            }
            to[((r * c + channel) * oh + py) * ow + px] = isMax ? most : sum / Math.max(1, gh * gw)
          }
        }
      }
    }
  })
}

/** Corners of boxes, and their areas. */
interface Boxes {
  top: Float64Array
  left: Float64Array
  bottom: Float64Array
  right: Float64Array
  area: Float64Array
}

/**
 * `count` boxes from `first` on: two corners each, or where `centred` the middle, the width and the
 * height.
 */
function boxesOf(from: Float64Array, first: number, count: number, centred: boolean): Boxes {
  const [top, left, bottom, right, area] = Array.from({ length: 5 }, () => new Float64Array(count)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  for (let i = 0; i < count; i++) {
    const at = (first + i) * 4
    const [a, b, c, d] = [from[at]!, from[at + 1]!, from[at + 2]!, from[at + 3]!]
    top[i] = centred ? b - d / 2 : Math.min(a, c)
    left[i] = centred ? a - c / 2 : Math.min(b, d)
    bottom[i] = centred ? b + d / 2 : Math.max(a, c)
    right[i] = centred ? a + c / 2 : Math.max(b, d)
    area[i] = Math.max(0, bottom[i]! - top[i]!) * Math.max(0, right[i]! - left[i]!)
  }
  return { top, left, bottom, right, area }
}

/** Boxes that were kept, side by side, and whether another shares too much with one of them. */
class Kept {
  private readonly corners: Float64Array
  private count = 0

  /** @param most of them */
  constructor(
    private readonly all: Boxes,
    most: number,
    private readonly overlap: number,
  ) {
    this.corners = new Float64Array(5 * most)
  }

  get length(): number {
    return this.count
  }

  add(i: number): void {
    const { all, corners } = this
    const at = 5 * this.count++
    corners[at] = all.top[i]!
    corners[at + 1] = all.left[i]!
    corners[at + 2] = all.bottom[i]!
    corners[at + 3] = all.right[i]!
    corners[at + 4] = all.area[i]!
  }

  /** Whether what box `i` shares with one of them is more than `overlap` of what both cover. */
  covers(i: number): boolean {
    const { all, corners, count, overlap } = this
    const [top, left, bottom, right] = [all.top[i]!, all.left[i]!, all.bottom[i]!, all.right[i]!]
    const area = all.area[i]!
    for (let at = 0; at < 5 * count; at += 5) {
      const [y1, y2] = [corners[at]!, corners[at + 2]!]
      const height = (y2 < bottom ? y2 : bottom) - (y1 > top ? y1 : top)
      if (!(height > 0)) continue
      const [x1, x2] = [corners[at + 1]!, corners[at + 3]!]
      const width = (x2 < right ? x2 : right) - (x1 > left ? x1 : left)
      if (!(width > 0)) continue
      const common = height * width
      if (common / (area + corners[at + 4]! - common) > overlap) return true
    }
    return false
  }
}

/** Indices that a key has room for, beside the 32 bits of a float. */
const INDICES = 2 ** 21
const score32 = new Float32Array(1)
const bits32 = new Int32Array(score32.buffer)

/** A number that is larger where the score is, and among equal scores where the index is smaller. */
function keyOf(score: number, i: number): number {
  score32[0] = score + 0
  const bits = bits32[0]!
  return (bits ^ ((bits >> 31) & 0x7fffffff)) * INDICES + (INDICES - 1 - i)
}

/**
 * Places of scores above `least`, the highest first, one after the other: mostly a few are asked for, so that
 * a heap takes a tenth of the time of sorting.
 */
class Queue {
  private readonly keys: Float64Array
  private count = 0

  constructor(score: Float64Array, first: number, count: number, least: number) {
    this.keys = new Float64Array(count)
    for (let i = 0; i < count; i++) {
      const one = score[first + i]!
      if (one > least) this.keys[this.count++] = keyOf(one, i)
    }
    for (let at = (this.count >> 1) - 1; at >= 0; at--) this.sink(at)
  }

  /** The next place; -1 at the end. */
  next(): number {
    if (this.count === 0) return -1
    const key = this.keys[0]!
    this.keys[0] = this.keys[--this.count]!
    this.sink(0)
    return INDICES - 1 - (key - Math.floor(key / INDICES) * INDICES)
  }

  /** Puts a key below those that are larger. */
  private sink(from: number): void {
    const { count, keys } = this
    const key = keys[from]!
    let at = from
    for (let below = 2 * at + 1; below < count; below = 2 * at + 1) {
      if (below + 1 < count && keys[below + 1]! > keys[below]!) below++
      if (keys[below]! <= key) break
      keys[at] = keys[below]!
      at = below
    }
    keys[at] = key
  }
}

/** Boxes of each class by falling score, without those that overlap a better one too much. */
const nonMaxSuppression: Operator = (call) => {
  const [boxes, scores] = [call.input(0), call.input(1)]
  const most = call.scalar(2) ?? 0
  const overlap = call.scalar(3) ?? 0
  const least = call.scalar(4) ?? Number.NEGATIVE_INFINITY
  const centred = call.flag('center_point_box')
  const [batches, classes, count] = scores.shape as [number, number, number]
  if (count > INDICES) call.fail('boxes', `at most ${INDICES}`, count)
  const score = scores.data as Float64Array
  const found: number[] = []
  for (let batch = 0; batch < batches; batch++) {
    const all = boxesOf(boxes.data as Float64Array, batch * count, count, centred)
    for (let kind = 0; kind < classes; kind++) {
      const kept = new Kept(all, Math.min(most, count), overlap)
      const queue = new Queue(score, (batch * classes + kind) * count, count, least)
      while (kept.length < most) {
        const i = queue.next()
        if (i < 0) break
        if (kept.covers(i)) continue
        kept.add(i)
        found.push(batch, kind, i)
      }
    }
  }
  return call.host('int64', [found.length / 3, 3], Float64Array.from(found))
}

export const boxes: Record<string, Operator> = { RoiAlign: roiAlign, NonMaxSuppression: nonMaxSuppression }
