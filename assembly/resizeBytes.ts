/**
 * Images of 8-bit integers in another size, by the positions and weights of resize.ts. The nearest pixels are
 * moved as they are. Else rows, and then columns, are weighed in float32, multiplied and added apart, so that
 * every build gives the same bytes. Where all weights of a row and its columns are 16ths or less, as where
 * sizes are 2, 4 or 8 times others, the same sums are made in 16 bits, of which there are more at once.
 *
 *   y = round((mean - zero) * ratio) + zeroY, ties to even
 *
 * scratch: the tables of resize.ts | a row of the input as floats [iw, c] | one of the output [ow, c]; behind
 * each a vector
 */
import { scratch } from './arguments'
import { ResizeAxis, ResizeBytes, ResizeMethod } from './abi'
import { MAGIC } from './quantize'
import { fillTable, taps } from './resize'

/** Unit: `rows` output rows. */
export function resizeBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<ResizeBytes>(call)
  const ih = args.ih, oh = args.oh, unitRows = args.rows, ow = args.ow, c = args.c
  const method = args.method, isMoved = method == ResizeMethod.nearest
  const isPair = method == ResizeMethod.linear && !args.antialias
  const pixelStride: usize = isMoved ? c : c * 4
  const xRowStride = <usize>args.iw * c, yRowStride = <usize>ow * c
  const table = scratch(), entryStride = <usize>(args.taps + 1) * 16
  const row = table + ow * entryStride, wide = row + entryStride, sums = wide + xRowStride * 4 + 16
  const last = min(end * unitRows, args.n * oh)
  let before: usize = 0
  fillTable(args, axisOf(call, 1), pixelStride, table, entryStride)
  const isShort = method == ResizeMethod.linear && args.ratio == 1 && args.zero == args.zeroY
  const bits = isShort ? bitsOf(table, entryStride, ow) : NO_BITS
  for (let r = begin * unitRows; r < last; r++) {
    const y = args.y + r * yRowStride
    const count = taps(args, axisOf(call, 0), r % oh, xRowStride, row)
    const image = args.x + (r / oh) * ih * xRowStride
    if (!count) {
      fill(sums, ow * c, args.extrapolation)
      narrowRow(args, sums, y, yRowStride)
      before = 0
    } else if (isMoved) {
      const source = image + load<u32>(row, 16)
      if (source == before) memory.copy(y, y - yRowStride, yRowStride)
      else moveRow(args, source, table, entryStride, y, sums)
      before = source
    } else if (bits != NO_BITS && bitsOf(row, entryStride, 1) != NO_BITS) {
      const shift = bits + bitsOf(row, entryStride, 1)
      widenShort(image, row, wide, xRowStride, args.flip)
      weighShort(wide, table, entryStride, ow, sums, c)
      narrowShort(sums, y, yRowStride, shift, args)
    } else {
      widenRow(image, row, wide, xRowStride, args.flip)
      if (isPair) pairRow(wide, table, entryStride, ow, sums, c, args.extrapolation)
      else weightedRow(wide, table, entryStride, ow, sums, c, args.extrapolation)
      narrowRow(args, sums, y, yRowStride)
    }
  }
}

// @ts-ignore: decorator
@inline
function axisOf(call: usize, i: usize): ResizeAxis {
  return changetype<ResizeAxis>(call + offsetof<ResizeBytes>() + i * offsetof<ResizeAxis>())
}

/** `value` in every channel. */
function fill(to: usize, count: i32, value: f32): void {
  for (; count > 0; count--) {
    store<f32>(to, value)
    to += 4
  }
}

/** The nearest pixels of a row. */
function moveRow(args: ResizeBytes, x: usize, table: usize, entryStride: usize, y: usize, sums: usize): void {
  const c = <usize>args.c, rowEnd = y + args.ow * c
  for (; y < rowEnd; table += entryStride) {
    const from = x + load<u32>(table, 16)
    if (!load<i32>(table)) {
      fill(sums, args.c, args.extrapolation)
      narrowRow(args, sums, y, c)
    } else if (c == 1) store<u8>(y, load<u8>(from))
    else if (c >= 16) {
      for (let i: usize = 0; i < c; i += 16) {
        const at = min(i, c - 16)
        v128.store(y + at, v128.load(from + at))
      }
    } else if (y + 16 <= rowEnd) {
      // What is too much is written over by the next pixel.
      if (c <= 8) store<u64>(y, load<u64>(from))
      else v128.store(y, v128.load(from))
    } else for (let i: usize = 0; i < c; i++) store<u8>(y + i, load<u8>(from + i))
    y += c
  }
}

