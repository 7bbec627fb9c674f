/**
 * Steps of recurrent layers, for a whole batch. With a = x W + b, the input's share, which is there for all
 * steps (a product before), and u = h U + d, that of the state h before the step, by gates:
 *
 *   RNN   h' = tanh(a + u), or relu
 *   LSTM  i, f, o = sigmoid(a + u), g = tanh(a + u);  c' = f c + i g,  h' = o tanh(c')
 *   GRU   r, z = sigmoid(a + u), n = tanh(a + r u);  h' = (1 - z) n + z h
 *
 * (Hochreiter & Schmidhuber, "Long short-term memory", 1997, with Gers' forget gate; Cho et al., 2014, with
 * the reset gate behind the product, as cuDNN and PyTorch have it.)
 *
 * A step multiplies the states of all sequences by a panel of weights of each gate, and applies the gates
 * while the sums are in the first-level cache. The product is the register tile of dense/tile.ts; a sequence
 * alone takes four panels at once. Both add in one order, so that no sum depends on which sequences go
 * together.
 *
 * Units are sequences, through all steps of the call, or (few and large ones) panels of 8 hidden units of one
 * step. A sequence of `lengths` rests after its last step: there its output is 0. In reverse it begins with
 * that step.
 *
 * scratch: zeros [max(32, gates * hidden)] | entries [n][4] | table [n][2] | sums [n][gates][8], or [gates *
 * hidden rounded up to 8] for one sequence; backwards a product has 4 panels instead of gates.
 */
import { scratch } from './arguments'
import { Cell, Recurrent, RecurrentGradient } from './abi'
import { pixelByPanels, runTiles } from './dense/tile'
import { one, sigmoidDivisor, tanhDividend, two } from './gates'
import { tanh } from './math'
import { TILE_ROWS, madd, storeLanes } from './simd'

/** A sequence at work in a step. */
@unmanaged
class Entry {
  row: i32
  time: i32
  /** What is multiplied: the state before, or backwards the derivatives of the gates of the step after. */
  from: usize
  /** 1: the first step of the sequence. */
  starts: i32
}

const ENTRY: usize = offsetof<Entry>()

// @ts-ignore: decorator
@inline
function gatesOf(cell: i32): i32 {
  return cell == Cell.lstm ? 4 : cell == Cell.gru ? 3 : 1
}

// @ts-ignore: decorator
@inline
function lengthOf(args: Recurrent, row: i32): i32 {
  return args.lengths ? min(args.steps, max(0, load<i32>(args.lengths + (<usize>row << 2)))) : args.steps
}

/** When a sequence of some length is at its step s. */
// @ts-ignore: decorator
@inline
function timeOf(args: Recurrent, s: i32, length: i32): i32 {
  return args.reverse ? length - 1 - s : s
}

// @ts-ignore: decorator
@inline
function at(base: usize, row: i32, rowStride: i32, time: i32, stepStride: i32): usize {
  return base + row * rowStride + time * stepStride
}

// @ts-ignore: decorator
@inline
function stateAt(base: usize, row: i32, args: Recurrent, zeros: usize): usize {
  return base ? base + row * args.stateRow : zeros
}

// @ts-ignore: decorator
@inline
function outputAt(args: Recurrent, row: i32, time: i32): usize {
  return at(args.output, row, args.outputRow, time, args.outputStep)
}

/** The state that a step starts from. */
// @ts-ignore: decorator
@inline
function stateBefore(args: Recurrent, entry: Entry, zeros: usize): usize {
  if (entry.starts) return stateAt(args.initial, entry.row, args, zeros)
  return outputAt(args, entry.row, entry.time + (args.reverse ? 1 : -1))
}

// @ts-ignore: decorator
@inline
function cellBefore(args: Recurrent, entry: Entry, zeros: usize): usize {
  if (entry.starts) return stateAt(args.initialCell, entry.row, args, zeros)
  return at(args.kept, entry.row, args.keptRow, entry.time + (args.reverse ? 1 : -1), args.keptStep)
}

