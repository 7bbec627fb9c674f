/**
 * Implicit GEMM: a convolution as a matrix product whose rows are addressed, not copied.
 *
 *   y[p][oc] = clamp(b[oc] + sum over taps t, channels c of x[pixel(p, t)][c] * w[t][c][oc])
 *
 * For every output pixel a table holds the address of the input pixel under each tap; taps in the padding point at zeros.
 * Stride, padding, dilation and the phases of a transposed convolution are all in how the table is filled.
 * (Dukhan, "The Indirect Convolution Algorithm", 2019.)
 *
 * scratch: zeros [max(ic, oc) + 8] | positions [TILE_ROWS] of (address, iy, ix) | table [pixels][1 + taps] | row runs
 */
import { address, scratch, splat, word } from './arguments'
import { Igemm } from './calls'
import { TILE_ROWS } from './simd'
import { runTiles } from './tile'

/** Unit: `pixels` output pixels x `panels` panels of 8 output channels of one group; units of the same pixels are neighbours. */
export function igemm(call: usize, begin: i32, end: i32): void {
  const ic = word(call, Igemm.ic), oc = word(call, Igemm.oc), groups = word(call, Igemm.groups)
  const rowRuns = word(call, Igemm.rowRuns)
  const tapsH = word(call, Igemm.tapsH), tapsW = word(call, Igemm.tapsW)
  const taps = rowRuns ? tapsH : tapsH * tapsW
  const groupIn = ic / groups, groupOut = oc / groups
  const depth = rowRuns ? tapsW * ic : groupIn
  const panelStride: usize = taps * depth * 32
  const groupPanels = (groupOut + 7) / 8
  const unitPanels = word(call, Igemm.panels)
  const groupSlices = (groupPanels + unitPanels - 1) / unitPanels
  const slices = groups * groupSlices
  const pixels = word(call, Igemm.pixels)
  const allPixels = word(call, Igemm.n) * word(call, Igemm.gridH) * word(call, Igemm.gridW)
  const w = address(call, Igemm.w), b = address(call, Igemm.b)
  const low = splat(call, Igemm.low), high = splat(call, Igemm.high)

  const zeros = scratch()
  const zeroBytes: usize = (max(ic, oc) + 8) * 4
  memory.fill(zeros, 0, zeroBytes)
  const positions = zeros + zeroBytes
  const table = positions + TILE_ROWS * 12
  let pointed = -1
  let count = 0

  for (let u = begin; u < end; u++) {
    const block = u / slices
    if (block != pointed) {
      count = min(pixels, allPixels - block * pixels)
      pointPixels(call, table, positions, zeros, block * pixels, count)
      pointed = block
    }
    const slice = u % slices
    const group = slice / groupSlices
    const panel0 = (slice % groupSlices) * unitPanels
    const panel1 = min(panel0 + unitPanels, groupPanels)
    for (let panel = panel0; panel < panel1; panel++) {
      const wp = w + (group * groupPanels + panel) * panelStride
      const channel = group * groupOut + panel * 8
      const bp = b ? b + channel * 4 : zeros
      const columns = min(8, groupOut - panel * 8)
      runTiles(count, table, taps, depth, group * groupIn * 4, wp, bp, channel * 4, columns, low, high)
    }
  }
}

/** Fills the table for pixels [first, first + count), tile by tile: output addresses, then the input addresses of each tap. */
function pointPixels(call: usize, table: usize, positions: usize, zeros: usize, first: i32, count: i32): void {
  const x = address(call, Igemm.x), y = address(call, Igemm.y)
  const ih = word(call, Igemm.ih), iw = word(call, Igemm.iw), oh = word(call, Igemm.oh), ow = word(call, Igemm.ow)
  const gridH = word(call, Igemm.gridH), gridW = word(call, Igemm.gridW)
  const outFirstH = word(call, Igemm.outFirstH), outStepH = word(call, Igemm.outStepH)
  const outFirstW = word(call, Igemm.outFirstW), outStepW = word(call, Igemm.outStepW)
  const inStepH = word(call, Igemm.inStepH), inStepW = word(call, Igemm.inStepW)
  const tapsH = word(call, Igemm.tapsH), tapsW = word(call, Igemm.tapsW)
  const tapFirstH = word(call, Igemm.tapFirstH), tapStepH = word(call, Igemm.tapStepH)
  const tapFirstW = word(call, Igemm.tapFirstW), tapStepW = word(call, Igemm.tapStepW)
  const rowRuns = word(call, Igemm.rowRuns)
  const xPixelStride = word(call, Igemm.ic) * 4, yPixelStride = word(call, Igemm.oc) * 4
  const xRowStride = iw * xPixelStride
  const tapLastH = (tapsH - 1) * tapStepH, tapLastW = (tapsW - 1) * tapStepW
  const runBytes = tapsW * xPixelStride

  let runs = table + count * ((rowRuns ? tapsH : tapsH * tapsW) + 1) * 4
  let gx = first % gridW, gy = first / gridW
  let n = gy / gridH
  gy -= n * gridH

  for (let left = count; left > 0; left -= TILE_ROWS) {
    const rows = min(left, TILE_ROWS)
    let inside = true
    for (let r = 0; r < rows; r++) {
      store<usize>(table, y + ((n * oh + outFirstH + gy * outStepH) * ow + outFirstW + gx * outStepW) * yPixelStride)
      table += 4
      const iy = gy * inStepH + tapFirstH, ix = gx * inStepW + tapFirstW
      const position = positions + r * 12
      store<usize>(position, x + (n * ih + iy) * xRowStride + ix * xPixelStride)
      store<i32>(position, iy, 4)
      store<i32>(position, ix, 8)
      inside = inside && min(iy, iy + tapLastH) >= 0 && max(iy, iy + tapLastH) < ih && min(ix, ix + tapLastW) >= 0 && max(ix, ix + tapLastW) < iw
      if (++gx == gridW) {
        gx = 0
        if (++gy == gridH) {
          gy = 0
          n++
        }
      }
    }
    for (let ty = 0; ty < tapsH; ty++) {
      const tapRow = ty * tapStepH
      if (rowRuns) {
        for (let r = 0; r < rows; r++) {
          const position = positions + r * 12
          const iy = load<i32>(position, 4) + tapRow, ix = load<i32>(position, 8)
          const source = load<usize>(position) + tapRow * xRowStride
          let run = source
          if (!inside && (<u32>iy >= <u32>ih || ix < 0 || ix + tapsW > iw)) {
            run = runs
            runs += runBytes
            memory.fill(run, 0, runBytes)
            const x0 = max(ix, 0), x1 = min(ix + tapsW, iw)
            if (<u32>iy < <u32>ih && x1 > x0) memory.copy(run + (x0 - ix) * xPixelStride, source + (x0 - ix) * xPixelStride, (x1 - x0) * xPixelStride)
          }
          store<usize>(table, run)
          table += 4
        }
        continue
      }
      for (let tx = 0; tx < tapsW; tx++) {
        const tapColumn = tx * tapStepW
        const offset = tapRow * xRowStride + tapColumn * xPixelStride
        for (let r = 0; r < rows; r++) {
          const position = positions + r * 12
          const seen = inside || (<u32>(load<i32>(position, 4) + tapRow) < <u32>ih && <u32>(load<i32>(position, 8) + tapColumn) < <u32>iw)
          store<usize>(table, seen ? load<usize>(position) + offset : zeros)
          table += 4
        }
      }
    }
  }
}
