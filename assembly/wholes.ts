/**
 * What goes over one axis of whole numbers of 8, 32 or 64 bits, which wrap: x [outer, n, inner], the n
 * elements of each (outer, inner) together. Rows (inner = 1) are contiguous; columns are taken side by side.
 */
import { WHOLE_STRIP, WholeOp, WholeReduce, WholeScan, WholeType } from './abi'

@final
class Max {
  // @ts-ignore: decorator
  @inline
  lanes<T>(a: v128, b: v128): v128 {
    return sizeof<T>() == 8 ? v128.bitselect(a, b, i64x2.gt_s(a, b)) : v128.max<T>(a, b)
  }
  // @ts-ignore: decorator
  @inline
  one<T>(a: T, b: T): T {
    return a > b ? a : b
  }
}
@final
class Min {
  // @ts-ignore: decorator
  @inline
  lanes<T>(a: v128, b: v128): v128 {
    return sizeof<T>() == 8 ? v128.bitselect(a, b, i64x2.lt_s(a, b)) : v128.min<T>(a, b)
  }
  // @ts-ignore: decorator
  @inline
  one<T>(a: T, b: T): T {
    return a < b ? a : b
  }
}
@final
class Sum {
  // @ts-ignore: decorator
  @inline
  lanes<T>(a: v128, b: v128): v128 {
    return v128.add<T>(a, b)
  }
  // @ts-ignore: decorator
  @inline
  one<T>(a: T, b: T): T {
    return <T>(a + b)
  }
}
@final
class Prod {
  // @ts-ignore: decorator
  @inline
  lanes<T>(a: v128, b: v128): v128 {
    return v128.mul<T>(a, b)
  }
  // @ts-ignore: decorator
  @inline
  one<T>(a: T, b: T): T {
    return <T>(a * b)
  }
}

/** All lanes as one. */
// @ts-ignore: decorator
@inline
function folded<T, F>(v: v128): T {
  const f = changetype<F>(0)
  let all = f.lanes<T>(v, v128.shuffle<i64>(v, v, 1, 0))
  if (sizeof<T>() < 8) all = f.lanes<T>(all, v128.shuffle<i32>(all, all, 1, 0, 3, 2))
  if (sizeof<T>() < 4) {
    all = f.lanes<T>(all, v128.shuffle<i16>(all, all, 1, 0, 3, 2, 5, 4, 7, 6))
    all = f.lanes<T>(all, v128.shuffle<i8>(all, all, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14))
  }
  return v128.extract_lane<T>(all, 0)
}

/** n neighbours as one. */
function row<T, F>(x: usize, n: i32): T {
  const f = changetype<F>(0), each = <i32>(16 / sizeof<T>())
  let left = n
  let y: T
  if (n >= each) {
    let a = v128.load(x)
    left -= each
    x += 16
    if (left >= 3 * each) {
      let b = v128.load(x), c = v128.load(x, 16), d = v128.load(x, 32)
      left -= 3 * each
      x += 48
      for (; left >= 4 * each; left -= 4 * each) {
        a = f.lanes<T>(a, v128.load(x))
        b = f.lanes<T>(b, v128.load(x, 16))
        c = f.lanes<T>(c, v128.load(x, 32))
        d = f.lanes<T>(d, v128.load(x, 48))
        x += 64
      }
      a = f.lanes<T>(f.lanes<T>(a, b), f.lanes<T>(c, d))
    }
    for (; left >= each; left -= each) {
      a = f.lanes<T>(a, v128.load(x))
      x += 16
    }
    if ((idof<F>() == idof<Max>() || idof<F>() == idof<Min>()) && left) {
      // Of what was seen already the largest stays what it is.
      a = f.lanes<T>(a, v128.load(x + <usize>left * sizeof<T>() - 16))
      left = 0
    }
    y = folded<T, F>(a)
  } else {
    y = load<T>(x)
    x += sizeof<T>()
    left--
  }
  for (; left > 0; left--) {
    y = f.one<T>(y, load<T>(x))
    x += sizeof<T>()
  }
  return y
}

/** Where n neighbours are `wanted`: the first place, or the last. */
function find<T>(x: usize, n: i32, wanted: T, last: bool): i32 {
  const each = <i32>(16 / sizeof<T>()), all = v128.splat<T>(wanted)
  if (last) {
    let i = n
    for (; i >= each; i -= each)
      if (v128.any_true(v128.eq<T>(v128.load(x + <usize>i * sizeof<T>() - 16), all))) break
    while (load<T>(x + <usize>(i - 1) * sizeof<T>()) != wanted) i--
    return i - 1
  }
  let i = 0
  for (; i + each <= n; i += each)
    if (v128.any_true(v128.eq<T>(v128.load(x + <usize>i * sizeof<T>()), all))) break
  while (load<T>(x + <usize>i * sizeof<T>()) != wanted) i++
  return i
}

