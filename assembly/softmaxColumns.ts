/**
 * Softmax of 8-bit integers along columns, 16 at a time: the tables and terms of softmaxBytes.ts. Short rows
 * are transposed, 16 of them, and columns of which there are few are put side by side.
 */
import { SoftmaxBytes } from './abi'
import { MAGIC } from './quantize'
import { storeBytes } from './simd'

/** What a sum of T makes of T. Not infinite: of an entry of 0 it would make NaN. */
// @ts-ignore: decorator
@inline
export function factorOf(args: SoftmaxBytes, sum: u64): f32 {
  return <f32>min<f64>(1 / (<f64>args.scaleY * <f64>sum), 1e38)
}

/** The bounds of the nearest integers, and what is added to their bits. */
// @ts-ignore: decorator
@inline
export function mostOf(args: SoftmaxBytes): v128 {
  const high = args.signedY ? 127 : 255
  return f32x4.splat(<f32>(high - args.zeroY))
}
// @ts-ignore: decorator
@inline
export function shiftOf(args: SoftmaxBytes): v128 {
  return i32x4.splat(args.zeroY - reinterpret<i32>(MAGIC))
}

// @ts-ignore: decorator
@inline
export function fourOf(e: v128, factor: v128, most: v128, shift: v128): v128 {
  const v = f32x4.pmin(most, f32x4.mul(f32x4.convert_i32x4_s(e), factor))
  return i32x4.add(f32x4.add(v, f32x4.splat(MAGIC)), shift)
}

/** 16 integers of 32 bits, which are -128 to 255, as bytes. */
// @ts-ignore: decorator
@inline
export function lowOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const low = i16x8.narrow_i32x4_s(a, b), high = i16x8.narrow_i32x4_s(c, d)
  return v128.shuffle<i8>(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
}

/** Writes the first `count` (1 to 16) bytes of v. */
// @ts-ignore: decorator
@inline
export function storeSome(y: usize, v: v128, count: i32): void {
  if (count == 16) v128.store(y, v)
  else storeBytes(y, v, count)
}

/** The largest of 16 columns of n rows, as unsigned integers. */
// @ts-ignore: decorator
@inline
function peaks(x: usize, n: i32, stride: usize, mask: v128): v128 {
  let v = v128.xor(v128.load(x), mask)
  while (--n) v = i8x16.max_u(v, v128.xor(v128.load(x += stride), mask))
  return v
}

// @ts-ignore: decorator
@inline
export function lowPairs(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
}
// @ts-ignore: decorator
@inline
export function highPairs(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
}

// @ts-ignore: decorator
@inline
export function lowDigit(distance: v128): v128 { return v128.and(distance, i8x16.splat(15)) }

