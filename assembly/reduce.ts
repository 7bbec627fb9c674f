/**
 * What goes over one axis: x [outer, n, inner], the n elements of each (outer, inner) together. Sums are kept
 * in float64, so that their error is half a unit of the float32 result (and n 2^-53 of the sum of the
 * magnitudes), in whatever order.
 *
 * Rows (inner = 1) are contiguous; columns (inner > 1) are taken side by side.
 */
import { scratch } from './arguments'
import { Reduce, ReduceOp, Scan, ScanOp } from './abi'
import { highHalf, larger, loadPart, lowHalf, madd, storePart } from './simd'

/** Columns taken side by side: a cache line. */
const STRIP = 16

/** Columns whose largest numbers stay in the cache, row by row: lines of memory are read one by one then. */
const WIDE = 1024

/**
 * Unit: `unit` outputs. max and min are NaN where an element is; argmax is the first of the largest, where
 * there is a NaN the first of these.
 */
export function reduce(call: usize, begin: i32, end: i32): void {
  const args = changetype<Reduce>(call)
  const op = args.op, n = args.n, inner = args.inner, unit = args.unit
  const divisor: f64 = op == ReduceOp.mean ? n : 1
  const flip = op == ReduceOp.min ? 0x80000000 : 0
  const stride = <usize>inner << 2
  const last = min(args.outputs, end * unit)
  for (let o = begin * unit; o < last; ) {
    const outer = o / inner, column = o - outer * inner
    const left = min(inner - column, last - o)
    const isWide = left >= 2 * STRIP && (op == ReduceOp.max || op == ReduceOp.min)
    const width = isWide ? min(left & -STRIP, WIDE) : min(left, STRIP)
    const x = args.x + (<usize>(outer * n * inner + column) << 2)
    const y = args.y + (<usize>o << 2)
    if (inner == 1) {
      if (op == ReduceOp.argmaxInt) store<i32>(y, argmaxRow(x, n))
      else if (op == ReduceOp.argmax) store<f32>(y, <f32>argmaxRow(x, n))
      else if (op <= ReduceOp.mean) store<f32>(y, <f32>(sumRow(x, n) / divisor))
      else store<i32>(y, reinterpret<i32>(maxRow(x, n, flip)) ^ flip)
    } else if (op == ReduceOp.argmax || op == ReduceOp.argmaxInt) {
      argmaxColumns(x, n, stride, width, y, op == ReduceOp.argmaxInt)
    }
    else if (op <= ReduceOp.mean) sumColumns(x, n, stride, width, divisor, y)
    else if (isWide) maxWide(x, n, stride, width, flip, y)
    else maxColumns(x, n, stride, width, flip, y)
    o += width
  }
}

// @ts-ignore: decorator
@inline
export function loadSome(p: usize, count: usize): v128 {
  return count >= 4 ? v128.load(p) : loadPart(p, count)
}

// @ts-ignore: decorator
@inline
export function storeSome(p: usize, v: v128, count: usize): void {
  if (count >= 4) v128.store(p, v)
  else storePart(p, v, count)
}

/** Four float64 as float32. */
// @ts-ignore: decorator
@inline
export function narrow(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5)
}

function sumRow(x: usize, n: i32): f64 {
  const end = x + (<usize>n << 2), whole = x + (<usize>(n & -8) << 2)
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0
  while (x < whole) {
    s0 = f64x2.add(s0, f64x2.promote_low_f32x4(v128.load64_zero(x)))
    s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.load64_zero(x, 8)))
    s2 = f64x2.add(s2, f64x2.promote_low_f32x4(v128.load64_zero(x, 16)))
    s3 = f64x2.add(s3, f64x2.promote_low_f32x4(v128.load64_zero(x, 24)))
    x += 32
  }
  const pair = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3))
  let sum = f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1)
  while (x < end) {
    sum += load<f32>(x)
    x += 4
  }
  return sum
}

