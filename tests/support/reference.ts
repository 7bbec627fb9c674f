/**
 * The specification: every op as plain loops over plain numbers, summed in float64, for a reader who never
 * saw a convolution. Nothing here is fast, and nothing here is shared with src/.
 */

export interface Values {
  shape: number[]
  data: ArrayLike<number>
}

const product = (lengths: number[]): number => lengths.reduce((a, b) => a * b, 1)

/** One value per index of `shape`, in row-major order. */
export function build(
  shape: number[],
  value: (...index: number[]) => number,
): { shape: number[]; data: Float64Array } {
  const data = new Float64Array(product(shape))
  const index = shape.map(() => 0)
  for (let i = 0; i < data.length; i++) {
    data[i] = value(...index)
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0
  }
  return { shape, data }
}

/** The value at an index, or `outside` where the index lies outside. */
export function at({ shape, data }: Values, index: number[], outside = Number.NaN): number {
  let offset = 0
  for (let axis = 0; axis < shape.length; axis++) {
    if (index[axis]! < 0 || index[axis]! >= shape[axis]!) return outside
    offset = offset * shape[axis]! + index[axis]!
  }
  return data[offset]!
}

export interface WindowGeometry {
  stride: [number, number]
  dilation: [number, number]
  /** [[top, bottom], [left, right]] */
  padding: [[number, number], [number, number]]
}

/** Positions that a window of `size` taps can take over `input` elements. */
export function positions(
  input: number,
  size: number,
  stride: number,
  dilation: number,
  [before, after]: [number, number],
): number {
  let count = 0
  for (let start = -before; start + dilation * (size - 1) < input + after; start += stride) count++
  return count
}

/** x [n, h, w, in], filter [kh, kw, in / groups, out], bias [out] -> [n, oh, ow, out] */
export function conv2d(
  x: Values,
  filter: Values,
  bias: Values | undefined,
  { stride, dilation, padding }: WindowGeometry,
  groups: number,
): Values {
  const [n, ih, iw, channels] = x.shape as [number, number, number, number]
  const [kh, kw, groupIn, out] = filter.shape as [number, number, number, number]
  const oh = positions(ih, kh, stride[0], dilation[0], padding[0])
  const ow = positions(iw, kw, stride[1], dilation[1], padding[1])
  return build([n, oh, ow, out], (image, oy, ox, o) => {
    const group = Math.floor(o! / (out / groups))
    let sum = bias ? bias.data[o!]! : 0
    for (let ky = 0; ky < kh; ky++) {
      for (let kx = 0; kx < kw; kx++) {
        const y = oy! * stride[0] + ky * dilation[0] - padding[0][0]
        const xx = ox! * stride[1] + kx * dilation[1] - padding[1][0]
        const isInside = y >= 0 && y < ih && xx >= 0 && xx < iw
        // Written out, since this line is where most of the tests' time goes.
        const [pixel, weight] = [
          ((image! * ih + y) * iw + xx) * channels + group * groupIn,
          (ky * kw + kx) * groupIn * out + o!,
        ]
        for (let i = 0; i < groupIn; i++)
          sum += (isInside ? x.data[pixel + i]! : 0) * filter.data[weight + i * out]!
      }
    }
    return sum
  })
}

export interface VolumeGeometry {
  stride: number[]
  dilation: number[]
  /** [[before, after], ...] along depth, height and width. */
  padding: [number, number][]
}

/** x [n, d, h, w, in], filter [kd, kh, kw, in / groups, out], bias [out] -> [n, od, oh, ow, out] */
export function conv3d(
  x: Values,
  filter: Values,
  bias: Values | undefined,
  { stride, dilation, padding }: VolumeGeometry,
  groups: number,
): Values {
  const window = filter.shape.slice(0, 3)
  const [groupIn, out] = filter.shape.slice(3) as [number, number]
  const lengths = window.map((size, i) =>
    positions(x.shape[i + 1]!, size, stride[i]!, dilation[i]!, padding[i]!),
  )
  return build([x.shape[0]!, ...lengths, out], (image, oz, oy, ox, o) => {
    const group = Math.floor(o! / (out / groups))
    let sum = bias ? bias.data[o!]! : 0
    build([...window, groupIn], (kz, ky, kx, i) => {
      const place = [kz!, ky!, kx!].map(
        (tap, axis) => [oz!, oy!, ox!][axis]! * stride[axis]! + tap * dilation[axis]! - padding[axis]![0],
      )
      sum += at(x, [image!, ...place, group * groupIn + i!], 0) * at(filter, [kz!, ky!, kx!, i!, o!])
      return 0
    })
    return sum
  })
}

