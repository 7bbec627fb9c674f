/**
 * The register tile: `mr` pixels x 8 output channels, held in registers while everything that adds to them
 * streams by.
 *
 *   y[r][0..8) = clamp(b[0..8) + sum over taps t, k of x[r][t][k] * w[t][k][0..8))
 *
 * Dense convolution, matrix products and transposed convolution differ only in the addresses they give it:
 *
 *   table:  y[0] .. y[mr-1] | x[0] .. x[mr-1] of tap 0 | x[0] .. x[mr-1] of tap 1 | ...      (u32 addresses)
 *   w:      8 floats for each k of tap 0, then of tap 1, ...                                 (a panel)
 *
 * Products of integers are the same loop: where a float stands, a word holds two or four neighbours of k.
 *
 * The exits within and after each step stop V8's compiler (Node 20) from moving later loads ahead of the
 * arithmetic, which would spill the accumulators; newer V8 does not need them and does not mind. Those on
 * positive k end any depth; those on negative k are never taken. Witness: bench/run.ts, 1x1 and 3x3 layers.
 */
import { frame } from '../arguments'
import { FUSED, TILE_ROWS, clamp, madd, storePart } from '../simd'
import { QUICK, isOfBytes, storeIntegers, storeQuick } from '../quantize'

/**
 * What tiles are asked, in this thread's frame. Fields stay as they are until they are set anew; those of a
 * panel are set before each run of tiles, which may change them.
 */
@unmanaged
export class Product {
  /** Runs of x for each pixel, and words of each. */
  taps: usize; depth: usize
  /** Bytes from the addresses of a table: to the x of a group, and to the y of a panel. */
  xOffset: usize; yOffset: usize
  /** A panel, and where its sums start: 8 floats, or the finish of integers (quantize.ts). */
  w: usize; b: usize
  /** Bytes to those of the next panel. */
  wStride: usize; bStride: usize
  /** Columns that are used, of all panels of a run. */
  columns: usize
  low: f32; high: f32
  /** Of bytes: where the sums of the next pixel start; bytes to those of the one after it, and of a panel. */
  starts: usize; startStep: usize; startStride: usize
}

/** Of floats, one panel after the other: sums that start at zeros, and are not clamped. */
export function plainProduct(taps: usize, depth: usize, wStride: usize, zeros: usize): Product {
  const p = changetype<Product>(frame())
  p.taps = taps
  p.depth = depth
  p.xOffset = 0
  p.wStride = wStride
  p.b = zeros
  p.bStride = 0
  p.low = -Infinity
  p.high = Infinity
  return p
}

/** Goes on to the next panel, whose outputs lie `bytes` further on. */
// @ts-ignore: decorator
@inline
export function nextPanel(p: Product, bytes: usize, columns: usize): void {
  p.w += p.wStride
  p.b += p.bStride
  p.yOffset += bytes
  p.columns = columns
}

// @ts-ignore: decorator
@inline
function storeRow(y: usize, c0: v128, c1: v128, columns: usize, low: f32, high: f32): void {
  c0 = clamp(c0, f32x4.splat(low), f32x4.splat(high))
  c1 = clamp(c1, f32x4.splat(low), f32x4.splat(high))
  if (columns == 8) {
    v128.store(y, c0)
    v128.store(y, c1, 16)
  } else if (columns >= 4) {
    v128.store(y, c0)
    storePart(y + 16, c1, columns - 4)
  } else storePart(y, c0, columns)
}

/** What a tile's words are: floats, pairs of 16-bit integers, or four bytes each (signed ones in `w`). */
export const FLOATS: i32 = 0, PAIRS: i32 = 1, BYTES: i32 = 2

/** Rows of the tile over pairs: their sums need a register more than a multiply-add. */
export const PAIR_ROWS: i32 = 5

/** c and what a word of x, in all lanes, adds to it by four words of w. */
// @ts-ignore: decorator
@inline
export function mac(kind: i32, a: v128, w: v128, c: v128): v128 {
  if (kind == FLOATS) return madd(a, w, c)
  return FUSED && kind == BYTES ? i32x4.relaxed_dot_i8x16_i7x16_add_s(w, a, c)
    : i32x4.add(c, i32x4.dot_i16x8_s(a, w))
}

