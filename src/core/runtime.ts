/**
 * One WebAssembly memory and the kernels that work in it: addresses, threads, jobs and their recordings. It
 * knows no tensors (tensor.ts).
 */
import { check, FilterbankError } from '../base/errors.js'
import { disposal } from '../base/realm.js'
import type { Steps } from '../base/turns.js'
import { type Block, FRAME_BYTES } from '../wasm/abi.js'
import { compilerOf } from '../wasm/host.js'
import { Control, controlWords } from '../wasm/job.js'
import { blocks, type Exports, type Job, type Kernel } from '../wasm/kernels.js'
import { type Build, type Tile, tileFor } from '../wasm/load.js'
import { Allocator } from '../wasm/memory.js'
import { Workers } from '../wasm/workers.js'
import { Program } from './program.js'

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

/** What runs kernels. What its methods do is said by `Engine`, which is one that has tensors. */
export class Runtime {
  /** Waking a worker takes 40 us. Witness: bench --threads 2. */
  parallelWork = 500_000
  readonly started: Promise<void>
  readonly byteDot: 'none' | 'unsigned' | 'signed'
  private chosenTile: Tile = 'unrolled'
  private readonly workers: Workers | undefined
  protected memoryObject: WebAssembly.Memory | undefined
  protected allocator: Allocator
  private readonly control: number
  private readonly calls: number
  readonly fault: number
  private nextCall = 0
  private scratchBytes = 0
  protected recording: Program | undefined
  private dry = false

  constructor(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    private exports: Exports,
    readonly simd: Build,
    readonly simdReason: string,
    maximumBytes: number,
    private readonly mostThreads: number,
    private readonly chosenThreadsReason: string,
  ) {
    this.memoryObject = memory
    this.allocator = new Allocator(memory, exports.heapBase(), maximumBytes)
    this.control = this.allocate(controlWords(mostThreads) * 4)
    this.calls = this.allocate(CALL_BYTES)
    this.fault = this.allocate(8)
    this.i32[this.fault / 4] = 0
    exports.bind(this.control, 0)
    const products = exports.dotOfBytes(127, 255)
    this.byteDot = products === 4 * 127 * 255 ? 'unsigned' : products === -4 * 127 ? 'signed' : 'none'
    this.tile = tileFor(compilerOf())
    this.workers = mostThreads > 1 ? new Workers(module, memory, this.control) : undefined
    this.started = this.workers?.start(mostThreads - 1) ?? Promise.resolve()
  }

  get threads(): number {
    return 1 + (this.workers?.joined ?? 0)
  }

  get threadsReason(): string {
    const { workers } = this
    if (workers?.starting)
      return `${this.chosenThreadsReason}; of ${workers.count} more threads ${workers.joined} have started`
    return workers?.reason || this.chosenThreadsReason
  }

  get disposed(): boolean {
    return this.memoryObject === undefined
  }

  dispose(): void {
    this.workers?.dispose()
    this.memoryObject = undefined
    this.f32 = new Float32Array(0)
    this.i32 = new Int32Array(0)
    this.u8 = new Uint8Array(0)
    this.exports = {} as Exports
  }

  [disposal](): void {
    this.dispose()
  }

  f32 = new Float32Array(0)
  i32 = new Int32Array(0)
  u8 = new Uint8Array(0)

  get tileRows(): number {
    return this.exports.tileRows.value
  }

  get tile(): Tile {
    return this.chosenTile
  }

  /** All threads read it with each job. For tests and benches. */
  set tile(tile: Tile) {
    this.chosenTile = tile
    this.i32[this.control / 4 + Control.tile] = Number(tile === 'rolled')
  }

  record<T>(fn: (program: Program) => T, { dry = false } = {}): { result: T; program: Program } {
    const program = new Program(this)
    this.goOn(program, dry)
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

  *recordInSteps<T>(
    fn: (program: Program) => Steps<T>,
    { dry = false } = {},
  ): Steps<{ result: T; program: Program }> {
    const program = new Program(this)
    this.goOn(program, dry)
    const steps = fn(program)
    let held: readonly number[] = []
    let done = false
    try {
      for (;;) {
        const step = steps.next()
        if (step.done) {
          this.recording = undefined
          program.keep(this.allocator)
          done = true
          return { result: step.value, program }
        }
        // In a pause what others run is theirs, and what the program gave back is not for them.
        this.recording = undefined
        held = program.hold(this.allocator)
        yield
        for (const pointer of held) this.free(pointer)
        held = []
        this.checkAlive()
        this.goOn(program, dry)
      }
    } finally {
      if (!done) {
        this.recording = undefined
        for (const pointer of held) this.free(pointer)
        steps.return(undefined as T)
        program.dispose()
      }
    }
  }

  private goOn(program: Program, dry: boolean): void {
    check(!this.recording, () => ({
      op: 'engine.record',
      argument: 'fn',
      expected: 'one that records nothing itself',
      got: 'a recording inside a recording',
    }))
    this.recording = program
    this.dry = dry
  }

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

  free(pointer: number): void {
    if (!this.disposed) this.allocator.release(pointer)
  }

  scratch(bytes: number): void {
    if (bytes <= this.scratchBytes) return
    const stride = Math.ceil((FRAME_BYTES + bytes) / 64) * 64
    const previous = this.i32[this.control / 4 + Control.scratch]!
    const pointer = this.allocate(stride * this.mostThreads)
    if (previous) this.free(previous >>> 0)
    this.scratchBytes = stride - FRAME_BYTES
    this.i32[this.control / 4 + Control.scratch] = pointer
    this.i32[this.control / 4 + Control.scratchStride] = stride
  }

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

  get mostBytes(): number {
    return this.allocator.limit
  }

  takeFault(): { index: number; length: number } | undefined {
    const word = this.fault / 4
    const length = this.i32[word]! - 1
    if (!(length >= 0) || this.recording) return undefined
    this.i32[word] = 0
    return { index: this.i32[word + 1]!, length }
  }

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

  protected checkAlive(): void {
    if (this.disposed)
      throw new FilterbankError({
        op: 'engine',
        argument: 'engine',
        expected: 'alive',
        got: 'a disposed one',
      })
  }
}
