/**
 * Bilinear rows of a larger image whose pixels are narrower than registers pay: the pixels left and right of
 * each output are laid beside one another first, once for all rows that lie between the same two of the
 * input, so that every lane is one of the result.
 *
 * memory, of parts [ow, c] with 16 bytes behind each: weights left, weights right; pixels left and right of
 * one row, pixels left and right of the next; then the addresses of these two rows
 */
import { Resize } from './abi'
import { storeWithin } from './simd'

// @ts-ignore: decorator
@inline
function partOf(args: Resize): usize {
  return <usize>args.ow * args.c * 4 + 16
}

/**
 * The weights. A pixel that an output stands on has the whole, and beside it a zero, which makes no NaN of an
 * infinity; one at `twice` has both halves.
 */
export function fillNarrow(
  args: Resize, table: usize, entryStride: usize, narrow: usize, twice: usize,
): void {
  const part = partOf(args), c = args.c
  let to = narrow
  for (let o = 0; o < args.ow; o++) {
    const left: usize = load<u32>(table, 16), isAlone = left == load<u32>(table, 32) && left != twice
    for (let channel = 0; channel < c; channel++) {
      store<f32>(to, isAlone ? 1 : load<f32>(table, 20))
      store<f32>(to + part, isAlone ? 0 : load<f32>(table, 36))
      to += 4
    }
    table += entryStride
  }
  store<usize>(narrow + 6 * part, 0)
  store<usize>(narrow + 6 * part, 0, sizeof<usize>())
}

/** An output row from two input rows: the same four products as bilinearRow in resize.ts. */
export function narrowRow(
  args: Resize, image: usize, row: usize, table: usize, entryStride: usize, y: usize, narrow: usize,
  twice: usize,
): void {
  const part = partOf(args), held = narrow + 6 * part
  const upper = image + load<u32>(row, 16), lower = image + load<u32>(row, 32)
  // The lower row of the row before is often the upper one of this.
  const first: usize = load<usize>(held, sizeof<usize>()) == upper ? 1 : 0
  const above = narrow + (2 + 2 * first) * part, below = narrow + (4 - 2 * first) * part
  const heldAbove = held + first * sizeof<usize>(), heldBelow = held + (1 - first) * sizeof<usize>()
  if (load<usize>(heldAbove) != upper) spread(args, upper, table, entryStride, above, twice)
  if (load<usize>(heldBelow) != lower) spread(args, lower, table, entryStride, below, twice)
  store<usize>(heldAbove, upper)
  store<usize>(heldBelow, lower)
  const weightUpper = v128.load32_splat(row, 20), weightLower = v128.load32_splat(row, 36)
  const end = y + part - 16
  for (let i: usize = 0; i < part - 16; i += 16) {
    const left = v128.load(narrow + i), right = v128.load(narrow + part + i)
    let sum = f32x4.mul(v128.load(above + i), f32x4.mul(left, weightUpper))
    sum = f32x4.add(sum, f32x4.mul(v128.load(above + part + i), f32x4.mul(right, weightUpper)))
    sum = f32x4.add(sum, f32x4.mul(v128.load(below + i), f32x4.mul(left, weightLower)))
    sum = f32x4.add(sum, f32x4.mul(v128.load(below + part + i), f32x4.mul(right, weightLower)))
    storeWithin(y + i, sum, end)
  }
}

/** The pixels left and right of each output, of the row at x. */
function spread(args: Resize, x: usize, table: usize, entryStride: usize, to: usize, twice: usize): void {
  const part = partOf(args), pixelStride = <usize>args.c * 4, end = to + part - 16
  for (; to < end; table += entryStride) {
    const left: usize = load<u32>(table, 16), right: usize = load<u32>(table, 32)
    const isAlone = left == right && left != twice
    if (pixelStride == 4) {
      store<f32>(to, load<f32>(x + left))
      store<f32>(to + part, isAlone ? 0 : load<f32>(x + right))
    } else {
      for (let i: usize = 0; i < pixelStride; i += 16) {
        v128.store(to + i, v128.load(x + left + i))
        v128.store(to + part + i, isAlone ? f32x4.splat(0) : v128.load(x + right + i))
      }
    }
    to += pixelStride
  }
}
