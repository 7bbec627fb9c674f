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
 * scratch: zeros [max(32, gates * hidden)] | entries [n][4] | table [n][2] | sums [n][gates][16], or [gates *
 * hidden rounded up to 8] for one sequence | inputs [n][gates * hidden + 16]; backwards a product has 4
 * panels instead of gates, and there are no inputs.
 */
import { scratch } from '../arguments'
import { Cell, Recurrent } from '../abi'
import { one, sigmoidDivisor, tanhDividend, two } from '../gates'
import { tanh } from '../math'
import { madd, storeLanes } from '../simd'
import { ENTRY, Entry, at, cellBefore, gatesOf, lengthOf, multiply, outputAt, pointEntries, stateAt,
  stateBefore, timeOf } from './step'

/** Panels of several sequences that go together: a line of each row of gates, 16 units, is read at once. */
const TOGETHER: i32 = 2
/** Bytes of a step's input from which on it is gathered. Witness: bench recurrent. */
const GATHERED: usize = 32768

// @ts-ignore: decorator
@inline
function sum3(a: usize, b: usize, c: usize): v128 {
  return f32x4.add(v128.load(a), f32x4.add(v128.load(b), v128.load(c)))
}

/** The input's shares of all gates of a step. */
// @ts-ignore: decorator
@inline
function inputAt(args: Recurrent, entry: Entry): usize {
  return at(args.gates, entry.row, args.gatesRow, entry.time, args.gatesStep)
}

/**
 * The shares of all active sequences beside each other: rows read from end to end come faster than lines that
 * are a whole sequence apart.
 */
function gather(args: Recurrent, active: i32, entries: usize, to: usize, bytes: usize, apart: usize): void {
  for (let i = 0; i < active; i++) {
    const from = inputAt(args, changetype<Entry>(entries + i * ENTRY))
    for (let at: usize = 0; at < bytes; at += 16) v128.store(to + at, v128.load(from + at))
    to += apart
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
  const inputs = sums + max(n * gates * TOGETHER, gates * panels) * 32
  // Rows a multiple of 4 KB apart would share the sets of a cache.
  const inputBytes: usize = gates * hidden * 4 + 64
  const gathered = own > 1 && !args.keep && <usize>(row1 - row0) * inputBytes >= GATHERED
  const steps = args.first + args.count
  for (let s = args.first; s < steps; s++) {
    const active = beginStep(args, s, row0, row1, entries, zeros)
    if (active == 0) break
    const most = active == 1 ? panel1 - panel0 : TOGETHER
    const sumBytes: usize = gates * most * 32
    pointEntries(active, entries, table, sums, sumBytes)
    if (gathered) gather(args, active, entries, inputs, gates * hidden * 4, inputBytes)
    // A state of zeros needs no product.
    const depth = s == 0 && !args.initial ? 1 : hidden
    for (let panel = panel0; panel < panel1; panel += most) {
      const block = min(most, panel1 - panel)
      multiply(active, table, depth, args.weights + panel * panelStride, gates, gateStride, panelStride,
        block, zeros)
      const first: usize = panel * 32, bytes: usize = min(hidden, (panel + block) * 8) * 4 - first
      for (let i = 0; i < active; i++) {
        const entry = changetype<Entry>(entries + i * ENTRY), own = sums + i * sumBytes
        const input = gathered ? inputs + i * inputBytes : inputAt(args, entry)
        if (cell == Cell.lstm) lstmStep(args, entry, input, own, block * 32, first, bytes, zeros)
        else if (cell == Cell.gru) gruStep(args, entry, input, own, block * 32, first, bytes, zeros)
        else rnnStep(args, entry, input, own, first, bytes, zeros)
      }
    }
  }
  if (steps != args.steps) return
  const first: usize = panel0 * 32, bytes: usize = min(hidden, panel1 * 8) * 4 - first
  for (let row = row0; row < row1; row++) finish(args, row, first, bytes, zeros)
}

/** Of `bytes` bytes of units from `first` on: h' = tanh(a + u). */
function rnnStep(
  args: Recurrent, entry: Entry, input: usize, sums: usize, first: usize, bytes: usize, zeros: usize,
): void {
  const a = input + first
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
  args: Recurrent, entry: Entry, input: usize, sums: usize, sumStride: usize, first: usize, bytes: usize,
  zeros: usize,
): void {
  const next: usize = args.hidden * 4, keep = args.keep
  let a = input + first
  let bias = (args.bias ? args.bias : zeros) + first
  let before = cellBefore(args, entry, zeros) + first
  let c = at(args.kept, entry.row, args.keptRow, entry.time, args.keptStep) + first
  let y = outputAt(args, entry.row, entry.time) + first
  for (; <isize>bytes > 0; bytes -= 16) {
    const count = min<usize>(4, bytes >> 2)
    const i = sigmoidDivisor(sum3(a, bias, sums))
    const f = sigmoidDivisor(sum3(a + next, bias + next, sums + sumStride))
    const g = tanhDividend(sum3(a + 2 * next, bias + 2 * next, sums + 2 * sumStride)),
      g2 = f32x4.add(g, two())
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
  args: Recurrent, entry: Entry, input: usize, sums: usize, sumStride: usize, first: usize, bytes: usize,
  zeros: usize,
): void {
  const next: usize = args.hidden * 4, keep = args.keep
  let a = input + first
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
    const from = length ? at(args.kept, row, args.keptRow, last, args.keptStep)
      : stateAt(args.initialCell, row, args, zeros)
    const to = args.stateCell + row * args.stateRow
    if (from != to) memory.copy(to + first, from + first, bytes)
  }
  for (let time = length; time < args.steps; time++) memory.fill(outputAt(args, row, time) + first, 0, bytes)
}
