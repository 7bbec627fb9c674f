/**
 * Convolution of 8-bit integers with few channels in a group, under any window: exact in sums of 32 bits.
 *
 *   sum[oy][ox][o] = b[o] + sum over ky, kx, i of (x[oy * stride - before + ky * dilation][ox * stride -
 *   before + kx * dilation][i of the group of o] - zero of x) * (w[ky][kx][i][o] - zero of w[o]);  then as in
 *   dense/int8.ts
 *
 * A tile is 7 neighbouring outputs of a row x 4 channels, of one group or of several. Rows of the input come
 * into a ring as words for `i32x4.dot_i16x8_s`: what each of the four sees, less its zero point, in planes
 * [columns][4], zeros of the padding with them. A word is two input channels of a group side by side, or,
 * where a group has one, a pixel and the one below it under the window. Where channels of a group fill
 * vectors, these share planes. Rows of the window in the padding are left out.
 *
 * Weights: for each 4 channels, for each row of words, for each pair of input channels, for each tap of each
 * run: i16[4][2]
 *
 * scratch: sums [7][4] | finishes [oc / 8][32] | orders [planes / 2][8] | list [rows][pairs][runs] | rows
 * held [slots] | blank row | ring [slots] planes
 */
import { frame, scratch } from '../arguments'
import { Finish, Igemm8 } from '../abi'
import { startSums } from '../dense/int8'
import { FINISH_BYTES, MAGIC, QUICK, isOfBytes, lowBytes, quicken, rounded } from '../quantize'
import { storeBytes, storeLanes } from '../simd'
import { TILE, bounded, nearest, putBytes } from './tiles8'

/** What a row of outputs asks of its tiles, in this thread's frame. */
@unmanaged
class Rows {
  /** Addresses of runs of words, and their number. */
  list: usize; runs: i32
  /** Weights of the first 4 channels, and bytes to those of the next. */
  w: usize; wVector: usize
  /** Bytes from the planes of some vectors to those of the next, and how many share them. */
  setBytes: usize; perSet: i32
  finishes: usize
  /** Outputs of a row, bytes from one to the next in planes and in y, and their channels. */
  count: i32; outStep: usize; yStride: usize; channels: i32
  /** Room for 7 outputs. */
  sums: usize
  isBytes: i32
  /** The least byte, and how much larger the largest one is. */
  low: i32; span: i32
}

/** The taps of a run, neighbours that load a column once for all outputs that see it; the stride. */
// @ts-ignore: decorator
@final class One { @inline taps(): i32 { return 1 } @inline stride(): i32 { return 1 } }
// @ts-ignore: decorator
@final class Three { @inline taps(): i32 { return 3 } @inline stride(): i32 { return 1 } }
// @ts-ignore: decorator
@final class ThreeBy2 { @inline taps(): i32 { return 3 } @inline stride(): i32 { return 2 } }
// @ts-ignore: decorator
@final class Four { @inline taps(): i32 { return 4 } @inline stride(): i32 { return 1 } }

/** c and what a column adds to it under tap `t`; nothing where a run has no such tap. */
// @ts-ignore: decorator
@inline
function tap<R>(t: i32, d: v128, w0: v128, w1: v128, w2: v128, w3: v128, c: v128): v128 {
  if (t < 0 || t >= changetype<R>(0).taps()) return c
  return i32x4.add(c, i32x4.dot_i16x8_s(d, t == 0 ? w0 : t == 1 ? w1 : t == 2 ? w2 : w3))
}

/** Writes the bytes at `sums` of outputs that are not 7 of 4 channels. */
function spread(rows: Rows, y: usize, columns: i32): void {
  for (let i = 0; i < min(rows.count, TILE); i++)
    storeBytes(y + i * rows.yStride, v128.load32_zero(rows.sums + i * 4), columns)
}