/** A row of a panel's outputs; b: where its sums started. */
// @ts-ignore: decorator
@inline
export function finishRow(
  kind: i32, b: usize, y: usize, c0: v128, c1: v128, columns: usize, low: f32, high: f32,
): void {
  if (kind == FLOATS) storeRow(y, c0, c1, columns, low, high)
  else storeIntegers(b, y, c0, c1, columns)
}

/** Bytes of a whole panel of a row's outputs. */
// @ts-ignore: decorator
@inline
export function panelBytes(kind: i32, b: usize): usize {
  return kind != FLOATS && isOfBytes(b) ? 8 : 32
}

// @ts-ignore: decorator
@inline
export function tile(p: Product, table: usize, kind: i32, mr: i32, narrow: bool): void {
  const step: usize = <usize>mr * 4, depth = p.depth, xOffset = p.xOffset
  // Full tiles are worth twice the code; tails are not.
  const tall = mr >= 5, pinned = tall && !FUSED
  let w = p.w
  let c00 = v128.load(p.b), c01 = v128.load(p.b, 16)
  let c10 = c00, c11 = c01, c20 = c00, c21 = c01, c30 = c00, c31 = c01, c40 = c00, c41 = c01, c50 = c00,
    c51 = c01
  if (kind == BYTES) {
    const own = p.startStep
    let b = p.starts
    c00 = v128.load(b); c01 = v128.load(b, 16); b += own
    if (mr > 1) { c10 = v128.load(b); c11 = v128.load(b, 16); b += own }
    if (mr > 2) { c20 = v128.load(b); c21 = v128.load(b, 16); b += own }
    if (mr > 3) { c30 = v128.load(b); c31 = v128.load(b, 16); b += own }
    if (mr > 4) { c40 = v128.load(b); c41 = v128.load(b, 16); b += own }
    if (mr > 5) { c50 = v128.load(b); c51 = v128.load(b, 16); b += own }
    p.starts = b
  }
  let a1: usize = 0, a2: usize = 0, a3: usize = 0, a4: usize = 0, a5: usize = 0
  let x = table + step
  for (let t = p.taps; t; t--) {
    let a0: usize = load<u32>(x) + xOffset
    if (mr > 1) a1 = load<u32>(x, 4) + xOffset
    if (mr > 2) a2 = load<u32>(x, 8) + xOffset
    if (mr > 3) a3 = load<u32>(x, 12) + xOffset
    if (mr > 4) a4 = load<u32>(x, 16) + xOffset
    if (mr > 5) a5 = load<u32>(x, 20) + xOffset
    x += step
    let k = depth
    while (true) {
      const b00 = v128.load(w), b01 = narrow ? b00 : v128.load(w, 16)
      { const a = v128.load32_splat(a0); c00 = mac(kind, a, b00, c00)
        if (!narrow) c01 = mac(kind, a, b01, c01) }
      if (pinned && k == -1001) break
      if (mr > 1) { const a = v128.load32_splat(a1); c10 = mac(kind, a, b00, c10)
        if (!narrow) c11 = mac(kind, a, b01, c11) }
      if (mr > 2) { const a = v128.load32_splat(a2); c20 = mac(kind, a, b00, c20)
        if (!narrow) c21 = mac(kind, a, b01, c21) }
      if (pinned && k == -1002) break
      if (mr > 3) { const a = v128.load32_splat(a3); c30 = mac(kind, a, b00, c30)
        if (!narrow) c31 = mac(kind, a, b01, c31) }
      if (mr > 4) { const a = v128.load32_splat(a4); c40 = mac(kind, a, b00, c40)
        if (!narrow) c41 = mac(kind, a, b01, c41) }
      if (mr > 5) { const a = v128.load32_splat(a5); c50 = mac(kind, a, b00, c50)
        if (!narrow) c51 = mac(kind, a, b01, c51) }
      if (k == 1) { w += 32; break }
      const b10 = v128.load(w, 32), b11 = narrow ? b10 : v128.load(w, 48)
      { const a = v128.load32_splat(a0, 4); c00 = mac(kind, a, b10, c00)
        if (!narrow) c01 = mac(kind, a, b11, c01) }
      if (pinned && k == -1003) break
      if (mr > 1) { const a = v128.load32_splat(a1, 4); c10 = mac(kind, a, b10, c10)
        if (!narrow) c11 = mac(kind, a, b11, c11) }
      if (mr > 2) { const a = v128.load32_splat(a2, 4); c20 = mac(kind, a, b10, c20)
        if (!narrow) c21 = mac(kind, a, b11, c21) }
      if (pinned && k == -1004) break
      if (mr > 3) { const a = v128.load32_splat(a3, 4); c30 = mac(kind, a, b10, c30)
        if (!narrow) c31 = mac(kind, a, b11, c31) }
      if (mr > 4) { const a = v128.load32_splat(a4, 4); c40 = mac(kind, a, b10, c40)
        if (!narrow) c41 = mac(kind, a, b11, c41) }
      if (mr > 5) { const a = v128.load32_splat(a5, 4); c50 = mac(kind, a, b10, c50)
        if (!narrow) c51 = mac(kind, a, b11, c51) }
      if (k == 2) { w += 64; break }
      const b20 = v128.load(w, 64), b21 = narrow ? b20 : v128.load(w, 80)
      { const a = v128.load32_splat(a0, 8); c00 = mac(kind, a, b20, c00)
        if (!narrow) c01 = mac(kind, a, b21, c01) }
      if (pinned && k == -1005) break
      if (mr > 1) { const a = v128.load32_splat(a1, 8); c10 = mac(kind, a, b20, c10)
        if (!narrow) c11 = mac(kind, a, b21, c11) }
      if (mr > 2) { const a = v128.load32_splat(a2, 8); c20 = mac(kind, a, b20, c20)
        if (!narrow) c21 = mac(kind, a, b21, c21) }
      if (pinned && k == -1006) break
      if (mr > 3) { const a = v128.load32_splat(a3, 8); c30 = mac(kind, a, b20, c30)
        if (!narrow) c31 = mac(kind, a, b21, c31) }
      if (mr > 4) { const a = v128.load32_splat(a4, 8); c40 = mac(kind, a, b20, c40)
        if (!narrow) c41 = mac(kind, a, b21, c41) }
      if (mr > 5) { const a = v128.load32_splat(a5, 8); c50 = mac(kind, a, b20, c50)
        if (!narrow) c51 = mac(kind, a, b21, c51) }
      if (k == 3) { w += 96; break }
      const b30 = v128.load(w, 96), b31 = narrow ? b30 : v128.load(w, 112)
      { const a = v128.load32_splat(a0, 12); c00 = mac(kind, a, b30, c00)
        if (!narrow) c01 = mac(kind, a, b31, c01) }
      if (pinned && k == -1007) break
      if (mr > 1) { const a = v128.load32_splat(a1, 12); c10 = mac(kind, a, b30, c10)
        if (!narrow) c11 = mac(kind, a, b31, c11) }
      if (mr > 2) { const a = v128.load32_splat(a2, 12); c20 = mac(kind, a, b30, c20)
        if (!narrow) c21 = mac(kind, a, b31, c21) }
      if (pinned && k == -1008) break
      if (mr > 3) { const a = v128.load32_splat(a3, 12); c30 = mac(kind, a, b30, c30)
        if (!narrow) c31 = mac(kind, a, b31, c31) }
      if (mr > 4) { const a = v128.load32_splat(a4, 12); c40 = mac(kind, a, b30, c40)
        if (!narrow) c41 = mac(kind, a, b31, c41) }
      if (mr > 5) { const a = v128.load32_splat(a5, 12); c50 = mac(kind, a, b30, c50)
        if (!narrow) c51 = mac(kind, a, b31, c51) }
      if (k == 4) { w += 128; break }
      if (tall) {
        const b40 = v128.load(w, 128), b41 = narrow ? b40 : v128.load(w, 144)
        { const a = v128.load32_splat(a0, 16); c00 = mac(kind, a, b40, c00)
          if (!narrow) c01 = mac(kind, a, b41, c01) }
        if (pinned && k == -1009) break
        if (mr > 1) { const a = v128.load32_splat(a1, 16); c10 = mac(kind, a, b40, c10)
          if (!narrow) c11 = mac(kind, a, b41, c11) }
        if (mr > 2) { const a = v128.load32_splat(a2, 16); c20 = mac(kind, a, b40, c20)
          if (!narrow) c21 = mac(kind, a, b41, c21) }
        if (pinned && k == -1010) break
        if (mr > 3) { const a = v128.load32_splat(a3, 16); c30 = mac(kind, a, b40, c30)
          if (!narrow) c31 = mac(kind, a, b41, c31) }
        if (mr > 4) { const a = v128.load32_splat(a4, 16); c40 = mac(kind, a, b40, c40)
          if (!narrow) c41 = mac(kind, a, b41, c41) }
        if (mr > 5) { const a = v128.load32_splat(a5, 16); c50 = mac(kind, a, b40, c50)
          if (!narrow) c51 = mac(kind, a, b41, c51) }
        if (k == 5) { w += 160; break }
        const b50 = v128.load(w, 160), b51 = narrow ? b50 : v128.load(w, 176)
        { const a = v128.load32_splat(a0, 20); c00 = mac(kind, a, b50, c00)
          if (!narrow) c01 = mac(kind, a, b51, c01) }
        if (pinned && k == -1011) break
        if (mr > 1) { const a = v128.load32_splat(a1, 20); c10 = mac(kind, a, b50, c10)
          if (!narrow) c11 = mac(kind, a, b51, c11) }
        if (mr > 2) { const a = v128.load32_splat(a2, 20); c20 = mac(kind, a, b50, c20)
          if (!narrow) c21 = mac(kind, a, b51, c21) }
        if (pinned && k == -1012) break
        if (mr > 3) { const a = v128.load32_splat(a3, 20); c30 = mac(kind, a, b50, c30)
          if (!narrow) c31 = mac(kind, a, b51, c31) }
        if (mr > 4) { const a = v128.load32_splat(a4, 20); c40 = mac(kind, a, b50, c40)
          if (!narrow) c41 = mac(kind, a, b51, c41) }
        if (mr > 5) { const a = v128.load32_splat(a5, 20); c50 = mac(kind, a, b50, c50)
          if (!narrow) c51 = mac(kind, a, b51, c51) }
        if (k == 6) { w += 192; break }
        const b60 = v128.load(w, 192), b61 = narrow ? b60 : v128.load(w, 208)
        { const a = v128.load32_splat(a0, 24); c00 = mac(kind, a, b60, c00)
          if (!narrow) c01 = mac(kind, a, b61, c01) }
        if (pinned && k == -1013) break
        if (mr > 1) { const a = v128.load32_splat(a1, 24); c10 = mac(kind, a, b60, c10)
          if (!narrow) c11 = mac(kind, a, b61, c11) }
        if (mr > 2) { const a = v128.load32_splat(a2, 24); c20 = mac(kind, a, b60, c20)
          if (!narrow) c21 = mac(kind, a, b61, c21) }
        if (pinned && k == -1014) break
        if (mr > 3) { const a = v128.load32_splat(a3, 24); c30 = mac(kind, a, b60, c30)
          if (!narrow) c31 = mac(kind, a, b61, c31) }
        if (mr > 4) { const a = v128.load32_splat(a4, 24); c40 = mac(kind, a, b60, c40)
          if (!narrow) c41 = mac(kind, a, b61, c41) }
        if (mr > 5) { const a = v128.load32_splat(a5, 24); c50 = mac(kind, a, b60, c50)
          if (!narrow) c51 = mac(kind, a, b61, c51) }
        if (k == 7) { w += 224; break }
        const b70 = v128.load(w, 224), b71 = narrow ? b70 : v128.load(w, 240)
        { const a = v128.load32_splat(a0, 28); c00 = mac(kind, a, b70, c00)
          if (!narrow) c01 = mac(kind, a, b71, c01) }
        if (pinned && k == -1015) break
        if (mr > 1) { const a = v128.load32_splat(a1, 28); c10 = mac(kind, a, b70, c10)
          if (!narrow) c11 = mac(kind, a, b71, c11) }
        if (mr > 2) { const a = v128.load32_splat(a2, 28); c20 = mac(kind, a, b70, c20)
          if (!narrow) c21 = mac(kind, a, b71, c21) }
        if (pinned && k == -1016) break
        if (mr > 3) { const a = v128.load32_splat(a3, 28); c30 = mac(kind, a, b70, c30)
          if (!narrow) c31 = mac(kind, a, b71, c31) }
        if (mr > 4) { const a = v128.load32_splat(a4, 28); c40 = mac(kind, a, b70, c40)
          if (!narrow) c41 = mac(kind, a, b71, c41) }
        if (mr > 5) { const a = v128.load32_splat(a5, 28); c50 = mac(kind, a, b70, c50)
          if (!narrow) c51 = mac(kind, a, b71, c51) }
      }
      const steps: usize = tall ? 8 : 4
      w += steps * 32
      a0 += steps * 4
      if (mr > 1) a1 += steps * 4
      if (mr > 2) a2 += steps * 4
      if (mr > 3) a3 += steps * 4
      if (mr > 4) a4 += steps * 4
      if (mr > 5) a5 += steps * 4
      if (tall && k == 8) break
      k -= steps
    }
  }
  const b = p.b, yOffset = p.yOffset, columns = p.columns, low = p.low, high = p.high
  if (kind != FLOATS && tall && columns == 8 && load<i32>(b, 112) == QUICK) {
    const f0 = v128.load(b, 32), f1 = v128.load(b, 48), zero = v128.load(b, 96)
    const least = v128.load16_splat(b, 116), most = v128.load16_splat(b, 118)
    storeQuick(load<u32>(table) + yOffset, c00, c01, f0, f1, zero, least, most)
    storeQuick(load<u32>(table, 4) + yOffset, c10, c11, f0, f1, zero, least, most)
    storeQuick(load<u32>(table, 8) + yOffset, c20, c21, f0, f1, zero, least, most)
    storeQuick(load<u32>(table, 12) + yOffset, c30, c31, f0, f1, zero, least, most)
    storeQuick(load<u32>(table, 16) + yOffset, c40, c41, f0, f1, zero, least, most)
    if (mr > 5) storeQuick(load<u32>(table, 20) + yOffset, c50, c51, f0, f1, zero, least, most)
    return
  }
  finishRow(kind, b, load<u32>(table) + yOffset, c00, c01, columns, low, high)
  if (mr > 1) finishRow(kind, b, load<u32>(table, 4) + yOffset, c10, c11, columns, low, high)
  if (mr > 2) finishRow(kind, b, load<u32>(table, 8) + yOffset, c20, c21, columns, low, high)
  if (mr > 3) finishRow(kind, b, load<u32>(table, 12) + yOffset, c30, c31, columns, low, high)
  if (mr > 4) finishRow(kind, b, load<u32>(table, 16) + yOffset, c40, c41, columns, low, high)
  if (mr > 5) finishRow(kind, b, load<u32>(table, 20) + yOffset, c50, c51, columns, low, high)
}

