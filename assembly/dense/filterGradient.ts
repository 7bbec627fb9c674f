/**
 * Backwards: what forward kernels cannot be asked to do themselves.
 *
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
import { FilterGradient, PoolGradient, UNARY_BLOCK, UnaryBackward, UnaryOp, Unpack } from '../abi'
import { pointPixels } from './igemm'
import { exp, normalTail, sigmoid, tanhSoftplus } from '../math'
import { endTap, firstTap } from '../pool'
import { TILE_ROWS, loadLanes, loadPart, madd, storeLanes, storePart } from '../simd'
import { runTiles } from './tile'

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
  const low = f32x4.splat(-Infinity), high = f32x4.splat(Infinity)

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
        gather(table, count, runs + 1, (group * groupOut + panel * 8) * 4, min(8, groupOut - panel * 8), dy + (panel - panel0) * dyPanelStride)
      }
      for (let run = 0; run < runs; run++) {
        transpose(table, count, runs + 1, run + 1, group * groupIn * 4, depth, x, xStride)
        for (let panel = 0; panel < panel1 - panel0; panel++) {
          runTiles(depth, tileTable, 1, count, 0, dy + panel * dyPanelStride, zeros, 0, 8, low, high)
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

/**
 * Unit: one image, `channels` channels of it. dy goes to the first of the largest values under each window,
 * in row-major order; a NaN is larger than all.
 */
export function maxPoolGradient(call: usize, begin: i32, end: i32): void {
  poolGradient<ToLargest>(call, begin, end)
}

/**
 * Unit: as of maxPoolGradient. dy goes to all values under the window, divided by what forward divided by.
 */
export function avgPoolGradient(call: usize, begin: i32, end: i32): void {
  poolGradient<ToAll>(call, begin, end)
}

// @ts-ignore: decorator
@inline
function poolGradient<F>(call: usize, begin: i32, end: i32): void {
  const args = changetype<PoolGradient>(call)
  const ih = args.ih, iw = args.iw, c = args.c, oh = args.oh, ow = args.ow
  const tapsH = args.tapsH, tapsW = args.tapsW
  const stepH = args.stepH, stepW = args.stepW, firstH = args.firstH, firstW = args.firstW
  const tapStepH = args.tapStepH, tapStepW = args.tapStepW
  const lastH = ih + args.afterH, lastW = iw + args.afterW
  const countPadding = args.countPadding
  const unitChannels = args.channels
  const slices = (c + unitChannels - 1) / unitChannels
  const pixel: usize = c * 4, rowStride: usize = tapStepH * iw * c * 4, tapStride: usize = tapStepW * c * 4

  for (let u = begin; u < end; u++) {
    const n = u / slices, channel = (u % slices) * unitChannels
    const channels = min(unitChannels, c - channel)
    const inOffset: usize = (n * ih * iw * c + channel) * 4
    const x = args.x + inOffset, dx = args.dx + inOffset
    for (let p = 0; p < ih * iw; p++) memory.fill(dx + p * pixel, 0, channels * 4)
    let offset: usize = (n * oh * ow * c + channel) * 4
    for (let oy = 0, iy = firstH; oy < oh; oy++, iy += stepH) {
      const ky = firstTap(iy, tapStepH), rows = max(0, endTap(iy, tapStepH, tapsH, ih) - ky)
      for (let ox = 0, ix = firstW; ox < ow; ox++, ix += stepW) {
        const kx = firstTap(ix, tapStepW), columns = max(0, endTap(ix, tapStepW, tapsW, iw) - kx)
        const counted = countPadding ? (min(iy + tapsH, lastH) - iy) * (min(ix + tapsW, lastW) - ix) : max(1, rows * columns)
        const at: usize = ((iy + ky * tapStepH) * iw + ix + kx * tapStepW) * c * 4
        for (let i = 0; i < channels; i += 4) {
          const lanes = min(4, channels - i)
          const y = loadLanes(args.y + offset + i * 4, lanes), dy = loadLanes(args.dy + offset + i * 4, lanes)
          changetype<F>(0).spread(x + at + i * 4, dx + at + i * 4, y, dy, rows, columns, rowStride, tapStride, counted, lanes)
        }
        offset += pixel
      }
    }
  }
}

