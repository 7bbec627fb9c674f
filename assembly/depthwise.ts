/**
 * Convolution with few channels in a group: one filter per channel (depthwise), or a few inputs and outputs each (grouped).
 *
 *   y[oy][ox][o] = clamp(b[o] + sum over ky, kx, i of x[oy * stride - before + ky * dilation][ox * stride - before + kx * dilation][i] * w[ky][kx][i][o])
 *
 * Input rows are copied once into a ring in scratch, a block of channels wide, padding and all. A row of the ring has its pixels by column
 * modulo stride (the phase), so that neighbouring outputs read neighbouring pixels under every tap, whatever the stride:
 *
 *   ring row, depthwise:  [phase][channel / 4][column / stride][4]     4 channels times 4 filters
 *   ring row, grouped:    [phase][channel][column / stride]            1 channel times 4 filters of its group
 *
 * Taps of one phase that read neighbouring columns form runs of up to 3, whose loads are shared: 10 loads for 24 multiply-adds.
 * Witness: bench, depthwise layers (loads of single taps bound the tile to 26 GFLOP/s where runs of 3 reach 34).
 *
 * scratch: zeros [outputs of a unit] | ring [reach(kh)] | runs [kh * kw * groupIn] of (address, offset in w, taps, offset in a ring row)
 */
import { address, scratch, splat, word } from './arguments'
import { Depthwise } from './calls'
import { clamp, loadLanes, loadPart, madd, storeLanes } from './simd'

/** Unit: `rows` output rows of `block` channels of one image, each from the input channel of its place, or of its place / multiplier. */
export function depthwise(call: usize, begin: i32, end: i32): void {
  convolve(false, call, begin, end)
}

/** Unit: `rows` output rows of `block` channels, a multiple of a group's, of one image. */
export function grouped(call: usize, begin: i32, end: i32): void {
  convolve(true, call, begin, end)
}

