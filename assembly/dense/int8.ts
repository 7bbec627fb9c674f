/**
 * Implicit GEMM over 8-bit integers, exact in sums of 32 bits:
 *
 *   sum[p][oc] = b[oc] + sum over taps t, channels c of (x[pixel(p, t)][c] - zero of x) * (w[t][c][oc] -
 *   zero of w[oc])
 *   y = sum, or min(high, max(low, round(sum * scale of x * scale of w[oc] / scale of y) + zero of y))
 *
 * It is igemm.ts over words, which hold a few neighbouring channels where a float would stand: two of 16 bits
 * for `i32x4.dot_i16x8_s`, or, where the host has one, four bytes for a byte dot product, which takes
 * unsigned x (x86) or signed (Arm). `widen` makes words of pixels; bytes need that only where channels do
 * not fill words, or are of the other sign. Words of 16 bits are less their zero points, so that padding is
 * zeros; with bytes padding is the zero point of x, and what it adds, zero times the sum of the filter, is
 * taken off where sums start. Bytes of a filter are signed, less the middle of their type; where their zero
 * point is another, what it adds is that times the sum of what a pixel sees of x, which is taken off there,
 * too.
 *
 * Where channels are few, and do not fill words, pixels stand without gaps, and a row of the window is a
 * run of words, the last of which may go on beyond it, to meet zeros of the filter.
 *
 * Where columns are few, sums run over lanes, and bytes of x are read as they are (lanes.ts).
 *
 * A panel of filters: sums of its 8 columns i32[8] | words [tapsH][tapsW][depth][8]
 *
 * scratch: padding [max(ic, oc) + 8] | positions [24] | table [pixels][1 + runs] | gap [8] | copies |
 * finishes [panels][32] | sums of x [pixels] | starts [2][pixels][8]
 */
import { frame, rolled, scratch } from '../arguments'
import { Finish, Igemm8, Pack8, WIDEN_BLOCK, Widen } from '../abi'
import { FINISH_BYTES, quicken, setFinish } from '../quantize'
import { FUSED, TILE_ROWS, WIDE, loadLanes } from '../simd'
import { pointPixels } from './igemm'
import { LANE_ROWS, laneColumns, laneTiles8 } from './lanes'
import { runTwoPairs } from './rolled'
import { BYTES, PAIRS, PAIR_ROWS, Product, mac, nextPanel, panelBytes, tile } from './tile'
import { byteTiles, pairTiles } from './wide'

/**
 * The sum of four products of byte `a` by byte `b` as the host has it: what tells whether it takes b as
 * unsigned, signed, or saturates. 0 where this build has no such instruction.
 */
export function dotOfBytes(a: i32, b: i32): i32 {
  if (!FUSED) return 0
  return i32x4.extract_lane(i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(<i8>a), i8x16.splat(<i8>b),
    i32x4.splat(0)), 0)
}

/**
 * Unit: `pixels` output pixels x `panels` panels of 8 output channels of one group; units of the same pixels
 * are neighbours.
 */
