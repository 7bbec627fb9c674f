import type { Engine } from './engine.js'
import { check, FilterbankError, show } from './errors.js'
import { isShape, printShape, type Shape, sizeOf } from './shape.js'

/** Any numbers that a tensor can be filled with: they become float32. */
export type Numbers =
  | readonly number[]
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array

/**
 * The bytes behind one tensor and all its reshapes, with what was computed from them.
 * @internal
 */
export class Storage {
  references = 0
  /** Raised by every write, so that packed copies know when they are stale. */
  version = 0
  private at: number
  private again: (() => Tensor) | undefined
  private readonly derived = new Map<string, { version: number; pointer: number }>()

  constructor(
    readonly engine: Engine,
    readonly floats: number,
  ) {
    this.at = engine.allocate(floats * 4)
  }

  /** Byte address of the numbers. */
  get pointer(): number {
    if (this.again) {
      const made = this.again()
      this.at = this.engine.allocate(this.floats * 4)
      this.engine.f32.copyWithin(this.at / 4, made.pointer / 4, made.pointer / 4 + this.floats)
      this.again = undefined
      made.dispose()
    }
    return this.at
  }

  /** Gives the bytes of the numbers back, where what was derived from them is enough; `again` makes them once more if they are asked for. */
  shed(again: () => Tensor): void {
    if (this.again || this.derived.size === 0) return
    this.engine.free(this.at)
    this.again = again
  }

  /** The address of `floats` numbers that `make` computes from this storage: computed once, and again only after a write. */
  derive(key: string, floats: number, make: (pointer: number) => void): number {
    let entry = this.derived.get(key)
    if (entry?.version === this.version) return entry.pointer
    if (!entry) {
      entry = { version: -1, pointer: this.engine.allocate(floats * 4) }
      this.derived.set(key, entry)
    }
    make(entry.pointer)
    entry.version = this.version
    return entry.pointer
  }

  /** Notes that `op` writes: what was computed from the old numbers is stale. Throws while derivatives depend on them. */
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
    if (!this.again) this.engine.free(this.at)
    for (const { pointer } of this.derived.values()) this.engine.free(pointer)
    this.derived.clear()
  }
}

/**
 * Float32 numbers with a shape, in the engine's memory. Made by `engine.tensor`, `engine.zeros` and every op; given back by `dispose()`,
 * `using` or `engine.scope`.
 */
export class Tensor {
  readonly shape: Shape
  /** Number of elements. */
  readonly size: number
  /** What errors and files call it. */
  name?: string
  /** Elements between neighbours along each axis, of a filter that does not stand row-major: its packing alone reads it. @internal */
  strides?: readonly number[]
  private held: Storage | undefined

  /** @internal */
  constructor(
    readonly engine: Engine,
    shape: Shape,
    storage?: Storage,
  ) {
    this.shape = Object.freeze([...shape])
    this.size = sizeOf(shape)
    this.held = storage ?? new Storage(engine, this.size)
    this.held.references++
    engine.track(this)
  }

  /** Whether `dispose` was called, on this tensor or on its engine. */
  get disposed(): boolean {
    return this.held === undefined || this.engine.disposed
  }

  /** @internal */
  get storage(): Storage {
    if (this.held === undefined || this.engine.disposed) {
      throw new FilterbankError({
        op: 'tensor',
        argument: 'tensor',
        expected: 'alive',
        got: this.held ? 'one whose engine was disposed' : 'a disposed one',
        shapes: { tensor: this.shape },
      })
    }
    return this.held
  }

  /** Byte address in the engine's memory. @internal */
  get pointer(): number {
    return this.storage.pointer
  }

  /**
   * The numbers themselves, row-major, without a copy. Valid until the engine's memory grows: any op may do that, so take it anew.
   * Reading this property counts as a write; after writing through a view taken earlier call `changed()`.
   */
  get view(): Float32Array {
    const { storage } = this
    storage.write('tensor.view')
    return this.engine.f32.subarray(storage.pointer / 4, storage.pointer / 4 + this.size)
  }

  /** A copy of the numbers, row-major. */
  toArray(): Float32Array {
    const start = this.pointer / 4
    const copy = new Float32Array(this.size)
    copy.set(this.engine.f32.subarray(start, start + this.size))
    return copy
  }

  /** Replaces all numbers. Throws when `data` has another length than `size` or is not numeric. */
  set(data: Numbers): this {
    const { storage } = this
    checkNumbers(data, this.shape, 'tensor.set')
    storage.write('tensor.set')
    this.engine.f32.set(data, storage.pointer / 4)
    return this
  }

  /** Tells the engine that the numbers were written through a `view` taken earlier. */
  changed(): this {
    this.storage.write('tensor.changed')
    return this
  }

  /**
   * The same numbers under another shape; both tensors share them, and each is disposed by itself. One length may be -1: it follows from the rest.
   * @example x.reshape([x.shape[0], -1])
   */
  reshape(shape: Shape): Tensor {
    const known = Array.isArray(shape) ? shape.filter((length) => length !== -1) : shape
    const open = Array.isArray(shape) ? shape.length - known.length : 0
    const fits = isShape(known) && (open === 0 ? sizeOf(known) === this.size : open === 1 && sizeOf(known) > 0 && this.size % sizeOf(known) === 0)
    check(fits, () => ({
      op: 'reshape',
      argument: 'shape',
      expected: `lengths of at least 0 (one may be -1) with ${this.size} elements in all`,
      got: show(shape),
      shapes: { x: this.shape },
    }))
    return new Tensor(this.engine, shape.map((length) => (length === -1 ? this.size / sizeOf(known) : length)), this.storage) // biome-ignore format: one line
  }

  /** Gives the memory back, once the last tensor that shares it does. A second call does nothing. */
  dispose(): void {
    const { held } = this
    if (!held) return
    this.held = undefined
    this.engine.untrack(this)
    held.release()
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose()
  }

  get [Symbol.toStringTag](): string {
    return 'Tensor'
  }

  /** Its shape, in words: `Tensor [1, 28, 28, 8]`. */
  toString(): string {
    return `Tensor ${printShape(this.shape)}${this.disposed ? ' (disposed)' : ''}`
  }
}

/** Checks that `data` is numeric and has as many elements as `shape`. @internal */
export function checkNumbers(data: unknown, shape: Shape, op: string): asserts data is Numbers {
  const numeric =
    (ArrayBuffer.isView(data) && !(data instanceof DataView) && !(data instanceof BigInt64Array) && !(data instanceof BigUint64Array)) || Array.isArray(data)
  check(numeric, () => ({ op, argument: 'data', expected: 'an array or typed array of numbers', got: show(data), shapes: { shape } }))
  const { length } = data as ArrayLike<number>
  check(length === sizeOf(shape), () => ({ op, argument: 'data', expected: `${sizeOf(shape)} numbers for its shape`, got: `${length}`, shapes: { shape } }))
  if (Array.isArray(data)) {
    const odd = data.findIndex((value) => typeof value !== 'number')
    check(odd < 0, () => ({ op, argument: `data[${odd}]`, expected: 'a number', got: show(data[odd]), shapes: { shape } }))
  }
}
