/** Moving values without changing them: packing weights, copying boxes between layouts. */
import { address, word } from './arguments'
import { Copy, Gather, Pack } from './calls'
import { storeLanes, storePart } from './simd'

/**
 * Unit: one panel. Any strided matrix becomes panels of `width` columns (8 or 4), the last one filled up with zeros:
 *
 *   source[group][tapH][tapW][row][column]  ->  panels[group][column / width][tapH][tapW][row][width]
 */
export function pack(call: usize, begin: i32, end: i32): void {
  const columns = word(call, Pack.columns), depth = word(call, Pack.depth)
  const tapsH = word(call, Pack.tapsH), tapsW = word(call, Pack.tapsW)
  const tapHStride = word(call, Pack.tapHStride), tapWStride = word(call, Pack.tapWStride)
  const rowStride = word(call, Pack.rowStride), columnStride = word(call, Pack.columnStride)
  const width = word(call, Pack.width)
  const groupPanels = (columns + width - 1) / width
  const tapBytes = depth * width * 4
  let to = address(call, Pack.panels) + begin * tapsH * tapsW * tapBytes
  for (let u = begin; u < end; u++) {
    const group = u / groupPanels, column = (u % groupPanels) * width
    const used = min(width, columns - column)
    const panel = address(call, Pack.source) + group * word(call, Pack.groupStride) + column * columnStride
    if (used < width) memory.fill(to, 0, tapsH * tapsW * tapBytes)
    for (let ty = 0; ty < tapsH; ty++) {
      for (let tx = 0; tx < tapsW; tx++) {
        copyPlane(panel + ty * tapHStride + tx * tapWStride, to, depth, used, rowStride, width * 4, columnStride, 4)
        to += tapBytes
      }
    }
  }
}

/**
 * Unit: `unitRows` rows at one index of the outer axes.
 *
 *   y[i * yStrides + row * yRowStride + column * yColumnStride] = x[i * xStrides + row * xRowStride + column * xColumnStride]
 *
 * A stride of 0 repeats x. Fast where the columns are neighbours in y, and in x either they are too, or the rows are, or all are one value.
 */
export function copy(call: usize, begin: i32, end: i32): void {
  const rows = word(call, Copy.rows), columns = word(call, Copy.columns), unitRows = word(call, Copy.unitRows)
  const xRowStride = word(call, Copy.xRowStride), yRowStride = word(call, Copy.yRowStride)
  const xColumnStride = word(call, Copy.xColumnStride), yColumnStride = word(call, Copy.yColumnStride)
  const blocks = (rows + unitRows - 1) / unitRows
  const from = address(call, Copy.x)
  const source = from ? from : call + Copy.value * 4
  for (let u = begin; u < end; u++) {
    const row = (u % blocks) * unitRows, count = min(unitRows, rows - row)
    let x = source + row * xRowStride, y = address(call, Copy.y) + row * yRowStride
    let index = u / blocks
    for (let i = word(call, Copy.rank) - 1; i >= 0; i--) {
      const axis = Copy.axes + i * 3
      const length = word(call, axis)
      x += (index % length) * word(call, axis + 1)
      y += (index % length) * word(call, axis + 2)
      index /= length
    }
    copyPlane(x, y, count, columns, xRowStride, yRowStride, xColumnStride, yColumnStride)
  }
}

/** y[row * yRowStride + column * yColumnStride] = x[row * xRowStride + column * xColumnStride] */
function copyPlane(x: usize, y: usize, rows: i32, columns: i32, xRowStride: usize, yRowStride: usize, xColumnStride: usize, yColumnStride: usize): void {
  if (yColumnStride != 4) copyScattered(x, y, rows, columns, xRowStride, yRowStride, xColumnStride, yColumnStride)
  else if (xColumnStride == 4) copyRows(x, y, rows, columns, xRowStride, yRowStride)
  else if (xRowStride == 4) transposeRows(x, y, rows, columns, xColumnStride, yRowStride)
  else if (xColumnStride == 0) fillRows(x, y, rows, columns, xRowStride, yRowStride)
  else copyScattered(x, y, rows, columns, xRowStride, yRowStride, xColumnStride, 4)
}

