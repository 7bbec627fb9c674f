/**
 * What networks of 8-bit integers do between their products: functions of one tensor, sums and products of
 * two, pooling. An integer q stands for (q - zero) * scale.
 *
 * Sums, products and means are in the order of operations that ONNX Runtime's QLinearAdd, QLinearMul,
 * QLinearAveragePool and QLinearGlobalAveragePool have, multiplied and added apart, so that every build gives
 * the same bytes. Differences, quotients, the larger and the lesser of two are those of its DequantizeLinear,
 * operator and QuantizeLinear.
 */
import { scratch } from './arguments'
import {
  BINARY_BYTES_BLOCK, BinaryBytes, BinaryBytesOp, MAP_BYTES_BLOCK, MapBytes, PoolBytes, PoolBytesOp, Unary,
} from './abi'
import { unary } from './unary'
import { endTap, firstTap } from './pool'

/** Added to a float of at most 2^22 it leaves no place for a fraction, and rounds ties to even. */
const MAGIC: f32 = 12582912
const MAGIC_BITS: i32 = 0x4b400000

/** Four floats between low and high as the nearest integers. */
// @ts-ignore: decorator
@inline
function nearestOf(v: v128, low: v128, high: v128): v128 {
  const bounded = f32x4.pmin(high, f32x4.pmax(low, v))
  return i32x4.sub(f32x4.add(bounded, f32x4.splat(MAGIC)), i32x4.splat(MAGIC_BITS))
}

/** The same of one; NaN is low. */
// @ts-ignore: decorator
@inline
function nearestOne(v: f32, low: f32, high: f32): i32 {
  return <i32>nearest<f32>(v > low ? min<f32>(v, high) : low)
}

// @ts-ignore: decorator
@inline
function lowOf(signed: i32): f32 { return signed ? -128 : 0 }
// @ts-ignore: decorator
@inline
function highOf(signed: i32): f32 { return signed ? 127 : 255 }

// @ts-ignore: decorator
@inline
function byteAt(x: usize, signed: i32): i32 {
  return signed ? <i32>load<i8>(x) : <i32>load<u8>(x)
}

/** Eight integers of 8 bits as 16 bits. */
// @ts-ignore: decorator
@inline
function eightAt(x: usize, signed: i32): v128 {
  return signed ? v128.load_ext<i8>(x) : v128.load_ext<u8>(x)
}

// @ts-ignore: decorator
@inline
function lowFloats(v: v128): v128 { return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(v)) }
// @ts-ignore: decorator
@inline
function highFloats(v: v128): v128 { return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(v)) }

/** Sixteen bits as eight, of either type: they hold nothing beyond it. */
// @ts-ignore: decorator
@inline
function narrowed(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
}

/** The result for each of 256 bytes. `room`: floats [256] | block of `unary` */
function makeTable(args: MapBytes, table: usize, room: usize): void {
  for (let i: usize = 0; i < 256; i++) {
    const q = args.signed ? <i32><i8>i : <i32>i
    store<f32>(room + (i << 2), <f32>(q - args.zero) * args.scale)
  }
  if (args.op >= 0) {
    const block = changetype<Unary>(room + 1024)
    block.op = args.op
    block.x = room
    block.y = room
    block.size = 256
    block.a = args.a
    block.b = args.b
    unary(room + 1024, 0, 1)
  }
  const zero = args.zeroY, low = lowOf(args.signedY) - <f32>zero, high = highOf(args.signedY) - <f32>zero
  for (let i: usize = 0; i < 256; i++) {
    store<u8>(table + i, <u8>(nearestOne(load<f32>(room + (i << 2)) / args.scaleY, low, high) + zero))
  }
}

/** Whether a table does no more than bring integers between those that it has for the least and the most. */
function isClamp(table: usize, signed: i32): bool {
  const first = signed ? -128 : 0
  const low = byteAt(table + (first & 255), signed), high = byteAt(table + (first + 255 & 255), signed)
  for (let q = first; q < first + 256; q++) {
    if (byteAt(table + (q & 255), signed) != max(low, min(high, q))) return false
  }
  return true
}

