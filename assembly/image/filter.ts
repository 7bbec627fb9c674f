/**
 * Images: bytes to floats and back, and filters whose output has the size of their input.
 *
 * Filters read rows by address, from a table that goes on above and below the image; the columns that go on
 * to the left and right are copied from a list. So no kernel knows what a border is. A row is w * c floats
 * and its next pixel is c floats away: four neighbouring floats are one vector, whatever c is.
 *
 * Many filters go down the columns first and then across what that gave. Going on to the left and right
 * commutes with going down, so it is done in between, to a plane:
 *
 *   plane: left * c floats | w * c floats | (kw - 1 - left) * c floats | 8 floats
 *
 * Vectors at the end of a row read up to 12 bytes beyond it; what those lanes give is never stored in a
 * tensor. Letters: n h w c image, kh kw window.
 */
import { scratch } from '../arguments'
import { Filter, FromBytes, ToBytes } from '../abi'
import { madd, storePart } from '../simd'

/** Writes v, or its first lanes where fewer than four are left. */
// @ts-ignore: decorator
@inline
function put(to: usize, v: v128, left: i32): void {
  if (left < 4) storePart(to, v, left)
  else v128.store(to, v)
}

/**
 * Unit: one row of w pixels. RGBA bytes -> 1 (gray), 3 or 4 floats of each pixel: byte * scale + shift.
 * Packed: a byte for each float.
 */
export function fromBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<FromBytes>(call)
  const c = args.c, packed = args.packed
  const first = begin * args.w, pixels = end * args.w - first
  let from = args.bytes + first * (packed ? c : 4)
  let to = args.y + first * c * 4
  if (c == 1 && !packed) {
    const shift = f32x4.splat(args.shiftR)
    const red = f32x4.splat(args.scaleR), green = f32x4.splat(args.scaleG), blue = f32x4.splat(args.scaleB)
    const byte = i32x4.splat(255)
    for (let left = pixels; left > 0; left -= 4) {
      const four = v128.load(from)
      const r = f32x4.convert_i32x4_s(v128.and(four, byte))
      const g = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(four, 8), byte))
      const b = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(four, 16), byte))
      put(to, madd(b, blue, madd(g, green, madd(r, red, shift))), left)
      from += 16
      to += 16
    }
    return
  }
  const scale = v128.load(call, offsetof<FromBytes>('scaleR')), shift = v128.load(call, offsetof<FromBytes>('shiftR'))
  const step = packed ? 4 : c
  let left = pixels * c
  if (packed) {
    for (; left >= 16; left -= 16) {
      const bytes = v128.load(from)
      const low = i16x8.extend_low_i8x16_u(bytes), high = i16x8.extend_high_i8x16_u(bytes)
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), scale))
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), scale), 16)
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), scale), 32)
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), scale), 48)
      from += 16
      to += 64
    }
  }
  // A fourth float where there are three is overwritten by the next pixel.
  for (; left > 0; left -= step) {
    put(to, madd(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(from)))), scale, shift), left)
    from += 4
    to += step * 4
  }
}

/**
 * x * 255 as integers from 0 to 255, rounded to the nearest (ties to even, as Uint8ClampedArray does, by
 * adding 1.5 * 2^23), NaN to 0.
 */
// @ts-ignore: decorator
@inline
function scaled(x: v128): v128 {
  const within = f32x4.pmin(f32x4.splat(255), f32x4.pmax(f32x4.splat(0), f32x4.mul(x, f32x4.splat(255))))
  return v128.and(f32x4.add(within, f32x4.splat(12582912)), i32x4.splat(255))
}

/** Sixteen floats, each `pixel` bytes after the one four before, as bytes. */
// @ts-ignore: decorator
@inline
function bytesOf(from: usize, pixel: usize): v128 {
  const two = i16x8.narrow_i32x4_s(scaled(v128.load(from)), scaled(v128.load(from + pixel)))
  return i8x16.narrow_i16x8_u(two, i16x8.narrow_i32x4_s(scaled(v128.load(from + 2 * pixel)), scaled(v128.load(from + 3 * pixel))))
}

/**
 * Unit: one row of w pixels. 1 (gray), 3 or 4 floats of each pixel -> RGBA bytes: round(x * 255) within 0 to
 * 255. Packed: a byte for each float.
 */
