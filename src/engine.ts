import { check, FilterbankError, show } from './errors.js'
import { Program } from './program.js'
import { isShape, printShape, type Shape } from './shape.js'
import type { Tape } from './tape.js'
import { checkNumbers, type Numbers, Tensor } from './tensor.js'
import { Control, controlWords } from './wasm/job.js'
import type { Exports, Kernel } from './wasm/kernels.js'
import { type Build, chooseBuild, compileSource, loadModule, type WasmSource } from './wasm/load.js'
import { Allocator } from './wasm/memory.js'
import { chooseThreads, Workers } from './wasm/workers.js'

/** What `createEngine` takes. */
export interface EngineOptions {
  /** The build to use; by default the best that this host runs. Forcing one that it lacks is an error. */
  simd?: Build
  /** Threads that share the work, the calling one included. Default: the number of cores, at most 8, where memory can be shared; else 1. */
  threads?: number
  /** Most bytes of memory that the engine may take; default 4 GiB less one page, which is all that WebAssembly can address. */
  maximumBytes?: number
  /** The binary, for pages that would rather stream it than carry it inlined: `dist/simd128.wasm` or `dist/relaxed.wasm`. Wants `simd` beside it. */
  wasm?: WasmSource
  /** Stops the loading. */
  signal?: AbortSignal
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
const MOST_BYTES = (MOST_PAGES - 1) * PAGE
/** Workers that still look for the next job take it in less than 1 us: so many times less work is worth it. Witness: bench networks --threads 2. */
const AWAKE_GAIN = 10
/** Argument blocks of eager ops take turns in these bytes: an op may start another while its own block is written. */
const CALL_BYTES = 8192

/**
 * Loads the kernels and makes an engine.
 * @throws FilterbankError where the host lacks WebAssembly SIMD, or what was asked for.
 * @example const engine = await createEngine()
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const { maximumBytes = MOST_BYTES, signal, wasm } = options
  check(Number.isInteger(maximumBytes) && maximumBytes >= 4 * PAGE && maximumBytes <= MOST_BYTES, () => ({
    op: 'createEngine',
    argument: 'maximumBytes',
    expected: `an integer from ${4 * PAGE} to ${MOST_BYTES}`,
    got: show(maximumBytes),
  }))
  signal?.throwIfAborted()
  const { threads, reason } = chooseThreads(wasm instanceof WebAssembly.Module ? 1 : undefined, options.threads)
  const { build, reason: simdReason } = await chooseBuild(options.simd ?? (wasm ? 'simd128' : undefined))
  const module = await (wasm ? compileSource(wasm, threads > 1) : loadModule(build, threads > 1))
  signal?.throwIfAborted()
  const engine = new Engine(module, build, simdReason, maximumBytes, threads, reason)
  // Workers asked for are waited for; those by default join when they are ready, so that the first answer need not wait.
  if (options.threads) await engine.started
  return engine
}

/** One WebAssembly memory, the kernels that work in it, and the tensors that live there. Made by `createEngine`. */
export class Engine {
  /** Work below this stays on the calling thread: waking a worker takes 40 us. Witness: bench --threads 2. @internal */
  parallelWork = 500_000
  /** Who notes down what the ops compute, while derivatives are wanted. @internal */
  tape: Tape | undefined
  /** Settles when the workers have started, or failed to. @internal */
  readonly started: Promise<void>
  private readonly workers: Workers | undefined
  private memoryObject: WebAssembly.Memory | undefined
  private exports: Exports
  private allocator: Allocator
  private readonly control: number
  private readonly calls: number
  private nextCall = 0
  private scratchBytes = 0
  private tensors = 0
  private recording: Program | undefined
  private dry = false
  /** Words of the argument blocks handed out while recording. */
  private readonly callLengths = new Map<number, number>()
  private scopes: Set<Tensor>[] = []