@final class ToLargest {
  @inline spread(x: usize, dx: usize, y: v128, dy: v128, rows: i32, columns: i32, rowStride: usize, tapStride: usize, counted: i32, lanes: i32): void {
    let left = i32x4.splat(-1)
    for (; rows; rows--) {
      let offset: usize = 0
      for (let t = columns; t; t--) {
        const v = loadLanes(x + offset, lanes)
        const here = v128.and(left, v128.or(f32x4.eq(v, y), f32x4.ne(v, v)))
        left = v128.andnot(left, here)
        storeLanes(dx + offset, f32x4.add(loadLanes(dx + offset, lanes), v128.and(dy, here)), lanes)
        offset += tapStride
      }
      x += rowStride
      dx += rowStride
    }
  }
}

@final class ToAll {
  @inline spread(x: usize, dx: usize, y: v128, dy: v128, rows: i32, columns: i32, rowStride: usize, tapStride: usize, counted: i32, lanes: i32): void {
    const share = f32x4.div(dy, f32x4.splat(<f32>counted))
    for (; rows; rows--) {
      let offset: usize = 0
      for (let t = columns; t; t--) {
        storeLanes(dx + offset, f32x4.add(loadLanes(dx + offset, lanes), share), lanes)
        offset += tapStride
      }
      dx += rowStride
    }
  }
}

/**
 * The derivatives of the activations, at x (for a clamp at y). With s = sigmoid(x):
 *
 *   clamp        1 between the bounds, 0 on and beyond them          tanh      4 sigmoid(2 x) (1 - sigmoid(2 x))
 *   leakyRelu    1 or a                                              silu      s (1 + x (1 - s))
 *   elu          b or a exp(x)                                       hardSwish 0, x / 3 + 1 / 2, 1
 *   gelu         Phi(x) + x phi(x)                                   mish      t + x s (1 - t^2),  t = tanh(softplus(x))
 *   geluTanh     g (1 + x (1 - g) z'),  g = sigmoid(z)               softplus  s
 *   sigmoid      s (1 - s)
 *   hardSigmoid  a between 0 and 1, 0 on and beyond them
 */
// @ts-ignore: decorator
@inline
function one(): v128 {
  return f32x4.splat(1)
}

/** v where the condition does not hold, else 0: a NaN fails all comparisons, and lets v through. */
// @ts-ignore: decorator
@inline
function unless(condition: v128, v: v128): v128 {
  return v128.andnot(v, condition)
}

/** A bounded x: what x is multiplied with is 0 beyond, and 0 * Infinity would be NaN. */
// @ts-ignore: decorator
@inline
function bounded(x: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, f32x4.splat(-104)), f32x4.splat(104))
}

// @ts-ignore: decorator
@final class ClampSlope { @inline at(y: v128, a: v128, b: v128): v128 { return unless(v128.or(f32x4.le(y, a), f32x4.ge(y, b)), one()) } }
// @ts-ignore: decorator
@final class LeakyReluSlope { @inline at(x: v128, a: v128, b: v128): v128 { return v128.bitselect(a, one(), f32x4.lt(x, f32x4.splat(0))) } }
// @ts-ignore: decorator
@final class EluSlope { @inline at(x: v128, a: v128, b: v128): v128 { return v128.bitselect(b, f32x4.mul(a, exp(x)), f32x4.ge(x, f32x4.splat(0))) } }
// @ts-ignore: decorator
@final class SigmoidSlope { @inline at(x: v128, a: v128, b: v128): v128 { const s = sigmoid(x); return f32x4.mul(s, sigmoid(f32x4.neg(x))) } }
// @ts-ignore: decorator
@final class TanhSlope { @inline at(x: v128, a: v128, b: v128): v128 { const d = f32x4.add(x, x); return f32x4.mul(f32x4.splat(4), f32x4.mul(sigmoid(d), sigmoid(f32x4.neg(d)))) } }
// @ts-ignore: decorator
@final class SoftplusSlope { @inline at(x: v128, a: v128, b: v128): v128 { return sigmoid(x) } }

@final
class HardSigmoidSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const y = madd(x, a, b)
    return unless(v128.or(f32x4.le(y, f32x4.splat(0)), f32x4.ge(y, one())), a)
  }
}

@final
class GeluSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const size = f32x4.abs(x), tail = normalTail(size)
    const cumulative = v128.bitselect(tail, f32x4.sub(one(), tail), f32x4.lt(x, f32x4.splat(0)))
    const density = f32x4.mul(f32x4.splat(0.3989422804), exp(f32x4.mul(f32x4.splat(-0.5), f32x4.mul(x, x))))
    return madd(bounded(x), density, cumulative)
  }
}

