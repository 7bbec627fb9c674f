/**
 * Normalisation of x [outer, pixels, c], whose channels fall into groups of neighbours. With the mean m and
 * the variance v of each group of each outer, r = 1 / sqrt(v + epsilon), h = (x - m) r and g = dy * scale:
 *
 *   y = h * scale + offset
 *   doffset = sum of dy,  dscale = sum of dy * h,  dx = r (g - mean of g - h * mean of g * h)
 *
 * with the means those of the group.
 *
 * Batch norm has one outer and a group per channel, instance norm an outer per image and a group per channel.
 * Rows (one pixel) have kernels of their own.
 *
 * Sums are of differences from the first number of each channel, in float64, so that a mean far from 0 costs
 * no digits. (Chan, Golub & LeVeque, "Algorithms for computing the sample variance", 1983.) For the same
 * reason x - m is not multiplied out, and m is kept as two floats: m rounded, and the rest. Where numbers
 * differ by so much that x - m could leave float32's range it is: their mean is not far from 0 then, by their
 * own measure.
 */
import { scratch } from './arguments'
import { NormalRows, NormalSums, Normalise, NormaliseGradient, ScaleShift } from './abi'
import { clamp, highHalf, lowHalf, madd, storeLanes } from './simd'

// @ts-ignore: decorator
@inline
function sumHalves(low: v128, high: v128): f64 {
  const sum = f64x2.add(low, high)
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1)
}

/** Below it numbers deviate by 2^120 from their mean, and may by more than float32 holds. */
const LEAST_RATE: f64 = 1 / <f64>1.329227995784916e36

/** The floats p[i], or `value` where p is 0. */
// @ts-ignore: decorator
@inline
function numberAt(p: usize, i: i32, value: f64): f64 {
  return p ? <f64>load<f32>(p + (<usize>i << 2)) : value
}

/**
 * Unit: `rows` pixels of one outer, a split of them. sums [outer][splits][2][c rounded up to 4] of float64:
 * those of v and of v * u, where u = x - the first pixel, and v = u, or dy where there is one.
 */
export function normalSums(call: usize, begin: i32, end: i32): void {
  const args = changetype<NormalSums>(call)
  const c = args.c, pixels = args.pixels, splits = args.splits, rows = args.rows
  const dy = args.dy
  const stride: usize = c * 4, wide = (c + 3) & ~3
  for (let u = begin; u < end; u++) {
    const outer = u / splits, first = (u % splits) * rows
    const count = min(rows, pixels - first)
    const centre = args.x + outer * pixels * stride
    const offset = first * stride
    let sums = args.sums + u * wide * 16
    for (let i = 0; i < c; i += 4) {
      const at: usize = i * 4
      sumStrip(
        centre + offset + at, dy ? dy + outer * pixels * stride + offset + at : 0, centre + at, stride, count,
        sums, wide * 8,
      )
      sums += 32
    }
  }
}

function sumStrip(
  x: usize, dy: usize, centre: usize, stride: usize, count: i32, sums: usize, next: usize,
): void {
  const shift = v128.load(centre), shift0 = lowHalf(shift), shift1 = highHalf(shift)
  let a0 = f64x2.splat(0), a1 = a0, b0 = a0, b1 = a0
  for (; count; count--) {
    const row = v128.load(x)
    const u0 = f64x2.sub(lowHalf(row), shift0), u1 = f64x2.sub(highHalf(row), shift1)
    let v0 = u0, v1 = u1
    if (dy) {
      const d = v128.load(dy)
      v0 = lowHalf(d)
      v1 = highHalf(d)
      dy += stride
    }
    a0 = f64x2.add(a0, v0)
    a1 = f64x2.add(a1, v1)
    b0 = f64x2.add(b0, f64x2.mul(v0, u0))
    b1 = f64x2.add(b1, f64x2.mul(v1, u1))
    x += stride
  }
  v128.store(sums, a0)
  v128.store(sums, a1, 16)
  v128.store(sums + next, b0)
  v128.store(sums + next, b1, 16)
}

/** The sum of one channel over all splits, in their order. */
function totalOf(sums: usize, splits: i32, splitStride: usize): f64 {
  let total: f64 = 0
  for (; splits; splits--) {
    total += load<f64>(sums)
    sums += splitStride
  }
  return total
}

