/**
 * Convolution with few channels in a group: one filter per channel (depthwise), or a few inputs and outputs
 * each (grouped).
 *
 *   y[oy][ox][o] = clamp(b[o] + sum over ky, kx, i of x[oy * stride - before + ky * dilation][ox * stride -
 *   before + kx * dilation][i] * w[ky][kx][i][o])
 *
 * A tile is 7 neighbouring outputs of a row x 4 channels: 4 input channels times their 4 filters (depthwise),
 * or one input channel at a time times 4 filters of its group (grouped). The input is read where it stands:
 * for each row of outputs a table holds the address of every pixel of the rows that it sees, and the padding
 * points at zeros. 3, 4 or 5 neighbouring taps load a pixel once for all outputs that see it: 9 loads for 21
 * multiply-adds; the pixels in the middle of such a run are found without the table, one `step` after the
 * other. 7 divides the widths of most networks. Witness: bench, depthwise layers.
 *
 * Pixels that lie a multiple of 1 KB apart fall into few sets of the first-level cache: then rows are read
 * from a copy whose pixels lie 64 bytes further apart.
 *
 * A tile steps through 9 pixels of a row at once, which memory does not foresee: of layers that the caches
 * cannot hold, each row is read once from end to end before the first tile that sees it.
 *
 * scratch: zeros [max(ic, oc) + 4] | sums [7][4] | table [kh][columns] | gap [4] | rows that the ring holds
 * [reach(kh)] | ring [reach(kh)][iw][ic or oc + 16]
 */
import { frame, scratch } from '../arguments'
import { Depthwise } from '../abi'
import { bringIn, repeatFloats } from '../copy'
import { clamp, madd, storeLanes } from '../simd'

/**
 * What a tile is made for: whether it takes one input channel at a time, the taps of its runs (1: each by
 * itself), the stride.
 */
// @ts-ignore: decorator
@final class DepthOne { @inline planar(): bool { return false } @inline taps(): i32 { return 1 }
  @inline stride(): i32 { return 0 } }
// @ts-ignore: decorator
@final class DepthThree { @inline planar(): bool { return false } @inline taps(): i32 { return 3 }
  @inline stride(): i32 { return 1 } }
// @ts-ignore: decorator
@final class DepthThreeBy2 { @inline planar(): bool { return false } @inline taps(): i32 { return 3 }
  @inline stride(): i32 { return 2 } }
// @ts-ignore: decorator
@final class DepthFour { @inline planar(): bool { return false } @inline taps(): i32 { return 4 }
  @inline stride(): i32 { return 1 } }
// @ts-ignore: decorator
@final class DepthFourBy2 { @inline planar(): bool { return false } @inline taps(): i32 { return 4 }
  @inline stride(): i32 { return 2 } }
// @ts-ignore: decorator
@final class DepthFive { @inline planar(): bool { return false } @inline taps(): i32 { return 5 }
  @inline stride(): i32 { return 1 } }
// @ts-ignore: decorator
@final class DepthFiveBy2 { @inline planar(): bool { return false } @inline taps(): i32 { return 5 }
  @inline stride(): i32 { return 2 } }
// @ts-ignore: decorator
@final class GroupOne { @inline planar(): bool { return true } @inline taps(): i32 { return 1 }
  @inline stride(): i32 { return 0 } }
// @ts-ignore: decorator
@final class GroupThree { @inline planar(): bool { return true } @inline taps(): i32 { return 3 }
  @inline stride(): i32 { return 1 } }
// @ts-ignore: decorator
@final class GroupThreeBy2 { @inline planar(): bool { return true } @inline taps(): i32 { return 3 }
  @inline stride(): i32 { return 2 } }
// @ts-ignore: decorator
@final class GroupFive { @inline planar(): bool { return true } @inline taps(): i32 { return 5 }
  @inline stride(): i32 { return 1 } }

/** Outputs of a tile. */
const TILE: i32 = 7

