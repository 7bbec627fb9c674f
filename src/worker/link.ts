/** A worker as the page has it: started, called, lost. */

import { FilterbankError, messageOf, show } from '../base/errors.js'
import { isArrayBuffer } from '../base/realm.js'
import { builtin, reachBuiltins } from '../wasm/host.js'
import { abortError, type Reply, type Request, unpackError } from './protocol.js'
import type { Service } from './serve.js'
import source from './served.js'

interface Pending {
  resolve: (result: never) => void
  reject: (error: unknown) => void
  /** Rejects, and tells the worker that nobody waits any more. */
  stop: (reason: unknown) => void
  onProgress: ((progress: never) => void) | undefined
}

interface Thread {
  post(message: Request, transfer: readonly Transferable[]): void
  /** Whether it keeps the process alive: Node's. */
  hold(whether: boolean): void
  terminate(): void
}

interface Listeners {
  message: (reply: Reply) => void
  lost: (reason: string) => void
}

export interface CallOptions {
  transfer?: readonly Transferable[]
  signal?: AbortSignal | undefined
  onProgress?: ((progress: never) => void) | undefined
  /** Takes an answer that comes although the call was stopped. */
  late?: ((result: never) => void) | undefined
}

const SELF_SERVE =
  "serve the package's file dist/worker-thread.js and give its address: createWorker({ url: '/worker-thread.js' })"

/** What an error of a call is about. */
const OPS: Readonly<Record<keyof Service, string>> = {
  start: 'createWorker',
  loadModel: 'loadModel',
  run: 'model.run',
  summary: 'model.summary',
  disposeModel: 'model.dispose',
  filter: 'worker.filter',
  memory: 'worker.memory',
}

/** Whether a message can move it. Node loses a message that moves a buffer which was moved before. */
const isThere = (item: Transferable): boolean => !isArrayBuffer(item) || item.byteLength > 0

export class Link {
  private readonly pending = new Map<number, Pending>()
  private readonly late = new Map<number, (result: never) => void>()
  private thread: Thread | undefined
  private count = 0
  private end: FilterbankError | undefined
  private ready: (() => void) | undefined

  /** Starts the worker; settles when its script runs. */
  async open(url: string | undefined): Promise<void> {
    await reachBuiltins()
    const started = new Promise<void>((resolve, reject) => {
      this.pending.set(0, { resolve, reject, stop: reject, onProgress: undefined })
      this.ready = resolve
    })
    const listeners: Listeners = {
      message: (reply) => this.receive(reply),
      lost: (reason) => this.lose(reason),
    }
    try {
      this.thread = start(url, listeners)
    } catch (error) {
      this.lose(messageOf(error))
    }
    try {
      await started
    } catch (error) {
      throw await whyNot(url, error as Error)
    }
    this.pending.delete(0)
  }

