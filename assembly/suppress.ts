/** The best of boxes that lie over each other: greedy suppression, class by class. */
import { scratch } from './arguments'
import { Suppress } from './abi'
import { makeHeap, ordered, sink, sortHeap } from './heap'

/**
 * Unit: a class of an image. Boxes [n, 4] by falling score, of equal ones the earlier first; a box stays
 * unless what it shares with one that stayed is more than `overlap` of what both cover. Float32 as ONNX
 * Runtime counts, so that ties fall alike.
 *
 * Candidates are taken a batch of the best at a time, since mostly few are asked for, and few of those go: a
 * look at all scores costs less than to keep more of them in order. They are entries as heap.ts has them.
 * Boxes that stayed stand in fours, each [top, left, bottom, right, area] x 4; the places behind the last
 * hold boxes that meet nothing.
 *
 * scratch: entries [n] of 8 bytes, up to 16; fours [most / 4] of 80 bytes
 */
export function suppress(call: usize, begin: i32, end: i32): void {
  const args = changetype<Suppress>(call)
  const n = args.n, most = args.most
  const batch = scratch(), kept = batch + ((<usize>n * 8 + 15) & ~15)
  for (let unit = begin; unit < end; unit++) {
    const boxes = args.boxes + (<usize>(unit / args.classes * n) << 4)
    const scores = args.scores + (<usize>(unit * n) << 2)
    const found = args.indices + (<usize>(unit * most) << 2)
    let room = min(n, most + (most >> 2) + 16), below = i64.MAX_VALUE, count = 0
    while (count < most) {
      const taken = best(batch, room, scores, n, args.least, below)
      for (let i = 0; i < taken && count < most; i++) {
        below = load<i64>(batch + (<usize>i << 3))
        const place = ~<i32>below
        if (stays(boxes + (<usize>place << 4), kept, count, args.centred, args.overlap)) {
          store<i32>(found + (<usize>count << 2), place)
          count++
        }
      }
      if (taken < room) break
      room = min(n, 2 * room)
    }
    store<i32>(args.counts + (<usize>unit << 2), count)
  }
}

/** Up to `room` of the largest entries less than `below`, of scores above `least`, the largest first. */
function best(batch: usize, room: i32, scores: usize, n: i32, least: f32, below: i64): i32 {
  let count = 0, cut = least
  for (let i = 0; i < n; i += 4) {
    const from = scores + (<usize>i << 2)
    if (i + 4 <= n && !v128.any_true(f32x4.gt(v128.load(from), f32x4.splat(cut)))) continue
    const last = min(n, i + 4)
    for (let k = i; k < last; k++) {
      const score = load<f32>(scores + (<usize>k << 2))
      if (!(score > cut)) continue
      const entry = <i64>ordered(score) << 32 | <i64><u32>~k
      if (entry >= below) continue
      if (count < room) {
        store<i64>(batch + (<usize>count << 3), entry)
        count++
        if (count < room) continue
        makeHeap(batch, count)
      } else {
        store<i64>(batch, entry)
        sink(batch, 0, count)
      }
      // Of equal scores the later ones are less than what is there.
      cut = load<f32>(scores + (<usize>~<i32>load<i64>(batch) << 2))
    }
  }
  if (count < room) makeHeap(batch, count)
  sortHeap(batch, count)
  return count
}

/** Whether the box at `box` may stay beside `count` that did; then it is the next of them. */
function stays(box: usize, kept: usize, count: i32, centred: i32, overlap: f32): bool {
  const a = load<f32>(box), b = load<f32>(box, 4), c = load<f32>(box, 8), d = load<f32>(box, 12)
  const halfWidth = c * 0.5, halfHeight = d * 0.5
  const top = centred ? b - halfHeight : min(a, c), bottom = centred ? b + halfHeight : max(a, c)
  const left = centred ? a - halfWidth : min(b, d), right = centred ? a + halfWidth : max(b, d)
  const area = (bottom - top) * (right - left)
  const zero = f32x4.splat(0), bound = f32x4.splat(overlap)
  const end = kept + <usize>((count + 3) >> 2) * 80
  for (let four = kept; four < end; four += 80) {
    const height = f32x4.sub(
      f32x4.min(f32x4.splat(bottom), v128.load(four, 32)), f32x4.max(f32x4.splat(top), v128.load(four)))
    const width = f32x4.sub(
      f32x4.min(f32x4.splat(right), v128.load(four, 48)), f32x4.max(f32x4.splat(left), v128.load(four, 16)))
    const shared = f32x4.mul(f32x4.max(height, zero), f32x4.max(width, zero))
    const all = f32x4.sub(f32x4.add(f32x4.splat(area), v128.load(four, 64)), shared)
    const meet = v128.and(f32x4.gt(shared, zero), f32x4.gt(f32x4.div(shared, all), bound))
    if (v128.any_true(meet)) return false
  }
  if ((count & 3) === 0) {
    v128.store(end, f32x4.splat(Infinity))
    v128.store(end, f32x4.splat(Infinity), 16)
    v128.store(end, f32x4.splat(-Infinity), 32)
    v128.store(end, f32x4.splat(-Infinity), 48)
    v128.store(end, zero, 64)
  }
  const at = kept + <usize>(count >> 2) * 80 + (<usize>(count & 3) << 2)
  store<f32>(at, top)
  store<f32>(at, left, 16)
  store<f32>(at, bottom, 32)
  store<f32>(at, right, 48)
  store<f32>(at, area, 64)
  return true
}
