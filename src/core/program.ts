import type { Kernel } from '../wasm/kernels.js'
import { type Allocator, joined } from '../wasm/memory.js'

/** What a program needs of its engine. */
interface Runner {
  readonly i32: Int32Array
  allocate(bytes: number): number
  free(pointer: number): void
  execute(kernel: Kernel, call: number, units: number, work: number): void
}

/** One job: a kernel over the units of an argument block. */
interface Step {
  kernel: Kernel
  /** Index of the first word of its argument block. */
  call: number
  units: number
  work: number
}

/**
 * What an engine ran while it recorded: the jobs, their argument blocks, and the memory that they pass values
 * in. Whatever else the engine does in between, `run` does the same again at the same addresses, and
 * allocates nothing.
 */
export class Program {
  private readonly steps: Step[] = []
  private readonly blocks: Int32Array[] = []
  private touched: [start: number, end: number][] = []
  private readonly kept: number[] = []
  private size = 0

  constructor(private readonly engine: Runner) {}

  /** Number of jobs. */
  get length(): number {
    return this.steps.length
  }

  /** Bytes of memory that it keeps. */
  get bytes(): number {
    return this.size
  }

  /** What jobs [begin, end) run. */
  kernels(begin: number, end: number): Kernel[] {
    return this.steps.slice(begin, end).map(({ kernel }) => kernel)
  }

  /** Runs jobs [begin, end), by default all. */
  run(begin = 0, end = this.steps.length): void {
    for (let i = begin; i < end; i++) {
      const { kernel, call, units, work } = this.steps[i]!
      this.engine.execute(kernel, call, units, work)
    }
  }

  dispose(): void {
    for (const pointer of this.kept) this.engine.free(pointer)
    this.kept.length = 0
    this.steps.length = 0
  }

  /** Notes a job and what its argument block holds now. */
  add(kernel: Kernel, block: Int32Array, units: number, work: number): void {
    this.steps.push({ kernel, call: 0, units, work })
    this.blocks.push(block)
  }

  /** Notes bytes that were allocated meanwhile. */
  touch(start: number, bytes: number): void {
    this.touched.push([start, start + bytes])
  }

  /** Takes the bytes that were allocated so far and given back; their addresses. */
  hold(allocator: Allocator): number[] {
    this.touched = joined(this.touched)
    return allocator.freeWithin(this.touched).map(([start, bytes]) => {
      allocator.claim(start, bytes)
      return start
    })
  }

  /**
   * Ends the recording: takes the bytes that were allocated and given back, so that nobody else gets them,
   * and puts the argument blocks beside them.
   */
  keep(allocator: Allocator): void {
    for (const pointer of this.hold(allocator)) {
      this.kept.push(pointer)
      this.size += allocator.sizeOf(pointer)
    }
    this.touched = []
    const words = this.blocks.reduce((sum, block) => sum + block.length, 0)
    const pointer = this.engine.allocate(words * 4)
    this.kept.push(pointer)
    this.size += words * 4
    let call = pointer / 4
    for (const [i, block] of this.blocks.entries()) {
      this.engine.i32.set(block, call)
      this.steps[i]!.call = call
      call += block.length
    }
    this.blocks.length = 0
  }
}
