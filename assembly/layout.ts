/** Moving values without changing them: packing weights. */
import { address, word } from './arguments'
import { Pack } from './calls'

/**
 * Unit: one panel. Any strided matrix becomes panels of `width` columns (8 or 4), the last one filled up with zeros:
 *
 *   source[group][tapH][tapW][row][column]  ->  panels[group][column / width][tapH][tapW][row][width]
 */
export function pack(call: usize, begin: i32, end: i32): void {
  const columns = word(call, Pack.columns), depth = word(call, Pack.depth)
  const tapsH = word(call, Pack.tapsH), tapsW = word(call, Pack.tapsW)
  const tapHStride = word(call, Pack.tapHStride), tapWStride = word(call, Pack.tapWStride)
  const rowStride = word(call, Pack.rowStride), columnStride = word(call, Pack.columnStride)
  const width = word(call, Pack.width)
  const groupPanels = (columns + width - 1) / width
  let to = address(call, Pack.panels) + begin * tapsH * tapsW * depth * width * 4
  for (let u = begin; u < end; u++) {
    const group = u / groupPanels, column = (u % groupPanels) * width
    const used = min(width, columns - column)
    const panel = address(call, Pack.source) + group * word(call, Pack.groupStride) + column * columnStride
    for (let ty = 0; ty < tapsH; ty++) {
      for (let tx = 0; tx < tapsW; tx++) {
        let from = panel + ty * tapHStride + tx * tapWStride
        for (let k = 0; k < depth; k++) {
          packRow(to, from, width, used, columnStride)
          from += rowStride
          to += width * 4
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function packRow(to: usize, from: usize, width: i32, used: i32, columnStride: i32): void {
  if (used == 8 && columnStride == 4) {
    v128.store(to, v128.load(from))
    v128.store(to, v128.load(from, 16), 16)
    return
  }
  for (let c = 0; c < width; c++) store<f32>(to + c * 4, c < used ? load<f32>(from + c * columnStride) : 0)
}
