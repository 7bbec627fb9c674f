/**
 * 8-bit integers for numbers, and back: an integer q stands for (q - zero) * scale.
 *
 *   q = min(high, max(low, round(x / scale) + zero)),  ties to even
 *
 * Definition: ONNX QuantizeLinear and DequantizeLinear, with the order of operations that ONNX Runtime has,
 * so that answers are its bytes.
 */
import { scratch } from './arguments'
import { Element, QUANTIZE_BLOCK, Quantize, QuantizeTerms } from './abi'
import { storePart } from './simd'

/**
 * 1.5 * 2^23: added to a float of at most 2^22, it leaves no place for a fraction, and rounds ties to
 * even.
 */
export const MAGIC: f32 = 12582912

/**
 * How sums of 8 output channels become bytes, in 128 bytes:
 *
 *   first sums i32[8] | factors f32[8] | low f32[4] | high f32[4] | zero i32[4] | how i32 | .. | zeros i8[8]
 *
 * low and high are less the zero point, zero is less the bits of MAGIC. `how` is one of Finish, or QUICK:
 * then low and high themselves stand behind it, as 16 bits each. `zeros` are those of the filter:
 * see dense/int8.ts.
 */
export const FINISH_BYTES: usize = 128

/** How sums end that are known to be far from where adding MAGIC fails: they need no bounds before. */
export const QUICK: i32 = 2

/** The bits of what `v` rounds to between low and high, plus zero; NaN is low. */
// @ts-ignore: decorator
@inline
export function rounded(v: v128, low: v128, high: v128, zero: v128): v128 {
  return i32x4.add(f32x4.add(f32x4.pmin(high, f32x4.pmax(low, v)), f32x4.splat(MAGIC)), zero)
}

/** The low bytes of 8 integers of -128 to 255 in the first 8 lanes. */
// @ts-ignore: decorator
@inline
export function lowBytes(a: v128, b: v128): v128 {
  const n = i16x8.narrow_i32x4_s(a, b)
  return v128.shuffle<i8>(n, n, 0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14)
}

/** Writes `columns` (1 to 8) of the first lanes, and no byte beyond them. */
// @ts-ignore: decorator
@inline
export function storeEight(y: usize, v: v128, columns: usize): void {
  if (columns == 8) v128.store64_lane(y, v, 0)
  else {
    let bytes = i64x2.extract_lane(v, 0)
    if (columns & 4) { store<i32>(y, <i32>bytes); bytes >>= 32; y += 4 }
    if (columns & 2) { store<i16>(y, <i16>bytes); bytes >>= 16; y += 2 }
    if (columns & 1) store<i8>(y, <i8>bytes)
  }
}

/** 8 sums as bytes, in the first 8 lanes. */
// @ts-ignore: decorator
@inline
export function eightBytes(c0: v128, c1: v128, f0: v128, f1: v128, low: v128, high: v128, zero: v128): v128 {
  const v0 = rounded(f32x4.mul(f32x4.convert_i32x4_s(c0), f0), low, high, zero)
  return lowBytes(v0, rounded(f32x4.mul(f32x4.convert_i32x4_s(c1), f1), low, high, zero))
}

/** Writes 8 sums whose finish is QUICK as bytes; what it holds is loaded once for all rows of a tile. */
// @ts-ignore: decorator
@inline
export function storeQuick(
  y: usize, c0: v128, c1: v128, f0: v128, f1: v128, zero: v128, least: v128, most: v128,
): void {
  const v0 = i32x4.add(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(c0), f0), f32x4.splat(MAGIC)), zero)
  const v1 = i32x4.add(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(c1), f1), f32x4.splat(MAGIC)), zero)
  const n = i16x8.min_s(most, i16x8.max_s(least, i16x8.narrow_i32x4_s(v0, v1)))
  v128.store64_lane(y, v128.shuffle<i8>(n, n, 0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14), 0)
}

/**
 * Makes finishes QUICK where sums of `products` products of bytes, from where they start, allow it: each is
 * at most 255 * 128, and so is what a zero point of the filter takes off.
 */
export function quicken(finishes: usize, count: i32, products: i32, low: i32, high: i32): void {
  const largest = f32x4.splat(<f32>products * (255 * 256))
  for (; count > 0; count--) {
    let fits = true
    for (let half: usize = 0; half < 32; half += 16) {
      const start = f32x4.abs(f32x4.convert_i32x4_s(v128.load(finishes + half)))
      const size = f32x4.mul(f32x4.add(start, largest), v128.load(finishes + half, 32))
      fits = fits && i32x4.all_true(f32x4.lt(size, f32x4.splat(2097152)))
    }
    if (fits) {
      store<i32>(finishes, QUICK, 112)
      store<i16>(finishes, <i16>low, 116)
      store<i16>(finishes, <i16>high, 118)
    }
    finishes += FINISH_BYTES
  }
}

