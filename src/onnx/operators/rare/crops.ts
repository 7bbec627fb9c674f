/**
 * com.microsoft's CropAndResize: boxes of images, each sampled at the same number of places, the corners
 * among them. It is TensorFlow's, with the channels before the places.
 */
import { sizeOf } from '../../../base/shape.js'
import type { Operator } from '../../run/call.js'

/** Places along an axis: the pixels on both sides of each, how far it is from the first; -1 outside. */
interface Samples {
  before: Int32Array
  after: Int32Array
  part: Float64Array
}

/**
 * Writes what a plane of width w has at rows x columns; called for each, so that it is compiled as a whole.
 */
function sample(
  from: Float32Array,
  w: number,
  rows: Samples,
  columns: Samples,
  outside: number,
  to: Float32Array,
): void {
  const [{ before: tops, after: bottoms, part: downs }, { before: lefts, after: rights, part: acrosses }] = [
    rows,
    columns,
  ]
  const width = lefts.length
  for (let i = 0; i < tops.length; i++) {
    const [top, bottom, down] = [tops[i]! * w, bottoms[i]! * w, downs[i]!]
    for (let j = 0; j < width; j++) {
      const [left, right, across] = [lefts[j]!, rights[j]!, acrosses[j]!]
      let value = outside
      if (top >= 0 && left >= 0) {
        const above = from[top + left]! + (from[top + right]! - from[top + left]!) * across
        const below = from[bottom + left]! + (from[bottom + right]! - from[bottom + left]!) * across
        value = above + (below - above) * down
      }
      to[i * width + j] = value
    }
  }
}

/** x [n, c, h, w], boxes [count, 4] of y1, x1, y2, x2 in parts of an image, images [count], size [2] */
const cropAndResize: Operator = (call) => {
  const [x, boxes, images, size] = [call.input(0), call.input(1), call.input(2), call.input(3)]
  const mode = call.text('mode', 'bilinear')
  if (mode !== 'bilinear' && mode !== 'nearest') call.fail('mode', 'bilinear or nearest', mode)
  if (x.shape.length !== 4) call.fail('input 0', '[n, channels, height, width]', x.shape)
  const [n, c, h, w] = x.shape as [number, number, number, number]
  const count = boxes.shape[0] ?? 0
  if (boxes.shape.length !== 2 || boxes.shape[1] !== 4) call.fail('rois', '[count, 4]', boxes.shape)
  if (images.size !== count) call.fail('batch_indices', `[${count}]`, images.shape)
  const [oh, ow] = size.numbers as [number, number]
  if (size.size !== 2 || !(oh >= 1 && ow >= 1))
    call.fail('crop_size', 'two lengths of at least 1', size.numbers)
  const outside = call.number('extrapolation_value', 0)
  const [from, corners] = [x.data as Float32Array, boxes.numbers]
  const isNearest = mode === 'nearest'
  // In float32, as ONNX Runtime counts: halfway between two pixels that decides which one is nearest.
  const { fround } = Math
  const samples = (low: number, high: number, length: number, wanted: number): Samples => {
    const step = wanted > 1 ? fround(fround(fround(high - low) * (length - 1)) / (wanted - 1)) : 0
    const first = wanted > 1 ? fround(low * (length - 1)) : fround(0.5 * fround(low + high) * (length - 1))
    const [before, after, part] = [new Int32Array(wanted), new Int32Array(wanted), new Float64Array(wanted)]
    for (let i = 0; i < wanted; i++) {
      const place = fround(first + fround(i * step))
      const isInside = place >= 0 && place <= length - 1
      before[i] = !isInside ? -1 : isNearest ? Math.round(place) : Math.floor(place)
      after[i] = isNearest ? before[i]! : Math.ceil(place)
      part[i] = isNearest ? 0 : place - before[i]!
    }
    return { before, after, part }
  }
  const shape = [count, c, oh, ow]
  return call.host(x.type, shape, (data) => {
    if (sizeOf(shape) === 0) return
    let to = 0
    for (const [box, image] of images.numbers.entries()) {
      if (!(image >= 0 && image < n)) call.fail('batch_indices', `from 0 to ${n - 1}`, image)
      const [y1, x1, y2, x2] = corners.slice(box * 4, box * 4 + 4) as [number, number, number, number]
      const [rows, columns] = [samples(y1, y2, h, oh), samples(x1, x2, w, ow)]
      for (let channel = 0; channel < c; channel++, to += oh * ow) {
        const plane = from.subarray((image * c + channel) * h * w)
        sample(plane, w, rows, columns, outside, data.subarray(to, to + oh * ow) as unknown as Float32Array)
      }
    }
  })
}

export const crops: Record<string, Operator> = { 'com.microsoft.CropAndResize': cropAndResize }
