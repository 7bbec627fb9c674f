/**
 * One filter per channel:
 *
 *   y[oy][ox][c] = clamp(b[c] + sum over ky, kx of x[oy * stride - before + ky * dilation][ox * stride - before + kx * dilation][c / m] * w[ky][kx][c])
 *
 * where m = oc / ic. Input rows are copied once into a ring in scratch, a block of channels wide, padding and all. A row of the ring has its
 * pixels by column modulo stride (the phase), so that neighbouring outputs read neighbouring pixels under every tap, whatever the stride:
 *
 *   ring row:  [phase][channel / 4][column / stride][4]
 *
 * Taps of one phase that read neighbouring columns form runs of up to 3, whose loads are shared: 10 loads for 24 multiply-adds.
 * Witness: bench, depthwise layers (loads of single taps bound the tile to 26 GFLOP/s where runs of 3 reach 34).
 *
 * scratch: zeros [block] | ring [reach(kh)] | runs [kh * kw] of (address, offset in w, taps, offset in a ring row)
 */
import { address, scratch, splat, word } from './arguments'
import { Depthwise } from './calls'
import { clamp, loadLanes, loadPart, madd, storeLanes } from './simd'

/** Unit: `rows` output rows of `block` channels of one image. */
export function depthwise(call: usize, begin: i32, end: i32): void {
  const oh = word(call, Depthwise.oh), ow = word(call, Depthwise.ow), oc = word(call, Depthwise.oc)
  const kh = word(call, Depthwise.kh), kw = word(call, Depthwise.kw), taps = kh * kw
  const strideH = word(call, Depthwise.strideH), strideW = word(call, Depthwise.strideW)
  const dilationH = word(call, Depthwise.dilationH), dilationW = word(call, Depthwise.dilationW)
  const tapStep = word(call, Depthwise.tapStep), runTaps = word(call, Depthwise.runTaps)
  const rows = word(call, Depthwise.rows), block = word(call, Depthwise.block)
  const y = address(call, Depthwise.y), w = address(call, Depthwise.w), b = address(call, Depthwise.b)
  const low = splat(call, Depthwise.low), high = splat(call, Depthwise.high)
  const bands = (oh + rows - 1) / rows, blocks = (oc + block - 1) / block

  const vectorStride = word(call, Depthwise.columns) * 16, phaseStride = (block >> 2) * vectorStride, rowStride = strideW * phaseStride
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
        store<i32>(run, (ky * kw + kx) * 16, 4)
        store<i32>(run, min(runTaps, (kw - kx + tapStep - 1) / tapStep), 8)
        store<i32>(run, (column % strideW) * phaseStride + (column / strideW) * 16, 12)
        run += 16
      }
    }
  }
  const runsEnd = run, rowRuns = (runsEnd - runs) / kh

  for (let u = begin; u < end; u++) {
    const band = u % bands, channel = ((u / bands) % blocks) * block, n = u / (bands * blocks)
    const channels = min(block, oc - channel)
    const bp = b ? b + channel * 4 : zeros
    const lastRow = min(oh, (band + 1) * rows)
    memory.fill(ring, 0, ringBytes)
    // Rows are counted from the top of the padding: row r holds input row r - beforeH, in slot r % reach.
    let copied = band * rows * strideH
    for (let oy = band * rows; oy < lastRow; oy++) {
      const top = oy * strideH
      copied = max(copied, top)
      for (; copied < top + reach; copied++) copyRow(call, ring + (copied % reach) * rowStride, n, copied, channel, channels)
      let slot = (top % reach) * rowStride
      run = runs
      for (let ky = 0; ky < kh; ky++) {
        for (const rowEnd = run + rowRuns; run < rowEnd; run += 16) store<usize>(run, ring + slot + load<usize>(run, 12))
        slot += dilationH * rowStride
        if (slot >= ringBytes) slot -= ringBytes
      }
      const yRow = y + ((n * oh + oy) * ow * oc + channel) * 4
      const wide = ow >= 8 ? channels & ~3 : 0
      if (wide) tileRow(runs, runsEnd, 0, vectorStride, w + channel * taps * 4, taps * 16, tapStep * 16, bp, yRow, oc * 4, ow, wide, low, high)
      if (wide < channels) {
        const x = (wide >> 2) * vectorStride
        partRow(runs, runsEnd, x, vectorStride, w + (channel + wide) * taps * 4, taps * 16, tapStep * 16, bp + wide * 4, yRow + wide * 4, oc * 4, ow, channels - wide, low, high)
      }
    }
  }
}

