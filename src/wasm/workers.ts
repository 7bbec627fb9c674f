/**
 * The worker threads of an engine: started from an inlined source, sharing its memory, joining every job that
 * is large enough.
 */
import { check, FilterbankError, show } from '../base/errors.js'
import { now } from '../base/turns.js'
import { builtin, coresOf } from './host.js'
import { Control, distribute, type Start, work } from './job.js'
import { type Kernel, kernelNames } from './kernels.js'
import source from './workerSource.js'

/** A worker of Node or of a page, as far as it is used here. */
interface Thread {
  postMessage(message: unknown): void
  terminate(): unknown
}

/** Milliseconds that a worker may take to start. */
const START_LIMIT = 10_000
/**
 * Milliseconds that a worker may go on after the caller has run out of work, beyond many times what the
 * caller took itself.
 */
const FINISH_LIMIT = 5_000

/** Why threads cannot share memory here; undefined where they can. */
export function sharingRefused(): string | undefined {
  if (globalThis.crossOriginIsolated === false) {
    return 'this page is not cross-origin isolated (it needs the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp)'
  }
  if (typeof SharedArrayBuffer === 'undefined') {
    return globalThis.crossOriginIsolated
      ? 'this page is cross-origin isolated, but its browser has no SharedArrayBuffer'
      : 'this host has no SharedArrayBuffer'
  }
  return undefined
}

const startingRefused = (): string | undefined =>
  builtin('node:worker_threads') || typeof Worker === 'function'
    ? undefined
    : 'no worker can be started here (service workers and worklets cannot)'

/**
 * How many threads this host allows, and why; or a check of the number asked for. `most` is what the caller's
 * module allows.
 */
export function chooseThreads(
  most: number | undefined,
  wanted: number | undefined,
): { threads: number; reason: string } {
  const refusal = most
    ? 'the module given was compiled for plain memory'
    : (sharingRefused() ?? startingRefused())
  if (wanted === undefined) {
    if (refusal) return { threads: 1, reason: refusal }
    const cores = coresOf() ?? 1
    return { threads: Math.min(8, cores), reason: `this host has ${cores} cores` }
  }
  check(Number.isInteger(wanted) && wanted >= 1 && wanted <= 64, () => ({
    op: 'createEngine',
    argument: 'threads',
    expected: 'an integer from 1 to 64',
    got: show(wanted),
  }))
  check(wanted === 1 || !refusal, () => ({
    op: 'createEngine',
    argument: 'threads',
    expected: '1 on this host',
    got: show(wanted),
    hint: `Threads share memory, but ${refusal}`,
  }))
  return { threads: wanted, reason: 'as asked for' }
}

export class Workers {
  /** Workers that run or are about to. */
  count = 0
  /** Ends the wait for those that have not joined yet. */
  private readonly waiting = new Set<(reason?: string) => void>()
  /** Why there are fewer than wanted. */
  reason = ''
  private readonly threads: Thread[] = []
  private readonly words: Int32Array

  constructor(
    private readonly module: WebAssembly.Module,
    private readonly memory: WebAssembly.Memory,
    private readonly control: number,
  ) {
    this.words = new Int32Array(memory.buffer, control)
  }

  /** Workers that have started and join the jobs. */
  get joined(): number {
    return this.count && Atomics.load(this.words, Control.joined)
  }

  /** Whether some have neither joined nor failed to. */
  get starting(): boolean {
    return this.waiting.size > 0
  }

  /** Whether none of them has gone to sleep. */
  get awake(): boolean {
    return Atomics.load(this.words, Control.sleepers) === 0
  }

  /** Starts workers 1 to `count`; settles when each has joined or failed to. */
  async start(count: number): Promise<void> {
    this.count = count
    await Promise.all(Array.from({ length: count }, (_, i) => this.startOne(i + 1)))
  }

  /** Runs units [0, units) of a kernel on all threads; returns when all are done. */
  run(
    kernel: Kernel,
    here: (call: number, begin: number, end: number) => void,
    call: number,
    units: number,
  ): void {
    const { words } = this
    words[Control.kernel] = kernelNames.indexOf(kernel)
    words[Control.call] = call
    words[Control.units] = units
    words[Control.parts] = this.count + 1
    distribute(words)
    Atomics.store(words, Control.open, 1)
    Atomics.add(words, Control.sequence, 1)
    if (Atomics.load(words, Control.sleepers)) Atomics.notify(words, Control.sequence)
    const began = now()
    try {
      work(words, 0, here)
    } finally {
      Atomics.store(words, Control.open, 0)
      this.finish(kernel, now() - began)
    }
  }

  dispose(): void {
    for (const thread of this.threads) thread.terminate()
    this.threads.length = 0
    this.count = 0
    for (const settle of this.waiting) settle()
  }

  /**
   * Waits until no worker is at the job. A page's main thread may not sleep, and a worker has at most one
   * share left: look until it is done.
   */
  private finish(kernel: Kernel, took: number): void {
    const { words } = this
    const limit = now() + FINISH_LIMIT + 20 * took
    for (let spin = 1; Atomics.load(words, Control.active) > 0; spin++) {
      if (spin % 10_000 === 0 && now() > limit) this.stop(`a worker did not finish its share of ${kernel}`)
    }
    if (Atomics.load(words, Control.failed)) this.stop(`a worker failed in ${kernel}`)
  }

  /** After a worker was lost in a job: ends the others, and says that the job's result is not to be used. */
  private stop(reason: string): never {
    this.dispose()
    this.reason = reason
    throw new FilterbankError({
      op: 'engine',
      argument: 'threads',
      expected: 'alive',
      got: reason,
      hint: 'The result is lost; the engine goes on with one thread',
    })
  }

  private startOne(thread: number): Promise<void> {
    return new Promise((resolve) => {
      const settle = (reason?: string) => {
        clearTimeout(timer)
        if (!this.waiting.delete(settle)) return
        if (reason && this.count) {
          this.count--
          this.reason = reason
        }
        resolve()
      }
      this.waiting.add(settle)
      const timer = setTimeout(settle, START_LIMIT, `a worker did not start within ${START_LIMIT / 1000} s`)
      ;(timer as { unref?: () => void }).unref?.()
      const failed = (error: unknown) =>
        settle(
          `a worker could not start: ${(error as Error)?.message || 'refused by the host, perhaps by a Content-Security-Policy without worker-src blob:'}`,
        )
      try {
        const message: Start = {
          module: this.module,
          memory: this.memory,
          control: this.control,
          thread,
          kernels: kernelNames,
        }
        this.threads.push(spawn(message, () => settle(), failed))
      } catch (error) {
        failed(error)
      }
    })
  }
}

/**
 * Starts a worker: in Node without keeping the process alive once it has started, elsewhere from a Blob URL,
 * so that nothing is fetched.
 */
function spawn(message: Start, ready: () => void, failed: (error: unknown) => void): Thread {
  const node = builtin('node:worker_threads')
  if (node) {
    const worker = new node.Worker(source, { eval: true })
    worker.once('message', () => {
      worker.unref()
      ready()
    })
    worker.once('error', failed)
    worker.postMessage(message)
    return worker
  }
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }))
  const worker = new Worker(url, { name: 'filterbank' })
  worker.onmessage = () => {
    URL.revokeObjectURL(url)
    ready()
  }
  worker.onerror = (event) => {
    event.preventDefault()
    URL.revokeObjectURL(url)
    failed(event)
  }
  worker.postMessage(message)
  return worker
}