/** The same of a vector of columns. y: of the elements' type, or int32 where it is places. */
// @ts-ignore: decorator
@inline
function columns<T, F>(x: usize, n: i32, stride: usize, y: usize, places: bool, last: bool): void {
  const f = changetype<F>(0)
  let best = v128.load(x)
  let from = x
  for (let i = n - 1; i > 0; i--) {
    from += stride
    best = f.lanes<T>(best, v128.load(from))
  }
  if (!places) {
    v128.store(y, best)
    return
  }
  let a = i32x4.splat(0), b = a, c = a, d = a
  // What is written last stays.
  from = last ? x : x + <usize>(n - 1) * stride
  const step = last ? stride : -stride
  for (let k = 0; k < n; k++) {
    const at = i32x4.splat(last ? k : n - 1 - k), is = v128.eq<T>(v128.load(from), best)
    if (sizeof<T>() == 1) {
      const low = i16x8.extend_low_i8x16_s(is), high = i16x8.extend_high_i8x16_s(is)
      a = v128.bitselect(at, a, i32x4.extend_low_i16x8_s(low))
      b = v128.bitselect(at, b, i32x4.extend_high_i16x8_s(low))
      c = v128.bitselect(at, c, i32x4.extend_low_i16x8_s(high))
      d = v128.bitselect(at, d, i32x4.extend_high_i16x8_s(high))
    } else a = v128.bitselect(at, a, is)
    from += step
  }
  if (sizeof<T>() == 8) v128.store64_lane(y, v128.shuffle<i32>(a, a, 0, 2, 0, 2), 0)
  else v128.store(y, a)
  if (sizeof<T>() == 1) {
    v128.store(y, b, 16)
    v128.store(y, c, 32)
    v128.store(y, d, 48)
  }
}

/** And of one. */
function column<T, F>(x: usize, n: i32, stride: usize, y: usize, places: bool, last: bool): void {
  const f = changetype<F>(0)
  let best = load<T>(x)
  let place = 0
  for (let i = 1; i < n; i++) {
    x += stride
    const v = load<T>(x), next = f.one<T>(best, v)
    if (places && (next != best || (last && v == best))) place = i
    best = next
  }
  if (places) store<i32>(y, place)
  else store<T>(y, best)
}

function units<T, F>(call: usize, begin: i32, end: i32): void {
  const args = changetype<WholeReduce>(call)
  const n = args.n, inner = args.inner, places = args.op >= WholeOp.argmax, last = args.last != 0
  const width: usize = places ? 4 : sizeof<T>()
  if (inner == 1) {
    const most = min(args.outputs, end * args.unit)
    for (let o = begin * args.unit; o < most; o++) {
      const x = args.x + <usize>o * <usize>n * sizeof<T>(), y = args.y + <usize>o * width
      const best = row<T, F>(x, n)
      if (places) store<i32>(y, find<T>(x, n, best, last))
      else store<T>(y, best)
    }
    return
  }
  const stride = <usize>inner * sizeof<T>()
  const strip = <i32>(WHOLE_STRIP / sizeof<T>()), strips = (inner + strip - 1) / strip
  for (let u = begin; u < end; u++) {
    const outer = u / strips, first = (u - outer * strips) * strip
    let left = min(strip, inner - first)
    let x = args.x + <usize>outer * <usize>n * stride + <usize>first * sizeof<T>()
    let y = args.y + <usize>(outer * inner + first) * width
    const each = <i32>(16 / sizeof<T>())
    for (; left >= each; left -= each) {
      columns<T, F>(x, n, stride, y, places, last)
      x += 16
      y += <usize>each * width
    }
    for (; left > 0; left--) {
      column<T, F>(x, n, stride, y, places, last)
      x += sizeof<T>()
      y += width
    }
  }
}

// @ts-ignore: decorator
@inline
function reduceOf<T>(call: usize, begin: i32, end: i32): void {
  switch (changetype<WholeReduce>(call).op) {
    case WholeOp.max: case WholeOp.argmax: return units<T, Max>(call, begin, end)
    case WholeOp.min: case WholeOp.argmin: return units<T, Min>(call, begin, end)
    case WholeOp.sum: if (sizeof<T>() > 1) units<T, Sum>(call, begin, end); return
    case WholeOp.prod: if (sizeof<T>() > 1) units<T, Prod>(call, begin, end); return
  }
}

/** Unit: `unit` outputs of rows, or WHOLE_STRIP bytes of columns. */
export function reduceWhole(call: usize, begin: i32, end: i32): void {
  switch (changetype<WholeReduce>(call).type) {
    case WholeType.int8: return reduceOf<i8>(call, begin, end)
    case WholeType.uint8: return reduceOf<u8>(call, begin, end)
    case WholeType.int32: return reduceOf<i32>(call, begin, end)
    case WholeType.int64: return reduceOf<i64>(call, begin, end)
  }
}

function scanUnits<T>(call: usize, begin: i32, end: i32): void {
  const args = changetype<WholeScan>(call)
  const n = args.n, inner = args.inner, exclusive = args.exclusive != 0
  const stride = <usize>inner * sizeof<T>(), most = min(args.vectors, end * args.unit)
  const step = args.reverse ? -stride : stride
  for (let vector = begin * args.unit; vector < most; vector++) {
    const outer = vector / inner
    let at = <usize>(outer * n * inner + vector - outer * inner) * sizeof<T>()
    if (args.reverse) at += <usize>(n - 1) * stride
    let sum: T = 0
    for (let i = n; i > 0; i--) {
      const next = <T>(sum + load<T>(args.x + at))
      store<T>(args.y + at, exclusive ? sum : next)
      sum = next
      at += step
    }
  }
}

/** Unit: `unit` vectors along the axis. */
export function scanWhole(call: usize, begin: i32, end: i32): void {
  if (changetype<WholeScan>(call).bytes == 4) scanUnits<i32>(call, begin, end)
  else scanUnits<i64>(call, begin, end)
}