/** Up to 16 columns of A * B. */
export function productColumns(
  args: SoftmaxBytes, x: usize, y: usize, stride: usize, width: i32, table: usize,
): void {
  const n = args.n, sums = table + 256, entries = table + ENTRIES, end = x + n * stride
  const a0 = v128.load(table), a1 = v128.load(table, 16)
  const b0 = v128.load(table, 32), b1 = v128.load(table, 48)
  const c0 = v128.load(table, 64), c1 = v128.load(table, 80)
  const mask = i8x16.splat(<i8>args.flip)
  const peak = v128.xor(peaks(x, n, stride, mask), mask)
  memory.fill(sums, 0, 128)
  let s0 = i32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, to = entries, left = SUMMED
  for (let at = x; at < end; at += stride) {
    const d = i8x16.sub(peak, v128.load(at)), l = lowDigit(d), h = i8x16.shr_u(d, 4)
    const aLow = i8x16.swizzle(a0, l), aHigh = i8x16.swizzle(a1, l)
    const bLow = i8x16.swizzle(b0, h), bHigh = i8x16.swizzle(b1, h)
    const cLow = i8x16.swizzle(c0, h), cHigh = i8x16.swizzle(c1, h)
    const a = lowPairs(aLow, aHigh), b = lowPairs(bLow, bHigh), c = lowPairs(cLow, cHigh)
    const e0 = i32x4.add(i32x4.extmul_low_i16x8_s(a, b), i32x4.shr_u(i32x4.extmul_low_i16x8_s(a, c), 14))
    const e1 = i32x4.add(i32x4.extmul_high_i16x8_s(a, b), i32x4.shr_u(i32x4.extmul_high_i16x8_s(a, c), 14))
    v128.store(to, e0)
    v128.store(to, e1, 16)
    s0 = i32x4.add(s0, e0)
    s1 = i32x4.add(s1, e1)
    const p = highPairs(aLow, aHigh), q = highPairs(bLow, bHigh), r = highPairs(cLow, cHigh)
    const e2 = i32x4.add(i32x4.extmul_low_i16x8_s(p, q), i32x4.shr_u(i32x4.extmul_low_i16x8_s(p, r), 14))
    const e3 = i32x4.add(i32x4.extmul_high_i16x8_s(p, q), i32x4.shr_u(i32x4.extmul_high_i16x8_s(p, r), 14))
    v128.store(to, e2, 32)
    v128.store(to, e3, 48)
    s2 = i32x4.add(s2, e2)
    s3 = i32x4.add(s3, e3)
    to += 64
    if (--left && at + stride < end) continue
    addFour(sums, s0)
    addFour(sums + 32, s1)
    addFour(sums + 64, s2)
    addFour(sums + 96, s3)
    s0 = s1 = s2 = s3 = i32x4.splat(0)
    left = SUMMED
  }
  makeColumnFactors(args, sums)
  const f0 = v128.load(sums), f1 = v128.load(sums, 16), f2 = v128.load(sums, 32), f3 = v128.load(sums, 48)
  const most = mostOf(args), shift = shiftOf(args)
  for (let e = entries; e < to; e += 64) {
    const a = fourOf(v128.load(e), f0, most, shift), b = fourOf(v128.load(e, 16), f1, most, shift)
    const c = fourOf(v128.load(e, 32), f2, most, shift), d = fourOf(v128.load(e, 48), f3, most, shift)
    storeSome(y, lowOf(a, b, c, d), width)
    y += stride
  }
}

/** Where entries of columns begin in scratch. */
const ENTRIES: usize = 512
/** Entries, of 29 bits, whose sums have 32. */
const SUMMED: i32 = 7

/** Up to 16 short rows, as columns. */
export function sideBySide(args: SoftmaxBytes, first: i32, rows: i32, table: usize): void {
  const n = args.n, blocks = <usize>(n + 15) >> 4
  const block = table + ENTRIES + (<usize>n << 6), room = block + (blocks << 8)
  const x = args.x + <usize>first * n
  for (let i: usize = 0; i < blocks; i++) {
    interleave(x + (i << 4), n, rows - 1, room)
    transposed(room, block + (i << 8))
  }
  productColumns(args, block, block, 16, 16, table)
  for (let i: usize = 0; i < blocks; i++) {
    interleave(block + (i << 8), 16, 15, room)
    transposed(room, block + (i << 8))
  }
  let y = args.y + <usize>first * n
  for (let row: usize = 0; row < <usize>rows; row++) {
    for (let i = 0; i < n; i += 16) {
      storeSome(y + i, v128.load(block + (i << 4) + (row << 4)), min(16, n - i))
    }
    y += n
  }
}

/** All columns of `count` outer indexes, 16 at most. */
export function fewColumns(args: SoftmaxBytes, outer: i32, count: i32, table: usize): void {
  const n = args.n, inner = <usize>args.inner, size = n * inner
  const block = table + ENTRIES + (<usize>n << 6)
  const x = args.x + outer * size, y = args.y + outer * size
  for (let i = 0; i < count; i++) copyRows(x + i * size, inner, block + i * inner, 16, n, inner)
  productColumns(args, block, block, 16, 16, table)
  for (let i = 0; i < count; i++) copyRows(block + i * inner, 16, y + i * size, inner, n, inner)
}

/** A few bytes of each of `count` rows. */
function copyRows(from: usize, step: usize, to: usize, toStep: usize, count: i32, bytes: usize): void {
  for (; count > 0; count--) {
    let i: usize = 0
    for (; i + 4 <= bytes; i += 4) store<u32>(to + i, load<u32>(from + i))
    for (; i < bytes; i++) store<u8>(to + i, load<u8>(from + i))
    from += step
    to += toStep
  }
}