  /** Calls one of the worker's functions. */
  call<Name extends keyof Service>(
    method: Name,
    argument: Parameters<Service[Name]>[0],
    { transfer = [], signal, onProgress, late }: CallOptions = {},
  ): ReturnType<Service[Name]> {
    const id = ++this.count
    const result = new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      if (this.end) throw this.end
      const stop = (reason: unknown) => {
        this.thread?.post({ id, stop: true }, [])
        if (late) this.late.set(id, late)
        this.settle(id)?.reject(reason)
      }
      const aborted = () => stop(signal!.reason ?? abortError('stopped'))
      const off = () => signal?.removeEventListener('abort', aborted)
      this.pending.set(id, {
        resolve: (value) => {
          off()
          resolve(value)
        },
        reject: (error) => {
          off()
          reject(error)
        },
        stop,
        onProgress,
      })
      signal?.addEventListener('abort', aborted)
      try {
        const request = { id, method, argument, progress: Boolean(onProgress) }
        this.thread!.post(request, transfer.filter(isThere))
        this.thread!.hold(true)
      } catch (error) {
        this.settle(id)
        off()
        throw unsendable(OPS[method], error)
      }
    })
    return result as ReturnType<Service[Name]>
  }

  /** Ends the worker; what is pending is rejected. */
  dispose(): void {
    this.lose('disposed')
  }

  private receive(reply: Reply): void {
    if ('ready' in reply) {
      this.ready?.()
      this.thread?.hold(this.pending.size > 1)
    } else if ('progress' in reply) {
      const pending = this.pending.get(reply.id)
      try {
        pending?.onProgress?.(reply.progress as never)
      } catch (error) {
        pending?.stop(error)
      }
    } else {
      if ('error' in reply) this.settle(reply.id)?.reject(unpackError(reply.error))
      else (this.settle(reply.id)?.resolve ?? this.late.get(reply.id))?.(reply.result as never)
      this.late.delete(reply.id)
    }
  }

  private settle(id: number): Pending | undefined {
    const pending = this.pending.get(id)
    this.pending.delete(id)
    if (this.pending.size === 0) this.thread?.hold(false)
    return pending
  }

  private lose(reason: string): void {
    if (this.end) return
    this.end = new FilterbankError({
      op: 'worker',
      argument: 'worker',
      expected: 'alive',
      got: reason === 'disposed' ? 'a disposed one' : `one that ended: ${reason}`,
      ...(reason === 'disposed'
        ? {}
        : { hint: 'What was pending is lost, models too; createWorker makes another' }),
    })
    this.thread?.terminate()
    for (const { reject } of this.pending.values()) reject(this.end)
    this.pending.clear()
  }
}

const unsendable = (op: string, cause: unknown): FilterbankError =>
  new FilterbankError(
    { op, argument: 'arguments', expected: 'what a message to a worker carries', got: messageOf(cause) },
    { cause },
  )

function start(url: string | undefined, { message, lost }: Listeners): Thread {
  const node = builtin('node:worker_threads')
  if (node) {
    const path = url === undefined ? undefined : /^file:/.test(url) ? new URL(url) : url
    const worker = path === undefined ? new node.Worker(source, { eval: true }) : new node.Worker(path)
    worker.on('message', message)
    worker.on('messageerror', (error) => lost(messageOf(error)))
    worker.on('error', (error) => lost(messageOf(error)))
    worker.on('exit', (code) => lost(`exit code ${code}`))
    return {
      post: (request, transfer) => worker.postMessage(request, transfer as never),
      hold: (whether) => (whether ? worker.ref() : worker.unref()),
      terminate: () => void worker.terminate(),
    }
  }
  if (typeof Worker !== 'function')
    throw new Error('this host has no Worker (service workers and worklets have none)')
  const blob =
    url === undefined ? URL.createObjectURL(new Blob([source], { type: 'text/javascript' })) : undefined
  const worker = new Worker(url ?? blob!, { name: 'filterbank' })
  worker.onmessage = ({ data }) => {
    if (blob) URL.revokeObjectURL(blob)
    message(data)
  }
  worker.onmessageerror = () => lost('a message that could not be read')
  worker.onerror = (event) => {
    event.preventDefault()
    lost(event.message || 'its script did not load')
  }
  return {
    post: (request, transfer) => worker.postMessage(request, [...transfer]),
    hold: () => {},
    terminate: () => worker.terminate(),
  }
}

/** Why a worker did not start, and what to do about it. */
async function whyNot(url: string | undefined, cause: Error): Promise<FilterbankError> {
  const got = (cause as FilterbankError).got ?? cause.message
  if (url === undefined)
    return new FilterbankError(
      {
        op: 'createWorker',
        argument: 'worker',
        expected: 'one that starts from a blob: URL',
        got,
        hint: `Where a Content-Security-Policy lacks worker-src blob:, ${SELF_SERVE}`,
      },
      { cause },
    )
  const answer = await Promise.resolve()
    .then(() => fetch(url))
    .then(
      ({ status, headers }) => `status ${status}, ${headers.get('content-type') ?? 'without a type'}`,
      () => undefined,
    )
  return new FilterbankError(
    {
      op: 'createWorker',
      argument: 'url',
      expected: "the address of filterbank's worker-thread.js, on the page's own origin",
      got: `${show(url)}${answer ? ` (${answer})` : ''}: ${got}`,
      hint: `To use it, ${SELF_SERVE}`,
    },
    { cause },
  )
}