export function toBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<ToBytes>(call)
  const c = args.c, packed = args.packed
  const first = begin * args.w, pixels = end * args.w - first
  let from = args.x + first * c * 4
  let to = args.bytes + first * (packed ? c : 4)
  if (c == 1 && !packed) {
    const repeat = i32x4.splat(0x010101), opaque = i32x4.splat(0xff000000)
    for (let left = pixels; left > 0; left -= 4) {
      put(to, v128.or(i32x4.mul(scaled(v128.load(from)), repeat), opaque), left)
      from += 16
      to += 16
    }
    return
  }
  let alpha = args.alpha
  if (alpha) alpha += first * 4
  const pixel: usize = packed ? 16 : c * 4
  const colours = i32x4.splat(pixel == 16 ? -1 : 0xffffff)
  let left = packed ? pixels * c >> 2 : pixels
  for (; left > 0; left -= 4) {
    put(to, v128.bitselect(bytesOf(from, pixel), alpha ? v128.load(alpha) : i32x4.splat(-1), colours), left)
    from += 4 * pixel
    to += 16
    if (alpha) alpha += 16
  }
  if (!packed) return
  // Up to three bytes are left of whole fours.
  from += left * 16
  to += left * 4
  for (left = pixels * c & 3; left > 0; left--) {
    store<u8>(to++, i32x4.extract_lane(scaled(v128.load32_splat(from)), 0))
    from += 4
  }
}

/** Bytes from one plane to the next. */
// @ts-ignore: decorator
@inline
function planeStride(args: Filter): usize {
  return ((args.w + args.kw - 1) * args.c + 8) * 4
}

/** The first row, by its place in the table, that unit u sees. */
// @ts-ignore: decorator
@inline
function firstRow(args: Filter, u: i32): i32 {
  return u + u / args.h * (args.kh - 1)
}

/** Fills a plane's columns to the left and right of the image from those within. */
function extend(args: Filter, plane: usize, pixel: usize): void {
  const sides = args.sides
  const left = args.left, count = args.kw - 1, w = args.w
  for (let i = 0; i < count; i++) {
    const column = load<i32>(sides + i * 4)
    const from = plane + (left + column) * pixel, to = plane + (i < left ? i : i + w) * pixel
    for (let k: usize = 0; k < pixel; k += 4) store<i32>(to + k, column < 0 ? 0 : load<i32>(from + k))
  }
}

/** A tap's value is a float at each place. */
@final
class Floats {
  @inline add(tap: v128, weight: v128, sum: v128): v128 {
    return madd(tap, weight, sum)
  }
}

/** Two taps in one: a pair of 16-bit integers at each place, and for weight. */
@final
class Pairs {
  @inline add(tap: v128, weight: v128, sum: v128): v128 {
    return i32x4.add(sum, i32x4.dot_i16x8_s(tap, weight))
  }
}

/**
 * y[i] = sum over t < length of weights[t] * taps[t][i], for i in [first, count); `taps` points at addresses.
 * What all linear filters come down to.
 */
function weigh<T>(y: usize, first: i32, count: i32, taps: usize, weights: usize, length: usize): void {
  let at = <usize>first << 2
  const end = length << 2
  for (count -= first; count >= 24; count -= 24) {
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0
    for (let t: usize = 0; t < end; t += 4) {
      const tap = load<usize>(taps + t) + at
      const weight = v128.load32_splat(weights + t)
      s0 = changetype<T>(0).add(v128.load(tap), weight, s0)
      s1 = changetype<T>(0).add(v128.load(tap, 16), weight, s1)
      s2 = changetype<T>(0).add(v128.load(tap, 32), weight, s2)
      s3 = changetype<T>(0).add(v128.load(tap, 48), weight, s3)
      s4 = changetype<T>(0).add(v128.load(tap, 64), weight, s4)
      s5 = changetype<T>(0).add(v128.load(tap, 80), weight, s5)
    }
    v128.store(y + at, s0)
    v128.store(y + at, s1, 16)
    v128.store(y + at, s2, 32)
    v128.store(y + at, s3, 48)
    v128.store(y + at, s4, 64)
    v128.store(y + at, s5, 80)
    at += 96
  }
  for (; count > 0; count -= 4) {
    let s = f32x4.splat(0)
    for (let t: usize = 0; t < end; t += 4) s = changetype<T>(0).add(v128.load(load<usize>(taps + t) + at), v128.load32_splat(weights + t), s)
    put(y + at, s, count)
    at += 16
  }
}

/**
 * Two rows at once: y from taps [0, end), z from taps [start, last), where tap t has weights[t] for y and
 * others[t] for z, all of them bytes from the first. Each is the same sum, in the same order, as `weigh`
 * gives.
 */
