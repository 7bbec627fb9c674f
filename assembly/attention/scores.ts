/** What attention and its gradient share: products of rows, and scores with their mask. */
import { Attention } from '../abi'
import { rolled } from '../arguments'
import { runTwoPanels } from '../dense/rolled'
import { plainProduct, runTiles } from '../dense/tile'
import { expFalling, tanh } from '../math'
import {
  TILE_ROWS, highHalf, loadLanes, loadPart, lowHalf, madd, storeLanes, storePart, sumLanes,
} from '../simd'

/** What a row's largest score starts from: of a row that sees nothing, exp(-Infinity - LOWEST) is 0. */
export const LOWEST: f32 = -3.4028234663852886e38

/** Bytes of `count` floats, up to whole cache lines. */
// @ts-ignore: decorator
@inline
export function room(count: i32): usize {
  return <usize>((count + 15) & -16) << 2
}

/** Notes in table [2 * rows] where the rows of x and y are, for `product`. */
export function rowTable(table: usize, rows: i32, x: usize, xStride: usize, y: usize, yStride: usize): void {
  for (let r = 0; r < rows; r += TILE_ROWS) {
    const count = min(TILE_ROWS, rows - r)
    for (let i = 0; i < count; i++) {
      store<usize>(table + (<usize>i << 2), y)
      store<usize>(table + (<usize>(count + i) << 2), x)
      y += yStride
      x += xStride
    }
    table += <usize>count << 3
  }
}

/**
 * y [rows, columns] = x [rows, depth] times panels [columns / 8][panelDepth][8] from row 0 of each on: of the
 * rows that a table notes; zeros: [8]
 */
export function product(
  rows: i32, table: usize, depth: i32, panels: usize, panelDepth: i32, columns: i32, zeros: usize,
): void {
  const panelBytes = <usize>panelDepth << 5, p = plainProduct(1, depth, panelBytes, zeros)
  for (let column = 0, taken = 0; column < columns; column += taken) {
    const left = columns - column
    taken = left > 8 && rolled() ? 16 : 8
    p.w = panels + (<usize>column >> 3) * panelBytes
    p.yOffset = <usize>column << 2
    p.columns = min(taken, left)
    if (taken == 16) runTwoPanels(p, rows, table)
    else runTiles(p, rows, table)
  }
}

/** y = x * factor */
export function scaleFloats(x: usize, y: usize, count: i32, factor: f32): void {
  const f = f32x4.splat(factor)
  for (; count >= 4; count -= 4) {
    v128.store(y, f32x4.mul(v128.load(x), f))
    x += 16
    y += 16
  }
  storePart(y, f32x4.mul(loadPart(x, count), f), count)
}

/** y = y * keep + x * factor */
export function addFloats(x: usize, y: usize, count: i32, keep: f32, factor: f32): void {
  const k = f32x4.splat(keep), f = f32x4.splat(factor)
  for (; count >= 4; count -= 4) {
    v128.store(y, madd(v128.load(x), f, f32x4.mul(v128.load(y), k)))
    x += 16
    y += 16
  }
  storePart(y, madd(loadPart(x, count), f, f32x4.mul(loadPart(y, count), k)), count)
}

export function dot(a: usize, b: usize, count: i32): f32 {
  let sum = f32x4.splat(0)
  for (; count >= 4; count -= 4) {
    sum = madd(v128.load(a), v128.load(b), sum)
    a += 16
    b += 16
  }
  return sumLanes(madd(loadPart(a, count), loadPart(b, count), sum))
}

/** s[j] = q . k[j], four keys at a time. */
export function dots(q: usize, k: usize, keys: i32, size: i32, s: usize): void {
  const stride = <usize>size << 2, whole = <usize>(size & -4) << 2
  const rest = size & 3
  for (; keys > 0; keys -= 4) {
    // Where keys are fewer, the last is taken again.
    const k1 = k + (keys > 1 ? stride : 0), k2 = k1 + (keys > 2 ? stride : 0),
      k3 = k2 + (keys > 3 ? stride : 0)
    let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0
    for (let i: usize = 0; i < whole; i += 16) {
      const a = v128.load(q + i)
      c0 = madd(a, v128.load(k + i), c0)
      c1 = madd(a, v128.load(k1 + i), c1)
      c2 = madd(a, v128.load(k2 + i), c2)
      c3 = madd(a, v128.load(k3 + i), c3)
    }
    if (rest) {
      const a = loadPart(q + whole, rest)
      c0 = madd(a, loadPart(k + whole, rest), c0)
      c1 = madd(a, loadPart(k1 + whole, rest), c1)
      c2 = madd(a, loadPart(k2 + whole, rest), c2)
      c3 = madd(a, loadPart(k3 + whole, rest), c3)
    }
    const c01 = f32x4.add(v128.shuffle<f32>(c0, c1, 0, 4, 1, 5), v128.shuffle<f32>(c0, c1, 2, 6, 3, 7))
    const c23 = f32x4.add(v128.shuffle<f32>(c2, c3, 0, 4, 1, 5), v128.shuffle<f32>(c2, c3, 2, 6, 3, 7))
    v128.store(s, f32x4.add(v128.shuffle<f32>(c01, c23, 0, 1, 4, 5), v128.shuffle<f32>(c01, c23, 2, 3, 6, 7)))
    s += 16
    k += stride << 2
  }
}

