/**
 * Convolution with few channels in a group: one filter per channel (depthwise), or a few inputs and outputs each (grouped).
 *
 *   y[oy][ox][o] = clamp(b[o] + sum over ky, kx, i of x[oy * stride - before + ky * dilation][ox * stride - before + kx * dilation][i] * w[ky][kx][i][o])
 *
 * A tile is 7 neighbouring outputs of a row x 4 channels: 4 input channels times their 4 filters (depthwise), or one input channel at a time times 4
 * filters of its group (grouped). The input is read where it stands: for each row of outputs a table holds the address of every pixel of the rows that
 * it sees, and the padding points at zeros. Runs of 5, 4, 3 or 1 neighbouring taps load a pixel once for all outputs that see it: 9 loads for 21
 * multiply-adds. 7 divides the widths of most networks. Witness: bench, depthwise layers.
 *
 * Pixels that lie a multiple of 1 KB apart fall into few sets of the first-level cache: then rows are read from a copy whose pixels lie 64 bytes
 * further apart.
 *
 * scratch: zeros [max(ic, oc) + 4] | runs [kh * kw] of (taps, offset in w, address of the first column in the table) | table [kh][columns] | gap [4]
 *          | rows that the ring holds [reach(kh)] | ring [reach(kh)][iw][ic + 16]
 */
import { address, scratch, splat, word } from './arguments'
import { Depthwise } from './calls'
import { clamp, loadLanes, madd, storeLanes } from './simd'

/** Outputs of a tile. */
const TILE: i32 = 7
/** Bytes of one entry of the list of runs. */
const RUN_BYTES: usize = 12

/** Unit: `rows` output rows of one image, each channel from the input channel of its place. */
export function depthwise(call: usize, begin: i32, end: i32): void {
  convolve(false, call, begin, end)
}

/** Unit: `rows` output rows of one image. */
export function grouped(call: usize, begin: i32, end: i32): void {
  convolve(true, call, begin, end)
}

