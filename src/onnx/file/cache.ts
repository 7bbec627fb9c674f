/** Models that a page keeps between visits: in the Cache API or in the origin's private file system. */

import { check, show } from '../../base/errors.js'
import { decodeUtf8, encodeUtf8 } from '../../base/utf8.js'
import { isName } from '../../core/options.js'

/** Where a model is kept: nowhere, in the Cache API, or in the origin's private file system. */
export type ModelCache = 'none' | 'cache-api' | 'opfs'

/** A model that is kept. */
export interface CachedModel {
  /** As `loadModel` was given it; the address, where it was given none. */
  key: string
  /** Where it came from. */
  url: string
  /** How long it is, in bytes. */
  bytes: number
  /** What the server called this version, where it said. */
  etag?: string
  /** When it was kept, in milliseconds since 1970. */
  date: number
}

/** How a model that may be kept was loaded. */
export interface CacheReport {
  /** Where the bytes came from: in Node a path is a file, which is not kept again. */
  from: 'cache' | 'network' | 'file'
  /** Whether they will be there the next time. */
  kept: boolean
  /** Why not, or why the network was asked although there was a key for it. */
  reason?: string
}

/** A kept model, before it is read. */
export interface Kept {
  facts: CachedModel
  /** How many bytes there are, where that is known before they are read. */
  size: number | undefined
  stream(): ReadableStream<Uint8Array>
}

/** What is known of a model before its bytes are. */
export type FirstFacts = Omit<CachedModel, 'bytes'>

/** A model that is being kept: there is nothing of it until it is closed. */
export interface Entry {
  /** The next bytes, which may be written anew once this settles. */
  write(bytes: Uint8Array): Promise<void>
  close(bytes: number): Promise<void>
  /** Leaves what was there before, if there was. Never throws. */
  abort(): Promise<void>
}

/** Where models are kept. */
export interface Store {
  read(key: string): Promise<Kept | undefined>
  create(facts: FirstFacts): Promise<Entry>
  remove(key: string): Promise<boolean>
  list(): Promise<CachedModel[]>
}

/** Of the cache, and of the folder. */
const NAME = 'filterbank-models'

const caching = { none: true, 'cache-api': true, opfs: true } as const

/** Throws unless it is one of them. */
export function checkCache(op: string, cache: unknown): asserts cache is ModelCache {
  check(isName(cache, caching), () => ({
    op,
    argument: 'cache',
    expected: `one of ${Object.keys(caching).join(', ')}`,
    got: show(cache),
  }))
}

/** The store of a kind; throws, with a reason for people, where the host has none. */
export function storeOf(cache: Exclude<ModelCache, 'none'>): Promise<Store> {
  return cache === 'opfs' ? fileStore() : cacheStore()
}

const lacks = (what: string) =>
  new Error(
    `this host has no ${what}${globalThis.isSecureContext === false ? ': the page is not served by https' : ''}`,
  )

async function cacheStore(): Promise<Store> {
  if (typeof caches !== 'object' || typeof caches?.open !== 'function') throw lacks('Cache API')
  const cache = await caches.open(NAME)
  // Keys of a cache are addresses; nothing is ever fetched from this one. Facts stand beside the bytes, since
  // how many those are is known last: what has none is not there.
  const bytesAt = (key: string) => `https://filterbank.invalid/${encodeURIComponent(key)}`
  const FACTS = '?facts'
  const factsAt = (key: string) => bytesAt(key) + FACTS
  const factsOf = async (found: Response | undefined): Promise<CachedModel | undefined> => found?.json()
  return {
    async read(key) {
      const facts = await factsOf(await cache.match(factsAt(key)))
      const body = facts && (await cache.match(bytesAt(key)))?.body
      return body ? { facts, size: undefined, stream: () => body } : undefined
    },
    async create(facts) {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
      const writer = writable.getWriter()
      const headers = { 'content-type': 'application/octet-stream' }
      const put = cache.put(bytesAt(facts.key), new Response(readable as BodyInit, { headers }))
      // A store that is full may leave the writer waiting.
      const failed = put.then(() => Promise.reject(new Error('the cache took less than all of it')))
      failed.catch(() => {})
      writer.closed.catch(() => {})
      return {
        write: (bytes) => Promise.race([writer.write(bytes.slice()), failed]),
        async close(bytes) {
          writer.close().catch(() => {})
          await put
          try {
            await cache.put(factsAt(facts.key), Response.json({ ...facts, bytes }))
          } catch (error) {
            await cache.delete(bytesAt(facts.key))
            throw error
          }
        },
        async abort() {
          await writer.abort(new Error('it did not come in whole')).catch(() => {})
          await put.catch(() => {})
        },
      }
    },
    async remove(key) {
      await cache.delete(bytesAt(key))
      return cache.delete(factsAt(key))
    },
    async list() {
      const facts = (await cache.keys()).filter(({ url }) => url.endsWith(FACTS))
      const found = await Promise.all(facts.map(async (request) => factsOf(await cache.match(request))))
      return found.filter((each) => each !== undefined)
    },
  }
}

