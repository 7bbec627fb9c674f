/** White where an element is above a bound. */
import { Histogram, Threshold } from '../abi'
import { storeBytes } from '../simd'
import { put } from './rows'

/** Unit: one row. Bytes: 255 above the bound of their channel, else 0; floats: 1 or 0. */
export function threshold(call: usize, begin: i32, end: i32): void {
  const args = changetype<Threshold>(call)
  const rowBytes = args.rowBytes, floats = args.floats
  const flip = i32x4.splat(args.inverse ? -1 : 0), kept = i32x4.splat(args.alpha ? 0xff000000 : 0)
  const b0 = v128.load(args.bounds), b1 = v128.load(args.bounds, 16), b2 = v128.load(args.bounds, 32)
  for (let u = begin; u < end; u++) {
    const x = args.x + u * rowBytes, y = args.y + u * rowBytes
    let bound = b0, next = b1, other = b2
    for (let at = 0; at < rowBytes; at += 16) {
      const v = v128.load(x + at)
      if (floats) {
        const above = v128.xor(f32x4.gt(v, bound), flip)
        put(y + at, v128.and(above, f32x4.splat(1)), (rowBytes - at) >> 2)
      } else {
        const white = v128.bitselect(v, v128.xor(i8x16.gt_u(v, bound), flip), kept)
        if (rowBytes - at < 16) storeBytes(y + at, white, rowBytes - at)
        else v128.store(y + at, white)
      }
      const first = bound
      bound = next
      next = other
      other = first
    }
  }
}

/** Unit: all of it. Adds to four tables in turn, so that equal neighbours do not wait for each other. */
export function histogram(call: usize, begin: i32, end: i32): void {
  const args = changetype<Histogram>(call)
  const y = args.y, step: usize = args.step
  let x = args.x, left = args.count
  for (; left > 3; left -= 4) {
    const a = y + (<usize>load<u8>(x) << 2), b = y + 1024 + (<usize>load<u8>(x + step) << 2)
    const c = y + 2048 + (<usize>load<u8>(x + 2 * step) << 2)
    const d = y + 3072 + (<usize>load<u8>(x + 3 * step) << 2)
    store<i32>(a, load<i32>(a) + 1)
    store<i32>(b, load<i32>(b) + 1)
    store<i32>(c, load<i32>(c) + 1)
    store<i32>(d, load<i32>(d) + 1)
    x += 4 * step
  }
  for (; left > 0; left--) {
    const a = y + (<usize>load<u8>(x) << 2)
    store<i32>(a, load<i32>(a) + 1)
    x += step
  }
}