/** What tiles are asked, in this thread's frame: of a call, of a row, and of the taps at work. */
@unmanaged
class Tiles {
  /** Bytes of the table for a row of the window. */
  rowBytes: usize
  /** Input channels of an output. */
  groupIn: i32
  /** Bytes of filters: from a row of the window to the next, and from four channels to the next. */
  wRow: usize; wVector: usize
  /** Bytes from an output pixel to the next, how many there are, of as many channels. */
  yStride: usize; pixels: i32; channels: i32
  /** Room for the sums of a tile that is not whole. */
  sums: usize
  /** Rows of the window that are not padding. */
  rows: i32
  /** Taps that go by themselves, bytes of the table from one to the next, and from an output to the next. */
  taps: i32; tapBytes: usize; outBytes: usize
  /** Bytes from a pixel of a run to the next. */
  step: usize
  /** Bytes from where the sums of an output start to where the next one's do: 0 for the bias. */
  startStride: usize
  low: f32; high: f32
}

/** Input and output of more bytes come from memory. Witness: bench, n16 i56x56x64 and i224x224x64. */
const CACHED: u32 = 8 << 20

/**
 * Unit: `rows` output rows of one image, each channel from the input channel of its place. Where there are
 * more of them than of the input, each of those comes as often into the ring, one beside the other.
 */
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
  const args = changetype<Depthwise>(call)
  const ih = args.ih, iw = args.iw, oh = args.oh, ow = args.ow
  const ic = args.ic, oc = args.oc, kh = args.kh, kw = args.kw
  const dilationH = args.dilationH, dilationW = args.dilationW, strideW = args.strideW
  const groupIn = planar ? args.groupIn : 1, groupOut = planar ? args.groupOut : oc
  const rows = args.rows, bands = (oh + rows - 1) / rows
  const zeros = scratch()
  const zeroBytes = (max(ic, oc) + 4) * 4
  memory.fill(zeros, 0, zeroBytes)
  const sums = zeros + zeroBytes, table = sums + TILE * 16
  const rowBytes: usize = ((max(ow, TILE) - 1) * strideW + (kw - 1) * dilationW + 1) * 4
  const skewed = args.skewed, reach = (kh - 1) * dilationH + 1
  const held = table + kh * rowBytes + 16, ring = held + reach * 4
  const wide = planar ? ic : oc
  const pixelStride: usize = skewed ? wide * 4 + 64 : ic * 4, inputRow: usize = iw * ic * 4
  const far = !skewed && <u32>args.n * (ih * iw * ic + oh * ow * oc) > CACHED / 4
  if (skewed) memory.fill(held, 255, reach * 4)
  const w = args.w, b = args.b, bias = b ? b : zeros
  const wTap: usize = groupIn * 16, wRow = kw * wTap, wVector = kh * wRow,
    wGroup = ((groupOut + 3) >> 2) * wVector
  const tiles = changetype<Tiles>(frame())
  tiles.rowBytes = rowBytes
  tiles.groupIn = groupIn
  tiles.wRow = wRow
  tiles.wVector = wVector
  tiles.yStride = oc * 4
  tiles.pixels = ow
  tiles.channels = groupOut
  tiles.sums = sums
  tiles.tapBytes = dilationW * 4
  tiles.outBytes = strideW * 4
  tiles.step = pixelStride

  for (let u = begin; u < end; u++) {
    const n = u / bands, firstRow = (u % bands) * rows
    let fetched = 0
    for (let oy = firstRow; oy < min(oh, firstRow + rows); oy++) {
      // Rows of the window in the padding are left out.
      const iy = oy * args.strideH - args.beforeH
      const ky0 = iy < 0 ? (dilationH - 1 - iy) / dilationH : 0
      const ky1 = iy < ih ? min(kh, (ih - iy + dilationH - 1) / dilationH) : 0
      if (far) {
        fetched = max(fetched, iy + ky0 * dilationH)
        const last = min(ih, iy + reach)
        if (last > fetched) {
          bringIn(args.x + (n * ih + fetched) * inputRow, (last - fetched) * inputRow, sums)
          fetched = last
        }
      }
      for (let ky = ky0; ky < ky1; ky++) {
        const inputIndex = n * ih + iy + ky * dilationH, slot = inputIndex % reach
        let from = args.x + inputIndex * inputRow
        if (skewed) {
          const copy = ring + slot * iw * pixelStride
          if (load<i32>(held + slot * 4) != inputIndex) {
            store<i32>(held + slot * 4, inputIndex)
            for (let offset: usize = 0, at = copy; offset < inputRow; offset += ic * 4, at += pixelStride)
              if (wide > ic) repeatFloats(at, from + offset, ic, wide / ic)
              else memory.copy(at, from + offset, ic * 4)
          }
          from = copy
        }
        pointRow(args, table + (ky - ky0) * rowBytes, rowBytes, zeros, from, pixelStride)
      }
      tiles.rows = ky1 - ky0
      for (let left = ow; left > 0; left -= TILE) {
        // The last tile of a row starts early, so that it ends with the row.
        const ox = max(0, min(ow - left, ow - TILE))
        const y = args.y + ((n * oh + oy) * ow + ox) * oc * 4
        for (let kx = 0, taps = 0; kx < kw; kx += taps) {
          // Where neighbouring taps do not see neighbouring pixels, or too many of them in the padding, each
          // tap goes by itself.
          taps = runOf(planar, strideW, kw - kx)
          const first = ox * strideW + kx - args.beforeW
          const runs = taps >= 3 && ow >= TILE && dilationW == 1 && strideW <= 2
            && first + before(taps) >= 0 && first + taps + (TILE - 1) * strideW - after(taps) <= iw
          if (!runs) taps = kw - kx
          const row = table + (ox * strideW + kx * dilationW) * 4, last = kx + taps == kw
          tiles.taps = taps
          tiles.startStride = kx ? oc * 4 : 0
          tiles.low = last ? args.low : -Infinity
          tiles.high = last ? args.high : Infinity
          for (let o = 0, xOffset = 0, wr = w + ky0 * wRow + kx * wTap; o < oc; o += groupOut) {
            const to = y + o * 4, start = kx ? to : bias + o * 4
            if (planar) {
              if (!runs) tile<GroupOne>(tiles, row, xOffset, wr, start, to)
              else if (strideW == 2) tile<GroupThreeBy2>(tiles, row, xOffset, wr, start, to)
              else if (taps == 3) tile<GroupThree>(tiles, row, xOffset, wr, start, to)
              else tile<GroupFive>(tiles, row, xOffset, wr, start, to)
            } else {
              if (!runs) tile<DepthOne>(tiles, row, xOffset, wr, start, to)
              else if (taps == 3 && strideW == 2) tile<DepthThreeBy2>(tiles, row, xOffset, wr, start, to)
              else if (taps == 3) tile<DepthThree>(tiles, row, xOffset, wr, start, to)
              else if (taps == 5 && strideW == 2) tile<DepthFiveBy2>(tiles, row, xOffset, wr, start, to)
              else if (taps == 5) tile<DepthFive>(tiles, row, xOffset, wr, start, to)
              else if (strideW == 2) tile<DepthFourBy2>(tiles, row, xOffset, wr, start, to)
              else tile<DepthFour>(tiles, row, xOffset, wr, start, to)
            }
            xOffset += groupIn * 4
            wr += wGroup
          }
        }
      }
    }
  }
}

