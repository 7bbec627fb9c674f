import { check } from '../base/errors.js'
import { bytesPerElement, type DType } from './dtype.js'

/** What a storage needs of its engine. */
interface Owner {
  readonly u8: Uint8Array
  readonly tape?: { holds(storage: Storage): boolean } | undefined
  allocate(bytes: number): number
  free(pointer: number): void
}

/** Bytes in the memory of the engine, such as a tensor. */
interface Bytes {
  readonly pointer: number
  dispose(): void
}

/**
 * The bytes behind one tensor and all its reshapes, with what was computed from them.
 */
export class Storage {
  references = 0
  /** Raised by every write, so that packed copies know when they are stale. */
  version = 0
  readonly bytes: number
  private at: number
  private remake: (() => Bytes) | undefined
  /** Few storages have any: a map for each would be half of what a small tensor costs. */
  private derived: Map<string, { version: number; pointer: number }> | undefined

  constructor(
    readonly engine: Owner,
    size: number,
    readonly dtype: DType,
    /** Where they stand, if that is memory of someone else, who outlives them. */
    private readonly lent?: number,
  ) {
    this.bytes = size * bytesPerElement(dtype)
    this.at = lent ?? engine.allocate(this.bytes)
  }

  /** Whether its bytes are someone else's. */
  get isLent(): boolean {
    return this.lent !== undefined
  }

  /** Byte address of the numbers. */
  get pointer(): number {
    if (this.remake) {
      const made = this.remake()
      this.at = this.engine.allocate(this.bytes)
      this.engine.u8.copyWithin(this.at, made.pointer, made.pointer + this.bytes)
      this.remake = undefined
      made.dispose()
    }
    return this.at
  }

  /**
   * Gives the bytes of the numbers back, where what was derived from them is enough; `remake` makes them once
   * more if they are asked for.
   */
  releaseNumbers(remake: () => Bytes): void {
    if (this.remake || !this.derived?.size) return
    this.engine.free(this.at)
    this.remake = remake
  }

  /**
   * The address of `floats` numbers that `make` computes from this storage: computed once, and again only
   * after a write.
   */
  derive(key: string, floats: number, make: (pointer: number) => void): number {
    let entry = this.derived?.get(key)
    if (entry?.version === this.version) return entry.pointer
    if (!entry) {
      entry = { version: -1, pointer: this.engine.allocate(floats * 4) }
      this.derived ??= new Map()
      this.derived.set(key, entry)
    }
    make(entry.pointer)
    entry.version = this.version
    return entry.pointer
  }

  /**
   * Notes that `op` writes: what was computed from the old numbers is stale. Throws while derivatives depend
   * on them.
   */
  write(op: string): void {
    check(!this.engine.tape?.holds(this), () => ({
      op,
      argument: 'tensor',
      expected: 'left as it is inside valueAndGradients, whose loss depends on its numbers',
      got: 'a write',
      hint: 'Compute a new tensor instead; to read the numbers, use toArray()',
    }))
    this.version++
  }

  release(): void {
    if (--this.references > 0) return
    if (!this.remake && this.lent === undefined) this.engine.free(this.at)
    if (!this.derived) return
    for (const { pointer } of this.derived.values()) this.engine.free(pointer)
    this.derived.clear()
  }
}