/** By a table for each channel, from the i-th integer on. */
function mapChannels(args: MapBytes, i: i32, last: i32): void {
  const x = args.x, y = args.y, tables = args.table, after = tables + (<usize>args.channels << 8)
  let table = tables + (<usize>(i % args.channels) << 8)
  for (; i < last; i++) {
    store<u8>(y + i, load<u8>(table + load<u8>(x + i)))
    table += 256
    if (table == after) table = tables
  }
}

/** Unit: MAP_BYTES_BLOCK integers. scratch: room of `unary` [64] | table [256] | room of the table [1152] */
export function mapBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<MapBytes>(call)
  const last = min(args.size, end * MAP_BYTES_BLOCK)
  let i = begin * MAP_BYTES_BLOCK
  if (args.channels > 1) return mapChannels(args, i, last)
  let table = args.table
  if (!table) {
    table = scratch() + 64
    makeTable(args, table, table + 256)
  }
  const x = args.x, y = args.y, signed = args.signed
  if (signed == args.signedY && isClamp(table, signed)) {
    const low = i8x16.splat(load<i8>(table + (signed ? 128 : 0)))
    const high = i8x16.splat(load<i8>(table + (signed ? 127 : 255)))
    if (signed) {
      for (; i + 16 <= last; i += 16) v128.store(y + i, i8x16.max_s(low, i8x16.min_s(high, v128.load(x + i))))
    } else {
      for (; i + 16 <= last; i += 16) v128.store(y + i, i8x16.max_u(low, i8x16.min_u(high, v128.load(x + i))))
    }
  }
  for (; i + 4 <= last; i += 4) {
    const from = x + i, to = y + i
    store<u8>(to, load<u8>(table + load<u8>(from)))
    store<u8>(to, load<u8>(table + load<u8>(from, 1)), 1)
    store<u8>(to, load<u8>(table + load<u8>(from, 2)), 2)
    store<u8>(to, load<u8>(table + load<u8>(from, 3)), 3)
  }
  for (; i < last; i++) store<u8>(y + i, load<u8>(table + load<u8>(x + i)))
}

/** Unit: up to BINARY_BYTES_BLOCK columns of a row. */
export function binaryBytes(call: usize, begin: i32, end: i32): void {
  const op = changetype<BinaryBytes>(call).op
  if (op == BinaryBytesOp.sum) binaryRows(BinaryBytesOp.sum, call, begin, end)
  else if (op == BinaryBytesOp.product) binaryRows(BinaryBytesOp.product, call, begin, end)
  else binaryRows(op, call, begin, end)
}

/** Four of what two numbers make, over the scale of the result. */
// @ts-ignore: decorator
@inline
function fourOf(op: i32, p: v128, q: v128, scaleY: v128): v128 {
  const v = op == BinaryBytesOp.difference ? f32x4.sub(p, q)
    : op == BinaryBytesOp.quotient ? f32x4.div(p, q)
    : op == BinaryBytesOp.largest ? f32x4.pmax(p, q)
    : f32x4.pmin(p, q)
  return f32x4.div(v, scaleY)
}

/** The same of one. */
// @ts-ignore: decorator
@inline
function oneOf(op: i32, p: f32, q: f32, scaleY: f32): f32 {
  const v = op == BinaryBytesOp.difference ? p - q
    : op == BinaryBytesOp.quotient ? p / q
    : op == BinaryBytesOp.largest ? max(p, q)
    : min(p, q)
  return v / scaleY
}