export function igemm8(call: usize, begin: i32, end: i32): void {
  const args = changetype<Igemm8>(call)
  const ic = args.ic, oc = args.oc, groups = args.groups
  const taps = args.runs, depth = args.depth, bytes = args.bytes
  const groupIn = ic / groups, groupOut = oc / groups, byLanes = args.byLanes
  const panelStride: usize = 32 + taps * depth * (byLanes ? groupOut * 16 : 32)
  const groupPanels = (groupOut + 7) / 8, unitPanels = args.panels
  const groupSlices = (groupPanels + unitPanels - 1) / unitPanels
  const slices = groups * groupSlices
  const pixels = args.pixels
  const allPixels = args.n * args.gridH * args.gridW
  const rows = byLanes ? LANE_ROWS : bytes ? TILE_ROWS : PAIR_ROWS
  const yBytes = args.finish == Finish.bytes ? 1 : 4, most = WIDE || rolled() && !bytes ? 2 : 1

  const padding = scratch(), positions = padding + (max(ic, oc) + 8) * 4
  const table = positions + 96
  const finishes = padding + args.finishes, sums = finishes + groups * groupPanels * FINISH_BYTES
  const starts = sums + pixels * 4, hasZeros = FUSED && bytes && (args.wZeros || args.wZero)
  const p = changetype<Product>(frame())
  p.taps = taps
  p.depth = depth
  p.wStride = panelStride
  p.bStride = FINISH_BYTES
  let pointed = -1, summed = -1, count = 0

  for (let u = begin; u < end; u++) {
    const block = u / slices
    if (block != pointed) {
      if (pointed < 0) {
        const zero = zeroOf(args), word = args.zeroAt ? (zero & 0xff) * 0x01010101 : args.padding
        for (let i: usize = 0; i < <usize>(max(ic, oc) + 8) * 4; i += 4) store<i32>(padding + i, word)
        const less = byLanes && args.signed ? zero + 128 : zero
        startSums(args, less, finishes, args.w, panelStride, groupPanels, groupOut)
        if (hasZeros) setZeros(args, finishes, groupPanels, groupOut)
        const products = taps * depth * (bytes ? 4 : 2)
        // Whole tiles alone ask for it.
        if (yBytes == 1 && !byLanes && allPixels >= rows)
          quicken(finishes, groups * groupPanels, products, <i32>args.low, <i32>args.high)
      }
      count = min(pixels, allPixels - block * pixels)
      pointPixels(args, table, positions, padding, block * pixels, count, rows)
      pointed = block
    }
    const slice = u % slices
    const group = slice / groupSlices
    const panel0 = (slice % groupSlices) * unitPanels, panel1 = min(panel0 + unitPanels, groupPanels)
    p.xOffset = group * groupIn * (byLanes ? 1 : 4)
    if (hasZeros && summed != block * groups + group) {
      sumPixels(p, count, table, zeroOf(args), sums)
      summed = block * groups + group
    }
    for (let panel = panel0, panels = 0; panel < panel1; panel += panels) {
      const index = group * groupPanels + panel
      panels = min(most, panel1 - panel)
      p.w = args.w + index * panelStride + 32
      p.b = finishes + index * FINISH_BYTES
      p.yOffset = (group * groupOut + panel * 8) * yBytes
      p.columns = min(panels * 8, groupOut - panel * 8)
      p.starts = p.b
      p.startStep = 0
      p.startStride = FINISH_BYTES
      if (hasZeros) startPixels(p, panels, count, sums, starts)
      if (byLanes) laneTiles8(p, args.signed, count, table)
      else if (panels == 1) runWords(p, count, table, bytes)
      else if (WIDE) runWide8(p, count, table, bytes)
      else runTwoPairs(p, count, table)
    }
  }
}

/** The zero point of x as products see it. */
export function zeroOf(args: Igemm8): i32 {
  if (!args.zeroAt) return args.zero
  const byte = load<i32>(args.zeroAt) ^ args.padding
  return args.zero ? <i32><i8>byte : byte & 0xff
}

/**
 * Where sums of each panel start, and how they end: with the bias, minus `less` times those sums of its
 * filters that stand at `heads`.
 */
export function startSums(
  args: Igemm8, less: i32, finishes: usize, heads: usize, headStride: usize, groupPanels: i32, groupOut: i32,
): void {
  const b = args.b, scales = args.scales
  const xScale = f32x4.splat(args.xScale), yScale = f32x4.splat(args.yScale), zero = i32x4.splat(less)
  const count = args.groups * groupPanels
  for (let index = 0, panel = 0, first = 0; index < count; index++) {
    const finish = finishes + index * FINISH_BYTES
    setFinish(finish, args.low, args.high, args.yZero, args.finish)
    for (let half = 0; half < 8; half += 4) {
      const column = panel * 8 + half, lanes = max(0, min(4, groupOut - column))
      const at: usize = (first + column) * 4, part = finish + half * 4
      let scale = f32x4.splat(1)
      if (args.finish == Finish.bytes) {
        const own = scales ? loadLanes(scales + at, lanes) : f32x4.splat(args.wScale)
        scale = f32x4.mul(xScale, own)
      }
      let bias = b ? loadLanes(b + at, lanes) : i32x4.splat(0)
      if (args.floatBias) bias = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(bias, scale)))
      const sums = v128.load(heads + index * headStride + half * 4)
      v128.store(part, i32x4.sub(bias, i32x4.mul(zero, sums)))
      v128.store(part, f32x4.div(scale, yScale), 32)
    }
    if (++panel == groupPanels) {
      panel = 0
      first += groupOut
    }
  }
}

