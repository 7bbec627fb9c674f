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
  stream(): ReadableStream<Uint8Array>
}

/** Where models are kept. */
export interface Store {
  read(key: string): Promise<Kept | undefined>
  write(facts: CachedModel, bytes: Uint8Array): Promise<void>
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

/** The header that facts are kept in beside a body. */
const FACTS = 'x-filterbank-model'

async function cacheStore(): Promise<Store> {
  if (typeof caches !== 'object' || typeof caches?.open !== 'function') throw lacks('Cache API')
  const cache = await caches.open(NAME)
  // Keys of a cache are addresses; nothing is ever fetched from this one.
  const address = (key: string) => `https://filterbank.invalid/${encodeURIComponent(key)}`
  const factsOf = ({ headers }: Response): CachedModel =>
    JSON.parse(decodeURIComponent(headers.get(FACTS) ?? 'null'))
  return {
    async read(key) {
      const found = await cache.match(address(key))
      const facts = found && factsOf(found)
      return facts && found.body
        ? { facts, stream: () => found.body as ReadableStream<Uint8Array> }
        : undefined
    },
    async write(facts, bytes) {
      const headers = {
        'content-type': 'application/octet-stream',
        [FACTS]: encodeURIComponent(JSON.stringify(facts)),
      }
      await cache.put(address(facts.key), new Response(bytes as Uint8Array<ArrayBuffer>, { headers }))
    },
    remove: (key) => cache.delete(address(key)),
    async list() {
      const found = await Promise.all((await cache.keys()).map((request) => cache.match(request)))
      return found.flatMap((response) => (response && factsOf(response)) || [])
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
    if (lead.length < LEAD) return undefined
    const start = LEAD + new DataView(lead.buffer).getUint32(0)
    const facts = JSON.parse(decodeUtf8(await part(LEAD, start))) as CachedModel
    return { facts, stream: () => file.slice(start).stream() as ReadableStream<Uint8Array> }
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
    async write(facts, bytes) {
      const name = await nameOf(facts.key)
      const text = encodeUtf8(JSON.stringify(facts))
      const head = new Uint8Array(LEAD + text.length)
      new DataView(head.buffer).setUint32(0, text.length)
      head.set(text, LEAD)
      try {
        await writeFile(await folder.getFileHandle(name, { create: true }), [head, bytes])
      } catch (error) {
        await folder.removeEntry(name).catch(() => {})
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

/** What Safari before 26 has in workers in place of streams. */
interface SyncHandle {
  truncate(size: number): void
  write(bytes: Uint8Array, options: { at: number }): number
  close(): void
}

async function writeFile(handle: FileSystemFileHandle, parts: readonly Uint8Array[]): Promise<void> {
  if (typeof handle.createWritable === 'function') {
    const stream = await handle.createWritable()
    try {
      for (const part of parts) await stream.write(part as Uint8Array<ArrayBuffer>)
    } catch (error) {
      await stream.abort().catch(() => {})
      throw error
    }
    return stream.close()
  }
  const { createSyncAccessHandle } = handle as unknown as {
    createSyncAccessHandle?: () => Promise<SyncHandle>
  }
  if (!createSyncAccessHandle) throw lacks('private file system that this thread may write to')
  const file = await createSyncAccessHandle.call(handle)
  try {
    file.truncate(0)
    let at = 0
    for (const part of parts) {
      const written = file.write(part, { at })
      if (written < part.length) throw new Error(`only ${written} of ${part.length} bytes were written`)
      at += written
    }
  } finally {
    file.close()
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
