/**
 * Implicit GEMM: a convolution as a matrix product whose rows are addressed, not copied.
 *
 *   y[p][oc] = clamp(b[oc] + sum over taps t, channels c of x[pixel(p, t)][c] * w[t][c][oc])
 *
 * For every output pixel a table holds the address of the input pixel under each tap; taps in the padding
 * point at zeros. Stride, padding, dilation and the phases of a transposed convolution are all in how the
 * table is filled. (Dukhan, "The Indirect Convolution Algorithm", 2019.)
 *
 * Where channels are few, a tap is too short a run for the tile: then the table points at whole rows of the
 * window (which lie as they are in the input, but for copies of those that cross its edge), or at a copy of
 * the whole window.
 *
 * scratch: zeros [max(ic, oc) + 8] | positions (address [8], iy [8], ix [8]) | table [pixels][1 + runs] | gap
 * [8] | copies
 */
import { frame, rolled, scratch } from '../arguments'
import { Igemm } from '../abi'
import { TILE_ROWS, WIDE } from '../simd'
import { LANE_ROWS, laneTiles } from './lanes'
import { runTwoPanels } from './rolled'
import { Product, pixelByPanels, runTiles, tile1 } from './tile'
import { runWide } from './wide'

/**
 * Depths of a panel from which on one pixel reads four panels at once. Shorter ones follow each other as one
 * stream: memory serves four that begin anew so often at two thirds of its speed.
 */
const FOUR_STREAMS: i32 = 1024

/**
 * Unit: `pixels` output pixels x `panels` panels of 8 output channels of one group; units of the same pixels
 * are neighbours.
 */
export function igemm(call: usize, begin: i32, end: i32): void {
  const args = changetype<Igemm>(call)
  const ic = args.ic, oc = args.oc, groups = args.groups
  const taps = args.runs, depth = args.depth
  const groupIn = ic / groups, groupOut = oc / groups
  const byLanes = args.byLanes
  const panelStride: usize = byLanes ? (taps * depth * groupOut + 8) * 4 : taps * depth * 32
  const groupPanels = (groupOut + 7) / 8
  const unitPanels = args.panels
  const groupSlices = (groupPanels + unitPanels - 1) / unitPanels
  const slices = groups * groupSlices
  const pixels = args.pixels
  const allPixels = args.n * args.gridH * args.gridW
  const w = args.w, b = args.b, byTwo = rolled()

  const zeros = scratch()
  const zeroBytes: usize = (max(ic, oc) + 8) * 4
  memory.fill(zeros, 0, zeroBytes)
  const positions = zeros + zeroBytes
  const table = positions + 96
  const p = changetype<Product>(frame())
  p.taps = taps
  p.depth = depth
  p.wStride = panelStride
  p.bStride = b ? 32 : 0
  p.low = args.low
  p.high = args.high
  let pointed = -1
  let count = 0

  for (let u = begin; u < end; u++) {
    const block = u / slices
    if (block != pointed) {
      count = min(pixels, allPixels - block * pixels)
      pointPixels(args, table, positions, zeros, block * pixels, count, byLanes ? LANE_ROWS : TILE_ROWS)
      pointed = block
    }
    const slice = u % slices
    const group = slice / groupSlices
    const panel0 = (slice % groupSlices) * unitPanels
    const panel1 = min(panel0 + unitPanels, groupPanels)
    const alone = count == 1, inTurn = alone && taps * depth < FOUR_STREAMS
    const most = inTurn ? 1 : alone ? 4 : WIDE || byTwo ? 2 : 1
    p.xOffset = group * groupIn * 4
    for (let panel = panel0, panels = 0; panel < panel1; panel += panels) {
      const channel = group * groupOut + panel * 8
      panels = min(most, panel1 - panel)
      p.w = w + (group * groupPanels + panel) * panelStride
      p.b = b ? b + channel * 4 : zeros
      p.yOffset = channel * 4
      p.columns = min(panels * 8, groupOut - panel * 8)
      if (byLanes) laneTiles(p, count, table)
      else if (inTurn) tile1(p, table)
      else if (alone) pixelByPanels(p, panels, table)
      else if (panels == 1) runTiles(p, count, table)
      else if (WIDE) runWide(p, count, table)
      else runTwoPanels(p, count, table)
    }
  }
}

/**
 * Fills the table for pixels [first, first + count), `tileRows` of them at a time: output addresses, then the
 * input addresses of each tap; those in the padding are `zeros`.
 */