@final
class GeluTanhSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    x = bounded(x)
    const square = f32x4.mul(x, x), c = f32x4.splat(1.59576912161)
    const z = f32x4.mul(x, madd(square, f32x4.splat(0.0713548162726), c))
    const slope = madd(square, f32x4.splat(0.2140644488178), c)
    const g = sigmoid(z)
    return madd(f32x4.mul(x, slope), f32x4.mul(g, sigmoid(f32x4.neg(z))), g)
  }
}

@final
class SiluSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const s = sigmoid(x)
    return madd(bounded(x), f32x4.mul(s, sigmoid(f32x4.neg(x))), s)
  }
}

@final
class HardSwishSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const middle = madd(x, f32x4.splat(1.0 / 3.0), f32x4.splat(0.5))
    return v128.bitselect(one(), unless(f32x4.le(x, f32x4.splat(-3)), middle), f32x4.ge(x, f32x4.splat(3)))
  }
}

@final
class MishSlope {
  // @ts-ignore: decorator
  @inline
  at(x: v128, a: v128, b: v128): v128 {
    const t = tanhSoftplus(x)
    return madd(f32x4.mul(bounded(x), sigmoid(x)), f32x4.sub(one(), f32x4.mul(t, t)), t)
  }
}

// @ts-ignore: decorator
@inline
function slopes<F>(dy: usize, v: usize, dx: usize, count: i32, a: v128, b: v128): void {
  for (; count > 0; count -= 4) {
    const lanes = min(4, count)
    storeLanes(dx, f32x4.mul(loadLanes(dy, lanes), changetype<F>(0).at(loadLanes(v, lanes), a, b)), lanes)
    dy += 16
    v += 16
    dx += 16
  }
}

/** Called through a reference, for else all would be inlined into one function. */
type Slopes = (dy: usize, v: usize, dx: usize, count: i32, a: v128, b: v128) => void

function slopesOf(op: i32): Slopes {
  switch (op) {
    case UnaryOp.leakyRelu: return (dy, v, dx, count, a, b) => slopes<LeakyReluSlope>(dy, v, dx, count, a, b)
    case UnaryOp.elu: return (dy, v, dx, count, a, b) => slopes<EluSlope>(dy, v, dx, count, a, b)
    case UnaryOp.gelu: return (dy, v, dx, count, a, b) => slopes<GeluSlope>(dy, v, dx, count, a, b)
    case UnaryOp.geluTanh: return (dy, v, dx, count, a, b) => slopes<GeluTanhSlope>(dy, v, dx, count, a, b)
    case UnaryOp.sigmoid: return (dy, v, dx, count, a, b) => slopes<SigmoidSlope>(dy, v, dx, count, a, b)
    case UnaryOp.hardSigmoid: return (dy, v, dx, count, a, b) => slopes<HardSigmoidSlope>(dy, v, dx, count, a, b)
    case UnaryOp.tanh: return (dy, v, dx, count, a, b) => slopes<TanhSlope>(dy, v, dx, count, a, b)
    case UnaryOp.silu: return (dy, v, dx, count, a, b) => slopes<SiluSlope>(dy, v, dx, count, a, b)
    case UnaryOp.hardSwish: return (dy, v, dx, count, a, b) => slopes<HardSwishSlope>(dy, v, dx, count, a, b)
    case UnaryOp.mish: return (dy, v, dx, count, a, b) => slopes<MishSlope>(dy, v, dx, count, a, b)
    case UnaryOp.softplus: return (dy, v, dx, count, a, b) => slopes<SoftplusSlope>(dy, v, dx, count, a, b)
    default: return (dy, v, dx, count, a, b) => slopes<ClampSlope>(dy, v, dx, count, a, b)
  }
}

/** Unit: UNARY_BLOCK floats. dx = dy * f'(v). */
export function unaryBackward(call: usize, begin: i32, end: i32): void {
  const args = changetype<UnaryBackward>(call)
  const size = args.size, fn = slopesOf(args.op)
  const a = f32x4.splat(args.a), b = f32x4.splat(args.b)
  for (let u = begin; u < end; u++) {
    const first = u * UNARY_BLOCK, offset = <usize>first << 2
    fn(args.dy + offset, args.v + offset, args.dx + offset, min(UNARY_BLOCK, size - first), a, b)
  }
}
