/**
 * Tensors, and what they and the ops know of the engine that they live in (engine.ts): an engine makes
 * tensors, and a tensor names its engine.
 */

import { check, FilterbankError, show } from '../base/errors.js'
import { disposal } from '../base/realm.js'
import { printShape, type Shape, sizeOf } from '../base/shape.js'
import type { Steps } from '../base/turns.js'
import type { Job, Kernel } from '../wasm/kernels.js'
import type { Build } from '../wasm/load.js'
import { type ArrayOf, arrayAt, checkElements, type DType, newArray } from './dtype.js'
import { checkNumbers, type Numbers } from './numbers.js'
import { isShape } from './options.js'
import type { Program } from './program.js'
import { type Quantization, reshapedQuantization, type TensorOptions } from './quantization.js'
import { Storage } from './storage.js'

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
    this.shape = Object.isFrozen(shape) ? shape : Object.freeze(shape.slice())
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
    const { storage } = this
    storage.write('tensor.view')
    return arrayAt(this.dtype, this.engine.u8.buffer, storage.pointer, this.size)
  }

  /** The same for reading alone. @internal */
  get elements(): ArrayOf<D> {
    const { address } = this.storage
    return arrayAt(this.dtype, this.engine.u8.buffer, address, this.size)
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

/** What an engine's memory holds, as `engine.memory()` tells it. */
export interface MemoryUse {
  /** Bytes taken by tensors, packed filters and scratch. */
  live: number
  /** The most that `live` has been. */
  peak: number
  /** Bytes of WebAssembly memory that the host has given. */
  reserved: number
  /** Tensors not yet disposed. */
  tensors: number
}

type Tensors = Record<string, AnyTensor | undefined>

/**
 * Who listens to the ops while derivatives are wanted (src/nn/gradients.ts). A value is known by its storage:
 * `reshape` changes nothing, and a tensor may be disposed as soon as its op is recorded.
 * @internal
 */
export interface Tape {
  /**
   * Notes that `output` was computed from `inputs`. `backward` is called later, with the derivative of the
   * loss with respect to `output` and live tensors for what it asked to keep; it gives, for each input, how
   * to compute the derivative with respect to it: a new tensor of that input's size, or `dy` itself.
   */
  record<Inputs extends Tensors, Kept extends Tensors>(
    op: string,
    output: AnyTensor,
    inputs: Inputs,
    kept: Kept,
    backward: (dy: Tensor, kept: Kept) => { [name in keyof Inputs]?: () => Tensor },
  ): void
  /** The same of an op with several outputs; of those that the loss does not depend on `dys` has none. */
  recordAll<Inputs extends Tensors, Kept extends Tensors>(
    op: string,
    outputs: readonly AnyTensor[],
    inputs: Inputs,
    kept: Kept,
    backward: (dys: readonly (Tensor | undefined)[], kept: Kept) => { [name in keyof Inputs]?: () => Tensor },
  ): void
  /** Whether these numbers have to stay as they are. */
  holds(storage: Storage): boolean
}

/**
 * Who listens to the ops while a model is written (src/nn/onnx/trace.ts). Each op tells what it did in the
 * terms of its page, with its options as it settled them; an op made of others leaves that to them.
 * @internal
 */
export interface Trace {
  /** `outputs` were computed from `inputs`: tensors, or numbers that stand for some. */
  note(
    op: string,
    outputs: AnyTensor | readonly AnyTensor[],
    inputs: Readonly<Record<string, AnyTensor | number | undefined>>,
    options?: object,
  ): void
  /** Someone is about to write a new tensor. */
  made(tensor: AnyTensor): void
  /** The host wrote it: a constant. */
  given(tensor: AnyTensor): void
  /** The host reads numbers. */
  read(tensor: AnyTensor): void
}

/**
 * One WebAssembly memory, the kernels that work in it, and the tensors that live there. Made by
 * `createEngine`.
 */
export interface Engine {
  /** The build in use. */
  readonly simd: Build
  /** Why this build. */
  readonly simdReason: string
  /**
   * Settles when every other thread has joined or failed to: from then on `threads` stays. It never rejects.
   */
  readonly started: Promise<void>
  /** Threads that share the work now, the calling one included: those that have started. */
  readonly threads: number
  /** Why this many threads. */
  readonly threadsReason: string
  /** Whether `dispose` was called. */
  readonly disposed: boolean
  readonly [Symbol.toStringTag]: string

  /**
   * `data` copied into the engine's memory; it may be the `view` of another tensor.
   *
   * @param data as many numbers as the shape says, row-major
   * @param options dtype: what they become, by default float32 whatever array they come in; quantization:
   *   what 8-bit integers stand for
   * @throws FilterbankError when `data` is not numeric or has another length than `shape` says; where an
   *   integer type is asked for, for a number that is
   * none of its integers (which and where is told); for a quantization that is none for this type and shape
   * @example const labels = engine.tensor([3, 1, 4], [3], { dtype: 'int32' })
   */
  tensor(data: Numbers, shape: Shape, options?: { dtype?: undefined }): Tensor
  /** The same, of the type that `dtype` names. */
  tensor<D extends DType>(data: Numbers, shape: Shape, options: TensorOptions<D> & { dtype: D }): Tensor<D>
  /** Zeros: of float32, or of the `dtype` asked for, which may have a quantization. */
  zeros(shape: Shape, options?: { dtype?: undefined }): Tensor
  /** The same, of the type that `dtype` names. */
  zeros<D extends DType>(shape: Shape, options: TensorOptions<D> & { dtype: D }): Tensor<D>
  /**
   * Runs `fn` and disposes every tensor made inside but those that it returns: a tensor, or tensors in
   * arrays, maps, sets and the fields of objects, however deep. Scopes nest. `fn` must not be async: tensors
   * of other callers would be caught.
   * @throws FilterbankError for what is no function, or an async one; and what `fn` throws
   */
  scope<T>(fn: () => T): T
  /** What the memory holds now. */
  memory(): MemoryUse
  /**
   * Gives all memory back. The engine and its tensors are of no use afterwards; a second call does nothing.
   */
  dispose(): void
  /** `dispose`, for `using`. */
  [disposal](): void
  /**
   * Whether one instruction multiplies bytes and sums fours, exactly: with one operand unsigned (x86 with
   * VNNI), or both signed (Arm). `'none'`: products of bytes go by 16 bits. The relaxed build alone asks
   * the host.
   */
  readonly byteDot: 'none' | 'unsigned' | 'signed'
  /**
   * The loop of dense products: `'rolled'` in JavaScriptCore (Safari, Bun), which compiles that to faster
   * code, `'unrolled'` elsewhere. Both give the same bytes.
   */
  readonly tile: 'unrolled' | 'rolled'

  // What the ops are made of.

  /** Work below this stays on the calling thread. @internal */
  parallelWork: number
  /** Who notes down what the ops compute, while derivatives are wanted. @internal */
  tape: Tape | undefined
  /** Who notes down which ops run, while a model is written. @internal */
  trace: Trace | undefined
  /** All memory as floats. Replaced whenever memory grows, so taken anew after every allocation. @internal */
  readonly f32: Float32Array<ArrayBuffer>
  /** All memory as 32-bit words; replaced like `f32`. @internal */
  readonly i32: Int32Array<ArrayBuffer>
  /** All memory as bytes; replaced like `f32`. @internal */
  readonly u8: Uint8Array<ArrayBuffer>
  /** Rows of the register tile: plans make their blocks multiples of it. @internal */
  readonly tileRows: number
  /** A tensor of zeros, of a type that is known to be right. @internal */
  cleared<D extends DType = 'float32'>(shape: Shape, type?: TensorOptions<D>): Tensor<D>
  /**
   * A tensor whose numbers are undefined until someone writes them; of the type of another where one is
   * given. @internal
   */
  empty<D extends DType = 'float32'>(shape: Shape, type?: TensorOptions<D>): Tensor<D>
  /**
   * A new tensor that `write` fills, of the type of another where one is given; given back where that fails.
   * @internal
   */
  make<D extends DType = 'float32'>(
    shape: Shape,
    write: (tensor: Tensor<D>) => void,
    type?: TensorOptions<D>,
  ): Tensor<D>
  /** A tensor over memory that someone else owns, such as a program. @internal */
  lend<D extends DType>(pointer: number, shape: Shape, dtype: D): Tensor<D>

  /** What it may take at most. @internal */
  readonly mostBytes: number

  /** Where kernels tell of an index outside of its axis. @internal */
  readonly fault: number

  /**
   * An index outside of an axis that a kernel met since this was asked last, and the length of that axis.
   * @internal
   */
  takeFault(): { index: number; length: number } | undefined

  /** A new tensor whose numbers the host writes. @internal */
  upload<D extends DType = 'float32'>(
    shape: Shape,
    write: (pointer: number) => void,
    type?: TensorOptions<D>,
  ): Tensor<D>
  /** Throws inside a recording: what the host writes no replay would repeat. @internal */
  checkUpload(): void
  /** `data`, or a copy where it stands in this engine's memory: growing would cut it off. @internal */
  steady<T>(data: T): T
  /** Runs `fn` with the scopes around it put aside: they do not free what is made inside. @internal */
  apart<T>(fn: () => T): T
  /**
   * A part of a scope that has pauses: what `fn` makes goes into `made`, which `leave` disposes at the end
   * but for what is kept. @internal
   */
  within<T>(made: Set<AnyTensor>, fn: () => T): T
  /** Ends such a scope. @internal */
  leave(made: ReadonlySet<AnyTensor>, kept: ReadonlySet<AnyTensor>): void
  /** Runs `fn` without telling the tape: for an op that tells it by itself what `fn` computes. @internal */
  untaped<T>(fn: () => T): T
  /**
   * Runs `fn`, and keeps what it ran and the memory that it used and gave back: the program does the same
   * again at the same addresses, without any allocation. What must outlive the recording (inputs, weights and
   * their packed copies, outputs) has to exist before: run `fn` once first. A dry recording notes the jobs
   * without doing them.
   * @internal
   */
  record<T>(fn: (program: Program) => T, options?: { dry?: boolean }): { result: T; program: Program }
  /** The same in steps: in between others may use the engine. @internal */
  recordInSteps<T>(
    fn: (program: Program) => Steps<T>,
    options?: { dry?: boolean },
  ): Steps<{ result: T; program: Program }>
  /** The address of so many bytes. @internal */
  allocate(bytes: number): number
  /** Gives back what `allocate` gave. @internal */
  free(pointer: number): void
  /** Sees to it that every thread has this much scratch memory. @internal */
  scratch(bytes: number): void
  /**
   * Runs all units of a job, on all threads where its work is worth it. Its scratch and its tensors are
   * allocated before. @internal
   */
  run<K extends Kernel>(job: Job<K>): void
  /** Counts a tensor, and lets it belong to the scope. @internal */
  track(tensor: AnyTensor): void
  /** Forgets a tensor that was disposed. @internal */
  untrack(tensor: AnyTensor): void
}