/** Ends sums as they are, or as bytes that no bound is known of. */
function finishSums(rows: Rows, finish: usize, half: usize, y: usize, columns: i32): void {
  for (let i = 0; i < min(rows.count, TILE); i++) {
    const sum = v128.load(rows.sums + i * 16)
    if (!isOfBytes(finish)) storeLanes(y, sum, columns)
    else {
      const v = rounded(f32x4.mul(f32x4.convert_i32x4_s(sum), v128.load(finish + half, 32)),
        v128.load(finish, 64), v128.load(finish, 80), v128.load(finish, 96))
      storeBytes(y, lowBytes(v, v), columns)
    }
    y += rows.yStride
  }
}

/** A row of outputs. The exits on negative `left` are never taken: see dense/tile.ts. */
function tiles<R>(rows: Rows, y: usize): void {
  const T = changetype<R>(0).taps(), S = changetype<R>(0).stride(), last = 6 * S + T
  const outStep = rows.outStep, yStride = rows.yStride, sums = rows.sums
  let offset: usize = 0, ofSet = rows.perSet, finish = rows.finishes, half: usize = 0, weights = rows.w
  for (let channels = rows.channels; channels > 0; channels -= 4) {
    let at = offset, to = y, rest = rows.count
    while (true) {
      let c0 = v128.load(finish + half), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0
      let list = rows.list, w = weights
      for (let left = rows.runs; left > 0; left--) {
        const x = load<usize>(list) + at
        list += 4
        const w0 = v128.load(w), w1 = T > 1 ? v128.load(w, 16) : w0, w2 = T > 2 ? v128.load(w, 32) : w0,
          w3 = T > 3 ? v128.load(w, 48) : w0
        w += T * 16
        if (T == 1) {
          let p = x
          c0 = tap<R>(0, v128.load(p), w0, w1, w2, w3, c0)
          c1 = tap<R>(0, v128.load(p += outStep), w0, w1, w2, w3, c1)
          if (left == -5001) break
          c2 = tap<R>(0, v128.load(p += outStep), w0, w1, w2, w3, c2)
          c3 = tap<R>(0, v128.load(p += outStep), w0, w1, w2, w3, c3)
          if (left == -5002) break
          c4 = tap<R>(0, v128.load(p += outStep), w0, w1, w2, w3, c4)
          c5 = tap<R>(0, v128.load(p += outStep), w0, w1, w2, w3, c5)
          if (left == -5003) break
          c6 = tap<R>(0, v128.load(p += outStep), w0, w1, w2, w3, c6)
          continue
        }
        { const d = v128.load(x)
          c0 = tap<R>(0 - 0 * S, d, w0, w1, w2, w3, c0) }
        { const d = v128.load(x, 16)
          c0 = tap<R>(1 - 0 * S, d, w0, w1, w2, w3, c0)
          c1 = tap<R>(1 - 1 * S, d, w0, w1, w2, w3, c1) }
        if (left == -5001) break
        { const d = v128.load(x, 32)
          c0 = tap<R>(2 - 0 * S, d, w0, w1, w2, w3, c0)
          c1 = tap<R>(2 - 1 * S, d, w0, w1, w2, w3, c1)
          c2 = tap<R>(2 - 2 * S, d, w0, w1, w2, w3, c2) }
        { const d = v128.load(x, 48)
          c0 = tap<R>(3 - 0 * S, d, w0, w1, w2, w3, c0)
          c1 = tap<R>(3 - 1 * S, d, w0, w1, w2, w3, c1)
          c2 = tap<R>(3 - 2 * S, d, w0, w1, w2, w3, c2)
          c3 = tap<R>(3 - 3 * S, d, w0, w1, w2, w3, c3) }
        if (left == -5002) break
        { const d = v128.load(x, 64)
          c1 = tap<R>(4 - 1 * S, d, w0, w1, w2, w3, c1)
          c2 = tap<R>(4 - 2 * S, d, w0, w1, w2, w3, c2)
          c3 = tap<R>(4 - 3 * S, d, w0, w1, w2, w3, c3)
          c4 = tap<R>(4 - 4 * S, d, w0, w1, w2, w3, c4) }
        { const d = v128.load(x, 80)
          c2 = tap<R>(5 - 2 * S, d, w0, w1, w2, w3, c2)
          c3 = tap<R>(5 - 3 * S, d, w0, w1, w2, w3, c3)
          c4 = tap<R>(5 - 4 * S, d, w0, w1, w2, w3, c4)
          c5 = tap<R>(5 - 5 * S, d, w0, w1, w2, w3, c5) }
        if (left == -5003) break
        { const d = v128.load(x, 96)
          c2 = tap<R>(6 - 2 * S, d, w0, w1, w2, w3, c2)
          c3 = tap<R>(6 - 3 * S, d, w0, w1, w2, w3, c3)
          c4 = tap<R>(6 - 4 * S, d, w0, w1, w2, w3, c4)
          c5 = tap<R>(6 - 5 * S, d, w0, w1, w2, w3, c5)
          c6 = tap<R>(6 - 6 * S, d, w0, w1, w2, w3, c6) }
        { const d = v128.load(x, 112)
          c3 = tap<R>(7 - 3 * S, d, w0, w1, w2, w3, c3)
          c4 = tap<R>(7 - 4 * S, d, w0, w1, w2, w3, c4)
          c5 = tap<R>(7 - 5 * S, d, w0, w1, w2, w3, c5)
          c6 = tap<R>(7 - 6 * S, d, w0, w1, w2, w3, c6) }
        if (left == -5004) break
        { const d = v128.load(x, 128)
          c3 = tap<R>(8 - 3 * S, d, w0, w1, w2, w3, c3)
          c4 = tap<R>(8 - 4 * S, d, w0, w1, w2, w3, c4)
          c5 = tap<R>(8 - 5 * S, d, w0, w1, w2, w3, c5)
          c6 = tap<R>(8 - 6 * S, d, w0, w1, w2, w3, c6) }
        if (last > 9) { const d = v128.load(x, 144)
          c4 = tap<R>(9 - 4 * S, d, w0, w1, w2, w3, c4)
          c5 = tap<R>(9 - 5 * S, d, w0, w1, w2, w3, c5)
          c6 = tap<R>(9 - 6 * S, d, w0, w1, w2, w3, c6) }
        if (last > 10 && left == -5005) break
        if (last > 10) { const d = v128.load(x, 160)
          c4 = tap<R>(10 - 4 * S, d, w0, w1, w2, w3, c4)
          c5 = tap<R>(10 - 5 * S, d, w0, w1, w2, w3, c5) }
        if (last > 11) { const d = v128.load(x, 176)
          c5 = tap<R>(11 - 5 * S, d, w0, w1, w2, w3, c5) }
        if (last > 12) { const d = v128.load(x, 192)
          c5 = tap<R>(12 - 5 * S, d, w0, w1, w2, w3, c5)
          c6 = tap<R>(12 - 6 * S, d, w0, w1, w2, w3, c6) }
        if (last > 13) { const d = v128.load(x, 208)
          c6 = tap<R>(13 - 6 * S, d, w0, w1, w2, w3, c6) }
        if (last > 14) { const d = v128.load(x, 224)
          c6 = tap<R>(14 - 6 * S, d, w0, w1, w2, w3, c6) }
      }
      const outputs = min(rows.count, TILE), columns = min(channels, 4)
      if (load<i32>(finish, 112) == QUICK) {
        const factor = v128.load(finish + half, 32), least = i8x16.splat(<i8>rows.low)
        const zero = i32x4.sub(v128.load(finish, 96), i32x4.splat(rows.low))
        const magic = f32x4.splat(MAGIC), span = i8x16.splat(<i8>rows.span)
        const c01 = nearest(c0, c1, factor, magic, zero), c23 = nearest(c2, c3, factor, magic, zero)
        const c45 = nearest(c4, c5, factor, magic, zero), c66 = nearest(c6, c6, factor, magic, zero)
        const p = bounded(c01, c23, span, least), q = bounded(c45, c66, span, least)
        if (columns == 4 && outputs == TILE) putBytes(to, yStride, p, q)
        else {
          v128.store(sums, p)
          v128.store(sums, q, 16)
          spread(rows, to, columns)
        }
      } else {
        v128.store(sums, c0); v128.store(sums, c1, 16); v128.store(sums, c2, 32); v128.store(sums, c3, 48)
        v128.store(sums, c4, 64); v128.store(sums, c5, 80); v128.store(sums, c6, 96)
        finishSums(rows, finish, half, to, columns)
      }
      rest -= TILE
      if (rest <= 0) break
      // The last tile of a row starts early, so that it ends with the row.
      const step = min(rest, TILE)
      at += step * outStep
      to += step * yStride
    }
    if (--ofSet == 0) {
      ofSet = rows.perSet
      offset += rows.setBytes
    }
    finish += half * (FINISH_BYTES / 16)
    half ^= 16
    weights += rows.wVector
    y += rows.isBytes ? 4 : 16
  }
}

