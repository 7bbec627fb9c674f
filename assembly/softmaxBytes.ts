/**
 * Softmax of 8-bit integers over one axis: x [outer, n, inner], whose integers stand for (q - zero) * scale.
 *
 *   y = round(T[m - x] / (scaleY * sum of T[m - x])) + zeroY,  m = max(x)
 *   T[k] = exp(-k * scale), in integers
 *
 * Tables are made by multiplications alone, and their sums are exact, so every build gives the same bytes in
 * any order. Rows of scales up to 1/4 take T as a product of 16 by 16 entries that stay in registers:
 *
 *   T[16 h + l] = A[l] * B[h],  A in 15 bits, B in 28
 *
 * An entry of A is off by 2^-16, and A[15] is exp(-3.75) or more, so a sum by 1/1500 at most, and a level of
 * the result by a fifth. So do columns, and short rows, of which 16 are transposed and taken as columns. Else
 * T is a list of 256, each off by 2^-30 of the largest.
 */
import { scratch } from './arguments'
import { SOFTMAX_BYTES_KEPT, SOFTMAX_BYTES_SHORT, SoftmaxBytes } from './abi'
import {
  columns, factorOf, fewColumns, fourOf, highPairs, lowDigit, lowOf, lowPairs, mostOf, productColumns,
  shiftOf, sideBySide, storeSome,
} from './softmaxColumns'
import { MAGIC } from './quantize'

/** exp(-scale), by its series of a part up to 1/2. Of exp(-64) nothing is left. */
function decay(scale: f32): f64 {
  let y: f64 = min<f64>(scale, 64), squares = 0
  for (; y > 0.5; y *= 0.5) squares++
  let r: f64 = 1
  for (let i: f64 = 14; i > 0; i--) r = 1 - y / i * r
  for (; squares; squares--) r *= r
  return r
}

/** Four of them are an integer of 32 bits. */
const ONE: f64 = 536870912

/** T[255 - i] for i from 0 on. */
function makeTable(table: usize, scale: f32): void {
  const r = decay(scale)
  const four = f64x2.splat(r * r * (r * r))
  let a = f64x2.replace_lane(f64x2.splat(ONE), 1, ONE * r), b = f64x2.mul(a, f64x2.splat(r * r))
  for (let to = table + 1008; to >= table; to -= 16) {
    const low = i32x4.trunc_sat_f64x2_s_zero(f64x2.nearest(a))
    const high = i32x4.trunc_sat_f64x2_s_zero(f64x2.nearest(b))
    v128.store(to, v128.shuffle<i32>(low, high, 5, 4, 1, 0))
    a = f64x2.mul(a, four)
    b = f64x2.mul(b, four)
  }
}

/**
 * Unit: `unit` rows or columns. y may be x. scratch: table [256] | room [64] | of rows n entries of it; or
 * factors [64] | sums [16] u64 | room | n entries of 16 columns | of short rows their integers, transposed
 */
export function softmaxBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<SoftmaxBytes>(call)
  const n = args.n, inner = args.inner, table = scratch()
  const last = min(args.vectors, end * args.unit)
  const isProduct = args.scale <= 0.25
  const isKept = isProduct && n <= SOFTMAX_BYTES_KEPT && (inner > 1 || n <= SOFTMAX_BYTES_SHORT)
  if (isProduct) makeFactors(table, args.scale)
  if (inner == 1 && isKept) {
    for (let o = begin * args.unit; o < last; o += 16) sideBySide(args, o, min(16, last - o), table)
    return
  }
  // By less than 1/256 more levels were needed than a factor of 16 bits has.
  if (inner == 1 && isProduct && args.scaleY >= 0.00390625) {
    productRows(args, begin * args.unit, last, table)
    return
  }
  if (!isKept) makeTable(table, args.scale)
  for (let o = begin * args.unit; o < last; ) {
    const outer = o / inner, column = o - outer * inner
    const few = isKept && !column ? min(16, last - o) / inner : 0
    if (few > 1) {
      fewColumns(args, outer, few, table)
      o += few * inner
      continue
    }
    const width = inner == 1 ? 1 : min(min(inner - column, last - o), 16)
    const offset = <usize>(outer * n * inner + column)
    const x = args.x + offset, y = args.y + offset
    if (isKept) productColumns(args, x, y, inner, width, table)
    else if (inner > 1) columns(args, x, y, width, table)
    else rowOf(args, x, y, table)
    o += width
  }
}

