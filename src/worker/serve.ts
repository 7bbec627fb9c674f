/**
 * The worker's side: an engine, its models, and a function for each call. Bundled by itself into
 * src/worker/served.ts.
 */

import { check, show } from '../base/errors.js'
import { giveTurn } from '../base/turns.js'
import { createEngine, type Engine } from '../core/engine.js'
import { isName } from '../core/options.js'
import type { MemoryUse } from '../core/tensor.js'
import type { OwnPixels } from '../image/index.js'
import { isLong } from '../onnx/file/types.js'
import {
  type AnyModelOutputs,
  type CacheReport,
  type LayerSummary,
  loadModel,
  type Model,
  type ModelCache,
  type ModelInputs,
  type ModelMap,
  type ModelSource,
  type Port,
  type Progress,
} from '../onnx/index.js'
import { ModelOutput } from '../onnx/run/ports.js'
import { builtin } from '../wasm/host.js'
import type { Build } from '../wasm/load.js'
import { filters } from './filters.js'
import { type Arrived, closeBitmap, pixelsOf, toRgba } from './picture.js'
import {
  type ArrivedSource,
  abortError,
  type Packed,
  packError,
  type Reply,
  type Request,
  type StartArgument,
} from './protocol.js'
import { receive } from './stream.js'

/** What a call may use beside its argument. */
interface Context {
  signal: AbortSignal
  onProgress: ((progress: unknown) => void) | undefined
  /** What moves back with the answer. */
  transfer: Transferable[]
}

interface LoadArgument {
  source: ArrivedSource
  externalData: Record<string, ArrivedSource>
  dimensions?: Record<string, number>
  cache: ModelCache | undefined
  key: string | undefined
  revalidate: boolean | undefined
}

interface RunArgument {
  model: number
  inputs: ModelInputs
  taps: readonly string[] | undefined
  latestOnly: boolean
}

interface FilterArgument {
  name: string
  image: Arrived
  options: object
  output: 'bitmap' | 'pixels' | undefined
}

/** A model, and its frames: one runs, one waits. */
interface Served {
  model: Model
  busy: boolean
  next: { begin: () => void; drop: (reason: Error) => void } | undefined
}

const sourceOf = (arrived: ArrivedSource): ModelSource =>
  typeof arrived === 'object' && arrived !== null && 'total' in arrived ? receive(arrived) : arrived

