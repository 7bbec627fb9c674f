/**
 * Whether a tile of winograd.ts may be transformed: by how much its numbers differ in size, as each output
 * sees them.
 */

/**
 * Of a tile: to be summed by definition. Other fates are masks of the outputs that see zeros alone, row by
 * row.
 */
export const DIRECT: i32 = -1
/**
 * The largest size of a tile that is transformed is 0 or between these, as bits of a float: 2^-60 and 2^40.
 */
const LEAST: i32 = (127 - 60) << 23
const MOST: i32 = (127 + 40) << 23
/** What 1/256 of a size takes off its bits. */
const SPAN: i32 = 8 << 23

/**
 * The row or column of a tile that each of up to three outputs sees; the last of four sees the one behind it.
 */
// @ts-ignore: decorator
@inline
function seenOf(outputs: i32): i32 {
  return outputs > 2 ? 2 : 1
}

// @ts-ignore: decorator
@inline
function larger(size: v128, p: usize): v128 {
  return i32x4.max_s(size, v128.and(v128.load(p), i32x4.splat(0x7fffffff)))
}

/**
 * For each column of a tile the bits of its largest sizes, in four lanes: of the one row or two that its
 * outputs see, and of all six. Bits of sizes stand in the order of the sizes, and NaN above all. The first
 * columns of the tile beside are those that were the last.
 */
export function measure(
  from: usize, pixelStride: usize, rowStride: usize, depth: i32, rows: i32, size: i32, beside: bool,
  sizes: usize,
): void {
  const end = sizes + 6 * 48
  const row4 = 4 * rowStride, row5 = row4 + rowStride
  const seen = rowStride * seenOf(rows), behind = seen + rowStride
  const other = rows > 2 ? rowStride : 3 * rowStride
  if (beside) {
    // Those of the columns that are `size` further on in the tile before.
    for (let end = sizes + (6 - size) * 48; sizes < end; sizes += 16) {
      v128.store(sizes, v128.load(sizes + size * 48))
    }
    from += (6 - size) * pixelStride
  }
  for (; sizes < end; sizes += 48) {
    let first = i32x4.splat(0), last = first, a = first, b = first
    let p = from, c = depth
    // A loop that tests at its end has its constants outside, as in elementwise.ts.
    do {
      first = larger(first, p + seen)
      last = larger(last, p + behind)
      a = larger(larger(a, p), p + other)
      b = larger(larger(b, p + row4), p + row5)
      p += 16
      c -= 4
    } while (c > 0)
    // Of a window of five both rows are seen by both outputs.
    if (size == 2) first = last = i32x4.max_s(first, last)
    v128.store(sizes, first)
    v128.store(sizes, rows > 3 ? last : first, 16)
    v128.store(sizes, i32x4.max_s(i32x4.max_s(first, last), i32x4.max_s(a, b)), 32)
    from += pixelStride
  }
}

// @ts-ignore: decorator
@inline
function inAllLanes(v: v128): v128 {
  v = i32x4.max_s(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1))
  return i32x4.max_s(v, v128.shuffle<i32>(v, v, 1, 0, 3, 2))
}

/** The largest lane of each of two vectors, in two lanes each. */
// @ts-ignore: decorator
@inline
function largestOfTwo(a: v128, b: v128): v128 {
  return i32x4.max_s(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7))
}

/** Whether a tile may be transformed, by few of its pixels: every output sees one that is large enough. */
export function even(sizes: usize, columns: i32): bool {
  const left = sizes + seenOf(columns) * 48, right = columns > 3 ? left + 48 : left
  const all0 = i32x4.max_s(v128.load(sizes, 32), v128.load(sizes, 80))
  const all1 = i32x4.max_s(v128.load(sizes, 128), v128.load(sizes, 176))
  const largest = inAllLanes(
    i32x4.max_s(i32x4.max_s(all0, all1), i32x4.max_s(v128.load(sizes, 224), v128.load(sizes, 272)))
  )
  const p = largestOfTwo(v128.load(left), v128.load(left, 16))
  const q = largestOfTwo(v128.load(right), v128.load(right, 16))
  const seen = i32x4.max_s(v128.shuffle<i32>(p, q, 0, 1, 4, 5), v128.shuffle<i32>(p, q, 2, 3, 6, 7))
  const within = v128.and(i32x4.ge_s(largest, i32x4.splat(LEAST)), i32x4.le_s(largest, i32x4.splat(MOST)))
  return i32x4.all_true(v128.and(within, i32x4.ge_s(seen, i32x4.sub(largest, i32x4.splat(SPAN)))))
}

/** The fate of a tile by the windows of all its outputs. */
export function fateOf(
  from: usize, pixelStride: usize, rowStride: usize, depth: i32, rows: i32, columns: i32, size: i32,
  grid: usize,
): i32 {
  const window = 7 - size
  let largest = 0
  for (let pixel = 0; pixel < 36; pixel++) {
    const p = from + pixel / 6 * rowStride + pixel % 6 * pixelStride
    let v = i32x4.splat(0)
    for (let c = 0; c < depth; c += 4) v = larger(v, p + c * 4)
    const size = i32x4.extract_lane(inAllLanes(v), 0)
    store<i32>(grid + pixel * 4, size)
    largest = max(largest, size)
  }
  if (largest < LEAST || largest > MOST) return largest ? DIRECT : 0
  let zeros = 0
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let seen = 0
      for (let tap = 0; tap < window * window; tap++) {
        seen = max(seen, load<i32>(grid + ((row + tap / window) * 6 + column + tap % window) * 4))
      }
      if (seen == 0) zeros |= 1 << row * size + column
      else if (seen < largest - SPAN) return DIRECT
    }
  }
  return zeros
}
