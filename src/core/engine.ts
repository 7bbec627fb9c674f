import type { Block } from '../wasm/abi.js'
import { reachBuiltins } from '../wasm/host.js'
import { Control, controlWords } from '../wasm/job.js'
import { blocks, type Exports, type Job, type Kernel, kernelNames } from '../wasm/kernels.js'
import { type Build, chooseBuild, compileSource, loadChosen, type WasmSource } from '../wasm/load.js'
import { Allocator } from '../wasm/memory.js'
import { chooseThreads, Workers } from '../wasm/workers.js'
import { ANY, arrayAt, checkDtype, checkElements, type DType, FLOATS, listOf } from './dtype.js'
import { check, FilterbankError, messageOf, show } from './errors.js'
import { checkInteger, checkOptions, isShape, MOST, type Names } from './options.js'
import { Program } from './program.js'
import { checkTensorOptions, settleQuantization, type TensorOptions } from './quantization.js'
import { disposal, isMap, isModule, isSet, isThenable } from './realm.js'
import { printShape, type Shape } from './shape.js'
import type { Tape, Trace } from './tape.js'
import { type AnyTensor, checkNumbers, type Numbers, Tensor } from './tensor.js'

/** What `createEngine` takes. */
export interface EngineOptions {
  /** The build to use; by default the best that this host runs. Forcing one that it lacks is an error. */
  simd?: Build
  /**
   * Threads that share the work, the calling one included. Default: the number of cores, at most 8, where
   * memory can be shared; else 1. Those asked for are waited for; those by default join while the engine
   * works already (`engine.started` tells when).
   */
  threads?: number
  /**
   * Most bytes of memory that the engine may take; default 4 GiB less one page, which is all that WebAssembly
   * can address. With threads the host sets aside as many addresses: where it refuses that, the engine has
   * one thread.
   */
  maximumBytes?: number
  /**
   * The binary, for pages that would rather stream it than carry it inlined, and for hosts that compile
   * beforehand: `filterbank/simd128.wasm` or `filterbank/relaxed.wasm`. Which build it is shows in it; `simd`
   * beside it is checked.
   */
  wasm?: WasmSource
  /** Stops the loading. */
  signal?: AbortSignal
}

