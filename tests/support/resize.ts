/** Resize by its definition in the ONNX standard, in plain loops. */
import type { ResizeOptions } from '../../src/index.js'
import { at, build, type Values } from './reference.js'

type Along = [index: number, weight: number][] | 'outside'

/** The pixels that output o of an axis is the weighted sum of. */
function tapsOf(
  o: number,
  input: number,
  output: number,
  options: ResizeOptions,
  start: number,
  end: number,
): Along {
  const { method = 'bilinear', coordinates = 'half_pixel', nearestMode = 'round_prefer_floor' } = options
  const { cubicCoefficient: a = -0.75 } = options
  const scale = output / input
  // In this order, so that what is whole or halfway is so in float64, too.
  const half = ((2 * o + 1) * input - output) / (2 * output)
  const position = {
    half_pixel: half,
    half_pixel_symmetric: half,
    pytorch_half_pixel: output > 1 ? half : 0,
    align_corners: output > 1 ? (o * (input - 1)) / (output - 1) : 0,
    asymmetric: (o * input) / output,
    tf_half_pixel_for_nn: ((2 * o + 1) * input) / (2 * output),
    tf_crop_and_resize:
      output > 1
        ? start * (input - 1) + (o * (end - start) * (input - 1)) / (output - 1)
        : 0.5 * (start + end) * (input - 1),
  }[coordinates]
  if (coordinates === 'tf_crop_and_resize' && (position < 0 || position > input - 1)) return 'outside'
  const inside = (i: number) => Math.min(Math.max(i, 0), input - 1)
  if (method === 'nearest') {
    const index = {
      round_prefer_floor: Math.ceil(position - 0.5),
      round_prefer_ceil: Math.floor(position + 0.5),
      floor: Math.floor(position),
      ceil: Math.ceil(position),
    }[nearestMode]
    return [[inside(index), 1]]
  }
  const weight = (distance: number) => {
    const d = Math.abs(distance)
    if (method === 'bilinear') return Math.max(0, 1 - d)
    if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1
    return d < 2 ? a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a : 0
  }
  const stretch = options.antialias ? Math.max(1, 1 / scale) : 1
  const reach = Math.ceil(2 * stretch) + 1
  const taps: [number, number][] = []
  for (let i = Math.floor(position) - reach; i <= position + reach; i++) {
    const w = weight((i - position) / stretch)
    const excluded = options.excludeOutside && method === 'bicubic' && (i < 0 || i >= input)
    if (w !== 0 && !excluded) taps.push([inside(i), w])
  }
  const isNormal = options.antialias || (options.excludeOutside && method === 'bicubic')
  const sum = isNormal ? taps.reduce((total, [, w]) => total + w, 0) : 1
  return taps.map(([i, w]) => [i, w / sum])
}

export function resize(x: Values, options: ResizeOptions): Values {
  const [n, ih, iw, c] = x.shape as [number, number, number, number]
  const [oh, ow] = options.size as [number, number]
  const [top, left, bottom, right] = options.region ?? [0, 0, 1, 1]
  return build([n, oh, ow, c], (image, oy, ox, channel) => {
    const [rows, columns] = [
      tapsOf(oy!, ih, oh, options, top, bottom),
      tapsOf(ox!, iw, ow, options, left, right),
    ]
    if (rows === 'outside' || columns === 'outside') return options.extrapolation ?? 0
    let sum = 0
    for (const [i, p] of rows) for (const [j, q] of columns) sum += at(x, [image!, i, j, channel!]) * p * q
    return sum
  })
}