// @ts-ignore: decorator
@inline
function binaryRows(op: i32, call: usize, begin: i32, end: i32): void {
  const args = changetype<BinaryBytes>(call)
  const columns = args.columns, blocks = (columns + BINARY_BYTES_BLOCK - 1) / BINARY_BYTES_BLOCK
  const signedA = args.signedA, signedB = args.signedB, stepA = args.stepA, stepB = args.stepB
  // Of numbers that are divided by a scale, the zero point is added to the nearest integer.
  const isDivided = op > BinaryBytesOp.product, zero: f32 = isDivided ? args.fixed : 0
  const least = args.low - zero, most = args.high - zero
  const low = f32x4.splat(least), high = f32x4.splat(most), fixed = f32x4.splat(args.fixed)
  const factorA = f32x4.splat(args.factorA), factorB = f32x4.splat(args.factorB)
  const zeroA = i16x8.splat(<i16>args.zeroA), zeroB = i16x8.splat(<i16>args.zeroB)
  const scaleY = f32x4.splat(args.scaleY), zeroY = i16x8.splat(<i16>zero)
  for (let u = begin; u < end; u++) {
    const row = u / blocks, first = u % blocks * BINARY_BYTES_BLOCK
    const outer = row / args.rows, inner = row % args.rows
    const a = args.a + outer * args.outerA + inner * args.rowA + first * stepA
    const b = args.b + outer * args.outerB + inner * args.rowB + first * stepB
    const y = args.y + <usize>row * columns + first
    const count = min(BINARY_BYTES_BLOCK, columns - first)
    const oneA = i16x8.splat(<i16>byteAt(a, signedA)), oneB = i16x8.splat(<i16>byteAt(b, signedB))
    let i = 0
    for (; i + 8 <= count; i += 8) {
      let p = stepA ? eightAt(a + i, signedA) : oneA, q = stepB ? eightAt(b + i, signedB) : oneB
      let v0: v128, v1: v128
      if (op != BinaryBytesOp.sum) {
        p = i16x8.sub(p, zeroA)
        q = i16x8.sub(q, zeroB)
      }
      if (op == BinaryBytesOp.product) {
        v0 = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extmul_low_i16x8_s(p, q)), factorA), fixed)
        v1 = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extmul_high_i16x8_s(p, q)), factorA), fixed)
      } else if (op == BinaryBytesOp.sum) {
        v0 = f32x4.add(f32x4.add(fixed, f32x4.mul(lowFloats(p), factorA)), f32x4.mul(lowFloats(q), factorB))
        v1 = f32x4.add(fixed, f32x4.mul(highFloats(p), factorA))
        v1 = f32x4.add(v1, f32x4.mul(highFloats(q), factorB))
      } else {
        v0 = fourOf(op, f32x4.mul(lowFloats(p), factorA), f32x4.mul(lowFloats(q), factorB), scaleY)
        v1 = fourOf(op, f32x4.mul(highFloats(p), factorA), f32x4.mul(highFloats(q), factorB), scaleY)
      }
      let n = i16x8.narrow_i32x4_s(nearestOf(v0, low, high), nearestOf(v1, low, high))
      if (isDivided) n = i16x8.add(n, zeroY)
      v128.store64_lane(y + i, narrowed(n, n), 0)
    }
    for (; i < count; i++) {
      const p = byteAt(a + i * stepA, signedA), q = byteAt(b + i * stepB, signedB)
      let v: f32
      if (op == BinaryBytesOp.product) {
        v = <f32>((p - args.zeroA) * (q - args.zeroB)) * args.factorA + args.fixed
      } else if (op == BinaryBytesOp.sum) v = args.fixed + <f32>p * args.factorA + <f32>q * args.factorB
      else {
        v = oneOf(op, <f32>(p - args.zeroA) * args.factorA, <f32>(q - args.zeroB) * args.factorB, args.scaleY)
      }
      store<u8>(y + i, <u8>(nearestOne(v, least, most) + <i32>zero))
    }
  }
}

/**
 * Unit: one output row. Taps outside of x are left out; nothing but padding gives the least integer, or as a
 * mean what stands for 0. A mean of a window is summed as floats, row by row, as ONNX Runtime does; a mean of
 * the whole image in integers.
 */
export function poolBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<PoolBytes>(call)
  const signed = args.signed
  if (args.op == PoolBytesOp.largest) {
    if (signed) poolRows(PoolBytesOp.largest, 1, call, begin, end)
    else poolRows(PoolBytesOp.largest, 0, call, begin, end)
  } else if (args.op == PoolBytesOp.mean) {
    if (signed) poolRows(PoolBytesOp.mean, 1, call, begin, end)
    else poolRows(PoolBytesOp.mean, 0, call, begin, end)
  } else if (signed) poolRows(PoolBytesOp.wholeMean, 1, call, begin, end)
  else poolRows(PoolBytesOp.wholeMean, 0, call, begin, end)
}