/** How bytes are read: whether they are signed, and whether words are pairs of channels. */
// @ts-ignore: decorator
@final class Below { @inline signed(): bool { return false } @inline deep(): bool { return false } }
// @ts-ignore: decorator
@final class SignedBelow { @inline signed(): bool { return true } @inline deep(): bool { return false } }
// @ts-ignore: decorator
@final class Beside { @inline signed(): bool { return false } @inline deep(): bool { return true } }
// @ts-ignore: decorator
@final class SignedBeside { @inline signed(): bool { return true } @inline deep(): bool { return true } }

/**
 * Pixels of a row at a (and the one at b below it) into planes, two at a time: by an order of their bytes,
 * and how far from the pixel they lie.
 */
function bring<B>(order: usize, end: usize, a: usize, b: usize, to: usize, row: Row): void {
  const signed = changetype<B>(0).signed(), deep = changetype<B>(0).deep()
  const step: usize = row.step, plane: usize = row.plane, zero = i16x8.splat(<i16>row.zero)
  for (; order < end; order += 32) {
    const lanes = v128.load(order), base: usize = load<i32>(order, 16)
    let p = a + base, q = b + base, at = to
    for (let i = row.pixels; i > 0; i--) {
      let v = deep ? v128.load(p) : v128.load64_lane(q, v128.load64_zero(p), 1)
      v = i8x16.swizzle(v, lanes)
      v128.store(at, i16x8.sub(signed ? i16x8.extend_low_i8x16_s(v) : i16x8.extend_low_i8x16_u(v), zero))
      v128.store(at + plane,
        i16x8.sub(signed ? i16x8.extend_high_i8x16_s(v) : i16x8.extend_high_i8x16_u(v), zero))
      p += step
      q += step
      at += 16
    }
    to += 2 * plane
  }
}

