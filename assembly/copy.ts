/** Moving values without changing them: packing weights, copying boxes between layouts. */
import { Copy, CopyAxis, Elements, Gather, Pack, ScatterOp } from './abi'
import { combinedFloat, combinedInteger } from './places'
import { storeBytes, storeLanes, storePart } from './simd'
import { transposeRows } from './transpose'

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

/** Each of `count` floats `times` times; writes up to three more behind the last one. */
export function repeatFloats(to: usize, from: usize, count: i32, times: usize): void {
  const end = from + (<usize>count << 2)
  if (times == 2) {
    // Pairs of two channels.
    for (; from + 16 <= end; from += 16) {
      const v = v128.load(from)
      v128.store(to, v128.shuffle<i32>(v, v, 0, 0, 1, 1))
      v128.store(to, v128.shuffle<i32>(v, v, 2, 2, 3, 3), 16)
      to += 32
    }
  }
  for (; from < end; from += 4) {
    const v = v128.load32_splat(from)
    for (let i: usize = 0; i < times; i += 4) v128.store(to + (i << 2), v)
    to += times << 2
  }
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
    if (out && inner == 1) {
      const to = args.y + at * sizeof<T>(), from = args.indices + (at << 2)
      for (let i: usize = 0; i < <usize>count; i++) {
        store<T>(to + i * sizeof<T>(), load<T>(x + <usize>load<i32>(from + (i << 2)) * sizeof<T>()))
      }
      continue
    }
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