function weighTwo<T>(
  y: usize, z: usize, count: i32, taps: usize, weights: usize, others: usize, start: usize, end: usize, last:
  usize,
): void {
  let at: usize = 0, first = 0
  for (; first + 16 <= count; first += 16) {
    let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0, z0 = y0, z1 = y0, z2 = y0, z3 = y0
    let t: usize = 0
    for (; t < start; t += 4) {
      const tap = load<usize>(taps + t) + at
      const weight = v128.load32_splat(weights + t)
      y0 = changetype<T>(0).add(v128.load(tap), weight, y0)
      y1 = changetype<T>(0).add(v128.load(tap, 16), weight, y1)
      y2 = changetype<T>(0).add(v128.load(tap, 32), weight, y2)
      y3 = changetype<T>(0).add(v128.load(tap, 48), weight, y3)
    }
    for (; t < end; t += 4) {
      const tap = load<usize>(taps + t) + at
      const weight = v128.load32_splat(weights + t), other = v128.load32_splat(others + t)
      const v0 = v128.load(tap), v1 = v128.load(tap, 16), v2 = v128.load(tap, 32), v3 = v128.load(tap, 48)
      y0 = changetype<T>(0).add(v0, weight, y0)
      z0 = changetype<T>(0).add(v0, other, z0)
      y1 = changetype<T>(0).add(v1, weight, y1)
      z1 = changetype<T>(0).add(v1, other, z1)
      y2 = changetype<T>(0).add(v2, weight, y2)
      z2 = changetype<T>(0).add(v2, other, z2)
      y3 = changetype<T>(0).add(v3, weight, y3)
      z3 = changetype<T>(0).add(v3, other, z3)
    }
    for (; t < last; t += 4) {
      const tap = load<usize>(taps + t) + at
      const weight = v128.load32_splat(others + t)
      z0 = changetype<T>(0).add(v128.load(tap), weight, z0)
      z1 = changetype<T>(0).add(v128.load(tap, 16), weight, z1)
      z2 = changetype<T>(0).add(v128.load(tap, 32), weight, z2)
      z3 = changetype<T>(0).add(v128.load(tap, 48), weight, z3)
    }
    v128.store(y + at, y0)
    v128.store(y + at, y1, 16)
    v128.store(y + at, y2, 32)
    v128.store(y + at, y3, 48)
    v128.store(z + at, z0)
    v128.store(z + at, z1, 16)
    v128.store(z + at, z2, 32)
    v128.store(z + at, z3, 48)
    at += 64
  }
  weigh<T>(y, first, count, taps, weights, end >> 2)
  weigh<T>(z, first, count, taps + start, others + start, (last - start) >> 2)
}

/**
 * Unit: one output row. Correlation with kh x kw weights: y[oy][ox] = sum over ky, kx of weights[ky][kx] *
 * x[oy + ky - top][ox + kx - left]; or with kh weights down the columns and then kw along the rows, and then
 * a blend with the image where asked for.
 *
 * scratch: kh + 1 planes, taking turns, so that a row is copied once for all that see it, or two of what came
 * of columns | addresses of the taps
 */
export function filterWindow(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  const h = args.h, kh = args.kh, kw = args.kw
  const pixel: usize = args.c * 4
  const count = args.w * args.c
  const left = args.left * pixel
  const stride = planeStride(args)
  const rows = args.rows, weights = args.weights, across = args.across
  const turns = across ? 2 : kh + 1, wide = across ? 1 : kw
  const planes = scratch(), inside = planes + left, taps = planes + turns * stride
  let y = args.y + begin * count * 4
  let copied = 0
  for (let u = begin; u < end; u++) {
    const two = u + 1 < end && (u + 1) % h != 0
    const first = firstRow(args, u)
    let seen = rows + first * 4
    const middle = seen + args.top * 4
    if (!across) {
      for (copied = max(copied, first); copied < first + kh + i32(two); copied++) {
        const plane = planes + copied % turns * stride
        memory.copy(plane + left, load<usize>(rows + copied * 4), count * 4)
        extend(args, plane, pixel)
      }
      seen = taps
      let tap = taps
      for (let row = first; row < copied; row++) tap = windowTaps(tap, planes + row % turns * stride, kw, pixel)
    }
    const to = across ? inside : y, next: usize = across ? stride : count * 4
    if (two) weighTwo<Floats>(to, to + next, count, seen, weights, weights - wide * 4, wide << 2, kh * wide << 2, (kh + 1) * wide << 2)
    else weigh<Floats>(to, 0, count, seen, weights, kh * wide)
    for (let i = 0; i <= i32(two); i++) {
      if (across) {
        const plane = planes + i * stride
        extend(args, plane, pixel)
        windowTaps(taps, plane, kw, pixel)
        weigh<Floats>(y, 0, count, taps, across, kw)
        if (args.blend) blend(args, load<usize>(middle + i * 4), y, count)
      }
      y += count * 4
    }
    if (two) u++
  }
}

/** Notes where a row's taps are, `step` bytes apart. */
function windowTaps(taps: usize, row: usize, count: i32, step: usize): usize {
  for (; count > 0; count--) {
    store<usize>(taps, row)
    taps += 4
    row += step
  }
  return taps
}