/**
 * The same of planes that channels of a group share, four at a time: where groups have one channel, or an
 * even number, their words lie side by side.
 */
function bringShared<B>(planes: i32, a: usize, b: usize, to: usize, row: Row): void {
  const signed = changetype<B>(0).signed(), deep = changetype<B>(0).deep()
  const step: usize = row.step, plane: usize = row.plane, zero = i16x8.splat(<i16>row.zero)
  for (; planes > 0; planes -= 4) {
    let p = a, q = b, at = to
    for (let i = row.pixels; i > 0; i--) {
      const bytes = deep ? v128.load64_zero(p) : v128.shuffle<i8>(v128.load32_zero(p), v128.load32_zero(q),
        0, 16, 1, 17, 2, 18, 3, 19, 0, 0, 0, 0, 0, 0, 0, 0)
      const v = i16x8.sub(signed ? i16x8.extend_low_i8x16_s(bytes) : i16x8.extend_low_i8x16_u(bytes), zero)
      v128.store(at, v128.shuffle<i32>(v, v, 0, 0, 0, 0))
      v128.store(at + plane, v128.shuffle<i32>(v, v, 1, 1, 1, 1))
      v128.store(at + 2 * plane, v128.shuffle<i32>(v, v, 2, 2, 2, 2))
      v128.store(at + 3 * plane, v128.shuffle<i32>(v, v, 3, 3, 3, 3))
      p += step
      q += step
      at += 16
    }
    a += deep ? 8 : 4
    b += 4
    to += 4 * plane
  }
}

