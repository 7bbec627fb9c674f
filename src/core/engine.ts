/** How an engine is made, what it does, and what ops ask of the tensors that they are given. */
import { check, FilterbankError, messageOf, show } from '../base/errors.js'
import { isModule, isThenable } from '../base/realm.js'
import { printShape, type Shape, sizeOf } from '../base/shape.js'
import { reachBuiltins } from '../wasm/host.js'
import { type Exports, kernelNames } from '../wasm/kernels.js'
import { type Build, chooseBuild, compileSource, loadModule, type WasmSource } from '../wasm/load.js'
import { chooseThreads } from '../wasm/workers.js'
import { ANY, arrayAt, checkElements, type DType, FLOATS, listOf } from './dtype.js'
import { checkNumbers, type Numbers } from './numbers.js'
import { checkInteger, checkOptions, isShape, MOST, type Names, SIGNAL } from './options.js'
import { settleType, type TensorOptions } from './quantization.js'
import { reachedFrom } from './reach.js'
import { Runtime } from './runtime.js'
import { Storage } from './storage.js'
import { type AnyTensor, type Engine, type MemoryUse, type Tape, Tensor, type Trace } from './tensor.js'

export type { Engine }

/** What `createEngine` takes. */
export interface EngineOptions {
  /**
   * The build to use; by default the best that this host runs, of `'simd128'` and `'relaxed'`. Forcing one
   * that it lacks is an error. `'wide'`, up to twice as fast as `'relaxed'` and with its bytes, rests on an
   * experiment of V8's, a flag for the whole process: it is set after all kernels were checked with it in
   * processes of their own, which takes two seconds or more, once in a process (doc/hosts.md).
   */
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
   * beside it is checked. A Response of type application/wasm is compiled as it arrives, for an engine of one
   * thread.
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
  signal: SIGNAL,
}

const PAGE = 65536
const MOST_PAGES = 65536
const FIRST_PAGES = 4
const MOST_BYTES = (MOST_PAGES - 1) * PAGE
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
  signal?.throwIfAborted()
  check(options.simd !== 'wide' || wasm === undefined, () => ({
    op: 'createEngine',
    argument: 'wasm',
    expected: "none beside simd: 'wide', whose file is checked where it stands",
    got: show(wasm),
  }))
  await reachBuiltins()
  const wanted = chooseThreads(isModule(wasm) ? 1 : undefined, options.threads)
  const choice = await chooseBuild(options.simd ?? (wasm ? 'simd128' : undefined))
  const { memory, threads, reason } = memoryFor(wanted, maximumBytes)
  const shared = threads > 1
  const loaded = wasm
    ? { ...choice, module: await compileSource(wasm, shared, signal) }
    : { ...choice, module: await loadModule(choice.build, shared) }
  signal?.throwIfAborted()
  const exports = kernelsOf(loaded.module, memory)
  const build = exports.wide.value ? 'wide' : exports.fused.value ? 'relaxed' : 'simd128'
  check(!options.simd || options.simd === build, () => ({
    op: 'createEngine',
    argument: 'simd',
    expected: `'${build}' for this binary`,
    got: `'${options.simd}'`,
  }))
  const simdReason = wasm && !options.simd ? 'the binary given is of this build' : loaded.reason
  const engine = new TensorEngine(
    loaded.module,
    memory,
    exports,
    build,
    simdReason,
    maximumBytes,
    threads,
    reason,
  )
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
  const missing = [...kernelNames, 'bind', 'dotOfBytes', 'fused', 'heapBase', 'tileRows', 'wide'].filter(
    (name) => !(name in exports),
  )
  check(missing.length === 0, () => ({
    ...complaint,
    got: `a module without ${missing.slice(0, 3).join(', ')}`,
  }))
  return exports
}

/** An engine: a runtime that has tensors. What its methods do is said by `Engine`. @internal */
export class TensorEngine extends Runtime implements Engine {
  tape: Tape | undefined
  trace: Trace | undefined
  private tensors = 0
  private scopes: Set<AnyTensor>[] = []

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

  steady<T>(data: T): T {
    return ArrayBuffer.isView(data) && data.buffer === this.memoryObject?.buffer
      ? ((data as unknown as Float32Array).slice() as T)
      : data
  }

  zeros(shape: Shape, options?: { dtype?: undefined }): Tensor
  zeros<D extends DType>(shape: Shape, options: TensorOptions<D> & { dtype: D }): Tensor<D>
  zeros<D extends DType>(shape: Shape, options: TensorOptions<D> = {}): Tensor<D> {
    this.checkShape('engine.zeros', shape)
    return this.cleared(shape, settleType('engine.zeros', shape, options))
  }

  cleared<D extends DType = 'float32'>(shape: Shape, type?: TensorOptions<D>): Tensor<D> {
    const tensor = this.empty(shape, type)
    this.u8.fill(0, tensor.pointer, tensor.pointer + tensor.storage.bytes)
    this.trace?.given(tensor)
    return tensor
  }