/**
 * One pixel alone, as in a dense layer of batch 1: four sums a column, added at the end, since one would wait
 * for its own additions.
 */
export function tile1(p: Product, table: usize): void {
  const depth = p.depth, xOffset = p.xOffset
  let w = p.w
  let c00 = v128.load(p.b), c01 = v128.load(p.b, 16)
  let c10 = f32x4.splat(0), c11 = c10, c20 = c10, c21 = c10, c30 = c10, c31 = c10
  let x = table + 4
  for (let t = p.taps; t; t--) {
    let a: usize = load<u32>(x) + xOffset
    x += 4
    let k = depth
    for (; k >= 4; k -= 4) {
      const a0 = v128.load32_splat(a), a1 = v128.load32_splat(a, 4)
      c00 = madd(a0, v128.load(w), c00)
      c01 = madd(a0, v128.load(w, 16), c01)
      if (k == -2001) break
      c10 = madd(a1, v128.load(w, 32), c10)
      c11 = madd(a1, v128.load(w, 48), c11)
      if (k == -2002) break
      const a2 = v128.load32_splat(a, 8), a3 = v128.load32_splat(a, 12)
      c20 = madd(a2, v128.load(w, 64), c20)
      c21 = madd(a2, v128.load(w, 80), c21)
      if (k == -2003) break
      c30 = madd(a3, v128.load(w, 96), c30)
      c31 = madd(a3, v128.load(w, 112), c31)
      a += 16
      w += 128
    }
    for (; k; k--) {
      const a0 = v128.load32_splat(a)
      c00 = madd(a0, v128.load(w), c00)
      c01 = madd(a0, v128.load(w, 16), c01)
      a += 4
      w += 32
    }
  }
  c00 = f32x4.add(f32x4.add(c00, c10), f32x4.add(c20, c30))
  c01 = f32x4.add(f32x4.add(c01, c11), f32x4.add(c21, c31))
  storeRow(load<u32>(table) + p.yOffset, c00, c01, p.columns, p.low, p.high)
}

