/** The box filter. */
import { scratch } from '../arguments'
import { Filter } from '../abi'
import { blend } from './filter'
import { extend, firstRow, planeStride, put } from './rows'

/** y = a + b, to the end of a vector */
function addRows(y: usize, a: usize, b: usize, count: i32): void {
  for (; count > 12; count -= 16) {
    const y0 = f32x4.add(v128.load(a), v128.load(b)), y1 = f32x4.add(v128.load(a, 16), v128.load(b, 16))
    const y2 = f32x4.add(v128.load(a, 32), v128.load(b, 32))
    const y3 = f32x4.add(v128.load(a, 48), v128.load(b, 48))
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
 * start += row; y = (ends + start) * factor: for four rows, given by address, one after the other; y has
 * their sums side by side.
 */
function slide(
  y: usize, start: usize, rows: usize, ends: usize, count: i32, stride: usize, factor: f32,
): void {
  const gain = f32x4.splat(factor)
  const r0 = load<usize>(rows) - start, r1 = load<usize>(rows, 4) - start, r2 = load<usize>(rows, 8) - start
  const r3 = load<usize>(rows, 12) - start
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
    const a = v128.load(columns), b = v128.load(columns, 16), c = v128.load(columns, 32)
    const d = v128.load(columns, 48)
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

/** From the end of a block of kw vectors on, its sums to each; the sum of all. */
// @ts-ignore: decorator
@inline
function sumsToEnd(x: usize, ends: usize, kw: i32, step: usize): v128 {
  let sum = f32x4.splat(0), at = x + kw * step
  for (let end = ends + kw * 16; end > ends; ) {
    at -= step
    end -= 16
    sum = f32x4.add(sum, v128.load(at))
    v128.store(end, sum)
  }
  return sum
}

/** x = ends + the sum of the block behind up to `at`, for `count` vectors; `sum` is that before. */
// @ts-ignore: decorator
@inline
function sumsOn(x: usize, at: usize, end: usize, count: i32, sum: v128, step: usize): void {
  for (; count > 0; count--) {
    sum = f32x4.add(sum, v128.load(at))
    v128.store(x, f32x4.add(v128.load(end), sum))
    x += step
    at += step
    end += 16
  }
}

/**
 * In place: x[i] = x[i] + ... + x[i + kw - 1], for `count` vectors `step` bytes apart. Blocks of kw go by
 * pairs, since a sum waits for the one before. `ends` has room for 2 kw, or kw where count is no more.
 */
function sumAlong(x: usize, ends: usize, count: i32, kw: i32, step: usize): void {
  const block = kw * step
  for (; count > kw; count -= 2 * kw) {
    const second = x + block, ends2 = ends + kw * 16, both = min(count - kw, kw)
    let a = f32x4.splat(0), b = a, at = second
    for (let end = ends2; end > ends; ) {
      at -= step
      end -= 16
      a = f32x4.add(a, v128.load(at))
      b = f32x4.add(b, v128.load(at + block))
      v128.store(end, a)
      v128.store(end + kw * 16, b)
    }
    // What the first block reads of the second is read before it is written.
    v128.store(x, a)
    let next = b
    a = f32x4.splat(0)
    b = a
    at = second
    let end = ends + 16
    for (let j = 1; j < both; j++) {
      a = f32x4.add(a, v128.load(at))
      b = f32x4.add(b, v128.load(at + block))
      v128.store(at, next)
      next = f32x4.add(v128.load(end + kw * 16), b)
      x += step
      v128.store(x, f32x4.add(v128.load(end), a))
      at += step
      end += 16
    }
    if (both < kw) {
      const v = v128.load(at)
      a = f32x4.add(a, v)
      v128.store(x + step, f32x4.add(v128.load(end), a))
      sumsOn(x + 2 * step, at + step, end + 16, kw - both - 1, a, step)
    }
    v128.store(at, next)
    x = second + block
  }
  if (count > 0) {
    v128.store(x, sumsToEnd(x, ends, kw, step))
    sumsOn(x + step, x + block, ends + 16, count - 1, f32x4.splat(0), step)
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
  const ends = scratch(), start = ends + (kh + 3) * stride, zeros = start + stride, plane = zeros + stride
  const sums = plane + 4 * stride, four = sums + 4 * stride
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
    for (let i = 0; i < 4; i++) {
      store<usize>(
        four + i * 4, i >= group || next == first + i + kh ? zeros : load<usize>(rows + next++ * 4),
      )
    }
    slide(plane + args.left * pixel, start, four, ends + place * stride, count, stride, args.gain)
    extend(args, plane, pixel)
    for (let k = 0; k < c; k++) sumAlong(plane + k * 16, sums, w, kw, pixel)
    toRows(y, count * 4, plane, count, group - 1)
    if (args.blend > 1) {
      for (let i = 0; i < group; i++) {
        blend(args, load<usize>(rows + (first + args.top + i) * 4), y + i * count * 4, count)
      }
    }
    u += group
    y += group * count * 4
  }
}