/** Bytes before the facts: how long these are. */
const LEAD = 4

/** A file for each model: the length of its facts, the facts as JSON, the bytes. */
async function fileStore(): Promise<Store> {
  const { storage } = globalThis.navigator ?? {}
  if (typeof storage?.getDirectory !== 'function') throw lacks('private file system (OPFS)')
  const folder = await (await storage.getDirectory()).getDirectoryHandle(NAME, { create: true })
  // Keys are of any length and of any letters, names are not.
  const nameOf = async (key: string) => {
    const digest = await crypto.subtle.digest('SHA-256', encodeUtf8(key))
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
  }
  const missing = (error: unknown) => (error as Error)?.name === 'NotFoundError'
  const open = async (file: File): Promise<Kept | undefined> => {
    const part = async (from: number, to: number) => new Uint8Array(await file.slice(from, to).arrayBuffer())
    const lead = await part(0, LEAD)
    const length = lead.length < LEAD ? 0 : new DataView(lead.buffer).getUint32(0)
    if (length === 0) return undefined
    const start = LEAD + length
    const facts = JSON.parse(decodeUtf8(await part(LEAD, start))) as CachedModel
    const stream = () => file.slice(start).stream() as ReadableStream<Uint8Array>
    return { facts, size: Math.max(0, file.size - start), stream }
  }
  return {
    async read(key) {
      try {
        const handle = await folder.getFileHandle(await nameOf(key))
        return await open(await handle.getFile())
      } catch (error) {
        if (missing(error)) return undefined
        throw error
      }
    },
    async create(facts) {
      const name = await nameOf(facts.key)
      const handle = await folder.getFileHandle(name, { create: true })
      const removeEmpty = async () => {
        try {
          if ((await handle.getFile()).size === 0) await folder.removeEntry(name)
        } catch {
          // Somebody else is at it.
        }
      }
      try {
        return entryOf(await openFile(handle), facts, removeEmpty)
      } catch (error) {
        await removeEmpty()
        throw error
      }
    },
    async remove(key) {
      try {
        await folder.removeEntry(await nameOf(key))
        return true
      } catch (error) {
        if (missing(error)) return false
        throw error
      }
    },
    async list() {
      const found: CachedModel[] = []
      for await (const handle of (
        folder as unknown as { values(): AsyncIterable<FileSystemHandle> }
      ).values()) {
        const kept = await open(await (handle as FileSystemFileHandle).getFile()).catch(() => undefined)
        if (kept) found.push(kept.facts)
      }
      return found
    },
  }
}

/** A file that is written: what was there before goes when it is closed, else at once. */
interface OpenFile {
  /** Behind what was written before, or at the beginning. */
  write(bytes: Uint8Array, at?: 0): Promise<void>
  close(): Promise<void>
  abort(): Promise<void>
}

/** Room for the facts stays at the beginning; a file whose facts are missing is none. */
async function entryOf(file: OpenFile, facts: FirstFacts, removeEmpty: () => Promise<void>): Promise<Entry> {
  const headOf = (bytes: number) => encodeUtf8(JSON.stringify({ ...facts, bytes }))
  const room = headOf(Number.MAX_SAFE_INTEGER).length
  const abort = async () => {
    await file.abort().catch(() => {})
    await removeEmpty()
  }
  try {
    await file.write(new Uint8Array(LEAD + room))
  } catch (error) {
    await abort()
    throw error
  }
  return {
    write: (bytes) => file.write(bytes),
    async close(bytes) {
      const head = new Uint8Array(LEAD + room).fill(0x20, LEAD)
      new DataView(head.buffer).setUint32(0, room)
      head.set(headOf(bytes), LEAD)
      await file.write(head, 0)
      await file.close()
    },
    abort,
  }
}

