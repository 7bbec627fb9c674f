/** What steps of both directions share: which sequences are at work, and the product of their states. */
import { scratch } from '../arguments'
import { Cell, Recurrent } from '../abi'
import { pixelByPanels, plainProduct, runTiles } from '../dense/tile'
import { TILE_ROWS } from '../simd'

/** A sequence at work in a step. */
@unmanaged
export class Entry {
  row: i32
  time: i32
  /** What is multiplied: the state before, or backwards the derivatives of the gates of the step after. */
  from: usize
  /** 1: the first step of the sequence. */
  starts: i32
}

export const ENTRY: usize = offsetof<Entry>()

// @ts-ignore: decorator
@inline
export function gatesOf(cell: i32): i32 {
  return cell == Cell.lstm ? 4 : cell == Cell.gru ? 3 : 1
}

// @ts-ignore: decorator
@inline
export function lengthOf(args: Recurrent, row: i32): i32 {
  return args.lengths ? min(args.steps, max(0, load<i32>(args.lengths + (<usize>row << 2)))) : args.steps
}

/** When a sequence of some length is at its step s. */
// @ts-ignore: decorator
@inline
export function timeOf(args: Recurrent, s: i32, length: i32): i32 {
  return args.reverse ? length - 1 - s : s
}

// @ts-ignore: decorator
@inline
export function at(base: usize, row: i32, rowStride: i32, time: i32, stepStride: i32): usize {
  return base + row * rowStride + time * stepStride
}

// @ts-ignore: decorator
@inline
export function stateAt(base: usize, row: i32, args: Recurrent, zeros: usize): usize {
  return base ? base + row * args.stateRow : zeros
}

// @ts-ignore: decorator
@inline
export function outputAt(args: Recurrent, row: i32, time: i32): usize {
  return at(args.output, row, args.outputRow, time, args.outputStep)
}

/** The state that a step starts from. */
// @ts-ignore: decorator
@inline
export function stateBefore(args: Recurrent, entry: Entry, zeros: usize): usize {
  if (entry.starts) return stateAt(args.initial, entry.row, args, zeros)
  return outputAt(args, entry.row, entry.time + (args.reverse ? 1 : -1))
}

// @ts-ignore: decorator
@inline
export function cellBefore(args: Recurrent, entry: Entry, zeros: usize): usize {
  if (entry.starts) return stateAt(args.initialCell, entry.row, args, zeros)
  return at(args.kept, entry.row, args.keptRow, entry.time + (args.reverse ? 1 : -1), args.keptStep)
}

/**
 * sums[entry][gate][panel][8] = what each entry is from by `count` panels of each gate, `depth` deep; the
 * table is in the order of tile.ts. Scratch memory begins with zeros.
 */
export function multiply(
  active: i32, table: usize, depth: usize, w: usize, gates: usize, gateStride: usize, panelStride: usize,
  count: usize,
): void {
  const zeros = scratch()
  const p = plainProduct(1, depth, count == 1 ? gateStride : panelStride, zeros)
  const lone = active % TILE_ROWS == 1, tiled = active - i32(lone)
  if (tiled) {
    for (let g: usize = 0; g < gates; g++) {
      for (let q: usize = 0; q < count; q++) {
        p.w = w + g * gateStride + q * panelStride
        p.yOffset = (g * count + q) * 32
        p.columns = 8
        runTiles(p, tiled, table)
      }
    }
  }
  if (!lone) return
  const last = table + tiled * 8
  if (count == 1) {
    p.w = w
    p.yOffset = 0
    p.columns = gates * 8
    pixelByPanels(p, gates, last)
    return
  }
  // All panels of all gates, where they follow each other.
  const runs: usize = gateStride == count * panelStride ? 1 : gates
  const run = gates / runs * count
  for (let g: usize = 0; g < runs; g++) {
    for (let q: usize = 0; q < run; q += 4) {
      const panels = min<usize>(4, run - q)
      p.w = w + g * gateStride + q * panelStride
      p.yOffset = (g * count + q) * 32
      p.columns = panels * 8
      pixelByPanels(p, panels, last)
    }
  }
}

/**
 * The addresses of all entries, a tile of them after the other: where their sums go, and what they are
 * from.
 */
export function pointEntries(active: i32, entries: usize, table: usize, sums: usize, sumBytes: usize): void {
  for (let i = 0; i < active; i += TILE_ROWS) {
    const rows = min(TILE_ROWS, active - i)
    for (let r = 0; r < rows; r++) {
      store<usize>(table, sums + (i + r) * sumBytes)
      store<usize>(table + rows * 4, changetype<Entry>(entries + (i + r) * ENTRY).from)
      table += 4
    }
    table += rows * 4
  }
}
