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

/** Whether the part that two boxes share is more than `overlap` of what they cover. */
function overlaps({ top, left, bottom, right, area }: Boxes, i: number, j: number, overlap: number): boolean {
  const height = Math.min(bottom[i]!, bottom[j]!) - Math.max(top[i]!, top[j]!)
  if (height <= 0) return false
  const width = Math.min(right[i]!, right[j]!) - Math.max(left[i]!, left[j]!)
  if (width <= 0) return false
  const common = height * width
  return common / (area[i]! + area[j]! - common) > overlap
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

/** Places of scores above `least`, the highest first. */
function ordered(score: Float64Array, first: number, count: number, least: number): Int32Array {
  const above = Int32Array.from({ length: count }, (_, i) => i).filter((i) => score[first + i]! > least)
  if (count > INDICES) return above.sort((a, b) => score[first + b]! - score[first + a]! || a - b)
  // Without a function to compare by, sorting takes a tenth of the time.
  const keys = Float64Array.from(above, (i) => keyOf(score[first + i]!, i)).sort()
  return above.map((_, k) => {
    const key = keys[keys.length - 1 - k]!
    return INDICES - 1 - (key - Math.floor(key / INDICES) * INDICES)
  })
}

/** Boxes of each class by falling score, without those that overlap a better one too much. */
const nonMaxSuppression: Operator = (call) => {
  const [boxes, scores] = [call.input(0), call.input(1)]
  const most = call.scalar(2) ?? 0
  const overlap = call.scalar(3) ?? 0
  const least = call.scalar(4) ?? Number.NEGATIVE_INFINITY
  const centred = call.flag('center_point_box')
  const [batches, classes, count] = scores.shape as [number, number, number]
  const score = scores.data as Float64Array
  const found: number[] = []
  for (let batch = 0; batch < batches; batch++) {
    const all = boxesOf(boxes.data as Float64Array, batch * count, count, centred)
    for (let kind = 0; kind < classes; kind++) {
      const kept: number[] = []
      for (const i of ordered(score, (batch * classes + kind) * count, count, least)) {
        if (kept.length >= most) break
        if (kept.some((other) => overlaps(all, i, other, overlap))) continue
        kept.push(i)
        found.push(batch, kind, i)
      }
    }
  }
  return call.host('int64', [found.length / 3, 3], Float64Array.from(found))
}

export const boxes: Record<string, Operator> = { RoiAlign: roiAlign, NonMaxSuppression: nonMaxSuppression }
