/** Operators on boxes: RoiAlign by assembly/roiAlign.ts, NonMaxSuppression by assembly/suppress.ts. */

import { sameShape } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { settled } from '../../ops/gatherND.js'
import { runRoiAlign } from '../../plans/regions.js'
import { runSuppress } from '../../plans/suppress.js'
import type { Operator } from '../run/call.js'

/** More samples along an axis of a part are not asked for by the attribute. */
const MOST_SAMPLES = 4096

/** Averages (or maxima) over the parts of regions, read between pixels. (He et al., "Mask R-CNN", 2017.) */
const roiAlign: Operator = (call) => {
  const { engine } = call
  const [x, regions, batches] = [call.input(0), call.input(1), call.input(2)]
  if (x.shape.length !== 4) call.fail('x', '[n, channels, height, width]', x.shape)
  const [n, c, h, w] = x.shape as [number, number, number, number]
  const [count, numbers] = regions.shape
  if (regions.shape.length !== 2 || numbers !== 4) call.fail('rois', '[count, 4]', regions.shape)
  if (batches.size !== count) call.fail('batch_indices', `[${count}]`, batches.shape)
  const [oh, ow] = [call.number('output_height', 1), call.number('output_width', 1)]
  const samples = call.number('sampling_ratio', 0)
  if (!(samples >= 0 && samples <= MOST_SAMPLES))
    call.fail('sampling_ratio', `from 0 to ${MOST_SAMPLES}`, samples)
  const mode = call.text('mode', 'avg')
  if (mode !== 'avg' && mode !== 'max') call.fail('mode', 'avg or max', mode)
  const way = call.text('coordinate_transformation_mode', 'half_pixel')
  const [shape, halfPixel] = [[count!, oh, ow, c], call.opset >= 16 && way === 'half_pixel']
  if (n * h * w === 0) return call.zeros(x.type, [count!, c, oh, ow])
  const y = engine.empty(shape)
  runRoiAlign({
    x: x.tensor('last'),
    boxes: regions.tensor(),
    images: settled(batches.as('int32', 'plain') as Tensor<'int32'>, n),
    y,
    samples,
    largest: mode === 'max',
    halfPixel,
    scale: call.number('spatial_scale', 1),
  })
  return call.tensor(x.type, y, 'last')
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
