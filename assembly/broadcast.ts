/** An operand that is broadcast, spread out for a run of outputs. */
import { Binary, BinaryAxis } from './abi'

// @ts-ignore: decorator
@inline
function stepOf(axis: usize, which: i32): i32 {
  return which ? changetype<BinaryAxis>(axis).bStep : changetype<BinaryAxis>(axis).aStep
}

/**
 * The address of what operand `which` (0: a, 1: b) has under outputs [first, first + count): in place where
 * it has them in one run, else in `room`.
 */
export function spread(args: Binary, which: i32, first: i32, count: i32, room: usize): usize {
  const operand = which ? args.b : args.a
  const base = operand ? operand : changetype<usize>(args) + offsetof<Binary>('number')
  const axes = changetype<usize>(args) + offsetof<Binary>()
  const innermost = axes + (args.rank - 1) * offsetof<BinaryAxis>()
  const inner = changetype<BinaryAxis>(innermost).length, step = stepOf(innermost, which)
  let row = first / inner
  let i = first - row * inner
  let to = room
  while (true) {
    let from = base, rest = row
    for (let axis = innermost - offsetof<BinaryAxis>(); axis >= axes; axis -= offsetof<BinaryAxis>()) {
      const length = changetype<BinaryAxis>(axis).length, outer = rest / length
      from += <usize>((rest - outer * length) * stepOf(axis, which)) << 2
      rest = outer
    }
    // Rows of the axis next to the innermost follow each other at one distance.
    let rows = 1
    let distance: usize = 0
    if (innermost > axes) {
      const next = innermost - offsetof<BinaryAxis>()
      rows = changetype<BinaryAxis>(next).length - row % changetype<BinaryAxis>(next).length
      distance = <usize>stepOf(next, which) << 2
    }
    row += rows
    for (; rows > 0; rows--) {
      const run = min(inner - i, count)
      const bytes = <usize>run << 2
      if (step) {
        if (run == count && to == room) return from + (<usize>i << 2)
        copyRun(to, from + (<usize>i << 2), bytes)
      } else fillRun(to, v128.load32_splat(from), bytes)
      to += bytes
      count -= run
      if (count == 0) return room
      from += distance
      i = 0
    }
  }
  return room
}

// @ts-ignore: decorator
@inline
function copyRun(to: usize, from: usize, bytes: usize): void {
  if (bytes > 64) memory.copy(to, from, bytes)
  else for (let i: usize = 0; i < bytes; i += 4) store<u32>(to + i, load<u32>(from + i))
}

// @ts-ignore: decorator
@inline
function fillRun(to: usize, value: v128, bytes: usize): void {
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, value)
  for (; i < bytes; i += 4) v128.store32_lane(to + i, value, 0)
}