// @ts-ignore: decorator
@inline
function poolRows(op: i32, signed: i32, call: usize, begin: i32, end: i32): void {
  const args = changetype<PoolBytes>(call)
  const ih = args.ih, iw = args.iw, c = args.c, oh = args.oh, ow = args.ow
  const tapStepH = args.tapStepH, tapStepW = args.tapStepW
  const tapStride: usize = tapStepW * c, rowStride: usize = tapStepH * iw * c
  for (let u = begin; u < end; u++) {
    const n = u / oh, iy = (u % oh) * args.stepH + args.firstH
    const ky = firstTap(iy, tapStepH), rows = max(0, endTap(iy, tapStepH, args.tapsH, ih) - ky)
    const source = args.x + (n * ih + iy + ky * tapStepH) * iw * c
    let to = args.y + <usize>u * ow * c, ix = args.firstW
    for (let ox = 0; ox < ow; ox++) {
      const kx = firstTap(ix, tapStepW), taps = max(0, endTap(ix, tapStepW, args.tapsW, iw) - kx)
      const window = source + (ix + kx * tapStepW) * c
      const known = rows * taps
      const lastH = ih + args.afterH, lastW = iw + args.afterW
      const count = args.countPadding
        ? (min(iy + args.tapsH, lastH) - iy) * (min(ix + args.tapsW, lastW) - ix)
        : known
      if (known == 0) {
        memory.fill(to, <u8>(op == PoolBytesOp.largest ? (signed ? -128 : 0) : args.zeroY), c)
      } else {
        let channel = 0
        while (c >= 16 && channel < c) {
          // The last ones once more where they are no multiple of 16.
          channel = min(channel, c - 16)
          const from = window + channel
          v128.store(
            to + channel,
            op == PoolBytesOp.largest
              ? largestOf(signed, from, rows, taps, rowStride, tapStride)
              : op == PoolBytesOp.mean
                ? meanOf(signed, args, from, rows, taps, rowStride, tapStride, <f32>count)
                : wholeMeanOf(signed, args, from, rows, taps, rowStride, tapStride),
          )
          channel += 16
        }
        for (; channel < c; channel++) {
          const q = poolOne(op, signed, args, window + channel, rows, taps, <f32>count)
          store<u8>(to + channel, q)
        }
      }
      to += c
      ix += args.stepW
    }
  }
}

// @ts-ignore: decorator
@inline
function largestOf(signed: i32, from: usize, rows: i32, taps: i32, rowStride: usize, tapStride: usize): v128 {
  let most = v128.load(from)
  for (let ky = 0; ky < rows; ky++, from += rowStride) {
    let at = from
    for (let kx = 0; kx < taps; kx++, at += tapStride) {
      most = signed ? i8x16.max_s(most, v128.load(at)) : i8x16.max_u(most, v128.load(at))
    }
  }
  return most
}

// @ts-ignore: decorator
@inline
function meanOf(
  signed: i32, args: PoolBytes, from: usize, rows: i32, taps: i32, rowStride: usize, tapStride: usize,
  count: f32,
): v128 {
  const zero = i16x8.splat(<i16>args.zero), scale = f32x4.splat(args.scale)
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0
  for (let ky = 0; ky < rows; ky++, from += rowStride) {
    let at = from
    for (let kx = 0; kx < taps; kx++, at += tapStride) {
      const p = i16x8.sub(eightAt(at, signed), zero), q = i16x8.sub(eightAt(at + 8, signed), zero)
      s0 = f32x4.add(s0, f32x4.mul(scale, lowFloats(p)))
      s1 = f32x4.add(s1, f32x4.mul(scale, highFloats(p)))
      s2 = f32x4.add(s2, f32x4.mul(scale, lowFloats(q)))
      s3 = f32x4.add(s3, f32x4.mul(scale, highFloats(q)))
    }
  }
  const n0 = i16x8.narrow_i32x4_s(meanFour(signed, args, s0, count), meanFour(signed, args, s1, count))
  const n1 = i16x8.narrow_i32x4_s(meanFour(signed, args, s2, count), meanFour(signed, args, s3, count))
  return narrowed(n0, n1)
}