// @ts-ignore: decorator
@inline
function sum3(a: usize, b: usize, c: usize): v128 {
  return f32x4.add(v128.load(a), f32x4.add(v128.load(b), v128.load(c)))
}

/**
 * sums[entry][gate][panel][8] = what each entry is from by `count` panels of each gate, `depth` deep; the
 * table is in the order of tile.ts.
 */
function multiply(
  active: i32, table: usize, depth: usize, w: usize, gates: usize, gateStride: usize, panelStride: usize, count: usize,
  zeros: usize,
): void {
  const low = f32x4.splat(-Infinity), high = f32x4.splat(Infinity)
  const lone = active % TILE_ROWS == 1, tiled = active - i32(lone)
  if (tiled) {
    for (let g: usize = 0; g < gates; g++) {
      for (let q: usize = 0; q < count; q++)
        runTiles(tiled, table, 1, depth, 0, w + g * gateStride + q * panelStride, zeros, (g * count + q) * 32, 8, low, high)
    }
  }
  if (!lone) return
  const last = table + tiled * 8
  if (count == 1) {
    pixelByPanels(gates, last, 1, depth, 0, w, gateStride, zeros, 0, gates * 8, low, high)
    return
  }
  // All panels of all gates, where they follow each other.
  const runs: usize = gateStride == count * panelStride ? 1 : gates
  const run = gates / runs * count
  for (let g: usize = 0; g < runs; g++) {
    for (let q: usize = 0; q < run; q += 4) {
      const panels = min<usize>(4, run - q)
      pixelByPanels(
        panels, last, 1, depth, 0, w + g * gateStride + q * panelStride, panelStride, zeros, (g * count + q) * 32, panels * 8, low, high)
    }
  }
}

/**
 * The addresses of all entries, a tile of them after the other: where their sums go, and what they are
 * from.
 */
function pointEntries(active: i32, entries: usize, table: usize, sums: usize, sumBytes: usize): void {
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

/** The sequences that have a step s, and the state that each multiplies. */
function beginStep(args: Recurrent, s: i32, row0: i32, row1: i32, entries: usize, zeros: usize): i32 {
  let active = 0
  for (let row = row0; row < row1; row++) {
    const length = lengthOf(args, row)
    if (s >= length) continue
    const entry = changetype<Entry>(entries + active * ENTRY)
    entry.row = row
    entry.time = timeOf(args, s, length)
    entry.starts = i32(s == 0)
    entry.from = stateBefore(args, entry, zeros)
    active++
  }
  return active
}

/**
 * Unit: `sequences` sequences, or where that is 0, `panels` panels of 8 hidden units of all sequences (then a
 * call has one step).
 */
export function recurrent(call: usize, begin: i32, end: i32): void {
  const args = changetype<Recurrent>(call)
  const cell = args.cell, gates = gatesOf(cell), n = args.n, hidden = args.hidden
  const panels = (hidden + 7) / 8, own = args.sequences
  const row0 = begin * own, row1 = own ? min(n, end * own) : n
  const panel0 = own ? 0 : begin * args.panels, panel1 = own ? panels : min(panels, end * args.panels)
  const panelStride: usize = hidden * 32, gateStride = panels * panelStride

  const zeros = scratch(), zeroBytes: usize = max(32, gates * hidden) * 4
  const entries = zeros + zeroBytes, table = entries + n * ENTRY, sums = table + n * 8
  memory.fill(zeros, 0, zeroBytes)
  const steps = args.first + args.count
  for (let s = args.first; s < steps; s++) {
    const active = beginStep(args, s, row0, row1, entries, zeros)
    if (active == 0) break
    const block = active == 1 ? panel1 - panel0 : 1
    const sumBytes: usize = gates * block * 32
    pointEntries(active, entries, table, sums, sumBytes)
    // A state of zeros needs no product.
    const depth = s == 0 && !args.initial ? 1 : hidden
    for (let panel = panel0; panel < panel1; panel += block) {
      multiply(active, table, depth, args.weights + panel * panelStride, gates, gateStride, panelStride, block, zeros)
      const first: usize = panel * 32, bytes: usize = min(hidden, (panel + block) * 8) * 4 - first
      for (let i = 0; i < active; i++) {
        const entry = changetype<Entry>(entries + i * ENTRY), own = sums + i * sumBytes
        if (cell == Cell.lstm) lstmStep(args, entry, own, block * 32, first, bytes, zeros)
        else if (cell == Cell.gru) gruStep(args, entry, own, block * 32, first, bytes, zeros)
        else rnnStep(args, entry, own, first, bytes, zeros)
      }
    }
  }
  if (steps != args.steps) return
  const first: usize = panel0 * 32, bytes: usize = min(hidden, panel1 * 8) * 4 - first
  for (let row = row0; row < row1; row++) finish(args, row, first, bytes, zeros)
}

/** Of `bytes` bytes of units from `first` on: h' = tanh(a + u). */
function rnnStep(args: Recurrent, entry: Entry, sums: usize, first: usize, bytes: usize, zeros: usize): void {
  const a = at(args.gates, entry.row, args.gatesRow, entry.time, args.gatesStep) + first
  const bias = (args.bias ? args.bias : zeros) + first, y = outputAt(args, entry.row, entry.time) + first
  const relu = args.cell == Cell.relu
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = sum3(a + i, bias + i, sums + i)
    // As relu has it: NaN stays NaN.
    storeLanes(y + i, relu ? f32x4.pmax(v, f32x4.splat(0)) : tanh(v), min(4, (bytes - i) >> 2))
  }
}

