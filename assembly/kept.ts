/** Elements that are not 0, where they stand along each axis; and rows the other way round. */
import { scratch } from './arguments'
import { CoordinateAxis, Coordinates, Kept, ReverseRows } from './abi'
import { copyBytes } from './copy'

/** Writes where elements are not 0; how many there are. */
function keptOf<T>(x: usize, y: usize, size: i32): i32 {
  const each = <i32>(16 / sizeof<T>())
  let to = y
  let i = 0
  for (; i + each <= size; i += each) {
    // Most are 0 where only few are looked for.
    if (!v128.any_true(v128.load(x))) {
      x += 16
      continue
    }
    for (let k = 0; k < each; k++) {
      // Written in any case, and left to the next one: no branch to foresee.
      store<i32>(to, i + k)
      to += <usize>i32(load<T>(x) != 0) << 2
      x += sizeof<T>()
    }
  }
  for (; i < size; i++) {
    store<i32>(to, i)
    to += <usize>i32(load<T>(x) != 0) << 2
    x += sizeof<T>()
  }
  return <i32>((to - y) >> 2)
}

/** One unit: each place follows from all before it. */
export function kept(call: usize, begin: i32, end: i32): void {
  if (begin >= end) return
  const args = changetype<Kept>(call)
  const x = args.x, y = args.y, size = args.size
  let count: i32
  if (args.floats) count = keptOf<f32>(x, y, size)
  else if (args.bytes == 1) count = keptOf<u8>(x, y, size)
  else if (args.bytes == 4) count = keptOf<u32>(x, y, size)
  else count = keptOf<u64>(x, y, size)
  store<i32>(args.count, count)
}

/** One unit. scratch: the index along each axis [rank] */
export function coordinates(call: usize, begin: i32, end: i32): void {
  if (begin >= end) return
  const args = changetype<Coordinates>(call)
  const count = args.count, rank = args.rank, index = scratch()
  const axes = call + offsetof<Coordinates>()
  const columns = changetype<CoordinateAxis>(axes + <usize>(rank - 1) * offsetof<CoordinateAxis>()).length
  const stride = <usize>count << 3
  let places = args.places, y = args.y
  let rowBegin = 0, rowEnd = 0
  for (let i = 0; i < count; i++) {
    const place = load<i32>(places)
    if (place >= rowEnd) {
      let row = place / columns
      rowBegin = row * columns
      rowEnd = rowBegin + columns
      for (let axis = rank - 2; axis >= 0; axis--) {
        const length = changetype<CoordinateAxis>(axes + <usize>axis * offsetof<CoordinateAxis>()).length
        const rest = row / length
        store<i64>(index + (<usize>axis << 3), row - rest * length)
        row = rest
      }
    }
    let to = y
    for (let axis = 0; axis < rank - 1; axis++) {
      store<i64>(to, load<i64>(index + (<usize>axis << 3)))
      to += stride
    }
    store<i64>(to, place - rowBegin)
    places += 4
    y += 8
  }
}

/** Unit: `unit` rows. A length beyond the axis is told to the fault word. */
export function reverseRows(call: usize, begin: i32, end: i32): void {
  const args = changetype<ReverseRows>(call)
  const m = args.m, second = args.second, bytes = args.bytes
  const first = begin * args.unit, last = min(args.n * m, end * args.unit)
  const lengths = args.lengths, x = args.x, places = second ? m : args.n
  let y = args.y + <usize>first * <usize>bytes
  let i = first / m, j = first - i * m
  for (let row = first; row < last; row++) {
    const at = second ? j : i, length = load<i32>(lengths + (<usize>(second ? i : j) << 2))
    if (<u32>length > <u32>places) {
      store<i32>(args.fault, places + 1)
      store<i32>(args.fault, length, 4)
    }
    const turned = at < length && length <= places ? length - 1 - at : at
    const from = x + <usize>(second ? i * m + turned : turned * m + j) * <usize>bytes
    if (bytes == 4) store<u32>(y, load<u32>(from))
    else if (bytes == 8) store<u64>(y, load<u64>(from))
    else copyBytes(from, y, bytes)
    y += bytes
    if (++j == m) {
      j = 0
      i++
    }
  }
}
