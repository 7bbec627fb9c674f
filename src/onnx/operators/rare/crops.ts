/**
 * com.microsoft's CropAndResize: boxes of images, each sampled at the same number of places, the corners
 * among them. It is TensorFlow's, with the channels before the places.
 */
import { sizeOf } from '../../../base/shape.js'
import type { Operator } from '../../run/call.js'

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
  const [from, corners] = [x.data as Float64Array, boxes.numbers]
  // In float32, as ONNX Runtime counts: halfway between two pixels that decides which one is nearest.
  const { fround } = Math
  const places = (low: number, high: number, length: number, wanted: number): number[] => {
    const step = wanted > 1 ? fround(fround(fround(high - low) * (length - 1)) / (wanted - 1)) : 0
    const first = wanted > 1 ? fround(low * (length - 1)) : fround(0.5 * fround(low + high) * (length - 1))
    return Array.from({ length: wanted }, (_, i) => fround(first + fround(i * step)))
  }
  const shape = [count, c, oh, ow]
  return call.host(x.type, shape, (data) => {
    if (sizeOf(shape) === 0) return
    for (const [box, image] of images.numbers.entries()) {
      if (!(image >= 0 && image < n)) call.fail('batch_indices', `from 0 to ${n - 1}`, image)
      const [y1, x1, y2, x2] = corners.slice(box * 4, box * 4 + 4) as [number, number, number, number]
      const [rows, columns] = [places(y1, y2, h, oh), places(x1, x2, w, ow)]
      for (let channel = 0; channel < c; channel++) {
        const plane = (image * c + channel) * h * w
        const at = (i: number, j: number) => from[plane + i * w + j]!
        rows.forEach((row, i) => {
          columns.forEach((column, j) => {
            const isInside = row >= 0 && row <= h - 1 && column >= 0 && column <= w - 1
            const [top, left] = [Math.floor(row), Math.floor(column)]
            const [bottom, right] = [Math.ceil(row), Math.ceil(column)]
            const along = (line: number) =>
              at(line, left) + (at(line, right) - at(line, left)) * (column - left)
            const value = () =>
              mode === 'nearest'
                ? at(Math.round(row), Math.round(column))
                : along(top) + (along(bottom) - along(top)) * (row - top)
            data[((box * c + channel) * oh + i) * ow + j] = isInside ? value() : outside
          })
        })
      }
    }
  })
}

export const crops: Record<string, Operator> = { 'com.microsoft.CropAndResize': cropAndResize }