/** Taps of the next run where `left` of a row are left; less than 3 have no run. */
// @ts-ignore: decorator
@inline
function runOf(planar: bool, strideW: i32, left: i32): i32 {
  if (planar) return left == 5 && strideW == 1 ? 5 : left >= 3 ? 3 : 0
  return left == 4 || left == 7 || left == 8 ? 4 : left == 6 ? 3 : min(left, 5)
}

/**
 * How many pixels of a run may lie in the padding to the left: these are read by the table. 7 taps, 3 of them
 * in the padding, are runs of 4 and 3.
 */
// @ts-ignore: decorator
@inline
function before(taps: i32): i32 {
  return taps == 3 ? 1 : taps == 4 ? 3 : 2
}

/** The same to the right. */
// @ts-ignore: decorator
@inline
function after(taps: i32): i32 {
  return taps == 3 ? 3 : taps == 4 ? 0 : 2
}

/**
 * Writes the addresses of the pixels of an input row from the left end of its padding on, `rowBytes` of them.
 */
function pointRow(
  args: Depthwise, to: usize, rowBytes: usize, zeros: usize, from: usize, pixelStride: usize,
): void {
  const iw = args.iw, beforeW = args.beforeW
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

/** The address of pixel i of a run; p is that of the one before it. */
// @ts-ignore: decorator
@inline
function pointer<R>(i: i32, p: usize, at: usize, xOffset: usize, step: usize): usize {
  const T = changetype<R>(0).taps(), S = changetype<R>(0).stride()
  return i <= before(T) || i >= T + (TILE - 1) * S - after(T) ? load<usize>(at + i * 4) + xOffset : p + step
}

/** 4 channels of a pixel, or one of them 4 times. */
// @ts-ignore: decorator
@inline
function pixel(planar: bool, p: usize): v128 {
  return planar ? v128.load32_splat(p) : v128.load(p)
}

/** c and what pixel `t` of its window adds to it: nothing where a run has no such tap. */
// @ts-ignore: decorator
@inline
function tap<R>(t: i32, d: v128, w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, c: v128): v128 {
  const isTap = t >= 0 && t < changetype<R>(0).taps()
  return isTap ? madd(d, t == 0 ? w0 : t == 1 ? w1 : t == 2 ? w2 : t == 3 ? w3 : w4, c) : c
}

/**
 * What a run of T taps in each row adds to the channels of each of up to 7 pixels, vector by vector. S: the
 * stride; pixel i is tap i - p * S of output p. T is 1 where taps go by themselves. The exits on negative i
 * are never taken: see dense/tile.ts.
 */
function tile<R>(tiles: Tiles, table: usize, xOffset: usize, w: usize, start: usize, y: usize): void {
  const planar = changetype<R>(0).planar(), T = changetype<R>(0).taps(), S = changetype<R>(0).stride()
  const rows = tiles.rows, rowBytes = tiles.rowBytes, groupIn = planar ? tiles.groupIn : 1
  const wRow = tiles.wRow, step = tiles.step, tapBytes = tiles.tapBytes, outBytes = tiles.outBytes
  const wStep: usize = planar ? groupIn * 16 : 16, startStride = tiles.startStride
  for (let channels = tiles.channels; channels > 0; channels -= 4) {
    let c0 = v128.load(start), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0
    if (startStride) {
      let from = start + startStride
      c1 = v128.load(from); from += startStride
      c2 = v128.load(from); from += startStride
      c3 = v128.load(from); from += startStride
      c4 = v128.load(from); from += startStride
      c5 = v128.load(from); from += startStride
      c6 = v128.load(from)
    }
    let row = table, wr = w
    for (let i = rows; i > 0; i--) {
      let at = row, wt = wr, left = T == 1 ? tiles.taps : 1
      do {
        let x = xOffset, inputs = groupIn
        do {
          const w0 = v128.load(wt)
          if (T == 1) {
            c0 = madd(pixel(planar, load<usize>(at) + x), w0, c0)
            c1 = madd(pixel(planar, load<usize>(at + outBytes) + x), w0, c1)
            if (i == -1) break
            c2 = madd(pixel(planar, load<usize>(at + 2 * outBytes) + x), w0, c2)
            c3 = madd(pixel(planar, load<usize>(at + 3 * outBytes) + x), w0, c3)
            if (i == -2) break
            c4 = madd(pixel(planar, load<usize>(at + 4 * outBytes) + x), w0, c4)
            c5 = madd(pixel(planar, load<usize>(at + 5 * outBytes) + x), w0, c5)
            if (i == -3) break
            c6 = madd(pixel(planar, load<usize>(at + 6 * outBytes) + x), w0, c6)
          } else {
            const w1 = v128.load(wt + wStep), w2 = v128.load(wt + 2 * wStep)
            const w3 = T > 3 ? v128.load(wt + 3 * wStep) : w2, w4 = T > 4 ? v128.load(wt + 4 * wStep) : w2
            let p: usize = 0
            { p = pointer<R>(0, p, at, x, step); const d = pixel(planar, p)
              c0 = tap<R>(0 - 0 * S, d, w0, w1, w2, w3, w4, c0) }
            { p = pointer<R>(1, p, at, x, step); const d = pixel(planar, p)
              c0 = tap<R>(1 - 0 * S, d, w0, w1, w2, w3, w4, c0)
              c1 = tap<R>(1 - 1 * S, d, w0, w1, w2, w3, w4, c1) }
            if (i == -1001) break
            { p = pointer<R>(2, p, at, x, step); const d = pixel(planar, p)
              c0 = tap<R>(2 - 0 * S, d, w0, w1, w2, w3, w4, c0)
              c1 = tap<R>(2 - 1 * S, d, w0, w1, w2, w3, w4, c1)
                c2 = tap<R>(2 - 2 * S, d, w0, w1, w2, w3, w4, c2) }
            { p = pointer<R>(3, p, at, x, step); const d = pixel(planar, p)
              c0 = tap<R>(3 - 0 * S, d, w0, w1, w2, w3, w4, c0)
              c1 = tap<R>(3 - 1 * S, d, w0, w1, w2, w3, w4, c1)
                c2 = tap<R>(3 - 2 * S, d, w0, w1, w2, w3, w4, c2)
              c3 = tap<R>(3 - 3 * S, d, w0, w1, w2, w3, w4, c3) }
            if (i == -1002) break
            { p = pointer<R>(4, p, at, x, step); const d = pixel(planar, p)
              c0 = tap<R>(4 - 0 * S, d, w0, w1, w2, w3, w4, c0)
              c1 = tap<R>(4 - 1 * S, d, w0, w1, w2, w3, w4, c1)
                c2 = tap<R>(4 - 2 * S, d, w0, w1, w2, w3, w4, c2)
              c3 = tap<R>(4 - 3 * S, d, w0, w1, w2, w3, w4, c3)
                c4 = tap<R>(4 - 4 * S, d, w0, w1, w2, w3, w4, c4) }
            { p = pointer<R>(5, p, at, x, step); const d = pixel(planar, p)
              c1 = tap<R>(5 - 1 * S, d, w0, w1, w2, w3, w4, c1)
              c2 = tap<R>(5 - 2 * S, d, w0, w1, w2, w3, w4, c2)
                c3 = tap<R>(5 - 3 * S, d, w0, w1, w2, w3, w4, c3)
              c4 = tap<R>(5 - 4 * S, d, w0, w1, w2, w3, w4, c4)
                c5 = tap<R>(5 - 5 * S, d, w0, w1, w2, w3, w4, c5) }
            if (i == -1003) break
            { p = pointer<R>(6, p, at, x, step); const d = pixel(planar, p)
              c1 = tap<R>(6 - 1 * S, d, w0, w1, w2, w3, w4, c1)
              c2 = tap<R>(6 - 2 * S, d, w0, w1, w2, w3, w4, c2)
                c3 = tap<R>(6 - 3 * S, d, w0, w1, w2, w3, w4, c3)
              c4 = tap<R>(6 - 4 * S, d, w0, w1, w2, w3, w4, c4)
                c5 = tap<R>(6 - 5 * S, d, w0, w1, w2, w3, w4, c5)
              c6 = tap<R>(6 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
            { p = pointer<R>(7, p, at, x, step); const d = pixel(planar, p)
              c2 = tap<R>(7 - 2 * S, d, w0, w1, w2, w3, w4, c2)
              c3 = tap<R>(7 - 3 * S, d, w0, w1, w2, w3, w4, c3)
                c4 = tap<R>(7 - 4 * S, d, w0, w1, w2, w3, w4, c4)
              c5 = tap<R>(7 - 5 * S, d, w0, w1, w2, w3, w4, c5)
                c6 = tap<R>(7 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
            if (i == -1004) break
            { p = pointer<R>(8, p, at, x, step); const d = pixel(planar, p)
              c2 = tap<R>(8 - 2 * S, d, w0, w1, w2, w3, w4, c2)
              c3 = tap<R>(8 - 3 * S, d, w0, w1, w2, w3, w4, c3)
                c4 = tap<R>(8 - 4 * S, d, w0, w1, w2, w3, w4, c4)
              c5 = tap<R>(8 - 5 * S, d, w0, w1, w2, w3, w4, c5)
                c6 = tap<R>(8 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
            if (T + 6 * S > 9) { p = pointer<R>(9, p, at, x, step); const d = pixel(planar, p)
              c3 = tap<R>(9 - 3 * S, d, w0, w1, w2, w3, w4, c3)
              c4 = tap<R>(9 - 4 * S, d, w0, w1, w2, w3, w4, c4)
                c5 = tap<R>(9 - 5 * S, d, w0, w1, w2, w3, w4, c5)
              c6 = tap<R>(9 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
            if (T + 6 * S > 10 && i == -1005) break
            if (T + 6 * S > 10) { p = pointer<R>(10, p, at, x, step); const d = pixel(planar, p)
              c3 = tap<R>(10 - 3 * S, d, w0, w1, w2, w3, w4, c3)
              c4 = tap<R>(10 - 4 * S, d, w0, w1, w2, w3, w4, c4)
                c5 = tap<R>(10 - 5 * S, d, w0, w1, w2, w3, w4, c5)
              c6 = tap<R>(10 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
            if (T + 6 * S > 11) { p = pointer<R>(11, p, at, x, step); const d = pixel(planar, p)
              c4 = tap<R>(11 - 4 * S, d, w0, w1, w2, w3, w4, c4)
              c5 = tap<R>(11 - 5 * S, d, w0, w1, w2, w3, w4, c5) }
            if (T + 6 * S > 12 && i == -1006) break
            if (T + 6 * S > 12) { p = pointer<R>(12, p, at, x, step); const d = pixel(planar, p)
              c4 = tap<R>(12 - 4 * S, d, w0, w1, w2, w3, w4, c4)
              c5 = tap<R>(12 - 5 * S, d, w0, w1, w2, w3, w4, c5)
                c6 = tap<R>(12 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
            if (T + 6 * S > 13) { p = pointer<R>(13, p, at, x, step); const d = pixel(planar, p)
              c5 = tap<R>(13 - 5 * S, d, w0, w1, w2, w3, w4, c5)
              c6 = tap<R>(13 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
            if (T + 6 * S > 14 && i == -1007) break
            if (T + 6 * S > 14) { p = pointer<R>(14, p, at, x, step); const d = pixel(planar, p)
              c5 = tap<R>(14 - 5 * S, d, w0, w1, w2, w3, w4, c5)
              c6 = tap<R>(14 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
            if (T + 6 * S > 15) { p = pointer<R>(15, p, at, x, step); const d = pixel(planar, p)
              c6 = tap<R>(15 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
            if (T + 6 * S > 16 && i == -1008) break
            if (T + 6 * S > 16) { p = pointer<R>(16, p, at, x, step); const d = pixel(planar, p)
              c6 = tap<R>(16 - 6 * S, d, w0, w1, w2, w3, w4, c6) }
          }
          x += 4
          wt += 16
        } while (planar && --inputs)
        if (T == 1) at += tapBytes
      } while (T == 1 && --left)
      row += rowBytes
      wr += wRow
    }
    const whole = channels >= 4 && tiles.pixels >= TILE
    const stride: usize = whole ? tiles.yStride : 16
    let to = whole ? y : tiles.sums
    const least = f32x4.splat(tiles.low), most = f32x4.splat(tiles.high)
    v128.store(to, clamp(c0, least, most)); to += stride
    v128.store(to, clamp(c1, least, most)); to += stride
    v128.store(to, clamp(c2, least, most)); to += stride
    v128.store(to, clamp(c3, least, most)); to += stride
    v128.store(to, clamp(c4, least, most)); to += stride
    v128.store(to, clamp(c5, least, most)); to += stride
    v128.store(to, clamp(c6, least, most))
    if (!whole) spread(tiles.sums, y, tiles.yStride, tiles.pixels, channels)
    if (!planar) xOffset += 16
    w += tiles.wVector
    start += 16
    y += 16
  }
}

/** The first `channels` sums of each of the first `pixels` pixels. */
function spread(sums: usize, y: usize, yStride: usize, pixels: i32, channels: i32): void {
  for (const end = sums + min(pixels, TILE) * 16; sums < end; sums += 16) {
    storeLanes(y, v128.load(sums), min(4, channels))
    y += yStride
  }
}
