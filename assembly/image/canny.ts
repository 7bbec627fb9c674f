/**
 * Edges by J. Canny, A computational approach to edge detection, 1986, as OpenCV's Canny has it: differences
 * by Sobel's 3x3 windows (the border goes on as it is), magnitude |dx| + |dy|, thinned across the edge in one
 * of four directions, and kept where it is above `high`, or above `low` and beside what is kept.
 */
import { scratch } from '../arguments'
import { Canny } from '../abi'

/** tan(22.5 degrees) in 1 / 2^15. */
const TAN: i16 = 13573

/** Where a row of 16-bit integers starts, after zeros that end a vector. */
const BEFORE: usize = 16

/** Sobel's differences of row r and their magnitude; zeros outside of the image, beside its rows too. */
function differences(args: Canny, r: i32, dx: usize, dy: usize, size: usize, sums: usize): void {
  const w = args.w, h = args.h
  const bytes: usize = (w + 16) << 1
  if (r < 0 || r >= h) {
    memory.fill(size - 2, 0, bytes + 2)
    return
  }
  const x = args.x
  let above = x + max(r - 1, 0) * w, here = x + r * w, below = x + min(r + 1, h - 1) * w
  // Down the columns: smooth | changes, with a column more at both sides.
  const smooth = sums + BEFORE, change = smooth + bytes + BEFORE
  for (let i: usize = 0, last: usize = w << 1; i < last; i += 16) {
    const a = v128.load8x8_u(above), b = v128.load8x8_u(here), c = v128.load8x8_u(below)
    v128.store(smooth + i, i16x8.add(i16x8.add(a, c), i16x8.shl(b, 1)))
    v128.store(change + i, i16x8.sub(c, a))
    above += 8
    here += 8
    below += 8
  }
  const end: usize = (w - 1) << 1
  store<i16>(smooth - 2, load<i16>(smooth))
  store<i16>(change - 2, load<i16>(change))
  store<i16>(smooth + end + 2, load<i16>(smooth + end))
  store<i16>(change + end + 2, load<i16>(change + end))
  for (let i: usize = 0; i <= end; i += 16) {
    const gx = i16x8.sub(v128.load(smooth + i + 2), v128.load(smooth + i - 2))
    const middle = v128.load(change + i)
    const gy = i16x8.add(
      i16x8.add(v128.load(change + i - 2), v128.load(change + i + 2)), i16x8.shl(middle, 1),
    )
    v128.store(dx + i, gx)
    v128.store(dy + i, gy)
    v128.store(size + i, i16x8.add(i16x8.abs(gx), i16x8.abs(gy)))
  }
  // Zeros before and behind.
  store<i16>(size - 2, 0)
  store<i16>(size + end + 2, 0)
}

/**
 * Unit: a row of the map. 2: an edge; 1: one if it is beside another; 0: none.
 *
 * scratch: of three rows in turn dx | dy | magnitude, each between 32 bytes | two rows of sums
 */
