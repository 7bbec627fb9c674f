/**
 * The map of an engine's linear memory: which bytes are taken. 64-byte aligned, best fit, neighbours merged
 * when freed.
 */
import { FilterbankError } from '../base/errors.js'
import { type Block, FreeBlocks } from './freeBlocks.js'

const ALIGNMENT = 64
const PAGE = 65536
/**
 * Kernels may read, never use, up to a vector panel beyond a tensor; so the last bytes of the memory are
 * nobody's.
 */
const MARGIN = 256

/** Ranges in their order, joined where they touch. */
export function joined(ranges: readonly (readonly [start: number, end: number])[]): [number, number][] {
  const all: [start: number, end: number][] = []
  for (const [start, end] of [...ranges].sort(([a], [b]) => a - b)) {
    const last = all.at(-1)
    if (last && start <= last[1]) last[1] = Math.max(last[1], end)
    else all.push([start, end])
  }
  return all
}

export class Allocator {
  live = 0
  peak = 0
  /** What was given out, by address. */
  private readonly taken = new Map<number, Block>()
  private readonly free = new FreeBlocks()
  private last: Block | undefined
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

  /**
   * The address of `bytes` bytes, contents undefined. Throws when that would pass the limit, or the host
   * gives no more.
   */
  allocate(bytes: number): number {
    const wanted = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT)
    let block = this.free.bestFit(wanted)
    if (block) this.free.remove(block)
    else block = this.extend(wanted, bytes)
    return this.take(block, wanted)
  }

  release(start: number): void {
    const block = this.taken.get(start)
    if (!block) throw new RangeError(`memory: ${start} is not the address of an allocation`)
    this.taken.delete(start)
    this.live -= block.bytes
    this.giveBack(block)
  }

  /** Takes the free bytes [start, start + bytes): the address to release them by is `start`. */
  claim(start: number, bytes: number): void {
    const hole = this.free.within(start, start + bytes).at(0)
    if (!hole || hole.start > start || hole.start + hole.bytes < start + bytes)
      throw new RangeError(`memory: [${start}, ${start + bytes}) is not free`)
    this.free.remove(hole)
    let block = hole
    if (hole.start < start) {
      block = this.split(hole, start - hole.start)
      this.free.add(hole)
    }
    this.take(block, bytes)
  }

  /** The free parts of these ranges, joined where they touch, as [start, bytes]. */
  freeWithin(ranges: readonly (readonly [start: number, end: number])[]): [start: number, bytes: number][] {
    return joined(ranges).flatMap(([start, end]) =>
      this.free.within(start, end).map((block): [number, number] => {
        const from = Math.max(start, block.start)
        return [from, Math.min(end, block.start + block.bytes) - from]
      }),
    )
  }

  /** Bytes that an allocation takes. */
  sizeOf(start: number): number {
    return this.taken.get(start)?.bytes ?? 0
  }

  /** The first `bytes` bytes of a block that is none of the holes; what is left becomes one. */
  private take(block: Block, bytes: number): number {
    if (block.bytes > bytes) this.free.add(this.split(block, bytes))
    this.taken.set(block.start, block)
    this.live += bytes
    this.peak = Math.max(this.peak, this.live)
    return block.start
  }

  /** Leaves a block its first `bytes` bytes, and gives the rest as a block behind it. */
  private split(block: Block, bytes: number): Block {
    const rest = this.insert(block, block.start + bytes, block.bytes - bytes, block.after)
    block.bytes = bytes
    return rest
  }

  private insert(before: Block | undefined, start: number, bytes: number, after: Block | undefined): Block {
    const block: Block = { start, bytes, isFree: false, before, after, previous: undefined, next: undefined }
    if (before) before.after = block
    if (after) after.before = block
    else this.last = block
    return block
  }

  /** Makes a hole of a block and the holes on both sides of it. */
  private giveBack(block: Block): void {
    const { before, after } = block
    let hole = block
    if (before?.isFree) {
      this.free.remove(before)
      hole = this.join(before, block)
    }
    if (after?.isFree) {
      this.free.remove(after)
      this.join(hole, after)
    }
    this.free.add(hole)
  }

  /** The first block, grown by the one behind it. */
  private join(block: Block, next: Block): Block {
    block.bytes += next.bytes
    block.after = next.after
    if (next.after) next.after.before = block
    else this.last = block
    return block
  }

  /** A block of `wanted` bytes at the end of the map, a hole there included. */
  private extend(wanted: number, asked: number): Block {
    const { last, end } = this
    const hole = last?.isFree ? last : undefined
    const start = hole ? hole.start : end
    this.reserve(start + wanted, asked)
    this.end = start + wanted
    if (!hole) return this.insert(last, start, wanted, undefined)
    this.free.remove(hole)
    hole.bytes = wanted
    return hole
  }

  /**
   * Grows the memory until `end` lies within: by half and 4 MB at least, since each time costs a millisecond.
   * Nobody has a page before it is touched.
   */
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