/** Element c of each row of a table of scaleShift, `copies` times over; `stride` is that of the copies. */
function writeColumn(
  to: usize, copies: i32, stride: usize, centre: f32, factor: f64, shift: f64, gain: f64,
): void {
  const row = copies * stride
  for (; copies; copies--) {
    store<f32>(to, centre)
    store<f32>(to + row, <f32>factor)
    store<f32>(to + 2 * row, <f32>shift)
    store<f32>(to + 3 * row, <f32>gain)
    to += stride
  }
}

/**
 * Unit: one group of one outer. From the sums of its channels its mean, variance and what the mean is off by,
 * [3][outer][groups]; without sums these are given, the last as 0. From them the table of scaleShift.
 */
export function normalise(call: usize, begin: i32, end: i32): void {
  const args = changetype<Normalise>(call)
  const c = args.c, groups = args.groups, splits = args.splits, copies = args.copies
  const sums = args.sums, mean = args.mean, variance = args.variance
  const rest = args.rest, scale = args.scale, offset = args.offset
  const pixels: f64 = args.pixels
  const size = c / groups, count: f64 = size
  const wide = (c + 3) & ~3, splitStride: usize = wide * 16
  for (let u = begin; u < end; u++) {
    const outer = u / groups, first = (u % groups) * size
    const at = <usize>u << 2
    let spread = <f64>load<f32>(variance + at), off: f64 = 0
    if (sums) {
      const x = args.x + ((<usize>outer * args.pixels * c + first) << 2)
      const own = sums + outer * splits * splitStride + first * 8
      let middle: f64 = 0
      for (let i = 0; i < size; i++) {
        middle += numberAt(x, i, 0) + totalOf(own + i * 8, splits, splitStride) / pixels
      }
      middle /= count
      spread = 0
      for (let i = 0; i < size; i++) {
        const away = totalOf(own + i * 8, splits, splitStride) / pixels
        const between = numberAt(x, i, 0) + away - middle
        const squares = totalOf(own + (wide + i) * 8, splits, splitStride) / pixels
        spread += squares - away * away + between * between
      }
      spread = max<f64>(0, spread / count)
      off = middle - <f64><f32>middle
      store<f32>(mean + at, <f32>middle)
      store<f32>(variance + at, <f32>spread)
      store<f32>(rest + at, <f32>off)
    }
    const rate = 1 / sqrt(spread + args.epsilon)
    const centre: f32 = rate < LEAST_RATE ? 0 : load<f32>(mean + at)
    if (rate < LEAST_RATE) off = <f64>load<f32>(mean + at) + off
    for (let i = first; i < first + size; i++) {
      const factor = numberAt(scale, i, 1) * rate
      const to = args.table + (<usize>(outer * 4 * copies * c + i) << 2)
      writeColumn(to, copies, c * 4, centre, factor, numberAt(offset, i, 0) - off * factor, 0)
    }
  }
}

/**
 * Unit: one group, of every outer. From the sums of its channels dscale, doffset and the table of scaleShift.
 *
 * scratch: dscale [c / groups] | doffset [c / groups] of float64
 */
export function normaliseGradient(call: usize, begin: i32, end: i32): void {
  const args = changetype<NormaliseGradient>(call)
  const outers = args.outers, c = args.c, groups = args.groups
  const splits = args.splits, copies = args.copies
  const mean = args.mean, variance = args.variance, rest = args.rest
  const scale = args.scale, dscale = args.dscale, doffset = args.offset
  const size = c / groups, elements = <f64>args.pixels * <f64>size
  const wide = (c + 3) & ~3, splitStride: usize = wide * 16
  const scales = scratch(), offsets = scales + size * 8
  for (let group = begin; group < end; group++) {
    const first = group * size
    memory.fill(scales, 0, size * 16)
    for (let outer = 0; outer < outers; outer++) {
      const at = <usize>(outer * groups + group) << 2
      const x = args.x + ((<usize>outer * args.pixels * c + first) << 2)
      const own = args.sums + outer * splits * splitStride + first * 8
      const off: f64 = load<f32>(rest + at), middle = <f64>load<f32>(mean + at) + off
      const rate = 1 / sqrt(<f64>load<f32>(variance + at) + args.epsilon)
      // The means of g and of g * h.
      let meanG: f64 = 0, meanGh: f64 = 0
      for (let i = 0; i < size; i++) {
        const here = <usize>i << 3
        const sum = totalOf(own + here, splits, splitStride)
        const products = totalOf(own + wide * 8 + here, splits, splitStride)
        const product = (products - (middle - numberAt(x, i, 0)) * sum) * rate
        store<f64>(offsets + here, load<f64>(offsets + here) + sum)
        store<f64>(scales + here, load<f64>(scales + here) + product)
        const factor = numberAt(scale, first + i, 1)
        meanG += factor * sum
        meanGh += factor * product
      }
      meanG /= elements
      meanGh /= elements
      const slope = -rate * rate * meanGh
      const shift = -rate * meanG - off * slope
      for (let i = first; i < first + size; i++) {
        const to = args.table + (<usize>(outer * 4 * copies * c + i) << 2)
        writeColumn(to, copies, c * 4, load<f32>(mean + at), slope, shift, numberAt(scale, i, 1) * rate)
      }
    }
    for (let i = 0; i < size; i++) {
      const to = <usize>(first + i) << 2
      if (dscale) store<f32>(dscale + to, <f32>load<f64>(scales + (<usize>i << 3)))
      if (doffset) store<f32>(doffset + to, <f32>load<f64>(offsets + (<usize>i << 3)))
    }
  }
}

