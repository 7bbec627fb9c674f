/** `filterbank/worker`: models and filters off the main thread, by calls that look like those on it. */

import { type Complaint, check, FilterbankError, messageOf, show } from '../base/errors.js'
import {
  arrayName,
  disposal,
  isArrayBuffer,
  isBlob,
  isModule,
  isResponse,
  isStream,
  isThenable,
  isUrl,
} from '../base/realm.js'
import type { EngineOptions } from '../core/engine.js'
import { BY_NAME, CALLBACK, checkBoolean, checkOptions, NAMES, type Names, SIGNAL } from '../core/options.js'
import type { AnyTensor, MemoryUse } from '../core/tensor.js'
import type { OwnPixels, Pixels } from '../image/index.js'
import { checkCacheSettings } from '../onnx/file/keep.js'
import { checkOk, lengthOf } from '../onnx/file/load.js'
import type {
  DataSource,
  LayerSummary,
  LoadOptions,
  Model,
  ModelInput,
  ModelSource,
  PictureInput,
  RunAsyncOptions,
} from '../onnx/index.js'
import { ModelOutput, type ModelOutputs } from '../onnx/run/ports.js'
import { builtin } from '../wasm/host.js'
import { type Build, bytesOf, chooseBuild } from '../wasm/load.js'
import type { FilterArguments, FilterName } from './filters.js'
import { Link } from './link.js'
import type { Arrived } from './picture.js'
import type { ArrivedSource, Packed, StartArgument } from './protocol.js'
import { type Sending, send } from './stream.js'

export type { Arrived, FilterArguments, FilterName, PictureInput }

/** What `createWorker` takes: what `createEngine` takes, and where the worker's script is. */
export interface WorkerOptions extends EngineOptions {
  /**
   * Where the package's `dist/worker-thread.js` is served, for pages whose Content-Security-Policy forbids
   * blob:. Default: the script is inlined.
   */
  url?: string | URL
}

const WORKER: Names<WorkerOptions> = {
  threads: true,
  simd: true,
  maximumBytes: true,
  wasm: true,
  signal: SIGNAL,
  url: true,
}

/** Pictures that a page has. Those that are not pixels, a Blob or an ImageBitmap are made an ImageBitmap. */
export type Picture = Arrived | ImageBitmapSource

/** What an input takes: as in `filterbank/onnx`, without tensors of an engine, or a picture. */
export type WorkerInput = Exclude<ModelInput, AnyTensor> | PictureInput<Picture>

/** What a worker's `loadModel` takes beside the source. */
export interface WorkerLoadOptions extends LoadOptions {
  /** Moves the bytes instead of copying them: the array is empty here afterwards. Default false. */
  transfer?: boolean
}

const LOAD: Names<WorkerLoadOptions> = {
  onProgress: CALLBACK,
  signal: SIGNAL,
  dimensions: BY_NAME,
  externalData: BY_NAME,
  cache: true,
  key: true,
  revalidate: true,
  onCache: CALLBACK,
  transfer: true,
}

/** What a worker's model takes beside its inputs. */
export interface WorkerRunOptions extends RunAsyncOptions {
  /**
   * Where this run has to wait for another with `latestOnly`, and a third one comes, this one is dropped: its
   * promise rejects with an AbortError. Default false.
   */
  latestOnly?: boolean
  /**
   * Moves arrays and ImageBitmaps of the inputs instead of copying them: true for all, or a list. Default
   * false.
   */
  transfer?: boolean | readonly Transferable[]
}

const RUN: Names<WorkerRunOptions> = {
  signal: SIGNAL,
  onProgress: CALLBACK,
  taps: NAMES,
  latestOnly: true,
  transfer: true,
}

/** How `worker.filter` is run. */
export interface WorkerFilterOptions {
  /** Stops the filter before it starts. */
  signal?: AbortSignal
  /** What comes back. Default 'bitmap' where the host has ImageBitmap, else 'pixels' (Node). */
  output?: 'bitmap' | 'pixels'
  /** Moves the picture instead of copying it. Default false. */
  transfer?: boolean
}

const FILTER: Names<WorkerFilterOptions> = { signal: SIGNAL, output: true, transfer: true }