  /** @internal */
  constructor(
    module: WebAssembly.Module,
    /** The build in use. */
    readonly simd: Build,
    /** Why this build. */
    readonly simdReason: string,
    maximumBytes: number,
    private readonly mostThreads: number,
    private readonly chosenThreadsReason: string,
  ) {
    const memory = new WebAssembly.Memory(mostThreads > 1 ? { initial: 4, maximum: MOST_PAGES, shared: true } : { initial: 4 })
    this.memoryObject = memory
    this.exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports
    this.allocator = new Allocator(memory, this.exports.heapBase(), maximumBytes)
    this.control = this.allocate(controlWords(mostThreads) * 4)
    this.calls = this.allocate(CALL_BYTES)
    this.exports.bind(this.control, 0)
    this.workers = mostThreads > 1 ? new Workers(module, memory, this.control) : undefined
    this.started = this.workers?.start(mostThreads - 1) ?? Promise.resolve()
  }

  /** Threads that share the work, the calling one included. */
  get threads(): number {
    return 1 + (this.workers?.count ?? 0)
  }

  /** Why this many threads. */
  get threadsReason(): string {
    return this.workers?.reason || this.chosenThreadsReason
  }

  get disposed(): boolean {
    return this.memoryObject === undefined
  }

  /** `data` copied into the engine's memory. Throws when `data` is not numeric or has another length than `shape` says. */
  tensor(data: Numbers, shape: Shape): Tensor {
    this.checkShape('engine.tensor', shape)
    checkNumbers(data, shape, 'engine.tensor')
    return this.upload(shape, (pointer) => this.f32.set(data, pointer / 4))
  }

  /** A tensor of zeros. */
  zeros(shape: Shape): Tensor {
    const tensor = this.empty(shape)
    this.f32.fill(0, tensor.pointer / 4, tensor.pointer / 4 + tensor.size)
    return tensor
  }

  /** A tensor whose numbers are undefined until someone writes them. @internal */
  empty(shape: Shape): Tensor {
    this.checkShape('engine.zeros', shape)
    return new Tensor(this, shape)
  }

  /**
   * Runs `fn` and disposes every tensor made inside but those that it returns (a tensor, or tensors in arrays and plain objects).
   * Scopes nest. `fn` must not be async: tensors of other callers would be caught.
   */
  scope<T>(fn: () => T): T {
    const made = new Set<Tensor>()
    this.scopes.push(made)
    let result: T
    let kept = new Set<Tensor>()
    try {
      result = fn()
      check(!(result instanceof Promise), () => ({
        op: 'engine.scope',
        argument: 'fn',
        expected: 'a function that returns when it is done',
        got: 'an async one',
      }))
      kept = tensorsIn(result)
    } finally {
      this.scopes.pop()
      for (const tensor of made) if (!kept.has(tensor)) tensor.dispose()
    }
    const outer = this.scopes.at(-1)
    if (outer) for (const tensor of kept) if (made.has(tensor)) outer.add(tensor)
    return result
  }

  /** What the memory holds now. */
  memory(): MemoryUse {
    if (this.disposed) return { live: 0, peak: this.allocator.peak, reserved: 0, tensors: 0 }
    const { live, peak, reserved } = this.allocator
    return { live, peak, reserved, tensors: this.tensors }
  }