/** The sums of a gate are `sumStride` after those of the one before. */
function lstmStep(
  args: Recurrent, entry: Entry, sums: usize, sumStride: usize, first: usize, bytes: usize, zeros: usize,
): void {
  const next: usize = args.hidden * 4, keep = args.keep
  let a = at(args.gates, entry.row, args.gatesRow, entry.time, args.gatesStep) + first
  let bias = (args.bias ? args.bias : zeros) + first
  let before = cellBefore(args, entry, zeros) + first
  let c = at(args.kept, entry.row, args.keptRow, entry.time, args.keptStep) + first
  let y = outputAt(args, entry.row, entry.time) + first
  for (; <isize>bytes > 0; bytes -= 16) {
    const count = min<usize>(4, bytes >> 2)
    const i = sigmoidDivisor(sum3(a, bias, sums))
    const f = sigmoidDivisor(sum3(a + next, bias + next, sums + sumStride))
    const g = tanhDividend(sum3(a + 2 * next, bias + 2 * next, sums + 2 * sumStride)), g2 = f32x4.add(g, two())
    const o = sigmoidDivisor(sum3(a + 3 * next, bias + 3 * next, sums + 3 * sumStride))
    const cell = f32x4.add(f32x4.div(v128.load(before), f), f32x4.div(g, f32x4.mul(g2, i)))
    const t = tanhDividend(cell)
    storeLanes(c, cell, count)
    storeLanes(y, f32x4.div(t, f32x4.mul(f32x4.add(t, two()), o)), count)
    if (keep) {
      storeLanes(a, f32x4.div(one(), i), count)
      storeLanes(a + next, f32x4.div(one(), f), count)
      storeLanes(a + 2 * next, f32x4.div(g, g2), count)
      storeLanes(a + 3 * next, f32x4.div(one(), o), count)
    }
    a += 16
    bias += 16
    before += 16
    c += 16
    y += 16
    sums += 16
  }
}

