/** The filters of filterbank/image, as plain loops. Values are from 0 to 1. */
import { at, build, type Values } from './reference.js'

/** The element of a row of `size` that stands at i, walking step by step back into the row; -1: a zero. */
export function continued(i: number, size: number, border: string): number {
  while (i < 0 || i >= size) {
    if (border === 'zero') return -1
    if (border === 'replicate') i = i < 0 ? 0 : size - 1
    else if (border === 'wrap') i = i < 0 ? i + size : i - size
    else if (border === 'reflect') i = i < 0 ? -1 - i : 2 * size - 1 - i
    else if (border === 'reflect101') i = size === 1 ? 0 : i < 0 ? -i : 2 * size - 2 - i
    else throw new Error(border)
  }
  return i
}

/**
 * The kh * kw values of x [n, h, w, c] that a window sees whose anchor, floor(size / 2), stands at (r,
 * column).
 */
export function windowAt(
  x: Values,
  [n, r, column, c]: number[],
  [kh, kw]: [number, number],
  border: string,
): number[][] {
  const [, h, w] = x.shape as [number, number, number]
  return Array.from({ length: kh }, (_, i) =>
    Array.from({ length: kw }, (_, j) => {
      const row = continued(r! + i - Math.floor(kh / 2), h, border)
      const col = continued(column! + j - Math.floor(kw / 2), w, border)
      return row < 0 || col < 0 ? 0 : at(x, [n!, row, col, c!])
    }),
  )
}

/** Correlation of every channel of x [n, h, w, c] with one kernel. */
export function filter2d(x: Values, kernel: number[][], border: string): Values {
  return build(x.shape, (...index) =>
    windowAt(x, index, [kernel.length, kernel[0]!.length], border)
      .flatMap((row, i) => row.map((value, j) => value * kernel[i]![j]!))
      .reduce((a, b) => a + b),
  )
}

/** The middle value of each size x size window. */
export function median(x: Values, size: number, border: string): Values {
  return build(
    x.shape,
    (...index) =>
      windowAt(x, index, [size, size], border)
        .flat()
        .sort((a, b) => a - b)[(size * size) >> 1]!,
  )
}

/** exp(-i^2 / (2 sigma^2)) over its sum, as a square kernel of 2 * ceil(3 sigma) + 1 taps. */
export function gaussianKernel(sigma: number, radius = Math.ceil(3 * sigma)): number[][] {
  const line = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)),
  )
  const sum = line.reduce((a, b) => a + b)
  return line.map((a) => line.map((b) => (a * b) / (sum * sum)))
}

/** The largest or smallest value of each window. */
export const extreme = (x: Values, size: [number, number], border: string, largest: boolean): Values =>
  build(x.shape, (...index) => {
    const window = windowAt(x, index, size, border).flat()
    return largest ? Math.max(...window) : Math.min(...window)
  })

/** A pixel's channel, and its alpha where there are four. */
const pixelAt = (x: Values, n: number, r: number, column: number) =>
  Array.from({ length: x.shape[3]! }, (_, c) => at(x, [n, r, column, c]))

/**
 * Correlation of red, green and blue that count as much as they are opaque; alpha stays. Weights that are not
 * negative take the mean of what is there, others give what a neighbour lacks the colour of the pixel itself.
 */
export function weighedFilter(x: Values, kernel: number[][], border: string): Values {
  const [, h, w] = x.shape as [number, number, number, number]
  const isMean = kernel.flat().every((weight) => weight >= 0)
  return build(x.shape, (n, r, column, c) => {
    const own = pixelAt(x, n!, r!, column!)
    if (c === 3) return own[3]!
    let [sum, weight, all] = [0, 0, 0]
    for (const [i, line] of kernel.entries()) {
      for (const [j, tap] of line.entries()) {
        const row = continued(r! + i - Math.floor(kernel.length / 2), h, border)
        const col = continued(column! + j - Math.floor(line.length / 2), w, border)
        all += tap
        if (row < 0 || col < 0) continue
        const pixel = pixelAt(x, n!, row, col)
        sum += tap * pixel[3]! * pixel[c!]!
        weight += tap * pixel[3]!
      }
    }
    if (!isMean) return sum + own[c!]! * (all - weight)
    return weight > 0 ? (all * sum) / weight : all * own[c!]!
  })
}