export function thinEdges(call: usize, begin: i32, end: i32): void {
  const args = changetype<Canny>(call)
  const w = args.w
  const stride: usize = ((w + 32) << 1) + 15 & ~15
  const planes = scratch() + BEFORE, sums = planes + 9 * stride
  const low = i16x8.splat(<i16>args.low), high = i16x8.splat(<i16>args.high)
  const tan = i16x8.splat(TAN), zero = i16x8.splat(0)
  let known = begin - 2
  for (let u = begin; u < end; u++) {
    for (; known < u + 1; ) {
      known++
      const plane = planes + (known + 3) % 3 * 3 * stride
      differences(args, known, plane, plane + stride, plane + 2 * stride, sums)
    }
    const here = planes + (u + 3) % 3 * 3 * stride
    const dx = here, dy = here + stride, size = dy + stride
    const above = planes + (u + 2) % 3 * 3 * stride + 2 * stride
    const below = planes + (u + 4) % 3 * 3 * stride + 2 * stride
    let y = args.y + u * w
    for (let i = 0; i < w; i += 8) {
      const at: usize = i << 1
      const m = v128.load(size + at)
      let map = zero
      if (v128.any_true(i16x8.gt_s(m, low))) {
        const gx = v128.load(dx + at), gy = v128.load(dy + at)
        const ax = i16x8.abs(gx), ay = i16x8.abs(gy)
        // Of |dx| tan(22.5 degrees) the whole part: |dy| is below the product where it is at most that.
        const flat = i16x8.narrow_i32x4_s(
          i32x4.shr_s(i32x4.extmul_low_i16x8_s(ax, tan), 15),
          i32x4.shr_s(i32x4.extmul_high_i16x8_s(ax, tan), 15),
        )
        const across = v128.and(i16x8.le_s(ay, flat), i16x8.gt_s(ax, zero))
        const down = i16x8.gt_s(ay, i16x8.add(flat, i16x8.shl(ax, 1)))
        const turned = i16x8.lt_s(v128.xor(gx, gy), zero)
        const left = v128.and(
          i16x8.gt_s(m, v128.load(size + at - 2)), i16x8.ge_s(m, v128.load(size + at + 2)),
        )
        const vertical = v128.and(i16x8.gt_s(m, v128.load(above + at)), i16x8.ge_s(m, v128.load(below + at)))
        const falling = v128.and(
          i16x8.gt_s(m, v128.load(above + at - 2)), i16x8.gt_s(m, v128.load(below + at + 2)),
        )
        const rising = v128.and(
          i16x8.gt_s(m, v128.load(above + at + 2)), i16x8.gt_s(m, v128.load(below + at - 2)),
        )
        const slanted = v128.bitselect(rising, falling, turned)
        const most = v128.bitselect(left, v128.bitselect(vertical, slanted, down), across)
        const edge = v128.and(most, i16x8.gt_s(m, low))
        const strong = v128.and(edge, i16x8.gt_s(m, high))
        map = i16x8.sub(zero, i16x8.add(edge, strong))
      }
      const bytes = i8x16.narrow_i16x8_s(map, map)
      if (w - i >= 8) v128.store64_lane(y, bytes, 0)
      else {
        let rest = i64x2.extract_lane(bytes, 0)
        for (let k = i; k < w; k++) {
          store<u8>(y + k - i, <u8>rest)
          rest >>= 8
        }
      }
      y += 8
    }
  }
}

/** Notes a pixel that is beside an edge, if it may be one. */
// @ts-ignore: decorator
@inline
function follow(stack: usize, at: usize): usize {
  if (load<u8>(at) != 1) return stack
  store<u8>(at, 2)
  store<usize>(stack, at)
  return stack + 4
}

/** Unit: all of it. The map becomes 255 on edges and 0 elsewhere, after those beside edges are edges, too. */
export function traceEdges(call: usize, begin: i32, end: i32): void {
  const args = changetype<Canny>(call)
  const w = args.w, h = args.h
  const y = args.y, stack = args.stack
  let top = stack
  for (let row = 0; row < h; row++) {
    const from = y + row * w
    for (let i = 0; i < w; i++) {
      if (i + 16 <= w && !v128.any_true(i8x16.eq(v128.load(from + i), i8x16.splat(2)))) {
        i += 15
        continue
      }
      if (load<u8>(from + i) != 2) continue
      store<usize>(top, from + i)
      top += 4
      while (top > stack) {
        top -= 4
        const at = load<usize>(top)
        const place = <i32>(at - y), r = place / w, x = place - r * w
        const left = x > 0, right = x < w - 1
        if (r > 0) {
          if (left) top = follow(top, at - w - 1)
          top = follow(top, at - w)
          if (right) top = follow(top, at - w + 1)
        }
        if (left) top = follow(top, at - 1)
        if (right) top = follow(top, at + 1)
        if (r < h - 1) {
          if (left) top = follow(top, at + w - 1)
          top = follow(top, at + w)
          if (right) top = follow(top, at + w + 1)
        }
      }
    }
  }
  const bytes = w * h, white = i8x16.splat(2)
  let i = 0
  for (; i + 16 <= bytes; i += 16) v128.store(y + i, i8x16.eq(v128.load(y + i), white))
  for (; i < bytes; i++) store<u8>(y + i, load<u8>(y + i) == 2 ? 255 : 0)
}