/** The functions that a page may call. Its side takes their types from here. */
function makeService() {
  let made: Engine | undefined
  const engine = () => made!
  const models = new Map<number, Served>()
  let count = 0

  /** Waits for the frame before, unless a later one comes meanwhile. */
  async function inOrder<T>(served: Served, signal: AbortSignal, body: () => Promise<T>): Promise<T> {
    if (served.busy) {
      served.next?.drop(abortError('a later frame overtook this one (latestOnly)'))
      await new Promise<void>((begin, drop) => {
        served.next = { begin, drop }
      })
    }
    served.busy = true
    try {
      // Frames that have come meanwhile are known before this one starts.
      await giveTurn()
      signal.throwIfAborted()
      return await body()
    } finally {
      served.busy = false
      const { next } = served
      served.next = undefined
      if (next) {
        served.busy = true
        next.begin()
      }
    }
  }

  const servedOf = (id: number): Served => {
    const served = models.get(id)
    check(served !== undefined, () => ({
      op: 'model.run',
      argument: 'model',
      expected: 'alive',
      got: 'a disposed one',
    }))
    return served
  }

  return {
    async start(options: StartArgument): Promise<{ threads: number; simd: Build }> {
      made = await createEngine(options)
      await made.started
      return { threads: made.threads, simd: made.simd }
    },

    async loadModel(
      { source, externalData, dimensions, ...rest }: LoadArgument,
      { signal, onProgress }: Context,
    ): Promise<{
      model: number
      inputs: readonly Port[]
      outputs: readonly Port[]
      report: CacheReport | undefined
    }> {
      let report: CacheReport | undefined
      const files = Object.entries(externalData).map(([name, data]) => [name, sourceOf(data)] as const)
      const model = await loadModel(engine(), sourceOf(source), {
        ...rest,
        externalData: Object.fromEntries(files),
        signal,
        onCache: (told) => {
          report = told
        },
        ...(dimensions ? { dimensions } : {}),
        ...(onProgress ? { onProgress: onProgress as (progress: Progress) => void } : {}),
      })
      const id = ++count
      models.set(id, { model, busy: false, next: undefined })
      return { model: id, inputs: model.inputs, outputs: model.outputs, report }
    },

    async run(
      { model: id, inputs, taps, latestOnly }: RunArgument,
      { signal, onProgress, transfer }: Context,
    ): Promise<Record<string, Packed | Packed[] | null>> {
      const body = (served: Served) =>
        served.model.runAsync(inputs, {
          signal,
          ...(taps ? { taps } : {}),
          ...(onProgress ? { onProgress } : {}),
        })
      const pack = (output: ModelOutput | ModelMap): Packed => {
        if (!(output instanceof ModelOutput)) return { map: output }
        // Numbers of 64 bits are exact as they are.
        const own = output.data
        const data = isLong(own) ? own : output.toArray()
        if (ArrayBuffer.isView(data)) transfer.push(data.buffer as ArrayBuffer)
        return { type: output.type, shape: output.shape, data }
      }
      let outputs: AnyModelOutputs
      try {
        const served = servedOf(id)
        outputs = await (latestOnly ? inOrder(served, signal, () => body(served)) : body(served))
      } finally {
        for (const input of Object.values(inputs)) closeBitmap(input)
      }
      return Object.fromEntries(
        Object.entries(outputs).map(([name, output]) => [
          name,
          Array.isArray(output) ? output.map(pack) : output && pack(output),
        ]),
      )
    },

    async summary({ model }: { model: number }): Promise<LayerSummary[]> {
      return servedOf(model).model.summary()
    },

    async disposeModel({ model }: { model: number }): Promise<void> {
      models.get(model)?.model.dispose()
      models.delete(model)
    },

    async filter(
      { name, image, options, output }: FilterArgument,
      { signal, transfer }: Context,
    ): Promise<ImageBitmap | OwnPixels> {
      check(isName(name, filters), () => ({
        op: 'worker.filter',
        argument: 'name',
        expected: `one of ${Object.keys(filters).join(', ')}`,
        got: show(name),
      }))
      const pixels = await pixelsOf(image)
      signal.throwIfAborted()
      const apply = filters[name] as (image: object, options: object) => OwnPixels
      const { data, width, height } = apply(pixels, { ...options, engine: engine() })
      const bitmaps = typeof createImageBitmap === 'function' && typeof ImageData === 'function'
      if (output === 'pixels' || (output === undefined && !bitmaps)) {
        transfer.push(data.buffer)
        return { data, width, height }
      }
      check(width > 0 && height > 0, () => ({
        op: 'worker.filter',
        argument: 'output',
        expected: "'pixels' of an image that has none",
        got: show(output ?? 'bitmap'),
      }))
      check(bitmaps, () => ({
        op: 'worker.filter',
        argument: 'output',
        expected: "'pixels' on hosts without ImageBitmap",
        got: show(output ?? 'bitmap'),
      }))
      const bitmap = await createImageBitmap(new ImageData(toRgba({ data, width, height }), width, height))
      transfer.push(bitmap)
      return bitmap
    },

    async memory(): Promise<MemoryUse> {
      return engine().memory()
    },
  }
}

export type Service = ReturnType<typeof makeService>

type Method = (argument: unknown, context: Context) => Promise<unknown>

/** Answers requests that come by a port, until the worker ends. */
function serve(post: (reply: Reply, transfer: Transferable[]) => void): (request: Request) => void {
  const service = makeService() as unknown as Record<string, Method>
  const stops = new Map<number, AbortController>()
  return async (request) => {
    const { id } = request
    if ('stop' in request) {
      stops.get(id)?.abort()
      return
    }
    const stop = new AbortController()
    stops.set(id, stop)
    const transfer: Transferable[] = []
    const onProgress = request.progress ? (progress: unknown) => post({ id, progress }, []) : undefined
    try {
      const result = await service[request.method]!(request.argument, {
        signal: stop.signal,
        onProgress,
        transfer,
      })
      post({ id, result }, transfer)
    } catch (error) {
      post({ id, error: packError(error) }, [])
    } finally {
      stops.delete(id)
    }
  }
}

interface Parent {
  postMessage(message: unknown, transfer: readonly unknown[]): void
  on(event: 'message', listener: (message: unknown) => void): void
}

const threads =
  builtin('node:worker_threads') ??
  (globalThis as { require?: (name: string) => typeof import('node:worker_threads') }).require?.(
    'node:worker_threads',
  )
const parent = threads?.parentPort as Parent | null | undefined
if (parent) {
  const answer = serve((reply, transfer) => parent.postMessage(reply, transfer))
  parent.on('message', (message) => answer(message as Request))
  parent.postMessage({ ready: true } satisfies Reply, [])
} else {
  const scope = globalThis as unknown as {
    postMessage(message: unknown, transfer: Transferable[]): void
    onmessage: ((event: MessageEvent<Request>) => void) | null
  }
  const answer = serve((reply, transfer) => scope.postMessage(reply, transfer))
  scope.onmessage = ({ data }) => answer(data)
  scope.postMessage({ ready: true } satisfies Reply, [])
}