/** OpenCV's bilateralFilter. */
export function bilateral(
  x: Values,
  size: number,
  sigmaColor: number,
  sigmaSpace: number,
  border: string,
): Values {
  const radius = size >> 1
  const [, h, w, channels] = x.shape as [number, number, number, number]
  const colours = Math.min(3, channels)
  return build(x.shape, (n, r, column, c) => {
    const own = pixelAt(x, n!, r!, column!)
    if (c === 3) return own[3]!
    let [sum, total] = [0, 0]
    for (let i = -radius; i <= radius; i++) {
      for (let j = -radius; j <= radius; j++) {
        if (i * i + j * j > radius * radius) continue
        const [row, col] = [continued(r! + i, h, border), continued(column! + j, w, border)]
        const pixel = row < 0 || col < 0 ? own.map(() => 0) : pixelAt(x, n!, row, col)
        let apart = 0
        for (let k = 0; k < colours; k++) apart += Math.abs(pixel[k]! - own[k]!)
        const weight = Math.exp(-(i * i + j * j) / (2 * sigmaSpace ** 2) - apart ** 2 / (2 * sigmaColor ** 2))
        sum += weight * pixel[c!]!
        total += weight
      }
    }
    return sum / total
  })
}

type Colour = [number, number, number]

/** Hue, saturation and value, all from 0 to 1, hue in half degrees / 255. */
export function toHsv([r, g, b]: Colour): Colour {
  const value = Math.max(r, g, b)
  const range = value - Math.min(r, g, b)
  if (range === 0) return [0, 0, value]
  const degrees =
    value === r
      ? (60 * (g - b)) / range
      : value === g
        ? 120 + (60 * (b - r)) / range
        : 240 + (60 * (r - g)) / range
  return [((degrees + 360) % 360) / 2 / 255, range / value, value]
}

export function fromHsv([hue, saturation, value]: Colour): Colour {
  const sector = (((hue * 255 * 2) / 60) % 6) as number
  const part = sector - Math.floor(sector)
  const [p, q, t] = [
    value * (1 - saturation),
    value * (1 - saturation * part),
    value * (1 - saturation * (1 - part)),
  ]
  return (
    [
      [value, t, p],
      [q, value, p],
      [p, value, t],
      [p, q, value],
      [t, p, value],
      [value, p, q],
    ] as Colour[]
  )[Math.floor(sector)]!
}

/** sRGB to X, Y and Z. (IEC 61966-2-1) */
const TO_XYZ = [
  [0.412453, 0.35758, 0.180423],
  [0.212671, 0.71516, 0.072169],
  [0.019334, 0.119193, 0.950227],
] as const
const FROM_XYZ = [
  [3.240479, -1.53715, -0.498535],
  [-0.969256, 1.875991, 0.041556],
  [0.055648, -0.204043, 1.057311],
] as const
const WHITE = [0.950456, 1, 1.088754] as const
const times = (matrix: readonly (readonly number[])[], v: readonly number[]) =>
  matrix.map((row) => row.reduce((sum, m, i) => sum + m * v[i]!, 0))

/** L / 100, (a + 128) / 255, (b + 128) / 255. */
export function toLab(rgb: Colour): Colour {
  const light = rgb.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  const [x, y, z] = times(TO_XYZ, light).map((v, i) => {
    const t = v / WHITE[i]!
    return t > 0.008856452 ? Math.cbrt(t) : 7.787037 * t + 16 / 116
  }) as Colour
  return [(116 * y - 16) / 100, (500 * (x - y) + 128) / 255, (200 * (y - z) + 128) / 255]
}

export function fromLab([l, a, b]: Colour): Colour {
  const y = (l * 100 + 16) / 116
  const xyz = [y + (a * 255 - 128) / 500, y, y - (b * 255 - 128) / 200].map((t, i) => {
    return WHITE[i]! * (t > 6 / 29 ? t ** 3 : (t - 16 / 116) / 7.787037)
  })
  return times(FROM_XYZ, xyz).map((v) => {
    const stored = v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055
    return Math.min(1, Math.max(0, stored))
  }) as Colour
}

/** Every pixel's first three channels by `f`; a fourth stays. */
export const colours = (x: Values, f: (colour: Colour) => Colour): Values =>
  build(x.shape, (n, r, column, c) => {
    const pixel = pixelAt(x, n!, r!, column!)
    return c === 3 ? pixel[3]! : f(pixel.slice(0, 3) as Colour)[c!]!
  })