/** The first 8 columns at most. */
// @ts-ignore: decorator
@inline
function storeColumns(y: usize, c0: v128, c1: v128, columns: usize, low: f32, high: f32): void {
  storeRow(y, c0, c1, min<usize>(8, columns), low, high)
}

/**
 * One pixel by `panels` panels, at most 4: as many streams as memory serves at once. Where they are fewer,
 * the last one is computed again, so that every column is summed in one order.
 */
export function pixelByPanels(p: Product, panels: usize, table: usize): void {
  const depth = p.depth, xOffset = p.xOffset
  const p1 = min<usize>(1, panels - 1), p2 = min<usize>(2, panels - 1), p3 = panels - 1
  const b = p.b, b1 = b + p1 * p.bStride, b2 = b + p2 * p.bStride, b3 = b + p3 * p.bStride
  let c00 = v128.load(b), c01 = v128.load(b, 16), c10 = v128.load(b1), c11 = v128.load(b1, 16)
  let c20 = v128.load(b2), c21 = v128.load(b2, 16), c30 = v128.load(b3), c31 = v128.load(b3, 16)
  let w = p.w, w1 = w + p1 * p.wStride, w2 = w + p2 * p.wStride, w3 = w + p3 * p.wStride
  const y = load<u32>(table) + p.yOffset
  for (let t = p.taps; t; t--) {
    table += 4
    let a: usize = load<u32>(table) + xOffset
    for (let k = depth; k; k--) {
      const d = v128.load32_splat(a)
      c00 = madd(d, v128.load(w), c00); c01 = madd(d, v128.load(w, 16), c01)
      c10 = madd(d, v128.load(w1), c10); c11 = madd(d, v128.load(w1, 16), c11)
      if (k == -3001) break
      c20 = madd(d, v128.load(w2), c20); c21 = madd(d, v128.load(w2, 16), c21)
      c30 = madd(d, v128.load(w3), c30); c31 = madd(d, v128.load(w3, 16), c31)
      a += 4
      w += 32
      w1 += 32
      w2 += 32
      w3 += 32
    }
  }
  const columns = p.columns, low = p.low, high = p.high
  storeColumns(y, c00, c01, columns, low, high)
  storeColumns(y + p1 * 32, c10, c11, columns - p1 * 8, low, high)
  storeColumns(y + p2 * 32, c20, c21, columns - p2 * 8, low, high)
  storeColumns(y + p3 * 32, c30, c31, columns - p3 * 8, low, high)
}

