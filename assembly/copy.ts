/** Moving values without changing them: packing weights, copying boxes between layouts. */
import { Copy, CopyAxis, Elements, Gather, Pack, ScatterOp } from './abi'
import { combinedFloat, combinedInteger } from './places'
import { storeBytes, storeLanes, storePart } from './simd'

/**
 * Unit: one panel. Any strided matrix becomes panels of `width` columns (8 or 4), the last one filled up with
 * zeros:
 *
 *   source[group][tapH][tapW][row][column]  ->  panels[group][column / width][tapH][tapW][row][width]
 */
export function pack(call: usize, begin: i32, end: i32): void {
  const args = changetype<Pack>(call)
  const columns = args.columns, depth = args.depth
  const tapsH = args.tapsH, tapsW = args.tapsW
  const tapHStride = args.tapHStride, tapWStride = args.tapWStride
  const rowStride = args.rowStride, columnStride = args.columnStride
  const width = args.width
  const groupPanels = (columns + width - 1) / width
  const tapBytes = depth * width * 4
  let to = args.panels + begin * tapsH * tapsW * tapBytes
  for (let u = begin; u < end; u++) {
    const group = u / groupPanels, column = (u % groupPanels) * width
    const used = min(width, columns - column)
    const panel = args.source + group * args.groupStride + column * columnStride
    if (used < width) memory.fill(to, 0, tapsH * tapsW * tapBytes)
    for (let ty = 0; ty < tapsH; ty++) {
      for (let tx = 0; tx < tapsW; tx++) {
        copyPlane<f32>(
          panel + ty * tapHStride + tx * tapWStride, to, depth, used, rowStride, width * 4, columnStride, 4,
        )
        to += tapBytes
      }
    }
  }
}

/**
 * Unit: `unitRows` rows at one index of the outer axes.
 *
 *   y[i * yStrides + row * yRowStride + column * yColumnStride] = x[i * xStrides + row * xRowStride + column
 *   * xColumnStride]
 *
 * Elements are of 1, 4 or 8 bytes. A stride of 0 repeats x. Fast where the columns are neighbours in y, and
 * in x either they are too, or the rows are (not of 8 bytes), or all are one value.
 */
export function copy(call: usize, begin: i32, end: i32): void {
  const args = changetype<Copy>(call)
  const rows = args.rows, columns = args.columns, unitRows = args.unitRows
  const xRowStride = args.xRowStride, yRowStride = args.yRowStride
  const xColumnStride = args.xColumnStride, yColumnStride = args.yColumnStride
  const blocks = (rows + unitRows - 1) / unitRows
  const bytes = args.bytes
  const from = args.x
  const source = from ? from : call + offsetof<Copy>('value')
  for (let u = begin; u < end; u++) {
    const row = (u % blocks) * unitRows, count = min(unitRows, rows - row)
    let x = source + row * xRowStride, y = args.y + row * yRowStride
    let index = u / blocks
    for (let i = args.rank - 1; i >= 0; i--) {
      const axis = changetype<CopyAxis>(call + offsetof<Copy>() + i * offsetof<CopyAxis>())
      const length = axis.length
      x += (index % length) * axis.xStride
      y += (index % length) * axis.yStride
      index /= length
    }
    if (bytes == 8) copyPlane<u64>(
      x, y, count, columns, xRowStride, yRowStride, xColumnStride, yColumnStride,
    )
    else if (bytes == 1) copyPlane<u8>(
      x, y, count, columns, xRowStride, yRowStride, xColumnStride, yColumnStride,
    )
    else copyPlane<f32>(x, y, count, columns, xRowStride, yRowStride, xColumnStride, yColumnStride)
  }
}

/** y[row * yRowStride + column * yColumnStride] = x[row * xRowStride + column * xColumnStride] */
function copyPlane<T>(
  x: usize, y: usize, rows: i32, columns: i32, xRowStride: usize, yRowStride: usize, xColumnStride: usize,
  yColumnStride: usize,
): void {
  if (yColumnStride != sizeof<T>()) copyScattered<T>(
    x, y, rows, columns, xRowStride, yRowStride, xColumnStride, yColumnStride,
  )
  else if (xColumnStride == sizeof<T>()) copyRows<T>(x, y, rows, columns, xRowStride, yRowStride)
  else if (sizeof<T>() == 8) copyScattered<T>(
    x, y, rows, columns, xRowStride, yRowStride, xColumnStride, yColumnStride,
  )
  else if (xRowStride == sizeof<T>()) transposeRows<T>(x, y, rows, columns, xColumnStride, yRowStride)
  else if (xColumnStride == 0) fillRows<T>(x, y, rows, columns, xRowStride, yRowStride)
  else copyScattered<T>(x, y, rows, columns, xRowStride, yRowStride, xColumnStride, sizeof<T>())
}

