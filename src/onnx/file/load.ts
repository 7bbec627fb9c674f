/** The bytes of a model from wherever they are. */
import { check, FilterbankError, show } from '../../base/errors.js'
import {
  arrayName,
  isArrayBuffer,
  isBlob,
  isBytes,
  isResponse,
  isSharedBuffer,
  isStream,
  isThenable,
  isUrl,
} from '../../base/realm.js'
import { shareTurns, TURN } from '../../base/turns.js'
import { builtin, reachBuiltins } from '../../wasm/host.js'
import { absent, checkPart, type External, plainName, readBeside } from './beside.js'
import { joined } from './decode.js'

/**
 * A model: its bytes, a Blob (a File too), a Response, a stream of bytes, a URL; in Node a path too. All but
 * the last may be promised.
 */
export type ModelSource = SettledSource | PromiseLike<SettledSource>

/** A model that is not promised. */
export type SettledSource =
  | Uint8Array
  | ArrayBuffer
  | SharedArrayBuffer
  | Blob
  | Response
  | ReadableStream<Uint8Array>
  | URL
  | string

/** What a data file is given as: numbers as they stand in memory, or any source. */
export type DataSource = ModelSource | ArrayBufferView

/** Bytes that have come in so far. */
export interface Progress {
  loaded: number
  /** Undefined where the server does not say. */
  total: number | undefined
}

export interface LoadSettings {
  onProgress?: ((progress: Progress) => void) | undefined
  signal?: AbortSignal | undefined
  externalData?: Readonly<Record<string, DataSource>> | undefined
}

const op = 'loadModel'
/** Read from a disk at a time. */
const PIECE = 1 << 20
/** Read from a stream at a time, at most. */
const STREAMED = 1 << 20

const files = () => builtin('node:fs')

/** Takes the bytes of a source as they come. */
export interface Sink {
  /** Told first how many there are, where somebody says so: servers are not always right. */
  begin?(total: number | undefined): void
  /** The next ones, which may be written anew once this returns, or what it returns settles. */
  push(bytes: Uint8Array): void | Promise<void>
}

/** A source that gives its bytes by itself: one that is kept, or is being kept. */
export abstract class Pouring {
  /** Where it is from. */
  abstract readonly address: string
  abstract pour(settings: Settings, sink: Sink): Promise<void>
}

/** The whole file, and a way to its files of data: those that are given, and those beside it. */
export async function fetchModel(
  source: ModelSource,
  { onProgress, signal, externalData = {} }: LoadSettings,
): Promise<{ bytes: Uint8Array; external: External }> {
  signal?.throwIfAborted()
  await reachBuiltins()
  const settled = await settle('source', source, signal)
  const bytes = await bytesOf('source', settled, { onProgress, signal })
  const given = new Map<string, Uint8Array>()
  for (const [location, data] of Object.entries(externalData)) {
    const argument = `externalData ${show(location)}`
    given.set(
      plainName(location),
      await bytesOf(argument, await settleData(argument, data, signal), { signal }),
    )
  }
  const beside = folderOf(settled)
  return {
    bytes,
    external: (location, offset, length) => {
      const data = given.get(plainName(location))
      if (data) {
        const wanted = length ?? data.length - offset
        checkPart(location, data.length, offset, wanted)
        return data.subarray(offset, offset + wanted)
      }
      if (!beside) throw absent(location, settled, given.keys())
      return readBeside(beside, location, offset, length)
    },
  }
}

/** What was promised. */
export async function settle(
  argument: string,
  source: ModelSource | Pouring,
  signal: AbortSignal | undefined,
): Promise<SettledSource | Pouring> {
  return isThenable(source) ? reach('a promise', async () => source, signal, argument) : source
}

/** Numbers as they stand in memory are bytes too. */
export async function settleData(
  argument: string,
  source: DataSource | Pouring,
  signal: AbortSignal | undefined,
): Promise<SettledSource | Pouring> {
  const settled = await settle(argument, source as ModelSource | Pouring, signal)
  if (!arrayName(settled)) return settled
  const { buffer, byteOffset, byteLength } = settled as unknown as ArrayBufferView
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)
}

/** Bytes that are there already. */
const inMemory = (source: unknown): Uint8Array | undefined =>
  isBytes(source)
    ? source
    : isArrayBuffer(source) || isSharedBuffer(source)
      ? new Uint8Array(source)
      : undefined

export type Settings = Pick<LoadSettings, 'onProgress' | 'signal'>

/** All bytes of a source: where it is known how many, in their place as they arrive. */
export async function bytesOf(
  argument: string,
  source: SettledSource | Pouring,
  settings: Settings,
): Promise<Uint8Array> {
  const own = inMemory(source)
  if (own) return own
  let all: Uint8Array | undefined
  let loaded = 0
  const pieces: Uint8Array[] = []
  await pour(argument, source, settings, {
    begin: (total) => {
      if (total !== undefined) all = new Uint8Array(total)
    },
    push: (bytes) => {
      if (all && pieces.length === 0 && loaded + bytes.length <= all.length) all.set(bytes, loaded)
      else {
        // More than it was said to be.
        if (all && pieces.length === 0) pieces.push(all.subarray(0, loaded))
        pieces.push(bytes.slice())
      }
      loaded += bytes.length
    },
  })
  return all && pieces.length === 0 ? all.subarray(0, loaded) : joined(pieces)
}

