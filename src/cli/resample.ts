import type { Picture } from '../node/picture.js'

/** The middle of a picture with the proportions of width x height. */
export function middle(picture: Picture, width: number, height: number): Picture {
  const w = Math.min(picture.width, Math.max(1, Math.round((picture.height * width) / height)))
  const h = Math.min(picture.height, Math.max(1, Math.round((picture.width * height) / width)))
  const [left, top] = [(picture.width - w) >> 1, (picture.height - h) >> 1]
  const data = new Uint8ClampedArray(w * h * 4)
  for (let y = 0; y < h; y++) {
    const from = ((top + y) * picture.width + left) * 4
    data.set(picture.data.subarray(from, from + w * 4), y * w * 4)
  }
  return { data, width: w, height: h }
}

/**
 * A picture at another size. Each pixel is the mean of those around its place, weighted by a triangle as wide
 * as two pixels of the coarser picture: bilinear where it grows, without moire where it shrinks, as Pillow's
 * BILINEAR.
 */
export function resample({ data, width, height }: Picture, toWidth: number, toHeight: number): Picture {
  if (width === toWidth && height === toHeight) return { data, width, height }
  const rows = new Float32Array(toWidth * height * 4)
  along(data, rows, {
    lines: height,
    lineStride: width * 4,
    from: width,
    fromStride: 4,
    toLineStride: toWidth * 4,
    to: toWidth,
    toStride: 4,
  })
  const result = new Uint8ClampedArray(toWidth * toHeight * 4)
  const across = {
    lines: toWidth,
    lineStride: 4,
    from: height,
    fromStride: toWidth * 4,
    toLineStride: 4,
    to: toHeight,
    toStride: toWidth * 4,
  }
  along(rows, result, across)
  return { data: result, width: toWidth, height: toHeight }
}

interface Walk {
  lines: number
  lineStride: number
  from: number
  fromStride: number
  toLineStride: number
  to: number
  toStride: number
}

/** Every line of four channels from `from` to `to` pixels. */
function along(source: ArrayLike<number>, target: Float32Array | Uint8ClampedArray, walk: Walk): void {
  const { lines, lineStride, from, fromStride, toLineStride, to, toStride } = walk
  const scale = from / to
  const reach = Math.max(1, scale)
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale - 0.5
    const first = Math.max(0, Math.ceil(centre - reach))
    const weights: number[] = []
    for (let at = first; at <= Math.min(from - 1, Math.floor(centre + reach)); at++)
      weights.push(1 - Math.abs(at - centre) / reach)
    const sum = weights.reduce((a, b) => a + b)
    for (let line = 0; line < lines; line++) {
      for (let c = 0; c < 4; c++) {
        let value = 0
        for (let k = 0; k < weights.length; k++)
          value += weights[k]! * source[line * lineStride + (first + k) * fromStride + c]!
        target[line * toLineStride + i * toStride + c] = value / sum
      }
    }
  }
}