/** The largest of n integers, as an unsigned one. */
function peakOf(x: usize, n: i32, flip: i32): i32 {
  const mask = i8x16.splat(<i8>flip)
  let v = v128.xor(v128.load(x), mask)
  if (n < 16) {
    const lanes = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    v = v128.and(v, i8x16.lt_s(lanes, i8x16.splat(<i8>n)))
  } else {
    const last = x + n - 16
    for (let at = x + 16; at < last; at += 16) v = i8x16.max_u(v, v128.xor(v128.load(at), mask))
    v = i8x16.max_u(v, v128.xor(v128.load(last), mask))
  }
  v = i8x16.max_u(v, v128.shuffle<i64>(v, v, 1, 1))
  v = i8x16.max_u(v, v128.shuffle<i32>(v, v, 1, 1, 1, 1))
  v = i8x16.max_u(v, v128.shuffle<i16>(v, v, 1, 1, 1, 1, 1, 1, 1, 1))
  v = i8x16.max_u(v, v128.shuffle<i8>(v, v, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1))
  return <i32>i8x16.extract_lane_u(v, 0)
}

/** A | the high and the low 14 bits of B: low bytes [16], then high bytes; B as floats [16] */
function makeFactors(table: usize, scale: f32): void {
  const r = decay(scale)
  let r16 = r
  for (let i = 0; i < 4; i++) r16 *= r16
  let a: f64 = 32767, b: f64 = 268435456
  for (let i = table; i < table + 16; i++) {
    const l = <i32>nearest(a), h = <i32>nearest(b)
    storeHalves(i, l)
    storeHalves(i + 32, h >> 14)
    storeHalves(i + 64, h & 16383)
    store<f32>(table + 96 + (i - table << 2), <f32>(b / 268435456))
    a *= r
    b *= r16
  }
}

// @ts-ignore: decorator
@inline
function storeHalves(to: usize, v: i32): void {
  store<u8>(to, <u8>v)
  store<u8>(to, <u8>(v >> 8), 16)
}

/** Sums of A[l] * B[h], by fours; where l is beyond 15 nothing. */
// @ts-ignore: decorator
@inline
function sumOf(l: v128, h: v128, a0: v128, a1: v128, b0: v128, b1: v128, c0: v128, c1: v128): v128 {
  const aLow = i8x16.swizzle(a0, l), aHigh = i8x16.swizzle(a1, l)
  const a = lowPairs(aLow, aHigh), aRest = highPairs(aLow, aHigh)
  const bLow = i8x16.swizzle(b0, h), bHigh = i8x16.swizzle(b1, h)
  const cLow = i8x16.swizzle(c0, h), cHigh = i8x16.swizzle(c1, h)
  const high = i32x4.add(
    i32x4.dot_i16x8_s(a, lowPairs(bLow, bHigh)), i32x4.dot_i16x8_s(aRest, highPairs(bLow, bHigh)),
  )
  const low = i32x4.add(
    i32x4.dot_i16x8_s(a, lowPairs(cLow, cHigh)), i32x4.dot_i16x8_s(aRest, highPairs(cLow, cHigh)),
  )
  return i32x4.add(high, i32x4.shr_u(low, 14))
}

/** Integers of 7 bits behind the point as the nearest, ties to even. */
// @ts-ignore: decorator
@inline
function wholeOf(v: v128): v128 {
  const odd = v128.and(i16x8.shr_u(v, 7), i16x8.splat(1))
  return i16x8.shr_u(i16x8.add(v, i16x8.add(odd, i16x8.splat(63))), 7)
}

// @ts-ignore: decorator
@inline
function levelsOf(signed: i32, distance: v128, a0: v128, a1: v128, f0: v128, f1: v128, zero: v128): v128 {
  const l = lowDigit(distance), h = i8x16.shr_u(distance, 4)
  const aLow = i8x16.swizzle(a0, l), aHigh = i8x16.swizzle(a1, l)
  const fLow = i8x16.swizzle(f0, h), fHigh = i8x16.swizzle(f1, h)
  const p = wholeOf(i16x8.q15mulr_sat_s(lowPairs(aLow, aHigh), lowPairs(fLow, fHigh)))
  const q = wholeOf(i16x8.q15mulr_sat_s(highPairs(aLow, aHigh), highPairs(fLow, fHigh)))
  const u = i16x8.add(p, zero), v = i16x8.add(q, zero)
  return signed ? i8x16.narrow_i16x8_s(u, v) : i8x16.narrow_i16x8_u(u, v)
}

/** B times a factor, four of them. */
// @ts-ignore: decorator
@inline
function factorsAt(table: usize, factor: v128): v128 {
  return i32x4.sub(
    f32x4.add(f32x4.mul(v128.load(table), factor), f32x4.splat(MAGIC)), i32x4.splat(reinterpret<i32>(MAGIC)),
  )
}

