/** Filters of depthwise convolutions of 8-bit integers: as int8.ts and rows.ts want them. */
import { Pack8 } from '../abi'

/** How many groups of `each` rows a window sees that starts at row `first` of one. */
// @ts-ignore: decorator
@inline
export function groupsOf(kh: i32, each: i32, first: i32): i32 {
  return (first + kh + each - 1) / each
}

/**
 * Unit: 8 channels. A filter [kh][kw][1][c] of bytes in any strides, less its zero points: in pairs of taps
 * (`each` is 0), or in groups of `each` rows, 2 of 16 bits or 4 bytes.
 */
export function packDepthwise8(call: usize, begin: i32, end: i32): void {
  const args = changetype<Pack8>(call)
  const c = args.columns, kh = args.tapsH, kw = args.tapsW, signed = args.signed, zeros = args.zeros
  const each = args.each, vectors = (c + 7) / 8, head = each ? 64 : 32
  const pairs = (kh * kw + 1) / 2
  const most = each ? groupsOf(kh, each, each - 1) : 0
  for (let u = begin; u < end; u++) {
    const w = args.panels + vectors * head + u * (each ? 2 * each * most * kw * 16 : pairs * 32)
    for (let i = 0; i < 8; i++) {
      const channel = u * 8 + i, used = channel < c
      const zero = !used ? 0 : zeros ? load<i32>(zeros + channel * 4) : args.zero
      let sum = 0, size = 0
      for (let t = 0; t < kh * kw; t++) {
        const value = used ? valueAt(args, channel, t, signed, zero) : 0
        sum += value
        size += abs(value)
      }
      store<i32>(args.panels + u * head + i * 4, sum)
      if (each) {
        store<i32>(args.panels + u * head + i * 4, size, 32)
        let to = w + i / 4 * (each * most * kw * 16) + i % 4 * 4
        for (let first = 0; first < each; first++) {
          for (let g = 0; g < most; g++) {
            for (let kx = 0; kx < kw; kx++, to += 16) {
              for (let r = 0; r < each; r++) {
                const ky = g * each + r - first, value = used && ky >= 0 && ky < kh
                  ? valueAt(args, channel, ky * kw + kx, signed, zero) : 0
                if (each == 2) store<i16>(to + r * 2, <i16>value)
                else store<i8>(to + r, <i8>value)
              }
            }
          }
        }
        continue
      }
      for (let t = 0; t < 2 * pairs; t++) {
        const value = used && t < kh * kw ? valueAt(args, channel, t, signed, zero) : 0
        store<i16>(w + t / 2 * 32 + i * 4 + t % 2 * 2, <i16>value)
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function valueAt(args: Pack8, channel: i32, t: i32, signed: i32, zero: i32): i32 {
  const from = args.source + t / args.tapsW * args.tapHStride + t % args.tapsW * args.tapWStride
    + channel * args.columnStride
  return (signed ? <i32>load<i8>(from) : <i32>load<u8>(from)) - zero
}
