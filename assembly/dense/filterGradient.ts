/**
 * The derivative of a loss with respect to a filter is a matrix product over all output pixels:
 *
 *   dw[t][c][oc] = sum over pixels p of x[pixel(p, t)][c] * dy[p][oc]
 *
 * It goes through igemm's table of addresses and the register tile: a block of pixels of x is transposed,
 * [c][p], and dy packed as panels, [oc / 8][p][8]. Pixels fall into splits that are summed apart, block by
 * block; the number of splits follows from the shapes alone, so that any number of threads gives the same
 * bytes.
 */
import { scratch } from '../arguments'
import { FilterGradient, Unpack } from '../abi'
import { pointPixels } from './igemm'
import { TILE_ROWS, loadPart, storePart } from '../simd'
import { plainProduct, runTiles } from './tile'

/** Pixels whose addresses stand together, run by run, in the table: as many as pointPixels takes at once. */
const ROWS: i32 = 8

/**
 * Unit: one split of the pixels x `panels` panels of 8 output channels of one group; units of the same split
 * are neighbours. Writes sums [splits][groups][panels][runs][depth][8].
 *
 * scratch: zeros [max(ic, oc) + 8] | dy [panels][pixels][8] | x [depth][stride] | product [depth][8] | tile
 * table [depth][2] | positions, table and copies as in igemm, ROWS pixels at a time; depth rounded up to 4,
 * stride = pixels + 16
 */
export function filterGradient(call: usize, begin: i32, end: i32): void {
  const args = changetype<FilterGradient>(call)
  const ic = args.ic, oc = args.oc, groups = args.groups
  const runs = args.runs, depth = args.depth
  const groupIn = ic / groups, groupOut = oc / groups
  const panelStride: usize = runs * depth * 32
  const groupPanels = (groupOut + 7) / 8
  const unitPanels = args.panels
  const groupSlices = (groupPanels + unitPanels - 1) / unitPanels
  const slices = groups * groupSlices
  const pixels = args.pixels, splitPixels = args.blocks * pixels
  const allPixels = args.n * args.gridH * args.gridW

  const zeros = scratch()
  const zeroBytes: usize = (max(ic, oc) + 8) * 4
  memory.fill(zeros, 0, zeroBytes)
  const dy = zeros + ((zeroBytes + 15) & ~15), dyPanelStride: usize = pixels * 32
  const x = dy + unitPanels * dyPanelStride, xStride: usize = (pixels + 16) * 4
  const rows = (depth + 3) & ~3
  const product = x + rows * xStride
  const tileTable = product + rows * 32
  const positions = tileTable + rows * 8
  const table = positions + 96
  for (let row = 0; row < depth; row += TILE_ROWS) {
    const height = min(TILE_ROWS, depth - row)
    for (let r = 0; r < height; r++) {
      const entry = tileTable + row * 8 + r * 4
      store<usize>(entry, product + (row + r) * 32)
      store<usize>(entry + height * 4, x + (row + r) * xStride)
    }
  }
  let pointed = -1

  for (let u = begin; u < end; u++) {
    const split = u / slices, slice = u % slices
    const group = slice / groupSlices
    const panel0 = (slice % groupSlices) * unitPanels
    const panel1 = min(panel0 + unitPanels, groupPanels)
    const sums = args.w + ((split * groups + group) * groupPanels + panel0) * panelStride
    memory.fill(sums, 0, (panel1 - panel0) * panelStride)
    const last = min(allPixels, (split + 1) * splitPixels)
    for (let first = split * splitPixels; first < last; first += pixels) {
      const count = min(pixels, last - first)
      if (first != pointed) {
        pointPixels(args, table, positions, zeros, first, count, ROWS)
        pointed = first
      }
      for (let panel = panel0; panel < panel1; panel++) {
        gather(
          table, count, runs + 1, (group * groupOut + panel * 8) * 4, min(8, groupOut - panel * 8),
          dy + (panel - panel0) * dyPanelStride,
        )
      }
      const p = plainProduct(1, count, dyPanelStride, zeros)
      p.yOffset = 0
      p.columns = 8
      for (let run = 0; run < runs; run++) {
        transpose(table, count, runs + 1, run + 1, group * groupIn * 4, depth, x, xStride)
        for (let panel = 0; panel < panel1 - panel0; panel++) {
          p.w = dy + panel * dyPanelStride
          runTiles(p, depth, tileTable)
          addTo(sums + panel * panelStride + run * depth * 32, product, depth)
        }
      }
    }
  }
}

/**
 * The 8 columns (or `columns` of them, zeros behind) at an offset from where each pixel goes, one pixel after
 * the other.
 */
