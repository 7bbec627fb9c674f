/**
 * Softmax over one axis: x [outer, n, inner], rows where inner = 1, else columns side by side.
 *
 *   y = exp(x - m) / s, or x - m - log(s): m = max(x), s = sum of exp(x - m)
 *
 * Sums are kept in float64 but for those of four neighbours; of positive numbers, they are two units off at
 * most.
 */
import { scratch } from './arguments'
import { SOFTMAX_CHUNK, Softmax } from './abi'
import { expRun as expAll } from './elementwise'
import { LOWER, expFalling, expFallingRaised, log } from './math'
import { loadSome, max4, narrow, storeSome } from './reduce'
import { highHalf, loadPart, lowHalf, madd, storePart } from './simd'

/** Rows from this length on go one by one: below, what a row costs beside its numbers is too much. */
const LONG: i32 = 64

/**
 * Unit: `unit` rows or columns. y may be x.
 *
 * scratch: tail [16] | exponentials of as many rows as SOFTMAX_CHUNK holds, at least one
 */
export function softmax(call: usize, begin: i32, end: i32): void {
  const args = changetype<Softmax>(call)
  const n = args.n, inner = args.inner, unit = args.unit, logarithm = args.log
  const stride = <usize>inner << 2
  const last = min(args.vectors, end * unit)
  for (let o = begin * unit; o < last; ) {
    const outer = o / inner, column = o - outer * inner
    const width = inner == 1
      ? min(last - o, max(1, SOFTMAX_CHUNK / n))
      : min(min(inner - column, last - o), 4)
    const offset = <usize>(outer * n * inner + column) << 2
    const x = args.x + offset, y = args.y + offset
    if (inner == 1 && n >= LONG) {
      for (let i: usize = 0; i < <usize>width * n * 4; i += n * 4) softmaxRow(x + i, n, y + i, logarithm)
    } else if (inner == 1) softmaxRows(x, n, width, y, logarithm)
    else softmaxColumns(x, n, stride, width, y, logarithm)
    o += width
  }
}

/** e is raised, so its sum is: by 2^64. */
function softmaxRow(x: usize, n: i32, y: usize, logarithm: i32): void {
  const peak = peakRow(x, n), m = f32x4.splat(peak), whole = n & -16, bytes = <usize>whole << 2
  let sum = logarithm ? shiftRun(x, y, whole, peak) : expRun(x, y, whole, peak)
  let short = f32x4.splat(0)
  for (let i = bytes; i < <usize>n << 2; i += 16) {
    const left = min(4, n - <i32>(i >> 2))
    const v = f32x4.sub(loadSome(x + i, left), m), e = expFallingRaised(v)
    storeSome(y + i, logarithm ? v : e, left)
    short = f32x4.add(short, v128.and(e, i32x4.gt_s(i32x4.splat(left), i32x4(0, 1, 2, 3))))
  }
  const pairs = f64x2.add(lowHalf(short), highHalf(short))
  sum += f64x2.extract_lane(pairs, 0) + f64x2.extract_lane(pairs, 1)
  if (logarithm) affineRow(y, y, n, 1, -f32x4.extract_lane(log(f32x4.splat(<f32>(sum * LOWER))), 0))
  else affineRow(y, y, n, <f32>(1 / sum), 0)
}

/** y = exp(x - m) * 2^64 of n numbers, a multiple of 16 and not 0; the answer is their sum. */
function expRun(x: usize, y: usize, n: i32, m: f32): f64 {
  return run(false, x, y, n, f32x4.splat(m))
}

/** y = x - m; the answer is the same. */
function shiftRun(x: usize, y: usize, n: i32, m: f32): f64 {
  return run(true, x, y, n, f32x4.splat(m))
}

/** A loop that tests at its end, for V8: see elementwise.ts. */
// @ts-ignore: decorator
@inline
function run(logarithm: bool, x: usize, y: usize, n: i32, m: v128): f64 {
  let low = f64x2.splat(0), high = low
  do {
    const v0 = f32x4.sub(v128.load(x), m), v1 = f32x4.sub(v128.load(x, 16), m)
    const v2 = f32x4.sub(v128.load(x, 32), m), v3 = f32x4.sub(v128.load(x, 48), m)
    const e0 = expFallingRaised(v0), e1 = expFallingRaised(v1)
    const e2 = expFallingRaised(v2), e3 = expFallingRaised(v3)
    v128.store(y, logarithm ? v0 : e0)
    v128.store(y, logarithm ? v1 : e1, 16)
    v128.store(y, logarithm ? v2 : e2, 32)
    v128.store(y, logarithm ? v3 : e3, 48)
    const four = f32x4.add(f32x4.add(e0, e1), f32x4.add(e2, e3))
    low = f64x2.add(low, lowHalf(four))
    high = f64x2.add(high, highHalf(four))
    x += 64
    y += 64
    n -= 16
  } while (n)
  low = f64x2.add(low, high)
  return f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1)
}