/**
 * Unit: `periods` periods of floats of one outer. y = clamp((x - centre) * scale + shift), and dy * gain
 * added where there is a dy; centre, scale, shift and gain are rows of `period` floats of a table, one for
 * each outer.
 */
export function scaleShift(call: usize, begin: i32, end: i32): void {
  const args = changetype<ScaleShift>(call)
  const period = args.period, size = args.size
  const unit = args.periods * period
  const units = (size + unit - 1) / unit
  const low = args.low, high = args.high
  const dy = args.dy
  for (let u = begin; u < end; u++) {
    const outer = u / units, start = (u - outer * units) * unit
    const table = args.table + outer * period * 16
    const last = min(size, start + unit)
    for (let first = start; first < last; first += period) {
      const offset = (<usize>outer * size + first) << 2
      const x = args.x + offset, y = args.y + offset
      scaleShiftRun(x, dy ? dy + offset : 0, y, table, period * 4, min(period, last - first), low, high)
    }
  }
}

function scaleShiftRun(
  x: usize, dy: usize, y: usize, table: usize, row: usize, count: i32, least: f32, most: f32,
): void {
  const low = f32x4.splat(least), high = f32x4.splat(most)
  const factors = table + row, shifts = factors + row, gains = shifts + row
  const bytes = <usize>count << 2
  for (let i: usize = 0; i < bytes; i += 16) {
    let v = madd(
      f32x4.sub(v128.load(x + i), v128.load(table + i)), v128.load(factors + i), v128.load(shifts + i),
    )
    if (dy) v = madd(v128.load(dy + i), v128.load(gains + i), v)
    storeLanes(y + i, clamp(v, low, high), min(4, (bytes - i) >> 2))
  }
}

/**
 * Unit: `unit` rows of n floats, each a group; scale and offset begin anew after `groups` rows. y = h * scale
 * + offset or, where there is a dy, dx. The mean is 0 and the variance that around 0 where `centre` is 0;
 * `mean` and `variance`, where they are given, are those of the groups. Where `single` is not 0, scale and
 * offset have one number for all of a row, y is clamped, and nothing goes backwards.
 *
 * scratch: mean and variance of float64
 */
export function normalRows(call: usize, begin: i32, end: i32): void {
  const args = changetype<NormalRows>(call)
  const n = args.n, groups = args.groups, unit = args.unit
  const scale = args.scale, offset = args.offset, mean = args.mean
  const moments = scratch()
  const last = min(args.rows, end * unit)
  for (let row = begin * unit; row < last; row++) {
    const at = (<usize>row * n) << 2, group = row % groups
    const x = args.x + at, y = args.y + at
    let middle: f64, spread: f64
    if (mean) {
      middle = numberAt(mean, group, 0)
      spread = numberAt(args.variance, group, 1)
    } else {
      rowMoments(x, n, args.centre, moments)
      middle = load<f64>(moments)
      spread = load<f64>(moments, 8)
    }
    const rate = 1 / sqrt(spread + args.epsilon)
    const rounded: f32 = rate < LEAST_RATE ? 0 : <f32>middle
    const rest = (<f64>rounded - middle) * rate
    if (args.single) {
      const factor = numberAt(scale, group, 1)
      shiftRow(
        x, y, n, rounded, <f32>(rate * factor), <f32>(rest * factor + numberAt(offset, group, 0)), args,
      )
    } else {
      normalRow(args, row, rounded, <f32>rate, <f32>rest)
    }
  }
}

/** Of the last vector of n floats, the lanes in the row: what is read beyond counts for nothing. */
// @ts-ignore: decorator
@inline
function lanesInside(n: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(((n - 1) & 3) + 1))
}