/** y = keep * x + gain * y; x itself where |x - y| < threshold. */
function blend(args: Filter, x: usize, y: usize, count: i32): void {
  const keep = f32x4.splat(args.keep), gain = f32x4.splat(args.gain), threshold = f32x4.splat(args.threshold)
  for (; count > 0; count -= 4) {
    const from = v128.load(x), filtered = v128.load(y)
    const mixed = madd(from, keep, f32x4.mul(filtered, gain))
    put(y, v128.bitselect(from, mixed, f32x4.lt(f32x4.abs(f32x4.sub(from, filtered)), threshold)), count)
    x += 16
    y += 16
  }
}

/** Two rows of bytes as pairs of 16-bit integers. */
function pairRows(pairs: usize, a: usize, b: usize, count: i32): void {
  for (; count > 0; count -= 8) {
    const zipped = v128.shuffle<i8>(v128.load64_zero(a), v128.load64_zero(b), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
    v128.store(pairs, i16x8.extend_low_i8x16_u(zipped))
    v128.store(pairs, i16x8.extend_high_i8x16_u(zipped), 16)
    a += 8
    b += 8
    pairs += 32
  }
}

/** v / 2^shift, rounded. */
// @ts-ignore: decorator
@inline
function rounded(at: usize, half: v128, shift: i32): v128 {
  return i32x4.shr_s(i32x4.add(v128.load(at), half), shift)
}

/** Sums, rounded, to pairs of each and the one of the next pixel. */
function pairColumns(sums: usize, pixel: usize, count: i32, shift: i32): void {
  const half = i32x4.splat(1 << shift >> 1)
  for (; count > 0; count -= 4) {
    const next = i32x4.shl(rounded(sums + pixel, half, shift), 16)
    v128.store(sums, v128.shuffle<i16>(rounded(sums, half, shift), next, 0, 9, 2, 11, 4, 13, 6, 15))
    sums += 16
  }
}

/** Sums, rounded, as bytes; every fourth from `alpha` where there is one. */
function storeBytes(y: usize, sums: usize, alpha: usize, count: i32, shift: i32): void {
  const half = i32x4.splat(1 << shift >> 1), colours = i32x4.splat(alpha ? 0xffffff : -1)
  for (; count > 0; count -= 16) {
    const low = i16x8.narrow_i32x4_s(rounded(sums, half, shift), rounded(sums + 16, half, shift))
    const high = i16x8.narrow_i32x4_s(rounded(sums + 32, half, shift), rounded(sums + 48, half, shift))
    const bytes = v128.bitselect(i8x16.narrow_i16x8_u(low, high), v128.load(alpha), colours)
    if (count < 16) {
      v128.store(sums, bytes)
      memory.copy(y, sums, count)
    } else v128.store(y, bytes)
    sums += 64
    y += 16
    if (alpha) alpha += 16
  }
}

/**
 * Unit: one output row of bytes. As filterWindow, with weights that are 16-bit integers: sums are divided by
 * 2^shift, those along the rows by 2^shiftAcross. Of red, green, blue and alpha, alpha stays.
 *
 * Rows stand in pairs, from the first on. Two output rows see the same pairs with weights of their own, which
 * begin and end with zeros where the rows are not theirs.
 *
 * scratch: kh / 2 + 1 planes of pairs, taking turns | two planes of sums | addresses of the taps
 */
export function filterBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  const kh = args.kh, kw = args.kw, c = args.c
  const pixel: usize = c * 4
  const count = args.w * c
  const stride = planeStride(args)
  const turns = (kh >> 1) + 1
  const planes = scratch(), sums = planes + turns * stride, taps = sums + 2 * stride
  const rows = args.rows, weights = args.weights, across = args.across
  const left = args.left * pixel, lastRow = args.h + kh - 2
  const wide = across ? 1 : kw, length = turns * wide, pairs = (kw + 1) >> 1
  let y = args.y + begin * count
  let paired = begin
  for (let u = begin; u < end; u += 2) {
    for (; paired < u + 2 * turns; paired += 2) {
      const plane = planes + (paired >> 1) % turns * stride
      pairRows(across ? plane : plane + left, load<usize>(rows + min(paired, lastRow) * 4), load<usize>(rows + min(paired + 1, lastRow) * 4), count)
      if (!across) extend(args, plane, pixel)
    }
    let tap = taps
    for (let pair = paired - 2 * turns; pair < paired; pair += 2) tap = windowTaps(tap, planes + (pair >> 1) % turns * stride, wide, pixel)
    const inside = across ? sums + left : sums
    weighTwo<Pairs>(inside, inside + stride, count, taps, weights, weights + length * 4, 0, length << 2, length << 2)
    for (let i = 0; i < min(2, end - u); i++) {
      const sum = sums + i * stride
      if (across) {
        extend(args, sum, pixel)
        pairColumns(sum, pixel, count + (kw - 1) * c, args.shift)
        windowTaps(taps, sum, pairs, 2 * pixel)
        weigh<Pairs>(sum, 0, count, taps, across, pairs)
      }
      storeBytes(y, sum, c == 4 ? load<usize>(rows + (u + i + args.top) * 4) : 0, count, across ? args.shiftAcross : args.shift)
      y += count
    }
  }
}