/** Whether sums end as bytes. */
// @ts-ignore: decorator
@inline
export function isOfBytes(finish: usize): bool {
  return load<i32>(finish, 112) != 0
}

/** Up to 8 sums at y as `finish` says: bytes, or integers of 32 bits. */
// @ts-ignore: decorator
@inline
export function storeIntegers(finish: usize, y: usize, c0: v128, c1: v128, columns: usize): void {
  if (isOfBytes(finish)) {
    const low = v128.load(finish, 64), high = v128.load(finish, 80), zero = v128.load(finish, 96)
    storeEight(y, eightBytes(c0, c1, v128.load(finish, 32), v128.load(finish, 48), low, high, zero), columns)
  } else if (columns == 8) {
    v128.store(y, c0)
    v128.store(y, c1, 16)
  } else if (columns >= 4) {
    v128.store(y, c0)
    storePart(y + 16, c1, columns - 4)
  } else storePart(y, c0, columns)
}

/** What a finish says beside sums and factors; zero is that of y. */
export function setFinish(finish: usize, low: f32, high: f32, zero: i32, how: i32): void {
  v128.store(finish, f32x4.splat(low - <f32>zero), 64)
  v128.store(finish, f32x4.splat(high - <f32>zero), 80)
  v128.store(finish, i32x4.splat(zero - reinterpret<i32>(MAGIC)), 96)
  store<i32>(finish, how, 112)
}

/** Four integers of 8 bits at x. */
// @ts-ignore: decorator
@inline
function loadFour(x: usize, signed: bool): v128 {
  const v = v128.load32_zero(x)
  return signed ? i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v))
    : i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v))
}

/** Of element i: of its own, or the one for all. */
// @ts-ignore: decorator
@inline
function termAt(terms: usize, step: usize, i: i32): v128 {
  return v128.load(terms + i * step)
}

// @ts-ignore: decorator
@inline
function quantizeFour(x: usize, scale: v128, zero: v128, low: v128, high: v128): v128 {
  const less = f32x4.convert_i32x4_s(zero)
  return rounded(f32x4.div(v128.load(x), scale), f32x4.sub(low, less), f32x4.sub(high, less),
    i32x4.sub(zero, i32x4.splat(reinterpret<i32>(MAGIC))))
}

/** A bound in all lanes: loaded as it is, since V8 would do a splat again in every turn of a loop. */
// @ts-ignore: decorator
@inline
function bound(args: Quantize, offset: usize): v128 {
  return v128.load32_splat(changetype<usize>(args) + offset)
}

/** `count` elements, a multiple of 8; `step`: bytes from a scale to the next. */
function quantizeRun(
  args: Quantize, x: usize, y: usize, count: i32, scales: usize, zeros: usize, step: usize,
): void {
  const low = bound(args, offsetof<Quantize>('low')), high = bound(args, offsetof<Quantize>('high'))
  for (let i = 0; i < count; i += 8) {
    const a = quantizeFour(x, termAt(scales, step, i), termAt(zeros, step, i), low, high)
    const b = quantizeFour(x + 16, termAt(scales, step, i + 4), termAt(zeros, step, i + 4), low, high)
    v128.store64_lane(y, lowBytes(a, b), 0)
    x += 32
    y += 8
  }
}

/** The same with the integers as floats, or as the numbers that they stand for. */
function roundRun(
  args: Quantize, x: usize, y: usize, count: i32, scales: usize, zeros: usize, step: usize,
): void {
  const low = bound(args, offsetof<Quantize>('low')), high = bound(args, offsetof<Quantize>('high'))
  const back = args.back
  for (let i = 0; i < count; i += 4) {
    const scale = termAt(scales, step, i), zero = termAt(zeros, step, i)
    const q = quantizeFour(x, scale, zero, low, high)
    v128.store(y, back ? f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(q, zero)), scale)
      : f32x4.convert_i32x4_s(q))
    x += 16
    y += 16
  }
}

function dequantizeRun(
  args: Quantize, x: usize, y: usize, count: i32, scales: usize, zeros: usize, bias: usize, step: usize,
): void {
  const element = args.element
  const low = bound(args, offsetof<Quantize>('low')), high = bound(args, offsetof<Quantize>('high'))
  for (let i = 0; i < count; i += 4) {
    const q = element == Element.float32 ? i32x4.trunc_sat_f32x4_s(v128.load(x + i * 4))
      : element == Element.int32 ? v128.load(x + i * 4) : loadFour(x + i, element == Element.int8)
    let v = f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(q, termAt(zeros, step, i))), termAt(scales, step, i))
    if (bias) v = f32x4.add(v, v128.load(bias + i * 4))
    v128.store(y + i * 4, f32x4.pmin(f32x4.pmax(v, low), high))
  }
}