// @ts-ignore: decorator
@inline
function convolve(planar: bool, call: usize, begin: i32, end: i32): void {
  const oh = word(call, Depthwise.oh), ow = word(call, Depthwise.ow), oc = word(call, Depthwise.oc)
  const kh = word(call, Depthwise.kh), kw = word(call, Depthwise.kw)
  const strideH = word(call, Depthwise.strideH), strideW = word(call, Depthwise.strideW)
  const dilationH = word(call, Depthwise.dilationH), dilationW = word(call, Depthwise.dilationW)
  const groupIn = planar ? word(call, Depthwise.groupIn) : 1, groupOut = planar ? word(call, Depthwise.groupOut) : 1
  const tapStep = word(call, Depthwise.tapStep), runTaps = word(call, Depthwise.runTaps)
  const rows = word(call, Depthwise.rows), block = word(call, Depthwise.block)
  const y = address(call, Depthwise.y), w = address(call, Depthwise.w), b = address(call, Depthwise.b)
  const low = splat(call, Depthwise.low), high = splat(call, Depthwise.high)
  const bands = (oh + rows - 1) / rows, blocks = (oc + block - 1) / block

  // Bytes of one column in the ring, of all columns of its channel or vector, of a phase, of a row.
  const pixel = planar ? 4 : 16
  const channelStride = word(call, Depthwise.columns) * pixel
  const phaseStride = (planar ? (block / groupOut) * groupIn : block >> 2) * channelStride, rowStride = strideW * phaseStride
  const reach = dilationH * (kh - 1) + 1, ringBytes = reach * rowStride
  const zeros = scratch()
  memory.fill(zeros, 0, block * 4)
  const ring = zeros + block * 4
  const runs = ring + ringBytes
  let run = runs
  for (let ky = 0; ky < kh; ky++) {
    for (let first = 0; first < min(tapStep, kw); first++) {
      for (let kx = first; kx < kw; kx += runTaps * tapStep) {
        const column = kx * dilationW
        for (let i = 0; i < groupIn; i++) {
          store<i32>(run, ((ky * kw + kx) * groupIn + i) * 16, 4)
          store<i32>(run, min(runTaps, (kw - kx + tapStep - 1) / tapStep), 8)
          store<i32>(run, (column % strideW) * phaseStride + (column / strideW) * pixel + i * channelStride, 12)
          run += 16
        }
      }
    }
  }
  const runsEnd = run, rowRuns = (runsEnd - runs) / kh
  const wVector = kh * kw * groupIn * 16, wStep = tapStep * groupIn * 16

  for (let u = begin; u < end; u++) {
    const band = u % bands, channel = ((u / bands) % blocks) * block, n = u / (bands * blocks)
    const channels = min(block, oc - channel)
    const lastRow = min(oh, (band + 1) * rows)
    memory.fill(ring, 0, ringBytes)
    // Rows are counted from the top of the padding: row r holds input row r - beforeH, in slot r % reach.
    let copied = band * rows * strideH
    for (let oy = band * rows; oy < lastRow; oy++) {
      const top = oy * strideH
      copied = max(copied, top)
      for (; copied < top + reach; copied++) {
        if (planar) copyRow(call, ring + (copied % reach) * rowStride, phaseStride, n, copied, (channel / groupOut) * groupIn, (channels / groupOut) * groupIn)
        else copyRowByFour(call, ring + (copied % reach) * rowStride, phaseStride, n, copied, channel, channels)
      }
      let slot = (top % reach) * rowStride
      run = runs
      for (let ky = 0; ky < kh; ky++) {
        for (const rowEnd = run + rowRuns; run < rowEnd; run += 16) store<usize>(run, ring + slot + load<usize>(run, 12))
        slot += dilationH * rowStride
        if (slot >= ringBytes) slot -= ringBytes
      }
      const yRow = y + ((n * oh + oy) * ow * oc + channel) * 4
      const bRow = b ? b + channel * 4 : zeros
      if (planar) {
        const vectors = (groupOut + 3) >> 2
        let wGroup = w + (channel / groupOut) * vectors * wVector
        for (let o = 0, x: usize = 0; o < channels; o += groupOut) {
          convolveRow(planar, runs, runsEnd, x, 0, wGroup, wVector, wStep, bRow + o * 4, yRow + o * 4, oc * 4, ow, groupOut, low, high)
          x += groupIn * channelStride
          wGroup += vectors * wVector
        }
      } else convolveRow(planar, runs, runsEnd, 0, channelStride, w + (channel >> 2) * wVector, wVector, wStep, bRow, yRow, oc * 4, ow, channels, low, high)
    }
  }
}

/** `channels` outputs of each pixel of a row; from vector to vector of 4 the input moves on by xVector bytes, the weights by wVector. */
// @ts-ignore: decorator
@inline
function convolveRow(planar: bool, runs: usize, end: usize, x: usize, xVector: usize, w: usize, wVector: usize, wStep: usize, b: usize, y: usize, yStride: usize, ow: i32, channels: i32, low: v128, high: v128): void {
  const wide = ow >= 8 ? channels & ~3 : 0
  const vectors = wide >> 2
  if (wide) {
    if (planar) tileRowPlanar(runs, end, x, xVector, w, wVector, wStep, b, y, yStride, ow, wide, low, high)
    else tileRowByFour(runs, end, x, xVector, w, wVector, wStep, b, y, yStride, ow, wide, low, high)
  }
  if (wide == channels) return
  x += vectors * xVector
  w += vectors * wVector
  if (planar) partRowPlanar(runs, end, x, xVector, w, wVector, wStep, b + wide * 4, y + wide * 4, yStride, ow, channels - wide, low, high)
  else partRowByFour(runs, end, x, xVector, w, wVector, wStep, b + wide * 4, y + wide * 4, yStride, ow, channels - wide, low, high)
}

/** The input row under padded row `row` of image n, or 0 where that is padding. */
// @ts-ignore: decorator
@inline
function inputRow(call: usize, n: i32, row: i32): usize {
  const ih = word(call, Depthwise.ih), iy = row - word(call, Depthwise.beforeH)
  return <u32>iy < <u32>ih ? address(call, Depthwise.x) + (n * ih + iy) * word(call, Depthwise.iw) * word(call, Depthwise.ic) * 4 : 0
}