function sumColumns(x: usize, n: i32, stride: usize, width: usize, by: f64, y: usize): void {
  const divisor = f64x2.splat(by), zero = f64x2.splat(0)
  if (width == STRIP) {
    let s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero
    for (; n; n--) {
      s0 = f64x2.add(s0, f64x2.promote_low_f32x4(v128.load64_zero(x)))
      s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.load64_zero(x, 8)))
      s2 = f64x2.add(s2, f64x2.promote_low_f32x4(v128.load64_zero(x, 16)))
      s3 = f64x2.add(s3, f64x2.promote_low_f32x4(v128.load64_zero(x, 24)))
      s4 = f64x2.add(s4, f64x2.promote_low_f32x4(v128.load64_zero(x, 32)))
      s5 = f64x2.add(s5, f64x2.promote_low_f32x4(v128.load64_zero(x, 40)))
      s6 = f64x2.add(s6, f64x2.promote_low_f32x4(v128.load64_zero(x, 48)))
      s7 = f64x2.add(s7, f64x2.promote_low_f32x4(v128.load64_zero(x, 56)))
      x += stride
    }
    v128.store(y, narrow(f64x2.div(s0, divisor), f64x2.div(s1, divisor)))
    v128.store(y, narrow(f64x2.div(s2, divisor), f64x2.div(s3, divisor)), 16)
    v128.store(y, narrow(f64x2.div(s4, divisor), f64x2.div(s5, divisor)), 32)
    v128.store(y, narrow(f64x2.div(s6, divisor), f64x2.div(s7, divisor)), 48)
    return
  }
  for (let c: usize = 0; c < width; c += 4) {
    let low = zero, high = zero
    let p = x + (c << 2)
    for (let k = n; k; k--) {
      const v = loadSome(p, width - c)
      low = f64x2.add(low, lowHalf(v))
      high = f64x2.add(high, highHalf(v))
      p += stride
    }
    storeSome(y + (c << 2), narrow(f64x2.div(low, divisor), f64x2.div(high, divisor)), width - c)
  }
}

/** The largest of the n > 0 elements, their signs turned by `sign`. */
function maxRow(x: usize, n: i32, sign: i32): f32 {
  const flip = i32x4.splat(sign), end = x + (<usize>n << 2), whole = x + (<usize>(n & -16) << 2)
  let m0 = v128.xor(v128.load32_splat(x), flip), m1 = m0, m2 = m0, m3 = m0
  while (x < whole) {
    m0 = larger(v128.xor(v128.load(x), flip), m0)
    m1 = larger(v128.xor(v128.load(x, 16), flip), m1)
    m2 = larger(v128.xor(v128.load(x, 32), flip), m2)
    m3 = larger(v128.xor(v128.load(x, 48), flip), m3)
    x += 64
  }
  if (n < 4) {
    while ((x += 4) < end) m0 = larger(v128.xor(v128.load32_splat(x), flip), m0)
    return f32x4.extract_lane(m0, 0)
  }
  // The last four may have been seen before.
  for (; x < end; x += 16) m1 = larger(v128.xor(v128.load(min(x, end - 16)), flip), m1)
  m0 = larger(larger(m0, m1), larger(m2, m3))
  m0 = larger(m0, v128.shuffle<f32>(m0, m0, 2, 3, 0, 1))
  return f32x4.extract_lane(larger(m0, v128.shuffle<f32>(m0, m0, 1, 0, 3, 2)), 0)
}

/** The same of many columns, a multiple of 8, whose results stand in y meanwhile. */
function maxWide(x: usize, n: i32, stride: usize, width: usize, sign: i32, y: usize): void {
  const flip = i32x4.splat(sign), end = y + (width << 2)
  for (let row = 0; row < n; row++) {
    const last = row == n - 1 ? flip : i32x4.splat(0)
    let from = x
    for (let to = y; to < end; to += 32) {
      const a = v128.xor(v128.load(from), flip), b = v128.xor(v128.load(from, 16), flip)
      v128.store(to, v128.xor(row ? larger(a, v128.load(to)) : a, last))
      v128.store(to, v128.xor(row ? larger(b, v128.load(to, 16)) : b, last), 16)
      from += 32
    }
    x += stride
  }
}

function maxColumns(x: usize, n: i32, stride: usize, width: usize, sign: i32, y: usize): void {
  const flip = i32x4.splat(sign)
  if (width == STRIP) {
    let m0 = v128.xor(v128.load(x), flip), m1 = v128.xor(v128.load(x, 16), flip)
    let m2 = v128.xor(v128.load(x, 32), flip), m3 = v128.xor(v128.load(x, 48), flip)
    while (--n) {
      x += stride
      m0 = larger(v128.xor(v128.load(x), flip), m0)
      m1 = larger(v128.xor(v128.load(x, 16), flip), m1)
      m2 = larger(v128.xor(v128.load(x, 32), flip), m2)
      m3 = larger(v128.xor(v128.load(x, 48), flip), m3)
    }
    v128.store(y, v128.xor(m0, flip))
    v128.store(y, v128.xor(m1, flip), 16)
    v128.store(y, v128.xor(m2, flip), 32)
    v128.store(y, v128.xor(m3, flip), 48)
    return
  }
  for (let c: usize = 0; c < width; c += 4) {
    storeSome(y + (c << 2), v128.xor(max4(x + (c << 2), n, stride, width - c, flip), flip), width - c)
  }
}