/**
 * Reads a word of each line of `bytes` of memory in their order, which memory foresees, so that the cache has
 * them. `to` takes what nobody needs, so that the loads stay.
 */
export function bringIn(from: usize, bytes: usize, to: usize): void {
  let all: i32 = 0
  for (const end = from + bytes; from < end; from += 64) all |= load<i32>(from)
  store<i32>(to, all)
}

/** `count` floats from x to y. */
// @ts-ignore: decorator
@inline
export function copyFloats(x: usize, y: usize, count: i32): void {
  // memory.copy is 12% faster with megabytes, but the call alone takes as long as this loop does for 16
  // floats.
  if (count >= 128) {
    memory.copy(y, x, count * 4)
    return
  }
  for (; count >= 4; count -= 4) {
    v128.store(y, v128.load(x))
    x += 16
    y += 16
  }
  for (; count > 0; count--) {
    store<f32>(y, load<f32>(x))
    x += 4
    y += 4
  }
}

/** `count` bytes from x to y. */
export function copyBytes(x: usize, y: usize, count: i32): void {
  if (count >= 512) {
    memory.copy(y, x, count)
    return
  }
  for (; count >= 16; count -= 16) {
    v128.store(y, v128.load(x))
    x += 16
    y += 16
  }
  for (; count >= 4; count -= 4) {
    store<u32>(y, load<u32>(x))
    x += 4
    y += 4
  }
  for (; count > 0; count--) store<u8>(y++, load<u8>(x++))
}

function copyRows<T>(
  x: usize, y: usize, rows: i32, columns: i32, xRowStride: usize, yRowStride: usize,
): void {
  for (; rows; rows--) {
    if (sizeof<T>() == 1) copyBytes(x, y, columns)
    else if (sizeof<T>() == 8) copyFloats(x, y, columns * 2)
    else if (columns == 8) {
      v128.store(y, v128.load(x))
      v128.store(y, v128.load(x, 16), 16)
    } else copyFloats(x, y, columns)
    x += xRowStride
    y += yRowStride
  }
}

function fillRows<T>(
  x: usize, y: usize, rows: i32, columns: i32, xRowStride: usize, yRowStride: usize,
): void {
  for (; rows; rows--) {
    const v = sizeof<T>() == 1 ? v128.load8_splat(x) : v128.load32_splat(x)
    let to = y, left = columns
    for (; left >= <i32>(16 / sizeof<T>()); left -= <i32>(16 / sizeof<T>())) {
      v128.store(to, v)
      to += 16
    }
    if (sizeof<T>() == 1) storeBytes(to, v, left)
    else storePart(to, v, left)
    x += xRowStride
    y += yRowStride
  }
}

function copyScattered<T>(
  x: usize, y: usize, rows: i32, columns: i32, xRowStride: usize, yRowStride: usize, xColumnStride: usize,
  yColumnStride: usize,
): void {
  for (; rows; rows--) {
    let from = x, to = y
    for (let left = columns; left; left--) {
      store<T>(to, load<T>(from))
      from += xColumnStride
      to += yColumnStride
    }
    x += xRowStride
    y += yRowStride
  }
}

/**
 * x[column][row] -> y[row][column], in squares whose rows are cache lines of 64 bytes: those on each side are
 * used up before the next square's come.
 */
