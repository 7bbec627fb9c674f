/**
 * The median of a window of bytes, at a cost that does not depend on the window. (S. Perreault, P. Hebert,
 * Median filtering in constant time, 2007)
 *
 * Each column of pixels has a histogram of the kh rows that are seen, and the window one that is the sum of
 * those of its columns: as it moves on, one column comes and one goes. Histograms have two levels, 16 counts
 * of high and, for each, 16 of low nibbles; those of low nibbles are brought up to date only where the median
 * lies. All counts are sums from the first on, so that the median's nibble is the number of sums that do not
 * reach beyond its rank, and a value comes or goes by a vector of zeros and ones.
 *
 * Columns: 16 bytes of high nibbles | 16 of low nibbles for each high one. Window: the same as 16-bit
 * integers, 544 bytes.
 */
import { scratch } from '../arguments'
import { Filter, MEDIAN_STRIPE } from '../abi'
import { firstRow } from './rows'

const COLUMN: usize = 272

/** Vector n: zeros below n, ones from there on. */
const steps = memory.data<u8>([
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
])

/** A column's counts with one value more. */
// @ts-ignore: decorator
@inline
function come(column: usize, value: usize): void {
  v128.store(column, i8x16.add(v128.load(column), v128.load(steps + (value >> 4 << 4))))
  const low = column + 16 + (value >> 4 << 4)
  v128.store(low, i8x16.add(v128.load(low), v128.load(steps + ((value & 15) << 4))))
}

// @ts-ignore: decorator
@inline
function go(column: usize, value: usize): void {
  v128.store(column, i8x16.sub(v128.load(column), v128.load(steps + (value >> 4 << 4))))
  const low = column + 16 + (value >> 4 << 4)
  v128.store(low, i8x16.sub(v128.load(low), v128.load(steps + ((value & 15) << 4))))
}

/** The window's counts with those of a column. */
// @ts-ignore: decorator
@inline
function addTo(window: usize, column: usize): void {
  const counts = v128.load(column)
  v128.store(window, i16x8.add(v128.load(window), i16x8.extend_low_i8x16_u(counts)))
  v128.store(window, i16x8.add(v128.load(window, 16), i16x8.extend_high_i8x16_u(counts)), 16)
}

/** The same with one column more and another less. */
// @ts-ignore: decorator
@inline
function move(window: usize, next: usize, last: usize): void {
  const a = v128.load(next), b = v128.load(last)
  const low = i16x8.sub(i16x8.extend_low_i8x16_u(a), i16x8.extend_low_i8x16_u(b))
  const high = i16x8.sub(i16x8.extend_high_i8x16_u(a), i16x8.extend_high_i8x16_u(b))
  v128.store(window, i16x8.add(v128.load(window), low))
  v128.store(window, i16x8.add(v128.load(window, 16), high), 16)
}

/** How many of the window's 16 counts are at most `rank`. */
// @ts-ignore: decorator
@inline
function countUpTo(window: usize, rank: i32): i32 {
  const most = i16x8.splat(<i16>rank)
  const low = i16x8.le_u(v128.load(window), most), high = i16x8.le_u(v128.load(window, 16), most)
  return popcnt(i8x16.bitmask(i8x16.narrow_i16x8_s(low, high)))
}

/** A pixel's byte, from beyond the sides too. */
// @ts-ignore: decorator
@inline
function byteAt(row: usize, column: i32): usize {
  return column < 0 ? 0 : load<u8>(row + column)
}

/**
 * Unit: one output row of bytes, kh and kw at most 255. Of four channels the last stays where `alpha` is 1.
 *
 * scratch: columns of a stripe and the window's width | the window | up to which pixel each of its 16 groups
 * of low nibbles is | where each column is in a row
 */
export function medianBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  const kh = args.kh, kw = args.kw, w = args.w, c = args.c, left = args.left
  const rows = args.rows, rowBytes = w * c
  const columns = scratch(), window = columns + <usize>(MEDIAN_STRIPE + kw) * COLUMN, ages = window + 544
  const places = ages + 64
  const middle = (kh * kw) >> 1
  const colours = args.alpha && c == 4 ? 3 : c
  for (let from = 0; from < w; from += MEDIAN_STRIPE) {
    const wide = min(MEDIAN_STRIPE, w - from), seen = wide + kw - 1
    for (let k = 0; k < colours; k++) {
      for (let i = 0; i < seen; i++) {
        const x = from + i - left
        let column = x
        if (x < 0) column = load<i32>(args.sides + (from + i) * 4)
        else if (x >= w) column = load<i32>(args.sides + (x - w + left) * 4)
        store<i32>(places + i * 4, column < 0 ? -1 : column * c + k)
      }
      let previous = -2
      for (let u = begin; u < end; u++) {
        const first = firstRow(args, u)
        if (first == previous + 1) {
          const gone = load<usize>(rows + previous * 4), below = load<usize>(rows + (first + kh - 1) * 4)
          let column = columns
          for (let i = 0; i < seen; i++) {
            const place = load<i32>(places + i * 4)
            const a = byteAt(gone, place), b = byteAt(below, place)
            if (a != b) {
              go(column, a)
              come(column, b)
            }
            column += COLUMN
          }
        } else {
          memory.fill(columns, 0, seen * COLUMN)
          for (let row = first; row < first + kh; row++) {
            const at = load<usize>(rows + row * 4)
            let column = columns
            for (let i = 0; i < seen; i++) {
              come(column, byteAt(at, load<i32>(places + i * 4)))
              column += COLUMN
            }
          }
        }
        previous = first
        memory.fill(window, 0, 32)
        for (let i = 0; i < kw - 1; i++) addTo(window, columns + i * COLUMN)
        // No group of low nibbles is of any use yet.
        for (let group = 0; group < 16; group++) store<i32>(ages + group * 4, -kw)
        let y = args.y + u * rowBytes + from * c + k
        for (let x = 0; x < wide; x++) {
          const next = columns + (x + kw - 1) * COLUMN
          if (x) move(window, next, columns + (x - 1) * COLUMN)
          else addTo(window, next)
          const high = countUpTo(window, middle)
          const below = high ? <i32>load<u16>(window + high * 2 - 2) : 0
          const counts = window + 32 + high * 32, offset: usize = 16 + high * 16
          let age = load<i32>(ages + high * 4)
          if (x - age >= kw) {
            memory.fill(counts, 0, 32)
            for (let i = x; i < x + kw; i++) addTo(counts, columns + i * COLUMN + offset)
          } else {
            for (; age < x; age++) {
              const last = columns + age * COLUMN + offset
              move(counts, last + kw * COLUMN, last)
            }
          }
          store<i32>(ages + high * 4, x)
          store<u8>(y, high << 4 | countUpTo(counts, middle - below))
          y += c
        }
      }
    }
  }
  if (colours == c) return
  for (let u = begin; u < end; u++) {
    const row = load<usize>(rows + (firstRow(args, u) + args.top) * 4), y = args.y + u * rowBytes
    for (let at = 3; at < rowBytes; at += 4) store<u8>(y + at, load<u8>(row + at))
  }
}