// @ts-ignore: decorator
@inline
function bringRow<B>(
  shared: bool, planes: i32, orders: usize, end: usize, a: usize, b: usize, to: usize, row: Row,
): void {
  if (shared) bringShared<B>(planes, a, b, to, row)
  else bring<B>(orders, end, a, b, to, row)
}

/** What of a row of the input is the same for all rows. */
@unmanaged
class Row {
  pixels: i32; step: i32; zero: i32; plane: i32
}

/** How each two planes are brought: first the channels of their lanes, then in the same place their order. */
function orderPlanes(args: Igemm8, orders: usize, end: usize): void {
  const groupIn = args.depth, groupOut = args.panels, pairs = (groupIn + 1) / 2
  const shared = groupOut % 4 == 0, next = i32x4.splat(groupIn > 1 ? 1 : 8)
  let at = orders, channel = 0, inGroup = 0
  for (let o = 0; o < args.oc; o += shared ? groupOut : 4) {
    for (let lane: usize = 0; lane < 16; lane += 4) {
      for (let pair = 0; pair < pairs; pair++) store<i32>(at + pair * 16 + lane, channel + 2 * pair)
      if (++inGroup == (shared ? 4 : groupOut)) {
        inGroup = 0
        channel += groupIn
      }
    }
    at += pairs * 16
  }
  for (; at < end; at += 16) v128.store(at, v128.load(at - 16))
  for (at = orders; at < end; at += 32) {
    const base = min(load<i32>(at), load<i32>(at, 16))
    const a = i32x4.sub(v128.load(at), i32x4.splat(base)), b = i32x4.sub(v128.load(at, 16), i32x4.splat(base))
    v128.store(at, i16x8.narrow_i32x4_u(v128.or(a, i32x4.shl(i32x4.add(a, next), 8)),
      v128.or(b, i32x4.shl(i32x4.add(b, next), 8))))
    store<i32>(at, base, 16)
  }
}