/** `reduce` sees the values of x [n, d, h, w, c] under a window, and how many taps lie in x or its padding. */
export function pool3d(
  x: Values,
  size: number[],
  { stride, dilation, padding }: VolumeGeometry,
  reduce: (values: number[], paddedTaps: number) => number,
): Values {
  const lengths = size.map((taps, i) =>
    positions(x.shape[i + 1]!, taps, stride[i]!, dilation[i]!, padding[i]!),
  )
  return build([x.shape[0]!, ...lengths, x.shape[4]!], (image, oz, oy, ox, channel) => {
    const values: number[] = []
    build(size, (...tap) => {
      const place = tap.map(
        (t, axis) => [oz!, oy!, ox!][axis]! * stride[axis]! + t * dilation[axis]! - padding[axis]![0],
      )
      if (place.every((p, axis) => p >= 0 && p < x.shape[axis + 1]!))
        values.push(at(x, [image!, ...place, channel!]))
      return 0
    })
    return reduce(
      values,
      size.reduce((a, b) => a * b),
    )
  })
}

export interface PoolGeometry extends WindowGeometry {
  size: [number, number]
  ceilMode: boolean
}

/**
 * Positions of a pooling window: as of any window, with `ceilMode` one more where elements are left over, if
 * it starts before the padding that follows.
 */
function poolPositions(
  input: number,
  { size, stride, dilation, padding, ceilMode }: PoolGeometry,
  axis: 0 | 1,
): number {
  const [before, after] = padding[axis]
  const count = positions(input, size[axis], stride[axis], dilation[axis], padding[axis])
  const lastEnd = -before + (count - 1) * stride[axis] + dilation[axis] * (size[axis] - 1) + 1
  const nextStart = -before + count * stride[axis]
  return ceilMode && lastEnd < input + after && nextStart < input ? count + 1 : count
}

/**
 * `reduce` sees the values of x under the window, and how many taps lie in x or its padding. x [n, h, w, c]
 * -> [n, oh, ow, c]
 */
function pool2d(
  x: Values,
  geometry: PoolGeometry,
  reduce: (values: number[], paddedTaps: number) => number,
): Values {
  const { size, stride, dilation, padding } = geometry
  const [n, ih, iw, c] = x.shape as [number, number, number, number]
  return build(
    [n, poolPositions(ih, geometry, 0), poolPositions(iw, geometry, 1), c],
    (image, oy, ox, channel) => {
      const values: number[] = []
      let paddedTaps = 0
      for (let ky = 0; ky < size[0]; ky++) {
        for (let kx = 0; kx < size[1]; kx++) {
          const y = oy! * stride[0] + ky * dilation[0] - padding[0][0]
          const xx = ox! * stride[1] + kx * dilation[1] - padding[1][0]
          if (y < ih + padding[0][1] && xx < iw + padding[1][1]) paddedTaps++
          if (y >= 0 && y < ih && xx >= 0 && xx < iw) values.push(at(x, [image!, y, xx, channel!]))
        }
      }
      return reduce(values, paddedTaps)
    },
  )
}

/** NaN where there is one; -Infinity where the window sees nothing. */
export const maxPool2d = (x: Values, geometry: PoolGeometry): Values =>
  pool2d(x, geometry, (values) => Math.max(...values))

/** 0 where the window sees nothing. */
export const avgPool2d = (x: Values, geometry: PoolGeometry, countIncludePad: boolean): Values =>
  pool2d(
    x,
    geometry,
    (values, paddedTaps) =>
      values.reduce((a, b) => a + b, 0) / Math.max(1, countIncludePad ? paddedTaps : values.length),
  )

/**
 * x [n, h, w, in], filter [kh, kw, in, out / groups], bias [out] -> [n, oh, ow, out]: every input is spread
 * over its window.
 */