/** Copies `channels` channels of padded row `row` of image n into the ring, channel by channel. Columns in the padding are zeros already. */
function copyRow(call: usize, to: usize, phaseStride: usize, n: i32, row: i32, channel: i32, channels: i32): void {
  const stride = word(call, Depthwise.strideW), beforeW = word(call, Depthwise.beforeW), columns = word(call, Depthwise.columns)
  const image = inputRow(call, n, row)
  if (!image) {
    memory.fill(to, 0, stride * phaseStride)
    return
  }
  const pixelStride = word(call, Depthwise.ic) * 4
  const count = min(word(call, Depthwise.iw), columns * stride - beforeW)
  for (let phase = 0; phase < stride; phase++) {
    // Columns ix with (ix + beforeW) % stride = phase.
    const firstColumn = (phase - (beforeW % stride) + stride) % stride
    let channelRow = to + phase * phaseStride + ((firstColumn + beforeW) / stride) * 4
    for (let c = 0; c < channels; c++) {
      let from = image + firstColumn * pixelStride + (channel + c) * 4
      let at = channelRow
      for (let ix = firstColumn; ix < count; ix += stride) {
        store<f32>(at, load<f32>(from))
        from += stride * pixelStride
        at += 4
      }
      channelRow += columns * 4
    }
  }
}

/** The same, by vectors of 4 channels; `channel` and `channels` count outputs, of which `multiplier` share an input. */
function copyRowByFour(call: usize, to: usize, phaseStride: usize, n: i32, row: i32, channel: i32, channels: i32): void {
  const stride = word(call, Depthwise.strideW), beforeW = word(call, Depthwise.beforeW), columns = word(call, Depthwise.columns)
  const image = inputRow(call, n, row)
  if (!image) {
    memory.fill(to, 0, stride * phaseStride)
    return
  }
  const ic = word(call, Depthwise.ic), multiplier = word(call, Depthwise.oc) / ic, pixelStride = ic * 4
  const vectorStride = columns * 16
  const step: usize = stride * pixelStride
  const count = min(word(call, Depthwise.iw), columns * stride - beforeW)
  for (let phase = 0; phase < stride; phase++) {
    // Columns ix with (ix + beforeW) % stride = phase.
    const firstColumn = (phase - (beforeW % stride) + stride) % stride
    const phaseRow = to + phase * phaseStride + ((firstColumn + beforeW) / stride) * 16
    for (let c = 0; c < channels; c += 4) {
      const lanes = min(4, channels - c)
      let at = phaseRow + (c >> 2) * vectorStride
      if (multiplier == 1) {
        let from = image + firstColumn * pixelStride + (channel + c) * 4
        if (lanes == 4) {
          let ix = firstColumn
          for (; ix + 3 * stride < count; ix += 4 * stride) {
            const from1 = from + step, from2 = from1 + step, from3 = from2 + step
            v128.store(at, v128.load(from))
            v128.store(at, v128.load(from1), 16)
            v128.store(at, v128.load(from2), 32)
            v128.store(at, v128.load(from3), 48)
            from = from3 + step
            at += 64
          }
          for (; ix < count; ix += stride) {
            v128.store(at, v128.load(from))
            from += step
            at += 16
          }
        } else {
          for (let ix = firstColumn; ix < count; ix += stride) {
            v128.store(at, loadPart(from, lanes))
            from += stride * pixelStride
            at += 16
          }
        }
      } else {
        for (let ix = firstColumn; ix < count; ix += stride) {
          for (let lane = 0; lane < lanes; lane++) store<f32>(at + lane * 4, load<f32>(image + ix * pixelStride + ((channel + c + lane) / multiplier) * 4))
          at += 16
        }
      }
    }
  }
}