/** Writes what bytes of the filter are to be less into the finishes of their panels. */
function setZeros(args: Igemm8, finishes: usize, groupPanels: i32, groupOut: i32): void {
  const zeros = args.wZeros
  for (let index = 0; index < args.groups * groupPanels; index++) {
    const first = index % groupPanels * 8, used = min(8, groupOut - first)
    let from = zeros + (index / groupPanels * groupOut + first) * 4
    for (let column: usize = 0; column < 8; column++) {
      const zero = !zeros ? args.wZero : column < <usize>used ? load<i32>(from) : 0
      store<i8>(finishes + index * FINISH_BYTES + column, <i8>zero, 120)
      from += 4
    }
  }
}

/** Writes the sum of what each pixel of a table sees of x, less its zero point. */
function sumPixels(p: Product, pixels: i32, table: usize, zero: i32, to: usize): void {
  const taps = p.taps, depth = p.depth, ones = i8x16.splat(1), all = zero * <i32>(taps * depth * 4)
  for (let left = pixels; left > 0; left -= TILE_ROWS) {
    const step: usize = min(TILE_ROWS, left) * 4
    for (let row: usize = 0; row < step; row += 4) {
      let sum = i32x4.splat(0)
      for (let t: usize = 1; t <= taps; t++) {
        let x: usize = load<u32>(table + row + t * step) + p.xOffset, k = depth
        for (; k >= 4; k -= 4) {
          sum = mac(BYTES, v128.load(x), ones, sum)
          x += 16
        }
        for (; k; k--) {
          sum = mac(BYTES, v128.load32_zero(x), ones, sum)
          x += 4
        }
      }
      sum = i32x4.add(sum, v128.shuffle<i32>(sum, sum, 2, 3, 0, 1))
      store<i32>(to, i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) - all)
      to += 4
    }
    table += (taps + 1) * step
  }
}

/** Writes where the sums of each pixel start, less the zero points of the filter times what it sees of x. */
function startPixels(p: Product, panels: i32, pixels: i32, sums: usize, to: usize): void {
  p.starts = to
  p.startStep = 32
  p.startStride = pixels * 32
  for (let b = p.b; panels; panels--) {
    const zeros = v128.load8x8_s(b, 120), b0 = v128.load(b), b1 = v128.load(b, 16)
    const z0 = i32x4.extend_low_i16x8_s(zeros), z1 = i32x4.extend_high_i16x8_s(zeros)
    for (let i = 0; i < pixels; i++) {
      const sum = v128.load32_splat(sums + i * 4)
      v128.store(to, i32x4.sub(b0, i32x4.mul(z0, sum)))
      v128.store(to, i32x4.sub(b1, i32x4.mul(z1, sum)), 16)
      to += 32
    }
    b += FINISH_BYTES
  }
}

/** Pixels by two panels: see dense/wide.ts. */
export function runWide8(p: Product, pixels: i32, table: usize, bytes: i32): void {
  const rows = bytes ? TILE_ROWS : PAIR_ROWS
  const whole = pixels / rows, rest = pixels % rows
  if (bytes) byteTiles(p, whole, table)
  else pairTiles(p, whole, table)
  if (!rest) return
  table += whole * rows * (p.taps + 1) * 4
  const left = p.columns - 8, starts = p.starts
  p.columns = 8
  runWords(p, rest, table, bytes)
  nextPanel(p, panelBytes(PAIRS, p.b), left)
  p.starts = starts + p.startStride
  runWords(p, rest, table, bytes)
}

