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

/** Numbers computed from a storage, of the version that it had then. */
interface Derived {
  version: number
  pointer: number
  restore: ((from: number, to: number) => void) | undefined
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
  /** Fills the bytes once more, where they were given back. */
  private remake: ((to: number) => void) | undefined
  /** Whether somebody has the address: then the bytes stay where they are. */
  private known = false
  private deriving = false
  /** Few storages have any: a map for each would be half of what a small tensor costs. */
  private derived: Map<string, Derived> | undefined

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

  /** Byte address of the numbers, for whoever goes on to use it. */
  get pointer(): number {
    if (!this.deriving) this.known = true
    return this.address
  }

  /** The same for who reads the numbers once, now. */
  get address(): number {
    const { remake } = this
    if (remake) {
      this.at = this.engine.allocate(this.bytes)
      this.remake = undefined
      remake(this.at)
    }
    return this.at
  }

  /**
   * Gives the bytes of the numbers back, where what was derived from them is enough and nobody has their
   * address. If they are asked for they are made once more: of what was derived, where that shows how, or
   * else by what `otherwise` gives now.
   */
  releaseNumbers(otherwise: () => () => Bytes): void {
    if (this.remake || this.known || this.lent !== undefined || !this.derived?.size) return
    const source = [...this.derived.values()].find(
      ({ restore, version }) => restore && version === this.version,
    )
    if (source) this.remake = (to) => source.restore!(source.pointer, to)
    else {
      const make = otherwise()
      this.remake = (to) => {
        const made = make()
        this.engine.u8.copyWithin(to, made.pointer, made.pointer + this.bytes)
        made.dispose()
      }
    }
    this.engine.free(this.at)
  }

  /** Forgets who had the address: nobody uses it any more. */
  forgetAddress(): void {
    this.known = false
  }

  /**
   * The address of `floats` numbers that `make` computes from this storage: computed once, and again only
   * after a write. `restore` writes the numbers back from there.
   */
  derive(
    key: string,
    floats: number,
    make: (pointer: number) => void,
    restore?: (from: number, to: number) => void,
  ): number {
    let entry = this.derived?.get(key)
    if (entry?.version === this.version) return entry.pointer
    if (!entry) {
      entry = { version: -1, pointer: this.engine.allocate(floats * 4), restore }
      this.derived ??= new Map()
      this.derived.set(key, entry)
    }
    const { deriving } = this
    this.deriving = true
    try {
      make(entry.pointer)
    } finally {
      this.deriving = deriving
    }
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