function gruStep(
  args: Recurrent, entry: Entry, sums: usize, sumStride: usize, first: usize, bytes: usize, zeros: usize,
): void {
  const next: usize = args.hidden * 4, keep = args.keep
  let a = at(args.gates, entry.row, args.gatesRow, entry.time, args.gatesStep) + first
  let bias = (args.bias ? args.bias : zeros) + first
  let before = entry.from + first
  let kept = at(args.kept, entry.row, args.keptRow, entry.time, args.keptStep) + first
  let y = outputAt(args, entry.row, entry.time) + first
  for (; <isize>bytes > 0; bytes -= 16) {
    const count = min<usize>(4, bytes >> 2)
    const r = sigmoidDivisor(sum3(a, bias, sums))
    const z = sigmoidDivisor(sum3(a + next, bias + next, sums + sumStride))
    const u = f32x4.add(v128.load(bias + 2 * next), v128.load(sums + 2 * sumStride))
    const n = tanhDividend(f32x4.add(v128.load(a + 2 * next), f32x4.div(u, r))), n2 = f32x4.add(n, two())
    // (1 - z) n + z h over one divisor: with z = 1 / (1 + p) and n = w / (w + 2), (p w + (w + 2) h) / ((w +
    // 2) (1 + p)).
    const p = f32x4.sub(z, one())
    storeLanes(y, f32x4.div(madd(n2, v128.load(before), f32x4.mul(p, n)), f32x4.mul(n2, z)), count)
    if (keep) {
      storeLanes(a, f32x4.div(one(), r), count)
      storeLanes(a + next, f32x4.div(one(), z), count)
      storeLanes(a + 2 * next, f32x4.div(n, n2), count)
      storeLanes(kept, u, count)
    }
    a += 16
    bias += 16
    before += 16
    kept += 16
    y += 16
    sums += 16
  }
}

/** Of one sequence after its last step: state, cell, and zeros where it rests. */
function finish(args: Recurrent, row: i32, first: usize, bytes: usize, zeros: usize): void {
  const length = lengthOf(args, row)
  const last = timeOf(args, length - 1, length)
  if (args.state) {
    const from = length ? outputAt(args, row, last) : stateAt(args.initial, row, args, zeros)
    memory.copy(args.state + row * args.stateRow + first, from + first, bytes)
  }
  if (args.stateCell) {
    const from = length ? at(args.kept, row, args.keptRow, last, args.keptStep) : stateAt(args.initialCell, row, args, zeros)
    const to = args.stateCell + row * args.stateRow
    if (from != to) memory.copy(to + first, from + first, bytes)
  }
  for (let time = length; time < args.steps; time++) memory.fill(outputAt(args, row, time) + first, 0, bytes)
}

/** The sequences that have a step s, or -1, and what of the step after each multiplies. */
function beginStepBack(args: RecurrentGradient, s: i32, row0: i32, row1: i32, entries: usize, zeros: usize): i32 {
  let active = 0
  for (let row = row0; row < row1; row++) {
    const length = lengthOf(args, row)
    if (max(s, 0) >= length) continue
    const entry = changetype<Entry>(entries + active * ENTRY)
    entry.row = row
    entry.time = timeOf(args, s, length)
    entry.starts = i32(s == 0)
    entry.from = s + 1 == length ? zeros : at(args.shares, row, args.gatesRow, timeOf(args, s + 1, length), args.gatesStep)
    active++
  }
  return active
}

/**
 * Units as of `recurrent`. From the last step down to -1, where what is left goes to the initial state: dh =
 * dy + (what the step after hands back) + (derivatives of its shares) U^T. Gates become the derivatives of
 * what they are made of.
 */