/** y = a + b, to the end of a vector */
function addRows(y: usize, a: usize, b: usize, count: i32): void {
  for (; count > 12; count -= 16) {
    const y0 = f32x4.add(v128.load(a), v128.load(b)), y1 = f32x4.add(v128.load(a, 16), v128.load(b, 16))
    const y2 = f32x4.add(v128.load(a, 32), v128.load(b, 32)), y3 = f32x4.add(v128.load(a, 48), v128.load(b, 48))
    v128.store(y, y0)
    v128.store(y, y1, 16)
    v128.store(y, y2, 32)
    v128.store(y, y3, 48)
    a += 64
    b += 64
    y += 64
  }
  for (; count > 0; count -= 4) {
    v128.store(y, f32x4.add(v128.load(a), v128.load(b)))
    a += 16
    b += 16
    y += 16
  }
}

/**
 * start += row; y = (ends + start) * gain: for four rows, given by address, one after the other; y has their
 * sums side by side.
 */
function slide(
  y: usize, start: usize, rows: usize, ends: usize, count: i32, stride: usize, gain: v128,
): void {
  const r0 = load<usize>(rows) - start, r1 = load<usize>(rows, 4) - start, r2 = load<usize>(rows, 8) - start, r3 = load<usize>(rows, 12) - start
  ends -= start
  const e2 = ends + 2 * stride
  for (; count > 0; count -= 4) {
    const s0 = f32x4.add(v128.load(start), v128.load(start + r0))
    const s1 = f32x4.add(s0, v128.load(start + r1))
    const s2 = f32x4.add(s1, v128.load(start + r2))
    const s3 = f32x4.add(s2, v128.load(start + r3))
    v128.store(start, s3)
    const a = f32x4.mul(f32x4.add(v128.load(start + ends), s0), gain)
    const b = f32x4.mul(f32x4.add(v128.load(start + ends + stride), s1), gain)
    const c = f32x4.mul(f32x4.add(v128.load(start + e2), s2), gain)
    const d = f32x4.mul(f32x4.add(v128.load(start + e2 + stride), s3), gain)
    const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5)
    const ba = v128.shuffle<f32>(a, b, 2, 6, 3, 7), dc = v128.shuffle<f32>(c, d, 2, 6, 3, 7)
    v128.store(y, v128.shuffle<i64>(ab, cd, 0, 2))
    v128.store(y, v128.shuffle<i64>(ab, cd, 1, 3), 16)
    v128.store(y, v128.shuffle<i64>(ba, dc, 0, 2), 32)
    v128.store(y, v128.shuffle<i64>(ba, dc, 1, 3), 48)
    start += 16
    y += 64
  }
}

/** Columns of four floats to rows, `stride` bytes apart; those beyond `rows` are not written. */
function toRows(y: usize, stride: usize, columns: usize, count: i32, rows: usize): void {
  let y1 = y + min(1, rows) * stride, y2 = y + min(2, rows) * stride, y3 = y + min(3, rows) * stride
  for (; count > 0; count -= 4) {
    const a = v128.load(columns), b = v128.load(columns, 16), c = v128.load(columns, 32), d = v128.load(columns, 48)
    const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5)
    const ba = v128.shuffle<f32>(a, b, 2, 6, 3, 7), dc = v128.shuffle<f32>(c, d, 2, 6, 3, 7)
    put(y3, v128.shuffle<i64>(ba, dc, 1, 3), count)
    put(y2, v128.shuffle<i64>(ba, dc, 0, 2), count)
    put(y1, v128.shuffle<i64>(ab, cd, 1, 3), count)
    put(y, v128.shuffle<i64>(ab, cd, 0, 2), count)
    columns += 64
    y += 16
    y1 += 16
    y2 += 16
    y3 += 16
  }
}

/**
 * In place: x[i] = x[i] + ... + x[i + kw - 1], for `count` vectors `step` bytes apart. `ends` has room for
 * kw.
 */
