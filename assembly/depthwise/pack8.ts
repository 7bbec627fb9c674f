/** Filters of 8-bit integers with few channels in a group: as int8.ts and rows.ts want them. */
import { Pack8 } from '../abi'

/** How many groups of `each` rows a window sees that starts at row `first` of one. */
// @ts-ignore: decorator
@inline
export function groupsOf(kh: i32, each: i32, first: i32): i32 {
  return (first + kh + each - 1) / each
}

/**
 * Unit: 8 channels. A depthwise filter [kh][kw][1][c] of bytes in any strides, less its zero points, in
 * groups of `each` rows, 2 of 16 bits or 4 bytes: see rows.ts.
 */
export function packDepthwise8(call: usize, begin: i32, end: i32): void {
  const args = changetype<Pack8>(call)
  const c = args.columns, kh = args.tapsH, kw = args.tapsW, each = args.each, vectors = (c + 7) / 8
  const most = groupsOf(kh, each, each - 1)
  for (let u = begin; u < end; u++) {
    const w = args.panels + vectors * 64 + u * 2 * each * most * kw * 16
    for (let i = 0; i < 8; i++) {
      const channel = u * 8 + i
      let sum = 0, size = 0
      for (let t = 0; t < kh * kw; t++) {
        const value = valueAt(args, channel, 0, t / kw, t % kw)
        sum += value
        size += abs(value)
      }
      store<i32>(args.panels + u * 64 + i * 4, sum)
      store<i32>(args.panels + u * 64 + i * 4, size, 32)
      let to = w + i / 4 * (each * most * kw * 16) + i % 4 * 4
      for (let first = 0; first < each; first++) {
        for (let g = 0; g < most; g++) {
          for (let kx = 0; kx < kw; kx++, to += 16) {
            for (let r = 0; r < each; r++) {
              const value = valueAt(args, channel, 0, g * each + r - first, kx)
              if (each == 2) store<i16>(to + r * 2, <i16>value)
              else store<i8>(to + r, <i8>value)
            }
          }
        }
      }
    }
  }
}

/**
 * Unit: 4 channels. A filter [kh][kw][depth][channels] of bytes in any strides, less its zero points, in runs
 * of `inner` taps: see int8.ts.
 */
export function packGrouped8(call: usize, begin: i32, end: i32): void {
  const args = changetype<Pack8>(call)
  const kh = args.tapsH, kw = args.tapsW, depth = args.depth
  const deep = depth > 1, high = deep ? kh : (kh + 1) / 2, pairs = (depth + 1) / 2
  const wide = (kw + args.inner - 1) / args.inner * args.inner
  let to = args.panels + begin * high * pairs * wide * 16
  for (let u = begin; u < end; u++) {
    for (let k = 0; k < high; k++) {
      for (let pair = 0; pair < pairs; pair++) {
        for (let kx = 0; kx < wide; kx++, to += 16) {
          for (let i = 0; i < 8; i++) {
            const half = i & 1, channel = u * 4 + i / 2
            store<i16>(to + i * 2, <i16>(deep ? valueAt(args, channel, 2 * pair + half, k, kx)
              : valueAt(args, channel, 0, 2 * k + half, kx)))
          }
        }
      }
    }
  }
}

/** A weight less its zero point; 0 where there is none. */
function valueAt(args: Pack8, channel: i32, row: i32, ky: i32, kx: i32): i32 {
  if (channel >= args.columns || row >= args.depth || <u32>ky >= <u32>args.tapsH || kx >= args.tapsW) return 0
  const from = args.source + ky * args.tapHStride + kx * args.tapWStride + row * args.rowStride
    + channel * args.columnStride
  const zero = args.zeros ? load<i32>(args.zeros + channel * 4) : args.zero
  return (args.signed ? <i32>load<i8>(from) : <i32>load<u8>(from)) - zero
}