/** Column i of a ring row: 4 channels, or one of them 4 times. */
// @ts-ignore: decorator
@inline
function column(planar: bool, x: usize, i: i32): v128 {
  return planar ? v128.load32_splat(x + i * 4) : v128.load(x + i * 16)
}

/**
 * 8 outputs of a row x 4 channels, from 4 input channels or, where `planar`, from one; where `part`, only `valid` of them and `lanes` channels are stored. The exits on negative r are never taken:
 * see tile.ts.
 */
// @ts-ignore: decorator
@inline
function tile(planar: bool, part: bool, run: usize, end: usize, xOffset: usize, w: usize, wStep: usize, bias: v128, y: usize, yStride: usize, valid: i32, lanes: i32, low: v128, high: v128): void {
  let c0 = bias, c1 = bias, c2 = bias, c3 = bias, c4 = bias, c5 = bias, c6 = bias, c7 = bias
  let r: i32 = end - run
  while (r) {
    const x = load<usize>(run) + xOffset
    const wr = w + load<usize>(run, 4)
    const taps = load<i32>(run, 8)
    const w0 = v128.load(wr)
    let d = column(planar, x, 0)
    c0 = madd(d, w0, c0)
    if (taps == 3) {
      const w1 = v128.load(wr + wStep), w2 = v128.load(wr + 2 * wStep)
      d = column(planar, x, 1); c0 = madd(d, w1, c0); c1 = madd(d, w0, c1)
      if (r == -2001) break
      d = column(planar, x, 2); c0 = madd(d, w2, c0); c1 = madd(d, w1, c1); c2 = madd(d, w0, c2)
      d = column(planar, x, 3); c1 = madd(d, w2, c1); c2 = madd(d, w1, c2); c3 = madd(d, w0, c3)
      if (r == -2002) break
      d = column(planar, x, 4); c2 = madd(d, w2, c2); c3 = madd(d, w1, c3); c4 = madd(d, w0, c4)
      d = column(planar, x, 5); c3 = madd(d, w2, c3); c4 = madd(d, w1, c4); c5 = madd(d, w0, c5)
      if (r == -2003) break
      d = column(planar, x, 6); c4 = madd(d, w2, c4); c5 = madd(d, w1, c5); c6 = madd(d, w0, c6)
      d = column(planar, x, 7); c5 = madd(d, w2, c5); c6 = madd(d, w1, c6); c7 = madd(d, w0, c7)
      if (r == -2004) break
      d = column(planar, x, 8); c6 = madd(d, w2, c6); c7 = madd(d, w1, c7)
      d = column(planar, x, 9); c7 = madd(d, w2, c7)
    } else if (taps == 2) {
      const w1 = v128.load(wr + wStep)
      d = column(planar, x, 1); c0 = madd(d, w1, c0); c1 = madd(d, w0, c1)
      if (r == -1001) break
      d = column(planar, x, 2); c1 = madd(d, w1, c1); c2 = madd(d, w0, c2)
      d = column(planar, x, 3); c2 = madd(d, w1, c2); c3 = madd(d, w0, c3)
      d = column(planar, x, 4); c3 = madd(d, w1, c3); c4 = madd(d, w0, c4)
      if (r == -1002) break
      d = column(planar, x, 5); c4 = madd(d, w1, c4); c5 = madd(d, w0, c5)
      d = column(planar, x, 6); c5 = madd(d, w1, c5); c6 = madd(d, w0, c6)
      d = column(planar, x, 7); c6 = madd(d, w1, c6); c7 = madd(d, w0, c7)
      d = column(planar, x, 8); c7 = madd(d, w1, c7)
    } else {
      c1 = madd(column(planar, x, 1), w0, c1)
      if (r == -1003) break
      c2 = madd(column(planar, x, 2), w0, c2)
      c3 = madd(column(planar, x, 3), w0, c3)
      if (r == -1004) break
      c4 = madd(column(planar, x, 4), w0, c4)
      c5 = madd(column(planar, x, 5), w0, c5)
      if (r == -1005) break
      c6 = madd(column(planar, x, 6), w0, c6)
      c7 = madd(column(planar, x, 7), w0, c7)
    }
    run += 16
    r -= 16
  }
  const l = part ? lanes : 4
  storeLanes(y, clamp(c0, low, high), l)
  if (!part || valid > 1) storeLanes(y + yStride, clamp(c1, low, high), l)
  if (!part || valid > 2) storeLanes(y + 2 * yStride, clamp(c2, low, high), l)
  if (!part || valid > 3) storeLanes(y + 3 * yStride, clamp(c3, low, high), l)
  if (!part || valid > 4) storeLanes(y + 4 * yStride, clamp(c4, low, high), l)
  if (!part || valid > 5) storeLanes(y + 5 * yStride, clamp(c5, low, high), l)
  if (!part || valid > 6) storeLanes(y + 6 * yStride, clamp(c6, low, high), l)
  if (!part || valid > 7) storeLanes(y + 7 * yStride, clamp(c7, low, high), l)
}