/** Bytes of rows i and i + 8 of 16 in turns, the last row once more where there are fewer. */
function interleave(from: usize, stride: usize, last: i32, to: usize): void {
  for (let i = 0; i < 8; i++) {
    const a = v128.load(from + min(i, last) * stride), b = v128.load(from + min(i + 8, last) * stride)
    v128.store(to, lowPairs(a, b))
    v128.store(to, highPairs(a, b), 16)
    to += 32
  }
}

/** What was interleaved once, by three times more: four times are a transpose. */
function transposed(room: usize, to: usize): void {
  interleave(room, 16, 15, to)
  interleave(to, 16, 15, room)
  interleave(room, 16, 15, to)
}

/** entries[j] of one row, where `place` has 255 less the distances to the largest of each column. */
// @ts-ignore: decorator
@inline
function gather(place: v128, width: i32, table: usize, room: usize, entries: usize): void {
  v128.store(room, place)
  if (width < 16) {
    for (let j = 0; j < width; j++) {
      store<u32>(entries + (j << 2), load<u32>(table + (<usize>load<u8>(room + j) << 2)))
    }
    return
  }
  for (let j: usize = 0; j < 16; j += 4) {
    const at = room + j, to = entries + (j << 2)
    store<u32>(to, load<u32>(table + (<usize>load<u8>(at) << 2)))
    store<u32>(to, load<u32>(table + (<usize>load<u8>(at, 1) << 2)), 4)
    store<u32>(to, load<u32>(table + (<usize>load<u8>(at, 2) << 2)), 8)
    store<u32>(to, load<u32>(table + (<usize>load<u8>(at, 3) << 2)), 12)
  }
}

/** sums += entries, of four columns. */
// @ts-ignore: decorator
@inline
function addFour(sums: usize, e: v128): void {
  v128.store(sums, i64x2.add(v128.load(sums), i64x2.extend_low_i32x4_u(e)))
  v128.store(sums, i64x2.add(v128.load(sums, 16), i64x2.extend_high_i32x4_u(e)), 16)
}

/** Of 16 sums their factors, each written over sums that have been read. */
function makeColumnFactors(args: SoftmaxBytes, sums: usize): void {
  for (let j = 0; j < 16; j++) {
    const sum = load<u64>(sums + (j << 3))
    store<f32>(sums + (j << 2), factorOf(args, max<u64>(1, sum)))
  }
}

/** Up to 16 columns. room, of 256 bytes: places [16] | entries u32 [16] | sums u64 [16], then factors [16] */
export function columns(args: SoftmaxBytes, x: usize, y: usize, width: i32, table: usize): void {
  const stride = <usize>args.inner, end = x + args.n * stride
  const room = table + 1024, entries = room + 16, sums = room + 80
  const mask = i8x16.splat(<i8>args.flip)
  const past = i8x16.add(v128.xor(peaks(x, args.n, stride, mask), mask), i8x16.splat(1))
  memory.fill(entries, 0, 192)
  for (let at = x; at < end; at += stride) {
    gather(i8x16.sub(v128.load(at), past), width, table, room, entries)
    for (let i: usize = 0; i < <usize>width * 4; i += 16) addFour(sums + 2 * i, v128.load(entries + i))
  }
  makeColumnFactors(args, sums)
  const most = mostOf(args), shift = shiftOf(args)
  for (let at = x; at < end; at += stride) {
    gather(i8x16.sub(v128.load(at), past), width, table, room, entries)
    const a = fourOf(v128.load(entries), v128.load(sums), most, shift)
    const b = fourOf(v128.load(entries, 16), v128.load(sums, 16), most, shift)
    const c = fourOf(v128.load(entries, 32), v128.load(sums, 32), most, shift)
    const d = fourOf(v128.load(entries, 48), v128.load(sums, 48), most, shift)
    storeSome(y, lowOf(a, b, c, d), width)
    y += stride
  }
}