function sumAlong(x: usize, ends: usize, count: i32, kw: usize, step: usize): void {
  for (; count > 0; count -= kw) {
    let sum = f32x4.splat(0), at = x + kw * step
    for (let end = ends + kw * 16; end > ends; ) {
      at -= step
      end -= 16
      sum = f32x4.add(sum, v128.load(at))
      v128.store(end, sum)
    }
    v128.store(x, sum)
    sum = f32x4.splat(0)
    at = x + kw * step
    const last = ends + (min(<usize>count, kw) << 4)
    for (let end = ends + 16; end < last; end += 16) {
      x += step
      sum = f32x4.add(sum, v128.load(at))
      v128.store(x, f32x4.add(v128.load(end), sum))
      at += step
    }
    x += step
  }
}

/**
 * Unit: one output row. The sum under a kh x kw window times `gain`, at a cost that hardly depends on the
 * window.
 *
 * Down: rows stand in blocks of kh. A window ends one block and begins the next, so its sum is one of the
 * sums from each row to the end of its block, and one from the start of the next (as van Herk has it for
 * maxima). Across: the same with pixels, of up to four rows at once, which stand side by side meanwhile. No
 * sum is ever subtracted from.
 *
 * scratch: kh + 3 planes, the sums to a block's end | the sum from the next one's start | zeros | of both,
 * four | sums of pixels, four | addresses of four rows
 */
export function filterBox(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  const h = args.h, kh = args.kh, kw = args.kw, c = args.c
  const w = args.w, count = w * c
  const pixel: usize = c * 16
  const stride = planeStride(args)
  const ends = scratch(), start = ends + (kh + 3) * stride, zeros = start + stride, plane = zeros + stride, sums = plane + 4 * stride, four = sums + 4 * stride
  const rows = args.rows
  memory.fill(zeros, 0, count * 4)
  let y = args.y + begin * count * 4
  let block = -1, next = 0
  for (let u = begin; u < end; ) {
    const first = firstRow(args, u), place = first % kh
    if (first / kh != block) {
      block = first / kh
      next = first - place + kh
      memory.fill(start, 0, count * 4)
      let sum = zeros
      for (let row = next - 1; row >= first; row--) {
        const longer = ends + row % kh * stride
        addRows(longer, sum, load<usize>(rows + row * 4), count)
        sum = longer
      }
    }
    for (; next < first + kh - 1; next++) addRows(start, start, load<usize>(rows + next * 4), count)
    // Rows of one block, one image.
    const group = min(min(4, end - u), min(kh - place, h - u % h))
    for (let i = 0; i < 4; i++) store<usize>(four + i * 4, i >= group || next == first + i + kh ? zeros : load<usize>(rows + next++ * 4))
    slide(plane + args.left * pixel, start, four, ends + place * stride, count, stride, f32x4.splat(args.gain))
    extend(args, plane, pixel)
    for (let k = 0; k < c; k++) sumAlong(plane + k * 16, sums, w, kw, pixel)
    toRows(y, count * 4, plane, count, group - 1)
    u += group
    y += group * count * 4
  }
}

/**
 * A filter that goes down the columns first, out of the image into planes, and then across, out of the
 * planes.
 */
// @ts-ignore: decorator
@inline
function downAcross<F>(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  const pixel: usize = args.c * 4
  const count = args.w * args.c
  const left = args.left * pixel
  const stride = planeStride(args)
  const plane = scratch()
  for (let u = begin; u < end; u++) {
    const rows = args.rows + firstRow(args, u) * 4
    changetype<F>(0).down(args, rows, plane + left, stride, count)
    for (let p = 0; p < changetype<F>(0).planes(); p++) extend(args, plane + p * stride, pixel)
    changetype<F>(0).across(args, plane, stride, pixel, args.y + u * count * 4, count)
  }
}

/** scratch: smoothed down the columns | difference of the row below and the row above */
@final
class Magnitude {
  @inline planes(): i32 {
    return 2
  }

  @inline down(args: Filter, rows: usize, plane: usize, stride: usize, count: i32): void {
    const side = f32x4.splat(args.side), centre = f32x4.splat(args.centre)
    let above = load<usize>(rows), here = load<usize>(rows, 4), below = load<usize>(rows, 8)
    for (; count > 0; count -= 4) {
      const a = v128.load(above), b = v128.load(below)
      v128.store(plane, madd(f32x4.add(a, b), side, f32x4.mul(v128.load(here), centre)))
      v128.store(plane + stride, f32x4.sub(b, a))
      above += 16
      here += 16
      below += 16
      plane += 16
    }
  }

