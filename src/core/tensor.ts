import { type ArrayOf, arrayAt, checkElements, type DType, newArray } from './dtype.js'
import type { Engine } from './engine.js'
import { check, FilterbankError, show } from './errors.js'
import { isShape } from './options.js'
import { type Quantization, reshapedQuantization, type TensorOptions } from './quantization.js'
import { arrayName, disposal } from './realm.js'
import { printShape, type Shape, sizeOf } from './shape.js'
import { Storage } from './storage.js'

/** Any numbers that a tensor can be filled with: they become its type. */
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

/** A tensor of any type. */
export type AnyTensor = Tensor<DType>

/**
 * Numbers of one type with a shape, in the engine's memory: float32 unless its type says other. Made by
 * `engine.tensor`, `engine.zeros` and every op; given back by `dispose()`, `using` or `engine.scope`.
 */
export class Tensor<D extends DType = 'float32'> {
  readonly shape: Shape
  /** The type of its elements. */
  readonly dtype: D
  /** What 8-bit elements stand for; undefined: themselves. */
  readonly quantization: Quantization | undefined
  /** Number of elements. */
  readonly size: number
  /** What errors and files call it. */
  name?: string
  /**
   * Elements between neighbours along each axis, of a filter that does not stand row-major: its packing alone
   * reads it. @internal
   */
  strides?: readonly number[]
  private held: Storage | undefined

  /** @internal */
  constructor(
    readonly engine: Engine,
    shape: Shape,
    storage?: Storage,
    { dtype = 'float32' as D, quantization }: TensorOptions<D> = {},
  ) {
    this.shape = Object.freeze([...shape])
    this.size = sizeOf(shape)
    this.dtype = storage ? (storage.dtype as D) : dtype
    this.quantization = quantization
    this.held = storage ?? new Storage(engine, this.size, dtype)
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
   * The numbers themselves, row-major, without a copy. Valid until the engine's memory grows: any op may do
   * that, so take it anew. Reading this property counts as a write; after writing through a view taken
   * earlier call `changed()`.
   */
  get view(): ArrayOf<D> {
    this.storage.write('tensor.view')
    return this.elements
  }

  /** The same for reading alone. @internal */
  get elements(): ArrayOf<D> {
    const { pointer } = this
    return arrayAt(this.dtype, this.engine.u8.buffer, pointer, this.size)
  }

  /** A copy of the numbers, row-major. */
  toArray(): ArrayOf<D> {
    this.engine.trace?.read(this)
    const { elements } = this
    const copy = newArray(this.dtype, this.size)
    copy.set(elements)
    return copy
  }

  /**
   * Replaces all numbers. Throws when `data` has another length than `size`, is not numeric, or has a number
   * that the type does not hold.
   */
  set(data: Numbers): this {
    const { storage } = this
    checkNumbers(data, this.shape, 'tensor.set')
    checkElements('tensor.set', data, this.dtype, this.shape)
    storage.write('tensor.set')
    const numbers = this.engine.steady(data)
    this.elements.set(numbers)
    return this
  }

  /** Tells the engine that the numbers were written through a `view` taken earlier. */
  changed(): this {
    this.storage.write('tensor.changed')
    return this
  }

  /**
   * The same numbers under another shape; both tensors share them, and each is disposed by itself. One length
   * may be -1: it follows from the rest.
   * @example x.reshape([x.shape[0], -1])
   */
  reshape(shape: Shape): Tensor<D> {
    const known = Array.isArray(shape) ? shape.filter((length) => length !== -1) : shape
    const open = Array.isArray(shape) ? shape.length - known.length : 0
    const fits =
      isShape(known) &&
      (open === 0
        ? sizeOf(known) === this.size
        : open === 1 && sizeOf(known) > 0 && this.size % sizeOf(known) === 0)
    check(fits, () => ({
      op: 'reshape',
      argument: 'shape',
      expected: `lengths of at least 0 (one may be -1) with ${this.size} elements in all`,
      got: show(shape),
      shapes: { x: this.shape },
    }))
    const lengths =
      open === 0 ? shape : shape.map((length) => (length === -1 ? this.size / sizeOf(known) : length))
    const quantization = reshapedQuantization(this.quantization, this.shape, lengths)
    return new Tensor<D>(this.engine, lengths, this.storage, { quantization })
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
  [disposal](): void {
    this.dispose()
  }

  get [Symbol.toStringTag](): string {
    return 'Tensor'
  }

  /** Its shape, in words: `Tensor [1, 28, 28, 8]`. */
  toString(): string {
    return `Tensor ${this.dtype === 'float32' ? '' : `${this.dtype} `}${printShape(this.shape)}${this.disposed ? ' (disposed)' : ''}`
  }
}

function lengthHint(data: unknown): string | undefined {
  if (Array.isArray(data)) return undefined
  const { length, buffer } = data as Float32Array
  return length === 0 && buffer.byteLength === 0
    ? 'A view of a tensor is empty once the memory has grown: take it anew, or toArray()'
    : undefined
}

/** Checks that `data` is numeric and has as many elements as `shape`. @internal */
export function checkNumbers(data: unknown, shape: Shape, op: string): asserts data is Numbers {
  const kind = arrayName(data)
  const numeric = kind ? !kind.startsWith('Big') : Array.isArray(data)
  check(numeric, () => ({
    op,
    argument: 'data',
    expected: 'an array or typed array of numbers',
    got: show(data),
    shapes: { shape },
  }))
  const { length } = data as ArrayLike<number>
  const [first] = Array.isArray(data) ? data : []
  check(!Array.isArray(first) && !ArrayBuffer.isView(first), () => ({
    op,
    argument: 'data[0]',
    expected: 'a number',
    got: show(first),
    shapes: { shape },
    hint: 'Rows are not taken: give all numbers in one array, such as rows.flat(Infinity)',
  }))
  check(length === sizeOf(shape), () => ({
    op,
    argument: 'data',
    expected: `${sizeOf(shape)} numbers for its shape`,
    got: `${length}`,
    shapes: { shape },
    hint: lengthHint(data),
  }))
  if (Array.isArray(data)) {
    const odd = data.findIndex((value) => typeof value !== 'number')
    check(odd < 0, () => ({
      op,
      argument: `data[${odd}]`,
      expected: 'a number',
      got: show(data[odd]),
      shapes: { shape },
    }))
  }
}
