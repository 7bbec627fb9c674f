/** The plans of assembly/crops.ts: regions of images, divided into parts or read between pixels. */
import type { Tensor } from '../core/tensor.js'

/**
 * y [regions, oh, ow, c] = the largest of the parts of regions of x [n, h, w, c]. parts [regions, words]: the
 * image, where each row of parts begins and ends, and the same of each column.
 */
export function runRegionMax(x: Tensor, parts: Tensor<'int32'>, y: Tensor): void {
  const { engine } = x
  const [, h, w, c] = x.shape as [number, number, number, number]
  const [regions, oh, ow] = y.shape as [number, number, number, number]
  if (y.size === 0) return
  engine.run({
    kernel: 'regionMax',
    args: { x: x.pointer, parts: parts.pointer, y: y.pointer, h, w, c, oh, ow },
    units: regions,
    work: y.size * PIXELS,
  })
}

/** About how many pixels a part has. */
const PIXELS = 9

/**
 * y [boxes, oh, ow, c] = boxes of x [n, h, w, c], read between pixels. places [boxes, words]: the image, and
 * for each row and then each column of y the pixel before it, -1 outside, the one after it, and the part of
 * the way to that, as the bits of a float32.
 */
export function runCropBoxes(x: Tensor, places: Tensor<'int32'>, y: Tensor, outside: number): void {
  const { engine } = x
  const [, h, w, c] = x.shape as [number, number, number, number]
  const [boxes, oh, ow] = y.shape as [number, number, number, number]
  if (y.size === 0) return
  engine.run({
    kernel: 'cropBoxes',
    args: { x: x.pointer, places: places.pointer, y: y.pointer, h, w, c, oh, ow, outside },
    units: boxes,
    work: y.size * 8,
  })
}