/** The largest of each of up to 4 columns, their signs turned by `flip`. */
// @ts-ignore: decorator
@inline
export function max4(x: usize, n: i32, stride: usize, width: usize, flip: v128): v128 {
  let m = v128.xor(loadSome(x, width), flip)
  while (--n) {
    x += stride
    m = larger(v128.xor(loadSome(x, width), flip), m)
  }
  return m
}

/** Where a NaN or the value of m stands. */
// @ts-ignore: decorator
@inline
function hits(v: v128, m: v128): v128 {
  return v128.or(f32x4.eq(v, m), f32x4.ne(v, v))
}

function argmaxRow(x: usize, n: i32): i32 {
  const m = f32x4.splat(maxRow(x, n, 0))
  let i = 0
  while (i + 4 <= n && !v128.any_true(hits(v128.load(x + (<usize>i << 2)), m))) i += 4
  while (!(i32x4.extract_lane(hits(v128.load32_splat(x + (<usize>i << 2)), m), 0))) i++
  return i
}

function argmaxColumns(x: usize, n: i32, stride: usize, width: usize, y: usize, integers: bool): void {
  for (let c: usize = 0; c < width; c += 4) {
    let p = x + (c << 2)
    let best = loadSome(p, width - c), index = i32x4.splat(0)
    for (let k = 1; k < n; k++) {
      p += stride
      const v = loadSome(p, width - c)
      const better = v128.or(f32x4.gt(v, best), v128.and(f32x4.ne(v, v), f32x4.eq(best, best)))
      best = v128.bitselect(v, best, better)
      index = v128.bitselect(i32x4.splat(k), index, better)
    }
    storeSome(y + (c << 2), integers ? index : f32x4.convert_i32x4_s(index), width - c)
  }
}

/**
 * What folds elements into one number, in float64: `neutral` changes nothing, `fold` takes the next, `join`
 * makes one of two, `end` the result.
 */
@final
class Product {
  // @ts-ignore: decorator
  @inline neutral(): f64 { return 1 }
  // @ts-ignore: decorator
  @inline fold(sum: v128, v: v128): v128 { return f64x2.mul(sum, v) }
  // @ts-ignore: decorator
  @inline join(a: v128, b: v128): v128 { return f64x2.mul(a, b) }
  // @ts-ignore: decorator
  @inline end(v: v128): v128 { return v }
}

@final
class Norm {
  // @ts-ignore: decorator
  @inline neutral(): f64 { return 0 }
  // @ts-ignore: decorator
  @inline fold(sum: v128, v: v128): v128 { return f64x2.add(sum, f64x2.mul(v, v)) }
  // @ts-ignore: decorator
  @inline join(a: v128, b: v128): v128 { return f64x2.add(a, b) }
  // @ts-ignore: decorator
  @inline end(v: v128): v128 { return f64x2.sqrt(v) }
}

/**
 * Unit: `unit` outputs. prod and norm, apart from `reduce` since V8 replaces the quick first code of a large
 * function late.
 */
export function fold(call: usize, begin: i32, end: i32): void {
  const args = changetype<Reduce>(call)
  const n = args.n, inner = args.inner, stride = <usize>inner << 2
  const last = min(args.outputs, end * args.unit)
  for (let o = begin * args.unit; o < last; ) {
    const outer = o / inner, column = o - outer * inner
    const width = min(min(inner - column, last - o), STRIP)
    const x = args.x + (<usize>(outer * n * inner + column) << 2)
    const y = args.y + (<usize>o << 2)
    if (args.op == ReduceOp.prod) foldStrip<Product>(x, n, stride, width, inner == 1, y)
    else foldStrip<Norm>(x, n, stride, width, inner == 1, y)
    o += width
  }
}

