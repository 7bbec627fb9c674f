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
import { builtin, reachBuiltins } from '../../wasm/host.js'
import type { External } from '../graph/graph.js'
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

interface LoadSettings {
  onProgress?: ((progress: Progress) => void) | undefined
  signal?: AbortSignal | undefined
  externalData?: Readonly<Record<string, DataSource>> | undefined
}

const op = 'loadModel'
/** Read from a disk at a time. */
const PIECE = 1 << 22

const files = () => builtin('node:fs')
const paths = () => builtin('node:path')

/** The whole file, and a way to its files of data: those that are given, and those beside it. */
export async function fetchModel(
  source: ModelSource,
  { onProgress, signal, externalData = {} }: LoadSettings,
): Promise<{ bytes: Uint8Array; external: External }> {
  signal?.throwIfAborted()
  await reachBuiltins()
  const settled = await settle('source', source, signal)
  const bytes = await bytesOf('source', settled, onProgress, signal)
  const given = new Map<string, Uint8Array>()
  for (const [location, data] of Object.entries(externalData)) {
    const argument = `externalData ${show(location)}`
    const own = await settle(argument, data as ModelSource, signal)
    const view = arrayName(own) && (own as unknown as ArrayBufferView)
    given.set(
      plainName(location),
      view
        ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
        : await bytesOf(argument, own, undefined, signal),
    )
  }
  const path = pathOf(settled)
  const beside = path === undefined ? undefined : besides(path)
  const external: External = (location, offset, length) => {
    const data = given.get(plainName(location))
    if (data) {
      const wanted = length ?? data.length - offset
      checkPart(location, data.length, offset, wanted)
      return data.subarray(offset, offset + wanted)
    }
    if (beside) return beside(location, offset, length)
    const names = [...given.keys()].map(show).join(', ')
    throw new FilterbankError({
      op,
      argument: 'source',
      expected: `a path, so that its data file ${show(location)} can be found, or externalData of this name`,
      got: show(settled) + (names && `, and externalData of ${names}`),
    })
  }
  return { bytes, external }
}

const plainName = (location: string): string => location.replace(/^(\.\/)+/, '')

/** What was promised. */
async function settle(
  argument: string,
  source: ModelSource,
  signal: AbortSignal | undefined,
): Promise<SettledSource> {
  return isThenable(source) ? reach('a promise', async () => source, signal, argument) : source
}

async function bytesOf(
  argument: string,
  source: SettledSource,
  onProgress: LoadSettings['onProgress'],
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
  const response = await reach(`${source}`, () => fetch(source, { signal: signal ?? null }), signal)
  return bodyOf(response, onProgress, signal)
}

/** The path of a file, or undefined for what has to be fetched. */
function pathOf(source: SettledSource): string | undefined {
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
  onProgress: LoadSettings['onProgress'],
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

/** Parts of data files in the folder of the model, and nowhere else. */
function besides(path: string): External {
  return (location, offset, length) => {
    const { dirname, isAbsolute, normalize, resolve } = paths()!
    const inside = !isAbsolute(location) && !normalize(location).startsWith('..')
    check(inside, () => ({
      op,
      argument: 'location',
      expected: "a file in the model's folder",
      got: show(location),
    }))
    const { openSync, readSync, closeSync, fstatSync, statSync } = files()!
    const place = resolve(dirname(path), location)
    const found = statSync(place, { throwIfNoEntry: false })
    check(found?.isFile() === true, () => ({
      op,
      argument: 'location',
      expected: "a file in the model's folder",
      got: `${found ? 'a folder' : 'none'} ${show(location)}`,
    }))
    const file = openSync(place, 'r')
    try {
      const { size } = fstatSync(file)
      const wanted = length ?? size - offset
      checkPart(location, size, offset, wanted)
      const bytes = new Uint8Array(wanted)
      check(readSync(file, bytes, 0, wanted, offset) === wanted, () => cut(location, size, offset, wanted))
      return bytes
    } finally {
      closeSync(file)
    }
  }
}

const cut = (location: string, size: number, offset: number, wanted: number) => ({
  op,
  argument: `data file ${show(location)}`,
  expected: `${wanted} bytes from ${offset} on`,
  got: `${Math.max(0, size - offset)}`,
})

function checkPart(location: string, size: number, offset: number, wanted: number): void {
  const isPart = [offset, wanted].every((n) => Number.isSafeInteger(n) && n >= 0) && offset + wanted <= size
  check(isPart, () => cut(location, size, offset, wanted))
}

async function bodyOf(
  response: Response,
  onProgress: LoadSettings['onProgress'],
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
async function drain(
  stream: ReadableStream<Uint8Array>,
  total: number | undefined,
  onProgress: LoadSettings['onProgress'],
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
