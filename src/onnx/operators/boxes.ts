/** Operators on boxes: RoiAlign, and NonMaxSuppression by assembly/suppress.ts. */

import { sameShape } from '../../base/shape.js'
import { runSuppress } from '../../plans/suppress.js'
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

/** Boxes that the kernel counts: four times as many are an int32. */
const INDICES = 2 ** 28

/** Boxes of each class by falling score, without those that overlap a better one too much. */
const nonMaxSuppression: Operator = (call) => {
  const { engine } = call
  const [boxes, scores] = [call.input(0), call.input(1)]
  const [images, classes, n] = scores.shape as [number, number, number]
  if (scores.shape.length !== 3) call.fail('scores', '[images, classes, boxes]', scores.shape)
  if (!sameShape(boxes.shape, [images, n, 4])) call.fail('boxes', `[${images}, ${n}, 4]`, boxes.shape)
  if (n > INDICES) call.fail('boxes', `at most ${INDICES}`, n)
  const most = Math.max(0, Math.min(call.scalar(2) ?? 0, n))
  const units = images * classes
  if (units * most === 0) return call.host('int64', [0, 3], new Float64Array())
  const places = engine.empty([units, most], { dtype: 'int32' })
  const counts = engine.empty([units], { dtype: 'int32' })
  runSuppress({
    boxes: boxes.tensor(),
    scores: scores.tensor(),
    places,
    counts,
    centred: call.flag('center_point_box'),
    overlap: call.scalar(3) ?? 0,
    least: call.scalar(4) ?? Number.NEGATIVE_INFINITY,
  })
  // How many there are is a shape: the host has to know.
  const ends = call.tensor('int32', counts).data as Int32Array
  const found = call.tensor('int32', places).data as Int32Array
  const rows: number[] = []
  ends.forEach((count, unit) => {
    const [image, kind] = [Math.floor(unit / classes), unit % classes]
    for (let i = 0; i < count; i++) rows.push(image, kind, found[unit * most + i]!)
  })
  return call.host('int64', [rows.length / 3, 3], Float64Array.from(rows))
}

export const boxes: Record<string, Operator> = { RoiAlign: roiAlign, NonMaxSuppression: nonMaxSuppression }