  /** Gives all memory back. The engine and its tensors are of no use afterwards; a second call does nothing. */
  dispose(): void {
    this.workers?.dispose()
    this.memoryObject = undefined
    this.f32 = new Float32Array(0)
    this.i32 = new Int32Array(0)
    this.u8 = new Uint8Array(0)
    this.exports = {} as Exports
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
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
   * Runs `fn`, and keeps what it ran and the memory that it used and gave back: the program does the same again at the same addresses, without
   * any allocation. What must outlive the recording (inputs, weights and their packed copies, outputs) has to exist before: run `fn` once first.
   * A dry recording notes the jobs without doing them.
   * @internal
   */
  record<T>(fn: (program: Program) => T, { dry = false } = {}): { result: T; program: Program } {
    const program = new Program(this)
    check(!this.recording, () => ({ op: 'engine.record', argument: 'fn', expected: 'one that records nothing itself', got: 'a recording inside a recording' }))
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

  /** A new tensor that `write` fills; given back where that fails. @internal */
  make(shape: Shape, write: (tensor: Tensor) => void): Tensor {
    const tensor = this.empty(shape)
    try {
      write(tensor)
    } catch (error) {
      tensor.dispose()
      throw error
    }
    return tensor
  }

  /** A new tensor whose numbers the host writes. @internal */
  upload(shape: Shape, write: (pointer: number) => void): Tensor {
    check(!this.recording, () => ({
      op: 'engine.tensor',
      argument: 'data',
      expected: 'uploaded before a recording',
      got: 'an upload that no replay would repeat',
    }))
    return this.make(shape, ({ pointer }) => write(pointer))
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

  /** An argument block: the index in `i32` (and `f32`) of its first word. It is good for the next `run`. @internal */
  call(length: number): number {
    if (this.nextCall + length > CALL_BYTES / 4) this.nextCall = 0
    const call = this.calls / 4 + this.nextCall
    this.nextCall += length
    if (this.recording) this.callLengths.set(call, length)
    return call
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

  /** Runs units [0, units) of a kernel, on all threads where `work` (about how many multiply-adds or numbers moved) is worth it. @internal */
  run(kernel: Kernel, call: number, units: number, work = units * 4096): void {
    if (this.recording) {
      this.recording.add(kernel, this.i32.slice(call, call + this.callLengths.get(call)!), units, work)
      if (this.dry) return
    }
    this.execute(kernel, call, units, work)
  }

  /** @internal */
  execute(kernel: Kernel, call: number, units: number, work: number): void {
    const { workers } = this
    if (units > 1 && workers?.joined && work >= (workers.awake ? this.parallelWork / AWAKE_GAIN : this.parallelWork))
      workers.run(kernel, this.exports[kernel], call * 4, units)
    else this.exports[kernel](call * 4, 0, units)
  }

  /** @internal */
  track(tensor: Tensor): void {
    this.tensors++
    this.scopes.at(-1)?.add(tensor)
  }

  /** @internal */
  untrack(tensor: Tensor): void {
    this.tensors--
    for (const scope of this.scopes) scope.delete(tensor)
  }

  private checkAlive(): void {
    if (this.disposed) throw new FilterbankError({ op: 'engine', argument: 'engine', expected: 'alive', got: 'a disposed one' })
  }

  private checkShape(op: string, shape: Shape): void {
    this.checkAlive()
    check(isShape(shape), () => ({ op, argument: 'shape', expected: 'an array of integers of at least 0', got: show(shape) }))
  }
}

/** Every tensor in a value: itself, or inside arrays and plain objects. */
function tensorsIn(value: unknown, found = new Set<Tensor>()): Set<Tensor> {
  if (value instanceof Tensor) found.add(value)
  else if (Array.isArray(value)) for (const item of value) tensorsIn(item, found)
  else if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)
    for (const item of Object.values(value)) tensorsIn(item, found)
  return found
}

/**
 * The engine that all these tensors live in; throws when one is disposed, not a tensor, or lives elsewhere. The optional ones may be undefined.
 * @internal
 */
export function engineOf(op: string, tensors: Record<string, Tensor>, optional: Record<string, Tensor | undefined> = {}): Engine {
  let engine: Engine | undefined
  const meet = (argument: string, tensor: Tensor) => {
    check(tensor instanceof Tensor, () => ({ op, argument, expected: 'a tensor', got: show(tensor) }))
    check(!tensor.disposed, () => ({ op, argument, expected: 'alive', got: `a disposed tensor ${printShape(tensor.shape)}` }))
    engine ??= tensor.engine
    check(tensor.engine === engine, () => ({ op, argument, expected: 'a tensor of the same engine', got: `one of another, ${printShape(tensor.shape)}` }))
  }
  // Entries of a copy of both would cost more than all the rest of a small op.
  for (const argument in tensors) meet(argument, tensors[argument]!)
  for (const argument in optional) if (optional[argument] !== undefined) meet(argument, optional[argument])
  return engine!
}
