/** One loading of a model that may be kept for the next visit. */
import { check, messageOf, show } from '../../base/errors.js'
import { isUrl } from '../../base/realm.js'
import {
  type CacheReport,
  checkCache,
  checkKey,
  isCurrent,
  keyOfPart,
  type ModelCache,
  type Store,
  storeOf,
} from './cache.js'
import { bodyOf, bytesOf, drain, fetchFrom, type OnProgress, pathOf, type SettledSource } from './read.js'

const op = 'loadModel'

/** Whether and where a model is kept for the next visit. */
export interface CacheSettings {
  cache?: ModelCache | undefined
  key?: string | undefined
  revalidate?: boolean | undefined
  onCache?: ((report: CacheReport) => void) | undefined
}

/** Throws unless a source can be kept as it is asked for: before anything of it is read. */
export function checkCacheSettings(
  source: unknown,
  { cache = 'none', key, revalidate }: CacheSettings,
): void {
  checkCache(op, cache)
  checkKey(op, key)
  check(revalidate === undefined || typeof revalidate === 'boolean', () => ({
    op,
    argument: 'revalidate',
    expected: 'true or false',
    got: show(revalidate),
  }))
  check(cache === 'none' || typeof source === 'string' || isUrl(source), () => ({
    op,
    argument: 'source',
    expected: `an address where it is kept by cache: '${cache}'`,
    got: show(source),
    hint: 'What comes from elsewhere has been fetched already',
  }))
}

/** One loading of a model that may be kept: its own file, and its files of data. */
export class Keeper {
  cached = false
  private readonly writes: (() => Promise<void>)[] = []
  private readonly key: string
  private readonly store: Promise<Store> | undefined
  private reason: string | undefined

  constructor(
    private readonly settings: CacheSettings,
    source: SettledSource,
    private readonly signal: AbortSignal | undefined,
    private readonly anew: string | undefined,
  ) {
    const { cache = 'none', key } = settings
    this.key = key ?? (cache === 'none' ? '' : addressOf(source as string | URL))
    this.reason = anew
    if (cache !== 'none' && pathOf(source) === undefined) this.store = storeOf(cache)
    this.store?.catch(() => {})
  }

  /** The bytes of the model's own file, or of one of its files of data. */
  async bytesOf(
    argument: string,
    source: SettledSource,
    onProgress: OnProgress,
    location?: string,
  ): Promise<Uint8Array> {
    const { signal } = this
    const fetched = (typeof source === 'string' || isUrl(source)) && pathOf(source) === undefined
    if (!this.store || !fetched) return bytesOf(argument, source, onProgress, signal)
    const key = location === undefined ? this.key : keyOfPart(this.key, location)
    let store: Store | undefined
    try {
      store = await this.store
      const kept = this.anew === undefined ? await this.read(store, key, onProgress) : undefined
      if (kept) {
        this.cached ||= location === undefined
        return kept
      }
    } catch (error) {
      signal?.throwIfAborted()
      this.reason = messageOf(error)
    }
    const response = await fetchFrom(source, signal)
    const bytes = await bodyOf(response, onProgress, signal)
    const etag = response.headers.get('etag')
    const facts = {
      key,
      url: addressOf(source),
      bytes: bytes.length,
      date: Date.now(),
      ...(etag ? { etag } : {}),
    }
    const own = store
    if (own) this.writes.push(() => own.write(facts, bytes))
    return bytes
  }

  private async read(store: Store, key: string, onProgress: OnProgress): Promise<Uint8Array | undefined> {
    const kept = await store.read(key)
    if (!kept) return undefined
    const { facts, stream } = kept
    if (this.settings.revalidate && !(await isCurrent(facts, this.signal))) {
      this.reason = 'the server has another version'
      return undefined
    }
    const bytes = await drain(stream(), facts.bytes, onProgress, this.signal)
    if (bytes.length === facts.bytes) return bytes
    this.reason = `${bytes.length} of ${facts.bytes} bytes were kept`
    return undefined
  }

  /** Writes what came from the network; a storage that is full or absent changes nothing but the report. */
  async keep(): Promise<void> {
    let kept = this.store !== undefined && (this.cached || this.writes.length > 0)
    try {
      for (const write of this.writes) await write()
    } catch (error) {
      kept = false
      this.reason = messageOf(error) || String((error as Error).name)
    }
    const from = this.cached ? 'cache' : this.store ? 'network' : 'file'
    if (from === 'file') this.reason ??= 'files stay where they are'
    const { reason } = this
    if (this.settings.cache && this.settings.cache !== 'none')
      this.settings.onCache?.({ from, kept, ...(reason ? { reason } : {}) })
  }
}

/** An address as the page or the worker means it. */
function addressOf(source: string | URL): string {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href
  try {
    return new URL(source, base).href
  } catch {
    return `${source}`
  }
}