/** All outputs of a row, 8 at least, by `channels`, a multiple of 4: the last tile of a row starts early, so that it ends with the row. */
// @ts-ignore: decorator
@inline
function tileRow(planar: bool, runs: usize, end: usize, x: usize, xVector: usize, w: usize, wVector: usize, wStep: usize, b: usize, y: usize, yStride: usize, ow: i32, channels: i32, low: v128, high: v128): void {
  for (; channels > 0; channels -= 4) {
    let xTile = x, yTile = y, left = ow
    while (true) {
      tile(planar, false, runs, end, xTile, w, wStep, v128.load(b), yTile, yStride, 8, 4, low, high)
      left -= 8
      if (left <= 0) break
      const step: usize = min(left, 8)
      xTile += step * (planar ? 4 : 16)
      yTile += step * yStride
    }
    x += xVector
    w += wVector
    b += 16
    y += 16
  }
}

/** The same for short rows and for channels that do not fill a vector. */
// @ts-ignore: decorator
@inline
function partRow(planar: bool, runs: usize, end: usize, x: usize, xVector: usize, w: usize, wVector: usize, wStep: usize, b: usize, y: usize, yStride: usize, ow: i32, channels: i32, low: v128, high: v128): void {
  for (; channels > 0; channels -= 4) {
    const lanes = min(4, channels)
    for (let ox = 0; ox < ow; ox += 8) tile(planar, true, runs, end, x + ox * (planar ? 4 : 16), w, wStep, loadLanes(b, lanes), y + ox * yStride, yStride, ow - ox, lanes, low, high)
    x += xVector
    w += wVector
    b += 16
    y += 16
  }
}

function tileRowByFour(runs: usize, end: usize, x: usize, xVector: usize, w: usize, wVector: usize, wStep: usize, b: usize, y: usize, yStride: usize, ow: i32, channels: i32, low: v128, high: v128): void {
  tileRow(false, runs, end, x, xVector, w, wVector, wStep, b, y, yStride, ow, channels, low, high)
}

function tileRowPlanar(runs: usize, end: usize, x: usize, xVector: usize, w: usize, wVector: usize, wStep: usize, b: usize, y: usize, yStride: usize, ow: i32, channels: i32, low: v128, high: v128): void {
  tileRow(true, runs, end, x, xVector, w, wVector, wStep, b, y, yStride, ow, channels, low, high)
}

function partRowByFour(runs: usize, end: usize, x: usize, xVector: usize, w: usize, wVector: usize, wStep: usize, b: usize, y: usize, yStride: usize, ow: i32, channels: i32, low: v128, high: v128): void {
  partRow(false, runs, end, x, xVector, w, wVector, wStep, b, y, yStride, ow, channels, low, high)
}

function partRowPlanar(runs: usize, end: usize, x: usize, xVector: usize, w: usize, wVector: usize, wStep: usize, b: usize, y: usize, yStride: usize, ow: i32, channels: i32, low: v128, high: v128): void {
  partRow(true, runs, end, x, xVector, w, wVector, wStep, b, y, yStride, ow, channels, low, high)
}