export function convTranspose2d(
  x: Values,
  filter: Values,
  bias: Values | undefined,
  { stride, dilation, padding }: WindowGeometry,
  outputPadding: [number, number],
  groups: number,
): Values {
  const [n, ih, iw, inputs] = x.shape as [number, number, number, number]
  const [kh, kw, , groupOut] = filter.shape as [number, number, number, number]
  const length = (input: number, size: number, axis: 0 | 1) =>
    (input - 1) * stride[axis] +
    dilation[axis] * (size - 1) +
    1 +
    outputPadding[axis] -
    padding[axis][0] -
    padding[axis][1]
  const y = build([n, length(ih, kh, 0), length(iw, kw, 1), groupOut * groups], (...index) =>
    bias ? bias.data[index[3]!]! : 0,
  )
  const [, oh, ow, out] = y.shape as [number, number, number, number]
  build([n, ih, iw, inputs, kh, kw, groupOut], (image, iy, ix, i, ky, kx, o) => {
    const oy = iy! * stride[0] + ky! * dilation[0] - padding[0][0]
    const ox = ix! * stride[1] + kx! * dilation[1] - padding[1][0]
    const channel = Math.floor(i! / (inputs / groups)) * groupOut + o!
    if (oy >= 0 && oy < oh && ox >= 0 && ox < ow) {
      y.data[((image! * oh + oy) * ow + ox) * out + channel]! +=
        at(x, [image!, iy!, ix!, i!]) * at(filter, [ky!, kx!, i!, o!])
    }
    return 0
  })
  return y
}

/** a [..., m, k], b [..., k, n] -> [..., m, n]; `batch` is what the axes before the last two broadcast to. */
export function matmul(a: Values, b: Values, batch: number[]): Values {
  const [m, k] = a.shape.slice(-2) as [number, number]
  const columns = b.shape.at(-1)!
  const broadcast = (index: number[], shape: number[]) =>
    shape.map((length, axis) => (length === 1 ? 0 : index[index.length - shape.length + axis]!))
  return build([...batch, m, columns], (...index) => {
    const outer = index.slice(0, -2)
    const [row, column] = index.slice(-2) as [number, number]
    let sum = 0
    for (let i = 0; i < k; i++)
      sum +=
        at(a, [...broadcast(outer, a.shape.slice(0, -2)), row, i]) *
        at(b, [...broadcast(outer, b.shape.slice(0, -2)), i, column])
    return sum
  })
}

export function concat(tensors: Values[], axis: number): Values {
  const shape = [...tensors[0]!.shape]
  shape[axis] = tensors.reduce((sum, tensor) => sum + tensor.shape[axis]!, 0)
  return build(shape, (...index) => {
    let tensor = 0
    while (index[axis]! >= tensors[tensor]!.shape[axis]!) index[axis]! -= tensors[tensor++]!.shape[axis]!
    return at(tensors[tensor]!, index)
  })
}

export const pad = (x: Values, padding: [number, number][], value: number): Values =>
  build(
    x.shape.map((length, axis) => padding[axis]![0] + length + padding[axis]![1]),
    (...index) =>
      at(
        x,
        index.map((i, axis) => i - padding[axis]![0]),
        value,
      ),
  )

/** begin and end count from the front. */
export const slice = (x: Values, begin: number[], end: number[], step: number[]): Values =>
  build(
    x.shape.map((_, axis) => Math.ceil((end[axis]! - begin[axis]!) / step[axis]!)),
    (...index) =>
      at(
        x,
        index.map((i, axis) => begin[axis]! + i * step[axis]!),
      ),
  )

export const transpose = (x: Values, axes: number[]): Values =>
  build(
    axes.map((axis) => x.shape[axis]!),
    (...index) =>
      at(
        x,
        x.shape.map((_, axis) => index[axes.indexOf(axis)]!),
      ),
  )

/**
 * x [n, h, w, c] -> [n, size[0], size[1], c]. Pixels are squares: centres lie at 0.5, 1.5, ...; with
 * `alignCorners` points, the first and last of both sides on each other.
 */