/** Eight unsigned integers, signed ones by `flip`, as 16 bits. */
// @ts-ignore: decorator
@inline
function eightAt(x: usize, flip: v128): v128 { return v128.xor(v128.load_ext<u8>(x), flip) }
// @ts-ignore: decorator
@inline
function lowFloats(v: v128): v128 { return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(v)) }
// @ts-ignore: decorator
@inline
function highFloats(v: v128): v128 { return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(v)) }

/** The weighted sum of whole rows, up to a vector beyond their end. */
function widenRow(image: usize, row: usize, to: usize, bytes: usize, flip: i32): void {
  const count = load<i32>(row), mask = i16x8.splat(<i16>flip)
  const first = image + load<u32>(row, 16)
  if (count == 1 || (count == 2 && load<u32>(row, 16) == load<u32>(row, 32))) {
    const weight = count == 1 ? load<f32>(row, 20) : load<f32>(row, 20) + load<f32>(row, 36)
    const w = f32x4.splat(weight)
    for (let i: usize = 0; i < bytes; i += 8) {
      const v = eightAt(first + i, mask)
      v128.store(to + 4 * i, f32x4.mul(lowFloats(v), w))
      v128.store(to + 4 * i, f32x4.mul(highFloats(v), w), 16)
    }
    return
  }
  const second = image + load<u32>(row, 32)
  const weight0 = v128.load32_splat(row, 20), weight1 = v128.load32_splat(row, 36)
  if (count == 4) {
    const third = image + load<u32>(row, 48), fourth = image + load<u32>(row, 64)
    const weight2 = v128.load32_splat(row, 52), weight3 = v128.load32_splat(row, 68)
    for (let i: usize = 0; i < bytes; i += 8) {
      const a = eightAt(first + i, mask), b = eightAt(second + i, mask)
      const c = eightAt(third + i, mask), d = eightAt(fourth + i, mask)
      let low = f32x4.add(f32x4.mul(lowFloats(a), weight0), f32x4.mul(lowFloats(b), weight1))
      let high = f32x4.add(f32x4.mul(highFloats(a), weight0), f32x4.mul(highFloats(b), weight1))
      low = f32x4.add(f32x4.add(low, f32x4.mul(lowFloats(c), weight2)), f32x4.mul(lowFloats(d), weight3))
      high = f32x4.add(f32x4.add(high, f32x4.mul(highFloats(c), weight2)), f32x4.mul(highFloats(d), weight3))
      v128.store(to + 4 * i, low)
      v128.store(to + 4 * i, high, 16)
    }
    return
  }
  for (let i: usize = 0; i < bytes; i += 8) {
    const v = eightAt(first + i, mask), w = eightAt(second + i, mask)
    const low = f32x4.add(f32x4.mul(lowFloats(v), weight0), f32x4.mul(lowFloats(w), weight1))
    const high = f32x4.add(f32x4.mul(highFloats(v), weight0), f32x4.mul(highFloats(w), weight1))
    v128.store(to + 4 * i, low)
    v128.store(to + 4 * i, high, 16)
  }
  for (let t = 2; t < count; t++) {
    const entry = row + <usize>(t + 1) * 16
    const from = image + load<u32>(entry), weight = v128.load32_splat(entry, 4)
    for (let i: usize = 0; i < bytes; i += 8) {
      const v = eightAt(from + i, mask), at = to + 4 * i
      v128.store(at, f32x4.add(v128.load(at), f32x4.mul(lowFloats(v), weight)))
      v128.store(at, f32x4.add(v128.load(at, 16), f32x4.mul(highFloats(v), weight)), 16)
    }
  }
}

/** Two taps along w. Lanes behind the last channel land in the next pixel, which is written after. */
function pairRow(
  x: usize, table: usize, entryStride: usize, ow: i32, to: usize, c: i32, value: f32,
): void {
  const pixelStride = <usize>c * 4
  for (; ow > 0; ow--) {
    if (!load<i32>(table)) fill(to, c, value)
    else {
      const left = x + load<u32>(table, 16), right = x + load<u32>(table, 32)
      const weightLeft = v128.load32_splat(table, 20), weightRight = v128.load32_splat(table, 36)
      for (let i: usize = 0; i < pixelStride; i += 16) {
        const a = f32x4.mul(v128.load(left + i), weightLeft)
        v128.store(to + i, f32x4.add(a, f32x4.mul(v128.load(right + i), weightRight)))
      }
    }
    to += pixelStride
    table += entryStride
  }
}