/** One row of n, or `width` columns side by side. */
function foldStrip<F>(x: usize, n: i32, stride: usize, width: usize, row: bool, y: usize): void {
  const f = changetype<F>(0)
  const neutral = f64x2.splat(f.neutral())
  if (row) {
    let low = neutral, high = neutral
    for (; n >= 4; n -= 4) {
      const v = v128.load(x)
      low = f.fold(low, lowHalf(v))
      high = f.fold(high, highHalf(v))
      x += 16
    }
    low = f.join(low, high)
    low = f.join(low, v128.shuffle<i64>(low, low, 1, 0))
    for (; n > 0; n--) {
      low = f.fold(low, f64x2.splat(load<f32>(x)))
      x += 4
    }
    store<f32>(y, <f32>f64x2.extract_lane(f.end(low), 0))
    return
  }
  for (let c: usize = 0; c < width; c += 4) {
    let low = neutral, high = neutral
    let p = x + (c << 2)
    for (let k = n; k; k--) {
      const v = loadSome(p, width - c)
      low = f.fold(low, lowHalf(v))
      high = f.fold(high, highHalf(v))
      p += stride
    }
    storeSome(y + (c << 2), narrow(f.end(low), f.end(high)), width - c)
  }
}

/**
 * Unit: `unit` vectors along n. y[k] = the sum (or product) of x[0] to x[k], kept in float64; `exclusive`
 * without x[k], `reverse` from the end. y may be x.
 */
export function scan(call: usize, begin: i32, end: i32): void {
  const args = changetype<Scan>(call)
  const op = args.op, n = args.n, inner = args.inner, unit = args.unit
  const exclusive = args.exclusive, reverse = args.reverse
  const stride = <usize>inner << 2
  const last = min(args.vectors, end * unit)
  for (let o = begin * unit; o < last; ) {
    const outer = o / inner, column = o - outer * inner
    const single = op == ScanOp.sumSingle
    const width = min(min(inner - column, last - o), single ? 16 : 4)
    const first = (<usize>(outer * n * inner + column) << 2) + (reverse ? <usize>(n - 1) * stride : 0)
    const x = args.x + first, y = args.y + first
    const step = reverse ? -stride : stride
    if (single) scanSingles(x, y, n, width, step, exclusive)
    else if (op == ScanOp.sumInt) scanInts(x, y, n, width, step, exclusive)
    else scanFloats(x, y, n, width, step, exclusive, op == ScanOp.prod)
    o += width
  }
}

function scanFloats(
  x: usize, y: usize, n: i32, width: usize, step: usize, exclusive: i32, product: bool,
): void {
  let low = f64x2.splat(product ? 1 : 0), high = low
  for (; n; n--) {
    const v = loadSome(x, width)
    if (exclusive) storeSome(y, narrow(low, high), width)
    low = product ? f64x2.mul(low, lowHalf(v)) : f64x2.add(low, lowHalf(v))
    high = product ? f64x2.mul(high, highHalf(v)) : f64x2.add(high, highHalf(v))
    if (!exclusive) storeSome(y, narrow(low, high), width)
    x += step
    y += step
  }
}

/** Up to 16 columns. */
function scanSingles(x: usize, y: usize, n: i32, width: usize, step: usize, exclusive: i32): void {
  if (width == STRIP) {
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0
    for (; n; n--) {
      const a = v128.load(x), b = v128.load(x, 16), c = v128.load(x, 32), d = v128.load(x, 48)
      if (exclusive) storeStrip(y, s0, s1, s2, s3)
      s0 = f32x4.add(s0, a)
      s1 = f32x4.add(s1, b)
      s2 = f32x4.add(s2, c)
      s3 = f32x4.add(s3, d)
      if (!exclusive) storeStrip(y, s0, s1, s2, s3)
      x += step
      y += step
    }
    return
  }
  for (let c: usize = 0; c < width; c += 4) {
    let from = x + (c << 2), to = y + (c << 2), sum = f32x4.splat(0)
    for (let k = n; k; k--) {
      const v = loadSome(from, width - c)
      if (exclusive) storeSome(to, sum, width - c)
      sum = f32x4.add(sum, v)
      if (!exclusive) storeSome(to, sum, width - c)
      from += step
      to += step
    }
  }
}

// @ts-ignore: decorator
@inline
function storeStrip(y: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(y, a)
  v128.store(y, b, 16)
  v128.store(y, c, 32)
  v128.store(y, d, 48)
}

function scanInts(x: usize, y: usize, n: i32, width: usize, step: usize, exclusive: i32): void {
  let sum = i32x4.splat(0)
  for (; n; n--) {
    const v = loadSome(x, width)
    if (exclusive) storeSome(y, sum, width)
    sum = i32x4.add(sum, v)
    if (!exclusive) storeSome(y, sum, width)
    x += step
    y += step
  }
}
