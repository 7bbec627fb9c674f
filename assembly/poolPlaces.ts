/**
 * The largest value under a window, and where in the file's order it stands: as pool.ts has it, over up to
 * three axes at once, since a place is one number.
 */
import { PoolPlaces } from './abi'
import { endTap, firstTap } from './pool'
import { storeLanes } from './simd'

/**
 * Unit: one output row. Of equal values the first wins, NaN over all; nothing but padding gives -infinity and
 * the first place of the channel. Loads may reach up to three floats beyond a pixel.
 */
export function maxPoolPlaces(call: usize, begin: i32, end: i32): void {
  const args = changetype<PoolPlaces>(call)
  const c = args.c, ow = args.ow
  const pixel = <usize>c << 2, row = <usize>args.iw * pixel, layer = <usize>args.ih * row
  const tapW = <usize>args.tapStepW * pixel, tapH = <usize>args.tapStepH * row
  const tapD = <usize>args.tapStepD * layer
  for (let unit = begin; unit < end; unit++) {
    const oy = unit % args.oh, n = unit / args.oh / args.od, oz = unit / args.oh % args.od
    const iz = oz * args.stepD + args.firstD, iy = oy * args.stepH + args.firstH
    const z = firstTap(iz, args.tapStepD), y = firstTap(iy, args.tapStepH)
    const layers = endTap(iz, args.tapStepD, args.tapsD, args.id) - z
    const rows = endTap(iy, args.tapStepH, args.tapsH, args.ih) - y
    const firstZ = iz + z * args.tapStepD, firstY = iy + y * args.tapStepH
    for (let ox = 0; ox < ow; ox++) {
      const ix = ox * args.stepW + args.firstW
      const x = firstTap(ix, args.tapStepW), columns = endTap(ix, args.tapStepW, args.tapsW, args.iw) - x
      const firstX = ix + x * args.tapStepW
      const isEmpty = layers <= 0 || rows <= 0 || columns <= 0
      const place = isEmpty ? 0 : firstZ * args.placeD + firstY * args.placeH + firstX * args.placeW
      const source = args.x + <usize>n * <usize>args.id * layer +
        (isEmpty ? 0 : <usize>firstZ * layer + <usize>firstY * row + <usize>firstX * pixel)
      const to = (<usize>unit * ow + ox) * pixel
      for (let channel = 0; channel < c; channel += 4) {
        let best = f32x4.splat(-Infinity), at = i32x4.splat(place)
        let plane = source + (<usize>channel << 2)
        for (let d = 0; d < layers && !isEmpty; d++, plane += tapD) {
          let line = plane
          for (let h = 0; h < rows; h++, line += tapH) {
            let from = line
            let here = place + d * args.tapStepD * args.placeD + h * args.tapStepH * args.placeH
            for (let w = 0; w < columns; w++, from += tapW, here += args.tapStepW * args.placeW) {
              const value = v128.load(from)
              const wins = v128.or(f32x4.gt(value, best), f32x4.ne(value, value))
              best = v128.bitselect(value, best, wins)
              at = v128.bitselect(i32x4.splat(here), at, wins)
            }
          }
        }
        const base = (n * c + channel) * args.plane
        const lanes = i32x4.mul(i32x4.splat(args.plane), i32x4(0, 1, 2, 3))
        const count = min(4, c - channel)
        storeLanes(args.y + to + (<usize>channel << 2), best, count)
        storeLanes(
          args.places + to + (<usize>channel << 2), i32x4.add(i32x4.add(at, i32x4.splat(base)), lanes), count,
        )
      }
    }
  }
}
