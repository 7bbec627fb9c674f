/**
 * Images of another size. Each output is a weighted sum of pixels along h and along w: one, the nearest; two,
 * those around its position; four, of a cubic; or with antialiasing all that a wider filter covers.
 *
 * scratch: for each of ow columns, and behind them for one row: the number of taps, then [taps] of (byte
 * offset of the pixel, weight as f32, weight as f64), 16 bytes each; then a row of the input [iw, c]; then
 * what resizeNarrow.ts has
 */
import { scratch } from './arguments'
import { NearestRule, Resize, ResizeAxis, ResizeMethod, ResizeRounding, ResizeRule } from './abi'
import { fillNarrow, narrowRow } from './resizeNarrow'
import { loadPart, madd, storePart, storeWithin } from './simd'

/** Unit: `rows` output rows. */
export function resize(call: usize, begin: i32, end: i32): void {
  const args = changetype<Resize>(call)
  const ih = args.ih, oh = args.oh, unitRows = args.rows, iw = args.iw, ow = args.ow
  const pixelStride = <usize>args.c * 4
  const xRowStride = iw * pixelStride, yRowStride = ow * pixelStride
  const table = scratch(), entryStride = <usize>(args.taps + 1) * 16
  const row = table + ow * entryStride, buffer = row + entryStride
  const method = args.method, isPair = method == ResizeMethod.linear && !args.antialias
  const value = args.extrapolation
  const twiceRow = twiceOf(axisOf(call, 0), xRowStride), twiceColumn = twiceOf(axisOf(call, 1), pixelStride)
  const last = min(end * unitRows, args.n * oh)
  fillTable(args, axisOf(call, 1), pixelStride, table, entryStride)
  const narrow = buffer + xRowStride + 16
  if (args.narrow) fillNarrow(args, table, entryStride, narrow, twiceColumn)
  for (let r = begin * unitRows; r < last; r++) {
    const y = args.y + r * yRowStride
    const count = taps(args, axisOf(call, 0), r % oh, xRowStride, row)
    const image = args.x + (r / oh) * ih * xRowStride
    if (!count) fillRow(y, y + yRowStride, value)
    else if (args.rounding) {
      preciseRow(args, image, row, table, entryStride, y)
    } else if (method == ResizeMethod.nearest) {
      nearestRow(image + load<u32>(row, 16), table, entryStride, ow, y, pixelStride, value)
    } else if (isPair) {
      const upper = load<u32>(row, 16)
      if (upper == load<u32>(row, 32) && upper != twiceRow)
        pairRow(image + upper, table, entryStride, ow, y, pixelStride, value)
      else if (args.narrow) narrowRow(args, image, row, table, entryStride, y, narrow, twiceColumn)
      else bilinearRow(args, image, row, table, entryStride, y, twiceColumn)
    } else {
      let source = image + load<u32>(row, 16)
      if (count > 1 || load<f64>(row, 24) != 1) {
        combineRows(image, row, buffer, xRowStride)
        source = buffer
      }
      weightedRow(source, table, entryStride, ow, y, pixelStride, value)
    }
  }
}

// @ts-ignore: decorator
@inline
function axisOf(call: usize, i: usize): ResizeAxis {
  return changetype<ResizeAxis>(call + offsetof<Resize>() + i * offsetof<ResizeAxis>())
}

/**
 * By ONNX's rules the last pixel counts twice by half where an output stands on it or beyond, as ONNX Runtime
 * has it: one that it stands on elsewhere counts alone. The byte offset of that last one; none of `exact`.
 */
// @ts-ignore: decorator
@inline
function twiceOf(axis: ResizeAxis, stride: usize): usize {
  return axis.rule == ResizeRule.exact ? usize.MAX_VALUE : <usize>(axis.input - 1) * stride
}

/** The taps of all columns. */
export function fillTable(
  args: Resize, axis: ResizeAxis, pixelStride: usize, table: usize, entryStride: usize,
): void {
  for (let o = 0; o < args.ow; o++) {
    taps(args, axis, o, pixelStride, table)
    table += entryStride
  }
}

/**
 * Where in the input output `o` stands. `exact`: as a fraction, whose ties are ties; else by ONNX's rules,
 * each step rounded to float32 as ONNX Runtime does, so that the same positions are whole.
 */