/** A model in a worker: as `Model`, but for promises. */
export interface WorkerModel extends Pick<Model, 'inputs' | 'outputs' | 'dispose'> {
  /** As `runAsync` of a model on this thread. */
  run(inputs: Record<string, WorkerInput>, options?: WorkerRunOptions): Promise<ModelOutputs>
  /** As `summary` of a model on this thread. */
  summary(): Promise<LayerSummary[]>
}

/** Made by `createWorker`. */
export interface FilterbankWorker {
  readonly threads: number
  readonly simd: Build
  /** As `loadModel` of filterbank/onnx; an address is one of this page. */
  loadModel(source: ModelSource, options?: WorkerLoadOptions): Promise<WorkerModel>
  /** A filter of filterbank/image by its name; `size`, `sigma` or `kernel` is among its options. */
  filter<Name extends FilterName>(
    name: Name,
    image: Picture,
    options: FilterArguments[Name] & WorkerFilterOptions & { output: 'pixels' },
  ): Promise<OwnPixels>
  /** The same, as an ImageBitmap where the host has them. */
  filter<Name extends FilterName>(
    name: Name,
    image: Picture,
    ...options: object extends FilterArguments[Name]
      ? [options?: FilterArguments[Name] & WorkerFilterOptions]
      : [options: FilterArguments[Name] & WorkerFilterOptions]
  ): Promise<ImageBitmap>
  /** Of the worker's engine, as `engine.memory()`. */
  memory(): Promise<MemoryUse>
  /** Ends the worker and gives back its memory; what is pending is rejected. */
  dispose(): void
  /** `dispose`, by `using`. */
  [Symbol.dispose](): void
}

/** An address as the page means it: inside of a blob: there is nothing to be relative to. */
const absolute = (address: string | URL): string =>
  builtin('node:worker_threads')
    ? String(address)
    : new URL(address, globalThis.document?.baseURI ?? globalThis.location?.href).href

/**
 * Starts a worker that has an engine of its own.
 *
 * @param options as for `createEngine`, and `url`
 * @throws FilterbankError where the host has no workers, refuses this one, or the url is not that of the
 *   script; else as `createEngine`
 * @example const worker = await createWorker()
 * const model = await worker.loadModel('squeezenet.onnx')
 * const { logits } = await model.run({ image: { image: photo } })
 */
