/** Backward through the steps of forward.ts. */
import { scratch } from '../arguments'
import { Cell, RecurrentGradient } from '../abi'
import { tanh } from '../math'
import { storeLanes } from '../simd'
import { ENTRY, Entry, at, cellBefore, gatesOf, lengthOf, multiply, pointEntries, stateBefore,
  timeOf } from './step'

/** The sequences that have a step s, or -1, and what of the step after each multiplies. */
function beginStepBack(
  args: RecurrentGradient, s: i32, row0: i32, row1: i32, entries: usize, zeros: usize,
): i32 {
  let active = 0
  for (let row = row0; row < row1; row++) {
    const length = lengthOf(args, row)
    if (max(s, 0) >= length) continue
    const entry = changetype<Entry>(entries + active * ENTRY)
    entry.row = row
    entry.time = timeOf(args, s, length)
    entry.starts = i32(s == 0)
    entry.from = s + 1 == length ? zeros
      : at(args.shares, row, args.gatesRow, timeOf(args, s + 1, length), args.gatesStep)
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
      multiply(active, table, ends ? 1 : gates * hidden, args.weights + panel * panelStride, 1, 0,
        panelStride, count)
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

function rnnBack(
  args: RecurrentGradient, entry: Entry, sums: usize, first: usize, bytes: usize, zeros: usize,
): void {
  const offset: usize = entry.row * args.outputRow + entry.time * args.outputStep + first
  const a = at(args.gates, entry.row, args.gatesRow, entry.time, args.gatesStep) + first
  const y = args.output + offset, dy = args.dy ? args.dy + offset : 0, previous = args.previous + offset
  const dstate = args.dstate + entry.row * args.stateRow + first,
    before = stateBefore(args, entry, zeros) + first
  const relu = args.cell == Cell.relu
  for (let i: usize = 0; i < bytes; i += 16) {
    const count = min<usize>(4, (bytes - i) >> 2)
    const h = v128.load(y + i), dh = stateGradient(dy ? dy + i : 0, dstate + i, sums + i)
    storeLanes(a + i, relu ? v128.and(dh, f32x4.gt(h, f32x4.splat(0))) : f32x4.mul(dh, tanhSlope(h)), count)
    storeLanes(dstate + i, f32x4.splat(0), count)
    storeLanes(previous + i, v128.load(before + i), count)
  }
}

function lstmBack(
  args: RecurrentGradient, entry: Entry, sums: usize, first: usize, bytes: usize, zeros: usize,
): void {
  const next: usize = args.hidden * 4
  const offset: usize = entry.row * args.outputRow + entry.time * args.outputStep + first
  const dy = args.dy ? args.dy + offset : 0, previous = args.previous + offset
  const gates = at(args.gates, entry.row, args.gatesRow, entry.time, args.gatesStep) + first
  const c = at(args.kept, entry.row, args.keptRow, entry.time, args.keptStep) + first
  const state: usize = entry.row * args.stateRow + first, dstate = args.dstate + state,
    dcell = args.dcell + state
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

function gruBack(
  args: RecurrentGradient, entry: Entry, sums: usize, first: usize, bytes: usize, zeros: usize,
): void {
  const next: usize = args.hidden * 4
  const offset: usize = entry.row * args.outputRow + entry.time * args.outputStep + first
  const dy = args.dy ? args.dy + offset : 0, previous = args.previous + offset
  const place: usize = entry.row * args.gatesRow + entry.time * args.gatesStep + first
  const gates = args.gates + place, shares = args.shares + place
  const kept = at(args.kept, entry.row, args.keptRow, entry.time, args.keptStep) + first
  const dstate = args.dstate + entry.row * args.stateRow + first,
    before = stateBefore(args, entry, zeros) + first
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