/** @internal */
export const ENGINE: Names<EngineOptions> = {
  simd: true,
  threads: true,
  maximumBytes: true,
  wasm: true,
  signal: true,
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

const PAGE = 65536
const MOST_PAGES = 65536
const FIRST_PAGES = 4
const MOST_BYTES = (MOST_PAGES - 1) * PAGE
/**
 * Workers that still look for the next job take it in less than 1 us: so many times less work is worth it.
 * Witness: bench networks --threads 2.
 */
const AWAKE_GAIN = 10
/**
 * Argument blocks of eager ops take turns in these bytes: an op may start another while its own block is
 * written.
 */
const CALL_BYTES = 8192

/**
 * Loads the kernels and makes an engine.
 * @throws FilterbankError where the host lacks WebAssembly SIMD, or what was asked for, or refuses to
 *   compile; the signal's reason where it is aborted
 * @example const engine = await createEngine()
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  checkOptions('createEngine', options, ENGINE)
  const { maximumBytes = MOST_BYTES, signal, wasm } = options
  checkInteger(maximumBytes, 'maximumBytes', 4 * PAGE, MOST_BYTES, { op: 'createEngine' })
  check(signal === undefined || signal === null || typeof signal.throwIfAborted === 'function', () => ({
    op: 'createEngine',
    argument: 'signal',
    expected: 'an AbortSignal',
    got: show(signal),
  }))
  signal?.throwIfAborted()
  await reachBuiltins()
  const wanted = chooseThreads(isModule(wasm) ? 1 : undefined, options.threads)
  const choice = await chooseBuild(options.simd ?? (wasm ? 'simd128' : undefined))
  const { memory, threads, reason } = memoryFor(wanted, maximumBytes)
  const shared = threads > 1
  const loaded = wasm
    ? { ...choice, module: await compileSource(wasm, shared, signal) }
    : await loadChosen(choice, options.simd !== undefined, shared)
  signal?.throwIfAborted()
  const exports = kernelsOf(loaded.module, memory)
  const build = exports.fused.value ? 'relaxed' : 'simd128'
  check(!options.simd || options.simd === build, () => ({
    op: 'createEngine',
    argument: 'simd',
    expected: `'${build}' for this binary`,
    got: `'${options.simd}'`,
  }))
  const simdReason = wasm && !options.simd ? 'the binary given is of this build' : loaded.reason
  const engine = new Engine(loaded.module, memory, exports, build, simdReason, maximumBytes, threads, reason)
  // Workers asked for are waited for; those by default join when they are ready, so that the first answer
  // need not wait.
  if (options.threads) await engine.started
  return engine
}

interface MemoryChoice {
  memory: WebAssembly.Memory
  threads: number
  reason: string
}

/** A memory for so many threads; for one where the host refuses to share as much. */
function memoryFor(
  { threads, reason }: { threads: number; reason: string },
  maximumBytes: number,
): MemoryChoice {
  if (threads > 1) {
    try {
      const memory = new WebAssembly.Memory({
        initial: FIRST_PAGES,
        maximum: Math.floor(maximumBytes / PAGE),
        shared: true,
      })
      return { memory, threads, reason }
    } catch (error) {
      const refusal = `the host refused ${maximumBytes} bytes of shared memory (${messageOf(error)}); it may give less: maximumBytes`
      return memoryFor({ threads: 1, reason: refusal }, maximumBytes)
    }
  }
  try {
    return { memory: new WebAssembly.Memory({ initial: FIRST_PAGES }), threads, reason }
  } catch (cause) {
    throw new FilterbankError(
      {
        op: 'createEngine',
        argument: 'host',
        expected: 'one that gives an engine its first memory',
        got: `a refusal: ${messageOf(cause)}`,
        hint: 'Every engine takes addresses: dispose those that are no longer needed',
      },
      { cause },
    )
  }
}

/** The kernels of a module, checked to be those of this version. */
function kernelsOf(module: WebAssembly.Module, memory: WebAssembly.Memory): Exports {
  const complaint = { op: 'createEngine', argument: 'wasm', expected: "filterbank's binary of this version" }
  let exports: Exports
  try {
    exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports
  } catch (cause) {
    throw new FilterbankError(
      { ...complaint, got: `a module that does not start: ${messageOf(cause)}` },
      { cause },
    )
  }
  const missing = [...kernelNames, 'bind', 'fused', 'heapBase', 'tileRows'].filter(
    (name) => !(name in exports),
  )
  check(missing.length === 0, () => ({
    ...complaint,
    got: `a module without ${missing.slice(0, 3).join(', ')}`,
  }))
  return exports
}

/**
 * One WebAssembly memory, the kernels that work in it, and the tensors that live there. Made by
 * `createEngine`.
 */
export class Engine {
  /**
   * Work below this stays on the calling thread: waking a worker takes 40 us. Witness: bench --threads 2.
   * @internal
   */
  parallelWork = 500_000
  /** Who notes down what the ops compute, while derivatives are wanted. @internal */
  tape: Tape | undefined
  /** Who notes down which ops run, while a model is written. @internal */
  trace: Trace | undefined
  /**
   * Settles when every other thread has joined or failed to: from then on `threads` stays. It never rejects.
   */
  readonly started: Promise<void>
  private readonly workers: Workers | undefined
  private memoryObject: WebAssembly.Memory | undefined
  private allocator: Allocator
  private readonly control: number
  private readonly calls: number
  private nextCall = 0
  private scratchBytes = 0
  private tensors = 0
  private recording: Program | undefined
  private dry = false
  private scopes: Set<AnyTensor>[] = []

  /** @internal */
  constructor(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    private exports: Exports,
    /** The build in use. */
    readonly simd: Build,
    /** Why this build. */
    readonly simdReason: string,
    maximumBytes: number,
    private readonly mostThreads: number,
    private readonly chosenThreadsReason: string,
  ) {
    this.memoryObject = memory
    this.allocator = new Allocator(memory, exports.heapBase(), maximumBytes)
    this.control = this.allocate(controlWords(mostThreads) * 4)
    this.calls = this.allocate(CALL_BYTES)
    exports.bind(this.control, 0)
    this.workers = mostThreads > 1 ? new Workers(module, memory, this.control) : undefined
    this.started = this.workers?.start(mostThreads - 1) ?? Promise.resolve()
  }

  /** Threads that share the work now, the calling one included: those that have started. */
  get threads(): number {
    return 1 + (this.workers?.joined ?? 0)
  }

  /** Why this many threads. */
  get threadsReason(): string {
    const { workers } = this
    if (workers?.starting)
      return `${this.chosenThreadsReason}; of ${workers.count} more threads ${workers.joined} have started`
    return workers?.reason || this.chosenThreadsReason
  }

  get disposed(): boolean {
    return this.memoryObject === undefined
  }

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
  tensor<D extends DType>(data: Numbers, shape: Shape, options: TensorOptions<D> & { dtype: D }): Tensor<D>
  tensor<D extends DType>(data: Numbers, shape: Shape, options: TensorOptions<D> = {}): Tensor<D> {
    const op = 'engine.tensor'
    this.checkShape(op, shape)
    checkNumbers(data, shape, op)
    const type = settleType(op, shape, options)
    checkElements(op, data, type.dtype!, shape)
    const numbers = this.steady(data)
    return this.upload(
      shape,
      (pointer) => arrayAt(type.dtype!, this.u8.buffer, pointer, numbers.length).set(numbers),
      type,
    )
  }

  /** `data`, or a copy where it stands in this engine's memory: growing would cut it off. @internal */
  steady<T>(data: T): T {
    return ArrayBuffer.isView(data) && data.buffer === this.memoryObject?.buffer
      ? ((data as unknown as Float32Array).slice() as T)
      : data
  }

  /** Zeros: of float32, or of the `dtype` asked for, which may have a quantization. */
  zeros(shape: Shape, options?: { dtype?: undefined }): Tensor
  zeros<D extends DType>(shape: Shape, options: TensorOptions<D> & { dtype: D }): Tensor<D>
  zeros<D extends DType>(shape: Shape, options: TensorOptions<D> = {}): Tensor<D> {
    this.checkShape('engine.zeros', shape)
    return this.cleared(shape, settleType('engine.zeros', shape, options))
  }

  /** A tensor of zeros, of a type that is known to be right. @internal */
  cleared<D extends DType = 'float32'>(shape: Shape, type?: TensorOptions<D>): Tensor<D> {
    const tensor = this.empty(shape, type)
    this.u8.fill(0, tensor.pointer, tensor.pointer + tensor.storage.bytes)
    this.trace?.given(tensor)
    return tensor
  }

  /**
   * A tensor whose numbers are undefined until someone writes them; of the type of another where one is
   * given. @internal
   */
  empty<D extends DType = 'float32'>(shape: Shape, type?: TensorOptions<D>): Tensor<D> {
    this.checkShape('engine.zeros', shape)
    const tensor = new Tensor<D>(this, shape, undefined, type)
    this.trace?.made(tensor)
    return tensor
  }

  /**
   * Runs `fn` and disposes every tensor made inside but those that it returns: a tensor, or tensors in
   * arrays, maps, sets and the fields of objects, however deep. Scopes nest. `fn` must not be async: tensors
   * of other callers would be caught.
   * @throws FilterbankError for what is no function, or an async one; and what `fn` throws
   */
  scope<T>(fn: () => T): T {
    check(typeof fn === 'function', () => ({
      op: 'engine.scope',
      argument: 'fn',
      expected: 'a function',
      got: show(fn),
    }))
    const made = new Set<AnyTensor>()
    this.scopes.push(made)
    let result: T
    let kept: ReadonlySet<unknown> = new Set()
    try {
      result = fn()
      // What it goes on to do fails without its tensors, and nobody is to hear of that twice.
      if (isThenable(result)) result.then(undefined, () => {})
      check(!isThenable(result), () => ({
        op: 'engine.scope',
        argument: 'fn',
        expected: 'a function that returns when it is done',
        got: 'an async one',
      }))
      if (made.size) kept = reachedFrom(result)
    } finally {
      this.scopes.pop()
      for (const tensor of made) if (!kept.has(tensor)) tensor.dispose()
    }
    const outer = this.scopes.at(-1)
    if (outer) for (const tensor of made) if (kept.has(tensor)) outer.add(tensor)
    return result
  }

  /** What the memory holds now. */
  memory(): MemoryUse {
    if (this.disposed) return { live: 0, peak: this.allocator.peak, reserved: 0, tensors: 0 }
    const { live, peak, reserved } = this.allocator
    return { live, peak, reserved, tensors: this.tensors }
  }

  /**
   * Gives all memory back. The engine and its tensors are of no use afterwards; a second call does nothing.
   */
  dispose(): void {
    this.workers?.dispose()
    this.memoryObject = undefined
    this.f32 = new Float32Array(0)
    this.i32 = new Int32Array(0)
    this.u8 = new Uint8Array(0)
    this.exports = {} as Exports
  }

  /** `dispose`, for `using`. */
  [disposal](): void {
    this.dispose()
  }

  get [Symbol.toStringTag](): string {
    return 'Engine'
  }

  // What the ops are made of.

  /** All memory as floats. Replaced whenever memory grows, so taken anew after every allocation. @internal */
  f32 = new Float32Array(0)
  /** All memory as 32-bit words; replaced like `f32`. @internal */
  i32 = new Int32Array(0)
  /** All memory as bytes; replaced like `f32`. @internal */
  u8 = new Uint8Array(0)

  /** Rows of the register tile: plans make their blocks multiples of it. @internal */
  get tileRows(): number {
    return this.exports.tileRows.value
  }

  /**
   * Runs `fn`, and keeps what it ran and the memory that it used and gave back: the program does the same
   * again at the same addresses, without any allocation. What must outlive the recording (inputs, weights and
   * their packed copies, outputs) has to exist before: run `fn` once first. A dry recording notes the jobs
   * without doing them.
   * @internal
   */
  record<T>(fn: (program: Program) => T, { dry = false } = {}): { result: T; program: Program } {
    const program = new Program(this)
    check(!this.recording, () => ({
      op: 'engine.record',
      argument: 'fn',
      expected: 'one that records nothing itself',
      got: 'a recording inside a recording',
    }))
    this.recording = program
    this.dry = dry
    try {
      const result = fn(program)
      this.recording = undefined
      program.keep(this.allocator)
      return { result, program }
    } catch (error) {
      this.recording = undefined
      program.dispose()
      throw error
    }
  }

  /** Runs `fn` with the scopes around it put aside: they do not free what is made inside. @internal */
  apart<T>(fn: () => T): T {
    const { scopes } = this
    this.scopes = []
    try {
      return fn()
    } finally {
      this.scopes = scopes
    }
  }

  /** Runs `fn` without telling the tape: for an op that tells it by itself what `fn` computes. @internal */
  untaped<T>(fn: () => T): T {
    const { tape } = this
    this.tape = undefined
    try {
      return fn()
    } finally {
      this.tape = tape
    }
  }

  /**
   * A new tensor that `write` fills, of the type of another where one is given; given back where that fails.
   * @internal
   */
  make<D extends DType = 'float32'>(
    shape: Shape,
    write: (tensor: Tensor<D>) => void,
    type?: TensorOptions<D>,
  ): Tensor<D> {
    const tensor = this.empty(shape, type)
    try {
      write(tensor)
    } catch (error) {
      tensor.dispose()
      throw error
    }
    return tensor
  }

  /** A new tensor whose numbers the host writes. @internal */
  upload<D extends DType = 'float32'>(
    shape: Shape,
    write: (pointer: number) => void,
    type?: TensorOptions<D>,
  ): Tensor<D> {
    check(!this.recording, () => ({
      op: 'engine.tensor',
      argument: 'data',
      expected: 'uploaded before a recording',
      got: 'an upload that no replay would repeat',
    }))
    const tensor = this.make(shape, ({ pointer }) => write(pointer), type)
    this.trace?.given(tensor)
    return tensor
  }

  /** @internal */
  allocate(bytes: number): number {
    this.checkAlive()
    const pointer = this.allocator.allocate(bytes)
    this.recording?.touch(pointer, this.allocator.sizeOf(pointer))
    const { buffer } = this.memoryObject!
    if (this.u8.length !== buffer.byteLength) {
      this.f32 = new Float32Array(buffer)
      this.i32 = new Int32Array(buffer)
      this.u8 = new Uint8Array(buffer)
    }
    return pointer
  }

  /** @internal */
  free(pointer: number): void {
    if (!this.disposed) this.allocator.release(pointer)
  }

  /** Sees to it that every thread has this much scratch memory. @internal */
  scratch(bytes: number): void {
    if (bytes <= this.scratchBytes) return
    const stride = Math.ceil(bytes / 64) * 64
    const previous = this.i32[this.control / 4 + Control.scratch]!
    const pointer = this.allocate(stride * this.mostThreads)
    if (previous) this.free(previous >>> 0)
    this.scratchBytes = stride
    this.i32[this.control / 4 + Control.scratch] = pointer
    this.i32[this.control / 4 + Control.scratchStride] = stride
  }

  /**
   * Runs all units of a job, on all threads where its work is worth it. Its scratch and its tensors are
   * allocated before. @internal
   */
  run<K extends Kernel>({ kernel, args, units, work = units * 4096 }: Job<K>): void {
    const block = blocks[kernel] as Block<typeof args>
    const words = block.words(args)
    if (this.nextCall + words > CALL_BYTES / 4) this.nextCall = 0
    const call = this.calls / 4 + this.nextCall
    this.nextCall += words
    block.write(args, call, this.i32, this.f32)
    if (this.recording) {
      this.recording.add(kernel, this.i32.slice(call, call + words), units, work)
      if (this.dry) return
    }
    this.execute(kernel, call, units, work)
  }

  /** @internal */
  execute(kernel: Kernel, call: number, units: number, work: number): void {
    const { workers } = this
    if (
      units > 1 &&
      workers?.joined &&
      work >= (workers.awake ? this.parallelWork / AWAKE_GAIN : this.parallelWork)
    )
      workers.run(kernel, this.exports[kernel], call * 4, units)
    else this.exports[kernel](call * 4, 0, units)
  }

  /** @internal */
  track(tensor: AnyTensor): void {
    this.tensors++
    this.scopes.at(-1)?.add(tensor)
  }

  /** @internal */
  untrack(tensor: AnyTensor): void {
    this.tensors--
    for (const scope of this.scopes) scope.delete(tensor)
  }

  private checkAlive(): void {
    if (this.disposed)
      throw new FilterbankError({
        op: 'engine',
        argument: 'engine',
        expected: 'alive',
        got: 'a disposed one',
      })
  }

  private checkShape(op: string, shape: Shape): void {
    this.checkAlive()
    check(isShape(shape), () => ({
      op,
      argument: 'shape',
      expected: `an array of integers from 0 to ${MOST}`,
      got: show(shape),
    }))
  }
}

/**
 * All objects that a value leads to: through items of arrays, maps and sets, and fields of objects; what
 * contains itself is met once. Tensors, arrays of numbers, engines, and what belongs to a page (its elements
 * lead everywhere) are ends.
 */
function reachedFrom(value: unknown): ReadonlySet<unknown> {
  const reached = new Set<unknown>()
  const meet = (item: unknown) => {
    if (typeof item === 'object' && item !== null) reached.add(item)
  }
  meet(value)
  // What is added meanwhile is walked, too.
  for (const item of reached) {
    if (item instanceof Tensor || item instanceof Engine || ArrayBuffer.isView(item)) continue
    if (Array.isArray(item)) for (const element of item) meet(element)
    else if (isMap(item)) for (const entry of item) entry.forEach(meet)
    else if (isSet(item)) item.forEach(meet)
    else if (!('addEventListener' in (item as object)))
      for (const field of Object.values(item as object)) meet(field)
  }
  return reached
}

/** A type that was asked for, checked and whole. */
function settleType<D extends DType>(op: string, shape: Shape, options: TensorOptions<D>): TensorOptions<D> {
  checkTensorOptions(op, options)
  const { dtype = 'float32' as D, quantization } = options
  checkDtype(op, dtype)
  return { dtype, quantization: settleQuantization(op, quantization, dtype, shape) }
}

/**
 * The engine that all these tensors live in; throws when one is disposed, not a tensor, lives elsewhere, or
 * is of a type that the op does not take: by default all but float32. The optional ones may be undefined.
 * @internal
 */
export function engineOf(
  op: string,
  tensors: Record<string, AnyTensor>,
  optional: Record<string, AnyTensor | undefined> = {},
  dtypes: readonly DType[] = FLOATS,
): Engine {
  let engine: Engine | undefined
  const meet = (argument: string, tensor: AnyTensor) => {
    check(tensor instanceof Tensor, () => ({ op, argument, expected: 'a tensor', got: show(tensor) }))
    check(!tensor.disposed, () => ({
      op,
      argument,
      expected: 'alive',
      got: `a disposed tensor ${printShape(tensor.shape)}`,
    }))
    engine ??= tensor.engine
    check(tensor.engine === engine, () => ({
      op,
      argument,
      expected: 'a tensor of the same engine',
      got: `one of another, ${printShape(tensor.shape)}`,
    }))
    checkType(op, argument, tensor, dtypes)
  }
  // Entries of a copy of both would cost more than all the rest of a small op.
  for (const argument in tensors) meet(argument, tensors[argument]!)
  for (const argument in optional) if (optional[argument] !== undefined) meet(argument, optional[argument])
  return engine!
}

/** Throws where a tensor is of a type that the op does not take. @internal */
export function checkType(op: string, argument: string, tensor: AnyTensor, dtypes: readonly DType[]): void {
  // Nearly every op takes float32 alone, and small ones are called often.
  if (dtypes === FLOATS ? tensor.dtype !== 'float32' : !dtypes.includes(tensor.dtype)) {
    throw new FilterbankError({
      op,
      argument,
      expected: `of ${listOf(dtypes)}`,
      got: `a tensor of ${tensor.dtype}`,
      shapes: { [argument]: tensor.shape },
      hint: dtypes.length < ANY.length ? 'cast(x, dtype) gives another type' : undefined,
    })
  }
}