// @ts-ignore: decorator
@inline
function runWords(p: Product, pixels: i32, table: usize, bytes: i32): void {
  if (FUSED && bytes) runBytes(p, pixels, table)
  else runPairs(p, pixels, table)
}

/** Pixels whose tables stand one after the other, by one panel: see dense/tile.ts. */
export function runPairs(p: Product, pixels: i32, table: usize): void {
  const whole = pixels / PAIR_ROWS
  pairs5(p, whole, table)
  table += whole * PAIR_ROWS * (p.taps + 1) * 4
  switch (pixels % PAIR_ROWS) {
    case 1: return pairs1(p, table)
    case 2: return pairs2(p, table)
    case 3: return pairs3(p, table)
    case 4: return pairs4(p, table)
  }
}

function runBytes(p: Product, pixels: i32, table: usize): void {
  const whole = pixels / TILE_ROWS
  bytes6(p, whole, table)
  table += whole * TILE_ROWS * (p.taps + 1) * 4
  switch (pixels % TILE_ROWS) {
    case 1: return bytes1(p, table)
    case 2: return bytes2(p, table)
    case 3: return bytes3(p, table)
    case 4: return bytes4(p, table)
    case 5: return bytes5(p, table)
  }
}

function pairs1(p: Product, table: usize): void {
  tile(p, table, PAIRS, 1, false)
}

function pairs2(p: Product, table: usize): void {
  tile(p, table, PAIRS, 2, false)
}

function pairs3(p: Product, table: usize): void {
  tile(p, table, PAIRS, 3, false)
}

function pairs4(p: Product, table: usize): void {
  tile(p, table, PAIRS, 4, false)
}

function pairs5(p: Product, count: i32, table: usize): void {
  for (const step = (p.taps + 1) * PAIR_ROWS * 4; count > 0; count--) {
    tile(p, table, PAIRS, PAIR_ROWS, false)
    table += step
  }
}

function bytes1(p: Product, table: usize): void {
  tile(p, table, BYTES, 1, false)
}

function bytes2(p: Product, table: usize): void {
  tile(p, table, BYTES, 2, false)
}

function bytes3(p: Product, table: usize): void {
  tile(p, table, BYTES, 3, false)
}

function bytes4(p: Product, table: usize): void {
  tile(p, table, BYTES, 4, false)
}

function bytes5(p: Product, table: usize): void {
  tile(p, table, BYTES, 5, false)
}

function bytes6(p: Product, count: i32, table: usize): void {
  for (const step = (p.taps + 1) * TILE_ROWS * 4; count > 0; count--) {
    tile(p, table, BYTES, TILE_ROWS, false)
    table += step
  }
}

/**
 * Unit: one panel. A filter in any strides -> i32[8] | words [tapsH][tapsW][depth / a word][8], less the zero
 * points of its columns, with zeros where a word or a panel goes on. Words of 8 are for sums over lanes: see
 * lanes.ts.
 */
