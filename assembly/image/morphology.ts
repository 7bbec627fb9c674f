/** Dilation and erosion by rectangles: the largest or smallest element of a window. */
import { scratch } from '../arguments'
import { Filter, MorphologyOp } from '../abi'
import { extend, firstRow } from './rows'

@final
class MaxBytes { @inline of(a: v128, b: v128): v128 { return i8x16.max_u(a, b) } }
@final
class MinBytes { @inline of(a: v128, b: v128): v128 { return i8x16.min_u(a, b) } }
@final
class MaxWords { @inline of(a: v128, b: v128): v128 { return i16x8.max_u(a, b) } }
@final
class MinWords { @inline of(a: v128, b: v128): v128 { return i16x8.min_u(a, b) } }
@final
class MaxFloats { @inline of(a: v128, b: v128): v128 { return f32x4.pmax(a, b) } }
@final
class MinFloats { @inline of(a: v128, b: v128): v128 { return f32x4.pmin(a, b) } }

// @ts-ignore: decorator
@inline
function bestBy<T>(y: usize, a: usize, b: usize, bytes: i32): void {
  for (; bytes > 16; bytes -= 32) {
    const low = changetype<T>(0).of(v128.load(a), v128.load(b))
    const high = changetype<T>(0).of(v128.load(a, 16), v128.load(b, 16))
    v128.store(y, low)
    v128.store(y, high, 16)
    a += 32
    b += 32
    y += 32
  }
  if (bytes > 0) v128.store(y, changetype<T>(0).of(v128.load(a), v128.load(b)))
}

/** y = the better of a and b, to the end of a pair of vectors; y may be a, and b behind it. */
function best(y: usize, a: usize, b: usize, bytes: i32, op: i32): void {
  switch (op) {
    case MorphologyOp.maxBytes: return bestBy<MaxBytes>(y, a, b, bytes)
    case MorphologyOp.minBytes: return bestBy<MinBytes>(y, a, b, bytes)
    case MorphologyOp.maxWords: return bestBy<MaxWords>(y, a, b, bytes)
    case MorphologyOp.minWords: return bestBy<MinWords>(y, a, b, bytes)
    case MorphologyOp.maxFloats: return bestBy<MaxFloats>(y, a, b, bytes)
    default: return bestBy<MinFloats>(y, a, b, bytes)
  }
}

/** Of pixels of four elements the last. */
// @ts-ignore: decorator
@inline
function alphaMask(element: i32): v128 {
  if (element == 1) return i32x4.splat(0xff000000)
  return element == 2 ? i64x2.splat(0xffff000000000000) : i32x4(0, 0, 0, -1)
}

/**
 * Unit: one output row. Down: rows stand in blocks of kh; a window ends one and begins the next (M. van Herk,
 * 1992; J. Gil, M. Werman, 1993), as in box.ts. Across: the best of 1, 2, 4, ... pixels, each of the one
 * before.
 *
 * scratch: kh + 2 planes, the best from each row to its block's end | from the next one's start | of both
 */
export function morphology(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  const kh = args.kh, kw = args.kw, w = args.w, op = args.op
  const pixel: usize = args.c * args.element, bytes = w * <i32>pixel
  const stride: usize = ((w + kw - 1) * <i32>pixel + 63) & ~15
  const ends = scratch(), start = ends + kh * stride
  const plane = start + stride, inside = plane + args.left * pixel
  const rows = args.rows
  const mask = alphaMask(args.element)
  let y = args.y + begin * bytes
  let block = -1, next = 0
  for (let u = begin; u < end; u++) {
    const first = firstRow(args, u), place = first % kh
    if (first / kh != block) {
      block = first / kh
      next = first - place + kh
      let longer = load<usize>(rows + (next - 1) * 4)
      memory.copy(ends + (kh - 1) * stride, longer, bytes)
      for (let row = next - 2; row >= first; row--) {
        const at = ends + row % kh * stride
        best(at, at + stride, load<usize>(rows + row * 4), bytes, op)
      }
    }
    for (; next < first + kh; next++) {
      const row = load<usize>(rows + next * 4)
      if (next % kh == 0) memory.copy(start, row, bytes)
      else best(start, start, row, bytes, op)
    }
    if (place) best(inside, ends + place * stride, start, bytes, op)
    else memory.copy(inside, ends, bytes)
    extend(args, plane, pixel)
    for (let wide = 1; wide < kw; ) {
      const step = min(wide, kw - wide)
      wide += step
      best(plane, plane, plane + step * pixel, bytes + (kw - wide) * <i32>pixel, op)
    }
    if (args.alpha) {
      const row = load<usize>(rows + (first + args.top) * 4)
      for (let at = 0; at < bytes; at += 16) {
        v128.store(plane + at, v128.bitselect(v128.load(row + at), v128.load(plane + at), mask))
      }
    }
    memory.copy(y, plane, bytes)
    y += bytes
  }
}