export function resize(
  x: Values,
  size: [number, number],
  method: 'nearest' | 'bilinear',
  alignCorners: boolean,
): Values {
  const [n, ih, iw, c] = x.shape as [number, number, number, number]
  /** Indexes and weights of what is read along one axis; none lies outside. */
  const taps = (o: number, input: number, output: number): [number, number][] => {
    const position = alignCorners
      ? output === 1
        ? 0
        : (o * (input - 1)) / (output - 1)
      : ((o + 0.5) * input) / output - 0.5
    const inside = (index: number) => Math.min(Math.max(index, 0), input - 1)
    if (method === 'nearest') return [[inside(Math.ceil(position - 0.5)), 1]]
    const first = Math.floor(position)
    return [
      [inside(first), 1 - (position - first)],
      [inside(first + 1), position - first],
    ]
  }
  return build([n, size[0], size[1], c], (image, oy, ox, channel) => {
    let sum = 0
    for (const [y, weightY] of taps(oy!, ih, size[0])) {
      for (const [xx, weightX] of taps(ox!, iw, size[1]))
        sum += at(x, [image!, y, xx, channel!]) * weightY * weightX
    }
    return sum
  })
}

/** y[i] = f(x[i]) */
export const map = (x: Values, f: (v: number) => number): Values =>
  build(x.shape, (...index) => f(at(x, index)))

/**
 * The value under `index` of a shape that x broadcasts to: shapes are aligned at the last axis, a length of 1
 * is repeated.
 */
export const broadcastAt = (x: Values, index: number[]): number =>
  at(
    x,
    x.shape.map((length, axis) => (length === 1 ? 0 : index[index.length - x.shape.length + axis]!)),
  )

/** f(a, b) by NumPy's broadcasting; shapes must fit. */
export function zip(a: Values, b: Values, f: (a: number, b: number) => number): Values {
  const rank = Math.max(a.shape.length, b.shape.length)
  const lengths = Array.from(
    { length: rank },
    (_, i) => [a.shape, b.shape].map((shape) => shape[shape.length - rank + i] ?? 1) as [number, number],
  )
  return build(
    lengths.map(([p, q]) => (p === 1 ? q : p)),
    (...index) => f(broadcastAt(a, index), broadcastAt(b, index)),
  )
}

/** `fn` of all values that differ in nothing but their indices along `axes`, in row-major order. */
export function reduce(
  x: Values,
  axes: number[],
  keepDims: boolean,
  fn: (values: number[]) => number,
): Values {
  const kept = x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]))
  const reduced = build(
    kept.map((axis) => x.shape[axis]!),
    (...index) => {
      const values: number[] = []
      build(
        x.shape.map((length, axis) => (axes.includes(axis) ? length : 1)),
        (...inner) =>
          values.push(
            at(
              x,
              inner.map((i, axis) => (axes.includes(axis) ? i : index[kept.indexOf(axis)]!)),
            ),
          ),
      )
      return fn(values)
    },
  )
  return keepDims
    ? { shape: x.shape.map((length, axis) => (axes.includes(axis) ? 1 : length)), data: reduced.data }
    : reduced
}

/** exp(x) / sum of exp(x) along an axis, or its logarithm. */
export function softmax(x: Values, axis: number, logarithm: boolean): Values {
  const largest = reduce(x, [axis], true, (values) => Math.max(...values))
  const shifted = zip(x, largest, (v, m) => v - m)
  const sums = reduce(shifted, [axis], true, (values) => values.reduce((sum, v) => sum + Math.exp(v), 0))
  return zip(shifted, sums, (v, sum) => (logarithm ? v - Math.log(sum) : Math.exp(v) / sum))
}

/**
 * (x - mean) / sqrt(variance + epsilon) among all values whose index `groupOf` gives the same name; without
 * `centre` the mean is taken for 0.
 */
export function normalise(
  x: Values,
  groupOf: (index: number[]) => string,
  epsilon: number,
  centre = true,
): Values {
  const groups = new Map<string, number[]>()
  build(x.shape, (...index) => {
    if (!groups.has(groupOf(index))) groups.set(groupOf(index), [])
    return groups.get(groupOf(index))!.push(at(x, index))
  })
  const average = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length
  const statistics = new Map<string, [mean: number, deviation: number]>()
  for (const [name, values] of groups) {
    const mean = centre ? average(values) : 0
    statistics.set(name, [mean, Math.sqrt(average(values.map((v) => (v - mean) ** 2)) + epsilon)])
  }
  return build(x.shape, (...index) => {
    const [mean, deviation] = statistics.get(groupOf(index))!
    return (at(x, index) - mean) / deviation
  })
}