  @inline across(args: Filter, plane: usize, stride: usize, pixel: usize, y: usize, count: i32): void {
    const side = f32x4.splat(args.side), centre = f32x4.splat(args.centre)
    let smooth = plane, change = plane + stride
    for (; count > 0; count -= 4) {
      const gx = f32x4.sub(v128.load(smooth + 2 * pixel), v128.load(smooth))
      const gy = madd(f32x4.add(v128.load(change), v128.load(change + 2 * pixel)), side, f32x4.mul(v128.load(change + pixel), centre))
      put(y, f32x4.sqrt(madd(gx, gx, f32x4.mul(gy, gy))), count)
      smooth += 16
      change += 16
      y += 16
    }
  }
}

/**
 * Unit: one output row. sqrt(gx^2 + gy^2), gx the difference along x of a 3x3 window smoothed along y by
 * [side, centre, side]; gy the other way round.
 */
export function gradientMagnitude(call: usize, begin: i32, end: i32): void {
  downAcross<Magnitude>(call, begin, end)
}

// One instruction each; where an operand is NaN, the first one.
// @ts-ignore: decorator
@inline
function low(a: v128, b: v128): v128 {
  return f32x4.pmin(a, b)
}

// @ts-ignore: decorator
@inline
function high(a: v128, b: v128): v128 {
  return f32x4.pmax(a, b)
}

// @ts-ignore: decorator
@inline
function middle(a: v128, b: v128, c: v128): v128 {
  return high(low(a, b), low(high(a, b), c))
}

/**
 * scratch: smallest, middle and largest of each column. The median of nine is that of the largest of the
 * smallest, the middle of the middles, and the smallest of the largest.
 */
@final
class Median3 {
  @inline planes(): i32 {
    return 3
  }

  @inline down(args: Filter, rows: usize, plane: usize, stride: usize, count: i32): void {
    let r0 = load<usize>(rows), r1 = load<usize>(rows, 4), r2 = load<usize>(rows, 8)
    for (; count > 0; count -= 4) {
      const a = v128.load(r0), b = v128.load(r1), c = v128.load(r2)
      const ab = low(a, b), ba = high(a, b)
      v128.store(plane, low(ab, c))
      v128.store(plane + stride, high(ab, low(ba, c)))
      v128.store(plane + 2 * stride, high(ba, c))
      r0 += 16
      r1 += 16
      r2 += 16
      plane += 16
    }
  }

  @inline across(args: Filter, plane: usize, stride: usize, pixel: usize, y: usize, count: i32): void {
    let a = plane, b = plane + stride, c = plane + 2 * stride
    for (; count > 0; count -= 4) {
      const most = high(high(v128.load(a), v128.load(a + pixel)), v128.load(a + 2 * pixel))
      const mid = middle(v128.load(b), v128.load(b + pixel), v128.load(b + 2 * pixel))
      const least = low(low(v128.load(c), v128.load(c + pixel)), v128.load(c + 2 * pixel))
      put(y, middle(most, mid, least), count)
      a += 16
      b += 16
      c += 16
      y += 16
    }
  }
}

/**
 * scratch: the columns sorted: their smallest values, ..., their largest. Rank alone rules out six of the 25
 * from above and six from below; the exchanges that the other 13 need were found by search: 88 minima and
 * maxima, checked by the zero-one principle on all 6^5 inputs with sorted columns
 * (tests/image/median.test.ts).
 */
@final
class Median5 {
  @inline planes(): i32 {
    return 5
  }

  @inline down(args: Filter, rows: usize, plane: usize, stride: usize, count: i32): void {
    let at: usize = 0
    const r0 = load<usize>(rows), r1 = load<usize>(rows, 4), r2 = load<usize>(rows, 8), r3 = load<usize>(rows, 12), r4 = load<usize>(rows, 16)
    for (; count > 0; count -= 4) {
      let a = v128.load(r0 + at), b = v128.load(r1 + at), c = v128.load(r2 + at), d = v128.load(r3 + at), e = v128.load(r4 + at)
      let t = low(a, b); b = high(a, b); a = t
      t = low(d, e); e = high(d, e); d = t
      t = low(c, e); e = high(c, e); c = t
      t = low(c, d); d = high(c, d); c = t
      t = low(a, d); d = high(a, d); a = t
      t = low(a, c); c = high(a, c); a = t
      t = low(b, e); e = high(b, e); b = t
      t = low(b, d); d = high(b, d); b = t
      t = low(b, c); c = high(b, c); b = t
      v128.store(plane + at, a)
      v128.store(plane + stride + at, b)
      v128.store(plane + 2 * stride + at, c)
      v128.store(plane + 3 * stride + at, d)
      v128.store(plane + 4 * stride + at, e)
      at += 16
    }
  }