/** Output (ox, oy) is the input at (a ox + b oy + c, d ox + e oy + f). */
export function warpAffine(
  x: Values,
  [[a, b, c], [d, e, f]]: readonly [number[], number[]],
  [oh, ow]: [number, number],
  border: string,
  nearest = false,
): Values {
  const [n, h, w, channels] = x.shape as [number, number, number, number]
  return build([n, oh, ow, channels], (image, oy, ox, channel) => {
    const px = Math.fround(a! * ox! + b! * oy! + c!)
    const py = Math.fround(d! * ox! + e! * oy! + f!)
    const valueAt = (r: number, column: number) => {
      const [row, col] = [continued(r, h, border), continued(column, w, border)]
      return row < 0 || col < 0 ? 0 : at(x, [image!, row, col, channel!])
    }
    if (nearest) return valueAt(Math.floor(py + 0.5), Math.floor(px + 0.5))
    const [left, top] = [Math.floor(px), Math.floor(py)]
    const [tx, ty] = [px - left, py - top]
    const upper = valueAt(top, left) * (1 - tx) + valueAt(top, left + 1) * tx
    const lower = valueAt(top + 1, left) * (1 - tx) + valueAt(top + 1, left + 1) * tx
    return upper * (1 - ty) + lower * ty
  })
}

/** The level up to which the darker class goes, by trying all. (Otsu, 1979) */
export function otsu(levels: ArrayLike<number>): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY]
  const spread = (values: number[]) => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length
    return values.reduce((sum, v) => sum + (v - mean) ** 2, 0)
  }
  const all = Array.from(levels)
  for (let level = 0; level < 255; level++) {
    const [dark, bright] = [all.filter((v) => v <= level), all.filter((v) => v > level)]
    if (!dark.length || !bright.length) continue
    const within = spread(dark) + spread(bright)
    if (within < least * (1 - 1e-12)) [best, least] = [level, within]
  }
  return best
}

/** OpenCV's Canny with aperture 3 and |dx| + |dy|: 1 on edges. x [1, h, w, 1] of levels. */
export function canny(x: Values, low: number, high: number): Values {
  const [, h, w] = x.shape as [number, number, number, number]
  const level = (r: number, c: number) =>
    at(x, [0, Math.min(Math.max(r, 0), h - 1), Math.min(Math.max(c, 0), w - 1), 0])
  const slope = (r: number, c: number) => {
    const row = (i: number) => level(r + i, c - 1) + 2 * level(r + i, c) + level(r + i, c + 1)
    const column = (i: number) => level(r - 1, c + i) + 2 * level(r, c + i) + level(r + 1, c + i)
    return { dx: column(1) - column(-1), dy: row(1) - row(-1) }
  }
  const size = (r: number, c: number) => {
    if (r < 0 || c < 0 || r >= h || c >= w) return 0
    const { dx, dy } = slope(r, c)
    return Math.abs(dx) + Math.abs(dy)
  }
  const map = build([h, w], (r, c) => {
    const m = size(r!, c!)
    if (m <= low) return 0
    const { dx, dy } = slope(r!, c!)
    const [ax, ay] = [Math.abs(dx), Math.abs(dy)]
    const tangent = Math.round(Math.tan(Math.PI / 8) * 2 ** 15)
    let most: boolean
    if (ay * 2 ** 15 < ax * tangent) most = m > size(r!, c! - 1) && m >= size(r!, c! + 1)
    else if (ay * 2 ** 15 > ax * tangent + ax * 2 ** 16) most = m > size(r! - 1, c!) && m >= size(r! + 1, c!)
    else {
      const s = dx < 0 !== dy < 0 ? -1 : 1
      most = m > size(r! - 1, c! - s) && m > size(r! + 1, c! + s)
    }
    return most ? (m > high ? 2 : 1) : 0
  })
  for (let changed = true; changed; ) {
    changed = false
    for (let r = 0; r < h; r++) {
      for (let c = 0; c < w; c++) {
        if (map.data[r * w + c] !== 1) continue
        for (let i = -1; i <= 1; i++)
          for (let j = -1; j <= 1; j++) if (at(map, [r + i, c + j], 0) === 2) map.data[r * w + c] = 2
        changed ||= map.data[r * w + c] === 2
      }
    }
  }
  return { shape: x.shape, data: map.data.map((v) => Number(v === 2)) }
}
