/**
 * Pictures of bytes in another size: sums of taps down the columns, to 16-bit integers of 1 / 64 levels, and
 * then along the rows. Weights are 16-bit integers of 1 / 2^14.
 *
 * Along the rows four elements are worked on at once, a quad: the channels of an RGBA pixel, or four rows of
 * one channel, side by side. So a pixel is one quad of RGBA, and else as many as it has channels.
 */
import { scratch } from '../arguments'
import { Resample } from '../abi'

/** Bits behind the point of weights, and of sums down the columns. */
const WEIGHT: i32 = 14, FRACTION: i32 = 6

/** y[i] = sum over taps of x[tap][i] * weight, in 1 / 64, for `count` bytes; taps by their addresses. */
function sumDown(y: usize, taps: usize, weights: usize, pairs: i32, count: i32): void {
  const half = i32x4.splat(1 << (WEIGHT - FRACTION - 1))
  const end = taps + (pairs << 3)
  for (let at = 0; at < count; at += 16) {
    let s0 = half, s1 = half, s2 = half, s3 = half
    let weight = weights
    for (let tap = taps; tap < end; tap += 8) {
      const a = v128.load(load<usize>(tap) + at), b = v128.load(load<usize>(tap, 4) + at)
      const w = v128.load32_splat(weight)
      const low = v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
      const high = v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(low), w))
      s1 = i32x4.add(s1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(low), w))
      s2 = i32x4.add(s2, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(high), w))
      s3 = i32x4.add(s3, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(high), w))
      weight += 4
    }
    const shift = WEIGHT - FRACTION
    v128.store(y, i16x8.narrow_i32x4_s(i32x4.shr_s(s0, shift), i32x4.shr_s(s1, shift)))
    v128.store(y, i16x8.narrow_i32x4_s(i32x4.shr_s(s2, shift), i32x4.shr_s(s3, shift)), 16)
    y += 32
  }
}

/** Four rows of 16-bit integers, `stride` bytes apart, to quads of them. */
function toQuads(quads: usize, rows: usize, stride: usize, count: i32): void {
  const r2 = rows + 2 * stride
  for (let at: usize = 0, last: usize = count << 1; at < last; at += 16) {
    const a = v128.load(rows + at), b = v128.load(rows + stride + at)
    const c = v128.load(r2 + at), d = v128.load(r2 + stride + at)
    const ab = v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
    const cd = v128.shuffle<i16>(c, d, 0, 8, 1, 9, 2, 10, 3, 11)
    const ba = v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
    const dc = v128.shuffle<i16>(c, d, 4, 12, 5, 13, 6, 14, 7, 15)
    v128.store(quads, v128.shuffle<i32>(ab, cd, 0, 4, 1, 5))
    v128.store(quads, v128.shuffle<i32>(ab, cd, 2, 6, 3, 7), 16)
    v128.store(quads, v128.shuffle<i32>(ba, dc, 0, 4, 1, 5), 32)
    v128.store(quads, v128.shuffle<i32>(ba, dc, 2, 6, 3, 7), 48)
    quads += 64
  }
}