  empty<D extends DType = 'float32'>(shape: Shape, type?: TensorOptions<D>): Tensor<D> {
    this.checkShape('engine.zeros', shape)
    const tensor = new Tensor<D>(this, shape, undefined, type)
    this.trace?.made(tensor)
    return tensor
  }

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
      if (made.size) kept = reachedFrom(result, isEnd)
    } finally {
      this.scopes.pop()
      for (const tensor of made) if (!kept.has(tensor)) tensor.dispose()
    }
    const outer = this.scopes.at(-1)
    if (outer) for (const tensor of made) if (kept.has(tensor)) outer.add(tensor)
    return result
  }

  memory(): MemoryUse {
    if (this.disposed) return { live: 0, peak: this.allocator.peak, reserved: 0, tensors: 0 }
    const { live, peak, reserved } = this.allocator
    return { live, peak, reserved, tensors: this.tensors }
  }

  get [Symbol.toStringTag](): string {
    return 'Engine'
  }

  apart<T>(fn: () => T): T {
    const { scopes } = this
    this.scopes = []
    try {
      return fn()
    } finally {
      this.scopes = scopes
    }
  }

  within<T>(made: Set<AnyTensor>, fn: () => T): T {
    this.scopes.push(made)
    try {
      return fn()
    } finally {
      this.scopes.pop()
    }
  }

  leave(made: ReadonlySet<AnyTensor>, kept: ReadonlySet<AnyTensor>): void {
    const outer = this.scopes.at(-1)
    for (const tensor of made) {
      if (!kept.has(tensor)) tensor.dispose()
      else if (!tensor.disposed) outer?.add(tensor)
    }
  }

  untaped<T>(fn: () => T): T {
    const { tape } = this
    this.tape = undefined
    try {
      return fn()
    } finally {
      this.tape = tape
    }
  }

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

  lend<D extends DType>(pointer: number, shape: Shape, dtype: D): Tensor<D> {
    return new Tensor<D>(this, shape, new Storage(this, sizeOf(shape), dtype, pointer))
  }

  upload<D extends DType = 'float32'>(
    shape: Shape,
    write: (pointer: number) => void,
    type?: TensorOptions<D>,
  ): Tensor<D> {
    this.checkUpload()
    const tensor = this.make(shape, ({ pointer }) => write(pointer), type)
    this.trace?.given(tensor)
    return tensor
  }

  checkUpload(): void {
    check(!this.recording, () => ({
      op: 'engine.tensor',
      argument: 'data',
      expected: 'uploaded before a recording',
      got: 'an upload that no replay would repeat',
    }))
  }

  track(tensor: AnyTensor): void {
    this.tensors++
    this.scopes.at(-1)?.add(tensor)
  }

  untrack(tensor: AnyTensor): void {
    this.tensors--
    for (const scope of this.scopes) scope.delete(tensor)
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

/** @internal */
export const isEngine = (value: unknown): value is Engine => value instanceof TensorEngine

/** What a scope does not look into. */
const isEnd = (item: object): boolean => item instanceof Tensor || isEngine(item)

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
  // Entries of a copy of both would cost more than all the rest of a small op, and so would closures.
  for (const argument in tensors) engine = homeOf(op, argument, tensors[argument]!, engine, dtypes)
  for (const argument in optional)
    if (optional[argument] !== undefined) engine = homeOf(op, argument, optional[argument], engine, dtypes)
  return engine!
}

/** The engine of one tensor, which is that of those before it. */
function homeOf(
  op: string,
  argument: string,
  tensor: AnyTensor,
  engine: Engine | undefined,
  dtypes: readonly DType[],
): Engine {
  if (!(tensor instanceof Tensor))
    throw new FilterbankError({ op, argument, expected: 'a tensor', got: show(tensor) })
  if (tensor.disposed)
    throw new FilterbankError({
      op,
      argument,
      expected: 'alive',
      got: `a disposed tensor ${printShape(tensor.shape)}`,
    })
  if (engine && tensor.engine !== engine)
    throw new FilterbankError({
      op,
      argument,
      expected: 'a tensor of the same engine',
      got: `one of another, ${printShape(tensor.shape)}`,
    })
  checkType(op, argument, tensor, dtypes)
  return tensor.engine
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
      hint: hintFor(tensor, dtypes),
    })
  }
}

/** How to another type: bytes that stand for numbers are more than integers. */
function hintFor({ quantization }: AnyTensor, dtypes: readonly DType[]): string | undefined {
  if (quantization && dtypes.includes('float32'))
    return 'dequantize(x) gives the numbers that its bytes stand for'
  return dtypes.length < ANY.length ? 'cast(x, dtype) gives another type' : undefined
}