// @ts-ignore: decorator
@inline
function convolve(planar: bool, call: usize, begin: i32, end: i32): void {
  const ih = word(call, Depthwise.ih), oh = word(call, Depthwise.oh), ow = word(call, Depthwise.ow), ic = word(call, Depthwise.ic), oc = word(call, Depthwise.oc)
  const kh = word(call, Depthwise.kh), kw = word(call, Depthwise.kw), dilationH = word(call, Depthwise.dilationH)
  const strideW = word(call, Depthwise.strideW), dilationW = word(call, Depthwise.dilationW)
  const groupIn = planar ? word(call, Depthwise.groupIn) : 1, groupOut = word(call, Depthwise.groupOut)
  const rows = word(call, Depthwise.rows), bands = (oh + rows - 1) / rows
  const low = splat(call, Depthwise.low), high = splat(call, Depthwise.high)
  const zeros = scratch()
  const zeroBytes = (max(ic, oc) + 4) * 4
  memory.fill(zeros, 0, zeroBytes)
  const runs = zeros + zeroBytes, table = runs + kh * kw * RUN_BYTES
  const rowBytes: usize = ((max(ow, TILE) - 1) * strideW + (kw - 1) * dilationW + 1) * 4
  const skewed = word(call, Depthwise.skewed), reach = (kh - 1) * dilationH + 1
  const held = table + kh * rowBytes + 16, ring = held + reach * 4
  const pixelStride: usize = ic * 4 + (skewed ? 64 : 0), inputRow: usize = word(call, Depthwise.iw) * ic * 4
  if (skewed) memory.fill(held, 255, reach * 4)
  const w = address(call, Depthwise.w), b = address(call, Depthwise.b), bias = b ? b : zeros
  const wVector = kh * kw * groupIn * 16
  // Where neighbouring taps see neighbouring pixels, they make runs.
  const joins = dilationW == 1 && strideW <= 2

  for (let u = begin; u < end; u++) {
    const n = u / bands, firstRow = (u % bands) * rows
    for (let oy = firstRow; oy < min(oh, firstRow + rows); oy++) {
      // Rows of the window in the padding are left out.
      const iy = oy * word(call, Depthwise.strideH) - word(call, Depthwise.beforeH)
      const ky0 = iy < 0 ? (dilationH - 1 - iy) / dilationH : 0
      const ky1 = iy < ih ? min(kh, (ih - iy + dilationH - 1) / dilationH) : 0
      let runsEnd = runs
      for (let ky = ky0; ky < ky1; ky++) {
        const row = table + (ky - ky0) * rowBytes
        const inputIndex = n * ih + iy + ky * dilationH, slot = inputIndex % reach
        let from = address(call, Depthwise.x) + inputIndex * inputRow
        if (skewed) {
          const copy = ring + slot * word(call, Depthwise.iw) * pixelStride
          if (load<i32>(held + slot * 4) != inputIndex) {
            store<i32>(held + slot * 4, inputIndex)
            for (let offset: usize = 0, at = copy; offset < inputRow; offset += ic * 4, at += pixelStride) memory.copy(at, from + offset, ic * 4)
          }
          from = copy
        }
        pointRow(call, row, rowBytes, zeros, from, pixelStride)
        for (let kx = 0, taps = 1; kx < kw; kx += taps) {
          taps = joins ? runOf(planar, kw - kx) : 1
          store<i32>(runsEnd, taps)
          store<i32>(runsEnd, (ky * kw + kx) * groupIn * 16, 4)
          store<usize>(runsEnd, row + kx * dilationW * 4, 8)
          runsEnd += RUN_BYTES
        }
      }
      for (let left = ow; left > 0; left -= TILE) {
        // The last tile of a row starts early, so that it ends with the row.
        const ox = max(0, min(ow - left, ow - TILE))
        const at = ox * strideW * 4
        const y = address(call, Depthwise.y) + ((n * oh + oy) * ow + ox) * oc * 4
        if (planar) {
          const vectors = (groupOut + 3) >> 2
          for (let o = 0, g = 0; o < oc; o += groupOut, g++) {
            if (strideW == 2) tilesPlanar2(runs, runsEnd, at, strideW * 4, groupIn, g * groupIn * 4, w + g * vectors * wVector, wVector, bias + o * 4, y + o * 4, oc * 4, ow, groupOut, low, high)
            else tilesPlanar1(runs, runsEnd, at, strideW * 4, groupIn, g * groupIn * 4, w + g * vectors * wVector, wVector, bias + o * 4, y + o * 4, oc * 4, ow, groupOut, low, high)
          }
        } else if (strideW == 2) tilesByFour2(runs, runsEnd, at, strideW * 4, w, wVector, bias, y, oc * 4, ow, oc, low, high)
        else tilesByFour1(runs, runsEnd, at, strideW * 4, w, wVector, bias, y, oc * 4, ow, oc, low, high)
      }
    }
  }
}

/** Taps of the next run where `left` of a row are left; 7 are 4 and 3. */
// @ts-ignore: decorator
@inline
function runOf(planar: bool, left: i32): i32 {
  if (!planar) {
    if (left == 4 || left == 7) return 4
    if (left >= 5) return 5
  }
  return left >= 3 ? 3 : 1
}

/** Writes the addresses of the pixels of an input row from the left end of its padding on, `rowBytes` of them. */
function pointRow(call: usize, to: usize, rowBytes: usize, zeros: usize, from: usize, pixelStride: usize): void {
  const iw = word(call, Depthwise.iw), beforeW = word(call, Depthwise.beforeW)
  const end = to + rowBytes
  for (const inside = min(end, to + beforeW * 4); to < inside; to += 4) store<usize>(to, zeros)
  // Four at a time: what is too many is overwritten, or lies in the gap behind the table.
  let four = i32x4.add(i32x4.splat(from), i32x4.mul(i32x4.splat(pixelStride), i32x4(0, 1, 2, 3)))
  const inside = min(end, to + iw * 4)
  for (; to < inside; to += 16) {
    v128.store(to, four)
    four = i32x4.add(four, i32x4.splat(4 * pixelStride))
  }
  for (to = inside; to < end; to += 4) store<usize>(to, zeros)
}

/** Pixel at `at` of the table: 4 channels of it, or one of them 4 times. */
// @ts-ignore: decorator
@inline
function column(planar: bool, at: usize, xOffset: usize): v128 {
  const x = load<usize>(at) + xOffset
  return planar ? v128.load32_splat(x) : v128.load(x)
}

