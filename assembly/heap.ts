/**
 * Heaps of entries of 64 bits, the smallest on top, for those that keep the best of many: an entry has an
 * element in its high word, as an integer in the same order, and in its low word what is smaller for later
 * places, so that no two are equal.
 */

/** An integer that is larger where v is; of NaN the largest. */
// @ts-ignore: decorator
@inline
export function ordered(v: f32): i32 {
  if (v != v) return i32.MAX_VALUE
  const bits = reinterpret<i32>(v + 0)
  return bits ^ ((bits >> 31) & i32.MAX_VALUE)
}

/** Puts entry `i` of a heap of `count` where it belongs: below no larger one. */
export function sink(heap: usize, i: i32, count: i32): void {
  const moved = load<i64>(heap + (<usize>i << 3))
  while (true) {
    let child = 2 * i + 1
    if (child >= count) break
    let least = load<i64>(heap + (<usize>child << 3))
    if (child + 1 < count) {
      const other = load<i64>(heap + (<usize>child << 3), 8)
      if (other < least) {
        least = other
        child++
      }
    }
    if (least >= moved) break
    store<i64>(heap + (<usize>i << 3), least)
    i = child
  }
  store<i64>(heap + (<usize>i << 3), moved)
}

/** From a heap of `count`, the smallest on top, to a list, the largest first. */
export function sortHeap(heap: usize, count: i32): void {
  for (let left = count - 1; left > 0; left--) {
    const end = heap + (<usize>left << 3), smallest = load<i64>(heap)
    store<i64>(heap, load<i64>(end))
    store<i64>(end, smallest)
    sink(heap, 0, left)
  }
}

/** Makes a heap of `count` entries. */
export function makeHeap(heap: usize, count: i32): void {
  for (let i = (count >> 1) - 1; i >= 0; i--) sink(heap, i, count)
}