/** y = sum over j of p[j] * v[j] */
export function mix(p: usize, v: usize, keys: i32, valueSize: i32, y: usize): void {
  const stride = <usize>valueSize << 2, end = p + (<usize>keys << 2)
  let left = valueSize
  for (; left >= 16; left -= 16) {
    let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0
    for (let i = p, from = v; i < end; i += 4) {
      const a = v128.load32_splat(i)
      c0 = madd(a, v128.load(from), c0)
      c1 = madd(a, v128.load(from, 16), c1)
      c2 = madd(a, v128.load(from, 32), c2)
      c3 = madd(a, v128.load(from, 48), c3)
      from += stride
    }
    v128.store(y, c0)
    v128.store(y, c1, 16)
    v128.store(y, c2, 32)
    v128.store(y, c3, 48)
    v += 64
    y += 64
  }
  for (; left > 0; left -= 4) {
    const lanes = min(4, left)
    let c = f32x4.splat(0)
    for (let i = p, from = v; i < end; i += 4) {
      c = madd(v128.load32_splat(i), loadLanes(from, lanes), c)
      from += stride
    }
    storeLanes(y, c, lanes)
    v += 16
    y += 16
  }
}

/** Keys that some of `count` rows from `row` on may see. */
export function visible(args: Attention, row: i32, count: i32): i32 {
  const length = args.length, last = row + count - 1
  const i = row / length == last / length ? last % length : length - 1
  return min(args.keys, args.first + i + 1)
}

/**
 * Products q . k of `row` with keys [j, j + count) to scores: capped, masked; -Infinity for what is hidden,
 * up to a multiple of 4.
 */
export function settle(args: Attention, head: i32, row: i32, s: usize, j: i32, count: i32): void {
  const hidden = f32x4.splat(-Infinity)
  const length = args.length, i = row % length
  const softcap = args.softcap, mask = args.mask
  if (softcap) {
    const cap = f32x4.splat(softcap), part = f32x4.splat(1 / softcap)
    for (let n: usize = 0; n < <usize>count << 2; n += 16)
      v128.store(s + n, f32x4.mul(tanh(f32x4.mul(v128.load(s + n), part)), cap))
  }
  const seen = max(0, min(count, args.first + i + 1 - j))
  if (mask) {
    const imageHeads = args.imageHeads, step = <usize>args.maskKeyStride
    let m = mask + (head / imageHeads) * args.maskImageStride
      + ((head % imageHeads) * args.group + row / length) * args.maskHeadStride
      + i * args.maskRowStride + j * step
    const bytes = args.maskBytes == 1
    let to = s
    for (let left = seen; left > 0; left -= 4) {
      const lanes = min(4, left), v = v128.load(to)
      if (bytes) v128.store(to, v128.bitselect(hidden, v,
        i32x4.eq(step ? loadMask(m, lanes) : i32x4.splat(load<u8>(m)), i32x4.splat(0))))
      else v128.store(to, f32x4.add(v, step ? loadLanes(m, lanes) : v128.load32_splat(m)))
      to += 16
      m += step << 2
    }
  }
  const end = s + (<usize>((count + 3) & -4) << 2)
  for (s += <usize>seen << 2; s < end; s += 4) store<f32>(s, -Infinity)
}

/** `lanes` (1 to 4) bytes as 32-bit integers; 0 beside them. */
// @ts-ignore: decorator
@inline
export function loadMask(m: usize, lanes: i32): v128 {
  let bytes: u32 = 0
  if (lanes == 4) bytes = load<u32>(m)
  else for (let i = lanes - 1; i >= 0; i--) bytes = (bytes << 8) | load<u8>(m + i)
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i32x4(bytes, 0, 0, 0)))
}

/** s = exp(s - m) for `count` floats, up to a multiple of 4; their sum. */
export function exponentials(s: usize, count: i32, m: f32): f64 {
  const peak = f32x4.splat(m)
  let sum0 = f32x4.splat(0), sum1 = sum0
  const end = s + (<usize>((count + 3) & -4) << 2)
  for (; s + 32 <= end; s += 32) {
    const e0 = expFalling(f32x4.sub(v128.load(s), peak)), e1 = expFalling(f32x4.sub(v128.load(s, 16), peak))
    v128.store(s, e0)
    v128.store(s, e1, 16)
    sum0 = f32x4.add(sum0, e0)
    sum1 = f32x4.add(sum1, e1)
  }
  if (s < end) {
    const e = expFalling(f32x4.sub(v128.load(s), peak))
    v128.store(s, e)
    sum0 = f32x4.add(sum0, e)
  }
  const low = f64x2.add(f64x2.add(lowHalf(sum0), highHalf(sum0)), f64x2.add(lowHalf(sum1), highHalf(sum1)))
  return f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1)
}

/** 1 / sum; 0 for a row that sees nothing. */
// @ts-ignore: decorator
@inline
export function shareOf(sum: f64): f32 {
  return sum == 0 ? 0 : <f32>(1 / sum)
}
