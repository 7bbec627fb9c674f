/** The page's side of worker.ts: code goes there, and what it shows comes back. */

import { source } from 'site:worker'

/** How code is run, and what its `show` takes: see worker.ts. */
export type Kind = 'maps' | 'values' | 'train' | 'bench'

export interface Job {
  kind: Kind
  code: string
  /** What the code finds beside `engine` and `show`. */
  given: Record<string, unknown>
}

interface Pending {
  resolve(value: never): void
  reject(error: Error): void
  show: ((news: never) => void) | undefined
}

const SCRIPT_LOST =
  'The page could not start its worker. A policy of this host may forbid workers from blob: addresses; open the page from a file or another host.'

export class Runner {
  private worker: Worker | undefined
  private count = 0
  private readonly pending = new Map<number, Pending>()

  /** Runs code; `show` is told of what it shows. */
  run(job: Job, show?: (news: never) => void): Promise<void> {
    return this.call({ job }, show)
  }

  /** Asks for something of the model that the code showed last. */
  ask<Answer>(question: 'predict' | 'export', argument?: unknown): Promise<Answer> {
    return this.call({ question, argument })
  }

  /** What a running job is told between two calls of its `show`. */
  tell(argument: unknown): void {
    this.worker?.postMessage({ id: 0, tell: argument })
  }

  /** Stops what runs: at its next `show`, else with the worker. */
  stop(): void {
    const running = [...this.pending.keys()]
    if (!running.length) return
    this.worker?.postMessage({ id: 0, stop: true })
    setTimeout(() => running.some((id) => this.pending.has(id)) && this.end(new Error('Stopped.')), 3000)
  }

  /** Ends the worker and gives back its memory. */
  end(reason = new Error('Stopped.')): void {
    this.worker?.terminate()
    this.worker = undefined
    for (const { reject } of this.pending.values()) reject(reason)
    this.pending.clear()
  }

  private call<Answer>(message: object, show?: (news: never) => void): Promise<Answer> {
    this.worker ??= this.start()
    const id = ++this.count
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject, show })
      try {
        this.worker!.postMessage({ id, ...message })
      } catch (error) {
        this.pending.delete(id)
        reject(error)
      }
    })
  }

  private start(): Worker {
    const address = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }))
    const worker = new Worker(address)
    worker.onmessage = ({ data: { id, ready, show, result, error } }) => {
      if (ready) return URL.revokeObjectURL(address)
      const pending = this.pending.get(id)
      if (!pending) return
      if (show !== undefined) return pending.show?.(show as never)
      this.pending.delete(id)
      if (error) pending.reject(new Error(error))
      else pending.resolve(result as never)
    }
    worker.onerror = (event) => {
      event.preventDefault()
      this.end(new Error(event.message || SCRIPT_LOST))
    }
    return worker
  }
}