export function pointPixels(
  args: Igemm, table: usize, positions: usize, zeros: usize, first: i32, count: i32, tileRows: i32,
): void {
  const x = args.x, y = args.y
  const ih = args.ih, iw = args.iw, oh = args.oh, ow = args.ow
  const gridH = args.gridH, gridW = args.gridW
  const outFirstH = args.outFirstH, outStepH = args.outStepH
  const outFirstW = args.outFirstW, outStepW = args.outStepW
  const inStepH = args.inStepH, inStepW = args.inStepW
  const tapsH = args.tapsH, tapsW = args.tapsW
  const tapFirstH = args.tapFirstH, tapStepH = args.tapStepH
  const tapFirstW = args.tapFirstW, tapStepW = args.tapStepW
  const runCount = args.runs
  const xPixelStride = args.xPixelStride, yPixelStride = args.yPixelStride
  const xRowStride = iw * xPixelStride
  const tapLastH = (tapsH - 1) * tapStepH, tapLastW = (tapsW - 1) * tapStepW
  // Windows whose first column is in [leftmost, rightmost) lie inside.
  const leftmost = max(0, -tapLastW), rightmost = iw - max(0, tapLastW)
  const rowBytes = tapsW * xPixelStride
  const byRow = runCount == tapsH && tapsW > 1, byWindow = runCount == 1 && tapsH > 1
  const rowRuns = byRow ? 1 : tapsW

  let copies = table + count * (runCount + 1) * 4 + 32
  let gx = first % gridW, gy = first / gridW
  let n = gy / gridH
  gy -= n * gridH
  // Of the next pixel: where it goes, where tap (0, 0) lies, whether the rows of its window lie inside, and
  // how many follow in its row.
  let to: usize = 0, from: usize = 0, iy = 0, ix = 0, rowsInside = false, room = 0
  const outStride = outStepW * yPixelStride, inStride = inStepW * xPixelStride
  const four = i32x4(0, 1, 2, 3), outRamp = i32x4.mul(four, i32x4.splat(outStride)),
    inRamp = i32x4.mul(four, i32x4.splat(inStride))

  for (let left = count; left > 0; left -= tileRows) {
    const rows = min(left, tileRows)
    let inside = true
    let from0 = four, from4 = four
    for (let r = 0; r < rows; ) {
      if (!room) {
        iy = gy * inStepH + tapFirstH
        ix = gx * inStepW + tapFirstW
        to = y + ((n * oh + outFirstH + gy * outStepH) * ow + outFirstW + gx * outStepW) * yPixelStride
        from = x + (n * ih + iy) * xRowStride + ix * xPixelStride
        rowsInside = min(iy, iy + tapLastH) >= 0 && max(iy, iy + tapLastH) < ih
        room = gridW - gx
        gx = 0
        if (++gy == gridH) {
          gy = 0
          n++
        }
      }
      let taken = 1
      if (r == 0 && room >= rows && !byWindow && rowsInside && ix >= leftmost && ix
        + (rows - 1) * inStepW < rightmost) {
        // Eight at once: what is too many is overwritten by the next run, or lies in the gap behind the
        // table.
        v128.store(table, i32x4.add(i32x4.splat(to), outRamp))
        v128.store(table, i32x4.add(i32x4.splat(to + 4 * outStride), outRamp), 16)
        from0 = i32x4.add(i32x4.splat(from), inRamp)
        from4 = i32x4.add(i32x4.splat(from + 4 * inStride), inRamp)
        taken = rows
      } else {
        store<usize>(table, to)
        const position = positions + r * 4
        store<usize>(position, from)
        store<i32>(position, iy, 32)
        store<i32>(position, ix, 64)
        inside = inside && rowsInside && ix >= leftmost && ix < rightmost
        if (r == rows - 1) {
          from0 = v128.load(positions)
          from4 = v128.load(positions, 16)
        }
      }
      table += taken * 4
      to += taken * outStride
      from += taken * inStride
      ix += taken * inStepW
      room -= taken
      r += taken
    }
    if (byWindow) {
      for (let r = 0; r < rows; r++) {
        const position = positions + r * 4
        store<usize>(table, copies)
        table += 4
        for (let ty = 0; ty < tapsH; ty++) {
          copyRow(args, copies, load<usize>(position) + ty * tapStepH * xRowStride,
            load<i32>(position, 32) + ty * tapStepH, load<i32>(position, 64), zeros)
          copies += rowBytes
        }
      }
      continue
    }
    for (let ty = 0; ty < tapsH; ty++) {
      const tapRow = ty * tapStepH
      for (let tx = 0; tx < rowRuns; tx++) {
        const tapColumn = tx * tapStepW
        const offset = tapRow * xRowStride + tapColumn * xPixelStride
        if (inside) {
          v128.store(table, i32x4.add(from0, i32x4.splat(offset)))
          v128.store(table, i32x4.add(from4, i32x4.splat(offset)), 16)
          table += rows * 4
          continue
        }
        for (let r = 0; r < rows; r++) {
          const position = positions + r * 4
          const iy = load<i32>(position, 32) + tapRow, ix = load<i32>(position, 64) + tapColumn
          let run = load<usize>(position) + offset
          if (byRow) {
            if (<u32>iy >= <u32>ih || ix < 0 || ix + tapsW > iw) {
              copyRow(args, copies, run, iy, ix, zeros)
              run = copies
              copies += rowBytes
            }
          } else if (<u32>iy >= <u32>ih || <u32>ix >= <u32>iw) run = zeros
          store<usize>(table, run)
          table += 4
        }
      }
    }
  }
}

/**
 * Copies a row of a window, whose first pixel is (iy, ix), the first byte of `zeros` where there are no
 * pixels; may write up to 12 bytes more.
 */
// @ts-ignore: decorator
@inline
function copyRow(args: Igemm, to: usize, from: usize, iy: i32, ix: i32, zeros: usize): void {
  const ih = args.ih, iw = args.iw, count = args.tapsW, pixelStride = args.xPixelStride
  if (<u32>iy < <u32>ih && ix >= 0 && ix + count <= iw) {
    for (let end = from + count * pixelStride; from < end; from += 16) {
      v128.store(to, v128.load(from))
      to += 16
    }
    return
  }
  memory.fill(to, load<u8>(zeros), count * pixelStride)
  const x0 = max(ix, 0), x1 = min(ix + count, iw)
  if (<u32>iy < <u32>ih && x1 > x0)
    memory.copy(to + (x0 - ix) * pixelStride, from + (x0 - ix) * pixelStride, (x1 - x0) * pixelStride)
}
