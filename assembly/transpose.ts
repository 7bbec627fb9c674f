/** Rows that become columns: of matrices in memory, whatever stands between their rows. */
import { storeBytes, storePart } from './simd'

/** Rows of y that a transposition writes before it goes on to its next columns: some hundred KB. */
const STRIP = 512

/**
 * x[column][row] -> y[row][column]. Down a strip of y go columns that fill a cache line of its rows, so that
 * few lines of x are read at a time, one after the other, which memory foresees.
 */
export function transposeRows<T>(
  x: usize, y: usize, rows: i32, columns: i32, xColumnStride: usize, yRowStride: usize,
): void {
  const line: i32 = <i32>(64 / sizeof<T>())
  // Floats in fours; what is left of them, and bytes, block by block.
  const wholeRows = sizeof<T>() == 4 ? rows & -4 : 0, wholeColumns = sizeof<T>() == 4 ? columns & -4 : 0
  for (let firstRow = 0; firstRow < rows; firstRow += STRIP) {
    const count = min(STRIP, rows - firstRow), whole = min(firstRow + STRIP, wholeRows)
    for (let column = 0; column < columns; column += line) {
      const left = min(line, columns - column), fours = min(line, wholeColumns - column)
      let from = x + column * xColumnStride + firstRow * <i32>sizeof<T>()
      let to = y + firstRow * yRowStride + column * <i32>sizeof<T>()
      if (fours <= 0) {
        transposeBlocks<T>(from, to, count, left, xColumnStride, yRowStride)
        continue
      }
      if (fours < left) transposeBlocks<T>(
        from + fours * xColumnStride, to + fours * 4, count, left - fours, xColumnStride, yRowStride,
      )
      let row = firstRow
      for (; row < whole; row += 4) {
        transposeFour(from, to, fours, xColumnStride, yRowStride)
        from += 16
        to += yRowStride * 4
      }
      if (row < firstRow + count) transposeBlocks<T>(
        from, to, firstRow + count - row, fours, xColumnStride, yRowStride,
      )
    }
  }
}

/** 4 rows of as many floats, a multiple of 4. */
// @ts-ignore: decorator
@inline
function transposeFour(x: usize, y: usize, columns: i32, xColumnStride: usize, yRowStride: usize): void {
  for (const end = y + columns * 4; y < end; y += 16) {
    transposeBlock(x, y, 4, 4, xColumnStride, yRowStride)
    x += xColumnStride * 4
  }
}

function transposeBlocks<T>(
  x: usize, y: usize, rows: i32, columns: i32, xColumnStride: usize, yRowStride: usize,
): void {
  const block: i32 = sizeof<T>() == 1 ? 8 : 4
  for (let row = 0; row < rows; row += block) {
    let from = x + row * <i32>sizeof<T>(), to = y + row * yRowStride
    for (let column = 0; column < columns; column += block) {
      if (sizeof<T>() == 1) transposeBytes(from, to, rows - row, columns - column, xColumnStride, yRowStride)
      else transposeBlock(from, to, rows - row, columns - column, xColumnStride, yRowStride)
      from += block * xColumnStride
      to += block * <i32>sizeof<T>()
    }
  }
}

/**
 * 8 x 8 bytes, or as many of them as there are. Loads may reach up to seven bytes beyond the rows; those are
 * not stored.
 */