function gather(table: usize, count: i32, lists: i32, offset: usize, columns: usize, to: usize): void {
  for (; count > 0; count -= ROWS) {
    const rows = min(count, ROWS)
    for (let r = 0; r < rows; r++) {
      const from = load<u32>(table + r * 4) + offset
      if (columns == 8) {
        v128.store(to, v128.load(from))
        v128.store(to, v128.load(from, 16), 16)
      } else {
        v128.store(to, columns < 4 ? loadPart(from, columns) : v128.load(from))
        v128.store(to, columns > 4 ? loadPart(from + 16, columns - 4) : f32x4.splat(0), 16)
      }
      to += 32
    }
    table += lists * rows * 4
  }
}

/**
 * to[c][p] = c-th float of run `list` of pixel p, four by four. Loads may reach up to three floats beyond a
 * run; what they bring, and what is written for pixels beyond the last, is never used.
 */
function transpose(
  table: usize, count: i32, lists: i32, list: i32, offset: usize, depth: i32, to: usize, toStride: usize,
): void {
  for (; count > 0; count -= ROWS) {
    const rows = min(count, ROWS)
    const run = table + list * rows * 4
    for (let r = 0; r < rows; r += 4) {
      const left = rows - r - 1
      let x0 = load<u32>(run + r * 4) + offset
      let x1 = load<u32>(run + (r + min(1, left)) * 4) + offset
      let x2 = load<u32>(run + (r + min(2, left)) * 4) + offset
      let x3 = load<u32>(run + (r + min(3, left)) * 4) + offset
      let y = to
      for (let c = 0; c < depth; c += 4) {
        const a = v128.load(x0), b = v128.load(x1), d = v128.load(x2), e = v128.load(x3)
        const ab01 = v128.shuffle<f32>(a, b, 0, 4, 1, 5), ab23 = v128.shuffle<f32>(a, b, 2, 6, 3, 7)
        const de01 = v128.shuffle<f32>(d, e, 0, 4, 1, 5), de23 = v128.shuffle<f32>(d, e, 2, 6, 3, 7)
        v128.store(y, v128.shuffle<i64>(ab01, de01, 0, 2))
        y += toStride
        v128.store(y, v128.shuffle<i64>(ab01, de01, 1, 3))
        y += toStride
        v128.store(y, v128.shuffle<i64>(ab23, de23, 0, 2))
        y += toStride
        v128.store(y, v128.shuffle<i64>(ab23, de23, 1, 3))
        y += toStride
        x0 += 16
        x1 += 16
        x2 += 16
        x3 += 16
      }
      to += 16
    }
    table += lists * rows * 4
  }
}

function addTo(sums: usize, product: usize, rows: i32): void {
  for (; rows > 0; rows--) {
    v128.store(sums, f32x4.add(v128.load(sums), v128.load(product)))
    v128.store(sums, f32x4.add(v128.load(sums, 16), v128.load(product, 16)), 16)
    sums += 32
    product += 32
  }
}

/**
 * Unit: one panel. y[group][tap][row][column] = sum over splits, in their order, of
 * panels[split][group][column / 8][tap][row][8].
 */
export function unpack(call: usize, begin: i32, end: i32): void {
  const args = changetype<Unpack>(call)
  const splits = args.splits, columns = args.columns, taps = args.taps, depth = args.depth
  const rowStride = args.rowStride, columnStride = args.columnStride
  const groupPanels = (columns + 7) / 8
  const panelStride: usize = taps * depth * 32
  const splitStride: usize = args.groups * groupPanels * panelStride
  for (let u = begin; u < end; u++) {
    const group = u / groupPanels, column = (u % groupPanels) * 8
    const used = min(8, columns - column)
    let from = args.panels + u * panelStride
    const y = args.y + group * args.groupStride + column * columnStride
    for (let t = 0; t < taps; t++) {
      let to = y + t * args.tapStride
      for (let row = 0; row < depth; row++) {
        let low = v128.load(from), high = v128.load(from, 16)
        let next = from
        for (let split = 1; split < splits; split++) {
          next += splitStride
          low = f32x4.add(low, v128.load(next))
          high = f32x4.add(high, v128.load(next, 16))
        }
        if (columnStride == 4 && used == 8) {
          v128.store(to, low)
          v128.store(to, high, 16)
        } else {
          for (let c = 0; c < used; c++) {
            if (c == 4) low = high
            storePart(to + c * columnStride, low, 1)
            low = v128.shuffle<f32>(low, low, 1, 2, 3, 0)
          }
        }
        from += 32
        to += rowStride
      }
    }
  }
}