/**
 * Unit: up to QUANTIZE_BLOCK elements of a row.
 *
 * scratch: scale [4] | zero [4] | the last up to 7 of x [8] | of scales [8] | of zeros [8] | of y [8] | of
 * bias [8]
 */
export function quantize(call: usize, begin: i32, end: i32): void {
  convert(true, call, begin, end)
}

/**
 * Unit: all. What unsigned bytes stand for that hold 0 and all from the least to the largest number:
 *
 *   scale = (high - low) / 255, or 1 where both are 0;  zero = round(-low / scale)
 *
 * Definition: ONNX DynamicQuantizeLinear; of zeros alone as ONNX Runtime has it.
 */
export function quantizeTerms(call: usize, begin: i32, end: i32): void {
  if (begin >= end) return
  const args = changetype<QuantizeTerms>(call)
  const low = min<f32>(0, load<f32>(args.low)), range = max<f32>(0, load<f32>(args.high)) - low
  const scale: f32 = range == 0 ? 1 : range / 255
  const zero = min<f32>(255, max<f32>(0, nearest<f32>(-low / scale)))
  store<f32>(args.scale, scale)
  store<i32>(args.zero, i32x4.extract_lane(i32x4.trunc_sat_f32x4_s(f32x4.splat(zero)), 0))
  store<f32>(args.number, zero)
}

/** Unit: up to QUANTIZE_BLOCK elements of a row. scratch: as for quantize */
export function dequantize(call: usize, begin: i32, end: i32): void {
  convert(false, call, begin, end)
}

// @ts-ignore: decorator
@inline
function forthRun(
  args: Quantize, x: usize, y: usize, count: i32, scales: usize, zeros: usize, step: usize,
): void {
  if (args.element == Element.float32) roundRun(args, x, y, count, scales, zeros, step)
  else quantizeRun(args, x, y, count, scales, zeros, step)
}

// @ts-ignore: decorator
@inline
function convert(forth: bool, call: usize, begin: i32, end: i32): void {
  const args = changetype<Quantize>(call)
  const columns = args.columns, blocks = (columns + QUANTIZE_BLOCK - 1) / QUANTIZE_BLOCK
  const byColumn = args.byColumn, element = args.element, count = args.count, bias = args.bias
  const size: usize = element == Element.int32 || element == Element.float32 ? 4 : 1
  const fromSize: usize = forth ? 4 : size, toSize: usize = forth ? size : 4
  const one = scratch(), room = one + 32
  const step: usize = byColumn ? 4 : 0
  for (let u = begin; u < end; u++) {
    const row = u / blocks, first = u % blocks * QUANTIZE_BLOCK, length = min(QUANTIZE_BLOCK, columns - first)
    const at: usize = <usize>row * columns + first
    const x = args.x + at * fromSize, y = args.y + at * toSize
    let scales = args.scales + first * 4, zeros = args.zeros + first * 4
    if (!byColumn) {
      const term: usize = row % count * 4, all = args.scales == 0
      v128.store(one, all ? f32x4.splat(args.scale) : v128.load32_splat(args.scales + term))
      v128.store(one, all ? i32x4.splat(args.zero) : v128.load32_splat(args.zeros + term), 16)
      scales = one
      zeros = one + 16
    }
    const b = bias ? bias + first * 4 : 0
    const whole = length & -8, left = length - whole
    if (forth) forthRun(args, x, y, whole, scales, zeros, step)
    else dequantizeRun(args, x, y, whole, scales, zeros, b, step)
    if (!left) continue
    const tailX = room, tailScales = room + 32, tailZeros = room + 64, tailY = room + 96,
      tailBias = room + 128
    memory.copy(tailX, x + <usize>whole * fromSize, <usize>left * fromSize)
    if (byColumn) {
      memory.copy(tailScales, scales + <usize>whole * 4, <usize>left * 4)
      memory.copy(tailZeros, zeros + <usize>whole * 4, <usize>left * 4)
    }
    if (b) memory.copy(tailBias, b + <usize>whole * 4, <usize>left * 4)
    if (byColumn) {
      scales = tailScales
      zeros = tailZeros
    }
    if (forth) forthRun(args, tailX, tailY, 8, scales, zeros, step)
    else dequantizeRun(args, tailX, tailY, 8, scales, zeros, b ? tailBias : 0, step)
    memory.copy(y + <usize>whole * toSize, tailY, <usize>left * toSize)
  }
}