function position(axis: ResizeAxis, o: i32): f64 {
  const rule = axis.rule
  if (rule == ResizeRule.exact) return (<f64>o * axis.step + axis.first) / axis.units
  const scale = axis.scale, input = axis.input, output = axis.output
  const start = axis.start, end = axis.end
  if (rule == ResizeRule.cropAndResize) {
    const most = <f32>(input - 1)
    if (output <= 1) return <f32>0.5 * (start + end) * most
    return start * most + <f32>o * (end - start) * most / <f32>(output - 1)
  }
  if (scale == 1) return o
  const length = <f32>input * scale
  // What a scale makes of the length before it is cut, but not where the scale follows from the lengths.
  const isCut = output == <i32>floor(length) && <f32>output / <f32>input != scale
  const exact = isCut ? length : <f32>output
  const halfway = (<f32>o + 0.5) / scale
  switch (rule) {
    case ResizeRule.alignCorners: return exact == 1 ? 0 : <f32>o * <f32>(input - 1) / (exact - 1)
    case ResizeRule.asymmetric: return <f32>o / scale
    case ResizeRule.halfPixelForNearest: return halfway
    case ResizeRule.pytorchHalfPixel: return exact > 1 ? halfway - 0.5 : 0
    case ResizeRule.halfPixelSymmetric: {
      const offset = <f32>input / 2 * (1 - <f32>output / length)
      // In float64 there, and rounded last.
      return <f32>(offset + (<f64>o + 0.5) / scale - 0.5)
    }
  }
  return halfway - 0.5
}

/** Writes the taps of output `o` along an axis; their number, which is 0 outside of a region. */
export function taps(args: Resize, axis: ResizeAxis, o: i32, stride: usize, to: usize): i32 {
  const x = position(axis, o)
  const last = axis.input - 1, method = args.method
  let count = 0
  if (axis.rule == ResizeRule.cropAndResize && (x < 0 || x > <f64>last)) {
    store<i32>(to, 0)
    return 0
  }
  if (method == ResizeMethod.nearest) {
    const index = nearestIndex(x, axis.nearest, axis.rule == ResizeRule.exact ? 0 : TIE)
    writeTap(to, 0, min(max(index, 0), last) * stride, 1)
    store<i32>(to, 1)
    return 1
  }
  const isCubic = method == ResizeMethod.cubic
  const shrinks: f64 = axis.rule == ResizeRule.exact ? <f64>axis.input / axis.output : 1 / <f64>axis.scale
  const stretch: f64 = args.antialias ? max<f64>(1, shrinks) : 1
  const support = isCubic ? 2 * stretch : stretch
  const end = <i32>ceil(x + support)
  let sum: f64 = 0
  for (let i = <i32>floor(x - support) + 1; i <= end; i++) {
    const distance = abs<f64>((i - x) / stretch)
    const weight = isCubic ? cubic(distance, args.cubic) : max<f64>(0, 1 - distance)
    if (weight == 0 || (args.excludeOutside && (i < 0 || i > last))) continue
    sum += weight
    const offset = <u32>(min(max(i, 0), last) * stride)
    const before = to + <usize>count * 16
    // Beyond an edge the pixel at the edge goes on.
    if (count && load<u32>(before) == offset) store<f64>(before, load<f64>(before, 8) + weight, 8)
    else writeTap(to, count++, offset, weight)
  }
  const scale = args.antialias || args.excludeOutside ? 1 / sum : 1
  for (let i = 1; i <= count; i++) {
    const entry = to + <usize>i * 16, weight = load<f64>(entry, 8) * scale
    store<f64>(entry, weight, 8)
    store<f32>(entry, <f32>weight, 4)
  }
  if (count == 1 && method == ResizeMethod.linear && !args.antialias) {
    // The same twice, so that all have two: no weight is 0, which would make NaN of an infinity that is not
    // asked for.
    writeTap(to, 0, load<u32>(to, 16), 0.5)
    writeTap(to, 1, load<u32>(to, 16), 0.5)
    count = 2
  }
  store<i32>(to, count)
  return count
}

/** ONNX Runtime takes what is so near to the middle for the middle. */
const TIE: f64 = 1e-6

function nearestIndex(x: f64, rule: i32, tie: f64): i32 {
  switch (rule) {
    case NearestRule.preferFloor: return <i32>ceil(x - 0.5 - tie)
    case NearestRule.preferCeil: return <i32>floor(x + 0.5 + tie)
    case NearestRule.ceil: return <i32>ceil(x)
  }
  return <i32>floor(x)
}

// @ts-ignore: decorator
@inline
function writeTap(to: usize, i: i32, offset: usize, weight: f64): void {
  const entry = to + <usize>(i + 1) * 16
  store<u32>(entry, <u32>offset)
  store<f32>(entry, <f32>weight, 4)
  store<f64>(entry, weight, 8)
}

/** Keys' cubic: 1 at 0, 0 at 1 and 2. */
function cubic(d: f64, a: f64): f64 {
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
}

