/** The bytes of a model from wherever they are. */
import { check, FilterbankError, show } from '../../base/errors.js'
import { isArrayBuffer, isBytes, isResponse, isSharedBuffer, isUrl } from '../../base/realm.js'
import { builtin, reachBuiltins } from '../../wasm/host.js'
import type { External } from '../graph/graph.js'
import { joined } from './types.js'

/** A model: its bytes, a Response, a URL; in Node a path too. */
export type ModelSource = Uint8Array | ArrayBuffer | SharedArrayBuffer | Response | URL | string

/** Bytes that have come in so far. */
export interface Progress {
  loaded: number
  /** Undefined where the server does not say. */
  total: number | undefined
}

interface LoadSettings {
  onProgress?: ((progress: Progress) => void) | undefined
  signal?: AbortSignal | undefined
}

const op = 'loadModel'
/** Read from a disk at a time. */
const PIECE = 1 << 22

const files = () => builtin('node:fs')
const paths = () => builtin('node:path')

/** The whole file, and a way to the files of data beside it. */
export async function fetchModel(
  source: ModelSource,
  { onProgress, signal }: LoadSettings,
): Promise<{ bytes: Uint8Array; external: External }> {
  signal?.throwIfAborted()
  await reachBuiltins()
  const alone: External = (location) => {
    throw new FilterbankError({
      op,
      argument: 'source',
      expected: `a path, so that its data file ${show(location)} can be found`,
      got: show(source),
    })
  }
  if (isBytes(source)) return { bytes: source, external: alone }
  if (isArrayBuffer(source) || isSharedBuffer(source))
    return { bytes: new Uint8Array(source), external: alone }
  if (isResponse(source)) return { bytes: await bodyOf(source, onProgress, signal), external: alone }
  const path = files() && pathOf(source as URL | string)
  if (path !== undefined) return { bytes: await readFile(path, onProgress, signal), external: besides(path) }
  check(isUrl(source) || typeof source === 'string', () => ({
    op,
    argument: 'source',
    expected: 'bytes, a Response, a URL or a path',
    got: show(source),
  }))
  const response = await reach(`${source}`, () => fetch(source, { signal: signal ?? null }), signal)
  return { bytes: await bodyOf(response, onProgress, signal), external: alone }
}

/** The path of a file, or undefined for what has to be fetched. */
function pathOf(source: URL | string): string | undefined {
  if (typeof source !== 'string' && !isUrl(source)) return undefined
  if (/^file:/.test(`${source}`)) return builtin('node:url')!.fileURLToPath(`${source}`)
  return typeof source === 'string' && !/^(https?|data|blob):/.test(source) ? source : undefined
}

async function reach<T>(what: string, get: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await get()
  } catch (error) {
    signal?.throwIfAborted()
    throw new FilterbankError(
      {
        op,
        argument: 'source',
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
      const isPart =
        [offset, wanted].every((n) => Number.isSafeInteger(n) && n >= 0) && offset + wanted <= size
      const cut = () => ({
        op,
        argument: `data file ${show(location)}`,
        expected: `${wanted} bytes from ${offset} on`,
        got: `${Math.max(0, size - offset)}`,
      })
      check(isPart, cut)
      const bytes = new Uint8Array(wanted)
      check(readSync(file, bytes, 0, wanted, offset) === wanted, cut)
      return bytes
    } finally {
      closeSync(file)
    }
  }
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
      const pieces: Uint8Array[] = []
      let loaded = 0
      const reader = response.body.getReader()
      // Ends a read that waits, too.
      signal?.addEventListener('abort', () => reader.cancel().catch(() => {}))
      for (;;) {
        const { done, value } = await reader.read()
        signal?.throwIfAborted()
        if (done) break
        pieces.push(value)
        loaded += value.length
        onProgress?.({ loaded, total })
      }
      return joined(pieces)
    },
    signal,
  )
}