/** Quads of bytes to four rows, or fewer. */
function fromQuads(y: usize, stride: usize, quads: usize, count: i32, rows: i32): void {
  let at: usize = 0
  const last: usize = count & ~3
  const y1 = y + stride, y2 = y1 + stride, y3 = y2 + stride
  for (; at < last; at += 4) {
    const four = v128.load(quads + (at << 2))
    const turned = v128.shuffle<i8>(four, four, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
    v128.store32_lane(y + at, turned, 0)
    if (rows > 1) v128.store32_lane(y1 + at, turned, 1)
    if (rows > 2) v128.store32_lane(y2 + at, turned, 2)
    if (rows > 3) v128.store32_lane(y3 + at, turned, 3)
  }
  for (; at < <usize>count; at++) {
    for (let row = 0; row < rows; row++) store<u8>(y + row * stride + at, load<u8>(quads + (at << 2) + row))
  }
}

/** The sum of an output's two taps, to be rounded by a shift. */
// @ts-ignore: decorator
@inline
function pairOf(quads: usize, column: usize, weights: usize, at: usize): v128 {
  const two = v128.load(quads + (load<i32>(column + at) << 3))
  return i32x4.add(
    i32x4.splat(1 << (WEIGHT + FRACTION - 1)),
    i32x4.dot_i16x8_s(v128.shuffle<i16>(two, two, 0, 4, 1, 5, 2, 6, 3, 7), v128.load32_splat(weights + at)),
  )
}

/** Quads of 16-bit integers in 1 / 64, `size` of each pixel, to quads of bytes of output pixels. */
function sumAcross(y: usize, quads: usize, args: Resample, size: usize): void {
  const shift = WEIGHT + FRACTION, half = i32x4.splat(1 << (shift - 1))
  const pixel = size << 3, pairs = args.pairsAcross
  let weights = args.across
  let column = args.columns
  const end = column + (args.ow << 2)
  // Two taps of one quad: four outputs at a time.
  if (pairs == 1 && size == 1) {
    for (; column + 16 <= end; column += 16) {
      const s0 = pairOf(quads, column, weights, 0), s1 = pairOf(quads, column, weights, 4)
      const s2 = pairOf(quads, column, weights, 8), s3 = pairOf(quads, column, weights, 12)
      const low = i16x8.narrow_i32x4_s(i32x4.shr_s(s0, shift), i32x4.shr_s(s1, shift))
      const high = i16x8.narrow_i32x4_s(i32x4.shr_s(s2, shift), i32x4.shr_s(s3, shift))
      v128.store(y, i8x16.narrow_i16x8_u(low, high))
      weights += 16
      y += 16
    }
  }
  for (; column < end; column += 4) {
    const first = quads + load<i32>(column) * pixel
    const next = weights + (pairs << 2)
    for (let k: usize = 0; k < pixel; k += 8) {
      let sum = half, at = first + k
      for (let weight = weights; weight < next; weight += 4) {
        const two = v128.load64_lane(at + pixel, v128.load64_zero(at), 1)
        sum = i32x4.add(sum, i32x4.dot_i16x8_s(
          v128.shuffle<i16>(two, two, 0, 4, 1, 5, 2, 6, 3, 7), v128.load32_splat(weight),
        ))
        at += 2 * pixel
      }
      const whole = i16x8.narrow_i32x4_s(i32x4.shr_s(sum, shift), sum)
      v128.store32_lane(y, i8x16.narrow_i16x8_u(whole, whole), 0)
      y += 4
    }
    weights = next
  }
}

/**
 * Unit: one output row.
 *
 * scratch: addresses of taps | four planes of sums down the columns | quads of them, and a few more | quads
 * of bytes
 */
export function resample(call: usize, begin: i32, end: i32): void {
  const args = changetype<Resample>(call)
  const c = args.c, count = args.w * c, pairs = args.pairsDown
  const x = args.x, last = args.h - 1
  const single = c == 4, size = single ? 1 : c
  const taps = scratch(), planes = taps + ((pairs << 3) + 15 & ~15)
  const stride: usize = (count << 1) + 32 & ~15
  const quads = planes + (single ? 1 : 4) * stride
  const bytes = quads + (single ? 0 : (count << 3) + 64) + (args.pairsAcross << 4) * size
  const rowBytes = args.ow * c
  const group = single ? 1 : 4
  for (let u = begin; u < end; u += group) {
    const many = min(group, end - u)
    for (let i = 0; i < many; i++) {
      const first = load<i32>(args.rows + (u + i) * 4)
      for (let tap = 0; tap < 2 * pairs; tap++) {
        store<usize>(taps + tap * 4, x + min(first + tap, last) * count)
      }
      sumDown(planes + i * stride, taps, args.down + (u + i) * pairs * 4, pairs, count)
    }
    const y = args.y + u * rowBytes
    if (single) {
      sumAcross(y, planes, args, 1)
      continue
    }
    toQuads(quads, planes, stride, count)
    sumAcross(bytes, quads, args, size)
    fromQuads(y, rowBytes, bytes, rowBytes, many)
  }
}

/** Unit: one output row. The pixel at each output's row and column. */
export function resampleNearest(call: usize, begin: i32, end: i32): void {
  const args = changetype<Resample>(call)
  const c = args.c, rowBytes = args.ow * c
  const last = args.columns + (args.ow << 2)
  let y = args.y + begin * rowBytes
  for (let u = begin; u < end; u++) {
    const row = load<i32>(args.rows + u * 4)
    if (u > begin && load<i32>(args.rows + u * 4 - 4) == row) {
      memory.copy(y, y - rowBytes, rowBytes)
      y += rowBytes
      continue
    }
    const x = args.x + row * args.w * c
    if (c == 4) {
      for (let column = args.columns; column < last; column += 4) {
        store<i32>(y, load<i32>(x + (load<i32>(column) << 2)))
        y += 4
      }
    } else if (c == 1) {
      for (let column = args.columns; column < last; column += 4) {
        store<u8>(y++, load<u8>(x + load<i32>(column)))
      }
    } else {
      for (let column = args.columns; column < last; column += 4) {
        const from = x + load<i32>(column) * 3
        store<u16>(y, load<u16>(from))
        store<u8>(y, load<u8>(from, 2), 2)
        y += 3
      }
    }
  }
}