function fillRow(y: usize, end: usize, value: f32): void {
  for (; y < end; y += 4) store<f32>(y, value)
}

/** The weighted sum of whole rows. */
function combineRows(image: usize, row: usize, to: usize, bytes: usize): void {
  const count = load<i32>(row)
  const first = image + load<u32>(row, 16), firstWeight = v128.load32_splat(row, 20)
  const second = count > 1 ? image + load<u32>(row, 32) : first
  const secondWeight = count > 1 ? v128.load32_splat(row, 36) : f32x4.splat(0)
  if (count == 1)
    for (let i: usize = 0; i < bytes; i += 16)
      v128.store(to + i, f32x4.mul(v128.load(first + i), firstWeight))
  else {
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(
        to + i,
        madd(v128.load(second + i), secondWeight, f32x4.mul(v128.load(first + i), firstWeight)),
      )
    }
  }
  for (let t = 2; t < count; t++) {
    const entry = row + <usize>(t + 1) * 16
    const from = image + load<u32>(entry), weight = v128.load32_splat(entry, 4)
    for (let i: usize = 0; i < bytes; i += 16)
      v128.store(to + i, madd(v128.load(from + i), weight, v128.load(to + i)))
  }
}

function nearestRow(
  x: usize, table: usize, entryStride: usize, ow: i32, y: usize, pixelStride: usize, value: f32,
): void {
  const rowEnd = y + ow * pixelStride
  for (; y < rowEnd; table += entryStride) {
    const from = x + load<u32>(table, 16)
    if (!load<i32>(table)) fillRow(y, y + pixelStride, value)
    else for (let i: usize = 0; i < pixelStride; i += 16) storeWithin(y + i, v128.load(from + i), rowEnd)
    y += pixelStride
  }
}

/** Two taps along w, of a row. */
function pairRow(
  x: usize, table: usize, entryStride: usize, ow: i32, y: usize, pixelStride: usize, value: f32,
): void {
  const rowEnd = y + ow * pixelStride
  for (; y < rowEnd; table += entryStride) {
    if (!load<i32>(table)) fillRow(y, y + pixelStride, value)
    else {
      const left = x + load<u32>(table, 16), right = x + load<u32>(table, 32)
      const weightLeft = v128.load32_splat(table, 20), weightRight = v128.load32_splat(table, 36)
      for (let i: usize = 0; i < pixelStride; i += 16) {
        const before = f32x4.mul(v128.load(left + i), weightLeft)
        const after = f32x4.mul(v128.load(right + i), weightRight)
        storeWithin(y + i, f32x4.add(before, after), rowEnd)
      }
    }
    y += pixelStride
  }
}

/**
 * Two taps along h and two along w: four products, each with the product of its weights, added one after the
 * other. In float32 and not fused, these are the bits of ONNX Runtime: a last bit that differs would flip
 * levels where the result is quantised.
 */
function bilinearRow(
  args: Resize, image: usize, row: usize, table: usize, entryStride: usize, y: usize, twice: usize,
): void {
  const pixelStride = <usize>args.c * 4, rowEnd = y + args.ow * pixelStride
  const upper = image + load<u32>(row, 16), lower = image + load<u32>(row, 32)
  const weightUpper = v128.load32_splat(row, 20), weightLower = v128.load32_splat(row, 36)
  for (; y < rowEnd; table += entryStride) {
    const left: usize = load<u32>(table, 16), right: usize = load<u32>(table, 32), pixelEnd = y + pixelStride
    if (!load<i32>(table)) fillRow(y, pixelEnd, args.extrapolation)
    else if (left == right && left != twice) {
      for (let i: usize = 0; i < pixelStride; i += 16) {
        const above = f32x4.mul(v128.load(upper + left + i), weightUpper)
        const below = f32x4.mul(v128.load(lower + left + i), weightLower)
        storeWithin(y + i, f32x4.add(above, below), rowEnd)
      }
    } else {
      const weightLeft = v128.load32_splat(table, 20), weightRight = v128.load32_splat(table, 36)
      const aboveLeft = f32x4.mul(weightLeft, weightUpper), aboveRight = f32x4.mul(weightRight, weightUpper)
      const belowLeft = f32x4.mul(weightLeft, weightLower), belowRight = f32x4.mul(weightRight, weightLower)
      let ul = upper + left, ur = upper + right, ll = lower + left, lr = lower + right
      storeWithin(y, fourOf(ul, ur, ll, lr, aboveLeft, aboveRight, belowLeft, belowRight), rowEnd)
      for (let to = y + 16; to < pixelEnd; to += 16) {
        ul += 16
        ur += 16
        ll += 16
        lr += 16
        storeWithin(to, fourOf(ul, ur, ll, lr, aboveLeft, aboveRight, belowLeft, belowRight), rowEnd)
      }
    }
    y = pixelEnd
  }
}

