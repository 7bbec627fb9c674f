/** Bytes from wherever they are. */
import { check, FilterbankError, show } from '../../base/errors.js'
import {
  isArrayBuffer,
  isBlob,
  isBytes,
  isResponse,
  isSharedBuffer,
  isStream,
  isThenable,
  isUrl,
} from '../../base/realm.js'
import { builtin } from '../../wasm/host.js'
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

/** Told as bytes come in. */
export type OnProgress = ((progress: Progress) => void) | undefined

const op = 'loadModel'
/** Read from a disk at a time. */
const PIECE = 1 << 22

const files = () => builtin('node:fs')

/** What was promised. */
export async function settle(
  argument: string,
  source: ModelSource,
  signal: AbortSignal | undefined,
): Promise<SettledSource> {
  return isThenable(source) ? reach('a promise', async () => source, signal, argument) : source
}

export async function bytesOf(
  argument: string,
  source: SettledSource,
  onProgress: OnProgress,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (isBytes(source)) return source
  if (isArrayBuffer(source) || isSharedBuffer(source)) return new Uint8Array(source)
  if (isResponse(source)) return bodyOf(source, onProgress, signal)
  if (isBlob(source))
    return reach('a blob', () => drain(source.stream(), source.size, onProgress, signal), signal, argument)
  if (isStream(source))
    return reach('a stream', () => drain(source, undefined, onProgress, signal), signal, argument)
  const path = pathOf(source)
  if (path !== undefined) return readFile(path, onProgress, signal)
  check(isUrl(source) || typeof source === 'string', () => ({
    op,
    argument,
    expected: 'bytes, a Blob, a Response, a stream, a URL or a path',
    got: show(source),
  }))
  return bodyOf(await fetchFrom(source, signal), onProgress, signal)
}

export const fetchFrom = (source: string | URL, signal: AbortSignal | undefined): Promise<Response> =>
  reach(`${source}`, () => fetch(source, { signal: signal ?? null }), signal)

/** The path of a file, or undefined for what has to be fetched. */
export function pathOf(source: SettledSource): string | undefined {
  if (!files()) return undefined
  if (typeof source !== 'string' && !isUrl(source)) return undefined
  if (/^file:/.test(`${source}`)) return builtin('node:url')!.fileURLToPath(`${source}`)
  return typeof source === 'string' && !/^(https?|data|blob):/.test(source) ? source : undefined
}

async function reach<T>(
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

async function readFile(
  path: string,
  onProgress: OnProgress,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  return reach(
    path,
    async () => {
      const file = await files()!.promises.open(path)
      try {
        const total = (await file.stat()).size
        const bytes = new Uint8Array(total)
        for (let loaded = 0; loaded < total; ) {
          signal?.throwIfAborted()
          const { bytesRead } = await file.read(bytes, loaded, Math.min(PIECE, total - loaded), loaded)
          if (bytesRead === 0) throw new Error(`it ends after ${loaded} of ${total} bytes`)
          loaded += bytesRead
          onProgress?.({ loaded, total })
        }
        return bytes
      } finally {
        await file.close()
      }
    },
    signal,
  )
}

export async function bodyOf(
  response: Response,
  onProgress: OnProgress,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  check(response.ok, () => ({
    op,
    argument: 'source',
    expected: 'a model that can be read',
    got: `${response.url || 'a response'} with status ${response.status}`,
  }))
  return reach(
    response.url,
    async () => {
      // A compressed body is longer than its header says.
      const header = response.headers.get('content-encoding') ? null : response.headers.get('content-length')
      const total = header === null ? undefined : Number(header)
      if (!response.body) return new Uint8Array(await response.arrayBuffer())
      return drain(response.body, total, onProgress, signal)
    },
    signal,
  )
}

/** All bytes of a stream: where it is known how many, into their place as they arrive. */
export async function drain(
  stream: ReadableStream<Uint8Array>,
  total: number | undefined,
  onProgress: OnProgress,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const all = total === undefined ? undefined : new Uint8Array(total)
  const pieces: Uint8Array[] = []
  let loaded = 0
  const reader = stream.getReader()
  // Ends a read that waits, too.
  const stop = () => void reader.cancel().catch(() => {})
  signal?.addEventListener('abort', stop)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      signal?.throwIfAborted()
      if (done) break
      if (!isBytes(value)) throw new Error(`it gives ${show(value)} instead of bytes`)
      if (all && pieces.length === 0 && loaded + value.length <= all.length) all.set(value, loaded)
      else {
        // More than it was said to be.
        if (all && pieces.length === 0) pieces.push(all.subarray(0, loaded))
        pieces.push(value)
      }
      loaded += value.length
      onProgress?.({ loaded, total })
    }
  } finally {
    signal?.removeEventListener('abort', stop)
  }
  return all && pieces.length === 0 ? all.subarray(0, loaded) : joined(pieces)
}