// @ts-ignore: decorator
@inline
function meanFour(signed: i32, args: PoolBytes, sum: v128, count: f32): v128 {
  const v = f32x4.div(f32x4.div(sum, f32x4.splat(count)), f32x4.splat(args.scaleY))
  const low = f32x4.splat(lowOf(signed)), high = f32x4.splat(highOf(signed))
  return nearestOf(f32x4.add(v, f32x4.splat(<f32>args.zeroY)), low, high)
}

// @ts-ignore: decorator
@inline
function wholeMeanOf(
  signed: i32, args: PoolBytes, from: usize, rows: i32, taps: i32, rowStride: usize, tapStride: usize,
): v128 {
  const zero = i16x8.splat(<i16>args.zero)
  let s0 = i32x4.splat(0), s1 = s0, s2 = s0, s3 = s0
  for (let ky = 0; ky < rows; ky++, from += rowStride) {
    let at = from
    for (let kx = 0; kx < taps; kx++, at += tapStride) {
      const p = i16x8.sub(eightAt(at, signed), zero), q = i16x8.sub(eightAt(at + 8, signed), zero)
      s0 = i32x4.add(s0, i32x4.extend_low_i16x8_s(p))
      s1 = i32x4.add(s1, i32x4.extend_high_i16x8_s(p))
      s2 = i32x4.add(s2, i32x4.extend_low_i16x8_s(q))
      s3 = i32x4.add(s3, i32x4.extend_high_i16x8_s(q))
    }
  }
  const factor = wholeFactor(args)
  const n0 = i16x8.narrow_i32x4_s(wholeFour(signed, args, s0, factor), wholeFour(signed, args, s1, factor))
  const n1 = i16x8.narrow_i32x4_s(wholeFour(signed, args, s2, factor), wholeFour(signed, args, s3, factor))
  return narrowed(n0, n1)
}

// @ts-ignore: decorator
@inline
function wholeFactor(args: PoolBytes): f32 {
  return args.scale / (args.scaleY * <f32>(args.ih * args.iw))
}

// @ts-ignore: decorator
@inline
function wholeFour(signed: i32, args: PoolBytes, sum: v128, factor: f32): v128 {
  const zero = <f32>args.zeroY
  const low = f32x4.splat(lowOf(signed) - zero), high = f32x4.splat(highOf(signed) - zero)
  const v = nearestOf(f32x4.mul(f32x4.convert_i32x4_s(sum), f32x4.splat(factor)), low, high)
  return i32x4.add(v, i32x4.splat(args.zeroY))
}

/** One channel, where there are fewer than 16. */
// @ts-ignore: decorator
@inline
function poolOne(
  op: i32, signed: i32, args: PoolBytes, from: usize, rows: i32, taps: i32, count: f32,
): u8 {
  const tapStride: usize = args.tapStepW * args.c, rowStride: usize = args.tapStepH * args.iw * args.c
  let most = byteAt(from, signed), whole = 0
  let sum: f32 = 0
  for (let ky = 0; ky < rows; ky++, from += rowStride) {
    let at = from
    for (let kx = 0; kx < taps; kx++, at += tapStride) {
      const q = byteAt(at, signed)
      if (op == PoolBytesOp.largest) most = max(most, q)
      else if (op == PoolBytesOp.mean) sum += args.scale * <f32>(q - args.zero)
      else whole += q - args.zero
    }
  }
  if (op == PoolBytesOp.largest) return <u8>most
  const low = lowOf(signed), high = highOf(signed), zero = <f32>args.zeroY
  if (op == PoolBytesOp.mean) return <u8>nearestOne(sum / count / args.scaleY + zero, low, high)
  return <u8>(nearestOne(<f32>whole * wholeFactor(args), low - zero, high - zero) + args.zeroY)
}