  @inline across(args: Filter, plane: usize, stride: usize, pixel: usize, y: usize, count: i32): void {
    let a = plane, b = plane + stride, c = plane + 2 * stride, d = plane + 3 * stride, e = plane + 4 * stride
    let t: v128
    for (; count > 0; count -= 4) {
      let a0 = v128.load(a), a1 = v128.load(a + pixel), a2 = v128.load(a + 2 * pixel), a3 = v128.load(a + 3 * pixel), a4 = v128.load(a + 4 * pixel)
      t = low(a0, a1); a1 = high(a0, a1); a0 = t
      t = low(a3, a4); a4 = high(a3, a4); a3 = t
      t = low(a2, a4); a4 = high(a2, a4); a2 = t
      a3 = high(a2, a3)
      a3 = high(a0, a3)
      t = low(a1, a4); a4 = high(a1, a4); a1 = t
      a3 = high(a1, a3)
      let b0 = v128.load(b), b1 = v128.load(b + pixel), b2 = v128.load(b + 2 * pixel), b3 = v128.load(b + 3 * pixel), b4 = v128.load(b + 4 * pixel)
      t = low(b0, b3); b3 = high(b0, b3); b0 = t
      t = low(b0, b2); b2 = high(b0, b2); b0 = t
      t = low(b1, b3); b3 = high(b1, b3); b1 = t
      b1 = high(b0, b1)
      t = low(b2, b4); b4 = high(b2, b4); b2 = t
      b2 = high(b1, b2)
      t = low(b3, b4); b4 = high(b3, b4); b3 = t
      t = low(b2, b3); b3 = high(b2, b3); b2 = t
      let c0 = v128.load(c), c1 = v128.load(c + pixel), c2 = v128.load(c + 2 * pixel), c3 = v128.load(c + 3 * pixel), c4 = v128.load(c + 4 * pixel)
      t = low(c0, c1); c1 = high(c0, c1); c0 = t
      t = low(c3, c4); c4 = high(c3, c4); c3 = t
      t = low(c2, c4); c4 = high(c2, c4); c2 = t
      t = low(c2, c3); c3 = high(c2, c3); c2 = t
      t = low(c0, c3); c3 = high(c0, c3); c0 = t
      c2 = high(c0, c2)
      c1 = low(c1, c4)
      t = low(c1, c3); c3 = high(c1, c3); c1 = t
      t = low(c1, c2); c2 = high(c1, c2); c1 = t
      let d0 = v128.load(d), d1 = v128.load(d + pixel), d2 = v128.load(d + 2 * pixel), d3 = v128.load(d + 3 * pixel), d4 = v128.load(d + 4 * pixel)
      t = low(d0, d1); d1 = high(d0, d1); d0 = t
      t = low(d3, d4); d4 = high(d3, d4); d3 = t
      t = low(d2, d3); d3 = high(d2, d3); d2 = t
      t = low(d0, d3); d3 = high(d0, d3); d0 = t
      t = low(d0, d2); d2 = high(d0, d2); d0 = t
      d1 = low(d1, d4)
      d1 = low(d1, d3)
      t = low(d1, d2); d2 = high(d1, d2); d1 = t
      let e0 = v128.load(e), e1 = v128.load(e + pixel), e2 = v128.load(e + 2 * pixel), e3 = v128.load(e + 3 * pixel), e4 = v128.load(e + 4 * pixel)
      t = low(e0, e3); e3 = high(e0, e3); e0 = t
      t = low(e0, e2); e2 = high(e0, e2); e0 = t
      e1 = low(e1, e3)
      t = low(e0, e1); e1 = high(e0, e1); e0 = t
      e2 = low(e2, e4)
      e1 = low(e1, e2)
      c1 = high(a4, c1)
      b2 = high(a3, b2)
      b4 = low(b4, c3)
      t = low(b3, c2); c2 = high(b3, c2); b3 = t
      b4 = low(b4, d1)
      t = low(b4, c2); c2 = high(b4, c2); b4 = t
      b4 = high(b2, b4)
      c2 = low(c2, d2)
      t = low(c1, c2); c2 = high(c1, c2); c1 = t
      d0 = high(b4, d0)
      t = low(d0, b3); b3 = high(d0, b3); d0 = t
      c2 = low(c2, b3)
      t = low(c1, e0); e0 = high(c1, e0); c1 = t
      d0 = high(c1, d0)
      c2 = low(c2, e0)
      t = low(d0, e1); e1 = high(d0, e1); d0 = t
      c2 = high(d0, c2)
      c2 = low(c2, e1)
      put(y, c2, count)
      a += 16
      b += 16
      c += 16
      d += 16
      e += 16
      y += 16
    }
  }
}

/** Unit: one output row. The median of a 3x3 or 5x5 window. What NaN gives is not defined. */
export function median(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  if (args.kh == 3) downAcross<Median3>(call, begin, end)
  else downAcross<Median5>(call, begin, end)
}