/** The exponentials of all rows at once: rows of any length cost the same. */
function softmaxRows(x: usize, n: i32, rows: i32, y: usize, logarithm: i32): void {
  const tail = scratch(), e = logarithm ? tail + 64 : y
  const stride = <usize>n << 2, end = <usize>rows * stride
  for (let i: usize = 0; i < end; i += stride) affineRow(x + i, y + i, n, 1, -peakRow(x + i, n))
  expAll(y, e, rows * n, tail)
  for (let i: usize = 0; i < end; i += stride) {
    const sum = shortSums(e + i, n)
    if (logarithm) affineRow(y + i, y + i, n, 1, -f32x4.extract_lane(log(f32x4.splat(<f32>sum)), 0))
    else affineRow(y + i, y + i, n, <f32>(1 / sum), 0)
  }
}

/** The largest of n > 0 elements; any number where there is a NaN. */
export function peakRow(x: usize, n: i32): f32 {
  let m0 = v128.load32_splat(x), m1 = m0, m2 = m0, m3 = m0
  if (n < 4) {
    while (--n) m0 = f32x4.pmax(m0, v128.load32_splat((x += 4)))
    return f32x4.extract_lane(m0, 0)
  }
  const last = x + (<usize>n << 2) - 16
  for (; x + 48 <= last; x += 64) {
    m0 = f32x4.pmax(m0, v128.load(x))
    m1 = f32x4.pmax(m1, v128.load(x, 16))
    m2 = f32x4.pmax(m2, v128.load(x, 32))
    m3 = f32x4.pmax(m3, v128.load(x, 48))
  }
  for (; x < last; x += 16) m0 = f32x4.pmax(m0, v128.load(x))
  m0 = f32x4.pmax(f32x4.pmax(m0, v128.load(last)), f32x4.pmax(m1, f32x4.pmax(m2, m3)))
  m0 = f32x4.pmax(m0, v128.shuffle<f32>(m0, m0, 2, 3, 0, 1))
  return f32x4.extract_lane(f32x4.pmax(m0, v128.shuffle<f32>(m0, m0, 1, 0, 3, 2)), 0)
}

/** y = x * scale + offset. y may be x: the last four, which may have been written before, are read first. */
function affineRow(x: usize, y: usize, n: i32, scale: f32, offset: f32): void {
  const factor = f32x4.splat(scale), term = f32x4.splat(offset)
  if (n < 4) return storePart(y, madd(loadPart(x, n), factor, term), n)
  const last = <usize>n - 4 << 2
  const end = madd(v128.load(x + last), factor, term)
  let i: usize = 0
  for (; i + 16 <= last; i += 32) {
    const v0 = v128.load(x + i), v1 = v128.load(x + i, 16)
    v128.store(y + i, madd(v0, factor, term))
    v128.store(y + i, madd(v1, factor, term), 16)
  }
  if (i < last) v128.store(y + i, madd(v128.load(x + i), factor, term))
  v128.store(y + last, end)
}

/** The sum of n elements: of each lane's next four in float32, of those in float64. */
function shortSums(x: usize, n: i32): f64 {
  let low = f64x2.splat(0), high = low
  let short = loadPart(x + (<usize>(n & -4) << 2), n & 3)
  for (; n >= 16; n -= 16) {
    const four = f32x4.add(
      f32x4.add(v128.load(x), v128.load(x, 16)), f32x4.add(v128.load(x, 32), v128.load(x, 48)),
    )
    low = f64x2.add(low, lowHalf(four))
    high = f64x2.add(high, highHalf(four))
    x += 64
  }
  for (; n >= 4; n -= 4) {
    short = f32x4.add(short, v128.load(x))
    x += 16
  }
  low = f64x2.add(f64x2.add(low, lowHalf(short)), f64x2.add(high, highHalf(short)))
  return f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1)
}

function softmaxColumns(x: usize, n: i32, stride: usize, width: usize, y: usize, logarithm: i32): void {
  const m = max4(x, n, stride, width, i32x4.splat(0))
  let low = f64x2.splat(0), high = low
  const bytes = <usize>n * stride
  for (let i: usize = 0; i < bytes; i += stride) {
    const e = expFalling(f32x4.sub(loadSome(x + i, width), m))
    low = f64x2.add(low, lowHalf(e))
    high = f64x2.add(high, highHalf(e))
    if (!logarithm) storeSome(y + i, e, width)
  }
  if (logarithm) {
    const s = log(narrow(low, high))
    for (let i: usize = 0; i < bytes; i += stride) {
      storeSome(y + i, f32x4.sub(f32x4.sub(loadSome(x + i, width), m), s), width)
    }
  } else {
    const one = f64x2.splat(1)
    const s = narrow(f64x2.div(one, low), f64x2.div(one, high))
    for (let i: usize = 0; i < bytes; i += stride) {
      storeSome(y + i, f32x4.mul(loadSome(y + i, width), s), width)
    }
  }
}
