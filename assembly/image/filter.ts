/**
 * Linear filters: correlation with any window, of floats or of bytes, and the gradient's magnitude. What they
 * read and where to: rows.ts.
 */
import { scratch } from '../arguments'
import { Filter } from '../abi'
import { madd, storeBytes as storeBytesPart } from '../simd'
import { downAcross, extend, firstRow, planeStride, put } from './rows'

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
    for (let t: usize = 0; t < end; t += 4) {
      s = changetype<T>(0).add(v128.load(load<usize>(taps + t) + at), v128.load32_splat(weights + t), s)
    }
    put(y + at, s, count)
    at += 16
  }
}

/**
 * Two rows at once: y from taps [0, end), z from [start, start + end), where tap t has weights[t] for y and
 * others[t] for z, all of them bytes from the first. Each is the same sum, in the same order, as `weigh`
 * gives.
 */
function weighTwo<T>(
  y: usize, z: usize, count: i32, taps: usize, weights: usize, others: usize, start: usize, end: usize,
): void {
  const last = start + end
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
  weigh<T>(z, first, count, taps + start, others + start, end >> 2)
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
      for (let row = first; row < copied; row++) {
        tap = windowTaps(tap, planes + row % turns * stride, kw, pixel)
      }
    }
    const to = across ? inside : y, next: usize = across ? stride : count * 4
    if (two) weighTwo<Floats>(
      to, to + next, count, seen, weights, weights - wide * 4, wide << 2, kh * wide << 2,
    )
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

/**
 * What `blend` asks for. 1: y = keep * x + gain * y; x itself where |x - y| < threshold. 2: 1 where x >
 * y - threshold, else 0; 3: the other way round.
 */
export function blend(args: Filter, x: usize, y: usize, count: i32): void {
  if (args.blend > 1) {
    const flip = i32x4.splat(args.blend == 3 ? -1 : 0), lower = f32x4.splat(args.threshold)
    for (; count > 0; count -= 4) {
      const above = f32x4.gt(v128.load(x), f32x4.sub(v128.load(y), lower))
      put(y, v128.and(v128.xor(above, flip), f32x4.splat(1)), count)
      x += 16
      y += 16
    }
    return
  }
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
    const zipped = v128.shuffle<i8>(
      v128.load64_zero(a), v128.load64_zero(b), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
    )
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

/** The same on bytes: 255 where x > y - lower, else 0; of four channels the last stays. */
function blendBytes(x: usize, y: usize, count: i32, c: i32, lower: i32, flip: bool): void {
  // Saturating sums stay on the right side of a bound that is no byte.
  const less = i8x16.splat(<i8>min(255, max(0, lower - 1))), more = i8x16.splat(<i8>min(255, max(0, -lower)))
  const mask = i8x16.splat(flip ? -1 : 0), kept = i32x4.splat(c == 4 ? 0xff000000 : 0)
  for (; count > 0; count -= 16) {
    const v = v128.load(x), mean = v128.load(y)
    const above = lower > 0
      ? i8x16.ge_u(v, i8x16.sub_sat_u(mean, less))
      : i8x16.gt_u(v, i8x16.add_sat_u(mean, more))
    const white = v128.bitselect(v, v128.xor(above, mask), kept)
    if (count < 16) storeBytesPart(y, white, count)
    else v128.store(y, white)
    x += 16
    y += 16
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
      pairRows(
        across ? plane : plane + left, load<usize>(rows + min(paired, lastRow) * 4),
        load<usize>(rows + min(paired + 1, lastRow) * 4), count,
      )
      if (!across) extend(args, plane, pixel)
    }
    let tap = taps
    for (let pair = paired - 2 * turns; pair < paired; pair += 2) {
      tap = windowTaps(tap, planes + (pair >> 1) % turns * stride, wide, pixel)
    }
    const inside = across ? sums + left : sums
    weighTwo<Pairs>(inside, inside + stride, count, taps, weights, weights + length * 4, 0, length << 2)
    for (let i = 0; i < min(2, end - u); i++) {
      const sum = sums + i * stride
      if (across) {
        extend(args, sum, pixel)
        pairColumns(sum, pixel, count + (kw - 1) * c, args.shift)
        windowTaps(taps, sum, pairs, 2 * pixel)
        weigh<Pairs>(sum, 0, count, taps, across, pairs)
      }
      storeBytes(
        y, sum, c == 4 ? load<usize>(rows + (u + i + args.top) * 4) : 0, count,
        across ? args.shiftAcross : args.shift,
      )
      if (args.blend) {
        blendBytes(
          load<usize>(rows + (u + i + args.top) * 4), y, count, c, <i32>args.threshold, args.blend == 3,
        )
      }
      y += count
    }
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
      const gy = madd(
        f32x4.add(v128.load(change), v128.load(change + 2 * pixel)), side,
        f32x4.mul(v128.load(change + pixel), centre),
      )
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