/** `count` floats from x to y. */
// @ts-ignore: decorator
@inline
export function copyFloats(x: usize, y: usize, count: i32): void {
  // memory.copy is 12% faster with megabytes, but the call alone takes as long as this loop does for 16 floats.
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

function copyRows(x: usize, y: usize, rows: i32, columns: i32, xRowStride: usize, yRowStride: usize): void {
  for (; rows; rows--) {
    if (columns == 8) {
      v128.store(y, v128.load(x))
      v128.store(y, v128.load(x, 16), 16)
    } else copyFloats(x, y, columns)
    x += xRowStride
    y += yRowStride
  }
}

function fillRows(x: usize, y: usize, rows: i32, columns: i32, xRowStride: usize, yRowStride: usize): void {
  for (; rows; rows--) {
    const v = v128.load32_splat(x)
    let to = y, left = columns
    for (; left >= 4; left -= 4) {
      v128.store(to, v)
      to += 16
    }
    storePart(to, v, left)
    x += xRowStride
    y += yRowStride
  }
}

function copyScattered(x: usize, y: usize, rows: i32, columns: i32, xRowStride: usize, yRowStride: usize, xColumnStride: usize, yColumnStride: usize): void {
  for (; rows; rows--) {
    let from = x, to = y
    for (let left = columns; left; left--) {
      store<f32>(to, load<f32>(from))
      from += xColumnStride
      to += yColumnStride
    }
    x += xRowStride
    y += yRowStride
  }
}

/** x[column][row] -> y[row][column], in squares of 16 x 16: their 16 cache lines on each side are used up before the next square's come. */
function transposeRows(x: usize, y: usize, rows: i32, columns: i32, xColumnStride: usize, yRowStride: usize): void {
  for (let row16 = 0; row16 < rows; row16 += 16) {
    for (let column16 = 0; column16 < columns; column16 += 16) {
      const rowEnd = min(row16 + 16, rows), columnEnd = min(column16 + 16, columns)
      for (let row = row16; row < rowEnd; row += 4) {
        for (let column = column16; column < columnEnd; column += 4) {
          transposeBlock(x + column * xColumnStride + row * 4, y + row * yRowStride + column * 4, rowEnd - row, columnEnd - column, xColumnStride, yRowStride)
        }
      }
    }
  }
}

/** 4 x 4 elements, or as many of them as there are. Loads may reach up to three floats beyond the rows; those lanes are not stored. */
// @ts-ignore: decorator
@inline
function transposeBlock(x: usize, y: usize, rows: i32, columns: i32, xColumnStride: usize, yRowStride: usize): void {
  // Columns that are not there repeat the last one.
  const x1 = columns > 1 ? x + xColumnStride : x, x2 = columns > 2 ? x1 + xColumnStride : x1, x3 = columns > 3 ? x2 + xColumnStride : x2
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

/** Unit: one row. y[row] = table[indices[row]] */
export function gather(call: usize, begin: i32, end: i32): void {
  const bytes: usize = word(call, Gather.columns) * 4
  for (let u = begin; u < end; u++) {
    memory.copy(address(call, Gather.y) + u * bytes, address(call, Gather.table) + word(address(call, Gather.indices), u) * bytes, bytes)
  }
}

/** Unit: 16 columns. table[indices[row]] = the sum of these rows of dy, in their order; rows that no index names are 0. */
export function gatherGradient(call: usize, begin: i32, end: i32): void {
  const columns = word(call, Gather.columns), rows = word(call, Gather.rows), count = word(call, Gather.count)
  const stride: usize = columns * 4
  for (let first = begin * 16; first < min(columns, end * 16); first += 16) {
    const width = min(16, columns - first)
    const table = address(call, Gather.table) + first * 4
    let dy = address(call, Gather.y) + first * 4
    for (let row = 0; row < rows; row++) memory.fill(table + row * stride, 0, width * 4)
    for (let i = 0; i < count; i++) {
      const to = table + word(address(call, Gather.indices), i) * stride
      for (let c = 0; c < width; c += 4) {
        const at: usize = c * 4
        storeLanes(to + at, f32x4.add(v128.load(to + at), v128.load(dy + at)), min(4, width - c))
      }
      dy += stride
    }
  }
}
