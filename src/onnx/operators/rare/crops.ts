/**
 * com.microsoft's CropAndResize: boxes of images, each sampled at the same number of places, the corners
 * among them. It is TensorFlow's, with the channels before the places.
 */
import type { Tensor } from '../../../core/tensor.js'
import { runCropBoxes } from '../../../plans/crops.js'
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
  const isNearest = mode === 'nearest'
  // In float32, as ONNX Runtime counts: halfway between two pixels that decides which one is nearest.
  const { fround } = Math
  const words = 1 + 3 * (oh + ow)
  const places = call.room('int32', [count, words]) as Int32Array
  const parts = new Float32Array(places.buffer as ArrayBuffer)
  const sample = (at: number, [low, high]: [number, number], length: number, wanted: number) => {
    const step = wanted > 1 ? fround(fround(fround(high - low) * (length - 1)) / (wanted - 1)) : 0
    const first = wanted > 1 ? fround(low * (length - 1)) : fround(0.5 * fround(low + high) * (length - 1))
    for (let i = 0; i < wanted; i++) {
      const place = fround(first + fround(i * step))
      const isInside = place >= 0 && place <= length - 1
      const before = !isInside ? -1 : isNearest ? Math.round(place) : Math.floor(place)
      places[at + 3 * i] = before
      places[at + 3 * i + 1] = isNearest ? before : Math.ceil(place)
      parts[at + 3 * i + 2] = isNearest ? 0 : place - before
    }
  }
  const table = call.tables('places', [places.length], [boxes, images, size], () => {
    const corners = boxes.data as Float32Array
    images.numbers.forEach((image, box) => {
      if (!(image >= 0 && image < n)) call.fail('batch_indices', `from 0 to ${n - 1}`, image)
      const [y1, x1, y2, x2] = corners.slice(box * 4, box * 4 + 4) as unknown as [
        number,
        number,
        number,
        number,
      ]
      const at = box * words
      places[at] = image
      sample(at + 1, [y1, y2], h, oh)
      sample(at + 1 + 3 * oh, [x1, x2], w, ow)
    })
    return [places]
  })[0]!
  const y = call.engine.empty([count, oh, ow, c])
  runCropBoxes(x.tensor('last'), table.typed() as Tensor<'int32'>, y, outside)
  return call.tensor(x.type, y, 'last')
}

export const crops: Record<string, Operator> = { 'com.microsoft.CropAndResize': cropAndResize }