export function pack8(call: usize, begin: i32, end: i32): void {
  const args = changetype<Pack8>(call)
  const columns = args.columns, depth = args.depth, each = args.each, signed = args.signed,
    zeros = args.zeros
  const taps = args.tapsH * args.tapsW
  const words = (depth + each - 1) / each, byLanes = each == 8, size = each == 4 ? 1 : 2
  const panelStride = 32 + taps * words * (byLanes ? columns * 16 : 32)
  const groupPanels = (columns + 7) / 8
  const rowStride: usize = args.rowStride, inner = args.inner
  for (let u = begin; u < end; u++) {
    const group = u / groupPanels, first = u % groupPanels * 8
    const panel = args.panels + u * panelStride
    let part = 0, end = byLanes ? laneColumns(columns) : 8
    for (let column = 0; column < 8; column++) {
      const used = first + column < columns
      if (column == end) {
        part = column
        end += laneColumns(columns - column)
      }
      const zero = !used ? 0 : zeros ? load<i32>(zeros + (group * columns + first + column) * 4) : args.zero
      const source = args.source + group * args.groupStride + (first + column) * args.columnStride
      const step = (end - part) * each * size
      let to = panel + 32 + part * taps * words * each * size + (column - part) * each * size, sum = 0
      for (let tap = 0; tap < taps; tap++) {
        const first = source + tap / args.tapsW * args.tapHStride + tap % args.tapsW * args.tapWStride
        let from = first, left = inner, run = 1
        for (let k = 0; k < words * each; k++) {
          const value = !used || k >= depth ? 0 : (signed ? <i32>load<i8>(from) : <i32>load<u8>(from)) - zero
          sum += value
          from += rowStride
          if (--left == 0) {
            from = first + run++ * args.tapWStride
            left = inner
          }
          const at = to + k % each * size
          if (!byLanes || used) {
            if (size == 1) store<i8>(at, <i8>value)
            else store<i16>(at, <i16>value)
          }
          if (k % each == each - 1) to += step
        }
      }
      store<i32>(panel + column * 4, sum)
    }
  }
}

/** Unit: WIDEN_BLOCK pixels. x [pixels][groups][depth] bytes -> words [pixels][groups][depth / a word]. */
export function widen(call: usize, begin: i32, end: i32): void {
  const args = changetype<Widen>(call)
  const depth = args.depth, groups = args.groups, bytes = args.bytes
  const each = bytes ? 4 : 2, words = (depth + each - 1) / each, size = words * 4
  const signed = args.signed, zero = args.zeroAt ? load<i32>(args.zeroAt) : args.zero
  for (let u = begin; u < end; u++) {
    const first = u * WIDEN_BLOCK, runs = min(WIDEN_BLOCK, args.pixels - first) * groups
    let x = args.x + first * groups * depth, y = args.y + first * groups * size
    // Where channels fill words, pixels are one run.
    if (words * each == depth) {
      widenRun(bytes, signed, zero, x, y, runs * depth)
      continue
    }
    if (depth < 4) {
      // Bytes behind those of a pixel meet zeros of the filter.
      for (let i = 0; i < runs; i++) {
        if (bytes) store<i32>(y, load<i32>(x) ^ zero)
        else if (depth == 1) store<i32>(y,
          i32x4.extract_lane(wide(signed, v128.load32_zero(x), zero), 0))
        else v128.store64_lane(y, wide(signed, v128.load32_zero(x), zero), 0)
        x += depth
        y += size
      }
      continue
    }
    for (let i = 0; i < runs; i++) {
      widenRun(bytes, signed, zero, x, y, depth)
      x += depth
      y += size
    }
  }
}

// @ts-ignore: decorator
@inline
function wide(signed: i32, v: v128, zero: i32): v128 {
  return i16x8.sub(signed ? i16x8.extend_low_i8x16_s(v) : i16x8.extend_low_i8x16_u(v), i16x8.splat(<i16>zero))
}

/** `count` bytes; the word that they end in is whole, with what follows them. */
function widenRun(bytes: i32, signed: i32, zero: i32, x: usize, y: usize, count: i32): void {
  if (bytes) {
    const flip = i32x4.splat(zero)
    for (; count >= 16; count -= 16) {
      v128.store(y, v128.xor(v128.load(x), flip))
      x += 16
      y += 16
    }
    for (; count > 0; count -= 4) {
      store<i32>(y, load<i32>(x) ^ zero)
      x += 4
      y += 4
    }
    return
  }
  for (; count >= 8; count -= 8) {
    v128.store(y, wide(signed, v128.load64_zero(x), zero))
    x += 8
    y += 16
  }
  for (; count > 0; count -= 2) {
    store<i32>(y, i32x4.extract_lane(wide(signed, v128.load64_zero(x), zero), 0))
    x += 2
    y += 4
  }
}
