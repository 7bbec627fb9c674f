/** Regions of images [n, h, w, c]: the largest of their parts, and samples between pixels. */
import { CropBoxes, RegionMax } from './abi'
import { loadLanes, storeLanes } from './simd'

/** Unit: one region. A part without a pixel is 0. */
export function regionMax(call: usize, begin: i32, end: i32): void {
  const args = changetype<RegionMax>(call)
  const oh = args.oh, ow = args.ow, c = args.c
  const pixel = <usize>c << 2, line = <usize>args.w * pixel
  const words = <usize>(1 + 2 * oh + 2 * ow) << 2
  for (let region = begin; region < end; region++) {
    const parts = args.parts + <usize>region * words
    const image = args.x + <usize>(load<i32>(parts) * args.h) * line
    const rows = parts + 4, columns = rows + (<usize>oh << 3)
    let y = args.y + <usize>(region * oh * ow) * pixel
    for (let py = 0; py < oh; py++) {
      const top = load<i32>(rows + (<usize>py << 3)), bottom = load<i32>(rows + (<usize>py << 3), 4)
      for (let px = 0; px < ow; px++) {
        const left = load<i32>(columns + (<usize>px << 3)), right = load<i32>(columns + (<usize>px << 3), 4)
        const x = image + <usize>top * line + <usize>left * pixel
        largest(x, y, bottom - top, right - left, c, line)
        y += pixel
      }
    }
  }
}

/** y [c] = the largest of rows x columns pixels. */
function largest(x: usize, y: usize, rows: i32, columns: i32, c: i32, line: usize): void {
  const pixel = <usize>c << 2
  const none = rows <= 0 || columns <= 0
  for (let channel = 0; channel < c; channel += 4) {
    const width = min(4, c - channel)
    let most = f32x4.splat(none ? 0 : -Infinity)
    if (!none) {
      let row = x
      for (let r = rows; r; r--) {
        let at = row
        for (let k = columns; k; k--) {
          const v = width == 4 ? v128.load(at) : loadLanes(at, width)
          // A NaN is never larger.
          most = f32x4.pmax(most, v)
          at += pixel
        }
        row += line
      }
    }
    storeLanes(y, most, width)
    x += 16
    y += 16
  }
}

/** Unit: one box. */
export function cropBoxes(call: usize, begin: i32, end: i32): void {
  const args = changetype<CropBoxes>(call)
  const oh = args.oh, ow = args.ow, c = args.c
  const pixel = <usize>c << 2, line = <usize>args.w * pixel
  const words = <usize>(1 + 3 * oh + 3 * ow) << 2
  const outside = f32x4.splat(args.outside)
  for (let box = begin; box < end; box++) {
    const places = args.places + <usize>box * words
    const image = args.x + <usize>(load<i32>(places) * args.h) * line
    let row = places + 4
    let y = args.y + <usize>(box * oh * ow) * pixel
    for (let i = 0; i < oh; i++) {
      const before = load<i32>(row), down = f32x4.splat(load<f32>(row, 8))
      const top = image + <usize>before * line, bottom = image + <usize>load<i32>(row, 4) * line
      let column = places + 4 + <usize>oh * 12
      for (let j = 0; j < ow; j++) {
        const left = load<i32>(column)
        if (before < 0 || left < 0) {
          for (let channel = 0; channel < c; channel += 4)
            storeLanes(y + (<usize>channel << 2), outside, min(4, c - channel))
        } else {
          const across = f32x4.splat(load<f32>(column, 8))
          const l = <usize>left * pixel, r = <usize>load<i32>(column, 4) * pixel
          for (let channel = 0; channel < c; channel += 4) {
            const at = <usize>channel << 2, width = min(4, c - channel)
            const above = between(top + l + at, top + r + at, across, width)
            const below = between(bottom + l + at, bottom + r + at, across, width)
            storeLanes(y + at, f32x4.add(above, f32x4.mul(f32x4.sub(below, above), down)), width)
          }
        }
        y += pixel
        column += 12
      }
      row += 12
    }
  }
}

/** Of up to four channels a + (b - a) part. */
// @ts-ignore: decorator
@inline
function between(p: usize, q: usize, part: v128, width: i32): v128 {
  const a = loadLanes(p, width), b = loadLanes(q, width)
  return f32x4.add(a, f32x4.mul(f32x4.sub(b, a), part))
}