/** Any number of taps along w. */
function weightedRow(
  x: usize, table: usize, entryStride: usize, ow: i32, to: usize, c: i32, value: f32,
): void {
  const pixelStride = <usize>c * 4
  for (; ow > 0; ow--) {
    const count = load<i32>(table)
    if (!count) fill(to, c, value)
    else if (count == 4) {
      const first = x + load<u32>(table, 16), second = x + load<u32>(table, 32)
      const third = x + load<u32>(table, 48), fourth = x + load<u32>(table, 64)
      const weight0 = v128.load32_splat(table, 20), weight1 = v128.load32_splat(table, 36)
      const weight2 = v128.load32_splat(table, 52), weight3 = v128.load32_splat(table, 68)
      for (let i: usize = 0; i < pixelStride; i += 16) {
        const sum = f32x4.add(
          f32x4.mul(v128.load(first + i), weight0), f32x4.mul(v128.load(second + i), weight1),
        )
        const more = f32x4.add(sum, f32x4.mul(v128.load(third + i), weight2))
        v128.store(to + i, f32x4.add(more, f32x4.mul(v128.load(fourth + i), weight3)))
      }
    } else {
      for (let i: usize = 0; i < pixelStride; i += 16) {
        let sum = f32x4.mul(v128.load(x + load<u32>(table, 16) + i), v128.load32_splat(table, 20))
        for (let t = 2; t <= count; t++) {
          const entry = table + <usize>t * 16
          sum = f32x4.add(sum, f32x4.mul(v128.load(x + load<u32>(entry) + i), v128.load32_splat(entry, 4)))
        }
        v128.store(to + i, sum)
      }
    }
    to += pixelStride
    table += entryStride
  }
}

/** Weights that are no 16ths. */
const NO_BITS: i32 = 5

/**
 * The bits behind the point that all weights of `count` outputs have, 1 to 4, else NO_BITS. Weights as such
 * integers are written behind them.
 */
function bitsOf(entries: usize, entryStride: usize, count: i32): i32 {
  let bits = 1
  for (let o = 0; o < count; o++) {
    const first = entries + o * entryStride, taps = load<i32>(first)
    if (!taps) return NO_BITS
    for (let t = 1; t <= taps; t++) {
      const weight = load<f32>(first + t * 16, 4)
      while (nearest(weight * <f32>(1 << bits)) != weight * <f32>(1 << bits)) {
        if (++bits == NO_BITS) return NO_BITS
      }
    }
  }
  for (let o = 0; o < count; o++) {
    const first = entries + o * entryStride, end = first + load<i32>(first) * 16
    for (let entry = first + 16; entry <= end; entry += 16) {
      store<i32>(entry, <i32>(load<f32>(entry, 4) * <f32>(1 << bits)), 8)
    }
  }
  return bits
}

/** The weighted sum of whole rows in 16 bits. */
function widenShort(image: usize, row: usize, to: usize, bytes: usize, flip: i32): void {
  const count = load<i32>(row), mask = i16x8.splat(<i16>flip)
  const first = image + load<u32>(row, 16), second = count > 1 ? image + load<u32>(row, 32) : first
  const weight0 = v128.load16_splat(row, 24)
  const weight1 = count > 1 ? v128.load16_splat(row, 40) : i16x8.splat(0)
  for (let i: usize = 0; i < bytes; i += 8) {
    const v = eightAt(first + i, mask), w = eightAt(second + i, mask)
    v128.store(to + 2 * i, i16x8.add(i16x8.mul(v, weight0), i16x8.mul(w, weight1)))
  }
  for (let t = 3; t <= count; t++) {
    const entry = row + <usize>t * 16
    const from = image + load<u32>(entry), weight = v128.load16_splat(entry, 8)
    for (let i: usize = 0; i < bytes; i += 8) {
      const sum = v128.load(to + 2 * i)
      v128.store(to + 2 * i, i16x8.add(sum, i16x8.mul(eightAt(from + i, mask), weight)))
    }
  }
}