// @ts-ignore: decorator
@inline
function transposeBytes(
  x: usize, y: usize, rows: i32, columns: i32, xColumnStride: usize, yRowStride: usize,
): void {
  // Columns that are not there repeat the one before.
  const x1 = columns > 1 ? x + xColumnStride : x, x2 = columns > 2 ? x1 + xColumnStride : x1
  const x3 = columns > 3 ? x2 + xColumnStride : x2
  const x4 = columns > 4 ? x3 + xColumnStride : x3, x5 = columns > 5 ? x4 + xColumnStride : x4
  const x6 = columns > 6 ? x5 + xColumnStride : x5, x7 = columns > 7 ? x6 + xColumnStride : x6
  const c01 = mixBytes(v128.load64_zero(x), v128.load64_zero(x1))
  const c23 = mixBytes(v128.load64_zero(x2), v128.load64_zero(x3))
  const c45 = mixBytes(v128.load64_zero(x4), v128.load64_zero(x5))
  const c67 = mixBytes(v128.load64_zero(x6), v128.load64_zero(x7))
  // Rows 0 to 3, and 4 to 7, of four columns each.
  const a0 = v128.shuffle<i16>(c01, c23, 0, 8, 1, 9, 2, 10, 3, 11)
  const a4 = v128.shuffle<i16>(c01, c23, 4, 12, 5, 13, 6, 14, 7, 15)
  const b0 = v128.shuffle<i16>(c45, c67, 0, 8, 1, 9, 2, 10, 3, 11)
  const b4 = v128.shuffle<i16>(c45, c67, 4, 12, 5, 13, 6, 14, 7, 15)
  y = storeTwoRows(y, v128.shuffle<i32>(a0, b0, 0, 4, 1, 5), rows, columns, yRowStride)
  if (rows > 2) y = storeTwoRows(y, v128.shuffle<i32>(a0, b0, 2, 6, 3, 7), rows - 2, columns, yRowStride)
  if (rows > 4) y = storeTwoRows(y, v128.shuffle<i32>(a4, b4, 0, 4, 1, 5), rows - 4, columns, yRowStride)
  if (rows > 6) storeTwoRows(y, v128.shuffle<i32>(a4, b4, 2, 6, 3, 7), rows - 6, columns, yRowStride)
}

/** The low eight bytes of both, in turns. */
// @ts-ignore: decorator
@inline
function mixBytes(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
}

/**
 * A row of up to eight bytes from each half of v, the second where there is one; gives the address of the row
 * after them.
 */
// @ts-ignore: decorator
@inline
function storeTwoRows(y: usize, v: v128, rows: i32, columns: i32, yRowStride: usize): usize {
  if (columns >= 8) v128.store64_lane(y, v, 0)
  else storeBytes(y, v, columns)
  y += yRowStride
  if (rows > 1) {
    if (columns >= 8) v128.store64_lane(y, v, 1)
    else storeBytes(y, v128.shuffle<i64>(v, v, 1, 1), columns)
  }
  return y + yRowStride
}

/**
 * 4 x 4 elements, or as many of them as there are. Loads may reach up to three floats beyond the rows; those
 * lanes are not stored.
 */
// @ts-ignore: decorator
@inline
function transposeBlock(
  x: usize, y: usize, rows: i32, columns: i32, xColumnStride: usize, yRowStride: usize,
): void {
  // Columns that are not there repeat the last one.
  const x1 = columns > 1 ? x + xColumnStride : x, x2 = columns > 2 ? x1 + xColumnStride : x1
  const x3 = columns > 3 ? x2 + xColumnStride : x2
  const a = v128.load(x), b = v128.load(x1), c = v128.load(x2), d = v128.load(x3)
  const ab01 = v128.shuffle<f32>(a, b, 0, 4, 1, 5), ab23 = v128.shuffle<f32>(a, b, 2, 6, 3, 7)
  const cd01 = v128.shuffle<f32>(c, d, 0, 4, 1, 5), cd23 = v128.shuffle<f32>(c, d, 2, 6, 3, 7)
  storeColumns(y, v128.shuffle<i64>(ab01, cd01, 0, 2), columns)
  if (rows > 1) storeColumns(y + yRowStride, v128.shuffle<i64>(ab01, cd01, 1, 3), columns)
  if (rows > 2) storeColumns(y + yRowStride * 2, v128.shuffle<i64>(ab23, cd23, 0, 2), columns)
  if (rows > 3) storeColumns(y + yRowStride * 3, v128.shuffle<i64>(ab23, cd23, 1, 3), columns)
}

// @ts-ignore: decorator
@inline
function storeColumns(y: usize, v: v128, columns: i32): void {
  if (columns >= 4) v128.store(y, v)
  else storePart(y, v, columns)
}
