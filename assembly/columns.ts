/**
 * Columns, one for each place of a window, added up where their elements were seen in the image: ONNX's
 * Col2Im. Tap by tap, in the order of x, so that the sums are those of plain loops.
 */
import { Columns } from './abi'

/**
 * Unit: one plane of y. x [planes, taps, od, oh, ow], y [planes, id, ih, iw]; what falls outside is left out.
 */
export function addColumns(call: usize, begin: i32, end: i32): void {
  const args = changetype<Columns>(call)
  const ih = args.ih, iw = args.iw, ow = args.ow, step = args.stepW
  const plane = <usize>(args.id * ih * iw) << 2, line = <usize>ow << 2
  const places = <usize>(args.od * args.oh) * line
  const taps = <usize>(args.tapsD * args.tapsH * args.tapsW)
  for (let unit = begin; unit < end; unit++) {
    const y = args.y + <usize>unit * plane
    let x = args.x + <usize>unit * taps * places
    memory.fill(y, 0, plane)
    for (let d = 0; d < args.tapsD; d++) {
      for (let h = 0; h < args.tapsH; h++) {
        for (let w = 0; w < args.tapsW; w++) {
          const ix = w * args.tapStepW + args.firstW
          const first = ix < 0 ? (step - 1 - ix) / step : 0
          const last = min(ow, ix < iw ? (iw - ix + step - 1) / step : 0)
          for (let oz = 0; oz < args.od; oz++) {
            const iz = oz * args.stepD + d * args.tapStepD + args.firstD
            for (let oy = 0; oy < args.oh; oy++, x += line) {
              const iy = oy * args.stepH + h * args.tapStepH + args.firstH
              if (<u32>iz >= <u32>args.id || <u32>iy >= <u32>ih || first >= last) continue
              const row = y + (<usize>((iz * ih + iy) * iw) << 2)
              addLine(x + (<usize>first << 2), row, ix + first * step, last - first, step, iw)
            }
          }
        }
      }
    }
  }
}

/** `count` numbers of x added to a row of y from ix on, every `step` elements; the row is iw long. */
function addLine(x: usize, row: usize, ix: i32, count: i32, step: i32, iw: i32): void {
  let to = row + (<usize>ix << 2), i = 0
  if (step == 1) {
    for (; i + 4 <= count; i += 4, x += 16, to += 16) {
      v128.store(to, f32x4.add(v128.load(to), v128.load(x)))
    }
  } else if (step == 2) {
    // Between them zeros are added, which change nothing: no sum is -0.
    const zero = f32x4.splat(0)
    for (; i + 4 <= count && ix + 2 * i + 8 <= iw; i += 4, x += 16, to += 32) {
      const values = v128.load(x)
      const low = v128.shuffle<f32>(values, zero, 0, 4, 1, 4)
      const high = v128.shuffle<f32>(values, zero, 2, 4, 3, 4)
      v128.store(to, f32x4.add(v128.load(to), low))
      v128.store(to, f32x4.add(v128.load(to, 16), high), 16)
    }
  }
  for (; i < count; i++, x += 4, to += <usize>step << 2) store<f32>(to, load<f32>(to) + load<f32>(x))
}