export function recurrentGradient(call: usize, begin: i32, end: i32): void {
  const args = changetype<RecurrentGradient>(call)
  const cell = args.cell, gates = gatesOf(cell), n = args.n, hidden = args.hidden
  const panels = (hidden + 7) / 8, own = args.sequences
  const row0 = begin * own, row1 = own ? min(n, end * own) : n
  const panel0 = own ? 0 : begin * args.panels, panel1 = own ? panels : min(panels, end * args.panels)
  const panelStride: usize = gates * hidden * 32

  const zeros = scratch(), zeroBytes: usize = max(32, gates * hidden) * 4
  const entries = zeros + zeroBytes, table = entries + n * ENTRY, sums = table + n * 8
  memory.fill(zeros, 0, zeroBytes)
  if (args.first == args.steps - 1) {
    const first: usize = panel0 * 32, bytes: usize = min(hidden, panel1 * 8) * 4 - first
    for (let row = row0; row < row1; row++) rest(args, row, first, bytes)
  }
  for (let s = args.first, last = s - args.count; s > last; s--) {
    const active = beginStepBack(args, s, row0, row1, entries, zeros)
    if (active == 0) continue
    let ends = true
    for (let i = 0; i < active; i++) ends = ends && changetype<Entry>(entries + i * ENTRY).from == zeros
    const block = active == 1 ? panel1 - panel0 : 4
    for (let panel = panel0; panel < panel1; panel += block) {
      const count = min(block, panel1 - panel), sumBytes: usize = count * 32
      pointEntries(active, entries, table, sums, sumBytes)
      multiply(active, table, ends ? 1 : gates * hidden, args.weights + panel * panelStride, 1, 0, panelStride, count, zeros)
      const first: usize = panel * 32, bytes: usize = min(hidden, (panel + count) * 8) * 4 - first
      for (let i = 0; i < active; i++) {
        const entry = changetype<Entry>(entries + i * ENTRY), own = sums + i * sumBytes
        if (s < 0) toInitial(args, entry, own, first, bytes)
        else if (cell == Cell.lstm) lstmBack(args, entry, own, first, bytes, zeros)
        else if (cell == Cell.gru) gruBack(args, entry, own, first, bytes, zeros)
        else rnnBack(args, entry, own, first, bytes, zeros)
      }
    }
  }
}

/** Where a sequence rests nothing is derived. */
function rest(args: RecurrentGradient, row: i32, first: usize, bytes: usize): void {
  const gates = gatesOf(args.cell)
  for (let time = lengthOf(args, row); time < args.steps; time++) {
    const offset = row * args.gatesRow + time * args.gatesStep + first
    for (let g = 0; g < gates; g++) {
      memory.fill(args.gates + offset + g * args.hidden * 4, 0, bytes)
      memory.fill(args.shares + offset + g * args.hidden * 4, 0, bytes)
    }
    memory.fill(at(args.previous, row, args.outputRow, time, args.outputStep) + first, 0, bytes)
  }
}

function toInitial(args: RecurrentGradient, entry: Entry, sums: usize, first: usize, bytes: usize): void {
  const to = args.dstate + entry.row * args.stateRow + first
  for (let i: usize = 0; i < bytes; i += 16)
    storeLanes(to + i, f32x4.add(v128.load(to + i), v128.load(sums + i)), min(4, (bytes - i) >> 2))
}

/** The derivative of the state after a step: dy, what the step after handed back, and its sums. */
// @ts-ignore: decorator
@inline
function stateGradient(dy: usize, dstate: usize, sums: usize): v128 {
  const dh = f32x4.add(v128.load(dstate), v128.load(sums))
  return dy ? f32x4.add(dh, v128.load(dy)) : dh
}

/** 1 - v^2 */
// @ts-ignore: decorator
@inline
function tanhSlope(v: v128): v128 {
  return f32x4.sub(f32x4.splat(1), f32x4.mul(v, v))
}

/** v (1 - v) */
// @ts-ignore: decorator
@inline
function sigmoidSlope(v: v128): v128 {
  return f32x4.mul(v, f32x4.sub(f32x4.splat(1), v))
}

function rnnBack(args: RecurrentGradient, entry: Entry, sums: usize, first: usize, bytes: usize, zeros: usize): void {
  const offset: usize = entry.row * args.outputRow + entry.time * args.outputStep + first
  const a = at(args.gates, entry.row, args.gatesRow, entry.time, args.gatesStep) + first
  const y = args.output + offset, dy = args.dy ? args.dy + offset : 0, previous = args.previous + offset
  const dstate = args.dstate + entry.row * args.stateRow + first, before = stateBefore(args, entry, zeros) + first
  const relu = args.cell == Cell.relu
  for (let i: usize = 0; i < bytes; i += 16) {
    const count = min<usize>(4, (bytes - i) >> 2)
    const h = v128.load(y + i), dh = stateGradient(dy ? dy + i : 0, dstate + i, sums + i)
    storeLanes(a + i, relu ? v128.and(dh, f32x4.gt(h, f32x4.splat(0))) : f32x4.mul(dh, tanhSlope(h)), count)
    storeLanes(dstate + i, f32x4.splat(0), count)
    storeLanes(previous + i, v128.load(before + i), count)
  }
}