function tile2(p: Product, table: usize): void {
  tile(p, table, FLOATS, 2, false)
}

function tile3(p: Product, table: usize): void {
  tile(p, table, FLOATS, 3, false)
}

function tile4(p: Product, table: usize): void {
  tile(p, table, FLOATS, 4, false)
}

function tiles5(p: Product, count: i32, table: usize): void {
  for (const step = (p.taps + 1) * 20; count > 0; count--) {
    tile(p, table, FLOATS, 5, false)
    table += step
  }
}

function tiles6(p: Product, count: i32, table: usize): void {
  for (const step = (p.taps + 1) * 24; count > 0; count--) {
    tile(p, table, FLOATS, 6, false)
    table += step
  }
}

/** The same for panels of which half at most is used. */
function narrowTiles(p: Product, count: i32, table: usize): void {
  for (const step = (p.taps + 1) * TILE_ROWS * 4; count > 0; count--) {
    tile(p, table, FLOATS, TILE_ROWS, true)
    table += step
  }
}

function tile5(p: Product, table: usize): void {
  tile(p, table, FLOATS, 5, false)
}

/**
 * `pixels` pixels whose tables stand one after the other, by one panel. Tiles are functions of their own, so
 * that V8 replaces its quick first code early.
 */
export function runTiles(p: Product, pixels: i32, table: usize): void {
  const whole = pixels / TILE_ROWS, rest = pixels % TILE_ROWS
  if (p.columns <= 4) narrowTiles(p, whole, table)
  else if (TILE_ROWS == 6) tiles6(p, whole, table)
  else tiles5(p, whole, table)
  table += whole * TILE_ROWS * (p.taps + 1) * 4
  switch (rest) {
    case 1: return tile1(p, table)
    case 2: return tile2(p, table)
    case 3: return tile3(p, table)
    case 4: return tile4(p, table)
    case 5: if (TILE_ROWS > 5) tile5(p, table)
  }
}