export async function createWorker(options: WorkerOptions = {}): Promise<FilterbankWorker> {
  checkOptions('createWorker', options, WORKER)
  const { url, signal, wasm, ...rest } = options
  check(url === undefined || typeof url === 'string' || isUrl(url), () => ({
    op: 'createWorker',
    argument: 'url',
    expected: "a URL of filterbank's worker-thread.js",
    got: show(url),
  }))
  signal?.throwIfAborted()
  const link = new Link()
  const opening = link.open(url === undefined ? undefined : absolute(url))
  const stop = () => link.dispose()
  signal?.addEventListener('abort', stop)
  try {
    const [binary] = await Promise.all([binaryOf(wasm, rest.simd), opening])
    const argument: StartArgument = { ...rest, wasm: binary }
    const own = !wasm && ArrayBuffer.isView(binary)
    const { threads, simd } = await link.call('start', argument, own ? { transfer: [binary.buffer] } : {})
    return { threads, simd, ...methodsOf(link) }
  } catch (error) {
    link.dispose()
    opening.catch(() => {})
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** The binary of the worker's engine: this page has it already, and the worker's script has none. */
async function binaryOf(wasm: EngineOptions['wasm'], simd: EngineOptions['simd']) {
  if (wasm === undefined) {
    const { build } = await chooseBuild(simd)
    check(build !== 'wide', () => ({
      op: 'createWorker',
      argument: 'simd',
      expected: "'simd128' or 'relaxed' in a worker",
      got: "'wide'",
    }))
    return bytesOf(build)
  }
  if (typeof wasm === 'string' || isUrl(wasm)) return absolute(wasm)
  if (isModule(wasm) || isArrayBuffer(wasm) || arrayName(wasm)) return wasm as Uint8Array<ArrayBuffer>
  const response: unknown = await wasm
  check(isResponse(response) && response.ok, () => ({
    op: 'createWorker',
    argument: 'wasm',
    expected: 'a WebAssembly.Module, its bytes, a URL or a Response',
    got: isResponse(response) ? `status ${response.status} for ${response.url}` : show(response),
  }))
  return new Uint8Array(await response.arrayBuffer())
}

function methodsOf(link: Link): Omit<FilterbankWorker, 'threads' | 'simd'> {
  const dispose = () => link.dispose()
  return {
    async loadModel(source, options = {}) {
      checkOptions('loadModel', options, LOAD)
      const { onProgress, signal, dimensions, externalData = {}, transfer = false } = options
      const { cache, key, revalidate, onCache } = options
      checkBoolean(transfer, 'transfer', { op: 'loadModel' })
      checkCacheSettings(source, options)
      signal?.throwIfAborted()
      const moves = new Set<Transferable>()
      const streams: Sending[] = []
      try {
        const sent = await sendableSource('source', source, transfer, moves, streams)
        const files: Record<string, ArrivedSource> = {}
        for (const [location, data] of Object.entries(externalData)) {
          const argument = `externalData ${show(location)}`
          files[location] = await sendableSource(argument, data, transfer, moves, streams)
        }
        const kept = { cache, key, revalidate }
        const argument = { source: sent, externalData: files, ...kept, ...(dimensions ? { dimensions } : {}) }
        const { model, inputs, outputs, report } = await link.call('loadModel', argument, {
          transfer: [...moves],
          signal,
          onProgress,
          late: ({ model }: { model: number }) => disposeModel(link, model),
        })
        if (report) onCache?.(report)
        return modelOf(link, model, inputs, outputs)
      } finally {
        for (const { stop } of streams) stop()
      }
    },
    async filter(name: FilterName, image: Picture, options: WorkerFilterOptions & object = {}) {
      check(typeof options === 'object' && options !== null, () => ({
        op: 'worker.filter',
        argument: 'options',
        expected: 'an object',
        got: show(options),
      }))
      const { signal, output, transfer = false, ...rest } = options
      checkOptions('worker.filter', { signal, output, transfer }, FILTER)
      checkBoolean(transfer, 'transfer', { op: 'worker.filter' })
      for (const argument of ['engine', 'out'])
        check(!(argument in rest), () => ({
          op: 'worker.filter',
          argument,
          expected: 'left out: the worker has an engine, and gives an array of its own',
          got: show((rest as Record<string, unknown>)[argument]),
        }))
      check(output === undefined || output === 'bitmap' || output === 'pixels', () => ({
        op: 'worker.filter',
        argument: 'output',
        expected: "'bitmap' or 'pixels'",
        got: show(output),
      }))
      const moves: Transferable[] = []
      const arrived = await sendable({ op: 'worker.filter', argument: 'image' }, image, transfer, moves)
      const argument = { name, image: arrived, options: rest, output }
      return (await link.call('filter', argument, { transfer: moves, signal })) as never
    },
    memory: () => link.call('memory', undefined as never),
    dispose,
    [disposal]: dispose,
  }
}

const disposeModel = (link: Link, model: number): void => {
  link.call('disposeModel', { model }).catch(() => {})
}

function modelOf(
  link: Link,
  model: number,
  inputs: Model['inputs'],
  outputs: Model['outputs'],
): WorkerModel & Disposable {
  let gone = false
  const checkAlive = () =>
    check(!gone, () => ({ op: 'model.run', argument: 'model', expected: 'alive', got: 'a disposed one' }))
  const dispose = () => {
    if (gone) return
    gone = true
    disposeModel(link, model)
  }
  return {
    inputs,
    outputs,
    async run(given, options = {}) {
      checkOptions('model.run', options, RUN)
      checkAlive()
      check(typeof given === 'object' && given !== null, () => ({
        op: 'model.run',
        argument: 'inputs',
        expected: 'an object of inputs by name',
        got: show(given),
      }))
      const { signal, onProgress, taps, latestOnly = false, transfer = false } = options
      checkBoolean(latestOnly, 'latestOnly', { op: 'model.run' })
      if (!Array.isArray(transfer)) checkBoolean(transfer, 'transfer', { op: 'model.run' })
      const moves: Transferable[] = Array.isArray(transfer) ? [...transfer] : []
      const sent: Record<string, never> = {}
      for (const [name, input] of Object.entries(given)) {
        const about = { op: 'model.run', argument: `image of input ${show(name)}` }
        sent[name] = (await sendableInput(about, input, transfer === true, moves)) as never
      }
      const argument = { model, inputs: sent, taps, latestOnly }
      const result = await link.call('run', argument, { transfer: [...new Set(moves)], signal, onProgress })
      return Object.fromEntries(
        Object.entries(result).map(([name, output]) => {
          const unpack = (item: Packed) =>
            'map' in item ? item.map : new ModelOutput(name, item.type, item.shape, item.data)
          return [name, Array.isArray(output) ? output.map(unpack) : output && unpack(output)]
        }),
      ) as ModelOutputs
    },
    async summary() {
      checkAlive()
      return link.call('summary', { model })
    },
    dispose,
    [disposal]: dispose,
  }
}

/** A model's bytes as a message carries them, or where the worker finds them. */
async function sendableSource(
  argument: string,
  given: DataSource,
  move: boolean,
  moves: Set<Transferable>,
  streams: Sending[],
): Promise<ArrivedSource> {
  const source = isThenable(given) ? await given : given
  if (typeof source === 'string' || isUrl(source)) return absolute(source)
  if (isBlob(source)) return source
  if (isResponse(source) || isStream(source)) {
    if (isResponse(source)) checkOk(source)
    const stream = isResponse(source) ? source.body : source
    // Of a body that is empty, or hosts without streams of bodies.
    if (!stream) return (source as Response).arrayBuffer()
    check(!stream.locked, () => ({
      op: 'loadModel',
      argument,
      expected: 'a stream that nobody reads yet',
      got: 'a locked one',
    }))
    const sending = send(stream, isResponse(source) ? lengthOf(source) : undefined)
    streams.push(sending)
    moves.add(sending.moves)
    return sending.arrived
  }
  const buffer = ArrayBuffer.isView(source) ? source.buffer : source
  if (move && isArrayBuffer(buffer)) moves.add(buffer)
  return source as ArrivedSource
}

async function sendableInput(
  about: Pick<Complaint, 'op' | 'argument'>,
  input: WorkerInput,
  move: boolean,
  moves: Transferable[],
): Promise<unknown> {
  if (typeof input !== 'object' || input === null) return input
  if (!ArrayBuffer.isView(input) && 'image' in input)
    return { ...input, image: await sendable(about, input.image, move, moves) }
  const data = !ArrayBuffer.isView(input) && 'data' in input ? input.data : input
  if (move && ArrayBuffer.isView(data) && isArrayBuffer(data.buffer)) moves.push(data.buffer)
  return input
}

/** A picture as a message carries it: elements, video frames and canvases as an ImageBitmap of them. */
async function sendable(
  about: Pick<Complaint, 'op' | 'argument'>,
  image: Picture,
  move: boolean,
  moves: Transferable[],
): Promise<Arrived> {
  if (typeof image === 'object' && image !== null && 'data' in image && ArrayBuffer.isView(image.data)) {
    const { data, width, height } = image as Pixels
    if (move && isArrayBuffer(data.buffer)) moves.push(data.buffer)
    return { data, width, height }
  }
  if (typeof Blob === 'function' && image instanceof Blob) return image
  if (typeof ImageBitmap === 'function' && image instanceof ImageBitmap && move) {
    moves.push(image)
    return image
  }
  if (typeof ImageBitmap === 'function' && image instanceof ImageBitmap) return image
  if (typeof createImageBitmap !== 'function' || typeof image !== 'object' || image === null)
    return image as Arrived
  try {
    // An element may still be loading.
    if ('decode' in image) await image.decode()
    const bitmap = await createImageBitmap(image as ImageBitmapSource)
    moves.push(bitmap)
    return bitmap
  } catch (cause) {
    const got = `${show(image)} (${messageOf(cause)})`
    throw new FilterbankError({ ...about, expected: 'a picture that can be shown', got }, { cause })
  }
}