/** c and what pixel `t` of its window adds to it: nothing where a run of `taps` has no such tap. */
// @ts-ignore: decorator
@inline
function tap(taps: i32, t: i32, d: v128, w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, c: v128): v128 {
  return t < 0 || t >= taps ? c : madd(d, t == 0 ? w0 : t == 1 ? w1 : t == 2 ? w2 : t == 3 ? w3 : w4, c)
}

/**
 * `channels` outputs of each of up to 7 pixels, vector by vector. S: the stride where runs of taps share pixels: pixel i is tap i - p * S of output p.
 * The exits on negative taps are never taken: see tile.ts.
 */
// @ts-ignore: decorator
@inline
function tiles(planar: bool, S: i32, runs: usize, end: usize, shift: usize, step: usize, groupIn: i32, xOffset: usize, w: usize, wVector: usize, b: usize, y: usize, yStride: usize, pixels: i32, channels: i32, low: v128, high: v128): void {
  const wStep: usize = planar ? groupIn * 16 : 16
  for (; channels > 0; channels -= 4) {
    let c0 = planar && channels < 4 ? loadLanes(b, channels) : v128.load(b), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0
    for (let run = runs; run < end; run += RUN_BYTES) {
      const taps = load<i32>(run), at = load<usize>(run, 8) + shift
      let wr = w + load<usize>(run, 4), x = xOffset, i = groupIn
      do {
        const w0 = v128.load(wr)
        if (!planar && taps == 5) {
          const w1 = v128.load(wr, 16), w2 = v128.load(wr, 32), w3 = v128.load(wr, 48), w4 = v128.load(wr, 64)
          { const d = column(planar, at, x); c0 = tap(5, 0 - 0 * S, d, w0, w1, w2, w3, w4, c0) }
          { const d = column(planar, at + 4, x); c0 = tap(5, 1 - 0 * S, d, w0, w1, w2, w3, w4, c0); c1 = tap(5, 1 - 1 * S, d, w0, w1, w2, w3, w4, c1) }
          if (taps == -2001) break
          { const d = column(planar, at + 8, x); c0 = tap(5, 2 - 0 * S, d, w0, w1, w2, w3, w4, c0); c1 = tap(5, 2 - 1 * S, d, w0, w1, w2, w3, w4, c1)
            c2 = tap(5, 2 - 2 * S, d, w0, w1, w2, w3, w4, c2) }
          { const d = column(planar, at + 12, x); c0 = tap(5, 3 - 0 * S, d, w0, w1, w2, w3, w4, c0); c1 = tap(5, 3 - 1 * S, d, w0, w1, w2, w3, w4, c1)
            c2 = tap(5, 3 - 2 * S, d, w0, w1, w2, w3, w4, c2); c3 = tap(5, 3 - 3 * S, d, w0, w1, w2, w3, w4, c3) }
          if (taps == -2002) break
          { const d = column(planar, at + 16, x); c0 = tap(5, 4 - 0 * S, d, w0, w1, w2, w3, w4, c0); c1 = tap(5, 4 - 1 * S, d, w0, w1, w2, w3, w4, c1)
            c2 = tap(5, 4 - 2 * S, d, w0, w1, w2, w3, w4, c2); c3 = tap(5, 4 - 3 * S, d, w0, w1, w2, w3, w4, c3)
            c4 = tap(5, 4 - 4 * S, d, w0, w1, w2, w3, w4, c4) }
          { const d = column(planar, at + 20, x); c1 = tap(5, 5 - 1 * S, d, w0, w1, w2, w3, w4, c1); c2 = tap(5, 5 - 2 * S, d, w0, w1, w2, w3, w4, c2)
            c3 = tap(5, 5 - 3 * S, d, w0, w1, w2, w3, w4, c3); c4 = tap(5, 5 - 4 * S, d, w0, w1, w2, w3, w4, c4)
            c5 = tap(5, 5 - 5 * S, d, w0, w1, w2, w3, w4, c5) }
          if (taps == -2003) break
          { const d = column(planar, at + 24, x); c1 = tap(5, 6 - 1 * S, d, w0, w1, w2, w3, w4, c1); c2 = tap(5, 6 - 2 * S, d, w0, w1, w2, w3, w4, c2)
            c3 = tap(5, 6 - 3 * S, d, w0, w1, w2, w3, w4, c3); c4 = tap(5, 6 - 4 * S, d, w0, w1, w2, w3, w4, c4)
            c5 = tap(5, 6 - 5 * S, d, w0, w1, w2, w3, w4, c5); c6 = tap(5, 6 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
          { const d = column(planar, at + 28, x); c2 = tap(5, 7 - 2 * S, d, w0, w1, w2, w3, w4, c2); c3 = tap(5, 7 - 3 * S, d, w0, w1, w2, w3, w4, c3)
            c4 = tap(5, 7 - 4 * S, d, w0, w1, w2, w3, w4, c4); c5 = tap(5, 7 - 5 * S, d, w0, w1, w2, w3, w4, c5)
            c6 = tap(5, 7 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
          if (taps == -2004) break
          { const d = column(planar, at + 32, x); c2 = tap(5, 8 - 2 * S, d, w0, w1, w2, w3, w4, c2); c3 = tap(5, 8 - 3 * S, d, w0, w1, w2, w3, w4, c3)
            c4 = tap(5, 8 - 4 * S, d, w0, w1, w2, w3, w4, c4); c5 = tap(5, 8 - 5 * S, d, w0, w1, w2, w3, w4, c5)
            c6 = tap(5, 8 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
          { const d = column(planar, at + 36, x); c3 = tap(5, 9 - 3 * S, d, w0, w1, w2, w3, w4, c3); c4 = tap(5, 9 - 4 * S, d, w0, w1, w2, w3, w4, c4)
            c5 = tap(5, 9 - 5 * S, d, w0, w1, w2, w3, w4, c5); c6 = tap(5, 9 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
          if (taps == -2005) break
          { const d = column(planar, at + 40, x); c3 = tap(5, 10 - 3 * S, d, w0, w1, w2, w3, w4, c3); c4 = tap(5, 10 - 4 * S, d, w0, w1, w2, w3, w4, c4)
            c5 = tap(5, 10 - 5 * S, d, w0, w1, w2, w3, w4, c5); c6 = tap(5, 10 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
          if (S == 2) { const d = column(planar, at + 44, x); c4 = tap(5, 11 - 4 * S, d, w0, w1, w2, w3, w4, c4)
            c5 = tap(5, 11 - 5 * S, d, w0, w1, w2, w3, w4, c5) }
          if (S == 2 && taps == -2006) break
          if (S == 2) { const d = column(planar, at + 48, x); c4 = tap(5, 12 - 4 * S, d, w0, w1, w2, w3, w4, c4)
            c5 = tap(5, 12 - 5 * S, d, w0, w1, w2, w3, w4, c5); c6 = tap(5, 12 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
          if (S == 2) { const d = column(planar, at + 52, x); c5 = tap(5, 13 - 5 * S, d, w0, w1, w2, w3, w4, c5)
            c6 = tap(5, 13 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
          if (S == 2 && taps == -2007) break
          if (S == 2) { const d = column(planar, at + 56, x); c5 = tap(5, 14 - 5 * S, d, w0, w1, w2, w3, w4, c5)
            c6 = tap(5, 14 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
          if (S == 2) { const d = column(planar, at + 60, x); c6 = tap(5, 15 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
          if (S == 2 && taps == -2008) break
          if (S == 2) { const d = column(planar, at + 64, x); c6 = tap(5, 16 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
        } else if (!planar && taps == 4) {
          const w1 = v128.load(wr, 16), w2 = v128.load(wr, 32), w3 = v128.load(wr, 48)
          { const d = column(planar, at, x); c0 = tap(4, 0 - 0 * S, d, w0, w1, w2, w3, w3, c0) }
          { const d = column(planar, at + 4, x); c0 = tap(4, 1 - 0 * S, d, w0, w1, w2, w3, w3, c0); c1 = tap(4, 1 - 1 * S, d, w0, w1, w2, w3, w3, c1) }
          if (taps == -2009) break
          { const d = column(planar, at + 8, x); c0 = tap(4, 2 - 0 * S, d, w0, w1, w2, w3, w3, c0); c1 = tap(4, 2 - 1 * S, d, w0, w1, w2, w3, w3, c1)
            c2 = tap(4, 2 - 2 * S, d, w0, w1, w2, w3, w3, c2) }
          { const d = column(planar, at + 12, x); c0 = tap(4, 3 - 0 * S, d, w0, w1, w2, w3, w3, c0); c1 = tap(4, 3 - 1 * S, d, w0, w1, w2, w3, w3, c1)
            c2 = tap(4, 3 - 2 * S, d, w0, w1, w2, w3, w3, c2); c3 = tap(4, 3 - 3 * S, d, w0, w1, w2, w3, w3, c3) }
          if (taps == -2010) break
          { const d = column(planar, at + 16, x); c1 = tap(4, 4 - 1 * S, d, w0, w1, w2, w3, w3, c1); c2 = tap(4, 4 - 2 * S, d, w0, w1, w2, w3, w3, c2)
            c3 = tap(4, 4 - 3 * S, d, w0, w1, w2, w3, w3, c3); c4 = tap(4, 4 - 4 * S, d, w0, w1, w2, w3, w3, c4) }
          { const d = column(planar, at + 20, x); c1 = tap(4, 5 - 1 * S, d, w0, w1, w2, w3, w3, c1); c2 = tap(4, 5 - 2 * S, d, w0, w1, w2, w3, w3, c2)
            c3 = tap(4, 5 - 3 * S, d, w0, w1, w2, w3, w3, c3); c4 = tap(4, 5 - 4 * S, d, w0, w1, w2, w3, w3, c4)
            c5 = tap(4, 5 - 5 * S, d, w0, w1, w2, w3, w3, c5) }
          if (taps == -2011) break
          { const d = column(planar, at + 24, x); c2 = tap(4, 6 - 2 * S, d, w0, w1, w2, w3, w3, c2); c3 = tap(4, 6 - 3 * S, d, w0, w1, w2, w3, w3, c3)
            c4 = tap(4, 6 - 4 * S, d, w0, w1, w2, w3, w3, c4); c5 = tap(4, 6 - 5 * S, d, w0, w1, w2, w3, w3, c5)
            c6 = tap(4, 6 - 6 * S, d, w0, w1, w2, w3, w3, c6) }
          { const d = column(planar, at + 28, x); c2 = tap(4, 7 - 2 * S, d, w0, w1, w2, w3, w3, c2); c3 = tap(4, 7 - 3 * S, d, w0, w1, w2, w3, w3, c3)
            c4 = tap(4, 7 - 4 * S, d, w0, w1, w2, w3, w3, c4); c5 = tap(4, 7 - 5 * S, d, w0, w1, w2, w3, w3, c5)
            c6 = tap(4, 7 - 6 * S, d, w0, w1, w2, w3, w3, c6) }
          if (taps == -2012) break
          { const d = column(planar, at + 32, x); c3 = tap(4, 8 - 3 * S, d, w0, w1, w2, w3, w3, c3); c4 = tap(4, 8 - 4 * S, d, w0, w1, w2, w3, w3, c4)
            c5 = tap(4, 8 - 5 * S, d, w0, w1, w2, w3, w3, c5); c6 = tap(4, 8 - 6 * S, d, w0, w1, w2, w3, w3, c6) }
          { const d = column(planar, at + 36, x); c3 = tap(4, 9 - 3 * S, d, w0, w1, w2, w3, w3, c3); c4 = tap(4, 9 - 4 * S, d, w0, w1, w2, w3, w3, c4)
            c6 = tap(4, 9 - 6 * S, d, w0, w1, w2, w3, w3, c6) }
          if (taps == -2013) break
          if (S == 2) { const d = column(planar, at + 40, x); c4 = tap(4, 10 - 4 * S, d, w0, w1, w2, w3, w3, c4)
            c5 = tap(4, 10 - 5 * S, d, w0, w1, w2, w3, w3, c5) }
          if (S == 2) { const d = column(planar, at + 44, x); c4 = tap(4, 11 - 4 * S, d, w0, w1, w2, w3, w3, c4)
            c5 = tap(4, 11 - 5 * S, d, w0, w1, w2, w3, w3, c5) }
          if (S == 2 && taps == -2014) break
          if (S == 2) { const d = column(planar, at + 48, x); c5 = tap(4, 12 - 5 * S, d, w0, w1, w2, w3, w3, c5)
            c6 = tap(4, 12 - 6 * S, d, w0, w1, w2, w3, w3, c6) }
          if (S == 2) { const d = column(planar, at + 52, x); c5 = tap(4, 13 - 5 * S, d, w0, w1, w2, w3, w3, c5)
            c6 = tap(4, 13 - 6 * S, d, w0, w1, w2, w3, w3, c6) }
          if (S == 2 && taps == -2015) break
          if (S == 2) { const d = column(planar, at + 56, x); c6 = tap(4, 14 - 6 * S, d, w0, w1, w2, w3, w3, c6) }
          if (S == 2) { const d = column(planar, at + 60, x); c6 = tap(4, 15 - 6 * S, d, w0, w1, w2, w3, w3, c6) }
        } else if (taps == 3) {
          const w1 = v128.load(wr + wStep), w2 = v128.load(wr + 2 * wStep)
          { const d = column(planar, at, x); c0 = tap(3, 0 - 0 * S, d, w0, w1, w2, w2, w2, c0) }
          { const d = column(planar, at + 4, x); c0 = tap(3, 1 - 0 * S, d, w0, w1, w2, w2, w2, c0); c1 = tap(3, 1 - 1 * S, d, w0, w1, w2, w2, w2, c1) }
          if (taps == -2016) break
          { const d = column(planar, at + 8, x); c0 = tap(3, 2 - 0 * S, d, w0, w1, w2, w2, w2, c0); c1 = tap(3, 2 - 1 * S, d, w0, w1, w2, w2, w2, c1)
            c2 = tap(3, 2 - 2 * S, d, w0, w1, w2, w2, w2, c2) }
          { const d = column(planar, at + 12, x); c1 = tap(3, 3 - 1 * S, d, w0, w1, w2, w2, w2, c1); c2 = tap(3, 3 - 2 * S, d, w0, w1, w2, w2, w2, c2)
            c3 = tap(3, 3 - 3 * S, d, w0, w1, w2, w2, w2, c3) }
          if (taps == -2017) break
          { const d = column(planar, at + 16, x); c1 = tap(3, 4 - 1 * S, d, w0, w1, w2, w2, w2, c1); c2 = tap(3, 4 - 2 * S, d, w0, w1, w2, w2, w2, c2)
            c3 = tap(3, 4 - 3 * S, d, w0, w1, w2, w2, w2, c3); c4 = tap(3, 4 - 4 * S, d, w0, w1, w2, w2, w2, c4) }
          { const d = column(planar, at + 20, x); c2 = tap(3, 5 - 2 * S, d, w0, w1, w2, w2, w2, c2); c3 = tap(3, 5 - 3 * S, d, w0, w1, w2, w2, w2, c3)
            c4 = tap(3, 5 - 4 * S, d, w0, w1, w2, w2, w2, c4); c5 = tap(3, 5 - 5 * S, d, w0, w1, w2, w2, w2, c5) }
          if (taps == -2018) break
          { const d = column(planar, at + 24, x); c2 = tap(3, 6 - 2 * S, d, w0, w1, w2, w2, w2, c2); c3 = tap(3, 6 - 3 * S, d, w0, w1, w2, w2, w2, c3)
            c4 = tap(3, 6 - 4 * S, d, w0, w1, w2, w2, w2, c4); c5 = tap(3, 6 - 5 * S, d, w0, w1, w2, w2, w2, c5)
            c6 = tap(3, 6 - 6 * S, d, w0, w1, w2, w2, w2, c6) }
          { const d = column(planar, at + 28, x); c3 = tap(3, 7 - 3 * S, d, w0, w1, w2, w2, w2, c3); c5 = tap(3, 7 - 5 * S, d, w0, w1, w2, w2, w2, c5)
            c6 = tap(3, 7 - 6 * S, d, w0, w1, w2, w2, w2, c6) }
          if (taps == -2019) break
          { const d = column(planar, at + 32, x); c3 = tap(3, 8 - 3 * S, d, w0, w1, w2, w2, w2, c3); c4 = tap(3, 8 - 4 * S, d, w0, w1, w2, w2, w2, c4)
            c6 = tap(3, 8 - 6 * S, d, w0, w1, w2, w2, w2, c6) }
          if (S == 2) { const d = column(planar, at + 36, x); c4 = tap(3, 9 - 4 * S, d, w0, w1, w2, w2, w2, c4) }
          if (S == 2 && taps == -2020) break
          if (S == 2) { const d = column(planar, at + 40, x); c4 = tap(3, 10 - 4 * S, d, w0, w1, w2, w2, w2, c4)
            c5 = tap(3, 10 - 5 * S, d, w0, w1, w2, w2, w2, c5) }
          if (S == 2) { const d = column(planar, at + 44, x); c5 = tap(3, 11 - 5 * S, d, w0, w1, w2, w2, w2, c5) }
          if (S == 2 && taps == -2021) break
          if (S == 2) { const d = column(planar, at + 48, x); c5 = tap(3, 12 - 5 * S, d, w0, w1, w2, w2, w2, c5)
            c6 = tap(3, 12 - 6 * S, d, w0, w1, w2, w2, w2, c6) }
          if (S == 2) { const d = column(planar, at + 52, x); c6 = tap(3, 13 - 6 * S, d, w0, w1, w2, w2, w2, c6) }
          if (S == 2 && taps == -2022) break
          if (S == 2) { const d = column(planar, at + 56, x); c6 = tap(3, 14 - 6 * S, d, w0, w1, w2, w2, w2, c6) }
        } else {
          c0 = madd(column(planar, at, x), w0, c0)
          c1 = madd(column(planar, at + step, x), w0, c1)
          if (taps == -2023) break
          c2 = madd(column(planar, at + 2 * step, x), w0, c2)
          c3 = madd(column(planar, at + 3 * step, x), w0, c3)
          if (taps == -2024) break
          c4 = madd(column(planar, at + 4 * step, x), w0, c4)
          c5 = madd(column(planar, at + 5 * step, x), w0, c5)
          if (taps == -2025) break
          c6 = madd(column(planar, at + 6 * step, x), w0, c6)
        }
        x += 4
        wr += 16
      } while (planar && --i)
    }
    c0 = clamp(c0, low, high); c1 = clamp(c1, low, high); c2 = clamp(c2, low, high); c3 = clamp(c3, low, high)
    c4 = clamp(c4, low, high); c5 = clamp(c5, low, high); c6 = clamp(c6, low, high)
    if (pixels >= TILE && channels >= 4) {
      v128.store(y, c0)
      v128.store(y + yStride, c1)
      v128.store(y + 2 * yStride, c2)
      v128.store(y + 3 * yStride, c3)
      v128.store(y + 4 * yStride, c4)
      v128.store(y + 5 * yStride, c5)
      v128.store(y + 6 * yStride, c6)
    } else {
      const lanes = min(4, channels)
      storeLanes(y, c0, lanes)
      if (pixels > 1) storeLanes(y + yStride, c1, lanes)
      if (pixels > 2) storeLanes(y + 2 * yStride, c2, lanes)
      if (pixels > 3) storeLanes(y + 3 * yStride, c3, lanes)
      if (pixels > 4) storeLanes(y + 4 * yStride, c4, lanes)
      if (pixels > 5) storeLanes(y + 5 * yStride, c5, lanes)
      if (pixels > 6) storeLanes(y + 6 * yStride, c6, lanes)
    }
    if (!planar) xOffset += 16
    w += wVector
    b += 16
    y += 16
  }
}

function tilesByFour1(runs: usize, end: usize, shift: usize, step: usize, w: usize, wVector: usize, b: usize, y: usize, yStride: usize, pixels: i32, channels: i32, low: v128, high: v128): void {
  tiles(false, 1, runs, end, shift, step, 1, 0, w, wVector, b, y, yStride, pixels, channels, low, high)
}

function tilesByFour2(runs: usize, end: usize, shift: usize, step: usize, w: usize, wVector: usize, b: usize, y: usize, yStride: usize, pixels: i32, channels: i32, low: v128, high: v128): void {
  tiles(false, 2, runs, end, shift, step, 1, 0, w, wVector, b, y, yStride, pixels, channels, low, high)
}

function tilesPlanar1(runs: usize, end: usize, shift: usize, step: usize, groupIn: i32, xOffset: usize, w: usize, wVector: usize, b: usize, y: usize, yStride: usize, pixels: i32, channels: i32, low: v128, high: v128): void {
  tiles(true, 1, runs, end, shift, step, groupIn, xOffset, w, wVector, b, y, yStride, pixels, channels, low, high)
}

function tilesPlanar2(runs: usize, end: usize, shift: usize, step: usize, groupIn: i32, xOffset: usize, w: usize, wVector: usize, b: usize, y: usize, yStride: usize, pixels: i32, channels: i32, low: v128, high: v128): void {
  tiles(true, 2, runs, end, shift, step, groupIn, xOffset, w, wVector, b, y, yStride, pixels, channels, low, high)
}