/** Mean and variance of a row to float64s; the mean is 0 and the variance around it unless it is centred. */
function rowMoments(x: usize, n: i32, centred: i32, to: usize): void {
  const bytes = <usize>n << 2, count: f64 = n
  const inside = lanesInside(n), all = i32x4.splat(-1)
  let first = centred ? load<f32>(x) : 0
  let s0: v128, s1: v128, p0: v128, p1: v128
  while (true) {
    s0 = s1 = p0 = p1 = f64x2.splat(0)
    for (let i: usize = 0; i < bytes; i += 16) {
      const u = v128.and(f32x4.sub(v128.load(x + i), f32x4.splat(first)), i + 16 < bytes ? all : inside)
      const low = lowHalf(u), high = highHalf(u)
      s0 = f64x2.add(s0, low)
      s1 = f64x2.add(s1, high)
      p0 = f64x2.add(p0, f64x2.mul(low, low))
      p1 = f64x2.add(p1, f64x2.mul(high, high))
    }
    if (first == 0 || isFinite(sumHalves(p0, p1))) break
    // Differences that left float32's range.
    first = 0
  }
  const away = centred ? sumHalves(s0, s1) / count : 0
  store<f64>(to, <f64>first + away)
  store<f64>(to, max<f64>(0, sumHalves(p0, p1) / count - away * away), 8)
}

/** y = clamp((x - mean) * factor + shift) */
function shiftRow(
  x: usize, y: usize, n: i32, mean: f32, factor: f32, shift: f32, args: NormalRows,
): void {
  const m = f32x4.splat(mean), f = f32x4.splat(factor), s = f32x4.splat(shift)
  const low = f32x4.splat(args.low), high = f32x4.splat(args.high)
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x), x1 = v128.load(x, 16)
    v128.store(y, clamp(madd(f32x4.sub(x0, m), f, s), low, high))
    v128.store(y, clamp(madd(f32x4.sub(x1, m), f, s), low, high), 16)
    x += 32
    y += 32
  }
  for (; n > 0; n -= 4) {
    storeLanes(y, clamp(madd(f32x4.sub(v128.load(x), m), f, s), low, high), min(4, n))
    x += 16
    y += 16
  }
}

/** Row `row` of normalRows whose mean and rate are known; `shift` is added to what they give. */
function normalRow(args: NormalRows, row: i32, mean: f32, rate: f32, shift: f32): void {
  const n = args.n, bytes = <usize>n << 2
  const at = <usize>row * bytes, own = <usize>(row % args.groups) * bytes
  const x = args.x + at, y = args.y + at
  const dy = args.dy ? args.dy + at : 0
  const scale = args.scale ? args.scale + own : 0, offset = args.offset ? args.offset + own : 0
  const inside = lanesInside(n), all = i32x4.splat(-1)
  const m = f32x4.splat(mean), r = f32x4.splat(rate), rest = f32x4.splat(shift)
  let s0 = f64x2.splat(0), s1 = s0, p0 = s0, p1 = s0
  for (let i: usize = 0; i < bytes; i += 16) {
    let h = madd(f32x4.sub(v128.load(x + i), m), r, rest)
    if (dy) {
      const mask = i + 16 < bytes ? all : inside
      let g = v128.and(v128.load(dy + i), mask)
      if (scale) g = f32x4.mul(g, v128.and(v128.load(scale + i), mask))
      const low = lowHalf(g), high = highHalf(g)
      h = v128.and(h, mask)
      s0 = f64x2.add(s0, low)
      s1 = f64x2.add(s1, high)
      p0 = f64x2.add(p0, f64x2.mul(low, lowHalf(h)))
      p1 = f64x2.add(p1, f64x2.mul(high, highHalf(h)))
      h = g
    } else {
      if (scale) h = f32x4.mul(h, v128.load(scale + i))
      if (offset) h = f32x4.add(h, v128.load(offset + i))
    }
    storeLanes(y + i, h, min(4, (bytes - i) >> 2))
  }
  if (!dy) return
  const count: f64 = n
  const meanG = f32x4.splat(args.centre ? <f32>(sumHalves(s0, s1) / count) : 0)
  const meanGh = f32x4.splat(<f32>(sumHalves(p0, p1) / count))
  for (let i: usize = 0; i < bytes; i += 16) {
    const h = madd(f32x4.sub(v128.load(x + i), m), r, rest)
    const g = f32x4.sub(f32x4.sub(v128.load(y + i), meanG), f32x4.mul(h, meanGh))
    storeLanes(y + i, f32x4.mul(r, g), min(4, (bytes - i) >> 2))
  }
}