/** The weighted sum of four pixels, in this order. */
// @ts-ignore: decorator
@inline
function fourOf(a: usize, b: usize, c: usize, d: usize, p: v128, q: v128, r: v128, s: v128): v128 {
  let sum = f32x4.mul(v128.load(a), p)
  sum = f32x4.add(sum, f32x4.mul(v128.load(b), q))
  sum = f32x4.add(sum, f32x4.mul(v128.load(c), r))
  return f32x4.add(sum, f32x4.mul(v128.load(d), s))
}

/** Any number of taps along w, of a row. */
function weightedRow(
  x: usize, table: usize, entryStride: usize, ow: i32, y: usize, pixelStride: usize, value: f32,
): void {
  const rowEnd = y + ow * pixelStride
  for (; y < rowEnd; table += entryStride) {
    const count = load<i32>(table)
    if (!count) fillRow(y, y + pixelStride, value)
    else {
      for (let i: usize = 0; i < pixelStride; i += 16) {
        let sum = f32x4.mul(v128.load(x + load<u32>(table, 16) + i), v128.load32_splat(table, 20))
        for (let t = 2; t <= count; t++) {
          const entry = table + <usize>t * 16
          sum = madd(v128.load(x + load<u32>(entry) + i), v128.load32_splat(entry, 4), sum)
        }
        storeWithin(y + i, sum, rowEnd)
      }
    }
    y += pixelStride
  }
}

/**
 * The same in float64, and rounded to whole numbers: of integers, between which a step may hang on the
 * last bit.
 */
function preciseRow(
  args: Resize, image: usize, row: usize, table: usize, entryStride: usize, y: usize,
): void {
  const rowCount = load<i32>(row), c = args.c, truncates = args.rounding == ResizeRounding.truncate
  for (let o = 0; o < args.ow; o++) {
    const count = load<i32>(table)
    for (let channel = 0; channel < c; channel++) {
      let sum: f64 = 0
      for (let t = 1; t <= count; t++) {
        const entry = table + <usize>t * 16
        let column: f64 = 0
        for (let s = 1; s <= rowCount; s++) {
          const above = row + <usize>s * 16
          column += load<f64>(above, 8) * load<f32>(image + load<u32>(above) + load<u32>(entry) + channel * 4)
        }
        sum += load<f64>(entry, 8) * column
      }
      const rounded = truncates ? trunc(sum) : copysign(floor(abs(sum) + 0.5), sum)
      store<f32>(y, count ? <f32>rounded : args.extrapolation)
      y += 4
    }
    table += entryStride
  }
}

/**
 * Unit: one image. Backward: dy goes to the pixels that the output read, by their weights. x is dx here,
 * y is dy.
 */
export function resizeGradient(call: usize, begin: i32, end: i32): void {
  const args = changetype<Resize>(call)
  const ih = args.ih, oh = args.oh, ow = args.ow
  const pixelStride = <usize>args.c * 4
  const xRowStride = args.iw * pixelStride
  const table = scratch(), entryStride = <usize>(args.taps + 1) * 16, row = table + ow * entryStride
  fillTable(args, axisOf(call, 1), pixelStride, table, entryStride)
  for (let n = begin; n < end; n++) {
    const dx = args.x + n * ih * xRowStride
    memory.fill(dx, 0, ih * xRowStride)
    let dy = args.y + n * oh * ow * pixelStride
    for (let oy = 0; oy < oh; oy++) {
      const rows = taps(args, axisOf(call, 0), oy, xRowStride, row)
      for (let entry = table; entry < row; entry += entryStride) {
        const columns = load<i32>(entry)
        for (let s = 1; s <= rows; s++) {
          const above = row + <usize>s * 16
          for (let t = 1; t <= columns; t++) {
            const beside = entry + <usize>t * 16
            const weight = load<f32>(above, 4) * load<f32>(beside, 4)
            addScaled(dx + load<u32>(above) + load<u32>(beside), dy, weight, pixelStride)
          }
        }
        dy += pixelStride
      }
    }
  }
}

/** to += from * weight, over `bytes`. */
// @ts-ignore: decorator
@inline
export function addScaled(to: usize, from: usize, weight: f32, bytes: usize): void {
  const w = f32x4.splat(weight)
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, madd(v128.load(from + i), w, v128.load(to + i)))
  const left = (bytes - i) >> 2
  if (left) storePart(to + i, madd(loadPart(from + i, left), w, loadPart(to + i, left)), left)
}