function lstmBack(args: RecurrentGradient, entry: Entry, sums: usize, first: usize, bytes: usize, zeros: usize): void {
  const next: usize = args.hidden * 4
  const offset: usize = entry.row * args.outputRow + entry.time * args.outputStep + first
  const dy = args.dy ? args.dy + offset : 0, previous = args.previous + offset
  const gates = at(args.gates, entry.row, args.gatesRow, entry.time, args.gatesStep) + first
  const c = at(args.kept, entry.row, args.keptRow, entry.time, args.keptStep) + first
  const state: usize = entry.row * args.stateRow + first, dstate = args.dstate + state, dcell = args.dcell + state
  const before = stateBefore(args, entry, zeros) + first, cell = cellBefore(args, entry, zeros) + first
  for (let at: usize = 0; at < bytes; at += 16) {
    const count = min<usize>(4, (bytes - at) >> 2), a = gates + at
    const i = v128.load(a), f = v128.load(a + next), g = v128.load(a + 2 * next), o = v128.load(a + 3 * next)
    const dh = stateGradient(dy ? dy + at : 0, dstate + at, sums + at), t = tanh(v128.load(c + at))
    const dc = f32x4.add(v128.load(dcell + at), f32x4.mul(f32x4.mul(dh, o), tanhSlope(t)))
    storeLanes(a, f32x4.mul(f32x4.mul(dc, g), sigmoidSlope(i)), count)
    storeLanes(a + next, f32x4.mul(f32x4.mul(dc, v128.load(cell + at)), sigmoidSlope(f)), count)
    storeLanes(a + 2 * next, f32x4.mul(f32x4.mul(dc, i), tanhSlope(g)), count)
    storeLanes(a + 3 * next, f32x4.mul(f32x4.mul(dh, t), sigmoidSlope(o)), count)
    storeLanes(dcell + at, f32x4.mul(dc, f), count)
    storeLanes(dstate + at, f32x4.splat(0), count)
    storeLanes(previous + at, v128.load(before + at), count)
  }
}

function gruBack(args: RecurrentGradient, entry: Entry, sums: usize, first: usize, bytes: usize, zeros: usize): void {
  const next: usize = args.hidden * 4
  const offset: usize = entry.row * args.outputRow + entry.time * args.outputStep + first
  const dy = args.dy ? args.dy + offset : 0, previous = args.previous + offset
  const place: usize = entry.row * args.gatesRow + entry.time * args.gatesStep + first
  const gates = args.gates + place, shares = args.shares + place
  const kept = at(args.kept, entry.row, args.keptRow, entry.time, args.keptStep) + first
  const dstate = args.dstate + entry.row * args.stateRow + first, before = stateBefore(args, entry, zeros) + first
  for (let at: usize = 0; at < bytes; at += 16) {
    const count = min<usize>(4, (bytes - at) >> 2), a = gates + at, share = shares + at
    const r = v128.load(a), z = v128.load(a + next), n = v128.load(a + 2 * next)
    const h = v128.load(before + at), dh = stateGradient(dy ? dy + at : 0, dstate + at, sums + at)
    const dn = f32x4.mul(f32x4.mul(dh, f32x4.sub(f32x4.splat(1), z)), tanhSlope(n))
    const dz = f32x4.mul(f32x4.mul(dh, f32x4.sub(h, n)), sigmoidSlope(z))
    const dr = f32x4.mul(f32x4.mul(dn, v128.load(kept + at)), sigmoidSlope(r))
    storeLanes(a, dr, count)
    storeLanes(a + next, dz, count)
    storeLanes(a + 2 * next, dn, count)
    storeLanes(share, dr, count)
    storeLanes(share + next, dz, count)
    storeLanes(share + 2 * next, f32x4.mul(dn, r), count)
    storeLanes(dstate + at, f32x4.mul(dh, z), count)
    storeLanes(previous + at, h, count)
  }
}