/** Rows by A and B. Levels have 7 bits behind the point. */
function productRows(args: SoftmaxBytes, first: i32, last: i32, table: usize): void {
  const n = args.n, flip = args.flip, whole = <usize>(n & -16)
  const signedY = args.signedY, scaleY = <f64>args.scaleY
  const a0 = v128.load(table), a1 = v128.load(table, 16)
  const b0 = v128.load(table, 32), b1 = v128.load(table, 48)
  const c0 = v128.load(table, 64), c1 = v128.load(table, 80)
  const zero = i16x8.splat(<i16>args.zeroY), left = n & 15
  const lanes = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  const beyond = i8x16.ge_s(lanes, i8x16.splat(<i8>left))
  for (let o = first; o < last; o++) {
    const x = args.x + <usize>o * n, y = args.y + <usize>o * n
    const peak = i8x16.splat(<i8>(peakOf(x, n, flip) ^ flip))
    let low = i64x2.splat(0), high = low
    for (let i: usize = 0; i < whole; i += 16) {
      const d = i8x16.sub(peak, v128.load(x + i))
      const v = sumOf(lowDigit(d), i8x16.shr_u(d, 4), a0, a1, b0, b1, c0, c1)
      low = i64x2.add(low, i64x2.extend_low_i32x4_u(v))
      high = i64x2.add(high, i64x2.extend_high_i32x4_u(v))
    }
    if (left) {
      const d = i8x16.sub(peak, v128.load(x + whole))
      const v = sumOf(v128.or(lowDigit(d), beyond), i8x16.shr_u(d, 4), a0, a1, b0, b1, c0, c1)
      low = i64x2.add(low, i64x2.extend_low_i32x4_u(v))
      high = i64x2.add(high, i64x2.extend_high_i32x4_u(v))
    }
    low = i64x2.add(low, high)
    const sum = i64x2.extract_lane(low, 0) + i64x2.extract_lane(low, 1)
    // 2^7 for a level, 2^15 for A, 2^14 for the high bits of B.
    const factor = f32x4.splat(<f32>(68719476736 / (scaleY * <f64>sum)))
    const p = i16x8.narrow_i32x4_s(factorsAt(table + 96, factor), factorsAt(table + 112, factor))
    const q = i16x8.narrow_i32x4_s(factorsAt(table + 128, factor), factorsAt(table + 144, factor))
    const f0 = v128.shuffle<i8>(p, q, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
    const f1 = v128.shuffle<i8>(p, q, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
    for (let i: usize = 0; i < whole; i += 16) {
      v128.store(y + i, levelsOf(signedY, i8x16.sub(peak, v128.load(x + i)), a0, a1, f0, f1, zero))
    }
    if (left) {
      const v = levelsOf(signedY, i8x16.sub(peak, v128.load(x + whole)), a0, a1, f0, f1, zero)
      storeSome(y + whole, v, left)
    }
  }
}

// @ts-ignore: decorator
@inline
function entryAt(origin: usize, x: usize, flip: i32): u32 {
  return load<u32>(origin + ((<i32>load<u8>(x) ^ flip) << 2))
}

function rowOf(args: SoftmaxBytes, x: usize, y: usize, table: usize): void {
  const n = args.n, flip = args.flip, entries = table + 1280
  const origin = table + (255 - peakOf(x, n, flip) << 2), whole = x + (n & -4)
  let sum: u64 = 0, to = entries, at = x
  for (; at < whole; at += 4) {
    const a = entryAt(origin, at, flip), b = entryAt(origin, at + 1, flip)
    const c = entryAt(origin, at + 2, flip), d = entryAt(origin, at + 3, flip)
    store<u32>(to, a)
    store<u32>(to, b, 4)
    store<u32>(to, c, 8)
    store<u32>(to, d, 12)
    sum += <u64>(a + b + (c + d))
    to += 16
  }
  for (; at < x + n; at++) {
    const a = entryAt(origin, at, flip)
    store<u32>(to, a)
    sum += <u64>a
    to += 4
  }
  const factor = f32x4.splat(factorOf(args, sum)), most = mostOf(args), shift = shiftOf(args)
  let e = entries
  for (let i = 0; i < n; i += 16) {
    const a = fourOf(v128.load(e), factor, most, shift), b = fourOf(v128.load(e, 16), factor, most, shift)
    const c = fourOf(v128.load(e, 32), factor, most, shift), d = fourOf(v128.load(e, 48), factor, most, shift)
    storeSome(y + i, lowOf(a, b, c, d), min(16, n - i))
    e += 64
  }
}