/** Unit: `pixels` output rows of one image. */
export function grouped8(call: usize, begin: i32, end: i32): void {
  const args = changetype<Igemm8>(call)
  const ih = args.ih, iw = args.iw, oh = args.oh, ow = args.ow, c = args.ic, oc = args.oc
  const groupIn = args.depth, groupOut = args.panels, kh = args.tapsH, kw = args.tapsW, taps = args.tile
  const stepH = args.inStepH, stepW = args.inStepW, dilationH = args.tapStepH, dilationW = args.tapStepW
  const firstH = args.tapFirstH, firstW = args.tapFirstW, signed = args.signed
  const unitRows = args.pixels, bands = (oh + unitRows - 1) / unitRows
  const deep = groupIn > 1, pairs = (groupIn + 1) / 2
  // Rows of words, how far apart they are, and how far below the first row their last one is.
  const high = deep ? kh : (kh + 1) / 2, rowStep = deep ? dilationH : 2 * dilationH
  const below = deep ? 0 : dilationH, reach = (high - 1) * rowStep + 1
  // Rows that lie far apart are brought for each row of outputs anew.
  const keeps = reach <= 4 * high, slots = keeps ? reach : high
  const runs = (kw + taps - 1) / taps
  const columns = (max(ow, TILE) - 1) * stepW + (runs * taps - 1) * dilationW + 1
  const perSet = groupOut % 4 == 0 ? groupOut / 4 : 1, setChannels = 4 * perSet
  const shared = groupOut % 4 == 0 && (!deep || groupIn % 2 == 0)
  const planes = (oc + setChannels - 1) / setChannels * pairs + 3 & ~3
  // Planes do not lie a multiple of 128 bytes apart: their lines would crowd into few sets of a cache.
  const plane: usize = (columns * 16 + 127 & ~127) + 64, rowBytes = planes * plane
  const isBytes = args.finish == Finish.bytes, xRow: usize = iw * c
  const yPixel: usize = oc * (isBytes ? 1 : 4), panels = (oc + 7) / 8

  const sums = scratch(), finishes = sums + TILE * 16 + 16, orders = finishes + panels * FINISH_BYTES
  const list = orders + planes * 16, held = list + (high * pairs * runs * 4 + 15 & ~15)
  const blank = held + (slots * 4 + 15 & ~15), ring = blank + (xRow + 47 & ~15)
  const x0 = max(0, firstW), x1 = max(x0, min(iw, firstW + columns)), inside: usize = (x0 - firstW) * 16
  const rows = changetype<Rows>(frame()), row = changetype<Row>(frame() + offsetof<Rows>())
  let started = false

  for (let u = begin; u < end; u++) {
    if (!started) {
      const zero = args.zeroAt ? load<i32>(args.zeroAt) : args.zero
      startSums(args, 0, finishes, args.w, 0, panels, oc)
      if (isBytes) quicken(finishes, panels, kh * kw * groupIn, <i32>args.low, <i32>args.high)
      orderPlanes(args, orders, list)
      memory.fill(held, 255, slots * 4)
      memory.fill(blank, <u8>zero, xRow + 16)
      for (let at = ring; at < ring + slots * rowBytes; at += plane) {
        for (let pad = at; pad < at + inside; pad += 16) v128.store(pad, i32x4.splat(0))
        for (let pad = at + inside + (x1 - x0) * 16; pad < at + columns * 16; pad += 16)
          v128.store(pad, i32x4.splat(0))
      }
      rows.list = list
      rows.wVector = high * pairs * runs * taps * 16
      rows.setBytes = pairs * plane
      rows.perSet = perSet
      rows.finishes = finishes
      rows.count = ow
      rows.outStep = stepW * 16
      rows.yStride = yPixel
      rows.channels = oc
      rows.sums = sums
      rows.isBytes = isBytes
      rows.low = <i32>args.low
      rows.span = <i32>args.high - <i32>args.low
      row.pixels = x1 - x0
      row.step = c
      row.zero = zero
      row.plane = <i32>plane
      started = true
    }
    const n = u / bands, row0 = u % bands * unitRows
    for (let oy = row0; oy < min(oh, row0 + unitRows); oy++) {
      let to = list, first = -1
      for (let k = 0; k < high; k++) {
        const iy = oy * stepH + firstH + k * rowStep
        if (iy + below < 0 || iy >= ih) continue
        if (first < 0) first = k
        const key = n * (ih + below) + iy + below, slot = keeps ? (iy + below) % reach : k
        const planesAt = ring + slot * rowBytes
        if (load<i32>(held + slot * 4) != key) {
          store<i32>(held + slot * 4, key)
          const from = args.x + (n * ih + iy) * xRow
          const a = iy >= 0 ? from + x0 * c : blank
          const b = iy + below < ih ? from + below * xRow + x0 * c : blank
          const planesTo = planesAt + inside
          if (deep && signed) bringRow<SignedBeside>(shared, planes, orders, list, a, a, planesTo, row)
          else if (deep) bringRow<Beside>(shared, planes, orders, list, a, a, planesTo, row)
          else if (signed) bringRow<SignedBelow>(shared, planes, orders, list, a, b, planesTo, row)
          else bringRow<Below>(shared, planes, orders, list, a, b, planesTo, row)
        }
        for (let pair = 0; pair < pairs; pair++) {
          for (let run = 0; run < runs; run++, to += 4)
            store<usize>(to, planesAt + pair * plane + run * taps * dilationW * 16)
        }
      }
      rows.runs = <i32>(to - list) / 4
      rows.w = args.w + max(0, first) * pairs * runs * taps * 16
      const y = args.y + (n * oh + oy) * ow * yPixel
      if (taps == 1) tiles<One>(rows, y)
      else if (taps == 4) tiles<Four>(rows, y)
      else if (stepW == 1) tiles<Three>(rows, y)
      else tiles<ThreeBy2>(rows, y)
    }
  }
}