/** Gives a source's bytes to a sink as they arrive. */
export async function pour(
  argument: string,
  source: SettledSource | Pouring,
  settings: Settings,
  sink: Sink,
): Promise<void> {
  const { signal } = settings
  const own = inMemory(source)
  if (own) {
    sink.begin?.(own.length)
    for (let at = 0; at < own.length; at += PIECE) {
      await sink.push(own.subarray(at, at + PIECE))
      await shareTurns(TURN, signal)
    }
    return
  }
  if (source instanceof Pouring) return source.pour(settings, sink)
  if (isResponse(source)) return pourBody(source, settings, sink)
  if (isBlob(source))
    return reach('a blob', () => drain(source.stream(), source.size, settings, sink), signal, argument)
  if (isStream(source))
    return reach('a stream', () => drain(source, undefined, settings, sink), signal, argument)
  const path = pathOf(source)
  if (path !== undefined) return pourFile(path, settings, sink)
  check(isUrl(source) || typeof source === 'string', () => ({
    op,
    argument,
    expected: 'bytes, a Blob, a Response, a stream, a URL or a path',
    got: show(source),
  }))
  const response = await reach(`${source}`, () => fetch(source, { signal: signal ?? null }), signal)
  return pourBody(response, settings, sink)
}

/** The folder where a model's data files are looked for; undefined where there is none. */
export function folderOf(source: SettledSource | Pouring): string | undefined {
  const path = pathOf(source)
  return path === undefined ? undefined : builtin('node:path')!.dirname(path)
}

/** The path of a file, or undefined for what has to be fetched. */
export function pathOf(source: unknown): string | undefined {
  if (!files()) return undefined
  if (typeof source !== 'string' && !isUrl(source)) return undefined
  if (/^file:/.test(`${source}`)) return builtin('node:url')!.fileURLToPath(`${source}`)
  return typeof source === 'string' && !/^(https?|data|blob):/.test(source) ? source : undefined
}

export async function reach<T>(
  what: string,
  get: () => Promise<T>,
  signal: AbortSignal | undefined,
  argument = 'source',
): Promise<T> {
  try {
    return await get()
  } catch (error) {
    signal?.throwIfAborted()
    throw new FilterbankError(
      {
        op,
        argument,
        expected: 'a model that can be read',
        got: `${show(what)}: ${(error as Error).message}`,
      },
      { cause: error },
    )
  }
}

async function pourFile(path: string, { onProgress, signal }: Settings, sink: Sink): Promise<void> {
  return reach(
    path,
    async () => {
      const file = await files()!.promises.open(path)
      try {
        const total = (await file.stat()).size
        sink.begin?.(total)
        const piece = new Uint8Array(Math.min(PIECE, total))
        for (let loaded = 0; loaded < total; ) {
          signal?.throwIfAborted()
          const { bytesRead } = await file.read(piece, 0, Math.min(PIECE, total - loaded), loaded)
          if (bytesRead === 0) throw new Error(`it ends after ${loaded} of ${total} bytes`)
          await sink.push(piece.subarray(0, bytesRead))
          loaded += bytesRead
          onProgress?.({ loaded, total })
        }
      } finally {
        await file.close()
      }
    },
    signal,
  )
}

/** Throws unless it is an answer. */
export const checkOk = ({ ok, status, url }: Response): void =>
  check(ok, () => ({
    op,
    argument: 'source',
    expected: 'a model that can be read',
    got: `${url || 'a response'} with status ${status}`,
  }))

/** How many bytes a body has, where its header says it: a compressed one is longer than that. */
export function lengthOf({ headers }: Response): number | undefined {
  const length = headers.get('content-encoding') ? null : headers.get('content-length')
  return length === null ? undefined : Number(length)
}

export async function pourBody(response: Response, settings: Settings, sink: Sink): Promise<void> {
  checkOk(response)
  return reach(
    response.url,
    async () => {
      if (response.body) return drain(response.body, lengthOf(response), settings, sink)
      const whole = new Uint8Array(await response.arrayBuffer())
      sink.begin?.(whole.length)
      return sink.push(whole)
    },
    settings.signal,
  )
}

/**
 * Reads a stream, into one buffer where it lets us: else a page piles up what came in until its garbage is
 * collected.
 */
function readerOf(stream: ReadableStream<Uint8Array>): {
  read: () => Promise<{ done: boolean; value?: Uint8Array | undefined }>
  cancel: () => Promise<void>
} {
  let reader: ReadableStreamBYOBReader
  try {
    reader = stream.getReader({ mode: 'byob' })
  } catch {
    // It is none of bytes, or the host knows no such reader.
    const plain = stream.getReader()
    return { read: () => plain.read(), cancel: () => plain.cancel() }
  }
  let buffer = new ArrayBuffer(STREAMED)
  return {
    async read() {
      const next = await reader.read(new Uint8Array(buffer))
      if (isBytes(next.value)) buffer = next.value.buffer as ArrayBuffer
      return next
    },
    cancel: () => reader.cancel(),
  }
}

/** Gives a stream's bytes to a sink as they arrive. */
export async function drain(
  stream: ReadableStream<Uint8Array>,
  total: number | undefined,
  { onProgress, signal }: Settings,
  sink: Sink,
): Promise<void> {
  sink.begin?.(total)
  let loaded = 0
  const { cancel, read } = readerOf(stream)
  // Ends a read that waits, too.
  const stop = () => void cancel().catch(() => {})
  signal?.addEventListener('abort', stop)
  let done = false
  try {
    for (;;) {
      const next = await read()
      signal?.throwIfAborted()
      if (next.done) break
      const { value } = next
      if (!isBytes(value)) throw new Error(`it gives ${show(value)} instead of bytes`)
      // A turn for each would be one for each small piece.
      const pushed = sink.push(value)
      if (pushed) await pushed
      loaded += value.length
      onProgress?.({ loaded, total })
    }
    done = true
  } finally {
    signal?.removeEventListener('abort', stop)
    if (!done) stop()
  }
}
