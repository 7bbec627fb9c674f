/**
 * A part of a memory, between the parts before and after it; `previous` and `next` are holes of the same
 * size.
 */
export interface Block {
  start: number
  bytes: number
  isFree: boolean
  before: Block | undefined
  after: Block | undefined
  previous: Block | undefined
  next: Block | undefined
}

/**
 * The holes of a memory by their sizes. Sizes are multiples of 64 bytes, so that 4 GiB hold at most some
 * 11,000 different ones (1 + 2 + 3 + ... of these units): a sorted list of them is searched in 14 steps, and
 * shifted in microseconds at worst.
 */
export class FreeBlocks {
  /** The sizes of which there are holes, rising, and the newest hole of each. */
  private readonly sizes: number[] = []
  private readonly newest: Block[] = []

  add(block: Block): void {
    const { bytes } = block
    const at = this.indexOf(bytes)
    block.isFree = true
    if (this.sizes[at] === bytes) {
      block.next = this.newest[at]
      this.newest[at]!.previous = block
      this.newest[at] = block
    } else {
      insertAt(this.sizes, at, bytes)
      insertAt(this.newest, at, block)
    }
  }

  remove(block: Block): void {
    const { previous, next } = block
    if (next) next.previous = previous
    if (previous) previous.next = next
    else {
      const at = this.indexOf(block.bytes)
      if (next) this.newest[at] = next
      else {
        removeAt(this.sizes, at)
        removeAt(this.newest, at)
      }
    }
    block.isFree = false
    block.previous = undefined
    block.next = undefined
  }

  /** The newest of the smallest blocks that have `bytes` bytes. */
  bestFit(bytes: number): Block | undefined {
    return this.newest[this.indexOf(bytes)]
  }

  /** The blocks that share bytes with [start, end), in their order. Looks at all of them. */
  within(start: number, end: number): Block[] {
    const found: Block[] = []
    for (const first of this.newest) {
      for (let block: Block | undefined = first; block; block = block.next) {
        if (block.start < end && block.start + block.bytes > start) found.push(block)
      }
    }
    return found.sort((a, b) => a.start - b.start)
  }

  /** Where in `sizes` the first of at least `bytes` stands. */
  private indexOf(bytes: number): number {
    let low = 0
    let high = this.sizes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.sizes[middle]! < bytes) low = middle + 1
      else high = middle
    }
    return low
  }
}

// `splice` makes an array of what it takes out: most of the time of an allocation.
function insertAt<T>(list: T[], at: number, item: T): void {
  list.push(item)
  for (let i = list.length - 1; i > at; i--) list[i] = list[i - 1]!
  list[at] = item
}

function removeAt<T>(list: T[], at: number): void {
  for (let i = at + 1; i < list.length; i++) list[i - 1] = list[i]!
  list.pop()
}