function transposeRows<T>(
  x: usize, y: usize, rows: i32, columns: i32, xColumnStride: usize, yRowStride: usize,
): void {
  const square: i32 = <i32>(64 / sizeof<T>()), block: i32 = sizeof<T>() == 1 ? 8 : 4
  for (let firstRow = 0; firstRow < rows; firstRow += square) {
    for (let firstColumn = 0; firstColumn < columns; firstColumn += square) {
      const rowEnd = min(firstRow + square, rows), columnEnd = min(firstColumn + square, columns)
      for (let row = firstRow; row < rowEnd; row += block) {
        for (let column = firstColumn; column < columnEnd; column += block) {
          const from = x + column * xColumnStride + row * <i32>sizeof<T>()
          const to = y + row * yRowStride + column * <i32>sizeof<T>()
          if (sizeof<T>() == 1) transposeBytes(
            from, to, rowEnd - row, columnEnd - column, xColumnStride, yRowStride,
          )
          else transposeBlock(from, to, rowEnd - row, columnEnd - column, xColumnStride, yRowStride)
        }
      }
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

/** Unit: one index of one outer. y[outer][i] = table[outer][indices[i]], rows of `inner` elements */
export function gather(call: usize, begin: i32, end: i32): void {
  moveRows(call, begin, end, false)
}

/** Unit: one index of one outer. table[outer][indices[i]] = y[outer][i]; no index comes twice */
export function scatter(call: usize, begin: i32, end: i32): void {
  moveRows(call, begin, end, true)
}

// @ts-ignore: decorator
@inline
function moveRows(call: usize, begin: i32, end: i32, back: bool): void {
  const args = changetype<Gather>(call)
  const count = args.count, rows = args.rows
  const bytes = args.inner * args.bytes
  if (begin >= end) return
  let first = begin / count * rows, i = begin % count
  for (let u = begin; u < end; u++) {
    const row = first + load<i32>(args.indices + (<usize>i << 2))
    if (++i == count) {
      i = 0
      first += rows
    }
    const table = args.table + <usize>row * bytes, y = args.y + <usize>u * bytes
    if (bytes == 4) {
      if (back) store<u32>(table, load<u32>(y))
      else store<u32>(y, load<u32>(table))
    } else if (bytes == 8) {
      if (back) store<u64>(table, load<u64>(y))
      else store<u64>(y, load<u64>(table))
    } else if (back) copyBytes(y, table, bytes)
    else copyBytes(table, y, bytes)
  }
}

/**
 * Unit: 16 columns of one outer. table[outer][indices[i]] += y[outer][i], in the order of i; the table is
 * cleared before where that is asked for.
 */
export function scatterAdd(call: usize, begin: i32, end: i32): void {
  const args = changetype<Gather>(call)
  const inner = args.inner, rows = args.rows, count = args.count
  const clear = args.clear, integers = args.integers
  const stride = <usize>inner << 2
  const strips = (inner + 15) / 16
  for (let u = begin; u < end; u++) {
    const outer = u / strips, first = (u - outer * strips) * 16
    const width = min(16, inner - first)
    const table = args.table + (<usize>(outer * rows * inner + first) << 2)
    let y = args.y + (<usize>(outer * count * inner + first) << 2)
    if (clear) for (let row = 0; row < rows; row++) memory.fill(table + row * stride, 0, width * 4)
    for (let i = 0; i < count; i++) {
      const to = table + load<i32>(args.indices + (<usize>i << 2)) * stride
      for (let c = 0; c < width; c += 4) {
        const at: usize = c * 4
        const a = v128.load(to + at), b = v128.load(y + at)
        storeLanes(to + at, integers ? i32x4.add(a, b) : f32x4.add(a, b), min(4, width - c))
      }
      y += stride
    }
  }
}

/** Unit: `unit` vectors along the axis. y[i] = x[indices[i]] */
export function gatherElements(call: usize, begin: i32, end: i32): void {
  const bytes = changetype<Elements>(call).bytes
  if (bytes == 1) moveElements<u8>(call, begin, end, true)
  else if (bytes == 8) moveElements<u64>(call, begin, end, true)
  else moveElements<u32>(call, begin, end, true)
}

/**
 * Unit: `unit` vectors along the axis. x[indices[i]] = y[i], of several to one place the last; or another
 * ScatterOp, one after the other.
 */
export function scatterElements(call: usize, begin: i32, end: i32): void {
  const bytes = changetype<Elements>(call).bytes
  if (bytes == 1) moveElements<u8>(call, begin, end, false)
  else if (bytes == 8) moveElements<u64>(call, begin, end, false)
  else moveElements<u32>(call, begin, end, false)
}

// @ts-ignore: decorator
@inline
function moveElements<T>(call: usize, begin: i32, end: i32, out: bool): void {
  const args = changetype<Elements>(call)
  const n = args.n, count = args.count, inner = args.inner
  const op = args.op, integers = args.integers
  const last = min(args.vectors, end * args.unit)
  for (let v = begin * args.unit; v < last; v++) {
    const outer = v / inner, column = v - outer * inner
    const x = args.x + <usize>(outer * n * inner + column) * sizeof<T>()
    let at: usize = outer * count * inner + column
    if (!out && args.clear) for (let i = 0; i < n; i++) store<T>(x + <usize>(i * inner) * sizeof<T>(), 0)
    for (let i = 0; i < count; i++) {
      const place = x + <usize>(load<i32>(args.indices + (at << 2)) * inner) * sizeof<T>()
      const y = args.y + at * sizeof<T>()
      if (out) store<T>(y, load<T>(place))
      else if (op == ScatterOp.put) store<T>(place, load<T>(y))
      else if (integers) store<i32>(place, combinedInteger(op, load<i32>(place), load<i32>(y)))
      else store<f32>(place, combinedFloat(op, load<f32>(place), load<f32>(y)))
      at += inner
    }
  }
}