/** Copies a block of channels of padded row `row` of image n into the ring. Rows in the padding are zeros; columns in the padding are zeros already. */
function copyRow(call: usize, to: usize, n: i32, row: i32, channel: i32, channels: i32): void {
  const ih = word(call, Depthwise.ih), iw = word(call, Depthwise.iw), ic = word(call, Depthwise.ic), oc = word(call, Depthwise.oc)
  const stride = word(call, Depthwise.strideW), beforeW = word(call, Depthwise.beforeW), columns = word(call, Depthwise.columns)
  const vectorStride = columns * 16, phaseStride = (word(call, Depthwise.block) >> 2) * vectorStride
  const iy = row - word(call, Depthwise.beforeH)
  if (<u32>iy >= <u32>ih) {
    memory.fill(to, 0, stride * phaseStride)
    return
  }
  const multiplier = oc / ic, pixelStride = ic * 4
  const image = address(call, Depthwise.x) + (n * ih + iy) * iw * pixelStride
  const count = min(iw, columns * stride - beforeW)
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
          for (let ix = firstColumn; ix < count; ix += stride) {
            v128.store(at, v128.load(from))
            from += stride * pixelStride
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

/**
 * 8 outputs of a row x 4 channels; where `part`, only `valid` of them and `lanes` channels are stored. The exits on negative r are never taken:
 * see tile.ts.
 */
// @ts-ignore: decorator
@inline
function tile(part: bool, run: usize, end: usize, xOffset: usize, w: usize, wStep: usize, bias: v128, y: usize, yStride: usize, valid: i32, lanes: i32, low: v128, high: v128): void {
  let c0 = bias, c1 = bias, c2 = bias, c3 = bias, c4 = bias, c5 = bias, c6 = bias, c7 = bias
  let r: i32 = end - run
  while (r) {
    const x = load<usize>(run) + xOffset
    const wr = w + load<usize>(run, 4)
    const taps = load<i32>(run, 8)
    const w0 = v128.load(wr)
    let d = v128.load(x)
    c0 = madd(d, w0, c0)
    if (taps == 3) {
      const w1 = v128.load(wr + wStep), w2 = v128.load(wr + 2 * wStep)
      d = v128.load(x, 16); c0 = madd(d, w1, c0); c1 = madd(d, w0, c1)
      d = v128.load(x, 32); c0 = madd(d, w2, c0); c1 = madd(d, w1, c1); c2 = madd(d, w0, c2)
      d = v128.load(x, 48); c1 = madd(d, w2, c1); c2 = madd(d, w1, c2); c3 = madd(d, w0, c3)
      d = v128.load(x, 64); c2 = madd(d, w2, c2); c3 = madd(d, w1, c3); c4 = madd(d, w0, c4)
      d = v128.load(x, 80); c3 = madd(d, w2, c3); c4 = madd(d, w1, c4); c5 = madd(d, w0, c5)
      d = v128.load(x, 96); c4 = madd(d, w2, c4); c5 = madd(d, w1, c5); c6 = madd(d, w0, c6)
      d = v128.load(x, 112); c5 = madd(d, w2, c5); c6 = madd(d, w1, c6); c7 = madd(d, w0, c7)
      d = v128.load(x, 128); c6 = madd(d, w2, c6); c7 = madd(d, w1, c7)
      d = v128.load(x, 144); c7 = madd(d, w2, c7)
    } else if (taps == 2) {
      const w1 = v128.load(wr + wStep)
      d = v128.load(x, 16); c0 = madd(d, w1, c0); c1 = madd(d, w0, c1)
      if (r == -1001) break
      d = v128.load(x, 32); c1 = madd(d, w1, c1); c2 = madd(d, w0, c2)
      d = v128.load(x, 48); c2 = madd(d, w1, c2); c3 = madd(d, w0, c3)
      d = v128.load(x, 64); c3 = madd(d, w1, c3); c4 = madd(d, w0, c4)
      if (r == -1002) break
      d = v128.load(x, 80); c4 = madd(d, w1, c4); c5 = madd(d, w0, c5)
      d = v128.load(x, 96); c5 = madd(d, w1, c5); c6 = madd(d, w0, c6)
      d = v128.load(x, 112); c6 = madd(d, w1, c6); c7 = madd(d, w0, c7)
      d = v128.load(x, 128); c7 = madd(d, w1, c7)
    } else {
      c1 = madd(v128.load(x, 16), w0, c1)
      if (r == -1003) break
      c2 = madd(v128.load(x, 32), w0, c2)
      c3 = madd(v128.load(x, 48), w0, c3)
      if (r == -1004) break
      c4 = madd(v128.load(x, 64), w0, c4)
      c5 = madd(v128.load(x, 80), w0, c5)
      if (r == -1005) break
      c6 = madd(v128.load(x, 96), w0, c6)
      c7 = madd(v128.load(x, 112), w0, c7)
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
function tileRow(runs: usize, end: usize, x: usize, xVector: usize, w: usize, wVector: usize, wStep: usize, b: usize, y: usize, yStride: usize, ow: i32, channels: i32, low: v128, high: v128): void {
  for (; channels > 0; channels -= 4) {
    let xTile = x, yTile = y, left = ow
    while (true) {
      tile(false, runs, end, xTile, w, wStep, v128.load(b), yTile, yStride, 8, 4, low, high)
      left -= 8
      if (left <= 0) break
      const step: usize = min(left, 8)
      xTile += step * 16
      yTile += step * yStride
    }
    x += xVector
    w += wVector
    b += 16
    y += 16
  }
}

/** The same for short rows and for channels that do not fill a vector. */
function partRow(runs: usize, end: usize, x: usize, xVector: usize, w: usize, wVector: usize, wStep: usize, b: usize, y: usize, yStride: usize, ow: i32, channels: i32, low: v128, high: v128): void {
  for (; channels > 0; channels -= 4) {
    const lanes = min(4, channels)
    for (let ox = 0; ox < ow; ox += 8) tile(true, runs, end, x + ox * 16, w, wStep, loadLanes(b, lanes), y + ox * yStride, yStride, ow - ox, lanes, low, high)
    x += xVector
    w += wVector
    b += 16
    y += 16
  }
}
