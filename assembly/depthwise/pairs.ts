/** The taps of a depthwise window in pairs, and weights that stand so: see int8.ts. */
import { Pack8 } from '../abi'

/** Whether a window's taps are paired by rows. */
// @ts-ignore: decorator
@inline
export function byRows(tapsH: i32, tapsW: i32): bool {
  return tapsH == tapsW && (tapsH == 3 || tapsH == 5)
}

/** Tap `which` (0, 1) of a pair; one that is not there is -1. */
// @ts-ignore: decorator
@inline
export function tapOf(paired: bool, kh: i32, kw: i32, pair: i32, which: i32): i32 {
  if (!paired) return 2 * pair + which < kh * kw ? 2 * pair + which : -1
  const rowPairs = (kh >> 1) * kw
  if (pair < rowPairs) return (pair / kw * 2 + which) * kw + pair % kw
  const kx = (pair - rowPairs) * 2 + which
  return kx < kw ? (kh - 1) * kw + kx : -1
}

/** Unit: 8 channels. A filter [kh][kw][1][c] of bytes in any strides, less its zero points, in pairs. */
export function packDepthwise8(call: usize, begin: i32, end: i32): void {
  const args = changetype<Pack8>(call)
  const c = args.columns, kh = args.tapsH, kw = args.tapsW, signed = args.signed, zeros = args.zeros
  const paired = byRows(kh, kw), pairs = (kh * kw + 1) / 2
  for (let u = begin; u < end; u++) {
    const w = args.panels + (c + 7) / 8 * 32 + u * pairs * 32
    for (let i = 0; i < 8; i++) {
      const channel = u * 8 + i, used = channel < c
      const zero = !used ? 0 : zeros ? load<i32>(zeros + channel * 4) : args.zero
      let sum = 0
      for (let pair = 0; pair < pairs; pair++) {
        for (let which = 0; which < 2; which++) {
          const t = tapOf(paired, kh, kw, pair, which)
          let value = 0
          if (used && t >= 0) {
            const from = args.source + t / kw * args.tapHStride + t % kw * args.tapWStride
              + channel * args.columnStride
            value = (signed ? <i32>load<i8>(from) : <i32>load<u8>(from)) - zero
          }
          sum += value
          store<i16>(w + pair * 32 + i * 4 + which * 2, <i16>value)
        }
      }
      store<i32>(args.panels + channel * 4, sum)
    }
  }
}