/** What Safari before 26 has in workers in place of streams. */
interface SyncHandle {
  truncate(size: number): void
  write(bytes: Uint8Array, options: { at: number }): number
  close(): void
}

async function openFile(handle: FileSystemFileHandle): Promise<OpenFile> {
  if (typeof handle.createWritable === 'function') {
    const stream = await handle.createWritable()
    return {
      write: (bytes, position) => {
        const data = bytes as Uint8Array<ArrayBuffer>
        return stream.write(position === undefined ? data : { type: 'write', position, data })
      },
      close: () => stream.close(),
      abort: () => stream.abort(),
    }
  }
  const { createSyncAccessHandle } = handle as unknown as {
    createSyncAccessHandle?: () => Promise<SyncHandle>
  }
  if (!createSyncAccessHandle) throw lacks('private file system that this thread may write to')
  const file = await createSyncAccessHandle.call(handle)
  file.truncate(0)
  let end = 0
  return {
    async write(bytes, at = end as 0) {
      const written = file.write(bytes, { at })
      if (written < bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes were written`)
      end = Math.max(end, at + written)
    },
    async close() {
      file.close()
    },
    async abort() {
      file.truncate(0)
      file.close()
    },
  }
}

/**
 * Whether a server still has what is kept, as its HEAD tells by ETag, else by length. What cannot be known
 * counts as yes: a page that is offline has its model.
 */
export async function isCurrent(
  { url, etag, bytes }: CachedModel,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const { ok, headers } = await fetch(url, { method: 'HEAD', signal: signal ?? null, cache: 'no-cache' })
    if (!ok) return true
    const theirs = headers.get('etag')
    if (etag && theirs) return theirs === etag
    const length = headers.get('content-encoding') ? null : headers.get('content-length')
    return length === null || Number(length) === bytes
  } catch {
    signal?.throwIfAborted()
    return true
  }
}

const checkKept = (op: string, cache: unknown): Exclude<ModelCache, 'none'> => {
  checkCache(op, cache)
  check(cache !== 'none', () => ({ op, argument: 'cache', expected: 'cache-api or opfs', got: show(cache) }))
  return cache
}

/**
 * The models that are kept, the newest first; none where the host has no such storage.
 *
 * @param cache as `loadModel` was given it
 * @example for (const { key, bytes } of await cachedModels('opfs')) console.log(key, bytes)
 */
export async function cachedModels(cache: 'cache-api' | 'opfs'): Promise<CachedModel[]> {
  const kind = checkKept('cachedModels', cache)
  const store = await storeOf(kind).catch(() => undefined)
  return ((await store?.list()) ?? []).sort((a, b) => b.date - a.date)
}

/**
 * Gives back the storage of kept models: of one key and the data files that came with it, or of all.
 *
 * @param cache as `loadModel` was given it
 * @param key as `loadModel` was given it; the address, where it was given none. Default: every model
 * @returns how many were kept
 * @example await evictModels('cache-api', 'squeezenet-1.0')
 */
export async function evictModels(cache: 'cache-api' | 'opfs', key?: string): Promise<number> {
  const kind = checkKept('evictModels', cache)
  checkKey('evictModels', key)
  const store = await storeOf(kind).catch(() => undefined)
  const kept = (await store?.list()) ?? []
  const chosen = kept.filter(
    (each) => key === undefined || each.key === key || each.key.startsWith(`${key}\n`),
  )
  for (const each of chosen) await store!.remove(each.key)
  return chosen.length
}

/** Throws unless it is a string, or left out. */
export function checkKey(op: string, key: unknown): void {
  check(key === undefined || (typeof key === 'string' && key !== ''), () => ({
    op,
    argument: 'key',
    expected: 'a string that is not empty',
    got: show(key),
  }))
}

/** Of the data files that belong to a model: keys of one's own hardly have a new line. */
export const keyOfPart = (key: string, location: string): string => `${key}\n${location}`