/** The taps along w. Lanes behind the last channel land in the next pixel, which is written after. */
function weighShort(x: usize, table: usize, entryStride: usize, ow: i32, to: usize, c: i32): void {
  const pixelStride = <usize>c * 2
  for (; ow > 0; ow--) {
    // Offsets are those of floats.
    const left = x + (load<u32>(table, 16) >> 1), weightLeft = v128.load16_splat(table, 24)
    const count = load<i32>(table)
    if (count == 2) {
      const right = x + (load<u32>(table, 32) >> 1), weightRight = v128.load16_splat(table, 40)
      for (let i: usize = 0; i < pixelStride; i += 16) {
        const a = i16x8.mul(v128.load(left + i), weightLeft)
        v128.store(to + i, i16x8.add(a, i16x8.mul(v128.load(right + i), weightRight)))
      }
    } else {
      for (let i: usize = 0; i < pixelStride; i += 16) {
        let sum = i16x8.mul(v128.load(left + i), weightLeft)
        for (let t = 2; t <= count; t++) {
          const entry = table + <usize>t * 16
          const v = v128.load(x + (load<u32>(entry) >> 1) + i)
          sum = i16x8.add(sum, i16x8.mul(v, v128.load16_splat(entry, 8)))
        }
        v128.store(to + i, sum)
      }
    }
    to += pixelStride
    table += entryStride
  }
}

/** Sums with `shift` bits behind the point as the nearest integers, of two the one that is even less zero. */
// @ts-ignore: decorator
@inline
function wholeOf(v: v128, shift: i32, zero: v128, half: v128): v128 {
  const odd = v128.and(i16x8.add(i16x8.shr_u(v, shift), zero), i16x8.splat(1))
  return i16x8.shr_u(i16x8.add(i16x8.add(v, half), odd), shift)
}

function narrowShort(from: usize, y: usize, count: usize, shift: i32, args: ResizeBytes): void {
  const zero = i16x8.splat(<i16>args.zero), flip = i8x16.splat(<i8>args.flip)
  const below: i32 = (1 << (shift - 1)) - 1, half = i16x8.splat(<i16>below)
  for (; count >= 16; count -= 16) {
    const low = wholeOf(v128.load(from), shift, zero, half)
    const high = wholeOf(v128.load(from, 16), shift, zero, half)
    v128.store(y, v128.xor(i8x16.narrow_i16x8_u(low, high), flip))
    from += 32
    y += 16
  }
  if (!count) return
  const low = wholeOf(v128.load(from), shift, zero, half)
  const high = wholeOf(v128.load(from, 16), shift, zero, half)
  // Over sums that have been read.
  v128.store(from, v128.xor(i8x16.narrow_i16x8_u(low, high), flip))
  memory.copy(y, from, count)
}

/** Beyond it no type has an integer, whatever its zero point is. */
const FAR: f32 = 1024

/** Four means as integers of any size; where `plain`, `zero` is MAGIC less that of x. */
// @ts-ignore: decorator
@inline
function fourOf(plain: bool, v: v128, zero: v128, ratio: v128, shift: v128): v128 {
  if (plain) return i32x4.add(f32x4.add(v, zero), shift)
  const scaled = f32x4.mul(f32x4.sub(v, zero), ratio)
  const bounded = f32x4.pmin(f32x4.splat(FAR), f32x4.pmax(f32x4.splat(-FAR), scaled))
  return i32x4.add(f32x4.add(bounded, f32x4.splat(MAGIC)), shift)
}

// @ts-ignore: decorator
@inline
function sixteenOf(plain: bool, from: usize, zero: v128, ratio: v128, shift: v128, flip: v128): v128 {
  const a = fourOf(plain, v128.load(from), zero, ratio, shift)
  const b = fourOf(plain, v128.load(from, 16), zero, ratio, shift)
  const c = fourOf(plain, v128.load(from, 32), zero, ratio, shift)
  const d = fourOf(plain, v128.load(from, 48), zero, ratio, shift)
  return v128.xor(i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)), flip)
}

// @ts-ignore: decorator
@inline
function narrowRun(plain: bool, args: ResizeBytes, from: usize, y: usize, count: usize): void {
  const zero = f32x4.splat(plain ? MAGIC - <f32>args.zero : <f32>args.zero), ratio = f32x4.splat(args.ratio)
  const shift = i32x4.splat(args.zeroY - reinterpret<i32>(MAGIC)), flip = i8x16.splat(<i8>args.flip)
  for (; count >= 16; count -= 16) {
    v128.store(y, sixteenOf(plain, from, zero, ratio, shift, flip))
    from += 64
    y += 16
  }
  if (!count) return
  // Over floats that have been read.
  v128.store(from, sixteenOf(plain, from, zero, ratio, shift, flip))
  memory.copy(y, from, count)
}

/** A row of means as bytes. */
function narrowRow(args: ResizeBytes, from: usize, y: usize, count: usize): void {
  if (args.ratio == 1) narrowRun(true, args, from, y, count)
  else narrowRun(false, args, from, y, count)
}
