/**
 * The map of an engine's linear memory: which bytes are taken. 64-byte aligned, best fit, neighbours merged when freed.
 */
import { FilterbankError } from '../errors.js'

const ALIGNMENT = 64
const PAGE = 65536
/** Kernels may read, never use, up to a vector panel beyond a tensor; so the last bytes of the memory are nobody's. */
const MARGIN = 256

interface Block {
  start: number
  bytes: number
}

export class Allocator {
  live = 0
  peak = 0
  private readonly sizes = new Map<number, number>()
  /** Free blocks in the order of their addresses. */
  private readonly free: Block[] = []
  private end: number

  constructor(
    readonly memory: WebAssembly.Memory,
    start: number,
    readonly limit: number,
  ) {
    this.end = Math.ceil(start / ALIGNMENT) * ALIGNMENT
  }

  get reserved(): number {
    return this.memory.buffer.byteLength
  }

  /** The address of `bytes` bytes, contents undefined. Throws when that would pass the limit, or the host gives no more. */
  allocate(bytes: number): number {
    const wanted = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT)
    let best = -1
    for (let i = 0; i < this.free.length; i++) {
      const room = this.free[i]!.bytes
      if (room >= wanted && (best < 0 || room < this.free[best]!.bytes)) best = i
    }
    let start: number
    if (best >= 0) {
      const block = this.free[best]!
      start = block.start
      block.start += wanted
      block.bytes -= wanted
      if (block.bytes === 0) this.free.splice(best, 1)
    } else {
      const last = this.free.at(-1)
      const reuse = last && last.start + last.bytes === this.end ? last.bytes : 0
      start = this.end - reuse
      this.reserve(start + wanted, bytes)
      if (reuse) this.free.pop()
      this.end = start + wanted
    }
    this.sizes.set(start, wanted)
    this.live += wanted
    this.peak = Math.max(this.peak, this.live)
    return start
  }

  release(start: number): void {
    const bytes = this.sizes.get(start)
    if (bytes === undefined) throw new RangeError(`memory: ${start} is not the address of an allocation`)
    this.sizes.delete(start)
    this.live -= bytes
    let low = 0
    let high = this.free.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.free[middle]!.start < start) low = middle + 1
      else high = middle
    }
    const before = this.free[low - 1]
    const after = this.free[low]
    const joinsBefore = before !== undefined && before.start + before.bytes === start
    const joinsAfter = after !== undefined && start + bytes === after.start
    if (joinsBefore) {
      before.bytes += bytes + (joinsAfter ? after.bytes : 0)
      if (joinsAfter) this.free.splice(low, 1)
    } else if (joinsAfter) {
      after.start = start
      after.bytes += bytes
    } else this.free.splice(low, 0, { start, bytes })
  }

  /** Takes the free bytes [start, start + bytes): the address to release them by is `start`. */
  claim(start: number, bytes: number): void {
    const at = this.free.findIndex((block) => block.start <= start && start + bytes <= block.start + block.bytes)
    if (at < 0) throw new RangeError(`memory: [${start}, ${start + bytes}) is not free`)
    const { start: from, bytes: room } = this.free[at]!
    const left = { start: from, bytes: start - from }
    const right = { start: start + bytes, bytes: from + room - start - bytes }
    this.free.splice(at, 1, ...[left, right].filter((block) => block.bytes > 0))
    this.sizes.set(start, bytes)
    this.live += bytes
    this.peak = Math.max(this.peak, this.live)
  }

  /** The free parts of these ranges, joined where they touch, as [start, bytes]. */
  freeWithin(ranges: readonly (readonly [start: number, end: number])[]): [start: number, bytes: number][] {
    const joined: [start: number, end: number][] = []
    for (const [start, end] of [...ranges].sort(([a], [b]) => a - b)) {
      const last = joined.at(-1)
      if (last && start <= last[1]) last[1] = Math.max(last[1], end)
      else joined.push([start, end])
    }
    return joined.flatMap(([start, end]) =>
      this.free.flatMap((block): [number, number][] => {
        const from = Math.max(start, block.start)
        const to = Math.min(end, block.start + block.bytes)
        return from < to ? [[from, to - from]] : []
      }),
    )
  }

  /** Bytes that an allocation takes. */
  sizeOf(start: number): number {
    return this.sizes.get(start) ?? 0
  }

  /** Grows the memory until `end` lies within: by half and 4 MB at least, since each time costs a millisecond. Nobody has a page before it is touched. */
  private reserve(end: number, asked: number): void {
    const needed = Math.ceil((end + MARGIN) / PAGE)
    const pages = this.reserved / PAGE
    if (needed <= pages) return
    const most = Math.floor(this.limit / PAGE)
    const grow = (to: number): boolean => {
      if (needed > most) return false
      try {
        this.memory.grow(to - pages)
        return true
      } catch {
        return false
      }
    }
    if (grow(Math.min(most, Math.max(needed, Math.ceil(pages * 1.5), pages + 64))) || grow(needed)) return
    throw new FilterbankError({
      op: 'engine',
      argument: 'memory',
      expected: `within ${this.limit} bytes`,
      got: `a request for ${asked} bytes with ${this.live} in use and ${this.reserved} reserved`,
      hint:
        needed > most
          ? 'Out of memory: dispose tensors that are no longer needed, or raise createEngine({ maximumBytes })'
          : 'Out of memory: the host gives no more',
    })
  }
}
